//! `claimbridge inspect --serve`: the inspector as a page on this computer.

use std::{io::Write, net::SocketAddr, sync::Arc};

use tokio::net::TcpListener;

use super::{Failure, start};
use crate::{base::clock::SystemClock, web};

/// Serves the page until it is told to stop.
pub async fn run(address: SocketAddr, out: &mut dyn Write) -> Result<(), Failure> {
    if !address.ip().is_loopback() {
        return Err(Failure::usage(format!(
            "{address} can be reached from elsewhere; give an address of this computer, such as 127.0.0.1:8088"
        )));
    }
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::service(format!(
            "{address} cannot be listened on ({error}); stop what uses it, or name another: --serve 127.0.0.1:0"
        ))
    })?;
    let address = listener.local_addr().unwrap_or(address);
    writeln!(
        out,
        "The inspector is on http://{address}/inspect — nothing that you paste there leaves this computer. Ctrl-C stops it."
    )?;
    out.flush()?;
    let router = web::inspector_alone(Arc::new(SystemClock));
    web::serve::serve(listener, None, router, start::stop_signal()).await;
    Ok(())
}
