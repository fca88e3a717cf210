//! Domains, their roots and their issuers (facts §4.1, §4.6).
//!
//! Entra refuses one `issuerUri` on two domains, and since 2026-08 a token whose
//! realm has another root domain than the person's UPN (AADSTS5000820). So: one
//! issuer per root domain, a sub-domain uses its root's, and the issuer of an
//! answer is chosen by the person's UPN.

use std::str::FromStr;

use crate::base::{clock::Timestamp, text::DomainName};

/// A federated domain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Domain {
    /// The domain itself.
    pub name: DomainName,
    /// The longest configured domain above it, or itself.
    pub root: DomainName,
    /// The `issuerUri` of the root: what stands in every token for its people, byte for byte.
    pub issuer_uri: String,
    /// When it was added.
    pub created_at: Timestamp,
}

/// Over which protocol Entra is to send a domain's people here, in Graph's words.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DomainProtocol {
    /// SAML 2.0.
    #[default]
    Saml,
    /// WS-Federation: what Windows needs to join computers (hybrid join), and what reads
    /// new certificates by itself.
    WsFed,
}

impl DomainProtocol {
    /// As `preferredAuthenticationProtocol` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Saml => "saml",
            Self::WsFed => "wsFed",
        }
    }
}

/// The text names no protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("write \"saml\" or \"wsFed\"")]
pub struct ProtocolError;

impl FromStr for DomainProtocol {
    type Err = ProtocolError;

    fn from_str(text: &str) -> Result<Self, ProtocolError> {
        [Self::Saml, Self::WsFed]
            .into_iter()
            .find(|protocol| protocol.as_str().eq_ignore_ascii_case(text))
            .ok_or(ProtocolError)
    }
}

/// Why a domain cannot be added.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DomainError {
    /// It is there already.
    #[error("the domain {0} is there already")]
    Present(DomainName),
    /// Microsoft's own domains cannot be federated (facts §4.5).
    #[error("{0} belongs to Microsoft and cannot be federated; use a domain of your own")]
    Microsoft(DomainName),
    /// Another domain uses the issuer.
    #[error("the issuer {issuer} is used by {by}; Entra refuses one issuerUri on two domains")]
    IssuerTaken {
        /// The issuer asked for.
        issuer: String,
        /// Who has it.
        by: DomainName,
    },
    /// A sub-domain with an issuer of its own.
    #[error("{name} lies below {root} and must use its issuer {issuer} (or leave --issuer out)")]
    RootHasIssuer {
        /// The sub-domain.
        name: DomainName,
        /// Its root.
        root: DomainName,
        /// The root's issuer.
        issuer: String,
    },
    /// A domain above present ones would change their issuer.
    #[error("{below} is configured as a root of its own; remove it before adding {name} above it")]
    AbovePresent {
        /// The domain asked for.
        name: DomainName,
        /// The present one.
        below: DomainName,
    },
    /// The issuer is no absolute URI without white space.
    #[error(
        "an issuer is an absolute URI without white space, such as https://idp.contoso.com/contoso.com"
    )]
    IssuerForm,
}

/// The domain that `name` would be, beside `present`; `issuer` is what the
/// operator asked for, `default_issuer` what a new root gets otherwise.
pub fn new_domain(
    name: DomainName,
    issuer: Option<&str>,
    default_issuer: &str,
    present: &[Domain],
    now: Timestamp,
) -> Result<Domain, DomainError> {
    if present.iter().any(|known| known.name == name) {
        return Err(DomainError::Present(name));
    }
    if is_microsofts(&name) {
        return Err(DomainError::Microsoft(name));
    }
    if let Some(root) = root_of(&name, present) {
        return match issuer {
            Some(issuer) if issuer != root.issuer_uri => Err(DomainError::RootHasIssuer {
                name,
                root: root.root.clone(),
                issuer: root.issuer_uri.clone(),
            }),
            _ => Ok(Domain {
                name,
                root: root.root.clone(),
                issuer_uri: root.issuer_uri.clone(),
                created_at: now,
            }),
        };
    }
    if let Some(below) = present.iter().find(|known| known.name.is_within(&name)) {
        return Err(DomainError::AbovePresent {
            name,
            below: below.name.clone(),
        });
    }
    let issuer = issuer.unwrap_or(default_issuer);
    let well_formed = !issuer.chars().any(|c| c.is_whitespace() || c.is_control())
        && issuer.len() <= 1024
        && url::Url::parse(issuer).is_ok();
    if !well_formed {
        return Err(DomainError::IssuerForm);
    }
    let wanted = super::name_rule::comparable(issuer);
    if let Some(other) = present
        .iter()
        .find(|known| super::name_rule::comparable(&known.issuer_uri) == wanted)
    {
        return Err(DomainError::IssuerTaken {
            issuer: issuer.to_owned(),
            by: other.name.clone(),
        });
    }
    Ok(Domain {
        root: name.clone(),
        name,
        issuer_uri: issuer.to_owned(),
        created_at: now,
    })
}

