//! Proofs → authentication context (facts §1.3, §2.3).
//!
//! Entra reads one value in one place: `AuthnContextClassRef` =
//! `http://schemas.microsoft.com/claims/multipleauthn`. It follows here from two
//! classes of proof, and from nothing else.

use crate::{
    base::clock::Timestamp,
    factor::{self, FactorKind},
    session::SessionProof,
};

/// The class reference by which Entra knows multi-factor authentication.
pub const MULTIPLE_AUTHN: &str = "http://schemas.microsoft.com/claims/multipleauthn";

/// The value for a password (facts §2.3, vocabulary).
pub const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";

/// The same for SAML 1.1 (core §7.1.1).
pub const PASSWORD_SAML11: &str = "urn:oasis:names:tc:SAML:1.0:am:password";

/// The value for a TOTP or OATH token.
pub const TIME_SYNC_TOKEN: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken";

/// The value for a WebAuthn authenticator; ours, for readers (facts §2.3).
pub const WEBAUTHN: &str = "urn:claimbridge:webauthn";

/// What the proofs amount to.
pub(super) struct AuthnContext {
    pub(super) class_ref: &'static str,
    pub(super) method_references: Vec<&'static str>,
    pub(super) multi_factor_instant: Timestamp,
}

/// The context of these proofs, oldest first; `None` unless they are of two classes.
pub(super) fn of(proofs: &[SessionProof]) -> Option<AuthnContext> {
    let multi_factor_instant = second_class_at(proofs)?;
    let mut method_references = vec![MULTIPLE_AUTHN];
    for proof in proofs {
        let method = match proof.kind {
            FactorKind::Password => PASSWORD,
            FactorKind::Totp => TIME_SYNC_TOKEN,
            FactorKind::WebAuthn | FactorKind::WebAuthnVerified => WEBAUTHN,
        };
        if !method_references.contains(&method) {
            method_references.push(method);
        }
    }
    Some(AuthnContext {
        class_ref: MULTIPLE_AUTHN,
        method_references,
        multi_factor_instant,
    })
}

/// When the person had proved two classes; a key that verified its person proves both at once.
fn second_class_at(proofs: &[SessionProof]) -> Option<Timestamp> {
    (1..=proofs.len())
        .map(|count| &proofs[..count])
        .find(|first| factor::classes_of(first.iter().map(|proof| proof.kind)).len() >= 2)
        .and_then(|first| first.iter().map(|proof| proof.at).max())
}
