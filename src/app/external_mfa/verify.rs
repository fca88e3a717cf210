//! `external-mfa verify`: whether Entra would take what we publish, read at the public address as
//! Entra reads it (facts §5.2), and whether the tenant was told what it should know of us (§5.6).
//!
//! Always true: the inspector's rules judge, so that what is said here is what `inspect` says; what
//! was not looked at is said, and never looks like a yes; every finding has a remedy.

/// What a tenant was told of us, and its cloud.
mod tenant;

use serde::Serialize;

pub use tenant::{application, cloud, method};

use super::published::{Answer, Compression, Documents, FetchError, fetch, get};
use crate::{
    app::{Error, Settings, keys::Published},
    base::clock::Timestamp,
    inspect::{self, Consumer, Context, ExternalMfa, Severity},
    outbound::guard::Outbound,
    protocol::oidc::{discovery, jwks::kid_of},
};

/// How something stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// As it should be.
    Met,
    /// Not as it should be.
    Unmet,
    /// Not looked at.
    Unknown,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Check {
    /// What it is about, or the inspector's rule.
    pub id: &'static str,
    /// How it stands.
    pub standing: Standing,
    /// What was found, in a sentence.
    pub says: String,
    /// What to do; empty if it is as it should be.
    pub remedy: String,
    /// What Entra says in its place (numbers of AADSTS).
    pub aadsts: Vec<&'static str>,
}

impl Check {
    fn met(id: &'static str, says: impl Into<String>) -> Self {
        Self::new(id, Standing::Met, says, "")
    }

    fn unmet(id: &'static str, says: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(id, Standing::Unmet, says, remedy)
    }

    fn new(
        id: &'static str,
        standing: Standing,
        says: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            id,
            standing,
            says: says.into(),
            remedy: remedy.into(),
            aadsts: Vec::new(),
        }
    }

    fn entra_says(self, aadsts: &[&'static str]) -> Self {
        Self {
            aadsts: aadsts.to_vec(),
            ..self
        }
    }
}

/// What was found out about our side.
#[derive(Debug)]
pub struct Verified {
    /// What was looked at, in order.
    pub checks: Vec<Check>,
    /// Whether our public address did not answer at all.
    pub is_unreachable: bool,
}

/// Reads both documents at the public address and judges them.
///
/// # Errors
/// A request could not even be written.
pub async fn our_side(
    outbound: &Outbound,
    settings: &Settings,
    keys: &Published,
    now: Timestamp,
) -> Result<Verified, Error> {
    let address = discovery::discovery_url(&settings.public_url);
    let mut checks = vec![public_address(&settings.public_url)];
    let documents = match fetch(outbound, &address).await {
        Ok(documents) => documents,
        Err(error @ FetchError::Request(_)) => return Err(Error::internal(error.to_string())),
        Err(error) => {
            let mut says = error.to_string();
            if let FetchError::Outbound(error) = &error
                && let Some(cause) = std::error::Error::source(error)
            {
                says = format!("{says}: {cause}");
            }
            checks.push(
                Check::unmet(
                    "discovery",
                    format!("{address} could not be read: {says}."),
                    "Start `claimbridge serve`, let the name resolve and the port be reached from the internet, and show a certificate that everybody trusts.",
                )
                .entra_says(&["50166"]),
            );
            return Ok(Verified {
                checks,
                is_unreachable: true,
            });
        }
    };
    checks.extend(judge(settings, &documents, keys, now));
    if documents.discovery.status == 200 {
        let compressed = get(outbound, &address, Compression::Welcome).await;
        checks.push(compression(compressed.ok().as_ref()));
    }
    Ok(Verified {
        checks,
        is_unreachable: false,
    })
}

