//! A token that hangs, and what goes on beside it.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use sqlx::Connection as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::{
    app::{
        Category, Parts, Settings, SupportCode,
        answer::Destination,
        keys::rollover::{Chosen, Force, Outcome, Step},
        prove::Guess,
        sign_in::{Begun, Browser, Next},
    },
    audit::Actor,
    base::{clock::ManualClock, random::SystemRandom, secret::Secret, text::Upn},
    directory::{MethodPolicy, TotpParameters},
    factor::{password::HashCost, totp, webauthn::policy::WebAuthnPolicy},
    keys::{
        KeyPurpose,
        sealing::{MasterKey, Sealing},
    },
    relying_party::{EntraCloud, ResponseSignature},
    session::{Desk, SessionPolicy},
    signin::active::ActiveDoor,
    signin::{
        lockout::Delays,
        request::{Interaction, Protocol, Reauthentication, SignInRequest},
    },
    storage::{ActiveMark, Store},
};

const PASSWORD: &str = "correct horse battery staple";
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// As a token signs: it says that it was asked, and answers when it is let go.
struct Hangs {
    signer: Arc<dyn Signer>,
    asked: UnboundedSender<()>,
    go: Mutex<Receiver<()>>,
}

impl Signer for Hangs {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.asked.send(()).unwrap();
        locked(&self.go).recv().unwrap();
        self.signer.sign(message)
    }

    fn custody(&self) -> Custody {
        Custody::Hardware
    }
}

/// As a token that is away.
struct Fails;

impl Signer for Fails {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignError> {
        Err(SignError::Unavailable("it is away".to_owned()))
    }

    fn ready(&self) -> Result<(), SignError> {
        self.sign(&[]).map(drop)
    }

    fn custody(&self) -> Custody {
        Custody::Hardware
    }
}

/// A server whose key is in a token that answers when it is told to.
pub(in crate::app) struct World {
    pub(in crate::app) app: Arc<App>,
    clock: Arc<ManualClock>,
    mark: ActiveMark,
    asked: UnboundedReceiver<()>,
    go: Sender<()>,
    secret: Secret<Vec<u8>>,
    folder: tempfile::TempDir,
}

fn upn() -> Upn {
    "ana@contoso.com".parse().unwrap()
}

fn operator() -> Actor {
    Actor::Operator("test".to_owned())
}

impl World {
    async fn new() -> Self {
        Self::with_door(ActiveDoor::Closed).await
    }

    pub(in crate::app) fn upn() -> Upn {
        upn()
    }

