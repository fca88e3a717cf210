//! The tenants that may ask: as they are configured, each with the addresses of its cloud.
//!
//! Always true: an answer goes to an address that follows from a configured tenant's cloud, and
//! what a request says only chooses among them, byte for byte (attack 30).

use crate::relying_party::{Tenant, TenantAddresses};

/// A tenant that may ask.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AskingTenant {
    /// As it is configured.
    pub tenant: Tenant,
    /// What follows from its cloud.
    pub addresses: TenantAddresses,
}

/// The address, if one of these calls itself `client_id` and takes its answers there. What comes
/// back is the one that is written here.
pub(super) fn reply_url<'t>(
    tenants: &'t [AskingTenant],
    client_id: &str,
    wanted: &str,
) -> Option<&'t str> {
    tenants
        .iter()
        .filter(|asking| asking.tenant.client_id.as_str() == client_id)
        .map(|asking| asking.addresses.reply_url.as_str())
        .find(|listed| *listed == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::oidc::a_cloud::{AUTHORITY, CLIENT, OTHER_AUTHORITY, contoso, fabrikam};

    #[test]
    fn attack_30_an_answer_goes_to_the_address_of_the_tenants_cloud_and_to_no_near_miss() {
        let tenants = [contoso(), fabrikam()];
        let global = format!("{AUTHORITY}/common/federation/externalauthprovider");
        let china = format!("{OTHER_AUTHORITY}/common/federation/externalauthprovider");
        let of_fabrikam = "claimbridge-of-fabrikam";
        let found = |client: &str, wanted: &str| {
            reply_url(&tenants, client, wanted).map(str::to_owned)
        };
        assert_eq!(found(CLIENT, &global), Some(global.clone()));
        assert_eq!(found(of_fabrikam, &china), Some(china.clone()));
        let us_gov = "https://login.microsoftonline.us/common/federation/externalauthprovider";
        let other_case = CLIENT.to_uppercase();
        for (client, wanted) in [
            (CLIENT, china.as_str()),
            (of_fabrikam, &global),
            (&other_case, &global),
            ("", &global),
            (CLIENT, ""),
            (CLIENT, us_gov),
        ] {
            assert_eq!(found(client, wanted), None, "{client} {wanted}");
        }
        for near in [
            format!("{global}/"),
            format!("{global}?x=1"),
            format!("{global}#x"),
            global.to_uppercase(),
            global.replace("https", "http"),
            global.replace(".com/", ".com:443/"),
            global.replace(".com/", ".com./"),
            global.replace(".com/", ".com.evil.example/"),
            global.replace("https://", "https://x@"),
            format!(" {global}"),
        ] {
            assert_eq!(found(CLIENT, &near), None, "{near}");
        }
    }
}
