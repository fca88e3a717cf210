use super::*;
use crate::signin::{
    attempt::tests::{NOW, request},
    request::SignInRequest,
    someone::{Someone, attempt_asking, sealing, second_factor_request as asked},
};

/// What the person has proved in this attempt.
#[derive(Clone, Copy)]
enum Proved {
    Nothing,
    Password,
    Totp,
    Both,
}

fn person(live_methods: usize) -> Person {
    Person {
        status: PersonStatus::Active,
        live_methods,
        fitting_methods: live_methods,
        kinds_to_add: 2,
        assigned_tokens: 0,
        unseen_notices: 0,
    }
}

#[test]
fn attack_37_a_token_is_activated_only_after_the_password_and_only_by_whom_it_was_handed_to() {
    let handed = |live_methods| Person {
        assigned_tokens: 1,
        ..person(live_methods)
    };
    let asked = |proved, person| {
        step(&Case {
            proved,
            person: Some(person),
            ..FRESH
        })
    };
    assert_eq!(asked(Proved::Password, handed(0)), NextStep::ActivateToken);
    assert_eq!(asked(Proved::Password, person(0)), NextStep::AskPass);
    assert_eq!(asked(Proved::Nothing, handed(0)), NextStep::AskPassword);
    assert_eq!(asked(Proved::Totp, handed(0)), NextStep::AskPassword);
    // A live method is asked for first: the token waits.
    assert_eq!(
        asked(Proved::Password, handed(1)),
        NextStep::AskSecondFactor
    );
}

#[derive(Clone, Copy)]
struct Case {
    proved: Proved,
    person: Option<Person>,
    session: SessionAnswer,
    enrolment: Enrolment,
    interaction: Interaction,
    carried: &'static [FactorKind],
    recent_answers: usize,
}

const FRESH: Case = Case {
    proved: Proved::Nothing,
    person: None,
    session: SessionAnswer::None,
    enrolment: Enrolment::None,
    interaction: Interaction::Allowed,
    carried: &[],
    recent_answers: 0,
};

fn step(case: &Case) -> NextStep {
    let someone = Someone::new("agent1@contoso.com", sealing());
    let mut attempt = someone.attempt();
    attempt.request = SignInRequest {
        interaction: case.interaction,
        ..request()
    };
    let password = someone.password_record(&attempt, NOW);
    let totp = someone.totp_record(&attempt, NOW);
    let records = match case.proved {
        Proved::Nothing => vec![],
        Proved::Password => vec![password],
        Proved::Totp => vec![totp],
        Proved::Both => vec![password, totp],
    };
    let evidence = crate::factor::evidence::open_all(
        &records,
        attempt.binding(),
        &someone.sealing,
        NOW,
        crate::signin::attempt::LIFETIME,
    )
    .unwrap();
    next_step(&Situation {
        attempt: &attempt,
        evidence: &evidence,
        person: case.person,
        session: case.session,
        enrolment: case.enrolment,
        carried: case.carried.to_vec(),
        recent_answers: case.recent_answers,
        now: NOW,
    })
}

/// The same at the door of External MFA, `after` seconds after Entra asked.
fn at_external_mfa(case: &Case, after: u64) -> NextStep {
    let someone = Someone::new("agent1@contoso.com", sealing());
    let attempt = attempt_asking(&asked(), &someone.sealing);
    let attempt = crate::signin::attempt::Attempt {
        user: Some(someone.user.id.clone()),
        ..attempt
    };
    let records = match case.proved {
        Proved::Totp => vec![someone.totp_record(&attempt, NOW)],
        _ => vec![],
    };
    let evidence = crate::factor::evidence::open_all(
        &records,
        attempt.binding(),
        &someone.sealing,
        NOW,
        crate::signin::attempt::LIFETIME,
    )
    .unwrap();
    next_step(&Situation {
        attempt: &attempt,
        evidence: &evidence,
        person: case.person,
        session: case.session,
        enrolment: case.enrolment,
        carried: case.carried.to_vec(),
        recent_answers: case.recent_answers,
        now: NOW.plus(std::time::Duration::from_secs(after)),
    })
}

