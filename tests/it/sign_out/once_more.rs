//! Whoever signs out a second time while the first sign-out is under way: it goes on, by
//! whichever door, and the page says what is so.

use claimbridge::relying_party::LogoutBinding;

use super::kit::{Party, SUCCESS, Sent, is_signed_in, path_of, sign_out_here, signed_in_at};
use crate::support::{Browser, PASSWORD, Person, World, entra};

/// Another tab of the same browser, at the own account.
async fn tab_of(browser: &Browser) -> Browser {
    let mut tab = browser.clone();
    let page = tab.get("/account").await;
    assert!(
        page.text().contains("Sign out everywhere"),
        "{}",
        page.text()
    );
    tab
}

fn has_cookie(browser: &Browser) -> bool {
    browser.cookies.keys().any(|name| name.contains("session"))
}

/// The person goes on without the party that is asked.
async fn go_on_without(browser: &mut Browser) -> String {
    let here = path_of(browser);
    browser.press(&here).await.text()
}

async fn signed_in_elsewhere(world: &World, person: &Person) -> Browser {
    let mut browser = world.browser();
    world.advance(30);
    browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await
        .expect_answer();
    browser
}

#[tokio::test]
async fn every_door_leads_back_to_the_sign_out_that_is_under_way() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mail = Party::register(&world, "mail", LogoutBinding::Redirect).await;
    for door in ["/sign-out", "wsignout1.0", "wsignoutcleanup1.0", "/slo"] {
        world.advance(180);
        let mut browser = world.browser();
        let told = signed_in_at(&world, &mut browser, &person, &[&desk, &mail]).await;
        let mut tab = tab_of(&browser).await;
        tab.get("/sign-out").await;
        let first = Sent::of(&sign_out_here(&mut browser).await);
        assert_eq!(first.to, desk.slo, "it hangs there");

        let page = match door {
            "/sign-out" => tab.press("/sign-out").await,
            // The limit of its source is used up: it would be told "You are signed out".
            "/slo" => {
                let request = desk.sign_out(world.now(), &told[0]);
                for count in 0..world.settings.open_attempts_per_source {
                    let mut stranger = world.browser();
                    stranger.source.clone_from(&tab.source);
                    let request = super::kit::Logout {
                        id: format!("_{count}"),
                        ..request.clone()
                    };
                    let address = format!("{}&domain=contoso.com", request.redirect());
                    stranger.request("GET", &address, None).await;
                }
                tab.get(&request.redirect()).await
            }
            wa => {
                tab.says = vec![
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "document"),
                ];
                tab.get(&format!("/wsfed?wa={wa}")).await
            }
        };
        assert!(
            page.text().contains("The desk has not said yet"),
            "{door}: {}",
            page.text()
        );
        assert!(has_cookie(&tab), "{door}: it says whose sign-out this is");
        assert_eq!(Sent::of(&page).id(), first.id(), "{door}");
        // The others are asked, in whichever tab.
        browser.cookies = tab.cookies;
        let answer = desk.answer(world.now(), &first, SUCCESS).redirect();
        let page = browser.get(&answer).await;
        let second = Sent::of(&page);
        assert_eq!(second.to, mail.slo, "{door}");
        let answer = mail.answer(world.now(), &second, SUCCESS).redirect();
        let text = browser.get(&answer).await.text();
        for party in ["desk", "mail"] {
            let ended = format!("The {party} You are signed out there.");
            assert!(text.contains(&ended), "{door}: {text}");
        }
        assert!(!has_cookie(&browser), "{door}");
    }
}

#[tokio::test]
async fn everywhere_pressed_twice_says_twice_that_all_are_signed_out() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = signed_in_elsewhere(&world, &person).await;
    browser.get("/account").await;
    let thief = signed_in_elsewhere(&world, &person).await;
    let mut tab = tab_of(&browser).await;
    browser.press("/sign-out/everywhere").await;
    let page = tab.press("/sign-out/everywhere").await;
    assert_eq!(path_of(&tab), path_of(&browser), "one list");
    assert!(page.text().contains("signed out"), "{}", page.text());
    for text in [go_on_without(&mut browser).await, tab.reload().await.text()] {
        assert!(text.contains("All your browsers"), "{text}");
        assert!(text.contains("Microsoft Entra ID"), "{text}");
    }
    assert!(!is_signed_in(&thief, &person).await);
}

