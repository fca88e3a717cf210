//! Adding a method by a temporary access pass.
//!
//! Always true: a password alone never opens enrolment (attack 37); a pass opens it in
//! one attempt of one browser, for ten minutes; the code that confirms the new secret
//! makes no proof and its step is spent; afterwards all evidence of the attempt is
//! dropped, so that a normal sign-in with both factors follows.

use std::{sync::Arc, time::Duration};

use zeroize::Zeroizing;

use super::{
    App, Error,
    error::SupportCode,
    guess::{Counter, Named, TypedName, in_a_row},
    passes::pass_tag,
    prove::Guess,
    scene::Scene,
    sign_in::Browser,
};
use crate::{
    audit::{Actor, Event},
    base::{
        browser::TokenHash,
        clock::Timestamp,
        ids::{AttemptId, CredentialId, UserId},
        random::random_bytes,
        secret::Secret,
    },
    directory::{PasswordCredential, TotpCredential, TotpParameters, User},
    factor::totp,
    keys::sealing::{SealError, Sealing, TagLabel},
    signin::next_step::Enrolment,
    storage::{EnrolmentRow, ReadTx, Tx},
};

/// How long an opened enrolment may take (Entra's rule for a single-use pass, facts §7).
pub const ENROLMENT_LIFETIME: Duration = Duration::from_mins(10);

/// How many live methods a person may have.
const MAX_METHODS: usize = 10;

/// What the enrolment page shows.
pub struct NewTotp {
    /// The secret in base32, to copy.
    pub secret: Zeroizing<String>,
    /// The `otpauth://` link, to click and as QR code.
    pub url: Zeroizing<String>,
    /// Whose it is.
    pub upn: String,
    /// From when it is too late.
    pub expires_at: Timestamp,
}

impl App {
    /// Redeems a pass: opens enrolment in this attempt.
    pub async fn submit_pass(
        &self,
        id: &AttemptId,
        browser: &Browser,
        name: &str,
        pass: &Secret<String>,
    ) -> Result<Guess, Error> {
        let now = self.now();
        // Pay.
        let name = TypedName::read(name);
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        let named = self.named(&mut tx, &attempt, name).await?;
        let buckets = self
            .buckets(&mut tx, Counter::Pass, &named, browser)
            .await?;
        if let Some(until) = self.pay(&mut tx, Counter::Pass, &buckets, &named).await? {
            tx.commit().await?;
            return Ok(Guess::Wait(until));
        }
        tx.commit().await?;

        // Check and consume, in one conditional update.
        let Named::Known(user) = named else {
            self.note_unknown_name().await?;
            return Ok(Guess::Wrong);
        };
        let mut tx = self.store.begin().await?;
        let tag = pass_tag(&self.sealing, &user.id, pass.expose());
        let accepted = match user.disabled_at {
            Some(_) => None,
            None => tx.consume_pass(&user.id, &tag, now).await?,
        };
        let Some(accepted) = accepted else {
            tx.append(
                Actor::Person,
                Some(user.id),
                Event::PassRefused {
                    attempt: id.clone(),
                },
            );
            tx.commit().await?;
            return Ok(Guess::Wrong);
        };
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        let scene = self.scene(&mut tx, attempt).await?;
        if scene.is_of_other_than(&user.id) || !tx.set_attempt_user(id, &user.id).await? {
            return Err(Error::denied(
                &SupportCode::PERSON_CHANGED,
                "an attempt of another person",
            ));
        }
        if !self
            .may_answer(&mut tx, &user, &scene.attempt.request)
            .await?
        {
            return Err(Error::denied(
                &SupportCode::OTHER_DOMAIN,
                "a pass of another domain's person",
            ));
        }
        let expires_at = now.plus(ENROLMENT_LIFETIME).min(scene.attempt.expires_at);
        let credential = self.new_totp(&mut tx, &user.id, now).await?;
        let mut row = EnrolmentRow {
            attempt: id.clone(),
            user: user.id.clone(),
            pass: accepted.id.clone(),
            credential: Some(credential),
            expires_at,
            finished_at: None,
            tag: String::new(),
        };
        let browser = &scene.attempt.browser;
        row.tag = with_fields(&row, browser, |fields| {
            self.sealing.tag(TagLabel::Enrolment, fields)
        });
        tx.insert_enrolment(&row).await?;
        self.give_back(&mut tx, &buckets).await?;
        let event = Event::PassAccepted {
            pass: accepted.id,
            attempt: id.clone(),
        };
        tx.append(Actor::Person, Some(user.id.clone()), event);
        tx.add_notice(&user.id, "pass-accepted", &accepted.issued_by, now)
            .await?;
        tx.commit().await?;
        Ok(Guess::Right)
    }

