//! Adding a method.
//!
//! Always true: a password alone never opens enrolment (attack 37). A pass opens it in one
//! browser, for ten minutes (in one attempt; at the door of External MFA, where Entra waits for five,
//! in the next one too); so does a recovery code, and a session as long as
//! its proofs are minutes old. What confirms the new method makes no proof and is spent; after
//! a pass or a code all evidence of the attempt is dropped, so that a normal sign-in with both factors follows.
//!
//! The ways in are [`by_pass`] and [`from_account`]; what can be set up: [`totp`].

/// Opened by a temporary access pass.
mod by_pass;
/// Opened by a fresh session, on the account page.
mod from_account;
/// A security key.
mod security_key;
/// A hardware token that an operator handed over.
mod token;
/// A code generator.
pub mod totp;

use std::time::Duration;

use super::{
    App, Error, answer::Destination, error::SupportCode, external_mfa::fitting_kinds,
    guess::in_a_row, prove::Guess, scene::Scene, sign_in::Browser,
};
use crate::{
    audit::{Actor, Event},
    base::{
        browser::TokenHash,
        ids::{AttemptId, CredentialId, UserId},
        secret::Secret,
    },
    directory::{PasswordCredential, TokenState, User},
    keys::sealing::{SealError, Sealing, TagLabel},
    signin::{attempt::Attempt, next_step::Enrolment},
    storage::{EnrolmentRow, OpenedBy, ReadTx, Tx},
};

pub use security_key::NewKeyOutcome;

pub use crate::directory::MethodKind;

/// How long an enrolment may take that a pass or a recovery code opened (Entra's rule for a
/// single-use pass, facts §7). One that a session opened ends when its proofs are not fresh
/// any more.
pub const ENROLMENT_LIFETIME: Duration = Duration::from_mins(10);

/// How many live methods a person may have.
const MAX_METHODS: usize = 10;

/// What became of the code or assertion that was to confirm a new method.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Confirm {
    /// The method counts from now on.
    Added(Afterwards),
    /// It does not.
    Refused(Guess),
}

/// Where the way leads after a method was added.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Afterwards {
    /// To a sign-in with both factors.
    SignIn,
    /// Back to the account page.
    Account,
}

/// A method that was confirmed.
struct Confirmed {
    credential: CredentialId,
    kind: MethodKind,
    name: String,
}

impl App {
    /// What this person may set up, in the order in which it is offered: the safest first.
    pub(super) async fn enrolable(
        &self,
        tx: &mut ReadTx<'_>,
        user: &User,
    ) -> Result<Vec<MethodKind>, Error> {
        let policy = self.method_policy_of(tx, &user.id).await?;
        let tokens = tx.oath_tokens_of(&user.id).await?;
        let waits = tokens
            .iter()
            .any(|token| token.state == TokenState::Assigned);
        let possible = [
            (MethodKind::SecurityKey, self.takes_keys()),
            (MethodKind::OathToken, waits),
            (MethodKind::Totp, true),
        ];
        Ok(possible
            .into_iter()
            .filter(|(kind, possible)| *possible && policy.allows(*kind))
            .map(|(kind, _)| kind)
            .collect())
    }

    /// What of it answers what is asked: all, but at the door of External MFA.
    pub(super) async fn offered(
        &self,
        tx: &mut ReadTx<'_>,
        scene: &Scene,
        user: &User,
    ) -> Result<Vec<MethodKind>, Error> {
        Ok(fitting_kinds(scene, self.enrolable(tx, user).await?))
    }

    /// Chooses what to set up in an open enrolment; another choice begins anew.
    pub async fn choose_method(
        &self,
        id: &AttemptId,
        browser: &Browser,
        kind: MethodKind,
    ) -> Result<(), Error> {
        let chosen = self.choose_kind(id, browser, kind).await;
        self.noting_tampering(chosen).await
    }

