//! `id_token_hint`: Entra's word on who has done the first factor (facts §5.4), from
//! [`UnverifiedHint`] to [`VerifiedHint`].
//!
//! It says whom to ask, and is no proof of anything about that person.
//!
//! Always true: a `VerifiedHint` is made by [`UnverifiedHint::verify`] alone, whose steps stand
//! there one by one, each with a test that fails without it (attack 23); a key comes from the
//! cloud's set, never from the token's header; who it is about is (tenant, object id), and the
//! names in it are for showing.
//!
//! Entra writes `exp` at or before `iat`, on purpose: that a hint was used once, and lately, is
//! for us to see to ([`VerifiedHint::once`]).

use std::time::Duration;

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::{
    AdditionalClaims, ClaimsVerificationError, ClientId, IdToken, IdTokenVerifier, IssuerUrl,
    JsonWebKeySet, Nonce,
    core::{
        CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    },
};
use serde::{Deserialize, Serialize};

use super::hint_keys::HintKeys;
use crate::{
    base::{clock::Timestamp, guid::Guid},
    relying_party::ExternalMfaTenant,
    signin::second_factor::Membership,
};

/// The longest hint, in bytes. Entra's has under two thousand.
pub const MAX_HINT: usize = 16 * 1024;
/// How old a hint may be: as long as Entra waits for an answer, and as much again for clocks.
pub const MAX_AGE: Duration = Duration::from_mins(10);
/// How far a hint may come from the future: Entra's clock is right, so that ours is slow.
pub const MAX_AHEAD: Duration = Duration::from_mins(5);
/// The longest `sub`, in characters (Core §2: 255).
const MAX_SUBJECT: usize = 255;
/// The longest name that is shown.
const MAX_NAME: usize = 256;

/// Why a hint says nothing.
#[derive(Debug, thiserror::Error)]
pub enum HintError {
    /// Over [`MAX_HINT`].
    #[error("the hint has more than {MAX_HINT} bytes")]
    TooLarge,
    /// No signed token of three parts.
    #[error("the hint is no signed token")]
    Form,
    /// An encrypted one (attack 31).
    #[error("the hint is encrypted; only signed ones are taken")]
    Encrypted,
    /// Another algorithm than RS256.
    #[error("the hint is signed with {0:?}; only RS256 is taken")]
    Algorithm(String),
    /// It does not say with which key it is signed.
    #[error("the hint names no key")]
    NoKey,
    /// Of a tenant that is not configured.
    #[error("the hint is of the tenant {0}, which is not configured")]
    ForeignTenant(Guid),
    /// The keys are another cloud's than the tenant's.
    #[error("the hint was to be verified with the keys of another cloud")]
    OtherCloud,
    /// The cloud publishes no such key; perhaps not yet.
    #[error(
        "the hint is signed with the key {0:?}, which the cloud does not publish for its tenant"
    )]
    UnknownKey(String),
    /// Signature, issuer or header are wrong.
    #[error("the hint does not verify")]
    Verification(#[source] ClaimsVerificationError),
    /// Not for our application alone.
    #[error("the hint is not for our application alone")]
    Audience,
    /// Not of version 2.0.
    #[error("the hint is not of version 2.0")]
    Version,
    /// An access token or an application's own.
    #[error("the hint is no id_token of a person")]
    NotAPerson,
    /// `oid` or `sub` are missing or have another form.
    #[error("the hint does not say whom it is about ({0})")]
    Nobody(&'static str),
    /// Too old, or from the future.
    #[error("the hint was issued at {0}, and is not of now")]
    NotNow(Timestamp),
}

/// What openidconnect leaves to us.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct EntraClaims {
    tid: Option<Guid>,
    oid: Option<Guid>,
    ver: Option<String>,
    upn: Option<String>,
    nbf: Option<i64>,
    scp: Option<serde_json::Value>,
    idtyp: Option<String>,
    acct: Option<serde_json::Value>,
    idp: Option<serde_json::Value>,
}

