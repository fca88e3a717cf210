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

#[cfg(test)]
mod tests {
    use super::*;

    /// `json` with spaces after it, `bytes` long.
    fn padded(json: &str, bytes: usize) -> String {
        format!("{json:<bytes$}")
    }

    #[test]
    fn attack_17_a_registration_has_32_kib_and_no_more() {
        let new_key = r#"{"id":"AA","rawId":"AA","type":"public-key","response":{"attestationObject":"AA","clientDataJSON":"AA"}}"#;
        let of_new_key = |bytes| UnverifiedRegistration::parse(&padded(new_key, bytes)).err();
        assert_eq!(of_new_key(32_768), None);
        assert_eq!(of_new_key(32_769), Some(KeyRefused::TooLarge));
    }

    #[test]
    fn attack_17_an_assertion_has_8_kib_and_no_more() {
        let signed = r#"{"id":"AA","rawId":"AA","type":"public-key","response":{"authenticatorData":"AA","clientDataJSON":"AA","signature":"AA"}}"#;
        let of_signed = |bytes| UnverifiedAssertion::parse(&padded(signed, bytes)).err();
        assert_eq!(of_signed(8_192), None);
        assert_eq!(of_signed(8_193), Some(KeyRefused::TooLarge));
    }

    /// The library looks at the same flags afterwards; these are judged by us first.
    #[test]
    fn attack_9_site_touch_and_verification_are_what_was_demanded() {
        let scope = Scope::new("https://idp.contoso.com", "Contoso").unwrap();
        let judged = |rp_id: &str, flags: u8, user_verification| {
            let id = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, rp_id.as_bytes());
            let bytes = [id.as_ref(), &[flags], &[0; 4]].concat();
            let data = AuthenticatorData::parse(&bytes).unwrap();
            let demand = Demand {
                user_verification,
                algorithms: Vec::new(),
                asks_attestation: false,
                takes_synced: false,
            };
            require_flags(&data, &demand, &scope)
        };
        let (ours, up, uv) = ("idp.contoso.com", 0x01, 0x04);
        let (required, discouraged) = (UserVerification::Required, UserVerification::Discouraged);
        let preferred = UserVerification::Preferred;
        assert_eq!(judged(ours, up | uv, required), Ok(()));
        assert_eq!(judged(ours, up, required), Err(KeyRefused::NotVerified));
        for demand in [preferred, discouraged] {
            assert_eq!(judged(ours, up, demand), Ok(()));
            assert_eq!(judged(ours, up | uv, demand), Ok(()));
        }
        for demand in [required, preferred, discouraged] {
            assert_eq!(judged(ours, uv, demand), Err(KeyRefused::NotPresent));
            let other = judged("contoso.com", up | uv, demand);
            assert_eq!(other, Err(KeyRefused::RpIdHash));
        }
    }
}
