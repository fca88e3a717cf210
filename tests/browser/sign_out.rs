//! One session, two applications: the tenant over WS-Federation and a shop over SAML. Who signs
//! out at one place is asked out of the other, and the page says what is known of each.

use thirtyfour::prelude::*;

use super::{
    demo::{Codes, Demo},
    shop::{Manners, Shop},
    window::{Scripts, Window, with_demo},
    wsfed::{asks, speaks_wsfed},
};

const ASKED: &str = "It was asked to sign you out; whether it did cannot be confirmed.";

/// Signs in at the tenant, and by the same session at the shop.
async fn signed_in_at_both(window: &Window, demo: &Demo, shop: &Shop) -> WebDriverResult<()> {
    let agent = &demo.agent;
    let mut codes = Codes::new(agent.secret.as_ref().unwrap());
    speaks_wsfed(window, demo, "").await?;
    window.comes_from_entra(demo).await?;
    window.gives_password(&agent.upn, &agent.password).await?;
    window.gives_code(&codes.fresh()).await?;
    window.sees("Partner Center: accepted").await?;
    window.goto(&format!("{}/start", shop.address)).await?;
    window.sees("The shop: somebody is signed in").await
}

/// Nobody is known any more here and at the shop. Of a tenant that was asked in a frame that
/// cannot be said, and is not: it is another site, so its cookie did not come along.
async fn is_signed_out(window: &Window, demo: &Demo, shop: &Shop) -> WebDriverResult<()> {
    window.goto(&shop.address).await?;
    window.sees("The shop: nobody is signed in").await?;
    window.goto(&format!("{}/account", demo.idp)).await?;
    window.sees("Sign in").await
}

#[tokio::test]
async fn whoever_signs_out_here_is_signed_out_at_both() {
    with_demo(async |demo, browsers| {
        let shop = Shop::open(&demo, Manners::Answers).await;
        browsers
            .open(Scripts::On, async |window| {
                signed_in_at_both(&window, &demo, &shop).await?;
                window.goto(&format!("{}/account", demo.idp)).await?;
                window.is_accessible().await?;
                window.goto(&format!("{}/sign-out", demo.idp)).await?;
                window.sees("Sign out?").await?;
                window.is_accessible().await?;
                window.picture("sign-out-1-ask").await?;
                window.presses("Sign out").await?;
                window.sees("You are signed out").await?;
                let known = window.texts(".events li").await?;
                assert_eq!(known.len(), 2, "{known:?}");
                assert!(
                    known[0].contains("The shop") && known[0].contains("You are signed out there."),
                    "{known:?}"
                );
                assert!(known[1].contains(ASKED), "{known:?}");
                window.is_accessible().await?;
                // The frame that asks the tenant is there, and nobody sees it.
                let frame = window.0.find(By::Tag("iframe")).await?.rect().await?;
                assert!(frame.width <= 1.0 && frame.height <= 1.0, "{frame:?}");
                window.picture("sign-out-2-known").await?;
                is_signed_out(&window, &demo, &shop).await
            })
            .await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn whoever_signs_out_at_the_shop_comes_back_to_it_when_the_tenant_was_asked() {
    with_demo(async |demo, browsers| {
        let shop = Shop::open(&demo, Manners::Answers).await;
        browsers
            .open(Scripts::On, async |window| {
                signed_in_at_both(&window, &demo, &shop).await?;
                window.goto(&format!("{}/sign-out", shop.address)).await?;
                // The tenant was asked in a frame, so of it nothing is known.
                window
                    .sees("The shop: signed out (Success, PartialLogout)")
                    .await?;
                is_signed_out(&window, &demo, &shop).await
            })
            .await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn whoever_signs_out_at_the_tenant_is_led_past_a_shop_that_says_nothing() {
    with_demo(async |demo, browsers| {
        let shop = Shop::open(&demo, Manners::Silent).await;
        browsers
            .open(Scripts::On, async |window| {
                signed_in_at_both(&window, &demo, &shop).await?;
                asks(&window, &demo, "Sign out, here and at").await?;
                window.sees("The shop: says nothing").await?;
                // Back from there: the page does not go on by itself a second time.
                window.0.back().await?;
                window.sees("You are signed out here").await?;
                let text = window.text().await?;
                assert!(text.contains("The shop has not said yet"), "{text}");
                window.is_accessible().await?;
                window.picture("sign-out-3-no-answer").await?;
                window.presses("Go on without The shop").await?;
                window.sees("You are signed out").await?;
                let known = window.texts(".events li").await?;
                assert!(known[0].contains("It did not answer."), "{known:?}");
                assert!(known[1].contains(ASKED), "{known:?}");
                window.is_accessible().await?;
                window.picture("sign-out-4-partly").await?;
                // It began this, and had ended its own session before.
                window.goto(&demo.practice).await?;
                let text = window.text().await?;
                assert!(!text.contains("signed in."), "{text}");
                is_signed_out(&window, &demo, &shop).await
            })
            .await;
        Ok(())
    })
    .await;
}

/// Signs in at the own account: nobody else is told of the session.
async fn signed_in_at_account(
    window: &Window,
    demo: &Demo,
    codes: &mut Codes,
) -> WebDriverResult<()> {
    window.goto(&format!("{}/account", demo.idp)).await?;
    window
        .gives_password(&demo.agent.upn, &demo.agent.password)
        .await?;
    window.gives_code(&codes.fresh()).await?;
    window.sees("Your account").await
}

#[tokio::test]
async fn whoever_cannot_end_the_other_browsers_is_told_so_on_pages_that_all_can_read() {
    with_demo(async |demo, browsers| {
        let mut codes = Codes::new(demo.agent.secret.as_ref().unwrap());
        browsers
            .open(Scripts::On, async |window| {
                signed_in_at_account(&window, &demo, &mut codes).await?;
                browsers
                    .open(Scripts::On, async |other| {
                        signed_in_at_account(&other, &demo, &mut codes).await?;
                        other.presses("Sign out everywhere").await?;
                        other.sees("You are signed out").await?;
                        let text = other.text().await?;
                        assert!(text.contains("All your browsers"), "{text}");
                        other.is_accessible().await
                    })
                    .await;
                window.presses("Sign out everywhere").await?;
                window.sees("Nothing was ended").await?;
                window.is_accessible().await?;
                window.picture("sign-out-5-nothing-ended").await?;
                window.presses("Sign in to your account").await?;
                window.sees("Sign in").await
            })
            .await;
        Ok(())
    })
    .await;
}