#[test]
fn attack_40_at_external_mfa_one_factor_is_asked_and_no_session_answers() {
    let known = |live_methods, fitting_methods| {
        Some(Person {
            fitting_methods,
            ..person(live_methods)
        })
    };
    let begun = |person| Case { person, ..FRESH };
    for (person, expected) in [
        (None, NextStep::CannotAnswer(NoAnswer::Stranger)),
        (known(0, 0), NextStep::AskPass),
        // A pass would be used up for nothing.
        (
            Some(Person {
                kinds_to_add: 0,
                ..person(0)
            }),
            NextStep::CannotAnswer(NoAnswer::NothingToSetUp),
        ),
        (
            known(2, 0),
            NextStep::CannotAnswer(NoAnswer::NoFittingMethod),
        ),
        (known(2, 1), NextStep::AskSecondFactor),
    ] {
        assert_eq!(at_external_mfa(&begun(person), 0), expected, "{person:?}");
        // A session, or what is carried of one, changes nothing, nor does a circle.
        let with_session = Case {
            session: SessionAnswer::FreshEnough,
            carried: &[FactorKind::Password, FactorKind::Totp],
            recent_answers: ROUND_TRIPS,
            ..begun(person)
        };
        assert_eq!(at_external_mfa(&with_session, 0), expected, "{person:?}");
    }
    let proved = Case {
        proved: Proved::Totp,
        recent_answers: ROUND_TRIPS,
        ..begun(known(1, 1))
    };
    let answer = NextStep::Issue(AnswerFrom::Proofs);
    assert_eq!(at_external_mfa(&proved, 0), answer);
    // The same proof at another door leaves the password to be asked.
    assert_eq!(step(&proved), NextStep::AskPassword);
    let noticed = Case {
        person: known(1, 1).map(|person| Person {
            unseen_notices: 1,
            ..person
        }),
        ..proved
    };
    assert_eq!(at_external_mfa(&noticed, 0), NextStep::ShowNotices);
    let disabled = Case {
        person: known(1, 1).map(|person| Person {
            status: PersonStatus::Disabled,
            ..person
        }),
        ..FRESH
    };
    let refused = NextStep::Refuse(Refusal::Disabled);
    assert_eq!(at_external_mfa(&disabled, 0), refused);
}

#[test]
fn at_external_mfa_a_pass_opens_enrolment_without_a_password() {
    for (enrolment, expected) in [
        (Enrolment::NeedsPassword, NextStep::ChooseMethod),
        (Enrolment::NeedsChoice, NextStep::ChooseMethod),
        (
            Enrolment::SettingUp(MethodKind::Totp),
            NextStep::Enrol(MethodKind::Totp),
        ),
    ] {
        let case = Case {
            person: Some(person(0)),
            enrolment,
            ..FRESH
        };
        assert_eq!(at_external_mfa(&case, 0), expected);
    }
}

#[test]
fn attack_5_at_external_mfa_nothing_is_asked_once_it_is_late_and_what_was_proved_is_answered() {
    let unproved = Case {
        person: Some(person(1)),
        ..FRESH
    };
    let proved = Case {
        proved: Proved::Totp,
        ..unproved
    };
    assert_eq!(at_external_mfa(&unproved, 269), NextStep::AskSecondFactor);
    let late = NextStep::Refuse(Refusal::TooLate);
    assert_eq!(at_external_mfa(&unproved, 270), late);
    let stranger = Case {
        person: None,
        ..unproved
    };
    assert_eq!(at_external_mfa(&stranger, 270), late);
    let answer = NextStep::Issue(AnswerFrom::Proofs);
    assert_eq!(at_external_mfa(&proved, 299), answer);
}

#[test]
fn attack_21_password_then_code_then_answer() {
    assert_eq!(step(&FRESH), NextStep::AskPassword);
    assert_eq!(
        step(&Case {
            proved: Proved::Password,
            person: Some(person(1)),
            ..FRESH
        }),
        NextStep::AskSecondFactor
    );
    assert_eq!(
        step(&Case {
            proved: Proved::Both,
            person: Some(person(1)),
            ..FRESH
        }),
        NextStep::Issue(AnswerFrom::Proofs)
    );
    assert_eq!(
        step(&Case {
            proved: Proved::Totp,
            person: Some(person(1)),
            ..FRESH
        }),
        NextStep::AskPassword
    );
    assert_eq!(
        step(&Case {
            person: Some(person(1)),
            ..FRESH
        }),
        NextStep::AskPassword
    );
}

#[test]
fn attack_37_a_password_without_a_method_asks_for_a_pass_and_never_enrols() {
    assert_eq!(
        step(&Case {
            proved: Proved::Password,
            person: Some(person(0)),
            ..FRESH
        }),
        NextStep::AskPass
    );
    assert_eq!(
        step(&Case {
            person: Some(person(0)),
            ..FRESH
        }),
        NextStep::AskPassword
    );
}

#[test]
fn a_pass_opens_enrolment_and_enrolment_is_no_answer() {
    for proved in [Proved::Nothing, Proved::Password, Proved::Both] {
        let needs_password = Case {
            proved,
            person: Some(person(0)),
            enrolment: Enrolment::NeedsPassword,
            ..FRESH
        };
        assert_eq!(step(&needs_password), NextStep::ChoosePassword);
        let needs_method = Case {
            proved,
            person: Some(person(1)),
            enrolment: Enrolment::SettingUp(MethodKind::Totp),
            ..FRESH
        };
        assert_eq!(step(&needs_method), NextStep::Enrol(MethodKind::Totp));
    }
}

