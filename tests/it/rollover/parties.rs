//! The parties of a rollover: what each has seen, and how it judges by that.

use std::time::Duration;

use claimbridge::{
    app::keys::Published,
    audit::Actor,
    base::clock::Timestamp,
    inspect::{self, Context, GivenRequest},
    keys::{KeyPurpose, certificate::Certificate},
    relying_party::{EntityId, EntraCloud, RelyingParty, RelyingPartyKind, ReplyUrl},
    session::SessionPolicy,
};

use serde_json::Value;

use super::HOUR;
use crate::{
    external_mfa::{
        cloud::{self, Cloud},
        kit,
    },
    support::{
        Browser, PUBLIC_URL, Person, World,
        browser::Page,
        entra::{self, Answer},
    },
};

const SP: &str = "https://sp.example.com";
const SP_ACS: &str = "https://sp.example.com/acs";
const DAY: Duration = Duration::from_hours(24);

/// A domain of a tenant: two places for certificates, and nobody who reads ours.
pub struct Tenant {
    pub domain: &'static str,
    /// What Graph shows.
    signing: Vec<u8>,
    next: Option<Vec<u8>>,
    /// What it showed before, and when that was changed.
    before: Vec<Vec<u8>>,
    changed_at: Timestamp,
}

impl Tenant {
    pub fn holds(&self) -> Vec<Vec<u8>> {
        std::iter::once(&self.signing)
            .chain(&self.next)
            .cloned()
            .collect()
    }

    pub fn accepts(&self, answer: &Answered, now: Timestamp) -> bool {
        // Not all of Entra all_told at once: what is new only after two hours, what is gone by then
        // perhaps already now.
        let all_told = now.since(self.changed_at) >= HOUR * 2;
        let mut known = self.holds();
        known.retain(|certificate| all_told || self.before.contains(certificate));
        accepts(&known, answer, self.domain, EntraCloud::global(), now)
    }
}

/// Somebody who goes by a copy for a day: of certificates, or of the key list.
struct Reader<C = Vec<Vec<u8>>> {
    copy: C,
    read_at: Timestamp,
}

impl<C> Reader<C> {
    fn is_due(&self, now: Timestamp) -> bool {
        now.since(self.read_at) >= DAY
    }
}

/// An answer, and the request that it is for.
pub struct Answered {
    answer: Answer,
    request: String,
}

pub struct Site {
    pub world: World,
    pub tenants: [Tenant; 2],
    provider: Reader,
    /// Each goes by a copy of another hour.
    key_lists: Vec<Reader<Value>>,
    /// Whose tenant asks for a second factor, and who is asked.
    cloud: Cloud,
    asked: Option<Person>,
    browsers: Vec<Browser>,
    /// Who rejected something, in order, each once.
    pub rejected: Vec<String>,
    pub accepted: usize,
    /// What the last answer to contoso.com was signed with.
    pub last_certificate: Vec<u8>,
    /// By which name the last id_token says that it was signed.
    pub last_kid: Value,
}

impl Site {
    /// Node 0 is told; node 1 signs.
    pub async fn new() -> Self {
        let mut world = World::new().await;
        let long = Duration::from_hours(24 * 30);
        // So that a sign-in an hour costs no password.
        world.settings.sessions = SessionPolicy {
            idle: long,
            absolute: long,
            ..SessionPolicy::default()
        };
        world.settings.entra.session_max_age = long;
        let cloud = Cloud::start().await;
        world.settings.endpoints = Some(cloud.endpoints());
        world.nodes.clear();
        let signing_node = 1;
        for _ in 0..=signing_node {
            world.start_node().await;
        }
        let app = world.app();
        let mut tx = app.store().begin().await.unwrap();
        let party = RelyingParty {
            entity_id: EntityId(SP.to_owned()),
            display_name: "Another".to_owned(),
            kind: RelyingPartyKind::ServiceProvider,
            reply_urls: vec![ReplyUrl {
                index: 0,
                url: SP_ACS.to_owned(),
                preferred: true,
            }],
            session_max_age: long,
            ..EntraCloud::global().relying_party(Vec::new())
        };
        assert!(tx.insert_relying_party(&party).await.unwrap());
        tx.commit().await.unwrap();
        let mut browsers = Vec::new();
        for domain in ["contoso.com", "fabrikam.com"] {
            let person = world.ready(&format!("agent1@{domain}")).await;
            let mut browser = world.browser_on(signing_node);
            let (request, code) = (entra::request(world.now()), person.code(world.now()));
            let page = browser.sign_in(&request, person.upn(), &code).await;
            page.expect_answer();
            browsers.push(browser);
            world.advance(30);
        }
        let signing = world.app().assertion_key().certificate.clone();
        let tenant = |domain| Tenant {
            domain,
            signing: signing.clone(),
            next: None,
            before: vec![signing.clone()],
            changed_at: world.now(),
        };
        let mut site = Self {
            tenants: [tenant("contoso.com"), tenant("fabrikam.com")],
            provider: Reader {
                copy: Vec::new(),
                read_at: world.now(),
            },
            key_lists: Vec::new(),
            cloud,
            asked: None,
            browsers,
            rejected: Vec::new(),
            accepted: 0,
            last_certificate: signing,
            last_kid: Value::Null,
            world,
        };
        site.provider.copy = site.metadata().await;
        site
    }

