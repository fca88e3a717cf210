//! External MFA in a browser: the practice tenant does the first factor, and asks for the second
//! one only. Nothing of such a round answers at any other door (attack 40), and nobody's
//! credential answers for somebody else (attack 1).

use thirtyfour::prelude::*;

use super::{
    demo::{Codes, Demo, Person},
    keys::{Authenticator, KEY},
    window::{Scripts, Window, in_demo},
};

/// From the practice tenant to the identity provider's first page.
async fn is_asked(window: &Window, demo: &Demo, person: &Person) -> WebDriverResult<()> {
    asks(window, &demo.practice, &person.upn).await
}

/// From the practice tenant at that address, for the person of that name.
pub async fn asks(window: &Window, practice: &str, upn: &str) -> WebDriverResult<()> {
    window.goto(practice).await?;
    window.presses("Try External MFA").await?;
    window.sees("The first factor here").await?;
    window.chooses("username", upn).await?;
    window.presses("Ask for the second factor").await
}

/// Reads what happened since the last time, if the page says anything of it, and goes on.
pub async fn goes_on(window: &Window) -> WebDriverResult<()> {
    let there =
        "//h1[contains(., 'Partner Center: accepted') or contains(., 'Since your last sign-in')]";
    window.waits_for(there).await?;
    if window.text().await?.contains("Since your last sign-in") {
        window.presses("continue").await?;
    }
    window.sees("Partner Center: accepted").await
}

/// What the tenant made of the answer: every rule kept, and this method.
pub async fn was_accepted(window: &Window, method: &str) -> WebDriverResult<()> {
    goes_on(window).await?;
    window.presses("See what was checked").await?;
    window.sees("Accepted, with MFA").await?;
    let text = window.text().await?;
    let factor = format!("the second factor was {method}.");
    assert!(text.contains(&factor), "{text}");
    assert!(text.contains("amr is [\"pwd\",\"mfa\"]"), "{text}");
    assert!(text.contains("16. That method is of a class"), "{text}");
    assert!(!text.contains("failed"), "{text}");
    assert_eq!(window.texts(".finding h3").await?, Vec::<String>::new());
    Ok(())
}

/// As it stands, on a small screen, and in the dark.
pub async fn pictures(window: &Window, name: &str) -> WebDriverResult<()> {
    window.is_accessible().await?;
    window.picture(name).await?;
    let tools = window.0.cdp();
    let dark = serde_json::json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
    tools.send_raw("Emulation.setEmulatedMedia", dark).await?;
    window.is_accessible().await?;
    window.picture(&format!("{name}-dark")).await?;
    let light = serde_json::json!({"features": []});
    tools.send_raw("Emulation.setEmulatedMedia", light).await?;
    let small =
        serde_json::json!({"width": 320, "height": 720, "deviceScaleFactor": 2, "mobile": false});
    tools
        .send_raw("Emulation.setDeviceMetricsOverride", small)
        .await?;
    let wide = "return document.documentElement.scrollWidth";
    let width = window.0.execute(wide, vec![]).await?;
    let width = width.json().as_i64().unwrap();
    assert!(width <= 320, "{name}: {width}; nothing is cut off");
    window.picture(&format!("{name}-small")).await?;
    tools
        .send_raw(
            "Emulation.clearDeviceMetricsOverride",
            serde_json::json!({}),
        )
        .await
        .map(drop)
}

#[tokio::test]
async fn a_code_answers_and_attack_40_counts_at_no_other_door() {
    in_demo(Scripts::On, async |demo, window| {
        let agent = &demo.agent;
        let mut codes = Codes::new(agent.secret.as_ref().unwrap());
        window
            .goto(&format!("{}/external-mfa", demo.practice))
            .await?;
        window.sees("The first factor here").await?;
        pictures(&window, "external-mfa-1-practice").await?;
        is_asked(&window, &demo, agent).await?;
        window.sees("one-time code").await?;
        pictures(&window, "external-mfa-2-code").await?;
        window.gives_the_code(&codes.wrong()).await?;
        window.is_told("That code is not right").await?;
        window.gives_the_code(&codes.fresh()).await?;
        was_accepted(&window, "otp").await?;
        pictures(&window, "external-mfa-3-checked").await?;

        // Both factors are asked for, in SAML and in WS-Federation: nobody is signed in.
        for protocol in ["saml", "wsFed"] {
            window.goto(&demo.practice).await?;
            window.chooses("protocol", protocol).await?;
            window.presses("Register it so").await?;
            window.comes_from_entra(&demo).await?;
            let fields = window.texts("label[for='password']").await?;
            assert_eq!(fields.len(), 1, "{protocol}: the password is asked for");
            window.gives_password(&agent.upn, &agent.password).await?;
            window.sees("one-time code").await?;
        }
        window.goto(&format!("{}/account", demo.idp)).await?;
        window.sees("Sign in").await
    })
    .await;
}

#[tokio::test]
async fn without_javascript_a_code_answers_too() {
    in_demo(Scripts::Off, async |demo, window| {
        let agent = &demo.agent;
        let mut codes = Codes::new(agent.secret.as_ref().unwrap());
        is_asked(&window, &demo, agent).await?;
        window.presses("Continue").await?;
        window.sees("one-time code").await?;
        window.gives_the_code(&codes.fresh()).await?;
        window
            .waits_for("//h1[contains(., 'One moment') or contains(., 'Since your last sign-in')]")
            .await?;
        if window.text().await?.contains("Since your last sign-in") {
            window.presses("continue").await?;
        }
        window.sees("One moment").await?;
        window.presses("Continue").await?;
        window.sees("Partner Center: accepted").await
    })
    .await;
}

