//! What an external method publishes, fetched as Entra fetches it: the discovery document and the
//! keys that it names. For `external-mfa verify` and `inspect URL`, on the command line only.
//!
//! Always true: it goes through the one way out (https, or http to this computer; no redirects;
//! bounded in size and time, attack 29); only an address that ends as a discovery address does is
//! asked for, and then the one that the document names: at the same place, or where the whole
//! internet reaches it, because whoever wrote the document is a stranger.

use openidconnect::{HttpRequest, http};
use serde_json::{Value, json};
use url::Url;

use crate::{
    app::saml::chain,
    base::clock::Timestamp,
    outbound::guard::{Outbound, OutboundError, is_here, may_be_asked},
    protocol::oidc::discovery::SUFFIX,
};

/// No document of a method is larger (bytes).
const LARGEST: usize = 256 * 1024;

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It is no discovery address.
    #[error(
        "only a discovery address is fetched: https://…{SUFFIX}, without a query; give anything else as a file"
    )]
    Address,
    /// The request could not be written.
    #[error("a request could not be written")]
    Request(#[from] http::Error),
    /// Nothing came back.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Who was asked.
    pub url: String,
    /// HTTP's status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Length`.
    pub content_length: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body, if it is a JSON object.
    pub fn object(&self) -> Option<Value> {
        let value: Value = serde_json::from_slice(&self.body).ok()?;
        value.is_object().then_some(value)
    }

    /// With its head, as `curl -i` prints it: the inspector judges `Content-Length` by it.
    pub fn with_head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {}\r\n", self.status);
        for (name, value) in [
            ("Content-Type", &self.content_type),
            ("Content-Length", &self.content_length),
        ] {
            if let Some(value) = value {
                let line = format!("{name}: {}\r\n", value.replace(['\r', '\n'], ""));
                head.push_str(&line);
            }
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }

    /// As an entry of a HAR.
    fn entry(&self, at: Timestamp) -> Value {
        let headers: Vec<Value> = [
            ("Content-Type", &self.content_type),
            ("Content-Length", &self.content_length),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some(json!({"name": name, "value": value.as_ref()?})))
        // A head without a Content-Length is still a head.
        .chain([json!({"name": "Connection", "value": "close"})])
        .collect();
        json!({
            "startedDateTime": at.to_rfc3339(),
            "request": {"method": "GET", "url": self.url, "headers": []},
            "response": {
                "status": self.status, "headers": headers,
                "content": {"mimeType": self.content_type, "text": String::from_utf8_lossy(&self.body)},
            },
        })
    }
}

/// Both documents.
#[derive(Clone, Debug)]
pub struct Documents {
    /// The discovery document.
    pub discovery: Answer,
    /// The keys; none if the document names no address that may be asked.
    pub keys: Option<Result<Answer, String>>,
}

impl Documents {
    /// As a trace of the two requests, for the inspector.
    pub fn to_har(&self, at: Timestamp) -> Vec<u8> {
        let keys = self.keys.as_ref().and_then(|keys| keys.as_ref().ok());
        let entries: Vec<Value> = std::iter::once(&self.discovery)
            .chain(keys)
            .map(|answer| answer.entry(at))
            .collect();
        json!({"log": {"version": "1.2", "entries": entries}})
            .to_string()
            .into_bytes()
    }
}

/// Whether `text` is an address at all: then it is no file.
pub fn is_address(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.starts_with("https://") || lower.starts_with("http://")
}

/// The way out, for commands.
///
/// # Errors
/// TLS could not be set up.
pub fn way_out() -> Result<Outbound, OutboundError> {
    Outbound::new()
}

/// Fetches both documents.
///
/// # Errors
/// The discovery document could not be had. That the keys could not is told beside it.
pub async fn fetch(outbound: &Outbound, discovery_url: &str) -> Result<Documents, FetchError> {
    let is_good = discovery_url.ends_with(SUFFIX)
        && !discovery_url.contains(['?', '#'])
        && Url::parse(discovery_url).is_ok_and(|url| may_be_asked(&url));
    if !is_good {
        return Err(FetchError::Address);
    }
    let discovery = get(outbound, discovery_url, Compression::NotAsked).await?;
    let named = discovery.object().and_then(|document| {
        let address = document.get("jwks_uri")?.as_str()?.to_owned();
        Some((way_to(&address, discovery_url)?, address))
    });
    let keys = match named {
        None => None,
        Some((way, address)) => {
            let answer = get_by(way, outbound, &address, Compression::NotAsked).await;
            Some(answer.map_err(|error| chain(&error)))
        }
    };
    Ok(Documents { discovery, keys })
}

