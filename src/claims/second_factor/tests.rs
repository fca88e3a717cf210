use super::*;
use crate::signin::{
    attempt::tests::NOW,
    someone::{Someone, sealing, second_factor_request as asked},
};

fn release(asked: &SecondFactorRequest) -> Result<SecondFactorAnswer, NotAsked> {
    let someone = Someone::new("agent1@contoso.com", sealing());
    let done = someone.second_factor_done(asked);
    SecondFactorAnswer::release(done, "https://idp.contoso.com/oidc")
}

#[test]
fn an_answer_repeats_what_was_asked_and_names_what_was_proved() {
    let answer = release(&asked()).unwrap();
    assert_eq!(answer.issuer(), "https://idp.contoso.com/oidc");
    assert_eq!(answer.audience(), "client-of-contoso");
    assert_eq!(answer.subject(), "pairwise-subject");
    assert_eq!(answer.nonce(), "n-1");
    assert_eq!(answer.tenant(), asked().tenant);
    assert_eq!(answer.acr(), "possessionorinherence");
    assert_eq!(answer.amr(), "otp");
    assert_eq!(answer.kind(), FactorKind::Totp);
    assert_eq!(answer.at(), NOW);
}

#[test]
fn a_method_that_is_not_asked_for_is_not_released() {
    for (amr, is_released) in [
        (&["otp"][..], true),
        (&["fido", "otp"], true),
        (&[], true),
        (&["fido"], false),
        (&["OTP"], false),
    ] {
        let amr = amr.iter().map(|amr| (*amr).to_owned()).collect();
        let answer = release(&SecondFactorRequest { amr, ..asked() });
        assert_eq!(answer.is_ok(), is_released);
    }
}

#[test]
fn what_is_offered_is_what_would_be_answered() {
    let offered = |request: &SecondFactorRequest| {
        FactorKind::ALL.map(|kind| answer_for(request, kind).map(|(_, amr)| amr))
    };
    assert_eq!(
        offered(&asked()),
        [None, Some("otp"), Some("fido"), Some("fido")]
    );
    let only_keys = SecondFactorRequest {
        amr: vec!["fido".to_owned()],
        ..asked()
    };
    assert_eq!(
        offered(&only_keys),
        [None, None, Some("fido"), Some("fido")]
    );
    // The first factor was something that the person has.
    let after_possession = SecondFactorRequest {
        acr: vec![Acr::KnowledgeOrInherence],
        ..asked()
    };
    assert_eq!(offered(&after_possession), [None; 4]);
    // Entra's words for two factors, and for a password, are never said here.
    for kind in FactorKind::ALL {
        assert!(!matches!(amr_of(kind), Some("mfa" | "pwd")), "{kind:?}");
    }
}
