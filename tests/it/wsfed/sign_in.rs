//! Sign-ins: what Entra gets, when a session answers, and what asks for more.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use claimbridge::{
    inspect::{Consumer, Context, Outcome, inspect},
    relying_party::EntraCloud,
};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

use super::kit::{answer, expect_answer, fields, request, sign_in};
use crate::support::{
    PASSWORD, World,
    entra::{self, LOGIN_SRF, MULTIPLE_AUTHN},
};

const CONTEXT: &str = "LoginOptions=3&estsredirect=2&estsrequest=rQIIAY2Q";

/// As Entra would judge it, with what it knows of contoso.com.
async fn judge(world: &World, xml: &str) -> claimbridge::inspect::Report {
    let metadata = world
        .browser()
        .get("/saml2/metadata?domain=contoso.com")
        .await;
    let document = roxmltree::Document::parse(&metadata.body).unwrap();
    let certificate = document
        .descendants()
        .find(|node| node.tag_name().name() == "X509Certificate")
        .and_then(|node| BASE64.decode(node.text()?).ok())
        .unwrap();
    let mut context = Context::at(world.now());
    context.expect = Some(Consumer::EntraWsfed);
    context.issuer = Some("https://idp.example.com/contoso.com".to_owned());
    context.realm = Some("contoso.com".parse().unwrap());
    context.cloud = Some(EntraCloud::global());
    context.certificates = vec![certificate];
    inspect(xml.as_bytes(), &context)
}

#[tokio::test]
async fn two_factors_lead_to_a_token_that_entra_takes_as_multi_factor() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    let context = format!("{CONTEXT}&x=<\"'>&é\u{1f600} +%2b&amp;");
    browser
        .get(&request(&context, &[("username", person.upn())]))
        .await;
    let page = browser.page.clone().unwrap();
    assert!(page.asks_for_password() && page.body.contains(person.upn()));
    browser.submit_password(person.upn(), PASSWORD).await;
    let password_at = world.now();
    world.advance(7);
    let page = browser.submit_code(&person.code(world.now())).await;
    let answer = expect_answer(&page);
    assert_eq!(answer.action, LOGIN_SRF);
    assert_eq!(answer.wa, "wsignin1.0");
    assert_eq!(answer.wctx, Some(context));
    assert_eq!(answer.claim("UPN"), [person.upn()]);
    let immutable_id = person.user.immutable_id.clone().unwrap();
    assert_eq!(answer.claim("ImmutableID"), [immutable_id.as_str()]);
    for name in [
        "authenticationmethod",
        "authnmethodsreferences",
        "authenticationmethodsreferences",
    ] {
        assert!(
            answer.claim(name).contains(&MULTIPLE_AUTHN.to_owned()),
            "{name}"
        );
    }
    assert_eq!(
        answer.of("AuthenticationStatement", "AuthenticationMethod"),
        MULTIPLE_AUTHN
    );
    assert_eq!(answer.instant("authenticationinstant"), password_at);
    assert_eq!(
        answer.instant("multifactorauthenticationinstant"),
        world.now()
    );
    let report = judge(&world, &answer.xml).await;
    let verdict = report.verdict(Consumer::EntraWsfed).unwrap();
    assert_eq!(
        (verdict.outcome, verdict.mfa),
        (Outcome::Accepted, Some(true)),
        "{:?}",
        report.findings
    );
    // Entra redirects on to places that nobody can list.
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self'") && !policy.contains("form-action"));

    // The same browser gets the same bytes for a minute, and then no more.
    let again = expect_answer(&browser.reload_attempt().await);
    assert_eq!(again.xml, answer.xml);
    world.advance(61);
    let page = browser.reload_attempt().await;
    assert!(super::kit::answer(&page).is_none());

    // What left has its receipt.
    let mut tx = world.app().store().read().await.unwrap();
    let receipt = tx.receipts_of(&person.user.id, 1).await.unwrap().remove(0);
    assert_eq!(answer.of("Assertion", "AssertionID"), receipt.assertion_id);
    assert_eq!(receipt.name_id, immutable_id.as_str());
    assert_eq!(receipt.authn_instant_millis, password_at.as_millis());
}

#[tokio::test]
async fn a_form_of_entra_s_leads_to_the_attempt_s_page_and_back() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    let begun = browser
        .request(
            "POST",
            "/wsfed?domain=contoso.com",
            Some(fields(CONTEXT, &[("wfresh", "0")])),
        )
        .await;
    assert_eq!(begun.status, 303);
    browser.get(&begun.redirect().unwrap()).await;
    browser.submit_password(person.upn(), PASSWORD).await;
    let page = browser.submit_code(&person.code(world.now())).await;
    assert_eq!(expect_answer(&page).wctx.as_deref(), Some(CONTEXT));
}

#[tokio::test]
async fn a_session_answers_with_the_original_instants_whichever_protocol_asked_first() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    let by_saml = browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await
        .expect_answer();
    world.advance(14 * 60);
    let page = browser.get(&request(CONTEXT, &[])).await;
    let by_wsfed = expect_answer(&page);
    assert_eq!(
        Some(by_wsfed.instant("authenticationinstant")),
        by_saml.authn_instant()
    );
    assert!(by_wsfed.instant("multifactorauthenticationinstant") < world.now());
    let back = browser.start(&entra::request(world.now())).await;
    assert!(back.answer().is_some() || back.asks_for_password());
    // Past fifteen minutes Entra gets nothing out of the session, over neither.
    world.advance(2 * 60 + 1);
    let page = browser.get(&request(CONTEXT, &[])).await;
    assert!(answer(&page).is_none() && page.asks_for_password());
}

