//! The configuration in force, for somebody who may see no secret.
//!
//! Always true: each member is written here by name; a new setting does not get in by
//! itself, and of a secret not even the length does. Defaults stand in it like what was
//! set: two servers with equal text behave alike.

use std::{path::Path, time::Duration};

use serde_json::{Map, Value, json};
use url::Url;

use super::Config;
use crate::{
    directory::EffectivePolicy,
    factor::webauthn::policy::{
        Attestation, Models, Permission, Reaction, UserVerification, WebAuthnPolicy,
    },
    keys::hardware::TokenName,
    relying_party::{RequestSignature, ResponseSignature, Sha1},
    session::{Desk, Stay},
    signin::lockout::Delays,
};

/// What stands in the place of a secret.
pub const LEFT_OUT: &str = "[left out]";

impl Config {
    /// All settings with their names in the file, and nothing secret.
    pub fn redacted(&self) -> Value {
        json!({
            "public_url": self.public_url.as_str(),
            "listen": self.listen.to_string(),
            "listen_ops": {"address": self.listen_ops.map(|address| address.to_string())},
            "tls": self.tls.as_ref().map(|tls| json!({
                "certificate_file": shown(&tls.certificate_file),
                "private_key_file": shown(&tls.private_key_file),
            })),
            "database_url": without_credentials(self.database_url.expose()),
            "master_key": LEFT_OUT,
            "entra": {
                "cloud": {
                    "name": self.entra.cloud.name,
                    "entity_id": self.entra.cloud.entity_id,
                    "reply_url": self.entra.cloud.reply_url,
                },
                "metadata_file": self.entra.metadata.is_some(),
                "require_signed_requests": self.entra.request_signature == RequestSignature::Required,
                "allow_sha1_in_requests": self.entra.sha1 == Sha1::AllowedInRequests,
                "sign_response": self.entra.response_signature == ResponseSignature::AssertionAndResponse,
            },
            "domain": self.domains.iter().map(|domain| {
                json!({
                    "name": domain.name.as_str(),
                    "issuer": domain.issuer,
                    "protocol": domain.protocol.as_str(),
                })
            }).collect::<Vec<Value>>(),
            "tenant": self.tenants.iter().map(|tenant| {
                json!({
                    "tenant_id": tenant.id,
                    "client_id": tenant.client_id,
                    "application_id": tenant.application_id,
                    "cloud": tenant.cloud,
                    "name": tenant.name,
                    "domains": self.tenant_domains.of(tenant.id).collect::<Vec<_>>(),
                })
            }).collect::<Vec<Value>>(),
            "policy": self.policy(),
            "branding": {
                "name": self.branding.name,
                "support_contact": self.branding.support_contact,
            },
            "trust": {
                "enabled": self.active_door.is_open(),
                "password": if self.active_door.takes_own_passwords() { "own" } else { "application" },
            },
            "pkcs11": {
                "module": self.token.as_ref().map(|token| shown(&token.module)),
                "token_label": self.token.as_ref().and_then(|token| match &token.name {
                    TokenName::Label(label) => Some(label),
                    TokenName::Serial(_) => None,
                }),
                "token_serial": self.token.as_ref().and_then(|token| match &token.name {
                    TokenName::Serial(serial) => Some(serial),
                    TokenName::Label(_) => None,
                }),
                "pin_file": self.token.as_ref().map(|_| LEFT_OUT),
            },
            "graph": {
                "tenant_id": self.graph.as_ref().map(|graph| &graph.tenant_id),
                "client_id": self.graph.as_ref().map(|graph| &graph.client_id),
                "client_secret_file": self.graph.as_ref().map(|_| LEFT_OUT),
            },
            "watch": {
                "every": time(self.watch.every),
                // Its path and query may be what lets somebody in there.
                "webhook_url": self.watch.webhook.as_ref().map(|webhook| webhook.url.origin().ascii_serialization()),
                "webhook_secret_file": self.watch.webhook.as_ref().map(|_| LEFT_OUT),
            },
        })
    }

    fn policy(&self) -> Value {
        let policy = &self.policy;
        let mut value = Map::new();
        let mut put = |name: &str, member: Value| value.insert(name.to_owned(), member);
        put("session_idle", time(policy.session.idle));
        put("session_lifetime", time(policy.session.absolute));
        let stays = policy.session.stay == Stay::ForLifetime;
        put("stay_signed_in", stays.into());
        put("entra_session_max_age", time(policy.entra_session_max_age));
        put("attempt_lifetime", time(policy.attempt_lifetime));
        put("totp_skew_steps", json!(policy.totp_skew_steps));
        for (whose, delays) in [
            ("person", policy.person_delays),
            ("source", policy.source_delays),
        ] {
            let Delays {
                free, base, cap, ..
            } = delays;
            put(&format!("{whose}_free_tries"), json!(free));
            put(&format!("{whose}_first_delay"), time(base));
            put(&format!("{whose}_longest_delay"), time(cap));
        }
        put(
            "open_attempts_per_source",
            json!(policy.open_attempts_per_source),
        );
        put("pass_lifetime", time(policy.pass_lifetime));
        put("pass_length", json!(policy.pass_length));
        let breached = policy.breached_passwords_file.as_deref();
        put("breached_passwords_file", json!(breached.map(shown)));
        let proxies: Vec<String> = policy
            .trusted_proxies
            .iter()
            .map(ToString::to_string)
            .collect();
        put("trusted_proxies", json!(proxies));
        put("clean_desk", json!(policy.desk == Desk::Clean));
        put("allowed_methods", json!(policy.methods.everyone.allowed()));
        put("minimum_methods", json!(policy.methods.everyone.minimum()));
        let groups = policy.methods.groups.iter();
        let groups: Vec<Value> = groups
            .map(|(name, policy)| group(name.as_str(), policy))
            .collect();
        put("group", Value::Array(groups));
        let mut keys = webauthn(&policy.webauthn.policy);
        keys["mds_file"] = json!(policy.webauthn.mds_file.as_deref().map(shown));
        keys["mds_root_file"] = json!(policy.webauthn.mds_root_file.as_deref().map(shown));
        put("webauthn", keys);
        Value::Object(value)
    }
}

