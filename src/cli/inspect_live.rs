//! `claimbridge inspect live`: sign in to a tenant as an App+User client, and judge the
//! access token.
//!
//! Always true: what the person has to do stands on standard error, the answer on standard
//! output; no token, authorization code or secret is printed, and what strangers wrote is
//! made harmless; a refresh token goes to a new file that only the present user can read, or
//! nowhere; an unfinished check leaves no file behind.

use std::{
    fs,
    io::{Read as _, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use serde::Serialize;
use url::Url;

use super::{Failure, inspect_output, private_file};
use crate::{
    app::live_check::{
        self, Authority, ClientIdentity, Flow, Keep, LiveCheck, LiveCheckError,
        MICROSOFT_SCRIPT_CLIENT, Notice, Plan,
        report::{Live, RefreshTokenKept},
    },
    base::{clock::SystemClock, random::SystemRandom, secret::Secret},
    inspect::{Report, given, shown},
};

/// Sign in to a tenant as an application does for its user, and judge the access token.
///
/// Without more options it does what Microsoft's script Test-PartnerSecurityRequirement does
/// (the same application, scope and prompt=login), but it wants exactly mfa in amr and
/// verifies the token's signature. Sign in in the browser with the account to be tested.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub struct LiveArgs {
    /// The tenant: its id, one of its domains, or organizations.
    #[arg(long, value_name = "TENANT", default_value = "organizations")]
    tenant: String,
    /// Sign in on another screen, with a code.
    #[arg(long, conflicts_with_all = ["secure_application_model", "no_prompt_login", "redirect_port", "login_hint"])]
    device_code: bool,
    /// Let a present session of the browser answer; without this the person signs in anew.
    #[arg(long)]
    no_prompt_login: bool,
    /// Ask Partner Center's API whether the token is MFA-compliant (ValidateMfa, isMfaCompliant).
    #[arg(long)]
    partner_center: bool,
    /// Make the partner consent: code, refresh token, new access token; and see whether the claim survives.
    #[arg(long, requires_all = ["client_id", "client_secret_file"])]
    secure_application_model: bool,
    /// The application's id [default: that of Azure CLI, as Microsoft's script].
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// A file with the application's secret; - reads it from standard input.
    #[arg(long, value_name = "FILE", requires = "client_id")]
    client_secret_file: Option<PathBuf>,
    /// Keep the refresh token in this new file (mode 0600); without it, it is kept nowhere.
    #[arg(long, value_name = "FILE", requires = "secure_application_model")]
    refresh_token_file: Option<PathBuf>,
    /// The account's name, to be filled in.
    #[arg(long, value_name = "UPN")]
    login_hint: Option<String>,
    /// The cloud.
    #[arg(long, value_name = "CLOUD", default_value = "global", value_parser = ["global", "us-gov", "china"])]
    cloud: String,
    /// The authority, where it is not that of the cloud (the practice tenant's).
    #[arg(long, value_name = "URL")]
    authority: Option<String>,
    /// The address of Partner Center's API, where it is not that of the cloud.
    #[arg(long, value_name = "URL", requires = "partner_center")]
    partner_center_url: Option<Url>,
    /// Wait for the browser on this port of localhost [default: the first free one of 8400 to 8999].
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    redirect_port: Option<u16>,
    /// How long the person may take: seconds, or a number with s, m or h.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_wait)]
    wait: Duration,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  claimbridge inspect live --tenant contoso.com --partner-center
  claimbridge inspect live --device-code --json
  claimbridge inspect live --tenant contoso.com --secure-application-model \\
      --client-id 00000000-0000-0000-0000-000000000000 --client-secret-file secret.txt

Exit code: 0 the token carries MFA and everything that was asked agrees; 1 it does not, the sign-in
was refused, or nobody signed in; 2 wrong usage; 3 a server did not answer, or not as Entra does.";

/// Runs the command.
pub async fn run(
    args: &LiveArgs,
    out: &mut dyn Write,
    err: &mut (dyn Write + Send),
) -> Result<ExitCode, Failure> {
    let plan = plan(args)?;
    let mut random = SystemRandom;
    let mut notify = |notice: Notice<'_>| {
        // Nobody reads it if this fails.
        let _ = tell(notice, err);
    };
    let check = live_check::run(plan, &SystemClock, &mut random, &mut notify)
        .await
        .map_err(|error| failure(&error))?;
    if args.json {
        as_json(&check, out)?;
    } else {
        in_words(&check, args.refresh_token_file.as_deref(), out)?;
    }
    Ok(ExitCode::from(u8::from(!check.passes())))
}

fn failure(error: &LiveCheckError) -> Failure {
    let text = super::chain(error);
    match error {
        LiveCheckError::Address(_) | LiveCheckError::Listener(_) => Failure::usage(text),
        LiveCheckError::NobodyCame(_) | LiveCheckError::NoRefreshToken => Failure::no(text),
        _ => Failure::service(text),
    }
}

/// What is to be done.
fn plan(args: &LiveArgs) -> Result<Plan, Failure> {
    let cloud = live_check::cloud_endpoints(&args.cloud)
        .ok_or_else(|| Failure::usage("--cloud is one of global, us-gov, china"))?;
    if args.partner_center && args.partner_center_url.is_none() {
        // The token of one authority is not sent to another's API.
        if args.authority.is_some() {
            return Err(Failure::usage(
                "with --authority, name the Partner Center API that goes with it: --partner-center-url URL",
            ));
        }
        if args.cloud == "us-gov" {
            return Err(Failure::usage(
                "the address of Partner Center's API for this cloud is not documented; name it with --partner-center-url URL",
            ));
        }
    }
    let authority = args.authority.as_deref().unwrap_or(cloud.authority);
    let authority = Authority::new(authority, &args.tenant).map_err(Failure::usage)?;
    let api = match &args.partner_center_url {
        Some(url) => url.clone(),
        None => Url::parse(cloud.partner_center).map_err(Failure::usage)?,
    };
    let secret = args
        .client_secret_file
        .as_deref()
        .map(secret_of)
        .transpose()?;
    let flow = if args.device_code {
        Flow::DeviceCode
    } else if args.secure_application_model {
        let keep = args.refresh_token_file.clone().map(keep_in).transpose()?;
        Flow::SecureApplicationModel { keep }
    } else {
        Flow::AuthorizationCode
    };
    Ok(Plan {
        authority,
        identity: ClientIdentity {
            id: args
                .client_id
                .clone()
                .unwrap_or_else(|| MICROSOFT_SCRIPT_CLIENT.to_owned()),
            secret,
        },
        resource: cloud.partner_center.to_owned(),
        flow,
        anew: !args.no_prompt_login,
        login_hint: args.login_hint.clone(),
        partner_center: args.partner_center.then_some(api),
        redirect_port: args.redirect_port,
        patience: args.wait,
    })
}

/// Makes the file when there is a token for it. A path that cannot be used is said now.
fn keep_in(path: PathBuf) -> Result<Keep, Failure> {
    drop(private_file::create(&path)?);
    fs::remove_file(&path).map_err(|error| {
        Failure::usage(format!(
            "{} was made and cannot be removed again ({error}); name a file in a folder of yours",
            path.display()
        ))
    })?;
    Ok(Box::new(move || {
        private_file::create_new(&path).map(|file| Box::new(file) as Box<dyn Write>)
    }))
}

/// Larger than any secret of an application.
const LONGEST_SECRET: u64 = 4096;

pub(super) fn secret_of(path: &Path) -> Result<Secret<String>, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .take(LONGEST_SECRET)
            .read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(LONGEST_SECRET).read_to_string(&mut text))
    };
    let text = Secret::new(text);
    read.map_err(|error| {
        Failure::usage(format!(
            "the application's secret cannot be read from {} ({error})",
            path.display()
        ))
    })?;
    let secret = text.expose().trim();
    if secret.is_empty() {
        return Err(Failure::usage(format!(
            "{} holds no secret; put the value of the application's secret into it",
            path.display()
        )));
    }
    Ok(Secret::new(secret.to_owned()))
}

