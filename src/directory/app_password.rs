//! Application passwords as rows: whose, for which device, and the tag that holds them there.

use crate::{
    base::{
        clock::Timestamp,
        ids::{CredentialId, UserId},
    },
    keys::sealing::{SealError, Sealing, TagLabel},
};

/// A password of one device of a person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApplicationPassword {
    /// Its id.
    pub id: CredentialId,
    /// Whose it is.
    pub user: UserId,
    /// What its person calls the device. Text everywhere.
    pub label: String,
    /// A digest of the value (`factor::app_password`); empty once it is revoked.
    pub verifier: String,
    /// Since when.
    pub created_at: Timestamp,
    /// When it last opened the door.
    pub last_used_at: Option<Timestamp>,
    /// Since when it opens nothing.
    pub revoked_at: Option<Timestamp>,
    /// See [`ApplicationPassword::make_tag`].
    pub tag: String,
}

impl ApplicationPassword {
    /// The tag over (kind, id, person, verifier).
    pub fn make_tag(sealing: &Sealing, id: &CredentialId, user: &UserId, verifier: &str) -> String {
        sealing.tag(TagLabel::Credential, &fields(id, user, verifier))
    }

    /// Checks the tag.
    pub fn require_tag(&self, sealing: &Sealing) -> Result<(), SealError> {
        let fields = fields(&self.id, &self.user, &self.verifier);
        sealing.verify_tag(TagLabel::Credential, &fields, &self.tag)
    }
}

fn fields<'a>(id: &'a CredentialId, user: &'a UserId, verifier: &'a str) -> [&'a [u8]; 4] {
    [
        b"application-password",
        id.as_str().as_bytes(),
        user.as_str().as_bytes(),
        verifier.as_bytes(),
    ]
}
