//! The watch over the federation: against the practice tenant, under a clock that stands
//! still until it is told to move.

/// The tenant and who is told.
pub mod kit;
/// The built program watches.
mod program;
/// Nothing is silenced.
mod silenced;

use std::time::Duration;

use claimbridge::{
    app::watch::{Round, Telling},
    practice::{Fault, FaultKind},
};
use serde_json::{Value, json};

use kit::{Watched, foreign};

fn told(kinds: &[(Telling, &str)]) -> Vec<(Telling, String)> {
    kinds
        .iter()
        .map(|(telling, kind)| (*telling, (*kind).to_owned()))
        .collect()
}

#[tokio::test]
async fn attack_20_a_foreign_certificate_is_told_once_then_daily_and_when_it_is_over() {
    let watched = Watched::new().await;
    assert_eq!(watched.look().await, told(&[]), "as it should be");
    assert!(watched.measure("watch_last_read_timestamp_seconds").await > 0);
    assert_eq!(watched.deliver().await.sent, 0);

    watched
        .tenant
        .set("contoso.com", "nextSigningCertificate", foreign());
    assert_eq!(
        watched.look().await,
        told(&[(Telling::New, "unknown-certificate")])
    );
    assert_eq!(
        watched
            .measure("watch_findings{kind=\"unknown-certificate\"}")
            .await,
        1
    );
    assert_eq!(watched.measure("watch_critical_findings").await, 1);
    assert_eq!(watched.measure("watch_messages_waiting").await, 1);
    assert_eq!(watched.deliver().await.sent, 1);
    let posted = watched.receiver.taken();
    posted[0].assert_signed();
    let message = posted[0].json();
    for (name, value) in [
        ("version", json!(1)),
        ("event", json!("new")),
        ("kind", json!("unknown-certificate")),
        ("severity", json!("critical")),
        ("domain", json!("contoso.com")),
        ("property", json!("nextSigningCertificate")),
        ("service", json!("https://idp.example.com")),
    ] {
        assert_eq!(message[name], value, "{message}");
    }
    assert!(
        message["sentence"]
            .as_str()
            .unwrap()
            .contains("none of ours")
    );
    assert_eq!(watched.events().await, ["alarm-raised"]);

    // Not the same alarm every hour …
    for _ in 0..20 {
        assert_eq!(watched.look().await, told(&[]));
    }
    // … but once a day,
    watched.world.advance(4 * 3600);
    assert_eq!(
        watched.look().await,
        told(&[(Telling::Still, "unknown-certificate")])
    );
    // and when it is another,
    watched
        .tenant
        .set("contoso.com", "nextSigningCertificate", foreign());
    assert_eq!(
        watched.look().await,
        told(&[(Telling::Changed, "unknown-certificate")])
    );
    // and when it is over.
    watched
        .tenant
        .set("contoso.com", "nextSigningCertificate", Value::Null);
    assert_eq!(
        watched.look().await,
        told(&[(Telling::Over, "unknown-certificate")])
    );
    assert_eq!(
        watched
            .measure("watch_findings{kind=\"unknown-certificate\"}")
            .await,
        0
    );
    assert_eq!(
        watched.events().await,
        ["alarm-changed", "alarm-over", "alarm-raised"]
    );
    assert_eq!(watched.deliver().await.sent, 3);
    let events: Vec<Value> = watched
        .receiver
        .taken()
        .iter()
        .map(|posted| posted.json()["event"].clone())
        .collect();
    assert_eq!(events, ["still", "changed", "over"]);
}

