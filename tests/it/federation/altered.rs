//! Attack 38 on the journal as a whole: who can write the database cannot choose, by what is
//! missing or old, to which state `rollback` goes.

use serde_json::json;

use super::stage::Stage;

/// Two changes: contoso.com becomes ours, and a setting of it is mended.
fn changed_twice(between: &'static str) -> Stage {
    let stage = Stage::new();
    assert_eq!(stage.apply(&[]).exit, 0);
    stage.by_hand(between);
    mended(&stage);
    assert_eq!(stage.journal().len(), 2);
    stage
}

fn mended(stage: &Stage) {
    stage.behind_our_back("promptLoginBehavior", json!("disabled"));
    let said = stage.apply(&[]);
    assert_eq!(said.exit, 0, "{said:?}");
}

fn behavior(stage: &Stage) -> Option<serde_json::Value> {
    Some(stage.federation()?["promptLoginBehavior"].clone())
}

const COPY: &str = "CREATE TABLE old_changes AS SELECT * FROM federation_changes;
    CREATE TABLE old_journal AS SELECT * FROM federation_journal;";

#[test]
fn one_change_after_another_is_rolled_back() {
    let stage = changed_twice("SELECT 1");
    stage.behind_our_back(
        "promptLoginBehavior",
        json!("translateToFreshPasswordAuthentication"),
    );
    assert_eq!(stage.apply(&[]).exit, 0);
    for wanted in [
        Some("translateToFreshPasswordAuthentication"),
        Some("disabled"),
        None,
    ] {
        let back = stage.rollback(None);
        assert_eq!(back.exit, 0, "{wanted:?}: {back:?}");
        assert_eq!(behavior(&stage), wanted.map(|value| json!(value)));
    }
    let nothing = stage.rollback(None);
    assert!(nothing.err.contains("nothing to roll back"), "{nothing:?}");
}

#[test]
fn attack_38_what_is_missing_or_old_leads_nowhere() {
    const NOTHING: &str = "SELECT 1";
    for (between, statement) in [
        // It would be older than the one before it.
        (
            NOTHING,
            "UPDATE federation_changes SET begun_at = 1
             WHERE begun_at = (SELECT MAX(begun_at) FROM federation_changes)",
        ),
        // The newest was never there.
        (
            NOTHING,
            "DELETE FROM federation_journal WHERE change_id =
                (SELECT id FROM federation_changes ORDER BY begun_at DESC LIMIT 1);
             DELETE FROM federation_changes WHERE begun_at = (SELECT MAX(begun_at) FROM federation_changes)",
        ),
        // … and no event says so.
        (
            NOTHING,
            "DELETE FROM events WHERE body LIKE '%' ||
                (SELECT id FROM federation_changes ORDER BY begun_at DESC LIMIT 1) || '%';
             DELETE FROM federation_journal WHERE change_id =
                (SELECT id FROM federation_changes ORDER BY begun_at DESC LIMIT 1);
             DELETE FROM federation_changes WHERE begun_at = (SELECT MAX(begun_at) FROM federation_changes)",
        ),
        // The first was never there, and no event says so.
        (
            NOTHING,
            "DELETE FROM events WHERE body LIKE '%' ||
                (SELECT id FROM federation_changes ORDER BY begun_at LIMIT 1) || '%';
             DELETE FROM federation_journal WHERE change_id =
                (SELECT id FROM federation_changes ORDER BY begun_at LIMIT 1);
             DELETE FROM federation_changes WHERE begun_at = (SELECT MIN(begun_at) FROM federation_changes)",
        ),
        // Everything is as it was before the second.
        (
            COPY,
            "DELETE FROM federation_journal; DELETE FROM federation_changes;
             INSERT INTO federation_changes SELECT * FROM old_changes;
             INSERT INTO federation_journal SELECT * FROM old_journal",
        ),
        // The first says again that nothing came after it.
        (
            COPY,
            "UPDATE federation_changes SET head =
                (SELECT head FROM old_changes WHERE old_changes.id = federation_changes.id)
             WHERE id IN (SELECT id FROM old_changes)",
        ),
        // The second is again what it was before its call.
        (
            "CREATE TABLE old_heads (id TEXT, number BIGINT, head TEXT);
             CREATE TRIGGER keep AFTER UPDATE OF head ON federation_changes BEGIN
                INSERT INTO old_heads SELECT NEW.id, COUNT(*), NEW.head FROM federation_journal
                WHERE change_id = NEW.id; END;",
            "DROP TRIGGER keep;
             DELETE FROM federation_journal WHERE number > 0 AND change_id =
                (SELECT id FROM federation_changes ORDER BY begun_at DESC LIMIT 1);
             UPDATE federation_changes SET finished_at = NULL,
                head = (SELECT head FROM old_heads WHERE old_heads.id = federation_changes.id AND number = 1)
             WHERE begun_at = (SELECT MAX(begun_at) FROM federation_changes)",
        ),
    ] {
        let stage = changed_twice(between);
        stage.by_hand(statement);
        let back = stage.rollback(None);
        assert_eq!(back.exit, 1, "{statement}: {back:?}");
        assert!(
            back.err.contains("altered outside claimbridge"),
            "{statement}: {}",
            back.err
        );
        assert_eq!(behavior(&stage), Some(json!("nativeSupport")), "{statement}");
        // What is right to do needs no journal, and makes none good.
        mended(&stage);
        let back = stage.rollback(None);
        assert_eq!(back.exit, 1, "{statement}: {back:?}");
        let line = ["domain", "rollback", "contoso.com", "--to-managed"];
        let glass = stage.run(&[&line[..], &["--confirm", "contoso.com"]].concat());
        assert_eq!(glass.exit, 0, "{statement}: {glass:?}");
        assert!(stage.federation().is_none(), "{statement}");
    }
}

