//! The bounded XML reader that every message passes first.
//!
//! Always true: one parser (`uppsala`) makes the one tree that a signature is
//! verified on and that values are read from (attack 11), and before it runs a
//! linear scan has refused what is dangerous or too big (attacks 17 and 18), so
//! that no message costs more than its length. Nothing here reads a file, an
//! address or the environment.
//!
//! Read next: [`element`] for how values are read, [`signature`] for what a
//! signature covers.

/// Reading values: elements, attributes, whole texts.
pub mod element;
mod scan;
/// Enveloped XML signatures: what they say, and whether they hold.
pub mod signature;
/// Writing by hand, every value escaped.
pub mod writing;

use std::collections::HashSet;

use uppsala::{Document, NodeId, NodeKind, Parser};

pub use element::{ReadError, XmlElement};

/// What a message may cost. All numbers are inclusive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct XmlLimits {
    /// Bytes of the document.
    pub bytes: usize,
    /// Elements within one another; the document element is at 1.
    pub depth: usize,
    /// Elements in all.
    pub elements: usize,
    /// Attributes of one element, without namespace declarations.
    pub attributes: usize,
    /// Namespace declarations in all.
    pub namespaces: usize,
}

impl XmlLimits {
    /// For protocol messages. A real response has about 60 elements.
    pub const MESSAGE: Self = Self {
        bytes: 256 * 1024,
        depth: 32,
        elements: 2_000,
        attributes: 32,
        namespaces: 128,
    };
    /// For metadata of one entity.
    pub const METADATA: Self = Self {
        bytes: 1024 * 1024,
        depth: 32,
        elements: 8_000,
        attributes: 32,
        namespaces: 512,
    };
}

/// Why a document was not read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum XmlError {
    /// It contains what no message needs and attacks do (CB-XML-001).
    #[error("the XML contains {0}, which is never accepted")]
    Forbidden(Forbidden),
    /// It is over a limit (CB-XML-002).
    #[error("the XML has {0}")]
    TooLarge(Excess),
    /// Two attributes of kind ID have one value (CB-XML-004).
    #[error("two elements of the XML have the ID {0}")]
    DuplicateId(String),
    /// Not UTF-8, or it declares another encoding.
    #[error("the XML is not UTF-8")]
    NotUtf8,
    /// Not well-formed.
    #[error("the XML is not well-formed: {0}")]
    Malformed(String),
}

/// What a message must not contain.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Forbidden {
    /// `<!DOCTYPE` or another declaration.
    #[error("a DOCTYPE")]
    Doctype,
    /// A reference to an entity other than the five of XML itself.
    #[error("an entity reference")]
    Entity,
    /// `<?target …?>`.
    #[error("a processing instruction")]
    ProcessingInstruction,
    /// An element of XInclude.
    #[error("an XInclude element")]
    XInclude,
    /// `xml:base` changes what relative addresses mean.
    #[error("xml:base")]
    XmlBase,
    /// A line break or tab inside an attribute value. XML §3.3.3 makes a space of it,
    /// the parser that we verify on does not: two readers would read two values.
    #[error("a line break or tab inside an attribute value")]
    AttributeWhiteSpace,
    /// A namespace name without scheme: canonicalisation of these differs between libraries.
    #[error("a relative namespace name")]
    RelativeNamespace,
}

/// Which limit was passed, with its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Excess {
    /// Bytes.
    #[error("more than {0} bytes")]
    Bytes(usize),
    /// Nesting.
    #[error("more than {0} levels of nesting")]
    Depth(usize),
    /// Elements.
    #[error("more than {0} elements")]
    Elements(usize),
    /// Attributes of one element.
    #[error("an element with more than {0} attributes")]
    Attributes(usize),
    /// Namespace declarations.
    #[error("more than {0} namespace declarations")]
    Namespaces(usize),
}

/// A document that passed the limits. Comments and CDATA sections stay visible.
#[derive(Debug)]
pub struct XmlDocument<'a> {
    document: Document<'a>,
    root: NodeId,
    /// All of them, in document order: whoever judges a message walks them often.
    elements: Vec<NodeId>,
    length: usize,
}

