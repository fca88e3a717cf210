//! The catalogue and the corpus cover each other.

use std::collections::BTreeSet;

use claimbridge::inspect::rules;

use super::corpus::entries;

/// The ids of the catalogue of this part, copied as data: a promise to
/// operators. Ids are added, never removed.
const PROMISED: [&str; 36] = [
    "CB-XML-001",
    "CB-XML-002",
    "CB-XML-003",
    "CB-XML-004",
    "CB-XML-005",
    "CB-SAML-001",
    "CB-SAML-002",
    "CB-SAML-003",
    "CB-SAML-004",
    "CB-SAML-005",
    "CB-SAML-006",
    "CB-SAML-007",
    "CB-SAML-008",
    "CB-SAML-009",
    "CB-SAML-010",
    "CB-SAML-011",
    "CB-SAML-012",
    "CB-SAML-013",
    "CB-SAML-014",
    "CB-SAML-015",
    "CB-SAML-016",
    "CB-SAML-017",
    "CB-SAML-018",
    "CB-SAML-019",
    "CB-SAML-020",
    "CB-SAML-021",
    "CB-SAML-022",
    "CB-PC-001",
    "CB-PC-002",
    "CB-PC-003",
    "CB-PC-004",
    "CB-PC-005",
    "CB-PC-006",
    "CB-PC-007",
    "CB-PC-008",
    "CB-PC-009",
];

/// What was added to them.
const ADDED: [&str; 7] = [
    "CB-KIND-001",
    "CB-KIND-002",
    "CB-XML-006",
    "CB-JWT-001",
    "CB-JWT-002",
    "CB-JWT-003",
    "CB-JWT-004",
];

#[test]
fn the_table_has_exactly_the_promised_ids() {
    let table: BTreeSet<_> = rules::all().map(|rule| rule.id).collect();
    let promised: BTreeSet<_> = PROMISED.into_iter().chain(ADDED).collect();
    assert_eq!(table, promised);
}

#[test]
fn every_rule_is_broken_and_just_not_broken_in_the_corpus() {
    let entries = entries();
    for rule in rules::all() {
        let breaks = entries.iter().any(|entry| {
            entry.rules.iter().any(|id| id == rule.id)
                // Undecided is all that this one ever is.
                || rule.id == "CB-KIND-002" && entry.name.starts_with("kind-002")
        });
        assert!(breaks, "no message breaks {}", rule.id);
        // Messages that just do not break a rule are named after it: pc-001-not-…
        let name = rule.id.trim_start_matches("CB-").to_lowercase();
        let near = format!("{name}-not-");
        let has_pair = entries.iter().any(|entry| entry.name.contains(&near))
            || ALSO_NOT.iter().any(|(id, pair)| {
                *id == rule.id && entries.iter().any(|entry| entry.name == *pair)
            });
        assert!(has_pair, "no message just does not break {}", rule.id);
    }
    assert!(entries.len() >= 40);
}

/// Pairs of rules that the good messages of all kinds just do not break.
const ALSO_NOT: [(&str, &str); 18] = [
    ("CB-KIND-001", "good-expect-entra"),
    ("CB-KIND-002", "good-expect-entra"),
    ("CB-XML-004", "good-both-signed"),
    ("CB-XML-005", "good"),
    ("CB-XML-006", "xml-001-not-declaration"),
    ("CB-SAML-001", "good"),
    ("CB-SAML-002", "good"),
    ("CB-SAML-003", "good-response-without-issuer"),
    ("CB-SAML-004", "good"),
    ("CB-SAML-008", "good-next-certificate"),
    ("CB-SAML-011", "saml-011-not-no-destination-unsigned"),
    ("CB-SAML-012", "good"),
    ("CB-SAML-019", "saml-020-not-both-places"),
    ("CB-SAML-021", "good"),
    ("CB-PC-007", "pc-001-not-with-others"),
    ("CB-JWT-003", "pc-008-not-verified"),
    ("CB-JWT-004", "pc-008-not-verified"),
    ("CB-SAML-006", "good-next-certificate"),
];

#[test]
fn no_private_key_is_committed() {
    let folders = [
        super::corpus::folder(),
        super::corpus::folder().join("messages"),
    ];
    let files = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|path| path.is_file());
    let mut read = 0;
    for file in files {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        assert!(!text.contains("PRIVATE KEY"), "{}", file.display());
        assert!(!text.contains("\"d\":"), "{}", file.display());
        read += 1;
    }
    assert!(read > 200);
}
