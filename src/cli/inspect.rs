//! `claimbridge inspect`: the token inspector, offline.
//!
//! Always true: it reads the files that it is given and nothing else, except a discovery address
//! that the command line names (`inspect_fetch`); the
//! instant is the one asked about; the exit code is that of interfaces.md
//! (0 accepted with MFA or nothing to say, 1 not, 2 no kind or wrong usage).

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Subcommand};

use crate::{
    app::external_mfa::published::is_address,
    base::{clock::Timestamp, text::DomainName},
    inspect::{self, Consumer, given},
};

use super::{
    inspect_given::{self, Local},
    inspect_live::LiveArgs,
    inspect_output,
};

/// Judge a SAML or WS-Federation message, a token, a browser's trace, a discovery document, a
/// key set or the federation of a domain.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, after_help = AFTER_HELP)]
pub struct InspectArgs {
    #[command(subcommand)]
    about: Option<About>,
    /// Serve the inspector as a page on this computer, and only to it.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:8088")]
    pub(super) serve: Option<SocketAddr>,
    /// The message, in any wrapping (base64, form, redirect URL …); - is standard input. The https
    /// address of a discovery document is fetched with the keys that it names, and nothing else is.
    #[arg(value_name = "FILE", default_value = "-")]
    pub(super) file: PathBuf,
    /// Judge for this consumer only.
    #[arg(long, value_name = "CONSUMER")]
    pub(super) expect: Option<Consumer>,
    /// The instant asked about, such as 2026-11-20T10:00:00Z [default: now; in a trace, when it was sent].
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    pub(super) at: Option<Timestamp>,
    /// Print the result as JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// The issuerUri that is registered for the domain.
    #[arg(long, value_name = "URI")]
    pub(super) issuer: Option<String>,
    /// The root domain that this issuer speaks for [default: the one that the issuer names].
    #[arg(long, value_name = "DOMAIN")]
    pub(super) domain: Option<DomainName>,
    /// The Entra cloud that the message is for.
    #[arg(long, value_name = "CLOUD", value_parser = ["global", "us-gov", "china"])]
    pub(super) cloud: Option<String>,
    /// The audience, where it is not that of a cloud.
    #[arg(long, value_name = "URI")]
    pub(super) audience: Option<String>,
    /// The address of the assertion consumer service, where it is not that of a cloud.
    #[arg(long, value_name = "URL")]
    pub(super) reply_url: Option<String>,
    /// A certificate registered for the domain, PEM, DER or base64; give it twice for the next one.
    #[arg(long, value_name = "FILE")]
    pub(super) certificate: Vec<PathBuf>,
    /// Metadata of the service provider, in place of --cloud: its audience, reply address and keys.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cloud", "audience", "reply_url"])]
    pub(super) sp_metadata: Option<PathBuf>,
    /// The AuthnRequest that the response answers, or the form that Entra posted to the external method.
    #[arg(long, value_name = "FILE")]
    pub(super) request: Option<PathBuf>,
    /// The keys (JSON Web Key Set) to verify a token with.
    #[arg(long, value_name = "FILE")]
    pub(super) jwks: Option<PathBuf>,
    /// External MFA: the client id that Entra was given.
    #[arg(long, value_name = "ID")]
    pub(super) client_id: Option<String>,
    /// External MFA: the id_token_hint of the request, or its claims.
    #[arg(long, value_name = "FILE")]
    pub(super) hint: Option<PathBuf>,
    /// External MFA: the discovery URL that is registered with Entra.
    #[arg(long, value_name = "URL")]
    pub(super) discovery_url: Option<String>,
    /// External MFA: a reply URL of the app registration; give it once for each.
    #[arg(long, value_name = "URL")]
    pub(super) app_reply_url: Vec<String>,
    /// Federation: our passiveSignInUri.
    #[arg(long, value_name = "URL")]
    pub(super) sign_in_url: Option<String>,
    /// Federation: our signOutUri.
    #[arg(long, value_name = "URL")]
    pub(super) sign_out_url: Option<String>,
    /// Federation: whether two cloud-only emergency accounts exist.
    #[arg(long, value_name = "ANSWER", value_parser = ["yes", "no"])]
    pub(super) emergency_accounts: Option<String>,
    /// Federation: whether the tenant has security defaults.
    #[arg(long, value_name = "STATE", value_parser = ["on", "off"])]
    pub(super) security_defaults: Option<String>,
    /// How old the sign-in may be: seconds, or a number with s, m, h or d.
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    pub(super) max_age: Option<Duration>,
    /// How many seconds clocks may differ, both ways.
    #[arg(long, value_name = "SECONDS", default_value_t = inspect::context::DEFAULT_SKEW.as_secs(), value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub(super) skew: u64,
    /// "And if the signature were good?": take one that cannot be checked for want of a key as good.
    #[arg(long)]
    pub(super) trust_unsigned: bool,
    /// Take nothing from the local configuration.
    #[arg(long)]
    pub(super) alone: bool,
    /// What was fetched in place of the file.
    #[arg(skip)]
    pub(super) fetched: Option<Vec<u8>>,
}

const AFTER_HELP: &str = "Exit code: 0 every consumer accepts it with MFA, or none applies; 1 one does not, or is undecided; 2 the input is nothing known.";

#[derive(Subcommand, Debug)]
enum About {
    Live(Box<LiveArgs>),
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
    args: &InspectArgs,
    local: Option<&Local>,
    now: Timestamp,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> ExitCode {
    match answer(args, local, now, out) {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            // Nothing is left to tell it to if this fails too.
            let _ = writeln!(err, "claimbridge inspect: {problem}");
            ExitCode::from(2)
        }
    }
}

impl InspectArgs {
    /// Whether the local configuration is worth reading.
    pub fn wants_local(&self) -> bool {
        self.about.is_none() && !self.alone
    }

    /// The address that was given in place of a file.
    pub(super) fn address(&self) -> Option<String> {
        let text = self.file.to_str()?;
        is_address(text).then(|| text.to_owned())
    }

    /// The arguments of `inspect live`, if that is what was asked for.
    pub(super) fn live(&self) -> Option<&LiveArgs> {
        match &self.about {
            Some(About::Live(live)) => Some(live),
            _ => None,
        }
    }
}

fn answer(
    args: &InspectArgs,
    local: Option<&Local>,
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<u8, String> {
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
    let bytes = match &args.fetched {
        Some(fetched) => fetched.clone(),
        None => inspect_given::read(&args.file)?,
    };
    let (context, taken) = inspect_given::context(args, local, now)?;
    let report = inspect::inspect(&bytes, &context);
    if args.json {
        inspect_output::report_as_json(&report, out).map_err(unwritten)?;
    } else if let Some(problem) = &report.input.problem {
        return Err(format!(
            "{problem} Give a message, a token, a trace, a document or a command, bare or as it was sent."
        ));
    } else {
        inspect_output::report_in_words(&report, &context, taken.as_deref(), out)
            .map_err(unwritten)?;
    }
    Ok(report.exit_code())
}

fn parse_instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text)
        .ok_or_else(|| "write it like 2026-11-20T10:00:00Z, with its zone".to_owned())
}

fn parse_age(text: &str) -> Result<Duration, String> {
    given::age(text).map_err(|error| error.to_string())
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
        let code = run(&command.args, None, now, &mut out, &mut err);
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
}
