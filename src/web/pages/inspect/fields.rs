//! What the page calls what the command calls options.

use crate::inspect::Finding;

/// The page's names of the command's options.
const FIELDS: [(&str, &str); 12] = [
    ("--app-reply-url", "“Reply URLs of the app registration”"),
    ("--certificate", "“Registered certificates”"),
    ("--client-id", "“Client id”"),
    ("--cloud", "“Entra cloud”"),
    ("--discovery-url", "“Discovery URL”"),
    ("--domain", "“Root domain”"),
    ("--hint", "“Hint”"),
    ("--issuer", "“Issuer”"),
    ("--jwks", "“Keys of the token”"),
    ("--max-age", "“How old the sign-in may be”"),
    ("--request", "“Request that it answers”"),
    (
        "--trust-unsigned",
        "“And if a signature that cannot be checked were good?”",
    ),
];

/// `text` with the page's fields in the place of the command's options; an option that the
/// page has not is said to be the command's.
pub(super) fn on_page(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '-';
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("--") {
        let (before, option) = rest.split_at(at);
        let end = option.find(|c| !is_part(c)).unwrap_or(option.len());
        let (option, after) = option.split_at(end);
        shown.push_str(before);
        match FIELDS.iter().find(|(known, _)| *known == option) {
            Some((_, field)) => shown.push_str(field),
            None if option.trim_start_matches('-').len() > 2 => {
                shown.push_str(option);
                shown.push_str(" of the command claimbridge inspect");
            }
            None => shown.push_str(option),
        }
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// The findings, with what the page calls what decides them.
pub(super) fn on_this_page(findings: Vec<Finding>) -> Vec<Finding> {
    findings
        .into_iter()
        .map(|mut finding| {
            // The field of that name is the federation's.
            let is_external = finding.rule.starts_with("CB-EAM");
            let ways: Vec<_> = finding
                .decide_with
                .iter()
                .filter(|way| !(is_external && **way == "--issuer"))
                .map(|way| on_page(way))
                .collect();
            finding.fix = if ways.is_empty() {
                on_page(&finding.fix)
            } else {
                format!("Decide it with {}.", ways.join(" or "))
            };
            finding
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_a_field_or_the_commands() {
        for (text, wanted) in [
            ("--client-id and --hint", "“Client id” and “Hint”"),
            (
                "give it with --certificate.",
                "give it with “Registered certificates”.",
            ),
            (
                "--sign-in-url",
                "--sign-in-url of the command claimbridge inspect",
            ),
            ("<!-- x --> -- -----BEGIN", "<!-- x --> -- -----BEGIN"),
        ] {
            assert_eq!(on_page(text), wanted);
        }
    }
}
