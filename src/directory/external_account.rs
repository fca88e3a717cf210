//! Accounts of tenants: which person answers for one at the door of External MFA.
//!
//! Always true: an account is a tenant's id with an object id there, never a name (attack 23);
//! it is one person's at most, and the tag holds it there (attack 38). A person may have
//! several.

use std::fmt;

use crate::{
    base::{clock::Timestamp, guid::Guid, ids::UserId},
    keys::sealing::{SealError, Sealing, TagLabel},
};

/// By what an account was linked to its person.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkedBy {
    /// The person proved a method here in the ceremony, and the names were the same.
    Proof,
    /// An operator said so.
    Operator,
}

impl LinkedBy {
    /// The stored spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proof => "proof",
            Self::Operator => "operator",
        }
    }

    /// From the stored spelling.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Proof, Self::Operator]
            .into_iter()
            .find(|by| by.as_str() == text)
    }
}

impl fmt::Display for LinkedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A tenant's account and whose it is here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExternalAccount {
    /// The tenant.
    pub tenant: Guid,
    /// The account's object id there.
    pub object: Guid,
    /// Whose it is.
    pub user: UserId,
    /// Since when.
    pub linked_at: Timestamp,
    /// By what.
    pub linked_by: LinkedBy,
    /// See [`ExternalAccount::make_tag`].
    pub tag: String,
}

impl ExternalAccount {
    /// With its tag.
    pub fn new(
        sealing: &Sealing,
        (tenant, object): (Guid, Guid),
        user: UserId,
        linked_at: Timestamp,
        linked_by: LinkedBy,
    ) -> Self {
        let mut account = Self {
            tenant,
            object,
            user,
            linked_at,
            linked_by,
            tag: String::new(),
        };
        account.tag = account.make_tag(sealing);
        account
    }

    /// The tag over the account, its person, and when and by whom it was linked: a row that was
    /// taken away is not the row of a later link.
    pub fn make_tag(&self, sealing: &Sealing) -> String {
        self.with_fields(|fields| sealing.tag(TagLabel::ExternalAccount, fields))
    }

    /// Checks the tag.
    pub fn require_tag(&self, sealing: &Sealing) -> Result<(), SealError> {
        self.with_fields(|fields| sealing.verify_tag(TagLabel::ExternalAccount, fields, &self.tag))
    }

    fn with_fields<T>(&self, made: impl FnOnce(&[&[u8]]) -> T) -> T {
        made(&[
            self.tenant.to_string().as_bytes(),
            self.object.to_string().as_bytes(),
            self.user.as_str().as_bytes(),
            &self.linked_at.as_millis().to_be_bytes(),
            self.linked_by.as_str().as_bytes(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::random::SystemRandom, keys::sealing::MasterKey};

    #[test]
    fn attack_38_an_account_moved_to_another_person_or_tenant_is_refused() {
        let sealing = Sealing::new(&MasterKey::random(&mut SystemRandom));
        let user = UserId::random(&mut SystemRandom);
        let at = Timestamp::from_millis(1);
        let id = |digit: &str| format!("72f988b{digit}-86f1-41af-91ab-2d7cd011db47");
        let named = (id("1").parse().unwrap(), id("2").parse().unwrap());
        let account = ExternalAccount::new(&sealing, named, user, at, LinkedBy::Proof);
        assert_eq!(account.require_tag(&sealing), Ok(()));
        for altered in [
            ExternalAccount {
                tenant: id("3").parse().unwrap(),
                ..account.clone()
            },
            ExternalAccount {
                object: id("3").parse().unwrap(),
                ..account.clone()
            },
            ExternalAccount {
                user: UserId::random(&mut SystemRandom),
                ..account.clone()
            },
            ExternalAccount {
                linked_at: Timestamp::from_millis(2),
                ..account.clone()
            },
            ExternalAccount {
                linked_by: LinkedBy::Operator,
                ..account.clone()
            },
            ExternalAccount {
                tag: String::new(),
                ..account.clone()
            },
        ] {
            assert_eq!(altered.require_tag(&sealing), Err(SealError::Broken));
        }
        for by in [LinkedBy::Proof, LinkedBy::Operator] {
            assert_eq!(LinkedBy::parse(by.as_str()), Some(by));
        }
    }
}
