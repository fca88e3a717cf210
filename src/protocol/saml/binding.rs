//! How messages travel (SAML bindings §3.4 HTTP-Redirect, §3.5 HTTP-POST).
//!
//! Always true: a parameter that stands twice is refused, because two readers
//! would take two different ones; the signature of a redirect is checked over
//! the bytes of the query as they came, never over something encoded again
//! (attack 14, CVE-2025-27773); inflating stops at a fixed size and ratio
//! (attack 17, CVE-2025-25293).

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use flate2::{Decompress, FlushDecompress, Status};

use crate::protocol::query::{QueryError, decode, raw_parameter};

/// The longest message, in bytes of XML.
pub const MAX_MESSAGE: usize = 256 * 1024;
/// How much longer a message may be than its deflated form. XML reaches about 20.
const MAX_RATIO: usize = 64;
/// The longest RelayState, in bytes. SAML says 80; Entra's is longer.
pub const MAX_RELAY_STATE: usize = 8 * 1024;
/// The only encoding of HTTP-Redirect.
const DEFLATE: &str = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE";

/// Why a message could not be taken out of its binding.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BindingError {
    /// No message.
    #[error("there is no SAML message of the expected name")]
    Missing,
    /// One of the parameters of the binding stands twice, or under an encoded name.
    #[error("the parameter {0} is there twice or is spelt unusually")]
    Repeated(&'static str),
    /// A value is not percent-encoded UTF-8.
    #[error("the parameter {0} is not percent-encoded UTF-8")]
    PercentEncoding(&'static str),
    /// Not base64.
    #[error("the parameter {0} is not base64")]
    Base64(&'static str),
    /// `SAMLEncoding` names something else than DEFLATE.
    #[error("the SAMLEncoding is not DEFLATE")]
    Encoding,
    /// The deflated bytes are broken, or bytes follow them.
    #[error("the message is not deflated as it should be")]
    Deflate,
    /// Over a limit.
    #[error("the message is too large")]
    TooLarge,
    /// RelayState is over its limit.
    #[error("the RelayState has more than {MAX_RELAY_STATE} bytes")]
    RelayState,
    /// Signature without SigAlg, or the other way round.
    #[error("of Signature and SigAlg only one is there")]
    HalfSignature,
}

impl From<QueryError> for BindingError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Repeated(name) => Self::Repeated(name),
            QueryError::PercentEncoding(name) => Self::PercentEncoding(name),
        }
    }
}

/// Over which binding a message came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Binding {
    /// HTTP-Redirect.
    Redirect,
    /// HTTP-POST.
    Post,
}

/// The signature of a redirect: over bytes of the query, beside the message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct QuerySignature {
    /// `SigAlg`.
    pub algorithm: String,
    /// What it is over: the raw `SAMLRequest=…[&RelayState=…]&SigAlg=…`.
    pub signed: Vec<u8>,
    /// `Signature`.
    pub signature: Vec<u8>,
}

/// A message out of its binding, unverified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// The XML.
    pub xml: Vec<u8>,
    /// Opaque; to be given back byte for byte.
    pub relay_state: Option<String>,
    /// How it came.
    pub binding: Binding,
    /// The signature beside it, of a redirect.
    pub signature: Option<QuerySignature>,
}

/// Whether a message asks or answers: the name of its parameter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MessageKind {
    /// `SAMLRequest`.
    Request,
    /// `SAMLResponse`.
    Response,
}

impl MessageKind {
    /// The name of the parameter.
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Request => MESSAGE,
            Self::Response => "SAMLResponse",
        }
    }
}

const MESSAGE: &str = "SAMLRequest";
const RELAY_STATE: &str = "RelayState";
const SIG_ALG: &str = "SigAlg";
const SIGNATURE: &str = "Signature";
const ENCODING: &str = "SAMLEncoding";

/// Takes a request out of the raw query string of a redirect (without `?`).
pub fn parse_redirect(raw_query: &str) -> Result<Message, BindingError> {
    message_of_redirect(raw_query, MessageKind::Request)
}

