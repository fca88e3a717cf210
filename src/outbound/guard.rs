//! The one way out: every request of ours to somebody else's server.
//!
//! Always true: https only, except to this computer (and [`Outbound::knock`], which says nothing);
//! no redirect is followed (an answer
//! that points elsewhere is an answer, not an order); at most [`MAX_ANSWER`] bytes are
//! read (or what the caller names); nothing waits longer than [`PATIENCE`]. Errors name the host, never the address
//! with its query, a body or a header.

use std::{net::IpAddr, time::Duration};

use openidconnect::{HttpRequest, HttpResponse, http};
use url::{Host, Url};

/// The largest answer that is read, in bytes. Entra's key set, the largest of them, has about 20 KB.
pub const MAX_ANSWER: usize = 1024 * 1024;
/// How long one exchange may take.
pub const PATIENCE: Duration = Duration::from_secs(30);
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// Why nothing usable came back.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The address is none that may be asked.
    #[error("{0} is no address that is asked: https is wanted, or http to this computer")]
    Address(String),
    /// The TLS library or its certificates could not be set up.
    #[error(
        "the client for https could not be set up; install the system's certificate authorities (ca-certificates)"
    )]
    Client(#[source] reqwest::Error),
    /// No answer came.
    #[error("{host} did not answer; look at the network, the proxy (HTTPS_PROXY) and the name")]
    Unreachable {
        /// Whom we asked.
        host: String,
        /// What the network said.
        #[source]
        cause: reqwest::Error,
    },
    /// The answer does not end.
    #[error("the answer of {host} is larger than {most} bytes and was not read")]
    TooLarge {
        /// Whom we asked.
        host: String,
        /// What is read at the most.
        most: usize,
    },
    /// The server is out of order, or has enough of us.
    #[error("{host} answered {status}; try again later")]
    OutOfOrder {
        /// Whom we asked.
        host: String,
        /// HTTP's status: 429 or 5xx.
        status: u16,
    },
    /// The request could not be written.
    #[error("a request could not be written")]
    Request(#[source] http::Error),
}

impl OutboundError {
    /// Whether the request certainly never left: nothing can have come of it.
    pub fn was_never_sent(&self) -> bool {
        match self {
            Self::Address(_) | Self::Client(_) | Self::Request(_) => true,
            Self::Unreachable { cause, .. } => cause.is_connect() || cause.is_builder(),
            Self::TooLarge { .. } | Self::OutOfOrder { .. } => false,
        }
    }
}

/// A client for requests of ours.
#[derive(Clone, Debug)]
pub struct Outbound {
    outside: reqwest::Client,
    // A proxy of the environment must not see what goes to this computer.
    here: reqwest::Client,
    // For `knock` only.
    plain: reqwest::Client,
}

/// The certificate (DER) that the server of an answer showed; an extension of the answer.
#[derive(Clone, Debug)]
pub struct PeerCertificate(pub Vec<u8>);

impl Outbound {
    /// Sets up TLS with the system's certificate authorities.
    pub fn new() -> Result<Self, OutboundError> {
        Ok(Self {
            outside: common()
                .https_only(true)
                .build()
                .map_err(OutboundError::Client)?,
            here: common().no_proxy().build().map_err(OutboundError::Client)?,
            plain: common().build().map_err(OutboundError::Client)?,
        })
    }

    /// One request, one answer of at most [`MAX_ANSWER`] bytes.
    pub async fn call(&self, request: HttpRequest) -> Result<HttpResponse, OutboundError> {
        self.call_within(request, MAX_ANSWER).await
    }

    /// One request, one answer of at most `most` bytes: for lists, which are larger.
    pub async fn call_within(
        &self,
        request: HttpRequest,
        most: usize,
    ) -> Result<HttpResponse, OutboundError> {
        let text = request.uri().to_string();
        let url = Url::parse(&text).map_err(|_| OutboundError::Address(without_query(&text)))?;
        let client = match place(&url) {
            Some(Place::Here) => &self.here,
            Some(Place::Outside) => &self.outside,
            None => return Err(OutboundError::Address(without_query(&text))),
        };
        exchange(client, request, &url, most).await
    }

    /// Knocks at port 80 of a host by plain http, with nothing in the request but the host's
    /// name, and reads nothing but status and `Location`: does it lead to https?
    pub async fn knock(&self, host: &str) -> Result<(u16, Option<String>), OutboundError> {
        let url = Url::parse(&format!("http://{host}/"))
            .ok()
            .filter(|url| url.path() == "/" && url.port().is_none() && url.username().is_empty())
            .ok_or_else(|| OutboundError::Address(host.to_owned()))?;
        let answer =
            self.plain
                .get(url)
                .send()
                .await
                .map_err(|cause| OutboundError::Unreachable {
                    host: host.to_owned(),
                    cause: cause.without_url(),
                })?;
        let location = answer.headers().get(http::header::LOCATION);
        let location = location.and_then(|value| value.to_str().ok());
        Ok((answer.status().as_u16(), location.map(str::to_owned)))
    }
}
/// What all clients have in common.
pub(super) fn common() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_PATIENCE)
        .timeout(PATIENCE)
        .tls_info(true)
        .user_agent(concat!("claimbridge/", env!("CARGO_PKG_VERSION")))
}

