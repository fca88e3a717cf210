//! The people of a domain here and in the tenant, side by side.
//!
//! Always true: an ImmutableID that is set, on either side, is never overwritten, and nobody is
//! deleted; what is added is added page by page, each page whole or not at all, and a second
//! run goes on where the first stopped. The list is never in memory as a whole: of each person
//! there remain sixteen bytes.
//!
//! Read next: [`person`] (what Graph says of one), [`compare`] (one page), [`send`] (ImmutableIDs
//! to the tenant).

/// One page, compared and added.
mod compare;
/// What Graph says of a person.
mod person;
/// ImmutableIDs to the tenant.
pub mod send;

use std::{collections::HashSet, io};

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;

pub use person::TenantPerson;

use super::{App, Error, users};
use crate::{
    base::text::{DomainName, Upn},
    claims::require_domain,
    directory::ImmutableId,
    outbound::graph::{Graph, GraphError, Pages, segment},
};

/// What was found about one person.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Ord, PartialOrd)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// In the tenant, not here; it was added.
    Added,
    /// In the tenant, not here.
    MissingHere,
    /// Here, not in the tenant.
    MissingThere,
    /// The same name, another ImmutableID.
    Mismatch,
    /// One ImmutableID on two people of the tenant.
    Duplicate,
    /// The ImmutableID is, or was, another person's here.
    TakenHere,
    /// Without ImmutableID in the tenant: Entra cannot tell whose a sign-in is.
    NoImmutableId,
    /// A name or an ImmutableID that cannot be kept here.
    Unusable,
    /// Disabled in the tenant, active here.
    DisabledThere,
    /// A guest of the tenant.
    Guest,
    /// The tenant has the ImmutableID from here now.
    Sent,
    /// The tenant does not let the ImmutableID be set.
    NotSettable,
}

impl FindingKind {
    /// Whether somebody has to do something about it.
    pub fn is_difference(self) -> bool {
        !matches!(
            self,
            Self::Added | Self::Sent | Self::DisabledThere | Self::Guest
        )
    }

    /// The name in JSON and CSV.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::MissingHere => "missing-here",
            Self::MissingThere => "missing-there",
            Self::Mismatch => "mismatch",
            Self::Duplicate => "duplicate",
            Self::TakenHere => "taken-here",
            Self::NoImmutableId => "no-immutable-id",
            Self::Unusable => "unusable",
            Self::DisabledThere => "disabled-there",
            Self::Guest => "guest",
            Self::Sent => "sent",
            Self::NotSettable => "not-settable",
        }
    }

    /// What it means and what to do, for people.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Added => "were added; they have no method yet, so give each a pass (user pass)",
            Self::MissingHere => "are in the tenant and not here; add them with --add",
            Self::MissingThere => {
                "are here and not in the tenant; make them there, or disable them here (user disable)"
            }
            Self::Mismatch => {
                "have another ImmutableID here than in the tenant, so their sign-ins fail (AADSTS51004); see which is right, then user set-immutable-id --replace, or change the tenant's"
            }
            Self::Duplicate => {
                "share an ImmutableID in the tenant; give one of them another there before anybody signs in"
            }
            Self::TakenHere => {
                "have an ImmutableID that is or was another person's here; it is never given twice, so give them another in the tenant"
            }
            Self::NoImmutableId => {
                "have no ImmutableID in the tenant; set it before the domain is federated (user set-immutable-id --to graph)"
            }
            Self::Unusable => "have a name or an ImmutableID that cannot be kept here",
            Self::DisabledThere => "are disabled in the tenant and active here",
            Self::Guest => "are guests: their own tenant signs them in",
            Self::Sent => "have the ImmutableID from here in the tenant now",
            Self::NotSettable => "cannot be given an ImmutableID in the tenant",
        }
    }
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// Whose name.
    pub upn: String,
    /// The ImmutableID here, or what else is to be said of here.
    pub here: Option<String>,
    /// The ImmutableID in the tenant, or what else is to be said of there.
    pub there: Option<String>,
}

