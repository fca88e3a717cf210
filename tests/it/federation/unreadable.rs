//! A row that cannot be read hides no other one, and keeps nobody from what it does not concern.

use serde_json::json;

use super::stage::Stage;

const ASIDE: [&str; 5] = [
    "domain",
    "set-aside",
    "contoso.com",
    "--confirm",
    "contoso.com",
];

/// Two changes, the newer of which can be undone.
fn changed_twice() -> Stage {
    let stage = Stage::new();
    assert_eq!(stage.apply(&[]).exit, 0);
    mended(&stage);
    stage
}

fn mended(stage: &Stage) {
    stage.behind_our_back("promptLoginBehavior", json!("disabled"));
    let said = stage.apply(&[]);
    assert_eq!(said.exit, 0, "{said:?}");
}

/// What was written, what it is called, and whether it may be of any domain.
const ROWS: [(&str, &str, bool); 9] = [
    (
        "UPDATE federation_changes SET begun_at = 'never'
         WHERE begun_at = (SELECT MAX(begun_at) FROM federation_changes)",
        "the change chg_",
        false,
    ),
    (
        "INSERT INTO federation_changes (id, domain, begun_at) VALUES ('x\u{1b}[2J', 'contoso.com', 1)",
        "the change x",
        false,
    ),
    (
        "INSERT INTO federation_changes (id, domain, begun_at) VALUES (NULL, 'contoso.com', 1)",
        "the change ?",
        false,
    ),
    (
        "UPDATE federation_journal SET written_at = 'never' WHERE number = 1",
        "the change chg_",
        false,
    ),
    (
        "UPDATE federation_journal SET sealed = x'ff' WHERE number = 1",
        "the change chg_",
        false,
    ),
    (
        "UPDATE events SET body = body || 'x' WHERE kind = 'federation-called'",
        "the event evt_",
        false,
    ),
    (
        "UPDATE events SET actor = 'x' WHERE kind = 'federation-change-begun'",
        "the event evt_",
        false,
    ),
    (
        "UPDATE events SET body = 'x' WHERE kind = 'federation-change-begun'",
        "the event evt_",
        true,
    ),
    (
        "UPDATE events SET body = '{}' WHERE kind = 'federation-called'",
        "the event evt_",
        true,
    ),
];

#[test]
fn attack_38_a_row_that_cannot_be_read_is_told_and_set_aside() {
    for (statement, named, is_anybodys) in ROWS {
        let stage = changed_twice();
        stage.by_hand(statement);
        let back = stage.rollback(None);
        assert_eq!(back.exit, 1, "{statement}: {back:?}");
        for said in [named, "outside claimbridge", "domain set-aside"] {
            assert!(back.err.contains(said), "{statement}: {said}: {}", back.err);
        }
        assert!(!back.err.contains('\u{1b}'), "{statement}");
        // What is right to do needs no journal.
        stage.behind_our_back("promptLoginBehavior", json!("disabled"));
        let apply = stage.apply(&[]);
        assert_eq!(apply.exit, 0, "{statement}: {apply:?}");
        assert!(apply.err.contains(named), "{statement}: {}", apply.err);
        // Of another domain nothing was altered.
        let other = [
            "domain",
            "set-aside",
            "northwind.com",
            "--confirm",
            "northwind.com",
        ];
        let other = stage.run(&other);
        assert_eq!(
            other.exit,
            i32::from(!is_anybodys),
            "{statement}: {other:?}"
        );
        let aside = stage.run(&ASIDE);
        assert_eq!(aside.exit, 0, "{statement}: {aside:?}");
        assert!(aside.out.contains(named), "{statement}: {}", aside.out);
        assert_eq!(stage.run(&ASIDE).exit, 1, "{statement}: once");
        mended(&stage);
        let back = stage.rollback(None);
        assert_eq!(back.exit, 0, "{statement}: {back:?}");
        let glass = stage.break_glass();
        assert_eq!(glass.exit, 0, "{statement}: {glass:?}");
    }
}

/// What cannot be read keeps nobody from leaving a master key.
#[test]
fn a_journal_with_an_unreadable_row_goes_under_a_new_master_key() {
    let stage = changed_twice();
    stage.by_hand(
        "INSERT INTO federation_changes (id, domain, begun_at) VALUES ('x', 'fabrikam.com', 1);
         UPDATE federation_journal SET written_at = 'never' WHERE number = 1 AND change_id =
            (SELECT id FROM federation_changes WHERE domain = 'contoso.com' ORDER BY begun_at LIMIT 1)",
    );
    stage.rewrapped();
    let back = stage.rollback(None);
    assert_eq!(back.exit, 1, "{back:?}");
    assert!(back.err.contains("domain set-aside"), "{}", back.err);
}

/// An earlier version began a line and drew it in two steps: one that was interrupted between
/// them locks nobody.
#[test]
fn a_line_that_was_begun_and_not_drawn_is_drawn_by_set_aside() {
    let undrawn = || {
        let stage = changed_twice();
        // The alteration that the beginning of a line mends.
        stage.by_hand(
            "UPDATE federation_changes SET finished_at = NULL WHERE begun_at =
                (SELECT MAX(begun_at) FROM federation_changes)",
        );
        stage.undrawn_line();
        stage
    };
    let stage = undrawn();
    stage.behind_our_back("promptLoginBehavior", json!("disabled"));
    for said in [stage.apply(&[]), stage.rollback(None)] {
        assert_eq!(said.exit, 1, "{said:?}");
        assert!(
            said.err
                .contains("`claimbridge domain set-aside contoso.com` draws it"),
            "{}",
            said.err
        );
    }
    let aside = stage.run(&ASIDE);
    assert_eq!(aside.exit, 0, "{aside:?}");
    assert!(
        aside.out.contains("was not drawn to its end"),
        "{}",
        aside.out
    );
    assert_eq!(stage.run(&ASIDE).exit, 1, "once");
    mended(&stage);
    assert_eq!(stage.rollback(None).exit, 0);
    // Nothing of before the line comes back.
    let nothing = stage.rollback(None);
    assert_eq!(nothing.exit, 1, "{nothing:?}");
    assert!(nothing.err.contains("nothing to roll back"), "{nothing:?}");

    let stage = undrawn();
    let glass = stage.break_glass();
    assert_eq!(glass.exit, 0, "{glass:?}");
    assert!(glass.err.contains("it is given up"), "{}", glass.err);
}