/// What was read, by the inspector's rules, and against what we know that we publish.
pub fn judge(
    settings: &Settings,
    documents: &Documents,
    keys: &Published,
    now: Timestamp,
) -> Vec<Check> {
    let public_url = settings.public_url.as_str();
    let mut checks = Vec::new();
    if !served(&documents.discovery, "discovery", &mut checks) {
        return checks;
    }
    let context = Context {
        expect: Some(Consumer::EntraExternalMfa),
        external_mfa: ExternalMfa {
            discovery_url: Some(discovery::discovery_url(public_url)),
            // Whether the application has it is looked at by itself.
            app_reply_urls: vec![discovery::authorization_endpoint(public_url)],
            ..ExternalMfa::default()
        },
        ..Context::at(now)
    };
    by_the_rules(&documents.discovery, "discovery", &context, &mut checks);
    checks.push(is_ours(public_url, &documents.discovery));
    match &documents.keys {
        None => checks.push(
            Check::unmet(
                "keys",
                "The discovery document names no address of keys that can be asked.",
                "Let nothing between us and the internet alter the document.",
            )
            .entra_says(&["50166"]),
        ),
        Some(Err(why)) => checks.push(
            Check::unmet(
                "keys",
                format!("The keys could not be read: {why}."),
                "Let the proxy pass everything below /oidc/ on.",
            )
            .entra_says(&["50166"]),
        ),
        Some(Ok(answer)) => {
            if served(answer, "keys", &mut checks) {
                by_the_rules(answer, "keys", &context, &mut checks);
                checks.push(our_keys(answer, keys));
            }
        }
    }
    checks
}

/// Entra reaches names with a certificate only.
fn public_address(public_url: &str) -> Check {
    if public_url.starts_with("https://") {
        Check::met("address", format!("{public_url} is reached over https."))
    } else {
        Check::unmet(
            "address",
            format!("public_url is {public_url}, and Entra reads over https only."),
            "Write the https address that everybody reaches as public_url; for practice on this computer use `claimbridge demo`.",
        )
        .entra_says(&["50166"])
    }
}

/// Whether a document was served at all.
fn served(answer: &Answer, id: &'static str, checks: &mut Vec<Check>) -> bool {
    if answer.status != 200 || answer.object().is_none() {
        let says = if answer.status == 200 {
            format!("{} answers, and with no JSON object.", answer.url)
        } else {
            format!("{} answers {}.", answer.url, answer.status)
        };
        let remedy = if answer.status == 404 {
            "Nothing is served while no tenant is configured: `claimbridge external-mfa add`, and start the server anew if it is an older version. Otherwise let the proxy pass /oidc/ on."
        } else {
            "Let the proxy pass /oidc/ on as it is: no redirect, no page of its own."
        };
        checks.push(Check::unmet(id, says, remedy).entra_says(&["50166"]));
        return false;
    }
    let kind = answer.content_type.as_deref().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json")
        || kind.eq_ignore_ascii_case("application/jwk-set+json")
    {
        checks.push(Check::met(
            id,
            format!("{} answers with {} bytes.", answer.url, answer.body.len()),
        ));
    } else {
        checks.push(
            Check::unmet(
                id,
                format!("{} is served as {kind:?}.", answer.url),
                "Let the proxy leave Content-Type as it is: application/json.",
            )
            .entra_says(&["50166"]),
        );
    }
    if id == "keys" && answer.content_length.is_none() {
        checks.push(
            Check::unmet(
                "keys-length",
                "The keys are served without a Content-Length.",
                "Let the proxy neither compress nor re-chunk what is below /oidc/.",
            )
            .entra_says(&["50166"]),
        );
    }
    true
}

fn by_the_rules(answer: &Answer, id: &'static str, context: &Context, checks: &mut Vec<Check>) {
    let report = inspect::inspect(&answer.with_head(), context);
    let before = checks.len();
    for finding in &report.findings {
        if finding.severity == Severity::Info {
            continue;
        }
        let standing = if finding.severity == Severity::Undecided {
            Standing::Unknown
        } else {
            Standing::Unmet
        };
        let says = format!("{} {}", finding.title, finding.evidence);
        checks.push(
            Check::new(finding.rule, standing, says, finding.fix.clone())
                .entra_says(&finding.aadsts),
        );
    }
    let judged = report.verdict(Consumer::EntraExternalMfa).is_some();
    if !judged {
        checks.push(Check::unmet(
            id,
            format!("{} is nothing that the inspector knows.", answer.url),
            "Let nothing between us and the internet alter the document.",
        ));
    } else if checks.len() == before {
        checks.push(Check::met(
            id,
            format!("{} breaks no rule of Entra's.", answer.url),
        ));
    }
}

