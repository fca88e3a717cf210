//! Device codes (RFC 8628): an application shows a code, a person types it in a
//! browser, signs in, and says yes or no to the application by name.
//!
//! Always true: nothing is granted before that yes, which only the browser that
//! typed the code and signed in can give. A code from a stranger's message is how
//! tokens are stolen; so the page says what is asked, and by whom.

use std::{sync::Arc, time::Duration};

use axum::{
    Form,
    extract::{Path, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Onward, TenantName, account,
    clients::Client,
    errors::OAuthError,
    grants::{CODE_LIFETIME, Grant},
    scope::{Resource, Scope},
    visit_of,
};
use crate::{
    base::clock::Timestamp,
    practice::{
        Practice,
        asking::{self, Ask},
        pages,
        request::Wish,
        site::{self, Forms, page, set_cookie},
        tenant::VISIT,
        visit::{AcceptedSignIn, lock},
    },
};

/// How long a person has to type the code.
pub const DEVICE_LIFETIME: Duration = Duration::from_mins(15);
/// Seconds between two polls. Entra says 5; nobody waits for a demonstration.
pub const INTERVAL_SECONDS: u64 = 1;
/// A client that waits for the interval by its own clock is not told off.
const TOLERANCE: Duration = Duration::from_millis(200);
/// Nothing that is read as something else, no vowels, no words.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const USER_CODE_LENGTH: usize = 9;

type Tenant = State<Arc<Practice>>;

/// A device code's state.
#[derive(Clone, Debug)]
pub struct Device {
    client: String,
    scope: Scope,
    user_code: String,
    domain: usize,
    ends: Timestamp,
    asked_at: Option<Timestamp>,
    decision: Decision,
}

#[derive(Clone, Debug)]
enum Decision {
    Open,
    Yes(Box<AcceptedSignIn>),
    No,
}

/// The device code that a browser typed, until its person decides.
#[derive(Clone, Debug)]
pub struct Claimed {
    device_code: String,
    /// Stands in the confirmation form, so that no other page can send it.
    handle: String,
}

/// The parameters of `/devicecode`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BeginForm {
    client_id: Option<String>,
    scope: Option<String>,
}

pub(super) async fn begin(
    State(practice): Tenant,
    Path(tenant): Path<String>,
    form: Result<Form<BeginForm>, FormRejection>,
) -> Response {
    match begun(&practice, &tenant, form) {
        Ok(answer) => site::json(StatusCode::OK, &answer),
        Err(error) => error.to_json(&practice),
    }
}

fn begun(
    practice: &Practice,
    tenant: &str,
    form: Result<Form<BeginForm>, FormRejection>,
) -> Result<Value, OAuthError> {
    let tenant: TenantName = practice.tenant_named(tenant)?;
    let Form(form) = form.map_err(|_| OAuthError::Malformed)?;
    let client = practice.oauth.clients.by_id(form.client_id.as_deref())?;
    let scope = form.scope.as_deref().ok_or(OAuthError::Missing("scope"))?;
    let user_code = user_code(&practice.random_bytes::<64>());
    let device_code = practice.secret_token();
    let device = Device {
        client: client.id().to_owned(),
        scope: Scope::parse_with_resource(scope, client.resource(), &practice.graph_url())?,
        user_code: user_code.clone(),
        domain: practice.domain_for(None, None, tenant),
        ends: practice.now().plus(DEVICE_LIFETIME),
        asked_at: None,
        decision: Decision::Open,
    };
    lock(&practice.oauth.devices).put(device_code.clone(), device);
    let address = format!("{}/devicelogin", practice.own_url);
    Ok(json!({
        "user_code": user_code,
        "device_code": device_code,
        "verification_uri": address,
        "expires_in": DEVICE_LIFETIME.as_secs(),
        "interval": INTERVAL_SECONDS,
        "message": format!(
            "To sign in, use a web browser to open the page {address} and enter the code {user_code} to authenticate."
        ),
    }))
}

/// Nine letters; bytes that would make some letters likelier than others are left out.
fn user_code(random: &[u8]) -> String {
    let most = 256 - 256 % ALPHABET.len();
    random
        .iter()
        .map(|byte| usize::from(*byte))
        .filter(|byte| *byte < most)
        .chain(std::iter::repeat(0))
        .take(USER_CODE_LENGTH)
        .map(|byte| char::from(ALPHABET[byte % ALPHABET.len()]))
        .collect()
}

/// The grant of a device code that a person said yes to; it is used up then.
pub(super) fn redeem(
    practice: &Practice,
    client: &Client,
    device_code: &str,
) -> Result<Grant, OAuthError> {
    let now = practice.now();
    let mut devices = lock(&practice.oauth.devices);
    let device = devices
        .get_mut(device_code)
        .filter(|device| device.client == client.id())
        .ok_or(OAuthError::DeviceCode)?;
    if now >= device.ends {
        devices.take(device_code);
        return Err(OAuthError::DeviceCodeExpired);
    }
    let too_soon = device
        .asked_at
        .is_some_and(|at| now.since(at) + TOLERANCE < Duration::from_secs(INTERVAL_SECONDS));
    device.asked_at = Some(now);
    if matches!(device.decision, Decision::Open) {
        return Err(if too_soon {
            OAuthError::SlowDown
        } else {
            OAuthError::Pending
        });
    }
    let device = devices.take(device_code).ok_or(OAuthError::DeviceCode)?;
    match device.decision {
        Decision::Yes(sign_in) => Ok(Grant {
            client: device.client,
            scope: device.scope,
            sign_in: *sign_in,
            ends: now.plus(CODE_LIFETIME),
        }),
        Decision::Open | Decision::No => Err(OAuthError::Declined),
    }
}

