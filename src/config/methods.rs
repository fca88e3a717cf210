//! `[policy.webauthn]`, `[[policy.group]]` and the clean-desk profile.
//!
//! Always true: at a clean desk the defaults are the profile's, and what the file says
//! against it is a problem, not a surprise on the day of the audit. Nothing here can
//! switch a factor off: a policy only narrows what counts.

use std::path::PathBuf;

use super::{Branding, Policy, reader::Reader};
use crate::{
    base::aaguid::Aaguid,
    directory::{EffectivePolicy, GroupName, MethodKind, MethodPolicy},
    factor::webauthn::policy::{
        Attestation, CoseAlgorithm, Models, Permission, Reaction, UserVerification, WebAuthnPolicy,
    },
    session::{Desk, Stay},
};

/// Security keys: which count, and the file that knows their models.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WebAuthnSetting {
    /// Which keys count.
    pub policy: WebAuthnPolicy,
    /// The FIDO metadata file.
    pub mds_file: Option<PathBuf>,
    /// Certificates that may sign it, instead of FIDO's root.
    pub mds_root_file: Option<PathBuf>,
}

/// `policy.clean_desk`.
pub(super) fn read_desk(reader: &mut Reader) -> Desk {
    if reader.flag("policy.clean_desk") {
        Desk::Clean
    } else {
        Desk::Ordinary
    }
}

/// `[policy.webauthn]`. At a clean desk keys are attested and stay in one device.
pub(super) fn read_webauthn(reader: &mut Reader, desk: Desk) -> WebAuthnSetting {
    let key = |name: &str| format!("policy.webauthn.{name}");
    let usual = match desk {
        Desk::Ordinary => WebAuthnPolicy::default(),
        Desk::Clean => WebAuthnPolicy {
            attestation: Attestation::Enforced,
            synced: Permission::Refused,
            unattested: Permission::Refused,
            ..WebAuthnPolicy::default()
        },
    };
    let permission = [
        ("allowed", Permission::Allowed),
        ("refused", Permission::Refused),
    ];
    let reaction = [("refuse", Reaction::Refuse), ("warn", Reaction::Warn)];
    let policy = WebAuthnPolicy {
        user_verification: choice(
            reader,
            &key("user_verification"),
            usual.user_verification,
            &[
                ("required", UserVerification::Required),
                ("preferred", UserVerification::Preferred),
            ],
        ),
        algorithms: read_algorithms(reader, &key("algorithms"), usual.algorithms),
        attestation: choice(
            reader,
            &key("attestation"),
            usual.attestation,
            &[
                ("not-asked", Attestation::NotAsked),
                ("recorded", Attestation::Recorded),
                ("enforced", Attestation::Enforced),
            ],
        ),
        models: read_models(reader, &key("allowed_models"), &key("refused_models")),
        synced: choice(reader, &key("synced_passkeys"), usual.synced, &permission),
        without_model: choice(
            reader,
            &key("keys_without_model"),
            usual.without_model,
            &permission,
        ),
        unattested: usual.unattested,
        compromised: choice(
            reader,
            &key("compromised_models"),
            usual.compromised,
            &reaction,
        ),
        stale_metadata: choice(
            reader,
            &key("stale_metadata"),
            usual.stale_metadata,
            &reaction,
        ),
    };
    if matches!(policy.models, Models::Only(_)) && policy.without_model == Permission::Allowed {
        reader.object(
            &key("keys_without_model"),
            "allowed_models lets only keys in that name their model; write \"refused\", or take the list out",
        );
    }
    let mds_file = read_present(reader, &key("mds_file"));
    let mds_root_file = read_present(reader, &key("mds_root_file"));
    if mds_root_file.is_some() && !reader.has(&key("mds_file")) {
        reader.object(
            &key("mds_root_file"),
            "there is no mds_file that it could be the root of; name one, or take this out",
        );
    }
    if policy.attestation == Attestation::Enforced
        && desk == Desk::Ordinary
        && !reader.has(&key("mds_file"))
    {
        reader.object(
            &key("attestation"),
            "attestation can only be enforced with a FIDO metadata file; name it with mds_file",
        );
    }
    WebAuthnSetting {
        policy,
        mds_file,
        mds_root_file,
    }
}

