//! A service provider that signs people out: its messages, and what it is sent.

use std::{collections::BTreeMap, io::Write as _, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use claimbridge::{
    base::clock::Timestamp,
    keys::{KeyPurpose, SigningKey},
    protocol::{saml::binding::inflate, xml::signature},
    relying_party::{
        EntityId, EntraCloud, LogoutBinding, RelyingParty, RelyingPartyKind, ReplyUrl,
        RequestSignature, SingleLogout,
    },
};

use crate::{
    saml_kit::{assertion_key, new_key},
    support::{
        Browser, PUBLIC_URL, Page, Person, World,
        entra::{self, Answer},
    },
};

pub const SLO: &str = "https://idp.example.com/saml2/slo";
pub const SUCCESS: &str = "Success";

/// A service provider with a key.
pub struct Party {
    pub entity_id: String,
    pub slo: String,
    pub key: Arc<SigningKey>,
}

impl Party {
    /// Registered, with sign-out over `binding`.
    pub async fn register(world: &World, name: &str, binding: LogoutBinding) -> Self {
        Self::register_as(world, name, Some(binding), RequestSignature::Optional).await
    }

    pub async fn register_as(
        world: &World,
        name: &str,
        binding: Option<LogoutBinding>,
        request_signature: RequestSignature,
    ) -> Self {
        let party = Self {
            entity_id: format!("https://{name}.example.com/sp"),
            slo: format!("https://{name}.example.com/slo?a=b"),
            key: assertion_key(&new_key()),
        };
        let registered = RelyingParty {
            entity_id: EntityId(party.entity_id.clone()),
            display_name: format!("The {name}"),
            kind: RelyingPartyKind::ServiceProvider,
            reply_urls: vec![ReplyUrl {
                index: 0,
                url: format!("https://{name}.example.com/acs"),
                preferred: true,
            }],
            request_certificates: vec![party.key.certificate.clone()],
            request_signature,
            session_max_age: Duration::from_hours(8),
            single_logout: binding.map(|binding| SingleLogout {
                binding,
                request_url: party.slo.clone(),
                response_url: None,
            }),
            ..EntraCloud::global().relying_party(Vec::new())
        };
        let app = world.app();
        claimbridge::app::relying_parties::add(app.store(), app.settings(), registered, "tester")
            .await
            .unwrap();
        party
    }

    /// A sign-in request of it.
    pub fn sign_in(&self, at: Timestamp) -> entra::AuthnRequest {
        entra::AuthnRequest {
            issuer: self.entity_id.clone(),
            ..entra::request(at)
        }
    }

    /// A sign-out request of it for what it was told.
    pub fn sign_out(&self, at: Timestamp, told: &Answer) -> Logout {
        Logout {
            id: entra::request(at).id,
            element: "LogoutRequest",
            issuer: self.entity_id.clone(),
            at,
            attributes: format!(" Destination=\"{SLO}\""),
            rest: format!(
                "<a:NameID xmlns:a=\"urn:oasis:names:tc:SAML:2.0:assertion\" Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\">{}</a:NameID><p:SessionIndex>{}</p:SessionIndex>",
                told.name_id().unwrap(),
                told.session_index().unwrap()
            ),
            relay_state: Some("where I was & who".to_owned()),
        }
    }

    /// Its answer to what it was sent.
    pub fn answer(&self, at: Timestamp, asked: &Sent, status: &str) -> Logout {
        Logout {
            id: entra::request(at).id,
            element: "LogoutResponse",
            issuer: self.entity_id.clone(),
            at,
            attributes: format!(" Destination=\"{SLO}\" InResponseTo=\"{}\"", asked.id()),
            rest: format!(
                "<p:Status><p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:{status}\"/></p:Status>"
            ),
            relay_state: None,
        }
    }
}

/// A message of a party.
#[derive(Clone)]
pub struct Logout {
    pub id: String,
    pub element: &'static str,
    pub issuer: String,
    pub at: Timestamp,
    pub attributes: String,
    pub rest: String,
    pub relay_state: Option<String>,
}

impl Logout {
    pub fn xml(&self) -> String {
        self.with_signature("")
    }

    fn with_signature(&self, signature: &str) -> String {
        let Self {
            id,
            element,
            issuer,
            at,
            attributes,
            rest,
            ..
        } = self;
        format!(
            "<p:{element} xmlns:p=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{at}\"{attributes}><a:Issuer xmlns:a=\"urn:oasis:names:tc:SAML:2.0:assertion\">{issuer}</a:Issuer>{signature}{rest}</p:{element}>"
        )
    }

    /// With an enveloped signature.
    pub fn signed_xml(&self, key: &SigningKey) -> String {
        let template = signature::template(&self.id, &key.certificate);
        let signer = key.signer_for(KeyPurpose::Assertion).unwrap();
        signature::sign(&self.with_signature(&template), signer).unwrap()
    }

    fn parameter(&self) -> &'static str {
        match self.element {
            "LogoutRequest" => "SAMLRequest",
            _ => "SAMLResponse",
        }
    }

    /// `/saml2/slo?…`, not signed.
    pub fn redirect(&self) -> String {
        format!("/saml2/slo?{}", self.query(&self.xml()))
    }

    fn query(&self, xml: &str) -> String {
        let mut deflate =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        deflate.write_all(xml.as_bytes()).unwrap();
        let message = BASE64.encode(deflate.finish().unwrap());
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair(self.parameter(), &message);
        if let Some(state) = &self.relay_state {
            query.append_pair("RelayState", state);
        }
        query.finish()
    }

    /// `/saml2/slo?…` with a signature beside it.
    pub fn signed_redirect(&self, key: &SigningKey) -> String {
        let algorithm: String =
            url::form_urlencoded::byte_serialize(signature::RSA_SHA256.as_bytes()).collect();
        let signed = format!("{}&SigAlg={algorithm}", self.query(&self.xml()));
        let private = key.signer_for(KeyPurpose::Assertion).unwrap();
        let value = BASE64.encode(private.sign(signed.as_bytes()).unwrap());
        let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        format!("/saml2/slo?{signed}&Signature={value}")
    }

    /// Arrives by a form of the party's site: the browser brings no cookie of ours, and goes on
    /// with them.
    pub async fn post(&self, browser: &mut Browser, xml: &str) -> Page {
        let kept = std::mem::take(&mut browser.cookies);
        let body = {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            form.append_pair(self.parameter(), &BASE64.encode(xml));
            if let Some(state) = &self.relay_state {
                form.append_pair("RelayState", state);
            }
            form.finish()
        };
        let page = browser.request("POST", "/saml2/slo", Some(body)).await;
        let set = std::mem::replace(&mut browser.cookies, kept);
        browser.cookies.extend(set);
        match page.redirect() {
            Some(to) if to.starts_with('/') => browser.get(&to).await,
            _ => page,
        }
    }
}

