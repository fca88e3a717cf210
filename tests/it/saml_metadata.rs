//! Metadata of service providers: what is registered of it, and what never is.

use claimbridge::{
    protocol::saml::sp_metadata::{MetadataError, parse_sp_metadata, require_reply_url},
    relying_party::{
        EntityId, EntraCloud, RelyingPartyKind, RequestSignature, Sha1, name_rule::NameTaken,
    },
};

const MICROSOFT: &str = include_str!("../fixtures/entra/sp-metadata-global-2021.xml");

fn metadata(entity_id: &str, role: &str) -> String {
    format!(
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" \
entityID=\"{entity_id}\" validUntil=\"2030-01-01T00:00:00Z\" cacheDuration=\"PT1H\">\
<md:SPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
AuthnRequestsSigned=\"true\">{role}</md:SPSSODescriptor></md:EntityDescriptor>"
    )
}

fn acs(index: &str, url: &str) -> String {
    format!(
        "<md:AssertionConsumerService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
Location=\"{url}\" index=\"{index}\"/>"
    )
}

fn register(text: &str) -> Result<claimbridge::relying_party::RelyingParty, MetadataError> {
    parse_sp_metadata(text.as_bytes())?.into_relying_party(None, &[])
}

#[test]
fn microsofts_metadata_is_read_for_its_certificates_and_never_registered() {
    let read = parse_sp_metadata(MICROSOFT.as_bytes()).unwrap();
    assert_eq!(read.entity_id, EntraCloud::global().entity_id);
    assert_eq!(read.request_certificates.len(), 2);
    assert!(read.wants_signed_assertions);
    assert!(!read.signs_requests);
    assert_eq!(read.name_id_formats.len(), 5);
    assert_eq!(read.reply_urls.len(), 1);
    assert_eq!(read.reply_urls[0].url, EntraCloud::global().reply_url);
    assert!(read.reply_urls[0].preferred);
    assert!(matches!(
        register(MICROSOFT),
        Err(MetadataError::Name(NameTaken::Entra(_)))
    ));
}

#[test]
fn attack_39_no_other_party_has_entras_name_or_hosts() {
    for cloud in EntraCloud::presets() {
        let named = metadata(
            &cloud.entity_id.to_uppercase(),
            &acs("0", "https://evil.com/"),
        );
        assert!(matches!(
            register(&named),
            Err(MetadataError::Name(NameTaken::Entra(_)))
        ));
        let hosted = metadata("https://sp.example.com", &acs("0", &cloud.reply_url));
        assert!(matches!(
            register(&hosted),
            Err(MetadataError::Microsoft(_))
        ));
        // Not as a second address either.
        let second = [
            acs("0", "https://sp.example.com/acs"),
            acs("1", &cloud.reply_url),
        ]
        .concat();
        assert!(matches!(
            register(&metadata("https://sp.example.com", &second)),
            Err(MetadataError::Microsoft(_))
        ));
    }
    for name in [
        "https://login.microsoftonline.com/extSTS.srf",
        "https://login.partner.microsoftonline.cn/extSTS.srf",
        "https://sts.windows.net/df845f1a-7b35-40a2-ba78-6481de91f8ae/",
    ] {
        assert!(matches!(
            register(&metadata(name, &acs("0", "https://sp.example.com/acs"))),
            Err(MetadataError::MicrosoftName(_))
        ));
    }
    for address in [
        "https://LOGIN.microsoftonline.com/login.srf",
        "https://login.microsoftonline.com./login.srf",
        "https://login.microsoftonline.com:443/login.srf",
        "https://device.login.microsoftonline.com/x",
        "https://login.live.com/login.srf",
        "https://sts.windows.net/x",
    ] {
        assert!(
            matches!(require_reply_url(address), Err(MetadataError::Microsoft(_))),
            "{address}"
        );
    }
    for address in [
        "https://login.microsoftonline.com.evil.com/",
        "https://notmicrosoft.com/acs",
    ] {
        assert!(require_reply_url(address).is_ok(), "{address}");
    }
}

