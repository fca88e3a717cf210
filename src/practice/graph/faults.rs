//! What a test lets go wrong with Graph. Only the process that made the tenant can: nothing
//! here is reached by HTTP.

use std::{
    io,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Method, StatusCode},
};
use hyper::body::Frame;
use serde_json::Value;

use crate::practice::visit::lock;

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum FaultKind {
    /// 429 with `Retry-After` in seconds, or without; nothing takes place.
    Throttled(Option<u64>),
    /// 500; nothing takes place.
    ServerError,
    /// 503 with `Retry-After` in seconds; nothing takes place.
    Unavailable(u64),
    /// 403; nothing takes place.
    Forbidden,
    /// It takes place, and the answer ends in the middle.
    HalfAnswer,
    /// It takes place, and the answer says this instead.
    Lie(Value),
    /// It takes place, and the connection ends before the answer.
    DoneButCut,
    /// Nothing takes place, and the connection ends before the answer.
    CutBeforeDone,
    /// The same, and it takes place before the so-manieth call after it.
    DoneLater(usize),
}

/// Something that goes wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Only calls with this method.
    pub method: Option<Method>,
    /// Only calls whose path contains this.
    pub path: String,
    /// How many such calls go well before.
    pub after: usize,
    /// How many such calls it happens to.
    pub times: usize,
    /// What goes wrong.
    pub kind: FaultKind,
}

impl Fault {
    /// The next `times` calls whose path contains `path`.
    pub fn next(times: usize, path: &str, kind: FaultKind) -> Self {
        Self {
            method: None,
            path: path.to_owned(),
            after: 0,
            times,
            kind,
        }
    }
}

/// A call that was answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GraphCall {
    /// The how-manieth call of this tenant, from 1.
    pub number: usize,
    /// `PATCH`.
    pub method: Method,
    /// `/graph/v1.0/domains/contoso.com`.
    pub path: String,
    /// The answer's status.
    pub status: StatusCode,
}

type Hook = Box<dyn Fn(&GraphCall) + Send + Sync>;

/// What is to go wrong, and what was called.
#[derive(Default)]
pub struct Faults {
    pending: Mutex<Vec<Fault>>,
    calls: Mutex<Vec<GraphCall>>,
    hook: Mutex<Option<Hook>>,
    late: Mutex<Vec<Late>>,
}

/// A call that takes place later.
pub(super) struct Late {
    /// Before the how-manieth call from now.
    in_calls: usize,
    pub method: Method,
    pub path: String,
    pub query: Option<String>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Late {
    pub(super) fn new(
        in_calls: usize,
        (method, path): (&Method, &str),
        query: Option<&str>,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Self {
        Self {
            in_calls,
            method: method.clone(),
            path: path.to_owned(),
            query: query.map(ToOwned::to_owned),
            headers: headers.clone(),
            body: body.clone(),
        }
    }
}

/// More calls than a test looks at: the list is for tests, and a demo must not grow.
const MOST_CALLS: usize = 10_000;

impl Faults {
    /// Adds one.
    pub fn add(&self, fault: Fault) {
        lock(&self.pending).push(fault);
    }

    /// None from now on.
    pub fn clear(&self) {
        lock(&self.pending).clear();
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<GraphCall> {
        lock(&self.calls).clone()
    }

    /// Calls this after each call has taken place and before its answer leaves: a test may
    /// kill the caller there.
    pub fn after_each(&self, hook: impl Fn(&GraphCall) + Send + Sync + 'static) {
        *lock(&self.hook) = Some(Box::new(hook));
    }

    pub(super) fn put_off(&self, late: Late) {
        lock(&self.late).push(late);
    }

    /// A call comes: what takes place before it.
    pub(super) fn late(&self) -> Vec<Late> {
        let mut late = lock(&self.late);
        for one in late.iter_mut() {
            one.in_calls = one.in_calls.saturating_sub(1);
        }
        late.extract_if(.., |one| one.in_calls == 0).collect()
    }

    pub(super) fn due(&self, method: &Method, path: &str) -> Option<FaultKind> {
        let mut pending = lock(&self.pending);
        let at = pending.iter().position(|fault| {
            fault.times > 0
                && path.contains(&fault.path)
                && fault.method.as_ref().is_none_or(|only| only == method)
        })?;
        let fault = &mut pending[at];
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        fault.times -= 1;
        let kind = fault.kind.clone();
        if fault.times == 0 {
            pending.remove(at);
        }
        Some(kind)
    }

    pub(super) fn answered(&self, method: &Method, path: &str, status: StatusCode) {
        let call = {
            let mut calls = lock(&self.calls);
            if calls.len() == MOST_CALLS {
                calls.clear();
            }
            let call = GraphCall {
                number: calls.len() + 1,
                method: method.clone(),
                path: path.to_owned(),
                status,
            };
            calls.push(call.clone());
            call
        };
        if let Some(hook) = lock(&self.hook).as_ref() {
            hook(&call);
        }
    }
}

/// A body that breaks off: the server ends the connection.
pub(super) fn cut() -> Body {
    Body::new(Cut)
}

struct Cut;

impl hyper::body::Body for Cut {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())))
    }
}
