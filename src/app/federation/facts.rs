//! What is looked at before a domain's federation is changed: its people, the emergency
//! accounts, our public address.
//!
//! Always true: people are read page by page; an answer about somebody else than was asked
//! for counts as none.

use openidconnect::http;
use serde_json::Value;
use url::Url;

use super::read::ReadError;
use crate::{
    app::{App, Error},
    base::text::{DomainName, Upn},
    federation::{
        Tenant, Wanted,
        precondition::{Facts, Few, inheriting},
    },
    outbound::{
        graph::{Graph, GraphError, segment},
        guard::Outbound,
    },
};

/// How many people are named in a sentence.
const NAMED: usize = 5;

/// Why nothing could be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// Graph.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Our own database.
    #[error(transparent)]
    App(#[from] Error),
}

impl From<GraphError> for LookError {
    fn from(error: GraphError) -> Self {
        Self::Read(error.into())
    }
}

/// Looks at everything. `emergency` are the accounts that the operator named.
pub async fn look(
    app: &App,
    graph: &Graph,
    wanted: &Wanted,
    tenant: &Tenant,
    emergency: &[String],
    mut tell: impl FnMut(&str),
) -> Result<Facts, LookError> {
    let domain = &wanted.domain.name;
    let (mut without, mut unknown) = (Few::default(), Few::default());
    for name in std::iter::once(domain).chain(inheriting(domain, tenant)) {
        tell(&format!("Reading the people of {name} …"));
        people(app, graph, name, &mut without, &mut unknown, &mut tell).await?;
    }
    let emergency = if emergency.is_empty() {
        None
    } else {
        tell("Looking at the emergency accounts …");
        Some(emergency_accounts(graph, domain, emergency).await?)
    };
    tell("Asking our own public address …");
    Ok(Facts {
        without_immutable_id: Some(without),
        unknown_here: Some(unknown),
        emergency,
        public_address: Some(public_address(wanted).await),
    })
}

async fn people(
    app: &App,
    graph: &Graph,
    domain: &DomainName,
    without: &mut Few,
    unknown: &mut Few,
    tell: &mut impl FnMut(&str),
) -> Result<(), LookError> {
    let path = format!(
        "/v1.0/users?$filter=endswith(userPrincipalName,'@{domain}')&$count=true&$select=id,userPrincipalName,onPremisesImmutableId,userType&$top=999"
    );
    let mut pages = graph.pages(&path, &[("ConsistencyLevel", "eventual")]);
    let mut read = 0;
    while let Some(page) = pages.next().await? {
        let mut tx = app.store().read().await.map_err(Error::from)?;
        for person in &page {
            let upn = person["userPrincipalName"].as_str().unwrap_or_default();
            let ending = upn.rsplit_once('@').map(|(_, ending)| ending.parse());
            if ending != Some(Ok(domain.clone())) {
                // `$filter` is the server's word; somebody of another domain is not counted.
                continue;
            }
            read += 1;
            let id = person["onPremisesImmutableId"].as_str().unwrap_or_default();
            if id.is_empty() {
                count(without, upn);
            }
            let known = match upn.parse::<Upn>() {
                Ok(name) => tx.user_by_upn(&name).await.map_err(Error::from)?.is_some(),
                Err(_) => false,
            };
            if !known {
                count(unknown, upn);
            }
        }
        if read >= 2 * 999 {
            tell(&format!("{read} people read …"));
        }
    }
    Ok(())
}

fn count(few: &mut Few, upn: &str) {
    few.count += 1;
    if few.first.len() < NAMED {
        few.first.push(crate::inspect::shown(upn, 120));
    }
}

/// The names if all are good; otherwise what is wrong, in a sentence.
async fn emergency_accounts(
    graph: &Graph,
    domain: &DomainName,
    names: &[String],
) -> Result<Result<Vec<String>, String>, LookError> {
    let mut good: Vec<String> = Vec::new();
    for name in names {
        let shown = crate::inspect::shown(name, 120);
        if good.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Ok(Err(format!(
                "{shown} was named twice; name two different accounts."
            )));
        }
        let initial = name
            .rsplit_once('@')
            .and_then(|(_, ending)| ending.parse::<DomainName>().ok())
            .is_some_and(|own| {
                crate::relying_party::domain::is_microsofts(&own) && !own.is_within(domain)
            });
        if !initial {
            return Ok(Err(format!(
                "{shown} is not on *.onmicrosoft.com; an emergency account must not depend on any domain of yours."
            )));
        }
        let path = format!(
            "/v1.0/users/{}?$select=id,userPrincipalName,accountEnabled,onPremisesSyncEnabled,userType",
            segment(name)
        );
        let answer = match graph.get(&path).await {
            Err(GraphError::NotFound(_)) => {
                return Ok(Err(format!("There is no account {shown} in the tenant.")));
            }
            answer => answer?.body.unwrap_or_default(),
        };
        if let Some(wrong) = not_for_emergencies(&answer, name) {
            return Ok(Err(format!("{shown} {wrong}.")));
        }
        good.push(name.clone());
    }
    if good.len() < 2 {
        return Ok(Err(
            "Only one emergency account was named; name two.".to_owned()
        ));
    }
    Ok(Ok(good))
}

fn not_for_emergencies(answer: &Value, name: &str) -> Option<&'static str> {
    let same = answer["userPrincipalName"]
        .as_str()
        .is_some_and(|found| found.eq_ignore_ascii_case(name));
    if !same {
        return Some("was asked for, and Graph answered about somebody else");
    }
    if answer["accountEnabled"].as_bool() != Some(true) {
        return Some("is not enabled");
    }
    if answer["onPremisesSyncEnabled"].as_bool() == Some(true) {
        return Some("is synchronised from a directory and not cloud-only");
    }
    if answer["userType"]
        .as_str()
        .is_some_and(|kind| kind != "Member")
    {
        return Some("is a guest");
    }
    None
}

/// Whether our metadata can be had at the public address, with the active key in it.
async fn public_address(wanted: &Wanted) -> Result<(), String> {
    let url = format!(
        "{}/saml2/metadata?domain={}",
        wanted.ours.public_url, wanted.domain.name
    );
    let said = match ask(&url).await {
        Ok((200, body)) => body,
        Ok((status, _)) => {
            return Err(format!(
                "{url} answered HTTP {status}; it should be our metadata."
            ));
        }
        Err(error) => return Err(format!("{url} cannot be had: {error}.")),
    };
    let text: String = String::from_utf8_lossy(&said)
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let active = data_encoding::BASE64.encode(&wanted.ours.certificates.active);
    if text.contains(&active) {
        Ok(())
    } else {
        Err(format!(
            "{url} answers, and the key that signs here is not in it: another server answers there, or an old one."
        ))
    }
}

async fn ask(url: &str) -> Result<(u16, Vec<u8>), String> {
    let words = |error: &dyn std::error::Error| {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    };
    let outbound = Outbound::new().map_err(|error| words(&error))?;
    let url = Url::parse(url).map_err(|error| error.to_string())?;
    let request = http::Request::builder()
        .uri(url.as_str())
        .body(Vec::new())
        .map_err(|error| error.to_string())?;
    let answer = outbound
        .call(request)
        .await
        .map_err(|error| words(&error))?;
    Ok((answer.status().as_u16(), answer.into_body()))
}