#[tokio::test]
async fn attack_21_what_asks_for_more_gets_both_factors_now() {
    // Entra's three ways of prompt=login, and a step-up with each (facts §2.2).
    const PASSWORD_METHOD: &str =
        "https://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password";
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    let page = sign_in(&world, &mut browser, &person, &request(CONTEXT, &[])).await;
    expect_answer(&page);
    for more in [
        &[("wfresh", "0"), ("wauth", PASSWORD_METHOD)][..],
        &[("prompt", "login")],
        &[("wfresh", "0")],
        &[("wfresh", "0"), ("wauth", MULTIPLE_AUTHN)],
    ] {
        world.advance(90);
        let began = world.now();
        let page = sign_in(&world, &mut browser, &person, &request(CONTEXT, more)).await;
        let answer = expect_answer(&page);
        assert_eq!(answer.instant("authenticationinstant"), began, "{more:?}");
        assert!(
            answer
                .claim("authnmethodsreferences")
                .contains(&MULTIPLE_AUTHN.to_owned()),
            "a password as method is a minimum: {more:?}"
        );
    }
    world.advance(61);
    // A demand for MFA alone is met by the session, which always is.
    let page = browser
        .get(&request(CONTEXT, &[("wauth", MULTIPLE_AUTHN)]))
        .await;
    expect_answer(&page);
}

#[tokio::test]
async fn wfresh_says_how_many_minutes_old_the_proofs_may_be() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    let page = sign_in(&world, &mut browser, &person, &request(CONTEXT, &[])).await;
    let first = expect_answer(&page).instant("authenticationinstant");
    world.advance(4 * 60);
    let five = request(CONTEXT, &[("wfresh", "5")]);
    let page = browser.get(&five).await;
    assert_eq!(expect_answer(&page).instant("authenticationinstant"), first);
    world.advance(61);
    let page = browser.get(&five).await;
    assert!(answer(&page).is_none() && page.asks_for_password());
    // Longer than Entra's sessions live here is not longer.
    world.advance(11 * 60);
    let page = browser.get(&request(CONTEXT, &[("wfresh", "600")])).await;
    assert!(answer(&page).is_none() && page.asks_for_password());
}

#[tokio::test]
async fn attack_30_any_context_comes_back_byte_for_byte_through_page_and_form() {
    const ODD: [char; 16] = [
        '&',
        '<',
        '>',
        '"',
        '\'',
        '%',
        '+',
        ' ',
        '=',
        '#',
        ';',
        '\\',
        'é',
        '\u{feff}',
        '\u{1f600}',
        'a',
    ];
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    world.advance(60);
    let page = sign_in(&world, &mut browser, &person, &request("", &[])).await;
    assert_eq!(expect_answer(&page).wctx.as_deref(), Some(""));
    let mut random = ChaCha8Rng::seed_from_u64(36);
    let mut contexts: Vec<String> = (0..3)
        .map(|_| {
            (0..1_500)
                .map(|_| ODD[random.next_u32() as usize % ODD.len()])
                .collect()
        })
        .collect();
    contexts.push("</script><script>alert(1)</script>&lt;&#x3c;".to_owned());
    contexts.push("\"/><input name=\"wresult\" value=\"".to_owned());
    contexts.push("&".repeat(8 * 1024));
    for context in contexts {
        // Not so often that it would be a circle, and all while the proofs are young.
        world.advance(41);
        let page = browser.get(&request(&context, &[])).await;
        let answer = expect_answer(&page);
        assert_eq!(answer.wctx, Some(context));
        assert_eq!(page.forms().len(), 1);
        assert_eq!(page.body.matches("<script").count(), 1);
    }
    world.advance(41);
    // None is not an empty one.
    let without = "/wsfed?wa=wsignin1.0&wtrealm=urn%3Afederation%3AMicrosoftOnline";
    assert_eq!(expect_answer(&browser.get(without).await).wctx, None);
}

#[tokio::test]
async fn a_disabled_person_gets_a_page_and_no_token() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser.get(&request(CONTEXT, &[])).await;
    browser.submit_password(person.upn(), PASSWORD).await;
    let upn = person.user.upn.clone();
    world.app().disable_user(&upn, "tester").await.unwrap();
    let page = browser.reload_attempt().await;
    assert!(answer(&page).is_none(), "{}", page.text());
    assert!(page.status.is_client_error(), "{}", page.status);
    assert!(page.answer().is_none(), "SAML's status is SAML's");
}

#[tokio::test]
async fn attack_19_people_of_another_domain_are_not_let_in_by_a_domain_s_address() {
    let world = World::new().await;
    let person = world.ready("agent1@fabrikam.com").await;
    let mut browser = world.browser();
    browser.get(&request(CONTEXT, &[])).await;
    let page = browser.submit_password(person.upn(), PASSWORD).await;
    assert!(answer(&page).is_none() && !page.asks_for_code());
    assert!(page.body.contains("CB-SIGNIN-007"), "{}", page.text());
}

#[tokio::test]
async fn attack_36_a_mailed_link_opens_nothing() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut own = world.browser();
    own.get(&request(CONTEXT, &[])).await;
    let link = own.at.clone();
    own.submit_password(person.upn(), PASSWORD).await;
    own.submit_code(&person.code(world.now())).await;
    let mut thief = world.browser();
    let page = thief.get(&link).await;
    assert_eq!(page.status, 403);
    assert!(answer(&page).is_none());
    // Each request begins an attempt of its own: sent again by another browser, it asks.
    let page = thief.get(&request(CONTEXT, &[])).await;
    assert!(page.asks_for_password());
}
