//! Keys in a PKCS#11 token (OASIS PKCS #11 v2.40 and later).
//!
//! Always true: the private half is made in the token, cannot be taken out of it, and this
//! is looked at each time the token is opened; a token that does not answer is an outage and
//! nothing else (no key of ours takes its place); a PIN that was refused once is not tried
//! again, because the third time locks most tokens; when the token comes back it is opened
//! anew, without a restart.
//!
//! Everything here blocks: call it off the async threads.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, Instant},
};

use aws_lc_rs::digest;
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error as CryptokiError, RvError},
    mechanism::{Mechanism, MechanismType},
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    slot::Slot,
    types::AuthPin,
};

use crate::{
    base::ids::KeyId,
    keys::{
        SignError, Signer,
        hardware::{TokenName, TokenSetting, rsa_public_key},
        signing::RsaSize,
        state::Custody,
    },
};

/// How long after an opening that failed the next one is tried.
const PAUSE: Duration = Duration::from_secs(1);

/// How many sessions are kept open for the next signatures.
const KEPT_SESSIONS: usize = 8;

/// Before a SHA-256 digest that a token signs without hashing (RFC 8017 §9.2, note 1).
const SHA256_DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// Why a token cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// No such module, or not one.
    #[error("the PKCS#11 module {module} cannot be loaded ({why})")]
    Module {
        /// Which file.
        module: String,
        /// What the loader or the module said.
        why: String,
    },
    /// Not there.
    #[error("{wanted} is not there (tokens that are: {present})")]
    NotThere {
        /// Which one.
        wanted: TokenName,
        /// Which are.
        present: String,
    },
    /// The PIN is wrong.
    #[error(
        "{0} refused the PIN; it is not tried again, because tokens lock after a few wrong ones: correct pkcs11.pin_file, then restart"
    )]
    PinRefused(TokenName),
    /// Locked, or one wrong PIN before it.
    #[error(
        "the PIN of {0} is locked or has one try left, so it was not tried; unlock it with the token's own tool, then restart"
    )]
    PinLocked(TokenName),
    /// The token has no such key.
    #[error("{token} does not hold the key {key}")]
    NoKey {
        /// Which token.
        token: TokenName,
        /// Which key.
        key: KeyId,
    },
    /// The key there can be taken out, or is another one.
    #[error("the key {key} in {token} is not used: {why}")]
    Unfit {
        /// Which token.
        token: TokenName,
        /// Which key.
        key: KeyId,
        /// What is wrong.
        why: &'static str,
    },
    /// The token or its module failed.
    #[error("{token} failed at {at} ({why})")]
    Failed {
        /// Which token.
        token: TokenName,
        /// At what.
        at: &'static str,
        /// What it said.
        why: String,
    },
}

/// A token, opened at its first use.
pub struct Token {
    setting: TokenSetting,
    // Whoever uses it reads; whoever opens it anew writes, and waits until nobody uses it: the
    // module must not be closed under a call.
    link: RwLock<Link>,
}

enum Link {
    /// It was not opened yet.
    New,
    /// It could not be opened then.
    Down(Instant, TokenError),
    /// The PIN was refused: not again in this process.
    Refused(TokenError),
    Up(Up),
}

/// An opened token.
struct Up {
    /// Which opening it was, counted from one.
    number: u64,
    context: Pkcs11,
    slot: Slot,
    since: Instant,
    hashing: Hashing,
    // The first one is never handed out: with the last session the login would end.
    first: Mutex<Session>,
    idle: Mutex<Vec<Session>>,
    /// Keys that were found fit.
    keys: Mutex<HashMap<KeyId, ObjectHandle>>,
}