    /// Chooses a password in an enrolment of a person who has none.
    pub async fn choose_password(
        &self,
        id: &AttemptId,
        browser: &Browser,
        password: Secret<String>,
    ) -> Result<(), Error> {
        // Hashing is dear: only for an enrolment that asks for it.
        let mut tx = self.store.read().await?;
        let (scene, _, _) = self.enrolling(&mut tx, id, browser).await?;
        require_stage(&scene, Enrolment::NeedsPassword)?;
        drop(tx);
        let phc = self.hash_password(password).await?;
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let (scene, user, _) = self.enrolling(&mut tx, id, browser).await?;
        require_stage(&scene, Enrolment::NeedsPassword)?;
        let credential = self.with_random(CredentialId::random);
        let tag = PasswordCredential::make_tag(&self.sealing, &credential, &user.id, &phc);
        let event = Event::PasswordSet {
            credential: credential.clone(),
        };
        tx.put_password(&PasswordCredential {
            id: credential,
            user: user.id.clone(),
            phc,
            set_at: now,
            dead_at: None,
            tag,
        })
        .await?;
        tx.give_back_try(&in_a_row(&user.id)).await?;
        tx.add_notice(&user.id, "password-set", user.upn.as_str(), now)
            .await?;
        tx.append(Actor::Person, Some(user.id), event);
        tx.commit().await?;
        Ok(())
    }

    /// What the page of a new method shows. Reading changes nothing.
    pub async fn new_method(&self, id: &AttemptId, browser: &Browser) -> Result<NewTotp, Error> {
        let mut tx = self.store.read().await?;
        let (_, user, row) = self.enrolling(&mut tx, id, browser).await?;
        let credential = pending(&mut tx, &user.id, &row).await?;
        let place = TotpCredential::secret_place(&credential.id, &user.id);
        let secret = self
            .sealing
            .open(&place, &credential.sealed_secret)
            .map_err(|error| Error::internal(error.to_string()))?;
        let url = totp::otpauth_url(
            &secret,
            credential.parameters,
            &self.settings.service_name,
            user.upn.as_str(),
        )
        .ok_or_else(|| Error::internal("an otpauth link could not be made"))?;
        Ok(NewTotp {
            secret: Zeroizing::new(data_encoding::BASE32_NOPAD.encode(&secret)),
            url: Zeroizing::new(url),
            upn: user.upn.to_string(),
            expires_at: row.expires_at,
        })
    }

