//! Finding a token's clock: one code near where it should be, or two codes in a row
//! farther away (RFC 6238 §6).
//!
//! Always true: every step of the window is computed whatever matches, so that the time
//! tells nothing; a step up to the last accepted one is never found, so that no code
//! counts twice and none from before; nothing here makes a proof.

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{MatchedStep, normalise, totp};
use crate::{base::clock::Timestamp, directory::TotpParameters};

/// How far one code may be off when a token is activated, in steps (the rule).
pub const NEAR: i64 = 10;

/// How far two codes may be off, in steps: a day of 30 seconds each, two of 60 (Entra's
/// windows, facts §7).
pub const FAR: i64 = 2_880;

/// Where to look.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Around which drift.
    pub drift_steps: i64,
    /// How many steps to each side.
    pub reach: i64,
    /// Steps must be later than this one.
    pub after: Option<i64>,
}

/// The step of one code, the nearest if several fit.
pub fn find_code(
    code: &str,
    secret: &[u8],
    parameters: TotpParameters,
    window: Window,
    now: Timestamp,
) -> Option<MatchedStep> {
    let typed = normalise(code, parameters.digits)?;
    let mut nearest = Nearest::default();
    each_code(secret, parameters, window, now, |matched, right| {
        if bool::from(right.as_bytes().ct_eq(typed.as_bytes())) {
            nearest.offer(matched, window);
        }
    })?;
    nearest.0
}

/// The step of the second of two codes that follow each other, the nearest if several fit.
/// Both steps are later than `window.after`.
pub fn find_pair(
    codes: [&str; 2],
    secret: &[u8],
    parameters: TotpParameters,
    window: Window,
    now: Timestamp,
) -> Option<MatchedStep> {
    let first = normalise(codes[0], parameters.digits)?;
    let second = normalise(codes[1], parameters.digits)?;
    let mut nearest = Nearest::default();
    // Whether the step before was the first code's.
    let mut first_was_before = subtle::Choice::from(0);
    each_code(secret, parameters, window, now, |matched, right| {
        let is_second = right.as_bytes().ct_eq(second.as_bytes());
        if bool::from(first_was_before & is_second) {
            nearest.offer(matched, window);
        }
        first_was_before = right.as_bytes().ct_eq(first.as_bytes());
    })?;
    nearest.0
}

#[derive(Default)]
struct Nearest(Option<MatchedStep>);

impl Nearest {
    fn offer(&mut self, matched: MatchedStep, window: Window) {
        let distance = |step: &MatchedStep| (step.drift_steps - window.drift_steps).abs();
        if self
            .0
            .is_none_or(|found| distance(&matched) < distance(&found))
        {
            self.0 = Some(matched);
        }
    }
}

