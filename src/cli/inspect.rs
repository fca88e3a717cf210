//! `claimbridge inspect`: the token inspector, offline.
//!
//! Always true: it reads the files that it is given and nothing else; the
//! instant is the one asked about; the exit code is that of interfaces.md
//! (0 accepted with MFA or nothing to say, 1 not, 2 no kind or wrong usage).

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Subcommand};

use crate::{
    base::{clock::Timestamp, text::DomainName},
    inspect::{self, Consumer, Context, GivenRequest, Jwks, UncheckedSignature, given_request},
    keys::certificate::Certificate,
    relying_party::EntraCloud,
};

use super::inspect_output;

/// How many bytes are read of a file; the inspector refuses what is longer.
const MAX_BYTES: u64 = 2 * 1024 * 1024;

/// Judge a SAML response, an assertion, a request, a token or its claims.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, after_help = AFTER_HELP)]
pub struct InspectArgs {
    #[command(subcommand)]
    about: Option<About>,
    /// The message, in any wrapping (base64, form, redirect URL …); - is standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Judge for this consumer only.
    #[arg(long, value_name = "CONSUMER")]
    expect: Option<Consumer>,
    /// The instant asked about, such as 2026-11-20T10:00:00Z [default: now].
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    at: Option<Timestamp>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// The issuerUri that is registered for the domain.
    #[arg(long, value_name = "URI")]
    issuer: Option<String>,
    /// The root domain that this issuer speaks for [default: the one that the issuer names].
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<DomainName>,
    /// The Entra cloud that the message is for.
    #[arg(long, value_name = "CLOUD", value_parser = ["global", "us-gov", "china"])]
    cloud: Option<String>,
    /// The audience, where it is not that of a cloud.
    #[arg(long, value_name = "URI")]
    audience: Option<String>,
    /// The address of the assertion consumer service, where it is not that of a cloud.
    #[arg(long, value_name = "URL")]
    reply_url: Option<String>,
    /// A certificate registered for the domain, PEM, DER or base64; give it twice for the next one.
    #[arg(long, value_name = "FILE")]
    certificate: Vec<PathBuf>,
    /// The AuthnRequest that the response answers, in any wrapping.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// The keys (JSON Web Key Set) to verify a token with.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// How old the sign-in may be: seconds, or a number with s, m, h or d.
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    max_age: Option<Duration>,
    /// How many seconds clocks may differ, both ways.
    #[arg(long, value_name = "SECONDS", default_value_t = inspect::context::DEFAULT_SKEW.as_secs(), value_parser = clap::value_parser!(u64).range(0..=86_400))]
    skew: u64,
    /// "And if the signature were good?": take one that cannot be checked for want of a key as good.
    #[arg(long)]
    trust_unsigned: bool,
}

const AFTER_HELP: &str = "Exit code: 0 every consumer accepts it with MFA, or none applies; 1 one does not, or is undecided; 2 the input is nothing known.";

