use std::{fs, os::unix::fs::PermissionsExt as _};

use tempfile::TempDir;

use super::*;

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A folder with `claimbridge.toml` and a master key that only its owner can read.
fn folder(toml: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("claimbridge.toml"), toml).unwrap();
    let key = folder.path().join("master.key");
    fs::write(&key, format!("{KEY}\n")).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    folder
}

fn load_in(folder: &TempDir, environment: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let variables = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Some(&folder.path().join("claimbridge.toml")), variables)
        .map_err(|problems| problems.0.iter().map(ToString::to_string).collect())
}

fn load(toml: &str, environment: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    load_in(&folder(toml), environment)
}

const LEAST: &str = r#"
public_url = "https://idp.contoso.com"
database_url = "sqlite://claimbridge.db"
master_key_file = "master.key"
"#;

fn with(more: &str) -> String {
    format!("{LEAST}{more}")
}

/// The one problem of a configuration that is good but for `more`.
fn problem(more: &str) -> String {
    let problems = load(&with(more), &[]).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.into_iter().next().unwrap()
}

#[test]
fn the_least_file_has_sane_defaults() {
    let folder = folder(LEAST);
    let config = load_in(&folder, &[]).unwrap();
    assert_eq!(config.public_url.as_str(), "https://idp.contoso.com/");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.entra.cloud.name, "global");
    assert_eq!(config.entra.sha1, crate::relying_party::Sha1::Refused);
    assert_eq!(config.policy.entra_session_max_age, Duration::from_mins(15));
    assert_eq!(config.policy.attempt_lifetime, Duration::from_mins(15));
    let database = folder.path().join("claimbridge.db");
    assert_eq!(
        config.database_url.expose(),
        &format!("sqlite://{}", database.display())
    );
    assert_eq!(config.master_key.to_hex().as_str(), KEY);
}

#[test]
fn the_file_that_init_writes_is_good_and_names_every_key() {
    let url = Url::parse("https://idp.contoso.com").unwrap();
    let template = template::commented(&url);
    let folder = folder(&template);
    load_in(&folder, &[]).unwrap();
    let path = folder.path().join("claimbridge.toml");
    let mut reader = Reader::new(Some(&path), std::iter::empty());
    read(&mut reader);
    for key in reader.known() {
        let name = key.rsplit(['.', ' ']).next().unwrap();
        assert!(template.contains(name), "{key} is not in the template");
    }
    // What stands there as default is the default.
    let uncommented: String = template
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest)
                if rest.contains(" = ") && !rest.contains('…') && !rest.contains("_file = ") =>
            {
                format!("{rest}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    let uncommented = uncommented
        .replace("name = \"contoso.com\"", "")
        .replace("issuer = \"https://idp.contoso.com/contoso.com\"", "");
    let plain = load_in(&folder, &[]).unwrap();
    fs::write(&path, uncommented).unwrap();
    let spelled_out = load_in(&folder, &[]).unwrap();
    assert_eq!(
        Policy {
            trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
            ..plain.policy
        },
        spelled_out.policy
    );
    assert_eq!(plain.entra, spelled_out.entra);
    assert_eq!(plain.branding, spelled_out.branding);
    assert_eq!(plain.listen, spelled_out.listen);
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    for (more, key, nearest) in [
        (
            "[policy]\nsesion_idle = \"1h\"",
            "policy.sesion_idle",
            "policy.session_idle",
        ),
        (
            "session_idle = \"1h\"",
            "session_idle",
            "policy.session_idle",
        ),
        (
            "[[domain]]\nname = \"contoso.com\"\nisuer = \"x\"",
            "[[domain]] isuer",
            "[[domain]] issuer",
        ),
        ("[brand]\nname = \"x\"", "brand.name", "branding.name"),
    ] {
        assert_eq!(
            problem(more),
            format!("{key}: there is no such key; did you mean {nearest}?")
        );
    }
    let problems = load(LEAST, &[("CLAIMBRIDGE_POLICY__SESSION_IDEL", "1h")]).unwrap_err();
    assert_eq!(
        problems,
        [
            "CLAIMBRIDGE_POLICY__SESSION_IDEL: there is no such key; did you mean CLAIMBRIDGE_POLICY__SESSION_IDLE?"
        ]
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let problems = load(
        r#"
        public_url = "http://idp.contoso.com"
        listen = "8080"
        database_url = "mysql://x"
        nonsense = 1
        [policy]
        session_idle = "8 weeks"
        totp_skew_steps = 9
        trusted_proxies = ["proxy"]
        "#,
        &[],
    )
    .unwrap_err();
    let keys: Vec<&str> = problems
        .iter()
        .map(|problem| problem.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "public_url",
            "listen",
            "database_url",
            "master_key_file",
            "policy.session_idle",
            "policy.totp_skew_steps",
            "policy.trusted_proxies",
            "nonsense"
        ]
    );
}

#[test]
fn the_environment_wins_over_the_file() {
    let config = load(
        &with("[policy]\npass_length = 20\n[[domain]]\nname = \"contoso.com\""),
        &[
            ("CLAIMBRIDGE_POLICY__PASS_LENGTH", "24"),
            ("CLAIMBRIDGE_MASTER_KEY", &KEY.replace('0', "f")),
            ("CLAIMBRIDGE_DOMAIN__1__NAME", "fabrikam.com"),
            (
                "CLAIMBRIDGE_POLICY__TRUSTED_PROXIES",
                "10.0.0.7, 10.1.0.0/16",
            ),
            ("CLAIMBRIDGE_CONFIG", "elsewhere"),
            ("HOME", "/root"),
        ],
    )
    .unwrap();
    assert_eq!(config.policy.pass_length, 24);
    assert_ne!(config.master_key.to_hex().as_str(), KEY);
    assert_eq!(config.policy.trusted_proxies.len(), 2);
    let names: Vec<&str> = config.domains.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["contoso.com", "fabrikam.com"]);
}