/// The same where either may come; both at once are refused.
pub fn parse_redirect_of_either(raw_query: &str) -> Result<(MessageKind, Message), BindingError> {
    let there = |kind: MessageKind| raw_parameter(raw_query, kind.parameter());
    let kind = one_of_both(
        there(MessageKind::Request)?.is_some(),
        there(MessageKind::Response)?.is_some(),
    )?;
    Ok((kind, message_of_redirect(raw_query, kind)?))
}

/// Takes whichever of both is there out of the fields of a posted form.
pub fn parse_post_of_either<'a>(
    fields: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(MessageKind, Message), BindingError> {
    let fields: Vec<(&str, &str)> = fields.into_iter().collect();
    let there = |kind: MessageKind| fields.iter().any(|(name, _)| *name == kind.parameter());
    let kind = one_of_both(there(MessageKind::Request), there(MessageKind::Response))?;
    Ok((kind, message_of_post(fields, kind)?))
}

fn one_of_both(
    is_request_there: bool,
    is_response_there: bool,
) -> Result<MessageKind, BindingError> {
    match (is_request_there, is_response_there) {
        (true, false) => Ok(MessageKind::Request),
        (false, true) => Ok(MessageKind::Response),
        (true, true) => Err(BindingError::Repeated(MESSAGE)),
        (false, false) => Err(BindingError::Missing),
    }
}

fn message_of_redirect(raw_query: &str, kind: MessageKind) -> Result<Message, BindingError> {
    let raw = |name| raw_parameter(raw_query, name);
    let parameter = kind.parameter();
    let message = raw(parameter)?.ok_or(BindingError::Missing)?;
    let relay_state = raw(RELAY_STATE)?;
    let sig_alg = raw(SIG_ALG)?;
    let signature = raw(SIGNATURE)?;
    if let Some(encoding) = raw(ENCODING)?
        && decode(encoding, ENCODING)? != DEFLATE
    {
        return Err(BindingError::Encoding);
    }
    let signature = match (sig_alg, signature) {
        (None, None) => None,
        (Some(sig_alg), Some(signature)) => Some(QuerySignature {
            algorithm: decode(sig_alg, SIG_ALG)?,
            // §3.4.4.1: this order, whatever the order in the query, and the raw values.
            signed: match relay_state {
                Some(state) => {
                    format!("{parameter}={message}&{RELAY_STATE}={state}&{SIG_ALG}={sig_alg}")
                }
                None => format!("{parameter}={message}&{SIG_ALG}={sig_alg}"),
            }
            .into_bytes(),
            signature: BASE64
                .decode(decode(signature, SIGNATURE)?)
                .map_err(|_| BindingError::Base64(SIGNATURE))?,
        }),
        _ => return Err(BindingError::HalfSignature),
    };
    let deflated = BASE64
        .decode(decode(message, parameter)?)
        .map_err(|_| BindingError::Base64(parameter))?;
    let relay_state = relay_state
        .map(|state| decode(state, RELAY_STATE))
        .transpose()?;
    Ok(Message {
        xml: inflate(&deflated)?,
        relay_state: require_short(relay_state)?,
        binding: Binding::Redirect,
        signature,
    })
}

/// Takes a request out of the fields of a posted form (decoded by the web layer).
pub fn parse_post<'a>(
    fields: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Message, BindingError> {
    message_of_post(fields, MessageKind::Request)
}

