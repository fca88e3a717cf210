//! What a tenant shows of its domains: the answers of Graph (facts §4.1, §4.5, §4.6).
//!
//! Always true: what was not shown is unknown (`None`); an answer that cannot be what it
//! should be is an error, so that half a page never looks like an empty tenant; one domain
//! that cannot be read is kept as such, so that the others are judged.

use serde_json::{Value, json};

use super::configuration::{Configuration, UnreadableConfiguration};
use crate::{base::text::DomainName, inspect::shown};

/// How the people of a domain sign in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Authentication {
    /// With Entra's own methods.
    Managed,
    /// At a federated provider.
    Federated,
}

impl Authentication {
    /// Graph's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Managed => "Managed",
            Self::Federated => "Federated",
        }
    }
}

/// One domain of the tenant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DomainState {
    /// The domain.
    pub name: DomainName,
    /// How its people sign in.
    pub authentication: Option<Authentication>,
    /// Whether its owner was verified.
    pub is_verified: Option<bool>,
    /// Whether it is the tenant's default.
    pub is_default: Option<bool>,
    /// Whether it came with the tenant (`*.onmicrosoft.com`).
    pub is_initial: Option<bool>,
    /// Whether it is a root of its own.
    pub is_root: Option<bool>,
    /// Its federation, if it was asked for: no object, or one.
    pub configuration: Option<Option<Configuration>>,
}

/// The answers cannot be those of a tenant.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnreadableState {
    /// Nothing of a tenant in it.
    #[error(
        "this is no state of a tenant; give what Graph answers for /domains, /domains/DOMAIN or its federationConfiguration"
    )]
    Kind,
    /// A domain without a name.
    #[error("a domain in it has no id that is a domain name")]
    DomainName,
    /// A value that is none of Graph's.
    #[error("{0} has a value that Graph never gives it")]
    Value(&'static str),
    /// A configuration in it.
    #[error("the federation of {domain} cannot be read")]
    Configuration {
        /// Of which domain.
        domain: String,
        /// What is wrong.
        #[source]
        cause: UnreadableConfiguration,
    },
    /// More than one configuration.
    #[error("{0} has more than one federation, which Graph does not allow; read it again")]
    Several(DomainName),
    /// A page of a list, and there is more.
    #[error(
        "there is more of it than this page (@odata.nextLink); give the whole list, nothing of a part is used"
    )]
    Part,
    /// The answer is about another domain.
    #[error("the answer is about {found}, and {asked} was asked for; nothing of it is used")]
    OtherDomain {
        /// Asked for.
        asked: DomainName,
        /// Answered.
        found: String,
    },
}

impl DomainState {
    /// Reads a `domain` of Graph; with an own member `federationConfiguration` also that.
    pub fn parse(value: &Value) -> Result<Self, UnreadableState> {
        let members = value.as_object().ok_or(UnreadableState::Kind)?;
        let name: DomainName = members
            .get("id")
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok())
            .ok_or(UnreadableState::DomainName)?;
        let authentication = match members.get("authenticationType").map(Value::as_str) {
            None => None,
            Some(Some("Managed")) => Some(Authentication::Managed),
            Some(Some("Federated")) => Some(Authentication::Federated),
            Some(_) => return Err(UnreadableState::Value("authenticationType")),
        };
        let flag = |name: &'static str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(UnreadableState::Value(name)),
        };
        let mut state = Self {
            authentication,
            is_verified: flag("isVerified")?,
            is_default: flag("isDefault")?,
            is_initial: flag("isInitial")?,
            is_root: flag("isRoot")?,
            configuration: None,
            name,
        };
        if has_more(value, "federationConfiguration@odata.nextLink") {
            return Err(UnreadableState::Part);
        }
        // What Graph does not expand it may write as null: nothing was said.
        if let Some(shown) = members
            .get("federationConfiguration")
            .filter(|shown| !shown.is_null())
        {
            state.read_configuration(shown)?;
        }
        Ok(state)
    }

    /// Nothing but its name.
    pub fn unknown(name: DomainName) -> Self {
        Self {
            name,
            authentication: None,
            is_verified: None,
            is_default: None,
            is_initial: None,
            is_root: None,
            configuration: None,
        }
    }

    /// Takes what `GET …/federationConfiguration` answered: a page, a list or one object.
    pub fn read_configuration(&mut self, answer: &Value) -> Result<(), UnreadableState> {
        if has_more(answer, NEXT) {
            return Err(UnreadableState::Part);
        }
        if let Some(found) = answer
            .get("@odata.context")
            .and_then(Value::as_str)
            .and_then(domain_of_context)
            && found.parse().ok().as_ref() != Some(&self.name)
        {
            return Err(UnreadableState::OtherDomain {
                asked: self.name.clone(),
                found: shown(found, 200),
            });
        }
        let inner = answer.get("value").unwrap_or(answer);
        let objects = match inner {
            Value::Array(items) => items.as_slice(),
            Value::Object(_) => std::slice::from_ref(inner),
            _ => return Err(UnreadableState::Kind),
        };
        if objects.len() > 1 {
            return Err(UnreadableState::Several(self.name.clone()));
        }
        let read = objects.first().map(Configuration::parse).transpose();
        self.configuration = Some(read.map_err(|cause| UnreadableState::Configuration {
            domain: self.name.to_string(),
            cause,
        })?);
        Ok(())
    }

    /// Its federation, as far as one is known.
    pub fn federation(&self) -> Option<&Configuration> {
        self.configuration.as_ref()?.as_ref()
    }

    /// Whether it is known that nobody is sent to a provider.
    pub fn is_managed(&self) -> bool {
        self.authentication == Some(Authentication::Managed)
            || (self.authentication.is_none() && self.configuration == Some(None))
    }

    /// As one object, as [`Self::parse`] reads it (the journal keeps it).
    pub fn to_json(&self) -> Value {
        let mut value = json!({ "id": self.name });
        if let Some(authentication) = self.authentication {
            value["authenticationType"] = authentication.as_str().into();
        }
        for (name, flag) in [
            ("isVerified", self.is_verified),
            ("isDefault", self.is_default),
            ("isInitial", self.is_initial),
            ("isRoot", self.is_root),
        ] {
            if let Some(flag) = flag {
                value[name] = flag.into();
            }
        }
        if let Some(shown) = &self.configuration {
            let list: Vec<Value> = shown.iter().map(Configuration::to_json).collect();
            value["federationConfiguration"] = list.into();
        }
        value
    }
}