/// How an address may be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    /// As whoever gave the command asked for it.
    Given,
    /// If it is public: a stranger named it.
    Public,
}

/// How the address of keys may be asked that the document at `discovery_url` names.
fn way_to(keys: &str, discovery_url: &str) -> Option<Way> {
    let (keys, discovery) = (Url::parse(keys).ok()?, Url::parse(discovery_url).ok()?);
    if !may_be_asked(&keys) || keys.query().is_some() || keys.fragment().is_some() {
        return None;
    }
    let is_beside = keys.origin() == discovery.origin();
    match (is_beside || is_here(&discovery), is_here(&keys)) {
        (true, true) => Some(Way::Given),
        (false, true) => None,
        (_, false) if is_beside => Some(Way::Given),
        (_, false) => Some(Way::Public),
    }
}

/// Whether the request says that a compressed answer would do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compression {
    /// It does not.
    NotAsked,
    /// It does: a proxy that compresses then often sends no `Content-Length`.
    Welcome,
}

/// One GET.
///
/// # Errors
/// No answer came.
pub async fn get(
    outbound: &Outbound,
    address: &str,
    compression: Compression,
) -> Result<Answer, FetchError> {
    get_by(Way::Given, outbound, address, compression).await
}

async fn get_by(
    way: Way,
    outbound: &Outbound,
    address: &str,
    compression: Compression,
) -> Result<Answer, FetchError> {
    let mut request: http::request::Builder = http::Request::builder()
        .method(http::Method::GET)
        .uri(address)
        .header(http::header::ACCEPT, "application/json");
    if compression == Compression::Welcome {
        request = request.header(http::header::ACCEPT_ENCODING, "gzip");
    }
    let request: HttpRequest = request.body(Vec::new())?;
    let answer = match way {
        Way::Given => outbound.call_within(request, LARGEST).await?,
        Way::Public => outbound.call_public(request, LARGEST).await?,
    };
    let header = |name: http::header::HeaderName| {
        let value = answer.headers().get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    Ok(Answer {
        url: address.to_owned(),
        status: answer.status().as_u16(),
        content_type: header(http::header::CONTENT_TYPE),
        content_length: header(http::header::CONTENT_LENGTH),
        body: answer.into_body(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_29_a_document_of_a_stranger_names_nothing_of_this_network() {
        let away = "https://odd.example/.well-known/openid-configuration";
        let here = "http://localhost:8080/oidc/.well-known/openid-configuration";
        for (keys, discovery, way) in [
            ("https://odd.example/jwks", away, Some(Way::Given)),
            ("https://odd.example:443/jwks", away, Some(Way::Given)),
            ("https://keys.example/jwks", away, Some(Way::Public)),
            ("https://odd.example:8443/jwks", away, Some(Way::Public)),
            // Refused there, when it is known where it leads.
            ("https://10.0.0.5/jwks", away, Some(Way::Public)),
            ("https://keys.example/jwks?x=1", away, None),
            ("https://odd.example/jwks#x", away, None),
            ("http://odd.example/jwks", away, None),
            ("http://127.0.0.1:9200/_shutdown", away, None),
            ("https://127.0.0.1/jwks", away, None),
            ("https://[::1]/jwks", away, None),
            ("http://localhost:9200/jwks", away, None),
            ("file:///etc/passwd", away, None),
            ("http://localhost:8080/oidc/jwks", here, Some(Way::Given)),
            ("http://127.0.0.1:8081/jwks", here, Some(Way::Given)),
            ("https://keys.example/jwks", here, Some(Way::Public)),
            ("http://keys.example/jwks", here, None),
        ] {
            assert_eq!(way_to(keys, discovery), way, "{keys} of {discovery}");
        }
    }
}
