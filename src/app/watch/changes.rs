//! What is told, and when: once when it is new, once when it changes, once a day while it is
//! there and to be mended, once when it is over.
//!
//! Always true: pure; what could not be looked at is neither new nor over: no part of it
//! ([`Part`]), and no domain of a tenant whose others could be read.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    CREDENTIAL_CAN_WRITE, CREDENTIAL_UNKNOWN, SIGNING_CERTIFICATE_EXPIRED,
    SIGNING_CERTIFICATE_EXPIRING, TENANT_UNREADABLE, WATCH_BROKEN,
};
use crate::{
    base::clock::Timestamp,
    federation::{Drift, DriftKind, DriftSeverity},
};

/// While a finding is there that is to be mended, it is told this often.
pub const REMIND: Duration = Duration::from_hours(24);

/// Where a finding comes from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The tenant: seen only where it could be read.
    Tenant,
    /// This installation.
    Own,
}

/// What is looked at by itself: what could not be is no reason to take its findings for over.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Part {
    /// What the tenant shows.
    Tenant,
    /// What the application that reads the tenant may do.
    Credential,
    /// Our own keys.
    Keys,
    /// The rest, which can always be looked at.
    Own,
}

/// What a look could see.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Looked {
    /// Of these parts.
    pub parts: BTreeSet<Part>,
    /// Of the tenant all but these domains.
    pub unread: BTreeSet<String>,
    /// Those of them of which that may pass by itself.
    pub may_pass: BTreeSet<String>,
}

impl Looked {
    /// Whether a finding would have been seen if it were there.
    fn would_see(&self, alarm: &Alarm) -> bool {
        let domain = alarm.domain.as_ref().filter(|_| !alarm.is_unreadable());
        let is_hidden = alarm.origin == Origin::Tenant
            && domain.is_some_and(|domain| self.unread.contains(domain));
        self.parts.contains(&alarm.part()) && !is_hidden
    }
}

/// How bad.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// To be mended.
    Warning,
    /// People cannot sign in, or strangers can.
    Critical,
}

impl Severity {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl From<DriftSeverity> for Severity {
    fn from(severity: DriftSeverity) -> Self {
        match severity {
            DriftSeverity::Info => Self::Info,
            DriftSeverity::Warning => Self::Warning,
            DriftSeverity::Critical => Self::Critical,
        }
    }
}

/// One finding.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Alarm {
    /// The same for the same finding, another for another.
    pub id: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Its kind's stable name.
    pub kind: String,
    /// How bad.
    pub severity: Severity,
    /// At which domain.
    pub domain: Option<String>,
    /// At which property.
    pub property: Option<String>,
    /// What is so.
    pub sentence: String,
    /// What to do.
    pub remedy: String,
}

impl From<&Drift> for Alarm {
    fn from(drift: &Drift) -> Self {
        let id = match (drift.kind, &drift.domain) {
            // Whatever the reason is this time.
            (DriftKind::DomainUnreadable, Some(domain)) => format!("{}:{domain}", drift.kind),
            _ => drift.key(),
        };
        Self {
            id,
            origin: Origin::Tenant,
            kind: drift.kind.as_str().to_owned(),
            severity: drift.severity.into(),
            domain: drift.domain.clone(),
            property: drift.property.map(str::to_owned),
            sentence: drift.sentence.clone(),
            remedy: drift.remedy.clone(),
        }
    }
}

impl Alarm {
    /// What must be looked at to see it.
    pub fn part(&self) -> Part {
        match (self.origin, self.kind.as_str()) {
            (Origin::Tenant, _) => Part::Tenant,
            (Origin::Own, CREDENTIAL_CAN_WRITE | CREDENTIAL_UNKNOWN) => Part::Credential,
            (Origin::Own, SIGNING_CERTIFICATE_EXPIRING | SIGNING_CERTIFICATE_EXPIRED) => Part::Keys,
            (Origin::Own, _) => Part::Own,
        }
    }

    /// Whether it says that a domain cannot be read.
    fn is_unreadable(&self) -> bool {
        self.kind == DriftKind::DomainUnreadable.as_str()
    }

    /// Whether the same finding is worse or better than it was, or of other things. The reason
    /// why something could not be looked at is another each time and no news.
    fn says_another_thing_than(&self, old: &Self) -> bool {
        let is_fickle =
            matches!(self.kind.as_str(), TENANT_UNREADABLE | WATCH_BROKEN) || self.is_unreadable();
        self.severity != old.severity || (!is_fickle && self.sentence != old.sentence)
    }

