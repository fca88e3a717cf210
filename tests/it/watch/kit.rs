//! A tenant that can be changed behind our back, and somebody who is told.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU16, Ordering},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use claimbridge::{
    app::{
        App,
        federation::ours,
        watch::{Outbound, OwnRounds, Round, Telling, TenantReader, Watcher, Webhook, webhook},
    },
    base::{clock::ManualClock, random::SystemRandom, secret::Secret},
    practice::{
        FederatedDomain, MfaBehavior, More, Practice, PracticeConfig, PreferredProtocol,
        PromptLogin, oauth::clients::Client,
    },
    relying_party::EntraEndpoints,
    web::serve::serve,
};
use serde_json::Value;
use tokio::net::TcpListener;
use url::Url;

use crate::support::{PUBLIC_URL, World};

pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A practice tenant on a port of its own, federated as `claimbridge domain plan` wants it.
pub struct Tenant {
    pub practice: Arc<Practice>,
    pub url: String,
}

impl Tenant {
    /// The tenant of `app`, whose public address is `idp_url`.
    pub async fn of(
        app: &App,
        idp_url: &str,
        clock: Arc<dyn claimbridge::base::clock::Clock>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let ours = ours(app).await.unwrap();
        let domains = ours
            .domains
            .iter()
            .map(|domain| FederatedDomain {
                name: domain.name.clone(),
                issuer_uri: domain.issuer_uri.clone(),
                sign_in_url: ours.sign_in_url(&domain.name),
                certificates: vec![ours.certificates.active.clone()],
                preferred_protocol: PreferredProtocol::Saml,
                mfa_behavior: MfaBehavior::EnforceMfaByFederatedIdp,
                prompt_login: PromptLogin::Unset,
                sign_out_url: None,
            })
            .collect();
        let practice = Practice::new(PracticeConfig {
            own_url: url.clone(),
            idp_url: idp_url.to_owned(),
            partner_center_url: url.clone(),
            entity_id: "urn:practice".to_owned(),
            domains,
            users: Vec::new(),
            more: More {
                managed_domains: (0..205)
                    .map(|number| format!("d{number:03}.example").parse().unwrap())
                    .collect(),
                ..More::default()
            },
            demo_people: Vec::new(),
            clock,
            random: Box::new(SystemRandom),
        })
        .unwrap();
        let router = practice.tenant_router();
        tokio::spawn(serve(listener, None, router, std::future::pending()));
        let tenant = Self { practice, url };
        for domain in &ours.domains {
            let Value::Object(wanted) = ours.wanted(domain).configuration().to_json() else {
                panic!("no object");
            };
            for (name, value) in wanted {
                tenant.set(domain.name.as_str(), &name, value);
            }
        }
        tenant
    }

    /// Changes a property of a domain's federation, behind everybody's back.
    pub fn set(&self, domain: &str, name: &str, value: Value) {
        self.practice.with_directory(|directory| {
            let domain = directory.domain_mut(domain).unwrap();
            let registration = domain.registration.as_mut().unwrap();
            registration.properties.insert(name.to_owned(), value);
        });
    }

    pub fn endpoints(&self) -> EntraEndpoints {
        EntraEndpoints {
            authority_url: self.url.clone(),
            graph_url: self.practice.graph_url(),
        }
    }

    pub fn watching(&self) -> &Client {
        self.practice.oauth().clients().watch()
    }

    pub fn writing(&self) -> &Client {
        self.practice.oauth().clients().writer()
    }

    pub fn reader(&self, client: &Client) -> TenantReader {
        TenantReader::new(
            &self.endpoints(),
            "contoso.com",
            client.id(),
            client.secret().unwrap().clone(),
        )
        .unwrap()
    }
}

/// A foreign certificate, as Graph has certificates.
pub fn foreign() -> Value {
    use base64::Engine as _;
    let now = claimbridge::base::clock::Timestamp::from_millis(1_795_168_800_000);
    let made = claimbridge::keys::signing::generate(
        claimbridge::keys::signing::RsaSize::Bits2048,
        "somebody else",
        now,
        std::time::Duration::from_hours(1000 * 24),
        &mut SystemRandom,
    )
    .unwrap();
    base64::engine::general_purpose::STANDARD
        .encode(made.certificate)
        .into()
}

/// What came to the webhook.
#[derive(Clone, Debug)]
pub struct Posted {
    pub headers: HeaderMap,
    pub body: String,
}

