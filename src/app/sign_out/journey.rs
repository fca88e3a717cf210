//! Whom a sign-out has reached and whom it asks next: pure, without clock and database.
//!
//! Always true: one party is asked at a time; a party that was asked is settled once; nothing
//! says "signed out" of a party but its own answer.

use serde::{Deserialize, Serialize};

use crate::{
    protocol::saml::logout::{outgoing::LogoutStatus, response::LogoutOutcome},
    storage::Told,
};

/// Who began it, and what is owed to them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Initiator {
    /// The person, here.
    Person(Scope),
    /// A SAML party: its request is answered.
    Saml {
        /// Its entity id.
        relying_party: String,
        /// The request.
        request_id: String,
        /// Goes back with the answer.
        relay_state: Option<String>,
        /// The issuer that answers.
        issuer: String,
    },
    /// A WS-Federation party: the browser goes back to it.
    WsFed {
        /// A listed address, if one was named.
        reply: Option<String>,
    },
}

/// What of the person's sessions was ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// This browser's.
    Here,
    /// All of them.
    Everywhere,
    /// This browser's; all of them were asked for, but it could not speak for the others any
    /// more. In [`Journey::wider`] only.
    OthersNot,
    /// All that began before this browser's ended, with what followed on them in the same browsers;
    /// another began since. In [`Journey::wider`] only.
    Earlier,
}

/// A party that the session told something.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Stop {
    pub(super) relying_party: String,
    /// What people call it.
    pub(super) name: String,
    pub(super) way: Way,
    pub(super) state: StopState,
}

/// How a party can be asked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Way {
    /// By a SAML LogoutRequest that repeats this.
    Saml {
        issuer: String,
        name_id: String,
        session_index: String,
    },
    /// By this address in a frame; it cannot answer.
    Frame(String),
    /// Not at all: it has no address for it.
    None,
}

/// How far a party is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StopState {
    /// Its turn comes.
    Waiting,
    /// It was asked by the request of this id. `shown`: the browser was sent there once.
    Asked { request_id: String, shown: bool },
    /// What is known of it now.
    Settled(Known),
}

/// What is known of a party at the end.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// It said that it signed the person out.
    Ended,
    /// It said so, but not of all that it speaks for.
    Partly,
    /// It said that it did not.
    Refused,
    /// The person went on without its answer.
    NoAnswer,
    /// It was asked in a frame; that cannot be confirmed.
    Asked,
    /// It has no address to ask at.
    CannotBeAsked,
    /// It sent the browser here to sign out: what it did itself, it did not say.
    Began,
}

impl Known {
    /// The spelling in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "signed-out",
            Self::Partly => "partly",
            Self::Refused => "refused",
            Self::NoAnswer => "no-answer",
            Self::Asked => "asked",
            Self::CannotBeAsked => "cannot-be-asked",
            Self::Began => "began-it",
        }
    }
}

impl From<LogoutOutcome> for Known {
    fn from(outcome: LogoutOutcome) -> Self {
        match outcome {
            LogoutOutcome::Ended => Self::Ended,
            LogoutOutcome::Partly => Self::Partly,
            LogoutOutcome::Refused => Self::Refused,
        }
    }
}

/// A sign-out of a session that is over.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Journey {
    pub(super) initiator: Initiator,
    pub(super) stops: Vec<Stop>,
    /// What came of "everywhere", if that was pressed meanwhile or could not be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) wider: Option<Scope>,
    /// Where a WS-Federation party that came meanwhile wishes the browser to go: a listed address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) back: Option<String>,
}

impl Stop {
    /// A party that the session told something, and how it can be asked.
    pub(super) fn new(relying_party: String, name: String, way: Way) -> Self {
        let state = match way {
            Way::None => StopState::Settled(Known::CannotBeAsked),
            Way::Saml { .. } | Way::Frame(_) => StopState::Waiting,
        };
        Self {
            relying_party,
            name,
            way,
            state,
        }
    }

