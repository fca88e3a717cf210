//! What the bytes are, and what they are wrapped in.
//!
//! Always true: each wrapping is taken off under a size limit, at most
//! [`MAX_WRAPPINGS`] of them, and what is over a limit keeps the kind that its
//! beginning shows.
//!
//! Read next: [`form`] for forms, addresses and pages; `reading.rs` for what
//! becomes of the content.

/// Forms, query strings and the pages that post them.
pub(super) mod form;

use std::{borrow::Cow, io::Read};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::report::{Encoding, Kind};
use form::{Beside, Parameters, Query};

/// How many wrappings are taken off: a redirect URL within a form within a URL is still read.
const MAX_WRAPPINGS: usize = 8;
/// How many bytes are looked at, before and after each wrapping.
pub(super) const MAX_BYTES: usize = 1024 * 1024;
/// How many bytes of a browser's trace are looked at; it is read in one pass.
pub const MAX_TRACE_BYTES: usize = 64 * 1024 * 1024;
/// How much larger than its wrapping inflated content may be once it is over [`FREE_BYTES`].
const MAX_RATIO: usize = 64;
/// How many inflated bytes are taken whatever the ratio.
const FREE_BYTES: usize = 64 * 1024;

/// A padding that is missing or superfluous changes nothing in meaning.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// What was recognised, with the wrappings off.
pub(super) struct Detected<'a> {
    pub(super) encoding: Vec<Encoding>,
    /// What came beside the message in a form, an address or an HTTP answer.
    pub(super) beside: Beside,
    pub(super) content: Content<'a>,
}

