//! Security keys over HTTP: registering, signing in, passwordless, and what is refused.

use claimbridge::{
    app::{
        enrol::NewKeyOutcome,
        prove::Guess,
        security_keys::{KeyAnswer, KeyProblem},
    },
    base::{
        clock::Timestamp,
        ids::{AttemptId, CredentialId},
        random::SystemRandom,
        secret::Secret,
    },
    directory::MethodKind,
    factor::webauthn::ceremony::LIFETIME,
};

use crate::{
    soft_key::{MODEL, Maker, SoftKey, Statement, UP},
    support::{Browser, PASSWORD, PUBLIC_URL, Page, World, entra},
};

const UPN: &str = "agent1@contoso.com";
const MFA: &str = "http://schemas.microsoft.com/claims/multipleauthn";

/// Presses the button whose form goes to `…/WHAT`, as the page's script does: asks for the
/// question, and gives it with the form.
pub async fn asked(browser: &mut Browser, what: &str) -> (String, String, String) {
    let page = browser.page.clone().unwrap();
    let form = page
        .forms()
        .into_iter()
        .find(|form| form.action.ends_with(&format!("/{what}")))
        .unwrap_or_else(|| panic!("no {what} on\n{}", page.text()));
    let csrf = form.inputs.iter().find(|input| input.name == "csrf");
    let csrf = csrf.unwrap().value.clone();
    let body = format!("csrf={csrf}");
    let ask = format!("{}/ask", form.action);
    let question = browser.request("POST", &ask, Some(body)).await;
    assert!(question.status.is_success(), "{}", question.text());
    (form.action, csrf, question.body)
}

pub async fn registers(browser: &mut Browser, key: &mut SoftKey) -> Page {
    let (action, csrf, question) = asked(browser, "new-key").await;
    let answer = key.registers(&question, PUBLIC_URL);
    let fields = [("csrf", &*csrf), ("name", "blue key"), ("answer", &answer)];
    browser.post(&action, &fields).await
}

pub async fn signs(browser: &mut Browser, what: &str, key: &mut SoftKey) -> Page {
    let (action, csrf, question) = asked(browser, what).await;
    let answer = key.signs(&question, PUBLIC_URL);
    let fields = [("csrf", &*csrf), ("answer", &answer)];
    browser.post(&action, &fields).await
}

/// By a pass, to the page that adds a key.
pub async fn to_new_key(world: &World, upn: &str) -> Browser {
    let pass = world.issue_pass(upn).await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    let by_pass = format!("{}/pass", browser.at);
    browser.get(&by_pass).await;
    let page = browser.submit(&[("username", upn), ("pass", &pass)]).await;
    let choice = page.forms().into_iter().find(|form| {
        form.inputs
            .iter()
            .any(|input| input.value == "security-key")
    });
    browser.send_form(&choice.unwrap(), &[]).await;
    browser
}

/// Somebody with a password and a key, with no notice waiting.
pub async fn with_key(world: &World, upn: &str) -> SoftKey {
    world.add_user(upn).await;
    let mut key = SoftKey::new();
    let mut browser = to_new_key(world, upn).await;
    let page = registers(&mut browser, &mut key).await;
    assert!(page.text().contains("is added"), "{}", page.text());
    browser.reload_attempt().await;
    browser.submit_password(upn, PASSWORD).await;
    signs(&mut browser, "key", &mut key).await;
    browser.submit(&[]).await.expect_answer();
    key
}

async fn after_password(world: &World, upn: &str) -> Browser {
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    browser.submit_password(upn, PASSWORD).await;
    browser
}

pub fn attempt_of(browser: &Browser) -> AttemptId {
    browser.at.split('/').nth(2).unwrap().parse().unwrap()
}

