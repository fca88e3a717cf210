//! Hardware tokens: assigned, activated, run away, brought back, lost.

use std::{sync::Arc, time::Duration};

use claimbridge::{
    app::{
        oath_tokens::{
            Withdrawal,
            import::{Assigning, ImportOptions, Imported, Mode},
        },
        prove::Guess,
        sign_in::{Browser as Cookies, Next, NextStep},
    },
    base::{clock::Timestamp, ids::AttemptId},
    directory::{Serial, TokenState, TotpParameters, oath_import::Defaults},
    factor::totp,
};

use crate::support::{Browser, PASSWORD, World, entra};

const SECRET: &[u8] = b"12345678901234567890";
const UPN: &str = "agent1@contoso.com";

/// A token in somebody's hand: its own clock, which gains or loses.
pub struct Token {
    pub(super) serial: Serial,
    parameters: TotpParameters,
    /// Seconds ahead of ours.
    pub(super) ahead: i64,
}

impl Token {
    pub fn shown(&self, world: &World) -> String {
        self.shown_later(world, 0)
    }

    /// What it shows `steps` later.
    pub(super) fn shown_later(&self, world: &World, steps: i64) -> String {
        let seconds = self.ahead + steps * i64::from(self.parameters.period);
        let at = Timestamp::from_millis(world.now().as_millis() + seconds * 1000);
        totp::code_at(SECRET, self.parameters, at).unwrap()
    }
}

async fn import(world: &World, csv: &str, assigning: Assigning) -> Imported {
    let options = ImportOptions {
        defaults: Defaults::default(),
        key: None,
        assigning,
        mode: Mode::Whole,
        operator: "tester",
    };
    let bytes = csv.as_bytes().to_vec();
    let open = || Ok(Box::new(std::io::Cursor::new(bytes.clone())) as Box<_>);
    world
        .app()
        .import_oath_tokens(&open, &options, &mut |_| {})
        .await
        .unwrap()
}

/// In stock, with the secret above.
pub(super) async fn token(world: &World, serial: &str, period: u16) -> Token {
    let csv = format!(
        "serial,secret,time interval\n{serial},{},{period}\n",
        data_encoding::BASE32_NOPAD.encode(SECRET)
    );
    let imported = import(world, &csv, Assigning::No).await;
    assert_eq!(imported.imported, 1, "{:?}", imported.failed);
    Token {
        serial: serial.parse().unwrap(),
        parameters: TotpParameters {
            period,
            ..TotpParameters::default()
        },
        ahead: 0,
    }
}

pub async fn assigned(world: &World, upn: &str, serial: &str, period: u16) -> Token {
    let token = token(world, serial, period).await;
    world
        .app()
        .assign_oath_token(&token.serial, &upn.parse().unwrap(), "tester")
        .await
        .unwrap();
    token
}

pub async fn state(world: &World, token: &Token) -> TokenState {
    let mut tx = world.app().store().read().await.unwrap();
    tx.oath_token(&token.serial).await.unwrap().unwrap().state
}

pub fn step(world: &World, token: &Token) {
    world
        .clock
        .advance(Duration::from_secs(u64::from(token.parameters.period)));
}

/// Up to the question that follows the password.
pub(super) async fn after_password(world: &World, browser: &mut Browser) -> String {
    browser.start(&entra::request(world.now())).await;
    browser.submit_password(UPN, PASSWORD).await.text()
}

/// An address of the attempt where the browser is.
pub fn under(browser: &Browser, name: &str) -> String {
    let attempt: Vec<&str> = browser.at.split('/').take(3).collect();
    format!("{}/{name}", attempt.join("/"))
}

fn csrf_of(browser: &Browser) -> String {
    let page = browser.page.clone().unwrap();
    let form = page.forms().remove(0);
    let input = form.inputs.into_iter().find(|input| input.name == "csrf");
    input.unwrap().value
}

/// Activated and used once: no notice waits.
pub async fn active(world: &World, period: u16) -> Token {
    world.add_user(UPN).await;
    let token = assigned(world, UPN, "2600124809778", period).await;
    let mut browser = world.browser();
    after_password(world, &mut browser).await;
    browser.submit_code(&token.shown(world)).await;
    step(world, &token);
    let page = browser.submit_code(&token.shown(world)).await;
    assert!(page.text().contains("handed to you"), "{}", page.text());
    browser.submit(&[]).await.expect_answer();
    step(world, &token);
    token
}

