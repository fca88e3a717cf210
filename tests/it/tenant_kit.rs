//! A practice tenant that listens, for tests that run our program against its Graph.

use std::sync::Arc;

use claimbridge::{
    base::{clock::SystemClock, random::SystemRandom},
    practice::{
        self, More, Person, Practice, PracticeConfig, PracticeUser, oauth::clients::Client,
    },
};
use tokio::net::TcpListener;

/// A tenant on loopback. It ends with the test.
pub struct Tenant {
    pub practice: Arc<Practice>,
    pub url: String,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Tenant {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Tenant {
    /// With contoso.com, which is managed.
    pub async fn managed(more: More) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut more = more;
        more.managed_domains
            .insert(0, "contoso.com".parse().unwrap());
        let practice = Practice::new(PracticeConfig {
            own_url: url.clone(),
            idp_url: "http://localhost:1".to_owned(),
            partner_center_url: format!("http://{}", other.local_addr().unwrap()),
            entity_id: "urn:federation:MicrosoftOnline".to_owned(),
            domains: Vec::new(),
            users: Vec::new(),
            more,
            demo_people: Vec::new(),
            clock: Arc::new(SystemClock),
            random: Box::new(SystemRandom),
        })
        .unwrap();
        let tenant = Arc::clone(&practice);
        let server = tokio::spawn(async move {
            let _ = practice::serve(&tenant, listener, other, std::future::pending()).await;
        });
        Self {
            practice,
            url,
            server,
        }
    }

    /// Options of a command that asks this Graph as that application, whose secret is in
    /// `secret_file`.
    pub fn options(&self, client: &Client, secret_file: &str) -> Vec<String> {
        let (authority, graph_url) = (self.url.clone(), self.practice.graph_url());
        [
            "--authority",
            &authority,
            "--graph-url",
            &graph_url,
            "--client-id",
            client.id(),
            "--client-secret-file",
            secret_file,
        ]
        .map(str::to_owned)
        .to_vec()
    }
}

/// A person of the tenant; an empty id is none.
pub fn person(upn: &str, immutable_id: &str) -> Person {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    Person::member(PracticeUser {
        upn: upn.parse().unwrap(),
        immutable_id: immutable_id.to_owned(),
        object_id: format!("22222222-0000-4000-8000-{number:012}"),
        display_name: format!("Person {number}"),
    })
}
