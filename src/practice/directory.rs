//! The tenant's directory as it is now: domains with their registrations, people, policies.
//!
//! Always true: what Graph changes here is what the tenant's verifier believes from then on;
//! a user principal name and an ImmutableID belong to one person. Generated people are
//! computed when they are asked for: a hundred thousand of them cost nothing.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    federation::{FederatedDomain, PracticeUser},
    graph::registration::Registration,
};
use crate::base::{
    secret::Secret,
    text::{DomainName, Upn},
};

/// A domain of the tenant.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Its name.
    pub name: DomainName,
    /// Whether the tenant has proved that it owns it.
    pub verified: bool,
    /// The `*.onmicrosoft.com` that the tenant began with.
    pub initial: bool,
    /// Where new people go; it cannot be federated.
    pub default: bool,
    /// `internalDomainFederation`; none while the domain is managed.
    pub registration: Option<Registration>,
}

/// A person of the directory, whole.
#[derive(Clone, Debug)]
pub struct Person {
    /// The user principal name.
    pub upn: Upn,
    /// `onPremisesImmutableId`.
    pub immutable_id: Option<String>,
    /// The object id, a GUID.
    pub object_id: String,
    /// The name that is shown.
    pub display_name: String,
    /// Whether the account may sign in.
    pub enabled: bool,
    /// `userType`.
    pub kind: PersonKind,
    /// Where the account is mastered.
    pub source: Source,
    /// For the tenant's own sign-in page; only people of managed domains need one.
    pub password: Option<Secret<String>>,
    /// What the person may do through Graph.
    pub role: Role,
}

/// `userType`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PersonKind {
    /// One of the tenant's own.
    Member,
    /// Of another tenant.
    Guest,
}

/// Where an account is mastered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// Here.
    Cloud,
    /// In an Active Directory (`onPremisesSyncEnabled`).
    OnPremises,
}

/// What a person may do through Graph.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Nothing but read who they are.
    None,
    /// Everything that their token permits.
    GlobalAdministrator,
}

impl Person {
    /// A member with an enabled account of the cloud, without role and password.
    pub fn member(user: PracticeUser) -> Self {
        Self {
            upn: user.upn,
            immutable_id: Some(user.immutable_id).filter(|id| !id.is_empty()),
            object_id: user.object_id,
            display_name: user.display_name,
            enabled: true,
            kind: PersonKind::Member,
            source: Source::Cloud,
            password: None,
            role: Role::None,
        }
    }

    /// As tokens know them.
    pub fn as_user(&self) -> PracticeUser {
        PracticeUser {
            upn: self.upn.clone(),
            immutable_id: self.immutable_id.clone().unwrap_or_default(),
            object_id: self.object_id.clone(),
            display_name: self.display_name.clone(),
        }
    }
}

/// Policies that Graph shows.
#[derive(Clone, Debug)]
pub struct Policies {
    /// `identitySecurityDefaultsEnforcementPolicy`.
    pub security_defaults: bool,
    /// `federatedTokenValidationPolicy.validatingDomains.rootDomains` (facts §4.6).
    pub validating_root_domains: String,
    /// `authenticationMethodConfigurations` that were added.
    pub method_configurations: Vec<Value>,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            security_defaults: false,
            validating_root_domains: "all".to_owned(),
            method_configurations: Vec::new(),
        }
    }
}

/// What is there beside the federated domains and their people when a tenant starts.
#[derive(Clone, Debug, Default)]
pub struct More {
    /// Verified domains that are managed.
    pub managed_domains: Vec<DomainName>,
    /// Domains that nobody has verified.
    pub unverified_domains: Vec<DomainName>,
    /// How many generated people the first domain has: `person000000@…` and so on.
    pub generated_people: usize,
    /// Further people.
    pub people: Vec<Person>,
}

/// The directory.
#[derive(Clone, Debug)]
pub struct Directory {
    domains: Vec<Domain>,
    generated: Generated,
    /// Generated people that were changed, by number.
    changed: HashMap<usize, Person>,
    /// The others; their numbers begin behind the generated ones.
    people: Vec<Person>,
    by_upn: HashMap<String, usize>,
    by_immutable_id: HashMap<String, usize>,
    /// Its policies.
    pub policies: Policies,
}

