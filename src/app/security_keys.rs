//! Signing in with a security key or a passkey.
//!
//! Always true: a question is stored before it is asked and taken out once, with its answer,
//! in the transaction that keeps the proof; a wrong answer has used it up. After the password
//! a key is the second factor; before anybody is named a key that verified its person is both
//! (house §1), and one that was only touched leaves the password to be asked.
//!
//! What a stranger can cause is counted; an event needs a password that was right, or a
//! signature that was. Questions and answers are paid for like other guesses: a wrong answer
//! is no step towards a right one, but each is written.

/// What is asked.
mod asking;

use asking::require_nothing_proved;

use super::{
    App, Error,
    error::SupportCode,
    external_mfa::require_fitting,
    guess::{Buckets, Counter, Named, in_a_row},
    prove::require_password_proof,
    sign_in::{Browser, SecondFactor},
};
use crate::{
    audit::{Actor, Event, Refused},
    base::{
        clock::Timestamp,
        ids::{AttemptId, UserId},
    },
    directory::{MethodKind, SecurityKey, User},
    factor::{
        FactorKind,
        evidence::{self, EvidenceRecord},
        webauthn::{
            Ceremony, KeyRefused, Purpose, Scope,
            assertion::{self, AssertionRefused, Rules},
            policy::{KeyFacts, PolicyRefusal, UserVerified},
            response::UnverifiedAssertion,
        },
    },
    signin::{attempt::Attempt, request::Protocol},
    storage::{ReadTx, Tx},
};

/// What became of a key's answer to a sign-in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeyAnswer {
    /// Right: go on.
    Right,
    /// Refused; the person can begin again.
    Refused(KeyProblem),
    /// Not checked: too many wrong answers; wait until then.
    Wait(Timestamp),
}

/// Why a key's answer was refused, as far as the person may know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeyProblem {
    /// It came too late or twice, or another tab asked again.
    Over,
    /// It is nobody's key, not this person's, or was taken away.
    NotYours,
    /// Its counter went back.
    Copied,
    /// It is registered already.
    AlreadyKnown,
    /// The policy refuses it: one sentence with the remedy.
    NotAllowed(String),
    /// Anything else: the answer was wrong.
    Wrong,
}

impl From<KeyRefused> for KeyProblem {
    fn from(refused: KeyRefused) -> Self {
        match refused {
            KeyRefused::NotOpen | KeyRefused::OtherCeremony | KeyRefused::Challenge => Self::Over,
            KeyRefused::UnknownKey | KeyRefused::OtherPerson | KeyRefused::Revoked => {
                Self::NotYours
            }
            KeyRefused::Counter => Self::Copied,
            KeyRefused::AlreadyKnown => Self::AlreadyKnown,
            KeyRefused::NotVerified => Self::NotAllowed(PolicyRefusal::NotVerified.to_string()),
            KeyRefused::Synced => Self::NotAllowed(PolicyRefusal::Synced.to_string()),
            _ => Self::Wrong,
        }
    }
}

/// Why an assertion made no proof.
enum Failed {
    Key(KeyRefused),
    Policy(PolicyRefusal),
    /// The person may not sign in at all.
    Disabled,
    /// The person's groups do not allow keys.
    NotOffered,
}

impl Failed {
    fn reason(&self) -> &'static str {
        match self {
            Self::Key(refused) => refused.code(),
            Self::Policy(refused) => refused.reason(),
            Self::Disabled => "disabled",
            Self::NotOffered => "not-offered",
        }
    }

    /// Whether only a holder of the key can cause it.
    fn was_signed(&self) -> bool {
        match self {
            Self::Key(refused) => matches!(refused, KeyRefused::Counter | KeyRefused::Revoked),
            Self::Policy(_) | Self::Disabled | Self::NotOffered => true,
        }
    }

    fn problem(self) -> KeyProblem {
        match self {
            Self::Key(refused) => refused.into(),
            Self::Policy(refused) => KeyProblem::NotAllowed(refused.to_string()),
            Self::NotOffered => KeyProblem::NotAllowed(
                "Security keys are not allowed for your account; use another way to sign in."
                    .to_owned(),
            ),
            // As a key that nobody has.
            Self::Disabled => KeyProblem::NotYours,
        }
    }
}

impl App {
    /// Whether security keys can work at this address at all.
    pub fn takes_keys(&self) -> bool {
        self.scope.is_ok() && self.settings.methods.is_used(MethodKind::SecurityKey)
    }

    pub(super) fn scope(&self) -> Result<&Scope, Error> {
        self.scope
            .as_ref()
            .map_err(|why| Error::denied(&SupportCode::NO_KEYS_HERE, why.to_string()))
    }

    /// The keys that count for a person now: not taken away, of a kind that the person's groups
    /// allow, and such as the rules for keys would take.
    pub(super) async fn usable_keys(
        &self,
        tx: &mut ReadTx<'_>,
        user: &UserId,
    ) -> Result<Vec<SecurityKey>, Error> {
        let mut keys = self.askable_keys(tx, user).await?;
        let (metadata, now) = (self.reported_models(), self.now());
        keys.retain(|key| {
            // One that was only touched when it was added may check its person today.
            let facts = KeyFacts {
                user_verified: UserVerified::Yes,
                ..KeyFacts::expected_of(key)
            };
            let policy = &self.settings.webauthn;
            policy.require_use(&facts, metadata.as_deref(), now).is_ok()
        });
        Ok(keys)
    }

