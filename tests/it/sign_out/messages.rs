//! Messages that are not what they should be: nothing is changed.

use claimbridge::relying_party::{LogoutBinding, RequestSignature};

use super::kit::{Logout, Party, SLO, SUCCESS, Sent, is_signed_in, signed_in_at};
use crate::{
    saml_kit::{assertion_key, new_key},
    support::{Browser, World},
};

const NAME_ID: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";

#[tokio::test]
async fn a_request_about_another_session_ends_none_and_is_told_so() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mail = Party::register(&world, "mail", LogoutBinding::Redirect).await;
    let mut browser = world.browser();
    let told = signed_in_at(&world, &mut browser, &person, &[&desk]).await;
    let good = |party: &Party| party.sign_out(world.now(), &told[0]);
    let with = |change: fn(String) -> String| {
        let request = good(&desk);
        Logout {
            rest: change(request.rest.clone()),
            ..request
        }
    };
    for (name, request) in [
        ("a party that was told nothing", good(&mail)),
        (
            "another person",
            with(|rest| rest.replacen("</a:NameID>", "x</a:NameID>", 1)),
        ),
        (
            "another session",
            with(|rest| rest.replace("<p:SessionIndex>", "<p:SessionIndex>x")),
        ),
        (
            "another format",
            with(|rest| rest.replace("format:persistent", "format:transient")),
        ),
        (
            "a name of another party",
            with(|rest| rest.replace(" Format=", " SPNameQualifier=\"urn:x\" Format=")),
        ),
        (
            "a name of another issuer",
            with(|rest| rest.replace(" Format=", " NameQualifier=\"urn:x\" Format=")),
        ),
    ] {
        for by_form in [false, true] {
            let mut browser = browser.clone();
            let request = Logout {
                id: crate::support::entra::request(world.now()).id,
                ..request.clone()
            };
            let page = if by_form {
                request.post(&mut browser, &request.xml()).await
            } else {
                browser.request("GET", &request.redirect(), None).await
            };
            let is_of_mail = request.issuer == mail.entity_id;
            if is_of_mail {
                // Two domains, and no session that says who may speak: a page.
                assert!(
                    page.body.contains("CB-SIGNOUT-005"),
                    "{name}: {}",
                    page.text()
                );
            } else {
                let said = Sent::of(&page);
                assert_eq!(said.status(), ["Requester", "UnknownPrincipal"], "{name}");
            }
            assert!(is_signed_in(&browser, &person).await, "{name}");
        }
    }
    // With the domain in the address the issuer is known.
    let request = good(&mail);
    let page = browser
        .request(
            "GET",
            &format!("{}&domain=contoso.com", request.redirect()),
            None,
        )
        .await;
    let said = Sent::of(&page);
    assert_eq!(said.status(), ["Requester", "UnknownPrincipal"]);
    assert!(is_signed_in(&browser, &person).await);
    // And without a session of its own party's name: every session of that person.
    let request = with(|rest| rest.split("<p:SessionIndex>").next().unwrap().to_owned());
    let page = browser.get(&request.redirect()).await;
    assert_eq!(Sent::of(&page).status(), [SUCCESS]);
    assert!(!is_signed_in(&browser, &person).await);
}

