//! A model of sessions, written from the rules and not from the code (attack 21):
//! random orders of asking, proving, ageing and revoking, in one browser that two
//! people share. The claim is there exactly when the model says so, with the instant
//! that the model says.

use std::time::Duration;

use claimbridge::base::{clock::Timestamp, secret::Secret};
use rand_core::{RngCore as _, SeedableRng as _};

use super::keys::{registers, signs, to_new_key};
use crate::{
    soft_key::{SoftKey, UP, UV},
    support::{Browser, PASSWORD, Person, World, browser::Page, entra},
};

const MINUTE: u64 = 60;

#[derive(Clone, Copy, Debug)]
enum Act {
    Wait(u64),
    Ask {
        force: bool,
    },
    Password {
        who: usize,
        right: bool,
    },
    Code {
        right: bool,
    },
    /// A key, before the password or after it, that asked for its PIN or was only touched.
    Key {
        who: usize,
        verified: bool,
    },
    /// A new temporary access pass, typed where the person is.
    Pass {
        who: usize,
    },
    /// A recovery code, typed where the person is.
    RecoveryCode {
        who: usize,
    },
    EndSessions {
        who: usize,
    },
    NewPassword {
        who: usize,
    },
    Disable {
        who: usize,
    },
    Enable {
        who: usize,
    },
}

/// What the rules remember.
#[derive(Default)]
struct Model {
    session: Option<Kept>,
    attempt: Option<Begun>,
    /// Who was answered by this session or by one that it replaced: asked when, answered when.
    answered: Vec<(usize, Timestamp, Timestamp)>,
    disabled: [bool; 2],
    /// Something was done that a session does not pass over: its person is told first.
    to_be_told: [bool; 2],
}

#[derive(Clone, Copy, PartialEq)]
enum Proof {
    Password,
    /// A code, or a key that was touched.
    Has,
    /// A key that checked its person.
    Verified,
}

struct Kept {
    who: usize,
    proofs: Vec<(Proof, Timestamp)>,
    created: Timestamp,
    used: Timestamp,
    reused: Option<Timestamp>,
}

struct Begun {
    at: Timestamp,
    /// Everything is to be proved anew.
    anew: bool,
    who: Option<usize>,
    password_at: Option<Timestamp>,
    touched_at: Option<Timestamp>,
}

/// What must happen.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// An assertion whose instant is this.
    Claim(Timestamp),
    /// No assertion.
    NoClaim,
}

/// How many different classes of factor these are of.
fn classes(proofs: &[(Proof, Timestamp)]) -> usize {
    let is = |wanted: &[Proof]| proofs.iter().any(|(proof, _)| wanted.contains(proof));
    let of = [
        is(&[Proof::Password]),
        is(&[Proof::Has, Proof::Verified]),
        is(&[Proof::Verified]),
    ];
    of.into_iter().filter(|has| *has).count()
}

impl Kept {
    fn oldest(&self) -> Timestamp {
        self.proofs.iter().map(|(_, at)| *at).min().unwrap()
    }

    fn is_alive(&self, now: Timestamp) -> bool {
        !older(self.created, now, 600 * MINUTE - 1) && !older(self.used, now, 60 * MINUTE - 1)
    }
}

fn older(at: Timestamp, now: Timestamp, seconds: u64) -> bool {
    now.since(at) > Duration::from_secs(seconds)
}

impl Model {
    fn ask(&mut self, force: bool, now: Timestamp) -> Outcome {
        let mut anew = force;
        if let Some(kept) = &mut self.session {
            let fresh = !older(kept.oldest(), now, 15 * MINUTE);
            let again = kept
                .reused
                .is_some_and(|at| now.since(at) < Duration::from_secs(2 * MINUTE))
                && older(kept.oldest(), now, 5 * MINUTE);
            anew |= again;
            let (who, oldest) = (kept.who, kept.oldest());
            let may = !self.disabled[who] && !self.to_be_told[who];
            if kept.is_alive(now) && fresh && !anew && may && !self.runs_in_circles(who, now, now) {
                let kept = self.session.as_mut().unwrap();
                kept.used = now;
                kept.reused = Some(now);
                self.attempt = None;
                self.answered.push((who, now, now));
                return Outcome::Claim(oldest);
            }
        }
        self.attempt = Some(Begun {
            at: now,
            anew,
            who: None,
            password_at: None,
            touched_at: None,
        });
        // Where only what the person has is asked, nobody types a name.
        if self.knows(now) {
            let who = self.session.as_ref().map(|kept| kept.who);
            self.attempt.as_mut().unwrap().who = who;
        }
        Outcome::NoClaim
    }

