//! Forms, query strings and the pages that post them.
//!
//! Always true: two candidates for one message (a form that has it twice) are not
//! chosen between: readers differ there (attack 14).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Parameters that carry a message.
const PARAMETERS: [&str; 5] = [
    "SAMLResponse",
    "SAMLRequest",
    "wresult",
    "id_token",
    "access_token",
];
/// Parameters that a reader of the message wants to see too.
const BESIDE: [&str; 6] = ["RelayState", "SigAlg", "wa", "wctx", "state", "error"];
/// How many parameters of a request, or fields of a page, are looked at.
const MAX_PARAMETERS: usize = 64;

/// What came beside a message: name and value.
pub(in crate::inspect) type Beside = Vec<(&'static str, String)>;

/// The parameters of a sign-in request that is one itself, such as `wa=wsignin1.0`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::inspect) struct Parameters(pub(in crate::inspect) Vec<(String, String)>);

impl Parameters {
    /// The value of `name`, if it stands there once.
    pub(in crate::inspect) fn one(&self, name: &str) -> Option<&str> {
        let mut found = self.all(name);
        match (found.next(), found.next()) {
            (Some(value), None) => Some(value),
            _ => None,
        }
    }

    /// All values of `name`.
    pub(in crate::inspect) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What a query or form holds.
pub(super) enum Query {
    /// A message; what it is wrapped in comes next.
    Message(Vec<u8>),
    /// No message, but a sign-in or sign-out request of WS-Federation or External MFA.
    Request(Parameters),
}

/// The part of an address that carries parameters.
pub(super) fn query_of_url(text: &str) -> Option<&str> {
    let is_url = ["http://", "https://"].iter().any(|scheme| {
        text.get(..scheme.len())
            .is_some_and(|front| front.eq_ignore_ascii_case(scheme))
    });
    let one_line = !text.contains(char::is_whitespace);
    (is_url && one_line).then(|| text.split_once(['?', '#']).map_or("", |(_, query)| query))
}

/// Whether the text is a form body or query string that we know.
pub(super) fn is_form(text: &str) -> bool {
    text.split('&').any(|pair| {
        pair.split_once('=').is_some_and(|(name, value)| {
            PARAMETERS.contains(&name)
                || (name == "wa" && value.starts_with("wsign"))
                || name == "id_token_hint"
        })
    })
}

/// What the one message parameter holds, or the request that the parameters are.
pub(super) fn read(query: &str, beside: &mut Beside) -> Result<Query, &'static str> {
    if let Some(raw) = unescaped_wresult(query) {
        return Ok(Query::Message(raw.as_bytes().to_vec()));
    }
    let mut found = None;
    let mut all = Vec::new();
    for pair in query.split(['&', '#']) {
        let Some((name, value)) = pair.split_once('=') else {
            continue;
        };
        let spaced = value.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8_lossy();
        if let Some(known) = BESIDE.iter().find(|known| **known == name) {
            beside.push((known, decoded.clone().into_owned()));
        }
        if all.len() < MAX_PARAMETERS {
            all.push((name.to_owned(), decoded.clone().into_owned()));
        }
        if !PARAMETERS.contains(&name) {
            continue;
        }
        if found.is_some() {
            return Err(
                "The form has more than one message parameter; which one counts differs between readers.",
            );
        }
        found = Some(if name == "wresult" {
            // XML has spaces, and a browser writes them as plus.
            decoded.into_owned().into_bytes()
        } else {
            // `+` stays: in a value that nobody escaped it is base64's plus, and an
            // escaped value has no space.
            percent_decode_str(value).collect()
        });
    }
    if let Some(message) = found {
        return Ok(Query::Message(message));
    }
    let parameters = Parameters(all);
    let is_request = parameters.all("wa").any(|wa| wa.starts_with("wsign"))
        || parameters.all("id_token_hint").next().is_some();
    if is_request {
        Ok(Query::Request(parameters))
    } else {
        Err(
            "The address or form has no SAMLResponse, SAMLRequest, wresult, id_token, access_token or wa=wsignin1.0.",
        )
    }
}

/// `wresult=<…>` that nobody escaped, as people copy it from a debugger.
fn unescaped_wresult(query: &str) -> Option<&str> {
    let (_, rest) = query.split_once("wresult=")?;
    let rest = rest.trim_start();
    if !rest.starts_with('<') || query.matches("wresult=").count() != 1 {
        return None;
    }
    rest.rfind('>').map(|end| &rest[..=end])
}

/// Whether the text is a page and no message.
pub(super) fn is_page(text: &str) -> bool {
    let front: String = text
        .chars()
        .take(2_048)
        .collect::<String>()
        .to_ascii_lowercase();
    [
        "<!doctype html",
        "<html",
        "<form",
        "<head",
        "<body",
        "<input",
    ]
    .iter()
    .any(|start| front.starts_with(start))
}

/// The hidden fields of a page's form, as the form body that the browser would post.
pub(super) fn body_of_page(page: &str) -> String {
    let mut body = String::new();
    let lower = page.to_ascii_lowercase();
    let mut from = 0;
    for _ in 0..MAX_PARAMETERS {
        let Some(at) = lower[from..].find("<input") else {
            break;
        };
        from += at + "<input".len();
        let Some((name, value)) = name_and_value(&page[from..]) else {
            continue;
        };
        if !body.is_empty() {
            body.push('&');
        }
        body.extend(url::form_urlencoded::byte_serialize(name.as_bytes()));
        body.push('=');
        body.extend(url::form_urlencoded::byte_serialize(value.as_bytes()));
    }
    body
}

/// `name` and `value` of the tag whose inside begins here.
fn name_and_value(inside: &str) -> Option<(String, String)> {
    let (mut name, mut value) = (None, None);
    let mut rest = inside;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() || rest.starts_with('>') {
            break;
        }
        let end = rest
            .find(|c: char| c == '=' || c == '>' || c.is_whitespace())
            .unwrap_or(rest.len());
        let key = &rest[..end];
        rest = rest[end..].trim_start();
        let Some(after) = rest.strip_prefix('=') else {
            if key.is_empty() {
                break;
            }
            continue;
        };
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (text, next) = if let Some(quote) = quote {
            let inner = &after[1..];
            let end = inner.find(quote)?;
            (&inner[..end], &inner[end + 1..])
        } else {
            let end = after
                .find(|c: char| c == '>' || c.is_whitespace())
                .unwrap_or(after.len());
            after.split_at(end)
        };
        rest = next;
        if key.eq_ignore_ascii_case("name") {
            name = Some(html_unescaped(text).into_owned());
        } else if key.eq_ignore_ascii_case("value") {
            value = Some(html_unescaped(text).into_owned());
        }
    }
    Some((name?, value?))
}

