//! Asking a key, and what is kept until it answers.
//!
//! Always true: the state never leaves us: it is sealed into a row of one attempt, one
//! purpose, one person, and opens only for the browser that was asked, before it expires; the
//! store hands a row out once, so any node finishes and nothing is answered twice. What was
//! demanded is in the seal: neither the browser nor a changed configuration can ask for less
//! (attacks 1, 7, 9).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use webauthn_rs_core::proto::{
    AllowCredentials, AttestationConveyancePreference, AuthenticationState, AuthenticatorTransport,
    COSEAlgorithm, CredProtect, CredentialProtectionPolicy, PublicKeyCredentialDescriptor,
    PublicKeyCredentialHints, RegistrationState, RequestRegistrationExtensions,
    ResidentKeyRequirement, UserVerificationPolicy,
};

use super::{
    policy::{Attestation, Permission, UserVerification as PolicyVerification, WebAuthnPolicy},
    refused::KeyRefused,
    scope::Scope,
};
use crate::{
    base::{
        clock::Timestamp,
        ids::{AttemptId, UserId},
        random::Random,
    },
    directory::{SecurityKey, User},
    factor::evidence::Binding,
    keys::sealing::{Place, Sealing},
};

/// How long a question may wait for its answer.
pub const LIFETIME: Duration = Duration::from_mins(3);

/// Why a key is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To become a person's key.
    Register,
    /// After the password.
    SecondFactor,
    /// Before anybody is named.
    Passwordless,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Register, Self::SecondFactor, Self::Passwordless];

    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::SecondFactor => "second-factor",
            Self::Passwordless => "passwordless",
        }
    }

    /// From the stored spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|purpose| purpose.as_str() == text)
    }
}

/// Whether the key must check a PIN or biometric.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserVerification {
    /// It must.
    Required,
    /// It should if it can; what it did decides what the proof is worth.
    Preferred,
    /// It need not: a password was proved already.
    Discouraged,
}

/// What is demanded of a key, decided when it is asked and kept in the seal.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Demand {
    /// Of every answer.
    pub user_verification: UserVerification,
    /// COSE numbers, the preferred first; of a registration.
    pub algorithms: Vec<i64>,
    /// Whether a new key is asked to prove its model.
    pub asks_attestation: bool,
    /// Whether a new key may be one that can be copied to other devices.
    pub takes_synced: bool,
}

impl Demand {
    /// What `policy` demands for `purpose`. After a password a touch will do, unless the
    /// policy wants more.
    pub fn of(policy: &WebAuthnPolicy, purpose: Purpose) -> Self {
        let user_verification = match (policy.user_verification, purpose) {
            (PolicyVerification::Required, _) => UserVerification::Required,
            (PolicyVerification::Preferred, Purpose::SecondFactor) => UserVerification::Discouraged,
            (PolicyVerification::Preferred, _) => UserVerification::Preferred,
        };
        // What the library can verify, and nothing that it would promise in vain.
        let algorithms = policy
            .algorithms
            .iter()
            .map(|algorithm| algorithm.0)
            .filter(|algorithm| library_algorithm(*algorithm).is_some())
            .collect();
        Self {
            user_verification,
            algorithms,
            asks_attestation: policy.attestation != Attestation::NotAsked,
            takes_synced: policy.synced == Permission::Allowed,
        }
    }

    fn library_algorithms(&self) -> Vec<COSEAlgorithm> {
        self.algorithms
            .iter()
            .filter_map(|algorithm| library_algorithm(*algorithm))
            .collect()
    }
}

/// The algorithms that the library can verify (its `secure_algs`).
fn library_algorithm(algorithm: i64) -> Option<COSEAlgorithm> {
    COSEAlgorithm::secure_algs()
        .into_iter()
        .find(|known| *known as i64 == algorithm)
}

/// A question as stored: one of each purpose in an attempt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ceremony {
    /// In which attempt.
    pub attempt: AttemptId,
    /// Why.
    pub purpose: Purpose,
    /// Who is asked, if that is known.
    pub user: Option<UserId>,
    /// From when an answer is too late. Also inside the seal.
    pub expires_at: Timestamp,
    /// All of it, sealed.
    pub sealed_state: String,
}