pub(super) fn parse_wait(text: &str) -> Result<Duration, String> {
    let wait = given::age(text).map_err(|error| error.to_string())?;
    if wait.is_zero() || wait > Duration::from_hours(1) {
        return Err("give between 1 s and 1 h".to_owned());
    }
    Ok(wait)
}

pub(super) fn tell(notice: Notice<'_>, err: &mut dyn Write) -> std::io::Result<()> {
    match notice {
        Notice::OpenBrowser {
            address,
            redirect_uri,
        } => writeln!(
            err,
            "Open this address in a browser of this computer and sign in:\n\n  {address}\n\nThe answer is waited for at {redirect_uri} — Ctrl-C stops it."
        ),
        Notice::EnterCode {
            address,
            code,
            lifetime,
        } => writeln!(
            err,
            "Open {} on any screen and enter the code {}\nIt is waited for {} — Ctrl-C stops that.",
            shown(address, 400),
            shown(code, 40),
            live_check::in_words(lifetime)
        ),
        Notice::Progress(text) => writeln!(err, "{text}"),
    }?;
    err.flush()
}

/// The inspector's result, and what the check found beside it.
#[derive(Serialize)]
struct Answer<'c> {
    #[serde(flatten)]
    report: Option<&'c Report>,
    live: &'c Live,
    passes: bool,
}

