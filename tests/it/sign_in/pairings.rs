//! Attempts, browsers and second factors of two people, in every pairing (attacks 1, 6, 36).

use claimbridge::{
    app::{Category, prove::Guess, sign_in::Browser},
    base::{ids::AttemptId, secret::Secret},
};

use crate::support::{PASSWORD, World, entra};

struct Side {
    attempt: AttemptId,
    cookies: Browser,
    upn: String,
    code: String,
    pass: String,
}

/// Two people, each in a browser of their own, with the first factor proved.
async fn two_sides(world: &World) -> [Side; 2] {
    let mut sides = Vec::new();
    for upn in ["one@contoso.com", "two@contoso.com"] {
        let person = world.ready(upn).await;
        let pass = world.issue_pass(upn).await;
        let mut browser = world.browser();
        browser.start(&entra::request(world.now())).await;
        assert!(browser.submit_password(upn, PASSWORD).await.asks_for_code());
        sides.push((browser, person, pass));
    }
    // Enrolling the second moved the clock: the codes are those of now.
    let mut sides = sides.into_iter().map(|(browser, person, pass)| Side {
        attempt: browser.at.split('/').nth(2).unwrap().parse().unwrap(),
        cookies: browser.app_cookies(),
        upn: person.upn().to_owned(),
        code: person.code(world.now()),
        pass,
    });
    [sides.next().unwrap(), sides.next().unwrap()]
}

#[tokio::test]
async fn attack_1_of_all_pairings_only_the_own_ones_are_right_and_each_other_is_written_down() {
    let world = World::new().await;
    let sides = two_sides(&world).await;
    let (mut refused, mut wrong) = (0, 0);
    for of_attempt in 0..2 {
        for of_browser in 0..2 {
            for of_code in 0..2 {
                if of_attempt == of_browser && of_browser == of_code {
                    continue;
                }
                let (attempt, cookies) = (&sides[of_attempt].attempt, &sides[of_browser].cookies);
                let guess = world
                    .app()
                    .submit_code(attempt, cookies, &sides[of_code].code)
                    .await;
                if of_attempt == of_browser {
                    assert_eq!(guess.unwrap(), Guess::Wrong, "another person's code");
                    wrong += 1;
                } else {
                    assert_eq!(guess.unwrap_err().category(), Category::Denied);
                    refused += 1;
                }
            }
        }
    }
    assert_eq!((refused, wrong), (4, 2));
    // And the first factor of one in the attempt of the other, from either browser.
    for (attempt, cookies, name) in [(0, 0, 1), (0, 1, 1), (1, 1, 0), (1, 0, 0)] {
        let right = Secret::new(PASSWORD.to_owned());
        let proved = world
            .app()
            .submit_password(
                &sides[attempt].attempt,
                &sides[cookies].cookies,
                &sides[name].upn,
                right,
            )
            .await;
        assert_eq!(proved.unwrap_err().category(), Category::Denied);
        refused += usize::from(attempt != cookies);
    }
    let mut tx = world.app().store().begin().await.unwrap();
    for side in &sides {
        let events = tx.events_of_attempt(&side.attempt).await.unwrap();
        let wrong = events.iter().filter(|event| event.kind() == "code-refused");
        assert_eq!(wrong.count(), 1, "of {}", side.upn);
        // The right password of the other one, at the wrong place: said of whom it is.
        let other = events
            .iter()
            .find(|event| event.kind() == "password-refused");
        let other = other.unwrap();
        assert_eq!(other.event["reason"], "attempt-of-another");
    }
    drop(tx);
    world.app().flush_refused().await.unwrap();
    let mut tx = world.app().store().read().await.unwrap();
    let others: i64 = tx
        .refused_counts()
        .await
        .unwrap()
        .iter()
        .filter(|count| count.reason == "other-browser")
        .map(|count| count.count)
        .sum();
    assert_eq!(others, i64::try_from(refused).unwrap());
    // What is left is each one's own, and still right.
    for side in &sides {
        let guess = world
            .app()
            .submit_code(&side.attempt, &side.cookies, &side.code)
            .await;
        assert_eq!(guess.unwrap(), Guess::Right);
    }
}

