//! oathtool (OATH Toolkit) makes the same codes as we do, for every algorithm, length and
//! period that a token may have, at instants up to far in the future.

use std::process::Command;

use claimbridge::{
    base::clock::Timestamp,
    directory::{OathAlgorithm, TotpParameters},
    factor::totp::{
        code_at,
        search::{FAR, Window, find_pair},
    },
};

const INSTANTS: [i64; 6] = [
    59,
    1_111_111_109,
    1_234_567_890,
    1_795_168_800,
    2_000_000_000,
    20_000_000_000,
];

/// `window` more codes than one, by oathtool.
fn oathtool(secret: &[u8], parameters: TotpParameters, at: i64, window: usize) -> Vec<String> {
    let algorithm = match parameters.algorithm {
        OathAlgorithm::Sha1 => "--totp=sha1",
        OathAlgorithm::Sha256 => "--totp=sha256",
        OathAlgorithm::Sha512 => "--totp=sha512",
    };
    let output = Command::new("oathtool")
        .arg(algorithm)
        .arg(format!("--digits={}", parameters.digits))
        .arg(format!("--time-step-size={}s", parameters.period))
        .arg(format!("--now=@{at}"))
        .arg(format!("--window={window}"))
        .arg(data_encoding::HEXLOWER.encode(secret))
        .output()
        .expect("oathtool is missing: apt-get install oathtool");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn each(mut with: impl FnMut(&[u8], TotpParameters)) {
    let secrets: [&[u8]; 4] = [
        b"0123456789",
        b"12345678901234567890",
        b"12345678901234567890123456789012",
        &[0xff; 64],
    ];
    for algorithm in [
        OathAlgorithm::Sha1,
        OathAlgorithm::Sha256,
        OathAlgorithm::Sha512,
    ] {
        for (digits, period) in [(6, 30), (6, 60), (8, 30), (8, 60)] {
            for secret in secrets {
                with(
                    secret,
                    TotpParameters {
                        algorithm,
                        digits,
                        period,
                    },
                );
            }
        }
    }
}

#[test]
fn oathtool_makes_the_same_codes() {
    each(|secret, parameters| {
        for at in INSTANTS {
            let ours = code_at(secret, parameters, Timestamp::from_millis(at * 1000));
            let theirs = oathtool(secret, parameters, at, 0);
            assert_eq!(
                ours.as_deref(),
                Some(theirs[0].as_str()),
                "{parameters:?} {at}"
            );
        }
    });
}

#[test]
fn two_codes_of_oathtool_bring_a_clock_back() {
    each(|secret, parameters| {
        let now = 1_795_168_800;
        let ahead = 1_000 * i64::from(parameters.period);
        let shown = oathtool(secret, parameters, now + ahead, 1);
        let window = Window {
            drift_steps: 0,
            reach: FAR,
            after: None,
        };
        let codes = [shown[0].as_str(), shown[1].as_str()];
        let at = Timestamp::from_millis(now * 1000);
        let matched = find_pair(codes, secret, parameters, window, at).unwrap();
        assert_eq!(matched.drift_steps, 1_001, "{parameters:?}");
    });
}
