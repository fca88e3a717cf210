//! The tenant's own judgement of a response, check by check.
//!
//! Always true: nobody is let in unless every check but the one about MFA has
//! passed; every check is a comparison of the signed assertion with what is
//! registered, and a value that is absent fails it.

use std::time::Duration;

use crate::base::{clock::Timestamp, text::Upn};

use super::{
    checks::{Check, CheckOutcome, Checks},
    directory::Directory,
    federation::{FederatedDomain, PracticeUser, PreferredProtocol},
    reading::{self, ASSERTION, AssertionFields, PROTOCOL, ResponseFields},
    signature::{self, SignatureFinding},
};

/// The one class reference that counts as MFA (facts §1.3).
pub const MULTIPLE_AUTHN: &str = "http://schemas.microsoft.com/claims/multipleauthn";
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
/// How far clocks may differ. Entra's own tolerance is not documented (facts §9).
const SKEW: Duration = Duration::from_mins(5);
/// How much older than the request a forced sign-in may be: whole seconds and the network.
const FORCED_TOLERANCE: Duration = Duration::from_secs(2);

/// The request that a response should answer.
#[derive(Clone, Debug)]
pub struct ExpectedRequest {
    /// Its `ID`.
    pub id: String,
    /// When it left.
    pub issued_at: Timestamp,
    /// Whether it asked for a fresh sign-in.
    pub freshness: Freshness,
    /// Whether a response to it has been taken before.
    pub state: RequestState,
}

/// What a request says about an older sign-in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Freshness {
    /// Any will do.
    Any,
    /// `ForceAuthn="true"`.
    Forced,
}

/// Whether a request is still open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RequestState {
    /// Unanswered.
    Open,
    /// Answered: a further response is a replay.
    Answered,
}

/// Whether RelayState came back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RelayStateEcho {
    /// Byte for byte.
    Exact,
    /// Changed, or not at all.
    Changed,
}

/// What a response is judged against.
#[derive(Clone, Debug)]
pub struct Expectation<'a> {
    /// The tenant's clock.
    pub now: Timestamp,
    /// The tenant's entity id: the audience.
    pub entity_id: &'a str,
    /// The tenant's `login.srf`.
    pub reply_url: &'a str,
    /// The domain's registration.
    pub domain: &'a FederatedDomain,
    /// The tenant's people.
    pub users: &'a Directory,
    /// The request, if one is known.
    pub request: Option<&'a ExpectedRequest>,
    /// What became of RelayState.
    pub relay_state: RelayStateEcho,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Every check, in order.
    pub checks: Vec<Check>,
    /// The person, if everything but the check about MFA passed.
    pub person: Option<PracticeUser>,
    /// Whether the class reference is [`MULTIPLE_AUTHN`].
    pub multiple_authn: bool,
    /// `AuthnInstant`.
    pub authn_instant: Option<Timestamp>,
}

impl Judgement {
    /// The first check that failed, MFA aside.
    pub fn refusal(&self) -> Option<&Check> {
        self.checks
            .iter()
            .find(|check| check.outcome == CheckOutcome::Failed && check.name != "mfa")
    }
}

/// Judges the form field `SAMLResponse`.
pub fn judge(field: &str, expectation: &Expectation<'_>) -> Judgement {
    let mut checks = Checks::none();
    let found = judge_into(field, expectation, &mut checks);
    let checks = checks.finish();
    let all_passed = checks
        .iter()
        .all(|check| check.outcome == CheckOutcome::Passed || check.name == "mfa");
    let (person, fields) = found.unzip();
    let fields = fields.unwrap_or_default();
    Judgement {
        person: person.flatten().filter(|_| all_passed),
        multiple_authn: checks
            .iter()
            .any(|check| check.name == "mfa" && check.outcome == CheckOutcome::Passed),
        authn_instant: fields
            .authn_instant
            .as_deref()
            .and_then(Timestamp::parse_rfc3339),
        checks,
    }
}

type Found = (Option<PracticeUser>, AssertionFields);

fn judge_into(field: &str, expected: &Expectation<'_>, checks: &mut Checks) -> Option<Found> {
    checks.record(
        "relay-state",
        match expected.relay_state {
            RelayStateEcho::Exact => Ok("Unchanged.".to_owned()),
            RelayStateEcho::Changed => {
                Err("It is not one that this tenant sent with a request.".to_owned())
            }
        },
    );
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
    match signature::check(&document, &xml, assertion, &expected.domain.certificates) {
        SignatureFinding::Missing => {
            checks.record(
                "signed",
                Err("It carries no signature of its own.".to_owned()),
            );
            return None;
        }
        SignatureFinding::Broken(reason) => {
            checks.record("signed", Ok("It carries a signature.".to_owned()));
            checks.record("signature", Err(format!("It does not hold: {reason}.")));
            return None;
        }
        finding @ (SignatureFinding::UnknownKey | SignatureFinding::Registered) => {
            checks.record("signed", Ok("It carries a signature.".to_owned()));
            checks.record(
                "signature",
                Ok("RSA with SHA-256; every byte counts.".to_owned()),
            );
            checks.record(
                "certificate",
                if finding == SignatureFinding::Registered {
                    Ok("It is the registered certificate's key.".to_owned())
                } else {
                    Err("The certificate in the message is not registered here.".to_owned())
                },
            );
        }
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
    let Some(known) = expected.users.by_immutable_id(&name) else {
        checks.record(
            "person",
            Err(format!(
                "Nobody here has the ImmutableID {}.",
                shown(Some(&name))
            )),
        );
        return None;
    };
    let person = known.as_user();
    checks.record(
        "person",
        if known.enabled {
            Ok(person.upn.to_string())
        } else {
            Err(format!("The account of {} is disabled.", person.upn))
        },
    );
    let email = fields.only_value("IDPEmail");
    let same = email.and_then(|text| text.parse::<Upn>().ok()).as_ref() == Some(&person.upn);
    checks.record(
        "email",
        if same {
            Ok(person.upn.to_string())
        } else {
            Err(format!("{} is not {}.", shown(email), person.upn))
        },
    );
    checks.record(
        "root-domain",
        if person.upn.domain().is_within(&expected.domain.name) {
            Ok(expected.domain.name.to_string())
        } else {
            Err(format!(
                "{} does not belong to {}.",
                person.upn, expected.domain.name
            ))
        },
    );
    Some(person)
}

fn sentence(error: &reading::ReadingError) -> String {
    format!("{error}.")
}

fn shown(value: Option<&str>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |text| format!("“{text}”"))
}

fn listed(values: &[String]) -> String {
    if values.is_empty() {
        "nothing".to_owned()
    } else {
        values.join(", ")
    }
}
