//! Typed identifiers: a prefix and 26 base32 letters (128 random bits), such as
//! `usr_4kq…`. They stand in URLs and logs and are no secrets, but an id that
//! guards something (an attempt, a session) is never shown without its cookie.

use std::{fmt, str::FromStr};

use super::random::{Random, random_token};

/// Why a text is not an id of the wanted kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an id of the form {prefix}…")]
pub struct NotAnId {
    prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize)]
        pub struct $name(String);

        impl $name {
            /// A new random id.
            pub fn random(random: &mut dyn Random) -> Self {
                Self(format!("{}{}", $prefix, random_token(random)))
            }

            /// The id as it is stored and shown.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let well_formed = text.strip_prefix($prefix).is_some_and(|rest| {
                    rest.len() == 26 && rest.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'))
                });
                if well_formed { Ok(Self(text.to_owned())) } else { Err(NotAnId { prefix: $prefix }) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// One attempt to sign in.
    AttemptId = "att_";
    /// A change of a domain's federation at Entra.
    ChangeId = "chg_";
    /// A password, a TOTP secret, later a key: what a person proves with.
    CredentialId = "crd_";
    /// An entry of the audit log.
    EventId = "evt_";
    /// A signing key.
    KeyId = "key_";
    /// A running process that shares the database.
    NodeId = "nod_";
    /// A hardware token of the inventory.
    OathTokenId = "oat_";
    /// A temporary access pass.
    PassId = "tap_";
    /// A recovery code.
    RecoveryCodeId = "rec_";
    /// A browser session's public name (its cookie's secret is another value).
    SessionId = "ses_";
    /// A sign-out on its way through a browser.
    SignOutId = "out_";
    /// A person.
    UserId = "usr_";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;

    #[test]
    fn an_id_reads_back_and_another_kind_is_refused() {
        let id = UserId::random(&mut SystemRandom);
        assert_eq!(id.as_str().parse::<UserId>(), Ok(id.clone()));
        assert!(id.as_str().parse::<KeyId>().is_err());
        for bad in [
            "",
            "usr_",
            "usr_short",
            "usr_ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            "usr_aaaaaaaaaaaaaaaaaaaaaaaaa'",
        ] {
            assert!(bad.parse::<UserId>().is_err(), "{bad}");
        }
    }
}
