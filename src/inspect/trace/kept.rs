//! Which texts of a trace are kept while it is read.
//!
//! Always true: a text that cannot hold a message is dropped at once, so that pictures and
//! scripts in a trace cost no memory; one that is too long is not looked at, and counted.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A text longer than this is no message.
pub(super) const MAX_TEXT: usize = 1024 * 1024;
/// What a form that carries a message has in it.
const MARKS: [&str; 6] = [
    "SAMLResponse",
    "SAMLRequest",
    "wresult",
    "wa=wsign",
    "id_token",
    "access_token",
];

/// Which texts are worth keeping.
pub(super) trait Keeps {
    fn keeps(text: &str) -> bool;
}

/// A body that was posted.
#[derive(Debug, Default)]
pub(super) struct Posted;

impl Keeps for Posted {
    fn keeps(text: &str) -> bool {
        MARKS.iter().any(|mark| text.contains(mark))
    }
}

/// A body that came back: only JSON, plain or as base64, holds a message. Scripts,
/// styles and pictures go at a glance.
#[derive(Debug, Default)]
pub(super) struct Answered;

impl Keeps for Answered {
    fn keeps(text: &str) -> bool {
        let text = text.trim_start();
        text.starts_with('{') || text.starts_with("ey") || text.starts_with("ew")
    }
}

/// A text that is kept only if it may hold a message; empty otherwise.
#[derive(Debug, Default)]
pub(super) struct Text<K> {
    pub(super) kept: String,
    /// It may hold one and is too long to be looked at.
    pub(super) too_long: bool,
    keeps: PhantomData<K>,
}

impl<K> Text<K> {
    fn of(kept: String) -> Self {
        Self {
            kept,
            too_long: false,
            keeps: PhantomData,
        }
    }

    fn nothing() -> Self {
        Self::of(String::new())
    }
}

impl<'de, K: Keeps> Deserialize<'de> for Text<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Keep(PhantomData))
    }
}

struct Keep<K>(PhantomData<K>);

impl<'de, K: Keeps> Visitor<'de> for Keep<K> {
    type Value = Text<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<K>, E> {
        if !K::keeps(text) {
            return Ok(Text::nothing());
        }
        if text.len() > MAX_TEXT {
            return Ok(Text {
                too_long: true,
                ..Text::nothing()
            });
        }
        Ok(Text::of(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Text<K>, E> {
        Ok(Text::nothing())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Text<K>, E> {
        Ok(Text::nothing())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Text<K>, E> {
        Ok(Text::nothing())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Text<K>, E> {
        Ok(Text::nothing())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Text<K>, E> {
        Ok(Text::nothing())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Text<K>, A::Error> {
        while access.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text::nothing())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Text<K>, A::Error> {
        while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text::nothing())
    }
}