    /// A WS-Federation party that began the sign-out: not asked, and not left out. Anybody can
    /// name it (`wtrealm`), so what it did is not known.
    pub(super) fn that_began(relying_party: String, name: String) -> Self {
        Self {
            relying_party,
            name,
            way: Way::None,
            state: StopState::Settled(Known::Began),
        }
    }
}

/// What a LogoutRequest must repeat.
pub(super) fn saml_way(told: &Told, session_index: &str) -> Way {
    Way::Saml {
        issuer: told.issuer.clone(),
        name_id: told.name_id.clone(),
        session_index: session_index.to_owned(),
    }
}

impl Journey {
    /// What was ended.
    pub(super) fn scope(&self) -> Scope {
        self.wider.unwrap_or(match self.initiator {
            Initiator::Person(scope) => scope,
            Initiator::Saml { .. } | Initiator::WsFed { .. } => Scope::Here,
        })
    }

    /// Whether nobody is answered at the end, or led back to, so far.
    pub(super) fn leads_nowhere(&self) -> bool {
        let is_owed = match &self.initiator {
            Initiator::Person(_) => false,
            Initiator::WsFed { reply } => reply.is_some(),
            Initiator::Saml { .. } => true,
        };
        !is_owed && self.back.is_none()
    }

    /// The id of the request that waits for its answer.
    pub(super) fn asking(&self) -> Option<&str> {
        self.stops.iter().find_map(|stop| match &stop.state {
            StopState::Asked { request_id, .. } => Some(request_id.as_str()),
            _ => None,
        })
    }

    /// The party that is asked now.
    pub(super) fn asked(&self) -> Option<&Stop> {
        self.stops
            .iter()
            .find(|stop| matches!(stop.state, StopState::Asked { .. }))
    }

    /// Asks the next party that can be asked over SAML, if none is being asked.
    pub(super) fn advance(&mut self, request_id: String) {
        if self.asked().is_some() {
            return;
        }
        let next = self
            .stops
            .iter_mut()
            .find(|stop| stop.state == StopState::Waiting && matches!(stop.way, Way::Saml { .. }));
        if let Some(stop) = next {
            stop.state = StopState::Asked {
                request_id,
                shown: false,
            };
        }
    }

    /// The browser is sent to the party that is asked; whether that is the first time.
    pub(super) fn show(&mut self) -> bool {
        for stop in &mut self.stops {
            if let StopState::Asked { shown, .. } = &mut stop.state {
                return !std::mem::replace(shown, true);
            }
        }
        false
    }

    /// Writes down what is known of the party that is asked; its entity id.
    pub(super) fn settle(&mut self, known: Known) -> Option<String> {
        let asked = self
            .stops
            .iter_mut()
            .find(|stop| matches!(stop.state, StopState::Asked { .. }))?;
        asked.state = StopState::Settled(known);
        Some(asked.relying_party.clone())
    }

    /// The frames are shown; the entity ids of those that are asked by it.
    pub(super) fn settle_frames(&mut self) -> Vec<String> {
        let framed = self
            .stops
            .iter_mut()
            .filter(|stop| stop.state == StopState::Waiting && matches!(stop.way, Way::Frame(_)));
        framed
            .map(|stop| {
                stop.state = StopState::Settled(Known::Asked);
                stop.relying_party.clone()
            })
            .collect()
    }

    /// The addresses for frames.
    pub(super) fn frames(&self) -> Vec<String> {
        let ways = self.stops.iter().map(|stop| &stop.way);
        ways.filter_map(|way| match way {
            Way::Frame(address) => Some(address.clone()),
            _ => None,
        })
        .collect()
    }

