//! Requests as Entra sends them and answers as it reads them, without the code under test.

use claimbridge::base::clock::Timestamp;

use crate::support::{PASSWORD, Page, Person, World, browser::Browser, entra::ENTRA};

/// The address that a browser is sent to, with Entra's parameters and `more`.
pub fn request(wctx: &str, more: &[(&str, &str)]) -> String {
    format!("/wsfed?domain=contoso.com&{}", fields(wctx, more))
}

/// The parameters alone, as a form has them.
pub fn fields(wctx: &str, more: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client-request-id", "4b6fbbbc-3d28-4ae6-8e6d-0b3ef9f1ba2c")
        .append_pair("wa", "wsignin1.0")
        .append_pair("wtrealm", ENTRA)
        .append_pair("wctx", wctx)
        .append_pair("cbcxt", "")
        .append_pair("mkt", "")
        .extend_pairs(more)
        .finish()
}

/// What the auto-submit page would post.
#[derive(Clone, Debug)]
pub struct Answer {
    pub action: String,
    pub wa: String,
    pub xml: String,
    pub wctx: Option<String>,
}

/// The answer on this page, if it is one.
pub fn answer(page: &Page) -> Option<Answer> {
    let form = page
        .forms()
        .into_iter()
        .find(|form| form.inputs.iter().any(|input| input.name == "wresult"))?;
    let value = |name: &str| {
        let found = form.inputs.iter().find(|input| input.name == name);
        found.map(|input| input.value.clone())
    };
    Some(Answer {
        wa: value("wa")?,
        xml: value("wresult")?,
        wctx: value("wctx"),
        action: form.action,
    })
}

pub fn expect_answer(page: &Page) -> Answer {
    answer(page).unwrap_or_else(|| panic!("no answer, but {} and\n{}", page.status, page.text()))
}

impl Answer {
    fn document(&self) -> roxmltree::Document<'_> {
        roxmltree::Document::parse(&self.xml).unwrap()
    }

    /// The values of an attribute of the assertion.
    pub fn claim(&self, name: &str) -> Vec<String> {
        let document = self.document();
        let attribute = document
            .descendants()
            .find(|node| node.attribute("AttributeName") == Some(name));
        attribute
            .into_iter()
            .flat_map(|node| node.children())
            .map(|value| value.text().unwrap_or_default().to_owned())
            .collect()
    }

    pub fn instant(&self, name: &str) -> Timestamp {
        let values = self.claim(name);
        assert_eq!(values.len(), 1, "{name}");
        Timestamp::parse_rfc3339(&values[0]).unwrap()
    }

    /// An attribute of the first element of that name.
    pub fn of(&self, element: &str, name: &str) -> String {
        let document = self.document();
        let found = document
            .descendants()
            .find(|node| node.tag_name().name() == element)
            .and_then(|node| node.attribute(name));
        found.unwrap_or_default().to_owned()
    }
}

/// The whole way from a request to the page that answers.
pub async fn sign_in(world: &World, browser: &mut Browser, person: &Person, at: &str) -> Page {
    let page = browser.get(at).await;
    assert!(page.asks_for_password(), "{}", page.text());
    browser.submit_password(person.upn(), PASSWORD).await;
    browser.submit_code(&person.code(world.now())).await
}
