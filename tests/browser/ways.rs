//! Other ways to use the pages: without JavaScript, by keyboard alone, on a small screen.

use thirtyfour::prelude::*;

use super::{
    demo::Codes,
    window::{Scripts, in_demo},
};

#[tokio::test]
async fn without_javascript_two_buttons_more_lead_there() {
    in_demo(Scripts::Off, async |demo, window| {
        let agent = &demo.agent;
        let mut codes = Codes::new(agent.secret.as_ref().unwrap());
        window.goto(&demo.practice).await?;
        window.presses("Sign in to Partner Center").await?;
        window.presses("Continue").await?;
        window.sees("Sign in").await?;
        window.gives_password(&agent.upn, &agent.password).await?;
        window.gives_code(&codes.fresh()).await?;
        window.sees("One moment").await?;
        window.picture("no-javascript").await?;
        window.presses("Continue").await?;
        window.sees("Partner Center: accepted").await
    })
    .await;
}

#[tokio::test]
async fn the_keyboard_is_enough_and_focus_is_seen() {
    in_demo(Scripts::On, async |demo, window| {
        let agent = &demo.agent;
        let mut codes = Codes::new(agent.secret.as_ref().unwrap());
        let keys = async |text: String| {
            let keys = window.0.action_chain().send_keys(text);
            keys.perform().await
        };
        window.comes_from_entra(&demo).await?;
        let (tab, enter) = (Key::Tab.value(), Key::Enter.value());
        let outline = "return getComputedStyle(document.activeElement).outlineStyle";
        let seen = window.0.execute(outline, vec![]).await?;
        assert_eq!(seen.json().as_str(), Some("solid"), "focus is seen");
        keys(format!("{}{tab}{}{enter}", agent.upn, agent.password)).await?;
        window.sees("one-time code").await?;
        window.picture("keyboard-focus").await?;
        keys(format!("{}{enter}", codes.fresh())).await?;
        window.sees("Partner Center: accepted").await
    })
    .await;
}

#[tokio::test]
async fn at_320_pixels_nothing_is_cut_off() {
    in_demo(Scripts::On, async |demo, window| {
        window.comes_from_entra(&demo).await?;
        window.0.set_window_rect(0, 0, 500, 900).await?;
        // Chromium's windows are at least 500 wide: 320 is reached by zooming
        // as people do (WCAG 1.4.10: 1280 at 400 %).
        window
            .0
            .execute("document.body.style.width = '320px'", vec![])
            .await?;
        let wide = window
            .0
            .execute(
                "return [...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > document.body.getBoundingClientRect().right).length",
                vec![],
            )
            .await?;
        assert_eq!(wide.json().as_i64(), Some(0));
        window.picture("narrow").await
    })
    .await;
}
