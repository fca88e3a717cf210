//! Each button shows exactly its rule, and everything else stays green.

use std::{collections::BTreeSet, time::Duration};

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    signer::REGISTERED,
    world::{Browser, ISSUER, failed, world},
};

/// Button, the inspector's rule, the tenant's check, Entra's error.
const BREAKS: [(&str, &str, &str, &str); 4] = [
    ("wrong-issuer", "CB-SAML-003", "issuer", "50107"),
    ("expired", "CB-SAML-016", "time", "50008"),
    ("wrong-certificate", "CB-SAML-006", "certificate", "5000811"),
    ("class-reference-dropped", "CB-SAML-019", "mfa", "50079"),
];

/// Every rule id that a page names.
fn rules_on(page: &str) -> BTreeSet<&str> {
    page.match_indices("CB-")
        .map(|(at, _)| {
            let rest = &page[at..];
            let end = rest
                .find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-'))
                .unwrap_or(rest.len());
            &rest[..end]
        })
        .collect()
}

#[tokio::test]
async fn each_button_judges_the_last_response_again_by_its_rule() {
    let world = world();
    let mut browser = Browser::default();
    browser.sign_in(&world, &REGISTERED, |_| {}).await;
    // However long a person reads before pressing.
    world.clock.advance(Duration::from_hours(3));
    for (name, rule, check, aadsts) in BREAKS {
        let pressed = browser.press(&world, name).await;
        assert_eq!(pressed.status, StatusCode::SEE_OTHER);
        assert_eq!(pressed.location(), "/result");
        let last = browser.last(&world).await;
        assert_eq!(last["findings"], serde_json::json!([rule]), "{name}");
        assert_eq!(last["undecided"], serde_json::json!([]), "{name}");
        assert_eq!(failed(&last), [check], "{name}");
        assert_eq!(last["aadsts"], aadsts, "{name}");
        assert_eq!(last["accepted"], false, "{name}");
        assert_eq!(last["partner_center"]["status"], 401, "{name}");
        let registered = &last["registered"];
        assert_eq!(
            registered["issuerUri"] == ISSUER,
            name != "wrong-issuer",
            "{name}"
        );
        assert_eq!(
            registered["signingCertificate"] == STANDARD.encode(&REGISTERED.certificate),
            name == "wrong-issuer" || name == "expired",
            "{name}"
        );
        let page = browser.get(&world, "/result").await;
        assert_eq!(rules_on(&page.body), BTreeSet::from([rule]), "{name}");
        assert_eq!(
            page.body.contains("ALTERED COPY"),
            name == "class-reference-dropped",
            "{name}"
        );
    }
    browser.press(&world, "none").await;
    let last = browser.last(&world).await;
    assert_eq!(last["accepted"], true);
    assert_eq!(last["findings"], serde_json::json!([]));
}

#[tokio::test]
async fn each_button_works_before_the_sign_in_too() {
    for (name, rule, check, _) in BREAKS {
        let world = world();
        let mut browser = Browser::default();
        let pressed = browser.press(&world, name).await;
        assert_eq!(pressed.location(), "/");
        let home = browser.get(&world, "/").await;
        assert!(home.body.contains("switched on"), "{name}");
        assert_eq!(rules_on(&home.body), BTreeSet::new(), "{name}");
        let answer = browser.sign_in(&world, &REGISTERED, |_| {}).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
        let last = browser.last(&world).await;
        assert_eq!(failed(&last), [check], "{name}");
        assert_eq!(last["findings"], serde_json::json!([rule]), "{name}");
    }
}

#[tokio::test]
async fn federated_mfa_ignored_leaves_the_response_green_and_breaks_the_token() {
    let world = world();
    let mut browser = Browser::default();
    for pressed_first in [true, false] {
        if pressed_first {
            let home = browser.press(&world, "federated-mfa-ignored").await;
            assert_eq!(home.location(), "/");
            let page = browser.get(&world, "/").await;
            assert!(page.body.contains("taken without its MFA"), "{}", page.body);
            // The tenant takes the sign-in; it is Partner Center that refuses.
            let onward = browser.sign_in(&world, &REGISTERED, |_| {}).await;
            assert_eq!(onward.status, StatusCode::SEE_OTHER);
            let desk = browser.partner_center(&world, onward.location()).await;
            let desk = browser.partner_center(&world, desk.location()).await;
            assert_eq!(desk.status, StatusCode::UNAUTHORIZED);
            assert!(desk.body.contains("900421"), "{}", desk.body);
        } else {
            browser.press(&world, "none").await;
            assert_eq!(
                browser.last(&world).await["amr"],
                serde_json::json!(["pwd", "mfa"])
            );
            browser.press(&world, "federated-mfa-ignored").await;
        }
        let last = browser.last(&world).await;
        assert_eq!(last["findings"], serde_json::json!([]));
        assert_eq!(last["token_findings"], serde_json::json!(["CB-PC-001"]));
        assert_eq!(failed(&last), Vec::<&str>::new());
        assert_eq!(last["amr"], serde_json::json!(["pwd"]));
        assert_eq!(last["accepted"], true);
        assert_eq!(last["partner_center"]["status"], 401);
        assert_eq!(last["partner_center"]["code"], "900421");
        assert_eq!(
            last["registered"]["federatedIdpMfaBehavior"],
            "rejectMfaByFederatedIdp"
        );
        let page = browser.get(&world, "/result").await;
        assert_eq!(rules_on(&page.body), BTreeSet::from(["CB-PC-001"]));
        assert!(page.body.contains("Accepted, but without its MFA"));
        assert!(page.body.contains("HTTP 401, error 900421"));
    }
    browser.press(&world, "none").await;
    assert_eq!(
        browser.last(&world).await["registered"]["federatedIdpMfaBehavior"],
        "enforceMfaByFederatedIdp"
    );
}
