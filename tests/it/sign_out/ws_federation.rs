//! `wsignout1.0`, and one session with parties of both protocols.

use claimbridge::relying_party::LogoutBinding;

use super::kit::{Party, SUCCESS, Sent, is_signed_in, signed_in_at};
use crate::{
    support::{Browser, PASSWORD, Person, World, entra::LOGIN_SRF},
    wsfed::kit::{expect_answer, request},
};

/// Signed in at Entra over WS-Federation.
pub async fn signed_in_at_entra(world: &World, browser: &mut Browser, person: &Person) {
    browser.get(&request("ctx", &[])).await;
    browser.submit_password(person.upn(), PASSWORD).await;
    let page = browser.submit_code(&person.code(world.now())).await;
    expect_answer(&page);
}

fn sign_out(more: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new("wa=wsignout1.0".to_owned())
        .extend_pairs(more)
        .finish();
    format!("/wsfed?{query}")
}

#[tokio::test]
async fn it_ends_the_session_at_once_and_follows_a_listed_address_only() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let entra = "urn:federation:MicrosoftOnline";
    for (more, to) in [
        (vec![], None),
        (
            vec![("wtrealm", entra), ("wreply", LOGIN_SRF)],
            Some(LOGIN_SRF),
        ),
        (vec![("wreply", LOGIN_SRF)], Some(LOGIN_SRF)),
        (
            vec![("wtrealm", entra), ("wreply", "https://evil.example/")],
            None,
        ),
        (vec![("wtrealm", "urn:other"), ("wreply", LOGIN_SRF)], None),
        (vec![("wreply", LOGIN_SRF), ("wreply", LOGIN_SRF)], None),
    ] {
        let mut browser = world.browser();
        signed_in_at_entra(&world, &mut browser, &person).await;
        // Not so many answers within two minutes that it is a circle.
        world.advance(180);
        let page = browser.request("GET", &sign_out(&more), None).await;
        assert!(!is_signed_in(&browser, &person).await, "{more:?}");
        let page = match page.redirect() {
            Some(here) if here.starts_with('/') => browser.request("GET", &here, None).await,
            _ => page,
        };
        let left = page.redirect().or_else(|| page.link());
        assert_eq!(left.as_deref(), to, "{more:?}: {}", page.text());
        assert!(!page.body.contains("evil.example"));
    }
}

#[tokio::test]
async fn by_a_form_it_goes_on_by_the_address_that_brings_the_cookie() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    signed_in_at_entra(&world, &mut browser, &person).await;
    let kept = std::mem::take(&mut browser.cookies);
    let body = Some("wa=wsignout1.0".to_owned());
    let page = browser.request("POST", "/wsfed", body).await;
    browser.cookies = kept;
    assert_eq!(page.redirect().as_deref(), Some("/wsfed?wa=wsignout1.0"));
    browser.get("/wsfed?wa=wsignout1.0").await;
    assert!(!is_signed_in(&browser, &person).await);
}

#[tokio::test]
async fn a_saml_party_that_asks_learns_that_a_ws_federation_party_cannot_confirm() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mail = Party::register(&world, "mail", LogoutBinding::Post).await;
    let mut browser = world.browser();
    let told = signed_in_at(&world, &mut browser, &person, &[&desk, &mail]).await;
    let page = browser.get(&request("ctx", &[])).await;
    expect_answer(&page);
    let asked_by = desk.sign_out(world.now(), &told[0]);
    let page = browser.get(&asked_by.redirect()).await;
    let asked = Sent::of(&page);
    assert_eq!(asked.to, mail.slo);
    let answer = mail.answer(world.now(), &asked, SUCCESS);
    let page = answer.post(&mut browser, &answer.xml()).await;
    // The frame is on the page, and the way on.
    assert!(page.body.contains("<iframe"), "{}", page.body);
    let said = Sent::of(&page);
    assert_eq!(said.to, desk.slo);
    assert_eq!(said.status(), [SUCCESS, "PartialLogout"]);
    assert!(page.text().contains("The mail You are signed out there."));
}
