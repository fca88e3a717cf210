//! The token, or a fault, in an envelope.
//!
//! Always true: the signed assertion is put in as it stands; every other value is escaped
//! exactly once; element names have a plain prefix, and there is one token, because
//! Microsoft's programs find it by regular expressions (facts §3).

use std::time::Duration;

use super::{
    ADDRESSING, POLICY, SECURITY, SOAP, UTILITY, Version, assertion::SignedToken, fault::Fault,
};
use crate::{
    base::clock::Timestamp,
    protocol::xml::writing::{Escaped, EscapedText, push},
};

const FAULT_ACTION: &str = "http://www.w3.org/2005/08/addressing/soap/fault";

/// How long the message is good; the token in it has a time of its own.
const MESSAGE_LIFETIME: Duration = Duration::from_mins(5);

/// What stands around an answer.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// Which WS-Trust.
    pub version: Version,
    /// The name of the message that is answered.
    pub relates_to: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
}

/// The answer with a token; `token_type`: by the name by which it was asked for.
pub fn encode_token(envelope: &Envelope<'_>, token: &SignedToken, token_type: &str) -> String {
    let Envelope { version, now, .. } = *envelope;
    let mut xml = String::with_capacity(token.xml.len() + 4 * 1024);
    open(&mut xml, envelope, version.answer_action());
    push(
        &mut xml,
        format_args!(
            "<wsse:Security xmlns:wsse=\"{SECURITY}\" s:mustUnderstand=\"1\"><wsu:Timestamp wsu:Id=\"_0\"><wsu:Created>{now}</wsu:Created><wsu:Expires>{}</wsu:Expires></wsu:Timestamp></wsse:Security></s:Header><s:Body>",
            now.plus(MESSAGE_LIFETIME),
        ),
    );
    let namespace = version.namespace();
    match version {
        Version::February2005 => push(
            &mut xml,
            format_args!("<t:RequestSecurityTokenResponse xmlns:t=\"{namespace}\">"),
        ),
        Version::V13 => push(
            &mut xml,
            format_args!(
                "<t:RequestSecurityTokenResponseCollection xmlns:t=\"{namespace}\"><t:RequestSecurityTokenResponse>"
            ),
        ),
    }
    push(
        &mut xml,
        format_args!(
            "<t:Lifetime><wsu:Created>{}</wsu:Created><wsu:Expires>{}</wsu:Expires></t:Lifetime>\
<wsp:AppliesTo xmlns:wsp=\"{POLICY}\"><a:EndpointReference><a:Address>{}</a:Address></a:EndpointReference></wsp:AppliesTo>\
<t:RequestedSecurityToken>{}</t:RequestedSecurityToken>\
<t:TokenType>{}</t:TokenType><t:RequestType>{}</t:RequestType><t:KeyType>{}</t:KeyType></t:RequestSecurityTokenResponse>",
            token.validity.not_before,
            token.validity.not_on_or_after,
            EscapedText(&token.audience),
            token.xml,
            EscapedText(token_type),
            version.issue(),
            version.bearer(),
        ),
    );
    if version == Version::V13 {
        xml.push_str("</t:RequestSecurityTokenResponseCollection>");
    }
    xml.push_str("</s:Body></s:Envelope>");
    xml
}

/// The answer that says why there is no token.
pub fn encode_fault(envelope: &Envelope<'_>, fault: &Fault) -> String {
    let mut xml = String::with_capacity(2 * 1024);
    open(&mut xml, envelope, FAULT_ACTION);
    let (code, subcode) = fault.codes(envelope.version);
    push(
        &mut xml,
        format_args!(
            "</s:Header><s:Body><s:Fault><s:Code><s:Value>{}</s:Value>",
            code.as_str()
        ),
    );
    if let Some((namespace, name)) = subcode {
        let prefix = Fault::prefix(namespace);
        push(
            &mut xml,
            format_args!(
                "<s:Subcode><s:Value xmlns:{prefix}=\"{namespace}\">{prefix}:{name}</s:Value></s:Subcode>"
            ),
        );
    }
    push(
        &mut xml,
        format_args!(
            "</s:Code><s:Reason><s:Text xml:lang=\"en\">{}</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>",
            EscapedText(&fault.to_string())
        ),
    );
    xml
}

fn open(xml: &mut String, envelope: &Envelope<'_>, action: &str) {
    push(
        xml,
        format_args!(
            "<s:Envelope xmlns:s=\"{SOAP}\" xmlns:a=\"{ADDRESSING}\" xmlns:wsu=\"{UTILITY}\"><s:Header><a:Action s:mustUnderstand=\"1\">{}</a:Action>",
            Escaped(action)
        ),
    );
    if let Some(id) = envelope.relates_to {
        push(
            xml,
            format_args!("<a:RelatesTo>{}</a:RelatesTo>", EscapedText(id)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::xml::{XmlLimits, read};

    const NOW: Timestamp = Timestamp::from_millis(1_795_168_800_000);

    #[test]
    fn attack_12_a_name_of_a_message_comes_back_as_it_was() {
        for version in Version::ALL {
            let id = "urn:uuid:<&\">]]>";
            let envelope = Envelope {
                version,
                relates_to: Some(id),
                now: NOW,
            };
            let xml = encode_fault(&envelope, &Fault::FailedAuthentication);
            let document = read(xml.as_bytes(), &XmlLimits::MESSAGE).unwrap();
            let header = document.root().only_child(SOAP, "Header").unwrap();
            let relates = header.only_child(ADDRESSING, "RelatesTo").unwrap();
            assert_eq!(relates.text(), Ok(id));
        }
    }

    #[test]
    fn a_subcode_names_its_namespace() {
        let faults = [
            (Fault::FailedAuthentication, "wsse:FailedAuthentication"),
            (Fault::Expired, "wsse:MessageExpired"),
            (Fault::Audience, "wst:InvalidScope"),
            (Fault::Action, "a:ActionNotSupported"),
            (Fault::Unavailable, "wst:RequestFailed"),
        ];
        for version in Version::ALL {
            for (fault, name) in &faults {
                let envelope = Envelope {
                    version,
                    relates_to: None,
                    now: NOW,
                };
                let xml = encode_fault(&envelope, fault);
                let (prefix, _) = name.split_once(':').unwrap();
                let namespace = match prefix {
                    "wsse" => SECURITY,
                    "a" => ADDRESSING,
                    _ => version.namespace(),
                };
                let wanted = format!(
                    "<s:Subcode><s:Value xmlns:{prefix}=\"{namespace}\">{name}</s:Value></s:Subcode>"
                );
                assert!(xml.contains(&wanted), "{xml}");
                assert!(!xml.contains("RelatesTo"), "{xml}");
                assert!(read(xml.as_bytes(), &XmlLimits::MESSAGE).is_ok(), "{xml}");
            }
        }
    }
}
