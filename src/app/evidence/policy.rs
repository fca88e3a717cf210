//! The rules that sign-ins are held to, who is answered, and how far Entra is connected.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::super::Settings;
use crate::{
    directory::EffectivePolicy,
    factor::webauthn::policy::{
        Attestation, Models, Permission, Reaction, UserVerification, WebAuthnPolicy,
    },
    relying_party::{
        Domain, RelyingParty, RelyingPartyKind, RequestSignature, ResponseSignature, Sha1,
    },
    session::Desk,
    signin::{active::ActiveDoor, lockout::Delays},
};

fn seconds(duration: Duration) -> u64 {
    duration.as_secs()
}

/// `policy.json`.
pub(super) fn policy(settings: &Settings, domains: &[Domain], parties: &[RelyingParty]) -> Value {
    let groups: Vec<Value> = settings
        .methods
        .groups
        .iter()
        .map(|(name, policy)| {
            let mut value = methods(policy);
            value["group"] = json!(name);
            value
        })
        .collect();
    json!({
        "multi_factor": {
            "every_sign_in": true,
            "rule": "An answer leaves only if it rests on proofs of two different kinds (knowledge, possession, inherence) of one person: of one attempt in one browser, or of a session of that browser that is young enough. The claim is worked out from these proofs; there is no setting, mapping or act of an operator that makes it.",
            "password_alone": "opens nothing: neither an answer nor the enrolment of a method",
            "access_passes_and_recovery_codes": "open enrolment only; they are no proof and never carry the claim",
        },
        "ws_trust": match settings.active_door {
            ActiveDoor::Closed => "off",
            ActiveDoor::ApplicationPasswords => "on for application passwords; its tokens never carry the claim",
            ActiveDoor::OwnPasswordsToo => "on for application passwords and people's own; its tokens never carry the claim",
        },
        "methods": {"everyone": methods(&settings.methods.everyone), "groups": groups},
        "security_keys": security_keys(&settings.webauthn),
        "sessions": {
            "idle_seconds": seconds(settings.sessions.idle),
            "longest_seconds": seconds(settings.sessions.absolute),
            "entra_oldest_proof_seconds": seconds(settings.entra.session_max_age),
            "desk": match settings.desk { Desk::Ordinary => "ordinary", Desk::Clean => "clean" },
        },
        "attempt_seconds": seconds(settings.attempt_lifetime),
        "one_time_codes": {"steps_before_and_after": settings.totp_skew, "each_accepted": "once"},
        "guesses": {"of_a_person": delays(settings.person_delays), "of_an_address": delays(settings.source_delays)},
        "leaked_passwords_refused": settings.breached_passwords_file.is_some(),
        "domains": domains.iter().map(|domain| json!({
            "name": domain.name.as_str(), "root": domain.root.as_str(), "issuer": domain.issuer_uri,
        })).collect::<Vec<Value>>(),
        "relying_parties": std::iter::once(&settings.entra).chain(parties).map(party).collect::<Vec<Value>>(),
    })
}

fn methods(policy: &EffectivePolicy) -> Value {
    json!({"allowed": policy.allowed(), "at_least": policy.minimum()})
}

fn delays(delays: Delays) -> Value {
    json!({
        "free_tries": delays.free,
        "first_wait_seconds": seconds(delays.base),
        "longest_wait_seconds": seconds(delays.cap),
        "one_forgiven_each_seconds": delays.forgiven.map(seconds),
    })
}

fn security_keys(policy: &WebAuthnPolicy) -> Value {
    let permission = |permission| match permission {
        Permission::Allowed => "allowed",
        Permission::Refused => "refused",
    };
    let reaction = |reaction| match reaction {
        Reaction::Refuse => "refuse",
        Reaction::Warn => "warn",
    };
    let algorithms: Vec<String> = policy.algorithms.iter().map(ToString::to_string).collect();
    json!({
        "user_verification": match policy.user_verification {
            UserVerification::Required => "required",
            UserVerification::Preferred => "preferred; without it the key is possession only, and a password is asked too",
        },
        "algorithms": algorithms,
        "attestation": match policy.attestation {
            Attestation::NotAsked => "not asked",
            Attestation::Recorded => "recorded",
            Attestation::Enforced => "enforced",
        },
        "models": match &policy.models {
            Models::Any => json!("any"),
            Models::Only(models) => json!({"only": models}),
            Models::Except(models) => json!({"except": models}),
        },
        "synced": permission(policy.synced),
        "without_model": permission(policy.without_model),
        "unattested": permission(policy.unattested),
        "compromised_models": reaction(policy.compromised),
        "stale_metadata": reaction(policy.stale_metadata),
    })
}

fn party(party: &RelyingParty) -> Value {
    json!({
        "entity_id": party.entity_id,
        "name": party.display_name,
        "kind": match party.kind {
            RelyingPartyKind::Entra => "entra",
            RelyingPartyKind::ServiceProvider => "service-provider",
        },
        "reply_urls": party.reply_urls.iter().map(|reply| &reply.url).collect::<Vec<_>>(),
        "signed_requests": match party.request_signature {
            RequestSignature::Required => "required",
            RequestSignature::Optional => "optional",
        },
        "sha1_in_requests": match party.sha1 {
            Sha1::Refused => "refused",
            Sha1::AllowedInRequests => "allowed",
        },
        "signed": match party.response_signature {
            ResponseSignature::AssertionOnly => "assertion",
            ResponseSignature::AssertionAndResponse => "assertion and response",
        },
        "oldest_proof_seconds": seconds(party.session_max_age),
    })
}

/// `federation.json`.
#[derive(Debug, Serialize)]
pub(super) struct Federation {
    /// Whether claimbridge can read the tenant's federation settings. It cannot yet.
    pub state: &'static str,
    pub meaning: &'static str,
    /// What the tenant must have been told for its people to be sent here.
    pub domains: Vec<FederatedDomain>,
    pub to_be_checked_in_the_tenant: Vec<&'static str>,
}

/// What Entra must know of a domain.
#[derive(Debug, Serialize)]
pub(super) struct FederatedDomain {
    pub name: String,
    pub issuer: String,
    pub sign_in_url: String,
    pub protocol: &'static str,
    pub federated_idp_mfa_behavior: &'static str,
}

impl Federation {
    pub fn new(settings: &Settings, domains: &[Domain]) -> Self {
        Self {
            state: "not-connected",
            meaning: "This server is not connected to the tenant's settings: it cannot see whether a domain is federated there, or with what. The table says what it must be there; the settings themselves have to be read in the tenant.",
            domains: domains
                .iter()
                .map(|domain| FederatedDomain {
                    name: domain.name.to_string(),
                    issuer: domain.issuer_uri.clone(),
                    sign_in_url: settings.sign_in_url(domain),
                    protocol: settings.protocol_of(domain).as_str(),
                    federated_idp_mfa_behavior: "enforceMfaByFederatedIdp",
                })
                .collect(),
            to_be_checked_in_the_tenant: vec![
                "that each domain is federated with this issuer and one of the certificates of versions.json (purpose assertion), and with no other",
                "that federatedIdpMfaBehavior is enforceMfaByFederatedIdp; without it Entra does not believe the claim",
                "that no other domain is federated with a party that nobody knows",
                "accounts of other domains, guests, service accounts and the emergency accounts: they do not sign in here, and this bundle says nothing of them",
            ],
        }
    }
}
