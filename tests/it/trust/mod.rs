//! WS-Trust: the door that takes a password alone, and gives no MFA claim for it.

mod app_passwords;
mod bad_input;
mod door;
mod guesses;
mod kit;

use claimbridge::signin::active::ActiveDoor;

use crate::support::World;

/// A world with the door as given.
async fn world(door: ActiveDoor) -> World {
    let mut world = World::new().await;
    world.settings.active_door = door;
    world.settings.ws_federation = vec!["contoso.com".parse().unwrap()];
    let nodes = world.nodes.len();
    world.nodes.clear();
    for _ in 0..nodes {
        world.start_node().await;
    }
    world
}
