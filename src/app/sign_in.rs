//! Beginning an attempt, and choosing what comes next.
//!
//! [`App::begin`] stores the attempt and binds it to the browser; [`App::proceed`] is
//! what a look at `/sign-in/{attempt}` does: it gathers the situation, asks the one
//! dispatcher, and — where nothing is left to ask — answers.

use std::{borrow::Cow, time::Duration};

use super::{
    App, Error,
    answer::{Answer, StatusKind},
    error::{Category, SupportCode},
    external_mfa::{asked_until, fitting_ways},
    keys::draft::Draft,
    own_methods::last_used,
    round_trips::Stopped,
};
use crate::{
    audit::Refused,
    base::{
        browser::{CookieToken, TokenHash},
        clock::Timestamp,
        ids::{AttemptId, UserId},
    },
    directory::MethodKind,
    signin::{
        attempt::{Attempt, Standing},
        next_step::{AnswerFrom, Refusal, SessionAnswer, Situation, next_step},
        request::{Protocol, SignInRequest},
    },
    storage::{InsertAttempt, ReadTx, Tx},
};

pub use crate::{
    signin::next_step::{NextStep, NoAnswer},
    storage::Notice,
};

/// What a browser brings: its cookies and where it is.
#[derive(Clone, Debug, Default)]
pub struct Browser {
    /// The browser-binding cookie.
    pub binding: Option<CookieToken>,
    /// The session cookie.
    pub session: Option<CookieToken>,
    /// The cookie of a browser in which somebody completed a sign-in.
    pub known: Option<CookieToken>,
    /// The attempts that were begun in it, each with its browser-binding cookie.
    pub attempts: Vec<(AttemptId, CookieToken)>,
    /// The client's address (or its /64), for counting.
    pub source: String,
}

impl Browser {
    pub(super) fn binding_hash(&self) -> Option<TokenHash> {
        self.binding.as_ref().map(CookieToken::hash)
    }

    /// What an attempt sees of it: at the door of External MFA neither a session nor that
    /// somebody is known in it (attack 40).
    pub(super) fn at(&self, attempt: &Attempt) -> Cow<'_, Self> {
        if attempt.request.protocol != Protocol::ExternalMfa {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self {
            session: None,
            known: None,
            ..self.clone()
        })
    }
}

/// An attempt was stored, or found again.
#[derive(Debug)]
pub struct Begun {
    /// Its id.
    pub attempt: AttemptId,
    /// The cookie that binds a new attempt to the browser.
    pub binding: Option<CookieToken>,
}

/// What a look at an attempt shows.
#[derive(Debug)]
pub enum Next {
    /// A page.
    Ask(Ask),
    /// The answer to the relying party.
    Answer(Box<Answer>),
    /// No answer for now: the browser runs in a circle with the party of this name.
    Stop(String, Box<Stopped>),
}

/// A way to prove the second factor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SecondFactor {
    /// A security key.
    Key,
    /// A one-time code, of a program or a token.
    Code,
}

/// What was proved before the password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Proved {
    /// Nothing.
    Nothing,
    /// A key was touched. Whose it is, nobody is told.
    Touch,
}

/// Whether a recovery code is taken where a pass is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecoveryCodes {
    /// The password was proved in this attempt.
    Taken,
    /// It was not, though it may be carried over: a code opens something after it only.
    AfterPassword,
    /// At a door where nobody proves one.
    Never,
}

