//! The practice access token: an RS256 JWT in the shape of the one that Microsoft
//! documents for Partner Center (facts §6; the fixture `partner-center-access-token`).
//!
//! Always true: `amr` holds `mfa` only where the tenant's own verifier saw the
//! class reference in a signed assertion; the key lives as long as this process.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use crate::base::clock::Timestamp;

use super::{federation::PracticeUser, throw_away::ThrowAwayKey};

/// The audience of a Partner Center token.
pub const PARTNER_CENTER: &str = "https://api.partnercenter.microsoft.com";
/// The audience of a Graph token.
pub const GRAPH: &str = "https://graph.microsoft.com";
/// How long a token is good; of the fixture: an hour and five minutes.
pub const LIFETIME_SECONDS: i64 = 3900;

/// The application in a token (`appid`, `appidacr`).
#[derive(Clone, Copy, Debug)]
pub struct Application<'a> {
    /// Its id, a GUID.
    pub id: &'a str,
    /// `0`: it did not prove to be itself; `1`: it did, with a secret.
    pub appidacr: &'static str,
}

/// Of the fixture: what `/start` signs in to.
pub const WEB_SITE: Application<'static> = Application {
    id: "23ec45a3-5127-4185-9eff-c8887839e6ab",
    appidacr: "0",
};

/// What a person's token is for.
#[derive(Clone, Copy, Debug)]
pub enum Access<'a> {
    /// Partner Center's API.
    PartnerCenter,
    /// Graph, with these permissions.
    Graph(&'a [String]),
}

/// What `amr` says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Amr {
    /// `["pwd","mfa"]`.
    PasswordAndMfa,
    /// `["rsa","mfa"]`: a certificate came first.
    CertificateAndMfa,
    /// `["pwd"]`.
    Password,
}

impl Amr {
    /// The values of the claim.
    pub fn values(self) -> &'static [&'static str] {
        match self {
            Self::PasswordAndMfa => &["pwd", "mfa"],
            Self::CertificateAndMfa => &["rsa", "mfa"],
            Self::Password => &["pwd"],
        }
    }

    /// Whether it says that there were two factors.
    pub fn has_mfa(self) -> bool {
        match self {
            Self::PasswordAndMfa | Self::CertificateAndMfa => true,
            Self::Password => false,
        }
    }
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts of base64url JSON.
    #[error("the access token is no signed JWT")]
    Form,
    /// Another algorithm than RS256, or a key that is not in the set.
    #[error("the access token is not signed with a key of this tenant")]
    Key,
    /// The signature does not hold.
    #[error("the access token's signature does not hold")]
    Signature,
}

/// Signs and publishes.
pub struct TokenIssuer {
    key: ThrowAwayKey,
    kid: String,
    tenant_id: String,
}

impl TokenIssuer {
    /// An issuer for the tenant `tenant_id` (a GUID).
    pub fn new(key: ThrowAwayKey, tenant_id: String) -> Self {
        let digest = aws_lc_rs::digest::digest(
            &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
            key.certificate(),
        );
        let kid = URL_SAFE_NO_PAD.encode(digest); // Entra's x5t: a name, not a protection
        Self {
            key,
            kid,
            tenant_id,
        }
    }

    /// The tenant's id, a GUID.
    pub fn tenant_id(&self) -> &str {
        &self.tenant_id
    }

    /// `iss` of the tenant's access tokens.
    pub fn issuer(&self) -> String {
        format!("https://sts.windows.net/{}/", self.tenant_id)
    }

    /// The key set (RFC 7517 §5), with the members that Entra's has: no `alg`, and the
    /// certificate.
    pub fn jwks(&self) -> Value {
        let mut key = self.key.jwk(&self.kid);
        if let Some(members) = key.as_object_mut() {
            members.remove("alg");
            members.insert("x5t".to_owned(), json!(self.kid));
            members.insert(
                "x5c".to_owned(),
                json!([STANDARD.encode(self.key.certificate())]),
            );
        }
        json!({ "keys": [key] })
    }

