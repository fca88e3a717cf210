//! What Entra asks: from the posted form to an attempt of one browser.
//!
//! Always true: until it is known that the address of the answer is one of ours, what is wrong
//! ends on a page here; afterwards it goes back to Entra, as Entra expects; a hint begins one
//! attempt, in whichever browser it comes first (attacks 15, 28), and names whom to ask, which
//! proves nothing.

use crate::{
    app::{
        App, Error,
        answer::{Answer, sent},
        error::{Category, SupportCode},
        saml::chain,
        sign_in::{Begun, Browser},
    },
    audit::{Actor, Event, Refused},
    base::text::Upn,
    claims::require_domain,
    directory::User,
    protocol::oidc::{
        answer::ErrorCode,
        request::{AuthorizationRequest, PostedRequest, RequestError, Unanswerable},
    },
    relying_party::{ClientId, ExternalMfaTenant, tenant_domains::Asking},
    signin::{
        asked,
        request::{Interaction, Protocol, Reauthentication, SignInRequest},
        second_factor::{Membership, SecondFactorRequest},
    },
    storage::ReadTx,
};

use super::answer::destination_of;

/// What became of a request of Entra.
#[derive(Debug)]
pub enum ExternalMfaBegun {
    /// An attempt: on to its page.
    Attempt(Begun),
    /// An error that Entra is told.
    Answer(Box<Answer>),
}

/// A hint counts once: what stands for it, and what it was of.
pub(super) struct Ask {
    pub(super) once: String,
    pub(super) asked: SecondFactorRequest,
}

fn tell(request: &AuthorizationRequest, code: ErrorCode) -> ExternalMfaBegun {
    ExternalMfaBegun::Answer(Box::new(sent(destination_of(request.error(code)))))
}

fn answer_for(error: &Error) -> ErrorCode {
    if *error.code() == SupportCode::TOO_MANY_ATTEMPTS {
        ErrorCode::TemporarilyUnavailable
    } else {
        ErrorCode::AccessDenied
    }
}

/// The longest that a stranger writes into the log, in characters.
const MOST_IN_LOG: usize = 300;

/// A cause that may quote what came.
fn for_log(why: &str) -> String {
    why.escape_debug().take(MOST_IN_LOG).collect()
}

impl App {
    /// Checks a request of Entra, by its form's body, and begins an attempt for it.
    ///
    /// # Errors
    /// What can be answered nowhere; no tenant is configured at all.
    pub async fn begin_external_mfa(
        &self,
        body: &str,
        browser: &Browser,
    ) -> Result<ExternalMfaBegun, Error> {
        self.require_external_mfa().await?;
        let posted = PostedRequest::read(body).map_err(|error| self.unanswerable(&error))?;
        let tenants = self.tenants_called(posted.client_id()).await?;
        let request = match AuthorizationRequest::parse(posted, &tenants) {
            Ok(request) => request,
            Err(error) => return self.refuse_request(error),
        };
        match self.begin_asked(&request, &tenants, browser).await {
            // From here on it is known whom to tell.
            Err(error)
                if matches!(error.category(), Category::Unavailable | Category::Internal) =>
            {
                let (code, why) = (error.code().code, chain(&error));
                // Of the cloud's keys the fetch says it, once: a stranger comes as often as he likes.
                if *error.code() == SupportCode::CLOUD_KEYS {
                    tracing::info!(code, "a request of Entra is not answered now: {why}");
                } else {
                    tracing::error!(code, "a request of Entra is not answered now: {why}");
                }
                Ok(tell(&request, ErrorCode::TemporarilyUnavailable))
            }
            begun => begun,
        }
    }

    async fn begin_asked(
        &self,
        request: &AuthorizationRequest,
        tenants: &[ExternalMfaTenant],
        browser: &Browser,
    ) -> Result<ExternalMfaBegun, Error> {
        // A stranger who invents tenants has no keys fetched.
        let tenant = match request.tenant(tenants) {
            Ok(tenant) => tenant,
            Err(error) => return self.refuse_request(error),
        };
        let keys = self.hint_keys(&tenant.cloud, request.hint().kid()).await?;
        let verified = match request.verify(tenants, &keys, self.now()) {
            Ok(verified) => verified,
            Err(error) => return self.refuse_request(error),
        };
        // Made, and looked at, before anybody is asked for anything.
        let key = self.key_that_could_sign().await;
        // One hint is good for ten minutes, and whoever has it may bring it as often as he likes.
        self.noting_tampering_once(key).await.map_err(|error| {
            Error::new(
                Category::Unavailable,
                &SupportCode::KEY_UNAVAILABLE,
                chain(&error),
            )
        })?;
        let ask = Ask {
            once: verified.hint().once().key.clone(),
            asked: verified.into_second_factor_request(),
        };
        let begun = self.begin_attempt(ask, browser).await;
        match self.noting_tampering_once(begun).await {
            Ok(begun) => Ok(ExternalMfaBegun::Attempt(begun)),
            // The tenant signed it: it is told, and the person can choose another way there.
            Err(error) if error.category() == Category::Denied => {
                let (code, why) = (error.code().code, chain(&error));
                tracing::warn!(code, "a request of Entra is refused: {why}");
                Ok(tell(request, answer_for(&error)))
            }
            Err(error) => Err(error),
        }
    }

    /// Whoever has typed a code that nothing can sign has spent it, and what is left of the five
    /// minutes: a token that is away is told to Entra at once.
    async fn key_that_could_sign(&self) -> Result<(), Error> {
        self.ensure_oidc_key().await?;
        let key = self.oidc_key().await?;
        self.require_ready(&key).await
    }

