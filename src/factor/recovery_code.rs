//! Recovery codes: for a person who lost every method. A code opens re-enrolment, as a
//! temporary access pass does; it is no proof, and no proof can be made from it.
//!
//! Always true: only an HMAC of a code is kept; a code has 60 random bits, so that nobody
//! finds one by trying; it counts for one person only.

use zeroize::Zeroizing;

use crate::{
    base::{
        ids::UserId,
        random::{Random, random_bytes},
        secret::Secret,
        text::fold,
    },
    keys::sealing::{Sealing, TagLabel},
};

/// How many codes a person gets.
pub const COUNT: usize = 10;

/// A code has so many groups.
const GROUPS: usize = 3;

/// A group has so many letters.
const GROUP: usize = 4;

/// A new code: twelve letters and digits that nobody confuses, in groups of four.
pub fn generate(random: &mut dyn Random) -> Secret<String> {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let bytes = Zeroizing::new(random_bytes::<{ GROUPS * GROUP }>(random));
    let letters: Vec<char> = bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
        .collect();
    let groups: Vec<String> = letters
        .chunks(GROUP)
        .map(|group| group.iter().collect())
        .collect();
    Secret::new(groups.join("-"))
}

/// What something looks like that somebody typed where a pass or a code is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Looks {
    /// In groups, as codes are printed and passes are not.
    Code,
    /// Like a code whose groups were not typed, or a pass of that length.
    CodeOrPass,
    /// No code.
    Other,
}

impl Looks {
    /// By its spelling alone: what was typed is looked up nowhere. Letter case, spaces and
    /// hyphens do not count, as for [`tag`].
    pub fn of(typed: &str) -> Self {
        let is_between = |c: char| c.is_whitespace() || c == '-';
        let groups: Vec<usize> = typed
            .split(is_between)
            .map(|group| group.chars().count())
            .filter(|length| *length > 0)
            .collect();
        let is_plain = typed.chars().all(|c| is_between(c) || c.is_alphanumeric());
        if !is_plain || groups.iter().sum::<usize>() != GROUPS * GROUP {
            Self::Other
        } else if groups == [GROUP; GROUPS] {
            Self::Code
        } else {
            Self::CodeOrPass
        }
    }
}

/// The stored form of a code for its person. Letter case, spaces and hyphens do not count.
pub fn tag(sealing: &Sealing, user: &UserId, value: &str) -> String {
    let value: Zeroizing<String> = Zeroizing::new(
        fold(value)
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .collect(),
    );
    sealing.tag(
        TagLabel::RecoveryCode,
        &[user.as_str().as_bytes(), value.as_bytes()],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::random::SystemRandom, keys::sealing::MasterKey};

    #[test]
    fn a_code_is_typed_as_people_type_and_counts_for_its_person_only() {
        let random = &mut SystemRandom;
        let sealing = Sealing::new(&MasterKey::random(random));
        let (user, other) = (UserId::random(random), UserId::random(random));
        let code = generate(random);
        let code = code.expose();
        assert_eq!(code.len(), 14, "{code}");
        let spaced = code.replace('-', " ");
        for typed in [format!(" {} ", code.to_uppercase()), spaced] {
            assert_eq!(Looks::of(&typed), Looks::Code, "{typed}");
        }
        for typed in [code.replace('-', ""), "abcd23-456789".to_owned()] {
            assert_eq!(Looks::of(&typed), Looks::CodeOrPass, "{typed}");
        }
        for other in [
            "abcd-2345",
            "abcd-2345-678",
            "abcd-2345-6789-a",
            "a+cd23456789",
            "a-b-c",
            "",
        ] {
            assert_eq!(Looks::of(other), Looks::Other, "{other}");
        }
        let stored = tag(&sealing, &user, code);
        for spelling in [
            code.to_uppercase(),
            code.replace('-', ""),
            format!(" {} ", code.replace('-', " ")),
        ] {
            assert_eq!(tag(&sealing, &user, &spelling), stored, "{spelling}");
        }
        assert_ne!(tag(&sealing, &other, code), stored);
        let another = generate(random);
        assert_ne!(tag(&sealing, &user, another.expose()), stored);
    }
}
