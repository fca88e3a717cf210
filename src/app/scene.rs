//! Everything about an attempt that a step needs, read in one transaction.
//!
//! Always true: without the browser's cookie there is no attempt to be seen (attack 36);
//! evidence that does not open is not skipped but an alarm (attack 38).

use super::{
    App, Error,
    enrol::require_opened,
    error::SupportCode,
    external_mfa::asked_until,
    prove::require_password_here,
    reuse::Carried,
    sign_in::{Browser, RecoveryCodes},
};
use crate::{
    audit::Refused,
    base::{
        clock::Timestamp,
        ids::{AttemptId, CredentialId, UserId},
    },
    claims,
    directory::{MethodKind, TokenState, User},
    factor::{
        self, FactorClass, FactorKind,
        evidence::{self, Evidence},
    },
    session::SessionRow,
    signin::{
        asked::{self, AskedSecondFactor},
        attempt::{Attempt, Standing},
        complete,
        next_step::{
            Enrolment, NextStep, Person, PersonStatus, SessionAnswer, Situation, next_step,
        },
        request::{Interaction, SignInRequest},
    },
    storage::{EnrolmentRow, Notice, ReadTx},
};

/// How many hardware tokens a person has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tokens {
    /// Waiting to be activated.
    pub(super) assigned: usize,
    /// In use.
    pub(super) active: usize,
}

/// Everything about an attempt that a step needs, read in one transaction.
pub(super) struct Scene {
    pub(super) attempt: Attempt,
    pub(super) evidence: Vec<Evidence>,
    pub(super) user: Option<User>,
    pub(super) live_credentials: Vec<CredentialId>,
    pub(super) live_methods: usize,
    /// How many of them answer what is asked.
    pub(super) fitting_methods: usize,
    /// How many kinds that answer what is asked could be set up (External MFA).
    pub(super) kinds_to_add: usize,
    pub(super) tokens: Tokens,
    pub(super) has_password: bool,
    pub(super) notices: Vec<Notice>,
    pub(super) enrolment: Option<EnrolmentRow>,
    /// What the browser's session proved that need not be asked again (step-up).
    pub(super) carried: Option<Carried>,
    /// What Entra asks; none at the other doors.
    pub(super) asked: Option<AskedSecondFactor>,
}

impl App {
    /// The attempt, if this browser may see it: open, or answered a moment ago.
    pub(super) async fn find_attempt(
        &self,
        tx: &mut ReadTx<'_>,
        id: &AttemptId,
        browser: &Browser,
    ) -> Result<(Attempt, Standing), Error> {
        let not_yours = || {
            self.count_refused(Refused::OtherBrowser);
            Error::denied(
                &SupportCode::OTHER_BROWSER,
                "an attempt's address without its cookie",
            )
        };
        let attempt = tx.attempt(id).await?.ok_or_else(not_yours)?;
        match attempt.standing(browser.binding_hash().as_ref(), self.now()) {
            standing @ (Standing::Open | Standing::JustAnswered) => Ok((attempt, standing)),
            Standing::Over => Err(Error::denied(
                &SupportCode::ATTEMPT_OVER,
                "an attempt that is over",
            )),
            Standing::NotYours => Err(not_yours()),
        }
    }

    /// The attempt, if this browser may go on with it.
    pub(super) async fn open_attempt(
        &self,
        tx: &mut ReadTx<'_>,
        id: &AttemptId,
        browser: &Browser,
    ) -> Result<Attempt, Error> {
        match self.find_attempt(tx, id, browser).await? {
            (attempt, Standing::Open) => Ok(attempt),
            _ => Err(Error::denied(
                &SupportCode::ANSWERED,
                "an attempt that was answered a moment ago",
            )),
        }
    }