    /// Three answers in two minutes are given, each asked for after the one before; no fourth.
    fn runs_in_circles(&self, who: usize, asked: Timestamp, now: Timestamp) -> bool {
        let (mut row, mut before) = (0, asked);
        for (whom, asked, at) in self.answered.iter().rev() {
            let lately = now.since(*at) < Duration::from_secs(2 * MINUTE);
            if *whom == who && lately && *at <= before {
                (row, before) = (row + 1, *asked);
            }
        }
        row >= 3
    }

    fn session_ends(&mut self) {
        self.session = None;
        self.answered.clear();
    }

    /// What of the session need not be proved again: something, and not everything.
    fn carried(&self, now: Timestamp) -> Vec<(Proof, Timestamp)> {
        let (Some(kept), Some(begun)) = (&self.session, &self.attempt) else {
            return Vec::new();
        };
        let same = begun.who.is_none_or(|who| who == kept.who);
        let may = !self.disabled[kept.who] && !self.to_be_told[kept.who];
        if !same || begun.anew || !may || !kept.is_alive(now) {
            return Vec::new();
        }
        let mut fresh = kept.proofs.clone();
        fresh.retain(|(_, at)| !older(*at, now, 15 * MINUTE));
        if fresh.len() == kept.proofs.len() {
            fresh.clear();
        }
        fresh
    }

    /// How long until one proof of the session has aged and another has not.
    fn until_partly_aged(&self, now: Timestamp) -> Option<u64> {
        let kept = self.session.as_ref()?;
        let newest = kept.proofs.iter().map(|(_, at)| *at).max()?;
        let age = now.since(kept.oldest()).as_secs();
        (newest > kept.oldest() && age < 15 * MINUTE).then(|| 15 * MINUTE - age + 1)
    }

    /// Whether a password was proved, here or lately.
    fn knows(&self, now: Timestamp) -> bool {
        let here = self.attempt.as_ref().and_then(|begun| begun.password_at);
        let is_password = |(proof, _): &(Proof, _)| *proof == Proof::Password;
        here.is_some() || self.carried(now).iter().any(is_password)
    }

