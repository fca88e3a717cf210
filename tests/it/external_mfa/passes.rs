//! A pass within Entra's five minutes: what it opens, for how long, and what the pages say.

use claimbridge::{
    base::aaguid::Aaguid,
    directory::{EffectivePolicy, MethodKind, MethodPolicy},
    factor::webauthn::policy::Models,
};
use serde_json::json;

use super::kit::{self, AGENT, Ask, Door, told};
use crate::{
    sign_in::{
        keys::{registers, signs},
        oath::active,
    },
    soft_key::{MODEL, SoftKey, UP},
    support::{Browser, PASSWORD, Page, Person, entra},
};

const WAITS: &str = "Microsoft waits for you";

/// Entra's request, for this one kind of proof.
fn only(door: &Door, amr: &str) -> Ask {
    let asked = json!({"id_token": {
        "acr": {"values": ["possessionorinherence"]}, "amr": {"values": [amr]}
    }});
    door.ask(AGENT).with("claims", Some(&asked.to_string()))
}

/// A new round in that browser, in which a pass is asked for.
async fn again(door: &Door, browser: &Browser) -> Browser {
    let mut browser = browser.clone();
    let page = door.arrive(&mut browser, &door.ask(AGENT)).await;
    assert!(page.asks_for_pass(), "{}", page.text());
    browser
}

/// A round in a browser that was never here.
async fn round(door: &Door) -> Browser {
    again(door, &door.world.browser()).await
}

/// Whether the pass was taken, with what it opened.
fn opened(page: &Page) -> bool {
    page.text().contains("Put this secret into your program")
}

#[tokio::test]
async fn a_pass_outlives_a_round_that_could_not_end() {
    let door = Door::new().await;
    let user = door.world.add_user(AGENT).await;
    let pass = door.world.issue_pass(AGENT).await;
    let mut first = round(&door).await;
    door.world.advance(240);
    let page = first.submit_pass(&pass).await;
    assert!(opened(&page), "{}", page.text());
    // What stands there is when Entra ends it, and not what a pass has elsewhere.
    assert!(
        page.text().contains("the same pass works in this browser"),
        "{}",
        page.text()
    );
    assert!(page.body.contains("data-seconds=\"30\""), "{}", page.body);
    let until = door.world.now().as_secs() + 30;
    let until = claimbridge::base::clock::Timestamp::from_millis(until * 1000).to_rfc3339();
    assert!(page.body.contains(&until), "{until} in {}", page.body);
    door.world.advance(30);
    let said = told(&first.reload_attempt().await);
    assert_eq!(said.error(), "access_denied");

    // The same again in another round, which leaves the first one nothing.
    let mut second = again(&door, &first).await;
    let page = second.submit_pass(&pass).await;
    assert!(opened(&page), "{}", page.text());
    let mut third = again(&door, &second).await;
    let page = third.submit_pass(&pass).await;
    assert!(opened(&page), "{}", page.text());
    let agent = Person {
        user,
        secret: page.totp_secret(),
    };
    let late = second.confirm(&agent.code(door.world.now())).await;
    assert_eq!(late.status, 403, "{}", late.text());
    let page = third.confirm(&agent.code(door.world.now())).await;
    assert!(third.at.ends_with("/added"), "{}", page.text());
    // No password is asked for here; the time runs, and there is a way back.
    let text = page.text();
    assert!(
        text.contains("Microsoft still waits") && text.contains(WAITS),
        "{text}"
    );
    assert!(!text.contains("password"), "{text}");
    // One pass is one method.
    let by_pass = format!("{}/pass", third.at.trim_end_matches("/added"));
    let page = third.get(&by_pass).await;
    assert!(
        page.asks_for_pass() && page.text().contains(WAITS),
        "{}",
        page.text()
    );
    let page = third.submit_pass(&pass).await;
    assert_eq!(page.status, 403, "{}", page.text());
    door.world.advance(30);
    third.reload_attempt().await;
    let page = third.submit_code(&agent.code(door.world.now())).await;
    assert!(page.text().contains(AGENT), "{}", page.text());
    assert!(told(&third.submit(&[]).await).is_token());
}

