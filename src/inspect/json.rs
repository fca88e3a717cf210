//! JSON under limits, with the names that stand twice.
//!
//! Always true: nesting is counted before anything is built (attack 17), and a
//! name that stands twice is seen: two readers may take different ones.

use std::{cell::RefCell, collections::HashSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How deep objects and arrays may nest. A token of Entra has two levels.
pub(super) const MAX_DEPTH: usize = 16;
/// How many bytes of JSON are read. Entra's largest tokens stay under 48 KiB.
pub(super) const MAX_BYTES: usize = 256 * 1024;

/// Why JSON was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum JsonError {
    /// Over a limit.
    #[error("the JSON has more than {MAX_DEPTH} levels of nesting")]
    Depth,
    /// Over a limit.
    #[error("the JSON has more than {MAX_BYTES} bytes")]
    Bytes,
    /// Not JSON.
    #[error("this is no JSON")]
    Malformed(#[source] serde_json::Error),
}

/// A value, and the names that stand twice in one object.
#[derive(Debug)]
pub(super) struct Json {
    pub(super) value: Value,
    pub(super) repeated: Vec<String>,
}

/// Reads one JSON value.
pub(super) fn parse_json(bytes: &[u8]) -> Result<Json, JsonError> {
    if bytes.len() > MAX_BYTES {
        return Err(JsonError::Bytes);
    }
    if depth(bytes) > MAX_DEPTH {
        return Err(JsonError::Depth);
    }
    let repeated = RefCell::new(Vec::new());
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Reader(&repeated)
        .deserialize(&mut deserializer)
        .map_err(JsonError::Malformed)?;
    deserializer.end().map_err(JsonError::Malformed)?;
    Ok(Json {
        value,
        repeated: repeated.into_inner(),
    })
}

/// The deepest nesting, by brackets outside of strings.
fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut most, mut in_string, mut escaped) = (0_usize, 0_usize, false, false);
    for &byte in bytes {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => {
                now += 1;
                most = most.max(now);
            }
            (false, b'}' | b']') => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// Builds a value and notes repeated names.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a RefCell<Vec<String>>);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        let mut seen = HashSet::new();
        while let Some(name) = access.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                self.0.borrow_mut().push(name.clone());
            }
            let value = access.next_value_seed(self)?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_17_depth_is_counted_before_anything_is_built() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse_json(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(matches!(
            parse_json(nested(MAX_DEPTH + 1).as_bytes()),
            Err(JsonError::Depth)
        ));
        assert!(matches!(
            parse_json(&vec![b' '; MAX_BYTES + 1]),
            Err(JsonError::Bytes)
        ));
        assert!(parse_json(br#"{"a":"[[[[[[[[[[[[[[[[[[[[\"[[[["}"#).is_ok());
    }

    #[test]
    fn names_that_stand_twice_are_seen_at_any_depth() {
        let json = parse_json(br#"{"amr":["pwd"],"amr":["mfa"],"x":{"y":1,"\u0079":2}}"#).unwrap();
        assert_eq!(json.repeated, ["amr", "y"]);
        assert!(parse_json(br#"{"a":1,"A":1}"#).unwrap().repeated.is_empty());
        assert!(parse_json(b"{} x").is_err());
    }
}
