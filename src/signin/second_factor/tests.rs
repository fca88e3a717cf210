use super::*;
use crate::{
    base::{browser::CookieToken, ids::SessionId, random::SystemRandom},
    directory::{LinkedBy, User},
    keys::sealing::MasterKey,
    session::SessionPolicy,
    signin::{
        attempt::tests::NOW,
        complete::{NotSignedIn, SessionTerms, resume, seal_session},
        request::SignInRequest,
        requirement::Freshness,
        someone::{Someone, sealing, second_factor_request as asked},
    },
};

const AGE: Duration = Duration::from_mins(5);

struct Fixture {
    someone: Someone,
    attempt: Attempt,
    link: ExternalAccount,
}

impl Fixture {
    fn new(asked: &SecondFactorRequest) -> Self {
        Self::of(Someone::new("agent1@contoso.com", sealing()), asked)
    }

    fn of(someone: Someone, asked: &SecondFactorRequest) -> Self {
        let link = someone.link(asked);
        Self {
            attempt: someone.second_factor_attempt(asked),
            someone,
            link,
        }
    }

    fn done(&self, records: &[EvidenceRecord]) -> Result<SecondFactorDone, NotDone> {
        self.done_by(
            records,
            &self.link,
            &self.someone.user,
            &self.someone.live(),
            NOW,
        )
    }

    fn done_by(
        &self,
        records: &[EvidenceRecord],
        link: &ExternalAccount,
        user: &User,
        live: &[CredentialId],
        now: Timestamp,
    ) -> Result<SecondFactorDone, NotDone> {
        let holder = Holder {
            user,
            live_credentials: live,
        };
        let sealing = &self.someone.sealing;
        complete(&self.attempt, records, link, holder, sealing, now, AGE)
    }

    fn code(&self) -> EvidenceRecord {
        self.someone.totp_record(&self.attempt, NOW)
    }
}

fn refused(result: Result<SecondFactorDone, NotDone>) -> NotDone {
    result.map(|done| done.kind()).unwrap_err()
}

#[test]
fn one_code_of_the_linked_person_does() {
    let fixture = Fixture::new(&asked());
    let record = fixture.code();
    let done = fixture.done(std::slice::from_ref(&record)).unwrap();
    assert_eq!(done.user(), &fixture.someone.user.id);
    assert_eq!(done.kind(), FactorKind::Totp);
    assert_eq!((done.credential(), done.at()), (&record.credential, NOW));
    assert_eq!(done.attempt(), &fixture.attempt.id);
    assert_eq!(done.request(), &asked());
}

#[test]
fn of_two_proofs_the_latest_that_is_asked_for_counts_and_a_password_never() {
    let fixture = Fixture::new(&asked());
    let later = NOW.plus(Duration::from_secs(40));
    let records = [
        fixture.code(),
        fixture.someone.totp_record(&fixture.attempt, later),
        fixture
            .someone
            .password_record(&fixture.attempt, later.plus(Duration::from_secs(1))),
    ];
    let (user, live) = (&fixture.someone.user, fixture.someone.live());
    let now = later.plus(Duration::from_secs(2));
    let done = fixture.done_by(&records, &fixture.link, user, &live, now);
    let done = done.unwrap();
    assert_eq!((done.kind(), done.at()), (FactorKind::Totp, later));

    let password = fixture.someone.password_record(&fixture.attempt, NOW);
    assert_eq!(refused(fixture.done(&[password])), NotDone::NotAsked);
    assert_eq!(refused(fixture.done(&[])), NotDone::NotAsked);
}

