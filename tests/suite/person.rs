//! A person in a store, with a real password and a real secret, who signs in for real:
//! the only way to a session.

use std::time::Duration;

use claimbridge::{
    base::{
        browser::{CookieToken, TokenHash},
        clock::Timestamp,
        ids::{AttemptId, CredentialId, PassId, SessionId, UserId},
        random::SystemRandom,
        secret::Secret,
    },
    directory::{
        AccessPass, PassReuse, PasswordCredential, TotpCredential, TotpParameters, User,
        identity_tag,
    },
    factor::{
        evidence::{self, Binding, EvidenceRecord},
        password::{self, HashCost},
        totp::{self, MatchedStep},
    },
    keys::sealing::{MasterKey, Sealing},
    signin::{
        attempt::{Attempt, LIFETIME},
        complete::{self, Holder, SealedSession},
        request::{Interaction, Protocol, Reauthentication, SignInRequest},
    },
    storage::Store,
};

/// 2026-11-20T10:00:00Z.
pub const NOW: Timestamp = Timestamp::from_millis(1_795_168_800_000);
pub const MILLI: Duration = Duration::from_millis(1);

const PASSWORD: &str = "correct horse battery staple";
const SECRET: &[u8] = b"12345678901234567890";
const CHEAP: HashCost = HashCost {
    memory_kib: 64,
    passes: 1,
    lanes: 1,
};

pub struct Person {
    pub user: User,
    pub sealing: Sealing,
    pub password: PasswordCredential,
    pub totp: TotpCredential,
}

/// A person whom nobody stored, without an ImmutableID.
pub fn user(upn: &str) -> User {
    User {
        id: UserId::random(&mut SystemRandom),
        upn: upn.parse().unwrap(),
        display_name: "Agent One".to_owned(),
        immutable_id: None,
        disabled_at: None,
        created_at: NOW,
        identity_tag: "tag".to_owned(),
    }
}

/// Stores `user(upn)`.
pub async fn stored_user(store: &Store, upn: &str) -> User {
    let user = user(upn);
    let mut tx = store.begin().await.unwrap();
    tx.insert_user(&user).await.unwrap();
    tx.commit().await.unwrap();
    user
}

impl Person {
    /// Stored, with a password and a confirmed secret.
    pub async fn new(store: &Store, upn: &str) -> Self {
        let sealing = Sealing::new(&MasterKey::random(&mut SystemRandom));
        let mut user = user(upn);
        user.identity_tag = identity_tag(&sealing, &user.id, &user.upn, None);

        let id = CredentialId::random(&mut SystemRandom);
        let phc =
            password::hash(&Secret::new(PASSWORD.to_owned()), CHEAP, &mut SystemRandom).unwrap();
        let password = PasswordCredential {
            tag: PasswordCredential::make_tag(&sealing, &id, &user.id, &phc),
            id,
            user: user.id.clone(),
            phc,
            set_at: NOW,
            dead_at: None,
        };
        let mut totp = unconfirmed(&sealing, &user.id);

        let mut tx = store.begin().await.unwrap();
        tx.insert_user(&user).await.unwrap();
        tx.put_password(&password).await.unwrap();
        tx.insert_totp(&totp).await.unwrap();
        let confirming = MatchedStep {
            step: 1,
            drift_steps: 0,
        };
        assert!(
            tx.confirm_totp(&totp.id, "desktop", confirming, NOW)
                .await
                .unwrap()
        );
        tx.commit().await.unwrap();
        totp.name = "desktop".to_owned();
        totp.last_step = Some(1);
        totp.confirmed_at = Some(NOW);
        Self {
            user,
            sealing,
            password,
            totp,
        }
    }

    /// The code that the person's program shows at `now`.
    pub fn code(&self, now: Timestamp) -> String {
        totp::code_at(SECRET, self.totp.parameters, now).unwrap()
    }

