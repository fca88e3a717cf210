//! ImmutableIDs to the tenant, while the domain is managed there: Entra lets them be set only
//! before (facts §4.3).
//!
//! Always true: a value that the tenant has is not overwritten; a change whose end nobody saw is
//! read back before anything is said of it.

use openidconnect::http::Method;
use serde_json::json;

use super::{
    Authentication, Finding, FindingKind, SyncError, Told, people_of,
    person::{self, TenantPerson},
    require_domain_there,
};
use crate::{
    app::{App, users::Replace},
    audit::{Actor, Event},
    base::{
        ids::UserId,
        text::{DomainName, Upn},
    },
    directory::ImmutableId,
    outbound::graph::{Graph, GraphError, segment},
};

/// What is done about people without ImmutableID in the tenant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sending {
    /// It is told what would be done.
    DryRun,
    /// They get the one from here.
    Do,
}

/// How many there were.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct SendCounts {
    /// People of the domain that the tenant listed.
    pub in_tenant: u64,
    /// With the ImmutableID from here already.
    pub had: u64,
    /// That got it, or would get it.
    pub sent: u64,
    /// That Graph did not permit, before anybody got it.
    #[serde(skip)]
    forbidden: u32,
}

/// After so many 403 and nobody who got it, it is the permission, not the person: Entra guards
/// accounts with a role against those who have a lesser one.
const FORBIDDEN_TO_ALL: u32 = 3;

impl App {
    /// Gives the people of `domain` in the tenant their ImmutableID from here; `only` one person.
    /// Who has none here either is given one first.
    ///
    /// # Errors
    /// See [`SyncError`]; who has it already keeps it, and a second run goes on.
    pub async fn send_immutable_ids(
        &self,
        graph: &Graph,
        domain: &DomainName,
        only: Option<&Upn>,
        sending: Sending,
        operator: &str,
        told: &mut dyn Told,
    ) -> Result<SendCounts, SyncError> {
        self.require_own_domain(domain).await?;
        if require_domain_there(graph, domain).await? == Authentication::Federated {
            return Err(SyncError::Federated(domain.clone()));
        }
        let mut counts = SendCounts::default();
        let mut pages = people_of(graph, domain);
        while let Some(values) = pages.next().await? {
            for one in person::read(&values, domain)? {
                let Ok(upn) = one.upn.parse::<Upn>() else {
                    continue;
                };
                if only.is_some_and(|only| *only != upn) {
                    continue;
                }
                counts.in_tenant += 1;
                self.send_one(graph, &one, &upn, sending, operator, &mut counts, told)
                    .await?;
            }
            told.progress(counts.in_tenant, pages.total());
        }
        Ok(counts)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one step of a loop, split off to be read"
    )]
    async fn send_one(
        &self,
        graph: &Graph,
        person: &TenantPerson,
        upn: &Upn,
        sending: Sending,
        operator: &str,
        counts: &mut SendCounts,
        told: &mut dyn Told,
    ) -> Result<(), SyncError> {
        let mut tell = |kind, here: Option<String>, there: Option<String>| {
            told.finding(Finding {
                kind,
                upn: upn.to_string(),
                here,
                there,
            })
        };
        if person.guest {
            tell(FindingKind::Guest, None, None)?;
            return Ok(());
        }
        let user = self.store.read().await?.user_by_upn(upn).await?;
        let Some(user) = user else {
            tell(FindingKind::MissingHere, None, person.immutable_id.clone())?;
            return Ok(());
        };
        let own = user.immutable_id.as_ref().map(ImmutableId::to_string);
        match &person.immutable_id {
            Some(there) if own.as_ref() == Some(there) => {
                counts.had += 1;
                return Ok(());
            }
            Some(there) => {
                tell(FindingKind::Mismatch, own, Some(there.clone()))?;
                return Ok(());
            }
            None => {}
        }
        if person.synced {
            let why = "an Active Directory is the master of the account".to_owned();
            tell(FindingKind::NotSettable, own, Some(why))?;
            return Ok(());
        }
        if sending == Sending::DryRun {
            counts.sent += 1;
            tell(FindingKind::Sent, own, None)?;
            return Ok(());
        }
        let id = if let Some(id) = user.immutable_id.clone() {
            id
        } else {
            let id = self.with_random(ImmutableId::random);
            self.set_immutable_id(upn, &id, Replace::No, operator)
                .await?;
            id
        };
        // Written down before it is sent: whoever ends us between the two leaves the intention.
        let value = id.to_string();
        self.note_of(&user.id, operator, Event::ImmutableIdSending { value })
            .await?;
        match set_there(graph, person, &id).await {
            Ok(()) => {
                counts.sent += 1;
                let value = id.to_string();
                self.note_of(&user.id, operator, Event::ImmutableIdSent { value })
                    .await?;
                tell(
                    FindingKind::Sent,
                    Some(id.to_string()),
                    Some(id.to_string()),
                )?;
            }
            Err(SyncError::Graph(
                error @ (GraphError::Refused(_)
                | GraphError::NotFound(_)
                | GraphError::Forbidden { .. }),
            )) => {
                if matches!(error, GraphError::Forbidden { .. }) && counts.sent == 0 {
                    counts.forbidden += 1;
                    if counts.forbidden == FORBIDDEN_TO_ALL {
                        return Err(SyncError::Graph(error));
                    }
                }
                tell(
                    FindingKind::NotSettable,
                    Some(id.to_string()),
                    Some(error.to_string()),
                )?;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn note_of(&self, user: &UserId, operator: &str, event: Event) -> Result<(), SyncError> {
        let mut tx = self.store.begin().await?;
        tx.append(
            Actor::Operator(operator.to_owned()),
            Some(user.clone()),
            event,
        );
        tx.commit().await?;
        Ok(())
    }
}

async fn set_there(
    graph: &Graph,
    person: &TenantPerson,
    id: &ImmutableId,
) -> Result<(), SyncError> {
    let path = format!("/v1.0/users/{}", segment(&person.id));
    let body = json!({ "onPremisesImmutableId": id.as_str() });
    match graph.call(Method::PATCH, &path, Some(&body), &[]).await {
        Ok(_) => Ok(()),
        Err(error) if error.outcome_is_unknown() => {
            let read = graph
                .get(&format!("{path}?$select=id,onPremisesImmutableId"))
                .await?;
            let body = read.body.unwrap_or_default();
            if body["onPremisesImmutableId"] == id.as_str() {
                Ok(())
            } else {
                Err(error.into())
            }
        }
        Err(error) => Err(error.into()),
    }
}
