//! `user pass`: a temporary access pass, shown or printed once.
//!
//! Always true: the value leaves in one place only — on standard output, or in the slip —
//! and a pass whose slip could not be written is taken back.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use serde_json::json;

use super::{Failure, private_file, slip};
use crate::{
    app::{
        App,
        passes::{IssuedPass, PassOptions},
    },
    base::{clock::Timestamp, text::Upn},
    config::{Config, parse_duration},
    directory::PassReuse,
};

/// Issue a temporary access pass. It opens enrolment, is shown once, and ends an earlier one.
#[derive(Args, Debug)]
pub struct PassArgs {
    /// The user principal name.
    upn: Upn,
    /// How long it is good, such as 1h or 3d (10 minutes to 30 days).
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    lifetime: Option<Duration>,
    /// How many characters it has (8 to 48).
    #[arg(long, value_name = "NUMBER")]
    length: Option<usize>,
    /// From when, such as 2026-11-20T10:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    starts_at: Option<Timestamp>,
    /// It may be used until it ends, not only once.
    #[arg(long)]
    reusable: bool,
    /// Write it to this new file as a page to print, with what to do, and show it nowhere else.
    #[arg(long, value_name = "FILE.html")]
    slip: Option<PathBuf>,
    /// Take back the pass that is out, and issue none.
    #[arg(long, conflicts_with_all = ["lifetime", "length", "starts_at", "reusable", "slip"])]
    revoke: bool,
    /// Print {"pass", "starts_at", "expires_at", "reusable"}; with --slip its path instead of the pass.
    #[arg(long)]
    json: bool,
}

/// What `user pass` and `import --passes` give unless asked otherwise.
pub fn usual(config: &Config) -> PassOptions {
    PassOptions {
        lifetime: config.policy.pass_lifetime,
        length: config.policy.pass_length as usize,
        ..PassOptions::default()
    }
}

/// Runs the command.
pub async fn run(
    args: &PassArgs,
    app: &App,
    config: &Config,
    operator: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if args.revoke {
        return revoke(args, app, operator, out).await;
    }
    let usual = usual(config);
    let options = PassOptions {
        lifetime: args.lifetime.unwrap_or(usual.lifetime),
        length: args.length.unwrap_or(usual.length),
        starts_at: args.starts_at,
        reuse: if args.reusable {
            PassReuse::UntilExpiry
        } else {
            PassReuse::Once
        },
    };
    if let Some(path) = &args.slip {
        let pass = print(path, args, app, options, operator).await?;
        return said(args, &pass, Shown::OnSlip(path), out);
    }
    let pass = app.issue_pass(&args.upn, options, operator).await?;
    said(args, &pass, Shown::Here, out)
}

/// Where the value is.
#[derive(Clone, Copy)]
enum Shown<'a> {
    Here,
    OnSlip(&'a Path),
}

fn said(
    args: &PassArgs,
    pass: &IssuedPass,
    shown: Shown<'_>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let upn = &args.upn;
    if args.json {
        let mut value = json!({
            "starts_at": pass.starts_at.to_rfc3339(),
            "expires_at": pass.expires_at.to_rfc3339(),
            "reusable": args.reusable,
        });
        match shown {
            Shown::Here => value["pass"] = json!(pass.value.expose()),
            Shown::OnSlip(path) => value["slip"] = json!(path),
        }
        writeln!(out, "{value}")?;
        return Ok(());
    }
    match shown {
        Shown::Here => writeln!(
            out,
            "{}\nGood until {}. It is not shown again. Hand it over in person or by a way that only {upn} reads.",
            pass.value.expose(),
            pass.expires_at,
        )?,
        Shown::OnSlip(path) => {
            let path = path.display();
            writeln!(
                out,
                "Wrote {path}, good until {}. Print it, hand it over in person, and delete the file: whoever has it can set up a way to sign in as {upn}.",
                pass.expires_at,
            )?;
        }
    }
    Ok(())
}

/// Issues a pass on a slip. The file is made first: a pass that nobody saw would have ended
/// the former one and the person's sessions for nothing.
async fn print(
    path: &Path,
    args: &PassArgs,
    app: &App,
    options: PassOptions,
    operator: &str,
) -> Result<IssuedPass, Failure> {
    let mut file = private_file::create(path)?;
    let issued = app.issue_pass(&args.upn, options, operator).await;
    let pass = match issued {
        Ok(pass) => pass,
        Err(error) => {
            drop(file);
            // It is empty; what is to be said is why there is no pass.
            let _ = fs::remove_file(path);
            return Err(error.into());
        }
    };
    let written = match app.view_user(&args.upn).await {
        Ok(view) => {
            let page = slip::render(app, &view, &pass, options.reuse);
            page.and_then(|page| {
                file.write_all(page.as_bytes())
                    .and_then(|()| file.sync_all())
                    .map_err(Failure::service)
            })
        }
        Err(error) => Err(error.into()),
    };
    if let Err(failure) = written {
        drop(file);
        let _ = fs::remove_file(path);
        app.revoke_pass(&args.upn, operator).await?;
        return Err(Failure::service(format!(
            "{} could not be written, and the pass was taken back ({failure}); choose another place for the slip",
            path.display()
        )));
    }
    Ok(pass)
}

async fn revoke(
    args: &PassArgs,
    app: &App,
    operator: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    app.revoke_pass(&args.upn, operator).await?;
    if args.json {
        writeln!(out, "{}", json!({"revoked": true}))?;
    } else {
        writeln!(out, "The pass of {} is void.", args.upn)?;
    }
    Ok(())
}

fn lifetime(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a length of time such as 90m, 8h or 3d".to_owned())
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text)
        .ok_or_else(|| "write an instant such as 2026-11-20T10:00:00Z".to_owned())
}