    pub(in crate::app) fn password_of() -> &'static str {
        PASSWORD
    }

    /// From now on the token is away.
    pub(in crate::app) fn fail(&self) {
        let key = self.app.assertion_key().signing_by(Arc::new(Fails));
        self.app.ring.hold(self.mark.clone(), &Arc::new(key), 1);
    }

    /// From now on the token is away that holds the key of External MFA.
    pub(in crate::app) async fn fail_second_factors(&self) {
        let key = self.app.oidc_key().await.unwrap();
        let mut tx = self.app.store.read().await.unwrap();
        let mark = tx.active_key(KeyPurpose::Oidc).await.unwrap().unwrap();
        let key = key.signing_by(Arc::new(Fails));
        self.app.oidc_ring.hold(mark, &Arc::new(key), 1);
    }

    /// A code of the person.
    pub(in crate::app) fn code(&self) -> String {
        totp::code_at(self.secret.expose(), TotpParameters::default(), NOW).unwrap()
    }

    pub(in crate::app) async fn with_door(door: ActiveDoor) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("test.db").display());
        let store = Store::connect(&url).await.unwrap();
        store.migrate().await.unwrap();
        let mut entra = EntraCloud::global().relying_party(Vec::new());
        entra.response_signature = ResponseSignature::AssertionAndResponse;
        let settings = Settings {
            public_url: "https://idp.contoso.com".to_owned(),
            entra,
            domains: vec![("contoso.com".parse().unwrap(), None)],
            endpoints: None,
            tenants: Vec::new(),
            tenant_domains: crate::relying_party::TenantDomains::default(),
            known_federations: Vec::new(),
            ws_federation: vec!["contoso.com".parse().unwrap()],
            sessions: SessionPolicy::default(),
            attempt_lifetime: Duration::from_mins(15),
            totp_skew: 1,
            person_delays: Delays::PERSON,
            source_delays: Delays::SOURCE,
            open_attempts_per_source: 200,
            desk: Desk::Ordinary,
            methods: MethodPolicy::default(),
            webauthn: WebAuthnPolicy::default(),
            breached_passwords_file: None,
            hash_cost: HashCost::FLOOR,
            active_door: door,
            token: None,
            service_name: "Contoso sign-in".to_owned(),
            support_contact: None,
        };
        let clock = Arc::new(ManualClock::at(NOW));
        let parts = Parts {
            store,
            clock: Arc::clone(&clock) as Arc<dyn crate::base::clock::Clock>,
            random: Box::new(SystemRandom),
            sealing: Arc::new(Sealing::new(&MasterKey::random(&mut SystemRandom))),
            settings,
        };
        let app = Arc::new(App::start(parts).await.unwrap());
        let password = Secret::new(PASSWORD.to_owned());
        app.add_demo_user(upn(), "Ana", password, Vec::new())
            .await
            .unwrap();
        let secret = app.add_demo_totp(&upn()).await.unwrap();

        let (asks, asked) = unbounded_channel();
        let (go, waits) = channel();
        let key = app.assertion_key();
        let hangs = Hangs {
            signer: Arc::clone(key.signer_for(KeyPurpose::Assertion).unwrap()),
            asked: asks,
            go: Mutex::new(waits),
        };
        let mut tx = app.store.read().await.unwrap();
        let stored = tx.keys_of(KeyPurpose::Assertion).await.unwrap().remove(0);
        drop(tx);
        app.ready().await.unwrap();
        let mark = app
            .store
            .read()
            .await
            .unwrap()
            .active_key(stored.purpose)
            .await;
        let key = Arc::new(key.signing_by(Arc::new(hangs)));
        let mark = mark.unwrap().unwrap();
        app.ring.hold(mark.clone(), &key, 1);
        Self {
            app,
            clock,
            mark,
            asked,
            go,
            secret,
            folder,
        }
    }

    async fn begin(&self, interaction: Interaction) -> (Begun, Browser) {
        let entra = &self.app.settings.entra;
        let request = SignInRequest {
            protocol: Protocol::Saml2,
            relying_party: entra.entity_id.0.clone(),
            request_id: self.app.with_random(message_id),
            reply_url: entra.reply_urls[0].url.clone(),
            relay_state: None,
            domain: None,
            reauthentication: Reauthentication::AsNeeded,
            interaction,
            max_age_seconds: None,
            login_hint: None,
            second_factor: None,
            received_at_millis: NOW.as_millis(),
        };
        let mut browser = Browser {
            source: "203.0.113.7".to_owned(),
            ..Browser::default()
        };
        let begun = self.app.begin(request, &browser).await.unwrap();
        browser.binding.clone_from(&begun.binding);
        (begun, browser)
    }

    async fn password(&self, begun: &Begun, browser: &Browser) -> Guess {
        let password = Secret::new(PASSWORD.to_owned());
        let name = upn().to_string();
        let guess = self
            .app
            .submit_password(&begun.attempt, browser, &name, password);
        guess.await.unwrap()
    }

    /// Both factors are proved; what is missing is the answer.
    async fn proved(&self) -> (Begun, Browser) {
        let (begun, browser) = self.begin(Interaction::Allowed).await;
        assert!(matches!(
            self.password(&begun, &browser).await,
            Guess::Right
        ));
        let code = totp::code_at(self.secret.expose(), TotpParameters::default(), NOW).unwrap();
        let guess = self.app.submit_code(&begun.attempt, &browser, &code);
        assert!(matches!(guess.await.unwrap(), Guess::Right));
        (begun, browser)
    }

    fn look(
        &self,
        begun: &Begun,
        browser: &Browser,
    ) -> tokio::task::JoinHandle<Result<Next, Error>> {
        let (app, id, browser) = (
            Arc::clone(&self.app),
            begun.attempt.clone(),
            browser.clone(),
        );
        tokio::spawn(async move { app.proceed(&id, &browser).await })
    }

    pub(in crate::app) async fn is_asked(&mut self) {
        self.asked.recv().await.unwrap();
    }

    /// The token signs what it was asked to.
    pub(in crate::app) fn let_go(&self) {
        self.go.send(()).unwrap();
    }

    async fn receipts(&self) -> usize {
        let mut tx = self.app.store.read().await.unwrap();
        let user = tx.user_by_upn(&upn()).await.unwrap().unwrap();
        tx.receipts_of(&user.id, 100).await.unwrap().len()
    }
}

