use proptest::prelude::*;

use super::*;
use crate::{
    base::{browser::CookieToken, random::SystemRandom},
    directory::ImmutableId,
    keys::sealing::MasterKey,
    session::SessionPolicy,
    signin::{
        attempt::{self, tests::NOW},
        someone::{Someone, sealing},
    },
};

const AGE: Duration = Duration::from_mins(15);

fn someone() -> Someone {
    Someone::new("agent1@contoso.com", sealing())
}

#[test]
fn two_classes_make_a_sign_in_and_it_keeps_their_instants() {
    let someone = someone();
    let (_, signed_in) = someone.signed_in();
    assert_eq!(signed_in.oldest_proof(), NOW);
    let kinds: Vec<FactorKind> = signed_in.proofs().iter().map(|proof| proof.kind).collect();
    assert_eq!(kinds, [FactorKind::Password, FactorKind::Totp]);
    assert_eq!(signed_in.user(), &someone.user.id);
}

#[test]
fn attack_21_one_class_is_no_sign_in_however_often() {
    let someone = someone();
    let attempt = someone.attempt();
    let password = someone.password_record(&attempt, NOW);
    let totp = someone.totp_record(&attempt, NOW);
    for records in [
        vec![],
        vec![password.clone()],
        vec![totp.clone()],
        vec![password.clone(), password],
        vec![totp.clone(), totp],
    ] {
        assert_eq!(
            someone.complete(&attempt, &records, NOW).err(),
            Some(NotSignedIn::OneClass)
        );
    }
}

#[test]
fn attack_1_proofs_of_two_people_do_not_add_up() {
    let shared = MasterKey::random(&mut SystemRandom);
    let victim = Someone::new("victim@contoso.com", Sealing::new(&shared));
    let attacker = Someone::new("attacker@contoso.com", Sealing::new(&shared));
    let attempt = victim.attempt();
    let mixed = [
        victim.password_record(&attempt, NOW),
        attacker.totp_record(&attempt, NOW),
    ];
    assert_eq!(
        victim.complete(&attempt, &mixed, NOW).err(),
        Some(NotSignedIn::DifferentPeople)
    );
    assert_eq!(
        attacker.complete(&attempt, &mixed, NOW).err(),
        Some(NotSignedIn::DifferentPeople)
    );
    // Both of the attacker's own, in an attempt that is the victim's.
    let own = [
        attacker.password_record(&attempt, NOW),
        attacker.totp_record(&attempt, NOW),
    ];
    assert_eq!(
        attacker.complete(&attempt, &own, NOW).err(),
        Some(NotSignedIn::DifferentPeople)
    );
    // The victim's second factor of another attempt.
    let other = victim.attempt();
    let split = [
        victim.password_record(&attempt, NOW),
        victim.totp_record(&other, NOW),
    ];
    assert_eq!(
        victim.complete(&attempt, &split, NOW).err(),
        Some(NotSignedIn::Seal)
    );
}

#[test]
fn attack_21_what_was_revoked_meanwhile_does_not_count() {
    let someone = someone();
    let attempt = someone.attempt();
    let records = [
        someone.password_record(&attempt, NOW),
        someone.totp_record(&attempt, NOW),
    ];
    let check = |user: &User, live: &[CredentialId]| {
        complete(
            &attempt,
            &records,
            Holder {
                user,
                live_credentials: live,
            },
            &someone.sealing,
            NOW,
            AGE,
        )
        .err()
    };
    assert_eq!(check(&someone.user, &someone.live()), None);
    assert_eq!(
        check(&someone.user, &someone.live()[..1]),
        Some(NotSignedIn::Revoked)
    );
    assert_eq!(
        check(&someone.user, &someone.live()[1..]),
        Some(NotSignedIn::Revoked)
    );
    let disabled = User {
        disabled_at: Some(NOW),
        ..someone.user.clone()
    };
    assert_eq!(
        check(&disabled, &someone.live()),
        Some(NotSignedIn::Disabled)
    );
    let other_id = User {
        immutable_id: Some(ImmutableId::random(&mut SystemRandom)),
        ..someone.user.clone()
    };
    assert_eq!(check(&other_id, &someone.live()), Some(NotSignedIn::Seal));
}

struct Resumed {
    someone: Someone,
    attempt: Attempt,
    token: TokenHash,
    row: SessionRow,
}

fn session() -> Resumed {
    let someone = someone();
    let (_, signed_in) = someone.signed_in();
    let token = CookieToken::random(&mut SystemRandom).hash();
    let id = SessionId::random(&mut SystemRandom);
    let row = seal_session(&signed_in, id, token.clone(), &someone.sealing, NOW)
        .row()
        .clone();
    Resumed {
        attempt: attempt::tests::attempt(),
        someone,
        token,
        row,
    }
}

fn resume_with(
    resumed: &Resumed,
    row: &SessionRow,
    freshness: Freshness,
    now: Timestamp,
) -> Result<SignedIn, NotSignedIn> {
    let live = resumed.someone.live();
    resume(
        &resumed.attempt,
        row,
        &resumed.token,
        SessionTerms {
            policy: SessionPolicy::default(),
            freshness,
        },
        Holder {
            user: &resumed.someone.user,
            live_credentials: &live,
        },
        &resumed.someone.sealing,
        now,
    )
}

#[test]
fn attack_21_a_session_resumes_with_its_original_instants_until_it_is_too_old() {
    let resumed = session();
    let fresh = Freshness::AtMost(Duration::from_mins(15));
    let end = NOW.plus(Duration::from_mins(15));
    let signed_in = resume_with(&resumed, &resumed.row, fresh, end).unwrap();
    assert_eq!(signed_in.oldest_proof(), NOW);
    assert_eq!(signed_in.resumed_session(), Some(&resumed.row.id));
    let milli = Duration::from_millis(1);
    assert_eq!(
        resume_with(&resumed, &resumed.row, fresh, end.plus(milli)).err(),
        Some(NotSignedIn::Session)
    );
    assert_eq!(
        resume_with(&resumed, &resumed.row, Freshness::ThisAttempt, NOW).err(),
        Some(NotSignedIn::Session)
    );
}

