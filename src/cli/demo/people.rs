//! The demo's people: one who can sign in at once, one who enrols first, and one with a
//! hardware token that waits to be activated.

use serde_json::{Value, json};

use crate::{
    app::{App, Error, demo::DemoUser, passes::PassOptions},
    base::{
        random::{Random, random_token},
        secret::Secret,
        text::Upn,
    },
    directory::Serial,
    practice::{DemoPerson, DesktopTotp, PracticeUser, request},
};

/// Someone of the demo, with everything that a walk-through shows.
#[derive(Debug)]
pub struct Person {
    user: DemoUser,
    password: Secret<String>,
    totp: Option<Secret<Vec<u8>>>,
    token: Option<Serial>,
    pass: Option<Secret<String>>,
}

/// What stands on the back of the demo's token.
const SERIAL: &str = "2600124809778";

/// Adds them.
pub async fn add(app: &App, domain: &str, random: &mut dyn Random) -> Result<Vec<Person>, Error> {
    let upn = |name: &str| -> Result<Upn, Error> {
        format!("{name}@{domain}").parse().map_err(Error::invalid)
    };
    let (first, second, third) = (upn("agent1")?, upn("agent2")?, upn("agent3")?);
    let passwords = [password(random), password(random), password(random)];
    let [first_password, second_password, third_password] = passwords;
    let user = app
        .add_demo_user(first.clone(), "Agent One", first_password.clone())
        .await?;
    let totp = app.add_demo_totp(&first).await?;
    let with_totp = Person {
        user,
        password: first_password,
        totp: Some(totp),
        token: None,
        pass: None,
    };
    let user = app
        .add_demo_user(second.clone(), "Agent Two", second_password.clone())
        .await?;
    let options = PassOptions {
        lifetime: std::time::Duration::from_hours(8),
        ..PassOptions::default()
    };
    let pass = app.issue_pass(&second, options, "demo").await?;
    let with_pass = Person {
        user,
        password: second_password,
        totp: None,
        token: None,
        pass: Some(pass.value),
    };
    let user = app
        .add_demo_user(third.clone(), "Agent Three", third_password.clone())
        .await?;
    let serial: Serial = SERIAL.parse().map_err(Error::invalid)?;
    let with_token = Person {
        user,
        password: third_password,
        totp: Some(app.add_demo_token(&third, &serial).await?),
        token: Some(serial),
        pass: None,
    };
    Ok(vec![with_totp, with_pass, with_token])
}

/// 80 random bits in groups that a person can copy.
fn password(random: &mut dyn Random) -> Secret<String> {
    let letters = random_token(random);
    let groups: Vec<&str> = (0..4).map(|at| &letters[at * 4..at * 4 + 4]).collect();
    Secret::new(groups.join("-"))
}

impl Person {
    fn totp_secret(&self) -> Option<String> {
        self.totp
            .as_ref()
            .map(|secret| data_encoding::BASE32_NOPAD.encode(secret.expose()))
    }

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
            totp: self.totp.clone().map(|secret| DesktopTotp {
                upn: match &self.token {
                    Some(serial) => format!("{} (hardware token {serial})", self.user.upn),
                    None => self.user.upn.to_string(),
                },
                secret,
            }),
            token_serial: self.token.as_ref().map(Serial::to_string),
            access_pass: self.pass.clone(),
        }
    }

    /// For the JSON line.
    pub fn to_json(&self) -> Value {
        let mut person = json!({
            "upn": self.user.upn.as_str(),
            "password": self.password.expose(),
            "totp_secret": self.totp_secret(),
            "immutable_id": self.user.immutable_id,
        });
        if let Some(serial) = &self.token {
            person["token_serial"] = json!(serial);
        }
        if let Some(pass) = &self.pass {
            person["pass"] = json!(pass.expose());
        }
        person
    }

    /// For the terminal.
    pub fn in_words(&self) -> String {
        let second = match (self.totp_secret(), &self.pass) {
            (Some(secret), _) if self.token.is_some() => {
                format!("hardware token, to be activated; its secret {secret}")
            }
            (Some(secret), _) => format!("TOTP secret {secret}"),
            (None, Some(pass)) => format!("no method yet; access pass {}", pass.expose()),
            (None, None) => "no method".to_owned(),
        };
        format!(
            "{}  password {}  {second}",
            self.user.upn,
            self.password.expose()
        )
    }
}
