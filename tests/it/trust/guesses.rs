//! Guessing at the door costs what it costs at the sign-in page, and tells nobody anything.

use claimbridge::signin::active::ActiveDoor;

use super::{door::device, kit::asking, world};
use crate::support::{PASSWORD, World};

async fn failures(world: &World, bucket: &str) -> u32 {
    let mut tx = world.app().store().read().await.unwrap();
    tx.failures(bucket).await.unwrap()
}

/// An application password of when the person's domain still spoke WS-Federation.
pub async fn device_of_before(world: &mut World, upn: &str) -> String {
    let now = world.settings.clone();
    world
        .settings
        .ws_federation
        .push("fabrikam.com".parse().unwrap());
    world.start_node().await;
    world.settings = now;
    let before = world.nodes.pop().unwrap().app;
    let upn = upn.parse().unwrap();
    let made = before.add_app_password(&upn, "Scanner", "tester");
    made.await.unwrap().value.expose().clone()
}

#[tokio::test]
async fn attack_22_failing_here_locks_there_and_the_reverse() {
    for door in [
        ActiveDoor::ApplicationPasswords,
        ActiveDoor::OwnPasswordsToo,
    ] {
        let world = world(door).await;
        for (upn, here_first) in [("a@contoso.com", true), ("b@contoso.com", false)] {
            let user = world.add_user(upn).await;
            let value = device(&world, upn).await;
            let mut browser = world.browser();
            browser.get("/account").await;
            for number in 1..=5 {
                if here_first {
                    let said = asking(upn, "a wrong password").ask(&world).await;
                    assert!(said.is_refused(), "{}", said.body);
                } else {
                    browser.submit_password(upn, "a wrong password").await;
                }
                let bucket = format!("password:{}", user.id);
                assert_eq!(failures(&world, &bucket).await, number, "{upn}");
            }
            // Now neither door looks at even a right one. A device's is no guess.
            let page = browser.submit_password(upn, PASSWORD).await;
            assert_eq!(page.status, 429, "{}", page.text());
            let said = asking(upn, PASSWORD).ask(&world).await;
            assert!(said.is_refused(), "{upn}: {}", said.body);
            asking(upn, &value).ask(&world).await.token();
            world.advance(31);
            asking(upn, &value).ask(&world).await.token();
        }
    }
}

/// One wrong guess each half hour, by anybody, must not shut out a person's devices (review L4).
/// Where too much comes from, that waits, for devices too.
#[tokio::test]
async fn attack_4_a_stranger_locks_no_device_out() {
    for door in [
        ActiveDoor::ApplicationPasswords,
        ActiveDoor::OwnPasswordsToo,
    ] {
        let world = world(door).await;
        let user = world.add_user("agent1@contoso.com").await;
        let value = device(&world, "agent1@contoso.com").await;
        let bucket = format!("password:{}", user.id);
        for _ in 0..7 {
            for guess in ["wrong", PASSWORD, &value[1..]] {
                let said = asking("agent1@contoso.com", guess).ask(&world).await;
                assert!(said.is_refused() || guess == PASSWORD, "{}", said.body);
            }
            let mut device = asking("agent1@contoso.com", &value);
            device.source = "203.0.113.8";
            device.ask(&world).await.token();
            assert_eq!(failures(&world, "source:203.0.113.8").await, 0);
            // Nor does it wipe out what was guessed.
            let counted = failures(&world, &bucket).await;
            assert!(counted >= 2, "{counted}");
            let mut stranger = asking("nobody@contoso.com", &value);
            stranger.source = "203.0.113.8";
            assert!(stranger.ask(&world).await.is_refused());
            world.advance(61);
        }
        // Whom an operator disables, no wait lets in.
        for _ in 0..5 {
            asking("agent1@contoso.com", "wrong").ask(&world).await;
        }
        world.app().disable_user(&user.upn, "tester").await.unwrap();
        let said = asking("agent1@contoso.com", &value).ask(&world).await;
        assert!(said.is_refused(), "{}", said.body);
        world.app().enable_user(&user.upn, "tester").await.unwrap();
        for number in 0..60 {
            let mut stranger = asking(&format!("nobody{number}@contoso.com"), "wrong");
            stranger.source = "203.0.113.9";
            stranger.ask(&world).await;
        }
        let mut device = asking("agent1@contoso.com", &value);
        device.source = "203.0.113.9";
        let said = device.ask(&world).await;
        assert!(said.is_refused(), "{}", said.body);
    }
}