    /// The provider was given the certificate by hand, and reads nothing.
    pub fn provider_never_reads(&mut self) {
        self.provider.read_at = self.world.now().plus(DAY * 1000);
    }

    /// Somebody looked that the provider has the new one.
    pub async fn confirm_provider(&self) {
        let chosen = claimbridge::app::keys::rollover::Chosen {
            key: None,
            purpose: KeyPurpose::Assertion,
        };
        let actor = Actor::Operator("tester".to_owned());
        let app = self.world.app();
        app.confirm_published(&chosen, SP, actor).await.unwrap();
    }

    /// The door of External MFA with a first key, somebody who is asked there, and those who read
    /// the key list.
    pub async fn first_oidc_key(&mut self) {
        kit::configure(&self.world).await;
        self.asked = Some(self.world.ready("agent2@contoso.com").await);
        let copy = self.listed().await;
        for hour in 0..24 {
            self.key_lists.push(Reader {
                copy: copy.clone(),
                read_at: self.world.now().minus(HOUR * hour),
            });
        }
    }

    /// The id_token of a second factor that is proved on that node now, if it gives one.
    pub async fn id_token(&self, node: usize) -> Option<String> {
        let person = self.asked.as_ref().unwrap();
        let now = self.world.now();
        let mut browser = self.world.browser_on(node);
        let asked = self.cloud.ask(person.upn(), now);
        let body = Some(asked.body());
        let page = browser.send("POST", "/oidc/authorize", body).await;
        if !page.asks_for_code() {
            return None;
        }
        let mut page = browser.submit_code(&person.code(now)).await;
        // Once it is told that the account was linked.
        if kit::maybe_told(&page).is_none() && page.status == 200 {
            page = browser.submit(&[]).await;
        }
        let told = kit::maybe_told(&page).filter(kit::Told::is_token)?;
        Some(told.token().to_owned())
    }

    /// What the metadata shows, read with another library than the one under test.
    async fn metadata(&mut self) -> Vec<Vec<u8>> {
        let mut browser = Browser::over(vec![self.world.nodes[0].router.clone()]);
        let page: Page = browser.get("/saml2/metadata?domain=contoso.com").await;
        let document = roxmltree::Document::parse(&page.body).unwrap();
        let found: Vec<Vec<u8>> = document
            .descendants()
            .filter(|node| node.tag_name().name() == "X509Certificate")
            .map(|node| {
                let text: String = node.text().unwrap().split_whitespace().collect();
                data_encoding::BASE64.decode(text.as_bytes()).unwrap()
            })
            .collect();
        assert!(!found.is_empty());
        found
    }

    /// The key list as it is served, to whoever may keep it for an hour.
    async fn listed(&self) -> Value {
        let mut browser = Browser::over(vec![self.world.nodes[0].router.clone()]);
        let page = browser.get("/oidc/jwks").await;
        assert_eq!(page.status, 200, "{}", page.text());
        assert_eq!(page.headers["cache-control"], "public, max-age=3600");
        serde_json::from_str(&page.body).unwrap()
    }

