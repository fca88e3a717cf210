//! Asking the world; the other files judge what it answers.

mod external_mfa;
mod tenant;
mod world;

use std::path::PathBuf;

use url::Url;

use super::{
    Finding, Report, catalogue, certificates, clock,
    database::{self, Disk, Way},
    files::{self, FileLook},
    probe,
};
use crate::{
    app::{
        Category, Error, Settings, domains,
        external_mfa::{naming::NamingNobody, tenants},
        federation::ours_of,
        keys::{self, Published},
        saml::chain,
        watch::TenantReader,
    },
    base::{address_range::AddressRange, clock::Clock, clock::Timestamp, random::Random},
    federation::Ours,
    keys::{KeyPurpose, sealing::Sealing, state::KeyState},
    outbound::guard::Outbound,
    relying_party::{Domain, EntraEndpoints, Tenant},
    storage::{MigrationState, Store, Upkeep},
};
use world::World;

/// How far the doctor looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// This machine and the database.
    Offline,
    /// The public address, Entra and the tenant too.
    World,
}

/// The certificates of `[tls]`.
pub struct TlsLook {
    /// The file.
    pub path: PathBuf,
    /// What is in it (DER, in order), or why nothing is.
    pub chain: Result<Vec<Vec<u8>>, String>,
}

/// What is looked at.
pub struct Surroundings<'a> {
    /// What the operator configured.
    pub settings: &'a Settings,
    /// Where Microsoft publishes the metadata of the cloud.
    pub metadata_url: Option<&'a str>,
    /// Where the cloud's authority and Graph are, if that is known.
    pub endpoints: Option<&'a EntraEndpoints>,
    /// Under which everything is sealed.
    pub sealing: &'a Sealing,
    /// With its password: it is never shown.
    pub database_url: &'a str,
    /// Proxies that are believed.
    pub trusted_proxies: &'a [AddressRange],
    /// Files that the configuration names.
    pub files: Vec<FileLook>,
    /// The certificates of `[tls]`, if this server speaks TLS itself.
    pub tls: Option<TlsLook>,
    /// With what the tenant is read, if anything.
    pub tenant: Option<&'a TenantReader>,
    /// How far to look.
    pub reach: Reach,
    /// Time.
    pub clock: &'a dyn Clock,
}

/// What the database has that others are compared with.
#[derive(Default)]
struct Installed {
    domains: Vec<Domain>,
    /// That stand in our metadata, DER.
    certificates: Vec<Vec<u8>>,
    /// What Entra should have of us; none if nothing can be signed.
    ours: Option<Ours>,
    /// The keys of External MFA, if a tenant asks here.
    external_mfa: Option<Published>,
}

/// Looks at everything and judges it.
pub async fn examine(patient: &Surroundings<'_>, random: &mut dyn Random) -> Report {
    let now = patient.clock.now();
    let me = files::own_account();
    let mut findings: Vec<Finding> = patient
        .files
        .iter()
        .flat_map(|file| files::judge(file, me))
        .collect();
    let host = host_of(&patient.settings.public_url);
    if let Some(TlsLook { path, chain }) = &patient.tls {
        let about = path.display().to_string();
        match chain {
            Ok(chain) => findings.extend(certificates::judge_tls(
                &catalogue::TLS_FILE,
                &about,
                chain,
                &host,
                now,
            )),
            Err(why) => findings.push(catalogue::TLS_FILE.problem(
                about,
                format!("The certificate and its key cannot be used: {why}"),
                "give a PEM certificate chain and the key that belongs to it",
            )),
        }
    }
    let installed = match look_at_database(patient, now, &mut findings).await {
        Ok(installed) => installed,
        Err(finding) => {
            findings.push(finding);
            Installed::default()
        }
    };
    if patient.reach == Reach::World {
        let questions = [(); 2].map(|()| probe::ask(patient.sealing, now, random));
        match Outbound::new() {
            Ok(outbound) => {
                let world = World::new(outbound.clone(), patient.clock);
                let (own, theirs) = tokio::join!(
                    world.look_at_address(patient, &installed, &questions),
                    world.look_at_entra(patient, &installed),
                );
                findings.extend(own);
                findings.extend(theirs);
                findings.push(clock::judge(&world.into_samples()));
                if let Some(keys) = &installed.external_mfa {
                    let settings = patient.settings;
                    findings.extend(external_mfa::look(settings, keys, &outbound, now).await);
                }
                findings.extend(
                    tenant::look(patient.tenant, installed.ours.as_ref(), &outbound, now).await,
                );
            }
            Err(error) => findings.push(catalogue::REACHABLE.unseen(
                patient.settings.public_url.clone(),
                chain(&error),
                "install the system's certificate authorities (ca-certificates)",
            )),
        }
    }
    Report::of(findings)
}

