//! Which responses the tenant takes, and with which error it refuses the others.

use axum::http::StatusCode;
use claimbridge::base::clock::Clock as _;
use std::{collections::BTreeSet, time::Duration};

use super::{
    signer::{REGISTERED, Response, STRANGER, Signed},
    world::{Browser, PARTNER_CENTER, World, failed, good, world},
};

/// The claims of the token in Microsoft's documentation (the fixture's keys).
const DOCUMENTED_CLAIMS: [&str; 20] = [
    "acr",
    "amr",
    "appid",
    "appidacr",
    "aud",
    "exp",
    "family_name",
    "given_name",
    "iat",
    "ipaddr",
    "iss",
    "name",
    "nbf",
    "oid",
    "scp",
    "tenant_region_scope",
    "tid",
    "unique_name",
    "upn",
    "ver",
];

#[tokio::test]
async fn a_good_response_ends_at_partner_center_accepted() {
    let world = world();
    let mut browser = Browser::default();
    let answer = browser.sign_in(&world, &REGISTERED, |_| {}).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let onward = answer.location().to_owned();
    assert!(
        onward.starts_with(PARTNER_CENTER),
        "another origin, as Entra does"
    );

    let last = browser.last(&world).await;
    assert_eq!(last["accepted"], true);
    assert_eq!(last["amr"], serde_json::json!(["pwd", "mfa"]));
    assert_eq!(last["partner_center"]["status"], 200);
    assert_eq!(last["person"], "agent1@contoso.com");
    assert_eq!(last["findings"], serde_json::json!([]));
    assert_eq!(last["undecided"], serde_json::json!([]));
    for (at, consumer) in ["entra-saml2", "partner-center"].into_iter().enumerate() {
        let verdict = &last["verdicts"][at];
        assert_eq!(verdict["consumer"], consumer);
        assert_eq!(verdict["outcome"], "accepted");
        assert_eq!(verdict["mfa"], true);
    }
    assert_eq!(last["token_findings"], serde_json::json!([]));
    let claims = last["access_token_claims"].as_object().unwrap();
    assert_eq!(
        claims.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        BTreeSet::from(DOCUMENTED_CLAIMS)
    );
    let token = last["access_token"].as_str().unwrap();
    assert!(
        !onward.contains(token),
        "the token never stands in an address"
    );

    let arrival = browser.partner_center(&world, &onward).await;
    assert_eq!(arrival.status, StatusCode::SEE_OTHER);
    let page = browser.partner_center(&world, arrival.location()).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Partner Center: accepted"));

    // The handle was good once.
    let mut thief = Browser::default();
    let again = thief.partner_center(&world, &onward).await;
    let page = thief.partner_center(&world, again.location()).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.body.contains("Partner Center: 401"));
}

#[tokio::test]
async fn a_response_signed_around_the_assertion_too_is_accepted() {
    let world = world();
    let answer = Browser::default()
        .sign_in(&world, &REGISTERED, |r| r.signed = Signed::Both)
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
}

#[tokio::test]
async fn someone_of_a_sub_domain_is_accepted_under_the_root() {
    let world = world();
    let answer = Browser::default()
        .sign_in(&world, &REGISTERED, |r| {
            r.name_id = "AGENT2id".to_owned();
            r.email = "Agent2@EU.contoso.com".to_owned();
        })
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
}

/// Signs in with one thing wrong: exactly that check fails, with that error.
async fn refused(world: &World, check: &str, aadsts: &str, change: impl FnOnce(&mut Response)) {
    let mut browser = Browser::default();
    let answer = browser.sign_in(world, &REGISTERED, change).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{check}");
    let last = browser.last(world).await;
    assert_eq!(failed(&last), [check]);
    assert_eq!(last["aadsts"], aadsts, "{check}");
    assert_eq!(last["accepted"], false);
    assert_eq!(last["amr"], serde_json::json!([]));
    assert_eq!(last["access_token"], serde_json::Value::Null);
    assert_eq!(last["partner_center"]["status"], 401);
    assert!(answer.body.contains(&format!("AADSTS{aadsts}")), "{check}");
    // The inspector knows no directory; in all else the two agree, without knowing each other.
    let knows = !["person", "email"].contains(&check);
    let inspector = last["verdicts"][0]["outcome"] == "rejected";
    assert_eq!(inspector, knows, "{check}: {}", last["findings"]);
}

