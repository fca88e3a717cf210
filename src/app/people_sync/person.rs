//! What Graph says of a person.
//!
//! Always true: a list with anybody of another domain, with something that is no person, or
//! without what was asked for of one, is refused whole: it is not the list that was asked for.

use serde_json::Value;

use crate::{base::text::DomainName, outbound::graph::GraphError};

/// A person of the tenant, as Graph says it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TenantPerson {
    /// The object id.
    pub id: String,
    /// `userPrincipalName`, as it is written there.
    pub upn: String,
    /// `displayName`; empty if there is none.
    pub display_name: String,
    /// `onPremisesImmutableId`.
    pub immutable_id: Option<String>,
    /// `accountEnabled`.
    pub enabled: bool,
    /// `userType` is `Guest`.
    pub guest: bool,
    /// `onPremisesSyncEnabled`: an Active Directory is the master of the account.
    pub synced: bool,
}

/// The people of a page.
pub(super) fn read(values: &[Value], domain: &DomainName) -> Result<Vec<TenantPerson>, GraphError> {
    values.iter().map(|value| one(value, domain)).collect()
}

pub(super) fn one(value: &Value, domain: &DomainName) -> Result<TenantPerson, GraphError> {
    let lies = |what: &str| GraphError::unreadable("GET /v1.0/users", what);
    let text = |name: &str| match &value[name] {
        Value::String(text) => Ok(Some(text.clone())),
        Value::Null => Ok(None),
        _ => Err(lies("a person has a property that is no text")),
    };
    let flag = |name: &str| match &value[name] {
        Value::Bool(flag) => Ok(Some(*flag)),
        Value::Null => Ok(None),
        _ => Err(lies(
            "a person has a property that is neither true nor false",
        )),
    };
    let required = |name: &str| {
        text(name)?
            .filter(|text| !text.is_empty() && text.len() <= 1024)
            .ok_or_else(|| lies("there is somebody without a name or id"))
    };
    let (id, upn) = (required("id")?, required("userPrincipalName")?);
    let own = upn
        .rsplit_once('@')
        .is_some_and(|(_, own)| own.eq_ignore_ascii_case(domain.as_str()));
    if !own {
        return Err(lies("it lists people of another domain"));
    }
    // They were asked for: an answer without them is half of one, and half is not good news.
    if ["accountEnabled", "userType"]
        .iter()
        .any(|name| value.get(name).is_none())
    {
        return Err(lies("a person lacks what was asked for"));
    }
    Ok(TenantPerson {
        id,
        upn,
        display_name: text("displayName")?.unwrap_or_default(),
        immutable_id: text("onPremisesImmutableId")?.filter(|id| !id.is_empty()),
        // Who is not said to be enabled is not added as somebody who may sign in.
        enabled: flag("accountEnabled")?.unwrap_or(false),
        guest: text("userType")?.is_some_and(|kind| kind == "Guest"),
        synced: flag("onPremisesSyncEnabled")?.unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_that_is_another_is_refused_whole() {
        let domain = "contoso.com".parse().unwrap();
        let good = json!({ "id": "1", "userPrincipalName": "A@Contoso.com", "accountEnabled": true, "userType": null });
        let with = |name: &str, value: serde_json::Value| {
            let mut person = good.clone();
            person[name] = value;
            person
        };
        let without = |name: &str| {
            let mut person = good.clone();
            person.as_object_mut().unwrap().remove(name);
            person
        };
        let person = one(&good, &domain).unwrap();
        assert_eq!(
            (person.upn.as_str(), person.enabled, person.guest),
            ("A@Contoso.com", true, false)
        );
        let guest = one(&with("userType", json!("Guest")), &domain).unwrap();
        assert!(guest.guest);
        let unsaid = one(&with("accountEnabled", json!(null)), &domain).unwrap();
        assert!(!unsaid.enabled);
        for wrong in [
            with("userPrincipalName", json!("a@fabrikam.com")),
            with("userPrincipalName", json!("a@notcontoso.com")),
            with("userPrincipalName", json!("contoso.com")),
            with("onPremisesImmutableId", json!(7)),
            with("accountEnabled", json!("yes")),
            without("id"),
            without("userPrincipalName"),
            without("accountEnabled"),
            without("userType"),
            json!("a@contoso.com"),
        ] {
            let error = read(&[good.clone(), wrong.clone()], &domain).unwrap_err();
            assert!(matches!(error, GraphError::Unreadable { .. }), "{wrong}");
        }
    }
}
