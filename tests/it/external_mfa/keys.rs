//! Security keys at this door. The browser offers a key only what its own question names; here
//! everything arrives that a browser would not send, and the server alone refuses it.

use claimbridge::{
    app::security_keys::{KeyAnswer, KeyProblem},
    base::ids::{AttemptId, UserId},
};
use serde_json::{Value, json};

use super::kit::{self, AGENT, Ask, Door, told};
use crate::{
    sign_in::keys::{asked, attempt_of, reasons, signs, with_key},
    soft_key::SoftKey,
    support::{Browser, PASSWORD, PUBLIC_URL, entra},
};

const OTHER: &str = "agent2@contoso.com";
const OTHER_OBJECT: &str = "bbbbcccc-1111-dddd-2222-eeee3333aaaa";
const OTHER_SUBJECT: &str = "another-subject-of-the-same-application";

/// Two people, each with a key and nothing else, and a browser of each at this door.
struct Two {
    door: Door,
    mine: SoftKey,
    theirs: SoftKey,
    me: UserId,
    them: UserId,
    one: Browser,
    two: Browser,
}

impl Two {
    async fn new() -> Self {
        let door = Door::new().await;
        let mine = with_key(&door.world, AGENT).await;
        let theirs = with_key(&door.world, OTHER).await;
        let mut tx = door.world.app().store().read().await.unwrap();
        let mut ids = Vec::new();
        for name in [AGENT, OTHER] {
            let user = tx.user_by_upn(&name.parse().unwrap()).await.unwrap();
            ids.push(user.unwrap().id);
        }
        drop(tx);
        let (them, me) = (ids.pop().unwrap(), ids.pop().unwrap());
        let (one, two) = (door.world.browser(), door.world.browser());
        let mut two = Self {
            door,
            mine,
            theirs,
            me,
            them,
            one,
            two,
        };
        two.begin().await;
        two
    }

    fn asks_of_other(&self) -> Ask {
        let ask = self.door.ask(OTHER).hinting("oid", json!(OTHER_OBJECT));
        ask.hinting("sub", json!(OTHER_SUBJECT))
    }

    /// Both arrive anew, a minute later, in browsers that nobody knows.
    async fn begin(&mut self) {
        self.door.world.advance(60);
        self.one = self.door.world.browser();
        self.two = self.door.world.browser();
        let asks = [self.door.ask(AGENT), self.asks_of_other()];
        for (browser, ask) in [&mut self.one, &mut self.two].into_iter().zip(asks) {
            self.door.arrive(browser, &ask).await;
        }
    }

    async fn submit(&self, browser: &Browser, answer: &str) -> Result<KeyAnswer, String> {
        let app = self.door.world.app();
        let (attempt, cookies) = (attempt_of(browser), browser.app_cookies());
        let outcome = app.submit_key(&attempt, &cookies, answer).await;
        outcome.map_err(|error| error.to_string())
    }

    /// Refused and written down for `whom`; nothing is proved or told.
    async fn refused(&self, browser: &Browser, answer: &str, whom: &UserId, reason: &str) {
        let outcome = self.submit(browser, answer).await.unwrap();
        let KeyAnswer::Refused(problem) = outcome else {
            panic!("{reason}: {outcome:?}");
        };
        assert!(
            matches!(
                problem,
                KeyProblem::NotYours | KeyProblem::Over | KeyProblem::Wrong
            ),
            "{reason}: {problem:?}"
        );
        let attempt = attempt_of(browser);
        assert_eq!(reasons(&self.door.world, &attempt).await, [reason]);
        let mut tx = self.door.world.app().store().read().await.unwrap();
        assert!(tx.evidence_of(&attempt).await.unwrap().is_empty());
        let events = tx.events_of(whom, 5).await.unwrap();
        assert!(
            events.iter().any(|event| event.kind() == "key-refused"
                && event.event["attempt"] == json!(attempt.as_str())),
            "{reason}: whose attempt it is"
        );
        assert_eq!(self.receipts().await, [1, 1], "{reason}");
    }

    /// How many receipts each has; the first is of the sign-in at the other door.
    async fn receipts(&self) -> [usize; 2] {
        let mut tx = self.door.world.app().store().read().await.unwrap();
        let mut counts = [0; 2];
        for (count, user) in counts.iter_mut().zip([&self.me, &self.them]) {
            *count = tx.receipts_of(user, 20).await.unwrap().len();
        }
        counts
    }
}

fn parsed(question: &str) -> Value {
    serde_json::from_str(question).unwrap()
}

