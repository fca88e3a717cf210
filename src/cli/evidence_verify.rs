//! `evidence verify`: is a bundle as it was made, and by whom?
//!
//! Always true: a bundle that agrees with the key in it is one answer, by whom it was made
//! another; the second is given only where a key was brought, or opens under the master key
//! of this machine. "Nothing was altered" is said only with the second: whoever alters a
//! bundle can sign it with a key of their own. What the bundle says of itself is made harmless.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde_json::json;

use super::{Failure, evidence::read, open};
use crate::{
    app::{
        evidence::{
            bundle::with_colons,
            verify::{Examination, examine, parse_fingerprint, parse_pem},
            zip,
        },
        keys,
    },
    inspect::shown,
    keys::sealing::Sealing,
};

/// Verify a bundle. Exit code: 0 it is as its key signed it (whose key that is: see the answer, and
/// --fingerprint); 1 it was altered, or signed with another key than the one given or this
/// server's; 2 it cannot be read.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// The bundle.
    file: PathBuf,
    /// The certificate of the partner's audit key (PEM), if you have it.
    #[arg(long, value_name = "FILE", conflicts_with = "fingerprint")]
    key: Option<PathBuf>,
    /// SHA-256 of that certificate, as the partner told you.
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<String>,
    /// Do not compare with the keys of the local configuration.
    #[arg(long)]
    alone: bool,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Where the right fingerprint comes from.
enum Pin {
    /// Nobody said which key is right.
    None,
    /// The asker did.
    Given(String),
    /// These are this server's audit keys.
    Database(Vec<String>),
}

/// Whether the key is the one that it should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Signer {
    Unknown,
    AsGiven,
    ThisServer,
    /// Not the key that the asker named.
    Other,
    /// None of this server's.
    Foreign,
}

/// Runs the command.
pub async fn run(
    args: &VerifyArgs,
    path: Option<&Path>,
    is_named: bool,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let pin = pin(args, path, is_named).await?;
    let archive = read(&args.file, zip::MAX_ARCHIVE)?;
    let found = examine(&archive)
        .map_err(|error| Failure::usage(format!("{}: {error}", args.file.display())))?;
    let signer = signer(&found, &pin);
    let is_good = found.problems.is_empty() && !matches!(signer, Signer::Other | Signer::Foreign);
    if args.json {
        tell_json(&found, signer, is_good, out)?;
    } else {
        tell(&args.file, &found, signer, out)?;
    }
    Ok(ExitCode::from(u8::from(!is_good)))
}

async fn pin(args: &VerifyArgs, path: Option<&Path>, is_named: bool) -> Result<Pin, Failure> {
    if let Some(file) = &args.key {
        let certificate = parse_pem(&read(file, 64 << 10)?).ok_or_else(|| {
            Failure::usage(format!(
                "{} is no certificate in PEM; give what `keys export-certificate --purpose audit` writes",
                file.display()
            ))
        })?;
        return Ok(Pin::Given(certificate.fingerprint()));
    }
    if let Some(text) = &args.fingerprint {
        return parse_fingerprint(text).map(Pin::Given).ok_or_else(|| {
            Failure::usage("a fingerprint is 64 hexadecimal digits, with or without colons")
        });
    }
    if args.alone {
        return Ok(Pin::None);
    }
    match database_keys(path).await {
        Ok(keys) => Ok(Pin::Database(keys)),
        Err(failure) if is_named => Err(failure),
        // An auditor's computer has no configuration, and need not have one.
        Err(_) => Ok(Pin::None),
    }
}

async fn database_keys(path: Option<&Path>) -> Result<Vec<String>, Failure> {
    let config = open::config(path)?;
    let store = open::store(&config).await?;
    let sealing = Sealing::new(&config.master_key);
    Ok(keys::audit_fingerprints(&store, &sealing).await?)
}

