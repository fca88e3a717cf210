//! What Entra asks at the door of External MFA: one more factor of somebody whom it names.
//!
//! Always true: it stands in the attempt with a tag over the attempt, its browser and its
//! exact bytes, and [`AskedSecondFactor::open`] is the only way to what it says. A writer of
//! the database could else turn a person's own proof into an answer about somebody else
//! (attack 38). It names a person and proves nothing: a hint is never a proof (attack 40).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{attempt::Attempt, request::Protocol, second_factor::SecondFactorRequest};
use crate::{
    base::{clock::Timestamp, guid::Guid},
    factor::evidence::Binding,
    keys::sealing::{SealError, Sealing, TagLabel},
};

/// How long a person may take. Entra's own state dies after about five minutes (facts §5.5).
pub const LIFETIME: Duration = Duration::from_mins(5);

/// From then on nothing more is asked, and Entra is told so while it still listens. What was
/// typed before and comes late is taken until [`LIFETIME`] is over.
pub const ASKING_TIME: Duration = Duration::from_secs(270);

/// What stands before a tenant's id where the entity id of a party would stand.
const PARTY: &str = "external-mfa:";

/// What the attempts and receipts of a tenant name as their relying party. No party can be
/// registered under it: it is no entity id of anybody.
pub fn party_of_tenant(tenant: Guid) -> String {
    format!("{PARTY}{tenant}")
}

/// The tenant that such a name names.
pub fn tenant_of_party(party: &str) -> Option<Guid> {
    party.strip_prefix(PARTY)?.parse().ok()
}

/// A [`SecondFactorRequest`] as it is stored with its attempt. Anyone may write one, nobody can make its tag.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SealedSecondFactor {
    /// JSON. The tag is over these bytes.
    text: String,
    tag: String,
}

impl SecondFactorRequest {
    /// Ties it to one attempt in one browser.
    ///
    /// # Errors
    /// It cannot be written as JSON, which does not happen.
    pub fn seal(
        &self,
        binding: Binding<'_>,
        sealing: &Sealing,
    ) -> Result<SealedSecondFactor, serde_json::Error> {
        let text = serde_json::to_string(self)?;
        let tag = sealing.tag(TagLabel::SecondFactorRequest, &fields(binding, &text));
        Ok(SealedSecondFactor { text, tag })
    }
}

/// What was asked in an attempt. Made only by [`AskedSecondFactor::open`].
pub struct AskedSecondFactor {
    request: SecondFactorRequest,
}

impl AskedSecondFactor {
    /// Of that attempt; `None` at the other doors.
    ///
    /// # Errors
    /// It was altered, was put there from another attempt or browser, or is missing.
    pub fn open(attempt: &Attempt, sealing: &Sealing) -> Result<Option<Self>, SealError> {
        let sealed = match (&attempt.request.second_factor, attempt.request.protocol) {
            (Some(sealed), Protocol::ExternalMfa) => sealed,
            (None, Protocol::Saml2 | Protocol::WsFed | Protocol::Account) => return Ok(None),
            // A row that says it is of one door and is written like one of another.
            _ => return Err(SealError::Broken),
        };
        sealing.verify_tag(
            TagLabel::SecondFactorRequest,
            &fields(attempt.binding(), &sealed.text),
            &sealed.tag,
        )?;
        let request = serde_json::from_str(&sealed.text).map_err(|_| SealError::Broken)?;
        Ok(Some(Self { request }))
    }

    /// What it says.
    pub fn request(&self) -> &SecondFactorRequest {
        &self.request
    }
}

fn fields<'a>(binding: Binding<'a>, text: &'a str) -> [&'a [u8]; 3] {
    [
        binding.attempt.as_str().as_bytes(),
        binding.browser.as_str().as_bytes(),
        text.as_bytes(),
    ]
}

/// When nothing more is asked in an attempt of this door.
pub fn asks_until(attempt: &Attempt) -> Timestamp {
    attempt.created_at.plus(ASKING_TIME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{browser::CookieToken, ids::AttemptId, random::SystemRandom},
        keys::sealing::MasterKey,
        signin::{
            request::SignInRequest,
            someone::{attempt_asking, second_factor_request as asked},
        },
    };

    fn sealing() -> Sealing {
        Sealing::new(&MasterKey::random(&mut SystemRandom))
    }

    #[test]
    fn what_was_asked_is_read_in_its_attempt() {
        let sealing = sealing();
        let attempt = attempt_asking(&asked(), &sealing);
        let opened = AskedSecondFactor::open(&attempt, &sealing).unwrap();
        assert_eq!(opened.unwrap().request(), &asked());
        assert_eq!(
            tenant_of_party(&attempt.request.relying_party),
            Some(asked().tenant)
        );
        assert_eq!(tenant_of_party("urn:federation:MicrosoftOnline"), None);
        // It reads back from the row as it went there.
        let stored = serde_json::to_string(&attempt.request).unwrap();
        let again: SignInRequest = serde_json::from_str(&stored).unwrap();
        assert_eq!(again, attempt.request);
    }

    #[test]
    fn attack_38_what_was_altered_or_moved_is_refused() {
        let sealing = sealing();
        let attempt = attempt_asking(&asked(), &sealing);
        let refuses = |attempt: &Attempt, sealing: &Sealing| {
            AskedSecondFactor::open(attempt, sealing).err() == Some(SealError::Broken)
        };
        let with = |sealed: Option<SealedSecondFactor>| {
            let mut altered = attempt.clone();
            altered.request.second_factor = sealed;
            altered
        };
        let sealed = attempt.request.second_factor.clone().unwrap();
        // Another person's `sub` or object, another audience: any byte of it.
        for (from, to) in [
            ("pairwise", "pairwisf"),
            ("11111111", "11111112"),
            ("agent1@", "agent2@"),
            ("fido", "fidp"),
            ("externalauthprovider", "externalauthprovidex"),
        ] {
            let text = sealed.text.replace(from, to);
            assert_ne!(text, sealed.text);
            let tag = sealed.tag.clone();
            assert!(refuses(
                &with(Some(SealedSecondFactor { text, tag })),
                &sealing
            ));
        }
        assert!(refuses(&with(None), &sealing));
        let mut other = attempt.clone();
        other.id = AttemptId::random(&mut SystemRandom);
        assert!(refuses(&other, &sealing));
        let mut other = attempt.clone();
        other.browser = CookieToken::random(&mut SystemRandom).hash();
        assert!(refuses(&other, &sealing));
        assert!(refuses(
            &attempt,
            &Sealing::new(&MasterKey::random(&mut SystemRandom))
        ));
        // An attempt of one door is none of another.
        for protocol in [Protocol::Saml2, Protocol::WsFed, Protocol::Account] {
            let mut other = attempt.clone();
            other.request.protocol = protocol;
            assert!(refuses(&other, &sealing), "{protocol:?}");
        }
    }
}
