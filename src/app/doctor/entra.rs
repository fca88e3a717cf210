//! What Microsoft publishes and says of our domains, without any credential.

use url::Url;

use super::{
    Finding,
    catalogue::{REALM, SP_METADATA},
};
use crate::{
    app::federation::realm::leads_to, base::clock::Timestamp, keys::certificate::Certificate,
    protocol::saml::sp_metadata::parse_sp_metadata, relying_party::RelyingParty,
    relying_party::RequestSignature,
};

/// Compares Microsoft's metadata with what is configured.
pub fn judge_sp_metadata(
    address: &str,
    body: &[u8],
    configured: &RelyingParty,
    now: Timestamp,
) -> Vec<Finding> {
    const DOWNLOAD: &str =
        "download it into the file that entra.metadata_file names, and restart `serve`";
    let metadata = match parse_sp_metadata(body) {
        Ok(metadata) => metadata,
        Err(error) => {
            return vec![SP_METADATA.unseen(
                address,
                format!("What is there is no metadata of a service provider: {error}"),
                "see whether the address is right (entra.cloud) and what answers there",
            )];
        }
    };
    let mut findings = Vec::new();
    if metadata.entity_id != configured.entity_id.as_str() {
        findings.push(SP_METADATA.problem(
            address,
            format!(
                "It is of {}, but answers are made for {}",
                metadata.entity_id, configured.entity_id
            ),
            "correct entra.cloud",
        ));
    }
    for reply in &configured.reply_urls {
        if !metadata
            .reply_urls
            .iter()
            .any(|there| there.url == reply.url)
        {
            findings.push(SP_METADATA.problem(
                address,
                format!(
                    "{} is none of the addresses that it takes answers at",
                    reply.url
                ),
                "correct entra.cloud",
            ));
        }
    }
    let loaded = &configured.request_certificates;
    let there = &metadata.request_certificates;
    if loaded.is_empty() {
        if findings.is_empty() {
            let sentence = format!(
                "It is that of the configured cloud; its {} keys are not needed, because requests need no signature",
                there.len()
            );
            findings.push(SP_METADATA.good(address, sentence));
        }
        return findings;
    }
    let missing: Vec<String> = there
        .iter()
        .filter(|der| !loaded.contains(der))
        .map(|der| identifier(der))
        .collect();
    if !missing.is_empty() {
        let sentence = format!(
            "{} of its keys are not loaded: {}",
            missing.len(),
            missing.join(", ")
        );
        findings.push(
            if configured.request_signature == RequestSignature::Required {
                SP_METADATA.problem(
                    address,
                    format!("{sentence}; requests that are signed with one of them are refused"),
                    DOWNLOAD,
                )
            } else {
                SP_METADATA.warning(address, sentence, DOWNLOAD)
            },
        );
    }
    let gone: Vec<String> = loaded
        .iter()
        .filter(|der| !there.contains(der))
        .map(|der| identifier(der))
        .collect();
    if !gone.is_empty() {
        findings.push(SP_METADATA.warning(
            address,
            format!(
                "{} loaded keys are not in it any more: {}",
                gone.len(),
                gone.join(", ")
            ),
            DOWNLOAD,
        ));
    }
    let live = there
        .iter()
        .filter_map(|der| Certificate::read(der).ok())
        .filter(|certificate| certificate.not_after > now);
    if findings.is_empty() {
        findings.push(SP_METADATA.good(
            address,
            format!(
                "All {} keys are loaded ({} of them good today)",
                there.len(),
                live.count()
            ),
        ));
    }
    findings
}

/// The SubjectKeyIdentifier in hex (by it a signed request names its key), else the thumbprint.
fn identifier(der: &[u8]) -> String {
    match Certificate::read(der) {
        Ok(certificate) => certificate.key_identifier.as_ref().map_or_else(
            || certificate.thumbprint(),
            |id| data_encoding::HEXUPPER.encode(id),
        ),
        Err(_) => "an unreadable one".to_owned(),
    }
}

/// What `getuserrealm.srf` says of a name of a domain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Realm {
    /// `Federated`, `Managed` or `Unknown`.
    pub kind: String,
    /// Where a browser is sent.
    pub sign_in_url: Option<String>,
}

/// Reads the JSON form of the answer.
pub fn parse_realm(body: &[u8]) -> Option<Realm> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    Some(Realm {
        kind: text("NameSpaceType")?,
        sign_in_url: text("AuthURL").filter(|url| !url.is_empty()),
    })
}