    /// Confirms the new method by one of its codes. The code proves nothing here; it is
    /// consumed, and the attempt starts over with a normal sign-in.
    pub async fn confirm_method(
        &self,
        id: &AttemptId,
        browser: &Browser,
        name: &str,
        code: &str,
    ) -> Result<Guess, Error> {
        let now = self.now();
        let name = method_name(name)?;
        // Pay.
        let mut tx = self.store.begin().await?;
        let (scene, user, _) = self.enrolling(&mut tx, id, browser).await?;
        require_stage(&scene, Enrolment::NeedsMethod)?;
        let named = Named::Known(Box::new(user));
        let buckets = self
            .buckets(&mut tx, Counter::SecondFactor, &named, browser)
            .await?;
        if let Some(until) = self
            .pay(&mut tx, Counter::SecondFactor, &buckets, &named)
            .await?
        {
            tx.commit().await?;
            return Ok(Guess::Wait(until));
        }
        tx.commit().await?;

        // Check and confirm.
        let mut tx = self.store.begin().await?;
        let (_, user, row) = self.enrolling(&mut tx, id, browser).await?;
        let credential = pending(&mut tx, &user.id, &row).await?;
        let skew = self.settings.totp_skew;
        let Some(step) = totp::matching_step(code, &credential, skew, &self.sealing, now) else {
            let event = Event::CodeRefused {
                attempt: id.clone(),
                reason: "confirming",
            };
            tx.append(Actor::Person, Some(user.id), event);
            tx.commit().await?;
            return Ok(Guess::Wrong);
        };
        if !tx.finish_enrolment(id, now).await?
            || !tx.confirm_totp(&credential.id, &name, step, now).await?
        {
            return Err(Error::denied(
                &SupportCode::ATTEMPT_OVER,
                "the enrolment was finished already",
            ));
        }
        tx.clear_evidence(id).await?;
        self.give_back(&mut tx, &buckets).await?;
        tx.give_back_try(&in_a_row(&user.id)).await?;
        let event = Event::MethodAdded {
            credential: credential.id,
            kind: "totp",
            name,
        };
        tx.append(Actor::Person, Some(user.id.clone()), event);
        tx.add_notice(&user.id, "method-added", user.upn.as_str(), now)
            .await?;
        tx.commit().await?;
        Ok(Guess::Right)
    }

    /// The open enrolment of this attempt in this browser.
    async fn enrolling(
        &self,
        tx: &mut ReadTx<'_>,
        id: &AttemptId,
        browser: &Browser,
    ) -> Result<(Scene, User, EnrolmentRow), Error> {
        let over = || {
            Error::denied(
                &SupportCode::ATTEMPT_OVER,
                "there is no open enrolment in this attempt",
            )
        };
        let attempt = self.open_attempt(tx, id, browser).await?;
        let scene = self.scene(tx, attempt).await?;
        let row = scene.enrolment.clone().ok_or_else(over)?;
        let user = scene
            .user
            .clone()
            .filter(|user| user.id == row.user && user.disabled_at.is_none());
        Ok((scene, user.ok_or_else(over)?, row))
    }

    /// Makes a secret that proves nothing until a code confirms it.
    async fn new_totp(
        &self,
        tx: &mut Tx<'_>,
        user: &UserId,
        now: Timestamp,
    ) -> Result<CredentialId, Error> {
        let live = tx
            .totp_of(user)
            .await?
            .iter()
            .filter(|totp| totp.is_live())
            .count();
        if live >= MAX_METHODS {
            return Err(Error::conflict(
                "the person has ten methods already; take one away first",
            ));
        }
        tx.drop_unconfirmed_totp(user).await?;
        let parameters = TotpParameters::default();
        let sealing = Arc::clone(&self.sealing);
        let (id, sealed_secret) = self.with_random(|random| {
            let id = CredentialId::random(random);
            let secret = Zeroizing::new(random_bytes::<20>(random));
            let sealed = sealing.seal(
                &TotpCredential::secret_place(&id, user),
                &secret[..],
                random,
            );
            (id, sealed)
        });
        let tag = TotpCredential::make_tag(&self.sealing, &id, user, parameters, &sealed_secret);
        tx.insert_totp(&TotpCredential {
            id: id.clone(),
            user: user.clone(),
            name: String::new(),
            parameters,
            sealed_secret,
            drift_steps: 0,
            last_step: None,
            confirmed_at: None,
            revoked_at: None,
            created_at: now,
            tag,
        })
        .await?;
        Ok(id)
    }
}