/// Seconds, as the file may have them.
fn time(duration: Duration) -> Value {
    json!(format!("{}s", duration.as_secs()))
}

/// The name of a file without its folders, which tell of the machine and of its users.
fn shown(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Engine, host and name of the database; no user, password, folder or option.
fn without_credentials(url: &str) -> String {
    if url.starts_with("sqlite:") {
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let name = path.rsplit(['/', ':']).next().unwrap_or_default();
        return format!("sqlite://…/{name}");
    }
    match Url::parse(url) {
        Ok(read) => format!(
            "{}://{LEFT_OUT}@{}{}{}",
            read.scheme(),
            read.host_str().unwrap_or_default(),
            read.port()
                .map(|port| format!(":{port}"))
                .unwrap_or_default(),
            read.path()
        ),
        Err(_) => LEFT_OUT.to_owned(),
    }
}

fn group(name: &str, policy: &EffectivePolicy) -> Value {
    json!({"name": name, "allowed_methods": policy.allowed(), "minimum_methods": policy.minimum()})
}

fn webauthn(policy: &WebAuthnPolicy) -> Value {
    let permission = |permission| match permission {
        Permission::Allowed => "allowed",
        Permission::Refused => "refused",
    };
    let reaction = |reaction| match reaction {
        Reaction::Refuse => "refuse",
        Reaction::Warn => "warn",
    };
    let algorithms: Vec<String> = policy.algorithms.iter().map(ToString::to_string).collect();
    let (allowed, refused) = match &policy.models {
        Models::Any => (None, None),
        Models::Only(models) => (Some(models), None),
        Models::Except(models) => (None, Some(models)),
    };
    json!({
        "user_verification": match policy.user_verification {
            UserVerification::Required => "required",
            UserVerification::Preferred => "preferred",
        },
        "algorithms": algorithms,
        "attestation": match policy.attestation {
            Attestation::NotAsked => "not-asked",
            Attestation::Recorded => "recorded",
            Attestation::Enforced => "enforced",
        },
        "allowed_models": allowed,
        "refused_models": refused,
        "synced_passkeys": permission(policy.synced),
        "keys_without_model": permission(policy.without_model),
        "compromised_models": reaction(policy.compromised),
        "stale_metadata": reaction(policy.stale_metadata),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn config(database: &str) -> Config {
        let environment = [
            ("CLAIMBRIDGE_PUBLIC_URL", "https://idp.contoso.com"),
            ("CLAIMBRIDGE_DATABASE_URL", database),
            ("CLAIMBRIDGE_MASTER_KEY", MASTER),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Config::load(None, environment.into_iter()).unwrap()
    }

    #[test]
    fn no_secret_is_shown() {
        let database =
            "postgres://idp:s3cr%3At@db.contoso.com:5433/idp?password=s3cr3t&sslmode=require";
        let shown = config(database).redacted();
        assert_eq!(
            shown["database_url"],
            "postgres://[left out]@db.contoso.com:5433/idp"
        );
        let text = shown.to_string();
        for secret in ["s3cr", "idp:", "sslmode", MASTER, &MASTER[..16]] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        let odd = config("postgres://no host").redacted();
        assert!(!odd.to_string().contains("no host"), "{odd}");
    }

    #[test]
    fn a_file_is_shown_without_its_folders() {
        let shown = config("sqlite:///home/maria/claimbridge.db?mode=rwc").redacted();
        assert_eq!(shown["database_url"], "sqlite://…/claimbridge.db");
        let memory = config("sqlite://:memory:").redacted();
        assert!(
            memory["database_url"]
                .as_str()
                .unwrap()
                .starts_with("sqlite:")
        );
    }

    /// Whoever adds a setting shows it here, or leaves it out with a reason.
    #[test]
    fn every_key_of_the_file_is_there() {
        let text = super::super::template::commented(
            &Url::parse("https://idp.contoso.com").unwrap(),
            "sqlite://claimbridge.db",
        );
        let shown = config("sqlite://:memory:").redacted();
        let (mut at, mut checked) = (&shown, 0);
        for line in text.lines() {
            let line = line.trim_start_matches("# ");
            if let Some(section) = line.strip_prefix('[') {
                let section = section.trim_matches(['[', ']']);
                at = section.split('.').fold(&shown, |value, name| &value[name]);
                continue;
            }
            let Some((key, _)) = line.split_once(" = ") else {
                continue;
            };
            if !key
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            {
                continue;
            }
            let is_there = |value: &Value| value.get(key).is_some();
            // A list's rows have their own tests; TLS is not set; the master key has another name.
            if at.is_array() || at.is_null() || key == "master_key_file" {
                continue;
            }
            assert!(is_there(at), "{key} is missing in {at}");
            checked += 1;
        }
        assert!(checked > 30, "{checked}");
    }
}
