//! Application passwords: random, one a device, for the door that can ask for nothing more
//! (WS-Trust). One is right for that door alone.
//!
//! Always true: what [`verify`] returns is no [`Proof`](super::Proof), so it cannot be sealed
//! as evidence, makes no `SignedIn` and never yields the MFA claim (attacks 21, 22); a value
//! has 140 random bits, so a plain digest of it tells nobody anything; all rows of a person
//! are looked at, in constant time; a row that was altered opens nothing, and shuts no other.

use aws_lc_rs::digest::{SHA256, digest};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{
    base::{
        clock::Timestamp,
        ids::{CredentialId, UserId},
        random::{Random, random_bytes},
        secret::Secret,
    },
    directory::ApplicationPassword,
    keys::sealing::Sealing,
};

/// How many a person may have.
pub const MOST: usize = 20;

/// Longer input is nobody's and is not read (bytes): a value has 34, and people add spaces.
const MAX_LENGTH: usize = 128;

/// Characters of a value, five bits each.
const LETTERS: usize = 28;

/// A person's application password was right. Made only by [`verify`].
pub struct ApplicationPasswordProof {
    user: UserId,
    credential: CredentialId,
    at: Timestamp,
}

impl ApplicationPasswordProof {
    /// Whose it is.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// Which one it was.
    pub fn credential(&self) -> &CredentialId {
        &self.credential
    }

    /// When.
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

/// Nothing was proved: the value is that of no sound row of the person's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoApplicationPassword;

/// A new value: 28 letters and digits that nobody confuses, in groups of four.
pub fn generate(random: &mut dyn Random) -> Secret<String> {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let bytes = Zeroizing::new(random_bytes::<LETTERS>(random));
    let mut value = String::with_capacity(LETTERS + LETTERS / 4);
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 && index % 4 == 0 {
            value.push('-');
        }
        value.push(char::from(ALPHABET[usize::from(byte & 31)]));
    }
    Secret::new(value)
}

/// The stored form of a value for its person. Letter case, spaces and hyphens do not count.
/// It needs no master key, so that a new one leaves devices at work; the row's tag does.
pub fn verifier(user: &UserId, value: &Secret<String>) -> String {
    let mut bytes = Zeroizing::new(Vec::with_capacity(256));
    bytes.extend_from_slice(b"claimbridge application password v1\0");
    bytes.extend_from_slice(user.as_str().as_bytes());
    bytes.push(0);
    let letters = value.expose().bytes().take(MAX_LENGTH);
    bytes.extend(
        letters
            .filter(|byte| !byte.is_ascii_whitespace() && *byte != b'-')
            .map(|byte| byte.to_ascii_lowercase()),
    );
    data_encoding::HEXLOWER.encode(digest(&SHA256, &bytes).as_ref())
}

/// Whether a row is the person's, unaltered, and none that was `revoked`: who writes back what one
/// was checked by before must not bring back a device that was taken away.
pub fn is_sound(
    row: &ApplicationPassword,
    user: &UserId,
    revoked: &[CredentialId],
    sealing: &Sealing,
) -> bool {
    row.user == *user && !revoked.contains(&row.id) && row.require_tag(sealing).is_ok()
}

