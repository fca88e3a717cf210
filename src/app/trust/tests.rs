//! A right password, and a key that does not sign.

use super::*;
use crate::{
    app::{Category, keys::draft::tests::World},
    signin::active::ActiveDoor,
};

fn request(password: &str) -> TokenRequest {
    TokenRequest {
        username: World::upn().to_string(),
        password: Secret::new(password.to_owned()),
        token_type: crate::protocol::wstrust::TOKEN_TYPES[0],
    }
}

/// Whoever has the right password is not locked out by our outage (review L3): neither the
/// person, nor the office that the person's device is in.
#[tokio::test]
async fn a_right_password_costs_nothing_while_nothing_can_be_signed() {
    let world = World::with_door(ActiveDoor::OwnPasswordsToo).await;
    let upn = World::upn();
    let made = world.app.add_app_password(&upn, "Scanner", "test");
    let device = made.await.unwrap().value;
    world.fail();
    let source = || "203.0.113.7".to_owned();
    for password in [device.expose().as_str(), World::password_of()] {
        for _ in 0..10 {
            let answer = world.app.exchange(request(password), source());
            let error = answer.await.unwrap_err();
            assert_eq!(error.category(), Category::Unavailable, "{error}");
        }
    }
    let mut tx = world.app.store.read().await.unwrap();
    let user = tx.user_by_upn(&upn).await.unwrap().unwrap();
    for bucket in [
        format!("password:{}", user.id),
        format!("source:{}", source()),
    ] {
        assert_eq!(tx.failures(&bucket).await.unwrap(), 0, "{bucket}");
    }
    drop(tx);
    // A wrong one costs what it costs.
    let answer = world.app.exchange(request("wrong"), source()).await;
    assert!(answer.unwrap().is_none());
    let mut tx = world.app.store.read().await.unwrap();
    let failures = tx.failures(&format!("password:{}", user.id)).await;
    assert_eq!(failures.unwrap(), 1);
}
