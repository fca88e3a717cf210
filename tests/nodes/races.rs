//! What counts once, used fifty times at one moment by way of both nodes (attack 28).
//!
//! Each of the fifty comes from a browser with a counter of its own, so that none is told to
//! wait: the events show that they were checked, and that one was right.

use std::sync::Arc;

use tokio::{sync::Barrier, task::JoinSet};

use crate::{
    cluster::{Cluster, now},
    people::Person,
    support::{
        PASSWORD,
        browser::{Browser, Page},
        entra,
    },
};

on_both_databases! {
    attack_28_a_pass_opens_one_enrolment
    attack_28_a_recovery_code_opens_one_enrolment
    attack_28_a_token_is_activated_once_and_brought_back_once
}

const FIFTY: usize = 50;

/// Lets all go at one moment. Whatever comes back is a page, and none of a failure of ours.
pub async fn at_once<F>(browsers: Vec<Browser>, act: impl Fn(Browser) -> F) -> Vec<(Browser, Page)>
where
    F: Future<Output = (Browser, Page)> + Send + 'static,
{
    let start = Arc::new(Barrier::new(browsers.len()));
    let mut tasks = JoinSet::new();
    for browser in browsers {
        let (acting, start) = (act(browser), Arc::clone(&start));
        tasks.spawn(async move {
            start.wait().await;
            acting.await
        });
    }
    let done = tasks.join_all().await;
    for (_, page) in &done {
        assert!(!page.status.is_server_error(), "{}", page.text());
    }
    done
}

/// Brings browsers to where a race begins, a few at a time: fifty passwords at once are dear.
async fn a_few_at_a_time<F>(
    browsers: Vec<Browser>,
    act: impl Fn(Browser) -> F,
) -> Vec<(Browser, Page)>
where
    F: Future<Output = (Browser, Page)> + Send + 'static,
{
    let mut waiting = browsers.into_iter();
    let mut done = Vec::new();
    loop {
        let few: Vec<Browser> = waiting.by_ref().take(5).collect();
        if few.is_empty() {
            return done;
        }
        done.extend(at_once(few, &act).await);
    }
}

/// Submits the same to the page that each browser is at.
async fn submit_at_once(browsers: Vec<Browser>, values: &[(&str, &str)]) -> Vec<(Browser, Page)> {
    let values: Vec<(String, String)> = values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    at_once(browsers, |mut browser| {
        let values = values.clone();
        async move {
            let values: Vec<(&str, &str)> = values
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            let page = browser.submit(&values).await;
            (browser, page)
        }
    })
    .await
}

/// Brings each browser, in an attempt of its own, before the form for passes; with a
/// `password`, past it.
async fn before_the_pass(
    cluster: &Cluster,
    person: &Person,
    password: Option<&'static str>,
) -> Vec<Browser> {
    let browsers = cluster.known_browsers(person, FIFTY).await;
    let ready = a_few_at_a_time(browsers, |mut browser: Browser| {
        let upn = person.upn().to_owned();
        async move {
            browser.start(&entra::request(now())).await;
            if let Some(password) = password {
                browser.submit_password(&upn, password).await;
            }
            let form = format!("{}/pass", browser.at);
            let page = browser.get(&form).await;
            (browser, page)
        }
    })
    .await;
    ready.into_iter().map(|(browser, _)| browser).collect()
}

/// Fifty people at fifty desks type the same thing.
async fn opens_once(
    cluster: &Cluster,
    browsers: Vec<Browser>,
    person: &Person,
    typed: &str,
    accepted: &str,
) {
    let done = submit_at_once(browsers, &[("username", person.upn()), ("pass", typed)]).await;
    let (opened, shut): (Vec<Page>, Vec<Page>) = done
        .into_iter()
        .map(|(_, page)| page)
        .partition(|page| page.text().contains("What do you want to set up?"));
    assert_eq!(opened.len(), 1);
    for page in &shut {
        assert_eq!(page.status, 403, "{}", page.text());
        assert!(page.has_input("pass"), "{}", page.text());
    }
    assert_eq!(cluster.events(person, accepted).await.len(), 1);
    let refused = cluster.events(person, "pass-refused").await;
    assert!(refused.len() >= FIFTY - 1, "all were checked");
    let open = cluster.texts("SELECT attempt FROM enrolments").await;
    assert_eq!(open.len(), 1);
    assert_eq!(
        cluster.events(person, "method-added").await,
        [] as [serde_json::Value; 0]
    );
}

