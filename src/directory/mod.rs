//! People and what they hold.
//!
//! Always true: what makes a row belong to a person is tagged under the master
//! key and checked on use, so a writer of the database cannot move a credential
//! or an ImmutableID to someone else (attack 38).

/// Passwords of single devices: rows and their tags.
pub mod app_password;
/// Passwords, TOTP secrets, temporary access passes: rows and their tags.
pub mod credential;
/// Accounts of tenants and whose they are.
pub mod external_account;
/// The value by which Entra knows a person.
pub mod immutable_id;
/// The kinds of second step.
pub mod method;
/// Which kinds of methods, and how many, by groups of people.
pub mod method_policy;
/// Files of hardware tokens: Entra's CSV and the vendors'.
pub mod oath_import;
/// The inventory of hardware tokens: rows and their tags.
pub mod oath_token;
/// Source anchors of an Active Directory as ImmutableIDs.
pub mod object_guid;
/// Security keys and passkeys.
pub mod security_key;

pub use app_password::ApplicationPassword;
pub use credential::{
    AccessPass, OathAlgorithm, PassReuse, PasswordCredential, TotpCredential, TotpParameters,
};
pub use external_account::{ExternalAccount, LinkTold, LinkedBy};
pub use immutable_id::ImmutableId;
pub use method::{MethodKind, MethodKindError};
pub use method_policy::{EffectivePolicy, GroupName, MethodPolicy};
pub use oath_token::{OathToken, Serial, TokenState};
pub use object_guid::AnchorForm;
pub use security_key::{AttestationState, CoseAlgorithm, SecurityKey};

use crate::{
    base::{clock::Timestamp, ids::UserId, text::Upn},
    keys::sealing::{SealError, Sealing, TagLabel},
};

/// A person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// Our id.
    pub id: UserId,
    /// The user principal name, canonical.
    pub upn: Upn,
    /// What pages call the person.
    pub display_name: String,
    /// Entra's `onPremisesImmutableId` of the person.
    pub immutable_id: Option<ImmutableId>,
    /// Since when the person may not sign in.
    pub disabled_at: Option<Timestamp>,
    /// When the person was added.
    pub created_at: Timestamp,
    /// See [`identity_tag`].
    pub identity_tag: String,
}

impl User {
    /// Checks that id, UPN and ImmutableID belong together.
    pub fn require_identity(&self, sealing: &Sealing) -> Result<(), SealError> {
        sealing.verify_tag(
            TagLabel::Identity,
            &identity_fields(&self.id, &self.upn, self.immutable_id.as_ref()),
            &self.identity_tag,
        )
    }
}

/// The tag over (id, UPN, ImmutableID) of a person.
pub fn identity_tag(
    sealing: &Sealing,
    id: &UserId,
    upn: &Upn,
    immutable_id: Option<&ImmutableId>,
) -> String {
    sealing.tag(TagLabel::Identity, &identity_fields(id, upn, immutable_id))
}

fn identity_fields<'a>(
    id: &'a UserId,
    upn: &'a Upn,
    immutable_id: Option<&'a ImmutableId>,
) -> [&'a [u8]; 3] {
    [
        id.as_str().as_bytes(),
        upn.as_str().as_bytes(),
        immutable_id.map_or("", ImmutableId::as_str).as_bytes(),
    ]
}
