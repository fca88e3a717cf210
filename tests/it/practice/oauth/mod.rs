//! What an application meets at the tenant's OAuth and OpenID Connect endpoints.

mod assertion;
mod codes;
mod device;
pub mod kit;
mod mfa;
mod secrets;
