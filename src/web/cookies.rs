//! The three cookies, by name; nothing else in the crate writes `Set-Cookie`.
//!
//! Always true: each is `HttpOnly`, `SameSite=Lax`, of this host only, and on https
//! `Secure` with the `__Host-` prefix, so that no sub-domain and no plain-http
//! page can plant one. On http — a loopback `public_url` only — prefix and
//! `Secure` are left out, because browsers refuse them there.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};

use super::site::Scheme;
use crate::{
    base::{browser::CookieToken, ids::AttemptId},
    session::{Desk, SessionPolicy, Stay},
};

/// Which cookie.
#[derive(Clone, Copy, Debug)]
pub enum Cookie<'a> {
    /// Ties one attempt to this browser (attack 36). One for each attempt: a request
    /// that comes by POST from another site arrives without `Lax` cookies, and a
    /// fresh value under one shared name would cut off the attempt in another tab.
    Attempt(&'a AttemptId),
    /// The session of a person who proved both factors.
    Session,
    /// A browser that has completed a sign-in before: strangers cannot lock it out.
    KnownBrowser,
}

/// How many attempts a browser may have cookies of before the others are dropped.
const ATTEMPTS_AT_ONCE: usize = 12;

/// The attempts that cookies are named after.
fn named(headers: &HeaderMap) -> impl Iterator<Item = AttemptId> {
    headers
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(|(name, _)| name.rsplit_once('-')?.1.parse().ok())
}

/// The attempts of this browser, with their cookies.
#[must_use]
pub fn attempts(headers: &HeaderMap, scheme: Scheme) -> Vec<(AttemptId, CookieToken)> {
    named(headers)
        .filter_map(|id| {
            let token = Cookie::Attempt(&id).read(headers, scheme)?;
            Some((id, token))
        })
        // More than a browser has: each costs a statement at a sign-out.
        .take(2 * ATTEMPTS_AT_ONCE)
        .collect()
}

/// Takes the other attempts' cookies away once there are too many: a site that begins
/// sign-ins in somebody's browser must not fill the request headers until a proxy refuses them.
pub fn drop_surplus(headers: &HeaderMap, keep: &AttemptId, scheme: Scheme) -> Vec<HeaderValue> {
    let others: Vec<AttemptId> = named(headers).filter(|id| id != keep).collect();
    if others.len() < ATTEMPTS_AT_ONCE {
        return Vec::new();
    }
    others
        .iter()
        .map(|id| Cookie::Attempt(id).clear(scheme))
        .collect()
}

