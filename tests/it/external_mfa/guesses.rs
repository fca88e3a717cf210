//! Guesses at this door: how many there are, and whom they keep from what.

use tokio::task::JoinSet;

use super::kit::{AGENT, Door, told};
use crate::support::{Browser, PASSWORD, entra};

/// A code that is none of these minutes.
fn wrong(right: &str) -> &'static str {
    if right == "000000" {
        "111111"
    } else {
        "000000"
    }
}

/// A browser of an address of its own, at which a code is asked for.
async fn asked(door: &Door, number: usize) -> Browser {
    let mut browser = door.world.browser();
    browser.source = format!("203.0.{}.{}", number / 250, number % 250);
    let page = door.arrive(&mut browser, &door.ask(AGENT)).await;
    assert!(page.asks_for_code(), "{}", page.text());
    browser
}

#[tokio::test]
async fn attack_2_fifty_rounds_at_once_share_one_counter() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let code = wrong(&agent.code(door.world.now()));
    let mut tries = JoinSet::new();
    for number in 0..50 {
        let mut browser = asked(&door, number).await;
        tries.spawn(async move { browser.submit_code(code).await.status.as_u16() });
    }
    let statuses = tries.join_all().await;
    let of = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    // Five were looked at, wherever they came from; nobody looked at the others.
    assert_eq!((of(403), of(429)), (5, 45), "{statuses:?}");
    // Not at a right one either, while the wait runs.
    let mut browser = asked(&door, 50).await;
    let page = browser.submit_code(&agent.code(door.world.now())).await;
    assert_eq!(page.status, 429, "{}", page.text());
    // At the other doors it runs for nobody.
    let mut browser = door.world.browser();
    browser.start(&entra::request(door.world.now())).await;
    browser.submit_password(AGENT, PASSWORD).await;
    let page = browser.submit_code(&agent.code(door.world.now())).await;
    assert!(page.answer().is_some(), "{}", page.text());
}

/// Somebody lost the phone, has a pass, and a stranger has the password: what the stranger tries
/// at whichever door keeps nobody from adding a method.
#[tokio::test]
async fn wrong_codes_at_any_door_keep_nobody_from_adding_a_method() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let code = wrong(&agent.code(door.world.now()));
    for number in 0..8 {
        let mut browser = asked(&door, number).await;
        browser.submit_code(code).await;
        let mut browser = door.world.browser();
        browser.source = format!("198.51.100.{number}");
        browser.start(&entra::request(door.world.now())).await;
        browser.submit_password(AGENT, PASSWORD).await;
        browser.submit_code(code).await;
    }
    let mut waits = asked(&door, 20).await;
    let page = waits.submit_code(&agent.code(door.world.now())).await;
    assert_eq!(page.status, 429, "{}", page.text());

    let pass = door.world.issue_pass(AGENT).await;
    let mut browser = asked(&door, 21).await;
    let by_pass = format!("{}/pass", browser.at);
    browser.get(&by_pass).await;
    browser.submit_pass(&pass).await;
    let secret = browser.choose_totp().await.totp_secret();
    let new = crate::support::Person {
        user: agent.user.clone(),
        secret,
    };
    let page = browser.confirm(&new.code(door.world.now())).await;
    assert!(browser.at.ends_with("/added"), "{}", page.text());
}

/// What is typed wrong while a method is added keeps nobody from signing in.
#[tokio::test]
async fn wrong_codes_while_a_method_is_added_wait_there_alone() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let pass = door.world.issue_pass(AGENT).await;
    let mut browser = asked(&door, 0).await;
    let by_pass = format!("{}/pass", browser.at);
    browser.get(&by_pass).await;
    browser.submit_pass(&pass).await;
    let secret = browser.choose_totp().await.totp_secret();
    let new = crate::support::Person {
        user: agent.user.clone(),
        secret,
    };
    let code = wrong(&new.code(door.world.now()));
    for _ in 0..5 {
        assert_eq!(browser.confirm(code).await.status, 403);
    }
    let page = browser.confirm(&new.code(door.world.now())).await;
    assert_eq!(page.status, 429, "{}", page.text());
    // The method that is there answers at once.
    let mut browser = asked(&door, 1).await;
    let page = browser.submit_code(&agent.code(door.world.now())).await;
    assert!(
        page.text().contains("Since your last sign-in"),
        "{}",
        page.text()
    );
    assert!(told(&browser.submit(&[]).await).is_token());
}
