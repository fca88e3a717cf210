//! The demo's people, and a desktop TOTP program as a page. `demo` gives it the
//! secret; nothing else ever does.
//!
//! Always true: it exists only where `PracticeConfig::demo_people` names a
//! person with a secret, and then only on the practice site, which `serve` does
//! not have.

use totp_rs::Builder;

use crate::base::{clock::Timestamp, secret::Secret};

/// Length of a time step.
const STEP_SECONDS: u64 = 30;

/// Someone to sign in as, in the demo.
#[derive(Clone, Debug)]
pub struct DemoPerson {
    /// The user principal name.
    pub upn: String,
    /// The password.
    pub password: Secret<String>,
    /// What is in the person's hands.
    pub brings: Brings,
}

/// What a person of the demo has besides the password.
#[derive(Clone, Debug)]
pub enum Brings {
    /// A TOTP program that is set up.
    Program(DesktopTotp),
    /// A hardware token that an operator handed over; its first code activates it.
    Token {
        /// What stands on its back.
        serial: String,
        /// What plays it.
        codes: DesktopTotp,
    },
    /// A temporary access pass, to add a method with.
    Pass {
        /// Its value.
        value: Secret<String>,
        /// What it adds.
        adds: Adds,
    },
}

/// What the person's rules allow to be added.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Adds {
    /// A code generator or a security key, as the person likes.
    Anything,
    /// A security key and nothing else.
    SecurityKey,
}

impl DemoPerson {
    /// What plays the person's program or token, if there is one.
    pub fn codes(&self) -> Option<&DesktopTotp> {
        match &self.brings {
            Brings::Program(codes) | Brings::Token { codes, .. } => Some(codes),
            Brings::Pass { .. } => None,
        }
    }
}

/// One person's TOTP program (RFC 6238: SHA-1, 6 digits, 30 seconds).
#[derive(Clone, Debug)]
pub struct DesktopTotp {
    /// Whose it is.
    pub upn: String,
    /// The shared secret's bytes.
    pub secret: Secret<Vec<u8>>,
}

/// A code and how long it lasts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CurrentCode {
    /// Whose code it is.
    pub upn: String,
    /// Six digits.
    pub code: String,
    /// Seconds until the next one, 1 to 30.
    pub seconds_left: u64,
}

impl DesktopTotp {
    /// The code at `now`.
    pub fn code_at(&self, now: Timestamp) -> CurrentCode {
        let seconds = u64::try_from(now.as_secs()).unwrap_or_default();
        let token = Builder::new()
            .with_secret(self.secret.expose().clone().into_boxed_slice())
            .with_step_duration(STEP_SECONDS)
            .build_noncompliant()
            .generate(seconds);
        CurrentCode {
            upn: self.upn.clone(),
            code: token.to_string(),
            seconds_left: STEP_SECONDS - seconds % STEP_SECONDS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_that_of_rfc_6238() {
        let program = DesktopTotp {
            upn: "demo@contoso.com".to_owned(),
            secret: Secret::new(b"12345678901234567890".to_vec()),
        };
        // RFC 6238 appendix B, SHA-1, the last six of eight digits.
        let at = |seconds: i64| program.code_at(Timestamp::from_millis(seconds * 1000));
        assert_eq!(at(59).code, "287082");
        assert_eq!(at(59).seconds_left, 1);
        assert_eq!(at(1_111_111_109).code, "081804");
        assert_eq!(at(60).seconds_left, 30);
    }
}
