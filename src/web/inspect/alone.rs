//! `claimbridge inspect --serve`: the inspector's page and nothing else.
//!
//! Always true: there is no database, no key and no session behind it; it answers under
//! names of this computer only, so that no page of the Internet reads what it says by
//! giving this address a name of its own (DNS rebinding).

use std::{sync::Arc, time::Duration};

use askama::Template as _;
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    handler::Handler as _,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};

use super::{BODY_LIMIT, Turns, Unread, form, judge, read_form};
use crate::{
    app::test_sign_in::INSPECTOR,
    base::clock::Clock,
    web::{
        assets, edge,
        pages::{
            CsrfToken, Frame,
            inspect::{Given, InspectPage, Judged, TestSignIn},
        },
        site::Scheme,
    },
};

/// No message takes longer.
const TIME_LIMIT: Duration = Duration::from_secs(30);

struct Alone {
    frame: Arc<Frame>,
    turns: Turns,
    clock: Arc<dyn Clock>,
}

/// The inspector without an identity provider.
pub fn alone(clock: Arc<dyn Clock>) -> Router {
    let state = Arc::new(Alone {
        frame: Frame::new("claimbridge", Some("whoever started this page")),
        turns: Turns::default(),
        clock,
    });
    Router::new()
        .route("/", get(async || Redirect::to(INSPECTOR)))
        .route(
            INSPECTOR,
            get(page).post(pasted.layer(DefaultBodyLimit::max(BODY_LIMIT))),
        )
        .route("/assets/{file}", get(assets::serve))
        .layer(middleware::from_fn(around))
        .with_state(state)
}

/// Whether the browser asks under a name of this computer.
fn is_here(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let name = host.map(|host| {
        let end = host.rfind(':').filter(|at| !host[*at..].contains(']'));
        &host[..end.unwrap_or(host.len())]
    });
    matches!(name, Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// Whether the form stands on a page of ours.
fn is_own(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok();
    origin.and_then(|origin| origin.strip_prefix("http://")) == host
}

async fn around(request: Request, next: Next) -> Response {
    let mut response = if !is_here(request.headers()) || !is_own(request.headers()) {
        (
            StatusCode::FORBIDDEN,
            "This page is asked as localhost, by itself only.",
        )
            .into_response()
    } else {
        match tokio::time::timeout(TIME_LIMIT, next.run(request)).await {
            Ok(response) => response,
            Err(_) => said(StatusCode::SERVICE_UNAVAILABLE, "That took too long."),
        }
    };
    edge::protect(response.headers_mut(), Scheme::Http);
    response
}

fn said(status: StatusCode, words: &'static str) -> Response {
    (status, words).into_response()
}

async fn page(State(alone): State<Arc<Alone>>) -> Response {
    show(&alone, StatusCode::OK, Given::default(), None, None)
}

async fn pasted(State(alone): State<Arc<Alone>>, request: Request) -> Response {
    let busy = || {
        let words = "Other messages are being judged; try again in a moment.";
        said(StatusCode::SERVICE_UNAVAILABLE, words)
    };
    let Some(sending) = alone.turns.sends("this computer") else {
        return busy();
    };
    let pasted = match read_form(request, &alone).await {
        Ok(pasted) => pasted,
        Err(Unread::TooLarge) => {
            let words = "That is too large for the page; use `claimbridge inspect FILE`.";
            return said(StatusCode::PAYLOAD_TOO_LARGE, words);
        }
        Err(Unread::Form) => return said(StatusCode::BAD_REQUEST, "The form could not be read."),
    };
    let context = form::context(&pasted.given, None, alone.clock.now());
    let ready = context.and_then(|context| Ok((pasted.bytes()?.to_vec(), context)));
    let (bytes, context) = match ready {
        Ok(ready) => ready,
        Err(unfit) => {
            let status = StatusCode::BAD_REQUEST;
            return show(&alone, status, pasted.given, Some(unfit), None);
        }
    };
    let Some(turn) = alone.turns.take().await else {
        return busy();
    };
    let judged = judge(turn, bytes, context, Vec::new()).await;
    drop(sending);
    match judged {
        Some(judged) => show(&alone, StatusCode::OK, pasted.given, None, Some(judged)),
        None => said(StatusCode::INTERNAL_SERVER_ERROR, "It could not be judged."),
    }
}

fn show(
    alone: &Alone,
    status: StatusCode,
    given: Given,
    problem: Option<form::Unfit>,
    judged: Option<Judged>,
) -> Response {
    let page = InspectPage {
        frame: &alone.frame,
        csrf: CsrfToken(String::new()),
        given,
        problem: problem.map(|unfit| (unfit.field, unfit.words)),
        judged,
        own: false,
        test: TestSignIn::NotHere,
    };
    match page.render() {
        Ok(html) => {
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            (status, [(header::CONTENT_TYPE, kind)], html).into_response()
        }
        Err(_) => said(StatusCode::INTERNAL_SERVER_ERROR, "The page failed."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn it_answers_under_names_of_this_computer_only() {
        for good in [
            "localhost:8088",
            "127.0.0.1:8088",
            "[::1]:8088",
            "localhost",
            "[::1]",
        ] {
            assert!(is_here(&headers(&[(header::HOST, good)])), "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example:8088",
            "::1",
            "",
            "[::1].evil",
        ] {
            assert!(!is_here(&headers(&[(header::HOST, bad)])), "{bad}");
        }
        assert!(!is_here(&headers(&[])));
    }

    #[test]
    fn only_its_own_page_sends_its_form() {
        let from = |origin| {
            is_own(&headers(&[
                (header::HOST, "localhost:8088"),
                (header::ORIGIN, origin),
            ]))
        };
        assert!(from("http://localhost:8088"));
        for bad in [
            "http://localhost:9",
            "https://localhost:8088",
            "null",
            "http://evil.example",
        ] {
            assert!(!from(bad), "{bad}");
        }
        assert!(is_own(&headers(&[(header::HOST, "localhost:8088")])));
    }
}