#[tokio::test]
async fn of_several_nodes_one_looks_and_a_restart_repeats_nothing() {
    let mut watched = Watched::new().await;
    watched.world.start_node().await;
    watched
        .tenant
        .set("contoso.com", "issuerUri", json!("https://evil.example/"));
    let (first, second) = tokio::join!(watched.round_of(0), watched.round_of(1));
    let mut looked = [first, second]
        .into_iter()
        .filter(|round| *round != Round::NotDue);
    let Some(Round::Told(told_first)) = looked.next() else {
        panic!("nobody looked");
    };
    assert!(
        told_first.iter().any(|(_, kind)| kind == "setting-changed"),
        "{told_first:?}"
    );
    assert_eq!(looked.next(), None, "one of them looks");
    // Not before its time.
    watched.world.advance(50 * 60);
    assert_eq!(watched.round_of(0).await, Round::NotDue);
    // Another process, later: the same is not told again.
    watched.world.start_node().await;
    watched.world.advance(20 * 60);
    let last = watched.world.nodes.len() - 1;
    assert_eq!(watched.round_of(last).await, Round::Told(Vec::new()));
}

#[tokio::test]
async fn a_tenant_that_cannot_be_read_is_told_the_second_time_and_nothing_is_over_meanwhile() {
    let watched = Watched::new().await;
    watched
        .tenant
        .set("contoso.com", "nextSigningCertificate", foreign());
    assert_eq!(
        watched.look().await,
        told(&[(Telling::New, "unknown-certificate")])
    );
    let faults = watched.tenant.practice.graph_faults();
    faults.add(Fault::next(1000, "/domains", FaultKind::Forbidden));
    assert_eq!(watched.look().await, told(&[]), "once may be chance");
    assert_eq!(watched.measure("watch_read_failures").await, 1);
    assert_eq!(
        watched.look().await,
        told(&[(Telling::New, "tenant-unreadable")])
    );
    assert_eq!(watched.look().await, told(&[]));
    assert_eq!(
        watched
            .measure("watch_findings{kind=\"unknown-certificate\"}")
            .await,
        1
    );
    faults.clear();
    assert_eq!(
        watched.look().await,
        told(&[(Telling::Over, "tenant-unreadable")])
    );
    assert_eq!(watched.measure("watch_read_failures").await, 0);
    // Half a page is no smaller tenant.
    faults.add(Fault::next(
        1000,
        "/domains",
        FaultKind::Lie(json!({"value": []})),
    ));
    assert_eq!(watched.look().await, told(&[]));
    assert_eq!(
        watched.look().await,
        told(&[(Telling::New, "tenant-unreadable")])
    );
}

#[tokio::test]
async fn attack_20_a_domain_that_shows_odd_things_hides_no_other() {
    let watched = Watched::new().await;
    watched
        .tenant
        .set("fabrikam.com", "nextSigningCertificate", foreign());
    watched.tenant.practice.graph_faults().add(Fault::next(
        1000,
        "/contoso.com/federationConfiguration",
        FaultKind::Lie(json!({"value": []})),
    ));
    let mut found = watched.look().await;
    found.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(
        found,
        told(&[
            (Telling::New, "domain-unreadable"),
            (Telling::New, "unknown-certificate"),
        ])
    );
    assert_eq!(watched.measure("watch_read_failures").await, 0);
}

