//! Application passwords: random, one a device, for the door that can ask for nothing more
//! (WS-Trust). One is right for that door alone.
//!
//! Always true: what [`verify`] returns is no [`Proof`](super::Proof), so it cannot be sealed
//! as evidence, makes no `SignedIn` and never yields the MFA claim (attacks 21, 22); a value
//! has 140 random bits, so a plain digest of it tells nobody anything; all rows of a person
//! are looked at, in constant time.

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

/// Why nothing was proved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ApplicationPasswordRefused {
    /// It is none of the person's.
    Wrong,
    /// A row of the person was altered or moved: none may be used.
    Tampered,
}

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

/// Checks a value against the person's live rows.
pub fn verify(
    value: &Secret<String>,
    user: &UserId,
    rows: &[ApplicationPassword],
    sealing: &Sealing,
    now: Timestamp,
) -> Result<ApplicationPasswordProof, ApplicationPasswordRefused> {
    let given = verifier(user, value);
    let fits = value.expose().len() <= MAX_LENGTH;
    let mut found = None;
    for row in rows {
        if row.user != *user || row.require_tag(sealing).is_err() {
            return Err(ApplicationPasswordRefused::Tampered);
        }
        let same = bool::from(row.verifier.as_bytes().ct_eq(given.as_bytes()));
        if same && fits && row.revoked_at.is_none() {
            found = Some(row);
        }
    }
    let row = found.ok_or(ApplicationPasswordRefused::Wrong)?;
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
        ) -> Result<CredentialId, ApplicationPasswordRefused> {
            let value = Secret::new(value.to_owned());
            verify(&value, user, rows, &self.sealing, NOW).map(|proof| {
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
        let wrong = Err(ApplicationPasswordRefused::Wrong);
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
        let tampered = Err(ApplicationPasswordRefused::Tampered);
        let moved = ApplicationPassword {
            user: thief.clone(),
            verifier: verifier(&thief, &fixture.value),
            ..row.clone()
        };
        assert_eq!(fixture.check(value, &thief, &[moved]), tampered);
        assert_eq!(
            fixture.check(value, &thief, std::slice::from_ref(row)),
            tampered
        );
        let guessed = Secret::new("0000".to_owned());
        let altered = ApplicationPassword {
            verifier: verifier(user, &guessed),
            ..row.clone()
        };
        assert_eq!(fixture.check("0000", user, &[altered]), tampered);
        // What a revocation leaves, with the mark of it taken back.
        let emptied = ApplicationPassword {
            verifier: String::new(),
            ..row.clone()
        };
        assert_eq!(fixture.check(value, user, &[emptied]), tampered);
        let revoked = ApplicationPassword {
            revoked_at: Some(NOW),
            ..row.clone()
        };
        let wrong = Err(ApplicationPasswordRefused::Wrong);
        assert_eq!(fixture.check(value, user, &[revoked]), wrong);
    }
}
