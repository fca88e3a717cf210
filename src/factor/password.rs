//! Passwords: Argon2id (RFC 9106), at least 19 MiB, two passes, one lane.
//!
//! Always true: an unknown name, a wrong password and a person without a password
//! cost the same work; memory is bounded by the caller's semaphore, length by
//! [`MAX_LENGTH`]; a hash that was moved between rows does not verify.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

use super::{FactorKind, Proof, ProofFacts};
use crate::{
    base::{
        clock::Timestamp,
        ids::{AttemptId, CredentialId, UserId},
        random::{Random, random_bytes},
        secret::Secret,
    },
    directory::PasswordCredential,
    keys::sealing::Sealing,
};

/// Longer passwords are refused before hashing (bytes).
pub const MAX_LENGTH: usize = 512;

/// A person's password was right. Made only by [`verify`].
pub struct PasswordProof {
    user: UserId,
    credential: CredentialId,
    attempt: AttemptId,
    at: Timestamp,
}

impl Proof for PasswordProof {
    fn facts(&self) -> ProofFacts<'_> {
        ProofFacts {
            user: &self.user,
            credential: &self.credential,
            kind: FactorKind::Password,
            at: self.at,
            attempt: &self.attempt,
        }
    }
}

/// The cost of a hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HashCost {
    /// KiB of memory.
    pub memory_kib: u32,
    /// Passes.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl HashCost {
    /// The floor that is never undercut (OWASP's minimum for Argon2id).
    pub const FLOOR: Self = Self {
        memory_kib: 19 * 1024,
        passes: 2,
        lanes: 1,
    };

    /// Whether this is at least the floor in each part.
    pub fn reaches_floor(self) -> bool {
        self.memory_kib >= Self::FLOOR.memory_kib
            && self.passes >= Self::FLOOR.passes
            && self.lanes >= Self::FLOOR.lanes
    }

    fn argon2(self) -> Result<Argon2<'static>, PasswordError> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, None)
            .map_err(|_| PasswordError::Cost)?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

/// Why a password could not be hashed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PasswordError {
    /// Over [`MAX_LENGTH`] bytes.
    #[error("a password has at most {MAX_LENGTH} bytes")]
    Length,
    /// Impossible cost parameters.
    #[error("the cost of password hashing is out of range")]
    Cost,
}

/// Why a password was refused. Outwardly all are one answer; inwardly they are different events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PasswordRefused {
    /// There is no such person, or the person has no password.
    NoCredential,
    /// The password is wrong.
    Wrong,
    /// Over [`MAX_LENGTH`]: it cannot be right, and is not hashed whole.
    TooLong,
    /// The password was right but is dead until an administrator resets it.
    Dead,
    /// The row was altered or moved; nobody may use it.
    Tampered,
}

/// Whether the stored hash should be made again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rehash {
    /// Its cost is what is wanted now.
    NotNeeded,
    /// Its cost differs; hash the password again and store it.
    Needed,
}

/// Hashes a password. The result is a PHC string. What may become one is another question:
/// `app::new_password`.
pub fn hash(
    password: &Secret<String>,
    cost: HashCost,
    random: &mut dyn Random,
) -> Result<String, PasswordError> {
    if password.expose().len() > MAX_LENGTH {
        return Err(PasswordError::Length);
    }
    let salt = random_bytes::<16>(random);
    cost.argon2()?
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|_| PasswordError::Cost)
}

/// Checks a password. Blocking: tens of milliseconds and `cost.memory_kib` of memory.
///
/// Without a credential the same work is done against nothing, so that the time
/// does not tell whether the person exists (attack 26).
pub fn verify(
    password: &Secret<String>,
    credential: Option<&PasswordCredential>,
    attempt: &AttemptId,
    cost: HashCost,
    sealing: &Sealing,
    now: Timestamp,
) -> Result<(PasswordProof, Rehash), PasswordRefused> {
    let Some(credential) = credential else {
        burn(password, cost);
        return Err(PasswordRefused::NoCredential);
    };
    if password.expose().len() > MAX_LENGTH {
        burn(password, cost);
        return Err(PasswordRefused::TooLong);
    }
    let (Ok(()), Ok(stored)) = (
        credential.require_tag(sealing),
        PasswordHash::new(&credential.phc),
    ) else {
        burn(password, cost);
        return Err(PasswordRefused::Tampered);
    };
    // Argon2's verifier takes the cost from the stored hash and compares in constant time.
    Argon2::default()
        .verify_password(password.expose().as_bytes(), &stored)
        .map_err(|_| PasswordRefused::Wrong)?;
    if credential.dead_at.is_some() {
        return Err(PasswordRefused::Dead);
    }
    let rehash = match Params::try_from(&stored) {
        Ok(params)
            if params.m_cost() == cost.memory_kib
                && params.t_cost() == cost.passes
                && params.p_cost() == cost.lanes =>
        {
            Rehash::NotNeeded
        }
        _ => Rehash::Needed,
    };
    let proof = PasswordProof {
        user: credential.user.clone(),
        credential: credential.id.clone(),
        attempt: attempt.clone(),
        at: now,
    };
    Ok((proof, rehash))
}

