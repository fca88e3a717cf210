//! Each door that takes guesses is paid for first, by one counter a person (attacks 2, 4, 25).

use std::{future::Future as _, pin::pin, task::Poll};

use claimbridge::{
    app::{App, enrol::Confirm, prove::Guess, sign_in::Browser},
    base::{ids::AttemptId, secret::Secret},
    storage::Store,
};

use crate::support::{PASSWORD, Person, World, entra};

/// Where guesses are taken.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Door {
    Password,
    Code,
    Pass,
    Confirm,
}

impl Door {
    const ALL: [Self; 4] = [Self::Password, Self::Code, Self::Pass, Self::Confirm];

    fn bucket(self, person: &Person) -> String {
        let kind = match self {
            Self::Password => "password",
            Self::Code => "second-factor",
            Self::Confirm => "new-method",
            Self::Pass => "pass",
        };
        format!("{kind}:{}", person.user.id)
    }
}

/// A browser that nobody knows, before that door.
struct Guesser {
    door: Door,
    attempt: AttemptId,
    cookies: Browser,
    upn: String,
    right: String,
}

impl Guesser {
    /// `pass`: for the doors behind one.
    async fn at(world: &World, door: Door, person: &Person, pass: &str) -> Self {
        let mut browser = world.browser();
        browser.start(&entra::request(world.now())).await;
        let right = match door {
            Door::Password => PASSWORD.to_owned(),
            Door::Pass => pass.to_owned(),
            Door::Code => {
                let page = browser.submit_password(person.upn(), PASSWORD).await;
                assert!(page.asks_for_code(), "{}", page.text());
                person.code(world.now())
            }
            Door::Confirm => {
                let way = format!("{}/pass", browser.at);
                browser.get(&way).await;
                let fields = [("username", person.upn()), ("pass", pass)];
                browser.submit(&fields).await;
                let secret = browser.choose_totp().await.totp_secret();
                let user = person.user.clone();
                Person { user, secret }.code(world.now())
            }
        };
        Self {
            door,
            attempt: browser.at.split('/').nth(2).unwrap().parse().unwrap(),
            cookies: browser.app_cookies(),
            upn: person.upn().to_owned(),
            right,
        }
    }

    async fn guess(&self, app: &App, text: &str) -> Guess {
        let secret = Secret::new(text.to_owned());
        let (attempt, cookies) = (&self.attempt, &self.cookies);
        let guess = match self.door {
            Door::Password => {
                app.submit_password(attempt, cookies, &self.upn, secret)
                    .await
            }
            Door::Code => app.submit_code(attempt, cookies, text).await,
            Door::Pass => app.submit_pass(attempt, cookies, &self.upn, &secret).await,
            Door::Confirm => {
                let confirm = app.confirm_totp(attempt, cookies, "desk", text).await;
                confirm.map(|confirm| match confirm {
                    Confirm::Added(_) => Guess::Right,
                    Confirm::Refused(guess) => guess,
                })
            }
        };
        guess.unwrap()
    }

    fn wrong(&self) -> &'static str {
        match self.door {
            Door::Password | Door::Pass => "a wrong guess",
            _ if self.right == "000000" => "111111",
            _ => "000000",
        }
    }
}

async fn person_with_pass(world: &World) -> (Person, String) {
    let person = world.ready("agent1@contoso.com").await;
    let options = claimbridge::app::passes::PassOptions {
        reuse: claimbridge::directory::PassReuse::UntilExpiry,
        ..Default::default()
    };
    let issued = world.app().issue_pass(&person.user.upn, options, "tester");
    let pass = issued.await.unwrap().value.expose().clone();
    (person, pass)
}

#[tokio::test]
async fn attack_2_no_door_checks_even_a_right_guess_while_a_wait_runs() {
    for door in Door::ALL {
        let world = World::new().await;
        let (person, pass) = person_with_pass(&world).await;
        for number in 0..5 {
            let guesser = Guesser::at(&world, door, &person, &pass).await;
            let app = &world.nodes[number % world.nodes.len()].app;
            assert_eq!(
                guesser.guess(app, guesser.wrong()).await,
                Guess::Wrong,
                "{door:?}"
            );
            if door == Door::Confirm && number == 0 {
                // Opening by a pass gives back its own counter, not this one.
                assert_eq!(failures(&world, door, &person).await, 1);
            }
        }
        let guesser = Guesser::at(&world, door, &person, &pass).await;
        let guess = guesser.guess(world.app(), &guesser.right).await;
        assert!(matches!(guess, Guess::Wait(_)), "{door:?}: {guess:?}");
    }
}

/// From a connection that had no part in it.
async fn failures(world: &World, door: Door, person: &Person) -> u32 {
    let store = Store::connect(&world.database_url).await.unwrap();
    let mut tx = store.read().await.unwrap();
    tx.failures(&door.bucket(person)).await.unwrap()
}

