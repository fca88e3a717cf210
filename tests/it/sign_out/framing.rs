//! One answer of all may stand in a frame: that to `wa=wsignoutcleanup1.0`.

use axum::http::header;
use claimbridge::{relying_party::LogoutBinding, web::access};

use super::kit::{Party, SUCCESS, Sent, is_signed_in, path_of, sign_out_here, signed_in_at};
use crate::support::{Page, World, entra};

fn may_be_framed(page: &Page) -> bool {
    let policy = page.headers[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    !policy.contains("frame-ancestors 'none'")
}

#[tokio::test]
async fn no_other_answer_may_be_framed() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await
        .expect_answer();
    let attempt = browser.at.split('/').nth(2).unwrap().to_owned();
    let clean_up = "wa=wsignoutcleanup1.0";
    // What ends the session comes last.
    let mut routes = access::routes();
    routes.sort_by_key(|route| route.path == "/wsfed");
    for route in routes {
        let path = route
            .path
            .replace("{attempt}", &attempt)
            .replace("{file}", "none")
            .replace("{aaguid}", "cb69481e-8ff7-4039-93ec-0a2729a154a8")
            .replace("{id}", "out_aaaaaaaaaaaaaaaaaaaaaaaaaa")
            .replace("{folder}", "FederationMetadata")
            .replace("{document}", "FederationMetadata.xml")
            .replace("{version}", "13");
        for query in [
            "",
            clean_up,
            "wa=wsignoutcleanup1.0&wa=wsignoutcleanup1.0",
            "wa=wsignin1.0&wa=wsignoutcleanup1.0",
            "wa=WSIGNOUTCLEANUP1.0",
            "WA=wsignoutcleanup1.0",
            "w%61=wsignoutcleanup1.0",
            "wa=wsignoutcleanup1.0%20",
            "wa=wsignoutcleanup1.1",
            "wa=wsignout1.0",
        ] {
            let methods: &[&str] = if query == clean_up {
                &["GET", "POST", "HEAD"]
            } else {
                &["GET"]
            };
            for &method in methods {
                let mut asking = browser.clone();
                let body = (method == "POST").then(|| clean_up.to_owned());
                let address = format!("{path}?{query}");
                let page = asking.request(method, &address, body).await;
                let is_the_one = route.path == "/wsfed" && query == clean_up && method != "POST";
                assert_eq!(may_be_framed(&page), is_the_one, "{method} {address}");
            }
        }
    }
    for address in [
        "/nothing?wa=wsignoutcleanup1.0",
        "/wsfed/?wa=wsignoutcleanup1.0",
        "/WSFED?wa=wsignoutcleanup1.0",
    ] {
        let page = browser.request("GET", address, None).await;
        assert!(!may_be_framed(&page), "{address}");
    }
}

/// The pages that have a policy of their own, as they are with a session that lives.
#[tokio::test]
async fn no_page_of_a_sign_out_may_be_framed() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mut browser = world.browser();
    signed_in_at(&world, &mut browser, &person, &[&desk]).await;
    let page = browser.get(&crate::wsfed::kit::request("ctx", &[])).await;
    crate::wsfed::kit::expect_answer(&page);

    let page = browser.get("/sign-out").await;
    assert!(page.text().contains("Sign out?") && !may_be_framed(&page));
    // `wsignout1.0` with a session, with the clean-up beside it in another parameter.
    let address = "/wsfed?wa=wsignout1.0&wctx=wsignoutcleanup1.0";
    let page = browser.request("GET", address, None).await;
    assert!(!is_signed_in(&browser, &person).await, "there was one");
    assert!(!may_be_framed(&page), "{:?}", page.headers);
    let here = page.redirect().unwrap();
    // The Ask page, first and again, also if somebody adds the clean-up to its address.
    for address in [here.clone(), format!("{here}?wa=wsignoutcleanup1.0")] {
        let page = browser.request("GET", &address, None).await;
        assert!(
            page.text().contains("You are signed out here"),
            "{}",
            page.text()
        );
        assert!(!may_be_framed(&page), "{address}: {:?}", page.headers);
    }
    let page = browser.request("GET", &here, None).await;
    let answer = desk.answer(world.now(), &Sent::of(&page), SUCCESS);
    let page = browser.request("GET", &answer.redirect(), None).await;
    assert!(!may_be_framed(&page), "{:?}", page.headers);
    // The Done page.
    let page = browser.request("GET", &here, None).await;
    assert!(page.body.contains("<iframe"), "{}", page.body);
    assert!(!may_be_framed(&page), "{:?}", page.headers);
}

#[tokio::test]
async fn a_clean_up_is_empty_always_200_and_sets_nothing() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await
        .expect_answer();
    // As in a frame of another site: without a cookie.
    let mut framed = world.browser();
    let address = "/wsfed?wa=wsignoutcleanup1.0&wreply=https%3A%2F%2Fevil.example%2F";
    let page = framed.request("GET", address, None).await;
    assert_eq!((page.status.as_u16(), page.body.as_str()), (200, ""));
    assert!(!page.headers.contains_key(header::SET_COOKIE));
    assert!(is_signed_in(&browser, &person).await);
    // With it: the session ends, and the answer is the same.
    for _ in 0..2 {
        let page = browser.request("GET", address, None).await;
        assert_eq!((page.status.as_u16(), page.body.as_str()), (200, ""));
        assert!(!page.headers.contains_key(header::SET_COOKIE));
        assert!(!page.headers.contains_key(header::LOCATION));
        assert!(!is_signed_in(&browser, &person).await);
    }
}

#[tokio::test]
async fn the_page_that_asks_in_frames_may_frame_these_and_no_others() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    super::ws_federation::signed_in_at_entra(&world, &mut browser, &person).await;
    let page = sign_out_here(&mut browser).await;
    let policy = page.headers[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("frame-src https://login.microsoftonline.com;")
            && policy.contains("frame-ancestors 'none'")
            && policy.contains("script-src 'self'"),
        "{policy}"
    );
    assert!(
        page.body
            .contains("src=\"https://login.microsoftonline.com/login.srf?wa=wsignoutcleanup1.0\""),
        "{}",
        page.body
    );
    assert!(
        page.text().contains(
            "Microsoft Entra ID It was asked to sign you out; whether it did cannot be confirmed."
        ),
        "{}",
        page.text()
    );
    assert!(path_of(&browser).starts_with("/sign-out/out_"));
}
