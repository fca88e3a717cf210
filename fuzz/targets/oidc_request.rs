//! A request of External MFA: the body of a POST; and what a cloud publishes, behind a NUL.

#![no_main]

use claimbridge::{
    base::clock::Timestamp,
    protocol::oidc::{
        hint_keys::{HintKeys, parse_metadata},
        request::{AuthorizationRequest, PostedRequest, RequestError},
    },
    relying_party::{ExternalMfaCloud, ExternalMfaTenant},
};
use libfuzzer_sys::fuzz_target;

const KEYS: &[u8] = br#"{"keys":[{"kty":"RSA","use":"sig","kid":"a","n":"AQAB","e":"AQAB"}]}"#;

fuzz_target!(|bytes: &[u8]| {
    let now = Timestamp::from_millis(1_795_168_800_000);
    let cloud = ExternalMfaCloud::by_name("global").expect("a preset");
    let (body, published) = match bytes.iter().position(|byte| *byte == 0) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[][..]),
    };
    // Where a cloud's keys are is on its own server, or nowhere.
    if let Ok(metadata) = parse_metadata(&cloud, published) {
        assert!(
            metadata.keys.starts_with("https://login.microsoftonline.com/"),
            "{metadata:?}"
        );
    }
    let _ = HintKeys::parse(&cloud, published, now);

    let Ok(body) = std::str::from_utf8(body) else {
        return;
    };
    let tenants = [ExternalMfaTenant {
        tenant: "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse().expect("a GUID"),
        client_id: "c".to_owned(),
        application: "6fa6c2ba-0d5a-4b53-9a0c-7e6a2d3f1b11".parse().expect("a GUID"),
        cloud,
    }];
    let Ok(posted) = PostedRequest::read(body) else {
        return;
    };
    match AuthorizationRequest::parse(posted, &tenants) {
        // An error goes to the one address that is known, and nowhere else.
        Err(RequestError::Answer { answer, .. }) => {
            assert_eq!(answer.action, tenants[0].cloud.reply_url());
        }
        Err(RequestError::Page(_)) => {}
        // Nobody's signature fits.
        Ok(request) => {
            let keys = HintKeys::parse(&tenants[0].cloud, KEYS, now).expect("a key set");
            assert!(request.verify(&tenants, &keys, now).is_err());
        }
    }
});