#[tokio::test]
async fn attack_1_nobodys_key_answers_for_somebody_else() {
    let mut at = Two::new().await;
    // The other one's key, over the question of this attempt: it says whose it is, or nothing,
    // or that it is mine.
    let handles = [
        Some(at.theirs.user_handle.clone()),
        None,
        Some(at.mine.user_handle.clone()),
    ];
    for handle in handles {
        let (_, _, question) = asked(&mut at.one, "key").await;
        let mut answer = at.theirs.assertion(&parsed(&question), PUBLIC_URL);
        answer.user_handle = handle;
        let answer = at.theirs.finish_assertion(&answer);
        at.refused(&at.one, &answer, &at.me, "other-person").await;
        at.begin().await;
    }

    // My key under the other one's name, and the other one's under mine.
    for (named, whose, reason) in [(true, true, "other-person"), (false, false, "signature")] {
        let (_, _, question) = asked(&mut at.one, "key").await;
        let (signing, other) = if whose {
            (&mut at.mine, &at.theirs)
        } else {
            (&mut at.theirs, &at.mine)
        };
        let mut answer = signing.assertion(&parsed(&question), PUBLIC_URL);
        answer.raw_id.clone_from(&other.credential_id);
        if !named {
            answer.user_handle = Some(other.user_handle.clone());
        }
        let answer = signing.finish_assertion(&answer);
        at.refused(&at.one, &answer, &at.me, reason).await;
        at.begin().await;
    }

    // Each one's right answer counts in the own attempt: as `fido`, about the own subject.
    let keys = super::key_list(&at.door).await;
    let (mut mine, mut theirs) = (at.mine, at.theirs);
    for (browser, key, subject) in [
        (&mut at.one, &mut mine, kit::SUBJECT),
        (&mut at.two, &mut theirs, OTHER_SUBJECT),
    ] {
        let claims = told(&signs(browser, "key", key).await).claims(&keys);
        assert_eq!(claims["amr"], json!(["fido"]));
        assert_eq!(claims["acr"], "possessionorinherence");
        assert_eq!(claims["sub"], subject);
    }
}

#[tokio::test]
async fn attack_1_an_answer_counts_in_the_attempt_that_asked_for_it_and_nowhere_else() {
    let mut at = Two::new().await;
    // My answer to the other attempt's question, in my attempt; and theirs to mine in theirs.
    let (_, _, of_one) = asked(&mut at.one, "key").await;
    let (_, _, of_two) = asked(&mut at.two, "key").await;
    let crossed = at.mine.signs(&of_two, PUBLIC_URL);
    at.refused(&at.one, &crossed, &at.me, "challenge").await;
    let crossed = at.theirs.signs(&of_one, PUBLIC_URL);
    at.refused(&at.two, &crossed, &at.them, "challenge").await;

    // The right answer from the other's browser, at my attempt's address: nothing is looked at,
    // and it is not used up for who may give it.
    at.begin().await;
    let (_, _, question) = asked(&mut at.one, "key").await;
    let answer = at.mine.signs(&question, PUBLIC_URL);
    let app = at.door.world.app();
    let stranger = at.two.app_cookies();
    let mine = attempt_of(&at.one);
    assert!(app.submit_key(&mine, &stranger, &answer).await.is_err());
    assert_eq!(reasons(&at.door.world, &mine).await, Vec::<String>::new());
    // And at the other's own attempt.
    at.refused(&at.two, &answer, &at.them, "not-open").await;
    assert_eq!(at.submit(&at.one, &answer).await, Ok(KeyAnswer::Right));
    let answered = told(&at.one.reload_attempt().await);
    assert!(answered.is_token());
    assert_eq!(at.receipts().await, [2, 1]);
    // Twice: nothing more.
    assert!(at.submit(&at.one, &answer).await.is_err());
    assert_eq!(at.receipts().await, [2, 1]);
}

#[tokio::test]
async fn attack_1_an_answer_of_another_door_counts_nowhere() {
    let mut at = Two::new().await;
    let mut elsewhere = at.door.world.browser();
    elsewhere.start(&entra::request(at.door.world.now())).await;
    elsewhere.submit_password(AGENT, PASSWORD).await;
    let (_, _, question) = asked(&mut elsewhere, "key").await;
    let foreign = at.mine.signs(&question, PUBLIC_URL);
    let (_, _, question) = asked(&mut at.one, "key").await;
    let of_here = at.mine.signs(&question, PUBLIC_URL);
    at.refused(&at.one, &foreign, &at.me, "challenge").await;
    // What was proved here proves nothing there: no answer, and the password alone is one factor.
    at.refused_there(&elsewhere, &of_here).await;

    // A question that names nobody is never asked here, and its answer is not taken.
    let app = at.door.world.app();
    let (attempt, cookies) = (attempt_of(&at.two), at.two.app_cookies());
    assert!(app.ask_passkey(&attempt, &cookies).await.is_err());
    let mut nobody = at.door.world.browser();
    nobody.start(&entra::request(at.door.world.now())).await;
    let (_, _, passkey) = asked(&mut nobody, "passkey").await;
    let answer = at.theirs.signs(&passkey, PUBLIC_URL);
    assert!(
        app.submit_passkey(&attempt, &cookies, &answer)
            .await
            .is_err()
    );
    at.refused(&at.two, &answer, &at.them, "not-open").await;
}