/// The content under the wrappings.
pub(super) enum Content<'a> {
    /// Begins like XML.
    Xml(Cow<'a, [u8]>),
    /// Begins like a JSON object or array.
    Json(Cow<'a, [u8]>),
    /// Three dot-separated parts.
    Jwt(String),
    /// The parameters of a request that carries no message of its own.
    Request(Parameters),
    /// Commands of PowerShell or calls of Graph, or what they print.
    Commands(String),
    /// Over a limit; `kind` is what the beginning shows.
    Excess { kind: Kind, what: String },
    /// Nothing known, in one sentence.
    Unknown(&'static str),
}

/// Takes off the wrappings.
pub(super) fn detect(bytes: &[u8]) -> Detected<'_> {
    let mut encoding = Vec::new();
    let mut beside = Vec::new();
    // A trace is large; only what nothing was taken off may be one.
    if bytes.len() > MAX_BYTES
        && bytes.len() <= MAX_TRACE_BYTES
        && trim_margin(bytes).starts_with(b"{")
    {
        return Detected {
            encoding,
            beside,
            content: Content::Json(Cow::Borrowed(trim_margin(bytes))),
        };
    }
    let mut now = Cow::Borrowed(bytes);
    for _ in 0..=MAX_WRAPPINGS {
        let content = match step(now, &mut beside) {
            Step::Done(content) => content,
            Step::TooMuch(taken_off, content) => {
                encoding.push(taken_off);
                content
            }
            Step::Request(taken_off, parameters) => {
                encoding.push(taken_off);
                Content::Request(parameters)
            }
            Step::Unwrapped(taken_off, inner) => {
                encoding.push(taken_off);
                now = inner;
                continue;
            }
        };
        return Detected {
            encoding,
            beside,
            content,
        };
    }
    Detected {
        encoding,
        beside,
        content: Content::Unknown("The input is wrapped too many times."),
    }
}

enum Step<'a> {
    Done(Content<'a>),
    /// The wrapping came off and what is in it is over a limit.
    TooMuch(Encoding, Content<'a>),
    /// The wrapping came off and its parameters are the request.
    Request(Encoding, Parameters),
    Unwrapped(Encoding, Cow<'a, [u8]>),
}

fn unknown(why: &'static str) -> Step<'static> {
    Step::Done(Content::Unknown(why))
}

fn step<'a>(bytes: Cow<'a, [u8]>, beside: &mut Beside) -> Step<'a> {
    if bytes.len() > MAX_BYTES {
        return Step::Done(Content::Excess {
            kind: kind_of_beginning(&bytes),
            what: format!("The input has more than {MAX_BYTES} bytes."),
        });
    }
    let Ok(text) = std::str::from_utf8(&bytes) else {
        // Not text: XML in another encoding, or DEFLATE.
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return unknown("The input is UTF-16; messages are UTF-8.");
        }
        if bytes.trim_ascii_start().starts_with(b"<") {
            return Step::Done(Content::Xml(bytes));
        }
        return inflate(&bytes);
    };
    let trimmed = text.trim_start_matches('\u{feff}').trim();
    match trimmed.as_bytes().first() {
        None => return unknown("The input is empty."),
        Some(b'<') if form::is_page(trimmed) => {
            return query(Encoding::HtmlForm, &form::body_of_page(trimmed), beside);
        }
        Some(b'<') => return Step::Done(Content::Xml(without_margin(bytes))),
        Some(b'{' | b'[') => return Step::Done(Content::Json(without_margin(bytes))),
        _ => {}
    }
    if trimmed.starts_with("&lt;") {
        let plain = form::html_unescaped(trimmed).into_owned().into_bytes();
        return Step::Unwrapped(Encoding::HtmlEscaped, Cow::Owned(plain));
    }
    if trimmed.starts_with("-----BEGIN") {
        return unknown(pem(trimmed));
    }
    let token = bearer(trimmed);
    if is_jwt(token) {
        return Step::Done(Content::Jwt(token.to_owned()));
    }
    if let Some(why) = secret(token) {
        return unknown(why);
    }
    if let Some(found) = form::query_of_url(trimmed) {
        return query(Encoding::RedirectUrl, found, beside);
    }
    if let Some(body) = http_body(trimmed, beside) {
        return Step::Unwrapped(Encoding::HttpMessage, Cow::Owned(body.as_bytes().to_vec()));
    }
    if is_commands(trimmed) {
        return Step::Done(Content::Commands(trimmed.to_owned()));
    }
    if form::is_form(trimmed) {
        return query(Encoding::Form, trimmed, beside);
    }
    if trimmed.contains('%') {
        let decoded: Vec<u8> = percent_encoding::percent_decode_str(trimmed).collect();
        if decoded != trimmed.as_bytes() {
            return Step::Unwrapped(Encoding::PercentEncoded, Cow::Owned(decoded));
        }
    }
    if let Some((alphabet, decoded)) = decode_base64(trimmed) {
        return Step::Unwrapped(alphabet, Cow::Owned(decoded));
    }
    // A DEFLATE stream can happen to be valid UTF-8.
    inflate(&bytes)
}

fn query(encoding: Encoding, text: &str, beside: &mut Beside) -> Step<'static> {
    match form::read(text, beside) {
        Ok(Query::Message(value)) => Step::Unwrapped(encoding, Cow::Owned(value)),
        Ok(Query::Request(parameters)) => Step::Request(encoding, parameters),
        Err(_) if encoding == Encoding::HtmlForm => {
            unknown("This is a web page, and no form in it carries a message.")
        }
        Err(why) => unknown(why),
    }
}

/// What has the form of a token and can be read by its receiver alone.
fn secret(token: &str) -> Option<&'static str> {
    let parts: Vec<&str> = token.split('.').take(6).collect();
    if !parts.iter().all(|part| is_base64url(part)) {
        return None;
    }
    match parts.as_slice() {
        // RFC 7516 §7.1; the key part is empty with direct encryption.
        [header, _, vector, text, _]
            if begins_json(header) && !vector.is_empty() && !text.is_empty() =>
        {
            Some("This is an encrypted token (JWE); only its receiver can read it.")
        }
        ["0" | "1", rest, ..] if rest.starts_with('A') && token.len() > 100 => Some(
            "This looks like a refresh token or code of Entra: a secret without readable content; give an access token.",
        ),
        _ => None,
    }
}