#[derive(Clone, Copy)]
enum Hashing {
    InTheToken,
    Here,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Token {
    /// The token of `setting`. Nothing is loaded before it is needed.
    pub fn new(setting: TokenSetting) -> Self {
        Self {
            setting,
            link: RwLock::new(Link::New),
        }
    }

    /// Which one.
    pub fn name(&self) -> &TokenName {
        &self.setting.name
    }

    /// What signs with the key `id`, whose public half (RSAPublicKey, DER) the certificate has.
    pub fn signer(self: &Arc<Self>, id: KeyId, public_key: Vec<u8>) -> Arc<dyn Signer> {
        Arc::new(HardwareSigner {
            token: Arc::clone(self),
            id,
            public_key,
        })
    }

    /// Makes a key in the token; its public half (RSAPublicKey, DER).
    pub fn generate(&self, id: &KeyId, size: RsaSize) -> Result<Vec<u8>, TokenError> {
        self.with(|up| {
            let session = up
                .context
                .open_rw_session(up.slot)
                .map_err(|error| self.failed("opening a session", &error))?;
            let public = [
                Attribute::Token(true),
                Attribute::Private(false),
                Attribute::Verify(true),
                Attribute::ModulusBits(size.bits().into()),
                Attribute::PublicExponent(vec![1, 0, 1]),
                Attribute::Id(id.as_str().into()),
                Attribute::Label(format!("claimbridge {id}").into_bytes()),
            ];
            let private = [
                Attribute::Token(true),
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Sign(true),
                Attribute::Decrypt(false),
                Attribute::Unwrap(false),
                Attribute::Id(id.as_str().into()),
                Attribute::Label(format!("claimbridge {id}").into_bytes()),
            ];
            session
                .generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private)
                .map_err(|error| self.failed("making a key", &error))?;
            self.look(&session, id).map(|(_, public_key)| public_key)
        })
    }

    fn sign(&self, id: &KeyId, public_key: &[u8], message: &[u8]) -> Result<Vec<u8>, TokenError> {
        self.with(|up| {
            let session = self.session(up)?;
            let key = self.key(up, &session, id, public_key)?;
            let signature = match up.hashing {
                Hashing::InTheToken => session.sign(&Mechanism::Sha256RsaPkcs, key, message),
                Hashing::Here => {
                    let mut info = SHA256_DIGEST_INFO.to_vec();
                    info.extend(digest::digest(&digest::SHA256, message).as_ref());
                    session.sign(&Mechanism::RsaPkcs, key, &info)
                }
            };
            let signature = signature.map_err(|error| self.failed("signing", &error))?;
            let mut idle = locked(&up.idle);
            if idle.len() < KEPT_SESSIONS {
                idle.push(session);
            }
            Ok(signature)
        })
    }

    /// Whether the key is there and fit, without a signature.
    fn ready(&self, id: &KeyId, public_key: &[u8]) -> Result<(), TokenError> {
        self.with(|up| {
            let session = self.session(up)?;
            let found = self.require_fit(&session, id, public_key).map(drop);
            locked(&up.idle).push(session);
            found
        })
    }

    /// A session that nobody uses.
    fn session(&self, up: &Up) -> Result<Session, TokenError> {
        if let Some(session) = locked(&up.idle).pop() {
            return Ok(session);
        }
        up.context
            .open_ro_session(up.slot)
            .map_err(|error| self.failed("opening a session", &error))
    }

    fn key(
        &self,
        up: &Up,
        session: &Session,
        id: &KeyId,
        public_key: &[u8],
    ) -> Result<ObjectHandle, TokenError> {
        if let Some(found) = locked(&up.keys).get(id) {
            return Ok(*found);
        }
        let found = self.require_fit(session, id, public_key)?;
        locked(&up.keys).insert(id.clone(), found);
        Ok(found)
    }

    /// The private key, if it is the certificate's and cannot be taken out.
    fn require_fit(
        &self,
        session: &Session,
        id: &KeyId,
        public_key: &[u8],
    ) -> Result<ObjectHandle, TokenError> {
        let (found, public_there) = self.look(session, id)?;
        if public_there == public_key {
            Ok(found)
        } else {
            Err(self.unfit(id, "it is not the key of its certificate"))
        }
    }

