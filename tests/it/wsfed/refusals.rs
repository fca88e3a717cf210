//! What is refused, each with one page, and changes nothing.

use axum::http::{Request, header};
use claimbridge::protocol::saml::sp_metadata::parse_sp_metadata;
use tower::ServiceExt as _;

use super::kit::{answer, request};
use crate::support::{World, entra::ENTRA};

/// The address of a request with these parameters and no others.
fn asks(pairs: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("/wsfed?{query}")
}

const SIGN_IN: (&str, &str) = ("wa", "wsignin1.0");

#[tokio::test]
async fn what_cannot_be_answered_is_one_page_and_no_attempt() {
    let world = World::new().await;
    let long = "a".repeat(8 * 1024 + 1);
    let entra = ("wtrealm", ENTRA);
    let near = [
        "urn:federation:microsoftonline",
        "urn:federation:MicrosoftOnline/",
        " urn:federation:MicrosoftOnline",
        "urn:federation:microsoftonline.us",
        "https://evil.example",
    ];
    let mut cases: Vec<(String, u16, &str)> = near
        .iter()
        .map(|realm| (asks(&[SIGN_IN, ("wtrealm", realm)]), 403, "CB-SIGNIN-002"))
        .collect();
    for pairs in [
        &[][..],
        &[entra],
        &[SIGN_IN],
        &[("wa", ""), entra],
        &[("wa", "wsignin1.1"), entra],
        &[("wa", "wattr1.0"), entra],
        &[SIGN_IN, SIGN_IN, entra],
        &[SIGN_IN, entra, entra],
        &[SIGN_IN, entra, ("wctx", "a"), ("wctx", "b")],
        &[SIGN_IN, entra, ("wctx", &long)],
        &[SIGN_IN, entra, ("wctx", "a\r\nb")],
        &[SIGN_IN, entra, ("wfresh", "soon")],
        &[SIGN_IN, entra, ("wfresh", "-1")],
        &[SIGN_IN, entra, ("domain", "evil.example")],
        &[
            SIGN_IN,
            entra,
            ("domain", "contoso.com"),
            ("domain", "fabrikam.com"),
        ],
    ] {
        cases.push((asks(pairs), 400, "CB-SIGNIN-001"));
    }
    cases.push((
        asks(&[SIGN_IN, entra, ("wauth", "urn:ietf:rfc:2246")]),
        400,
        "CB-SIGNIN-011",
    ));
    cases.push((
        "/wsfed?wa=wsignin1.0&wtrealm=%ff".to_owned(),
        400,
        "CB-SIGNIN-001",
    ));
    cases.push((
        format!("/wsfed?wa=wsignin1.0&x={}", "a".repeat(48 * 1024)),
        400,
        "CB-SIGNIN-001",
    ));
    for (address, status, code) in cases {
        let shown = &address[..address.len().min(120)];
        let mut browser = world.browser();
        let page = browser.request("GET", &address, None).await;
        assert_eq!(page.status, status, "{shown}: {}", page.text());
        assert!(page.body.contains(code), "{shown}: {}", page.text());
        assert!(answer(&page).is_none());
        assert!(!page.body.contains("evil.example"), "{shown}");
        assert!(!page.headers.contains_key(header::SET_COOKIE), "{shown}");
        // By a form it is the same.
        let (_, fields) = address.split_once('?').unwrap();
        let page = browser
            .request("POST", "/wsfed", Some(fields.to_owned()))
            .await;
        assert_eq!(page.status, status, "POST {shown}: {}", page.text());
        assert!(page.body.contains(code), "POST {shown}");
    }
    let mut tx = world.app().store().read().await.unwrap();
    let open = tx
        .unproved_attempts_from("203.0.113.7", world.now())
        .await
        .unwrap();
    assert_eq!(open, 0);
}

#[tokio::test]
async fn attack_30_an_unlisted_address_to_answer_to_is_not_gone_to() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    let at = request("c", &[("wreply", "https://evil.example/")]);
    let page = super::kit::sign_in(&world, &mut browser, &person, &at).await;
    let answer = super::kit::expect_answer(&page);
    assert_eq!(answer.action, crate::support::entra::LOGIN_SRF);
    assert!(!page.body.contains("evil.example"));
}

#[tokio::test]
async fn attack_39_a_party_of_saml_gets_nothing_over_this_protocol() {
    let world = World::new().await;
    let metadata = "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"https://sp.example.com\"><md:SPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><md:AssertionConsumerService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"https://sp.example.com/acs\" index=\"0\"/></md:SPSSODescriptor></md:EntityDescriptor>";
    let party = parse_sp_metadata(metadata.as_bytes())
        .unwrap()
        .into_relying_party(None, &[])
        .unwrap();
    let mut tx = world.app().store().begin().await.unwrap();
    assert!(tx.insert_relying_party(&party).await.unwrap());
    tx.commit().await.unwrap();
    let at = asks(&[SIGN_IN, ("wtrealm", "https://sp.example.com")]);
    let page = world.browser().request("GET", &at, None).await;
    assert_eq!(page.status, 403);
    assert!(page.body.contains("CB-SIGNIN-002"), "{}", page.text());
}

#[tokio::test]
async fn only_a_sign_in_must_be_a_navigation_and_what_is_asked_for_is_decided_first() {
    let world = World::new().await;
    let ask = async |address: &str, dest: &str| {
        let request = Request::builder()
            .uri(address)
            .header(header::HOST, "idp.example.com")
            .header("sec-fetch-mode", "no-cors")
            .header("sec-fetch-dest", dest)
            .body(axum::body::Body::empty())
            .unwrap();
        let router = world.nodes[0].router.clone();
        router.oneshot(request).await.unwrap()
    };
    let response = ask(&request("c", &[]), "image").await;
    assert_eq!(response.status(), 403);
    assert!(!response.headers().contains_key(header::SET_COOKIE));
    let response = ask("/wsfed?wa=wsignoutcleanup1.0", "iframe").await;
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key(header::SET_COOKIE));
    let mut tx = world.app().store().read().await.unwrap();
    let open = tx
        .unproved_attempts_from("203.0.113.7", world.now())
        .await
        .unwrap();
    assert_eq!(open, 0);
}

#[tokio::test]
async fn a_sign_out_leads_nowhere_that_nobody_listed() {
    let world = World::new().await;
    let page = world
        .browser()
        .request(
            "GET",
            "/wsfed?wa=wsignout1.0&wreply=https%3A%2F%2Fevil.example",
            None,
        )
        .await;
    assert_eq!((page.status.as_u16(), page.redirect()), (200, None));
    assert!(page.text().contains("You are signed out") && !page.body.contains("evil"));
}

#[tokio::test]
async fn a_form_that_is_none_or_too_long_is_refused() {
    let world = World::new().await;
    let post = async |kind: &str, body: Vec<u8>| {
        let request = Request::builder()
            .method("POST")
            .uri("/wsfed")
            .header(header::HOST, "idp.example.com")
            .header(header::CONTENT_TYPE, kind)
            .body(axum::body::Body::from(body))
            .unwrap();
        let router = world.nodes[0].router.clone();
        router.oneshot(request).await.unwrap().status().as_u16()
    };
    let form = "application/x-www-form-urlencoded";
    assert_eq!(post("text/plain", b"wa=wsignin1.0".to_vec()).await, 400);
    assert_eq!(post(form, vec![0xff; 20]).await, 400);
    assert_eq!(post(form, vec![b'a'; 300 * 1024]).await, 413);
    assert_eq!(post(form, vec![b'a'; 60 * 1024]).await, 400);
}
