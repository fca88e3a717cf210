//! All keys of a purpose together.
//!
//! Always true: a mark is made at each change of a key, over all keys of the purpose and a
//! number that counts the changes. So a writer of the database cannot take a key away, or put
//! rows back as they once were, without the mark not fitting; and who puts the mark back with
//! them is behind what a running server saw, and behind the events of later changes, which have
//! the number too, under a tag of its own (attack 20).

use aws_lc_rs::digest;
use subtle::ConstantTimeEq as _;

use super::{
    KeyPurpose,
    sealing::{SealError, Sealing, TagLabel},
    state::KeyState,
};
use crate::base::ids::KeyId;

/// What is marked of one key.
#[derive(Clone, Copy, Debug)]
pub struct Marked<'k> {
    /// Which key.
    pub id: &'k KeyId,
    /// How far it is.
    pub state: KeyState,
    /// What vouches for the row: its tag, or the beginning of its seal.
    pub seal: &'k str,
}

/// The mark of a purpose, as stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyMark {
    /// Of which keys.
    pub purpose: KeyPurpose,
    /// How many changes there were.
    pub generation: i64,
    /// SHA-256 over the keys.
    pub digest: String,
    /// Vouches for the rest.
    pub tag: String,
}

impl KeyMark {
    /// With its tag.
    pub fn new(
        sealing: &Sealing,
        purpose: KeyPurpose,
        generation: i64,
        keys: &[Marked<'_>],
    ) -> Self {
        let mut mark = Self {
            purpose,
            generation,
            digest: digest_of(keys),
            tag: String::new(),
        };
        mark.tag = sealing.tag(
            TagLabel::KeyMark,
            &mark.fields(&mark.generation.to_string()),
        );
        mark
    }

    /// Checks that the mark is ours, and of exactly these keys.
    pub fn require(&self, sealing: &Sealing, keys: &[Marked<'_>]) -> Result<(), SealError> {
        let generation = self.generation.to_string();
        sealing.verify_tag(TagLabel::KeyMark, &self.fields(&generation), &self.tag)?;
        if bool::from(self.digest.as_bytes().ct_eq(digest_of(keys).as_bytes())) {
            Ok(())
        } else {
            Err(SealError::Broken)
        }
    }

    fn fields<'f>(&'f self, generation: &'f str) -> [&'f [u8]; 3] {
        [
            self.purpose.as_str().as_bytes(),
            generation.as_bytes(),
            self.digest.as_bytes(),
        ]
    }
}

/// Vouches for the number in the event of a change, so that nobody raises it by hand.
pub fn tag_generation(
    sealing: &Sealing,
    purpose: KeyPurpose,
    key: &KeyId,
    generation: i64,
) -> String {
    let generation = generation.to_string();
    sealing.tag(
        TagLabel::KeyGeneration,
        &generation_fields(purpose, key, &generation),
    )
}

/// Checks [`tag_generation`].
pub fn require_generation(
    sealing: &Sealing,
    purpose: KeyPurpose,
    key: &KeyId,
    generation: i64,
    tag: &str,
) -> Result<(), SealError> {
    let generation = generation.to_string();
    let fields = generation_fields(purpose, key, &generation);
    sealing.verify_tag(TagLabel::KeyGeneration, &fields, tag)
}

fn generation_fields<'f>(
    purpose: KeyPurpose,
    key: &'f KeyId,
    generation: &'f str,
) -> [&'f [u8]; 3] {
    [
        purpose.as_str().as_bytes(),
        key.as_str().as_bytes(),
        generation.as_bytes(),
    ]
}

fn digest_of(keys: &[Marked<'_>]) -> String {
    let mut lines: Vec<String> = keys
        .iter()
        .map(|key| format!("{} {} {}\n", key.id, key.state, key.seal))
        .collect();
    lines.sort_unstable();
    let digest = digest::digest(&digest::SHA256, lines.concat().as_bytes());
    data_encoding::HEXLOWER.encode(digest.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::random::SystemRandom, keys::sealing::MasterKey};

    #[test]
    fn attack_20_a_mark_is_of_these_keys_and_of_this_change() {
        let sealing = Sealing::new(&MasterKey::random(&mut SystemRandom));
        let [one, two] = [(); 2].map(|()| KeyId::random(&mut SystemRandom));
        let key = |id, state, seal| Marked { id, state, seal };
        let keys = [
            key(&one, KeyState::Retired, "a"),
            key(&two, KeyState::Active, "b"),
        ];
        let mark = KeyMark::new(&sealing, KeyPurpose::Assertion, 7, &keys);
        assert_eq!(mark.require(&sealing, &keys), Ok(()));
        assert_eq!(mark.require(&sealing, &[keys[1], keys[0]]), Ok(()));
        let others = [
            vec![],
            vec![keys[1]],
            vec![keys[0], keys[1], keys[1]],
            vec![key(&one, KeyState::Retiring, "a"), keys[1]],
            vec![key(&one, KeyState::Retired, "c"), keys[1]],
            vec![key(&two, KeyState::Retired, "a"), keys[1]],
        ];
        for other in others {
            assert!(mark.require(&sealing, &other).is_err(), "{other:?}");
        }
        let altered = [
            KeyMark {
                generation: 8,
                ..mark.clone()
            },
            KeyMark {
                purpose: KeyPurpose::Oidc,
                ..mark.clone()
            },
            KeyMark {
                digest: digest_of(&[]),
                ..mark.clone()
            },
        ];
        for altered in altered {
            assert!(altered.require(&sealing, &keys).is_err());
            assert!(altered.require(&sealing, &[]).is_err());
        }
        let another = Sealing::new(&MasterKey::random(&mut SystemRandom));
        assert!(mark.require(&another, &keys).is_err());
    }

    #[test]
    fn attack_20_the_number_in_an_event_is_of_its_key_and_purpose() {
        let sealing = Sealing::new(&MasterKey::random(&mut SystemRandom));
        let another = Sealing::new(&MasterKey::random(&mut SystemRandom));
        let [one, two] = [(); 2].map(|()| KeyId::random(&mut SystemRandom));
        let tag = tag_generation(&sealing, KeyPurpose::Assertion, &one, 7);
        let fits = |sealing, purpose, key, generation| {
            require_generation(sealing, purpose, key, generation, &tag).is_ok()
        };
        assert!(fits(&sealing, KeyPurpose::Assertion, &one, 7));
        assert!(!fits(&sealing, KeyPurpose::Assertion, &one, 8));
        assert!(!fits(&sealing, KeyPurpose::Assertion, &two, 7));
        assert!(!fits(&sealing, KeyPurpose::Oidc, &one, 7));
        assert!(!fits(&another, KeyPurpose::Assertion, &one, 7));
    }
}
