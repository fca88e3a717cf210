//! Entra waits five minutes: what a person sees who is slow, on a clock that the test moves; and
//! what there is time for.

use thirtyfour::prelude::*;

use super::{
    external_mfa::{asks, pictures, was_accepted},
    stopped_clock::Sites,
    support::Person,
    window::{Scripts, Window, with_browsers},
};

/// Runs `test` with sites of its own, whose clock stands, and one window.
async fn at_sites<F: Future<Output = WebDriverResult<()>>>(
    scripts: Scripts,
    test: impl FnOnce(Sites, Window) -> F,
) {
    with_browsers(async |browsers| {
        let sites = Sites::start().await;
        let steps = async |window| test(sites, window).await;
        browsers.open(scripts, steps).await;
        Ok(())
    })
    .await;
}

/// A round, as far as the question for a code.
async fn is_asked_for_a_code(
    window: &Window,
    sites: &Sites,
    person: &Person,
) -> WebDriverResult<()> {
    asks(window, &sites.practice, person.upn()).await?;
    window.sees("one-time code").await
}

/// The code that the person's program or token shows now.
async fn gives_the_present_code(
    window: &Window,
    sites: &Sites,
    person: &Person,
) -> WebDriverResult<()> {
    window.gives_the_code(&person.code(sites.world.now())).await
}

#[tokio::test]
async fn at_4_59_a_code_that_was_asked_for_is_taken_and_the_tenant_accepts_the_answer() {
    at_sites(Scripts::On, async |sites, window| {
        is_asked_for_a_code(&window, &sites, &sites.agent).await?;
        sites.world.advance(299);
        gives_the_present_code(&window, &sites, &sites.agent).await?;
        was_accepted(&window, "otp").await?;
        assert_eq!(sites.answers(&sites.agent).await, 1);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn at_5_01_it_is_over_and_the_same_code_answers_in_a_new_round() {
    at_sites(Scripts::On, async |sites, window| {
        is_asked_for_a_code(&window, &sites, &sites.agent).await?;
        sites.world.advance(301);
        gives_the_present_code(&window, &sites, &sites.agent).await?;
        window.sees("Please start again").await?;
        let text = window.text().await?;
        assert!(text.contains("took too long"), "{text}");
        assert!(text.contains("CB-SIGNIN-004"), "{text}");
        // Where it goes on, in words: the request that came from there is dead.
        assert!(text.contains("sign in there again"), "{text}");
        pictures(&window, "external-mfa-11-over").await?;
        // Nor is it after a reload.
        window.0.refresh().await?;
        window.sees("Please start again").await?;
        assert_eq!(sites.answers(&sites.agent).await, 0);
        let last = format!("{}/external-mfa", sites.practice);
        window.goto(&last).await?;
        window.sees("The first factor here").await?;
        let text = window.text().await?;
        assert!(!text.contains("See the last answer"), "{text}");

        // The way back: the code was not looked at, so it is good there.
        is_asked_for_a_code(&window, &sites, &sites.agent).await?;
        gives_the_present_code(&window, &sites, &sites.agent).await?;
        was_accepted(&window, "otp").await?;
        assert_eq!(sites.answers(&sites.agent).await, 1);
        Ok(())
    })
    .await;
}

/// What the tenant is told when it is late, and what it makes of it.
async fn is_declined(window: &Window) -> WebDriverResult<()> {
    window.sees("Declined by the method").await?;
    let text = window.text().await?;
    assert!(text.contains("It answered access_denied."), "{text}");
    assert!(text.contains("270 s after the request."), "{text}");
    Ok(())
}

#[tokio::test]
async fn at_4_30_the_tenant_is_told_while_it_still_listens() {
    at_sites(Scripts::On, async |sites, window| {
        is_asked_for_a_code(&window, &sites, &sites.agent).await?;
        sites.world.advance(269);
        window.0.refresh().await?;
        window.sees("one-time code").await?;
        // One second is left: the page itself counts it down.
        sites.world.advance(1);
        is_declined(&window).await?;

        // And so does who loads it again.
        is_asked_for_a_code(&window, &sites, &sites.agent).await?;
        sites.world.advance(270);
        window.0.refresh().await?;
        is_declined(&window).await?;
        pictures(&window, "external-mfa-12-late").await?;
        assert_eq!(sites.answers(&sites.agent).await, 0);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn at_4_30_the_tenant_is_told_without_javascript_too() {
    at_sites(Scripts::Off, async |sites, window| {
        asks(&window, &sites.practice, sites.agent.upn()).await?;
        window.presses("Continue").await?;
        window.sees("one-time code").await?;
        sites.world.advance(269);
        window.0.refresh().await?;
        window.sees("one-time code").await?;
        sites.world.advance(1);
        window.sees("One moment").await?;
        window.presses("Continue").await?;
        is_declined(&window).await
    })
    .await;
}

#[tokio::test]
async fn a_token_that_waits_is_activated_by_a_pass_within_the_round_and_answers() {
    at_sites(Scripts::On, async |sites, window| {
        let person = &sites.token_holder;
        asks(&window, &sites.practice, person.upn()).await?;
        // Entra's word opens nothing, whatever the person holds.
        window.sees("Set up a second step").await?;
        let codes = window.texts("input[autocomplete='one-time-code']").await?;
        assert!(codes.is_empty(), "{codes:?}");
        let pass = sites.world.issue_pass(person.upn()).await;
        window.types("pass", &pass).await?;
        window.presses("Next").await?;
        window.sees("What do you want to set up").await?;
        pictures(&window, "external-mfa-13-choose").await?;
        window.presses("A hardware token").await?;
        window.sees("Activate your token").await?;
        pictures(&window, "external-mfa-14-activate").await?;
        gives_the_present_code(&window, &sites, person).await?;
        // It is asked for its next code: that one is spent.
        window.sees("one-time code").await?;
        gives_the_present_code(&window, &sites, person).await?;
        window.is_told("was used already").await?;
        assert_eq!(sites.answers(person).await, 0);
        sites.world.advance(30);
        gives_the_present_code(&window, &sites, person).await?;
        was_accepted(&window, "otp").await?;
        assert_eq!(sites.answers(person).await, 1);
        Ok(())
    })
    .await;
}
