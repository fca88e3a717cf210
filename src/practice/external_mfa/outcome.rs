//! From a judged answer to what the tenant does next, and what Partner Center answers then.
//!
//! Always true: `mfa` comes into the access token's `amr` from a kept set of rules and from
//! nothing else; an error of the method signs nobody in.

use serde_json::{Value, json};

use super::{
    FirstFactor,
    answer::{Answer, Ending, Judgement},
    metadata::Provider,
    request::Asked,
};
use crate::{
    base::clock::Timestamp,
    inspect::Report,
    practice::{
        Practice,
        checks::{Check, CheckOutcome},
        inspection,
        partner_center::{self, PartnerCenterAnswer},
        token::{self, Amr},
    },
};

/// All there is to know about one judged answer.
#[derive(Clone, Debug)]
pub struct ExternalOutcome {
    /// How it ended.
    pub ending: Ending,
    /// What the tenant read of the method, and what was registered; kept or not.
    pub before: Vec<Check>,
    /// The rules about the answer; none if nobody was sent.
    pub checks: Vec<Check>,
    /// What was asked.
    pub asked: Option<Asked>,
    /// What came.
    pub answer: Answer,
    /// The claims of the id_token, where its signature holds.
    pub claims: Option<Value>,
    /// The inspector on the same id_token.
    pub report: Option<Report>,
    /// `amr` of the access token.
    pub amr: Option<Amr>,
    /// The access token.
    pub access_token: Option<String>,
    /// Its claims.
    pub access_token_claims: Option<Value>,
    /// What Partner Center answers.
    pub partner_center: PartnerCenterAnswer,
    /// The tenant's clock while it judged.
    pub judged_at: Timestamp,
}

impl ExternalOutcome {
    /// The rule that decided against the answer.
    pub fn refusal(&self) -> Option<&Check> {
        self.before
            .iter()
            .chain(&self.checks)
            .find(|check| check.outcome == CheckOutcome::Failed)
    }

    /// Whether the person is signed in.
    pub fn accepted(&self) -> bool {
        matches!(self.ending, Ending::Accepted(_))
    }

    /// `accepted`, `declined` or `rejected`.
    pub fn as_str(&self) -> &'static str {
        match self.ending {
            Ending::Accepted(_) => "accepted",
            Ending::Declined(_) => "declined",
            Ending::Refused => "rejected",
        }
    }

    /// `GET /last.json`.
    pub fn to_json(&self) -> Value {
        let listed = |checks: &[Check]| checks.iter().map(Check::to_json).collect::<Vec<_>>();
        let error = match &self.ending {
            Ending::Declined(error) => Some(error),
            _ => None,
        };
        json!({
            "protocol": "externalMfa",
            "accepted": self.accepted(),
            "outcome": self.as_str(),
            "error": error,
            "method": match self.ending {
                Ending::Accepted(method) => Some(method),
                _ => None,
            },
            "amr": self.amr.map_or(&[][..], Amr::values),
            "aadsts": self.refusal().map(|check| check.aadsts).filter(|code| !code.is_empty()),
            "findings": self.report.as_ref().map(Report::broken),
            "before": listed(&self.before),
            "checks": listed(&self.checks),
            "person": self.asked.as_ref().map(|asked| asked.person.upn.as_str()),
            "claims": self.claims,
            "access_token": self.access_token,
            "access_token_claims": self.access_token_claims,
            "partner_center": self.partner_center.to_json(),
        })
    }
}

impl Practice {
    /// What comes of a judged answer.
    pub(super) fn conclude(
        &self,
        answer: Answer,
        party: Option<(&Asked, &Provider)>,
        judgement: Judgement,
    ) -> ExternalOutcome {
        let now = self.now();
        let amr = match (&judgement.ending, party) {
            (Ending::Accepted(_), Some((asked, _))) => Some(match asked.first {
                FirstFactor::Password => Amr::PasswordAndMfa,
                FirstFactor::Certificate => Amr::CertificateAndMfa,
            }),
            _ => None,
        };
        let access_token = party.zip(amr).and_then(|((asked, _), amr)| {
            self.tokens.mint(&asked.person, amr, now, token::WEB_SITE)
        });
        let jwks = self.tokens.jwks();
        ExternalOutcome {
            partner_center: partner_center::judge(
                access_token.as_deref(),
                &jwks,
                &self.tokens.issuer(),
                now,
            ),
            access_token_claims: access_token
                .as_deref()
                .and_then(|token| token::verify(token, &jwks).ok()),
            access_token,
            report: answer
                .id_token
                .as_deref()
                .zip(party)
                .map(|(token, (asked, provider))| {
                    inspection::of_id_token(token, asked, provider, now)
                }),
            before: party.map_or_else(Vec::new, |(_, provider)| provider.checks.clone()),
            ending: judgement.ending,
            checks: judgement.checks,
            claims: judgement.claims,
            asked: party.map(|(asked, _)| asked.clone()),
            answer,
            amr,
            judged_at: now,
        }
    }

    /// Nobody was sent, or no answer could be judged: the method, or what is registered about
    /// it, breaks a rule.
    pub(super) fn not_usable(&self, before: Vec<Check>) -> ExternalOutcome {
        let now = self.now();
        ExternalOutcome {
            ending: Ending::Refused,
            before,
            checks: Vec::new(),
            asked: None,
            answer: Answer::default(),
            claims: None,
            report: None,
            amr: None,
            access_token: None,
            access_token_claims: None,
            partner_center: partner_center::judge(
                None,
                &self.tokens.jwks(),
                &self.tokens.issuer(),
                now,
            ),
            judged_at: now,
        }
    }
}
