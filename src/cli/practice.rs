//! `practice`: the practice tenant alone, before a server of yours: a rehearsal of
//! docs/operators-guide.md without a real tenant.
//!
//! Always true: it listens on loopback only, everything in it is made up at the start and
//! gone at the end, and none of its routes exists in `serve`.

use std::{
    io::{self, Write},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use clap::Args;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use url::Url;

use super::{Failure, start};
use crate::{
    base::{
        clock::SystemClock,
        random::SystemRandom,
        secret::Secret,
        text::{DomainName, Upn},
    },
    practice::{
        self, More, Practice, PracticeConfig, PracticeUser, oauth::clients::Client, request,
    },
};

/// No name of Microsoft's: `serve` answers under those for Microsoft's own hosts only.
const ENTITY_ID: &str = "urn:claimbridge:practice";

/// Run a practice tenant (Entra, Graph, Partner Center) on this computer before your own server.
#[derive(Args, Debug)]
#[command(
    after_help = "Put into claimbridge.toml what it prints, and go through the guide with it."
)]
pub struct PracticeArgs {
    /// The public_url of your server.
    #[arg(long, value_name = "URL")]
    idp: Url,
    /// A verified domain of the tenant, still managed; may be said several times.
    #[arg(long = "domain", value_name = "DOMAIN", required = true)]
    domains: Vec<DomainName>,
    /// Its people, as CSV: columns upn, name and, where they have one, immutable_id.
    #[arg(long, value_name = "FILE")]
    people: Option<PathBuf>,
    /// Loopback address of the tenant; Partner Center is on the next port; port 0 takes any two.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8181")]
    listen: SocketAddr,
    /// Print one line of JSON with the addresses and the credentials first.
    #[arg(long)]
    json: bool,
}

/// Someone of the tenant's directory.
#[derive(Deserialize)]
struct Row {
    upn: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    immutable_id: String,
}

/// Runs until it is told to stop.
pub async fn run(args: PracticeArgs, out: &mut dyn Write) -> Result<(), Failure> {
    if !args.listen.ip().is_loopback() {
        return Err(Failure::usage(format!(
            "{} can be reached by others, and this is for practice only; write --listen 127.0.0.1:PORT",
            args.listen
        )));
    }
    let users = match &args.people {
        None => Vec::new(),
        Some(path) => people(path)?,
    };
    let tenant = listen(args.listen).await?;
    let next = match args.listen.port() {
        0 => 0,
        port => port.checked_add(1).ok_or_else(|| {
            Failure::usage("there is no next port for Partner Center; choose a lower one")
        })?,
    };
    let partner_center = listen(SocketAddr::new(args.listen.ip(), next)).await?;
    let practice = Practice::new(PracticeConfig {
        own_url: url_of(&tenant)?,
        idp_url: args.idp.as_str().trim_end_matches('/').to_owned(),
        partner_center_url: url_of(&partner_center)?,
        entity_id: ENTITY_ID.to_owned(),
        domains: Vec::new(),
        users,
        more: More {
            managed_domains: args.domains,
            ..More::default()
        },
        demo_people: Vec::new(),
        clock: Arc::new(SystemClock),
        random: Box::new(SystemRandom),
    })
    .map_err(Failure::service)?;
    let (own, partner) = (url_of(&tenant)?, url_of(&partner_center)?);
    announce(args.json, &practice, &own, &partner, out)?;
    practice::serve(&practice, tenant, partner_center, start::stop_signal())
        .await
        .map_err(|error| Failure::service(format!("the practice sites stopped: {error}")))
}

fn people(path: &PathBuf) -> Result<Vec<PracticeUser>, Failure> {
    let bad = |text: String| {
        Failure::usage(format!(
            "{}: {text}; write a first line upn,name,immutable_id and a person a line",
            path.display()
        ))
    };
    let mut rows = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|error| bad(error.to_string()))?;
    let mut users = Vec::new();
    for row in rows.deserialize() {
        let row: Row = row.map_err(|error: csv::Error| bad(error.to_string()))?;
        let upn: Upn = row
            .upn
            .parse()
            .map_err(|error| bad(format!("{}: {error}", row.upn)))?;
        users.push(PracticeUser {
            upn,
            immutable_id: row.immutable_id,
            object_id: request::guid(&mut SystemRandom),
            display_name: row.name,
        });
    }
    Ok(users)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::service(format!(
            "{address} cannot be listened on ({error}); stop what uses it, or choose another with --listen"
        ))
    })
}

fn url_of(listener: &TcpListener) -> io::Result<String> {
    let address = listener.local_addr()?;
    Ok(match address.ip() {
        IpAddr::V4(ip) => format!("http://{ip}:{}", address.port()),
        IpAddr::V6(ip) => format!("http://[{ip}]:{}", address.port()),
    })
}

fn application(client: &Client) -> serde_json::Value {
    json!({ "id": client.id(), "secret": client.secret().map(Secret::expose) })
}

/// One line of JSON for programs; for people, what goes into the configuration.
fn announce(
    json: bool,
    tenant: &Practice,
    own: &str,
    partner_center: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (clients, graph, reply) = (
        tenant.oauth().clients(),
        tenant.graph_url(),
        tenant.reply_url(),
    );
    let administrators = tenant.emergency_administrators();
    if json {
        let line = json!({
            "authority": own,
            "graph": graph,
            "partner_center": partner_center,
            "entity_id": ENTITY_ID,
            "reply_url": reply,
            "tenant": tenant.tenant_name(),
            "tenant_id": tenant.tenant_id(),
            "client_id": clients.public().id(),
            "graph_client_id": clients.graph_tools().id(),
            "emergency_administrators": administrators
                .iter()
                .map(|one| json!({ "upn": one.upn, "password": one.password.expose() }))
                .collect::<Vec<_>>(),
            "watch": application(clients.watch()),
            "writer": application(clients.writer()),
        });
        writeln!(out, "{line}")?;
        return out.flush();
    }
    writeln!(
        out,
        "A practice tenant with Graph and Partner Center runs at {own}/.\n\nIn claimbridge.toml:\n\n[entra.cloud]\nentity_id = \"{ENTITY_ID}\"\nreply_url = \"{reply}\"\nauthority_url = \"{own}\"\ngraph_url = \"{graph}\"\n\nIts emergency administrators:\n"
    )?;
    for one in administrators {
        writeln!(out, "  {}   password {}", one.upn, one.password.expose())?;
    }
    writeln!(
        out,
        "\nThe live check: claimbridge inspect live --authority {own} --partner-center-url {partner_center} --partner-center\nEverything is gone when you stop it with Ctrl-C."
    )?;
    out.flush()
}