/// One of `choices`, or `usual`.
pub(super) fn choice<T: Copy>(
    reader: &mut Reader,
    key: &str,
    usual: T,
    choices: &[(&str, T)],
) -> T {
    let Some(text) = reader.text(key) else {
        return usual;
    };
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
        return *choice;
    }
    let names: Vec<String> = choices
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    reader.object(key, &format!("write {}", names.join(" or ")));
    usual
}

/// A path whose file can be read.
pub(super) fn read_present(reader: &mut Reader, key: &str) -> Option<PathBuf> {
    let path = reader.path(key)?;
    if let Err(error) = std::fs::File::open(&path) {
        let text = format!(
            "{} cannot be read ({error}); correct the path, or let this user read it",
            path.display()
        );
        reader.object(key, &text);
    }
    Some(path)
}

fn read_algorithms(
    reader: &mut Reader,
    key: &str,
    usual: Vec<CoseAlgorithm>,
) -> Vec<CoseAlgorithm> {
    let list: Vec<CoseAlgorithm> = reader.list(key);
    if !reader.has(key) {
        return usual;
    }
    if list.is_empty() {
        reader.object(
            key,
            "it is empty, so that no key counts; name at least ES256",
        );
    }
    if list.contains(&CoseAlgorithm::EDDSA) {
        reader.object(
            key,
            "signatures of EdDSA are not verified here yet, so that such keys would never work; take it out",
        );
    }
    list
}

fn read_models(reader: &mut Reader, allowed: &str, refused: &str) -> Models {
    let (only, except): (Vec<Aaguid>, Vec<Aaguid>) = (reader.list(allowed), reader.list(refused));
    for (key, list) in [(allowed, &only), (refused, &except)] {
        if list.iter().any(Aaguid::is_zero) {
            reader.object(
                key,
                "the zero AAGUID names no model; say keys_without_model = \"allowed\" or \"refused\"",
            );
        }
    }
    match (reader.has(allowed), reader.has(refused)) {
        (true, true) => {
            reader.object(
                refused,
                "allowed_models is set too, and names all that are allowed; keep one of them",
            );
            Models::Only(only)
        }
        // An empty list in the file is what stands there: nobody, or all.
        (true, false) => Models::Only(only),
        (false, true) => Models::Except(except),
        (false, false) => Models::Any,
    }
}

/// `policy.allowed_methods`, `policy.minimum_methods` and `[[policy.group]]`.
pub(super) fn read_methods(reader: &mut Reader) -> MethodPolicy {
    let everyone = read_effective(reader, "policy", &EffectivePolicy::default());
    let mut groups: Vec<(GroupName, EffectivePolicy)> = Vec::new();
    // One more than there are, so that the keys are known when there is none.
    let count = reader.count("policy.group");
    for index in 0..=count {
        let section = format!("policy.group.{index}");
        let name_key = format!("{section}.name");
        let name = reader.parsed::<GroupName>(&name_key);
        let policy = read_effective(reader, &section, &everyone);
        let Some(name) = name else {
            if index < count && !reader.has(&name_key) {
                reader.object(
                    &name_key,
                    "it is missing; write the name of the group that the entry is for",
                );
            }
            continue;
        };
        if groups.iter().any(|(known, _)| *known == name) {
            reader.object(
                &name_key,
                &format!("“{name}” has an entry already; make one of the two"),
            );
        }
        groups.push((name, policy));
    }
    MethodPolicy { everyone, groups }
}

fn read_effective(reader: &mut Reader, section: &str, usual: &EffectivePolicy) -> EffectivePolicy {
    let allowed_key = format!("{section}.allowed_methods");
    let minimum_key = format!("{section}.minimum_methods");
    let mut allowed: Vec<MethodKind> = reader.list(&allowed_key);
    if !reader.has(&allowed_key) {
        allowed = usual.allowed().to_vec();
    } else if allowed.is_empty() {
        reader.object(
            &allowed_key,
            "nobody could have a second factor; name at least one of totp, oath-token and security-key",
        );
    }
    let minimum = reader.number(&minimum_key, usual.minimum(), 1..=5);
    EffectivePolicy::new(allowed, minimum)
}

