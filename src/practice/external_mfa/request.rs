//! What the tenant sends to the method: the form of facts §5.3, and the hint of facts §5.4.
//!
//! Always true: the hint is of version 2.0, for the application, expired before it was issued
//! (as Entra's is: it says who is asked about, and signs nobody in), and no two are alike; what
//! was sent is remembered before the browser leaves.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{ExternalMethod, FirstFactor, METHODS};
use crate::{
    base::clock::Timestamp,
    practice::{
        Practice, federation::PracticeUser, judgement::RequestState, oauth::grants::pairwise,
        request::relay_state, visit::lock,
    },
};

/// What is sent is good so long (facts §5.5).
pub const PATIENCE: Duration = Duration::from_mins(5);

/// A request that left.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `client-request-id`.
    pub id: String,
    /// When it left.
    pub at: Timestamp,
    /// Who is asked about.
    pub person: PracticeUser,
    /// What they did here.
    pub first: FirstFactor,
    /// The method.
    pub method: ExternalMethod,
    /// `state`.
    pub state: String,
    /// `nonce`.
    pub nonce: String,
    /// `sub` of the hint.
    pub subject: String,
    /// The hint.
    pub hint: String,
    /// The `acr` that was asked for.
    pub acr: &'static str,
    /// Whether an answer was taken.
    pub taken: RequestState,
    /// What was sent, for people.
    pub shown: String,
}

impl Practice {
    /// Where answers are taken: the path of Entra's own address.
    pub fn external_reply_url(&self) -> String {
        format!("{}{REPLY_PATH}", self.own_url)
    }

    /// Makes a request about a person, remembers it, and returns it with its form. None if the
    /// hint cannot be signed.
    pub(super) fn ask_for_second_factor(
        &self,
        method: ExternalMethod,
        person: PracticeUser,
        first: FirstFactor,
    ) -> Option<(Asked, Vec<(&'static str, String)>)> {
        let at = self.now();
        let subject = pairwise(
            &method.application_id,
            &person.object_id,
            self.tokens.tenant_id(),
        );
        let claims = self.hint_claims(&method, &person, &subject, at);
        let hint = self.tokens.sign(&claims)?;
        let id = self.guid();
        let state = relay_state(&self.random_bytes::<600>());
        let nonce = URL_SAFE_NO_PAD.encode(self.random_bytes::<32>());
        let wanted = wanted_claims(first);
        let fields = vec![
            ("scope", "openid".to_owned()),
            ("response_type", "id_token".to_owned()),
            ("response_mode", "form_post".to_owned()),
            ("client_id", method.client_id.clone()),
            ("redirect_uri", self.external_reply_url()),
            ("nonce", nonce.clone()),
            ("state", state.clone()),
            ("id_token_hint", hint.clone()),
            ("claims", wanted.to_string()),
            ("client-request-id", id.clone()),
            // Whatever Entra adds some day is to be ignored (facts §5.3).
            ("practice", "+ & % = ä".to_owned()),
        ];
        let asked = Asked {
            shown: shown(&fields, &claims),
            id,
            at,
            person,
            first,
            method,
            state: state.clone(),
            nonce,
            subject,
            hint,
            acr: first.acr(),
            taken: RequestState::Open,
        };
        lock(&self.external_mfa.asked).put(state, asked.clone());
        Some((asked, fields))
    }

    fn hint_claims(
        &self,
        method: &ExternalMethod,
        person: &PracticeUser,
        subject: &str,
        at: Timestamp,
    ) -> Value {
        let tenant = self.tokens.tenant_id();
        let issued = at.as_secs();
        json!({
            "ver": "2.0",
            "iss": format!("{}/{tenant}/v2.0", self.own_url),
            "sub": subject,
            "aud": method.application_id,
            "exp": issued - 1,
            "iat": issued,
            "nbf": issued,
            "name": person.display_name,
            "preferred_username": person.upn.as_str(),
            "oid": person.object_id,
            "tid": tenant,
            "uti": URL_SAFE_NO_PAD.encode(self.random_bytes::<16>()),
        })
    }
}

/// The path of `redirect_uri` (facts §5.3).
pub const REPLY_PATH: &str = "/common/federation/externalauthprovider";

/// The `claims` parameter (OpenID Connect Core §5.5), as Entra writes it.
fn wanted_claims(first: FirstFactor) -> Value {
    let methods: Vec<&str> = METHODS.iter().map(|(method, _)| *method).collect();
    json!({
        "id_token": {
            "acr": { "essential": true, "values": [first.acr()] },
            "amr": { "essential": true, "values": methods },
        },
    })
}

/// For reading only.
fn shown(fields: &[(&'static str, String)], hint: &Value) -> String {
    let mut lines: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    lines.push(format!(
        "\nThe claims of id_token_hint:\n{}",
        serde_json::to_string_pretty(hint).unwrap_or_default()
    ));
    lines.join("\n")
}