    async fn choose_kind(
        &self,
        id: &AttemptId,
        browser: &Browser,
        kind: MethodKind,
    ) -> Result<(), Error> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let (scene, user, row) = self.hold_enrolling(&mut tx, id, browser).await?;
        if scene.enrolment_stage() == Enrolment::NeedsPassword {
            return Err(at_another_step());
        }
        let offered = self.offered(&mut tx, &scene, &user).await?;
        if !offered.contains(&kind) {
            return Err(Error::denied(
                &SupportCode::NOT_OFFERED,
                format!("{} may not set up a {}", user.upn, kind.as_str()),
            ));
        }
        let row = self
            .prepared(&mut tx, row, &scene.attempt.browser, &offered, Some(kind))
            .await?;
        if !tx.choose_method(&row, now).await? {
            return Err(over());
        }
        tx.commit().await?;
        Ok(())
    }

    /// The row with what is set up next; `None` lets the person choose, unless there is
    /// only one kind on offer.
    async fn prepared(
        &self,
        tx: &mut Tx<'_>,
        row: EnrolmentRow,
        browser: &TokenHash,
        offered: &[MethodKind],
        chosen: Option<MethodKind>,
    ) -> Result<EnrolmentRow, Error> {
        let method = match (chosen, offered) {
            (None, [only]) => Some(*only),
            (chosen, _) => chosen,
        };
        if method.is_some() {
            // Said before a person sets anything up, and once more when it is confirmed.
            self.require_room(tx, &row.user).await?;
        }
        let credential = match method {
            None | Some(MethodKind::OathToken) => None,
            Some(MethodKind::Totp) => Some(self.new_totp(tx, &row.user, self.now()).await?),
            Some(MethodKind::SecurityKey) => Some(self.with_random(CredentialId::random)),
        };
        let mut row = EnrolmentRow {
            method,
            credential,
            ..row
        };
        row.tag = with_fields(&row, browser, |fields| {
            self.sealing.tag(TagLabel::Enrolment, fields)
        });
        Ok(row)
    }

    /// Chooses a password in an enrolment of a person who has none.
    pub async fn choose_password(
        &self,
        id: &AttemptId,
        browser: &Browser,
        password: Secret<String>,
    ) -> Result<(), Error> {
        let chosen = self.choose_first_password(id, browser, password).await;
        self.noting_tampering(chosen).await
    }

    async fn choose_first_password(
        &self,
        id: &AttemptId,
        browser: &Browser,
        password: Secret<String>,
    ) -> Result<(), Error> {
        // Hashing is dear: only for an enrolment that asks for it.
        let mut tx = self.store.read().await?;
        let (scene, user, _) = self.enrolling(&mut tx, id, browser).await?;
        require_stage(&scene, Enrolment::NeedsPassword)?;
        drop(tx);
        let phc = self
            .hash_new_password(password, &user.upn, &user.display_name)
            .await?;
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let (scene, user, _) = self.hold_enrolling(&mut tx, id, browser).await?;
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

    /// Ends the enrolment with the method that was confirmed. After a pass a normal sign-in
    /// follows; from the account page the way leads back there.
    async fn close_enrolment(
        &self,
        tx: &mut Tx<'_>,
        attempt: &Attempt,
        row: &EnrolmentRow,
        confirmed: Confirmed,
    ) -> Result<Afterwards, Error> {
        let now = self.now();
        if !tx.finish_enrolment(&attempt.id, now).await? {
            return Err(Error::denied(
                &SupportCode::ATTEMPT_OVER,
                "the enrolment was finished already",
            ));
        }
        let afterwards = match row.opened_by {
            OpenedBy::Pass(_) | OpenedBy::RecoveryCode(_) => {
                tx.spend_kept_passes_of(&row.user).await?;
                tx.clear_evidence(&attempt.id).await?;
                Afterwards::SignIn
            }
            OpenedBy::Session(_) => {
                let back = Destination::Here(attempt.request.reply_url.clone());
                self.keep_answer(tx, attempt, &back).await?;
                Afterwards::Account
            }
        };
        tx.give_back_try(&in_a_row(&row.user)).await?;
        let event = Event::MethodAdded {
            credential: confirmed.credential,
            kind: confirmed.kind.as_str(),
            name: confirmed.name,
        };
        tx.append(Actor::Person, Some(row.user.clone()), event);
        let by = tx.user(&row.user).await?.map(|user| user.upn.to_string());
        tx.add_notice(&row.user, "method-added", &by.unwrap_or_default(), now)
            .await?;
        Ok(afterwards)
    }

    /// The open enrolment of this attempt in this browser.
    async fn enrolling(
        &self,
        tx: &mut ReadTx<'_>,
        id: &AttemptId,
        browser: &Browser,
    ) -> Result<(Scene, User, EnrolmentRow), Error> {
        let attempt = self.open_attempt(tx, id, browser).await?;
        let scene = self.scene(tx, attempt, browser).await?;
        let row = scene.enrolment.clone().ok_or_else(over)?;
        let user = scene
            .user
            .clone()
            .filter(|user| user.id == row.user && user.disabled_at.is_none());
        let user = user.ok_or_else(over)?;
        if let OpenedBy::Session(session) = &row.opened_by {
            // Signed out meanwhile, here or elsewhere, or the stolen key that it rests on was
            // taken away: the door is shut.
            let session = tx.session(session).await?.ok_or_else(over)?;
            self.holder_of(tx, &session)
                .await?
                .filter(|holder| holder.id == user.id)
                .ok_or_else(over)?;
        }
        Ok((scene, user, row))
    }

    /// The same, holding the person: what ends enrolments (a reset, a method taken away)
    /// came before and is seen here, or comes after and takes away what is added.
    async fn hold_enrolling(
        &self,
        tx: &mut Tx<'_>,
        id: &AttemptId,
        browser: &Browser,
    ) -> Result<(Scene, User, EnrolmentRow), Error> {
        let attempt = self.open_attempt(tx, id, browser).await?;
        tx.lock_user(attempt.user.as_ref().ok_or_else(over)?)
            .await?;
        self.enrolling(tx, id, browser).await
    }

    /// Another method has room beside the present ones.
    async fn require_room(&self, tx: &mut ReadTx<'_>, user: &UserId) -> Result<(), Error> {
        let codes = tx.totp_of(user).await?;
        let codes = codes.iter().filter(|totp| totp.is_live()).count();
        let keys = tx.security_keys_of(user).await?.len();
        if codes + keys < MAX_METHODS {
            return Ok(());
        }
        Err(Error::denied(
            &SupportCode::TOO_MANY_METHODS,
            "the person has ten methods already",
        ))
    }
}

