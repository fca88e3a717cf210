//! The contract of issue 5: plan → apply → verify → drift → rollback against the practice
//! tenant, interrupted at every call, and against a tenant that misbehaves.

use axum::http::Method;
use claimbridge::practice::{Fault, FaultKind};
use serde_json::{Value, json};

use super::stage::{Said, Stage};

fn pair(kind: &str, outcome: Option<&str>) -> (String, Option<String>) {
    (kind.to_owned(), outcome.map(ToOwned::to_owned))
}

fn kinds(said: &Said) -> Vec<String> {
    said.json()
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["kind"].as_str().unwrap().to_owned())
        .collect()
}

fn other_certificate() -> Value {
    json!(data_encoding::BASE64.encode(&super::certificate("other.pem")))
}

#[test]
fn a_domain_is_planned_applied_verified_watched_and_rolled_back() {
    let stage = Stage::new();
    // Without a tenant's state; a program reads the same as Graph gets.
    let planned = stage.run(&["domain", "plan", "contoso.com", "--format", "graph"]);
    assert_eq!(planned.exit, 0, "{planned:?}");
    // What a file of calls does not say stands beside it.
    for said in [
        "Before it can be applied",
        "--emergency-account",
        "If it is not so: ",
    ] {
        assert!(planned.err.contains(said), "{said}: {}", planned.err);
    }
    let calls = planned.json();
    let address = calls[0]["url"].as_str().unwrap();
    assert!(
        address.ends_with("/graph/v1.0/domains/contoso.com/federationConfiguration"),
        "{address}"
    );
    assert!(stage.federation().is_none());

    let applied = stage.apply(&[]);
    assert_eq!(applied.exit, 0, "{applied:?}");
    let has = stage.federation().unwrap();
    for (name, value) in calls[0]["body"].as_object().unwrap() {
        if !name.starts_with('@') {
            assert_eq!(&has[name], value, "{name}");
        }
    }
    for said in [
        "What cannot be undone",
        "needs a new password",
        "never be unset again",
        "two hours",
    ] {
        assert!(applied.out.contains(said), "{said}: {}", applied.out);
    }
    assert_eq!(stage.journal(), [pair("apply", Some("done"))]);

    let verified = stage.run(&["domain", "verify", "contoso.com"]);
    assert_eq!(verified.exit, 0, "{verified:?}");
    assert!(
        verified.out.contains("Not done: a sign-in"),
        "{}",
        verified.out
    );
    let drift = |more: &[&str]| stage.run(&[&["domain", "drift", "--json"], more].concat());
    // northwind.com and tailspin.com are ours and not (federated) there.
    let calm = drift(&["contoso.com"]);
    assert_eq!((calm.exit, kinds(&calm)), (0, vec![]), "{calm:?}");
    assert_eq!(kinds(&drift(&[])), ["domain-missing", "not-federated"]);

    stage.behind_our_back("nextSigningCertificate", other_certificate());
    let alarm = drift(&["contoso.com"]);
    assert_eq!(
        (alarm.exit, kinds(&alarm)),
        (1, vec!["unknown-certificate".to_owned()])
    );
    let verified = stage.run(&["domain", "verify", "contoso.com"]);
    assert_eq!(verified.exit, 1, "{verified:?}");
    stage.behind_our_back("nextSigningCertificate", Value::Null);
    assert_eq!(drift(&["contoso.com"]).exit, 0);
    // Nothing to do any more.
    let again = stage.apply(&["--json"]);
    assert_eq!(again.json()["result"], "nothing-to-do", "{again:?}");

    let back = stage.rollback(None);
    assert_eq!(back.exit, 0, "{back:?}");
    assert!(
        back.out.contains("Passwords: ") && back.out.contains("Time: "),
        "{}",
        back.out
    );
    assert!(stage.federation().is_none());
    assert_eq!(
        stage.journal(),
        [pair("rollback", Some("done")), pair("apply", Some("done"))]
    );
    let nothing = stage.rollback(None);
    assert_eq!(nothing.exit, 1);
    assert!(nothing.err.contains("nothing to roll back"), "{nothing:?}");
    // No token stands anywhere.
    for text in [
        stage.journal_text(),
        applied.out,
        applied.err,
        back.out,
        back.err,
    ] {
        assert!(!text.contains("eyJ"), "{text}");
    }
}

