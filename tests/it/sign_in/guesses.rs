//! Wrong passwords and wrong codes.

use claimbridge::app::{prove::Guess, users::PasswordState};

use crate::support::{Browser, PASSWORD, World, entra};

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_get_the_same_page() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut pages = Vec::new();
    for name in [
        person.upn(),
        "nobody@contoso.com",
        "nobody@elsewhere.example",
        "not a name",
    ] {
        let mut browser = world.browser();
        browser.start(&entra::request(world.now())).await;
        let page = browser.submit_password(name, "a wrong password").await;
        assert!(page.asks_for_password());
        pages.push((page.status, page.text().replace(name, "")));
    }
    for page in &pages[1..] {
        assert_eq!(page, &pages[0]);
    }
}

#[tokio::test]
async fn attack_25_every_spelling_of_a_name_is_one_counter() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let spellings = [
        "agent1@contoso.com",
        "AGENT1@contoso.com",
        " agent1@Contoso.com ",
        "ａgent1@contoso.com",
        "Agent1@CONTOSO.COM",
    ];
    for spelling in spellings {
        let mut browser = world.browser();
        browser.start(&entra::request(world.now())).await;
        browser.submit_password(spelling, "a wrong password").await;
    }
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    let page = browser.submit_password(person.upn(), PASSWORD).await;
    assert!(
        !page.asks_for_code(),
        "five wrong guesses make the sixth wait, however the name is spelt"
    );
    assert!(page.text().contains("30 seconds"), "{}", page.text());
    world.advance(31);
    assert!(
        browser
            .submit_password(person.upn(), PASSWORD)
            .await
            .asks_for_code()
    );
}

#[tokio::test]
async fn attack_3_a_code_counts_once_also_in_another_session() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let code = person.code(world.now());
    let mut browser = world.browser();
    browser
        .sign_in(&entra::request(world.now()), person.upn(), &code)
        .await
        .expect_answer();
    let mut other = world.browser();
    let page = other
        .sign_in(&entra::request(world.now()), person.upn(), &code)
        .await;
    assert!(page.answer().is_none());
    assert!(page.asks_for_code());
    assert!(
        page.text().to_lowercase().contains("used"),
        "{}",
        page.text()
    );
    world.advance(30);
    let page = other.submit_code(&person.code(world.now())).await;
    page.expect_answer();
}

