//! Writing XML by hand: every value is escaped exactly once (attack 12).

use std::fmt::{self, Write as _};

/// Appends to a text.
pub fn push(xml: &mut String, arguments: fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = xml.write_fmt(arguments);
}

/// Escapes for attribute values (in double quotes) and text alike. Line ends and
/// tabs are written as references, so that no reader's normalisation changes a value.
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(f, self.0, &['&', '<', '>', '"', '\t', '\n', '\r'])
    }
}

/// Escapes for text only, where readers change nothing but a carriage return.
pub struct EscapedText<'a>(pub &'a str);

impl fmt::Display for EscapedText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(f, self.0, &['&', '<', '>', '\r'])
    }
}

fn escape(f: &mut fmt::Formatter<'_>, value: &str, special: &[char]) -> fmt::Result {
    let mut rest = value;
    while let Some(at) = rest.find(special) {
        f.write_str(&rest[..at])?;
        f.write_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\t' => "&#x9;",
            b'\n' => "&#xA;",
            _ => "&#xD;",
        })?;
        rest = &rest[at + 1..];
    }
    f.write_str(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::xml::{XmlLimits, read};

    fn reads_back(value: &str) {
        for xml in [
            format!("<a b=\"{0}\">{0}</a>", Escaped(value)),
            format!("<a b=\"{}\">{}</a>", Escaped(value), EscapedText(value)),
        ] {
            let document = read(xml.as_bytes(), &XmlLimits::MESSAGE).unwrap();
            assert_eq!(document.root().text(), Ok(value), "{xml}");
            assert_eq!(document.root().attribute("b"), Some(value), "{xml}");
        }
    }

    #[test]
    fn attack_12_every_value_is_escaped_exactly_once() {
        for value in [
            "o'neil+x@contoso.com",
            "<b>&amp;\"'</b>",
            "]]>",
            "<!-- -->",
            " a\r\nb\tc ",
            "é\u{1f600}",
            "",
        ] {
            reads_back(value);
        }
    }

    proptest! {
        /// Any text that XML can hold (no control characters but tab and line ends).
        #[test]
        fn attack_12_any_value_is_read_back_as_it_is(value in "[\t\n\r\u{20}-\u{7e}\u{a0}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}<>&\"']{0,64}") {
            reads_back(&value);
        }
    }
}
