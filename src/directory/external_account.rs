//! Accounts of tenants: which person answers for one at the door of External MFA.
//!
//! Always true: an account is a tenant's id with an object id there, never a name (attack 23);
//! it is one person's at most, and the tag holds it there (attack 38). A person may have
//! several. Whether a link still stands is told by events that name it ([`stands`]), and by no
//! clock: those of servers differ.

use std::{fmt, time::Duration};

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
    /// Since when: the link's name among those of the account and the person ([`name_of_next`]).
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

/// What an event tells of the links between an account and a person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LinkTold {
    /// A link was made, of this name; versions of before links had names gave none.
    Made(Option<Timestamp>),
    /// Links of these names were taken away; none: by such a version, all that there were.
    Ended(Vec<Timestamp>),
}

/// Whether the link of that name stands, by all that was told of the account and the person, the
/// newest first. The order counts only beside events without names, which the servers' clocks
/// have to tell apart.
pub fn stands(told: &[LinkTold], name: Timestamp) -> bool {
    let ends = |told: &LinkTold| matches!(told, LinkTold::Ended(names) if names.contains(&name));
    if told.iter().any(ends) {
        return false;
    }
    let is_made = |told: &LinkTold| *told == LinkTold::Made(Some(name));
    if let Some(made) = told.iter().position(is_made) {
        let later = told.iter().take(made);
        return !later
            .into_iter()
            .any(|told| matches!(told, LinkTold::Ended(names) if names.is_empty()));
    }
    one_without_name_stands(told)
}

/// Made by a version that gave no names: links that have one are others.
fn one_without_name_stands(told: &[LinkTold]) -> bool {
    let unnamed = told.iter().find_map(|told| match told {
        LinkTold::Made(None) => Some(true),
        LinkTold::Made(Some(_)) => None,
        LinkTold::Ended(_) => Some(false),
    });
    unnamed.unwrap_or(false)
}

/// Whether any link stands, by all that was told of the account and the person, the newest first.
pub fn any_stands(told: &[LinkTold]) -> bool {
    let mut made = told.iter().filter_map(|one| match one {
        LinkTold::Made(name) => *name,
        LinkTold::Ended(_) => None,
    });
    made.any(|name| stands(told, name)) || one_without_name_stands(told)
}

/// The links that end where the one of that name is taken away (none: its row is gone): it, and
/// whatever else was told as made and not as ended, so that no row that was put aside stands again.
pub fn ended_with(told: &[LinkTold], name: Option<Timestamp>) -> Vec<Timestamp> {
    let mut names: Vec<Timestamp> = name.into_iter().collect();
    for told_one in told {
        if let LinkTold::Made(Some(other)) = told_one
            && stands(told, *other)
            && !names.contains(other)
        {
            names.push(*other);
        }
    }
    names
}

/// The name of a link that is made now, where `ended` end in the same step: one that none had.
pub fn name_of_next(told: &[LinkTold], ended: &[Timestamp], now: Timestamp) -> Timestamp {
    let is_taken = |name: Timestamp| {
        ended.contains(&name)
            || told.iter().any(|told| match told {
                LinkTold::Made(made) => *made == Some(name),
                LinkTold::Ended(names) => names.contains(&name),
            })
    };
    let mut name = now;
    while is_taken(name) {
        name = name.plus(Duration::from_millis(1));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::LinkTold::{Ended, Made};
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

    #[test]
    fn attack_38_a_link_stands_by_its_name_whatever_clocks_say() {
        let at = Timestamp::from_millis;
        let (one, two) = (at(1_000), at(2_000));
        for (told, name, wanted) in [
            (vec![], one, false),
            (vec![Made(Some(one))], one, true),
            (vec![Made(Some(one))], two, false),
            // In whatever order their clocks put them.
            (vec![Ended(vec![one]), Made(Some(one))], one, false),
            (vec![Made(Some(one)), Ended(vec![one])], one, false),
            (
                vec![Ended(vec![one]), Made(Some(two)), Made(Some(one))],
                two,
                true,
            ),
            (
                vec![Made(Some(two)), Ended(vec![one]), Made(Some(one))],
                one,
                false,
            ),
            // Of versions that gave no names: the newest counts, as they had it.
            (vec![Made(None)], one, true),
            (vec![Ended(vec![]), Made(None)], one, false),
            (vec![Made(None), Ended(vec![]), Made(None)], one, true),
            (vec![Ended(vec![]), Made(Some(one))], one, false),
            (vec![Made(Some(one)), Ended(vec![])], one, true),
            // A link with a name says nothing of one without.
            (vec![Made(Some(two)), Ended(vec![]), Made(None)], one, false),
            (vec![Made(Some(two)), Ended(vec![]), Made(None)], two, true),
            (vec![Ended(vec![two]), Made(None)], one, false),
            (vec![Ended(vec![two]), Made(None)], two, false),
        ] {
            assert_eq!(stands(&told, name), wanted, "{told:?} {name}");
            assert!(any_stands(&told) >= wanted, "{told:?}");
        }
    }

    #[test]
    fn a_link_has_a_name_that_none_had_and_an_end_ends_all() {
        let at = Timestamp::from_millis;
        let told = [
            Made(Some(at(1_002))),
            Ended(vec![at(1_001), at(990)]),
            Made(Some(at(1_001))),
            Made(None),
        ];
        assert_eq!(name_of_next(&told, &[], at(1_000)), at(1_000));
        assert_eq!(name_of_next(&told, &[], at(1_001)), at(1_003));
        assert_eq!(name_of_next(&told, &[at(1_003)], at(1_001)), at(1_004));
        assert_eq!(name_of_next(&told, &[], at(990)), at(991));
        assert_eq!(ended_with(&told, Some(at(1_002))), [at(1_002)]);
        // Its row was altered: what was told as made ends too.
        assert_eq!(ended_with(&told, Some(at(5))), [at(5), at(1_002)]);
        assert_eq!(ended_with(&[], Some(at(5))), [at(5)]);
        // Its row is gone.
        assert_eq!(ended_with(&told, None), [at(1_002)]);
    }

    #[test]
    fn whether_any_link_stands_is_told_without_a_row() {
        let at = Timestamp::from_millis;
        let (one, two) = (at(1_000), at(2_000));
        for (told, wanted) in [
            (vec![], false),
            (vec![Made(Some(one))], true),
            (vec![Ended(vec![one]), Made(Some(one))], false),
            (vec![Made(Some(one)), Ended(vec![one])], false),
            (
                vec![Made(Some(two)), Ended(vec![one]), Made(Some(one))],
                true,
            ),
            (vec![Made(None)], true),
            (vec![Ended(vec![]), Made(None)], false),
        ] {
            assert_eq!(any_stands(&told), wanted, "{told:?}");
        }
    }
}
