//! A "no" of Entra, in its own words.

use openidconnect::{DeviceCodeErrorResponse, StandardErrorResponse, core::CoreErrorResponseType};

/// The longest text of theirs that is kept.
const LONGEST: usize = 1000;

/// What an endpoint answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// `error` (RFC 6749 §5.2, RFC 8628 §3.5).
    pub error: String,
    /// `error_description`, which begins with Entra's own code: `AADSTS50076: …`.
    pub description: String,
}

impl Refusal {
    /// Of these words, shortened.
    pub fn new(error: &str, description: &str) -> Self {
        // Entra appends lines with ids of the request and a time; one line is enough.
        let short = |text: &str| text.chars().take(LONGEST).collect();
        Self {
            error: short(error),
            description: short(description),
        }
    }
}

/// What says an error and describes it.
pub(super) trait Says {
    fn refusal(&self) -> Refusal;
}

impl Says for StandardErrorResponse<CoreErrorResponseType> {
    fn refusal(&self) -> Refusal {
        Refusal::new(
            self.error().as_ref(),
            self.error_description().map_or("", String::as_str),
        )
    }
}

impl Says for DeviceCodeErrorResponse {
    fn refusal(&self) -> Refusal {
        Refusal::new(
            self.error().as_ref(),
            self.error_description().map_or("", String::as_str),
        )
    }
}
