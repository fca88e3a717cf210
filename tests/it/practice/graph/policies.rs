//! Policies, and the log of sign-ins.

use serde_json::json;

use super::{
    super::signer::REGISTERED,
    super::world::{Browser, world},
    kit::{Admin, code, encoded},
};

#[tokio::test]
async fn policies_are_shown_as_they_are() {
    let world = world();
    let admin = Admin::of(&world).await;
    let (_, defaults) = admin
        .get("/v1.0/policies/identitySecurityDefaultsEnforcementPolicy")
        .await;
    assert_eq!(defaults["isEnabled"], false);
    world
        .practice
        .with_directory(|directory| directory.policies.security_defaults = true);
    let (_, defaults) = admin
        .get("/v1.0/policies/identitySecurityDefaultsEnforcementPolicy")
        .await;
    assert_eq!(defaults["isEnabled"], true);
    let path = "/v1.0/policies/federatedTokenValidationPolicy";
    assert_eq!(
        admin.get(path).await.1["validatingDomains"]["rootDomains"],
        "all"
    );
    assert_eq!(
        admin
            .patch(
                path,
                json!({ "validatingDomains": { "rootDomains": "some" } })
            )
            .await
            .0,
        400
    );
    assert_eq!(
        admin
            .patch(
                path,
                json!({ "validatingDomains": { "rootDomains": "none" } })
            )
            .await
            .0,
        204
    );
    assert_eq!(
        admin.get(path).await.1["validatingDomains"]["rootDomains"],
        "none"
    );
    assert_eq!(
        admin
            .get("/v1.0/policies/conditionalAccessPolicies")
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn an_external_method_is_added_once() {
    let world = world();
    let admin = Admin::of(&world).await;
    let path = "/beta/policies/authenticationMethodsPolicy/authenticationMethodConfigurations";
    let good = json!({
        "@odata.type": "#microsoft.graph.externalAuthenticationMethodConfiguration",
        "displayName": "claimbridge",
        "state": "disabled",
        "appId": "7b5a1c1e-0000-4000-8000-000000000001",
        "openIdConnectSetting": {
            "clientId": "entra",
            "discoveryUrl": "https://idp.contoso.com/oidc/.well-known/openid-configuration",
        },
        "includeTargets": [{ "targetType": "group", "id": "all_users" }],
        "excludeTargets": [],
    });
    for (name, value) in [
        ("@odata.type", json!("x")),
        ("displayName", json!("")),
        ("state", json!("on")),
        ("appId", json!(null)),
        (
            "openIdConnectSetting",
            json!({ "clientId": "x", "discoveryUrl": "https://idp.contoso.com/oidc" }),
        ),
        ("unknown", json!(1)),
    ] {
        let mut wrong = good.clone();
        wrong[name] = value;
        assert_eq!(admin.post(path, wrong).await.0, 400, "{name}");
    }
    let (status, made) = admin.post(path, good.clone()).await;
    assert_eq!(status, 201);
    assert_eq!(admin.post(path, good).await.0, 409);
    let (_, all) = admin.get(path).await;
    assert_eq!(all["value"], json!([made]));
    let (_, policy) = admin
        .get("/v1.0/policies/authenticationMethodsPolicy")
        .await;
    assert_eq!(policy["authenticationMethodConfigurations"], json!([made]));
}

#[tokio::test]
async fn the_log_is_asked_as_microsofts_script_asks_it() {
    let world = world();
    let admin = Admin::of(&world).await;
    world.clock.advance(std::time::Duration::from_mins(1));
    Browser::default()
        .sign_in(&world, &REGISTERED, |_| {})
        .await;
    let agent = "4988e250-5aee-482a-9136-6d269cb755c0";
    let asked = async |filter: &str| {
        let (status, body) = admin
            .get(&format!(
                "/v1.0/auditLogs/signIns?$top=500&$filter={}",
                encoded(filter)
            ))
            .await;
        assert_eq!(status, 200, "{body}");
        body["value"].as_array().unwrap().len()
    };
    assert_eq!(asked(&format!("(createdDateTime ge 2026-11-20T10:00:30Z and createdDateTime le 2026-11-20T11:00:00Z and userId eq '{agent}')")).await, 1);
    assert_eq!(asked("createdDateTime ge 2026-11-20T10:00:30Z").await, 1);
    assert_eq!(asked("createdDateTime le 2026-11-20T10:00:30Z").await, 1);
    assert_eq!(asked("userId eq 'nobody'").await, 0);
    let (status, body) = admin
        .get("/v1.0/auditLogs/signIns?$filter=appId%20eq%20'x'")
        .await;
    assert_eq!((status, code(&body)), (400, "Request_UnsupportedQuery"));
}
