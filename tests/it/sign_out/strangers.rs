//! What anybody can cause who is not signed in: counted, few signatures, no lock.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use claimbridge::relying_party::LogoutBinding;

use super::kit::{
    Logout, Party, SUCCESS, Sent, is_signed_in, path_of, signed_in_at, world_with_limit,
};
use crate::support::{Page, World};

/// A request of a party about somebody; `count` makes it another one.
fn request(world: &World, party: &Party, count: usize) -> Logout {
    Logout {
        id: format!("_r{count}"),
        element: "LogoutRequest",
        issuer: party.entity_id.clone(),
        at: world.now(),
        attributes: String::new(),
        rest: "<a:NameID xmlns:a=\"urn:oasis:names:tc:SAML:2.0:assertion\">x</a:NameID>".to_owned(),
        relay_state: None,
    }
}

/// The form that brings it.
fn body_of(request: &Logout) -> String {
    let xml = BASE64.encode(request.xml());
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("SAMLRequest", &xml);
    if let Some(state) = &request.relay_state {
        form.append_pair("RelayState", state);
    }
    form.finish()
}

/// With the domain, so that somebody may speak: there are two.
const WITH_DOMAIN: &str = "/saml2/slo?domain=contoso.com";

/// The id of the answer: each signed one has its own.
fn answer_in(page: &Page) -> Option<String> {
    let is_one = page.body.contains("SAMLResponse")
        || page
            .redirect()
            .is_some_and(|to| to.contains("SAMLResponse"));
    is_one.then(|| Sent::of(page).id())
}

#[tokio::test]
async fn a_hundred_looks_at_one_request_are_one_signature() {
    let world = World::new().await;
    let desk = Party::register(&world, "desk", LogoutBinding::Post).await;
    let posted = Logout {
        relay_state: Some("where I was & who".to_owned()),
        ..request(&world, &desk, 0)
    };
    let body = body_of(&posted);
    let mut signed = BTreeSet::new();
    for _ in 0..100 {
        let mut stranger = world.browser();
        let page = stranger.send("POST", WITH_DOMAIN, Some(body.clone())).await;
        let said = Sent::of(&page);
        assert_eq!(said.status(), [SUCCESS]);
        assert_eq!(said.to, desk.slo);
        assert_eq!(said.relay_state, posted.relay_state);
        signed.insert(said.id());
    }
    assert_eq!(signed.len(), 1, "{signed:?}");
}

#[tokio::test]
async fn of_a_hundred_redirects_one_source_has_so_many_signed_and_no_more() {
    const LIMIT: usize = 7;
    let world = world_with_limit(7).await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mut browser = world.browser();
    let told = signed_in_at(&world, &mut browser, &person, &[&desk]).await;
    let good = desk.sign_out(world.now(), &told[0]).redirect();
    let address = format!("{good}&domain=contoso.com");
    for source in ["203.0.113.7", "203.0.113.8"] {
        let mut stranger = world.browser();
        source.clone_into(&mut stranger.source);
        let mut signed = BTreeSet::new();
        for _ in 0..100 {
            let page = stranger.request("GET", &address, None).await;
            match answer_in(&page) {
                Some(id) => assert!(signed.insert(id), "each of them is signed anew"),
                // It stays here, and nothing is refused.
                None => assert!(
                    page.status.is_success() && page.text().contains("You are signed out"),
                    "{}",
                    page.text()
                ),
            }
        }
        assert_eq!(signed.len(), LIMIT, "{source}");
    }
    // Whose session it is signs out all the same, and the party is answered.
    let page = browser.get(&good).await;
    assert_eq!(Sent::of(&page).status(), [SUCCESS]);
    assert!(!is_signed_in(&browser, &person).await);
}

