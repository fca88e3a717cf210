use std::{
    pin::Pin,
    sync::{Arc, Mutex},
};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// Waits not at all, and remembers for how long it would have.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<Vec<Pause>>>);

impl Patience for Counts {
    fn pause(&self, pause: Pause) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0.lock().unwrap().push(pause);
        Box::pin(std::future::ready(()))
    }
}

impl Counts {
    fn seconds(&self) -> Vec<u64> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .map(|pause| pause.lasts.as_secs())
            .collect()
    }
}

/// What the server does with one connection.
enum Does {
    Answers { head: String, body: String },
    HangsUp,
}

fn answer(status: &str, headers: &str, body: &str) -> Does {
    Does::Answers {
        head: format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}"),
        body: body.to_owned(),
    }
}

struct Told {
    graph: Graph,
    pauses: Counts,
    requests: tokio::task::JoinHandle<Vec<String>>,
}

/// A Graph that does these things, one connection each. `@BASE@` is its address.
async fn graph_that(does: Vec<Does>) -> Told {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/graph", listener.local_addr().unwrap());
    let own = base.clone();
    let requests = tokio::spawn(async move {
        let mut requests = Vec::new();
        for does in does {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 8192];
            let length = stream.read(&mut request).await.unwrap();
            request.truncate(length);
            requests.push(String::from_utf8(request).unwrap());
            if let Does::Answers { head, body } = does {
                let body = body.replace("@BASE@", &own);
                let text = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
                stream.write_all(text.as_bytes()).await.unwrap();
            }
        }
        requests
    });
    let pauses = Counts::default();
    let graph = Graph::new(
        Outbound::new().unwrap(),
        Url::parse(&base).unwrap(),
        Secret::new("token-of-the-test".to_owned()),
    )
    .unwrap()
    .with_patience(pauses.clone());
    Told {
        graph,
        pauses,
        requests,
    }
}

fn patch() -> (Method, &'static str, Value) {
    (
        Method::PATCH,
        "/v1.0/domains/contoso.com/federationConfiguration/1?secret=1",
        json!({"displayName": "x"}),
    )
}

async fn write(told: &Told) -> Result<GraphAnswer, GraphError> {
    let (method, path, body) = patch();
    told.graph.call(method, path, Some(&body), &[]).await
}

#[tokio::test]
async fn a_read_carries_the_token_and_gives_body_and_request_id() {
    let told = graph_that(vec![answer(
        "200 OK",
        "request-id: r-1\r\n",
        r#"{"id":"x"}"#,
    )])
    .await;
    let answer = told.graph.get("/v1.0/domains/x").await.unwrap();
    assert_eq!(answer.body, Some(json!({"id": "x"})));
    assert_eq!(answer.request_id.as_deref(), Some("r-1"));
    let requests = told.requests.await.unwrap();
    assert!(requests[0].starts_with("GET /graph/v1.0/domains/x HTTP/1.1\r\n"));
    assert!(requests[0].contains("authorization: Bearer token-of-the-test\r\n"));
}

