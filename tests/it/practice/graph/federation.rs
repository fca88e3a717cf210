//! Domains and their federations: what Graph takes, and that the verifier believes it.

use axum::http::{Method, StatusCode};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use claimbridge::practice::More;
use serde_json::{Value, json};

use super::{
    super::{
        signer::{MULTIPLE_AUTHN, REGISTERED, STRANGER, TestKey},
        world::{Browser, World, failed, world, world_more},
    },
    kit::{Admin, code},
};

fn certificate(key: &TestKey) -> String {
    STANDARD.encode(&key.certificate)
}

/// The body of facts §4.1 for `domain`.
fn body(domain: &str) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.internalDomainFederation",
        "displayName": "Contoso \u{201c}sign-in\u{201d} $x",
        "issuerUri": format!("http://localhost:8080/{domain}"),
        "passiveSignInUri": format!("http://localhost:8080/saml2/sso?domain={domain}"),
        "signOutUri": "http://localhost:8080/sign-out",
        "metadataExchangeUri": null,
        "preferredAuthenticationProtocol": "saml",
        "federatedIdpMfaBehavior": "enforceMfaByFederatedIdp",
        "promptLoginBehavior": "nativeSupport",
        "isSignedAuthenticationRequestRequired": false,
        "signingCertificate": certificate(&REGISTERED),
        "nextSigningCertificate": null,
        "systemBrowserEnabledOn": "ios,android,mac",
        "passwordResetUri": "https://example.com/reset",
    })
}

fn more() -> More {
    More {
        managed_domains: vec![
            "managed.example".parse().unwrap(),
            "eu.contoso.com".parse().unwrap(),
        ],
        unverified_domains: vec!["unverified.example".parse().unwrap()],
        ..More::default()
    }
}

fn of(domain: &str) -> String {
    format!("/v1.0/domains/{domain}/federationConfiguration")
}

