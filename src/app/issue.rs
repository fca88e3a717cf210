//! Answering the relying party.
//!
//! Always true: an answer is encoded from a `ClaimSet` and from nothing else; its bytes
//! pass the inspector's rules before they leave; the receipt, the events and the answered
//! attempt are one transaction, so that an answer without a receipt does not exist, and
//! an attempt has one answer (attacks 15, 28).

use std::sync::Arc;

use aws_lc_rs::digest;

use super::{
    App, Error,
    answer::{Answer, Destination, sent},
    error::{Category, SupportCode},
    format::{Format, Outline},
    keys::draft::{Draft, Named},
    reuse::{Resumable, succeed},
    scene::Scene,
};
use crate::{
    audit::{Actor, Event, Receipt},
    base::{
        browser::CookieToken,
        ids::{KeyId, SessionId},
    },
    claims::{self, ClaimSet, NotReleased},
    directory::User,
    relying_party::RelyingParty,
    session::SessionRow,
    signin::{
        attempt::Attempt,
        complete::{self, FormerSession, Holder, NotSignedIn, SignedIn},
        request::Protocol,
    },
    storage::{SessionParty, Told, Tx},
};

/// Who signed in, for whom, and in which session: what an answer is made of.
struct Grant<'a> {
    signed_in: &'a SignedIn,
    user: &'a User,
    party: &'a RelyingParty,
    session: &'a SessionId,
    told: SessionParty,
}

impl App {
    /// Answers from the proofs of this attempt, and begins a new session with them.
    pub(super) async fn issue_from_proofs(
        &self,
        mut tx: Tx<'_>,
        scene: &Scene,
        former: Option<&SessionRow>,
        known: Option<&CookieToken>,
        draft: &mut Draft,
    ) -> Result<Option<Answer>, Error> {
        let now = self.now();
        let attempt = &scene.attempt;
        let user = scene
            .user
            .as_ref()
            .ok_or_else(|| Error::internal("proofs without a person"))?;
        let records = tx.evidence_of(&attempt.id).await?;
        let holder = Holder {
            user,
            live_credentials: &scene.live_credentials,
        };
        let former_session = scene.carried.as_ref().map(|carried| FormerSession {
            row: &carried.former,
            presented: &carried.former.token,
            terms: carried.terms,
        });
        let signed_in = complete::complete(
            attempt,
            &records,
            former_session,
            holder,
            &self.sealing,
            now,
            self.settings.attempt_lifetime,
        )
        .map_err(|error| not_signed_in(error, user))?;

        let former = self.end_former(&mut tx, former, &signed_in, now).await?;
        let (id, token, index) = self.with_random(|random| {
            (
                SessionId::random(random),
                CookieToken::random(random),
                draft.id(Named::Session, random),
            )
        });
        let session =
            complete::seal_session(&signed_in, id.clone(), token.hash(), &self.sealing, now);
        let replaces = former.map(|former| &former.id);
        tx.insert_session(&session, replaces).await?;
        succeed(&mut tx, former, &session, &signed_in).await?;
        tx.append(
            Actor::Person,
            Some(user.id.clone()),
            Event::SessionBegun {
                session: id.clone(),
            },
        );
        // One cookie for all people of a shared browser: each is known in it.
        let known = known
            .cloned()
            .unwrap_or_else(|| self.with_random(CookieToken::random));
        tx.put_known_browser(&known.hash(), &user.id, now).await?;

        if attempt.request.protocol == Protocol::Account {
            let mut answer = self.arrive(tx, attempt, user, &signed_in).await?;
            answer.session = Some(token);
            answer.known = Some(known);
            return Ok(Some(answer));
        }
        let party = self
            .party_of(&mut tx, &attempt.request.relying_party)
            .await?;
        // A party that was told of the forerunner goes on with the name that it knows.
        let known_as = tx.party_of_session(&id, party.entity_id.as_str()).await?;
        let told = SessionParty {
            session_index: known_as.map_or(index, |known| known.session_index),
            answered_at: now,
            reused_at: signed_in.carried_from().map(|_| now),
            told: None,
        };
        let grant = Grant {
            signed_in: &signed_in,
            user,
            party: &party,
            session: &id,
            told,
        };
        let answer = self.issue(tx, attempt, grant, draft).await?;
        Ok(answer.map(|answer| Answer {
            session: Some(token),
            known: Some(known),
            ..answer
        }))
    }

