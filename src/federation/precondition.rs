//! What must be so before a domain's federation is changed (facts §4.3, §4.5). In a plan
//! each is a remark, in `apply` what is not met refuses.
//!
//! Always true: what was not looked at is a question, and a question is not a yes; what
//! guards a conversion does not stand in the way of mending a domain that is federated
//! already: an unknown certificate must go, whatever lists of people say.

use super::{
    tenant::{DomainState, Tenant},
    wanted::Wanted,
};
use crate::base::text::DomainName;

/// How it stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It is so.
    Met,
    /// It is not so.
    Unmet,
    /// Nobody looked.
    Unknown,
}

impl Standing {
    /// For programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Unmet => "unmet",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether it refuses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Weight {
    /// `apply` does nothing without it.
    Refuses,
    /// It is told.
    Warns,
}

/// One precondition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Precondition {
    /// Its stable name.
    pub id: &'static str,
    /// How it stands.
    pub standing: Standing,
    /// Whether it refuses.
    pub weight: Weight,
    /// What is so, or what is asked, in one sentence.
    pub says: String,
    /// What to do about it; empty where it is met.
    pub remedy: String,
}

/// What was looked at. `None`: nobody looked.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// People of the domain in the tenant without an ImmutableID: how many, and some of them.
    pub without_immutable_id: Option<Few>,
    /// People of the domain in the tenant who are not known here.
    pub unknown_here: Option<Few>,
    /// Emergency accounts that were confirmed, and what is wrong with those that were not.
    pub emergency: Option<Result<Vec<String>, String>>,
    /// What is wrong with our public address as seen from here; nothing: it answers with our
    /// metadata and the active certificate in it.
    pub public_address: Option<Result<(), String>>,
}

/// How many, and the first of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Few {
    /// How many there are.
    pub count: usize,
    /// Some of them.
    pub first: Vec<String>,
}

impl Few {
    fn in_words(&self) -> String {
        let named = self.first.join(", ");
        if self.count > self.first.len() {
            format!("{named} and {} more", self.count - self.first.len())
        } else {
            named
        }
    }
}

/// What the change does to the domain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// It is managed, or nobody knows, and becomes federated.
    Converts,
    /// It is federated already.
    Mends,
}

/// All preconditions of a change at `wanted`'s domain.
pub fn preconditions(
    wanted: &Wanted,
    tenant: Option<&Tenant>,
    step: Step,
    facts: &Facts,
) -> Vec<Precondition> {
    let domain = &wanted.domain.name;
    let state = tenant.and_then(|tenant| tenant.domain(domain));
    let mut checks = vec![
        of_flag(
            "domain-verified",
            state.and_then(|state| state.is_verified),
            true,
            format!("{domain} is verified in the tenant"),
            format!("Verify {domain} in the Entra admin center (a TXT record), then go on."),
        ),
        not_microsofts(domain, state),
        root(domain, state),
        of_flag(
            "domain-not-default",
            state.and_then(|state| state.is_default),
            false,
            format!("{domain} is not the tenant's default domain"),
            "Make another domain the default (Entra admin center, Custom domain names); new people would otherwise be made in a federated domain.".to_owned(),
        ),
        sub_domains(wanted, tenant),
        immutable_ids(domain, facts.without_immutable_id.as_ref()),
        known_here(domain, facts.unknown_here.as_ref()),
        emergency(facts.emergency.as_ref()),
        public_address(wanted, facts.public_address.as_ref()),
    ];
    if step == Step::Mends {
        for check in &mut checks {
            if !["domain-verified", "domain-own", "domain-root"].contains(&check.id) {
                check.weight = Weight::Warns;
            }
        }
    }
    checks
}

fn root(domain: &DomainName, state: Option<&DomainState>) -> Precondition {
    let standing = match state {
        None => Standing::Unknown,
        Some(state) if state.is_root == Some(false) => Standing::Unmet,
        Some(_) => Standing::Met,
    };
    said(
        "domain-root",
        standing,
        Weight::Refuses,
        format!("{domain} is a root domain in the tenant"),
        "It lies below another domain there and has that one's federation; add the root here (`claimbridge domain add`), with this one below it.".to_owned(),
    )
}

/// A root's federation is that of everything below it.
fn sub_domains(wanted: &Wanted, tenant: Option<&Tenant>) -> Precondition {
    let domain = &wanted.domain.name;
    let strangers: Option<Vec<String>> = tenant.filter(|tenant| tenant.is_complete).map(|tenant| {
        let unread = tenant.unreadable.iter().filter_map(|one| {
            let name: DomainName = one.name.parse().ok()?;
            (name != *domain && name.is_within(domain))
                .then(|| format!("{name} (what the tenant shows of it cannot be read)"))
        });
        inheriting(domain, tenant)
            .filter(|name| !wanted.ours.domains.iter().any(|own| own.name == **name))
            .map(ToString::to_string)
            .chain(unread)
            .collect()
    });
    let standing = match &strangers {
        None => Standing::Unknown,
        Some(names) if names.is_empty() => Standing::Met,
        Some(_) => Standing::Unmet,
    };
    let mut check = said(
        "sub-domains-known",
        standing,
        Weight::Refuses,
        format!("every domain of the tenant below {domain} is known here"),
        "They become federated with their root, and their people could not sign in here: `claimbridge domain add` each, and add their people.".to_owned(),
    );
    if let Some(names) = strangers.filter(|names| !names.is_empty()) {
        check.says = format!("Not known here: {}.", names.join(", "));
    }
    check
}

