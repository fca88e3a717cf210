//! What `claimbridge inspect` judges against: from its options, and from the local
//! configuration where there is one.
//!
//! Always true: an option beats the configuration; what the configuration says of our
//! domains is used for our domains only.

use std::{
    io::{self, Read},
    path::Path,
    time::Duration,
};

use super::{Failure, inspect::InspectArgs, open};
use crate::{
    app::{domains, keys},
    base::{clock::Timestamp, text::DomainName},
    inspect::{
        Context, ExternalMfa, Federation, Jwks, Known, MAX_TRACE_BYTES, TraceTime,
        UncheckedSignature, given, given_authorization, given_hint, given_request,
    },
    keys::{KeyPurpose, sealing::Sealing},
    protocol::saml::sp_metadata::parse_sp_metadata,
    relying_party::{Domain, EntraCloud},
};

/// What the local configuration says.
pub struct Local {
    /// The file, for people.
    pub name: String,
    cloud: EntraCloud,
    request_keys: Known,
    /// Certificates of our assertion keys, the active one first.
    certificates: Vec<Vec<u8>>,
    domains: Vec<OwnDomain>,
    external_mfa_issuer: String,
}

/// A domain of ours, with the addresses that Entra should have of it.
struct OwnDomain {
    domain: Domain,
    sign_in_url: String,
    sign_out_url: String,
}

/// Reads the configuration and the database behind it.
pub async fn local(path: &Path) -> Result<Local, Failure> {
    let config = open::config(Some(path))?;
    let settings = open::settings(&config)?;
    let store = open::store(&config).await?;
    let sealing = Sealing::new(&config.master_key);
    let published = keys::published(&store, &sealing, KeyPurpose::Assertion).await?;
    let domains = domains::list(&store).await?;
    Ok(Local {
        name: path.display().to_string(),
        cloud: config.entra.cloud.clone(),
        request_keys: if config.entra.metadata.is_some() {
            Known::Yes
        } else {
            Known::No
        },
        certificates: published
            .certificates()
            .into_iter()
            .map(<[u8]>::to_vec)
            .collect(),
        domains: domains
            .into_iter()
            .map(|domain| OwnDomain {
                sign_in_url: settings.sign_in_url(&domain),
                sign_out_url: settings.sign_out_url(&domain),
                domain,
            })
            .collect(),
        external_mfa_issuer: format!("{}/oidc", settings.public_url),
    })
}

impl Local {
    /// Ours, if the options do not name somebody else's domain or issuer.
    fn concerns(&self, args: &InspectArgs) -> bool {
        let domain = args.domain.as_ref().is_none_or(|wanted| {
            self.domains
                .iter()
                .any(|own| wanted.is_within(&own.domain.root))
        });
        let issuer = args.issuer.as_ref().is_none_or(|wanted| {
            *wanted == self.external_mfa_issuer
                || self
                    .domains
                    .iter()
                    .any(|own| own.domain.issuer_uri == *wanted)
        });
        domain && issuer
    }

    /// The domain that is meant: the one named, the one of the issuer, or the only one.
    fn domain(&self, args: &InspectArgs) -> Option<&OwnDomain> {
        let mut fitting = self.domains.iter().filter(|OwnDomain { domain, .. }| {
            args.domain.as_ref().is_none_or(|name| domain.name == *name)
                && args
                    .issuer
                    .as_ref()
                    .is_none_or(|issuer| domain.issuer_uri == *issuer)
        });
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }
}

/// The context, and a sentence about what was taken from where, if something was.
pub fn context(
    args: &InspectArgs,
    local: Option<&Local>,
    now: Timestamp,
) -> Result<(Context, Option<String>), String> {
    let mut context = from_options(args, now)?;
    let Some(local) = local.filter(|local| !args.alone && local.concerns(args)) else {
        return Ok((context, None));
    };
    let mut taken = Vec::new();
    if context.cloud.is_none() {
        taken.push(format!("the cloud {}", local.cloud.name));
        context.cloud = Some(local.cloud.clone());
        context.federation.request_keys = local.request_keys;
    }
    if context.certificates.is_empty() && !local.certificates.is_empty() {
        taken.push(format!("{} certificate(s)", local.certificates.len()));
        context.certificates.clone_from(&local.certificates);
    }
    let known = &mut context.external_mfa;
    if known.issuer.is_none() && known.discovery_url.is_none() {
        known.issuer = Some(local.external_mfa_issuer.clone());
    }
    if let Some(own) = local.domain(args) {
        let domain = &own.domain;
        if context.issuer.is_none() {
            taken.push(format!("the issuer {}", domain.issuer_uri));
            context.issuer = Some(domain.issuer_uri.clone());
        }
        context.realm.get_or_insert_with(|| domain.root.clone());
        let federation = &mut context.federation;
        federation
            .sign_in_url
            .get_or_insert_with(|| own.sign_in_url.clone());
        federation
            .sign_out_url
            .get_or_insert_with(|| own.sign_out_url.clone());
        federation.others = others(local, &domain.name);
    }
    let sentence =
        (!taken.is_empty()).then(|| format!("From {}: {}.", local.name, taken.join(", ")));
    Ok((context, sentence))
}

