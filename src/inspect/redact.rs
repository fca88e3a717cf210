//! A report that may be shown to strangers: who it is about is left out.
//!
//! Always true: names, addresses and ids of people are replaced wherever they stand, also
//! inside evidence; rules, severities, fixes and addresses of servers stay. Nothing is
//! promised about what somebody wrote into a field that is not known to name people.

use serde_json::Value;

use super::report::Report;

/// Members of tokens and of the decoded form whose values name people, sessions or
/// devices (OpenID Connect Core §5.1; Entra's access token reference).
const PERSONAL: [&str; 35] = [
    "aio",
    "deviceid",
    "email",
    "emails",
    "family_name",
    "given_name",
    "hint_sub",
    "home_oid",
    "in_corp",
    "in_response_to",
    "ipaddr",
    "jti",
    "login_hint",
    "middle_name",
    "name",
    "name_id",
    "name_identifier",
    "nickname",
    "nonce",
    "oid",
    "onprem_sid",
    "phone_number",
    "preferred_username",
    "puid",
    "relaystate",
    "rh",
    "session_index",
    "sid",
    "sub",
    "unique_name",
    "upn",
    "username",
    "uti",
    "wctx",
    "xms_st",
];

/// Shorter values are too common to be replaced wherever they stand.
const SHORTEST: usize = 4;

/// The report as JSON, with placeholders in the place of people.
pub fn redacted(report: &Report) -> Value {
    let mut value = serde_json::to_value(report).unwrap_or(Value::Null);
    let mut found = Vec::new();
    collect(&report.decoded, &mut found);
    for step in &report.story {
        collect(&step.report.decoded, &mut found);
    }
    // The longest first: a name may be part of a longer one.
    found.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    found.dedup();
    blank_decoded(&mut value);
    rewrite(&mut value, &found);
    value
}

/// In the report itself and in those of a trace's messages.
fn blank_decoded(report: &mut Value) {
    if let Some(decoded) = report.get_mut("decoded") {
        blank(decoded);
    }
    let story = report.get_mut("story").and_then(Value::as_array_mut);
    for step in story.into_iter().flatten() {
        if let Some(inner) = step.get_mut("report") {
            blank_decoded(inner);
        }
    }
}

fn placeholder(name: &str) -> String {
    format!("[{name}]")
}

/// The part of a SAML attribute or claim name that says what it is.
fn is_personal(name: &str) -> bool {
    let last = name.rsplit(['/', ':']).next().unwrap_or(name);
    PERSONAL.contains(&last.to_ascii_lowercase().as_str())
}

/// A named attribute `{"name": …, "values": […]}`: whatever is no URI names somebody.
fn attribute(members: &serde_json::Map<String, Value>) -> Option<(&str, &Vec<Value>)> {
    let name = members.get("name")?.as_str()?;
    Some((name, members.get("values")?.as_array()?))
}

