//! Beginning an attempt, and choosing what comes next.
//!
//! [`App::begin`] stores the attempt and binds it to the browser; [`App::proceed`] is
//! what a look at `/sign-in/{attempt}` does: it gathers the situation, asks the one
//! dispatcher, and — where nothing is left to ask — answers.

use super::{
    App, Error,
    error::SupportCode,
    issue::{Answer, StatusKind},
};
use crate::{
    audit::Refused,
    base::{
        browser::{CookieToken, TokenHash},
        ids::{AttemptId, CredentialId, UserId},
    },
    directory::User,
    factor::evidence::Evidence,
    session::SessionRow,
    signin::{
        attempt::{Attempt, Standing},
        complete::{self, Holder, SessionTerms},
        next_step::{
            AnswerFrom, Enrolment, NextStep, Person, PersonStatus, Refusal, SessionAnswer,
            Situation, next_step,
        },
        request::SignInRequest,
        requirement,
    },
    storage::{InsertAttempt, Notice, ReadTx},
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
    /// The client's address (or its /64), for counting.
    pub source: String,
}

impl Browser {
    fn binding_hash(&self) -> Option<TokenHash> {
        self.binding.as_ref().map(CookieToken::hash)
    }
}

/// An attempt was stored, or found again.
#[derive(Debug)]
pub struct Begun {
    /// Its id.
    pub attempt: AttemptId,
    /// The cookie that binds it to the browser.
    pub binding: CookieToken,
}

/// What a look at an attempt shows.
#[derive(Debug)]
pub enum Next {
    /// A page.
    Ask(Ask),
    /// The answer to the relying party.
    Answer(Box<Answer>),
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
    /// What was done to the account since the last sign-in, for [`NextStep::ShowNotices`].
    pub notices: Vec<Notice>,
}

/// Everything about an attempt that a step needs, read in one transaction.
pub(super) struct Scene {
    pub(super) attempt: Attempt,
    pub(super) evidence: Vec<Evidence>,
    pub(super) user: Option<User>,
    pub(super) live_credentials: Vec<CredentialId>,
    pub(super) live_methods: usize,
    pub(super) has_password: bool,
    pub(super) notices: Vec<Notice>,
    pub(super) enrolment: Option<crate::storage::EnrolmentRow>,
}

