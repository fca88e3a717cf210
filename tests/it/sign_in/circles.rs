//! A browser that runs in a circle between a party and us is stopped, and none else is.

use claimbridge::{
    app::relying_parties,
    relying_party::{
        EntityId, EntraCloud, RelyingParty, RelyingPartyKind, ReplyUrl, RequestSignature,
    },
};

use super::step_up::{sign_in, start};
use crate::support::{Browser, PASSWORD, Page, Person, World, entra};

const SHOP: &str = "https://shop.example/metadata";

#[tokio::test]
async fn the_fourth_round_trip_in_two_minutes_stops_at_a_page_that_says_why() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    sign_in(&world, &mut browser, &person).await;
    for _ in 0..2 {
        world.advance(10);
        start(&world, &mut browser).await.expect_answer();
    }
    world.advance(10);
    let page = start(&world, &mut browser).await;
    assert!(page.answer().is_none(), "{}", page.text());
    assert_eq!(page.status.as_u16(), 429);
    let text = page.text();
    for words in [
        "CB-SIGNIN-015",
        "federatedIdpMfaBehavior",
        "domain verify contoso.com",
        "finds nothing in the last answer that Entra would refuse",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // Nor is anything stopped but the way to this party.
    let mut elsewhere = world.browser();
    elsewhere.cookies = browser.cookies.clone();
    let page = elsewhere.get("/account").await;
    assert!(page.text().contains(person.upn()), "{}", page.text());
    let other = world.ready("agent2@contoso.com").await;
    let mut elsewhere = world.browser();
    let request = entra::request(world.now());
    let code = other.code(world.now());
    let answer = elsewhere.sign_in(&request, other.upn(), &code).await;
    answer.expect_answer();
    // The same address goes on once the two minutes are over.
    world.advance(100);
    browser.reload_attempt().await.expect_answer();
}

/// A request that came, before anybody looks at its page.
async fn begun(world: &World, browser: &mut Browser) -> String {
    let request = entra::request(world.now()).redirect();
    let page = browser.request("GET", &request, None).await;
    page.redirect().unwrap()
}

/// As for Entra that wants everything anew.
async fn both_factors(world: &World, browser: &mut Browser, person: &Person) -> Page {
    let request = entra::request(world.now()).with(r#"ForceAuthn="true""#);
    browser.start(&request).await;
    browser.submit_password(person.upn(), PASSWORD).await;
    browser.submit_code(&person.code(world.now())).await
}

#[tokio::test]
async fn a_circle_in_which_both_factors_are_asked_each_time_is_one_too() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    world.advance(30);
    for _ in 0..3 {
        both_factors(&world, &mut browser, &person)
            .await
            .expect_answer();
        world.advance(30);
    }
    let page = both_factors(&world, &mut browser, &person).await;
    assert_eq!(page.status.as_u16(), 429, "{}", page.text());
    // Who signs out goes out of the circle.
    browser.get("/sign-out").await;
    browser.press("/sign-out").await;
    world.advance(30);
    both_factors(&world, &mut browser, &person)
        .await
        .expect_answer();
}

#[tokio::test]
async fn two_devices_of_a_person_are_no_circle_together() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut devices = [world.browser(), world.browser()];
    for device in &mut devices {
        world.advance(30);
        both_factors(&world, device, &person).await.expect_answer();
    }
    // Six answers within two minutes, three to each: as many as one may have.
    for _ in 0..2 {
        for device in &mut devices {
            world.advance(5);
            start(&world, device).await.expect_answer();
        }
    }
    for device in &mut devices {
        let page = start(&world, device).await;
        assert_eq!(page.status.as_u16(), 429, "{}", page.text());
    }
}

/// Their receipts name a session and an attempt that there is not.
#[tokio::test]
async fn programs_with_an_application_password_are_no_circle() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    world.advance(30);
    let mut browser = world.browser();
    both_factors(&world, &mut browser, &person)
        .await
        .expect_answer();
    for number in 0..4 {
        let program = format!(
            "INSERT INTO receipts SELECT assertion_id || '{number}', attempt || '{number}', user_id,
               relying_party, request_id, issuer, name_id, 'application-password crd_a 1', 'ses_{}',
               authn_instant, issued_at, signing_key, sha256
             FROM receipts WHERE issued_at = (SELECT MAX(issued_at) FROM receipts)
               AND session NOT LIKE 'ses_bbb%'",
            "b".repeat(26)
        );
        world.sql().await.run(&program).await;
    }
    world.advance(10);
    start(&world, &mut browser).await.expect_answer();
}

#[tokio::test]
async fn tabs_that_a_browser_opens_at_once_are_all_answered() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    let mut tabs = Vec::new();
    for _ in 0..6 {
        tabs.push(begun(&world, &mut browser).await);
    }
    world.advance(10);
    // Somebody signs in in one; the others are looked at again.
    browser.get(&tabs[0]).await;
    browser.submit_password(person.upn(), PASSWORD).await;
    let page = browser.submit_code(&person.code(world.now())).await;
    page.expect_answer();
    for tab in &tabs[1..] {
        world.advance(1);
        browser.get(tab).await.expect_answer();
    }
    // They were one round; the next two are, and then it is a circle.
    for _ in 0..2 {
        world.advance(1);
        start(&world, &mut browser).await.expect_answer();
    }
    world.advance(1);
    let page = start(&world, &mut browser).await;
    assert_eq!(page.status.as_u16(), 429, "{}", page.text());
}

#[tokio::test]
async fn each_party_has_circles_of_its_own() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let shop = RelyingParty {
        entity_id: EntityId(SHOP.to_owned()),
        display_name: "Shop".to_owned(),
        kind: RelyingPartyKind::ServiceProvider,
        reply_urls: vec![ReplyUrl {
            index: 0,
            url: "https://shop.example/acs".to_owned(),
            preferred: true,
        }],
        request_signature: RequestSignature::Optional,
        ..EntraCloud::global().relying_party(Vec::new())
    };
    let app = world.app();
    relying_parties::add(app.store(), app.settings(), shop, "tester")
        .await
        .unwrap();
    let mut browser = world.browser();
    sign_in(&world, &mut browser, &person).await;
    for _ in 0..2 {
        world.advance(5);
        let mut request = entra::request(world.now());
        SHOP.clone_into(&mut request.issuer);
        browser.start(&request).await.expect_answer();
        world.advance(5);
        start(&world, &mut browser).await.expect_answer();
    }
    // The sixth answer in a row, but the third to this party.
    let mut request = entra::request(world.now());
    SHOP.clone_into(&mut request.issuer);
    browser.start(&request).await.expect_answer();
    let page = start(&world, &mut browser).await;
    assert_eq!(page.status.as_u16(), 429, "{}", page.text());
}
