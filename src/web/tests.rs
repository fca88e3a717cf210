//! The frame, through the real router.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode, header},
    routing::get,
};
use http_body_util::BodyExt as _;
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::{Web, access, router};
use crate::{
    app::{App, Parts, Settings},
    base::{
        clock::{ManualClock, Timestamp},
        random::SystemRandom,
    },
    factor::password::HashCost,
    keys::sealing::{MasterKey, Sealing},
    relying_party::EntraCloud,
    session::SessionPolicy,
    signin::lockout::Delays,
    storage::Store,
};

/// The web layer over a fresh database, which lives as long as the folder.
async fn web(public_url: &str) -> (Arc<Web>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("test.db").display());
    let store = Store::connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    let settings = Settings {
        public_url: public_url.to_owned(),
        entra: EntraCloud::global().relying_party(Vec::new()),
        domains: vec![("contoso.com".parse().unwrap(), None)],
        endpoints: None,
        tenants: Vec::new(),
        tenant_domains: crate::relying_party::TenantDomains::default(),
        known_federations: Vec::new(),
        ws_federation: Vec::new(),
        sessions: SessionPolicy::default(),
        attempt_lifetime: Duration::from_mins(15),
        totp_skew: 1,
        person_delays: Delays::PERSON,
        source_delays: Delays::SOURCE,
        open_attempts_per_source: 200,
        desk: crate::session::Desk::Ordinary,
        methods: crate::directory::MethodPolicy::default(),
        webauthn: crate::factor::webauthn::policy::WebAuthnPolicy::default(),
        breached_passwords_file: None,
        hash_cost: HashCost::FLOOR,
        active_door: crate::signin::active::ActiveDoor::Closed,
        token: None,
        service_name: "Contoso sign-in".to_owned(),
        support_contact: Some("help@contoso.com".to_owned()),
    };
    let parts = Parts {
        store,
        clock: Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000))),
        random: Box::new(SystemRandom),
        sealing: Arc::new(Sealing::new(&MasterKey::random(&mut SystemRandom))),
        settings,
    };
    let app = Arc::new(App::start(parts).await.unwrap());
    (Arc::new(Web::new(app, Vec::new())), folder)
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
    let (web, _folder) = web("https://idp.contoso.com").await;
    let router = router(web);
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
    let (web, _folder) = web("http://localhost:8080").await;
    let router = router(web);
    let response = ask(&router, "GET", "/", "localhost:8080").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains_key("strict-transport-security"));
}

#[tokio::test]
async fn another_host_name_is_421_except_for_health() {
    let (web, _folder) = web("https://idp.contoso.com").await;
    let router = router(web);
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
async fn the_health_router_answers_nothing_else() {
    let (web, _folder) = web("https://idp.contoso.com").await;
    let router = super::health_router(web);
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/", 404),
        ("/saml2/sso", 404),
    ] {
        assert_eq!(
            ask(&router, "GET", path, HOST).await.status(),
            status,
            "{path}"
        );
    }
}

#[tokio::test]
async fn where_health_has_its_own_address_nobody_else_is_told_of_the_database() {
    let (web, _folder) = web("https://idp.contoso.com").await;
    let public = super::public_router(Arc::clone(&web));
    for (path, status) in [
        ("/readyz", 404),
        ("/healthz", 200),
        ("/saml2/metadata", 200),
    ] {
        let response = ask(&public, "GET", path, HOST).await;
        assert_eq!(response.status(), status, "{path}");
    }
    // Where it has none a proxy's check has nothing else to ask.
    let only = super::router(web);
    assert_eq!(ask(&only, "GET", "/readyz", HOST).await.status(), 200);
}

#[tokio::test]
async fn another_method_is_a_page_that_says_so() {
    let (web, _folder) = web("https://idp.contoso.com").await;
    let router = router(web);
    let response = ask(&router, "POST", "/", HOST).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(text(response).await.contains("<h1>"));
}

#[tokio::test]
async fn assets_are_kept_for_ever_and_only_under_their_present_name() {
    let (web, _folder) = web("https://idp.contoso.com").await;
    let router = router(web);
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
    let (web, _folder) = web("https://idp.contoso.com").await;
    let broken = get(|| async { assert!(HOST.is_empty(), "detail of the inside") });
    let router = super::wrap(Router::new().route("/broken", broken), web);
    let response = ask(&router, "GET", "/broken", HOST).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(response.headers().contains_key("content-security-policy"));
    let page = text(response).await;
    assert!(page.contains("req_") && page.contains("CB-"), "{page}");
    assert!(!page.contains("detail"), "{page}");
}

