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

/// Hands every request to a process, with the `Host` of the origin and the browser's
/// address; 502 where it does not answer.
pub fn passing_on(to: SocketAddr, sent: watch::Sender<usize>) -> Router {
    Router::new().fallback(async move |request: Request<Body>| {
        match exchange(to, request, &sent).await {
            Some(response) => response,
            None => Response::builder()
                .status(StatusCode::BAD_GATEWAY)
                .body(Body::empty())
                .unwrap(),
        }
    })
}

async fn exchange(
    to: SocketAddr,
    request: Request<Body>,
    sent: &watch::Sender<usize>,
) -> Option<Response<Body>> {
    let (parts, body) = request.into_parts();
    let ConnectInfo(sender) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
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
    let mut stream = TcpStream::connect(to).await.ok()?;
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()?;
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