/// `&lt;` and its kind, once. What is no such reference stays as it is.
pub(super) fn html_unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(10).position(|byte| byte == b';');
        if let Some((c, end)) = end.and_then(|end| Some((named(&rest[1..end])?, end))) {
            plain.push(c);
            rest = &rest[end + 1..];
        } else {
            plain.push('&');
            rest = &rest[1..];
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

fn named(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = name.strip_prefix('#')?;
            let number = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(number)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_gives_the_body_that_it_would_post() {
        let page = "<html><form><input type=hidden name='wa' value=wsignin1.0>\
            <INPUT NAME=\"wresult\" VALUE=\"&lt;a b=&quot;c&quot;&gt;&#x26;amp;&lt;/a&gt;\"/><input disabled><input name=x";
        assert_eq!(
            body_of_page(page),
            "wa=wsignin1.0&wresult=%3Ca+b%3D%22c%22%3E%26amp%3B%3C%2Fa%3E"
        );
    }

    #[test]
    fn what_is_no_reference_stays() {
        for (text, plain) in [
            ("a", "a"),
            ("&", "&"),
            (
                "&lt;&unknown;&#65;&#x110000;&amp;lt;",
                "<&unknown;A&#x110000;&lt;",
            ),
            ("&ä&lt", "&ä&lt"),
        ] {
            assert_eq!(html_unescaped(text), plain, "{text}");
        }
    }
}