/// Who is told while it goes on.
pub trait Told: Send {
    /// A finding.
    ///
    /// # Errors
    /// If it cannot be written down; then the work stops.
    fn finding(&mut self, finding: Finding) -> io::Result<()>;
    /// How many people were read, of how many.
    fn progress(&mut self, read: u64, total: Option<u64>);
}

/// What is done about people who are missing here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Missing {
    /// They are told.
    Tell,
    /// They are added.
    Add,
}

/// How many there were.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Counts {
    /// People of the domain that the tenant listed.
    pub in_tenant: u64,
    /// People of the domain here, before.
    pub here: u64,
    /// With the same name and ImmutableID on both sides.
    pub matched: u64,
    /// How many the tenant says it has, if it says so.
    pub tenant_says: Option<u64>,
}

impl Counts {
    /// Whether the tenant listed fewer than it says it has: then who is missing there is not known.
    pub fn is_incomplete(&self) -> bool {
        self.tenant_says.is_some_and(|says| self.in_tenant < says)
    }
}

/// Why it stopped. What was added before stays.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Here.
    #[error(transparent)]
    App(#[from] Error),
    /// There.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The tenant does not have the domain.
    #[error("this tenant has no domain {0}; sign in to the tenant that has it (--tenant)")]
    NoSuchDomain(DomainName),
    /// Not verified there.
    #[error("{0} is not verified in this tenant, so nobody's name can be of it; verify it first")]
    Unverified(DomainName),
    /// The domain is federated.
    #[error(
        "{0} is federated already, and Entra lets nobody's ImmutableID be set then; for a single person move the name to the tenant's onmicrosoft.com domain, set the value there, and move the name back"
    )]
    Federated(DomainName),
    /// A finding could not be written down.
    #[error("the report could not be written")]
    Report(#[from] io::Error),
}

impl From<crate::storage::StoreError> for SyncError {
    fn from(error: crate::storage::StoreError) -> Self {
        Self::App(error.into())
    }
}

/// `Managed` or `Federated`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Authentication {
    /// People sign in at Entra.
    Managed,
    /// People sign in at an identity provider.
    Federated,
}

/// What is remembered of everybody: enough to know a name or a value again.
#[derive(Default)]
struct Seen {
    names: HashSet<u64>,
    ids: HashSet<u64>,
}

