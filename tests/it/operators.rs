//! What operators do, as use cases: people, ImmutableIDs, the master key.

use std::sync::Arc;

use claimbridge::{
    app::{
        App, Category, Parts, keys,
        passes::PassOptions,
        users::{NewUser, PasswordState, Replace},
    },
    base::{random::SystemRandom, secret::Secret},
    keys::sealing::{MasterKey, Sealing},
    storage::Store,
};

use crate::support::{PASSWORD, World, entra, settings};

fn new_user(upn: &str, immutable_id: &str) -> NewUser {
    NewUser {
        upn: upn.parse().unwrap(),
        display_name: "Agent".to_owned(),
        immutable_id: Some(immutable_id.parse().unwrap()),
        groups: Vec::new(),
        password: None,
    }
}

#[tokio::test]
async fn a_person_needs_a_configured_domain_and_a_name_of_their_own() {
    let world = World::new().await;
    let app = world.app();
    let error = app
        .add_user(new_user("a@unknown.example", "A1"), "tester")
        .await
        .unwrap_err();
    assert_eq!(error.category(), Category::Conflict);
    assert!(error.detail().contains("domain add"), "{error}");
    let error = app
        .add_user(new_user("a@eu.contoso.com", "A1"), "tester")
        .await
        .unwrap_err();
    assert_eq!(
        error.category(),
        Category::Conflict,
        "a sub-domain that nobody configured"
    );
    app.add_user(new_user("a@contoso.com", "A1"), "tester")
        .await
        .unwrap();
    let error = app
        .add_user(new_user("A@CONTOSO.com", "A2"), "tester")
        .await
        .unwrap_err();
    assert_eq!(error.category(), Category::Conflict);
}

