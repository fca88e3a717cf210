//! The catalogue: every rule as data plus one function, one table per family.
//!
//! Adding a rule is one entry here and a pair of messages in the corpus
//! (`tests/fixtures/inspector`): one that breaks it, one that just does not. An
//! id is never removed and never means something else.

/// A bad and a good example of each.
pub mod examples;
mod external_mfa;
mod federation;
mod places;
mod saml;
mod token;
mod wsfed;
mod xml;

use super::report::Finding;
pub use super::rule::Rule;

/// All rules, in the order in which findings are shown.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    [
        xml::RULES,
        saml::RULES,
        wsfed::RULES,
        external_mfa::RULES,
        token::RULES,
        federation::RULES,
    ]
    .into_iter()
    .flatten()
}

/// Whether the finding speaks of the place `path` of the decoded message, whose value is
/// `value`: the rule looks there, or its evidence quotes it.
pub fn speaks_of(finding: &Finding, path: &str, value: &str) -> bool {
    // Shorter ones stand in too many sentences.
    const SHORTEST: usize = 6;
    places::of(finding.rule).iter().any(|(place, words)| {
        path.strip_prefix(place)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            && finding.evidence.contains(words)
    }) || (value.len() >= SHORTEST
        && value.len() <= finding.evidence.len()
        && finding.evidence.contains(value))
}

/// The rule of that id, whatever its letter case.
pub fn by_id(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_every_rule_can_be_explained() {
        let mut seen = std::collections::HashSet::new();
        for rule in all() {
            assert!(seen.insert(rule.id), "{} stands twice", rule.id);
            assert!(rule.title.ends_with('.'), "{}", rule.id);
            assert!(rule.fix.ends_with('.'), "{}", rule.id);
            assert!(!rule.reference.is_empty(), "{}", rule.id);
            assert!(!rule.consumers.is_empty(), "{}", rule.id);
            let example = examples::of(rule.id).expect(rule.id);
            assert_ne!(example.bad, example.good, "{}", rule.id);
        }
        assert_eq!(
            by_id("cb-saml-004").map(|rule| rule.id),
            Some("CB-SAML-004")
        );
        assert!(by_id("CB-SAML-999").is_none());
    }
}
