//! What Entra should have of us for a domain.
//!
//! Always true: what is not listed is not ours to say and is left alone; the issuer is the
//! root domain's, and a sub-domain has no federation of its own (facts §4.1, §4.6).

use std::collections::BTreeMap;

use super::{
    configuration::Configuration,
    property::{Platform, Property, Setting},
};
use crate::{
    base::text::DomainName,
    relying_party::{Domain, KnownFederation},
};

/// Our certificates for assertions, DER.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Certificates {
    /// Of the key that signs.
    pub active: Vec<u8>,
    /// Of the key that will sign.
    pub staged: Option<Vec<u8>>,
    /// Of the key that signed until now, while what it signed may still arrive.
    pub retiring: Option<Vec<u8>>,
    /// Of keys that signed once and sign no more; Entra should hold none of them.
    pub former: Vec<Vec<u8>>,
}

/// Whose key a certificate is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyOrigin {
    /// One of ours that signs, will sign, or signed until now.
    Ours,
    /// One of ours that signs no more.
    Former,
    /// None of ours.
    Unknown,
}

impl Certificates {
    /// All of them, the active one first.
    pub fn all(&self) -> Vec<Vec<u8>> {
        std::iter::once(&self.active)
            .chain(&self.staged)
            .chain(&self.retiring)
            .cloned()
            .collect()
    }

    /// Whose key the value of a certificate property is of.
    pub fn origin(&self, setting: &Setting) -> KeyOrigin {
        match setting {
            Setting::Certificate(der) if self.all().contains(der) => KeyOrigin::Ours,
            Setting::Certificate(der) if self.former.contains(der) => KeyOrigin::Former,
            _ => KeyOrigin::Unknown,
        }
    }

    /// What Entra should accept beside the active one.
    fn next(&self) -> Option<&Vec<u8>> {
        self.staged.as_ref().or(self.retiring.as_ref())
    }
}

/// Whether Entra shall sign its requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RequestSigning {
    /// We take signed requests only.
    Required,
    /// We can verify them and ask for none.
    Verifiable,
    /// Microsoft's keys are not loaded.
    Unverifiable,
}

/// What is the same for all our domains.
#[derive(Clone, Debug)]
pub struct Ours {
    /// What people call this service.
    pub display_name: String,
    /// Scheme, host and port, without a slash at the end.
    pub public_url: String,
    /// The certificates.
    pub certificates: Certificates,
    /// Signed requests.
    pub request_signing: RequestSigning,
    /// Whether apps can be told to open the system's browser: the worldwide cloud only (facts §1.6).
    pub system_browser: SystemBrowser,
    /// All our domains.
    pub domains: Vec<Domain>,
    /// Those of others that the operator knows.
    pub known_federations: Vec<KnownFederation>,
}

/// Whether the cloud knows `systemBrowserEnabledOn`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SystemBrowser {
    /// It does.
    Offered,
    /// It is left alone.
    LeftAlone,
}

impl Ours {
    /// The address that signs people of `domain` in.
    pub fn sign_in_url(&self, domain: &DomainName) -> String {
        format!("{}/saml2/sso?domain={domain}", self.public_url)
    }

    /// The address that signs people out.
    pub fn sign_out_url(&self) -> String {
        format!("{}/saml2/slo", self.public_url)
    }

    /// What Entra should have for the root of ours that `name` lies at or below, if it does.
    pub fn wanted_of_root(&self, name: &DomainName) -> Option<Wanted> {
        let nearest = self
            .domains
            .iter()
            .filter(|own| name.is_within(&own.name))
            .max_by_key(|own| own.name.as_str().len())?;
        let root = self.domains.iter().find(|own| own.name == nearest.root);
        Some(self.wanted(root.unwrap_or(nearest)))
    }

