//! Opening a token: the module, the slot, the PIN.
//!
//! Always true: a PIN is given once, and not at all where the token says that a wrong one was
//! given since the last right one.

use std::{sync::Mutex, thread, time::Duration};

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error as CryptokiError, RvError},
    mechanism::MechanismType,
    session::UserType,
    slot::Slot,
    types::AuthPin,
};
use tokio::time::Instant;

use super::{Hashing, Token, TokenError, Up};
use crate::keys::hardware::TokenName;

/// So long it is looked again where no token is seen at all. Its writer needs some milliseconds, and
/// more where others keep it from them.
const LOOKING: Duration = Duration::from_millis(500);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

impl Token {
    /// Loads the module and logs in.
    pub(super) fn connect(&self, number: u64) -> Result<Up, TokenError> {
        let module = |why: &CryptokiError| TokenError::Module {
            module: self.setting.module.display().to_string(),
            why: why.to_string(),
        };
        // A bare name would be looked for in the loader's own folders.
        let path = std::path::absolute(&self.setting.module);
        let path = path.unwrap_or_else(|_| self.setting.module.clone());
        let context = Pkcs11::new(path).map_err(|error| module(&error))?;
        let begun = Instant::now();
        loop {
            match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
                Ok(()) | Err(CryptokiError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
                Err(error) => return Err(module(&error)),
            }
            match self.log_in(&context, number) {
                Ok(up) => return Ok(up),
                Err(error) => {
                    // The next opening begins from the beginning.
                    let _ = context.clone().finalize();
                    // A token in files cannot be read while a neighbour's login writes it: then
                    // none is seen at all, for some milliseconds.
                    if !error.sees_no_token() || begun.elapsed() > LOOKING {
                        return Err(error);
                    }
                    thread::park_timeout(BETWEEN_LOOKS);
                }
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
        // Somebody gave a wrong one since the last right one: perhaps a neighbour of ours, with
        // this very PIN.
        if info.user_pin_count_low() {
            return Err(TokenError::PinDoubted(self.name().clone()));
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
        // Its whole list would be logged as errors, as far as the wrapper does not know it.
        let hashing = match context.get_mechanism_info(slot, MechanismType::SHA256_RSA_PKCS) {
            Ok(_) => Hashing::InTheToken,
            Err(_) => Hashing::Here,
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
}

impl Up {
    /// Closes the module, so that the next opening sees what is there then. Nobody uses it.
    pub(super) fn close(self) {
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