fn begins_json(part: &str) -> bool {
    URL_SAFE
        .decode(part)
        .is_ok_and(|header| header.trim_ascii_start().starts_with(b"{"))
}

fn pem(text: &str) -> &'static str {
    if text.contains("PRIVATE KEY") {
        "This is a private key and no message; give it to nobody, and replace it if it was shown."
    } else {
        "This is a PEM file (a certificate?) and no message; give a certificate with --certificate."
    }
}

/// The body of an HTTP answer or request that was copied with its head (`curl -i`).
fn http_body<'t>(text: &'t str, beside: &mut Beside) -> Option<&'t str> {
    const METHODS: [&str; 3] = ["GET ", "POST ", "PUT "];
    let first = text.lines().next()?;
    let is_head = first.starts_with("HTTP/")
        || (METHODS.iter().any(|method| first.starts_with(method)) && first.contains(" HTTP/"));
    if !is_head {
        return None;
    }
    let (head, body) = text
        .split_once("\r\n\r\n")
        .or_else(|| text.split_once("\n\n"))?;
    let value = head.lines().skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim()
            .eq_ignore_ascii_case("content-length")
            .then(|| value.trim().to_owned())
    });
    beside.push(("Content-Length", value.unwrap_or_default()));
    Some(body)
}

/// Words that stand in commands about a domain's federation, or in what they print.
const COMMANDS: [&str; 8] = [
    "mgdomainfederationconfiguration",
    "mgbetadomainfederationconfiguration",
    "entradomainfederationsettings",
    "msoldomainfederationsettings",
    "msoldomainauthentication",
    "msolfederateddomain",
    "msoldomaintofederated",
    "/federationconfiguration",
];

fn is_commands(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    COMMANDS.iter().any(|word| lower.contains(word))
        || [
            "issueruri",
            "passivesigninuri",
            "passivelogonuri",
            "signingcertificate",
        ]
        .iter()
        .filter(|name| {
            lower.lines().any(|line| {
                line.trim_start()
                    .strip_prefix(*name)
                    .is_some_and(|rest| rest.trim_start().starts_with(':'))
            })
        })
        .count()
            >= 2
}

/// White space and a byte order mark around a document are no part of it.
fn without_margin(bytes: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    match bytes {
        Cow::Borrowed(bytes) => Cow::Borrowed(trim_margin(bytes)),
        Cow::Owned(bytes) => Cow::Owned(trim_margin(&bytes).to_vec()),
    }
}

fn trim_margin(bytes: &[u8]) -> &[u8] {
    bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(bytes)
        .trim_ascii()
}

/// `Authorization: Bearer …`, as it is copied from a trace.
fn bearer(text: &str) -> &str {
    let mut rest = text;
    for prefix in ["authorization:", "bearer "] {
        if rest
            .get(..prefix.len())
            .is_some_and(|front| front.eq_ignore_ascii_case(prefix))
        {
            rest = rest[prefix.len()..].trim_start();
        }
    }
    // As it is copied out of JSON.
    rest.trim_matches('"')
}

