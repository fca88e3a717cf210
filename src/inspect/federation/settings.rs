//! CB-FED-001, 003…006, 008, 009, 011…014: what the values mean.

use std::collections::BTreeMap;

use crate::{
    base::text::DomainName,
    inspect::{
        context::Known,
        federation_case::{Dialect, Extent, FederationCase, FederationConfig, Setting},
        identity::near_miss,
        report::Severity,
        rule::{Ruling, quoted},
    },
};

const WHOLE: &[&str] = &["the whole configuration as Get-MgDomainFederationConfiguration shows it"];
const MFA: &str = "federatedIdpMfaBehavior";
const PROMPT: &str = "promptLoginBehavior";
const PROTOCOL: &str = "preferredAuthenticationProtocol";

/// The values that Graph knows (facts §4.1, §4.2).
const VALUES: [(&str, &[&str]); 4] = [
    (
        MFA,
        &[
            "acceptIfMfaDoneByFederatedIdp",
            "enforceMfaByFederatedIdp",
            "rejectMfaByFederatedIdp",
        ],
    ),
    (
        PROMPT,
        &[
            "translateToFreshPasswordAuthentication",
            "nativeSupport",
            "disabled",
        ],
    ),
    (PROTOCOL, &["wsFed", "saml"]),
    ("isSignedAuthenticationRequestRequired", &["true", "false"]),
];

fn is(config: &FederationConfig, name: &str, value: &str) -> bool {
    config
        .text(name)
        .is_some_and(|text| text.eq_ignore_ascii_case(value))
}

/// CB-FED-001.
pub(in crate::inspect) fn addresses(case: &FederationCase<'_>) -> Ruling {
    let known = &case.context.federation;
    let ours = [
        ("issuerUri", case.context.issuer.as_deref(), "--issuer"),
        (
            "passiveSignInUri",
            known.sign_in_url.as_deref(),
            "--sign-in-url",
        ),
        (
            "signOutUri",
            known.sign_out_url.as_deref(),
            "--sign-out-url",
        ),
    ];
    let mut evidence = Vec::new();
    let mut missing = Vec::new();
    for (name, wanted, option) in ours {
        let Some(wanted) = wanted else {
            missing.push(option);
            continue;
        };
        evidence.extend(case.each(|config| {
            if config.is_unseen(name) {
                return None;
            }
            match config.text(name) {
                Some(found) if found == wanted => None,
                Some(found) => Some(format!(
                    "{name} is {}, ours is {}{}.",
                    quoted(found),
                    quoted(wanted),
                    near_miss(found, wanted)
                )),
                None => Some(format!("{name} is not set, ours is {}.", quoted(wanted))),
            }
        }));
    }
    if !evidence.is_empty() {
        return Ruling::broken_by(&evidence);
    }
    if missing.contains(&"--issuer") || missing.contains(&"--sign-in-url") {
        return Ruling::undecided(
            format!("Not given: {}.", missing.join(", ")),
            &[
                "--issuer, --sign-in-url and --sign-out-url",
                "--domain with a configuration",
            ],
        );
    }
    match case.unseen("issuerUri") {
        Some(why) => Ruling::undecided(why, WHOLE),
        None => Ruling::Holds,
    }
}

/// CB-FED-003.
pub(in crate::inspect) fn mfa_rejected(case: &FederationCase<'_>) -> Ruling {
    let evidence = case.each(|config| {
        is(config, MFA, "rejectMfaByFederatedIdp")
            .then(|| "federatedIdpMfaBehavior is rejectMfaByFederatedIdp.".to_owned())
    });
    if !evidence.is_empty() {
        return Ruling::broken_by(&evidence);
    }
    match case.unseen(MFA) {
        Some(why) => Ruling::undecided(why, WHOLE),
        None => Ruling::Holds,
    }
}

/// CB-FED-004.
pub(in crate::inspect) fn mfa_accepted_only(case: &FederationCase<'_>) -> Ruling {
    Ruling::broken_by(&case.each(|config| {
        if config.is_unseen(MFA) {
            return None;
        }
        match config.text(MFA) {
            None if is(config, "supportsMfa", "true") => None,
            None => Some("federatedIdpMfaBehavior is not set.".to_owned()),
            Some(text) => text
                .eq_ignore_ascii_case("acceptIfMfaDoneByFederatedIdp")
                .then(|| format!("federatedIdpMfaBehavior is {text}.")),
        }
    }))
}

/// CB-FED-005.
pub(in crate::inspect) fn prompt(case: &FederationCase<'_>) -> Ruling {
    Ruling::broken_by(&case.each(|config| {
        if config.is_unseen(PROMPT) {
            return None;
        }
        match config.text(PROMPT) {
            None => Some("promptLoginBehavior is not set.".to_owned()),
            Some(text) => text
                .eq_ignore_ascii_case("translateToFreshPasswordAuthentication")
                .then(|| format!("promptLoginBehavior is {text}.")),
        }
    }))
}

/// CB-FED-006.
pub(in crate::inspect) fn protocol(case: &FederationCase<'_>) -> Ruling {
    let evidence = case.each(|config| {
        (!config.is_unseen(PROTOCOL) && config.text(PROTOCOL).is_none())
            .then(|| "preferredAuthenticationProtocol is not set.".to_owned())
    });
    if !evidence.is_empty() {
        return Ruling::broken_by(&evidence);
    }
    match case.unseen(PROTOCOL) {
        Some(why) => Ruling::undecided(why, WHOLE),
        None => Ruling::Holds,
    }
}