async fn attack_28_a_pass_opens_one_enrolment(cluster: Cluster) {
    let person = cluster.person("agent1@contoso.com").await;
    let pass = cluster.issue_pass(&person);
    let browsers = before_the_pass(&cluster, &person, None).await;
    opens_once(&cluster, browsers, &person, &pass, "pass-accepted").await;
    assert_eq!(cluster.check_books().await, 0, "a pass answers nobody");
}

async fn attack_28_a_recovery_code_opens_one_enrolment(cluster: Cluster) {
    let person = cluster.person("agent1@contoso.com").await;
    let mut browser = cluster.browser([0, 1]);
    browser.get("/account").await;
    browser.submit_password(person.upn(), PASSWORD).await;
    browser.submit_code(&person.code_at_step(0)).await;
    let page = browser.press("/account/recovery-codes").await;
    let codes: Vec<&str> = page
        .body
        .split("<code>")
        .skip(1)
        .filter_map(|rest| rest.split("</code>").next())
        .collect();
    assert_eq!(codes.len(), 10, "{}", page.text());
    // A recovery code is taken after the password only.
    let browsers = before_the_pass(&cluster, &person, Some(PASSWORD)).await;
    opens_once(
        &cluster,
        browsers,
        &person,
        codes[3],
        "recovery-code-accepted",
    )
    .await;
    let mut tx = cluster.store.read().await.unwrap();
    assert_eq!(tx.recovery_codes_left(person.id()).await.unwrap(), 9);
    drop(tx);
    assert_eq!(cluster.check_books().await, 0, "a code answers nobody");
}

async fn attack_28_a_token_is_activated_once_and_brought_back_once(cluster: Cluster) {
    let person = cluster
        .person_with_token("agent1@contoso.com", "2600124809778")
        .await;
    let upn = person.upn().to_owned();
    let browsers = cluster.known_browsers(&person, FIFTY).await;
    let ready = a_few_at_a_time(browsers, |mut browser| {
        let upn = upn.clone();
        async move {
            browser.start(&entra::request(now())).await;
            let page = browser.submit_password(&upn, PASSWORD).await;
            (browser, page)
        }
    })
    .await;
    let mut browsers = Vec::new();
    for (browser, page) in ready {
        let text = page.text();
        assert!(text.contains("Activate your token"), "{text}");
        browsers.push(browser);
    }
    let code = person.code_at_step(0);
    let done = submit_at_once(browsers, &[("code", &code)]).await;
    assert_eq!(led_to_the_code_question(&done), 1);
    // Who comes when it is over is not even asked.
    let tried = cluster.events(&person, "code-tried").await.len();
    assert!(tried > 1, "there was a race");
    let activated = cluster.events(&person, "oath-token-activated").await;
    assert_eq!(activated.len(), 1);
    let mut tx = cluster.store.read().await.unwrap();
    assert_eq!(tx.totp_of(person.id()).await.unwrap().len(), 1);
    drop(tx);

    // Its clock has run ahead.
    let browsers = done.into_iter().map(|(browser, _)| browser).collect();
    let ready = a_few_at_a_time(browsers, async |mut browser: Browser| {
        let path: Vec<&str> = browser.at.split('/').take(3).collect();
        let resync = format!("{}/resync", path.join("/"));
        let page = browser.get(&resync).await;
        (browser, page)
    })
    .await;
    let mut browsers = Vec::new();
    for (browser, page) in ready {
        let text = page.text();
        assert!(text.contains("Bring your token back"), "{text}");
        browsers.push(browser);
    }
    let (code, next) = (person.code_at_step(1), person.code_at_step(2));
    let done = submit_at_once(browsers, &[("code", &code), ("next", &next)]).await;
    assert_eq!(led_to_the_code_question(&done), 1);
    let all = cluster.events(&person, "code-tried").await.len();
    assert!(all - tried >= FIFTY, "all were checked");
    let resynced = cluster.events(&person, "oath-token-resynced").await;
    assert_eq!(resynced.len(), 1);
    assert_eq!(cluster.check_books().await, 0, "no code of these answers");
}

fn led_to_the_code_question(done: &[(Browser, Page)]) -> usize {
    done.iter()
        .filter(|(_, page)| page.status == 200 && page.text().contains("Enter your one-time code"))
        .count()
}
