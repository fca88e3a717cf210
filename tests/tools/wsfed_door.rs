//! What the door of a running demo really sends over HTTP, judged by a WS-Federation relying
//! party of another language (passport-wsfed-saml2) and by xmlsec1: both accept it, and refuse
//! each copy with one byte changed.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use super::{
    client::{Client, Page},
    demo::Demo,
    saml_kit::Seeded,
    verdicts::{ASSERTION_SIGNATURE, changed, run, xmlsec_accepts},
};

const CHANGES: usize = 100;
const REALM: &str = "urn:federation:MicrosoftOnline";
/// As long and as odd as Entra's.
const CONTEXT: &str =
    "LoginOptions=3&estsredirect=2&estsrequest=rQQIARAA+/==&x=%2B+%26&amp;\"'<é> ;#";
const MFA: &str = "http://schemas.microsoft.com/claims/multipleauthn";

impl Demo {
    /// Signs in by password and code; the page that carries the answer.
    fn sign_in(&self, client: &mut Client) -> Page {
        let mut asked = url::Url::parse(&format!("{}/wsfed", self.text("/idp"))).unwrap();
        asked.query_pairs_mut().extend_pairs([
            ("domain", "contoso.com"),
            ("client-request-id", "1e089e5c-a976-4881-af74-3b92c89e7e2c"),
            ("wa", "wsignin1.0"),
            ("wtrealm", REALM),
            ("wctx", CONTEXT),
            ("cbcxt", ""),
            ("username", self.text("/users/0/upn")),
            ("mkt", ""),
            ("lc", ""),
        ]);
        let page = client.get(asked.as_str());
        let mut form = page.form();
        form.fill("username", self.text("/users/0/upn"));
        form.fill("current-password", self.text("/users/0/password"));
        let page = client.submit(&page, &form);
        let mut form = page.form();
        let codes = client.get(&format!("{}/totp.json", self.text("/practice")));
        let codes: Value = serde_json::from_str(&codes.body).unwrap();
        form.fill("one-time-code", codes[0]["code"].as_str().unwrap());
        client.submit(&page, &form)
    }

    /// The certificate of the federation metadata, base64.
    fn certificate(&self, client: &mut Client) -> String {
        let address = format!(
            "{}/federationmetadata/2007-06/FEDERATIONMETADATA.xml?domain=contoso.com",
            self.text("/idp")
        );
        let page = client.get(&address);
        assert_eq!(page.status, 200, "{}", page.body);
        let document = roxmltree::Document::parse(&page.body).unwrap();
        let service = document
            .descendants()
            .find(|node| node.tag_name().name() == "RoleDescriptor")
            .unwrap();
        let certificate = service
            .descendants()
            .find(|node| node.tag_name().name() == "X509Certificate")
            .and_then(|node| node.text());
        certificate.unwrap().split_whitespace().collect()
    }
}

fn consumer(directory: &Path, certificate: &str, realm: &str, files: &[String]) -> Vec<Value> {
    let modules = std::env::var_os("CLAIMBRIDGE_WSFED_CONSUMER").map(PathBuf::from).expect(
        "CLAIMBRIDGE_WSFED_CONSUMER is not set; run tests/tools/verify-wsfed.sh, which installs passport-wsfed-saml2",
    );
    let cases = json!({ "certificate": certificate, "realm": realm, "files": files });
    std::fs::write(directory.join("cases.json"), cases.to_string()).unwrap();
    let (ran, said) = run(
        Command::new("node")
            .current_dir(&modules)
            .arg("consumer.js")
            .arg(directory),
        "apt-get install nodejs npm",
    );
    assert!(ran, "{said}");
    let verdicts: Vec<Value> = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    assert_eq!(verdicts.len(), files.len(), "{said}");
    verdicts
}

#[test]
fn a_relying_party_of_another_language_and_xmlsec1_judge_what_the_door_sends() {
    let demo = Demo::start();
    let mut client = Client::default();
    let page = demo.sign_in(&mut client);
    let form = page.form();
    assert_eq!(form.action, format!("{}/login.srf", demo.text("/practice")));
    assert_eq!(form.value("wa"), Some("wsignin1.0"));
    assert_eq!(form.value("wctx"), Some(CONTEXT), "byte for byte");
    let wresult = form.value("wresult").unwrap();
    let certificate = demo.certificate(&mut client);

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n");
    std::fs::write(path.join("certificate.pem"), pem).unwrap();
    std::fs::write(path.join("good.xml"), wresult).unwrap();
    let mut random = Seeded::new(211);
    let mut files = vec!["good.xml".to_owned()];
    for number in 0..CHANGES {
        let name = format!("changed-{number}.xml");
        std::fs::write(path.join(&name), changed(wresult, &mut random)).unwrap();
        files.push(name);
    }

    let verdicts = consumer(path, &certificate, REALM, &files);
    for (file, verdict) in files.iter().zip(&verdicts) {
        let good = file == "good.xml";
        let text = std::fs::read_to_string(path.join(file)).unwrap();
        assert_eq!(verdict["accepted"], good, "{verdict}\n{text}");
        let (accepted, said) = xmlsec_accepts(path, file, ASSERTION_SIGNATURE);
        assert_eq!(accepted, good, "xmlsec1 {file}: {said}\n{text}");
    }

    // What another library reads is what we meant.
    let profile = &verdicts[0]["profile"];
    let immutable_id = demo.text("/users/0/immutable_id");
    assert_eq!(
        profile["http://schemas.xmlsoap.org/claims/UPN"],
        demo.text("/users/0/upn")
    );
    assert_eq!(
        profile["http://schemas.microsoft.com/LiveID/Federation/2008/05/ImmutableID"],
        immutable_id
    );
    assert_eq!(
        profile["http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"],
        immutable_id
    );
    for name in [
        "http://schemas.microsoft.com/claims/authnmethodsreferences",
        "http://schemas.microsoft.com/claims/authenticationmethodsreferences",
        "http://schemas.microsoft.com/ws/2008/06/identity/claims/authenticationmethod",
    ] {
        let values = &profile[name];
        let says_mfa = values == MFA
            || values
                .as_array()
                .is_some_and(|values| values.contains(&json!(MFA)));
        assert!(says_mfa, "{name}: {profile:#}");
    }
    assert_eq!(
        profile["issuer"],
        format!("{}/contoso.com", demo.text("/idp"))
    );

    // Another party refuses it, and so does whoever knows another key.
    let only_good = ["good.xml".to_owned()];
    let other = consumer(
        path,
        &certificate,
        "urn:federation:microsoftonline.us",
        &only_good,
    );
    assert_eq!(other[0]["accepted"], false, "{}", other[0]);
    let stranger = Demo::start();
    let other = stranger.certificate(&mut Client::default());
    let verdict = consumer(path, &other, REALM, &only_good);
    assert_eq!(verdict[0]["accepted"], false, "{}", verdict[0]);
}
