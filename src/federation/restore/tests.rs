use serde_json::json;

use super::*;
use crate::federation::{
    DriftKind,
    fixture::{OURS, active, base64, federation, next, now, other, ours},
};

/// `shown`: nothing was asked for; an empty list; a list of one.
fn state(authentication: Option<Authentication>, shown: Option<&[Value]>) -> DomainState {
    let mut state = DomainState::unknown("contoso.com".parse().unwrap());
    state.authentication = authentication;
    state.configuration = shown.map(|list| {
        list.first()
            .map(|value| Configuration::parse(value).unwrap())
    });
    state
}

fn federated(change: impl FnOnce(&mut Value)) -> DomainState {
    let mut value = federation();
    change(&mut value);
    state(Some(Authentication::Federated), Some(&[value]))
}

fn back(before: &DomainState, has: &DomainState) -> Restoration {
    restore(before, has, &ours(), UnknownKeys::LeftOut, now())
}

/// Every pair of what may be known: a domain becomes managed only if it was known to be, and
/// what is not known is restored as nothing.
#[test]
fn what_is_not_known_is_not_restored() {
    use Authentication::{Federated, Managed};
    let mut named = federation();
    named["displayName"] = json!("Before");
    let all = |value: &Value| {
        let mut states = Vec::new();
        for authentication in [None, Some(Managed), Some(Federated)] {
            for shown in [None, Some(&[][..]), Some(std::slice::from_ref(value))] {
                states.push(state(authentication, shown));
            }
        }
        states
    };
    for before in all(&named) {
        for has in all(&federation()) {
            let way = back(&before, &has);
            let case = format!("{before:?} {has:?} {way:?}");
            let same = (before.authentication, &before.configuration)
                == (has.authentication, &has.configuration);
            let was_managed =
                before.authentication == Some(Managed) && before.federation().is_none();
            let was_federated =
                before.authentication != Some(Managed) && before.federation().is_some();
            assert!(way.refused.is_none() || way.calls.is_empty(), "{case}");
            match way.calls.first().map(|call| (call.method, &call.body)) {
                None if way.refused.is_some() => {}
                None => assert!(
                    same || (was_managed
                        && has.authentication == Some(Managed)
                        && has.federation().is_none()),
                    "{case}"
                ),
                Some((Method::Patch, body)) if body.get("authenticationType").is_some() => {
                    assert!(was_managed && way.to_managed, "{case}");
                    assert!(
                        has.authentication == Some(Federated) || has.federation().is_some(),
                        "{case}"
                    );
                }
                Some((Method::Patch, _)) => assert!(
                    was_federated
                        && has.federation().is_some()
                        && has.authentication != Some(Managed),
                    "{case}"
                ),
                Some((Method::Post, _)) => assert!(
                    was_federated
                        && has.authentication == Some(Managed)
                        && has.configuration == Some(None),
                    "{case}"
                ),
            }
            if !was_managed && !was_federated && !same {
                assert!(way.refused.is_some(), "{case}");
            }
        }
    }
}

#[test]
fn a_key_of_nobodys_does_not_come_back() {
    let has = federated(|_| {});
    for property in ["nextSigningCertificate", "signingCertificate"] {
        for key in [base64(&other()), json!("no base64!")] {
            let before = federated(|value| {
                value[property] = key.clone();
                value["displayName"] = json!("Before");
            });
            let way = back(&before, &has);
            let [call] = way.calls.as_slice() else {
                panic!("{way:?}");
            };
            assert_eq!(call.body.get(property), None);
            assert_eq!(call.body["displayName"], "Before");
            assert!(way.cannot[0].contains(property), "{way:?}");
            // Who asks for it gets it, and is told.
            let way = restore(&before, &has, &ours(), UnknownKeys::Restored, now());
            assert_eq!(way.calls[0].body[property], key);
            assert!(
                way.warnings
                    .iter()
                    .any(|one| one.kind == DriftKind::UnknownCertificate),
                "{way:?}"
            );
        }
    }
}