#[test]
fn without_a_yes_nothing_is_changed() {
    let stage = Stage::new();
    let accounts = stage.emergency();
    let line = [
        "domain",
        "apply",
        "contoso.com",
        "--emergency-account",
        &accounts[0],
        &accounts[1],
    ];
    let asked = stage.run(&line);
    assert_eq!(asked.exit, 1, "{asked:?}");
    assert!(
        asked.err.contains("--confirm contoso.com")
            && asked.out.contains("Nothing was changed: nobody said yes")
            && !asked.out.contains("Dry run"),
        "{asked:?}"
    );
    let wrong = stage.run(&[&line[..], &["--confirm", "fabrikam.com"]].concat());
    assert_eq!(wrong.exit, 2, "{wrong:?}");
    let dry = stage.apply(&["--dry-run"]);
    assert_eq!(dry.exit, 0, "{dry:?}");
    assert!(stage.federation().is_none() && stage.journal().is_empty());
}

#[test]
fn what_must_be_so_first_refuses() {
    let stage = Stage::new();
    let unnamed = stage.run(&["domain", "apply", "contoso.com", "--confirm", "contoso.com"]);
    assert_eq!(unnamed.exit, 1, "{unnamed:?}");
    assert!(
        unnamed.err.contains("--emergency-account"),
        "{}",
        unnamed.err
    );
    stage.without_immutable_id("nobody@contoso.com");
    let nameless = stage.apply(&[]);
    assert_eq!(nameless.exit, 1);
    assert!(
        nameless.err.contains("nobody@contoso.com") && nameless.err.contains("ImmutableID"),
        "{nameless:?}"
    );
    // An account of the domain could not undo what it breaks.
    stage.inside("chief@contoso.com", "a password of the chief");
    let accounts = stage.emergency();
    let line = [
        "domain",
        "apply",
        "contoso.com",
        "--confirm",
        "contoso.com",
        "--emergency-account",
        &accounts[0],
        &accounts[1],
    ];
    let inside = stage.run_as(&line, "chief@contoso.com", "a password of the chief", None);
    assert_eq!(inside.exit, 1, "{inside:?}");
    assert!(
        inside
            .err
            .contains("chief@contoso.com is an account of contoso.com"),
        "{}",
        inside.err
    );
    // Of the tenant's domains this is none; and this one nobody verified.
    let elsewhere = stage.run(&[
        "domain",
        "apply",
        "northwind.com",
        "--tenant",
        "contoso.com",
        "--confirm",
        "northwind.com",
    ]);
    assert_eq!(elsewhere.exit, 1, "{elsewhere:?}");
    assert!(
        elsewhere.err.contains("has no domain northwind.com"),
        "{}",
        elsewhere.err
    );
    let unverified = stage.run(&[
        "domain",
        "apply",
        "tailspin.com",
        "--tenant",
        "contoso.com",
        "--confirm",
        "tailspin.com",
    ]);
    assert_eq!(unverified.exit, 1, "{unverified:?}");
    assert!(unverified.err.contains("is verified"), "{}", unverified.err);
    let no_tenant = stage.run(&[
        "domain",
        "apply",
        "contoso.com",
        "--tenant",
        "organizations",
    ]);
    assert_eq!(no_tenant.exit, 2, "{no_tenant:?}");
    assert!(stage.federation().is_none() && stage.journal().is_empty());
}

