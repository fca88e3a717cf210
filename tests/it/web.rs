//! The web layer with people in it: who gets what, what a GET changes, cookies, forms.

use axum::http::{StatusCode, header};
use claimbridge::web::access::{self, Get, Who};
use sqlx::Row as _;

use crate::support::{Browser, Person, World, entra};

async fn signed_in(world: &World, person: &Person) -> Browser {
    let mut browser = world.browser();
    let request = entra::request(world.now());
    let code = person.code(world.now());
    browser
        .sign_in(&request, person.upn(), &code)
        .await
        .expect_answer();
    browser
}

/// The address of a row for a browser that has no open attempt.
fn address(route: &access::Route) -> String {
    route
        .path
        .replace("{attempt}", "att_aaaaaaaaaaaaaaaaaaaaaaaaaa")
        .replace("{folder}", "federationmetadata")
        .replace("{document}", "FEDERATIONMETADATA.xml")
        .replace("{file}", "none")
        .replace("{aaguid}", "cb69481e-8ff7-4039-93ec-0a2729a154a8")
        .replace("/sessions/{id}", "/sessions/ses_aaaaaaaaaaaaaaaaaaaaaaaaaa")
        .replace("{id}", "crd_aaaaaaaaaaaaaaaaaaaaaaaaaa")
}

#[tokio::test]
async fn each_address_answers_a_signed_in_person_as_the_table_says() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = signed_in(&world, &person).await;
    for route in access::routes() {
        let path = address(&route);
        let got = browser.request("GET", &path, None).await.status.as_u16();
        let expected: &[u16] = match (route.who, route.path) {
            (Who::AttemptsBrowser, _) => &[303, 403],
            (Who::SignedIn, "/sign-out/everywhere") => &[405],
            (Who::SignedIn, "/account" | "/account/password") => &[200],
            (
                Who::Anyone,
                "/assets/{file}" | "/models/{aaguid}" | "/saml2/metadata" | "/sign-out/{id}",
            ) => &[404],
            (Who::Anyone, "/saml2/sso" | "/wsfed") => &[400],
            (Who::Anyone, "/saml2/slo") => &[303],
            // Closed unless opened.
            (Who::Anyone, path) if path.starts_with("/trust/") => &[404],
            // No tenant asks here.
            (Who::Anyone, path) if path.starts_with("/oidc/") => &[404],
            // The addresses of forms lead back to the page that they stand on.
            (Who::SignedIn, path)
                if path.starts_with("/account/") || path.starts_with("/inspect/") =>
            {
                &[303]
            }
            (Who::SignedIn | Who::Anyone, _) => &[200],
        };
        assert!(expected.contains(&got), "GET {path}: {got}");
        // A form without the token of one of our pages does nothing, whoever sends it.
        let sent = Some(
            "csrf=AAAA&username=a&password=b&again=b&code=1&pass=1&name=a&up_to=1&kind=totp&answer=a"
                .to_owned(),
        );
        let got = browser.request("POST", &path, sent).await.status.as_u16();
        assert!(
            [303, 400, 403, 405].contains(&got)
                || (path.starts_with("/trust/") || path.starts_with("/oidc/")) && got == 404,
            "POST {path}: {got}"
        );
    }
    let page = browser.get("/account").await;
    assert_eq!(page.status, StatusCode::OK, "nothing signed the person out");
}

#[tokio::test]
async fn a_get_changes_nothing_unless_the_table_says_so() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = signed_in(&world, &person).await;
    sqlx::any::install_default_drivers();
    let mut watcher = <sqlx::AnyConnection as sqlx::Connection>::connect(&world.database_url)
        .await
        .unwrap();
    // SQLite: changes whenever another connection has committed a change.
    let mut version = async || -> i64 {
        let row = sqlx::query("PRAGMA data_version")
            .fetch_one(&mut watcher)
            .await
            .unwrap();
        row.try_get::<i64, _>(0)
            .unwrap_or_else(|_| row.get::<i32, _>(0).into())
    };
    let before = version().await;
    for route in access::routes() {
        if route.get == Get::ChangesNothing {
            browser.request("GET", &address(&route), None).await;
            assert_eq!(version().await, before, "GET {}", route.path);
        }
    }
    browser.start(&entra::request(world.now())).await;
    assert_ne!(version().await, before, "the watcher sees changes");
}

