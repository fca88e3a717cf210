//! What was pasted or dropped, and against what it is judged.

use axum::extract::{Multipart, multipart::MultipartError};

use crate::{
    app::test_sign_in::{OwnRegistration, cloud_by_name},
    base::clock::Timestamp,
    inspect::{
        Context, Jwks, UncheckedSignature, given, given_authorization, given_hint, given_request,
    },
    web::pages::inspect::Given,
};

/// Why a form cannot be judged: which field, and one sentence with the remedy.
#[derive(Debug, Eq, PartialEq)]
pub struct Unfit {
    /// The input's name.
    pub field: &'static str,
    /// For the person.
    pub words: String,
}

/// A form as it came.
#[derive(Default)]
pub struct Pasted {
    /// The form's token.
    pub csrf: String,
    /// The fields that are shown again.
    pub given: Given,
    /// A file, which counts before what was pasted.
    pub file: Vec<u8>,
}

impl Pasted {
    /// Reads the parts. What is not known is passed over.
    pub async fn read(mut parts: Multipart) -> Result<Self, MultipartError> {
        let mut pasted = Self::default();
        while let Some(part) = parts.next_field().await? {
            let name = part.name().unwrap_or_default().to_owned();
            let bytes = part.bytes().await?;
            let text = || String::from_utf8_lossy(&bytes).trim().to_owned();
            let given = &mut pasted.given;
            match name.as_str() {
                "csrf" => pasted.csrf = text(),
                "file" => pasted.file = bytes.to_vec(),
                "message" => given.message = text(),
                "issuer" => given.issuer = text(),
                "domain" => given.domain = text(),
                "cloud" => given.cloud = text(),
                "certificate" => given.certificate = text(),
                "request" => given.request = text(),
                "jwks" => given.jwks = text(),
                "discovery_url" => given.discovery_url = text(),
                "client_id" => given.client_id = text(),
                "hint" => given.hint = text(),
                "app_reply_urls" => given.app_reply_urls = text(),
                "at" => given.at = text(),
                "max_age" => given.max_age = text(),
                "trust_unsigned" => given.trust_unsigned = true,
                _ => {}
            }
        }
        Ok(pasted)
    }

    /// The bytes to judge.
    pub fn bytes(&self) -> Result<&[u8], Unfit> {
        let bytes = if self.file.is_empty() {
            self.given.message.as_bytes()
        } else {
            &self.file
        };
        if bytes.is_empty() {
            return Err(unfit("message", "Paste a message, or choose a file."));
        }
        Ok(bytes)
    }
}

fn unfit(field: &'static str, words: impl Into<String>) -> Unfit {
    Unfit {
        field,
        words: words.into(),
    }
}

/// The fields as they stand at first: this server's own registration.
pub fn at_first(own: Option<&OwnRegistration>) -> Given {
    let Some(own) = own else {
        return Given::default();
    };
    Given {
        issuer: own.issuer.clone(),
        domain: own.realm.to_string(),
        cloud: OWN.to_owned(),
        certificate: data_encoding::BASE64.encode(&own.certificate),
        ..Given::default()
    }
}

/// The cloud that this server is configured for.
pub const OWN: &str = "own";

/// How many reply URLs are looked at.
const MAX_REPLY_URLS: usize = 64;

