//! The way that everyone goes.

use crate::support::{
    World,
    entra::{self, LOGIN_SRF, MULTIPLE_AUTHN},
};

#[tokio::test]
async fn password_and_code_give_an_answer_that_says_multipleauthn() {
    let world = World::new().await;
    let person = world.enrolled("agent1@contoso.com").await;
    let request = entra::request(world.now());
    let mut browser = world.browser();

    let page = browser.start(&request).await;
    assert!(
        page.asks_for_password() && !page.asks_for_code(),
        "{}",
        page.text()
    );
    world.advance(4);
    let began = world.now();
    let page = browser
        .submit_password(person.upn(), crate::support::PASSWORD)
        .await;
    assert!(page.asks_for_code(), "{}", page.text());
    world.advance(7);
    let page = browser.submit_code(&person.code(world.now())).await;
    // Enrolment left a notice that a method was added and a pass issued.
    let page = if page.answer().is_none() {
        browser.submit(&[]).await
    } else {
        page
    };

    let answer = page.expect_answer();
    assert_eq!(answer.action, LOGIN_SRF);
    assert_eq!(
        answer.relay_state.as_deref(),
        Some(request.relay_state.as_str())
    );
    assert_eq!(
        answer.in_response_to().as_deref(),
        Some(request.id.as_str())
    );
    assert_eq!(answer.class_ref().as_deref(), Some(MULTIPLE_AUTHN));
    assert_eq!(
        answer.name_id().as_deref(),
        Some(person.user.immutable_id.as_ref().unwrap().as_str())
    );
    assert_eq!(
        answer.issuer().as_deref(),
        Some("https://idp.example.com/contoso.com")
    );
    assert_eq!(
        answer.authn_instant(),
        Some(began),
        "the instant of the oldest proof, not of the answer"
    );
}

#[tokio::test]
async fn a_redirect_works_as_a_post_does() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let request = entra::request(world.now());
    let mut browser = world.browser();
    let page = browser.get(&request.redirect()).await;
    assert!(page.asks_for_password(), "{}", page.text());
    browser
        .submit_password(person.upn(), crate::support::PASSWORD)
        .await;
    let page = browser.submit_code(&person.code(world.now())).await;
    assert_eq!(page.expect_answer().in_response_to(), Some(request.id));
}

#[tokio::test]
async fn the_post_of_another_site_is_answered_by_a_redirect_so_that_cookies_are_seen() {
    let world = World::new().await;
    let mut browser = world.browser();
    let saml = entra::request(world.now()).base64();
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("SAMLRequest", &saml)
        .finish();
    let page = browser.request("POST", "/saml2/sso", Some(body)).await;
    assert_eq!(page.status, 303);
    assert!(page.redirect().unwrap().contains("/sign-in/att_"));
}

#[tokio::test]
async fn the_auto_submit_page_lets_the_form_go_anywhere_and_runs_no_inline_script() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    let page = browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await;
    page.expect_answer();
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(!policy.contains("form-action"), "{policy}");
    assert!(
        policy.contains("script-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(
        page.headers["cache-control"]
            .to_str()
            .unwrap()
            .contains("no-store")
    );
    let form = browser
        .start(&entra::request(world.now()).with(r#"ForceAuthn="true""#))
        .await;
    assert!(
        form.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("form-action 'self'")
    );
}

#[tokio::test]
async fn what_others_did_to_the_account_is_shown_once_after_both_factors() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    world.issue_pass(person.upn()).await;
    let mut browser = world.browser();
    let page = browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await;
    assert!(page.answer().is_none());
    assert!(
        page.text().contains("tester"),
        "the operator is named: {}",
        page.text()
    );
    browser.submit(&[]).await.expect_answer();
    world.advance(30);
    let mut again = world.browser();
    again
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await
        .expect_answer();
}

#[tokio::test]
async fn each_answer_has_a_receipt_that_names_its_proofs() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let request = entra::request(world.now());
    let mut browser = world.browser();
    let answer = browser
        .sign_in(&request, person.upn(), &person.code(world.now()))
        .await
        .expect_answer();
    let mut tx = world.app().store().read().await.unwrap();
    let receipt = tx.receipts_of(&person.user.id, 1).await.unwrap().remove(0);
    assert_eq!(receipt.request_id, request.id);
    assert!(answer.xml.contains(&receipt.assertion_id));
    let kinds: Vec<&str> = receipt
        .proofs
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(kinds, ["password", "totp"]);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, answer.xml.as_bytes());
    assert_eq!(
        receipt.sha256,
        data_encoding::HEXLOWER.encode(digest.as_ref())
    );
}
