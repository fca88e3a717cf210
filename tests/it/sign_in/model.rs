//! A model of sessions, written from the rules and not from the code (attack 21):
//! random orders of asking, proving, ageing and revoking, in one browser that two
//! people share. The claim is there exactly when the model says so, with the instant
//! that the model says.

use std::time::Duration;

use claimbridge::base::{clock::Timestamp, secret::Secret};
use rand_core::{RngCore as _, SeedableRng as _};

use crate::support::{Browser, PASSWORD, Person, World, browser::Page, entra};

const MINUTE: u64 = 60;

#[derive(Clone, Copy, Debug)]
enum Act {
    Wait(u64),
    Ask { force: bool },
    Password { who: usize, right: bool },
    Code { right: bool },
    EndSessions { who: usize },
    NewPassword { who: usize },
    Disable { who: usize },
    Enable { who: usize },
}

/// What the rules remember.
#[derive(Default)]
struct Model {
    session: Option<Kept>,
    attempt: Option<Begun>,
    disabled: [bool; 2],
}

struct Kept {
    who: usize,
    oldest: Timestamp,
    created: Timestamp,
    used: Timestamp,
    reused: Option<Timestamp>,
}

struct Begun {
    at: Timestamp,
    who: Option<usize>,
    password_at: Option<Timestamp>,
}

/// What must happen.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// An assertion whose instant is this.
    Claim(Timestamp),
    /// No assertion.
    NoClaim,
}

fn older(at: Timestamp, now: Timestamp, seconds: u64) -> bool {
    now.since(at) > Duration::from_secs(seconds)
}

impl Model {
    fn ask(&mut self, force: bool, now: Timestamp) -> Outcome {
        if let Some(kept) = &mut self.session {
            let alive = !older(kept.created, now, 600 * MINUTE - 1)
                && !older(kept.used, now, 60 * MINUTE - 1);
            let fresh = !older(kept.oldest, now, 15 * MINUTE);
            let again = kept
                .reused
                .is_some_and(|at| now.since(at) < Duration::from_secs(2 * MINUTE))
                && older(kept.oldest, now, 5 * MINUTE);
            if alive && fresh && !force && !again && !self.disabled[kept.who] {
                kept.used = now;
                kept.reused = Some(now);
                self.attempt = None;
                return Outcome::Claim(kept.oldest);
            }
        }
        self.attempt = Some(Begun {
            at: now,
            who: None,
            password_at: None,
        });
        Outcome::NoClaim
    }

    fn open(&mut self, now: Timestamp) -> Option<&mut Begun> {
        self.attempt
            .as_mut()
            .filter(|begun| now.since(begun.at) < Duration::from_secs(15 * MINUTE))
    }

    fn password(&mut self, who: usize, right: bool, now: Timestamp) -> Outcome {
        let disabled = self.disabled[who];
        if let Some(begun) = self.open(now)
            && right
            && !disabled
            && begun.who.is_none_or(|first| first == who)
        {
            begun.who = Some(who);
            begun.password_at = Some(now);
        }
        Outcome::NoClaim
    }

    fn code(&mut self, right: bool, now: Timestamp) -> Outcome {
        let Some(begun) = self.open(now) else {
            return Outcome::NoClaim;
        };
        let (Some(who), Some(password_at), true) = (begun.who, begun.password_at, right) else {
            return Outcome::NoClaim;
        };
        self.attempt = None;
        if self.disabled[who] {
            return Outcome::NoClaim;
        }
        self.session = Some(Kept {
            who,
            oldest: password_at,
            created: now,
            used: now,
            reused: None,
        });
        Outcome::Claim(password_at)
    }

    /// Whatever ends a person's sessions ends the open attempts too.
    fn end(&mut self, who: usize) {
        if self.session.as_ref().is_some_and(|kept| kept.who == who) {
            self.session = None;
        }
        if self
            .attempt
            .as_ref()
            .is_some_and(|begun| begun.who == Some(who))
        {
            self.attempt = None;
        }
    }
}

