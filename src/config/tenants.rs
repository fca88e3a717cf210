//! `[[tenant]]`: tenants of Entra that ask here for the second factor (External MFA).

use super::{Entra, reader::Reader};
use crate::{
    base::{guid::Guid, text::DomainName},
    relying_party::{
        ClientId, Tenant, TenantCloud, TenantDomains,
        tenant::{TenantName, require_new},
    },
};

pub(super) fn read(reader: &mut Reader, entra: &Entra) -> (Vec<Tenant>, TenantDomains) {
    let default: TenantCloud = entra.cloud.name.parse().unwrap_or(TenantCloud::Custom);
    let mut tenants: Vec<Tenant> = Vec::new();
    let mut given = TenantDomains::default();
    // One more than there are, so that the keys are known when there is none.
    let count = reader.count("tenant");
    for index in 0..=count {
        let key = |name: &str| format!("tenant.{index}.{name}");
        let id = reader.parsed::<Guid>(&key("tenant_id"));
        let client_id = reader.parsed::<ClientId>(&key("client_id"));
        let application_id = reader.parsed::<Guid>(&key("application_id"));
        let cloud = reader.parsed::<TenantCloud>(&key("cloud"));
        let name = reader.parsed::<TenantName>(&key("name"));
        let domains = reader.list::<DomainName>(&key("domains"));
        if index == count {
            continue;
        }
        for (part, what) in [
            ("tenant_id", "write the tenant's id, a GUID"),
            (
                "client_id",
                "write what Entra was given as client ID; `claimbridge external-mfa add` makes one",
            ),
            (
                "application_id",
                "write the application (client) ID of the application registration, a GUID",
            ),
        ] {
            if !reader.has(&key(part)) {
                reader.object(&key(part), &format!("it is missing; {what}"));
            }
        }
        let cloud = cloud.unwrap_or(default);
        let custom = entra
            .endpoints
            .as_ref()
            .filter(|_| entra.cloud.name == TenantCloud::Custom.as_str());
        if let Err(error) = cloud.external_mfa(custom) {
            reader.object(
                &key("cloud"),
                &format!("{error}; or write the name of one of Microsoft's clouds here"),
            );
        }
        let (Some(id), Some(client_id), Some(application_id)) = (id, client_id, application_id)
        else {
            continue;
        };
        for domain in domains {
            if let Err(error) = given.give(id, domain) {
                reader.object(&key("domains"), &format!("{error}; leave it out of one"));
            }
        }
        let tenant = Tenant {
            id,
            client_id,
            application_id,
            cloud,
            name,
        };
        match require_new(&tenant, &tenants) {
            Ok(()) => tenants.push(tenant),
            Err(error) => {
                reader.object(&key("tenant_id"), &format!("{error}; correct this entry"));
            }
        }
    }
    (tenants, given)
}