#[tokio::test]
async fn attack_6_a_pass_opens_nothing_in_the_attempt_of_another_person() {
    let world = World::new().await;
    let sides = two_sides(&world).await;
    for (own, other) in [(0, 1), (1, 0)] {
        let side = &sides[own];
        let pass = |value: &str| Secret::new(value.to_owned());
        let theirs = pass(&sides[other].pass);
        let of_other = world
            .app()
            .submit_pass(&side.attempt, &side.cookies, &sides[other].upn, &theirs)
            .await;
        // As a wrong one: it does not say that the pass was right.
        assert_eq!(of_other.unwrap(), Guess::Wrong);
        for (name, value) in [
            (&side.upn, sides[other].pass.as_str()),
            (&side.upn, "another-value"),
        ] {
            let value = pass(value);
            let guess = world
                .app()
                .submit_pass(&side.attempt, &side.cookies, name, &value)
                .await;
            assert_eq!(guess.unwrap(), Guess::Wrong, "{name}");
        }
        let view = world.app().new_totp_of(&side.attempt, &side.cookies).await;
        assert!(view.is_err(), "no enrolment is open");
    }
    // Nothing was used up by it.
    for side in &sides {
        let value = Secret::new(side.pass.clone());
        let opened = world
            .app()
            .submit_pass(&side.attempt, &side.cookies, &side.upn, &value)
            .await;
        assert_eq!(opened.unwrap(), Guess::Right);
    }
}

#[tokio::test]
async fn attack_19_a_pass_of_another_domain_s_person_opens_nothing() {
    let world = World::new().await;
    let upn = "agent1@fabrikam.com";
    world.add_user(upn).await;
    let pass = Secret::new(world.issue_pass(upn).await);
    let request = entra::request(world.now());
    let mut browser = world.browser();
    let (saml, relay) = (request.base64(), request.relay_state.clone());
    let fields = [("SAMLRequest", saml.as_str()), ("RelayState", &relay)];
    browser.post("/saml2/sso?domain=contoso.com", &fields).await;
    let attempt: AttemptId = browser.at.split('/').nth(2).unwrap().parse().unwrap();
    let opened = world
        .app()
        .submit_pass(&attempt, &browser.app_cookies(), upn, &pass)
        .await;
    assert_eq!(opened.unwrap_err().code().code, "CB-SIGNIN-007");
    let mut tx = world.app().store().read().await.unwrap();
    let events = tx.events_of_attempt(&attempt).await.unwrap();
    assert!(events.iter().any(|event| event.kind() == "pass-refused"));
    let user = tx.user_by_upn(&upn.parse().unwrap()).await.unwrap();
    let left = tx.live_pass_of(&user.unwrap().id, world.now()).await;
    assert!(left.unwrap().is_some(), "the pass is not used up");
    drop(tx);
    let cookies = browser.app_cookies();
    assert!(world.app().new_totp_of(&attempt, &cookies).await.is_err());
}

/// Whose attempt it is may be known although nothing is proved any more.
#[tokio::test]
async fn attack_1_a_code_alone_is_not_taken_where_the_person_is_known() {
    let world = World::new().await;
    let [side, _] = two_sides(&world).await;
    // A new pass takes back what was proved and leaves the place.
    world.issue_pass(&side.upn).await;
    let guess = world
        .app()
        .submit_code(&side.attempt, &side.cookies, &side.code)
        .await;
    assert_eq!(guess.unwrap_err().category(), Category::Denied);
    let mut tx = world.app().store().read().await.unwrap();
    assert!(tx.evidence_of(&side.attempt).await.unwrap().is_empty());
}