    /// The keys of a person that are asked at a sign-in: also such as the rules refuse now, so
    /// that the person is told why.
    pub(super) async fn askable_keys(
        &self,
        tx: &mut ReadTx<'_>,
        user: &UserId,
    ) -> Result<Vec<SecurityKey>, Error> {
        let policy = self.method_policy_of(tx, user).await?;
        if policy.allows(MethodKind::SecurityKey) {
            Ok(tx.security_keys_of(user).await?)
        } else {
            Ok(Vec::new())
        }
    }

    /// Checks a key's answer after the password.
    pub async fn submit_key(
        &self,
        id: &AttemptId,
        browser: &Browser,
        answer: &str,
    ) -> Result<KeyAnswer, Error> {
        let result = self.check_key(id, browser, answer).await;
        self.noting_tampering(result).await
    }

    async fn check_key(
        &self,
        id: &AttemptId,
        browser: &Browser,
        answer: &str,
    ) -> Result<KeyAnswer, Error> {
        // Pay.
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        let scene = self.scene(&mut tx, attempt, browser).await?;
        let user = require_password_proof(&scene)?;
        require_fitting(&scene, SecondFactor::Key)?;
        let (attempt, here) = (&scene.attempt, browser.at(&scene.attempt));
        let (buckets, wait) = self.pay_answer_of(&mut tx, attempt, user, &here).await?;
        tx.commit().await?;
        if let Some(until) = wait {
            return Ok(KeyAnswer::Wait(until));
        }
        // Check.
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        let scene = self.scene(&mut tx, attempt, browser).await?;
        let user = require_password_proof(&scene)?.clone();
        self.settle_key(tx, &scene.attempt, Some(user), answer, &buckets)
            .await
    }

    /// Checks a key's answer to a question that named nobody.
    pub async fn submit_passkey(
        &self,
        id: &AttemptId,
        browser: &Browser,
        answer: &str,
    ) -> Result<KeyAnswer, Error> {
        let result = self.check_passkey(id, browser, answer).await;
        self.noting_tampering(result).await
    }

    async fn check_passkey(
        &self,
        id: &AttemptId,
        browser: &Browser,
        answer: &str,
    ) -> Result<KeyAnswer, Error> {
        // Pay.
        let mut tx = self.store.begin().await?;
        self.open_attempt(&mut tx, id, browser).await?;
        let buckets = Buckets::of_source(browser);
        let nobody = Named::Unknown(String::new());
        let wait = self
            .pay(&mut tx, Counter::SecondFactor, &buckets, &nobody)
            .await?;
        tx.commit().await?;
        if let Some(until) = wait {
            return Ok(KeyAnswer::Wait(until));
        }
        // Check.
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        let scene = self.scene(&mut tx, attempt, browser).await?;
        require_nothing_proved(&scene)?;
        self.settle_key(tx, &scene.attempt, None, answer, &buckets)
            .await
    }

    /// Takes the question, checks the answer, and writes what came of it.
    async fn settle_key(
        &self,
        mut tx: Tx<'_>,
        attempt: &Attempt,
        user: Option<User>,
        answer: &str,
        buckets: &Buckets,
    ) -> Result<KeyAnswer, Error> {
        let purpose = match user {
            Some(_) => Purpose::SecondFactor,
            None => Purpose::Passwordless,
        };
        let taken = tx.take_ceremony(&attempt.id, purpose, self.now()).await?;
        let mut found = None;
        let checked = self
            .proof_of_key(&mut tx, attempt, taken, user.as_ref(), answer, &mut found)
            .await?;
        let owner = user.or(found.as_ref().map(|(_, owner)| owner.clone()));
        let record = match checked {
            Ok(record) => record,
            Err(Failed::Key(refused @ KeyRefused::Tampered)) => {
                // The question is used up.
                tx.commit().await?;
                let id = owner.map(|owner| owner.id);
                return Err(Error::tampering("security key", id, &refused));
            }
            Err(failed) => {
                let named = purpose == Purpose::SecondFactor || failed.was_signed();
                match owner.filter(|_| named) {
                    Some(owner) => {
                        let event = Event::KeyRefused {
                            attempt: attempt.id.clone(),
                            credential: found.map(|(key, _)| key.id),
                            reason: failed.reason(),
                        };
                        if matches!(failed, Failed::Key(KeyRefused::Counter)) {
                            tx.add_notice(&owner.id, "key-counter", "claimbridge", self.now())
                                .await?;
                        }
                        tx.append(Actor::Person, Some(owner.id), event);
                    }
                    None => self.count_refused(Refused::SecurityKey),
                }
                tx.commit().await?;
                return Ok(KeyAnswer::Refused(failed.problem()));
            }
        };
        let owner = owner.ok_or_else(|| Error::internal("a proof of nobody"))?;
        if let Some((reason, error)) = self.wrong_place(&mut tx, &owner, attempt).await? {
            let event = Event::KeyRefused {
                attempt: attempt.id.clone(),
                credential: Some(record.credential),
                reason,
            };
            tx.append(Actor::Person, Some(owner.id), event);
            tx.commit().await?;
            return Err(error);
        }
        let event = Event::KeyVerified {
            attempt: attempt.id.clone(),
            credential: record.credential.clone(),
            verified: match record.kind {
                FactorKind::WebAuthnVerified => "person",
                _ => "touch",
            },
        };
        tx.put_evidence(&record).await?;
        self.give_back_both(&mut tx, buckets).await?;
        // Who only touches a key that was found knows no password: guesses go on being counted.
        let knows_password = attempt.request.protocol != Protocol::ExternalMfa
            && (purpose == Purpose::SecondFactor || record.kind == FactorKind::WebAuthnVerified);
        if knows_password {
            tx.give_back_try(&in_a_row(&owner.id)).await?;
        }
        if let Some((key, _)) = &found {
            self.note_doubts(&mut tx, key);
        }
        tx.append(Actor::Person, Some(owner.id), event);
        tx.commit().await?;
        Ok(KeyAnswer::Right)
    }

