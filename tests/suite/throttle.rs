//! Counters of guesses.

use std::time::Duration;

use claimbridge::{
    base::{clock::Timestamp, ids::UserId, random::SystemRandom},
    signin::lockout::{Count, Delays},
    storage::{Reserve, Store},
};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

use super::{
    database::{Database, race},
    person::{MILLI, NOW},
};

async fn reserve(store: &Store, bucket: &str, delays: Delays, now: Timestamp) -> Reserve {
    let mut tx = store.begin().await.unwrap();
    let reserved = tx.reserve_try(bucket, delays, now).await.unwrap();
    tx.commit().await.unwrap();
    reserved
}

/// Count and waiting time are computed twice, in Rust and in SQL: they must agree for any
/// delays, any count, and any time that passed.
pub async fn the_database_waits_as_lockout_says(database: Database) {
    let store = database.node().await;
    let failures = proptest::prop_oneof![0_u32..40, proptest::prelude::any::<u32>()];
    let delays = (
        0_u32..30,
        1_u64..100_000_000,
        1_u64..10_000_000_000,
        proptest::option::of(proptest::prop_oneof![1_u64..200_000, 1_u64..100_000_000]),
        failures,
        proptest::prop_oneof![-200_000_i64..2_000_000, 0_i64..100_000_000_000],
        proptest::collection::vec(0_u64..400_000, 6),
    )
        .prop_map(|(free, base, cap, forgiven, failures, age, gaps)| {
            let delays = Delays {
                free,
                base: Duration::from_millis(base),
                cap: Duration::from_millis(cap),
                forgiven: forgiven.map(Duration::from_millis),
            };
            (delays, failures, age, gaps)
        });
    let mut runner = TestRunner::deterministic();
    let mut cases = vec![
        (Delays::PERSON, 0, 0, vec![0; 8]),
        (Delays::PERSON, u32::MAX, 0, vec![0]),
        (Delays::SOURCE, 59, 0, vec![0, 60_000, 59_999, 1]),
        (Delays::SOURCE, u32::MAX, 1, vec![0]),
        (Delays::SOURCE, 10, 599_999, vec![1, 30_000, 30_000]),
        (Delays::SOURCE, 10, 600_000, vec![0]),
        (Delays::SOURCE, 10, -3_600_000, vec![0, 60_000]),
    ];
    cases.extend((0..80).map(|_| delays.new_tree(&mut runner).unwrap().current()));
    cases.extend((0..40).map(|failures| (Delays::PERSON, failures, 0, vec![0])));
    for (number, (delays, failures, age, gaps)) in cases.into_iter().enumerate() {
        let bucket = format!("bucket {number}");
        let case = format!("{delays:?} {failures} {age} {gaps:?}");
        let mut count = None;
        if failures > 0 {
            let since = Timestamp::from_millis(NOW.as_millis() - age);
            let row = format!(
                "INSERT INTO throttle VALUES ('{bucket}', 'tries', {failures}, 0, {})",
                since.as_millis()
            );
            database.by_hand(&row).await;
            count = Some(Count { failures, since });
        }
        let mut now = NOW;
        for gap in gaps {
            now = now.plus(Duration::from_millis(gap));
            let after = delays.after_failure(count, now);
            let failures = after.failures;
            let granted = reserve(&store, &bucket, delays, now).await;
            assert_eq!(granted, Reserve::Granted { failures }, "{case}");
            let until = now.plus(delays.wait_after(failures));
            if until > now {
                for now in [now, until.minus(MILLI)] {
                    let waiting = reserve(&store, &bucket, delays, now).await;
                    assert_eq!(waiting, Reserve::Wait { until }, "{case}");
                }
            }
            // At its end the wait is over, and refused tries cost nothing.
            (now, count) = (until, Some(after));
        }
    }
}

/// Two nodes' clocks differ a little, and a request may wait after it read its clock.
pub async fn who_read_the_clock_earlier_need_not_wait(database: Database) {
    let store = database.node().await;
    for failures in 1..5 {
        let now = NOW.minus(MILLI * failures);
        let granted = reserve(&store, "b", Delays::PERSON, now).await;
        assert_eq!(granted, Reserve::Granted { failures });
    }
}

