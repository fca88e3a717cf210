//! Two parties of one session: who is asked, in which order, and what is known at the end.

use claimbridge::{
    relying_party::{LogoutBinding, RequestSignature},
    session::Desk,
};

use super::kit::{Party, SUCCESS, Sent, is_signed_in, path_of, sign_out_here, signed_in_at};
use crate::support::{PASSWORD, World, entra};

#[tokio::test]
async fn a_person_who_signs_out_here_is_signed_out_at_each_party_in_turn() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mail = Party::register(&world, "mail", LogoutBinding::Post).await;
    let mut browser = world.browser();
    let told = signed_in_at(&world, &mut browser, &person, &[&desk, &mail]).await;
    let page = browser.get("/account").await;
    assert!(
        page.text().contains("signed in to The desk, The mail"),
        "{}",
        page.text()
    );
    world.advance(60);

    let page = sign_out_here(&mut browser).await;
    // Ours is over before anybody is asked.
    assert!(!is_signed_in(&browser, &person).await);
    assert!(
        page.text().contains("signing you out of The desk too"),
        "{}",
        page.text()
    );
    let asked = Sent::of(&page);
    assert_eq!(asked.to, desk.slo);
    assert_eq!(asked.element(), "LogoutRequest");
    assert_eq!(
        asked.attribute("Destination").as_deref(),
        Some(desk.slo.as_str())
    );
    assert_eq!(asked.text_of("NameID"), told[0].name_id());
    assert_eq!(asked.text_of("SessionIndex"), told[0].session_index());
    assert_eq!(asked.text_of("Issuer"), told[0].issuer());

    let answer = desk.answer(world.now(), &asked, SUCCESS);
    let page = browser.get(&answer.signed_redirect(&desk.key)).await;
    let asked = Sent::of(&page);
    assert_eq!(asked.to, mail.slo);
    assert_eq!(asked.text_of("SessionIndex"), told[1].session_index());

    // Its answer comes by a form, which brings no cookie.
    let answer = mail.answer(world.now(), &asked, "Responder");
    let xml = answer.signed_xml(&mail.key);
    let page = answer.post(&mut browser, &xml).await;
    let text = page.text();
    assert!(text.contains("You are signed out"), "{text}");
    assert!(
        text.contains("The desk You are signed out there."),
        "{text}"
    );
    assert!(
        text.contains("The mail It says that it could not sign you out."),
        "{text}"
    );
    assert!(!browser.cookies.keys().any(|name| name.contains("session")));
}

#[tokio::test]
async fn a_party_that_asks_is_answered_when_the_others_were_asked() {
    for (binding, by_form) in [
        (LogoutBinding::Redirect, false),
        (LogoutBinding::Post, true),
    ] {
        let world = World::new().await;
        let person = world.ready("agent1@contoso.com").await;
        let desk = Party::register(&world, "desk", binding).await;
        let mail = Party::register(&world, "mail", binding).await;
        let mut browser = world.browser();
        let told = signed_in_at(&world, &mut browser, &person, &[&desk, &mail]).await;
        world.advance(60);

        let request = mail.sign_out(world.now(), &told[1]);
        let page = if by_form {
            request.post(&mut browser, &request.xml()).await
        } else {
            browser.get(&request.redirect()).await
        };
        assert!(!is_signed_in(&browser, &person).await);
        let asked = Sent::of(&page);
        assert_eq!(
            (asked.to.as_str(), asked.element().as_str()),
            (desk.slo.as_str(), "LogoutRequest")
        );

        let answer = desk.answer(world.now(), &asked, SUCCESS);
        let page = if by_form {
            answer.post(&mut browser, &answer.xml()).await
        } else {
            browser.get(&answer.redirect()).await
        };
        let said = Sent::of(&page);
        assert_eq!(
            (said.to.as_str(), said.element().as_str()),
            (mail.slo.as_str(), "LogoutResponse")
        );
        assert_eq!(said.status(), [SUCCESS]);
        assert_eq!(said.attribute("InResponseTo"), Some(request.id.clone()));
        assert_eq!(said.relay_state, request.relay_state);
        assert_eq!(said.text_of("Issuer"), told[1].issuer());
        assert!(!browser.cookies.keys().any(|name| name.contains("session")));
    }
}

