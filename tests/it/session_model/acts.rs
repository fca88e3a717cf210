//! What can happen, as plain data: each act can be tried in any state (where it makes no
//! sense nothing is done), so that a failing order can be shortened by leaving acts out.

use rand_chacha::ChaCha8Rng;
use rand_core::RngCore as _;

use super::rules::{Asks, HOUR, Instant, MINUTE, Model, Party, SECOND, Wish};

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
    SignOut {
        browser: usize,
    },
    SignOutEverywhere {
        browser: usize,
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
    /// The person removes a method from another browser, or adds it again.
    Generator {
        who: usize,
    },
    SecurityKey {
        who: usize,
    },
    /// A new node takes over: what was revoked stays so.
    Restart,
    /// Cookies of a session that is over, in a browser of their own.
    OldCookies {
        pick: usize,
        party: Party,
    },
}

pub struct Draw(pub ChaCha8Rng);

impl Draw {
    fn below(&mut self, limit: u32) -> u32 {
        self.0.next_u32() % limit
    }

    fn index(&mut self, limit: usize) -> usize {
        self.below(u32::try_from(limit).unwrap()) as usize
    }

    fn one_in(&mut self, many: u32) -> bool {
        self.below(many) == 0
    }

    fn wish(&mut self) -> Wish {
        let party = match self.below(10) {
            0..=3 => Party::Entra,
            4..=6 => Party::Shop,
            7..=8 => Party::Account,
            _ => Party::Change,
        };
        let asks = matches!(party, Party::Entra | Party::Shop);
        Wish {
            party,
            fresh: asks && self.one_in(8),
            passive: asks && self.one_in(8),
            at_most: None,
        }
    }

    fn wait(&mut self) -> i64 {
        match self.below(12) {
            0..=3 => i64::from(self.below(60)) * SECOND,
            4..=5 => i64::from(self.below(4)) * MINUTE,
            6..=8 => i64::from(self.below(12)) * MINUTE,
            9 => 16 * MINUTE,
            10 => 41 * MINUTE,
            _ => i64::from(self.below(30)) * HOUR,
        }
    }

    /// Most acts go on with what was begun, so that the walk gets somewhere.
    pub fn act(&mut self, model: &Model, now: Instant) -> Act {
        let browser = self.index(model.browsers.len());
        let anybody = self.index(model.people.len());
        if self.below(10) < 6 {
            if let Some(asks) = model.asked(browser, now) {
                return self.go_on(model, browser, asks, anybody);
            }
            return Act::Ask {
                browser,
                wish: self.wish(),
            };
        }
        let who = anybody;
        match self.below(43) {
            0..=6 => Act::Wait(self.wait()),
            7..=13 => Act::Edge {
                pick: self.0.next_u32(),
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
            20..=21 => Act::SignOut { browser },
            22 => Act::SignOutEverywhere { browser },
            23 => Act::EndSessions { who },
            24..=25 => Act::EndSession { browser },
            26 => Act::NewPassword { who },
            27 => Act::OwnNewPassword { browser },
            28..=29 => Act::Disable { who },
            30..=33 => Act::Enable { who },
            34..=35 => Act::Generator { who },
            36..=37 => Act::SecurityKey { who },
            38 => Act::Restart,
            _ => Act::OldCookies {
                pick: self.index(1_000),
                party: [Party::Entra, Party::Shop, Party::Account][self.index(3)],
            },
        }
    }

    fn go_on(&mut self, model: &Model, browser: usize, asks: Asks, anybody: usize) -> Act {
        // Mostly whoever the attempt is of; sometimes somebody else tries.
        let who = match model.person_of(browser) {
            Some(who) if !self.one_in(8) => who,
            _ => anybody,
        };
        let way = self.below(8);
        let verified = way.is_multiple_of(2);
        match (asks, way) {
            (Asks::Everything, 0..=2) | (Asks::Second(_), 0..=2) | (Asks::Password(_), 0) => {
                Act::Key {
                    browser,
                    who,
                    verified,
                }
            }
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