/// What a browser takes to a party.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The address, without the parameters of the binding.
    pub to: String,
    pub xml: String,
    pub relay_state: Option<String>,
    /// The query of a redirect, as it is.
    pub query: Option<String>,
}

impl Sent {
    /// By a redirect, a link or a form.
    pub fn of(page: &Page) -> Self {
        if let Some(form) = page.forms().into_iter().find(|form| {
            form.inputs
                .iter()
                .any(|input| input.name.starts_with("SAMLRe"))
        }) {
            let fields: BTreeMap<String, String> = form
                .inputs
                .into_iter()
                .map(|input| (input.name, input.value))
                .collect();
            let message = fields
                .get("SAMLRequest")
                .or(fields.get("SAMLResponse"))
                .unwrap();
            return Self {
                to: form.action,
                xml: String::from_utf8(BASE64.decode(message).unwrap()).unwrap(),
                relay_state: fields.get("RelayState").cloned(),
                query: None,
            };
        }
        let address = page
            .redirect()
            .or_else(|| page.link())
            .unwrap_or_else(|| panic!("nothing is sent: {}\n{}", page.status, page.text()));
        let from = address
            .find("SAMLRe")
            .unwrap_or_else(|| panic!("{address}"));
        let (to, query) = address.split_at(from);
        let fields: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let message = fields
            .get("SAMLRequest")
            .or(fields.get("SAMLResponse"))
            .unwrap();
        Self {
            to: to.trim_end_matches(['?', '&']).to_owned(),
            xml: String::from_utf8(inflate(&BASE64.decode(message).unwrap()).unwrap()).unwrap(),
            relay_state: fields.get("RelayState").cloned(),
            query: Some(query.to_owned()),
        }
    }