#[tokio::test]
async fn each_wrong_thing_is_refused_by_its_check() {
    let world = world();
    refused(&world, "issuer", "50107", |r| r.issuer.push('/')).await;
    refused(&world, "audience", "50008", |r| {
        r.audience = "urn:federation:microsoftonline.us".to_owned();
    })
    .await;
    refused(&world, "recipient", "500089", |r| {
        r.recipient = "http://127.0.0.1:8081/login.srf/".to_owned();
    })
    .await;
    refused(&world, "request", "500089", |r| {
        r.in_response_to = "_other".to_owned();
    })
    .await;
    refused(&world, "name-id", "500089", |r| {
        r.name_id_format = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified".to_owned();
    })
    .await;
    refused(&world, "person", "51004", |r| {
        r.name_id = "agent1ID".to_owned();
    })
    .await;
    refused(&world, "email", "50034", |r| {
        r.email = "agent2@contoso.com".to_owned();
    })
    .await;
    refused(&world, "root-domain", "5000820", |r| {
        r.name_id = "BOSSid".to_owned();
        r.email = "boss@fabrikam.com".to_owned();
    })
    .await;
    refused(&world, "signed", "50008", |r| r.signed = Signed::Nothing).await;
    refused(&world, "signed", "50008", |r| {
        r.signed = Signed::ResponseOnly;
    })
    .await;
    refused(&world, "time", "50008", |r| {
        r.issued_at = r.issued_at.minus(Duration::from_mins(11));
    })
    .await;
    refused(&world, "sign-in", "50078", |r| {
        r.signed_in_at = r.signed_in_at.plus(Duration::from_mins(6));
    })
    .await;
}

#[tokio::test]
async fn a_strangers_key_is_named_as_such() {
    let world = world();
    let mut browser = Browser::default();
    browser.sign_in(&world, &STRANGER, |_| {}).await;
    let last = browser.last(&world).await;
    assert_eq!(failed(&last), ["certificate"]);
    assert_eq!(last["aadsts"], "5000811");
}

#[tokio::test]
async fn a_status_other_than_success_is_shown() {
    let world = world();
    let mut browser = Browser::default();
    let answer = browser
        .sign_in(&world, &REGISTERED, |r| {
            r.status = "urn:oasis:names:tc:SAML:2.0:status:Responder".to_owned();
        })
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let last = browser.last(&world).await;
    assert_eq!(last["aadsts"], "500082");
}

#[tokio::test]
async fn attack_15_a_replayed_response_is_refused() {
    let world = world();
    let mut browser = Browser::default();
    let carried = browser.start(&world, "/start").await;
    let xml = good(&world, &carried).xml(&REGISTERED);
    let first = browser.bring(&world, &xml, &carried.relay_state).await;
    assert_eq!(first.status, StatusCode::SEE_OTHER);
    let again = browser.bring(&world, &xml, &carried.relay_state).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert_eq!(failed(&browser.last(&world).await), ["request"]);
}

#[tokio::test]
async fn relay_state_must_come_back_byte_for_byte() {
    let world = world();
    let mut browser = Browser::default();
    let carried = browser.start(&world, "/start").await;
    assert!(carried.relay_state.len() > 800 && carried.relay_state.contains('+'));
    let xml = good(&world, &carried).xml(&REGISTERED);
    let spoiled = carried.relay_state.replace("%2B", "+");
    // Nothing but the changed RelayState says whose it is: another visit begins.
    let answer = browser.bring(&world, &xml, &spoiled).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let last = browser.last(&world).await;
    assert!(failed(&last).contains(&"relay-state"));
}

#[tokio::test]
async fn force_authn_wants_a_sign_in_after_the_request() {
    let world = world();
    let mut browser = Browser::default();
    let carried = browser.start(&world, "/start?force_authn=1").await;
    assert!(carried.request.contains(" ForceAuthn=\"true\" "));
    let mut response = good(&world, &carried);
    response.signed_in_at = world.clock.now().minus(Duration::from_mins(1));
    browser
        .bring(&world, &response.xml(&REGISTERED), &carried.relay_state)
        .await;
    assert_eq!(failed(&browser.last(&world).await), ["sign-in"]);
}