pub(super) async fn signs_in(world: &World, token: &Token) -> bool {
    let mut browser = world.browser();
    after_password(world, &mut browser).await;
    let page = browser.submit_code(&token.shown(world)).await;
    step(world, token);
    page.answer().is_some()
}

#[tokio::test]
async fn a_token_is_activated_by_one_code_and_signs_in_with_the_next() {
    for period in [30, 60] {
        let world = World::new().await;
        world.add_user(UPN).await;
        let mut token = assigned(&world, UPN, "2600124809778", period).await;
        // Ten steps off: what a drawer does to a token.
        token.ahead = 10 * i64::from(period);
        let mut browser = world.browser();
        let page = after_password(&world, &mut browser).await;
        assert!(page.contains("Activate your token"), "{page}");
        let code = token.shown(&world);
        let page = browser.submit_code(&code).await;
        // It made no proof: a code is asked for, and this one is spent.
        assert!(page.asks_for_code() && page.answer().is_none());
        assert!(
            page.text().contains("Enter your one-time code"),
            "{}",
            page.text()
        );
        let page = browser.submit_code(&code).await;
        assert!(page.text().contains("used already"), "{}", page.text());
        step(&world, &token);
        let page = browser.submit_code(&token.shown(&world)).await;
        assert!(page.text().contains("A hardware token was handed to you"));
        assert!(page.text().contains("tester"));
        let answer = browser.submit(&[]).await.expect_answer();
        assert!(answer.xml.contains("multipleauthn"), "both factors");
        assert_eq!(state(&world, &token).await, TokenState::Active);
        step(&world, &token);
        assert!(signs_in(&world, &token).await);
        let listed = world.app().list_oath_tokens(None, 9).await.unwrap();
        let used = claimbridge::app::oath_tokens::last_used(&listed[0]).unwrap();
        assert_eq!(
            world.now().since(used),
            Duration::from_secs(u64::from(period))
        );
    }
}

#[tokio::test]
async fn farther_off_it_takes_two_codes_up_to_a_day_or_two() {
    for (period, days) in [(30, 1), (60, 2)] {
        for sign in [-1, 1] {
            let world = World::new().await;
            world.add_user(UPN).await;
            let mut token = assigned(&world, UPN, "1", period).await;
            token.ahead = sign * (days * 86_400 - 2 * i64::from(period));
            let mut browser = world.browser();
            after_password(&world, &mut browser).await;
            let page = browser.submit_code(&token.shown(&world)).await;
            assert!(page.text().contains("when it changes, the next one"));
            assert_eq!(state(&world, &token).await, TokenState::Assigned);
            // The wrong way round is nothing.
            let (now, next) = (token.shown(&world), token.shown_later(&world, 1));
            let page = browser.submit(&[("code", &next), ("next", &now)]).await;
            assert!(page.text().contains("did not fit"), "{}", page.text());
            let page = browser.submit(&[("code", &now), ("next", &next)]).await;
            assert!(
                page.text().contains("Enter your one-time code"),
                "{}",
                page.text()
            );
            assert_eq!(state(&world, &token).await, TokenState::Active);
            // Both codes are spent, and the token's clock is known.
            step(&world, &token);
            step(&world, &token);
            let page = browser.submit_code(&token.shown(&world)).await;
            assert!(page.text().contains("handed to you"), "{}", page.text());
        }
    }
}

#[tokio::test]
async fn attack_37_without_a_token_of_ones_own_the_password_opens_nothing() {
    let world = World::new().await;
    world.add_user(UPN).await;
    let stocked = token(&world, "1", 30).await;
    let mut browser = world.browser();
    let page = after_password(&world, &mut browser).await;
    assert!(
        page.contains("temporary access pass") && !page.contains("Activate"),
        "{page}"
    );
    // The form's address, by hand: as at any other step.
    let path = under(&browser, "token");
    let csrf = csrf_of(&browser);
    let code = stocked.shown(&world);
    let page = browser
        .post(&path, &[("csrf", &csrf), ("code", &code)])
        .await;
    assert!(page.status.is_client_error(), "{}", page.text());
    assert_eq!(state(&world, &stocked).await, TokenState::InStock);
    // Before the password, nothing either.
    let other = assigned_to_other(&world).await;
    let mut early = world.browser();
    early.start(&entra::request(world.now())).await;
    let csrf = csrf_of(&early);
    let path = under(&early, "token");
    let code = other.shown(&world);
    let page = early.post(&path, &[("csrf", &csrf), ("code", &code)]).await;
    assert!(page.status.is_client_error(), "{}", page.text());
    assert_eq!(state(&world, &other).await, TokenState::Assigned);
}