impl Two {
    async fn refused_there(&self, elsewhere: &Browser, answer: &str) {
        let outcome = self.submit(elsewhere, answer).await;
        assert_eq!(outcome, Ok(KeyAnswer::Refused(KeyProblem::Over)));
        let attempt: AttemptId = attempt_of(elsewhere);
        assert_eq!(reasons(&self.door.world, &attempt).await, ["challenge"]);
        assert_eq!(self.receipts().await, [1, 1]);
    }
}

#[tokio::test]
async fn a_key_that_is_taken_away_while_it_is_asked_answers_nothing() {
    let mut at = Two::new().await;
    let (_, _, question) = asked(&mut at.one, "key").await;
    let answer = at.mine.signs(&question, PUBLIC_URL);
    let mut tx = at.door.world.app().store().begin().await.unwrap();
    let row = tx.security_key_by_credential_id(&at.mine.credential_id);
    let row = row.await.unwrap().unwrap();
    tx.revoke_security_key(&row.id, at.door.world.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let outcome = at.submit(&at.one, &answer).await;
    assert!(outcome != Ok(KeyAnswer::Right), "{outcome:?}");
    let page = at.one.reload_attempt().await;
    assert!(kit::maybe_told(&page).is_none_or(|told| !told.is_token()));
    assert_eq!(at.receipts().await, [1, 1]);

    // Proved already, and waiting at a notice: it is told to nobody.
    at.begin().await;
    let sql = at.door.world.sql().await;
    sql.run("UPDATE security_keys SET revoked_at = NULL").await;
    let (_, _, question) = asked(&mut at.two, "key").await;
    let answer = at.theirs.signs(&question, PUBLIC_URL);
    assert_eq!(at.submit(&at.two, &answer).await, Ok(KeyAnswer::Right));
    sql.run("UPDATE security_keys SET revoked_at = 1").await;
    let page = at.two.reload_attempt().await;
    assert!(kit::maybe_told(&page).is_none_or(|told| !told.is_token()));
    assert_eq!(at.receipts().await, [1, 1]);
}

/// A key's answer is no guess: whoever guesses codes keeps nobody's key waiting, and at the
/// other doors nobody's code.
#[tokio::test]
async fn wrong_codes_at_this_door_keep_neither_the_key_nor_the_other_doors_waiting() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let mut key = SoftKey::new();
    let mut browser = crate::sign_in::keys::to_new_key(&door.world, AGENT).await;
    crate::sign_in::keys::registers(&mut browser, &mut key).await;
    // The password at Entra is known to a stranger, who comes from many places.
    let mut waited = 0;
    for round in 0..12 {
        let mut stranger = door.world.browser();
        stranger.source = format!("198.51.100.{round}");
        door.arrive(&mut stranger, &door.ask(AGENT)).await;
        for _ in 0..3 {
            let app = door.world.app();
            let (attempt, cookies) = (attempt_of(&stranger), stranger.app_cookies());
            let guess = app.submit_code(&attempt, &cookies, "000000").await;
            waited += usize::from(matches!(guess, Ok(claimbridge::app::prove::Guess::Wait(_))));
        }
        door.world.advance(30);
    }
    assert!(waited > 20, "{waited}");

    // In a browser that nobody knows, at the other door: the code is looked at.
    let mut elsewhere = door.world.browser();
    elsewhere.start(&entra::request(door.world.now())).await;
    elsewhere.submit_password(AGENT, PASSWORD).await;
    let path = elsewhere.at.split('/').take(3).collect::<Vec<_>>();
    elsewhere.get(&format!("{}/code", path.join("/"))).await;
    let page = elsewhere.submit_code(&agent.code(door.world.now())).await;
    assert_ne!(page.status, 429, "{}", page.text());
    if page.answer().is_none() {
        elsewhere.submit(&[]).await.expect_answer();
    }

    // And the key here, while the code is made to wait.
    door.world.advance(30);
    let mut browser = door.world.browser();
    door.arrive(&mut browser, &door.ask(AGENT)).await;
    let app = door.world.app();
    let (attempt, cookies) = (attempt_of(&browser), browser.app_cookies());
    let code = agent.code(door.world.now());
    let guess = app.submit_code(&attempt, &cookies, &code).await.unwrap();
    assert!(
        matches!(guess, claimbridge::app::prove::Guess::Wait(_)),
        "{guess:?}"
    );
    browser
        .get(&format!("/sign-in/{}/key", attempt.as_str()))
        .await;
    let page = signs(&mut browser, "key", &mut key).await;
    assert!(told(&page).is_token());
}
