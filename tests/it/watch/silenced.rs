//! Who writes to the database, or takes away what is looked at, silences nothing.

use std::time::Duration;

use claimbridge::{
    app::watch::{Round, Telling, TenantReader, webhook::Delivered},
    base::secret::Secret,
};
use serde_json::{Value, json};

use super::{
    kit::{Watched, foreign},
    told,
};

fn backdoor(watched: &Watched) {
    watched
        .tenant
        .set("contoso.com", "nextSigningCertificate", foreign());
}

#[tokio::test]
async fn attack_38_a_turn_that_is_always_taken_away_silences_nothing() {
    let watched = Watched::new().await;
    assert_eq!(watched.look().await, told(&[]));
    let sql = watched.world.sql().await;
    sql.define(
        "CREATE TRIGGER thief AFTER UPDATE OF holder ON watch WHEN NEW.holder <> 'x'
         BEGIN UPDATE watch SET holder = 'x'; END",
    )
    .await;
    backdoor(&watched);
    let mut found = Vec::new();
    for _ in 0..18 {
        watched.world.advance(10 * 60);
        if let Round::Told(told) = watched.round_of(0).await {
            found.extend(told);
        }
    }
    assert_eq!(found, told(&[(Telling::New, "unknown-certificate")]));
    assert_eq!(watched.deliver().await.sent, 1);
    // Without any row, and where it is taken away at once.
    sql.define(
        "CREATE TRIGGER eraser AFTER INSERT ON watch BEGIN DELETE FROM watch; END;
         DELETE FROM watch",
    )
    .await;
    backdoor(&watched);
    let mut found = Vec::new();
    for _ in 0..18 {
        watched.world.advance(10 * 60);
        let app = watched.world.app();
        if let Ok(Round::Told(told)) = app.watch_round(&watched.watcher, &watched.outbound).await {
            found.extend(told);
        }
    }
    assert_eq!(found, told(&[(Telling::Changed, "unknown-certificate")]));
}

#[tokio::test]
async fn attack_38_a_message_that_is_deleted_is_told_all_the_same() {
    let watched = Watched::new().await;
    backdoor(&watched);
    assert_eq!(watched.look().await.len(), 1);
    let sql = watched.world.sql().await;
    let events = async || -> Vec<Value> {
        let posted = watched.receiver.taken();
        posted.iter().for_each(super::kit::Posted::assert_signed);
        posted
            .iter()
            .map(|one| one.json()["event"].clone())
            .collect()
    };
    sql.run("DELETE FROM watch_messages").await;
    assert_eq!(watched.measure("watch_messages_waiting").await, 1);
    assert_eq!(watched.deliver().await.sent, 1);
    assert_eq!(events().await, [json!("new")]);
    assert_eq!(watched.measure("watch_messages_waiting").await, 0);
    assert_eq!(watched.deliver().await, Delivered::default(), "once");
    assert_eq!(watched.look().await, told(&[]));
    assert!(
        watched
            .events()
            .await
            .contains(&"tampering-found".to_owned())
    );
    // One that is put off for ever.
    backdoor(&watched);
    watched.look().await;
    sql.run("UPDATE watch_messages SET next_try_at = 9999999999999")
        .await;
    assert_eq!(watched.deliver().await.sent, 1);
    assert_eq!(events().await, [json!("changed")]);
    // One whose words are others is not sent; the true ones are.
    backdoor(&watched);
    watched.look().await;
    sql.run("UPDATE watch_messages SET body = '{}'").await;
    assert_eq!(watched.deliver().await.sent, 1);
    assert_eq!(events().await, [json!("changed")]);
    // Where none can be kept at all, and while the receiver is away.
    sql.define("CREATE TRIGGER eraser AFTER INSERT ON watch_messages BEGIN DELETE FROM watch_messages; END")
        .await;
    backdoor(&watched);
    watched.look().await;
    watched.receiver.answers(500);
    assert_eq!(watched.deliver().await.failed, 1);
    watched.receiver.answers(204);
    assert_eq!(watched.deliver().await.sent, 1);
    assert_eq!(events().await, [json!("changed"), json!("changed")]);
    // That it is over, too; then nothing is left of it.
    watched
        .tenant
        .set("contoso.com", "nextSigningCertificate", Value::Null);
    assert_eq!(
        watched.look().await,
        told(&[(Telling::Over, "unknown-certificate")])
    );
    assert_eq!(watched.measure("watch_critical_findings").await, 0);
    assert_eq!(watched.deliver().await.sent, 1);
    assert_eq!(events().await, [json!("over")]);
    let mut tx = watched.world.app().store().read().await.unwrap();
    assert_eq!(tx.watch_findings().await.unwrap(), []);
}

