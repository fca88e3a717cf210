//! The demo's three ports, all on loopback.
//!
//! Always true: nothing is bound to an address that another machine can reach.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::net::TcpListener;

use crate::cli::Failure;

/// Why the demo cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum PortsError {
    /// Other machines could reach it.
    #[error(
        "the demo listens on loopback only, and {0} is not; leave --listen out, or write --listen 127.0.0.1:8080"
    )]
    NotLoopback(SocketAddr),
    /// There is no room for three.
    #[error(
        "the demo needs three ports in a row from {0}; choose a lower one with --listen 127.0.0.1:PORT"
    )]
    TooHigh(u16),
    /// Someone else listens there.
    #[error(
        "port {0} is taken; stop what listens there, or choose three others with --listen 127.0.0.1:PORT"
    )]
    Taken(u16),
    /// The system says no.
    #[error("listening on {0} failed: {1}")]
    System(SocketAddr, #[source] std::io::Error),
}

impl From<PortsError> for Failure {
    fn from(error: PortsError) -> Self {
        match error {
            PortsError::NotLoopback(_) | PortsError::TooHigh(_) => Self::usage(error),
            PortsError::Taken(_) | PortsError::System(..) => Self::service(error),
        }
    }
}

/// Three bound ports.
#[derive(Debug)]
pub struct Ports {
    /// `localhost`: 127.0.0.1 and, where there is one, ::1 (browsers try it first).
    pub identity_provider: Vec<TcpListener>,
    /// The practice tenant.
    pub tenant: TcpListener,
    /// The practice Partner Center.
    pub partner_center: TcpListener,
    /// The first port.
    pub first: u16,
    /// Where the practice sites listen.
    pub address: IpAddr,
}

impl Ports {
    /// Binds `listen` and the two ports above it; port 0 means any three in a row.
    pub async fn bind(listen: SocketAddr) -> Result<Self, PortsError> {
        if !listen.ip().is_loopback() {
            return Err(PortsError::NotLoopback(listen));
        }
        if listen.port() != 0 {
            return Self::bind_from(listen.ip(), listen.port()).await;
        }
        let mut last = PortsError::Taken(0);
        for _ in 0..32 {
            let free = bind(SocketAddr::new(listen.ip(), 0)).await?;
            let port = free
                .local_addr()
                .map_err(|error| PortsError::System(listen, error))?
                .port();
            drop(free);
            match Self::bind_from(listen.ip(), port).await {
                Ok(ports) => return Ok(ports),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn bind_from(address: IpAddr, first: u16) -> Result<Self, PortsError> {
        let port = |above: u16| first.checked_add(above).ok_or(PortsError::TooHigh(first));
        let (second, third) = (port(1)?, port(2)?);
        let mut identity_provider =
            vec![bind(SocketAddr::from((Ipv4Addr::LOCALHOST, first))).await?];
        match bind(SocketAddr::from((Ipv6Addr::LOCALHOST, first))).await {
            Ok(listener) => identity_provider.push(listener),
            // Someone else there would get the browser's passwords.
            Err(error @ PortsError::Taken(_)) => return Err(error),
            Err(_) => {} // no IPv6 on this machine
        }
        Ok(Self {
            identity_provider,
            tenant: bind(SocketAddr::new(address, second)).await?,
            partner_center: bind(SocketAddr::new(address, third)).await?,
            first,
            address,
        })
    }

    /// The address of the port `above` the first, as browsers write it.
    pub fn practice_url(&self, above: u16) -> String {
        let address = SocketAddr::new(self.address, self.first.saturating_add(above));
        format!("http://{address}")
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, PortsError> {
    TcpListener::bind(address).await.map_err(|error| {
        if error.kind() == ErrorKind::AddrInUse {
            PortsError::Taken(address.port())
        } else {
            PortsError::System(address, error)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_loopback_is_listened_on() {
        for address in ["0.0.0.0:0", "192.0.2.1:8080", "[::]:8080", "8.8.8.8:1"] {
            let refused = Ports::bind(address.parse().unwrap()).await;
            assert!(
                matches!(refused, Err(PortsError::NotLoopback(_))),
                "{address}"
            );
        }
    }

    #[tokio::test]
    async fn the_taken_port_is_named() {
        let ports = Ports::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let again = Ports::bind(SocketAddr::new(ports.address, ports.first)).await;
        assert!(matches!(again, Err(PortsError::Taken(port)) if port == ports.first));
        let (first, tenant) = (ports.first, ports.tenant);
        drop((ports.identity_provider, ports.partner_center));
        let again = Ports::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, first))).await;
        assert!(matches!(again, Err(PortsError::Taken(port)) if port == first + 1));
        drop(tenant);
    }

    #[tokio::test]
    async fn three_ports_need_room() {
        let refused = Ports::bind("127.0.0.1:65534".parse().unwrap()).await;
        assert!(matches!(refused, Err(PortsError::TooHigh(65534))));
    }
}
