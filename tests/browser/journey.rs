//! Try it: sign in, watch Partner Center accept it, break something and see why it refuses.

use super::{
    demo::Codes,
    window::{Scripts, in_demo},
};

#[tokio::test]
async fn the_journey_ends_at_partner_center_and_each_break_is_refused_by_its_rule() {
    in_demo(Scripts::On, async |demo, window| {
        let agent = &demo.agent;
        let mut codes = Codes::new(agent.secret.as_ref().unwrap());
        window.goto(&demo.practice).await?;
        window.picture("journey-1-practice").await?;
        window.comes_from_entra(&demo).await?;
        window.picture("journey-2-password").await?;
        window.gives_password(&agent.upn, &agent.password).await?;
        window.sees("one-time code").await?;
        window.picture("journey-3-code").await?;
        window.gives_code(&codes.fresh()).await?;
        window.sees("Partner Center: accepted").await?;
        window.picture("journey-4-accepted").await?;

        window.presses("See what was checked").await?;
        window.sees("Accepted, with MFA").await?;
        assert_eq!(window.texts(".finding h3").await?, Vec::<String>::new());
        window.picture("journey-5-checked").await?;
        for (title, rule) in [
            ("Wrong issuer", "CB-SAML-003"),
            ("Expired", "CB-SAML-016"),
            ("Wrong certificate", "CB-SAML-006"),
            ("Class reference dropped", "CB-SAML-019"),
            ("Federated MFA ignored", "CB-PC-001"),
        ] {
            window.presses(&format!("Break: {title}")).await?;
            window.sees("✗").await?;
            let rules = window.texts(".finding h3").await?;
            assert_eq!(rules.len(), 1, "{title}: {rules:?}");
            assert!(rules[0].contains(rule), "{title}: {rules:?}");
            let text = window.text().await?;
            assert!(text.contains("Partner Center: 401"), "{title}: {text}");
            window.picture(&format!("break-{rule}")).await?;
            window.presses("press to mend").await?;
            window.sees("Accepted, with MFA").await?;
        }

        // The session answers a second request without asking anything.
        window.goto(&demo.practice).await?;
        window.presses("Sign in to Partner Center").await?;
        window.sees("Partner Center: accepted").await?;

        // ForceAuthn asks for both factors again.
        window.goto(&demo.practice).await?;
        window.presses("ForceAuthn").await?;
        window.sees("Sign in").await?;
        window.gives_password(&agent.upn, &agent.password).await?;
        window.gives_code(&codes.fresh()).await?;
        window.sees("Partner Center: accepted").await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_account_page_shows_what_happened_and_signs_out() {
    in_demo(Scripts::On, async |demo, window| {
        let agent = &demo.agent;
        let mut codes = Codes::new(agent.secret.as_ref().unwrap());
        window.goto(&format!("{}/account", demo.idp)).await?;
        window.sees("Sign in").await?;
        assert!(
            window
                .text()
                .await?
                .contains("You are going to your account")
        );
        window.picture("account-0-asked").await?;
        window.comes_from_entra(&demo).await?;
        window.gives_password(&agent.upn, &agent.password).await?;
        window.gives_code(&codes.fresh()).await?;
        window.sees("Partner Center: accepted").await?;
        window.goto(&format!("{}/account", demo.idp)).await?;
        window.sees("Your account").await?;
        let text = window.text().await?;
        assert!(text.contains(&agent.upn), "{text}");
        assert!(text.contains("with password and code"), "{text}");
        window.picture("account-1").await?;
        window.presses("Sign out here").await?;
        window.sees("You are signed out").await?;
        window.picture("account-2-signed-out").await?;
        // The next request is asked for everything again.
        window.comes_from_entra(&demo).await?;
        Ok(())
    })
    .await;
}