/// The reasons of refused keys in an attempt.
pub async fn reasons(world: &World, attempt: &AttemptId) -> Vec<String> {
    let mut tx = world.app().store().read().await.unwrap();
    let events = tx.events_of_attempt(attempt).await.unwrap();
    events
        .iter()
        .filter(|event| event.kind() == "key-refused")
        .map(|event| event.event["reason"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_pass_a_key_and_then_both_factors() {
    let world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    let mut browser = after_password(&world, UPN).await;
    let answer = signs(&mut browser, "key", &mut key).await.expect_answer();
    assert_eq!(answer.class_ref().as_deref(), Some(MFA));
    assert!(answer.is_assertion());
    // The page lets its script fetch from us, and nothing else.
    let page = after_password(&world, UPN).await.page.unwrap();
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("connect-src 'self'") && policy.contains("default-src 'none'"));
    assert!(!policy.contains("unsafe"));
}

#[tokio::test]
async fn a_key_that_verified_its_person_is_both_factors() {
    let world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    let answer = signs(&mut browser, "passkey", &mut key)
        .await
        .expect_answer();
    assert_eq!(answer.class_ref().as_deref(), Some(MFA));
    // The session that follows answers the next request.
    let page = browser.start(&entra::request(world.now())).await;
    page.expect_answer();
}

#[tokio::test]
async fn a_key_that_was_only_touched_is_one_factor() {
    let world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    key.flags = UP;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    let page = signs(&mut browser, "passkey", &mut key).await;
    assert!(page.answer().is_none());
    assert!(page.asks_for_password(), "{}", page.text());
    // Who found the key does not learn whose it is.
    assert!(!page.body.contains("agent1"), "{}", page.body);
    // Another touch adds nothing: the password is what is missing.
    let again = signs_at(&world, &mut browser, &mut key).await;
    assert!(again.is_err(), "{again:?}");
    browser.reload_attempt().await;
    let wrong = browser.submit_password(UPN, "not the password").await;
    assert!(wrong.answer().is_none());
    let answer = browser.submit_password(UPN, PASSWORD).await.expect_answer();
    assert_eq!(answer.class_ref().as_deref(), Some(MFA));
    // And as the second factor.
    let mut browser = after_password(&world, UPN).await;
    signs(&mut browser, "key", &mut key).await.expect_answer();
}

/// Asks for a passwordless question past the page.
async fn signs_at(
    world: &World,
    browser: &mut Browser,
    key: &mut SoftKey,
) -> Result<KeyAnswer, String> {
    let (attempt, cookies) = (attempt_of(browser), browser.app_cookies());
    let question = world.app().ask_passkey(&attempt, &cookies).await;
    let question = question.map_err(|error| error.to_string())?;
    let answer = key.signs(&question, PUBLIC_URL);
    let outcome = world
        .app()
        .submit_passkey(&attempt, &cookies, &answer)
        .await;
    outcome.map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_person_chooses_among_methods_and_the_last_used_comes_first() {
    let world = World::new().await;
    let person = world.ready(UPN).await;
    let mut key = SoftKey::new();
    let mut browser = to_new_key(&world, UPN).await;
    registers(&mut browser, &mut key).await;
    browser.reload_attempt().await;
    let page = browser.submit_password(UPN, PASSWORD).await;
    assert!(page.asks_for_code(), "the code was used, the key was not");
    browser
        .get(&format!("/sign-in/{}/key", attempt_of(&browser)))
        .await;
    signs(&mut browser, "key", &mut key).await;
    browser.submit(&[]).await.expect_answer();

    world.advance(60);
    let mut browser = after_password(&world, UPN).await;
    assert!(
        !browser.page.as_ref().unwrap().asks_for_code(),
        "the key was used last"
    );
    browser
        .get(&format!("/sign-in/{}/code", attempt_of(&browser)))
        .await;
    browser
        .submit_code(&person.code(world.now()))
        .await
        .expect_answer();
    let browser = after_password(&world, UPN).await;
    assert!(browser.page.unwrap().asks_for_code());
}

#[tokio::test]
async fn attack_28_one_answer_sent_fifty_times_counts_once() {
    let world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    let mut browser = after_password(&world, UPN).await;
    let (_, _, question) = asked(&mut browser, "key").await;
    let answer = key.signs(&question, PUBLIC_URL);
    let (attempt, cookies) = (attempt_of(&browser), browser.app_cookies());
    let mut running = tokio::task::JoinSet::new();
    for turn in 0..50 {
        let app = std::sync::Arc::clone(&world.nodes[turn % world.nodes.len()].app);
        let (attempt, cookies, answer) = (attempt.clone(), cookies.clone(), answer.clone());
        running.spawn(async move { app.submit_key(&attempt, &cookies, &answer).await });
    }
    let outcomes = running.join_all().await;
    let right = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(KeyAnswer::Right)))
        .count();
    assert_eq!(right, 1, "{outcomes:?}");
    // The others came too late, or were told to wait because so many did.
    let refused = outcomes
        .iter()
        .filter(|outcome| {
            matches!(
                outcome,
                Ok(KeyAnswer::Refused(KeyProblem::Over) | KeyAnswer::Wait(_))
            )
        })
        .count();
    assert_eq!(refused, 49, "{outcomes:?}");
}

#[tokio::test]
async fn attack_1_an_answer_is_worth_nothing_in_another_attempt_or_browser() {
    let world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    let mut one = after_password(&world, UPN).await;
    let mut two = after_password(&world, UPN).await;
    let (_, _, first) = asked(&mut one, "key").await;
    let (_, _, _second) = asked(&mut two, "key").await;
    let answer = key.signs(&first, PUBLIC_URL);
    let app = world.app();
    // Right answer, the other's attempt.
    let outcome = app
        .submit_key(&attempt_of(&two), &two.app_cookies(), &answer)
        .await
        .unwrap();
    assert_eq!(outcome, KeyAnswer::Refused(KeyProblem::Over));
    assert_eq!(reasons(&world, &attempt_of(&two)).await, ["challenge"]);
    // Right attempt, the other's browser.
    let mut stranger = two.app_cookies();
    let outcome = app.submit_key(&attempt_of(&one), &stranger, &answer).await;
    assert!(outcome.is_err());
    stranger.binding = None;
    assert!(
        app.submit_key(&attempt_of(&one), &stranger, &answer)
            .await
            .is_err()
    );
    // Neither used it up for its own.
    let outcome = app
        .submit_key(&attempt_of(&one), &one.app_cookies(), &answer)
        .await
        .unwrap();
    assert_eq!(outcome, KeyAnswer::Right);
}

#[tokio::test]
async fn attack_1_another_person_s_key_is_refused_and_written_down() {
    let world = World::new().await;
    let mut mine = with_key(&world, UPN).await;
    let mut theirs = with_key(&world, "two@contoso.com").await;
    let mut browser = after_password(&world, UPN).await;
    let page = signs(&mut browser, "key", &mut theirs).await;
    assert!(
        page.text().contains("cannot be used here"),
        "{}",
        page.text()
    );
    assert_eq!(page.status, 403);
    assert_eq!(
        reasons(&world, &attempt_of(&browser)).await,
        ["other-person"]
    );
    // The person can begin again.
    signs(&mut browser, "key", &mut mine).await.expect_answer();
}

#[tokio::test]
async fn attack_5_an_answer_that_comes_late_is_refused() {
    let world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    let mut browser = after_password(&world, UPN).await;
    for (wait, accepted) in [(LIFETIME.as_secs(), false), (LIFETIME.as_secs() - 1, true)] {
        let (_, _, question) = asked(&mut browser, "key").await;
        let answer = key.signs(&question, PUBLIC_URL);
        world.advance(wait);
        let outcome = world
            .app()
            .submit_key(&attempt_of(&browser), &browser.app_cookies(), &answer)
            .await
            .unwrap();
        assert_eq!(outcome == KeyAnswer::Right, accepted, "{wait}");
    }
    assert_eq!(reasons(&world, &attempt_of(&browser)).await, ["not-open"]);
}

#[tokio::test]
async fn a_key_or_person_that_was_revoked_during_a_ceremony_does_not_finish_it() {
    let world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    let mut passwordless = world.browser();
    passwordless.start(&entra::request(world.now())).await;
    let (_, _, question) = asked(&mut passwordless, "passkey").await;
    let as_disabled = key.signs(&question, PUBLIC_URL);
    let mut second = after_password(&world, UPN).await;
    let (_, _, question) = asked(&mut second, "key").await;
    let as_revoked = key.signs(&question, PUBLIC_URL);

    let store = world.app().store();
    let mut tx = store.begin().await.unwrap();
    let row = tx
        .security_key_by_credential_id(&key.credential_id)
        .await
        .unwrap()
        .unwrap();
    tx.revoke_security_key(&row.id, world.now()).await.unwrap();
    tx.commit().await.unwrap();
    let outcome = world
        .app()
        .submit_key(&attempt_of(&second), &second.app_cookies(), &as_revoked)
        .await
        .unwrap();
    assert_eq!(outcome, KeyAnswer::Refused(KeyProblem::NotYours));
    assert_eq!(reasons(&world, &attempt_of(&second)).await, ["revoked"]);

    // A disabled person reads the same as a stranger.
    let sql = world.sql().await;
    sql.run("UPDATE security_keys SET revoked_at = NULL").await;
    world
        .app()
        .disable_user(&UPN.parse().unwrap(), "tester")
        .await
        .unwrap();
    let attempt = attempt_of(&passwordless);
    let outcome = world
        .app()
        .submit_passkey(&attempt, &passwordless.app_cookies(), &as_disabled)
        .await
        .unwrap();
    assert_eq!(outcome, KeyAnswer::Refused(KeyProblem::NotYours));
    assert_eq!(reasons(&world, &attempt).await, ["disabled"]);
}

#[tokio::test]
async fn a_counter_that_went_back_is_an_event_a_refusal_and_a_notice() {
    let world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    key.counter = 0;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    let page = signs(&mut browser, "passkey", &mut key).await;
    assert!(
        page.text().contains("there may be a copy"),
        "{}",
        page.text()
    );
    assert_eq!(reasons(&world, &attempt_of(&browser)).await, ["counter"]);
    // The person reads of it at the next sign-in.
    key.counter = 9;
    let page = signs(&mut browser, "passkey", &mut key).await;
    assert!(
        page.text().contains("there may be a copy of it"),
        "{}",
        page.text()
    );
    browser.submit(&[]).await.expect_answer();
}

#[tokio::test]
async fn what_strangers_cause_is_counted_not_stored() {
    let world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    let mut nobody = SoftKey::new();
    nobody.user_handle = b"usr_aaaaaaaaaaaaaaaaaaaaaaaaaa".to_vec();
    let mut forger = SoftKey::new();
    forger.credential_id.clone_from(&key.credential_id);
    forger.user_handle.clone_from(&key.user_handle);
    forger.counter = 1_000;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    for stranger in [&mut nobody, &mut forger] {
        let page = signs(&mut browser, "passkey", stranger).await;
        assert!(page.answer().is_none());
    }
    let attempt = attempt_of(&browser);
    assert_eq!(reasons(&world, &attempt).await, Vec::<String>::new());
    for node in &world.nodes {
        node.app.flush_refused().await.unwrap();
    }
    let mut tx = world.app().store().read().await.unwrap();
    let counts = tx.refused_counts().await.unwrap();
    let count = counts.iter().find(|count| count.reason == "security-key");
    assert_eq!(count.unwrap().count, 2);
    drop(tx);
    // And it locked nobody out.
    signs(&mut browser, "passkey", &mut key)
        .await
        .expect_answer();
}

#[tokio::test]
async fn a_registration_that_the_policy_refuses_adds_nothing_and_says_why() {
    let world = World::new().await;
    world.add_user(UPN).await;
    let mut browser = to_new_key(&world, UPN).await;
    // A U2F key: without a model.
    let mut u2f = SoftKey::new();
    u2f.aaguid = [0; 16];
    let (action, csrf, question) = asked(&mut browser, "new-key").await;
    let mut answer = u2f.registration(&serde_json::from_str(&question).unwrap(), PUBLIC_URL);
    answer.statement = Statement::Maker(Maker::new([0; 16], "fido-u2f"));
    let answer = u2f.finish_registration(&answer);
    let fields = [("csrf", &*csrf), ("name", "old <key>"), ("answer", &answer)];
    let page = browser.post(&action, &fields).await;
    assert_eq!(page.status, 403);
    assert!(page.text().contains("which model it is"), "{}", page.text());
    assert!(page.body.contains("old &#60;key&#62;"), "{}", page.body);
    assert_eq!(reasons(&world, &attempt_of(&browser)).await, ["no-model"]);
    // The same answer again: its question is used up.
    let page = browser.post(&action, &fields).await;
    assert!(page.text().contains("too long"), "{}", page.text());
    // A good one.
    let mut key = SoftKey::new();
    assert_eq!(key.aaguid, MODEL);
    let page = registers(&mut browser, &mut key).await;
    assert!(page.text().contains("is added"), "{}", page.text());
    // Nobody registers it again, whoever.
    world.add_user("two@contoso.com").await;
    let mut other = to_new_key(&world, "two@contoso.com").await;
    let page = registers(&mut other, &mut key).await;
    assert!(
        page.text().contains("registered already"),
        "{}",
        page.text()
    );
    assert_eq!(
        reasons(&world, &attempt_of(&other)).await,
        ["already-known"]
    );
}

#[tokio::test]
async fn attack_37_a_password_alone_registers_no_key() {
    let world = World::new().await;
    let person = world.ready(UPN).await;
    let browser = after_password(&world, person.upn()).await;
    let (attempt, cookies) = (attempt_of(&browser), browser.app_cookies());
    let app = world.app();
    assert!(app.ask_new_key(&attempt, &cookies).await.is_err());
    assert!(
        app.confirm_key(&attempt, &cookies, "key", "{}")
            .await
            .is_err()
    );
    // Nor is a key asked of somebody who has none, or before the password.
    assert!(app.ask_key(&attempt, &cookies).await.is_err());
    let mut fresh = world.browser();
    fresh.start(&entra::request(world.now())).await;
    let (attempt, cookies) = (attempt_of(&fresh), fresh.app_cookies());
    assert!(app.ask_key(&attempt, &cookies).await.is_err());
    assert!(app.submit_key(&attempt, &cookies, "{}").await.is_err());
}

#[tokio::test]
async fn attack_38_a_key_s_row_that_was_moved_signs_nobody_in() {
    let world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    let other = world.add_user("two@contoso.com").await;
    let sql = world.sql().await;
    sql.run(&format!(
        "UPDATE security_keys SET user_id = '{}'",
        other.id
    ))
    .await;
    key.user_handle = other.id.as_str().as_bytes().to_vec();
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    let page = signs(&mut browser, "passkey", &mut key).await;
    assert!(page.answer().is_none());
    assert_eq!(page.status, 403, "{}", page.text());
    let mut tx = world.app().store().read().await.unwrap();
    let events = tx.events_of(&other.id, 100).await.unwrap();
    assert!(events.iter().any(|event| event.kind() == "tampering-found"));
}

#[tokio::test]
async fn a_reset_takes_keys_away_too() {
    let world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    world
        .app()
        .reset_user(&UPN.parse().unwrap(), "tester")
        .await
        .unwrap();
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    let page = signs(&mut browser, "passkey", &mut key).await;
    assert!(page.text().contains("was removed"), "{}", page.text());
    let at: Timestamp = world.now();
    let mut tx = world.app().store().read().await.unwrap();
    let row = tx
        .security_key_by_credential_id(&key.credential_id)
        .await
        .unwrap();
    assert_eq!(row.unwrap().revoked_at, Some(at));
}

/// The desk became a clean one: the key is refused with a sentence, coverage says so, and a
/// pass leads on.
#[tokio::test]
async fn a_key_that_the_rules_refuse_now_is_refused_and_does_not_count() {
    let mut world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    world.settings.webauthn.unattested = claimbridge::factor::webauthn::policy::Permission::Refused;
    world.start_node().await;
    let node = world.nodes.len() - 1;
    let app = world.nodes[node].app.clone();
    let upn = UPN.parse().unwrap();
    let before = world.app().view_user(&upn).await.unwrap();
    assert!(before.is_covered() && before.counting() == 1);
    let view = app.view_user(&upn).await.unwrap();
    assert!(!view.is_covered() && view.counting() == 0, "{view:?}");

    let mut browser = world.browser_on(node);
    browser.start(&entra::request(world.now())).await;
    browser.submit_password(UPN, PASSWORD).await;
    let page = signs(&mut browser, "key", &mut key).await;
    assert_eq!(page.status, 403);
    assert!(
        page.text().contains("added without proof of its model"),
        "{}",
        page.text()
    );
    assert_eq!(
        reasons(&world, &attempt_of(&browser)).await,
        ["added-unattested"]
    );
    // The way on is a pass.
    let pass = app.issue_pass(&upn, claimbridge::app::passes::PassOptions::default(), "t");
    let pass = pass.await.unwrap();
    let mut browser = world.browser_on(node);
    browser.start(&entra::request(world.now())).await;
    browser.submit_password(UPN, PASSWORD).await;
    let page = browser.get(&format!("{}/pass", browser.at)).await;
    assert!(page.asks_for_pass(), "{}", page.text());
    let page = browser.submit_pass(pass.value.expose()).await;
    assert!(page.body.contains("otpauth"), "{}", page.text());
}

/// A right key in the attempt of somebody else: written down, and its question is used up.
#[tokio::test]
async fn attack_1_a_key_in_the_attempt_of_another_person_is_written_down() {
    let world = World::new().await;
    let mut theirs = with_key(&world, "two@contoso.com").await;
    world.ready(UPN).await;
    let browser = after_password(&world, UPN).await;
    // A new pass takes back what was proved and leaves the place to its person.
    world.issue_pass(UPN).await;
    let (attempt, cookies) = (attempt_of(&browser), browser.app_cookies());
    let app = world.app();
    let question = app.ask_passkey(&attempt, &cookies).await.unwrap();
    let answer = theirs.signs(&question, PUBLIC_URL);
    let outcome = app.submit_passkey(&attempt, &cookies, &answer).await;
    assert_eq!(outcome.unwrap_err().code().code, "CB-SIGNIN-012");
    assert_eq!(reasons(&world, &attempt).await, ["attempt-of-another"]);
    let again = app.submit_passkey(&attempt, &cookies, &answer).await;
    assert_eq!(again.unwrap(), KeyAnswer::Refused(KeyProblem::Over));
}

#[tokio::test]
async fn attack_38_a_question_written_by_hand_is_an_alarm_and_is_used_up() {
    let world = World::new().await;
    world.add_user(UPN).await;
    let mut browser = to_new_key(&world, UPN).await;
    let (_, _, question) = asked(&mut browser, "new-key").await;
    let sql = world.sql().await;
    sql.run("UPDATE ceremonies SET sealed_state = 'by hand'")
        .await;
    let answer = SoftKey::new().registers(&question, PUBLIC_URL);
    let (attempt, cookies) = (attempt_of(&browser), browser.app_cookies());
    let app = world.app();
    let refused = app.confirm_key(&attempt, &cookies, "key", &answer).await;
    assert_eq!(refused.unwrap_err().code().code, "CB-SIGNIN-010");
    // And an enrolment: whichever step comes next finds it.
    sql.run("UPDATE enrolments SET tag = 'by hand'").await;
    let totp = claimbridge::app::enrol::MethodKind::Totp;
    let password = claimbridge::base::secret::Secret::new(PASSWORD.to_owned());
    let pass = claimbridge::base::secret::Secret::new("any-pass-at-all".to_owned());
    let found = [
        app.choose_method(&attempt, &cookies, totp).await.is_err(),
        app.choose_password(&attempt, &cookies, password)
            .await
            .is_err(),
        app.confirm_totp(&attempt, &cookies, "", "000000")
            .await
            .is_err(),
        app.ask_new_key(&attempt, &cookies).await.is_err(),
        app.confirm_key(&attempt, &cookies, "", "{}").await.is_err(),
        app.submit_pass(&attempt, &cookies, UPN, &pass)
            .await
            .is_err(),
        app.ask_passkey(&attempt, &cookies).await.is_err(),
        app.ask_key(&attempt, &cookies).await.is_err(),
        app.acknowledge_notices(&attempt, &cookies, world.now())
            .await
            .is_err(),
        app.new_totp_of(&attempt, &cookies).await.is_err(),
    ];
    assert_eq!(found, [true; 10]);
    let user = app.find_user(&UPN.parse().unwrap()).await.unwrap();
    let mut tx = app.store().read().await.unwrap();
    let events = tx.events_of(&user.id, 100).await.unwrap();
    let alarms = events
        .iter()
        .filter(|event| event.kind() == "tampering-found");
    assert_eq!(alarms.count(), 11);
}

#[tokio::test]
async fn a_name_that_is_too_long_costs_no_question() {
    let world = World::new().await;
    world.add_user(UPN).await;
    let mut browser = to_new_key(&world, UPN).await;
    let (action, csrf, question) = asked(&mut browser, "new-key").await;
    let answer = SoftKey::new().registers(&question, PUBLIC_URL);
    let long = "x".repeat(65);
    let fields = [("csrf", &*csrf), ("name", &*long), ("answer", &*answer)];
    let page = browser.post(&action, &fields).await;
    assert_eq!(page.status, 400, "{}", page.text());
    let fields = [("csrf", &*csrf), ("name", "short"), ("answer", &*answer)];
    let page = browser.post(&action, &fields).await;
    assert!(page.text().contains("is added"), "{}", page.text());
}

/// Who knows the password writes no event a try without end: a wait runs, and is counted.
#[tokio::test]
async fn attack_2_answers_of_a_key_are_paid_for_after_the_password() {
    let world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    let mut browser = after_password(&world, UPN).await;
    let (attempt, cookies) = (attempt_of(&browser), browser.app_cookies());
    let app = world.app();
    let mut waits = 0;
    for _ in 0..20 {
        let answer = app.submit_key(&attempt, &cookies, "{}").await.unwrap();
        waits += usize::from(matches!(answer, KeyAnswer::Wait(_)));
    }
    assert_eq!((waits, reasons(&world, &attempt).await.len()), (15, 5));
    let page = signs(&mut browser, "key", &mut key).await;
    assert_eq!(page.status, 429, "{}", page.text());
    assert!(page.headers.contains_key("retry-after"));
    // Codes have the same counter: one kind of guess does not buy another.
    let guess = app.submit_code(&attempt, &cookies, "000000").await.unwrap();
    assert!(matches!(guess, claimbridge::app::prove::Guess::Wait(_)));
    world.advance(30);
    signs(&mut browser, "key", &mut key).await.expect_answer();
    // So it is when a key is added.
    let mut browser = to_new_key(&world, UPN).await;
    let (attempt, cookies) = (attempt_of(&browser), browser.app_cookies());
    for _ in 0..20 {
        let answer = app.confirm_key(&attempt, &cookies, "", "{}").await.unwrap();
        assert!(!matches!(answer, NewKeyOutcome::Added(_)));
    }
    assert_eq!(reasons(&world, &attempt).await.len(), 5);
    world.advance(30);
    let page = registers(&mut browser, &mut SoftKey::new()).await;
    assert!(page.text().contains("is added"), "{}", page.text());
}

/// What strangers ask and answer is paid for by where they come from; right answers are not.
#[tokio::test]
async fn attack_17_questions_and_answers_before_the_password_cost_their_source() {
    let mut world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    world.settings.source_delays.free = 4;
    world.nodes.clear();
    world.start_node().await;
    for _ in 0..5 {
        // To the own pages: a fourth answer to one party would wait.
        let mut browser = world.browser();
        browser.get("/account").await;
        signs(&mut browser, "passkey", &mut key).await;
        let page = browser.get("/account").await;
        assert!(page.text().contains(UPN), "{}", page.text());
    }
    let mut stranger = world.browser();
    stranger.source = "203.0.113.8".to_owned();
    stranger.start(&entra::request(world.now())).await;
    let (attempt, cookies) = (attempt_of(&stranger), stranger.app_cookies());
    let app = world.app();
    let (action, csrf, _) = asked(&mut stranger, "passkey").await;
    for _ in 0..3 {
        let answer = app.submit_passkey(&attempt, &cookies, "{}").await.unwrap();
        assert!(matches!(answer, KeyAnswer::Refused(_)), "{answer:?}");
    }
    let answer = app.submit_passkey(&attempt, &cookies, "{}").await.unwrap();
    assert!(matches!(answer, KeyAnswer::Wait(_)));
    let refused = app.ask_passkey(&attempt, &cookies).await;
    assert_eq!(refused.unwrap_err().code().code, "CB-SIGNIN-014");
    let ask = format!("{action}/ask");
    let body = format!("csrf={csrf}");
    let page = stranger.request("POST", &ask, Some(body)).await;
    assert_eq!(page.status, 429, "{}", page.text());
    // Others are not kept waiting by it.
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    signs(&mut browser, "passkey", &mut key)
        .await
        .expect_answer();
}

/// Who found a key and touches it does not give back what wrong codes cost.
#[tokio::test]
async fn attack_2_a_touch_alone_does_not_end_a_row_of_failures() {
    let world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    let user = world.app().find_user(&UPN.parse().unwrap()).await.unwrap();
    let bucket = format!("in-a-row:{}", user.id);
    let failures = async || -> u32 {
        let mut tx = world.app().store().read().await.unwrap();
        tx.failures(&bucket).await.unwrap()
    };
    let browser = after_password(&world, UPN).await;
    let (attempt, cookies) = (attempt_of(&browser), browser.app_cookies());
    for _ in 0..3 {
        let guess = world.app().submit_code(&attempt, &cookies, "000000").await;
        guess.unwrap();
    }
    assert_eq!(failures().await, 3);
    let verifies = key.flags;
    for (flags, left) in [(UP, 3), (verifies, 0)] {
        key.flags = flags;
        let mut browser = world.browser();
        browser.start(&entra::request(world.now())).await;
        signs(&mut browser, "passkey", &mut key).await;
        assert_eq!(failures().await, left);
    }
}

/// That a key which was taken away is still used is written down; that somebody names it not.
#[tokio::test]
async fn attack_28_a_revoked_key_that_signs_is_written_down() {
    let world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    let mut forger = SoftKey::new();
    forger.credential_id.clone_from(&key.credential_id);
    forger.user_handle.clone_from(&key.user_handle);
    forger.counter = 1_000;
    let upn = UPN.parse().unwrap();
    world.app().reset_user(&upn, "tester").await.unwrap();
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    signs(&mut browser, "passkey", &mut forger).await;
    let attempt = attempt_of(&browser);
    assert_eq!(reasons(&world, &attempt).await, Vec::<String>::new());
    signs(&mut browser, "passkey", &mut key).await;
    assert_eq!(reasons(&world, &attempt).await, ["revoked"]);
}

/// What no sign-in would take is nothing that a person keeps by.
#[tokio::test]
async fn a_refused_key_is_no_reason_to_let_the_last_method_go() {
    let mut world = World::new().await;
    let person = world.ready(UPN).await;
    let mut by_pass = to_new_key(&world, UPN).await;
    let page = registers(&mut by_pass, &mut SoftKey::new()).await;
    assert!(page.text().contains("is added"), "{}", page.text());
    world.settings.webauthn.unattested = claimbridge::factor::webauthn::policy::Permission::Refused;
    world.start_node().await;
    let node = world.nodes.len() - 1;
    let app = world.nodes[node].app.clone();
    let mut browser = world.browser_on(node);
    browser.get("/account").await;
    browser.submit_password(UPN, PASSWORD).await;
    let path: Vec<&str> = browser.at.split('/').take(3).collect();
    let path = format!("{}/code", path.join("/"));
    browser.get(&path).await;
    browser.submit_code(&person.code(world.now())).await;
    browser.submit(&[]).await;
    assert_eq!(browser.at, "/account", "{:?}", browser.page);
    let fresh = app.require_fresh(&browser.app_cookies()).await.unwrap();
    let view = app.view_user(&UPN.parse().unwrap()).await.unwrap();
    let id = |kind| {
        let method = view.methods.iter().find(|method| method.kind == kind);
        method.unwrap().id.clone()
    };
    let last = id(MethodKind::Totp);
    assert!(app.remove_method(&fresh, &last).await.is_err());
    let refused = id(MethodKind::SecurityKey);
    app.remove_method(&fresh, &refused).await.unwrap();
    // Nor does who is disabled count as somebody who can sign in.
    let upn = UPN.parse().unwrap();
    assert!(app.view_user(&upn).await.unwrap().is_covered());
    app.disable_user(&upn, "tester").await.unwrap();
    assert!(!app.view_user(&upn).await.unwrap().is_covered());
}

/// Who knows the password, in a browser that is known, asks for questions without end: each is
/// written, so they are bounded too.
#[tokio::test]
async fn attack_17_questions_are_bounded_in_a_browser_that_is_known() {
    let world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    let mut browser = after_password(&world, UPN).await;
    signs(&mut browser, "key", &mut key).await.expect_answer();
    let again = || entra::request(world.now()).with(r#"ForceAuthn="true""#);
    browser.start(&again()).await;
    browser.submit_password(UPN, PASSWORD).await;
    let (attempt, cookies) = (attempt_of(&browser), browser.app_cookies());
    let app = world.app();
    let mut refused = Vec::new();
    for asked in 0..200 {
        if let Err(error) = app.ask_key(&attempt, &cookies).await {
            refused.push((asked, error.code().code));
        }
    }
    let (first, code) = refused[0];
    assert!((20..100).contains(&first), "{first}");
    assert_eq!(code, "CB-SIGNIN-014");
    assert_eq!(first + refused.len(), 200, "{refused:?}");
    // A right answer begins anew.
    world.advance(600);
    browser.start(&again()).await;
    browser.submit_password(UPN, PASSWORD).await;
    signs(&mut browser, "key", &mut key).await.expect_answer();
    browser.start(&again()).await;
    browser.submit_password(UPN, PASSWORD).await;
    let (attempt, cookies) = (attempt_of(&browser), browser.app_cookies());
    for _ in 0..20 {
        app.ask_key(&attempt, &cookies).await.unwrap();
    }
}

/// That there is no room is said before anything is set up, and what the key's page cannot ask
/// it says instead of coming again without a word.
#[tokio::test]
async fn what_cannot_be_asked_of_a_key_is_said() {
    let world = World::new().await;
    let person = world.ready(UPN).await;
    let mut adding = to_new_key(&world, UPN).await;
    let pass = world.issue_pass(UPN).await;
    let mut choosing = world.browser();
    choosing.start(&entra::request(world.now())).await;
    choosing.get(&format!("{}/pass", choosing.at)).await;
    let page = choosing.submit(&[("username", UPN), ("pass", &pass)]).await;
    let key = page.forms().into_iter().find(|form| {
        let mut inputs = form.inputs.iter();
        inputs.any(|input| input.value == "security-key")
    });
    let mut tx = world.app().store().begin().await.unwrap();
    let mut more = tx.totp_of(&person.user.id).await.unwrap().remove(0);
    for _ in 0..9 {
        more.id = CredentialId::random(&mut SystemRandom);
        tx.insert_totp(&more).await.unwrap();
    }
    tx.commit().await.unwrap();
    let page = choosing.send_form(&key.unwrap(), &[]).await;
    assert!(page.text().contains("CB-ACCOUNT-005"), "{}", page.text());

    // The pass of the second ended what the first was setting up.
    let form = adding.page.clone().unwrap().forms().remove(0);
    let csrf = form.inputs.iter().find(|input| input.name == "csrf");
    let body = format!("csrf={}", csrf.unwrap().value);
    let ask = format!("{}/ask", form.action);
    let page = adding.request("POST", &ask, Some(body)).await;
    assert!(page.status.is_client_error());
    assert_eq!(page.headers["content-type"], "application/json");
    let said: serde_json::Value = serde_json::from_str(&page.body).unwrap();
    assert!(said["says"].is_null(), "its page says so: {said}");
}

/// Who only touches a key is told that it was accepted and what is missing, and no more.
#[tokio::test]
async fn attack_26_a_key_that_was_found_tells_nobody_whose_it_is() {
    let world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    key.flags = UP;
    let mut finder = world.browser();
    finder.start(&entra::request(world.now())).await;
    let page = signs(&mut finder, "passkey", &mut key).await;
    let text = page.text();
    assert!(text.contains("Your key was accepted"), "{text}");
    assert!(!text.contains("agent1"), "{text}");
    let forms = page.forms();
    assert!(!forms.iter().any(|form| form.action.ends_with("/passkey")));
    // Wrong passwords for nobody keep nobody waiting.
    let (attempt, cookies) = (attempt_of(&finder), finder.app_cookies());
    let app = world.app();
    let typed = |name: &'static str, password: &str| {
        let password = Secret::new(password.to_owned());
        app.submit_password(&attempt, &cookies, name, password)
    };
    for _ in 0..6 {
        typed("", "a wrong password").await.unwrap();
    }
    assert_eq!(typed(UPN, PASSWORD).await.unwrap(), Guess::Right);
}
