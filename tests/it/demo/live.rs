//! `claimbridge inspect live` as a program, against the practice tenant of a running demo.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use claimbridge::app::evidence::live_check::LiveCheck;
use serde_json::{Value, json};

use super::{
    Demo,
    client::{Client, Page},
};

/// A running check.
struct Live {
    child: Child,
    says: BufReader<std::process::ChildStderr>,
}

/// How it ended.
struct Ended {
    exit: i32,
    out: String,
    err: String,
}

impl Ended {
    /// The result; and the evidence bundle takes it as it is.
    fn json(&self) -> Value {
        // Whatever it says can be handed in to `evidence --live-check`.
        let handed_in = LiveCheck::parse(self.out.as_bytes());
        assert!(handed_in.is_ok(), "{handed_in:?}\n{}", self.out);
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}\n{}", self.out, self.err))
    }
}

impl Live {
    fn start(demo: &Demo, options: &[&str]) -> Self {
        let (authority, api) = (demo.url("practice"), demo.url("partner_center"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_claimbridge"))
            .args(["inspect", "live", "--tenant", "contoso.com"])
            .args(["--authority", &authority])
            .args(options)
            .args(
                options
                    .contains(&"--partner-center")
                    .then_some(["--partner-center-url", &api])
                    .into_iter()
                    .flatten(),
            )
            // What goes to this computer must not go to a proxy.
            .env("HTTP_PROXY", "http://127.0.0.1:9")
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .env_remove("NO_PROXY")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let says = BufReader::new(child.stderr.take().unwrap());
        Self { child, says }
    }

    /// What follows `start` in the first line that has it.
    fn told(&mut self, start: &str) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            let read = self.says.read_line(&mut line).unwrap();
            assert!(read > 0, "it ended without “{start}”: {all}");
            if let Some((_, rest)) = line.split_once(start) {
                return rest.trim_end().to_owned();
            }
            all.push_str(&line);
        }
    }

    /// Where the browser has to go.
    fn address(&mut self) -> String {
        format!("http://{}", self.told("  http://"))
    }

    fn end(mut self) -> Ended {
        let (mut out, mut err) = (String::new(), String::new());
        let mut stdout = self.child.stdout.take().unwrap();
        stdout.read_to_string(&mut out).unwrap();
        self.says.read_to_string(&mut err).unwrap();
        let exit = self.child.wait().unwrap().code().unwrap();
        Ended { exit, out, err }
    }
}

/// A check that needs nobody.
fn alone(demo: &Demo, options: &[&str]) -> Ended {
    Live::start(demo, options).end()
}

/// Goes to the identity provider with the request that the page holds.
fn onward(demo: &Demo, client: &mut Client, address: &str) -> Page {
    let page = client.get(address);
    if !page.url.starts_with(&demo.url("practice")) {
        return page; // single sign-on: straight back to the application
    }
    let form = page.form();
    assert!(form.action.starts_with(&demo.url("idp")), "{}", page.body);
    client.submit(&page, &form)
}

/// Both factors, and back to the application.
fn sign_in(demo: &Demo, client: &mut Client, address: &str) -> Page {
    let asked = onward(demo, client, address);
    let second = demo.password(client, &asked);
    demo.code_and_back(client, &second)
}

fn break_one(demo: &Demo, client: &mut Client, name: &str) {
    client.post(
        &format!("{}/break", demo.url("practice")),
        &[("break", name)],
    );
}

fn secret_file(demo: &Demo) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret.txt");
    let secret = demo.line["live"]["application_secret"].as_str().unwrap();
    fs::write(&path, format!("{secret}\n")).unwrap();
    (folder, path)
}

fn looks_like_a_token(text: &str) -> bool {
    text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-_.".contains(letter)))
        .any(|word| word.len() > 100 || (word.starts_with("eyJ") && word.len() > 40))
}