/// What the fields say, at the instant `now` if they name none.
pub fn context(
    given: &Given,
    own: Option<&OwnRegistration>,
    now: Timestamp,
) -> Result<Context, Unfit> {
    let text = |field: &str| (!field.is_empty()).then(|| field.to_owned());
    let at = match given.at.as_str() {
        "" => now,
        at => Timestamp::parse_rfc3339(at).ok_or_else(|| {
            unfit(
                "at",
                "Write the instant like 2026-11-20T10:00:00Z, with its zone.",
            )
        })?,
    };
    let mut context = Context::at(at);
    context.issuer = text(&given.issuer);
    context.realm = match given.domain.as_str() {
        "" => None,
        domain => Some(
            domain
                .parse()
                .map_err(|_| unfit("domain", "Write the domain like contoso.com."))?,
        ),
    };
    context.cloud = match given.cloud.as_str() {
        OWN => own.map(|own| own.cloud.clone()),
        name => cloud_by_name(name),
    };
    if !given.certificate.is_empty() {
        context.certificates = given::certificates(given.certificate.as_bytes())
            .map_err(|error| unfit("certificate", format!("That is {error}.")))?;
    }
    if !given.request.is_empty() {
        let bytes = given.request.as_bytes();
        context.request = given_request(bytes);
        context.external_mfa.authorization = given_authorization(bytes);
        if context.request.is_none() && context.external_mfa.authorization.is_none() {
            let words = "That is no AuthnRequest with an ID, and no form that Entra posts to an external method; paste the request that was answered.";
            return Err(unfit("request", words));
        }
    }
    // Not the field Issuer: that is the domain's issuerUri, and another name.
    let external = &mut context.external_mfa;
    external.discovery_url = text(&given.discovery_url);
    external.client_id = text(&given.client_id);
    external.app_reply_urls = given
        .app_reply_urls
        .split_whitespace()
        .take(MAX_REPLY_URLS)
        .map(ToOwned::to_owned)
        .collect();
    if !given.hint.is_empty() {
        let words = "That is no id_token_hint and not its claims.";
        let hint = given_hint(given.hint.as_bytes());
        external.hint = Some(hint.ok_or_else(|| unfit("hint", words))?);
    }
    if !given.jwks.is_empty() {
        let jwks = Jwks::parse(given.jwks.as_bytes());
        context.jwks = Some(jwks.map_err(|error| unfit("jwks", format!("The keys: {error}.")))?);
    }
    if !given.max_age.is_empty() {
        let age = given::age(&given.max_age);
        context.max_age =
            Some(age.map_err(|error| unfit("max_age", format!("The age: {error}.")))?);
    }
    if given.trust_unsigned {
        context.unchecked_signature = UncheckedSignature::TakenAsGood;
    }
    Ok(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn each_field_that_cannot_be_read_is_named() {
        let bad = |change: fn(&mut Given)| {
            let mut given = Given::default();
            change(&mut given);
            context(&given, None, NOW).unwrap_err().field
        };
        assert_eq!(bad(|given| given.at = "yesterday".to_owned()), "at");
        assert_eq!(bad(|given| given.domain = "no domain".to_owned()), "domain");
        assert_eq!(
            bad(|given| given.certificate = "none".to_owned()),
            "certificate"
        );
        assert_eq!(bad(|given| given.request = "<a/>".to_owned()), "request");
        assert_eq!(bad(|given| given.jwks = "{}".to_owned()), "jwks");
        assert_eq!(bad(|given| given.max_age = "old".to_owned()), "max_age");
        assert_eq!(bad(|given| given.hint = "none".to_owned()), "hint");
        assert_eq!(
            bad(|given| {
                let pem = include_str!("../../../tests/fixtures/inspector/active.pem");
                given.certificate = pem.repeat(17);
            }),
            "certificate"
        );
        assert_eq!(
            bad(|given| given.jwks = format!("{{\"keys\":[{}{{}}]}}", "{},".repeat(64))),
            "jwks"
        );
        assert_eq!(Pasted::default().bytes().unwrap_err().field, "message");
    }

    #[test]
    fn external_mfa_is_judged_by_its_own_fields() {
        let given = Given {
            issuer: "https://idp.contoso.com/contoso.com".to_owned(),
            request: include_str!("../../../tests/fixtures/inspector/eam-request.txt").to_owned(),
            discovery_url: "https://idp.contoso.com/oidc/.well-known/openid-configuration"
                .to_owned(),
            client_id: "c".to_owned(),
            hint: r#"{"sub":"s","iat":1795000000}"#.to_owned(),
            app_reply_urls: "https://a\n https://b".to_owned(),
            ..Given::default()
        };
        let external = context(&given, None, NOW).unwrap().external_mfa;
        assert!(external.issuer.is_none() && external.discovery_url.is_some());
        assert!(
            external
                .authorization
                .is_some_and(|asked| asked.nonce.is_some())
        );
        assert_eq!(external.client_id.as_deref(), Some("c"));
        assert_eq!(external.app_reply_urls, ["https://a", "https://b"]);
        assert_eq!(
            external.hint.and_then(|hint| hint.sub).as_deref(),
            Some("s")
        );
    }

    #[test]
    fn nothing_is_assumed_that_the_fields_do_not_say() {
        let context = context(&Given::default(), None, NOW).unwrap();
        assert_eq!(context.at, NOW);
        assert!(context.issuer.is_none() && context.cloud.is_none());
        assert!(context.certificates.is_empty() && context.request.is_none());
        assert_eq!(context.unchecked_signature, UncheckedSignature::Undecided);
    }
}