#[tokio::test]
async fn attack_4_a_wrong_guess_at_any_door_stays_counted_for_a_new_connection() {
    for door in Door::ALL {
        let world = World::new().await;
        let (person, pass) = person_with_pass(&world).await;
        let guesser = Guesser::at(&world, door, &person, &pass).await;
        for counted in 1..=4 {
            let guess = guesser.guess(world.app(), guesser.wrong()).await;
            assert_eq!(guess, Guess::Wrong, "{door:?}");
            assert_eq!(failures(&world, door, &person).await, counted, "{door:?}");
        }
        assert_eq!(
            guesser.guess(world.app(), &guesser.right).await,
            Guess::Right
        );
        assert_eq!(failures(&world, door, &person).await, 0, "{door:?}");
    }
}

/// A request that ends while its password is being hashed — its process killed, its
/// connection gone — has paid and proved nothing.
#[tokio::test]
async fn attack_4_a_guess_that_is_cut_off_while_it_is_checked_is_paid() {
    let world = World::new().await;
    let (person, pass) = person_with_pass(&world).await;
    let guesser = Guesser::at(&world, Door::Password, &person, &pass).await;
    {
        let mut guess = pin!(guesser.guess(world.app(), PASSWORD));
        let mut paid = false;
        while !paid {
            let polled = std::future::poll_fn(|context| {
                Poll::Ready(matches!(guess.as_mut().poll(context), Poll::Ready(_)))
            });
            assert!(!polled.await, "checked before it was paid for");
            paid = failures(&world, Door::Password, &person).await == 1;
        }
    }
    let mut world = world;
    world.start_node().await;
    assert_eq!(failures(&world, Door::Password, &person).await, 1);
    let mut tx = world
        .nodes
        .last()
        .unwrap()
        .app
        .store()
        .read()
        .await
        .unwrap();
    let proofs = tx.evidence_of(&guesser.attempt).await.unwrap();
    assert!(proofs.is_empty());
}

/// Spellings of one person, and of people and accounts that are none: the former share
/// the person's counter, the latter open nothing and have one counter a name.
#[tokio::test]
async fn attack_25_no_spelling_has_guesses_of_its_own() {
    let same = [
        "agent1@contoso.com",
        "AGENT1@CONTOSO.COM",
        " agent1@contoso.com\t",
        "\u{a0}agent1@contoso.com\u{3000}",
        "ａｇｅｎｔ１＠ｃｏｎｔｏｓｏ．ｃｏｍ",
        "agent①@contoso.com",
        "aGENT1@Contoso.Com",
    ];
    let others = [
        // The domain's and the directory's forms, an alias, an address, look-alikes.
        [
            "contoso\\agent1",
            "CONTOSO\\Agent1",
            " contoso\\agent1 ",
            "ｃontoso\\agent1",
        ],
        ["agent1", "AGENT1", " agent1 ", "ａgent1"],
        [
            "agent1+x@contoso.com",
            "Agent1+X@contoso.com",
            "agent1＋x@contoso.com ",
            "agent1+x@CONTOSO.com",
        ],
        [
            "agent1@contoso.com.",
            "Agent1@contoso.com.",
            "agent1@contoso.com. ",
            "agent1＠contoso.com.",
        ],
        [
            "nobody@contoso.com",
            "NOBODY@contoso.com",
            " nobody@contoso.com ",
            "ｎobody@contoso.com",
        ],
    ];
    let submit = async |world: &World, name: &str, source: usize, password: &str| {
        let mut browser = world.browser();
        browser.source = format!("198.51.100.{source}");
        browser.start(&entra::request(world.now())).await;
        browser.submit_password(name, password).await
    };
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    for spelling in same {
        // Each alone spends what all share: four wrong ones under another, one under this.
        for _ in 0..4 {
            submit(&world, person.upn(), 1, "a wrong password").await;
        }
        submit(&world, spelling, 2, "a wrong password").await;
        let page = submit(&world, person.upn(), 3, PASSWORD).await;
        assert_eq!(page.status.as_u16(), 429, "{spelling:?}: {}", page.text());
        world.advance(31);
        assert!(submit(&world, spelling, 4, PASSWORD).await.asks_for_code());
        world.advance(31 * 60);
    }
    for [name, spellings @ ..] in others {
        // Names that nobody has share counters now and then: one world for each.
        let world = World::new().await;
        let person = world.ready("agent1@contoso.com").await;
        for spelling in spellings.iter().chain([&name, &name]) {
            // No other way to the same person: right, it would be a bucket beside.
            let page = submit(&world, spelling, 5, PASSWORD).await;
            assert_eq!(page.status.as_u16(), 403, "{spelling:?}: {}", page.text());
        }
        let page = submit(&world, name, 6, PASSWORD).await;
        assert_eq!(page.status.as_u16(), 429, "{name:?}: {}", page.text());
        let own = submit(&world, person.upn(), 7, PASSWORD).await;
        assert!(own.asks_for_code(), "the person waits for none of it");
    }
}
