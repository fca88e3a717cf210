//! Who writes into the database without the master key gets nothing (attack 38).

use crate::support::{PASSWORD, World, entra};

#[tokio::test]
async fn attack_38_rows_copied_or_written_by_hand_are_refused() {
    let world = World::new().await;
    let victim = world.ready("victim@contoso.com").await;
    let thief = world.ready("thief@contoso.com").await;
    let sql = world.sql().await;

    // The thief's own second factor, moved to the victim.
    let id = world
        .app()
        .view_user(&victim.upn().parse().unwrap())
        .await
        .unwrap()
        .methods[0]
        .id
        .clone();
    sql.run(&format!(
        "UPDATE totp SET sealed_secret = (SELECT sealed_secret FROM totp WHERE user_id = '{}' LIMIT 1) WHERE id = '{id}'",
        thief.user.id
    ))
    .await;
    let mut browser = world.browser();
    let page = browser
        .sign_in(
            &entra::request(world.now()),
            victim.upn(),
            &thief.code(world.now()),
        )
        .await;
    assert!(page.answer().is_none(), "{}", page.text());

    // The thief's password hash, moved to the victim.
    sql.run(&format!(
        "UPDATE passwords SET phc = (SELECT phc FROM passwords WHERE user_id = '{}') WHERE user_id = '{}'",
        thief.user.id, victim.user.id
    ))
    .await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    assert!(
        !browser
            .submit_password(victim.upn(), PASSWORD)
            .await
            .asks_for_code()
    );
}

#[tokio::test]
async fn attack_38_evidence_of_another_attempt_is_no_proof_and_is_an_alarm() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let sql = world.sql().await;
    let mut first = world.browser();
    first.start(&entra::request(world.now())).await;
    first.submit_password(person.upn(), PASSWORD).await;
    first
        .submit_code(&person.code(world.now()))
        .await
        .expect_answer();
    let done = first.at.split('/').nth(2).unwrap().to_owned();

    let mut second = world.browser();
    second.start(&entra::request(world.now())).await;
    second.submit_password(person.upn(), PASSWORD).await;
    let open = second.at.split('/').nth(2).unwrap().to_owned();
    sql.run(&format!(
        "INSERT INTO evidence (attempt, kind, user_id, credential, proved_at, tag)
         SELECT '{open}', kind, user_id, credential, proved_at, tag FROM evidence WHERE attempt = '{done}' AND kind = 'totp'"
    ))
    .await;
    let page = second.reload().await;
    assert!(page.answer().is_none(), "{}", page.text());
    let mut tx = world.app().store().read().await.unwrap();
    let events = tx.events_of(&person.user.id, 50).await.unwrap();
    assert!(events.iter().any(|event| event.kind() == "tampering-found"));
}

#[tokio::test]
async fn attack_38_a_session_moved_to_another_person_or_cookie_is_nothing() {
    let world = World::new().await;
    let victim = world.ready("victim@contoso.com").await;
    let thief = world.ready("thief@contoso.com").await;
    let sql = world.sql().await;
    let mut browser = world.browser();
    browser
        .sign_in(
            &entra::request(world.now()),
            thief.upn(),
            &thief.code(world.now()),
        )
        .await
        .expect_answer();
    sql.run(&format!(
        "UPDATE sessions SET user_id = '{}' WHERE user_id = '{}'",
        victim.user.id, thief.user.id
    ))
    .await;
    let page = browser.start(&entra::request(world.now())).await;
    assert!(
        page.answer().is_none() && page.asks_for_password(),
        "{}",
        page.text()
    );
    assert!(!browser.get("/account").await.text().contains("victim"));
}

#[tokio::test]
async fn attack_38_an_immutable_id_written_by_hand_releases_nothing() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let sql = world.sql().await;
    sql.run(&format!(
        "UPDATE users SET immutable_id = 'GLOBALADMIN' WHERE id = '{}'",
        person.user.id
    ))
    .await;
    let page = world
        .browser()
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await;
    assert!(page.answer().is_none(), "{}", page.text());
}
