//! Where a key stands in its rollover, and where its private half is.
//!
//! Always true: the standing of a key is under a tag of its own, together with the key's
//! purpose and certificate, so that a writer of the database can make no standing that it
//! never had (attack 20). A tag binds a row, not its place in time: that does the mark over all
//! rows ([`super::mark`]).
//!
//! Read next: [`super::rollover`], which says who may go where.

use std::fmt;

use super::{
    KeyPurpose,
    sealing::{SealError, Sealing, TagLabel},
};
use crate::base::{clock::Timestamp, ids::KeyId};

/// How far a key is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Made; nobody was told.
    Prepared,
    /// Published, so that parties can learn it; signs nothing yet.
    Staged,
    /// Signs. There is one of each purpose.
    Active,
    /// Published still; signs no more.
    Retiring,
    /// Neither published nor able to sign: its private half is erased.
    Retired,
}

impl KeyState {
    const ALL: [Self; 5] = [
        Self::Prepared,
        Self::Staged,
        Self::Active,
        Self::Retiring,
        Self::Retired,
    ];

    /// The stored spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Staged => "staged",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
        }
    }

    /// From the stored spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether metadata and the key list show it.
    pub fn is_published(self) -> bool {
        matches!(self, Self::Staged | Self::Active | Self::Retiring)
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the private half is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Custody {
    /// Sealed in the database.
    Software,
    /// In a PKCS#11 token, which does not give it away.
    Hardware,
}

impl Custody {
    /// The stored spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Software => "software",
            Self::Hardware => "hardware",
        }
    }

    /// From the stored spelling.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Software, Self::Hardware]
            .into_iter()
            .find(|custody| custody.as_str() == text)
    }
}

impl fmt::Display for Custody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A key's state, and since when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Standing {
    /// How far it is.
    pub state: KeyState,
    /// When it was published first. None for a key that was active from its beginning.
    pub staged_at: Option<Timestamp>,
    /// When it came into this state. None: when it was made.
    pub since: Option<Timestamp>,
}

impl Standing {
    /// Of a key that is the first of its purpose.
    pub const FIRST: Self = Self {
        state: KeyState::Active,
        staged_at: None,
        since: None,
    };

    /// The same key in another state from `now` on.
    #[must_use]
    pub fn moved(self, state: KeyState, now: Timestamp) -> Self {
        Self {
            state,
            staged_at: match state {
                KeyState::Staged => Some(now),
                _ => self.staged_at,
            },
            since: Some(now),
        }
    }

    /// The tag of a row with this standing.
    pub fn make_tag(&self, sealing: &Sealing, key: &Tagged<'_>) -> String {
        let [staged_at, since] = self.instants();
        sealing.tag(
            TagLabel::KeyState,
            &key.fields(self.state, &staged_at, &since),
        )
    }

    /// Checks a row's tag.
    pub fn require_tag(
        &self,
        sealing: &Sealing,
        key: &Tagged<'_>,
        tag: &str,
    ) -> Result<(), SealError> {
        let [staged_at, since] = self.instants();
        let fields = key.fields(self.state, &staged_at, &since);
        sealing.verify_tag(TagLabel::KeyState, &fields, tag)
    }

    fn instants(&self) -> [String; 2] {
        [self.staged_at, self.since]
            .map(|at| at.map(|at| at.as_millis().to_string()).unwrap_or_default())
    }
}

/// What is tagged together with a standing.
#[derive(Clone, Copy, Debug)]
pub struct Tagged<'k> {
    /// Which key.
    pub id: &'k KeyId,
    /// What it may sign.
    pub purpose: KeyPurpose,
    /// Where its private half is.
    pub custody: Custody,
    /// Its certificate, DER.
    pub certificate: &'k [u8],
}

impl<'k> Tagged<'k> {
    fn fields<'f>(&self, state: KeyState, staged_at: &'f str, since: &'f str) -> [&'f [u8]; 7]
    where
        'k: 'f,
    {
        [
            self.id.as_str().as_bytes(),
            self.purpose.as_str().as_bytes(),
            self.custody.as_str().as_bytes(),
            self.certificate,
            state.as_str().as_bytes(),
            staged_at.as_bytes(),
            since.as_bytes(),
        ]
    }
}

/// What was last seen of a party and a key.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Held {
    /// Nobody looked.
    #[default]
    Unknown,
    /// It was seen to know the key from then on, at each look.
    Since {
        /// The first look.
        first: Timestamp,
        /// The last one.
        last: Timestamp,
    },
    /// It did not know the key then.
    MissingAt(Timestamp),
}

/// Who was looked at.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, serde::Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "name")]
pub enum Party {
    /// A domain that is federated in a tenant. It holds two certificates that somebody must
    /// write there: Entra reads no SAML metadata of ours.
    Domain(String),
    /// A service provider by its entity id, which reads our metadata.
    RelyingParty(String),
    /// Whoever reads the list of keys of our OpenID provider, and keeps it.
    KeyList,
}

