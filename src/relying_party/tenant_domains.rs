//! Whose people a tenant may name (External MFA).
//!
//! Always true: a name says who a tenant's account is only in a domain that the operators gave
//! this tenant; without any, in those that are configured here as long as no other tenant asks
//! (attack 23). One tenant's administrator could else call an account as another's people are
//! called here, and be asked for their methods. A domain is one tenant's.

use std::collections::{BTreeMap, BTreeSet};

use super::{Domain, Tenant};
use crate::base::{guid::Guid, text::DomainName};

/// Which tenant each domain was given to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TenantDomains(BTreeMap<DomainName, Guid>);

/// Whether other tenants ask here too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asking {
    /// No other one.
    Alone,
    /// At least one other.
    BesideOthers,
}

/// The domain is another tenant's.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{domain} was given to the tenant {tenant} already; a domain is one tenant's")]
pub struct DomainTaken {
    /// The domain.
    pub domain: DomainName,
    /// Whose it is.
    pub tenant: Guid,
}

impl TenantDomains {
    /// Gives a tenant a domain.
    ///
    /// # Errors
    /// It is another tenant's.
    pub fn give(&mut self, tenant: Guid, domain: DomainName) -> Result<(), DomainTaken> {
        match self.0.get(&domain) {
            Some(holder) if *holder != tenant => Err(DomainTaken {
                domain,
                tenant: *holder,
            }),
            _ => {
                self.0.insert(domain, tenant);
                Ok(())
            }
        }
    }

    /// The tenant's domains, in the order of the alphabet.
    pub fn of(&self, tenant: Guid) -> impl Iterator<Item = &DomainName> {
        let of_tenant = move |(domain, holder): (_, &Guid)| (*holder == tenant).then_some(domain);
        self.0.iter().filter_map(of_tenant)
    }

    /// Whether a name in that domain says who an account of the tenant is.
    pub fn may_name(&self, tenant: Guid, domain: &DomainName, asking: Asking) -> bool {
        match self.0.get(domain) {
            Some(holder) => *holder == tenant,
            None => asking == Asking::Alone && self.of(tenant).next().is_none(),
        }
    }

    /// Those of all that were given which are not among the domains here: a name in one of them is
    /// nobody's.
    pub fn not_among(&self, domains: &[Domain]) -> Vec<&DomainName> {
        let is_here = |name: &DomainName| domains.iter().any(|domain| domain.name == *name);
        self.0.keys().filter(|name| !is_here(name)).collect()
    }

    /// Which of all tenants that ask here name nobody: several do, and these were given no domain.
    pub fn naming_nobody(&self, all: &[Tenant]) -> BTreeSet<Guid> {
        let asking: BTreeSet<Guid> = all.iter().map(|tenant| tenant.id).collect();
        if asking.len() < 2 {
            return BTreeSet::new();
        }
        let given: BTreeSet<Guid> = self.0.values().copied().collect();
        asking.difference(&given).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_23_a_tenant_names_people_of_its_own_domains() {
        let [one, two] = [
            "72f988bf-86f1-41af-91ab-2d7cd011db47",
            "aaaabbbb-0000-cccc-1111-dddd2222eeee",
        ]
        .map(|id| id.parse::<Guid>().unwrap());
        let domain = |name: &str| name.parse::<DomainName>().unwrap();
        let (contoso, fabrikam) = (domain("contoso.com"), domain("fabrikam.com"));
        let mut domains = TenantDomains::default();
        // Nobody said anything.
        assert!(domains.may_name(one, &contoso, Asking::Alone));
        assert!(!domains.may_name(one, &contoso, Asking::BesideOthers));
        domains.give(one, contoso.clone()).unwrap();
        domains.give(one, contoso.clone()).unwrap();
        for asking in [Asking::Alone, Asking::BesideOthers] {
            assert!(domains.may_name(one, &contoso, asking));
            assert!(!domains.may_name(two, &contoso, asking));
            // Who has any has these alone, and none below them.
            assert!(!domains.may_name(one, &fabrikam, asking));
            assert!(!domains.may_name(one, &domain("eu.contoso.com"), asking));
        }
        assert!(domains.may_name(two, &fabrikam, Asking::Alone));
        let asking = |id: Guid, client_id: &str| Tenant {
            id,
            client_id: client_id.parse().unwrap(),
            application_id: one,
            cloud: crate::relying_party::TenantCloud::Global,
            name: None,
        };
        let both = [asking(one, "a"), asking(two, "a"), asking(two, "b")];
        for (given, all, wanted) in [
            (&TenantDomains::default(), &both[..], vec![one, two]),
            (&domains, &both[..], vec![two]),
            // One tenant with two methods is alone.
            (&domains, &both[1..], vec![]),
            (&domains, &[], vec![]),
        ] {
            let found: Vec<Guid> = given.naming_nobody(all).into_iter().collect();
            assert_eq!(found, wanted);
        }
        let taken = domains.give(two, contoso.clone()).unwrap_err();
        assert_eq!((taken.domain, taken.tenant), (contoso.clone(), one));
        assert_eq!(domains.of(one).collect::<Vec<_>>(), [&contoso]);
        assert_eq!(domains.of(two).count(), 0);
    }
}