#[tokio::test]
async fn a_party_that_does_not_come_back_is_gone_on_without_and_makes_it_partial() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mail = Party::register(&world, "mail", LogoutBinding::Redirect).await;
    let mut browser = world.browser();
    let told = signed_in_at(&world, &mut browser, &person, &[&desk, &mail]).await;
    let request = mail.sign_out(world.now(), &told[1]);
    let page = browser.get(&request.redirect()).await;
    assert!(page.body.contains("/assets/continue."), "goes on by itself");
    let first = Sent::of(&page);

    // The person comes back to the page: it does not go on by itself a second time.
    let page = browser.reload().await;
    assert!(!page.body.contains("/assets/continue."));
    assert!(
        page.text().contains("The desk has not said yet"),
        "{}",
        page.text()
    );
    assert_eq!(Sent::of(&page).id(), first.id(), "the same request");
    let here = path_of(&browser);
    browser.request("GET", &here, None).await;
    let form = page
        .forms()
        .into_iter()
        .find(|form| form.action == here)
        .unwrap();
    let fields: Vec<(&str, &str)> = form
        .inputs
        .iter()
        .map(|input| (input.name.as_str(), input.value.as_str()))
        .collect();
    let page = browser.post(&here, &fields).await;
    let said = Sent::of(&page);
    assert_eq!(said.status(), [SUCCESS, "PartialLogout"]);
    assert_eq!(said.to, mail.slo);

    // The answer that comes after all counts no more.
    let late = desk.answer(world.now(), &first, SUCCESS);
    let page = browser.get(&late.redirect()).await;
    assert!(page.body.contains("CB-SIGNOUT-003"), "{}", page.text());
}

#[tokio::test]
async fn what_is_known_of_each_party_is_written_down() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let none = Party::register_as(&world, "none", None, RequestSignature::Optional).await;
    let mut browser = world.browser();
    signed_in_at(&world, &mut browser, &person, &[&desk, &none]).await;
    let page = sign_out_here(&mut browser).await;
    let answer = desk.answer(world.now(), &Sent::of(&page), SUCCESS);
    let page = browser.get(&answer.redirect()).await;
    assert!(
        page.text()
            .contains("The none It cannot be asked from here."),
        "{}",
        page.text()
    );
    let mut tx = world.app().store().read().await.unwrap();
    let events = tx.events_of(&person.user.id, 100).await.unwrap();
    for (party, outcome) in [(&none, "cannot-be-asked"), (&desk, "signed-out")] {
        assert!(
            events.iter().any(|entry| {
                entry.event["event"] == "party-asked-to-sign-out"
                    && entry.event["relying_party"] == party.entity_id.as_str()
                    && entry.event["outcome"] == outcome
            }),
            "{outcome}: {events:?}"
        );
    }
}

#[tokio::test]
async fn of_two_sign_outs_at_once_one_asks_the_parties() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mail = Party::register(&world, "mail", LogoutBinding::Redirect).await;
    let mut browser = world.browser();
    let told = signed_in_at(&world, &mut browser, &person, &[&desk, &mail]).await;
    let request = mail.sign_out(world.now(), &told[1]).redirect();
    let page = browser.get("/sign-out").await;
    let form = page
        .forms()
        .into_iter()
        .find(|form| form.action == "/sign-out")
        .unwrap();
    let (mut one, mut two) = (browser.clone(), browser.clone());
    let (by_party, by_person) = tokio::join!(one.get(&request), two.send_form(&form, &[]));
    let asks = |page: &crate::support::Page| page.body.contains("SAMLRequest");
    // Whoever came second is led to the list of the first, or answered.
    let asking = [&by_party, &by_person]
        .into_iter()
        .filter(|page| asks(page));
    let lists: std::collections::BTreeSet<String> =
        asking.map(|page| Sent::of(page).id()).collect();
    assert_eq!(lists.len(), 1, "{}\n{}", by_party.text(), by_person.text());
    // The party is answered in any case, or will be at the end of its list. The desk has not
    // said so yet.
    if !asks(&by_party) {
        let said = Sent::of(&by_party).status();
        assert_eq!(said, [SUCCESS, "PartialLogout"]);
    }
    assert!(!is_signed_in(&browser, &person).await);
}