#[tokio::test]
async fn everywhere_pressed_twice_where_nobody_is_to_be_asked_too() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser.get("/account").await;
    browser.submit_password(person.upn(), PASSWORD).await;
    browser.submit_code(&person.code(world.now())).await;
    let mut tab = tab_of(&browser).await;
    browser.get("/account").await;
    for pressed in [&mut browser, &mut tab] {
        let page = pressed.press("/sign-out/everywhere").await;
        let text = page.text();
        assert!(text.contains("All your browsers"), "{text}");
        assert!(!has_cookie(pressed));
    }
}

#[tokio::test]
async fn everywhere_during_a_sign_out_here_ends_the_others_too_once() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = signed_in_elsewhere(&world, &person).await;
    let thief = signed_in_elsewhere(&world, &person).await;
    let mut tab = tab_of(&browser).await;
    let mut third = tab.clone();
    sign_out_here(&mut browser).await;
    assert!(is_signed_in(&thief, &person).await);
    tab.press("/sign-out/everywhere").await;
    assert_eq!(path_of(&tab), path_of(&browser));
    assert!(!is_signed_in(&thief, &person).await);
    // What the person begins after that is not ended by the old cookie.
    let anew = signed_in_elsewhere(&world, &person).await;
    third.press("/sign-out/everywhere").await;
    assert!(is_signed_in(&anew, &person).await);
    let text = go_on_without(&mut browser).await;
    assert!(text.contains("All your browsers"), "{text}");
    let mut tx = world.app().store().read().await.unwrap();
    let events = tx.events_of(&person.user.id, 100).await.unwrap();
    assert_eq!(
        events
            .iter()
            .filter(|entry| entry.event["event"] == "sessions-ended"
                && entry.event["reason"] == "signed-out")
            .count(),
        1,
        "{events:?}"
    );
}

/// The operator reset the person, who signs in anew: an old tab's "everywhere" ends what was there
/// before this browser signed out, and nothing of what began since.
#[tokio::test]
async fn everywhere_during_a_sign_out_here_ends_nothing_that_began_since() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = signed_in_elsewhere(&world, &person).await;
    let thief = signed_in_elsewhere(&world, &person).await;
    let mut tab = tab_of(&browser).await;
    sign_out_here(&mut browser).await;
    world.advance(1);
    let mut anew = signed_in_elsewhere(&world, &person).await;
    // And is in the middle of another sign-in.
    let request = entra::request(world.now()).with(r#"ForceAuthn="true""#);
    anew.start(&request).await;
    let page = anew.submit_password(person.upn(), PASSWORD).await;
    assert!(page.asks_for_code(), "{}", page.text());
    let page = tab.press("/sign-out/everywhere").await;
    assert!(!is_signed_in(&thief, &person).await);
    assert!(is_signed_in(&anew, &person).await);
    assert!(
        page.text().contains("Another one signed in since"),
        "{}",
        page.text()
    );
    world.advance(30);
    anew.submit_code(&person.code(world.now()))
        .await
        .expect_answer();
    let text = go_on_without(&mut browser).await;
    assert!(
        text.contains("Another one signed in since")
            && !text.contains("All your browsers are signed out of"),
        "{text}"
    );
}

