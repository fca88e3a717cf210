//! Break glass (`domain rollback --to-managed`) leads out, whatever journal, tenant and clock say.

use claimbridge::practice::{Fault, FaultKind};
use serde_json::json;

use super::stage::{Said, Stage};

fn applied() -> Stage {
    let stage = Stage::new();
    assert_eq!(stage.apply(&[]).exit, 0);
    stage
}

fn cut_at_the_change(stage: &Stage) {
    stage.fault(Fault {
        method: Some(axum::http::Method::POST),
        path: "federationConfiguration".to_owned(),
        after: 0,
        times: 1,
        kind: FaultKind::CutBeforeDone,
    });
    let cut = stage.apply(&[]);
    assert_eq!(cut.exit, 3, "{cut:?}");
}

/// The journal's changes were made at another tenant: the domain has moved.
fn moved_to_another_tenant(stage: &Stage) {
    stage.resealed(|entry| {
        if entry["hand"].is_object() {
            entry["hand"]["tenant"] = json!("0bd0dc31-0000-4000-8000-000000000001");
        }
    });
}

#[test]
fn another_tenants_journal_keeps_nobody_in() {
    let stage = applied();
    moved_to_another_tenant(&stage);
    let back = stage.rollback(None);
    assert_eq!(back.exit, 1, "{back:?}");
    assert!(
        back.err.contains("was made at the tenant 0bd0dc31"),
        "{}",
        back.err
    );
    let glass = stage.break_glass();
    assert_eq!(glass.exit, 0, "{glass:?}");
    assert!(stage.federation().is_none());

    // Nor does a change that was interrupted there, in the middle of a call.
    let stage = Stage::new();
    cut_at_the_change(&stage);
    moved_to_another_tenant(&stage);
    stage.federated_elsewhere("contoso.com");
    let glass = stage.break_glass();
    assert_eq!(glass.exit, 0, "{glass:?}");
    assert!(glass.err.contains("it is given up"), "{}", glass.err);
    assert!(stage.federation().is_none());
    let closed = ("apply".to_owned(), Some("superseded".to_owned()));
    assert_eq!(stage.journal()[1], closed);
}

#[test]
fn a_domain_that_shows_odd_things_becomes_managed() {
    let oddities = [
        FaultKind::Lie(json!({"value": [{"id": "1"}, {"id": "2"}]})),
        FaultKind::Lie(json!({"value": [{"id": "x".repeat(65), "issuerUri": "a"}]})),
        FaultKind::Lie(json!({"value": []})),
        FaultKind::Forbidden,
        FaultKind::HalfAnswer,
        FaultKind::ServerError,
        FaultKind::Unavailable(240),
        FaultKind::CutBeforeDone,
    ];
    for kind in oddities {
        let stage = applied();
        let path = "/contoso.com/federationConfiguration";
        stage.fault(Fault::next(1000, path, kind.clone()));
        let glass = stage.break_glass();
        assert!(
            glass.err.contains("does not need it"),
            "{kind:?}: {}",
            glass.err
        );
        assert_eq!(glass.exit, 0, "{kind:?}: {glass:?}");
        assert!(stage.federation().is_none(), "{kind:?}");
    }
    // Also where nothing at all is shown of it; then nobody can read it back.
    let stage = applied();
    let lie = FaultKind::Lie(json!({"id": "contoso.com", "authenticationType": 1}));
    stage.fault(Fault {
        method: Some(axum::http::Method::GET),
        ..Fault::next(1000, "/domains/contoso.com", lie)
    });
    let glass = stage.break_glass();
    assert_eq!(glass.exit, 3, "{glass:?}");
    assert!(glass.out.contains("sent and accepted"), "{}", glass.out);
    assert!(stage.federation().is_none());
    // In the middle of a change that nobody can read back.
    let stage = Stage::new();
    cut_at_the_change(&stage);
    stage.moved_in_time(-600_000);
    stage.federated_elsewhere("contoso.com");
    let two = FaultKind::Lie(json!({"value": [{"id": "1"}, {"id": "2"}]}));
    stage.fault(Fault::next(
        1000,
        "/contoso.com/federationConfiguration",
        two,
    ));
    let glass = stage.break_glass();
    assert_eq!(glass.exit, 0, "{glass:?}");
    assert!(stage.federation().is_none());
}

