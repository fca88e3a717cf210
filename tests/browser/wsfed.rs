//! The same person, over WS-Federation: the tenant's domain is switched, and Entra's ways of
//! asking (a step-up, a fresh sign-in under each `promptLoginBehavior`) end with MFA. No browser
//! signs in four times in two minutes: that is taken for a circle.

use thirtyfour::prelude::*;

use super::{
    demo::{Codes, Demo},
    keys::{Authenticator, KEY, adds_a_key},
    window::{Scripts, Window, in_demo},
};

/// Switches the domain to WS-Federation.
pub async fn speaks_wsfed(window: &Window, demo: &Demo, prompt: &str) -> WebDriverResult<()> {
    window.goto(&demo.practice).await?;
    window.chooses("protocol", "wsFed").await?;
    window.chooses("prompt", prompt).await?;
    window.presses("Register it so").await?;
    let text = window.text().await?;
    assert!(text.contains("/wsfed?domain=contoso.com"), "{text}");
    Ok(())
}

/// What the tenant made of the last answer: an access token with MFA, from the three places.
async fn was_accepted_with_mfa(window: &Window) -> WebDriverResult<()> {
    window.sees("Partner Center: accepted").await?;
    window.presses("See what was checked").await?;
    window.sees("Accepted, with MFA").await?;
    let text = window.text().await?;
    assert!(text.contains("amr is [\"pwd\",\"mfa\"]"), "{text}");
    assert!(
        text.contains("AuthenticationStatement/@AuthenticationMethod, authenticationmethod, authnmethodsreferences"),
        "{text}"
    );
    assert_eq!(window.texts(".finding h3").await?, Vec::<String>::new());
    Ok(())
}

/// Presses a button of the tenant's first page.
pub async fn asks(window: &Window, demo: &Demo, button: &str) -> WebDriverResult<()> {
    window.goto(&demo.practice).await?;
    window.presses(button).await
}

const FRESH: &str = "prompt=login: sign in afresh";
const STEP_UP: &str = "wauth: MFA is demanded";

#[tokio::test]
async fn password_and_code_a_step_up_and_a_fresh_sign_in_end_with_mfa() {
    in_demo(Scripts::On, async |demo, window| {
        let agent = &demo.agent;
        let mut codes = Codes::new(agent.secret.as_ref().unwrap());
        speaks_wsfed(&window, &demo, "").await?;
        window.picture("wsfed-1-practice").await?;
        window.comes_from_entra(&demo).await?;
        window.gives_password(&agent.upn, &agent.password).await?;
        window.gives_code(&codes.fresh()).await?;
        was_accepted_with_mfa(&window).await?;
        window.picture("wsfed-2-checked").await?;

        // The session has what is demanded.
        asks(&window, &demo, STEP_UP).await?;
        was_accepted_with_mfa(&window).await?;

        // wfresh=0 with wauth for a password: both factors all the same.
        asks(&window, &demo, FRESH).await?;
        window.sees("Sign in").await?;
        window.gives_password(&agent.upn, &agent.password).await?;
        window.sees("one-time code").await?;
        window.gives_code(&codes.fresh()).await?;
        was_accepted_with_mfa(&window).await?;

        for (title, rule) in [
            ("Wrong issuer", "CB-WSFED-003"),
            ("Class reference dropped", "CB-WSFED-015"),
        ] {
            window.presses(&format!("Break: {title}")).await?;
            window.sees("✗").await?;
            let rules = window.texts(".finding h3").await?;
            assert_eq!(rules.len(), 1, "{title}: {rules:?}");
            assert!(rules[0].contains(rule), "{title}: {rules:?}");
            window.presses("press to mend").await?;
            window.sees("Accepted, with MFA").await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_hardware_key_answers_both_other_ways_of_asking_for_a_fresh_sign_in() {
    in_demo(Scripts::On, async |demo, window| {
        let person = &demo.key_holder;
        let key = Authenticator::plugged_in(&window, KEY).await?;
        speaks_wsfed(&window, &demo, "").await?;
        adds_a_key(&window, &demo, person).await?;
        window.sees("is added").await?;
        window.presses("Sign in now").await?;
        window.sees("Sign in").await?;
        window.types("current-password", &person.password).await?;
        window.presses("Next").await?;
        window.sees("Use your security key").await?;
        window.presses("Use security key").await?;
        window.reads_the_notices().await?;
        was_accepted_with_mfa(&window).await?;
        window.picture("wsfed-key-1-checked").await?;
        for (prompt, button) in [("nativeSupport", FRESH), ("disabled", "Both")] {
            speaks_wsfed(&window, &demo, prompt).await?;
            asks(&window, &demo, button).await?;
            window.sees("Sign in").await?;
            window
                .presses("Sign in with a security key or passkey")
                .await?;
            was_accepted_with_mfa(&window).await?;
        }
        key.unplugged().await
    })
    .await;
}

#[tokio::test]
async fn signing_out_at_the_tenant_goes_on_to_the_identity_provider() {
    in_demo(Scripts::On, async |demo, window| {
        let agent = &demo.agent;
        let mut codes = Codes::new(agent.secret.as_ref().unwrap());
        speaks_wsfed(&window, &demo, "nativeSupport").await?;
        window.comes_from_entra(&demo).await?;
        window.gives_password(&agent.upn, &agent.password).await?;
        window.gives_code(&codes.fresh()).await?;
        window.sees("Partner Center: accepted").await?;
        asks(&window, &demo, "Sign out, here and at").await?;
        let at = window.0.current_url().await?;
        assert!(at.as_str().starts_with(&demo.idp), "{at}");
        window.picture("wsfed-sign-out").await?;
        window.goto(&demo.practice).await?;
        let text = window.text().await?;
        assert!(!text.contains("signed in."), "{text}");
        Ok(())
    })
    .await;
}