/// Whether the document is this server's: a proxy may lead to another, or rewrite addresses.
fn is_ours(public_url: &str, answer: &Answer) -> Check {
    let document = answer.object().unwrap_or_default();
    let wanted = [
        ("issuer", discovery::issuer(public_url)),
        (
            "authorization_endpoint",
            discovery::authorization_endpoint(public_url),
        ),
        ("jwks_uri", discovery::jwks_uri(public_url)),
    ];
    let other: Vec<String> = wanted
        .iter()
        .filter(|(name, wanted)| document[*name].as_str() != Some(wanted.as_str()))
        .map(|(name, wanted)| format!("{name} is {}, wanted is {wanted}", document[*name]))
        .collect();
    if other.is_empty() {
        Check::met(
            "ours",
            "It is the document of this configuration, letter by letter.",
        )
    } else {
        Check::unmet(
            "ours",
            format!(
                "It is not what this configuration publishes: {}.",
                other.join("; ")
            ),
            "Give all servers one public_url, start them anew, and let the proxy rewrite nothing.",
        )
        .entra_says(&["50027"])
    }
}

/// Whether the keys are ours, the one that signs among them, by the names that tokens have.
fn our_keys(answer: &Answer, keys: &Published) -> Check {
    let document = answer.object().unwrap_or_default();
    let served: Vec<&str> = document["keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|key| key["kid"].as_str())
        .collect();
    let all = keys.active.iter().chain(&keys.staged).chain(&keys.retiring);
    let wanted: Vec<String> = all.map(|key| kid_of(&key.id)).collect();
    let missing: Vec<&String> = wanted
        .iter()
        .filter(|kid| !served.contains(&kid.as_str()))
        .collect();
    let strange: Vec<&&str> = served
        .iter()
        .filter(|kid| !wanted.iter().any(|own| own == **kid))
        .collect();
    if keys.active.is_none() {
        return Check::unmet(
            "our-keys",
            "There is no signing key for External MFA here.",
            "Start `claimbridge serve` once after a tenant was added: it makes one; `claimbridge doctor` looks at keys that are there.",
        );
    }
    if missing.is_empty() && strange.is_empty() {
        return Check::met(
            "our-keys",
            format!(
                "{} key(s), all ours, the one that signs among them.",
                served.len()
            ),
        );
    }
    let mut says = Vec::new();
    if !missing.is_empty() {
        says.push(format!("missing: {missing:?}"));
    }
    if !strange.is_empty() {
        says.push(format!("not ours: {strange:?}"));
    }
    Check::unmet(
        "our-keys",
        format!(
            "The keys served are not those of this database ({}).",
            says.join(", ")
        ),
        "Let all servers use one database, and the proxy keep nothing in a cache.",
    )
    .entra_says(&["50012"])
}

fn compression(answer: Option<&Answer>) -> Check {
    match answer {
        Some(answer) if answer.content_length.is_some() => Check::met(
            "length",
            "There is a Content-Length for whoever takes compressed answers too.",
        ),
        Some(_) => Check::unmet(
            "length",
            "For whoever takes compressed answers there is no Content-Length.",
            "Switch compression off for what is below /oidc/ (nginx: gzip off; Apache: SetEnv no-gzip 1).",
        )
        .entra_says(&["50166"]),
        None => Check::new(
            "length",
            Standing::Unknown,
            "Not looked at: the second request got no answer.",
            "Try again.",
        ),
    }
}