/// Whether Entra sends people of `domain` to `sso_url`.
pub fn judge_realm(domain: &str, sso_url: &str, realm: &Realm) -> Finding {
    match (realm.kind.as_str(), &realm.sign_in_url) {
        ("Federated", Some(url)) if leads_to(url, sso_url) => {
            REALM.good(domain, "Entra sends its people here")
        }
        ("Federated", Some(url)) => {
            let place = Url::parse(url).map_or_else(
                |_| "an unreadable address".to_owned(),
                |url| format!("{}{}", url.origin().ascii_serialization(), url.path()),
            );
            REALM.problem(
                domain,
                format!("Entra sends its people to {place}, not to {sso_url}"),
                format!("if somebody else serves this domain, that is as it is; if it is yours, look at once: `claimbridge domain drift {domain}`, then `claimbridge domain plan {domain}`"),
            )
        }
        ("Federated", None) => REALM.warning(
            domain,
            "Entra says that it is federated, but not where it sends people",
            format!("look with `claimbridge domain drift {domain}`"),
        ),
        ("Managed", _) => REALM.note(
            domain,
            "Entra asks its people for their password itself: it is not federated",
            format!("`claimbridge domain plan {domain}` says what is to be done"),
        ),
        _ => REALM.problem(
            domain,
            "Entra does not know this domain",
            "add it to the tenant and verify it there, or correct its name here",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app::doctor::Outcome, relying_party::EntraCloud};

    const SP: &[u8] = include_bytes!("../../../tests/fixtures/entra/sp-metadata-global-2021.xml");
    const NOW: Timestamp = Timestamp::from_millis(1_795_168_800_000);

    fn worst(party: &RelyingParty, body: &[u8]) -> Outcome {
        let findings = judge_sp_metadata("m", body, party, NOW);
        findings
            .iter()
            .map(|finding| finding.outcome)
            .max()
            .unwrap()
    }

    #[test]
    fn microsofts_keys_are_those_that_are_loaded() {
        let there = parse_sp_metadata(SP).unwrap().request_certificates;
        assert!(there.len() > 1);
        let with =
            |certificates: &[Vec<u8>]| EntraCloud::global().relying_party(certificates.to_vec());
        assert_eq!(worst(&with(&[]), SP), Outcome::Good);
        assert_eq!(worst(&with(&there), SP), Outcome::Good);
        assert_eq!(worst(&with(&there[..1]), SP), Outcome::Warning);
        let mut strict = with(&there[..1]);
        strict.request_signature = RequestSignature::Required;
        assert_eq!(worst(&strict, SP), Outcome::Problem);
        let mut more = there.clone();
        more.push(b"another".to_vec());
        assert_eq!(worst(&with(&more), SP), Outcome::Warning);
        let china = EntraCloud::china().relying_party(Vec::new());
        assert_eq!(worst(&china, SP), Outcome::Problem);
        assert_eq!(worst(&with(&[]), b"<html/>"), Outcome::Unseen);
    }

    #[test]
    fn entra_sends_people_here() {
        let ours = "https://idp.contoso.com/saml2/sso?domain=contoso.com";
        let realm = |kind: &str, url: Option<&str>| Realm {
            kind: kind.to_owned(),
            sign_in_url: url.map(str::to_owned),
        };
        for (realm, wanted) in [
            (
                realm(
                    "Federated",
                    Some(
                        "https://idp.contoso.com/saml2/sso?domain=contoso.com&username=a%40contoso.com",
                    ),
                ),
                Outcome::Good,
            ),
            (
                realm(
                    "Federated",
                    Some("https://idp.contoso.com/saml2/sso?username=a&domain=contoso.com"),
                ),
                Outcome::Good,
            ),
            (
                realm(
                    "Federated",
                    Some("https://idp.contoso.com/saml2/sso?domain=contoso.com.evil"),
                ),
                Outcome::Problem,
            ),
            (
                realm(
                    "Federated",
                    Some("https://idp.contoso.com.evil/saml2/sso?domain=contoso.com"),
                ),
                Outcome::Problem,
            ),
            (realm("Federated", None), Outcome::Warning),
            (realm("Managed", None), Outcome::Note),
            (realm("Unknown", None), Outcome::Problem),
        ] {
            assert_eq!(
                judge_realm("contoso.com", ours, &realm).outcome,
                wanted,
                "{realm:?}"
            );
        }
        let body = br#"{"State":3,"UserState":2,"NameSpaceType":"Federated","DomainName":"contoso.com","AuthURL":"https://a/"}"#;
        assert_eq!(
            parse_realm(body).unwrap(),
            realm("Federated", Some("https://a/"))
        );
        assert_eq!(parse_realm(b"{}"), None);
    }
}