#[test]
fn a_secret_and_its_file_are_not_both_set() {
    let folder = folder(&with(&format!("master_key = \"{KEY}\"")));
    let path = folder.path().join("claimbridge.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let problems = load_in(&folder, &[]).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("others can read it"), "{problems:?}");
    assert!(problems[1].contains("keep one of them"), "{problems:?}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(load_in(&folder, &[]).unwrap_err().len(), 1);
}

#[test]
fn plain_http_is_for_this_machine_only() {
    for (url, good) in [
        ("http://localhost:8080", true),
        ("http://127.0.0.1:8080", true),
        ("http://[::1]:8080", true),
        ("http://idp.localhost", true),
        ("http://localhost.contoso.com", false),
        ("http://10.0.0.1", false),
        ("ftp://localhost", false),
        ("https://idp.contoso.com/path", false),
        ("https://user@idp.contoso.com", false),
        ("https://idp.contoso.com?x", false),
        ("idp.contoso.com", false),
    ] {
        let toml = LEAST.replace("https://idp.contoso.com", url);
        assert_eq!(load(&toml, &[]).is_ok(), good, "{url}");
    }
}

#[test]
fn attack_39_answers_for_a_microsoft_audience_go_to_that_clouds_host_only() {
    const GLOBAL: &str = "urn:federation:MicrosoftOnline";
    for (entity_id, reply_url, good) in [
        (GLOBAL, "https://login.microsoftonline.com/login.srf", true),
        (GLOBAL, "https://login.microsoftonline.com/other", true),
        (
            GLOBAL,
            "https://login.microsoftonline.com.evil.example/login.srf",
            false,
        ),
        (
            GLOBAL,
            "https://login.microsoftonline.com:8443/login.srf",
            false,
        ),
        (GLOBAL, "http://login.microsoftonline.com/login.srf", false),
        (GLOBAL, "http://127.0.0.1:8081/login.srf", false),
        (GLOBAL, "https://login.microsoftonline.us/login.srf", false),
        (
            " urn:federation:microsoftONLINE/",
            "https://evil.example",
            false,
        ),
        (
            "urn:federation:microsoftonline.us",
            "https://evil.example",
            false,
        ),
        (
            "https://login.microsoftonline.com/extSTS.srf",
            "https://evil.example",
            false,
        ),
        // Entra's other names, each on a host of no preset.
        (
            "https://sts.windows.net/0b5c1d2e/",
            "https://evil.example",
            false,
        ),
        (
            "https://autologon.microsoftonline.com/",
            "http://127.0.0.1:8081/acs",
            false,
        ),
        (
            "urn:federation:microsoftonline.de",
            "https://evil.example",
            false,
        ),
        (
            "https://sts.windows.net/0b5c1d2e/",
            "https://login.microsoftonline.us/login.srf",
            true,
        ),
        (
            "https://practice.example",
            "https://practice.example/acs",
            true,
        ),
        (
            "https://practice.example",
            "http://127.0.0.1:8081/acs",
            true,
        ),
        (
            "https://practice.example",
            "http://practice.example/acs",
            false,
        ),
    ] {
        let toml = with(&format!(
            "[entra.cloud]\nentity_id = \"{entity_id}\"\nreply_url = \"{reply_url}\""
        ));
        assert_eq!(load(&toml, &[]).is_ok(), good, "{entity_id} {reply_url}");
    }
}

#[test]
fn a_master_key_that_others_can_read_is_refused() {
    let folder = folder(LEAST);
    let key = folder.path().join("master.key");
    for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let loaded = load_in(&folder, &[]);
        assert_eq!(loaded.is_ok(), good, "{mode:o}");
        if let Err(problems) = loaded {
            assert!(problems[0].contains("chmod 600"), "{problems:?}");
        }
    }
}

#[test]
fn what_is_wrong_with_clouds_domains_and_tls() {
    for (more, wanted) in [
        ("[entra]\ncloud = \"germany\"", "entra.cloud"),
        ("[entra.cloud]\nentity_id = \"x\"", "entra.cloud"),
        (
            "[entra]\nrequire_signed_requests = true",
            "entra.require_signed_requests",
        ),
        (
            "[entra]\nmetadata_file = \"none.xml\"",
            "entra.metadata_file",
        ),
        ("[[domain]]\nname = \"contoso\"", "[[domain]] name"),
        (
            "[[domain]]\nname = \"a.onmicrosoft.com\"",
            "[[domain]] name",
        ),
        ("[[domain]]\nissuer = \"urn:x\"", "[[domain]] name"),
        (
            "[[domain]]\nname = \"contoso.com\"\n[[domain]]\nname = \"Contoso.com\"",
            "[[domain]] name",
        ),
        (
            "[tls]\ncertificate_file = \"master.key\"",
            "tls.private_key_file",
        ),
        ("[policy]\nsession_idle = \"13h\"", "policy.session_idle"),
        ("[policy]\nattempt_lifetime = 15", "policy.attempt_lifetime"),
    ] {
        let text = problem(more);
        assert!(text.starts_with(&format!("{wanted}: ")), "{text}");
    }
}

#[test]
fn no_secret_is_printed() {
    let config = load(
        &LEAST.replace("sqlite://claimbridge.db", "postgres://u:hunter2@h/n"),
        &[],
    )
    .unwrap();
    let printed = format!("{config:?}");
    assert!(
        !printed.contains("hunter2") && !printed.contains("0011"),
        "{printed}"
    );
}

#[test]
fn a_file_that_is_no_toml_names_the_line() {
    let problems = load("public_url = \"https://idp.contoso.com\"\nlisten = \n", &[]).unwrap_err();
    assert!(problems[0].contains("line 2"), "{problems:?}");
}