fn is_base64url(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Three parts of which the first is a JSON object (RFC 7515 §3.1). The last may
/// be empty: an unsigned token is a token, and a rule says what it is worth.
pub(super) fn is_jwt(text: &str) -> bool {
    let mut parts = text.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    !payload.is_empty()
        && [header, payload, signature].into_iter().all(is_base64url)
        && begins_json(header)
}

/// Base64 with line breaks, of either alphabet. At least eight characters, so
/// that a word is not taken for a message.
fn decode_base64(text: &str) -> Option<(Encoding, Vec<u8>)> {
    // A space is where a `+` was unescaped once too often.
    let joined: String = text
        .chars()
        .filter(|c| !matches!(c, '\r' | '\n' | '\t'))
        .map(|c| if c == ' ' { '+' } else { c })
        .collect();
    if joined.len() < 8 {
        return None;
    }
    if let Ok(decoded) = STANDARD.decode(&joined) {
        return Some((Encoding::Base64, decoded));
    }
    let decoded = URL_SAFE.decode(&joined).ok()?;
    Some((Encoding::Base64url, decoded))
}

/// Raw DEFLATE under the limits; what is over them keeps its kind.
fn inflate(bytes: &[u8]) -> Step<'static> {
    let allowed = bytes
        .len()
        .saturating_mul(MAX_RATIO)
        .clamp(FREE_BYTES, MAX_BYTES);
    let mut inflated = Vec::new();
    let mut reader = flate2::read::DeflateDecoder::new(bytes).take(allowed as u64 + 1);
    let read = reader.read_to_end(&mut inflated);
    let looks_known = |content: &[u8]| {
        let content = trim_margin(content);
        content.starts_with(b"<") || content.starts_with(b"{")
    };
    if !looks_known(&inflated) {
        return unknown("The input is no XML, JSON, token, or one of these encoded.");
    }
    if inflated.len() > allowed {
        let what = format!(
            "{} bytes inflate to more than {allowed} (at most {MAX_RATIO} times as many, and {MAX_BYTES} in all).",
            bytes.len()
        );
        return Step::TooMuch(
            Encoding::Deflate,
            Content::Excess {
                kind: kind_of_beginning(&inflated),
                what,
            },
        );
    }
    if read.is_err() {
        return unknown("The DEFLATE data ends too early or is damaged.");
    }
    Step::Unwrapped(Encoding::Deflate, Cow::Owned(inflated))
}

