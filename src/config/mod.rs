//! `claimbridge.toml` and the environment, as one validated value.
//!
//! Always true: a [`Config`] that exists was found good as a whole. Every problem
//! is reported at once, an unknown key is one of them, each key can be given as
//! `CLAIMBRIDGE_SECTION__KEY`, and each secret has a `_file` twin. Secrets that
//! others can read are refused. Nothing here can switch a factor off.
//!
//! Read next: [`Config::load`]; the commented file that `init` writes is in `template`.

mod duration;
mod entra;
mod methods;
mod policy;
mod problem;
mod reader;
mod redacted;
mod secret_file;
/// The commented file that `init` writes.
pub mod template;
mod tenants;
mod token;
mod trust;
mod watch;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use url::{Host, Url};

pub use duration::parse_duration;
pub use entra::Entra;
pub use methods::WebAuthnSetting;
pub use problem::{Problem, Problems};
pub use reader::{CONFIG_VARIABLE, NamedFile};
pub use secret_file::secret_file;
pub use watch::{GraphCredential, Watch, Webhook};

use crate::{
    base::{address_range::AddressRange, clock::Timestamp, secret::Secret, text::DomainName},
    directory::MethodPolicy,
    keys::{hardware::TokenSetting, sealing::MasterKey},
    relying_party::{DomainProtocol, Tenant, TenantDomains, domain::new_domain},
    session::{Desk, SessionPolicy},
    signin::{active::ActiveDoor, lockout::Delays},
};
use reader::Reader;

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// What people and Entra call this server: scheme, host and port, no path.
    pub public_url: Url,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where `/healthz` and `/readyz` listen besides, if anywhere.
    pub listen_ops: Option<SocketAddr>,
    /// Certificate and key, if it speaks TLS itself.
    pub tls: Option<Tls>,
    /// `sqlite://…` or `postgres://…`, with its password.
    pub database_url: Secret<String>,
    /// What everything is sealed under.
    pub master_key: MasterKey,
    /// How Entra is answered.
    pub entra: Entra,
    /// Domains that are there from the start; `domain add` adds more.
    pub domains: Vec<DomainSetting>,
    /// Tenants of External MFA that are there from the start; `external-mfa add` adds more.
    pub tenants: Vec<Tenant>,
    /// Whose people such tenants may name.
    pub tenant_domains: TenantDomains,
    /// Times and limits.
    pub policy: Policy,
    /// What people see.
    pub branding: Branding,
    /// Whether programs get tokens for a password alone (WS-Trust).
    pub active_door: ActiveDoor,
    /// The token that holds signing keys, if there is one.
    pub token: Option<TokenSetting>,
    /// With what the tenant is read, if anything.
    pub graph: Option<GraphCredential>,
    /// How `serve` watches, and whom it tells.
    pub watch: Watch,
    /// Every file that the configuration names, itself too, with the key that names it.
    pub files: Vec<NamedFile>,
}

/// Files for TLS (PEM).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tls {
    /// The certificate with its chain.
    pub certificate_file: PathBuf,
    /// Its private key.
    pub private_key_file: PathBuf,
}

/// A domain and the issuer its people's answers carry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DomainSetting {
    /// The domain.
    pub name: DomainName,
    /// Its `issuerUri`, if the operator names one.
    pub issuer: Option<String>,
    /// Over which protocol Entra sends its people here.
    pub protocol: DomainProtocol,
}

