//! Tenants of Entra that take our second factor: External MFA (facts §5).
//!
//! Always true: what names a tenant is the pair of its id and the client id that we gave it
//! (one tenant may have several of our methods, and several tenants may share a client id);
//! and where Entra takes answers, who signs its hints and where its keys are follow from the
//! cloud alone: no request and no row of the database can name another address. Read next:
//! `external_mfa`, which is what the protocol works with.

use std::{fmt, str::FromStr};

use super::{EntraEndpoints, ExternalMfaCloud, ExternalMfaTenant, external_mfa::NotForPractice};
use crate::base::{
    guid::Guid,
    random::{Random, random_token},
};

/// The tenant of all personal Microsoft accounts: nobody's own.
const PERSONAL_ACCOUNTS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// A tenant whose people prove their second factor here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tenant {
    /// The tenant's id: `tid` of its hints.
    pub id: Guid,
    /// What we call the tenant's method: `client_id` of its requests, `aud` of our answers.
    pub client_id: ClientId,
    /// The application registration of the method: `aud` of the hints.
    pub application_id: Guid,
    /// The cloud that the tenant is in.
    pub cloud: TenantCloud,
    /// What operators call it.
    pub name: Option<TenantName>,
}

impl Tenant {
    /// Its name, or else its id.
    pub fn title(&self) -> String {
        match &self.name {
            Some(name) => name.to_string(),
            None => self.id.to_string(),
        }
    }

    /// As the protocol works with it. `custom` is the configured cloud of one's own, if there is one.
    ///
    /// # Errors
    /// If the tenant is in a cloud of one's own, and none is configured on this computer.
    pub fn asking(&self, custom: Option<&EntraEndpoints>) -> Result<ExternalMfaTenant, NoCloud> {
        Ok(ExternalMfaTenant {
            tenant: self.id,
            client_id: self.client_id.to_string(),
            application: self.application_id,
            cloud: self.cloud.external_mfa(custom)?,
        })
    }

    /// Whether the two are the same to Entra, whatever operators call them.
    pub fn is_same_registration(&self, other: &Self) -> bool {
        self.is_same_pair(other)
            && self.application_id == other.application_id
            && self.cloud == other.cloud
    }

    /// Whether they have the name that a request goes by in common.
    pub fn is_same_pair(&self, other: &Self) -> bool {
        self.id == other.id && self.client_id == other.client_id
    }
}

/// Why a tenant cannot be one of ours.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TenantError {
    /// Personal accounts.
    #[error(
        "{PERSONAL_ACCOUNTS} is the tenant of all personal Microsoft accounts; write the id of an organisation's tenant"
    )]
    Personal,
    /// All zeros.
    #[error("an id of zeros is nobody's; copy the tenant's and the application's id from Entra")]
    Nil,
    /// It is there already.
    #[error("the tenant {id} is there already with the client id {client_id}")]
    Present {
        /// The tenant.
        id: Guid,
        /// The client id of both.
        client_id: ClientId,
    },
    /// One tenant cannot be in two clouds.
    #[error("the tenant {id} is in the cloud \"{cloud}\" already; a tenant is in one cloud only")]
    OtherCloud {
        /// The tenant.
        id: Guid,
        /// Where it is.
        cloud: TenantCloud,
    },
}

/// Whether `tenant` may stand beside `present`.
///
/// # Errors
/// See [`TenantError`].
pub fn require_new(tenant: &Tenant, present: &[Tenant]) -> Result<(), TenantError> {
    if PERSONAL_ACCOUNTS
        .parse()
        .is_ok_and(|personal: Guid| personal == tenant.id)
    {
        return Err(TenantError::Personal);
    }
    if [tenant.id, tenant.application_id].contains(&Guid::NIL) {
        return Err(TenantError::Nil);
    }
    for known in present.iter().filter(|known| known.id == tenant.id) {
        if known.client_id == tenant.client_id {
            return Err(TenantError::Present {
                id: tenant.id,
                client_id: tenant.client_id.clone(),
            });
        }
        if known.cloud != tenant.cloud {
            return Err(TenantError::OtherCloud {
                id: tenant.id,
                cloud: known.cloud,
            });
        }
    }
    Ok(())
}

