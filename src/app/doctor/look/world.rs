//! Asking over the network: the public address, and Entra without a credential.

use std::sync::{Mutex, PoisonError};

use openidconnect::{
    HttpResponse,
    http::{self, header},
};
use url::Url;

use super::{Installed, Surroundings, TlsLook, host_of};
use crate::{
    app::{
        doctor::{
            Finding,
            address::{self, Asked, CLAIMED, LONG, OurMetadata, TlsEnd},
            catalogue, certificates,
            clock::{self, Sample},
            entra,
            probe::{self, ANSWER_HEADER, QUESTION_HEADER},
        },
        saml::chain,
    },
    base::{clock::Clock, clock::Timestamp},
    outbound::guard::{Outbound, OutboundError, PeerCertificate},
};

/// The network, and the clocks of those who answered.
pub(super) struct World<'a> {
    outbound: Outbound,
    clock: &'a dyn Clock,
    theirs: Mutex<Vec<Sample>>,
}

impl<'a> World<'a> {
    pub(super) fn new(outbound: Outbound, clock: &'a dyn Clock) -> Self {
        Self {
            outbound,
            clock,
            theirs: Mutex::default(),
        }
    }

    async fn get(
        &self,
        address: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<HttpResponse, OutboundError> {
        let mut request = http::Request::builder().uri(address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Vec::new()).map_err(OutboundError::Request)?;
        self.outbound.call(request).await
    }

    /// The same, of Microsoft's servers: their clocks are compared with ours.
    async fn get_of_microsoft(&self, address: &str) -> Result<HttpResponse, OutboundError> {
        let asked = self.clock.now();
        let answer = self.get(address, &[]).await?;
        let date = answer
            .headers()
            .get(header::DATE)
            .and_then(|date| date.to_str().ok())
            .and_then(parse_date);
        if let Some(date) = date {
            let sample = clock::sample(&host_of(address), date, asked, self.clock.now());
            let mut theirs = self.theirs.lock().unwrap_or_else(PoisonError::into_inner);
            theirs.push(sample);
        }
        Ok(answer)
    }

    pub(super) fn into_samples(self) -> Vec<Sample> {
        self.theirs
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn look_at_address(
        &self,
        patient: &Surroundings<'_>,
        installed: &Installed,
        questions: &[String; 2],
    ) -> Vec<Finding> {
        let public = patient.settings.public_url.as_str();
        let is_https = public.starts_with("https://");
        let host = host_of(public);
        let [short, long] = questions;
        let (asked, certificate) = self.put(patient, &format!("{public}/healthz"), short).await;
        let mut findings = vec![address::judge_reachable(public, &asked)];
        findings.extend(address::judge_distrust(public, &asked));
        if let Some(der) = &certificate {
            findings.extend(certificates::judge_tls(
                &catalogue::TLS_SEEN,
                public,
                std::slice::from_ref(der),
                &host,
                self.clock.now(),
            ));
            if let Some(TlsLook {
                path,
                chain: Ok(chain),
            }) = &patient.tls
                && chain.first() != Some(der)
            {
                const REMEDY: &str = "that is as it should be with a proxy before the server; otherwise send `serve` SIGHUP and see its log";
                let sentence = format!(
                    "The world sees another certificate than {} has",
                    path.display()
                );
                findings.push(if is_direct(&asked) {
                    catalogue::TLS_SEEN.warning(
                        public,
                        format!("{sentence}, and nothing stands before this server"),
                        "send `serve` SIGHUP and see its log; restart it if that does not help",
                    )
                } else {
                    catalogue::TLS_SEEN.note(public, sentence, REMEDY)
                });
            }
        }
        let has_port = Url::parse(public).is_ok_and(|url| url.port().is_some());
        if is_https && !has_port {
            let answer = self.outbound.knock(&host).await;
            let answer = answer.map_err(|error| chain(&error));
            let answer = answer
                .as_ref()
                .map(|(status, location)| (*status, location.as_deref()))
                .map_err(String::as_str);
            findings.push(address::judge_plain(&host, answer));
        }
        let Asked::Us(seen) = &asked else {
            return findings;
        };
        let end = if is_https && patient.tls.is_none() {
            TlsEnd::Proxy
        } else {
            TlsEnd::Here
        };
        findings.push(address::judge_forwarded(
            public,
            seen,
            patient.trusted_proxies,
            end,
        ));
        let path = format!("{public}/healthz?doctor=");
        let padded = format!("{path}{}", "x".repeat(LONG.saturating_sub(path.len())));
        let (asked, _) = self.put(patient, &padded, long).await;
        findings.push(address::judge_long(public, &asked));
        for domain in &installed.domains {
            let at = format!("{public}/saml2/metadata?domain={}", domain.name);
            let ours = OurMetadata {
                address: &at,
                issuer: &domain.issuer_uri,
                sso_url: &patient.settings.sso_url(Some(&domain.name)),
                certificates: &installed.certificates,
            };
            findings.push(match self.get(&at, &[]).await {
                Ok(answer) => {
                    address::judge_metadata(&ours, answer.status().as_u16(), answer.body())
                }
                Err(error) => catalogue::METADATA.unseen(
                    at.clone(),
                    format!("It could not be read: {}", chain(&error)),
                    "look again",
                ),
            });
        }
        findings
    }

    /// Puts the question; what became of it, and the certificate that was shown.
    async fn put(
        &self,
        patient: &Surroundings<'_>,
        address: &str,
        question: &str,
    ) -> (Asked, Option<Vec<u8>>) {
        let headers = [(QUESTION_HEADER, question), ("x-forwarded-for", CLAIMED)];
        let answer = match self.get(address, &headers).await {
            Ok(answer) => answer,
            Err(error) => {
                let why = chain(&error);
                // As rustls names what is wrong with a certificate.
                return if why.contains("certificate") {
                    (Asked::Distrusted(why), None)
                } else {
                    (Asked::Nobody(why), None)
                };
            }
        };
        let certificate = answer.extensions().get::<PeerCertificate>();
        let certificate = certificate.map(|shown| shown.0.clone());
        let seen = answer
            .headers()
            .get(ANSWER_HEADER)
            .and_then(|value| value.to_str().ok())
            .and_then(|answer| probe::verify_answer(patient.sealing, question, answer));
        let asked = match seen {
            Some(seen) => Asked::Us(Box::new(seen)),
            None => Asked::Other(answer.status().as_u16()),
        };
        (asked, certificate)
    }

    pub(super) async fn look_at_entra(
        &self,
        patient: &Surroundings<'_>,
        installed: &Installed,
    ) -> Vec<Finding> {
        const REMEDY: &str = "let this machine reach it over https (firewall, HTTPS_PROXY)";
        let mut findings = Vec::new();
        if let Some(address) = patient.metadata_url {
            match self.get_of_microsoft(address).await {
                Ok(answer) => findings.extend(entra::judge_sp_metadata(
                    address,
                    answer.body(),
                    &patient.settings.entra,
                    self.clock.now(),
                )),
                Err(error) => {
                    findings.push(catalogue::SP_METADATA.unseen(address, chain(&error), REMEDY));
                }
            }
        }
        let Some(endpoints) = patient.endpoints else {
            findings.push(catalogue::REALM.unseen(
                "entra.cloud",
                "Where the authority of this cloud is was not said",
                "add authority_url and graph_url to entra.cloud",
            ));
            return findings;
        };
        // Nothing is wanted of it but its clock.
        let _ = self
            .get_of_microsoft(&format!("{}/v1.0/", endpoints.graph_url))
            .await;
        for domain in &installed.domains {
            let at = format!(
                "{}/getuserrealm.srf?login=claimbridge-doctor%40{}&json=1",
                endpoints.authority_url, domain.name
            );
            let name = domain.name.as_str();
            findings.push(match self.get_of_microsoft(&at).await {
                Ok(answer) => match entra::parse_realm(answer.body()) {
                    Some(realm) => {
                        let sso_url = patient.settings.sso_url(Some(&domain.name));
                        entra::judge_realm(name, &sso_url, &realm)
                    }
                    None => catalogue::REALM.unseen(
                        name,
                        format!(
                            "{} answered {} and nothing that can be read",
                            host_of(&endpoints.authority_url),
                            answer.status()
                        ),
                        "look again; see whether entra.cloud is right",
                    ),
                },
                Err(error) => catalogue::REALM.unseen(name, chain(&error), REMEDY),
            });
        }
        findings
    }
}

/// Whether nobody added to what we claimed: no proxy that tells who asks.
fn is_direct(asked: &Asked) -> bool {
    matches!(asked, Asked::Us(seen) if seen.forwarded.as_deref() == Some(CLAIMED))
}

/// An HTTP date (RFC 9110 §5.6.7, the form that is written today).
fn parse_date(text: &str) -> Option<Timestamp> {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let date = time::PrimitiveDateTime::parse(text, format).ok()?;
    Some(Timestamp::from_millis(
        date.assume_utc().unix_timestamp().saturating_mul(1000),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read() {
        assert_eq!(
            parse_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            Timestamp::parse_rfc3339("1994-11-06T08:49:37Z")
        );
        assert_eq!(parse_date("yesterday"), None);
    }
}
