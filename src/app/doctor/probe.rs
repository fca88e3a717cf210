//! A question that only a server with this master key can answer, and only somebody with it
//! can ask.
//!
//! The doctor puts it to `/healthz` at the public address, through every proxy that stands
//! before it. The answer says what the server saw of the request: by it the doctor knows that
//! this server answered, and whether addresses are forwarded as they should be. A stranger
//! cannot ask: without the key there is no good tag, and `/healthz` says "ok" as to anybody.

use std::{net::IpAddr, time::Duration};

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use crate::{
    base::{
        clock::Timestamp,
        random::{Random, random_token},
    },
    keys::sealing::{Sealing, TagLabel},
};

/// The header of the question.
pub const QUESTION_HEADER: &str = "claimbridge-doctor";
/// The header of the answer.
pub const ANSWER_HEADER: &str = "claimbridge-sees";

/// How far the two clocks may be apart. What an old question tells its repeater is what the
/// server sees of himself.
const PATIENCE: Duration = Duration::from_mins(10);
/// More than this of a header is not told.
const LONGEST: usize = 500;

/// What the server saw of the request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Seen {
    /// Who connected: the browser, or the last proxy.
    pub connection: IpAddr,
    /// Whose address counts.
    pub believed: IpAddr,
    /// `X-Forwarded-For` as it came, if it came.
    pub forwarded: Option<String>,
    /// The server's process.
    pub node: String,
    /// The server's version.
    pub version: String,
    /// The server's clock, milliseconds.
    pub at: i64,
}

/// A question, as the header has it.
pub fn ask(sealing: &Sealing, now: Timestamp, random: &mut dyn Random) -> String {
    let (at, nonce) = (now.as_millis().to_string(), random_token(random));
    let tag = sealing.tag(
        TagLabel::Probe,
        &[b"question", at.as_bytes(), nonce.as_bytes()],
    );
    format!("{at}.{nonce}.{tag}")
}

/// Whether somebody with the master key asks, and asks now.
pub fn is_question(sealing: &Sealing, now: Timestamp, question: &str) -> bool {
    let mut parts = question.splitn(3, '.');
    let (Some(at), Some(nonce), Some(tag)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let fields: [&[u8]; 3] = [b"question", at.as_bytes(), nonce.as_bytes()];
    if sealing.verify_tag(TagLabel::Probe, &fields, tag).is_err() {
        return false;
    }
    at.parse().is_ok_and(|at| {
        let at = Timestamp::from_millis(at);
        now.since(at).max(at.since(now)) <= PATIENCE
    })
}

/// The answer to a question that is one.
pub fn answer(sealing: &Sealing, question: &str, seen: &Seen) -> String {
    let mut seen = seen.clone();
    if let Some(forwarded) = &mut seen.forwarded {
        *forwarded = forwarded.chars().take(LONGEST).collect();
    }
    let body = BASE64URL_NOPAD.encode(serde_json::json!(seen).to_string().as_bytes());
    let tag = sealing.tag(
        TagLabel::Probe,
        &[b"answer", question.as_bytes(), body.as_bytes()],
    );
    format!("{body}.{tag}")
}

/// What the server saw, if it is ours and this is its answer to `question`.
pub fn verify_answer(sealing: &Sealing, question: &str, answer: &str) -> Option<Seen> {
    let (body, tag) = answer.split_once('.')?;
    let fields: [&[u8]; 3] = [b"answer", question.as_bytes(), body.as_bytes()];
    sealing.verify_tag(TagLabel::Probe, &fields, tag).ok()?;
    let body = BASE64URL_NOPAD.decode(body.as_bytes()).ok()?;
    serde_json::from_slice(&body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::random::SystemRandom, keys::sealing::MasterKey};

    #[test]
    fn only_who_has_the_key_asks_and_answers() {
        let ours = Sealing::new(&MasterKey::random(&mut SystemRandom));
        let other = Sealing::new(&MasterKey::random(&mut SystemRandom));
        let now = Timestamp::from_millis(1_795_168_800_000);
        let question = ask(&ours, now, &mut SystemRandom);
        assert!(is_question(&ours, now, &question));
        assert!(is_question(
            &ours,
            now.minus(Duration::from_mins(9)),
            &question
        ));
        for (sealing, at, question) in [
            (&other, now, question.clone()),
            (&ours, now.plus(Duration::from_mins(11)), question.clone()),
            (&ours, now.minus(Duration::from_mins(11)), question.clone()),
            (&ours, now, question.replacen("17951", "17952", 1)),
            (&ours, now, String::new()),
            (&ours, now, "1.2".to_owned()),
        ] {
            assert!(!is_question(sealing, at, &question), "{at} {question}");
        }
        let seen = Seen {
            connection: [10, 0, 0, 2].into(),
            believed: [203, 0, 113, 9].into(),
            forwarded: Some("x".repeat(2000)),
            node: "n".to_owned(),
            version: "v".to_owned(),
            at: 5,
        };
        let text = answer(&ours, &question, &seen);
        let read = verify_answer(&ours, &question, &text).unwrap();
        assert_eq!(read.believed, seen.believed);
        assert_eq!(read.forwarded.unwrap().len(), LONGEST);
        assert_eq!(verify_answer(&other, &question, &text), None);
        let another = ask(&ours, now, &mut SystemRandom);
        assert_eq!(verify_answer(&ours, &another, &text), None);
        // An answer is no question, nor the other way round.
        assert!(!is_question(&ours, now, &text));
        assert_eq!(verify_answer(&ours, &question, &question), None);
    }
}