    /// Each party by name, with what is known of it.
    pub(super) fn known(&self) -> Vec<(String, Known)> {
        self.stops
            .iter()
            .map(|stop| {
                let known = match &stop.state {
                    StopState::Settled(known) => *known,
                    StopState::Waiting | StopState::Asked { .. } => Known::NoAnswer,
                };
                (stop.name.clone(), known)
            })
            .collect()
    }

    /// What a party is told that asked: only who said so is signed out.
    pub(super) fn status(&self) -> LogoutStatus {
        self.status_for(None)
    }

    /// The same for a party that may be one of those that are asked: what it did itself it knows.
    pub(super) fn status_for(&self, party: Option<&str>) -> LogoutStatus {
        let all_ended = self
            .stops
            .iter()
            .filter(|stop| Some(stop.relying_party.as_str()) != party)
            .all(|stop| stop.state == StopState::Settled(Known::Ended));
        if all_ended {
            LogoutStatus::Ended
        } else {
            LogoutStatus::Partly
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(name: &str, way: Way) -> Stop {
        Stop::new(format!("urn:{name}"), name.to_owned(), way)
    }

    fn saml(name: &str) -> Stop {
        let way = Way::Saml {
            issuer: "urn:us".to_owned(),
            name_id: "id".to_owned(),
            session_index: "_s".to_owned(),
        };
        stop(name, way)
    }

    fn journey(stops: Vec<Stop>) -> Journey {
        Journey {
            initiator: Initiator::Person(Scope::Here),
            stops,
            wider: None,
            back: None,
        }
    }

    #[test]
    fn one_party_is_asked_at_a_time_and_settled_once() {
        let mut journey = journey(vec![saml("a"), stop("n", Way::None), saml("b")]);
        journey.advance("_1".to_owned());
        assert_eq!(journey.asking(), Some("_1"));
        journey.advance("_2".to_owned());
        assert_eq!(journey.asking(), Some("_1"), "a is asked still");
        assert!(journey.show());
        assert!(!journey.show(), "the browser was there");
        assert_eq!(journey.settle(Known::Ended).as_deref(), Some("urn:a"));
        assert_eq!(journey.settle(Known::Refused), None, "nobody is asked");
        journey.advance("_2".to_owned());
        assert_eq!(journey.settle(Known::NoAnswer).as_deref(), Some("urn:b"));
        journey.advance("_3".to_owned());
        assert_eq!(journey.asking(), None);
        let known: Vec<Known> = journey
            .known()
            .into_iter()
            .map(|(_, known)| known)
            .collect();
        assert_eq!(known, [Known::Ended, Known::CannotBeAsked, Known::NoAnswer]);
        assert_eq!(journey.status(), LogoutStatus::Partly);
    }

    #[test]
    fn only_a_party_s_own_answer_makes_the_whole_a_success() {
        assert_eq!(journey(Vec::new()).status(), LogoutStatus::Ended);
        for (known, status) in [
            (Known::Ended, LogoutStatus::Ended),
            (Known::Partly, LogoutStatus::Partly),
            (Known::Refused, LogoutStatus::Partly),
            (Known::NoAnswer, LogoutStatus::Partly),
        ] {
            let mut journey = journey(vec![saml("a")]);
            assert_eq!(journey.status(), LogoutStatus::Partly);
            journey.advance("_1".to_owned());
            journey.settle(known);
            assert_eq!(journey.status(), status, "{known:?}");
        }
        let frame = "https://rp.example.com/?wa=wsignoutcleanup1.0".to_owned();
        let mut journey = journey(vec![stop("w", Way::Frame(frame.clone()))]);
        assert_eq!(journey.frames(), std::slice::from_ref(&frame));
        assert_eq!(journey.settle_frames(), ["urn:w"]);
        assert!(journey.settle_frames().is_empty());
        assert_eq!(
            journey.frames(),
            [frame],
            "also when the page is loaded again"
        );
        assert_eq!(journey.known(), [("w".to_owned(), Known::Asked)]);
        assert_eq!(journey.status(), LogoutStatus::Partly);
    }
}
