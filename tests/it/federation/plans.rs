//! Plans against the property table of Graph's `internalDomainFederation`.

use claimbridge::federation::{
    Authentication, Call, CallWeight, DomainState, Method, Property, RequestSigning, Restoration,
    Tenant, UnknownKeys, plan,
    precondition::{Facts, Few, Standing, Step, Weight, preconditions},
    restore,
    wanted::SystemBrowser,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{after, certificate, domain, now, ours, tenant, wanted, with};

/// What a property takes.
enum Takes {
    Text,
    Address,
    Base64,
    Flag,
    OneOf(&'static [&'static str]),
    Platforms,
}

/// The writable properties of `internalDomainFederation`. Source: entra-federation-facts §4.1, §4.2
/// and §1.6, which are Graph's pages "internalDomainFederation resource type" and "Create
/// internalDomainFederation" (v1.0), and for systemBrowserEnabledOn the page of 2026-08-21 about
/// browser authentication with the names of Graph's own schema.
const TABLE: [(&str, Takes); 14] = [
    ("displayName", Takes::Text),
    ("issuerUri", Takes::Address),
    ("passiveSignInUri", Takes::Address),
    ("signOutUri", Takes::Address),
    ("activeSignInUri", Takes::Address),
    ("metadataExchangeUri", Takes::Address),
    ("signingCertificate", Takes::Base64),
    ("nextSigningCertificate", Takes::Base64),
    (
        "preferredAuthenticationProtocol",
        Takes::OneOf(&["wsFed", "saml"]),
    ),
    (
        "federatedIdpMfaBehavior",
        Takes::OneOf(&[
            "acceptIfMfaDoneByFederatedIdp",
            "enforceMfaByFederatedIdp",
            "rejectMfaByFederatedIdp",
        ]),
    ),
    (
        "promptLoginBehavior",
        Takes::OneOf(&[
            "translateToFreshPasswordAuthentication",
            "nativeSupport",
            "disabled",
        ]),
    ),
    ("isSignedAuthenticationRequestRequired", Takes::Flag),
    ("systemBrowserEnabledOn", Takes::Platforms),
    ("passwordResetUri", Takes::Address),
];

fn require_documented(call: &Call) {
    let body = call.body.as_object().unwrap();
    assert_eq!(
        body["@odata.type"],
        "#microsoft.graph.internalDomainFederation"
    );
    for (name, value) in body.iter().filter(|(name, _)| !name.starts_with('@')) {
        let (_, takes) = TABLE
            .iter()
            .find(|(known, _)| known == name)
            .unwrap_or_else(|| panic!("{name} is no property of Graph's"));
        if value.is_null() {
            assert_eq!(
                call.method,
                Method::Patch,
                "{name}: a POST leaves out what is unset"
            );
            continue;
        }
        let text = || value.as_str().unwrap_or_else(|| panic!("{name}: {value}"));
        match takes {
            Takes::Text => assert!(!text().is_empty()),
            Takes::Address => assert!(text().starts_with("https://"), "{name}: {value}"),
            Takes::Base64 => {
                let der = data_encoding::BASE64.decode(text().as_bytes()).unwrap();
                assert_eq!(der[0], 0x30, "{name} is DER");
            }
            Takes::Flag => assert!(value.is_boolean(), "{name}: {value}"),
            Takes::OneOf(words) => assert!(words.contains(&text()), "{name}: {value}"),
            Takes::Platforms => {
                for word in text().split(',') {
                    assert!(["ios", "android", "mac"].contains(&word), "{value}");
                }
            }
        }
    }
}

#[test]
fn every_property_of_ours_is_in_the_table_and_the_other_way_round() {
    let mut names: Vec<_> = Property::ALL
        .iter()
        .map(|property| property.name())
        .collect();
    let mut table: Vec<_> = TABLE.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    table.sort_unstable();
    assert_eq!(names, table);
}

