//! External MFA: Entra asks for the first factor, and we for the second.

/// The keys of Entra's clouds.
pub(super) mod hint_keys;
/// Tenants that ask here.
pub mod tenants;
