//! The door of External MFA with two processes on one database. The cloud that asks is one of the
//! test's own: the configuration names it, as it may name one of this computer (`[entra.cloud]`).

use std::path::PathBuf;

use serde_json::Value;

use crate::{
    cloud::{APPLICATION, Ask, CLIENT, Cloud, TENANT, Told, maybe_told, told},
    cluster::{Cluster, Engine, now},
    races::at_once,
    support::browser::{Browser, Page},
};

const AGENT: &str = "agent1@contoso.com";
const TWENTY: usize = 20;

mod sqlite {
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_round_begun_on_one_node_is_finished_on_the_other() {
        super::a_round_begun_on_one_node_is_finished_on_the_other(super::Engine::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn attack_28_a_hint_that_comes_twenty_times_at_once_begins_one_attempt() {
        super::attack_28_a_hint_that_comes_twenty_times_at_once_begins_one_attempt(
            super::Engine::Sqlite,
        )
        .await;
    }
}

mod postgres {
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_round_begun_on_one_node_is_finished_on_the_other() {
        super::a_round_begun_on_one_node_is_finished_on_the_other(super::Engine::Postgres).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn attack_28_a_hint_that_comes_twenty_times_at_once_begins_one_attempt() {
        super::attack_28_a_hint_that_comes_twenty_times_at_once_begins_one_attempt(
            super::Engine::Postgres,
        )
        .await;
    }
}

/// What the servers are told of the cloud and of the tenant that asks.
pub fn configured(cloud: &Cloud) -> Vec<(&'static str, PathBuf)> {
    let url = &cloud.url;
    [
        (
            "CLAIMBRIDGE_ENTRA__CLOUD__ENTITY_ID",
            "urn:claimbridge:tests".to_owned(),
        ),
        (
            "CLAIMBRIDGE_ENTRA__CLOUD__REPLY_URL",
            format!("{url}/login.srf"),
        ),
        ("CLAIMBRIDGE_ENTRA__CLOUD__AUTHORITY_URL", url.clone()),
        (
            "CLAIMBRIDGE_ENTRA__CLOUD__GRAPH_URL",
            format!("{url}/graph"),
        ),
        ("CLAIMBRIDGE_TENANT__0__TENANT_ID", TENANT.to_owned()),
        ("CLAIMBRIDGE_TENANT__0__CLIENT_ID", CLIENT.to_owned()),
        (
            "CLAIMBRIDGE_TENANT__0__APPLICATION_ID",
            APPLICATION.to_owned(),
        ),
    ]
    .map(|(name, value)| (name, PathBuf::from(value)))
    .to_vec()
}

impl Cluster {
    /// Entra's request, on that node: the question for a code.
    pub async fn asked(&self, node: usize, ask: &Ask) -> Browser {
        let mut browser = self.browser([node]);
        let page = arrive(&mut browser, ask).await;
        assert!(page.asks_for_code(), "{}", page.text());
        browser
    }

    /// The keys that a node publishes.
    pub async fn key_list(&self, node: usize) -> Value {
        let page = self.browser([node]).get("/oidc/jwks").await;
        assert_eq!(page.status, 200, "{}", page.text());
        serde_json::from_str(&page.body).unwrap()
    }
}

async fn arrive(browser: &mut Browser, ask: &Ask) -> Page {
    let body = Some(ask.body());
    browser.send("POST", "/oidc/authorize", body).await
}

/// What Entra is told after a code; a notice may stand before it.
pub async fn told_after(browser: &mut Browser, code: &str) -> Told {
    let page = browser.submit_code(code).await;
    match maybe_told(&page) {
        Some(told) => told,
        None => told(&browser.submit(&[]).await),
    }
}

async fn a_round_begun_on_one_node_is_finished_on_the_other(engine: Engine) {
    let cloud = Cloud::start().await;
    let cluster = Cluster::start_with(engine, |_| configured(&cloud)).await;
    let person = cluster.person(AGENT).await;
    // Both made their first key at once, and it is one.
    let keys = cluster.key_list(0).await;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1, "{keys}");
    assert_eq!(cluster.key_list(1).await, keys);
    for (step, (first, second)) in (0..).zip([(0, 1), (1, 0)]) {
        let ask = cloud.ask(AGENT, now());
        let browser = cluster.asked(first, &ask).await;
        let mut browser = cluster.moved(&browser, second);
        let said = told_after(&mut browser, &person.code_at_step(step)).await;
        assert_eq!(said.action, cloud.reply_url());
        assert_eq!(said.state, ask.field("state"));
        let claims = said.claims(&keys);
        assert_eq!(claims["nonce"], ask.field("nonce").unwrap());
        assert_eq!(claims["amr"], serde_json::json!(["otp"]));
        // The node where it began repeats the same bytes.
        let mut back = cluster.moved(&browser, first);
        assert_eq!(told(&back.reload_attempt().await), said);
    }
    assert_eq!(cluster.check_books().await, 2);
}

async fn attack_28_a_hint_that_comes_twenty_times_at_once_begins_one_attempt(engine: Engine) {
    let cloud = Cloud::start().await;
    let cluster = Cluster::start_with(engine, |_| configured(&cloud)).await;
    let person = cluster.person(AGENT).await;
    let ask = cloud.ask(AGENT, now());
    let browsers = (0..TWENTY).map(|number| cluster.browser([number % 2]));
    let came = at_once(browsers.collect(), |mut browser| {
        let ask = ask.clone();
        async move {
            let page = arrive(&mut browser, &ask).await;
            (browser, page)
        }
    })
    .await;
    let (mut begun, others): (Vec<_>, Vec<_>) =
        came.into_iter().partition(|(_, page)| page.asks_for_code());
    assert_eq!(begun.len(), 1);
    for (browser, page) in others {
        assert!(maybe_told(&page).is_none(), "{}", page.text());
        assert!(page.text().contains("CB-SIGNIN-003"), "{}", page.text());
        assert!(browser.cookies.is_empty());
    }
    assert_eq!(cluster.texts("SELECT id FROM attempts").await.len(), 1);
    let (mut browser, _) = begun.remove(0);
    let said = told_after(&mut browser, &person.code_at_step(0)).await;
    assert!(said.is_token(), "{said:?}");
    assert_eq!(cluster.check_books().await, 1);
}