/// Where a page says that there is more.
const NEXT: &str = "@odata.nextLink";

fn has_more(answer: &Value, link: &str) -> bool {
    answer.get(link).is_some_and(|link| !link.is_null())
}

/// `…/$metadata#domains('contoso.com')/federationConfiguration` names its domain.
fn domain_of_context(context: &str) -> Option<&str> {
    let (_, rest) = context.split_once("domains('")?;
    let (domain, _) = rest.split_once('\'')?;
    (!domain.is_empty()).then_some(domain)
}

/// A domain of the tenant that cannot be judged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnreadableDomain {
    /// Its name, as the tenant writes it, for people.
    pub name: String,
    /// What is wrong with what was shown of it.
    pub why: String,
    /// Whether that may pass.
    pub lasts: Lasts,
}

/// Whether what is wrong with a domain may pass by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lasts {
    /// Parts of Entra that do not know of a change yet look like this.
    MayPass,
    /// It is shown so.
    Stays,
}

/// For whose domains Entra compares the root of realm and person (facts §4.6).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TokenValidation {
    /// For all: the default since 2026-08.
    All,
    /// For nobody.
    Nobody,
    /// For some only, in Graph's word.
    Some(String),
}

/// What the tenant shows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tenant {
    /// Its domains.
    pub domains: Vec<DomainState>,
    /// Those of which it shows what cannot be read.
    pub unreadable: Vec<UnreadableDomain>,
    /// Whether these are all of them.
    pub is_complete: bool,
    /// Whether security defaults are on.
    pub security_defaults: Option<bool>,
    /// The policy of facts §4.6.
    pub token_validation: Option<TokenValidation>,
}

impl Tenant {
    /// The state of a domain, if it was shown.
    pub fn domain(&self, name: &DomainName) -> Option<&DomainState> {
        self.domains.iter().find(|domain| domain.name == *name)
    }

    /// Why the state of a domain cannot be judged, if it was shown and cannot.
    pub fn unreadable_domain(&self, name: &DomainName) -> Option<&UnreadableDomain> {
        self.unreadable
            .iter()
            .find(|domain| domain.name.parse().ok().as_ref() == Some(name))
    }