/// CB-FED-008.
pub(in crate::inspect) fn system_browser(case: &FederationCase<'_>) -> Ruling {
    const PLATFORMS: [(&str, &[&str]); 3] = [
        ("iOS", &["ios"]),
        ("Android", &["android"]),
        ("macOS", &["mac", "macos"]),
    ];
    Ruling::broken_by(&case.each(|config| {
        let name = "systemBrowserEnabledOn";
        if config.is_unseen(name) {
            return None;
        }
        let listed: Vec<String> = match config.settings.get(name) {
            Some(Setting::List(items)) => items.iter().map(|item| item.to_lowercase()).collect(),
            Some(Setting::Text(text)) => text
                .split([',', ' '])
                .map(|item| item.trim().to_lowercase())
                .collect(),
            _ => Vec::new(),
        };
        let lacking: Vec<_> = PLATFORMS
            .iter()
            .filter(|(_, names)| {
                !names
                    .iter()
                    .any(|name| listed.iter().any(|item| item == name))
            })
            .map(|(platform, _)| *platform)
            .collect();
        (!lacking.is_empty())
            .then(|| format!("systemBrowserEnabledOn lacks {}.", lacking.join(", ")))
    }))
}

/// CB-FED-009. Over what is seen together, and the domains of the local configuration.
pub(in crate::inspect) fn shared_issuer(case: &FederationCase<'_>) -> Ruling {
    let mut evidence = Vec::new();
    let mut known: BTreeMap<DomainName, String> =
        case.context.federation.others.iter().cloned().collect();
    for config in &case.configs {
        let (Some(domain), Some(issuer)) = (
            config
                .domain
                .as_deref()
                .and_then(|text| text.parse::<DomainName>().ok()),
            config.text("issuerUri"),
        ) else {
            continue;
        };
        for (other, of_other) in &known {
            if *other == domain {
                continue;
            }
            let related = domain.is_within(other) || other.is_within(&domain);
            if related && of_other != issuer {
                evidence.push(format!(
                    "{domain} has {}, {other} has {}; a sub-domain uses its parent's.",
                    quoted(issuer),
                    quoted(of_other)
                ));
            } else if !related && of_other == issuer {
                evidence.push(format!(
                    "{domain} and {other} both have {}.",
                    quoted(issuer)
                ));
            }
        }
        known.insert(domain, issuer.to_owned());
    }
    Ruling::broken_by(&evidence)
}

/// CB-FED-011.
pub(in crate::inspect) fn emergency(case: &FederationCase<'_>) -> Ruling {
    let mut evidence = case.each(|config| {
        let domain = config.domain.as_deref()?.to_ascii_lowercase();
        [".onmicrosoft.com", ".onmicrosoft.us", ".onmschina.cn"]
            .iter()
            .any(|ending| domain.ends_with(ending))
            .then(|| "it is Microsoft's own domain.".to_owned())
    });
    evidence.extend(case.each(|config| {
        (config.is_default == Some(true)).then(|| "it is the tenant's default domain.".to_owned())
    }));
    match case.context.federation.emergency_accounts {
        Known::No => evidence
            .push("There are no cloud-only emergency accounts on *.onmicrosoft.com.".to_owned()),
        Known::Unknown if evidence.is_empty() => {
            return Ruling::undecided(
                "Whether two cloud-only emergency accounts exist was not said.",
                &["--emergency-accounts yes"],
            );
        }
        _ => {}
    }
    Ruling::broken_by(&evidence)
}

/// CB-FED-012.
pub(in crate::inspect) fn security_defaults(case: &FederationCase<'_>) -> Ruling {
    match case.context.federation.security_defaults {
        Known::Yes => Ruling::broken("Security defaults are on."),
        Known::No => Ruling::Holds,
        Known::Unknown => Ruling::undecided(
            "Whether security defaults are on was not said.",
            &["--security-defaults off"],
        ),
    }
}

/// CB-FED-013.
pub(in crate::inspect) fn unknown_values(case: &FederationCase<'_>) -> Ruling {
    let mut evidence = Vec::new();
    for (name, values) in VALUES {
        evidence.extend(case.each(|config| {
            let found = config.text(name)?;
            // The retired module had its own word for saml.
            let is_old = config.dialect == Dialect::MsOnline
                && name == PROTOCOL
                && found.eq_ignore_ascii_case("samlp");
            let is_known = values.iter().any(|value| value.eq_ignore_ascii_case(found));
            (!is_known && !is_old).then(|| {
                format!(
                    "{name} is {}; it is one of {}.",
                    quoted(found),
                    values.join(", ")
                )
            })
        }));
    }
    evidence.extend(case.each(|config| {
        if config.unknown.is_empty() {
            return None;
        }
        let names: Vec<_> = config.unknown.iter().map(|name| quoted(name)).collect();
        Some(format!("no property is called {}.", names.join(", ")))
    }));
    evidence.extend(case.each(|config| {
        (config.dialect == Dialect::Graph && config.settings.contains_key("supportsMfa")).then(
            || "SupportsMfa is ignored once federatedIdpMfaBehavior is set; set that.".to_owned(),
        )
    }));
    Ruling::broken_by(&evidence)
}

/// CB-FED-014.
pub(in crate::inspect) fn retired(case: &FederationCase<'_>) -> Ruling {
    let mut commands: Vec<_> = case
        .configs
        .iter()
        .filter(|config| config.dialect == Dialect::MsOnline)
        .filter_map(|config| config.command.as_deref())
        .collect();
    commands.dedup();
    if commands.is_empty() {
        return Ruling::Holds;
    }
    let whole = case
        .configs
        .iter()
        .any(|config| config.extent == Extent::Whole);
    let ruling = Ruling::broken(format!("The command is {}.", commands.join(", ")));
    // What an old tool shows is still so; what it should set no longer can be.
    if whole && commands.iter().all(|command| command.starts_with("Get-")) {
        ruling.with_severity(Severity::Info)
    } else {
        ruling
    }
}