pub async fn attack_2_fifty_sessions_share_one_counter(database: Database) {
    let reserved = race(&database, 50, |store, _| async move {
        reserve(&store, "agent1 code", Delays::PERSON, NOW).await
    })
    .await;
    let granted = reserved
        .iter()
        .filter(|reserve| matches!(reserve, Reserve::Granted { .. }))
        .count();
    // The fifth failure begins a wait; whoever came later was told its end.
    assert_eq!(granted, 5);
    let until = NOW.plus(Delays::PERSON.base);
    assert_eq!(
        reserved
            .iter()
            .filter(|reserve| **reserve == Reserve::Wait { until })
            .count(),
        45
    );
    let mut numbers: Vec<u32> = reserved
        .iter()
        .filter_map(|reserve| match reserve {
            Reserve::Granted { failures } => Some(*failures),
            Reserve::Wait { .. } => None,
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!(
        database
            .node()
            .await
            .read()
            .await
            .unwrap()
            .failures("agent1 code")
            .await
            .unwrap(),
        5
    );
}

pub async fn attack_4_a_rollback_is_no_free_guess(database: Database) {
    let store = database.node().await;
    for number in 1..=5 {
        let paid = reserve(&store, "agent1", Delays::PERSON, NOW).await;
        assert_eq!(paid, Reserve::Granted { failures: number });
        // The check fails, and with it everything that its transaction wrote.
        let mut tx = store.begin().await.unwrap();
        tx.give_back_try("agent1").await.unwrap();
        drop(tx);
    }
    store.close().await;
    let again = database.node().await;
    assert_eq!(
        again
            .read()
            .await
            .unwrap()
            .failures("agent1")
            .await
            .unwrap(),
        5
    );
    let waiting = reserve(&again, "agent1", Delays::PERSON, NOW.plus(MILLI)).await;
    assert_eq!(
        waiting,
        Reserve::Wait {
            until: NOW.plus(Delays::PERSON.base)
        }
    );
}

pub async fn tries_come_back(database: Database) {
    let store = database.node().await;
    for _ in 0..5 {
        reserve(&store, "b", Delays::PERSON, NOW).await;
    }
    // The fifth was no guess: it and its wait are gone.
    let mut tx = store.begin().await.unwrap();
    let begun = NOW.plus(Delays::PERSON.wait_after(5));
    // What another try gives back leaves that wait as it is.
    for other in [None, Some(begun.plus(MILLI))] {
        tx.refund_try("b", other).await.unwrap();
        assert_eq!(
            tx.reserve_try("b", Delays::PERSON, NOW).await.unwrap(),
            Reserve::Wait { until: begun }
        );
    }
    tx.refund_try("b", Some(begun)).await.unwrap();
    assert_eq!(tx.failures("b").await.unwrap(), 2);
    for failures in 3..=4 {
        assert_eq!(
            tx.reserve_try("b", Delays::PERSON, NOW).await.unwrap(),
            Reserve::Granted { failures }
        );
    }
    assert_eq!(
        tx.reserve_try("b", Delays::PERSON, NOW).await.unwrap(),
        Reserve::Granted { failures: 5 }
    );
    tx.give_back_try("b").await.unwrap();
    assert_eq!(tx.failures("b").await.unwrap(), 0);
    tx.refund_try("b", None).await.unwrap();
    assert_eq!(
        tx.reserve_try("b", Delays::PERSON, NOW).await.unwrap(),
        Reserve::Granted { failures: 1 }
    );
    tx.refund_try("b", None).await.unwrap();
    tx.refund_try("b", None).await.unwrap();
    assert_eq!(tx.failures("b").await.unwrap(), 0);
    // Another bucket is another counter.
    assert_eq!(
        tx.reserve_try("c", Delays::PERSON, NOW).await.unwrap(),
        Reserve::Granted { failures: 1 }
    );
}

pub async fn waits_are_lifted_by_person(database: Database) {
    let store = database.node().await;
    let (one, two) = (
        UserId::random(&mut SystemRandom),
        UserId::random(&mut SystemRandom),
    );
    let theirs = [
        format!("password:{one}"),
        format!("password:{one}:0123456789abcdef"),
        format!("pass:{one}"),
    ];
    let others = [format!("password:{two}"), "source:203.0.113.7".to_owned()];
    for bucket in theirs.iter().chain(&others) {
        reserve(&store, bucket, Delays::PERSON, NOW).await;
    }
    let mut tx = store.begin().await.unwrap();
    let row = format!("in-a-row:{one}");
    tx.count_failure(&row, NOW).await.unwrap();
    assert_eq!(tx.lift_waits_of(&one).await.unwrap(), 3);
    for bucket in &theirs {
        assert_eq!(tx.failures(bucket).await.unwrap(), 0, "{bucket}");
    }
    for bucket in others.iter().chain([&row]) {
        assert_eq!(tx.failures(bucket).await.unwrap(), 1, "{bucket}");
    }
}

pub async fn failures_in_a_row_are_kept(database: Database) {
    let counted = race(&database, 30, |store, _| async move {
        let mut tx = store.begin().await.unwrap();
        let counted = tx.count_failure("in a row", NOW).await.unwrap();
        tx.commit().await.unwrap();
        counted
    })
    .await;
    let mut counted: Vec<u32> = counted;
    counted.sort_unstable();
    assert_eq!(counted, (1..=30).collect::<Vec<u32>>());
    let store = database.node().await;
    reserve(&store, "tries", Delays::PERSON, NOW).await;
    let mut tx = store.begin().await.unwrap();
    // However slowly somebody guesses, the count goes on.
    tx.purge(NOW.plus(Duration::from_hours(10_000)))
        .await
        .unwrap();
    assert_eq!(tx.failures("in a row").await.unwrap(), 30);
    assert_eq!(tx.failures("tries").await.unwrap(), 0);
    tx.give_back_try("in a row").await.unwrap();
    assert_eq!(tx.count_failure("in a row", NOW).await.unwrap(), 1);
}