/// What follows in the same browser on a session that is meant is meant too, also where somebody
/// else was signed in there before, and where the first of them is forgotten.
#[tokio::test]
async fn everywhere_during_a_sign_out_here_ends_what_followed_on_an_earlier_session_too() {
    for (is_shared, is_forgotten) in [(false, false), (true, false), (false, true)] {
        let world = World::new().await;
        let person = world.ready("agent1@contoso.com").await;
        let neighbour = world.ready("agent2@contoso.com").await;
        let mut browser = signed_in_elsewhere(&world, &person).await;
        let first = if is_shared { &neighbour } else { &person };
        let mut thief = signed_in_elsewhere(&world, first).await;
        let mut signs_in_anew = async || {
            world.advance(30);
            let request = entra::request(world.now()).with(r#"ForceAuthn="true""#);
            thief
                .sign_in(&request, person.upn(), &person.code(world.now()))
                .await
                .expect_answer();
        };
        signs_in_anew().await;
        if is_forgotten {
            let sql = world.sql().await;
            sql.run("DELETE FROM sessions WHERE revoked_at IS NOT NULL")
                .await;
        }
        let mut tab = tab_of(&browser).await;
        sign_out_here(&mut browser).await;
        signs_in_anew().await;
        assert!(is_signed_in(&thief, &person).await);
        let page = tab.press("/sign-out/everywhere").await;
        assert!(
            !is_signed_in(&thief, &person).await,
            "{is_shared} {is_forgotten}"
        );
        assert!(
            !page.text().contains("Another one signed in since"),
            "{}",
            page.text()
        );
    }
}

/// Where somebody else was signed in meanwhile nothing of the person's was left.
#[tokio::test]
async fn everywhere_during_a_sign_out_here_leaves_a_browser_that_the_person_came_back_to_since() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let neighbour = world.ready("agent2@contoso.com").await;
    let mut browser = signed_in_elsewhere(&world, &person).await;
    let mut kiosk = signed_in_elsewhere(&world, &person).await;
    let mut tab = tab_of(&browser).await;
    for who in [&neighbour, &person] {
        world.advance(30);
        let request = entra::request(world.now()).with(r#"ForceAuthn="true""#);
        kiosk
            .sign_in(&request, who.upn(), &who.code(world.now()))
            .await
            .expect_answer();
        if who.upn() == neighbour.upn() {
            sign_out_here(&mut browser).await;
        }
    }
    let page = tab.press("/sign-out/everywhere").await;
    assert!(is_signed_in(&kiosk, &person).await);
    assert!(
        page.text().contains("Another one signed in since"),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn everywhere_during_the_sign_out_of_a_session_that_was_over_cannot_end_the_others() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = signed_in_elsewhere(&world, &person).await;
    let mut tab = tab_of(&browser).await;
    browser.get("/sign-out").await;
    world.advance(61 * 60);
    let thief = signed_in_elsewhere(&world, &person).await;
    browser.press("/sign-out").await;
    tab.press("/sign-out/everywhere").await;
    assert_eq!(path_of(&tab), path_of(&browser));
    let text = go_on_without(&mut browser).await;
    assert!(
        text.contains("Only this browser is signed out") && text.contains("may still be signed in"),
        "{text}"
    );
    assert!(is_signed_in(&thief, &person).await);
}

/// A party began it, and its answer is ready: the page waits for the person, who pressed
/// "everywhere" on the way and is to read what came of it.
#[tokio::test]
async fn everywhere_on_the_way_back_to_a_party_is_answered_before_it_goes_there() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mail = Party::register(&world, "mail", LogoutBinding::Redirect).await;
    let mut browser = world.browser();
    let told = signed_in_at(&world, &mut browser, &person, &[&desk, &mail]).await;
    let mut tab = tab_of(&browser).await;
    let page = browser
        .get(&mail.sign_out(world.now(), &told[1]).redirect())
        .await;
    let asked = Sent::of(&page);
    tab.press("/sign-out/everywhere").await;
    let answer = desk.answer(world.now(), &asked, SUCCESS).redirect();
    let page = browser.get(&answer).await;
    assert!(page.text().contains("All your browsers"), "{}", page.text());
    assert!(
        !page.body.contains("/assets/continue."),
        "the person goes on"
    );
    let said = Sent::of(&page);
    assert_eq!(
        (said.to.as_str(), said.status()),
        (mail.slo.as_str(), vec![SUCCESS.to_owned()])
    );
}
