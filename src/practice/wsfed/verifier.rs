//! The tenant's own judgement of a WS-Federation answer, check by check (facts §2.3, §9).
//!
//! Always true: every check compares the signed assertion with what is registered, and a
//! value that is absent fails it; `wctx` and the assertion's id are good once.

use crate::{
    base::clock::Timestamp,
    practice::{
        checks::{Checks, WSFED},
        federation::{PracticeUser, PreferredProtocol},
        judgement::{
            Arrival, Expectation, FORCED_TOLERANCE, Freshness, Judgement, RequestState, SKEW,
            listed, sentence, shown,
        },
        reading::{DSIG, is_element},
        signature::{self, Carrier},
    },
};

use super::reading::{
    self, AUTHENTICATION_INSTANT, AnswerFields, IMMUTABLE_ID, MFA_INSTANT, SAML11, TokenFields, UPN,
};

const BEARER: &str = "urn:oasis:names:tc:SAML:1.0:cm:bearer";

/// Judges the form field `wresult`.
pub fn judge(wresult: &str, expectation: &Expectation<'_>) -> Judgement {
    let mut checks = Checks::of(&WSFED);
    let (person, fields) = judge_into(wresult, expectation, &mut checks).unzip();
    let fields = fields.unwrap_or_default();
    Judgement::of(
        checks.finish(),
        person.flatten(),
        fields.mfa_places(),
        fields.only_value(AUTHENTICATION_INSTANT),
        fields.id.clone(),
    )
}

type Found = (Option<PracticeUser>, TokenFields);

fn judge_into(wresult: &str, expected: &Expectation<'_>, checks: &mut Checks) -> Option<Found> {
    expected.judge_echo("wctx", checks);
    let document = match reading::parse(wresult) {
        Ok(document) => document,
        Err(error) => {
            checks.record("message", Err(sentence(&error)));
            return None;
        }
    };
    let Some(answer) = reading::answer(&document) else {
        checks.record(
            "message",
            Err(
                "It is not a RequestSecurityTokenResponse of WS-Trust of February 2005.".to_owned(),
            ),
        );
        return None;
    };
    checks.record("message", Ok(format!("{} bytes of XML.", wresult.len())));
    let shell = AnswerFields::read(&document, answer);
    let assertion = match reading::token(&document, answer) {
        Ok(assertion) => assertion,
        Err(count) => {
            checks.record(
                "assertion",
                Err(format!(
                    "RequestedSecurityToken does not hold one SAML 1.1 assertion alone; there are {count} assertions."
                )),
            );
            return None;
        }
    };
    let certificates = &expected.domain.certificates;
    let carrier = Carrier {
        assertion,
        id_attribute: "AssertionID",
        around: None,
    };
    let finding = signature::check(&document, wresult, carrier, certificates);
    if !finding.record(checks) {
        return None;
    }
    checks.record(
        "last-child",
        match reading::elements(&document, assertion).last() {
            Some(last) if is_element(&document, *last, DSIG, "Signature") => {
                Ok("It is the last.".to_owned())
            }
            _ => Err("Something follows it.".to_owned()),
        },
    );
    // From here on only what the signature covers is relied on; the shell is compared.
    let fields = TokenFields::read(&document, assertion);
    judge_form(Some(&shell), &fields, checks);
    judge_addressing(Some(&shell), &fields, expected, checks);
    judge_time(Some(&shell), &fields, expected, checks);
    judge_instants(&fields, expected, checks);
    let person = judge_person(&fields, expected, checks);
    let places = fields.mfa_places();
    checks.record(
        "mfa",
        if places.is_empty() {
            Err(format!(
                "It stands in none; AuthenticationMethod is {}.",
                shown(fields.method.as_deref())
            ))
        } else {
            Ok(format!("It stands in {}.", places.join(", ")))
        },
    );
    Some((person, fields))
}

/// `shell` is none of an assertion that came without an answer.
pub(super) fn judge_form(shell: Option<&AnswerFields>, fields: &TokenFields, checks: &mut Checks) {
    let (major, minor) = &fields.version;
    let token_type = shell.and_then(|shell| shell.token_type.as_deref());
    checks.record(
        "assertion",
        if (major.as_deref(), minor.as_deref()) != (Some("1"), Some("1")) {
            Err(format!(
                "MajorVersion is {}, MinorVersion {}.",
                shown(major.as_deref()),
                shown(minor.as_deref())
            ))
        } else if token_type.is_some_and(|one| one != SAML11) {
            Err(format!("TokenType is {}.", shown(token_type)))
        } else if fields.method.is_none() {
            Err("There is no single AuthenticationStatement with a method.".to_owned())
        } else {
            Ok("One, of SAML 1.1.".to_owned())
        },
    );
    let all_bearer = fields
        .confirmations
        .iter()
        .all(|methods| matches!(methods.as_slice(), [only] if only == BEARER));
    checks.record(
        "confirmation",
        if all_bearer && !fields.confirmations.is_empty() {
            Ok(BEARER.to_owned())
        } else {
            Err(format!(
                "It says {}.",
                listed(&fields.confirmations.concat())
            ))
        },
    );
}

