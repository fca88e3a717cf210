//! `claimbridge demo` as a program: the whole journey over real sockets.

pub mod client;
mod live;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    time::Duration,
};

use claimbridge::{
    base::clock::{Clock as _, SystemClock},
    directory::TotpParameters,
    factor::totp,
};

use client::{Client, Form, Page};
use serde_json::Value;

/// A running demo; it ends with this value.
pub struct Demo {
    child: Child,
    line: Value,
}

impl Demo {
    pub fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_claimbridge"))
            .args(["demo", "--listen", "127.0.0.1:0", "--json"])
            // It must not care.
            .env("CLAIMBRIDGE_PUBLIC_URL", "https://idp.example.com")
            .env("CLAIMBRIDGE_NO_SUCH_KEY", "x")
            .env("CLAIMBRIDGE_CONFIG", "/does/not/exist.toml")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let line = serde_json::from_str(&line).unwrap();
        Self { child, line }
    }

    pub fn url(&self, site: &str) -> String {
        self.line[site].as_str().unwrap().to_owned()
    }

    pub fn user(&self, at: usize, what: &str) -> String {
        self.line["users"][at][what].as_str().unwrap().to_owned()
    }

    pub fn code(&self, client: &mut Client) -> String {
        let page = client.get(&format!("{}/totp.json", self.url("practice")));
        let codes: Value = serde_json::from_str(&page.body).unwrap();
        codes[0]["code"].as_str().unwrap().to_owned()
    }

    fn last(&self, client: &mut Client) -> Value {
        let page = client.get(&format!("{}/last.json", self.url("practice")));
        assert_eq!(page.status, 200, "{}", page.body);
        serde_json::from_str(&page.body).unwrap()
    }

    /// From "Sign in" to the identity provider's first page.
    fn begin(&self, client: &mut Client, path: &str) -> Page {
        let sent = client.get(&format!("{}{path}", self.url("practice")));
        if sent.url.starts_with(&self.url("idp")) {
            return sent; // by redirect
        }
        let form = sent.form();
        assert!(form.action.starts_with(&self.url("idp")), "{}", form.action);
        client.submit(&sent, &form)
    }

    /// Name and password.
    pub fn password(&self, client: &mut Client, page: &Page) -> Page {
        let mut form = page.form();
        if form.asks_for("username") {
            form.fill("username", &self.user(0, "upn"));
        }
        form.fill("current-password", &self.user(0, "password"));
        client.submit(page, &form)
    }

    /// The code of now; and on with the form that carries the response.
    fn code_and_back(&self, client: &mut Client, page: &Page) -> Page {
        let mut form = page.form();
        let code = self.code(client);
        form.fill("one-time-code", &code);
        let answer = client.submit(page, &form);
        Self::carry_back(client, &answer)
    }

    fn carry_back(client: &mut Client, answer: &Page) -> Page {
        let form = answer.form();
        assert!(form.value("SAMLResponse").is_some(), "{}", answer.body);
        client.submit(answer, &form)
    }
}

