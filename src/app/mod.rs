//! Use cases: one transaction, one domain call, one audit event. Web and command line both call these.
//!
//! Always true: every change happens here, inside a transaction that also writes its
//! event; a guess is paid for in a transaction of its own before it is checked; and
//! nothing here can make a claim — it can only hand proofs on.
//!
//! The story of a sign-in: [`sign_in`] begins and proceeds, [`prove`] checks a
//! password or a code, [`enrol`] adds a method by a pass, [`issue`] answers.

/// What a signed-in person sees of the own account.
pub mod account;
/// Alarms that were told.
mod alarms;
/// Answers on their way through the browser, and refusals.
pub mod answer;
/// Application passwords.
pub mod app_passwords;
/// People of the demo.
pub mod demo;
/// Looking at the world, and what is to be mended there.
pub mod doctor;
/// Domains.
pub mod domains;
/// Adding a method by a temporary access pass.
pub mod enrol;
/// Errors: six categories and a support code.
pub mod error;
/// The bundle for an auditor.
pub mod evidence;
/// External MFA: the second factor for Entra's own sign-ins.
pub mod external_mfa;
/// Federated domains.
pub mod federation;
/// Answers in the form of their protocol.
mod format;
/// Signing in to Microsoft Graph.
pub mod graph_sign_in;
/// Groups of people.
pub mod groups;
/// Paying for guesses.
mod guess;
/// What happened in one attempt.
pub mod history;
/// Answering the relying party.
pub mod issue;
/// Signing keys and the master key.
pub mod keys;
/// The live check: an application's sign-in at a tenant, judged.
pub mod live_check;
/// The FIDO metadata in use.
pub mod metadata;
/// What may become a password.
pub mod new_password;
mod not_me;
/// What was done to an account.
mod notices;
/// Hardware tokens: inventory, files, activation.
pub mod oath_tokens;
/// Opening the database.
pub mod opening;
/// A person's own methods and password.
pub mod own_methods;
/// Temporary access passes, for operators.
pub mod passes;
/// The people of a domain here and in the tenant.
pub mod people_sync;
/// Checking a password or a code.
pub mod prove;
/// Recovery codes.
pub mod recovery_codes;
/// Counting what strangers cause.
pub mod refused;
/// Relying parties.
pub mod relying_parties;
/// What a browser's session is good for in an attempt.
mod reuse;
/// Answers that come back as requests: when to stop bouncing.
pub mod round_trips;
/// SAML requests: who asks, and may they.
pub mod saml;
/// What a step needs to know of its attempt.
mod scene;
/// Signing in with a security key.
pub mod security_keys;
/// What an `App` is told at start.
pub mod settings;
/// Beginning an attempt and choosing what comes next.
pub mod sign_in;
/// Signing out, here and at the parties of the session.
pub mod sign_out;
/// Real sign-ins to the inspector.
pub mod test_sign_in;
/// WS-Trust: a password in, a token without the MFA claim out.
pub mod trust;
/// What operators see of people.
pub mod user_view;
/// People, for operators.
pub mod users;
/// The watch over the federation.
pub mod watch;
/// WS-Federation requests: who asks, and may they.
pub mod wsfed;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Semaphore;

pub use error::{Category, Error, SupportCode};
pub use settings::Settings;

use crate::{
    base::{
        clock::{Clock, Timestamp},
        random::Random,
        secret::Secret,
    },
    factor::webauthn::scope::{NoScope, Scope},
    keys::{
        KeyPurpose,
        sealing::{Sealing, TagLabel},
    },
    outbound::pkcs11::Token,
    signin::attempt::REPEAT_ANSWER,
    storage::Store,
};

/// How many passwords may be hashed at once: bounds the memory to 8 × 19 MiB or so.
const HASHES_AT_ONCE: usize = 8;

/// How long an attempt is kept at least: its request must not begin another one (attacks 15, 28).
const ATTEMPTS_KEPT: Duration = Duration::from_hours(24);

// A hint of Entra's is taken until it is this old, and may be dated ahead.
const _: () = assert!(
    ATTEMPTS_KEPT.as_secs()
        > crate::protocol::oidc::hint::MAX_AGE.as_secs()
            + crate::protocol::oidc::hint::MAX_AHEAD.as_secs()
);

/// The running identity provider: what every use case works with.
pub struct App {
    store: Store,
    clock: Arc<dyn Clock>,
    random: Mutex<Box<dyn Random>>,
    sealing: Arc<Sealing>,
    settings: Settings,
    hashing: Arc<Semaphore>,
    ring: keys::ring::Ring,
    oidc_ring: keys::ring::Ring,
    token: Option<Arc<Token>>,
    places: keys::places::Places,
    refused: refused::Tally,
    metadata: metadata::Holder,
    strangers: sign_out::Strangers,
    alarms: alarms::Alarms,
    scope: Result<Scope, NoScope>,
    hint_keys: Arc<external_mfa::hint_keys::Shelf>,
}

