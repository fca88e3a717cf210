//! A second application: a small SAML service provider on loopback, registered at the demo as
//! an operator registers one. It knows one person at a time and checks no signature: who
//! judges those is in tests/tools.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    path::Path,
    process::Command,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{Form, Query, State},
    response::{Html, Redirect},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use claimbridge::base::clock::{Clock as _, SystemClock};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};

use super::demo::Demo;

const NS: &str = "xmlns:p=\"urn:oasis:names:tc:SAML:2.0:protocol\" xmlns:a=\"urn:oasis:names:tc:SAML:2.0:assertion\"";

/// Whether it answers a LogoutRequest.
#[derive(Clone, Copy, PartialEq)]
pub enum Manners {
    Answers,
    Silent,
}

/// A running service provider; it ends with the test's runtime.
pub struct Shop {
    pub address: String,
}

struct Inside {
    address: String,
    idp: String,
    manners: Manners,
    told: Mutex<Option<Told>>,
    count: Mutex<u32>,
}

/// What it was told of the person.
#[derive(Clone)]
struct Told {
    name_id: String,
    session_index: String,
}

type Fields = BTreeMap<String, String>;

impl Shop {
    /// Opens it, and registers it.
    pub async fn open(demo: &Demo, manners: Manners) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let inside = Arc::new(Inside {
            address: address.clone(),
            idp: demo.idp.clone(),
            manners,
            told: Mutex::default(),
            count: Mutex::default(),
        });
        let routes = Router::new()
            .route("/", get(home))
            .route("/start", get(start))
            .route("/acs", post(signed_in))
            .route("/sign-out", get(sign_out))
            .route("/slo", get(logout))
            .with_state(inside);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        register(demo, &address);
        Self { address }
    }
}

fn register(demo: &Demo, address: &str) {
    let metadata = format!(
        "<m:EntityDescriptor xmlns:m=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{address}/sp\"><m:SPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><m:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"{address}/slo\"/><m:AssertionConsumerService index=\"0\" Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"{address}/acs\"/></m:SPSSODescriptor></m:EntityDescriptor>"
    );
    let file = demo.folder().join("shop.xml");
    std::fs::write(&file, metadata).unwrap();
    let database = database(demo.folder());
    let output = Command::new(env!("CARGO_BIN_EXE_claimbridge"))
        .args(["relying-party", "add", "--name", "The shop", "--metadata"])
        .arg(&file)
        .env_clear()
        .env("CLAIMBRIDGE_PUBLIC_URL", &demo.idp)
        .env("CLAIMBRIDGE_DATABASE_URL", format!("sqlite://{database}"))
        .env("CLAIMBRIDGE_MASTER_KEY", "0a".repeat(32))
        .env("CLAIMBRIDGE_DOMAIN__0__NAME", "contoso.com")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// The demo's database: the one in a folder of its own.
fn database(folder: &Path) -> String {
    let found = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("demo.db"))
        .find(|path| path.exists());
    found.unwrap().to_str().unwrap().to_owned()
}

impl Inside {
    fn told(&self) -> Option<Told> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.clone()
    }

    fn tell(&self, told: Option<Told>) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = told;
    }

    /// The beginning of a message, up to its issuer.
    fn opening(&self, element: &str, destination: &str, more: &str) -> String {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        let (count, now, address) = (*count, SystemClock.now(), &self.address);
        format!(
            "<p:{element} {NS} ID=\"_shop{count}\" Version=\"2.0\" IssueInstant=\"{now}\" Destination=\"{destination}\"{more}><a:Issuer>{address}/sp</a:Issuer>"
        )
    }
}

fn page(heading: &str) -> Html<String> {
    Html(format!(
        "<!DOCTYPE html><html lang=\"en\"><title>The shop</title><h1>The shop: {heading}</h1></html>"
    ))
}

