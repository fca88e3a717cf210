//! The frame, through the real router.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode, header},
    routing::get,
};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::{Web, access, forms::FormKey, pages::Frame, router, site::Site};
use crate::base::clock::{ManualClock, Timestamp};

fn web(public_url: &str) -> Arc<Web> {
    Arc::new(Web {
        site: Site::new(&public_url.parse().unwrap()),
        frame: Frame::new("Contoso sign-in", Some("help@contoso.com")),
        forms: FormKey::new(b"key"),
        trusted_proxies: Vec::new(),
        clock: Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000))),
    })
}

async fn ask(router: &Router, method: &str, path: &str, host: &str) -> Response<Body> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, host)
        .body(Body::empty())
        .unwrap();
    router.clone().oneshot(request).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

const HOST: &str = "idp.contoso.com";

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let router = router(web("https://idp.contoso.com"));
    for (path, status) in [("/", 200), ("/nothing", 404), ("/healthz", 200)] {
        let response = ask(&router, "GET", path, HOST).await;
        assert_eq!(response.status(), status, "{path}");
        let value = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let policy = value("content-security-policy");
        for part in [
            "default-src 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(value("referrer-policy"), "same-origin");
        assert_eq!(value("x-content-type-options"), "nosniff");
        assert_eq!(value("cache-control"), "no-store");
        assert_eq!(value("strict-transport-security"), "max-age=63072000");
        // MSAL's pop-ups need window.opener.
        assert!(
            !response
                .headers()
                .contains_key("cross-origin-opener-policy")
        );
    }
}

#[tokio::test]
async fn on_loopback_http_nobody_is_told_to_stay_on_tls() {
    let router = router(web("http://localhost:8080"));
    let response = ask(&router, "GET", "/", "localhost:8080").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains_key("strict-transport-security"));
}

#[tokio::test]
async fn another_host_name_is_421_except_for_health() {
    let router = router(web("https://idp.contoso.com"));
    for host in ["evil.example", "idp.contoso.com.evil.example", "127.0.0.1"] {
        let response = ask(&router, "GET", "/", host).await;
        assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST, "{host}");
        let page = text(response).await;
        assert!(page.contains("CB-"), "{page}");
        assert!(!page.contains("evil"), "{page}");
        assert_eq!(ask(&router, "GET", "/healthz", host).await.status(), 200);
    }
    let request = Request::builder().uri("/").body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn another_method_is_a_page_that_says_so() {
    let router = router(web("https://idp.contoso.com"));
    let response = ask(&router, "POST", "/", HOST).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(text(response).await.contains("<h1>"));
}

#[tokio::test]
async fn assets_are_kept_for_ever_and_only_under_their_present_name() {
    let router = router(web("https://idp.contoso.com"));
    let page = text(ask(&router, "GET", "/", HOST).await).await;
    let from = page.find("/assets/style.").unwrap();
    let path = page[from..].split('"').next().unwrap();
    let response = ask(&router, "GET", path, HOST).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        response.headers()["cache-control"],
        "public, max-age=31536000, immutable"
    );
    assert_eq!(
        response.headers()["content-type"],
        "text/css; charset=utf-8"
    );
    for other in [
        "/assets/style.css",
        "/assets/style.0000000000000000.css",
        "/assets/..%2fmod.rs",
    ] {
        assert_eq!(
            ask(&router, "GET", other, HOST).await.status(),
            404,
            "{other}"
        );
    }
}

#[tokio::test]
async fn a_panic_is_a_page_without_detail() {
    let web = web("https://idp.contoso.com");
    let broken = get(|| async { assert!(HOST.is_empty(), "detail of the inside") });
    let router = super::wrap(Router::new().route("/broken", broken), web);
    let response = ask(&router, "GET", "/broken", HOST).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(response.headers().contains_key("content-security-policy"));
    let page = text(response).await;
    assert!(page.contains("req_") && page.contains("CB-"), "{page}");
    assert!(!page.contains("detail"), "{page}");
}

#[test]
fn no_address_stands_twice_in_the_table() {
    let mut paths: Vec<&str> = access::routes().iter().map(|route| route.path).collect();
    let count = paths.len();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), count);
}
