//! What a registration and a sign-in with a security key cost, without storage.
//!
//! `cargo bench --bench webauthn` prints criterion's numbers and, at the end, each target with
//! what was measured. They are targets, not tests: a busy machine fails nothing.

use std::{fs, path::PathBuf, time::Duration};

use claimbridge::factor::webauthn::{Purpose, policy::WebAuthnPolicy};
use criterion::{BatchSize, Criterion};

#[path = "../tests/it/webauthn/kit.rs"]
#[expect(clippy::unwrap_used, clippy::panic, reason = "shared with the tests")]
#[expect(dead_code, reason = "the tests use more of it")]
mod kit;
#[path = "../tests/it/soft_key.rs"]
#[expect(clippy::unwrap_used, reason = "shared with the tests")]
#[expect(dead_code, reason = "the tests use more of it")]
mod soft_key;

use kit::{Kit, ORIGIN, parsed};
use soft_key::{MODEL, Maker, SoftKey, Statement};

const REGISTRATION: &str = "key registration verified with attestation";
const SIGN_IN: &str = "key assertion verified to a proof";
const ASKED: &str = "key question asked and sealed";
const TARGET: Duration = Duration::from_millis(2);

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let kit = Kit::new();
    assert_eq!(kit.policy, WebAuthnPolicy::default());
    let mut key = SoftKey::new();
    let row = kit.stored(&mut key);

    criterion.bench_function(ASKED, |bencher| {
        bencher.iter(|| kit.asks(Purpose::SecondFactor, std::slice::from_ref(&row)));
    });
    criterion.bench_function(REGISTRATION, |bencher| {
        bencher.iter_batched(
            || {
                let asked = kit.asks_registration();
                let mut key = SoftKey::new();
                let mut answer = key.registration(&parsed(&asked.options), ORIGIN);
                answer.statement = Statement::Maker(Maker::new(MODEL, "packed"));
                (asked.ceremony, key.finish_registration(&answer))
            },
            |(ceremony, json)| {
                assert!(kit.registers(ceremony, &json).is_ok());
            },
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function(SIGN_IN, |bencher| {
        bencher.iter_batched(
            || {
                let asked = kit.asks(Purpose::SecondFactor, std::slice::from_ref(&row));
                let json = key.signs(&asked.options, ORIGIN);
                (asked.ceremony, json)
            },
            |(ceremony, json)| {
                assert!(
                    kit.signs(ceremony, Purpose::SecondFactor, &json, &row)
                        .is_ok()
                );
            },
            BatchSize::SmallInput,
        );
    });
    criterion.final_summary();
    for name in [REGISTRATION, SIGN_IN] {
        if let Some(measured) = measured(name) {
            let verdict = if measured <= TARGET { "met" } else { "missed" };
            println!("{name}: {measured:?}; target {TARGET:?}: {verdict}");
        }
    }
}

/// criterion's median of this run; `cargo test --benches` runs each once and measures nothing.
fn measured(name: &str) -> Option<Duration> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"),
        PathBuf::from,
    );
    let file = target
        .join("criterion")
        .join(name)
        .join("new/estimates.json");
    let estimates: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    let nanos = estimates["median"]["point_estimate"].as_f64()?;
    Some(Duration::from_secs_f64(nanos / 1e9))
}
