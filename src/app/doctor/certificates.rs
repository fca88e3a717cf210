//! Certificates: of TLS as it lies in the files and as the world sees it, and of the
//! signing keys.

use std::net::IpAddr;

use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::{Check, Finding, catalogue};
use crate::{
    base::clock::Timestamp,
    keys::{certificate::Certificate, state::KeyState},
};

const DAY: i64 = 86_400_000;
/// A renewal that works happens earlier (ACME: 30 days before).
const RENEW: i64 = 30;
const HURRY: i64 = 14;
/// The steps of a rollover over several domains and readers that cache.
const ROLL_OVER: i64 = 60;

/// Whole days from `now` to `then`; negative if it is past.
pub fn days_until(then: Timestamp, now: Timestamp) -> i64 {
    (then.as_millis() - now.as_millis()).div_euclid(DAY)
}

/// When it ends, as `2026-11-20 (in 12 days)`.
fn end(certificate: &Certificate, now: Timestamp) -> String {
    let date = certificate.not_after.to_rfc3339();
    let date = date.split('T').next().unwrap_or_default();
    match days_until(certificate.not_after, now) {
        days @ ..0 => format!("{date}, {} days ago", -days),
        days => format!("{date}, in {days} days"),
    }
}

/// A certificate that browsers see. `chain` is leaf first, DER, as a file or a server gives it.
pub fn judge_tls(
    check: &'static Check,
    about: &str,
    chain: &[Vec<u8>],
    host: &str,
    now: Timestamp,
) -> Vec<Finding> {
    const REMEDY: &str =
        "renew it, and see why the renewal did not run (certbot, lego, cert-manager)";
    let Some(certificate) = chain.first().and_then(|der| Certificate::read(der).ok()) else {
        return vec![check.problem(
            about,
            "There is no certificate that can be read",
            "put the server's certificate first, then those of its issuers, as PEM",
        )];
    };
    let end = end(&certificate, now);
    let mut findings = Vec::new();
    if certificate.not_before > now {
        findings.push(check.problem(
            about,
            format!(
                "The certificate is good from {} on only",
                certificate.not_before.to_rfc3339()
            ),
            "see whether the clock is right, or take the one that is good now",
        ));
    }
    findings.push(match days_until(certificate.not_after, now) {
        ..0 => check.problem(about, format!("The certificate ended on {end}"), REMEDY),
        0..HURRY => check.problem(about, format!("The certificate ends on {end}"), REMEDY),
        HURRY..RENEW => check.warning(about, format!("The certificate ends on {end}"), REMEDY),
        _ => check.good(about, format!("The certificate ends on {end}")),
    });
    if !is_for(&chain[0], host) {
        findings.push(check.problem(
            about,
            format!("The certificate is not for {host}"),
            "get one whose subjectAltName has the host of public_url",
        ));
    }
    if is_self_signed(&chain[0]) {
        findings.push(check.warning(
            about,
            "The certificate is signed by itself: no browser trusts it",
            "get one of an authority that browsers trust",
        ));
    }
    findings
}

/// Whether the certificate's subjectAltName has this host.
fn is_for(der: &[u8], host: &str) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return false;
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return false;
    };
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    names.value.general_names.iter().any(|name| match name {
        GeneralName::DNSName(name) => address.is_none() && is_named(name, host),
        GeneralName::IPAddress(bytes) => match address {
            Some(IpAddr::V4(address)) => address.octets() == *bytes,
            Some(IpAddr::V6(address)) => address.octets() == *bytes,
            None => false,
        },
        _ => false,
    })
}

/// RFC 9525 §6.3: `*` stands for the whole first label.
fn is_named(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(rest) => host
            .split_once('.')
            .is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(rest)),
        None => name.eq_ignore_ascii_case(host),
    }
}

fn is_self_signed(der: &[u8]) -> bool {
    X509Certificate::from_der(der)
        .is_ok_and(|(_, certificate)| certificate.subject() == certificate.issuer())
}

/// A signing key: its row, and its certificate while it signs or will.
pub fn judge_key(
    about: &str,
    state: Option<KeyState>,
    der: &[u8],
    now: Timestamp,
) -> Option<Finding> {
    match state {
        Some(KeyState::Active | KeyState::Staged) => Some(judge_signing(about, der, now)),
        Some(_) => None,
        None => Some(catalogue::KEY_ROW.problem(
            about,
            "Its row was altered outside claimbridge; it is not used",
            "find out who wrote to the database, and restore it from a backup of before",
        )),
    }
}