async fn look_at_database(
    patient: &Surroundings<'_>,
    now: Timestamp,
    findings: &mut Vec<Finding>,
) -> Result<Installed, Finding> {
    let file = sqlite_file(patient.database_url);
    let about = file.as_ref().map_or_else(
        || format!("PostgreSQL at {}", host_of(patient.database_url)),
        |path| path.display().to_string(),
    );
    let fails = |error: &dyn std::error::Error| {
        catalogue::DATABASE.problem(
            about.clone(),
            format!("It does not answer: {}", chain(error)),
            "start it, and see that database_url is right and that this account may use it",
        )
    };
    if let Some(path) = &file
        && !path.exists()
    {
        return Err(catalogue::DATABASE.problem(
            about,
            "There is no such file",
            "run `claimbridge migrate`, or correct database_url",
        ));
    }
    let store = Store::connect(patient.database_url)
        .await
        .map_err(|error| fails(&error))?;
    let state = store
        .migration_state()
        .await
        .map_err(|error| fails(&error))?;
    findings.push(catalogue::DATABASE.good(about.clone(), "It answers"));
    match state {
        MigrationState::Current => {
            findings.push(catalogue::SCHEMA.good(about.clone(), "It has this version's schema"));
        }
        MigrationState::Pending(names) => {
            return Err(catalogue::SCHEMA.problem(
                about,
                format!("It lacks migrations: {}", names.join(", ")),
                "back it up and run `claimbridge migrate`",
            ));
        }
        MigrationState::Unknown(names) => {
            return Err(catalogue::SCHEMA.problem(
                about,
                format!(
                    "It has migrations that this version does not know: {}",
                    names.join(", ")
                ),
                "run the version that made them",
            ));
        }
    }
    let mut tx = store.read().await.map_err(|error| fails(&error))?;
    let upkeep = tx.upkeep().await.map_err(|error| fails(&error))?;
    let sealed_under = tx.master_key_id().await.map_err(|error| fails(&error))?;
    drop(tx);
    findings.extend(match upkeep {
        Upkeep::Sqlite { journal } => {
            let disk = file.as_deref().and_then(Disk::of);
            database::judge_sqlite(&about, &journal, disk)
        }
        Upkeep::Postgres {
            version,
            is_here,
            is_encrypted,
        } => {
            let way = match (is_here, is_encrypted) {
                (true, _) => Way::Here,
                (false, true) => Way::Encrypted,
                (false, false) => Way::Plain,
            };
            database::judge_postgres(&about, &version, way)
        }
    });
    let ours = patient.sealing.key_id();
    findings.push(match sealed_under {
        Some(id) if id == ours => {
            catalogue::MASTER_KEY.good(about.clone(), format!("It is sealed under {id}"))
        }
        None => catalogue::MASTER_KEY.good(about.clone(), "Nothing is sealed in it yet"),
        Some(id) => {
            return Err(catalogue::MASTER_KEY.problem(
                about,
                format!("It is sealed under the master key {id}, but the configured one is {ours}"),
                "point master_key_file at the right key; restore it from your backup",
            ));
        }
    });
    let domains = domains::list(&store).await.map_err(|error| fails(&error))?;
    let keys = keys::list(&store, patient.sealing).await;
    let mut certificates = Vec::new();
    for key in keys.map_err(|error| fails(&error))? {
        if key.purpose == KeyPurpose::Audit {
            continue;
        }
        let about = format!("{} ({})", key.id, key.purpose);
        findings.extend(certificates::judge_key(
            &about,
            key.state,
            &key.certificate,
            now,
        ));
        if key.purpose == KeyPurpose::Assertion && key.state.is_some_and(KeyState::is_published) {
            certificates.push(key.certificate);
        }
    }
    for purpose in [KeyPurpose::Assertion, KeyPurpose::Oidc] {
        let flaw = keys::what_is_wrong(&store, patient.sealing, purpose).await;
        if let Some(why) = flaw.map_err(|error| fails(&error))? {
            findings.push(catalogue::KEYS_THERE.problem(
                purpose.as_str(),
                why.trim_end_matches('.'),
                "restore the newest backup; docs/keys.md, “Missing or altered keys”, has the way on without one",
            ));
        }
    }
    let published = keys::published(&store, patient.sealing, KeyPurpose::Assertion).await;
    let published = published.map_err(|error| fails(&error))?;
    let tenants = known_tenants(&store, patient.settings, &domains, findings).await;
    let external_mfa = if tenants.map_err(|error| fails(&error))?.is_empty() {
        None
    } else {
        let published = keys::published(&store, patient.sealing, KeyPurpose::Oidc).await;
        Some(published.map_err(|error| fails(&error))?)
    };
    Ok(Installed {
        external_mfa,
        ours: ours_of(patient.settings, published, domains.clone()).ok(),
        domains,
        certificates,
    })
}