/// The domains of the tenant that have the federation of `domain`, without itself.
pub fn inheriting<'t>(
    domain: &'t DomainName,
    tenant: &'t Tenant,
) -> impl Iterator<Item = &'t DomainName> {
    tenant
        .domains
        .iter()
        .filter(|state| state.is_root != Some(true))
        .map(|state| &state.name)
        .filter(move |name| *name != domain && name.is_within(domain))
}

fn of_flag(
    id: &'static str,
    found: Option<bool>,
    wanted: bool,
    sentence: String,
    remedy: String,
) -> Precondition {
    let standing = match found {
        None => Standing::Unknown,
        Some(found) if found == wanted => Standing::Met,
        Some(_) => Standing::Unmet,
    };
    said(id, standing, Weight::Refuses, sentence, remedy)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "each is made for this one call"
)]
fn said(
    id: &'static str,
    standing: Standing,
    weight: Weight,
    sentence: String,
    remedy: String,
) -> Precondition {
    let (says, remedy) = match standing {
        Standing::Met => (format!("{sentence}."), String::new()),
        Standing::Unmet => (format!("Not so: {sentence}."), remedy),
        Standing::Unknown => (
            format!("Not looked at: {sentence}."),
            format!("If it is not so: {remedy}"),
        ),
    };
    Precondition {
        id,
        standing,
        weight,
        says,
        remedy,
    }
}

fn not_microsofts(domain: &DomainName, state: Option<&DomainState>) -> Precondition {
    let own = crate::relying_party::domain::is_microsofts(domain)
        || state.and_then(|state| state.is_initial) == Some(true);
    said(
        "domain-own",
        if own { Standing::Unmet } else { Standing::Met },
        Weight::Refuses,
        format!("{domain} is a domain of your own and none of Microsoft's"),
        "Microsoft's own domains cannot be federated; use one of yours.".to_owned(),
    )
}

fn immutable_ids(domain: &DomainName, without: Option<&Few>) -> Precondition {
    let standing = match without {
        None => Standing::Unknown,
        Some(few) if few.count == 0 => Standing::Met,
        Some(_) => Standing::Unmet,
    };
    let mut check = said(
        "immutable-ids",
        standing,
        Weight::Refuses,
        format!("everybody of {domain} in the tenant has an ImmutableID"),
        "Set them while the domain is still managed: `claimbridge user set-immutable-id --to graph`; once it is federated Entra refuses that, and a person without one cannot sign in.".to_owned(),
    );
    if let Some(few) = without.filter(|few| few.count > 0) {
        check.says = format!(
            "{} people have no ImmutableID: {}.",
            few.count,
            few.in_words()
        );
    }
    check
}

fn known_here(domain: &DomainName, unknown: Option<&Few>) -> Precondition {
    let standing = match unknown {
        None => Standing::Unknown,
        Some(few) if few.count == 0 => Standing::Met,
        Some(_) => Standing::Unmet,
    };
    let mut check = said(
        "people-known",
        standing,
        Weight::Warns,
        format!("everybody of {domain} in the tenant is known here"),
        "Whoever is not known here cannot sign in once the domain is federated: `claimbridge user sync --from graph`.".to_owned(),
    );
    if let Some(few) = unknown.filter(|few| few.count > 0) {
        check.says = format!(
            "{} people are not known here: {}.",
            few.count,
            few.in_words()
        );
    }
    check
}

fn emergency(found: Option<&Result<Vec<String>, String>>) -> Precondition {
    let standing = match found {
        None => Standing::Unknown,
        Some(Ok(_)) => Standing::Met,
        Some(Err(_)) => Standing::Unmet,
    };
    let mut check = said(
        "emergency-accounts",
        standing,
        Weight::Refuses,
        "two emergency accounts exist: cloud-only, enabled, on *.onmicrosoft.com".to_owned(),
        "Name two: --emergency-account UPN UPN. If this server is down, they are the only way into the tenant.".to_owned(),
    );
    match found {
        Some(Ok(names)) => {
            check.says = format!(
                "Emergency accounts: {}. That both are Global Administrators, and that their sign-in works, is yours to see.",
                names.join(", ")
            );
        }
        Some(Err(why)) => check.says.clone_from(why),
        None => {}
    }
    check
}

fn public_address(wanted: &Wanted, found: Option<&Result<(), String>>) -> Precondition {
    let standing = match found {
        None => Standing::Unknown,
        Some(Ok(())) => Standing::Met,
        Some(Err(_)) => Standing::Unmet,
    };
    let url = &wanted.ours.public_url;
    let mut check = said(
        "public-address",
        standing,
        Weight::Refuses,
        format!("{url} answers with a good certificate, and its metadata carries the active key"),
        format!(
            "Start the server, see to its name, proxy and certificate, and try {url}/saml2/metadata from outside."
        ),
    );
    if let Some(Err(why)) = found {
        check.says.clone_from(why);
    }
    check
}
