//! For whom an issuer speaks, whatever the names look like (attack 19).

use claimbridge::{
    base::text::{DomainName, Upn},
    claims::NotReleased,
    relying_party::{Domain, domain::new_domain},
};
use proptest::prelude::*;

use crate::saml_kit::{Agent, NOW, entra};

/// Configured domains, some within others.
const CONFIGURED: [&str; 6] = [
    "contoso.com",
    "evilcontoso.com",
    "eu.contoso.com",
    "fabrikam.com",
    "xn--bcher-kva.example",
    "tenant.co.uk",
];

/// Domains that nobody configured, each near to one that is.
const STRANGERS: [&str; 14] = [
    "notcontoso.com",
    "contoso.com.evil.com",
    "us.contoso.com",
    "a.eu.contoso.com",
    "contoso.co",
    "ontoso.com",
    "com",
    "co.uk",
    "enant.co.uk",
    "example",
    "bucher.example",
    "c0ntoso.com",
    "contoso-com.example",
    "fabrikam.com.contoso.co",
];

fn domains(chosen: &[bool]) -> Vec<Domain> {
    let mut present = Vec::new();
    for (name, chosen) in CONFIGURED.iter().zip(chosen) {
        if *chosen {
            let issuer = format!("https://idp.example.com/{name}");
            // Within a root that is there, it takes the root's.
            let added = new_domain(name.parse().unwrap(), None, &issuer, &present, NOW);
            present.push(added.unwrap());
        }
    }
    present
}

/// The canonical name, and spellings of it that mean the same.
fn spelling(name: &'static str) -> impl Strategy<Value = (&'static str, String)> {
    prop::collection::vec(0_u8..4, name.len()).prop_map(move |how| {
        let spelt = name
            .chars()
            .zip(how)
            .map(|(c, how)| match how {
                1 => c.to_ascii_uppercase(),
                // Full-width forms fold to these under NFKC.
                2 => char::from_u32(u32::from(c) + 0xfee0).unwrap(),
                _ => c,
            })
            .collect();
        (name, spelt)
    })
}

fn any_domain() -> impl Strategy<Value = (&'static str, String)> {
    let names: Vec<&'static str> = CONFIGURED.iter().chain(&STRANGERS).copied().collect();
    prop::sample::select(names).prop_flat_map(spelling)
}

/// What stands around a name: nothing, white space, or what makes it another.
const AROUND: [(&str, &str, bool); 9] = [
    ("", "", true),
    (" ", "\t", true),
    ("", ".", false),
    ("", "\u{3002}", false),
    ("", "@fabrikam.com", false),
    ("", "<!-- -->.evil.com", false),
    ("", "\0", false),
    ("", "\u{200b}", false),
    ("", "%00", false),
];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whoever signs in with both factors is spoken for by the issuer of their own
    /// configured domain, with their own values, or by nobody.
    #[test]
    fn attack_19_no_name_makes_an_issuer_speak_for_people_of_others(
        chosen in prop::collection::vec(any::<bool>(), CONFIGURED.len()),
        (of, spelt) in any_domain(),
        around in prop::sample::select(AROUND.to_vec()),
        asked in prop::option::of(any_domain()),
    ) {
        let (before, after, means_the_same) = around;
        let text = format!("{before}Agent1@{spelt}{after}");
        let present = domains(&chosen);
        let Ok(upn) = text.parse::<Upn>() else {
            // Only what cannot be a name is no name.
            prop_assert!(!means_the_same || !of.contains('.'), "{text:?}");
            return Ok(());
        };
        prop_assert!(means_the_same, "{text:?} is {upn}");
        let canonical = format!("agent1@{of}");
        prop_assert_eq!(upn.as_str(), canonical.as_str());
        let asked: Option<(&str, DomainName)> = match asked {
            None => None,
            Some((name, spelt)) => match spelt.parse() {
                Ok(parsed) => Some((name, parsed)),
                Err(_) => return Ok(()),
            },
        };

        let mut agent = Agent::new(&text, "ABCDEG1234567890", "https://unused.example/of-nobody");
        agent.domains = present;
        let released = agent.release(&entra(), NOW, asked.as_ref().map(|(_, name)| name));

        // Told apart without the code under test: by the table and by string equality.
        let is_there = |name: &str| {
            CONFIGURED.iter().zip(&chosen).any(|(known, chosen)| *chosen && *known == name)
        };
        let issuer_of = |name: &str| {
            let root = if name == "eu.contoso.com" && is_there("contoso.com") {
                "contoso.com"
            } else {
                name
            };
            is_there(name).then(|| format!("https://idp.example.com/{root}"))
        };
        let may = match (&issuer_of(of), &asked) {
            (None, _) => false,
            (Some(_), None) => true,
            (own @ Some(_), Some((name, _))) => issuer_of(name) == *own,
        };
        match released {
            Ok(claims) => {
                prop_assert!(may, "{text:?} asked {asked:?} of {chosen:?}");
                prop_assert_eq!(Some(claims.issuer().to_owned()), issuer_of(of));
                prop_assert_eq!(claims.upn(), canonical.as_str());
                prop_assert_eq!(claims.name_id(), "ABCDEG1234567890");
                let realm = claims.realm().as_str();
                let below = format!(".{realm}");
                prop_assert!(of == realm || of.ends_with(&below));
            }
            Err(error) => {
                prop_assert!(!may, "{text:?} asked {asked:?}: {error}");
                let known = matches!(
                    error,
                    NotReleased::UnknownDomain(_) | NotReleased::OtherDomain { .. }
                );
                prop_assert!(known, "{error}");
            }
        }
    }
}

/// Letters of other scripts that look like these make no second person of a name.
#[test]
fn attack_19_a_look_alike_letter_is_no_letter_of_a_name() {
    for text in [
        "аgent1@contoso.com",
        "agent1@соntoso.com",
        "agent1@contoso.ϲom",
        "agent1@contosо.com",
        "agеnt1@contoso.com",
        "agent1@bücher.example",
        "agent1@contoso。com.",
        "agent1@contoso.com\u{ad}",
        "agent1\u{202e}@contoso.com",
        "agent1@xn--.contoso.com ",
    ] {
        let parsed = text.parse::<Upn>();
        let harmless = text.contains("xn--");
        assert!(parsed.is_err() || harmless, "{text:?}: {parsed:?}");
    }
}
