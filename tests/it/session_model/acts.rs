//! What can happen, as plain data: each act can be tried in any state (where it makes no
//! sense nothing is done), so that a failing order can be shortened by leaving acts out.

use rand_chacha::ChaCha8Rng;
use rand_core::RngCore as _;

use super::rules::{Asks, Door, HOUR, Instant, MINUTE, Model, Party, SECOND, Wish};

#[derive(Clone, Debug)]
pub enum Act {
    Wait(i64),
    /// To an instant at which something changes by itself, and so much past it.
    Edge {
        pick: u32,
        past: i64,
    },
    Ask {
        browser: usize,
        wish: Wish,
    },
    Password {
        browser: usize,
        who: usize,
        right: bool,
    },
    Code {
        browser: usize,
        which: usize,
        right: bool,
    },
    Key {
        browser: usize,
        who: usize,
        verified: bool,
    },
    /// A new temporary access pass, typed there; a method is set up by it.
    Pass {
        browser: usize,
        who: usize,
    },
    /// A recovery code, typed there: perhaps after a password that the page did not ask for.
    RecoveryCode {
        browser: usize,
        who: usize,
        forges: bool,
    },
    /// Whoever is asked for a second factor is somebody else.
    NotMe {
        browser: usize,
    },
    SignOut {
        browser: usize,
    },
    SignOutEverywhere {
        browser: usize,
    },
    /// The service provider sends the browser with a request to sign out: of the session that
    /// it was told of, or of another one.
    PartySignsOut {
        browser: usize,
        right: bool,
    },
    /// Entra sends the browser with `wsignout1.0`, or has it ask in a frame.
    EntraSignsOut {
        browser: usize,
        framed: bool,
    },
    /// An operator ends a person's sessions.
    EndSessions {
        who: usize,
    },
    /// The person ends the session of one browser from another one.
    EndSession {
        browser: usize,
    },
    NewPassword {
        who: usize,
    },
    OwnNewPassword {
        browser: usize,
    },
    Disable {
        who: usize,
    },
    Enable {
        who: usize,
    },
    /// The person removes a method from another browser, or adds it again; and perhaps reads
    /// there what is said of it.
    Generator {
        who: usize,
        read: bool,
    },
    SecurityKey {
        who: usize,
        read: bool,
    },
    /// A new node takes over: what was revoked stays so.
    Restart,
    /// Cookies of a session that is over, in a browser of their own.
    OldCookies {
        back: usize,
        party: Party,
    },
}

pub struct Draw {
    random: ChaCha8Rng,
    /// Something is about to change, or just did: a good time to ask.
    at_an_edge: bool,
    /// A session was just ended: a good time to try its cookies.
    at_a_grave: bool,
    /// What happens next, the last first: chance alone seldom hits on these orders.
    planned: Vec<Act>,
}

impl Draw {
    pub fn new(random: ChaCha8Rng) -> Self {
        Self {
            random,
            at_an_edge: false,
            at_a_grave: false,
            planned: Vec::new(),
        }
    }

    fn below(&mut self, limit: u32) -> u32 {
        self.random.next_u32() % limit
    }

    fn index(&mut self, limit: usize) -> usize {
        self.below(u32::try_from(limit).unwrap()) as usize
    }

    fn one_in(&mut self, many: u32) -> bool {
        self.below(many) == 0
    }

    fn wish(&mut self) -> Wish {
        let (party, door) = match self.below(12) {
            0..=2 => (Party::Entra, Door::Saml),
            3..=5 => (Party::Entra, Door::WsFed),
            6..=8 => (Party::Shop, Door::Saml),
            9..=10 => (Party::Account, Door::Pages),
            _ => (Party::Change, Door::Pages),
        };
        let minutes = [1, 4, 14, 600][self.index(4)];
        Wish {
            party,
            door,
            fresh: door != Door::Pages && self.one_in(8),
            passive: door == Door::Saml && self.one_in(8),
            at_most: (door == Door::WsFed && self.one_in(2)).then_some(minutes * MINUTE),
            names: (door != Door::Pages && self.one_in(6)).then(|| self.index(2)),
        }
    }