/// The command is killed after each call of Graph in turn: the next `apply` goes on to the end,
/// and from there `rollback` leads back; or `rollback` leads back at once.
#[test]
fn a_command_that_is_killed_after_any_call_is_finished_or_rolled_back_by_the_next() {
    let stage = Stage::new();
    let before = stage.calls();
    assert_eq!(stage.apply(&[]).exit, 0);
    let of_apply = stage.calls() - before;
    let before = stage.calls();
    assert_eq!(stage.rollback(None).exit, 0);
    let of_rollback = stage.calls() - before;
    assert!(
        of_apply >= 8 && of_rollback >= 4,
        "{of_apply} {of_rollback}"
    );
    let mut changed = 0;
    for kill in 1..=of_apply {
        for way in ["apply", "rollback"] {
            let killed = stage.apply_until(&[], Some(kill));
            assert_eq!(killed.exit, -1, "{kill}: {killed:?}");
            let took_place = stage.federation().is_some();
            changed += usize::from(took_place);
            let open = stage
                .journal()
                .first()
                .is_some_and(|(_, outcome)| outcome.is_none());
            // Nothing is half changed without an entry.
            assert!(open || !took_place, "{kill}");
            if !open && kill % 4 != 0 {
                // It only read: once in a while is enough.
                break;
            }
            if way == "apply" {
                let resumed = stage.apply(&[]);
                assert_eq!(resumed.exit, 0, "{kill}: {resumed:?}");
                if took_place {
                    let says = &resumed.err;
                    assert!(
                        says.contains("interrupted") && says.contains("took place"),
                        "{kill}: {says}"
                    );
                }
                assert!(stage.federation().is_some(), "{kill}");
                assert_eq!(stage.journal()[0], pair("apply", Some("done")), "{kill}");
                assert_eq!(stage.rollback(None).exit, 0, "{kill}");
            } else {
                let back = stage.rollback(None);
                assert_eq!(back.exit, i32::from(!took_place), "{kill}: {back:?}");
                if took_place {
                    assert!(back.out.contains("Passwords: "), "{kill}: {}", back.out);
                }
            }
            assert!(stage.federation().is_none(), "{kill}");
        }
    }
    assert!(changed >= 4, "the table kills after the change too");
    // The way back is interrupted likewise; then it is finished, or given up by `apply`.
    for kill in 1..=of_rollback {
        assert_eq!(stage.apply(&[]).exit, 0, "{kill}");
        let killed = stage.rollback(Some(kill));
        assert_eq!(killed.exit, -1, "{kill}: {killed:?}");
        let open = stage.journal()[0] == pair("rollback", None);
        assert!(open || stage.federation().is_some(), "{kill}");
        if open && kill % 2 == 0 {
            let given_up = stage.apply(&[]);
            assert_eq!(given_up.exit, 0, "{kill}: {given_up:?}");
            assert!(given_up.err.contains("given up"), "{}", given_up.err);
            assert!(stage.federation().is_some(), "{kill}");
        }
        let finished = stage.rollback(None);
        assert_eq!(finished.exit, 0, "{kill}: {finished:?}");
        assert!(stage.federation().is_none(), "{kill}");
        assert_eq!(stage.journal()[0].1, Some("done".to_owned()), "{kill}");
    }
}

/// A change of a domain that is federated already, likewise.
#[test]
fn a_change_that_is_killed_after_it_took_place_is_known_to_the_next_command() {
    let stage = Stage::new();
    assert_eq!(stage.apply(&[]).exit, 0);
    let spoil = || stage.behind_our_back("promptLoginBehavior", json!("disabled"));
    spoil();
    let before = stage.calls();
    assert_eq!(stage.apply(&[]).exit, 0);
    let calls = stage.calls() - before;
    for kill in calls.saturating_sub(3)..=calls {
        for way in ["apply", "rollback"] {
            spoil();
            let killed = stage.apply_until(&[], Some(kill));
            assert_eq!(killed.exit, -1, "{kill}: {killed:?}");
            let is =
                |value: &str| stage.federation().unwrap()["promptLoginBehavior"] == json!(value);
            let took_place = is("nativeSupport");
            let said = if way == "apply" {
                stage.apply(&[])
            } else {
                stage.rollback(None)
            };
            assert_eq!(said.exit, 0, "{kill} {way}: {said:?}");
            let back = way == "rollback" && took_place;
            assert!(
                is(if back { "disabled" } else { "nativeSupport" }) || !took_place,
                "{kill} {way}"
            );
        }
    }
    // Whatever was done before: break glass leads to managed, also without a key of ours.
    stage.by_hand("UPDATE signing_keys SET state_tag = '00' WHERE state = 'active'");
    assert_eq!(stage.apply(&[]).exit, 1);
    let glass = stage.run(&[
        "domain",
        "rollback",
        "contoso.com",
        "--to-managed",
        "--confirm",
        "contoso.com",
    ]);
    assert_eq!(glass.exit, 0, "{glass:?}");
    assert!(glass.out.contains("is managed again"), "{}", glass.out);
    assert!(stage.federation().is_none());
}

