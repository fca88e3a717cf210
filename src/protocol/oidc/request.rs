//! Entra's request (facts §5.3; OpenID Connect Core §3.2.2.1): a posted form → [`PostedRequest`] →
//! [`AuthorizationRequest`], which can be answered → with a verified hint
//! [`VerifiedAuthorizationRequest`].
//!
//! Always true: nothing is decoded before its length is known; a parameter that decides anything
//! stands once (attack 14); before the reply address is known to be one of ours, what is wrong
//! ends on a page ([`Unanswerable`]), and afterwards it goes back to Entra with the state
//! ([`RequestError::Answer`]); the address that is answered to is the written one, not the one
//! that came (attack 30).

use super::{
    answer::{ErrorCode, FormAnswer, error_answer},
    asked::{self, Asked, MAX_CLAIMS},
    hint::{HintError, UnverifiedHint, VerifiedHint},
    hint_keys::HintKeys,
};
use crate::{
    base::clock::Timestamp,
    protocol::query::{decode, raw_parameter},
    relying_party::{ExternalMfaTenant, external_mfa},
    signin::second_factor::SecondFactorRequest,
};

pub use super::fault::{Fault, RequestError, Unanswerable};

/// The longest form, in bytes: larger ones end before anything is read of them.
pub const MAX_BODY: usize = 256 * 1024;
/// The longest `state`, in bytes.
pub const MAX_STATE: usize = 8 * 1024;
/// The longest `nonce`, in bytes.
pub const MAX_NONCE: usize = 1024;
/// The longest of the other values, in bytes.
const MAX_VALUE: usize = 1024;

/// A request that can be answered, of one who says to be Entra: nobody has checked that.
#[derive(Debug)]
pub struct AuthorizationRequest {
    client_id: String,
    reply_url: String,
    state: Option<String>,
    nonce: String,
    asked: Asked,
    hint: UnverifiedHint,
    client_request_id: Option<String>,
}

/// The form's parameters, undecoded.
#[derive(Clone, Copy)]
struct Form<'a>(&'a str);

impl Form<'_> {
    /// The value, if it stands there once and is no longer than `most` bytes; an empty one is none.
    fn value(&self, name: &'static str, most: usize) -> Result<Option<String>, Fault> {
        let Some(raw) = raw_parameter(self.0, name)? else {
            return Ok(None);
        };
        // Each byte of a value is three at the most.
        if raw.len() > most.saturating_mul(3) {
            return Err(Fault::TooLong(name));
        }
        let value = decode(raw, name)?;
        if value.len() > most {
            return Err(Fault::TooLong(name));
        }
        Ok(Some(value).filter(|value| !value.is_empty()))
    }

    fn needed(&self, name: &'static str, most: usize) -> Result<String, Fault> {
        self.value(name, most)?.ok_or(Fault::Missing(name))
    }
}

impl AuthorizationRequest {
    /// The request, if it is one of these tenants' and can be understood.
    ///
    /// # Errors
    /// See [`RequestError`].
    #[expect(clippy::needless_pass_by_value, reason = "a form becomes one request")]
    pub fn parse(
        posted: PostedRequest<'_>,
        tenants: &[ExternalMfaTenant],
    ) -> Result<Self, RequestError> {
        let reply = posted.reply(tenants)?;
        Self::read(posted.form, &reply).map_err(|fault| reply.error(fault))
    }