fn as_json(check: &LiveCheck, out: &mut dyn Write) -> Result<(), Failure> {
    let result = Answer {
        report: check.report.as_ref(),
        live: &check.live,
        passes: check.passes(),
    };
    serde_json::to_writer_pretty(&mut *out, &result).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

fn in_words(check: &LiveCheck, kept: Option<&Path>, out: &mut dyn Write) -> Result<(), Failure> {
    let live = &check.live;
    writeln!(
        out,
        "{}",
        if check.passes() {
            "Yes: the access token carries MFA."
        } else if live.refused.is_some() && live.secure_application_model.is_some() {
            "No: the refresh token was refused, so the application is left without an access token."
        } else if live.refused.is_some() {
            "No: the sign-in was refused, there is no token."
        } else if live.mfa == Some(true) {
            "No: the access token carries mfa, but not everything agrees."
        } else {
            "No: the access token does not carry MFA."
        }
    )?;
    if let Some(refused) = &live.refused {
        writeln!(out, "\n{} says: {}", live.authority, refused.description)?;
        for error in &refused.explained {
            writeln!(out, "  AADSTS{}: {}", error.code, error.means)?;
            writeln!(out, "  fix: {}", error.fix)?;
        }
        if refused.explained.is_empty() {
            writeln!(
                out,
                "  error: {}; the sign-in log in Entra says more about it",
                refused.error
            )?;
        }
    }
    if let Some(what) = live.mismatch {
        writeln!(
            out,
            "The access token names {what} otherwise than the sign-in: it is none of this sign-in, and does not count."
        )?;
    }
    if let Some(upn) = &live.upn {
        writeln!(
            out,
            "Signed in: {upn} (tenant {})",
            live.tenant_id.as_deref().unwrap_or("unknown")
        )?;
    }
    if let Some(amr) = &live.amr {
        writeln!(out, "amr of the access token: [{}]", amr.join(", "))?;
    }
    if let Some(script) = live.test_partner_security_requirement {
        writeln!(
            out,
            "Test-PartnerSecurityRequirement would say: {script} (it looks for the letters only)"
        )?;
    }
    if let Some(consent) = &live.secure_application_model {
        let renewed = consent.renewed_amr.as_ref().map_or_else(
            || "none came".to_owned(),
            |amr| format!("[{}]", amr.join(", ")),
        );
        writeln!(
            out,
            "Secure Application Model: amr by the code [{}], by the refresh token {renewed}: the claim {}",
            consent.first_amr.join(", "),
            if consent.survived {
                "survives."
            } else {
                "does not survive."
            }
        )?;
        match (consent.kept, kept) {
            (RefreshTokenKept::InTheFile, Some(path)) => {
                writeln!(
                    out,
                    "The refresh token is in {}: whoever has it acts as this person, so move it to your key vault and remove the file.",
                    path.display()
                )?;
            }
            _ => writeln!(out, "The refresh token was kept nowhere.")?,
        }
    }
    if let Some(answer) = &live.partner_center {
        let compliant = answer
            .is_mfa_compliant
            .map_or("not said".to_owned(), |yes| yes.to_string());
        writeln!(
            out,
            "Partner Center ({}): HTTP {}, isMfaCompliant: {compliant}. {}",
            answer.url, answer.status, answer.says
        )?;
        if let Some(description) = &answer.description {
            writeln!(
                out,
                "  it says: {}{description}",
                answer
                    .code
                    .as_ref()
                    .map_or_else(String::new, |code| format!("{code}, "))
            )?;
        }
    }
    if let Some(report) = &check.report {
        writeln!(out)?;
        inspect_output::live_report_in_words(report, out)?;
    }
    Ok(())
}
