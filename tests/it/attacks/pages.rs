//! Texts of strangers in our pages (attack 30).

use axum::http::header;

use crate::support::{PASSWORD, Page, World, entra};

const HOSTILE: [&str; 9] = [
    "\"><script>alert(1)</script>",
    "'><img src=x onerror=alert(1)>",
    "\" autofocus onfocus=\"alert(1)",
    "</title><svg/onload=alert(1)>",
    "{{7*7}}{% raw %}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "javascript:alert(1)//",
    "\u{0}\r\nSet-Cookie: a=b\r\n\r\n<script>alert(1)</script>",
    "\u{202e}<script\u{2028}>alert(1)</script>",
];

/// No script but files of ours, nothing that a page may load from elsewhere, and nothing
/// in the text that a browser would run.
fn require_inert(page: &Page, what: &str) {
    let policy = page
        .headers
        .get(header::CONTENT_SECURITY_POLICY)
        .unwrap_or_else(|| panic!("no policy: {what}"))
        .to_str()
        .unwrap();
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(part), "{what}: {policy}");
    }
    for part in [
        "unsafe",
        "*",
        "http:",
        "https:",
        "nonce",
        "'strict-dynamic'",
    ] {
        assert!(!policy.contains(part), "{what}: {policy}");
    }
    assert!(page.headers.get_all(header::SET_COOKIE).iter().all(|line| {
        let line = line.to_str().unwrap();
        line.starts_with("__Host-claimbridge-")
    }));
    if !page.body.trim_start().starts_with("<!doctype html>") {
        return;
    }
    // Read as a browser reads tags: no attribute of ours is an event, no script has a body.
    let body = page.body.to_lowercase();
    for (at, _) in body.match_indices('<') {
        let tag = &body[at..body[at..].find('>').map_or(body.len(), |end| at + end)];
        assert!(
            !tag.starts_with("<svg") && !tag.starts_with("<img src=x"),
            "{what}: {tag}"
        );
        assert!(
            !tag.starts_with("<script") || tag.contains("src=\"/"),
            "{what}: {tag}"
        );
        let mut outside = String::new();
        let mut quote = None;
        for c in tag.chars() {
            match (quote, c) {
                (None, '"' | '\'') => quote = Some(c),
                (Some(open), c) if c == open => quote = None,
                (None, c) => outside.push(c),
                _ => {}
            }
        }
        assert!(!outside.contains(" on"), "{what}: {tag}");
    }
}

#[tokio::test]
async fn attack_30_what_strangers_write_stays_text_on_every_page() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    for (number, hostile) in HOSTILE.into_iter().enumerate() {
        let mut request = entra::request(world.now());
        hostile.clone_into(&mut request.relay_state);
        let mut browser = world.browser();
        browser.source = format!("198.51.100.{number}");
        let parameter = |name: &str| {
            url::form_urlencoded::Serializer::new(String::new())
                .append_pair(name, hostile)
                .finish()
        };
        // A name to fill in, and an address to go back to that nobody obeys.
        let path = format!(
            "{}&{}&wreply=https%3A%2F%2Fevil.example%2F&{}",
            request.redirect(),
            parameter("login_hint"),
            parameter("wctx"),
        );
        let page = browser.get(&path).await;
        assert!(page.asks_for_password(), "{}", page.text());
        require_inert(&page, hostile);
        assert!(!page.body.contains("evil.example"));
        let page = browser.submit_password(hostile, "a wrong password").await;
        require_inert(&page, hostile);
        browser.reload_attempt().await;
        browser.submit_password(person.upn(), PASSWORD).await;
        let page = browser.submit_code(hostile).await;
        require_inert(&page, hostile);
        let page = browser.submit_code(&person.code(world.now())).await;
        require_inert(&page, hostile);
        let answer = page.expect_answer();
        assert_eq!(answer.action, entra::LOGIN_SRF, "and not wreply");
        assert_eq!(answer.relay_state.as_deref(), Some(hostile));
        // Pages of no attempt.
        for path in [
            format!("/sign-in/{}", parameter("x")),
            format!("/saml2/sso?{}", parameter("SAMLRequest")),
            format!("/saml2/metadata?{}", parameter("domain")),
            format!("/nowhere?{}", parameter("error")),
        ] {
            require_inert(&browser.get(&path).await, &path);
        }
        world.advance(60);
    }
}
