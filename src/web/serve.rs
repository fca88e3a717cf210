//! Sockets, TLS, and stopping without cutting anyone off.
//!
//! `axum::serve` sets no limit on how slowly a stranger may send headers and none on
//! how many connections there are; this does, because a sign-in service is asked by
//! anyone. HTTP/1.1 only: a reverse proxy or the browser needs nothing else here.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// How many connections may be open at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 4096;

/// How long a stranger may take for the TLS handshake or for the headers.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long requests that have begun may take after the order to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

/// Answers on `listener` until `stop` resolves, then lets begun requests finish.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: impl Future<Output = ()>,
) {
    serve_at_most(CONNECTIONS, listener, tls, router, stop).await;
}

async fn serve_at_most(
    connections_at_once: usize,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(connections_at_once));
    let (stopping, _) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        // The order to stop must not wait for a slot either.
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, accept(&listener).await)
        };
        let (slot, (stream, peer)) = tokio::select! {
            () = &mut stop => break,
            next = next => next,
        };
        let (tls, router, told) = (tls.clone(), router.clone(), stopping.subscribe());
        connections.spawn(async move {
            match tls {
                None => answer(stream, peer, router, told).await,
                Some(tls) => {
                    let shaken = tokio::time::timeout(PATIENCE, tls.accept(stream)).await;
                    if let Ok(Ok(stream)) = shaken {
                        answer(stream, peer, router, told).await;
                    }
                }
            }
            drop(slot);
        });
        // Forget those that have ended.
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let _ = stopping.send(());
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_REQUESTS, all_ended)
        .await
        .is_err()
    {
        tracing::warn!("some requests were cut off because they took too long");
    }
}

/// The next connection. Running out of file descriptors is waited out.
async fn accept(listener: &TcpListener) -> (tokio::net::TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    mut told: watch::Receiver<()>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(TokioIo::new(stream), service)
    );
    // An error here is the peer going away; there is nobody left to tell.
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = told.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        sync::{Notify, oneshot},
    };

    use super::*;

    #[tokio::test]
    async fn a_request_that_has_begun_is_answered_after_the_order_to_stop() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (in_begun, in_go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
        let slow = get(
            move |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move {
                in_begun.notify_one();
                in_go_on.notified().await;
                peer.ip().to_string()
            },
        );
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(
            listener,
            None,
            Router::new().route("/slow", slow),
            async {
                let _ = stopped.await;
            },
        ));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        begun.notified().await;
        stop.send(()).unwrap();
        go_on.notify_one();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.ends_with("127.0.0.1"), "{answer}");
        server.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn the_order_to_stop_does_not_wait_for_a_free_slot() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (in_begun, in_go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
        let slow = get(move || async move {
            in_begun.notify_one();
            in_go_on.notified().await;
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let router = Router::new().route("/slow", slow);
        let server = tokio::spawn(serve_at_most(1, listener, None, router, async {
            let _ = stopped.await;
        }));
        let mut only = TcpStream::connect(address).await.unwrap();
        only.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        begun.notified().await;
        stop.send(()).unwrap();
        // The only slot is taken, and nobody is let in any more all the same.
        let refused = async { while TcpStream::connect(address).await.is_ok() {} };
        tokio::time::timeout(Duration::from_secs(5), refused)
            .await
            .expect("still listening");
        go_on.notify_one();
        server.await.unwrap();
    }

    #[tokio::test]
    async fn over_tls_it_speaks_with_the_certificate_it_was_given() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let router = Router::new().route("/", get(|| async { "over TLS" }));
        let pair = crate::web::tls::ReloadingPair::open(crate::web::tls::TlsFiles {
            certificates: certificate,
            key,
            host: "localhost".to_owned(),
        });
        let acceptor = pair.unwrap().acceptor().unwrap();
        let server = tokio::spawn(serve(listener, Some(acceptor), router, async {
            let _ = stopped.await;
        }));
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "localhost".try_into().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        let mut stream = connector.connect(name, stream).await.unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("over TLS"), "{answer}");
        stop.send(()).unwrap();
        server.await.unwrap();
    }
}
