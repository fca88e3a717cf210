//! What becomes of a request whose password was compared: a token, or why there is none.
//!
//! Always true: whoever had the right password and gets no token has lost no try by it, but a
//! disabled person's own password, of which nobody may learn that it is right; it runs to its end
//! although the program hung up. Read next: `token`.

use super::{Checked, Devices, Guessed, LooksAt, SignedToken};
use crate::{
    app::{
        App, Error,
        guess::{Buckets, Named},
    },
    audit::{Actor, Event},
    base::{ids::AttemptId, secret::Secret},
    claims::active::ActiveProof,
    directory::User,
    factor::{app_password, password::Rehash},
    storage::Tx,
};

impl App {
    /// What becomes of a request whose password was compared.
    pub(super) async fn settle_at_door(
        &self,
        guessed: &Guessed,
        checked: Checked,
        password: Secret<String>,
    ) -> Result<Option<SignedToken>, Error> {
        let Named::Known(user) = &guessed.named else {
            if guessed.looks_at == LooksAt::All {
                self.note_unknown_name().await?;
            }
            return Ok(None);
        };
        let attempt = &guessed.attempt;
        let settled = match checked {
            Checked::Right(proof, rehash) => {
                self.settle_right(guessed, user, proof, rehash, password)
                    .await
            }
            Checked::Wrong(_) if guessed.looks_at == LooksAt::Devices => Ok(None),
            Checked::Wrong(why) => self.refuse_at_door(attempt, user, why, None).await,
            Checked::Tampered(what) => {
                self.refuse_at_door(attempt, user, "tampered", None).await?;
                let why = "the row's tag is wrong";
                Err(Error::tampering(what, Some(user.id.clone()), &why))
            }
        };
        // Last: that it cannot be written down must not cost a right password its try.
        match self.note_altered_devices(guessed, user).await {
            Ok(()) => settled,
            // The token is written down as issued: it must not be thrown away.
            Err(error) if matches!(settled, Ok(Some(_))) => {
                tracing::error!("an altered device could not be noted: {error}");
                settled
            }
            Err(error) => Err(error),
        }
    }

    /// Of a right password. Where it gets no token its try comes back, in the transaction of the
    /// event: the door must not shut its person out of the sign-in page.
    async fn settle_right(
        &self,
        guessed: &Guessed,
        user: &User,
        proof: ActiveProof,
        rehash: Rehash,
        password: Secret<String>,
    ) -> Result<Option<SignedToken>, Error> {
        let attempt = &guessed.attempt;
        let is_own = matches!(proof, ActiveProof::Own(_));
        // A disabled person gets the answer of a wrong password, after the same work; and so does
        // one of whom Entra sends no program here.
        let refused = if user.disabled_at.is_some() {
            // A counter that stands still would tell what the password is, which the sign-in page
            // tells nobody; one of a device nobody guesses.
            let refunded = (!is_own).then_some(&guessed.buckets);
            Some(
                self.refuse_at_door(attempt, user, "disabled", refunded)
                    .await,
            )
        } else if self.takes_programs_of(user, &guessed.domains).is_err() {
            let why = "not-ws-federation";
            Some(
                self.refuse_at_door(attempt, user, why, Some(&guessed.buckets))
                    .await,
            )
        } else {
            None
        };
        let made = match refused {
            Some(refused) => refused,
            None => self.token_of(proof, user, guessed).await,
        };
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

    /// Writes down why there is no token, in a transaction of its own; what was no guess comes back.
    pub(super) async fn refuse_at_door(
        &self,
        attempt: &AttemptId,
        user: &User,
        reason: &'static str,
        no_guess: Option<&Buckets>,
    ) -> Result<Option<SignedToken>, Error> {
        let mut tx = self.store.begin().await?;
        refused(&mut tx, attempt, user, reason);
        if let Some(buckets) = no_guess {
            self.refund(&mut tx, buckets).await?;
        }
        tx.commit().await?;
        Ok(None)
    }
}

pub(super) fn refused(tx: &mut Tx<'_>, attempt: &AttemptId, user: &User, reason: &'static str) {
    let event = Event::PasswordRefused {
        attempt: attempt.clone(),
        reason,
    };
    tx.append(Actor::Person, Some(user.id.clone()), event);
}
