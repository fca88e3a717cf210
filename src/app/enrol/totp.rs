//! Setting up a code generator (TOTP) in an open enrolment.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Confirm, Confirmed, method_name, over, require_stage};
use crate::{
    app::{App, Error, error::SupportCode, prove::Guess, sign_in::Browser},
    audit::{Actor, Event},
    base::{
        clock::Timestamp,
        ids::{AttemptId, CredentialId, UserId},
        random::random_bytes,
    },
    directory::{MethodKind, TotpCredential, TotpParameters},
    factor::totp,
    signin::next_step::Enrolment,
    storage::{EnrolmentRow, ReadTx, Tx},
};

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
    /// What the page of a new code generator shows. Reading changes nothing.
    pub async fn new_totp_of(&self, id: &AttemptId, browser: &Browser) -> Result<NewTotp, Error> {
        let shown = self.secret_to_show(id, browser).await;
        self.noting_tampering(shown).await
    }

    async fn secret_to_show(&self, id: &AttemptId, browser: &Browser) -> Result<NewTotp, Error> {
        let mut tx = self.store.read().await?;
        let (scene, user, row) = self.enrolling(&mut tx, id, browser).await?;
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
            expires_at: scene.enrolment_ends().unwrap_or(row.expires_at),
        })
    }

    /// Confirms the new code generator by one of its codes. The code proves nothing here; it is
    /// consumed, and the attempt starts over with a normal sign-in.
    pub async fn confirm_totp(
        &self,
        id: &AttemptId,
        browser: &Browser,
        name: &str,
        code: &str,
    ) -> Result<Confirm, Error> {
        let confirmed = self.check_first_code(id, browser, name, code).await;
        self.noting_tampering(confirmed).await
    }

    async fn check_first_code(
        &self,
        id: &AttemptId,
        browser: &Browser,
        name: &str,
        code: &str,
    ) -> Result<Confirm, Error> {
        let now = self.now();
        let name = method_name(name, "Desktop program")?;
        // Pay.
        let mut tx = self.store.begin().await?;
        let (scene, user, _) = self.enrolling(&mut tx, id, browser).await?;
        require_stage(&scene, Enrolment::SettingUp(MethodKind::Totp))?;
        let here = browser.at(&scene.attempt);
        let (buckets, wait) = self.pay_new_method(&mut tx, &user, &here).await?;
        tx.commit().await?;
        if let Some(until) = wait {
            return Ok(Confirm::Refused(Guess::Wait(until)));
        }

        // Check and confirm.
        let mut tx = self.store.begin().await?;
        let (scene, user, row) = self.hold_enrolling(&mut tx, id, browser).await?;
        let credential = pending(&mut tx, &user.id, &row).await?;
        self.require_room(&mut tx, &user.id).await?;
        let skew = self.settings.totp_skew;
        let Some(step) = totp::matching_step(code, &credential, skew, &self.sealing, now) else {
            let event = Event::CodeRefused {
                attempt: id.clone(),
                reason: "confirming",
            };
            tx.append(Actor::Person, Some(user.id), event);
            tx.commit().await?;
            return Ok(Confirm::Refused(Guess::Wrong));
        };
        if !tx.confirm_totp(&credential.id, &name, step, now).await? {
            return Err(over());
        }
        self.give_back(&mut tx, &buckets).await?;
        let confirmed = Confirmed {
            credential: credential.id,
            kind: MethodKind::Totp,
            name,
        };
        let afterwards = self
            .close_enrolment(&mut tx, &scene.attempt, &row, confirmed)
            .await?;
        tx.commit().await?;
        Ok(Confirm::Added(afterwards))
    }

    /// Makes a secret that proves nothing until a code confirms it.
    pub(super) async fn new_totp(
        &self,
        tx: &mut Tx<'_>,
        user: &UserId,
        now: Timestamp,
    ) -> Result<CredentialId, Error> {
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
