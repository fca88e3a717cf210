//! SAML requests: who asks, and may they.

use super::{
    App, Error,
    answer::Answer,
    error::{Category, SupportCode},
    sign_in::{Begun, Browser},
};
use crate::{
    audit::Refused,
    base::text::DomainName,
    keys::KeyPurpose,
    protocol::saml::{
        authn_request::{Arrival, Refusal, RequestError, RequestWindow, UnverifiedAuthnRequest},
        metadata::{IdpMetadata, encode_metadata},
    },
    relying_party::{Domain, RelyingParty, domain::domain_of, name_rule::is_microsofts_name},
    storage::ReadTx,
};

/// What became of a SAML request.
#[derive(Debug)]
pub enum SamlBegun {
    /// An attempt: on to its page.
    Attempt(Begun),
    /// The party's own request asks what cannot be given: an answer with a status.
    Answer(Box<Answer>),
}

impl App {
    /// Checks a request and begins an attempt for it.
    ///
    /// `parsed` is what the binding gave; `domain` the one of `?domain=`.
    pub async fn begin_saml(
        &self,
        parsed: Result<UnverifiedAuthnRequest, RequestError>,
        domain: Option<&str>,
        login_hint: Option<String>,
        browser: &Browser,
    ) -> Result<SamlBegun, Error> {
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                self.count_refused(Refused::MalformedRequest);
                return Err(malformed(&error));
            }
        };
        let mut tx = self.store.read().await?;
        let Some(party) = self.find_party(&mut tx, parsed.issuer()).await? else {
            drop(tx);
            let detail = format!(
                "a request of {:?}, which is not registered",
                parsed.issuer()
            );
            let error = Error::denied(&SupportCode::UNKNOWN_PARTY, detail);
            self.count_refused(Refused::UnknownParty);
            return Err(error);
        };
        let domains = tx.domains().await?;
        let domain = match domain {
            None => None,
            Some(text) => match bound_domain(text, &domains) {
                Ok(name) => Some(name),
                Err(error) => {
                    self.count_refused(Refused::MalformedRequest);
                    return Err(error);
                }
            },
        };
        drop(tx);
        let sso_url = self.settings.sso_url(None);
        let arrival = Arrival {
            sso_url: &sso_url,
            domain: domain.as_ref(),
            now: self.now(),
            window: RequestWindow::default(),
        };
        match parsed.verify(&party, &arrival) {
            Ok(verified) => {
                let request = verified.into_sign_in_request(login_hint);
                self.begin(request, browser).await.map(SamlBegun::Attempt)
            }
            Err(RequestError::Answerable(refusal)) => {
                self.count_refused(Refused::RefusedParameters);
                let Some(issuer) = sole_issuer(&domains, domain.as_ref()) else {
                    return Err(refused_parameters(&refusal));
                };
                let answer = self.status_answer(&issuer, &party, &refusal).await?;
                Ok(SamlBegun::Answer(Box::new(answer)))
            }
            Err(error) => {
                self.count_refused(Refused::MalformedRequest);
                Err(malformed(&error))
            }
        }
    }

    /// Our metadata for the domain that the address names, or for the only issuer there is.
    pub async fn saml_metadata(&self, domain: Option<&str>) -> Result<String, Error> {
        let mut tx = self.store.read().await?;
        let domains = tx.domains().await?;
        let asked: Option<DomainName> = domain
            .map(str::parse)
            .transpose()
            .map_err(|_| Error::not_found("?domain= is no domain name"))?;
        let issuer = sole_issuer(&domains, asked.as_ref())
            .ok_or_else(|| Error::not_found("metadata needs ?domain= with a configured domain"))?;
        let published = self.published_in(&mut tx, KeyPurpose::Assertion).await?;
        Ok(encode_metadata(&IdpMetadata {
            issuer: &issuer,
            domain: asked.as_ref(),
            sso_url: &self.settings.sso_url(None),
            slo_url: &self.settings.slo_url(),
            certificates: &published.certificates(),
        }))
    }

    /// The registered party of that entity id, byte for byte. Entra is configured and never
    /// registered: a stored party of Microsoft's name was written by hand, and an answer
    /// to it would be one that Entra takes (attacks 38, 39).
    pub(super) async fn find_party(
        &self,
        tx: &mut ReadTx<'_>,
        entity_id: &str,
    ) -> Result<Option<RelyingParty>, Error> {
        if self.settings.entra.entity_id.as_str() == entity_id {
            return Ok(Some(self.settings.entra.clone()));
        }
        if is_microsofts_name(entity_id) {
            return Ok(None);
        }
        let parties = tx.relying_parties().await?;
        Ok(parties
            .into_iter()
            .find(|party| party.entity_id.as_str() == entity_id))
    }

    /// The party of an attempt; it was registered when the attempt began.
    pub(super) async fn party_of(
        &self,
        tx: &mut ReadTx<'_>,
        entity_id: &str,
    ) -> Result<RelyingParty, Error> {
        if entity_id == self.inspector_entity_id() {
            return Ok(self.inspector_party());
        }
        self.find_party(tx, entity_id).await?.ok_or_else(|| {
            let detail = format!("{entity_id:?} was removed during a sign-in");
            Error::denied(&SupportCode::UNKNOWN_PARTY, detail)
        })
    }
}

/// The issuer of an answer before the person is known: that of the domain which the
/// address named, or of the only root there is; with several, nobody may speak.
pub(super) fn sole_issuer(domains: &[Domain], asked: Option<&DomainName>) -> Option<String> {
    let mut issuers: Vec<&str> = match asked {
        Some(asked) => domain_of(asked, domains)
            .map(|domain| domain.issuer_uri.as_str())
            .into_iter()
            .collect(),
        None => domains
            .iter()
            .map(|domain| domain.issuer_uri.as_str())
            .collect(),
    };
    issuers.sort_unstable();
    issuers.dedup();
    match issuers.as_slice() {
        [only] => Some((*only).to_owned()),
        _ => None,
    }
}

/// The configured domain that the address of a request names (`?domain=`).
pub(super) fn bound_domain(text: &str, domains: &[Domain]) -> Result<DomainName, Error> {
    let name: Option<DomainName> = text.parse().ok();
    let known = name.as_ref().and_then(|name| domain_of(name, domains));
    known.map(|known| known.name.clone()).ok_or_else(|| {
        let detail = format!("a request to ?domain={text:?}, which is not configured");
        Error::new(Category::Invalid, &SupportCode::MALFORMED_REQUEST, detail)
    })
}

fn malformed(error: &RequestError) -> Error {
    let category = match error {
        RequestError::Unsigned | RequestError::Signature(_) | RequestError::UnknownKey => {
            Category::Denied
        }
        _ => Category::Invalid,
    };
    Error::new(category, &SupportCode::MALFORMED_REQUEST, chain(error))
}

fn refused_parameters(refusal: &Refusal) -> Error {
    let detail = format!(
        "the request asks what cannot be given: {:?}",
        refusal.status
    );
    Error::new(Category::Invalid, &SupportCode::REFUSED_PARAMETERS, detail)
}

/// An error with its causes, on one line for the log.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
