//! What an answer of Graph's means: done, try again, or failed.

use std::time::Duration;

use openidconnect::{
    HttpResponse,
    http::{HeaderMap, Method, StatusCode, header},
};
use serde_json::Value;
use time::{OffsetDateTime, PrimitiveDateTime, macros::format_description};
use url::Url;

use super::error::{GraphError, Refused, needs};
use crate::outbound::guard::OutboundError;

/// The longest text of theirs that is kept, in characters.
const LONGEST: usize = 600;

/// What Graph answered.
#[derive(Clone, Debug)]
pub struct GraphAnswer {
    /// HTTP's status, 2xx.
    pub status: u16,
    /// The body; none where there was none (204).
    pub body: Option<Value>,
    /// The header `request-id`, which Microsoft's support asks for.
    pub request_id: Option<String>,
}

/// What was asked, for people.
#[derive(Clone, Copy, Debug)]
pub(super) struct Called<'a> {
    method: &'a Method,
    url: &'a Url,
}

impl Called<'_> {
    pub(super) fn path(&self) -> &str {
        self.url.path()
    }

    pub(super) fn is_read(&self) -> bool {
        *self.method == Method::GET
    }

    fn in_words(&self) -> String {
        // Never the query: it holds names of people and page tokens.
        harmless(&format!("{} {}", self.method, self.url.path()))
    }
}

pub(super) enum Verdict {
    Done(GraphAnswer),
    /// Nothing took place, or it was a read: it may be tried again.
    Again {
        /// How long Graph asks us to wait.
        asked: Option<Duration>,
        /// What to say if there is no time left for it.
        error: GraphError,
    },
    Failed(GraphError),
}

pub(super) fn judge(
    method: &Method,
    url: &Url,
    answer: Result<HttpResponse, OutboundError>,
) -> Verdict {
    let called = Called { method, url };
    match answer {
        Ok(answer) => judge_answer(called, &answer),
        Err(error) => no_answer(called, error),
    }
}

fn no_answer(called: Called<'_>, error: OutboundError) -> Verdict {
    match error {
        error @ OutboundError::Unreachable { .. } if called.is_read() => Verdict::Again {
            asked: None,
            error: error.into(),
        },
        error if called.is_read() || error.was_never_sent() => Verdict::Failed(error.into()),
        error => Verdict::Failed(GraphError::OutcomeUnknown {
            call: called.in_words(),
            what: "no answer came".to_owned(),
            cause: Some(error),
        }),
    }
}

fn judge_answer(called: Called<'_>, answer: &HttpResponse) -> Verdict {
    let status = answer.status();
    let request_id = header_text(answer.headers(), "request-id");
    let body = parse_body(answer.body());
    if status.is_success() {
        return match body {
            Ok(body) => Verdict::Done(GraphAnswer {
                status: status.as_u16(),
                body,
                request_id,
            }),
            Err(what) => unreadable(called, what),
        };
    }
    let body = body.ok().flatten().unwrap_or_default();
    let text = |name: &str| harmless(body["error"][name].as_str().unwrap_or_default());
    let refused = Refused {
        status: status.as_u16(),
        code: text("code"),
        message: text("message"),
        request_id,
        call: called.in_words(),
    };
    let asked = retry_after(answer.headers());
    match status {
        StatusCode::TOO_MANY_REQUESTS => Verdict::Again {
            asked,
            error: GraphError::Throttled { refused, asked },
        },
        StatusCode::SERVICE_UNAVAILABLE if asked.is_some() => Verdict::Again {
            asked,
            error: GraphError::Throttled { refused, asked },
        },
        status if status.is_server_error() && called.is_read() => Verdict::Again {
            asked,
            error: GraphError::OutOfOrder(refused),
        },
        status if status.is_server_error() => Verdict::Failed(GraphError::OutcomeUnknown {
            call: called.in_words(),
            what: refused.to_string(),
            cause: None,
        }),
        // A gateway gave up waiting, and what it waited for may still be at work.
        StatusCode::REQUEST_TIMEOUT if called.is_read() => Verdict::Again {
            asked,
            error: GraphError::OutOfOrder(refused),
        },
        StatusCode::REQUEST_TIMEOUT => Verdict::Failed(GraphError::OutcomeUnknown {
            call: called.in_words(),
            what: refused.to_string(),
            cause: None,
        }),
        StatusCode::UNAUTHORIZED => Verdict::Failed(GraphError::Unauthorized(refused)),
        StatusCode::FORBIDDEN => Verdict::Failed(GraphError::Forbidden {
            refused,
            needs: needs(&called),
        }),
        StatusCode::NOT_FOUND => Verdict::Failed(GraphError::NotFound(refused)),
        status if status.is_client_error() => Verdict::Failed(GraphError::Refused(refused)),
        // A redirect, or what no Graph answers: not followed, and nothing is known of a write.
        _ if called.is_read() => Verdict::Failed(GraphError::unreadable(
            called.in_words(),
            format!("HTTP {status}"),
        )),
        _ => Verdict::Failed(GraphError::OutcomeUnknown {
            call: called.in_words(),
            what: format!("HTTP {status}"),
            cause: None,
        }),
    }
}

/// A conflict of a change that was sent before may be one with its own work: what was put off may
/// have taken place all the same.
pub(super) fn of_a_repeated(method: &Method, error: GraphError) -> GraphError {
    match error {
        GraphError::Refused(refused)
            if *method != Method::GET && refused.status == StatusCode::CONFLICT.as_u16() =>
        {
            GraphError::OutcomeUnknown {
                call: refused.call.clone(),
                what: refused.to_string(),
                cause: None,
            }
        }
        error => error,
    }
}

fn unreadable(called: Called<'_>, what: String) -> Verdict {
    if called.is_read() {
        // Half a page is what a connection leaves that broke behind a proxy.
        Verdict::Again {
            asked: None,
            error: GraphError::unreadable(called.in_words(), what),
        }
    } else {
        Verdict::Failed(GraphError::OutcomeUnknown {
            call: called.in_words(),
            what,
            cause: None,
        })
    }
}

fn parse_body(body: &[u8]) -> Result<Option<Value>, String> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(value @ Value::Object(_)) => Ok(Some(value)),
        Ok(_) => Err("it is no JSON object".to_owned()),
        Err(error) if error.is_eof() => Err("it ends in the middle".to_owned()),
        Err(error) => Err(format!(
            "no JSON: line {}, column {}",
            error.line(),
            error.column()
        )),
    }
}

/// `Retry-After` (RFC 9110 §10.2.3): seconds, or an instant, which is compared with the
/// answer's own `Date`: our clock may be the one that is wrong.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = header_text(headers, header::RETRY_AFTER.as_str())?;
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = http_date(&text)?;
    let now = http_date(&header_text(headers, header::DATE.as_str())?)?;
    Some(Duration::try_from(until - now).unwrap_or(Duration::ZERO))
}

/// The one form that is sent today (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<OffsetDateTime> {
    let form = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    Some(PrimitiveDateTime::parse(text, form).ok()?.assume_utc())
}

fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    Some(harmless(text)).filter(|text| !text.is_empty())
}

/// A text of theirs, one line, shortened, without what steers a terminal.
pub(in crate::outbound) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| {
            !c.is_control()
                && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        })
        .take(LONGEST)
        .collect()
}
