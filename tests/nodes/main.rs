//! Two server processes that share one PostgreSQL, and one that is killed.
//!
//! Run by `tests/run.sh`, which starts a server and sets `CLAIMBRIDGE_TEST_POSTGRES`.

#[cfg(test)]
mod cluster;

#[cfg(test)]
mod support;

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use claimbridge::base::random::{SystemRandom, random_bytes};
    use tokio::task::JoinSet;

    use super::{
        cluster::{Cluster, now},
        support::{
            PASSWORD,
            browser::{Browser, Page},
            entra,
        },
    };

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn an_attempt_begun_on_one_node_finishes_on_the_other() {
        let cluster = Cluster::start().await;
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
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn attack_3_one_code_submitted_twenty_times_at_once_succeeds_once() {
        let cluster = Cluster::start().await;
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
        assert!(pages.iter().all(|page| page.status != 500));
        assert_eq!(cluster.check_books().await, 1);
    }

    /// Attack 28: the same form of one attempt, twenty times, to both nodes.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn attack_28_one_attempt_submitted_twenty_times_at_once_has_one_answer() {
        let cluster = Cluster::start().await;
        let person = cluster.person("agent1@contoso.com").await;
        let mut browser = cluster.browser([0]);
        browser.start(&entra::request(now())).await;
        browser.submit_password(person.upn(), PASSWORD).await;
        let code = person.code_at_step(0);
        let mut tasks = JoinSet::new();
        for number in 0..20 {
            let mut tab = cluster.browser([number % 2]);
            tab.cookies.clone_from(&browser.cookies);
            tab.page.clone_from(&browser.page);
            tab.at.clone_from(&browser.at);
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

    /// Fifty tabs of one browser, on both nodes: `next` is the second code, if there is one.
    async fn in_fifty_tabs(
        cluster: &Cluster,
        browser: &Browser,
        code: &str,
        next: Option<&str>,
    ) -> Vec<Page> {
        let mut tasks = JoinSet::new();
        for number in 0..50 {
            let mut tab = cluster.browser([number % 2]);
            tab.cookies.clone_from(&browser.cookies);
            tab.page.clone_from(&browser.page);
            tab.at.clone_from(&browser.at);
            let values: Vec<(String, String)> = [("code", Some(code)), ("next", next)]
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
                .collect();
            tasks.spawn(async move {
                let values: Vec<(&str, &str)> = values
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect();
                tab.submit(&values).await
            });
        }
        tasks.join_all().await
    }

    fn led_to_the_code_question(pages: &[Page]) -> usize {
        assert!(pages.iter().all(|page| page.status != 500));
        assert!(pages.iter().all(|page| page.answer().is_none()));
        pages
            .iter()
            .filter(|page| page.status == 200 && page.text().contains("Enter your one-time code"))
            .count()
    }

    /// Attack 28: one activation, and then one resync, fifty times at once.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn attack_28_a_token_is_activated_once_and_brought_back_once() {
        let cluster = Cluster::start().await;
        let person = cluster
            .person_with_token("agent1@contoso.com", "2600124809778")
            .await;
        let mut browser = cluster.browser([0]);
        browser.start(&entra::request(now())).await;
        let page = browser.submit_password(person.upn(), PASSWORD).await;
        assert!(
            page.text().contains("Activate your token"),
            "{}",
            page.text()
        );
        let pages = in_fifty_tabs(&cluster, &browser, &person.code_at_step(0), None).await;
        assert_eq!(led_to_the_code_question(&pages), 1);
        assert_eq!(cluster.methods_of(&person).await, 1);

        // Its clock has run far ahead.
        let path: Vec<&str> = browser.at.split('/').take(3).collect();
        let resync = format!("{}/resync", path.join("/"));
        let page = browser.get(&resync).await;
        assert!(
            page.text().contains("Bring your token back"),
            "{}",
            page.text()
        );
        let (code, next) = (person.code_at_step(500), person.code_at_step(501));
        let pages = in_fifty_tabs(&cluster, &browser, &code, Some(&next)).await;
        assert_eq!(led_to_the_code_question(&pages), 1);
        assert_eq!(cluster.check_books().await, 0);
    }

    const ROUNDS: usize = 12;

    /// `kill -9` at random moments: whoever got an answer finds it in the ledger with all its
    /// events, nobody has two, and the person can go on with the node that is left.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_killed_node_loses_no_event_and_mints_no_second_token() {
        let mut cluster = Cluster::start().await;
        let mut answered = 0;
        for round in 0..ROUNDS {
            let mut people = Vec::new();
            for number in 0..6 {
                people.push(
                    cluster
                        .person(&format!("agent{round}x{number}@contoso.com"))
                        .await,
                );
            }
            // Six requests each: the rounds go through all of them, and then a bit further.
            let [jitter, high, low] = random_bytes(&mut SystemRandom);
            let request = round * 36 / ROUNDS + usize::from(jitter % 4);
            let micros = u64::from(u16::from_be_bytes([high, low]) / 2);
            let reached = cluster.requests(1, request);
            let mut tasks = JoinSet::new();
            for (number, person) in people.into_iter().enumerate() {
                // All begin on the node that will be killed.
                let mut browser = cluster.browser([1, 1, 1]);
                let survivor = cluster.browser([0]);
                tasks.spawn(async move {
                    let mut request = entra::request(now());
                    let code = person.code_at_step(0);
                    let page = browser.sign_in_as_far(&request, person.upn(), &code).await;
                    let first = page.as_ref().and_then(Page::answer);
                    // The answer may be lost on its way: the same browser asks the other node.
                    let mut again = survivor;
                    again.cookies.clone_from(&browser.cookies);
                    let mut page = again.start(&request).await;
                    if page.status == 403 {
                        // The node died before it told the browser its cookie: the request is
                        // nobody's, and the person begins anew at Entra.
                        request = entra::request(now());
                        page = again.start(&request).await;
                    }
                    let page = if page.answer().is_some() {
                        page
                    } else {
                        let code = person.code_at_step(1);
                        again
                            .sign_in_as_far(&request, person.upn(), &code)
                            .await
                            .unwrap_or(page)
                    };
                    (number, first, page.answer(), page.text())
                });
            }
            reached.await;
            // Waits for nothing: that the moment is any is what is tried.
            tokio::time::sleep(Duration::from_micros(micros)).await;
            eprintln!("round {round}: killed {micros} µs into request {request}");
            cluster.kill(1);
            let outcomes = tasks.join_all().await;
            let before = outcomes.iter().filter(|outcome| outcome.1.is_some());
            eprintln!("{} of 6 had their answer by then", before.count());
            for (number, first, second, text) in outcomes {
                let second =
                    second.unwrap_or_else(|| panic!("person {number} cannot go on: {text}"));
                if let Some(first) = first {
                    // Within a minute the same attempt gives the same bytes.
                    assert_eq!(first.xml, second.xml);
                    cluster.require_receipt(&first.xml).await;
                }
                cluster.require_receipt(&second.xml).await;
                answered += 1;
            }
            assert_eq!(cluster.check_books().await, answered);
            cluster.restart(1).await;
        }
    }
}
