//! Models of keys that do not count any more: by the metadata, by the rules.

use claimbridge::{app::metadata::Supply, base::aaguid::Aaguid};
use serde_json::json;

use super::keys::{attempt_of, reasons, signs, with_key};
use crate::{
    mds_kit::{Publisher, entry, payload},
    soft_key::MODEL,
    support::World,
};

const UPN: &str = "agent1@contoso.com";

/// A file that went back (a deployment, or who may write it) speaks for nobody, and what it
/// reports itself still counts: no revoked model comes back by it.
#[tokio::test]
async fn attack_35_an_older_file_brings_no_revoked_model_back() {
    let mut world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    let publisher = Publisher::new();
    let file = |number, revoked: bool| {
        let status = if revoked { "REVOKED" } else { "FIDO_CERTIFIED" };
        let reports = json!([{"status": status, "effectiveDate": "2024-01-01"}]);
        let model = Aaguid::from_bytes(MODEL).to_string();
        let entries = [entry(&model, "A bad one", &[b"root"], &reports)];
        publisher.publish(&payload(number, &entries))
    };
    let used = world.app().use_metadata(file(44, true), publisher.roots());
    used.await.unwrap();
    for (number, revoked) in [(42, false), (43, true)] {
        world.start_node().await;
        let node = world.nodes.len() - 1;
        let app = world.nodes[node].app.clone();
        let used = app.use_metadata(file(number, revoked), publisher.roots());
        used.await.unwrap_err();
        // Of two that are too old, the newer speaks.
        let used = app.use_metadata(file(41, false), publisher.roots());
        used.await.unwrap_err();
        assert_eq!(app.metadata_supply(), Supply::Withheld);
        assert!(app.metadata().is_none(), "for nothing else");
        let view = app.view_user(&UPN.parse().unwrap()).await.unwrap();
        assert_eq!(view.is_covered(), !revoked);

        let mut browser = world.browser_on(node);
        browser.get("/account").await;
        let attempt = attempt_of(&browser);
        let page = signs(&mut browser, "passkey", &mut key).await;
        let refused = reasons(&world, &attempt).await;
        if revoked {
            assert_eq!(page.status, 403, "{}", page.text());
            assert!(page.text().contains("REVOKED"), "{}", page.text());
            assert_eq!(refused, ["compromised"]);
        } else {
            assert!(refused.is_empty(), "{refused:?}");
        }
    }
}
