use std::{fs, os::unix::fs::PermissionsExt as _};

use tempfile::TempDir;

use super::*;
use crate::relying_party::TenantCloud;

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
    let template = template::commented(&url, "sqlite://claimbridge.db");
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
        .replace("issuer = \"https://idp.contoso.com/contoso.com\"", "")
        .replace("protocol = \"saml\"", "");
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
    assert_eq!(plain.watch.every, spelled_out.watch.every);
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
fn a_domain_speaks_saml_unless_it_says_otherwise() {
    let folder = folder(&with(
        "[[domain]]\nname = \"contoso.com\"\n[[domain]]\nname = \"fabrikam.com\"\nprotocol = \"wsfed\"",
    ));
    let config = load_in(&folder, &[]).unwrap();
    let protocols: Vec<DomainProtocol> = config.domains.iter().map(|d| d.protocol).collect();
    assert_eq!(protocols, [DomainProtocol::Saml, DomainProtocol::WsFed]);
}

const TENANT: &str = "[[tenant]]\ntenant_id = \"72F988BF-86f1-41af-91ab-2d7cd011db47\"\nclient_id = \"method-a\"\napplication_id = \"6fa6c2ba-0d5a-4b53-9a0c-7e6a2d3f1b11\"\n";

#[test]
fn a_tenant_is_in_the_configured_cloud_unless_it_says_otherwise() {
    let other = TENANT.replace("db47", "db48");
    let text = with(&format!(
        "[entra]\ncloud = \"us-gov\"\n{TENANT}{other}cloud = \"china\"\nname = \"Büro\"\n"
    ));
    let config = load(&text, &[]).unwrap();
    let [first, second] = &config.tenants[..] else {
        panic!("{:?}", config.tenants);
    };
    assert_eq!(first.id.to_string(), "72f988bf-86f1-41af-91ab-2d7cd011db47");
    assert_eq!(
        (first.cloud, first.title()),
        (TenantCloud::UsGov, first.id.to_string())
    );
    assert_eq!(
        (second.cloud, second.title()),
        (TenantCloud::China, "Büro".to_owned())
    );
    let custom =
        "[entra.cloud]\nentity_id = \"urn:x\"\nreply_url = \"https://entra.example/login.srf\"\n";
    let endpoints =
        |host: &str| format!("authority_url = \"{host}\"\ngraph_url = \"{host}/graph\"\n");
    let here = endpoints("http://127.0.0.1:8081");
    let config = load(&with(&format!("{custom}{here}{TENANT}")), &[]).unwrap();
    assert_eq!(config.tenants[0].cloud, TenantCloud::Custom);
    // Hints are believed by keys that are fetched there: nobody but a practice tenant.
    let elsewhere = endpoints("https://entra.example");
    let problems = load(&with(&format!("{custom}{elsewhere}{TENANT}")), &[]).unwrap_err();
    assert!(
        problems[0].contains("is no address of this computer"),
        "{problems:?}"
    );
    let problems = load(&with(&format!("{custom}{TENANT}")), &[]).unwrap_err();
    assert!(
        problems[0].contains("addresses are not configured; add authority_url"),
        "{problems:?}"
    );
}

#[test]
fn a_tenant_has_the_domains_that_it_was_given() {
    let other = TENANT.replace("db47", "db48");
    let text = with(&format!(
        "{TENANT}domains = [\"Contoso.com\", \"eu.contoso.com\"]\n{other}domains = [\"fabrikam.com\"]\n"
    ));
    let config = load(&text, &[]).unwrap();
    let given: Vec<Vec<&str>> = config
        .tenants
        .iter()
        .map(|tenant| config.tenant_domains.of(tenant.id))
        .map(|domains| domains.map(DomainName::as_str).collect())
        .collect();
    assert_eq!(
        given,
        [vec!["contoso.com", "eu.contoso.com"], vec!["fabrikam.com"]]
    );
    let shown = config.redacted()["tenant"][1]["domains"].clone();
    assert_eq!(shown, serde_json::json!(["fabrikam.com"]));
    let text = text.replace("fabrikam.com", "CONTOSO.com");
    let problems = load(&text, &[]).unwrap_err();
    assert!(
        problems[0].contains("a domain is one tenant's"),
        "{problems:?}"
    );
}