#[tokio::test]
async fn attack_20_a_domain_that_shows_odd_things_makes_no_finding_of_it_over() {
    let watched = Watched::new().await;
    watched
        .tenant
        .set("contoso.com", "nextSigningCertificate", foreign());
    assert_eq!(
        watched.look().await,
        told(&[(Telling::New, "unknown-certificate")])
    );
    let faults = watched.tenant.practice.graph_faults();
    let at = |kind: FaultKind| {
        faults.clear();
        faults.add(Fault::next(
            1000,
            "/contoso.com/federationConfiguration",
            kind,
        ));
    };
    // What cannot be read is the worst at once …
    let two = json!({"value": [{"id": "1"}, {"id": "2"}]});
    at(FaultKind::Lie(two));
    assert_eq!(
        watched.look().await,
        told(&[(Telling::New, "domain-unreadable")])
    );
    assert_eq!(watched.measure("watch_critical_findings").await, 2);
    assert_eq!(watched.look().await, told(&[]));
    faults.clear();
    assert_eq!(
        watched.look().await,
        told(&[(Telling::Over, "domain-unreadable")])
    );
    // … and what Entra shows for a minute after a change, or refuses, when it stays.
    let empty = FaultKind::Lie(json!({"value": []}));
    for kind in [empty, FaultKind::Forbidden] {
        at(kind);
        assert_eq!(
            watched.look().await,
            told(&[(Telling::New, "domain-unreadable")])
        );
        assert_eq!(watched.measure("watch_critical_findings").await, 1);
        assert_eq!(
            watched.look().await,
            told(&[(Telling::Changed, "domain-unreadable")])
        );
        assert_eq!(watched.measure("watch_critical_findings").await, 2);
        assert_eq!(watched.look().await, told(&[]), "whatever the reason is");
        faults.clear();
        assert_eq!(
            watched.look().await,
            told(&[(Telling::Over, "domain-unreadable")])
        );
    }
    // Each telling that there was; none said that the backdoor is gone.
    while watched.deliver().await.sent > 0 {}
    let over: Vec<Value> = watched
        .receiver
        .taken()
        .iter()
        .map(kit::Posted::json)
        .filter(|message| message["event"] == "over")
        .map(|message| message["kind"].clone())
        .collect();
    assert_eq!(over, vec![json!("domain-unreadable"); 3]);
    watched
        .tenant
        .set("contoso.com", "nextSigningCertificate", Value::Null);
    assert_eq!(
        watched.look().await,
        told(&[(Telling::Over, "unknown-certificate")])
    );
}

#[tokio::test]
async fn an_application_that_could_write_is_told_and_blinds_nobody() {
    let mut watched = Watched::new().await;
    let reader = watched.tenant.reader(watched.tenant.writing());
    watched.watcher.tenant = Some(reader);
    watched
        .tenant
        .set("contoso.com", "nextSigningCertificate", foreign());
    let found = watched.look().await;
    for kind in ["credential-can-write", "unknown-certificate"] {
        assert!(
            found.contains(&(Telling::New, kind.to_owned())),
            "{found:?}"
        );
    }
}

#[tokio::test]
async fn where_our_own_key_was_altered_that_is_an_alarm() {
    let watched = Watched::new().await;
    assert_eq!(watched.look().await, told(&[]));
    let sql = watched.world.sql().await;
    sql.run("UPDATE signing_keys SET state_tag = '00' WHERE state = 'active'")
        .await;
    assert_eq!(
        watched.look().await,
        told(&[(Telling::New, "watch-broken")])
    );
    assert_eq!(watched.deliver().await.sent, 1);
}

#[tokio::test]
async fn more_than_is_told_at_once_is_not_over() {
    let watched = Watched::new().await;
    watched.tenant.practice.with_directory(|directory| {
        let contoso = directory.domain("contoso.com").unwrap();
        let mut foreign = contoso.registration.clone().unwrap();
        let issuer = json!("https://evil.example/");
        foreign.properties.insert("issuerUri".to_owned(), issuer);
        for number in 0..205 {
            let name = format!("d{number:03}.example");
            directory.domain_mut(&name).unwrap().registration = Some(foreign.clone());
        }
    });
    assert_eq!(watched.look().await.len(), 200);
    let rest = watched.look().await;
    assert!(
        rest.iter().all(|(telling, _)| *telling == Telling::New),
        "{rest:?}"
    );
    assert_eq!(rest.len(), 5);
    assert_eq!(watched.look().await, told(&[]));
}

