//! What strangers can cause: counted, bounded, and nothing written for each of it.
//!
//! On SQLite only: what is written is read from the write-ahead log's own counter.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use claimbridge::{
    app::{prove::Guess, refused::Refused},
    base::secret::Secret,
    signin::lockout::Delays,
};

use crate::support::{PASSWORD, World, entra};

/// How many transactions have written anything (SQLite's file format, section 2.4:
/// `iChange` of the write-ahead log's index).
pub fn writes(world: &World) -> u32 {
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

#[tokio::test]
async fn a_wrong_guess_is_as_much_work_for_a_name_that_nobody_has() {
    let world = World::new().await;
    let person = world.add_user("agent1@contoso.com").await;
    let disabled = world.add_user("agent2@contoso.com").await;
    let app = world.app();
    app.disable_user(&disabled.upn, "tester").await.unwrap();
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    let attempt = browser.at.trim_start_matches("/sign-in/").parse().unwrap();
    let cookies = browser.app_cookies();
    let long = format!("{}{}", person.upn, " ".repeat(300));
    let names = [
        person.upn.as_str(),
        disabled.upn.as_str(),
        "nobody@contoso.com",
        "no name",
        // It is not even folded: also with the right password it is nobody's.
        &long,
    ];
    for name in names {
        let right_only_if_long = if name == long { PASSWORD } else { "wrong" };
        let before = writes(&world);
        let password = Secret::new(right_only_if_long.to_owned());
        let guess = app
            .submit_password(&attempt, &cookies, name, password)
            .await;
        assert_eq!(guess.unwrap(), Guess::Wrong, "{name}");
        assert_eq!(writes(&world), before + 2, "a password of {name}");
        let before = writes(&world);
        let pass = Secret::new("a wrong pass".to_owned());
        let guess = app.submit_pass(&attempt, &cookies, name, &pass).await;
        assert_eq!(guess.unwrap(), Guess::Wrong, "{name}");
        assert_eq!(writes(&world), before + 2, "a pass of {name}");
    }
    assert_eq!(counted(&world).await, [count(Refused::UnknownName, 6)]);
}

#[tokio::test]
async fn the_beginning_of_a_wait_is_an_event_and_what_it_refuses_is_not() {
    let world = World::new().await;
    let person = world.add_user("agent1@contoso.com").await;
    let waits = async || {
        let mut tx = world.app().store().read().await.unwrap();
        let events = tx.events_of(&person.id, 100).await.unwrap();
        let mut waits: Vec<_> = events
            .iter()
            .filter(|event| event.kind() == "waiting")
            .map(|event| event.event.to_string())
            .collect();
        waits.reverse();
        waits
    };
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    let upn = person.upn.as_str();
    for _ in 0..4 {
        browser.submit_password(upn, "a wrong password").await;
    }
    assert_eq!(waits().await.len(), 0);
    for _ in 0..4 {
        browser.submit_password(upn, "a wrong password").await;
    }
    let begun = waits().await;
    assert_eq!(begun.len(), 1, "{begun:?}");
    assert!(begun[0].contains("password"), "{begun:?}");
    let until = world.now().plus(Delays::PERSON.base).to_string();
    assert!(begun[0].contains(&until), "{begun:?} {until}");
    world.advance(30);
    for _ in 0..2 {
        browser.submit_password(upn, "a wrong password").await;
    }
    assert_eq!(waits().await.len(), 2);
    world.app().flush_refused().await.unwrap();
    assert_eq!(counted(&world).await, [count(Refused::Waiting, 4)]);
}

#[tokio::test]
async fn an_office_is_not_locked_out_by_one_of_its_own() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut own = world.browser();
    own.sign_in(
        &entra::request(world.now()),
        person.upn(),
        &person.code(world.now()),
    )
    .await
    .expect_answer();
    world.advance(30);
    let mut stranger = world.browser();
    assert_eq!(stranger.source, own.source);
    stranger.start(&entra::request(world.now())).await;
    let guess = async |browser: &mut crate::support::Browser, number: u32| {
        let name = format!("nobody{number}@contoso.com");
        browser.submit_password(&name, "a guess").await.status
    };
    for number in 0..100 {
        guess(&mut stranger, number).await;
    }
    assert_eq!(
        guess(&mut stranger, 100).await,
        StatusCode::TOO_MANY_REQUESTS
    );
    // A browser in which this person signed in before is let in all the same,
    let again = entra::request(world.now()).with(r#"ForceAuthn="true""#);
    own.sign_in(&again, person.upn(), &person.code(world.now()))
        .await
        .expect_answer();
    // but not for anybody else,
    own.start(&entra::request(world.now()).with(r#"ForceAuthn="true""#))
        .await;
    assert_eq!(guess(&mut own, 101).await, StatusCode::TOO_MANY_REQUESTS);
    // and its right answer gave nobody else a try back.
    assert_eq!(
        guess(&mut stranger, 102).await,
        StatusCode::TOO_MANY_REQUESTS
    );
    // An hour later what was wrong is forgiven.
    world.advance(3600);
    stranger.start(&entra::request(world.now())).await;
    for number in 103..106 {
        assert_eq!(guess(&mut stranger, number).await, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn a_known_browser_has_a_limit_of_its_own() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut own = world.browser();
    own.sign_in(
        &entra::request(world.now()),
        person.upn(),
        &person.code(world.now()),
    )
    .await
    .expect_answer();
    own.start(&entra::request(world.now()).with(r#"ForceAuthn="true""#))
        .await;
    for _ in 0..5 {
        let page = own.submit_password(person.upn(), "a guess").await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
    }
    let page = own.submit_password(person.upn(), PASSWORD).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    let mut tx = world.app().store().read().await.unwrap();
    let source = format!("source:{}", own.source);
    assert_eq!(tx.failures(&source).await.unwrap(), 0);
}
