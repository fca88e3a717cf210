//! What the External MFA door of a running demo publishes and sends over HTTP, judged by clients
//! of another language: openid-client reads discovery and keys and takes the whole answer, jose
//! the token alone, also by the certificate in `x5c` as Entra does. Both refuse each changed copy.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    client::{Client, Form, Page},
    demo::Demo,
    saml_kit::Seeded,
    verdicts::run,
};

const CHANGES: usize = 120;

/// An answer as the door sent it.
struct Round {
    /// What the tenant sent.
    asked: Form,
    /// The page whose form goes back to the tenant.
    page: Page,
    back: Form,
}

/// The form of `page` that asks for a code, or the first one.
fn form_of(page: &Page) -> Form {
    let mut forms = page.forms();
    let at = forms.iter().position(|form| form.asks_for("one-time-code"));
    assert!(!forms.is_empty(), "{}: no form\n{}", page.url, page.body);
    forms.remove(at.unwrap_or_default())
}

fn round(demo: &Demo, client: &mut Client) -> Round {
    let upn = demo.text("/users/0/upn").replace('@', "%40");
    let reply = format!(
        "{}/common/federation/externalauthprovider",
        demo.text("/practice")
    );
    let page = client.get(&format!(
        "{}/external-mfa/start?username={upn}&first=password",
        demo.text("/practice")
    ));
    let asked = page.form();
    assert_eq!(
        asked.action,
        format!("{}/oidc/authorize", demo.text("/idp"))
    );
    let mut page = client.submit(&page, &asked);
    for _ in 0..4 {
        let mut form = form_of(&page);
        if form.action == reply {
            return Round {
                asked,
                back: form,
                page,
            };
        }
        if form.asks_for("one-time-code") {
            let codes = client.get(&format!("{}/totp.json", demo.text("/practice")));
            let codes: Value = serde_json::from_str(&codes.body).unwrap();
            form.fill("one-time-code", codes[0]["code"].as_str().unwrap());
        }
        page = client.submit(&page, &form);
    }
    panic!("no answer to the tenant: {}\n{}", page.url, page.body);
}

fn claims(token: &str) -> Value {
    part(token, 1)
}

fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// `token` with one letter changed: not a dot, and not the unused bits of a last letter.
fn changed(token: &str, random: &mut Seeded) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    loop {
        let mut bytes = token.as_bytes().to_vec();
        let at = random.below(bytes.len() - 1);
        let letter = LETTERS[random.below(LETTERS.len())];
        if bytes[at] == b'.' || bytes[at + 1] == b'.' || bytes[at] == letter {
            continue;
        }
        bytes[at] = letter;
        return String::from_utf8(bytes).unwrap();
    }
}

/// Copies that mean something else under the same signature, or under none.
fn tricks(token: &str) -> Vec<String> {
    let (header, body) = (part(token, 0), claims(token));
    let signature = token.rsplit_once('.').unwrap().1;
    let written = |header: &Value, body: &Value, signature: &str| {
        format!(
            "{}.{}.{signature}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(body.to_string())
        )
    };
    let with = |value: &Value, name: &str, new: Value| {
        let mut value = value.clone();
        value[name] = new;
        value
    };
    let none = with(&header, "alg", json!("none"));
    let mut tricks = vec![
        written(&none, &body, ""),
        written(&none, &body, signature),
        written(&with(&header, "alg", json!("HS256")), &body, signature),
        written(&header, &body, ""),
        written(&with(&header, "crit", json!(["exp"])), &body, signature),
    ];
    for (name, value) in [
        ("sub", json!("somebody else")),
        ("aud", json!("somebody else")),
        ("nonce", json!("another")),
        ("amr", json!(["fido"])),
        ("acr", json!("inherence")),
        ("iss", json!("https://idp.evil.example")),
        ("exp", json!(body["exp"].as_i64().unwrap() + 3600)),
    ] {
        tricks.push(written(&header, &with(&body, name, value), signature));
    }
    tricks
}

