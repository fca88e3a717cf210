//! What ends an attempt while Entra waits: Entra is told so, and nobody is stuck on a page here.

use claimbridge::base::{clock::Timestamp, secret::Secret};

use super::kit::{self, AGENT, Door, OBJECT, TENANT, told};
use crate::support::PASSWORD;

#[derive(Clone, Copy, Debug)]
enum End {
    Unlinked,
    Disabled,
    SessionsEnded,
    PasswordSet,
    Reset,
}

async fn ends(door: &Door, end: End) {
    let (app, upn) = (door.world.app(), AGENT.parse().unwrap());
    match end {
        End::Unlinked => {
            let (tenant, object) = (TENANT.parse().unwrap(), OBJECT.parse().unwrap());
            app.unlink_external_account(&upn, tenant, object, "tester")
                .await
        }
        End::Disabled => app.disable_user(&upn, "tester").await,
        End::SessionsEnded => app.end_sessions(&upn, "tester").await.map(drop),
        End::PasswordSet => {
            let password = Secret::new(format!("{PASSWORD} anew"));
            app.set_password(&upn, password, "tester").await
        }
        End::Reset => app.reset_user(&upn, "tester").await,
    }
    .unwrap();
}

#[tokio::test]
async fn what_ends_an_attempt_while_entra_waits_is_told_to_entra() {
    for end in [
        End::Unlinked,
        End::Disabled,
        End::SessionsEnded,
        End::PasswordSet,
        End::Reset,
    ] {
        let door = Door::new().await;
        let agent = door.agent().await;
        // Linked by a proof.
        let ask = door.ask(AGENT);
        assert!(
            door.prove(&mut door.world.browser(), &ask, &agent)
                .await
                .is_token()
        );
        let mut browser = door.world.browser();
        let ask = door.ask(AGENT);
        let page = door.arrive(&mut browser, &ask).await;
        assert!(page.asks_for_code(), "{end:?}: {}", page.text());
        ends(&door, end).await;

        // Whatever is pressed, and as often as it is.
        let code = agent.code(door.world.now());
        let pages = [
            browser.clone().submit_code(&code).await,
            browser.clone().reload_attempt().await,
            browser.clone().reload_attempt().await,
        ];
        for page in pages {
            let said = told(&page);
            assert_eq!(said.error(), "access_denied", "{end:?}");
            assert_eq!(said.state, ask.field("state"), "{end:?}");
            assert_eq!(said.action, door.reply_url(), "{end:?}");
        }
        // Who has not the attempt's cookie is told nothing of it (attack 36).
        let mut stranger = door.world.browser();
        stranger.at = browser.at.clone();
        assert!(kit::maybe_told(&stranger.reload_attempt().await).is_none());
        // Once Entra has forgotten it, nothing is left to tell.
        door.world.advance(300);
        let page = browser.reload_attempt().await;
        assert!(kit::maybe_told(&page).is_none(), "{end:?}: {}", page.text());
    }
}

/// Who comes again and again upon an altered row writes one event a minute.
#[tokio::test]
async fn one_hint_that_comes_again_and_again_upon_an_altered_key_is_one_alarm_a_minute() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let first = door.ask(AGENT);
    assert!(
        door.prove(&mut door.world.browser(), &first, &agent)
            .await
            .is_token()
    );
    let sql = door.world.sql().await;
    sql.run("UPDATE signing_keys SET sealed_private_key = 'x' WHERE purpose = 'oidc'")
        .await;
    let alarms = async || {
        let mut tx = door.world.app().store().read().await.unwrap();
        let counts = tx.event_counts(Timestamp::from_millis(0)).await.unwrap();
        let found = counts.iter().find(|(kind, _)| kind == "tampering-found");
        found.map_or(0, |(_, count)| *count)
    };
    let ask = door.ask(AGENT);
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (mut browser, body) = (door.world.browser_on(0), ask.body());
        posts.spawn(async move { browser.send("POST", "/oidc/authorize", Some(body)).await });
    }
    for page in posts.join_all().await {
        assert_eq!(told(&page).error(), "temporarily_unavailable");
    }
    assert_eq!(alarms().await, 1);
    door.world.advance(60);
    let page = door.arrive(&mut door.world.browser_on(0), &ask).await;
    assert_eq!(told(&page).error(), "temporarily_unavailable");
    assert_eq!(alarms().await, 2);
}