    fn wait(&mut self) -> i64 {
        match self.below(12) {
            0..=2 => i64::from(self.below(60)) * SECOND,
            3..=5 => i64::from(self.below(4)) * MINUTE,
            6..=9 => i64::from(self.below(12)) * MINUTE,
            10 if self.one_in(2) => 16 * MINUTE,
            10 => 31 * MINUTE,
            _ => i64::from(self.below(30)) * HOUR,
        }
    }

    pub fn act(&mut self, model: &Model, now: Instant) -> Act {
        if self.planned.is_empty() && self.one_in(20) {
            self.plan(model);
        }
        let planned = self.planned.pop();
        let act = planned.unwrap_or_else(|| self.any_act(model, now));
        self.at_an_edge = matches!(act, Act::Edge { .. });
        self.at_a_grave = matches!(
            act,
            Act::SignOut { .. }
                | Act::SignOutEverywhere { .. }
                | Act::PartySignsOut { .. }
                | Act::EntraSignsOut { .. }
                | Act::EndSessions { .. }
                | Act::EndSession { .. }
                | Act::NewPassword { .. }
                | Act::OwnNewPassword { .. }
                | Act::Disable { .. }
        );
        act
    }

    /// A slow sign-in and what follows when a part of it has aged; or a session that is used
    /// again and again until it is over.
    fn plan(&mut self, model: &Model) {
        let browser = self.index(model.browsers.len());
        let who = self.index(model.people.len());
        let ask = |party, door, fresh, at_most| Act::Ask {
            browser,
            wish: Wish {
                party,
                door,
                fresh,
                passive: false,
                at_most,
                names: None,
            },
        };
        let shop = |fresh| ask(Party::Shop, Door::Saml, fresh, None);
        let entra = ask(Party::Entra, Door::WsFed, false, None);
        let password = |who| Act::Password {
            browser,
            who,
            right: true,
        };
        let begin = [Act::Enable { who }, shop(true)];
        let verified = Act::Key {
            browser,
            who,
            verified: true,
        };
        let minutes = |minutes: i64| Act::Wait(minutes * MINUTE);
        let mut plan = begin.to_vec();
        match self.below(5) {
            0 => {
                let slow = 2 + i64::from(self.below(10));
                let next = if self.one_in(3) {
                    self.index(model.people.len())
                } else {
                    who
                };
                plan.extend([
                    password(who),
                    minutes(slow),
                    Act::Code {
                        browser,
                        which: 0,
                        right: true,
                    },
                    minutes(15 - slow),
                    entra,
                    password(next),
                    minutes(10),
                    shop(false),
                    minutes(10),
                    shop(false),
                ]);
            }
            1 => {
                plan.push(verified);
                for _ in 0..3 {
                    plan.extend([minutes(12), shop(false)]);
                }
            }
            2 => {
                // Only the code is asked: by a recovery code to a generator of one's own.
                plan.extend([
                    password(who),
                    minutes(1),
                    Act::Code {
                        browser,
                        which: 0,
                        right: true,
                    },
                    Act::Wait(14 * MINUTE + 30 * SECOND),
                    entra.clone(),
                    password(who),
                    minutes(4),
                    entra,
                    Act::RecoveryCode {
                        browser,
                        who,
                        forges: true,
                    },
                    password(who),
                ]);
            }
            3 => {
                // A circle.
                plan.push(verified);
                for _ in 0..3 {
                    plan.extend([Act::Wait(i64::from(self.below(9)) * SECOND), shop(false)]);
                }
            }
            _ => {
                let long = Some(10 * HOUR);
                let entra = ask(Party::Entra, Door::WsFed, false, long);
                plan.extend([verified, minutes(16), entra]);
            }
        }
        plan.reverse();
        self.planned = plan;
    }

