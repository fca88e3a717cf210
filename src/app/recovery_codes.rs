//! Recovery codes of a person, made on the account page and shown once.

use super::{App, Error, account::FreshSession};
use crate::{
    audit::{Actor, Event},
    base::{ids::RecoveryCodeId, secret::Secret},
    factor::recovery_code,
    storage::NewRecoveryCode,
};

impl App {
    /// Ten new codes, to be shown once; the former ones end, and what is being set up.
    pub async fn make_recovery_codes(
        &self,
        fresh: &FreshSession,
    ) -> Result<Vec<Secret<String>>, Error> {
        let made = self.replace_codes(fresh).await;
        self.noting_tampering(made).await
    }

    async fn replace_codes(&self, fresh: &FreshSession) -> Result<Vec<Secret<String>>, Error> {
        let user = &fresh.user;
        let values: Vec<Secret<String>> = self.with_random(|random| {
            (0..recovery_code::COUNT)
                .map(|_| recovery_code::generate(random))
                .collect()
        });
        let codes: Vec<NewRecoveryCode> = values
            .iter()
            .map(|value| NewRecoveryCode {
                id: self.with_random(RecoveryCodeId::random),
                value_tag: recovery_code::tag(&self.sealing, &user.id, value.expose()),
            })
            .collect();
        let now = self.now();
        let mut tx = self.store.begin().await?;
        self.hold_fresh(&mut tx, fresh).await?;
        tx.replace_recovery_codes(&user.id, &codes, now).await?;
        // Nor does what one of the former ones opened outlive them: whoever found the sheet may
        // be just adding a key.
        tx.end_enrolments_of(&user.id).await?;
        tx.append(
            Actor::Person,
            Some(user.id.clone()),
            Event::RecoveryCodesMade,
        );
        tx.add_notice(&user.id, "recovery-codes-made", user.upn.as_str(), now)
            .await?;
        tx.commit().await?;
        Ok(values)
    }
}