/// The certificate of a signing key in use.
fn judge_signing(about: &str, der: &[u8], now: Timestamp) -> Finding {
    const CHECK: &Check = &catalogue::SIGNING_CERTIFICATE;
    const REMEDY: &str =
        "begin the exchange with `claimbridge keys stage`; each step says what comes next";
    let Ok(certificate) = Certificate::read(der) else {
        return CHECK.problem(
            about,
            "The certificate of this key cannot be read",
            "restore the database from a backup, or make a new key",
        );
    };
    let end = end(&certificate, now);
    let thumbprint = certificate.thumbprint();
    match days_until(certificate.not_after, now) {
        ..0 => CHECK.problem(
            about,
            format!("The signing certificate {thumbprint} ended on {end}"),
            REMEDY,
        ),
        0..HURRY => CHECK.problem(
            about,
            format!("The signing certificate {thumbprint} ends on {end}"),
            REMEDY,
        ),
        HURRY..ROLL_OVER => CHECK.warning(
            about,
            format!("The signing certificate {thumbprint} ends on {end}"),
            REMEDY,
        ),
        _ => CHECK.good(
            about,
            format!("The signing certificate {thumbprint} ends on {end}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        app::doctor::Outcome,
        base::{clock::Clock as _, clock::SystemClock, random::SystemRandom},
        keys::signing::{self, RsaSize},
    };

    fn worst(findings: &[Finding]) -> Outcome {
        findings
            .iter()
            .map(|finding| finding.outcome)
            .max()
            .unwrap()
    }

    /// A leaf under an authority of its own, valid from 2026-01-01 to 2026-04-01.
    fn leaf(names: &[&str]) -> Vec<u8> {
        let authority = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters
            .distinguished_name
            .push(rcgen::DnType::CommonName, "authority");
        let issuer = rcgen::Issuer::new(parameters, authority);
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut parameters = rcgen::CertificateParams::new(names).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2026, 4, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        parameters.signed_by(&key, &issuer).unwrap().der().to_vec()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn a_tls_certificate_is_for_the_host_and_lasts() {
        let judged = |chain: &[Vec<u8>], host: &str, now: &str| {
            worst(&judge_tls(&catalogue::TLS_FILE, "f", chain, host, at(now)))
        };
        let chain = [leaf(&["idp.contoso.com", "*.fabrikam.com", "192.0.2.7"])];
        for (host, now, wanted) in [
            ("idp.contoso.com", "2026-02-01T00:00:00Z", Outcome::Good),
            ("IDP.contoso.com", "2026-02-01T00:00:00Z", Outcome::Good),
            ("sts.fabrikam.com", "2026-02-01T00:00:00Z", Outcome::Good),
            ("192.0.2.7", "2026-02-01T00:00:00Z", Outcome::Good),
            ("fabrikam.com", "2026-02-01T00:00:00Z", Outcome::Problem),
            ("a.b.fabrikam.com", "2026-02-01T00:00:00Z", Outcome::Problem),
            ("192.0.2.8", "2026-02-01T00:00:00Z", Outcome::Problem),
            ("idp.contoso.com", "2026-03-03T00:00:00Z", Outcome::Warning),
            ("idp.contoso.com", "2026-03-20T00:00:00Z", Outcome::Problem),
            ("idp.contoso.com", "2026-04-02T00:00:00Z", Outcome::Problem),
            ("idp.contoso.com", "2025-12-31T00:00:00Z", Outcome::Problem),
        ] {
            assert_eq!(judged(&chain, host, now), wanted, "{host} {now}");
        }
        assert_eq!(
            judged(&[], "idp.contoso.com", "2026-02-01T00:00:00Z"),
            Outcome::Problem
        );
        let own = rcgen::generate_simple_self_signed(vec!["idp.contoso.com".to_owned()]).unwrap();
        let own = [own.cert.der().to_vec()];
        assert_eq!(
            judged(&own, "idp.contoso.com", "2026-02-01T00:00:00Z"),
            Outcome::Warning
        );
    }

    #[test]
    fn a_signing_certificate_leaves_time_for_the_exchange() {
        let made = SystemClock.now();
        let lifetime = Duration::from_hours(100 * 24);
        let new =
            signing::generate(RsaSize::Bits2048, "c", made, lifetime, &mut SystemRandom).unwrap();
        let judged = |days: u64| {
            judge_signing(
                "k",
                &new.certificate,
                made.plus(Duration::from_hours(days * 24)),
            )
            .outcome
        };
        assert_eq!(judged(1), Outcome::Good);
        assert_eq!(judged(45), Outcome::Warning);
        assert_eq!(judged(90), Outcome::Problem);
        assert_eq!(judged(101), Outcome::Problem);
        assert_eq!(judge_signing("k", b"x", made).outcome, Outcome::Problem);
        let old = made.plus(Duration::from_hours(200 * 24));
        let of = |state| judge_key("k", state, &new.certificate, old).map(|found| found.outcome);
        assert_eq!(of(Some(KeyState::Retired)), None);
        assert_eq!(of(Some(KeyState::Staged)), Some(Outcome::Problem));
        assert_eq!(
            judge_key("k", None, &new.certificate, made)
                .unwrap()
                .check
                .id,
            "CB-DOC-031"
        );
    }
}
