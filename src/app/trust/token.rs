//! From a right password to a token that leaves.
//!
//! Always true: it is signed outside of any transaction, judged on the bytes that leave (Entra
//! takes it, and not as multi-factor), and leaves with its receipt, if person, credential and
//! key are still what they were.

use std::sync::Arc;

use aws_lc_rs::digest;

use super::settle::refused;
use crate::{
    app::{
        App, Error,
        error::{Category, SupportCode},
        guess::Buckets,
        issue::not_released,
        prove::no_longer_proves,
    },
    audit::{Actor, Event, Receipt},
    base::ids::{AttemptId, SessionId},
    claims::active::{self, ActiveProof, PasswordClaims, PasswordKind},
    directory::{PasswordCredential, User},
    inspect,
    keys::SigningKey,
    protocol::{
        assertion::{EncodeError, message_id},
        wstrust::assertion::{SignedToken, encode_password_assertion},
    },
    relying_party::EntraCloud,
};

/// A token that has not left.
pub(super) struct Prepared {
    pub(super) claims: PasswordClaims,
    token: SignedToken,
    id: String,
    key: Arc<SigningKey>,
}

impl App {
    /// Claims and signature; nothing is written, but why there are none.
    pub(super) async fn prepare_token(
        &self,
        proof: ActiveProof,
        user: &User,
        attempt: &AttemptId,
    ) -> Result<Prepared, Error> {
        let mut tx = self.store.read().await?;
        let domains = tx.domains().await?;
        let key = self.signing_key(&mut tx).await?;
        drop(tx);
        let claims = match active::for_password(
            proof,
            user,
            &domains,
            &self.settings.ws_federation,
            &self.settings.entra,
            &self.sealing,
        ) {
            Ok(claims) => claims,
            Err(error) => {
                let why = "not-releasable";
                // Its try comes back with the error.
                self.refuse_at_door(attempt, user, why, None).await?;
                return Err(not_released(&error, user));
            }
        };
        let (id, now) = (self.with_random(message_id), self.now());
        let asked = id.clone();
        let (claims, token) = self
            .with_key(&key, move |key| {
                let token = encode_password_assertion(&claims, &asked, now, key)?;
                Ok::<_, EncodeError>((claims, token))
            })
            .await?;
        if let Err(rules) = self.require_no_mfa(&token, &claims, &key) {
            let detail = format!("the token for {} broke {}", user.upn, rules.join(", "));
            let mut tx = self.store.begin().await?;
            let event = Event::PreFlightFailed {
                attempt: attempt.clone(),
                rules,
            };
            tx.append(Actor::System, Some(user.id.clone()), event);
            tx.commit().await?;
            let code = &SupportCode::PRE_FLIGHT;
            return Err(Error::new(Category::Internal, code, detail));
        }
        Ok(Prepared {
            claims,
            token,
            id,
            key,
        })
    }

    /// The inspector's rules on the bytes that leave: Entra takes them, and not as
    /// multi-factor.
    fn require_no_mfa(
        &self,
        token: &SignedToken,
        claims: &PasswordClaims,
        key: &SigningKey,
    ) -> Result<(), Vec<String>> {
        let party = &self.settings.entra;
        let mut context = inspect::Context::at(self.now());
        context.issuer = Some(claims.issuer().to_owned());
        context.realm = Some(claims.realm().clone());
        context.cloud = Some(EntraCloud {
            name: "relying party".to_owned(),
            entity_id: claims.audience().to_owned(),
            reply_url: party
                .reply_urls
                .first()
                .map(|reply| reply.url.clone())
                .unwrap_or_default(),
            metadata_url: None,
        });
        context.certificates = vec![key.certificate.clone()];
        context.known.extend(key.read_certificate());
        let report = inspect::inspect(token.xml.as_bytes(), &context);
        let verdict = report.verdict(inspect::Consumer::EntraWsfed);
        match verdict {
            Some(verdict) if verdict.outcome == inspect::Outcome::AcceptedWithoutMfa => Ok(()),
            Some(verdict) => Err(verdict
                .because
                .iter()
                .map(|rule| (*rule).to_owned())
                .collect()),
            None => Err(vec!["CB-KIND-001".to_owned()]),
        }
    }

    /// Writes the receipt, if everything is still as it was when the password was compared.
    pub(super) async fn let_out(
        &self,
        prepared: Prepared,
        user: &User,
        attempt: &AttemptId,
        buckets: &Buckets,
        own: Option<&PasswordCredential>,
    ) -> Result<Option<SignedToken>, Error> {
        let Prepared {
            claims,
            token,
            id,
            key,
        } = prepared;
        let now = self.now();
        let mut tx = self.store.begin().await?;
        tx.lock_user(&user.id).await?;
        let present = tx.user(&user.id).await?;
        let meanwhile = match (claims.kind(), own) {
            // The same person, with the same names, and not disabled.
            _ if present.as_ref() != Some(user) => Some("changed"),
            (PasswordKind::Own, Some(own)) => no_longer_proves(&mut tx, own).await?,
            (PasswordKind::Own, None) => Some("no-password"),
            (PasswordKind::Application, _) => {
                let opened = tx.use_app_password(claims.credential(), now).await?;
                (!opened).then_some("revoked")
            }
        };
        if let Some(reason) = meanwhile {
            refused(&mut tx, attempt, user, reason);
            self.refund(&mut tx, buckets).await?;
            tx.commit().await?;
            return Ok(None);
        }
        if self.signing_key(&mut tx).await?.id != key.id {
            let detail = "the signing key was replaced while a token was signed";
            let code = &SupportCode::UNAVAILABLE;
            return Err(Error::new(Category::Unavailable, code, detail));
        }
        match claims.kind() {
            PasswordKind::Own => self.give_back(&mut tx, buckets).await?,
            // Only its own try: a device that asks every hour would else wipe out the count of
            // somebody who guesses at the person's password.
            PasswordKind::Application => self.refund(&mut tx, buckets).await?,
        }
        let receipt = self.trust_receipt(&claims, &token, attempt, &id, &key);
        let verified = Event::PasswordVerified {
            attempt: attempt.clone(),
            credential: claims.credential().clone(),
        };
        tx.append(Actor::Person, Some(user.id.clone()), verified);
        tx.insert_receipt(&receipt).await?;
        let event = Event::AnswerIssued {
            attempt: attempt.clone(),
            relying_party: receipt.relying_party,
            assertion: id,
        };
        tx.append(Actor::System, Some(user.id.clone()), event);
        tx.commit().await?;
        Ok(Some(token))
    }

    /// A token's receipt: it rests on a password, and on no session.
    fn trust_receipt(
        &self,
        claims: &PasswordClaims,
        token: &SignedToken,
        attempt: &AttemptId,
        id: &str,
        key: &SigningKey,
    ) -> Receipt {
        let sha256 = digest::digest(&digest::SHA256, token.xml.as_bytes());
        let (kind, credential, at) = (claims.kind(), claims.credential(), claims.at());
        Receipt {
            assertion_id: id.to_owned(),
            attempt: attempt.clone(),
            user: claims.user().clone(),
            relying_party: claims.audience().to_owned(),
            request_id: String::new(),
            issuer: claims.issuer().to_owned(),
            name_id: claims.name_id().to_owned(),
            proofs: format!("{} {credential} {at}", kind.as_str()),
            // Of none: the id is nobody's.
            session: self.with_random(SessionId::random),
            authn_instant_millis: at.as_millis(),
            issued_at_millis: self.now().as_millis(),
            key: key.id.clone(),
            sha256: data_encoding::HEXLOWER.encode(sha256.as_ref()),
        }
    }
}
