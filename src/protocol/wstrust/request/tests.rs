use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_168_800_000);
const ENTRA: &str = "urn:federation:MicrosoftOnline";

/// The request that MSAL for Python sends, but the spaces between its elements.
fn request(version: Version) -> String {
    let (action, trust) = (version.request_action(), version.namespace());
    let (key_type, request_type) = (version.bearer(), version.issue());
    let (created, expires) = (NOW, NOW.plus(Duration::from_mins(10)));
    format!(
        "<s:Envelope xmlns:s='{SOAP}' xmlns:wsa='{ADDRESSING}' xmlns:wsu='{UTILITY}'>
<s:Header><wsa:Action s:mustUnderstand='1'>{action}</wsa:Action><wsa:MessageID>urn:uuid:1</wsa:MessageID>
<wsa:ReplyTo><wsa:Address>http://www.w3.org/2005/08/addressing/anonymous</wsa:Address></wsa:ReplyTo>
<wsa:To s:mustUnderstand='1'>https://idp.contoso.com/trust</wsa:To>
<wsse:Security s:mustUnderstand='1' xmlns:wsse='{SECURITY}'>
<wsu:Timestamp wsu:Id='_0'><wsu:Created>{created}</wsu:Created><wsu:Expires>{expires}</wsu:Expires></wsu:Timestamp>
<wsse:UsernameToken wsu:Id='ADALUsernameToken'><wsse:Username>agent1@contoso.com</wsse:Username><wsse:Password>p&amp;ss w&lt;rd </wsse:Password></wsse:UsernameToken>
</wsse:Security></s:Header>
<s:Body><wst:RequestSecurityToken xmlns:wst='{trust}'>
<wsp:AppliesTo xmlns:wsp='{POLICY}'><wsa:EndpointReference><wsa:Address>{ENTRA}</wsa:Address></wsa:EndpointReference></wsp:AppliesTo>
<wst:KeyType>{key_type}</wst:KeyType><wst:RequestType>{request_type}</wst:RequestType>
</wst:RequestSecurityToken></s:Body></s:Envelope>"
    )
}

fn verify(text: &str, version: Version) -> Result<TokenRequest, Fault> {
    UnverifiedTokenRequest::parse(text.as_bytes(), version).verify(ENTRA, NOW)
}

#[test]
fn the_request_of_microsofts_library_is_read() {
    for version in Version::ALL {
        let text = request(version);
        let parsed = UnverifiedTokenRequest::parse(text.as_bytes(), version);
        assert_eq!(parsed.message_id(), Some("urn:uuid:1"));
        let read = parsed.verify(ENTRA, NOW).unwrap();
        assert_eq!(read.username, "agent1@contoso.com");
        assert_eq!(read.password.expose(), "p&ss w<rd ");
        assert_eq!(read.token_type, TOKEN_TYPES[0]);
        assert!(!format!("{read:?}").contains("p&ss"), "{read:?}");
        // Of the other version at this address.
        let other = Version::ALL.into_iter().find(|other| *other != version);
        assert_eq!(verify(&text, other.unwrap()).unwrap_err(), Fault::Action);
    }
}

#[test]
fn what_may_differ() {
    let version = Version::V13;
    let text = request(version);
    for (from, to) in [
        ("<wsu:Expires>2026", "<wsu:Expires>2027"),
        (
            "<wst:KeyType>http://docs.oasis-open.org/ws-sx/ws-trust/200512/Bearer</wst:KeyType>",
            "",
        ),
        (
            "<wst:KeyType>",
            "<wst:TokenType> urn:oasis:names:tc:SAML:1.0:assertion </wst:TokenType><wst:KeyType>",
        ),
        (
            "<wst:KeyType>",
            "<wst:TokenType>http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1</wst:TokenType><wst:KeyType>",
        ),
        (
            "<wsse:Password>",
            "<wsse:Password Type='http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText'>",
        ),
        (
            "<wsa:MessageID>",
            "<x:Id xmlns:x='urn:x' s:mustUnderstand='0'/><wsa:MessageID>",
        ),
        (
            "'http://www.w3.org/2005/08/addressing'",
            "'http://schemas.xmlsoap.org/ws/2004/08/addressing'",
        ),
        (
            "<wsa:Action s:mustUnderstand='1'>http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue</wsa:Action>",
            "",
        ),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert!(verify(&changed, version).is_ok(), "{from} → {to}");
    }
}

