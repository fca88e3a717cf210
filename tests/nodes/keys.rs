//! Security keys on two nodes behind one origin: whichever asked, the other takes the answer.

use std::collections::BTreeSet;

use crate::{
    books::SecondFactor,
    cluster::{Cluster, now},
    people::Person,
    races::at_once,
    soft_key::SoftKey,
    support::{
        PASSWORD, PUBLIC_URL,
        browser::{Browser, Page},
        entra,
    },
};

on_both_databases! {
    a_key_is_asked_by_one_node_and_answers_to_the_other
    attack_28_one_registration_sent_fifty_times_adds_one_key
    attack_28_one_assertion_sent_fifty_times_is_one_proof
}

const FIFTY: usize = 50;

/// A question that a node asked, and the form that its answer goes to.
struct Asked {
    action: String,
    csrf: String,
    question: String,
}

/// Asks as the page's script does, by the button whose form goes to `…/WHAT`.
async fn ask(browser: &mut Browser, what: &str) -> Asked {
    let page = browser.page.clone().unwrap();
    let form = page
        .forms()
        .into_iter()
        .find(|form| form.action.ends_with(&format!("/{what}")))
        .unwrap_or_else(|| panic!("no {what} on\n{}", page.text()));
    let csrf = form.inputs.iter().find(|input| input.name == "csrf");
    let csrf = csrf.unwrap().value.clone();
    let ask = format!("{}/ask", form.action);
    let body = Some(format!("csrf={csrf}"));
    let question = browser.request("POST", &ask, body).await;
    assert!(question.status.is_success(), "{}", question.text());
    Asked {
        action: form.action,
        csrf,
        question: question.body,
    }
}

impl Asked {
    async fn answer(&self, browser: &mut Browser, answer: &str) -> Page {
        let fields = [
            ("csrf", self.csrf.as_str()),
            ("name", "blue key"),
            ("answer", answer),
        ];
        browser.post(&self.action, &fields).await
    }
}

/// By a pass, to the page that adds a key.
async fn to_new_key(cluster: &Cluster, person: &Person) -> Browser {
    let pass = cluster.issue_pass(person);
    let mut browser = cluster.browser([0, 1]);
    browser.start(&entra::request(now())).await;
    let form = format!("{}/pass", browser.at);
    browser.get(&form).await;
    let page = browser
        .submit(&[("username", person.upn()), ("pass", &pass)])
        .await;
    let choice = page.forms().into_iter().find(|form| {
        form.inputs
            .iter()
            .any(|input| input.value == "security-key")
    });
    browser.send_form(&choice.unwrap(), &[]).await;
    browser
}

/// Somebody with a password and a key that never counts, with no notice waiting: without a
/// counter nothing but the question tells the second answer from the first.
async fn with_key(cluster: &Cluster) -> (Person, SoftKey) {
    let person = cluster.person("agent1@contoso.com").await;
    let mut key = SoftKey::new();
    let mut browser = to_new_key(cluster, &person).await;
    let asked = ask(&mut browser, "new-key").await;
    let answer = key.registers(&asked.question, PUBLIC_URL);
    let page = asked.answer(&mut browser, &answer).await;
    assert!(page.text().contains("is added"), "{}", page.text());
    let mut browser = cluster.browser([1, 0]);
    let asked = at_the_key(&mut browser, &person).await;
    let answer = signs(&mut key, &asked);
    asked.answer(&mut browser, &answer).await;
    browser.submit(&[]).await.expect_answer();
    (person, key)
}

/// The answer of a key that never counts.
fn signs(key: &mut SoftKey, asked: &Asked) -> String {
    let question = serde_json::from_str(&asked.question).unwrap();
    let mut answer = key.assertion(&question, PUBLIC_URL);
    answer.data.counter = 0;
    key.finish_assertion(&answer)
}

/// After the password, the key is asked.
async fn at_the_key(browser: &mut Browser, person: &Person) -> Asked {
    browser.start(&entra::request(now())).await;
    browser.submit_password(person.upn(), PASSWORD).await;
    let page = format!("{}/key", browser.at);
    browser.get(&page).await;
    ask(browser, "key").await
}

async fn keys_of(cluster: &Cluster, person: &Person) -> usize {
    let mut tx = cluster.store.read().await.unwrap();
    tx.security_keys_of(person.id()).await.unwrap().len()
}

