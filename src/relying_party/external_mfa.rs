//! The tenants that ask for a second factor (External MFA): who they are, where their answers
//! go, and whose signature their hints carry (facts §5.3, §5.4).
//!
//! Always true: an answer goes to one of three addresses, that of the tenant's own cloud, or on
//! this computer alone to the practice tenant's; a tenant is known by its id and by nothing else
//! (attack 23).

use url::{Host, Url};

use super::EntraEndpoints;
use crate::base::guid::Guid;

/// Where Entra takes the answers of an external method, at its authority.
const REPLY_PATH: &str = "/common/federation/externalauthprovider";

/// What stands in a cloud's issuer where the tenant's id will stand.
pub const TENANT_HOLE: &str = "{tenantid}";

/// A cloud, as External MFA has to do with it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ExternalMfaCloud {
    name: String,
    authority: String,
    reply_url: String,
}

/// The addresses are not those of a practice tenant.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{0} is no address of this computer; Entra's clouds are global, us-gov and china, and any other is for practice on this computer"
)]
pub struct NotForPractice(pub String);

impl ExternalMfaCloud {
    /// The preset of that name: `global`, `us-gov`, `china`.
    pub fn by_name(name: &str) -> Option<Self> {
        let authority = EntraEndpoints::of_cloud(name)?.authority_url;
        Some(Self {
            name: name.to_owned(),
            reply_url: format!("{authority}{REPLY_PATH}"),
            authority,
        })
    }

    /// All presets.
    pub fn presets() -> Vec<Self> {
        ["global", "us-gov", "china"]
            .into_iter()
            .filter_map(Self::by_name)
            .collect()
    }

    /// The practice tenant's, at this authority: `http://127.0.0.1:PORT`, without a slash.
    ///
    /// # Errors
    /// It is not on this computer.
    pub fn practice(authority: &str) -> Result<Self, NotForPractice> {
        let url = Url::parse(authority).ok();
        let is_here = url.as_ref().is_some_and(is_here);
        let plain = url.is_some_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.origin().ascii_serialization() == authority
        });
        if !is_here || !plain {
            return Err(NotForPractice(authority.to_owned()));
        }
        Ok(Self {
            name: "practice".to_owned(),
            authority: authority.to_owned(),
            reply_url: format!("{authority}{REPLY_PATH}"),
        })
    }

    /// `global`, `us-gov`, `china` or `practice`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The one address that answers go to.
    pub fn reply_url(&self) -> &str {
        &self.reply_url
    }

    /// Scheme, host and port of all addresses of this cloud, without a slash.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Where the cloud says how its tokens are signed.
    pub fn metadata_url(&self) -> String {
        format!(
            "{}/common/v2.0/.well-known/openid-configuration",
            self.authority
        )
    }

    /// The issuer that the cloud's metadata names, with [`TENANT_HOLE`] in it.
    pub fn issuer_template(&self) -> String {
        format!("{}/{TENANT_HOLE}/v2.0", self.authority)
    }

    /// The issuer of a tenant's tokens of version 2.0.
    pub fn issuer_of(&self, tenant: Guid) -> String {
        format!("{}/{tenant}/v2.0", self.authority)
    }
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A tenant that asks for a second factor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExternalMfaTenant {
    /// The tenant's id.
    pub tenant: Guid,
    /// The value that we gave Entra: who asks says it, and `aud` of an answer repeats it.
    pub client_id: String,
    /// The id of the application that stands for us there: whom a hint is for.
    pub application: Guid,
    /// Its cloud.
    pub cloud: ExternalMfaCloud,
}

/// The address, if one of these calls itself `client_id` and takes its answers there. Compared
/// byte for byte; what comes back is what is written here, and never what a request said.
pub fn reply_url<'t>(
    tenants: &'t [ExternalMfaTenant],
    client_id: &str,
    wanted: &str,
) -> Option<&'t str> {
    tenants
        .iter()
        .filter(|tenant| tenant.client_id == client_id)
        .map(|tenant| tenant.cloud.reply_url())
        .find(|listed| *listed == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: &str, client_id: &str, cloud: &str) -> ExternalMfaTenant {
        ExternalMfaTenant {
            tenant: id.parse().unwrap(),
            client_id: client_id.to_owned(),
            application: "00000000-0000-0000-0000-00000000000a".parse().unwrap(),
            cloud: ExternalMfaCloud::by_name(cloud).unwrap(),
        }
    }

    const ONE: &str = "748b2d72-706b-42f8-8b25-82fd8733860f";
    const TWO: &str = "11111111-2222-3333-4444-555555555555";

    #[test]
    fn the_three_clouds_have_one_address_each_as_documented() {
        let all: Vec<_> = ExternalMfaCloud::presets()
            .iter()
            .map(|cloud| cloud.reply_url().to_owned())
            .collect();
        assert_eq!(
            all,
            [
                "https://login.microsoftonline.com/common/federation/externalauthprovider",
                "https://login.microsoftonline.us/common/federation/externalauthprovider",
                "https://login.partner.microsoftonline.cn/common/federation/externalauthprovider",
            ]
        );
        assert_eq!(ExternalMfaCloud::by_name("custom"), None);
        let global = ExternalMfaCloud::by_name("global").unwrap();
        assert_eq!(
            global.issuer_of(ONE.parse().unwrap()),
            format!("https://login.microsoftonline.com/{ONE}/v2.0")
        );
    }

    #[test]
    fn attack_30_an_answer_goes_to_the_address_of_the_tenants_cloud_and_to_no_near_miss() {
        let tenants = [tenant(ONE, "cb", "global"), tenant(TWO, "other", "china")];
        let reply_url =
            |client: &str, wanted: &str| reply_url(&tenants, client, wanted).map(str::to_owned);
        let global = "https://login.microsoftonline.com/common/federation/externalauthprovider";
        let china =
            "https://login.partner.microsoftonline.cn/common/federation/externalauthprovider";
        assert_eq!(reply_url("cb", global).as_deref(), Some(global));
        assert_eq!(reply_url("other", china).as_deref(), Some(china));
        for (client, wanted) in [
            ("cb", china),
            ("other", global),
            ("CB", global),
            ("", global),
            ("cb", ""),
            (
                "cb",
                "https://login.microsoftonline.us/common/federation/externalauthprovider",
            ),
        ] {
            assert_eq!(reply_url(client, wanted), None, "{client} {wanted}");
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
            assert_eq!(reply_url("cb", &near), None, "{near}");
        }
    }

    #[test]
    fn attack_39_a_cloud_of_ones_own_is_on_this_computer_or_is_none() {
        for here in [
            "http://127.0.0.1:8081",
            "http://localhost:8081",
            "http://[::1]:1",
        ] {
            let cloud = ExternalMfaCloud::practice(here).unwrap();
            assert!(cloud.reply_url().starts_with(here));
        }
        for elsewhere in [
            "https://login.microsoftonline.com",
            "https://login.fabrikam.example",
            "http://127.0.0.1:8081/",
            "http://127.0.0.1:8081/x",
            "http://x@127.0.0.1:8081",
            "http://localhost.evil.example",
            "ftp://localhost",
            "localhost",
        ] {
            assert!(
                ExternalMfaCloud::practice(elsewhere).is_err(),
                "{elsewhere}"
            );
        }
    }
}