fn redirect(to: &str, parameter: &str, xml: &str) -> Redirect {
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
    deflate.write_all(xml.as_bytes()).unwrap();
    let mut address = url::Url::parse(to).unwrap();
    let message = STANDARD.encode(deflate.finish().unwrap());
    address.query_pairs_mut().append_pair(parameter, &message);
    Redirect::to(address.as_str())
}

/// The text of the first element, or the attribute of it, of that name.
fn first(xml: &str, name: &str, attribute: Option<&str>) -> Option<String> {
    let document = roxmltree::Document::parse(xml).ok()?;
    let found = document
        .descendants()
        .find(|node| node.tag_name().name() == name)?;
    match attribute {
        Some(attribute) => found.attribute(attribute).map(str::to_owned),
        None => found.text().map(str::to_owned),
    }
}

async fn home(State(shop): State<Arc<Inside>>) -> Html<String> {
    match shop.told() {
        Some(_) => page("somebody is signed in"),
        None => page("nobody is signed in"),
    }
}

async fn start(State(shop): State<Arc<Inside>>) -> Redirect {
    let to = format!("{}/saml2/sso", shop.idp);
    let more = format!(" AssertionConsumerServiceURL=\"{}/acs\"", shop.address);
    let xml = format!(
        "{}</p:AuthnRequest>",
        shop.opening("AuthnRequest", &to, &more)
    );
    redirect(&to, "SAMLRequest", &xml)
}

async fn signed_in(State(shop): State<Arc<Inside>>, Form(fields): Form<Fields>) -> Redirect {
    let xml = String::from_utf8(STANDARD.decode(&fields["SAMLResponse"]).unwrap()).unwrap();
    shop.tell(Some(Told {
        name_id: first(&xml, "NameID", None).unwrap(),
        session_index: first(&xml, "AuthnStatement", Some("SessionIndex")).unwrap(),
    }));
    Redirect::to("/")
}

async fn sign_out(State(shop): State<Arc<Inside>>) -> Redirect {
    let told = shop.told().unwrap();
    shop.tell(None);
    let to = format!("{}/saml2/slo", shop.idp);
    let xml = format!(
        "{}<a:NameID Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\">{}</a:NameID><p:SessionIndex>{}</p:SessionIndex></p:LogoutRequest>",
        shop.opening("LogoutRequest", &to, ""),
        told.name_id,
        told.session_index
    );
    redirect(&to, "SAMLRequest", &xml)
}

async fn logout(
    State(shop): State<Arc<Inside>>,
    Query(fields): Query<Fields>,
) -> Result<Redirect, Html<String>> {
    let inflate = |message: &String| {
        let mut xml = String::new();
        let bytes = STANDARD.decode(message).unwrap();
        DeflateDecoder::new(bytes.as_slice())
            .read_to_string(&mut xml)
            .unwrap();
        xml
    };
    if let Some(message) = fields.get("SAMLResponse") {
        let xml = inflate(message);
        let document = roxmltree::Document::parse(&xml).unwrap();
        let codes: Vec<&str> = document
            .descendants()
            .filter(|node| node.tag_name().name() == "StatusCode")
            .filter_map(|node| node.attribute("Value")?.rsplit(':').next())
            .collect();
        return Err(page(&format!("signed out ({})", codes.join(", "))));
    }
    let xml = inflate(&fields["SAMLRequest"]);
    let told = shop.told();
    let is_ours = told.as_ref().map(|told| told.name_id.clone()) == first(&xml, "NameID", None)
        && told.map(|told| told.session_index) == first(&xml, "SessionIndex", None);
    assert!(is_ours, "{xml}");
    shop.tell(None);
    if shop.manners == Manners::Silent {
        return Err(page("says nothing"));
    }
    let id = first(&xml, "LogoutRequest", Some("ID")).unwrap();
    let to = format!("{}/saml2/slo", shop.idp);
    let xml = format!(
        "{}<p:Status><p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></p:Status></p:LogoutResponse>",
        shop.opening("LogoutResponse", &to, &format!(" InResponseTo=\"{id}\""))
    );
    Ok(redirect(&to, "SAMLResponse", &xml))
}
