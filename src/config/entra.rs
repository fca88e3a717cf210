//! The `[entra]` section: which cloud asks, and where its answers go.

use url::Url;

use super::reader::Reader;
use crate::base::text::DomainName;
use crate::relying_party::{
    EntraCloud, EntraEndpoints, KnownFederation, RequestSignature, ResponseSignature, Sha1,
    known_federation::parse_thumbprint,
    name_rule::{comparable, is_microsofts_name},
};

/// How Entra is answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entra {
    /// The cloud.
    pub cloud: EntraCloud,
    /// Where the cloud's authority and Microsoft Graph are; none if a cloud of one's own does
    /// not say it: commands that need them then ask for them.
    pub endpoints: Option<EntraEndpoints>,
    /// Microsoft's metadata of the cloud (XML), for the certificates of signed requests.
    pub metadata: Option<String>,
    /// Whether an unsigned request is taken.
    pub request_signature: RequestSignature,
    /// Whether SHA-1 is taken in request signatures.
    pub sha1: Sha1,
    /// Whether the response is signed beside the assertion.
    pub response_signature: ResponseSignature,
    /// Domains of the tenant that are another provider's, rightly.
    pub known_federations: Vec<KnownFederation>,
}

pub(super) fn read(reader: &mut Reader) -> Entra {
    let cloud = read_cloud(reader);
    let endpoints = read_endpoints(reader, &cloud);
    let metadata = reader.file("entra.metadata_file");
    let request_signature = if reader.flag("entra.require_signed_requests") {
        RequestSignature::Required
    } else {
        RequestSignature::Optional
    };
    if request_signature == RequestSignature::Required && !reader.has("entra.metadata_file") {
        reader.object(
            "entra.require_signed_requests",
            "no request could be checked; set entra.metadata_file to a copy of Microsoft's metadata",
        );
    }
    let sha1 = if reader.flag("entra.allow_sha1_in_requests") {
        Sha1::AllowedInRequests
    } else {
        Sha1::Refused
    };
    let response_signature = if reader.flag("entra.sign_response") {
        ResponseSignature::AssertionAndResponse
    } else {
        ResponseSignature::AssertionOnly
    };
    Entra {
        cloud,
        endpoints,
        metadata,
        request_signature,
        sha1,
        response_signature,
        known_federations: read_known(reader),
    }
}

fn read_known(reader: &mut Reader) -> Vec<KnownFederation> {
    const SECTION: &str = "entra.known_federation";
    let mut known: Vec<KnownFederation> = Vec::new();
    // One more than there are, so that the keys are known when there is none.
    let count = reader.count(SECTION);
    for index in 0..=count {
        let key = |name: &str| format!("{SECTION}.{index}.{name}");
        let domain = reader.parsed::<DomainName>(&key("domain"));
        let issuer = reader.text(&key("issuer"));
        let written: Vec<String> = reader.list(&key("certificates"));
        if index == count {
            continue;
        }
        let mut certificates = Vec::new();
        for text in &written {
            match parse_thumbprint(text) {
                Ok(thumbprint) => certificates.push(thumbprint),
                Err(why) => reader.object(&key("certificates"), &why),
            }
        }
        if written.is_empty() {
            reader.object(
                &key("certificates"),
                "nobody is known without a key; write the thumbprints that `claimbridge domain drift` shows and the provider confirms",
            );
        }
        if issuer.is_none() {
            reader.object(&key("issuer"), "it is missing; write the provider's issuer");
        }
        if domain.is_none() && !reader.has(&key("domain")) {
            reader.object(
                &key("domain"),
                "it is missing; write the domain that the provider federates",
            );
        }
        let (Some(domain), Some(issuer_uri)) = (domain, issuer) else {
            continue;
        };
        if known.iter().any(|other| other.domain == domain) {
            reader.object(
                &key("domain"),
                &format!("{domain} has an entry already; make one of the two"),
            );
        }
        known.push(KnownFederation {
            domain,
            issuer_uri,
            certificates,
        });
    }
    known
}

