//! Requests that we or another provider receive: what was asked, and what each
//! parameter means (facts §2.1, §5.3).

use std::str::FromStr;

use serde_json::{Value, json};

use crate::base::clock::Timestamp;

use super::{
    context::{Context, GivenAuthorization, GivenRequest, Hint},
    detect::{self, Content, form::Parameters},
    effort::Effort,
    instant::parse_numeric_date,
    reading::{self, ReadContent},
    report::Kind,
    token_case::TokenCase,
};

const NOW: Timestamp = Timestamp::from_millis(0);

/// The AuthnRequest in `bytes`, in any wrapping.
pub(super) fn authn_request(bytes: &[u8]) -> Option<GivenRequest> {
    let context = Context::at(NOW);
    let ReadContent::Xml(xml) = reading::read(bytes, &context, &Effort::of_one_input()).content
    else {
        return None;
    };
    let document = reading::parse_xml(&xml).ok()?;
    if reading::kind_of(&document) != Kind::Saml2AuthnRequest {
        return None;
    }
    let id = document.root().attribute("ID")?.to_owned();
    Some(GivenRequest { id })
}

/// The request to an external method in `bytes`: a form or an address.
pub(super) fn authorization(bytes: &[u8]) -> Option<GivenAuthorization> {
    match detect::detect(bytes).content {
        Content::Request(parameters) if kind_of(&parameters) == Kind::ExternalMfaRequest => {
            Some(authorization_of(&parameters))
        }
        _ => None,
    }
}

/// The hint in `bytes`: an `id_token_hint`, or its claims as JSON.
pub(super) fn hint(bytes: &[u8]) -> Option<Hint> {
    let context = Context::at(NOW);
    match reading::read(bytes, &context, &Effort::of_one_input()).content {
        ReadContent::Token(_, case) => Some(hint_of(&case)),
        _ => None,
    }
}

fn hint_of(case: &TokenCase<'_>) -> Hint {
    Hint {
        sub: case.text("sub").map(ToOwned::to_owned),
        issued_at: case.claims.get("iat").and_then(parse_numeric_date),
    }
}

/// What a request without a message of its own is.
pub(super) fn kind_of(parameters: &Parameters) -> Kind {
    if parameters.all("id_token_hint").next().is_some() {
        Kind::ExternalMfaRequest
    } else {
        Kind::WsfedRequest
    }
}

fn authorization_of(parameters: &Parameters) -> GivenAuthorization {
    let one = |name: &str| parameters.one(name).map(ToOwned::to_owned);
    let claims = parameters
        .one("claims")
        .and_then(|text| Value::from_str(text).ok())
        .unwrap_or_default();
    let values = |name: &str| -> Vec<String> {
        let asked = &claims["id_token"][name];
        asked["value"]
            .as_str()
            .into_iter()
            .chain(
                asked["values"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str),
            )
            .take(64)
            .map(ToOwned::to_owned)
            .collect()
    };
    let context = Context::at(NOW);
    let hint = parameters
        .one("id_token_hint")
        .and_then(|token| TokenCase::parse_token(token, &context, &Effort::of_one_input()).ok())
        .map(|case| hint_of(&case));
    GivenAuthorization {
        client_id: one("client_id"),
        nonce: one("nonce"),
        acr: values("acr"),
        amr: values("amr"),
        hint,
    }
}

/// A request in readable form.
pub(super) fn decoded(parameters: &Parameters) -> Value {
    match kind_of(parameters) {
        Kind::ExternalMfaRequest => of_external_mfa(parameters),
        _ => of_wsfed(parameters),
    }
}

fn of_external_mfa(parameters: &Parameters) -> Value {
    let given = authorization_of(parameters);
    json!({
        "client_id": given.client_id,
        "redirect_uri": parameters.one("redirect_uri").or(parameters.one("redirect_url")),
        "nonce": given.nonce,
        "response_type": parameters.one("response_type"),
        "acr_values": given.acr,
        "amr_values": given.amr,
        "hint_sub": given.hint.as_ref().and_then(|hint| hint.sub.clone()),
        "hint_issued_at": given.hint.and_then(|hint| hint.issued_at),
        "client_request_id": parameters.one("client-request-id"),
        "would_answer": "an id_token with this nonce, sub of the hint, one of these acr values and one amr value of a factor that was proved now.",
    })
}

const MULTIPLEAUTHN: &str = "http://schemas.microsoft.com/claims/multipleauthn";

/// What a parameter of a WS-Federation request means to us.
fn meaning(name: &str, value: &str) -> &'static str {
    match (name, value) {
        ("wa", "wsignin1.0") => "sign in",
        ("wa", "wsignout1.0") => "sign out",
        ("wa", "wsignoutcleanup1.0") => "forget the session here; another party ended it",
        ("wa", _) => "an action that nobody defines",
        ("wtrealm", _) => "who asks: the audience of the answer",
        ("wctx", _) => "Entra's own note; it is sent back byte for byte",
        ("wreply", _) => "where to answer; Entra sends none, and the registered address is used",
        ("wauth", MULTIPLEAUTHN) => "multi-factor sign-in is demanded",
        ("wauth", _) if value.ends_with("authenticationmethod/password") => {
            "prompt=login, translated: at least a fresh password; both factors are asked for all the same"
        }
        ("wauth", _) => "at least this method; both factors are asked for all the same",
        ("wfresh", "0") => "prove both factors again",
        ("wfresh", "") => "nothing asked",
        ("wfresh", _) => "minutes that a sign-in may be old",
        ("prompt", "login") => "prove both factors again (promptLoginBehavior nativeSupport)",
        ("username" | "login_hint", _) => "whom Entra expects; a hint that proves nothing",
        ("whr" | "domain_hint", _) => "the domain that Entra expects",
        ("client-request-id", _) => "the number to give to Microsoft's support",
        ("mkt" | "lc", _) => "the language",
        _ => "ignored",
    }
}

fn of_wsfed(parameters: &Parameters) -> Value {
    let listed: Vec<Value> = parameters
        .0
        .iter()
        .map(
            |(name, value)| json!({"name": name, "values": [value], "means": meaning(name, value)}),
        )
        .collect();
    let asks_again =
        parameters.one("wfresh") == Some("0") || parameters.one("prompt") == Some("login");
    let would_answer = match parameters.one("wa") {
        Some("wsignin1.0") if asks_again => {
            "a RequestSecurityTokenResponse with multipleauthn, after both factors were proved again."
        }
        Some("wsignin1.0") => {
            "a RequestSecurityTokenResponse with multipleauthn, after two factors or from a session that is fresh enough."
        }
        Some(_) => "nothing but an end of the session.",
        None => "nothing: wa stands there more than once.",
    };
    json!({"parameters": listed, "would_answer": would_answer})
}