#[test]
fn attacks_17_and_18_each_bad_request_has_one_clear_fault() {
    use crate::protocol::xml::{Excess, Forbidden, XmlError};
    let version = Version::V13;
    let text = request(version);
    let missing = |parent: &str, child: &str| {
        Fault::Element(crate::protocol::xml::ReadError::Missing {
            parent: parent.to_owned(),
            child: child.to_owned(),
        })
    };
    let repeated = |parent: &str, child: &str| {
        Fault::Element(crate::protocol::xml::ReadError::Repeated {
            parent: parent.to_owned(),
            child: child.to_owned(),
        })
    };
    let interrupted = |name: &str| {
        Fault::Element(crate::protocol::xml::ReadError::Interrupted(
            name.to_owned(),
        ))
    };
    let username = "<wsse:Username>agent1@contoso.com</wsse:Username>";
    for (from, to, fault) in [
        (
            "<s:Envelope",
            "<!DOCTYPE x><s:Envelope",
            Fault::Xml(XmlError::Forbidden(Forbidden::Doctype)),
        ),
        (
            "agent1@",
            "&name;@",
            Fault::Xml(XmlError::Forbidden(Forbidden::Entity)),
        ),
        ("agent1@", "agent1<!-- -->@", interrupted("Username")),
        ("p&amp;ss", "<![CDATA[p]]>", interrupted("Password")),
        (
            "urn:uuid:1",
            &"x".repeat(64 * 1024),
            Fault::Xml(XmlError::TooLarge(Excess::Bytes(65_536))),
        ),
        (
            "http://www.w3.org/2003/05/soap-envelope",
            "http://schemas.xmlsoap.org/soap/envelope/",
            Fault::SoapVersion,
        ),
        (
            "http://www.w3.org/2003/05/soap-envelope",
            "urn:soap",
            Fault::NotSoap,
        ),
        (
            "<wsa:MessageID>",
            "<x:Id xmlns:x='urn:x' s:mustUnderstand='true'/><wsa:MessageID>",
            Fault::NotUnderstood,
        ),
        (
            "RST/Issue</wsa:Action>",
            "RST/Validate</wsa:Action>",
            Fault::Action,
        ),
        (
            "<s:Body>",
            "<s:Body/><s:Body>",
            repeated("Envelope", "Body"),
        ),
        (username, "", missing("UsernameToken", "Username")),
        (
            username,
            &username.repeat(2),
            repeated("UsernameToken", "Username"),
        ),
        (
            "<wsse:Password>",
            "<wsse:Password>x</wsse:Password><wsse:Password>",
            repeated("UsernameToken", "Password"),
        ),
        (
            "<wsse:UsernameToken wsu:Id='ADALUsernameToken'>",
            "<wsse:UsernameToken><wsse:Username>b</wsse:Username><wsse:Password>b</wsse:Password></wsse:UsernameToken><wsse:UsernameToken>",
            repeated("Security", "UsernameToken"),
        ),
        (
            "<wsse:Password>",
            "<wsse:Password Type='http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest'>",
            Fault::PasswordType,
        ),
        (
            "<wst:KeyType>",
            "<wst:TokenType>urn:oasis:names:tc:SAML:2.0:assertion</wst:TokenType><wst:KeyType>",
            Fault::NotOffered("this token type"),
        ),
        (
            "200512/Bearer",
            "200512/SymmetricKey",
            Fault::NotOffered("this key type"),
        ),
        (
            "200512/Issue</wst:RequestType>",
            "200512/Renew</wst:RequestType>",
            Fault::NotOffered("this request type"),
        ),
        (
            "<wst:KeyType>",
            "<wst:OnBehalfOf/><wst:KeyType>",
            Fault::NotOffered("a token on behalf of somebody"),
        ),
        (
            "urn:federation:MicrosoftOnline",
            "urn:federation:microsoftonline",
            Fault::Audience,
        ),
        (
            "urn:federation:MicrosoftOnline",
            " urn:federation:MicrosoftOnline",
            Fault::Audience,
        ),
        (
            "urn:federation:MicrosoftOnline",
            "urn:federation:MicrosoftOnline/",
            Fault::Audience,
        ),
        (
            "urn:federation:MicrosoftOnline",
            "https://sp.example.com",
            Fault::Audience,
        ),
        (
            "<wsa:EndpointReference>",
            "<wsa:Other/><wsa:EndpointReference>",
            Fault::Audience,
        ),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let found = verify(&changed, version);
        if to.starts_with("<wsa:Other") {
            // What stands beside the address changes nothing.
            assert!(found.is_ok());
            continue;
        }
        assert_eq!(found.unwrap_err(), fault, "{from} → {to}");
    }
    for text in ["", "hello", "{}", "<a>", "<a/>", "<a>pässword"] {
        let fault = verify(text, version).unwrap_err();
        assert!(!fault.to_string().contains("ssword"), "{fault}");
    }
    assert_eq!(verify("<a/>", version).unwrap_err(), Fault::NotSoap);
}