/// What we cannot sign is not the fault of whoever had the right password (review L3).
#[tokio::test]
async fn a_right_password_stays_free_while_the_keys_are_altered() {
    let world = world(ActiveDoor::ApplicationPasswords).await;
    let user = world.add_user("agent1@contoso.com").await;
    let value = device(&world, "agent1@contoso.com").await;
    let sql = world.sql().await;
    sql.run("UPDATE signing_keys SET state = 'staged'").await;
    for _ in 0..10 {
        let said = asking("agent1@contoso.com", &value).ask(&world).await;
        assert!(!said.body.contains("RequestedSecurityToken"));
        // The password was right: a program that hears otherwise asks for another one.
        assert!(!said.body.contains("FailedAuthentication"), "{}", said.body);
    }
    for bucket in [
        format!("password:{}", user.id),
        "source:203.0.113.7".to_owned(),
    ] {
        assert_eq!(failures(&world, &bucket).await, 0, "{bucket}");
    }
    sql.run("UPDATE signing_keys SET state = 'active'").await;
    asking("agent1@contoso.com", &value)
        .ask(&world)
        .await
        .token();
}

/// Whose domain takes no programs any more, and who is disabled, is refused, and locked out of
/// nothing by a device that asks on (review M2-4).
#[tokio::test]
async fn a_right_password_that_gets_no_token_is_no_guess() {
    let mut world = world(ActiveDoor::OwnPasswordsToo).await;
    let elsewhere = world.ready("agent1@fabrikam.com").await.user;
    let of_elsewhere = device_of_before(&mut world, elsewhere.upn.as_str()).await;
    let disabled = world.ready("disabled@contoso.com").await.user;
    let of_disabled = device(&world, disabled.upn.as_str()).await;
    let app = std::sync::Arc::clone(world.app());
    app.disable_user(&disabled.upn, "tester").await.unwrap();
    // What a disabled person's own password is, no counter that stands still may tell.
    for (user, password, tries, counted) in [
        (&elsewhere, of_elsewhere.as_str(), 10, 0),
        (&elsewhere, PASSWORD, 10, 0),
        (&disabled, of_disabled.as_str(), 10, 0),
        (&disabled, PASSWORD, 3, 3),
    ] {
        for _ in 0..tries {
            let said = asking(user.upn.as_str(), password).ask(&world).await;
            assert!(said.is_refused(), "{}", said.body);
        }
        let person = format!("password:{}", user.id);
        for bucket in [person.as_str(), "source:203.0.113.7"] {
            assert_eq!(failures(&world, bucket).await, counted, "{bucket}");
        }
    }
}

/// A first password, which somebody else may know, opens nothing before there is a second factor
/// (attack 37), and is no guess.
#[tokio::test]
async fn attack_37_an_own_password_without_a_second_factor_opens_nothing() {
    let world = world(ActiveDoor::OwnPasswordsToo).await;
    let user = world.add_user("agent1@contoso.com").await;
    let bucket = format!("password:{}", user.id);
    for _ in 0..6 {
        let said = asking("agent1@contoso.com", PASSWORD).ask(&world).await;
        assert!(said.is_refused(), "{}", said.body);
        assert_eq!(failures(&world, &bucket).await, 0);
    }
    world.enrol("agent1@contoso.com").await;
    asking("agent1@contoso.com", PASSWORD)
        .ask(&world)
        .await
        .token();
    // Taken away again: from the next request on.
    world.app().reset_user(&user.upn, "tester").await.unwrap();
    let said = asking("agent1@contoso.com", PASSWORD).ask(&world).await;
    assert!(said.is_refused(), "{}", said.body);
}

/// A device that asks every hour must not wipe out what somebody guesses at the password.
#[tokio::test]
async fn attack_2_a_device_that_asks_on_does_not_forgive_guesses() {
    let world = world(ActiveDoor::OwnPasswordsToo).await;
    let user = world.ready("agent1@contoso.com").await.user;
    let value = device(&world, "agent1@contoso.com").await;
    let bucket = format!("password:{}", user.id);
    for number in 1..=4 {
        let said = asking("agent1@contoso.com", "wrong").ask(&world).await;
        assert!(said.is_refused());
        asking("agent1@contoso.com", &value)
            .ask(&world)
            .await
            .token();
        assert_eq!(failures(&world, &bucket).await, number);
    }
    // The right own password ends the row, as at the sign-in page.
    asking("agent1@contoso.com", PASSWORD)
        .ask(&world)
        .await
        .token();
    assert_eq!(failures(&world, &bucket).await, 0);
    // A device's right try takes back the wait that it began itself, and no other.
    for _ in 0..4 {
        asking("agent1@contoso.com", "wrong").ask(&world).await;
    }
    for _ in 0..3 {
        asking("agent1@contoso.com", &value)
            .ask(&world)
            .await
            .token();
    }
    assert_eq!(failures(&world, &bucket).await, 4);
}

