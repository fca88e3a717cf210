//! The way from what a tenant has to what it should have: differences, calls, warnings.
//!
//! Always true: a managed domain gets a POST, a federated one a PATCH with the changed
//! properties only, a sub-domain nothing; nothing is ever deleted. What not every tenant
//! takes has a call of its own, whose refusal stops nothing. Without a state the plan is made
//! as if the domain were managed, and says so.

use serde_json::{Map, Value, json};

use super::{
    configuration::{Configuration, ODATA_TYPE},
    property::{Property, Setting},
    tenant::{Authentication, DomainState, Tenant},
    wanted::{RequestSigning, Wanted},
};
use crate::{
    base::{clock::Timestamp, text::DomainName},
    inspect::{self, Consumer, Context, Known, Severity},
    relying_party::DomainProtocol,
};

/// A method of HTTP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// Makes the object.
    Post,
    /// Changes properties of it.
    Patch,
}

impl Method {
    /// As HTTP writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Patch => "PATCH",
        }
    }

    /// From HTTP's word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Post, Self::Patch]
            .into_iter()
            .find(|method| method.as_str() == text)
    }
}

/// One call of Graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// How.
    pub method: Method,
    /// Where, behind Graph's host: `/v1.0/domains/contoso.com/…`.
    pub path: String,
    /// With what.
    pub body: Value,
    /// Whether the rest is worth nothing without it.
    pub weight: CallWeight,
}

/// What a refusal of a call means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallWeight {
    /// The change ends there.
    Must,
    /// It is told, and the change goes on.
    MayFail,
}

/// Stands in a path for the id of an object that is not made, or was not shown, yet.
pub const ID_TO_COME: &str = "{id}";

impl Call {
    /// Whether the tenant shows that it took place: everything that it says is so.
    pub fn is_in_force(&self, state: &DomainState) -> bool {
        let members = self.body.as_object().into_iter().flatten();
        members
            .filter(|(name, _)| !name.starts_with('@'))
            .all(|(name, value)| match Property::by_name(name) {
                None => {
                    name == "authenticationType"
                        && state.authentication.map(Authentication::as_str) == value.as_str()
                }
                Some(property) => state
                    .federation()
                    .is_some_and(|has| has.get(property) == property.read(value).as_ref()),
            })
    }
}

/// A property that is not as it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// Which.
    pub property: Property,
    /// What it is; nothing: unset.
    pub was: Option<Setting>,
    /// What it will be; nothing: unset.
    pub will: Option<Setting>,
}

/// What the inspector says of the result.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// The rule's id.
    pub rule: &'static str,
    /// How bad.
    pub severity: Severity,
    /// What is so.
    pub title: String,
    /// Where it is seen.
    pub evidence: String,
    /// What to do.
    pub fix: String,
}

/// What there is to do for one domain.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The domain.
    pub domain: DomainName,
    /// The domain whose federation it has, if that is another.
    pub inherits: Option<DomainName>,
    /// Whether the tenant's state was known.
    pub is_of_state: bool,
    /// Whether the domain becomes federated by this.
    pub converts: bool,
    /// What is not as it should be.
    pub differences: Vec<Difference>,
    /// What would mend it.
    pub calls: Vec<Call>,
    /// What the tenant shows of a sub-domain that cannot be: a sentence.
    pub contradicts: Option<String>,
    /// Rules that the domain breaks today and no longer will.
    pub mends: Vec<&'static str>,
    /// Rules that the result still breaks.
    pub warnings: Vec<Warning>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Whether what is left is worth a note only: a call that a tenant need not take.
    pub fn is_only_what_may_fail(&self) -> bool {
        self.calls
            .iter()
            .all(|call| call.weight == CallWeight::MayFail)
    }

    /// Whether somebody has something to do: a call, or what no call mends.
    pub fn is_to_do(&self) -> bool {
        !self.is_empty()
            || self.contradicts.is_some()
            || self
                .warnings
                .iter()
                .any(|warning| warning.severity == Severity::Error)
    }
}

