//! CB-SAML: a SAML 2.0 response as Entra takes it (facts §1.3).

/// Status, number of assertions, parties and addresses: CB-SAML-001…003, 010, 011, 017.
pub(super) mod addressing;
/// When and how the person signed in: CB-SAML-016, 018…022.
pub(super) mod authentication;
/// What the signatures are worth: CB-SAML-004…009.
pub(super) mod signatures;
/// Whom it speaks of: CB-SAML-012…015.
pub(super) mod subject;
