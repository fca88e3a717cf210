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
    /// WS-Federation.
    WsFed,
    /// Not set: the passive flow does not work then.
    Missing,
}

impl PreferredProtocol {
    /// The value as Graph writes it.
    pub fn as_graph(self) -> Option<&'static str> {
        match self {
            Self::Saml => Some("saml"),
            Self::WsFed => Some("wsFed"),
            Self::Missing => None,
        }
    }
}

/// What a message on the way back is written in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// SAML 2.0: `SAMLResponse` and `RelayState`.
    Saml2,
    /// WS-Federation: `wresult` and `wctx`.
    WsFed,
}

/// `promptLoginBehavior` of a domain: what becomes of `prompt=login` (facts §2.2). It has no
/// effect on SAML 2.0, as far as is known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PromptLogin {
    /// Not set, which is the same as [`Self::TranslateToFreshPassword`].
    #[default]
    Unset,
    /// `wfresh=0` with `wauth` for a password.
    TranslateToFreshPassword,
    /// `prompt=login` as it is.
    NativeSupport,
    /// `wfresh=0`.
    Disabled,
}

impl PromptLogin {
    /// All, the unset one first.
    pub const ALL: [Self; 4] = [
        Self::Unset,
        Self::TranslateToFreshPassword,
        Self::NativeSupport,
        Self::Disabled,
    ];

    /// The value as Graph writes it.
    pub fn as_graph(self) -> Option<&'static str> {
        match self {
            Self::Unset => None,
            Self::TranslateToFreshPassword => Some("translateToFreshPasswordAuthentication"),
            Self::NativeSupport => Some("nativeSupport"),
            Self::Disabled => Some("disabled"),
        }
    }

    /// The behaviour of that value of Graph's.
    pub fn from_graph(value: Option<&str>) -> Self {
        Self::ALL
            .into_iter()
            .find(|known| known.as_graph() == value)
            .unwrap_or_default()
    }
}

/// `federatedIdpMfaBehavior` of a domain (facts §4.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MfaBehavior {
    /// The identity provider's word about MFA counts if it gives it; Entra asks otherwise.
    AcceptIfMfaDoneByFederatedIdp,
    /// The identity provider does MFA, and its word counts.
    EnforceMfaByFederatedIdp,
    /// The identity provider's word about MFA never counts.
    RejectMfaByFederatedIdp,
}

impl MfaBehavior {
    /// The value as Graph writes it.
    pub fn as_graph(self) -> &'static str {
        match self {
            Self::AcceptIfMfaDoneByFederatedIdp => "acceptIfMfaDoneByFederatedIdp",
            Self::EnforceMfaByFederatedIdp => "enforceMfaByFederatedIdp",
            Self::RejectMfaByFederatedIdp => "rejectMfaByFederatedIdp",
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
    /// `federatedIdpMfaBehavior`.
    pub mfa_behavior: MfaBehavior,
    /// `promptLoginBehavior`.
    pub prompt_login: PromptLogin,
    /// `signOutUri`: where the browser is sent to sign out.
    pub sign_out_url: Option<String>,
}

/// A person of the practice tenant's directory.
#[derive(Clone, Debug)]
pub struct PracticeUser {
    /// The user principal name in the tenant.
    pub upn: Upn,
    /// `onPremisesImmutableId`, compared byte for byte; empty where there is none.
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
    /// A re-signed copy does not say `multipleauthn`.
    ClassReferenceDropped,
    /// The domain's `federatedIdpMfaBehavior` refuses the identity provider's MFA.
    FederatedMfaIgnored,
}

/// How far [`Break::Expired`] moves the tenant's clock.
pub const CLOCK_MOVED_ON: Duration = Duration::from_hours(2);

impl Break {
    /// All, in the order of the page.
    pub const ALL: [Self; 5] = [
        Self::WrongIssuer,
        Self::Expired,
        Self::WrongCertificate,
        Self::ClassReferenceDropped,
        Self::FederatedMfaIgnored,
    ];

