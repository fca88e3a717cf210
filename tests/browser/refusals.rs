//! What is refused, and what the person reads then.

use super::{
    demo::Codes,
    window::{Scripts, in_demo, with_demo},
};

#[tokio::test]
async fn a_stranger_who_guesses_must_wait_and_locks_nobody_out() {
    with_demo(async |demo, browsers| {
        browsers
            .open(Scripts::On, async |owner| {
                let agent = &demo.agent;
                let mut codes = Codes::new(agent.secret.as_ref().unwrap());
                owner.comes_from_entra(&demo).await?;
                owner.gives_password(&agent.upn, &agent.password).await?;
                owner.gives_code(&codes.fresh()).await?;
                owner.sees("Partner Center: accepted").await?;

                browsers
                    .open(Scripts::On, async |stranger| {
                        stranger.comes_from_entra(&demo).await?;
                        for _ in 0..5 {
                            stranger.gives_password(&agent.upn, "a guess").await?;
                            stranger.is_told("is wrong").await?;
                        }
                        stranger.picture("lockout-1-wrong").await?;
                        // Not checked any more, not even the right one, in any spelling.
                        let spelling = agent.upn.to_uppercase();
                        for name in [&agent.upn, &spelling] {
                            stranger.gives_password(name, &agent.password).await?;
                            stranger.is_told("too many wrong tries").await?;
                        }
                        let text = stranger.text().await?;
                        assert!(text.contains("seconds"), "{text}");
                        stranger.picture("lockout-2-wait").await
                    })
                    .await;

                owner.goto(&demo.practice).await?;
                owner.presses("ForceAuthn").await?;
                owner.gives_password(&agent.upn, &agent.password).await?;
                owner.gives_code(&codes.fresh()).await?;
                owner.sees("Partner Center: accepted").await
            })
            .await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn attack_36_a_mailed_link_is_worth_nothing_in_another_browser() {
    with_demo(async |demo, browsers| {
        browsers
            .open(Scripts::On, async |sender| {
                let agent = &demo.agent;
                let mut codes = Codes::new(agent.secret.as_ref().unwrap());
                sender.comes_from_entra(&demo).await?;
                let link = sender.0.current_url().await?.to_string();
                browsers
                    .open(Scripts::On, async |victim| {
                        victim.goto(&link).await?;
                        victim.sees("belongs to another browser").await?;
                        victim.picture("mailed-link").await?;
                        sender.gives_password(&agent.upn, &agent.password).await?;
                        sender.sees("one-time code").await?;
                        victim.goto(&link).await?;
                        victim.sees("belongs to another browser").await?;
                        sender.gives_code(&codes.fresh()).await?;
                        sender.sees("Partner Center: accepted").await?;
                        victim.goto(&link).await?;
                        victim.sees("belongs to another browser").await
                    })
                    .await;
                Ok(())
            })
            .await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn two_tabs_do_not_disturb_each_other() {
    in_demo(Scripts::On, async |demo, window| {
        let agent = &demo.agent;
        let mut codes = Codes::new(agent.secret.as_ref().unwrap());
        window.comes_from_entra(&demo).await?;
        let first = window.0.window().await?;
        let second = window.0.new_tab().await?;
        window.0.switch_to_window(second.clone()).await?;
        window.comes_from_entra(&demo).await?;
        window.0.switch_to_window(first).await?;
        window.gives_password(&agent.upn, &agent.password).await?;
        window.gives_code(&codes.fresh()).await?;
        window.sees("Partner Center: accepted").await?;
        // The other tab's sign-in is still its own: the new session answers it.
        window.0.switch_to_window(second).await?;
        window.sees("Sign in").await?;
        window.0.refresh().await?;
        window.sees("Partner Center: accepted").await
    })
    .await;
}

#[tokio::test]
async fn what_is_no_request_gets_a_page_with_a_support_code() {
    in_demo(Scripts::On, async |demo, window| {
        for path in ["/saml2/sso", "/saml2/sso?SAMLRequest=AAAA", "/nowhere"] {
            window.goto(&format!("{}{path}", demo.idp)).await?;
            let text = window.text().await?;
            assert!(text.contains("CB-"), "{path}: {text}");
            assert!(text.contains("whoever started this demo"), "{path}: {text}");
        }
        window.picture("not-found").await?;
        Ok(())
    })
    .await;
}
