//! CB-SAML-004: which part is signed. What the signatures are worth is asked of both
//! versions of SAML alike: [`super::super::signature_rules`].

use crate::inspect::{rule::Ruling, saml_case::SamlCase};

/// CB-SAML-004.
pub(in crate::inspect) fn unsigned(case: &SamlCase<'_>) -> Ruling {
    if case.assertion().is_none() || case.assertion_signature().is_some() {
        return Ruling::Holds;
    }
    Ruling::broken(if case.signatures.list.is_empty() {
        "Neither the assertion nor the response has a signature."
    } else {
        "Only the response is signed; the assertion has no signature of its own."
    })
}