/// Checks a value against the person's live rows; `revoked` as in [`is_sound`].
pub fn verify(
    value: &Secret<String>,
    user: &UserId,
    rows: &[ApplicationPassword],
    revoked: &[CredentialId],
    sealing: &Sealing,
    now: Timestamp,
) -> Result<ApplicationPasswordProof, NoApplicationPassword> {
    let given = verifier(user, value);
    let fits = value.expose().len() <= MAX_LENGTH;
    let mut found = None;
    for row in rows {
        let same = bool::from(row.verifier.as_bytes().ct_eq(given.as_bytes()));
        let sound = is_sound(row, user, revoked, sealing);
        if same && fits && sound && row.revoked_at.is_none() {
            found = Some(row);
        }
    }
    let row = found.ok_or(NoApplicationPassword)?;
    Ok(ApplicationPasswordProof {
        user: row.user.clone(),
        credential: row.id.clone(),
        at: now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::random::SystemRandom, keys::sealing::MasterKey};

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    struct Fixture {
        sealing: Sealing,
        user: UserId,
        value: Secret<String>,
        row: ApplicationPassword,
    }

    fn row(sealing: &Sealing, user: &UserId, value: &Secret<String>) -> ApplicationPassword {
        let id = CredentialId::random(&mut SystemRandom);
        let verifier = verifier(user, value);
        let tag = ApplicationPassword::make_tag(sealing, &id, user, &verifier);
        ApplicationPassword {
            id,
            user: user.clone(),
            label: "Scanner".to_owned(),
            verifier,
            created_at: NOW,
            last_used_at: None,
            revoked_at: None,
            tag,
        }
    }

    fn fixture() -> Fixture {
        let sealing = Sealing::new(&MasterKey::random(&mut SystemRandom));
        let user = UserId::random(&mut SystemRandom);
        let value = generate(&mut SystemRandom);
        let row = row(&sealing, &user, &value);
        Fixture {
            sealing,
            user,
            value,
            row,
        }
    }

    impl Fixture {
        fn check(
            &self,
            value: &str,
            user: &UserId,
            rows: &[ApplicationPassword],
        ) -> Result<CredentialId, NoApplicationPassword> {
            let value = Secret::new(value.to_owned());
            verify(&value, user, rows, &[], &self.sealing, NOW).map(|proof| {
                assert_eq!((proof.user(), proof.at()), (user, NOW));
                proof.credential().clone()
            })
        }
    }

    #[test]
    fn a_value_is_typed_as_people_type_and_counts_for_its_person_only() {
        let fixture = fixture();
        let value = fixture.value.expose();
        assert_eq!(value.len(), 34, "{value}");
        let other = row(
            &fixture.sealing,
            &fixture.user,
            &generate(&mut SystemRandom),
        );
        let rows = [other.clone(), fixture.row.clone()];
        for spelling in [
            value.clone(),
            value.to_uppercase(),
            value.replace('-', ""),
            format!(" {} \n", value.replace('-', " ")),
        ] {
            assert_eq!(
                fixture.check(&spelling, &fixture.user, &rows),
                Ok(fixture.row.id.clone()),
                "{spelling}"
            );
        }
        let wrong = Err(NoApplicationPassword);
        let padded = format!("{value}{}", " ".repeat(MAX_LENGTH));
        for bad in ["", "-", &value[1..], &format!("{value}0"), &padded] {
            assert_eq!(fixture.check(bad, &fixture.user, &rows), wrong, "{bad}");
        }
        assert_eq!(fixture.check(value, &fixture.user, &[other]), wrong);
        assert_eq!(fixture.check(value, &fixture.user, &[]), wrong);
        let stranger = UserId::random(&mut SystemRandom);
        assert_ne!(verifier(&stranger, &fixture.value), fixture.row.verifier);
    }

    #[test]
    fn attack_38_a_row_moved_altered_or_revived_by_hand_opens_nothing() {
        let fixture = fixture();
        let value = fixture.value.expose();
        let (user, row) = (&fixture.user, &fixture.row);
        let thief = UserId::random(&mut SystemRandom);
        let refused = Err(NoApplicationPassword);
        let sound = |row: &ApplicationPassword, revoked: &[CredentialId]| {
            is_sound(row, &fixture.user, revoked, &fixture.sealing)
        };
        assert!(sound(row, &[]));
        let moved = ApplicationPassword {
            user: thief.clone(),
            verifier: verifier(&thief, &fixture.value),
            ..row.clone()
        };
        assert_eq!(fixture.check(value, &thief, &[moved]), refused);
        assert_eq!(
            fixture.check(value, &thief, std::slice::from_ref(row)),
            refused
        );
        let guessed = Secret::new("0000".to_owned());
        let altered = ApplicationPassword {
            verifier: verifier(user, &guessed),
            ..row.clone()
        };
        assert!(!sound(&altered, &[]));
        // The others open on: an altered row shuts out nobody.
        let both = [altered.clone(), row.clone()];
        assert_eq!(fixture.check("0000", user, &both), refused);
        assert_eq!(fixture.check(value, user, &both), Ok(row.id.clone()));
        // What a revocation leaves, with the mark of it taken back.
        let emptied = ApplicationPassword {
            verifier: String::new(),
            ..row.clone()
        };
        assert!(!sound(&emptied, &[]));
        assert_eq!(fixture.check(value, user, &[emptied]), refused);
        // The same with what it was checked by: its tag is genuine.
        let gone = std::slice::from_ref(&row.id);
        assert!(!sound(row, gone));
        let given = Secret::new(value.to_owned());
        let rows = std::slice::from_ref(row);
        let checked = verify(&given, user, rows, gone, &fixture.sealing, NOW);
        assert!(checked.is_err());
        let revoked = ApplicationPassword {
            revoked_at: Some(NOW),
            ..row.clone()
        };
        assert_eq!(fixture.check(value, user, &[revoked]), refused);
    }
}
