//! The bundle for an auditor: who may sign in and how, what was issued and on what it rested,
//! who changed what, with what — as files, in an archive that the audit key signs.
//!
//! Always true: it tells what stands in the database and the configuration at one instant
//! (one transaction) and adds nothing to it; what cannot be known from there is said to
//! be unknown. No secret enters it: every member of every file is named here, none is
//! copied from a row or a file as a whole. It makes no token and asks nobody.
//!
//! Read next: `people` and `issuance` (the two questions), `report` (for people), `bundle`
//! (manifest and signature), `verify`.

/// What operators did.
mod acts;
/// Files, manifest, signature, archive.
pub mod bundle;
/// Charts of the report.
mod chart;
/// What the ledger shows.
mod issuance;
/// The result of a live check that was handed in.
pub mod live_check;
/// Names or pseudonyms.
pub mod names;
/// Coverage.
mod people;
/// Rules, keys, parties.
mod policy;
/// For people to read.
mod report;
/// Samples of tokens, as the inspector judges them.
mod samples;
/// What claimbridge is made of.
pub mod sbom;
/// Is a bundle as it was made?
pub mod verify;
/// Versions.
mod versions;
/// The archive.
pub mod zip;

use serde_json::{Value, json};

use super::{App, Error, keys, saml::chain};
use crate::{
    base::{clock::Timestamp, ids::UserId},
    directory::User,
    keys::{KeyPurpose, SigningKey},
};
pub use bundle::{Bundle, File};
pub use samples::Sample;

use names::{Names, Naming};

/// What a bundle shall be about.
#[derive(Debug)]
pub struct Wanted {
    /// The ledger and the events from then on.
    pub since: Timestamp,
    /// Whether people are named.
    pub naming: Naming,
    /// The configuration without its secrets.
    pub configuration: Value,
    /// The result of a live check, if one was handed in.
    pub live_check: Option<live_check::LiveCheck>,
    /// Messages or tokens to be judged.
    pub samples: Vec<Sample>,
}

/// Everything that the report and the files are written from.
#[derive(Debug)]
struct Facts {
    organisation: String,
    public_url: String,
    at: Timestamp,
    since: Timestamp,
    naming: Naming,
    people: Vec<people::Person>,
    issuance: issuance::Issuance,
    acts: acts::Acts,
    policy: Value,
    federation: policy::Federation,
    versions: versions::Versions,
    configuration: Value,
    live_check: Option<live_check::LiveCheck>,
    samples: Vec<samples::Judged>,
}

impl App {
    /// The key that signs bundles; made if there is none.
    pub async fn audit_key(&self) -> Result<SigningKey, Error> {
        let purpose = KeyPurpose::Audit;
        keys::first_key(&self.store, &self.sealing, None, purpose, || {
            self.with_random(|random| {
                keys::new_key(
                    purpose,
                    None,
                    &self.sealing,
                    &self.settings,
                    self.now(),
                    random,
                )
            })
        })
        .await
        .map(|(_, key, _)| key)
    }

    /// Makes a bundle. `told` hears after each person how many were looked at.
    pub async fn make_evidence(
        &self,
        wanted: Wanted,
        told: &(dyn Fn(usize) + Send + Sync),
    ) -> Result<Bundle, Error> {
        // Before the facts: a key that is made now is one of them.
        let key = self.audit_key().await?;
        let facts = self.gather_evidence(wanted, told).await?;
        bundle::seal(report::files(&facts)?, &key, facts.at)
            .map_err(|error| Error::internal(chain(&error)))
    }

    async fn gather_evidence(
        &self,
        wanted: Wanted,
        told: &(dyn Fn(usize) + Send + Sync),
    ) -> Result<Facts, Error> {
        let at = self.now();
        let names = Names::new(&self.sealing, wanted.naming);
        let mut tx = self.store.read().await?;
        let mut ledger = issuance::Issuance::default();
        let mut people = Vec::new();
        let mut known = samples::KnownPeople::default();
        let mut after = None;
        loop {
            let page = tx.users(after.as_ref(), 200).await?;
            after = page.last().map(|user| user.upn.clone());
            if after.is_none() {
                break;
            }
            for user in page {
                known.add(&user, &names);
                let tally =
                    issuance::of_person(&mut tx, &user.id, wanted.since, &mut ledger).await?;
                let view = self.view(&mut tx, user).await?;
                people.push(people::Person::new(&view, &tally, &names));
                told(people.len());
            }
        }
        ledger.compare(&mut tx, wanted.since).await?;
        let acts = acts::read(&mut tx, wanted.since, &names, |id: &UserId| known.label(id)).await?;
        let domains = tx.domains().await?;
        let parties = tx.relying_parties().await?;
        let mut stored_keys = tx.all_keys().await?;
        // A row that was altered outside claimbridge is none of this server's keys.
        stored_keys.retain(|key| keys::is_ours(key, &self.sealing));
        let database = tx.database_version().await?;
        drop(tx);
        let policy = policy::policy(&self.settings, &domains, &parties);
        let samples = samples::judge(
            &wanted.samples,
            &self.sample_context(at, &domains, &stored_keys),
            &known,
        )?;
        Ok(Facts {
            organisation: self.settings.service_name.clone(),
            public_url: self.settings.public_url.clone(),
            at,
            since: wanted.since,
            naming: wanted.naming,
            people,
            issuance: ledger,
            acts,
            policy,
            federation: policy::Federation::new(&self.settings, &domains),
            versions: versions::Versions::new(database, &stored_keys),
            configuration: wanted.configuration,
            live_check: wanted.live_check,
            samples,
        })
    }

    /// Who stands behind a pseudonym of a bundle; none if nobody of those there are.
    pub async fn person_of_pseudonym(&self, pseudonym: &str) -> Result<Option<User>, Error> {
        let names = Names::new(&self.sealing, Naming::Pseudonyms);
        let mut tx = self.store.read().await?;
        let mut after = None;
        loop {
            let page = tx.users(after.as_ref(), 500).await?;
            after = page.last().map(|user| user.upn.clone());
            if after.is_none() {
                return Ok(None);
            }
            if let Some(user) = page
                .into_iter()
                .find(|user| names.person(user).0 == pseudonym)
            {
                return Ok(Some(user));
            }
        }
    }
}

/// The catalogue of the inspector's rules, as this version has it.
fn rules() -> Value {
    let rules: Vec<Value> = crate::inspect::rules::all()
        .map(|rule| {
            json!({"id": rule.id, "title": rule.title, "severity": rule.severity, "reference": rule.reference})
        })
        .collect();
    json!({"version": versions::MADE_BY, "rules": rules})
}
