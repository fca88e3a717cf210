//! Groups of people.

use super::{
    error::StoreError,
    row::{Reader, sql},
    tx::{ReadTx, Tx},
};
use crate::{base::ids::UserId, directory::GroupName};

impl ReadTx<'_> {
    /// The groups a person is in, by name.
    pub async fn groups_of(&mut self, user: &UserId) -> Result<Vec<GroupName>, StoreError> {
        self.all(
            sql("SELECT name FROM user_groups WHERE user_id = $1 ORDER BY name")
                .bind(user.as_str()),
        )
        .await?
        .iter()
        .map(|row| Reader::new(row, "user_groups", "name").parsed("name"))
        .collect()
    }
}

impl Tx<'_> {
    /// Puts a person into a group; whether the person was not in it.
    pub async fn add_to_group(
        &mut self,
        user: &UserId,
        group: &GroupName,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("INSERT INTO user_groups (user_id, name) VALUES ($1, $2)
                 ON CONFLICT (user_id, name) DO NOTHING")
            .bind(user.as_str())
            .bind(group.as_str()),
        )
        .await
    }

    /// Takes a person out of a group; whether the person was in it.
    pub async fn remove_from_group(
        &mut self,
        user: &UserId,
        group: &GroupName,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("DELETE FROM user_groups WHERE user_id = $1 AND name = $2")
                .bind(user.as_str())
                .bind(group.as_str()),
        )
        .await
    }
}
