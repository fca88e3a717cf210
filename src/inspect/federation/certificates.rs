//! CB-FED-002, 007, 010: certificates and keys.

use std::time::Duration;

use crate::{
    inspect::{
        context::Known,
        federation_case::{FederationCase, FederationConfig, Setting},
        report::Severity,
        rule::Ruling,
    },
    keys::certificate::Certificate,
};

/// How long before its end a certificate is worth a warning.
const SOON: Duration = Duration::from_hours(60 * 24);
const BOTH: [&str; 2] = ["signingCertificate", "nextSigningCertificate"];
const WHOLE: &[&str] = &["the whole configuration as Get-MgDomainFederationConfiguration shows it"];

/// DER of a certificate as Graph shows it: base64, perhaps with the lines of PEM.
fn der(text: &str) -> Option<Vec<u8>> {
    let joined: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("-----"))
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect();
    data_encoding::BASE64.decode(joined.as_bytes()).ok()
}

fn thumbprint(der: &[u8]) -> String {
    Certificate::read(der).map_or_else(
        |_| "no certificate".to_owned(),
        |certificate| certificate.thumbprint(),
    )
}

/// CB-FED-002.
pub(in crate::inspect) fn foreign(case: &FederationCase<'_>) -> Ruling {
    let ours = &case.context.certificates;
    let mut evidence = case.each(|config| unreadable(config, "signingCertificate"));
    evidence.extend(case.each(|config| unreadable(config, "nextSigningCertificate")));
    if evidence.is_empty() && ours.is_empty() {
        return Ruling::undecided(
            "Our certificates were not given, so it is unknown whose these are.",
            &["--certificate"],
        );
    }
    evidence.extend(case.each(|config| {
        let found = der(config.text("signingCertificate")?)?;
        if Some(&found) == ours.first() {
            return None;
        }
        Some(if ours.contains(&found) {
            format!(
                "signingCertificate is {}, which is our staged key and not the active one.",
                thumbprint(&found)
            )
        } else {
            format!(
                "signingCertificate is {}, ours is {}.",
                thumbprint(&found),
                ours.first().map_or_else(String::new, |der| thumbprint(der))
            )
        })
    }));
    evidence.extend(case.each(|config| {
        let found = der(config.text("nextSigningCertificate")?)?;
        (!ours.contains(&found)).then(|| {
            format!(
                "nextSigningCertificate is {}, which is none of ours: whoever has its key can sign in as anybody.",
                thumbprint(&found)
            )
        })
    }));
    if evidence.is_empty()
        && let Some(why) = case.unseen("signingCertificate")
    {
        return Ruling::undecided(why, WHOLE);
    }
    if evidence.is_empty() {
        evidence = case.each(|config| {
            let is_unset = !config.is_unseen("signingCertificate")
                && config.text("signingCertificate").is_none();
            is_unset.then(|| "there is no signingCertificate.".to_owned())
        });
    }
    Ruling::broken_by(&evidence)
}

fn unreadable(config: &FederationConfig, name: &str) -> Option<String> {
    let text = config.text(name)?;
    match der(text).map(|der| Certificate::read(&der)) {
        None => Some(format!("{name} is not base64.")),
        Some(Err(error)) => Some(format!("{name}: {error}.")),
        Some(Ok(_)) => None,
    }
}

/// CB-FED-007.
pub(in crate::inspect) fn validity(case: &FederationCase<'_>) -> Ruling {
    let at = case.context.at;
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for name in BOTH {
        let read = |config: &FederationConfig| {
            config
                .text(name)
                .and_then(der)
                .and_then(|der| Certificate::read(&der).ok())
        };
        errors.extend(case.each(|config| {
            let certificate = read(config)?;
            (certificate.not_after < at)
                .then(|| format!("{name} expired at {}.", certificate.not_after))
        }));
        warnings.extend(case.each(|config| {
            let certificate = read(config)?;
            if certificate.not_after < at {
                None
            } else if certificate.not_before > at {
                Some(format!("{name} holds from {}.", certificate.not_before))
            } else if certificate.not_after < at.plus(SOON) {
                Some(format!("{name} expires at {}.", certificate.not_after))
            } else {
                None
            }
        }));
    }
    if errors.is_empty() {
        Ruling::broken_by(&warnings).with_severity(Severity::Warning)
    } else {
        Ruling::broken_by(&errors)
    }
}

/// CB-FED-010.
pub(in crate::inspect) fn signed_requests(case: &FederationCase<'_>) -> Ruling {
    let evidence = case.each(|config| {
        let wanted = config
            .text("isSignedAuthenticationRequestRequired")
            .is_some_and(|text| text.eq_ignore_ascii_case("true"));
        wanted.then(|| "isSignedAuthenticationRequestRequired is true.".to_owned())
    });
    if evidence.is_empty() {
        // Absent is false, which is Graph's default.
        return match case
            .configs
            .iter()
            .find_map(|config| config.settings.get("isSignedAuthenticationRequestRequired"))
        {
            Some(Setting::Variable(variable)) => Ruling::undecided(
                format!("isSignedAuthenticationRequestRequired is the variable {variable}."),
                WHOLE,
            ),
            _ => Ruling::Holds,
        };
    }
    match case.context.federation.request_keys {
        Known::Yes => Ruling::Holds,
        Known::No => Ruling::broken_by(&evidence),
        Known::Unknown => Ruling::undecided(
            "Requests are signed; whether Microsoft's keys are loaded was not given.",
            &["--sp-metadata"],
        ),
    }
}