#[test]
fn a_journal_that_cannot_be_read_keeps_nobody_in() {
    let stage = applied();
    stage.by_hand("ALTER TABLE federation_changes RENAME TO elsewhere");
    let glass = stage.break_glass();
    assert_eq!(glass.exit, 0, "{glass:?}");
    assert!(glass.err.contains("in no journal"), "{}", glass.err);
    assert!(stage.federation().is_none());
    // Nor one that takes nothing, says nothing of it, or takes no more after the beginning.
    for full in [
        "CREATE TRIGGER full BEFORE INSERT ON federation_journal BEGIN SELECT RAISE(ABORT, 'full'); END",
        "CREATE TRIGGER full BEFORE INSERT ON federation_journal BEGIN SELECT RAISE(IGNORE); END",
        "CREATE TRIGGER full BEFORE INSERT ON federation_changes BEGIN SELECT RAISE(IGNORE); END",
        "CREATE TRIGGER full BEFORE INSERT ON federation_journal WHEN NEW.number > 0
            BEGIN SELECT RAISE(ABORT, 'full'); END",
        "CREATE TRIGGER full BEFORE INSERT ON federation_journal WHEN NEW.number > 1
            BEGIN SELECT RAISE(IGNORE); END",
        "CREATE TRIGGER full BEFORE UPDATE OF finished_at ON federation_changes
            BEGIN SELECT RAISE(ABORT, 'full'); END",
        "CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'full'); END",
    ] {
        let stage = applied();
        stage.by_hand(full);
        let glass = stage.break_glass();
        assert_eq!(glass.exit, 0, "{full}: {glass:?}");
        assert!(glass.err.contains("in no journal"), "{full}: {}", glass.err);
        assert!(stage.federation().is_none(), "{full}");
    }
}

fn of_domain(method: axum::http::Method, after: usize, kind: FaultKind) -> Fault {
    Fault {
        method: Some(method),
        path: "/domains/contoso.com".to_owned(),
        after,
        times: 1,
        kind,
    }
}

fn sent(stage: &Stage) -> usize {
    let calls = stage.practice.graph_faults().calls();
    calls
        .iter()
        .filter(|call| call.method == axum::http::Method::PATCH)
        .count()
}

const NO_OUTCOME: &str =
    "CREATE TRIGGER full BEFORE INSERT ON federation_journal WHEN NEW.number > 1
    BEGIN SELECT RAISE(ABORT, 'full'); END";
const NO_JOURNAL: &str = "CREATE TRIGGER full BEFORE INSERT ON federation_changes
    BEGIN SELECT RAISE(IGNORE); END";

/// A call that Graph took, or may have taken, is not sent once more, and nothing is said of it before
/// the tenant was read.
#[test]
fn a_call_that_graph_took_is_not_repeated_and_not_called_undone() {
    let patch = axum::http::Method::PATCH;
    for (full, faults) in [
        // It took place, and that could not be written down.
        (NO_OUTCOME, vec![]),
        // The same, and its answer was lost; Graph would refuse another.
        (
            NO_OUTCOME,
            vec![
                of_domain(patch.clone(), 0, FaultKind::DoneButCut),
                of_domain(patch.clone(), 1, FaultKind::Forbidden),
            ],
        ),
        (
            NO_JOURNAL,
            vec![of_domain(patch.clone(), 0, FaultKind::DoneButCut)],
        ),
    ] {
        let stage = applied();
        let before = sent(&stage);
        stage.by_hand(full);
        let words = format!("{full}: {faults:?}");
        for fault in faults {
            stage.fault(fault);
        }
        let glass = stage.break_glass();
        assert_eq!(glass.exit, 0, "{words}: {glass:?}");
        assert!(glass.out.contains("is managed again"), "{words}: {glass:?}");
        assert!(glass.err.contains("in no journal"), "{words}: {glass:?}");
        assert_eq!(sent(&stage) - before, 1, "{words}");
        assert!(stage.federation().is_none(), "{words}");
    }
    // Nobody knows, and the tenant does not show it: that is said, whatever can be written.
    for full in [NO_OUTCOME, NO_JOURNAL] {
        let stage = applied();
        let before = sent(&stage);
        stage.by_hand(full);
        stage.fault(of_domain(patch.clone(), 0, FaultKind::CutBeforeDone));
        let glass = stage.break_glass();
        assert_eq!(glass.exit, 3, "{full}: {glass:?}");
        assert!(
            glass
                .err
                .contains("nobody knows whether contoso.com became managed")
                && glass.err.contains("does not show it so far")
                && !glass.err.contains("was not changed"),
            "{full}: {}",
            glass.err
        );
        assert_eq!(sent(&stage) - before, 1, "{full}");
    }
    // What was refused is said so.
    for full in [NO_OUTCOME, NO_JOURNAL] {
        let stage = applied();
        stage.by_hand(full);
        stage.fault(of_domain(patch.clone(), 0, FaultKind::Forbidden));
        let glass = stage.break_glass();
        assert_eq!(glass.exit, 1, "{full}: {glass:?}");
        assert!(
            glass.err.contains("was not changed")
                && glass.err.contains("Domain.ReadWrite.All")
                && glass.err.contains("Domain Name Administrator"),
            "{full}: {}",
            glass.err
        );
    }
}

