//! Which FIDO metadata file was used last (attack 35).

use super::{
    error::StoreError,
    row::{Reader, sql},
    tx::{ReadTx, Tx},
};
use crate::base::clock::Timestamp;

impl ReadTx<'_> {
    /// The highest number of a file that was used under these roots.
    pub async fn metadata_number(&mut self, roots: &str) -> Result<Option<u64>, StoreError> {
        let row = self
            .one(sql("SELECT roots, number FROM metadata_numbers WHERE roots = $1").bind(roots))
            .await?;
        row.map(|row| {
            let row = Reader::new(&row, "metadata_numbers", "roots");
            u64::try_from(row.integer("number")?).map_err(|_| row.impossible("number"))
        })
        .transpose()
    }
}

impl Tx<'_> {
    /// Remembers that a file of this number is used; `false`, and nothing is changed, if
    /// one of a higher number was.
    pub async fn use_metadata_number(
        &mut self,
        roots: &str,
        number: u64,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let Ok(number) = i64::try_from(number) else {
            return Ok(false);
        };
        self.run_once(
            sql(
                "INSERT INTO metadata_numbers (roots, number, seen_at) VALUES ($1, $2, $3)
                 ON CONFLICT (roots) DO UPDATE SET number = excluded.number, seen_at = excluded.seen_at
                 WHERE metadata_numbers.number <= excluded.number",
            )
            .bind(roots)
            .bind(number)
            .bind(at.as_millis()),
        )
        .await
    }
}