/// An earlier version's tag said nothing of when a message comes next: what waits from before an
/// upgrade is sent, and is no alarm.
#[tokio::test]
async fn a_message_that_waits_from_before_an_upgrade_is_sent() {
    let watched = Watched::new().await;
    let sealing = watched.world.sealing();
    let waiting = async || {
        let mut tx = watched.world.app().store().read().await.unwrap();
        tx.messages().await.unwrap().remove(0)
    };
    let former = async |made_at: claimbridge::base::clock::Timestamp| {
        let message = waiting().await;
        let at = made_at.as_millis().to_be_bytes();
        let fields = [
            b"message",
            message.id.as_bytes(),
            message.body.as_bytes(),
            &at,
        ];
        let tag = sealing.tag(claimbridge::keys::sealing::TagLabel::Watch, &fields);
        let at = made_at.as_millis();
        watched
            .world
            .sql()
            .await
            .run(&format!(
                "UPDATE watch_messages SET tries = 3, next_try_at = 9999999999999, made_at = {at}, tag = '{tag}'"
            ))
            .await;
    };
    backdoor(&watched);
    assert_eq!(watched.look().await.len(), 1);
    former(watched.world.now()).await;
    watched.receiver.answers(500);
    assert_eq!(watched.deliver().await.failed, 1);
    assert_eq!(waiting().await.tries, 4, "as this version writes it");
    watched.receiver.answers(204);
    assert_eq!(watched.deliver().await, Delivered::default(), "not yet");
    watched.world.advance(8 * 60);
    assert_eq!(watched.deliver().await.sent, 1);
    let found = "tampering-found".to_owned();
    assert!(!watched.events().await.contains(&found));
    assert_eq!(watched.receiver.taken().len(), 2);
    // One that is older than any that waits is none of those.
    backdoor(&watched);
    watched.look().await;
    former(watched.world.now().minus(Duration::from_hours(8 * 24))).await;
    assert_eq!(watched.deliver().await.sent, 1, "made again");
    assert!(watched.events().await.contains(&found));
}

#[tokio::test]
async fn attack_38_a_message_that_is_put_off_is_told_all_the_same() {
    let watched = Watched::new().await;
    let sql = watched.world.sql().await;
    let off = watched
        .world
        .now()
        .plus(Duration::from_hours(3))
        .as_millis();
    // A message that is put off at each look, and when it is made.
    for trigger in ["AFTER UPDATE ON watch", "AFTER INSERT ON watch_messages"] {
        backdoor(&watched);
        sql.define(&format!(
            "CREATE TRIGGER later {trigger} BEGIN UPDATE watch_messages SET next_try_at = {off}; END"
        ))
        .await;
        assert_eq!(watched.look().await.len(), 1);
        watched.world.advance(60);
        sql.run("UPDATE watch SET holder = holder").await;
        assert_eq!(watched.deliver().await.sent, 1, "{trigger}");
        sql.define("DROP TRIGGER later").await;
        assert_eq!(watched.measure("watch_messages_waiting").await, 0);
    }
    assert!(
        watched
            .events()
            .await
            .contains(&"tampering-found".to_owned())
    );
    // One that is said to have been tried enough is not given up by one failure.
    backdoor(&watched);
    watched.look().await;
    sql.run("UPDATE watch_messages SET tries = 11").await;
    watched.receiver.answers(500);
    let delivered = watched.deliver().await;
    assert_eq!((delivered.failed, delivered.given_up), (1, 0));
    watched.receiver.answers(204);
    watched.world.advance(61);
    assert_eq!(watched.deliver().await.sent, 1);
}

