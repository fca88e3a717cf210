//! `check`: everything that is wrong with the configuration, at once.

use std::{io::Write, path::Path};

use clap::Args;
use serde_json::json;

use super::{
    Failure,
    metadata_file::{MDS_FILE, MetadataFile, day, in_words},
    tls_files,
};
use crate::{
    base::clock::{Clock as _, SystemClock, Timestamp},
    config::{Config, Problem},
    directory::MethodKind,
    factor::webauthn::{
        Scope,
        metadata::{Freshness, Metadata, verify_metadata},
        policy::Reaction,
    },
};

/// Validate the configuration and report every problem at once.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Print {"good": …, "problems": [{"key", "text"}]}.
    #[arg(long)]
    json: bool,
}

/// Reads the configuration; `environment` is that of the process.
pub fn run(
    args: &CheckArgs,
    path: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let now = SystemClock.now();
    let mut metadata = None;
    let mut no_keys = None;
    let problems = match Config::load(path, environment) {
        Ok(config) => {
            let mut problems: Vec<Problem> = tls_problem(&config, now).into_iter().collect();
            match read_metadata(&config, now) {
                Ok(read) => metadata = read,
                Err(problem) => problems.push(problem),
            }
            if config.policy.methods.is_used(MethodKind::SecurityKey) {
                no_keys = Scope::new(config.public_url.as_str(), "").err();
            }
            problems
        }
        Err(problems) => problems.0,
    };
    if args.json {
        let list: Vec<_> = problems
            .iter()
            .map(|problem| json!({"key": problem.key, "text": problem.text}))
            .collect();
        let mut value = json!({"good": list.is_empty(), "problems": list});
        if let Some(metadata) = &metadata {
            value["metadata"] = json!({
                "number": metadata.number(),
                "models": metadata.entries().len(),
                "next_update": day(metadata.next_update()),
                "stale": metadata.freshness(now) == Freshness::Stale,
            });
        }
        writeln!(out, "{value}")?;
    }
    match problems.as_slice() {
        [] if args.json => Ok(()),
        [] => {
            if let Some(metadata) = &metadata {
                writeln!(out, "{}", in_words(metadata, now))?;
            }
            if let Some(why) = &no_keys {
                writeln!(out, "Nobody can use a security key: {why}.")?;
            }
            writeln!(out, "The configuration is good.")?;
            Ok(())
        }
        problems => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Err(Failure::no(lines.join("\n")))
        }
    }
}

/// The metadata file, if one is configured. Whether an older one replaces a newer one is
/// seen by `serve` only, which has the database.
fn read_metadata(config: &Config, now: Timestamp) -> Result<Option<Metadata>, Problem> {
    let problem = |key: &str, text: String| Problem {
        key: key.to_owned(),
        text,
    };
    let Some(file) = MetadataFile::of(&config.policy.webauthn) else {
        return Ok(None);
    };
    let (bytes, roots) = file.read().map_err(|(key, text)| problem(key, text))?;
    let metadata = verify_metadata(&bytes, &roots, None, now)
        .map_err(|error| problem(MDS_FILE, error.to_sentence()))?;
    let policy = &config.policy.webauthn.policy;
    if metadata.freshness(now) == Freshness::Stale && policy.stale_metadata == Reaction::Refuse {
        let text = format!(
            "the file is out of date (FIDO published a newer one by {}, or its signer's certificate has expired), so that no key can be added; download it from https://mds3.fidoalliance.org",
            day(metadata.next_update())
        );
        return Err(problem(MDS_FILE, text));
    }
    Ok(Some(metadata))
}

/// A certificate and key that do not fit, or that browsers refuse.
fn tls_problem(config: &Config, now: Timestamp) -> Option<Problem> {
    let text = match tls_files::open(config) {
        Err(error) => tls_files::in_words(&error),
        Ok(pair) => {
            let flaw = pair?.flaw(now)?;
            format!(
                "browsers refuse the certificate, because it {flaw}; put a good one in its place"
            )
        }
    };
    Some(Problem {
        key: "tls".to_owned(),
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: bool, environment: &[(&str, &str)]) -> (Option<u8>, String) {
        let mut out = Vec::new();
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let result = run(&CheckArgs { json }, None, environment, &mut out);
        let mut said = String::from_utf8(out).unwrap();
        let exit = result.err().map(|failure| {
            said.push_str(&failure.to_string());
            failure.exit()
        });
        (exit, said)
    }

    const GOOD: [(&str, &str); 3] = [
        ("CLAIMBRIDGE_PUBLIC_URL", "https://idp.contoso.com"),
        ("CLAIMBRIDGE_DATABASE_URL", "sqlite://:memory:"),
        (
            "CLAIMBRIDGE_MASTER_KEY",
            "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        ),
    ];

    #[test]
    fn the_environment_alone_is_enough() {
        assert_eq!(
            check(false, &GOOD),
            (None, "The configuration is good.\n".to_owned())
        );
        assert_eq!(
            check(true, &GOOD),
            (None, "{\"good\":true,\"problems\":[]}\n".to_owned())
        );
    }

    #[test]
    fn every_problem_is_a_line_and_the_answer_is_no() {
        let (exit, said) = check(false, &GOOD[..1]);
        assert_eq!(exit, Some(1));
        assert_eq!(said.lines().count(), 2, "{said}");
        let (exit, said) = check(true, &GOOD[..1]);
        assert_eq!(exit, Some(1));
        assert!(said.contains("\"key\":\"database_url\""), "{said}");
    }
}
