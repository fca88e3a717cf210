//! Each rule about an answer refuses when its one thing is wrong, and nothing else is.

use std::time::Duration;

use aws_lc_rs::hmac;
use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    super::world::{Browser, failed},
    kit::{PUBLISHED, STRANGER, Token, external_world},
};

#[tokio::test]
async fn a_good_answer_is_accepted_and_goes_on_to_partner_center_with_mfa() {
    let (world, provider) = external_world().await;
    let mut browser = Browser::default();
    let onward = browser.second_factor(&world, &provider, |_| {}).await;
    assert_eq!(onward.status, StatusCode::SEE_OTHER, "{}", onward.body);
    assert!(!onward.location().contains("eyJ"), "no token in an address");
    let desk = browser.partner_center(&world, onward.location()).await;
    let desk = browser.partner_center(&world, desk.location()).await;
    assert_eq!(desk.status, StatusCode::OK, "{}", desk.body);

    let last = browser.last(&world).await;
    assert_eq!(last["protocol"], "externalMfa");
    assert_eq!(last["accepted"], true);
    assert_eq!(last["method"], "otp");
    assert_eq!(last["amr"], json!(["pwd", "mfa"]));
    assert_eq!(last["access_token_claims"]["amr"], json!(["pwd", "mfa"]));
    assert_eq!(last["findings"], json!([]), "the inspector agrees");
    assert_eq!(failed(&last), Vec::<&str>::new());
    assert_eq!(last["checks"].as_array().unwrap().len(), 16);
    assert_eq!(last["partner_center"]["status"], 200);
    let page = browser.get(&world, "/result").await;
    assert!(page.body.contains("Accepted, with MFA"), "{}", page.body);
    assert!(
        page.body.contains("16. That method"),
        "numbered: {}",
        page.body
    );
    let again = browser.get(&world, "/onward").await;
    assert_eq!(again.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_federated_round_afterwards_is_the_last_one() {
    let (world, provider) = external_world().await;
    let mut browser = Browser::default();
    browser.second_factor(&world, &provider, |_| {}).await;
    browser
        .sign_in(&world, &super::super::signer::REGISTERED, |_| {})
        .await;
    assert_eq!(browser.last(&world).await["protocol"], "saml");
}

/// Rule, Microsoft's number, and what spoils the token.
type Spoilt = (&'static str, &'static str, fn(&mut Token));

fn claim(token: &mut Token, name: &str, value: Value) {
    token.claims[name] = value;
}

fn without(token: &mut Token, name: &str) {
    token.claims.as_object_mut().unwrap().remove(name);
}

fn moved(token: &mut Token, name: &str, seconds: i64) {
    let value = token.claims[name].as_i64().unwrap() + seconds;
    claim(token, name, json!(value));
}

fn extended(token: &mut Token, name: &str, by: &str) {
    let value = format!("{}{by}", token.claims[name].as_str().unwrap());
    claim(token, name, json!(value));
}

const SPOILT: &[Spoilt] = &[
    ("algorithm", "50027", |token| {
        token.header["alg"] = json!("none");
    }),
    ("algorithm", "50027", |token| {
        token.header["alg"] = json!("PS256");
    }),
    ("algorithm", "50027", |token| {
        token.header["alg"] = json!("rs256");
    }),
    ("algorithm", "50027", |token| {
        token.header["alg"] = json!(["RS256"]);
    }),
    ("algorithm", "50027", |token| {
        token.header["crit"] = json!(["exp"]);
    }),
    ("algorithm", "50027", |token| {
        token.header.as_object_mut().unwrap().remove("alg");
    }),
    ("kid", "50012", |token| {
        token.header["kid"] = json!(STRANGER.kid());
    }),
    ("kid", "50012", |token| {
        token.header["kid"] = json!(PUBLISHED.kid().trim_end_matches('='));
    }),
    ("kid", "50012", |token| {
        token.header["kid"] = json!(PUBLISHED.kid().to_lowercase());
    }),
    ("kid", "50012", |token| {
        token.header.as_object_mut().unwrap().remove("kid");
    }),
    ("issuer", "50027", |token| extended(token, "iss", "/")),
    ("issuer", "50027", |token| {
        let upper = token.claims["iss"]
            .as_str()
            .unwrap()
            .replace("http", "HTTP");
        claim(token, "iss", json!(upper));
    }),
    ("issuer", "50027", |token| without(token, "iss")),
    ("audience", "50027", |token| {
        claim(token, "aud", json!("another"));
    }),
    ("audience", "50027", |token| {
        claim(token, "aud", json!([super::kit::CLIENT]));
    }),
    ("audience", "50027", |token| {
        claim(token, "aud", json!(super::kit::APPLICATION));
    }),
    ("audience", "50027", |token| without(token, "aud")),
    ("subject", "50027", |token| extended(token, "sub", "x")),
    ("subject", "50027", |token| {
        claim(token, "sub", json!("4988e250-5aee-482a-9136-6d269cb755c0"));
    }),
    ("subject", "50027", |token| without(token, "sub")),
    ("nonce", "50027", |token| extended(token, "nonce", "=")),
    ("nonce", "50027", |token| without(token, "nonce")),
    ("time", "50027", |token| without(token, "exp")),
    ("time", "50027", |token| without(token, "iat")),
    ("time", "50027", |token| {
        moved(token, "iat", -250);
        moved(token, "exp", -601);
    }),
    ("time", "50027", |token| {
        moved(token, "iat", 301);
        moved(token, "exp", 301);
    }),
    ("time", "50027", |token| moved(token, "iat", -301)),
    ("time", "50027", |token| moved(token, "exp", -300)),
    ("time", "50027", |token| {
        let text = token.claims["exp"].to_string();
        claim(token, "exp", json!(text));
    }),
    ("time", "50027", |token| {
        let later = token.claims["iat"].as_i64().unwrap() + 301;
        claim(token, "nbf", json!(later));
    }),
    ("acr", "50159", |token| {
        claim(token, "acr", json!("knowledgeorpossession"));
    }),
    ("acr", "50159", |token| {
        claim(token, "acr", json!(["possessionorinherence"]));
    }),
    ("acr", "50159", |token| without(token, "acr")),
    ("amr", "50130", |token| claim(token, "amr", json!("otp"))),
    ("amr", "50130", |token| {
        claim(token, "amr", json!(["otp", "hwk"]));
    }),
    ("amr", "50130", |token| claim(token, "amr", json!(["mfa"]))),
    ("amr", "50130", |token| claim(token, "amr", json!(["pwd"]))),
    ("amr", "50130", |token| claim(token, "amr", json!(["OTP"]))),
    ("amr", "50130", |token| claim(token, "amr", json!([]))),
    ("amr", "50130", |token| claim(token, "amr", json!([1]))),
    ("amr", "50130", |token| without(token, "amr")),
];

#[tokio::test]
async fn each_rule_about_the_token_refuses_when_its_one_thing_is_wrong() {
    let (world, provider) = external_world().await;
    for (at, (rule, aadsts, change)) in SPOILT.iter().enumerate() {
        let mut browser = Browser::default();
        let answer = browser.second_factor(&world, &provider, change).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{at} {rule}");
        let last = browser.last(&world).await;
        assert_eq!(failed(&last), [*rule], "{at}");
        assert_eq!(last["aadsts"], *aadsts, "{at} {rule}");
        assert_eq!(last["accepted"], false, "{at} {rule}");
        assert_eq!(last["access_token"], Value::Null, "{at} {rule}");
        // It has no rule about an iat before the request, or an exp not after iat.
        if *rule != "time" {
            assert_ne!(
                last["findings"],
                json!([]),
                "the inspector sees it: {at} {rule}"
            );
        }
        assert!(
            answer.body.contains(&format!("AADSTS{aadsts}")),
            "{at}: {}",
            answer.body
        );
        // Nobody is signed in by it.
        let onward = browser.get(&world, "/onward").await;
        assert_eq!(onward.location(), "/result", "{at} {rule}");
    }
}

/// A changed text of the token: rule, number, what changes it.
type Changed = (&'static str, &'static str, fn(&Token) -> String);

const CHANGED: &[Changed] = &[
    ("form", "50027", |_| "no token".to_owned()),
    ("form", "50027", |token| {
        format!("{}.", token.signed(&PUBLISHED))
    }),
    ("form", "50027", |token| {
        format!("{}=", token.signed(&PUBLISHED))
    }),
    ("form", "50027", |token| {
        let body = token.claims.to_string();
        let twice = body.replacen('{', "{\"sub\":\"somebody else\",", 1);
        token.signed_as(&PUBLISHED, &twice)
    }),
    ("form", "50027", |token| token.signed_as(&PUBLISHED, "[]")),
    // Another key under the published one's name, also where the header brings that key.
    ("signature", "50012", |token| token.signed(&STRANGER)),
    ("signature", "50012", |token| {
        let mut token = Token {
            header: token.header.clone(),
            claims: token.claims.clone(),
        };
        token.header["jwk"] = STRANGER.jwk();
        token.header["x5c"] = STRANGER.jwk()["x5c"].clone();
        token.signed(&STRANGER)
    }),
    // Other claims under a good signature.
    ("signature", "50012", |token| {
        let good = token.signed(&PUBLISHED);
        let (_, signature) = good.rsplit_once('.').unwrap();
        let mut other = Token {
            header: token.header.clone(),
            claims: token.claims.clone(),
        };
        other.claims["sub"] = json!("somebody else");
        let text = other.signed(&PUBLISHED);
        let (signed, _) = text.rsplit_once('.').unwrap();
        format!("{signed}.{signature}")
    }),
    ("signature", "50012", |token| {
        let good = token.signed(&PUBLISHED);
        format!("{}.", good.rsplit_once('.').unwrap().0)
    }),
    // The public key as a secret that everybody knows.
    ("algorithm", "50027", |token| {
        let mut token = Token {
            header: token.header.clone(),
            claims: token.claims.clone(),
        };
        token.header["alg"] = json!("HS256");
        let text = token.signed(&PUBLISHED);
        let (signed, _) = text.rsplit_once('.').unwrap();
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &PUBLISHED.modulus());
        let tag = hmac::sign(&secret, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }),
];

#[tokio::test]
async fn a_token_that_is_not_signed_as_it_stands_is_refused_unread() {
    let (world, provider) = external_world().await;
    for (at, (rule, aadsts, change)) in CHANGED.iter().enumerate() {
        let mut browser = Browser::default();
        let round = browser.asks(&world, "password").await;
        let text = change(&Token::good(&world, &provider, &round));
        let state = round.value("state");
        browser
            .answers(&world, &[("id_token", &text), ("state", state)])
            .await;
        let last = browser.last(&world).await;
        assert_eq!(failed(&last), [*rule], "{at}");
        assert_eq!(last["aadsts"], *aadsts, "{at}");
        assert_eq!(last["claims"], Value::Null, "{at}: unread");
        assert_eq!(last["access_token"], Value::Null, "{at}");
    }
}

#[tokio::test]
async fn one_factor_never_counts_twice() {
    let (world, provider) = external_world().await;
    for (method, kept) in [
        ("otp", false),
        ("fido", false),
        ("hwk", false),
        ("face", true),
    ] {
        let mut browser = Browser::default();
        let round = browser.asks(&world, "certificate").await;
        assert_eq!(round.acr(), "knowledgeorinherence");
        let mut token = Token::good(&world, &provider, &round);
        token.claims["amr"] = json!([method]);
        let text = token.signed(&PUBLISHED);
        let state = round.value("state");
        browser
            .answers(&world, &[("id_token", &text), ("state", state)])
            .await;
        let last = browser.last(&world).await;
        assert_eq!(last["accepted"], kept, "{method}");
        if kept {
            assert_eq!(last["amr"], json!(["rsa", "mfa"]), "{method}");
        } else {
            assert_eq!(failed(&last), ["class"], "{method}");
            assert_eq!(last["aadsts"], "50159", "{method}");
        }
    }
}

#[tokio::test]
async fn attack_5_what_was_sent_dies_after_five_minutes_and_is_answered_once() {
    let (world, provider) = external_world().await;
    for (seconds, kept) in [(299, true), (300, true), (301, false), (86_000, false)] {
        let mut browser = Browser::default();
        let round = browser.asks(&world, "password").await;
        world.clock.advance(Duration::from_secs(seconds));
        let text = Token::good(&world, &provider, &round).signed(&PUBLISHED);
        let form = [("id_token", text.as_str()), ("state", round.value("state"))];
        browser.answers(&world, &form).await;
        let last = browser.last(&world).await;
        assert_eq!(last["accepted"], kept, "{seconds}");
        if !kept {
            assert_eq!(failed(&last), ["in-time"], "{seconds}");
        }
        // The same again: a replay, also where the first one was too late.
        let answer = browser.answers(&world, &form).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{seconds}");
        assert_eq!(failed(&browser.last(&world).await), ["first"], "{seconds}");
    }
}

#[tokio::test]
async fn an_answer_without_a_request_of_ours_is_refused() {
    let (world, provider) = external_world().await;
    let mut browser = Browser::default();
    let round = browser.asks(&world, "password").await;
    let text = Token::good(&world, &provider, &round).signed(&PUBLISHED);
    let other = format!("{}x", round.value("state"));
    for form in [
        vec![("id_token", text.as_str()), ("state", other.as_str())],
        vec![("id_token", text.as_str())],
        vec![("error", "access_denied")],
    ] {
        let mut stranger = Browser::default();
        stranger.answers(&world, &form).await;
        assert_eq!(failed(&stranger.last(&world).await), ["state"]);
    }
    // And another round's token does not answer this one.
    let other = browser.asks(&world, "password").await;
    let form = [("id_token", text.as_str()), ("state", other.value("state"))];
    browser.answers(&world, &form).await;
    assert_eq!(failed(&browser.last(&world).await), ["nonce"]);
}

#[tokio::test]
async fn an_error_signs_nobody_in_and_is_told_as_entra_tells_it() {
    let (world, provider) = external_world().await;
    for (error, words) in [
        ("access_denied", "lets them try again"),
        ("temporarily_unavailable", "cannot be used just now"),
        ("invalid_request", "an administrator has to look into it"),
    ] {
        let mut browser = Browser::default();
        let round = browser.asks(&world, "password").await;
        let state = round.value("state");
        let answer = browser
            .answers(&world, &[("error", error), ("state", state)])
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{error}");
        assert!(answer.body.contains(words), "{error}: {}", answer.body);
        let last = browser.last(&world).await;
        assert_eq!(last["outcome"], "declined", "{error}");
        assert_eq!(last["error"], error);
        assert_eq!(last["access_token"], Value::Null);
    }
    // Both at once, or neither, is no answer.
    let mut browser = Browser::default();
    for with_both in [true, false] {
        let round = browser.asks(&world, "password").await;
        let text = Token::good(&world, &provider, &round).signed(&PUBLISHED);
        let mut form = vec![("state", round.value("state"))];
        if with_both {
            form.extend([("id_token", text.as_str()), ("error", "access_denied")]);
        }
        browser.answers(&world, &form).await;
        let last = browser.last(&world).await;
        assert_eq!(last["outcome"], "rejected", "{with_both}");
        assert_eq!(failed(&last), ["answer"], "{with_both}");
    }
}
