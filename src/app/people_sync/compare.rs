//! One page of the tenant's people, compared with those here, and added.

use std::collections::HashMap;

use super::{
    Finding, FindingKind, Missing, Seen, SyncError, fingerprint, person::TenantPerson, usable_name,
};
use crate::{
    app::App,
    audit::{Actor, Event},
    base::{ids::UserId, text::Upn},
    directory::{ImmutableId, User, identity_tag},
    storage::InsertUser,
};

/// What came of a page.
#[derive(Default)]
pub(super) struct Compared {
    pub(super) matched: u64,
    pub(super) findings: Vec<Finding>,
}

impl Compared {
    fn tell(&mut self, kind: FindingKind, upn: &str, here: Option<String>, there: Option<String>) {
        self.findings.push(Finding {
            kind,
            upn: upn.to_owned(),
            here,
            there,
        });
    }
}

/// Somebody who is not here and could be.
struct Newcomer<'p> {
    person: &'p TenantPerson,
    upn: Upn,
    id: ImmutableId,
}

impl App {
    pub(super) async fn compare_page(
        &self,
        people: &[TenantPerson],
        missing: Missing,
        operator: &str,
        seen: &mut Seen,
    ) -> Result<Compared, SyncError> {
        let mut compared = Compared::default();
        let mut named: Vec<(&TenantPerson, Upn)> = Vec::with_capacity(people.len());
        for person in people {
            match person.upn.parse::<Upn>() {
                Ok(upn) => named.push((person, upn)),
                Err(error) => {
                    let there = Some(error.to_string());
                    compared.tell(FindingKind::Unusable, &person.upn, None, there);
                }
            }
        }
        let upns: Vec<Upn> = named.iter().map(|(_, upn)| upn.clone()).collect();
        let here: HashMap<Upn, User> = self
            .store
            .read()
            .await?
            .users_by_upn(&upns)
            .await?
            .into_iter()
            .map(|user| (user.upn.clone(), user))
            .collect();
        let mut newcomers = Vec::new();
        for (person, upn) in named {
            if !seen.names.insert(fingerprint(upn.as_str())) {
                let there = Some("the tenant lists the name twice".to_owned());
                compared.tell(FindingKind::Unusable, &person.upn, None, there);
                continue;
            }
            let user = here.get(&upn);
            if person.guest {
                compared.tell(FindingKind::Guest, upn.as_str(), None, None);
                continue;
            }
            if !person.enabled && user.is_some_and(|user| user.disabled_at.is_none()) {
                compared.tell(FindingKind::DisabledThere, upn.as_str(), None, None);
            }
            let own = user
                .and_then(|user| user.immutable_id.as_ref())
                .map(ImmutableId::to_string);
            let Some(there) = &person.immutable_id else {
                compared.tell(FindingKind::NoImmutableId, upn.as_str(), own, None);
                continue;
            };
            if !seen.ids.insert(fingerprint(there)) {
                let there = Some(there.clone());
                compared.tell(FindingKind::Duplicate, upn.as_str(), own.clone(), there);
                if user.is_none() {
                    continue;
                }
            }
            match user {
                Some(_) if own.as_ref() == Some(there) => compared.matched += 1,
                Some(_) => {
                    let there = Some(there.clone());
                    compared.tell(FindingKind::Mismatch, upn.as_str(), own, there);
                }
                None => match there.parse::<ImmutableId>() {
                    Ok(id) => newcomers.push(Newcomer { person, upn, id }),
                    Err(error) => {
                        let there = Some(format!("{there}: {error}"));
                        compared.tell(FindingKind::Unusable, upn.as_str(), None, there);
                    }
                },
            }
        }
        match missing {
            Missing::Tell => self.tell_newcomers(&newcomers, &mut compared).await?,
            Missing::Add => {
                self.add_newcomers(&newcomers, operator, &mut compared)
                    .await?;
            }
        }
        Ok(compared)
    }

    async fn tell_newcomers(
        &self,
        newcomers: &[Newcomer<'_>],
        compared: &mut Compared,
    ) -> Result<(), SyncError> {
        let ids: Vec<ImmutableId> = newcomers.iter().map(|one| one.id.clone()).collect();
        let taken: HashMap<String, Option<Upn>> = self
            .store
            .read()
            .await?
            .holders_of_immutable_ids(&ids)
            .await?
            .into_iter()
            .collect();
        for one in newcomers {
            let there = Some(one.id.to_string());
            let (kind, here) = match taken.get(one.id.as_str()) {
                None => (FindingKind::MissingHere, None),
                Some(holder) => (FindingKind::TakenHere, holder.as_ref().map(Upn::to_string)),
            };
            compared.tell(kind, one.upn.as_str(), here, there);
        }
        Ok(())
    }

    /// All of a page, or none of it.
    async fn add_newcomers(
        &self,
        newcomers: &[Newcomer<'_>],
        operator: &str,
        compared: &mut Compared,
    ) -> Result<(), SyncError> {
        if newcomers.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let mut tx = self.store.begin().await?;
        for Newcomer { person, upn, id } in newcomers {
            let user_id = self.with_random(UserId::random);
            let user = User {
                identity_tag: identity_tag(&self.sealing, &user_id, upn, Some(id)),
                id: user_id,
                upn: upn.clone(),
                display_name: usable_name(person, upn),
                immutable_id: Some(id.clone()),
                disabled_at: (!person.enabled).then_some(now),
                created_at: now,
            };
            let there = Some(id.to_string());
            match tx.insert_user(&user).await? {
                InsertUser::Inserted => {}
                InsertUser::ImmutableIdTaken => {
                    compared.tell(FindingKind::TakenHere, upn.as_str(), None, there);
                    continue;
                }
                // Somebody else was quicker: the next run compares.
                InsertUser::UpnTaken => {
                    compared.tell(FindingKind::MissingHere, upn.as_str(), None, there);
                    continue;
                }
            }
            let actor = || Actor::Operator(operator.to_owned());
            let added = Event::UserAdded {
                upn: upn.to_string(),
            };
            tx.append(actor(), Some(user.id.clone()), added);
            if user.disabled_at.is_some() {
                tx.append(actor(), Some(user.id.clone()), Event::UserDisabled);
            }
            compared.tell(FindingKind::Added, upn.as_str(), there.clone(), there);
        }
        tx.commit().await?;
        Ok(())
    }
}