fn is_uri(text: &str) -> bool {
    ["http://", "https://", "urn:"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
}

fn collect(value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            if let Some((name, values)) = attribute(members) {
                let last = name.rsplit('/').next().unwrap_or(name);
                let texts = values.iter().filter_map(Value::as_str);
                let personal = texts.filter(|text| !is_uri(text) && text.len() >= SHORTEST);
                found.extend(personal.map(|text| (text.to_owned(), placeholder(last))));
                return;
            }
            for (name, member) in members {
                if is_personal(name) {
                    texts(member, &mut |text| {
                        if text.len() >= SHORTEST {
                            found.push((text.to_owned(), placeholder(name)));
                        }
                    });
                } else {
                    collect(member, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

fn texts(value: &Value, with: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => with(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, with)),
        Value::Object(members) => members.values().for_each(|member| texts(member, with)),
        _ => {}
    }
}

/// Short values and numbers under a personal name.
fn blank(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let named = attribute(members).is_some();
            for (name, member) in members {
                if !named && is_personal(name) && !member.is_null() {
                    *member = Value::String(placeholder(name));
                } else {
                    blank(member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(blank),
        _ => {}
    }
}

fn rewrite(value: &mut Value, found: &[(String, String)]) {
    match value {
        Value::String(text) => {
            for (secret, instead) in found {
                if text.contains(secret.as_str()) {
                    *text = text.replace(secret.as_str(), instead);
                }
            }
            *text = masked(text);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite(item, found)),
        Value::Object(members) => members.values_mut().for_each(|item| rewrite(item, found)),
        _ => {}
    }
}

/// Addresses of people and GUIDs, wherever they stand.
fn masked(text: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || "._%+-@".contains(c);
    let mut masked = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars() {
        if is_part(c) {
            word.push(c);
        } else {
            masked.push_str(of_word(&word));
            masked.push(c);
            word.clear();
        }
    }
    masked.push_str(of_word(&word));
    masked
}

fn of_word(word: &str) -> &str {
    let bare = word.trim_end_matches('.');
    let address = bare
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    let guid = bare.len() == 36
        && bare.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if address {
        "[address]"
    } else if guid {
        "[guid]"
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::clock::Timestamp,
        inspect::{Context, inspect},
    };

    fn at(text: &str) -> Context {
        Context::at(Timestamp::parse_rfc3339(text).unwrap())
    }

    #[test]
    fn nobody_is_named_in_a_redacted_report_of_a_token() {
        let claims = serde_json::json!({
            "aud": "https://api.partnercenter.microsoft.com",
            "iss": "https://sts.windows.net/8b7f0b1e-1111-4222-8333-444455556666/",
            "tid": "8b7f0b1e-1111-4222-8333-444455556666",
            "oid": "99999999-1111-4222-8333-444455556666",
            "upn": "maria.mueller@contoso.com", "name": "Maria Mueller",
            "family_name": "Mueller", "ipaddr": "203.0.113.9", "sub": "q-9XyLmnop",
            "amr": "pwd of maria.mueller@contoso.com", "scp": "user_impersonation",
            "nbf": 1, "exp": 2,
        });
        let report = inspect(claims.to_string().as_bytes(), &at("2026-11-20T10:00:00Z"));
        let text = redacted(&report).to_string();
        for secret in [
            "aria",
            "ueller",
            "203.0.113.9",
            "q-9XyLmnop",
            "4222-8333",
            "contoso",
        ] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        for kept in [
            "CB-PC-005",
            "CB-PC-007",
            "api.partnercenter.microsoft.com",
            "[upn]",
        ] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
    }

    #[test]
    fn nobody_is_named_in_a_redacted_report_of_a_trace() {
        let claims = br#"{"aud":"x","upn":"maria@contoso.com","name":"Maria Mueller","amr":"pwd"}"#;
        let token = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
        let jwt = format!("{}.{}.AAAA", token(br#"{"alg":"RS256"}"#), token(claims));
        let har = serde_json::json!({"log": {"version": "1.2", "entries": [{
            "startedDateTime": "2026-11-20T10:00:00Z",
            "request": {"method": "POST", "url": "https://login.example.com/token?u=maria@contoso.com", "headers": []},
            "response": {"status": 200, "headers": [], "content": {
                "mimeType": "application/json", "text": format!("{{\"access_token\":\"{jwt}\"}}")}},
        }]}});
        let report = inspect(har.to_string().as_bytes(), &at("2026-11-20T10:00:00Z"));
        assert_eq!(report.story.len(), 1, "{report:?}");
        let text = redacted(&report).to_string();
        assert!(text.contains("CB-PC-007"), "{text}");
        for secret in ["aria", "ueller"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }

    #[test]
    fn nobody_is_named_in_a_redacted_report_of_a_response() {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/inspector/messages/good.xml"
        );
        let report = inspect(&std::fs::read(file).unwrap(), &at("2026-11-20T10:00:00Z"));
        let assertion = &report.decoded["assertion"];
        let name_id = assertion["name_id"][0].as_str().unwrap().to_owned();
        let upn = assertion["attributes"][0]["values"][0].as_str().unwrap();
        let plain = serde_json::to_string(&report).unwrap();
        let text = redacted(&report).to_string();
        for secret in [name_id.as_str(), upn] {
            assert!(plain.contains(secret) && !text.contains(secret), "{text}");
        }
        assert!(text.contains("http://schemas.microsoft.com/claims/multipleauthn"));
        assert!(text.contains("https://idp.contoso.com/contoso.com"));
    }
}
