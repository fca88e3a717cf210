//! A report that may be shown to strangers: who it is about is left out.
//!
//! Always true: names, addresses and ids of people are replaced wherever they stand, also
//! inside evidence; rules, severities, fixes and addresses of servers stay. It is one pass
//! over the report, however many names the message has (attack 17); above a limit the
//! message is left out altogether. Nothing is promised about what somebody wrote into a
//! field that is not known to name people.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::{Map, Value, json};

use super::{
    report::Report,
    rule::shown,
    secrets::{folded, shortened},
};

/// Members of tokens and of the decoded form whose values name people, sessions or
/// devices (OpenID Connect Core §5.1; Entra's access token reference), folded.
const PERSONAL: [&str; 52] = [
    "account",
    "accountname",
    "aio",
    "deviceid",
    "displayname",
    "email",
    "emailaddress",
    "emails",
    "familyname",
    "firstname",
    "fullname",
    "givenname",
    "hintsub",
    "homeaccountid",
    "homeoid",
    "idpemail",
    "incorp",
    "inresponseto",
    "ipaddr",
    "ipaddress",
    "jti",
    "lastname",
    "localaccountid",
    "loginhint",
    "mail",
    "mailnickname",
    "middlename",
    "mobilephone",
    "name",
    "nameid",
    "nameidentifier",
    "nickname",
    "nonce",
    "oid",
    "onpremsid",
    "phonenumber",
    "preferredusername",
    "puid",
    "relaystate",
    "rh",
    "sessionindex",
    "sid",
    "sub",
    "surname",
    "uniquename",
    "upn",
    "userid",
    "username",
    "userprincipalname",
    "uti",
    "wctx",
    "xmsst",
];

/// Shorter values are too common to be replaced wherever they stand; quoted they are.
const SHORTEST: usize = 4;
/// How much evidence shows of a value ([`super::rule`]'s `quoted`).
const QUOTED: usize = 80;
/// With more values than this a report is left without its message.
const MAX_VALUES: usize = 4_000;
/// The same for their length in all, bytes.
const MAX_BYTES: usize = 128 * 1024;

/// Values of attributes that say how somebody signed in and not who.
const NOT_PERSONAL: [&str; 6] = [
    "http://schemas.microsoft.com/",
    "https://schemas.microsoft.com/",
    "http://schemas.xmlsoap.org/",
    "https://schemas.xmlsoap.org/",
    "urn:oasis:names:tc:",
    "urn:federation:",
];
/// Parameters of a request that say what is asked and not of whom.
const PARAMETERS: [&str; 9] = [
    "domain_hint",
    "lc",
    "mkt",
    "prompt",
    "wa",
    "wauth",
    "wfresh",
    "whr",
    "wtrealm",
];

/// The report as JSON, with placeholders in the place of people.
pub fn redacted(report: &Report) -> Value {
    redacted_beside(report, &[])
}

/// The same where `given` (a nonce, the id of a request …) came beside the message:
/// evidence compares with it.
pub fn redacted_beside(report: &Report, given: &[String]) -> Value {
    let mut names = Names::default();
    names.collect(&report.decoded);
    for step in &report.story {
        names.collect(&step.report.decoded);
    }
    for text in given {
        names.add(text, "given");
    }
    let Some(people) = names.people() else {
        return without_message(report);
    };
    let mut value = serde_json::to_value(report).unwrap_or(Value::Null);
    blank_decoded(&mut value);
    people.rewrite(&mut value);
    value
}