pub(super) fn judge_addressing(
    shell: Option<&AnswerFields>,
    fields: &TokenFields,
    expected: &Expectation<'_>,
    checks: &mut Checks,
) {
    let issuer = &expected.domain.issuer_uri;
    checks.record(
        "issuer",
        if shell.is_some() && expected.domain.preferred_protocol != PreferredProtocol::WsFed {
            Err("The domain's preferredAuthenticationProtocol is not wsFed.".to_owned())
        } else if fields.issuer.as_ref() == Some(issuer) {
            Ok(issuer.clone())
        } else {
            Err(format!(
                "{} is not {issuer}",
                shown(fields.issuer.as_deref())
            ))
        },
    );
    let applies_to = shell.and_then(|shell| shell.applies_to.as_deref());
    let applies_here = applies_to.is_none_or(|address| address == expected.entity_id);
    checks.record(
        "audience",
        if fields.audiences == [expected.entity_id] && applies_here {
            Ok(expected.entity_id.to_owned())
        } else {
            Err(format!(
                "Audience is {}, AppliesTo {}.",
                listed(&fields.audiences),
                shown(applies_to)
            ))
        },
    );
    checks.record(
        "request",
        match (expected.request, expected.arrival) {
            (None, _) => Err("No request of ours belongs to it.".to_owned()),
            (Some(request), _) if request.state == RequestState::Answered => {
                Err("That request has been answered: this is a replay.".to_owned())
            }
            (_, Arrival::Repeated) => {
                Err("This assertion has been taken before: this is a replay.".to_owned())
            }
            (Some(request), Arrival::First) => Ok(format!("client-request-id {}.", request.id)),
        },
    );
}

pub(super) fn instant(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(Timestamp::parse_rfc3339)
}

pub(super) fn judge_time(
    shell: Option<&AnswerFields>,
    fields: &TokenFields,
    expected: &Expectation<'_>,
    checks: &mut Checks,
) {
    let now = expected.now;
    let begins = instant(fields.not_before.as_deref());
    let ends = instant(fields.not_on_or_after.as_deref());
    // An assertion that came alone has no Lifetime around it.
    let (created, expires) = match shell {
        Some(shell) => (
            instant(shell.created.as_deref()),
            instant(shell.expires.as_deref()),
        ),
        None => (begins, ends),
    };
    checks.record(
        "time",
        match (begins, ends, created, expires) {
            (Some(begins), Some(ends), Some(created), Some(expires)) => {
                let window = format!(
                    "Conditions {begins} to {ends}, Lifetime {created} to {expires}; the tenant's clock says {now}."
                );
                let first = begins.max(created);
                if now.plus(SKEW) >= first && now < ends.min(expires).plus(SKEW) {
                    Ok(window)
                } else {
                    Err(window)
                }
            }
            _ => Err(
                "NotBefore, NotOnOrAfter, Created or Expires is missing or is no instant."
                    .to_owned(),
            ),
        },
    );
}

/// The instants are the proofs': a sign-in that was asked for afresh began after the request,
/// with both factors.
fn judge_instants(fields: &TokenFields, expected: &Expectation<'_>, checks: &mut Checks) {
    let earliest = expected
        .request
        .filter(|request| request.freshness == Freshness::Forced)
        .map(|request| request.issued_at);
    let recent = |at: Timestamp| match earliest {
        _ if at > expected.now.plus(SKEW) => Err(format!("{at} is in the future.")),
        Some(asked) if at < asked.minus(FORCED_TOLERANCE) => Err(format!(
            "A fresh sign-in was asked for at {asked}, and this is from {at}."
        )),
        _ => Ok(format!("At {at}.")),
    };
    let signed_in = fields.only_value(AUTHENTICATION_INSTANT);
    checks.record(
        "sign-in",
        match instant(signed_in) {
            Some(at) => recent(at),
            None => Err(format!("{} is no single instant.", shown(signed_in))),
        },
    );
    let second = fields.values(MFA_INSTANT);
    checks.record(
        "mfa-instant",
        match (second.as_slice(), instant(second.first().copied())) {
            // Without the claim of MFA there is nothing to date; the check about MFA says so.
            ([], _) if earliest.is_none() || fields.mfa_places().is_empty() => {
                Ok("It does not say.".to_owned())
            }
            ([_], Some(at)) => recent(at),
            (several, _) => Err(format!("{} is no single instant.", listed_values(several))),
        },
    );
}

fn listed_values(values: &[&str]) -> String {
    let owned: Vec<String> = values.iter().map(|&one| one.to_owned()).collect();
    listed(&owned)
}

pub(super) fn judge_person(
    fields: &TokenFields,
    expected: &Expectation<'_>,
    checks: &mut Checks,
) -> Option<PracticeUser> {
    let id = fields.only_value(IMMUTABLE_ID);
    checks.record(
        "name-id",
        if fields
            .name_identifiers
            .iter()
            .all(|name| Some(name.as_str()) == id)
        {
            Ok(listed(&fields.name_identifiers))
        } else {
            Err(format!(
                "NameIdentifier is {}, ImmutableID {}.",
                listed(&fields.name_identifiers),
                shown(id)
            ))
        },
    );
    expected.judge_person(id, ("upn", fields.only_value(UPN)), checks)
}
