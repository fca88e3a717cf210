//! What a signed-in person sees of the own account.

use std::time::Duration;

use super::{
    App, Error,
    app_passwords::{AppPasswordView, UseOfAppPasswords, app_passwords},
    error::SupportCode,
    own_methods::OwnMethod,
    sign_in::{Begun, Browser},
};
use crate::{
    base::{clock::Timestamp, ids::UserId, random::random_token},
    directory::User,
    session::SessionRow,
    signin::{
        complete,
        request::{Interaction, OWN_ACCOUNT, Protocol, Reauthentication, SignInRequest},
    },
    storage::{Notice, ReadTx, SessionParty, Tx},
};

/// The account page.
#[derive(Debug)]
pub struct AccountView {
    /// The person.
    pub user: User,
    /// The session of this browser.
    pub session: SessionRow,
    /// Methods that can be used.
    pub methods: Vec<OwnMethod>,
    /// How many of them the person must keep.
    pub kept: usize,
    /// How many recovery codes are left.
    pub recovery_codes: i64,
    /// Application passwords, oldest first.
    pub app_passwords: Vec<AppPasswordView>,
    /// Whether another one would be of use.
    pub use_of_app_passwords: UseOfAppPasswords,
    /// When the password was set; `None` if there is none.
    pub password: Option<Timestamp>,
    /// What was done to the account in the last thirty days, newest first. Whoever takes an
    /// account over also reads the notices of it; here its person finds them later.
    pub changes: Vec<Notice>,
    /// The last sign-ins, newest first.
    pub sign_ins: Vec<RecentSignIn>,
    /// Live sessions, this one among them.
    pub sessions: Vec<KnownSession>,
}

/// A session, and who was told of it.
#[derive(Debug)]
pub struct KnownSession {
    /// The session.
    pub row: SessionRow,
    /// The parties that know of it.
    pub told: Vec<ToldParty>,
}

/// A party that a session told something.
#[derive(Debug)]
pub struct ToldParty {
    /// Its entity id.
    pub entity_id: String,
    /// What people call it.
    pub name: String,
    /// What it was told last.
    pub said: SessionParty,
}

/// A sign-in of the person, as its receipt or event has it.
#[derive(Debug)]
pub struct RecentSignIn {
    /// When it was answered.
    pub at: Timestamp,
    /// To which relying party; none to the own pages.
    pub to: Option<String>,
    /// What it rests on, one line a proof (see [`crate::audit::Receipt::proofs`]).
    pub proofs: String,
}

/// How long the account page shows what was done to the account, and how much of it at most.
const CHANGES_SHOWN_FOR: Duration = Duration::from_hours(30 * 24);
const MOST_CHANGES: u32 = 100;

/// How many sign-ins the account page shows.
const SHOWN: u32 = 10;

/// A live session whose proofs are at most [`FRESH`] old: what a change to methods or
/// password needs. Made only by [`App::require_fresh`].
pub struct FreshSession {
    pub(super) user: User,
    pub(super) session: SessionRow,
}

impl FreshSession {
    /// Whose it is.
    pub fn upn(&self) -> &str {
        self.user.upn.as_str()
    }
}

/// How old the proofs may be for a change to the own methods (facts §7: Entra's five minutes).
pub const FRESH: Duration = Duration::from_mins(5);

/// How old they may be to begin adding a method: it must be done while they are [`FRESH`].
pub const FRESH_TO_ADD: Duration = Duration::from_mins(3);

impl App {
    /// Begins a sign-in to a page of ours. `to`: its path, never one that a client named.
    pub async fn begin_account(
        &self,
        to: &'static str,
        max_age: Option<Duration>,
        browser: &Browser,
    ) -> Result<Begun, Error> {
        self.begin(self.account_request(to, max_age), browser).await
    }

    /// The request that a person makes by asking for a page of ours.
    pub(super) fn account_request(
        &self,
        to: &'static str,
        max_age: Option<Duration>,
    ) -> SignInRequest {
        SignInRequest {
            protocol: Protocol::Account,
            relying_party: OWN_ACCOUNT.to_owned(),
            request_id: self.with_random(random_token),
            reply_url: to.to_owned(),
            relay_state: None,
            domain: None,
            reauthentication: Reauthentication::AsNeeded,
            interaction: Interaction::Allowed,
            max_age_seconds: max_age.map(|age| age.as_secs()),
            login_hint: None,
            second_factor: None,
            received_at_millis: self.now().as_millis(),
        }
    }

    /// The live session of this browser and its person, if both are as they were when it
    /// began: nobody disabled, no method of it taken away.
    pub(super) async fn live_session(
        &self,
        tx: &mut ReadTx<'_>,
        browser: &Browser,
    ) -> Result<Option<(User, SessionRow)>, Error> {
        let Some(session) = self.session_of(tx, browser).await? else {
            return Ok(None);
        };
        let holder = self.holder_of(tx, &session).await?;
        Ok(holder.map(|user| (user, session)))
    }

    /// Whose session this is, if it is one of ours and lives: not over, the person not
    /// disabled, none of the credentials that it rests on taken away.
    pub(super) async fn holder_of(
        &self,
        tx: &mut ReadTx<'_>,
        session: &SessionRow,
    ) -> Result<Option<User>, Error> {
        if complete::verify_session(session, &self.sealing).is_err()
            || !session.is_alive(self.settings.sessions, self.now())
        {
            return Ok(None);
        }
        let user = tx
            .user(&session.user)
            .await?
            .filter(|user| user.disabled_at.is_none());
        let Some(user) = user else {
            return Ok(None);
        };
        let (live, _, _) = self.credentials_of(tx, &user.id).await?;
        let all_live = session
            .proofs
            .iter()
            .all(|proof| live.contains(&proof.credential));
        Ok(all_live.then_some(user))
    }