#[test]
fn what_is_wrong_with_a_tenant_is_told_at_once() {
    for (toml, says) in [
        (
            "[[tenant]]\nname = \"x\"",
            vec![
                "[[tenant]] tenant_id: it is missing",
                "client_id: it is missing",
                "application_id: it is missing",
            ],
        ),
        (
            &TENANT.replace("72F988BF-86f1-41af-91ab-2d7cd011db47", "common"),
            vec!["“common” cannot be used: this is no GUID"],
        ),
        (
            &TENANT.replace(
                "72F988BF-86f1-41af-91ab-2d7cd011db47",
                "9188040d-6c67-4c5b-b112-36a304b66dad",
            ),
            vec!["personal Microsoft accounts"],
        ),
        (
            &TENANT.replace("method-a", "method a"),
            vec!["a client id has"],
        ),
        (
            &format!("{TENANT}{TENANT}"),
            vec!["is there already with the client id method-a"],
        ),
        (
            &format!("{TENANT}cloud = \"germany\""),
            vec!["write \"global\", \"us-gov\" or \"china\""],
        ),
        (
            &format!("{TENANT}cloud = \"custom\""),
            vec!["or write the name of one of Microsoft's clouds here"],
        ),
        (
            &format!("{TENANT}tenant = \"x\""),
            vec!["did you mean [[tenant]] tenant_id?"],
        ),
    ] {
        let problems = load(&with(toml), &[]).unwrap_err();
        assert_eq!(problems.len(), says.len(), "{problems:?}");
        for (problem, says) in problems.iter().zip(says) {
            assert!(problem.contains(says), "{says}: {problems:?}");
        }
    }
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
    // As systemd and Kubernetes hand a secret in: root's, and nobody may write it.
    let of_root = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&key).unwrap()) == 0;
    for (mode, good) in [
        (0o600, true),
        (0o400, true),
        (0o440, of_root),
        (0o640, false),
        (0o460, false),
        (0o444, false),
        (0o604, false),
    ] {
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
            "[entra.cloud]\nentity_id = \"x\"\nreply_url = \"https://x/\"\ngraph_url = \"https://g\"",
            "entra.cloud",
        ),
        (
            "[entra.cloud]\nentity_id = \"x\"\nreply_url = \"https://x/\"\nauthority_url = \"http://a.example\"\ngraph_url = \"https://g\"",
            "entra.cloud.authority_url",
        ),
        (
            "[entra.cloud]\nentity_id = \"x\"\nreply_url = \"https://x/\"\nauthority_url = \"https://a.example/tenant\"\ngraph_url = \"https://g\"",
            "entra.cloud.authority_url",
        ),
        (
            "[entra.cloud]\nentity_id = \"x\"\nreply_url = \"https://x/\"\nauthority_url = \"https://login.microsoftonline.com\"\ngraph_url = \"https://graph.microsoft.com.evil.example\"",
            "entra.cloud.graph_url",
        ),
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
        ("[[domain]]\nprotocol = \"saml\"", "[[domain]] name"),
        (
            "[[domain]]\nname = \"contoso.com\"\nprotocol = \"ws-fed\"",
            "[[domain]] protocol",
        ),
        (
            "[[domain]]\nname = \"contoso.com\"\n[[domain]]\nname = \"eu.contoso.com\"\nprotocol = \"wsFed\"",
            "[[domain]] protocol",
        ),
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

const YUBIKEY: &str = "cb69481e-8ff7-4039-93ec-0a2729a154a8";

/// What is wrong, by key, of a configuration that is good but for `more`.
fn keys_of_problems(folder: &TempDir, more: &str) -> Vec<String> {
    fs::write(folder.path().join("claimbridge.toml"), with(more)).unwrap();
    match load_in(folder, &[]) {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .iter()
            .map(|problem| problem.split(": ").next().unwrap().to_owned())
            .collect(),
    }
}