    /// The names in the key list, in its order.
    pub async fn kids(&self) -> Vec<Value> {
        let list = self.listed().await;
        let keys = list["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].clone()).collect()
    }

    pub async fn published(&self, purpose: KeyPurpose) -> Published {
        self.world.app().published(purpose).await.unwrap()
    }

    /// `domain apply`, as far as certificates go.
    pub async fn apply(&mut self, domain: &str) {
        let published = self.published(KeyPurpose::Assertion).await;
        let now = self.world.now();
        let tenant = self
            .tenants
            .iter_mut()
            .find(|tenant| tenant.domain == domain)
            .unwrap();
        tenant.before = tenant.holds();
        tenant.changed_at = now;
        tenant.next = published.next().map(|key| key.certificate.clone());
        tenant.signing = published.active.unwrap().certificate;
    }

    /// `domain verify`: looks what is there.
    pub async fn verify(&self, domain: &str) {
        let tenant = self
            .tenants
            .iter()
            .find(|tenant| tenant.domain == domain)
            .unwrap();
        let seen: Vec<String> = tenant
            .holds()
            .iter()
            .map(|der| Certificate::read(der).unwrap().fingerprint())
            .collect();
        let name = domain.parse().unwrap();
        self.world
            .app()
            .note_seen(&name, &seen, Actor::System)
            .await
            .unwrap();
    }

    /// The person of a domain signs in to Entra.
    pub async fn sign_in(&mut self, who: usize) -> Answered {
        let request = entra::request(self.world.now());
        let page = self.browsers[who].start(&request).await;
        Answered {
            answer: page.expect_answer(),
            request: request.id,
        }
    }

    /// Whether that gets an answer now.
    pub async fn try_sign_in(&mut self, who: usize) -> bool {
        let request = entra::request(self.world.now());
        let page = self.browsers[who].start(&request).await;
        page.answer().is_some()
    }

    /// So many hours, with a sign-in everywhere at the end of each.
    pub async fn hours(&mut self, hours: usize) {
        for _ in 0..hours {
            self.world.clock.advance(HOUR);
            self.hour().await;
        }
    }

    async fn hour(&mut self) {
        let now = self.world.now();
        if self.provider.is_due(now) {
            self.provider = Reader {
                copy: self.metadata().await,
                read_at: now,
            };
        }
        for who in 0..self.tenants.len() {
            let answered = self.sign_in(who).await;
            if who == 0 {
                self.last_certificate = certificate(&answered.answer);
            }
            let tenant = &self.tenants[who];
            self.note(tenant.domain, tenant.accepts(&answered, now));
        }
        let mut request = entra::request(now);
        request.issuer = SP.to_owned();
        let page = self.browsers[0].start(&request).await;
        let answered = Answered {
            answer: page.expect_answer(),
            request: request.id,
        };
        let cloud = EntraCloud {
            entity_id: SP.to_owned(),
            reply_url: SP_ACS.to_owned(),
            ..EntraCloud::global()
        };
        let accepted = accepts(&self.provider.copy, &answered, "contoso.com", cloud, now);
        self.note("sp.example.com", accepted);
        if self.key_lists.is_empty() {
            return;
        }
        // The other node signs; it is told nothing.
        let token = self.id_token(1).await.expect("an id_token");
        self.last_kid = cloud::part(&token, 0)["kid"].clone();
        let listed = self.listed().await;
        let mut accepted = true;
        for reader in &mut self.key_lists {
            // Somebody asks at each hour, with the copy of yesterday, and reads again only then.
            accepted &= cloud::verifies(&reader.copy, &token);
            if reader.is_due(now) {
                reader.copy.clone_from(&listed);
                reader.read_at = now;
            }
        }
        self.note("key list", accepted);
    }

    fn note(&mut self, party: &str, accepted: bool) {
        if accepted {
            self.accepted += 1;
        } else if !self.rejected.iter().any(|name| name == party) {
            self.rejected.push(party.to_owned());
        }
    }

    /// The newest event of a kind.
    pub async fn last_event(&self, kind: &str) -> serde_json::Value {
        let mut tx = self.world.app().store().read().await.unwrap();
        let acts = tx
            .acts_since(Timestamp::from_millis(0), 1000)
            .await
            .unwrap();
        let found = acts.into_iter().find(|event| event.kind() == kind);
        found.unwrap().event
    }
}

/// Judged as Entra does, by these certificates and no others.
fn accepts(
    certificates: &[Vec<u8>],
    answered: &Answered,
    domain: &str,
    cloud: EntraCloud,
    now: Timestamp,
) -> bool {
    let mut context = Context::at(now);
    context.issuer = Some(format!("{PUBLIC_URL}/{domain}"));
    context.realm = Some(domain.parse().unwrap());
    context.cloud = Some(cloud);
    context.certificates = certificates.to_vec();
    context.request = Some(GivenRequest {
        id: answered.request.clone(),
    });
    inspect::pre_flight(answered.answer.xml.as_bytes(), &context).is_ok()
}

pub fn certificate(answer: &Answer) -> Vec<u8> {
    let document = roxmltree::Document::parse(&answer.xml).unwrap();
    let node = document
        .descendants()
        .find(|node| node.tag_name().name() == "X509Certificate")
        .unwrap();
    data_encoding::BASE64
        .decode(node.text().unwrap().as_bytes())
        .unwrap()
}
