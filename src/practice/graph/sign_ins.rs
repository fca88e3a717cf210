//! `/auditLogs/signIns`: the sign-ins that this tenant really saw (facts §6.1).

use std::collections::VecDeque;

use axum::http::Method;
use serde_json::{Value, json};

use super::{Answer, Answered, Call, errors::Refusal, filter::quoted};
use crate::{
    base::clock::Timestamp,
    practice::{federation::PracticeUser, token::Amr, visit::lock},
};

const READS: [&str; 1] = ["AuditLog.Read.All"];
/// The oldest go.
const MOST: usize = 1000;
const LARGEST_PAGE: usize = 1000;

/// One sign-in.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Its id, a GUID.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Who, if that was found out.
    pub person: Option<PracticeUser>,
    /// What the token says of MFA; none without a token.
    pub amr: Option<Amr>,
    /// 0, or the AADSTS number.
    pub error_code: u32,
    /// In words.
    pub failure: Option<String>,
}

/// The log.
#[derive(Debug, Default)]
pub struct SignIns(VecDeque<SignIn>);

impl SignIns {
    /// Adds one.
    pub fn add(&mut self, sign_in: SignIn) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(sign_in);
    }
}

#[derive(Default)]
struct Wanted {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    user: Option<String>,
}

impl Wanted {
    fn parse(text: Option<&str>) -> Result<Self, Refusal> {
        let mut wanted = Self::default();
        let Some(text) = text else { return Ok(wanted) };
        let invalid = || Refusal::query("Invalid filter clause.");
        let text = text.trim();
        let text = text
            .strip_prefix('(')
            .and_then(|inner| inner.strip_suffix(')'))
            .unwrap_or(text);
        for clause in text.split(" and ") {
            let mut words = clause.split_whitespace();
            let (Some(name), Some(operator), Some(value), None) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                return Err(invalid());
            };
            match (name, operator) {
                ("createdDateTime", "ge") => {
                    wanted.from = Some(Timestamp::parse_rfc3339(value).ok_or_else(invalid)?);
                }
                ("createdDateTime", "le") => {
                    wanted.until = Some(Timestamp::parse_rfc3339(value).ok_or_else(invalid)?);
                }
                ("userId", "eq") => wanted.user = Some(quoted(value).ok_or_else(invalid)?),
                _ => return Err(invalid()),
            }
        }
        Ok(wanted)
    }

    fn fits(&self, sign_in: &SignIn) -> bool {
        self.from.is_none_or(|from| sign_in.at >= from)
            && self.until.is_none_or(|until| sign_in.at <= until)
            && self.user.as_ref().is_none_or(|user| {
                sign_in
                    .person
                    .as_ref()
                    .is_some_and(|person| person.object_id == *user)
            })
    }
}

/// `GET /auditLogs/signIns`.
pub(super) fn list(call: &Call<'_>) -> Answered {
    if call.method != Method::GET {
        return Err(Refusal::method());
    }
    call.caller.require(&READS)?;
    let wanted = Wanted::parse(call.query.get("$filter").map(String::as_str))?;
    let top = match call.query.get("$top") {
        None => LARGEST_PAGE,
        Some(text) => text
            .parse()
            .ok()
            .filter(|top| (1..=LARGEST_PAGE).contains(top))
            .ok_or_else(|| Refusal::query("Invalid page size specified."))?,
    };
    let value: Vec<Value> = lock(&call.practice.sign_ins)
        .0
        .iter()
        .rev()
        .filter(|sign_in| wanted.fits(sign_in))
        .take(top)
        .map(shown)
        .collect();
    Ok(Answer::ok(
        json!({ "@odata.context": call.context("auditLogs/signIns"), "value": value }),
    ))
}

fn shown(sign_in: &SignIn) -> Value {
    let person = sign_in.person.as_ref();
    json!({
        "id": sign_in.id,
        "createdDateTime": sign_in.at.to_rfc3339(),
        "userId": person.map(|person| &person.object_id),
        "userPrincipalName": person.map(|person| person.upn.as_str()),
        "userDisplayName": person.map(|person| &person.display_name),
        "appDisplayName": "Practice Partner Center",
        "ipAddress": "127.0.0.1",
        "clientAppUsed": "Browser",
        "isInteractive": true,
        "authenticationRequirement": match sign_in.amr {
            Some(Amr::PasswordAndMfa | Amr::CertificateAndMfa) => "multiFactorAuthentication",
            Some(Amr::Password) | None => "singleFactorAuthentication",
        },
        "status": {
            "errorCode": sign_in.error_code,
            "failureReason": sign_in.failure.as_deref().unwrap_or("Other."),
            "additionalDetails": Value::Null,
        },
    })
}