#[derive(Clone, Debug)]
struct Generated {
    domain: String,
    count: usize,
}

const UPN_PREFIX: &str = "person";
const ID_PREFIX: &str = "Generated";

impl Generated {
    fn person(&self, number: usize) -> Option<Person> {
        let upn = format!("{UPN_PREFIX}{number:06}@{}", self.domain);
        Some(Person::member(PracticeUser {
            upn: upn.parse().ok()?,
            immutable_id: format!("{ID_PREFIX}{number:06}"),
            object_id: format!("00000000-0000-4000-8000-{number:012x}"),
            display_name: format!("Person {number:06}"),
        }))
    }

    fn number(&self, text: &str, prefix: &str, suffix: &str) -> Option<usize> {
        let digits = text.strip_prefix(prefix)?.strip_suffix(suffix)?;
        let number = digits.parse().ok()?;
        (number < self.count && digits == format!("{number:06}")).then_some(number)
    }
}

impl Directory {
    /// A directory. `initial` is the tenant's `*.onmicrosoft.com`, and its default domain.
    pub fn new(
        initial: DomainName,
        federated: &[FederatedDomain],
        users: Vec<PracticeUser>,
        more: More,
        mut registration_id: impl FnMut() -> String,
    ) -> Self {
        let domain = |name: DomainName| Domain {
            name,
            verified: true,
            initial: false,
            default: false,
            registration: None,
        };
        let mut domains: Vec<Domain> = federated
            .iter()
            .map(|federated| Domain {
                registration: Some(Registration::of(federated, registration_id())),
                ..domain(federated.name.clone())
            })
            .collect();
        domains.extend(more.managed_domains.into_iter().map(domain));
        domains.extend(more.unverified_domains.into_iter().map(|name| Domain {
            verified: false,
            ..domain(name)
        }));
        let first = domains.first().map_or(&initial, |domain| &domain.name);
        let generated = Generated {
            domain: first.to_string(),
            count: more.generated_people,
        };
        domains.push(Domain {
            initial: true,
            default: true,
            ..domain(initial)
        });
        let mut directory = Self {
            domains,
            generated,
            changed: HashMap::new(),
            people: Vec::new(),
            by_upn: HashMap::new(),
            by_immutable_id: HashMap::new(),
            policies: Policies::default(),
        };
        for user in users {
            directory.add(Person::member(user));
        }
        for person in more.people {
            directory.add(person);
        }
        directory
    }

    /// All domains; their places never change.
    pub fn domains(&self) -> &[Domain] {
        &self.domains
    }

    /// The domain of that name.
    pub fn domain(&self, name: &str) -> Option<&Domain> {
        self.domains
            .iter()
            .find(|domain| domain.name.as_str() == name)
    }

    /// The same, to change it behind everybody's back.
    pub fn domain_mut(&mut self, name: &str) -> Option<&mut Domain> {
        self.domains
            .iter_mut()
            .find(|domain| domain.name.as_str() == name)
    }

    /// The domain that a name of a domain lies in: the deepest that contains it.
    pub fn place_of(&self, name: &DomainName) -> Option<usize> {
        (0..self.domains.len())
            .filter(|at| name.is_within(&self.domains[*at].name))
            .max_by_key(|at| self.domains[*at].name.as_str().len())
    }

    /// The registration that counts for the domain at that place: its own, or for a
    /// sub-domain that of the domain above it (facts §4.1).
    pub fn federated(&self, at: usize) -> Option<FederatedDomain> {
        let own = self.domains.get(at)?;
        let domain = match &own.registration {
            Some(_) => own,
            None => self
                .domains
                .iter()
                .filter(|above| above.name != own.name && own.name.is_within(&above.name))
                .max_by_key(|above| above.name.as_str().len())?,
        };
        let registration = domain.registration.as_ref()?;
        Some(registration.as_registered(domain.name.clone()))
    }

    /// The first federated domain's place, or that of the first domain.
    pub fn first(&self) -> usize {
        self.domains
            .iter()
            .position(|domain| domain.registration.is_some())
            .unwrap_or_default()
    }

    /// How many people there are. Their numbers go from 0 to this.
    pub fn people_count(&self) -> usize {
        self.generated.count + self.people.len()
    }