#[tokio::test]
async fn attack_25_every_spelling_of_a_name_is_one_counter() {
    let world = world(ActiveDoor::OwnPasswordsToo).await;
    let user = world.ready("agent1@contoso.com").await.user;
    for (number, spelling) in [
        "agent1@contoso.com",
        "AGENT1@Contoso.COM",
        "  agent1@contoso.com ",
        "ａｇｅｎｔ１@contoso.com",
        "agent1＠contoso.com",
    ]
    .into_iter()
    .enumerate()
    {
        let said = asking(spelling, "wrong").ask(&world).await;
        assert!(said.is_refused(), "{spelling}: {}", said.body);
        let bucket = format!("password:{}", user.id);
        let counted = failures(&world, &bucket).await;
        assert_eq!(counted, u32::try_from(number).unwrap() + 1, "{spelling}");
    }
    let said = asking("Agent1@contoso.com", PASSWORD).ask(&world).await;
    assert!(said.is_refused(), "a wait runs: {}", said.body);
    world.advance(31);
    asking("Agent1@contoso.com", PASSWORD)
        .ask(&world)
        .await
        .token();
}

/// One answer, byte for byte but for the time in it; and the same work.
#[tokio::test]
async fn attack_22_nobody_learns_who_there_is() {
    for door in [
        ActiveDoor::ApplicationPasswords,
        ActiveDoor::OwnPasswordsToo,
    ] {
        let mut world = world(door).await;
        world.add_user("known@contoso.com").await;
        device(&world, "known@contoso.com").await;
        let disabled = world.add_user("disabled@contoso.com").await;
        let of_disabled = device(&world, "disabled@contoso.com").await;
        world
            .app()
            .disable_user(&disabled.upn, "tester")
            .await
            .unwrap();
        // Of a domain that speaks SAML: Entra sends no program of theirs here (review L7).
        let elsewhere = world.ready("agent1@fabrikam.com").await.user;
        let of_elsewhere = device_of_before(&mut world, elsewhere.upn.as_str()).await;
        // One of whose devices' rows was altered: it opens nothing, the other one does (L11).
        world.add_user("altered@contoso.com").await;
        let of_altered = device(&world, "altered@contoso.com").await;
        let good = device(&world, "altered@contoso.com").await;
        let sql = world.sql().await;
        sql.run("UPDATE application_passwords SET tag = '00' WHERE id = (SELECT MIN(id) FROM application_passwords WHERE user_id = (SELECT id FROM users WHERE upn = 'altered@contoso.com'))")
            .await;
        let mut opened = 0;
        for value in [&of_altered, &good] {
            let said = asking("altered@contoso.com", value).ask(&world).await;
            opened += u32::from(said.status == 200);
        }
        assert_eq!(opened, 1, "the sound one");
        let waiting = world.add_user("waiting@contoso.com").await;
        for _ in 0..5 {
            asking(waiting.upn.as_str(), "wrong").ask(&world).await;
        }
        let wanted = asking("known@contoso.com", "wrong").ask(&world).await;
        assert!(wanted.is_refused());
        for (name, password, writes) in [
            ("known@contoso.com", "", 2),
            ("known@contoso.com", &"x".repeat(2_000), 2),
            ("nobody@contoso.com", "wrong", 2),
            ("nobody@contoso.com", PASSWORD, 2),
            ("nobody@elsewhere.com", "wrong", 2),
            ("CONTOSO\\known", "wrong", 2),
            ("", "", 2),
            (&"x".repeat(3_000), "wrong", 2),
            ("disabled@contoso.com", &of_disabled, 2),
            ("disabled@contoso.com", "wrong", 2),
            ("agent1@fabrikam.com", &of_elsewhere, 2),
            ("agent1@fabrikam.com", PASSWORD, 2),
            ("agent1@fabrikam.com", "wrong", 2),
            // That it was found is written down.
            ("altered@contoso.com", "wrong", 3),
            // A first password without a second factor.
            ("known@contoso.com", PASSWORD, 2),
            // A wait is looked at once.
            ("waiting@contoso.com", PASSWORD, 1),
            ("waiting@contoso.com", "wrong", 1),
        ] {
            let before = crate::limits::writes(&world);
            let said = asking(name, password).ask(&world).await;
            assert_eq!(said.body, wanted.body, "{name}");
            assert_eq!(said.status, wanted.status, "{name}");
            assert_eq!(crate::limits::writes(&world) - before, writes, "{name}");
        }
    }
}