    /// What is read once there is somebody to answer.
    fn read(form: Form<'_>, reply: &Reply) -> Result<Self, Fault> {
        for name in ["request", "request_uri"] {
            if raw_parameter(form.0, name)?.is_some() {
                return Err(Fault::RequestObject(name));
            }
        }
        let response_type = form.needed("response_type", MAX_VALUE)?;
        if !response_type.eq_ignore_ascii_case("id_token") {
            return Err(Fault::ResponseType(shortened(&response_type)));
        }
        let response_mode = form.needed("response_mode", MAX_VALUE)?;
        if response_mode != "form_post" {
            return Err(Fault::ResponseMode(shortened(&response_mode)));
        }
        let scope = form.needed("scope", MAX_VALUE)?;
        if !scope.split(' ').any(|part| part == "openid") {
            return Err(Fault::Scope(shortened(&scope)));
        }
        let nonce = form.needed("nonce", MAX_NONCE)?;
        let asked = asked::parse(form.value("claims", MAX_CLAIMS)?.as_deref())?;
        let hint = form.needed("id_token_hint", super::hint::MAX_HINT)?;
        Ok(Self {
            client_id: reply.client_id.clone(),
            reply_url: reply.url.clone(),
            state: reply.state.clone(),
            nonce,
            asked,
            hint: UnverifiedHint::parse(&hint)?,
            client_request_id: client_request_id(form),
        })
    }

    /// The hint, unverified: to find its tenant and key.
    pub fn hint(&self) -> &UnverifiedHint {
        &self.hint
    }

    /// The tenant that the request says to be of, if it is configured and this is its name and
    /// address.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn tenant<'t>(
        &self,
        tenants: &'t [ExternalMfaTenant],
    ) -> Result<&'t ExternalMfaTenant, RequestError> {
        let id = self.hint.tenant();
        let of_name =
            |asking: &&ExternalMfaTenant| asking.tenant == id && asking.client_id == self.client_id;
        let asking = tenants
            .iter()
            .find(of_name)
            .ok_or_else(|| self.fault(HintError::ForeignTenant(id).into()))?;
        if asking.cloud.reply_url() != self.reply_url {
            return Err(Unanswerable::OtherTenant(id).into());
        }
        Ok(asking)
    }

    /// Verifies the hint, and with it the request.
    ///
    /// # Errors
    /// See [`RequestError`]; [`RequestError::unknown_key`] may pass when the keys are read again.
    pub fn verify(
        &self,
        tenants: &[ExternalMfaTenant],
        keys: &HintKeys,
        now: Timestamp,
    ) -> Result<VerifiedAuthorizationRequest, RequestError> {
        let tenant = self.tenant(tenants)?;
        let hint = self
            .hint
            .verify(tenant, keys, now)
            .map_err(|error| self.fault(error.into()))?;
        Ok(VerifiedAuthorizationRequest {
            client_id: self.client_id.clone(),
            reply_url: self.reply_url.clone(),
            state: self.state.clone(),
            nonce: self.nonce.clone(),
            asked: self.asked.clone(),
            hint,
            client_request_id: self.client_request_id.clone(),
        })
    }

    /// The answer that says `code` to this request.
    pub fn error(&self, code: ErrorCode) -> FormAnswer {
        error_answer(&self.reply_url, code, self.state.as_deref())
    }

    /// Entra's name for this sign-in, for the log.
    pub fn client_request_id(&self) -> Option<&str> {
        self.client_request_id.as_deref()
    }

    fn fault(&self, fault: Fault) -> RequestError {
        RequestError::Answer {
            answer: self.error(fault.code()),
            fault: Box::new(fault),
        }
    }
}

/// A form that came, as far as it says whom to answer. Nothing of it is known to be right.
pub struct PostedRequest<'b> {
    form: Form<'b>,
    client_id: String,
    wanted: String,
    state: Option<String>,
}