    /// Who was told of a session, in the order in which they were told last.
    pub(super) async fn told_by(
        &self,
        tx: &mut ReadTx<'_>,
        session: &SessionRow,
    ) -> Result<Vec<ToldParty>, Error> {
        let mut all = Vec::new();
        for (entity_id, said) in tx.parties_of_session(&session.id).await? {
            let party = if entity_id == self.inspector_entity_id() {
                Some(self.inspector_party())
            } else {
                self.find_party(tx, &entity_id).await?
            };
            let name = party.map_or_else(|| entity_id.clone(), |party| party.display_name);
            all.push(ToldParty {
                entity_id,
                name,
                said,
            });
        }
        Ok(all)
    }

    /// Holds the person and looks at the session once more, in the transaction that changes
    /// something. What an operator did since (a reset, a password) ended the session: then
    /// nothing is changed any more, however long a hash took.
    pub(super) async fn hold_fresh(
        &self,
        tx: &mut Tx<'_>,
        fresh: &FreshSession,
    ) -> Result<(), Error> {
        tx.lock_user(&fresh.user.id).await?;
        if let Some(session) = tx.session(&fresh.session.id).await?
            && let Some(user) = self.holder_of(tx, &session).await?
            && user.id == fresh.user.id
        {
            return Ok(());
        }
        Err(not_fresh())
    }

    /// The session of this browser, if its proofs are fresh; else [`SupportCode::NOT_FRESH`],
    /// and the way is a sign-in by [`App::begin_account`].
    pub async fn require_fresh(&self, browser: &Browser) -> Result<FreshSession, Error> {
        let fresh = self.fresh_session(browser).await;
        self.noting_tampering(fresh).await
    }

    async fn fresh_session(&self, browser: &Browser) -> Result<FreshSession, Error> {
        let mut tx = self.store.read().await?;
        let live = self.live_session(&mut tx, browser).await?;
        let fresh = live.filter(|(_, session)| {
            session
                .oldest_proof()
                .is_some_and(|at| self.now().since(at) <= FRESH)
        });
        let (user, session) = fresh.ok_or_else(not_fresh)?;
        Ok(FreshSession { user, session })
    }

    /// The account of the browser's session; `None` if nobody is signed in here.
    pub async fn account(&self, browser: &Browser) -> Result<Option<AccountView>, Error> {
        let view = self.account_of(browser).await;
        self.noting_tampering(view).await
    }

    async fn account_of(&self, browser: &Browser) -> Result<Option<AccountView>, Error> {
        let now = self.now();
        let mut tx = self.store.read().await?;
        let Some((user, session)) = self.live_session(&mut tx, browser).await? else {
            return Ok(None);
        };
        let methods = self.own_methods(&mut tx, &user.id).await?;
        let kept = self.methods_kept(&mut tx, &user.id).await?;
        let app_passwords = app_passwords(&mut tx, &user.id).await?;
        let use_of_app_passwords = self.use_of_app_passwords(&mut tx, &user).await?;
        let password = tx.password_of(&user.id).await?;
        let since = now.minus(CHANGES_SHOWN_FOR);
        let changes = tx.notices_since(&user.id, since, MOST_CHANGES).await?;
        let sign_ins = recent_sign_ins(&mut tx, &user.id).await?;
        let policy = self.settings.sessions;
        let mut sessions = Vec::new();
        for row in tx.sessions_of(&user.id).await? {
            if row.is_alive(policy, now) {
                let told = self.told_by(&mut tx, &row).await?;
                sessions.push(KnownSession { row, told });
            }
        }
        let recovery_codes = tx.recovery_codes_left(&user.id).await?;
        Ok(Some(AccountView {
            user,
            session,
            methods,
            kept,
            recovery_codes,
            app_passwords,
            use_of_app_passwords,
            password: password.map(|password| password.set_at),
            changes,
            sign_ins,
            sessions,
        }))
    }
}

pub(super) fn not_fresh() -> Error {
    Error::denied(
        &SupportCode::NOT_FRESH,
        "a change to the account without fresh proofs",
    )
}

/// What left for relying parties, and visits to the own pages: whoever changes somebody's
/// methods is seen by it.
async fn recent_sign_ins(tx: &mut ReadTx<'_>, user: &UserId) -> Result<Vec<RecentSignIn>, Error> {
    let receipts = tx.receipts_of(user, SHOWN).await?.into_iter();
    let mut recent: Vec<RecentSignIn> = receipts
        .map(|receipt| RecentSignIn {
            at: Timestamp::from_millis(receipt.issued_at_millis),
            to: Some(receipt.relying_party),
            proofs: receipt.proofs,
        })
        .collect();
    let visits = tx.account_sign_ins_of(user, SHOWN).await?.into_iter();
    recent.extend(visits.map(|visit| {
        RecentSignIn {
            at: visit.at,
            to: None,
            // Events of former versions do not say it.
            proofs: visit.event["proofs"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        }
    }));
    recent.sort_by_key(|sign_in| std::cmp::Reverse(sign_in.at));
    recent.truncate(SHOWN as usize);
    Ok(recent)
}