impl Party {
    /// The stored spelling of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Domain(_) => "domain",
            Self::RelyingParty(_) => "relying-party",
            Self::KeyList => "key-list",
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Domain(name) | Self::RelyingParty(name) => name,
            Self::KeyList => "",
        }
    }

    /// From the stored spelling.
    pub fn parse(kind: &str, name: String) -> Option<Self> {
        match kind {
            "domain" => Some(Self::Domain(name)),
            "relying-party" => Some(Self::RelyingParty(name)),
            _ => None,
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(name) => write!(f, "the domain {name}"),
            Self::RelyingParty(name) => write!(f, "the relying party {name}"),
            Self::KeyList => f.write_str("who reads the key list"),
        }
    }
}

/// One look at one party for one key, as stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sighting {
    /// Which key.
    pub key: KeyId,
    /// Who.
    pub party: Party,
    /// What was seen. Never [`Held::Unknown`].
    pub held: Held,
    /// Vouches for the rest.
    pub tag: String,
}

impl Sighting {
    /// With its tag.
    pub fn new(sealing: &Sealing, key: KeyId, party: Party, held: Held) -> Self {
        let mut sighting = Self {
            key,
            party,
            held,
            tag: String::new(),
        };
        sighting.tag = sealing.tag(
            TagLabel::KeySighting,
            &sighting.fields(&sighting.instants()),
        );
        sighting
    }

    /// Checks the tag: a writer of the database must not make a key look known that is not.
    pub fn require_tag(&self, sealing: &Sealing) -> Result<(), SealError> {
        sealing.verify_tag(
            TagLabel::KeySighting,
            &self.fields(&self.instants()),
            &self.tag,
        )
    }

    fn instants(&self) -> [String; 3] {
        let text = |at: Timestamp| at.as_millis().to_string();
        match self.held {
            Held::Unknown => Default::default(),
            Held::Since { first, last } => [text(first), text(last), String::new()],
            Held::MissingAt(at) => [String::new(), String::new(), text(at)],
        }
    }

    fn fields<'f>(&'f self, [first, last, missing]: &'f [String; 3]) -> [&'f [u8]; 6] {
        [
            self.key.as_str().as_bytes(),
            self.party.kind().as_bytes(),
            self.party.name().as_bytes(),
            first.as_bytes(),
            last.as_bytes(),
            missing.as_bytes(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::random::SystemRandom, keys::sealing::MasterKey};

    const NOW: Timestamp = Timestamp::from_millis(1_795_168_800_000);

    #[test]
    fn attack_20_whatever_is_changed_in_a_row_its_tag_does_not_fit() {
        let sealing = Sealing::new(&MasterKey::random(&mut SystemRandom));
        let [id, other] = [(); 2].map(|()| KeyId::random(&mut SystemRandom));
        let standing = Standing::FIRST.moved(KeyState::Staged, NOW);
        let key = Tagged {
            id: &id,
            purpose: KeyPurpose::Assertion,
            custody: Custody::Software,
            certificate: b"certificate",
        };
        let tag = standing.make_tag(&sealing, &key);
        let fits = |standing: Standing, key| standing.require_tag(&sealing, &key, &tag).is_ok();
        assert!(fits(standing, key));
        for state in KeyState::ALL {
            let altered = Standing { state, ..standing };
            assert_eq!(fits(altered, key), state == standing.state, "{state}");
            assert_eq!(KeyState::parse(state.as_str()), Some(state));
        }
        let later = NOW.plus(std::time::Duration::from_millis(1));
        for at in [None, Some(later)] {
            assert!(!fits(
                Standing {
                    since: at,
                    ..standing
                },
                key
            ));
            assert!(!fits(
                Standing {
                    staged_at: at,
                    ..standing
                },
                key
            ));
        }
        assert!(!fits(standing, Tagged { id: &other, ..key }));
        assert!(!fits(
            standing,
            Tagged {
                purpose: KeyPurpose::Oidc,
                ..key
            }
        ));
        assert!(!fits(
            standing,
            Tagged {
                custody: Custody::Hardware,
                ..key
            }
        ));
        assert!(!fits(
            standing,
            Tagged {
                certificate: b"another",
                ..key
            }
        ));
    }

    #[test]
    fn attack_20_a_sighting_is_of_one_key_party_and_instant() {
        let sealing = Sealing::new(&MasterKey::random(&mut SystemRandom));
        let id = KeyId::random(&mut SystemRandom);
        let party = Party::Domain("contoso.com".to_owned());
        let seen = Sighting::new(
            &sealing,
            id,
            party,
            Held::Since {
                first: NOW,
                last: NOW,
            },
        );
        assert_eq!(seen.require_tag(&sealing), Ok(()));
        let others = [
            Sighting {
                key: KeyId::random(&mut SystemRandom),
                ..seen.clone()
            },
            Sighting {
                party: Party::Domain("fabrikam.com".to_owned()),
                ..seen.clone()
            },
            Sighting {
                party: Party::RelyingParty("contoso.com".to_owned()),
                ..seen.clone()
            },
            Sighting {
                held: Held::Since {
                    first: NOW.minus(std::time::Duration::from_hours(2)),
                    last: NOW,
                },
                ..seen.clone()
            },
            Sighting {
                held: Held::MissingAt(NOW),
                ..seen.clone()
            },
            Sighting {
                held: Held::Unknown,
                ..seen.clone()
            },
        ];
        for other in others {
            assert_eq!(
                other.require_tag(&sealing),
                Err(SealError::Broken),
                "{other:?}"
            );
        }
    }
}
