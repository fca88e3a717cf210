//! Secrets in what is shown: tokens, codes, passwords and private keys are shortened to
//! what they are and how long.
//!
//! Always true: a text that is a token, or too long and too random to be read, is shown
//! nowhere whole; under a name of secrets no text is. Whoever shows a report gives no
//! session away with it.

use std::borrow::Cow;

use serde_json::Value;

use super::{detect::is_jwt, redact};

/// Names of secrets, folded: OAuth's, those of a key (RFC 7518 §6), and what caches of
/// tokens call them.
const NAMES: [&str; 36] = [
    "accesstoken",
    "accountkey",
    "apikey",
    "assertion",
    "authorization",
    "authorizationcode",
    "clientassertion",
    "clientsecret",
    "code",
    "codeverifier",
    "connectionstring",
    "cookie",
    "d",
    "devicecode",
    "dp",
    "dq",
    "idtoken",
    "idtokenhint",
    "k",
    "key",
    "p",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "q",
    "qi",
    "refreshtoken",
    "sas",
    "sastoken",
    "secret",
    "sessiontoken",
    "setcookie",
    "sharedkey",
    "ticket",
    "token",
];

/// A word of letters and digits this long is no name; Entra's tokens and codes are longer.
const OPAQUE: usize = 100;

/// A name as it counts: without letter case, `_` and `-`.
pub(super) fn folded(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

fn is_secret(name: &str) -> bool {
    let last = name.rsplit(['/', ':']).next().unwrap_or(name);
    NAMES.binary_search(&folded(last).as_str()).is_ok()
}

/// Shortens the secrets below `value`.
pub(super) fn shorten(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let of_attribute = match (members.get("name"), members.get("values")) {
                (Some(Value::String(name)), Some(Value::Array(_))) => Some(name.clone()),
                _ => None,
            };
            for (name, member) in members {
                let name = match &of_attribute {
                    Some(called) if name == "values" => called.as_str(),
                    _ => name,
                };
                if is_secret(name) {
                    hide(member);
                } else if redact::is_personal(name) {
                    // Nonces and the like are long and random; a report for others names none.
                    tokens_of(member);
                } else {
                    shorten(member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::String(text) => {
            if let Cow::Owned(short) = shortened(text) {
                *text = short;
            }
        }
        _ => {}
    }
}

/// What stands under a name of secrets; objects have names of their own.
fn hide(value: &mut Value) {
    match value {
        Value::String(text) if !text.is_empty() => *text = of_length("secret", text),
        Value::Number(_) => *value = Value::String("[secret]".to_owned()),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(_) => shorten(value),
        _ => {}
    }
}

fn tokens_of(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(short) = without_tokens(text) {
                *text = short;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tokens_of),
        Value::Object(_) => shorten(value),
        _ => {}
    }
}

fn of_length(what: &str, text: &str) -> String {
    format!("[{what}, {} characters]", text.chars().count())
}

/// Without tokens, and without words that are too long to be any.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=-_\r\n".contains(c);
    if text.len() >= OPAQUE && text.chars().all(is_base64) {
        return Cow::Owned(of_length("secret", text));
    }
    by_words(text, true)
}

/// Without tokens: three parts of base64url, wherever they stand.
pub(super) fn without_tokens(text: &str) -> Cow<'_, str> {
    by_words(text, false)
}

fn by_words(text: &str, opaque: bool) -> Cow<'_, str> {
    let may_have = text.contains("ey") || (opaque && text.len() >= OPAQUE);
    if !may_have {
        return Cow::Borrowed(text);
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.~+=".contains(c);
    let mut short = String::new();
    let mut rest = text;
    let mut changed = false;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let bare = word.rsplit('=').next().unwrap_or(word).trim_matches('.');
        if is_jwt(bare) {
            short.push_str(&of_length("token", word));
            changed = true;
        } else if opaque && word.len() >= OPAQUE {
            short.push_str(&of_length("secret", word));
            changed = true;
        } else {
            short.push_str(word);
        }
        let gap = after.find(is_part).unwrap_or(after.len());
        let (between, next) = after.split_at(gap);
        short.push_str(between);
        rest = next;
    }
    if changed {
        Cow::Owned(short)
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_in_order() {
        assert!(NAMES.is_sorted());
    }

    #[test]
    fn secrets_are_shortened_wherever_they_stand() {
        let part = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
        let token = format!("{}.{}.c2ln", part(r#"{"alg":"RS256"}"#), part("{}"));
        let long = "AQAB".repeat(60);
        let mut value = json!({
            "refresh_token": "short", "Client-Secret": ["a~b"], "pin": {"passWord": 4711},
            "note": format!("see https://x/#access_token={token}&x=1"),
            "other": long, "in": format!("code=0.{long}!"),
            "attributes": [{"name": "http://x/claims/password", "values": ["hunter2"]}],
            "assertion": {"id": "_a", "x5c": ["MII"]},
            "iss": "https://sts.windows.net/8b7f0b1e-1111-4222-8333-444455556666/",
            "nonce": "n".repeat(150),
        });
        shorten(&mut value);
        let text = value.to_string();
        for gone in ["short\"", "a~b", "4711", "AQABAQAB", "hunter2", &token] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
        for kept in [
            "[token, ",
            "[secret, 240 characters]",
            "_a",
            "MII",
            "sts.windows.net",
            "nnnn",
            "see https://x/#",
        ] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
    }
}
