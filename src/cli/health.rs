//! `health`: asks the running server how it is, for container engines that know no HTTP.
//!
//! Always true: it asks this machine only, at the address that the configuration names.

use std::{
    io::{self, Read as _, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use clap::Args;

use super::{Failure, open};
use crate::config::Config;

/// A server that needs longer is not well.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer of one word; what is longer is not ours.
const MAX_ANSWER: u64 = 16 * 1024;

/// Ask the server on this machine whether it runs (exit 0) or not (exit 1).
#[derive(Args, Debug)]
pub struct HealthArgs {
    /// Ask whether it can answer sign-ins, its database included, not only whether it runs.
    #[arg(long)]
    ready: bool,
}

/// Asks `[listen_ops]`, or where people are answered if there is none.
pub fn run(args: &HealthArgs, path: Option<&Path>, out: &mut dyn Write) -> Result<(), Failure> {
    let config = open::config(path)?;
    let address = address(&config)?;
    let page = if args.ready { "/readyz" } else { "/healthz" };
    let answer = ask(address, page).map_err(|error| {
        Failure::no(format!(
            "{address} does not answer ({error}); look at the log of `serve`"
        ))
    })?;
    let status = answer.split(' ').nth(1).unwrap_or("nothing");
    if status != "200" {
        return Err(Failure::no(format!(
            "{page} at {address} answers {status}; look at the log of `serve`"
        )));
    }
    writeln!(out, "ok")?;
    Ok(())
}

fn address(config: &Config) -> Result<SocketAddr, Failure> {
    match (config.listen_ops, &config.tls) {
        (Some(address), _) => Ok(of_this_machine(address)),
        (None, None) => Ok(of_this_machine(config.listen)),
        (None, Some(_)) => Err(Failure::usage(
            "there is no address to ask without TLS; set [listen_ops] address = \"127.0.0.1:9090\"",
        )),
    }
}

/// Who listens on every address listens on this machine's own too.
fn of_this_machine(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// The head of the answer.
fn ask(address: SocketAddr, page: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {page} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_asked_at_this_machine() {
        for (listens, asked) in [
            ("0.0.0.0:9090", "127.0.0.1:9090"),
            ("[::]:9090", "[::1]:9090"),
            ("10.0.0.7:9090", "10.0.0.7:9090"),
        ] {
            let asked: SocketAddr = asked.parse().unwrap();
            assert_eq!(of_this_machine(listens.parse().unwrap()), asked);
        }
    }
}