/// Reads `bytes` under `limits`.
pub fn read<'a>(bytes: &'a [u8], limits: &XmlLimits) -> Result<XmlDocument<'a>, XmlError> {
    if bytes.len() > limits.bytes {
        return Err(XmlError::TooLarge(Excess::Bytes(limits.bytes)));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| XmlError::NotUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    scan::scan(text, limits)?;
    let document = Parser::new()
        .with_forbid_dtd(true)
        .with_forbid_entities(true)
        .with_max_depth(u32::try_from(limits.depth).unwrap_or(u32::MAX))
        .parse(text)
        .map_err(|error| XmlError::Malformed(error.to_string()))?;
    let root = document
        .document_element()
        .ok_or_else(|| XmlError::Malformed("no document element".to_owned()))?;
    let elements = require_plain(&document)?;
    Ok(XmlDocument {
        document,
        root,
        elements,
        length: text.len(),
    })
}

impl<'a> XmlDocument<'a> {
    /// The document element.
    pub fn root(&self) -> XmlElement<'_> {
        XmlElement::new(&self.document, self.root)
    }

    /// How many bytes it was read from: what digesting it once costs at most.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The tree, for what must run on the very same one (signatures).
    pub fn tree(&self) -> &Document<'a> {
        &self.document
    }

    /// All elements, in document order.
    pub fn elements(&self) -> impl Iterator<Item = XmlElement<'_>> {
        self.elements
            .iter()
            .map(|id| XmlElement::new(&self.document, *id))
    }

    /// Elements that have a comment or a CDATA section among their children
    /// (CB-XML-003: text that some readers cut there).
    pub fn interrupted(&self) -> impl Iterator<Item = XmlElement<'_>> {
        self.elements()
            .filter(|element| element.has_comment() || element.has_cdata())
    }
}

const XML_NS: &str = "http://www.w3.org/XML/1998/namespace";
const XINCLUDE_NS: [&str; 2] = [
    "http://www.w3.org/2001/XInclude",
    "http://www.w3.org/2003/XInclude",
];

/// What the scan cannot see because it needs resolved names. Returns the elements.
fn require_plain(document: &Document<'_>) -> Result<Vec<NodeId>, XmlError> {
    let mut ids = HashSet::new();
    let mut elements = Vec::new();
    for node in document.descendants(document.root()) {
        let element = match document.node_kind(node) {
            Some(NodeKind::Element(element)) => element,
            Some(NodeKind::ProcessingInstruction(_)) => {
                return Err(XmlError::Forbidden(Forbidden::ProcessingInstruction));
            }
            _ => continue,
        };
        elements.push(node);
        let namespace = element.name.namespace_uri.as_deref();
        if namespace.is_some_and(|ns| XINCLUDE_NS.contains(&ns)) {
            return Err(XmlError::Forbidden(Forbidden::XInclude));
        }
        if element
            .namespace_declarations
            .iter()
            .any(|(_, uri)| !uri.is_empty() && !is_absolute(uri))
        {
            return Err(XmlError::Forbidden(Forbidden::RelativeNamespace));
        }
        for attribute in &element.attributes {
            let in_xml = attribute.name.namespace_uri.as_deref() == Some(XML_NS);
            match &*attribute.name.local_name {
                "base" if in_xml => return Err(XmlError::Forbidden(Forbidden::XmlBase)),
                // Whatever its prefix, because a verifier that goes by the local name sees an ID.
                "ID" | "Id" | "id" | "AssertionID" if !ids.insert(&*attribute.value) => {
                    return Err(XmlError::DuplicateId(attribute.value.to_string()));
                }
                _ => {}
            }
        }
    }
    Ok(elements)
}

