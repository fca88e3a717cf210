//! The one origin before the processes: a reverse proxy in a few lines.

use std::net::SocketAddr;

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, Response, StatusCode, header},
};
use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
};

/// How often a request is sent again that a node could not take now: nothing was changed, and
/// whoever reads the page tries again. Fifty at once on a machine that is busy with other
/// things may have to wait longer than a node's five seconds.
const AGAIN: usize = 4;

/// Hands every request to a process, with the `Host` of the origin and the browser's
/// address; 502 where it does not answer.
pub fn passing_on(to: SocketAddr, sent: watch::Sender<usize>) -> Router {
    Router::new().fallback(async move |request: Request<Body>| {
        let request = in_bytes(request).await;
        let mut response = exchange(to, &request, &sent).await;
        for _ in 0..AGAIN {
            let status = response.as_ref().map(Response::status);
            if status != Some(StatusCode::SERVICE_UNAVAILABLE) {
                break;
            }
            eprintln!("{to} was too busy; sent again");
            response = exchange(to, &request, &sent).await;
        }
        response.unwrap_or_else(|| {
            Response::builder()
                .status(StatusCode::BAD_GATEWAY)
                .body(Body::empty())
                .unwrap()
        })
    })
}

async fn in_bytes(request: Request<Body>) -> Vec<u8> {
    let (parts, body) = request.into_parts();
    let ConnectInfo(sender) = parts.extensions.get::<ConnectInfo<SocketAddr>>().unwrap();
    let body = body.collect().await.unwrap().to_bytes();
    let mut head = format!(
        "{} {} HTTP/1.1\r\nconnection: close\r\nx-forwarded-for: {}\r\n",
        parts.method,
        parts.uri,
        sender.ip()
    );
    for (name, value) in &parts.headers {
        head.extend([name.as_str(), ": ", value.to_str().unwrap(), "\r\n"]);
    }
    head.extend(["content-length: ", &body.len().to_string(), "\r\n\r\n"]);
    [head.as_bytes(), &body].concat()
}

async fn exchange(
    to: SocketAddr,
    request: &[u8],
    sent: &watch::Sender<usize>,
) -> Option<Response<Body>> {
    let mut stream = TcpStream::connect(to).await.ok()?;
    stream.write_all(request).await.ok()?;
    sent.send_modify(|sent| *sent += 1);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut response = Response::builder().status(status);
    let mut length = 0;
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        if name.eq_ignore_ascii_case(header::CONTENT_LENGTH.as_str()) {
            length = value.trim().parse().unwrap();
        }
        response = response.header(name, value.trim());
    }
    let body = &answer[end + 4..];
    // Cut off in the middle: nobody got this page.
    (body.len() == length).then(|| response.body(Body::from(body.to_vec())).unwrap())
}
