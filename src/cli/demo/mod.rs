//! `claimbridge demo`: everything on loopback, with a throw-away database.
//!
//! Always true: nothing of the environment or of a configuration file has a say;
//! nothing listens beyond loopback; the keys, the people and the database are made
//! at the start and gone at the end. The identity provider is the one of `serve`.

/// The tenant that asks here for the second factor.
mod external_mfa;
mod folder;
mod people;
mod ports;

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::Path,
    sync::Arc,
};

use clap::Args;
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};

use super::{
    Failure,
    start::{self, Started},
};
use crate::{
    app::{App, opening::Migrations},
    base::{
        clock::{Clock, SystemClock},
        random::{Random, SystemRandom, random_bytes},
        secret::Secret,
    },
    config::Config,
    directory::MethodKind,
    practice::{
        FederatedDomain, MfaBehavior, More, Practice, PracticeConfig, PreferredProtocol,
        PromptLogin, oauth::clients::Client,
    },
    relying_party::EntraEndpoints,
    web,
};
use folder::ThrowAwayFolder;
use people::Person;
use ports::Ports;

/// The demo's federated domain.
const DOMAIN: &str = "contoso.com";
/// Entra's worldwide entity id: the practice tenant sends what Entra sends.
const ENTITY_ID: &str = "urn:federation:MicrosoftOnline";

/// Try it: identity provider, practice tenant and practice Partner Center on this computer.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Loopback address and first of three ports in a row; port 0 takes any three that are free.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Print one line of JSON with the addresses and the people first.
    #[arg(long)]
    json: bool,
}

/// Runs until it is told to stop. `config` is what `--config` named.
pub async fn run(
    args: DemoArgs,
    config: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if config.is_some() {
        return Err(Failure::usage(
            "the demo takes no configuration; leave --config out, or use `claimbridge serve`",
        ));
    }
    let ports = Ports::bind(args.listen).await?;
    let mut random = SystemRandom;
    let folder = ThrowAwayFolder::create(&mut random).map_err(|error| {
        Failure::service(format!(
            "no folder for the demo's database could be made ({error}); make room among the temporary files"
        ))
    })?;
    let addresses = Addresses {
        idp: format!("http://localhost:{}", ports.first),
        practice: ports.practice_url(1),
        partner_center: ports.practice_url(2),
    };
    let config = configuration(&addresses, folder.path(), &mut random)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let Started { app, router, .. } = start::start(
        &config,
        Migrations::Apply,
        Arc::clone(&clock),
        // Everything here is on loopback and made up.
        web::InspectorAccess::Anyone,
        None,
    )
    .await?;
    let people = people::add(&app, DOMAIN, &mut random)
        .await
        .map_err(Failure::service)?;
    let practice = practice(&addresses, &app, &people, Arc::clone(&clock), &mut random)?;
    external_mfa::register(&app, &practice, clock.now(), &mut random).await?;
    announce(&args, &addresses, &people, &practice, out)?;

    let (stop, stopped) = watch::channel(());
    let mut servers = JoinSet::new();
    for listener in ports.identity_provider {
        let mut stopped = stopped.clone();
        let stopped = async move {
            // An error means that the sender is gone: stop as well.
            let _ = stopped.changed().await;
        };
        servers.spawn(web::serve::serve(listener, None, router.clone(), stopped));
    }
    let served = crate::practice::serve(
        &practice,
        ports.tenant,
        ports.partner_center,
        start::stop_signal(),
    )
    .await;
    drop(stop);
    servers.join_all().await;
    app.store().close().await;
    served.map_err(|error| Failure::service(format!("the practice sites stopped: {error}")))
}

/// The practice tenant, federated with this identity provider.
fn practice(
    addresses: &Addresses,
    app: &App,
    people: &[Person],
    clock: Arc<dyn Clock>,
    random: &mut dyn Random,
) -> Result<Arc<Practice>, Failure> {
    Practice::new(PracticeConfig {
        own_url: addresses.practice.clone(),
        idp_url: addresses.idp.clone(),
        partner_center_url: addresses.partner_center.clone(),
        entity_id: ENTITY_ID.to_owned(),
        domains: vec![FederatedDomain {
            name: DOMAIN.parse().map_err(Failure::service)?,
            issuer_uri: format!("{}/{DOMAIN}", addresses.idp),
            sign_in_url: format!("{}/saml2/sso?domain={DOMAIN}", addresses.idp),
            certificates: vec![app.assertion_key().certificate.clone()],
            preferred_protocol: PreferredProtocol::Saml,
            mfa_behavior: MfaBehavior::EnforceMfaByFederatedIdp,
            prompt_login: PromptLogin::Unset,
            sign_out_url: None,
        }],
        users: people
            .iter()
            .map(|person| person.in_directory(random))
            .collect(),
        more: More::default(),
        demo_people: people.iter().map(Person::in_walk_through).collect(),
        clock,
        random: Box::new(SystemRandom),
    })
    .map_err(Failure::service)
}

