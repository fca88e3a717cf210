//! People of the demo, who start with a TOTP program instead of enrolling one, or with a
//! hardware token in their hands.
//!
//! Always true: only `demo` calls this, on its throw-away database. It adds a
//! credential to a person who has none and has never signed in; it makes no proof,
//! and signing in takes the password and a code like anyone's.

use std::sync::Arc;

use super::{
    App, Error,
    oath_tokens::import::{Assigning, ImportOptions, Mode},
    users::NewUser,
};
use crate::{
    audit::{Actor, Event},
    base::{ids::CredentialId, random::random_bytes, secret::Secret, text::Upn},
    directory::{GroupName, Serial, TotpCredential, TotpParameters, oath_import::Defaults},
};

/// Who added the people.
const OPERATOR: &str = "demo";

/// A person of the demo.
#[derive(Debug)]
pub struct DemoUser {
    /// The user principal name.
    pub upn: Upn,
    /// The value by which Entra knows the person.
    pub immutable_id: String,
    /// The display name.
    pub display_name: String,
}

impl App {
    /// Adds a person with a password and no method, in these groups.
    pub async fn add_demo_user(
        &self,
        upn: Upn,
        display_name: &str,
        password: Secret<String>,
        groups: Vec<GroupName>,
    ) -> Result<DemoUser, Error> {
        let user = self
            .add_user(
                NewUser {
                    upn,
                    display_name: display_name.to_owned(),
                    immutable_id: None,
                    groups,
                    password: Some(password),
                },
                OPERATOR,
            )
            .await?;
        let immutable_id = user
            .immutable_id
            .as_ref()
            .map(|id| id.as_str().to_owned())
            .unwrap_or_default();
        Ok(DemoUser {
            upn: user.upn,
            immutable_id,
            display_name: user.display_name,
        })
    }

    /// Puts a hardware token into the inventory, by a file like a vendor's, and hands it to a
    /// person of the demo, who activates it at the first sign-in. Its secret.
    pub async fn add_demo_token(
        &self,
        upn: &Upn,
        serial: &Serial,
    ) -> Result<Secret<Vec<u8>>, Error> {
        let secret = self.with_random(|random| Secret::new(random_bytes::<20>(random).to_vec()));
        let csv = zeroize::Zeroizing::new(format!(
            "upn,serial number,secret key,time interval,manufacturer,model\n{upn},{serial},{},30,Contoso,Demo token\n",
            data_encoding::BASE32_NOPAD.encode(secret.expose())
        ));
        let open = || -> std::io::Result<Box<dyn std::io::BufRead + Send>> {
            Ok(Box::new(std::io::Cursor::new(csv.as_bytes().to_vec())))
        };
        let options = ImportOptions {
            defaults: Defaults::default(),
            key: None,
            assigning: Assigning::AsTheFileSays,
            mode: Mode::Whole,
            operator: OPERATOR,
        };
        let imported = self
            .import_oath_tokens(&open, &options, &mut |_| {})
            .await?;
        match (imported.assigned, imported.failed.first()) {
            (1, None) => Ok(secret),
            (_, failed) => Err(Error::internal(format!("the demo's token: {failed:?}"))),
        }
    }

    /// Gives a person of the demo, who has no method yet, a TOTP program. Its secret.
    pub async fn add_demo_totp(&self, upn: &Upn) -> Result<Secret<Vec<u8>>, Error> {
        let now = self.now();
        let user = self.find_user(upn).await?;
        let parameters = TotpParameters::default();
        let sealing = Arc::clone(&self.sealing);
        let (id, secret, sealed_secret) = self.with_random(|random| {
            let id = CredentialId::random(random);
            let secret = Secret::new(random_bytes::<20>(random).to_vec());
            let place = TotpCredential::secret_place(&id, &user.id);
            let sealed = sealing.seal(&place, secret.expose(), random);
            (id, secret, sealed)
        });
        let tag =
            TotpCredential::make_tag(&self.sealing, &id, &user.id, parameters, &sealed_secret);
        let name = "Desktop TOTP program".to_owned();
        let mut tx = self.store.begin().await?;
        if !tx.totp_of(&user.id).await?.is_empty() {
            return Err(Error::conflict("this person has a method already"));
        }
        tx.insert_totp(&TotpCredential {
            id: id.clone(),
            user: user.id.clone(),
            name: name.clone(),
            parameters,
            sealed_secret,
            drift_steps: 0,
            last_step: None,
            confirmed_at: Some(now),
            revoked_at: None,
            created_at: now,
            tag,
        })
        .await?;
        let event = Event::MethodAdded {
            credential: id,
            kind: "totp",
            name,
        };
        tx.append(Actor::Operator(OPERATOR.to_owned()), Some(user.id), event);
        tx.commit().await?;
        Ok(secret)
    }
}
