//! First enrolment by a pass, at a desk without a phone.

use super::{
    demo::Codes,
    window::{Scripts, in_demo},
};

#[tokio::test]
async fn a_pass_opens_enrolment_and_the_confirming_code_proves_nothing() {
    in_demo(Scripts::On, async |demo, window| {
        let newcomer = &demo.newcomer;
        window.comes_from_entra(&demo).await?;
        window
            .gives_password(&newcomer.upn, &newcomer.password)
            .await?;
        // The password alone opens nothing (attack 37).
        window.sees("Set up a second step").await?;
        assert!(!window.text().await?.contains("Secret"));
        window.picture("enrolment-1-pass").await?;
        window.types("pass", "not-the-pass-at-all").await?;
        window.presses("Next").await?;
        window.is_told("That pass is not valid").await?;
        window
            .types("pass", newcomer.pass.as_ref().unwrap())
            .await?;
        window.presses("Next").await?;

        window.sees("What do you want to set up").await?;
        window.picture("enrolment-2-choice").await?;
        window.presses("A code generator").await?;
        window.sees("Add a code generator").await?;
        window.picture("enrolment-2-secret").await?;
        let text = window.text().await?;
        assert!(text.contains("is all that is needed"), "{text}");
        let secret = window.texts(".secret").await?.remove(0);
        let mut codes = Codes::new(&secret);
        window.types("one-time-code", &codes.wrong()).await?;
        window.presses("Add it").await?;
        window.is_told("That code does not fit").await?;
        window.picture("enrolment-3-wrong").await?;
        assert_eq!(
            window.texts(".secret").await?,
            [secret],
            "the secret stays the same"
        );
        window.types("one-time-code", &codes.fresh()).await?;
        window.presses("Add it").await?;
        window.sees("Your code generator is added").await?;
        window.picture("enrolment-4-added").await?;

        // A normal sign-in with both follows, on to where the person was going.
        window.presses("Sign in now").await?;
        window.sees("Sign in").await?;
        window.picture("enrolment-5-sign-in").await?;
        window.types("current-password", &newcomer.password).await?;
        window.presses("Next").await?;
        window.sees("one-time code").await?;
        window.gives_code(&codes.again()).await?;
        window.is_told("used already").await?;
        window
            .picture("enrolment-6-confirming-code-refused")
            .await?;
        window.gives_code(&codes.wrong()).await?;
        window.is_told("That code is not right").await?;
        let used = codes.fresh();
        window.gives_code(&used).await?;

        // What an operator did to the account is shown once.
        window.sees("Since your last sign-in").await?;
        let text = window.text().await?;
        assert!(
            text.contains("A temporary access pass was issued"),
            "{text}"
        );
        window.picture("enrolment-7-notice").await?;
        window.presses("continue").await?;
        window.sees("Partner Center: accepted").await?;

        // The code that signed in is worth nothing in the next sign-in.
        window.goto(&demo.practice).await?;
        window.presses("ForceAuthn").await?;
        window.sees("Sign in").await?;
        window
            .gives_password(&newcomer.upn, &newcomer.password)
            .await?;
        window.gives_code(&used).await?;
        window.is_told("used already").await?;
        window.gives_code(&codes.fresh()).await?;
        window.sees("Partner Center: accepted").await?;
        Ok(())
    })
    .await;
}