    /// Proves both factors in a stored attempt; the step is consumed in `store`.
    pub async fn prove(
        &self,
        store: &Store,
        attempt: &Attempt,
        now: Timestamp,
    ) -> Vec<EvidenceRecord> {
        let binding = Binding {
            attempt: &attempt.id,
            browser: &attempt.browser,
        };
        let (first, _) = password::verify(
            &Secret::new(PASSWORD.to_owned()),
            Some(&self.password),
            &attempt.id,
            CHEAP,
            &self.sealing,
            now,
        )
        .unwrap();
        let mut tx = store.begin().await.unwrap();
        let credentials = tx.totp_of(&self.user.id).await.unwrap();
        let code = self.code(now);
        let second = totp::verify(
            &code,
            &credentials,
            1,
            &attempt.id,
            &self.sealing,
            now,
            &mut tx,
        )
        .await
        .unwrap();
        let records = vec![
            evidence::seal(first, binding, &self.sealing).unwrap(),
            evidence::seal(second, binding, &self.sealing).unwrap(),
        ];
        for record in &records {
            tx.put_evidence(record).await.unwrap();
        }
        tx.commit().await.unwrap();
        records
    }

    /// Signs in through `store`; the session that follows is not stored.
    pub async fn sealed_session(&self, store: &Store, now: Timestamp) -> SealedSession {
        let attempt = stored_attempt(store, Some(&self.user), "203.0.113.7").await;
        let records = self.prove(store, &attempt, now).await;
        let live = [self.password.id.clone(), self.totp.id.clone()];
        let holder = Holder {
            user: &self.user,
            live_credentials: &live,
        };
        let signed_in = complete::complete(
            &attempt,
            &records,
            None,
            holder,
            &self.sealing,
            now,
            LIFETIME,
        )
        .unwrap();
        complete::seal_session(
            &signed_in,
            SessionId::random(&mut SystemRandom),
            browser(),
            &self.sealing,
            now,
        )
    }

    /// Signs in through `store` and begins a session, which is stored.
    pub async fn session(&self, store: &Store, now: Timestamp) -> SealedSession {
        let session = self.sealed_session(store, now).await;
        let mut tx = store.begin().await.unwrap();
        tx.insert_session(&session, None).await.unwrap();
        tx.commit().await.unwrap();
        session
    }
}

/// A secret that no code confirmed.
pub fn unconfirmed(sealing: &Sealing, user: &UserId) -> TotpCredential {
    let id = CredentialId::random(&mut SystemRandom);
    let parameters = TotpParameters::default();
    let sealed_secret = sealing.seal(
        &TotpCredential::secret_place(&id, user),
        SECRET,
        &mut SystemRandom,
    );
    TotpCredential {
        tag: TotpCredential::make_tag(sealing, &id, user, parameters, &sealed_secret),
        id,
        user: user.clone(),
        name: String::new(),
        parameters,
        sealed_secret,
        drift_steps: 0,
        last_step: None,
        confirmed_at: None,
        revoked_at: None,
        created_at: NOW,
    }
}

/// A pass of an hour that nobody stored.
pub fn pass(user: &UserId, value_tag: &str, reuse: PassReuse) -> AccessPass {
    AccessPass {
        id: PassId::random(&mut SystemRandom),
        user: user.clone(),
        value_tag: value_tag.to_owned(),
        issued_by: "root".to_owned(),
        issued_at: NOW,
        starts_at: NOW,
        expires_at: NOW.plus(Duration::from_hours(1)),
        reuse,
        used_at: None,
        revoked_at: None,
    }
}

pub fn browser() -> TokenHash {
    CookieToken::random(&mut SystemRandom).hash()
}

/// An attempt that nobody stored, for a request of its own.
pub fn attempt(user: Option<&User>) -> Attempt {
    let id = AttemptId::random(&mut SystemRandom);
    Attempt {
        browser: browser(),
        request: SignInRequest {
            protocol: Protocol::Saml2,
            relying_party: "urn:federation:MicrosoftOnline".to_owned(),
            request_id: format!("_{id}"),
            reply_url: "https://login.microsoftonline.com/login.srf".to_owned(),
            relay_state: Some("a state with \u{e4} and 'quotes'".to_owned()),
            domain: Some("contoso.com".to_owned()),
            reauthentication: Reauthentication::AsNeeded,
            interaction: Interaction::Allowed,
            max_age_seconds: None,
            login_hint: None,
            second_factor: None,
            received_at_millis: NOW.as_millis(),
        },
        id,
        user: user.map(|user| user.id.clone()),
        created_at: NOW,
        expires_at: NOW.plus(LIFETIME),
        answered_at: None,
    }
}

pub async fn stored_attempt(store: &Store, user: Option<&User>, source: &str) -> Attempt {
    let attempt = attempt(user);
    let mut tx = store.begin().await.unwrap();
    tx.insert_attempt(&attempt, source).await.unwrap();
    tx.commit().await.unwrap();
    attempt
}