/// Where a domain's federation lies.
pub fn federation_path(domain: &DomainName) -> String {
    format!("/v1.0/domains/{domain}/federationConfiguration")
}

/// What there is to do so that the tenant has what is wanted.
pub fn plan(wanted: &Wanted, present: Option<&Tenant>, now: Timestamp) -> Plan {
    let domain = wanted.domain.name.clone();
    let state = present.and_then(|tenant| tenant.domain(&domain));
    let has = state.and_then(DomainState::federation);
    let mut plan = Plan {
        inherits: wanted.is_inherited().then(|| wanted.domain.root.clone()),
        is_of_state: state.is_some(),
        converts: false,
        differences: Vec::new(),
        calls: Vec::new(),
        contradicts: None,
        mends: Vec::new(),
        warnings: Vec::new(),
        domain,
    };
    if wanted.is_inherited() {
        // Its root's federation is its own; a foreign object of its own is told, not touched.
        plan.warnings = match has {
            Some(own) => judge(wanted, state, own, present, now),
            None => Vec::new(),
        };
        plan.contradicts = state.and_then(|state| contradiction(wanted, state));
        return plan;
    }
    plan.differences = differences(wanted, has);
    let result = with(has, &plan.differences);
    plan.warnings = judge(wanted, state, &result, present, now);
    if let Some(before) = has {
        let remaining: Vec<_> = plan.warnings.iter().map(|warning| warning.rule).collect();
        plan.mends = judge(wanted, state, before, present, now)
            .into_iter()
            .map(|warning| warning.rule)
            .filter(|rule| !remaining.contains(rule))
            .collect();
    }
    plan.calls = calls(wanted, has, &plan.differences);
    plan.converts = !plan.calls.is_empty()
        && has.is_none()
        && state.and_then(|state| state.authentication) != Some(Authentication::Federated);
    plan
}

/// What a sub-domain shows that it cannot have from its root.
fn contradiction(wanted: &Wanted, state: &DomainState) -> Option<String> {
    let (name, root) = (&wanted.domain.name, &wanted.domain.root);
    if state.authentication == Some(Authentication::Managed) {
        return Some(format!(
            "{name} is managed, although it lies below {root}: its people do not sign in here"
        ));
    }
    if state.is_root == Some(true) {
        return Some(format!(
            "{name} was made a root domain of its own and no longer has the federation of {root}"
        ));
    }
    let own = state.federation()?;
    let roots = wanted.of_root();
    let unlike: Vec<&str> = differences(&roots, Some(own))
        .iter()
        .map(|difference| difference.property.name())
        .collect();
    (!unlike.is_empty()).then(|| {
        format!(
            "{name} has a federation of its own, which is unlike that of {root} in {}",
            unlike.join(", ")
        )
    })
}

/// What is not as it should be.
pub fn differences(wanted: &Wanted, has: Option<&Configuration>) -> Vec<Difference> {
    wanted
        .values()
        .filter_map(|(property, will)| {
            let was = has.and_then(|has| has.get(property));
            if wanted.is_met(property, was) && (has.is_some() || will.is_none()) {
                return None;
            }
            let will = match (will, was) {
                // Platforms that came later stay.
                (Some(Setting::Platforms(will)), Some(Setting::Platforms(was))) => {
                    Some(Setting::Platforms(will.union(was).cloned().collect()))
                }
                (will, _) => will.cloned(),
            };
            Some(Difference {
                property,
                was: was.cloned(),
                will,
            })
        })
        .collect()
}

/// What the tenant has when the differences are mended.
fn with(has: Option<&Configuration>, differences: &[Difference]) -> Configuration {
    let mut result = has.cloned().unwrap_or_default();
    for difference in differences {
        result.set(difference.property, difference.will.clone());
    }
    result
}