#[tokio::test]
async fn where_nobody_is_signed_in_the_answer_is_success() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mut browser = world.browser();
    let told = signed_in_at(&world, &mut browser, &person, &[&desk]).await;
    let request = desk.sign_out(world.now(), &told[0]);
    let address = format!("{}&domain=contoso.com", request.redirect());
    let mut stranger = world.browser();
    let page = stranger.request("GET", &address, None).await;
    let said = Sent::of(&page);
    assert_eq!(said.status(), [SUCCESS]);
    assert_eq!(said.attribute("InResponseTo"), Some(request.id.clone()));
    assert!(is_signed_in(&browser, &person).await, "another browser's");
    // Without a domain nobody may speak: the page of ours says it.
    let page = stranger.get(&request.redirect()).await;
    assert!(
        page.text().contains("You are signed out"),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn attack_15_a_message_counts_once() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mail = Party::register(&world, "mail", LogoutBinding::Redirect).await;
    let mut browser = world.browser();
    let told = signed_in_at(&world, &mut browser, &person, &[&desk, &mail]).await;
    let mut request = desk.sign_out(world.now(), &told[0]);
    let whole = request.rest.split("<p:SessionIndex>").next().unwrap();
    request.rest = whole.to_owned();
    let page = browser.get(&request.redirect()).await;
    let asked = Sent::of(&page);
    // The same request again, where it could be meant: it names all sessions of the person, and
    // another browser is signed in at its party.
    let mut anew = world.browser();
    world.advance(30);
    signed_in_at(&world, &mut anew, &person, &[&desk, &mail]).await;
    let page = anew.get(&request.redirect()).await;
    assert!(page.body.contains("CB-SIGNOUT-003"), "{}", page.text());
    assert!(is_signed_in(&anew, &person).await);
    let other = Logout {
        id: "_other".to_owned(),
        ..request.clone()
    };
    anew.clone().get(&other.redirect()).await;
    assert!(
        !is_signed_in(&anew, &person).await,
        "one that is new counts"
    );

    // An answer of another party than was asked; to another request; then the right one, twice.
    let page = browser
        .get(&desk.answer(world.now(), &asked, SUCCESS).redirect())
        .await;
    assert!(page.body.contains("CB-SIGNOUT-003"), "{}", page.text());
    let other = Sent {
        xml: asked.xml.replace(&asked.id(), "_other"),
        ..asked.clone()
    };
    let page = browser
        .get(&mail.answer(world.now(), &other, SUCCESS).redirect())
        .await;
    assert!(page.body.contains("CB-SIGNOUT-003"), "{}", page.text());
    let answer = mail.answer(world.now(), &asked, SUCCESS).redirect();
    let page = browser.get(&answer).await;
    assert_eq!(Sent::of(&page).status(), [SUCCESS]);
    let page = browser.get(&answer).await;
    assert!(page.body.contains("CB-SIGNOUT-003"), "{}", page.text());
}

/// A request that ended nothing is kept nowhere: its time says which sessions it can mean.
#[tokio::test]
async fn attack_15_a_request_from_before_a_session_does_not_end_it() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mut browser = world.browser();
    let told = signed_in_at(&world, &mut browser, &person, &[&desk]).await;
    let named = desk.sign_out(world.now(), &told[0]);
    let whole = named.rest.split("<p:SessionIndex>").next().unwrap();
    let all = Logout {
        rest: whole.to_owned(),
        ..named
    };
    // Nobody is signed in.
    let mut browser = world.browser();
    let address = format!("{}&domain=contoso.com", all.redirect());
    let page = browser.get(&address).await;
    assert_eq!(Sent::of(&page).status(), [SUCCESS]);
    world.advance(61);
    signed_in_at(&world, &mut browser, &person, &[&desk]).await;
    let page = browser.get(&address).await;
    assert_eq!(Sent::of(&page).status()[1..], ["UnknownPrincipal"]);
    assert!(is_signed_in(&browser, &person).await);
    // One that is made now, by a clock that is a minute slow, is meant.
    let slow = Logout {
        id: "_slow".to_owned(),
        at: world.now().minus(std::time::Duration::from_mins(1)),
        ..all
    };
    let page = browser.get(&slow.redirect()).await;
    assert_eq!(Sent::of(&page).status(), [SUCCESS]);
    assert!(!is_signed_in(&browser, &person).await);
}

async fn refused(browser: &mut Browser, address: &str, name: &str) {
    let page = browser.get(address).await;
    assert!(page.status.is_client_error(), "{name}: {}", page.status);
    assert!(
        page.body.contains("CB-SIGNOUT-001"),
        "{name}: {}",
        page.text()
    );
}

