//! The pages of both practice sites: one struct per page, as data only.

use askama::Template;
use serde_json::Value;

use crate::inspect::{Finding, Report, Severity, words};

use super::{
    Practice, altered,
    checks::{Check, CheckOutcome},
    federation::{Break, FederatedDomain, PreferredProtocol, PromptLogin, Protocol},
    outcome::{Decision, Origin, Outcome},
    partner_center::PartnerCenterAnswer,
    reading,
    request::Binding,
    totp::{Adds, Brings, CurrentCode},
    wsfed,
};

/// `/`: what will happen.
#[derive(Template)]
#[template(path = "practice/home.html")]
pub(super) struct Home<'a> {
    pub(super) practice: &'a Practice,
    /// The first federated domain's registration.
    pub(super) registered: Option<FederatedDomain>,
    pub(super) broken: Option<Break>,
    pub(super) judged: bool,
    /// The external method that may be tried.
    pub(super) external: Option<String>,
    /// Who is signed in at the tenant.
    pub(super) signed_in: Option<String>,
}

impl Home<'_> {
    fn speaks_wsfed(&self) -> bool {
        self.registered
            .as_ref()
            .is_some_and(|domain| domain.preferred_protocol == PreferredProtocol::WsFed)
    }

    fn prompt_login(&self) -> PromptLogin {
        let registered = self.registered.as_ref();
        registered.map_or_else(PromptLogin::default, |domain| domain.prompt_login)
    }
}

/// The end of a session at the tenant.
#[derive(Template)]
#[template(path = "practice/signed_out.html")]
pub(super) struct SignedOut {
    pub(super) words: &'static str,
}

/// The form that carries the request to the identity provider.
#[derive(Template)]
#[template(path = "practice/post.html")]
pub(super) struct Post<'a> {
    pub(super) target: &'a str,
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) pretty: String,
}

/// What came of the last response.
#[derive(Template)]
#[template(path = "practice/result.html")]
pub(super) struct ResultPage<'a> {
    pub(super) outcome: &'a Outcome,
    pub(super) request: Option<String>,
    pub(super) message: String,
    pub(super) claims: Option<String>,
    pub(super) registered: String,
}

impl<'a> ResultPage<'a> {
    pub(super) fn of(outcome: &'a Outcome) -> Self {
        Self {
            request: outcome.request.as_deref().map(pretty_xml),
            message: pretty_xml(&outcome.message),
            claims: outcome.access_token_claims.as_ref().map(pretty_json),
            registered: pretty_json(&outcome.registered.to_graph()),
            outcome,
        }
    }

    fn findings(&self) -> Vec<&Finding> {
        shown(&self.outcome.response_report)
    }

    fn accepted(&self) -> bool {
        self.outcome.decision == Decision::Accepted
    }

    fn token_findings(&self) -> Vec<&Finding> {
        self.outcome
            .token_report
            .as_ref()
            .map(shown)
            .unwrap_or_default()
    }

    fn mfa_ignored(&self) -> bool {
        self.outcome.decision == Decision::MfaIgnored
    }

    fn without_mfa(&self) -> bool {
        self.outcome.decision == Decision::WithoutMfa
    }

    fn altered(&self) -> Option<&'static str> {
        let words = match self.outcome.protocol {
            Protocol::Saml2 => altered::WHAT_CHANGED,
            Protocol::WsFed => wsfed::altered::WHAT_CHANGED,
        };
        (self.outcome.origin == Origin::AlteredCopy).then_some(words)
    }

    /// What the opaque companion of a message is called.
    fn companion(&self) -> &'static str {
        match self.outcome.protocol {
            Protocol::Saml2 => "RelayState",
            Protocol::WsFed => "wctx",
        }
    }

    fn refusal(&self) -> Option<&Check> {
        self.outcome.refusal()
    }

    fn broken(&self) -> Option<Break> {
        self.outcome.broken
    }
}

/// Nobody was sent to the identity provider.
#[derive(Template)]
#[template(path = "practice/not_sent.html")]
pub(super) struct NotSent {
    pub(super) words: &'static str,
}

/// The tenant's own sign-in.
#[derive(Template)]
#[template(path = "practice/account.html")]
pub(super) struct Account<'a> {
    pub(super) handle: &'a str,
    pub(super) hint: &'a str,
    pub(super) problem: Option<&'static str>,
}

/// Nothing has been judged yet.
#[derive(Template)]
#[template(path = "practice/nothing.html")]
pub(super) struct Nothing {}

/// An application's request that cannot be answered.
#[derive(Template)]
#[template(path = "practice/oauth_refused.html")]
pub(super) struct OAuthRefused {
    pub(super) description: String,
}

/// Where a device code is typed.
#[derive(Template)]
#[template(path = "practice/device_code.html")]
pub(super) struct DeviceCode {
    pub(super) problem: Option<&'static str>,
}

/// Whether the person means the application.
#[derive(Template)]
#[template(path = "practice/device_confirm.html")]
pub(super) struct DeviceConfirm<'a> {
    pub(super) application: &'static str,
    pub(super) upn: &'a str,
    pub(super) handle: &'a str,
}

/// The end of a device code.
#[derive(Template)]
#[template(path = "practice/device_done.html")]
pub(super) struct DeviceDone {
    pub(super) said_yes: bool,
}

/// The desktop TOTP program.
#[derive(Template)]
#[template(path = "practice/totp.html")]
pub(super) struct DesktopTotpPage {
    pub(super) codes: Vec<CurrentCode>,
    pub(super) refresh_after: u64,
}

/// Partner Center's answer to a browser.
#[derive(Template)]
#[template(path = "practice/partner_center.html")]
pub(super) struct PartnerCenterPage<'a> {
    pub(super) answer: &'a PartnerCenterAnswer,
    pub(super) claims: Option<String>,
    pub(super) report: Option<Report>,
    pub(super) tenant_url: &'a str,
}

impl PartnerCenterPage<'_> {
    fn findings(&self) -> Vec<&Finding> {
        self.report.as_ref().map(shown).unwrap_or_default()
    }
}

/// SP metadata, in the shape of Microsoft's (facts §1.2), unsigned.
#[derive(Template)]
#[template(path = "practice/metadata.xml")]
pub(super) struct Metadata<'a> {
    pub(super) entity_id: &'a str,
    pub(super) reply_url: String,
}

/// Class, sign and word of a check: never colour alone.
pub(super) fn mark(check: &Check) -> (&'static str, &'static str, &'static str) {
    match check.outcome {
        CheckOutcome::Passed => ("passed", "✓", "passed"),
        CheckOutcome::Failed => ("failed", "✗", "failed"),
        CheckOutcome::NotReached => ("not-reached", "–", "not reached"),
    }
}

/// What an operator must look at; a note for information is not.
pub(super) fn shown(report: &Report) -> Vec<&Finding> {
    report
        .findings
        .iter()
        .filter(|finding| finding.severity != Severity::Info)
        .collect()
}

fn start_address(binding: Binding) -> &'static str {
    match binding {
        Binding::Post => "/start",
        Binding::Redirect => "/start?binding=redirect",
    }
}

pub(super) fn pretty_json(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// For reading only: white space is significant under a signature.
pub(super) fn pretty_xml(xml: &str) -> String {
    reading::parse_plain(xml).map_or_else(
        |_| xml.to_owned(),
        |document| document.to_xml_with_options(&uppsala::XmlWriteOptions::pretty("  ")),
    )
}
