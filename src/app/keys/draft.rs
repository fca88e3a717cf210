//! An answer that is being made, while a token takes its time to sign it.
//!
//! Always true: no transaction is open while a token signs, so that one that is slow, or a
//! stranger who asks for signatures, keeps nobody from writing. The answer is made up
//! twice: the first time it is only learned what is to be signed, and everything is rolled
//! back; then the token signs; then everything is read, checked and made up anew in one
//! transaction. A signature made before is used for exactly the bytes that come out of that
//! second time, by the same key, or not at all. A key in memory signs where it is.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    app::{
        App, Error,
        error::{Category, SupportCode},
        saml::chain,
        sign_in::{Browser, Next},
    },
    base::{clock::Timestamp, ids::AttemptId, random::Random},
    keys::{SignError, Signer, SigningKey, state::Custody},
    protocol::assertion::message_id,
};

/// How often an answer is made up for one that is sent: what was signed may be outdated by
/// then (a key became active, a domain got another issuer).
const ROUNDS: usize = 4;

/// What stays the same each time that an answer is made up, and what was signed for it.
#[derive(Default)]
pub(in crate::app) struct Draft {
    at: Option<Timestamp>,
    ids: [Option<String>; 3],
    made: Vec<Made>,
    waiting: Option<Waiting>,
    rounds: usize,
}

/// An id in an answer.
#[derive(Clone, Copy, Debug)]
pub(in crate::app) enum Named {
    Session,
    Response,
    Assertion,
}

/// A signature that a key made.
#[derive(Clone)]
struct Made {
    message: Vec<u8>,
    signature: Vec<u8>,
    key: Arc<SigningKey>,
}

type Work = Box<dyn FnOnce(&SigningKey) -> Result<(), SignError> + Send>;

struct Waiting {
    key: Arc<SigningKey>,
    work: Work,
}

impl Draft {
    /// When the answer is made: `now` of the first time.
    pub(in crate::app) fn at(&mut self, now: Timestamp) -> Timestamp {
        *self.at.get_or_insert(now)
    }

    /// An id in the answer, drawn the first time.
    pub(in crate::app) fn id(&mut self, which: Named, random: &mut dyn Random) -> String {
        self.ids[which as usize]
            .get_or_insert_with(|| message_id(random))
            .clone()
    }

    /// Does `work`, which signs with `key`. `None`: it cannot be done before a token has signed;
    /// drop the transaction, [`App::sign_draft`], and begin again.
    pub(in crate::app) fn with_key<T, E>(
        &mut self,
        key: &Arc<SigningKey>,
        work: impl Fn(&SigningKey) -> Result<T, E> + Send + 'static,
    ) -> Result<Option<T>, Error>
    where
        T: 'static,
        E: std::error::Error + 'static,
    {
        let failed =
            |error: &E| Error::internal(format!("it could not be signed: {}", chain(error)));
        if key.custody() == Custody::Software {
            return work(key).map(Some).map_err(|error| failed(&error));
        }
        let signed = Arc::new(Signed {
            made: self
                .made
                .iter()
                .filter(|made| same(&made.key, key))
                .cloned()
                .collect(),
            missing: Mutex::new(false),
        });
        match work(&key.signing_by(Arc::clone(&signed) as Arc<dyn Signer>)) {
            Ok(done) => return Ok(Some(done)),
            Err(error) if !*locked(&signed.missing) => return Err(failed(&error)),
            Err(_) => {}
        }
        self.waiting = Some(Waiting {
            key: Arc::clone(key),
            work: Box::new(move |key| {
                work(key)
                    .map(drop)
                    .map_err(|error| SignError::Unavailable(chain(&error)))
            }),
        });
        Ok(None)
    }
}

impl App {
    /// Begins again for each signature of a token that is waited for.
    pub(in crate::app) async fn proceed_signing(
        &self,
        id: &AttemptId,
        browser: &Browser,
        draft: &mut Draft,
    ) -> Result<Next, Error> {
        loop {
            if let Some(next) = self.proceed_once(id, browser, draft).await? {
                return Ok(next);
            }
            self.sign_draft(draft).await?;
        }
    }

    /// Has the token sign what waits. Hold no transaction.
    pub(in crate::app) async fn sign_draft(&self, draft: &mut Draft) -> Result<(), Error> {
        let Some(Waiting { key, work }) = draft.waiting.take() else {
            return Err(Error::internal("there is nothing to sign"));
        };
        draft.rounds += 1;
        if draft.rounds >= ROUNDS {
            // No conflict: two looks at once are tried again, and this would have no end.
            return Err(Error::new(
                Category::Unavailable,
                &SupportCode::KEY_UNAVAILABLE,
                "what is to be signed changes all the time",
            ));
        }
        let by = Arc::clone(&key);
        let made = self.with_key(&key, move |key| {
            let signer = Arc::clone(key.signer_for(key.purpose)?);
            let recorder = Arc::new(Recorder {
                signer,
                key: by,
                made: Mutex::default(),
            });
            work(&key.signing_by(Arc::clone(&recorder) as Arc<dyn Signer>))?;
            Ok::<_, SignError>(std::mem::take(&mut *locked(&recorder.made)))
        });
        draft.made = made.await?;
        Ok(())
    }
}

fn same(one: &SigningKey, other: &SigningKey) -> bool {
    one.id == other.id && one.certificate == other.certificate
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the signatures that were made, and makes none.
struct Signed {
    made: Vec<Made>,
    missing: Mutex<bool>,
}

impl Signer for Signed {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let made = self.made.iter().find(|made| made.message == message);
        made.map(|made| made.signature.clone()).ok_or_else(|| {
            *locked(&self.missing) = true;
            SignError::Unavailable("it is not signed yet".to_owned())
        })
    }
}

/// Signs, and keeps what it signed.
struct Recorder {
    signer: Arc<dyn Signer>,
    key: Arc<SigningKey>,
    made: Mutex<Vec<Made>>,
}

impl Signer for Recorder {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature = self.signer.sign(message)?;
        locked(&self.made).push(Made {
            message: message.to_vec(),
            signature: signature.clone(),
            key: Arc::clone(&self.key),
        });
        Ok(signature)
    }

    fn custody(&self) -> Custody {
        self.signer.custody()
    }
}

#[cfg(test)]
#[path = "draft/tests.rs"]
pub(in crate::app) mod tests;
