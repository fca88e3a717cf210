//! A browser without a screen: sockets, cookies per host, redirects, forms.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::TcpStream,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a browser escapes in a form (WHATWG URL, application/x-www-form-urlencoded).
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'*')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_');

/// A page, and where it was found.
pub struct Page {
    pub url: String,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// A form as a page shows it.
#[derive(Debug)]
pub struct Form {
    pub action: String,
    /// Name, autocomplete token, value.
    pub inputs: Vec<(String, Option<String>, String)>,
}

impl Form {
    /// Fills the input with this autocomplete token.
    pub fn fill(&mut self, autocomplete: &str, value: &str) {
        let input = self
            .inputs
            .iter_mut()
            .find(|(_, token, _)| token.as_deref() == Some(autocomplete))
            .unwrap_or_else(|| panic!("no input for {autocomplete}"));
        value.clone_into(&mut input.2);
    }

    /// Fills the input of this name.
    pub fn set(&mut self, name: &str, value: &str) {
        let input = self
            .inputs
            .iter_mut()
            .find(|(known, ..)| known == name)
            .unwrap_or_else(|| panic!("no input {name}"));
        value.clone_into(&mut input.2);
    }

    pub fn asks_for(&self, autocomplete: &str) -> bool {
        self.inputs
            .iter()
            .any(|(_, token, _)| token.as_deref() == Some(autocomplete))
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        self.inputs
            .iter()
            .find(|(known, ..)| known == name)
            .map(|(.., value)| value.as_str())
    }
}

impl Page {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The page's forms. Pages are well-formed XML but for the first line.
    pub fn forms(&self) -> Vec<Form> {
        let markup = self.body.trim_start().trim_start_matches("<!doctype html>");
        let document = roxmltree::Document::parse(markup)
            .unwrap_or_else(|error| panic!("{}: {error}\n{}", self.url, self.body));
        document
            .descendants()
            .filter(|node| node.has_tag_name("form"))
            .map(|form| Form {
                action: form.attribute("action").unwrap().to_owned(),
                inputs: form
                    .descendants()
                    .filter(|node| node.has_tag_name("input"))
                    .map(|input| {
                        let text = |name| input.attribute(name).map(str::to_owned);
                        (
                            text("name").unwrap_or_default(),
                            text("autocomplete"),
                            text("value").unwrap_or_default(),
                        )
                    })
                    .collect(),
            })
            .collect()
    }

    /// The page's first form.
    pub fn form(&self) -> Form {
        let mut forms = self.forms();
        assert!(!forms.is_empty(), "{}: no form\n{}", self.url, self.body);
        forms.remove(0)
    }
}

/// Cookies by host (ports do not matter to cookies).
#[derive(Default)]
pub struct Client {
    jar: BTreeMap<String, BTreeMap<String, String>>,
}

impl Client {
    pub fn get(&mut self, url: &str) -> Page {
        self.follow("GET", url, "")
    }

    /// Sends a form of `page`.
    pub fn submit(&mut self, page: &Page, form: &Form) -> Page {
        let url = absolute(&page.url, &form.action);
        let fields: Vec<(&str, &str)> = form
            .inputs
            .iter()
            .map(|(name, _, value)| (name.as_str(), value.as_str()))
            .collect();
        self.post(&url, &fields)
    }

    pub fn post(&mut self, url: &str, fields: &[(&str, &str)]) -> Page {
        let encode = |text: &str| utf8_percent_encode(text, FORM).to_string();
        let body: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        self.follow("POST", url, &body.join("&"))
    }

    fn follow(&mut self, method: &str, url: &str, body: &str) -> Page {
        let mut page = self.once(method, url, body);
        for _ in 0..10 {
            match (page.status, page.header("location")) {
                (301..=308, Some(location)) => {
                    let next = absolute(&page.url, location);
                    page = self.once("GET", &next, "");
                }
                _ => return page,
            }
        }
        panic!("too many redirects, last {}", page.url);
    }

    /// One request, without following.
    pub fn once(&mut self, method: &str, url: &str, body: &str) -> Page {
        let rest = url.strip_prefix("http://").unwrap();
        let (authority, path) = rest
            .split_once('/')
            .map_or((rest, String::new()), |(authority, path)| {
                (authority, path.to_owned())
            });
        let host = authority.rsplit_once(':').unwrap().0.to_owned();
        let cookies = self.jar.get(&host).map_or_else(String::new, |jar| {
            let pairs: Vec<_> = jar
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            format!("Cookie: {}\r\n", pairs.join("; "))
        });
        let about_body = if method == "POST" {
            format!(
                "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
                body.len()
            )
        } else {
            String::new()
        };
        let request = format!(
            "{method} /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n{cookies}{about_body}"
        );
        let mut socket = TcpStream::connect(authority).unwrap();
        socket
            .write_all(format!("{request}\r\n{body}").as_bytes())
            .unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        for (_, cookie) in headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
        {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.jar
                .entry(host.clone())
                .or_default()
                .insert(name.to_owned(), value.to_owned());
        }
        Page {
            url: url.to_owned(),
            status: status.parse().unwrap(),
            headers,
            body: body.to_owned(),
        }
    }
}

fn absolute(base: &str, link: &str) -> String {
    url::Url::parse(base)
        .unwrap()
        .join(link)
        .unwrap()
        .to_string()
}
