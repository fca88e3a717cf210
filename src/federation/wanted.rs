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
    relying_party::{Domain, DomainProtocol, KnownFederation},
    signin::active::ActiveDoor,
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
    /// The roots among them that speak WS-Federation.
    pub ws_federation: Vec<DomainName>,
    /// Whether programs may bring passwords (WS-Trust).
    pub active_door: ActiveDoor,
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
    /// Over which protocol Entra is to send people of the root `domain` here.
    pub fn protocol(&self, domain: &DomainName) -> DomainProtocol {
        if self.ws_federation.contains(domain) {
            DomainProtocol::WsFed
        } else {
            DomainProtocol::Saml
        }
    }

    /// The address that signs people of the root `domain` in.
    pub fn sign_in_url(&self, domain: &DomainName) -> String {
        let path = match self.protocol(domain) {
            DomainProtocol::Saml => "/saml2/sso",
            DomainProtocol::WsFed => "/wsfed",
        };
        format!("{}{path}?domain={domain}", self.public_url)
    }

    /// The address that signs people of the root `domain` out.
    pub fn sign_out_url(&self, domain: &DomainName) -> String {
        let path = match self.protocol(domain) {
            DomainProtocol::Saml => "/saml2/slo",
            // Entra says `wa=wsignout1.0`.
            DomainProtocol::WsFed => "/wsfed",
        };
        format!("{}{path}", self.public_url)
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
        let protocol = self.protocol(&domain.root);
        // With SAML the first of the two would be for another protocol (ECP), and no program of
        // Microsoft's asks (facts §1.5).
        let takes_programs = self.active_door.is_open() && protocol == DomainProtocol::WsFed;
        let programs = takes_programs.then_some(self.public_url.as_str());
        let mut values: BTreeMap<Property, Option<Setting>> = BTreeMap::from([
            (Property::DisplayName, text(&self.display_name)),
            (Property::IssuerUri, text(&domain.issuer_uri)),
            (
                Property::PassiveSignInUri,
                text(&self.sign_in_url(&domain.root)),
            ),
            (Property::SignOutUri, text(&self.sign_out_url(&domain.root))),
            // Addresses for passwords of programs: where we have none, one that another
            // provider left there would still be sent passwords.
            (
                Property::ActiveSignInUri,
                programs.and_then(|url| text(&format!("{url}/trust/2005/usernamemixed"))),
            ),
            (
                Property::MetadataExchangeUri,
                programs.and_then(|url| text(&format!("{url}/trust/mex"))),
            ),
            (
                Property::PreferredAuthenticationProtocol,
                text(protocol.as_str()),
            ),
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
            // Requests of WS-Federation cannot be signed.
            _ if protocol == DomainProtocol::WsFed => None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::{fixture, plan};

    fn text(wanted: &Wanted, property: Property) -> Option<String> {
        match wanted.values.get(&property)? {
            Some(Setting::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    /// Facts §4.1. A sub-domain has its root's protocol.
    #[test]
    fn a_domain_of_ws_federation_is_sent_to_that_door() {
        let mut ours = fixture::ours();
        ours.request_signing = RequestSigning::Required;
        ours.ws_federation = vec!["contoso.com".parse().unwrap()];
        for domain in ours.domains.clone() {
            let wanted = ours.wanted(&domain);
            let is = |property| text(&wanted, property);
            assert_eq!(
                is(Property::PreferredAuthenticationProtocol).as_deref(),
                Some("wsFed")
            );
            assert_eq!(
                is(Property::PassiveSignInUri).as_deref(),
                Some("https://idp.contoso.com/wsfed?domain=contoso.com")
            );
            assert_eq!(
                is(Property::SignOutUri).as_deref(),
                Some("https://idp.contoso.com/wsfed")
            );
            assert_eq!(
                is(Property::PromptLoginBehavior).as_deref(),
                Some("nativeSupport")
            );
            let signed = Property::IsSignedAuthenticationRequestRequired;
            assert!(!wanted.values.contains_key(&signed), "SAML only");
            // Programs send no passwords here.
            for unset in [Property::ActiveSignInUri, Property::MetadataExchangeUri] {
                assert_eq!(wanted.values.get(&unset), Some(&None));
            }
        }
    }

    /// While the door for programs is open, they are told where it is; with SAML nobody asks.
    #[test]
    fn programs_are_sent_to_an_open_door_of_a_domain_that_speaks_ws_federation() {
        for door in [
            ActiveDoor::Closed,
            ActiveDoor::ApplicationPasswords,
            ActiveDoor::OwnPasswordsToo,
        ] {
            for speaks in [false, true] {
                let mut ours = fixture::ours();
                ours.active_door = door;
                let domain = ours.domains[0].clone();
                if speaks {
                    ours.ws_federation = vec![domain.name.clone()];
                }
                let wanted = ours.wanted(&domain);
                let is = |path: &str| {
                    let url = format!("https://idp.contoso.com{path}");
                    (speaks && door.is_open()).then_some(Setting::Text(url))
                };
                for (property, path) in [
                    (Property::ActiveSignInUri, "/trust/2005/usernamemixed"),
                    (Property::MetadataExchangeUri, "/trust/mex"),
                ] {
                    assert_eq!(wanted.values.get(&property), Some(&is(path)), "{door:?}");
                }
            }
        }
    }

    /// What is planned for it is what the inspector's rules for that protocol want.
    #[test]
    fn its_plan_changes_the_protocol_and_the_two_addresses_and_leaves_nothing_to_remark() {
        let mut ours = fixture::ours();
        let domain = ours.domains[0].clone();
        let of_saml = ours.wanted(&domain).configuration();
        ours.ws_federation = vec![domain.name.clone()];
        let wanted = ours.wanted(&domain);
        let changed: Vec<Property> = plan::differences(&wanted, Some(&of_saml))
            .iter()
            .map(|difference| difference.property)
            .collect();
        let mut expected = vec![
            Property::PassiveSignInUri,
            Property::SignOutUri,
            Property::PreferredAuthenticationProtocol,
        ];
        expected.sort();
        assert_eq!(changed, expected);
        let plan = plan::plan(&wanted, None, fixture::now());
        let said: Vec<_> = plan
            .warnings
            .iter()
            .map(|warning| (warning.rule, warning.severity))
            .collect();
        let before = plan::plan(&fixture::ours().wanted(&domain), None, fixture::now());
        let of_saml: Vec<_> = before
            .warnings
            .iter()
            .map(|warning| (warning.rule, warning.severity))
            .collect();
        assert_eq!(said, of_saml);
    }
}
