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

/// A new code: twelve letters and digits that nobody confuses, in groups of four.
pub fn generate(random: &mut dyn Random) -> Secret<String> {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let bytes = Zeroizing::new(random_bytes::<12>(random));
    let letters: Vec<char> = bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
        .collect();
    let groups: Vec<String> = letters
        .chunks(4)
        .map(|four| four.iter().collect())
        .collect();
    Secret::new(groups.join("-"))
}

/// Whether somebody typed this the way that codes are printed, which passes are not. What was
/// typed is looked up nowhere.
pub fn is_written_like_one(typed: &str) -> bool {
    let groups: Vec<&str> = typed.trim().split('-').collect();
    let is_group = |group: &&str| group.len() == 4 && group.chars().all(char::is_alphanumeric);
    groups.len() == 3 && groups.iter().all(is_group)
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
        assert!(is_written_like_one(&format!(" {} ", code.to_uppercase())));
        for pass in ["abcd23456789", "abcd-2345", "abcd-2345-678", "a-b-c", ""] {
            assert!(!is_written_like_one(pass), "{pass}");
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