#[tokio::test]
async fn attack_6_a_pass_that_was_used_opens_for_ten_minutes_here_and_nowhere_else() {
    let door = Door::new().await;
    door.world.add_user(AGENT).await;
    let pass = door.world.issue_pass(AGENT).await;
    let mut first = round(&door).await;
    let page = first.submit_pass(&pass).await;
    assert!(opened(&page));
    // Whoever saw it has another browser: nothing is opened, and the first goes on.
    let page = round(&door).await.submit_pass(&pass).await;
    assert_eq!(page.status, 403, "{}", page.text());
    assert!(opened(&first.reload_attempt().await));
    // At the other doors it is used up.
    let mut browser = first.clone();
    browser.start(&entra::request(door.world.now())).await;
    browser.submit_password(AGENT, PASSWORD).await;
    let page = browser.submit_pass(&pass).await;
    assert_eq!(page.status, 403, "{}", page.text());
    // Another one is not it, and one of another person neither.
    let mut same = again(&door, &first).await;
    let page = same.submit_pass(&pass.to_uppercase()).await;
    assert!(opened(&page), "as people type");
    let mut same = again(&door, &first).await;
    let page = same.submit_pass(&format!("{pass}0")).await;
    assert_eq!(page.status, 403, "{}", page.text());
    door.world.add_user("agent2@contoso.com").await;
    let mut other = first.clone();
    let ask = door.ask("agent2@contoso.com");
    let ask = ask.hinting("oid", json!("bbbbcccc-1111-dddd-2222-eeee3333aaaa"));
    door.arrive(&mut other, &ask).await;
    assert_eq!(other.submit_pass(&pass).await.status, 403);
    door.world.advance(599);
    let mut same = again(&door, &first).await;
    assert!(opened(&same.submit_pass(&pass).await));
    door.world.advance(1);
    let mut same = again(&door, &first).await;
    let page = same.submit_pass(&pass).await;
    assert_eq!(page.status, 403, "{}", page.text());
    // Attack 38: a writer of the database lengthens it.
    let sql = door.world.sql().await;
    sql.run("UPDATE access_passes SET used_at = used_at + 60000")
        .await;
    let mut same = again(&door, &first).await;
    let page = same.submit_pass(&pass).await;
    assert_eq!(page.status, 403, "{}", page.text());
}

#[tokio::test]
async fn what_an_operator_takes_back_opens_nothing_again() {
    let door = Door::new().await;
    door.world.add_user(AGENT).await;
    let (app, upn) = (door.world.app(), AGENT.parse().unwrap());
    let pass = door.world.issue_pass(AGENT).await;
    let mut browser = round(&door).await;
    assert!(opened(&browser.submit_pass(&pass).await));
    let cancel: Vec<&str> = browser.at.split('/').take(3).collect();
    browser.press(&format!("{}/cancel", cancel.join("/"))).await;
    app.revoke_pass(&upn, "tester").await.unwrap();
    let mut same = again(&door, &browser).await;
    assert_eq!(same.submit_pass(&pass).await.status, 403);
    assert!(app.revoke_pass(&upn, "tester").await.is_err());
    // A later one takes its place.
    let former = door.world.issue_pass(AGENT).await;
    let mut browser = round(&door).await;
    assert!(opened(&browser.submit_pass(&former).await));
    let pass = door.world.issue_pass(AGENT).await;
    let mut same = again(&door, &browser).await;
    assert_eq!(same.submit_pass(&former).await.status, 403);
    assert!(opened(&same.submit_pass(&pass).await));
}

#[tokio::test]
async fn a_pass_is_not_taken_when_nothing_can_follow() {
    let door = Door::new().await;
    door.world.add_user(AGENT).await;
    let pass = door.world.issue_pass(AGENT).await;
    // Entra does not wait any longer: it is told so.
    let mut browser = round(&door).await;
    door.world.advance(275);
    let page = browser.submit_pass(&pass).await;
    assert_eq!(told(&page).error(), "access_denied");
    // Nothing that can be set up is what Entra asks for: nobody is asked for a pass.
    let mut browser = door.world.browser();
    let page = door.arrive(&mut browser, &only(&door, "face")).await;
    assert_eq!(page.status, 403);
    let text = page.text();
    assert!(
        text.contains("CB-MFA-007") && text.contains("none that you may set up"),
        "{text}"
    );
    let csrf = page.forms()[0].inputs[0].value.clone();
    let given = [
        ("csrf", csrf.as_str()),
        ("username", AGENT),
        ("pass", &pass),
    ];
    let path = browser.at.clone();
    let page = browser.post(&format!("{path}/pass"), &given).await;
    assert_eq!(page.status, 403, "{}", page.text());
    // It is as it was.
    let app = door.world.app();
    let view = app.view_user(&AGENT.parse().unwrap()).await.unwrap();
    assert!(view.live_pass.is_some());
}

