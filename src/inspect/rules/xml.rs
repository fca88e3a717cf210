//! CB-KIND and CB-XML: what is wrong with a message before anyone asks what it says.

use super::super::{
    context::Consumer::{self, EntraExternalMfa, EntraSaml2, EntraWsfed, PartnerCenter},
    report::Severity::Error,
    rule::{
        Check::{Reading, Xml},
        Rule,
    },
    xml_case,
};

const XML: &[Consumer] = &[EntraSaml2, EntraWsfed];
const ALL: &[Consumer] = &[EntraSaml2, EntraWsfed, EntraExternalMfa, PartnerCenter];

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "CB-KIND-001",
        title: "The consumer takes another kind of message.",
        severity: Error,
        consumers: ALL,
        fix: "Give the message that this consumer receives, or ask for another consumer with --expect.",
        aadsts: &["50107"],
        reference: "facts §1.3, §2.3, §5, §6",
        check: Reading,
    },
    Rule {
        id: "CB-KIND-002",
        title: "The inspector has no rules yet for this kind of message and this consumer.",
        severity: Error,
        consumers: ALL,
        fix: "Judge it by other means: this version answers neither yes nor no.",
        aadsts: &[],
        reference: "interfaces, Inspector result",
        check: Reading,
    },
    Rule {
        id: "CB-XML-001",
        title: "The XML contains what no message needs and attacks use: a DOCTYPE, an entity, XInclude or a processing instruction.",
        severity: Error,
        consumers: XML,
        fix: "Have the identity provider send the bare message, without DOCTYPE, entities, XInclude or processing instructions.",
        aadsts: &["50008"],
        reference: "attacks 17 and 18",
        check: Reading,
    },
    Rule {
        id: "CB-XML-002",
        title: "The message is over the limits of size, depth, attributes, namespaces or inflation.",
        severity: Error,
        consumers: XML,
        fix: "Send a message of ordinary size: a real response has about 60 elements and under 20 KiB.",
        aadsts: &["50008"],
        reference: "attack 17",
        check: Reading,
    },
    Rule {
        id: "CB-XML-003",
        title: "A comment or CDATA section stands inside a text that identifies someone; readers cut the text there.",
        severity: Error,
        consumers: XML,
        fix: "Write the value as one plain text, with & < > escaped as &amp; &lt; &gt;.",
        aadsts: &["50008"],
        reference: "attack 12 (CVE-2017-11427 and its family)",
        check: Xml(xml_case::interrupted_text),
    },
    Rule {
        id: "CB-XML-004",
        title: "What is signed is not what is used: two elements with one ID, or a signature that refers elsewhere.",
        severity: Error,
        consumers: XML,
        fix: "Treat it as an attack until shown otherwise. An honest response has one Assertion, its Signature directly inside it, and its Reference URI is # and the ID of that Assertion.",
        aadsts: &["50006"],
        reference: "attack 10 (signature wrapping)",
        check: Xml(xml_case::wrapping),
    },
    Rule {
        id: "CB-XML-005",
        title: "A URI is written nearly as it should be; such slips stand in the documentation itself.",
        severity: Error,
        consumers: XML,
        fix: "Write the URI exactly as named; URIs are compared letter by letter.",
        aadsts: &["50006", "50130"],
        reference: "facts §1.3 (Algorithms)",
        check: Xml(xml_case::mistyped_uri),
    },
    Rule {
        id: "CB-XML-006",
        title: "The XML is not well-formed or not UTF-8.",
        severity: Error,
        consumers: XML,
        fix: "Copy the message again, whole and undamaged; if it is whole, the identity provider writes it wrong.",
        aadsts: &["50008"],
        reference: "XML 1.0 §2.1",
        check: Reading,
    },
];
