//! A browser without a window: cookies, redirects within the site, and forms that it
//! fills by their `autocomplete` tokens, as interfaces.md promises to test clients.

use std::collections::BTreeMap;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

#[derive(Clone)]
pub struct Browser {
    nodes: Vec<Router>,
    next: usize,
    pub cookies: BTreeMap<String, String>,
    pub source: String,
    /// What it says of how it asks (Fetch Metadata); nothing, as programs do.
    pub says: Vec<(&'static str, &'static str)>,
    /// The last page.
    pub page: Option<Page>,
    /// Its address.
    pub at: String,
}

/// A page, or whatever came back.
#[derive(Clone, Debug)]
pub struct Page {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub body: String,
}

/// A form of a page.
#[derive(Clone, Debug, Default)]
pub struct Form {
    pub action: String,
    pub inputs: Vec<Input>,
}

#[derive(Clone, Debug, Default)]
pub struct Input {
    pub name: String,
    pub value: String,
    pub kind: String,
    pub autocomplete: String,
}

impl Browser {
    pub fn over(nodes: Vec<Router>) -> Self {
        Self {
            nodes,
            next: 0,
            cookies: BTreeMap::new(),
            source: "203.0.113.7".to_owned(),
            says: Vec::new(),
            page: None,
            at: String::new(),
        }
    }

    /// This browser as use cases see it.
    pub fn app_cookies(&self) -> claimbridge::app::sign_in::Browser {
        let token = |part: &str| {
            let (_, value) = self.cookies.iter().find(|(name, _)| name.contains(part))?;
            claimbridge::base::browser::CookieToken::parse(value)
        };
        claimbridge::app::sign_in::Browser {
            binding: self.at.split('/').nth(2).and_then(token),
            session: token("session"),
            known: token("known"),
            attempts: Vec::new(),
            source: self.source.clone(),
        }
    }

    pub async fn get(&mut self, path: &str) -> Page {
        self.send("GET", path, None).await
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let body: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.send("POST", path, Some(body)).await
    }

    /// A form in parts (`multipart/form-data`), as one with a file is sent.
    pub async fn post_parts(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        const BOUNDARY: &str = "----a-boundary";
        let parts: Vec<String> = fields
            .iter()
            .map(|(name, value)| {
                format!(
                    "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
                )
            })
            .collect();
        let body = format!("{}--{BOUNDARY}--\r\n", parts.concat());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        path.clone_into(&mut self.at);
        let page = self.request_of("POST", path, &kind, Some(body)).await;
        self.page = Some(page.clone());
        page
    }

    /// One request, without following.
    pub async fn request(&mut self, method: &str, path: &str, body: Option<String>) -> Page {
        self.request_of(method, path, "application/x-www-form-urlencoded", body)
            .await
    }

