//! `check`: everything that is wrong with the configuration, at once.

use std::{io::Write, path::Path};

use clap::Args;
use serde_json::json;

use super::Failure;
use crate::config::{Config, Problem};

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
    let problems = match Config::load(path, environment) {
        Ok(config) => tls_problem(&config).into_iter().collect(),
        Err(problems) => problems.0,
    };
    if args.json {
        let list: Vec<_> = problems
            .iter()
            .map(|problem| json!({"key": problem.key, "text": problem.text}))
            .collect();
        writeln!(
            out,
            "{}",
            json!({"good": list.is_empty(), "problems": list})
        )?;
    }
    match problems.as_slice() {
        [] if args.json => Ok(()),
        [] => {
            writeln!(out, "The configuration is good.")?;
            Ok(())
        }
        problems => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Err(Failure::no(lines.join("\n")))
        }
    }
}

/// A certificate and key that are there but do not fit.
fn tls_problem(config: &Config) -> Option<Problem> {
    let tls = config.tls.as_ref()?;
    let error = crate::web::serve::tls(&tls.certificate_file, &tls.private_key_file).err()?;
    Some(Problem {
        key: "tls".to_owned(),
        text: format!("{error}; give a PEM certificate chain and the key that belongs to it"),
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