#[test]
fn a_managed_domain_gets_one_post_with_all_that_is_ours_to_say() {
    let plan = plan(&wanted(), None, now());
    assert!(plan.converts && !plan.is_of_state);
    let [call, browsers] = plan.calls.as_slice() else {
        panic!("{:?}", plan.calls);
    };
    require_documented(call);
    require_documented(browsers);
    // Its refusal must not sink the rest.
    assert_eq!(
        (browsers.weight, &browsers.body["systemBrowserEnabledOn"]),
        (CallWeight::MayFail, &json!("android,ios,mac"))
    );
    assert_eq!(call.weight, CallWeight::Must);
    assert_eq!(call.method, Method::Post);
    assert_eq!(
        call.path,
        "/v1.0/domains/contoso.com/federationConfiguration"
    );
    let base64 = |name: &str| data_encoding::BASE64.encode(&certificate(name));
    assert_eq!(
        call.body,
        json!({
            "@odata.type": "#microsoft.graph.internalDomainFederation",
            "displayName": "Contoso",
            "issuerUri": "https://idp.contoso.com/contoso.com",
            "passiveSignInUri": "https://idp.contoso.com/saml2/sso?domain=contoso.com",
            "signOutUri": "https://idp.contoso.com/saml2/slo",
            "preferredAuthenticationProtocol": "saml",
            "federatedIdpMfaBehavior": "enforceMfaByFederatedIdp",
            "promptLoginBehavior": "nativeSupport",
            "isSignedAuthenticationRequestRequired": false,
            "signingCertificate": base64("active.pem"),
            "nextSigningCertificate": base64("next.pem"),
        })
    );
    assert_eq!(plan.warnings, []);
    let done = after(None, &plan);
    assert!(claimbridge::federation::plan(&wanted(), Some(&done), now()).is_empty());
}

#[test]
fn what_is_as_it_should_be_is_left_alone() {
    let good = tenant("fed-good");
    assert!(plan(&wanted(), Some(&good), now()).is_empty());
    // Not ours to say, or as good.
    for (property, value) in [
        ("passwordResetUri", json!("https://reset.contoso.com")),
        (
            "systemBrowserEnabledOn",
            json!("Android, Ios, Macos, watch"),
        ),
        ("isSignedAuthenticationRequestRequired", Value::Null),
        (
            "signingCertificateUpdateStatus",
            json!({"certificateUpdateResult": "success"}),
        ),
    ] {
        let tenant = with(&good, property, value);
        let plan = plan(&wanted(), Some(&tenant), now());
        assert!(plan.is_empty(), "{property}: {:?}", plan.differences);
    }
}

#[test]
fn a_federated_domain_gets_a_patch_with_what_changes_and_nothing_else() {
    let rejecting = tenant("fed-003-reject");
    let plan = plan(&wanted(), Some(&rejecting), now());
    let [call] = plan.calls.as_slice() else {
        panic!("{:?}", plan.calls);
    };
    require_documented(call);
    assert_eq!(call.method, Method::Patch);
    assert_eq!(
        call.path,
        "/v1.0/domains/contoso.com/federationConfiguration/6601d14b-d113-8f64-fda2-9b5ddda18ecc"
    );
    assert_eq!(
        call.body,
        json!({
            "@odata.type": "#microsoft.graph.internalDomainFederation",
            "federatedIdpMfaBehavior": "enforceMfaByFederatedIdp",
        })
    );
    assert!(!plan.converts);
}

/// The inspector's bad configurations (its corpus), with the rule that names each.
const BAD: [(&str, &str); 15] = [
    ("fed-001-issuer", "CB-FED-001"),
    ("fed-001-sign-in", "CB-FED-001"),
    ("fed-001-sign-out", "CB-FED-001"),
    ("fed-002-backdoor", "CB-FED-002"),
    ("fed-002-damaged", "CB-FED-002"),
    ("fed-002-foreign", "CB-FED-002"),
    ("fed-002-staged", "CB-FED-002"),
    ("fed-003-reject", "CB-FED-003"),
    ("fed-004-accept", "CB-FED-004"),
    ("fed-004-unset", "CB-FED-004"),
    ("fed-005-translated", "CB-FED-005"),
    ("fed-006-missing", "CB-FED-006"),
    ("fed-008-no-android", "CB-FED-008"),
    ("fed-010-no-keys", "CB-FED-010"),
    ("fed-013-behavior", "CB-FED-013"),
];

