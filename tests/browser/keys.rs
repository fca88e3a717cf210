//! Security keys and passkeys, with Chromium's virtual authenticators
//! (WebDriver, WebAuthn §11): a CTAP2 key with and without user verification, an internal
//! authenticator with resident keys, a U2F key.

use serde_json::{Value, json};
use thirtyfour::{cdp::Cdp, prelude::*};

use super::{
    demo::{Codes, Demo, Person},
    window::{Scripts, Window, in_demo},
};

/// An authenticator that is plugged in to a window.
pub struct Authenticator {
    tools: Cdp,
    id: Value,
}

/// What is plugged in.
#[derive(Clone, Copy)]
pub struct Kind {
    protocol: &'static str,
    transport: &'static str,
    resident: bool,
    verifies: bool,
}

pub const KEY: Kind = Kind {
    protocol: "ctap2",
    transport: "usb",
    resident: true,
    verifies: true,
};
const TOUCH_ONLY: Kind = Kind {
    verifies: false,
    resident: false,
    ..KEY
};
const INTERNAL: Kind = Kind {
    transport: "internal",
    ..KEY
};
const U2F: Kind = Kind {
    protocol: "u2f",
    transport: "usb",
    resident: false,
    verifies: false,
};

impl Authenticator {
    pub async fn plugged_in(window: &Window, kind: Kind) -> WebDriverResult<Self> {
        let tools = window.0.cdp();
        tools
            .send_raw("WebAuthn.enable", json!({"enableUI": false}))
            .await?;
        let options = json!({"options": {
            "protocol": kind.protocol,
            "ctap2Version": "ctap2_1",
            "transport": kind.transport,
            "hasResidentKey": kind.resident,
            "hasUserVerification": kind.verifies,
            "isUserVerified": kind.verifies,
            "automaticPresenceSimulation": true,
        }});
        let added = tools
            .send_raw("WebAuthn.addVirtualAuthenticator", options)
            .await?;
        let id = added["authenticatorId"].clone();
        assert!(id.is_string(), "{added}");
        Ok(Self { tools, id })
    }

    async fn call(&self, command: &str, mut arguments: Value) -> WebDriverResult<Value> {
        arguments["authenticatorId"] = self.id.clone();
        self.tools
            .send_raw(&format!("WebAuthn.{command}"), arguments)
            .await
    }

    /// From now on it says whether its person's PIN was right.
    async fn verifies(&self, verified: bool) -> WebDriverResult<()> {
        let arguments = json!({"isUserVerified": verified});
        self.call("setUserVerified", arguments).await.map(drop)
    }

    async fn credentials(&self) -> WebDriverResult<Vec<Value>> {
        let held = self.call("getCredentials", json!({})).await?;
        Ok(held["credentials"].as_array().cloned().unwrap_or_default())
    }

    /// Sets the counter of its one credential back, as a copy made earlier would have it.
    async fn forgets_its_counter(&self) -> WebDriverResult<()> {
        let mut credential = self.credentials().await?.remove(0);
        let id = credential["credentialId"].clone();
        self.call("removeCredential", json!({"credentialId": id}))
            .await?;
        credential["signCount"] = json!(1);
        self.call("addCredential", json!({"credential": credential}))
            .await
            .map(drop)
    }

    pub async fn unplugged(self) -> WebDriverResult<()> {
        self.call("removeVirtualAuthenticator", json!({}))
            .await
            .map(drop)
    }
}

/// From the practice tenant, by password and pass, to the page that adds a key; then adds it.
pub async fn adds_a_key(window: &Window, demo: &Demo, person: &Person) -> WebDriverResult<()> {
    window.comes_from_entra(demo).await?;
    window.gives_password(&person.upn, &person.password).await?;
    window.sees("Set up a second step").await?;
    window.types("pass", person.pass.as_ref().unwrap()).await?;
    window.presses("Next").await?;
    if person.allowed.is_none() {
        window.sees("What do you want to set up").await?;
        window.presses("A security key").await?;
    }
    window.sees("Add a security key").await?;
    window.types("name", "blue key").await?;
    window.presses("Add this key").await
}