/// The configured domain that `upn_domain` exactly is. A person belongs to the
/// domain of the UPN; a sub-domain that nobody configured has no people.
pub fn domain_of<'a>(upn_domain: &DomainName, present: &'a [Domain]) -> Option<&'a Domain> {
    present.iter().find(|known| known.name == *upn_domain)
}

/// The longest configured domain above `name`.
fn root_of<'a>(name: &DomainName, present: &'a [Domain]) -> Option<&'a Domain> {
    present
        .iter()
        .filter(|known| name.is_within(&known.name))
        .max_by_key(|known| known.name.as_str().len())
}

/// Whether the domain is one of Microsoft's own.
pub fn is_microsofts(name: &DomainName) -> bool {
    [
        "onmicrosoft.com",
        "onmicrosoft.us",
        "partner.onmschina.cn",
        "onmicrosoft.cn",
    ]
    .iter()
    .filter_map(|suffix| suffix.parse().ok())
    .any(|suffix: DomainName| name.is_within(&suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    fn add(text: &str, issuer: Option<&str>, present: &[Domain]) -> Result<Domain, DomainError> {
        let default = format!("https://idp.example.com/{text}");
        new_domain(
            name(text),
            issuer,
            &default,
            present,
            Timestamp::from_millis(0),
        )
    }

    #[test]
    fn a_protocol_goes_by_graphs_words_in_any_letter_case() {
        for (text, protocol) in [
            ("saml", DomainProtocol::Saml),
            ("wsFed", DomainProtocol::WsFed),
            ("WSFED", DomainProtocol::WsFed),
        ] {
            assert_eq!(text.parse(), Ok(protocol));
        }
        for text in ["", "samlp", "ws-fed", "wsFed "] {
            assert_eq!(text.parse::<DomainProtocol>(), Err(ProtocolError));
        }
    }

    #[test]
    fn a_sub_domain_uses_its_roots_issuer() {
        let root = add("contoso.com", None, &[]).unwrap();
        assert_eq!(root.issuer_uri, "https://idp.example.com/contoso.com");
        let sub = add("eu.contoso.com", None, std::slice::from_ref(&root)).unwrap();
        assert_eq!(
            (sub.root.clone(), sub.issuer_uri.clone()),
            (root.name.clone(), root.issuer_uri.clone())
        );
        let deeper = add("a.eu.contoso.com", None, &[root.clone(), sub]).unwrap();
        assert_eq!(deeper.root, root.name);
        assert!(matches!(
            add(
                "us.contoso.com",
                Some("https://idp.example.com/us"),
                &[root]
            ),
            Err(DomainError::RootHasIssuer { .. })
        ));
    }

    #[test]
    fn one_issuer_for_two_roots_is_refused_in_any_spelling() {
        let root = add("contoso.com", Some("https://idp.example.com/one"), &[]).unwrap();
        for issuer in [
            "https://idp.example.com/one",
            "https://idp.example.com/one/",
            "https://IDP.example.com/one",
        ] {
            assert!(matches!(
                add("fabrikam.com", Some(issuer), std::slice::from_ref(&root)),
                Err(DomainError::IssuerTaken { .. })
            ));
        }
        assert!(add("evilcontoso.com", None, &[root]).is_ok());
    }

    #[test]
    fn what_cannot_be_added() {
        let sub = add("eu.contoso.com", None, &[]).unwrap();
        assert!(matches!(
            add("contoso.com", None, std::slice::from_ref(&sub)),
            Err(DomainError::AbovePresent { .. })
        ));
        assert!(matches!(
            add("eu.contoso.com", None, &[sub]),
            Err(DomainError::Present(_))
        ));
        assert!(matches!(
            add("contoso.onmicrosoft.com", None, &[]),
            Err(DomainError::Microsoft(_))
        ));
        assert_eq!(
            add("contoso.com", Some("https://a b"), &[]),
            Err(DomainError::IssuerForm)
        );
        assert_eq!(
            add("contoso.com", Some("contoso"), &[]),
            Err(DomainError::IssuerForm)
        );
    }
}