    fn old_cookies(&mut self) -> Act {
        Act::OldCookies {
            // Mostly the last ones.
            back: self.index(3),
            party: [Party::Entra, Party::Shop, Party::Account][self.index(3)],
        }
    }

    /// Most acts go on with what was begun, so that the walk gets somewhere.
    fn any_act(&mut self, model: &Model, now: Instant) -> Act {
        let browser = self.index(model.browsers.len());
        let anybody = self.index(model.people.len());
        if self.at_a_grave && self.one_in(2) {
            return self.old_cookies();
        }
        if self.at_an_edge && self.below(4) > 0 {
            let mut wish = self.wish();
            (wish.fresh, wish.passive) = (false, false);
            return Act::Ask { browser, wish };
        }
        if self.below(10) < 6 {
            if let Some(asks) = model.asked(browser, now) {
                return self.go_on(model, browser, asks, anybody, now);
            }
            return Act::Ask {
                browser,
                wish: self.wish(),
            };
        }
        let who = anybody;
        match self.below(45) {
            0..=6 => Act::Wait(self.wait()),
            7..=13 => Act::Edge {
                pick: self.random.next_u32(),
                past: [-SECOND, 0, SECOND][self.index(3)],
            },
            14..=17 => Act::Ask {
                browser,
                wish: self.wish(),
            },
            18 => Act::Password {
                browser,
                who,
                right: false,
            },
            19 => Act::Code {
                browser,
                which: 0,
                right: false,
            },
            20 => Act::SignOut { browser },
            21 if self.one_in(2) => Act::EntraSignsOut {
                browser,
                framed: self.one_in(2),
            },
            21 | 43 | 44 => Act::PartySignsOut {
                browser,
                right: self.one_in(2),
            },
            22 => Act::SignOutEverywhere { browser },
            23 => Act::EndSessions { who },
            24..=25 => Act::EndSession { browser },
            26 => Act::NewPassword { who },
            27 => Act::OwnNewPassword { browser },
            28..=29 => Act::Disable { who },
            30..=33 => Act::Enable { who },
            34..=35 => Act::Generator {
                who,
                read: self.one_in(2),
            },
            36..=37 => Act::SecurityKey {
                who,
                read: self.one_in(2),
            },
            38 => Act::Restart,
            _ => self.old_cookies(),
        }
    }

    fn go_on(
        &mut self,
        model: &Model,
        browser: usize,
        asks: Asks,
        anybody: usize,
        now: Instant,
    ) -> Act {
        // Somebody goes on although the session that the attempt began upon is over.
        let shaken = model.open(browser, now).is_some_and(|it| it.shaken);
        if shaken && self.one_in(2) {
            return Act::Code {
                browser,
                which: 0,
                right: true,
            };
        }
        if let Asks::Second(who) = asks {
            match self.below(24) {
                0..=1 => return Act::NotMe { browser },
                2..=4 => {
                    let forges = self.one_in(2);
                    return Act::RecoveryCode {
                        browser,
                        who,
                        forges,
                    };
                }
                _ => {}
            }
        }
        if self.one_in(30) {
            let who = model.person_of(browser, now).unwrap_or(anybody);
            return Act::Pass { browser, who };
        }
        // Who is slow has proofs of different ages.
        if self.one_in(6) {
            return Act::Wait(i64::from(self.below(10)) * MINUTE);
        }
        // Mostly whoever the attempt is of; sometimes somebody else tries.
        let who = match model.person_of(browser, now) {
            Some(who) if !self.one_in(8) => who,
            _ => anybody,
        };
        let way = self.below(8);
        let verified = way.is_multiple_of(2);
        match (asks, way) {
            (Asks::Everything | Asks::Second(_), 0..=2) | (Asks::Password(_), 0) => Act::Key {
                browser,
                who,
                verified,
            },
            (Asks::Second(_), _) => Act::Code {
                browser,
                which: usize::from(way == 7),
                right: true,
            },
            _ => Act::Password {
                browser,
                who,
                right: true,
            },
        }
    }
}
