//! A WS-Federation answer, the inside of one, and the form that carries it.

#![no_main]

use libfuzzer_sys::fuzz_target;

mod sound;

fuzz_target!(|bytes: &[u8]| {
    sound::judge(bytes);
    let inside = [
        br#"<t:RequestSecurityTokenResponse xmlns:t="http://schemas.xmlsoap.org/ws/2005/02/trust"><t:RequestedSecurityToken><saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:1.0:assertion" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" AssertionID="_a">"#,
        bytes,
        b"</saml:Assertion></t:RequestedSecurityToken></t:RequestSecurityTokenResponse>",
    ]
    .concat();
    sound::judge(&inside);
    sound::judge(&[b"wa=wsignin1.0&wresult=", bytes].concat());
});
