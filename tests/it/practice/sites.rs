//! The pages themselves: what is sent, what browsers may do with them.

use std::io::Read as _;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;

use super::{
    signer::REGISTERED,
    world::{Browser, People, call, world, world_with},
};

/// The request in Microsoft's documentation (fixture `authn-request-unsigned.xml`).
const DOCUMENTED: &str = r#"<samlp:AuthnRequest ID="{id}" Version="2.0" IssueInstant="2026-11-20T10:00:00.000Z" xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"><Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">urn:federation:MicrosoftOnline</Issuer><samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"/></samlp:AuthnRequest>"#;

#[tokio::test]
async fn the_request_is_the_documented_one_by_form() {
    let world = world();
    let carried = Browser::default().start(&world, "/start").await;
    assert_eq!(
        carried.target,
        "http://localhost:8080/saml2/sso?domain=contoso.com"
    );
    assert_eq!(
        carried.request,
        DOCUMENTED.replace("{id}", &carried.request_id)
    );
    assert_eq!(carried.request_id.len(), "_".len() + 36);
    let policy = carried.page.headers["content-security-policy"]
        .to_str()
        .unwrap();
    assert!(!policy.contains("form-action"), "{policy}");
    assert!(policy.contains("default-src 'none'"), "{policy}");
}

#[tokio::test]
async fn the_request_is_the_same_by_redirect() {
    let world = world();
    let answer = Browser::default()
        .get(&world, "/start?binding=redirect&domain=fabrikam.com")
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let location = answer.location();
    let query = location
        .strip_prefix("http://localhost:8080/saml2/sso?domain=fabrikam.com&SAMLRequest=")
        .unwrap();
    let message = percent_decode_str(query.split('&').next().unwrap())
        .decode_utf8()
        .unwrap();
    let mut xml = String::new();
    flate2::read::DeflateDecoder::new(&STANDARD.decode(&*message).unwrap()[..])
        .read_to_string(&mut xml)
        .unwrap();
    let id = super::world::between(&xml, "ID=\"", "\"");
    assert_eq!(xml, DOCUMENTED.replace("{id}", &id));
}

#[tokio::test]
async fn an_unknown_domain_is_refused() {
    let answer = Browser::default()
        .get(&world(), "/start?domain=evil.example")
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_page_is_strict_and_free_of_inline_code() {
    let world = world_with(People::Demo);
    let mut browser = Browser::default();
    browser.sign_in(&world, &REGISTERED, |_| {}).await;
    let mut pages = Vec::new();
    for path in [
        "/",
        "/start",
        "/result",
        "/totp",
        "/devicelogin",
        "/contoso.com/oauth2/v2.0/authorize",
    ] {
        pages.push((path, browser.get(&world, path).await));
    }
    browser.press(&world, "class-reference-dropped").await;
    pages.push(("/result broken", browser.get(&world, "/result").await));
    pages.push((
        "/result of nobody",
        Browser::default().get(&world, "/result").await,
    ));
    pages.push(("partner center", browser.partner_center(&world, "/").await));
    for (path, page) in &pages {
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(
            policy.contains("form-action 'self'"),
            *path != "/start",
            "{path}"
        );
        for inline in [
            "<style",
            " style=",
            " onclick=",
            " onload=",
            "javascript:",
            "<script>",
        ] {
            assert!(!page.body.contains(inline), "{path}: {inline}");
        }
        assert_eq!(page.body.matches("<h1>").count(), 1, "{path}");
        assert!(page.body.contains("<html lang=\"en\">"), "{path}");
        assert!(page.body.contains("name=\"viewport\""), "{path}");
    }
}

#[tokio::test]
async fn what_the_message_says_is_shown_and_never_markup() {
    let world = world();
    let mut browser = Browser::default();
    let page = browser
        .sign_in(&world, &REGISTERED, |r| {
            r.name_id = "&lt;script src='//evil.example'&gt;".to_owned();
        })
        .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(!page.body.contains("<script"));
}

#[tokio::test]
async fn another_host_name_is_turned_away() {
    let world = world_with(People::Demo);
    for host in [
        "evil.example",
        "localhost:8081",
        "127.0.0.1",
        "127.0.0.1:8081.evil.example",
    ] {
        let request = Request::get("/totp.json").header(header::HOST, host);
        let answer = call(&world.tenant, request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
}

#[tokio::test]
async fn the_desktop_totp_program_exists_in_the_demo_only() {
    let mut browser = Browser::default();
    let demo = world_with(People::Demo);
    let json = browser.get(&demo, "/totp.json").await;
    let codes: serde_json::Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!(codes[0]["upn"], "agent1@contoso.com");
    let code = codes[0]["code"].as_str().unwrap();
    assert_eq!(code.len(), 6);
    let page = browser.get(&demo, "/totp").await;
    assert!(page.body.contains(code));
    assert!(page.body.contains("http-equiv=\"refresh\" content=\"30\""));
    for path in ["/totp", "/totp.json"] {
        assert_eq!(
            browser.get(&world(), path).await.status,
            StatusCode::NOT_FOUND
        );
    }
}

#[tokio::test]
async fn metadata_names_the_reply_address_and_keys_are_public() {
    let world = world();
    let mut browser = Browser::default();
    let metadata = browser.get(&world, "/metadata").await;
    let document = roxmltree::Document::parse(&metadata.body).unwrap();
    let service = document
        .descendants()
        .find(|node| node.has_tag_name("AssertionConsumerService"))
        .or_else(|| {
            document
                .descendants()
                .find(|node| node.tag_name().name() == "AssertionConsumerService")
        })
        .unwrap();
    assert_eq!(
        service.attribute("Location"),
        Some("http://127.0.0.1:8081/login.srf")
    );
    let keys = browser.get(&world, "/keys").await;
    let keys: serde_json::Value = serde_json::from_str(&keys.body).unwrap();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    assert_eq!(keys["keys"][0].get("d"), None);
}
