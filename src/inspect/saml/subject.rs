//! CB-SAML-012…015: whom the assertion speaks of.

use crate::{
    base::text::Upn,
    inspect::{
        identity::{immutable_id_problem, issuer_speaks_for, one_upn},
        rule::{Ruling, quoted},
        saml_case::SamlCase,
    },
    protocol::xml::XmlElement,
};

const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";

/// CB-SAML-012.
pub(in crate::inspect) fn name_id_format(case: &SamlCase<'_>) -> Ruling {
    let evidence: Vec<_> = case
        .all(&["Subject", "NameID"])
        .into_iter()
        .map(|name_id| name_id.attribute("Format"))
        .filter(|format| *format != Some(PERSISTENT))
        .map(|format| match format {
            Some(format) => format!("Format is {}.", quoted(format)),
            None => "NameID has no Format.".to_owned(),
        })
        .collect();
    Ruling::broken_by(&evidence)
}

/// CB-SAML-013.
pub(in crate::inspect) fn name_id_value(case: &SamlCase<'_>) -> Ruling {
    if case.assertion().is_none() {
        return Ruling::Holds;
    }
    let values: Vec<_> = case
        .all(&["Subject", "NameID"])
        .into_iter()
        .map(XmlElement::joined_text)
        .collect();
    let [value] = values.as_slice() else {
        return Ruling::broken(format!("The assertion has {} NameIDs.", values.len()));
    };
    match immutable_id_problem(value) {
        Some(problem) => Ruling::broken(format!("NameID {} {problem}.", quoted(value))),
        None => Ruling::Holds,
    }
}

pub(in crate::inspect) fn upn(case: &SamlCase<'_>) -> Result<Upn, String> {
    one_upn("IDPEmail", &case.attribute_values("IDPEmail"))
}

/// CB-SAML-014.
pub(in crate::inspect) fn idp_email(case: &SamlCase<'_>) -> Ruling {
    if case.assertion().is_none() {
        return Ruling::Holds;
    }
    match upn(case) {
        Ok(_) => Ruling::Holds,
        Err(why) => Ruling::broken(why),
    }
}

/// CB-SAML-015. Without a UPN CB-SAML-014 has spoken.
pub(in crate::inspect) fn foreign_upn(case: &SamlCase<'_>) -> Ruling {
    match (case.assertion(), upn(case)) {
        (Some(_), Ok(upn)) => issuer_speaks_for(&upn, case.context),
        _ => Ruling::Holds,
    }
}
