//! Federated domains as code: what Entra should have of us, what it has, and what lies
//! between (facts §4).
//!
//! Always true: pure. Everything that is known of the tenant was handed in, what was not
//! handed in is unknown and never taken for good; a plan changes only what differs, never
//! deletes, and leaves alone what is not ours to say.
//!
//! Read next: [`wanted`] (what should be), [`tenant`] (what is), [`plan`] (the way from one
//! to the other), [`restore`] (the way back), [`drift`] (what changed behind our back).

/// One domain's federation as Graph shows it.
pub mod configuration;
/// What changed behind our back.
pub mod drift;
/// What Entra must be told for External MFA.
pub mod external_mfa;
#[cfg(test)]
mod fixture;
/// From what is to what should be.
pub mod plan;
/// The plan as Microsoft Graph PowerShell.
pub mod powershell;
/// What must be so before anything is changed.
pub mod precondition;
/// The properties of Graph's `internalDomainFederation`, and their values.
pub mod property;
/// The way back.
pub mod restore;
/// What a tenant shows.
pub mod tenant;
/// What should be.
pub mod wanted;

pub use configuration::{Configuration, UnreadableConfiguration};
pub use drift::{Drift, DriftKind, DriftSeverity, drift};
pub use plan::{Call, CallWeight, Difference, Method, Plan, Warning, plan};
pub use property::{Platform, Property, Setting};
pub use restore::{Restoration, UnknownKeys, restore};
pub use tenant::{
    Authentication, DomainState, Lasts, Tenant, TokenValidation, UnreadableDomain, UnreadableState,
};
pub use wanted::{Certificates, KeyOrigin, Ours, RequestSigning, Wanted};
