//! The inspector's page in a browser: by keyboard, judged by axe-core, and the test sign-in.

use serde_json::Value;
use thirtyfour::prelude::*;

use super::{
    demo::Codes,
    window::{Scripts, Window, in_demo, with_demo},
};

/// An access token's claims as people have them in hand, with `amr` as a string.
const CLAIMS: &str = r#"{"aud":"https://api.partnercenter.microsoft.com","iss":"https://sts.windows.net/8b7f0b1e-1111-4222-8333-444455556666/","tid":"8b7f0b1e-1111-4222-8333-444455556666","upn":"maria@contoso.com","amr":"mfa","scp":"user_impersonation","nbf":1795000000,"exp":1795003600}"#;

impl Window {
    /// Judges the page as it stands (WCAG 2.2 A and AA).
    pub async fn is_accessible(&self) -> WebDriverResult<()> {
        let axe = std::env::var("CLAIMBRIDGE_AXE").unwrap_or_else(|_| {
            panic!("CLAIMBRIDGE_AXE names axe.min.js; tests/run.sh fetches it and sets it")
        });
        self.0
            .execute(std::fs::read_to_string(axe).unwrap(), Vec::new())
            .await?;
        let run = "const done = arguments[0]; axe.run({runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']}).then((found) => done(found), (error) => done({error: String(error)}));";
        let found = self.0.execute_async(run, Vec::new()).await?;
        let found: Value = found.convert()?;
        assert!(
            found["passes"]
                .as_array()
                .is_some_and(|passes| passes.len() > 5),
            "axe judged nothing: {found}"
        );
        let violations = found["violations"].as_array().unwrap();
        let at = self.0.current_url().await?;
        assert!(violations.is_empty(), "{at}: {violations:#?}");
        Ok(())
    }

    /// Presses a key on whatever has the focus.
    pub async fn strikes(&self, keys: impl Into<TypingData>) -> WebDriverResult<()> {
        self.0.action_chain().send_keys(keys).perform().await
    }

    pub async fn focus(&self) -> WebDriverResult<String> {
        let element = self.0.active_element().await?;
        Ok(element.attr("id").await?.unwrap_or_default())
    }
}

#[tokio::test]
async fn a_token_is_judged_by_keyboard_alone() {
    in_demo(Scripts::On, async |demo, window| {
        window.goto(&format!("{}/inspect", demo.idp)).await?;
        window.sees("Token inspector").await?;
        window.picture("inspect-1-empty").await?;
        window.is_accessible().await?;
        let mut steps = 0;
        while window.focus().await? != "message" {
            let key = Key::Tab;
            window.strikes(key).await?;
            steps += 1;
            assert!(steps < 10, "the message is the first thing to reach");
        }
        window.strikes(CLAIMS).await?;
        // Enter in a single-line input sends the form.
        window.strikes(Key::Tab).await?;
        assert_eq!(window.focus().await?, "file");
        let page = window.0.find(By::Tag("html")).await?;
        let mut steps = 0;
        while window.0.active_element().await?.text().await? != "Inspect" {
            window.strikes(Key::Tab).await?;
            steps += 1;
            assert!(steps < 4, "the button follows");
        }
        window.strikes(Key::Enter).await?;
        page.wait_until().stale().await?;
        window.sees("Token inspector").await?;
        let text = window.text().await?;
        assert!(text.contains("Partner Center: rejected"), "{text}");
        assert!(text.contains("CB-PC-007"), "{text}");
        window.picture("inspect-2-rejected").await?;
        window.is_accessible().await?;
        // What the rule speaks of is marked.
        let marked = window.texts("tr.marked mark").await?;
        assert!(marked.contains(&"mfa".to_owned()), "{marked:?}");
        // What copying came to is said, whatever the browser allows.
        let copy = window.0.find(By::Css("button.small")).await?;
        assert_eq!(copy.text().await?, "Copy this fix");
        copy.click().await?;
        let said = By::XPath("//*[@role='status'][normalize-space(.) != '']");
        window.0.query(said).first().await?;
        window.is_accessible().await?;
        // And the report names nobody.
        window.clicks_open("A report to show to others").await?;
        let report = window.texts("pre").await?.join("");
        assert!(
            report.contains("CB-PC-007") && !report.contains("maria"),
            "{report}"
        );
        window.picture("inspect-3-report").await
    })
    .await;
}

#[tokio::test]
async fn a_test_sign_in_ends_in_a_verdict() {
    with_demo(async |demo, browsers| {
        for scripts in [Scripts::On, Scripts::Off] {
            browsers
                .open(scripts, async |window| {
                    let agent = &demo.agent;
                    let mut codes = Codes::new(agent.secret.as_ref().unwrap());
                    window.goto(&format!("{}/inspect", demo.idp)).await?;
                    window.presses("Test my sign-in").await?;
                    window.sees("Sign in").await?;
                    if scripts == Scripts::On {
                        window.is_accessible().await?;
                    }
                    window.gives_password(&agent.upn, &agent.password).await?;
                    let code = if scripts == Scripts::On {
                        codes.fresh()
                    } else {
                        codes.fresh();
                        codes.fresh()
                    };
                    window.gives_code(&code).await?;
                    if scripts == Scripts::Off {
                        window.presses("Continue").await?;
                    }
                    window.sees("Token inspector").await?;
                    let text = window.text().await?;
                    assert!(
                        text.contains("Entra ID (SAML 2.0): accepted, and counted as MFA"),
                        "{text}"
                    );
                    assert!(text.contains("urn:federation:MicrosoftOnline"), "{text}");
                    if scripts == Scripts::On {
                        window.picture("inspect-4-test-sign-in").await?;
                        window.is_accessible().await?;
                        window.goto(&format!("{}/account", demo.idp)).await?;
                        window.sees("Your account").await?;
                        window.is_accessible().await?;
                    }
                    Ok(())
                })
                .await;
        }
        Ok(())
    })
    .await;
}