#[test]
fn the_plan_mends_every_bad_configuration_of_the_inspectors_corpus() {
    for (message, rule) in BAD {
        let bad = tenant(message);
        let made = plan(&wanted(), Some(&bad), now());
        assert!(made.mends.contains(&rule), "{message}: {:?}", made.mends);
        assert!(
            made.warnings.iter().all(|warning| warning.rule != rule),
            "{message}"
        );
        made.calls.iter().for_each(require_documented);
        let mended = after(Some(&bad), &made);
        let again = plan(&wanted(), Some(&mended), now());
        assert!(again.is_empty(), "{message}: {:?}", again.differences);
        // And it goes on to say what the way back is.
        let (before, has) = (&bad.domains[0], &mended.domains[0]);
        assert!(!back(before, has).calls.is_empty(), "{message}");
    }
}

#[test]
fn a_sub_domain_has_its_roots_federation_and_is_never_touched() {
    let ours = ours();
    let below = ours.wanted(&ours.domains[1]);
    for present in [None, Some(tenant("fed-good"))] {
        let plan = plan(&below, present.as_ref(), now());
        assert!(plan.is_empty() && plan.differences.is_empty());
        assert_eq!(plan.inherits.unwrap().as_str(), "contoso.com");
    }
}

#[test]
fn what_the_operator_configured_decides_about_signed_requests_and_the_cloud_about_browsers() {
    let mut ours = ours();
    let signed = |ours: &claimbridge::federation::Ours, present: Option<&Tenant>| {
        let plan = plan(&ours.wanted(&ours.domains[0]), present, now());
        plan.calls
            .first()
            .map(|call| call.body["isSignedAuthenticationRequestRequired"].clone())
    };
    let signing = tenant("fed-010-no-keys");
    ours.request_signing = RequestSigning::Verifiable;
    assert_eq!(signed(&ours, None), Some(Value::Null), "left out");
    assert_eq!(signed(&ours, Some(&signing)), None, "left alone");
    ours.request_signing = RequestSigning::Required;
    assert_eq!(signed(&ours, None), Some(json!(true)));
    ours.system_browser = SystemBrowser::LeftAlone;
    let plan = plan(&ours.wanted(&ours.domains[0]), None, now());
    assert!(plan.calls[0].body.get("systemBrowserEnabledOn").is_none());
}

#[test]
fn one_issuer_on_two_domains_is_a_warning() {
    let mut value = tenant("fed-good").to_json();
    let mut other = value["domains"][0].clone();
    other["id"] = json!("fabrikam.com");
    value["domains"].as_array_mut().unwrap().push(other);
    let tenant = Tenant::parse(&value, &"contoso.com".parse().unwrap()).unwrap();
    let plan = plan(&wanted(), Some(&tenant), now());
    let rules: Vec<_> = plan.warnings.iter().map(|warning| warning.rule).collect();
    assert_eq!(rules, ["CB-FED-009"]);
}