/// What an [`App`] is made of.
pub struct Parts {
    /// The database, migrated.
    pub store: Store,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Box<dyn Random>,
    /// Sealing under the master key.
    pub sealing: Arc<Sealing>,
    /// What the operator configured.
    pub settings: Settings,
}

impl App {
    /// Puts the parts together, checks that the database is of this master key, and
    /// makes the signing key if this is the first start (one conditional insert).
    pub async fn start(parts: Parts) -> Result<Self, Error> {
        let Parts {
            store,
            clock,
            mut random,
            sealing,
            settings,
        } = parts;
        keys::require_master_key(&store, &sealing).await?;
        domains::ensure_configured(&store, &settings, clock.now()).await?;
        external_mfa::tenants::ensure_configured(&store, &settings, clock.now()).await?;
        let token = settings
            .token
            .clone()
            .map(|setting| Arc::new(Token::new(setting)));
        let ring = keys::first_ring(&store, &sealing, token.as_ref(), || {
            let purpose = KeyPurpose::Assertion;
            keys::new_key(
                purpose,
                token.as_ref(),
                &sealing,
                &settings,
                clock.now(),
                random.as_mut(),
            )
        })
        .await?;
        let scope = Scope::new(&settings.public_url, &settings.service_name);
        let app = Self {
            store,
            clock,
            random: Mutex::new(random),
            sealing,
            settings,
            hashing: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
            ring,
            oidc_ring: keys::no_oidc_key_yet()?,
            token,
            places: keys::places::Places::default(),
            refused: refused::Tally::default(),
            metadata: metadata::Holder::default(),
            strangers: sign_out::Strangers::default(),
            scope,
            hint_keys: Arc::default(),
            alarms: alarms::Alarms::default(),
        };
        app.open_external_mfa().await;
        Ok(app)
    }

    /// What the operator configured.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sealing under the master key (the web layer tags forms with it).
    pub fn sealing(&self) -> &Sealing {
        &self.sealing
    }

    /// The key under which the web layer tags its forms; the same on all nodes.
    pub fn form_key(&self) -> String {
        self.sealing.tag(TagLabel::Form, &[b"key of forms"])
    }

    /// Whether the database answers, and the key that signs can be used.
    pub async fn ready(&self) -> Result<(), Error> {
        let mut tx = self.store.read().await?;
        let key = self.signing_key(&mut tx).await?;
        drop(tx);
        self.require_ready(&key).await
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Runs `draw` with the source of randomness.
    pub fn with_random<T>(&self, draw: impl FnOnce(&mut dyn Random) -> T) -> T {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        draw(random.as_mut())
    }

    /// Forgets what ended a day ago (or, if sessions may live longer, before any of them
    /// could still be alive). `serve` runs it every few minutes. How many rows.
    pub async fn purge(&self) -> Result<u64, Error> {
        let keep = ATTEMPTS_KEPT.max(self.settings.sessions.absolute);
        let mut tx = self.store.begin().await?;
        let rows = tx.purge(self.now().minus(keep)).await?;
        tx.forget_answers(self.now().minus(REPEAT_ANSWER)).await?;
        tx.commit().await?;
        Ok(rows)
    }

    /// Runs something dear (a password's hash, the search for a token's clock) off the async
    /// threads and bounded in number.
    pub(crate) async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let permit = Arc::clone(&self.hashing)
            .acquire_owned()
            .await
            .map_err(|_| Error::internal("the hashing semaphore is closed"))?;
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        })
        .await
        .map_err(|error| Error::internal(format!("work off the async threads failed: {error}")))
    }

    /// The hash of a new password.
    pub(crate) async fn hash_password(&self, password: Secret<String>) -> Result<String, Error> {
        let cost = self.settings.hash_cost;
        let salt: [u8; 16] = self.with_random(crate::base::random::random_bytes);
        self.hashing(move || crate::factor::password::hash(&password, cost, &mut Once(salt)))
            .await?
            .map_err(Error::invalid)
    }
}

/// Hands out bytes that were drawn before: the salt of one hash.
struct Once([u8; 16]);

impl Random for Once {
    fn fill(&mut self, bytes: &mut [u8]) {
        for (to, from) in bytes.iter_mut().zip(self.0.iter().cycle()) {
            *to = *from;
        }
    }
}