#[tokio::test]
async fn a_hardware_token_answers() {
    in_demo(Scripts::On, async |demo, window| {
        let person = &demo.token_holder;
        let mut codes = Codes::new(person.secret.as_ref().unwrap());
        // Not activated yet: here only a pass opens that.
        is_asked(&window, &demo, person).await?;
        window.sees("Set up a second step").await?;
        // Activated where the password is asked for.
        window.comes_from_entra(&demo).await?;
        window.gives_password(&person.upn, &person.password).await?;
        window
            .waits_for("//input[@autocomplete='one-time-code']")
            .await?;
        window.gives_the_code(&codes.fresh()).await?;
        is_asked(&window, &demo, person).await?;
        window.sees("one-time code").await?;
        window.gives_the_code(&codes.fresh()).await?;
        was_accepted(&window, "otp").await
    })
    .await;
}

#[tokio::test]
async fn a_key_is_added_by_a_pass_within_the_round_and_answers() {
    in_demo(Scripts::On, async |demo, window| {
        let person = &demo.key_holder;
        let key = Authenticator::plugged_in(&window, KEY).await?;
        is_asked(&window, &demo, person).await?;
        window.sees("Set up a second step").await?;
        pictures(&window, "external-mfa-4-pass").await?;
        window.types("pass", person.pass.as_ref().unwrap()).await?;
        window.presses("Next").await?;
        window.sees("Add a security key").await?;
        pictures(&window, "external-mfa-5-add").await?;
        window.types("name", "blue key").await?;
        window.presses("Add this key").await?;
        window.sees("is added").await?;
        window.is_accessible().await?;
        window.picture("external-mfa-6-added").await?;

        // It proved nothing yet: the key is asked for as always, and no password is.
        window.presses("Go on with the key").await?;
        window.sees("Use your security key").await?;
        pictures(&window, "external-mfa-7-key").await?;
        window.presses("Use security key").await?;
        was_accepted(&window, "fido").await?;

        // A round at another door answers nothing here, and the key does again.
        window.comes_from_entra(&demo).await?;
        window
            .presses("Sign in with a security key or passkey")
            .await?;
        goes_on(&window).await?;
        is_asked(&window, &demo, person).await?;
        window.sees("Use your security key").await?;
        window.presses("Use security key").await?;
        was_accepted(&window, "fido").await?;
        key.unplugged().await
    })
    .await;
}

#[tokio::test]
async fn who_cancels_is_back_at_the_tenant_and_signed_in_nowhere() {
    in_demo(Scripts::On, async |demo, window| {
        let agent = &demo.agent;
        is_asked(&window, &demo, agent).await?;
        window.sees("one-time code").await?;
        window.presses("Cancel").await?;
        window.sees("Declined by the method").await?;
        let text = window.text().await?;
        assert!(text.contains("It answered access_denied."), "{text}");
        pictures(&window, "external-mfa-8-declined").await?;

        // After a certificate no code counts: the tenant hears so, and nobody is asked.
        let start = format!(
            "{}/external-mfa/start?first=certificate&username={}",
            demo.practice,
            agent.upn.replace('@', "%40")
        );
        window.goto(&start).await?;
        window.waits_for("//main//form//button").await?;
        pictures(&window, "external-mfa-9-no-method").await?;
        window.presses("Back to Microsoft").await?;
        window.sees("Declined by the method").await
    })
    .await;
}

#[tokio::test]
async fn attack_1_the_credential_of_somebody_else_answers_for_nobody() {
    in_demo(Scripts::On, async |demo, window| {
        // The code of the token of one person, for another.
        let mut other = Codes::new(demo.token_holder.secret.as_ref().unwrap());
        is_asked(&window, &demo, &demo.agent).await?;
        window.sees("one-time code").await?;
        window.gives_the_code(&other.fresh()).await?;
        window.is_told("That code is not right").await?;

        // Two people with a key each; the key of one is plugged in, the other is asked.
        let blue = Authenticator::plugged_in(&window, KEY).await?;
        has_a_key(&window, &demo, &demo.key_holder).await?;
        blue.unplugged().await?;
        let red = Authenticator::plugged_in(&window, KEY).await?;
        has_a_key(&window, &demo, &demo.newcomer).await?;
        is_asked(&window, &demo, &demo.key_holder).await?;
        window.sees("Use your security key").await?;
        window.clicks("Use security key").await?;
        window.is_told("no fitting key was there").await?;
        window.picture("external-mfa-10-wrong-key").await?;
        red.unplugged().await
    })
    .await;
}

/// Adds the key that is plugged in, within a round that is left there.
async fn has_a_key(window: &Window, demo: &Demo, person: &Person) -> WebDriverResult<()> {
    is_asked(window, demo, person).await?;
    window.sees("Set up a second step").await?;
    window.types("pass", person.pass.as_ref().unwrap()).await?;
    window.presses("Next").await?;
    if person.allowed.is_none() {
        window.sees("What do you want to set up").await?;
        window.presses("A security key").await?;
    }
    window.sees("Add a security key").await?;
    window.types("name", "key").await?;
    window.presses("Add this key").await?;
    window.sees("is added").await
}
