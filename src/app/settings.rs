//! What an [`App`](super::App) is told at start: plain data, already validated by `config`.

use std::{path::PathBuf, time::Duration};

use crate::{
    base::text::DomainName,
    directory::MethodPolicy,
    factor::{password::HashCost, webauthn::policy::WebAuthnPolicy},
    keys::hardware::TokenSetting,
    protocol::oidc::discovery,
    relying_party::{
        Domain, DomainProtocol, EntraEndpoints, ExternalMfaTenant, KnownFederation, RelyingParty,
        Tenant, TenantDomains, tenant::NoCloud,
    },
    session::{Desk, SessionPolicy},
    signin::{active::ActiveDoor, lockout::Delays},
};

/// The settings of a running identity provider.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Scheme, host and port under which browsers see us, without a slash at the end.
    pub public_url: String,
    /// Entra's cloud as a relying party.
    pub entra: RelyingParty,
    /// Where the configured cloud's authority and Graph are, if it says so.
    pub endpoints: Option<EntraEndpoints>,
    /// Tenants of External MFA named in the configuration file.
    pub tenants: Vec<Tenant>,
    /// Whose people such tenants may name.
    pub tenant_domains: TenantDomains,
    /// Domains named in the configuration file: name and issuer.
    pub domains: Vec<(DomainName, Option<String>)>,
    /// Domains of the tenant that are another provider's, rightly.
    pub known_federations: Vec<KnownFederation>,
    /// Those of them that speak WS-Federation, with all below them; the others SAML.
    pub ws_federation: Vec<DomainName>,
    /// How long sessions live.
    pub sessions: SessionPolicy,
    /// How long a person may take for one sign-in.
    pub attempt_lifetime: Duration,
    /// How many steps around the expected one a code may be off.
    pub totp_skew: u8,
    /// Waits of one person's wrong guesses.
    pub person_delays: Delays,
    /// Waits of everything from one address.
    pub source_delays: Delays,
    /// Attempts that one address may have begun without anybody proving anything in them.
    pub open_attempts_per_source: u32,
    /// Whether people sit at shared PCs without phones.
    pub desk: Desk,
    /// Which kinds of methods, and how many at least, by groups.
    pub methods: MethodPolicy,
    /// Which security keys count.
    pub webauthn: WebAuthnPolicy,
    /// Hashes of leaked passwords, ordered ("SHA-1:count" lines), if the operator has them.
    pub breached_passwords_file: Option<PathBuf>,
    /// The cost of password hashing.
    pub hash_cost: HashCost,
    /// Whether programs get tokens for a password alone, and for which (WS-Trust).
    pub active_door: ActiveDoor,
    /// The token that holds keys in hardware, if there is one.
    pub token: Option<TokenSetting>,
    /// What pages and authenticator programs call this service.
    pub service_name: String,
    /// Whom people ask: a sentence or an address.
    pub support_contact: Option<String>,
}

impl Settings {
    /// The issuer that a new root domain gets if the operator names none.
    pub fn default_issuer(&self, domain: &DomainName) -> String {
        format!("{}/{domain}", self.public_url)
    }

    /// Over which protocol Entra is to send a domain's people here.
    pub fn protocol_of(&self, domain: &Domain) -> DomainProtocol {
        if self.ws_federation.contains(&domain.root) {
            DomainProtocol::WsFed
        } else {
            DomainProtocol::Saml
        }
    }

    /// Whether programs bring passwords of a domain's people here (WS-Trust): while the door is
    /// open, and Entra sends them, which it does over WS-Federation only.
    pub fn takes_programs(&self, domain: &Domain) -> bool {
        self.active_door.is_open() && self.protocol_of(domain) == DomainProtocol::WsFed
    }

    /// The address that a domain's people are sent to, over its protocol.
    pub fn sign_in_url(&self, domain: &Domain) -> String {
        match self.protocol_of(domain) {
            DomainProtocol::Saml => self.sso_url(Some(&domain.name)),
            DomainProtocol::WsFed => self.wsfed_url(Some(&domain.name)),
        }
    }

    /// The address that Entra signs a domain's people out at.
    pub fn sign_out_url(&self, domain: &Domain) -> String {
        match self.protocol_of(domain) {
            DomainProtocol::Saml => format!("{}/saml2/slo", self.public_url),
            // Entra says `wa=wsignout1.0`.
            DomainProtocol::WsFed => self.wsfed_url(None),
        }
    }

    /// Where a domain's metadata is, over its protocol.
    pub fn metadata_url(&self, domain: &Domain) -> String {
        let path = match self.protocol_of(domain) {
            DomainProtocol::Saml => "/saml2/metadata",
            DomainProtocol::WsFed => "/FederationMetadata/2007-06/FederationMetadata.xml",
        };
        format!("{}{path}?domain={}", self.public_url, domain.name)
    }

    /// The address that a domain's relying party sends people to.
    pub fn sso_url(&self, domain: Option<&DomainName>) -> String {
        match domain {
            Some(domain) => format!("{}/saml2/sso?domain={domain}", self.public_url),
            None => format!("{}/saml2/sso", self.public_url),
        }
    }

    /// The same over WS-Federation.
    pub fn wsfed_url(&self, domain: Option<&DomainName>) -> String {
        match domain {
            Some(domain) => format!("{}/wsfed?domain={domain}", self.public_url),
            None => format!("{}/wsfed", self.public_url),
        }
    }

    /// The address for single logout, without a query.
    pub fn slo_url(&self) -> String {
        format!("{}/saml2/slo", self.public_url)
    }

    /// A tenant of External MFA, as the protocol works with it.
    ///
    /// # Errors
    /// If the tenant is in a cloud of one's own, and none is configured on this computer.
    pub fn asking_tenant(&self, tenant: &Tenant) -> Result<ExternalMfaTenant, NoCloud> {
        tenant.asking(self.endpoints.as_ref())
    }

    /// The issuer of External MFA.
    pub fn oidc_issuer(&self) -> String {
        discovery::issuer(&self.public_url)
    }

    /// What Entra is told of External MFA: the address of the discovery document.
    pub fn oidc_discovery_url(&self) -> String {
        discovery::discovery_url(&self.public_url)
    }

    /// Where Entra sends people; a redirect URI of the application registration.
    pub fn oidc_authorize_url(&self) -> String {
        discovery::authorization_endpoint(&self.public_url)
    }
}