    /// Something was proved by `who`; with what was proved before it may be enough.
    fn proved(&mut self, who: usize, new: (Proof, Timestamp), now: Timestamp) -> Outcome {
        let begun = self.attempt.as_ref().unwrap();
        let here = [
            begun.password_at.map(|at| (Proof::Password, at)),
            begun.touched_at.map(|at| (Proof::Has, at)),
            Some(new),
        ];
        let mut proofs: Vec<(Proof, Timestamp)> = here.into_iter().flatten().collect();
        let (mut created, mut reused) = (now, None);
        if classes(&proofs) < 2 {
            for carried in self.carried(now) {
                let with = [proofs.clone(), vec![carried]].concat();
                if classes(&with) > classes(&proofs) {
                    proofs = with;
                    created = self.session.as_ref().unwrap().created;
                    reused = Some(now);
                }
            }
        }
        let asked = begun.at;
        if classes(&proofs) < 2 || self.runs_in_circles(who, asked, now) {
            return Outcome::NoClaim;
        }
        self.attempt = None;
        self.to_be_told[who] = false;
        self.answered.push((who, asked, now));
        let kept = Kept {
            who,
            proofs,
            created,
            used: now,
            reused,
        };
        let oldest = kept.oldest();
        self.session = Some(kept);
        Outcome::Claim(oldest)
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
            return self.proved(who, (Proof::Password, now), now);
        }
        Outcome::NoClaim
    }

    fn key(&mut self, who: usize, verified: bool, now: Timestamp) -> Outcome {
        let disabled = self.disabled[who];
        let Some(begun) = self.open(now) else {
            return Outcome::NoClaim;
        };
        if disabled || begun.who.is_some_and(|first| first != who) {
            return Outcome::NoClaim;
        }
        begun.who = Some(who);
        if verified {
            return self.proved(who, (Proof::Verified, now), now);
        }
        if begun.password_at.is_none() {
            begun.touched_at = Some(now);
        }
        self.proved(who, (Proof::Has, now), now)
    }

    /// A pass is issued: whatever the person had begun begins anew, sessions are over.
    fn pass_issued(&mut self, who: usize) {
        if self.session.as_ref().is_some_and(|kept| kept.who == who) {
            self.session_ends();
        }
        if let Some(begun) = self.attempt.as_mut().filter(|begun| begun.who == Some(who)) {
            begun.password_at = None;
            begun.touched_at = None;
        }
        self.to_be_told[who] = true;
    }

    /// A pass or a recovery code was typed. It opens enrolment where it is taken, and that is
    /// all that this attempt is good for here; it is never a proof.
    fn enrols(&mut self, who: usize, now: Timestamp) {
        let disabled = self.disabled[who];
        let taken = self
            .open(now)
            .is_some_and(|begun| !disabled && begun.who.is_none_or(|first| first == who));
        if taken {
            self.attempt = None;
            self.to_be_told[who] = true;
        }
    }

    fn code(&mut self, right: bool, now: Timestamp) -> Outcome {
        let knows = self.knows(now);
        let Some(begun) = self.open(now) else {
            return Outcome::NoClaim;
        };
        let (Some(who), true, true) = (begun.who, knows, right) else {
            return Outcome::NoClaim;
        };
        if self.disabled[who] {
            self.attempt = None;
            return Outcome::NoClaim;
        }
        self.proved(who, (Proof::Has, now), now)
    }

    /// Whatever ends a person's sessions ends the open attempts too.
    fn end(&mut self, who: usize) {
        if self.session.as_ref().is_some_and(|kept| kept.who == who) {
            self.session_ends();
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

fn begun_touched(model: &Model) -> bool {
    let begun = model.attempt.as_ref();
    begun.is_some_and(|begun| begun.touched_at.is_some())
}

/// Half of the acts go on with what was begun, so that the walk gets somewhere.
fn draw(random: &mut rand_chacha::ChaCha8Rng, model: &Model, now: Timestamp) -> Act {
    let who = (random.next_u32() % 2) as usize;
    if random.next_u32().is_multiple_of(2) {
        let way = random.next_u32() % 8;
        let verified = random.next_u32().is_multiple_of(2);
        return match &model.attempt {
            None => match model.until_partly_aged(now) {
                Some(wait) if way < 3 => Act::Wait(wait),
                _ => Act::Ask { force: way < 4 },
            },
            Some(begun) => match (model.knows(now), begun.who, way) {
                (false, _, 0..=2) => Act::Key { who, verified },
                (false, _, 3) => Act::Pass { who },
                (false, _, _) => Act::Password { who, right: true },
                (true, Some(who), 0..=1) => Act::Key { who, verified },
                (true, Some(who), 2) => Act::RecoveryCode { who },
                // So that the two proofs do not age at once.
                (true, _, 3) => Act::Wait(2 * MINUTE),
                (true, _, _) => Act::Code { right: true },
            },
        };
    }

    let verified = random.next_u32().is_multiple_of(2);
    match random.next_u32() % 26 {
        20..=22 => Act::Key { who, verified },
        23 => Act::Pass { who },
        24..=25 => Act::RecoveryCode { who },
        0 => Act::Wait(3 * MINUTE),
        1 => Act::Wait(6 * MINUTE),
        2 if verified => Act::Wait(11 * MINUTE),
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
    let mut by_key = 0;
    let mut stepped_up = 0;
    let mut enrolments = 0;
    for seed in 0..8 {
        let world = World::new().await;
        let people = [
            world.ready("one@contoso.com").await,
            world.ready("two@contoso.com").await,
        ];
        let one = Things::of(&world, &people[0]).await;
        let two = Things::of(&world, &people[1]).await;
        let mut run = Run {
            browser: world.browser(),
            things: [one, two],
            enrolments: 0,
            model: Model::default(),
            wrong: 0,
            history: Vec::new(),
        };
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        for _ in 0..60 {
            let act = draw(&mut random, &run.model, world.now());
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
                let kept = run.model.session.as_ref().unwrap();
                stepped_up +=
                    usize::from(kept.created < world.now() && !matches!(act, Act::Ask { .. }));
                by_key += usize::from(matches!(act, Act::Key { .. }));
            }
        }
        enrolments += run.enrolments;
    }
    assert!(
        claims >= 20 && resumed >= 5 && by_key >= 10 && enrolments >= 5 && stepped_up >= 1,
        "the walk met too little: {claims} claims, {resumed} from sessions, {stepped_up} stepped up, {by_key} by keys, {enrolments} enrolments"
    );
}

/// What a person has besides password and program.
struct Things {
    key: SoftKey,
    recovery_codes: Vec<String>,
}

impl Things {
    async fn of(world: &World, person: &Person) -> Self {
        let mut key = SoftKey::new();
        let mut browser = to_new_key(world, person.upn()).await;
        registers(&mut browser, &mut key).await;
        world.advance(30);
        let mut browser = world.browser();
        browser.get("/account").await;
        signs(&mut browser, "passkey", &mut key).await;
        browser.submit(&[]).await;
        let page = browser.press("/account/recovery-codes").await;
        let recovery_codes: Vec<String> = page
            .body
            .split("<code>")
            .skip(1)
            .map(|rest| rest.split("</code>").next().unwrap().to_owned())
            .collect();
        assert_eq!(recovery_codes.len(), 10, "{}", page.text());
        browser.get("/account").await;
        browser.press("/sign-out").await;
        // That codes were made is told at the next sign-in: read now.
        let request = entra::request(world.now());
        browser.start(&request).await;
        signs(&mut browser, "passkey", &mut key).await;
        browser.submit(&[]).await.expect_answer();
        Self {
            key,
            recovery_codes,
        }
    }
}

struct Run {
    browser: Browser,
    things: [Things; 2],
    enrolments: usize,
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
                (expected, Some(self.past_notices(page).await))
            }
            Act::Key { who, verified } => self.key(world, who, verified).await,
            Act::Pass { who } => {
                if self.model.disabled[who] {
                    return (Outcome::NoClaim, None);
                }
                let pass = world.issue_pass(people[who].upn()).await;
                self.model.pass_issued(who);
                let page = self.enrol(world, people, who, &pass).await;
                (Outcome::NoClaim, page)
            }
            Act::RecoveryCode { who } => {
                let proved = self.model.attempt.as_ref();
                let proved = proved.filter(|begun| begun.password_at.is_some());
                if proved.is_none_or(|begun| begun.who != Some(who)) {
                    return (Outcome::NoClaim, None);
                }
                let Some(code) = self.things[who].recovery_codes.pop() else {
                    return (Outcome::NoClaim, None);
                };
                let page = self.enrol(world, people, who, &code).await;
                (Outcome::NoClaim, page)
            }
            Act::Code { right } => {
                self.turn_to(world, "code").await;
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

    /// A key, at whichever page there is for one.
    async fn key(&mut self, world: &World, who: usize, verified: bool) -> (Outcome, Option<Page>) {
        let begun = self.model.attempt.as_ref();
        let proved = self.model.knows(world.now());
        let fits = begun.is_some_and(|begun| begun.who.is_none_or(|first| first == who));
        if !fits && self.may_not_be_wrong() {
            return (Outcome::NoClaim, None);
        }
        let what = if proved { "key" } else { "passkey" };
        self.turn_to(world, what).await;
        let ending = format!("/{what}");
        let offered = self.browser.page.as_ref().is_some_and(|page| {
            let mut forms = page.forms().into_iter();
            forms.any(|form| form.action.ends_with(&ending))
        });
        let touched = begun_touched(&self.model);
        if !offered || touched {
            return (Outcome::NoClaim, None);
        }
        if self.model.open(world.now()).is_none() {
            return (Outcome::NoClaim, None);
        }
        let key = &mut self.things[who].key;
        key.flags = if verified { UP | UV } else { UP };
        let expected = self.model.key(who, verified, world.now());
        let page = signs(&mut self.browser, what, key).await;
        let page = self.past_notices(page).await;
        if expected != Outcome::NoClaim {
            self.wrong = 0;
        }
        (expected, Some(page))
    }

    /// To the page for a pass, where it is typed.
    async fn enrol(
        &mut self,
        world: &World,
        people: &[Person; 2],
        who: usize,
        typed: &str,
    ) -> Option<Page> {
        let path: Vec<&str> = self.browser.at.split('/').take(3).collect();
        let path = path.join("/");
        if !path.starts_with("/sign-in/") || self.model.open(world.now()).is_none() {
            return None;
        }
        let proved = self.model.attempt.as_ref();
        let proved = proved.is_some_and(|begun| begun.password_at.is_some());
        // A look at the page could answer from a session, which is another act.
        if !proved && self.model.session.is_some() {
            return None;
        }
        if self.model.open(world.now()).is_some_and(|begun| {
            begun.touched_at.is_some() || begun.who.is_some_and(|first| first != who)
        }) {
            return None;
        }
        self.browser.get(&format!("{path}/pass")).await;
        let page = self.browser.page.clone().unwrap();
        if !page.has_input("pass") {
            return Some(page);
        }
        let values = [("username", people[who].upn()), ("pass", typed)];
        let page = self.browser.submit(&values).await;
        self.model.enrols(who, world.now());
        self.enrolments += usize::from(self.model.attempt.is_none());
        Some(page)
    }

    /// Where another way is shown first, to this one.
    async fn turn_to(&mut self, world: &World, way: &str) {
        let proved = self.model.knows(world.now());
        let path: Vec<&str> = self.browser.at.split('/').take(3).collect();
        let path = path.join("/");
        if proved && path.starts_with("/sign-in/") && way != "passkey" {
            self.browser.get(&format!("{path}/{way}")).await;
        }
    }

    /// Notices of what the tester did come between the factors and the answer.
    async fn past_notices(&mut self, page: Page) -> Page {
        let is_notice = page.answer().is_none()
            && !page.asks_for_password()
            && !page.asks_for_code()
            && page.text().contains("Since your last sign-in");
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