    /// Answers from a live session; its instants stay what they were.
    pub(super) async fn issue_from_session(
        &self,
        mut tx: Tx<'_>,
        attempt: &Attempt,
        resumable: Resumable,
        draft: &mut Draft,
    ) -> Result<Option<Answer>, Error> {
        let Resumable {
            signed_in,
            user,
            party,
            told,
        } = resumable;
        let now = self.now();
        let id = signed_in
            .resumed_session()
            .cloned()
            .ok_or_else(|| Error::internal("a resumed sign-in without a session"))?;
        if !tx.touch_session(&id, now).await? {
            return Err(Error::denied(
                &SupportCode::NOT_SIGNED_IN,
                "the session was ended meanwhile",
            ));
        }
        if !tx.set_attempt_user(&attempt.id, &user.id).await? {
            return Err(Error::denied(
                &SupportCode::PERSON_CHANGED,
                "an attempt of another person",
            ));
        }
        let Some(party) = party else {
            return self.arrive(tx, attempt, &user, &signed_in).await.map(Some);
        };
        let index = told.map_or_else(
            || self.with_random(|random| draft.id(Named::Session, random)),
            |told| told.session_index,
        );
        let told = SessionParty {
            session_index: index,
            answered_at: now,
            reused_at: Some(now),
            told: None,
        };
        let grant = Grant {
            signed_in: &signed_in,
            user: &user,
            party: &party,
            session: &id,
            told,
        };
        self.issue(tx, attempt, grant, draft).await
    }

    /// The end of a sign-in to the own pages: nothing is claimed to anyone.
    async fn arrive(
        &self,
        mut tx: Tx<'_>,
        attempt: &Attempt,
        user: &User,
        signed_in: &SignedIn,
    ) -> Result<Answer, Error> {
        let to = Destination::Here(attempt.request.reply_url.clone());
        self.keep_answer(&mut tx, attempt, &to).await?;
        let event = Event::AccountOpened {
            attempt: attempt.id.clone(),
            proofs: proof_lines(signed_in),
        };
        tx.append(Actor::Person, Some(user.id.clone()), event);
        tx.commit().await?;
        Ok(sent(to))
    }

    /// The common end: claims, encoding, pre-flight, receipt. `None`: see [`Draft::with_key`].
    async fn issue(
        &self,
        mut tx: Tx<'_>,
        attempt: &Attempt,
        grant: Grant<'_>,
        draft: &mut Draft,
    ) -> Result<Option<Answer>, Error> {
        let Grant {
            signed_in,
            user,
            party,
            session,
            told,
        } = grant;
        let domains = tx.domains().await?;
        let asked = attempt.request.domain_name();
        let index = told.session_index.clone();
        let claims = claims::for_sign_in(
            signed_in,
            user,
            &domains,
            asked.as_ref(),
            party,
            index,
            &self.sealing,
        )
        .map_err(|error| not_released(&error, user))?;
        // The request was checked when it came; what is registered may have changed since.
        let reply_url = registered(party, attempt)?;
        let outline = self.outline(attempt, party, reply_url, draft)?;
        let key = self.signing_key(&mut tx).await?;
        let claims = Arc::new(claims);
        let (told_claims, told_outline) = (Arc::clone(&claims), outline.clone());
        let signing = draft.with_key(&key, move |key| told_outline.encode(&told_claims, key));
        let Some(xml) = signing? else {
            return Ok(None);
        };
        if let Err(rules) = outline.pre_flight(&xml, &claims, &key, self.now()) {
            drop(tx);
            return Err(self
                .withhold(attempt, user, ("the response", rules))
                .await?);
        }
        let receipt = Self::receipt(
            attempt,
            signed_in,
            &claims,
            &outline,
            (session, &key.id),
            &xml,
        );
        let form = outline.destination(xml, attempt.request.relay_state.as_deref());
        self.keep_answer(&mut tx, attempt, &form).await?;
        tx.insert_receipt(&receipt).await?;
        // What a sign-out must repeat, as the party knows it.
        let told = SessionParty {
            told: Some(Told {
                protocol: attempt.request.protocol,
                issuer: claims.issuer().to_owned(),
                name_id: claims.name_id().to_owned(),
                authn_instant: claims.authn_instant(),
            }),
            ..told
        };
        tx.put_party_of_session(session, party.entity_id.as_str(), &told)
            .await?;
        let event = Event::AnswerIssued {
            attempt: attempt.id.clone(),
            relying_party: party.entity_id.to_string(),
            assertion: outline.assertion_id,
        };
        tx.append(Actor::System, Some(user.id.clone()), event);
        tx.commit().await?;
        Ok(Some(sent(form)))
    }