fn judge(directory: &Path, cases: &Value) -> Vec<Value> {
    let modules = std::env::var_os("CLAIMBRIDGE_EXTERNAL_MFA_CLIENT").map(PathBuf::from).expect(
        "CLAIMBRIDGE_EXTERNAL_MFA_CLIENT is not set; run tests/tools/verify-external-mfa.sh, which installs openid-client and jose",
    );
    std::fs::write(directory.join("cases.json"), cases.to_string()).unwrap();
    let (ran, said) = run(
        Command::new("node")
            .current_dir(&modules)
            .arg("client.js")
            .arg(directory),
        "apt-get install nodejs npm",
    );
    assert!(ran, "{said}");
    let verdicts: Vec<Value> = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let files = cases["files"].as_array().unwrap().len();
    assert_eq!(verdicts.len(), files + 2, "{said}");
    verdicts
}

#[test]
fn clients_of_another_language_judge_discovery_keys_and_answers_from_the_wire() {
    let demo = Demo::start();
    let mut client = Client::default();
    let issuer = format!("{}/oidc", demo.text("/idp"));

    // As Entra wants it: a length, and no chunks.
    for path in ["/.well-known/openid-configuration", "/jwks"] {
        let page = client.get(&format!("{issuer}{path}"));
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        let length = page.header("content-length").unwrap();
        assert_eq!(length.parse(), Ok(page.body.len()), "{path}");
        assert_eq!(page.header("transfer-encoding"), None, "{path}");
    }

    let round = round(&demo, &mut client);
    let token = round.back.value("id_token").unwrap();
    let (nonce, state) = (
        round.asked.value("nonce").unwrap(),
        round.asked.value("state").unwrap(),
    );
    assert_eq!(round.back.value("state"), Some(state), "byte for byte");
    let hint = claims(round.asked.value("id_token_hint").unwrap());
    let client_id = round.asked.value("client_id").unwrap();

    let directory = tempfile::tempdir().unwrap();
    let mut files = vec!["good.jwt".to_owned()];
    std::fs::write(directory.path().join("good.jwt"), token).unwrap();
    let mut random = Seeded::new(311);
    let copies = (0..CHANGES).map(|_| changed(token, &mut random));
    for (number, copy) in copies.chain(tricks(token)).enumerate() {
        let name = format!("changed-{number}.jwt");
        std::fs::write(directory.path().join(&name), copy).unwrap();
        files.push(name);
    }
    let mut cases = json!({
        "issuer": issuer,
        "client_id": client_id,
        "redirect_uri": round.back.action,
        "nonce": nonce,
        "state": state,
        "files": files,
    });
    let verdicts = judge(directory.path(), &cases);
    let metadata = &verdicts[0]["metadata"];
    assert_eq!(metadata["issuer"], issuer, "{metadata}");
    assert_eq!(metadata["authorization_endpoint"], round.asked.action);
    for (file, verdict) in files.iter().zip(&verdicts[1..]) {
        let good = file == "good.jwt";
        let copy = std::fs::read_to_string(directory.path().join(file)).unwrap();
        for judge in ["client", "jose", "x5c"] {
            assert_eq!(verdict[judge], good, "{judge}: {verdict}\n{copy}");
        }
    }
    let last = verdicts.last().unwrap();
    assert_eq!(last["slash"], false, "another issuer: {last}");

    // What another library reads is what was asked for.
    let read = &verdicts[1]["claims"];
    for (name, value) in [
        ("iss", json!(issuer)),
        ("aud", json!(client_id)),
        ("sub", hint["sub"].clone()),
        ("nonce", json!(nonce)),
        ("acr", json!("possessionorinherence")),
        ("amr", json!(["otp"])),
    ] {
        assert_eq!(read[name], value, "{name}: {read:#}");
    }
    assert_eq!(verdicts[1]["header"]["alg"], "RS256");

    // The same token answers no other request and no other client.
    for (name, value) in [("nonce", "another"), ("client_id", "another")] {
        let was = std::mem::replace(&mut cases[name], json!(value));
        cases["files"] = json!(["good.jwt"]);
        let verdicts = judge(directory.path(), &cases);
        assert_eq!(verdicts[1]["client"], false, "{name}: {}", verdicts[1]);
        cases[name] = was;
    }

    // And the practice tenant, which is the third judge, takes it.
    let page = client.submit(&round.page, &round.back);
    assert!(
        page.body.contains("Partner Center: accepted"),
        "{}",
        page.body
    );
    let last = client.get(&format!("{}/last.json", demo.text("/practice")));
    let last: Value = serde_json::from_str(&last.body).unwrap();
    assert_eq!(last["protocol"], "externalMfa");
    assert_eq!(last["amr"], json!(["pwd", "mfa"]));
    assert_eq!(last["findings"], json!([]));
}
