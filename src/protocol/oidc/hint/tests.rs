//! One thing is changed in each case, and all else is right: so it is that thing which is refused.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::*;
use crate::{
    protocol::oidc::a_cloud::{
        AUTHORITY, CLOUD, CloudKey, KID, NOW, OTHER_AUTHORITY, SUBJECT, TENANT, claims, contoso,
        fabrikam, keys_of, signed_part, with,
    },
    relying_party::ExternalMfaCloud,
};

static STRANGER: LazyLock<CloudKey> = LazyLock::new(|| CloudKey::new(KID));

fn header() -> Value {
    json!({"typ": "JWT", "alg": "RS256", "kid": KID})
}

fn verify_at(token: &str, now: Timestamp) -> Result<VerifiedHint, HintError> {
    let keys = keys_of(&contoso().cloud, &[CLOUD.jwk()]);
    UnverifiedHint::parse(token)?.verify(&contoso(), &keys, now)
}

fn verify(token: &str) -> Result<VerifiedHint, HintError> {
    verify_at(token, NOW)
}

#[test]
fn a_right_hint_says_who_it_is_and_what_must_be_remembered() {
    let token = CLOUD.hint(&with(claims(), "amr", json!(["pwd"])));
    let hint = verify(&token).unwrap();
    assert_eq!(hint.tenant().to_string(), TENANT);
    assert_eq!(
        hint.object_id().to_string(),
        "bbbbcccc-1111-dddd-2222-eeee3333ffff"
    );
    assert_eq!(hint.subject(), SUBJECT);
    assert_eq!(hint.preferred_username(), Some("agent1@contoso.com"));
    assert_eq!(
        (hint.upn(), hint.first_amr()),
        (None, &["pwd".to_owned()][..])
    );
    assert_eq!(hint.issued_at(), NOW);
    // It is remembered as long as it would be taken.
    assert_eq!(hint.once().until, NOW.plus(MAX_AGE));
    assert_eq!(hint.once().key.len(), 64);
    assert_eq!(verify(&token).unwrap().once(), hint.once());
    let other = verify(&CLOUD.hint(&with(claims(), "uti", json!("x2")))).unwrap();
    assert_ne!(other.once().key, hint.once().key);
}