fn fingerprint(text: &str) -> u64 {
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref()
        .iter()
        .take(8)
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

impl App {
    /// Compares the people of `domain` with those of the tenant, and adds who is missing here if
    /// `missing` says so. People who are added have neither password nor method.
    ///
    /// # Errors
    /// See [`SyncError`]; what was added before stays, and a second run goes on.
    pub async fn sync_people(
        &self,
        graph: &Graph,
        domain: &DomainName,
        missing: Missing,
        operator: &str,
        told: &mut dyn Told,
    ) -> Result<Counts, SyncError> {
        self.require_own_domain(domain).await?;
        require_domain_there(graph, domain).await?;
        let mut counts = Counts {
            here: self.count_of(domain).await?,
            ..Counts::default()
        };
        let mut seen = Seen::default();
        let mut pages = people_of(graph, domain);
        let mut page = pages.next().await?;
        while let Some(values) = page {
            counts.tenant_says = pages.total();
            let people = person::read(&values, domain)?;
            counts.in_tenant += people.len() as u64;
            // The next page travels while this one is compared.
            let (next, compared) = tokio::join!(
                pages.next(),
                self.compare_page(&people, missing, operator, &mut seen)
            );
            let compared = compared?;
            counts.matched += compared.matched;
            for finding in compared.findings {
                told.finding(finding)?;
            }
            told.progress(counts.in_tenant, counts.tenant_says);
            page = next?;
        }
        if !counts.is_incomplete() {
            self.tell_missing_there(domain, &seen, told).await?;
        }
        Ok(counts)
    }

    async fn require_own_domain(&self, domain: &DomainName) -> Result<(), SyncError> {
        let mut tx = self.store.read().await?;
        let domains = tx.domains().await?;
        require_domain(domain, &domains, None)
            .map_err(Error::conflict)
            .map_err(SyncError::App)?;
        Ok(())
    }

    async fn count_of(&self, domain: &DomainName) -> Result<u64, SyncError> {
        let mut count = 0;
        self.each_of(domain, |_| {
            count += 1;
            Ok(())
        })
        .await?;
        Ok(count)
    }

    /// Everybody of exactly that domain, in pages.
    async fn each_of(
        &self,
        domain: &DomainName,
        mut each: impl FnMut(&crate::directory::User) -> io::Result<()>,
    ) -> Result<(), SyncError> {
        const PAGE: u32 = 1000;
        let mut after: Option<Upn> = None;
        loop {
            let users = self.store.read().await?.users(after.as_ref(), PAGE).await?;
            for user in users.iter().filter(|user| user.upn.domain() == *domain) {
                each(user)?;
            }
            match users.last() {
                Some(last) if users.len() == PAGE as usize => after = Some(last.upn.clone()),
                _ => return Ok(()),
            }
        }
    }

    async fn tell_missing_there(
        &self,
        domain: &DomainName,
        seen: &Seen,
        told: &mut dyn Told,
    ) -> Result<(), SyncError> {
        self.each_of(domain, |user| {
            if user.disabled_at.is_none() && !seen.names.contains(&fingerprint(user.upn.as_str())) {
                told.finding(Finding {
                    kind: FindingKind::MissingThere,
                    upn: user.upn.to_string(),
                    here: user.immutable_id.as_ref().map(ImmutableId::to_string),
                    there: None,
                })?;
            }
            Ok(())
        })
        .await
    }
}

/// The people of exactly that domain, with what is compared.
fn people_of<'g>(graph: &'g Graph, domain: &DomainName) -> Pages<'g> {
    let path = format!(
        "/v1.0/users?$count=true&$top=999&$select=id,userPrincipalName,displayName,onPremisesImmutableId,accountEnabled,userType,onPremisesSyncEnabled&$filter=endswith(userPrincipalName,%27%40{}%27)",
        segment(domain.as_str())
    );
    graph.pages(&path, &[("ConsistencyLevel", "eventual")])
}

/// The tenant has the domain, verified; how its people sign in.
async fn require_domain_there(
    graph: &Graph,
    domain: &DomainName,
) -> Result<Authentication, SyncError> {
    let path = format!("/v1.0/domains/{}", segment(domain.as_str()));
    let body = match graph.get(&path).await {
        Ok(answer) => answer.body.unwrap_or_default(),
        Err(GraphError::NotFound(_)) => return Err(SyncError::NoSuchDomain(domain.clone())),
        Err(error) => return Err(error.into()),
    };
    let lies = |what| SyncError::Graph(GraphError::unreadable(format!("GET {path}"), what));
    let is_it = body["id"]
        .as_str()
        .is_some_and(|id| id.eq_ignore_ascii_case(domain.as_str()));
    if !is_it {
        return Err(lies("it is about another domain"));
    }
    match (
        body["isVerified"].as_bool(),
        body["authenticationType"].as_str(),
    ) {
        (Some(false), _) => Err(SyncError::Unverified(domain.clone())),
        (Some(true), Some("Managed")) => Ok(Authentication::Managed),
        (Some(true), Some("Federated")) => Ok(Authentication::Federated),
        _ => Err(lies(
            "it does not say whether the domain is verified and federated",
        )),
    }
}

/// For display names of people who were made elsewhere.
fn usable_name(person: &TenantPerson, upn: &Upn) -> String {
    let name: String = person
        .display_name
        .chars()
        .filter(|c| !c.is_control())
        .take(users::LONGEST_NAME)
        .collect();
    let name = name.trim();
    if name.is_empty() {
        upn.to_string()
    } else {
        name.to_owned()
    }
}