#[test]
fn the_policy_of_keys_is_read() {
    use crate::factor::webauthn::policy::{
        Attestation, CoseAlgorithm, Models, Permission, Reaction, UserVerification, WebAuthnPolicy,
    };
    let folder = folder(LEAST);
    fs::write(folder.path().join("mds.jwt"), "x").unwrap();
    fs::write(folder.path().join("root.pem"), "x").unwrap();
    let more = format!(
        "[policy.webauthn]\nuser_verification = \"required\"\nalgorithms = [\"es256\", \"ES384\"]\n\
         attestation = \"enforced\"\nrefused_models = [\"{YUBIKEY}\"]\nsynced_passkeys = \"refused\"\n\
         keys_without_model = \"allowed\"\ncompromised_models = \"warn\"\nstale_metadata = \"warn\"\n\
         mds_file = \"mds.jwt\"\nmds_root_file = \"root.pem\"\n"
    );
    fs::write(folder.path().join("claimbridge.toml"), with(&more)).unwrap();
    let setting = load_in(&folder, &[]).unwrap().policy.webauthn;
    assert_eq!(
        setting.policy,
        WebAuthnPolicy {
            user_verification: UserVerification::Required,
            algorithms: vec![CoseAlgorithm::ES256, CoseAlgorithm::ES384],
            attestation: Attestation::Enforced,
            models: Models::Except(vec![YUBIKEY.parse().unwrap()]),
            synced: Permission::Refused,
            without_model: Permission::Allowed,
            unattested: Permission::Allowed,
            compromised: Reaction::Warn,
            stale_metadata: Reaction::Warn,
        }
    );
    assert_eq!(setting.mds_file, Some(folder.path().join("mds.jwt")));
    assert_eq!(setting.mds_root_file, Some(folder.path().join("root.pem")));

    let only = format!("[policy.webauthn]\nallowed_models = [\"{YUBIKEY}\"]");
    let models = load(&with(&only), &[])
        .unwrap()
        .policy
        .webauthn
        .policy
        .models;
    assert_eq!(models, Models::Only(vec![YUBIKEY.parse().unwrap()]));
    let nobody = load(&with("[policy.webauthn]\nallowed_models = []"), &[]).unwrap();
    assert_eq!(
        nobody.policy.webauthn.policy.models,
        Models::Only(Vec::new())
    );
}

#[test]
fn a_policy_of_keys_that_cannot_be_is_a_problem() {
    for (line, key) in [
        ("user_verification = \"discouraged\"", "user_verification"),
        ("user_verification = true", "user_verification"),
        ("algorithms = [\"none\"]", "algorithms"),
        ("algorithms = [\"ES256\", \"EdDSA\"]", "algorithms"),
        (
            "allowed_models = []\nkeys_without_model = \"allowed\"",
            "keys_without_model",
        ),
        ("attestation = \"enforced\"", "attestation"),
        ("attestation = \"direct\"", "attestation"),
        ("allowed_models = [\"YubiKey\"]", "allowed_models"),
        (
            "refused_models = [\"00000000-0000-0000-0000-000000000000\"]",
            "refused_models",
        ),
        ("mds_file = \"missing.jwt\"", "mds_file"),
        ("stale_metadata = \"ignore\"", "stale_metadata"),
    ] {
        let folder = folder(LEAST);
        let found = keys_of_problems(&folder, &format!("[policy.webauthn]\n{line}"));
        assert!(
            found
                .iter()
                .all(|found| *found == format!("policy.webauthn.{key}"))
                && !found.is_empty(),
            "{line}: {found:?}"
        );
    }
    let two = format!(
        "[policy.webauthn]\nallowed_models = [\"{YUBIKEY}\"]\nrefused_models = [\"{YUBIKEY}\"]"
    );
    assert!(problem(&two).contains("keep one of them"));
    assert!(problem("[policy.webauthn]\nalgorithms = []").contains("no key counts"));
    let folder = folder(LEAST);
    fs::write(folder.path().join("root.pem"), "x").unwrap();
    assert_eq!(
        keys_of_problems(&folder, "[policy.webauthn]\nmds_root_file = \"root.pem\""),
        ["policy.webauthn.mds_root_file"]
    );
}

