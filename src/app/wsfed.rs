//! WS-Federation requests: who asks, and may they.

use super::{
    App, Error,
    error::{Category, SupportCode},
    saml::{bound_domain, chain, sole_issuer},
    sign_in::{Begun, Browser},
};
use crate::{
    audit::Refused,
    base::text::DomainName,
    keys::KeyPurpose,
    protocol::{
        assertion::message_id,
        wsfed::{
            metadata::{FederationMetadata, encode_metadata},
            parameters::Parameters,
            request::{RequestError, UnverifiedSignInRequest},
        },
        wstrust::Version,
    },
    relying_party::{EntraCloud, domain::domain_of, name_rule::comparable},
};

impl App {
    /// Checks a sign-in request and begins an attempt for it.
    ///
    /// # Errors
    /// The request cannot be read, is of nobody registered, or demands what is not offered;
    /// or too many were begun.
    pub async fn begin_wsfed(
        &self,
        parameters: &Parameters<'_>,
        browser: &Browser,
    ) -> Result<Begun, Error> {
        let parsed =
            UnverifiedSignInRequest::parse(parameters).map_err(|error| self.refused(&error))?;
        let domain = parameters
            .value("domain")
            .map_err(|error| self.refused(&error.into()))?;
        let mut tx = self.store.read().await?;
        let Some(party) = self.find_party(&mut tx, parsed.realm()).await? else {
            self.count_refused(Refused::UnknownParty);
            let detail = self.unknown_realm(&parsed);
            return Err(Error::denied(&SupportCode::UNKNOWN_PARTY, detail));
        };
        let domains = tx.domains().await?;
        drop(tx);
        let domain = match domain {
            Some(text) => Some(self.counting_malformed(bound_domain(&text, &domains))?),
            None => None,
        };
        let verified = parsed
            .verify(&party, domain.as_ref(), self.now())
            .map_err(|error| self.refused(&error))?;
        // The protocol's requests have no id: each begins an attempt of its own.
        let request_id = self.with_random(message_id);
        self.begin(verified.into_sign_in_request(request_id), browser)
            .await
    }

    /// What a request that cannot be answered comes to; it is counted.
    pub fn refused(&self, error: &RequestError) -> Error {
        let (category, code, counted) = match error {
            RequestError::Certificate(_) | RequestError::ReplyUrl(_) => (
                Category::Invalid,
                &SupportCode::REFUSED_PARAMETERS,
                Refused::RefusedParameters,
            ),
            RequestError::OtherParty { .. } | RequestError::OtherProtocol(_) => (
                Category::Denied,
                &SupportCode::UNKNOWN_PARTY,
                Refused::UnknownParty,
            ),
            _ => (
                Category::Invalid,
                &SupportCode::MALFORMED_REQUEST,
                Refused::MalformedRequest,
            ),
        };
        self.count_refused(counted);
        Error::new(category, code, chain(error))
    }

    fn counting_malformed<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if result.is_err() {
            self.count_refused(Refused::MalformedRequest);
        }
        result
    }

    /// Nobody registered goes by that name; a near miss is named, for the operator.
    fn unknown_realm(&self, request: &UnverifiedSignInRequest) -> String {
        let (asked, shown) = (comparable(request.realm()), request.shown_realm());
        let own = self.settings.entra.entity_id.as_str();
        if comparable(own) == asked {
            return format!(
                "wtrealm is {shown:?}, nearly {own:?}; names of parties are compared byte for byte"
            );
        }
        let other = EntraCloud::presets()
            .into_iter()
            .find(|cloud| comparable(&cloud.entity_id) == asked);
        match other {
            Some(cloud) => format!(
                "wtrealm is {shown:?}, the cloud {}; this server is configured for {own:?} ([entra] cloud)",
                cloud.name
            ),
            None => format!("wtrealm is {shown:?}, which is not registered"),
        }
    }

    /// Our federation metadata: for the domain that the address names, or for the only
    /// issuer there is. With several issuers and no `?domain=` it speaks for none of them:
    /// whoever comes for the certificates, as Entra does, finds them, and no token has its
    /// entity id as issuer.
    ///
    /// # Errors
    /// `?domain=` names no configured domain, or nothing is configured.
    pub async fn federation_metadata(&self, domain: Option<&str>) -> Result<String, Error> {
        let mut tx = self.store.read().await?;
        let domains = tx.domains().await?;
        let asked: Option<DomainName> = domain
            .map(str::parse)
            .transpose()
            .map_err(|_| Error::not_found("?domain= is no domain name"))?;
        let entity_id = match sole_issuer(&domains, asked.as_ref()) {
            Some(issuer) => issuer,
            None if asked.is_none() && !domains.is_empty() => self.settings.public_url.clone(),
            None => {
                let detail = "metadata is asked for a domain that is not configured";
                return Err(Error::not_found(detail));
            }
        };
        let published = self.published_in(&mut tx, KeyPurpose::Assertion).await?;
        let takes_programs = match &asked {
            Some(asked) => domain_of(asked, &domains)
                .is_some_and(|domain| self.settings.takes_programs(domain)),
            None => domains
                .iter()
                .any(|domain| self.settings.takes_programs(domain)),
        };
        let active_url = format!(
            "{}{}",
            self.settings.public_url,
            Version::February2005.path()
        );
        Ok(encode_metadata(&FederationMetadata {
            entity_id: &entity_id,
            domain: asked.as_ref(),
            passive_url: &self.settings.wsfed_url(None),
            active_url: takes_programs.then_some(active_url.as_str()),
            sso_url: &self.settings.sso_url(None),
            slo_url: &self.settings.slo_url(),
            certificates: &published.certificates(),
        }))
    }
}