/// A question and what the browser is given.
pub struct Asked {
    /// To store.
    pub ceremony: Ceremony,
    /// The argument of `navigator.credentials.create` or `get`, as JSON.
    pub options: String,
}

/// A question that was opened for its answer. Consumed by whoever verifies that.
pub struct OpenCeremony {
    pub(super) purpose: Purpose,
    pub(super) attempt: AttemptId,
    pub(super) user: Option<UserId>,
    pub(super) demand: Demand,
    pub(super) library: LibraryState,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LibraryState {
    Registration(RegistrationState),
    Authentication(AuthenticationState),
}

#[derive(Deserialize, Serialize)]
struct State {
    purpose: Purpose,
    user: Option<String>,
    browser: String,
    expires_at: i64,
    demand: Demand,
    library: LibraryState,
}

/// What all questions need.
pub struct Asking<'a> {
    /// Who asks.
    pub scope: &'a Scope,
    /// In which attempt and browser.
    pub binding: Binding<'a>,
    /// What is demanded.
    pub demand: Demand,
    /// For the state.
    pub sealing: &'a Sealing,
    /// When.
    pub now: Timestamp,
}

impl Asking<'_> {
    /// Asks for a new key of `user`; `present` are the person's live keys, so that the browser
    /// does not offer to register one of them again.
    pub fn registration(
        &self,
        user: &User,
        present: &[SecurityKey],
        random: &mut dyn Random,
    ) -> Result<Asked, KeyRefused> {
        let library = &self.scope.library;
        let name = if user.display_name.is_empty() {
            user.upn.as_str()
        } else {
            &user.display_name
        };
        let builder = library
            .new_challenge_register_builder(user_handle(&user.id), user.upn.as_str(), name)?
            .attestation(if self.demand.asks_attestation {
                AttestationConveyancePreference::Direct
            } else {
                AttestationConveyancePreference::None
            })
            .credential_algorithms(self.demand.library_algorithms())
            .user_verification_policy(self.policy())
            .reject_synchronised_authenticators(!self.demand.takes_synced)
            .extensions(Some(RequestRegistrationExtensions {
                // Who finds a key cannot ask it whose it is without the PIN.
                cred_protect: Some(CredProtect {
                    credential_protection_policy:
                        CredentialProtectionPolicy::UserVerificationOptionalWithCredentialIDList,
                    enforce_credential_protection_policy: Some(false),
                }),
                uvm: None,
                cred_props: Some(true),
                min_pin_length: None,
                hmac_create_secret: None,
            }));
        let (mut options, state) = library.generate_challenge_register(builder)?;
        if let Some(selection) = &mut options.public_key.authenticator_selection {
            // So that the key can be used without a user name, where it has room.
            selection.resident_key = Some(ResidentKeyRequirement::Preferred);
        }
        let excluded = present.iter().map(|key| PublicKeyCredentialDescriptor {
            type_: "public-key".to_owned(),
            id: key.credential_id.clone(),
            transports: told(key),
        });
        options.public_key.exclude_credentials = Some(excluded.collect());
        options.public_key.hints = self.hints();
        self.asked(
            Purpose::Register,
            Some(&user.id),
            LibraryState::Registration(state),
            &options,
            random,
        )
    }

    /// Asks one of `keys` of `user` to sign, after the password.
    pub fn second_factor(
        &self,
        user: &UserId,
        keys: &[SecurityKey],
        random: &mut dyn Random,
    ) -> Result<Asked, KeyRefused> {
        self.assertion(Purpose::SecondFactor, Some(user), keys, random)
    }

    /// Asks any key that knows of us to sign and to say whose it is.
    pub fn passwordless(&self, random: &mut dyn Random) -> Result<Asked, KeyRefused> {
        self.assertion(Purpose::Passwordless, None, &[], random)
    }

    fn assertion(
        &self,
        purpose: Purpose,
        user: Option<&UserId>,
        keys: &[SecurityKey],
        random: &mut dyn Random,
    ) -> Result<Asked, KeyRefused> {
        let library = &self.scope.library;
        // The library is given the key with the answer, with its counter of then.
        let builder =
            library.new_challenge_authenticate_builder(Vec::new(), Some(self.policy()))?;
        let (mut options, state) = library.generate_challenge_authenticate(builder)?;
        let allowed = keys.iter().map(|key| AllowCredentials {
            type_: "public-key".to_owned(),
            id: key.credential_id.clone(),
            transports: told(key),
        });
        options.public_key.allow_credentials = allowed.collect();
        options.public_key.hints = self.hints();
        self.asked(
            purpose,
            user,
            LibraryState::Authentication(state),
            &options,
            random,
        )
    }

    /// Where keys that are copied between devices are refused, browsers need not offer to
    /// fetch one from a phone (WebAuthn Level 3 §5.8.7). It decides nothing: the policy does.
    fn hints(&self) -> Option<Vec<PublicKeyCredentialHints>> {
        use PublicKeyCredentialHints::{ClientDevice, SecurityKey};
        (!self.demand.takes_synced).then(|| vec![SecurityKey, ClientDevice])
    }

    fn policy(&self) -> UserVerificationPolicy {
        match self.demand.user_verification {
            UserVerification::Required => UserVerificationPolicy::Required,
            UserVerification::Preferred => UserVerificationPolicy::Preferred,
            UserVerification::Discouraged => UserVerificationPolicy::Discouraged_DO_NOT_USE,
        }
    }

    fn asked(
        &self,
        purpose: Purpose,
        user: Option<&UserId>,
        library: LibraryState,
        options: &impl Serialize,
        random: &mut dyn Random,
    ) -> Result<Asked, KeyRefused> {
        let expires_at = self.now.plus(LIFETIME);
        let state = State {
            purpose,
            user: user.map(|user| user.as_str().to_owned()),
            browser: self.binding.browser.as_str().to_owned(),
            expires_at: expires_at.as_millis(),
            demand: self.demand.clone(),
            library,
        };
        let plain = serde_json::to_vec(&state).map_err(|_| KeyRefused::Other)?;
        let options = serde_json::to_string(options).map_err(|_| KeyRefused::Other)?;
        let attempt = self.binding.attempt.clone();
        let sealed_state = self.sealing.seal(&place(&attempt, purpose), &plain, random);
        Ok(Asked {
            ceremony: Ceremony {
                attempt,
                purpose,
                user: user.cloned(),
                expires_at,
                sealed_state,
            },
            options,
        })
    }
}

