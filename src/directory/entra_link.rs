//! Who somebody of a tenant is here: (tenant, object id) ↔ person.
//!
//! Always true: the link is by the two ids that Entra never gives to anybody else, not by a
//! name or an address (attack 23); its row is under a tag, so that a writer of the database
//! cannot lend one person's second factor to another's first (attacks 1, 38).

use crate::{
    base::{clock::Timestamp, guid::Guid, ids::UserId},
    keys::sealing::{SealError, Sealing, TagLabel},
};

/// A link, as stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EntraLink {
    /// The tenant's id (`tid`).
    pub tenant: Guid,
    /// The person's object id there (`oid`).
    pub object_id: Guid,
    /// Who that is here.
    pub user: UserId,
    /// Since when.
    pub linked_at: Timestamp,
    /// Vouches for the rest.
    pub tag: String,
}

impl EntraLink {
    /// With its tag.
    pub fn new(
        sealing: &Sealing,
        tenant: Guid,
        object_id: Guid,
        user: UserId,
        linked_at: Timestamp,
    ) -> Self {
        let mut link = Self {
            tenant,
            object_id,
            user,
            linked_at,
            tag: String::new(),
        };
        link.tag = link.with_fields(|fields| sealing.tag(TagLabel::EntraLink, fields));
        link
    }

    /// Checks the tag.
    ///
    /// # Errors
    /// The row was altered outside claimbridge.
    pub fn require_tag(&self, sealing: &Sealing) -> Result<(), SealError> {
        self.with_fields(|fields| sealing.verify_tag(TagLabel::EntraLink, fields, &self.tag))
    }

    fn with_fields<T>(&self, of: impl FnOnce(&[&[u8]]) -> T) -> T {
        let (tenant, object_id) = (self.tenant.to_string(), self.object_id.to_string());
        let linked_at = self.linked_at.as_millis().to_be_bytes();
        of(&[
            tenant.as_bytes(),
            object_id.as_bytes(),
            self.user.as_str().as_bytes(),
            &linked_at,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::random::SystemRandom, keys::sealing::MasterKey};

    #[test]
    fn attack_38_a_link_that_was_altered_is_none() {
        let random = &mut SystemRandom;
        let sealing = Sealing::new(&MasterKey::random(random));
        let tenant = "748b2d72-706b-42f8-8b25-82fd8733860f".parse().unwrap();
        let object_id = "11111111-2222-3333-4444-555555555555".parse().unwrap();
        let at = Timestamp::from_millis(1_800_000_000_000);
        let link = EntraLink::new(&sealing, tenant, object_id, UserId::random(random), at);
        assert_eq!(link.require_tag(&sealing), Ok(()));
        for altered in [
            EntraLink {
                user: UserId::random(random),
                ..link.clone()
            },
            EntraLink {
                tenant: object_id,
                ..link.clone()
            },
            EntraLink {
                object_id: tenant,
                ..link.clone()
            },
            EntraLink {
                linked_at: Timestamp::from_millis(0),
                ..link.clone()
            },
            EntraLink {
                tag: String::new(),
                ..link.clone()
            },
        ] {
            assert_eq!(altered.require_tag(&sealing), Err(SealError::Broken));
        }
    }
}