/// Where the three sites are.
struct Addresses {
    idp: String,
    practice: String,
    partner_center: String,
}

/// The configuration of a real server, made up here: validated like any other.
fn configuration(
    addresses: &Addresses,
    folder: &Path,
    random: &mut dyn Random,
) -> Result<Config, Failure> {
    let database = folder.join("demo.db");
    let master_key = data_encoding::HEXLOWER.encode(&random_bytes::<32>(random));
    let settings = [
        ("PUBLIC_URL", addresses.idp.clone()),
        ("DATABASE_URL", format!("sqlite://{}", database.display())),
        ("MASTER_KEY", master_key),
        ("DOMAIN__0__NAME", DOMAIN.to_owned()),
        ("POLICY__GROUP__0__NAME", people::KEY_HOLDERS.to_owned()),
        (
            "POLICY__GROUP__0__ALLOWED_METHODS",
            MethodKind::SecurityKey.to_string(),
        ),
        ("BRANDING__NAME", "claimbridge demo".to_owned()),
        (
            "BRANDING__SUPPORT_CONTACT",
            "whoever started this demo".to_owned(),
        ),
    ];
    let settings = settings
        .into_iter()
        .map(|(key, value)| (format!("CLAIMBRIDGE_{key}"), value));
    let mut config = Config::load(None, settings)?;
    // Here only: an answer for Entra's audience goes to another host than Entra's,
    // this computer's own. `Config` refuses that, and `serve` has no other way.
    "custom".clone_into(&mut config.entra.cloud.name);
    ENTITY_ID.clone_into(&mut config.entra.cloud.entity_id);
    config.entra.cloud.reply_url = format!("{}/login.srf", addresses.practice);
    config.entra.cloud.metadata_url = None;
    config.entra.endpoints = Some(EntraEndpoints {
        authority_url: addresses.practice.clone(),
        graph_url: format!("{}/graph", addresses.practice),
    });
    Ok(config)
}

/// An application's credentials.
fn application(client: &Client) -> serde_json::Value {
    json!({ "id": client.id(), "secret": client.secret().map(Secret::expose) })
}

/// Says where to go: one line of JSON for programs, a few words for people.
fn announce(
    args: &DemoArgs,
    addresses: &Addresses,
    people: &[Person],
    tenant: &Practice,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Addresses {
        idp,
        practice,
        partner_center,
    } = addresses;
    if args.json {
        let users: Vec<_> = people.iter().map(Person::to_json).collect();
        let clients = tenant.oauth().clients();
        let line = json!({
            "idp": idp,
            "practice": practice,
            "partner_center": partner_center,
            "users": users,
            "admin": null,
            "live": {
                "authority": practice,
                "tenant": tenant.tenant_name(),
                "partner_center": partner_center,
                "client_id": clients.public().id(),
                "tenant_id": tenant.tenant_id(),
                "graph": tenant.graph_url(),
                "graph_client_id": clients.graph_tools().id(),
                "emergency_administrators": tenant
                    .emergency_administrators()
                    .iter()
                    .map(|one| json!({ "upn": one.upn, "password": one.password.expose() }))
                    .collect::<Vec<_>>(),
                "watch": application(clients.watch()),
                "writer": application(clients.writer()),
                "application_id": clients.web().id(),
                "application_secret": clients.web().secret().map(Secret::expose),
            },
        });
        writeln!(out, "{line}")?;
        return out.flush();
    }
    writeln!(
        out,
        "Open {practice}/ in a browser and press “Sign in to Partner Center”,\nor “Try External MFA”: there the tenant does the first factor.\n"
    )?;
    for person in people {
        writeln!(out, "  {}", person.in_words())?;
    }
    writeln!(
        out,
        "\nCodes: {practice}/totp, or `oathtool --totp -b SECRET`\nIdentity provider: {idp}\nEverything is gone when you stop it with Ctrl-C."
    )?;
    out.flush()
}