    /// What Entra should have for `domain`.
    pub fn wanted(&self, domain: &Domain) -> Wanted {
        let text = |text: &str| Some(Setting::Text(text.to_owned()));
        let mut values: BTreeMap<Property, Option<Setting>> = BTreeMap::from([
            (Property::DisplayName, text(&self.display_name)),
            (Property::IssuerUri, text(&domain.issuer_uri)),
            (
                Property::PassiveSignInUri,
                text(&self.sign_in_url(&domain.name)),
            ),
            (Property::SignOutUri, text(&self.sign_out_url())),
            // Addresses for passwords of programs: we have none, and one that another
            // provider left there would still be sent passwords.
            (Property::ActiveSignInUri, None),
            (Property::MetadataExchangeUri, None),
            (Property::PreferredAuthenticationProtocol, text("saml")),
            (
                Property::FederatedIdpMfaBehavior,
                text("enforceMfaByFederatedIdp"),
            ),
            (Property::PromptLoginBehavior, text("nativeSupport")),
            (
                Property::SigningCertificate,
                Some(Setting::Certificate(self.certificates.active.clone())),
            ),
            (
                Property::NextSigningCertificate,
                self.certificates.next().cloned().map(Setting::Certificate),
            ),
        ]);
        let signed = Property::IsSignedAuthenticationRequestRequired;
        match self.request_signing {
            RequestSigning::Required => values.insert(signed, Some(Setting::Flag(true))),
            RequestSigning::Unverifiable => values.insert(signed, Some(Setting::Flag(false))),
            // Either is fine.
            RequestSigning::Verifiable => None,
        };
        if self.system_browser == SystemBrowser::Offered {
            values.insert(
                Property::SystemBrowserEnabledOn,
                Some(Setting::Platforms(Platform::known())),
            );
        }
        Wanted {
            domain: domain.clone(),
            ours: self.clone(),
            values,
        }
    }
}

/// What Entra should have for one domain.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The domain.
    pub domain: Domain,
    /// What is the same for all.
    pub ours: Ours,
    values: BTreeMap<Property, Option<Setting>>,
}

impl Wanted {
    /// Whether the domain lies below another of ours, and has that one's federation.
    pub fn is_inherited(&self) -> bool {
        self.domain.name != self.domain.root
    }

    /// What its root should have; itself, if it is one.
    pub fn of_root(&self) -> Self {
        let root = Domain {
            name: self.domain.root.clone(),
            ..self.domain.clone()
        };
        self.ours.wanted(&root)
    }

    /// The properties that are ours to say, with what each should be; nothing: unset.
    pub fn values(&self) -> impl Iterator<Item = (Property, Option<&Setting>)> {
        self.values
            .iter()
            .map(|(property, setting)| (*property, setting.as_ref()))
    }

    /// Whether what Entra has does what we want of that property.
    pub fn is_met(&self, property: Property, found: Option<&Setting>) -> bool {
        let Some(wanted) = self.values.get(&property) else {
            return true;
        };
        match (property, wanted.as_ref(), found) {
            (_, wanted, found) if wanted == found => true,
            // Unset is false.
            (_, Some(Setting::Flag(false)), None) => true,
            // A platform that came later does no harm.
            (_, Some(Setting::Platforms(wanted)), Some(Setting::Platforms(found))) => {
                wanted.is_subset(found)
            }
            // The active certificate twice is as good as no next one.
            (Property::NextSigningCertificate, None, Some(Setting::Certificate(found))) => {
                *found == self.ours.certificates.active
            }
            (_, Some(Setting::Text(wanted)), Some(Setting::Text(found))) if is_word(property) => {
                wanted.eq_ignore_ascii_case(found)
            }
            _ => false,
        }
    }

    /// The whole configuration for a domain that has none.
    pub fn configuration(&self) -> Configuration {
        let mut configuration = Configuration::default();
        for (property, setting) in self.values() {
            configuration.set(property, setting.cloned());
        }
        configuration
    }
}

/// Properties whose value is one of Graph's words: compared without regard to case.
fn is_word(property: Property) -> bool {
    matches!(
        property,
        Property::PreferredAuthenticationProtocol
            | Property::FederatedIdpMfaBehavior
            | Property::PromptLoginBehavior
    )
}