    /// Reads what a step needs to know.
    pub(super) async fn scene(
        &self,
        tx: &mut ReadTx<'_>,
        attempt: Attempt,
        browser: &Browser,
    ) -> Result<Scene, Error> {
        let browser = &*browser.at(&attempt);
        let asked = match AskedSecondFactor::open(&attempt, &self.sealing) {
            Ok(asked) => asked,
            Err(error) => return Err(Error::tampering("second factor", attempt.user, &error)),
        };
        let records = tx.evidence_of(&attempt.id).await?;
        let evidence = match evidence::open_all(
            &records,
            attempt.binding(),
            &self.sealing,
            self.now(),
            // At External MFA it is Entra that says how long, whatever is configured.
            asked
                .as_ref()
                .map_or(self.settings.attempt_lifetime, |_| asked::LIFETIME),
        ) {
            Ok(evidence) => evidence,
            // Only a writer of the database can cause this.
            Err(error) => return Err(Error::tampering("evidence", attempt.user, &error)),
        };
        let enrolment = tx.open_enrolment_of(&attempt.id, self.now()).await?;
        if let Some(row) = &enrolment
            && let Err(error) = require_opened(row, &attempt.browser, &self.sealing)
        {
            return Err(Error::tampering("enrolment", attempt.user, &error));
        }
        let mut scene = Scene {
            attempt,
            evidence,
            user: None,
            live_credentials: Vec::new(),
            live_methods: 0,
            fitting_methods: 0,
            kinds_to_add: 0,
            tokens: Tokens::default(),
            has_password: false,
            notices: Vec::new(),
            enrolment,
            carried: None,
            asked,
        };
        scene.carried = self.carried(tx, &scene, browser).await?;
        if let Some(id) = scene.attempt.user.clone() {
            scene.user = tx.user(&id).await?;
            let holder = self.credentials_of(tx, &id).await?;
            (
                scene.live_credentials,
                scene.live_methods,
                scene.has_password,
            ) = holder;
            scene.tokens = self.tokens_of(tx, &id).await?;
            if scene.live_methods == 0 && scene.tokens.assigned == 0 && self.takes_keys() {
                // Nothing else is left to ask for: at the key the person learns why it is refused.
                scene.live_methods = self.askable_keys(tx, &id).await?.len();
            }
            scene.fitting_methods = self.fitting_methods(tx, &scene, &id).await?;
            if let (Some(user), Some(_)) = (&scene.user, &scene.asked) {
                scene.kinds_to_add = self.offered(tx, &scene, user).await?.len();
            }
            scene.notices = tx.unseen_notices(&id).await?;
        }
        Ok(scene)
    }

    /// Live credentials of a person, how many are of possession, and whether there is a password.
    pub(super) async fn credentials_of(
        &self,
        tx: &mut ReadTx<'_>,
        user: &UserId,
    ) -> Result<(Vec<CredentialId>, usize, bool), Error> {
        let mut live = Vec::new();
        let password = tx
            .password_of(user)
            .await?
            .filter(|password| password.dead_at.is_none());
        let has_password = password.is_some();
        live.extend(password.map(|password| password.id));
        // A kind that the person's groups do not allow any more is as good as revoked: it
        // proves nothing, and a session that rests on it ends.
        let mut methods: Vec<CredentialId> = self
            .usable_totp(tx, user)
            .await?
            .into_iter()
            .map(|credential| credential.id)
            .collect();
        let keys = self.usable_keys(tx, user).await?;
        methods.extend(keys.into_iter().map(|key| key.id));
        let count = methods.len();
        live.extend(methods);
        Ok((live, count, has_password))
    }

    /// The person's hardware tokens, as far as the person's groups allow that kind. Whether
    /// a row is ours is looked at where its code is.
    async fn tokens_of(&self, tx: &mut ReadTx<'_>, user: &UserId) -> Result<Tokens, Error> {
        let mut tokens = Tokens::default();
        let held = tx.oath_tokens_of(user).await?;
        if held.is_empty() || !self.allows_tokens(tx, user).await? {
            return Ok(tokens);
        }
        for token in held {
            match token.state {
                TokenState::Assigned => tokens.assigned += 1,
                TokenState::Active => tokens.active += 1,
                _ => {}
            }
        }
        Ok(tokens)
    }

    /// The session of the browser's cookie, if it is one that we sealed.
    pub(super) async fn session_of(
        &self,
        tx: &mut ReadTx<'_>,
        browser: &Browser,
    ) -> Result<Option<SessionRow>, Error> {
        let Some(token) = &browser.session else {
            return Ok(None);
        };
        let row = tx.session_by_token(&token.hash()).await?;
        Ok(row.filter(|row| complete::verify_session(row, &self.sealing).is_ok()))
    }

    /// Whether the person's domain may answer a request that is bound to a domain.
    pub(super) async fn may_answer(
        &self,
        tx: &mut ReadTx<'_>,
        user: &User,
        request: &SignInRequest,
    ) -> Result<bool, Error> {
        let domains = tx.domains().await?;
        let asked = request.domain_name();
        Ok(claims::require_domain(&user.upn.domain(), &domains, asked.as_ref()).is_ok())
    }
}

/// Whether there are proofs, and all of them are of keys that were only touched.
pub(super) fn is_touched_only(mut proved: impl ExactSizeIterator<Item = FactorKind>) -> bool {
    proved.len() > 0 && proved.all(|kind| kind == FactorKind::WebAuthn)
}