    /// The sealed proof of an answer. `found`: the key that it names, and whose it is.
    async fn proof_of_key(
        &self,
        tx: &mut Tx<'_>,
        attempt: &Attempt,
        taken: Option<Ceremony>,
        user: Option<&User>,
        answer: &str,
        found: &mut Option<(SecurityKey, User)>,
    ) -> Result<Result<EvidenceRecord, Failed>, Error> {
        let purpose = match user {
            Some(_) => Purpose::SecondFactor,
            None => Purpose::Passwordless,
        };
        let now = self.now();
        let opened = taken.ok_or(KeyRefused::NotOpen).and_then(|ceremony| {
            let asked = user.map(|user| &user.id);
            ceremony.open(attempt.binding(), purpose, asked, &self.sealing, now)
        });
        let (ceremony, answer) = match (opened, UnverifiedAssertion::parse(answer)) {
            (Ok(ceremony), Ok(answer)) => (ceremony, answer),
            (Err(refused), _) | (_, Err(refused)) => return Ok(Err(Failed::Key(refused))),
        };
        let Some(key) = tx
            .security_key_by_credential_id(answer.credential_id())
            .await?
        else {
            return Ok(Err(Failed::Key(KeyRefused::UnknownKey)));
        };
        let Some(owner) = tx.user(&key.user).await? else {
            return Ok(Err(Failed::Key(KeyRefused::UnknownKey)));
        };
        let (key, owner) = &*found.insert((key, owner));
        let metadata = self.reported_models();
        let rules = Rules {
            scope: self.scope()?,
            policy: &self.settings.webauthn,
            metadata: metadata.as_deref(),
        };
        let verified =
            assertion::verify(&answer, ceremony, key, rules, &self.sealing, now, tx).await;
        let proof = match verified {
            Ok(proof) => proof,
            Err(AssertionRefused::Refused(refused)) => return Ok(Err(Failed::Key(refused))),
            Err(AssertionRefused::Policy(refused)) => return Ok(Err(Failed::Policy(refused))),
            Err(AssertionRefused::Store(error)) => return Err(error.into()),
        };
        if owner.disabled_at.is_some() {
            return Ok(Err(Failed::Disabled));
        }
        let policy = self.method_policy_of(tx, &owner.id).await?;
        if !policy.allows(MethodKind::SecurityKey) {
            return Ok(Err(Failed::NotOffered));
        }
        evidence::seal(proof, attempt.binding(), &self.sealing)
            .map(Ok)
            .map_err(|error| Error::internal(error.to_string()))
    }
}

impl App {
    /// Writes down what is held against a key that counts all the same, because the policy
    /// only warns.
    pub(super) fn note_doubts(&self, tx: &mut Tx<'_>, key: &SecurityKey) {
        let metadata = self.reported_models();
        let facts = KeyFacts::expected_of(key);
        let policy = &self.settings.webauthn;
        for doubt in policy.doubts(&facts, metadata.as_deref(), self.now()) {
            let (user, credential) = (&key.user, &key.id);
            tracing::warn!(%user, %credential, "a security key counts, but {doubt}");
            let event = Event::KeyDoubted {
                credential: credential.clone(),
                doubt: doubt.reason(),
            };
            tx.append(Actor::System, Some(user.clone()), event);
        }
    }
}

/// Takes all keys of a person away.
pub(super) async fn revoke_keys_of(
    tx: &mut Tx<'_>,
    user: &UserId,
    operator: &str,
    at: Timestamp,
) -> Result<(), Error> {
    for key in tx.security_keys_of(user).await? {
        tx.revoke_security_key(&key.id, at).await?;
        let event = Event::MethodRevoked { credential: key.id };
        let by = Actor::Operator(operator.to_owned());
        tx.append(by, Some(user.clone()), event);
    }
    Ok(())
}