/// Calls `with` for each step of the window in order, with its code; `None` if codes
/// cannot be made. Steps that are too early are computed and not shown.
fn each_code(
    secret: &[u8],
    parameters: TotpParameters,
    window: Window,
    now: Timestamp,
    mut with: impl FnMut(MatchedStep, &str),
) -> Option<()> {
    let totp = totp(secret, parameters)?;
    let period = i64::from(parameters.period);
    let present = now.as_secs().div_euclid(period);
    for offset in -window.reach..=window.reach {
        let drift_steps = window.drift_steps.saturating_add(offset);
        let step = present.saturating_add(drift_steps);
        let Ok(seconds) = u64::try_from(step.saturating_mul(period)) else {
            continue;
        };
        let code = Zeroizing::new(totp.generate(seconds).to_string());
        if window.after.is_none_or(|after| step > after) {
            with(MatchedStep { step, drift_steps }, &code);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factor::totp::code_at;

    const SECRET: &[u8] = b"12345678901234567890";
    const NOW: i64 = 1_795_000_000;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    /// What a token shows whose clock is `steps` ahead.
    fn shown(steps: i64, parameters: TotpParameters) -> String {
        let at = at(NOW + steps * i64::from(parameters.period));
        code_at(SECRET, parameters, at).unwrap()
    }

    fn window(reach: i64) -> Window {
        Window {
            drift_steps: 0,
            reach,
            after: None,
        }
    }

    #[test]
    fn one_code_is_found_within_ten_steps_and_no_farther() {
        for period in [30, 60] {
            let parameters = TotpParameters {
                period,
                ..TotpParameters::default()
            };
            let find = |steps, window| {
                let code = shown(steps, parameters);
                find_code(&code, SECRET, parameters, window, at(NOW))
            };
            let present = NOW.div_euclid(i64::from(period));
            for steps in [-10, -9, -1, 0, 1, 9, 10] {
                let matched = find(steps, window(NEAR)).unwrap();
                assert_eq!(
                    (matched.step, matched.drift_steps),
                    (present + steps, steps)
                );
            }
            for steps in [-11, 11] {
                assert_eq!(find(steps, window(NEAR)), None, "{steps}");
            }
            let learned = Window {
                drift_steps: 100,
                ..window(NEAR)
            };
            assert_eq!(find(110, learned).unwrap().drift_steps, 110);
            assert_eq!(find(111, learned), None);
            assert_eq!(find(0, learned), None);
        }
    }

    #[test]
    fn two_codes_are_found_within_a_day_of_30_and_two_of_60_seconds() {
        for period in [30, 60] {
            let parameters = TotpParameters {
                period,
                ..TotpParameters::default()
            };
            let find = |first: i64, second: i64| {
                let codes = [shown(first, parameters), shown(second, parameters)];
                let codes = [codes[0].as_str(), codes[1].as_str()];
                find_pair(codes, SECRET, parameters, window(FAR), at(NOW))
            };
            let day = if period == 30 { 86_400 } else { 2 * 86_400 };
            assert_eq!(FAR * i64::from(period), day);
            for first in [-FAR, -1500, 0, 2000, FAR - 1] {
                let matched = find(first, first + 1).unwrap();
                assert_eq!(matched.drift_steps, first + 1);
            }
            // The second one is outside, or they do not follow each other.
            for (first, second) in [(FAR, FAR + 1), (-FAR - 1, -FAR), (0, 2), (1, 0), (0, 0)] {
                assert_eq!(find(first, second), None, "{first} {second}");
            }
        }
    }

    #[test]
    fn attack_3_nothing_up_to_the_last_accepted_step_is_found() {
        let parameters = TotpParameters::default();
        let present = NOW.div_euclid(30);
        let after = |step| Window {
            after: Some(step),
            ..window(NEAR)
        };
        let code = shown(3, parameters);
        let one = |after| find_code(&code, SECRET, parameters, after, at(NOW));
        assert!(one(after(present + 2)).is_some());
        assert!(one(after(present + 3)).is_none());
        let (first, second) = (shown(3, parameters), shown(4, parameters));
        let pair = |after| find_pair([&first, &second], SECRET, parameters, after, at(NOW));
        assert!(pair(after(present + 2)).is_some());
        assert!(pair(after(present + 3)).is_none(), "the first was used");
    }

    #[test]
    fn what_is_no_code_is_none() {
        let parameters = TotpParameters::default();
        for code in ["", "12345", "1234567", "12345a"] {
            assert_eq!(
                find_code(code, SECRET, parameters, window(NEAR), at(NOW)),
                None
            );
            let right = shown(0, parameters);
            let pair = find_pair([code, &right], SECRET, parameters, window(NEAR), at(NOW));
            assert_eq!(pair, None);
        }
    }
    #[test]
    fn of_several_steps_that_fit_the_nearest_counts_and_of_two_as_near_the_earlier() {
        let around = Window {
            drift_steps: 100,
            ..window(NEAR)
        };
        let found = |drifts: &[i64]| {
            let mut nearest = Nearest::default();
            for &drift_steps in drifts {
                let step = 1_000 + drift_steps;
                nearest.offer(MatchedStep { step, drift_steps }, around);
            }
            nearest.0.map(|found| (found.step, found.drift_steps))
        };
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[93, 99, 104]), Some((1_099, 99)));
        assert_eq!(found(&[97, 103]), Some((1_097, 97)));
        assert_eq!(found(&[93, 106]), Some((1_106, 106)));
    }
}