#[test]
fn groups_have_rules_of_their_own() {
    use crate::directory::MethodKind::{OathToken, SecurityKey, Totp};
    let config = load(
        &with(
            "[policy]\nallowed_methods = [\"totp\"]\nminimum_methods = 2\n\
             [[policy.group]]\nname = \"Desk\"\nallowed_methods = [\"security-key\", \"oath-token\"]\n\
             [[policy.group]]\nname = \"guests\"\nminimum_methods = 1\n",
        ),
        &[],
    )
    .unwrap();
    let methods = config.policy.methods;
    let of = |group: &str| {
        let policy = methods.for_groups(&[group.parse().unwrap()]);
        (policy.allowed().to_vec(), policy.minimum())
    };
    assert_eq!(of("desk"), (vec![OathToken, SecurityKey], 2));
    assert_eq!(of("guests"), (vec![Totp], 1));
    assert_eq!(of("others"), (vec![Totp], 2));

    for (more, key) in [
        ("[policy]\nallowed_methods = []", "policy.allowed_methods"),
        (
            "[policy]\nallowed_methods = [\"sms\"]",
            "policy.allowed_methods",
        ),
        ("[policy]\nminimum_methods = 0", "policy.minimum_methods"),
        ("[policy]\nminimum_methods = 6", "policy.minimum_methods"),
        (
            "[[policy.group]]\nminimum_methods = 2",
            "[[policy.group]] name",
        ),
        ("[[policy.group]]\nname = \"a;b\"", "[[policy.group]] name"),
        (
            "[[policy.group]]\nname = \"a\"\n[[policy.group]]\nname = \"A\"",
            "[[policy.group]] name",
        ),
        (
            "[[policy.group]]\nname = \"a\"\nalowed_methods = [\"totp\"]",
            "[[policy.group]] alowed_methods",
        ),
    ] {
        let found = keys_of_problems(&folder(LEAST), more);
        assert!(found.contains(&key.to_owned()), "{more}: {found:?}");
    }
}

#[test]
fn at_a_clean_desk_the_defaults_are_the_profiles_and_contradictions_are_named() {
    use crate::factor::webauthn::policy::{Attestation, Permission};
    let folder = folder(LEAST);
    fs::write(folder.path().join("mds.jwt"), "x").unwrap();
    let file = "[policy.webauthn]\nmds_file = \"mds.jwt\"\n";
    let good = format!(
        "[policy]\nclean_desk = true\n{file}[branding]\nsupport_contact = \"the desk, extension 1234\""
    );
    assert_eq!(keys_of_problems(&folder, &good), Vec::<String>::new());
    let policy = load_in(&folder, &[]).unwrap().policy;
    assert_eq!(policy.desk, Desk::Clean);
    assert_eq!(policy.session.idle, Duration::from_mins(5));
    assert_eq!(policy.session.absolute, Duration::from_hours(1));
    assert_eq!(policy.webauthn.policy.attestation, Attestation::Enforced);
    assert_eq!(policy.webauthn.policy.synced, Permission::Refused);
    assert_eq!(policy.webauthn.policy.unattested, Permission::Refused);

    let messy = "[policy]\nclean_desk = true\nsession_idle = \"6m\"\nsession_lifetime = \"2h\"\n\
        [policy.webauthn]\nattestation = \"recorded\"\nsynced_passkeys = \"allowed\"\nkeys_without_model = \"allowed\"\n\
        compromised_models = \"warn\"\nstale_metadata = \"warn\"\n\
        [branding]\nsupport_contact = \"help@contoso.com\"";
    assert_eq!(
        keys_of_problems(&folder, messy),
        [
            "policy.session_idle",
            "policy.session_lifetime",
            "policy.webauthn.attestation",
            "policy.webauthn.mds_file",
            "policy.webauthn.synced_passkeys",
            "policy.webauthn.compromised_models",
            "policy.webauthn.stale_metadata",
            "policy.webauthn.keys_without_model",
            "branding.support_contact",
        ]
    );
    // The same is nobody's business elsewhere.
    let elsewhere = messy.replace("clean_desk = true", "clean_desk = false");
    assert_eq!(keys_of_problems(&folder, &elsewhere), Vec::<String>::new());
    // Where nobody may have a key, none needs to be attested.
    let tokens = "[policy]\nclean_desk = true\nallowed_methods = [\"oath-token\", \"totp\"]";
    assert_eq!(keys_of_problems(&folder, tokens), Vec::<String>::new());
}