    pub(super) async fn begin_attempt(&self, ask: Ask, browser: &Browser) -> Result<Begun, Error> {
        let Ask { once, asked } = ask;
        let request = SignInRequest {
            protocol: Protocol::ExternalMfa,
            relying_party: asked::party_of_tenant(asked.tenant),
            request_id: once,
            reply_url: asked.reply_url.clone(),
            relay_state: None,
            domain: None,
            // No session answers here, whatever its age.
            reauthentication: Reauthentication::Always,
            interaction: Interaction::Allowed,
            max_age_seconds: None,
            login_hint: None,
            second_factor: None,
            received_at_millis: self.now().as_millis(),
        };
        let (mut attempt, binding) = self.new_attempt(request, browser, asked::LIFETIME);
        let sealed = asked.seal(attempt.binding(), &self.sealing);
        let sealed = sealed.map_err(|error| Error::internal(error.to_string()))?;
        attempt.request.second_factor = Some(sealed);
        // One look at rows and events: between two a link could come or go, and seem altered. Whose
        // the account is when the answer is made is looked at again there.
        let mut tx = self.store.read().await?;
        let user = self.whom(&mut tx, &asked).await?;
        drop(tx);
        attempt.user = user.map(|user| user.id);
        let mut tx = self.store.begin().await?;
        if attempt.user.is_none() {
            // For the operator, who is told the attempt's id: whom to link. A tenant signed it.
            let event = Event::ExternalMfaStranger {
                attempt: attempt.id.clone(),
                tenant: asked.tenant.to_string(),
                object: asked.object_id.to_string(),
                name: asked.shown_name.clone(),
            };
            tx.append(Actor::System, None, event);
        }
        self.store_attempt(tx, attempt, binding, browser).await
    }

    /// The person whom Entra's account is linked to; else who could be linked to it, once a
    /// proof is there: who has the same name here.
    pub(super) async fn whom(
        &self,
        tx: &mut ReadTx<'_>,
        asked: &SecondFactorRequest,
    ) -> Result<Option<User>, Error> {
        let linked = self.linked(tx, (asked.tenant, asked.object_id)).await?;
        if let Some(account) = linked {
            return Ok(tx.user(&account.user).await?);
        }
        self.candidate(tx, asked).await
    }

    /// Who has the name here that Entra gives the account, where that name is the tenant's to
    /// give: of no guest, and in a domain of the tenant's (`relying_party::tenant_domains`). Asked of
    /// an account that has no link.
    pub(super) async fn candidate(
        &self,
        tx: &mut ReadTx<'_>,
        asked: &SecondFactorRequest,
    ) -> Result<Option<User>, Error> {
        let name = asked.shown_name.as_deref().map(str::parse::<Upn>);
        let Some(Ok(upn)) = name else {
            return Ok(None);
        };
        if asked.membership == Membership::Guest {
            return Ok(None);
        }
        let asking = if tx.has_other_tenant(asked.tenant).await? {
            Asking::BesideOthers
        } else {
            Asking::Alone
        };
        let given = &self.settings.tenant_domains;
        let domains = tx.domains().await?;
        if !given.may_name(asked.tenant, &upn.domain(), asking)
            || require_domain(&upn.domain(), &domains, None).is_err()
        {
            return Ok(None);
        }
        let user = tx.user_by_upn(&upn).await?;
        if user.is_some() {
            self.require_nobodys(tx, (asked.tenant, asked.object_id))
                .await?;
        }
        Ok(user)
    }

    /// The configured tenants that ask by this client id.
    async fn tenants_called(&self, client_id: &str) -> Result<Vec<ExternalMfaTenant>, Error> {
        let Ok(client_id) = client_id.parse::<ClientId>() else {
            return Ok(Vec::new());
        };
        let mut tx = self.store.read().await?;
        let tenants = tx.tenants_by_client(&client_id).await?;
        Ok(tenants
            .iter()
            .filter_map(|tenant| self.settings.asking_tenant(tenant).ok())
            .collect())
    }

    /// What a request comes to that cannot go on.
    fn refuse_request(&self, error: RequestError) -> Result<ExternalMfaBegun, Error> {
        match error {
            RequestError::Page(why) => Err(self.unanswerable(&why)),
            RequestError::Answer { answer, fault } => {
                self.count_refused(Refused::RefusedParameters);
                let code = SupportCode::HINT_REFUSED.code;
                let why = for_log(&chain(&*fault));
                tracing::info!(code, "Entra's request is refused: {why}");
                let answer = Box::new(sent(destination_of(answer)));
                Ok(ExternalMfaBegun::Answer(answer))
            }
        }
    }

    fn unanswerable(&self, error: &Unanswerable) -> Error {
        let (category, code, counted) = match error {
            Unanswerable::Unlisted { .. } | Unanswerable::OtherTenant(_) => (
                Category::Denied,
                &SupportCode::UNKNOWN_TENANT,
                Refused::UnknownParty,
            ),
            _ => (
                Category::Invalid,
                &SupportCode::MALFORMED_REQUEST,
                Refused::MalformedRequest,
            ),
        };
        self.count_refused(counted);
        Error::new(category, code, chain(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_writes_one_short_line_into_the_log() {
        assert_eq!(for_log("no nonce"), "no nonce");
        let line = for_log(&format!("a string\r\n\u{1b}[31m{}", "x".repeat(16_000)));
        assert_eq!(line.chars().count(), MOST_IN_LOG);
        assert!(!line.chars().any(char::is_control), "{line}");
    }
}