#[test]
fn a_factor_of_the_class_of_the_first_is_refused() {
    for acr in [
        vec![Acr::KnowledgeOrInherence],
        vec![Acr::Knowledge, Acr::Inherence],
    ] {
        let fixture = Fixture::new(&SecondFactorRequest { acr, ..asked() });
        assert_eq!(refused(fixture.done(&[fixture.code()])), NotDone::NotAsked);
    }
    // Entra should not ask for it; if it does, the hint's own word stands against it.
    let any = SecondFactorRequest {
        acr: vec![Acr::KnowledgeOrPossessionOrInherence],
        ..asked()
    };
    for (first, is_done) in [
        (&["otp"][..], false),
        (&["fido", "hwk"], false),
        (&["pwd"], true),
        (&["face"], true),
        // What the first one was cannot be told of these.
        (&["pwd", "otp"], true),
        (&["mfa"], true),
        (&[], true),
    ] {
        let fixture = Fixture::new(&SecondFactorRequest {
            first_amr: first.iter().map(|amr| (*amr).to_owned()).collect(),
            ..any.clone()
        });
        let done = fixture.done(&[fixture.code()]);
        assert_eq!(done.is_ok(), is_done, "{first:?}");
    }
}

#[test]
fn the_first_asked_value_that_is_satisfied_is_answered() {
    use FactorClass::{Inherence, Knowledge, Possession};
    let of = |acr: &[Acr], class| {
        let acr = acr.to_vec();
        SecondFactorRequest { acr, ..asked() }.acr_for(class)
    };
    for acr in Acr::ALL {
        for class in [Knowledge, Possession, Inherence] {
            let satisfied = acr.classes().contains(&class).then_some(acr);
            assert_eq!(of(&[acr], class), satisfied, "{acr:?} {class:?}");
        }
        assert_eq!(Acr::parse(acr.as_str()), Some(acr));
        let stored = serde_json::to_string(&acr).unwrap();
        assert_eq!(stored, format!("\"{}\"", acr.as_str()));
    }
    assert_eq!(
        of(&[Acr::Inherence, Acr::Possession], Possession),
        Some(Acr::Possession)
    );
    assert_eq!(Acr::parse("Possession"), None);
}

#[test]
fn attack_1_no_proof_link_or_row_of_anybody_else_does() {
    let key = MasterKey::random(&mut SystemRandom);
    let of = |upn| Fixture::of(Someone::new(upn, Sealing::new(&key)), &asked());
    let (one, two) = (of("agent1@contoso.com"), of("agent2@contoso.com"));
    let code = one.code();
    let (user, live) = (&one.someone.user, one.someone.live());
    let done = |fixture: &Fixture, record: &EvidenceRecord, link: &ExternalAccount, user: &User| {
        let live = [live.clone(), two.someone.live()].concat();
        let done = fixture.done_by(std::slice::from_ref(record), link, user, &live, NOW);
        done.map(|done| done.kind())
    };
    assert_eq!(done(&one, &code, &one.link, user), Ok(FactorKind::Totp));

    // The other one's code, in the other one's attempt or copied into this one.
    let others = two.code();
    assert_eq!(done(&one, &others, &one.link, user), Err(NotDone::Seal));
    let in_this = two.someone.totp_record(&one.attempt, NOW);
    let wrong = done(&one, &in_this, &one.link, user);
    assert_eq!(wrong, Err(NotDone::DifferentPeople));
    // With the other one's row, link, or attempt.
    for (link, user) in [
        (&one.link, &two.someone.user),
        (&two.link, user),
        (&two.link, &two.someone.user),
    ] {
        assert_eq!(
            done(&one, &in_this, link, user),
            Err(NotDone::DifferentPeople)
        );
    }
    assert_eq!(
        done(&two, &code, &two.link, &two.someone.user),
        Err(NotDone::Seal)
    );
    // A link of this person under another name of hers, or one that was written by hand.
    let elsewhere = ExternalAccount::new(
        &one.someone.sealing,
        (asked().object_id, asked().object_id),
        user.id.clone(),
        NOW,
        LinkedBy::Operator,
    );
    let wrong = done(&one, &code, &elsewhere, user);
    assert_eq!(wrong, Err(NotDone::OtherLink));
    let by_hand = ExternalAccount {
        user: user.id.clone(),
        ..two.link.clone()
    };
    assert_eq!(done(&one, &code, &by_hand, user), Err(NotDone::Seal));
    // Another browser.
    let mut moved = Fixture::of(
        Someone::new("agent3@contoso.com", Sealing::new(&key)),
        &asked(),
    );
    let code = moved.code();
    moved.attempt.browser = CookieToken::random(&mut SystemRandom).hash();
    let wrong = refused(moved.done(&[code]));
    assert_eq!(wrong, NotDone::Seal);
}