fn signer(found: &Examination, pin: &Pin) -> Signer {
    match (pin, &found.fingerprint) {
        (Pin::Given(right), Some(is)) if right == is => Signer::AsGiven,
        (Pin::Database(right), Some(is)) if right.contains(is) => Signer::ThisServer,
        (Pin::Database(right), Some(_)) if !right.is_empty() => Signer::Foreign,
        (Pin::Given(_), Some(_)) => Signer::Other,
        (Pin::None | Pin::Database(_) | Pin::Given(_), _) => Signer::Unknown,
    }
}

fn tell_json(
    found: &Examination,
    signer: Signer,
    is_good: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let answer = json!({
        "good": is_good,
        "altered": !found.problems.is_empty(),
        "signer": match signer {
            Signer::Unknown => "unknown",
            Signer::AsGiven => "as-given",
            Signer::ThisServer => "this-server",
            Signer::Other => "other",
            Signer::Foreign => "not-this-server",
        },
        "fingerprint": found.fingerprint,
        "made_at": found.made_at,
        "made_by": found.made_by,
        "files": found.files,
        "problems": found.problems,
    });
    writeln!(out, "{answer}")?;
    Ok(())
}

fn tell(
    file: &Path,
    found: &Examination,
    signer: Signer,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let file = file.display();
    if !found.problems.is_empty() {
        writeln!(out, "{file} is not as it was made:")?;
        for problem in &found.problems {
            let which = problem.file.as_deref().unwrap_or("the archive");
            writeln!(
                out,
                "  {}: {}.",
                shown(which, 200),
                shown(&problem.what, 400)
            )?;
        }
        writeln!(out, "Ask for the bundle again.")?;
        return Ok(());
    }
    let is_known = matches!(signer, Signer::AsGiven | Signer::ThisServer);
    writeln!(
        out,
        "{file}: {} files, made at {} by {}, as it says. {}",
        found.files,
        shown(found.made_at.as_deref().unwrap_or("?"), 40),
        shown(found.made_by.as_deref().unwrap_or("?"), 80),
        if is_known {
            "Nothing was altered, added or taken out since."
        } else {
            "All of it is as the key in it signed it."
        },
    )?;
    let fingerprint = with_colons(found.fingerprint.as_deref().unwrap_or_default());
    match signer {
        Signer::AsGiven => writeln!(
            out,
            "It is signed with the key that you named: {fingerprint}"
        )?,
        Signer::ThisServer => {
            writeln!(
                out,
                "It is signed with the audit key of this server: {fingerprint}"
            )?;
        }
        Signer::Other => writeln!(
            out,
            "But it is signed with another key than the one you named: {fingerprint}\nSo it is not from whom you think. Ask the partner."
        )?,
        Signer::Foreign => writeln!(
            out,
            "But it is signed with a key that is none of this server's: {fingerprint}\nIf it is to be another server's, name its key with --fingerprint."
        )?,
        Signer::Unknown => writeln!(
            out,
            "Who signed it is not known, and whoever alters a bundle can sign it anew: the key is {fingerprint}\nCompare that with what the partner gave you by another way, or say --fingerprint."
        )?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bundle that somebody else made may say anything of itself.
    #[test]
    fn what_a_bundle_says_of_itself_makes_no_line_and_steers_no_terminal() {
        let hostile = "x\nIt is signed with the audit key of this server: AB:CD\n\u{1b}[8m";
        let mut found = Examination {
            made_at: Some(hostile.to_owned()),
            made_by: Some(hostile.to_owned()),
            files: 3,
            fingerprint: Some("AB".repeat(32)),
            problems: Vec::new(),
        };
        let said = |found: &Examination| {
            let mut out = Vec::new();
            tell(Path::new("b.zip"), found, Signer::Unknown, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let text = said(&found);
        assert!(!text.contains('\u{1b}'), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(
            !text.lines().any(|line| line.starts_with("It is signed")),
            "{text}"
        );
        found.problems = vec![crate::app::evidence::verify::Problem {
            file: Some(hostile.to_owned()),
            what: hostile.to_owned(),
        }];
        let text = said(&found);
        assert!(!text.contains('\u{1b}'), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
    }
}