#[tokio::test]
async fn attack_10_wrapped_assertions_are_refused() {
    let world = world();
    let mut browser = Browser::default();
    for variant in 0..5 {
        let carried = browser.start(&world, "/start").await;
        let signed = good(&world, &carried).xml(&REGISTERED);
        let start = signed.find("<Assertion ").unwrap();
        let end = signed.find("</Assertion>").unwrap() + "</Assertion>".len();
        let genuine = &signed[start..end];
        // A guest of low rank signed in; the forged assertion names someone else.
        let forged = genuine
            .replace("AGENT1id", "BOSSid")
            .replace("agent1@contoso.com", "boss@fabrikam.com");
        let forged_unsigned = {
            let from = forged.find("<ds:Signature").unwrap();
            let to = forged.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
            format!("{}{}", &forged[..from], &forged[to..])
        };
        let other_id = forged_unsigned.replace("ID=\"_a1\"", "ID=\"_evil\"");
        let shell = |inside: String| format!("{}{inside}{}", &signed[..start], &signed[end..]);
        let wrapped = match variant {
            0 => shell(format!("{other_id}{genuine}")),
            1 => shell(format!("{genuine}{other_id}")),
            2 => shell(other_id.replace("</Assertion>", &format!("{genuine}</Assertion>"))),
            3 => shell(other_id.replace(
                "<Subject>",
                &format!(
                    "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:Object>{genuine}</ds:Object></ds:Signature><Subject>"
                ),
            )),
            _ => shell(forged.clone()),
        };
        let answer = browser.bring(&world, &wrapped, &carried.relay_state).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "variant {variant}");
        let last = browser.last(&world).await;
        assert_eq!(last["person"], serde_json::Value::Null, "variant {variant}");
        let inspector = &last["verdicts"][0]["outcome"];
        assert_eq!(inspector, "rejected", "variant {variant}");
    }
}

#[tokio::test]
async fn attack_12_a_comment_in_the_name_is_refused() {
    let world = world();
    let mut browser = Browser::default();
    for (from, to) in [
        ("AGENT1id", "AGENT1id<!-- -->"),
        ("AGENT1id", "<![CDATA[AGENT1id]]>"),
        ("AGENT1id", "<?x y?>AGENT1id"),
        (
            "<samlp:Response",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><samlp:Response",
        ),
    ] {
        let carried = browser.start(&world, "/start").await;
        let xml = good(&world, &carried).xml(&REGISTERED).replace(from, to);
        let answer = browser.bring(&world, &xml, &carried.relay_state).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{to}");
        assert!(
            failed(&browser.last(&world).await).contains(&"message"),
            "{to}"
        );
    }
}

#[tokio::test]
async fn any_changed_byte_of_the_assertion_is_noticed() {
    let world = world();
    let mut browser = Browser::default();
    let carried = browser.start(&world, "/start").await;
    let xml = good(&world, &carried).xml(&REGISTERED);
    let start = xml.find("<Assertion ").unwrap();
    let key_info = xml.find("<ds:KeyInfo>").unwrap()..xml.find("</ds:KeyInfo>").unwrap();
    let mut tried = 0;
    for at in (start..xml.len() - 30).step_by(17) {
        let byte = xml.as_bytes()[at];
        // KeyInfo is a hint, and not under the signature.
        if !byte.is_ascii_alphanumeric() || key_info.contains(&at) {
            continue;
        }
        let other = if byte == b'x' { 'y' } else { 'x' };
        let changed = format!("{}{other}{}", &xml[..at], &xml[at + 1..]);
        let answer = browser.bring(&world, &changed, &carried.relay_state).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "byte {at}");
        let last = browser.last(&world).await;
        assert_eq!(last["verdicts"][0]["outcome"], "rejected", "byte {at}");
        tried += 1;
    }
    assert!(tried > 100, "{tried}");
}

#[tokio::test]
async fn what_is_no_message_is_refused_with_a_page() {
    let world = world();
    let mut browser = Browser::default();
    for form in [
        "",
        "SAMLResponse=%25%25",
        "SAMLResponse=aGFsbG8%3D",
        "SAMLResponse=PGEvPg%3D%3D",
    ] {
        let answer = browser
            .post_from_elsewhere(&world, "/login.srf", form)
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{form}");
        assert!(answer.body.contains("Refused"), "{form}");
    }
}