#[test]
fn attack_23_one_hint_is_one_however_its_signature_is_written() {
    let token = CLOUD.hint(&claims());
    let once = verify(&token).unwrap().once().key.clone();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    // Of the last digit four bits stand for nothing.
    let last = signature.chars().last().unwrap();
    let unused = char::from_u32(u32::from(last) + 1).unwrap();
    let cut = &signature[..signature.len() - 1];
    // What stands for a hint does not hang on bytes that nobody signed.
    for altered in [
        format!("{signed}.{cut}{unused}"),
        format!("{signed}.{signature}="),
        format!("{signed}.{signature}A"),
        format!("{signed}.{}", signature.replace('-', "+").replace('_', "/")),
        format!("{signed}.{signature}."),
        format!("{token}.{signature}"),
    ] {
        match verify(&altered) {
            Ok(hint) => assert_eq!(hint.once().key, once, "{altered}"),
            Err(HintError::Form | HintError::Verification(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn attack_23_each_claim_is_looked_at() {
    let application = contoso().application.to_string();
    let is = |error: &HintError, of: &str| format!("{error:?}").starts_with(of);
    for (name, value, of) in [
        // Who signs for whom.
        (
            "iss",
            json!(format!("{OTHER_AUTHORITY}/{TENANT}/v2.0")),
            "Verification",
        ),
        (
            "iss",
            json!(format!("{AUTHORITY}/{TENANT}/v2.0/")),
            "Verification",
        ),
        (
            "iss",
            json!(format!("{AUTHORITY}/{TENANT}/")),
            "Verification",
        ),
        (
            "iss",
            json!(format!("{AUTHORITY}/{{tenantid}}/v2.0")),
            "Verification",
        ),
        (
            "iss",
            json!(format!("{AUTHORITY}/{}/v2.0", TENANT.to_uppercase())),
            "Verification",
        ),
        (
            "iss",
            json!(format!("https://sts.windows.net/{TENANT}/")),
            "Verification",
        ),
        (
            "iss",
            json!(format!(
                "{AUTHORITY}/99999999-0000-cccc-1111-dddd2222eeee/v2.0"
            )),
            "Verification",
        ),
        (
            "tid",
            json!("99999999-0000-cccc-1111-dddd2222eeee"),
            "Nobody(\"tid\"",
        ),
        ("tid", Value::Null, "Nobody(\"tid\""),
        ("tid", json!("common"), "Form"),
        // For whom.
        (
            "aud",
            json!("99999999-0000-cccc-1111-dddd2222eeee"),
            "Audience",
        ),
        ("aud", json!(application.to_uppercase()), "Audience"),
        ("aud", json!([application, "another"]), "Audience"),
        ("aud", json!([]), "Audience"),
        ("aud", Value::Null, "Audience"),
        ("ver", json!("1.0"), "Version"),
        ("ver", Value::Null, "Version"),
        // What it is.
        ("scp", json!("User.Read"), "NotAPerson"),
        ("idtyp", json!("app"), "NotAPerson"),
        // About whom.
        ("oid", Value::Null, "Nobody(\"oid\""),
        ("oid", json!("agent1@contoso.com"), "Form"),
        ("sub", json!(""), "Nobody(\"sub\""),
        ("sub", json!("a".repeat(256)), "Nobody(\"sub\""),
        ("sub", Value::Null, "Form"),
        // When.
        ("iat", json!(NOW.as_secs() - 601), "NotNow"),
        ("iat", json!(NOW.as_secs() + 301), "NotNow"),
        ("nbf", json!(NOW.as_secs() + 301), "NotNow"),
        ("iat", Value::Null, "Form"),
        ("iat", json!("now"), "Form"),
    ] {
        let token = CLOUD.hint(&with(claims(), name, value.clone()));
        let error = verify(&token).map(|_| ()).unwrap_err();
        assert!(is(&error, of), "{name} {value}: {error:?}");
    }
    assert!(verify(&CLOUD.hint(&claims())).is_ok());
}

#[test]
fn what_varies_rightly_is_taken() {
    let of_client = contoso().client_id;
    for (name, value) in [
        // The documentation says the one name of ours, the field another (facts §5.4).
        ("aud", json!(of_client)),
        ("aud", json!([contoso().application.to_string()])),
        ("iat", json!(NOW.as_secs() - 600)),
        ("iat", json!(NOW.as_secs() + 300)),
        ("exp", json!(NOW.as_secs() - 86_400)),
        ("exp", json!(NOW.as_secs() + 3600)),
        ("nbf", Value::Null),
        ("idtyp", json!("user")),
        ("preferred_username", Value::Null),
        ("preferred_username", json!("guest@fabrikam.example")),
        ("amr", json!(["pwd", "rsa"])),
        ("roles", json!(["x"])),
    ] {
        let token = CLOUD.hint(&with(claims(), name, value.clone()));
        verify(&token).unwrap_or_else(|error| panic!("{name} {value}: {error:?}"));
    }
}

#[test]
fn a_name_that_no_page_should_show_is_none() {
    let longest = "a".repeat(MAX_NAME);
    let too_long = format!("{longest}a");
    for (name, is_shown) in [
        (longest.as_str(), true),
        (&too_long, false),
        ("", false),
        ("a\nb", false),
    ] {
        for claim in ["preferred_username", "upn"] {
            let hint = verify(&CLOUD.hint(&with(claims(), claim, json!(name)))).unwrap();
            let read = match claim {
                "upn" => hint.upn(),
                _ => hint.preferred_username(),
            };
            assert_eq!(read, is_shown.then_some(name), "{claim} {name:?}");
        }
    }
}

/// A guest is known by no name of the tenant's: `acct` says it, or who signed the person in.
#[test]
fn attack_23_a_guest_is_told_from_a_member() {
    let own = format!("https://sts.windows.net/{}/", TENANT.to_uppercase());
    for (claim, value, membership) in [
        ("acct", Value::Null, Membership::Member),
        ("acct", json!(0), Membership::Member),
        ("acct", json!(1), Membership::Guest),
        ("acct", json!("1"), Membership::Guest),
        ("idp", json!(own), Membership::Member),
        ("idp", json!("live.com"), Membership::Guest),
        ("idp", json!(7), Membership::Guest),
    ] {
        let hint = verify(&CLOUD.hint(&with(claims(), claim, value.clone()))).unwrap();
        assert_eq!(hint.membership(), membership, "{claim} {value}");
    }
}

#[test]
fn of_many_first_methods_sixteen_are_kept() {
    let many: Vec<String> = (0..100).map(|count| format!("m{count}")).collect();
    let hint = verify(&CLOUD.hint(&with(claims(), "amr", json!(many)))).unwrap();
    assert_eq!(hint.first_amr(), &many[..16]);
}

#[test]
fn attack_5_a_hint_is_of_now() {
    let token = CLOUD.hint(&claims());
    let second = Duration::from_secs(1);
    for (now, is_taken) in [
        (NOW.plus(MAX_AGE), true),
        (NOW.plus(MAX_AGE).plus(second), false),
        (NOW.minus(MAX_AHEAD), true),
        (NOW.minus(MAX_AHEAD).minus(second), false),
    ] {
        assert_eq!(verify_at(&token, now).is_ok(), is_taken, "{now}");
    }
    // What must be remembered outlives it.
    let until = verify(&token).unwrap().once().until;
    assert!(verify_at(&token, until.plus(second)).is_err());
}

#[test]
fn attack_23_none_hs256_and_other_algorithms_are_refused() {
    let public_key = URL_SAFE_NO_PAD
        .decode(CLOUD.jwk()["n"].as_str().unwrap())
        .unwrap();
    for (alg, of) in [
        (json!("none"), "Algorithm"),
        (json!("None"), "Algorithm"),
        (json!("HS256"), "Algorithm"),
        (json!("RS512"), "Algorithm"),
        (json!("PS256"), "Algorithm"),
        (json!("rs256"), "Algorithm"),
        (json!("ES256"), "Algorithm"),
        (json!(["RS256"]), "Form"),
        (Value::Null, "Form"),
    ] {
        let head = with(header(), "alg", alg.clone());
        let signed = signed_part(&head, &claims());
        let hmac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &public_key);
        let mac = aws_lc_rs::hmac::sign(&hmac, signed.as_bytes());
        for signature in [CLOUD.sign(&signed), mac.as_ref().to_vec(), Vec::new()] {
            let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
            let error = verify(&token).map(|_| ()).unwrap_err();
            assert!(format!("{error:?}").starts_with(of), "{alg}: {error:?}");
        }
    }
    // RS256 by word, and no signature, or an HMAC with the public key.
    let signed = signed_part(&header(), &claims());
    let hmac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &public_key);
    let mac = aws_lc_rs::hmac::sign(&hmac, signed.as_bytes());
    for signature in [Vec::new(), vec![0; 256], mac.as_ref().to_vec()] {
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        let error = verify(&token).map(|_| ()).unwrap_err();
        assert!(matches!(error, HintError::Verification(_)), "{error:?}");
    }
}

#[test]
fn attack_23_the_header_chooses_no_key_and_nothing_in_it_is_fetched() {
    // A stranger's key, under the cloud's name for its own.
    let stranger = STRANGER.jwk();
    for (name, value) in [
        ("jwk", stranger.clone()),
        ("jku", json!("https://evil.example/keys")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", stranger["x5c"].clone()),
    ] {
        let head = with(header(), name, value);
        let by_stranger = verify(&STRANGER.token(&head, &claims()));
        assert!(
            matches!(by_stranger, Err(HintError::Verification(_))),
            "{name}"
        );
        // And it does no harm where the cloud's own key signed.
        assert!(verify(&CLOUD.token(&head, &claims())).is_ok(), "{name}");
    }
    for (name, value, of) in [
        ("crit", json!(["exp"]), "Verification"),
        ("crit", json!([]), "Verification"),
        ("cty", json!("JWT"), "Verification"),
        ("typ", json!("at+jwt"), "Verification"),
        ("enc", json!("A256GCM"), "Encrypted"),
        ("kid", Value::Null, "NoKey"),
        ("kid", json!(""), "NoKey"),
        ("kid", json!("x".repeat(257)), "NoKey"),
        ("kid", json!("another"), "UnknownKey(\"another\""),
        ("kid", json!(KID.to_lowercase()), "UnknownKey"),
    ] {
        let token = CLOUD.token(&with(header(), name, value.clone()), &claims());
        let error = verify(&token).map(|_| ()).unwrap_err();
        assert!(
            format!("{error:?}").starts_with(of),
            "{name} {value}: {error:?}"
        );
    }
    // A byte of the signed part.
    let token = CLOUD.hint(&claims());
    let altered = CLOUD.hint(&with(claims(), "uti", json!("x2")));
    let (signed, _) = altered.rsplit_once('.').unwrap();
    let (_, signature) = token.rsplit_once('.').unwrap();
    let error = verify(&format!("{signed}.{signature}"))
        .map(|_| ())
        .unwrap_err();
    assert!(matches!(error, HintError::Verification(_)), "{error:?}");
}

#[test]
fn attack_23_a_key_verifies_for_its_cloud_and_for_whom_the_cloud_lets_it_sign() {
    let hint = UnverifiedHint::parse(&CLOUD.hint(&claims())).unwrap();
    let verify = |cloud: &ExternalMfaCloud, key: Value| {
        let keys = keys_of(cloud, &[key]);
        hint.verify(&contoso(), &keys, NOW).map(|_| ())
    };
    assert!(verify(&contoso().cloud, CLOUD.jwk()).is_ok());
    assert!(matches!(
        verify(&fabrikam().cloud, CLOUD.jwk()),
        Err(HintError::OtherCloud)
    ));
    for (issuer, is_taken) in [
        (Value::Null, true),
        (json!(format!("{AUTHORITY}/{TENANT}/v2.0")), true),
        // A key for personal accounts signs for no organisation (Storm-0558).
        (
            json!(format!(
                "{AUTHORITY}/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"
            )),
            false,
        ),
        (json!(format!("{OTHER_AUTHORITY}/{{tenantid}}/v2.0")), false),
    ] {
        let outcome = verify(
            &contoso().cloud,
            with(CLOUD.jwk(), "issuer", issuer.clone()),
        );
        assert_eq!(outcome.is_ok(), is_taken, "{issuer}");
        if !is_taken {
            assert!(matches!(outcome, Err(HintError::UnknownKey(_))), "{issuer}");
        }
    }
}

#[test]
fn attack_31_an_encrypted_or_shapeless_hint_is_refused() {
    let token = CLOUD.hint(&claims());
    let parts: Vec<&str> = token.split('.').collect();
    for shapeless in [
        String::new(),
        "a".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        parts[0].to_owned(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{token}.x.y"),
        format!(" {token}"),
        format!("{}.{}=.{}", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}", parts[1], parts[0], parts[2]),
        "{}".to_owned(),
    ] {
        assert!(UnverifiedHint::parse(&shapeless).is_err(), "{shapeless}");
    }
    let encrypted = format!(
        "{}.a.b.c.d",
        URL_SAFE_NO_PAD.encode(json!({"alg": "RSA-OAEP", "enc": "A256GCM"}).to_string())
    );
    let error = UnverifiedHint::parse(&encrypted).unwrap_err();
    assert!(matches!(error, HintError::Encrypted), "{error:?}");
    let large = CLOUD.hint(&with(claims(), "x", json!("x".repeat(MAX_HINT))));
    let error = UnverifiedHint::parse(&large).unwrap_err();
    assert!(matches!(error, HintError::TooLarge), "{error:?}");
    let deep = format!("{{\"tid\":\"{TENANT}\",\"x\":{}", "[".repeat(4000));
    let deep = format!("{}.{}.x", parts[0], URL_SAFE_NO_PAD.encode(deep));
    assert!(UnverifiedHint::parse(&deep).is_err());
    // A member that stands twice is read by two readers as two.
    let twice = format!("{{\"tid\":\"{TENANT}\",\"tid\":\"{TENANT}\"}}");
    let twice = format!("{}.{}.x", parts[0], URL_SAFE_NO_PAD.encode(twice));
    assert!(UnverifiedHint::parse(&twice).is_err());
}
