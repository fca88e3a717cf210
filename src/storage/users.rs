//! People, and every ImmutableID that was ever used.

use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, Statement, millis, sql},
    tx::{ReadTx, Tx},
};
use crate::{
    base::{clock::Timestamp, ids::UserId, text::Upn},
    directory::{ImmutableId, User},
};

/// What became of a new person.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InsertUser {
    /// Added.
    Inserted,
    /// Somebody has that user principal name.
    UpnTaken,
    /// Somebody has, or once had, that ImmutableID.
    ImmutableIdTaken,
}

/// What became of a new ImmutableID.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SetImmutableId {
    /// The person has it now.
    Set,
    /// Somebody else has, or once had, it.
    TakenByOther,
}

/// How many values one statement asks for.
const AT_ONCE: usize = 50;

/// Binds [`AT_ONCE`] values; the last one again where there are fewer, which finds nothing more.
fn filled<T>(mut statement: Statement, values: &[T], text: fn(&T) -> &str) -> Statement {
    for at in 0..AT_ONCE {
        let value = values.get(at).or(values.last()).map_or("", text);
        statement = statement.bind(value.to_owned());
    }
    statement
}

fn user(row: &AnyRow) -> Result<User, StoreError> {
    let row = Reader::new(row, "users", "id");
    Ok(User {
        id: row.parsed("id")?,
        upn: row.parsed("upn")?,
        display_name: row.text("display_name")?,
        immutable_id: row.optional_parsed("immutable_id")?,
        disabled_at: row.optional_time("disabled_at")?,
        created_at: row.time("created_at")?,
        identity_tag: row.text("identity_tag")?,
    })
}

impl ReadTx<'_> {
    /// A person by id.
    pub async fn user(&mut self, id: &UserId) -> Result<Option<User>, StoreError> {
        self.one(
            sql(
                "SELECT id, upn, display_name, immutable_id, disabled_at, created_at, identity_tag
                 FROM users WHERE id = $1",
            )
            .bind(id.as_str()),
        )
        .await?
        .as_ref()
        .map(user)
        .transpose()
    }

    /// A person by user principal name.
    pub async fn user_by_upn(&mut self, upn: &Upn) -> Result<Option<User>, StoreError> {
        self.one(
            sql(
                "SELECT id, upn, display_name, immutable_id, disabled_at, created_at, identity_tag
                 FROM users WHERE upn = $1",
            )
            .bind(upn.as_str()),
        )
        .await?
        .as_ref()
        .map(user)
        .transpose()
    }

    /// Up to `limit` people in the order of their names (by bytes), after `after`.
    pub async fn users(
        &mut self,
        after: Option<&Upn>,
        limit: u32,
    ) -> Result<Vec<User>, StoreError> {
        self.all(
            sql(
                "SELECT id, upn, display_name, immutable_id, disabled_at, created_at, identity_tag
                 FROM users WHERE upn > $1 ORDER BY upn LIMIT $2",
            )
            .bind(after.map_or("", Upn::as_str))
            .bind(i64::from(limit)),
        )
        .await?
        .iter()
        .map(user)
        .collect()
    }

    /// All people (`keys rewrap`).
    pub async fn all_users(&mut self) -> Result<Vec<User>, StoreError> {
        self.all(sql(
            "SELECT id, upn, display_name, immutable_id, disabled_at, created_at, identity_tag
             FROM users ORDER BY upn",
        ))
        .await?
        .iter()
        .map(user)
        .collect()
    }

    /// The people of these names who are there, in no order. For long lists: a statement
    /// asks for [`AT_ONCE`].
    pub async fn users_by_upn(&mut self, upns: &[Upn]) -> Result<Vec<User>, StoreError> {
        let mut found = Vec::with_capacity(upns.len());
        for some in upns.chunks(AT_ONCE) {
            let statement = sql(
                "SELECT id, upn, display_name, immutable_id, disabled_at, created_at, identity_tag
                 FROM users WHERE upn IN (
                     $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                     $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32,
                     $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47,
                     $48, $49, $50)",
            );
            for row in self.all(filled(statement, some, Upn::as_str)).await? {
                found.push(user(&row)?);
            }
        }
        Ok(found)
    }

    /// Which of these ImmutableIDs anybody has, or once had, and who has it now.
    pub async fn holders_of_immutable_ids(
        &mut self,
        values: &[ImmutableId],
    ) -> Result<Vec<(String, Option<Upn>)>, StoreError> {
        let mut found = Vec::new();
        for some in values.chunks(AT_ONCE) {
            let statement = sql("SELECT used.value, users.upn
                 FROM immutable_ids AS used
                 LEFT JOIN users ON users.id = used.user_id AND users.immutable_id = used.value
                 WHERE used.value IN (
                     $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                     $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32,
                     $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47,
                     $48, $49, $50)");
            for row in self
                .all(filled(statement, some, ImmutableId::as_str))
                .await?
            {
                let row = Reader::new(&row, "immutable_ids", "value");
                found.push((row.text("value")?, row.optional_parsed("upn")?));
            }
        }
        Ok(found)
    }

    /// Whether anybody has, or once had, that ImmutableID.
    pub async fn is_immutable_id_used(&mut self, value: &ImmutableId) -> Result<bool, StoreError> {
        let row = self
            .one(sql("SELECT value FROM immutable_ids WHERE value = $1").bind(value.as_str()))
            .await?;
        Ok(row.is_some())
    }
}

