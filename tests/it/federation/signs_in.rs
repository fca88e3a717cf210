//! `domain verify --sign-in`: somebody of the domain signs in, and the access token is judged.

use std::time::Duration;

use claimbridge::{
    base::clock::{Clock as _, SystemClock},
    directory::TotpParameters,
    factor::totp,
};
use serde_json::json;

use super::stage::{Said, Stage, administrator_signs_in};
use crate::demo::client::Client;

/// Through whatever pages come, with both factors. A code counts once: each sign-in has that of
/// another step.
fn person_signs_in(address: &str, who: &(String, String, Vec<u8>), step: Duration) {
    let (upn, password, secret) = who;
    let mut browser = Client::default();
    let mut page = browser.get(address);
    for _ in 0..10 {
        assert!(page.status < 500, "{}: {}", page.url, page.body);
        // The command's own page: it goes on in the terminal.
        if page.body.contains("goes on in the terminal") {
            return;
        }
        let mut form = page.form();
        if form.asks_for("one-time-code") {
            let at = SystemClock.now().plus(step);
            let code = totp::code_at(secret, TotpParameters::default(), at);
            form.fill("one-time-code", &code.unwrap());
        } else if form.asks_for("current-password") && form.value("handle").is_none() {
            if form.asks_for("username") {
                form.fill("username", upn);
            }
            form.fill("current-password", password);
        } else if form.value("handle").is_some() {
            form.set("username", upn);
        }
        page = browser.submit(&page, &form);
    }
    panic!("it does not end: {}: {}", page.url, page.body);
}

fn verified(stage: &Stage, more: &[&str], who: &(String, String, Vec<u8>), step: Duration) -> Said {
    let admin = &stage.practice.emergency_administrators()[0];
    let (upn, password) = (admin.upn.to_string(), admin.password.expose().clone());
    let line = [&["domain", "verify", "contoso.com", "--sign-in"], more].concat();
    let mut visits = 0;
    stage.run_visiting(&line, None, |address| {
        visits += 1;
        match visits {
            1 => administrator_signs_in(address, &upn, &password),
            _ => person_signs_in(address, who, step),
        }
    })
}

#[test]
fn the_access_token_of_somebody_of_the_domain_is_judged() {
    let stage = Stage::new();
    let somebody = stage.somebody();
    assert_eq!(stage.apply(&[]).exit, 0);
    let said = verified(&stage, &[], &somebody, Duration::ZERO);
    assert_eq!(said.exit, 0, "{said:?}");
    assert!(
        said.err.contains("Now sign in as somebody of contoso.com"),
        "{}",
        said.err
    );
    assert!(
        said.out
            .contains("ok   Signed in: agent2@contoso.com, and the access token carries MFA."),
        "{}",
        said.out
    );
    assert!(!said.out.contains("eyJ") && !said.err.contains("eyJ"));

    // The tenant ignores what we say of MFA: what it has is wrong, and so is the token.
    stage.behind_our_back("federatedIdpMfaBehavior", json!("rejectMfaByFederatedIdp"));
    let said = verified(&stage, &["--json"], &somebody, Duration::from_secs(30));
    assert_eq!(said.exit, 1, "{said:?}");
    let report = said.json();
    assert_eq!(report["good"], false);
    assert_eq!(report["sign_in"]["good"], false);
    let says = report["sign_in"]["says"].as_str().unwrap();
    assert!(says.contains("does not carry MFA"), "{says}");
    assert!(report.get("not_done").is_none(), "{report}");
}
