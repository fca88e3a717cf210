//! The tenant's own judgement of a SAML 2.0 response, check by check.
//!
//! Always true: nobody is let in unless every check but the one about MFA has
//! passed; every check is a comparison of the signed assertion with what is
//! registered, and a value that is absent fails it.

use crate::base::clock::Timestamp;

use super::{
    checks::{Checks, SAML2},
    federation::{PracticeUser, PreferredProtocol},
    judgement::{
        Expectation, ExpectedRequest, FORCED_TOLERANCE, Freshness, Judgement, RequestState, SKEW,
        listed, sentence, shown,
    },
    reading::{self, ASSERTION, AssertionFields, PROTOCOL, ResponseFields},
    signature::{self, Carrier},
};

/// The one class reference that counts as MFA (facts §1.3).
pub const MULTIPLE_AUTHN: &str = "http://schemas.microsoft.com/claims/multipleauthn";
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";

/// Judges the form field `SAMLResponse`.
pub fn judge(field: &str, expectation: &Expectation<'_>) -> Judgement {
    let mut checks = Checks::of(&SAML2);
    let (person, fields) = judge_into(field, expectation, &mut checks).unzip();
    let fields = fields.unwrap_or_default();
    let multiple_authn = matches!(
        fields.class_references.as_slice(),
        [only] if only == MULTIPLE_AUTHN
    );
    Judgement::of(
        checks.finish(),
        person.flatten(),
        if multiple_authn {
            vec!["AuthnContextClassRef"]
        } else {
            Vec::new()
        },
        fields.authn_instant.as_deref(),
        fields.id,
    )
}

type Found = (Option<PracticeUser>, AssertionFields);

fn judge_into(field: &str, expected: &Expectation<'_>, checks: &mut Checks) -> Option<Found> {
    expected.judge_echo("relay-state", checks);
    let xml = match reading::decode_field(field) {
        Ok(xml) => xml,
        Err(error) => {
            checks.record("message", Err(sentence(&error)));
            return None;
        }
    };
    let document = match reading::parse_plain(&xml) {
        Ok(document) => document,
        Err(error) => {
            checks.record("message", Err(sentence(&error)));
            return None;
        }
    };
    let response = document
        .document_element()
        .filter(|node| reading::is_element(&document, *node, PROTOCOL, "Response"));
    let Some(response) = response else {
        checks.record("message", Err("It is not a SAML 2.0 Response.".to_owned()));
        return None;
    };
    checks.record("message", Ok(format!("{} bytes of XML.", xml.len())));
    let shell = ResponseFields::read(&document, response);
    checks.record(
        "status",
        if shell.status == [SUCCESS] {
            Ok("Success.".to_owned())
        } else {
            Err(format!("The status is {}.", listed(&shell.status)))
        },
    );
    let everywhere = reading::below(&document, document.root(), ASSERTION, "Assertion");
    let encrypted = reading::below(&document, document.root(), ASSERTION, "EncryptedAssertion");
    let assertion = match everywhere.as_slice() {
        [only] if encrypted.is_empty() && document.parent(*only) == Some(response) => *only,
        _ => {
            checks.record(
                "assertion",
                Err(format!(
                    "There are {} plain and {} encrypted assertions.",
                    everywhere.len(),
                    encrypted.len()
                )),
            );
            return None;
        }
    };
    checks.record("assertion", Ok("One.".to_owned()));
    let carrier = Carrier {
        assertion,
        id_attribute: "ID",
        around: Some(response),
    };
    let finding = signature::check(&document, &xml, carrier, &expected.domain.certificates);
    if !finding.record(checks) {
        return None;
    }
    // From here on only what the signature covers is relied on; the shell is compared.
    let fields = AssertionFields::read(&document, assertion);
    judge_addressing(&shell, &fields, expected, checks);
    judge_time(&fields, expected, checks);
    let person = judge_person(&fields, expected, checks);
    checks.record(
        "mfa",
        match fields.class_references.as_slice() {
            [only] if only == MULTIPLE_AUTHN => Ok(only.clone()),
            other => Err(format!("It says {}.", listed(other))),
        },
    );
    Some((person, fields))
}