fn read_cloud(reader: &mut Reader) -> EntraCloud {
    let entity_id = reader.text("entra.cloud.entity_id");
    let reply_url = reader.text("entra.cloud.reply_url");
    let metadata_url = reader.text("entra.cloud.metadata_url");
    let name = reader.text("entra.cloud");
    match (name, entity_id, reply_url) {
        (None, None, None) if metadata_url.is_none() => EntraCloud::global(),
        (Some(name), None, None) => EntraCloud::by_name(&name).unwrap_or_else(|| {
            reader.object(
                "entra.cloud",
                &format!("there is no cloud “{name}”; write \"global\", \"us-gov\" or \"china\""),
            );
            EntraCloud::global()
        }),
        (None, Some(entity_id), Some(reply_url)) => {
            let cloud = EntraCloud {
                name: "custom".to_owned(),
                entity_id,
                reply_url,
                metadata_url,
            };
            if let Err(text) = require_own_host(&cloud) {
                reader.object("entra.cloud.reply_url", &text);
            }
            cloud
        }
        (Some(_), ..) => {
            reader.object(
                "entra.cloud",
                "a cloud has a name or endpoints of its own, not both; remove one of them",
            );
            EntraCloud::global()
        }
        (None, ..) => {
            reader.object(
                "entra.cloud",
                "a cloud of your own needs entity_id and reply_url; add the missing one",
            );
            EntraCloud::global()
        }
    }
}

/// A preset's own, or those that a cloud of one's own names.
fn read_endpoints(reader: &mut Reader, cloud: &EntraCloud) -> Option<EntraEndpoints> {
    let mut address = |key: &str| {
        let text = reader.text(key)?;
        let good = Url::parse(&text).is_ok_and(|url| {
            let here = url.scheme() == "http" && super::is_loopback(&url);
            (url.scheme() == "https" || here)
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
                // Entra's tenants stand in the path.
                && (key.ends_with("graph_url") || url.path() == "/")
        });
        if !good {
            reader.object(
                key,
                "this is no address that can be asked; write https://… (http only to this machine), without name, password and query, an authority also without a path",
            );
        }
        Some(text.trim_end_matches('/').to_owned())
    };
    let authority_url = address("entra.cloud.authority_url");
    let graph_url = address("entra.cloud.graph_url");
    match (authority_url, graph_url) {
        (None, None) => EntraEndpoints::of_cloud(&cloud.name),
        (Some(authority_url), Some(graph_url)) if cloud.name == "custom" => {
            let endpoints = EntraEndpoints {
                authority_url,
                graph_url,
            };
            if let Err(error) = endpoints.graph_resource() {
                reader.object("entra.cloud.graph_url", &error.to_string());
            }
            Some(endpoints)
        }
        _ => {
            reader.object(
                "entra.cloud",
                "authority_url and graph_url go together, and only with entity_id and reply_url of a cloud of your own",
            );
            None
        }
    }
}

/// Attack 39: an assertion for a Microsoft audience, posted to another host, is
/// one that the other host can play to Microsoft. So it goes to that cloud's host only,
/// and where the name is Microsoft's but no preset's, to the host of one of the presets.
fn require_own_host(cloud: &EntraCloud) -> Result<(), String> {
    let reply = Url::parse(&cloud.reply_url)
        .map_err(|_| "this is no absolute address; write https://…/login.srf".to_owned())?;
    if is_microsofts_name(&cloud.entity_id) {
        let presets = EntraCloud::presets();
        let own = presets.iter().find(|preset| names(cloud, preset));
        let allowed = own.map_or(presets.as_slice(), std::slice::from_ref);
        let goes_home = allowed
            .iter()
            .filter_map(|preset| Url::parse(&preset.reply_url).ok())
            .any(|home| home.origin() == reply.origin());
        if !goes_home {
            let names: Vec<String> = allowed
                .iter()
                .map(|preset| format!("\"{}\" ({})", preset.name, preset.reply_url))
                .collect();
            return Err(format!(
                "answers for {} may go only to Microsoft's own address; correct it, or use cloud = {}",
                cloud.entity_id.trim(),
                names.join(" or ")
            ));
        }
    }
    if reply.scheme() == "https" || (reply.scheme() == "http" && super::is_loopback(&reply)) {
        Ok(())
    } else {
        Err("answers go over https only (http only to this machine); write https://…".to_owned())
    }
}

/// Whether a custom cloud goes by the name, or by the host, of that preset.
fn names(cloud: &EntraCloud, preset: &EntraCloud) -> bool {
    let host = |address: &str| {
        let url = Url::parse(address).ok()?;
        Some(url.host_str()?.trim_end_matches('.').to_owned())
    };
    let name = comparable(&cloud.entity_id);
    name == comparable(&preset.entity_id)
        || (host(&name).is_some() && host(&name) == host(&preset.reply_url))
}
