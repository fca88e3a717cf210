//! What a browser sends back (`PublicKeyCredential.toJSON()`, WebAuthn §5.1.8), read and
//! bounded before anything else sees it.
//!
//! Always true: whoever holds one of these compared the origin byte for byte. The library
//! compares parsed URLs, in which `HTTPS://IDP.contoso.com:443/` is `https://idp.contoso.com`;
//! browsers write one form only, so anything else is not a browser of ours (attack 8).

use serde::Deserialize;
use webauthn_rs_core::proto::{PublicKeyCredential, RegisterPublicKeyCredential};

use super::{
    authenticator_data::{AttestationObject, AuthenticatorData, Flag},
    ceremony::{Demand, UserVerification},
    refused::KeyRefused,
    scope::Scope,
};

/// The largest answer to a registration, in bytes of JSON. A TPM's attestation has about 8,000.
pub const LARGEST_REGISTRATION: usize = 32 * 1024;
/// The largest answer to a sign-in, in bytes of JSON. Usual ones have about 700.
pub const LARGEST_ASSERTION: usize = 8 * 1024;

/// A new key, as a browser sends it. Nothing of it was checked against a challenge.
pub struct UnverifiedRegistration(pub(super) RegisterPublicKeyCredential);

/// A signed challenge, as a browser sends it. Nothing of it was checked against a challenge.
pub struct UnverifiedAssertion(pub(super) PublicKeyCredential);

impl UnverifiedRegistration {
    /// Reads what a browser sent.
    pub fn parse(json: &str) -> Result<Self, KeyRefused> {
        let answer: RegisterPublicKeyCredential = read(json, LARGEST_REGISTRATION)?;
        require_shape(&answer.id, &answer.raw_id, &answer.type_)?;
        Ok(Self(answer))
    }

    /// Checks what the library would not, and gives the authenticator's own words.
    pub(super) fn require(
        &self,
        scope: &Scope,
        demand: &Demand,
    ) -> Result<AttestationObject<'_>, KeyRefused> {
        let answer = &self.0;
        require_client_data(&answer.response.client_data_json, "webauthn.create", scope)?;
        let object = AttestationObject::parse(&answer.response.attestation_object)?;
        require_flags(&object.data, demand, scope)?;
        match &object.data.new_key {
            None => Err(KeyRefused::NoKey),
            Some(key) if key.credential_id != answer.raw_id => {
                Err(KeyRefused::CredentialIdMismatch)
            }
            Some(_) => Ok(object),
        }
    }
}

impl UnverifiedAssertion {
    /// Reads what a browser sent.
    pub fn parse(json: &str) -> Result<Self, KeyRefused> {
        let answer: PublicKeyCredential = read(json, LARGEST_ASSERTION)?;
        require_shape(&answer.id, &answer.raw_id, &answer.type_)?;
        Ok(Self(answer))
    }

    /// Which key the browser says it is. To look it up with, no more.
    pub fn credential_id(&self) -> &[u8] {
        &self.0.raw_id
    }

    /// Whose key the authenticator says it is: what we gave it at registration.
    pub fn user_handle(&self) -> Option<&[u8]> {
        // Some browsers send an empty one for "none".
        self.0
            .get_user_unique_id()
            .filter(|handle| !handle.is_empty())
    }

    pub(super) fn require(
        &self,
        scope: &Scope,
        demand: &Demand,
    ) -> Result<AuthenticatorData<'_>, KeyRefused> {
        let response = &self.0.response;
        require_client_data(&response.client_data_json, "webauthn.get", scope)?;
        let data = AuthenticatorData::parse(&response.authenticator_data)?;
        require_flags(&data, demand, scope)?;
        if data.new_key.is_some() {
            return Err(KeyRefused::UnexpectedKey);
        }
        Ok(data)
    }
}

fn read<'a, T: Deserialize<'a>>(json: &'a str, largest: usize) -> Result<T, KeyRefused> {
    if json.len() > largest {
        return Err(KeyRefused::TooLarge);
    }
    serde_json::from_str(json).map_err(|_| KeyRefused::Unreadable)
}

fn require_shape(id: &str, raw_id: &[u8], kind: &str) -> Result<(), KeyRefused> {
    if kind != "public-key" {
        return Err(KeyRefused::NotAPublicKey);
    }
    if id != data_encoding::BASE64URL_NOPAD.encode(raw_id) {
        return Err(KeyRefused::IdMismatch);
    }
    Ok(())
}

/// The members of the client data that we judge (WebAuthn §5.8.1); a name that comes twice is
/// an error of the reader.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData<'a> {
    #[serde(borrow, rename = "type")]
    kind: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    origin: std::borrow::Cow<'a, str>,
    #[serde(default)]
    cross_origin: bool,
    #[serde(borrow)]
    top_origin: Option<std::borrow::Cow<'a, str>>,
}

fn require_client_data(bytes: &[u8], kind: &str, scope: &Scope) -> Result<(), KeyRefused> {
    let data: ClientData<'_> = serde_json::from_slice(bytes).map_err(|_| KeyRefused::ClientData)?;
    if data.kind != kind {
        return Err(KeyRefused::Type);
    }
    if data.origin != scope.origin() {
        return Err(KeyRefused::Origin);
    }
    if data.cross_origin || data.top_origin.is_some() {
        return Err(KeyRefused::CrossOrigin);
    }
    Ok(())
}

fn require_flags(
    data: &AuthenticatorData<'_>,
    demand: &Demand,
    scope: &Scope,
) -> Result<(), KeyRefused> {
    let id = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, scope.id().as_bytes());
    if data.rp_id_hash != id.as_ref() {
        return Err(KeyRefused::RpIdHash);
    }
    if !data.has(Flag::UserPresent) {
        return Err(KeyRefused::NotPresent);
    }
    // Attack 9: what was demanded stands in what we stored.
    if demand.user_verification == UserVerification::Required && !data.has(Flag::UserVerified) {
        return Err(KeyRefused::NotVerified);
    }
    Ok(())
}
