//! WS-Trust: a password in, a token without the MFA claim out.
//!
//! Always true: a guess is paid for first, by the counters of the sign-in page (attacks 2, 4,
//! 22, 25); whoever is unknown, disabled, waiting, of no domain that programs are sent here for,
//! or has a wrong password gets one and the same answer after the same work (attack 26); while
//! the person's wait runs nothing is compared but application passwords, which nobody guesses:
//! so a stranger locks no device out; a right password for which we have no token costs nothing;
//! a password that is right makes
//! no evidence, no session and no enrolment, only [`PasswordClaims`]; a token leaves with its
//! receipt or not at all, and one in which the inspector would see MFA does not leave.
//!
//! What happens is three steps, as at the sign-in page: pay ([`App::pay_at_door`]), check, and
//! write down ([`token`]). No transaction is open while something is hashed or signed.
//!
//! [`PasswordClaims`]: crate::claims::active::PasswordClaims

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
    claims::active::{ActiveProof, require_ws_federation},
    directory::{ApplicationPassword, PasswordCredential, User},
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
        let (checked, password) = self.check_at_door(request.password, &guessed).await?;
        let Named::Known(user) = &guessed.named else {
            if guessed.looks_at == LooksAt::All {
                self.note_unknown_name().await?;
            }
            return Ok(None);
        };
        self.note_altered_devices(&guessed, user).await?;
        let attempt = &guessed.attempt;
        let roots = &self.settings.ws_federation;
        // A disabled person gets the answer of a wrong password, after the same work; and so does
        // one of whom Entra sends no program here.
        let (proof, rehash) = match checked {
            Checked::Right(..) if user.disabled_at.is_some() => {
                return self.refuse_at_door(attempt, user, "disabled").await;
            }
            Checked::Right(..) if require_ws_federation(user, &guessed.domains, roots).is_err() => {
                return self
                    .refuse_at_door(attempt, user, "not-ws-federation")
                    .await;
            }
            Checked::Right(proof, rehash) => (proof, rehash),
            Checked::Wrong(_) if guessed.looks_at == LooksAt::Devices => return Ok(None),
            Checked::Wrong(why) => return self.refuse_at_door(attempt, user, why).await,
            Checked::Tampered(what) => {
                self.refuse_at_door(attempt, user, "tampered").await?;
                let why = "the row's tag is wrong";
                return Err(Error::tampering(what, Some(user.id.clone()), &why));
            }
        };
        let is_own = matches!(proof, ActiveProof::Own(_));
        let made = self.token_of(proof, user, &guessed).await;
        match (&made, rehash, &guessed.own) {
            // It was no guess, and what is missing is not the password's fault.
            (Err(_), ..) => self.refund_after_all(&guessed.buckets).await,
            (Ok(Some(_)), Rehash::Needed, Some(own)) if is_own => {
                // The token left: it is the ledger's, whatever becomes of this.
                if let Err(error) = self.rehash(own, password).await {
                    tracing::warn!("a password keeps its old hash until the next time: {error}");
                }
            }
            _ => {}
        }
        made
    }

    /// The token for a right password. None: something changed meanwhile, or this person's own
    /// password is not enough.
    async fn token_of(
        &self,
        proof: ActiveProof,
        user: &User,
        guessed: &Guessed,
    ) -> Result<Option<SignedToken>, Error> {
        let attempt = &guessed.attempt;
        if matches!(proof, ActiveProof::Own(_)) {
            // Without a second factor a password is a first one that somebody else may know, and
            // opens nothing at the page either (attack 37).
            let mut tx = self.store.read().await?;
            let (_, methods, _) = self.credentials_of(&mut tx, &user.id).await?;
            drop(tx);
            if methods == 0 {
                let mut tx = self.store.begin().await?;
                refused(&mut tx, attempt, user, "no-second-factor");
                self.refund(&mut tx, &guessed.buckets).await?;
                tx.commit().await?;
                return Ok(None);
            }
        }
        let prepared = self.prepare_token(proof, user, attempt).await?;
        let own = guessed.own.as_ref();
        self.let_out(prepared, user, attempt, &guessed.buckets, own)
            .await
    }

    /// Gives a try back that was no guess, as well as it goes.
    async fn refund_after_all(&self, buckets: &Buckets) {
        let refunded: Result<(), Error> = async {
            let mut tx = self.store.begin().await?;
            self.refund(&mut tx, buckets).await?;
            Ok(tx.commit().await?)
        }
        .await;
        if let Err(error) = refunded {
            tracing::warn!("a right password stays counted as a guess: {error}");
        }
    }

    /// An altered row opens nothing and shuts nobody out; it is written down.
    async fn note_altered_devices(&self, guessed: &Guessed, user: &User) -> Result<(), Error> {
        let Devices { rows, revoked } = &guessed.devices;
        let mut rows = rows.iter();
        if rows.all(|row| app_password::is_sound(row, &user.id, revoked, &self.sealing)) {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        let what = "application password";
        let event = Event::TamperingFound { what };
        tx.append(Actor::System, Some(user.id.clone()), event);
        Ok(tx.commit().await?)
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

#[cfg(test)]
mod tests;
