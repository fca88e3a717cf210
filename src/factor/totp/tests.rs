use std::{cell::RefCell, convert::Infallible};

use super::*;
use crate::{base::random::SystemRandom, keys::sealing::MasterKey};

/// What a database does, in memory: the later step wins, once.
#[derive(Default)]
struct Memory(RefCell<Option<(i64, i64)>>);

impl ConsumeStep for Memory {
    type Error = Infallible;

    async fn consume_step(
        &mut self,
        _: &CredentialId,
        step: i64,
        drift: i64,
    ) -> Result<StepUse, Infallible> {
        let last = self.0.get_mut();
        if last.is_some_and(|(last, _)| step <= last) {
            return Ok(StepUse::AlreadyUsed);
        }
        *last = Some((step, drift));
        Ok(StepUse::Consumed)
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("nothing here waits"),
    }
}

struct Fixture {
    sealing: Sealing,
    attempt: AttemptId,
    credential: TotpCredential,
}

const SHA1_SECRET: &[u8] = b"12345678901234567890";

fn fixture(secret: &[u8], parameters: TotpParameters) -> Fixture {
    let sealing = Sealing::new(&MasterKey::random(&mut SystemRandom));
    let (id, user) = (
        CredentialId::random(&mut SystemRandom),
        UserId::random(&mut SystemRandom),
    );
    let sealed_secret = sealing.seal(
        &TotpCredential::secret_place(&id, &user),
        secret,
        &mut SystemRandom,
    );
    let tag = TotpCredential::make_tag(&sealing, &id, &user, parameters, &sealed_secret);
    let at = Timestamp::from_millis(0);
    Fixture {
        sealing,
        attempt: AttemptId::random(&mut SystemRandom),
        credential: TotpCredential {
            id,
            user,
            name: "desk".to_owned(),
            parameters,
            sealed_secret,
            drift_steps: 0,
            last_step: None,
            confirmed_at: Some(at),
            revoked_at: None,
            created_at: at,
            tag,
        },
    }
}

fn secs(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn attempt_code(
    fixture: &Fixture,
    code: &str,
    now: Timestamp,
    store: &mut Memory,
) -> Result<(), TotpRefused<Infallible>> {
    run(verify(
        code,
        std::slice::from_ref(&fixture.credential),
        1,
        &fixture.attempt,
        &fixture.sealing,
        now,
        store,
    ))
    .map(|proof| {
        assert_eq!(proof.facts().credential, &fixture.credential.id);
        assert_eq!(proof.facts().at, now);
        assert_eq!(proof.facts().attempt, &fixture.attempt);
    })
}

#[test]
fn rfc_6238_appendix_b() {
    let sha256 = b"12345678901234567890123456789012";
    let sha512 = b"1234567890123456789012345678901234567890123456789012345678901234";
    for (seconds, one, two, five) in [
        (59, "94287082", "46119246", "90693936"),
        (1_111_111_109, "07081804", "68084774", "25091201"),
        (1_111_111_111, "14050471", "67062674", "99943326"),
        (1_234_567_890, "89005924", "91819424", "93441116"),
        (2_000_000_000, "69279037", "90698825", "38618901"),
        (20_000_000_000, "65353130", "77737706", "47863826"),
    ] {
        for (secret, algorithm, code) in [
            (SHA1_SECRET, OathAlgorithm::Sha1, one),
            (&sha256[..], OathAlgorithm::Sha256, two),
            (&sha512[..], OathAlgorithm::Sha512, five),
        ] {
            let parameters = TotpParameters {
                algorithm,
                digits: 8,
                period: 30,
            };
            assert_eq!(
                code_at(secret, parameters, secs(seconds)).as_deref(),
                Some(code)
            );
            let fixture = fixture(secret, parameters);
            assert_eq!(
                attempt_code(&fixture, code, secs(seconds), &mut Memory::default()),
                Ok(())
            );
        }
    }
}

#[test]
fn attack_5_the_window_is_one_step_to_each_side_and_no_more() {
    let fixture = fixture(SHA1_SECRET, TotpParameters::default());
    let noon = 1_800_000_000;
    for (steps, expected) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
        let code = code_at(
            SHA1_SECRET,
            TotpParameters::default(),
            secs(noon + steps * 30),
        )
        .unwrap();
        let result = attempt_code(&fixture, &code, secs(noon), &mut Memory::default());
        assert_eq!(result.is_ok(), expected, "{steps}");
    }
}

