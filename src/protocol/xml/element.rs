//! Reading values from a document.
//!
//! Always true: a text that we act on is one whole text node. An element whose
//! text is interrupted (by a comment, a CDATA section, a child) is refused, not
//! cut or joined: readers disagree there, and attackers use it (attack 12).

use uppsala::{Document, NodeId, NodeKind};

/// Why a value was not read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// No such child.
    #[error("the element {parent} has no {child}")]
    Missing {
        /// Where it was looked for.
        parent: String,
        /// What was looked for.
        child: String,
    },
    /// More than one such child.
    #[error("the element {parent} has more than one {child}")]
    Repeated {
        /// Where it was looked for.
        parent: String,
        /// What was looked for.
        child: String,
    },
    /// The text has a comment, a CDATA section or an element in it.
    #[error("the text of {0} is interrupted by a comment, CDATA or an element")]
    Interrupted(String),
}

/// An element of a document; cheap to copy.
#[derive(Clone, Copy)]
pub struct XmlElement<'d> {
    document: &'d Document<'d>,
    id: NodeId,
}

impl<'d> XmlElement<'d> {
    pub(super) fn new(document: &'d Document<'d>, id: NodeId) -> Self {
        Self { document, id }
    }

    /// The element's place in [`super::XmlDocument::tree`].
    pub fn id(self) -> NodeId {
        self.id
    }

    /// The name without prefix.
    pub fn local_name(self) -> &'d str {
        self.document
            .element(self.id)
            .map_or("", |element| &element.name.local_name)
    }

    /// The namespace, empty if there is none.
    pub fn namespace(self) -> &'d str {
        self.document
            .element(self.id)
            .and_then(|element| element.name.namespace_uri.as_deref())
            .unwrap_or("")
    }

    /// Whether it is the element `local_name` of `namespace`.
    pub fn is(self, namespace: &str, local_name: &str) -> bool {
        self.namespace() == namespace && self.local_name() == local_name
    }

    /// The value of an attribute without namespace.
    pub fn attribute(self, name: &str) -> Option<&'d str> {
        self.document
            .element(self.id)?
            .attributes
            .iter()
            .find(|attribute| {
                attribute.name.namespace_uri.is_none() && attribute.name.local_name == name
            })
            .map(|attribute| &*attribute.value)
    }

    /// All attributes: namespace (empty if none), local name, value.
    pub fn attributes(self) -> impl Iterator<Item = (&'d str, &'d str, &'d str)> {
        self.document
            .element(self.id)
            .into_iter()
            .flat_map(|element| &element.attributes)
            .map(|attribute| {
                (
                    attribute.name.namespace_uri.as_deref().unwrap_or(""),
                    &*attribute.name.local_name,
                    &*attribute.value,
                )
            })
    }

    /// The parent element.
    pub fn parent(self) -> Option<Self> {
        let parent = self.document.parent(self.id)?;
        self.document
            .element(parent)
            .map(|_| Self::new(self.document, parent))
    }

    /// Child elements in order.
    pub fn children(self) -> impl Iterator<Item = XmlElement<'d>> {
        self.document
            .children_iter(self.id)
            .filter(|child| self.document.element(*child).is_some())
            .map(move |child| XmlElement::new(self.document, child))
    }

    /// Child elements of one name, in order.
    pub fn children_named(
        self,
        namespace: &str,
        local_name: &str,
    ) -> impl Iterator<Item = XmlElement<'d>> {
        self.children()
            .filter(move |child| child.is(namespace, local_name))
    }

    /// All elements below this one, in document order.
    pub fn descendants(self) -> impl Iterator<Item = XmlElement<'d>> {
        self.document
            .descendants(self.id)
            .into_iter()
            .filter(move |node| *node != self.id && self.document.element(*node).is_some())
            .map(move |node| XmlElement::new(self.document, node))
    }

    /// The child of that name, if there is one; several are an error.
    pub fn optional_child(
        self,
        namespace: &str,
        local_name: &str,
    ) -> Result<Option<XmlElement<'d>>, ReadError> {
        let mut found = self.children_named(namespace, local_name);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(ReadError::Repeated {
                parent: self.local_name().to_owned(),
                child: local_name.to_owned(),
            }),
            (first, None) => Ok(first),
        }
    }

    /// The one child of that name.
    pub fn only_child(
        self,
        namespace: &str,
        local_name: &str,
    ) -> Result<XmlElement<'d>, ReadError> {
        self.optional_child(namespace, local_name)?
            .ok_or_else(|| ReadError::Missing {
                parent: self.local_name().to_owned(),
                child: local_name.to_owned(),
            })
    }

    /// The whole text, exactly as it stands (no trimming). Empty if the element is.
    pub fn text(self) -> Result<&'d str, ReadError> {
        let mut children = self.document.children_iter(self.id);
        match (children.next(), children.next()) {
            (None, _) => Ok(""),
            (Some(only), None) => match self.document.node_kind(only) {
                Some(NodeKind::Text(text)) => Ok(text),
                _ => Err(self.interrupted()),
            },
            _ => Err(self.interrupted()),
        }
    }

    /// All text below this element, joined. For showing to people, never for acting on.
    pub fn joined_text(self) -> String {
        self.document.text_content_deep(self.id)
    }

    /// Whether a comment stands among the children.
    pub fn has_comment(self) -> bool {
        self.has_child_node(|kind| matches!(kind, NodeKind::Comment(_)))
    }

    /// Whether a CDATA section stands among the children.
    pub fn has_cdata(self) -> bool {
        self.has_child_node(|kind| matches!(kind, NodeKind::CData(_)))
    }

    fn has_child_node(self, wanted: impl Fn(&NodeKind<'_>) -> bool) -> bool {
        self.document
            .children_iter(self.id)
            .any(|child| self.document.node_kind(child).is_some_and(&wanted))
    }

    fn interrupted(self) -> ReadError {
        ReadError::Interrupted(self.local_name().to_owned())
    }
}