    /// An access token for `user`. None if the key could not sign.
    pub fn mint(
        &self,
        user: &PracticeUser,
        amr: Amr,
        now: Timestamp,
        application: Application<'_>,
    ) -> Option<String> {
        self.mint_for(user, amr, now, application, Access::PartnerCenter)
    }

    /// The same, for `access`.
    pub fn mint_for(
        &self,
        user: &PracticeUser,
        amr: Amr,
        now: Timestamp,
        application: Application<'_>,
        access: Access<'_>,
    ) -> Option<String> {
        let (audience, permissions) = match access {
            Access::PartnerCenter => (PARTNER_CENTER, "user_impersonation".to_owned()),
            Access::Graph(permissions) => (GRAPH, permissions.join(" ")),
        };
        let issued = now.as_secs();
        let (given, family) = user
            .display_name
            .rsplit_once(' ')
            .unwrap_or((&user.display_name, ""));
        let claims = json!({
            "aud": audience,
            "iss": self.issuer(),
            "iat": issued,
            "nbf": issued,
            "exp": issued + LIFETIME_SECONDS,
            "acr": "1",
            "amr": amr.values(),
            "appid": application.id,
            "appidacr": application.appidacr,
            "family_name": family,
            "given_name": given,
            "ipaddr": "127.0.0.1",
            "name": user.display_name,
            "oid": user.object_id,
            "scp": permissions,
            "tenant_region_scope": "NA",
            "tid": self.tenant_id,
            "unique_name": user.upn.as_str(),
            "upn": user.upn.as_str(),
            "ver": "1.0",
        });
        self.sign(&claims)
    }

    /// An access token for Graph for an application on its own (`roles`).
    pub fn mint_for_application(
        &self,
        application: Application<'_>,
        roles: &[&str],
        now: Timestamp,
    ) -> Option<String> {
        let issued = now.as_secs();
        self.sign(&json!({
            "aud": GRAPH,
            "iss": self.issuer(),
            "iat": issued,
            "nbf": issued,
            "exp": issued + LIFETIME_SECONDS,
            "appid": application.id,
            "appidacr": application.appidacr,
            "idtyp": "app",
            "oid": application.id,
            "sub": application.id,
            "roles": roles,
            "tid": self.tenant_id,
            "ver": "1.0",
        }))
    }

    /// The claims as a signed JWT (RFC 7515). None if the key could not sign.
    pub fn sign(&self, claims: &Value) -> Option<String> {
        let header = json!({ "typ": "JWT", "alg": "RS256", "x5t": self.kid, "kid": self.kid });
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signature = self.key.sign(signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The claims of `token`, if a key of `jwks` signed it with RS256.
pub fn verify(token: &str, jwks: &Value) -> Result<Value, TokenError> {
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenError::Form);
    };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Form);
    let json = |part: &str| -> Result<Value, TokenError> {
        serde_json::from_slice(&decode(part)?).map_err(|_| TokenError::Form)
    };
    let header = json(header)?;
    let body = json(claims)?;
    if header["alg"] != "RS256" {
        return Err(TokenError::Key);
    }
    let key = jwks["keys"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|key| key["kid"].is_string() && key["kid"] == header["kid"])
        .ok_or(TokenError::Key)?;
    let component = |name: &str| {
        key[name]
            .as_str()
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
            .ok_or(TokenError::Key)
    };
    let (n, e) = (component("n")?, component("e")?);
    let signed_length = token.len() - signature.len() - 1;
    RsaPublicKeyComponents { n, e }
        .verify(
            &RSA_PKCS1_2048_8192_SHA256,
            &token.as_bytes()[..signed_length],
            &decode(signature)?,
        )
        .map_err(|_| TokenError::Signature)?;
    Ok(body)
}