#[tokio::test]
async fn only_what_entra_asks_for_is_set_up_and_a_touch_hides_no_name() {
    let mut door = Door::new().await;
    door.world.add_user(AGENT).await;
    let pass = door.world.issue_pass(AGENT).await;
    let mut browser = door.world.browser();
    door.arrive(&mut browser, &only(&door, "fido")).await;
    let page = browser.submit(&[("pass", &pass)]).await;
    assert!(
        page.text().contains("Add a security key"),
        "{}",
        page.text()
    );
    // A code generator would answer nothing.
    let path = browser.at.clone();
    let csrf = page.forms()[0].inputs[0].value.clone();
    let given = [("csrf", csrf.as_str()), ("kind", "totp")];
    let refused = browser
        .clone()
        .post(&format!("{path}/choose"), &given)
        .await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let mut key = SoftKey::new();
    let page = registers(&mut browser, &mut key).await;
    assert!(browser.at.ends_with("/key-added"), "{}", page.text());
    let text = page.text();
    assert!(
        text.contains("Microsoft still waits") && text.contains(WAITS),
        "{text}"
    );
    assert!(!text.contains("password"), "{text}");
    // Only touched: at this door the page before has the name, and so has this one.
    key.flags = UP;
    browser.reload_attempt().await;
    let page = signs(&mut browser, "key", &mut key).await;
    assert!(page.text().contains(AGENT), "{}", page.text());
    assert!(told(&browser.submit(&[]).await).is_token());

    // The rules refuse that model now. The person learns it at the key, and may use a pass.
    door.world.settings.webauthn.models = Models::Except(vec![Aaguid::from_bytes(MODEL)]);
    door.world.start_node().await;
    let node = door.world.nodes.len() - 1;
    let mut browser = door.world.browser_on(node);
    let page = door.arrive(&mut browser, &only(&door, "fido")).await;
    assert!(!page.text().contains("CB-MFA-007"), "{}", page.text());
    let page = signs(&mut browser, "key", &mut key).await;
    assert!(
        page.text().contains("are not allowed here"),
        "{}",
        page.text()
    );
    assert!(kit::maybe_told(&page).is_none());
    let by_pass = format!("{}/pass", browser.at.trim_end_matches("/key"));
    let page = browser.get(&by_pass).await;
    assert!(
        page.asks_for_pass() && page.text().contains(WAITS),
        "{}",
        page.text()
    );
}

/// Whoever holds a hardware token, and may set up nothing else, has no use for a pass (review
/// P2-6).
#[tokio::test]
async fn a_pass_is_offered_only_where_it_opens_something() {
    for (more, is_offered) in [(None, false), (Some(MethodKind::Totp), true)] {
        let kinds = more.into_iter().chain([MethodKind::OathToken]).collect();
        let door = Door::with(|settings| {
            settings.methods = MethodPolicy {
                everyone: EffectivePolicy::new(kinds, 1),
                groups: Vec::new(),
            };
        })
        .await;
        active(&door.world, 30).await;
        let mut browser = door.world.browser();
        let page = door.arrive(&mut browser, &door.ask(AGENT)).await;
        assert!(page.asks_for_code(), "{}", page.text());
        let by_pass = format!("{}/pass", browser.at);
        assert_eq!(page.body.contains(&by_pass), is_offered, "{}", page.body);
        // Typed by hand, the address leads back to what can be done.
        let page = browser.get(&by_pass).await;
        assert_eq!(page.asks_for_pass(), is_offered, "{}", page.text());
        assert_eq!(page.asks_for_code(), !is_offered, "{}", page.text());
    }
}
