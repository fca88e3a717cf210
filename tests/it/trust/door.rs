//! What the door gives for a right password, and what it never gives.

use axum::http::StatusCode;
use claimbridge::{
    claims::authn_context,
    inspect::{self, Consumer, Outcome},
    protocol::wstrust::{TOKEN_TYPES, Version},
    relying_party::EntraCloud,
    signin::active::ActiveDoor,
};

use super::{
    kit::{asking, send},
    world,
};
use crate::support::{PASSWORD, World};

pub async fn device(world: &World, upn: &str) -> String {
    let made = world
        .app()
        .add_app_password(&upn.parse().unwrap(), "Scanner", "tester")
        .await
        .unwrap();
    made.value.expose().clone()
}

/// Where each address is what an unknown one is.
#[tokio::test]
async fn attack_22_a_closed_door_is_not_there() {
    let world = world(ActiveDoor::Closed).await;
    let person = world.add_user("agent1@contoso.com").await;
    let mut browser = world.browser();
    let unknown = browser.get("/trust/14/usernamemixed").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    for path in [
        "/trust/mex",
        "/trust/13/usernamemixed",
        "/trust/2005/usernamemixed",
    ] {
        for method in ["GET", "POST", "PUT", "HEAD"] {
            let page = browser.request(method, path, None).await;
            assert_eq!(page.status, StatusCode::NOT_FOUND, "{method} {path}");
        }
        let page = browser.get(path).await;
        assert!(page.text().contains("CB-HTTP-404"), "{}", page.text());
    }
    let said = asking(person.upn.as_str(), PASSWORD).ask(&world).await;
    assert_eq!(said.status, StatusCode::NOT_FOUND);
    let mut tx = world.app().store().read().await.unwrap();
    assert!(tx.receipts_of(&person.id, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_open_door_takes_what_it_says_and_by_its_methods_only() {
    let world = world(ActiveDoor::ApplicationPasswords).await;
    let mut browser = world.browser();
    let mex = browser.get("/trust/mex").await;
    assert_eq!(mex.status, StatusCode::OK);
    assert_eq!(mex.headers["content-type"], "text/xml; charset=utf-8");
    assert!(
        mex.body
            .contains("https://idp.example.com/trust/13/usernamemixed")
    );
    for (method, path, allowed) in [
        ("GET", "/trust/13/usernamemixed", "POST"),
        ("GET", "/trust/2005/usernamemixed", "POST"),
        ("POST", "/trust/mex", "GET, HEAD"),
    ] {
        let page = browser.request(method, path, None).await;
        assert_eq!(
            page.status,
            StatusCode::METHOD_NOT_ALLOWED,
            "{method} {path}"
        );
        assert_eq!(page.headers["allow"], allowed);
    }
    assert!(browser.cookies.is_empty());
    // The metadata of a domain whose programs come here says where (review K13).
    let metadata = "/FederationMetadata/2007-06/FederationMetadata.xml";
    for (query, names_it) in [
        ("", true),
        ("?domain=contoso.com", true),
        ("?domain=fabrikam.com", false),
    ] {
        let page = browser.get(&format!("{metadata}{query}")).await;
        let named = page
            .body
            .contains("https://idp.example.com/trust/2005/usernamemixed");
        assert_eq!(named, names_it, "{query}");
    }
}

/// The token says who, by a password, and nothing of a second factor — in any encoding, by our
/// inspector and by what stands in it.
#[tokio::test]
async fn attack_22_a_token_says_a_password_and_no_more() {
    let world = world(ActiveDoor::OwnPasswordsToo).await;
    // Somebody who has a second factor, and used it a moment ago.
    let person = world.ready("agent1@contoso.com").await;
    let value = device(&world, person.upn()).await;
    for (password, kind) in [
        (value.as_str(), "application-password"),
        (PASSWORD, "password-only"),
    ] {
        for version in Version::ALL {
            let mut asking = asking(person.upn(), password);
            asking.version = version;
            let said = asking.ask(&world).await;
            let token = said.token();
            assert!(said.headers.get("set-cookie").is_none());
            assert!(said.headers.get("access-control-allow-origin").is_none());
            assert!(said.body.contains("<a:RelatesTo>urn:uuid:7</a:RelatesTo>"));
            assert!(said.body.contains(version.answer_action()));
            // Without the signature: "mfa" comes up in Base64 by chance, once in twenty runs.
            let lower = said.body.to_lowercase();
            let (before, signature) = lower.split_once("<ds:signature ").unwrap();
            let (_, after) = signature.split_once("</ds:signature>").unwrap();
            let lower = format!("{before}{after}");
            for word in [
                authn_context::MULTIPLE_AUTHN,
                "multipleauthn",
                "wiaormultiauthn",
                "methodsreferences",
                "multifactor",
                "mfa",
            ] {
                assert!(!lower.contains(&word.to_lowercase()), "{word}: {token}");
            }
            let mut context = inspect::Context::at(world.now());
            context.issuer = Some("https://idp.example.com/contoso.com".to_owned());
            context.realm = Some("contoso.com".parse().unwrap());
            context.cloud = Some(EntraCloud::global());
            let sealing = world.sealing();
            let keys = claimbridge::app::keys::list(world.app().store(), &sealing);
            context.certificates = vec![keys.await.unwrap()[0].certificate.clone()];
            let report = inspect::inspect(token.as_bytes(), &context);
            let verdict = report.verdict(Consumer::EntraWsfed).unwrap();
            assert_eq!(verdict.outcome, Outcome::AcceptedWithoutMfa, "{report:?}");

            let mut tx = world.app().store().read().await.unwrap();
            let receipt = tx.receipts_of(&person.user.id, 1).await.unwrap().remove(0);
            assert!(
                receipt.proofs.starts_with(&format!("{kind} crd_")),
                "{}",
                receipt.proofs
            );
            assert!(token.contains(&receipt.assertion_id));
            assert_eq!(receipt.authn_instant_millis, world.now().as_millis());
            world.advance(1);
        }
    }
    // It made no session: who asks is a program.
    let sessions = world.app().sessions_of(&person.user.upn).await.unwrap();
    assert!(
        sessions.iter().all(|session| session.row.created_at
            < world.now().minus(std::time::Duration::from_secs(20)))
    );
    // What operators and auditors see as the last MFA is the sign-in, not these.
    let view = world.app().view_user(&person.user.upn).await.unwrap();
    assert!(view.last_mfa.unwrap().proofs.contains("totp"));
}

#[tokio::test]
async fn the_token_type_is_the_one_that_was_asked_for() {
    let world = world(ActiveDoor::ApplicationPasswords).await;
    world.add_user("agent1@contoso.com").await;
    let asking = asking(
        "agent1@contoso.com",
        &device(&world, "agent1@contoso.com").await,
    );
    for token_type in TOKEN_TYPES {
        let asked = format!("<wst:TokenType>{token_type}</wst:TokenType><wst:KeyType>");
        let soap = asking.soap(world.now()).replace("<wst:KeyType>", &asked);
        let said = asking.ask_of(&world, 0, soap).await;
        let given = format!("<t:TokenType>{token_type}</t:TokenType>");
        assert!(said.body.contains(&given), "{}", said.body);
    }
}

/// Revoked, disabled, replaced: at the next request, on each node.
#[tokio::test]
async fn attack_28_what_was_taken_away_opens_nothing_at_the_next_request_on_any_node() {
    let mut world = world(ActiveDoor::OwnPasswordsToo).await;
    world.start_node().await;
    let nodes = world.nodes.len();
    let upn = "agent1@contoso.com".parse().unwrap();
    world.ready("agent1@contoso.com").await;
    let asking_with = |password: &str| asking("agent1@contoso.com", password);
    let value = device(&world, "agent1@contoso.com").await;
    for node in 0..nodes {
        for password in [value.as_str(), PASSWORD] {
            let asking = asking_with(password);
            let soap = asking.soap(world.now());
            asking.ask_of(&world, node, soap).await.token();
        }
    }
    let refused_everywhere = async |world: &World, passwords: &[&str]| {
        for node in 0..nodes {
            for password in passwords {
                let asking = asking_with(password);
                let soap = asking.soap(world.now());
                let said = asking.ask_of(world, node, soap).await;
                assert!(said.is_refused(), "{}", said.body);
            }
            world.advance(3600);
        }
    };
    let app = std::sync::Arc::clone(world.app());
    app.disable_user(&upn, "tester").await.unwrap();
    refused_everywhere(&world, &[&value, PASSWORD]).await;
    app.enable_user(&upn, "tester").await.unwrap();
    asking_with(&value).ask(&world).await.token();
    let sql = world.sql().await;
    sql.define("CREATE TABLE older AS SELECT * FROM application_passwords")
        .await;
    let id = app.app_passwords_of(&upn).await.unwrap()[0].id.clone();
    app.revoke_app_password(&upn, &id, "tester").await.unwrap();
    refused_everywhere(&world, &[&value]).await;
    // Written by hand, it opens nothing and is an alarm (attack 38).
    sql.run("UPDATE application_passwords SET revoked_at = NULL")
        .await;
    refused_everywhere(&world, &[&value]).await;
    // Nor with what it was checked by, from a copy of before: its tag is genuine (review L10).
    sql.run("UPDATE application_passwords SET verifier = (SELECT verifier FROM older)")
        .await;
    refused_everywhere(&world, &[&value]).await;
    let mut tx = app.store().read().await.unwrap();
    let user = tx.user_by_upn(&upn).await.unwrap().unwrap();
    let events = tx.events_of(&user.id, 100).await.unwrap();
    assert!(events.iter().any(|event| event.kind() == "tampering-found"));
}

/// People of no domain of ours, and people who are not set up, look like a wrong password.
#[tokio::test]
async fn attack_19_nobody_of_another_house_gets_a_token() {
    let world = world(ActiveDoor::ApplicationPasswords).await;
    world.add_user("agent1@contoso.com").await;
    let value = device(&world, "agent1@contoso.com").await;
    world
        .sql()
        .await
        .run("DELETE FROM domains WHERE name = 'contoso.com'")
        .await;
    let said = asking("agent1@contoso.com", &value).ask(&world).await;
    assert!(said.is_refused(), "{}", said.body);
    assert!(!said.body.contains("contoso"), "{}", said.body);
}

/// A page of another site cannot send a request that is read: a form has none of these media
/// types, and no origin is allowed to ask first.
#[tokio::test]
async fn a_page_of_another_site_cannot_ask() {
    let world = world(ActiveDoor::OwnPasswordsToo).await;
    world.add_user("agent1@contoso.com").await;
    let asking = asking("agent1@contoso.com", PASSWORD);
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/xml; charset=utf-8",
        "application/soap+xml; charset=utf-16",
    ] {
        let said = send(
            world.nodes[0].router.clone(),
            asking.version.path(),
            "203.0.113.7",
            &[("Content-Type", kind)],
            asking.soap(world.now()),
        )
        .await;
        assert_eq!(said.fault().0, "wst:InvalidRequest", "{kind}");
    }
    let mut browser = world.browser();
    let page = browser
        .request("OPTIONS", asking.version.path(), None)
        .await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(page.headers.get("access-control-allow-origin").is_none());
}