/// A page that asks something.
#[derive(Debug)]
pub struct Ask {
    /// What.
    pub step: NextStep,
    /// The person's name as far as it may be shown: what the attempt already proved.
    pub upn: Option<String>,
    /// A name to fill in.
    pub login_hint: Option<String>,
    /// What the relying party is called.
    pub party: String,
    /// How many hardware tokens in use the person has, for [`NextStep::AskSecondFactor`].
    pub tokens: usize,
    /// What may be set up, for [`NextStep::ChooseMethod`] and [`NextStep::Enrol`].
    pub offered: Vec<MethodKind>,
    /// What the person's groups allow, whether or not it can be set up now; for the same.
    pub allowed: Vec<MethodKind>,
    /// Until when something can be set up, while something is.
    pub enrolment_ends: Option<Timestamp>,
    /// What the attempt proved already, for [`NextStep::AskPassword`].
    pub proved: Proved,
    /// What the person can prove now, the last used first, for [`NextStep::AskSecondFactor`].
    pub second_factors: Vec<SecondFactor>,
    /// Whether a recovery code is taken, where the person is known.
    pub recovery_codes: RecoveryCodes,
    /// Whether security keys work here, for [`NextStep::AskPassword`].
    pub takes_keys: bool,
    /// Whether a pass opens anything here.
    pub takes_passes: bool,
    /// What was done to the account since the last sign-in, for [`NextStep::ShowNotices`].
    pub notices: Vec<Notice>,
    /// Until when Entra waits, at the door of External MFA.
    pub asked_until: Option<Timestamp>,
}

impl App {
    /// Stores an attempt for a verified request, bound to this browser.
    ///
    /// A request that was seen before leads to its attempt, and no cookie is given: the
    /// browser that began goes on or gets its answer again, any other is refused there
    /// (attacks 15, 36). A POST from another site brings no `Lax` cookie, so who it is
    /// cannot be told before the attempt's own page.
    pub async fn begin(&self, request: SignInRequest, browser: &Browser) -> Result<Begun, Error> {
        let lifetime = self.settings.attempt_lifetime;
        let (attempt, binding) = self.new_attempt(request, browser, lifetime);
        let tx = self.store.begin().await?;
        self.store_attempt(tx, attempt, binding, browser).await
    }

    /// An attempt for this browser, not stored yet, and the cookie that binds it.
    pub(super) fn new_attempt(
        &self,
        request: SignInRequest,
        browser: &Browser,
        lifetime: Duration,
    ) -> (Attempt, CookieToken) {
        let now = self.now();
        let binding = match &browser.binding {
            Some(token) => token.clone(),
            None => self.with_random(CookieToken::random),
        };
        let attempt = Attempt {
            id: self.with_random(AttemptId::random),
            browser: binding.hash(),
            request,
            user: None,
            created_at: now,
            expires_at: now.plus(lifetime),
            answered_at: None,
        };
        (attempt, binding)
    }

    /// See [`App::begin`].
    pub(super) async fn store_attempt(
        &self,
        mut tx: Tx<'_>,
        attempt: Attempt,
        binding: CookieToken,
        browser: &Browser,
    ) -> Result<Begun, Error> {
        // Before the limit: a request that is sent again makes nothing.
        let known = tx
            .attempt_of_request(&attempt.request.relying_party, &attempt.request.request_id)
            .await?;
        if let Some(known) = known {
            return Ok(Begun {
                attempt: known.id,
                binding: None,
            });
        }
        self.require_few_attempts(&mut tx, &browser.source).await?;
        match tx.insert_attempt(&attempt, &browser.source).await? {
            InsertAttempt::Inserted => {
                tx.commit().await?;
                Ok(Begun {
                    attempt: attempt.id,
                    binding: Some(binding),
                })
            }
            InsertAttempt::Known(known) => Ok(Begun {
                attempt: known.id,
                binding: None,
            }),
        }
    }

    /// One source has so many open attempts and no more.
    pub(super) async fn require_few_attempts(
        &self,
        tx: &mut ReadTx<'_>,
        source: &str,
    ) -> Result<(), Error> {
        let open = tx.unproved_attempts_from(source, self.now()).await?;
        if open < i64::from(self.settings.open_attempts_per_source) {
            return Ok(());
        }
        self.count_refused(Refused::SourceLimit);
        Err(Error::denied(
            &SupportCode::TOO_MANY_ATTEMPTS,
            "too many attempts of one source in which nobody proved anything",
        ))
    }

