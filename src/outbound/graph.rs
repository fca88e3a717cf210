//! Microsoft Graph, as a client sees it (facts §4.1): one call, or one list page by page.
//!
//! Always true: nothing is asked outside the base address, whatever an answer says, and a
//! path means what it says: nothing in it climbs; the token stands in one header and in no
//! error; what was asked to wait is waited for, at least a second, within [`PATIENCE`] and
//! [`MOST_TRIES`]; a read is tried again, a write only where Graph says that it did not take
//! place (429, or 503 with `Retry-After`). Every other failure of a write is
//! [`GraphError::OutcomeUnknown`]: the caller reads back before it says anything.
//!
//! Read next: [`error`](GraphError) (what can go wrong, and the remedy), [`Pages`] (lists),
//! [`Patience`] (waiting, and who is told).

mod answer;
mod error;
mod pages;
mod pause;

use std::time::Duration;

use openidconnect::http::{self, HeaderMap, Method, header};
use serde_json::Value;
use url::Url;

use super::guard::{self, Outbound, OutboundError};
use crate::base::secret::Secret;

pub use answer::GraphAnswer;
pub(in crate::outbound) use answer::harmless;
pub use error::{GraphError, Refused};
pub use pages::{MAX_PAGES, Pages};
pub use pause::{Patience, Pause, PauseReason, Waits};

use answer::Verdict;

/// The largest answer that is read, in bytes. A page of 999 people with the properties that
/// we select has about half a megabyte; a page of sign-ins more.
pub const LARGEST_ANSWER: usize = 4 * 1024 * 1024;
/// How long one call may take, with all waiting and all tries.
pub const PATIENCE: Duration = Duration::from_mins(5);
/// How often a read is tried again where Graph does not say how long to wait.
const TRIES: u32 = 4;
/// How often one call is sent at most, however often Graph asks us to come again.
pub const MOST_TRIES: u32 = 10;
/// `Retry-After: 0` would be a call as fast as the network goes.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// A client of Graph with one token.
pub struct Graph {
    outbound: Outbound,
    base: Url,
    token: Secret<String>,
    patience: Box<dyn Patience>,
    most_tries: u32,
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

impl Graph {
    /// A client of the Graph at `base`, such as `https://graph.microsoft.com` or the practice
    /// tenant's `http://127.0.0.1:8081/graph`, that waits by tokio's clock and tells nobody.
    ///
    /// # Errors
    /// [`GraphError::Address`] where `base` is none that may be asked.
    pub fn new(outbound: Outbound, base: Url, token: Secret<String>) -> Result<Self, GraphError> {
        if !guard::may_be_asked(&base) || base.query().is_some() || base.fragment().is_some() {
            return Err(GraphError::Address(base.path().to_owned()));
        }
        Ok(Self {
            outbound,
            base,
            token,
            patience: Box::new(Waits),
            most_tries: MOST_TRIES,
        })
    }

    /// The same, that asks once and waits for nothing: for who can go on without the answer.
    pub fn once(&self) -> Self {
        Self {
            outbound: self.outbound.clone(),
            base: self.base.clone(),
            token: Secret::new(self.token.expose().clone()),
            patience: Box::new(Waits),
            most_tries: 1,
        }
    }

    /// Waits in another way: a progress bar says so, a test does not wait.
    pub fn with_patience(mut self, patience: impl Patience + 'static) -> Self {
        self.patience = Box::new(patience);
        self
    }

    /// Whom it asks.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Reads what is at `path`, such as `/v1.0/domains`. See [`segment`] for names in it.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn get(&self, path: &str) -> Result<GraphAnswer, GraphError> {
        self.call(Method::GET, path, None, &[]).await
    }