/// What contradicts the clean-desk profile, each by its key.
pub(super) fn object_to_a_messy_desk(reader: &mut Reader, policy: &Policy, branding: &Branding) {
    let Some(longest) = policy.desk.longest_session() else {
        return;
    };
    let mut contradicts = |key: &str, why: &str| {
        reader.object(key, &format!("this contradicts policy.clean_desk: {why}"));
    };
    if policy.session.idle > longest.idle {
        contradicts(
            "policy.session_idle",
            "the next person sits at the same PC; make it 5m or shorter",
        );
    }
    if policy.session.absolute > longest.absolute {
        contradicts(
            "policy.session_lifetime",
            "sessions on shared PCs are short; make it 1h or shorter",
        );
    }
    if policy.session.stay == Stay::ForLifetime {
        contradicts(
            "policy.stay_signed_in",
            "the next person opens the same browser; make it false, or take the line out",
        );
    }
    let webauthn = &policy.webauthn;
    if policy.methods.is_used(MethodKind::SecurityKey) {
        if webauthn.policy.attestation != Attestation::Enforced {
            contradicts(
                "policy.webauthn.attestation",
                "only attested keys are taken; make it \"enforced\", or take the line out",
            );
        }
        if webauthn.mds_file.is_none() {
            contradicts(
                "policy.webauthn.mds_file",
                "without a FIDO metadata file no key can be attested; name it, or take security-key out of allowed_methods",
            );
        }
        if webauthn.policy.synced == Permission::Allowed {
            contradicts(
                "policy.webauthn.synced_passkeys",
                "they live on people's own phones and accounts; make it \"refused\", or take the line out",
            );
        }
        if webauthn.policy.compromised == Reaction::Warn {
            contradicts(
                "policy.webauthn.compromised_models",
                "a model that is known to be broken proves nothing; make it \"refuse\", or take the line out",
            );
        }
        if webauthn.policy.stale_metadata == Reaction::Warn {
            contradicts(
                "policy.webauthn.stale_metadata",
                "models are judged by a list that is not renewed; make it \"refuse\", or take the line out",
            );
        }
        if webauthn.policy.without_model == Permission::Allowed {
            contradicts(
                "policy.webauthn.keys_without_model",
                "a key without a model is not attested as one; make it \"refused\", or take the line out",
            );
        }
    }
    if let Some(contact) = &branding.support_contact
        && let Some(what) = personal_channel(contact)
    {
        contradicts(
            "branding.support_contact",
            &format!("it has {what}; name a desk, a room or a short internal extension"),
        );
    }
}

/// A way to write or call that a clean desk does not have, in a sentence; an extension has up
/// to five digits.
fn personal_channel(text: &str) -> Option<&'static str> {
    let lower = text.to_lowercase();
    let words = || lower.split(|c: char| !c.is_alphanumeric());
    if text.contains('@') || words().any(|word| ["mail", "email", "mailto"].contains(&word)) {
        return Some("a mail address");
    }
    let called = ["sms", "mobile", "whatsapp"];
    if lower.contains("phone") || words().any(|word| called.contains(&word)) {
        return Some("a telephone");
    }
    let mut digits = 0;
    for c in text.chars() {
        if c.is_numeric() {
            digits += 1;
        } else if !matches!(c, ' ' | '-' | '/' | '.' | '(' | ')' | '+' | '\u{a0}') {
            digits = 0;
        }
        if digits > 5 {
            return Some("a telephone number");
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::personal_channel;

    #[test]
    fn a_desk_is_no_personal_channel() {
        for good in [
            "the service desk, extension 12345",
            "Room 4.117, floor 3",
            "",
        ] {
            assert_eq!(personal_channel(good), None, "{good}");
        }
        for (text, what) in [
            ("help@contoso.com", "a mail address"),
            ("MAILTO:help", "a mail address"),
            ("call +43 (1) 234-567", "a telephone number"),
            ("0800 123 456", "a telephone number"),
            ("by e-mail", "a mail address"),
            ("the desk, phone 1234", "a telephone"),
            ("Telephone 1234", "a telephone"),
            ("SMS to 1234", "a telephone"),
        ] {
            assert_eq!(personal_channel(text), Some(what), "{text}");
        }
    }
}
