//! What breaks each rule and what just does not, as an operator would see it.
//!
//! The messages that prove it are in the corpus (`tests/fixtures/inspector`).

mod tokens;

/// An example of a rule: `bad` breaks it, `good` does not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Example {
    /// The rule's id.
    pub id: &'static str,
    /// What breaks it.
    pub bad: &'static str,
    /// What does not.
    pub good: &'static str,
}

/// The example of the rule of that id, whatever its letter case.
pub fn of(id: &str) -> Option<Example> {
    OF_XML
        .iter()
        .chain(tokens::EXAMPLES)
        .find(|(known, _, _)| known.eq_ignore_ascii_case(id))
        .map(|(id, bad, good)| Example { id, bad, good })
}

/// Id, bad, good.
const OF_XML: &[(&str, &str, &str)] = &[
    (
        "CB-KIND-001",
        "a SAML 2.0 response with --expect entra-wsfed",
        "a RequestSecurityTokenResponse with --expect entra-wsfed",
    ),
    (
        "CB-KIND-002",
        "a LogoutRequest with --expect entra-saml2",
        "a Response with --expect entra-saml2",
    ),
    (
        "CB-XML-001",
        r#"<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><samlp:Response …>"#,
        r#"<?xml version="1.0" encoding="UTF-8"?><samlp:Response …>"#,
    ),
    (
        "CB-XML-002",
        "a response with 40 levels of elements, or 300 KiB",
        "a response with about 60 elements, under 20 KiB",
    ),
    (
        "CB-XML-003",
        "<NameID>admin@contoso.com<!-- -->.evil.example</NameID>",
        "<NameID>ABCDEG1234567890</NameID>",
    ),
    (
        "CB-XML-004",
        r##"<Response><Assertion ID="_evil">…</Assertion><Assertion ID="_a"><Signature>… URI="#_a" …</Signature></Assertion></Response>"##,
        r##"<Response><Assertion ID="_a"><Signature>… URI="#_a" …</Signature></Assertion></Response>"##,
    ),
    (
        "CB-XML-005",
        r#"Algorithm="https://www.w3.org/2001/04/xmldsig-more#rsa-sha256""#,
        r#"Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256""#,
    ),
    (
        "CB-XML-006",
        "<samlp:Response …><saml:Assertion …",
        "<samlp:Response …>…</samlp:Response>, in UTF-8",
    ),
    (
        "CB-SAML-001",
        r#"<StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"/>"#,
        r#"<StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/>"#,
    ),
    (
        "CB-SAML-002",
        "<Response>…<EncryptedAssertion>…</EncryptedAssertion></Response>",
        "<Response>…<Assertion>…</Assertion></Response>",
    ),
    (
        "CB-SAML-003",
        "<Issuer>https://idp.contoso.com/contoso.com/</Issuer>",
        "<Issuer>https://idp.contoso.com/contoso.com</Issuer>, as registered",
    ),
    (
        "CB-SAML-004",
        r#"<Response><Signature/><Assertion ID="_a"><Issuer/><Subject/>…"#,
        r#"<Response><Assertion ID="_a"><Issuer/><Signature/><Subject/>…"#,
    ),
    (
        "CB-SAML-005",
        "an assertion that was indented after signing",
        "the bytes that were signed",
    ),
    (
        "CB-SAML-006",
        "signed with a new key that only the identity provider knows",
        "signed with the key of signingCertificate or nextSigningCertificate",
    ),
    (
        "CB-SAML-007",
        r#"<SignatureMethod Algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1"/>"#,
        r#"<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>"#,
    ),
    (
        "CB-SAML-008",
        r#"<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"/>"#,
        r#"<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>, 2048 bits"#,
    ),
    (
        "CB-SAML-009",
        r#"<Transform Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/>"#,
        r#"<Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>"#,
    ),
    (
        "CB-SAML-010",
        "<Audience>https://login.microsoftonline.com</Audience>",
        "<Audience>urn:federation:MicrosoftOnline</Audience>",
    ),
    (
        "CB-SAML-011",
        r#"Recipient="https://login.microsoftonline.com/login.srf/""#,
        r#"Recipient="https://login.microsoftonline.com/login.srf""#,
    ),
    (
        "CB-SAML-012",
        r#"<NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified">"#,
        r#"<NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">"#,
    ),
    (
        "CB-SAML-013",
        "<NameID …>dGhlIHF1aWNrIGJyb_24gZg</NameID>",
        "<NameID …>ABCDEG1234567890</NameID>",
    ),
    (
        "CB-SAML-014",
        r#"<Attribute Name="email"><AttributeValue>agent1</AttributeValue></Attribute>"#,
        r#"<Attribute Name="IDPEmail"><AttributeValue>agent1@contoso.com</AttributeValue></Attribute>"#,
    ),
    (
        "CB-SAML-015",
        "agent1@fabrikam.com by the issuer https://idp.contoso.com/contoso.com",
        "agent1@eu.contoso.com by the issuer https://idp.contoso.com/contoso.com",
    ),
    (
        "CB-SAML-016",
        r#"<Conditions NotOnOrAfter="2026-11-20T10:55:00"> (no zone)"#,
        r#"<Conditions NotBefore="2026-11-20T09:55:00Z" NotOnOrAfter="2026-11-20T10:55:00Z">"#,
    ),
    (
        "CB-SAML-017",
        "<Response …> without InResponseTo",
        r#"<Response InResponseTo="_1e089e5c-…" …>, the ID of the AuthnRequest"#,
    ),
    (
        "CB-SAML-018",
        "<AuthnStatement> without AuthnInstant",
        r#"<AuthnStatement AuthnInstant="2026-11-20T09:59:00Z" …>"#,
    ),
    (
        "CB-SAML-019",
        "<AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified</AuthnContextClassRef>",
        "<AuthnContextClassRef>http://schemas.microsoft.com/claims/multipleauthn</AuthnContextClassRef>",
    ),
    (
        "CB-SAML-020",
        r#"only <Attribute Name="http://schemas.microsoft.com/claims/authnmethodsreferences"><AttributeValue>http://schemas.microsoft.com/claims/multipleauthn</AttributeValue></Attribute>"#,
        "<AuthnContextClassRef>http://schemas.microsoft.com/claims/multipleauthn</AuthnContextClassRef>",
    ),
    (
        "CB-SAML-021",
        "two AuthnStatements, one of a password and one of the second factor",
        "one AuthnStatement with http://schemas.microsoft.com/claims/multipleauthn",
    ),
    (
        "CB-SAML-022",
        "IssueInstant 10:00, NotOnOrAfter 18:00",
        r#"IssueInstant 10:00, NotOnOrAfter 11:00, SessionIndex="_a""#,
    ),
    (
        "CB-SAML-023",
        r#"<samlp:Response Version="1.1" …>"#,
        r#"<samlp:Response Version="2.0" …>"#,
    ),
    (
        "CB-WSFED-001",
        "wresult=PHQ6UmVxdWVzdFNlY3VyaXR5…",
        "wresult=%3Ct%3ARequestSecurityTokenResponse+xmlns%3At%3D…",
    ),
    (
        "CB-WSFED-002",
        r#"<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" Version="2.0">"#,
        r#"<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:1.0:assertion" MajorVersion="1" MinorVersion="1">"#,
    ),
    (
        "CB-WSFED-003",
        r#"Issuer="http://idp.contoso.com/contoso.com""#,
        r#"Issuer="https://idp.contoso.com/contoso.com", as registered"#,
    ),
    (
        "CB-WSFED-004",
        "<saml:Assertion …>…<saml:AuthenticationStatement/></saml:Assertion>",
        "<saml:Assertion …>…<saml:AuthenticationStatement/><ds:Signature/></saml:Assertion>",
    ),
    (
        "CB-WSFED-005",
        "an assertion with a changed NameIdentifier",
        "the bytes that were signed",
    ),
    (
        "CB-WSFED-006",
        "signed with a new key that only the identity provider knows",
        "signed with the key of signingCertificate or nextSigningCertificate",
    ),
    (
        "CB-WSFED-007",
        r#"<SignatureMethod Algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1"/>"#,
        r#"<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>"#,
    ),
    (
        "CB-WSFED-008",
        "a key of 1024 bits",
        "an RSA key of 2048 bits",
    ),
    (
        "CB-WSFED-009",
        r#"URI="" and inclusive canonicalisation"#,
        r##"URI="#AssertionID" with enveloped-signature and exclusive canonicalisation"##,
    ),
    (
        "CB-WSFED-010",
        "<saml:Audience>urn:federation:microsoftonline.us</saml:Audience> in the global cloud",
        "<saml:Audience>urn:federation:MicrosoftOnline</saml:Audience>",
    ),
    (
        "CB-WSFED-011",
        r#"AttributeNamespace="http://schemas.xmlsoap.org/ws/2005/05/identity/claims" AttributeName="upn""#,
        r#"AttributeNamespace="http://schemas.xmlsoap.org/claims" AttributeName="UPN""#,
    ),
    (
        "CB-WSFED-012",
        "NameIdentifier ABCDEG1234567890, ImmutableID agent1",
        "NameIdentifier and ImmutableID ABCDEG1234567890",
    ),
    (
        "CB-WSFED-013",
        "agent1@fabrikam.com by the issuer of contoso.com",
        "agent1@contoso.com by the issuer of contoso.com",
    ),
    (
        "CB-WSFED-014",
        "Conditions/@NotOnOrAfter an hour ago",
        "Conditions/@NotOnOrAfter in an hour, with Z",
    ),
    (
        "CB-WSFED-015",
        r#"AuthenticationMethod="urn:oasis:names:tc:SAML:1.0:am:password" and no attribute"#,
        r#"AuthenticationMethod="http://schemas.microsoft.com/claims/multipleauthn""#,
    ),
    (
        "CB-WSFED-016",
        r#"AttributeName="authenticationmethodsreferences""#,
        r#"AttributeNamespace="http://schemas.microsoft.com/claims" AttributeName="authnmethodsreferences""#,
    ),
    (
        "CB-WSFED-017",
        "<saml:Assertion><ds:Signature/><saml:Conditions/>…",
        "<saml:Assertion><saml:Conditions/>…<ds:Signature/></saml:Assertion>",
    ),
    (
        "CB-WSFED-018",
        "no authenticationinstant",
        "authenticationinstant 2026-11-20T09:59:00Z",
    ),
    (
        "CB-WSFED-019",
        "insidecorporatenetwork true",
        "no insidecorporatenetwork",
    ),
    (
        "CB-WSFED-020",
        "<saml:ConfirmationMethod>urn:oasis:names:tc:SAML:1.0:cm:sender-vouches</saml:ConfirmationMethod>",
        "<saml:ConfirmationMethod>urn:oasis:names:tc:SAML:1.0:cm:bearer</saml:ConfirmationMethod>",
    ),
];