#[derive(Subcommand, Debug)]
enum About {
    /// List the rules, or explain one.
    Rules {
        /// The id of a rule, such as CB-SAML-004.
        id: Option<String>,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command at the instant `now`. Input comes from files or standard input.
pub fn run(
    args: InspectArgs,
    now: Timestamp,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> ExitCode {
    match answer(args, now, out) {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            // Nothing is left to tell it to if this fails too.
            let _ = writeln!(err, "claimbridge inspect: {problem}");
            ExitCode::from(2)
        }
    }
}

fn answer(args: InspectArgs, now: Timestamp, out: &mut dyn Write) -> Result<u8, String> {
    let unwritten = |error: io::Error| format!("the answer could not be written: {error}");
    if let Some(About::Rules { id, json }) = &args.about {
        let chosen: Vec<_> = match id {
            None => inspect::rules::all().collect(),
            Some(id) => vec![inspect::rules::by_id(id).ok_or_else(|| {
                format!("there is no rule {id}; list them with `claimbridge inspect rules`")
            })?],
        };
        let written = match (json, id) {
            (true, _) => inspect_output::rules_as_json(&chosen, out),
            (false, None) => inspect_output::list_rules(&chosen, out),
            (false, Some(_)) => inspect_output::explain_rules(&chosen, out),
        };
        return written.map(|()| 0).map_err(unwritten);
    }
    let bytes = read(&args.file)?;
    let json = args.json;
    let context = context(args, now)?;
    let report = inspect::inspect(&bytes, &context);
    if json {
        inspect_output::report_as_json(&report, out).map_err(unwritten)?;
    } else if let Some(problem) = &report.input.problem {
        return Err(format!(
            "{problem} Give a SAML message, a token or its claims, bare or as it was sent."
        ));
    } else {
        inspect_output::report_in_words(&report, &context, out).map_err(unwritten)?;
    }
    Ok(report.exit_code())
}

fn context(args: InspectArgs, now: Timestamp) -> Result<Context, String> {
    let cloud = cloud(args.cloud.as_deref(), args.audience, args.reply_url)?;
    let mut certificates = Vec::new();
    for path in &args.certificate {
        certificates.extend(read_certificates(path)?);
    }
    let request = args.request.as_deref().map(read_request).transpose()?;
    let jwks = match &args.jwks {
        None => None,
        Some(path) => Some(
            Jwks::parse(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))?,
        ),
    };
    Ok(Context {
        at: args.at.unwrap_or(now),
        expect: args.expect,
        issuer: args.issuer,
        realm: args.domain,
        cloud,
        certificates,
        known: Vec::new(),
        request,
        jwks,
        skew: Duration::from_secs(args.skew),
        max_age: args.max_age,
        unchecked_signature: if args.trust_unsigned {
            UncheckedSignature::TakenAsGood
        } else {
            UncheckedSignature::Undecided
        },
        ..Context::at(now)
    })
}

/// A preset, a preset with parts replaced, or a custom one that needs both parts.
fn cloud(
    name: Option<&str>,
    audience: Option<String>,
    reply_url: Option<String>,
) -> Result<Option<EntraCloud>, String> {
    let preset = name.and_then(EntraCloud::by_name);
    if audience.is_none() && reply_url.is_none() {
        return Ok(preset);
    }
    let missing = "--audience and --reply-url go together, unless --cloud gives the other";
    let entity_id = audience.or(preset.as_ref().map(|cloud| cloud.entity_id.clone()));
    let reply_url = reply_url.or(preset.map(|cloud| cloud.reply_url));
    match (entity_id, reply_url) {
        (Some(entity_id), Some(reply_url)) => Ok(Some(EntraCloud {
            name: "custom".to_owned(),
            entity_id,
            reply_url,
            metadata_url: None,
        })),
        _ => Err(missing.to_owned()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(MAX_BYTES).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
    };
    read.map(|_| bytes)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

fn read_request(path: &Path) -> Result<GivenRequest, String> {
    given_request(&read(path)?)
        .ok_or_else(|| format!("{} is no AuthnRequest with an ID", path.display()))
}

/// PEM (several certificates may stand in one file), DER, or bare base64 as Graph shows it.
fn read_certificates(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let bytes = read(path)?;
    let found = match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("-----BEGIN") => text
            .split("-----BEGIN CERTIFICATE-----")
            .skip(1)
            .map(|part| decode(part.split("-----END").next().unwrap_or("")))
            .collect::<Option<Vec<_>>>(),
        Ok(text) => decode(text).map(|der| vec![der]),
        Err(_) => Some(vec![bytes.clone()]),
    };
    found
        .filter(|all| !all.is_empty() && all.iter().all(|der| Certificate::read(der).is_ok()))
        .ok_or_else(|| {
            format!(
                "{} is no certificate; give PEM, DER or base64",
                path.display()
            )
        })
}

fn decode(text: &str) -> Option<Vec<u8>> {
    data_encoding::BASE64_MIME_PERMISSIVE
        .decode(text.trim().as_bytes())
        .ok()
}

fn parse_instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text)
        .ok_or_else(|| "write it like 2026-11-20T10:00:00Z, with its zone".to_owned())
}