#[tokio::test]
async fn attack_36_a_sign_out_goes_on_in_its_own_browser_only() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let other = world.ready("agent2@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mut browser = world.browser();
    signed_in_at(&world, &mut browser, &person, &[&desk]).await;
    sign_out_here(&mut browser).await;
    let path = path_of(&browser);

    let mut stranger = world.browser();
    let page = stranger.get(&path).await;
    assert!(
        !page.body.contains("SAMLRequest") && !page.text().contains("desk"),
        "{}",
        page.text()
    );
    let mut signed_in = world.browser();
    signed_in_at(&world, &mut signed_in, &other, &[&desk]).await;
    let page = signed_in.get(&path).await;
    assert!(page.body.contains("CB-SIGNOUT-003"), "{}", page.text());
    let page = signed_in.get("/sign-out").await;
    let csrf = page.forms()[0].inputs[0].value.clone();
    let page = signed_in.post(&path, &[("csrf", &csrf)]).await;
    assert!(page.body.contains("CB-SIGNOUT-003"), "{}", page.text());
    assert!(is_signed_in(&signed_in, &other).await);
    // Its own browser is where it was.
    assert!(browser.reload().await.body.contains("SAMLRequest"));
    // It ends by itself.
    world.advance(15 * 60);
    let page = browser.reload().await;
    assert!(page.body.contains("CB-SIGNOUT-003"), "{}", page.text());
}

#[tokio::test]
async fn at_a_clean_desk_nothing_that_was_begun_can_be_gone_on_with() {
    let mut world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    world.settings.desk = Desk::Clean;
    world.start_node().await;
    let node = world.nodes.len() - 1;
    let mut browser = world.browser_on(node);
    browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await
        .expect_answer();
    world.advance(30);
    // Half of another sign-in stands in another tab; and one of the same person elsewhere.
    let mut elsewhere = world.browser_on(node);
    elsewhere.start(&entra::request(world.now())).await;
    elsewhere.submit_password(person.upn(), PASSWORD).await;
    let mut tab = browser.clone();
    tab.start(&entra::request(world.now()).with(r#"ForceAuthn="true""#))
        .await;
    let page = tab.submit_password(person.upn(), PASSWORD).await;
    assert!(page.asks_for_code(), "{}", page.text());
    // Tabs have one jar.
    browser.cookies.extend(tab.cookies.clone());
    sign_out_here(&mut browser).await;
    let page = tab.submit_code(&person.code(world.now())).await;
    assert!(page.answer().is_none(), "{}", page.text());
    assert!(page.body.contains("CB-SIGNIN-004"), "{}", page.text());
    // What is done at another desk goes on.
    let page = elsewhere.submit_code(&person.code(world.now())).await;
    page.expect_answer();
}

#[tokio::test]
async fn entra_is_asked_last_and_answered_by_a_form() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mut browser = world.browser();
    let answer = browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await
        .expect_answer();
    browser
        .start(&desk.sign_in(world.now()))
        .await
        .expect_answer();
    let page = sign_out_here(&mut browser).await;
    let first = Sent::of(&page);
    assert_eq!(first.to, desk.slo);
    let page = browser
        .get(&desk.answer(world.now(), &first, SUCCESS).redirect())
        .await;
    let last = Sent::of(&page);
    assert_eq!((last.to.as_str(), &last.query), (entra::LOGIN_SRF, &None));
    assert_eq!(last.text_of("SessionIndex"), answer.session_index());
    assert_eq!(last.text_of("NameID"), answer.name_id());
}