/// The connection ends, and nobody knows whether Graph will still do it: nothing is closed, and
/// nothing is called undone, before that is known.
#[test]
fn a_call_whose_outcome_is_unknown_keeps_the_change_open() {
    let stage = Stage::new();
    stage.fault(at_the_change(FaultKind::CutBeforeDone));
    let cut = stage.apply(&[]);
    assert_eq!(cut.exit, 3, "{cut:?}");
    assert!(cut.err.contains("may still take place"), "{}", cut.err);
    assert_eq!(stage.journal(), [pair("apply", None)]);
    let early = stage.rollback(None);
    assert_eq!(early.exit, 3, "{early:?}");
    assert!(early.err.contains("may still take place"), "{}", early.err);
    assert_eq!(stage.journal(), [pair("apply", None)]);
    // A look changes nothing, in the journal either.
    assert_eq!(stage.apply(&["--dry-run"]).exit, 0);
    assert_eq!(stage.journal(), [pair("apply", None)]);
    // Nor does another `apply`: the first may still wait for its answer.
    let early = stage.apply(&[]);
    assert_eq!(early.exit, 3, "{early:?}");
    assert!(early.err.contains("may still take place"), "{}", early.err);
    assert_eq!(stage.journal(), [pair("apply", None)]);
    assert!(stage.federation().is_none());
    // Nor does break glass: it could be undone by that call.
    let early = stage.break_glass();
    assert_eq!(early.exit, 3, "{early:?}");
    assert!(early.err.contains("in 6 minutes"), "{}", early.err);
    // Who writes the database does not decide about that (attack 38).
    stage.by_hand("UPDATE federation_journal SET written_at = written_at - 600000");
    let early = stage.apply(&[]);
    assert_eq!(early.exit, 3, "{early:?}");
    assert_eq!(stage.journal(), [pair("apply", None)]);
    stage.by_hand("UPDATE federation_journal SET written_at = 4102444800000");
    // Ten minutes later.
    stage.moved_in_time(-600_000);
    let again = stage.apply(&[]);
    assert_eq!(again.exit, 0, "{again:?}");
    assert_eq!(stage.journal(), [pair("apply", Some("done"))]);
    assert_eq!(stage.rollback(None).exit, 0);
}

/// Graph takes it up, and does it after the connection ended (never both: each look counts).
#[test]
fn a_call_that_takes_place_later_is_found_by_a_look_or_by_the_next_command() {
    let stage = Stage::new();
    // Between the first look (two calls) and the second.
    stage.fault(at_the_change(FaultKind::DoneLater(3)));
    let said = stage.apply(&[]);
    assert_eq!(said.exit, 0, "{said:?}");
    assert!(
        said.err.contains("reading what the tenant has"),
        "{}",
        said.err
    );
    assert_eq!(stage.journal(), [pair("apply", Some("done"))]);
    assert_eq!(stage.rollback(None).exit, 0);
    // After the last look, and before the next command looks.
    for way in ["apply", "rollback"] {
        stage.fault(at_the_change(FaultKind::DoneLater(7)));
        let said = stage.apply(&[]);
        assert_eq!(said.exit, 3, "{way}: {said:?}");
        assert!(stage.federation().is_none(), "{way}");
        assert_eq!(stage.journal()[0], pair("apply", None), "{way}");
        if way == "apply" {
            let again = stage.apply(&[]);
            assert_eq!(again.exit, 0, "{again:?}");
            assert!(again.err.contains("it took place"), "{}", again.err);
            assert_eq!(stage.journal()[0], pair("apply", Some("done")));
        }
        let back = stage.rollback(None);
        assert_eq!(back.exit, 0, "{way}: {back:?}");
        assert!(stage.federation().is_none(), "{way}");
        assert_eq!(stage.journal()[0].1, Some("done".to_owned()), "{way}");
    }
}

#[test]
fn a_tenant_that_refuses_the_setting_for_browsers_is_federated_all_the_same() {
    let stage = Stage::new();
    stage.fault(Fault {
        method: Some(Method::PATCH),
        path: "federationConfiguration/".to_owned(),
        after: 0,
        times: 1,
        kind: FaultKind::Forbidden,
    });
    let said = stage.apply(&[]);
    assert_eq!(said.exit, 0, "{said:?}");
    assert!(
        said.out.contains("did not take systemBrowserEnabledOn"),
        "{}",
        said.out
    );
    assert_eq!(stage.run(&["domain", "verify", "contoso.com"]).exit, 0);
    assert_eq!(stage.run(&["domain", "drift", "contoso.com"]).exit, 0);
}

