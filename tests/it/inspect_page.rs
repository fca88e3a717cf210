//! The inspector's page, and the test sign-in that ends in it.

use std::sync::Arc;

use axum::http::StatusCode;
use claimbridge::web::{InspectorAccess, Web, router};

use crate::support::{PASSWORD, PUBLIC_URL, Person, World, browser::Browser, entra};

const GOOD: &str = include_str!("../fixtures/inspector/messages/good.xml");
const CERTIFICATE: &str = include_str!("../fixtures/inspector/active.pem");

/// A browser that signed in on its way to the inspector.
async fn at_the_inspector(world: &World, person: &Person) -> Browser {
    let mut browser = world.browser();
    let page = browser.get("/inspect").await;
    assert!(page.asks_for_password(), "{}", page.text());
    browser.submit_password(person.upn(), PASSWORD).await;
    let page = browser.submit_code(&person.code(world.now())).await;
    assert!(page.text().contains("Token inspector"), "{}", page.text());
    assert_eq!(browser.at, "/inspect");
    browser
}

fn token_of(browser: &Browser) -> String {
    let page = browser.page.clone().unwrap();
    let inputs = page.forms().into_iter().flat_map(|form| form.inputs);
    let csrf = inputs.into_iter().find(|input| input.name == "csrf");
    csrf.unwrap().value
}

#[tokio::test]
async fn what_is_pasted_is_judged_and_shown_again() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = at_the_inspector(&world, &person).await;
    let csrf = token_of(&browser);
    let given = [
        ("csrf", csrf.as_str()),
        ("message", GOOD),
        ("issuer", "https://idp.contoso.com/contoso.com"),
        ("cloud", "global"),
        ("certificate", CERTIFICATE),
        ("at", "2026-11-20T10:00:00Z"),
    ];
    let page = browser.post_parts("/inspect", &given).await;
    let text = page.text();
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        text.contains("Entra ID (SAML 2.0): accepted, and counted as MFA."),
        "{text}"
    );
    assert!(
        text.contains("http://schemas.microsoft.com/claims/multipleauthn"),
        "{text}"
    );

    // One thing wrong: the finding, its fix, and the place in the message.
    let mut wrong = given;
    wrong[2].1 = "https://idp.contoso.com/other.example";
    let page = browser.post_parts("/inspect", &wrong).await;
    let text = page.text();
    assert!(text.contains("rejected, because of CB-SAML-003"), "{text}");
    assert!(
        page.body
            .contains("<mark>https://idp.contoso.com/contoso.com</mark>"),
        "{}",
        page.body
    );

    // A field that cannot be read: nothing that was given is lost.
    let mut unread = given;
    unread[5].1 = "yesterday";
    let page = browser.post_parts("/inspect", &unread).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.text().contains("Write the instant like"));
    assert!(page.body.contains("value=\"yesterday\"") && page.body.contains("samlp:Response"));

    // Nothing pasted.
    let page = browser.post_parts("/inspect", &[given[0]]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.text().contains("Paste a message, or choose a file."));
}

