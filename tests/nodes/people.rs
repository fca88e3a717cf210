//! Who signs in.

use std::time::Duration;

use axum::http::StatusCode;
use claimbridge::{
    base::{
        browser::CookieToken,
        ids::{CredentialId, OathTokenId, UserId},
        random::SystemRandom,
        secret::Secret,
    },
    directory::{
        ImmutableId, OathToken, PasswordCredential, TokenState, TotpCredential, TotpParameters,
        User, identity_tag,
    },
    factor::{
        password::{self, HashCost},
        totp::{self, MatchedStep},
    },
};

use crate::{
    cluster::{Cluster, now},
    support::{
        PASSWORD,
        browser::{Browser, Page},
        entra::AuthnRequest,
    },
};

const SECRET: &[u8] = b"12345678901234567890";

impl Cluster {
    /// A person with a password and a hardware token that waits to be activated.
    pub async fn person_with_token(&self, upn: &str, serial: &str) -> Person {
        let person = self.person(upn).await;
        let id = OathTokenId::random(&mut SystemRandom);
        let place = OathToken::secret_place(&id);
        let mut token = OathToken {
            secret_tag: Some(OathToken::make_secret_tag(&self.sealing, SECRET)),
            sealed_secret: self.sealing.seal(&place, SECRET, &mut SystemRandom),
            id,
            serial: serial.parse().unwrap(),
            manufacturer: String::new(),
            model: String::new(),
            parameters: person.parameters,
            state: TokenState::Assigned,
            user: Some(person.user.id.clone()),
            credential: None,
            drift_steps: 0,
            last_step: None,
            imported_at: now(),
            assigned_at: Some(now()),
            assigned_by: Some("os:root".to_owned()),
            activated_at: None,
            ended_at: None,
            tag: String::new(),
        };
        token.tag = token.make_tag(&self.sealing);
        let mut tx = self.store.begin().await.unwrap();
        for program in tx.totp_of(&person.user.id).await.unwrap() {
            tx.revoke_totp(&program.id, now()).await.unwrap();
        }
        assert!(tx.insert_oath_token(&token).await.unwrap());
        tx.commit().await.unwrap();
        person
    }

    /// So many browsers in which a person has signed in before, on the nodes in turn. Each
    /// has a counter of its own for wrong guesses: with one counter for all, five at once
    /// would be checked and the others told to wait.
    pub async fn known_browsers(&self, person: &Person, count: usize) -> Vec<Browser> {
        let mut browsers = Vec::new();
        let mut tx = self.store.begin().await.unwrap();
        for number in 0..count {
            let token = CookieToken::random(&mut SystemRandom);
            tx.put_known_browser(&token.hash(), person.id(), now())
                .await
                .unwrap();
            let mut browser = self.browser([number % 2]);
            let cookie = "__Host-claimbridge-known".to_owned();
            browser.cookies.insert(cookie, token.expose().to_owned());
            browsers.push(browser);
        }
        tx.commit().await.unwrap();
        browsers
    }

    /// A new pass for a person, as an operator issues it while the servers run.
    pub fn issue_pass(&self, person: &Person) -> String {
        let mut command = self.command(&["user", "pass", person.upn(), "--json"]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        json["pass"].as_str().unwrap().to_owned()
    }

    /// A person with a password and a desktop program, who has nothing to be told.
    pub async fn person(&self, upn: &str) -> Person {
        let id = UserId::random(&mut SystemRandom);
        let upn = upn.parse().unwrap();
        let immutable_id = Some(ImmutableId::random(&mut SystemRandom));
        let user = User {
            identity_tag: identity_tag(&self.sealing, &id, &upn, immutable_id.as_ref()),
            id: id.clone(),
            upn,
            display_name: "Agent One".to_owned(),
            immutable_id,
            disabled_at: None,
            created_at: now(),
        };
        let credential = CredentialId::random(&mut SystemRandom);
        let secret = Secret::new(PASSWORD.to_owned());
        let phc = password::hash(&secret, HashCost::FLOOR, &mut SystemRandom).unwrap();
        let password = PasswordCredential {
            tag: PasswordCredential::make_tag(&self.sealing, &credential, &id, &phc),
            id: credential,
            user: id.clone(),
            phc,
            set_at: now(),
            dead_at: None,
        };
        let credential = CredentialId::random(&mut SystemRandom);
        let place = TotpCredential::secret_place(&credential, &id);
        let sealed_secret = self.sealing.seal(&place, SECRET, &mut SystemRandom);
        let parameters = TotpParameters::default();
        let totp = TotpCredential {
            tag: TotpCredential::make_tag(
                &self.sealing,
                &credential,
                &id,
                parameters,
                &sealed_secret,
            ),
            id: credential,
            user: id,
            name: String::new(),
            parameters,
            sealed_secret,
            drift_steps: 0,
            last_step: None,
            confirmed_at: None,
            revoked_at: None,
            created_at: now(),
        };
        let mut tx = self.store.begin().await.unwrap();
        tx.insert_user(&user).await.unwrap();
        tx.put_password(&password).await.unwrap();
        tx.insert_totp(&totp).await.unwrap();
        let long_ago = MatchedStep {
            step: 1,
            drift_steps: 0,
        };
        tx.confirm_totp(&totp.id, "desktop", long_ago, now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        Person { user, parameters }
    }
}

/// Someone who can sign in.
pub struct Person {
    user: User,
    parameters: TotpParameters,
}

impl Person {
    pub fn id(&self) -> &UserId {
        &self.user.id
    }

    pub fn upn(&self) -> &str {
        self.user.upn.as_str()
    }

    /// The code of the present step (0) or of the next one (1), which the skew allows.
    pub fn code_at_step(&self, later: i64) -> String {
        let at = now().plus(Duration::from_secs(30 * u64::try_from(later).unwrap()));
        totp::code_at(SECRET, self.parameters, at).unwrap()
    }
}

impl Browser {
    /// The whole way, as far as the node lives: `None` where it did not answer any more.
    pub async fn sign_in_as_far(
        &mut self,
        request: &AuthnRequest,
        upn: &str,
        code: &str,
    ) -> Option<Page> {
        let alive = |page: Page| (page.status != StatusCode::BAD_GATEWAY).then_some(page);
        let page = alive(self.start(request).await)?;
        let page = if page.asks_for_password() {
            alive(self.submit_password(upn, PASSWORD).await)?
        } else {
            page
        };
        let page = if page.asks_for_code() {
            alive(self.submit_code(code).await)?
        } else {
            page
        };
        Some(page)
    }
}