#[tokio::test]
async fn who_has_no_session_takes_no_write_lock() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mut browser = world.browser();
    let told = signed_in_at(&world, &mut browser, &person, &[&desk]).await;
    let redirect = desk.sign_out(world.now(), &told[0]).redirect();
    let redirect = format!("{redirect}&domain=contoso.com");
    // A cookie of a session that is over, kept.
    let mut dead = browser.clone();
    world
        .app()
        .end_sessions(&person.upn().parse().unwrap(), "tester")
        .await
        .unwrap();
    let mut nobody = world.browser();
    // An answer to a question that nobody asked is told so, and waits for nobody.
    let answer = Logout {
        element: "LogoutResponse",
        attributes: " InResponseTo=\"_nobody\"".to_owned(),
        rest: format!(
            "<p:Status><p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:{SUCCESS}\"/></p:Status>"
        ),
        ..request(&world, &desk, 0)
    };
    let answer = answer.redirect();
    // Whoever wanted to write now would wait, and then fail.
    let held = world.app().store().begin().await.unwrap();
    for address in [
        redirect.as_str(),
        "/wsfed?wa=wsignout1.0",
        "/wsfed?wa=wsignoutcleanup1.0",
        answer.as_str(),
    ] {
        for who in [&mut nobody, &mut dead] {
            let asked = who.request("GET", address, None);
            let page = tokio::time::timeout(std::time::Duration::from_secs(4), asked).await;
            let page = page.unwrap_or_else(|_| panic!("{address} waits"));
            let is_told = page.status.is_success() || page.status.is_redirection();
            assert!(
                is_told != page.body.contains("CB-SIGNOUT-003") && is_told != (address == answer),
                "{address}: {} {}",
                page.status,
                page.text()
            );
        }
    }
    drop(held);
}

#[tokio::test]
async fn what_a_stranger_posts_is_bounded_and_whoever_is_signed_in_is_asked() {
    let world = world_with_limit(3).await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mut browser = world.browser();
    signed_in_at(&world, &mut browser, &person, &[&desk]).await;
    let mut stranger = world.browser();
    for count in 0..5 {
        // Nobody comes to look at its page: only the form arrives.
        let body = body_of(&request(&world, &desk, count));
        let page = stranger.request("POST", "/saml2/slo", Some(body)).await;
        let to = page.redirect().unwrap();
        assert_eq!(to == "/sign-out", count >= 3, "{count}: {to}");
    }
    // A person of the same office, whose party posts too, is asked.
    let page = request(&world, &desk, 9);
    let page = page.post(&mut browser, &page.xml()).await;
    assert!(page.text().contains("Sign out?"), "{}", page.text());
    browser.get("/sign-out").await;
    browser.press("/sign-out").await;
    assert!(!is_signed_in(&browser, &person).await);
}

#[tokio::test]
async fn what_was_answered_because_nobody_was_signed_in_takes_no_room() {
    let world = world_with_limit(3).await;
    let desk = Party::register(&world, "desk", LogoutBinding::Post).await;
    // As at five o'clock behind one address: as many are answered as there may be.
    let mut people = Vec::new();
    for count in 0..3 {
        let mut browser = world.browser();
        let body = body_of(&request(&world, &desk, count));
        let page = browser.send("POST", WITH_DOMAIN, Some(body)).await;
        assert_eq!(Sent::of(&page).status(), [SUCCESS]);
        people.push(path_of(&browser));
    }
    // The next one is kept, not sent away.
    let mut browser = world.browser();
    let last = request(&world, &desk, 9);
    let page = last.post(&mut browser, &last.xml()).await;
    assert!(
        page.text().contains("You are signed out"),
        "{}",
        page.text()
    );
    assert!(path_of(&browser).starts_with("/sign-out/out_"));
}

#[tokio::test]
async fn a_request_that_somebody_else_looked_at_first_still_ends_what_it_means() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Post).await;
    let mut browser = world.browser();
    let told = signed_in_at(&world, &mut browser, &person, &[&desk]).await;
    let mut asked = desk.sign_out(world.now(), &told[0]);
    let whole = asked.rest.split("<p:SessionIndex>").next().unwrap();
    asked.rest = whole.to_owned();
    world.advance(30);
    let mut thief = world.browser();
    let page = thief.send("POST", WITH_DOMAIN, Some(body_of(&asked))).await;
    assert_eq!(Sent::of(&page).status(), [SUCCESS]);
    let page_of_it = path_of(&thief);
    assert!(is_signed_in(&browser, &person).await);
    // A browser that signs in only now is not meant, though it knows of the page.
    world.advance(60);
    let mut anew = world.browser();
    signed_in_at(&world, &mut anew, &person, &[&desk]).await;
    anew.get(&page_of_it).await;
    assert!(is_signed_in(&anew, &person).await);
    // The one that was there is.
    let page = asked.post(&mut browser, &asked.xml()).await;
    assert_eq!(Sent::of(&page).status(), [SUCCESS]);
    assert!(!is_signed_in(&browser, &person).await);
}