    fn read<T>(&self, read: impl FnOnce(&roxmltree::Document<'_>) -> T) -> T {
        read(&roxmltree::Document::parse(&self.xml).unwrap())
    }

    pub fn element(&self) -> String {
        self.read(|document| document.root_element().tag_name().name().to_owned())
    }

    pub fn attribute(&self, name: &str) -> Option<String> {
        self.read(|document| {
            document
                .root_element()
                .attribute(name)
                .map(ToOwned::to_owned)
        })
    }

    pub fn id(&self) -> String {
        self.attribute("ID").unwrap()
    }

    pub fn text_of(&self, name: &str) -> Option<String> {
        self.read(|document| {
            document
                .descendants()
                .find(|node| node.tag_name().name() == name)
                .and_then(|node| node.text().map(str::to_owned))
        })
    }

    /// The status codes, outer first, without their prefix.
    pub fn status(&self) -> Vec<String> {
        self.read(|document| {
            document
                .descendants()
                .filter(|node| node.tag_name().name() == "StatusCode")
                .filter_map(|node| node.attribute("Value")?.rsplit(':').next())
                .map(str::to_owned)
                .collect()
        })
    }
}

impl Page {
    /// The link that the page goes on with.
    pub fn link(&self) -> Option<String> {
        let (before, _) = self.body.split_once("\" id=\"continue\">")?;
        let (_, href) = before.rsplit_once("<a class=\"button\" href=\"")?;
        Some(href.replace("&#38;", "&").replace("&amp;", "&"))
    }
}

/// Someone who is signed in at these parties, in this order; what each was told.
pub async fn signed_in_at(
    world: &World,
    browser: &mut Browser,
    person: &Person,
    parties: &[&Party],
) -> Vec<Answer> {
    let mut told = Vec::new();
    for (count, party) in parties.iter().enumerate() {
        let request = party.sign_in(world.now());
        let page = if count == 0 {
            browser
                .sign_in(&request, person.upn(), &person.code(world.now()))
                .await
        } else {
            browser.start(&request).await
        };
        told.push(page.expect_answer());
    }
    told
}

/// Whether the browser is signed in here.
pub async fn is_signed_in(browser: &Browser, person: &Person) -> bool {
    let page = browser.clone().get("/account").await;
    page.text().contains(person.upn())
}

/// What anybody can cause from one network address, `limit` times.
pub async fn world_with_limit(limit: u32) -> World {
    let mut world = World::new().await;
    world.settings.open_attempts_per_source = limit;
    world.start_node().await;
    world.nodes.remove(0);
    world
}

/// Signs out on our own page.
pub async fn sign_out_here(browser: &mut Browser) -> Page {
    browser.get("/sign-out").await;
    browser.press("/sign-out").await
}

/// The page of a sign-out, once more.
pub fn path_of(browser: &Browser) -> String {
    let at = &browser.at;
    assert!(at.starts_with("/sign-out/out_"), "{at}");
    at.strip_prefix(PUBLIC_URL).unwrap_or(at).to_owned()
}
