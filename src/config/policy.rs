//! The `[policy]` section: times and limits.

use std::{ops::RangeInclusive, time::Duration};

use super::{DAY, HOUR, MINUTE, Policy, methods, reader::Reader};
use crate::{
    relying_party::cloud::ENTRA_SESSION_MAX_AGE,
    session::{SessionPolicy, Stay},
    signin::{attempt, lockout::Delays},
};

pub(super) fn read(reader: &mut Reader) -> Policy {
    let desk = methods::read_desk(reader);
    let session = desk.longest_session().unwrap_or_default();
    let policy = Policy {
        session: SessionPolicy {
            idle: reader.duration("policy.session_idle", session.idle, MINUTE..=DAY),
            absolute: reader.duration(
                "policy.session_lifetime",
                session.absolute,
                MINUTE..=7 * DAY,
            ),
            stay: if reader.flag("policy.stay_signed_in") {
                Stay::ForLifetime
            } else {
                Stay::UntilClosed
            },
        },
        entra_session_max_age: reader.duration(
            "policy.entra_session_max_age",
            ENTRA_SESSION_MAX_AGE,
            Duration::ZERO..=12 * HOUR,
        ),
        attempt_lifetime: reader.duration(
            "policy.attempt_lifetime",
            attempt::LIFETIME,
            2 * MINUTE..=HOUR,
        ),
        totp_skew_steps: u8::try_from(reader.number("policy.totp_skew_steps", 1, 0..=2))
            .unwrap_or(1),
        person_delays: read_delays(reader, "person", Delays::PERSON, 1..=20),
        source_delays: read_delays(reader, "source", Delays::SOURCE, 5..=100_000),
        open_attempts_per_source: reader.number(
            "policy.open_attempts_per_source",
            200,
            10..=100_000,
        ),
        pass_lifetime: reader.duration("policy.pass_lifetime", HOUR, 10 * MINUTE..=30 * DAY),
        pass_length: reader.number("policy.pass_length", 16, 8..=48),
        breached_passwords_file: methods::read_present(reader, "policy.breached_passwords_file"),
        trusted_proxies: reader.list("policy.trusted_proxies"),
        desk,
        methods: methods::read_methods(reader),
        webauthn: methods::read_webauthn(reader, desk),
    };
    if policy.session.idle > policy.session.absolute {
        reader.object(
            "policy.session_idle",
            "it is longer than policy.session_lifetime; make it shorter",
        );
    }
    policy
}

fn read_delays(
    reader: &mut Reader,
    whose: &str,
    default: Delays,
    tries: RangeInclusive<u32>,
) -> Delays {
    let seconds = Duration::from_secs;
    let first = format!("policy.{whose}_first_delay");
    let delays = Delays {
        free: reader.number(&format!("policy.{whose}_free_tries"), default.free, tries),
        base: reader.duration(&first, default.base, seconds(5)..=HOUR),
        cap: reader.duration(
            &format!("policy.{whose}_longest_delay"),
            default.cap,
            MINUTE..=DAY,
        ),
        forgiven: default.forgiven,
    };
    if delays.base > delays.cap {
        let text = format!("it is longer than policy.{whose}_longest_delay; make it shorter");
        reader.object(&first, &text);
    }
    delays
}
