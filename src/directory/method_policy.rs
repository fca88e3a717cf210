//! Which kinds of methods a person may have, and how many at least, by groups.
//!
//! Entra's semantics (facts §7): a person passes who satisfies at least one policy that
//! applies. So a person in several groups may use what any of them allows; and because a
//! minimum is a floor, the highest of them holds. The policy for everyone applies to those
//! who are in no group that has a policy of its own.
//!
//! A group decides what a person must bring. It never makes a claim: two factors are
//! needed in every group.

use std::{fmt, str::FromStr};

use super::method::MethodKind;
use crate::base::text::fold;

/// The name of a group of people: one spelling (see [`fold`]), 1 to 64 characters.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize)]
pub struct GroupName(String);

/// A text is no name of a group.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a group's name has 1 to 64 characters on one line, without comma and semicolon")]
pub struct GroupNameError;

impl GroupName {
    /// The name, folded.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GroupName {
    type Err = GroupNameError;

    fn from_str(text: &str) -> Result<Self, GroupNameError> {
        let name = fold(text);
        // What stands between names in a list is in none of them.
        let odd = |c: char| c.is_control() || c == ',' || c == ';';
        if name.is_empty() || name.chars().count() > 64 || name.chars().any(odd) {
            return Err(GroupNameError);
        }
        Ok(Self(name))
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What holds for one person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EffectivePolicy {
    allowed: Vec<MethodKind>,
    minimum: u32,
}

impl EffectivePolicy {
    /// `allowed` kinds, at least `minimum` methods.
    pub fn new(mut allowed: Vec<MethodKind>, minimum: u32) -> Self {
        allowed.sort_unstable();
        allowed.dedup();
        Self { allowed, minimum }
    }

    /// The kinds a person may add and sign in with, in the order of [`MethodKind::ALL`].
    pub fn allowed(&self) -> &[MethodKind] {
        &self.allowed
    }

    /// Whether a person may add and sign in with this kind.
    pub fn allows(&self, kind: MethodKind) -> bool {
        self.allowed.contains(&kind)
    }

    /// How many methods a person must keep.
    pub fn minimum(&self) -> u32 {
        self.minimum
    }
}

impl Default for EffectivePolicy {
    fn default() -> Self {
        Self::new(MethodKind::ALL.to_vec(), 1)
    }
}

/// The policies of all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MethodPolicy {
    /// For those in no group with a policy.
    pub everyone: EffectivePolicy,
    /// By group.
    pub groups: Vec<(GroupName, EffectivePolicy)>,
}

impl MethodPolicy {
    /// What holds for a person in these groups.
    pub fn for_groups(&self, groups: &[GroupName]) -> EffectivePolicy {
        let mut applying = self
            .groups
            .iter()
            .filter(|(name, _)| groups.contains(name))
            .map(|(_, policy)| policy);
        let Some(first) = applying.next() else {
            return self.everyone.clone();
        };
        let (mut allowed, mut minimum) = (first.allowed.clone(), first.minimum);
        for policy in applying {
            allowed.extend(&policy.allowed);
            minimum = minimum.max(policy.minimum);
        }
        EffectivePolicy::new(allowed, minimum)
    }

    /// Whether anybody may use this kind.
    pub fn is_used(&self, kind: MethodKind) -> bool {
        self.everyone.allows(kind) || self.groups.iter().any(|(_, policy)| policy.allows(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MethodKind::{OathToken, SecurityKey, Totp};

    fn group(text: &str) -> GroupName {
        text.parse().unwrap()
    }

    #[test]
    fn whoever_satisfies_one_policy_passes_and_the_highest_floor_holds() {
        let policy = MethodPolicy {
            everyone: EffectivePolicy::new(vec![Totp], 1),
            groups: vec![
                (group("desk"), EffectivePolicy::new(vec![SecurityKey], 2)),
                (
                    group("token"),
                    EffectivePolicy::new(vec![OathToken, Totp], 1),
                ),
            ],
        };
        let effective = |groups: &[&str]| {
            let groups: Vec<GroupName> = groups.iter().map(|name| group(name)).collect();
            let effective = policy.for_groups(&groups);
            (effective.allowed().to_vec(), effective.minimum())
        };
        assert_eq!(effective(&[]), (vec![Totp], 1));
        assert_eq!(effective(&["without a policy"]), (vec![Totp], 1));
        assert_eq!(effective(&["desk"]), (vec![SecurityKey], 2));
        assert_eq!(effective(&["DESK ", "other"]), (vec![SecurityKey], 2));
        let all = vec![Totp, OathToken, SecurityKey];
        assert_eq!(effective(&["desk", "token"]), (all.clone(), 2));
        assert_eq!(effective(&["token", "desk"]), (all, 2));
        assert!(policy.is_used(SecurityKey));
        let nobody = MethodPolicy {
            everyone: EffectivePolicy::new(vec![Totp], 1),
            groups: Vec::new(),
        };
        assert!(!nobody.is_used(SecurityKey) && nobody.is_used(Totp));
    }

    #[test]
    fn a_group_has_one_spelling() {
        assert_eq!(group(" Clean Desk "), group("clean desk"));
        let longest = "x".repeat(64);
        assert_eq!(group(&longest).as_str(), longest);
        for bad in ["", "  ", "a;b", "a,b", "a\nb", &"x".repeat(65)] {
            assert_eq!(bad.parse::<GroupName>(), Err(GroupNameError), "{bad:?}");
        }
    }
}