    async fn request_of(
        &mut self,
        method: &str,
        path: &str,
        kind: &str,
        body: Option<String>,
    ) -> Page {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "idp.example.com");
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        for (name, value) in &self.says {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request
                .header(header::CONTENT_TYPE, kind)
                .header(header::ORIGIN, super::PUBLIC_URL);
        }
        let address: std::net::SocketAddr = format!("{}:4000", self.source).parse().unwrap();
        let request = request
            .extension(axum::extract::ConnectInfo(address))
            .body(body.map_or_else(Body::empty, Body::from))
            .unwrap();
        let node = self.nodes[self.next % self.nodes.len()].clone();
        self.next += 1;
        let response = node.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let body = String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned();
        Page {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// One request, following redirects within the site.
    pub async fn send(&mut self, method: &str, path: &str, body: Option<String>) -> Page {
        path.clone_into(&mut self.at);
        let mut page = self.request(method, path, body).await;
        for _ in 0..5 {
            let Some(to) = page.redirect() else { break };
            let to = to.strip_prefix(super::PUBLIC_URL).unwrap_or(&to).to_owned();
            // Another site's.
            if !to.starts_with('/') {
                break;
            }
            self.at.clone_from(&to);
            page = self.request("GET", &to, None).await;
        }
        self.page = Some(page.clone());
        page
    }

    /// Arrives from Entra with a request (by POST, as Entra sends it).
    pub async fn start(&mut self, request: &super::entra::AuthnRequest) -> Page {
        let (saml, relay) = (request.base64(), request.relay_state.clone());
        self.post(
            "/saml2/sso",
            &[("SAMLRequest", &saml), ("RelayState", &relay)],
        )
        .await
    }

    /// Loads the page where it is once more.
    pub async fn reload(&mut self) -> Page {
        let at = self.at.clone();
        self.get(&at).await
    }

    /// Goes back to the attempt's own page.
    pub async fn reload_attempt(&mut self) -> Page {
        let path: Vec<&str> = self.at.split('/').take(3).collect();
        let path = path.join("/");
        self.get(&path).await
    }

    /// Fills and sends the form of the current page that has an input with that token.
    pub async fn submit(&mut self, values: &[(&str, &str)]) -> Page {
        let page = self.page.clone().expect("a page");
        let form = page
            .forms()
            .into_iter()
            .find(|form| {
                values
                    .iter()
                    .all(|(token, _)| form.inputs.iter().any(|input| input.is(token)))
            })
            .unwrap_or_else(|| panic!("no form for {values:?} on\n{}", page.text()));
        self.send_form(&form, values).await
    }

    pub async fn send_form(&mut self, form: &Form, values: &[(&str, &str)]) -> Page {
        let fields: Vec<(&str, &str)> = form
            .inputs
            .iter()
            .filter(|input| !input.name.is_empty())
            .map(|input| {
                let value = values
                    .iter()
                    .find(|(token, _)| input.is(token))
                    .map_or(input.value.as_str(), |(_, value)| value);
                (input.name.as_str(), value)
            })
            .collect();
        let action = if form.action.is_empty() {
            self.at.clone()
        } else {
            form.action.clone()
        };
        self.post(&action, &fields).await
    }

    /// Presses the button whose form goes to that address.
    pub async fn press(&mut self, action: &str) -> Page {
        let page = self.page.clone().expect("a page");
        let form = page.forms().into_iter().find(|form| form.action == action);
        let form = form.unwrap_or_else(|| panic!("no button to {action}: {}", page.text()));
        self.send_form(&form, &[]).await
    }

    pub async fn submit_password(&mut self, upn: &str, password: &str) -> Page {
        let has_name = self.page.as_ref().is_some_and(|page| {
            page.forms().iter().any(|form| {
                form.inputs
                    .iter()
                    .any(|input| input.is("username") && input.kind != "hidden")
            })
        });
        if has_name {
            self.submit(&[("username", upn), ("current-password", password)])
                .await
        } else {
            self.submit(&[("current-password", password)]).await
        }
    }

    pub async fn submit_code(&mut self, code: &str) -> Page {
        self.submit(&[("one-time-code", code)]).await
    }

    /// Gives the pass; where there is a choice then, chooses a code generator.
    pub async fn submit_pass(&mut self, pass: &str) -> Page {
        self.submit(&[("pass", pass)]).await;
        self.choose_totp().await
    }

    /// Chooses a code generator, if there is a choice.
    pub async fn choose_totp(&mut self) -> Page {
        let page = self.page.clone().expect("a page");
        let totp = page
            .forms()
            .into_iter()
            .find(|form| form.inputs.iter().any(|input| input.value == "totp"));
        match totp {
            Some(form) => self.send_form(&form, &[]).await,
            None => page,
        }
    }

    pub async fn confirm(&mut self, code: &str) -> Page {
        self.submit(&[("one-time-code", code)]).await
    }

    /// The whole way to an answer.
    pub async fn sign_in(
        &mut self,
        request: &super::entra::AuthnRequest,
        upn: &str,
        code: &str,
    ) -> Page {
        self.start(request).await;
        self.submit_password(upn, super::PASSWORD).await;
        self.submit_code(code).await
    }
}

impl Input {
    /// Whether the input is meant by `token`: its autocomplete token or its name.
    fn is(&self, token: &str) -> bool {
        self.autocomplete.split(' ').any(|part| part == token) || self.name == token
    }
}

impl Page {
    pub fn redirect(&self) -> Option<String> {
        let location = self.headers.get(header::LOCATION)?;
        self.status
            .is_redirection()
            .then(|| location.to_str().unwrap().to_owned())
    }

