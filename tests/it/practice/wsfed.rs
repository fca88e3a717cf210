//! The tenant as a WS-Federation relying party: how it asks, which answers it takes, and with
//! which error it refuses the others (facts §2, §9).

use std::{collections::BTreeSet, time::Duration};

use axum::http::StatusCode;
use claimbridge::{base::clock::Clock as _, practice::PromptLogin};
use serde_json::json;

use super::{
    signer::{MULTIPLE_AUTHN, REGISTERED, STRANGER},
    world::{Browser, PARTNER_CENTER, People, World, failed, good, world_with},
    wsfed_kit::{
        CLAIMS, IDENTITY, PASSWORD, Placed, SIGN_IN, Sent, Token, claim, registers, wsfed_world,
    },
};

#[tokio::test]
async fn the_request_is_the_captured_one_by_address_and_by_form() {
    let world = wsfed_world();
    let mut browser = Browser::default();
    let sent = browser
        .leaves(&world, "/start?username=Agent1%40contoso.com")
        .await;
    assert!(
        sent.address
            .starts_with(&format!("{SIGN_IN}&client-request-id="))
    );
    let names: Vec<&str> = sent.parameters.iter().map(|(name, _)| &**name).collect();
    assert_eq!(
        names,
        [
            "domain",
            "client-request-id",
            "wa",
            "wtrealm",
            "wctx",
            "cbcxt",
            "username",
            "mkt",
            "lc"
        ]
    );
    assert_eq!(sent.value("wa"), Some("wsignin1.0"));
    assert_eq!(
        sent.value("wtrealm"),
        Some("urn:federation:MicrosoftOnline")
    );
    assert_eq!(sent.value("username"), Some("agent1@contoso.com"));
    assert_eq!(sent.value("client-request-id").unwrap().len(), 36);
    assert!(sent.context.len() > 2048, "{}", sent.context.len());
    assert!(sent.context.ends_with("&practice=%2B+%26&amp;\"'<é> ;#"));

    let page = browser.get(&world, "/start?binding=post").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains(
        "<form method=\"post\" action=\"http://localhost:8080/wsfed?domain=contoso.com\""
    ));
    let context = super::world::between(&page.body, "name=\"wctx\" value=\"", "\"");
    let answer = browser
        .returns(&world, &Token::good(&world).xml(&REGISTERED), &context)
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
}

