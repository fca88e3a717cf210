//! From findings to verdicts.
//!
//! Always true: `accepted` needs that no rule of the consumer is broken as an
//! error, none as a matter of MFA, and none of those undecided.

use super::{
    context::{Consumer, Context},
    federation_case::FederationCase,
    reading::Refusal,
    report::{Basis, Finding, Kind, Outcome, Severity, Verdict},
    rule::Ruling,
    rules,
};

/// Who may receive a message of this kind. Partner Center never sees a SAML
/// response, but the token that Entra makes of it: its verdict is derived.
pub(super) fn consumers_of(kind: Kind) -> &'static [Consumer] {
    match kind {
        Kind::Saml2Response | Kind::Saml2Assertion => {
            &[Consumer::EntraSaml2, Consumer::PartnerCenter]
        }
        Kind::Saml11Assertion | Kind::WsfedRstr => &[Consumer::EntraWsfed, Consumer::PartnerCenter],
        Kind::Jwt | Kind::JwtClaims => &[Consumer::PartnerCenter],
        Kind::OidcDiscovery | Kind::Jwks => &[Consumer::EntraExternalMfa],
        Kind::FederationConfiguration => &[Consumer::EntraSaml2, Consumer::EntraWsfed],
        Kind::Saml2AuthnRequest
        | Kind::Saml2Logout
        | Kind::WsfedRequest
        | Kind::ExternalMfaRequest
        | Kind::Har
        | Kind::Unknown => &[],
    }
}

/// Who sends a message of a kind that nobody of them receives.
fn sender_of(kind: Kind) -> Consumer {
    match kind {
        Kind::WsfedRequest => Consumer::EntraWsfed,
        Kind::ExternalMfaRequest => Consumer::EntraExternalMfa,
        _ => Consumer::EntraSaml2,
    }
}

/// The doors that a domain's federation opens, by its protocol; both if it names none.
pub(super) fn doors_of(case: &FederationCase<'_>) -> Vec<Consumer> {
    let speaks = |protocols: [&str; 2]| {
        case.configs.iter().any(|config| {
            config
                .text("preferredAuthenticationProtocol")
                .is_some_and(|text| protocols.iter().any(|one| one.eq_ignore_ascii_case(text)))
        })
    };
    match (speaks(["saml", "samlp"]), speaks(["wsFed", "wsFed"])) {
        (true, false) => vec![Consumer::EntraSaml2],
        (false, true) => vec![Consumer::EntraWsfed],
        _ => vec![Consumer::EntraSaml2, Consumer::EntraWsfed],
    }
}

/// What is wrong with asking `expect` about this kind.
pub(super) fn unexpected(kind: Kind, consumers: &[Consumer], context: &Context) -> Option<Refusal> {
    let expected = context.expect?;
    if kind == Kind::Unknown || consumers.contains(&expected) {
        return None;
    }
    if kind == Kind::Saml2Logout && expected == Consumer::EntraSaml2 {
        return Some(Refusal {
            rule: "CB-KIND-002",
            ruling: Ruling::undecided(
                format!(
                    "{expected} takes sign-out messages, but this version has no rules for them."
                ),
                &[],
            ),
        });
    }
    Some(Refusal::new(
        "CB-KIND-001",
        format!("{expected} was expected; this is a {}.", kind.as_str()),
    ))
}

/// The verdicts on a message of `kind` for `consumers`.
pub(super) fn verdicts(
    kind: Kind,
    consumers: &[Consumer],
    context: &Context,
    findings: &[Finding],
    basis: Basis,
) -> Vec<Verdict> {
    if kind == Kind::Unknown {
        return Vec::new();
    }
    let draw = Draw {
        kind,
        consumers,
        findings,
        basis,
    };
    if let Some(expected) = context.expect {
        return vec![draw.verdict(expected)];
    }
    match consumers {
        // A request goes the other way: nobody receives it, unless it is refused.
        [] => vec![draw.verdict(sender_of(kind))],
        consumers => consumers
            .iter()
            .map(|consumer| draw.verdict(*consumer))
            .collect(),
    }
}

/// Whether a rule that is undecided leaves the verdict open: one that could reject,
/// and the one that says whether a token's signature was looked at at all.
fn leaves_open(id: &str) -> bool {
    rules::by_id(id).is_some_and(|rule| {
        matches!(rule.severity, Severity::Error | Severity::Mfa) || rule.id == "CB-PC-008"
    })
}

struct Draw<'d> {
    kind: Kind,
    consumers: &'d [Consumer],
    findings: &'d [Finding],
    basis: Basis,
}

impl Draw<'_> {
    fn verdict(&self, consumer: Consumer) -> Verdict {
        // Partner Center's verdict on an assertion is derived from that of the door before it.
        let door = match self.consumers {
            [door, Consumer::PartnerCenter] if consumer == Consumer::PartnerCenter => Some(*door),
            _ => None,
        };
        let judge = door.unwrap_or(consumer);
        let of = |severity: Severity| -> Vec<&'static str> {
            self.findings
                .iter()
                .filter(|finding| finding.severity == severity)
                .map(|finding| finding.rule)
                .filter(|id| rules::by_id(id).is_some_and(|rule| rule.consumers.contains(&judge)))
                .collect()
        };
        let (errors, mfa) = (of(Severity::Error), of(Severity::Mfa));
        let mut undecided = of(Severity::Undecided);
        undecided.retain(|id| leaves_open(id));
        let app_only = self
            .findings
            .iter()
            .any(|finding| finding.rule == "CB-PC-002");
        // A document about keys and addresses is no sign-in, nor is a configuration.
        let is_sign_in = !matches!(
            self.kind,
            Kind::OidcDiscovery | Kind::Jwks | Kind::FederationConfiguration
        );
        let (outcome, counts, because) = if !errors.is_empty() {
            (Outcome::Rejected, Some(false), errors)
        } else if door.is_some() && !mfa.is_empty() {
            // Entra takes it and mints a token without mfa, which Partner Center refuses.
            (Outcome::Rejected, Some(false), mfa)
        } else if !undecided.is_empty() {
            let counts = if mfa.is_empty() { None } else { Some(false) };
            (Outcome::Undecided, counts, undecided)
        } else if !mfa.is_empty() {
            (Outcome::AcceptedWithoutMfa, Some(false), mfa)
        } else if app_only {
            (Outcome::NotApplicable, None, vec!["CB-PC-002"])
        } else if self.consumers.contains(&consumer) {
            (Outcome::Accepted, Some(true), Vec::new())
        } else {
            (Outcome::NotApplicable, None, Vec::new())
        };
        Verdict {
            consumer,
            outcome,
            mfa: counts.filter(|_| is_sign_in),
            because,
            basis: self.basis,
        }
    }
}
