//! The federation metadata, at the path at which AD FS has it.

use crate::support::{PUBLIC_URL, World};

fn entity_id(body: &str) -> String {
    let document = roxmltree::Document::parse(body).unwrap();
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "EntityDescriptor");
    assert!(
        !document
            .descendants()
            .any(|node| node.tag_name().name() == "Signature"),
        "attack 10"
    );
    root.attribute("entityID").unwrap().to_owned()
}

fn texts(body: &str, name: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(body).unwrap();
    document
        .descendants()
        .filter(|node| node.tag_name().name() == name)
        .map(|node| node.text().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test]
async fn it_is_there_in_any_letter_case_and_names_the_domain_s_issuer() {
    let world = World::new().await;
    let mut browser = world.browser();
    for path in [
        "/FederationMetadata/2007-06/FederationMetadata.xml",
        "/federationmetadata/2007-06/federationmetadata.xml",
        "/FEDERATIONMETADATA/2007-06/FederationMetadata.XML",
    ] {
        let page = browser.get(&format!("{path}?domain=contoso.com")).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(
            page.headers["content-type"], "application/samlmetadata+xml",
            "{path}"
        );
        assert_eq!(entity_id(&page.body), "https://idp.example.com/contoso.com");
        assert_eq!(
            texts(&page.body, "Address"),
            ["https://idp.example.com/wsfed?domain=contoso.com"; 2]
        );
        // One key signs; it stands in both roles, and is the one of SAML's metadata.
        let certificates = texts(&page.body, "X509Certificate");
        assert_eq!(certificates.len(), 2);
        let saml = browser.get("/saml2/metadata?domain=contoso.com").await;
        assert_eq!(texts(&saml.body, "X509Certificate"), certificates[..1]);
        assert_eq!(certificates[0], certificates[1]);
    }
    for path in [
        "/FederationMetadata/2007-06/other.xml",
        "/other/2007-06/FederationMetadata.xml",
        "/FederationMetadata/2007-07/FederationMetadata.xml",
        "/FederationMetadata/2007-06/FederationMetadata.xml/",
        "/FederationMetadata/2007-06/FederationMetadata.xml?domain=evil.example",
        "/FederationMetadata/2007-06/FederationMetadata.xml?domain=%20",
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 404, "{path}: {}", page.text());
    }
}

/// Entra looks at the bare path; it comes for the certificates.
#[tokio::test]
async fn without_a_domain_and_with_several_it_speaks_for_none_and_has_the_keys() {
    let world = World::new().await;
    let mut browser = world.browser();
    let path = "/FederationMetadata/2007-06/FederationMetadata.xml";
    let page = browser.get(path).await;
    assert_eq!(entity_id(&page.body), PUBLIC_URL);
    assert_eq!(
        texts(&page.body, "Address"),
        ["https://idp.example.com/wsfed"; 2]
    );
    let of_domain = browser.get(&format!("{path}?domain=contoso.com")).await;
    assert_eq!(
        texts(&page.body, "X509Certificate"),
        texts(&of_domain.body, "X509Certificate")
    );
}