#[tokio::test]
async fn strangers_and_other_sites_have_nothing_judged() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut stranger = world.browser();
    let page = stranger.post_parts("/inspect", &[("message", GOOD)]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let page = stranger
        .request(
            "POST",
            "/inspect/response",
            Some("SAMLResponse=AAAA".into()),
        )
        .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let page = stranger
        .request("POST", "/inspect/test", Some(String::new()))
        .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);

    let mut browser = at_the_inspector(&world, &person).await;
    for csrf in ["", "AAAA"] {
        let fields = [("csrf", csrf), ("message", GOOD)];
        let page = browser.post_parts("/inspect", &fields).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{csrf}");
    }
    let large = "a".repeat(9 * 1024 * 1024);
    let fields = [("csrf", ""), ("message", large.as_str())];
    let page = browser.post_parts("/inspect", &fields).await;
    assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_test_sign_in_needs_both_factors_and_is_judged_as_for_entra() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = at_the_inspector(&world, &person).await;
    world.advance(60);
    // Both factors, although this browser has a session with both.
    let page = browser.press("/inspect/test").await;
    assert!(page.asks_for_password(), "{}", page.text());
    browser.submit_password(person.upn(), PASSWORD).await;
    let page = browser.submit_code(&person.code(world.now())).await;
    let answer = page.expect_answer();
    assert_eq!(answer.action, format!("{PUBLIC_URL}/inspect/response"));
    let audience = format!("<saml:Audience>{PUBLIC_URL}/inspect</saml:Audience>");
    assert!(answer.xml.contains(&audience), "{}", answer.xml);
    assert!(!answer.xml.contains(entra::ENTRA), "{}", answer.xml);
    assert_eq!(answer.class_ref().as_deref(), Some(entra::MULTIPLE_AUTHN));

    let base64 = data_encoding::BASE64.encode(answer.xml.as_bytes());
    let relay = answer.relay_state.clone().unwrap();
    let fields = [("SAMLResponse", base64.as_str()), ("RelayState", &relay)];
    let page = browser.post("/inspect/response", &fields).await;
    let text = page.text();
    // What Entra was told of the domain is an assumption, and said to be one.
    assert!(
        text.contains(
            "Entra ID (SAML 2.0): accepted, and counted as MFA, if the domain is registered so."
        ),
        "{text}"
    );
    assert!(text.contains("Partner Center: accepted"), "{text}");
    assert!(
        text.contains("federatedIdpMfaBehavior; neither was looked at"),
        "{text}"
    );
    for substituted in [
        "Audience",
        "Destination and Recipient",
        "InResponseTo",
        entra::ENTRA,
    ] {
        assert!(text.contains(substituted), "{substituted}: {text}");
    }
    // An answer to another request is judged by this one's.
    let fields = [("SAMLResponse", base64.as_str()), ("RelayState", "_other")];
    let page = browser.post("/inspect/response", &fields).await;
    assert!(page.text().contains("CB-SAML-017"), "{}", page.text());
}

#[tokio::test]
async fn attack_39_nobody_outside_asks_for_a_token_for_the_inspector() {
    let world = World::new().await;
    world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    let mut request = entra::request(world.now());
    request.issuer = format!("{PUBLIC_URL}/inspect");
    let page = browser.start(&request).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text());
    assert!(!page.asks_for_password());
}

/// A browser at a server whose inspector is anybody's, as the demo's is.
async fn at_a_demo(world: &World) -> Browser {
    let mut web = Web::new(Arc::clone(world.app()), Vec::new());
    web.inspector_access = InspectorAccess::Anyone;
    let mut browser = Browser::over(vec![router(Arc::new(web))]);
    browser.get("/inspect").await;
    browser
}

#[tokio::test]
async fn a_session_that_is_over_locks_nobody_out_of_the_demos_inspector() {
    let before = World::new().await;
    let person = before.ready("agent1@contoso.com").await;
    let signed_in = at_the_inspector(&before, &person).await;
    // Another database, the same browser.
    let world = World::new().await;
    let mut browser = at_a_demo(&world).await;
    browser.cookies = signed_in.cookies.clone();
    let page = browser.get("/inspect").await;
    assert!(page.text().contains("Token inspector"), "{}", page.text());
    let csrf = token_of(&browser);
    let fields = [("csrf", csrf.as_str()), ("message", GOOD)];
    let page = browser.post_parts("/inspect", &fields).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let page = browser.press("/inspect/test").await;
    assert!(page.asks_for_password(), "{}", page.text());

    // Who is signed in there still brings the token of the page.
    let mut browser = at_a_demo(&before).await;
    browser.cookies = signed_in.cookies.clone();
    let fields = [("csrf", ""), ("message", GOOD)];
    let page = browser.post_parts("/inspect", &fields).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
}

fn fixture(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/inspector/");
    std::fs::read_to_string(format!("{folder}{name}")).unwrap()
}

