//! Guessing at the door costs what it costs at the sign-in page, and tells nobody anything.

use claimbridge::signin::active::ActiveDoor;

use super::{door::device, kit::asking, world};
use crate::support::{PASSWORD, World};

async fn failures(world: &World, bucket: &str) -> u32 {
    let mut tx = world.app().store().read().await.unwrap();
    tx.failures(bucket).await.unwrap()
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
            // Now neither door looks at even a right one.
            let page = browser.submit_password(upn, PASSWORD).await;
            assert_eq!(page.status, 429, "{}", page.text());
            for right in [PASSWORD, &value] {
                let said = asking(upn, right).ask(&world).await;
                assert!(said.is_refused(), "{upn} {right}: {}", said.body);
            }
            world.advance(31);
            asking(upn, &value).ask(&world).await.token();
        }
    }
}

/// A device that asks every hour must not wipe out what somebody guesses at the password.
#[tokio::test]
async fn attack_2_a_device_that_asks_on_does_not_forgive_guesses() {
    let world = world(ActiveDoor::OwnPasswordsToo).await;
    let user = world.add_user("agent1@contoso.com").await;
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
    let user = world.add_user("agent1@contoso.com").await;
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
        let world = world(door).await;
        world.add_user("known@contoso.com").await;
        device(&world, "known@contoso.com").await;
        let disabled = world.add_user("disabled@contoso.com").await;
        let of_disabled = device(&world, "disabled@contoso.com").await;
        world
            .app()
            .disable_user(&disabled.upn, "tester")
            .await
            .unwrap();
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
            // A wait is looked at once.
            ("waiting@contoso.com", PASSWORD, 1),
        ] {
            let before = crate::limits::writes(&world);
            let said = asking(name, password).ask(&world).await;
            assert_eq!(said.body, wanted.body, "{name}");
            assert_eq!(said.status, wanted.status, "{name}");
            assert_eq!(crate::limits::writes(&world) - before, writes, "{name}");
        }
    }
}
