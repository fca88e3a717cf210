//! What came: parameters of the address and, of a POST, of the form; and what they ask for.
//!
//! Always true: nothing is looked at before its length is known; a parameter that decides
//! anything stands once, in the address or in the form (attack 14); what is unknown is
//! ignored, because Entra sends more than it documents (facts §2.1).

use crate::protocol::query::{QueryError, decode, raw_parameter};

/// The longest address or form, in bytes: an 8 KiB context in which every byte is encoded,
/// and room for the rest.
pub const MAX_MESSAGE: usize = 48 * 1024;

/// Why a message cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParameterError {
    /// Over [`MAX_MESSAGE`].
    #[error("the message has more than {MAX_MESSAGE} bytes")]
    TooLarge,
    /// A parameter cannot be taken.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// No `wa`.
    #[error("there is no wa, so nothing is asked for; write wa=wsignin1.0")]
    NoAction,
    /// `wfresh` is no number.
    #[error("wfresh is {0:?}, which is no number of minutes")]
    Freshness(String),
    /// A `wa` that we do not know.
    #[error("wa is {0:?}; this service knows wsignin1.0, wsignout1.0 and wsignoutcleanup1.0")]
    UnknownAction(String),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// `wsignin1.0`: a token.
    SignIn,
    /// `wsignout1.0`: to end the session, here and elsewhere.
    SignOut,
    /// `wsignoutcleanup1.0`: to end what a party knows of the session; asked in frames.
    SignOutCleanup,
}

/// The parameters, undecoded.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a> {
    query: &'a str,
    form: &'a str,
}

impl<'a> Parameters<'a> {
    /// Of a raw query string (without `?`) and, of a POST, the form's body; else empty.
    ///
    /// # Errors
    /// [`ParameterError::TooLarge`].
    pub fn of(query: &'a str, form: &'a str) -> Result<Self, ParameterError> {
        if query.len().saturating_add(form.len()) > MAX_MESSAGE {
            return Err(ParameterError::TooLarge);
        }
        Ok(Self { query, form })
    }

    /// What is asked for.
    ///
    /// # Errors
    /// It is missing, twice, or none that we know.
    pub fn action(&self) -> Result<Action, ParameterError> {
        match self.value("wa")?.as_deref() {
            None | Some("") => Err(ParameterError::NoAction),
            Some("wsignin1.0") => Ok(Action::SignIn),
            Some("wsignout1.0") => Ok(Action::SignOut),
            Some("wsignoutcleanup1.0") => Ok(Action::SignOutCleanup),
            Some(other) => Err(ParameterError::UnknownAction(shortened(other))),
        }
    }

    /// The value of a parameter that decides something; it stands at most once.
    ///
    /// # Errors
    /// It stands twice, under an encoded name, or cannot be decoded.
    pub fn value(&self, name: &'static str) -> Result<Option<String>, ParameterError> {
        let (first, second) = (
            raw_parameter(self.query, name)?,
            raw_parameter(self.form, name)?,
        );
        if first.is_some() && second.is_some() {
            return Err(QueryError::Repeated(name).into());
        }
        let value = first.or(second).map(|raw| decode(raw, name)).transpose()?;
        Ok(value)
    }

    /// The value of a parameter that is only shown or logged: at most `most` bytes, without
    /// control characters; what cannot be read is not there.
    pub fn hint(&self, name: &'static str, most: usize) -> Option<String> {
        let value = self.value(name).ok().flatten()?;
        let fits = (1..=most).contains(&value.len()) && !value.chars().any(char::is_control);
        fits.then_some(value)
    }

    /// Entra's name for this sign-in, of the form of a GUID; for the log.
    pub fn client_request_id(&self) -> Option<String> {
        self.hint("client-request-id", 64)
            .filter(|id| id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
    }
}

/// The beginning of what a stranger wrote, for a message to the operator.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 100;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(query: &str, form: &str) -> Result<Action, ParameterError> {
        Parameters::of(query, form)?.action()
    }

    #[test]
    fn an_action_is_one_of_three_written_once() {
        assert_eq!(action("wa=wsignin1.0", ""), Ok(Action::SignIn));
        assert_eq!(
            action("domain=a.com", "wa=wsignin1%2e0"),
            Ok(Action::SignIn)
        );
        assert_eq!(action("a&wa=wsignout1.0&b=c", ""), Ok(Action::SignOut));
        assert_eq!(
            action("wa=wsignoutcleanup1.0", ""),
            Ok(Action::SignOutCleanup)
        );
        for nothing in ["", "wa", "wa=", "WA=wsignin1.0", "xwa=wsignin1.0"] {
            assert_eq!(action(nothing, ""), Err(ParameterError::NoAction));
        }
        for other in ["wsignin1.1", "wsignin1.0 ", "Wsignin1.0", "wattr1.0"] {
            let query = format!("wa={}", other.replace(' ', "%20"));
            let refused = ParameterError::UnknownAction(other.to_owned());
            assert_eq!(action(&query, ""), Err(refused));
        }
        let twice = Err(QueryError::Repeated("wa").into());
        for (query, form) in [
            ("wa=wsignin1.0&wa=wsignin1.0", ""),
            ("wa=wsignin1.0", "wa=wsignout1.0"),
            ("w%61=wsignin1.0", ""),
            ("wa=wsignin1.0&%77a=wsignout1.0", ""),
        ] {
            assert_eq!(action(query, form), twice, "{query} {form}");
        }
    }

    #[test]
    fn a_long_message_is_not_looked_at_and_an_unknown_action_is_shortened() {
        let long = "a".repeat(MAX_MESSAGE);
        assert!(Parameters::of(&long, "").is_ok());
        assert_eq!(action(&long, "a"), Err(ParameterError::TooLarge));
        let Err(ParameterError::UnknownAction(shown)) = action(&format!("wa={long}")[..40_000], "")
        else {
            panic!("an unknown action");
        };
        assert_eq!(shown.chars().count(), 101);
    }

    #[test]
    fn a_hint_is_there_once_short_and_printable_or_not_at_all() {
        let hint = |query| Parameters::of(query, "").unwrap().hint("username", 16);
        assert_eq!(
            hint("username=a%40b.example").as_deref(),
            Some("a@b.example")
        );
        for none in [
            "username=",
            "username=a&username=b",
            "username=%ff",
            "username=%0a",
            "username=12345678901234567",
            "",
        ] {
            assert_eq!(hint(none), None, "{none}");
        }
    }

    #[test]
    fn a_client_request_id_has_the_form_of_a_guid() {
        let id = |query| Parameters::of(query, "").unwrap().client_request_id();
        assert_eq!(
            id("client-request-id=4b6fbbbc-3d28-4ae6-8e6d-0b3ef9f1ba2c").as_deref(),
            Some("4b6fbbbc-3d28-4ae6-8e6d-0b3ef9f1ba2c")
        );
        for none in ["client-request-id=a%0ab", "client-request-id=%3Cb%3E", ""] {
            assert_eq!(id(none), None);
        }
    }
}