fn judge_addressing(
    shell: &ResponseFields,
    fields: &AssertionFields,
    expected: &Expectation<'_>,
    checks: &mut Checks,
) {
    let issuer = &expected.domain.issuer_uri;
    let outer_differs = shell.issuer.as_ref().is_some_and(|outer| outer != issuer);
    checks.record(
        "issuer",
        if expected.domain.preferred_protocol != PreferredProtocol::Saml {
            Err("The domain's preferredAuthenticationProtocol is not saml.".to_owned())
        } else if fields.issuer.as_ref() == Some(issuer) && !outer_differs {
            Ok(issuer.clone())
        } else {
            let seen = shell
                .issuer
                .clone()
                .filter(|_| outer_differs)
                .or_else(|| fields.issuer.clone());
            Err(format!("{} is not {issuer}", shown(seen.as_deref())))
        },
    );
    checks.record(
        "audience",
        if fields.audiences == [expected.entity_id] {
            Ok(expected.entity_id.to_owned())
        } else {
            Err(format!("It says {}.", listed(&fields.audiences)))
        },
    );
    let confirmation = fields.confirmation.clone().unwrap_or_default();
    let destination_fits = shell
        .destination
        .as_ref()
        .is_none_or(|destination| destination == expected.reply_url);
    checks.record(
        "recipient",
        if confirmation.recipient.as_deref() == Some(expected.reply_url) && destination_fits {
            Ok(expected.reply_url.to_owned())
        } else {
            Err(format!(
                "Recipient {}, Destination {}.",
                shown(confirmation.recipient.as_deref()),
                shown(shell.destination.as_deref())
            ))
        },
    );
    let answers = |request: &ExpectedRequest| {
        confirmation.in_response_to.as_ref() == Some(&request.id)
            && shell.in_response_to.as_ref() == Some(&request.id)
    };
    checks.record(
        "request",
        match expected.request {
            None => Err("No request of ours belongs to it.".to_owned()),
            Some(request) if request.state == RequestState::Answered => {
                Err("That request has been answered: this is a replay.".to_owned())
            }
            Some(request) if !answers(request) => Err(format!(
                "InResponseTo is {}, and our request was {}.",
                shown(confirmation.in_response_to.as_deref()),
                request.id
            )),
            Some(request) => Ok(request.id.clone()),
        },
    );
}

fn judge_time(fields: &AssertionFields, expected: &Expectation<'_>, checks: &mut Checks) {
    let now = expected.now;
    let instant = |text: Option<&str>| text.and_then(Timestamp::parse_rfc3339);
    let begins = instant(fields.not_before.as_deref());
    let ends = instant(fields.not_on_or_after.as_deref());
    let confirm_ends = instant(
        fields
            .confirmation
            .as_ref()
            .and_then(|data| data.not_on_or_after.as_deref()),
    );
    checks.record(
        "time",
        match (begins, ends, confirm_ends) {
            (Some(begins), Some(ends), Some(confirm_ends)) => {
                let window = format!(
                    "Conditions {begins} to {ends}, confirmation to {confirm_ends}; the tenant's clock says {now}."
                );
                let last = ends.min(confirm_ends).plus(SKEW);
                if now.plus(SKEW) >= begins && now < last {
                    Ok(window)
                } else {
                    Err(window)
                }
            }
            _ => Err("NotBefore or NotOnOrAfter is missing or is no instant.".to_owned()),
        },
    );
    let signed_in = instant(fields.authn_instant.as_deref());
    let forced = expected
        .request
        .filter(|request| request.freshness == Freshness::Forced);
    checks.record(
        "sign-in",
        match (signed_in, forced) {
            (None, _) => Err("There is no single AuthnStatement with an AuthnInstant.".to_owned()),
            (Some(at), _) if at > now.plus(SKEW) => Err(format!("{at} is in the future.")),
            (Some(at), Some(request)) if at < request.issued_at.minus(FORCED_TOLERANCE) => {
                Err(format!(
                    "ForceAuthn was asked at {}, and the sign-in is from {at}.",
                    request.issued_at
                ))
            }
            (Some(at), _) => Ok(format!("At {at}.")),
        },
    );
}

fn judge_person(
    fields: &AssertionFields,
    expected: &Expectation<'_>,
    checks: &mut Checks,
) -> Option<PracticeUser> {
    let (name, format) = fields.name_id.clone().unwrap_or_default();
    checks.record(
        "name-id",
        if format.as_deref() == Some(PERSISTENT) && !name.is_empty() {
            Ok(name.clone())
        } else {
            Err(format!("Its format is {}.", shown(format.as_deref())))
        },
    );
    let email = fields.only_value("IDPEmail");
    expected.judge_person(Some(&name), ("email", email), checks)
}
