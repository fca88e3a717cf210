//! What a rule is.
//!
//! A rule is data plus one function over the decoded message. The function
//! answers for this message only: it holds, it is broken (with evidence), or it
//! cannot be decided, in which case it names the options that would decide it.

use super::{
    context::Consumer, discovery::DiscoveryCase, federation_case::FederationCase, jwks::KeysCase,
    report::Severity, saml_case::SamlCase, token_case::TokenCase, wsfed_case::WsfedCase,
    xml_case::XmlCase,
};

/// One rule of the catalogue.
pub struct Rule {
    /// The stable id; never reused, never removed.
    pub id: &'static str,
    /// What breaks it, in one sentence.
    pub title: &'static str,
    /// How much it matters, unless a breach says otherwise.
    pub severity: Severity,
    /// Who refuses or misreads the message.
    pub consumers: &'static [Consumer],
    /// What the operator changes, unless a breach says it more exactly.
    pub fix: &'static str,
    /// The errors that it predicts.
    pub aadsts: &'static [&'static str],
    /// Where it comes from.
    pub reference: &'static str,
    /// How it is checked.
    pub(super) check: Check,
}

/// What a rule looks at.
pub(super) enum Check {
    /// Found while the message is read or its kind is determined; see [`super::reading`].
    Reading,
    /// Any XML message.
    Xml(fn(&XmlCase<'_>) -> Ruling),
    /// A SAML 2.0 response or assertion.
    Saml(fn(&SamlCase<'_>) -> Ruling),
    /// A WS-Federation answer or a SAML 1.1 assertion.
    Wsfed(fn(&WsfedCase<'_>) -> Ruling),
    /// A token or its claims.
    Token(fn(&TokenCase<'_>) -> Ruling),
    /// A discovery document.
    Discovery(fn(&DiscoveryCase<'_>) -> Ruling),
    /// A key set.
    Keys(fn(&KeysCase) -> Ruling),
    /// A domain's federation.
    Federation(fn(&FederationCase<'_>) -> Ruling),
    /// Several of these: the one for the message at hand.
    AnyOf(&'static [Check]),
}

/// What a rule says about one message.
#[derive(Clone, Debug)]
pub(super) enum Ruling {
    /// It holds, or speaks about something that this message has not.
    Holds,
    /// It is broken.
    Broken(Breach),
    /// It lacks what it needs.
    Undecided {
        /// What was seen, and what is missing.
        evidence: String,
        /// The options that would decide it.
        decide_with: &'static [&'static str],
    },
}

/// How a rule is broken.
#[derive(Clone, Debug)]
pub(super) struct Breach {
    pub(super) evidence: String,
    pub(super) severity: Option<Severity>,
    pub(super) fix: Option<String>,
}

impl Ruling {
    /// Broken, with the rule's own severity and fix.
    pub(super) fn broken(evidence: impl Into<String>) -> Self {
        Self::Broken(Breach {
            evidence: evidence.into(),
            severity: None,
            fix: None,
        })
    }

    /// Broken if there is something to say, else it holds.
    pub(super) fn broken_by(evidence: &[String]) -> Self {
        if evidence.is_empty() {
            Self::Holds
        } else {
            Self::broken(evidence.join(" "))
        }
    }

    /// Undecided for want of `decide_with`.
    pub(super) fn undecided(
        evidence: impl Into<String>,
        decide_with: &'static [&'static str],
    ) -> Self {
        Self::Undecided {
            evidence: evidence.into(),
            decide_with,
        }
    }

    /// With another severity than the rule's.
    pub(super) fn with_severity(mut self, severity: Severity) -> Self {
        if let Self::Broken(breach) = &mut self {
            breach.severity = Some(severity);
        }
        self
    }

    /// With a more exact fix than the rule's.
    pub(super) fn with_fix(mut self, fix: impl Into<String>) -> Self {
        if let Self::Broken(breach) = &mut self {
            breach.fix = Some(fix.into());
        }
        self
    }
}

/// At most 80 characters of a text from the message, in quotation marks. For evidence.
pub(super) fn quoted(text: &str) -> String {
    format!("“{}”", shown(text, 80))
}

/// At most `limit` characters of `text`, with what would steer a terminal or
/// show as nothing made visible: evidence repeats what a stranger wrote.
pub fn shown(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    for c in text.chars().take(limit) {
        if c.is_control() || is_format_character(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    if text.chars().nth(limit).is_some() {
        shown.push('…');
    }
    shown
}

/// Characters that change how what follows is shown, or show as nothing.
fn is_format_character(c: char) -> bool {
    matches!(c,
        '\u{a0}' | '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_cannot_steer_a_terminal() {
        assert_eq!(quoted("a\u{1b}[31mb\n"), "“a\\u{1b}[31mb\\n”");
        assert_eq!(quoted("x\u{202e}y\u{9b}"), "“x\\u{202e}y\\u{9b}”");
        assert_eq!(shown("abcdef", 3), "abc…");
        assert_eq!(shown("abc", 3), "abc");
    }
}