    /// Reads a state that a person brings: what Graph answers for `/domains`,
    /// `/domains/DOMAIN` or its `federationConfiguration`, or what [`Self::to_json`] wrote.
    /// `asked` is the domain that a configuration without a name is of.
    pub fn parse(value: &Value, asked: &DomainName) -> Result<Self, UnreadableState> {
        let mut tenant = Self::default();
        if let Some(policy) = value.get("identitySecurityDefaultsEnforcementPolicy") {
            tenant.read_security_defaults(policy)?;
        }
        if let Some(policy) = value.get("federatedTokenValidationPolicy") {
            tenant.read_token_validation(policy)?;
        }
        if let Some(list) = value.get("domains").and_then(Value::as_array) {
            tenant.read_domains(list, asked)?;
            for item in value["unreadable"].as_array().into_iter().flatten() {
                tenant.unreadable.push(UnreadableDomain {
                    name: shown(item["id"].as_str().unwrap_or_default(), 200),
                    why: shown(item["why"].as_str().unwrap_or_default(), 400),
                    lasts: Lasts::Stays,
                });
            }
            // Only who read them all says so.
            tenant.is_complete = value["isComplete"] == true;
            return Ok(tenant);
        }
        let is_domain = |item: &Value| {
            item.get("authenticationType").is_some() || item.get("isVerified").is_some()
        };
        match value.get("value").and_then(Value::as_array) {
            Some(items) if items.iter().any(is_domain) => {
                tenant.read_domains(items, asked)?;
                tenant.is_complete = !has_more(value, NEXT);
            }
            _ if is_domain(value) => tenant.domains.push(DomainState::parse(value)?),
            _ => {
                let mut domain = DomainState::unknown(asked.clone());
                domain.read_configuration(value)?;
                // An empty list alone may be that of a sub-domain or of a small permission.
                domain.authentication = domain.federation().map(|_| Authentication::Federated);
                tenant.domains.push(domain);
            }
        }
        Ok(tenant)
    }

    /// Takes the entries of a list of domains. What is wrong with `asked` is an error, what
    /// is wrong with another is kept.
    fn read_domains(&mut self, list: &[Value], asked: &DomainName) -> Result<(), UnreadableState> {
        for item in list {
            match DomainState::parse(item) {
                Ok(state) => self.domains.push(state),
                Err(error) => {
                    let id = item["id"].as_str().ok_or(UnreadableState::DomainName)?;
                    if id.parse().ok().as_ref() == Some(asked) {
                        return Err(error);
                    }
                    self.cannot_read(id, &error, Lasts::Stays);
                }
            }
        }
        Ok(())
    }

    /// Keeps that a domain of the tenant cannot be judged; `id` is what the tenant calls it.
    pub fn cannot_read(&mut self, id: &str, why: &(dyn std::error::Error + 'static), lasts: Lasts) {
        let causes = std::iter::successors(Some(why), |error| error.source());
        let said: Vec<String> = causes.map(ToString::to_string).collect();
        self.unreadable.push(UnreadableDomain {
            name: shown(id, 200),
            why: shown(&said.join(": "), 400),
            lasts,
        });
    }

    /// Takes `GET /policies/identitySecurityDefaultsEnforcementPolicy`.
    pub fn read_security_defaults(&mut self, answer: &Value) -> Result<(), UnreadableState> {
        let on = answer.get("isEnabled").and_then(Value::as_bool);
        self.security_defaults = Some(on.ok_or(UnreadableState::Value("isEnabled"))?);
        Ok(())
    }

    /// Takes `GET /policies/federatedTokenValidationPolicy`.
    pub fn read_token_validation(&mut self, answer: &Value) -> Result<(), UnreadableState> {
        let roots = answer
            .get("validatingDomains")
            .and_then(|domains| domains.get("rootDomains"))
            .and_then(Value::as_str)
            .ok_or(UnreadableState::Value("validatingDomains"))?;
        self.token_validation = Some(match roots {
            "all" => TokenValidation::All,
            "none" => TokenValidation::Nobody,
            other => TokenValidation::Some(other.to_owned()),
        });
        Ok(())
    }

    /// As one object, as [`Self::parse`] reads it.
    pub fn to_json(&self) -> Value {
        let domains: Vec<Value> = self.domains.iter().map(DomainState::to_json).collect();
        let mut value = json!({ "domains": domains, "isComplete": self.is_complete });
        if !self.unreadable.is_empty() {
            let all = self.unreadable.iter();
            value["unreadable"] = all
                .map(|domain| json!({ "id": domain.name, "why": domain.why }))
                .collect();
        }
        if let Some(on) = self.security_defaults {
            value["identitySecurityDefaultsEnforcementPolicy"] = json!({ "isEnabled": on });
        }
        if let Some(validation) = &self.token_validation {
            let roots = match validation {
                TokenValidation::All => "all",
                TokenValidation::Nobody => "none",
                TokenValidation::Some(word) => word,
            };
            value["federatedTokenValidationPolicy"] =
                json!({ "validatingDomains": { "rootDomains": roots } });
        }
        value
    }
}

#[cfg(test)]
mod tests;
