//! The rules about an answer of the method (facts §5.5), one after the other.
//!
//! Always true: nothing of the token is believed before its signature holds, by a key that was
//! kept before the answer came; `acr` and `amr` are compared with what was asked for, and the
//! method's class with the first factor's, so that one factor never counts twice.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    Class, METHODS, json,
    keys::Key,
    metadata::Provider,
    request::{Asked, PATIENCE},
};
use crate::{
    base::clock::Timestamp,
    practice::{
        checks::{Check, CheckOutcome, Checks, Row},
        judgement::{RequestState, SKEW},
    },
};

/// No token is larger (bytes); Entra's are under 4 KiB.
const LARGEST: usize = 64 * 1024;

/// The rules, in their order.
const ROWS: [Row; 16] = [
    (
        "state",
        "state is that of a request of ours, byte for byte",
        "",
    ),
    ("first", "It is the first answer to that request", ""),
    ("in-time", "It came within five minutes", ""),
    ("answer", "It carries an id_token, and no error", ""),
    (
        "form",
        "The id_token is a signed JWT, in which each name stands once",
        "50027",
    ),
    (
        "algorithm",
        "It is signed with RS256, and wants nothing understood beyond that",
        "50027",
    ),
    (
        "kid",
        "Its kid is that of a published key, byte for byte",
        "50012",
    ),
    (
        "signature",
        "The signature holds, by the certificate that is published with the key",
        "50012",
    ),
    (
        "issuer",
        "iss is the issuer of the discovery document, character for character",
        "50027",
    ),
    (
        "audience",
        "aud is our client id: one text, no list",
        "50027",
    ),
    ("subject", "sub is that of the hint", "50027"),
    ("nonce", "nonce is the one that was sent", "50027"),
    ("time", "iat and exp hold now", "50027"),
    ("acr", "acr is the one value that was asked for", "50159"),
    (
        "amr",
        "amr is a list of exactly one method that was asked for",
        "50130",
    ),
    (
        "class",
        "That method is of a class that acr names, another than the first factor's",
        "50159",
    ),
];

/// The form as it came.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// `id_token`.
    pub id_token: Option<String>,
    /// `state`.
    pub state: Option<String>,
    /// `error`.
    pub error: Option<String>,
    /// `error_description`.
    pub error_description: Option<String>,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Every rule, in its order.
    pub checks: Vec<Check>,
    /// What comes of it.
    pub ending: Ending,
    /// The claims of the token, where its signature holds.
    pub claims: Option<Value>,
}

/// How it ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ending {
    /// Every rule is kept; the method of `amr`.
    Accepted(&'static str),
    /// The method says that there is no second factor: an error of OpenID Connect.
    Declined(String),
    /// A rule is broken.
    Refused,
}

/// Judges an answer, by the request with its `state` and by what its method publishes, if there
/// is such a request.
pub fn judge(answer: &Answer, party: Option<(&Asked, &Provider)>, now: Timestamp) -> Judgement {
    let mut judging = Judging {
        checks: Checks::of(&ROWS),
        claims: None,
    };
    let ending = match judging.run(answer, party, now) {
        Some(declined) => Ending::Declined(declined),
        None => Ending::Refused,
    };
    let method = judging.claims.as_ref().and_then(one_method);
    let checks = judging.checks.finish();
    let all_kept = checks
        .iter()
        .all(|check| check.outcome == CheckOutcome::Passed);
    Judgement {
        ending: match method {
            Some((method, _)) if all_kept => Ending::Accepted(method),
            _ => ending,
        },
        checks,
        claims: judging.claims.map(Value::Object),
    }
}

struct Judging {
    checks: Checks,
    claims: Option<Map<String, Value>>,
}

impl Judging {
    fn record(&mut self, name: &str, result: Result<String, String>) -> Option<()> {
        let kept = result.is_ok();
        self.checks.record(name, result);
        kept.then_some(())
    }

