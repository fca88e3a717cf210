//! WS-Trust: a password in, a token without the MFA claim out.
//!
//! Always true: a guess is paid for first, by the counters of the sign-in page (attacks 2, 4,
//! 22, 25); whoever is unknown, disabled, waiting, of no domain that programs are sent here for,
//! or has a wrong password gets one and the same answer after the same work (attack 26); while
//! the person's wait runs nothing is compared but application passwords, which nobody guesses:
//! so a stranger locks no device out; a right password that gets no token costs nothing
//! ([`settle`] has the one exception); a password that is right makes no evidence, no session and
//! no enrolment, only [`PasswordClaims`]; a token leaves with its receipt or not at all, and one in
//! which the inspector would see MFA does not leave.
//!
//! What happens is three steps, as at the sign-in page: pay ([`App::pay_at_door`]), check, and
//! write down ([`settle`], [`token`]). No transaction is open while something is hashed or signed.
//!
//! [`PasswordClaims`]: crate::claims::active::PasswordClaims

/// From what the comparison said to an answer.
mod settle;
/// From a right password to a token.
mod token;

use std::sync::Arc;

use super::{
    App, Error,
    error::Category,
    guess::{Buckets, Counter, Named, TypedName, Wait},
    sign_in::Browser,
};
use crate::{
    audit::{Actor, Event, Refused},
    base::{
        ids::{AttemptId, CredentialId, UserId},
        secret::Secret,
    },
    claims::active::ActiveProof,
    directory::{ApplicationPassword, PasswordCredential},
    factor::{
        app_password,
        password::{self, PasswordRefused, Rehash},
    },
    protocol::wstrust::{
        Version,
        assertion::SignedToken,
        fault::Fault,
        mex::encode_mex,
        request::{TokenRequest, UnverifiedTokenRequest},
        response::{Envelope, encode_fault, encode_token},
    },
    relying_party::Domain,
};

/// An answer in SOAP.
#[derive(Debug)]
pub struct TrustAnswer {
    /// The envelope.
    pub xml: String,
    /// What it is, for the status.
    pub outcome: TrustOutcome,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TrustOutcome {
    /// A token.
    Token,
    /// A fault.
    Fault,
    /// A fault that will be over in a while.
    Unavailable,
}

/// What was paid for, and what the password is compared with.
struct Guessed {
    attempt: AttemptId,
    named: Named,
    /// What comes back for a right password.
    buckets: Buckets,
    devices: Devices,
    /// None: not asked for, or a wait runs.
    own: Option<PasswordCredential>,
    looks_at: LooksAt,
    domains: Vec<Domain>,
}

/// A person's application passwords.
struct Devices {
    rows: Vec<ApplicationPassword>,
    revoked: Vec<CredentialId>,
}

/// What is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum LooksAt {
    /// Everything that opens the door.
    All,
    /// A wait of the person's runs: application passwords only.
    Devices,
}