impl<'b> PostedRequest<'b> {
    /// Reads the form's body as it came; what stood in the address is not looked at.
    ///
    /// # Errors
    /// See [`Unanswerable`].
    pub fn read(body: &'b str) -> Result<Self, Unanswerable> {
        if body.len() > MAX_BODY {
            return Err(Unanswerable::TooLarge);
        }
        let form = Form(body);
        let value = |name: &'static str| {
            form.value(name, MAX_VALUE).map_err(|fault| match fault {
                Fault::Parameter(error) => Unanswerable::Parameter(error),
                // Nothing that is written here is that long.
                _ => Unanswerable::Missing(name),
            })
        };
        let client_id = value("client_id")?.ok_or(Unanswerable::Missing("client_id"))?;
        // The documentation of 2024 called it redirect_url (facts §5.3).
        let wanted = match (value("redirect_uri")?, value("redirect_url")?) {
            (Some(uri), Some(url)) if uri != url => return Err(Unanswerable::TwoAddresses),
            (Some(wanted), _) | (None, Some(wanted)) => wanted,
            (None, None) => return Err(Unanswerable::Missing("redirect_uri")),
        };
        let state = match form.value("state", MAX_STATE) {
            Ok(state) => state,
            Err(Fault::Parameter(error)) => return Err(error.into()),
            Err(_) => return Err(Unanswerable::State),
        };
        if state
            .iter()
            .any(|state| state.chars().any(char::is_control))
        {
            return Err(Unanswerable::State);
        }
        Ok(Self {
            form,
            client_id,
            wanted,
            state,
        })
    }

    /// Who says to ask: for looking up the tenants of that name, for nothing else.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Whom to answer, and where, if that is known here.
    fn reply(&self, tenants: &[ExternalMfaTenant]) -> Result<Reply, Unanswerable> {
        let url =
            external_mfa::reply_url(tenants, &self.client_id, &self.wanted).ok_or_else(|| {
                Unanswerable::Unlisted {
                    client_id: shortened(&self.client_id),
                    address: shortened(&self.wanted),
                }
            })?;
        Ok(Reply {
            client_id: self.client_id.clone(),
            url: url.to_owned(),
            state: self.state.clone(),
        })
    }
}

/// Whom to answer, and where.
struct Reply {
    client_id: String,
    url: String,
    state: Option<String>,
}

impl Reply {
    fn error(&self, fault: Fault) -> RequestError {
        RequestError::Answer {
            answer: error_answer(&self.url, fault.code(), self.state.as_deref()),
            fault: Box::new(fault),
        }
    }
}

/// Entra's name for this sign-in, of the form of a GUID; what cannot be read is not there.
fn client_request_id(form: Form<'_>) -> Option<String> {
    let value = form.value("client-request-id", 64).ok().flatten()?;
    let is_plain = value
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-');
    is_plain.then_some(value)
}

/// A request whose hint was verified. Made only by [`AuthorizationRequest::verify`].
#[derive(Debug)]
pub struct VerifiedAuthorizationRequest {
    client_id: String,
    reply_url: String,
    state: Option<String>,
    nonce: String,
    asked: Asked,
    hint: VerifiedHint,
    client_request_id: Option<String>,
}

impl VerifiedAuthorizationRequest {
    /// Who has done the first factor.
    pub fn hint(&self) -> &VerifiedHint {
        &self.hint
    }

    /// The answer that says `code` to this request.
    pub fn error(&self, code: ErrorCode) -> FormAnswer {
        error_answer(&self.reply_url, code, self.state.as_deref())
    }

    /// The same in the terms of the story: what an attempt of this door asks.
    pub fn into_second_factor_request(self) -> SecondFactorRequest {
        let hint = self.hint;
        SecondFactorRequest {
            tenant: hint.tenant(),
            object_id: hint.object_id(),
            subject: hint.subject().to_owned(),
            client_id: self.client_id,
            nonce: self.nonce,
            state: self.state,
            reply_url: self.reply_url,
            acr: self.asked.acr,
            amr: self.asked.amr,
            first_amr: hint.first_amr().to_vec(),
            shown_name: hint.upn().or(hint.preferred_username()).map(str::to_owned),
            membership: hint.membership(),
            asked_at_millis: hint.issued_at().as_millis(),
            client_request_id: self.client_request_id,
        }
    }
}

/// The beginning of what a stranger wrote, for a message to the operator.
fn shortened(text: &str) -> String {
    const MOST: usize = 100;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