/// What a stranger gets from each address of the table, by GET and by POST.
#[tokio::test]
async fn every_address_answers_a_stranger_as_the_table_says() {
    use access::Who;

    let (web, _folder) = web("https://idp.contoso.com").await;
    let router = router(web);
    for route in access::routes() {
        let path = route
            .path
            .replace("{attempt}", "att_aaaaaaaaaaaaaaaaaaaaaaaaaa")
            .replace("{folder}", "federationmetadata")
            .replace("{document}", "FEDERATIONMETADATA.xml")
            .replace("{file}", "none")
            .replace("{aaguid}", "cb69481e-8ff7-4039-93ec-0a2729a154a8")
            .replace("/sessions/{id}", "/sessions/ses_aaaaaaaaaaaaaaaaaaaaaaaaaa")
            .replace("{id}", "crd_aaaaaaaaaaaaaaaaaaaaaaaaaa");
        let got = ask(&router, "GET", &path, HOST).await;
        let status = got.status().as_u16();
        let expected: &[u16] = match (route.who, route.path) {
            // A redirect to the attempt's page says nothing of the attempt.
            (Who::AttemptsBrowser, _) => &[303, 403],
            (Who::SignedIn, "/sign-out") => &[200],
            (Who::SignedIn, "/sign-out/everywhere") => &[405],
            (Who::SignedIn, _) | (Who::Anyone, "/saml2/slo") => &[303],
            (Who::Anyone, "/assets/{file}" | "/models/{aaguid}" | "/sign-out/{id}") => &[404],
            // Closed unless opened.
            (Who::Anyone, path) if path.starts_with("/trust/") => &[404],
            // No tenant asks here.
            (Who::Anyone, path) if path.starts_with("/oidc/") => &[404],
            // Without a request in it.
            (Who::Anyone, "/saml2/sso" | "/wsfed") => &[400],
            (Who::Anyone, _) => &[200],
        };
        assert!(expected.contains(&status), "GET {path}: {status}");

        let sent = Request::builder()
            .method("POST")
            .uri(&path)
            .header(header::HOST, HOST)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(
                "csrf=AAAA&username=a&password=b&again=b&code=1&pass=1&name=a&up_to=1&kind=totp&answer=a",
            ))
            .unwrap();
        let got = router.clone().oneshot(sent).await.unwrap();
        let status = got.status().as_u16();
        let expected: &[u16] = match (route.who, route.path) {
            (Who::SignedIn, "/account") => &[405],
            (Who::AttemptsBrowser | Who::SignedIn, _) | (_, "/sign-out/{id}") => &[403],
            (_, "/saml2/sso" | "/wsfed") => &[400],
            (_, "/saml2/slo") => &[303],
            (_, path) if path.starts_with("/trust/") => &[404],
            (_, "/oidc/authorize") => &[404],
            _ => &[405],
        };
        assert!(expected.contains(&status), "POST {path}: {status}");
        assert!(
            !got.headers().contains_key(header::SET_COOKIE),
            "POST {path} gave a stranger a cookie"
        );
    }
}

#[tokio::test]
async fn a_form_of_another_site_is_refused_before_it_is_read() {
    let (web, _folder) = web("https://idp.contoso.com").await;
    let router = router(web);
    for origin in ["https://evil.example", "null", "http://idp.contoso.com"] {
        let sent = Request::builder()
            .method("POST")
            .uri("/sign-out")
            .header(header::HOST, HOST)
            .header(header::ORIGIN, origin)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from("csrf=AAAA"))
            .unwrap();
        let got = router.clone().oneshot(sent).await.unwrap();
        assert_eq!(got.status(), StatusCode::FORBIDDEN, "{origin}");
        // Not the page for a stale token: the origin alone decides.
        let page = text(got).await;
        assert!(page.contains("This is not allowed"), "{origin}: {page}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let (web, _folder) = web("https://idp.contoso.com").await;
    let router = router(web);
    for path in ["/saml2/sso", "/sign-out"] {
        let sent = Request::builder()
            .method("POST")
            .uri(path)
            .header(header::HOST, HOST)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(format!(
                "csrf={}",
                "a".repeat(super::BODY_LIMIT)
            )))
            .unwrap();
        let got = router.clone().oneshot(sent).await.unwrap();
        assert_eq!(got.status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
}

#[test]
fn no_address_stands_twice_in_the_table() {
    let mut paths: Vec<&str> = access::routes().iter().map(|route| route.path).collect();
    let count = paths.len();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), count);
}

#[tokio::test]
async fn measures_are_at_the_address_for_operations_and_nowhere_else() {
    let (web, _folder) = web("https://idp.contoso.com").await;
    let (public, operations) = (router(Arc::clone(&web)), super::health_router(web));
    for (router, host, status) in [
        (&public, HOST, 404),
        (&public, "10.0.0.9:9090", 404),
        (&operations, "10.0.0.9:9090", 200),
    ] {
        let response = ask(router, "GET", "/metrics", host).await;
        assert_eq!(response.status(), status, "{host}");
        let said = text(response).await;
        assert_eq!(
            said.contains("claimbridge_build_info"),
            status == 200,
            "{said}"
        );
        assert!(!said.contains("contoso.com") || status == 404, "{said}");
    }
    let response = ask(&operations, "GET", "/saml2/metadata", "10.0.0.9:9090").await;
    assert_ne!(response.status(), 200);
    let response = ask(&operations, "GET", "/metrics", HOST).await;
    let said = text(response).await;
    // Each line is a comment, or a name, labels and a number.
    for line in said.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("claimbridge_"), "{line}");
        value.parse::<i64>().unwrap();
    }
    assert!(
        said.contains("claimbridge_watch_findings{kind=\"unknown-certificate\"} 0"),
        "{said}"
    );
    assert!(
        said.contains("claimbridge_signing_certificate_expiry_timestamp_seconds{key=\"key_"),
        "{said}"
    );
}

#[tokio::test]
async fn what_strangers_are_refused_is_counted() {
    let (web, _folder) = web("https://idp.contoso.com").await;
    let app = Arc::clone(&web.app);
    let operations = super::health_router(web);
    let counted = async || {
        let response = ask(&operations, "GET", "/metrics", HOST).await;
        text(response).await
    };
    assert!(!counted().await.contains("unknown-party"));
    app.count_refused(super::Refused::UnknownParty);
    app.count_refused(super::Refused::UnknownParty);
    // What was written is counted all the same.
    app.flush_refused().await.unwrap();
    app.count_refused(super::Refused::UnknownParty);
    let said = counted().await;
    assert!(
        said.contains("claimbridge_refused_total{reason=\"unknown-party\"} 3"),
        "{said}"
    );
}
