//! Setting up a security key in an open enrolment.

use super::{Afterwards, Confirmed, method_name, over, require_stage};
use crate::{
    app::{App, Error, guess::Paid, metadata::Supply, security_keys::KeyProblem, sign_in::Browser},
    audit::{Actor, Event},
    base::{
        clock::Timestamp,
        ids::{AttemptId, CredentialId},
    },
    directory::{AttestationState, MethodKind, SecurityKey, User},
    factor::webauthn::{
        KeyRefused, Purpose,
        policy::{Backup, PolicyRefusal, UserVerified},
        registration::{self, NewKey},
        response::UnverifiedRegistration,
    },
    signin::{attempt::Attempt, next_step::Enrolment},
    storage::Tx,
};

/// What became of a key that was to be added.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NewKeyOutcome {
    /// It counts from now on.
    Added(Afterwards),
    /// It does not; the person can begin again.
    Refused(KeyProblem),
    /// Not looked at: too many wrong answers; wait until then.
    Wait(Timestamp),
}

/// Why a new key does not count.
enum Failed {
    Key(KeyRefused),
    Policy(PolicyRefusal),
}

impl From<KeyRefused> for Failed {
    fn from(refused: KeyRefused) -> Self {
        Self::Key(refused)
    }
}

impl App {
    /// Asks for a new key; what the browser is given, as JSON.
    pub async fn ask_new_key(&self, id: &AttemptId, browser: &Browser) -> Result<String, Error> {
        let asked = self.question_for_new_key(id, browser).await;
        self.noting_tampering(asked).await
    }

    async fn question_for_new_key(
        &self,
        id: &AttemptId,
        browser: &Browser,
    ) -> Result<String, Error> {
        let mut tx = self.store.begin().await?;
        let (scene, user, _) = self.enrolling(&mut tx, id, browser).await?;
        require_stage(&scene, Enrolment::SettingUp(MethodKind::SecurityKey))?;
        let here = browser.at(&scene.attempt);
        if let Paid::Refused(wait) = self.pay_question_of(&mut tx, &user, &here).await? {
            tx.commit().await?;
            return Err(wait);
        }
        self.require_room(&mut tx, &user.id).await?;
        let present = tx.security_keys_of(&user.id).await?;
        let asking = self.asking(&scene.attempt, Purpose::Register)?;
        let asked = self
            .with_random(|random| asking.registration(&user, &present, random))
            .map_err(|refused| Error::internal(refused.to_string()))?;
        tx.put_ceremony(&asked.ceremony).await?;
        tx.commit().await?;
        Ok(asked.options)
    }

    /// Adds the key that answered. The answer proves nothing here: a normal sign-in follows.
    pub async fn confirm_key(
        &self,
        id: &AttemptId,
        browser: &Browser,
        name: &str,
        answer: &str,
    ) -> Result<NewKeyOutcome, Error> {
        let confirmed = self.check_new_key(id, browser, name, answer).await;
        self.noting_tampering(confirmed).await
    }

    async fn check_new_key(
        &self,
        id: &AttemptId,
        browser: &Browser,
        name: &str,
        answer: &str,
    ) -> Result<NewKeyOutcome, Error> {
        // Before the question is used up: a name that is too long can be corrected.
        let name = method_name(name, "")?;
        // Pay.
        let mut tx = self.store.begin().await?;
        let (scene, user, _) = self.enrolling(&mut tx, id, browser).await?;
        let here = browser.at(&scene.attempt);
        let (buckets, wait) = self.pay_new_method(&mut tx, &user, &here).await?;
        tx.commit().await?;
        if let Some(until) = wait {
            return Ok(NewKeyOutcome::Wait(until));
        }
        // Check and confirm.
        let mut tx = self.store.begin().await?;
        let (scene, user, row) = self.hold_enrolling(&mut tx, id, browser).await?;
        require_stage(&scene, Enrolment::SettingUp(MethodKind::SecurityKey))?;
        self.require_room(&mut tx, &user.id).await?;
        let credential = row.credential.clone().ok_or_else(over)?;
        let added = self
            .add_key(&mut tx, &scene.attempt, &user, &credential, name, answer)
            .await?;
        let name = match added {
            Ok(name) => name,
            Err(failed) => {
                let (reason, problem) = match failed {
                    Failed::Key(refused @ KeyRefused::Tampered) => {
                        // The question is used up.
                        tx.commit().await?;
                        return Err(Error::tampering("question", Some(user.id), &refused));
                    }
                    Failed::Key(refused) => (refused.code(), refused.into()),
                    Failed::Policy(refused) => (
                        refused.reason(),
                        KeyProblem::NotAllowed(refused.to_string()),
                    ),
                };
                let event = Event::KeyRefused {
                    attempt: id.clone(),
                    credential: None,
                    reason,
                };
                tx.append(Actor::Person, Some(user.id), event);
                tx.commit().await?;
                return Ok(NewKeyOutcome::Refused(problem));
            }
        };
        self.give_back_both(&mut tx, &buckets).await?;
        let confirmed = Confirmed {
            credential,
            kind: MethodKind::SecurityKey,
            name,
        };
        let afterwards = self
            .close_enrolment(&mut tx, &scene.attempt, &row, confirmed)
            .await?;
        tx.commit().await?;
        Ok(NewKeyOutcome::Added(afterwards))
    }

