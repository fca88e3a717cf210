//! The tenant as a client of External MFA: it does the first factor, and asks an external
//! method, by OpenID Connect, for the second one (facts §5).
//!
//! Always true: the tenant reads what the method publishes before it sends anybody there, and
//! keeps it for 24 hours; it judges the answer by what it asked and by the keys that it keeps,
//! in code of its own; nobody is signed in unless each of its rules is kept, and what is sent
//! dies after five minutes of the tenant's clock.
//!
//! Read next: [`registration`] (what an administrator registered), [`metadata`] (what the method
//! publishes), [`request`] (what is sent), [`answer`] (the rules), [`outcome`] (what comes of
//! it); `site` has the routes.

/// The rules about an answer.
pub mod answer;
mod fetching;
/// JSON in which each name stands once.
pub mod json;
/// The keys that it publishes.
pub mod keys;
/// What the method publishes: its discovery document and its keys.
pub mod metadata;
/// From a judged answer to a token.
pub mod outcome;
mod pages;
/// What an administrator registered.
pub mod registration;
/// What is sent to the method.
pub mod request;
mod site;

use std::sync::{Arc, Mutex};

use super::{Practice, checks::Check, shelf::Shelf, visit::lock};
use crate::base::clock::Timestamp;

pub use outcome::ExternalOutcome;
pub use registration::{Consent, ExternalMethod};

pub(super) use pages::ExternalResult;
pub(super) use site::router;

use metadata::{KEPT_FOR, Provider};
use request::Asked;

/// What a person did at the tenant before the method was asked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FirstFactor {
    /// A password: what the person knows.
    #[default]
    Password,
    /// A certificate: what the person has.
    Certificate,
}

impl FirstFactor {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Password, Self::Certificate];

    /// The spelling of addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Certificate => "certificate",
        }
    }

    /// Which kind of factor it is.
    pub fn class(self) -> Class {
        match self {
            Self::Password => Class::Knowledge,
            Self::Certificate => Class::Possession,
        }
    }

    /// The `acr` that is asked for after it: a factor of another class.
    pub fn acr(self) -> &'static str {
        match self {
            Self::Password => "possessionorinherence",
            Self::Certificate => "knowledgeorinherence",
        }
    }
}

/// The kinds of factors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// What somebody knows.
    Knowledge,
    /// What somebody has.
    Possession,
    /// What somebody is.
    Inherence,
}

impl Class {
    /// As `acr` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Knowledge => "knowledge",
            Self::Possession => "possession",
            Self::Inherence => "inherence",
        }
    }
}

/// Every value of `amr` that the tenant knows (facts §5.5), in the order in which it asks.
pub const METHODS: [(&str, Class); 13] = [
    ("face", Class::Inherence),
    ("fido", Class::Possession),
    ("fpt", Class::Inherence),
    ("hwk", Class::Possession),
    ("iris", Class::Inherence),
    ("otp", Class::Possession),
    ("pop", Class::Possession),
    ("retina", Class::Inherence),
    ("sc", Class::Possession),
    ("sms", Class::Possession),
    ("swk", Class::Possession),
    ("tel", Class::Possession),
    ("vbm", Class::Inherence),
];

/// What the tenant remembers of the method.
#[derive(Default)]
pub(super) struct ExternalMfa {
    /// What an administrator registered beside the method itself.
    applications: Mutex<Vec<registration::Application>>,
    /// What the method published when it was last read.
    kept: Mutex<Option<Arc<Provider>>>,
    /// What was sent, by `state`.
    asked: Mutex<Shelf<Asked>>,
}

impl Practice {
    /// What the method publishes: as it was read, for 24 hours, and then read again. Entra
    /// reads nothing in between, not for an unknown key either.
    async fn published(&self, discovery_url: &str) -> Result<Arc<Provider>, Vec<Check>> {
        let now = self.now();
        let kept = lock(&self.external_mfa.kept).clone();
        if let Some(kept) = kept.filter(|kept| still_good(kept, discovery_url, now)) {
            return Ok(kept);
        }
        let provider = Arc::new(fetching::read(discovery_url, now).await?);
        *lock(&self.external_mfa.kept) = Some(Arc::clone(&provider));
        Ok(provider)
    }
}

fn still_good(kept: &Provider, discovery_url: &str, now: Timestamp) -> bool {
    kept.discovery_url == discovery_url && now.since(kept.read_at) < KEPT_FOR
}
