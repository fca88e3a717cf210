use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;
use crate::{
    protocol::query::QueryError,
    relying_party::{EntraCloud, RelyingPartyKind, ReplyUrl},
};

const NOW: Timestamp = Timestamp::from_millis(1_795_168_800_000);
const REALM: &str = "urn:federation:MicrosoftOnline";
const LOGIN_SRF: &str = "https://login.microsoftonline.com/login.srf";

fn entra() -> RelyingParty {
    EntraCloud::global().relying_party(Vec::new())
}

fn parse(query: &str) -> Result<UnverifiedSignInRequest, RequestError> {
    UnverifiedSignInRequest::parse(&Parameters::of(query, "")?)
}

/// What Entra's request with these further parameters comes to.
fn asked(more: &str) -> Result<SignInRequest, RequestError> {
    let query = format!("wa=wsignin1.0&wtrealm={}&{more}", encoded(REALM));
    let verified = parse(&query)?.verify(&entra(), None, NOW)?;
    Ok(verified.into_sign_in_request("_1".to_owned()))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[test]
fn what_entra_sends_becomes_a_request_of_the_story() {
    // Facts §2.1, with what is ignored.
    let query = "client-request-id=4b6fbbbc-3d28-4ae6-8e6d-0b3ef9f1ba2c&wa=wsignin1.0&wtrealm=urn%3afederation%3aMicrosoftOnline&wctx=LoginOptions%3D3%26estsredirect%3d2%26estsrequest%3drQIIAa&cbcxt=&username=agent1%40contoso.com&mkt=&lc=&popupui=&vv=&wfresh=&rm=true&pullStatus=0";
    let domain: DomainName = "contoso.com".parse().unwrap();
    let verified = parse(query)
        .unwrap()
        .verify(&entra(), Some(&domain), NOW)
        .unwrap();
    assert_eq!(
        verified.into_sign_in_request("_1".to_owned()),
        SignInRequest {
            protocol: Protocol::WsFed,
            relying_party: REALM.to_owned(),
            request_id: "_1".to_owned(),
            reply_url: LOGIN_SRF.to_owned(),
            relay_state: Some("LoginOptions=3&estsredirect=2&estsrequest=rQIIAa".to_owned()),
            domain: Some("contoso.com".to_owned()),
            reauthentication: Reauthentication::AsNeeded,
            interaction: Interaction::Allowed,
            max_age_seconds: None,
            login_hint: Some("agent1@contoso.com".to_owned()),
            second_factor: None,
            received_at_millis: NOW.as_millis(),
        }
    );
}

#[test]
fn a_party_is_named_byte_for_byte() {
    let near = [
        "urn:federation:microsoftonline",
        "URN:federation:MicrosoftOnline",
        "urn:federation:MicrosoftOnline/",
        "urn:federation:MicrosoftOnline ",
        " urn:federation:MicrosoftOnline",
        "urn:federation:MicrosoftOnline\u{200b}",
        "urn:federation:MicrosoftOnlin\u{435}",
        "urn:federation:microsoftonline.us",
        "https://login.microsoftonline.com/extSTS.srf",
    ];
    for realm in near {
        let query = format!("wtrealm={}", encoded(realm));
        let refused = parse(&query).unwrap().verify(&entra(), None, NOW);
        assert!(
            matches!(refused, Err(RequestError::OtherParty { .. })),
            "{realm}"
        );
    }
    for none in [
        "",
        "wtrealm=",
        "wtrealm",
        "WTREALM=urn%3afederation%3aMicrosoftOnline",
    ] {
        assert!(matches!(parse(none), Err(RequestError::NoRealm)), "{none}");
    }
}

#[test]
fn attack_39_a_party_of_saml_gets_no_answer_over_this_protocol() {
    let mut party = entra();
    party.entity_id.0 = "https://sp.example.com".to_owned();
    party.kind = RelyingPartyKind::ServiceProvider;
    let refused = parse("wtrealm=https%3A%2F%2Fsp.example.com")
        .unwrap()
        .verify(&party, None, NOW);
    assert!(matches!(refused, Err(RequestError::OtherProtocol(_))));
}

#[test]
fn attack_30_an_answer_goes_where_it_is_registered_to_go() {
    let mut party = entra();
    party.reply_urls.push(ReplyUrl {
        index: 1,
        url: "https://login.example.com/other".to_owned(),
        preferred: false,
    });
    let goes_to = |reply: &str| {
        let query = format!("wtrealm={}&wreply={}", encoded(REALM), encoded(reply));
        let verified = parse(&query).unwrap().verify(&party, None, NOW).unwrap();
        verified.reply_url().to_owned()
    };
    let other = "https://login.example.com/other";
    assert_eq!(goes_to(other), other, "it is listed");
    for unlisted in [
        "",
        "https://evil.example/",
        "https://login.example.com/other/",
        "https://LOGIN.example.com/other",
        "//evil.example",
        "javascript:alert(1)",
    ] {
        assert_eq!(goes_to(unlisted), LOGIN_SRF, "{unlisted}");
    }
}

#[test]
fn a_context_is_given_back_or_refused_never_changed() {
    let context = |value: &str| asked(&format!("wctx={value}")).map(|request| request.relay_state);
    assert_eq!(asked("").unwrap().relay_state, None);
    assert_eq!(context("").unwrap().as_deref(), Some(""));
    let longest = "%26".repeat(MAX_CONTEXT);
    assert_eq!(context(&longest).unwrap(), Some("&".repeat(MAX_CONTEXT)));
    assert!(matches!(
        context(&"a".repeat(MAX_CONTEXT + 1)),
        Err(RequestError::ContextTooLarge)
    ));
    // Bytes count, not characters.
    assert!(matches!(
        context(&encoded(&"é".repeat(MAX_CONTEXT / 2 + 1))),
        Err(RequestError::ContextTooLarge)
    ));
    for changed in ["a%0Ab", "a%0D%0Ab", "%00", "a%09"] {
        assert!(
            matches!(context(changed), Err(RequestError::ContextCharacters)),
            "{changed}"
        );
    }
    for broken in ["%", "%4", "%zz", "%ff", "%c3%28"] {
        let refused = context(broken);
        assert!(
            matches!(
                refused,
                Err(RequestError::Parameter(ParameterError::Query(
                    QueryError::PercentEncoding("wctx")
                )))
            ),
            "{broken}"
        );
    }
}

#[test]
fn attack_14_what_decides_stands_once() {
    let realm = encoded(REALM);
    for name in ["wtrealm", "wctx", "wreply", "wauth", "wfresh", "prompt"] {
        let query = format!("wtrealm={realm}&wctx=&wreply=&wauth=&wfresh=&prompt=&{name}=x");
        let refused = parse(&query);
        assert!(
            matches!(
                &refused,
                Err(RequestError::Parameter(ParameterError::Query(QueryError::Repeated(repeated))))
                    if *repeated == name
            ),
            "{name}: {refused:?}"
        );
    }
    // In the address and in the form, too.
    let parameters = Parameters::of("wtrealm=a", "wtrealm=a").unwrap();
    assert!(UnverifiedSignInRequest::parse(&parameters).is_err());
    // A name that is only filled in stops nobody.
    assert_eq!(
        asked("username=a%40b.c&username=d").unwrap().login_hint,
        None
    );
}

#[test]
fn freshness_is_asked_for_in_three_ways() {
    use Reauthentication::{Always, AsNeeded};
    let freshness =
        |more: &str| asked(more).map(|request| (request.reauthentication, request.max_age_seconds));
    for (more, expected) in [
        ("", (AsNeeded, None)),
        ("wfresh=", (AsNeeded, None)),
        ("wfresh=0", (Always, Some(0))),
        ("wfresh=000", (Always, Some(0))),
        ("wfresh=5", (AsNeeded, Some(300))),
        // Never older than the party is registered with: fifteen minutes.
        ("wfresh=15", (AsNeeded, Some(900))),
        ("wfresh=60", (AsNeeded, Some(900))),
        ("wfresh=99999999999999999999999", (AsNeeded, Some(900))),
        ("prompt=login", (Always, None)),
        ("prompt=select_account%20login", (Always, None)),
        ("prompt=", (AsNeeded, None)),
        ("prompt=none", (AsNeeded, None)),
        ("prompt=login&wfresh=5", (Always, Some(300))),
    ] {
        assert_eq!(freshness(more).unwrap(), expected, "{more}");
    }
    for bad in [
        "wfresh=-1",
        "wfresh=1.5",
        "wfresh=%200",
        "wfresh=now",
        "wfresh=%D9%A1",
    ] {
        assert!(
            matches!(
                freshness(bad),
                Err(RequestError::Parameter(ParameterError::Freshness(_)))
            ),
            "{bad}"
        );
    }
}

#[test]
fn a_method_is_a_minimum() {
    // What Entra may send (facts §2.1, §2.2), in either spelling; and what nobody knows yet.
    for method in [
        "",
        "http://schemas.microsoft.com/claims/multipleauthn",
        "https://schemas.microsoft.com/claims/multipleauthn",
        "http://schemas.microsoft.com/claims/wiaormultiauthn",
        "http://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password",
        "https://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password",
        "urn:oasis:names:tc:SAML:1.0:am:password",
        "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
        "urn:federation:authentication:windows",
        "http://schemas.microsoft.com/claims/something-new",
    ] {
        assert!(
            asked(&format!("wauth={}", encoded(method))).is_ok(),
            "{method}"
        );
    }
    for method in [
        "urn:ietf:rfc:2246",
        "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI",
        "https://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/tlsclient",
    ] {
        let refused = asked(&format!("wauth={}", encoded(method)));
        assert!(
            matches!(refused, Err(RequestError::Certificate(_))),
            "{method}"
        );
    }
}

/// What `fuzz/targets/wsfed_request.rs` begins with.
#[test]
fn the_corpus_of_the_fuzz_target_is_read_or_refused_as_it_should_be() {
    for (text, is_read) in [
        (
            include_str!("../../../../tests/fixtures/wsfed/browser"),
            true,
        ),
        (
            include_str!("../../../../tests/fixtures/wsfed/prompt-login"),
            true,
        ),
        (
            include_str!("../../../../tests/fixtures/wsfed/step-up"),
            true,
        ),
        (
            include_str!("../../../../tests/fixtures/wsfed/posted"),
            true,
        ),
        (
            include_str!("../../../../tests/fixtures/wsfed/two-actions"),
            false,
        ),
    ] {
        let (query, form) = text.split_once('\0').unwrap_or((text, ""));
        let parameters = Parameters::of(query, form).unwrap();
        let read = parameters.action().is_ok()
            && UnverifiedSignInRequest::parse(&parameters)
                .and_then(|request| request.verify(&entra(), None, NOW))
                .is_ok();
        assert_eq!(read, is_read, "{text:?}");
    }
}

proptest! {
    /// Whatever is legible and short enough comes back as it came, however it is encoded.
    #[test]
    fn any_context_is_given_back_byte_for_byte(context in "[^\\p{Cc}]{0,300}", all in any::<bool>()) {
        let value = if all {
            encoded(&context)
        } else {
            url::form_urlencoded::byte_serialize(context.as_bytes()).collect()
        };
        let request = asked(&format!("wctx={value}")).unwrap();
        prop_assert_eq!(request.relay_state, Some(context));
    }

    /// One character more, less or other is another party.
    #[test]
    fn a_near_miss_is_never_the_party(at in 0_usize..64, edit in 0_u8..3, c in any::<char>()) {
        let mut chars: Vec<char> = REALM.chars().collect();
        let at = at % chars.len();
        match edit {
            0 => chars.insert(at, c),
            1 => chars[at] = c,
            _ => drop(chars.remove(at)),
        }
        let near: String = chars.into_iter().collect();
        let query = format!("wtrealm={}", encoded(&near));
        let accepted = parse(&query).unwrap().verify(&entra(), None, NOW).is_ok();
        prop_assert_eq!(accepted, near == REALM);
    }

    /// No bytes make it panic.
    #[test]
    fn any_query_is_read_or_refused(query in "\\PC{0,200}", form in "(wa=wsignin1\\.0|wtrealm=[a-z%]{0,9}|wctx=.{0,9}|&){0,9}") {
        let parameters = Parameters::of(&query, &form).unwrap();
        let _ = parameters.action();
        let _ = UnverifiedSignInRequest::parse(&parameters);
    }
}