async fn assigned_to_other(world: &World) -> Token {
    world.add_user("agent2@contoso.com").await;
    assigned(world, "agent2@contoso.com", "2", 30).await
}

#[tokio::test]
async fn a_pass_is_another_way_for_whom_a_token_waits() {
    let world = World::new().await;
    world.add_user(UPN).await;
    assigned(&world, UPN, "1", 30).await;
    let pass = world.issue_pass(UPN).await;
    let mut browser = world.browser();
    let page = after_password(&world, &mut browser).await;
    assert!(page.contains("Use it instead"), "{page}");
    let path = under(&browser, "pass");
    let page = browser.get(&path).await;
    assert!(page.asks_for_pass(), "{}", page.text());
    let page = browser.submit(&[("pass", "wrong-pass")]).await;
    assert!(page.asks_for_pass(), "{}", page.text());
    let page = browser.submit_pass(&pass).await;
    assert!(!page.asks_for_pass(), "{}", page.text());
}

#[tokio::test]
async fn assigning_ends_what_was_begun_and_losing_ends_it_all() {
    let world = World::new().await;
    let token = active(&world, 30).await;
    let upn = UPN.parse().unwrap();
    let mut browser = world.browser();
    after_password(&world, &mut browser).await;
    assert!(
        browser
            .submit_code(&token.shown(&world))
            .await
            .answer()
            .is_some()
    );
    let live = || async {
        let sessions = world.app().sessions_of(&upn).await.unwrap();
        sessions
            .iter()
            .filter(|known| known.row.revoked_at.is_none())
            .count()
    };
    assert!(live().await > 0);
    // Another token for the same person.
    let second = token_in_stock(&world).await;
    world
        .app()
        .assign_oath_token(&second.serial, &upn, "tester")
        .await
        .unwrap();
    assert_eq!(live().await, 0);
    // With a live method nobody is asked to activate it.
    step(&world, &token);
    let mut browser = world.browser();
    let page = after_password(&world, &mut browser).await;
    assert!(page.contains("Enter your one-time code"), "{page}");
    world
        .app()
        .take_oath_token(&token.serial, Withdrawal::Lost, "tester")
        .await
        .unwrap();
    // Its code is nothing any more; the attempt is over.
    let page = browser.submit_code(&token.shown(&world)).await;
    assert!(page.answer().is_none() && page.status.is_client_error());
    step(&world, &token);
    let mut browser = world.browser();
    let page = after_password(&world, &mut browser).await;
    assert!(
        page.contains("Activate your token"),
        "the second one: {page}"
    );
}

async fn token_in_stock(world: &World) -> Token {
    token(world, "second", 30).await
}

#[tokio::test]
async fn attack_3_what_was_shown_before_a_token_came_back_activates_nothing() {
    let world = World::new().await;
    let token = active(&world, 30).await;
    let seen = token.shown(&world);
    assert!(signs_in(&world, &token).await);
    let app = world.app();
    app.take_oath_token(&token.serial, Withdrawal::Returned, "tester")
        .await
        .unwrap();
    app.assign_oath_token(&token.serial, &UPN.parse().unwrap(), "tester")
        .await
        .unwrap();
    let mut browser = world.browser();
    let page = after_password(&world, &mut browser).await;
    assert!(page.contains("Activate your token"), "{page}");
    let page = browser.submit_code(&seen).await;
    assert!(page.text().contains("did not fit"), "{}", page.text());
    assert_eq!(state(&world, &token).await, TokenState::Assigned);
}