#[tokio::test]
async fn attack_13_who_must_sign_signs_and_what_is_signed_holds() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let required = RequestSignature::Required;
    let redirect = Some(LogoutBinding::Redirect);
    let desk = Party::register_as(&world, "desk", redirect, RequestSignature::Optional).await;
    let mail = Party::register_as(&world, "mail", redirect, required).await;
    let mut browser = world.browser();
    let told = signed_in_at(&world, &mut browser, &person, &[&desk]).await;
    let foreign = assertion_key(&new_key());

    // One that need not sign, but did.
    let request = desk.sign_out(world.now(), &told[0]);
    let signed = request.signed_redirect(&desk.key);
    refused(
        &mut browser,
        &request.signed_redirect(&foreign),
        "a foreign key",
    )
    .await;
    refused(
        &mut browser,
        &signed.replace("where+I+was", "where+I+am"),
        "another RelayState",
    )
    .await;
    let half = signed.split("&Signature=").next().unwrap();
    refused(&mut browser, half, "half a signature").await;
    let without = Logout {
        attributes: String::new(),
        ..request.clone()
    };
    refused(
        &mut browser,
        &without.signed_redirect(&desk.key),
        "no Destination",
    )
    .await;
    let xml = request.signed_xml(&desk.key);
    for (name, altered) in [
        ("another person", xml.replace("</a:NameID>", "x</a:NameID>")),
        ("another key", request.signed_xml(&foreign)),
        (
            "one more session",
            xml.replace(
                "<p:SessionIndex>",
                "<p:SessionIndex>x</p:SessionIndex><p:SessionIndex>",
            ),
        ),
    ] {
        let page = request.post(&mut browser, &altered).await;
        assert!(
            page.body.contains("CB-SIGNOUT-001"),
            "{name}: {}",
            page.text()
        );
    }
    // One that must.
    let request = mail.sign_out(world.now(), &told[0]);
    refused(&mut browser, &request.redirect(), "not signed").await;
    let page = request.post(&mut browser, &request.xml()).await;
    assert!(page.body.contains("CB-SIGNOUT-001"), "{}", page.text());
    assert!(is_signed_in(&browser, &person).await);
    let page = desk
        .sign_out(world.now(), &told[0])
        .post(&mut browser, &xml)
        .await;
    assert_eq!(Sent::of(&page).status(), [SUCCESS]);
    assert!(!is_signed_in(&browser, &person).await);
}

/// The signed request goes in once more, elsewhere, beside one that nobody signed.
#[tokio::test]
async fn attack_10_what_is_read_is_what_was_signed() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mut browser = world.browser();
    let told = signed_in_at(&world, &mut browser, &person, &[&desk]).await;
    world
        .sql()
        .await
        .run("UPDATE relying_parties SET request_signature = 'required'")
        .await;
    // Signed for somebody else; the forger wants this session ended.
    let mut other = desk.sign_out(world.now(), &told[0]);
    other.rest = other.rest.replace("</a:NameID>", "x</a:NameID>");
    let signed = other.signed_xml(&desk.key);
    let wanted = Logout {
        id: "_forged".to_owned(),
        ..desk.sign_out(world.now(), &told[0])
    };
    let signature = {
        let from = signed.find("<ds:Signature").unwrap();
        let to = signed.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
        signed[from..to].to_owned()
    };
    let bare = signed.replace(&signature, "");
    let put = |inside: &str| {
        wanted
            .xml()
            .replacen("</a:Issuer>", &format!("</a:Issuer>{inside}"), 1)
    };
    let extensions = |inside: &str| format!("<p:Extensions>{inside}</p:Extensions>");
    let object = signature.replace(
        "</ds:Signature>",
        &format!("<ds:Object>{bare}</ds:Object></ds:Signature>"),
    );
    for (name, xml) in [
        ("the whole in Extensions", put(&extensions(&signed))),
        (
            "the signature outside",
            put(&format!("{signature}{}", extensions(&bare))),
        ),
        ("in an Object", put(&object)),
        (
            "the same id",
            put(&format!("{signature}{}", extensions(&bare))).replace("_forged", &other.id),
        ),
        (
            "a second NameID",
            signed.replacen(
                "<a:NameID",
                "<a:NameID xmlns:a=\"urn:oasis:names:tc:SAML:2.0:assertion\">y</a:NameID><a:NameID",
                1,
            ),
        ),
        (
            "a comment in the name",
            put("").replace("</a:NameID>", "<!-- -->x</a:NameID>"),
        ),
    ] {
        let page = wanted.post(&mut browser, &xml).await;
        assert!(
            page.status.is_client_error(),
            "{name}: {} {}",
            page.status,
            page.text()
        );
        assert!(is_signed_in(&browser, &person).await, "{name}");
    }
}

