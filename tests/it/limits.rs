//! What strangers can cause: counted, bounded, and nothing written for each of it.
//!
//! On SQLite only: what is written is read from the write-ahead log's own counter.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use claimbridge::audit::Refused;

use crate::support::{PASSWORD, World, entra};

/// How many transactions have written anything (SQLite's file format, section 2.4:
/// `iChange` of the write-ahead log's index).
fn writes(world: &World) -> u32 {
    let path = world.database_url.trim_start_matches("sqlite://");
    let index = std::fs::read(format!("{path}-shm")).unwrap();
    u32::from_ne_bytes(index[8..12].try_into().unwrap())
}

/// What was counted, by reason.
async fn counted(world: &World) -> Vec<(String, i64)> {
    let mut tx = world.app().store().read().await.unwrap();
    let counts = tx.refused_counts().await.unwrap();
    let told = counts.into_iter().map(|count| (count.reason, count.count));
    told.collect()
}

fn count(reason: Refused, times: i64) -> (String, i64) {
    (reason.as_str().to_owned(), times)
}

#[tokio::test]
async fn a_hundred_malformed_requests_write_nothing_until_they_are_counted_at_once() {
    let world = World::new().await;
    let foreign = entra::AuthnRequest {
        issuer: "https://sp.unknown.example".to_owned(),
        ..entra::request(world.now())
    };
    let before = writes(&world);
    for _ in 0..100 {
        let page = world
            .browser()
            .post("/saml2/sso", &[("SAMLRequest", "%%%")])
            .await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
    }
    for _ in 0..20 {
        let page = world.browser().start(&foreign).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(writes(&world), before);
    assert_eq!(counted(&world).await, []);

    world.app().flush_refused().await.unwrap();
    assert_eq!(writes(&world), before + 1);
    let expected = [
        count(Refused::MalformedRequest, 100),
        count(Refused::UnknownParty, 20),
    ];
    assert_eq!(counted(&world).await, expected);
    // Nothing is counted twice, and nothing to count is nothing to write.
    world.app().flush_refused().await.unwrap();
    assert_eq!(writes(&world), before + 1);
    assert_eq!(counted(&world).await, expected);
    // Another hour is another row.
    world.advance(3600);
    world.app().count_refused(Refused::UnknownParty);
    world.app().flush_refused().await.unwrap();
    assert_eq!(counted(&world).await[0], count(Refused::UnknownParty, 1));
}

#[tokio::test]
async fn what_could_not_be_counted_is_counted_later() {
    let world = World::new().await;
    let past = sqlx::AnyPool::connect(&world.database_url).await.unwrap();
    for _ in 0..3 {
        world.app().count_refused(Refused::MalformedRequest);
    }
    sqlx::raw_sql("ALTER TABLE refused RENAME TO elsewhere")
        .execute(&past)
        .await
        .unwrap();
    assert!(world.app().flush_refused().await.is_err());
    sqlx::raw_sql("ALTER TABLE elsewhere RENAME TO refused")
        .execute(&past)
        .await
        .unwrap();
    world.app().count_refused(Refused::MalformedRequest);
    world.app().flush_refused().await.unwrap();
    assert_eq!(counted(&world).await, [count(Refused::MalformedRequest, 4)]);
}

#[tokio::test]
async fn another_browser_and_a_stale_form_are_counted() {
    let world = World::new().await;
    let mut own = world.browser();
    own.start(&entra::request(world.now())).await;
    let before = writes(&world);
    let mut other = world.browser();
    for _ in 0..2 {
        assert_eq!(other.get(&own.at).await.status, StatusCode::FORBIDDEN);
    }
    let form = [("username", "a@contoso.com"), ("password", PASSWORD)];
    for _ in 0..3 {
        let page = own.post(&own.at.clone(), &form).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
    }
    let foreign = Request::post(&own.at)
        .header(header::HOST, "idp.example.com")
        .header(header::ORIGIN, "https://evil.example")
        .body(Body::empty())
        .unwrap();
    let answer = tower::ServiceExt::oneshot(world.nodes[0].router.clone(), foreign).await;
    assert_eq!(answer.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(writes(&world), before);
    world.app().flush_refused().await.unwrap();
    assert_eq!(
        counted(&world).await,
        [
            count(Refused::ForgedForm, 4),
            count(Refused::OtherBrowser, 2)
        ]
    );
}

#[tokio::test]
async fn a_stranger_cannot_write_without_end_by_requests_that_are_answered_at_once() {
    let world = World::new().await;
    let passive = || entra::request(world.now()).with(r#"IsPassive="true""#);
    let send = async |request: &entra::AuthnRequest| {
        let (saml, relay) = (request.base64(), request.relay_state.clone());
        let fields = [("SAMLRequest", saml.as_str()), ("RelayState", &relay)];
        world
            .browser()
            .post("/saml2/sso?domain=contoso.com", &fields)
            .await
    };
    let limit = usize::try_from(crate::support::settings().open_attempts_per_source).unwrap();
    let first = passive();
    send(&first).await.expect_answer();
    for _ in 1..limit {
        send(&passive()).await.expect_answer();
    }
    let before = writes(&world);
    for _ in 0..10 {
        let page = send(&passive()).await;
        assert!(page.body.contains("CB-SIGNIN-006"), "{}", page.text());
    }
    // A request that is there already makes nothing: it meets no limit, but its own
    // browser's cookie.
    let page = send(&first).await;
    assert!(page.body.contains("CB-SIGNIN-003"), "{}", page.text());
    assert_eq!(writes(&world), before);
    world.app().flush_refused().await.unwrap();
    assert_eq!(
        counted(&world).await,
        [
            count(Refused::NoPassive, 200),
            count(Refused::OtherBrowser, 1),
            count(Refused::SourceLimit, 10)
        ]
    );
    let mut tx = world.app().store().read().await.unwrap();
    let events = tx.events_of_node(world.app().store().node()).await.unwrap();
    assert!(
        events.iter().all(|event| event.kind() != "answer-refused"),
        "nobody was refused anything"
    );
    // After the time that an attempt may take, the place is free again.
    world.advance(15 * 60);
    send(&passive()).await.expect_answer();
}

#[tokio::test]
async fn a_page_full_of_images_uses_up_nobody_s_sign_ins() {
    let world = World::new().await;
    let before = writes(&world);
    let limit = crate::support::settings().open_attempts_per_source;
    let go = async |mode: &str, dest: &str| {
        let request = Request::get(entra::request(world.now()).redirect())
            .header(header::HOST, "idp.example.com")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", mode)
            .header("sec-fetch-dest", dest)
            .extension(axum::extract::ConnectInfo(std::net::SocketAddr::from((
                [203, 0, 113, 7],
                4000,
            ))))
            .body(Body::empty())
            .unwrap();
        tower::ServiceExt::oneshot(world.nodes[0].router.clone(), request)
            .await
            .unwrap()
    };
    for _ in 0..limit {
        assert_eq!(go("no-cors", "image").await.status(), StatusCode::FORBIDDEN);
    }
    for (mode, dest) in [("navigate", "iframe"), ("cors", "empty")] {
        assert_eq!(go(mode, dest).await.status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(writes(&world), before);
    let answer = go("navigate", "document").await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
}
