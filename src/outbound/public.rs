//! Addresses that a stranger's document names: asked only where the whole internet reaches them.
//!
//! Always true: https only; neither this computer nor a private network is asked, whether it is
//! written as a number or a name resolves to it, at the moment of the connection (attack 29: a name
//! may resolve to something else each time); no proxy of the environment is used, because it would
//! resolve the name itself.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use openidconnect::{HttpRequest, HttpResponse};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::guard::{Outbound, OutboundError, Place, common, exchange, place, without_query};

impl Outbound {
    /// One request to a public address, one answer of at most `most` bytes.
    ///
    /// # Errors
    /// See [`OutboundError`]; an address that is not public is [`OutboundError::Address`] or, where a
    /// name resolves to nothing else, [`OutboundError::Unreachable`].
    pub async fn call_public(
        &self,
        request: HttpRequest,
        most: usize,
    ) -> Result<HttpResponse, OutboundError> {
        let text = request.uri().to_string();
        let refused = || OutboundError::Address(without_query(&text));
        let url = Url::parse(&text).map_err(|_| refused())?;
        if place(&url) != Some(Place::Outside) || !is_written_publicly(&url) {
            return Err(refused());
        }
        let client = common()
            .https_only(true)
            .no_proxy()
            .dns_resolver(Arc::new(PublicNames))
            .build()
            .map_err(OutboundError::Client)?;
        exchange(&client, request, &url, most).await
    }
}

/// Resolves names as the system does, and leaves out what is not public.
struct PublicNames;

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let all = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = all.filter(|found| is_public(found.ip())).collect();
            if public.is_empty() {
                let why = "the name leads to no public address";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

fn is_written_publicly(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_public(address.into()),
        Some(Host::Ipv6(address)) => is_public(address.into()),
        // Looked at when it is resolved.
        Some(Host::Domain(_)) => true,
        None => false,
    }
}

/// Whether an address is one of the internet: the special ones of RFC 6890 are not.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => {
            let segments = address.segments();
            let [first, second, ..] = segments;
            // What is handed out at all (RFC 4291), without documentation, and without tunnels, which
            // carry an address of version 4 in them.
            let is_handed_out = first & 0xe000 == 0x2000;
            let is_special = first == 0x2001 && (second < 0x0200 || second == 0x0db8);
            is_handed_out && !is_special && first != 0x2002
        }
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    // "This" network, and reserved or broadcast ones; shared by carriers, assignments of
    // protocols, benchmarks.
    let is_special = matches!(
        (first, second, third),
        (0 | 240..=255, ..) | (100, 64..=127, _) | (192, 0, 0) | (198, 18 | 19, _)
    );
    !(is_special
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

#[cfg(test)]
mod tests {
    use openidconnect::http;

    use super::*;

    #[test]
    fn attack_29_public_is_what_the_internet_reaches() {
        for public in ["20.190.151.7", "9.9.9.9", "2603:1030::1", "2a00:1450::5"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for special in [
            "127.0.0.1",
            "0.0.0.0",
            "10.0.0.5",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "fc00::1",
            "fe80::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::",
        ] {
            assert!(!is_public(special.parse().unwrap()), "{special}");
        }
    }

    #[tokio::test]
    async fn attack_29_nothing_private_is_asked_by_number_or_by_name() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let outbound = Outbound::new().unwrap();
        for (address, by_name) in [
            (format!("http://127.0.0.1:{port}/x"), false),
            (format!("https://127.0.0.1:{port}/x"), false),
            (format!("https://localhost:{port}/x"), false),
            (format!("https://[::ffff:127.0.0.1]:{port}/x"), false),
            ("https://169.254.169.254/latest".to_owned(), false),
            ("https://10.0.0.5/".to_owned(), false),
            // Not written as this computer, and leads there.
            (format!("https://localhost.:{port}/x"), true),
        ] {
            let request = http::Request::builder()
                .uri(&address)
                .body(Vec::new())
                .unwrap();
            let error = outbound.call_public(request, 1024).await.unwrap_err();
            match error {
                OutboundError::Address(_) => assert!(!by_name, "{address}"),
                OutboundError::Unreachable { .. } => assert!(by_name, "{address}"),
                other => panic!("{address}: {other}"),
            }
        }
        let heard = listener.accept().map(|_| ()).unwrap_err();
        assert_eq!(heard.kind(), io::ErrorKind::WouldBlock);
    }
}