/// The client id that we gave Entra for a method.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize)]
pub struct ClientId(String);

/// A text is no client id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a client id has 1 to 128 letters of ASCII, digits and the signs - . _ ~ : / @")]
pub struct ClientIdError;

impl ClientId {
    /// The one that a tenant gets if the operator names none: always the same, so that a plan
    /// made before the tenant is added has it. The prefix tells it from the ids that stand beside
    /// it in Entra's form. It is no secret.
    pub fn of_tenant(tenant: Guid) -> Self {
        Self(format!("claimbridge-{tenant}"))
    }

    /// One that nobody has.
    pub fn random(random: &mut dyn Random) -> Self {
        Self(format!("claimbridge-{}", random_token(random)))
    }

    /// The id as Entra repeats it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientId {
    type Err = ClientIdError;

    fn from_str(text: &str) -> Result<Self, ClientIdError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/@".contains(&byte);
        if (1..=128).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ClientIdError)
        }
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What operators call a tenant.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct TenantName(String);

/// A text is no name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a name has 1 to 64 printable characters")]
pub struct TenantNameError;

impl FromStr for TenantName {
    type Err = TenantNameError;

    fn from_str(text: &str) -> Result<Self, TenantNameError> {
        let text = text.trim();
        let length = text.chars().count();
        if (1..=64).contains(&length) && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TenantNameError)
        }
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The cloud that a tenant is in.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TenantCloud {
    /// Worldwide.
    #[default]
    Global,
    /// The US government's.
    UsGov,
    /// In China, by 21Vianet.
    China,
    /// The one whose endpoints stand in `[entra.cloud]`.
    Custom,
}

/// The text names no cloud.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "write \"global\", \"us-gov\" or \"china\" (or \"custom\" for the endpoints of [entra.cloud])"
)]
pub struct CloudError;

/// The tenant's cloud has no addresses here.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoCloud {
    /// None is configured.
    #[error(
        "the tenant is in a cloud of its own, whose addresses are not configured; add authority_url and graph_url to [entra.cloud]"
    )]
    Unknown,
    /// It is not on this computer.
    #[error("authority_url of [entra.cloud]: {0}")]
    Elsewhere(#[from] NotForPractice),
}

impl TenantCloud {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Global, Self::UsGov, Self::China, Self::Custom];

    /// As it is written and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::UsGov => "us-gov",
            Self::China => "china",
            Self::Custom => "custom",
        }
    }

    /// Where its authority and its Graph are.
    ///
    /// # Errors
    /// If it is a cloud of one's own and none is configured.
    pub fn endpoints(self, custom: Option<&EntraEndpoints>) -> Result<EntraEndpoints, NoCloud> {
        match self {
            Self::Custom => custom.cloned().ok_or(NoCloud::Unknown),
            preset => EntraEndpoints::of_cloud(preset.as_str()).ok_or(NoCloud::Unknown),
        }
    }

    /// As External MFA has to do with it. A cloud of one's own is for practice, on this computer.
    ///
    /// # Errors
    /// If it is a cloud of one's own, and none is configured on this computer.
    pub fn external_mfa(
        self,
        custom: Option<&EntraEndpoints>,
    ) -> Result<ExternalMfaCloud, NoCloud> {
        match self {
            Self::Custom => {
                let endpoints = custom.ok_or(NoCloud::Unknown)?;
                Ok(ExternalMfaCloud::practice(&endpoints.authority_url)?)
            }
            preset => ExternalMfaCloud::by_name(preset.as_str()).ok_or(NoCloud::Unknown),
        }
    }
}

impl FromStr for TenantCloud {
    type Err = CloudError;

    fn from_str(text: &str) -> Result<Self, CloudError> {
        Self::ALL
            .into_iter()
            .find(|cloud| cloud.as_str() == text)
            .ok_or(CloudError)
    }
}