#[test]
fn who_is_disabled_or_whose_credential_was_taken_away_is_not_answered_for() {
    let fixture = Fixture::new(&asked());
    let code = [fixture.code()];
    let user = &fixture.someone.user;
    let disabled = User {
        disabled_at: Some(NOW),
        ..user.clone()
    };
    let renamed = User {
        upn: "other@contoso.com".parse().unwrap(),
        ..user.clone()
    };
    let live = fixture.someone.live();
    for (user, live, why) in [
        (&disabled, &live[..], NotDone::Disabled),
        (&renamed, &live, NotDone::Seal),
        (user, &live[..1], NotDone::Revoked),
    ] {
        let done = fixture.done_by(&code, &fixture.link, user, live, NOW);
        assert_eq!(refused(done), why);
    }
    // And not for long.
    let done_at = |now| fixture.done_by(&code, &fixture.link, user, &live, now);
    assert!(done_at(NOW.plus(AGE)).is_ok());
    let late = NOW.plus(AGE).plus(Duration::from_millis(1));
    assert_eq!(refused(done_at(late)), NotDone::Seal);
}

#[test]
fn attack_40_one_door_does_not_answer_for_the_other() {
    let fixture = Fixture::new(&asked());
    let (someone, attempt) = (&fixture.someone, &fixture.attempt);
    let both = [
        someone.password_record(attempt, NOW),
        someone.totp_record(attempt, NOW),
    ];
    // Two proofs in an attempt of this door make nobody signed in, nor does a session answer it.
    let signed_in = someone.complete(attempt, &both, NOW);
    assert_eq!(signed_in.err(), Some(NotSignedIn::OtherDoor));
    let (_, signed_in) = someone.signed_in();
    let token = CookieToken::random(&mut SystemRandom).hash();
    let id = SessionId::random(&mut SystemRandom);
    let session = seal_session(&signed_in, id, token.clone(), &someone.sealing, NOW);
    let live = someone.live();
    let resume_in = |attempt: &Attempt| {
        resume(
            attempt,
            session.row(),
            &token,
            SessionTerms {
                policy: SessionPolicy::default(),
                freshness: Freshness::AtMost(AGE),
            },
            Holder {
                user: &someone.user,
                live_credentials: &live,
            },
            &someone.sealing,
            NOW.plus(Duration::from_secs(9)),
        )
        .map(|signed_in| signed_in.proofs().len())
    };
    assert_eq!(resume_in(&someone.attempt()), Ok(2));
    assert_eq!(resume_in(attempt), Err(NotSignedIn::OtherDoor));

    // And an attempt of another door is not answered here.
    let plain = Fixture {
        attempt: someone.attempt(),
        link: fixture.link.clone(),
        someone: Someone::new("x@contoso.com", sealing()),
    };
    assert_eq!(refused(plain.done(&[])), NotDone::OtherDoor);
}

#[test]
fn what_is_asked_is_stored_with_the_attempt_and_reads_back() {
    let fixture = Fixture::new(&asked());
    let stored = serde_json::to_string(&fixture.attempt.request).unwrap();
    let again: SignInRequest = serde_json::from_str(&stored).unwrap();
    assert_eq!(again.second_factor, fixture.attempt.request.second_factor);
    assert_eq!(asked().asked_at(), NOW);
    let other = serde_json::to_string(&fixture.someone.attempt().request).unwrap();
    assert!(!other.contains("second_factor"), "{other}");
}
