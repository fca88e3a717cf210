//! Forms that only our own pages can send.
//!
//! Always true: the value inside a [`CsrfForm`] is out of reach until its token
//! was verified against the cookie that the page was made for. A token is a random
//! nonce and an HMAC over the nonce and that cookie's value: it differs on every
//! page (so compression gives nothing away), and is worth nothing elsewhere.

use std::sync::Arc;

use aws_lc_rs::hmac;
use axum::{
    extract::{Form, FromRequest, Request, rejection::FormRejection},
    http::{StatusCode, header},
    response::Response,
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Web,
    pages::{CsrfToken, outcome::ErrorKind},
};
use crate::{
    app::{error::SupportCode, refused::Refused},
    base::{
        browser::CookieToken,
        random::{Random, random_bytes},
    },
};

const NONCE: usize = 16;

/// Makes and checks form tokens. All nodes hold the same key.
pub struct FormKey(hmac::Key);

/// The form is too old, of another browser, or of another site. Nothing was changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the form's token does not fit this browser")]
pub struct StaleForm;

impl FormKey {
    /// From a key that was derived for this purpose only.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// A token for a page that is shown to the browser with this cookie.
    pub fn token(&self, cookie: &CookieToken, random: &mut dyn Random) -> CsrfToken {
        let mut bytes = random_bytes::<NONCE>(random).to_vec();
        let tag = hmac::sign(&self.0, &signed(&bytes, cookie));
        bytes.extend_from_slice(tag.as_ref());
        CsrfToken(data_encoding::BASE64URL_NOPAD.encode(&bytes))
    }

    fn verify(&self, token: &str, cookie: &CookieToken) -> Result<(), StaleForm> {
        let bytes = data_encoding::BASE64URL_NOPAD
            .decode(token.as_bytes())
            .map_err(|_| StaleForm)?;
        let (nonce, tag) = bytes.split_at_checked(NONCE).ok_or(StaleForm)?;
        hmac::verify(&self.0, &signed(nonce, cookie), tag).map_err(|_| StaleForm)
    }
}

fn signed(nonce: &[u8], cookie: &CookieToken) -> Vec<u8> {
    [nonce, cookie.expose().as_bytes()].concat()
}

/// A form as it came. [`CsrfForm::verify`] is the only way to what it says.
pub struct CsrfForm<T> {
    token: String,
    inner: T,
}

impl<T> CsrfForm<T> {
    /// A form that came in parts.
    pub(super) fn of(token: String, inner: T) -> Self {
        Self { token, inner }
    }

    /// What the form says, if it came from a page that was made for this cookie.
    pub fn verify(self, key: &FormKey, cookie: Option<&CookieToken>) -> Result<T, StaleForm> {
        key.verify(&self.token, cookie.ok_or(StaleForm)?)?;
        Ok(self.inner)
    }
}

/// A form that says nothing but "yes": its button was pressed.
#[derive(Debug, Deserialize)]
pub struct Pressed {}

#[derive(Deserialize)]
struct Sent<T> {
    #[serde(default)]
    csrf: String,
    #[serde(flatten)]
    inner: T,
}

impl<T: DeserializeOwned> FromRequest<Arc<Web>> for CsrfForm<T> {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Arc<Web>) -> Result<Self, Response> {
        // A browser names the page's origin on every POST: an answer before any parsing.
        let foreign = request
            .headers()
            .get(header::ORIGIN)
            .is_some_and(|origin| !web.site.is_origin(origin));
        if foreign {
            web.app.count_refused(Refused::ForgedForm);
            return Err(web.refuse(ErrorKind::Refused, &SupportCode::FORGED_FORM));
        }
        match Form::<Sent<T>>::from_request(request, web).await {
            Ok(Form(Sent { csrf, inner })) => Ok(Self { token: csrf, inner }),
            Err(rejection) => Err(unreadable(web, &rejection)),
        }
    }
}

/// The page for a form that could not be read.
pub(super) fn unreadable(web: &Web, rejection: &FormRejection) -> Response {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        web.refuse(ErrorKind::TooLarge, &SupportCode::TOO_LARGE)
    } else {
        web.refuse(ErrorKind::BadRequest, &SupportCode::INPUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;

    fn form(token: &str) -> CsrfForm<u8> {
        CsrfForm {
            token: token.to_owned(),
            inner: 7,
        }
    }

    #[test]
    fn a_form_opens_only_with_the_cookie_its_page_was_made_for() {
        let key = FormKey::new(b"one key");
        let cookie = CookieToken::random(&mut SystemRandom);
        let other = CookieToken::random(&mut SystemRandom);
        let token = key.token(&cookie, &mut SystemRandom).to_string();
        assert_eq!(form(&token).verify(&key, Some(&cookie)), Ok(7));
        assert_eq!(form(&token).verify(&key, Some(&other)), Err(StaleForm));
        assert_eq!(form(&token).verify(&key, None), Err(StaleForm));
        assert_eq!(
            form(&token).verify(&FormKey::new(b"another"), Some(&cookie)),
            Err(StaleForm)
        );
        for bad in ["", "AAAA", &token[..token.len() - 2], &token[4..]] {
            assert_eq!(
                form(bad).verify(&key, Some(&cookie)),
                Err(StaleForm),
                "{bad}"
            );
        }
    }

    #[test]
    fn no_two_pages_carry_the_same_token() {
        let key = FormKey::new(b"one key");
        let cookie = CookieToken::random(&mut SystemRandom);
        let one = || key.token(&cookie, &mut SystemRandom).to_string();
        assert_ne!(one(), one());
    }
}