#[test]
fn attack_3_a_code_counts_once_and_an_earlier_one_not_after_a_later_one() {
    let fixture = fixture(SHA1_SECRET, TotpParameters::default());
    let now = secs(1_800_000_000);
    let code = |steps: i64| {
        code_at(
            SHA1_SECRET,
            TotpParameters::default(),
            secs(1_800_000_000 + steps * 30),
        )
        .unwrap()
    };
    let mut store = Memory::default();
    assert_eq!(attempt_code(&fixture, &code(0), now, &mut store), Ok(()));
    assert_eq!(
        attempt_code(&fixture, &code(0), now, &mut store),
        Err(TotpRefused::AlreadyUsed)
    );
    assert_eq!(
        attempt_code(&fixture, &code(-1), now, &mut store),
        Err(TotpRefused::AlreadyUsed)
    );
    assert_eq!(attempt_code(&fixture, &code(1), now, &mut store), Ok(()));
    // The row read at the start of the request knows it too, before the store is asked.
    let mut stale = fixture;
    stale.credential.last_step = Some(1_800_000_000 / 30);
    assert_eq!(
        attempt_code(&stale, &code(0), now, &mut Memory::default()),
        Err(TotpRefused::AlreadyUsed)
    );
}

#[test]
fn drift_is_learned_and_the_window_moves_with_it() {
    let mut fixture = fixture(SHA1_SECRET, TotpParameters::default());
    let now = secs(1_800_000_000);
    let code = code_at(
        SHA1_SECRET,
        TotpParameters::default(),
        secs(1_800_000_000 + 30),
    )
    .unwrap();
    let mut store = Memory::default();
    attempt_code(&fixture, &code, now, &mut store).unwrap();
    assert_eq!(store.0.get_mut().unwrap(), (60_000_001, 1));
    fixture.credential.drift_steps = 1;
    let two_ahead = code_at(
        SHA1_SECRET,
        TotpParameters::default(),
        secs(1_800_000_000 + 60),
    )
    .unwrap();
    let matched = matching_step(&two_ahead, &fixture.credential, 1, &fixture.sealing, now).unwrap();
    assert_eq!(
        matched,
        MatchedStep {
            step: 60_000_002,
            drift_steps: 2
        }
    );
    let one_behind = code_at(
        SHA1_SECRET,
        TotpParameters::default(),
        secs(1_800_000_000 - 30),
    )
    .unwrap();
    assert_eq!(
        matching_step(&one_behind, &fixture.credential, 1, &fixture.sealing, now),
        None
    );
}

#[test]
fn sixty_second_tokens_have_sixty_second_steps() {
    let parameters = TotpParameters {
        period: 60,
        ..TotpParameters::default()
    };
    let fixture = fixture(SHA1_SECRET, parameters);
    let code = code_at(SHA1_SECRET, parameters, secs(1_800_000_059)).unwrap();
    let matched = matching_step(
        &code,
        &fixture.credential,
        0,
        &fixture.sealing,
        secs(1_800_000_000),
    )
    .unwrap();
    assert_eq!(matched.step, 30_000_000);
}