    pub fn forms(&self) -> Vec<Form> {
        let mut forms = Vec::new();
        for part in self.body.split("<form").skip(1) {
            let part = part.split("</form>").next().unwrap_or(part);
            let (opening, rest) = part.split_once('>').unwrap_or((part, ""));
            let inputs = rest
                .split("<input")
                .skip(1)
                .map(|input| {
                    let tag = input.split('>').next().unwrap_or(input);
                    Input {
                        name: attribute(tag, "name"),
                        value: attribute(tag, "value"),
                        kind: attribute(tag, "type"),
                        autocomplete: attribute(tag, "autocomplete"),
                    }
                })
                .collect();
            forms.push(Form {
                action: attribute(opening, "action"),
                inputs,
            });
        }
        forms
    }

    pub fn has_input(&self, token: &str) -> bool {
        self.forms()
            .iter()
            .any(|form| form.inputs.iter().any(|input| input.is(token)))
    }

    pub fn asks_for_password(&self) -> bool {
        self.has_input("current-password")
    }

    pub fn asks_for_code(&self) -> bool {
        self.has_input("one-time-code")
    }

    pub fn asks_for_pass(&self) -> bool {
        self.has_input("pass") && !self.asks_for_password()
    }

    /// The secret on an enrolment page, decoded.
    pub fn totp_secret(&self) -> Vec<u8> {
        let (_, rest) = self
            .body
            .split_once("secret=")
            .unwrap_or_else(|| panic!("no secret on\n{}", self.text()));
        let base32: String = rest
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        data_encoding::BASE32_NOPAD
            .decode(base32.as_bytes())
            .unwrap()
    }

    /// The answer that this page would post to the relying party.
    pub fn answer(&self) -> Option<super::entra::Answer> {
        let form = self
            .forms()
            .into_iter()
            .find(|form| form.inputs.iter().any(|input| input.name == "SAMLResponse"))?;
        let value = |name: &str| {
            form.inputs
                .iter()
                .find(|input| input.name == name)
                .map(|input| input.value.clone())
        };
        Some(super::entra::Answer::new(
            form.action.clone(),
            &value("SAMLResponse")?,
            value("RelayState"),
        ))
    }

    pub fn expect_answer(&self) -> super::entra::Answer {
        self.answer()
            .unwrap_or_else(|| panic!("no answer, but {} and\n{}", self.status, self.text()))
    }

    /// What a person would read.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut inside = false;
        for c in self.body.chars() {
            match c {
                '<' => inside = true,
                '>' => {
                    inside = false;
                    text.push(' ');
                }
                c if !inside => text.push(c),
                _ => {}
            }
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

fn attribute(tag: &str, name: &str) -> String {
    for quote in ['"', '\''] {
        if let Some((_, rest)) = tag.split_once(&format!(" {name}={quote}")) {
            return unescape(rest.split(quote).next().unwrap_or_default());
        }
    }
    String::new()
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (entity, after) = after.split_once(';').unwrap_or((after, ""));
        let number = entity
            .strip_prefix("#x")
            .map(|hex| u32::from_str_radix(hex, 16))
            .or_else(|| entity.strip_prefix('#').map(str::parse));
        match (entity, number) {
            (_, Some(Ok(number))) => out.push(char::from_u32(number).unwrap()),
            ("amp", _) => out.push('&'),
            ("lt", _) => out.push('<'),
            ("gt", _) => out.push('>'),
            ("quot", _) => out.push('"'),
            ("apos", _) => out.push('\''),
            other => panic!("an entity {other:?}"),
        }
        rest = after;
    }
    out + rest
}