pub(super) async fn ask_for_code() -> Response {
    code_page(StatusCode::OK, None)
}

fn code_page(status: StatusCode, problem: Option<&'static str>) -> Response {
    page(status, &pages::DeviceCode { problem }, Forms::Own)
}

/// The field of the page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CodeForm {
    code: String,
}

pub(super) async fn take_code(
    State(practice): Tenant,
    headers: HeaderMap,
    Form(form): Form<CodeForm>,
) -> Response {
    let typed: String = form
        .code
        .chars()
        .filter(|letter| !letter.is_whitespace() && *letter != '-')
        .map(|letter| letter.to_ascii_uppercase())
        .collect();
    let now = practice.now();
    let found = {
        let devices = lock(&practice.oauth.devices);
        devices
            .key_of(|device| {
                device.user_code == typed
                    && now < device.ends
                    && matches!(device.decision, Decision::Open)
            })
            .and_then(|key| {
                let device = devices.get(&key)?;
                Some((device.domain, device.scope.resource(), key))
            })
    };
    let Some((domain, resource, device_code)) = found else {
        return code_page(
            StatusCode::BAD_REQUEST,
            Some(
                "That code is not known, or its time is over. Look at the program again, or start it again for a new code.",
            ),
        );
    };
    let (value, visit) = visit_of(&practice, &headers);
    let signed_in = {
        let mut state = lock(&visit);
        state.device = Some(Claimed {
            device_code,
            handle: practice.token(),
        });
        state.session_of(None).is_some()
    };
    let federated = lock(&practice.directory).federated(domain).is_some();
    if resource == Resource::Graph || !federated {
        let (onward, wish) = (Onward::Device, Wish::Anything);
        return account::ask(&practice, &value, &visit, onward, wish, "");
    }
    if signed_in {
        return set_cookie(
            Redirect::to("/devicelogin/confirm").into_response(),
            VISIT,
            &value,
        );
    }
    asking::ask_identity_provider(
        &practice,
        &value,
        &visit,
        Ask {
            domain,
            wish: Wish::Anything,
            binding: None,
            hint: None,
            onward: Some(Onward::Device),
        },
    )
}

pub(super) async fn ask_to_confirm(State(practice): Tenant, headers: HeaderMap) -> Response {
    let (_, visit) = visit_of(&practice, &headers);
    let (claimed, session) = {
        let state = lock(&visit);
        (state.device.clone(), state.session_of(None))
    };
    let client = claimed.as_ref().and_then(|claimed| {
        let devices = lock(&practice.oauth.devices);
        let id = &devices.get(&claimed.device_code)?.client;
        practice.oauth.clients.by_id(Some(id)).ok()
    });
    match (claimed, session, client) {
        (Some(claimed), Some(session), Some(client)) => page(
            StatusCode::OK,
            &pages::DeviceConfirm {
                application: client.name(),
                upn: session.person.upn.as_str(),
                handle: &claimed.handle,
            },
            Forms::Own,
        ),
        _ => Redirect::to("/devicelogin").into_response(),
    }
}

/// The confirmation.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ConfirmForm {
    handle: String,
    answer: String,
}

pub(super) async fn confirm(
    State(practice): Tenant,
    headers: HeaderMap,
    Form(form): Form<ConfirmForm>,
) -> Response {
    let (_, visit) = visit_of(&practice, &headers);
    let decided = {
        let mut state = lock(&visit);
        let session = state.session_of(None);
        let claimed = state
            .device
            .take_if(|claimed| claimed.handle == form.handle);
        claimed.zip(session)
    };
    let Some((claimed, session)) = decided else {
        return Redirect::to("/devicelogin").into_response();
    };
    let decision = if form.answer == "continue" {
        Decision::Yes(Box::new(session))
    } else {
        Decision::No
    };
    let said_yes = matches!(decision, Decision::Yes(_));
    let now = practice.now();
    let mut devices = lock(&practice.oauth.devices);
    let device = devices
        .get_mut(&claimed.device_code)
        .filter(|device| now < device.ends && matches!(device.decision, Decision::Open));
    let Some(device) = device else {
        return code_page(
            StatusCode::BAD_REQUEST,
            Some("The time for that code is over. Start the program again for a new code."),
        );
    };
    device.decision = decision;
    drop(devices);
    page(StatusCode::OK, &pages::DeviceDone { said_yes }, Forms::Own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_code_has_nine_letters_that_nobody_mistakes() {
        let code = user_code(&[0, 19, 20, 239, 240, 255, 7, 7, 7, 7, 7, 7]);
        assert_eq!(code, "BZBZKKKKK");
        assert_eq!(user_code(&[]).len(), USER_CODE_LENGTH);
    }
}
