//! What a request may demand of the answer, and what we can give.
//!
//! Always true: the answer is always multi-factor, so a demand is either met by
//! that or answered with a status; no demand makes the answer weaker.

use samael::schema::{AuthnContextComparison, NameIdPolicy, RequestedAuthnContext};

use super::{PERSISTENT, status::Status};

/// The class that we answer with (facts §1.3; computed in `claims`, recognised here).
const MULTIPLE_AUTHN: &str = "http://schemas.microsoft.com/claims/multipleauthn";
/// Satisfied by either Windows integrated authentication or several factors (facts §2.3).
const WIA_OR_MULTIPLE: &str = "http://schemas.microsoft.com/claims/wiaormultiauthn";

/// Classes that two factors exceed. A party that names one means "at least this":
/// obeying it literally is how a password-only token comes about (facts §2.2).
const WEAKER: [&str; 5] = [
    "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:Password",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
    "urn:oasis:names:tc:SAML:1.0:am:password",
    "urn:federation:authentication:windows",
];

/// What is demanded of the person's name in the answer: only a persistent one is given.
pub(super) fn require_name_id_policy(
    policy: Option<&NameIdPolicy>,
    party: &str,
) -> Result<(), Status> {
    let Some(policy) = policy else { return Ok(()) };
    let format_given = match policy.format.as_deref() {
        None | Some("") => true,
        Some(format) => {
            format == PERSISTENT
                || format == "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
                || format == "urn:oasis:names:tc:SAML:2.0:nameid-format:unspecified"
        }
    };
    // A name in the space of another party is not ours to give (core §3.4.1.1).
    let own_space = policy
        .sp_name_qualifier
        .as_deref()
        .is_none_or(|space| space == party);
    if format_given && own_space {
        Ok(())
    } else {
        Err(Status::InvalidNameIdPolicy)
    }
}

/// What is demanded of the authentication (core §3.3.2.2.1): one of the listed must
/// be met by several factors.
pub(super) fn require_context(requested: Option<&RequestedAuthnContext>) -> Result<(), Status> {
    let Some(requested) = requested else {
        return Ok(());
    };
    let classes: Vec<&str> = requested
        .authn_context_class_refs
        .iter()
        .flatten()
        .filter_map(|class| class.value.as_deref())
        .collect();
    let names_several = |class: &&str| [MULTIPLE_AUTHN, WIA_OR_MULTIPLE].contains(class);
    let names_weaker = |class: &&str| WEAKER.contains(class);
    let met = match requested.comparison {
        None | Some(AuthnContextComparison::Exact | AuthnContextComparison::Minimum) => classes
            .iter()
            .any(|class| names_several(class) || names_weaker(class)),
        // Stronger than each: nothing that we give is stronger than several factors.
        Some(AuthnContextComparison::Better) => {
            !classes.is_empty() && classes.iter().all(names_weaker)
        }
        // Not stronger than one of them: a password as upper limit cannot be kept.
        Some(AuthnContextComparison::Maximum) => classes.iter().any(names_several),
    };
    if met {
        Ok(())
    } else {
        Err(Status::NoAuthnContext)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use samael::schema::AuthnContextClassRef;

    const PASSWORD: &str = WEAKER[2];
    const SMARTCARD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI";

    fn asks(comparison: Option<AuthnContextComparison>, classes: &[&str]) -> Result<(), Status> {
        require_context(Some(&RequestedAuthnContext {
            authn_context_class_refs: Some(
                classes
                    .iter()
                    .map(|class| AuthnContextClassRef {
                        value: Some((*class).to_owned()),
                    })
                    .collect(),
            ),
            authn_context_decl_refs: None,
            comparison,
        }))
    }

    #[test]
    fn a_demand_is_met_by_several_factors_or_refused() {
        use AuthnContextComparison::{Better, Exact, Maximum, Minimum};
        let no = Err(Status::NoAuthnContext);
        for (comparison, classes, expected) in [
            (None, &[MULTIPLE_AUTHN][..], Ok(())),
            (None, &[WIA_OR_MULTIPLE], Ok(())),
            (None, &[PASSWORD], Ok(())),
            (None, &[SMARTCARD], no),
            (None, &[SMARTCARD, PASSWORD], Ok(())),
            (None, &[], no),
            (Some(Exact), &[MULTIPLE_AUTHN], Ok(())),
            (Some(Exact), &[PASSWORD], Ok(())),
            (Some(Exact), &[SMARTCARD], no),
            (Some(Minimum), &[PASSWORD], Ok(())),
            (Some(Minimum), &[MULTIPLE_AUTHN], Ok(())),
            (Some(Minimum), &[SMARTCARD], no),
            (Some(Better), &[PASSWORD], Ok(())),
            (Some(Better), &[MULTIPLE_AUTHN], no),
            (Some(Better), &[PASSWORD, MULTIPLE_AUTHN], no),
            (Some(Better), &[SMARTCARD], no),
            (Some(Better), &[], no),
            (Some(Maximum), &[PASSWORD], no),
            (Some(Maximum), &[PASSWORD, MULTIPLE_AUTHN], Ok(())),
            (Some(Maximum), &[SMARTCARD], no),
        ] {
            assert_eq!(
                asks(comparison.clone(), classes),
                expected,
                "{comparison:?} {classes:?}"
            );
        }
        assert_eq!(require_context(None), Ok(()));
    }

    #[test]
    fn only_a_persistent_name_is_given() {
        let policy = |format: Option<&str>, space: Option<&str>| {
            require_name_id_policy(
                Some(&NameIdPolicy {
                    format: format.map(str::to_owned),
                    sp_name_qualifier: space.map(str::to_owned),
                    allow_create: None,
                }),
                "urn:sp",
            )
        };
        let no = Err(Status::InvalidNameIdPolicy);
        assert_eq!(require_name_id_policy(None, "urn:sp"), Ok(()));
        assert_eq!(policy(None, None), Ok(()));
        assert_eq!(policy(Some(PERSISTENT), None), Ok(()));
        assert_eq!(
            policy(
                Some("urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"),
                Some("urn:sp")
            ),
            Ok(())
        );
        assert_eq!(policy(Some(PERSISTENT), Some("urn:other")), no);
        for format in [
            "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
            "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
            "urn:oasis:names:tc:SAML:2.0:nameid-format:encrypted",
        ] {
            assert_eq!(policy(Some(format), None), no, "{format}");
        }
    }
}
