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

/// The alarms that were told, or are about to be. There are no more than rows that were altered.
#[derive(Debug, Default)]
pub(super) struct Alarms(Mutex<HashMap<Alarm, Timestamp>>);

/// The right to tell an alarm. Dropped before it is told, also by who hangs up meanwhile, it is
/// anybody's again.
pub(super) struct Mine<'a> {
    alarms: &'a Alarms,
    alarm: Option<Alarm>,
}

impl Alarms {
    /// `None`: somebody told it, or is about to, within the last minute.
    pub(super) fn mine(
        &self,
        what: &'static str,
        user: Option<&UserId>,
        now: Timestamp,
    ) -> Option<Mine<'_>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back silences nothing.
        known.retain(|_, at| *at <= now && now.since(*at) < ONCE_IN);
        let alarm = (what, user.cloned());
        if known.contains_key(&alarm) {
            return None;
        }
        known.insert(alarm.clone(), now);
        Some(Mine {
            alarms: self,
            alarm: Some(alarm),
        })
    }
}

impl Mine<'_> {
    /// It is written down.
    pub(super) fn told(mut self) {
        self.alarm = None;
    }
}

impl Drop for Mine<'_> {
    fn drop(&mut self) {
        if let Some(alarm) = self.alarm.take() {
            let known = self.alarms.0.lock();
            known.unwrap_or_else(PoisonError::into_inner).remove(&alarm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;

    #[test]
    fn an_alarm_told_once_a_minute_and_each_of_another_row_by_itself() {
        let alarms = Alarms::default();
        let (now, user) = (
            Timestamp::from_millis(1_700_000_000_000),
            UserId::random(&mut SystemRandom),
        );
        let one = Some(&user);
        let tells = |what, user, at| alarms.mine(what, user, at).map(Mine::told).is_some();
        assert!(alarms.mine("evidence", one, now).is_some(), "not told");
        let mine = alarms.mine("evidence", one, now);
        assert!(!tells("evidence", one, now), "somebody is about to");
        mine.unwrap().told();
        assert!(!tells("evidence", one, now));
        assert!(tells("session", one, now));
        assert!(tells("evidence", None, now));
        let late = now.plus(ONCE_IN);
        assert!(!tells(
            "evidence",
            one,
            late.minus(Duration::from_millis(1))
        ));
        assert!(tells("evidence", one, late));
        assert!(tells("evidence", one, now), "the clock was set back");
    }
}
