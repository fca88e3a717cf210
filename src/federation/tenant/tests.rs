use super::*;
use crate::federation::{Configuration, UnreadableConfiguration, fixture::federation};

fn contoso() -> DomainName {
    "contoso.com".parse().unwrap()
}

#[test]
fn an_id_is_one_segment_of_a_path() {
    for id in [
        "../../fabrikam.com/federationConfiguration/2a8c",
        "..",
        ".",
        "a/b",
        "a\\b",
        "x?$select=id",
        "x#y",
        "%2e%2e",
        "{id}",
        "a b",
        "a\n",
        "\u{0661}",
        "",
        &"a".repeat(65),
    ] {
        let mut shown = federation();
        shown["id"] = json!(id);
        assert_eq!(
            Configuration::parse(&shown),
            Err(UnreadableConfiguration::Value("id")),
            "{id:?}"
        );
        let page = json!({ "value": [shown] });
        assert!(Tenant::parse(&page, &contoso()).is_err(), "{id:?}");
    }
    for id in [json!(7), json!({}), json!(["x"])] {
        let mut shown = federation();
        shown["id"] = id;
        assert!(Configuration::parse(&shown).is_err());
    }
    let read = Configuration::parse(&federation()).unwrap();
    assert_eq!(read.id.unwrap(), "6601d14b-d113-8f64-fda2-9b5ddda18ecc");
}

#[test]
fn what_says_nothing_is_not_taken_for_managed() {
    for half in [
        json!({"@odata.nextLink": "https://graph.microsoft.com/next", "value": []}),
        json!({"@odata.nextLink": "https://graph.microsoft.com/next", "value": [federation()]}),
        json!({"@odata.nextLink": 7, "value": []}),
        json!({"id": "contoso.com", "authenticationType": "Federated", "federationConfiguration": [], "federationConfiguration@odata.nextLink": "x"}),
    ] {
        assert_eq!(
            Tenant::parse(&half, &contoso()),
            Err(UnreadableState::Part),
            "{half}"
        );
    }
    assert_eq!(
        Tenant::parse(&json!({ "value": null }), &contoso()),
        Err(UnreadableState::Kind)
    );
    let mut state = DomainState::unknown(contoso());
    for nothing in [json!(null), json!({ "value": null }), json!({ "value": 7 })] {
        assert!(state.read_configuration(&nothing).is_err(), "{nothing}");
        assert_eq!(state.configuration, None);
    }
    let shown = json!({"id": "contoso.com", "authenticationType": "Federated", "federationConfiguration": null});
    assert_eq!(DomainState::parse(&shown).unwrap().configuration, None);
    // Nobody said that the domain is managed: a sub-domain's list is empty as well.
    let empty = Tenant::parse(&json!({ "value": [] }), &contoso()).unwrap();
    let domain = empty.domain(&contoso()).unwrap();
    assert_eq!(
        (domain.authentication, &domain.configuration),
        (None, &Some(None))
    );
}

#[test]
fn an_error_about_another_domain_steers_no_terminal() {
    let answer = json!({"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#domains('\u{1b}]0;x\u{7}\u{9b}2J\u{202e}')/x", "value": []});
    let error = Tenant::parse(&answer, &contoso()).unwrap_err().to_string();
    assert!(
        !error.chars().any(|c| c.is_control() || c == '\u{202e}'),
        "{error:?}"
    );
    assert!(error.contains("contoso.com was asked for"));
}

#[test]
fn what_is_wrong_with_the_domain_that_was_asked_for_is_an_error() {
    let bad = json!({"id": "contoso.com", "authenticationType": "Both"});
    let good = json!({"id": "fabrikam.com", "authenticationType": "Managed"});
    let list = json!({ "value": [bad, good] });
    assert_eq!(
        Tenant::parse(&list, &contoso()),
        Err(UnreadableState::Value("authenticationType"))
    );
    let fabrikam = "fabrikam.com".parse().unwrap();
    let read = Tenant::parse(&list, &fabrikam).unwrap();
    assert_eq!(read.unreadable[0].name, "contoso.com");
    assert!(read.domain(&fabrikam).is_some());
}