/// What is left of a report whose message names more than can be replaced.
fn without_message(report: &Report) -> Value {
    json!({
        "input": {
            "kind": report.input.kind,
            "encoding": report.input.encoding,
            "bytes": report.input.bytes,
        },
        "left_out": "The message, and what was seen in it: it has too many names to replace them all.",
        "verdicts": report.verdicts,
        "findings": report.findings.iter()
            .map(|finding| json!({"rule": finding.rule, "severity": finding.severity, "title": finding.title}))
            .collect::<Vec<_>>(),
    })
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

/// Whether a member, attribute or claim of that name names somebody.
pub(super) fn is_personal(name: &str) -> bool {
    let last = name.rsplit(['/', ':']).next().unwrap_or(name);
    PERSONAL.binary_search(&folded(last).as_str()).is_ok()
}

/// A named attribute `{"name": …, "values": […]}`: what the part of its name is that says
/// what it is. Its values name somebody unless they are known to say something else.
fn attribute(members: &Map<String, Value>) -> Option<String> {
    let name = members.get("name")?.as_str()?;
    members.get("values")?.as_array()?;
    Some(name.rsplit('/').next().unwrap_or(name).to_owned())
}

/// Whether that value of an attribute of that name names nobody.
fn names_nobody(name: &str, of_request: bool, value: &str) -> bool {
    NOT_PERSONAL.iter().any(|front| value.starts_with(front))
        || (of_request && PARAMETERS.contains(&name))
}

/// The values that name people, each with what stands in its place.
#[derive(Default)]
struct Names {
    found: HashMap<String, String>,
    bytes: usize,
}

impl Names {
    fn is_full(&self) -> bool {
        self.found.len() > MAX_VALUES || self.bytes > MAX_BYTES
    }

    fn add(&mut self, text: &str, name: &str) {
        if self.is_full() || text.is_empty() {
            return;
        }
        if text.len() < SHORTEST {
            self.put(format!("“{text}”"), format!("“{}”", placeholder(name)));
            return;
        }
        self.put(text.to_owned(), placeholder(name));
        // As evidence and addresses write it.
        let quoted = shown(text, QUOTED).trim_end_matches('…').to_owned();
        let json = Value::from(text).to_string();
        let json = json[1..json.len() - 1].to_owned();
        let escaped: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let spaced = escaped.replace('+', "%20");
        for form in [quoted, json, escaped, spaced] {
            if form != text && form.len() >= SHORTEST {
                self.put(form, placeholder(name));
            }
        }
    }

    fn put(&mut self, text: String, instead: String) {
        if !self.found.contains_key(&text) {
            self.bytes += text.len();
            self.found.insert(text, instead);
        }
    }

    fn collect(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(name) = attribute(members) {
                    let of_request = members.contains_key("means");
                    let mut add = |text: &str| {
                        if !names_nobody(&name, of_request, text) {
                            self.add(text, &name);
                        }
                    };
                    texts(&members["values"], &mut add);
                    return;
                }
                for (name, member) in members {
                    if is_personal(name) {
                        texts(member, &mut |text| self.add(text, name));
                    } else {
                        self.collect(member);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            _ => {}
        }
    }

    /// `None` if there are too many, or too long ones.
    fn people(self) -> Option<People> {
        if self.is_full() {
            return None;
        }
        let (patterns, instead): (Vec<_>, Vec<_>) = self.found.into_iter().unzip();
        // The longest first: a name may be part of a longer one.
        let finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&patterns)
            .ok()?;
        Some(People { finder, instead })
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
            if let Some(called) = attribute(members) {
                let of_request = members.contains_key("means");
                if let Some(Value::Array(values)) = members.get_mut("values") {
                    for value in values {
                        let kept = value
                            .as_str()
                            .is_some_and(|text| names_nobody(&called, of_request, text));
                        if !kept && !value.is_null() {
                            *value = Value::String(placeholder(&called));
                        }
                    }
                }
                return;
            }
            for (name, member) in members {
                if is_personal(name) && !member.is_null() {
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

/// Finds people in texts.
struct People {
    finder: AhoCorasick,
    instead: Vec<String>,
}

impl People {
    fn rewrite(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.rewritten(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.rewrite(item)),
            Value::Object(members) => {
                let named: Vec<String> = members
                    .keys()
                    .filter(|name| self.rewritten(name) != **name)
                    .cloned()
                    .collect();
                for name in named {
                    if let Some(member) = members.remove(&name) {
                        members.insert(self.rewritten(&name), member);
                    }
                }
                members.values_mut().for_each(|item| self.rewrite(item));
            }
            _ => {}
        }
    }

    fn rewritten(&self, text: &str) -> String {
        let replaced = self.finder.replace_all(text, &self.instead);
        masked(whole(&shortened(&replaced)))
    }
}

/// Without the value that a cut text ends in: half a name is a name.
fn whole(text: &str) -> &str {
    match text.strip_suffix('…') {
        Some(cut) => {
            let open = cut.rfind(['“', '"']).unwrap_or(cut.len());
            let is_open = cut[open..].contains('“') && !cut[open..].contains('”')
                || cut[open..].starts_with('"');
            if is_open { &cut[..open] } else { text }
        }
        None => text,
    }
}

/// Addresses of people, GUIDs and ids of messages, wherever they stand.
fn masked(text: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || "._%+-@#'".contains(c);
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
    if word.len() < 3 {
        return word;
    }
    let plain = percent_encoding::percent_decode_str(word).decode_utf8_lossy();
    let bare = plain.trim_end_matches('.');
    let address = bare
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    if address {
        "[address]"
    } else if is_guid(bare) {
        "[guid]"
    } else if bare.strip_prefix('_').is_some_and(is_random) {
        "[id]"
    } else {
        word
    }
}

fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// What identity providers put behind the underscore of an ID.
fn is_random(text: &str) -> bool {
    is_guid(text) || (text.len() >= 20 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests;