fn over() -> Error {
    Error::denied(
        &SupportCode::ATTEMPT_OVER,
        "there is no open enrolment in this attempt",
    )
}

fn at_another_step() -> Error {
    Error::denied(
        &SupportCode::ATTEMPT_OVER,
        "the enrolment is at another step",
    )
}

fn require_stage(scene: &Scene, stage: Enrolment) -> Result<(), Error> {
    if scene.enrolment_stage() == stage {
        return Ok(());
    }
    Err(at_another_step())
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
    let expires_at = row.expires_at.as_millis().to_be_bytes();
    let mut fields: Vec<&[u8]> = vec![
        row.attempt.as_str().as_bytes(),
        browser.as_str().as_bytes(),
        row.user.as_str().as_bytes(),
        row.opened_by.as_str().as_bytes(),
        credential.as_bytes(),
        &expires_at,
    ];
    // Rows of before there was a choice have no such field.
    fields.extend(row.method.map(|method| method.as_str().as_bytes()));
    run(&fields)
}

/// What a person calls a method: any text of 1 to 64 characters on one line.
pub(super) fn method_name(name: &str, otherwise: &str) -> Result<String, Error> {
    let name = name.trim();
    let name = if name.is_empty() { otherwise } else { name };
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
            clock::Timestamp,
            ids::{PassId, UserId},
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
            opened_by: OpenedBy::Pass(PassId::random(random)),
            method: Some(MethodKind::Totp),
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
                opened_by: OpenedBy::Pass(PassId::random(random)),
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
                method: Some(MethodKind::SecurityKey),
                ..row.clone()
            },
            EnrolmentRow {
                method: None,
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