    /// One call: `path` below the base address, or a whole address that lies below it.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&'static str, &str)],
    ) -> Result<GraphAnswer, GraphError> {
        let url = self.address(&method, path)?;
        let headers = self.headers(body, headers)?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let began = tokio::time::Instant::now();
        let mut waited = Duration::ZERO;
        let mut tries = 0;
        loop {
            tries += 1;
            let request = request(&method, &url, &headers, &body)?;
            let answer = self.outbound.call_within(request, LARGEST_ANSWER).await;
            let verdict = answer::judge(&method, &url, answer);
            let (asked, error) = match verdict {
                Verdict::Done(answer) => return Ok(answer),
                Verdict::Failed(error) if tries > 1 => {
                    return Err(answer::of_a_repeated(&method, error));
                }
                Verdict::Failed(error) => return Err(error),
                Verdict::Again { asked, error } => (asked, error),
            };
            if tries >= self.most_tries || (asked.is_none() && tries >= TRIES) {
                return Err(error);
            }
            // 1, 2, 4 … seconds, where Graph does not say.
            let lasts = asked
                .unwrap_or(Duration::from_secs(1 << (tries - 1).min(5)))
                .max(SHORTEST_WAIT);
            // The tries take time too.
            let spent = waited.max(began.elapsed());
            if spent.saturating_add(lasts) > PATIENCE {
                return Err(error);
            }
            waited = waited.saturating_add(lasts);
            let reason = error.pause_reason();
            self.patience.pause(Pause { lasts, reason }).await;
        }
    }

    /// A list, page by page; `path` is that of the first page.
    pub fn pages(&self, path: &str, headers: &[(&'static str, &'static str)]) -> Pages<'_> {
        Pages::new(self, path, headers)
    }

    /// A list that is known to be short: at most `most` things.
    ///
    /// # Errors
    /// See [`GraphError`]; [`GraphError::Unreadable`] if it is longer.
    pub async fn all(&self, path: &str, most: usize) -> Result<Vec<Value>, GraphError> {
        let mut pages = self.pages(path, &[]);
        let mut all = Vec::new();
        while let Some(page) = pages.next().await? {
            all.extend(page);
            if all.len() > most {
                return Err(GraphError::unreadable(path, "the list is too long"));
            }
        }
        Ok(all)
    }

    fn address(&self, method: &Method, path: &str) -> Result<Url, GraphError> {
        let refused = || {
            GraphError::Address(answer::harmless(
                path.split(['?', '#']).next().unwrap_or_default(),
            ))
        };
        // A whole address comes from an answer; what is written stands in no answer's hands.
        if !is_plain(path) || (*method != Method::GET && !path.starts_with('/')) {
            return Err(refused());
        }
        let text = if path.starts_with('/') {
            format!("{}{path}", self.base.as_str().trim_end_matches('/'))
        } else {
            path.to_owned()
        };
        let url = Url::parse(&text).map_err(|_| refused())?;
        if self.contains(&url) {
            Ok(url)
        } else {
            Err(refused())
        }
    }

    /// Whether an address is below the base: the token goes nowhere else.
    fn contains(&self, url: &Url) -> bool {
        let below = format!("{}/", self.base.path().trim_end_matches('/'));
        url.scheme() == self.base.scheme()
            && url.host() == self.base.host()
            && url.port_or_known_default() == self.base.port_or_known_default()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
            && url.path().starts_with(&below)
    }

    fn headers(
        &self,
        body: Option<&Value>,
        more: &[(&'static str, &str)],
    ) -> Result<HeaderMap, GraphError> {
        let unwritable = |error: http::Error| OutboundError::Request(error);
        let mut headers = HeaderMap::new();
        let mut bearer =
            header::HeaderValue::try_from(format!("Bearer {}", self.token.expose().as_str()))
                .map_err(|error| unwritable(error.into()))?;
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
        headers.insert(
            header::ACCEPT,
            header::HeaderValue::from_static("application/json"),
        );
        if body.is_some() {
            headers.insert(
                header::CONTENT_TYPE,
                header::HeaderValue::from_static("application/json"),
            );
        }
        for (name, value) in more {
            let name =
                header::HeaderName::try_from(*name).map_err(|error| unwritable(error.into()))?;
            let value =
                header::HeaderValue::try_from(*value).map_err(|error| unwritable(error.into()))?;
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

fn request(
    method: &Method,
    url: &Url,
    headers: &HeaderMap,
    body: &str,
) -> Result<http::Request<Vec<u8>>, GraphError> {
    let mut request = http::Request::builder()
        .method(method.clone())
        .uri(url.as_str())
        .body(body.as_bytes().to_vec())
        .map_err(OutboundError::Request)?;
    request.headers_mut().clone_from(headers);
    Ok(request)
}

/// Whether a path is read alike by everybody: no segment climbs, is a placeholder, or holds
/// an encoded slash. Joining addresses would quietly resolve `../` and ask another object.
fn is_plain(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.split('/').all(|segment| {
        let decoded: Vec<u8> = percent_encoding::percent_decode_str(segment).collect();
        decoded != b"."
            && decoded != b".."
            && !decoded
                .iter()
                .any(|byte| byte.is_ascii_control() || b"/\\{} ".contains(byte))
    })
}

/// A name as one segment of a path: a domain, a UPN, an id.
pub fn segment(name: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'@');
    // A segment that is nothing but dots would climb.
    if name.bytes().all(|byte| byte == b'.') {
        return "%00".to_owned();
    }
    percent_encoding::utf8_percent_encode(name, KEPT).to_string()
}

#[cfg(test)]
mod tests;