/// A key was exchanged because it was stolen: the way back must not let it in again.
#[test]
fn a_former_key_of_ours_does_not_come_back() {
    let mut mine = ours();
    mine.certificates.staged = None;
    mine.certificates.former = vec![other(), next()];
    for property in ["nextSigningCertificate", "signingCertificate"] {
        let before = federated(|value| {
            value[property] = base64(&other());
            value["displayName"] = json!("Before");
        });
        let has = federated(|value| value["nextSigningCertificate"] = Value::Null);
        let way = restore(&before, &has, &mine, UnknownKeys::LeftOut, now());
        assert_eq!(way.calls[0].body.get(property), None, "{way:?}");
        assert!(
            way.cannot
                .iter()
                .any(|said| said.contains(property) && said.contains("former key of ours")),
            "{way:?}"
        );
        let way = restore(&before, &has, &mine, UnknownKeys::Restored, now());
        assert_eq!(way.calls[0].body[property], base64(&other()));
    }
    // It alone would make nobody's federation.
    let before = federated(|value| value["signingCertificate"] = base64(&other()));
    let gone = state(Some(Authentication::Managed), Some(&[]));
    let way = restore(&before, &gone, &mine, UnknownKeys::LeftOut, now());
    assert!(way.calls.is_empty() && way.refused.is_some(), "{way:?}");
    // One that signs comes back.
    let before = federated(|value| value["signingCertificate"] = base64(&active()));
    let has = federated(|value| value["signingCertificate"] = base64(&other()));
    let way = restore(&before, &has, &mine, UnknownKeys::LeftOut, now());
    assert_eq!(way.calls[0].body["signingCertificate"], base64(&active()));
    assert!(way.cannot.is_empty(), "{way:?}");
}

#[test]
fn an_earlier_provider_comes_back_whole_or_not_at_all() {
    let before = federated(|value| {
        value["issuerUri"] = json!("http://adfs.contoso.com/adfs/services/trust");
        value["signingCertificate"] = base64(&other());
    });
    let has = federated(|_| {});
    let way = back(&before, &has);
    assert!(way.calls.is_empty() && way.differences.is_empty());
    let why = way.refused.unwrap();
    assert!(
        why.contains("http://adfs.contoso.com/adfs/services/trust"),
        "{why}"
    );
    let way = restore(&before, &has, &ours(), UnknownKeys::Restored, now());
    assert_eq!(way.refused, None);
    assert_eq!(way.calls[0].body["signingCertificate"], base64(&other()));
    // Made anew without its key, it would be nobody's.
    let before = federated(|value| value["signingCertificate"] = base64(&other()));
    let gone = state(Some(Authentication::Managed), Some(&[]));
    assert!(back(&before, &gone).refused.is_some());
}

#[test]
fn what_should_not_be_is_told_before_it_comes_back() {
    let before = federated(|value| {
        value["activeSignInUri"] = json!("https://evil.example/");
        value["federatedIdpMfaBehavior"] = json!("rejectMfaByFederatedIdp");
    });
    let way = back(&before, &federated(|_| {}));
    let told: Vec<_> = way.warnings.iter().filter_map(|one| one.property).collect();
    assert_eq!(told, ["activeSignInUri", "federatedIdpMfaBehavior"]);
    assert!(
        !back(
            &federated(|value| value["issuerUri"] = json!(OURS)),
            &federated(|value| value["displayName"] = json!("x"))
        )
        .calls
        .is_empty()
    );
}

#[test]
fn an_object_without_an_id_is_not_written_to() {
    let has = federated(|value| {
        value.as_object_mut().unwrap().remove("id");
        value["displayName"] = json!("Now");
    });
    let way = back(&federated(|_| {}), &has);
    assert!(way.calls.is_empty());
    assert!(way.refused.unwrap().contains("without an id"));
}
