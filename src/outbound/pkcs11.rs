//! Keys in a PKCS#11 token (OASIS PKCS #11 v2.40 and later).
//!
//! Always true: the private half is made in the token, cannot be taken out of it, and this
//! is looked at each time the token is opened; a token that does not answer is an outage and
//! nothing else (no key of ours takes its place); a PIN that was refused once is not tried
//! again, because the third time locks most tokens; when the token comes back it is opened
//! anew, without a restart.
//!
//! Everything here blocks: call it off the async threads.

mod keys;
mod opening;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use cryptoki::{
    context::Pkcs11, error::Error as CryptokiError, object::ObjectHandle, session::Session,
    slot::Slot,
};
use tokio::time::Instant;

use crate::{
    base::ids::KeyId,
    keys::hardware::{TokenName, TokenSetting},
};

/// How long after an opening that failed the next one is tried.
const PAUSE: Duration = Duration::from_secs(1);

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
    /// Somebody gave a wrong PIN.
    #[error(
        "somebody gave {0} a wrong PIN, so ours was not tried; make sure that pkcs11.pin_file has the right one, then log in once with the token's own tool, which clears its count"
    )]
    PinDoubted(TokenName),
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

impl TokenError {
    /// Whether no token at all was seen, of whatever name.
    fn sees_no_token(&self) -> bool {
        matches!(self, Self::NotThere { present, .. } if present == "none")
    }
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

impl Up {
    /// Whether the key may be there all the same: modules keep a list of what there is, and two
    /// nodes that start at once make keys at the same moment (SoftHSM then misses one of them).
    fn may_be_stale(&self, error: &TokenError) -> bool {
        self.number == 1 && matches!(error, TokenError::NoKey { .. })
    }
}

/// Who hashes what is signed.
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
                        if (up.since.elapsed() < PAUSE && !up.may_be_stale(&error))
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