impl PartialEq for XmlElement<'_> {
    /// Of one document; elements of different documents are not to be compared.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.document, other.document) && self.id == other.id
    }
}

impl std::fmt::Debug for XmlElement<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{{{}}}{}>", self.namespace(), self.local_name())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{XmlLimits, read};
    use super::*;

    #[test]
    fn attack_12_an_interrupted_text_is_refused_not_cut() {
        for text in [
            "<a>user@corp.com<!-- -->.evil.com</a>",
            "<a><!-- -->user@corp.com</a>",
            "<a>user@corp.com<!-- --></a>",
            "<a>user@corp.com<![CDATA[.evil.com]]></a>",
            "<a><![CDATA[user@corp.com]]></a>",
            "<a>user@corp.com<b/>.evil.com</a>",
            "<a><b>user@corp.com</b></a>",
        ] {
            let document = read(text.as_bytes(), &XmlLimits::MESSAGE).unwrap();
            assert_eq!(
                document.root().text(),
                Err(ReadError::Interrupted("a".to_owned())),
                "{text}"
            );
        }
        for (text, whole) in [
            ("<a>x&amp;y&#x41;</a>", "x&yA"),
            ("<a> x\n</a>", " x\n"),
            ("<a></a>", ""),
            ("<a/>", ""),
        ] {
            let document = read(text.as_bytes(), &XmlLimits::MESSAGE).unwrap();
            assert_eq!(document.root().text(), Ok(whole));
        }
    }

    #[test]
    fn a_child_is_found_by_namespace_and_two_are_an_error() {
        let document = read(
            b"<a xmlns='urn:a' xmlns:b='urn:b' k='1' b:k='2'><x/><b:x/><y/><y/></a>",
            &XmlLimits::MESSAGE,
        )
        .unwrap();
        let root = document.root();
        assert!(root.is("urn:a", "a"));
        assert_eq!(format!("{root:?}"), "<{urn:a}a>");
        assert_eq!(root.attribute("k"), Some("1"));
        assert_eq!(root.only_child("urn:b", "x").unwrap().namespace(), "urn:b");
        assert_eq!(root.optional_child("urn:c", "x"), Ok(None));
        assert!(matches!(
            root.only_child("urn:a", "y"),
            Err(ReadError::Repeated { .. })
        ));
        assert!(matches!(
            root.only_child("urn:b", "y"),
            Err(ReadError::Missing { .. })
        ));
        assert_eq!(root.descendants().count(), 4);
        assert_eq!(root.children().next().unwrap().parent(), Some(root));
        // Text is no element.
        let document = read(b"<a>1<b>2<c/>3</b>4</a>", &XmlLimits::MESSAGE).unwrap();
        let below: Vec<_> = document.root().descendants().collect();
        let names: Vec<_> = below.iter().map(|element| element.local_name()).collect();
        assert_eq!(names, ["b", "c"]);
    }
}
