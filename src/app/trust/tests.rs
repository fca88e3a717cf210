//! A right password, and a key that does not sign, or not yet.

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

fn source() -> String {
    "203.0.113.7".to_owned()
}

/// What stands against the person, and against where it came from.
async fn counted(world: &World) -> [u32; 2] {
    let mut tx = world.app.store.read().await.unwrap();
    let user = tx.user_by_upn(&World::upn()).await.unwrap().unwrap();
    let person = tx.failures(&format!("password:{}", user.id)).await;
    let office = tx.failures(&format!("source:{}", source())).await;
    [person.unwrap(), office.unwrap()]
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
    for password in [device.expose().as_str(), World::password_of()] {
        for _ in 0..10 {
            let answer = world.app.exchange(request(password), source());
            let error = answer.await.unwrap_err();
            assert_eq!(error.category(), Category::Unavailable, "{error}");
        }
    }
    assert_eq!(counted(&world).await, [0, 0]);
    // A wrong one costs what it costs.
    let answer = world.app.exchange(request("wrong"), source()).await;
    assert!(answer.unwrap().is_none());
    assert_eq!(counted(&world).await, [1, 1]);
}

/// Nor whoever hangs up, or is hung up on, while a token is slow (review M2-8).
#[tokio::test]
async fn who_hangs_up_after_a_right_password_has_not_paid() {
    let mut world = World::with_door(ActiveDoor::ApplicationPasswords).await;
    let upn = World::upn();
    let made = world.app.add_app_password(&upn, "Scanner", "test");
    let device = made.await.unwrap().value;
    let app = Arc::clone(&world.app);
    let asked = request(device.expose());
    let asking = tokio::spawn(async move { app.exchange(asked, source()).await });
    world.is_asked().await;
    assert_eq!(counted(&world).await, [1, 1]);
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    world.let_go();
    let is_free = async {
        while counted(&world).await != [0, 0] {
            tokio::task::yield_now().await;
        }
    };
    let wait = std::time::Duration::from_secs(20);
    tokio::time::timeout(wait, is_free).await.unwrap();
}
