//! A token that is away when an id_token is to be signed.

use super::*;
use crate::{
    app::{
        external_mfa::{begin::Ask, tenants},
        keys::draft::tests::World,
        prove::Guess,
        sign_in::Next,
    },
    relying_party::{Tenant, TenantCloud},
    signin::{
        active::ActiveDoor, second_factor::SecondFactorRequest, someone::second_factor_request,
    },
};

fn told(next: Next) -> (String, Option<String>, String) {
    match next {
        Next::Answer(answer) => match answer.to {
            Destination::ExternalMfaError {
                action,
                error,
                state,
            } => (action, state, error),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn attack_28_a_token_that_is_away_is_told_to_entra_and_the_attempt_is_over() {
    let world = World::with_door(ActiveDoor::Closed).await;
    let app = &world.app;
    let asked = SecondFactorRequest {
        shown_name: Some(World::upn().to_string()),
        ..second_factor_request()
    };
    let tenant = Tenant {
        id: asked.tenant,
        client_id: asked.client_id.parse().unwrap(),
        application_id: "0f5e9a55-1111-4222-8333-444455556666".parse().unwrap(),
        cloud: TenantCloud::Global,
        name: None,
    };
    tenants::add(app.store(), app.settings(), tenant, "tester", app.now())
        .await
        .unwrap();
    app.ensure_oidc_key().await.unwrap();
    world.fail_second_factors().await;

    let ask = Ask {
        once: "once".to_owned(),
        asked: asked.clone(),
    };
    let mut browser = Browser {
        source: "203.0.113.7".to_owned(),
        ..Browser::default()
    };
    let begun = app.begin_attempt(ask, &browser).await.unwrap();
    browser.binding.clone_from(&begun.binding);
    let guess = app
        .submit_code(&begun.attempt, &browser, &world.code())
        .await;
    assert!(matches!(guess.unwrap(), Guess::Right));
    let next = app.proceed(&begun.attempt, &browser).await.unwrap();
    let wanted = (
        asked.reply_url.clone(),
        asked.state.clone(),
        "temporarily_unavailable".to_owned(),
    );
    assert_eq!(told(next), wanted);
    // It was told, and written down: the proof that is there leads to no token any more.
    let again = app.proceed(&begun.attempt, &browser).await.unwrap();
    assert_eq!(told(again), wanted);
    let mut tx = app.store().read().await.unwrap();
    let user = tx.user_by_upn(&World::upn()).await.unwrap().unwrap();
    assert!(tx.receipts_of(&user.id, 10).await.unwrap().is_empty());
    assert!(tx.external_accounts_of(&user.id).await.unwrap().is_empty());
    let events = tx.events_of_attempt(&begun.attempt).await.unwrap();
    let last = events
        .iter()
        .find(|event| event.kind() == "external-mfa-refused");
    assert_eq!(last.unwrap().event["reason"], "outage");
}
