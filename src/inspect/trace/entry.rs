//! One exchange of a trace, and the places in it where messages stand.
//!
//! Always true: a text that cannot hold a message is dropped while it is read, so
//! that pictures and scripts in a trace cost no memory.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use crate::base::clock::Timestamp;

use super::kept::{Answered, MAX_TEXT, Posted, Text};

/// The hosts of the API that checks for MFA (facts §6.1).
const API_HOSTS: [&str; 2] = [
    "api.partnercenter.microsoft.com",
    "partner.partnercenterapi.microsoftonline.cn",
];

/// Where in an exchange a message stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::inspect) enum Place {
    /// In the address that was asked for.
    Address,
    /// In the body that was sent.
    Form,
    /// In the Authorization header.
    Authorization,
    /// In the fragment of a redirect.
    Redirect,
    /// In the body of the answer.
    Answer,
}

impl Place {
    /// In words.
    pub(in crate::inspect) fn as_str(self) -> &'static str {
        match self {
            Self::Address => "in the address",
            Self::Form => "in the form",
            Self::Authorization => "in the Authorization header",
            Self::Redirect => "in the redirect",
            Self::Answer => "in the answer",
        }
    }
}

/// Something that is or wraps a message.
#[derive(Debug)]
pub(in crate::inspect) struct Piece {
    pub(in crate::inspect) place: Place,
    pub(in crate::inspect) bytes: Vec<u8>,
}

/// An exchange that carries messages.
#[derive(Debug)]
pub(in crate::inspect) struct Exchange {
    pub(in crate::inspect) at: Option<Timestamp>,
    pub(in crate::inspect) method: String,
    /// Without query and fragment.
    pub(in crate::inspect) address: String,
    pub(in crate::inspect) status: Option<i64>,
    /// The header of Partner Center's self-test (facts §6.2).
    pub(in crate::inspect) is_mfa_compliant: Option<String>,
    /// `Content-Length` of the answer, if its headers are there; empty if it has none.
    pub(in crate::inspect) content_length: Option<String>,
    pub(in crate::inspect) pieces: Vec<Piece>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pair {
    name: String,
    value: String,
}

/// An entry of a HAR, as far as it matters. <http://www.softwareishard.com/blog/har-12-spec/>
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct HarEntry {
    started_date_time: String,
    request: HarRequest,
    response: HarResponse,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct HarRequest {
    method: String,
    url: String,
    headers: Vec<Pair>,
    post_data: Option<HarBody>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct HarBody {
    text: Text<Posted>,
    params: Vec<HarParameter>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HarParameter {
    name: String,
    value: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HarResponse {
    status: i64,
    headers: Vec<Pair>,
    content: HarContent,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HarContent {
    text: Text<Answered>,
    encoding: String,
}

impl HarEntry {
    /// The exchange, if it carries a message, and how many texts of it are too long to be read.
    pub(super) fn exchange(self) -> (Option<Exchange>, usize) {
        let posted = self.request.post_data.as_ref();
        let too_long = usize::from(posted.is_some_and(|body| body.text.too_long))
            + usize::from(self.response.content.text.too_long);
        let body = self.request.post_data.map(|body| {
            if body.text.kept.is_empty() {
                form_of(
                    body.params
                        .iter()
                        .map(|one| (one.name.as_str(), one.value.as_deref().unwrap_or(""))),
                )
            } else {
                body.text.kept
            }
        });
        let answer = if self.response.content.encoding == "base64" {
            data_encoding::BASE64
                .decode(self.response.content.text.kept.as_bytes())
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .unwrap_or_default()
        } else {
            self.response.content.text.kept
        };
        let (exchange, longer) = assemble(&Parts {
            at: Timestamp::parse_rfc3339(&self.started_date_time),
            method: self.request.method,
            url: self.request.url,
            request_headers: &pairs(&self.request.headers),
            body: body.unwrap_or_default(),
            status: (self.response.status > 0).then_some(self.response.status),
            response_headers: &pairs(&self.response.headers),
            answer,
        });
        (exchange, too_long + longer)
    }
}

/// A request of SAML-tracer, as far as it matters (`src/SAMLTraceIO.js` of that project).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TracerRequest {
    method: String,
    url: String,
    /// `[["name", "value"], …]`.
    post: Value,
    /// `[{"name", "value"}]`, in old exports `[["name", "value"]]`.
    request_headers: Value,
    response_headers: Value,
    response_status: Value,
}

impl TracerRequest {
    /// The exchange, if it carries a message, and how many texts of it are too long to be read.
    pub(super) fn exchange(self) -> (Option<Exchange>, usize) {
        let fields = of_value(&self.post);
        let body = form_of(
            fields
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        let request_headers = of_value(&self.request_headers);
        let response_headers = of_value(&self.response_headers);
        let date = response_headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("date"))
            .and_then(|(_, value)| http_date(value));
        assemble(&Parts {
            at: date,
            method: self.method,
            url: self.url,
            request_headers: &request_headers,
            body,
            status: self.response_status.as_i64(),
            response_headers: &response_headers,
            answer: String::new(),
        })
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
fn http_date(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut parts = text.split_once(", ")?.1.split(' ');
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    Timestamp::parse_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z"))
}

type Named = (String, String);

fn pairs(pairs: &[Pair]) -> Vec<Named> {
    pairs
        .iter()
        .map(|pair| (pair.name.clone(), pair.value.clone()))
        .collect()
}

/// Pairs of either form.
fn of_value(value: &Value) -> Vec<Named> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(ToOwned::to_owned);
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| match item {
            Value::Array(pair) => Some((text(pair.first())?, text(pair.get(1))?)),
            Value::Object(pair) => Some((text(pair.get("name"))?, text(pair.get("value"))?)),
            _ => None,
        })
        .collect()
}

fn form_of<'p>(parameters: impl Iterator<Item = (&'p str, &'p str)>) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        // A HAR shows values as they were sent, some tools unescaped: unescape once.
        let plain: Cow<'_, str> = if value.contains('%') && !value.contains('<') {
            percent_encoding::percent_decode_str(value).decode_utf8_lossy()
        } else {
            Cow::Borrowed(value)
        };
        form.append_pair(name, &plain);
    }
    form.finish()
}

struct Parts<'p> {
    at: Option<Timestamp>,
    method: String,
    url: String,
    request_headers: &'p [Named],
    body: String,
    status: Option<i64>,
    response_headers: &'p [Named],
    answer: String,
}

fn header<'p>(headers: &'p [Named], name: &str) -> Option<&'p str> {
    headers
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// Whether a query or form carries something that we look at.
fn carries(query: &str) -> bool {
    query.split(['&', '?', '#']).any(|pair| {
        pair.split_once('=')
            .is_some_and(|(name, value)| match name {
                "SAMLResponse" | "SAMLRequest" | "wresult" | "id_token" | "access_token"
                | "id_token_hint" => !value.is_empty(),
                "wa" => value.starts_with("wsign"),
                _ => false,
            })
    })
}