#[tokio::test]
async fn a_full_journey_from_a_pass_to_accepted_with_a_hardware_key() {
    in_demo(Scripts::On, async |demo, window| {
        let person = &demo.key_holder;
        let key = Authenticator::plugged_in(&window, KEY).await?;
        adds_a_key(&window, &demo, person).await?;
        window.sees("is added").await?;
        window.picture("key-1-added").await?;
        assert_eq!(key.credentials().await?.len(), 1);

        // The registration proved nothing: a sign-in with both follows.
        window.presses("Sign in now").await?;
        window.sees("Sign in").await?;
        window.types("current-password", &person.password).await?;
        window.presses("Next").await?;
        window.sees("Use your security key").await?;
        window.picture("key-2-asked").await?;
        window.presses("Use security key").await?;
        window.reads_the_notices().await?;
        window.sees("Partner Center: accepted").await?;
        window.picture("key-3-accepted").await?;

        // Without a password: the key verified its person, which is both factors.
        window.goto(&demo.practice).await?;
        window.presses("ForceAuthn").await?;
        window.sees("Sign in").await?;
        window.picture("key-4-passwordless").await?;
        window
            .presses("Sign in with a security key or passkey")
            .await?;
        window.sees("Partner Center: accepted").await?;

        // A copy of the key is found out, and the person reads of it.
        key.forgets_its_counter().await?;
        window.goto(&demo.practice).await?;
        window.presses("ForceAuthn").await?;
        window.sees("Sign in").await?;
        window
            .presses("Sign in with a security key or passkey")
            .await?;
        window.is_told("there may be a copy of it").await?;
        window.picture("key-5-copied").await
    })
    .await;
}

#[tokio::test]
async fn a_key_that_is_only_touched_needs_the_password_too() {
    in_demo(Scripts::On, async |demo, window| {
        let person = &demo.newcomer;
        let key = Authenticator::plugged_in(&window, TOUCH_ONLY).await?;
        adds_a_key(&window, &demo, person).await?;
        window.sees("is added").await?;
        window.presses("Sign in now").await?;
        window.sees("Sign in").await?;
        // It holds nothing that could be found without a name: alone it is not
        // enough, and the page says so plainly.
        window
            .clicks("Sign in with a security key or passkey")
            .await?;
        window.is_told("no fitting key was there").await?;
        window.types("current-password", &person.password).await?;
        window.presses("Next").await?;
        window.sees("Use your security key").await?;
        window.presses("Use security key").await?;
        window.reads_the_notices().await?;
        window.sees("Partner Center: accepted").await?;
        key.unplugged().await
    })
    .await;
}

#[tokio::test]
async fn this_computer_itself_is_a_key_and_its_refusal_is_said_plainly() {
    in_demo(Scripts::On, async |demo, window| {
        let person = &demo.newcomer;
        let internal = Authenticator::plugged_in(&window, INTERNAL).await?;
        adds_a_key(&window, &demo, person).await?;
        window.sees("is added").await?;
        window.presses("Sign in now").await?;
        window.sees("Sign in").await?;
        window
            .presses("Sign in with a security key or passkey")
            .await?;
        window.reads_the_notices().await?;
        window.sees("Partner Center: accepted").await?;

        // Nothing fits any more: the page says so and the button is there again.
        internal.verifies(false).await?;
        internal.unplugged().await?;
        let other = Authenticator::plugged_in(&window, KEY).await?;
        window.goto(&demo.practice).await?;
        window.presses("ForceAuthn").await?;
        window.gives_password(&person.upn, &person.password).await?;
        window.sees("Use your security key").await?;
        window.clicks("Use security key").await?;
        window.is_told("no fitting key was there").await?;
        window.picture("key-6-none-fits").await?;
        other.unplugged().await
    })
    .await;
}

#[tokio::test]
async fn a_u2f_key_names_no_model_and_is_refused_by_the_policy() {
    in_demo(Scripts::On, async |demo, window| {
        let person = &demo.newcomer;
        let key = Authenticator::plugged_in(&window, U2F).await?;
        adds_a_key(&window, &demo, person).await?;
        window.is_told("does not say which model it is").await?;
        window.picture("key-7-policy").await?;
        // The name stays as it was typed; another kind can be chosen instead.
        let name = window.0.find(By::Id("name")).await?;
        assert_eq!(name.prop("value").await?.as_deref(), Some("blue key"));
        key.unplugged().await?;
        window.presses("Set up a code generator instead").await?;
        window.sees("Add a code generator").await
    })
    .await;
}

#[tokio::test]
async fn a_window_that_cannot_ask_keys_says_so_and_offers_another_way() {
    in_demo(Scripts::On, async |demo, window| {
        // As in an embedded web view.
        let tools = window.0.cdp();
        let source = "delete window.PublicKeyCredential;";
        tools
            .send_raw(
                "Page.addScriptToEvaluateOnNewDocument",
                json!({"source": source}),
            )
            .await?;
        let person = &demo.newcomer;
        window.comes_from_entra(&demo).await?;
        let text = window.text().await?;
        assert!(!text.contains("passkey"), "{text}");
        window.gives_password(&person.upn, &person.password).await?;
        window.types("pass", person.pass.as_ref().unwrap()).await?;
        window.presses("Next").await?;
        window.presses("A security key").await?;
        window.is_told("it may be part of another program").await?;
        window.picture("key-8-web-view").await?;
        window.presses("Set up a code generator instead").await?;
        window.sees("Add a code generator").await
    })
    .await;
}

