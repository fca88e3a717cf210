//! What the practice tenant has registered about its federated domains, and the
//! break buttons, which change that registration or the tenant's clock.
//!
//! Always true: a break changes what this tenant *believes*, or works on a copy
//! that it re-signs itself; no break changes what the identity provider sends.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::base::text::{DomainName, Upn};

/// `preferredAuthenticationProtocol` of a domain (facts §4.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PreferredProtocol {
    /// SAML 2.0.
    Saml,
}

impl PreferredProtocol {
    /// The value as Graph writes it.
    pub fn as_graph(self) -> &'static str {
        match self {
            Self::Saml => "saml",
        }
    }
}

/// One federated domain, as `internalDomainFederation` would hold it.
#[derive(Clone, Debug)]
pub struct FederatedDomain {
    /// The root domain.
    pub name: DomainName,
    /// `issuerUri`, compared byte for byte.
    pub issuer_uri: String,
    /// `passiveSignInUri`: where the browser is sent, query included.
    pub sign_in_url: String,
    /// `signingCertificate` and `nextSigningCertificate`, DER.
    pub certificates: Vec<Vec<u8>>,
    /// `preferredAuthenticationProtocol`.
    pub preferred_protocol: PreferredProtocol,
}

/// A person of the practice tenant's directory.
#[derive(Clone, Debug)]
pub struct PracticeUser {
    /// The user principal name in the tenant.
    pub upn: Upn,
    /// `onPremisesImmutableId`, compared byte for byte.
    pub immutable_id: String,
    /// The object id in the tenant.
    pub object_id: String,
    /// The name that the access token shows.
    pub display_name: String,
}

/// One thing that a button breaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Break {
    /// The registered `issuerUri` gains a slash.
    WrongIssuer,
    /// The tenant's clock goes two hours ahead.
    Expired,
    /// Another certificate is registered.
    WrongCertificate,
    /// A re-signed copy says `unspecified` where it said `multipleauthn`.
    ClassReferenceDropped,
}

/// How far [`Break::Expired`] moves the tenant's clock.
pub const CLOCK_MOVED_ON: Duration = Duration::from_hours(2);

impl Break {
    /// All, in the order of the page.
    pub const ALL: [Self; 4] = [
        Self::WrongIssuer,
        Self::Expired,
        Self::WrongCertificate,
        Self::ClassReferenceDropped,
    ];

    /// The value of the form field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WrongIssuer => "wrong-issuer",
            Self::Expired => "expired",
            Self::WrongCertificate => "wrong-certificate",
            Self::ClassReferenceDropped => "class-reference-dropped",
        }
    }

    /// The break of that form value.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// The button's words.
    pub fn title(self) -> &'static str {
        match self {
            Self::WrongIssuer => "Wrong issuer",
            Self::Expired => "Expired",
            Self::WrongCertificate => "Wrong certificate",
            Self::ClassReferenceDropped => "Class reference dropped",
        }
    }

    /// What the button does, in one or two sentences.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::WrongIssuer => {
                "The tenant has your issuerUri registered with a slash at its end. The response itself stays as it came."
            }
            Self::Expired => {
                "The tenant's clock goes two hours ahead. The response itself stays as it came."
            }
            Self::WrongCertificate => {
                "The tenant has another signing certificate registered, as after a rollover that nobody told Entra about. The response itself stays as it came."
            }
            Self::ClassReferenceDropped => {
                "A copy of the response in which the class reference is “unspecified”, as several identity providers send it. The practice tenant alters and re-signs the copy with a throw-away key that only it trusts; the identity provider cannot send this."
            }
        }
    }

    /// The inspector's rule that must trip, and no other.
    pub fn rule(self) -> &'static str {
        match self {
            Self::WrongIssuer => "CB-SAML-003",
            Self::Expired => "CB-SAML-016",
            Self::WrongCertificate => "CB-SAML-006",
            Self::ClassReferenceDropped => "CB-SAML-019",
        }
    }
}

impl FederatedDomain {
    /// The registration as Graph would show it (facts §4.1).
    pub fn to_graph(&self) -> Value {
        let certificate = |at: usize| self.certificates.get(at).map(|der| STANDARD.encode(der));
        json!({
            "@odata.type": "#microsoft.graph.internalDomainFederation",
            "issuerUri": self.issuer_uri,
            "passiveSignInUri": self.sign_in_url,
            "preferredAuthenticationProtocol": self.preferred_protocol.as_graph(),
            "federatedIdpMfaBehavior": "enforceMfaByFederatedIdp",
            "signingCertificate": certificate(0),
            "nextSigningCertificate": certificate(1),
        })
    }

    /// This registration as `broken` leaves it. `throw_away` is the certificate (DER)
    /// of the key that only the practice tenant knows.
    #[must_use]
    pub fn as_broken_by(&self, broken: Option<Break>, throw_away: &[u8]) -> Self {
        let mut domain = self.clone();
        match broken {
            Some(Break::WrongIssuer) => domain.issuer_uri.push('/'),
            Some(Break::WrongCertificate | Break::ClassReferenceDropped) => {
                domain.certificates = vec![throw_away.to_vec()];
            }
            Some(Break::Expired) | None => {}
        }
        domain
    }
}