    /// Two findings of one place: if one goes and the other comes, it has changed.
    fn is_of_the_place_of(&self, other: &Self) -> bool {
        let place = |alarm: &Self| {
            (
                alarm.kind.clone(),
                alarm.domain.clone(),
                alarm.property.clone(),
            )
        };
        self.origin == other.origin && place(self) == place(other)
    }
}

/// A finding that was told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Known {
    /// What was told.
    pub alarm: Alarm,
    /// When it was seen first.
    pub since: Timestamp,
    /// When it was told last.
    pub told: Timestamp,
}

/// Why something is told; of one severity, what is told first.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Telling {
    /// It was not there before.
    New,
    /// It was there, and is another now.
    Changed,
    /// It is there still.
    Still,
    /// It is there no more.
    Over,
}

impl Telling {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Still => "still",
            Self::Over => "over",
        }
    }
}

/// Something to tell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// Why.
    pub telling: Telling,
    /// What.
    pub alarm: Alarm,
    /// Since when it is so.
    pub since: Timestamp,
    /// The id of the finding that this one replaces.
    pub replaces: Option<String>,
}

/// A domain that cannot be read, and of which that may pass, is not the worst the first time.
pub fn ease_first(known: &[Known], seen: &mut [Alarm], looked: &Looked) {
    for alarm in seen {
        let may_pass = alarm
            .domain
            .as_ref()
            .is_some_and(|domain| looked.may_pass.contains(domain));
        let was_so = known.iter().any(|old| old.alarm.is_of_the_place_of(alarm));
        if alarm.is_unreadable() && may_pass && !was_so {
            alarm.severity = Severity::Warning;
            "Wait for the next look: Entra shows this for some minutes after a change. If it stays, look at this domain in Entra by hand.".clone_into(&mut alarm.remedy);
        }
    }
}

