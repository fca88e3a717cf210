//! A LogoutRequest that was answered "not this session" has no later effect.

use claimbridge::relying_party::LogoutBinding;

use super::kit::{
    Logout, Party, SUCCESS, Sent, is_signed_in, path_of, sign_out_here, signed_in_at,
    world_with_limit,
};
use crate::support::{Browser, Page, World};

/// By a form no domain is named: as long as the session told the party nothing, nobody can speak,
/// and the person sees our page.
fn is_refused(page: &Page) {
    if page.body.contains("CB-SIGNOUT-005") {
        return;
    }
    assert_eq!(
        Sent::of(page).status(),
        ["Requester", "UnknownPrincipal"],
        "{}",
        page.text()
    );
}

async fn sends(request: &Logout, by_form: bool, browser: &mut Browser) -> Page {
    if by_form {
        request.post(browser, &request.xml()).await
    } else {
        let address = format!("{}&domain=contoso.com", request.redirect());
        browser.get(&address).await
    }
}

#[tokio::test]
async fn attack_15_a_request_that_was_told_no_ends_nothing_when_its_party_is_told_later() {
    for by_form in [false, true] {
        let world = World::new().await;
        let person = world.ready("agent1@contoso.com").await;
        let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
        let mail = Party::register(&world, "mail", LogoutBinding::Redirect).await;
        let mut browser = world.browser();
        let told = signed_in_at(&world, &mut browser, &person, &[&mail]).await;
        // Every session of this person; and this browser's told the desk nothing so far.
        let mut request = desk.sign_out(world.now(), &told[0]);
        let whole = request.rest.split("<p:SessionIndex>").next().unwrap();
        let whole = whole.to_owned();
        request.rest.clone_from(&whole);
        is_refused(&sends(&request, by_form, &mut browser).await);
        let kept = by_form.then(|| path_of(&browser));
        // The desk is told now; the same request comes once more, also after a new sign-in here.
        browser
            .start(&desk.sign_in(world.now()))
            .await
            .expect_answer();
        is_refused(&sends(&request, by_form, &mut browser).await);
        if let Some(page) = &kept {
            is_refused(&browser.get(page).await);
        }
        world.advance(30);
        let anew = desk.sign_in(world.now()).with(r#"ForceAuthn="true""#);
        browser
            .sign_in(&anew, person.upn(), &person.code(world.now()))
            .await
            .expect_answer();
        is_refused(&sends(&request, by_form, &mut browser).await);
        assert!(is_signed_in(&browser, &person).await, "{by_form}");
        // It keeps no other browser's session from being ended, and no other request.
        let mut other = world.browser();
        world.advance(30);
        let told = signed_in_at(&world, &mut other, &person, &[&desk]).await;
        let page = sends(&request, by_form, &mut other).await;
        assert_eq!(Sent::of(&page).status(), [SUCCESS], "{}", page.text());
        assert!(!is_signed_in(&other, &person).await, "{by_form}");
        let next = Logout {
            rest: whole,
            ..desk.sign_out(world.now(), &told[0])
        };
        let page = sends(&next, by_form, &mut browser).await;
        assert_eq!(Sent::of(&page).to, mail.slo, "the others are asked");
        assert!(!is_signed_in(&browser, &person).await, "{by_form}");
    }
}

/// The party was not answered, and the person saw our page: the same.
#[tokio::test]
async fn attack_15_a_request_that_nobody_could_answer_ends_nothing_later() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mail = Party::register(&world, "mail", LogoutBinding::Redirect).await;
    let mut browser = world.browser();
    let told = signed_in_at(&world, &mut browser, &person, &[&mail]).await;
    let mut request = desk.sign_out(world.now(), &told[0]);
    let whole = request.rest.split("<p:SessionIndex>").next().unwrap();
    request.rest = whole.to_owned();
    let page = browser.get(&request.redirect()).await;
    assert!(page.body.contains("CB-SIGNOUT-005"), "{}", page.text());
    browser
        .start(&desk.sign_in(world.now()))
        .await
        .expect_answer();
    browser.get(&request.redirect()).await;
    assert!(is_signed_in(&browser, &person).await);
}

/// How many are signed for a network address in the test below.
const LIMIT: u32 = 5;

/// The neighbours of this browser used up what is signed for its network address: the same.
#[tokio::test]
async fn attack_15_a_request_that_was_told_no_without_a_signature_ends_nothing_later() {
    let world = world_with_limit(LIMIT).await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mail = Party::register(&world, "mail", LogoutBinding::Redirect).await;
    let mut browser = world.browser();
    let told = signed_in_at(&world, &mut browser, &person, &[&mail]).await;
    let next = |count: usize| {
        let mut request = desk.sign_out(world.now(), &told[0]);
        request.id = format!("_next{count}");
        let whole = request.rest.split("<p:SessionIndex>").next().unwrap();
        request.rest = whole.to_owned();
        request
    };
    // As many as one session may have, and one more.
    let mut signed = 0;
    for count in 0..=200 {
        let page = sends(&next(count), false, &mut browser).await;
        is_refused(&page);
        signed += u32::from(!page.body.contains("CB-SIGNOUT-005"));
    }
    assert_eq!(signed, LIMIT);
    browser
        .start(&desk.sign_in(world.now()))
        .await
        .expect_answer();
    for count in [0, 1, 199] {
        let page = sends(&next(count), false, &mut browser).await;
        assert!(page.body.contains("CB-SIGNOUT-005"), "{}", page.text());
        assert!(is_signed_in(&browser, &person).await, "{count}");
    }
    // What nobody could write down any more is a request like any other.
    sends(&next(200), false, &mut browser).await;
    assert!(!is_signed_in(&browser, &person).await);
}

/// What is asked while another sign-out is under way: not everybody has said so yet.
#[tokio::test]
async fn a_party_that_asks_during_another_sign_out_is_told_that_it_is_partial() {
    for by_form in [false, true] {
        let world = World::new().await;
        let person = world.ready("agent1@contoso.com").await;
        let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
        let mail = Party::register(&world, "mail", LogoutBinding::Redirect).await;
        let mut browser = world.browser();
        let told = signed_in_at(&world, &mut browser, &person, &[&desk, &mail]).await;
        let asked = Sent::of(&sign_out_here(&mut browser).await);
        assert_eq!(asked.to, desk.slo, "the desk hangs");
        let mut tab = browser.clone();
        let page = sends(&mail.sign_out(world.now(), &told[1]), by_form, &mut tab).await;
        let said = Sent::of(&page);
        assert_eq!(said.to, mail.slo);
        assert_eq!(said.status(), [SUCCESS, "PartialLogout"], "{by_form}");
        // When all the others have said so, it is whole.
        browser
            .get(&desk.answer(world.now(), &asked, SUCCESS).redirect())
            .await;
        let request = mail.sign_out(world.now(), &told[1]);
        let page = sends(&request, by_form, &mut tab).await;
        assert_eq!(Sent::of(&page).status(), [SUCCESS], "{by_form}");
    }
}