fn response(next: Next) -> String {
    let Next::Answer(answer) = next else {
        panic!("{next:?}")
    };
    match answer.to {
        Destination::Saml { saml_response, .. } => saml_response,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_look_at_one_key_is_not_believed_of_another() {
    let world = World::new().await;
    let (app, there) = (&world.app, world.app.assertion_key());
    let id = app.with_random(crate::base::ids::KeyId::random);
    let certificate = there.certificate.clone();
    let away = SigningKey::new(id, KeyPurpose::Oidc, certificate, NOW, Arc::new(Fails));
    let away = Arc::new(away);
    for _ in 0..2 {
        app.ready().await.unwrap();
        let refused = app.require_ready(&away).await.unwrap_err();
        assert_eq!(refused.category(), Category::Unavailable);
    }
}

#[tokio::test]
async fn while_a_token_signs_others_sign_in() {
    let mut world = World::new().await;
    let (first, browser) = world.proved().await;
    let answer = world.look(&first, &browser);
    world.is_asked().await;
    // It hangs, and nobody waits for it: a name, a password, whatever is written.
    let (second, other) = world.begin(Interaction::Allowed).await;
    assert!(matches!(
        world.password(&second, &other).await,
        Guess::Right
    ));
    assert_eq!(world.receipts().await, 0);
    // Two signatures, of the assertion and of the response around it.
    world.go.send(()).unwrap();
    world.is_asked().await;
    world.go.send(()).unwrap();
    let sent = response(answer.await.unwrap().unwrap());
    assert_eq!(world.receipts().await, 1);
    // The same bytes for a minute, and no new signature.
    let again = world.look(&first, &browser).await.unwrap().unwrap();
    assert_eq!(response(again), sent);
    assert!(world.asked.try_recv().is_err());
}

#[tokio::test]
async fn a_status_that_a_stranger_asks_for_keeps_nobody_waiting() {
    let mut world = World::new().await;
    let (stranger, browser) = world.begin(Interaction::Forbidden).await;
    let status = world.look(&stranger, &browser);
    world.is_asked().await;
    let (second, other) = world.begin(Interaction::Allowed).await;
    assert!(matches!(
        world.password(&second, &other).await,
        Guess::Right
    ));
    world.go.send(()).unwrap();
    response(status.await.unwrap().unwrap());
}

#[tokio::test]
async fn attack_28_what_a_token_signs_at_once_is_sent_once() {
    let mut world = World::new().await;
    let (begun, browser) = world.proved().await;
    let looks: Vec<_> = (0..4).map(|_| world.look(&begun, &browser)).collect();
    for _ in 0..8 {
        world.go.send(()).unwrap();
    }
    let mut sent = Vec::new();
    for look in looks {
        sent.push(response(look.await.unwrap().unwrap()));
    }
    world.is_asked().await;
    sent.dedup();
    assert_eq!(sent.len(), 1);
    assert_eq!(world.receipts().await, 1);
}

#[tokio::test]
async fn attack_28_who_is_disabled_while_a_token_signs_gets_no_answer() {
    let mut world = World::new().await;
    let (begun, browser) = world.proved().await;
    let answer = world.look(&begun, &browser);
    world.is_asked().await;
    world.app.disable_user(&upn(), "test").await.unwrap();
    for _ in 0..3 {
        world.go.send(()).unwrap();
    }
    match answer.await.unwrap() {
        Err(error) => assert_eq!(error.category(), Category::Denied, "{error}"),
        Ok(next) => {
            let xml = data_encoding::BASE64.decode(response(next).as_bytes());
            assert!(
                !String::from_utf8(xml.unwrap())
                    .unwrap()
                    .contains("Assertion")
            );
        }
    }
    assert_eq!(world.receipts().await, 0);
}

#[tokio::test]
async fn a_key_that_signs_no_more_when_its_token_has_signed_is_not_used() {
    let mut world = World::new().await;
    let former = world.app.assertion_key();
    let (begun, browser) = world.proved().await;
    let answer = world.look(&begun, &browser);
    world.is_asked().await;
    for step in [Step::Stage, Step::Activate] {
        let chosen = Chosen {
            key: None,
            purpose: KeyPurpose::Assertion,
        };
        let stepped = world.app.step_key(step, &chosen, Force::Given, operator());
        assert!(matches!(stepped.await.unwrap(), Outcome::Done { .. }));
    }
    for _ in 0..2 {
        world.go.send(()).unwrap();
    }
    let xml = data_encoding::BASE64.decode(response(answer.await.unwrap().unwrap()).as_bytes());
    let xml = String::from_utf8(xml.unwrap()).unwrap();
    let new = world.app.assertion_key();
    assert_ne!(new.id, former.id);
    assert!(xml.contains(&data_encoding::BASE64.encode(&new.certificate)));
    assert!(!xml.contains(&data_encoding::BASE64.encode(&former.certificate)));
    assert_eq!(world.receipts().await, 1);
}

#[tokio::test]
async fn a_token_that_stays_silent_is_an_outage_and_nothing_is_kept() {
    let mut world = World::new().await;
    let (begun, browser) = world.proved().await;
    let answer = world.look(&begun, &browser);
    world.is_asked().await;
    let error = answer.await.unwrap().unwrap_err();
    assert_eq!(error.code(), &SupportCode::KEY_UNAVAILABLE);
    assert_eq!(world.receipts().await, 0);
    world.go.send(()).unwrap();
    // It is not asked again for ten seconds: who is next is told at once.
    let key = world.app.assertion_key();
    world.clock.advance(Duration::from_millis(9_999));
    let refused = world.app.with_key(&key, SigningKey::ready).await;
    assert!(refused.unwrap_err().detail().contains("a moment ago"));
    world.clock.advance(Duration::from_millis(1));
    world.app.with_key(&key, SigningKey::ready).await.unwrap();
}

/// Who finds no place says nothing of the token: else a crowd would make it one that hangs.
#[tokio::test]
async fn who_waits_for_a_place_in_vain_shuts_nobody_out() {
    let world = World::new().await;
    let key = world.app.assertion_key();
    let all = world.app.places.all().await;
    let refused = world.app.with_key(&key, SigningKey::ready).await;
    let error = refused.unwrap_err();
    assert_eq!(error.code(), &SupportCode::KEY_UNAVAILABLE);
    assert!(error.detail().contains("too many"), "{error}");
    drop(all);
    world.app.with_key(&key, SigningKey::ready).await.unwrap();
}

#[tokio::test]
async fn what_changes_each_time_before_it_is_signed_has_an_end() {
    let mut world = World::new().await;
    let (begun, browser) = world.proved().await;
    let url = format!("sqlite://{}", world.folder.path().join("test.db").display());
    let mut by_hand = sqlx::AnyConnection::connect(&url).await.unwrap();
    let mut answer = world.look(&begun, &browser);
    let mut asked = 0;
    let error = loop {
        tokio::select! {
            answer = &mut answer => break answer.unwrap().unwrap_err(),
            Some(()) = world.asked.recv() => {
                // Two signatures a round.
                asked += 1;
                assert!(asked <= 2 * ROUNDS, "it goes on and on");
                sqlx::query("UPDATE domains SET issuer_uri = issuer_uri || 'x'")
                    .execute(&mut by_hand)
                    .await
                    .unwrap();
                world.go.send(()).unwrap();
            }
        }
    };
    assert_eq!(error.category(), Category::Unavailable);
    assert_eq!(error.code(), &SupportCode::KEY_UNAVAILABLE);
    assert_eq!(world.receipts().await, 0);
}
