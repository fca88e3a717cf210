//! `inspect` with what the local configuration knows, and with what only options say.

use serde_json::{Value, json};

use super::{Cli, fixture};

/// The federation of contoso.com as Graph would show it when all is well.
fn federation(cli: &Cli) -> Value {
    let domain = cli.json(&["domain", "show", "contoso.com"]);
    let certificate = cli.done(&["keys", "export-certificate", "--form", "base64"]);
    json!({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#domains('contoso.com')/federationConfiguration",
        "issuerUri": domain["issuer"], "passiveSignInUri": domain["sign_in_url"],
        "signOutUri": "https://idp.contoso.com/saml2/slo", "signingCertificate": certificate.trim(),
        "preferredAuthenticationProtocol": "saml", "federatedIdpMfaBehavior": "enforceMfaByFederatedIdp",
        "promptLoginBehavior": "nativeSupport", "systemBrowserEnabledOn": "ios,android,mac",
    })
}

fn because(report: &Value) -> Vec<&str> {
    let listed = report["verdicts"][0]["because"].as_array().unwrap();
    listed.iter().filter_map(Value::as_str).collect()
}

#[test]
fn the_configuration_says_what_our_side_of_the_federation_is() {
    let cli = Cli::new();
    let mut shown = federation(&cli);
    cli.write("fed.json", shown.to_string());
    let line = ["inspect", "fed.json", "--emergency-accounts", "yes"];
    let good = cli.json(&line);
    assert_eq!(because(&good), Vec::<&str>::new(), "{good}");
    assert_eq!(good["verdicts"][0]["outcome"], "accepted");
    let words = cli.run(&line).out;
    assert!(
        words.contains("From claimbridge.toml: the cloud global, 1 certificate(s), the issuer"),
        "{words}"
    );
    // Alone it knows nothing of us; of another domain it takes nothing.
    for option in [&["--alone"][..], &["--domain", "fabrikam.com"]] {
        let report = cli.json(&[&line[..], option].concat());
        assert_eq!(because(&report), ["CB-FED-001", "CB-FED-002"], "{option:?}");
    }
    // An option beats the configuration.
    let other = cli.json(&[&line[..], &["--sign-in-url", "https://other.example/sso"]].concat());
    assert_eq!(because(&other), ["CB-FED-001"]);
    shown["nextSigningCertificate"] = std::fs::read_to_string(fixture("inspector/other.pem"))
        .unwrap()
        .into();
    cli.write("fed.json", shown.to_string());
    assert_eq!(because(&cli.json(&line)), ["CB-FED-002"]);
}

#[test]
fn a_configuration_that_cannot_be_read_is_said_and_a_named_one_is_an_error() {
    let cli = Cli::empty();
    cli.write("claimbridge.toml", "public_url = 1");
    let token = fixture("entra/partner-center-access-token.claims.json");
    let at = ["--at", "2019-02-02T06:30:00Z"];
    let said = cli.run(&[&["inspect", &token], &at[..]].concat());
    assert_eq!(said.exit, 0, "{said:?}");
    assert!(
        said.err.contains("nothing is taken from claimbridge.toml"),
        "{said:?}"
    );
    let named = cli.run(
        &[
            &["--config", "claimbridge.toml", "inspect", &token],
            &at[..],
        ]
        .concat(),
    );
    assert_eq!((named.exit, named.out.as_str()), (2, ""), "{named:?}");
}

#[test]
fn a_request_is_shown_with_what_its_signature_is_worth() {
    let cli = Cli::empty();
    let request = fixture("entra/authn-request-signed.xml");
    let metadata = fixture("entra/sp-metadata-global-2021.xml");
    let alone = cli.json(&["inspect", &request]);
    assert_eq!(alone["input"]["kind"], "saml2-authn-request");
    let state = |report: &Value| report["decoded"]["signature"].as_str().unwrap().to_owned();
    assert!(state(&alone).starts_with("not checked: no metadata"));
    let with = cli.json(&["inspect", &request, "--sp-metadata", &metadata]);
    assert!(
        !state(&with).starts_with("not checked: no metadata"),
        "{with}"
    );
}

#[test]
fn options_of_external_mfa_decide_its_rules() {
    let cli = Cli::empty();
    let message = fixture("inspector/messages/eam-good.txt");
    let open = cli.json(&["inspect", &message, "--at", "2026-11-20T10:00:00Z"]);
    assert_eq!(open["verdicts"][0]["consumer"], "entra-external-mfa");
    assert_eq!(open["verdicts"][0]["outcome"], "undecided");
    let said = cli.run(&[
        "inspect",
        &message,
        "--at",
        "2026-11-20T10:00:00Z",
        "--jwks",
        &fixture("inspector/eam-jwks.json"),
        "--request",
        &fixture("inspector/eam-request.txt"),
        "--discovery-url",
        "https://idp.contoso.com/oidc/.well-known/openid-configuration",
        "--client-id",
        "00000000-0000-0000-0000-00000000c11e",
        "--hint",
        &fixture("inspector/eam-hint.json"),
    ]);
    assert_eq!(said.exit, 0, "{said:?}");
    assert!(
        said.out.contains("amr of the access token: pwd, mfa"),
        "{said:?}"
    );
    assert!(
        cli.refused(
            2,
            &[
                "inspect",
                &message,
                "--hint",
                &message,
                "--request",
                &message
            ]
        )
        .contains("no AuthnRequest")
    );
}

#[test]
fn a_rule_is_explained_with_a_bad_and_a_good_example() {
    let cli = Cli::empty();
    let said = cli.done(&["inspect", "rules", "CB-SAML-020"]);
    assert!(
        said.contains("  bad:  only <Attribute") && said.contains("  good: <AuthnContextClassRef>"),
        "{said}"
    );
    let all = cli.json(&["inspect", "rules"]);
    for rule in all.as_array().unwrap() {
        assert!(
            rule["bad"].is_string() && rule["good"].is_string(),
            "{rule}"
        );
    }
}
