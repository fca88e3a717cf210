//! Sign-outs on their way through a browser.

use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, sql},
    tx::{ReadTx, Tx},
};
use crate::base::{browser::TokenHash, clock::Timestamp, ids::SignOutId};

/// A sign-out as stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignOutRow {
    /// Its id, in its page's address.
    pub id: SignOutId,
    /// SHA-256 of the cookie of the session that it ended; none as long as it ended none.
    pub browser: Option<TokenHash>,
    /// The id of our request that waits for a party's answer.
    pub asking: Option<String>,
    /// How many steps were taken.
    pub stage: i64,
    /// What is done and what is to do.
    pub sealed_state: String,
    /// It goes on until then.
    pub expires_at: Timestamp,
}

/// What became of a new sign-out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum InsertSignOut {
    /// Stored.
    Inserted,
    /// That party's request was seen before: this is its sign-out.
    Known(SignOutId),
}

fn sign_out(row: &AnyRow) -> Result<SignOutRow, StoreError> {
    let row = Reader::new(row, "sign_outs", "id");
    Ok(SignOutRow {
        id: row.parsed("id")?,
        browser: row.optional_text("browser")?.map(TokenHash::from_stored),
        asking: row.optional_text("asking")?,
        stage: row.integer("stage")?,
        sealed_state: row.text("sealed_state")?,
        expires_at: row.time("expires_at")?,
    })
}

impl ReadTx<'_> {
    /// A sign-out by id.
    pub async fn sign_out(&mut self, id: &SignOutId) -> Result<Option<SignOutRow>, StoreError> {
        self.one(
            sql("SELECT id, browser, asking, stage, sealed_state, expires_at
                 FROM sign_outs WHERE id = $1")
            .bind(id.as_str()),
        )
        .await?
        .as_ref()
        .map(sign_out)
        .transpose()
    }

    /// The sign-out in which our request of that id waits for its answer.
    pub async fn sign_out_asking(
        &mut self,
        request_id: &str,
    ) -> Result<Option<SignOutRow>, StoreError> {
        self.one(
            sql("SELECT id, browser, asking, stage, sealed_state, expires_at
                 FROM sign_outs WHERE asking = $1")
            .bind(request_id),
        )
        .await?
        .as_ref()
        .map(sign_out)
        .transpose()
    }

    /// The sign-out of the session of that cookie (its SHA-256), if it is not over.
    pub async fn sign_out_of_browser(
        &mut self,
        browser: &TokenHash,
        now: Timestamp,
    ) -> Result<Option<SignOutRow>, StoreError> {
        self.one(
            sql("SELECT id, browser, asking, stage, sealed_state, expires_at
                 FROM sign_outs WHERE browser = $1 AND expires_at > $2
                 ORDER BY created_at DESC, id LIMIT 1")
            .bind(browser.as_str())
            .bind(now.as_millis()),
        )
        .await?
        .as_ref()
        .map(sign_out)
        .transpose()
    }

    /// The sign-out of a party's request (entity id, id), if it was seen before.
    pub async fn sign_out_of_request(
        &mut self,
        (party, request_id): (&str, &str),
    ) -> Result<Option<SignOutId>, StoreError> {
        self.one(
            sql("SELECT id FROM sign_outs WHERE relying_party = $1 AND request_id = $2")
                .bind(party)
                .bind(request_id),
        )
        .await?
        .map(|row| Reader::new(&row, "sign_outs", "id").parsed("id"))
        .transpose()
    }

    /// How many there are of the party whose request's id begins so, and that are not over.
    pub async fn sign_outs_of_requests(
        &mut self,
        (party, begin): (&str, &str),
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        self.count(
            // The only wildcard that an id can hold is its underscore, which matches itself here.
            sql("SELECT COUNT(*) AS counted FROM sign_outs
                 WHERE relying_party = $1 AND request_id LIKE $2 AND expires_at > $3")
            .bind(party.to_owned())
            .bind(format!("{begin}%"))
            .bind(now.as_millis()),
            "sign_outs",
        )
        .await
    }

    /// How many sign-outs one source began that nobody went on with and are not over: what a
    /// stranger can have made. One that ended nothing and was answered is at another stage.
    pub async fn idle_sign_outs_from(
        &mut self,
        source: &str,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        self.count(
            sql("SELECT COUNT(*) AS counted FROM sign_outs
                     WHERE source = $1 AND expires_at > $2 AND browser IS NULL AND stage = 0")
            .bind(source)
            .bind(now.as_millis()),
            "sign_outs",
        )
        .await
    }
}

impl Tx<'_> {
    /// Stores a new sign-out, unless the party's request (entity id, id) has one already.
    pub async fn insert_sign_out(
        &mut self,
        new: &SignOutRow,
        request: Option<(&str, &str)>,
        source: &str,
        now: Timestamp,
    ) -> Result<InsertSignOut, StoreError> {
        let inserted = self
            .run_once(
                sql("INSERT INTO sign_outs (id, relying_party, request_id, browser, source, asking, stage,
                       sealed_state, created_at, expires_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                     ON CONFLICT (relying_party, request_id) DO NOTHING")
                .bind(new.id.as_str())
                .bind(request.map(|(party, _)| party))
                .bind(request.map(|(_, id)| id))
                .bind(new.browser.as_ref().map(TokenHash::as_str))
                .bind(source)
                .bind(new.asking.as_deref())
                .bind(new.stage)
                .bind(new.sealed_state.as_str())
                .bind(now.as_millis())
                .bind(new.expires_at.as_millis()),
            )
            .await?;
        if inserted {
            return Ok(InsertSignOut::Inserted);
        }
        let known = match request {
            Some(request) => self.sign_out_of_request(request).await?,
            None => None,
        };
        // None: purged between the two statements.
        known
            .map(InsertSignOut::Known)
            .ok_or(StoreError::Unavailable(sqlx::Error::RowNotFound))
    }

    /// Takes one step of a sign-out from the stage that `row` was read at; `false` if another
    /// request took it before, or it is over.
    pub async fn step_sign_out(
        &mut self,
        row: &SignOutRow,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql(
                "UPDATE sign_outs SET stage = stage + 1, browser = $3, asking = $4, sealed_state = $5
                 WHERE id = $1 AND stage = $2 AND expires_at > $6",
            )
            .bind(row.id.as_str())
            .bind(row.stage)
            .bind(row.browser.as_ref().map(TokenHash::as_str))
            .bind(row.asking.as_deref())
            .bind(row.sealed_state.as_str())
            .bind(now.as_millis()),
        )
        .await
    }
}