    fn outline(
        &self,
        attempt: &Attempt,
        party: &RelyingParty,
        reply_url: &str,
        draft: &mut Draft,
    ) -> Result<Outline, Error> {
        let format = Format::of(attempt.request.protocol)
            .ok_or_else(|| Error::internal("an answer over a protocol that has no tokens"))?;
        let (response_id, assertion_id) = self.with_random(|random| {
            let response = draft.id(Named::Response, random);
            (response, draft.id(Named::Assertion, random))
        });
        Ok(Outline {
            format,
            response_id,
            assertion_id,
            request_id: attempt.request.request_id.clone(),
            reply_url: reply_url.to_owned(),
            now: draft.at(self.now()),
            response_signature: party.response_signature,
            stay: self.settings.sessions.stay,
        })
    }

    /// What Entra would refuse is not sent: the rules that `what` (the response, the id_token)
    /// broke are written down.
    pub(super) async fn withhold(
        &self,
        attempt: &Attempt,
        user: &User,
        (what, rules): (&str, Vec<String>),
    ) -> Result<Error, Error> {
        let detail = format!("{what} for {} broke {}", user.upn, rules.join(", "));
        let mut tx = self.store.begin().await?;
        let event = Event::PreFlightFailed {
            attempt: attempt.id.clone(),
            rules,
        };
        tx.append(Actor::System, Some(user.id.clone()), event);
        tx.commit().await?;
        let code = &SupportCode::PRE_FLIGHT;
        Ok(Error::new(Category::Internal, code, detail))
    }

    fn receipt(
        attempt: &Attempt,
        signed_in: &SignedIn,
        claims: &ClaimSet,
        outline: &Outline,
        (session, key): (&SessionId, &KeyId),
        xml: &str,
    ) -> Receipt {
        let sha256 = digest::digest(&digest::SHA256, xml.as_bytes());
        Receipt {
            assertion_id: outline.assertion_id.clone(),
            attempt: attempt.id.clone(),
            user: signed_in.user().clone(),
            relying_party: attempt.request.relying_party.clone(),
            request_id: attempt.request.request_id.clone(),
            issuer: claims.issuer().to_owned(),
            name_id: claims.name_id().to_owned(),
            proofs: proof_lines(signed_in),
            session: session.clone(),
            authn_instant_millis: claims.authn_instant().as_millis(),
            issued_at_millis: outline.now.as_millis(),
            key: key.clone(),
            sha256: data_encoding::HEXLOWER.encode(sha256.as_ref()),
        }
    }
}

/// What a sign-in rests on, one line a proof: `kind credential instant`.
fn proof_lines(signed_in: &SignedIn) -> String {
    let proofs = signed_in.proofs().iter();
    let lines: Vec<String> = proofs
        .map(|proof| format!("{} {} {}", proof.kind.as_str(), proof.credential, proof.at))
        .collect();
    lines.join("\n")
}

/// The reply address of the request, if it is registered for its party still (attack 39).
fn registered<'a>(party: &'a RelyingParty, attempt: &Attempt) -> Result<&'a str, Error> {
    party
        .reply_url(Some(&attempt.request.reply_url), None)
        .map(|found| found.url.as_str())
        .map_err(|error| Error::denied(&SupportCode::REFUSED_PARAMETERS, error.to_string()))
}

fn not_signed_in(error: NotSignedIn, user: &User) -> Error {
    match error {
        NotSignedIn::Seal => Error::tampering("proofs", Some(user.id.clone()), &error),
        _ => Error::denied(
            &SupportCode::NOT_SIGNED_IN,
            format!("{}: {error}", user.upn),
        ),
    }
}

pub(super) fn not_released(error: &NotReleased, user: &User) -> Error {
    match error {
        NotReleased::Tampered => Error::tampering("identity", Some(user.id.clone()), error),
        NotReleased::OtherDomain { .. } => {
            Error::denied(&SupportCode::OTHER_DOMAIN, format!("{}: {error}", user.upn))
        }
        _ => Error::denied(
            &SupportCode::NOT_RELEASABLE,
            format!("{}: {error}", user.upn),
        ),
    }
}