/// Times and limits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// How long a session lives, unused and in all.
    pub session: SessionPolicy,
    /// How old the proofs of a session may be to answer Entra.
    pub entra_session_max_age: Duration,
    /// How long a person may take for one sign-in.
    pub attempt_lifetime: Duration,
    /// How many steps of a code before and after now count.
    pub totp_skew_steps: u8,
    /// How wrong guesses at one person make wait.
    pub person_delays: Delays,
    /// How wrong guesses from one address make wait, over all people.
    pub source_delays: Delays,
    /// How many sign-ins one source address may begin, within their lifetime, before anybody
    /// proves anything in them.
    pub open_attempts_per_source: u32,
    /// How long a temporary access pass is good, unless `user pass` says otherwise.
    pub pass_lifetime: Duration,
    /// How many characters a temporary access pass has.
    pub pass_length: u32,
    /// Hashes of leaked passwords, ordered: none of them may become a password.
    pub breached_passwords_file: Option<PathBuf>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<AddressRange>,
    /// Whether people sit at shared PCs without phones.
    pub desk: Desk,
    /// Which kinds of methods, and how many at least.
    pub methods: MethodPolicy,
    /// Which security keys.
    pub webauthn: WebAuthnSetting,
}

/// What people see.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Branding {
    /// The organisation's name.
    pub name: String,
    /// Whom to ask: "the service desk, extension 1234".
    pub support_contact: Option<String>,
}

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

impl Config {
    /// From the file at `path` (if any) and the environment, or everything that is wrong with them.
    pub fn load(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let mut reader = Reader::new(path, environment);
        reader.require_file()?;
        let config = read(&mut reader);
        reader.finish()?;
        config.ok_or_else(|| {
            Problems(vec![Problem {
                key: String::new(),
                text: "the configuration is not complete; start from `claimbridge init`".to_owned(),
            }])
        })
    }
}

/// Reads everything, also behind a problem, so that all are found in one go.
fn read(reader: &mut Reader) -> Option<Config> {
    let public_url = read_public_url(reader);
    let listen = reader.parsed("listen");
    let listen_ops = reader.parsed("listen_ops.address");
    let tls = read_tls(reader);
    let database_url = read_database_url(reader);
    let master_key = read_master_key(reader);
    let entra = entra::read(reader);
    let domains = read_domains(reader, public_url.as_ref());
    let (tenants, tenant_domains) = tenants::read(reader, &entra);
    let policy = policy::read(reader);
    let branding = Branding {
        name: reader
            .text("branding.name")
            .unwrap_or_else(|| "claimbridge".to_owned()),
        support_contact: reader.text("branding.support_contact"),
    };
    methods::object_to_a_messy_desk(reader, &policy, &branding);
    let active_door = trust::read(reader);
    let token = token::read(reader);
    let graph = watch::read_graph(reader, &entra);
    let watch = watch::read(reader);
    Some(Config {
        public_url: public_url?,
        listen: listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
        listen_ops,
        tls,
        database_url: database_url?,
        master_key: master_key?,
        entra,
        domains,
        tenants,
        tenant_domains,
        policy,
        branding,
        active_door,
        token,
        graph,
        watch,
        files: reader.named_files(),
    })
}

fn read_public_url(reader: &mut Reader) -> Option<Url> {
    const KEY: &str = "public_url";
    let Some(text) = reader.text(KEY) else {
        if !reader.has(KEY) {
            reader.object(
                KEY,
                "it is missing; write the address that people see, such as \"https://idp.contoso.com\"",
            );
        }
        return None;
    };
    let Ok(url) = Url::parse(&text) else {
        reader.object(
            KEY,
            &format!("“{text}” is no address; write it as \"https://idp.contoso.com\""),
        );
        return None;
    };
    let only_an_origin = url.has_host()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !only_an_origin {
        reader.object(
            KEY,
            "write scheme, host and port only, without a path, such as \"https://idp.contoso.com\"",
        );
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        _ => reader.object(
            KEY,
            "only this machine itself (localhost) may be reached over http; write https://…",
        ),
    }
    Some(url)
}

