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

#[tokio::test]
async fn attack_38_an_enrolment_written_by_hand_shows_no_secret_and_sets_no_password() {
    let world = World::new().await;
    let victim = world.ready("victim@contoso.com").await;
    let sql = world.sql().await;
    let mut thief = world.browser();
    thief.start(&entra::request(world.now())).await;
    let attempt = thief.at.split('/').nth(2).unwrap().to_owned();
    let user = &victim.user.id;
    sql.run(&format!(
        "UPDATE attempts SET user_id = '{user}' WHERE id = '{attempt}'"
    ))
    .await;
    sql.run(&format!(
        "INSERT INTO enrolments (attempt, user_id, pass, credential, expires_at, finished_at, tag)
         SELECT '{attempt}', '{user}', (SELECT id FROM access_passes LIMIT 1), id, {}, NULL, 'made up'
         FROM totp WHERE user_id = '{user}'",
        world.now().as_millis() + 600_000
    ))
    .await;
    sql.run(&format!(
        "UPDATE totp SET confirmed_at = NULL WHERE user_id = '{user}'"
    ))
    .await;
    let page = thief.get(&format!("/sign-in/{attempt}")).await;
    assert!(!page.body.contains("otpauth"), "{}", page.text());
    sql.run(&format!("DELETE FROM passwords WHERE user_id = '{user}'"))
        .await;
    let page = thief.get(&format!("/sign-in/{attempt}")).await;
    assert!(
        page.forms().is_empty(),
        "no form to choose a password: {}",
        page.text()
    );
    let chosen = world
        .app()
        .choose_password(
            &attempt.parse().unwrap(),
            &thief.app_cookies(),
            claimbridge::base::secret::Secret::new("the thief's password".to_owned()),
        )
        .await;
    assert!(chosen.is_err());
    let mut tx = world.app().store().read().await.unwrap();
    let events = tx.events_of(user, 50).await.unwrap();
    assert!(events.iter().any(|event| event.kind() == "tampering-found"));
}

#[tokio::test]
async fn attack_38_a_kept_answer_put_under_another_cookie_stays_closed() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut own = world.browser();
    own.sign_in(
        &entra::request(world.now()),
        person.upn(),
        &person.code(world.now()),
    )
    .await
    .expect_answer();
    let answered = own.at.split('/').nth(2).unwrap().to_owned();
    let mut thief = world.browser();
    thief.start(&entra::request(world.now())).await;
    let open = thief.at.split('/').nth(2).unwrap().to_owned();
    world
        .sql()
        .await
        .run(&format!(
            "UPDATE attempts SET browser = (SELECT browser FROM attempts WHERE id = '{open}') WHERE id = '{answered}'"
        ))
        .await;
    let cookie = thief
        .cookies
        .iter()
        .find(|(name, _)| name.contains(&open))
        .unwrap();
    let moved = (cookie.0.replace(&open, &answered), cookie.1.clone());
    thief.cookies.insert(moved.0, moved.1);
    let page = thief.get(&format!("/sign-in/{answered}")).await;
    assert!(page.answer().is_none(), "{}", page.text());
}

#[tokio::test]
async fn attack_39_an_answer_goes_only_where_its_party_is_registered_now() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    browser.submit_password(person.upn(), PASSWORD).await;
    world
        .sql()
        .await
        .run("UPDATE attempts SET request = REPLACE(request, 'https://login.microsoftonline.com/login.srf', 'https://evil.example/') WHERE answered_at IS NULL")
        .await;
    let page = browser.submit_code(&person.code(world.now())).await;
    assert!(
        page.answer().is_none() && !page.body.contains("evil.example"),
        "{}",
        page.text()
    );
}

/// A party's row written by hand, under a name that Entra may take for its own: with it a
/// live session would be an assertion for Entra in somebody else's hands.
#[tokio::test]
async fn attack_39_a_party_of_microsofts_name_written_by_hand_gets_nothing() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let sql = world.sql().await;
    for name in [
        "urn:federation:microsoftonline.us",
        "URN:federation:MicrosoftOnline",
        "https://login.microsoftonline.com/extSTS.srf",
        "https://sts.windows.net/0b5c1d2e/",
    ] {
        sql.run(&format!(
            "INSERT INTO relying_parties (entity_id, display_name, kind, reply_urls, request_certificates,
               request_signature, sha1, response_signature, session_max_age)
             VALUES ('{name}', 'Travel', 'service-provider',
               '[{{\"index\":0,\"url\":\"https://evil.example/acs\",\"preferred\":true}}]', '[]',
               'optional', 'refused', 'assertion-only', 28800000)"
        ))
        .await;
        let request = entra::AuthnRequest {
            issuer: name.to_owned(),
            ..entra::request(world.now())
        };
        let mut browser = world.browser();
        let page = browser.start(&request).await;
        assert_eq!(page.status.as_u16(), 403, "{name}: {}", page.text());
        assert!(!page.body.contains("evil.example"), "{name}");
        // Nor a sign-in that had begun before, when its row is turned into one for that name.
        browser.start(&entra::request(world.now())).await;
        let attempt = browser.at.split('/').nth(2).unwrap().to_owned();
        browser.submit_password(person.upn(), PASSWORD).await;
        sql.run(&format!(
            "UPDATE attempts SET request = REPLACE(REPLACE(request, 'urn:federation:MicrosoftOnline', '{name}'),
               'https://login.microsoftonline.com/login.srf', 'https://evil.example/acs') WHERE id = '{attempt}'"
        ))
        .await;
        let page = browser.submit_code(&person.code(world.now())).await;
        assert!(
            page.answer().is_none() && !page.body.contains("evil.example"),
            "{name}: {}",
            page.text()
        );
        world.advance(30);
    }
}

/// What stands beside the secret is under its tag too.
#[tokio::test]
async fn attack_38_a_method_whose_parameters_were_altered_proves_nothing_and_is_an_alarm() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let sql = world.sql().await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    browser.submit_password(person.upn(), PASSWORD).await;
    let parameters = claimbridge::directory::TotpParameters {
        period: 60,
        ..claimbridge::directory::TotpParameters::default()
    };
    sql.run(&format!(
        "UPDATE totp SET period = 60 WHERE user_id = '{}'",
        person.user.id
    ))
    .await;
    let slow = claimbridge::factor::totp::code_at(&person.secret, parameters, world.now());
    let page = browser.submit_code(&slow.unwrap()).await;
    assert!(page.answer().is_none(), "{}", page.text());
    let mut tx = world.app().store().read().await.unwrap();
    let events = tx.events_of(&person.user.id, 50).await.unwrap();
    assert!(events.iter().any(|event| event.kind() == "tampering-found"));
}

/// A pass keeps to the terms on which it was issued.
#[tokio::test]
async fn attack_38_a_pass_whose_terms_were_altered_opens_nothing() {
    for altered in [
        "expires_at = expires_at + 86400000",
        "expires_at = expires_at - 1",
        "starts_at = starts_at - 1",
        "reuse = 'until-expiry'",
    ] {
        let world = World::new().await;
        world.add_user("agent1@contoso.com").await;
        let pass = world.issue_pass("agent1@contoso.com").await;
        let sql = world.sql().await;
        sql.run(&format!("UPDATE access_passes SET {altered}"))
            .await;
        let mut browser = world.browser();
        browser.start(&entra::request(world.now())).await;
        browser
            .submit_password("agent1@contoso.com", PASSWORD)
            .await;
        let page = browser.submit_pass(&pass).await;
        assert!(page.asks_for_pass(), "{altered}: {}", page.text());
    }
}