#[tokio::test]
async fn bad_messages_get_a_page_with_a_code_and_change_nothing() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let desk = Party::register(&world, "desk", LogoutBinding::Redirect).await;
    let mut browser = world.browser();
    let told = signed_in_at(&world, &mut browser, &person, &[&desk]).await;
    let good = desk.sign_out(world.now(), &told[0]);
    let minutes = |minutes: u64| std::time::Duration::from_secs(minutes * 60);
    let with = |attributes: String| Logout {
        attributes,
        ..good.clone()
    };
    let at = |at| Logout { at, ..good.clone() };
    let rest = |rest: &str| Logout {
        rest: rest.to_owned(),
        ..good.clone()
    };
    let name = |inside: &str| {
        format!(
            "<a:NameID xmlns:a=\"urn:oasis:names:tc:SAML:2.0:assertion\" Format=\"{NAME_ID}\">{inside}</a:NameID>"
        )
    };
    for (what, request) in [
        (
            "another address",
            with(" Destination=\"https://other.example.com/saml2/slo\"".to_owned()),
        ),
        ("a near miss", with(format!(" Destination=\"{SLO}/\""))),
        ("too old", at(world.now().minus(minutes(11)))),
        ("of the future", at(world.now().plus(minutes(6)))),
        (
            "over",
            with(format!(
                " NotOnOrAfter=\"{}\"",
                world.now().minus(minutes(6))
            )),
        ),
        ("no instant", with(" NotOnOrAfter=\"tomorrow\"".to_owned())),
        ("nobody", rest("<p:SessionIndex>x</p:SessionIndex>")),
        ("two people", rest(&format!("{}{}", name("a"), name("b")))),
        (
            "an unknown element",
            rest(&format!("{}<p:More/>", name("a"))),
        ),
        (
            "too many sessions",
            rest(&format!(
                "{}{}",
                name("a"),
                "<p:SessionIndex>x</p:SessionIndex>".repeat(33)
            )),
        ),
    ] {
        refused(&mut browser, &request.redirect(), what).await;
    }
    let (xml, query) = (good.xml(), good.redirect());
    for (what, xml) in [
        (
            "a DOCTYPE",
            format!("<!DOCTYPE a [<!ENTITY b \"c\">]>{xml}"),
        ),
        (
            "another version",
            xml.replace("Version=\"2.0\"", "Version=\"1.1\""),
        ),
        (
            "another namespace",
            xml.replacen("SAML:2.0:protocol", "SAML:2.0:other", 1),
        ),
        ("no issuer", xml.replace("a:Issuer", "a:Nobody")),
        (
            "an AuthnRequest",
            crate::support::entra::request(world.now()).xml(),
        ),
        (
            "two IDs",
            xml.replace(
                "<p:SessionIndex>",
                &format!("<p:SessionIndex ID=\"{}\">", good.id),
            ),
        ),
    ] {
        let page = good.post(&mut browser, &xml).await;
        assert!(
            page.body.contains("CB-SIGNOUT-001"),
            "{what}: {}",
            page.text()
        );
    }
    let foreign = Logout {
        issuer: "https://unknown.example.com".to_owned(),
        ..good.clone()
    };
    let page = browser.get(&foreign.redirect()).await;
    assert!(page.body.contains("CB-SIGNOUT-002"), "{}", page.text());
    assert!(
        !page.body.contains("unknown.example"),
        "nothing that was sent"
    );
    refused(
        &mut browser,
        &format!("{query}&SAMLResponse=PGEvPg%3D%3D"),
        "both at once",
    )
    .await;
    refused(&mut browser, &format!("{query}&SAMLRequest=a"), "twice").await;
    assert!(is_signed_in(&browser, &person).await);
    // Nothing at all: the person is asked.
    let page = browser.get("/saml2/slo").await;
    assert!(page.text().contains("Sign out?"), "{}", page.text());
}
