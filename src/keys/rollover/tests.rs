use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_168_800_000);
const HOUR: Duration = Duration::from_hours(1);

fn key(state: KeyState, hours_ago: u64) -> KeyFacts {
    let since = NOW.minus(HOUR * u32::try_from(hours_ago).unwrap());
    KeyFacts {
        purpose: KeyPurpose::Assertion,
        state,
        staged_at: (state != KeyState::Prepared).then_some(since),
        since,
        not_after: NOW.plus(HOUR * 24 * 365),
    }
}

fn around(others: &[KeyState], parties: &[(Party, Held)]) -> Surroundings {
    Surroundings {
        others: others.iter().map(|state| (*state, NOW)).collect(),
        parties: parties.to_vec(),
    }
}

/// Seen so many hours ago for the first, and for the last time.
fn held(first: u32, last: u32) -> Held {
    Held::Since {
        first: NOW.minus(HOUR * first),
        last: NOW.minus(HOUR * last),
    }
}

fn contoso() -> Party {
    Party::Domain("contoso.com".to_owned())
}

fn reader() -> Party {
    Party::RelyingParty("https://sp.example.com".to_owned())
}

#[test]
fn the_way_is_open_in_its_order_only() {
    use KeyState::{Active, Prepared, Retired, Retiring, Staged};
    let others = around(&[], &[]);
    for (state, open, closed) in [
        (Prepared, vec![Step::Stage, Step::Retire], vec![]),
        (
            Staged,
            vec![Step::Activate, Step::Retire],
            vec![Step::Stage],
        ),
        (
            Active,
            vec![],
            vec![Step::Stage, Step::Activate, Step::Retire],
        ),
        (
            Retiring,
            vec![Step::Activate, Step::Retire],
            vec![Step::Stage],
        ),
        (
            Retired,
            vec![],
            vec![Step::Stage, Step::Activate, Step::Retire],
        ),
    ] {
        for step in [Step::Stage, Step::Activate, Step::Retire] {
            let found = obstacles(step, &key(state, 48), &others, NOW);
            assert_eq!(found.is_empty(), open.contains(&step), "{state} {step:?}");
            // Nothing can be forced that cannot be.
            let is_impossible = found.iter().any(|found| found.weight == Weight::Impossible);
            assert_eq!(is_impossible, closed.contains(&step), "{state} {step:?}");
        }
    }
}

#[test]
fn an_audit_key_has_no_rollover() {
    let facts = KeyFacts {
        purpose: KeyPurpose::Audit,
        ..key(KeyState::Prepared, 0)
    };
    for step in [Step::Stage, Step::Activate, Step::Retire] {
        let found = obstacles(step, &facts, &around(&[], &[]), NOW);
        assert_eq!(found[0].weight, Weight::Impossible);
    }
}

#[test]
fn nothing_is_activated_that_a_tenant_was_not_seen_to_hold() {
    let staged = key(KeyState::Staged, 10);
    let may = |held| {
        let others = around(&[KeyState::Active], &[(contoso(), held)]);
        obstacles(Step::Activate, &staged, &others, NOW)
    };
    assert!(may(held(10, 0)).is_empty());
    assert!(may(held(2, 2)).is_empty());
    for held in [
        Held::Unknown,
        Held::MissingAt(NOW),
        // Before it was published: it was another time.
        held(12, 11),
    ] {
        let found = may(held);
        assert_eq!(found.len(), 1, "{held:?}");
        assert_eq!(found[0].weight, Weight::Breaks);
        assert!(found[0].first.contains("domain apply contoso.com"));
        // Waiting alone does not help: somebody must write it there.
        assert_eq!(found[0].until, None);
    }
}

#[test]
fn all_of_entra_gets_two_hours_to_know_and_a_look_counts_for_a_day() {
    let staged = key(KeyState::Staged, 100);
    let may = |held| {
        let others = around(&[KeyState::Active], &[(contoso(), held)]);
        obstacles(Step::Activate, &staged, &others, NOW)
    };
    let found = may(held(1, 0));
    assert_eq!(found[0].until, Some(NOW.plus(HOUR)));
    assert_eq!(found[0].weight, Weight::Breaks);
    assert!(may(held(90, 24)).is_empty());
    let found = may(held(90, 25));
    assert!(
        found[0].first.contains("domain verify contoso.com"),
        "{found:?}"
    );
}