#[tokio::test]
async fn the_name_decides_which_identity_provider_is_asked() {
    let world = wsfed_world();
    let mut browser = Browser::default();
    // The other domain still speaks SAML.
    let page = browser
        .get(&world, "/start?username=boss%40fabrikam.com")
        .await;
    assert!(page.body.contains("SAMLRequest"), "{}", page.body);
    let sent = browser
        .leaves(&world, "/start?username=agent2%40eu.contoso.com")
        .await;
    assert_eq!(sent.value("username"), Some("agent2@eu.contoso.com"));
    let answer = browser
        .get(&world, "/start?username=a%40evil.example")
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_good_answer_ends_at_partner_center_accepted_with_mfa() {
    let world = wsfed_world();
    let mut browser = Browser::default();
    let answer = browser.wsfed_sign_in(&world, "/start", |_| {}).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let onward = answer.location().to_owned();
    assert!(onward.starts_with(PARTNER_CENTER));
    let last = browser.last(&world).await;
    assert_eq!(failed(&last), Vec::<&str>::new());
    assert_eq!(last["protocol"], "wsFed");
    assert_eq!(last["amr"], json!(["pwd", "mfa"]));
    assert_eq!(
        last["mfa_in"],
        json!([
            "AuthenticationStatement/@AuthenticationMethod",
            "authenticationmethod",
            "authnmethodsreferences"
        ])
    );
    assert_eq!(last["person"], "agent1@contoso.com");
    assert_eq!(last["findings"], json!([]));
    assert_eq!(last["undecided"], json!([]));
    assert_eq!(last["verdicts"][0]["consumer"], "entra-wsfed");
    assert_eq!(last["verdicts"][0]["outcome"], "accepted");
    assert_eq!(last["verdicts"][0]["mfa"], true);
    assert_eq!(last["partner_center"]["status"], 200);
    let page = browser.get(&world, "/result").await;
    assert!(page.body.contains("<code>authnmethodsreferences</code>"));
    assert!(page.body.contains("<summary>wctx</summary>"));
    assert!(
        browser
            .get(&world, "/")
            .await
            .body
            .contains("agent1@contoso.com signed in")
    );
}

/// What stands in the token about MFA, and where the tenant finds it.
#[tokio::test]
async fn each_of_the_three_places_counts_alone_and_no_other_does() {
    let world = wsfed_world();
    let mut browser = Browser::default();
    let wia = "http://schemas.microsoft.com/claims/wiaormultiauthn";
    for (method, claims, places) in [
        (
            MULTIPLE_AUTHN,
            vec![],
            vec!["AuthenticationStatement/@AuthenticationMethod"],
        ),
        (
            wia,
            vec![],
            vec!["AuthenticationStatement/@AuthenticationMethod"],
        ),
        (
            PASSWORD,
            vec![
                claim(IDENTITY, "authenticationmethod", PASSWORD),
                claim(IDENTITY, "authenticationmethod", MULTIPLE_AUTHN),
            ],
            vec!["authenticationmethod"],
        ),
        (
            PASSWORD,
            vec![claim(CLAIMS, "authnmethodsreferences", MULTIPLE_AUTHN)],
            vec!["authnmethodsreferences"],
        ),
        (
            PASSWORD,
            vec![
                claim(CLAIMS, "authenticationmethodsreferences", MULTIPLE_AUTHN),
                claim(CLAIMS, "authenticationmethod", MULTIPLE_AUTHN),
                claim(IDENTITY, "authnmethodsreferences", MULTIPLE_AUTHN),
                claim(IDENTITY, "AuthenticationMethod", MULTIPLE_AUTHN),
                claim(
                    CLAIMS,
                    "authnmethodsreferences",
                    "https://schemas.microsoft.com/claims/multipleauthn",
                ),
                claim(
                    CLAIMS,
                    "authnmethodsreferences",
                    " http://schemas.microsoft.com/claims/multipleauthn",
                ),
            ],
            vec![],
        ),
    ] {
        browser
            .wsfed_sign_in(&world, "/start", |token| {
                token.method = method.to_owned();
                token.mfa = claims;
            })
            .await;
        let last = browser.last(&world).await;
        assert_eq!(last["mfa_in"], json!(places));
        let amr = if places.is_empty() {
            json!(["pwd"])
        } else {
            json!(["pwd", "mfa"])
        };
        assert_eq!(last["amr"], amr, "{places:?}");
        let outcome = if places.is_empty() {
            "accepted-without-mfa"
        } else {
            "accepted"
        };
        assert_eq!(last["outcome"], outcome, "{places:?}");
    }
    assert_eq!(browser.last(&world).await["aadsts"], "50079");
    assert!(
        browser
            .get(&world, "/result")
            .await
            .body
            .contains("redirect loop")
    );
}

/// The tenant and the inspector see the same fault, each with its own eyes.
async fn refused(world: &World, check: &str, aadsts: &str, change: impl FnOnce(&mut Token)) {
    let mut browser = Browser::default();
    let answer = browser.wsfed_sign_in(world, "/start", change).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{check}");
    let last = browser.last(world).await;
    assert_eq!(failed(&last)[0], check, "{last:#}");
    assert_eq!(last["aadsts"], aadsts, "{check}");
    assert_eq!(last["access_token"], json!(null), "{check}");
    // It knows no directory, and calls a signature in another place a warning.
    let knows = !["person", "upn", "last-child"].contains(&check);
    let inspector = last["verdicts"][0]["outcome"] == "rejected";
    assert_eq!(inspector, knows, "{check}: {}", last["findings"]);
}

#[tokio::test]
async fn each_wrong_thing_is_refused_by_its_check() {
    let world = wsfed_world();
    refused(&world, "issuer", "50107", |t| t.issuer.push('/')).await;
    refused(&world, "audience", "50008", |t| {
        t.audience = "urn:federation:microsoftonline.us".to_owned();
    })
    .await;
    refused(&world, "audience", "50008", |t| {
        t.applies_to = "urn:federation:microsoftonline.us".to_owned();
    })
    .await;
    refused(&world, "confirmation", "50008", |t| {
        t.confirmation = "urn:oasis:names:tc:SAML:1.0:cm:holder-of-key".to_owned();
    })
    .await;
    refused(&world, "assertion", "50008", |t| {
        t.minor_version = "0".to_owned();
    })
    .await;
    refused(&world, "assertion", "50008", |t| {
        t.token_type = "urn:oasis:names:tc:SAML:2.0:assertion".to_owned();
    })
    .await;
    refused(&world, "person", "51004", |t| {
        t.immutable_id = "agent1ID".to_owned();
        t.name_identifier = "agent1ID".to_owned();
    })
    .await;
    refused(&world, "name-id", "51004", |t| {
        t.name_identifier = "BOSSid".to_owned();
    })
    .await;
    refused(&world, "upn", "50034", |t| {
        t.upn = "agent2@contoso.com".to_owned();
    })
    .await;
    refused(&world, "root-domain", "5000820", |t| {
        t.immutable_id = "BOSSid".to_owned();
        t.name_identifier = "BOSSid".to_owned();
        t.upn = "boss@fabrikam.com".to_owned();
    })
    .await;
    refused(&world, "signed", "50008", |t| t.placed = Placed::Nowhere).await;
    refused(&world, "last-child", "50008", |t| {
        t.placed = Placed::BeforeTheStatements;
    })
    .await;
    refused(&world, "time", "50008", |t| {
        t.issued_at = t.issued_at.minus(Duration::from_hours(2));
    })
    .await;
    refused(&world, "time", "50008", |t| {
        t.issued_at = t.issued_at.plus(Duration::from_mins(11));
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_of_the_future_is_refused_and_an_old_one_is_told_by_the_instants() {
    let world = wsfed_world();
    let mut browser = Browser::default();
    for (path, first, second, check) in [
        ("/start", 6, 0, Some("sign-in")),
        ("/start", 0, 6, Some("mfa-instant")),
        ("/start", -600, -600, None),
        ("/start?mfa=1", -600, -600, None),
        ("/start?force_authn=1", -1, 0, Some("sign-in")),
        ("/start?force_authn=1", 0, -1, Some("mfa-instant")),
        ("/start?force_authn=1&mfa=1", 0, -1, Some("mfa-instant")),
        ("/start?force_authn=1&mfa=1", 0, 0, None),
    ] {
        let shifted = |minutes: i64| {
            let by = Duration::from_mins(minutes.unsigned_abs());
            let now = world.clock.now();
            if minutes < 0 {
                now.minus(by)
            } else {
                now.plus(by)
            }
        };
        let answer = browser
            .wsfed_sign_in(&world, path, |token| {
                token.first_factor_at = shifted(first);
                token.second_factor_at = Some(shifted(second));
            })
            .await;
        let last = browser.last(&world).await;
        assert_eq!(
            failed(&last),
            Vec::from_iter(check),
            "{path} {first} {second}"
        );
        let status = if check.is_some() {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::SEE_OTHER
        };
        assert_eq!(answer.status, status, "{path} {first} {second}");
        if check.is_some() {
            assert_eq!(last["aadsts"], "50078");
        }
    }
    // Asked for afresh, it must say when the second factor was used.
    browser
        .wsfed_sign_in(&world, "/start?force_authn=1", |token| {
            token.second_factor_at = None;
        })
        .await;
    assert_eq!(failed(&browser.last(&world).await), ["mfa-instant"]);
    let answer = browser
        .wsfed_sign_in(&world, "/start", |token| token.second_factor_at = None)
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn prompt_login_goes_out_as_the_domain_says() {
    let world = wsfed_world();
    let mut browser = Browser::default();
    let password = "http://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password";
    for prompt in PromptLogin::ALL {
        registers(&world, prompt);
        let fresh = browser.leaves(&world, "/start?force_authn=1").await;
        let both = browser.leaves(&world, "/start?force_authn=1&mfa=1").await;
        let (wfresh, asks, wauth) = match prompt {
            PromptLogin::Unset | PromptLogin::TranslateToFreshPassword => {
                (Some("0"), None, Some(password))
            }
            PromptLogin::NativeSupport => (None, Some("login"), None),
            PromptLogin::Disabled => (Some("0"), None, None),
        };
        assert_eq!(fresh.value("wfresh"), wfresh, "{prompt:?}");
        assert_eq!(fresh.value("prompt"), asks, "{prompt:?}");
        assert_eq!(fresh.value("wauth"), wauth, "{prompt:?}");
        assert_eq!(both.value("wauth"), Some(MULTIPLE_AUTHN), "{prompt:?}");
        assert_eq!(both.value("wfresh"), wfresh, "{prompt:?}");
        let step_up = browser.leaves(&world, "/start?mfa=1").await;
        assert_eq!(step_up.value("wauth"), Some(MULTIPLE_AUTHN));
        assert_eq!(step_up.value("wfresh"), None);
    }
    let passive = browser.get(&world, "/start?is_passive=1").await;
    assert_eq!(passive.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn applications_ask_through_it_with_prompt_login_and_amr_values() {
    let world = wsfed_world();
    registers(&world, PromptLogin::NativeSupport);
    let mut browser = Browser::default();
    let client = world.practice.oauth().clients().web();
    let client_id = client.id();
    let ask = format!(
        "/contoso.com/oauth2/authorize?client_id={client_id}&response_type=code&redirect_uri=http%3A%2F%2Flocalhost%3A8400%2F&resource=https%3A%2F%2Fapi.partnercenter.microsoft.com&amr_values=mfa&prompt=login&login_hint=agent1%40contoso.com"
    );
    let answer = browser.get(&world, &ask).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let sent = Sent::of(answer.location());
    assert_eq!(sent.value("prompt"), Some("login"));
    assert_eq!(sent.value("wauth"), Some(MULTIPLE_AUTHN));
    assert_eq!(sent.value("username"), Some("agent1@contoso.com"));
    let answer = browser
        .returns(&world, &Token::good(&world).xml(&REGISTERED), &sent.context)
        .await;
    assert!(
        answer
            .location()
            .starts_with("http://localhost:8400/?code="),
        "{}",
        answer.location()
    );
}

#[tokio::test]
async fn a_strangers_key_is_named_as_such_and_another_protocol_is_50107() {
    let world = wsfed_world();
    let mut browser = Browser::default();
    let sent = browser.leaves(&world, "/start").await;
    browser
        .returns(&world, &Token::good(&world).xml(&STRANGER), &sent.context)
        .await;
    let last = browser.last(&world).await;
    assert_eq!(failed(&last), ["certificate"]);
    assert_eq!(last["aadsts"], "5000811");

    // The domain is switched while the person is away.
    let saml = super::world::world();
    let mut browser = Browser::default();
    let carried = browser.start(&saml, "/start").await;
    registers(&saml, PromptLogin::Unset);
    let response = good(&saml, &carried).xml(&REGISTERED);
    browser.bring(&saml, &response, &carried.relay_state).await;
    assert_eq!(browser.last(&saml).await["aadsts"], "50107");
    // An answer of one protocol answers no request of the other.
    let answer = browser
        .returns(
            &saml,
            &Token::good(&saml).xml(&REGISTERED),
            &carried.relay_state,
        )
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(failed(&browser.last(&saml).await).contains(&"request"));
}

#[tokio::test]
async fn attack_15_neither_the_answer_nor_its_assertion_counts_twice() {
    let world = wsfed_world();
    let mut browser = Browser::default();
    let sent = browser.leaves(&world, "/start").await;
    let xml = Token::good(&world).xml(&REGISTERED);
    let first = browser.returns(&world, &xml, &sent.context).await;
    assert_eq!(first.status, StatusCode::SEE_OTHER);
    let again = browser.returns(&world, &xml, &sent.context).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert_eq!(failed(&browser.last(&world).await), ["request"]);
    // With the wctx of another request of the same browser, and of the thief's own.
    for browser in [&mut browser, &mut Browser::default()] {
        let other = browser.leaves(&world, "/start").await;
        let again = browser.returns(&world, &xml, &other.context).await;
        assert_eq!(again.status, StatusCode::FORBIDDEN);
        assert_eq!(failed(&browser.last(&world).await), ["request"]);
    }
}

#[tokio::test]
async fn wctx_must_come_back_byte_for_byte() {
    let world = wsfed_world();
    let mut browser = Browser::default();
    for spoil in [
        |wctx: &str| wctx.replace("%2B", "+"),
        |wctx: &str| wctx.replace("&amp;", "&"),
        |wctx: &str| wctx.replace('é', "e\u{301}"),
        |wctx: &str| wctx.replace(' ', "+"),
        |wctx: &str| wctx[..2048].to_owned(),
        |_: &str| String::new(),
    ] {
        let sent = browser.leaves(&world, "/start").await;
        world.clock.advance(Duration::from_millis(1));
        let xml = Token::good(&world).xml(&REGISTERED);
        let spoiled = spoil(&sent.context);
        let answer = browser.returns(&world, &xml, &spoiled).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{spoiled}");
        assert!(
            failed(&browser.last(&world).await).contains(&"wctx"),
            "{spoiled}"
        );
    }
}

#[tokio::test]
async fn attack_10_wrapped_tokens_are_refused() {
    let world = wsfed_world();
    let mut browser = Browser::default();
    for variant in 0..6 {
        world.clock.advance(Duration::from_millis(1));
        let sent = browser.leaves(&world, "/start").await;
        let token = Token::good(&world);
        let signed = token.xml(&REGISTERED);
        let start = signed.find("<saml:Assertion ").unwrap();
        let close = "</saml:Assertion>";
        let end = signed.find(close).unwrap() + close.len();
        let genuine = &signed[start..end];
        let forged = genuine
            .replace("AGENT1id", "AGENT2id")
            .replace("agent1@contoso.com", "agent2@eu.contoso.com");
        let unsigned = {
            let from = forged.find("<ds:Signature").unwrap();
            let to = forged.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
            format!("{}{}", &forged[..from], &forged[to..])
        };
        let other = unsigned.replace(
            &format!("AssertionID=\"{}\"", token.id),
            "AssertionID=\"_evil\"",
        );
        let shell = |inside: String| format!("{}{inside}{}", &signed[..start], &signed[end..]);
        let second = "</t:RequestedSecurityToken><t:RequestedSecurityToken>";
        let wrapped = match variant {
            0 => shell(format!("{other}{genuine}")),
            1 => shell(format!("{genuine}{other}")),
            2 => shell(other.replace(close, &format!("{genuine}{close}"))),
            3 => shell(format!("{other}{second}{genuine}")),
            4 => shell(other.replace(
                "<saml:AttributeStatement>",
                &format!("<saml:Advice>{genuine}</saml:Advice><saml:AttributeStatement>"),
            )),
            _ => shell(forged.clone()),
        };
        let answer = browser.returns(&world, &wrapped, &sent.context).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "variant {variant}");
        let last = browser.last(&world).await;
        assert_eq!(last["person"], json!(null), "variant {variant}");
        assert_eq!(
            last["verdicts"][0]["outcome"], "rejected",
            "variant {variant}"
        );
    }
}

#[tokio::test]
async fn any_changed_byte_of_the_assertion_is_noticed() {
    let world = wsfed_world();
    let mut browser = Browser::default();
    let xml = Token::good(&world).xml(&REGISTERED);
    let start = xml.find("<saml:Assertion ").unwrap();
    let end = xml.find("</saml:Assertion>").unwrap();
    let key_info = xml.find("<ds:KeyInfo>").unwrap()..xml.find("</ds:KeyInfo>").unwrap();
    let mut tried = 0;
    for at in (start..end).step_by(23) {
        let byte = xml.as_bytes()[at];
        // KeyInfo is a hint, and not under the signature.
        if !byte.is_ascii_alphanumeric() || key_info.contains(&at) {
            continue;
        }
        let other = if byte == b'x' { 'y' } else { 'x' };
        let changed = format!("{}{other}{}", &xml[..at], &xml[at + 1..]);
        let sent = browser.leaves(&world, "/start").await;
        let answer = browser.returns(&world, &changed, &sent.context).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "byte {at}");
        let last = browser.last(&world).await;
        assert_eq!(last["person"], json!(null), "byte {at}");
        assert_eq!(last["verdicts"][0]["outcome"], "rejected", "byte {at}");
        tried += 1;
    }
    assert!(tried > 80, "{tried}");
    // None of these used the assertion up.
    let sent = browser.leaves(&world, "/start").await;
    let answer = browser.returns(&world, &xml, &sent.context).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
}

#[tokio::test]
async fn what_is_no_answer_is_refused_with_a_page_and_an_unknown_wa_with_a_sentence() {
    let world = wsfed_world();
    let mut browser = Browser::default();
    let good = Token::good(&world).xml(&REGISTERED);
    for (wresult, check) in [
        (String::new(), "message"),
        ("hallo".to_owned(), "message"),
        ("<a/>".to_owned(), "message"),
        (format!("<!DOCTYPE a>{good}"), "message"),
        (good.replace("AGENT1id", "AGENT1id<!-- -->"), "message"),
        (good.replace("AGENT1id", "<![CDATA[AGENT1id]]>"), "message"),
        (
            good.replace(
                "http://schemas.xmlsoap.org/ws/2005/02/trust\"",
                "http://docs.oasis-open.org/ws-sx/ws-trust/200512\"",
            ),
            "message",
        ),
        (
            good.replace(
                "<t:RequestedSecurityToken>",
                "<t:RequestedSecurityToken><x/>",
            ),
            "assertion",
        ),
        (
            good.replace("RequestedSecurityToken>", "RequestedToken>"),
            "assertion",
        ),
    ] {
        let sent = browser.leaves(&world, "/start").await;
        let answer = browser.returns(&world, &wresult, &sent.context).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{wresult}");
        assert!(answer.body.contains("Refused"), "{wresult}");
        assert_eq!(failed(&browser.last(&world).await), [check], "{wresult}");
    }
    let answer = browser
        .post_from_elsewhere(&world, "/login.srf", "wa=wattr1.0&wresult=x")
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn each_button_breaks_its_one_rule() {
    let world = wsfed_world();
    let mut browser = Browser::default();
    browser.wsfed_sign_in(&world, "/start", |_| {}).await;
    world.clock.advance(Duration::from_hours(3));
    for (name, rule, check, aadsts) in [
        ("wrong-issuer", "CB-WSFED-003", "issuer", "50107"),
        ("expired", "CB-WSFED-014", "time", "50008"),
        (
            "wrong-certificate",
            "CB-WSFED-006",
            "certificate",
            "5000811",
        ),
        ("class-reference-dropped", "CB-WSFED-015", "mfa", "50079"),
    ] {
        browser.press(&world, name).await;
        let last = browser.last(&world).await;
        assert_eq!(last["findings"], json!([rule]), "{name}");
        assert_eq!(failed(&last), [check], "{name}");
        assert_eq!(last["aadsts"], aadsts, "{name}");
        let page = browser.get(&world, "/result").await;
        let altered = name == "class-reference-dropped";
        assert_eq!(page.body.contains("ALTERED COPY"), altered, "{name}");
    }
    browser.press(&world, "federated-mfa-ignored").await;
    let last = browser.last(&world).await;
    assert_eq!(last["amr"], json!(["pwd"]));
    assert_eq!(last["findings"], json!([]));
    assert_eq!(last["token_findings"], json!(["CB-PC-001"]));
    browser.press(&world, "none").await;
    assert_eq!(browser.last(&world).await["outcome"], "accepted");
}

#[tokio::test]
async fn sign_out_ends_the_tenants_session_and_goes_on_to_the_identity_provider() {
    let world = wsfed_world();
    let mut browser = Browser::default();
    browser.wsfed_sign_in(&world, "/start", |_| {}).await;
    let out = browser.get(&world, "/sign-out").await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    assert_eq!(
        out.location(),
        "http://localhost:8080/wsfed?wa=wsignout1%2E0"
    );
    assert!(!browser.get(&world, "/").await.body.contains("signed in."));

    // The identity provider's clean-up does the same, and answers with an empty page.
    browser.wsfed_sign_in(&world, "/start", |_| {}).await;
    assert!(browser.get(&world, "/").await.body.contains("signed in."));
    let empty = browser
        .get(&world, "/login.srf?wa=wsignoutcleanup1.0")
        .await;
    assert_eq!((empty.status, &*empty.body), (StatusCode::OK, ""));
    assert!(!browser.get(&world, "/").await.body.contains("signed in."));
    let stranger = Browser::default()
        .get(&world, "/login.srf?wa=wsignoutcleanup1.0")
        .await;
    assert_eq!(stranger.status, StatusCode::OK);

    // A domain of SAML, and one that says nothing of signing out.
    let saml = super::world::world();
    let page = Browser::default().get(&saml, "/sign-out").await;
    assert!(page.body.contains("signed out of the practice tenant"));
}

#[tokio::test]
async fn the_demo_can_switch_the_protocol_and_nothing_else_can() {
    let world = world_with(People::Demo);
    let mut browser = Browser::default();
    let form = "protocol=wsFed&prompt=nativeSupport";
    // A form of another site brings no cookie.
    browser
        .post_from_elsewhere(&world, "/registration", form)
        .await;
    let page = browser.get(&world, "/start").await;
    assert!(page.body.contains("SAMLRequest"));
    let home = browser.get(&world, "/").await;
    assert!(home.body.contains("ForceAuthn"), "{}", home.body);
    browser.submit(&world, "/registration", form).await;
    let home = browser.get(&world, "/").await;
    assert!(
        home.body.contains("wauth: MFA is demanded"),
        "{}",
        home.body
    );
    assert!(
        home.body
            .contains("<option value=\"nativeSupport\" selected=\"selected\">")
    );
    let sent = browser.leaves(&world, "/start?force_authn=1").await;
    assert!(sent.address.starts_with(SIGN_IN), "{}", sent.address);
    assert_eq!(sent.value("prompt"), Some("login"));
    for wrong in ["protocol=oidc&prompt=", "protocol=saml&prompt=never"] {
        let answer = browser.submit(&world, "/registration", wrong).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    browser
        .submit(&world, "/registration", "protocol=saml&prompt=")
        .await;
    assert!(
        browser
            .get(&world, "/start")
            .await
            .body
            .contains("SAMLRequest")
    );
    // A rehearsal has no such switch: there `domain apply` does it.
    let rehearsal = super::world::world();
    let answer = Browser::default()
        .submit(&rehearsal, "/registration", form)
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[test]
fn the_switch_names_every_behaviour_of_graphs() {
    let named: BTreeSet<_> = PromptLogin::ALL
        .into_iter()
        .filter_map(PromptLogin::as_graph)
        .collect();
    assert_eq!(named.len(), 3);
    assert_eq!(
        PromptLogin::from_graph(Some("nativeSupport")),
        PromptLogin::NativeSupport
    );
    assert_eq!(PromptLogin::from_graph(None), PromptLogin::Unset);
}