fn message_of_post<'a>(
    fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    kind: MessageKind,
) -> Result<Message, BindingError> {
    let parameter = kind.parameter();
    let (mut message, mut relay_state) = (None, None);
    for (name, value) in fields {
        let (slot, name) = match name {
            name if name == parameter => (&mut message, parameter),
            RELAY_STATE => (&mut relay_state, RELAY_STATE),
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err(BindingError::Repeated(name));
        }
    }
    let message = message.ok_or(BindingError::Missing)?;
    if message.len() > MAX_MESSAGE / 3 * 4 + 4096 {
        return Err(BindingError::TooLarge);
    }
    // Line breaks are how RFC 2045 writes long base64; nothing else is skipped.
    let unbroken: String = message
        .chars()
        .filter(|c| !matches!(c, '\r' | '\n'))
        .collect();
    let xml = BASE64
        .decode(unbroken)
        .map_err(|_| BindingError::Base64(parameter))?;
    if xml.len() > MAX_MESSAGE {
        return Err(BindingError::TooLarge);
    }
    Ok(Message {
        xml,
        relay_state: require_short(relay_state.map(str::to_owned))?,
        binding: Binding::Post,
        signature: None,
    })
}

fn require_short(relay_state: Option<String>) -> Result<Option<String>, BindingError> {
    match relay_state {
        Some(state) if state.len() > MAX_RELAY_STATE => Err(BindingError::RelayState),
        other => Ok(other),
    }
}

/// Inflates (RFC 1951) within the limits; nothing may follow the stream.
pub fn inflate(deflated: &[u8]) -> Result<Vec<u8>, BindingError> {
    let most = MAX_MESSAGE.min(deflated.len().saturating_mul(MAX_RATIO));
    let mut inflater = Decompress::new(false);
    let mut xml = Vec::new();
    let mut chunk = [0; 8_192];
    loop {
        let (read, written) = (inflater.total_in(), inflater.total_out());
        let rest = usize::try_from(read)
            .ok()
            .and_then(|read| deflated.get(read..))
            .ok_or(BindingError::Deflate)?;
        let status = inflater
            .decompress(rest, &mut chunk, FlushDecompress::None)
            .map_err(|_| BindingError::Deflate)?;
        let new = usize::try_from(inflater.total_out() - written).unwrap_or(usize::MAX);
        if xml.len().saturating_add(new) > most {
            return Err(BindingError::TooLarge);
        }
        xml.extend_from_slice(&chunk[..new]);
        if status == Status::StreamEnd {
            let all_read = usize::try_from(inflater.total_in()) == Ok(deflated.len());
            return if all_read {
                Ok(xml)
            } else {
                Err(BindingError::Deflate)
            };
        }
        if new == 0 && inflater.total_in() == read {
            return Err(BindingError::Deflate);
        }
    }
}

/// What the auto-submit form sends to the party (§3.5.4).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PostForm {
    /// The form's target: a registered reply address.
    pub action: String,
    /// `SAMLResponse`: the XML in base64.
    pub saml_response: String,
    /// `RelayState`, byte for byte as it came; left out if none came.
    pub relay_state: Option<String>,
}

