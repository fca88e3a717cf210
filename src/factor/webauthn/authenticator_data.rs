//! Authenticator data and attestation objects (WebAuthn §6.1, §6.5), read by us.
//!
//! The library reads them too, but it keeps no AAGUID, passes over bytes after the end and
//! bounds nothing; here every byte has a place.

use super::{
    cbor::{Cbor, Item, NotCtapCbor},
    policy::{Backup, UserVerified},
    refused::KeyRefused,
};
use crate::base::aaguid::Aaguid;

/// What an authenticator signs.
#[derive(Clone, Debug)]
pub struct AuthenticatorData<'a> {
    /// SHA-256 of the RP id it answered for.
    pub rp_id_hash: &'a [u8],
    flags: u8,
    /// How often it signed; 0 if it does not count.
    pub counter: u32,
    /// The new key, in a registration.
    pub new_key: Option<AttestedKey<'a>>,
}

/// The attested credential data of a registration.
#[derive(Clone, Debug)]
pub struct AttestedKey<'a> {
    /// The model.
    pub aaguid: Aaguid,
    /// The credential id.
    pub credential_id: &'a [u8],
}

/// A flag of authenticator data (WebAuthn §6.1).
#[derive(Clone, Copy, Debug)]
pub enum Flag {
    /// Somebody touched it.
    UserPresent = 0x01,
    /// It verified its person by PIN or biometric.
    UserVerified = 0x04,
    /// Its key can be copied to other devices.
    BackupEligible = 0x08,
    /// Its key was copied.
    BackedUp = 0x10,
    /// A new key follows.
    AttestedKey = 0x40,
    /// Extensions follow.
    Extensions = 0x80,
}

/// The longest credential id (WebAuthn §6.5.1).
const LONGEST_ID: usize = 1023;
/// The shortest credential id that cannot be guessed or collide (WebAuthn §4, "Credential ID").
const SHORTEST_ID: usize = 16;

impl<'a> AuthenticatorData<'a> {
    /// Reads all of `bytes`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, KeyRefused> {
        let short = KeyRefused::AuthenticatorData;
        let (rp_id_hash, rest) = bytes.split_at_checked(32).ok_or(short)?;
        let (&flags, rest) = rest.split_first().ok_or(short)?;
        let (counter, mut rest) = rest.split_first_chunk::<4>().ok_or(short)?;
        let mut data = Self {
            rp_id_hash,
            flags,
            counter: u32::from_be_bytes(*counter),
            new_key: None,
        };
        if data.has(Flag::AttestedKey) {
            let (key, after) = attested_key(rest)?;
            data.new_key = Some(key);
            rest = after;
        }
        if data.has(Flag::Extensions) {
            let mut cbor = Cbor::new(rest);
            let is_map = matches!(cbor.clone().next(), Ok(Item::Map(_)));
            cbor.skip().map_err(|NotCtapCbor| short)?;
            if !is_map {
                return Err(short);
            }
            rest = cbor.rest();
        }
        if !rest.is_empty() {
            return Err(KeyRefused::TrailingBytes);
        }
        if data.has(Flag::BackedUp) && !data.has(Flag::BackupEligible) {
            return Err(KeyRefused::Backup);
        }
        Ok(data)
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: Flag) -> bool {
        self.flags & flag as u8 != 0
    }

    /// Whether it verified its person.
    pub fn user_verified(&self) -> UserVerified {
        if self.has(Flag::UserVerified) {
            UserVerified::Yes
        } else {
            UserVerified::No
        }
    }

    /// Whether its key can be copied to other devices.
    pub fn backup(&self) -> Backup {
        if self.has(Flag::BackupEligible) {
            Backup::Eligible
        } else {
            Backup::DeviceBound
        }
    }
}