#[test]
fn a_service_provider_is_registered_with_what_it_says() {
    let text = metadata(
        "https://sp.example.com",
        &[
            acs("3", "https://sp.example.com/a"),
            acs("4", "http://127.0.0.1:8081/b"),
        ]
        .concat(),
    );
    let party = register(&text).unwrap();
    assert_eq!(party.entity_id.as_str(), "https://sp.example.com");
    assert_eq!(party.kind, RelyingPartyKind::ServiceProvider);
    assert_eq!(party.request_signature, RequestSignature::Required);
    assert_eq!(party.sha1, Sha1::Refused);
    assert_eq!(
        party.reply_url(None, Some(4)).unwrap().url,
        "http://127.0.0.1:8081/b"
    );
    assert_eq!(party.reply_url(None, None).unwrap().index, 3);
    let present = [EntityId("https://SP.example.com/".to_owned())];
    assert!(matches!(
        parse_sp_metadata(text.as_bytes())
            .unwrap()
            .into_relying_party(Some("SP"), &present),
        Err(MetadataError::Name(NameTaken::Present(_)))
    ));
}

#[test]
fn reply_addresses_are_https_or_loopback() {
    for good in [
        "https://sp.example.com/acs?x=1",
        "http://localhost:8081/acs",
        "http://127.0.0.1/acs",
        "http://[::1]:1/acs",
    ] {
        assert!(require_reply_url(good).is_ok(), "{good}");
    }
    for bad in [
        "http://sp.example.com/acs",
        "http://127.0.0.1.evil.com/acs",
        "http://localhost.evil.com/acs",
        "https://user@sp.example.com/acs",
        "https://:pw@sp.example.com/acs",
        "https://sp.example.com/acs#x",
        "https://sp.example.com/a cs",
        "https://sp.example.com/acs\n",
        "javascript:alert(1)",
        "data:text/html,x",
        "/acs",
        "",
    ] {
        assert!(
            matches!(require_reply_url(bad), Err(MetadataError::ReplyUrl(_))),
            "{bad}"
        );
    }
}

#[test]
fn what_is_no_metadata_of_one_service_provider_is_refused() {
    let good = metadata(
        "https://sp.example.com",
        &acs("0", "https://sp.example.com/acs"),
    );
    assert!(register(&good).is_ok());
    let role = &good[good.find("<md:SPSSO").unwrap()
        ..good.find("</md:SPSSODescriptor>").unwrap() + "</md:SPSSODescriptor>".len()];
    assert!(matches!(
        register(&good.replace(role, "")),
        Err(MetadataError::NotAServiceProvider)
    ));
    assert!(matches!(
        register(&good.replace(role, &format!("{role}{role}"))),
        Err(MetadataError::NotAServiceProvider)
    ));
    assert!(matches!(
        register(&good.replace("SAML:2.0:protocol", "SAML:1.1:protocol")),
        Err(MetadataError::NotAServiceProvider)
    ));
    assert!(matches!(
        register(&good.replace("md:EntityDescriptor", "md:EntitiesDescriptor")),
        Err(MetadataError::NotAnEntity)
    ));
    assert!(matches!(
        register(&good.replace("HTTP-POST", "HTTP-Artifact")),
        Err(MetadataError::NoReplyUrl)
    ));
    for index in ["", "x", "-1", "65536"] {
        assert!(matches!(
            register(&metadata(
                "https://sp.example.com",
                &acs(index, "https://sp.example.com/")
            )),
            Err(MetadataError::Index)
        ));
    }
    let twice = [
        acs("0", "https://sp.example.com/a"),
        acs("0", "https://sp.example.com/b"),
    ]
    .concat();
    assert!(matches!(
        register(&metadata("https://sp.example.com", &twice)),
        Err(MetadataError::Index)
    ));
    let key = "<md:KeyDescriptor use=\"signing\"><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">\
<ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>";
    let with_key = format!("{key}{}", acs("0", "https://sp.example.com/acs"));
    assert!(matches!(
        register(&metadata("https://sp.example.com", &with_key)),
        Err(MetadataError::Certificate(_))
    ));
    // A key for encryption is none of ours.
    let encryption = with_key.replace("use=\"signing\"", "use=\"encryption\"");
    assert!(register(&metadata("https://sp.example.com", &encryption)).is_ok());
    assert!(matches!(
        register(&good.replace("entityID=\"https://sp.example.com\"", "")),
        Err(MetadataError::Name(NameTaken::Form))
    ));
}
