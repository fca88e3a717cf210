//! Requests under every skew, and times as nobody should write them (attack 16).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use claimbridge::{
    base::clock::Timestamp,
    protocol::saml::authn_request::{
        Arrival, RequestError, RequestWindow, UnverifiedAuthnRequest, VerifiedAuthnRequest,
    },
};

use crate::{saml_kit::entra, support::entra::request};

fn verify(
    instant: &str,
    now: Timestamp,
    window: RequestWindow,
) -> Result<VerifiedAuthnRequest, RequestError> {
    let made = request(now);
    let written = format!("IssueInstant=\"{}\"", made.at);
    let xml = made.xml();
    assert!(xml.contains(&written));
    let xml = xml.replace(&written, &format!("IssueInstant=\"{instant}\""));
    let arrival = Arrival {
        sso_url: "https://idp.example.com/saml2/sso",
        domain: None,
        now,
        window,
    };
    UnverifiedAuthnRequest::parse_post([("SAMLRequest", BASE64.encode(xml).as_str())])?
        .verify(&entra(), &arrival)
}

fn instant(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// Every second of ten minutes to each side, at ordinary times, where clocks change in
/// Europe and America, around a leap second, at the turn of a year and on a leap day.
#[test]
fn attack_16_a_request_holds_to_the_second_under_every_skew() {
    for (at, step) in [
        ("2026-11-20T10:00:00Z", 1),
        ("2026-03-29T01:00:00Z", 29),
        ("2026-10-25T01:00:00Z", 29),
        ("2026-11-01T06:00:00Z", 29),
        ("2016-12-31T23:59:59Z", 29),
        ("2027-01-01T00:00:00Z", 29),
        ("2028-02-29T00:00:00Z", 29),
    ] {
        let made = instant(at);
        for offset in (-600_i64..=900).step_by(step) {
            let shift = Duration::from_secs(offset.unsigned_abs());
            // Positive: the request is that old when it comes.
            let now = if offset < 0 {
                made.minus(shift)
            } else {
                made.plus(shift)
            };
            let taken = verify(at, now, RequestWindow::default());
            if (-300..=600).contains(&offset) {
                assert!(taken.is_ok(), "{at} {offset}: {:?}", taken.err());
            } else {
                assert!(
                    matches!(taken, Err(RequestError::Time(found)) if found == made),
                    "{at} {offset}"
                );
            }
        }
    }
}

#[test]
fn attack_16_the_window_is_the_operator_s_in_both_directions() {
    let made = instant("2026-11-20T10:00:00Z");
    for skew in [0_i64, 1, 60, 300, 600] {
        let seconds = Duration::from_secs(skew.unsigned_abs());
        for (ahead, back) in [(seconds, Duration::ZERO), (Duration::ZERO, seconds)] {
            let window = RequestWindow { ahead, back };
            for offset in [-skew - 1, -skew, 0, skew, skew + 1] {
                let shift = Duration::from_secs(offset.unsigned_abs());
                let now = if offset < 0 {
                    made.minus(shift)
                } else {
                    made.plus(shift)
                };
                let inside = if offset < 0 {
                    shift <= ahead
                } else {
                    shift <= back
                };
                let taken = verify("2026-11-20T10:00:00Z", now, window);
                assert_eq!(taken.is_ok(), inside, "{offset} in {window:?}");
            }
        }
    }
}

#[test]
fn attack_16_no_spelling_of_a_time_is_read_as_another_time() {
    let now = instant("2026-11-20T10:00:00Z");
    let exact = RequestWindow {
        ahead: Duration::ZERO,
        back: Duration::ZERO,
    };
    // The same instant, to the millisecond.
    for same in [
        "2026-11-20T10:00:00Z",
        "2026-11-20T10:00:00.0Z",
        "2026-11-20T10:00:00.000Z",
        "2026-11-20T10:00:00.000000000Z",
        "2026-11-20T12:30:00+02:30",
    ] {
        let taken = verify(same, now, exact);
        assert!(taken.is_ok(), "{same}: {:?}", taken.err());
    }
    let wide = RequestWindow {
        ahead: Duration::from_hours(24),
        back: Duration::from_hours(24),
    };
    // No zone, half a time, not a time, a time that does not exist: nothing within a day.
    for none in [
        "2026-11-20T10:00:00",
        "2026-11-20T10:00:00.000",
        "2026-11-20T10:00",
        "2026-11-20T10:00Z",
        "2026-11-20",
        "20261120T100000Z",
        "2026-11-20T25:00:00Z",
        "2026-11-20T10:60:00Z",
        "2026-11-20T10:00:61Z",
        "2026-11-31T10:00:00Z",
        "2026-02-29T10:00:00Z",
        "2026-11-20T10:00:00+25:00",
        "2026-11-20T10:00:00.Z",
        "1795168800",
        "0",
        "",
        "now",
        "٢٠٢٦-11-20T10:00:00Z",
    ] {
        assert!(verify(none, now, wide).is_err(), "{none:?}");
    }
    // The ends of time are only too far away, and nothing panics.
    for far in [
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59.999Z",
        "9999-12-31T23:59:59-23:59",
    ] {
        for now in [
            now,
            instant("1970-01-01T00:00:00Z"),
            instant("9999-12-31T23:59:59Z"),
        ] {
            let taken = verify(far, now, RequestWindow::default());
            let near = now.since(instant("9999-12-31T23:59:59Z")) == Duration::ZERO
                && now > instant("9000-01-01T00:00:00Z");
            assert!(
                taken.is_err() || near || far.starts_with("1969"),
                "{far} at {now}"
            );
        }
    }
}
