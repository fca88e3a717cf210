//! The demo's people: one who can sign in at once, one who enrols what he likes, one with a
//! hardware token that waits to be activated, and one who enrols a security key.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    app::{App, Error, demo::DemoUser, passes::PassOptions},
    base::{
        random::{Random, random_token},
        secret::Secret,
        text::Upn,
    },
    directory::{GroupName, MethodKind, Serial},
    practice::{Adds, Brings, DemoPerson, DesktopTotp, PracticeUser, request},
};

/// The group whose people sign in with a security key and nothing else.
pub const KEY_HOLDERS: &str = "security keys";

/// What stands on the back of the demo's token.
const SERIAL: &str = "2600124809778";

/// Someone of the demo, with everything that a walk-through shows.
#[derive(Debug)]
pub struct Person {
    user: DemoUser,
    password: Secret<String>,
    brings: Brings,
}

/// Adds them.
pub async fn add(app: &App, domain: &str, random: &mut dyn Random) -> Result<Vec<Person>, Error> {
    let mut new = New {
        app,
        domain,
        random,
    };
    let key_holders: GroupName = KEY_HOLDERS.parse().map_err(Error::invalid)?;

    let one = new.user("agent1", "Agent One", vec![]).await?;
    let secret = app.add_demo_totp(&one.0.upn).await?;
    let program = Brings::Program(codes(one.0.upn.to_string(), secret));

    let two = new.user("agent2", "Agent Two", vec![]).await?;
    let anything = pass(app, &two.0.upn, Adds::Anything).await?;

    let three = new.user("agent3", "Agent Three", vec![]).await?;
    let serial: Serial = SERIAL.parse().map_err(Error::invalid)?;
    let secret = app.add_demo_token(&three.0.upn, &serial).await?;
    let token = Brings::Token {
        codes: codes(format!("{} (hardware token {serial})", three.0.upn), secret),
        serial: serial.to_string(),
    };

    let four = new.user("agent4", "Agent Four", vec![key_holders]).await?;
    let key = pass(app, &four.0.upn, Adds::SecurityKey).await?;

    let people = [(one, program), (two, anything), (three, token), (four, key)];
    Ok(people
        .into_iter()
        .map(|((user, password), brings)| Person {
            user,
            password,
            brings,
        })
        .collect())
}

/// What a new person of the demo needs.
struct New<'a> {
    app: &'a App,
    domain: &'a str,
    random: &'a mut dyn Random,
}

impl New<'_> {
    async fn user(
        &mut self,
        name: &str,
        display_name: &str,
        groups: Vec<GroupName>,
    ) -> Result<(DemoUser, Secret<String>), Error> {
        let upn = format!("{name}@{}", self.domain);
        let upn: Upn = upn.parse().map_err(Error::invalid)?;
        let password = password(self.random);
        let added = self
            .app
            .add_demo_user(upn, display_name, password.clone(), groups);
        Ok((added.await?, password))
    }
}

async fn pass(app: &App, upn: &Upn, adds: Adds) -> Result<Brings, Error> {
    let options = PassOptions {
        lifetime: Duration::from_hours(8),
        ..PassOptions::default()
    };
    let pass = app.issue_pass(upn, options, "demo").await?;
    Ok(Brings::Pass {
        value: pass.value,
        adds,
    })
}

fn codes(upn: String, secret: Secret<Vec<u8>>) -> DesktopTotp {
    DesktopTotp { upn, secret }
}

/// 80 random bits in groups that a person can copy.
fn password(random: &mut dyn Random) -> Secret<String> {
    let letters = random_token(random);
    let groups: Vec<&str> = (0..4).map(|at| &letters[at * 4..at * 4 + 4]).collect();
    Secret::new(groups.join("-"))
}

fn base32(codes: &DesktopTotp) -> String {
    data_encoding::BASE32_NOPAD.encode(codes.secret.expose())
}

impl Person {
    /// For the practice tenant's directory.
    pub fn in_directory(&self, random: &mut dyn Random) -> PracticeUser {
        PracticeUser {
            upn: self.user.upn.clone(),
            immutable_id: self.user.immutable_id.clone(),
            object_id: request::guid(random),
            display_name: self.user.display_name.clone(),
        }
    }

    /// For the walk-through page.
    pub fn in_walk_through(&self) -> DemoPerson {
        DemoPerson {
            upn: self.user.upn.to_string(),
            password: self.password.clone(),
            brings: self.brings.clone(),
        }
    }

    /// For the JSON line.
    pub fn to_json(&self) -> Value {
        let mut person = json!({
            "upn": self.user.upn.as_str(),
            "password": self.password.expose(),
            "totp_secret": null,
            "immutable_id": self.user.immutable_id,
        });
        match &self.brings {
            Brings::Program(codes) => person["totp_secret"] = json!(base32(codes)),
            Brings::Token { serial, codes } => {
                person["totp_secret"] = json!(base32(codes));
                person["token_serial"] = json!(serial);
            }
            Brings::Pass { value, adds } => {
                person["pass"] = json!(value.expose());
                if *adds == Adds::SecurityKey {
                    person["allowed_methods"] = json!([MethodKind::SecurityKey]);
                }
            }
        }
        person
    }

    /// For the terminal: who it is, and how to sign in or to enrol.
    pub fn in_words(&self) -> String {
        let second = match &self.brings {
            Brings::Program(codes) => format!("then a code; TOTP secret {}", base32(codes)),
            Brings::Token { serial, codes } => format!(
                "then a code of hardware token {serial}, which activates it, and the next one, which signs in; secret {}",
                base32(codes)
            ),
            Brings::Pass {
                value,
                adds: Adds::Anything,
            } => format!(
                "then access pass {} to add a code generator or a security key",
                value.expose()
            ),
            Brings::Pass {
                value,
                adds: Adds::SecurityKey,
            } => format!(
                "then access pass {} to add a security key: touch it, or let this computer be the key",
                value.expose()
            ),
        };
        format!(
            "{}  password {}, {second}",
            self.user.upn,
            self.password.expose()
        )
    }
}