    /// The value of the form field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WrongIssuer => "wrong-issuer",
            Self::Expired => "expired",
            Self::WrongCertificate => "wrong-certificate",
            Self::ClassReferenceDropped => "class-reference-dropped",
            Self::FederatedMfaIgnored => "federated-mfa-ignored",
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
            Self::FederatedMfaIgnored => "Federated MFA ignored",
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
                "A copy of the response that does not say multipleauthn: in SAML 2.0 the class reference is “unspecified”, as several identity providers send it; in WS-Federation none of the three places has it. The practice tenant alters and re-signs the copy with a throw-away key that only it trusts; the identity provider cannot send this."
            }
            Self::FederatedMfaIgnored => {
                "The domain has federatedIdpMfaBehavior = rejectMfaByFederatedIdp; a setting that is missing does the same. Entra takes the sign-in and not its MFA. The response itself stays as it came. Codes and tokens for applications that begin now are without MFA as well; a refresh token that was made before keeps it."
            }
        }
    }

    /// What a sign-in meets while the button is pressed.
    pub fn consequence(self) -> &'static str {
        match self {
            Self::WrongIssuer
            | Self::Expired
            | Self::WrongCertificate
            | Self::ClassReferenceDropped => "The next response will be refused.",
            Self::FederatedMfaIgnored => {
                "The next sign-in will be taken without its MFA, and Partner Center will refuse the token."
            }
        }
    }

    /// The inspector's rule that must trip, and no other.
    pub fn rule(self, protocol: Protocol) -> &'static str {
        match (self, protocol) {
            (Self::WrongIssuer, Protocol::Saml2) => "CB-SAML-003",
            (Self::WrongIssuer, Protocol::WsFed) => "CB-WSFED-003",
            (Self::Expired, Protocol::Saml2) => "CB-SAML-016",
            (Self::Expired, Protocol::WsFed) => "CB-WSFED-014",
            (Self::WrongCertificate, Protocol::Saml2) => "CB-SAML-006",
            (Self::WrongCertificate, Protocol::WsFed) => "CB-WSFED-006",
            (Self::ClassReferenceDropped, Protocol::Saml2) => "CB-SAML-019",
            (Self::ClassReferenceDropped, Protocol::WsFed) => "CB-WSFED-015",
            (Self::FederatedMfaIgnored, _) => "CB-PC-001",
        }
    }
}

impl FederatedDomain {
    /// What is registered about a domain that is not federated: nothing that any response fits.
    pub fn none(name: DomainName) -> Self {
        Self {
            name,
            issuer_uri: String::new(),
            sign_in_url: String::new(),
            certificates: Vec::new(),
            preferred_protocol: PreferredProtocol::Missing,
            mfa_behavior: MfaBehavior::AcceptIfMfaDoneByFederatedIdp,
            prompt_login: PromptLogin::Unset,
            sign_out_url: None,
        }
    }

    /// The registration as Graph would show it (facts §4.1).
    pub fn to_graph(&self) -> Value {
        let certificate = |at: usize| self.certificates.get(at).map(|der| STANDARD.encode(der));
        json!({
            "@odata.type": "#microsoft.graph.internalDomainFederation",
            "issuerUri": self.issuer_uri,
            "passiveSignInUri": self.sign_in_url,
            "preferredAuthenticationProtocol": self.preferred_protocol.as_graph(),
            "federatedIdpMfaBehavior": self.mfa_behavior.as_graph(),
            "promptLoginBehavior": self.prompt_login.as_graph(),
            "signOutUri": self.sign_out_url,
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
            Some(Break::FederatedMfaIgnored) => {
                domain.mfa_behavior = MfaBehavior::RejectMfaByFederatedIdp;
            }
            Some(Break::Expired) | None => {}
        }
        domain
    }
}