/// The kind that the beginning of a text shows, without parsing it: for input
/// that is refused before it is read.
pub(super) fn kind_of_beginning(bytes: &[u8]) -> Kind {
    let beginning = String::from_utf8_lossy(&bytes[..bytes.len().min(8 * 1024)]);
    let text = beginning.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('{') {
        return Kind::JwtClaims;
    }
    if !text.starts_with('<') {
        return Kind::Unknown;
    }
    // The first start tag: what follows is neither a declaration nor a comment.
    let Some(tag) = text
        .split('<')
        .skip(1)
        .find(|part| part.starts_with(|c: char| c.is_alphabetic() || c == '_'))
    else {
        return Kind::Unknown;
    };
    let name = tag
        .split(|c: char| c.is_whitespace() || c == '>' || c == '/')
        .next()
        .unwrap_or("");
    let local = name.rsplit(':').next().unwrap_or("");
    let is_saml2 = tag.contains("urn:oasis:names:tc:SAML:2.0:") || !text.contains("SAML:1.");
    match local {
        "Response" if is_saml2 => Kind::Saml2Response,
        "Assertion" | "EncryptedAssertion" if is_saml2 => Kind::Saml2Assertion,
        "AuthnRequest" if is_saml2 => Kind::Saml2AuthnRequest,
        "LogoutRequest" | "LogoutResponse" if is_saml2 => Kind::Saml2Logout,
        "Assertion" => Kind::Saml11Assertion,
        "RequestSecurityTokenResponse" | "RequestSecurityTokenResponseCollection" => {
            Kind::WsfedRstr
        }
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn deflate(content: &[u8]) -> Vec<u8> {
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn unwrapped(input: &[u8]) -> (Vec<Encoding>, String) {
        let detected = detect(input);
        let content = match detected.content {
            Content::Xml(bytes) | Content::Json(bytes) => {
                String::from_utf8(bytes.into_owned()).unwrap()
            }
            Content::Jwt(token) => token,
            Content::Request(_) => "request".to_owned(),
            Content::Commands(_) => "commands".to_owned(),
            Content::Excess { kind, .. } => format!("excess {kind:?}"),
            Content::Unknown(why) => format!("unknown: {why}"),
        };
        (detected.encoding, content)
    }

    #[test]
    fn every_wrapping_comes_off_in_order() {
        use Encoding::{Base64, Base64url, Deflate, Form, PercentEncoded, RedirectUrl};
        let xml = "<a>~~~??>>ÿ</a>";
        let standard = base64::engine::general_purpose::STANDARD.encode(xml);
        let url_safe = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(xml);
        let squeezed = base64::engine::general_purpose::STANDARD.encode(deflate(xml.as_bytes()));
        let escaped: String = url::form_urlencoded::byte_serialize(squeezed.as_bytes()).collect();
        let lines = standard
            .as_bytes()
            .chunks(4)
            .map(|chunk| std::str::from_utf8(chunk).unwrap())
            .collect::<Vec<_>>()
            .join("\r\n");
        for (input, encoding) in [
            (format!("\u{feff}\n {xml}\n"), vec![]),
            (standard.clone(), vec![Base64]),
            (lines, vec![Base64]),
            (url_safe, vec![Base64url]),
            (squeezed.clone(), vec![Base64, Deflate]),
            (escaped.clone(), vec![PercentEncoded, Base64, Deflate]),
            (
                format!("SAMLResponse={standard}&RelayState=x"),
                vec![Form, Base64],
            ),
            (
                format!("https://idp.example.com/sso?x=1&SAMLRequest={escaped}&RelayState=y#z"),
                vec![RedirectUrl, Base64, Deflate],
            ),
        ] {
            assert_eq!(
                unwrapped(input.as_bytes()),
                (encoding, xml.to_owned()),
                "{input}"
            );
        }
        assert_eq!(
            unwrapped(&deflate(xml.as_bytes())),
            (vec![Deflate], xml.to_owned())
        );
    }

    #[test]
    fn a_token_is_seen_with_and_without_bearer() {
        let token = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln";
        for input in [
            token.to_owned(),
            format!("Bearer {token}"),
            format!("Authorization: Bearer {token}\n"),
            format!("\"{token}\""),
        ] {
            assert_eq!(unwrapped(input.as_bytes()), (vec![], token.to_owned()));
        }
        assert_eq!(
            unwrapped(format!("https://x/#access_token={token}&state=1").as_bytes()),
            (vec![Encoding::RedirectUrl], token.to_owned())
        );
    }

    #[test]
    fn attack_17_a_bomb_keeps_its_kind_and_is_never_inflated_whole() {
        let mut content =
            b"<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\">".to_vec();
        content.resize(64 * 1024 * 1024, b' ');
        let bomb = deflate(&content);
        assert_eq!(unwrapped(&bomb).1, "excess Saml2Response");
        let wrapped = base64::engine::general_purpose::STANDARD.encode(bomb);
        assert_eq!(
            unwrapped(wrapped.as_bytes()),
            (
                vec![Encoding::Base64, Encoding::Deflate],
                "excess Saml2Response".to_owned()
            )
        );
    }

    #[test]
    fn attack_14_a_message_that_stands_twice_is_not_chosen_between() {
        for input in [
            "SAMLResponse=PGEvPg==&SAMLResponse=PGIvPg==",
            "https://x/?SAMLRequest=PGEvPg==&SAMLResponse=PGIvPg==",
        ] {
            assert!(
                unwrapped(input.as_bytes())
                    .1
                    .starts_with("unknown: The form has more")
            );
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_claims() {
        assert_eq!(
            unwrapped("\u{feff}{\"iss\":1}\r\n".as_bytes()),
            (vec![], "{\"iss\":1}".to_owned())
        );
    }

    #[test]
    fn what_is_nothing_known() {
        for input in ["", " ", "hello", "hello world", "a.b.c", "%zz", "12345678"] {
            assert!(
                unwrapped(input.as_bytes()).1.starts_with("unknown"),
                "{input}"
            );
        }
    }
}