#[tokio::test]
async fn what_the_tenant_holds_is_noted_for_the_rollover() {
    use claimbridge::keys::state::{Held, Party};
    let watched = Watched::new().await;
    assert_eq!(watched.look().await, told(&[]));
    let holds = async |domain: &str| {
        let keys = watched.world.app().keys().await.unwrap();
        keys.iter()
            .flat_map(|key| &key.seen)
            .filter(|(party, _)| *party == Party::Domain(domain.to_owned()))
            .map(|(_, held)| matches!(held, Held::Since { .. }))
            .collect::<Vec<bool>>()
    };
    assert_eq!(holds("contoso.com").await, [true]);
    watched
        .tenant
        .set("contoso.com", "signingCertificate", foreign());
    watched.look().await;
    assert_eq!(holds("contoso.com").await, [false]);
    assert_eq!(holds("fabrikam.com").await, [true]);
    // A domain that became managed holds none: federated anew, it needs its time again.
    watched.tenant.practice.with_directory(|directory| {
        directory.domain_mut("fabrikam.com").unwrap().registration = None;
    });
    watched.look().await;
    assert_eq!(holds("fabrikam.com").await, [false]);
}

#[tokio::test]
async fn other_changes_behind_our_back_have_their_kinds() {
    let watched = Watched::new().await;
    assert_eq!(watched.look().await, told(&[]));
    watched.tenant.practice.with_directory(|directory| {
        directory.policies.security_defaults = true;
        directory.policies.validating_root_domains = "none".to_owned();
        directory.domain_mut("fabrikam.com").unwrap().registration = None;
    });
    let mut found: Vec<String> = watched
        .look()
        .await
        .into_iter()
        .map(|(_, kind)| kind)
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "not-federated",
            "security-defaults",
            "token-validation-weakened"
        ]
    );
}