/// What the comparison said.
enum Checked {
    Right(ActiveProof, Rehash),
    Wrong(&'static str),
    Tampered(&'static str),
}

impl App {
    /// Where the door is; `None` while it is closed.
    pub fn trust_description(&self) -> Option<String> {
        let settings = &self.settings;
        settings
            .active_door
            .is_open()
            .then(|| encode_mex(&settings.public_url))
    }

    /// Answers a request for a token; `None` while the door is closed.
    pub async fn answer_trust(
        self: &Arc<Self>,
        version: Version,
        request: UnverifiedTokenRequest,
        source: String,
    ) -> Option<TrustAnswer> {
        if !self.settings.active_door.is_open() {
            return None;
        }
        let relates_to = request.message_id().map(str::to_owned);
        let answered = self.token_for(request, source).await;
        let envelope = Envelope {
            version,
            relates_to: relates_to.as_deref(),
            now: self.now(),
        };
        Some(match answered {
            Ok((token, token_type)) => TrustAnswer {
                xml: encode_token(&envelope, &token, token_type),
                outcome: TrustOutcome::Token,
            },
            Err(fault) => TrustAnswer {
                xml: encode_fault(&envelope, &fault),
                outcome: match fault {
                    Fault::Unavailable => TrustOutcome::Unavailable,
                    _ => TrustOutcome::Fault,
                },
            },
        })
    }

    async fn token_for(
        self: &Arc<Self>,
        request: UnverifiedTokenRequest,
        source: String,
    ) -> Result<(SignedToken, &'static str), Fault> {
        let audience = self.settings.entra.entity_id.as_str();
        let request = request.verify(audience, self.now()).inspect_err(|fault| {
            tracing::info!(%fault, "a WS-Trust request was refused");
            self.count_refused(match fault {
                Fault::Audience | Fault::NotOffered(_) => Refused::RefusedParameters,
                _ => Refused::MalformedRequest,
            });
        })?;
        let token_type = request.token_type;
        let exchanged = self.exchange(request, source).await;
        match self.noting_tampering(exchanged).await {
            Ok(Some(token)) => Ok((token, token_type)),
            Ok(None) => Err(Fault::FailedAuthentication),
            // What is wrong with the account is not said; the log has it.
            Err(error)
                if error.category() == Category::Denied
                    && !error.is_tampering_with("signing keys") =>
            {
                tracing::info!(code = error.code().code, "{error}");
                Err(Fault::FailedAuthentication)
            }
            Err(error) => {
                let chain = super::saml::chain(&error);
                tracing::error!(code = error.code().code, "{chain}");
                Err(Fault::Unavailable)
            }
        }
    }

    /// A token, or none: the password was wrong, or is not asked for at all.
    async fn exchange(
        self: &Arc<Self>,
        request: TokenRequest,
        source: String,
    ) -> Result<Option<SignedToken>, Error> {
        let browser = Browser {
            source,
            ..Browser::default()
        };
        let Some(guessed) = self.pay_at_door(&request.username, &browser).await? else {
            return Ok(None);
        };
        let (checked, password) = self.check_at_door(request.password, &guessed).await?;
        // Who hangs up now has asked all the same: what happened is written down, and what was no
        // guess is given back.
        let app = Arc::clone(self);
        let settled =
            tokio::spawn(async move { app.settle_at_door(&guessed, checked, password).await });
        settled
            .await
            .map_err(|error| Error::internal(format!("a request at the door failed: {error}")))?
    }

    /// Pays for a guess. `None`: the source waits, and nothing is looked at.
    async fn pay_at_door(&self, name: &str, browser: &Browser) -> Result<Option<Guessed>, Error> {
        let name = TypedName::read(name);
        let attempt = self.with_random(AttemptId::random);
        let mut tx = self.store.begin().await?;
        let named = self.typed(&mut tx, name).await?;
        let buckets = self
            .buckets(&mut tx, Counter::Password, &named, browser)
            .await?;
        let wait = self
            .pay_or_wait(&mut tx, Counter::Password, &buckets, &named)
            .await?;
        let (looks_at, buckets) = match wait {
            Some(Wait::Source(_)) => {
                tx.commit().await?;
                return Ok(None);
            }
            Some(Wait::Person(_)) => (LooksAt::Devices, buckets.without_person()),
            None => (LooksAt::All, buckets),
        };
        let user = match &named {
            Named::Known(user) => {
                // What a wait refuses is counted, not stored.
                if looks_at == LooksAt::All {
                    let event = Event::TokenAsked {
                        attempt: attempt.clone(),
                    };
                    tx.append(Actor::Person, Some(user.id.clone()), event);
                }
                user.id.clone()
            }
            // The same queries and digests for somebody who is not there.
            Named::Unknown(_) => self.with_random(UserId::random),
        };
        let devices = Devices {
            rows: tx.app_passwords_of(&user).await?,
            revoked: tx.revoked_app_passwords_of(&user).await?,
        };
        let domains = tx.domains().await?;
        let takes_own = self.settings.active_door.takes_own_passwords();
        let own = if takes_own && looks_at == LooksAt::All {
            tx.password_of(&user).await?
        } else {
            None
        };
        tx.commit().await?;
        Ok(Some(Guessed {
            attempt,
            named,
            buckets,
            devices,
            own,
            looks_at,
            domains,
        }))
    }

    /// Compares. The same work whether there is something to compare with or not.
    async fn check_at_door(
        &self,
        given: Secret<String>,
        guessed: &Guessed,
    ) -> Result<(Checked, Secret<String>), Error> {
        let now = self.now();
        let of = match &guessed.named {
            Named::Known(user) => user.id.clone(),
            Named::Unknown(_) => self.with_random(UserId::random),
        };
        let Devices { rows, revoked } = &guessed.devices;
        let device = app_password::verify(&given, &of, rows, revoked, &self.sealing, now);
        if let Ok(proof) = device {
            let proof = ActiveProof::Application(proof);
            return Ok((Checked::Right(proof, Rehash::NotNeeded), given));
        }
        let takes_own = self.settings.active_door.takes_own_passwords();
        if !takes_own || guessed.looks_at == LooksAt::Devices {
            return Ok((Checked::Wrong("wrong"), given));
        }
        let (cost, sealing) = (self.settings.hash_cost, Arc::clone(&self.sealing));
        let (own, attempt) = (guessed.own.clone(), guessed.attempt.clone());
        self.hashing(move || {
            let checked = password::verify(&given, own.as_ref(), &attempt, cost, &sealing, now);
            let checked = match checked {
                Ok((proof, rehash)) => Checked::Right(ActiveProof::Own(proof), rehash),
                Err(PasswordRefused::NoCredential) => Checked::Wrong("no-password"),
                Err(PasswordRefused::Wrong) => Checked::Wrong("wrong"),
                Err(PasswordRefused::TooLong) => Checked::Wrong("too-long"),
                Err(PasswordRefused::Dead) => Checked::Wrong("dead"),
                Err(PasswordRefused::Tampered) => Checked::Tampered("password"),
            };
            (checked, given)
        })
        .await
    }
}

#[cfg(test)]
mod tests;