#[test]
fn attack_16_a_message_is_good_for_its_time_and_five_minutes_more() {
    let version = Version::V13;
    let text = request(version);
    let at = |now: Timestamp| {
        UnverifiedTokenRequest::parse(text.as_bytes(), version)
            .verify(ENTRA, now)
            .map(drop)
    };
    let millisecond = Duration::from_millis(1);
    assert_eq!(at(NOW), Ok(()));
    let early = NOW.minus(SKEW);
    assert_eq!(at(early), Ok(()));
    assert!(matches!(
        at(early.minus(millisecond)),
        Err(Fault::Security(_))
    ));
    let end = NOW.plus(Duration::from_mins(15));
    assert_eq!(at(end.minus(millisecond)), Ok(()));
    assert_eq!(at(end), Err(Fault::Expired));
    for (from, to) in [
        ("<wsu:Created>2026", "<wsu:Created>2027"),
        ("<wsu:Expires>2026", "<wsu:Expires>2025"),
        ("Z</wsu:Created>", "</wsu:Created>"),
        ("<wsu:Expires>", "<wsu:Expires>soon"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let fault = verify(&changed, version).unwrap_err();
        assert!(matches!(fault, Fault::Security(_)), "{from}: {fault:?}");
    }
    // Without an end it is good for five minutes and the skew.
    let end = text.find("<wsu:Expires>").unwrap()..text.find("</wsu:Timestamp>").unwrap();
    let endless = text.replace(&text[end], "");
    let at = |now| {
        UnverifiedTokenRequest::parse(endless.as_bytes(), version)
            .verify(ENTRA, now)
            .map(drop)
    };
    let end = NOW.plus(Duration::from_mins(10));
    assert_eq!(
        (at(end.minus(millisecond)), at(end)),
        (Ok(()), Err(Fault::Expired))
    );
}

#[test]
fn an_action_is_read_with_and_without_quotes() {
    for version in Version::ALL {
        let action = version.request_action();
        for good in [
            action.to_owned(),
            format!("\"{action}\""),
            String::new(),
            "\"\"".to_owned(),
        ] {
            assert_eq!(require_action(&good, version), Ok(()), "{good}");
        }
        assert_eq!(require_action("urn:other", version), Err(Fault::Action));
    }
}
