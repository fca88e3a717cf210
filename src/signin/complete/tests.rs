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
            None,
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

const AT_MOST: Freshness = Freshness::AtMost(Duration::from_mins(15));

/// From when only the password of `session()` (proved nine seconds before the code) has aged.
fn password_aged() -> Timestamp {
    NOW.plus(Duration::from_mins(15))
        .plus(Duration::from_secs(1))
}

fn former(resumed: &Resumed, freshness: Freshness) -> FormerSession<'_> {
    FormerSession {
        row: &resumed.row,
        presented: &resumed.token,
        terms: SessionTerms {
            policy: SessionPolicy::default(),
            freshness,
        },
    }
}

/// A new attempt of the session's person, in which the password was right at `at`.
fn password_again(resumed: &Resumed, at: Timestamp) -> (Attempt, [EvidenceRecord; 1]) {
    let attempt = resumed.someone.attempt();
    let record = resumed.someone.password_record(&attempt, at);
    (attempt, [record])
}

#[test]
fn attack_21_only_what_has_aged_is_proved_again_and_instants_stay() {
    let resumed = session();
    let now = password_aged();
    let (attempt, records) = password_again(&resumed, now);
    let signed_in = resumed
        .someone
        .complete_with(&attempt, &records, Some(former(&resumed, AT_MOST)), now)
        .unwrap();
    let proofs: Vec<_> = signed_in.proofs().iter().map(|p| (p.kind, p.at)).collect();
    let code_at = NOW.plus(Duration::from_secs(9));
    assert_eq!(
        proofs,
        [(FactorKind::Totp, code_at), (FactorKind::Password, now)]
    );
    assert_eq!(signed_in.oldest_proof(), code_at);
    assert_eq!(signed_in.resumed_session(), None);
    // The new session ends when the former one would have.
    let (id, token) = (
        SessionId::random(&mut SystemRandom),
        CookieToken::random(&mut SystemRandom).hash(),
    );
    let stepped_up = seal_session(&signed_in, id, token, &resumed.someone.sealing, now);
    assert_eq!(stepped_up.row().created_at, resumed.row.created_at);
    assert!(verify_session(stepped_up.row(), &resumed.someone.sealing).is_ok());
    // Both factors anew: a session of its own.
    let both = [
        records[0].clone(),
        resumed.someone.totp_record(&attempt, now),
    ];
    let anew = resumed
        .someone
        .complete_with(&attempt, &both, Some(former(&resumed, AT_MOST)), now)
        .unwrap();
    assert_eq!((anew.oldest_proof(), anew.carried_from()), (now, None));
}

#[test]
fn attack_21_what_is_too_old_ended_revoked_or_anothers_is_not_carried_over() {
    let resumed = session();
    let now = password_aged();
    let (attempt, records) = password_again(&resumed, now);
    let with = |former: FormerSession<'_>, now| {
        let result = resumed
            .someone
            .complete_with(&attempt, &records, Some(former), now);
        result.err()
    };
    assert_eq!(with(former(&resumed, AT_MOST), now), None);
    // The code has aged too, one millisecond after its fifteen minutes.
    let end = NOW
        .plus(Duration::from_secs(9))
        .plus(Duration::from_mins(15));
    assert_eq!(with(former(&resumed, AT_MOST), end), None);
    let milli = Duration::from_millis(1);
    assert_eq!(
        with(former(&resumed, AT_MOST), end.plus(milli)),
        Some(NotSignedIn::OneClass)
    );
    // Whoever wants everything anew gets everything anew.
    assert_eq!(
        with(former(&resumed, Freshness::ThisAttempt), now),
        Some(NotSignedIn::OneClass)
    );
    let other_cookie = CookieToken::random(&mut SystemRandom).hash();
    let stolen = FormerSession {
        presented: &other_cookie,
        ..former(&resumed, AT_MOST)
    };
    assert_eq!(with(stolen, now), Some(NotSignedIn::Seal));
    let rows = [
        (
            NotSignedIn::Session,
            SessionRow {
                revoked_at: Some(now),
                ..resumed.row.clone()
            },
        ),
        (
            NotSignedIn::Seal,
            SessionRow {
                user: UserId::random(&mut SystemRandom),
                ..resumed.row.clone()
            },
        ),
        (
            NotSignedIn::Seal,
            SessionRow {
                proofs: resumed.row.proofs[1..].to_vec(),
                ..resumed.row.clone()
            },
        ),
    ];
    for (expected, row) in &rows {
        let altered = FormerSession {
            row,
            ..former(&resumed, AT_MOST)
        };
        assert_eq!(with(altered, now), Some(*expected));
    }
    let ever = Freshness::AtMost(Duration::from_hours(99));
    let idle = NOW.plus(SessionPolicy::default().idle);
    let (later, again) = password_again(&resumed, idle);
    let result = resumed
        .someone
        .complete_with(&later, &again, Some(former(&resumed, ever)), idle);
    assert_eq!(result.err(), Some(NotSignedIn::Session));
    // Another person's live session, in the same browser.
    let other = session();
    let theirs = complete(
        &attempt,
        &records,
        Some(former(&other, AT_MOST)),
        Holder {
            user: &resumed.someone.user,
            live_credentials: &resumed.someone.live(),
        },
        &resumed.someone.sealing,
        now,
        AGE,
    );
    assert_eq!(theirs.err(), Some(NotSignedIn::Seal));
    // A credential of the session was revoked, be it the one that has aged.
    let live = resumed.someone.live();
    for kept in [&live[..1], &live[1..]] {
        let holder = Holder {
            user: &resumed.someone.user,
            live_credentials: kept,
        };
        let carried = carried(
            &attempt,
            former(&resumed, AT_MOST),
            holder,
            &resumed.someone.sealing,
            now,
        );
        assert_eq!(carried.err(), Some(NotSignedIn::Revoked));
    }
}

#[test]
fn attack_21_a_session_alone_completes_nothing() {
    let resumed = session();
    let attempt = resumed.someone.attempt();
    let result = resumed
        .someone
        .complete_with(&attempt, &[], Some(former(&resumed, AT_MOST)), NOW);
    assert_eq!(result.err(), Some(NotSignedIn::OneClass));
    // Nor does the class that it has already.
    let now = password_aged();
    let code = [resumed.someone.totp_record(&attempt, now)];
    let result =
        resumed
            .someone
            .complete_with(&attempt, &code, Some(former(&resumed, AT_MOST)), now);
    assert_eq!(result.err(), Some(NotSignedIn::OneClass));
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