#[test]
fn attack_38_a_change_in_the_middle_is_missed() {
    let stage = changed_twice("SELECT 1");
    mended(&stage);
    stage.by_hand(
        "CREATE TABLE middle AS SELECT id FROM federation_changes ORDER BY begun_at LIMIT 1 OFFSET 1;
         DELETE FROM events WHERE body LIKE '%' || (SELECT id FROM middle) || '%';
         DELETE FROM federation_journal WHERE change_id IN (SELECT id FROM middle);
         DELETE FROM federation_changes WHERE id IN (SELECT id FROM middle)",
    );
    let back = stage.rollback(None);
    assert_eq!(back.exit, 1, "{back:?}");
    assert!(back.err.contains("is gone"), "{}", back.err);
}

#[test]
fn what_was_altered_is_set_aside_by_name_and_what_is_newer_counts_again() {
    let aside = |stage: &Stage, confirm: &[&str]| {
        stage.run(&[&["domain", "set-aside", "contoso.com"], confirm].concat())
    };
    let yes = ["--confirm", "contoso.com"];
    for statement in [
        "UPDATE federation_journal SET sealed = 'x' WHERE number = 0 AND change_id =
            (SELECT id FROM federation_changes ORDER BY begun_at LIMIT 1)",
        "DELETE FROM federation_journal WHERE change_id =
            (SELECT id FROM federation_changes ORDER BY begun_at DESC LIMIT 1);
         DELETE FROM federation_changes WHERE begun_at = (SELECT MAX(begun_at) FROM federation_changes)",
        "DELETE FROM events WHERE body LIKE '%' ||
            (SELECT id FROM federation_changes ORDER BY begun_at LIMIT 1) || '%';
         DELETE FROM federation_journal WHERE change_id =
            (SELECT id FROM federation_changes ORDER BY begun_at LIMIT 1);
         DELETE FROM federation_changes WHERE begun_at = (SELECT MIN(begun_at) FROM federation_changes)",
        "UPDATE federation_changes SET finished_at = NULL WHERE begun_at =
            (SELECT MAX(begun_at) FROM federation_changes)",
    ] {
        let stage = changed_twice("SELECT 1");
        assert_eq!(aside(&stage, &yes).exit, 1, "nothing was altered");
        stage.by_hand(statement);
        // Not without a yes.
        let asked = aside(&stage, &[]);
        assert_eq!(asked.exit, 1, "{asked:?}");
        assert!(asked.out.contains("the change chg_"), "{statement}: {asked:?}");
        assert_eq!(aside(&stage, &["--confirm", "fabrikam.com"]).exit, 2);
        assert_eq!(stage.rollback(None).exit, 1, "{statement}");
        let done = aside(&stage, &yes);
        assert_eq!(done.exit, 0, "{statement}: {done:?}");
        assert_eq!(aside(&stage, &yes).exit, 1, "{statement}: once");
        // Nothing of before comes back, …
        let nothing = stage.rollback(None);
        assert_eq!(nothing.exit, 1, "{statement}: {nothing:?}");
        assert!(nothing.err.contains("nothing to roll back"), "{nothing:?}");
        // … what comes after does,
        mended(&stage);
        mended(&stage);
        for _ in 0..2 {
            let back = stage.rollback(None);
            assert_eq!(back.exit, 0, "{statement}: {back:?}");
            assert_eq!(behavior(&stage), Some(json!("disabled")));
        }
        mended(&stage);
        // … unless that was altered.
        stage.by_hand(
            "UPDATE federation_changes SET head = '' WHERE begun_at = (SELECT MAX(begun_at) FROM federation_changes)",
        );
        assert_eq!(stage.rollback(None).exit, 1, "{statement}");
        assert_eq!(aside(&stage, &yes).exit, 0, "{statement}");
        mended(&stage);
        // Without the line what it covered counts again.
        stage.by_hand(
            "CREATE TABLE line AS SELECT id FROM federation_changes ORDER BY begun_at DESC LIMIT 1 OFFSET 1;
             DELETE FROM events WHERE body LIKE '%' || (SELECT id FROM line) || '%';
             DELETE FROM federation_journal WHERE change_id IN (SELECT id FROM line);
             DELETE FROM federation_changes WHERE id IN (SELECT id FROM line)",
        );
        let back = stage.rollback(None);
        assert_eq!(back.exit, 1, "{statement}: {back:?}");
        assert!(back.err.contains("altered outside claimbridge"), "{}", back.err);
    }
}

