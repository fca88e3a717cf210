//! What anybody can see of a domain without signing in: `getuserrealm.srf` (facts §4.5).
//!
//! Always true: it is asked about a name that nobody has, so that no person's name leaves.

use openidconnect::http;
use serde_json::Value;
use url::Url;

use crate::{
    base::text::DomainName,
    federation::{Property, Setting, Wanted},
    outbound::guard::{Outbound, OutboundError},
};

/// What Entra says to everybody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Realm {
    /// `Federated`, `Managed` or `Unknown`.
    pub name_space: String,
    /// Where browsers are sent.
    pub sign_in_url: Option<String>,
    /// What people read.
    pub brand: Option<String>,
}

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
pub enum RealmError {
    /// The network.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// The answer.
    #[error("{0} did not answer as Entra does; is it the address of an Entra authority?")]
    Unreadable(String),
}

/// Asks about a domain.
pub async fn realm(authority: &str, domain: &DomainName) -> Result<Realm, RealmError> {
    let address = format!(
        "{}/getuserrealm.srf?login=claimbridge-nobody@{domain}&json=1",
        authority.trim_end_matches('/')
    );
    let outbound = Outbound::new()?;
    let request = http::Request::builder()
        .uri(&address)
        .body(Vec::new())
        .map_err(OutboundError::Request)?;
    let answer = outbound.call(request).await?;
    let unreadable = || RealmError::Unreadable(authority.to_owned());
    if answer.status() != http::StatusCode::OK {
        return Err(unreadable());
    }
    let value: Value = serde_json::from_slice(answer.body()).map_err(|_| unreadable())?;
    let text = |name: &str| {
        value[name]
            .as_str()
            .map(|text| crate::inspect::shown(text, 600))
    };
    Ok(Realm {
        name_space: text("NameSpaceType").ok_or_else(unreadable)?,
        sign_in_url: text("AuthURL"),
        brand: text("FederationBrandName"),
    })
}

/// What is wrong with it; nothing if it is as it should be.
pub fn judge(realm: &Realm, wanted: &Wanted) -> Option<String> {
    let domain = &wanted.domain.name;
    if !realm.name_space.eq_ignore_ascii_case("federated") {
        return Some(format!(
            "Entra says to everybody that {domain} is {}; a change may take up to two hours",
            realm.name_space
        ));
    }
    let configuration = wanted.configuration();
    let ours = match configuration.get(Property::PassiveSignInUri) {
        Some(Setting::Text(ours)) if !wanted.is_inherited() => ours.clone(),
        // A sub-domain's people are sent to the root's address.
        _ => wanted.ours.sign_in_url(&wanted.domain.root),
    };
    match &realm.sign_in_url {
        Some(found) if leads_to(found, &ours) => None,
        Some(found) => Some(format!(
            "Entra sends people of {domain} to {found}, and ours is {ours}; a change may take up to two hours"
        )),
        None => Some(format!(
            "Entra does not say where people of {domain} are sent"
        )),
    }
}

/// Whether an address is ours, whatever parameters it has beside ours.
pub(in crate::app) fn leads_to(url: &str, ours: &str) -> bool {
    let (Ok(url), Ok(ours)) = (Url::parse(url), Url::parse(ours)) else {
        return false;
    };
    url.origin() == ours.origin()
        && url.path() == ours.path()
        && ours
            .query_pairs()
            .all(|pair| url.query_pairs().any(|theirs| theirs == pair))
}
