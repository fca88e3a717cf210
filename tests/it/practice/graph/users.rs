//! People: pages, properties, and the rules of `onPremisesImmutableId`.

use axum::http::Method;
use claimbridge::practice::{More, Person, PracticeUser, Source};
use serde_json::{Value, json};

use super::{
    super::world::{World, world_more},
    kit::{Admin, call_with, code, encoded},
};

fn world() -> World {
    let person = |upn: &str, id: &str| {
        Person::member(PracticeUser {
            upn: upn.parse().unwrap(),
            immutable_id: id.to_owned(),
            object_id: format!("11111111-0000-4000-8000-{:012}", upn.len()),
            display_name: "New Person".to_owned(),
        })
    };
    world_more(More {
        managed_domains: vec!["managed.example".parse().unwrap()],
        generated_people: 2500,
        people: vec![
            person("new@managed.example", ""),
            person("taken.id@managed.example", "Taken"),
            Person {
                source: Source::OnPremises,
                ..person("synced.person@managed.example", "Anchor")
            },
        ],
        ..More::default()
    })
}

async fn all(admin: &Admin<'_>, first: &str) -> (Vec<usize>, Vec<Value>) {
    let (mut path, mut sizes, mut people) = (first.to_owned(), Vec::new(), Vec::new());
    loop {
        let (status, body) = admin.get(&path).await;
        assert_eq!(status, 200, "{body}");
        let page = body["value"].as_array().unwrap();
        sizes.push(page.len());
        people.extend(page.iter().cloned());
        let Some(next) = body["@odata.nextLink"].as_str() else {
            return (sizes, people);
        };
        let rest = next.strip_prefix("http://127.0.0.1:8081/graph").unwrap();
        rest.clone_into(&mut path);
    }
}

#[tokio::test]
async fn everybody_comes_once_page_by_page() {
    let world = world();
    let admin = Admin::of(&world).await;
    let (sizes, people) = all(&admin, "/v1.0/users?$top=999&$select=userPrincipalName").await;
    assert_eq!(sizes, [999, 999, 510]);
    let names: std::collections::BTreeSet<_> = people
        .iter()
        .map(|one| one["userPrincipalName"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 2508);
    let filter = encoded("endswith(userPrincipalName,'@contoso.com')");
    let (sizes, people) = all(
        &admin,
        &format!("/v1.0/users?$count=true&$top=999&$filter={filter}"),
    )
    .await;
    assert_eq!(sizes, [999, 999, 503]);
    // Not of its sub-domains, and only what is shown without $select.
    let last = people.last().unwrap();
    assert_eq!(last["userPrincipalName"], "agent1@contoso.com");
    assert_eq!(last.get("onPremisesImmutableId"), None);
    let (_, first) = admin
        .get(&format!("/v1.0/users?$count=true&$top=1&$filter={filter}"))
        .await;
    assert_eq!(first["@odata.count"], 2501);
    let (_, one) = admin
        .get("/v1.0/users/agent1@contoso.com?$select=id,onPremisesImmutableId,accountEnabled,userType,onPremisesSyncEnabled")
        .await;
    assert_eq!(one["onPremisesImmutableId"], "AGENT1id");
    assert_eq!(one["userType"], "Member");
    assert_eq!(one["onPremisesSyncEnabled"], Value::Null);
}

#[tokio::test]
async fn questions_that_graph_does_not_answer() {
    let world = world();
    let admin = Admin::of(&world).await;
    for query in [
        "$top=0",
        "$top=1000",
        "$top=x",
        "$select=passwordProfile",
        "$filter=endswith(userPrincipalName,'@contoso.com')",
        "$filter=city%20eq%20'x'",
        "$skiptoken=x",
        "$orderby=displayName",
    ] {
        let (status, answer) = admin.get(&format!("/v1.0/users?{query}")).await;
        assert_eq!(status, 400, "{query} {answer}");
        code(&answer);
    }
    assert_eq!(admin.get("/v1.0/users/nobody@contoso.com").await.0, 404);
    assert_eq!(admin.get("/v1.0/groups").await.0, 404);
    assert_eq!(admin.get("/v2.0/users").await.0, 400);
    assert_eq!(
        admin
            .call(Method::DELETE, "/v1.0/users/agent1@contoso.com", None)
            .await
            .0,
        405
    );
    let (status, _) = call_with(
        &world,
        &admin.token,
        Method::PATCH,
        "/v1.0/users/agent1@contoso.com",
        Some(json!("x")),
    )
    .await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn an_immutable_id_is_set_once_and_where_entra_allows_it() {
    let world = world();
    let admin = Admin::of(&world).await;
    let set = async |who: &str, id: Value| {
        let path = format!("/v1.0/users/{who}");
        admin
            .patch(&path, json!({ "onPremisesImmutableId": id }))
            .await
            .0
    };
    for (who, id) in [
        // In a federated domain: a bare 400.
        ("agent1@contoso.com", json!("Other")),
        ("agent1@contoso.com", json!(null)),
        ("person000007@contoso.com", json!("Other")),
        ("synced.person@managed.example", json!("Other")),
        ("new@managed.example", json!("with_underscore")),
        ("new@managed.example", json!("with$")),
        ("new@managed.example", json!("")),
        ("new@managed.example", json!(7)),
        ("new@managed.example", json!("Taken")),
        ("new@managed.example", json!("Generated000007")),
    ] {
        assert_eq!(set(who, id.clone()).await, 400, "{who} {id}");
    }
    assert_eq!(set("new@managed.example", json!("Fresh+1==")).await, 204);
    assert_eq!(set("taken.id@managed.example", json!(null)).await, 204);
    assert_eq!(
        set("new@managed.example", json!("Taken")).await,
        204,
        "it is free again"
    );

    // The documented way round, for a federated domain.
    let moved = "agent1@contoso.onmicrosoft.com";
    let rename = async |from: &str, to: &str| {
        let path = format!("/v1.0/users/{from}");
        admin
            .patch(&path, json!({ "userPrincipalName": to }))
            .await
            .0
    };
    assert_eq!(rename("agent1@contoso.com", "boss@fabrikam.com").await, 400);
    assert_eq!(
        rename("agent1@contoso.com", "agent1@nowhere.example").await,
        400
    );
    assert_eq!(rename("agent1@contoso.com", moved).await, 204);
    assert_eq!(set(moved, json!(null)).await, 204);
    assert_eq!(
        rename(moved, "agent1@contoso.com").await,
        400,
        "it needs an id there"
    );
    assert_eq!(set(moved, json!("NewId")).await, 204);
    assert_eq!(rename(moved, "agent1@contoso.com").await, 204);
    let (_, one) = admin
        .get("/v1.0/users/agent1@contoso.com?$select=onPremisesImmutableId")
        .await;
    assert_eq!(one["onPremisesImmutableId"], "NewId");
}