    /// The private key of that id, which cannot be taken out, and its public half.
    fn look(&self, session: &Session, id: &KeyId) -> Result<(ObjectHandle, Vec<u8>), TokenError> {
        let found = session
            .find_objects(&[
                Attribute::Class(ObjectClass::PRIVATE_KEY),
                Attribute::KeyType(KeyType::RSA),
                Attribute::Id(id.as_str().into()),
            ])
            .map_err(|error| self.failed("looking for the key", &error))?;
        let found = match found.as_slice() {
            [only] => *only,
            [] => {
                return Err(TokenError::NoKey {
                    token: self.name().clone(),
                    key: id.clone(),
                });
            }
            _ => return Err(self.unfit(id, "there are several of its CKA_ID")),
        };
        let attributes = session
            .get_attributes(
                found,
                &[
                    AttributeType::Sensitive,
                    AttributeType::Extractable,
                    AttributeType::NeverExtractable,
                    AttributeType::Modulus,
                    AttributeType::PublicExponent,
                ],
            )
            .map_err(|error| self.failed("reading the key's attributes", &error))?;
        let (mut modulus, mut exponent) = (None, None);
        let (mut is_sensitive, mut is_extractable, mut was_extractable) = (false, true, false);
        for attribute in attributes {
            match attribute {
                Attribute::Sensitive(value) => is_sensitive = value,
                Attribute::Extractable(value) => is_extractable = value,
                Attribute::NeverExtractable(value) => was_extractable = !value,
                Attribute::Modulus(value) => modulus = Some(value),
                Attribute::PublicExponent(value) => exponent = Some(value),
                _ => {}
            }
        }
        if is_extractable || was_extractable || !is_sensitive {
            return Err(self.unfit(id, "it can be, or could once be, taken out of the token"));
        }
        match (modulus, exponent) {
            (Some(modulus), Some(exponent)) => Ok((found, rsa_public_key(&modulus, &exponent))),
            _ => Err(self.unfit(id, "the token does not show its public half")),
        }
    }

    /// Does `work` with the token open. If it fails, the token is opened anew and the work
    /// done once more: it may have been away and come back.
    fn with<T>(&self, work: impl Fn(&Up) -> Result<T, TokenError>) -> Result<T, TokenError> {
        let seen = {
            let link = self.link.read().unwrap_or_else(PoisonError::into_inner);
            match &*link {
                Link::Refused(why) => return Err(why.clone()),
                Link::Down(at, why) if at.elapsed() < PAUSE => return Err(why.clone()),
                Link::New | Link::Down(..) => 0,
                Link::Up(up) => match work(up) {
                    // It was opened a moment ago: that would not help. Nor would it against
                    // what the key is.
                    Err(error)
                        if up.since.elapsed() < PAUSE
                            || matches!(error, TokenError::Unfit { .. }) =>
                    {
                        return Err(error);
                    }
                    Err(_) => up.number,
                    done => return done,
                },
            }
        };
        self.open(seen)?;
        let link = self.link.read().unwrap_or_else(PoisonError::into_inner);
        match &*link {
            Link::Up(up) => work(up),
            Link::Refused(why) | Link::Down(_, why) => Err(why.clone()),
            Link::New => Err(self.failed_with("opening", "it is not open")),
        }
    }

    /// Opens it, unless somebody else did since the opening `seen` failed.
    fn open(&self, seen: u64) -> Result<(), TokenError> {
        let mut link = self.link.write().unwrap_or_else(PoisonError::into_inner);
        let number = match &*link {
            Link::Refused(why) => return Err(why.clone()),
            Link::Down(at, why) if at.elapsed() < PAUSE => return Err(why.clone()),
            Link::Up(up) if up.number != seen => return Ok(()),
            Link::Up(up) => up.number + 1,
            Link::New | Link::Down(..) => seen + 1,
        };
        if let Link::Up(up) = std::mem::replace(&mut *link, Link::New) {
            up.close();
        }
        match self.connect(number) {
            Ok(up) => {
                tracing::info!("{} is open", self.name());
                *link = Link::Up(up);
                Ok(())
            }
            Err(error) => {
                tracing::error!("{error}; nobody can sign in until it can be used");
                *link = match error {
                    TokenError::PinRefused(_) | TokenError::PinLocked(_) => {
                        Link::Refused(error.clone())
                    }
                    _ => Link::Down(Instant::now(), error.clone()),
                };
                Err(error)
            }
        }
    }

    fn connect(&self, number: u64) -> Result<Up, TokenError> {
        let module = |why: &CryptokiError| TokenError::Module {
            module: self.setting.module.display().to_string(),
            why: why.to_string(),
        };
        let context = Pkcs11::new(&self.setting.module).map_err(|error| module(&error))?;
        match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(CryptokiError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(module(&error)),
        }
        match self.log_in(&context, number) {
            Ok(up) => Ok(up),
            Err(error) => {
                // The next opening begins from the beginning.
                let _ = context.finalize();
                Err(error)
            }
        }
    }