impl Scene {
    /// The person as the dispatcher sees it.
    pub(super) fn person(&self) -> Option<Person> {
        self.user.as_ref().map(|user| Person {
            status: if user.disabled_at.is_some() {
                PersonStatus::Disabled
            } else {
                PersonStatus::Active
            },
            live_methods: self.live_methods,
            fitting_methods: self.fitting_methods,
            kinds_to_add: self.kinds_to_add,
            assigned_tokens: self.tokens.assigned,
            unseen_notices: self.notices.len(),
        })
    }

    pub(super) fn enrolment_stage(&self) -> Enrolment {
        match (&self.enrolment, self.has_password) {
            (None, _) => Enrolment::None,
            (Some(_), false) if self.asked.is_none() => Enrolment::NeedsPassword,
            (Some(row), _) => match (row.method, &row.credential) {
                (Some(method), _) => Enrolment::SettingUp(method),
                (None, Some(_)) => Enrolment::SettingUp(MethodKind::Totp),
                (None, None) => Enrolment::NeedsChoice,
            },
        }
    }

    /// Until when something can be set up, while something is: at the door of External MFA not
    /// longer than anything is asked there.
    pub(super) fn enrolment_ends(&self) -> Option<Timestamp> {
        let ends = self.enrolment.as_ref()?.expires_at;
        Some(asked_until(self).map_or(ends, |until| ends.min(until)))
    }

    /// The person's name as pages may show it. Who found a key and only touches it does not
    /// learn whose it is; at the door of External MFA it is shown before anything is touched.
    pub(super) fn shown_upn(&self) -> Option<String> {
        let hidden = self.is_touched_only() && self.asked.is_none();
        let user = self.user.as_ref().filter(|_| !hidden);
        user.map(|user| user.upn.to_string())
    }

    /// Whether all that was proved is that somebody touched a key.
    pub(super) fn is_touched_only(&self) -> bool {
        is_touched_only(self.evidence.iter().map(Evidence::kind))
    }

    /// What the dispatcher says without any session.
    pub(super) fn asks(&self) -> NextStep {
        next_step(&Situation {
            attempt: &self.attempt,
            evidence: &self.evidence,
            person: self.person(),
            session: SessionAnswer::None,
            enrolment: self.enrolment_stage(),
            carried: self.carried_kinds(),
            // Nothing is answered by what this says.
            recent_answers: 0,
            now: self.attempt.created_at,
        })
    }

    /// The kinds of the proofs that need not be asked again.
    pub(super) fn carried_kinds(&self) -> Vec<FactorKind> {
        let carried = self.carried.iter().flat_map(|carried| &carried.proofs);
        carried.map(|proof| proof.kind).collect()
    }

    /// Whom the attempt may be bound to before anything was proved in it: the person of this
    /// browser's session, whose password is fresh enough still, so that only what the person
    /// has is asked.
    pub(super) fn steps_up(&self) -> Option<&UserId> {
        let carried = self.carried.as_ref()?;
        let knows = factor::classes_of(self.carried_kinds()).contains(&FactorClass::Knowledge);
        let asked = self.attempt.request.interaction == Interaction::Allowed;
        (knows && asked && self.attempt.user.is_none() && self.evidence.is_empty())
            .then_some(&carried.user.id)
    }

    /// Whether it is bound to whose password is only carried over.
    pub(super) fn is_stepped_up(&self) -> bool {
        self.user.is_some()
            && factor::classes_of(self.carried_kinds()).contains(&FactorClass::Knowledge)
    }

    /// Whether a recovery code opens anything here.
    pub(super) fn recovery_codes(&self) -> RecoveryCodes {
        if self.asked.is_some() {
            RecoveryCodes::Never
        } else if require_password_here(self).is_ok() {
            RecoveryCodes::Taken
        } else {
            RecoveryCodes::AfterPassword
        }
    }

    /// Whether a pass opens anything here: at the door of External MFA only where something can be
    /// set up that answers Entra.
    pub(super) fn takes_passes(&self) -> bool {
        self.asked.is_none() || self.kinds_to_add > 0
    }

    /// A name to fill in: what the request hints, or whose session is stepped up.
    pub(super) fn name_to_fill_in(&self) -> Option<String> {
        let carried = self.carried.as_ref();
        let of_session = carried.map(|carried| carried.user.upn.to_string());
        let asked = self.asked.as_ref();
        let named = asked.and_then(|asked| asked.request().shown_name.clone());
        of_session
            .or_else(|| self.attempt.request.login_hint.clone())
            .or(named)
    }

    /// Whether the attempt belongs to somebody else than `user`.
    pub(super) fn is_of_other_than(&self, user: &UserId) -> bool {
        self.attempt
            .user
            .as_ref()
            .is_some_and(|bound| bound != user)
    }
}
