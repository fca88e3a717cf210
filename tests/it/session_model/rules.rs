//! The rules of sessions as a person would explain them, and nothing else: no type, constant
//! or function of the program. From the issue ("Sessions"), the facts about Entra (§2.2, §6)
//! and the house's one idea: a token leaves exactly when two proofs of different classes, of
//! one person, are fresh enough for what was asked; it tells when they were made.
//!
//! Where the rules leave a choice, `Told` lists each honest answer and the driver notes which
//! one was given.

use std::collections::BTreeMap;

/// Milliseconds since 1970.
pub type Instant = i64;

pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;

/// A sign-in may take this long.
pub const ATTEMPT: i64 = 15 * MINUTE;
/// Changing the own account needs proofs of the last five minutes.
pub const CHANGE: i64 = 5 * MINUTE;
/// So many answers to one party in `ROUND_TRIPS_IN`, and no more: what goes on is a circle.
pub const ROUND_TRIPS: usize = 3;
pub const ROUND_TRIPS_IN: i64 = 2 * MINUTE;
/// Asked again so soon after an answer out of a session means "too old"...
pub const AGAIN: i64 = 2 * MINUTE;
/// ...if the proofs are older than this.
pub const AGAIN_OLDER: i64 = 5 * MINUTE;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Class {
    Knowledge,
    Possession,
    /// What an authenticator itself checked: its PIN or a finger.
    OwnCheck,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Thing {
    Password,
    Generator(usize),
    Key,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Means {
    Password,
    Generator(usize),
    TouchedKey,
    VerifiedKey,
}

impl Means {
    fn thing(self) -> Thing {
        match self {
            Self::Password => Thing::Password,
            Self::Generator(which) => Thing::Generator(which),
            Self::TouchedKey | Self::VerifiedKey => Thing::Key,
        }
    }

    fn classes(self) -> &'static [Class] {
        match self {
            Self::Password => &[Class::Knowledge],
            Self::Generator(_) | Self::TouchedKey => &[Class::Possession],
            Self::VerifiedKey => &[Class::Possession, Class::OwnCheck],
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Proof {
    pub who: usize,
    pub means: Means,
    /// Which password, generator or key in that place it was.
    edition: u32,
    pub at: Instant,
}

/// Who asks, or which page of the own account.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Party {
    Entra,
    /// A service provider that takes older proofs than Entra.
    Shop,
    /// The own account: looking.
    Account,
    /// The own account: changing something.
    Change,
}

/// By which protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    Saml,
    WsFed,
    /// Our own pages.
    Pages,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wish {
    pub party: Party,
    pub door: Door,
    /// `ForceAuthn`, `wfresh=0`, `prompt=login`.
    pub fresh: bool,
    /// `IsPassive`.
    pub passive: bool,
    /// `wfresh=N`.
    pub at_most: Option<i64>,
    /// `username=`: whom the party expects.
    pub names: Option<usize>,
}

impl Wish {
    pub fn page(party: Party) -> Self {
        Self {
            party,
            door: Door::Pages,
            fresh: false,
            passive: false,
            at_most: None,
            names: None,
        }
    }

    fn is_own_page(self) -> bool {
        matches!(self.party, Party::Account | Party::Change)
    }
}

/// What the operator configured.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub idle: i64,
    pub absolute: i64,
    pub entra: i64,
    pub shop: i64,
}

#[derive(Clone, Debug)]
pub struct Session {
    pub who: usize,
    pub proofs: Vec<Proof>,
    pub began: Instant,
    pub used: Instant,
    pub over: bool,
    /// The same for a session and for what it replaced in its browser.
    line: usize,
    /// Its `SessionIndex` for each party that was told one.
    pub indexes: BTreeMap<Party, String>,
}

#[derive(Clone, Debug)]
pub struct Attempt {
    pub wish: Wish,
    pub began: Instant,
    /// The request itself counts as one for a fresh sign-in.
    fresh: bool,
    pub proofs: Vec<Proof>,
    /// Who set up a method in it, or whose proofs were taken back: nobody else goes on.
    of: Option<usize>,
    pub over: bool,
    /// The session that it began upon was ended meanwhile: the next proof brings no token.
    pub shaken: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Browser {
    pub session: Option<Session>,
    pub attempt: Option<Attempt>,
    /// When a session last answered that party in this browser.
    reused: BTreeMap<Party, Instant>,
}

#[derive(Clone, Debug, Default)]
pub struct Person {
    pub disabled: bool,
    /// Something was done to the account: told after the next two proofs, and until then no
    /// session passes over it.
    pub to_be_told: bool,
    /// What the person has, and which edition of it.
    has: BTreeMap<Thing, u32>,
    editions: u32,
}

/// What a token, or a page of the own account, rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub who: usize,
    pub proofs: Vec<Proof>,
    pub began: Instant,
    /// Out of a session, without a new proof.
    pub resumed: bool,
}

impl Told {
    /// The authentication instant: that of the oldest proof.
    pub fn oldest(&self) -> Instant {
        self.proofs.iter().map(|proof| proof.at).min().unwrap()
    }

    /// When the second class was proved.
    pub fn second(&self) -> Instant {
        let mut proofs = self.proofs.clone();
        proofs.sort_by_key(|proof| proof.at);
        let enough = (1..=proofs.len()).find(|&many| is_two_classes(&proofs[..many]));
        proofs[enough.unwrap() - 1].at
    }
}

/// What must be seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Expect {
    /// A token (or the page of the own account) that rests on one of these.
    Answer(Vec<Told>),
    /// The standard's "I would have to ask".
    NoPassive,
    /// A page that asks for this, and no token.
    Asks(Asks),
    /// The page that ends a circle, and no token.
    Stopped,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asks {
    /// Nothing is proved.
    Everything,
    /// Only the password is missing.
    Password(usize),
    /// Only a second factor is missing.
    Second(usize),
    /// No token; what else is another test's subject.
    Whatever,
}

#[derive(Clone, Debug)]
pub struct Model {
    pub policy: Policy,
    pub people: Vec<Person>,
    pub browsers: Vec<Browser>,
    pub answered: Vec<Answered>,
    /// How many sessions there were.
    pub lines: usize,
}

/// That a party was answered about somebody.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    who: usize,
    party: Party,
    asked: Instant,
    at: Instant,
    /// Of the session.
    line: usize,
}

fn is_two_classes(proofs: &[Proof]) -> bool {
    let mut classes: Vec<Class> = proofs
        .iter()
        .flat_map(|proof| proof.means.classes())
        .copied()
        .collect();
    classes.sort();
    classes.dedup();
    classes.len() >= 2
}

fn adds_to(own: &[Proof], proof: &Proof) -> bool {
    let has = |class: &Class| own.iter().any(|own| own.means.classes().contains(class));
    !proof.means.classes().iter().all(has)
}

impl Person {
    pub fn gets(&mut self, thing: Thing) {
        self.editions += 1;
        self.has.insert(thing, self.editions);
    }

    pub fn loses(&mut self, thing: Thing) {
        self.has.remove(&thing);
    }

    pub fn has(&self, thing: Thing) -> bool {
        self.has.contains_key(&thing)
    }
}

impl Model {
    fn is_live(&self, proof: &Proof) -> bool {
        let person = &self.people[proof.who];
        !person.disabled && person.has.get(&proof.means.thing()) == Some(&proof.edition)
    }

    /// The session of the browser, if it could answer anybody at all.
    pub fn live_session(&self, browser: usize, now: Instant) -> Option<&Session> {
        let session = self.browsers[browser].session.as_ref()?;
        let lives = !session.over
            && now - session.began < self.policy.absolute
            && now - session.used < self.policy.idle
            && session.proofs.iter().all(|proof| self.is_live(proof));
        lives.then_some(session)
    }

    fn max_age(&self, wish: Wish) -> Option<i64> {
        let policy = match wish.party {
            Party::Entra => Some(self.policy.entra),
            Party::Shop => Some(self.policy.shop),
            Party::Account => None,
            Party::Change => Some(CHANGE),
        };
        // A request may ask for fresher proofs than the policy does, never for older ones.
        match (policy, wish.at_most) {
            (Some(policy), Some(asked)) => Some(policy.min(asked)),
            (policy, asked) => policy.or(asked),
        }
    }

    fn is_fresh(&self, wish: Wish, proof: &Proof, now: Instant) -> bool {
        self.max_age(wish).is_none_or(|most| now - proof.at <= most)
    }

    /// Whether the request itself says that a fresh sign-in is wanted.
    fn wants_fresh(&self, browser: usize, wish: Wish, now: Instant) -> bool {
        let reused = self.browsers[browser].reused.get(&wish.party);
        let again = reused.is_some_and(|&at| now - at < AGAIN);
        let session = self.live_session(browser, now);
        let old = session.is_some_and(|session| {
            let mut proofs = session.proofs.iter();
            proofs.any(|proof| now - proof.at > AGAIN_OLDER)
        });
        wish.fresh || (again && old)
    }

    /// The proofs of the browser's session that need not be made again for `wish`: of one
    /// that is too old as a whole. One that is not answers, or is not asked.
    fn carried(&self, browser: usize, wish: Wish, fresh: bool, now: Instant) -> Vec<Proof> {
        let Some(session) = self.live_session(browser, now).filter(|_| !fresh) else {
            return Vec::new();
        };
        // What was done to the account is told after two new proofs.
        let is_named = wish.names.is_none_or(|who| who == session.who);
        if !is_named || self.people[session.who].to_be_told {
            return Vec::new();
        }
        let proofs = session.proofs.iter().copied();
        let kept: Vec<Proof> = proofs
            .filter(|proof| self.is_fresh(wish, proof, now))
            .collect();
        if kept.len() < session.proofs.len() {
            kept
        } else {
            Vec::new()
        }
    }

    /// All that counts in an attempt: what was proved in it, and what the same person's
    /// session still has.
    fn counting(&self, browser: usize, attempt: &Attempt, now: Instant) -> Vec<Proof> {
        let mut proofs = attempt.proofs.clone();
        let who = proofs.first().map(|proof| proof.who);
        let mut carried = self.carried(browser, attempt.wish, attempt.fresh, now);
        carried.retain(|proof| who.is_none_or(|who| who == proof.who));
        proofs.append(&mut carried);
        proofs
    }

    /// The session that was never ended, also if it is too old: the browser has its cookie.
    fn line(&self, browser: usize) -> Option<usize> {
        let session = self.browsers[browser].session.as_ref()?;
        (!session.over).then_some(session.line)
    }

    /// How many of the `trips`, oldest first, followed each other one by one until `asked`.
    fn rounds_before(trips: &[&Answered], asked: Instant) -> usize {
        let until = |last: usize| (trips[last].at <= asked).then_some(last);
        let ends = (0..trips.len()).filter_map(until);
        let rows = ends.map(|last| 1 + Self::rounds_before(&trips[..last], trips[last].asked));
        rows.max().unwrap_or(0)
    }

    /// `asked`: when the party asked. A circle is in one browser and serial: each answer was
    /// there before the party asked for the next one.
    fn runs_in_circles(
        &self,
        browser: usize,
        who: usize,
        wish: Wish,
        asked: Instant,
        now: Instant,
    ) -> bool {
        let line = self.line(browser);
        let is_lately = |trip: &&Answered| {
            (trip.who, trip.party, Some(trip.line)) == (who, wish.party, line)
                && now - trip.at < ROUND_TRIPS_IN
        };
        let lately: Vec<&Answered> = self.answered.iter().filter(is_lately).collect();
        !wish.is_own_page() && Self::rounds_before(&lately, asked) >= ROUND_TRIPS
    }

    fn asks(proofs: &[Proof]) -> Asks {
        let knows = proofs
            .iter()
            .any(|proof| proof.means.classes().contains(&Class::Knowledge));
        match proofs.first().map(|proof| proof.who) {
            None => Asks::Everything,
            Some(who) if knows => Asks::Second(who),
            Some(who) => Asks::Password(who),
        }
    }

    /// Somebody asks for a token (or a page of the own account).
    pub fn request(&mut self, browser: usize, wish: Wish, now: Instant) -> Expect {
        let fresh = self.wants_fresh(browser, wish, now);
        // Nobody answers for somebody else.
        let session = self
            .live_session(browser, now)
            .filter(|session| !fresh && wish.names.is_none_or(|who| who == session.who));
        let whole = session.filter(|session| {
            let mut proofs = session.proofs.iter();
            proofs.all(|proof| self.is_fresh(wish, proof, now))
        });
        // What was done to the account is told first, after a new proof.
        let told = whole
            .filter(|session| wish.is_own_page() || !self.people[session.who].to_be_told)
            .map(|session| Told {
                who: session.who,
                proofs: session.proofs.clone(),
                began: session.began,
                resumed: true,
            });
        let carried = self.carried(browser, wish, fresh, now);
        self.browsers[browser].attempt = None;
        if let Some(told) = told {
            if self.runs_in_circles(browser, told.who, wish, now, now) {
                return Expect::Stopped;
            }
            let there = &mut self.browsers[browser];
            if !wish.is_own_page() {
                there.reused.insert(wish.party, now);
                if let Some(session) = &mut there.session {
                    session.used = now;
                    self.answered.push(Answered {
                        who: told.who,
                        party: wish.party,
                        asked: now,
                        at: now,
                        line: session.line,
                    });
                }
            }
            return Expect::Answer(vec![told]);
        }
        if wish.passive {
            return Expect::NoPassive;
        }
        self.browsers[browser].attempt = Some(Attempt {
            wish,
            began: now,
            fresh,
            proofs: Vec::new(),
            of: None,
            over: false,
            shaken: false,
        });
        Expect::Asks(Self::asks(&carried))
    }

    /// The attempt of the browser, if something can still be proved in it.
    pub fn open(&self, browser: usize, now: Instant) -> Option<&Attempt> {
        let attempt = self.browsers[browser].attempt.as_ref()?;
        let in_time = !attempt.over && now - attempt.began < ATTEMPT;
        // What was proved with something that was taken away meanwhile: begin anew.
        let stands = attempt.proofs.iter().all(|proof| self.is_live(proof));
        (in_time && stands).then_some(attempt)
    }

    /// Whoever is asked for a second factor there says to be somebody else: everything begins
    /// anew, and of the session nothing counts.
    pub fn not_me(&mut self, browser: usize) -> Expect {
        if let Some(attempt) = &mut self.browsers[browser].attempt {
            attempt.proofs.clear();
            attempt.of = None;
            attempt.fresh = true;
            attempt.wish.names = None;
        }
        Expect::Asks(Asks::Everything)
    }

    /// Whether a recovery code of `who` opens anything there: only after the password, given
    /// there.
    pub fn takes_recovery_code(&self, browser: usize, who: usize, now: Instant) -> bool {
        let is_password = |proof: &Proof| proof.who == who && proof.means == Means::Password;
        let attempt = self.open(browser, now);
        let attempt = attempt.filter(|attempt| !attempt.shaken && !self.people[who].disabled);
        attempt.is_some_and(|attempt| attempt.proofs.iter().any(is_password))
    }

    /// A pass was issued: sessions are over, and what was begun begins anew.
    pub fn pass_issued(&mut self, who: usize) {
        for there in &mut self.browsers {
            if let Some(session) = there.session.as_mut().filter(|it| it.who == who) {
                session.over = true;
                if let Some(attempt) = &mut there.attempt {
                    attempt.shaken |= attempt.proofs.is_empty() && !attempt.fresh;
                }
            }
            if let Some(attempt) = &mut there.attempt
                && attempt.proofs.first().is_some_and(|proof| proof.who == who)
            {
                attempt.proofs.clear();
                attempt.of = Some(who);
            }
        }
        self.people[who].to_be_told = true;
    }

    /// A method was set up there by a pass or a recovery code, neither of which is a proof, nor
    /// is the code that confirmed it: everything is proved anew, and nothing is carried over.
    pub fn enrolled(&mut self, browser: usize, who: usize) -> Expect {
        if let Some(attempt) = &mut self.browsers[browser].attempt {
            attempt.proofs.clear();
            attempt.of = Some(who);
            attempt.fresh = true;
        }
        self.people[who].to_be_told = true;
        Expect::Asks(Asks::Everything)
    }

    /// What is asked for there now.
    pub fn asked(&self, browser: usize, now: Instant) -> Option<Asks> {
        let attempt = self.open(browser, now)?;
        Some(Self::asks(&self.counting(browser, attempt, now)))
    }

    /// Who alone can go on there: who proved something in it; or whose password the session
    /// still has, because then nobody types a name.
    pub fn person_of(&self, browser: usize, now: Instant) -> Option<usize> {
        let attempt = self.open(browser, now)?;
        if attempt.of.is_some() {
            return attempt.of;
        }
        match (attempt.proofs.first(), self.asked(browser, now)) {
            (Some(proof), _) => Some(proof.who),
            (None, Some(Asks::Second(who))) => Some(who),
            _ => None,
        }
    }

    /// `who` gives something there, and it is right.
    pub fn prove(&mut self, browser: usize, who: usize, means: Means, now: Instant) -> Expect {
        let nothing = Expect::Asks(Asks::Whatever);
        let Some(&edition) = self.people[who].has.get(&means.thing()) else {
            return nothing;
        };
        let first = self.person_of(browser, now);
        if self.open(browser, now).is_none()
            || self.people[who].disabled
            || first.is_some_and(|first| first != who)
        {
            return nothing;
        }
        let Some(attempt) = self.browsers[browser].attempt.as_mut() else {
            return nothing;
        };
        if attempt.shaken {
            attempt.over = true;
            return nothing;
        }
        attempt.proofs.push(Proof {
            who,
            means,
            edition,
            at: now,
        });
        let attempt = attempt.clone();
        let own = &attempt.proofs;
        let all = self.counting(browser, &attempt, now);
        let told = |proofs: Vec<Proof>, began| Told {
            who,
            proofs,
            began,
            resumed: false,
        };
        let mut answers = Vec::new();
        if is_two_classes(own) {
            answers.push(told(own.clone(), now));
        } else if is_two_classes(&all) {
            // Stepping up makes no session live longer.
            let session = self.browsers[browser].session.as_ref();
            let began = session.map_or(now, |session| session.began);
            // What adds nothing need not be counted.
            let adding = |proof: &&Proof| own.contains(proof) || adds_to(own, proof);
            let needed = all.iter().filter(adding).copied().collect();
            answers.push(told(needed, began));
            answers.push(told(all, began));
        } else {
            return Expect::Asks(Self::asks(&all));
        }
        if self.runs_in_circles(browser, who, attempt.wish, attempt.began, now) {
            self.browsers[browser].attempt = None;
            return Expect::Stopped;
        }
        Expect::Answer(answers)
    }

    /// What was proved there is answered: a new session, and the one before is over.
    pub fn settle(&mut self, browser: usize, told: &Told, now: Instant) {
        self.people[told.who].to_be_told = false;
        self.lines += 1;
        let line = self.line(browser).unwrap_or(self.lines);
        let there = &mut self.browsers[browser];
        if let Some(attempt) = there.attempt.take() {
            // New proofs of everything are what whoever asked again wanted. An answer that
            // rests on a session in part is one out of a session.
            if told.proofs.len() == attempt.proofs.len() {
                there.reused.clear();
            }
            if told.proofs.len() > attempt.proofs.len() {
                there.reused.insert(attempt.wish.party, now);
            }
            if !attempt.wish.is_own_page() {
                self.answered.push(Answered {
                    who: told.who,
                    party: attempt.wish.party,
                    asked: attempt.began,
                    at: now,
                    line,
                });
            }
        }
        there.session = Some(Session {
            who: told.who,
            proofs: told.proofs.clone(),
            began: told.began,
            used: now,
            over: false,
            line,
            indexes: BTreeMap::new(),
        });
    }

    pub fn sign_out(&mut self, browser: usize) {
        if let Some(session) = &mut self.browsers[browser].session {
            session.over = true;
        }
    }

    /// All that the person has begun or has open is over.
    pub fn end(&mut self, who: usize) {
        for there in &mut self.browsers {
            let is_of = |session: &&mut Session| session.who == who && !session.over;
            let ended = there.session.as_mut().filter(is_of);
            let ended = ended.map(|session| session.over = true).is_some();
            if let Some(attempt) = &mut there.attempt {
                match attempt.proofs.first() {
                    Some(proof) => attempt.over |= proof.who == who,
                    None => attempt.shaken |= ended && !attempt.fresh,
                }
            }
        }
    }

    /// Instants at which something changes by itself: where faults by one second live.
    pub fn edges(&self) -> Vec<Instant> {
        let mut edges = Vec::new();
        for browser in &self.browsers {
            for proof in browser.session.iter().flat_map(|session| &session.proofs) {
                for age in [self.policy.entra, self.policy.shop, CHANGE, 4 * MINUTE] {
                    edges.push(proof.at + age);
                }
            }
            if let Some(session) = &browser.session {
                edges.push(session.used + self.policy.idle);
                edges.push(session.began + self.policy.absolute);
            }
            edges.extend(browser.reused.values().map(|at| at + AGAIN));
            edges.extend(
                browser
                    .attempt
                    .iter()
                    .map(|attempt| attempt.began + ATTEMPT),
            );
        }
        let answers = self.answered.iter().rev().take(ROUND_TRIPS);
        edges.extend(answers.map(|answered| answered.at + ROUND_TRIPS_IN));
        edges
    }
}
