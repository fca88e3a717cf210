//! What a browser brings to a request: its cookies, its address, its attempt.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use axum::{
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{HeaderMap, request::Parts},
    response::Response,
};
use serde::de::DeserializeOwned;

use super::{
    Web,
    cookies::{Cookie, attempts},
    forms::CsrfForm,
    oidc,
    pages::{CsrfToken, Frame, external_mfa::Waiting, outcome::ErrorKind},
    peer::PeerAddress,
};
use crate::{
    app::{error::SupportCode, sign_in::Browser},
    base::{clock::Timestamp, ids::AttemptId, random::SystemRandom},
};

/// A request for something that is no attempt.
pub struct Visit {
    /// Its cookies and address; no attempt's cookie among them.
    pub browser: Browser,
}

impl FromRequestParts<Arc<Web>> for Visit {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        web: &Arc<Web>,
    ) -> Result<Self, Self::Rejection> {
        let peer = PeerAddress::from_request_parts(parts, web).await?;
        let browser = browser(web, &parts.headers, peer, None);
        Ok(Self { browser })
    }
}

impl Visit {
    /// A token for a form that is bound to the session; `None` without one.
    pub fn session_form(&self, web: &Web) -> Option<CsrfToken> {
        let session = self.browser.session.as_ref()?;
        Some(web.forms.token(session, &mut SystemRandom))
    }
}

/// A request for `/sign-in/{attempt}…`. Whether the browser may go on with the
/// attempt is for the use case to say.
#[derive(Clone)]
pub struct AttemptVisit {
    /// The attempt that the address names.
    pub id: AttemptId,
    /// The browser, with the cookie of that attempt if it has one.
    pub browser: Browser,
    /// What stands around its pages.
    pub frame: Arc<Frame>,
}

impl FromRequestParts<Arc<Web>> for AttemptVisit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Response> {
        let not_found = || web.refuse(ErrorKind::NotFound, &SupportCode::NOT_FOUND);
        let Path(id) = Path::<String>::from_request_parts(parts, web)
            .await
            .map_err(|_| not_found())?;
        let id: AttemptId = id.parse().map_err(|_| not_found())?;
        let Ok(peer) = PeerAddress::from_request_parts(parts, web).await;
        let browser = browser(web, &parts.headers, peer, Some(&id));
        let frame = Arc::clone(&web.frame);
        Ok(Self { id, browser, frame })
    }
}

impl AttemptVisit {
    /// The address of this attempt's page.
    pub fn path(&self) -> String {
        attempt_path(&self.id)
    }

    /// The same visit, on whose pages stands for how long Entra waits, and the way back to it.
    pub fn waited_for(
        &self,
        web: &Web,
        until: Option<Timestamp>,
        way_back: &'static str,
    ) -> Cow<'_, Self> {
        let Some(until) = until else {
            return Cow::Borrowed(self);
        };
        let waiting = Waiting {
            left: web.until(until),
            page: self.path(),
            cancel: format!("{}/cancel", self.path()),
            csrf: self.form(web),
            way_back,
        };
        let mut frame = Frame::clone(&self.frame);
        frame.waiting = Some(waiting);
        Cow::Owned(Self {
            frame: Arc::new(frame),
            ..self.clone()
        })
    }

    /// The same for a page that does not ask what comes next.
    pub async fn while_entra_waits(&self, web: &Web) -> Cow<'_, Self> {
        let until = web.app.entra_waits_until(&self.id, &self.browser).await;
        self.waited_for(web, until, oidc::CANCEL)
    }

    /// A token for a form of this attempt. A browser without the attempt's cookie
    /// never gets a page with a form, so what it would get is worth nothing.
    pub fn form(&self, web: &Web) -> CsrfToken {
        match &self.browser.binding {
            Some(binding) => web.forms.token(binding, &mut SystemRandom),
            None => CsrfToken(String::new()),
        }
    }
}

/// A form of an attempt's page, its token verified against the attempt's cookie: a handler that
/// takes one cannot forget to.
pub struct AttemptForm<T> {
    /// The attempt and the browser.
    pub visit: AttemptVisit,
    /// What the form says.
    pub form: T,
}

impl<T: DeserializeOwned> FromRequest<Arc<Web>> for AttemptForm<T> {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Arc<Web>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visit = AttemptVisit::from_request_parts(&mut parts, web).await?;
        let request = Request::from_parts(parts, body);
        let form = CsrfForm::<T>::from_request(request, web).await?;
        match form.verify(&web.forms, visit.browser.binding.as_ref()) {
            Ok(form) => Ok(Self { visit, form }),
            Err(_) => Err(web.stale_form()),
        }
    }
}

/// The address of an attempt's page.
pub fn attempt_path(id: &AttemptId) -> String {
    format!("/sign-in/{id}")
}

fn browser(
    web: &Web,
    headers: &HeaderMap,
    peer: PeerAddress,
    attempt: Option<&AttemptId>,
) -> Browser {
    let read = |cookie: Cookie<'_>| cookie.read(headers, web.site.scheme);
    Browser {
        binding: attempt.and_then(|id| read(Cookie::Attempt(id))),
        session: read(Cookie::Session),
        known: read(Cookie::KnownBrowser),
        attempts: attempts(headers, web.site.scheme),
        source: source(peer),
    }
}

/// What is counted as one source: an IPv4 address, or the /64 that one customer of an
/// IPv6 network has at least.
pub(super) fn source(PeerAddress(address): PeerAddress) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ipv6_customer_is_one_source() {
        for (address, expected) in [
            ("203.0.113.9", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(source(PeerAddress(address.parse().unwrap())), expected);
        }
    }
}
