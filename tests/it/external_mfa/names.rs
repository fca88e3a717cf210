//! Whom a tenant may name: its own people, and no other's.

use claimbridge::{
    app::external_mfa::tenants,
    relying_party::{Tenant, TenantCloud},
};
use serde_json::json;

use super::kit::{AGENT, APPLICATION, Ask, CLIENT, Door, TENANT, told};

const OTHER_TENANT: &str = "cccccccc-0000-cccc-1111-dddd2222eeee";
const OTHER_OBJECT: &str = "bbbbcccc-1111-dddd-2222-eeee3333aaaa";

/// What another tenant says of an account that it calls like one of ours.
fn other(door: &Door) -> Ask {
    let issuer = format!("{}/{OTHER_TENANT}/v2.0", door.cloud.url);
    door.ask(AGENT)
        .hinting("tid", json!(OTHER_TENANT))
        .hinting("iss", json!(issuer))
        .hinting("oid", json!(OTHER_OBJECT))
}

/// Whether the person of that name is asked; nobody is, otherwise.
async fn is_asked(door: &Door, ask: &Ask) -> bool {
    let node = door.world.nodes.len() - 1;
    let page = door.arrive(&mut door.world.browser_on(node), ask).await;
    let stranger = page.text().contains("CB-MFA-006");
    assert_ne!(stranger, page.asks_for_code(), "{}", page.text());
    !stranger
}

#[tokio::test]
async fn attack_23_a_tenant_names_no_other_tenants_people() {
    let mut door = Door::new().await;
    let agent = door.agent().await;
    // One tenant: its configuration says nothing, and goes on as it was.
    assert!(is_asked(&door, &door.ask(AGENT)).await);
    let tenant = Tenant {
        id: OTHER_TENANT.parse().unwrap(),
        client_id: CLIENT.parse().unwrap(),
        application_id: APPLICATION.parse().unwrap(),
        cloud: TenantCloud::Custom,
        name: None,
    };
    let (app, now) = (door.world.app(), door.world.now());
    tenants::add(app.store(), app.settings(), tenant, "tester", now)
        .await
        .unwrap();
    // Of two neither names anybody, until it is said whose people are whose.
    assert!(!is_asked(&door, &door.ask(AGENT)).await);
    assert!(!is_asked(&door, &other(&door)).await);
    let domains = &mut door.world.settings.tenant_domains;
    domains
        .give(TENANT.parse().unwrap(), "contoso.com".parse().unwrap())
        .unwrap();
    door.world.start_node().await;
    assert!(is_asked(&door, &door.ask(AGENT)).await);
    assert!(!is_asked(&door, &other(&door)).await);
    // Whom an operator links is asked, whatever the account is called.
    let linked = (OTHER_TENANT.parse().unwrap(), OTHER_OBJECT.parse().unwrap());
    let (app, upn) = (door.world.app(), AGENT.parse().unwrap());
    let link = app.link_external_account(&upn, linked, None, "tester");
    link.await.unwrap();
    let node = door.world.nodes.len() - 1;
    let mut browser = door.world.browser_on(node);
    assert!(
        door.arrive(&mut browser, &other(&door))
            .await
            .asks_for_code()
    );
    let page = browser.submit_code(&agent.code(door.world.now())).await;
    assert!(page.text().contains("A Microsoft account was linked"));
    assert!(told(&browser.submit(&[]).await).is_token());
}

#[tokio::test]
async fn a_guest_is_known_by_no_name() {
    let door = Door::new().await;
    door.agent().await;
    let guest = format!("https://sts.windows.net/{OTHER_TENANT}/");
    let own = format!("https://sts.windows.net/{TENANT}/");
    for (claim, value, asked) in [
        ("acct", json!(0), true),
        ("acct", json!(1), false),
        ("acct", json!("1"), false),
        ("idp", json!(own), true),
        ("idp", json!(guest), false),
        ("idp", json!("live.com"), false),
        ("idp", json!(7), false),
    ] {
        let ask = door.ask(AGENT).hinting(claim, value.clone());
        assert_eq!(is_asked(&door, &ask).await, asked, "{claim} {value}");
    }
}