impl EntraClaims {
    /// A guest by `acct` (1), or by `idp`: who signed the person in, which names the tenant or is
    /// left out where it is the tenant itself.
    fn membership(&self, tenant: Guid) -> Membership {
        let guest = self
            .acct
            .as_ref()
            .is_some_and(|acct| acct == 1 || acct == "1");
        let elsewhere = self.idp.as_ref().is_some_and(|idp| {
            let idp = idp.as_str().unwrap_or_default().to_ascii_lowercase();
            !idp.contains(&tenant.to_string())
        });
        if guest || elsewhere {
            Membership::Guest
        } else {
            Membership::Member
        }
    }
}

impl AdditionalClaims for EntraClaims {}

type HintToken = IdToken<
    EntraClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

/// A hint that could be read. Nobody has checked who wrote it.
#[derive(Debug)]
pub struct UnverifiedHint {
    token: HintToken,
    tenant: Guid,
    kid: String,
    once: String,
}

/// What is looked at before anything is verified: to find the key, and for nothing else.
#[derive(Deserialize)]
struct Head {
    alg: Option<String>,
    kid: Option<String>,
    enc: Option<String>,
}

/// The same of the payload.
#[derive(Deserialize)]
struct Claimed {
    tid: Option<Guid>,
}

/// What must be remembered, so that a hint counts once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OnceOnly {
    /// Stands for the hint: SHA-256 of what was signed, hexadecimal. The signature is not in it:
    /// of one text there is one hint.
    pub key: String,
    /// Until when it must be remembered; afterwards the hint is too old.
    pub until: Timestamp,
}

/// Entra's word on who has done the first factor. Made only by [`UnverifiedHint::verify`].
#[derive(Debug)]
pub struct VerifiedHint {
    tenant: Guid,
    object_id: Guid,
    subject: String,
    preferred_username: Option<String>,
    upn: Option<String>,
    membership: Membership,
    first_amr: Vec<String>,
    issued_at: Timestamp,
    once: OnceOnly,
}

impl UnverifiedHint {
    /// Reads a signed token of three parts (RFC 7515 §3.1).
    ///
    /// # Errors
    /// See [`HintError`].
    pub fn parse(text: &str) -> Result<Self, HintError> {
        if text.len() > MAX_HINT {
            return Err(HintError::TooLarge);
        }
        let mut parts = text.split('.');
        let (Some(head), Some(payload)) = (parts.next(), parts.next()) else {
            return Err(HintError::Form);
        };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| HintError::Form);
        let head: Head = serde_json::from_slice(&decode(head)?).map_err(|_| HintError::Form)?;
        if head.enc.is_some() {
            return Err(HintError::Encrypted);
        }
        match head.alg {
            Some(alg) if alg == "RS256" => {}
            Some(other) => {
                return Err(HintError::Algorithm(other.chars().take(32).collect()));
            }
            None => return Err(HintError::Form),
        }
        let kid = head
            .kid
            .filter(|kid| (1..=256).contains(&kid.len()))
            .ok_or(HintError::NoKey)?;
        let claimed: Claimed =
            serde_json::from_slice(&decode(payload)?).map_err(|_| HintError::Form)?;
        let signed = text.rsplit_once('.').map_or("", |(signed, _)| signed);
        let once = digest::digest(&digest::SHA256, signed.as_bytes());
        Ok(Self {
            token: text.parse().map_err(|_| HintError::Form)?,
            tenant: claimed.tid.ok_or(HintError::Nobody("tid"))?,
            kid,
            once: data_encoding::HEXLOWER.encode(once.as_ref()),
        })
    }

    /// Whose it says to be: for looking up the tenant, for nothing else.
    pub fn tenant(&self) -> Guid {
        self.tenant
    }

    /// With which key it says to be signed: for looking that up, for nothing else.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Verifies it as one of this tenant's, now, with the keys of its cloud.
    ///
    /// # Errors
    /// See [`HintError`]; [`HintError::UnknownKey`] may pass when the keys are read again.
    pub fn verify(
        &self,
        tenant: &ExternalMfaTenant,
        keys: &HintKeys,
        now: Timestamp,
    ) -> Result<VerifiedHint, HintError> {
        if *keys.cloud() != tenant.cloud {
            return Err(HintError::OtherCloud);
        }
        let key = keys
            .key(&self.kid, tenant.tenant)
            .ok_or_else(|| HintError::UnknownKey(self.kid.chars().take(64).collect()))?;
        let verifier = verifier(tenant, key)?;
        let claims = self
            .token
            .claims(&verifier, |_: Option<&Nonce>| Ok(()))
            .map_err(HintError::Verification)?;
        // Documentation and field disagree on which of our two names stands there (facts §5.4).
        let application = tenant.application.to_string();
        match claims.audiences().as_slice() {
            [only] if **only == application || **only == tenant.client_id => {}
            _ => return Err(HintError::Audience),
        }
        let own = claims.additional_claims();
        if own.tid != Some(tenant.tenant) {
            return Err(HintError::Nobody("tid"));
        }
        if own.ver.as_deref() != Some("2.0") {
            return Err(HintError::Version);
        }
        if own.scp.is_some() || own.idtyp.as_deref().is_some_and(|of| of != "user") {
            return Err(HintError::NotAPerson);
        }
        let object_id = own.oid.ok_or(HintError::Nobody("oid"))?;
        let subject = claims.subject().as_str();
        if subject.is_empty() || subject.chars().count() > MAX_SUBJECT {
            return Err(HintError::Nobody("sub"));
        }
        let issued_at = at_second(claims.issue_time().timestamp());
        let from = own.nbf.map_or(issued_at, at_second).max(issued_at);
        if from > now.plus(MAX_AHEAD) || now.since(issued_at) > MAX_AGE {
            return Err(HintError::NotNow(issued_at));
        }
        let shown = |name: &str| {
            let fits = (1..=MAX_NAME).contains(&name.len()) && !name.chars().any(char::is_control);
            fits.then(|| name.to_owned())
        };
        let methods = claims.auth_method_refs().into_iter().flatten();
        Ok(VerifiedHint {
            tenant: tenant.tenant,
            object_id,
            subject: subject.to_owned(),
            preferred_username: claims.preferred_username().and_then(|name| shown(name)),
            upn: own.upn.as_deref().and_then(shown),
            membership: own.membership(tenant.tenant),
            first_amr: methods.take(16).map(|amr| amr.to_string()).collect(),
            issued_at,
            once: OnceOnly {
                key: self.once.clone(),
                until: issued_at.plus(MAX_AGE),
            },
        })
    }
}