/// What a line covers counts for nothing: opened again by hand it is told, and keeps nobody from
/// anything.
#[test]
fn attack_38_what_was_set_aside_and_is_opened_again_is_no_lock() {
    let set_aside = [
        "domain",
        "set-aside",
        "contoso.com",
        "--confirm",
        "contoso.com",
    ];
    let reopened = || {
        let stage = changed_twice("SELECT 1");
        stage.by_hand("UPDATE federation_changes SET head = ''");
        assert_eq!(stage.run(&set_aside).exit, 0);
        mended(&stage);
        stage.by_hand(
            "DELETE FROM events WHERE kind = 'tampering-found';
             UPDATE federation_changes SET finished_at = NULL WHERE begun_at =
                (SELECT MIN(begun_at) FROM federation_changes)",
        );
        stage
    };
    let told = "was set aside, and was opened again outside claimbridge";

    let stage = reopened();
    stage.behind_our_back("promptLoginBehavior", json!("disabled"));
    let apply = stage.apply(&[]);
    assert_eq!(apply.exit, 0, "{apply:?}");
    assert!(apply.err.contains(told), "{}", apply.err);
    // That closed it.
    let again = stage.run(&set_aside);
    assert_eq!(again.exit, 1, "{again:?}");
    // It is an event: this fails where there is none.
    stage.by_hand(
        "CREATE TABLE told (event TEXT NOT NULL);
         INSERT INTO told VALUES ((SELECT MIN(id) FROM events WHERE kind = 'tampering-found'))",
    );

    let stage = reopened();
    let back = stage.rollback(None);
    assert_eq!(back.exit, 0, "{back:?}");
    assert!(back.err.contains(told), "{}", back.err);

    let stage = reopened();
    let aside = stage.run(&set_aside);
    assert_eq!(aside.exit, 0, "{aside:?}");
    assert!(aside.out.contains(told), "{}", aside.out);

    let stage = reopened();
    let glass = stage.break_glass();
    assert_eq!(glass.exit, 0, "{glass:?}");
    assert!(glass.err.contains(told), "{}", glass.err);
    assert!(!glass.err.contains("in no journal"), "{}", glass.err);
    assert!(stage.federation().is_none());
}

/// A line that could not be drawn to its end is none: it covers nothing, stands in nobody's way,
/// and is drawn by the next one (review M2-9).
#[test]
fn attack_38_a_line_is_there_whole_with_its_event_or_not_at_all() {
    let set_aside = [
        "domain",
        "set-aside",
        "contoso.com",
        "--confirm",
        "contoso.com",
    ];
    for full in [
        "CREATE TRIGGER full BEFORE INSERT ON federation_journal WHEN NEW.number = 1
            BEGIN SELECT RAISE(ABORT, 'full'); END",
        "CREATE TRIGGER full BEFORE INSERT ON events WHEN NEW.kind = 'federation-journal-set-aside'
            BEGIN SELECT RAISE(ABORT, 'full'); END",
    ] {
        let stage = changed_twice("SELECT 1");
        // The alteration that the beginning of any change mends.
        stage.by_hand(
            "UPDATE federation_changes SET finished_at = NULL WHERE begun_at =
                (SELECT MAX(begun_at) FROM federation_changes)",
        );
        stage.by_hand(full);
        assert_eq!(stage.run(&set_aside).exit, 3, "{full}");
        stage.by_hand("DROP TRIGGER full");
        let back = stage.rollback(None);
        assert_eq!(back.exit, 1, "{full}: {back:?}");
        let told = "altered outside claimbridge";
        assert!(back.err.contains(told), "{full}: {}", back.err);
        let aside = stage.run(&set_aside);
        assert_eq!(aside.exit, 0, "{full}: {aside:?}");
        mended(&stage);
    }
}

/// What is about to leave the tenant counts as gone: nobody may sign with it.
#[test]
fn a_key_that_a_rollback_took_out_is_not_activated() {
    let stage = Stage::new();
    assert_eq!(stage.apply(&[]).exit, 0);
    assert_eq!(stage.run(&["keys", "stage"]).exit, 0);
    assert_eq!(stage.apply(&[]).exit, 0);
    assert!(
        stage
            .federation()
            .unwrap()
            .get("nextSigningCertificate")
            .is_some()
    );
    assert_eq!(stage.rollback(None).exit, 0);
    let activated = stage.run(&["keys", "activate"]);
    assert_eq!(activated.exit, 1, "{activated:?}");
    assert!(activated.err.contains("contoso.com"), "{}", activated.err);
}