    fn log_in(&self, context: &Pkcs11, number: u64) -> Result<Up, TokenError> {
        let slot = self.slot(context)?;
        let info = context
            .get_token_info(slot)
            .map_err(|error| self.failed("reading what the token is", &error))?;
        if info.user_pin_locked() || info.user_pin_final_try() {
            return Err(TokenError::PinLocked(self.name().clone()));
        }
        let session = context
            .open_ro_session(slot)
            .map_err(|error| self.failed("opening a session", &error))?;
        let pin = AuthPin::from(self.setting.pin.expose().clone());
        match session.login(UserType::User, Some(&pin)) {
            Ok(()) | Err(CryptokiError::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(CryptokiError::Pkcs11(RvError::PinLocked, _)) => {
                return Err(TokenError::PinLocked(self.name().clone()));
            }
            Err(CryptokiError::Pkcs11(
                RvError::PinIncorrect
                | RvError::PinInvalid
                | RvError::PinLenRange
                | RvError::PinExpired,
                _,
            )) => return Err(TokenError::PinRefused(self.name().clone())),
            Err(error) => return Err(self.failed("logging in", &error)),
        }
        let mechanisms = context
            .get_mechanism_list(slot)
            .map_err(|error| self.failed("reading its mechanisms", &error))?;
        let hashing = if mechanisms.contains(&MechanismType::SHA256_RSA_PKCS) {
            Hashing::InTheToken
        } else {
            Hashing::Here
        };
        Ok(Up {
            number,
            context: context.clone(),
            slot,
            since: Instant::now(),
            hashing,
            first: Mutex::new(session),
            idle: Mutex::default(),
            keys: Mutex::default(),
        })
    }

    /// The slot with the token that is meant.
    fn slot(&self, context: &Pkcs11) -> Result<Slot, TokenError> {
        let slots = context
            .get_slots_with_token()
            .map_err(|error| self.failed("looking for tokens", &error))?;
        let mut present = Vec::new();
        for slot in slots {
            // One that cannot be read is not the one.
            let Ok(info) = context.get_token_info(slot) else {
                continue;
            };
            let (label, serial) = (info.label().trim(), info.serial_number().trim());
            let is_meant = match &self.setting.name {
                TokenName::Label(wanted) => label == wanted,
                TokenName::Serial(wanted) => serial == wanted,
            };
            if is_meant {
                return Ok(slot);
            }
            if info.token_initialized() {
                present.push(format!("“{label}”, serial number {serial}"));
            }
        }
        Err(TokenError::NotThere {
            wanted: self.name().clone(),
            present: if present.is_empty() {
                "none".to_owned()
            } else {
                present.join("; ")
            },
        })
    }

    fn failed(&self, at: &'static str, error: &CryptokiError) -> TokenError {
        self.failed_with(at, &error.to_string())
    }

    fn failed_with(&self, at: &'static str, why: &str) -> TokenError {
        TokenError::Failed {
            token: self.name().clone(),
            at,
            why: why.to_owned(),
        }
    }

    fn unfit(&self, id: &KeyId, why: &'static str) -> TokenError {
        TokenError::Unfit {
            token: self.name().clone(),
            key: id.clone(),
            why,
        }
    }
}

impl Up {
    /// Closes the module, so that the next opening sees what is there then. Nobody uses it.
    fn close(self) {
        let Self {
            context,
            first,
            idle,
            ..
        } = self;
        drop(idle);
        drop(first);
        if let Err(error) = context.finalize() {
            tracing::warn!("the PKCS#11 module could not be closed ({error})");
        }
    }
}

struct HardwareSigner {
    token: Arc<Token>,
    id: KeyId,
    /// RSAPublicKey, DER: what the certificate says.
    public_key: Vec<u8>,
}

impl Signer for HardwareSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.token
            .sign(&self.id, &self.public_key, message)
            .map_err(|error| SignError::Unavailable(error.to_string()))
    }

    fn ready(&self) -> Result<(), SignError> {
        self.token
            .ready(&self.id, &self.public_key)
            .map_err(|error| SignError::Unavailable(error.to_string()))
    }

    fn custody(&self) -> Custody {
        Custody::Hardware
    }
}
