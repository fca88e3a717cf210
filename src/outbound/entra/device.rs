//! The device grant (RFC 8628): the person signs in on another screen.
//!
//! Always true: the library keeps the interval between two polls; a network that fails is not
//! told as a refusal of Entra's.

use std::sync::Mutex;

use openidconnect::{RequestTokenError, core::CoreDeviceAuthorizationResponse};

use crate::{base::clock::Clock, outbound::guard::OutboundError};

use super::{
    Entra, EntraError, Tokens, Wanted, discovery, no_token_endpoint, refusal::Says as _, tokens,
    tokens_of,
};

/// A device code that waits for the person.
#[derive(Debug)]
pub struct DeviceCode {
    details: CoreDeviceAuthorizationResponse,
}

impl DeviceCode {
    /// Where the person goes.
    pub fn address(&self) -> &str {
        self.details.verification_uri().as_str()
    }

    /// What the person types there.
    pub fn user_code(&self) -> &str {
        self.details.user_code().secret()
    }

    /// How long it is good.
    pub fn lifetime(&self) -> std::time::Duration {
        self.details.expires_in()
    }
}

impl Entra {
    /// Asks for a device code (RFC 8628 §3.1).
    pub async fn device_code(&self, wanted: &Wanted) -> Result<DeviceCode, EntraError> {
        let endpoint = self.provider.device_endpoint()?;
        let client = self.client.clone().set_device_authorization_url(endpoint);
        let details = client
            .exchange_device_code()
            .add_scopes(self.scopes(wanted))
            .request_async(&|request| tokens::call(&self.outbound, request))
            .await?;
        discovery::require_address(details.verification_uri())?;
        Ok(DeviceCode { details })
    }

    /// Polls until the person is done (RFC 8628 §3.4). The library keeps the interval, and goes on
    /// through failures of the network; the third in a row ends it here.
    pub async fn device_tokens(
        &self,
        device_code: &DeviceCode,
        clock: &dyn Clock,
    ) -> Result<Tokens, EntraError> {
        let failures = Failures::default();
        let call = |request| async {
            let answer = tokens::call(&self.outbound, request).await;
            match answer {
                Ok(answer) => {
                    failures.none();
                    Ok(answer)
                }
                Err(error) => {
                    failures.one_more(error).await;
                    Err(NoAnswer)
                }
            }
        };
        let polling = self
            .client
            .exchange_device_access_token(&device_code.details)
            .map_err(no_token_endpoint)?
            .request_async(&call, tokio::time::sleep, None);
        let answer = tokio::select! {
            answer = polling => answer.map_err(|error| match error {
                RequestTokenError::ServerResponse(says) => EntraError::Refused(says.refusal()),
                RequestTokenError::Request(NoAnswer) => EntraError::Unreadable("nothing came".to_owned()),
                RequestTokenError::Parse(error, _) => EntraError::Unreadable(format!("at {}", error.path())),
                RequestTokenError::Other(text) => EntraError::Unreadable(text),
            })?,
            error = failures.too_many() => return Err(error.into()),
        };
        // The device grant has no nonce: nothing of ours stands in the id_token.
        let person = self.person(&answer, None, clock.now())?;
        Ok(tokens_of(&answer, Some(person)))
    }
}

/// How many polls in a row may fail.
const FAILED_POLLS: usize = 3;

/// What the library is told of a poll without an answer; [`Failures`] keeps the cause.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no answer")]
struct NoAnswer;

/// Polls without an answer, in a row.
#[derive(Default)]
struct Failures {
    in_a_row: Mutex<usize>,
    last: tokio::sync::Mutex<Option<OutboundError>>,
    enough: tokio::sync::Notify,
}

impl Failures {
    fn none(&self) {
        *lock(&self.in_a_row) = 0;
    }

    async fn one_more(&self, error: OutboundError) {
        *self.last.lock().await = Some(error);
        let enough = {
            let mut in_a_row = lock(&self.in_a_row);
            *in_a_row += 1;
            *in_a_row >= FAILED_POLLS
        };
        if enough {
            self.enough.notify_one();
        }
    }

    async fn too_many(&self) -> OutboundError {
        loop {
            self.enough.notified().await;
            if let Some(error) = self.last.lock().await.take() {
                return error;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
