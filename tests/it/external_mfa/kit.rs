//! An identity provider that a tenant of the tests' own cloud asks.

use claimbridge::{
    app::{Settings, external_mfa::tenants},
    relying_party::{Tenant, TenantCloud},
};

pub use super::cloud::{
    APPLICATION, Ask, CLIENT, Cloud, KEY, OBJECT, SUBJECT, TENANT, Told, What, maybe_told, told,
};
use crate::support::{Browser, Page, Person, World};

pub const AGENT: &str = "agent1@contoso.com";

/// The tenant of the tests' cloud asks here from now on.
pub async fn configure(world: &World) {
    let tenant = Tenant {
        id: TENANT.parse().unwrap(),
        client_id: CLIENT.parse().unwrap(),
        application_id: APPLICATION.parse().unwrap(),
        cloud: TenantCloud::Custom,
        name: None,
    };
    let (app, now) = (world.app(), world.now());
    tenants::add(app.store(), app.settings(), tenant, "tester", now)
        .await
        .unwrap();
}

/// An identity provider with a tenant that asks.
pub struct Door {
    pub world: World,
    pub cloud: Cloud,
}

impl Door {
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// With other settings.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let cloud = Cloud::start().await;
        let mut world = World::new().await;
        change(&mut world.settings);
        world.settings.endpoints = Some(cloud.endpoints());
        // As many as the database is shared by.
        let nodes = world.nodes.len();
        world.nodes.clear();
        for _ in 0..nodes {
            world.start_node().await;
        }
        configure(&world).await;
        Self { world, cloud }
    }

    pub fn reply_url(&self) -> String {
        self.cloud.reply_url()
    }

    /// Every process ends, and two begin.
    pub async fn restart(&mut self) {
        self.world.nodes.clear();
        for _ in 0..2 {
            self.world.start_node().await;
        }
    }

    /// What Entra asks about the account of that name.
    pub fn ask(&self, name: &str) -> Ask {
        self.cloud.ask(name, self.world.now())
    }

    /// Somebody who has a code and no notices.
    pub async fn agent(&self) -> Person {
        self.world.ready(AGENT).await
    }

    /// Arrives from Entra.
    pub async fn arrive(&self, browser: &mut Browser, ask: &Ask) -> Page {
        browser
            .send("POST", "/oidc/authorize", Some(ask.body()))
            .await
    }

    /// The whole way with a code of that person.
    pub async fn prove(&self, browser: &mut Browser, ask: &Ask, person: &Person) -> Told {
        let page = self.arrive(browser, ask).await;
        assert!(page.asks_for_code(), "{}", page.text());
        let page = browser.submit_code(&person.code(self.world.now())).await;
        self.world.advance(30);
        told(&page)
    }
}