#[test]
fn by_pkce_with_and_without_prompt_by_device_code_and_in_the_secure_application_model() {
    let demo = Demo::start();
    let mut client = Client::default();

    // As Microsoft's script: a new sign-in.
    let mut live = Live::start(&demo, &["--partner-center", "--json"]);
    let address = live.address();
    for part in [
        "prompt=login",
        "code_challenge_method=S256",
        "client_id=04b07795-8ddb-461a-bbee-02f9e1bf7b46",
        "redirect_uri=http%3A%2F%2Flocalhost%3A",
        "api.partnercenter.microsoft.com%2Fuser_impersonation",
    ] {
        assert!(address.contains(part), "{part}: {address}");
    }
    let end = sign_in(&demo, &mut client, &address);
    assert_eq!(end.status, 200, "{}", end.body);
    assert!(end.body.contains("You have signed in"), "{}", end.body);
    assert!(
        end.url.ends_with("/signed-in"),
        "no code stays: {}",
        end.url
    );
    let ended = live.end();
    assert_eq!(ended.exit, 0, "{}{}", ended.out, ended.err);
    let result = ended.json();
    assert_eq!(result["passes"], true);
    assert_eq!(result["input"]["kind"], "jwt");
    assert_eq!(result["verdicts"][0]["consumer"], "partner-center");
    assert_eq!(result["verdicts"][0]["outcome"], "accepted");
    assert_eq!(result["verdicts"][0]["basis"], "verified signature");
    assert_eq!(result["findings"], json!([]));
    let told = &result["live"];
    assert_eq!(told["flow"], "authorization-code");
    assert_eq!(told["prompt"], "login");
    assert_eq!(told["upn"], demo.user(0, "upn").as_str());
    assert_eq!(told["amr"], json!(["pwd", "mfa"]));
    assert_eq!(told["mfa"], true);
    assert_eq!(told["test_partner_security_requirement"], "pass");
    assert_eq!(told["partner_center"]["status"], 200);
    assert_eq!(told["partner_center"]["is_mfa_compliant"], true);
    assert!(!looks_like_a_token(&ended.out), "{}", ended.out);

    // A present session may answer; in words.
    let mut live = Live::start(&demo, &["--no-prompt-login", "--partner-center"]);
    let address = live.address();
    assert!(!address.contains("prompt="), "{address}");
    let end = onward(&demo, &mut client, &address);
    assert!(end.body.contains("You have signed in"), "{}", end.body);
    let ended = live.end();
    assert_eq!(ended.exit, 0, "{}{}", ended.out, ended.err);
    assert!(
        ended.out.starts_with("Yes: the access token carries MFA."),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("isMfaCompliant: true"), "{}", ended.out);
    assert!(ended.out.contains("transact and manage"), "{}", ended.out);
    assert!(!looks_like_a_token(&ended.out), "{}", ended.out);

    // By device code.
    let mut live = Live::start(&demo, &["--device-code", "--partner-center", "--json"]);
    let page = enter_code(&mut live, &mut client);
    confirm_device(&demo, &mut client, page, "continue");
    let ended = live.end();
    assert_eq!(ended.exit, 0, "{}{}", ended.out, ended.err);
    let result = ended.json();
    assert_eq!(result["live"]["flow"], "device-code");
    assert_eq!(result["live"]["amr"], json!(["pwd", "mfa"]));
    assert_eq!(result["live"]["partner_center"]["is_mfa_compliant"], true);

    // The partner consent, twice: the refresh token in a file, and nowhere.
    let (folder, secret) = secret_file(&demo);
    let (secret, application) = (
        secret.to_str().unwrap().to_owned(),
        demo.line["live"]["application_id"].as_str().unwrap(),
    );
    let kept = folder.path().join("refresh-token");
    let consent = [
        "--secure-application-model",
        "--no-prompt-login",
        "--partner-center",
        "--json",
        "--client-id",
        application,
        "--client-secret-file",
        &secret,
    ];
    let mut options = consent.to_vec();
    options.extend(["--refresh-token-file", kept.to_str().unwrap()]);
    let mut live = Live::start(&demo, &options);
    let address = live.address();
    for part in [
        "amr_values=mfa",
        "resource=https%3A%2F%2Fapi.partnercenter.microsoft.com",
        "/oauth2/authorize?",
    ] {
        assert!(address.contains(part), "{part}: {address}");
    }
    let end = onward(&demo, &mut client, &address);
    assert!(end.body.contains("You have signed in"), "{}", end.body);
    let ended = live.end();
    assert_eq!(ended.exit, 0, "{}{}", ended.out, ended.err);
    let told = &ended.json()["live"];
    assert_eq!(told["flow"], "secure-application-model");
    let round = &told["secure_application_model"];
    assert_eq!(round["first_amr"], json!(["pwd", "mfa"]));
    assert_eq!(round["renewed_amr"], json!(["pwd", "mfa"]));
    assert_eq!(round["survived"], true);
    assert_eq!(round["kept"], "in-the-file");
    let mode = fs::metadata(&kept).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let refresh_token = fs::read_to_string(&kept).unwrap();
    let refresh_token = refresh_token.trim();
    assert!(refresh_token.len() > 20);
    assert!(!ended.out.contains(refresh_token) && !ended.err.contains(refresh_token));
    // It is what it is said to be: it brings a token that Partner Center takes.
    let page = client.post(
        &format!("{}/contoso.com/oauth2/token", demo.url("practice")),
        &[
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
            ("client_id", application),
            (
                "client_secret",
                demo.line["live"]["application_secret"].as_str().unwrap(),
            ),
            ("resource", "https://api.partnercenter.microsoft.com"),
        ],
    );
    assert_eq!(page.status, 200, "{}", page.body);

    let mut live = Live::start(&demo, &consent);
    let address = live.address();
    onward(&demo, &mut client, &address);
    let ended = live.end();
    assert_eq!(ended.exit, 0, "{}{}", ended.out, ended.err);
    let round = &ended.json()["live"]["secure_application_model"];
    assert_eq!(round["kept"], "nowhere");
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");

    // A file that exists is not written over, and nothing is asked.
    let ended = alone(&demo, &options);
    assert_eq!(ended.exit, 2, "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("does not exist yet"), "{}", ended.err);
    assert_eq!(fs::read_to_string(&kept).unwrap().trim(), refresh_token);
}

/// The address and the code that the command names.
fn enter_code(live: &mut Live, client: &mut Client) -> Page {
    let opened = live.told("Open ");
    let (address, code) = opened
        .split_once(" on any screen and enter the code ")
        .unwrap();
    let page = client.get(address);
    let mut form = page.form();
    form.set("code", code);
    client.submit(&page, &form)
}

/// Both factors, where nobody has signed in before.
fn finish_sign_in(demo: &Demo, client: &mut Client, page: &Page) -> Page {
    let form = page.form();
    let asked = client.submit(page, &form);
    let second = demo.password(client, &asked);
    demo.code_and_back(client, &second)
}

/// Past whatever the practice tenant asks, to its question, and the answer to that.
fn confirm_device(demo: &Demo, client: &mut Client, page: Page, answer: &str) -> Page {
    let mut page = page;
    for _ in 0..4 {
        if page.body.contains("Are you trying to sign in to") {
            let form = page.form();
            let url = format!("{}{}", demo.url("practice"), form.action);
            let handle = form.value("handle").unwrap().to_owned();
            return client.post(&url, &[("handle", &handle), ("answer", answer)]);
        }
        let form = page.form();
        page = client.submit(&page, &form);
    }
    panic!("{}: {}", page.url, page.body);
}

#[test]
fn where_the_tenant_ignores_federated_mfa_every_way_says_no() {
    let demo = Demo::start();
    let mut client = Client::default();
    client.get(&format!("{}/", demo.url("practice")));
    break_one(&demo, &mut client, "federated-mfa-ignored");

    let mut live = Live::start(&demo, &["--partner-center", "--json"]);
    let address = live.address();
    sign_in(&demo, &mut client, &address);
    let ended = live.end();
    assert_eq!(ended.exit, 1, "{}{}", ended.out, ended.err);
    let result = ended.json();
    assert_eq!(result["passes"], false);
    assert_eq!(result["findings"][0]["rule"], "CB-PC-001");
    let told = &result["live"];
    assert_eq!(told["amr"], json!(["pwd"]));
    assert_eq!(told["mfa"], false);
    assert_eq!(told["test_partner_security_requirement"], "fail");
    assert_eq!(told["partner_center"]["status"], 401);
    assert_eq!(told["partner_center"]["code"], "900421");
    assert_eq!(told["partner_center"]["is_mfa_compliant"], false);
    assert!(
        told["partner_center"]["says"]
            .as_str()
            .unwrap()
            .contains("federatedIdpMfaBehavior")
    );

    // Without asking Partner Center, and in words.
    let mut live = Live::start(&demo, &["--no-prompt-login"]);
    let address = live.address();
    onward(&demo, &mut client, &address);
    let ended = live.end();
    assert_eq!(ended.exit, 1, "{}{}", ended.out, ended.err);
    assert!(
        ended
            .out
            .starts_with("No: the access token does not carry MFA."),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("CB-PC-001"), "{}", ended.out);

    let mut live = Live::start(&demo, &["--device-code", "--json"]);
    let page = enter_code(&mut live, &mut client);
    confirm_device(&demo, &mut client, page, "continue");
    let ended = live.end();
    assert_eq!(ended.exit, 1, "{}{}", ended.out, ended.err);
    assert_eq!(ended.json()["live"]["amr"], json!(["pwd"]));

    // The partner consent demands MFA, and the tenant says that none came; no file is left.
    let (folder, secret) = secret_file(&demo);
    let kept = folder.path().join("refresh-token");
    let mut live = Live::start(
        &demo,
        &[
            "--secure-application-model",
            "--no-prompt-login",
            "--json",
            "--client-id",
            demo.line["live"]["application_id"].as_str().unwrap(),
            "--client-secret-file",
            secret.to_str().unwrap(),
            "--refresh-token-file",
            kept.to_str().unwrap(),
        ],
    );
    let address = live.address();
    // amr_values=mfa: the tenant asks again, and the identity provider's session answers.
    let mut page = client.get(&address);
    for _ in 0..4 {
        if page.url.contains("localhost:8") && page.url.ends_with("/refused") {
            break;
        }
        let form = page.form();
        if form.asks_for("current-password") {
            page = demo.password(&mut client, &page);
        } else if form.asks_for("one-time-code") {
            break;
        } else {
            page = client.submit(&page, &form);
        }
    }
    assert!(
        page.body.contains("The sign-in was refused"),
        "{}",
        page.body
    );
    let ended = live.end();
    assert_eq!(ended.exit, 1, "{}{}", ended.out, ended.err);
    let result = ended.json();
    assert_eq!(result["live"]["refused"]["error"], "interaction_required");
    assert_eq!(result["live"]["refused"]["explained"][0]["code"], 50076);
    assert!(result.get("verdicts").is_none(), "{result:#}");
    assert!(!kept.exists());
}

#[test]
fn a_declined_device_a_foreign_answer_and_what_cannot_be_asked() {
    let demo = Demo::start();
    let mut client = Client::default();

    // Somebody else's answer changes nothing, nor does a page that calls this computer by its own name.
    let mut live = Live::start(&demo, &["--wait", "20s", "--json"]);
    let address = url::Url::parse(&live.address()).unwrap();
    let redirect = address
        .query_pairs()
        .find_map(|(name, value)| (name == "redirect_uri").then(|| value.into_owned()))
        .unwrap();
    for query in ["?code=stolen&state=guessed", "?code=stolen", "?state=", ""] {
        let page = client.get(&format!("{redirect}{query}"));
        assert_eq!(page.status, 400, "{query}");
    }
    let port = url::Url::parse(&redirect).unwrap().port().unwrap();
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let state = address
        .query_pairs()
        .find_map(|(name, value)| (name == "state").then(|| value.into_owned()))
        .unwrap();
    write!(
        socket,
        "GET /?code=x&state={state} HTTP/1.1\r\nHost: evil.example.com:{port}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
    // The application's own refusal is explained; what steers a terminal is not repeated.
    let page = client.get(&format!(
        "{redirect}?error=access_denied&error_description=AADSTS53003%3A%20Access%20%1B%5B2Jhas%20been%20blocked&state={state}"
    ));
    assert!(
        page.body.contains("The sign-in was refused"),
        "{}",
        page.body
    );
    let ended = live.end();
    assert_eq!(ended.exit, 1, "{}{}", ended.out, ended.err);
    let refused = &ended.json()["live"]["refused"];
    assert_eq!(refused["explained"][0]["concerns"], "conditional-access");
    assert!(
        refused["description"]
            .as_str()
            .unwrap()
            .contains("Access \\u{1b}[2Jhas"),
        "{refused:#}"
    );

    // The person says no to the device.
    let mut live = Live::start(&demo, &["--device-code"]);
    let page = enter_code(&mut live, &mut client);
    let page = finish_sign_in(&demo, &mut client, &page);
    confirm_device(&demo, &mut client, page, "cancel");
    let ended = live.end();
    assert_eq!(ended.exit, 1, "{}{}", ended.out, ended.err);
    assert!(
        ended.out.contains("AADSTS70018: The person declined"),
        "{}",
        ended.out
    );

    // Nobody types the code in time: our own patience, not a word of Entra's.
    let ended = alone(&demo, &["--device-code", "--wait", "2s"]);
    assert_eq!(ended.exit, 1, "{}{}", ended.out, ended.err);
    assert!(
        ended.err.contains("nobody signed in within 2 seconds"),
        "{}",
        ended.err
    );

    // A code that the tenant did not give.
    let mut live = Live::start(&demo, &[]);
    let address = url::Url::parse(&live.address()).unwrap();
    let of = |wanted: &str| {
        address
            .query_pairs()
            .find_map(|(name, value)| (name == wanted).then(|| value.into_owned()))
            .unwrap()
    };
    client.get(&format!(
        "{}?code=made-up&state={}",
        of("redirect_uri"),
        of("state")
    ));
    let ended = live.end();
    assert_eq!(ended.exit, 1, "{}{}", ended.out, ended.err);
    assert!(
        ended.out.starts_with("No: the sign-in was refused"),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("AADSTS"), "{}", ended.out);

    // Nobody comes.
    let ended = alone(&demo, &["--wait", "1s"]);
    assert_eq!(ended.exit, 1, "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("nobody signed in"), "{}", ended.err);

    // Where another program listens on the port of the other family, its port is not taken.
    let foreign = std::net::TcpListener::bind("[::1]:0").unwrap();
    let taken = foreign.local_addr().unwrap().port().to_string();
    let ended = alone(&demo, &["--redirect-port", &taken]);
    assert_eq!(ended.exit, 2, "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("--redirect-port"), "{}", ended.err);

    for (options, exit, part) in [
        (
            vec!["--device-code", "--redirect-port", "1"],
            2,
            "cannot be used with",
        ),
        (vec!["--secure-application-model"], 2, "--client-id"),
        (vec!["--wait", "2h"], 2, "between 1 s and 1 h"),
        (
            vec!["--client-id", "x", "--client-secret-file", "/nonexistent"],
            2,
            "cannot be read",
        ),
    ] {
        let ended = alone(&demo, &options);
        assert_eq!(ended.exit, exit, "{options:?}: {}{}", ended.out, ended.err);
        assert!(ended.err.contains(part), "{options:?}: {}", ended.err);
    }
    for (authority, tenant, exit, part) in [
        (
            demo.url("practice"),
            "fabrikam.example",
            3,
            "knows no tenant fabrikam.example",
        ),
        (demo.url("practice"), "../x", 2, "is no tenant"),
        (
            "http://login.microsoftonline.com".to_owned(),
            "contoso.com",
            2,
            "is no authority",
        ),
        // The identity provider is no Entra.
        (demo.url("idp"), "contoso.com", 3, "answered 404"),
        (
            "http://127.0.0.1:9".to_owned(),
            "contoso.com",
            3,
            "did not answer",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_claimbridge"))
            .args([
                "inspect",
                "live",
                "--authority",
                &authority,
                "--tenant",
                tenant,
            ])
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            output.status.code(),
            Some(exit),
            "{authority} {tenant}: {err}"
        );
        assert!(err.contains(part), "{authority} {tenant}: {err}");
    }
}
