//! An attempt belongs to one browser and to one person.

use crate::support::{PASSWORD, World, entra};

#[tokio::test]
async fn attack_36_a_mailed_link_opens_nothing_before_between_and_after_the_factors() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut own = world.browser();
    own.start(&entra::request(world.now())).await;
    let link = own.at.clone();
    let refused = |page: &crate::support::browser::Page| {
        page.answer().is_none() && !page.asks_for_password() && !page.asks_for_code()
    };

    let mut thief = world.browser();
    assert!(refused(&thief.get(&link).await), "before");
    own.submit_password(person.upn(), PASSWORD).await;
    let page = thief.get(&link).await;
    assert!(
        refused(&page) && !page.text().contains("agent1"),
        "between: {}",
        page.text()
    );
    // The thief has an attempt of his own, and with it a cookie of his own.
    thief.start(&entra::request(world.now())).await;
    assert!(refused(&thief.get(&link).await), "with another binding");
    own.submit_code(&person.code(world.now()))
        .await
        .expect_answer();
    assert!(refused(&thief.get(&link).await), "after");
    assert_eq!(thief.page.as_ref().unwrap().status, 403);
    assert!(
        own.get(&link).await.answer().is_some(),
        "the own browser gets the same bytes again"
    );
}

#[tokio::test]
async fn attack_36_the_victim_of_a_mailed_link_proves_nothing_for_its_sender() {
    let world = World::new().await;
    let victim = world.ready("victim@contoso.com").await;
    let mut sender = world.browser();
    sender.start(&entra::request(world.now())).await;
    let form = sender.page.clone().unwrap().forms().remove(0);
    let mut mailed = world.browser();
    // Even the sender's whole form, hidden fields and all, sent by the victim's browser.
    let page = mailed
        .send_form(
            &form,
            &[("username", victim.upn()), ("current-password", PASSWORD)],
        )
        .await;
    assert!(
        page.answer().is_none() && !page.asks_for_code(),
        "{}",
        page.text()
    );
    assert!(
        sender.reload().await.asks_for_password(),
        "nothing was proved in the sender's attempt"
    );
}

#[tokio::test]
async fn attack_1_two_people_in_two_browsers_cannot_swap_attempts() {
    let world = World::new().await;
    let one = world.ready("one@contoso.com").await;
    let two = world.ready("two@contoso.com").await;
    let mut first = world.browser();
    let mut second = world.browser();
    first.start(&entra::request(world.now())).await;
    second.start(&entra::request(world.now())).await;
    let first_code = first.submit_password(one.upn(), PASSWORD).await;
    second.submit_password(two.upn(), PASSWORD).await;
    // Two's second factor in one's attempt, from one's browser.
    let page = first.submit_code(&two.code(world.now())).await;
    assert!(page.answer().is_none() && page.asks_for_code());
    // One's form sent from two's browser.
    let form = first_code
        .forms()
        .into_iter()
        .find(|form| {
            form.inputs
                .iter()
                .any(|input| input.autocomplete == "one-time-code")
        })
        .unwrap();
    let page = second
        .send_form(&form, &[("one-time-code", &two.code(world.now()))])
        .await;
    assert!(page.answer().is_none(), "{}", page.text());
    // Each in the own attempt.
    let answer = first.submit_code(&one.code(world.now())).await;
    assert_eq!(
        answer.expect_answer().name_id().unwrap(),
        one.user.immutable_id.unwrap().as_str()
    );
}

#[tokio::test]
async fn attack_1_an_attempt_stays_with_the_person_who_began_it() {
    let world = World::new().await;
    let one = world.ready("one@contoso.com").await;
    let two = world.ready("two@contoso.com").await;
    let mut browser = world.browser();
    let page = browser.start(&entra::request(world.now())).await;
    let form = page
        .forms()
        .into_iter()
        .find(|form| {
            form.inputs
                .iter()
                .any(|input| input.autocomplete == "current-password")
        })
        .unwrap();
    browser.submit_password(one.upn(), PASSWORD).await;
    // A second tab with the first page still open signs in as somebody else.
    let page = browser
        .send_form(
            &form,
            &[("username", two.upn()), ("current-password", PASSWORD)],
        )
        .await;
    assert!(
        page.answer().is_none() && !page.asks_for_code(),
        "{}",
        page.text()
    );
    let page = browser.get(&form_path(&form.action)).await;
    assert!(
        page.asks_for_code() || page.asks_for_password(),
        "{}",
        page.text()
    );
}

fn form_path(action: &str) -> String {
    let parts: Vec<&str> = action.split('/').take(3).collect();
    parts.join("/")
}

#[tokio::test]
async fn attack_15_a_request_id_is_answered_once_and_to_the_browser_that_brought_it() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let request = entra::request(world.now());
    let mut own = world.browser();
    own.start(&request).await;
    let first = own.at.clone();
    own.start(&request).await;
    assert_eq!(own.at, first, "the same browser goes on with its attempt");
    let mut other = world.browser();
    let page = other.start(&request).await;
    assert!(
        page.status.is_client_error() && page.answer().is_none(),
        "{}",
        page.text()
    );

    own.submit_password(person.upn(), PASSWORD).await;
    let answer = own
        .submit_code(&person.code(world.now()))
        .await
        .expect_answer();
    assert_eq!(answer.in_response_to().as_ref(), Some(&request.id));
    world.advance(59);
    assert_eq!(
        own.get(&first).await.expect_answer().xml,
        answer.xml,
        "the same bytes for a minute"
    );
    world.advance(2);
    let page = own.get(&first).await;
    assert!(page.answer().is_none(), "{}", page.text());
    let page = own.start(&request).await;
    assert!(
        page.answer().is_none(),
        "an answered request is over: {}",
        page.text()
    );
}

#[tokio::test]
async fn attack_5_an_attempt_ends_after_fifteen_minutes() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    world.advance(15 * 60 - 1);
    assert!(
        browser
            .submit_password(person.upn(), PASSWORD)
            .await
            .asks_for_code()
    );
    world.advance(1);
    let page = browser.submit_code(&person.code(world.now())).await;
    assert!(page.answer().is_none(), "{}", page.text());
    assert!(page.status.is_client_error());
}