#[tokio::test]
async fn an_immutable_id_is_set_once_and_never_given_twice() {
    let world = World::new().await;
    let app = world.app();
    app.add_user(new_user("one@contoso.com", "FIRST"), "tester")
        .await
        .unwrap();
    app.add_user(new_user("two@contoso.com", "SECOND"), "tester")
        .await
        .unwrap();
    let (one, two) = (
        "one@contoso.com".parse().unwrap(),
        "two@contoso.com".parse().unwrap(),
    );
    let third = "THIRD".parse().unwrap();
    let refused = app
        .set_immutable_id(&one, &third, Replace::No, "tester")
        .await
        .unwrap_err();
    assert!(refused.detail().contains("--replace"), "{refused}");
    app.set_immutable_id(&one, &third, Replace::Yes, "tester")
        .await
        .unwrap();
    // What was once another person's stays taken for ever.
    for taken in ["FIRST", "THIRD"] {
        let error = app
            .set_immutable_id(&two, &taken.parse().unwrap(), Replace::Yes, "tester")
            .await
            .unwrap_err();
        assert_eq!(error.category(), Category::Conflict, "{taken}");
    }
    let error = app
        .add_user(new_user("three@contoso.com", "FIRST"), "tester")
        .await
        .unwrap_err();
    assert_eq!(error.category(), Category::Conflict);
    // The same person may have it back; letter case means something.
    app.set_immutable_id(&one, &"FIRST".parse().unwrap(), Replace::Yes, "tester")
        .await
        .unwrap();
    app.add_user(new_user("four@contoso.com", "first"), "tester")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_pass_has_entra_s_ranges_and_a_newer_one_replaces_it() {
    let world = World::new().await;
    world.add_user("agent1@contoso.com").await;
    let upn = "agent1@contoso.com".parse().unwrap();
    let minutes = |minutes| PassOptions {
        lifetime: std::time::Duration::from_mins(minutes),
        ..PassOptions::default()
    };
    for (options, fits) in [
        (minutes(9), false),
        (minutes(10), true),
        (minutes(43_200), true),
        (minutes(43_201), false),
        (
            PassOptions {
                length: 7,
                ..PassOptions::default()
            },
            false,
        ),
        (
            PassOptions {
                length: 8,
                ..PassOptions::default()
            },
            true,
        ),
        (
            PassOptions {
                length: 48,
                ..PassOptions::default()
            },
            true,
        ),
        (
            PassOptions {
                length: 49,
                ..PassOptions::default()
            },
            false,
        ),
    ] {
        let issued = world.app().issue_pass(&upn, options, "tester").await;
        assert_eq!(issued.is_ok(), fits, "{options:?}");
        if let Ok(pass) = issued {
            assert_eq!(pass.value.expose().len(), options.length);
            assert_eq!(format!("{:?}", pass.value), "[secret]");
        }
    }
    let former = world.issue_pass("agent1@contoso.com").await;
    let newer = world.issue_pass("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    browser
        .submit_password("agent1@contoso.com", PASSWORD)
        .await;
    assert!(!browser.submit_pass(&former).await.body.contains("otpauth"));
    assert!(browser.submit_pass(&newer).await.body.contains("otpauth"));
}

#[tokio::test]
async fn resetting_a_person_takes_everything_away_and_names_the_operator() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let upn = person.upn().parse().unwrap();
    world.app().reset_user(&upn, "os:maria").await.unwrap();
    let view = world.app().view_user(&upn).await.unwrap();
    assert_eq!(view.password, PasswordState::None);
    assert!(view.methods.is_empty() && view.live_pass.is_none());
    let mut tx = world.app().store().read().await.unwrap();
    let events = tx.events_of(&person.user.id, 100).await.unwrap();
    let json = serde_json::to_string(&events).unwrap();
    assert!(
        json.contains("user-reset") && json.contains("os:maria"),
        "{json}"
    );
}

#[tokio::test]
async fn who_issues_a_pass_or_takes_it_back_stands_in_the_event() {
    let world = World::new().await;
    let user = world.add_user("agent1@contoso.com").await;
    let upn = user.upn.clone();
    let options = PassOptions::default();
    world
        .app()
        .issue_pass(&upn, options, "os:maria")
        .await
        .unwrap();
    world.app().revoke_pass(&upn, "os:otto").await.unwrap();
    // There is nothing to take back any more.
    assert!(world.app().revoke_pass(&upn, "os:otto").await.is_err());
    let mut tx = world.app().store().read().await.unwrap();
    let events = tx.events_of(&user.id, 100).await.unwrap();
    let by = |kind: &str| {
        let of_kind = events.iter().filter(|event| event.kind() == kind);
        of_kind
            .map(|event| serde_json::to_value(event).unwrap().to_string())
            .collect::<Vec<_>>()
    };
    let (issued, revoked) = (by("pass-issued"), by("pass-revoked"));
    assert!(
        issued.len() == 1 && issued[0].contains("os:maria"),
        "{issued:?}"
    );
    assert!(
        revoked.len() == 1 && revoked[0].contains("os:otto"),
        "{revoked:?}"
    );
}

#[tokio::test]
async fn no_secret_stands_in_the_database_or_in_events() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let pass = world.issue_pass(person.upn()).await;
    let mut bytes = Vec::new();
    let path = world
        .database_url
        .strip_prefix("sqlite://")
        .unwrap()
        .to_owned();
    for suffix in ["", "-wal"] {
        bytes.extend(std::fs::read(format!("{path}{suffix}")).unwrap_or_default());
    }
    assert!(bytes.len() > 10_000);
    let contains = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(contains(person.upn().as_bytes()), "the search works");
    let base32 = data_encoding::BASE32_NOPAD.encode(&person.secret);
    for (what, secret) in [
        ("a pass", pass.as_bytes()),
        ("a password", PASSWORD.as_bytes()),
        ("a TOTP secret", &person.secret[..]),
        ("a TOTP secret in base32", base32.as_bytes()),
        ("a private key", b"PRIVATE KEY"),
        // The start of an RSA key in PKCS#8 (RFC 5208): version 0, rsaEncryption.
        (
            "a PKCS#8 key",
            &[
                0x02, 0x01, 0x00, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
                0x01, 0x01,
            ][..],
        ),
    ] {
        assert!(!contains(secret), "{what} stands in the database file");
    }
}

