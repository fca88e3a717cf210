//! CB-WSFED-011…013: whom the assertion speaks of.

use crate::{
    base::text::Upn,
    inspect::{
        identity::{immutable_id_problem, issuer_speaks_for, one_upn},
        rule::{Ruling, quoted},
        wsfed_case::WsfedCase,
    },
    protocol::xml::XmlElement,
};

const UPN: (&str, &str) = ("http://schemas.xmlsoap.org/claims", "UPN");
const IMMUTABLE_ID: (&str, &str) = (
    "http://schemas.microsoft.com/LiveID/Federation/2008/05",
    "ImmutableID",
);

/// Attributes that are called like `wanted`, but not exactly.
fn look_alikes(case: &WsfedCase<'_>, wanted: (&str, &str)) -> Vec<String> {
    case.claims()
        .into_iter()
        .filter(|(namespace, name, _)| {
            (*namespace, *name) != wanted && name.eq_ignore_ascii_case(wanted.1)
        })
        .map(|(namespace, name, _)| quoted(&format!("{namespace}/{name}")))
        .collect()
}

pub(in crate::inspect) fn upn(case: &WsfedCase<'_>) -> Result<Upn, String> {
    one_upn(UPN.1, &case.claim(UPN.0, UPN.1)).map_err(|why| {
        let others = look_alikes(case, UPN);
        if others.is_empty() {
            why
        } else {
            format!("{why} Another is {}.", others.join(", "))
        }
    })
}

/// CB-WSFED-011.
pub(in crate::inspect) fn upn_claim(case: &WsfedCase<'_>) -> Ruling {
    match (case.assertion(), upn(case)) {
        (Some(_), Err(why)) => Ruling::broken(why),
        _ => Ruling::Holds,
    }
}

/// CB-WSFED-012.
pub(in crate::inspect) fn immutable_id(case: &WsfedCase<'_>) -> Ruling {
    if case.assertion().is_none() {
        return Ruling::Holds;
    }
    let values = case.claim(IMMUTABLE_ID.0, IMMUTABLE_ID.1);
    let [value] = values.as_slice() else {
        let others = look_alikes(case, IMMUTABLE_ID);
        let beside = if others.is_empty() {
            String::new()
        } else {
            format!(" Another is {}.", others.join(", "))
        };
        return Ruling::broken(format!("ImmutableID has {} values.{beside}", values.len()));
    };
    let mut evidence = Vec::new();
    if let Some(problem) = immutable_id_problem(value) {
        evidence.push(format!("ImmutableID {} {problem}.", quoted(value)));
    }
    for name in case
        .name_identifiers()
        .into_iter()
        .map(XmlElement::joined_text)
    {
        if name != *value {
            evidence.push(format!(
                "NameIdentifier is {}, ImmutableID {}.",
                quoted(&name),
                quoted(value)
            ));
        }
    }
    evidence.dedup();
    Ruling::broken_by(&evidence)
}

/// CB-WSFED-013. Without a UPN CB-WSFED-011 has spoken.
pub(in crate::inspect) fn foreign_upn(case: &WsfedCase<'_>) -> Ruling {
    match (case.assertion(), upn(case)) {
        (Some(_), Ok(upn)) => issuer_speaks_for(&upn, case.context),
        _ => Ruling::Holds,
    }
}
