//! Each bad request gets one clear fault, costs nobody a try, and writes nothing.

use std::time::Duration;

use claimbridge::signin::active::ActiveDoor;

use super::{
    kit::{asking, send},
    world,
};
use crate::support::PASSWORD;

#[tokio::test]
async fn each_bad_request_has_one_clear_fault() {
    let world = world(ActiveDoor::OwnPasswordsToo).await;
    world.ready("agent1@contoso.com").await;
    let asking = asking("agent1@contoso.com", PASSWORD);
    let good = asking.soap(world.now());
    asking.ask_of(&world, 0, good.clone()).await.token();
    let old = asking.soap(world.now().minus(Duration::from_mins(16)));
    let early = asking.soap(world.now().plus(Duration::from_mins(6)));
    let with = |from: &str, to: &str| {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{from}");
        changed
    };
    let million = "x".repeat(1024 * 1024);
    let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
    let before = crate::limits::writes(&world);
    for (what, body, code, words) in [
        (
            "DOCTYPE",
            with("<s:Envelope", "<!DOCTYPE a><s:Envelope"),
            "wst:InvalidRequest",
            "a DOCTYPE",
        ),
        (
            "entity",
            with("agent1", "&x;"),
            "wst:InvalidRequest",
            "an entity reference",
        ),
        (
            "1 MB",
            with("urn:uuid:7", &million),
            "wst:InvalidRequest",
            "more than 65536 bytes",
        ),
        (
            "64 KiB",
            with("urn:uuid:7", &million[..65_000]),
            "wst:InvalidRequest",
            "more than 65536 bytes",
        ),
        ("depth", deep, "wst:InvalidRequest", "levels of nesting"),
        (
            "not XML",
            "hello".to_owned(),
            "wst:InvalidRequest",
            "not well-formed",
        ),
        (
            "nothing",
            String::new(),
            "wst:InvalidRequest",
            "not well-formed",
        ),
        (
            "not SOAP",
            "<a/>".to_owned(),
            "wst:InvalidRequest",
            "not a SOAP 1.2 envelope",
        ),
        (
            "SOAP 1.1",
            good.replace(
                "http://www.w3.org/2003/05/soap-envelope",
                "http://schemas.xmlsoap.org/soap/envelope/",
            ),
            "s:VersionMismatch",
            "SOAP 1.1",
        ),
        ("expired", old, "wsse:MessageExpired", "expired"),
        ("early", early, "wsse:InvalidSecurity", "future"),
        (
            "two passwords",
            with(
                "<wsse:Password>",
                "<wsse:Password>x</wsse:Password><wsse:Password>",
            ),
            "wst:InvalidRequest",
            "more than one Password",
        ),
        (
            "digest",
            with("<wsse:Password>", "<wsse:Password Type='urn:digest'>"),
            "wsse:UnsupportedSecurityToken",
            "plain text",
        ),
        (
            "no password",
            with("<wsse:UsernameToken>", "<wsse:UsernameToken/><wsse:Other>")
                .replace("</wsse:UsernameToken>", "</wsse:Other>"),
            "wst:InvalidRequest",
            "has no Username",
        ),
        (
            "AppliesTo",
            with(
                "urn:federation:MicrosoftOnline",
                "urn:federation:MicrosoftOnline/",
            ),
            "wst:InvalidScope",
            "AppliesTo",
        ),
        (
            "TokenType",
            with(
                "<wst:KeyType>",
                "<wst:TokenType>urn:oasis:names:tc:SAML:2.0:assertion</wst:TokenType><wst:KeyType>",
            ),
            "wst:BadRequest",
            "token type",
        ),
        (
            "key",
            with("200512/Bearer", "200512/PublicKey"),
            "wst:BadRequest",
            "key type",
        ),
        (
            "validate",
            with("RST/Issue", "RST/Validate"),
            "a:ActionNotSupported",
            "issue a token",
        ),
        (
            "header",
            with(
                "<wsa:MessageID>",
                "<x:Y xmlns:x='urn:x' s:mustUnderstand='1'/><wsa:MessageID>",
            ),
            "s:MustUnderstand",
            "header",
        ),
    ] {
        let said = asking.ask_of(&world, 0, body).await;
        let (given, text) = said.fault();
        assert_eq!(given, code, "{what}: {text}");
        assert!(text.contains(words), "{what}: {text}");
        assert!(!said.body.contains(PASSWORD), "{what}");
        assert!(said.body.len() < 2_000, "{what}: {}", said.body.len());
    }
    for (headers, code) in [
        (&[("Content-Type", "text/xml")][..], "wst:InvalidRequest"),
        (&[("Accept", "*/*")], "wst:InvalidRequest"),
        (
            &[
                ("Content-Type", "application/soap+xml"),
                ("SOAPAction", "\"urn:other\""),
            ],
            "a:ActionNotSupported",
        ),
        (
            &[("Content-Type", "application/soap+xml; action=\"urn:other\"")],
            "a:ActionNotSupported",
        ),
    ] {
        let node = world.nodes[0].router.clone();
        let said = send(
            node,
            asking.version.path(),
            asking.source,
            headers,
            good.clone(),
        )
        .await;
        assert_eq!(said.fault().0, code, "{headers:?}");
    }
    assert_eq!(crate::limits::writes(&world), before, "nothing was written");
}