#[tokio::test]
async fn a_token_that_its_holder_took_off_the_account_is_nobodys_until_it_is_handed_over() {
    let world = World::new().await;
    let token = active(&world, 30).await;
    let seen = token.shown(&world);
    assert!(signs_in(&world, &token).await);
    let user = world.app().find_user(&UPN.parse().unwrap()).await.unwrap();
    // Beside another method, with fresh proofs: as the account page does it.
    let pass = world.issue_pass(UPN).await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    let path = under(&browser, "pass");
    browser.get(&path).await;
    browser.submit(&[("username", UPN), ("pass", &pass)]).await;
    let program = browser.choose_totp().await.totp_secret();
    let code = totp::code_at(&program, TotpParameters::default(), world.now()).unwrap();
    browser.confirm(&code).await;
    step(&world, &token);
    let mut browser = world.browser();
    after_password(&world, &mut browser).await;
    let page = browser.submit_code(&token.shown(&world)).await;
    if page.answer().is_none() {
        browser.submit(&[]).await.expect_answer();
    }
    step(&world, &token);
    let fresh = world
        .app()
        .require_fresh(&browser.app_cookies())
        .await
        .unwrap();
    let credential = {
        let mut tx = world.app().store().read().await.unwrap();
        let row = tx.oath_token(&token.serial).await.unwrap().unwrap();
        row.credential.unwrap()
    };
    world
        .app()
        .remove_method(&fresh, &credential)
        .await
        .unwrap();
    assert_eq!(state(&world, &token).await, TokenState::Removed);
    let mut tx = world.app().store().read().await.unwrap();
    assert!(tx.oath_tokens_of(&user.id).await.unwrap().is_empty());
    drop(tx);
    let mut browser = world.browser();
    after_password(&world, &mut browser).await;
    for code in [seen, token.shown(&world)] {
        assert!(browser.submit_code(&code).await.answer().is_none());
    }
}

#[tokio::test]
async fn attack_38_a_token_moved_to_another_person_by_hand_is_an_alarm() {
    let world = World::new().await;
    let thief = world.add_user(UPN).await;
    let token = assigned_to_other(&world).await;
    let pool = sqlx::AnyPool::connect(&world.database_url).await.unwrap();
    let statement = format!("UPDATE oath_tokens SET user_id = '{}'", thief.id);
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let mut browser = world.browser();
    after_password(&world, &mut browser).await;
    let page = browser.submit_code(&token.shown(&world)).await;
    assert!(page.status.is_client_error() && page.answer().is_none());
    let mut tx = world.app().store().read().await.unwrap();
    assert!(tx.totp_of(&thief.id).await.unwrap().is_empty());
    let events = tx.events_of(&thief.id, 20).await.unwrap();
    assert!(events.iter().any(|event| event.kind() == "tampering-found"));
}

#[tokio::test]
async fn attack_2_tries_to_activate_are_paid_for_before_they_are_checked() {
    let world = World::new().await;
    world.add_user(UPN).await;
    let token = assigned(&world, UPN, "1", 30).await;
    let mut browser = world.browser();
    after_password(&world, &mut browser).await;
    let mut tries = 0;
    while browser.submit_code("000000").await.status != 429 {
        let page = browser.page.clone().unwrap();
        assert!(page.text().contains("did not fit"), "{}", page.text());
        tries += 1;
        assert!(tries <= 6, "nobody makes this wait");
    }
    assert!(tries > 1);
    // Even the right code is not checked now.
    let page = browser.submit_code(&token.shown(&world)).await;
    assert_eq!(page.status, 429);
    assert_eq!(state(&world, &token).await, TokenState::Assigned);
    world.clock.advance(Duration::from_secs(31));
    let page = browser.submit_code(&token.shown(&world)).await;
    assert!(
        page.text().contains("Enter your one-time code"),
        "{}",
        page.text()
    );
}

/// Drifts `windows` a year, is used monthly for six years, then lies for nine months.
async fn drift_for_years(windows: f64) {
    const MONTH: i64 = 365 * 86_400 / 12;
    let world = World::new().await;
    let mut token = active(&world, 30).await;
    let begun = world.now();
    let drift = |world: &World| {
        let years = world.now().since(begun).as_secs_f64() / (365.0 * 86_400.0);
        #[expect(clippy::cast_possible_truncation, reason = "seconds of a few years")]
        let seconds = (windows * 30.0 * years).round() as i64;
        seconds
    };
    for month in 0..72 {
        world
            .clock
            .advance(Duration::from_secs(MONTH.unsigned_abs()));
        token.ahead = drift(&world);
        assert!(signs_in(&world, &token).await, "month {month}");
    }
    world
        .clock
        .advance(Duration::from_secs(9 * MONTH.unsigned_abs()));
    token.ahead = drift(&world);
    let mut browser = world.browser();
    after_password(&world, &mut browser).await;
    let page = browser.submit_code(&token.shown(&world)).await;
    assert!(page.text().contains("not right"), "{}", page.text());
    // "My token's codes are refused."
    let path = under(&browser, "resync");
    assert!(page.body.contains(&path), "{}", page.body);
    let page = browser.get(&path).await;
    assert!(
        page.text().contains("Bring your token back"),
        "{}",
        page.text()
    );
    let (now, next) = (token.shown(&world), token.shown_later(&world, 1));
    let page = browser.submit(&[("code", &now), ("next", &next)]).await;
    // It signs nobody in; both codes are spent.
    assert!(
        page.text().contains("Enter your one-time code"),
        "{}",
        page.text()
    );
    step(&world, &token);
    let page = browser.submit_code(&next).await;
    assert!(page.answer().is_none(), "{}", page.text());
    step(&world, &token);
    let page = browser.submit_code(&token.shown(&world)).await;
    // Whoever did it: the person hears of it.
    assert!(page.text().contains("brought back into step"));
    browser.submit(&[]).await.expect_answer();
}