#[tokio::test]
async fn what_could_not_be_looked_at_is_not_over() {
    let mut watched = Watched::new().await;
    let reader = watched.tenant.reader(watched.tenant.writing());
    watched.watcher.tenant = Some(reader);
    assert_eq!(
        watched.look().await,
        told(&[(Telling::New, "credential-can-write")])
    );
    // No token: nobody knows what it could do.
    let refused = TenantReader::new(
        &watched.tenant.endpoints(),
        "contoso.com",
        watched.tenant.writing().id(),
        Secret::new("not the secret".to_owned()),
    );
    watched.watcher.tenant = Some(refused.unwrap());
    assert_eq!(watched.look().await, told(&[]));
    // No application: none can write.
    watched.watcher.tenant = None;
    assert_eq!(
        watched.look().await,
        told(&[(Telling::Over, "credential-can-write")])
    );
    // Our own keys, and a database that does not show them.
    watched.world.advance((3 * 365 - 59) * 86_400);
    assert_eq!(
        watched.look().await,
        told(&[(Telling::New, "signing-certificate-expiring")])
    );
    let sql = watched.world.sql().await;
    sql.define("ALTER TABLE signing_keys RENAME TO hidden")
        .await;
    assert_eq!(
        watched.look().await,
        told(&[(Telling::New, "watch-broken")])
    );
    sql.define("ALTER TABLE hidden RENAME TO signing_keys")
        .await;
    assert_eq!(
        watched.look().await,
        told(&[(Telling::Over, "watch-broken")])
    );
}

#[tokio::test]
async fn where_our_own_key_was_altered_strangers_are_told_all_the_same() {
    let watched = Watched::new().await;
    watched.tenant.set(
        "fabrikam.com",
        "preferredAuthenticationProtocol",
        json!("wsFed"),
    );
    assert_eq!(
        watched.look().await,
        told(&[(Telling::New, "setting-changed")])
    );
    let sql = watched.world.sql().await;
    sql.run("UPDATE signing_keys SET state_tag = '00' WHERE state = 'active'")
        .await;
    // The certificate of the altered row may be ours: it is no stranger's.
    assert_eq!(
        watched.look().await,
        told(&[(Telling::New, "watch-broken")])
    );
    backdoor(&watched);
    watched.tenant.practice.with_directory(|directory| {
        let contoso = directory.domain("contoso.com").unwrap();
        let mut other = contoso.registration.clone().unwrap();
        let issuer = json!("https://evil.example/");
        other.properties.insert("issuerUri".to_owned(), issuer);
        directory.domain_mut("d001.example").unwrap().registration = Some(other);
    });
    let found = watched.look().await;
    for kind in ["unknown-certificate", "foreign-federation"] {
        assert!(
            found.contains(&(Telling::New, kind.to_owned())),
            "{found:?}"
        );
    }
    assert_eq!(found.len(), 2, "nothing is over: {found:?}");
}

#[tokio::test]
async fn a_finding_that_was_altered_is_measured_as_the_worst() {
    let watched = Watched::new().await;
    backdoor(&watched);
    watched.look().await;
    let sql = watched.world.sql().await;
    sql.run("UPDATE watch_findings SET severity = 'info'").await;
    assert_eq!(watched.measure("watch_critical_findings").await, 1);
}

#[tokio::test]
async fn a_server_that_loses_its_turn_by_chance_tells_nothing_twice() {
    let mut watched = Watched::new().await;
    watched.world.start_node().await;
    watched.world.advance(67 * 60);
    // The first node's look is interrupted by another that takes the turn.
    let sql = watched.world.sql().await;
    sql.define("CREATE TRIGGER other AFTER UPDATE OF holder ON watch WHEN NEW.holder <> 'other' BEGIN UPDATE watch SET holder = 'other', lease_until = 0; END")
        .await;
    backdoor(&watched);
    assert_eq!(watched.round_of(0).await, Round::LostTurn);
    sql.define("DROP TRIGGER other").await;
    assert_eq!(
        watched.round_of(1).await,
        Round::Told(told(&[(Telling::New, "unknown-certificate")]))
    );
    watched.world.advance(Duration::from_mins(67).as_secs());
    assert_eq!(watched.round_of(0).await, Round::Told(Vec::new()));
}