    /// The person of that number.
    pub fn person(&self, number: usize) -> Option<Person> {
        if number < self.generated.count {
            return match self.changed.get(&number) {
                Some(person) => Some(person.clone()),
                None => self.generated.person(number),
            };
        }
        self.people.get(number - self.generated.count).cloned()
    }

    /// The number of the person with that name.
    pub fn number_by_upn(&self, upn: &Upn) -> Option<usize> {
        if let Some(number) = self.by_upn.get(upn.as_str()) {
            return Some(*number);
        }
        let suffix = format!("@{}", self.generated.domain);
        self.generated
            .number(upn.as_str(), UPN_PREFIX, &suffix)
            .filter(|number| !self.changed.contains_key(number))
    }

    /// The number of the person with that ImmutableID, byte for byte.
    pub fn number_by_immutable_id(&self, id: &str) -> Option<usize> {
        if let Some(number) = self.by_immutable_id.get(id) {
            return Some(*number);
        }
        self.generated
            .number(id, ID_PREFIX, "")
            .filter(|number| !self.changed.contains_key(number))
    }

    /// The number of the person with that object id.
    pub fn number_by_object_id(&self, id: &str) -> Option<usize> {
        let generated = id
            .strip_prefix("00000000-0000-4000-8000-")
            .and_then(|hex| usize::from_str_radix(hex, 16).ok())
            .filter(|number| *number < self.generated.count);
        generated.or_else(|| {
            let at = self
                .people
                .iter()
                .position(|person| person.object_id == id)?;
            Some(self.generated.count + at)
        })
    }

    /// The person with that name.
    pub fn by_upn(&self, upn: &Upn) -> Option<Person> {
        self.person(self.number_by_upn(upn)?)
    }

    /// The person with that ImmutableID.
    pub fn by_immutable_id(&self, id: &str) -> Option<Person> {
        self.person(self.number_by_immutable_id(id)?)
    }

    /// One more person.
    pub fn add(&mut self, person: Person) {
        let number = self.people_count();
        self.index(number, &person);
        self.people.push(person);
    }

    /// The person of that number, changed.
    pub fn change(&mut self, number: usize, change: impl FnOnce(&mut Person)) {
        let Some(mut person) = self.person(number) else {
            return;
        };
        self.by_upn.retain(|_, owner| *owner != number);
        self.by_immutable_id.retain(|_, owner| *owner != number);
        change(&mut person);
        self.index(number, &person);
        if number < self.generated.count {
            self.changed.insert(number, person);
        } else {
            self.people[number - self.generated.count] = person;
        }
    }

    fn index(&mut self, number: usize, person: &Person) {
        self.by_upn.insert(person.upn.to_string(), number);
        if let Some(id) = &person.immutable_id {
            self.by_immutable_id.insert(id.clone(), number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> Directory {
        let more = More {
            managed_domains: vec!["contoso.com".parse().unwrap()],
            generated_people: 100_000,
            ..More::default()
        };
        let initial = "contoso.onmicrosoft.com".parse().unwrap();
        Directory::new(initial, &[], Vec::new(), more, String::new)
    }

    #[test]
    fn generated_people_are_found_by_everything_and_can_be_changed() {
        let mut directory = directory();
        let person = directory.person(99_999).unwrap();
        assert_eq!(person.upn.as_str(), "person099999@contoso.com");
        assert_eq!(directory.person(100_000).map(|person| person.upn), None);
        assert_eq!(directory.number_by_upn(&person.upn), Some(99_999));
        assert_eq!(
            directory.number_by_object_id(&person.object_id),
            Some(99_999)
        );
        assert_eq!(
            directory.number_by_immutable_id("Generated099999"),
            Some(99_999)
        );
        for unknown in ["Generated100000", "Generated99999", "Generated+99999", "x"] {
            assert_eq!(directory.number_by_immutable_id(unknown), None, "{unknown}");
        }
        directory.change(99_999, |person| {
            person.immutable_id = Some("Other".to_owned());
        });
        assert_eq!(directory.number_by_immutable_id("Generated099999"), None);
        assert_eq!(directory.number_by_immutable_id("Other"), Some(99_999));
        assert_eq!(directory.number_by_upn(&person.upn), Some(99_999));
    }
}