#[tokio::test]
async fn the_page_names_its_own_fields_and_they_decide() {
    let world = World::new().await;
    let mut browser = at_a_demo(&world).await;
    let token = fixture("messages/eam-good.txt");
    let at = ("at", "2026-11-20T10:00:00Z");
    let page = browser
        .post_parts("/inspect", &[("message", &token), at])
        .await;
    let text = page.text();
    assert!(text.contains("undecided, because of CB-EAM"), "{text}");
    assert!(text.contains("Decide it with “Discovery URL”."), "{text}");
    // The report for others is the command's, and the message is what it is.
    let (found, _) = text.split_once("The message says").unwrap();
    assert!(!found.contains("--"), "{found}");
    let (keys, request) = (fixture("eam-jwks.json"), fixture("eam-request.txt"));
    let given = [
        ("message", token.as_str()),
        at,
        ("jwks", &keys),
        ("request", &request),
        (
            "discovery_url",
            "https://idp.contoso.com/oidc/.well-known/openid-configuration",
        ),
    ];
    let page = browser.post_parts("/inspect", &given).await;
    let text = page.text();
    assert!(
        text.contains("Entra ID (External MFA): accepted, and counted as MFA."),
        "{text}"
    );
    assert!(text.contains("judged as of 2026-11-20T10:00:00"), "{text}");
    assert!(text.contains("300 s of skew"), "{text}");

    // What the page has no field for is the command's.
    let configuration = fixture("messages/fed-good.txt");
    let page = browser
        .post_parts("/inspect", &[("message", &configuration), at])
        .await;
    let text = page.text();
    assert!(
        text.contains("--emergency-accounts of the command claimbridge inspect"),
        "{text}"
    );
}

#[tokio::test]
async fn a_trace_is_told_on_the_page_and_places_are_marked() {
    let world = World::new().await;
    let mut browser = at_a_demo(&world).await;
    let base64 = data_encoding::BASE64.encode(GOOD.as_bytes());
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("SAMLResponse", &base64)
        .finish();
    let trace = serde_json::json!({"log": {"entries": [{"startedDateTime": "2026-11-20T10:00:00Z",
        "request": {"method": "POST", "url": "https://login.example.com/", "postData": {"text": body}}}]}});
    let fields = [("message", trace.to_string())];
    let fields = fields.each_ref().map(|(name, text)| (*name, text.as_str()));
    let page = browser.post_parts("/inspect", &fields).await;
    let text = page.text();
    assert!(
        text.contains("An answer to no request of this trace."),
        "{text}"
    );
    assert!(text.contains("assertion.class_reference"), "{text}");

    let claims = r#"{"aud":"https://api.partnercenter.microsoft.com","amr":["pwd","otp"],"nbf":1,"exp":2,"scp":"user_impersonation"}"#;
    let page = browser.post_parts("/inspect", &[("message", claims)]).await;
    for (value, rule) in [("pwd, otp", "CB-PC-001"), ("2", "CB-PC-005")] {
        let mark = format!("<mark>{value}</mark> <a href=\"#finding-{rule}\">{rule}</a>");
        assert!(page.body.contains(&mark), "{mark} in {}", page.body);
    }
    assert!(!page.body.contains("<mark>1</mark>"), "{}", page.body);
}

#[tokio::test]
async fn the_commonest_mistake_is_headed_by_what_entra_does() {
    let world = World::new().await;
    let mut browser = at_a_demo(&world).await;
    let given = [
        ("message", fixture("messages/saml-020-only-attribute.xml")),
        ("issuer", "https://idp.contoso.com/contoso.com".to_owned()),
        ("domain", "contoso.com".to_owned()),
        ("cloud", "global".to_owned()),
        ("certificate", CERTIFICATE.to_owned()),
        ("at", "2026-11-20T10:00:00Z".to_owned()),
    ];
    let given = given.each_ref().map(|(name, text)| (*name, text.as_str()));
    let page = browser.post_parts("/inspect", &given).await;
    assert!(
        page.body
            .contains("<h2 id=\"verdict\">Accepted without MFA</h2>"),
        "{}",
        page.text()
    );
}