async fn id(admin: &Admin<'_>, domain: &str) -> String {
    let (status, body) = admin.get(&of(domain)).await;
    assert_eq!(status, 200, "{body}");
    body["value"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_a_new_federation_may_say() {
    let world = world_more(more());
    let admin = Admin::of(&world).await;
    let path = of("managed.example");
    let rsa_1024 = "MIIB0TCCATqgAwIBAgIUZg";
    for (name, value) in [
        ("unknownProperty", json!("x")),
        ("id", json!("1")),
        (
            "@odata.type",
            json!("#microsoft.graph.samlOrWsFedExternalDomainFederation"),
        ),
        ("displayName", json!(7)),
        ("issuerUri", json!(null)),
        ("issuerUri", json!("no address")),
        (
            "issuerUri",
            json!("http://localhost:8080/managed.example\n"),
        ),
        ("issuerUri", json!("http://localhost:8080/contoso.com")),
        ("passiveSignInUri", json!("")),
        ("passiveSignInUri", json!(null)),
        ("signingCertificate", json!(null)),
        ("signingCertificate", json!("-----BEGIN CERTIFICATE-----")),
        ("signingCertificate", json!("!!")),
        (
            "signingCertificate",
            json!(STANDARD.encode("no certificate")),
        ),
        ("signingCertificate", json!(rsa_1024)),
        (
            "nextSigningCertificate",
            json!(format!("{}\n", certificate(&REGISTERED))),
        ),
        ("preferredAuthenticationProtocol", json!("samlp")),
        ("preferredAuthenticationProtocol", json!("SAML")),
        ("federatedIdpMfaBehavior", json!("enforce")),
        ("federatedIdpMfaBehavior", json!(true)),
        ("promptLoginBehavior", json!("native")),
        ("isSignedAuthenticationRequestRequired", json!("false")),
        ("systemBrowserEnabledOn", json!("ios,windows")),
    ] {
        let mut wrong = body("managed.example");
        wrong[name] = value.clone();
        let (status, answer) = admin.post(&path, wrong).await;
        assert_eq!(
            (status, code(&answer)),
            (400, "Request_BadRequest"),
            "{name} {value}"
        );
    }
    let (_, none) = admin.get(&path).await;
    assert_eq!(none["value"], json!([]), "a refused call changed something");
    for (domain, wanted) in [
        ("unverified.example", 400),
        ("contoso.onmicrosoft.com", 400),
        ("contoso.com", 409),
        ("nowhere.example", 404),
        // A sub-domain has the issuer of the domain above it.
        ("eu.contoso.com", 400),
    ] {
        let (status, answer) = admin.post(&of(domain), body(domain)).await;
        assert_eq!(status, wanted, "{domain} {answer}");
    }
    let (status, made) = admin.post(&path, body("managed.example")).await;
    assert_eq!(status, 201, "{made}");
    let mut wanted = body("managed.example");
    wanted["id"] = made["id"].clone();
    wanted["activeSignInUri"] = json!(null);
    wanted["signingCertificateUpdateStatus"] = json!(null);
    wanted["@odata.context"] = made["@odata.context"].clone();
    assert_eq!(made, wanted);
    let (_, shown) = admin
        .get(&format!("{path}/{}", id(&admin, "managed.example").await))
        .await;
    assert_eq!(shown["issuerUri"], made["issuerUri"]);
    let (_, domain) = admin.get("/v1.0/domains/managed.example").await;
    assert_eq!(domain["authenticationType"], "Federated");
}

#[tokio::test]
async fn what_a_change_may_say_and_that_the_rest_stays() {
    let world = world();
    let admin = Admin::of(&world).await;
    let path = format!("{}/{}", of("contoso.com"), id(&admin, "contoso.com").await);
    let (_, before) = admin.get(&path).await;
    for wrong in [
        json!({ "federatedIdpMfaBehavior": null }),
        json!({ "displayName": "x", "nope": 1 }),
        json!({ "issuerUri": "http://localhost:8080/fabrikam.com" }),
        json!({ "signingCertificate": null }),
        json!([]),
    ] {
        let (status, answer) = admin.patch(&path, wrong.clone()).await;
        assert_eq!(
            (status, code(&answer)),
            (400, "Request_BadRequest"),
            "{wrong}"
        );
    }
    let (_, same) = admin.get(&path).await;
    assert_eq!(same, before, "a refused change changed something");
    let (status, changed) = admin.patch(&path, json!({ "displayName": "New" })).await;
    assert_eq!(status, 200);
    let mut wanted = before.clone();
    wanted["displayName"] = json!("New");
    assert_eq!(changed, wanted);
    for wrong in ["other-id", ""] {
        let (status, _) = admin
            .patch(&format!("{}/{wrong}x", of("contoso.com")), json!({}))
            .await;
        assert_eq!(status, 404);
    }
}

async fn signs_in(world: &World, key: &TestKey) -> (StatusCode, Value) {
    let mut browser = Browser::default();
    let answer = browser.sign_in(world, key, |_| {}).await;
    (answer.status, browser.last(world).await)
}

#[tokio::test]
async fn the_verifier_believes_what_graph_changed() {
    let world = world();
    let admin = Admin::of(&world).await;
    let path = format!("{}/{}", of("contoso.com"), id(&admin, "contoso.com").await);
    let next = &*STRANGER;
    let (status, last) = signs_in(&world, next).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(failed(&last), ["certificate"]);
    // Both certificates count at a time (facts §4.1).
    admin
        .patch(
            &path,
            json!({ "nextSigningCertificate": certificate(next) }),
        )
        .await;
    for key in [next, &*REGISTERED] {
        assert_eq!(signs_in(&world, key).await.0, StatusCode::SEE_OTHER);
    }
    admin
        .patch(
            &path,
            json!({ "signingCertificate": certificate(next), "nextSigningCertificate": null }),
        )
        .await;
    assert_eq!(signs_in(&world, next).await.0, StatusCode::SEE_OTHER);
    assert_eq!(
        failed(&signs_in(&world, &REGISTERED).await.1),
        ["certificate"]
    );

    admin
        .patch(
            &path,
            json!({ "issuerUri": "http://localhost:8080/contoso.com/" }),
        )
        .await;
    assert_eq!(failed(&signs_in(&world, next).await.1), ["issuer"]);
    admin
        .patch(
            &path,
            json!({ "issuerUri": "http://localhost:8080/contoso.com" }),
        )
        .await;

    for (behavior, outcome) in [
        ("acceptIfMfaDoneByFederatedIdp", "accepted"),
        ("rejectMfaByFederatedIdp", "accepted-without-mfa"),
        ("enforceMfaByFederatedIdp", "accepted"),
    ] {
        admin
            .patch(&path, json!({ "federatedIdpMfaBehavior": behavior }))
            .await;
        let (_, last) = signs_in(&world, next).await;
        assert_eq!(last["outcome"], outcome, "{behavior} {last}");
        assert_eq!(last["registered"]["federatedIdpMfaBehavior"], behavior);
    }
    // What Graph shows of it: the sign-ins that took place.
    let (_, log) = admin.get("/v1.0/auditLogs/signIns").await;
    let log = log["value"].as_array().unwrap();
    assert_eq!(log.len(), 10, "with the administrator's own");
    let codes: Vec<_> = log
        .iter()
        .map(|one| one["status"]["errorCode"].as_u64().unwrap())
        .collect();
    assert_eq!(codes, [0, 0, 0, 50_107, 5_000_811, 0, 0, 0, 5_000_811, 0]);
    assert_eq!(log[0]["userPrincipalName"], "agent1@contoso.com");
    assert_eq!(
        log[0]["authenticationRequirement"],
        "multiFactorAuthentication"
    );
    assert_eq!(
        MULTIPLE_AUTHN,
        "http://schemas.microsoft.com/claims/multipleauthn"
    );
}

#[tokio::test]
async fn a_managed_domain_sends_nobody_away() {
    for managed_by in ["patch", "delete"] {
        let world = world();
        let admin = Admin::of(&world).await;
        let mut browser = Browser::default();
        let carried = browser.start(&world, "/start").await;
        let (status, _) = if managed_by == "patch" {
            admin
                .patch(
                    "/v1.0/domains/contoso.com",
                    json!({ "authenticationType": "Managed" }),
                )
                .await
        } else {
            let path = format!("{}/{}", of("contoso.com"), id(&admin, "contoso.com").await);
            admin.call(Method::DELETE, &path, None).await
        };
        assert_eq!(status, 204);
        // An answer that was on its way is worth nothing any more.
        let response = super::super::world::good(&world, &carried);
        let answer = browser
            .bring(&world, &response.xml(&REGISTERED), &carried.relay_state)
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        let page = browser.get(&world, "/start?domain=contoso.com").await;
        assert_eq!(page.status, StatusCode::CONFLICT);
        assert!(page.body.contains("managed now"));
        // The second domain is not touched.
        browser.start(&world, "/start").await;
        let (_, domain) = admin.get("/v1.0/domains/contoso.com").await;
        assert_eq!(domain["authenticationType"], "Managed");
        let (status, _) = admin.post(&of("contoso.com"), body("contoso.com")).await;
        assert_eq!(status, 201, "it can be federated again");
        browser.start(&world, "/start?domain=contoso.com").await;
    }
}

#[tokio::test]
async fn domains_as_graph_shows_them() {
    let world = world_more(more());
    let admin = Admin::of(&world).await;
    let (status, all) = admin.get("/v1.0/domains").await;
    assert_eq!(status, 200);
    let shown: Vec<_> = all["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let flag = |name: &str| u8::from(one[name].as_bool().unwrap());
            (
                one["id"].as_str().unwrap(),
                one["authenticationType"].as_str().unwrap(),
                [
                    flag("isVerified"),
                    flag("isDefault"),
                    flag("isInitial"),
                    flag("isRoot"),
                ],
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("contoso.com", "Federated", [1, 0, 0, 1]),
            ("fabrikam.com", "Federated", [1, 0, 0, 1]),
            ("managed.example", "Managed", [1, 0, 0, 1]),
            ("eu.contoso.com", "Federated", [1, 0, 0, 0]),
            ("unverified.example", "Managed", [0, 0, 0, 1]),
            ("contoso.onmicrosoft.com", "Managed", [1, 1, 1, 1]),
        ]
    );
    for (path, body) in [
        (
            "/v1.0/domains/contoso.com",
            json!({ "authenticationType": "Federated" }),
        ),
        ("/v1.0/domains/contoso.com", json!({ "isDefault": true })),
        (
            "/v1.0/domains/unverified.example",
            json!({ "isDefault": true }),
        ),
        (
            "/v1.0/domains/managed.example",
            json!({ "isVerified": true }),
        ),
    ] {
        assert_eq!(
            admin.patch(path, body.clone()).await.0,
            400,
            "{path} {body}"
        );
    }
    admin
        .patch(
            "/v1.0/domains/managed.example",
            json!({ "isDefault": true }),
        )
        .await;
    let (status, answer) = admin
        .post(&of("managed.example"), body("managed.example"))
        .await;
    assert_eq!(status, 400, "the default domain was federated: {answer}");
    let (_, organization) = admin.get("/v1.0/organization").await;
    assert_eq!(organization["value"][0]["id"], world.practice.tenant_id());
    assert_eq!(
        organization["value"][0]["verifiedDomains"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
}