#[test]
fn attack_21_a_fresh_session_answers_only_who_has_not_begun() {
    let with_session = Case {
        session: SessionAnswer::FreshEnough,
        ..FRESH
    };
    assert_eq!(step(&with_session), NextStep::Issue(AnswerFrom::Session));
    let begun = Case {
        proved: Proved::Password,
        person: Some(person(1)),
        session: SessionAnswer::FreshEnough,
        ..FRESH
    };
    assert_eq!(step(&begun), NextStep::AskSecondFactor);
    let enrolling = Case {
        enrolment: Enrolment::SettingUp(MethodKind::Totp),
        session: SessionAnswer::FreshEnough,
        ..FRESH
    };
    assert_eq!(step(&enrolling), NextStep::Enrol(MethodKind::Totp));
}

#[test]
fn without_pages_a_session_answers_or_nobody() {
    let passive = Case {
        interaction: Interaction::Forbidden,
        ..FRESH
    };
    assert_eq!(
        step(&passive),
        NextStep::Refuse(Refusal::InteractionForbidden)
    );
    let with_session = Case {
        session: SessionAnswer::FreshEnough,
        ..passive
    };
    assert_eq!(step(&with_session), NextStep::Issue(AnswerFrom::Session));
}

#[test]
fn a_disabled_person_is_refused_whatever_was_proved() {
    let disabled = Some(Person {
        status: PersonStatus::Disabled,
        live_methods: 1,
        fitting_methods: 1,
        kinds_to_add: 1,
        assigned_tokens: 0,
        unseen_notices: 0,
    });
    for proved in [Proved::Nothing, Proved::Password, Proved::Both] {
        let case = Case {
            proved,
            person: disabled,
            session: SessionAnswer::FreshEnough,
            ..FRESH
        };
        assert_eq!(step(&case), NextStep::Refuse(Refusal::Disabled));
    }
}

#[test]
fn notices_are_shown_after_both_factors_and_before_the_answer() {
    let noticed = Some(Person {
        status: PersonStatus::Active,
        live_methods: 1,
        fitting_methods: 1,
        kinds_to_add: 1,
        assigned_tokens: 0,
        unseen_notices: 2,
    });
    assert_eq!(
        step(&Case {
            proved: Proved::Password,
            person: noticed,
            ..FRESH
        }),
        NextStep::AskSecondFactor
    );
    assert_eq!(
        step(&Case {
            proved: Proved::Both,
            person: noticed,
            ..FRESH
        }),
        NextStep::ShowNotices
    );
}

#[test]
fn attack_21_only_what_has_aged_is_asked_again() {
    let asked = |proved, carried, person| {
        step(&Case {
            proved,
            person,
            carried,
            ..FRESH
        })
    };
    let known = Some(person(1));
    let (password, has) = (&[FactorKind::Password], &[FactorKind::Totp]);
    // Nobody said who they are in this attempt: the password says it.
    assert_eq!(asked(Proved::Nothing, has, None), NextStep::AskPassword);
    assert_eq!(asked(Proved::Nothing, has, known), NextStep::AskPassword);
    assert_eq!(
        asked(Proved::Nothing, password, known),
        NextStep::AskSecondFactor
    );
    for (proved, carried) in [(Proved::Password, has), (Proved::Totp, password)] {
        assert_eq!(
            asked(proved, carried, known),
            NextStep::Issue(AnswerFrom::Proofs)
        );
        assert_eq!(
            step(&Case {
                proved,
                person: known,
                interaction: Interaction::Forbidden,
                carried,
                ..FRESH
            }),
            NextStep::Refuse(Refusal::InteractionForbidden)
        );
    }
    // The same class twice is one class.
    assert_eq!(
        asked(Proved::Password, password, known),
        NextStep::AskSecondFactor
    );
    assert_eq!(asked(Proved::Totp, has, known), NextStep::AskPassword);
}

#[test]
fn the_fourth_round_trip_stops_at_a_page_whatever_it_rests_on() {
    let answered = |recent_answers, interaction, session, proved| {
        step(&Case {
            proved,
            person: Some(person(1)),
            session,
            interaction,
            recent_answers,
            ..FRESH
        })
    };
    let (allowed, forbidden) = (Interaction::Allowed, Interaction::Forbidden);
    let cases = [
        (
            SessionAnswer::FreshEnough,
            Proved::Nothing,
            AnswerFrom::Session,
        ),
        (SessionAnswer::None, Proved::Both, AnswerFrom::Proofs),
    ];
    for (session, proved, from) in cases {
        assert_eq!(answered(2, allowed, session, proved), NextStep::Issue(from));
        assert_eq!(answered(3, allowed, session, proved), NextStep::StopLoop);
        assert_eq!(
            answered(3, forbidden, session, proved),
            NextStep::Refuse(Refusal::InteractionForbidden)
        );
    }
    // Who is asked something is asked: a page is no circle.
    assert_eq!(
        answered(9, allowed, SessionAnswer::None, Proved::Password),
        NextStep::AskSecondFactor
    );
}
