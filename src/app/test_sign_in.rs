//! "Test my sign-in": a real sign-in with real factors, to the inspector itself.
//!
//! Always true: the token is made as Entra's is, from the same proofs, by the same code,
//! for an audience that is ours: it opens nothing elsewhere. Nobody can ask for it but the
//! person in the own browser; a request from outside for this audience is refused, because
//! it is no registered party.

use super::{
    App, Error,
    sign_in::{Begun, Browser},
};
use crate::{
    base::{ids::UserId, text::DomainName},
    claims::require_domain,
    inspect,
    keys::KeyPurpose,
    protocol::assertion::message_id,
    relying_party::{
        Domain, EntityId, EntraCloud, RelyingParty, RelyingPartyKind, ReplyUrl, RequestSignature,
        ResponseSignature, Sha1,
    },
    signin::request::{Interaction, Protocol, Reauthentication, SignInRequest},
    storage::ReadTx,
};

/// The page of the inspector, below the public address.
pub const INSPECTOR: &str = "/inspect";

/// Where a test sign-in ends, below the public address.
pub const TEST_RESPONSE: &str = "/inspect/response";

/// What Entra has been told of a person's domain, if it was told what we say here. Nobody
/// asked it.
#[derive(Clone, Debug)]
pub struct OwnRegistration {
    /// The root domain.
    pub realm: DomainName,
    /// Its issuer.
    pub issuer: String,
    /// Our certificate, DER.
    pub certificate: Vec<u8>,
    /// Entra, as this server is configured.
    pub cloud: EntraCloud,
}

/// Something that a token of a test sign-in says otherwise than one for Entra.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Substitution {
    /// Where it stands.
    pub what: &'static str,
    /// What the token says.
    pub says: String,
    /// What one for Entra says.
    pub for_entra: String,
}

impl App {
    /// Begins a test sign-in: both factors, now.
    pub async fn begin_test_sign_in(&self, browser: &Browser) -> Result<Begun, Error> {
        let party = self.inspector_party();
        let request_id = self.with_random(message_id);
        let request = SignInRequest {
            protocol: Protocol::Saml2,
            relying_party: party.entity_id.0,
            // It comes back with the answer, and is the request that the answer is judged by.
            relay_state: Some(request_id.clone()),
            request_id,
            reply_url: self.test_response_url(),
            domain: None,
            reauthentication: Reauthentication::Always,
            interaction: Interaction::Allowed,
            max_age_seconds: None,
            login_hint: None,
            second_factor: None,
            received_at_millis: self.now().as_millis(),
        };
        self.begin(request, browser).await
    }

    /// The person who is signed in here, and the registration; `None` if nobody is.
    pub async fn own_registration(
        &self,
        browser: &Browser,
    ) -> Result<Option<(UserId, OwnRegistration)>, Error> {
        let own = self.registration_here(browser).await;
        self.noting_tampering(own).await
    }

    async fn registration_here(
        &self,
        browser: &Browser,
    ) -> Result<Option<(UserId, OwnRegistration)>, Error> {
        let mut tx: ReadTx<'_> = self.store.read().await?;
        let Some((user, _)) = self.live_session(&mut tx, browser).await? else {
            return Ok(None);
        };
        let domains = tx.domains().await?;
        let domain = require_domain(&user.upn.domain(), &domains, None).map_err(Error::conflict)?;
        let certificate = self.told_certificate(&mut tx).await?;
        Ok(Some((user.id, self.registration_of(domain, certificate))))
    }

    /// The registration of the one domain there is; `None` if there are several.
    pub async fn sole_registration(&self) -> Result<Option<OwnRegistration>, Error> {
        let mut tx = self.store.read().await?;
        let domains = tx.domains().await?;
        let certificate = self.told_certificate(&mut tx).await?;
        Ok(match domains.as_slice() {
            [domain] => Some(self.registration_of(domain, certificate)),
            _ => None,
        })
    }