impl Tx<'_> {
    /// Adds a person. If it answers anything but `Inserted`, nothing was changed.
    pub async fn insert_user(&mut self, user: &User) -> Result<InsertUser, StoreError> {
        let inserted = self
            .run_once(
                sql("INSERT INTO users (id, upn, display_name, immutable_id, disabled_at, created_at, identity_tag)
                     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (upn) DO NOTHING")
                .bind(user.id.as_str())
                .bind(user.upn.as_str())
                .bind(user.display_name.as_str())
                .bind(user.immutable_id.as_ref().map(ImmutableId::as_str))
                .bind(millis(user.disabled_at))
                .bind(user.created_at.as_millis())
                .bind(user.identity_tag.as_str()),
            )
            .await?;
        if !inserted {
            return Ok(InsertUser::UpnTaken);
        }
        if let Some(value) = &user.immutable_id
            && !self
                .claim_immutable_id(&user.id, value, user.created_at)
                .await?
        {
            self.run(sql("DELETE FROM users WHERE id = $1").bind(user.id.as_str()))
                .await?;
            return Ok(InsertUser::ImmutableIdTaken);
        }
        Ok(InsertUser::Inserted)
    }

    /// Disables a person from then on, or enables again; whether there is such a person.
    pub async fn set_user_disabled(
        &mut self,
        id: &UserId,
        at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE users SET disabled_at = $2 WHERE id = $1")
                .bind(id.as_str())
                .bind(millis(at)),
        )
        .await
    }

    /// Gives a person an ImmutableID with the tag that holds it there. A value that
    /// anybody else ever had is refused, also if it was replaced since.
    pub async fn set_immutable_id(
        &mut self,
        id: &UserId,
        value: &ImmutableId,
        identity_tag: &str,
        now: Timestamp,
    ) -> Result<SetImmutableId, StoreError> {
        if !self.claim_immutable_id(id, value, now).await? {
            return Ok(SetImmutableId::TakenByOther);
        }
        self.run(
            sql("UPDATE users SET immutable_id = $2, identity_tag = $3 WHERE id = $1")
                .bind(id.as_str())
                .bind(value.as_str())
                .bind(identity_tag),
        )
        .await?;
        Ok(SetImmutableId::Set)
    }

    /// A new tag over the same person (`keys rewrap`).
    pub async fn update_identity_tag(
        &mut self,
        id: &UserId,
        tag: &str,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE users SET identity_tag = $2 WHERE id = $1")
                .bind(id.as_str())
                .bind(tag),
        )
        .await
    }

    /// Whether the value is this person's for ever: it was free, or is so already.
    async fn claim_immutable_id(
        &mut self,
        id: &UserId,
        value: &ImmutableId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // The update changes nothing; it makes the statement wait for another's claim.
        self.run_once(
            sql(
                "INSERT INTO immutable_ids (value, user_id, first_used_at) VALUES ($1, $2, $3)
                 ON CONFLICT (value) DO UPDATE SET user_id = immutable_ids.user_id
                 WHERE immutable_ids.user_id = $2",
            )
            .bind(value.as_str())
            .bind(id.as_str())
            .bind(now.as_millis()),
        )
        .await
    }

    /// Holds the person's row until the end of the transaction, so that two transactions
    /// that make something "the only one of this person" follow one another.
    pub async fn lock_user(&mut self, id: &UserId) -> Result<(), StoreError> {
        self.run(sql("UPDATE users SET created_at = created_at WHERE id = $1").bind(id.as_str()))
            .await
            .map(drop)
    }
}
