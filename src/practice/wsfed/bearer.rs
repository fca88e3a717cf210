//! A SAML 1.1 assertion that came without an answer around it: of WS-Trust (facts §3).
//!
//! Always true: the checks are those of a WS-Federation answer, but for what there is only in
//! one: the answer's own fields, `wctx`, a request. What it says of MFA is not asked for.

use crate::practice::{
    checks::{ACTIVE, Checks},
    federation::PracticeUser,
    judgement::{Expectation, Judgement, sentence, shown},
    signature::{self, Carrier},
};

use super::{
    reading::{self, TokenFields},
    verifier,
};

/// Judges the assertion.
pub fn judge(xml: &str, expectation: &Expectation<'_>) -> Judgement {
    let mut checks = Checks::of(&ACTIVE);
    let (person, fields) = judge_into(xml, expectation, &mut checks).unzip();
    let fields = fields.unwrap_or_default();
    Judgement::of(
        checks.finish(),
        person.flatten(),
        Vec::new(),
        fields.authentication_instant.as_deref(),
        fields.id.clone(),
    )
}

type Found = (Option<PracticeUser>, TokenFields);

fn judge_into(xml: &str, expected: &Expectation<'_>, checks: &mut Checks) -> Option<Found> {
    let document = match reading::parse(xml) {
        Ok(document) => document,
        Err(error) => {
            checks.record("assertion", Err(sentence(&error)));
            return None;
        }
    };
    let Some(assertion) = reading::bare_assertion(&document) else {
        checks.record(
            "assertion",
            Err("It is not one SAML 1.1 assertion.".to_owned()),
        );
        return None;
    };
    let carrier = Carrier {
        assertion,
        id_attribute: "AssertionID",
        around: None,
    };
    let finding = signature::check(&document, xml, carrier, &expected.domain.certificates);
    if !finding.record(checks) {
        return None;
    }
    let fields = TokenFields::read(&document, assertion);
    verifier::judge_form(None, &fields, checks);
    verifier::judge_addressing(None, &fields, expected, checks);
    verifier::judge_time(None, &fields, expected, checks);
    let at = fields.authentication_instant.as_deref();
    checks.record(
        "sign-in",
        match verifier::instant(at) {
            Some(at) if at <= expected.now.plus(crate::practice::judgement::SKEW) => {
                Ok(format!("At {at}."))
            }
            _ => Err(format!("AuthenticationInstant is {}.", shown(at))),
        },
    );
    let person = verifier::judge_person(&fields, expected, checks);
    Some((person, fields))
}
