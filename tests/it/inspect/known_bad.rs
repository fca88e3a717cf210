//! Collections of mistakes and attacks from the field: each gives the rule that names it.

use claimbridge::inspect::{Outcome, inspect};

use super::corpus::entry;

/// What it is, the message of the corpus, and the rule that must name it.
const KNOWN: &[(&str, &str, &str)] = &[
    ("XSW 1, response", "attack-10-xsw-1-response", "CB-XML-004"),
    ("XSW 2, response", "attack-10-xsw-2-response", "CB-XML-004"),
    ("XSW 1, both signed", "attack-10-xsw-1-both", "CB-XML-004"),
    ("XSW 2, both signed", "attack-10-xsw-2-both", "CB-XML-004"),
    ("XSW 3, assertion", "attack-10-xsw-3", "CB-XML-004"),
    ("XSW 4, assertion", "attack-10-xsw-4", "CB-XML-004"),
    ("XSW 5, assertion", "attack-10-xsw-5", "CB-XML-004"),
    ("XSW 6, assertion", "attack-10-xsw-6", "CB-XML-004"),
    ("XSW 7, assertion", "attack-10-xsw-7", "CB-XML-004"),
    ("XSW 8, assertion", "attack-10-xsw-8", "CB-XML-004"),
    ("XSW 3, SAML 1.1", "attack-10-wsfed-xsw-3", "CB-XML-004"),
    ("XSW 4, SAML 1.1", "attack-10-wsfed-xsw-4", "CB-XML-004"),
    ("XSW 5, SAML 1.1", "attack-10-wsfed-xsw-5", "CB-XML-004"),
    ("XSW 6, SAML 1.1", "attack-10-wsfed-xsw-6", "CB-XML-004"),
    ("XSW 7, SAML 1.1", "attack-10-wsfed-xsw-7", "CB-XML-004"),
    ("XSW 8, SAML 1.1", "attack-10-wsfed-xsw-8", "CB-XML-004"),
    (
        "comment truncation",
        "xml-003-signed-with-comment",
        "CB-XML-003",
    ),
    (
        "comment truncation, SAML 1.1",
        "xml-003-wsfed-name",
        "CB-XML-003",
    ),
    ("signature exclusion", "saml-004-none", "CB-SAML-004"),
    (
        "signature exclusion, SAML 1.1",
        "wsfed-004-none",
        "CB-WSFED-004",
    ),
    (
        "signature exclusion, token",
        "jwt-003-alg-none",
        "CB-JWT-003",
    ),
    (
        "signature exclusion, id_token",
        "eam-001-none",
        "CB-EAM-001",
    ),
    ("SHA-1", "saml-007-sha1", "CB-SAML-007"),
    ("SHA-1, SAML 1.1", "wsfed-007-sha1", "CB-WSFED-007"),
    ("wrong cloud", "saml-010-another-cloud", "CB-SAML-010"),
    (
        "wrong cloud, SAML 1.1",
        "wsfed-010-another-cloud",
        "CB-WSFED-010",
    ),
    (
        "https in an algorithm",
        "xml-005-method-https",
        "CB-XML-005",
    ),
    ("https in the class", "xml-005-class-https", "CB-XML-005"),
    (
        "slash behind the class",
        "xml-005-class-slash",
        "CB-XML-005",
    ),
    (
        "slash behind the value, SAML 1.1",
        "xml-005-wsfed-value",
        "CB-XML-005",
    ),
    (
        "authentik: attributes only",
        "saml-020-only-attribute",
        "CB-SAML-020",
    ),
    (
        "partner documentation's name",
        "wsfed-016-partner-name",
        "CB-WSFED-016",
    ),
    (
        "Keycloak: unspecified",
        "saml-019-unspecified",
        "CB-SAML-019",
    ),
    ("jwt.io is content, no x5c", "eam-003-no-x5c", "CB-EAM-003"),
    ("the letters of mfa", "pc-001-ngcmfa", "CB-PC-001"),
    (
        "the sample that rejects MFA",
        "fed-003-command",
        "CB-FED-003",
    ),
    ("a backdoor's certificate", "fed-002-backdoor", "CB-FED-002"),
];

#[test]
fn every_known_mistake_is_named_and_never_counted_as_mfa() {
    for (what, name, rule) in KNOWN {
        let (bytes, context) = entry(name);
        let report = inspect(&bytes, &context);
        assert!(
            report.broken().contains(rule),
            "{what}: {:?}",
            report.broken()
        );
        // SHA-1 is deprecated and still taken.
        let harmless = rule.ends_with("-007");
        for verdict in &report.verdicts {
            assert_eq!(
                verdict.outcome == Outcome::Accepted,
                harmless,
                "{what}: {:?}",
                verdict.outcome
            );
        }
        let finding = report.findings.iter().find(|found| found.rule == *rule);
        assert!(finding.is_some_and(|found| !found.fix.is_empty()), "{what}");
    }
}
