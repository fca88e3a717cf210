//! A list, page by page: `value`, and `@odata.nextLink` while there is more.
//!
//! Always true: the next page lies below the base address, was not read before, and there are
//! at most [`MAX_PAGES`]; a page without a list is an error, never the end, and so is a list
//! that ends before as many things as it said came.

use std::collections::HashSet;

use aws_lc_rs::digest::{SHA256, digest};
use openidconnect::http::Method;
use serde_json::Value;

use super::{Graph, GraphError, answer::harmless};

/// How many pages one list may have: ten million people.
pub const MAX_PAGES: usize = 10_000;

/// A list that is being read.
pub struct Pages<'g> {
    graph: &'g Graph,
    first: String,
    headers: Vec<(&'static str, &'static str)>,
    next: Option<String>,
    // Hashes: a link may be long, and the memory for a list is to be small.
    seen: HashSet<[u8; 32]>,
    total: Option<u64>,
    read: u64,
}

impl<'g> Pages<'g> {
    pub(super) fn new(
        graph: &'g Graph,
        first: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Self {
        Self {
            graph,
            first: first.to_owned(),
            headers: headers.to_vec(),
            next: Some(first.to_owned()),
            seen: HashSet::new(),
            total: None,
            read: 0,
        }
    }

    /// How many things there are in all, if a page said so (`@odata.count`, with `$count=true`).
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// The next page; none after the last.
    ///
    /// # Errors
    /// See [`GraphError`]. After an error the list is over.
    pub async fn next(&mut self) -> Result<Option<Vec<Value>>, GraphError> {
        let Some(link) = self.next.take() else {
            return Ok(None);
        };
        let hash = digest(&SHA256, link.as_bytes());
        let key: [u8; 32] = hash.as_ref().try_into().unwrap_or_default();
        if !self.seen.insert(key) {
            return Err(self.unreadable("its pages go round in a circle"));
        }
        if self.seen.len() > MAX_PAGES {
            return Err(self.unreadable("it has too many pages"));
        }
        let answer = self
            .graph
            .call(Method::GET, &link, None, &self.headers)
            .await
            .map_err(|error| match error {
                // Graph's own answer names it, not the operator's configuration.
                GraphError::Address(_) if self.seen.len() > 1 => {
                    self.unreadable("its next page would be somewhere else")
                }
                error => error,
            })?;
        let Some(Value::Object(mut body)) = answer.body else {
            return Err(self.unreadable("it has no body"));
        };
        let Some(Value::Array(value)) = body.remove("value") else {
            return Err(self.unreadable("it has no list"));
        };
        self.total = body
            .get("@odata.count")
            .and_then(Value::as_u64)
            .or(self.total);
        self.next = match body.remove("@odata.nextLink") {
            None | Some(Value::Null) => None,
            Some(Value::String(link)) => Some(link),
            Some(_) => return Err(self.unreadable("its next page has no address")),
        };
        self.read = self.read.saturating_add(value.len() as u64);
        if self.next.is_none()
            && let Some(total) = self.total.filter(|total| self.read < *total)
        {
            let read = self.read;
            return Err(self.unreadable(&format!("it ends after {read} of {total}")));
        }
        Ok(Some(value))
    }

    fn unreadable(&self, what: &str) -> GraphError {
        let path = self.first.split('?').next().unwrap_or_default();
        GraphError::unreadable(format!("GET {}", harmless(path)), what)
    }
}