impl Cookie<'_> {
    fn name(self, scheme: Scheme) -> String {
        let prefix = match scheme {
            Scheme::Https => "__Host-",
            Scheme::Http => "",
        };
        match self {
            Self::Attempt(id) => format!("{prefix}claimbridge-{id}"),
            Self::Session => format!("{prefix}claimbridge-session"),
            Self::KnownBrowser => format!("{prefix}claimbridge-known"),
        }
    }

    /// How long the browser keeps it; `None`: until it is closed.
    fn kept(self, desk: Desk) -> Option<Duration> {
        match self {
            // Who closes the browser of a shared PC leaves nothing to the next person, who
            // might ask for the last answer once more.
            Self::Attempt(_) if desk == Desk::Clean => None,
            // Longer than any attempt lives, so that a late click is answered with
            // "this took too long" and not with "another browser".
            Self::Attempt(_) => Some(Duration::from_hours(1)),
            Self::Session => None,
            // What browsers keep at most (RFC 6265bis §5.5).
            Self::KnownBrowser => Some(Duration::from_hours(400 * 24)),
        }
    }

    /// Reads it; `None` if it is missing, malformed, or there twice.
    #[must_use]
    pub fn read(self, headers: &HeaderMap, scheme: Scheme) -> Option<CookieToken> {
        let name = self.name(scheme);
        let mut found = headers
            .get_all(header::COOKIE)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(given, _)| *given == name)
            .map(|(_, value)| value);
        match (found.next(), found.next()) {
            (Some(value), None) => CookieToken::parse(value),
            _ => None,
        }
    }

    /// Sets it.
    #[must_use]
    pub fn set(self, token: &CookieToken, scheme: Scheme, desk: Desk) -> HeaderValue {
        self.write(token.expose(), self.kept(desk), scheme)
    }

    /// Sets a session's, for as long as the session may live if the policy says that people
    /// stay signed in, else until the browser is closed.
    #[must_use]
    pub fn set_session(token: &CookieToken, scheme: Scheme, policy: SessionPolicy) -> HeaderValue {
        let kept = match policy.stay {
            Stay::ForLifetime => Some(policy.absolute),
            Stay::UntilClosed => None,
        };
        Self::Session.write(token.expose(), kept, scheme)
    }

    /// Takes it away.
    #[must_use]
    pub fn clear(self, scheme: Scheme) -> HeaderValue {
        self.write("", Some(Duration::ZERO), scheme)
    }

    fn write(self, value: &str, kept: Option<Duration>, scheme: Scheme) -> HeaderValue {
        let name = self.name(scheme);
        let secure = match scheme {
            Scheme::Https => "; Secure",
            Scheme::Http => "",
        };
        let age = kept.map_or_else(String::new, |kept| format!("; Max-Age={}", kept.as_secs()));
        let line = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}");
        // Names and tokens are ASCII letters and digits: it cannot fail.
        HeaderValue::from_str(&line).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;

    fn line(value: &HeaderValue) -> &str {
        value.to_str().unwrap()
    }

    #[test]
    fn on_https_a_cookie_is_of_this_host_and_of_tls_only() {
        let token = CookieToken::random(&mut SystemRandom);
        let set = Cookie::Session.set(&token, Scheme::Https, Desk::Ordinary);
        assert_eq!(
            line(&set),
            format!(
                "__Host-claimbridge-session={}; Path=/; HttpOnly; SameSite=Lax; Secure",
                token.expose()
            )
        );
        let id = AttemptId::random(&mut SystemRandom);
        let set = Cookie::Attempt(&id).set(&token, Scheme::Https, Desk::Ordinary);
        assert!(line(&set).starts_with(&format!("__Host-claimbridge-{id}=")));
        assert!(line(&set).ends_with("; Secure; Max-Age=3600"));
    }

    #[test]
    fn a_session_outlives_the_browser_only_where_the_policy_says_so() {
        let token = CookieToken::random(&mut SystemRandom);
        let until_closed = SessionPolicy::default();
        let set = Cookie::set_session(&token, Scheme::Https, until_closed);
        assert!(!line(&set).contains("Max-Age") && !line(&set).contains("Expires"));
        let stays = SessionPolicy {
            stay: Stay::ForLifetime,
            ..until_closed
        };
        let set = Cookie::set_session(&token, Scheme::Https, stays);
        assert!(line(&set).ends_with("; Secure; Max-Age=36000"), "{set:?}");
    }

    #[test]
    fn at_a_clean_desk_what_proves_anything_ends_with_the_browser() {
        let token = CookieToken::random(&mut SystemRandom);
        let id = AttemptId::random(&mut SystemRandom);
        for cookie in [Cookie::Session, Cookie::Attempt(&id)] {
            let set = cookie.set(&token, Scheme::Https, Desk::Clean);
            assert!(!line(&set).contains("Max-Age"), "{set:?}");
            assert!(!line(&set).contains("Expires"), "{set:?}");
        }
    }

    #[test]
    fn on_loopback_http_it_has_neither_prefix_nor_secure() {
        let token = CookieToken::random(&mut SystemRandom);
        let set = Cookie::KnownBrowser.set(&token, Scheme::Http, Desk::Ordinary);
        assert_eq!(
            line(&set),
            format!(
                "claimbridge-known={}; Path=/; HttpOnly; SameSite=Lax; Max-Age=34560000",
                token.expose()
            )
        );
        assert!(line(&Cookie::Session.clear(Scheme::Http)).ends_with("Max-Age=0"));
    }

    #[test]
    fn too_many_attempts_are_dropped_but_for_the_present_one() {
        let ids: Vec<AttemptId> = (0..=ATTEMPTS_AT_ONCE)
            .map(|_| AttemptId::random(&mut SystemRandom))
            .collect();
        let token = CookieToken::random(&mut SystemRandom);
        let headers = |ids: &[AttemptId]| {
            let pairs = ids.iter().map(|id| {
                let name = Cookie::Attempt(id).name(Scheme::Https);
                format!("{name}={}", token.expose())
            });
            let session = Cookie::Session.name(Scheme::Https);
            let line = format!(
                "{}; {session}={}",
                pairs.collect::<Vec<_>>().join("; "),
                token.expose()
            );
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, line.parse().unwrap());
            headers
        };
        let few = headers(&ids[1..]);
        assert!(drop_surplus(&few, &ids[1], Scheme::Https).is_empty());
        let dropped = drop_surplus(&headers(&ids), &ids[0], Scheme::Https);
        assert_eq!(dropped.len(), ATTEMPTS_AT_ONCE);
        for cookie in &dropped {
            assert!(line(cookie).contains("Max-Age=0"));
            assert!(!line(cookie).contains(ids[0].as_str()));
            assert!(!line(cookie).contains("session"));
        }
    }

    #[test]
    fn a_cookie_reads_back_unless_it_is_malformed_or_twice_there() {
        let token = CookieToken::random(&mut SystemRandom);
        let headers = |line: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, line.parse().unwrap());
            headers
        };
        let own = format!("__Host-claimbridge-session={}", token.expose());
        let read = |line: &str| Cookie::Session.read(&headers(line), Scheme::Https);
        assert_eq!(
            read(&format!("a=b; {own}; c=d")).unwrap().hash(),
            token.hash()
        );
        for bad in [
            String::new(),
            "__Host-claimbridge-session=".to_owned(),
            "__Host-claimbridge-session=short".to_owned(),
            format!("claimbridge-session={}", token.expose()),
            format!("{own}; {own}"),
        ] {
            assert!(read(&bad).is_none(), "{bad}");
        }
    }
}