/// Signature by that key with RS256, and the tenant's issuer byte for byte. Its look at `exp` is
/// put in the past: see above. The audience is one of two, and looked at by the caller.
fn verifier<'k>(
    tenant: &ExternalMfaTenant,
    key: &CoreJsonWebKey,
) -> Result<IdTokenVerifier<'k, CoreJsonWebKey>, HintError> {
    let issuer =
        IssuerUrl::new(tenant.cloud.issuer_of(tenant.tenant)).map_err(|_| HintError::Form)?;
    Ok(IdTokenVerifier::new_public_client(
        ClientId::new(tenant.application.to_string()),
        issuer,
        JsonWebKeySet::new(vec![key.clone()]),
    )
    .set_allowed_algs([CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256])
    .require_audience_match(false)
    .set_time_fn(Default::default))
}

fn at_second(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1000))
}

impl VerifiedHint {
    /// The tenant's id.
    pub fn tenant(&self) -> Guid {
        self.tenant
    }

    /// The person's object id there: with the tenant's, who it is.
    pub fn object_id(&self) -> Guid {
        self.object_id
    }

    /// `sub`, which an answer repeats. Other applications know the person by another.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What Entra calls the person. Never a key to who it is: a guest's is another tenant's.
    pub fn preferred_username(&self) -> Option<&str> {
        self.preferred_username.as_deref()
    }

    /// The user principal name, where the application asks for it. Never a key by itself.
    pub fn upn(&self) -> Option<&str> {
        self.upn.as_deref()
    }

    /// Whether the account is the tenant's own.
    pub fn membership(&self) -> Membership {
        self.membership
    }

    /// How the first factor was done, if the hint says it.
    pub fn first_amr(&self) -> &[String] {
        &self.first_amr
    }

    /// When Entra sent the person.
    pub fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// What the store must remember before anything is made of it: the caller writes it in one
    /// conditional insert, and a hint that is there already is refused (attacks 23, 28).
    pub fn once(&self) -> &OnceOnly {
        &self.once
    }
}

#[cfg(test)]
mod tests;
