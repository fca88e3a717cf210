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
        // Each code counts once.
        world.advance(30);
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

/// Any page can name any party: only one that was told over WS-Federation can have begun it.
#[tokio::test]
async fn the_party_that_is_named_is_listed_and_not_left_out_without_a_word() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    // Over SAML: it is asked like any other.
    let mut browser = world.browser();
    signed_in_at(&world, &mut browser, &person, &[&desk]).await;
    let page = browser
        .get(&sign_out(&[("wtrealm", &desk.entity_id)]))
        .await;
    assert_eq!(Sent::of(&page).to, desk.slo);

    // Over WS-Federation, and the only one: the person learns that it is not known.
    world.advance(180);
    let mut browser = world.browser();
    signed_in_at_entra(&world, &mut browser, &person).await;
    let realm = ("wtrealm", "urn:federation:MicrosoftOnline");
    let page = browser.get(&sign_out(&[realm])).await;
    assert!(!is_signed_in(&browser, &person).await);
    assert!(
        page.text()
            .contains("Microsoft Entra ID It began this; whether it signed you out is not known."),
        "{}",
        page.text()
    );
    assert!(!page.body.contains("<iframe"), "it is not asked");
    let mut tx = world.app().store().read().await.unwrap();
    let events = tx.events_of(&person.user.id, 100).await.unwrap();
    assert!(
        events.iter().any(|entry| {
            entry.event["event"] == "party-asked-to-sign-out"
                && entry.event["relying_party"] == realm.1
                && entry.event["outcome"] == "began-it"
        }),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_clean_up_in_a_window_of_its_own_is_a_sign_out_that_asks_the_others() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mut browser = world.browser();
    signed_in_at(&world, &mut browser, &person, &[&desk]).await;
    let clean_up = "/wsfed?wa=wsignoutcleanup1.0&wreply=https%3A%2F%2Fevil.example%2F";
    // In a frame, and as a part of a page: empty, and the others cannot be asked.
    for dest in ["iframe", "image", "empty"] {
        let mut framed = browser.clone();
        framed.cookies.clear();
        framed.says = vec![("sec-fetch-mode", "navigate"), ("sec-fetch-dest", dest)];
        let page = framed.request("GET", clean_up, None).await;
        assert_eq!(
            (page.status.as_u16(), page.body.as_str()),
            (200, ""),
            "{dest}"
        );
    }
    browser.says = vec![
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    let page = browser.clone().request("GET", clean_up, None).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(is_signed_in(&browser, &person).await, "it only leads on");
    let page = browser.get(clean_up).await;
    assert_eq!(Sent::of(&page).to, desk.slo);
    assert!(!is_signed_in(&browser, &person).await);
}

/// A listed address is not forgotten because another sign-out is under way.
#[tokio::test]
async fn whoever_comes_during_a_sign_out_is_led_back_at_its_end_to_a_listed_address() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let listed = "https://mail.example.com/acs";
    Party::register(&world, "mail", LogoutBinding::Redirect).await;
    for (first, replies, to) in [
        // The person began it.
        (None, vec!["https://evil.example/"], None),
        (None, vec![LOGIN_SRF, listed], Some(LOGIN_SRF)),
        // A party did, which named no address, or one.
        (Some(vec![]), vec![LOGIN_SRF], Some(LOGIN_SRF)),
        (
            Some(vec![("wreply", listed)]),
            vec![LOGIN_SRF],
            Some(listed),
        ),
    ] {
        world.advance(180);
        let words = format!("{first:?} {replies:?}");
        let mut browser = world.browser();
        signed_in_at(&world, &mut browser, &person, &[&desk]).await;
        let page = match &first {
            None => super::kit::sign_out_here(&mut browser).await,
            Some(more) => browser.get(&sign_out(more)).await,
        };
        let asked = Sent::of(&page);
        let mut tab = browser.clone();
        for reply in replies {
            let page = tab.get(&sign_out(&[("wreply", reply)])).await;
            assert_eq!(Sent::of(&page).id(), asked.id(), "{words}: it goes on");
        }
        let answer = desk.answer(world.now(), &asked, SUCCESS).redirect();
        let mut page = browser.request("GET", &answer, None).await;
        while let Some(here) = page.redirect().filter(|here| here.starts_with('/')) {
            page = browser.request("GET", &here, None).await;
        }
        let left = page.redirect().or_else(|| page.link());
        assert_eq!(left.as_deref(), to, "{words}: {}", page.text());
        // Whoever signed out here reads what came of it, and goes on when that is read.
        assert_eq!(page.redirect().is_none(), first.is_none(), "{words}");
        assert!(!page.body.contains("/assets/continue."), "{words}");
    }
}