#[test]
fn the_credential_of_the_watch_is_whole_or_absent() {
    let folder = folder(LEAST);
    for (name, text) in [
        ("graph.secret", "s3cret~of.the-application"),
        ("hook.secret", "0123456789abcdef0123456789abcdef"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let good = "[graph]\ntenant_id = \"contoso.com\"\nclient_id = \"c\"\nclient_secret_file = \"graph.secret\"\n\
        [watch]\nevery = \"15m\"\nwebhook_url = \"https://alarms.contoso.com/in?t=1\"\nwebhook_secret_file = \"hook.secret\"";
    assert_eq!(keys_of_problems(&folder, good), Vec::<String>::new());
    let config = load_in(&folder, &[]).unwrap();
    let graph = config.graph.as_ref().unwrap();
    assert_eq!(graph.client_secret.expose(), "s3cret~of.the-application");
    assert_eq!(config.watch.every, Duration::from_mins(15));
    let shown = format!("{config:?} {}", config.redacted());
    for secret in ["s3cret", "0123456789abcdef01"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(!config.redacted().to_string().contains("t=1"));
    let mut named: Vec<&str> = config.files.iter().map(|file| file.key.as_str()).collect();
    named.sort_unstable();
    let wanted = [
        "--config",
        "graph.client_secret_file",
        "master_key_file",
        "watch.webhook_secret_file",
    ];
    assert_eq!(named, wanted);

    for (bad, key) in [
        (
            "[graph]\ntenant_id = \"contoso.com\"\nclient_id = \"c\"",
            "graph.client_secret_file",
        ),
        (
            "[graph]\nclient_id = \"c\"\nclient_secret_file = \"graph.secret\"",
            "graph.tenant_id",
        ),
        (
            "[graph]\ntenant_id = \"contoso.com\"\nclient_secret_file = \"graph.secret\"",
            "graph.client_id",
        ),
        (
            "[graph]\ntenant_id = \"organizations\"\nclient_id = \"c\"\nclient_secret_file = \"graph.secret\"",
            "graph.tenant_id",
        ),
        (
            "[graph]\ntenant_id = \"a/b\"\nclient_id = \"c\"\nclient_secret_file = \"graph.secret\"",
            "graph.tenant_id",
        ),
        (
            "[entra.cloud]\nentity_id = \"urn:x\"\nreply_url = \"https://x.example/\"\n[graph]\ntenant_id = \"contoso.com\"\nclient_id = \"c\"\nclient_secret_file = \"graph.secret\"",
            "graph.tenant_id",
        ),
        ("[watch]\nevery = \"1m\"", "watch.every"),
        (
            "[watch]\nwebhook_url = \"https://alarms.contoso.com\"",
            "watch.webhook_secret_file",
        ),
        (
            "[watch]\nwebhook_secret_file = \"hook.secret\"",
            "watch.webhook_url",
        ),
        (
            "[watch]\nwebhook_url = \"http://alarms.contoso.com\"\nwebhook_secret_file = \"hook.secret\"",
            "watch.webhook_url",
        ),
        (
            "[watch]\nwebhook_url = \"https://a:b@alarms.contoso.com\"\nwebhook_secret_file = \"hook.secret\"",
            "watch.webhook_url",
        ),
        (
            "[watch]\nwebhook_url = \"https://alarms.contoso.com\"\nwebhook_secret = \"short\"",
            "watch.webhook_secret",
        ),
    ] {
        assert_eq!(keys_of_problems(&folder, bad), [key], "{bad}");
    }
    let local = "[watch]\nwebhook_url = \"http://localhost:9999/in\"\nwebhook_secret_file = \"hook.secret\"";
    assert_eq!(keys_of_problems(&folder, local), Vec::<String>::new());
}

#[test]
fn attack_22_ws_trust_is_closed_unless_it_is_opened() {
    use crate::signin::active::ActiveDoor;
    let door = |more: &str| load(&with(more), &[]).unwrap().active_door;
    for (more, is) in [
        ("", ActiveDoor::Closed),
        ("[trust]\nenabled = false", ActiveDoor::Closed),
        // Saying for which passwords does not open it.
        ("[trust]\npassword = \"own\"", ActiveDoor::Closed),
        ("[trust]\nenabled = true", ActiveDoor::ApplicationPasswords),
        (
            "[trust]\nenabled = true\npassword = \"application\"",
            ActiveDoor::ApplicationPasswords,
        ),
        (
            "[trust]\nenabled = true\npassword = \"own\"",
            ActiveDoor::OwnPasswordsToo,
        ),
    ] {
        assert_eq!(door(more), is, "{more}");
    }
    for (more, key) in [
        ("[trust]\nenabled = \"yes\"", "trust.enabled: "),
        ("[trust]\npassword = \"any\"", "trust.password: write "),
    ] {
        let problem = problem(more);
        assert!(problem.starts_with(key), "{problem}");
    }
}

#[test]
fn a_token_is_named_whole_or_not_at_all() {
    let folder = folder(LEAST);
    for (name, text) in [
        ("token.pin", "7391-pin"),
        ("empty.pin", ""),
        ("module.so", ""),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let good =
        "[pkcs11]\nmodule = \"module.so\"\ntoken_label = \"claimbridge\"\npin_file = \"token.pin\"";
    assert_eq!(keys_of_problems(&folder, good), Vec::<String>::new());
    let config = load_in(&folder, &[]).unwrap();
    let token = config.token.as_ref().unwrap();
    assert_eq!(token.pin.expose(), "7391-pin");
    assert_eq!(token.name.to_string(), "the token “claimbridge”");
    let shown = format!("{config:?} {}", config.redacted());
    assert!(!shown.contains("7391"), "{shown}");
    for (bad, key) in [
        (
            "module = \"module.so\"\npin_file = \"token.pin\"",
            "pkcs11.token_label",
        ),
        (
            "module = \"module.so\"\ntoken_label = \"x\"",
            "pkcs11.pin_file",
        ),
        (
            "token_label = \"x\"\npin_file = \"token.pin\"",
            "pkcs11.module",
        ),
        (
            "module = \"missing.so\"\ntoken_label = \"x\"\npin_file = \"token.pin\"",
            "pkcs11.module",
        ),
        (
            "module = \"module.so\"\ntoken_label = \"x\"\npin_file = \"empty.pin\"",
            "pkcs11.pin_file",
        ),
        (
            "module = \"module.so\"\ntoken_label = \"x\"\ntoken_serial = \"1\"\npin_file = \"token.pin\"",
            "pkcs11.token_serial",
        ),
    ] {
        let problems = keys_of_problems(&folder, &format!("[pkcs11]\n{bad}"));
        assert_eq!(problems, [key], "{bad}");
    }
}

#[test]
fn a_known_federation_is_a_domain_an_issuer_and_keys() {
    let sha1 = "3f:".repeat(20);
    let entry = |domain: &str, rest: &str| {
        format!("[[entra.known_federation]]\ndomain = \"{domain}\"\n{rest}")
    };
    let rest = format!("issuer = \"http://adfs/Trust\"\ncertificates = [\"{sha1}\"]\n");
    let good = entry("fabrikam.com", &rest);
    let known = load(&with(&good), &[]).unwrap().entra.known_federations;
    assert_eq!(
        known,
        [crate::relying_party::KnownFederation {
            domain: "fabrikam.com".parse().unwrap(),
            issuer_uri: "http://adfs/Trust".to_owned(),
            certificates: vec!["3F".repeat(20)],
        }]
    );
    assert_eq!(load(LEAST, &[]).unwrap().entra.known_federations, []);
    for (entry, named) in [
        (format!("{good}{good}"), "has an entry already"),
        (entry("fabrikam.com", "issuer = \"x\"\n"), "without a key"),
        (
            entry("fabrikam.com", "issuer = \"x\"\ncertificates = [\"3F\"]\n"),
            "no thumbprint",
        ),
        (
            entry("fabrikam.com", &format!("certificates = [\"{sha1}\"]\n")),
            "the provider's issuer",
        ),
        (
            format!("[[entra.known_federation]]\n{rest}"),
            "the domain that the provider federates",
        ),
        (entry("no domain", &rest), "domain"),
    ] {
        let said = problem(&entry);
        assert!(said.contains(named), "{said}");
        assert!(said.contains("entra.known_federation"), "{said}");
    }
}
