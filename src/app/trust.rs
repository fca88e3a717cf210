//! WS-Trust: a password in, a token without the MFA claim out.
//!
//! Always true: a guess is paid for first, by the counters of the sign-in page (attacks 2, 4,
//! 22, 25); whoever is unknown, disabled, waiting, of no domain of ours or has a wrong password
//! gets one and the same answer after the same work (attack 26); a password that is right makes
//! no evidence, no session and no enrolment, only [`PasswordClaims`]; a token leaves with its
//! receipt or not at all, and one in which the inspector would see MFA does not leave.
//!
//! What happens is three steps, as at the sign-in page: pay ([`App::pay_at_door`]), check, and
//! write down ([`token`]). No transaction is open while something is hashed or signed.

/// From a right password to a token.
mod token;

use std::sync::Arc;

use super::{
    App, Error,
    error::Category,
    guess::{Buckets, Counter, Named, TypedName},
    sign_in::Browser,
};
use crate::{
    audit::{Actor, Event, Refused},
    base::{
        ids::{AttemptId, UserId},
        secret::Secret,
    },
    claims::active::{ActiveProof, PasswordKind},
    directory::{ApplicationPassword, PasswordCredential, User},
    factor::{
        app_password::{self, ApplicationPasswordRefused},
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
    storage::Tx,
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
    buckets: Buckets,
    devices: Vec<ApplicationPassword>,
    own: Option<PasswordCredential>,
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
        &self,
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
        &self,
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
            Err(error) if error.category() == Category::Denied => {
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
        &self,
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
        let Guessed {
            attempt,
            named,
            buckets,
            devices,
            own,
        } = guessed;
        let of = match &named {
            Named::Known(user) => user.id.clone(),
            // The same digests for somebody who is not there.
            Named::Unknown(_) => self.with_random(UserId::random),
        };
        let (checked, password) = self
            .check_at_door(request.password, of, devices, own.as_ref(), &attempt)
            .await?;
        let Named::Known(user) = named else {
            self.note_unknown_name().await?;
            return Ok(None);
        };
        // A disabled person gets the answer of a wrong password, after the same work.
        let (proof, rehash) = match checked {
            Checked::Right(proof, rehash) if user.disabled_at.is_none() => (proof, rehash),
            Checked::Right(..) => return self.refuse_at_door(&attempt, &user, "disabled").await,
            Checked::Wrong(why) => return self.refuse_at_door(&attempt, &user, why).await,
            Checked::Tampered(what) => {
                self.refuse_at_door(&attempt, &user, "tampered").await?;
                let why = "the row's tag is wrong";
                return Err(Error::tampering(what, Some(user.id), &why));
            }
        };
        let prepared = self.prepare_token(proof, &user, &attempt).await?;
        let kind = prepared.claims.kind();
        let token = self
            .let_out(prepared, &user, &attempt, &buckets, own.as_ref())
            .await?;
        if let (Some(_), PasswordKind::Own, Rehash::Needed, Some(own)) =
            (&token, kind, rehash, &own)
        {
            self.rehash(own, password).await?;
        }
        Ok(token)
    }

    /// Pays for a guess. `None`: a wait is running, and nothing is looked at.
    async fn pay_at_door(&self, name: &str, browser: &Browser) -> Result<Option<Guessed>, Error> {
        let name = TypedName::read(name);
        let attempt = self.with_random(AttemptId::random);
        let mut tx = self.store.begin().await?;
        let named = self.typed(&mut tx, name).await?;
        let buckets = self
            .buckets(&mut tx, Counter::Password, &named, browser)
            .await?;
        let wait = self
            .pay(&mut tx, Counter::Password, &buckets, &named)
            .await?;
        if wait.is_some() {
            tx.commit().await?;
            return Ok(None);
        }
        let user = match &named {
            Named::Known(user) => {
                let event = Event::TokenAsked {
                    attempt: attempt.clone(),
                };
                tx.append(Actor::Person, Some(user.id.clone()), event);
                user.id.clone()
            }
            Named::Unknown(_) => self.with_random(UserId::random),
        };
        let devices = tx.app_passwords_of(&user).await?;
        let own = if self.settings.active_door.takes_own_passwords() {
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
        }))
    }

    /// Compares. The same work whether there is something to compare with or not.
    async fn check_at_door(
        &self,
        given: Secret<String>,
        of: UserId,
        devices: Vec<ApplicationPassword>,
        own: Option<&PasswordCredential>,
        attempt: &AttemptId,
    ) -> Result<(Checked, Secret<String>), Error> {
        let now = self.now();
        match app_password::verify(&given, &of, &devices, &self.sealing, now) {
            Ok(proof) => {
                let proof = ActiveProof::Application(proof);
                return Ok((Checked::Right(proof, Rehash::NotNeeded), given));
            }
            Err(ApplicationPasswordRefused::Tampered) => {
                return Ok((Checked::Tampered("application password"), given));
            }
            Err(ApplicationPasswordRefused::Wrong) => {}
        }
        if !self.settings.active_door.takes_own_passwords() {
            return Ok((Checked::Wrong("wrong"), given));
        }
        let (cost, sealing) = (self.settings.hash_cost, Arc::clone(&self.sealing));
        let (own, attempt) = (own.cloned(), attempt.clone());
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

    /// Writes down why there is no token, in a transaction of its own.
    async fn refuse_at_door(
        &self,
        attempt: &AttemptId,
        user: &User,
        reason: &'static str,
    ) -> Result<Option<SignedToken>, Error> {
        let mut tx = self.store.begin().await?;
        refused(&mut tx, attempt, user, reason);
        tx.commit().await?;
        Ok(None)
    }
}

fn refused(tx: &mut Tx<'_>, attempt: &AttemptId, user: &User, reason: &'static str) {
    let event = Event::PasswordRefused {
        attempt: attempt.clone(),
        reason,
    };
    tx.append(Actor::Person, Some(user.id.clone()), event);
}