    /// The error that the method answered with, if that is what it did.
    fn run(
        &mut self,
        answer: &Answer,
        party: Option<(&Asked, &Provider)>,
        now: Timestamp,
    ) -> Option<String> {
        let Some((asked, provider)) = party else {
            self.record(
                "state",
                Err(match &answer.state {
                    None => "There is none.".to_owned(),
                    Some(_) => "No request of ours had it.".to_owned(),
                }),
            );
            return None;
        };
        self.record("state", Ok(format!("Request {}.", asked.id)));
        self.record(
            "first",
            match asked.taken {
                RequestState::Open => Ok("The request was open.".to_owned()),
                RequestState::Answered => Err("It was answered before: a replay.".to_owned()),
            },
        )?;
        let passed = now.since(asked.at);
        self.record(
            "in-time",
            if passed > PATIENCE {
                Err(format!(
                    "{} s after the request; the request is forgotten after {} s.",
                    passed.as_secs(),
                    PATIENCE.as_secs()
                ))
            } else {
                Ok(format!("{} s after the request.", passed.as_secs()))
            },
        )?;
        let token = match (&answer.error, &answer.id_token) {
            (None, Some(token)) => token,
            (Some(error), None) => {
                self.record("answer", Err(format!("It says {}.", quoted(error))));
                return Some(error.clone());
            }
            (Some(_), Some(_)) => {
                self.record("answer", Err("It carries both.".to_owned()));
                return None;
            }
            (None, None) => {
                self.record("answer", Err("It carries neither.".to_owned()));
                return None;
            }
        };
        self.record("answer", Ok(format!("{} bytes.", token.len())));
        self.token(token, asked, provider, now);
        None
    }

    fn token(
        &mut self,
        token: &str,
        asked: &Asked,
        provider: &Provider,
        now: Timestamp,
    ) -> Option<()> {
        let read = Compact::read(token);
        let compact = match read {
            Ok(compact) => {
                self.record("form", Ok("Three parts of base64url.".to_owned()));
                compact
            }
            Err(why) => {
                self.record("form", Err(why));
                return None;
            }
        };
        self.record("algorithm", algorithm(&compact.header))?;
        let key = match known_key(&compact.header, &provider.keys) {
            Ok(key) => {
                self.record("kid", Ok(format!("{}.", key.kid)));
                key
            }
            Err(why) => {
                self.record("kid", Err(why));
                return None;
            }
        };
        self.record("signature", compact.verify(key))?;
        let claims = compact.claims;
        let text = |name: &str| match claims.get(name) {
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(other) => Err(format!("It is {}, which is no text.", short(other))),
            None => Err("There is none.".to_owned()),
        };
        let same = |name: &str, wanted: &str| {
            let found = text(name)?;
            if found == wanted {
                Ok(format!("{}.", quoted(found)))
            } else {
                Err(format!(
                    "It is {}, wanted is {}.",
                    quoted(found),
                    quoted(wanted)
                ))
            }
        };
        self.record("issuer", same("iss", &provider.issuer));
        self.record("audience", same("aud", &asked.method.client_id));
        self.record("subject", same("sub", &asked.subject));
        self.record("nonce", same("nonce", &asked.nonce));
        self.record("time", time(&claims, asked, now));
        self.record("acr", same("acr", asked.acr));
        match one_method(&claims) {
            None => {
                self.record("amr", Err(no_method(claims.get("amr"))));
            }
            Some((method, class)) => {
                self.record("amr", Ok(format!("{method}.")));
                self.record("class", other_class(method, class, asked));
            }
        }
        self.claims = Some(claims);
        Some(())
    }
}

/// A JWT in its compact form (RFC 7515 §3.1).
struct Compact<'a> {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    fn read(token: &'a str) -> Result<Self, String> {
        if token.len() > LARGEST {
            return Err(format!("It has {} bytes.", token.len()));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("It has not three parts.".to_owned());
        };
        let decode = |name: &str, part: &str| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| format!("The {name} is no base64url."))
        };
        let object = |name: &str, part: &str| {
            json::object(&decode(name, part)?)
                .map_err(|why| format!("The {name} cannot be read: {why}."))
        };
        let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
        Ok(Self {
            header: object("header", header)?,
            claims: object("body", claims)?,
            signature: decode("signature", signature)?,
            signed,
        })
    }

    fn verify(&self, key: &Key) -> Result<String, String> {
        RsaPublicKeyComponents {
            n: &key.modulus,
            e: &key.exponent,
        }
        .verify(
            &RSA_PKCS1_2048_8192_SHA256,
            self.signed.as_bytes(),
            &self.signature,
        )
        .map(|()| "RSA with SHA-256; every byte counts.".to_owned())
        .map_err(|_| "It does not hold.".to_owned())
    }
}