impl fmt::Display for TenantCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: &str, client_id: &str, cloud: TenantCloud) -> Tenant {
        Tenant {
            id: id.parse().unwrap(),
            client_id: client_id.parse().unwrap(),
            application_id: "6fa6c2ba-0d5a-4b53-9a0c-7e6a2d3f1b11".parse().unwrap(),
            cloud,
            name: None,
        }
    }

    const ONE: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    const OTHER: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";

    #[test]
    fn the_cloud_alone_says_where_answers_go() {
        // Endpoints of one's own change nothing in a preset.
        let mut custom = EntraEndpoints {
            authority_url: "http://127.0.0.1:8081".to_owned(),
            graph_url: "http://127.0.0.1:8081/graph".to_owned(),
        };
        for cloud in TenantCloud::ALL {
            assert_eq!(cloud.as_str().parse(), Ok(cloud));
            let tenant = tenant(ONE, "c", cloud);
            let asking = tenant.asking(Some(&custom)).unwrap();
            let reply = asking.cloud.reply_url();
            if cloud == TenantCloud::Custom {
                assert!(reply.starts_with("http://127.0.0.1:8081/"), "{reply}");
                assert_eq!(tenant.asking(None), Err(NoCloud::Unknown));
            } else {
                assert_eq!(tenant.asking(None).as_ref(), Ok(&asking));
                assert!(reply.starts_with("https://login."), "{reply}");
            }
            assert_eq!(
                (asking.tenant, asking.application),
                (tenant.id, tenant.application_id)
            );
        }
        // Attack 39.
        custom.authority_url = "https://login.fabrikam.example".to_owned();
        let asking = tenant(ONE, "c", TenantCloud::Custom).asking(Some(&custom));
        assert!(matches!(asking, Err(NoCloud::Elsewhere(_))), "{asking:?}");
        for text in ["", "Global", "us-gov ", "germany"] {
            assert_eq!(text.parse::<TenantCloud>(), Err(CloudError), "{text}");
        }
    }

    #[test]
    fn the_pair_of_tenant_and_client_id_is_there_once() {
        let one = tenant(ONE, "client-a", TenantCloud::Global);
        let present = std::slice::from_ref(&one);
        assert_eq!(
            require_new(&one, present),
            Err(TenantError::Present {
                id: one.id,
                client_id: one.client_id.clone(),
            })
        );
        let second_method = tenant(ONE, "client-b", TenantCloud::Global);
        let shares_client = tenant(OTHER, "client-a", TenantCloud::UsGov);
        for good in [&second_method, &shares_client] {
            assert_eq!(require_new(good, present), Ok(()));
        }
        assert_eq!(
            require_new(&tenant(ONE, "client-b", TenantCloud::UsGov), present),
            Err(TenantError::OtherCloud {
                id: one.id,
                cloud: TenantCloud::Global,
            })
        );
        assert_eq!(
            require_new(&tenant(PERSONAL_ACCOUNTS, "c", TenantCloud::Global), &[]),
            Err(TenantError::Personal)
        );
        let nil = tenant(&Guid::NIL.to_string(), "c", TenantCloud::Global);
        assert_eq!(require_new(&nil, &[]), Err(TenantError::Nil));
    }

    #[test]
    fn what_is_no_client_id_and_no_name() {
        for text in ["", " a", "a b", "ä", "a\"b", "a<b", "a\n", &"a".repeat(129)] {
            assert_eq!(text.parse::<ClientId>(), Err(ClientIdError), "{text}");
        }
        let made = ClientId::of_tenant(ONE.parse().unwrap());
        assert_eq!(made.as_str().parse().as_ref(), Ok(&made));
        assert_eq!(" Büro ".parse::<TenantName>().unwrap().to_string(), "Büro");
        for text in ["", "  ", "a\u{1b}[2J", &"a".repeat(65)] {
            assert_eq!(text.parse::<TenantName>(), Err(TenantNameError), "{text}");
        }
    }
}