fn burn(password: &Secret<String>, cost: HashCost) {
    let text = password.expose().as_bytes();
    let bytes = text.get(..MAX_LENGTH).unwrap_or(text);
    if let Ok(argon2) = cost.argon2() {
        // The result is of no use; the time it took is.
        let _ = argon2.hash_password_with_salt(bytes, &[0x55; 16]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::random::SystemRandom, keys::sealing::MasterKey};

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    struct Fixture {
        sealing: Sealing,
        attempt: AttemptId,
        credential: PasswordCredential,
    }

    fn fixture() -> Fixture {
        let sealing = Sealing::new(&MasterKey::random(&mut SystemRandom));
        let (id, user) = (
            CredentialId::random(&mut SystemRandom),
            UserId::random(&mut SystemRandom),
        );
        let phc = hash(&secret("correct horse"), HashCost::FLOOR, &mut SystemRandom).unwrap();
        let tag = PasswordCredential::make_tag(&sealing, &id, &user, &phc);
        Fixture {
            sealing,
            attempt: AttemptId::random(&mut SystemRandom),
            credential: PasswordCredential {
                id,
                user,
                phc,
                set_at: NOW,
                dead_at: None,
                tag,
            },
        }
    }

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn check(
        fixture: &Fixture,
        password: &str,
        credential: Option<&PasswordCredential>,
    ) -> Result<Rehash, PasswordRefused> {
        verify(
            &secret(password),
            credential,
            &fixture.attempt,
            HashCost::FLOOR,
            &fixture.sealing,
            NOW,
        )
        .map(|(proof, rehash)| {
            assert_eq!(proof.facts().user, &fixture.credential.user);
            rehash
        })
    }

    #[test]
    fn only_the_right_password_makes_a_proof() {
        let fixture = fixture();
        assert_eq!(
            check(&fixture, "correct horse", Some(&fixture.credential)),
            Ok(Rehash::NotNeeded)
        );
        assert_eq!(
            check(&fixture, "correct horsf", Some(&fixture.credential)),
            Err(PasswordRefused::Wrong)
        );
        assert_eq!(
            check(&fixture, "", Some(&fixture.credential)),
            Err(PasswordRefused::Wrong)
        );
        assert_eq!(
            check(
                &fixture,
                &"x".repeat(MAX_LENGTH + 1),
                Some(&fixture.credential)
            ),
            Err(PasswordRefused::TooLong)
        );
        assert_eq!(
            check(&fixture, "correct horse", None),
            Err(PasswordRefused::NoCredential)
        );
    }

    #[test]
    fn attack_21_a_dead_password_opens_nothing_and_only_the_right_one_learns_that() {
        let fixture = fixture();
        let dead = PasswordCredential {
            dead_at: Some(NOW),
            ..fixture.credential.clone()
        };
        assert_eq!(
            check(&fixture, "correct horse", Some(&dead)),
            Err(PasswordRefused::Dead)
        );
        assert_eq!(
            check(&fixture, "wrong horse!", Some(&dead)),
            Err(PasswordRefused::Wrong)
        );
    }

    #[test]
    fn attack_38_a_hash_moved_to_another_person_does_not_verify() {
        let fixture = fixture();
        let moved = PasswordCredential {
            user: UserId::random(&mut SystemRandom),
            ..fixture.credential.clone()
        };
        assert_eq!(
            check(&fixture, "correct horse", Some(&moved)),
            Err(PasswordRefused::Tampered)
        );
    }

    #[test]
    fn a_hash_of_another_cost_is_made_again_and_the_floor_holds() {
        let mut fixture = fixture();
        let dearer = HashCost {
            memory_kib: 20 * 1024,
            ..HashCost::FLOOR
        };
        fixture.credential.phc = hash(&secret("correct horse"), dearer, &mut SystemRandom).unwrap();
        fixture.credential.tag = PasswordCredential::make_tag(
            &fixture.sealing,
            &fixture.credential.id,
            &fixture.credential.user,
            &fixture.credential.phc,
        );
        assert_eq!(
            check(&fixture, "correct horse", Some(&fixture.credential)),
            Ok(Rehash::Needed)
        );
        assert!(dearer.reaches_floor());
        assert!(
            !HashCost {
                passes: 1,
                ..HashCost::FLOOR
            }
            .reaches_floor()
        );
        assert!(
            !HashCost {
                memory_kib: 1024,
                ..HashCost::FLOOR
            }
            .reaches_floor()
        );
        assert!(
            !HashCost {
                lanes: 0,
                ..HashCost::FLOOR
            }
            .reaches_floor()
        );
    }

    #[test]
    fn the_longest_password_works_and_a_longer_one_is_not_hashed_whole() {
        let mut fixture = fixture();
        let longest = "x".repeat(MAX_LENGTH);
        fixture.credential.phc =
            hash(&secret(&longest), HashCost::FLOOR, &mut SystemRandom).unwrap();
        fixture.credential.tag = PasswordCredential::make_tag(
            &fixture.sealing,
            &fixture.credential.id,
            &fixture.credential.user,
            &fixture.credential.phc,
        );
        let verdict = |password: &str| check(&fixture, password, Some(&fixture.credential));
        assert_eq!(verdict(&longest), Ok(Rehash::NotNeeded));
        for longer in [MAX_LENGTH + 1, 100_000] {
            assert_eq!(verdict(&"x".repeat(longer)), Err(PasswordRefused::TooLong));
        }
    }

    #[test]
    fn what_can_be_hashed() {
        let hash_of = |text: &str| hash(&secret(text), HashCost::FLOOR, &mut SystemRandom);
        assert_eq!(
            hash_of(&"x".repeat(513)).unwrap_err(),
            PasswordError::Length
        );
        assert!(
            hash_of("pässwört")
                .unwrap()
                .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
        );
    }
}
