//! Instants and the clock.
//!
//! Always true: only [`SystemClock`] reads the system's clock (clippy forbids
//! it elsewhere), so every rule with time in it can be tested at an exact instant.

use std::{fmt, time::Duration};

use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

/// An instant: milliseconds since 1970-01-01T00:00:00Z. Stored as BIGINT.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down (JWT's NumericDate).
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This instant plus `by`; saturates at the ends of the range.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// This instant minus `by`; saturates at the ends of the range.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// How long before `self` `earlier` was; zero if it was not before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Parses RFC 3339 (`2026-11-20T10:00:00Z`, fractions allowed). An instant
    /// without an offset is refused: guessing a zone is how windows open by hours.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000))
            .ok()
            .map(Self)
    }

    /// `2026-11-20T10:00:00.000Z`, the form of SAML's and our own messages.
    /// Years outside 1..=9999 print as the nearest representable instant.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        const MAX: i64 = 253_402_300_799_999;
        const MIN: i64 = -62_135_596_800_000;
        let millis = i128::from(self.0.clamp(MIN, MAX));
        let format = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        OffsetDateTime::from_unix_timestamp_nanos(millis * 1_000_000)
            .ok()
            .and_then(|at| at.format(format).ok())
            .unwrap_or_default()
    }

    /// `Friday, 20 November 2026, 10:00 UTC`, for what people read on paper; seconds are cut
    /// off. Empty outside the years 1..=9999.
    #[must_use]
    pub fn to_words(self) -> String {
        let format = format_description!(
            "[weekday], [day padding:none] [month repr:long] [year], [hour]:[minute] UTC"
        );
        OffsetDateTime::from_unix_timestamp(self.as_secs())
            .ok()
            .and_then(|at| at.format(format).ok())
            .unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Gives the present instant.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the clock"
    )]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that is set by hand: tests, and the practice tenant's "what if it were later".
#[derive(Debug)]
pub struct ManualClock(std::sync::atomic::AtomicI64);

impl ManualClock {
    /// A clock that stands at `at`.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        Self(std::sync::atomic::AtomicI64::new(at.0))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.0
            .fetch_add(millis, std::sync::atomic::Ordering::SeqCst);
    }

    /// Sets the clock.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.0, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_parses_the_form_of_saml() {
        let at = Timestamp::parse_rfc3339("2026-11-20T10:00:00.250Z").unwrap();
        assert_eq!(at.to_rfc3339(), "2026-11-20T10:00:00.250Z");
        assert_eq!(
            Timestamp::parse_rfc3339("2026-11-20T11:00:00+01:00")
                .unwrap()
                .to_rfc3339(),
            "2026-11-20T10:00:00.000Z"
        );
        assert_eq!(Timestamp::parse_rfc3339("2026-11-20T10:00:00"), None);
        assert_eq!(
            Timestamp::from_millis(i64::MAX).to_rfc3339(),
            "9999-12-31T23:59:59.999Z"
        );
    }

    #[test]
    fn an_instant_in_words() {
        let at = Timestamp::parse_rfc3339("2026-11-02T09:05:59Z").unwrap();
        assert_eq!(at.to_words(), "Monday, 2 November 2026, 09:05 UTC");
        assert_eq!(Timestamp::from_millis(i64::MAX).to_words(), "");
    }

    #[test]
    fn durations_saturate() {
        let at = Timestamp::from_millis(1_000);
        assert_eq!(at.since(Timestamp::from_millis(5_000)), Duration::ZERO);
        assert_eq!(at.plus(Duration::MAX).as_millis(), i64::MAX);
    }
}