/// Whether the address is this machine's own.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn read_tls(reader: &mut Reader) -> Option<Tls> {
    let keys = ["tls.certificate_file", "tls.private_key_file"];
    let [certificate, private_key] = keys.map(|key| reader.path(key));
    for (key, path) in keys.iter().zip([&certificate, &private_key]) {
        if let Some(path) = path
            && let Err(error) = std::fs::File::open(path)
        {
            let text = format!(
                "{} cannot be read ({error}); correct the path, or let this user read it",
                path.display()
            );
            reader.object(key, &text);
        }
    }
    match (certificate, private_key) {
        (Some(certificate_file), Some(private_key_file)) => Some(Tls {
            certificate_file,
            private_key_file,
        }),
        (None, None) => None,
        (certificate, _) => {
            let missing = keys[usize::from(certificate.is_some())];
            reader.object(
                missing,
                "it is missing; TLS needs a certificate and its private key",
            );
            None
        }
    }
}

fn read_database_url(reader: &mut Reader) -> Option<Secret<String>> {
    const KEY: &str = "database_url";
    let missing = !reader.has(KEY) && !reader.has("database_url_file");
    let Some(secret) = reader.secret(KEY) else {
        if missing {
            reader.object(
                KEY,
                "it is missing; write \"sqlite://claimbridge.db\" or \"postgres://user:password@host/name\"",
            );
        }
        return None;
    };
    let url = secret.expose();
    if let Some(rest) = url.strip_prefix("sqlite:") {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        let relative = !path.is_empty() && !path.starts_with('/') && !path.starts_with(':');
        if relative {
            let absolute = reader.beside_the_file(path);
            return Some(Secret::new(format!("sqlite://{}", absolute.display())));
        }
        return Some(secret);
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Some(secret);
    }
    reader.object(
        KEY,
        "the address of a database begins with sqlite:// or postgres://; correct it",
    );
    None
}

fn read_master_key(reader: &mut Reader) -> Option<MasterKey> {
    const KEY: &str = "master_key";
    let missing = !reader.has(KEY) && !reader.has("master_key_file");
    let Some(secret) = reader.secret(KEY) else {
        if missing {
            reader.object(
                "master_key_file",
                "it is missing; `claimbridge init` makes a master key, or name the file that has yours",
            );
        }
        return None;
    };
    match MasterKey::parse(secret.expose()) {
        Ok(key) => Some(key),
        Err(error) => {
            let key = if reader.has(KEY) {
                KEY
            } else {
                "master_key_file"
            };
            reader.object(key, &format!("{error}; restore it from your backup"));
            None
        }
    }
}

fn read_domains(reader: &mut Reader, public_url: Option<&Url>) -> Vec<DomainSetting> {
    let mut present = Vec::new();
    let mut settings = Vec::new();
    // One more than there are, so that the keys are known when there is none.
    for index in 0..=reader.count("domain") {
        let name_key = format!("domain.{index}.name");
        let issuer_key = format!("domain.{index}.issuer");
        let protocol_key = format!("domain.{index}.protocol");
        let issuer = reader.text(&issuer_key);
        let protocol = reader.parsed::<DomainProtocol>(&protocol_key);
        let Some(name) = reader.parsed::<DomainName>(&name_key) else {
            if (issuer.is_some() || protocol.is_some()) && !reader.has(&name_key) {
                reader.object(
                    &name_key,
                    "it is missing; write the domain that this entry is for",
                );
            }
            continue;
        };
        let default = public_url.map_or_else(
            || format!("https://idp.invalid/{name}"),
            |url| format!("{}{name}", url.as_str()),
        );
        let now = Timestamp::from_millis(0); // only the rules are wanted, not the record
        match new_domain(name, issuer.as_deref(), &default, &present, now) {
            Ok(domain) => {
                if protocol.is_some() && domain.name != domain.root {
                    reader.object(
                        &protocol_key,
                        &format!(
                            "{} has the federation of {}; write the protocol there",
                            domain.name, domain.root
                        ),
                    );
                }
                settings.push(DomainSetting {
                    name: domain.name.clone(),
                    issuer,
                    protocol: protocol.unwrap_or_default(),
                });
                present.push(domain);
            }
            Err(error) => reader.object(&name_key, &format!("{error}; correct this entry")),
        }
    }
    settings
}

#[cfg(test)]
mod tests;