/// An earlier command's call took place, and the tenant could not be read before this one's.
#[test]
fn a_domain_that_is_managed_already_is_not_said_to_be_unchanged() {
    let get = axum::http::Method::GET;
    let lie = FaultKind::Lie(json!({"id": "contoso.com", "authenticationType": 1}));
    for kind in [FaultKind::Forbidden, FaultKind::CutBeforeDone] {
        let stage = Stage::new();
        stage.fault(of_domain(get.clone(), 0, lie.clone()));
        stage.fault(of_domain(axum::http::Method::PATCH, 0, kind.clone()));
        let glass = stage.break_glass();
        assert_eq!(glass.exit, 0, "{kind:?}: {glass:?}");
        assert!(
            glass.out.contains("is managed again"),
            "{kind:?}: {glass:?}"
        );
        assert!(!glass.err.contains("in no journal"), "{kind:?}: {glass:?}");
        assert!(stage.journal()[0].1.is_some(), "{kind:?}: it is closed");
    }
    // The journal's looks see more of the tenant than is asked of it here.
    let stage = applied();
    let odd = FaultKind::Lie(json!({"value": [{"id": "1"}, {"id": "2"}]}));
    let path = "/contoso.com/federationConfiguration";
    stage.fault(Fault::next(1000, path, odd));
    let change = axum::http::Method::PATCH;
    stage.fault(of_domain(change, 0, FaultKind::DoneButCut));
    let glass = stage.break_glass();
    assert_eq!(glass.exit, 0, "{glass:?}");
    assert!(stage.federation().is_none());
}

/// Whoever writes to the tenant without a pause does not keep the domain federated.
#[test]
fn a_tenant_that_changes_between_look_and_yes_becomes_managed() {
    let stage = applied();
    // The first look is shown something else than each later one.
    let other = json!({"value": [{"id": "1", "issuerUri": "urn:other", "displayName": "Other"}]});
    let path = "/contoso.com/federationConfiguration";
    stage.fault(Fault::next(1, path, FaultKind::Lie(other)));
    let glass = stage.break_glass();
    assert_eq!(glass.exit, 0, "{glass:?}");
    assert!(stage.federation().is_none());
}

/// Attack 38: an instant that lies ahead keeps nobody waiting for longer than a call can take.
#[test]
fn attack_38_an_instant_that_was_moved_keeps_nobody_waiting_for_ever() {
    let stage = Stage::new();
    cut_at_the_change(&stage);
    let left = |said: &Said| {
        assert_eq!(said.exit, 3, "{said:?}");
        assert!(said.err.contains("in 6 minutes"), "{}", said.err);
    };
    stage.by_hand("UPDATE federation_journal SET written_at = 4102444800000");
    left(&stage.apply(&[]));
    // Of a clock that was wrong, and of an entry that an earlier version wrote without an instant.
    stage.moved_in_time(300_000);
    left(&stage.apply(&[]));
    stage.resealed(|entry| {
        entry.as_object_mut().unwrap().remove("at");
    });
    let again = stage.apply(&[]);
    assert_eq!(again.exit, 0, "{again:?}");
}
