//! Our client and this Graph, over a connection: what goes wrong is told apart.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
};

use axum::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use claimbridge::{
    base::{clock::SystemClock, random::SystemRandom, secret::Secret},
    outbound::{
        graph::{Graph, GraphError, Patience, Pause},
        guard::Outbound,
    },
    practice::{self, Fault, FaultKind, More, Practice, PracticeConfig},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use super::super::signer::REGISTERED;

#[derive(Clone, Default)]
struct Counts(Arc<Mutex<Vec<u64>>>);

impl Patience for Counts {
    fn pause(&self, pause: Pause) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0.lock().unwrap().push(pause.lasts.as_secs());
        Box::pin(std::future::ready(()))
    }
}

struct Live {
    practice: Arc<Practice>,
    graph: Graph,
    pauses: Counts,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn live() -> Live {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own_url = format!("http://{}", listener.local_addr().unwrap());
    let practice = Practice::new(PracticeConfig {
        own_url: own_url.clone(),
        idp_url: "http://localhost:1".to_owned(),
        partner_center_url: format!("http://{}", other.local_addr().unwrap()),
        entity_id: "urn:federation:MicrosoftOnline".to_owned(),
        domains: Vec::new(),
        users: Vec::new(),
        more: More {
            managed_domains: vec!["contoso.com".parse().unwrap()],
            generated_people: 1500,
            ..More::default()
        },
        demo_people: Vec::new(),
        clock: Arc::new(SystemClock),
        random: Box::new(SystemRandom),
    })
    .unwrap();
    let tenant = Arc::clone(&practice);
    let server = tokio::spawn(async move {
        let _ = practice::serve(&tenant, listener, other, std::future::pending()).await;
    });
    let client = practice.oauth().clients().writer();
    let body = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope={}",
        client.id(),
        client.secret().unwrap().expose(),
        "https%3A%2F%2Fgraph.microsoft.com%2F.default"
    );
    let answer: Value = serde_json::from_slice(
        Outbound::new()
            .unwrap()
            .call(
                axum::http::Request::post(format!("{own_url}/contoso.com/oauth2/v2.0/token"))
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(body.into_bytes())
                    .unwrap(),
            )
            .await
            .unwrap()
            .body(),
    )
    .unwrap();
    let pauses = Counts::default();
    let graph = Graph::new(
        Outbound::new().unwrap(),
        Url::parse(&practice.graph_url()).unwrap(),
        Secret::new(answer["access_token"].as_str().unwrap().to_owned()),
    )
    .unwrap()
    .with_patience(pauses.clone());
    Live {
        practice,
        graph,
        pauses,
        server,
    }
}

const PATH: &str = "/v1.0/domains/contoso.com/federationConfiguration";

async fn create(live: &Live) -> Result<(), GraphError> {
    let body = json!({
        "issuerUri": "urn:x",
        "passiveSignInUri": "http://localhost:1/",
        "signingCertificate": STANDARD.encode(&REGISTERED.certificate),
    });
    let answer = live
        .graph
        .call(Method::POST, PATH, Some(&body), &[])
        .await?;
    assert_eq!(answer.status, 201);
    Ok(())
}

fn is_federated(live: &Live) -> bool {
    live.practice.with_directory(|directory| {
        directory
            .domain("contoso.com")
            .unwrap()
            .registration
            .is_some()
    })
}

#[tokio::test]
async fn a_write_is_known_to_have_happened_or_not_or_said_to_be_unknown() {
    let live = live().await;
    let faults = live.practice.graph_faults();
    for (kind, happened, wanted) in [
        (FaultKind::Forbidden, false, "does not permit it"),
        (FaultKind::ServerError, false, "not known whether"),
        (FaultKind::CutBeforeDone, false, "not known whether"),
        (FaultKind::DoneButCut, true, "not known whether"),
        (FaultKind::HalfAnswer, true, "not known whether"),
    ] {
        faults.add(Fault::next(1, PATH, kind.clone()));
        let error = create(&live).await.unwrap_err();
        assert!(error.to_string().contains(wanted), "{kind:?}: {error}");
        assert_eq!(is_federated(&live), happened, "{kind:?}");
        live.practice.with_directory(|directory| {
            directory.domain_mut("contoso.com").unwrap().registration = None;
        });
    }
    faults.add(Fault::next(2, PATH, FaultKind::Throttled(Some(7))));
    faults.add(Fault::next(1, PATH, FaultKind::Unavailable(3)));
    create(&live).await.unwrap();
    assert_eq!(*live.pauses.0.lock().unwrap(), [7, 7, 3]);
    let error = create(&live).await.unwrap_err();
    assert!(
        matches!(&error, GraphError::Refused(refused) if refused.status == 409),
        "{error}"
    );
    assert!(error.refused().unwrap().request_id.is_some());
}

#[tokio::test]
async fn a_read_goes_through_what_passes_and_names_what_stays() {
    let live = live().await;
    let faults = live.practice.graph_faults();
    for kind in [
        FaultKind::ServerError,
        FaultKind::HalfAnswer,
        FaultKind::DoneButCut,
    ] {
        faults.add(Fault::next(1, "/domains", kind));
    }
    live.graph.get("/v1.0/domains").await.unwrap();
    for (kind, wanted) in [
        (FaultKind::HalfAnswer, "ends in the middle"),
        (FaultKind::ServerError, "out of order"),
        (FaultKind::Forbidden, "Domain.Read.All"),
        (FaultKind::Throttled(Some(400)), "wait 400 s"),
        (FaultKind::Lie(json!({ "value": "no list" })), "no list"),
    ] {
        faults.add(Fault::next(20, "/domains", kind));
        let error = live.graph.all("/v1.0/domains", 100).await.unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
        faults.clear();
    }
}

#[tokio::test]
async fn a_test_is_told_of_each_call() {
    let live = live().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&seen);
    live.practice.graph_faults().after_each(move |call| {
        keep.lock()
            .unwrap()
            .push((call.number, call.method.clone()));
    });
    create(&live).await.unwrap();
    live.graph.get(PATH).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [(1, Method::POST), (2, Method::GET)]);
    assert_eq!(live.practice.graph_faults().calls().len(), 2);
}