#[test]
fn what_nobody_looked_at_is_a_question_and_what_is_not_so_refuses() {
    let standing = |checks: &[claimbridge::federation::precondition::Precondition], id: &str| {
        checks.iter().find(|check| check.id == id).unwrap().standing
    };
    let unknown = preconditions(&wanted(), None, Step::Converts, &Facts::default());
    for check in &unknown {
        let expected = if check.id == "domain-own" {
            Standing::Met
        } else {
            Standing::Unknown
        };
        assert_eq!(check.standing, expected, "{}", check.id);
        // Nobody knows: the remedy is for the case that it is not so.
        assert!(
            check.standing == Standing::Met || check.remedy.starts_with("If it is not so: "),
            "{check:?}"
        );
    }
    let mut value = tenant("fed-good").to_json();
    value["domains"][0]["isDefault"] = json!(true);
    value["domains"][0]["isVerified"] = json!(false);
    let tenant = Tenant::parse(&value, &"contoso.com".parse().unwrap()).unwrap();
    let facts = Facts {
        without_immutable_id: Some(Few {
            count: 7,
            first: vec!["a@contoso.com".to_owned()],
        }),
        unknown_here: Some(Few::default()),
        emergency: Some(Err("Only one.".to_owned())),
        public_address: Some(Err("It does not answer.".to_owned())),
    };
    let checks = preconditions(&wanted(), Some(&tenant), Step::Converts, &facts);
    for id in [
        "domain-verified",
        "domain-not-default",
        "immutable-ids",
        "emergency-accounts",
        "public-address",
    ] {
        assert_eq!(standing(&checks, id), Standing::Unmet, "{id}");
    }
    assert_eq!(standing(&checks, "people-known"), Standing::Met);
    let ids = checks
        .iter()
        .find(|check| check.id == "immutable-ids")
        .unwrap();
    assert_eq!(
        ids.says,
        "7 people have no ImmutableID: a@contoso.com and 6 more."
    );
    let microsofts = domain("contoso.onmicrosoft.com", "contoso.onmicrosoft.com");
    let checks = preconditions(
        &ours().wanted(&microsofts),
        None,
        Step::Converts,
        &Facts::default(),
    );
    assert_eq!(standing(&checks, "domain-own"), Standing::Unmet);
}

/// The way back, whatever keys it brings.
fn back(before: &DomainState, has: &DomainState) -> Restoration {
    restore(before, has, &ours(), UnknownKeys::Restored, now())
}

#[test]
fn what_guards_a_conversion_does_not_stand_in_the_way_of_mending() {
    let mut value = tenant("fed-002-backdoor").to_json();
    value["domains"][0]["isDefault"] = json!(true);
    value["domains"][0]["isVerified"] = json!(true);
    let tenant = Tenant::parse(&value, &"contoso.com".parse().unwrap()).unwrap();
    let facts = Facts {
        without_immutable_id: Some(Few {
            count: 1,
            first: vec!["a@contoso.com".to_owned()],
        }),
        public_address: Some(Err("It does not answer.".to_owned())),
        ..Facts::default()
    };
    let refusing = |step| {
        preconditions(&wanted(), Some(&tenant), step, &facts)
            .into_iter()
            .filter(|check| check.weight == Weight::Refuses && check.standing != Standing::Met)
            .map(|check| check.id)
            .collect::<Vec<_>>()
    };
    assert!(
        refusing(Step::Mends).is_empty(),
        "{:?}",
        refusing(Step::Mends)
    );
    assert!(refusing(Step::Converts).len() >= 4);
}

#[test]
fn domains_below_that_nobody_knows_here_refuse_and_so_does_a_root_above() {
    let mut value = tenant("fed-good").to_json();
    value["domains"].as_array_mut().unwrap().extend([
        json!({"id": "eu.contoso.com", "authenticationType": "Managed"}),
        json!({"id": "us.contoso.com", "authenticationType": "Managed"}),
        json!({"id": "own.contoso.com", "authenticationType": "Managed", "isRoot": true}),
        json!({"id": "evilcontoso.com", "authenticationType": "Managed"}),
    ]);
    value["domains"][0]["isRoot"] = json!(false);
    value["isComplete"] = json!(true);
    let tenant = Tenant::parse(&value, &"contoso.com".parse().unwrap()).unwrap();
    let checks = preconditions(&wanted(), Some(&tenant), Step::Converts, &Facts::default());
    let of = |id: &str| checks.iter().find(|check| check.id == id).unwrap();
    assert_eq!(
        of("sub-domains-known").says,
        "Not known here: us.contoso.com."
    );
    assert_eq!(of("sub-domains-known").standing, Standing::Unmet);
    assert_eq!(of("domain-root").standing, Standing::Unmet);
    // One of which odd things are shown is known to nobody, also where its name is.
    value["domains"][2] = json!({"id": "us.contoso.com", "authenticationType": "Both"});
    let tenant = Tenant::parse(&value, &"contoso.com".parse().unwrap()).unwrap();
    let checks = preconditions(&wanted(), Some(&tenant), Step::Converts, &Facts::default());
    let check = checks
        .iter()
        .find(|check| check.id == "sub-domains-known")
        .unwrap();
    assert_eq!(check.standing, Standing::Unmet);
    assert!(check.says.contains("us.contoso.com (what"), "{check:?}");
}