#[tokio::test]
async fn keys_are_named_and_taken_away_in_the_account() {
    in_demo(Scripts::On, async |demo, window| {
        let person = &demo.newcomer;
        let blue = Authenticator::plugged_in(&window, KEY).await?;
        adds_a_key(&window, &demo, person).await?;
        window.sees("is added").await?;
        window.goto(&format!("{}/account", demo.idp)).await?;
        window
            .presses("Sign in with a security key or passkey")
            .await?;
        window.reads_the_notices().await?;
        window.sees("Your account").await?;
        window.clicks_open("Rename or remove").await?;
        let text = window.text().await?;
        assert!(text.contains("It is your only one"), "{text}");
        window.picture("account-3-only-one").await?;

        // The same key is no second one.
        window.presses("Add another way").await?;
        window.sees("What do you want to set up").await?;
        window.presses("A security key").await?;
        window.clicks("Add this key").await?;
        window.is_told("already").await?;
        let copied = blue.credentials().await?.remove(0);
        blue.unplugged().await?;

        let red = Authenticator::plugged_in(&window, KEY).await?;
        window.types("name", "<b>red</b> key").await?;
        window.presses("Add this key").await?;
        window.sees("Your account").await?;
        window.picture("account-4-two-keys").await?;
        assert_eq!(
            window.texts("#methods + ul > li > strong").await?,
            ["blue key", "<b>red</b> key"]
        );

        // The lost one is taken away, and with it the session that rests on it …
        window.clicks_open("Rename or remove").await?;
        window.presses("Remove it for good").await?;
        window.sees("Sign in").await?;
        window
            .presses("Sign in with a security key or passkey")
            .await?;
        window.reads_the_notices().await?;
        window.sees("Your account").await?;
        assert_eq!(
            window.texts("#methods + ul > li > strong").await?,
            ["<b>red</b> key"]
        );
        // … and the other gets a better name.
        window.clicks_open("Rename or remove").await?;
        window.types("name", "red key").await?;
        window.presses("Rename it").await?;
        window.sees("Your account").await?;
        assert_eq!(
            window.texts("#methods + ul > li > strong").await?,
            ["red key"]
        );
        red.unplugged().await?;

        // Whoever finds the lost one gets nowhere with it.
        let found = Authenticator::plugged_in(&window, KEY).await?;
        found
            .call("addCredential", json!({"credential": copied}))
            .await?;
        window.goto(&demo.practice).await?;
        window.presses("ForceAuthn").await?;
        window.sees("Sign in").await?;
        window
            .presses("Sign in with a security key or passkey")
            .await?;
        window
            .is_told("it is not registered, or was removed")
            .await?;
        window.picture("account-5-removed-key").await
    })
    .await;
}

#[tokio::test]
async fn who_cannot_use_a_key_in_this_window_signs_in_with_a_code() {
    in_demo(Scripts::On, async |demo, window| {
        let person = &demo.newcomer;
        let key = Authenticator::plugged_in(&window, KEY).await?;
        adds_a_key(&window, &demo, person).await?;
        window.sees("is added").await?;
        window.goto(&format!("{}/account", demo.idp)).await?;
        window
            .presses("Sign in with a security key or passkey")
            .await?;
        window.presses("continue").await?;
        window.presses("Add another way").await?;
        window.presses("A code generator").await?;
        let secret = window.texts(".secret").await?.remove(0);
        let mut codes = Codes::new(&secret);
        window.types("one-time-code", &codes.fresh()).await?;
        window.presses("Add it").await?;
        window.sees("Your account").await?;
        key.unplugged().await?;

        // From here on as in an embedded web view.
        let source = "delete window.PublicKeyCredential;";
        window
            .0
            .cdp()
            .send_raw(
                "Page.addScriptToEvaluateOnNewDocument",
                json!({"source": source}),
            )
            .await?;
        window.goto(&demo.practice).await?;
        window.presses("ForceAuthn").await?;
        window.gives_password(&person.upn, &person.password).await?;
        // Whichever was used last comes first.
        let at = window.0.current_url().await?;
        window.goto(&format!("{at}/key")).await?;
        window.is_told("or use a one-time code").await?;
        window.picture("key-9-code-instead").await?;
        window.presses("Use a one-time code instead").await?;
        window.gives_code(&codes.fresh()).await?;
        window.presses("continue").await?;
        window.sees("Partner Center: accepted").await
    })
    .await;
}