fn parse_age(text: &str) -> Result<Duration, String> {
    let (digits, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(digits) => (digits, text.chars().last().unwrap_or('s')),
        None => (text, 's'),
    };
    let factor = match unit {
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => 1,
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .map(Duration::from_secs)
        .ok_or_else(|| "write seconds, or a number with s, m, h or d".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: InspectArgs,
    }

    fn ran(arguments: &[&str]) -> (ExitCode, String, String) {
        let command = Command::try_parse_from([&["inspect"], arguments].concat()).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let now = Timestamp::parse_rfc3339("2026-11-20T10:00:00Z").unwrap();
        let code = run(command.args, now, &mut out, &mut err);
        (
            code,
            String::from_utf8(out).unwrap(),
            String::from_utf8(err).unwrap(),
        )
    }

    const CLAIMS: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/entra/partner-center-access-token.claims.json"
    );

    #[test]
    fn the_documented_token_is_accepted_while_it_lasts() {
        let (code, out, err) = ran(&[CLAIMS, "--at", "2019-02-02T06:30:00Z"]);
        assert_eq!(code, ExitCode::SUCCESS, "{out}{err}");
        assert!(
            out.starts_with("Partner Center: accepted, and counted as MFA (by claims alone)."),
            "{out}"
        );
        let (code, out, _) = ran(&[CLAIMS, "--json"]);
        assert_eq!(code, ExitCode::from(1));
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(report["verdicts"][0]["outcome"], "rejected");
        assert_eq!(report["verdicts"][0]["because"][0], "CB-PC-005");
        assert_eq!(report["input"]["kind"], "jwt-claims");
    }

    #[test]
    fn the_line_of_the_interfaces_works() {
        let corpus = |name: &str| {
            format!(
                "{}/tests/fixtures/inspector/{name}",
                env!("CARGO_MANIFEST_DIR")
            )
        };
        let certificate = corpus("active.pem");
        let line = |message: &str| {
            let message = corpus(message);
            let (code, out, err) = ran(&[
                &message,
                "--issuer",
                "https://idp.contoso.com/contoso.com",
                "--cloud",
                "global",
                "--certificate",
                &certificate,
                "--at",
                "2026-11-20T10:00:00Z",
                "--json",
            ]);
            let report: serde_json::Value = serde_json::from_str(&out).expect(&err);
            (code, report)
        };
        let (code, report) = line("messages/good.xml");
        assert_eq!(code, ExitCode::SUCCESS, "{report}");
        assert_eq!(report["verdicts"][0]["outcome"], "accepted");
        assert_eq!(report["verdicts"][1]["consumer"], "partner-center");
        assert_eq!(report["verdicts"][1]["mfa"], true);
        assert_eq!(report["findings"], serde_json::json!([]));
        let (code, report) = line("messages/saml-004-response-only.xml");
        assert_eq!(code, ExitCode::from(1));
        assert_eq!(report["findings"][0]["rule"], "CB-SAML-004");
    }

    #[test]
    fn rules_are_listed_and_explained() {
        let (code, out, _) = ran(&["rules"]);
        assert_eq!(code, ExitCode::SUCCESS);
        assert_eq!(out.lines().count(), inspect::rules::all().count());
        let (_, out, _) = ran(&["rules", "cb-saml-004"]);
        assert!(out.contains("AADSTS50008"), "{out}");
        let (code, _, err) = ran(&["rules", "CB-X"]);
        assert_eq!(code, ExitCode::from(2));
        assert!(err.contains("there is no rule CB-X"), "{err}");
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_remedy() {
        for (arguments, part) in [
            (vec!["/nonexistent"], "cannot be read"),
            (vec![CLAIMS, "--certificate", CLAIMS], "is no certificate"),
            (vec![CLAIMS, "--jwks", CLAIMS], "no JSON Web Key Set"),
            (vec![CLAIMS, "--request", CLAIMS], "is no AuthnRequest"),
            (vec![CLAIMS, "--audience", "x"], "go together"),
        ] {
            let (code, _, err) = ran(&arguments);
            assert_eq!(code, ExitCode::from(2), "{arguments:?}");
            assert!(err.contains(part), "{err}");
        }
    }

    #[test]
    fn ages() {
        assert_eq!(parse_age("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_age("90m"), Ok(Duration::from_mins(90)));
        assert_eq!(parse_age("2d"), Ok(Duration::from_hours(48)));
        for bad in ["", "m", "-1", "1.5h", "18446744073709551615d"] {
            assert!(parse_age(bad).is_err(), "{bad}");
        }
    }
}
