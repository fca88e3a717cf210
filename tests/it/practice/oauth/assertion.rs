//! A program that brings a SAML 1.1 assertion from WS-Trust (facts §3): who is it, and never
//! with MFA.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, header},
};
use base64::{
    Engine as _, engine::general_purpose::URL_SAFE, engine::general_purpose::URL_SAFE_NO_PAD,
};
use serde_json::{Value, json};

use super::{
    super::{
        signer::{REGISTERED, STRANGER},
        world::{Browser, call, world},
        wsfed_kit::{Placed, Token, wsfed_world},
    },
    kit::{self, CLI, Parameters, SCOPE, post, refusal},
};

const TOKEN: &str = "/organizations/oauth2/v2.0/token";

fn brings(assertion: &str) -> Parameters {
    Parameters::of(&[
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:saml1_1-bearer",
        ),
        ("client_id", CLI),
        ("scope", SCOPE),
        ("assertion", &URL_SAFE_NO_PAD.encode(assertion)),
    ])
}

fn amr(answer: &super::super::world::Answer) -> Value {
    let tokens = kit::json(answer);
    let token = tokens["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{tokens}"));
    let claims = URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["amr"].clone()
}

#[tokio::test]
async fn an_assertion_becomes_a_token_that_never_says_mfa() {
    // Whichever protocol the browsers of the domain speak.
    for world in [world(), wsfed_world()] {
        let assertion = Token::good(&world).assertion(&REGISTERED);
        assert!(
            assertion.contains("multipleauthn"),
            "it claims MFA, in vain"
        );
        let answer = post(&world, TOKEN, &brings(&assertion)).await;
        assert_eq!(amr(&answer), json!(["pwd"]));
        let refresh = kit::json(&answer)["refresh_token"]
            .as_str()
            .unwrap()
            .to_owned();
        let again = post(&world, TOKEN, &kit::refreshes(&refresh)).await;
        assert_eq!(amr(&again), json!(["pwd"]), "nor do the tokens that follow");
        let padded = brings(&assertion).with("assertion", &URL_SAFE.encode(&assertion));
        assert_eq!(amr(&post(&world, TOKEN, &padded).await), json!(["pwd"]));
        // It signs nobody in in a browser.
        assert!(
            !Browser::default()
                .get(&world, "/")
                .await
                .body
                .contains("signed in.")
        );
    }
}

#[tokio::test]
async fn what_is_wrong_with_it_is_refused_by_entras_number() {
    let world = world();
    let refused = async |number: u64, assertion: &str| {
        let answer = post(&world, TOKEN, &brings(assertion)).await;
        assert_eq!(
            refusal(&answer),
            (400, "invalid_grant".to_owned(), number),
            "{}",
            answer.body
        );
    };
    let wrong = async |number: u64, change: fn(&mut Token)| {
        let mut token = Token::good(&world);
        change(&mut token);
        refused(number, &token.assertion(&REGISTERED)).await;
    };
    refused(50_107, "hallo").await;
    refused(50_107, &Token::good(&world).xml(&REGISTERED)).await;
    refused(5_000_811, &Token::good(&world).assertion(&STRANGER)).await;
    let good = Token::good(&world).assertion(&REGISTERED);
    refused(50_006, &good.replace("agent1@", "agent2@")).await;
    wrong(50_107, |t| t.issuer.push('/')).await;
    wrong(50_008, |t| {
        "urn:federation:microsoftonline.us".clone_into(&mut t.audience);
    })
    .await;
    wrong(50_008, |t| t.placed = Placed::Nowhere).await;
    wrong(50_008, |t| {
        t.issued_at = t.issued_at.minus(Duration::from_hours(2));
    })
    .await;
    wrong(50_008, |t| {
        "urn:oasis:names:tc:SAML:1.0:cm:holder-of-key".clone_into(&mut t.confirmation);
    })
    .await;
    wrong(51_004, |t| "nobody".clone_into(&mut t.immutable_id)).await;
    wrong(50_034, |t| "agent2@contoso.com".clone_into(&mut t.upn)).await;
    wrong(5_000_820, |t| {
        "BOSSid".clone_into(&mut t.immutable_id);
        "BOSSid".clone_into(&mut t.name_identifier);
        "boss@fabrikam.com".clone_into(&mut t.upn);
    })
    .await;
    wrong(50_078, |t| {
        t.first_factor_at = t.first_factor_at.plus(Duration::from_mins(6));
    })
    .await;
    let answer = post(&world, TOKEN, &brings(&good).with("assertion", "%%")).await;
    assert_eq!(refusal(&answer).2, 50_008);
    for missing in ["scope", "assertion"] {
        let answer = post(&world, TOKEN, &brings(&good).without(missing)).await;
        assert_eq!(refusal(&answer).2, 900_144, "{missing}");
    }
}

#[tokio::test]
async fn a_ws_trust_answer_is_read_as_msal_reads_it_and_its_token_judged() {
    let world = world();
    let judged = async |body: String| -> Value {
        let request = Request::post("/active")
            .header(header::HOST, "127.0.0.1:8081")
            .body(Body::from(body))
            .unwrap();
        kit::json(&call(&world.tenant, request).await)
    };
    let soap = |inside: &str| {
        format!(
            "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body>{inside}</s:Body></s:Envelope>"
        )
    };
    let good = Token::good(&world);
    let answer = judged(soap(&good.xml(&REGISTERED))).await;
    assert_eq!(answer["accepted"], true, "{answer}");
    assert_eq!(answer["person"], "agent1@contoso.com");
    assert_eq!(answer["amr"], json!(["pwd"]));
    assert_eq!(
        answer["read"]["grant_type"],
        "urn:ietf:params:oauth:grant-type:saml1_1-bearer"
    );
    // MSAL cuts out bytes: an answer that was indented afterwards is spoiled.
    let indented = good.xml(&REGISTERED).replace("><saml:", ">\n<saml:");
    assert_eq!(judged(soap(&indented)).await["aadsts"], "50006");
    assert_eq!(
        judged(soap(&good.xml(&STRANGER))).await["aadsts"],
        "5000811"
    );
    let mut saml2 = good.clone();
    "urn:oasis:names:tc:SAML:2.0:assertion".clone_into(&mut saml2.token_type);
    let answer = judged(soap(&saml2.xml(&REGISTERED))).await;
    assert_eq!(answer["accepted"], false);
    let fault = soap(
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>wsse:FailedAuthentication</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang=\"en\">The name or the password is not right.</s:Text></s:Reason></s:Fault>",
    );
    let answer = judged(fault).await;
    assert_eq!(answer["read"], json!(null));
    let reason = answer["reason"].as_str().unwrap();
    assert!(reason.contains("wsse:FailedAuthentication"), "{reason}");
}
