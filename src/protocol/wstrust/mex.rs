//! Where the door is, as WSDL with policies: what programs read first (facts §3).
//!
//! Always true: each binding has a SOAP 1.2 binding and one operation with its action, because
//! Microsoft's programs look for these without asking whether they are there; an address is
//! one of ours. Nothing in it depends on who asks.

use super::{ADDRESSING, POLICY, UTILITY, Version};
use crate::protocol::xml::writing::{Escaped, EscapedText, push};

const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
const SOAP12: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";
const HTTP: &str = "http://schemas.xmlsoap.org/soap/http";
const ADDRESSING_WSDL: &str = "http://www.w3.org/2006/05/addressing/wsdl";
const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";

/// The names of AD FS, which some programs go by.
const TARGET: &str = "http://schemas.microsoft.com/ws/2008/06/identity/securitytokenservice";

struct Names {
    version: Version,
    /// Of the binding.
    binding: &'static str,
    /// Of the port type.
    port_type: &'static str,
    /// Of the operation.
    operation: &'static str,
    /// Of the element of an answer.
    answer: &'static str,
}

const NAMES: [Names; 2] = [
    Names {
        version: Version::February2005,
        binding: "UserNameWSTrustBinding_IWSTrustFeb2005Async",
        port_type: "IWSTrustFeb2005Async",
        operation: "TrustFeb2005IssueAsync",
        answer: "RequestSecurityTokenResponse",
    },
    Names {
        version: Version::V13,
        binding: "UserNameWSTrustBinding_IWSTrust13Async",
        port_type: "IWSTrust13Async",
        operation: "Trust13IssueAsync",
        answer: "RequestSecurityTokenResponseCollection",
    },
];

/// The description. `public_url`: scheme, host and port, without a slash at the end; programs
/// go to https addresses only.
pub fn encode_mex(public_url: &str) -> String {
    let mut xml = String::with_capacity(12 * 1024);
    push(
        &mut xml,
        format_args!(
            "<wsdl:definitions name=\"SecurityTokenService\" targetNamespace=\"{TARGET}\" xmlns:wsdl=\"{WSDL}\" xmlns:tns=\"{TARGET}\" xmlns:soap12=\"{SOAP12}\" xmlns:wsa10=\"{ADDRESSING}\" xmlns:wsaw=\"{ADDRESSING_WSDL}\" xmlns:wsp=\"{POLICY}\" xmlns:wsu=\"{UTILITY}\" xmlns:t=\"{}\" xmlns:trust=\"{}\">",
            Version::February2005.namespace(),
            Version::V13.namespace(),
        ),
    );
    for names in &NAMES {
        push_policy(&mut xml, names);
    }
    push_messages(&mut xml);
    for names in &NAMES {
        push_binding(&mut xml, names);
    }
    xml.push_str("<wsdl:service name=\"SecurityTokenService\">");
    for names in &NAMES {
        let address = format!("{public_url}{}", names.version.path());
        push(
            &mut xml,
            format_args!(
                "<wsdl:port name=\"{0}\" binding=\"tns:{0}\"><soap12:address location=\"{1}\"/><wsa10:EndpointReference><wsa10:Address>{2}</wsa10:Address></wsa10:EndpointReference></wsdl:port>",
                names.binding,
                Escaped(&address),
                EscapedText(&address),
            ),
        );
    }
    xml.push_str("</wsdl:service></wsdl:definitions>");
    xml
}

/// A name and a password, over TLS, with a time.
fn push_policy(xml: &mut String, names: &Names) {
    let (security_policy, tokens, trust) = match names.version {
        Version::February2005 => (
            "http://schemas.xmlsoap.org/ws/2005/07/securitypolicy",
            "SignedSupportingTokens",
            "Trust10",
        ),
        Version::V13 => (
            "http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702",
            "SignedEncryptedSupportingTokens",
            "Trust13",
        ),
    };
    let https = match names.version {
        Version::February2005 => "<sp:HttpsToken RequireClientCertificate=\"false\"/>",
        Version::V13 => "<sp:HttpsToken><wsp:Policy/></sp:HttpsToken>",
    };
    push(
        xml,
        format_args!(
            "<wsp:Policy wsu:Id=\"{binding}_policy\" xmlns:sp=\"{security_policy}\"><wsp:ExactlyOne><wsp:All>\
<sp:TransportBinding><wsp:Policy>\
<sp:TransportToken><wsp:Policy>{https}</wsp:Policy></sp:TransportToken>\
<sp:AlgorithmSuite><wsp:Policy><sp:Basic256/></wsp:Policy></sp:AlgorithmSuite>\
<sp:Layout><wsp:Policy><sp:Strict/></wsp:Policy></sp:Layout>\
<sp:IncludeTimestamp/>\
</wsp:Policy></sp:TransportBinding>\
<sp:{tokens}><wsp:Policy>\
<sp:UsernameToken sp:IncludeToken=\"{security_policy}/IncludeToken/AlwaysToRecipient\"><wsp:Policy><sp:WssUsernameToken10/></wsp:Policy></sp:UsernameToken>\
</wsp:Policy></sp:{tokens}>\
<sp:{trust}><wsp:Policy><sp:MustSupportIssuedTokens/></wsp:Policy></sp:{trust}>\
<wsaw:UsingAddressing/>\
</wsp:All></wsp:ExactlyOne></wsp:Policy>",
            binding = names.binding,
        ),
    );
}