fn at_the_change(kind: FaultKind) -> Fault {
    Fault {
        method: Some(Method::POST),
        path: "federationConfiguration".to_owned(),
        after: 0,
        times: 1,
        kind,
    }
}

#[test]
fn a_tenant_that_refuses_or_breaks_off_leaves_a_journal_and_a_way_on() {
    let stage = Stage::new();
    // What comes of it, and what the journal says.
    for (kind, exit, federated, outcome) in [
        (FaultKind::Forbidden, 1, false, Some("refused")),
        (FaultKind::Throttled(Some(1)), 0, true, Some("done")),
        (FaultKind::DoneButCut, 0, true, Some("done")),
        (FaultKind::HalfAnswer, 0, true, Some("done")),
        (
            FaultKind::Lie(json!({"id": "of somebody else", "issuerUri": "x"})),
            0,
            true,
            Some("done"),
        ),
    ] {
        stage.fault(at_the_change(kind.clone()));
        let said = stage.apply(&[]);
        assert_eq!(said.exit, exit, "{kind:?}: {said:?}");
        assert_eq!(stage.federation().is_some(), federated, "{kind:?}");
        assert_eq!(stage.journal()[0], pair("apply", outcome), "{kind:?}");
        if federated {
            assert_eq!(stage.rollback(None).exit, 0, "{kind:?}");
        } else {
            assert!(
                said.err.contains("Domain-InternalFederation.ReadWrite.All"),
                "{}",
                said.err
            );
        }
    }
}

#[test]
fn a_tenant_that_cannot_be_read_or_lies_is_not_changed() {
    let stage = Stage::new();
    let lie = |body: Value| FaultKind::Lie(body);
    for (path, kind) in [
        ("/domains", FaultKind::Forbidden),
        ("/domains", lie(json!({"value": []}))),
        (
            "/domains",
            lie(json!({"value": [{"authenticationType": "Managed"}]})),
        ),
        ("/policies/", lie(json!({}))),
        ("/users", FaultKind::Forbidden),
        ("/users", lie(json!({"value": "x"}))),
    ] {
        stage.fault(Fault::next(1, path, kind.clone()));
        let said = stage.apply(&[]);
        assert!(matches!(said.exit, 1 | 3), "{path} {kind:?}: {said:?}");
        assert!(
            stage.federation().is_none() && stage.journal().is_empty(),
            "{path} {kind:?}"
        );
        stage.practice.graph_faults().clear();
    }
}

/// Attack 38: who can write the database cannot choose what `rollback` restores.
#[test]
fn attack_38_a_journal_that_was_altered_is_not_used() {
    for statement in [
        "UPDATE federation_journal SET sealed = 'x' WHERE number = 0",
        "DELETE FROM federation_journal WHERE number = 1",
        "DELETE FROM federation_journal WHERE number = (SELECT MAX(number) FROM federation_journal)",
        "UPDATE federation_changes SET finished_at = NULL; DELETE FROM federation_journal WHERE number > 1",
        "UPDATE federation_journal SET number = 99 WHERE number = 3",
        "UPDATE federation_changes SET begun_at = begun_at + 1",
        "UPDATE federation_changes SET head = ''",
    ] {
        let stage = Stage::new();
        assert_eq!(stage.apply(&[]).exit, 0);
        stage.by_hand(statement);
        let back = stage.rollback(None);
        assert_eq!(back.exit, 1, "{statement}: {back:?}");
        assert!(
            back.err.contains("altered outside claimbridge"),
            "{statement}: {}",
            back.err
        );
        assert!(stage.federation().is_some(), "{statement}");
        // What is right to do needs no journal.
        let mended = stage.apply(&["--json"]);
        assert_eq!(
            mended.json()["result"],
            "nothing-to-do",
            "{statement}: {mended:?}"
        );
        stage.behind_our_back("promptLoginBehavior", json!("disabled"));
        let mended = stage.apply(&[]);
        assert_eq!(mended.exit, 0, "{statement}: {mended:?}");
        let line = [
            "domain",
            "rollback",
            "contoso.com",
            "--to-managed",
            "--confirm",
            "contoso.com",
        ];
        assert_eq!(stage.run(&line).exit, 0, "{statement}");
        assert!(stage.federation().is_none(), "{statement}");
    }
}