#[test]
fn what_people_type_between_groups_is_ignored_and_the_rest_is_no_code() {
    let fixture = fixture(SHA1_SECRET, TotpParameters::default());
    let now = secs(1_800_000_000);
    let code = code_at(SHA1_SECRET, TotpParameters::default(), now).unwrap();
    let spaced = format!(" {} {} ", &code[..3], &code[3..]);
    assert!(matching_step(&spaced, &fixture.credential, 1, &fixture.sealing, now).is_some());
    // Up to 64 characters in all; longer input is not even looked at.
    for (spaces, is_looked_at) in [(58, true), (59, false), (1000, false)] {
        let padded = format!("{code}{}", " ".repeat(spaces));
        let found = matching_step(&padded, &fixture.credential, 1, &fixture.sealing, now);
        assert_eq!(found.is_some(), is_looked_at, "{spaces}");
    }
    for bad in [
        "",
        "12345",
        "1234567",
        "abcdef",
        &format!("{code}0"),
        &" ".repeat(80),
    ] {
        assert_eq!(
            matching_step(bad, &fixture.credential, 1, &fixture.sealing, now),
            None,
            "{bad}"
        );
    }
    assert_eq!(
        attempt_code(&fixture, "000000", now, &mut Memory::default()),
        Err(TotpRefused::Wrong)
    );
}

#[test]
fn a_token_that_is_not_live_proves_nothing() {
    let fixture = fixture(SHA1_SECRET, TotpParameters::default());
    let now = secs(1_800_000_000);
    let code = code_at(SHA1_SECRET, TotpParameters::default(), now).unwrap();
    for (confirmed_at, revoked_at) in [(None, None), (Some(now), Some(now)), (None, Some(now))] {
        let credential = TotpCredential {
            confirmed_at,
            revoked_at,
            ..fixture.credential.clone()
        };
        let not_live = Fixture {
            sealing: Sealing::new(&MasterKey::random(&mut SystemRandom)),
            attempt: fixture.attempt.clone(),
            credential,
        };
        let result = run(verify(
            &code,
            std::slice::from_ref(&not_live.credential),
            1,
            &fixture.attempt,
            &fixture.sealing,
            now,
            &mut Memory::default(),
        ));
        assert_eq!(result.err(), Some(TotpRefused::Wrong));
    }
}

#[test]
fn attack_38_a_secret_moved_to_another_person_proves_nothing() {
    let fixture = fixture(SHA1_SECRET, TotpParameters::default());
    let now = secs(1_800_000_000);
    let code = code_at(SHA1_SECRET, TotpParameters::default(), now).unwrap();
    let mut moved = fixture.credential.clone();
    moved.user = UserId::random(&mut SystemRandom);
    assert_eq!(matching_step(&code, &moved, 1, &fixture.sealing, now), None);
    // Even with a tag made for the new owner the sealed secret stays with the old one.
    moved.tag = TotpCredential::make_tag(
        &fixture.sealing,
        &moved.id,
        &moved.user,
        moved.parameters,
        &moved.sealed_secret,
    );
    assert_eq!(matching_step(&code, &moved, 1, &fixture.sealing, now), None);
}

#[test]
fn the_link_for_a_program_names_issuer_and_account() {
    let url = otpauth_url(
        SHA1_SECRET,
        TotpParameters::default(),
        "claimbridge: demo",
        "agent1@contoso.com",
    )
    .unwrap();
    assert!(url.starts_with("otpauth://totp/claimbridge%20%20demo:agent1%40contoso.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "{url}");
}

#[test]
fn a_code_has_its_number_of_ascii_digits_whatever_is_typed_between_them() {
    let bare = |code: &str, digits| normalise(code, digits).map(|bare| bare.to_string());
    for typed in ["123456", " 123 456 ", "123-456", "1 2\u{a0}3\t4-5-6"] {
        assert_eq!(bare(typed, 6).as_deref(), Some("123456"), "{typed}");
    }
    for typed in [
        "",
        "12345",
        "1234567",
        "12345a",
        "abcdef",
        "12345+",
        "１２３４５６",
        "١٢٣٤٥٦",
        "１２",
    ] {
        assert_eq!(bare(typed, 6), None, "{typed}");
    }
    assert_eq!(bare("12345678", 8).as_deref(), Some("12345678"));
    // As long as a code with spaces ever is, and no longer.
    let spaces = |count: usize| format!("123456{}", " ".repeat(count));
    assert_eq!(bare(&spaces(58), 6).as_deref(), Some("123456"));
    assert_eq!(bare(&spaces(59), 6), None);
}
