//! Attack 8: near misses of the origin. Some of them are the same parsed URL.

use claimbridge::factor::webauthn::{KeyRefused, Purpose, Scope};

use super::kit::{Kit, ORIGIN, Refused};
use crate::soft_key::SoftKey;

const NEAR_MISSES: [&str; 26] = [
    "https://evil-idp.contoso.com",
    "https://evilidp.contoso.com",
    "https://idp.contoso.com.evil.example",
    "https://sub.idp.contoso.com",
    "https://contoso.com",
    "http://idp.contoso.com",
    "https://idp.contoso.com:443",
    "https://idp.contoso.com:8443",
    "https://idp.contoso.com/",
    "https://idp.contoso.com/path",
    "https://idp.contoso.com?x",
    "https://idp.contoso.com.",
    "https://IDP.contoso.com",
    "HTTPS://idp.contoso.com",
    "https://user@idp.contoso.com",
    "https://idp.contoso.com#x",
    "https:idp.contoso.com",
    "https:\\\\idp.contoso.com",
    " https://idp.contoso.com",
    "https://idp.contoso.com\n",
    "https://xn--idp-contoso.com",
    "https://\u{456}dp.contoso.com",
    "https://idp\u{3002}contoso.com",
    "https://%69dp.contoso.com",
    "null",
    "",
];

#[test]
fn attack_8_only_the_exact_origin_registers_and_signs() {
    let kit = Kit::new();
    let mut key = SoftKey::new();
    let row = kit.stored(&mut key);
    for origin in NEAR_MISSES {
        let refused = kit.registration(&mut SoftKey::new(), |answer| {
            answer.client.origin = origin.to_owned();
        });
        assert_eq!(refused.unwrap_err(), KeyRefused::Origin, "{origin:?}");
        let refused = kit.assertion(Purpose::SecondFactor, &mut key, &row, |answer| {
            answer.client.origin = origin.to_owned();
        });
        assert_eq!(refused, Err(Refused::Key(KeyRefused::Origin)), "{origin:?}");
    }
}

#[test]
fn attack_8_many_near_misses_are_one_url() {
    // Why the bytes are compared: parsed, these are the right origin.
    let parsed = |text: &str| url::Url::parse(text).map(|url| url.origin().ascii_serialization());
    let same = NEAR_MISSES
        .iter()
        .filter(|text| parsed(text).as_deref() == Ok(ORIGIN))
        .count();
    assert!(same >= 10, "{same}");
    assert_eq!(Scope::new(ORIGIN, "x").unwrap().origin(), ORIGIN);
}
