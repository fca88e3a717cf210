//! A program that asks for tokens, as Microsoft's do.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use claimbridge::{
    base::clock::Timestamp,
    protocol::{
        wstrust::Version,
        xml::{XmlLimits, read, writing::EscapedText},
    },
};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::support::World;

pub const ENTRA: &str = "urn:federation:MicrosoftOnline";
pub const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";

/// What a program sends.
#[derive(Clone)]
pub struct Asking {
    pub version: Version,
    pub name: String,
    pub password: String,
    pub audience: &'static str,
    pub source: &'static str,
}

pub fn asking(name: &str, password: &str) -> Asking {
    Asking {
        version: Version::V13,
        name: name.to_owned(),
        password: password.to_owned(),
        audience: ENTRA,
        source: "203.0.113.7",
    }
}

impl Asking {
    pub fn soap(&self, now: Timestamp) -> String {
        let (action, trust) = (self.version.request_action(), self.version.namespace());
        let expires = now.plus(std::time::Duration::from_mins(10));
        let (name, password) = (EscapedText(&self.name), EscapedText(&self.password));
        let (key_type, issue, audience) =
            (self.version.bearer(), self.version.issue(), self.audience);
        format!(
            "<s:Envelope xmlns:s='{SOAP}' xmlns:wsa='http://www.w3.org/2005/08/addressing' xmlns:wsu='http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd'><s:Header>\
<wsa:Action s:mustUnderstand='1'>{action}</wsa:Action><wsa:MessageID>urn:uuid:7</wsa:MessageID>\
<wsse:Security s:mustUnderstand='1' xmlns:wsse='http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd'>\
<wsu:Timestamp wsu:Id='_0'><wsu:Created>{now}</wsu:Created><wsu:Expires>{expires}</wsu:Expires></wsu:Timestamp>\
<wsse:UsernameToken><wsse:Username>{name}</wsse:Username><wsse:Password>{password}</wsse:Password></wsse:UsernameToken></wsse:Security></s:Header>\
<s:Body><wst:RequestSecurityToken xmlns:wst='{trust}'><wsp:AppliesTo xmlns:wsp='http://schemas.xmlsoap.org/ws/2004/09/policy'><wsa:EndpointReference><wsa:Address>{audience}</wsa:Address></wsa:EndpointReference></wsp:AppliesTo>\
<wst:KeyType>{key_type}</wst:KeyType><wst:RequestType>{issue}</wst:RequestType></wst:RequestSecurityToken></s:Body></s:Envelope>"
        )
    }

    pub async fn ask(&self, world: &World) -> Said {
        let body = self.soap(world.now());
        self.ask_of(world, 0, body).await
    }

    pub async fn ask_of(&self, world: &World, node: usize, body: String) -> Said {
        let router = world.nodes[node].router.clone();
        send(router, self.version.path(), self.source, &[], body).await
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Said {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

/// One request; `headers` instead of the usual ones.
pub async fn send(
    router: Router,
    path: &str,
    source: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Said {
    let address: std::net::SocketAddr = format!("{source}:4000").parse().unwrap();
    let mut request = Request::builder()
        .method("POST")
        .uri(path)
        .header(header::HOST, "idp.example.com")
        .extension(axum::extract::ConnectInfo(address));
    let usual = [("Content-Type", "application/soap+xml; charset=utf-8")];
    let headers = if headers.is_empty() { &usual } else { headers };
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router
        .oneshot(request.body(Body::from(body)).unwrap())
        .await
        .unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Said {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

impl Said {
    /// The assertion, cut out as Microsoft's libraries do.
    pub fn token(&self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        let from = self.body.find("<t:RequestedSecurityToken>").unwrap();
        let from = from + "<t:RequestedSecurityToken>".len();
        let to = self.body.rfind("</t:RequestedSecurityToken>").unwrap();
        self.body[from..to].to_owned()
    }

    /// Subcode and words of the fault.
    pub fn fault(&self) -> (String, String) {
        assert_eq!(
            self.status,
            StatusCode::INTERNAL_SERVER_ERROR,
            "{}",
            self.body
        );
        assert_eq!(
            self.headers["content-type"],
            "application/soap+xml; charset=utf-8"
        );
        let document = read(self.body.as_bytes(), &XmlLimits::MESSAGE).unwrap();
        let body = document.root().only_child(SOAP, "Body").unwrap();
        let fault = body.only_child(SOAP, "Fault").unwrap();
        let code = fault.only_child(SOAP, "Code").unwrap();
        let code = match code.optional_child(SOAP, "Subcode").unwrap() {
            Some(subcode) => subcode.only_child(SOAP, "Value").unwrap(),
            None => code.only_child(SOAP, "Value").unwrap(),
        };
        let reason = fault.only_child(SOAP, "Reason").unwrap();
        let text = reason.only_child(SOAP, "Text").unwrap();
        (
            code.text().unwrap().to_owned(),
            text.text().unwrap().to_owned(),
        )
    }

    pub fn is_refused(&self) -> bool {
        self.fault().0 == "wsse:FailedAuthentication"
    }
}