fn is_absolute(uri: &str) -> bool {
    uri.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(text: &str) -> XmlError {
        read(text.as_bytes(), &XmlLimits::MESSAGE).expect_err(text)
    }

    #[test]
    fn attack_18_dangerous_features_are_refused() {
        for (text, what) in [
            ("<!DOCTYPE a><a/>", Forbidden::Doctype),
            (
                "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>",
                Forbidden::Doctype,
            ),
            ("<a>&x;</a>", Forbidden::Entity),
            ("<a b='&x;'/>", Forbidden::Entity),
            ("<a>%x;&%x;</a>", Forbidden::Entity),
            // Nothing between two that are skipped is skipped with them.
            ("<a><!-- -->&x;<!-- --></a>", Forbidden::Entity),
            ("<a><![CDATA[ ]]>&x;<![CDATA[ ]]></a>", Forbidden::Entity),
            ("<a><b></b>&x;</a>", Forbidden::Entity),
            (
                "<?xml-stylesheet href='x'?><a/>",
                Forbidden::ProcessingInstruction,
            ),
            ("<a><?php x?></a>", Forbidden::ProcessingInstruction),
            (
                "<a><?xml version='1.0'?></a>",
                Forbidden::ProcessingInstruction,
            ),
            ("<a/><?x?>", Forbidden::ProcessingInstruction),
            (
                "<a><i:include xmlns:i='http://www.w3.org/2001/XInclude' href='x'/></a>",
                Forbidden::XInclude,
            ),
            ("<a xml:base='http://x/'/>", Forbidden::XmlBase),
            ("<a b='x\ny'/>", Forbidden::AttributeWhiteSpace),
            ("<a b='x' c=\"\ty\"/>", Forbidden::AttributeWhiteSpace),
            ("<a b='\r\n'/>", Forbidden::AttributeWhiteSpace),
            ("<a xmlns='b'/>", Forbidden::RelativeNamespace),
            ("<a xmlns:b='../b'/>", Forbidden::RelativeNamespace),
            ("<a xmlns:b='b/c:d'/>", Forbidden::RelativeNamespace),
            ("<a xmlns:b='1b:c'/>", Forbidden::RelativeNamespace),
        ] {
            assert_eq!(refuse(text), XmlError::Forbidden(what), "{text}");
        }
        // Only XML's own `base` moves addresses.
        let text = "<a base='b' w:base='c' xmlns:w='urn:w'/>";
        assert!(read(text.as_bytes(), &XmlLimits::MESSAGE).is_ok());
    }

    #[test]
    fn attack_18_an_instruction_that_the_scan_let_pass_is_refused_in_the_tree() {
        let document = Parser::new().parse("<a><?php x?></a>").unwrap();
        assert_eq!(
            require_plain(&document),
            Err(XmlError::Forbidden(Forbidden::ProcessingInstruction))
        );
    }

    #[test]
    fn attack_17_a_message_has_256_kib_and_metadata_one_mib() {
        for (limits, most) in [
            (XmlLimits::MESSAGE, 262_144),
            (XmlLimits::METADATA, 1_048_576),
        ] {
            let text = |length: usize| format!("<a>{}</a>", "x".repeat(length - 7));
            let longest = text(most);
            assert_eq!(read(longest.as_bytes(), &limits).unwrap().length(), most);
            assert_eq!(
                read(text(most + 1).as_bytes(), &limits).unwrap_err(),
                XmlError::TooLarge(Excess::Bytes(most))
            );
        }
    }

    #[test]
    fn attack_17_each_limit_holds_at_its_value_and_not_before() {
        let limits = XmlLimits {
            bytes: 400,
            depth: 3,
            elements: 5,
            attributes: 2,
            namespaces: 2,
        };
        for (good, bad, excess) in [
            (
                format!("<a>{}</a>", "x".repeat(393)),
                format!("<a>{}</a>", "x".repeat(394)),
                Excess::Bytes(400),
            ),
            (
                "<a><b><c/></b></a>".into(),
                "<a><b><c><d/></c></b></a>".into(),
                Excess::Depth(3),
            ),
            (
                "<a><b/><b/><b/><b/></a>".into(),
                "<a><b/><b/><b/><b/><b/></a>".into(),
                Excess::Elements(5),
            ),
            (
                "<a x='1' y='2' xmlns:p='urn:x'/>".into(),
                "<a x='1' y='2' z='3'/>".into(),
                Excess::Attributes(2),
            ),
            (
                "<a xmlns='urn:a'><b xmlns:b='urn:b'/></a>".into(),
                "<a xmlns='urn:a'><b xmlns:b='urn:b'/><c xmlns='urn:c'/></a>".into(),
                Excess::Namespaces(2),
            ),
            // White space may stand around the `=`, and a name may only begin like `xmlns`.
            (
                "<a xmlns = 'urn:a' xmlns:b\n= 'urn:b' xmlnsx='1' b:y = '2'/>".into(),
                "<a xmlns = 'urn:a' xmlns:b\n= 'urn:b' xmlns:c\t= 'urn:c'/>".into(),
                Excess::Namespaces(2),
            ),
        ] {
            assert!(read(good.as_bytes(), &limits).is_ok(), "{good}");
            assert_eq!(
                read(bad.as_bytes(), &limits).unwrap_err(),
                XmlError::TooLarge(excess),
                "{bad}"
            );
        }
    }

    #[test]
    fn attack_17_the_two_advisories_of_quick_xml_need_what_is_refused_here() {
        // RUSTSEC-2026-0194: quadratic time in one element's attributes.
        let many = |count: u32, name: &str| {
            (0..count).fold(String::new(), |text, n| format!("{text} {name}{n}='urn:x'"))
        };
        let attributes = many(2_000, "a");
        assert_eq!(
            refuse(&format!("<a{attributes}/>")),
            XmlError::TooLarge(Excess::Attributes(32))
        );
        // RUSTSEC-2026-0195: unbounded namespace declarations.
        let namespaces = many(2_000, "xmlns:n");
        assert_eq!(
            refuse(&format!("<a{namespaces}/>")),
            XmlError::TooLarge(Excess::Namespaces(128))
        );
        assert_eq!(
            refuse(&format!("{}{}", "<a>".repeat(40), "</a>".repeat(40))),
            XmlError::TooLarge(Excess::Depth(32))
        );
    }

    #[test]
    fn attack_10_one_id_twice_is_refused_whatever_it_is_called() {
        for text in [
            "<a ID='x'><b ID='x'/></a>",
            "<a ID='x'><b Id='x'/></a>",
            "<a AssertionID='x'><b xml:id='x'/></a>",
            "<a ID='x' xmlns:w='urn:w'><b w:ID='x'/></a>",
            "<a ID='x' Id='x'/>",
        ] {
            assert_eq!(
                refuse(text),
                XmlError::DuplicateId("x".to_owned()),
                "{text}"
            );
        }
        assert!(read(b"<a ID='x'><b ID='y'/></a>", &XmlLimits::MESSAGE).is_ok());
    }

    #[test]
    fn attack_11_only_utf8_and_only_well_formed() {
        assert_eq!(
            read(b"<a>\xff</a>", &XmlLimits::MESSAGE).unwrap_err(),
            XmlError::NotUtf8
        );
        assert_eq!(
            read(b"\xff\xfe<\0a\0/\0>\0", &XmlLimits::MESSAGE).unwrap_err(),
            XmlError::NotUtf8
        );
        assert_eq!(
            refuse("<?xml version='1.0' encoding='UTF-7'?><a/>"),
            XmlError::NotUtf8
        );
        for text in [
            "",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<p:a/>",
            "<a x='1' x='2'/>",
            "<a xmlns:p='urn:1' xmlns:q='urn:1' p:x='' q:x=''/>",
            "<a>\u{1}</a>",
            "<a>&#0;</a>",
            "<a b=\"<\"/>",
            "text",
            "<a><![CDATA[x</a>",
            "<a><!-- x</a>",
            "<a b='x",
            "<>",
        ] {
            assert!(matches!(refuse(text), XmlError::Malformed(_)), "{text}");
        }
        for good in [
            "\u{feff}<a/>",
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<a/>",
            "<?xml version='1.0'?><a\n\tb='>&#10;'\n>&lt;&#x41;&amp;</a><!-- after -->",
            // What is inside a comment or CDATA is text, and each ends at its own end.
            "<a>--><!-- &x; <?y?> --></a>",
            "<a><!--> &x; --></a>",
            "<a><!--]]>--><![CDATA[ &x; <?y?> ]]></a>",
        ] {
            assert!(read(good.as_bytes(), &XmlLimits::MESSAGE).is_ok(), "{good}");
        }
    }

    #[test]
    fn comments_and_cdata_stay_visible() {
        let document = read(
            b"<a><b>x<!-- -->y</b><c><![CDATA[z]]></c><d>w</d></a>",
            &XmlLimits::MESSAGE,
        )
        .unwrap();
        let names: Vec<_> = document
            .interrupted()
            .map(|element| element.local_name().to_owned())
            .collect();
        assert_eq!(names, ["b", "c"]);
    }
}