#[tokio::test]
async fn rewrap_moves_everything_under_a_new_master_key() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let certificate = world.app().assertion_key().certificate.clone();
    let (old, new) = (
        world.sealing(),
        Sealing::new(&MasterKey::random(&mut SystemRandom)),
    );
    let store = world.app().store();
    let done = keys::rewrap(store, &old, &new, "tester", world.now(), &mut SystemRandom)
        .await
        .unwrap();
    assert_eq!(
        (done.users, done.passwords, done.totp, done.keys),
        (1, 1, 1, 1)
    );
    let again = keys::rewrap(store, &old, &new, "tester", world.now(), &mut SystemRandom)
        .await
        .unwrap_err();
    assert!(
        again.detail().contains("another") || again.detail().contains("master key"),
        "{again}"
    );

    let start = |sealing: Sealing| async {
        let store = Store::connect(&world.database_url)
            .await
            .unwrap()
            .with_clock(world.clock.clone());
        let sealing = Arc::new(sealing);
        App::start(Parts {
            store,
            clock: world.clock.clone(),
            random: Box::new(SystemRandom),
            sealing,
            settings: settings(),
        })
        .await
    };
    let Err(refused) = start(old).await else {
        panic!("the old key must not open the database")
    };
    assert!(refused.detail().contains("master_key_file"), "{refused}");
    let app = Arc::new(start(new).await.unwrap());
    assert_eq!(
        app.assertion_key().certificate,
        certificate,
        "the same key, sealed anew"
    );
    let router = claimbridge::web::router(Arc::new(claimbridge::web::Web::new(app, Vec::new())));
    let mut browser = crate::support::Browser::over(vec![router]);
    world.advance(30);
    let answer = browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await;
    assert!(answer.expect_answer().is_assertion());
}

#[tokio::test]
async fn rewrap_stops_at_a_row_that_was_tampered_with_and_changes_nothing() {
    let world = World::new().await;
    world.ready("agent1@contoso.com").await;
    world
        .sql()
        .await
        .run("UPDATE users SET immutable_id = 'GLOBALADMIN'")
        .await;
    let (old, new) = (
        world.sealing(),
        Sealing::new(&MasterKey::random(&mut SystemRandom)),
    );
    let error = keys::rewrap(
        world.app().store(),
        &old,
        &new,
        "tester",
        world.now(),
        &mut SystemRandom,
    )
    .await
    .unwrap_err();
    assert!(error.detail().contains("agent1@contoso.com"), "{error}");
    let mut tx = world.app().store().read().await.unwrap();
    assert_eq!(
        tx.master_key_id().await.unwrap().as_deref(),
        Some(old.key_id())
    );
}

#[tokio::test]
async fn a_hash_of_another_cost_is_made_again_at_the_next_sign_in() {
    let world = World::new().await;
    let user = world.add_user("agent1@contoso.com").await;
    let dearer = claimbridge::factor::password::HashCost {
        memory_kib: 20 * 1024,
        passes: 2,
        lanes: 1,
    };
    let phc = claimbridge::factor::password::hash(
        &Secret::new(PASSWORD.to_owned()),
        dearer,
        &mut SystemRandom,
    )
    .unwrap();
    let mut tx = world.app().store().begin().await.unwrap();
    let mut row = tx.password_of(&user.id).await.unwrap().unwrap();
    row.tag = claimbridge::directory::PasswordCredential::make_tag(
        &world.sealing(),
        &row.id,
        &row.user,
        &phc,
    );
    row.phc = phc;
    tx.put_password(&row).await.unwrap();
    tx.commit().await.unwrap();
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    assert!(
        browser
            .submit_password("agent1@contoso.com", PASSWORD)
            .await
            .asks_for_pass()
    );
    let mut tx = world.app().store().read().await.unwrap();
    let now = tx.password_of(&user.id).await.unwrap().unwrap();
    assert!(now.phc.contains("m=19456,t=2,p=1"), "{}", now.phc);
    assert!(now.require_tag(&world.sealing()).is_ok());
}