#[tokio::test]
async fn attack_3_an_earlier_code_does_not_count_after_a_later_one() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    world.advance(30);
    let earlier = person.code(world.now().minus(std::time::Duration::from_secs(30)));
    let later = person.code(world.now());
    world
        .browser()
        .sign_in(&entra::request(world.now()), person.upn(), &later)
        .await
        .expect_answer();
    let page = world
        .browser()
        .sign_in(&entra::request(world.now()), person.upn(), &earlier)
        .await;
    assert!(page.answer().is_none(), "{}", page.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_3_twenty_submissions_of_one_right_code_succeed_once() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let code = person.code(world.now());
    let mut ready = Vec::new();
    for _ in 0..20 {
        let mut browser = world.browser();
        browser.start(&entra::request(world.now())).await;
        assert!(
            browser
                .submit_password(person.upn(), PASSWORD)
                .await
                .asks_for_code()
        );
        ready.push(browser);
    }
    let tries = ready.into_iter().map(|mut browser| {
        let code = code.clone();
        tokio::spawn(async move { browser.submit_code(&code).await.answer().is_some() })
    });
    let mut answers = 0;
    for done in tries.collect::<Vec<_>>() {
        answers += usize::from(done.await.unwrap());
    }
    assert_eq!(answers, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_2_fifty_sessions_that_guess_share_one_counter() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut ready = Vec::new();
    for number in 0..50 {
        let mut browser = world.browser();
        browser.source = format!("198.51.100.{number}");
        browser.start(&entra::request(world.now())).await;
        assert!(
            browser
                .submit_password(person.upn(), PASSWORD)
                .await
                .asks_for_code()
        );
        ready.push(browser);
    }
    let right = person.code(world.now());
    let wrong = if right == "000000" {
        "111111"
    } else {
        "000000"
    };
    let tries: Vec<_> = ready
        .into_iter()
        .map(|mut browser| tokio::spawn(async move { browser.submit_code(wrong).await.text() }))
        .collect();
    let mut checked = 0;
    for done in tries {
        checked += usize::from(!done.await.unwrap().contains("30 seconds"));
    }
    assert_eq!(checked, 5, "the free tries, and not one more");
    // Attack 4: the counter is there for a new connection and a new process.
    let mut world = world;
    world.start_node().await;
    let mut tx = world.nodes[1].app.store().read().await.unwrap();
    assert_eq!(
        tx.failures(&format!("second-factor:{}", person.user.id))
            .await
            .unwrap(),
        5
    );
}

#[tokio::test]
async fn a_stranger_cannot_lock_out_a_browser_that_is_known() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut own = world.browser();
    own.sign_in(
        &entra::request(world.now()),
        person.upn(),
        &person.code(world.now()),
    )
    .await
    .expect_answer();
    for number in 0..8 {
        let mut stranger = world.browser();
        stranger.source = format!("198.51.100.{number}");
        stranger.start(&entra::request(world.now())).await;
        stranger
            .submit_password(person.upn(), "a wrong password")
            .await;
    }
    world.advance(30);
    let again = entra::request(world.now()).with(r#"ForceAuthn="true""#);
    own.sign_in(&again, person.upn(), &person.code(world.now()))
        .await
        .expect_answer();
}

#[tokio::test]
async fn attack_2_a_hundred_wrong_codes_in_a_row_switch_the_password_off() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    // Another source and a waited-out delay each time: a patient thief who knows the
    // password. It must not die too early either, or a stranger's slips would do it.
    for round in 1..=101 {
        let mut browser = world.browser();
        browser.source = format!("198.51.100.{}", round % 200);
        browser.start(&entra::request(world.now())).await;
        let page = browser.submit_password(person.upn(), PASSWORD).await;
        assert!(page.asks_for_code(), "round {round}: {}", page.text());
        let right = person.code(world.now());
        browser
            .submit_code(if right == "000000" {
                "111111"
            } else {
                "000000"
            })
            .await;
        world.advance(31 * 60);
    }
    let mut last = world.browser();
    last.start(&entra::request(world.now())).await;
    let page = last.submit_password(person.upn(), PASSWORD).await;
    assert!(!page.asks_for_code(), "{}", page.text());
    let wrong = last.submit_password(person.upn(), "a wrong password").await;
    assert!(!wrong.asks_for_code());
    // `user unlock` lifts waits only, and says that the password is dead.
    let unlocked = world.app().unlock_user(&person.user.upn, "tester").await;
    assert_eq!(unlocked.unwrap().password, PasswordState::Dead);
    let page = last.submit_password(person.upn(), PASSWORD).await;
    assert!(!page.asks_for_code(), "{}", page.text());
    // An administrator's new password opens the way again.
    let app = world.app();
    let upn = person.upn().parse().unwrap();
    app.set_password(
        &upn,
        claimbridge::base::secret::Secret::new("another password".to_owned()),
        "tester",
    )
    .await
    .unwrap();
    world.advance(31 * 60);
    let mut after = world.browser();
    after.start(&entra::request(world.now())).await;
    assert!(
        after
            .submit_password(person.upn(), "another password")
            .await
            .asks_for_code()
    );
}

#[tokio::test]
async fn a_guess_is_an_event_before_it_is_checked_and_another_after() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    // One node: only its own events have an order within a millisecond.
    let mut browser = world.browser_on(0);
    browser.start(&entra::request(world.now())).await;
    browser
        .submit_password(person.upn(), "a wrong password")
        .await;
    browser.submit_password(person.upn(), PASSWORD).await;
    assert_eq!(
        kinds(&world, &browser).await,
        [
            "password-tried",
            "password-refused",
            "password-tried",
            "password-verified"
        ]
    );
}

/// What was written down about the browser's attempt, in the order in which it happened:
/// with one node that is the order of the sequence numbers.
async fn kinds(world: &World, browser: &Browser) -> Vec<String> {
    let attempt = browser.at.split('/').nth(2).unwrap().parse().unwrap();
    let mut tx = world.nodes[0].app.store().read().await.unwrap();
    let events = tx.events_of_attempt(&attempt).await.unwrap();
    assert!(events.is_sorted_by_key(|event| event.sequence));
    events.iter().map(|event| event.kind().to_owned()).collect()
}

