//! One of two nodes is killed while people sign in.

use std::time::Duration;

use claimbridge::base::random::{SystemRandom, random_bytes};
use tokio::task::JoinSet;

use crate::{
    books::SecondFactor,
    cluster::{Cluster, now},
    support::{browser::Page, entra},
};

on_both_databases! { a_killed_node_loses_no_event_and_mints_no_second_token }

const ROUNDS: usize = 12;

/// `kill -9` at random moments: whoever got an answer finds it in the ledger with all its
/// events, nobody has two, and the person can go on with the node that is left.
async fn a_killed_node_loses_no_event_and_mints_no_second_token(mut cluster: Cluster) {
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
            let second = second.unwrap_or_else(|| panic!("person {number} cannot go on: {text}"));
            if let Some(first) = first {
                // Within a minute the same attempt gives the same bytes.
                assert_eq!(first.xml, second.xml);
                cluster
                    .require_receipt(&first.xml, SecondFactor::Code)
                    .await;
            }
            cluster
                .require_receipt(&second.xml, SecondFactor::Code)
                .await;
            answered += 1;
        }
        assert_eq!(cluster.check_books().await, answered);
        cluster.restart(1).await;
    }
}