fn require_stage(scene: &Scene, stage: Enrolment) -> Result<(), Error> {
    if scene.enrolment_stage() == stage {
        return Ok(());
    }
    Err(Error::denied(
        &SupportCode::ATTEMPT_OVER,
        "the enrolment is at another step",
    ))
}

/// Checks that we opened this enrolment, for this person, in this browser: a row that a
/// writer of the database made up shows nobody's secret and sets nobody's password.
pub(super) fn require_opened(
    row: &EnrolmentRow,
    browser: &TokenHash,
    sealing: &Sealing,
) -> Result<(), SealError> {
    with_fields(row, browser, |fields| {
        sealing.verify_tag(TagLabel::Enrolment, fields, &row.tag)
    })
}

fn with_fields<T>(row: &EnrolmentRow, browser: &TokenHash, run: impl FnOnce(&[&[u8]]) -> T) -> T {
    let credential = row.credential.as_ref().map_or("", CredentialId::as_str);
    run(&[
        row.attempt.as_str().as_bytes(),
        browser.as_str().as_bytes(),
        row.user.as_str().as_bytes(),
        row.pass.as_str().as_bytes(),
        credential.as_bytes(),
        &row.expires_at.as_millis().to_be_bytes(),
    ])
}

async fn pending(
    tx: &mut ReadTx<'_>,
    user: &UserId,
    row: &EnrolmentRow,
) -> Result<TotpCredential, Error> {
    tx.totp_of(user)
        .await?
        .into_iter()
        .find(|totp| Some(&totp.id) == row.credential.as_ref() && totp.confirmed_at.is_none())
        .ok_or_else(|| Error::denied(&SupportCode::ATTEMPT_OVER, "the new method is gone"))
}

/// What a person calls a method: any text of 1 to 64 characters on one line.
fn method_name(name: &str) -> Result<String, Error> {
    let name = name.trim();
    let name = if name.is_empty() {
        "Desktop program"
    } else {
        name
    };
    if name.chars().count() > 64 || name.chars().any(char::is_control) {
        return Err(Error::invalid(
            "a name has at most 64 characters, on one line",
        ));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{
            browser::CookieToken,
            ids::PassId,
            random::{Random, SystemRandom},
        },
        keys::sealing::MasterKey,
    };

    #[test]
    fn attack_38_an_enrolment_altered_in_any_field_or_moved_is_closed() {
        let random: &mut dyn Random = &mut SystemRandom;
        let sealing = Sealing::new(&MasterKey::random(random));
        let browser = CookieToken::random(random).hash();
        let mut row = EnrolmentRow {
            attempt: AttemptId::random(random),
            user: UserId::random(random),
            pass: PassId::random(random),
            credential: Some(CredentialId::random(random)),
            expires_at: Timestamp::from_millis(1_800_000_000_000),
            finished_at: None,
            tag: String::new(),
        };
        row.tag = with_fields(&row, &browser, |fields| {
            sealing.tag(TagLabel::Enrolment, fields)
        });
        assert_eq!(require_opened(&row, &browser, &sealing), Ok(()));
        let later = row.expires_at.plus(Duration::from_millis(1));
        for altered in [
            EnrolmentRow {
                attempt: AttemptId::random(random),
                ..row.clone()
            },
            EnrolmentRow {
                user: UserId::random(random),
                ..row.clone()
            },
            EnrolmentRow {
                pass: PassId::random(random),
                ..row.clone()
            },
            EnrolmentRow {
                credential: Some(CredentialId::random(random)),
                ..row.clone()
            },
            EnrolmentRow {
                credential: None,
                ..row.clone()
            },
            EnrolmentRow {
                expires_at: later,
                ..row.clone()
            },
        ] {
            assert_eq!(
                require_opened(&altered, &browser, &sealing),
                Err(SealError::Broken),
                "{altered:?}"
            );
        }
        let other = CookieToken::random(random).hash();
        assert_eq!(
            require_opened(&row, &other, &sealing),
            Err(SealError::Broken)
        );
    }
}