#[test]
fn attack_21_a_session_ends_by_idleness_by_age_and_by_revocation() {
    let resumed = session();
    let ever = Freshness::AtMost(Duration::from_hours(99));
    let policy = SessionPolicy::default();
    let milli = Duration::from_millis(1);
    assert!(
        resume_with(
            &resumed,
            &resumed.row,
            ever,
            NOW.plus(policy.idle).minus(milli)
        )
        .is_ok()
    );
    assert_eq!(
        resume_with(&resumed, &resumed.row, ever, NOW.plus(policy.idle)).err(),
        Some(NotSignedIn::Session)
    );
    let used = SessionRow {
        last_used_at: NOW.plus(policy.absolute),
        ..resumed.row.clone()
    };
    assert!(
        resume_with(
            &resumed,
            &used,
            ever,
            NOW.plus(policy.absolute).minus(milli)
        )
        .is_ok()
    );
    assert_eq!(
        resume_with(&resumed, &used, ever, NOW.plus(policy.absolute)).err(),
        Some(NotSignedIn::Session)
    );
    let revoked = SessionRow {
        revoked_at: Some(NOW),
        ..resumed.row.clone()
    };
    assert_eq!(
        resume_with(&resumed, &revoked, ever, NOW).err(),
        Some(NotSignedIn::Session)
    );
}

#[test]
fn attack_38_a_session_row_that_was_altered_or_moved_is_nothing() {
    let resumed = session();
    let ever = Freshness::AtMost(Duration::from_hours(99));
    let row = &resumed.row;
    let younger = row
        .proofs
        .iter()
        .map(|proof| SessionProof {
            at: proof.at.plus(Duration::from_mins(1)),
            ..proof.clone()
        })
        .collect();
    for altered in [
        SessionRow {
            id: SessionId::random(&mut SystemRandom),
            ..row.clone()
        },
        SessionRow {
            user: UserId::random(&mut SystemRandom),
            ..row.clone()
        },
        SessionRow {
            proofs: younger,
            ..row.clone()
        },
        SessionRow {
            proofs: row.proofs[..1].to_vec(),
            ..row.clone()
        },
        SessionRow {
            created_at: NOW.plus(Duration::from_hours(1)),
            ..row.clone()
        },
        SessionRow {
            tag: String::new(),
            ..row.clone()
        },
        SessionRow {
            token: CookieToken::random(&mut SystemRandom).hash(),
            ..row.clone()
        },
    ] {
        assert_eq!(
            resume_with(&resumed, &altered, ever, NOW).err(),
            Some(NotSignedIn::Seal)
        );
    }
    // The row as it is, found for a cookie that is not its own.
    let mut other = session();
    other.token = CookieToken::random(&mut SystemRandom).hash();
    assert_eq!(
        resume_with(&other, &other.row, ever, NOW).err(),
        Some(NotSignedIn::Seal)
    );
    // Another cookie's hash put into the row, presented by that other browser.
    let mut stolen = session();
    let theirs = CookieToken::random(&mut SystemRandom).hash();
    stolen.token = theirs.clone();
    let moved = SessionRow {
        token: theirs,
        ..stolen.row.clone()
    };
    assert_eq!(
        resume_with(&stolen, &moved, ever, NOW).err(),
        Some(NotSignedIn::Seal)
    );
}

#[test]
fn attack_21_a_session_answers_for_its_own_person_only() {
    let resumed = session();
    let ever = Freshness::AtMost(Duration::from_hours(99));
    let bound = Resumed {
        attempt: Attempt {
            user: Some(UserId::random(&mut SystemRandom)),
            ..resumed.attempt.clone()
        },
        ..session()
    };
    assert_eq!(
        resume_with(&bound, &bound.row, ever, NOW).err(),
        Some(NotSignedIn::DifferentPeople)
    );
    let live = resumed.someone.live();
    let other = User {
        id: UserId::random(&mut SystemRandom),
        ..resumed.someone.user.clone()
    };
    let terms = SessionTerms {
        policy: SessionPolicy::default(),
        freshness: ever,
    };
    let holder = Holder {
        user: &other,
        live_credentials: &live,
    };
    let result = resume(
        &resumed.attempt,
        &resumed.row,
        &resumed.token,
        terms,
        holder,
        &resumed.someone.sealing,
        NOW,
    );
    assert_eq!(result.err(), Some(NotSignedIn::DifferentPeople));
    let holder = Holder {
        user: &resumed.someone.user,
        live_credentials: &live[..1],
    };
    let result = resume(
        &resumed.attempt,
        &resumed.row,
        &resumed.token,
        terms,
        holder,
        &resumed.someone.sealing,
        NOW,
    );
    assert_eq!(result.err(), Some(NotSignedIn::Revoked));
}

proptest! {
    /// Multi-factor if and only if there are two classes.
    #[test]
    fn attack_21_multi_factor_means_two_classes(kinds in prop::collection::vec(prop::sample::select(FactorKind::ALL.to_vec()), 0..6)) {
        let knows = kinds.contains(&FactorKind::Password);
        let has = kinds.contains(&FactorKind::Totp) || kinds.contains(&FactorKind::WebAuthn);
        let verified = kinds.contains(&FactorKind::WebAuthnVerified);
        prop_assert_eq!(require_two_classes(kinds.into_iter()).is_ok(), verified || (knows && has));
    }
}