fn others(local: &Local, this: &DomainName) -> Vec<(DomainName, String)> {
    local
        .domains
        .iter()
        .filter(|own| own.domain.name != *this)
        .map(|own| (own.domain.name.clone(), own.domain.issuer_uri.clone()))
        .collect()
}

fn from_options(args: &InspectArgs, now: Timestamp) -> Result<Context, String> {
    let mut cloud = cloud(
        args.cloud.as_deref(),
        args.audience.clone(),
        args.reply_url.clone(),
    )?;
    let mut request_keys = Known::Unknown;
    let mut request_certificates = Vec::new();
    if let Some(path) = &args.sp_metadata {
        let metadata = parse_sp_metadata(&read(path)?)
            .map_err(|error| format!("{}: {}", path.display(), super::chain(&error)))?;
        request_keys = if metadata.request_certificates.is_empty() {
            Known::No
        } else {
            Known::Yes
        };
        request_certificates.clone_from(&metadata.request_certificates);
        let reply_url = metadata
            .reply_urls
            .iter()
            .find(|address| address.preferred)
            .or(metadata.reply_urls.first())
            .map(|address| address.url.clone())
            .ok_or_else(|| format!("{}: it has no reply address", path.display()))?;
        cloud.get_or_insert(EntraCloud {
            name: "custom".to_owned(),
            entity_id: metadata.entity_id,
            reply_url,
            metadata_url: None,
        });
    }
    let mut certificates = Vec::new();
    for path in &args.certificate {
        certificates.extend(read_certificates(path)?);
    }
    let (mut request, mut authorization) = (None, None);
    if let Some(path) = &args.request {
        let bytes = read(path)?;
        request = given_request(&bytes);
        authorization = given_authorization(&bytes);
        if request.is_none() && authorization.is_none() {
            return Err(format!(
                "{} is no AuthnRequest with an ID, and no form that Entra posts to an external method",
                path.display()
            ));
        }
    }
    let hint = match &args.hint {
        None => None,
        Some(path) => Some(
            given_hint(&read(path)?)
                .ok_or_else(|| format!("{} is no id_token_hint", path.display()))?,
        ),
    };
    let jwks = match &args.jwks {
        None => None,
        Some(path) => Some(
            Jwks::parse(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))?,
        ),
    };
    let external_issuer = args.discovery_url.is_none().then(|| args.issuer.clone());
    Ok(Context {
        expect: args.expect,
        issuer: args.issuer.clone(),
        realm: args.domain.clone(),
        cloud,
        certificates,
        request,
        request_certificates,
        jwks,
        skew: Duration::from_secs(args.skew),
        max_age: args.max_age,
        unchecked_signature: if args.trust_unsigned {
            UncheckedSignature::TakenAsGood
        } else {
            UncheckedSignature::Undecided
        },
        external_mfa: ExternalMfa {
            issuer: external_issuer.flatten(),
            discovery_url: args.discovery_url.clone(),
            client_id: args.client_id.clone(),
            app_reply_urls: args.app_reply_url.clone(),
            authorization,
            hint,
        },
        federation: Federation {
            sign_in_url: args.sign_in_url.clone(),
            sign_out_url: args.sign_out_url.clone(),
            request_keys,
            emergency_accounts: known(args.emergency_accounts.as_deref(), "yes"),
            security_defaults: known(args.security_defaults.as_deref(), "on"),
            others: Vec::new(),
        },
        trace_time: if args.at.is_some() {
            TraceTime::AskedAbout
        } else {
            TraceTime::AsRecorded
        },
        ..Context::at(args.at.unwrap_or(now))
    })
}

fn known(answer: Option<&str>, yes: &str) -> Known {
    match answer {
        None => Known::Unknown,
        Some(answer) if answer == yes => Known::Yes,
        Some(_) => Known::No,
    }
}

/// A preset, a preset with parts replaced, or a custom one that needs both parts.
fn cloud(
    name: Option<&str>,
    audience: Option<String>,
    reply_url: Option<String>,
) -> Result<Option<EntraCloud>, String> {
    let preset = name.and_then(EntraCloud::by_name);
    if audience.is_none() && reply_url.is_none() {
        return Ok(preset);
    }
    let missing = "--audience and --reply-url go together, unless --cloud gives the other";
    let entity_id = audience.or(preset.as_ref().map(|cloud| cloud.entity_id.clone()));
    let reply_url = reply_url.or(preset.map(|cloud| cloud.reply_url));
    match (entity_id, reply_url) {
        (Some(entity_id), Some(reply_url)) => Ok(Some(EntraCloud {
            name: "custom".to_owned(),
            entity_id,
            reply_url,
            metadata_url: None,
        })),
        _ => Err(missing.to_owned()),
    }
}

/// Reads a file, or standard input for `-`; at most what the inspector takes.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    // One byte more than is taken, so that what is too long is seen to be.
    let limit = MAX_TRACE_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| {
            let length = file.metadata().map_or(0, |metadata| metadata.len());
            bytes.reserve_exact(usize::try_from(length.min(limit)).unwrap_or(0) + 1);
            file.take(limit).read_to_end(&mut bytes)
        })
    };
    read.map(|_| bytes)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

/// PEM (several certificates may stand in one file), DER, or bare base64 as Graph shows it.
fn read_certificates(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    given::certificates(&read(path)?).map_err(|error| format!("{} is {error}", path.display()))
}