fn push_messages(xml: &mut String) {
    xml.push_str("<wsdl:types>");
    for names in &NAMES {
        let namespace = names.version.namespace();
        push(
            xml,
            format_args!(
                "<xs:schema xmlns:xs=\"{SCHEMA}\" targetNamespace=\"{namespace}\" elementFormDefault=\"qualified\"><xs:element name=\"RequestSecurityToken\" type=\"xs:anyType\"/><xs:element name=\"{}\" type=\"xs:anyType\"/></xs:schema>",
                names.answer
            ),
        );
    }
    xml.push_str("</wsdl:types>");
    for Names {
        version,
        port_type,
        operation,
        answer,
        ..
    } in &NAMES
    {
        let prefix = match version {
            Version::February2005 => "t",
            Version::V13 => "trust",
        };
        push(
            xml,
            format_args!(
                "<wsdl:message name=\"{port_type}_Request\"><wsdl:part name=\"request\" element=\"{prefix}:RequestSecurityToken\"/></wsdl:message>\
<wsdl:message name=\"{port_type}_Answer\"><wsdl:part name=\"answer\" element=\"{prefix}:{answer}\"/></wsdl:message>\
<wsdl:portType name=\"{port_type}\"><wsdl:operation name=\"{operation}\">\
<wsdl:input wsaw:Action=\"{}\" message=\"tns:{port_type}_Request\"/>\
<wsdl:output wsaw:Action=\"{}\" message=\"tns:{port_type}_Answer\"/>\
</wsdl:operation></wsdl:portType>",
                version.request_action(),
                version.answer_action(),
            ),
        );
    }
}

fn push_binding(xml: &mut String, names: &Names) {
    let Names {
        version,
        binding,
        port_type,
        operation,
        ..
    } = names;
    push(
        xml,
        format_args!(
            "<wsdl:binding name=\"{binding}\" type=\"tns:{port_type}\"><wsp:PolicyReference URI=\"#{binding}_policy\"/><soap12:binding transport=\"{HTTP}\"/>\
<wsdl:operation name=\"{operation}\"><soap12:operation soapAction=\"{}\" style=\"document\"/>\
<wsdl:input><soap12:body use=\"literal\"/></wsdl:input><wsdl:output><soap12:body use=\"literal\"/></wsdl:output></wsdl:operation></wsdl:binding>",
            version.request_action(),
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::xml::{XmlElement, XmlLimits, read};

    #[test]
    fn both_versions_are_described_at_our_address() {
        let xml = encode_mex("https://idp.contoso.com");
        let document = read(xml.as_bytes(), &XmlLimits::METADATA).unwrap();
        let root = document.root();
        assert!(root.is(WSDL, "definitions"));
        let service = root.only_child(WSDL, "service").unwrap();
        let ports: Vec<_> = service.children_named(WSDL, "port").collect();
        assert_eq!(ports.len(), 2);
        for (port, version) in ports.into_iter().zip(Version::ALL) {
            let endpoint = port.only_child(ADDRESSING, "EndpointReference").unwrap();
            let address = endpoint.only_child(ADDRESSING, "Address").unwrap();
            let wanted = format!("https://idp.contoso.com{}", version.path());
            assert_eq!(address.text(), Ok(wanted.as_str()));
            let name = port.attribute("binding").unwrap();
            let name = name.strip_prefix("tns:").unwrap();
            let binding = root
                .children_named(WSDL, "binding")
                .find(|binding| binding.attribute("name") == Some(name))
                .unwrap();
            let reference = binding.only_child(POLICY, "PolicyReference").unwrap();
            let policy = reference.attribute("URI").unwrap();
            let policies: Vec<&str> = root
                .children_named(POLICY, "Policy")
                .flat_map(XmlElement::attributes)
                .filter(|(namespace, name, _)| *namespace == UTILITY && *name == "Id")
                .map(|(_, _, id)| id)
                .collect();
            assert!(policies.contains(&policy.trim_start_matches('#')));
            let operation = binding.only_child(WSDL, "operation").unwrap();
            let soap = operation.only_child(SOAP12, "operation").unwrap();
            assert_eq!(soap.attribute("soapAction"), Some(version.request_action()));
        }
    }
}
