//! Passwords and codes on two nodes.

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use crate::{
    cluster::{Cluster, now},
    support::{PASSWORD, browser::Page, entra},
};

on_both_databases! {
    an_attempt_begun_on_one_node_finishes_on_the_other
    attack_3_one_code_submitted_twenty_times_at_once_succeeds_once
    attack_28_one_attempt_submitted_twenty_times_at_once_has_one_answer
}

async fn an_attempt_begun_on_one_node_finishes_on_the_other(cluster: Cluster) {
    let person = cluster.person("agent1@contoso.com").await;
    for (first, second) in [(0, 1), (1, 0)] {
        let mut browser = cluster.browser([first, second, second]);
        browser.start(&entra::request(now())).await;
        browser.submit_password(person.upn(), PASSWORD).await;
        let page = browser
            .submit_code(&person.code_at_step(i64::from(first == 1)))
            .await;
        let answer = page.expect_answer();
        assert_eq!(answer.class_ref().as_deref(), Some(entra::MULTIPLE_AUTHN));
    }
    assert_eq!(cluster.check_books().await, 2);
}

/// Attack 3 with real processes: twenty browsers, twenty attempts, one code.
async fn attack_3_one_code_submitted_twenty_times_at_once_succeeds_once(cluster: Cluster) {
    let person = cluster.person("agent1@contoso.com").await;
    let mut browsers = Vec::new();
    for number in 0..20 {
        let mut browser = cluster.browser([number % 2]);
        browser.start(&entra::request(now())).await;
        let page = browser.submit_password(person.upn(), PASSWORD).await;
        assert!(page.asks_for_code(), "{}", page.text());
        browsers.push(browser);
    }
    let code = person.code_at_step(0);
    let mut tasks = JoinSet::new();
    for mut browser in browsers {
        let code = code.clone();
        tasks.spawn(async move { browser.submit_code(&code).await });
    }
    let pages = tasks.join_all().await;
    let answers = pages.iter().filter_map(Page::answer).count();
    assert_eq!(answers, 1);
    assert!(pages.iter().all(|page| !page.status.is_server_error()));
    assert_eq!(cluster.check_books().await, 1);
}

/// Attack 28: the same form of one attempt, twenty times, to both nodes.
async fn attack_28_one_attempt_submitted_twenty_times_at_once_has_one_answer(cluster: Cluster) {
    let person = cluster.person("agent1@contoso.com").await;
    let mut browser = cluster.browser([0]);
    browser.start(&entra::request(now())).await;
    browser.submit_password(person.upn(), PASSWORD).await;
    let code = person.code_at_step(0);
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let mut tab = cluster.moved(&browser, number % 2);
        let code = code.clone();
        tasks.spawn(async move { tab.submit_code(&code).await });
    }
    let pages = tasks.join_all().await;
    let answers: BTreeSet<String> = pages
        .iter()
        .filter_map(Page::answer)
        .map(|answer| answer.xml)
        .collect();
    assert_eq!(answers.len(), 1, "one answer, repeated byte for byte");
    assert_eq!(cluster.check_books().await, 1);
}