    /// The certificate of the key that signs now, whichever node activated it.
    async fn told_certificate(&self, tx: &mut ReadTx<'_>) -> Result<Vec<u8>, Error> {
        let published = self.published_in(tx, KeyPurpose::Assertion).await?;
        Ok(published
            .active
            .map(|key| key.certificate)
            .unwrap_or_default())
    }

    fn registration_of(&self, domain: &Domain, certificate: Vec<u8>) -> OwnRegistration {
        let entra = &self.settings.entra;
        OwnRegistration {
            realm: domain.root.clone(),
            issuer: domain.issuer_uri.clone(),
            certificate,
            cloud: EntraCloud {
                name: "entra".to_owned(),
                entity_id: entra.entity_id.0.clone(),
                reply_url: entra
                    .reply_urls
                    .first()
                    .map(|reply| reply.url.clone())
                    .unwrap_or_default(),
                metadata_url: None,
            },
        }
    }

    /// How the answer of a test sign-in is judged: as if it were for Entra, but for what
    /// the substitutions name. `request` is the id that came back with it.
    pub fn test_context(
        &self,
        own: &OwnRegistration,
        request: Option<String>,
    ) -> (inspect::Context, Vec<Substitution>) {
        let audience = self.inspector_entity_id();
        let reply_url = self.test_response_url();
        let mut context = inspect::Context::at(self.now());
        context.issuer = Some(own.issuer.clone());
        context.realm = Some(own.realm.clone());
        context.certificates = vec![own.certificate.clone()];
        context.request = request.map(|id| inspect::GivenRequest { id });
        context.cloud = Some(EntraCloud {
            name: "inspector".to_owned(),
            entity_id: audience.clone(),
            reply_url: reply_url.clone(),
            metadata_url: None,
        });
        let substitutions = vec![
            Substitution {
                what: "Audience",
                says: audience,
                for_entra: own.cloud.entity_id.clone(),
            },
            Substitution {
                what: "Destination and Recipient",
                says: reply_url,
                for_entra: own.cloud.reply_url.clone(),
            },
            Substitution {
                what: "InResponseTo",
                says: "a request of this page, which the browser brings back with the answer"
                    .to_owned(),
                for_entra: "Entra's request".to_owned(),
            },
            Substitution {
                what: "Registration",
                says: "issuer and certificate of this server".to_owned(),
                for_entra: "what is registered for the domain, and its federatedIdpMfaBehavior; neither was looked at".to_owned(),
            },
        ];
        (context, substitutions)
    }

    /// The inspector's entity id: the audience of test tokens.
    pub(super) fn inspector_entity_id(&self) -> String {
        format!("{}{INSPECTOR}", self.settings.public_url)
    }

    fn test_response_url(&self) -> String {
        format!("{}{TEST_RESPONSE}", self.settings.public_url)
    }

    /// The inspector as a relying party. Built in: nothing stored can be it.
    pub(super) fn inspector_party(&self) -> RelyingParty {
        RelyingParty {
            entity_id: EntityId(self.inspector_entity_id()),
            display_name: "the inspector of this server".to_owned(),
            kind: RelyingPartyKind::ServiceProvider,
            reply_urls: vec![ReplyUrl {
                index: 0,
                url: self.test_response_url(),
                preferred: true,
            }],
            request_certificates: Vec::new(),
            // With no certificate: a request that came from outside could never be signed.
            request_signature: RequestSignature::Required,
            sha1: Sha1::Refused,
            response_signature: ResponseSignature::AssertionOnly,
            session_max_age: self.settings.entra.session_max_age,
            // Nothing is signed in at the inspector.
            single_logout: None,
        }
    }
}

/// One of Microsoft's clouds: `global`, `us-gov` or `china`.
pub fn cloud_by_name(name: &str) -> Option<EntraCloud> {
    EntraCloud::by_name(name)
}