impl Drop for Demo {
    /// Politely, so that it takes its temporary folder with it.
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

#[test]
fn from_the_practice_tenant_through_both_factors_to_accepted_and_each_break_by_its_rule() {
    let demo = Demo::start();
    let mut client = Client::default();
    let home = client.get(&format!("{}/", demo.url("practice")));
    assert!(home.body.contains(&demo.user(0, "password")));

    let asked = demo.begin(&mut client, "/start");
    let second = demo.password(&mut client, &asked);
    assert!(second.form().asks_for("one-time-code"), "{}", second.body);
    let end = demo.code_and_back(&mut client, &second);
    assert!(
        end.url.starts_with(&demo.url("partner_center")),
        "{}",
        end.url
    );
    assert!(
        end.body.contains("Partner Center: accepted"),
        "{}",
        end.body
    );

    let last = demo.last(&mut client);
    assert_eq!(last["accepted"], true, "{last:#}");
    assert_eq!(last["amr"], serde_json::json!(["pwd", "mfa"]));
    assert_eq!(last["findings"], serde_json::json!([]), "{last:#}");
    assert_eq!(last["person"], demo.user(0, "upn").as_str());

    for (name, rule) in [
        ("wrong-issuer", "CB-SAML-003"),
        ("expired", "CB-SAML-016"),
        ("wrong-certificate", "CB-SAML-006"),
        ("class-reference-dropped", "CB-SAML-019"),
    ] {
        client.post(
            &format!("{}/break", demo.url("practice")),
            &[("break", name)],
        );
        let last = demo.last(&mut client);
        assert_eq!(
            last["findings"],
            serde_json::json!([rule]),
            "{name}: {last:#}"
        );
        let red = last["checks"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|check| check["outcome"] != "passed")
            .count();
        assert_eq!(red, 1, "{name}: {last:#}");
        assert_eq!(last["partner_center"]["status"], 401, "{name}");
    }
    client.post(
        &format!("{}/break", demo.url("practice")),
        &[("break", "none")],
    );

    // The session answers a second request; ForceAuthn asks again.
    let again = demo.begin(&mut client, "/start?binding=redirect");
    let end = Demo::carry_back(&mut client, &again);
    assert!(
        end.body.contains("Partner Center: accepted"),
        "{}",
        end.body
    );
    let forced = demo.begin(&mut client, "/start?force_authn=1");
    assert!(
        forced.form().asks_for("current-password"),
        "{}",
        forced.body
    );

    // None of the practice tenant's addresses exists on the identity provider.
    for path in [
        "/start",
        "/login.srf",
        "/last.json",
        "/break",
        "/totp",
        "/keys",
        "/arrive",
    ] {
        let page = client.once("GET", &format!("{}{path}", demo.url("idp")), "");
        assert_eq!(page.status, 404, "{path}");
    }

    // Without a session, a passive request is answered with an error and no page.
    let mut stranger = Client::default();
    let passive = demo.begin(&mut stranger, "/start?is_passive=1");
    let end = Demo::carry_back(&mut stranger, &passive);
    assert_eq!(end.status, 403);
    let last = demo.last(&mut stranger);
    assert_eq!(last["findings"][0], "CB-SAML-001", "{last:#}");
}

#[test]
fn an_application_gets_its_tokens_through_both_factors_by_code_and_by_device_code() {
    let demo = Demo::start();
    let live = demo.line["live"].clone();
    assert_eq!(live["authority"], demo.line["practice"]);
    assert_eq!(live["partner_center"], demo.line["partner_center"]);
    assert_eq!(live["tenant"], "contoso.com");
    assert_eq!(live["application_id"].as_str().unwrap().len(), 36);
    assert_eq!(live["application_secret"].as_str().unwrap().len(), 43);
    let client_id = live["client_id"].as_str().unwrap();
    let scope = "openid https://api.partnercenter.microsoft.com/user_impersonation";
    let endpoints = format!("{}/organizations/oauth2/v2.0", demo.url("practice"));
    let amr = |tokens: &Page| {
        let tokens: Value = serde_json::from_str(&tokens.body).unwrap();
        let token = tokens["access_token"].as_str().unwrap();
        let claims = data_encoding::BASE64URL_NOPAD
            .decode(token.split('.').nth(1).unwrap().as_bytes())
            .unwrap();
        serde_json::from_slice::<Value>(&claims).unwrap()["amr"].clone()
    };

    // The application waits on loopback, as RFC 8252 §7.3 has it.
    let application = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", application.local_addr().unwrap());
    let waiting = std::thread::spawn(move || {
        let (mut socket, _) = application.accept().unwrap();
        let mut request = String::new();
        BufReader::new(&socket).read_line(&mut request).unwrap();
        socket
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
    });
    let mut client = Client::default();
    // The pair of RFC 7636, appendix B.
    let mut asked = url::Url::parse(&format!("{endpoints}/authorize")).unwrap();
    asked.query_pairs_mut().extend_pairs([
        ("client_id", client_id),
        ("response_type", "code"),
        ("redirect_uri", &address),
        ("scope", scope),
        ("state", "state"),
        ("prompt", "login"),
        (
            "code_challenge",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        ),
        ("code_challenge_method", "S256"),
    ]);
    let path = asked.as_str().strip_prefix(&demo.url("practice")).unwrap();
    let first = demo.begin(&mut client, path);
    let second = demo.password(&mut client, &first);
    let end = demo.code_and_back(&mut client, &second);
    waiting.join().unwrap();
    let end = url::Url::parse(&end.url).unwrap();
    let code = end.query_pairs().find(|(name, _)| name == "code");
    let tokens = client.post(
        &format!("{endpoints}/token"),
        &[
            ("grant_type", "authorization_code"),
            ("client_id", client_id),
            ("code", &code.unwrap().1),
            ("redirect_uri", &address),
            (
                "code_verifier",
                "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            ),
        ],
    );
    assert_eq!(tokens.status, 200, "{}", tokens.body);
    assert_eq!(amr(&tokens), serde_json::json!(["pwd", "mfa"]));

    // A device code in the same browser: the sign-in stands, and the person is still asked.
    let begun = client.post(
        &format!("{endpoints}/devicecode"),
        &[("client_id", client_id), ("scope", scope)],
    );
    let begun: Value = serde_json::from_str(&begun.body).unwrap();
    let page = client.get(begun["verification_uri"].as_str().unwrap());
    let mut form = page.form();
    form.set("code", begun["user_code"].as_str().unwrap());
    let confirm = client.submit(&page, &form);
    assert!(
        confirm.body.contains("sign in to Microsoft Azure CLI?"),
        "{}",
        confirm.body
    );
    let handle = confirm.form().value("handle").unwrap().to_owned();
    let done = client.post(&confirm.url, &[("handle", &handle), ("answer", "continue")]);
    assert!(done.body.contains("You have signed in"), "{}", done.body);
    let tokens = client.post(
        &format!("{endpoints}/token"),
        &[
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("client_id", client_id),
            ("device_code", begun["device_code"].as_str().unwrap()),
        ],
    );
    assert_eq!(tokens.status, 200, "{}", tokens.body);
    assert_eq!(amr(&tokens), serde_json::json!(["pwd", "mfa"]));

    // None of it exists on the identity provider.
    for path in [
        "/organizations/v2.0/.well-known/openid-configuration",
        "/organizations/oauth2/v2.0/authorize",
        "/devicelogin",
    ] {
        let page = client.once("GET", &format!("{}{path}", demo.url("idp")), "");
        assert_eq!(page.status, 404, "{path}");
    }
}

#[test]
fn the_second_person_enrols_by_the_pass_and_then_signs_in_with_both() {
    let demo = Demo::start();
    let mut client = Client::default();
    let asked = demo.begin(&mut client, "/start");
    let mut form = asked.form();
    form.fill("username", &demo.user(1, "upn"));
    form.fill("current-password", &demo.user(1, "password"));
    // Password alone never shows a secret: a pass is asked for.
    let passes = client.submit(&asked, &form);
    let mut form = passes.form();
    form.set("pass", &demo.user(1, "pass"));
    let choice = client.submit(&passes, &form);
    let totp = |form: &Form| form.inputs.iter().any(|(_, _, value)| value == "totp");
    let form = choice.forms().into_iter().find(totp).unwrap();
    let method = client.submit(&choice, &form);
    let secret = method
        .body
        .split("secret=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    let secret = data_encoding::BASE32_NOPAD
        .decode(secret.as_bytes())
        .unwrap();
    // Two steps within the skew, earlier one first: the first confirms, and leaves the
    // second for the sign-in. Late in a step the pair is a step later, so that neither
    // is too old if the step ends meanwhile.
    let now = SystemClock.now();
    let step = Duration::from_secs(30);
    let confirms_at = if now.as_secs() % 30 < 15 {
        now.minus(step)
    } else {
        now
    };
    let code = |at| totp::code_at(&secret, TotpParameters::default(), at).unwrap();
    let (confirming, signing_in) = (code(confirms_at), code(confirms_at.plus(step)));
    let mut form = method.form();
    form.fill("one-time-code", &confirming);
    let added = client.submit(&method, &form);
    assert_eq!(added.status, 200, "{}", added.body);
    let on = added.body.split("class=\"button\" href=\"").nth(1).unwrap();
    let on = url::Url::parse(&added.url)
        .unwrap()
        .join(on.split('"').next().unwrap())
        .unwrap();

    let asked = client.get(on.as_str());
    let mut form = asked.form();
    if form.asks_for("username") {
        form.fill("username", &demo.user(1, "upn"));
    }
    form.fill("current-password", &demo.user(1, "password"));
    let second = client.submit(&asked, &form);
    // The confirming code proves nothing.
    let mut form = second.form();
    form.fill("one-time-code", &confirming);
    let refused = client.submit(&second, &form);
    let mut form = refused.form();
    assert!(form.asks_for("one-time-code"), "{}", refused.body);
    form.fill("one-time-code", &signing_in);
    let mut page = client.submit(&refused, &form);
    // What operators did to the account is shown once.
    if page.form().value("SAMLResponse").is_none() {
        let notices = page.form();
        page = client.submit(&page, &notices);
    }
    let end = Demo::carry_back(&mut client, &page);
    assert!(
        end.body.contains("Partner Center: accepted"),
        "{}",
        end.body
    );
    assert_eq!(
        demo.last(&mut client)["person"],
        demo.user(1, "upn").as_str()
    );
}

#[test]
fn what_the_demo_refuses() {
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_claimbridge"))
            .args(args)
            .output()
            .unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(words.lines().count(), 1, "{words}");
        (output.status.code().unwrap(), words)
    };
    let (code, words) = run(&["demo", "--listen", "0.0.0.0:8080"]);
    assert_eq!(code, 2);
    assert!(words.contains("loopback only"), "{words}");
    let (code, words) = run(&["--config", "claimbridge.toml", "demo"]);
    assert_eq!(code, 2);
    assert!(words.contains("--config"), "{words}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (code, words) = run(&["demo", "--listen", &format!("127.0.0.1:{port}")]);
    assert_eq!(code, 3);
    assert!(words.contains(&format!("port {port} is taken")), "{words}");
}

#[test]
fn the_third_person_activates_the_hardware_token_and_then_signs_in_with_both() {
    let demo = Demo::start();
    let mut client = Client::default();
    let home = client.get(&format!("{}/", demo.url("practice")));
    assert!(home.body.contains(&demo.user(2, "token_serial")));
    let secret = data_encoding::BASE32_NOPAD
        .decode(demo.user(2, "totp_secret").as_bytes())
        .unwrap();
    let asked = demo.begin(&mut client, "/start");
    let mut form = asked.form();
    form.fill("username", &demo.user(2, "upn"));
    form.fill("current-password", &demo.user(2, "password"));
    let token = client.submit(&asked, &form);
    assert!(token.body.contains("Activate your token"), "{}", token.body);
    // The first code activates, within ten steps; the second is of now.
    let now = SystemClock.now();
    let code = |at| totp::code_at(&secret, TotpParameters::default(), at).unwrap();
    let mut form = token.form();
    form.fill("one-time-code", &code(now.minus(Duration::from_secs(30))));
    let second = client.submit(&token, &form);
    assert!(
        second.body.contains("Enter your one-time code"),
        "{}",
        second.body
    );
    let mut form = second.form();
    form.fill("one-time-code", &code(now));
    let notices = client.submit(&second, &form);
    assert!(notices.body.contains("handed to you"), "{}", notices.body);
    let answer = client.submit(&notices, &notices.form());
    let end = Demo::carry_back(&mut client, &answer);
    assert!(
        end.body.contains("Partner Center: accepted"),
        "{}",
        end.body
    );
    let last = demo.last(&mut client);
    assert_eq!(last["amr"], serde_json::json!(["pwd", "mfa"]));
    assert_eq!(last["person"], demo.user(2, "upn").as_str());
}

/// The key's answer to what the page asks, in the page's form.
fn touch(client: &mut Client, page: &Page, answer: impl FnOnce(&str) -> String) -> Form {
    let mut form = page.form();
    let ask = url::Url::parse(&page.url)
        .unwrap()
        .join(&format!("{}/ask", form.action))
        .unwrap();
    let csrf = form.value("csrf").unwrap().to_owned();
    let asked = client.post(ask.as_str(), &[("csrf", &csrf)]);
    assert_eq!(asked.status, 200, "{}", asked.body);
    form.set("answer", &answer(&asked.body));
    form
}

#[test]
fn the_fourth_person_adds_a_security_key_and_then_signs_in_with_it() {
    let demo = Demo::start();
    let mut client = Client::default();
    let home = client.get(&format!("{}/", demo.url("practice")));
    assert!(home.body.contains("touch a FIDO2 key"), "{}", home.body);
    assert!(home.body.contains(&demo.user(3, "pass")));
    let asked = demo.begin(&mut client, "/start");
    let mut form = asked.form();
    form.fill("username", &demo.user(3, "upn"));
    form.fill("current-password", &demo.user(3, "password"));
    let passes = client.submit(&asked, &form);
    let mut form = passes.form();
    form.set("pass", &demo.user(3, "pass"));
    // The group's rules allow nothing else, so nothing is to be chosen.
    let add = client.submit(&passes, &form);
    assert!(add.body.contains("Add a security key"), "{}", add.body);
    assert_eq!(add.forms().len(), 1, "{}", add.body);

    let mut key = crate::soft_key::SoftKey::new();
    let origin = demo.url("idp");
    let form = touch(&mut client, &add, |ask| key.registers(ask, &origin));
    let added = client.submit(&add, &form);
    assert!(
        added.body.contains("Your security key is added"),
        "{}",
        added.body
    );
    let on = added.body.split("class=\"button\" href=\"").nth(1).unwrap();
    let on = url::Url::parse(&added.url)
        .unwrap()
        .join(on.split('"').next().unwrap())
        .unwrap();
    let asked = client.get(on.as_str());
    let mut form = asked.form();
    form.fill("current-password", &demo.user(3, "password"));
    let second = client.submit(&asked, &form);
    let form = touch(&mut client, &second, |ask| key.signs(ask, &origin));
    let notices = client.submit(&second, &form);
    assert!(
        notices.body.contains("A way to sign in was added"),
        "{}",
        notices.body
    );
    let answer = client.submit(&notices, &notices.form());
    let end = Demo::carry_back(&mut client, &answer);
    assert!(
        end.body.contains("Partner Center: accepted"),
        "{}",
        end.body
    );
    let last = demo.last(&mut client);
    assert_eq!(last["amr"], serde_json::json!(["pwd", "mfa"]));
    assert_eq!(last["person"], demo.user(3, "upn").as_str());
}

/// One line for each person says how to sign in or to enrol; then where codes come from.
#[test]
fn the_demo_says_how_to_enrol_each() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_claimbridge"))
        .args(["demo", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    for line in lines {
        let line = line.unwrap();
        let last = line.contains("Ctrl-C");
        said.push(line);
        if last {
            break;
        }
    }
    drop(Demo {
        child,
        line: Value::Null,
    });
    for (agent, how) in [
        ("agent1@", "TOTP secret"),
        ("agent2@", "to add a code generator or a security key"),
        (
            "agent3@",
            "hardware token 2600124809778, which activates it",
        ),
        ("agent4@", "to add a security key"),
    ] {
        let line = said.iter().find(|line| line.contains(agent)).unwrap();
        assert!(line.contains(how), "{line}");
    }
    assert!(
        said.iter().any(|line| line.contains("oathtool --totp -b")),
        "{said:?}"
    );
}