#[tokio::test]
async fn without_a_credential_our_own_certificates_are_watched() {
    let mut watched = Watched::new().await;
    watched.watcher.tenant = None;
    let end = watched.world.now().plus(Duration::from_hours(10 * 24));
    watched.watcher.tls_end = Some(std::sync::Arc::new(move || Some(end)));
    assert_eq!(
        watched.look().await,
        told(&[(Telling::New, "tls-certificate-expiring")])
    );
    // Made for three years.
    watched.watcher.tls_end = None;
    watched.world.advance((3 * 365 - 59) * 86_400);
    assert_eq!(
        watched.look().await,
        told(&[
            (Telling::New, "signing-certificate-expiring"),
            (Telling::Over, "tls-certificate-expiring")
        ])
    );
    watched.world.advance(60 * 86_400);
    let found = watched.look().await;
    assert!(
        found.contains(&(Telling::New, "signing-certificate-expired".to_owned())),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_message_that_nobody_takes_comes_again_and_is_given_up_in_the_end() {
    let watched = Watched::new().await;
    watched
        .tenant
        .set("contoso.com", "nextSigningCertificate", foreign());
    watched.look().await;
    watched.receiver.answers(500);
    let mut tries = 0;
    loop {
        let delivered = watched.deliver().await;
        // In between nobody tries.
        assert_eq!(watched.deliver().await.failed, 0);
        tries += 1;
        if delivered.given_up == 1 {
            break;
        }
        assert_eq!(delivered.failed, 1);
        assert!(tries < 50);
        watched.world.advance(2 * 3600 + 1);
    }
    assert_eq!(tries, 12);
    assert_eq!(watched.measure("watch_messages_waiting").await, 0);
    let posted = watched.receiver.taken();
    assert_eq!(posted.len(), 12);
    // Each try is signed with its own time, and is the same message.
    posted.iter().for_each(kit::Posted::assert_signed);
    assert!(posted.iter().all(|again| again.body == posted[0].body));

    // A receiver that comes back gets what waited; a redirect is no receiver.
    watched
        .tenant
        .set("contoso.com", "nextSigningCertificate", foreign());
    watched.look().await;
    watched.receiver.answers(302);
    assert_eq!(watched.deliver().await.failed, 1);
    watched.receiver.answers(200);
    watched.world.advance(61);
    assert_eq!(watched.deliver().await.sent, 1);
}

#[tokio::test]
async fn attack_38_who_writes_to_the_database_silences_no_alarm() {
    let watched = Watched::new().await;
    watched
        .tenant
        .set("contoso.com", "nextSigningCertificate", foreign());
    assert_eq!(watched.look().await.len(), 1);
    let sql = watched.world.sql().await;
    // As if it had been told in a hundred years.
    sql.run("UPDATE watch_findings SET told_at = 9999999999999")
        .await;
    assert_eq!(
        watched.look().await,
        told(&[(Telling::New, "unknown-certificate")])
    );
    // As if it had never been: told again.
    sql.run("DELETE FROM watch_findings").await;
    assert_eq!(
        watched.look().await,
        told(&[(Telling::New, "unknown-certificate")])
    );
    // Nobody else's turn lasts for ever.
    for row in ["lease_until", "next_look_at"] {
        sql.run(&format!("UPDATE watch SET {row} = 9999999999999"))
            .await;
        assert_eq!(watched.look().await, told(&[]), "{row}");
    }
    // Nor one that is renewed all the time: a process that was kept from looking looks.
    watched.world.advance(200 * 60);
    let until = watched.world.now().plus(Duration::from_mins(5)).as_millis();
    sql.run(&format!(
        "UPDATE watch SET lease_until = {until}, next_look_at = {until}"
    ))
    .await;
    assert_eq!(watched.round_of(0).await, Round::Told(Vec::new()));
    // Without the row, too.
    sql.run("DELETE FROM watch").await;
    assert_eq!(watched.look().await, told(&[]));
    // Words of somebody else are not sent under our signature; what was to be told is.
    sql.run("UPDATE watch_messages SET body = '{}'").await;
    assert_eq!(watched.deliver().await.sent, 1);
    let posted = watched.receiver.taken();
    assert_eq!(posted.len(), 1);
    assert_eq!(posted[0].json()["kind"], "unknown-certificate");
    assert_eq!(watched.measure("watch_messages_waiting").await, 0);
    let events = watched.events().await;
    assert!(
        events
            .iter()
            .filter(|kind| *kind == "tampering-found")
            .count()
            >= 2,
        "{events:?}"
    );
}

#[tokio::test]
async fn under_a_new_master_key_nothing_is_told_twice_and_nothing_is_lost() {
    use claimbridge::{
        base::random::SystemRandom,
        keys::sealing::{MasterKey, Sealing},
    };
    let mut watched = Watched::new().await;
    watched
        .tenant
        .set("contoso.com", "nextSigningCertificate", foreign());
    assert_eq!(watched.look().await.len(), 1);
    let (old, master) = (
        watched.world.sealing(),
        MasterKey::random(&mut SystemRandom),
    );
    let new = Sealing::new(&master);
    let (store, now) = (watched.world.app().store().clone(), watched.world.now());
    claimbridge::app::keys::rewrap(&store, &old, &new, "tester", now, &mut SystemRandom)
        .await
        .unwrap();
    watched.world.nodes.clear();
    watched.world.set_master(master);
    watched.world.start_node().await;
    assert_eq!(watched.look().await, told(&[]));
    assert_eq!(watched.deliver().await.sent, 1);
    assert_eq!(watched.events().await, ["alarm-raised"]);
}

#[test]
fn kinds_are_explained() {
    let cli = crate::cli::Cli::empty();
    let kinds = claimbridge::federation::DriftKind::ALL
        .iter()
        .map(|kind| kind.as_str())
        .chain(
            claimbridge::app::watch::OWN_KINDS
                .iter()
                .map(|kind| kind.name),
        );
    for kind in kinds {
        let words = claimbridge::app::watch::words_of_kind(kind);
        assert!(words.is_some(), "{kind}");
    }
    let said = cli.done(&["explain", "unknown-certificate"]);
    assert!(said.contains("backdoor"), "{said}");
}