/// What somebody does to the sub-domain.
type Change = Box<dyn Fn(&mut Value)>;

#[test]
fn a_sub_domain_that_shows_what_it_cannot_have_is_no_nothing_to_do() {
    let ours = ours();
    let below = ours.wanted(&ours.domains[1]);
    let good = tenant("fed-good").to_json()["domains"][0].clone();
    let shown = |change: &dyn Fn(&mut Value)| {
        let mut one = good.clone();
        one["id"] = json!("eu.contoso.com");
        change(&mut one);
        let tenant = Tenant::parse(
            &json!({"domains": [good.clone(), one]}),
            &"eu.contoso.com".parse().unwrap(),
        )
        .unwrap();
        plan(&below, Some(&tenant), now())
    };
    let same = shown(&|_| {});
    assert_eq!((same.contradicts.clone(), same.is_to_do()), (None, false));
    let cases: [(&str, Change); 3] = [
        (
            "managed",
            Box::new(|one| {
                one["authenticationType"] = json!(Authentication::Managed.as_str());
                one["federationConfiguration"] = json!([]);
            }),
        ),
        (
            "a root domain of its own",
            Box::new(|one| one["isRoot"] = json!(true)),
        ),
        (
            "nextSigningCertificate",
            Box::new(|one| {
                let other = data_encoding::BASE64.encode(&certificate("other.pem"));
                one["federationConfiguration"][0]["nextSigningCertificate"] = json!(other);
            }),
        ),
    ];
    for (says, change) in cases {
        let plan = shown(&*change);
        let why = plan.contradicts.clone().unwrap_or_default();
        assert!(
            why.contains(says) && plan.is_to_do() && plan.is_empty(),
            "{says}: {why}"
        );
    }
}

#[test]
fn a_member_that_looks_like_a_configuration_is_not_judged_instead_of_the_object() {
    let mut value = tenant("fed-good").to_json();
    let perfect = value["domains"][0]["federationConfiguration"][0].clone();
    let mut other = value["domains"][0].clone();
    other["id"] = json!("fabrikam.com");
    value["domains"].as_array_mut().unwrap().push(other);
    let shown = &mut value["domains"][0]["federationConfiguration"][0];
    shown["body"] =
        json!({"issuerUri": "https://elsewhere", "passiveSignInUri": perfect["passiveSignInUri"]});
    let tenant = Tenant::parse(&value, &"contoso.com".parse().unwrap()).unwrap();
    let rules: Vec<_> = plan(&wanted(), Some(&tenant), now())
        .warnings
        .iter()
        .map(|warning| warning.rule)
        .collect();
    assert_eq!(rules, ["CB-FED-009"]);
}

