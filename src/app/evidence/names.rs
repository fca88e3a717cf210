//! Names of people in a bundle, or what stands for them.
//!
//! Always true: a pseudonym is the same for one person in every bundle under one master
//! key, and without that key nobody can tell whose it is, not even by trying names.

use crate::{
    directory::User,
    keys::sealing::{Sealing, TagLabel},
};

/// Whether people are named.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Naming {
    /// By user principal name and display name.
    Names,
    /// By pseudonyms, operators too.
    Pseudonyms,
}

/// How people are called.
pub struct Names<'a> {
    sealing: &'a Sealing,
    naming: Naming,
}

impl<'a> Names<'a> {
    /// Names, or pseudonyms under this master key.
    pub fn new(sealing: &'a Sealing, naming: Naming) -> Self {
        Self { sealing, naming }
    }

    /// What stands for a person, and the display name unless it is kept back.
    pub fn person(&self, user: &User) -> (String, Option<String>) {
        match self.naming {
            Naming::Names => (user.upn.to_string(), Some(user.display_name.clone())),
            Naming::Pseudonyms => (self.pseudonym("person", user.upn.as_str()), None),
        }
    }

    /// What stands for an operator's account.
    pub fn operator(&self, account: &str) -> String {
        match self.naming {
            Naming::Names => account.to_owned(),
            Naming::Pseudonyms => self.pseudonym("operator", account),
        }
    }

    /// 64 bits of an HMAC: of a hundred thousand people two are alike once in four thousand
    /// million organisations.
    fn pseudonym(&self, kind: &str, name: &str) -> String {
        let mac = self
            .sealing
            .tag(TagLabel::Pseudonym, &[kind.as_bytes(), name.as_bytes()]);
        format!("{kind}-{}", mac.get(..16).unwrap_or(&mac))
    }
}