fn algorithm(header: &Map<String, Value>) -> Result<String, String> {
    if header.contains_key("crit") {
        return Err("The header has crit.".to_owned());
    }
    match header.get("alg") {
        Some(Value::String(text)) if text == "RS256" => Ok("RS256.".to_owned()),
        Some(other) => Err(format!("It is {}.", short(other))),
        None => Err("The header names none.".to_owned()),
    }
}

/// The key of that id. Whatever else a header says about keys is the sender's word.
fn known_key<'k>(header: &Map<String, Value>, keys: &'k [Key]) -> Result<&'k Key, String> {
    let Some(Value::String(kid)) = header.get("kid") else {
        return Err("The header has none.".to_owned());
    };
    keys.iter().find(|key| key.kid == *kid).ok_or_else(|| {
        let ids: Vec<&str> = keys.iter().map(|key| key.kid.as_str()).collect();
        format!(
            "It is {}; published, when that was read, were {}. Entra reads again after 24 hours.",
            quoted(kid),
            ids.join(", ")
        )
    })
}

fn time(claims: &Map<String, Value>, asked: &Asked, now: Timestamp) -> Result<String, String> {
    let seconds = |name: &str| match claims.get(name) {
        Some(value) => value
            .as_i64()
            .ok_or_else(|| format!("{name} is {}, no whole seconds.", short(value))),
        None => Err(format!("There is no {name}.")),
    };
    let (issued, ends) = (seconds("iat")?, seconds("exp")?);
    let (now, skew) = (now.as_secs(), SKEW.as_secs().cast_signed());
    if claims.contains_key("nbf") && seconds("nbf")? > now + skew {
        return Err("nbf is in the future.".to_owned());
    }
    if issued > now + skew {
        return Err("iat is in the future.".to_owned());
    }
    if issued < asked.at.as_secs() - skew {
        return Err("iat is before the request.".to_owned());
    }
    if ends <= issued {
        return Err("exp is not after iat.".to_owned());
    }
    if ends <= now - skew {
        return Err("exp is over.".to_owned());
    }
    Ok(format!("{} s long.", ends - issued))
}

/// The one method of `amr`, if it is one of the table: as asked for.
fn one_method(claims: &Map<String, Value>) -> Option<(&'static str, Class)> {
    let values = claims.get("amr")?.as_array()?;
    let [Value::String(only)] = values.as_slice() else {
        return None;
    };
    METHODS.into_iter().find(|(method, _)| method == only)
}

fn other_class(method: &str, class: Class, asked: &Asked) -> Result<String, String> {
    let first = asked.first.class();
    if class == first {
        Err(format!(
            "{method} is {}, as the first factor was: that is one factor twice.",
            class.as_str()
        ))
    } else if asked.acr.contains(class.as_str()) {
        Ok(format!(
            "{method} is {}, the first factor was {}.",
            class.as_str(),
            first.as_str()
        ))
    } else {
        Err(format!(
            "{method} is {}; asked for is {}.",
            class.as_str(),
            asked.acr
        ))
    }
}

fn no_method(amr: Option<&Value>) -> String {
    match amr {
        None => "There is none.".to_owned(),
        Some(value @ Value::Array(values)) => match values.as_slice() {
            [_] => format!("It is {}, which was not asked for.", short(value)),
            values => format!("It has {} values.", values.len()),
        },
        Some(other) => format!("It is {}, which is no list.", short(other)),
    }
}

fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(120).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("“{shown}”")
}

fn short(value: &Value) -> String {
    quoted(&value.to_string())
}