#[tokio::test]
async fn a_token_that_gains_eight_windows_a_year_goes_on_for_years() {
    drift_for_years(8.0).await;
}

#[tokio::test]
async fn a_token_that_loses_eight_windows_a_year_goes_on_for_years() {
    drift_for_years(-8.0).await;
}

#[tokio::test]
async fn an_operator_brings_a_token_back_and_the_last_step_never_goes_down() {
    let world = World::new().await;
    let mut token = active(&world, 30).await;
    let app = world.app();
    let resync = |first: String, second: String| {
        let serial = token.serial.clone();
        async move {
            app.resync_oath_token(&serial, [&first, &second], "tester")
                .await
                .map_err(|error| error.to_string())
        }
    };
    // Codes of before the last accepted one.
    let early = (token.shown_later(&world, -3), token.shown_later(&world, -2));
    assert!(resync(early.0, early.1).await.is_err());
    token.ahead = 40 * 30;
    let (first, second) = (token.shown(&world), token.shown_later(&world, 1));
    assert_eq!(resync(first.clone(), second.clone()).await, Ok(41));
    assert!(resync(first, second).await.is_err(), "spent");
    step(&world, &token);
    step(&world, &token);
    assert!({
        let mut browser = world.browser();
        after_password(&world, &mut browser).await;
        let page = browser.submit_code(&token.shown(&world)).await;
        page.text().contains("brought back into step") && page.text().contains("tester")
    });
}

/// Cookies of a browser whose password was right, and its attempt.
async fn waiting(world: &World) -> (AttemptId, Cookies) {
    let mut browser = world.browser();
    after_password(world, &mut browser).await;
    let id = browser.at.split('/').nth(2).unwrap().parse().unwrap();
    (id, browser.app_cookies())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_28_one_activation_fifty_times_at_once() {
    let world = World::new().await;
    world.add_user(UPN).await;
    let token = assigned(&world, UPN, "1", 30).await;
    let (id, cookies) = waiting(&world).await;
    let code = token.shown(&world);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..50 {
        let app = Arc::clone(&world.nodes[number % world.nodes.len()].app);
        let (id, cookies, code) = (id.clone(), cookies.clone(), code.clone());
        tasks.spawn(async move { app.activate_own_token(&id, &cookies, &code, "").await });
    }
    let right = tasks
        .join_all()
        .await
        .into_iter()
        .filter(|outcome| matches!(outcome, Ok(Guess::Right)))
        .count();
    assert_eq!(right, 1);
    let user = world.app().find_user(&UPN.parse().unwrap()).await.unwrap();
    let mut tx = world.app().store().read().await.unwrap();
    assert_eq!(tx.totp_of(&user.id).await.unwrap().len(), 1);
    drop(tx);
    match world.app().proceed(&id, &cookies).await.unwrap() {
        Next::Ask(ask) => assert_eq!(ask.step, NextStep::AskSecondFactor),
        Next::Answer(_) | Next::Stop(..) => panic!("an activation answered"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_28_one_resync_fifty_times_at_once() {
    let world = World::new().await;
    let mut token = active(&world, 30).await;
    token.ahead = 30;
    let (id, cookies) = waiting(&world).await;
    let (first, second) = (token.shown(&world), token.shown_later(&world, 1));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..50 {
        let app = Arc::clone(&world.nodes[number % world.nodes.len()].app);
        let (id, cookies) = (id.clone(), cookies.clone());
        let (first, second) = (first.clone(), second.clone());
        tasks.spawn(async move { app.resync_own_token(&id, &cookies, [&first, &second]).await });
    }
    let right = tasks
        .join_all()
        .await
        .into_iter()
        .filter(|outcome| matches!(outcome, Ok(Guess::Right)))
        .count();
    assert_eq!(right, 1);
}
