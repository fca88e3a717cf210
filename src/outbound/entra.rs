//! Entra ID's authorization server, as a client sees it: OpenID Connect with PKCE
//! (RFC 7636), the device grant (RFC 8628), refresh tokens, in the versions 1 and 2 of
//! its endpoints (facts §6.1, §6.4).
//!
//! Always true: the endpoints come from the authority's own document and lie on the
//! authority's own origin; an id_token counts after openidconnect has verified signature,
//! issuer, audience, nonce and lifetime; tokens are secrets and stand in no error.

mod claims;
mod device;
mod discovery;
mod refusal;
mod tokens;

use openidconnect::{
    AccessToken, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope, TokenResponse as _,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType,
        CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm, CoreRevocableToken, CoreRevocationErrorResponse,
        CoreTokenIntrospectionResponse, CoreTokenType,
    },
};

use crate::base::{
    clock::Timestamp,
    random::{Random, random_token},
    secret::Secret,
};

use super::{
    graph::harmless,
    guard::{Outbound, OutboundError},
};

pub use claims::SignedInPerson;
pub use device::DeviceCode;
pub use discovery::{Authority, AuthorityError, DiscoveryError, Version};
pub use refusal::Refusal;

use claims::EntraClaims;
use discovery::Provider;

/// The public client that Microsoft's script Test-PartnerSecurityRequirement uses: Azure CLI's (facts §6.1).
pub const MICROSOFT_SCRIPT_CLIENT: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
/// The public client of Microsoft Graph's own command line tools and PowerShell.
pub const GRAPH_TOOLS_CLIENT: &str = "14d82eec-204b-4c2f-b7e8-296a70dab67e";

type IdTokenFields = openidconnect::IdTokenFields<
    EntraClaims,
    openidconnect::EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type EntraTokenResponse = openidconnect::StandardTokenResponse<IdTokenFields, CoreTokenType>;
type EntraClient = openidconnect::Client<
    EntraClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    openidconnect::StandardErrorResponse<CoreErrorResponseType>,
    EntraTokenResponse,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub enum EntraError {
    /// Entra says no, in its own words.
    #[error("Entra refused")]
    Refused(Refusal),
    /// The authority's document is not usable.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// No answer came.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// The answer is not what a token endpoint answers.
    #[error("the token endpoint's answer cannot be read ({0})")]
    Unreadable(String),
    /// The document is of no tenant, or of another.
    #[error(
        "{asked} was asked for, and the authority's document is of {issuer}; name the tenant by its id or one of its domains, and see that this is Entra's authority"
    )]
    OtherTenant {
        /// Asked for.
        asked: String,
        /// Whose document it is.
        issuer: String,
    },
    /// The id_token is missing or does not hold.
    #[error("the id_token does not hold ({0}); this may not be the server that was asked for")]
    IdToken(String),
}

type TokenError<T> = RequestTokenError<OutboundError, T>;

impl<T: openidconnect::ErrorResponse + refusal::Says + 'static> From<TokenError<T>> for EntraError {
    fn from(error: TokenError<T>) -> Self {
        match error {
            RequestTokenError::ServerResponse(says) => Self::Refused(says.refusal()),
            RequestTokenError::Request(error) => Self::Outbound(error),
            // The body may hold tokens: only the place of the first error is told.
            RequestTokenError::Parse(error, _) => {
                Self::Unreadable(format!("at {}", harmless(&error.path().to_string())))
            }
            RequestTokenError::Other(text) => Self::Unreadable(harmless(&text)),
        }
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    /// The application's id.
    pub id: String,
    /// Its secret, if it is no public client.
    pub secret: Option<Secret<String>>,
}

/// What the token shall be for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The API's identifier, such as `https://api.partnercenter.microsoft.com`.
    pub resource: String,
    /// What it shall permit there.
    pub permissions: Permissions,
    /// Whether a refresh token is asked for.
    pub refresh: WantsRefresh,
}

/// What a token shall permit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Permissions {
    /// To act as the person.
    UserImpersonation,
    /// These, by name, such as `Domain.Read.All`.
    Named(Vec<String>),
    /// What an administrator granted the application.
    Granted,
}