impl Posted {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// That it is signed, at that time.
    pub fn assert_signed(&self) {
        let header = |name: &str| self.headers[name].to_str().unwrap();
        let seconds: i64 = header(webhook::TIMESTAMP_HEADER).parse().unwrap();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET.as_bytes());
        let tag = aws_lc_rs::hmac::sign(&key, format!("{seconds}.{}", self.body).as_bytes());
        let tag = data_encoding::HEXLOWER.encode(tag.as_ref());
        assert_eq!(header(webhook::SIGNATURE_HEADER), format!("v1={tag}"));
        assert_eq!(header(webhook::DELIVERY_HEADER), self.json()["id"]);
    }
}

/// Who is told.
#[derive(Clone)]
pub struct Receiver {
    posted: Arc<Mutex<Vec<Posted>>>,
    status: Arc<AtomicU16>,
    pub url: Url,
    arrived: Arc<tokio::sync::Notify>,
}

impl Receiver {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let receiver = Self {
            posted: Arc::default(),
            status: Arc::new(AtomicU16::new(204)),
            url: Url::parse(&format!("http://{address}/in?token=hidden")).unwrap(),
            arrived: Arc::default(),
        };
        let router = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(serve(listener, None, router, std::future::pending()));
        receiver
    }

    /// From now on it answers that.
    pub fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// What came since the last time.
    pub fn taken(&self) -> Vec<Posted> {
        std::mem::take(&mut self.posted.lock().unwrap())
    }

    /// The next that comes.
    pub async fn next(&self) -> Posted {
        loop {
            let arrived = self.arrived.notified();
            if let Some(posted) = self.posted.lock().unwrap().pop() {
                return posted;
            }
            arrived.await;
        }
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let body = String::from_utf8(body.to_vec()).unwrap();
    receiver
        .posted
        .lock()
        .unwrap()
        .push(Posted { headers, body });
    receiver.arrived.notify_one();
    StatusCode::from_u16(receiver.status.load(Ordering::SeqCst)).unwrap()
}

/// Everything together, under a clock that stands still.
pub struct Watched {
    pub world: World,
    pub tenant: Tenant,
    pub receiver: Receiver,
    pub watcher: Watcher,
    pub outbound: Outbound,
}

impl Watched {
    pub async fn new() -> Self {
        let world = World::new().await;
        let clock: Arc<ManualClock> = world.clock.clone();
        let tenant = Tenant::of(world.app(), PUBLIC_URL, clock).await;
        let receiver = Receiver::new().await;
        let watcher = Watcher {
            every: std::time::Duration::from_hours(1),
            tenant: Some(tenant.reader(tenant.watching())),
            webhook: Some(Webhook {
                url: receiver.url.clone(),
                secret: Secret::new(SECRET.to_owned()),
            }),
            tls_end: None,
            own: OwnRounds::default(),
        };
        Self {
            world,
            tenant,
            receiver,
            watcher,
            outbound: Outbound::new().unwrap(),
        }
    }

    pub async fn round_of(&self, node: usize) -> Round {
        let app = &self.world.nodes[node].app;
        app.watch_round(&self.watcher, &self.outbound)
            .await
            .unwrap()
    }

    /// Looks, when it is time again; what was told.
    pub async fn look(&self) -> Vec<(Telling, String)> {
        self.world.advance(67 * 60);
        match self.round_of(0).await {
            Round::Told(told) => told,
            other => panic!("{other:?}"),
        }
    }

    pub async fn deliver(&self) -> webhook::Delivered {
        let webhook = self.watcher.webhook.as_ref().unwrap();
        let app = self.world.app();
        app.deliver_alarms(webhook, &self.outbound).await.unwrap()
    }

    /// One measure.
    pub async fn measure(&self, name: &str) -> i64 {
        let text = self.world.app().measured(None).await.unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("claimbridge_{name} ")));
        line.unwrap_or_else(|| panic!("{name} in {text}"))
            .parse()
            .unwrap()
    }

    /// The kinds of the events, oldest first.
    pub async fn events(&self) -> Vec<String> {
        let app = self.world.app();
        let mut tx = app.store().read().await.unwrap();
        let counts = tx
            .event_counts(claimbridge::base::clock::Timestamp::from_millis(0))
            .await
            .unwrap();
        counts
            .into_iter()
            .filter(|(kind, _)| kind.starts_with("alarm-") || kind == "tampering-found")
            .flat_map(|(kind, count)| std::iter::repeat_n(kind, usize::try_from(count).unwrap()))
            .collect()
    }
}
