//! What a verdict rests on besides the rules, in sentences: what is true and breaks none.
//!
//! Always true: a note changes no verdict. It names what an accepted message was taken to be.

use std::time::Duration;

use crate::base::{clock::Timestamp, text::Upn};

use super::{
    context::Context, identity, instant::check_window, report::Kind, saml_case::SamlCase,
    token_case::TokenCase, wsfed_case::WsfedCase,
};

/// The notes on a SAML 2.0 message.
pub(super) fn of_saml(kind: Kind, case: &SamlCase<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if kind == Kind::Saml2Assertion {
        notes.push(by_itself(
            "a Response, whose status, version, addresses and signature",
        ));
    }
    let elements = case.all(&["Conditions"]).into_iter();
    let data = case.confirmation_data().into_iter().flatten();
    let bounds = elements.chain(data).flat_map(|element| {
        ["NotBefore", "NotOnOrAfter"]
            .into_iter()
            .filter_map(move |name| Some((name, element.local_name(), element.attribute(name)?)))
    });
    for (name, place, text) in bounds {
        notes.extend(of_bound(case.context, name, place, text));
    }
    notes.extend(of_issuer(
        case.context,
        super::saml::subject::upn(case).ok(),
    ));
    notes
}

/// The notes on a WS-Federation message.
pub(super) fn of_wsfed(kind: Kind, case: &WsfedCase<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if kind == Kind::Saml11Assertion {
        notes.push(by_itself(
            "a RequestSecurityTokenResponse, whose address and lifetime",
        ));
    }
    for conditions in case.all(&["Conditions"]) {
        for name in ["NotBefore", "NotOnOrAfter"] {
            if let Some(text) = conditions.attribute(name) {
                notes.extend(of_bound(case.context, name, "Conditions", text));
            }
        }
    }
    notes.extend(of_issuer(
        case.context,
        super::wsfed::subject::upn(case).ok(),
    ));
    notes
}

/// The notes on a token.
pub(super) fn of_token(case: &TokenCase<'_>) -> Vec<String> {
    let (at, skew) = (case.context.at, case.context.skew);
    let instant = |name: &str| case.instant(name).ok().flatten();
    let ended = instant("exp").filter(|exp| at >= *exp && at.minus(skew) < *exp);
    let begins = |name: &str| instant(name).filter(|from| at < *from && at.plus(skew) >= *from);
    ended
        .map(|exp| of_skew("exp", exp, skew))
        .into_iter()
        .chain(begins("nbf").map(|nbf| of_skew("nbf", nbf, skew)))
        .chain(begins("iat").map(|iat| of_skew("iat", iat, skew)))
        .collect()
}

fn by_itself(within: &str) -> String {
    format!(
        "This is an assertion by itself. Entra receives it in {within} were not seen; give the whole answer to have them judged."
    )
}

/// A bound that holds within the skew and not without.
fn of_bound(context: &Context, bound: &str, place: &str, text: &str) -> Option<String> {
    let strict = Context {
        skew: Duration::ZERO,
        ..Context::at(context.at)
    };
    check_window(&strict, bound, place, text)?;
    if check_window(context, bound, place, text).is_some() {
        return None; // A rule says so.
    }
    let instant = super::instant::parse_saml_instant(text)?;
    Some(of_skew(
        &format!("{bound} of {place}"),
        instant,
        context.skew,
    ))
}

fn of_skew(bound: &str, instant: Timestamp, skew: Duration) -> String {
    format!(
        "It holds only within the skew of {} s: {bound} is {instant}. How far Entra lets clocks differ is not documented.",
        skew.as_secs()
    )
}

/// Whose domain the issuer is registered for was not given and taken from its name.
fn of_issuer(context: &Context, upn: Option<Upn>) -> Option<String> {
    let issuer = context.issuer.as_deref()?;
    let guess = identity::guess(issuer, &upn?.domain())?;
    context.realm.is_none().then(|| {
        format!(
            "The root domain was not given; the issuer's name says {guess}. An issuer speaks for the domain that it is registered for, however it is called."
        )
    })
}