/// The guess is written in a transaction of its own: what comes after it may fail, and it
/// is still there, charged, and without a result.
#[tokio::test]
async fn attack_4_a_guess_whose_result_cannot_be_written_is_still_an_event_and_charged() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let failures = async |kind: &str| {
        let mut tx = world.app().store().read().await.unwrap();
        let bucket = format!("{kind}:{}", person.user.id);
        tx.failures(&bucket).await.unwrap()
    };
    let sql = world.sql().await;
    sql.run("DELETE FROM evidence").await;
    let mut coder = world.browser_on(0);
    coder.start(&entra::request(world.now())).await;
    let page = coder.submit_password(person.upn(), PASSWORD).await;
    assert!(page.asks_for_code());
    let mut beginner = world.browser_on(0);
    beginner.start(&entra::request(world.now())).await;

    // One proof an attempt may have: the code's does not fit beside the password's.
    sql.define("CREATE UNIQUE INDEX one_proof ON evidence (attempt)")
        .await;
    let page = coder.submit_code(&person.code(world.now())).await;
    assert!(page.status.is_server_error(), "{}", page.text());
    assert!(page.answer().is_none());
    assert_eq!(
        kinds(&world, &coder).await,
        ["password-tried", "password-verified", "code-tried"]
    );
    assert_eq!(failures("second-factor").await, 1);

    // And now none at all.
    sql.define("ALTER TABLE evidence RENAME TO nowhere").await;
    let path = beginner.at.clone();
    let page = beginner.submit_password(person.upn(), PASSWORD).await;
    assert!(page.status.is_server_error(), "{}", page.text());
    beginner.at = path;
    assert_eq!(kinds(&world, &beginner).await, ["password-tried"]);
    assert_eq!(failures("password").await, 1);
}

#[tokio::test]
async fn attack_1_a_code_before_the_password_is_refused() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    let attempt = browser.at.trim_start_matches("/sign-in/").parse().unwrap();
    let cookies = browser.app_cookies();
    let result = world
        .app()
        .submit_code(&attempt, &cookies, &person.code(world.now()))
        .await;
    assert_eq!(
        result.unwrap_err().category(),
        claimbridge::app::Category::Denied
    );
    let right = world
        .app()
        .submit_password(
            &attempt,
            &cookies,
            person.upn(),
            claimbridge::base::secret::Secret::new(PASSWORD.to_owned()),
        )
        .await;
    assert_eq!(right.unwrap(), Guess::Right);
}

/// A smoke test, not a measurement: without the work that is done for nobody, the answer
/// to an unknown name would come some fifty times sooner.
#[tokio::test]
async fn attack_26_a_name_that_nobody_has_takes_as_long_as_a_wrong_password() {
    let world = World::new().await;
    let person = world.add_user("agent1@contoso.com").await;
    let disabled = world.add_user("agent2@contoso.com").await;
    world
        .app()
        .disable_user(&disabled.upn, "tester")
        .await
        .unwrap();
    let names = [
        person.upn.as_str(),
        "nobody@contoso.com",
        disabled.upn.as_str(),
    ];
    let mut times = [const { Vec::new() }; 3];
    for round in 0..9 {
        for (name, times) in names.iter().zip(&mut times) {
            let mut browser = world.browser();
            browser.source = format!("198.51.100.{round}");
            browser.start(&entra::request(world.now())).await;
            #[expect(clippy::disallowed_methods, reason = "real time is what is looked at")]
            let began = std::time::Instant::now();
            browser.submit_password(name, "a wrong password").await;
            times.push(began.elapsed());
            world.advance(31 * 60);
        }
    }
    let median = |times: &mut Vec<std::time::Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64()
    };
    let [known, unknown, disabled] = times.each_mut().map(median);
    for other in [unknown, disabled] {
        let ratio = other / known;
        assert!(
            (0.4..2.5).contains(&ratio),
            "{ratio:.2} × the time of a known name"
        );
    }
}
