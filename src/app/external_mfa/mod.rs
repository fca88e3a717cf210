//! External MFA: Entra asks for the first factor, and we for the second.

/// Tenants that ask here.
pub mod tenants;
