//! Which alarms this process told a moment ago: who comes again and again upon an altered row writes
//! one event a minute, and not one for each time.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::base::{clock::Timestamp, ids::UserId};

/// For how long the same alarm is not told again.
const ONCE_IN: Duration = Duration::from_mins(1);

/// What was found altered, and whose it is.
type Alarm = (&'static str, Option<UserId>);

/// The alarms that were told. There are no more than rows that were altered.
#[derive(Debug, Default)]
pub(super) struct Alarms(Mutex<HashMap<Alarm, Timestamp>>);

impl Alarms {
    /// Whether it was told within the last minute.
    pub(super) fn was_told(
        &self,
        what: &'static str,
        user: Option<&UserId>,
        now: Timestamp,
    ) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back silences nothing.
        told.retain(|_, at| *at <= now && now.since(*at) < ONCE_IN);
        told.contains_key(&(what, user.cloned()))
    }

    /// It is written down.
    pub(super) fn told(&self, what: &'static str, user: Option<&UserId>, now: Timestamp) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert((what, user.cloned()), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;

    #[test]
    fn an_alarm_is_told_once_a_minute_and_each_of_another_row_by_itself() {
        let alarms = Alarms::default();
        let (now, user) = (
            Timestamp::from_millis(1_700_000_000_000),
            UserId::random(&mut SystemRandom),
        );
        let one = Some(&user);
        assert!(!alarms.was_told("evidence", one, now));
        alarms.told("evidence", one, now);
        assert!(alarms.was_told("evidence", one, now));
        assert!(!alarms.was_told("session", one, now));
        assert!(!alarms.was_told("evidence", None, now));
        let late = now.plus(ONCE_IN);
        assert!(alarms.was_told("evidence", one, late.minus(Duration::from_millis(1))));
        assert!(!alarms.was_told("evidence", one, late));
        alarms.told("evidence", one, late);
        assert!(
            !alarms.was_told("evidence", one, now),
            "the clock was set back"
        );
    }
}
