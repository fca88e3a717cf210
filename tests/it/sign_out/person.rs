//! What the person presses, and what the page may say of it.

use axum::http::StatusCode;

use super::kit::{Sent, is_signed_in, path_of, sign_out_here};
use crate::support::{Browser, PASSWORD, Person, World, entra};

/// What must not be hidden from who suspects a thief.
const STILL: &str = "They may still be signed in.";

async fn signed_in(world: &World, person: &Person) -> Browser {
    let mut browser = world.browser();
    let request = entra::request(world.now());
    browser
        .sign_in(&request, person.upn(), &person.code(world.now()))
        .await
        .expect_answer();
    browser
}

#[tokio::test]
async fn everywhere_from_a_session_that_is_over_ends_that_one_only_and_says_so() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut desk = signed_in(&world, &person).await;
    desk.get("/account").await;
    // Over lunch the session here ends by itself; somebody is signed in elsewhere.
    world.advance(61 * 60);
    let thief = signed_in(&world, &person).await;
    // This browser's is ended, with its parties; of the others nothing is, on every page.
    let page = desk.press("/sign-out/everywhere").await;
    assert_eq!(Sent::of(&page).to, entra::LOGIN_SRF);
    assert!(page.text().contains(STILL), "{}", page.text());
    let here = path_of(&desk);
    let page = desk.press(&here).await;
    assert!(is_signed_in(&thief, &person).await);
    let text = page.text();
    assert!(
        text.contains("Only this browser is signed out") && text.contains(STILL),
        "{text}"
    );
    assert!(
        !text.contains("All your browsers") && !text.contains("You are signed out"),
        "{text}"
    );
    assert!(page.body.contains("href=\"/account\""), "{}", page.body);
    assert!(!desk.cookies.keys().any(|name| name.contains("session")));
    // By that link the person signs in, and presses it again.
    let mut desk = world.browser();
    world.advance(30);
    desk.get("/account").await;
    desk.submit_password(person.upn(), PASSWORD).await;
    desk.submit_code(&person.code(world.now())).await;
    desk.get("/account").await;
    let page = desk.press("/sign-out/everywhere").await;
    assert!(page.text().contains("All your browsers"), "{}", page.text());
    assert!(!is_signed_in(&thief, &person).await);
}

#[tokio::test]
async fn everywhere_after_it_was_ended_or_forgotten_says_so_too() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    for statement in [
        "UPDATE sessions SET revoked_at = 1 WHERE revoked_at IS NULL",
        "DELETE FROM sessions WHERE revoked_at IS NULL",
    ] {
        world.advance(180);
        let mut desk = signed_in(&world, &person).await;
        desk.get("/account").await;
        world.sql().await.run(statement).await;
        let page = desk.press("/sign-out/everywhere").await;
        assert_eq!(page.status, StatusCode::CONFLICT);
        let text = page.text();
        assert!(text.contains("Nothing was ended"), "{statement}: {text}");
        assert!(text.contains(STILL), "{statement}: {text}");
    }
}

#[tokio::test]
async fn a_sign_out_forgets_the_last_answer_of_its_own_browser_only() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut one = signed_in(&world, &person).await;
    world.advance(30);
    let mut two = signed_in(&world, &person).await;
    let at = one.at.clone();
    one.get(&at).await.expect_answer();
    sign_out_here(&mut one).await;
    let page = one.get(&at).await;
    assert!(page.answer().is_none(), "{}", page.text());
    // The answer that is under way in the other browser can be had again.
    two.reload_attempt().await.expect_answer();
}