fn assemble(parts: &Parts<'_>) -> (Option<Exchange>, usize) {
    let (mut pieces, mut too_long) = (Vec::new(), 0);
    let mut add = |place: Place, text: &str| {
        if text.len() > MAX_TEXT {
            too_long += 1;
            return;
        }
        pieces.push(Piece {
            place,
            bytes: text.as_bytes().to_vec(),
        });
    };
    let (address, query) = parts.url.split_once(['?', '#']).unwrap_or((&parts.url, ""));
    if carries(query) {
        add(Place::Address, &parts.url);
    }
    if carries(&parts.body) {
        add(Place::Form, &parts.body);
    }
    let host = address
        .split_once("://")
        .map_or("", |(_, rest)| rest.split(['/', ':']).next().unwrap_or(""));
    if let Some(token) = header(parts.request_headers, "authorization")
        && API_HOSTS.contains(&host.to_ascii_lowercase().as_str())
        && token.contains("eyJ")
    {
        add(Place::Authorization, token);
    }
    if let Some((_, fragment)) =
        header(parts.response_headers, "location").and_then(|to| to.split_once('#'))
        && carries(fragment)
    {
        add(Place::Redirect, fragment);
    }
    let answer = parts.answer.trim_start();
    let is_document = answer.starts_with('{')
        && [
            "\"access_token\"",
            "\"accessToken\"",
            "\"id_token\"",
            "\"jwks_uri\"",
            "\"authorization_endpoint\"",
            // Not "x5c": a key set without one is what Entra refuses.
            "\"kty\"",
            "\"issuerUri\"",
        ]
        .iter()
        .any(|mark| answer.contains(mark));
    if is_document {
        add(Place::Answer, answer);
    }
    if pieces.is_empty() {
        return (None, too_long);
    }
    let exchange = Exchange {
        at: parts.at,
        method: parts.method.chars().take(16).collect(),
        address: address.chars().take(500).collect(),
        status: parts.status,
        is_mfa_compliant: header(parts.response_headers, "ismfacompliant").map(ToOwned::to_owned),
        content_length: (!parts.response_headers.is_empty()).then(|| {
            header(parts.response_headers, "content-length")
                .unwrap_or("")
                .to_owned()
        }),
        pieces,
    };
    (Some(exchange), too_long)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http() {
        assert_eq!(
            http_date("Fri, 20 Nov 2026 10:00:00 GMT"),
            Timestamp::parse_rfc3339("2026-11-20T10:00:00Z")
        );
        for bad in ["", "Fri, ", "Fri, 20 Foo 2026 10:00:00 GMT", "20 Nov 2026"] {
            assert_eq!(http_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_what_may_hold_a_message_is_kept() {
        let entry: HarEntry = serde_json::from_str(
            r#"{"request":{"method":"GET","url":"https://x/logo.png"},
                "response":{"status":200,"content":{"text":"iVBORw0KGgo","size":1}},"cache":{}}"#,
        )
        .unwrap();
        assert!(entry.response.content.text.kept.is_empty());
        assert!(matches!(entry.exchange(), (None, 0)));
        let token = r#"{"request":{"method":"GET","url":"https://api.partnercenter.microsoft.com/v1/customers?x=1",
            "headers":[{"name":"Authorization","value":"Bearer eyJ.e.s"}]},
            "response":{"status":401,"headers":[{"name":"isMfaCompliant","value":"false"}]}}"#;
        let entry: HarEntry = serde_json::from_str(token).unwrap();
        let exchange = entry.exchange().0.unwrap();
        assert_eq!(exchange.pieces[0].place, Place::Authorization);
        assert_eq!(exchange.is_mfa_compliant.as_deref(), Some("false"));
        assert_eq!(exchange.content_length.as_deref(), Some(""));
        // To another host the header is nobody's business.
        let elsewhere = token.replace("api.partnercenter", "graph");
        let entry: HarEntry = serde_json::from_str(&elsewhere).unwrap();
        assert!(entry.exchange().0.is_none());
    }
}