/// Half of the acts go on with what was begun, so that the walk gets somewhere.
fn draw(random: &mut rand_chacha::ChaCha8Rng, model: &Model) -> Act {
    let who = (random.next_u32() % 2) as usize;
    if random.next_u32().is_multiple_of(2) {
        return match &model.attempt {
            None => Act::Ask { force: false },
            Some(begun) if begun.password_at.is_none() => Act::Password { who, right: true },
            Some(_) => Act::Code { right: true },
        };
    }
    match random.next_u32() % 20 {
        0 => Act::Wait(3 * MINUTE),
        1 => Act::Wait(6 * MINUTE),
        2 => Act::Wait(16 * MINUTE),
        3 => Act::Wait(61 * MINUTE),
        4..=7 => Act::Ask { force: false },
        8 => Act::Ask { force: true },
        9 => Act::Password { who, right: false },
        10..=12 => Act::Password { who, right: true },
        13 => Act::Code { right: false },
        14..=16 => Act::Code { right: true },
        17 => Act::EndSessions { who },
        18 => Act::NewPassword { who },
        _ => {
            if random.next_u32().is_multiple_of(2) {
                Act::Disable { who }
            } else {
                Act::Enable { who }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_21_the_claim_is_there_exactly_when_two_fresh_proofs_are() {
    let mut claims = 0;
    let mut resumed = 0;
    for seed in 0..6 {
        let world = World::new().await;
        let people = [
            world.ready("one@contoso.com").await,
            world.ready("two@contoso.com").await,
        ];
        let mut run = Run {
            browser: world.browser(),
            model: Model::default(),
            wrong: 0,
            history: Vec::new(),
        };
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        for _ in 0..60 {
            let act = draw(&mut random, &run.model);
            let (expected, page) = run.act(&world, &people, act).await;
            run.history.push(act);
            let answer = page
                .as_ref()
                .and_then(Page::answer)
                .filter(entra::Answer::is_assertion);
            let seen = match &answer {
                Some(answer) => Outcome::Claim(answer.authn_instant().unwrap()),
                None => Outcome::NoClaim,
            };
            assert_eq!(
                seen,
                expected,
                "seed {seed}, after {:?}: {}",
                run.history,
                page.map_or_else(String::new, |page| page.text())
            );
            if let Some(answer) = answer {
                assert_eq!(answer.class_ref().as_deref(), Some(entra::MULTIPLE_AUTHN));
                claims += 1;
                resumed += usize::from(matches!(act, Act::Ask { .. }));
            }
        }
    }
    assert!(
        claims >= 20 && resumed >= 5,
        "the walk met too little: {claims} claims, {resumed} from sessions"
    );
}

struct Run {
    browser: Browser,
    model: Model,
    wrong: usize,
    history: Vec<Act>,
}

impl Run {
    async fn act(
        &mut self,
        world: &World,
        people: &[Person; 2],
        act: Act,
    ) -> (Outcome, Option<Page>) {
        let upn = |who: usize| people[who].upn().parse().unwrap();
        match act {
            Act::Wait(seconds) => {
                world.advance(seconds);
                (Outcome::NoClaim, None)
            }
            Act::Ask { force } => {
                let mut request = entra::request(world.now());
                if force {
                    request = request.with(r#"ForceAuthn="true""#);
                }
                let expected = self.model.ask(force, world.now());
                let page = self.browser.start(&request).await;
                (expected, Some(self.past_notices(page).await))
            }
            Act::Password { who, right } => {
                let Some(_) = self
                    .browser
                    .page
                    .as_ref()
                    .filter(|page| page.asks_for_password())
                else {
                    return (Outcome::NoClaim, None);
                };
                let right = right || self.may_not_be_wrong();
                let expected = self.model.password(who, right, world.now());
                let password = if right { PASSWORD } else { "a wrong password" };
                let page = self
                    .browser
                    .submit_password(people[who].upn(), password)
                    .await;
                (expected, Some(page))
            }
            Act::Code { right } => {
                let Some(_) = self
                    .browser
                    .page
                    .as_ref()
                    .filter(|page| page.asks_for_code())
                else {
                    return (Outcome::NoClaim, None);
                };
                // Each code is of a new step.
                world.advance(30);
                let right = right || self.may_not_be_wrong();
                let who = self
                    .model
                    .attempt
                    .as_ref()
                    .and_then(|begun| begun.who)
                    .unwrap_or(0);
                let expected = self.model.code(right, world.now());
                let code = people[who].code(world.now());
                let wrong = if code == "000000" { "111111" } else { "000000" };
                let page = self
                    .browser
                    .submit_code(if right { &code } else { wrong })
                    .await;
                let page = self.past_notices(page).await;
                if expected != Outcome::NoClaim {
                    self.wrong = 0;
                }
                (expected, Some(page))
            }
            Act::EndSessions { who } => {
                world.app().end_sessions(&upn(who), "tester").await.unwrap();
                self.model.end(who);
                (Outcome::NoClaim, None)
            }
            Act::NewPassword { who } => {
                // The same text, but a new credential: what the old one proved is over.
                world
                    .app()
                    .set_password(&upn(who), Secret::new(PASSWORD.to_owned()), "tester")
                    .await
                    .unwrap();
                self.model.end(who);
                (Outcome::NoClaim, None)
            }
            Act::Disable { who } => {
                world.app().disable_user(&upn(who), "tester").await.unwrap();
                self.model.disabled[who] = true;
                self.model.end(who);
                (Outcome::NoClaim, None)
            }
            Act::Enable { who } => {
                world.app().enable_user(&upn(who), "tester").await.unwrap();
                self.model.disabled[who] = false;
                (Outcome::NoClaim, None)
            }
        }
    }

    /// Notices of what the tester did come between the factors and the answer.
    async fn past_notices(&mut self, page: Page) -> Page {
        let is_notice = page.answer().is_none()
            && !page.asks_for_password()
            && !page.asks_for_code()
            && page.text().contains("tester");
        if is_notice {
            self.browser.submit(&[]).await
        } else {
            page
        }
    }

    /// Waits are another test's subject: few wrong guesses between right ones.
    fn may_not_be_wrong(&mut self) -> bool {
        self.wrong += 1;
        self.wrong > 3
    }
}
