//! What is written down.
//!
//! Always true: an event is written in the transaction of the change it tells of,
//! with the node and its sequence number, so that gaps show; the list of events is
//! closed ([`Event`]); what a stranger can cause is counted ([`Refused`]), never
//! stored row by row; every answer that leaves has a [`Receipt`].

mod receipt;
mod refused;

pub use receipt::Receipt;
pub use refused::Refused;

use serde::Serialize;

use crate::base::{
    clock::Timestamp,
    ids::{
        AttemptId, ChangeId, CredentialId, EventId, KeyId, NodeId, OathTokenId, PassId,
        RecoveryCodeId, SessionId, UserId,
    },
};

/// Who did it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "actor", content = "name")]
pub enum Actor {
    /// The person the event is about, in a browser.
    Person,
    /// An operator on the command line: the operating system's account.
    Operator(String),
    /// claimbridge itself.
    System,
}

/// Everything that is written down about someone or something. Closed: a new event is
/// a new variant, and `explain` describes each.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(
    rename_all = "kebab-case",
    rename_all_fields = "snake_case",
    tag = "event"
)]
#[expect(
    missing_docs,
    reason = "fields are named by what they hold; variants are documented"
)]
pub enum Event {
    /// A person was added.
    UserAdded { upn: String },
    /// A person may not sign in any more.
    UserDisabled,
    /// A person may sign in again.
    UserEnabled,
    /// Waiting times were lifted. A dead password stays dead until a new one is set.
    UserUnlocked,
    /// All methods, sessions and passes of a person were taken away.
    UserReset,
    /// A password was set.
    PasswordSet { credential: CredentialId },
    /// A program sent a password for a token (WS-Trust); its outcome is the next event under
    /// this id, which is that of no page.
    TokenAsked { attempt: AttemptId },
    /// A password was tried; its outcome is the next event of the attempt.
    PasswordTried { attempt: AttemptId },
    /// A password was right.
    PasswordVerified {
        attempt: AttemptId,
        credential: CredentialId,
    },
    /// A password was refused.
    PasswordRefused {
        attempt: AttemptId,
        reason: &'static str,
    },
    /// A password is dead until it is reset, after too many wrong codes.
    PasswordDied { failures: u32 },
    /// A one-time code was tried; its outcome is the next event of the attempt.
    CodeTried { attempt: AttemptId },
    /// A one-time code was right.
    CodeVerified {
        attempt: AttemptId,
        credential: CredentialId,
    },
    /// A one-time code was refused.
    CodeRefused {
        attempt: AttemptId,
        reason: &'static str,
    },
    /// A security key signed the challenge. `verified`: "person" if it checked its PIN or
    /// a biometric, "touch" if not.
    KeyVerified {
        attempt: AttemptId,
        credential: CredentialId,
        verified: &'static str,
    },
    /// The answer of a security key was refused, at a sign-in or when it was to be added.
    KeyRefused {
        attempt: AttemptId,
        credential: Option<CredentialId>,
        reason: &'static str,
    },
    /// A security key counts although something is held against it, because the policy only
    /// warns.
    KeyDoubted {
        credential: CredentialId,
        doubt: &'static str,
    },
    /// This try began a wait, which a right answer ends. Tries that the wait refuses are
    /// counted, not stored.
    Waiting {
        counter: &'static str,
        until: String,
    },
    /// A temporary access pass was issued.
    PassIssued { pass: PassId, expires_at: String },
    /// A pass opened enrolment.
    PassAccepted { pass: PassId, attempt: AttemptId },
    /// A pass was refused.
    PassRefused { attempt: AttemptId },
    /// A pass was taken back.
    PassRevoked { pass: PassId },
    /// Ten new recovery codes were made; the former ones ended.
    RecoveryCodesMade,
    /// A recovery code opened re-enrolment.
    RecoveryCodeAccepted {
        code: RecoveryCodeId,
        attempt: AttemptId,
    },
    /// A password for one device was made (WS-Trust).
    AppPasswordAdded {
        credential: CredentialId,
        label: String,
    },
    /// It was revoked.
    AppPasswordRevoked { credential: CredentialId },
    /// A method was added and confirmed.
    MethodAdded {
        credential: CredentialId,
        kind: &'static str,
        name: String,
    },
    /// A method was given another name.
    MethodRenamed {
        credential: CredentialId,
        name: String,
    },
    /// A method was taken away.
    MethodRevoked { credential: CredentialId },
    /// A person was put into a group: other rules apply.
    GroupJoined { group: String },
    /// A person was taken out of a group.
    GroupLeft { group: String },
    /// A FIDO metadata file is used from now on.
    MetadataUsed { number: u64, entries: u64 },
    /// Tokens came into the inventory.
    OathTokensImported { count: u64 },
    /// The inventory left as a file, with its secrets.
    OathTokensExported,
    /// A token was handed to a person.
    OathTokenAssigned { token: OathTokenId, serial: String },
    /// A person activated a token: it became that credential.
    OathTokenActivated {
        token: OathTokenId,
        serial: String,
        credential: CredentialId,
    },
    /// Two codes of a token told how far its clock is off.
    OathTokenResynced {
        token: OathTokenId,
        serial: String,
        drift_steps: i64,
    },
    /// A token was taken back into stock, is lost, or was retired.
    OathTokenTaken {
        token: OathTokenId,
        serial: String,
        state: &'static str,
    },
    /// The value by which Entra knows the person was set.
    ImmutableIdSet { value: String },
    /// The tenant is about to be given the value from here, by Graph. Without one of
    /// [`Self::ImmutableIdSent`] after it, it was refused or its end was not seen.
    ImmutableIdSending { value: String },
    /// The tenant was given the value from here, by Graph.
    ImmutableIdSent { value: String },
    /// It was replaced.
    ImmutableIdReplaced { from: Option<String>, to: String },
    /// A person signed in to the own account pages. `proofs` as in [`Receipt::proofs`].
    AccountOpened { attempt: AttemptId, proofs: String },
    /// An answer was sent: see the receipt of that assertion.
    AnswerIssued {
        attempt: AttemptId,
        relying_party: String,
        assertion: String,
    },
    /// A refusal was sent to the relying party.
    AnswerRefused {
        attempt: AttemptId,
        relying_party: String,
        reason: &'static str,
    },
    /// A signed answer failed the inspector's rules and was not sent.
    PreFlightFailed {
        attempt: AttemptId,
        rules: Vec<String>,
    },
    /// Entra sent somebody for a second factor whose account is nobody's here: `name` is what
    /// Entra calls it.
    ExternalMfaStranger {
        attempt: AttemptId,
        tenant: String,
        object: String,
        name: Option<String>,
    },
    /// Entra was told that the person proved one factor: which, in its words.
    ExternalMfaAnswered {
        attempt: AttemptId,
        tenant: String,
        acr: &'static str,
        amr: &'static str,
    },
    /// Entra was told that there is no second factor. `reason`: "cancelled", "disabled",
    /// "too-late" or "outage".
    ExternalMfaRefused {
        attempt: AttemptId,
        tenant: String,
        reason: &'static str,
    },
    /// An account of an Entra tenant is this person's from now on (External MFA). `by`: "proof",
    /// the person's own at a second factor, or "operator". `linked_at` names the link.
    ExternalAccountLinked {
        tenant: String,
        object: String,
        by: &'static str,
        linked_at: Timestamp,
    },
    /// It is no longer; `links` names those that ended.
    ExternalAccountUnlinked {
        tenant: String,
        object: String,
        links: Vec<Timestamp>,
    },
    /// A session began.
    SessionBegun { session: SessionId },
    /// A session ended.
    SessionEnded {
        session: SessionId,
        reason: &'static str,
    },
    /// A party of a session that was signed out was asked to end its own: what is known of
    /// it. `outcome`: "signed-out", "partly", "refused", "no-answer", "asked" (in a frame, which
    /// cannot be confirmed) or "cannot-be-asked".
    PartyAskedToSignOut {
        session: SessionId,
        relying_party: String,
        outcome: &'static str,
    },
    /// All sessions and open attempts of the person ended.
    SessionsEnded { reason: &'static str },
    /// A row was altered or moved outside claimbridge.
    TamperingFound { what: &'static str },
    /// A domain was added.
    DomainAdded { domain: String, issuer: String },
    /// A tenant's people prove their second factor here from now on (External MFA).
    TenantAdded {
        tenant: String,
        client_id: String,
        application: String,
        cloud: &'static str,
    },
    /// They do no more.
    TenantRemoved { tenant: String, client_id: String },
    /// A change of a domain's federation at Entra began. `kind`: "apply" or "rollback".
    FederationChangeBegun {
        change: ChangeId,
        kind: &'static str,
        domain: String,
        administrator: String,
        tenant: Option<String>,
    },
    /// A call of it was sent, and this came of it: "done", "refused" or "unknown".
    FederationCalled {
        change: ChangeId,
        domain: String,
        call: String,
        outcome: &'static str,
    },
    /// It is over: "done", "refused" or "rolled-back".
    FederationChangeFinished {
        change: ChangeId,
        domain: String,
        outcome: &'static str,
    },
    /// Somebody drew a line in the journal of a domain's changes; these were altered and count no longer.
    FederationJournalSetAside {
        change: ChangeId,
        domain: String,
        set_aside: Vec<String>,
    },
    /// A relying party was registered.
    RelyingPartyAdded { entity_id: String },
    /// A relying party was removed.
    RelyingPartyRemoved { entity_id: String },
    /// A signing key was made.
    KeyCreated {
        key: KeyId,
        purpose: String,
        #[serde(flatten)]
        generation: Option<Generation>,
    },
    /// A signing key was published. `forced`: what spoke against it.
    KeyStaged {
        key: KeyId,
        purpose: String,
        forced: Vec<String>,
        #[serde(flatten)]
        generation: Generation,
    },
    /// A signing key signs from now on. `forced`: what spoke against it.
    KeyActivated {
        key: KeyId,
        former: Option<KeyId>,
        purpose: String,
        forced: Vec<String>,
        #[serde(flatten)]
        generation: Generation,
    },
    /// A signing key was taken away and its private half erased. `forced`: what spoke against it.
    KeyRetired {
        key: KeyId,
        purpose: String,
        forced: Vec<String>,
        #[serde(flatten)]
        generation: Generation,
    },
    /// A party was seen to know a signing key ("held", or "confirmed" by the operator's word),
    /// or not to ("missing").
    KeySeen {
        key: KeyId,
        party: String,
        seen: &'static str,
    },
    /// The watch over the federation found something.
    AlarmRaised {
        kind: String,
        severity: &'static str,
        domain: Option<String>,
        sentence: String,
    },
    /// What it had found is another now.
    AlarmChanged {
        kind: String,
        severity: &'static str,
        domain: Option<String>,
        sentence: String,
    },
    /// What it had found is there no more.
    AlarmOver {
        kind: String,
        domain: Option<String>,
    },
    /// Everything sealed was sealed again under a new master key.
    KeysRewrapped { from: String, to: String },
}

/// How many changes of a purpose's keys there were with this one: whoever puts an older copy of
/// the keys back is behind it. Keys for evidence are not counted.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Generation {
    /// The number.
    pub generation: i64,
    /// Vouches for it (`keys::mark::tag_generation`).
    pub generation_tag: String,
}

/// An event as it is stored.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Its id.
    pub id: EventId,
    /// The process that wrote it.
    pub node: NodeId,
    /// Counts up by one for each entry of that node.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: Actor,
    /// About whom.
    pub user: Option<UserId>,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}
