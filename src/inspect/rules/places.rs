//! Where in the decoded message a rule looks: what the page marks.

/// The paths of the places that the rule of that id speaks of, each with the words of the
/// evidence without which it does not speak of that one; empty words are always there.
/// None for rules that quote what they speak of.
pub(in crate::inspect) fn of(id: &str) -> &'static [(&'static str, &'static str)] {
    PLACES
        .iter()
        .find(|(known, _)| *known == id)
        .map_or(&[], |(_, places)| places)
}

type Places = &'static [(&'static str, &'static str)];

const PLACES: &[(&str, Places)] = &[
    ("CB-SAML-001", &[("response.status", "")]),
    (
        "CB-SAML-003",
        &[
            ("response.issuer", "of the response is"),
            ("assertion.issuer", "of the assertion is"),
        ],
    ),
    ("CB-SAML-010", &[("assertion.audience", "")]),
    (
        "CB-SAML-011",
        &[
            ("response.destination", "Destination is"),
            ("assertion.recipient", "Recipient is"),
        ],
    ),
    ("CB-SAML-012", &[("assertion.name_id_format", "")]),
    ("CB-SAML-013", &[("assertion.name_id", "")]),
    (
        "CB-SAML-016",
        &[
            ("assertion.not_before", "NotBefore of Conditions"),
            ("assertion.not_on_or_after", "NotOnOrAfter of Conditions"),
            (
                "assertion.confirmation_not_on_or_after",
                "of SubjectConfirmationData",
            ),
            ("assertion.issue_instant", "IssueInstant of the Assertion"),
            ("response.issue_instant", "IssueInstant of the Response"),
        ],
    ),
    (
        "CB-SAML-017",
        &[
            ("response.in_response_to", "Response answers"),
            (
                "assertion.in_response_to",
                "SubjectConfirmationData answers",
            ),
        ],
    ),
    ("CB-SAML-018", &[("assertion.authn_instant", "")]),
    ("CB-SAML-019", &[("assertion.class_reference", "")]),
    ("CB-SAML-020", &[("assertion.class_reference", "")]),
    ("CB-SAML-021", &[("assertion.class_reference", "")]),
    (
        "CB-SAML-023",
        &[
            ("response.version", "of the Response"),
            ("assertion.version", "of the Assertion"),
        ],
    ),
    ("CB-WSFED-003", &[("assertion.issuer", "")]),
    (
        "CB-WSFED-014",
        &[
            ("assertion.not_before", "NotBefore of Conditions"),
            ("assertion.not_on_or_after", "NotOnOrAfter of Conditions"),
            ("response.lifetime.Created", "Created of"),
            ("response.lifetime.Expires", "Expires of"),
        ],
    ),
    ("CB-WSFED-015", &[("assertion.authentication_method", "")]),
    ("CB-EAM-001", &[("header.alg", "")]),
    ("CB-EAM-002", &[("header.kid", "")]),
    ("CB-EAM-004", &[("claims.iss", ""), ("issuer", "")]),
    (
        "CB-EAM-005",
        &[
            ("claims.aud", "aud is"),
            ("claims.nonce", "nonce is"),
            ("claims.sub", "sub is"),
        ],
    ),
    ("CB-EAM-006", &[("claims.acr", "")]),
    ("CB-EAM-007", &[("claims.amr", "")]),
    ("CB-EAM-008", &[("claims.amr", "")]),
    (
        "CB-EAM-009",
        &[
            ("claims.exp", "It expired"),
            ("claims.exp", "exp is"),
            ("claims.iat", "iat is"),
            ("claims.iat", "It was issued"),
        ],
    ),
    (
        "CB-EAM-010",
        &[
            ("authorization_endpoint", "authorization_endpoint is"),
            ("jwks_uri", "jwks_uri is"),
            ("response_types_supported", "response_types_supported"),
            ("scopes_supported", "scopes_supported"),
            ("subject_types_supported", "subject_types_supported"),
            (
                "id_token_signing_alg_values_supported",
                "id_token_signing_alg_values_supported",
            ),
            ("claim_types_supported", "claim_types_supported"),
        ],
    ),
    ("CB-EAM-011", &[("authorization_endpoint", "")]),
    ("CB-JWT-003", &[("header.alg", "alg")]),
    ("CB-PC-001", &[("claims.amr", "")]),
    ("CB-PC-003", &[("claims.aud", "")]),
    ("CB-PC-004", &[("claims.iss", ""), ("claims.tid", "tid is")]),
    (
        "CB-PC-005",
        &[
            ("claims.exp", "It expired"),
            ("claims.exp", "exp is"),
            ("claims.nbf", "It holds from"),
            ("claims.nbf", "nbf is"),
        ],
    ),
    ("CB-PC-006", &[("claims.scp", "")]),
    ("CB-PC-007", &[("claims.amr", "")]),
    (
        "CB-PC-009",
        &[
            ("claims.auth_time", "auth_time is"),
            ("claims.iat", "iat is"),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_of_a_rule_that_there_is() {
        for (id, places) in PLACES {
            assert!(super::super::by_id(id).is_some(), "{id}");
            assert!(!places.is_empty(), "{id}");
        }
        assert!(of("CB-SAML-005").is_empty());
    }
}