    /// Stores the key that answered, under its name.
    async fn add_key(
        &self,
        tx: &mut Tx<'_>,
        attempt: &Attempt,
        user: &User,
        credential: &CredentialId,
        name: String,
        answer: &str,
    ) -> Result<Result<String, Failed>, Error> {
        let now = self.now();
        let taken = tx
            .take_ceremony(&attempt.id, Purpose::Register, now)
            .await?;
        let verified = taken.ok_or(KeyRefused::NotOpen).and_then(|ceremony| {
            let ceremony = ceremony.open(
                attempt.binding(),
                Purpose::Register,
                Some(&user.id),
                &self.sealing,
                now,
            )?;
            Ok((ceremony, UnverifiedRegistration::parse(answer)?))
        });
        let (ceremony, answer) = match verified {
            Ok(both) => both,
            Err(refused) => return Ok(Err(refused.into())),
        };
        let new = match registration::verify(&answer, ceremony, self.scope()?) {
            Ok(new) => new,
            Err(refused) => return Ok(Err(refused.into())),
        };
        if self.metadata_supply() == Supply::Withheld {
            return Ok(Err(Failed::Policy(PolicyRefusal::StaleMetadata)));
        }
        let metadata = self.metadata();
        let metadata = metadata.as_deref();
        let attestation = match new.require_policy(&self.settings.webauthn, metadata, now) {
            Ok(attestation) => attestation,
            Err(refused) => return Ok(Err(Failed::Policy(refused))),
        };
        let name = if name.is_empty() {
            let model = metadata.and_then(|metadata| metadata.model(&new.aaguid));
            model
                .map_or("Security key", |model| model.name)
                .chars()
                .filter(|c| !c.is_control())
                .take(64)
                .collect()
        } else {
            name
        };
        let key = self.key_row(new, attestation, user, credential, &name);
        Ok(if tx.insert_security_key(&key).await? {
            self.note_doubts(tx, &key);
            Ok(name)
        } else {
            Err(KeyRefused::AlreadyKnown.into())
        })
    }

    fn key_row(
        &self,
        new: NewKey,
        attestation: AttestationState,
        user: &User,
        credential: &CredentialId,
        name: &str,
    ) -> SecurityKey {
        let mut key = SecurityKey {
            id: credential.clone(),
            user: user.id.clone(),
            name: name.to_owned(),
            attestation_key: new.attestation_key().map(|key| key.to_string()),
            credential_id: new.credential_id,
            passkey: new.passkey,
            aaguid: new.aaguid,
            algorithm: new.algorithm,
            backup_eligible: new.backup == Backup::Eligible,
            user_verified: new.user_verified == UserVerified::Yes,
            attestation,
            transports: new.transports,
            discoverable: new.discoverable,
            counter: new.counter,
            backed_up: new.backed_up,
            created_at: self.now(),
            last_used_at: None,
            revoked_at: None,
            tag: String::new(),
        };
        key.tag = key.make_tag(&self.sealing);
        key
    }
}
