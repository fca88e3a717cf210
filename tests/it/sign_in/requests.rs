//! Requests that are not what they should be: one sentence, a code, nothing changed.

use crate::support::{World, entra};

#[tokio::test]
async fn bad_requests_get_a_page_with_a_code_and_change_nothing() {
    let world = World::new().await;
    world.ready("agent1@contoso.com").await;
    let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
    let xml = entra::request(world.now()).xml();
    let encode =
        |xml: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, xml);
    let old = entra::request(world.now().minus(std::time::Duration::from_mins(11)));
    let foreign = entra::AuthnRequest {
        issuer: "https://sp.unknown.example".to_owned(),
        ..entra::request(world.now())
    };
    let big = format!("{xml}<!--{}-->", "x".repeat(300_000));
    for (name, message) in [
        ("no base64", "%%%".to_owned()),
        ("no xml", encode("hello")),
        (
            "a DOCTYPE",
            encode(&format!("<!DOCTYPE a [<!ENTITY b \"c\">]>{xml}")),
        ),
        ("40 levels", encode(&deep)),
        (
            "two IDs",
            encode(&xml.replace(
                "<samlp:NameIDPolicy",
                &format!("<samlp:NameIDPolicy ID=\"{}\"", &xml[24..65]),
            )),
        ),
        ("too old", old.base64()),
        ("a party that is not registered", foreign.base64()),
        ("too big", encode(&big)),
        (
            "an unknown reply address",
            encode(&xml.replace(
                " Version=",
                " AssertionConsumerServiceURL=\"https://evil.example/\" Version=",
            )),
        ),
    ] {
        let mut browser = world.browser();
        let page = browser
            .post("/saml2/sso", &[("SAMLRequest", &message)])
            .await;
        assert!(
            matches!(page.status.as_u16(), 400 | 403 | 413),
            "{name}: {}",
            page.status
        );
        assert!(page.body.contains("CB-"), "{name}: {}", page.text());
        assert!(
            page.text().contains("help@contoso.com"),
            "{name}: whom to ask: {}",
            page.text()
        );
        assert!(
            page.answer().is_none() && !page.body.contains("evil.example"),
            "{name}"
        );
    }
    let mut tx = world.app().store().read().await.unwrap();
    assert_eq!(
        tx.unproved_attempts_from("203.0.113.7", world.now())
            .await
            .unwrap(),
        1,
        "only the enrolment's"
    );
}

#[tokio::test]
async fn a_deflate_bomb_is_refused() {
    use std::io::Write as _;
    let world = World::new().await;
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..20 {
        deflate.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let bomb = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        deflate.finish().unwrap(),
    );
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("SAMLRequest", &bomb)
        .finish();
    let page = world.browser().get(&format!("/saml2/sso?{query}")).await;
    assert!(page.status.is_client_error(), "{}", page.status);
}

#[tokio::test]
async fn attack_19_people_of_another_domain_are_not_let_in_by_a_domain_s_address() {
    let world = World::new().await;
    let person = world.ready("agent1@fabrikam.com").await;
    let request = entra::request(world.now());
    let mut browser = world.browser();
    let (saml, relay) = (request.base64(), request.relay_state.clone());
    browser
        .post(
            "/saml2/sso?domain=contoso.com",
            &[("SAMLRequest", &saml), ("RelayState", &relay)],
        )
        .await;
    let page = browser
        .submit_password(person.upn(), crate::support::PASSWORD)
        .await;
    assert!(
        page.answer().is_none() && !page.asks_for_code(),
        "{}",
        page.text()
    );
    assert!(page.body.contains("CB-SIGNIN-007"), "{}", page.text());
}

#[tokio::test]
async fn another_host_name_gets_421() {
    let world = World::new().await;
    let request = axum::http::Request::builder()
        .uri("/")
        .header("host", "evil.example")
        .body(axum::body::Body::empty())
        .unwrap();
    let response = tower::ServiceExt::oneshot(world.nodes[0].router.clone(), request)
        .await
        .unwrap();
    assert_eq!(response.status(), 421);
}

#[tokio::test]
async fn metadata_names_the_domain_s_issuer_and_is_not_signed_with_the_assertion_key() {
    let world = World::new().await;
    let page = world
        .browser()
        .get("/saml2/metadata?domain=contoso.com")
        .await;
    assert!(page.status.is_success(), "{}", page.text());
    let document = roxmltree::Document::parse(&page.body).unwrap();
    assert_eq!(
        document.root_element().attribute("entityID"),
        Some("https://idp.example.com/contoso.com")
    );
    assert!(
        !document
            .descendants()
            .any(|node| node.tag_name().name() == "Signature"),
        "attack 10: the donor of CVE-2024-6800"
    );
    let locations: Vec<_> = document
        .descendants()
        .filter_map(|node| node.attribute("Location"))
        .collect();
    assert!(
        locations.contains(&"https://idp.example.com/saml2/sso?domain=contoso.com"),
        "{locations:?}"
    );
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    let page = browser.start(&entra::request(world.now())).await;
    let mut form = page
        .forms()
        .into_iter()
        .find(|form| {
            form.inputs
                .iter()
                .any(|input| input.autocomplete == "current-password")
        })
        .unwrap();
    form.inputs.retain(|input| input.kind != "hidden");
    let page = browser
        .send_form(
            &form,
            &[
                ("username", person.upn()),
                ("current-password", crate::support::PASSWORD),
            ],
        )
        .await;
    assert!(page.status.is_client_error(), "{}", page.status);
    assert!(!page.asks_for_code());
}