#[test]
fn the_way_back_restores_what_was_and_names_what_it_cannot() {
    // From managed.
    let plan_made = plan(&wanted(), None, now());
    let managed = Tenant::parse(
        &json!({"id": "contoso.com", "authenticationType": "Managed", "federationConfiguration": []}),
        &"contoso.com".parse().unwrap(),
    )
    .unwrap();
    let federated = after(Some(&managed), &plan_made);
    let way = back(&managed.domains[0], &federated.domains[0]);
    assert!(way.to_managed);
    let [call] = way.calls.as_slice() else {
        panic!("{way:?}");
    };
    assert_eq!(
        (call.method, call.path.as_str()),
        (Method::Patch, "/v1.0/domains/contoso.com")
    );
    assert_eq!(call.body, json!({"authenticationType": "Managed"}));
    assert_eq!(way.cannot.len(), 2, "passwords and time");
    assert!(call.is_in_force(&managed.domains[0]) && !call.is_in_force(&federated.domains[0]));

    // From another provider, with everything else.
    let mut other = tenant("fed-good").to_json();
    let object = &mut other["domains"][0]["federationConfiguration"][0];
    object["issuerUri"] = json!("http://adfs.contoso.com/adfs/services/trust");
    object["activeSignInUri"] = json!("https://adfs.contoso.com/usernamemixed");
    object["nextSigningCertificate"] = Value::Null;
    object
        .as_object_mut()
        .unwrap()
        .remove("federatedIdpMfaBehavior");
    let before = Tenant::parse(&other, &"contoso.com".parse().unwrap()).unwrap();
    let made = plan(&wanted(), Some(&before), now());
    let ours_now = after(Some(&before), &made);
    let way = back(&before.domains[0], &ours_now.domains[0]);
    let [call] = way.calls.as_slice() else {
        panic!("{way:?}");
    };
    require_names_only(
        call,
        &[
            "activeSignInUri",
            "federatedIdpMfaBehavior",
            "issuerUri",
            "nextSigningCertificate",
        ],
    );
    assert_eq!(call.body["nextSigningCertificate"], Value::Null);
    assert_eq!(
        call.body["federatedIdpMfaBehavior"],
        "acceptIfMfaDoneByFederatedIdp"
    );
    assert_eq!(way.cannot.len(), 1, "{:?}", way.cannot);
    // Nothing to restore: nothing is called.
    assert!(
        back(&before.domains[0], &before.domains[0])
            .calls
            .is_empty()
    );
}

fn require_names_only(call: &Call, names: &[&str]) {
    let body = call.body.as_object().unwrap();
    let mut found: Vec<_> = body.keys().filter(|name| !name.starts_with('@')).collect();
    found.sort_unstable();
    assert_eq!(found, names);
}

proptest! {
    /// Whatever a tenant has: after the plan there is nothing left to do, and the way back
    /// leads to where it was.
    #[test]
    fn a_plan_leads_there_and_the_restoration_back(
        texts in proptest::collection::vec(proptest::option::of("[ -~]{0,12}"), 9),
        signed in proptest::option::of(any::<bool>()),
        platforms in proptest::option::of("(none|ios|android|mac|watch)(,(ios|mac|tv))?"),
    ) {
        let names = [
            "displayName", "issuerUri", "passiveSignInUri", "signOutUri", "activeSignInUri",
            "metadataExchangeUri", "preferredAuthenticationProtocol", "nextSigningCertificate",
            "promptLoginBehavior",
        ];
        let mut object = json!({"id": "6601d14b-d113-8f64-fda2-9b5ddda18ecc",
            "federatedIdpMfaBehavior": "rejectMfaByFederatedIdp"});
        for (name, text) in names.iter().zip(&texts) {
            object[*name] = json!(text);
        }
        object["isSignedAuthenticationRequestRequired"] = json!(signed);
        object["systemBrowserEnabledOn"] = json!(platforms);
        let value = json!({"id": "contoso.com", "authenticationType": "Federated",
            "federationConfiguration": [object]});
        let before = Tenant::parse(&value, &"contoso.com".parse().unwrap()).unwrap();
        let made = plan(&wanted(), Some(&before), now());
        let done = after(Some(&before), &made);
        prop_assert!(plan(&wanted(), Some(&done), now()).is_empty());
        for call in &made.calls {
            prop_assert!(call.is_in_force(&done.domains[0]));
            prop_assert!(!call.is_in_force(&before.domains[0]));
        }
        let mut way = made.clone();
        way.calls = back(&before.domains[0], &done.domains[0]).calls;
        let restored = after(Some(&done), &way);
        prop_assert_eq!(&restored.domains[0].federation(), &before.domains[0].federation());
    }
}
