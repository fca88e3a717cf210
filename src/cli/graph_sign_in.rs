//! How commands sign in to Microsoft Graph: the options, and what the person is told.
//!
//! Always true: what the person has to do stands on standard error; no token and no secret
//! is printed, kept or taken from an argument.

use std::{io::Write, path::PathBuf, time::Duration};

use clap::Args;
use url::Url;

use super::{
    Failure,
    inspect_live::{parse_wait, secret_of, tell},
};
use crate::{
    app::{
        graph_sign_in::{
            self, Authority, ClientIdentity, GRAPH_TOOLS_CLIENT, Pause, SignIn, SignInError,
            SignedInGraph, Way,
        },
        live_check::Notice,
    },
    base::{clock::SystemClock, random::SystemRandom, secret::Secret},
    config::Config,
};

/// How to sign in to Microsoft Graph.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Signing in to Microsoft Graph")]
pub struct GraphArgs {
    /// The tenant: its id or one of its domains [default: the domain].
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// Sign in on another screen, with a code.
    #[arg(long, conflicts_with_all = ["redirect_port", "client_secret_file"])]
    pub device_code: bool,
    /// The application's id [default: that of Microsoft Graph Command Line Tools].
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// A file with the application's secret: nobody signs in, the application reads for itself; - reads standard input.
    #[arg(long, value_name = "FILE", requires = "client_id")]
    pub client_secret_file: Option<PathBuf>,
    /// The account's name, to be filled in.
    #[arg(long, value_name = "UPN")]
    pub login_hint: Option<String>,
    /// Entra's authority, where it is not that of the configured cloud (the practice tenant's).
    #[arg(long, value_name = "URL", requires = "graph_url")]
    pub authority: Option<String>,
    /// The address of Graph, where it is not that of the configured cloud.
    #[arg(long, value_name = "URL", requires = "authority")]
    pub graph_url: Option<Url>,
    /// Wait for the browser on this port of localhost [default: the first free one of 8400 to 8999].
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub redirect_port: Option<u16>,
    /// How long the person may take: seconds, or a number with s, m or h.
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = parse_wait)]
    pub wait: Duration,
}

impl GraphArgs {
    /// Whether an application signs in, and nobody else.
    pub fn is_application(&self) -> bool {
        self.client_secret_file.is_some()
    }

    /// Where Graph is, without a slash at the end.
    pub fn graph_url(&self, config: &Config) -> Result<String, Failure> {
        match (&self.graph_url, &config.entra.endpoints) {
            (Some(url), _) => Ok(url.as_str().trim_end_matches('/').to_owned()),
            (None, Some(endpoints)) => Ok(endpoints.graph_url.clone()),
            (None, None) => Err(Failure::usage(
                "the configured cloud does not say where its Graph is; give --authority URL and --graph-url URL, or authority_url and graph_url in [entra.cloud]",
            )),
        }
    }

    /// Where Entra's authority is, without a slash at the end.
    pub fn authority_url(&self, config: &Config) -> Result<String, Failure> {
        match (&self.authority, &config.entra.endpoints) {
            (Some(url), _) => Ok(url.trim_end_matches('/').to_owned()),
            (None, Some(endpoints)) => Ok(endpoints.authority_url.clone()),
            (None, None) => Err(Failure::usage(
                "the configured cloud does not say where its authority is; give --authority URL and --graph-url URL, or authority_url and graph_url in [entra.cloud]",
            )),
        }
    }
}

/// Signs in, for a token that permits `permissions`; `default_tenant` is taken where the
/// options name none.
pub async fn sign_in(
    args: &GraphArgs,
    config: &Config,
    default_tenant: &str,
    permissions: &[&str],
    err: &mut (dyn Write + Send),
) -> Result<SignedInGraph, Failure> {
    let tenant = args.tenant.as_deref().unwrap_or(default_tenant);
    let secret = args
        .client_secret_file
        .as_deref()
        .map(secret_of)
        .transpose()?;
    let way = if secret.is_some() {
        Way::Application
    } else if args.device_code {
        Way::DeviceCode
    } else {
        Way::Browser {
            port: args.redirect_port,
        }
    };
    let identity = ClientIdentity {
        id: args
            .client_id
            .clone()
            .unwrap_or_else(|| GRAPH_TOOLS_CLIENT.to_owned()),
        secret,
    };
    let mut notify = |notice: Notice<'_>| {
        // Nobody reads it if this fails.
        let _ = tell(notice, err);
    };
    begin(
        args,
        config,
        tenant,
        identity,
        way,
        permissions,
        &mut notify,
    )
    .await
}

/// Signs in as an application with its own secret; what was granted to it counts.
pub async fn application(
    args: &GraphArgs,
    config: &Config,
    tenant: &str,
    client_id: &str,
    secret: Secret<String>,
) -> Result<SignedInGraph, Failure> {
    let tenant = args.tenant.as_deref().unwrap_or(tenant);
    let identity = ClientIdentity {
        id: client_id.to_owned(),
        secret: Some(secret),
    };
    begin(
        args,
        config,
        tenant,
        identity,
        Way::Application,
        &[],
        &mut |_| {},
    )
    .await
}

async fn begin(
    args: &GraphArgs,
    config: &Config,
    tenant: &str,
    identity: ClientIdentity,
    way: Way,
    permissions: &[&str],
    notify: &mut (dyn FnMut(Notice<'_>) + Send),
) -> Result<SignedInGraph, Failure> {
    let graph_url = args.graph_url(config)?;
    let authority = Authority::new(&args.authority_url(config)?, tenant).map_err(Failure::usage)?;
    let plan = SignIn {
        authority,
        graph_url: Url::parse(&graph_url).map_err(Failure::usage)?,
        identity,
        way,
        permissions: permissions.iter().map(|&name| name.to_owned()).collect(),
        login_hint: args.login_hint.clone(),
        patience: args.wait,
    };
    let pause = |pause: Pause| {
        let _ = writeln!(std::io::stderr(), "{}", pause.in_words());
    };
    graph_sign_in::sign_in(plan, &SystemClock, &mut SystemRandom, notify, pause)
        .await
        .map_err(|error| failure(&error))
}

fn failure(error: &SignInError) -> Failure {
    let text = super::chain(error);
    match error {
        SignInError::NoTenant(_) | SignInError::Listener(_) | SignInError::Endpoints(_) => {
            Failure::usage(text)
        }
        SignInError::Refused(_) | SignInError::NobodyCame(_) | SignInError::OtherTenant { .. } => {
            Failure::no(text)
        }
        _ => Failure::service(text),
    }
}
