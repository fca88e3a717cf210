//! One linear pass over the text before a tree is built.
//!
//! Always true: it moves forward only and keeps nothing, so that a
//! hostile message is refused before it costs memory or quadratic time. It is
//! no parser: what it lets pass must still be well-formed for the real one.

use super::{Excess, Forbidden, XmlError, XmlLimits};

pub(super) fn scan(text: &str, limits: &XmlLimits) -> Result<(), XmlError> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let (mut depth, mut elements, mut namespaces) = (0_usize, 0_usize, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        if byte == b'&' {
            require_no_entity(&bytes[at..])?;
        }
        if byte != b'<' {
            at += 1;
            continue;
        }
        let rest = &bytes[at..];
        if rest.starts_with(b"<!--") {
            at = skip_past(text, at + 4, "-->")?;
        } else if rest.starts_with(b"<![CDATA[") {
            at = skip_past(text, at + 9, "]]>")?;
        } else if rest.starts_with(b"<!") {
            return Err(XmlError::Forbidden(Forbidden::Doctype));
        } else if rest.starts_with(b"<?") {
            let end = skip_past(text, at + 2, "?>")?;
            require_declaration(&text[at..end], at)?;
            at = end;
        } else if rest.starts_with(b"</") {
            depth = depth.saturating_sub(1);
            at += 2;
        } else {
            elements += 1;
            depth += 1;
            if elements > limits.elements {
                return Err(XmlError::TooLarge(Excess::Elements(limits.elements)));
            }
            if depth > limits.depth {
                return Err(XmlError::TooLarge(Excess::Depth(limits.depth)));
            }
            let tag = start_tag(bytes, at, &mut namespaces, limits)?;
            if tag.is_empty_element {
                depth -= 1;
            }
            at = tag.end;
        }
    }
    Ok(())
}

struct Tag {
    /// Where its `>` stands.
    end: usize,
    is_empty_element: bool,
}

/// Walks a start tag from its `<` to its `>`.
fn start_tag(
    bytes: &[u8],
    from: usize,
    namespaces: &mut usize,
    limits: &XmlLimits,
) -> Result<Tag, XmlError> {
    let mut at = from;
    let mut attributes = 0_usize;
    // Where the name that a following `=` belongs to begins.
    let mut name_from = from;
    let mut quote = None;
    while let Some(&byte) = bytes.get(at) {
        match (quote, byte) {
            (Some(open), _) if byte == open => {
                quote = None;
                name_from = at + 1;
            }
            (_, b'&') => require_no_entity(&bytes[at..])?,
            (Some(_), b'\t' | b'\r' | b'\n') => {
                return Err(XmlError::Forbidden(Forbidden::AttributeWhiteSpace));
            }
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'=') => {
                let name = bytes[name_from..at].trim_ascii();
                if name == b"xmlns" || name.starts_with(b"xmlns:") {
                    *namespaces += 1;
                    if *namespaces > limits.namespaces {
                        return Err(XmlError::TooLarge(Excess::Namespaces(limits.namespaces)));
                    }
                } else {
                    attributes += 1;
                    if attributes > limits.attributes {
                        return Err(XmlError::TooLarge(Excess::Attributes(limits.attributes)));
                    }
                }
            }
            (None, b'>') => {
                return Ok(Tag {
                    end: at,
                    is_empty_element: bytes[at - 1] == b'/',
                });
            }
            // The white space between the element's name and the first attribute.
            (None, b' ' | b'\t' | b'\r' | b'\n') if name_from == from => name_from = at,
            _ => {}
        }
        at += 1;
    }
    Err(XmlError::Malformed("a tag without end".to_owned()))
}

fn skip_past(text: &str, from: usize, end: &str) -> Result<usize, XmlError> {
    text.get(from..)
        .and_then(|rest| rest.find(end))
        .map(|found| from + found + end.len())
        .ok_or_else(|| XmlError::Malformed(format!("no {end} where one must come")))
}

/// Only `&lt; &gt; &amp; &quot; &apos;` and character references.
fn require_no_entity(from_ampersand: &[u8]) -> Result<(), XmlError> {
    let plain: [&[u8]; 6] = [b"#", b"lt;", b"gt;", b"amp;", b"quot;", b"apos;"];
    if plain
        .iter()
        .any(|known| from_ampersand[1..].starts_with(known))
    {
        Ok(())
    } else {
        Err(XmlError::Forbidden(Forbidden::Entity))
    }
}

/// `<?…?>` may only be the XML declaration, at the very start, in UTF-8.
fn require_declaration(instruction: &str, at: usize) -> Result<(), XmlError> {
    let is_declaration = at == 0
        && instruction
            .strip_prefix("<?xml")
            .is_some_and(|rest| rest.starts_with([' ', '\t', '\r', '\n']));
    if !is_declaration {
        return Err(XmlError::Forbidden(Forbidden::ProcessingInstruction));
    }
    match instruction.split_once("encoding") {
        None => Ok(()),
        Some((_, value)) => {
            let value = value.trim_start_matches([' ', '\t', '\r', '\n', '=']);
            let is_utf8 = ["\"utf-8\"", "'utf-8'"].iter().any(|name| {
                value
                    .get(..name.len())
                    .is_some_and(|front| front.eq_ignore_ascii_case(name))
            });
            if is_utf8 {
                Ok(())
            } else {
                Err(XmlError::NotUtf8)
            }
        }
    }
}
