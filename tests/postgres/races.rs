//! Orders of two transactions that only PostgreSQL allows (SQLite has one writer): a third one
//! holds the person's row until both are where the test wants them.

use std::sync::Arc;

use claimbridge::{
    app::{
        App, relying_parties,
        security_keys::KeyAnswer,
        sign_in::Browser,
        sign_out::{Scope, SignOutBegun, SignOutStep},
    },
    base::{ids::AttemptId, secret::Secret},
    relying_party::{
        EntityId, EntraCloud, LogoutBinding, RelyingParty, RelyingPartyKind, ReplyUrl, SingleLogout,
    },
};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Row as _};
use tokio::task::JoinHandle;

use crate::{
    soft_key::SoftKey,
    support::{PASSWORD, PUBLIC_URL, World, entra},
};

const UPN: &str = "agent1@contoso.com";

/// Holds rows.
struct Holder {
    connection: AnyConnection,
    pid: i64,
}

impl Holder {
    /// Every person's.
    async fn of(world: &World) -> Self {
        Self::of_rows(world, "UPDATE users SET created_at = created_at").await
    }

    /// Those that the statement changes.
    async fn of_rows(world: &World, changes: &str) -> Self {
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(&world.database_url).await.unwrap();
        for statement in ["BEGIN", changes] {
            let statement = AssertSqlSafe(statement.to_owned());
            let done = sqlx::raw_sql(statement).execute(&mut connection).await;
            done.unwrap();
        }
        let pid = sqlx::raw_sql("SELECT CAST(pg_backend_pid() AS BIGINT)")
            .fetch_one(&mut connection)
            .await
            .unwrap()
            .get(0);
        Self { connection, pid }
    }

