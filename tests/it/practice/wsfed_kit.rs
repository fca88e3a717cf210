//! A WS-Federation identity provider of the tests' own, and a browser that goes to it: it
//! shares no line with ours, and it can be told to get any one thing wrong.

use std::{collections::HashMap, time::Duration};

use axum::http::StatusCode;
use claimbridge::{
    base::clock::{Clock as _, Timestamp},
    practice::PromptLogin,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::{
    signer::{MULTIPLE_AUTHN, REGISTERED, Response, TestKey, sign},
    world::{Answer, Browser, ISSUER, World, world},
};

pub const SIGN_IN: &str = "http://localhost:8080/wsfed?domain=contoso.com";
pub const PASSWORD: &str = "urn:oasis:names:tc:SAML:1.0:am:password";

/// Where the signature stands.
#[derive(Clone, Copy, PartialEq)]
pub enum Placed {
    Last,
    BeforeTheStatements,
    Nowhere,
}

/// An answer to be.
#[derive(Clone)]
pub struct Token {
    pub id: String,
    pub issuer: String,
    pub audience: String,
    pub applies_to: String,
    pub upn: String,
    pub immutable_id: String,
    pub name_identifier: String,
    pub confirmation: String,
    pub minor_version: String,
    pub token_type: String,
    pub method: String,
    /// Namespace, name, value of the attributes about MFA.
    pub mfa: Vec<(String, String, String)>,
    pub issued_at: Timestamp,
    pub first_factor_at: Timestamp,
    pub second_factor_at: Option<Timestamp>,
    pub placed: Placed,
}

pub const CLAIMS: &str = "http://schemas.microsoft.com/claims";
pub const IDENTITY: &str = "http://schemas.microsoft.com/ws/2008/06/identity/claims";

pub fn claim(namespace: &str, name: &str, value: &str) -> (String, String, String) {
    (namespace.to_owned(), name.to_owned(), value.to_owned())
}

impl Token {
    /// One that deserves to be accepted, with MFA in all three places.
    pub fn good(world: &World) -> Self {
        let now = world.clock.now();
        Self {
            id: format!("_{}", now.as_millis()),
            issuer: ISSUER.to_owned(),
            audience: "urn:federation:MicrosoftOnline".to_owned(),
            applies_to: "urn:federation:MicrosoftOnline".to_owned(),
            upn: "agent1@contoso.com".to_owned(),
            immutable_id: "AGENT1id".to_owned(),
            name_identifier: "AGENT1id".to_owned(),
            confirmation: "urn:oasis:names:tc:SAML:1.0:cm:bearer".to_owned(),
            minor_version: "1".to_owned(),
            token_type: "urn:oasis:names:tc:SAML:1.0:assertion".to_owned(),
            method: MULTIPLE_AUTHN.to_owned(),
            mfa: vec![
                claim(IDENTITY, "authenticationmethod", MULTIPLE_AUTHN),
                claim(CLAIMS, "authnmethodsreferences", MULTIPLE_AUTHN),
            ],
            issued_at: now,
            first_factor_at: now,
            second_factor_at: Some(now),
            placed: Placed::Last,
        }
    }

    /// Its assertion alone.
    pub fn assertion(&self, key: &TestKey) -> String {
        let (from, until) = self.window();
        let Self {
            id,
            issuer,
            audience,
            confirmation,
            minor_version,
            method,
            first_factor_at,
            issued_at,
            name_identifier,
            ..
        } = self;
        let subject = format!(
            r#"<saml:Subject><saml:NameIdentifier Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified">{name_identifier}</saml:NameIdentifier><saml:SubjectConfirmation><saml:ConfirmationMethod>{confirmation}</saml:ConfirmationMethod></saml:SubjectConfirmation></saml:Subject>"#
        );
        let mut claims = vec![
            claim("http://schemas.xmlsoap.org/claims", "UPN", &self.upn),
            claim(
                "http://schemas.microsoft.com/LiveID/Federation/2008/05",
                "ImmutableID",
                &self.immutable_id,
            ),
            claim(
                IDENTITY,
                "authenticationinstant",
                &first_factor_at.to_string(),
            ),
        ];
        claims.extend(self.second_factor_at.map(|at| {
            claim(
                "http://schemas.microsoft.com/ws/2017/04/identity/claims",
                "multifactorauthenticationinstant",
                &at.to_string(),
            )
        }));
        claims.extend(self.mfa.iter().cloned());
        let claims: Vec<String> = claims
            .into_iter()
            .map(|(namespace, name, value)| {
                format!(
                    r#"<saml:Attribute AttributeName="{name}" AttributeNamespace="{namespace}"><saml:AttributeValue>{value}</saml:AttributeValue></saml:Attribute>"#
                )
            })
            .collect();
        let claims = claims.concat();
        let signature = Response::signature(id, key);
        let (early, late) = match self.placed {
            Placed::Last => ("", signature.as_str()),
            Placed::BeforeTheStatements => (signature.as_str(), ""),
            Placed::Nowhere => ("", ""),
        };
        let assertion = format!(
            r#"<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:1.0:assertion" MajorVersion="1" MinorVersion="{minor_version}" AssertionID="{id}" Issuer="{issuer}" IssueInstant="{issued_at}"><saml:Conditions NotBefore="{from}" NotOnOrAfter="{until}"><saml:AudienceRestrictionCondition><saml:Audience>{audience}</saml:Audience></saml:AudienceRestrictionCondition></saml:Conditions>{early}<saml:AttributeStatement>{subject}{claims}</saml:AttributeStatement><saml:AuthenticationStatement AuthenticationMethod="{method}" AuthenticationInstant="{first_factor_at}">{subject}</saml:AuthenticationStatement>{late}</saml:Assertion>"#
        );
        if self.placed == Placed::Nowhere {
            assertion
        } else {
            sign(&assertion, key)
        }
    }

    fn window(&self) -> (Timestamp, Timestamp) {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        (
            self.issued_at.minus(minutes(5)),
            self.issued_at.plus(minutes(55)),
        )
    }

    /// The signed answer as XML.
    pub fn xml(&self, key: &TestKey) -> String {
        let (from, until) = self.window();
        let assertion = self.assertion(key);
        let Self {
            applies_to,
            token_type,
            ..
        } = self;
        format!(
            r#"<t:RequestSecurityTokenResponse xmlns:t="http://schemas.xmlsoap.org/ws/2005/02/trust"><t:Lifetime><wsu:Created xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd">{from}</wsu:Created><wsu:Expires xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd">{until}</wsu:Expires></t:Lifetime><wsp:AppliesTo xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy"><wsa:EndpointReference xmlns:wsa="http://www.w3.org/2005/08/addressing"><wsa:Address>{applies_to}</wsa:Address></wsa:EndpointReference></wsp:AppliesTo><t:RequestedSecurityToken>{assertion}</t:RequestedSecurityToken><t:TokenType>{token_type}</t:TokenType><t:RequestType>http://schemas.xmlsoap.org/ws/2005/02/trust/Issue</t:RequestType><t:KeyType>http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey</t:KeyType></t:RequestSecurityTokenResponse>"#
        )
    }
}

/// A world in which contoso.com speaks WS-Federation.
pub fn wsfed_world() -> World {
    let world = world();
    registers(&world, PromptLogin::Unset);
    world
}

/// Registers contoso.com for WS-Federation, as Graph would.
pub fn registers(world: &World, prompt: PromptLogin) {
    let change = json!({
        "preferredAuthenticationProtocol": "wsFed",
        "passiveSignInUri": SIGN_IN,
        "signOutUri": "http://localhost:8080/wsfed",
        "promptLoginBehavior": prompt.as_graph(),
    });
    world.practice.with_directory(|directory| {
        let domain = directory.domain_mut("contoso.com").unwrap();
        let registration = domain.registration.as_mut().unwrap();
        registration.update(change.as_object().unwrap()).unwrap();
    });
}

/// Where the browser was sent: the parameters, and `wctx` by itself.
pub struct Sent {
    pub address: String,
    pub parameters: Vec<(String, String)>,
    pub context: String,
}

impl Sent {
    pub fn of(address: &str) -> Self {
        let url = url::Url::parse(address).unwrap();
        let parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let by_name: HashMap<_, _> = parameters.iter().cloned().collect();
        assert_eq!(by_name.len(), parameters.len(), "each once: {address}");
        Self {
            address: address.to_owned(),
            context: by_name["wctx"].clone(),
            parameters,
        }
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Browser {
    /// Presses a button of the tenant that goes to the identity provider by the address.
    pub async fn leaves(&mut self, world: &World, path: &str) -> Sent {
        let answer = self.get(world, path).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        Sent::of(answer.location())
    }

    /// Brings an answer back.
    pub async fn returns(&mut self, world: &World, wresult: &str, wctx: &str) -> Answer {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let form = format!(
            "wa=wsignin1.0&wresult={}&wctx={}",
            encode(wresult),
            encode(wctx)
        );
        self.post_from_elsewhere(world, "/login.srf", &form).await
    }

    /// Goes there, lets `change` spoil the answer, and brings it back.
    pub async fn wsfed_sign_in(
        &mut self,
        world: &World,
        path: &str,
        change: impl FnOnce(&mut Token),
    ) -> Answer {
        // No two assertions have one id.
        world.clock.advance(Duration::from_millis(1));
        let sent = self.leaves(world, path).await;
        let mut token = Token::good(world);
        change(&mut token);
        self.returns(world, &token.xml(&REGISTERED), &sent.context)
            .await
    }
}
