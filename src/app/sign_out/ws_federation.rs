//! Sign-out over WS-Federation: `wsignout1.0` ends the session and goes on to its parties;
//! `wsignoutcleanup1.0` ends the session and says nothing.

use super::{Initiator, Scope, SignOutBegun, State, under_way::PATIENCE};
use crate::{
    app::{App, Error, sign_in::Browser},
    protocol::saml::logout::outgoing::Outgoing,
    relying_party::RelyingParty,
    signin::request::Protocol,
    storage::ReadTx,
};

impl App {
    /// `wa=wsignout1.0`: ends this browser's session at once, whoever sent the browser here.
    /// `realm`: the asking party's, if it names itself (nobody can check that); `reply`: where it wishes the browser to
    /// go, followed only if it is a listed address.
    pub async fn sign_out_by_ws(
        &self,
        realm: Option<&str>,
        reply: Option<&str>,
        browser: &Browser,
    ) -> Result<SignOutBegun, Error> {
        let begun = self.signed_out_by_ws(realm, reply, browser).await;
        self.noting_tampering(begun).await
    }

    async fn signed_out_by_ws(
        &self,
        realm: Option<&str>,
        reply: Option<&str>,
        browser: &Browser,
    ) -> Result<SignOutBegun, Error> {
        let mut tx = self.store.read().await?;
        let reply = self.listed(&mut tx, realm, reply).await?;
        let is_alive = self.has_session(&mut tx, browser).await?;
        drop(tx);
        // Strangers take no write lock.
        if !is_alive {
            return self.under_way_and_back(reply, browser).await;
        }
        let mut tx = self.store.begin().await?;
        let Some(session) = self.session_of(&mut tx, browser).await? else {
            return Ok(back(reply));
        };
        if !self
            .end_here(&mut tx, &session, "asked-by-relying-party", browser)
            .await?
        {
            drop(tx);
            return self.under_way_and_back(reply, browser).await;
        }
        let initiator = Initiator::WsFed {
            reply: reply.clone(),
        };
        let began = realm.map(|realm| (realm, Protocol::WsFed));
        let journey = self.journey(&mut tx, &session, initiator, began).await?;
        if journey.stops.is_empty() {
            tx.commit().await?;
            return Ok(back(reply));
        }
        self.set_out(tx, &session, journey, None, browser).await
    }

    /// On to the sign-out that is under way, which leads to the listed address at its end if
    /// nobody else is owed something there; without one, there at once.
    async fn under_way_and_back(
        &self,
        reply: Option<String>,
        browser: &Browser,
    ) -> Result<SignOutBegun, Error> {
        let begun = self.under_way_or(back(reply.clone()), browser).await?;
        if let (SignOutBegun::Page(_), Some(reply)) = (&begun, reply) {
            self.lead_back(reply, browser).await?;
        }
        Ok(begun)
    }

    /// The first that comes is followed; whoever comes again writes nothing.
    async fn lead_back(&self, reply: String, browser: &Browser) -> Result<(), Error> {
        let Some(session) = &browser.session else {
            return Ok(());
        };
        for _ in 0..PATIENCE {
            let now = self.now();
            let mut tx = self.store.read().await?;
            let found = tx.sign_out_of_browser(&session.hash(), now).await?;
            drop(tx);
            let Some(mut row) = found else { return Ok(()) };
            let State::Going(mut journey) = self.open_state(&row)? else {
                return Ok(());
            };
            if !journey.leads_nowhere() {
                return Ok(());
            }
            journey.back = Some(reply.clone());
            row.sealed_state = self.seal_state(&row, &State::Going(journey))?;
            let mut tx = self.store.begin().await?;
            if tx.step_sign_out(&row, now).await? {
                tx.commit().await?;
                return Ok(());
            }
        }
        Ok(())
    }

    /// `wa=wsignoutcleanup1.0`: ends this browser's session if the browser brought its cookie
    /// (into a frame of another site it brings none). Nobody is asked and nothing is answered.
    pub async fn clean_up_by_ws(&self, browser: &Browser) -> Result<(), Error> {
        // Most come without a cookie, or with one that is over: they take no write lock.
        let mut tx = self.store.read().await?;
        if !self.has_session(&mut tx, browser).await? {
            return Ok(());
        }
        drop(tx);
        let mut tx = self.store.begin().await?;
        if let Some(session) = self.session_of(&mut tx, browser).await?
            && self
                .end_here(&mut tx, &session, "asked-by-relying-party", browser)
                .await?
        {
            tx.commit().await?;
        }
        Ok(())
    }

    /// Whether this browser has a session that nobody ended.
    async fn has_session(&self, tx: &mut ReadTx<'_>, browser: &Browser) -> Result<bool, Error> {
        let session = self.session_of(tx, browser).await?;
        Ok(session.is_some_and(|session| session.revoked_at.is_none()))
    }

    /// The address that was asked for, if a registered party lists it: the one that `realm`
    /// names, or any if there is none.
    async fn listed(
        &self,
        tx: &mut ReadTx<'_>,
        realm: Option<&str>,
        reply: Option<&str>,
    ) -> Result<Option<String>, Error> {
        let Some(reply) = reply else { return Ok(None) };
        let parties: Vec<RelyingParty> = if let Some(realm) = realm {
            self.find_party(tx, realm).await?.into_iter().collect()
        } else {
            let mut all = tx.relying_parties().await?;
            all.push(self.settings.entra.clone());
            all
        };
        Ok(parties.iter().find_map(|party| {
            let found = party.reply_url(Some(reply), None).ok()?;
            Some(found.url.clone())
        }))
    }
}

/// To the address that was asked for, where nobody is to be signed out elsewhere.
fn back(reply: Option<String>) -> SignOutBegun {
    match reply {
        Some(address) => SignOutBegun::Answer(Outgoing::Address(address)),
        None => SignOutBegun::Over(Scope::Here),
    }
}

/// Where a party is asked in a frame to clean up; `None` if it has no address.
pub fn cleanup_address(party: &RelyingParty) -> Option<String> {
    if !party.speaks_ws_federation() {
        return None;
    }
    let address = &party.reply_url(None, None).ok()?.url;
    let joint = if address.contains('?') { '&' } else { '?' };
    Some(format!("{address}{joint}wa=wsignoutcleanup1.0"))
}