impl Ceremony {
    /// Opens it for the answer that `binding`'s browser gave to a question of `purpose`, put to
    /// `user`. Taken by value: the store gives a row out once.
    pub fn open(
        self,
        binding: Binding<'_>,
        purpose: Purpose,
        user: Option<&UserId>,
        sealing: &Sealing,
        now: Timestamp,
    ) -> Result<OpenCeremony, KeyRefused> {
        if self.attempt != *binding.attempt || self.purpose != purpose {
            return Err(KeyRefused::OtherCeremony);
        }
        let plain = sealing
            .open(&place(&self.attempt, purpose), &self.sealed_state)
            .map_err(|_| KeyRefused::Tampered)?;
        let state: State = serde_json::from_slice(&plain).map_err(|_| KeyRefused::Tampered)?;
        if state.purpose != purpose
            || state.browser != binding.browser.as_str()
            || state.user.as_deref() != user.map(UserId::as_str)
        {
            return Err(KeyRefused::OtherCeremony);
        }
        if now.as_millis() >= state.expires_at {
            return Err(KeyRefused::NotOpen);
        }
        Ok(OpenCeremony {
            purpose,
            attempt: self.attempt,
            user: user.cloned(),
            demand: state.demand,
            library: state.library,
        })
    }
}

/// What an authenticator keeps as the person: our id, which says nothing about anybody.
pub(super) fn user_handle(user: &UserId) -> &[u8] {
    user.as_str().as_bytes()
}

fn place(attempt: &AttemptId, purpose: Purpose) -> Place<'_> {
    Place {
        table: "ceremonies",
        column: "sealed_state",
        row: attempt.as_str(),
        owner: purpose.as_str(),
    }
}

fn told(key: &SecurityKey) -> Option<Vec<AuthenticatorTransport>> {
    let transports: Vec<_> = key
        .transports
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    (!transports.is_empty()).then_some(transports)
}
