//! Discovery without a token (facts §3, §4.5): whose sign-in page a name gets.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use axum::{
    Router,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::{
    base::text::{DomainName, Upn},
    practice::{Practice, site, visit::lock},
};

type Tenant = State<Arc<Practice>>;

pub(super) fn router(practice: &Arc<Practice>) -> Router {
    Router::new()
        .route("/getuserrealm.srf", get(get_user_realm))
        .route("/common/userrealm/{login}", get(user_realm))
        .with_state(Arc::clone(practice))
}

/// What is known of a name's domain.
struct Realm {
    login: String,
    domain: String,
    kind: Kind,
}

enum Kind {
    Unknown,
    Managed,
    Federated {
        brand: String,
        sign_in: String,
        metadata: Option<String>,
        active: Option<String>,
        certificate: String,
    },
}

impl Realm {
    fn of(practice: &Practice, login: &str) -> Self {
        let login = login.trim().to_lowercase();
        let domain: Option<DomainName> = match login.parse::<Upn>() {
            Ok(upn) => Some(upn.domain()),
            Err(_) => login.rsplit('@').next().and_then(|text| text.parse().ok()),
        };
        let directory = lock(&practice.directory);
        let at = domain
            .as_ref()
            .and_then(|domain| directory.place_of(domain))
            .filter(|at| directory.domains()[*at].verified);
        let kind = match at.map(|at| (at, directory.federated(at))) {
            None => Kind::Unknown,
            Some((_, None)) => Kind::Managed,
            Some((_, Some(registered))) => {
                let registration = directory
                    .domain(registered.name.as_str())
                    .and_then(|domain| domain.registration.as_ref());
                let text = |name: &str| {
                    registration
                        .and_then(|registration| registration.text(name))
                        .map(str::to_owned)
                };
                let joint = if registered.sign_in_url.contains('?') {
                    '&'
                } else {
                    '?'
                };
                Kind::Federated {
                    brand: text("displayName").unwrap_or_default(),
                    // What Entra adds for the identity provider (facts §2.1).
                    sign_in: format!(
                        "{}{joint}cbcxt=&username={}&mkt=&lc=",
                        registered.sign_in_url,
                        utf8_percent_encode(&login, NON_ALPHANUMERIC)
                    ),
                    metadata: text("metadataExchangeUri"),
                    active: text("activeSignInUri"),
                    certificate: text("signingCertificate").unwrap_or_default(),
                }
            }
        };
        Self {
            login,
            domain: domain.map(|domain| domain.to_string()).unwrap_or_default(),
            kind,
        }
    }

    fn name_space_type(&self) -> &'static str {
        match self.kind {
            Kind::Unknown => "Unknown",
            Kind::Managed => "Managed",
            Kind::Federated { .. } => "Federated",
        }
    }

    /// The members of `getuserrealm.srf`, in its order; the XML and the JSON form share them.
    fn members(&self) -> Vec<(&'static str, Value)> {
        let (state, user_state) = match self.kind {
            Kind::Unknown | Kind::Managed => (4, 1),
            Kind::Federated { .. } => (3, 2),
        };
        let mut members = vec![
            ("State", json!(state)),
            ("UserState", json!(user_state)),
            ("Login", json!(self.login)),
            ("NameSpaceType", json!(self.name_space_type())),
        ];
        match &self.kind {
            Kind::Unknown => return members,
            Kind::Managed => {
                members.push(("DomainName", json!(self.domain)));
                members.push(("IsFederatedNS", json!(false)));
                members.push(("FederationBrandName", json!("Practice tenant")));
            }
            Kind::Federated {
                brand,
                sign_in,
                metadata,
                active,
                certificate,
            } => {
                members.push(("DomainName", json!(self.domain)));
                members.push(("FederationGlobalVersion", json!(-1)));
                members.push(("AuthURL", json!(sign_in)));
                members.push(("IsFederatedNS", json!(true)));
                members.push(("STSAuthURL", json!(active)));
                members.push(("FederationTier", json!(0)));
                members.push(("FederationBrandName", json!(brand)));
                members.push(("AllowFedUsersWLIDSignIn", json!(false)));
                members.push(("Certificate", json!(certificate)));
                members.push(("MEXURL", json!(metadata)));
            }
        }
        members.push(("CloudInstanceName", json!("microsoftonline.com")));
        members
    }
}

async fn get_user_realm(
    State(practice): Tenant,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let Some(login) = query.get("login") else {
        return (StatusCode::BAD_REQUEST, "The parameter login is missing.\n").into_response();
    };
    let realm = Realm::of(&practice, login);
    let members = realm.members();
    if query.get("xml").is_some_and(|value| value == "1") {
        let mut xml = r#"<RealmInfo Success="true">"#.to_owned();
        for (name, value) in members {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text,
                other => other.to_string(),
            };
            let text = text
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;");
            let _ = write!(xml, "<{name}>{text}</{name}>"); // writing to a String cannot fail
        }
        xml.push_str("</RealmInfo>");
        return ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], xml).into_response();
    }
    let body: serde_json::Map<String, Value> = members
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    site::json(StatusCode::OK, &Value::Object(body))
}

async fn user_realm(
    State(practice): Tenant,
    Path(login): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let realm = Realm::of(&practice, &login);
    let body = match query.get("api-version").map(String::as_str) {
        Some("1.0") => version_1(&practice, &realm),
        Some("2.1") => version_2(&realm),
        _ => {
            return (
                StatusCode::BAD_REQUEST,
                "The parameter api-version is 1.0 or 2.1.\n",
            )
                .into_response();
        }
    };
    site::json(StatusCode::OK, &body)
}

fn version_1(practice: &Practice, realm: &Realm) -> Value {
    let mut body = json!({
        "ver": "1.0",
        "account_type": realm.name_space_type(),
        "domain_name": realm.domain,
        "cloud_instance_name": "microsoftonline.com",
        "cloud_audience_urn": practice.entity_id,
    });
    if let Kind::Federated {
        metadata, active, ..
    } = &realm.kind
    {
        body["federation_protocol"] = json!("WSTrust");
        body["federation_metadata_url"] = json!(metadata);
        body["federation_active_auth_url"] = json!(active);
    }
    body
}

fn version_2(realm: &Realm) -> Value {
    let mut body = json!({
        "Login": realm.login,
        "NameSpaceType": realm.name_space_type(),
        "DomainName": realm.domain,
        "cloud_instance_name": "microsoftonline.com",
        "TenantBrandingInfo": Value::Null,
    });
    if let Kind::Federated { brand, sign_in, .. } = &realm.kind {
        body["AuthURL"] = json!(sign_in);
        body["FederationBrandName"] = json!(brand);
        body["federation_protocol"] = json!("WSTrust");
    }
    body
}
