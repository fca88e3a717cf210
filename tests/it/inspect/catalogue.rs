//! The catalogue and the corpus cover each other.

use std::collections::BTreeSet;

use claimbridge::inspect::rules;

use super::corpus::entries;

/// The catalogue as it was agreed on, a promise to operators. Ids are added, never removed.
const CATALOGUE: &str = include_str!("../../fixtures/inspector-rules.md");

/// The ids of the catalogue's tables; `CB-WSFED-004 … 009` is six of them.
fn promised() -> BTreeSet<String> {
    let rows = CATALOGUE
        .lines()
        .filter_map(|line| line.strip_prefix("| CB-"))
        .filter_map(|row| row.split('|').next());
    let mut ids = BTreeSet::new();
    for row in rows {
        let (first, last) = row.trim().split_once(" … ").unwrap_or((row.trim(), ""));
        let (family, number) = first.rsplit_once('-').unwrap();
        let from: u32 = number.parse().unwrap();
        let to = if last.is_empty() {
            from
        } else {
            last.parse().unwrap()
        };
        ids.extend((from..=to).map(|number| format!("CB-{family}-{number:03}")));
    }
    ids
}

/// What was added to them.
const ADDED: [&str; 12] = [
    "CB-KIND-001",
    "CB-KIND-002",
    "CB-XML-006",
    "CB-JWT-001",
    "CB-JWT-002",
    "CB-JWT-003",
    "CB-JWT-004",
    "CB-SAML-023",
    "CB-WSFED-020",
    "CB-EAM-012",
    "CB-FED-013",
    "CB-FED-014",
];

#[test]
fn the_table_has_exactly_the_promised_ids() {
    let promised = promised();
    assert_eq!(promised.len(), 78);
    let table: BTreeSet<_> = rules::all().map(|rule| rule.id.to_owned()).collect();
    let all = promised
        .into_iter()
        .chain(ADDED.map(ToOwned::to_owned))
        .collect();
    assert_eq!(table, all);
}

#[test]
fn every_rule_is_broken_and_just_not_broken_in_the_corpus() {
    let entries = entries();
    for rule in rules::all() {
        let breaks = entries.iter().any(|entry| {
            entry.rules.iter().any(|id| id == rule.id)
                // Undecided is all that this one ever is.
                || rule.id == "CB-KIND-002" && entry.undecided.iter().any(|id| id == rule.id)
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
const ALSO_NOT: &[(&str, &str)] = &[
    ("CB-KIND-001", "good-expect-entra"),
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
    ("CB-WSFED-003", "wsfed-good"),
    ("CB-WSFED-004", "wsfed-good"),
    ("CB-WSFED-005", "wsfed-017-not-outside"),
    ("CB-WSFED-008", "wsfed-006-not-next"),
    ("CB-WSFED-009", "wsfed-good"),
    ("CB-WSFED-020", "wsfed-good"),
    ("CB-EAM-001", "eam-good"),
    ("CB-EAM-002", "eam-good"),
    ("CB-EAM-005", "eam-good"),
    ("CB-EAM-006", "eam-008-not-same-type"),
    ("CB-EAM-011", "eam-010-not-complete"),
    ("CB-EAM-012", "eam-003-not-set"),
    ("CB-FED-001", "fed-good"),
    ("CB-FED-003", "fed-good"),
    ("CB-FED-004", "fed-good"),
    ("CB-FED-008", "fed-good"),
    ("CB-FED-012", "fed-good"),
    ("CB-FED-013", "fed-good-command"),
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
        // One key set shows what a published exponent looks like; this one is no secret.
        let text = text.replace("\"d\": \"AQAB\"", "");
        assert!(!text.contains("\"d\":"), "{}", file.display());
        read += 1;
    }
    assert!(read > 200);
}
