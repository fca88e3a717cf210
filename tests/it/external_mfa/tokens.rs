//! A hardware token that an operator handed over, of somebody who arrives before it was used: a
//! pass opens what activates it, the token alone does not.

use claimbridge::directory::TokenState;

use super::kit::{self, AGENT, Door, told};
use crate::sign_in::oath::{assigned, state, step, under};

#[tokio::test]
async fn attack_40_a_token_that_waits_is_activated_by_a_pass_and_by_no_hint() {
    let door = Door::new().await;
    let world = &door.world;
    world.add_user(AGENT).await;
    let token = assigned(world, AGENT, "2600124809778", 30).await;
    let mut browser = world.browser();
    let page = door.arrive(&mut browser, &door.ask(AGENT)).await;
    // Elsewhere the password would open this; Entra's word that it was given does not.
    assert!(page.asks_for_pass(), "{}", page.text());
    assert!(!page.asks_for_code(), "{}", page.text());
    let csrf = page.forms()[0].inputs[0].value.clone();
    let code = token.shown(world);
    for name in ["token", "code"] {
        let given = [("csrf", csrf.as_str()), ("code", &code)];
        let mut forced = browser.clone();
        let page = forced.post(&under(&browser, name), &given).await;
        assert_eq!(page.status, 403, "{name}: {}", page.text());
        assert!(kit::maybe_told(&page).is_none(), "{name}");
    }
    assert_eq!(state(world, &token).await, TokenState::Assigned);

    // The pass: the token stands among what can be set up.
    let pass = world.issue_pass(AGENT).await;
    let page = browser.submit(&[("pass", &pass)]).await;
    let mut forms = page.forms().into_iter();
    let form = forms.find(|form| form.inputs.iter().any(|input| input.value == "oath-token"));
    let page = browser.send_form(&form.unwrap(), &[]).await;
    let text = page.text();
    assert!(text.contains("Activate your token"), "{text}");
    assert!(text.contains("Microsoft waits for you"), "{text}");
    let page = browser.submit_code("000000").await;
    assert_eq!(page.status, 403, "{}", page.text());
    let page = browser.submit_code(&code).await;
    assert_eq!(state(world, &token).await, TokenState::Active);
    // What activated it proves nothing.
    assert!(kit::maybe_told(&page).is_none(), "{}", page.text());
    let page = browser.reload_attempt().await;
    assert!(page.asks_for_code(), "{}", page.text());
    let page = browser.submit_code(&code).await;
    assert_eq!(page.status, 403, "{}", page.text());
    step(world, &token);
    let page = browser.submit_code(&token.shown(world)).await;
    assert!(page.text().contains("A way to sign in was added"));
    let said = told(&browser.submit(&[]).await);
    let claims = said.claims(&super::key_list(&door).await);
    assert_eq!(claims["amr"], serde_json::json!(["otp"]));
}
