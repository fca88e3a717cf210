//! From findings to verdicts.
//!
//! Always true: `accepted` needs that no rule of the consumer is broken as an
//! error, none as a matter of MFA, and none undecided.

use super::{
    context::{Consumer, Context},
    report::{Basis, Finding, Kind, Outcome, Severity, Verdict},
    rules,
};

/// Who receives a message of this kind. Partner Center never sees a SAML
/// response, but the token that Entra makes of it: its verdict is derived.
pub(super) fn consumers_of(kind: Kind) -> &'static [Consumer] {
    match kind {
        Kind::Saml2Response | Kind::Saml2Assertion => {
            &[Consumer::EntraSaml2, Consumer::PartnerCenter]
        }
        Kind::Jwt | Kind::JwtClaims => &[Consumer::PartnerCenter],
        Kind::Saml2AuthnRequest | Kind::Unknown => &[],
    }
}

/// The verdicts on a message of `kind`.
pub(super) fn verdicts(
    kind: Kind,
    context: &Context,
    findings: &[Finding],
    basis: Basis,
) -> Vec<Verdict> {
    if kind == Kind::Unknown {
        return Vec::new();
    }
    if let Some(expected) = context.expect {
        return vec![verdict(expected, kind, findings, basis)];
    }
    match consumers_of(kind) {
        // A request goes the other way: nobody receives it, unless it is refused.
        [] => vec![verdict(Consumer::EntraSaml2, kind, findings, basis)],
        consumers => consumers
            .iter()
            .map(|consumer| verdict(*consumer, kind, findings, basis))
            .collect(),
    }
}

fn verdict(consumer: Consumer, kind: Kind, findings: &[Finding], basis: Basis) -> Verdict {
    let is_saml = matches!(kind, Kind::Saml2Response | Kind::Saml2Assertion);
    let derived = is_saml && consumer == Consumer::PartnerCenter;
    let judge = if derived {
        Consumer::EntraSaml2
    } else {
        consumer
    };
    let of = |severity: Severity| -> Vec<&'static str> {
        findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .map(|finding| finding.rule)
            .filter(|id| rules::by_id(id).is_some_and(|rule| rule.consumers.contains(&judge)))
            .collect()
    };
    let (errors, mfa, undecided) = (
        of(Severity::Error),
        of(Severity::Mfa),
        of(Severity::Undecided),
    );
    let app_only = findings.iter().any(|finding| finding.rule == "CB-PC-002");
    let (outcome, counts, because) = if !errors.is_empty() {
        (Outcome::Rejected, Some(false), errors)
    } else if derived && !mfa.is_empty() {
        // Entra takes it and mints a token without mfa, which Partner Center refuses.
        (Outcome::Rejected, Some(false), mfa)
    } else if !undecided.is_empty() {
        let counts = if mfa.is_empty() { None } else { Some(false) };
        (Outcome::Undecided, counts, undecided)
    } else if !mfa.is_empty() {
        (Outcome::AcceptedWithoutMfa, Some(false), mfa)
    } else if app_only {
        (Outcome::NotApplicable, None, vec!["CB-PC-002"])
    } else if consumers_of(kind).contains(&consumer) {
        (Outcome::Accepted, Some(true), Vec::new())
    } else {
        (Outcome::NotApplicable, None, Vec::new())
    };
    Verdict {
        consumer,
        outcome,
        mfa: counts,
        because,
        basis,
    }
}