/// What is to be told of `seen`, where `known` was told before and `looked` could be looked at.
/// The worst first, and of these what is new: where more changes than is told at once, nobody
/// hides something new behind it.
pub fn changes(known: &[Known], seen: &[Alarm], looked: &Looked, now: Timestamp) -> Vec<Change> {
    let present: BTreeSet<&str> = seen.iter().map(|alarm| alarm.id.as_str()).collect();
    let mut gone: Vec<&Known> = known
        .iter()
        .filter(|old| looked.would_see(&old.alarm))
        .filter(|old| !present.contains(old.alarm.id.as_str()))
        .collect();
    let mut told = BTreeSet::new();
    let mut changes = Vec::new();
    for alarm in seen {
        if !told.insert(alarm.id.as_str()) {
            continue;
        }
        if let Some(old) = known.iter().find(|old| old.alarm.id == alarm.id) {
            let telling = if alarm.says_another_thing_than(&old.alarm) {
                Telling::Changed
            } else if alarm.severity > Severity::Info && now.since(old.told) >= REMIND {
                Telling::Still
            } else {
                continue;
            };
            changes.push(Change {
                telling,
                alarm: alarm.clone(),
                since: old.since,
                replaces: None,
            });
            continue;
        }
        let former = gone
            .iter()
            .position(|old| old.alarm.is_of_the_place_of(alarm))
            .map(|at| gone.remove(at));
        changes.push(Change {
            telling: if former.is_some() {
                Telling::Changed
            } else {
                Telling::New
            },
            alarm: alarm.clone(),
            since: now,
            replaces: former.map(|old| old.alarm.id.clone()),
        });
    }
    changes.extend(gone.into_iter().map(|old| Change {
        telling: Telling::Over,
        alarm: old.alarm.clone(),
        since: old.since,
        replaces: None,
    }));
    changes.sort_by_key(|change| (std::cmp::Reverse(change.alarm.severity), change.telling));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_168_800_000);

    fn alarm(id: &str, origin: Origin, domain: &str) -> Alarm {
        Alarm {
            id: id.to_owned(),
            origin,
            kind: "k".to_owned(),
            severity: Severity::Warning,
            domain: Some(domain.to_owned()),
            property: None,
            sentence: format!("sentence of {id}"),
            remedy: String::new(),
        }
    }

    fn known(id: &str, origin: Origin, domain: &str, hours_ago: u64) -> Known {
        Known {
            alarm: alarm(id, origin, domain),
            since: NOW.minus(Duration::from_hours(100)),
            told: NOW.minus(Duration::from_hours(hours_ago)),
        }
    }

    const YES: [Part; 4] = [Part::Tenant, Part::Credential, Part::Keys, Part::Own];
    const NO: [Part; 1] = [Part::Own];

    fn told(
        known: &[Known],
        seen: &[Alarm],
        looked: impl Into<BTreeSet<Part>>,
    ) -> Vec<(Telling, String)> {
        let looked = Looked {
            parts: looked.into(),
            ..Looked::default()
        };
        changes(known, seen, &looked, NOW)
            .into_iter()
            .map(|change| (change.telling, change.alarm.id))
            .collect()
    }

    #[test]
    fn what_is_told_and_what_is_not() {
        use Origin::{Own, Tenant};
        let a = alarm("a", Tenant, "x");
        let of = |telling, id: &str| (telling, id.to_owned());
        // New, then quiet, then a reminder, then over.
        assert_eq!(
            told(&[], std::slice::from_ref(&a), YES),
            [of(Telling::New, "a")]
        );
        assert_eq!(
            told(
                &[known("a", Tenant, "x", 23)],
                std::slice::from_ref(&a),
                YES
            ),
            []
        );
        assert_eq!(
            told(
                &[known("a", Tenant, "x", 24)],
                std::slice::from_ref(&a),
                YES
            ),
            [of(Telling::Still, "a")]
        );
        assert_eq!(
            told(&[known("a", Tenant, "x", 1)], &[], YES),
            [of(Telling::Over, "a")]
        );
        // What is only worth knowing is told once.
        let mut info = known("a", Tenant, "x", 24);
        info.alarm.severity = Severity::Info;
        assert_eq!(told(&[info.clone()], &[info.alarm], YES), []);
        // Worse is told at once, and so are other words; not where they are never the same.
        let mut worse = a.clone();
        worse.severity = Severity::Critical;
        let mut other = a.clone();
        other.sentence.push('!');
        let before = known("a", Tenant, "x", 1);
        for alarm in [worse, other.clone()] {
            let seen = std::slice::from_ref(&alarm);
            assert_eq!(
                told(std::slice::from_ref(&before), seen, YES),
                [of(Telling::Changed, "a")]
            );
        }
        let (mut before, mut other) = (before, other);
        TENANT_UNREADABLE.clone_into(&mut before.alarm.kind);
        TENANT_UNREADABLE.clone_into(&mut other.kind);
        assert_eq!(told(&[before], &[other], YES), []);
        // A tenant that was not seen is not a tenant without findings.
        assert_eq!(told(&[known("a", Tenant, "x", 1)], &[], NO), []);
        assert_eq!(
            told(&[known("a", Own, "x", 1)], &[], NO),
            [of(Telling::Over, "a")]
        );
        // Another in its place has changed; another elsewhere is new, and the first is over.
        assert_eq!(
            told(
                &[known("a", Tenant, "x", 1)],
                &[alarm("b", Tenant, "x")],
                YES
            ),
            [of(Telling::Changed, "b")]
        );
        assert_eq!(
            told(
                &[known("a", Tenant, "x", 1)],
                &[alarm("b", Tenant, "y")],
                YES
            ),
            [of(Telling::New, "b"), of(Telling::Over, "a")]
        );
        // Twice the same is told once.
        assert_eq!(told(&[], &[a.clone(), a], YES), [of(Telling::New, "a")]);
    }

    #[test]
    fn the_worst_is_told_first() {
        let mut bad = alarm("bad", Origin::Tenant, "x");
        bad.severity = Severity::Critical;
        let seen = [alarm("a", Origin::Tenant, "y"), bad];
        assert_eq!(told(&[], &seen, YES)[0].1, "bad");
        // Of one severity what is new: who changes much hides nothing behind it.
        let before = [known("old", Origin::Tenant, "x", 1)];
        let mut other = before[0].alarm.clone();
        other.sentence.push('!');
        let found = told(&before, &[other, alarm("new", Origin::Tenant, "y")], YES);
        assert_eq!(
            found,
            [
                (Telling::New, "new".to_owned()),
                (Telling::Changed, "old".to_owned())
            ]
        );
    }

    #[test]
    fn what_nobody_looked_at_is_not_over() {
        for (kind, part) in [
            (CREDENTIAL_CAN_WRITE, Part::Credential),
            (CREDENTIAL_UNKNOWN, Part::Credential),
            (SIGNING_CERTIFICATE_EXPIRING, Part::Keys),
            (SIGNING_CERTIFICATE_EXPIRED, Part::Keys),
        ] {
            let mut before = known("a", Origin::Own, "x", 1);
            kind.clone_into(&mut before.alarm.kind);
            let before = [before];
            assert_eq!(told(&before, &[], NO), [], "{kind}");
            let others: BTreeSet<Part> = YES.into_iter().filter(|other| *other != part).collect();
            assert_eq!(told(&before, &[], others), [], "{kind}");
            assert_eq!(told(&before, &[], [part]).len(), 1, "{kind}");
        }
    }
}