/// The tenants of External MFA, and whether each names somebody.
async fn known_tenants(
    store: &Store,
    settings: &Settings,
    domains: &[Domain],
    findings: &mut Vec<Finding>,
) -> Result<Vec<Tenant>, Error> {
    let about = "[[tenant]]";
    let before = findings.len();
    let tenants = match tenants::known(store, settings).await {
        Ok(tenants) => tenants,
        // Then `serve` does not start either.
        Err(error) if error.category() == Category::Conflict => {
            findings.push(catalogue::TENANT_NAMES.problem(
                about,
                chain(&error),
                "see `claimbridge external-mfa list`",
            ));
            tenants::list(store).await?
        }
        Err(error) => return Err(error),
    };
    let names = &catalogue::TENANT_NAMES;
    let elsewhere = settings.tenant_domains.not_among(domains);
    if let [first, ..] = elsewhere.as_slice() {
        let all: Vec<&str> = elsewhere.iter().map(|domain| domain.as_str()).collect();
        findings.push(names.warning(
            about,
            format!(
                "Nobody can be named in {}: a tenant was given that, and it is no domain here",
                all.join(", ")
            ),
            format!("correct `domains`, or say `claimbridge domain add {first}`"),
        ));
    }
    findings.extend(match NamingNobody::among(&tenants, settings) {
        Some(found) => Some(names.warning(about, found.sentence(), found.remedy())),
        None if tenants.is_empty() || findings.len() > before => None,
        None => Some(names.good(about, "Each tenant may name people of its own domains")),
    });
    Ok(tenants)
}

/// The file of a SQLite address; `config` has made it absolute.
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("sqlite:")?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let path = rest.split('?').next().unwrap_or(rest);
    let path = percent_encoding::percent_decode_str(path)
        .decode_utf8()
        .ok()?;
    Some(PathBuf::from(path.as_ref()))
}

fn host_of(url: &str) -> String {
    Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read() {
        for (url, file) in [
            (
                "sqlite:///var/lib/x%20y.db?mode=rw",
                Some("/var/lib/x y.db"),
            ),
            ("sqlite:/x.db", Some("/x.db")),
            ("postgres://a:b@db/x", None),
        ] {
            assert_eq!(sqlite_file(url), file.map(PathBuf::from), "{url}");
        }
    }
}