#[tokio::test]
async fn every_cookie_is_of_this_host_and_out_of_reach_of_scripts() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    let request = entra::request(world.now());
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("SAMLRequest", &request.base64())
        .finish();
    let begun = browser.request("POST", "/saml2/sso", Some(body)).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER);
    browser.get(&begun.redirect().unwrap()).await;
    browser
        .submit_password(person.upn(), crate::support::PASSWORD)
        .await;
    let answered = browser.submit_code(&person.code(world.now())).await;
    answered.expect_answer();
    let cookies: Vec<&str> = [&begun, &answered]
        .into_iter()
        .flat_map(|page| page.headers.get_all(header::SET_COOKIE))
        .map(|line| line.to_str().unwrap())
        .collect();
    assert_eq!(cookies.len(), 3, "{cookies:?}");
    for cookie in cookies {
        assert!(cookie.starts_with("__Host-claimbridge-"), "{cookie}");
        for part in ["; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
}

/// Who closes the browser of a shared PC leaves nothing that proves anything: no cookie of a
/// sign-in or a session says how long it is kept.
#[tokio::test]
async fn at_a_clean_desk_sign_in_and_session_end_with_the_browser() {
    let mut world = World::new().await;
    world.settings.desk = claimbridge::session::Desk::Clean;
    world.start_node().await;
    let node = world.nodes.len() - 1;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser_on(node);
    let request = entra::request(world.now());
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("SAMLRequest", &request.base64())
        .finish();
    let begun = browser.request("POST", "/saml2/sso", Some(body)).await;
    browser.get(&begun.redirect().unwrap()).await;
    browser
        .submit_password(person.upn(), crate::support::PASSWORD)
        .await;
    let answered = browser.submit_code(&person.code(world.now())).await;
    answered.expect_answer();
    let cookies: Vec<&str> = [&begun, &answered]
        .into_iter()
        .flat_map(|page| page.headers.get_all(header::SET_COOKIE))
        .map(|line| line.to_str().unwrap())
        // It only says that the browser is no stranger.
        .filter(|line| !line.starts_with("__Host-claimbridge-known="))
        .collect();
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    for cookie in cookies {
        assert!(!cookie.contains("Max-Age"), "{cookie}");
        assert!(!cookie.contains("Expires"), "{cookie}");
    }
}

#[tokio::test]
async fn only_the_page_that_leaves_may_send_its_form_elsewhere() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    let asked = browser.start(&entra::request(world.now())).await;
    let policy = |page: &crate::support::Page| {
        let value = &page.headers[header::CONTENT_SECURITY_POLICY];
        value.to_str().unwrap().to_owned()
    };
    assert!(policy(&asked).contains("form-action 'self'"));
    browser
        .submit_password(person.upn(), crate::support::PASSWORD)
        .await;
    let leaving = browser.submit_code(&person.code(world.now())).await;
    leaving.expect_answer();
    let policy = policy(&leaving);
    assert!(!policy.contains("form-action"), "{policy}");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert_eq!(leaving.headers[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn attack_30_a_relay_state_stays_text_and_comes_back_byte_for_byte() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    for hostile in [
        "\"><script>alert(1)</script>",
        "' onfocus=alert(1) autofocus x='",
        "javascript:alert(1)",
        "https://evil.example/?a=1&b=2",
        "\u{202e}é&amp;&#x22;%00+ +",
    ] {
        let mut request = entra::request(world.now());
        hostile.clone_into(&mut request.relay_state);
        let mut browser = world.browser();
        let code = person.code(world.now());
        let page = browser.sign_in(&request, person.upn(), &code).await;
        let answer = page.expect_answer();
        assert_eq!(answer.relay_state.as_deref(), Some(hostile));
        assert!(!page.body.contains("<script>alert"), "{}", page.body);
        world.advance(60);
    }
}

#[tokio::test]
async fn a_form_of_one_browser_is_worth_nothing_in_another() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let (mut one, mut other) = (world.browser(), world.browser());
    let page = one.start(&entra::request(world.now())).await;
    other.start(&entra::request(world.now())).await;
    let form = page.forms().remove(0);
    let token = |form: &crate::support::Form| {
        let csrf = form.inputs.iter().find(|input| input.name == "csrf");
        csrf.unwrap().value.clone()
    };
    let fields = [
        ("csrf", token(&form)),
        ("username", person.upn().to_owned()),
        ("password", crate::support::PASSWORD.to_owned()),
    ];
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    // The other browser's own attempt, with the first one's token.
    let at = other.at.clone();
    let refused = other.post(&at, &fields).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.body.contains("CB-FORM-001"), "{}", refused.text());
    // The first one's attempt, from the other browser.
    let refused = other.post(&form.action, &fields).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let accepted = one.post(&form.action, &fields).await;
    assert!(accepted.asks_for_code(), "{}", accepted.text());
}