fn calls(wanted: &Wanted, has: Option<&Configuration>, differences: &[Difference]) -> Vec<Call> {
    let path = federation_path(&wanted.domain.name);
    let id = has.and_then(|has| has.id.as_deref()).unwrap_or(ID_TO_COME);
    // Graph's schema and its page spell a platform differently, and in some clouds the property
    // is a preview: a "no" to it must not sink what sign-in rests on.
    let (browsers, most): (Vec<_>, Vec<_>) = differences
        .iter()
        .partition(|difference| difference.property == Property::SystemBrowserEnabledOn);
    let mut calls = Vec::new();
    if !most.is_empty() {
        calls.push(match has {
            None => Call {
                method: Method::Post,
                path: path.clone(),
                body: body(&most),
                weight: CallWeight::Must,
            },
            Some(_) => Call {
                method: Method::Patch,
                path: format!("{path}/{id}"),
                body: body(&most),
                weight: CallWeight::Must,
            },
        });
    }
    if !browsers.is_empty() {
        calls.push(Call {
            method: Method::Patch,
            path: format!("{path}/{id}"),
            body: body(&browsers),
            weight: CallWeight::MayFail,
        });
    }
    calls
}

fn body(differences: &[&Difference]) -> Value {
    let mut body = Map::new();
    body.insert("@odata.type".to_owned(), ODATA_TYPE.into());
    for difference in differences {
        let value = difference
            .will
            .as_ref()
            .map_or(Value::Null, Setting::to_json);
        body.insert(difference.property.name().to_owned(), value);
    }
    Value::Object(body)
}

/// The rules of the inspector over a configuration of this domain.
fn judge(
    wanted: &Wanted,
    state: Option<&DomainState>,
    configuration: &Configuration,
    tenant: Option<&Tenant>,
    now: Timestamp,
) -> Vec<Warning> {
    let name = &wanted.domain.name;
    // Only what may be set: a member of another name must not be judged instead of the object.
    let mut bare = Configuration::default();
    for property in Property::ALL {
        bare.set(property, configuration.get(property).cloned());
    }
    let shown = json!({
        "id": name,
        "isDefault": state.and_then(|state| state.is_default).unwrap_or(false),
        "federationConfiguration": [bare.to_json()],
    });
    let mut context = Context::at(now);
    context.expect = Some(match wanted.ours.protocol(&wanted.domain.root) {
        DomainProtocol::Saml => Consumer::EntraSaml2,
        DomainProtocol::WsFed => Consumer::EntraWsfed,
    });
    context.issuer = Some(wanted.domain.issuer_uri.clone());
    context.realm = Some(wanted.domain.root.clone());
    context.certificates = wanted.ours.certificates.all();
    let federation = &mut context.federation;
    // A sub-domain's people come to its root's address.
    federation.sign_in_url = Some(wanted.ours.sign_in_url(&wanted.domain.root));
    federation.sign_out_url = Some(wanted.ours.sign_out_url(&wanted.domain.root));
    federation.request_keys = match wanted.ours.request_signing {
        RequestSigning::Unverifiable => Known::No,
        _ => Known::Yes,
    };
    federation.security_defaults = match tenant.and_then(|tenant| tenant.security_defaults) {
        Some(true) => Known::Yes,
        Some(false) => Known::No,
        None => Known::Unknown,
    };
    federation.others = others(wanted, tenant);
    inspect::inspect(shown.to_string().as_bytes(), &context)
        .findings
        .into_iter()
        .filter(|finding| finding.severity != Severity::Undecided)
        .map(|finding| Warning {
            rule: finding.rule,
            severity: finding.severity,
            title: finding.title.to_string(),
            evidence: finding.evidence,
            fix: finding.fix,
        })
        .collect()
}

/// The issuers of other domains: ours, and those that the tenant shows.
fn others(wanted: &Wanted, tenant: Option<&Tenant>) -> Vec<(DomainName, String)> {
    let mut others: Vec<(DomainName, String)> = wanted
        .ours
        .domains
        .iter()
        .map(|domain| (domain.name.clone(), domain.issuer_uri.clone()))
        .collect();
    for domain in tenant.into_iter().flat_map(|tenant| &tenant.domains) {
        if let Some(issuer) = domain
            .federation()
            .and_then(|federation| federation.text(Property::IssuerUri))
        {
            others.push((domain.name.clone(), issuer.to_owned()));
        }
    }
    others.retain(|(name, _)| *name != wanted.domain.name);
    others
}
