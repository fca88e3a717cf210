//! Tenants that name nobody, in words for the operator.
//!
//! Several tenants ask here, and one was given no domain: then no account of it is anybody's by
//! its name (`relying_party::tenant_domains`). That is as it must be (attack 23), and nothing
//! else would say why everybody of that tenant is a stranger.

use super::tenants;
use crate::{
    app::{Error, Settings},
    relying_party::Tenant,
    storage::Store,
};

/// How many are named; of more, how many.
const SHOWN: usize = 5;

/// Tenants that name nobody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamingNobody {
    /// What they are called.
    tenants: Vec<String>,
    /// Those of them that no `[[tenant]]` of the configuration file is of, so that no domains can
    /// stand there.
    only_stored: Vec<String>,
}

impl NamingNobody {
    /// Those of `all`, if there are any.
    pub fn among(all: &[Tenant], settings: &Settings) -> Option<Self> {
        let mut found = Self {
            tenants: Vec::new(),
            only_stored: Vec::new(),
        };
        for id in settings.tenant_domains.naming_nobody(all) {
            let Some(tenant) = all.iter().find(|tenant| tenant.id == id) else {
                continue;
            };
            let called = match &tenant.name {
                Some(name) => format!("{name} ({id})"),
                None => id.to_string(),
            };
            if !settings.tenants.iter().any(|tenant| tenant.id == id) {
                found.only_stored.push(called.clone());
            }
            found.tenants.push(called);
        }
        (!found.tenants.is_empty()).then_some(found)
    }

    /// Those that are stored or stand in the file.
    ///
    /// # Errors
    /// The database does not answer, or file and database contradict one another.
    pub async fn of(store: &Store, settings: &Settings) -> Result<Option<Self>, Error> {
        let all = tenants::known(store, settings).await?;
        Ok(Self::among(&all, settings))
    }

    /// What is so, a sentence without a full stop.
    pub fn sentence(&self) -> String {
        let which = listed(&self.tenants);
        match self.tenants.len() {
            1 => format!(
                "Several tenants ask here for External MFA, and no domains were given to the tenant {which}: nobody of it is known by name, only who is linked"
            ),
            _ => format!(
                "Several tenants ask here for External MFA, and no domains were given to the tenants {which}: nobody of them is known by name, only who is linked"
            ),
        }
    }

    /// What to do about it, without a full stop.
    pub fn remedy(&self) -> String {
        let write = "give each its domains (`domains = [\"…\"]` in its [[tenant]] of the configuration file)";
        let missing = if self.only_stored.is_empty() {
            String::new()
        } else {
            format!(
                "; {} stand{} in no [[tenant]] yet: write one with the ids that `claimbridge external-mfa show` prints",
                listed(&self.only_stored),
                if self.only_stored.len() == 1 { "s" } else { "" }
            )
        };
        format!(
            "{write}{missing}; then start `serve` anew, or link account by account with `claimbridge external-mfa link`"
        )
    }
}

fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_counted() {
        let names: Vec<String> = (1..=7).map(|number| number.to_string()).collect();
        assert_eq!(listed(&names), "1, 2, 3, 4, 5 and 2 more");
        assert_eq!(listed(&names[..5]), "1, 2, 3, 4, 5");
        assert_eq!(listed(&names[..1]), "1");
    }

    #[test]
    fn the_remedy_tells_what_is_only_stored() {
        let said = |tenants: &[&str], only_stored: &[&str]| {
            let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let found = NamingNobody {
                tenants: own(tenants),
                only_stored: own(only_stored),
            };
            format!("{}; {}", found.sentence(), found.remedy())
        };
        let one = said(&["a"], &[]);
        assert!(one.contains("to the tenant a: "), "{one}");
        assert!(!one.contains("no [[tenant]]"), "{one}");
        let two = said(&["a", "b"], &["b"]);
        assert!(two.contains("to the tenants a, b: "), "{two}");
        assert!(two.contains("; b stands in no [[tenant]] yet"), "{two}");
        let both = said(&["a", "b"], &["a", "b"]);
        assert!(both.contains("; a, b stand in no [[tenant]] yet"), "{both}");
    }
}