impl Wanted {
    /// The scopes of version 2 that name the resource.
    fn resource_scopes(&self) -> Vec<String> {
        let resource = self.resource.trim_end_matches('/');
        let named = |name: &str| format!("{resource}/{name}");
        match &self.permissions {
            Permissions::UserImpersonation => vec![named("user_impersonation")],
            Permissions::Granted => vec![named(".default")],
            Permissions::Named(all) => all.iter().map(|name| named(name)).collect(),
        }
    }
}

/// Whether a refresh token is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WantsRefresh {
    /// Yes: `offline_access`.
    Yes,
    /// No: nothing is left behind.
    No,
}

/// How the person is asked.
#[derive(Clone, Debug, Default)]
pub struct Asking {
    /// `prompt=login`: sign in anew, as Microsoft's script does.
    pub anew: bool,
    /// `amr_values=mfa`: the partner consent of the Secure Application Model (facts §6.4).
    pub mfa: bool,
    /// `login_hint`.
    pub login_hint: Option<String>,
}

/// What came of a sign-in.
#[derive(Debug)]
pub struct Tokens {
    /// The access token.
    pub access_token: Secret<String>,
    /// The refresh token, if there is one.
    pub refresh_token: Option<Secret<String>>,
    /// Who the verified id_token says signed in. A refresh may bring none.
    pub person: Option<SignedInPerson>,
}

/// An authorization request that waits for its answer.
#[derive(Debug)]
pub struct Pending {
    /// Where the browser goes.
    pub address: String,
    /// What the answer must carry.
    pub state: String,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

/// A client of one authority.
#[derive(Debug)]
pub struct Entra {
    outbound: Outbound,
    provider: Provider,
    client: EntraClient,
    version: Version,
}

impl Entra {
    /// Reads the authority's document and keys.
    pub async fn discover(
        outbound: &Outbound,
        authority: &Authority,
        version: Version,
        identity: &ClientIdentity,
    ) -> Result<Self, EntraError> {
        let provider = discovery::discover(outbound, authority, version).await?;
        let secret = identity
            .secret
            .as_ref()
            .map(|secret| ClientSecret::new(secret.expose().clone()));
        let client = EntraClient::from_provider_metadata(
            provider.metadata.clone(),
            ClientId::new(identity.id.clone()),
            secret,
        )
        // In the body: what Microsoft's own samples do, and a secret with any character survives it.
        .set_auth_type(openidconnect::AuthType::RequestBody);
        Ok(Self {
            outbound: outbound.clone(),
            provider,
            client,
            version,
        })
    }

    /// The tenant that the authority's own document is of, a GUID: what it issues is of that
    /// one, whoever asks.
    ///
    /// # Errors
    /// [`EntraError::OtherTenant`] where the document is of any tenant, or of another than
    /// `authority` names by its id.
    pub fn tenant_id(&self, authority: &Authority) -> Result<String, EntraError> {
        let issuer = self.provider.metadata.issuer().as_str();
        claims::tenant_of(issuer, authority.tenant()).ok_or_else(|| EntraError::OtherTenant {
            asked: authority.tenant().to_owned(),
            issuer: harmless(issuer),
        })
    }

    /// The keys, as they were published: access tokens are verified with them.
    pub fn jwks(&self) -> &[u8] {
        &self.provider.jwks
    }

    /// The address that asks the person to sign in, and what to remember until the answer.
    pub fn authorization(
        &self,
        redirect_uri: &str,
        wanted: &Wanted,
        asking: &Asking,
        random: &mut dyn Random,
    ) -> Result<Pending, EntraError> {
        let (state, nonce) = (random_token(random), Nonce::new(random_token(random)));
        // 43 characters at the least (RFC 7636 §4.1): 52 of base32, 256 random bits.
        let verifier =
            PkceCodeVerifier::new(format!("{}{}", random_token(random), random_token(random)));
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let (given_state, given_nonce) = (state.clone(), nonce.clone());
        let client = self
            .client
            .clone()
            .set_redirect_uri(redirect(redirect_uri)?);
        let mut request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(given_state),
                move || given_nonce,
            )
            .set_pkce_challenge(challenge)
            .add_scopes(self.scopes(wanted));
        if self.version == Version::V1 {
            request = request.add_extra_param("resource", wanted.resource.clone());
        }
        if asking.anew {
            request = request.add_prompt(CoreAuthPrompt::Login);
        }
        if asking.mfa {
            request = request.add_extra_param("amr_values", "mfa");
        }
        if let Some(hint) = &asking.login_hint {
            request = request.add_extra_param("login_hint", hint.clone());
        }
        let (address, _, _) = request.url();
        Ok(Pending {
            address: address.into(),
            state,
            nonce,
            verifier,
        })
    }