impl PostForm {
    /// The form that takes `xml` to `action`.
    pub fn new(action: &str, xml: &str, relay_state: Option<&str>) -> Self {
        Self {
            action: action.to_owned(),
            saml_response: BASE64.encode(xml),
            relay_state: relay_state.map(str::to_owned),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::DeflateEncoder};
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

    use super::*;

    pub(crate) fn deflate(xml: &[u8]) -> String {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(xml).unwrap();
        BASE64.encode(encoder.finish().unwrap())
    }

    pub(crate) fn encode(value: &str) -> String {
        utf8_percent_encode(value, NON_ALPHANUMERIC).to_string()
    }

    fn query(xml: &str) -> String {
        format!("SAMLRequest={}", encode(&deflate(xml.as_bytes())))
    }

    #[test]
    fn a_redirect_and_a_post_bring_the_same_message() {
        let redirect =
            parse_redirect(&format!("{}&RelayState=a%26b+c%C3%A9&x=1", query("<a/>"))).unwrap();
        assert_eq!(redirect.xml, b"<a/>");
        assert_eq!(redirect.relay_state.as_deref(), Some("a&b cé"));
        assert_eq!(redirect.signature, None);
        let post = parse_post([("RelayState", "a&b cé"), ("SAMLRequest", "PGEv\r\nPg==")]).unwrap();
        assert_eq!(
            (post.xml, post.relay_state),
            (redirect.xml, redirect.relay_state)
        );
    }

    #[test]
    fn attack_14_what_two_readers_would_read_differently_is_refused() {
        let good = query("<a/>");
        for (raw, error) in [
            (format!("{good}&{good}"), BindingError::Repeated(MESSAGE)),
            (
                format!("{good}&SAML%52equest=x"),
                BindingError::Repeated(MESSAGE),
            ),
            (
                format!("{good}&RelayState=a&RelayState=a"),
                BindingError::Repeated(RELAY_STATE),
            ),
            (
                format!("{good}&SigAlg=a&SigAlg=b&Signature=YQ=="),
                BindingError::Repeated(SIG_ALG),
            ),
            (
                format!("{good}&SigAlg=a&Signature=YQ==&Signature=YQ=="),
                BindingError::Repeated(SIGNATURE),
            ),
            (
                format!("{good}&Signature=YQ=="),
                BindingError::HalfSignature,
            ),
            (format!("{good}&SigAlg=a"), BindingError::HalfSignature),
            (
                format!("{good}&SAMLEncoding=urn%3Aother"),
                BindingError::Encoding,
            ),
            (
                format!("{good}&RelayState=%zz"),
                BindingError::PercentEncoding(RELAY_STATE),
            ),
            (
                format!("{good}&RelayState=%f"),
                BindingError::PercentEncoding(RELAY_STATE),
            ),
            (
                format!("{good}&RelayState=%ff"),
                BindingError::PercentEncoding(RELAY_STATE),
            ),
            ("RelayState=a".to_owned(), BindingError::Missing),
            (
                "SAMLRequest=%21%21".to_owned(),
                BindingError::Base64(MESSAGE),
            ),
            (
                "SAMLRequest=PGEvPg".to_owned(),
                BindingError::Base64(MESSAGE),
            ),
            ("SAMLRequest=PGEvPg%3D%3D".to_owned(), BindingError::Deflate),
        ] {
            assert_eq!(parse_redirect(&raw), Err(error), "{raw}");
        }
        assert!(parse_redirect(&format!("{good}&SAMLEncoding={}", encode(DEFLATE))).is_ok());
        for fields in [
            vec![("SAMLRequest", "PGEvPg=="), ("SAMLRequest", "PGEvPg==")],
            vec![
                ("SAMLRequest", "PGEvPg=="),
                ("RelayState", ""),
                ("RelayState", ""),
            ],
        ] {
            assert!(matches!(parse_post(fields), Err(BindingError::Repeated(_))));
        }
        for broken in ["PGEvPg", "PGEv Pg==", "PGEv\tPg==", ""] {
            let parsed = parse_post([("SAMLRequest", broken)]);
            assert!(
                broken.is_empty() || parsed == Err(BindingError::Base64(MESSAGE)),
                "{broken}"
            );
        }
    }

    #[test]
    fn attack_14_the_signed_bytes_are_those_of_the_query() {
        // Lower-case percent-encoding and an unusual order: signed as it came.
        let message = parse_redirect(&format!(
            "Signature=YQ%3d%3d&SigAlg=urn%3aalg&RelayState=a%2fb&other=1&{}",
            query("<a/>")
        ))
        .unwrap();
        let signature = message.signature.unwrap();
        assert_eq!(signature.algorithm, "urn:alg");
        assert_eq!(signature.signature, b"a");
        assert_eq!(
            signature.signed,
            format!("{}&RelayState=a%2fb&SigAlg=urn%3aalg", query("<a/>")).into_bytes()
        );
        let without = parse_redirect(&format!("{}&SigAlg=u&Signature=YQ==", query("<a/>")));
        assert_eq!(
            without.unwrap().signature.unwrap().signed,
            format!("{}&SigAlg=u", query("<a/>")).into_bytes()
        );
        // An empty RelayState is there, and so is signed.
        let empty = parse_redirect(&format!(
            "{}&RelayState=&SigAlg=u&Signature=YQ==",
            query("<a/>")
        ))
        .unwrap();
        assert_eq!(empty.relay_state.as_deref(), Some(""));
        assert_eq!(
            empty.signature.unwrap().signed,
            format!("{}&RelayState=&SigAlg=u", query("<a/>")).into_bytes()
        );
    }

    #[test]
    fn attack_17_a_deflate_bomb_is_refused() {
        let bomb = deflate(&vec![b' '; 64 * 1024 * 1024]);
        let raw = format!("SAMLRequest={}", encode(&bomb));
        assert_eq!(parse_redirect(&raw), Err(BindingError::TooLarge));
        // Small but over the ratio.
        let dense = deflate(&vec![b' '; 100 * 1024]);
        assert!(BASE64.decode(&dense).unwrap().len() * MAX_RATIO < 100 * 1024);
        let raw = format!("SAMLRequest={}", encode(&dense));
        assert_eq!(parse_redirect(&raw), Err(BindingError::TooLarge));
        // Bytes behind the stream, and a stream without end.
        let mut deflated = BASE64.decode(deflate(b"<a/>")).unwrap();
        deflated.push(0);
        assert_eq!(inflate(&deflated), Err(BindingError::Deflate));
        deflated.truncate(3);
        assert_eq!(inflate(&deflated), Err(BindingError::Deflate));
        assert_eq!(inflate(b""), Err(BindingError::Deflate));
        let long = BASE64.encode(vec![b' '; MAX_MESSAGE + 1]);
        assert_eq!(
            parse_post([("SAMLRequest", long.as_str())]),
            Err(BindingError::TooLarge)
        );
        let state = "x".repeat(8_192);
        assert!(parse_post([("SAMLRequest", "PGEvPg=="), ("RelayState", &state)]).is_ok());
        let state = format!("{state}x");
        assert_eq!(
            parse_post([("SAMLRequest", "PGEvPg=="), ("RelayState", &state)]),
            Err(BindingError::RelayState)
        );
    }

    #[test]
    fn attack_17_the_longest_message_is_taken_over_both_bindings_and_no_longer_one() {
        // Numbers do not deflate well enough to be over the ratio.
        let numbers: Vec<String> = (0..60_000).map(|n: u32| n.to_string()).collect();
        let numbers = numbers.join(" ");
        let long = |length: usize| &numbers.as_bytes()[..length];
        let redirect = |length| {
            let raw = format!("SAMLRequest={}", encode(&deflate(long(length))));
            parse_redirect(&raw).map(|message| message.xml)
        };
        // Not `assert_eq`, which would print them.
        assert!(redirect(262_144).as_deref() == Ok(long(262_144)));
        assert_eq!(redirect(262_145), Err(BindingError::TooLarge));
        // The form's field is bounded before it is copied, line breaks with it.
        let post = |length: usize, breaks: usize| {
            let value = format!("{}{}", BASE64.encode(long(length)), "\n".repeat(breaks));
            parse_post([("SAMLRequest", value.as_str())]).map(|message| message.xml)
        };
        assert!(post(262_144, 0).as_deref() == Ok(long(262_144)));
        assert_eq!(post(262_145, 0), Err(BindingError::TooLarge));
        let breaks = 4_096 - 4;
        assert!(post(262_144, breaks).as_deref() == Ok(long(262_144)));
        assert_eq!(post(262_144, breaks + 1), Err(BindingError::TooLarge));
    }

    #[test]
    fn the_form_takes_the_relay_state_byte_for_byte() {
        let state = " a&\"<\u{1f600}\r\n+%2B";
        let form = PostForm::new("https://sp.example.com/acs", "<a/>", Some(state));
        assert_eq!(form.relay_state.as_deref(), Some(state));
        assert_eq!(form.saml_response, "PGEvPg==");
    }
}