/// One request, one answer of at most `most` bytes, by a client that may ask there.
pub(super) async fn exchange(
    client: &reqwest::Client,
    request: HttpRequest,
    url: &Url,
    most: usize,
) -> Result<HttpResponse, OutboundError> {
    let host = url.host_str().unwrap_or_default().to_owned();
    let unreachable = |cause: reqwest::Error| OutboundError::Unreachable {
        host: host.clone(),
        cause: cause.without_url(),
    };
    let request = reqwest::Request::try_from(request).map_err(unreachable)?;
    let mut answer = client.execute(request).await.map_err(unreachable)?;
    let mut head = http::Response::builder().status(answer.status());
    let shown = answer.extensions().get::<reqwest::tls::TlsInfo>();
    if let Some(der) = shown.and_then(reqwest::tls::TlsInfo::peer_certificate) {
        head = head.extension(PeerCertificate(der.to_vec()));
    }
    if let Some(headers) = head.headers_mut() {
        headers.clone_from(answer.headers());
    }
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(unreachable)? {
        if body.len() + part.len() > most {
            return Err(OutboundError::TooLarge { host, most });
        }
        body.extend_from_slice(&part);
    }
    head.body(body).map_err(OutboundError::Request)
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// This computer.
    Here,
    /// Anywhere else.
    Outside,
}

/// Where an address leads, if it may be asked at all.
pub(super) fn place(url: &Url) -> Option<Place> {
    if !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let here = match url.host()? {
        Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
        Host::Ipv4(address) => IpAddr::V4(address).is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(address).is_loopback(),
    };
    match (url.scheme(), here) {
        ("http" | "https", true) => Some(Place::Here),
        ("https", false) => Some(Place::Outside),
        _ => None,
    }
}

/// Whether requests may go there: https, or http to this computer; no name and password in it.
pub fn may_be_asked(url: &Url) -> bool {
    place(url).is_some()
}

/// Whether that is this computer, as it is written.
pub fn is_here(url: &Url) -> bool {
    place(url) == Some(Place::Here)
}

pub(super) fn without_query(address: &str) -> String {
    address
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Option<Place> {
        place(&Url::parse(address).unwrap())
    }

    #[test]
    fn https_goes_out_and_http_stays_here() {
        assert_eq!(
            of("https://login.microsoftonline.com/x"),
            Some(Place::Outside)
        );
        for here in [
            "http://localhost:8081/",
            "http://127.0.0.1:1/",
            "http://127.9.9.9/",
            "http://[::1]:5/",
            "https://localhost/",
        ] {
            assert_eq!(of(here), Some(Place::Here), "{here}");
        }
        for never in [
            "http://login.microsoftonline.com/",
            "http://localhost.example.com/",
            "http://10.0.0.1/",
            "ftp://localhost/",
            "file:///etc/passwd",
            "https://user:secret@login.microsoftonline.com/",
        ] {
            assert_eq!(of(never), None, "{never}");
        }
    }

    #[tokio::test]
    async fn an_address_that_may_not_be_asked_is_named_without_its_query() {
        let request = http::Request::builder()
            .uri("http://example.com/token?code=hidden")
            .body(Vec::new())
            .unwrap();
        let error = Outbound::new().unwrap().call(request).await.unwrap_err();
        assert!(matches!(error, OutboundError::Address(_)), "{error}");
        assert!(
            error.to_string().contains("http://example.com/token is"),
            "{error}"
        );
        assert!(!format!("{error:?}").contains("hidden"));
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_read_and_a_redirect_is_not_followed() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            for head in [
                "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/secret\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
            ] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await.unwrap();
                stream.write_all(head.as_bytes()).await.unwrap();
                if head.contains("200") {
                    let block = vec![b'x'; 64 * 1024];
                    // The client hangs up long before this ends.
                    for _ in 0..64 {
                        if stream.write_all(&block).await.is_err() {
                            break;
                        }
                    }
                }
            }
        });
        let outbound = Outbound::new().unwrap();
        let ask = || {
            http::Request::builder()
                .uri(format!("http://127.0.0.1:{port}/"))
                .body(Vec::new())
                .unwrap()
        };
        assert_eq!(outbound.call(ask()).await.unwrap().status(), 302);
        let error = outbound.call(ask()).await.unwrap_err();
        assert!(matches!(error, OutboundError::TooLarge { .. }), "{error}");
        server.await.unwrap();
    }
}
