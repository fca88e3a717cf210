//! What a browser sent and received: HAR 1.2, and exports of SAML-tracer.
//!
//! Always true: read in one pass and entry by entry; of 50 MB nothing is kept but
//! the messages. What is over a limit is counted and said, not dropped silently.
//!
//! Read next: [`entry`] for where messages stand in an exchange, [`story`] for
//! what is made of them.

/// One exchange, as both formats have it.
pub(super) mod entry;
mod kept;
/// The messages in order, judged.
pub(super) mod story;

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use entry::{Exchange, HarEntry, TracerRequest};

/// How many exchanges with messages are kept.
const MAX_EXCHANGES: usize = 500;
/// How many bytes of messages are kept in all.
const MAX_KEPT: usize = 8 * 1024 * 1024;

/// Which program wrote the trace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Recorder {
    /// A browser's developer tools: HAR.
    Browser,
    /// The browser extension SAML-tracer.
    SamlTracer,
}

/// A trace, with the exchanges that carry messages.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) recorder: Recorder,
    pub(super) exchanges: Vec<Exchange>,
    /// How many exchanges there were in all.
    pub(super) seen: usize,
    /// How many exchanges with messages, and texts that may be messages, were left out over the limits.
    pub(super) left_out: usize,
}

/// Reads a trace; `None` if the JSON is none.
pub(super) fn parse_trace(bytes: &[u8]) -> Result<Option<Trace>, serde_json::Error> {
    let mut kept = Kept::default();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    Top(&mut kept).deserialize(&mut deserializer)?;
    deserializer.end()?;
    let Kept {
        recorder,
        exchanges,
        seen,
        left_out,
        ..
    } = kept;
    Ok(recorder.map(|recorder| Trace {
        recorder,
        exchanges,
        seen,
        left_out,
    }))
}

#[derive(Default)]
struct Kept {
    recorder: Option<Recorder>,
    exchanges: Vec<Exchange>,
    seen: usize,
    left_out: usize,
    bytes: usize,
}

impl Kept {
    fn take(&mut self, (exchange, too_long): (Option<Exchange>, usize)) {
        self.seen += 1;
        self.left_out += too_long;
        let Some(exchange) = exchange else {
            return;
        };
        let size: usize = exchange.pieces.iter().map(|piece| piece.bytes.len()).sum();
        if self.exchanges.len() >= MAX_EXCHANGES || self.bytes + size > MAX_KEPT {
            self.left_out += 1;
            return;
        }
        self.bytes += size;
        self.exchanges.push(exchange);
    }
}

/// The document: `{"log": …}` or `{"requests": […]}`.
struct Top<'k>(&'k mut Kept);

impl<'de> DeserializeSeed<'de> for Top<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        while let Some(name) = access.next_key::<String>()? {
            match name.as_str() {
                "log" => access.next_value_seed(Log(self.0))?,
                "requests" => {
                    self.0.recorder = Some(Recorder::SamlTracer);
                    access.next_value_seed(List(self.0, Recorder::SamlTracer))?;
                }
                _ => {
                    access.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// `log` of a HAR.
struct Log<'k>(&'k mut Kept);

impl<'de> DeserializeSeed<'de> for Log<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Log<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the log of a HAR")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        while let Some(name) = access.next_key::<String>()? {
            if name == "entries" {
                self.0.recorder = Some(Recorder::Browser);
                access.next_value_seed(List(self.0, Recorder::Browser))?;
            } else {
                access.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The exchanges.
struct List<'k>(&'k mut Kept, Recorder);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of exchanges")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        match self.1 {
            Recorder::Browser => {
                while let Some(entry) = access.next_element::<HarEntry>()? {
                    self.0.take(entry.exchange());
                }
            }
            Recorder::SamlTracer => {
                while let Some(request) = access.next_element::<TracerRequest>()? {
                    self.0.take(request.exchange());
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_trace_is_none_and_what_is_damaged_is_an_error() {
        assert!(parse_trace(b"{}").unwrap().is_none());
        assert!(
            parse_trace(b"{\"log\":{\"version\":\"1.2\"}}")
                .unwrap()
                .is_none()
        );
        assert!(parse_trace(b"{\"log\":{\"entries\":[{\"request\"").is_err());
        assert!(parse_trace(b"{\"log\":[]}").is_err());
        let empty = parse_trace(b"{\"log\":{\"entries\":[]}}").unwrap().unwrap();
        assert_eq!((empty.seen, empty.left_out), (0, 0));
    }

    #[test]
    fn attack_17_what_is_over_the_limits_is_counted() {
        let one = r#"{"request":{"method":"GET","url":"https://x/?SAMLRequest=PGEvPg=="}}"#;
        let many = vec![one; MAX_EXCHANGES + 3].join(",");
        let trace = parse_trace(format!("{{\"log\":{{\"entries\":[{many}]}}}}").as_bytes())
            .unwrap()
            .unwrap();
        assert_eq!(trace.exchanges.len(), MAX_EXCHANGES);
        assert_eq!((trace.seen, trace.left_out), (MAX_EXCHANGES + 3, 3));
    }
}
