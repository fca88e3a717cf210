//! The two accounts that no federation can lock out (facts §4.5): cloud-only, in the tenant's
//! `*.onmicrosoft.com` domain, with passwords of the tenant's own sign-in page.

use super::{Directory, Person, Role, federation::PracticeUser, request::guid};
use crate::base::{
    random::{Random, random_token},
    secret::Secret,
    text::{DomainName, Upn},
};

/// An emergency administrator.
#[derive(Clone, Debug)]
pub struct EmergencyAdministrator {
    /// The user principal name.
    pub upn: Upn,
    /// The password of the tenant's own sign-in page.
    pub password: Secret<String>,
}

/// Adds two to the directory.
pub(super) fn add(
    directory: &mut Directory,
    domain: &DomainName,
    random: &mut dyn Random,
) -> Vec<EmergencyAdministrator> {
    let mut added = Vec::new();
    for name in ["emergency1", "emergency2"] {
        let Ok(upn) = format!("{name}@{domain}").parse::<Upn>() else {
            continue;
        };
        let password = Secret::new(random_token(random));
        let person = Person::member(PracticeUser {
            upn: upn.clone(),
            immutable_id: String::new(),
            object_id: guid(random),
            display_name: format!("Emergency {}", &name[9..]),
        });
        directory.add(Person {
            password: Some(password.clone()),
            role: Role::GlobalAdministrator,
            ..person
        });
        added.push(EmergencyAdministrator { upn, password });
    }
    added
}