fn attested_key(bytes: &[u8]) -> Result<(AttestedKey<'_>, &[u8]), KeyRefused> {
    let short = KeyRefused::AuthenticatorData;
    let (aaguid, rest) = bytes.split_first_chunk::<16>().ok_or(short)?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(short)?;
    let length = usize::from(u16::from_be_bytes(*length));
    if !(SHORTEST_ID..=LONGEST_ID).contains(&length) {
        return Err(KeyRefused::CredentialIdLength);
    }
    let (credential_id, rest) = rest.split_at_checked(length).ok_or(short)?;
    let mut public_key = Cbor::new(rest);
    public_key
        .skip()
        .map_err(|NotCtapCbor| KeyRefused::PublicKey)?;
    let key = AttestedKey {
        aaguid: Aaguid::from_bytes(*aaguid),
        credential_id,
    };
    Ok((key, public_key.rest()))
}

/// An attestation object, of which we keep the authenticator data.
#[derive(Clone, Debug)]
pub struct AttestationObject<'a> {
    /// The authenticator data.
    pub data: AuthenticatorData<'a>,
}

impl<'a> AttestationObject<'a> {
    /// Reads all of `bytes`. Each member is there exactly once, and `none` says nothing.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, KeyRefused> {
        let (mut format, mut statement, mut data) = (None, None, None);
        let mut cbor = Cbor::new(bytes);
        let broken = |NotCtapCbor| KeyRefused::Cbor;
        let Item::Map(pairs) = cbor.next().map_err(broken)? else {
            return Err(KeyRefused::Cbor);
        };
        for _ in 0..pairs {
            let Item::Text(name) = cbor.next().map_err(broken)? else {
                return Err(KeyRefused::Cbor);
            };
            let twice = match name {
                "fmt" => match cbor.next().map_err(broken)? {
                    Item::Text(text) => format.replace(text).is_some(),
                    _ => return Err(KeyRefused::Cbor),
                },
                "authData" => match cbor.next().map_err(broken)? {
                    Item::Bytes(bytes) => data.replace(bytes).is_some(),
                    _ => return Err(KeyRefused::Cbor),
                },
                "attStmt" => statement.replace(cbor.skip().map_err(broken)?).is_some(),
                _ => cbor.skip().map(|_| false).map_err(broken)?,
            };
            if twice {
                return Err(KeyRefused::Cbor);
            }
        }
        if !cbor.rest().is_empty() {
            return Err(KeyRefused::TrailingBytes);
        }
        let (Some(format), Some(statement), Some(data)) = (format, statement, data) else {
            return Err(KeyRefused::Cbor);
        };
        let data = AuthenticatorData::parse(data)?;
        let nameless = data.new_key.as_ref().is_none_or(|key| key.aaguid.is_zero());
        match format {
            // WebAuthn §8.7: the statement of `none` is an empty map.
            "none" if statement != [0xa0] => Err(KeyRefused::Attestation),
            // A U2F key has no model (FIDO 2.0 §7.1): who names one there made it up.
            "fido-u2f" if !nameless => Err(KeyRefused::Attestation),
            _ => Ok(Self { data }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_one_map_and_nothing_follows_it() {
        let read = |extensions: &[u8]| {
            let mut bytes = vec![7; 32];
            bytes.push(Flag::UserPresent as u8 | Flag::Extensions as u8);
            bytes.extend([0, 0, 1, 2]);
            bytes.extend(extensions);
            AuthenticatorData::parse(&bytes).map(|data| data.counter)
        };
        for map in [&[0xa0][..], &[0xa1, 0x61, b'k', 2], &[0xa1, 1, 0x80]] {
            assert_eq!(read(map), Ok(258), "{map:02x?}");
        }
        for other in [&[][..], &[0x00], &[0x80], &[0x41, 1], &[0xf6], &[0xa1, 1]] {
            let refused = Err(KeyRefused::AuthenticatorData);
            assert_eq!(read(other), refused, "{other:02x?}");
        }
        assert_eq!(read(&[0xa0, 0xa0]), Err(KeyRefused::TrailingBytes));
    }
}