#[tokio::test]
async fn what_is_asked_to_wait_is_waited_for_also_by_writes() {
    let told = graph_that(vec![
        answer("429 Too Many Requests", "Retry-After: 10\r\n", ""),
        answer(
            "503 Service Unavailable",
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n",
            "",
        ),
        answer("429 Too Many Requests", "", ""),
        answer("204 No Content", "", ""),
    ])
    .await;
    let answer = write(&told).await.unwrap();
    assert_eq!((answer.status, answer.body), (204, None));
    assert_eq!(told.pauses.seconds(), [10, 30, 4]);
    assert_eq!(
        told.pauses.0.lock().unwrap()[0].in_words(),
        "Graph asks us to wait 10 s"
    );
    let requests = told.requests.await.unwrap();
    assert!(
        requests
            .iter()
            .all(|request| request.ends_with(r#"{"displayName":"x"}"#))
    );
}

#[tokio::test]
async fn patience_ends() {
    let long = || answer("429 Too Many Requests", "Retry-After: 200\r\n", "");
    let told = graph_that(vec![long(), long()]).await;
    let error = told.graph.get("/v1.0/users").await.unwrap_err();
    assert!(
        matches!(&error, GraphError::Throttled { asked: Some(asked), .. } if asked.as_secs() == 200),
        "{error}"
    );
    assert_eq!(told.pauses.seconds(), [200]);
    assert!(error.to_string().contains("to wait 200 s"), "{error}");
}

#[tokio::test]
async fn reads_are_tried_again_and_then_named() {
    let told = graph_that(vec![
        answer("500 Internal Server Error", "", ""),
        Does::HangsUp,
        answer("200 OK", "", r#"{"value":[{"id""#),
        answer("200 OK", "", r#"{"id":"x"}"#),
    ])
    .await;
    assert_eq!(told.graph.get("/v1.0/me").await.unwrap().status, 200);
    assert_eq!(told.pauses.seconds(), [1, 2, 4]);

    let half = || answer("200 OK", "", r#"{"value":[{"id""#);
    let told = graph_that(vec![half(), half(), half(), half()]).await;
    let error = told.graph.get("/v1.0/users?$top=5").await.unwrap_err();
    assert!(
        matches!(&error, GraphError::Unreadable { what, call } if what == "it ends in the middle" && call == "GET /graph/v1.0/users"),
        "{error:?}"
    );

    let out = || answer("502 Bad Gateway", "", "<html>");
    let told = graph_that(vec![out(), out(), out(), out()]).await;
    let error = told.graph.get("/v1.0/me").await.unwrap_err();
    assert!(matches!(error, GraphError::OutOfOrder(_)), "{error:?}");
}

#[tokio::test]
async fn a_write_whose_end_nobody_saw_is_not_tried_again() {
    for does in [
        Does::HangsUp,
        answer("500 Internal Server Error", "", ""),
        answer("503 Service Unavailable", "", ""),
        answer("504 Gateway Timeout", "Retry-After: 1\r\n", ""),
        answer("408 Request Timeout", "", ""),
        answer("200 OK", "", r#"{"id":"#),
        answer("302 Found", "Location: http://127.0.0.1:9/\r\n", ""),
    ] {
        let told = graph_that(vec![does]).await;
        let error = write(&told).await.unwrap_err();
        assert!(error.outcome_is_unknown(), "{error:?}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(told.pauses.seconds().is_empty());
    }
}

/// What was asked to wait may have taken place all the same: then the repetition meets its own work.
#[tokio::test]
async fn a_conflict_of_a_repeated_write_is_no_refusal() {
    let conflict = || answer("409 Conflict", "", "{}");
    let told = graph_that(vec![
        answer("503 Service Unavailable", "Retry-After: 1\r\n", ""),
        conflict(),
    ])
    .await;
    let error = write(&told).await.unwrap_err();
    assert!(error.outcome_is_unknown(), "{error:?}");
    let told = graph_that(vec![conflict()]).await;
    let error = write(&told).await.unwrap_err();
    assert!(matches!(error, GraphError::Refused(_)), "{error:?}");
}

#[tokio::test]
async fn a_write_that_never_left_did_not_take_place() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}/graph", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let graph = Graph::new(Outbound::new().unwrap(), base, Secret::new("t".to_owned())).unwrap();
    let (method, path, body) = patch();
    let error = graph
        .call(method, path, Some(&body), &[])
        .await
        .unwrap_err();
    assert!(matches!(error, GraphError::Outbound(_)), "{error:?}");
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let body = r#"{"error":{"code":"Request_BadRequest","message":"Not\u001b[31m so.\nNo."}}"#;
    for (status, wanted) in [
        (
            "400 Bad Request",
            "Microsoft Graph refused: PATCH /graph/v1.0/domains/contoso.com/federationConfiguration/1 answered HTTP 400, Request_BadRequest: Not[31m so. No. (request-id q)",
        ),
        ("401 Unauthorized", "Sign in again"),
        ("403 Forbidden", "Domain-InternalFederation.ReadWrite.All"),
        ("404 Not Found", "right tenant"),
        ("409 Conflict", "HTTP 409"),
    ] {
        let told = graph_that(vec![answer(status, "request-id: q\r\n", body)]).await;
        let error = write(&told).await.unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
        assert_eq!(error.refused().unwrap().code, "Request_BadRequest");
        assert!(!format!("{error:?}").contains("token-of-the-test"));
        told.requests.await.unwrap();
    }
}

#[tokio::test]
async fn a_list_is_read_to_its_end() {
    let told = graph_that(vec![
        answer(
            "200 OK",
            "",
            r#"{"@odata.count":3,"value":[{"id":"1"},{"id":"2"}],"@odata.nextLink":"@BASE@/v1.0/users?$skiptoken=2"}"#,
        ),
        answer("200 OK", "", r#"{"value":[{"id":"3"}]}"#),
    ])
    .await;
    let mut pages = told
        .graph
        .pages("/v1.0/users", &[("ConsistencyLevel", "eventual")]);
    assert_eq!(pages.next().await.unwrap().unwrap().len(), 2);
    assert_eq!(pages.total(), Some(3));
    assert_eq!(pages.next().await.unwrap().unwrap().len(), 1);
    assert!(pages.next().await.unwrap().is_none());
    let requests = told.requests.await.unwrap();
    assert!(
        requests[1].contains("consistencylevel: eventual\r\n"),
        "{requests:?}"
    );
}

#[tokio::test]
async fn a_list_that_leads_away_or_round_or_nowhere_is_an_error() {
    for (body, wanted) in [
        (
            r#"{"value":[],"@odata.nextLink":"http://127.0.0.2/graph/v1.0/users"}"#,
            "somewhere else",
        ),
        (
            r#"{"value":[],"@odata.nextLink":"@BASE@/../other"}"#,
            "somewhere else",
        ),
        (
            r#"{"value":[],"@odata.nextLink":"@BASE@x/v1.0/users"}"#,
            "somewhere else",
        ),
        (r#"{"value":[],"@odata.nextLink":7}"#, "no address"),
        (r#"{"value":{}}"#, "no list"),
        (r#"{"id":"7"}"#, "no list"),
        ("", "no body"),
    ] {
        let told = graph_that(vec![answer("200 OK", "", body)]).await;
        let mut pages = told.graph.pages("/v1.0/users", &[]);
        let error = match pages.next().await {
            Ok(_) => pages.next().await.unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().contains(wanted), "{body}: {error}");
        assert!(matches!(error, GraphError::Unreadable { .. }), "{error:?}");
        told.requests.await.unwrap();
    }
    let round = || {
        answer(
            "200 OK",
            "",
            r#"{"value":[],"@odata.nextLink":"@BASE@/v1.0/users?a"}"#,
        )
    };
    let told = graph_that(vec![round(), round()]).await;
    let error = told.graph.all("/v1.0/users", 10).await.unwrap_err();
    assert!(error.to_string().contains("circle"), "{error}");
    let told = graph_that(vec![answer("200 OK", "", r#"{"value":[{},{}]}"#)]).await;
    let error = told.graph.all("/v1.0/users", 1).await.unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
}

#[tokio::test]
async fn the_token_goes_nowhere_else() {
    let told = graph_that(Vec::new()).await;
    for path in [
        "https://graph.microsoft.com/v1.0/me",
        "/../v1.0/me",
        "v1.0/me",
        "/v1.0/%2e%2e/../../x",
        "http://user@127.0.0.1/graph/v1.0/me",
        "/v1.0/me#x",
    ] {
        let error = told.graph.get(path).await.unwrap_err();
        assert!(matches!(error, GraphError::Address(_)), "{path}: {error:?}");
    }
    for base in [
        "http://graph.microsoft.com",
        "https://u:p@graph.microsoft.com",
        "https://graph.microsoft.com/?x",
    ] {
        let base = Url::parse(base).unwrap();
        assert!(Graph::new(Outbound::new().unwrap(), base, Secret::new(String::new())).is_err());
    }
}

#[tokio::test]
async fn who_asks_to_come_again_at_once_is_asked_slowly_and_not_for_ever() {
    for headers in [
        "Retry-After: 0\r\n",
        "Date: Sun, 06 Nov 1994 08:50:07 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
    ] {
        let again = |status| answer(status, headers, "");
        for status in ["429 Too Many Requests", "503 Service Unavailable"] {
            let told = graph_that((0..MOST_TRIES).map(|_| again(status)).collect()).await;
            let error = write(&told).await.unwrap_err();
            assert!(matches!(error, GraphError::Throttled { .. }), "{error:?}");
            assert_eq!(told.pauses.seconds(), [1; MOST_TRIES as usize - 1]);
            assert_eq!(told.requests.await.unwrap().len(), MOST_TRIES as usize);
        }
    }
    let again = || answer("500 Internal Server Error", "Retry-After: 0\r\n", "");
    let told = graph_that((0..MOST_TRIES).map(|_| again()).collect()).await;
    let error = told.graph.get("/v1.0/me").await.unwrap_err();
    assert!(matches!(error, GraphError::OutOfOrder(_)), "{error:?}");
}

#[tokio::test]
async fn a_wait_without_end_is_no_wait() {
    let told = graph_that(vec![
        answer("429 Too Many Requests", "Retry-After: 1\r\n", ""),
        answer(
            "429 Too Many Requests",
            "Retry-After: 18446744073709551615\r\n",
            "",
        ),
    ])
    .await;
    let error = write(&told).await.unwrap_err();
    assert!(matches!(error, GraphError::Throttled { .. }), "{error:?}");
    assert_eq!(told.pauses.seconds(), [1]);
}

#[tokio::test]
async fn a_path_that_climbs_or_is_read_in_two_ways_is_not_asked() {
    let told = graph_that(Vec::new()).await;
    for path in [
        "/v1.0/domains/contoso.com/federationConfiguration/../../fabrikam.com/federationConfiguration/1",
        "/v1.0/domains/contoso.com/federationConfiguration/..",
        "/v1.0/domains/./contoso.com",
        "/v1.0/domains/contoso.com/%2e%2e/fabrikam.com",
        "/v1.0/domains/contoso.com/.%2E/fabrikam.com",
        "/v1.0/domains/contoso.com/..%2ffabrikam.com",
        "/v1.0/domains/contoso.com%2Ffederation",
        "/v1.0/domains/contoso.com\\..\\fabrikam.com",
        "/v1.0/domains/contoso.com%5c..%5cfabrikam.com",
        "/v1.0/domains/contoso.com/federationConfiguration/{id}",
        "/v1.0/domains/contoso.com\n",
        "/v1.0/domains/%00",
        "/v1.0/users/a b",
    ] {
        for method in [Method::GET, Method::PATCH, Method::POST] {
            let error = told.graph.call(method, path, None, &[]).await.unwrap_err();
            assert!(matches!(error, GraphError::Address(_)), "{path}: {error:?}");
        }
    }
    // An answer may say where to read on, and not where to write.
    let whole = format!("{}/v1.0/domains/contoso.com", told.graph.base());
    let error = told.graph.call(Method::PATCH, &whole, None, &[]).await;
    assert!(matches!(error, Err(GraphError::Address(_))), "{error:?}");
}

#[tokio::test]
async fn a_list_that_ends_before_its_count_is_no_list() {
    let first = || {
        answer(
            "200 OK",
            "",
            r#"{"@odata.count":3,"value":[{"id":"1"},{"id":"2"}],"@odata.nextLink":"@BASE@/v1.0/users?$skiptoken=2"}"#,
        )
    };
    let told = graph_that(vec![first(), answer("200 OK", "", r#"{"value":[]}"#)]).await;
    let error = told.graph.all("/v1.0/users", 10).await.unwrap_err();
    assert!(
        error.to_string().contains("it ends after 2 of 3"),
        "{error}"
    );
    let told = graph_that(vec![answer(
        "200 OK",
        "",
        r#"{"@odata.count":3,"value":[{"id":"1"}]}"#,
    )])
    .await;
    assert!(told.graph.all("/v1.0/users", 10).await.is_err());
}

#[test]
fn names_stay_one_segment() {
    assert_eq!(segment("agent1@contoso.com"), "agent1@contoso.com");
    assert_eq!(segment("a/b?c#d%e"), "a%2Fb%3Fc%23d%25e");
    assert_eq!(segment(".."), "%00");
}
