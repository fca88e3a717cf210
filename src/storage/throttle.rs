//! What wrong guesses cost: counters by bucket (see `signin::lockout`).
//!
//! Always true: a try is paid for by one conditional statement before the guess is
//! checked; whoever comes while a wait runs pays nothing and gets nothing. A bucket's
//! name is the caller's: one a person and factor, whatever the spelling (attack 25).

use super::{
    error::StoreError,
    row::{Reader, sql},
    tx::{ReadTx, Tx},
};
use crate::{
    base::{clock::Timestamp, ids::UserId},
    signin::lockout::Delays,
};

/// What became of a try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reserve {
    /// Paid for; it is the failure number `failures` unless it is given back.
    Granted {
        /// Counted from 1.
        failures: u32,
    },
    /// A wait is running.
    Wait {
        /// Until then.
        until: Timestamp,
    },
}

/// No wait is longer than this, so that the database's arithmetic cannot overflow:
/// 2^42 ms are 139 years, doubled 20 times they still fit a BIGINT.
const LONGEST: i64 = 1 << 42;

fn bounded(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).map_or(LONGEST, |millis| millis.min(LONGEST))
}

impl ReadTx<'_> {
    /// The failures of a bucket.
    pub async fn failures(&mut self, bucket: &str) -> Result<u32, StoreError> {
        let row = self
            .one(sql("SELECT bucket, failures FROM throttle WHERE bucket = $1").bind(bucket))
            .await?;
        match &row {
            None => Ok(0),
            Some(row) => Reader::new(row, "throttle", "bucket").small("failures"),
        }
    }
}

impl Tx<'_> {
    /// Pays for a try, or says how long to wait: one conditional upsert that raises the
    /// counter ([`Delays::after_failure`]) and sets the wait that follows it
    /// ([`Delays::wait_after`]). `touched_at` is [`Count::since`](crate::signin::lockout::Count). Commit before
    /// checking the guess (attacks 2 and 4).
    pub async fn reserve_try(
        &mut self,
        bucket: &str,
        delays: Delays,
        now: Timestamp,
    ) -> Result<Reserve, StoreError> {
        let at = now.as_millis();
        let granted = self
            .one(
                // $2 now, $3 the wait after one failure, $4 free, $5 base, $6 cap, $7 the time after
                // which one is forgiven (0: never). `times` are forgiven, `kept` remain, n is one
                // more. The wait after n failures: none below `free`, else base · 2^min(n − free, 20),
                // at most cap. "None" is 0 and not $2: another node's clock, or a request that read
                // it earlier, would wait.
                sql(
                    "INSERT INTO throttle (bucket, counts, failures, wait_until, touched_at)
                     VALUES ($1, 'tries', 1, CASE WHEN $3 = 0 THEN 0 ELSE $2 + $3 END, $2)
                     ON CONFLICT (bucket) DO UPDATE SET
                       (failures, touched_at, wait_until) = (
                         SELECT n, since, CASE
                           WHEN n < $4 THEN 0
                           WHEN n - $4 >= 20 THEN
                             $2 + CASE WHEN $5 << 20 < $6 THEN $5 << 20 ELSE $6 END
                           WHEN $5 << CAST(n - $4 AS INTEGER) < $6 THEN
                             $2 + ($5 << CAST(n - $4 AS INTEGER))
                           ELSE $2 + $6 END
                         FROM (
                           SELECT
                             CASE WHEN kept < 4294967295 THEN kept + 1 ELSE kept END AS n,
                             CASE WHEN kept = 0 OR $7 = 0 THEN $2
                               ELSE throttle.touched_at + times * $7 END AS since
                           FROM (
                             SELECT times,
                               CASE WHEN throttle.failures > times
                                 THEN throttle.failures - times ELSE 0 END AS kept
                             FROM (
                               SELECT CASE WHEN $7 > 0 AND $2 > throttle.touched_at
                                 THEN ($2 - throttle.touched_at) / $7 ELSE 0 END AS times
                             ) AS passed
                           ) AS remaining
                         ) AS next
                       )
                     WHERE throttle.wait_until <= $2
                     RETURNING bucket, failures",
                )
                .bind(bucket)
                .bind(at)
                .bind(bounded(delays.wait_after(1)))
                .bind(i64::from(delays.free))
                .bind(bounded(delays.base))
                .bind(bounded(delays.cap))
                .bind(delays.forgiven.map_or(0, |every| bounded(every).max(1))),
            )
            .await?;
        if let Some(row) = &granted {
            let failures = Reader::new(row, "throttle", "bucket").small("failures")?;
            return Ok(Reserve::Granted { failures });
        }
        // Only to say how long: nothing is decided by it.
        let wait = self
            .one(sql("SELECT bucket, wait_until FROM throttle WHERE bucket = $1").bind(bucket))
            .await?;
        let until = match &wait {
            None => now,
            Some(row) => Reader::new(row, "throttle", "bucket").time("wait_until")?,
        };
        Ok(Reserve::Wait {
            until: until.max(now),
        })
    }

    /// A right answer, or a reset: back to zero.
    pub async fn give_back_try(&mut self, bucket: &str) -> Result<(), StoreError> {
        self.run(sql("DELETE FROM throttle WHERE bucket = $1").bind(bucket))
            .await
            .map(drop)
    }

    /// A paid try that was no guess: one back, and the wait until `begun` if this try began
    /// one. A wait that another try began meanwhile goes on: a right answer that was paid
    /// for before would else let a source guess without a pause.
    pub async fn refund_try(
        &mut self,
        bucket: &str,
        begun: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.run(
            sql("UPDATE throttle SET failures = failures - 1,
                   wait_until = CASE WHEN wait_until = $2 THEN 0 ELSE wait_until END
                 WHERE bucket = $1 AND failures > 0")
            .bind(bucket)
            .bind(begun.map_or(0, Timestamp::as_millis)),
        )
        .await
        .map(drop)
    }

    /// Lifts every wait of a person, in all browsers; how many counters there were. What is
    /// counted in a row stays: only a right answer or a new password ends it.
    pub async fn lift_waits_of(&mut self, user: &UserId) -> Result<u64, StoreError> {
        // The only wildcard that an id can hold is its underscore, which matches itself here.
        self.run(
            sql("DELETE FROM throttle WHERE counts = 'tries'
                 AND (bucket LIKE $1 OR bucket LIKE $2)")
            .bind(format!("%:{user}"))
            .bind(format!("%:{user}:%")),
        )
        .await
    }

    /// Counts a failure in a row, which makes nobody wait and is kept until a right
    /// answer; how many there are now.
    pub async fn count_failure(&mut self, bucket: &str, now: Timestamp) -> Result<u32, StoreError> {
        let row = self
            .one(
                sql(
                    "INSERT INTO throttle (bucket, counts, failures, wait_until, touched_at)
                     VALUES ($1, 'in-a-row', 1, 0, $2)
                     ON CONFLICT (bucket) DO UPDATE SET touched_at = $2,
                       failures = CASE WHEN throttle.failures < 4294967295
                         THEN throttle.failures + 1 ELSE throttle.failures END
                     RETURNING bucket, failures",
                )
                .bind(bucket)
                .bind(now.as_millis()),
            )
            .await?;
        match &row {
            None => Err(StoreError::Refused(sqlx::Error::RowNotFound)),
            Some(row) => Reader::new(row, "throttle", "bucket").small("failures"),
        }
    }
}