async fn a_key_is_asked_by_one_node_and_answers_to_the_other(cluster: Cluster) {
    let mut answers = 0;
    for (upn, first, second) in [("agent1@contoso.com", 0, 1), ("agent2@contoso.com", 1, 0)] {
        let person = cluster.person(upn).await;
        let mut key = SoftKey::new();
        let browser = to_new_key(&cluster, &person).await;
        // The nodes' own addresses are no origin of ours.
        let inside = format!("http://{}", cluster.address_of(second));
        for (origin, added) in [(&*inside, false), (PUBLIC_URL, true)] {
            let mut one = cluster.moved(&browser, first);
            let asked = ask(&mut one, "new-key").await;
            let answer = key.registers(&asked.question, origin);
            let mut other = cluster.moved(&one, second);
            let page = asked.answer(&mut other, &answer).await;
            let said = page.text();
            assert_eq!(said.contains("is added"), added, "{origin}: {said}");
        }

        // After the password.
        let mut browser = cluster.browser([first]);
        let asked = at_the_key(&mut browser, &person).await;
        let answer = key.signs(&asked.question, PUBLIC_URL);
        let mut other = cluster.moved(&browser, second);
        let mut page = asked.answer(&mut other, &answer).await;
        if page.answer().is_none() {
            assert!(page.text().contains("was added"), "{}", page.text());
            page = cluster.moved(&other, first).submit(&[]).await;
        }
        let answer = page.expect_answer();
        assert_eq!(answer.class_ref().as_deref(), Some(entra::MULTIPLE_AUTHN));
        assert!(answer.is_assertion());
        cluster
            .require_receipt(&answer.xml, SecondFactor::Key)
            .await;

        // Without one: the key checked its PIN.
        let mut browser = cluster.browser([first]);
        browser.start(&entra::request(now())).await;
        let asked = ask(&mut browser, "passkey").await;
        let answer = key.signs(&asked.question, PUBLIC_URL);
        let mut other = cluster.moved(&browser, second);
        let answer = asked.answer(&mut other, &answer).await.expect_answer();
        assert_eq!(answer.class_ref().as_deref(), Some(entra::MULTIPLE_AUTHN));
        cluster
            .require_receipt(&answer.xml, SecondFactor::Passkey)
            .await;
        answers += 2;
        assert_eq!(keys_of(&cluster, &person).await, 1);
    }
    assert_eq!(cluster.check_books().await, answers);
}

/// Fifty tabs of one browser send one answer, to the nodes in turn, and do not look where
/// they are led.
async fn send_at_once(
    cluster: &Cluster,
    browser: &Browser,
    asked: &Asked,
    answer: &str,
) -> Vec<Page> {
    let tabs = (0..FIFTY).map(|number| cluster.moved(browser, number % 2));
    let body: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("csrf", &asked.csrf)
        .append_pair("name", "blue key")
        .append_pair("answer", answer)
        .finish();
    let done = at_once(tabs.collect(), |mut tab| {
        let (action, body) = (asked.action.clone(), body.clone());
        async move {
            let page = tab.request("POST", &action, Some(body)).await;
            (tab, page)
        }
    })
    .await;
    done.into_iter().map(|(_, page)| page).collect()
}

/// Why keys were refused.
async fn reasons(cluster: &Cluster, person: &Person) -> BTreeSet<String> {
    let refused = cluster.events(person, "key-refused").await;
    let reasons = refused.iter().filter_map(|event| event["reason"].as_str());
    reasons.map(str::to_owned).collect()
}

async fn attack_28_one_registration_sent_fifty_times_adds_one_key(cluster: Cluster) {
    let person = cluster.person("agent1@contoso.com").await;
    let mut browser = to_new_key(&cluster, &person).await;
    let mut key = SoftKey::new();
    let asked = ask(&mut browser, "new-key").await;
    let answer = key.registers(&asked.question, PUBLIC_URL);
    let pages = send_at_once(&cluster, &browser, &asked, &answer).await;
    let added = pages
        .iter()
        .filter_map(Page::redirect)
        .filter(|to| to.ends_with("/key-added"));
    assert_eq!(added.count(), 1);
    assert_eq!(keys_of(&cluster, &person).await, 1);
    assert_eq!(cluster.events(&person, "method-added").await.len(), 1);
    // The question was over; nobody got as far as to find the key there already.
    let over = BTreeSet::from(["not-open".to_owned()]);
    assert!(reasons(&cluster, &person).await.is_subset(&over));
    assert_eq!(cluster.check_books().await, 0);
}

async fn attack_28_one_assertion_sent_fifty_times_is_one_proof(cluster: Cluster) {
    let (person, mut key) = with_key(&cluster).await;
    let before = cluster.events(&person, "key-verified").await.len();
    assert_eq!(before, cluster.check_books().await);

    // After the password; and with the key alone.
    let mut second = cluster.browser([0]);
    let asked_second = at_the_key(&mut second, &person).await;
    let mut alone = cluster.browser([1]);
    alone.start(&entra::request(now())).await;
    let asked_alone = ask(&mut alone, "passkey").await;
    for (number, (mut browser, asked)) in [(second, asked_second), (alone, asked_alone)]
        .into_iter()
        .enumerate()
    {
        let answer = signs(&mut key, &asked);
        let pages = send_at_once(&cluster, &browser, &asked, &answer).await;
        let verified = cluster.events(&person, "key-verified").await;
        assert_eq!(verified.len(), before + number + 1);
        // Whoever came later is led to the one answer, or told that the question is over.
        let page = browser.reload_attempt().await;
        let mut answers = BTreeSet::from([page.expect_answer().xml]);
        answers.extend(
            pages
                .iter()
                .filter_map(Page::answer)
                .map(|answer| answer.xml),
        );
        assert_eq!(answers.len(), 1, "one answer, repeated byte for byte");
        assert_eq!(cluster.check_books().await, before + number + 1);
    }
    let over = BTreeSet::from(["not-open".to_owned()]);
    assert!(reasons(&cluster, &person).await.is_subset(&over));
}
