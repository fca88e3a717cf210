//! The processes of a test: `claimbridge demo` and chromedriver.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use claimbridge::{
    base::clock::{Clock as _, SystemClock, Timestamp},
    directory::TotpParameters,
    factor::totp,
};
use serde_json::Value;

/// A process that ends with the test, whatever happens in it.
pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Asked to stop, it takes its folder or its browsers along.
        let asked = Command::new("kill").arg(self.0.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            // An error means that it has ended already.
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}

/// Starts `command` and gives its first line of output that `wanted` picks from.
fn start<T>(mut command: Command, wanted: impl Fn(&str) -> Option<T>) -> (Process, T) {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} does not start ({error}); install it"));
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let process = Process(child);
    let mut seen = String::new();
    loop {
        let from = seen.len();
        let read = out.read_line(&mut seen).unwrap();
        assert!(read > 0, "{command:?} ended early:\n{seen}");
        if let Some(found) = wanted(&seen[from..]) {
            // Keep reading, so that it never writes into a closed pipe.
            std::thread::spawn(move || {
                for line in out.lines().map_while(Result::ok) {
                    eprintln!("{line}");
                }
            });
            return (process, found);
        }
    }
}

/// chromedriver, and the address it answers at.
pub fn chromedriver() -> (Process, String) {
    let mut command = Command::new("chromedriver");
    command.arg("--port=0");
    let (process, port) = start(command, |line| {
        let port = line.split_once("successfully on port ")?.1;
        port.trim().trim_end_matches('.').parse::<u16>().ok()
    });
    (process, format!("http://127.0.0.1:{port}"))
}

/// A person of the demo.
#[derive(Clone, Debug)]
pub struct Person {
    pub upn: String,
    pub password: String,
    pub secret: Option<String>,
    pub pass: Option<String>,
    /// Of a hardware token.
    pub serial: Option<String>,
    /// What may be set up, where the rules do not allow everything.
    pub allowed: Option<Value>,
}

/// A running demo.
pub struct Demo {
    pub idp: String,
    pub practice: String,
    /// Has a password and a code generator.
    pub agent: Person,
    /// Has a password, and a hardware token that waits.
    pub token_holder: Person,
    /// Has a password and a pass.
    pub newcomer: Person,
    /// The same, for a security key and nothing else.
    pub key_holder: Person,
    _process: Process,
    // After the process: it takes its own folder in it along.
    folder: tempfile::TempDir,
}

impl Demo {
    pub fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_claimbridge"));
        let folder = tempfile::tempdir().unwrap();
        command
            .args(["demo", "--listen", "127.0.0.1:0", "--json"])
            .env("TMPDIR", folder.path());
        let (process, said) = start(command, |line| serde_json::from_str::<Value>(line).ok());
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let person = |value: &Value| Person {
            upn: text(&value["upn"]).unwrap(),
            password: text(&value["password"]).unwrap(),
            secret: text(&value["totp_secret"]),
            pass: text(&value["pass"]),
            serial: text(&value["token_serial"]),
            allowed: value.get("allowed_methods").cloned(),
        };
        let users: Vec<Person> = said["users"]
            .as_array()
            .unwrap()
            .iter()
            .map(person)
            .collect();
        let find = |has: fn(&Person) -> bool| users.iter().find(|one| has(one)).unwrap().clone();
        Self {
            idp: text(&said["idp"]).unwrap(),
            practice: text(&said["practice"]).unwrap(),
            agent: find(|person| person.secret.is_some() && person.serial.is_none()),
            token_holder: find(|person| person.serial.is_some()),
            newcomer: find(|person| person.pass.is_some() && person.allowed.is_none()),
            key_holder: find(|person| person.allowed.is_some()),
            _process: process,
            folder,
        }
    }

    /// Where its own folder is, with the database.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

/// A desktop TOTP program that shows each code once: the present one, or the next
/// where the present was used. (The service takes a step ahead, so nothing waits.)
pub struct Codes {
    secret: Vec<u8>,
    last_step: i64,
}

const STEP: i64 = 30;

impl Codes {
    pub fn new(base32: &str) -> Self {
        let letters: String = base32.chars().filter(|c| !c.is_whitespace()).collect();
        Self {
            secret: data_encoding::BASE32_NOPAD
                .decode(letters.as_bytes())
                .unwrap(),
            last_step: 0,
        }
    }

    fn at(&self, step: i64) -> String {
        let at = Timestamp::from_millis(step * STEP * 1000);
        totp::code_at(&self.secret, TotpParameters::default(), at).unwrap()
    }

    /// A code that was not shown before.
    pub fn fresh(&mut self) -> String {
        let now = SystemClock.now().as_secs() / STEP;
        self.last_step = now.max(self.last_step + 1);
        self.at(self.last_step)
    }

    /// The code that was shown last, once more.
    pub fn again(&self) -> String {
        self.at(self.last_step)
    }

    /// Six digits that are no code of these minutes.
    pub fn wrong(&self) -> String {
        let now = SystemClock.now().as_secs() / STEP;
        let near: Vec<String> = (now - 10..now + 10).map(|step| self.at(step)).collect();
        (0..1_000_000)
            .map(|number| format!("{number:06}"))
            .find(|code| !near.contains(code))
            .unwrap()
    }
}