    /// What comes next for this browser in this attempt; answers if nothing is left to ask.
    pub async fn proceed(&self, id: &AttemptId, browser: &Browser) -> Result<Next, Error> {
        let mut draft = Draft::default();
        let mut next = self.proceed_signing(id, browser, &mut draft).await;
        // Two looks at once: the slower one finds the attempt answered, and gets that answer.
        if next
            .as_ref()
            .is_err_and(|error| error.category() == Category::Conflict)
        {
            next = self.proceed_signing(id, browser, &mut draft).await;
        }
        let next = self.noting_tampering(next).await;
        if let Err(error) = &next
            && let Some(answer) = self.excuse_failure(id, browser, error).await
        {
            return Ok(Next::Answer(Box::new(answer)));
        }
        next
    }

    /// `None`: nothing was done yet, a token has to sign first.
    pub(super) async fn proceed_once(
        &self,
        id: &AttemptId,
        browser: &Browser,
        draft: &mut Draft,
    ) -> Result<Option<Next>, Error> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let (attempt, standing) = self.find_attempt(&mut tx, id, browser).await?;
        if standing == Standing::JustAnswered {
            let answer = self.repeat_answer(&mut tx, &attempt).await?;
            return Ok(Some(Next::Answer(Box::new(answer))));
        }
        let browser = &*browser.at(&attempt);
        let session = self.session_of(&mut tx, browser).await?;
        let mut scene = self.scene(&mut tx, attempt, browser).await?;
        if let Some(user) = scene.steps_up().cloned() {
            // From here on it is this person's attempt: the same person, or not at all.
            if tx.set_attempt_user(id, &user).await? {
                tx.commit().await?;
            }
            tx = self.store.begin().await?;
            let attempt = self.open_attempt(&mut tx, id, browser).await?;
            scene = self.scene(&mut tx, attempt, browser).await?;
        }
        let resumable = self.resumable(&mut tx, &scene, session.as_ref()).await?;
        let answers_to = resumable.as_ref().map(|resumable| &resumable.user);
        let recent_answers = match answers_to.or(scene.user.as_ref()) {
            Some(user) => {
                self.recent_answers(&mut tx, &user.id, session.as_ref(), &scene.attempt.request)
                    .await?
            }
            None => 0,
        };
        let step = next_step(&Situation {
            attempt: &scene.attempt,
            evidence: &scene.evidence,
            person: scene.person(),
            session: if resumable.is_some() {
                SessionAnswer::FreshEnough
            } else {
                SessionAnswer::None
            },
            enrolment: scene.enrolment_stage(),
            carried: scene.carried_kinds(),
            recent_answers,
            now,
        });
        match step {
            NextStep::Issue(_) | NextStep::Refuse(_) if scene.asked.is_some() => {
                let answer = self.settle_second_factor(tx, &scene, step, draft).await?;
                Ok(answer.map(Box::new).map(Next::Answer))
            }
            NextStep::Issue(AnswerFrom::Proofs) => {
                let answer = self
                    .issue_from_proofs(tx, &scene, session.as_ref(), browser.known.as_ref(), draft)
                    .await?;
                Ok(answer.map(Box::new).map(Next::Answer))
            }
            NextStep::Issue(AnswerFrom::Session) => {
                let Some(resumable) = resumable else {
                    return Err(Error::internal(
                        "a session was to answer, but there is none",
                    ));
                };
                let answer = self
                    .issue_from_session(tx, &scene.attempt, resumable, draft)
                    .await?;
                Ok(answer.map(Box::new).map(Next::Answer))
            }
            // WS-Federation has no answer that says no, and to the own account there is nobody
            // to tell.
            NextStep::Refuse(_) if scene.attempt.request.protocol != Protocol::Saml2 => {
                Err(Error::denied(
                    &SupportCode::NOT_SIGNED_IN,
                    "a disabled person, who gets a page instead of an answer",
                ))
            }
            NextStep::Refuse(refusal) => {
                let kind = match refusal {
                    Refusal::InteractionForbidden => StatusKind::NoPassive,
                    Refusal::Disabled | Refusal::TooLate => StatusKind::RequestDenied,
                };
                let answer = self.issue_status(tx, &scene.attempt, kind, draft).await?;
                Ok(answer.map(Box::new).map(Next::Answer))
            }
            NextStep::StopLoop => {
                let user = match resumable {
                    Some(resumable) => Some(resumable.user),
                    None => scene.user.clone(),
                };
                let user = user.ok_or_else(|| Error::internal("a loop of nobody"))?;
                let stopped = self
                    .stopped(&mut tx, &user, session.as_ref(), &scene.attempt.request)
                    .await?;
                let party = self.party_name(&mut tx, &scene.attempt).await?;
                self.count_refused(Refused::Loop);
                Ok(Some(Next::Stop(party, Box::new(stopped))))
            }
            _ => {
                let party = self.party_name(&mut tx, &scene.attempt).await?;
                let (offered, allowed) = match (&scene.user, step) {
                    (Some(user), NextStep::ChooseMethod | NextStep::Enrol(_)) => {
                        let policy = self.method_policy_of(&mut tx, &user.id).await?;
                        let offered = self.offered(&mut tx, &scene, user).await?;
                        (offered, policy.allowed().to_vec())
                    }
                    _ => (Vec::new(), Vec::new()),
                };
                let second_factors = match (&scene.user, step) {
                    (Some(user), NextStep::AskSecondFactor) => {
                        let ways = self.second_factors_of(&mut tx, &user.id).await?;
                        fitting_ways(&scene, ways)
                    }
                    _ => Vec::new(),
                };
                Ok(Some(Next::Ask(Ask {
                    step,
                    upn: scene.shown_upn(),
                    login_hint: scene.name_to_fill_in(),
                    party,
                    tokens: scene.tokens.active,
                    offered,
                    allowed,
                    enrolment_ends: scene.enrolment_ends(),
                    proved: if scene.is_touched_only() {
                        Proved::Touch
                    } else {
                        Proved::Nothing
                    },
                    second_factors,
                    recovery_codes: scene.recovery_codes(),
                    takes_keys: self.takes_keys(),
                    takes_passes: scene.takes_passes(),
                    asked_until: asked_until(&scene),
                    notices: scene.notices,
                })))
            }
        }
    }

    /// The ways that a person has, the last used first; of those never used, keys first.
    async fn second_factors_of(
        &self,
        tx: &mut ReadTx<'_>,
        user: &UserId,
    ) -> Result<Vec<SecondFactor>, Error> {
        let mut ways: Vec<(Option<Timestamp>, SecondFactor)> = Vec::new();
        let mut refused = 0;
        if self.takes_keys() {
            let keys = self.usable_keys(tx, user).await?;
            if keys.is_empty() {
                // Offered after all others: whoever has no other way learns why it is refused.
                refused = self.askable_keys(tx, user).await?.len();
            }
            let key_uses = keys.iter().map(|key| key.last_used_at);
            ways.extend(key_uses.max().map(|at| (at, SecondFactor::Key)));
        }
        let codes = self.usable_totp(tx, user).await?;
        let code_uses = codes.iter().map(last_used);
        ways.extend(code_uses.max().map(|at| (at, SecondFactor::Code)));
        ways.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let refused = (refused > 0).then_some(SecondFactor::Key);
        Ok(ways
            .into_iter()
            .map(|(_, way)| way)
            .chain(refused)
            .collect())
    }

    async fn party_name(&self, tx: &mut ReadTx<'_>, attempt: &Attempt) -> Result<String, Error> {
        match attempt.request.protocol {
            Protocol::Account => return Ok("your account".to_owned()),
            Protocol::ExternalMfa => return Ok("Microsoft".to_owned()),
            Protocol::Saml2 | Protocol::WsFed => {}
        }
        Ok(self
            .party_of(tx, &attempt.request.relying_party)
            .await?
            .display_name)
    }
}