impl App {
    /// Stores an attempt for a verified request, bound to this browser.
    ///
    /// The same browser repeating a request goes on with its attempt; another browser
    /// with the same request id is refused (attacks 15, 36).
    pub async fn begin(&self, request: SignInRequest, browser: &Browser) -> Result<Begun, Error> {
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
            expires_at: now.plus(self.settings.attempt_lifetime),
            answered_at: None,
        };
        let mut tx = self.store.begin().await?;
        let open = tx.open_attempts_from(&browser.source, now).await?;
        if open >= i64::from(self.settings.open_attempts_per_source) {
            tx.count_refused(Refused::SourceLimit, now).await?;
            tx.commit().await?;
            return Err(Error::denied(
                &SupportCode::TOO_MANY_ATTEMPTS,
                "too many open attempts of one source",
            ));
        }
        match tx.insert_attempt(&attempt, &browser.source).await? {
            InsertAttempt::Inserted => {
                tx.commit().await?;
                Ok(Begun {
                    attempt: attempt.id,
                    binding,
                })
            }
            InsertAttempt::Known(known) if known.browser == attempt.browser => Ok(Begun {
                attempt: known.id,
                binding,
            }),
            InsertAttempt::Known(_) => {
                tx.count_refused(Refused::ReplayedRequest, now).await?;
                tx.commit().await?;
                Err(Error::denied(
                    &SupportCode::REPLAYED_REQUEST,
                    "a request id arrived again from another browser",
                ))
            }
        }
    }

    /// What comes next for this browser in this attempt; answers if nothing is left to ask.
    pub async fn proceed(&self, id: &AttemptId, browser: &Browser) -> Result<Next, Error> {
        let next = self.proceed_once(id, browser).await;
        self.noting_tampering(next).await
    }

    async fn proceed_once(&self, id: &AttemptId, browser: &Browser) -> Result<Next, Error> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let (attempt, standing) = self.find_attempt(&mut tx, id, browser).await?;
        if standing == Standing::JustAnswered {
            let answer = self.repeat_answer(&mut tx, &attempt).await?;
            return Ok(Next::Answer(Box::new(answer)));
        }
        let session = self.session_of(&mut tx, browser).await?;
        let scene = self.scene(&mut tx, attempt).await?;
        let resumable = self.resumable(&mut tx, &scene, session.as_ref()).await?;
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
            now,
        });
        match step {
            NextStep::Issue(AnswerFrom::Proofs) => {
                let answer = self
                    .issue_from_proofs(tx, &scene, session.as_ref(), browser.known.as_ref())
                    .await?;
                Ok(Next::Answer(Box::new(answer)))
            }
            NextStep::Issue(AnswerFrom::Session) => {
                let Some(resumable) = resumable else {
                    return Err(Error::internal(
                        "a session was to answer, but there is none",
                    ));
                };
                let answer = self
                    .issue_from_session(tx, &scene.attempt, resumable)
                    .await?;
                Ok(Next::Answer(Box::new(answer)))
            }
            NextStep::Refuse(refusal) => {
                let kind = match refusal {
                    Refusal::InteractionForbidden => StatusKind::NoPassive,
                    Refusal::Disabled => StatusKind::RequestDenied,
                };
                let answer = self.issue_status(tx, &scene.attempt, kind).await?;
                Ok(Next::Answer(Box::new(answer)))
            }
            _ => {
                let party = self.party_name(&mut tx, &scene.attempt).await?;
                Ok(Next::Ask(Ask {
                    step,
                    upn: scene.user.as_ref().map(|user| user.upn.to_string()),
                    login_hint: scene.attempt.request.login_hint.clone(),
                    party,
                    notices: scene.notices,
                }))
            }
        }
    }

    /// The person has read what was done to the account.
    pub async fn acknowledge_notices(
        &self,
        id: &AttemptId,
        browser: &Browser,
    ) -> Result<(), Error> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        let scene = self.scene(&mut tx, attempt).await?;
        // Only who has proved both factors has seen them.
        if scene.asks() == NextStep::ShowNotices
            && let Some(user) = &scene.user
        {
            tx.mark_notices_seen(&user.id, now).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// The attempt, if this browser may see it: open, or answered a moment ago.
    pub(super) async fn find_attempt(
        &self,
        tx: &mut ReadTx<'_>,
        id: &AttemptId,
        browser: &Browser,
    ) -> Result<(Attempt, Standing), Error> {
        let not_yours = || {
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
                &SupportCode::ATTEMPT_OVER,
                "an attempt that was answered",
            )),
        }
    }

    /// Reads what a step needs to know.
    pub(super) async fn scene(
        &self,
        tx: &mut ReadTx<'_>,
        attempt: Attempt,
    ) -> Result<Scene, Error> {
        let records = tx.evidence_of(&attempt.id).await?;
        let evidence = match complete::open_evidence(
            &attempt,
            &records,
            &self.sealing,
            self.now(),
            self.settings.attempt_lifetime,
        ) {
            Ok(evidence) => evidence,
            // Only a writer of the database can cause this.
            Err(error) => return Err(Error::tampering("evidence", attempt.user, &error)),
        };
        let enrolment = tx.open_enrolment_of(&attempt.id, self.now()).await?;
        let mut scene = Scene {
            attempt,
            evidence,
            user: None,
            live_credentials: Vec::new(),
            live_methods: 0,
            has_password: false,
            notices: Vec::new(),
            enrolment,
        };
        if let Some(id) = scene.attempt.user.clone() {
            scene.user = tx.user(&id).await?;
            let holder = self.credentials_of(tx, &id).await?;
            (
                scene.live_credentials,
                scene.live_methods,
                scene.has_password,
            ) = holder;
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
        let methods: Vec<CredentialId> = tx
            .totp_of(user)
            .await?
            .into_iter()
            .filter(crate::directory::TotpCredential::is_live)
            .map(|credential| credential.id)
            .collect();
        let count = methods.len();
        live.extend(methods);
        Ok((live, count, has_password))
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

    /// Whether that session can answer this attempt, and everything needed to do so.
    async fn resumable(
        &self,
        tx: &mut ReadTx<'_>,
        scene: &Scene,
        session: Option<&SessionRow>,
    ) -> Result<Option<super::issue::Resumable>, Error> {
        let Some(row) = session.filter(|row| row.is_alive(self.settings.sessions, self.now()))
        else {
            return Ok(None);
        };
        if !scene.evidence.is_empty() || scene.enrolment.is_some() {
            return Ok(None);
        }
        let request = &scene.attempt.request;
        let party = self.party_of(tx, &request.relying_party).await?;
        let told = tx.party_of_session(&row.id, &request.relying_party).await?;
        let freshness = requirement::freshness(
            request,
            party.session_max_age,
            told.as_ref().and_then(|told| told.reused_at),
            row.oldest_proof(),
            self.now(),
        );
        let Some(user) = tx.user(&row.user).await? else {
            return Ok(None);
        };
        let (live, _, _) = self.credentials_of(tx, &user.id).await?;
        let terms = SessionTerms {
            policy: self.settings.sessions,
            freshness,
        };
        let holder = Holder {
            user: &user,
            live_credentials: &live,
        };
        let signed_in = complete::resume(
            &scene.attempt,
            row,
            &row.token,
            terms,
            holder,
            &self.sealing,
            self.now(),
        );
        // A session that cannot answer is no error: the person is asked instead.
        let Ok(signed_in) = signed_in else {
            return Ok(None);
        };
        if !tx.unseen_notices(&user.id).await?.is_empty()
            || !self.may_answer(tx, &user, request).await?
        {
            return Ok(None);
        }
        Ok(Some(super::issue::Resumable {
            signed_in,
            user,
            party,
            told,
        }))
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
        Ok(crate::claims::require_domain(&user.upn.domain(), &domains, asked.as_ref()).is_ok())
    }

    async fn party_name(&self, tx: &mut ReadTx<'_>, attempt: &Attempt) -> Result<String, Error> {
        Ok(self
            .party_of(tx, &attempt.request.relying_party)
            .await?
            .display_name)
    }
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
            unseen_notices: self.notices.len(),
        })
    }

    pub(super) fn enrolment_stage(&self) -> Enrolment {
        match (&self.enrolment, self.has_password) {
            (None, _) => Enrolment::None,
            (Some(_), false) => Enrolment::NeedsPassword,
            (Some(_), true) => Enrolment::NeedsMethod,
        }
    }

    /// What the dispatcher says without any session.
    pub(super) fn asks(&self) -> NextStep {
        next_step(&Situation {
            attempt: &self.attempt,
            evidence: &self.evidence,
            person: self.person(),
            session: SessionAnswer::None,
            enrolment: self.enrolment_stage(),
            now: self.attempt.created_at,
        })
    }

    /// Whether the attempt belongs to somebody else than `user`.
    pub(super) fn is_of_other_than(&self, user: &UserId) -> bool {
        self.attempt
            .user
            .as_ref()
            .is_some_and(|bound| bound != user)
    }
}