#[tokio::test]
async fn attack_28_signing_out_ends_the_session_and_everywhere_ends_all() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut desk = signed_in(&world, &person).await;
    world.advance(60);
    let mut home = signed_in(&world, &person).await;
    world.advance(60);
    let mut third = signed_in(&world, &person).await;

    let stolen = desk.cookies.clone();
    desk.get("/sign-out").await;
    let page = desk.submit(&[]).await;
    assert!(page.text().contains("signed out"), "{}", page.text());
    // The cookie of an ended session is worth nothing, also to who has kept it.
    desk.cookies = stolen;
    assert_eq!(
        desk.request("GET", "/account", None).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(home.get("/account").await.status, StatusCode::OK);

    home.get("/account").await;
    let mut forms = home.page.clone().unwrap().forms().into_iter();
    let form = forms
        .find(|form| form.action == "/sign-out/everywhere")
        .unwrap();
    home.send_form(&form, &[]).await;
    for browser in [&mut home, &mut third] {
        let page = browser.start(&entra::request(world.now())).await;
        assert!(page.asks_for_password(), "{}", page.text());
    }
}

#[tokio::test]
async fn metadata_names_the_issuer_of_the_domain_and_is_not_signed() {
    let world = World::new().await;
    let mut stranger = world.browser();
    let page = stranger.get("/saml2/metadata?domain=contoso.com").await;
    assert_eq!(page.status, StatusCode::OK);
    let document = roxmltree::Document::parse(&page.body).unwrap();
    assert_eq!(
        document.root_element().attribute("entityID"),
        Some("https://idp.example.com/contoso.com")
    );
    assert!(page.body.contains("/saml2/sso?domain=contoso.com"));
    assert!(
        !page.body.contains("SignatureValue"),
        "attack 10: never signed"
    );
    let unknown = stranger.get("/saml2/metadata?domain=evil.example").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_person_with_a_pass_and_no_password_chooses_one_first() {
    let world = World::new().await;
    let upn = "agent7@contoso.com";
    let new = claimbridge::app::users::NewUser {
        upn: upn.parse().unwrap(),
        display_name: "Agent Seven".to_owned(),
        immutable_id: None,
        groups: Vec::new(),
        password: None,
    };
    world.app().add_user(new, "tester").await.unwrap();
    let pass = world.issue_pass(upn).await;
    let mut browser = world.browser();
    let page = browser.start(&entra::request(world.now())).await;
    assert!(page.body.contains("/pass\""), "the way is shown");
    let way = format!("{}/pass", browser.at);
    browser.get(&way).await;
    let page = browser.submit(&[("username", upn), ("pass", &pass)]).await;
    assert!(page.text().contains("Choose a password"), "{}", page.text());

    let choose = async |browser: &mut Browser, first: &str, again: &str| {
        let form = browser.page.clone().unwrap().forms().remove(0);
        let value = |name: &str| {
            let input = form.inputs.iter().find(|input| input.name == name).unwrap();
            input.value.clone()
        };
        let csrf = value("csrf");
        let fields = [
            ("csrf", csrf.as_str()),
            ("password", first),
            ("again", again),
        ];
        browser.post(&form.action, &fields).await
    };
    let page = choose(&mut browser, "long enough one", "long enough two").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.text().contains("not the same"), "{}", page.text());
    let page = choose(&mut browser, "short", "short").await;
    assert!(
        page.text().contains("Choose another one"),
        "{}",
        page.text()
    );
    let password = "four random words here";
    choose(&mut browser, password, password).await;
    let page = browser.choose_totp().await;
    assert!(
        page.text().contains("Add a code generator"),
        "{}",
        page.text()
    );
    let person = Person {
        user: world.app().find_user(&upn.parse().unwrap()).await.unwrap(),
        secret: page.totp_secret(),
    };
    let page = browser.confirm(&person.code(world.now())).await;
    assert!(
        page.text().contains("code generator is added"),
        "{}",
        page.text()
    );
    world.advance(30);
    let next = browser.at.trim_end_matches("/added").to_owned();
    browser.get(&next).await;
    browser.submit_password(upn, password).await;
    browser.submit_code(&person.code(world.now())).await;
    browser.submit(&[]).await.expect_answer();
}

#[tokio::test]
async fn a_wait_is_a_429_that_names_the_time_and_a_wrong_guess_a_403() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut stranger = world.browser();
    stranger.start(&entra::request(world.now())).await;
    for _ in 0..5 {
        let page = stranger.submit_password(person.upn(), "a guess").await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(page.body.contains("aria-invalid"));
    }
    let page = stranger
        .submit_password(person.upn(), crate::support::PASSWORD)
        .await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    let seconds = page.headers[header::RETRY_AFTER].to_str().unwrap();
    assert_eq!(seconds, "31");
    assert!(page.text().contains("Wait 30 seconds"), "{}", page.text());
    world.advance(31);
    let page = stranger
        .submit_password(person.upn(), crate::support::PASSWORD)
        .await;
    assert!(page.asks_for_code(), "{}", page.text());
}
