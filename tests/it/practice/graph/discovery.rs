//! Whose sign-in page a name gets: asked without a token.

use serde_json::{Value, json};

use super::{
    super::world::{Browser, World, world},
    kit::{Admin, encoded},
};

async fn json_at(world: &World, path: &str) -> Value {
    let answer = Browser::default().get(world, path).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn a_name_is_federated_managed_or_unknown() {
    let world = world();
    let admin = Admin::of(&world).await;
    for (login, kind) in [
        ("agent1@contoso.com", "Federated"),
        ("anybody@eu.contoso.com", "Federated"),
        ("emergency1@contoso.onmicrosoft.com", "Managed"),
        ("somebody@nowhere.example", "Unknown"),
    ] {
        let login = encoded(login);
        let realm = json_at(&world, &format!("/getuserrealm.srf?login={login}&json=1")).await;
        assert_eq!(realm["NameSpaceType"], kind, "{realm}");
        let xml = Browser::default()
            .get(&world, &format!("/getuserrealm.srf?login={login}&xml=1"))
            .await;
        let document = roxmltree::Document::parse(&xml.body).unwrap();
        let text = |name: &str| {
            document
                .descendants()
                .find(|node| node.has_tag_name(name))
                .and_then(|node| node.text())
        };
        assert_eq!(text("NameSpaceType"), Some(kind));
        assert_eq!(text("AuthURL"), realm["AuthURL"].as_str());
        for version in ["1.0", "2.1"] {
            let body = json_at(
                &world,
                &format!("/common/userrealm/{login}?api-version={version}"),
            )
            .await;
            let name = if version == "1.0" {
                "account_type"
            } else {
                "NameSpaceType"
            };
            assert_eq!(body[name], kind);
        }
    }
    let realm = json_at(
        &world,
        "/getuserrealm.srf?login=agent1%40contoso.com&json=1",
    )
    .await;
    assert_eq!(
        realm["AuthURL"],
        "http://localhost:8080/saml2/sso?domain=contoso.com&cbcxt=&username=agent1%40contoso%2Ecom&mkt=&lc="
    );
    admin
        .patch(
            "/v1.0/domains/contoso.com",
            json!({ "authenticationType": "Managed" }),
        )
        .await;
    let realm = json_at(
        &world,
        "/getuserrealm.srf?login=agent1%40contoso.com&json=1",
    )
    .await;
    assert_eq!(realm["NameSpaceType"], "Managed");
    assert_eq!(realm.get("AuthURL"), None);
    for path in ["/getuserrealm.srf", "/common/userrealm/x@contoso.com"] {
        assert_eq!(Browser::default().get(&world, path).await.status, 400);
    }
}