    /// Until so many wait, for it or for each other, or `done` is over.
    async fn wait_for<T>(&mut self, world: &World, waiting: i64, done: &JoinHandle<T>) {
        let mut look = AnyConnection::connect(&world.database_url).await.unwrap();
        let count = format!(
            "WITH RECURSIVE waiting AS (
               SELECT pid FROM pg_stat_activity WHERE {0} = ANY (pg_blocking_pids(pid))
               UNION SELECT later.pid FROM pg_stat_activity AS later, waiting
                 WHERE waiting.pid = ANY (pg_blocking_pids(later.pid)))
             SELECT COUNT(*) FROM waiting",
            self.pid
        );
        while !done.is_finished() {
            let row = sqlx::raw_sql(AssertSqlSafe(count.clone()))
                .fetch_one(&mut look)
                .await
                .unwrap();
            if row.get::<i64, _>(0) >= waiting {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn let_go(mut self) {
        let done = sqlx::raw_sql("COMMIT").execute(&mut self.connection).await;
        done.unwrap();
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum First {
    TheReset,
    TheAddition,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum What {
    Key,
    Password,
}

/// In an enrolment by a pass: what is added, one step before it is.
async fn adding(world: &World, what: What) -> (AttemptId, Browser, Option<String>) {
    let user = world.add_user(UPN).await;
    if what == What::Password {
        world.app().reset_user(&user.upn, "tester").await.unwrap();
    }
    let pass = world.issue_pass(UPN).await;
    let mut browser = world.browser();
    browser.get("/account").await;
    let by_pass = format!("{}/pass", browser.at);
    browser.get(&by_pass).await;
    browser.submit(&[("username", UPN), ("pass", &pass)]).await;
    let attempt: AttemptId = browser.at.split('/').nth(2).unwrap().parse().unwrap();
    let cookies = browser.app_cookies();
    if what == What::Password {
        return (attempt, cookies, None);
    }
    let key = claimbridge::app::enrol::MethodKind::SecurityKey;
    let app = world.app();
    app.choose_method(&attempt, &cookies, key).await.unwrap();
    let question = app.ask_new_key(&attempt, &cookies).await.unwrap();
    let answer = SoftKey::new().registers(&question, PUBLIC_URL);
    (attempt, cookies, Some(answer))
}

fn resets(app: Arc<App>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let upn = UPN.parse().unwrap();
        app.reset_user(&upn, "tester").await.unwrap();
    })
}

fn adds(
    app: Arc<App>,
    attempt: AttemptId,
    cookies: Browser,
    answer: Option<String>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        // Whether it was added for a moment is left open.
        if let Some(answer) = answer {
            let added = app.confirm_key(&attempt, &cookies, "key", &answer).await;
            drop(added);
        } else {
            let words = Secret::new("correct horse battery".to_owned());
            let chosen = app.choose_password(&attempt, &cookies, words).await;
            drop(chosen);
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_6_whichever_comes_first_nothing_that_was_added_outlives_a_reset() {
    for what in [What::Key, What::Password] {
        for first in [First::TheReset, First::TheAddition] {
            let world = World::new().await;
            let (attempt, cookies, answer) = adding(&world, what).await;
            let nodes: Vec<Arc<App>> = world.nodes.iter().map(|node| node.app.clone()).collect();
            let mut holder = Holder::of(&world).await;
            let (reset, added) = match first {
                First::TheReset => {
                    let reset = resets(nodes[0].clone());
                    holder.wait_for(&world, 1, &reset).await;
                    let added = adds(nodes[1].clone(), attempt, cookies, answer);
                    holder.wait_for(&world, 2, &added).await;
                    (reset, added)
                }
                First::TheAddition => {
                    let added = adds(nodes[1].clone(), attempt, cookies, answer);
                    holder.wait_for(&world, 1, &added).await;
                    let reset = resets(nodes[0].clone());
                    holder.wait_for(&world, 2, &reset).await;
                    (reset, added)
                }
            };
            holder.let_go().await;
            reset.await.unwrap();
            added.await.unwrap();
            let view = world.app().view_user(&UPN.parse().unwrap()).await.unwrap();
            let mut tx = world.app().store().read().await.unwrap();
            let password = tx.password_of(&view.user.id).await.unwrap();
            let left = (view.counting(), password.is_some());
            assert_eq!(left, (0, false), "{what:?}, first {first:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_who_sign_out_everywhere_at_once_one_has_the_list_and_both_are_led_to_it() {
    let world = World::new().await;
    let person = world.ready(UPN).await;
    let mut browser = world.browser();
    let request = entra::request(world.now());
    let page = browser
        .sign_in(&request, UPN, &person.code(world.now()))
        .await;
    page.expect_answer();
    let presses = |node: usize| {
        let (app, cookies) = (world.nodes[node].app.clone(), browser.app_cookies());
        tokio::spawn(async move { app.sign_out_everywhere(&cookies).await.unwrap() })
    };
    let mut holder = Holder::of(&world).await;
    let one = presses(0);
    holder.wait_for(&world, 1, &one).await;
    let two = presses(1);
    holder.wait_for(&world, 2, &two).await;
    holder.let_go().await;
    match (one.await.unwrap(), two.await.unwrap()) {
        (SignOutBegun::Page(one), SignOutBegun::Page(two)) => assert_eq!(one, two),
        begun => panic!("{begun:?}"),
    }
}

/// A page of the sign-out finds that the party is removed, and "everywhere" is pressed before it can
/// write that down: what was pressed is not overwritten.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everywhere_is_not_lost_to_a_page_that_was_quicker_to_read() {
    let world = World::new().await;
    let person = world.ready(UPN).await;
    let app = world.app();
    let desk = "https://desk.example.com/sp".to_owned();
    let registered = RelyingParty {
        entity_id: EntityId(desk.clone()),
        kind: RelyingPartyKind::ServiceProvider,
        reply_urls: vec![ReplyUrl {
            index: 0,
            url: "https://desk.example.com/acs".to_owned(),
            preferred: true,
        }],
        single_logout: Some(SingleLogout {
            binding: LogoutBinding::Redirect,
            request_url: "https://desk.example.com/slo".to_owned(),
            response_url: None,
        }),
        ..EntraCloud::global().relying_party(Vec::new())
    };
    let added = relying_parties::add(app.store(), app.settings(), registered, "tester").await;
    drop(added.unwrap());
    let mut browser = world.browser();
    let request = entra::AuthnRequest {
        issuer: desk,
        ..entra::request(world.now())
    };
    let page = browser
        .sign_in(&request, UPN, &person.code(world.now()))
        .await;
    page.expect_answer();
    let cookies = browser.app_cookies();
    let SignOutBegun::Page(id) = app.sign_out(&cookies).await.unwrap() else {
        panic!("nobody is asked");
    };
    let step = app.sign_out_step(&id, &cookies).await.unwrap();
    assert!(matches!(step, SignOutStep::Ask { .. }), "{step:?}");

    world.sql().await.run("DELETE FROM relying_parties").await;
    let held = "LOCK TABLE relying_parties IN ACCESS EXCLUSIVE MODE";
    let mut holder = Holder::of_rows(&world, held).await;
    let (node, with, of) = (world.nodes[0].app.clone(), cookies.clone(), id.clone());
    let page = tokio::spawn(async move { node.sign_out_step(&of, &with).await.unwrap() });
    holder.wait_for(&world, 1, &page).await;
    let pressed = world.nodes[1].app.sign_out_everywhere(&cookies).await;
    assert!(matches!(pressed, Ok(SignOutBegun::Page(_))), "{pressed:?}");
    holder.let_go().await;
    match page.await.unwrap() {
        SignOutStep::Done { scope, .. } => assert_eq!(scope, Scope::Everywhere),
        step => panic!("{step:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_is_not_the_person_waits_for_a_key_that_answers_and_neither_fails() {
    let world = World::new().await;
    world.add_user(UPN).await;
    let pass = world.issue_pass(UPN).await;
    let mut key = SoftKey::new();
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    let at = browser.at.clone();
    let attempt: AttemptId = at.split('/').nth(2).unwrap().parse().unwrap();
    browser.get(&format!("{at}/pass")).await;
    browser.submit(&[("username", UPN), ("pass", &pass)]).await;
    let cookies = browser.app_cookies();
    let app = world.app();
    let kind = claimbridge::app::enrol::MethodKind::SecurityKey;
    app.choose_method(&attempt, &cookies, kind).await.unwrap();
    let question = app.ask_new_key(&attempt, &cookies).await.unwrap();
    let answer = key.registers(&question, PUBLIC_URL);
    let added = app.confirm_key(&attempt, &cookies, "key", &answer).await;
    drop(added.unwrap());
    let page = browser.get(&at).await;
    assert!(page.asks_for_password(), "{}", page.text());
    browser.submit_password(UPN, PASSWORD).await;
    let question = app.ask_key(&attempt, &cookies).await.unwrap();
    let answer = key.signs(&question, PUBLIC_URL);

    // The key's answer has taken its question, and waits for the key's row.
    let mut holder = Holder::of_rows(&world, "UPDATE security_keys SET name = name").await;
    let nodes: Vec<Arc<App>> = world.nodes.iter().map(|node| node.app.clone()).collect();
    let (node, id, with) = (nodes[0].clone(), attempt.clone(), browser.app_cookies());
    let signs = tokio::spawn(async move { node.submit_key(&id, &with, &answer).await });
    holder.wait_for(&world, 1, &signs).await;
    let (node, id, with) = (nodes[1].clone(), attempt.clone(), browser.app_cookies());
    let not_me = tokio::spawn(async move { node.not_me(&id, &with).await });
    holder.wait_for(&world, 2, &not_me).await;
    holder.let_go().await;
    let signed = signs.await.unwrap().unwrap();
    assert!(matches!(signed, KeyAnswer::Right), "{signed:?}");
    not_me.await.unwrap().unwrap();
    // It came after: the attempt is nobody's, and what the key proved is gone.
    let page = browser.get(&at).await;
    assert!(page.asks_for_password(), "{}", page.text());
    let page = browser.submit_password(UPN, PASSWORD).await;
    assert!(page.answer().is_none(), "{}", page.text());
}
