//! Who sends a request: the address that throttling counts.
//!
//! Always true: `X-Forwarded-For` is read only as far as proxies that the operator
//! named wrote it; what a stranger puts in front of it changes nothing.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, request::Parts},
};

use super::Web;
use crate::base::address_range::AddressRange;

/// The address of the browser, as far as we can believe it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerAddress(pub IpAddr);

impl FromRequestParts<Arc<Web>> for PeerAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Infallible> {
        let connection = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::from([0, 0, 0, 0]), |info| info.0.ip());
        Ok(Self(sender(
            connection.to_canonical(),
            &parts.headers,
            &web.trusted_proxies,
        )))
    }
}

/// Walks back from the connection through proxies that are trusted, to the first
/// address that is not one of them.
fn sender(connection: IpAddr, headers: &HeaderMap, trusted: &[AddressRange]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    let hops: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .into_iter()
        .map(|line| line.to_str().unwrap_or("unreadable"))
        .flat_map(|line| line.split(','))
        .collect();
    let mut address = connection;
    for hop in hops.iter().rev() {
        if !is_trusted(address) {
            break;
        }
        let Some(before) = parse_hop(hop.trim()) else {
            break;
        };
        address = before;
    }
    address
}

/// An address, with or without a port, as proxies write it.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    hop.parse::<IpAddr>()
        .ok()
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        let proxies: Vec<AddressRange> = ["10.0.0.0/8", "::1"]
            .iter()
            .map(|range| range.parse().unwrap())
            .collect();
        for (connection, forwarded, expected) in [
            ("198.51.100.7", None, "198.51.100.7"),
            ("198.51.100.7", Some("203.0.113.9"), "198.51.100.7"),
            ("10.0.0.2", None, "10.0.0.2"),
            ("10.0.0.2", Some("203.0.113.9"), "203.0.113.9"),
            ("10.0.0.2", Some("203.0.113.9, 10.1.1.1"), "203.0.113.9"),
            ("10.0.0.2", Some("1.2.3.4, 203.0.113.9"), "203.0.113.9"),
            ("10.0.0.2", Some("1.2.3.4, nonsense"), "10.0.0.2"),
            ("::1", Some("[2001:db8::5]:4711"), "2001:db8::5"),
            ("10.0.0.2", Some("203.0.113.9:4711"), "203.0.113.9"),
            ("10.0.0.2", Some("::ffff:203.0.113.9"), "203.0.113.9"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(forwarded) = forwarded {
                headers.insert("x-forwarded-for", forwarded.parse().unwrap());
            }
            assert_eq!(
                sender(connection.parse().unwrap(), &headers, &proxies),
                expected.parse::<IpAddr>().unwrap(),
                "{connection} {forwarded:?}"
            );
        }
    }

    #[test]
    fn several_header_lines_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "203.0.113.9".parse().unwrap());
        headers.append("x-forwarded-for", "10.9.9.9".parse().unwrap());
        let proxies = ["10.0.0.0/8".parse().unwrap()];
        assert_eq!(
            sender("10.0.0.1".parse().unwrap(), &headers, &proxies),
            "203.0.113.9".parse::<IpAddr>().unwrap()
        );
    }
}