    /// Exchanges the code for tokens.
    pub async fn redeem(
        &self,
        code: Secret<String>,
        redirect_uri: &str,
        pending: Pending,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Tokens, EntraError> {
        let client = self
            .client
            .clone()
            .set_redirect_uri(redirect(redirect_uri)?);
        let mut request = client
            .exchange_code(AuthorizationCode::new(code.expose().clone()))
            .map_err(no_token_endpoint)?
            .set_pkce_verifier(pending.verifier);
        if self.version == Version::V1 {
            request = request.add_extra_param("resource", wanted.resource.clone());
        }
        let answer = request
            .request_async(&|request| tokens::call(&self.outbound, request))
            .await?;
        let person = self.person(&answer, Some(&pending.nonce), now)?;
        Ok(tokens_of(&answer, Some(person)))
    }

    /// New tokens for a refresh token (RFC 6749 §6).
    pub async fn refresh(
        &self,
        refresh_token: &Secret<String>,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Tokens, EntraError> {
        let token = RefreshToken::new(refresh_token.expose().clone());
        let mut request = self
            .client
            .exchange_refresh_token(&token)
            .map_err(no_token_endpoint)?
            .add_scopes(self.scopes(wanted));
        if self.version == Version::V1 {
            request = request
                .add_extra_param("resource", wanted.resource.clone())
                .add_scope(Scope::new("openid".to_owned()));
        }
        let answer = request
            .request_async(&|request| tokens::call(&self.outbound, request))
            .await?;
        let person = match answer.id_token() {
            Some(_) => Some(self.person(&answer, None, now)?),
            None => None,
        };
        Ok(tokens_of(&answer, person))
    }

    /// A token of the application itself (RFC 6749 §4.4): no person signs in.
    pub async fn application_token(&self, wanted: &Wanted) -> Result<Secret<String>, EntraError> {
        let answer = self
            .client
            .exchange_client_credentials()
            .map_err(no_token_endpoint)?
            .add_scopes(wanted.resource_scopes().into_iter().map(Scope::new))
            .request_async(&|request| tokens::call(&self.outbound, request))
            .await?;
        Ok(Secret::new(answer.access_token().secret().clone()))
    }

    /// Scopes beside `openid`, which the library adds itself.
    fn scopes(&self, wanted: &Wanted) -> Vec<Scope> {
        let mut scopes = match self.version {
            // Version 1 names the resource by a parameter.
            Version::V1 => Vec::new(),
            Version::V2 => {
                let mut scopes = wanted.resource_scopes();
                scopes.push("profile".to_owned());
                scopes
            }
        };
        if wanted.refresh == WantsRefresh::Yes && self.version == Version::V2 {
            scopes.push("offline_access".to_owned());
        }
        scopes.into_iter().map(Scope::new).collect()
    }

    fn person(
        &self,
        answer: &EntraTokenResponse,
        nonce: Option<&Nonce>,
        now: Timestamp,
    ) -> Result<SignedInPerson, EntraError> {
        let token = answer
            .id_token()
            .ok_or_else(|| EntraError::IdToken("there is none".to_owned()))?;
        claims::verify(token, &self.provider, self.client.client_id(), nonce, now)
    }
}

fn redirect(uri: &str) -> Result<RedirectUrl, EntraError> {
    RedirectUrl::new(uri.to_owned()).map_err(|error| EntraError::Unreadable(error.to_string()))
}

fn no_token_endpoint(_: openidconnect::ConfigurationError) -> EntraError {
    EntraError::Discovery(DiscoveryError::Lacks("token_endpoint"))
}

fn tokens_of(answer: &EntraTokenResponse, person: Option<SignedInPerson>) -> Tokens {
    let access: &AccessToken = answer.access_token();
    Tokens {
        access_token: Secret::new(access.secret().clone()),
        refresh_token: answer
            .refresh_token()
            .map(|token| Secret::new(token.secret().clone())),
        person,
    }
}