#[test]
fn every_party_is_asked() {
    let staged = key(KeyState::Staged, 48);
    let fabrikam = Party::Domain("fabrikam.com".to_owned());
    let others = around(
        &[KeyState::Active],
        &[(contoso(), held(2, 0)), (fabrikam, Held::Unknown)],
    );
    let found = obstacles(Step::Activate, &staged, &others, NOW);
    assert_eq!(found.len(), 1);
    assert!(found[0].why.contains("fabrikam.com"), "{found:?}");
}

#[test]
fn readers_are_confirmed_and_the_key_list_gets_its_time() {
    let may = |party: Party, held, hours| {
        let others = around(&[KeyState::Active], &[(party, held)]);
        obstacles(Step::Activate, &key(KeyState::Staged, hours), &others, NOW)
    };
    // Waiting alone does not help: it may read nothing.
    for hours in [1, 24, 1000] {
        let found = may(reader(), Held::Unknown, hours);
        assert_eq!(found.len(), 1, "{hours}");
        assert_eq!((found[0].weight, found[0].until), (Weight::Breaks, None));
        assert!(found[0].first.contains("--confirm-published"));
    }
    assert!(may(reader(), held(0, 0), 1).is_empty());
    assert!(may(Party::KeyList, Held::Unknown, 48).is_empty());
    assert_eq!(
        may(Party::KeyList, Held::Unknown, 47)[0].until,
        Some(NOW.plus(HOUR))
    );
}

#[test]
fn the_first_key_of_a_purpose_waits_for_nobody() {
    let others = around(
        &[],
        &[(contoso(), Held::Unknown), (Party::KeyList, Held::Unknown)],
    );
    assert!(obstacles(Step::Activate, &key(KeyState::Staged, 0), &others, NOW).is_empty());
    // But not one whose active row is gone or altered: parties go by it still.
    let others = Surroundings {
        others: vec![(KeyState::Retired, NOW)],
        ..others
    };
    let found = obstacles(Step::Activate, &key(KeyState::Staged, 0), &others, NOW);
    assert_eq!(found.len(), 2);
}

#[test]
fn there_is_a_way_back_unless_a_party_gave_the_former_key_up() {
    let former = key(KeyState::Retiring, 1);
    let may = |held| {
        let others = around(&[KeyState::Active], &[(contoso(), held), (reader(), held)]);
        obstacles(Step::Activate, &former, &others, NOW)
    };
    assert!(may(Held::Unknown).is_empty());
    assert!(may(held(0, 0)).is_empty());
    assert_eq!(may(Held::MissingAt(NOW)).len(), 1);
}

#[test]
fn a_key_stays_published_for_a_day_after_it_signed() {
    let may = |hours| {
        obstacles(
            Step::Retire,
            &key(KeyState::Retiring, hours),
            &around(&[KeyState::Active], &[]),
            NOW,
        )
    };
    assert!(may(24).is_empty());
    let found = may(23);
    assert_eq!(found[0].until, Some(NOW.plus(HOUR)));
    assert_eq!(found[0].weight, Weight::Breaks);
}

#[test]
fn a_tenant_holds_two_certificates_and_no_third() {
    let may = |other| {
        obstacles(
            Step::Stage,
            &key(KeyState::Prepared, 0),
            &around(&[KeyState::Active, other], &[]),
            NOW,
        )
    };
    assert_eq!(may(KeyState::Staged)[0].weight, Weight::Impossible);
    let retiring = may(KeyState::Retiring);
    assert_eq!(retiring[0].weight, Weight::Breaks);
    assert_eq!(retiring[0].until, Some(NOW.plus(GRACE)));
    assert!(may(KeyState::Retired).is_empty());
    assert!(may(KeyState::Prepared).is_empty());
}

#[test]
fn a_certificate_that_ends_soon_is_not_worth_it() {
    let soon = |state| KeyFacts {
        not_after: NOW.plus(HOUR * 24 * 30),
        ..key(state, 48)
    };
    let others = around(&[KeyState::Active], &[]);
    assert_eq!(
        obstacles(Step::Stage, &soon(KeyState::Prepared), &others, NOW).len(),
        1
    );
    assert_eq!(
        obstacles(Step::Activate, &soon(KeyState::Staged), &others, NOW).len(),
        1
    );
}
