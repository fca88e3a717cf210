//! Browser sessions, and what they told which party.

use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, millis, sql},
    tx::{ReadTx, Tx},
};
use crate::{
    base::{
        browser::TokenHash,
        clock::Timestamp,
        ids::{SessionId, UserId},
    },
    factor::FactorKind,
    session::{SessionProof, SessionRow},
    signin::{complete::SealedSession, request::Protocol},
};

/// What a session told a relying party.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionParty {
    /// The SAML `SessionIndex` that this party knows the session by.
    pub session_index: String,
    /// When the party last got an answer of this session.
    pub answered_at: Timestamp,
    /// When it last got one that rested on the session instead of fresh proofs.
    pub reused_at: Option<Timestamp>,
    /// What it was told last; none in rows of former versions.
    pub told: Option<Told>,
}

/// Who a party was told the person is, and by whom: what a sign-out must repeat.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Told {
    /// Over which protocol.
    pub protocol: Protocol,
    /// The issuer that spoke.
    pub issuer: String,
    /// The NameID.
    pub name_id: String,
    /// When the first factor was proved, as the party was told.
    pub authn_instant: Timestamp,
}

/// What becomes of the answers out of a former session that parties took lately.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reuse {
    /// They count on: the new session rests on old proofs too.
    Remembered,
    /// Everything was proved anew.
    Forgotten,
}

fn told(row: &Reader<'_>) -> Result<Option<Told>, StoreError> {
    let protocol = row.optional_text("protocol")?;
    let (Some(protocol), Some(issuer), Some(name_id), Some(authn_instant)) = (
        protocol,
        row.optional_text("issuer")?,
        row.optional_text("name_id")?,
        row.optional_time("authn_instant")?,
    ) else {
        return Ok(None);
    };
    Ok(Some(Told {
        protocol: Protocol::parse(&protocol).ok_or_else(|| row.impossible("protocol"))?,
        issuer,
        name_id,
        authn_instant,
    }))
}

fn session_party(row: &AnyRow) -> Result<SessionParty, StoreError> {
    let row = Reader::new(row, "session_parties", "session_id");
    Ok(SessionParty {
        session_index: row.text("session_index")?,
        answered_at: row.time("answered_at")?,
        reused_at: row.optional_time("reused_at")?,
        told: told(&row)?,
    })
}

fn session(row: &AnyRow) -> Result<SessionRow, StoreError> {
    let row = Reader::new(row, "sessions", "id");
    Ok(SessionRow {
        id: row.parsed("id")?,
        token: TokenHash::from_stored(row.text("token")?),
        user: row.parsed("user_id")?,
        proofs: row.spelled("proofs", parse_proofs)?,
        created_at: row.time("created_at")?,
        last_used_at: row.time("last_used_at")?,
        revoked_at: row.optional_time("revoked_at")?,
        tag: row.text("tag")?,
    })
}

/// One line a proof: `kind credential milliseconds`.
fn proofs_text(proofs: &[SessionProof]) -> String {
    let lines: Vec<String> = proofs
        .iter()
        .map(|proof| {
            format!(
                "{} {} {}",
                proof.kind.as_str(),
                proof.credential,
                proof.at.as_millis()
            )
        })
        .collect();
    lines.join("\n")
}

fn parse_proofs(text: &str) -> Option<Vec<SessionProof>> {
    text.lines()
        .map(|line| {
            let mut words = line.split(' ');
            let proof = SessionProof {
                kind: FactorKind::parse(words.next()?)?,
                credential: words.next()?.parse().ok()?,
                at: Timestamp::from_millis(words.next()?.parse().ok()?),
            };
            words.next().is_none().then_some(proof)
        })
        .collect()
}

impl ReadTx<'_> {
    /// The session of a cookie. Nothing until `signin::complete` checked its tag.
    pub async fn session_by_token(
        &mut self,
        token: &TokenHash,
    ) -> Result<Option<SessionRow>, StoreError> {
        self.one(
            sql(
                "SELECT id, token, user_id, proofs, created_at, last_used_at, revoked_at, tag
                 FROM sessions WHERE token = $1",
            )
            .bind(token.as_str()),
        )
        .await?
        .as_ref()
        .map(session)
        .transpose()
    }

    /// A session by its public name.
    pub async fn session(&mut self, id: &SessionId) -> Result<Option<SessionRow>, StoreError> {
        self.one(
            sql(
                "SELECT id, token, user_id, proofs, created_at, last_used_at, revoked_at, tag
                 FROM sessions WHERE id = $1",
            )
            .bind(id.as_str()),
        )
        .await?
        .as_ref()
        .map(session)
        .transpose()
    }

    /// A person's sessions, ended or not, newest first.
    pub async fn sessions_of(&mut self, user: &UserId) -> Result<Vec<SessionRow>, StoreError> {
        self.all(
            sql(
                "SELECT id, token, user_id, proofs, created_at, last_used_at, revoked_at, tag
                 FROM sessions WHERE user_id = $1 ORDER BY created_at DESC, id",
            )
            .bind(user.as_str()),
        )
        .await?
        .iter()
        .map(session)
        .collect()
    }

    /// The first of the sessions that followed one another in a browser, up to this one.
    pub async fn lineage_of(&mut self, id: &SessionId) -> Result<SessionId, StoreError> {
        let row = self
            .one(
                sql("SELECT id, COALESCE(lineage, id) AS lineage FROM sessions WHERE id = $1")
                    .bind(id.as_str()),
            )
            .await?;
        match &row {
            None => Ok(id.clone()),
            Some(row) => Reader::new(row, "sessions", "id").parsed("lineage"),
        }
    }

    /// What a session told a party, if anything.
    pub async fn party_of_session(
        &mut self,
        id: &SessionId,
        entity_id: &str,
    ) -> Result<Option<SessionParty>, StoreError> {
        let row = self
            .one(
                sql(
                    "SELECT session_id, session_index, answered_at, reused_at, protocol, issuer,
                       name_id, authn_instant
                     FROM session_parties WHERE session_id = $1 AND entity_id = $2",
                )
                .bind(id.as_str())
                .bind(entity_id),
            )
            .await?;
        row.as_ref().map(session_party).transpose()
    }

    /// Every party that a session told something, with its entity id; first told first.
    pub async fn parties_of_session(
        &mut self,
        id: &SessionId,
    ) -> Result<Vec<(String, SessionParty)>, StoreError> {
        self.all(
            sql(
                "SELECT session_id, entity_id, session_index, answered_at, reused_at, protocol,
                   issuer, name_id, authn_instant
                 FROM session_parties WHERE session_id = $1 ORDER BY answered_at, entity_id",
            )
            .bind(id.as_str()),
        )
        .await?
        .iter()
        .map(|row| {
            let entity_id = Reader::new(row, "session_parties", "session_id").text("entity_id")?;
            Ok((entity_id, session_party(row)?))
        })
        .collect()
    }
}

impl Tx<'_> {
    /// Stores a session. Only `signin::complete` can make one.
    ///
    /// `former`: the one that it replaces in its browser.
    ///
    /// Holds the person's row, as whatever ends sessions does: an operator who ends all of
    /// them at this moment waits for this one and ends it too.
    pub async fn insert_session(
        &mut self,
        session: &SealedSession,
        former: Option<&SessionId>,
    ) -> Result<(), StoreError> {
        let row = session.row();
        self.lock_user(&row.user).await?;
        self.run(
            sql("INSERT INTO sessions (id, token, user_id, proofs, created_at, last_used_at, revoked_at, tag,
                   lineage)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8,
                   (SELECT COALESCE(former.lineage, former.id) FROM sessions former WHERE former.id = $9))")
            .bind(row.id.as_str())
            .bind(row.token.as_str())
            .bind(row.user.as_str())
            .bind(proofs_text(&row.proofs))
            .bind(row.created_at.as_millis())
            .bind(row.last_used_at.as_millis())
            .bind(millis(row.revoked_at))
            .bind(row.tag.as_str())
            .bind(former.map(SessionId::as_str)),
        )
        .await
        .map(drop)
    }

    /// The session is used, and held until the transaction is over; `false` if it has
    /// ended, also if that was a moment ago: then it answers nothing any more.
    pub async fn touch_session(
        &mut self,
        id: &SessionId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE sessions SET
                   last_used_at = CASE WHEN last_used_at < $2 THEN $2 ELSE last_used_at END
                 WHERE id = $1 AND revoked_at IS NULL")
            .bind(id.as_str())
            .bind(at.as_millis()),
        )
        .await
    }

    /// Ends a session; whether it had not ended before.
    pub async fn revoke_session(
        &mut self,
        id: &SessionId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        // The person first, then the session: everyone locks them in this order.
        self.run(
            sql("UPDATE users SET created_at = created_at
                 WHERE id = (SELECT user_id FROM sessions WHERE id = $1)")
            .bind(id.as_str()),
        )
        .await?;
        self.run_once(
            sql("UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
                .bind(id.as_str())
                .bind(at.as_millis()),
        )
        .await
    }

    /// Ends all sessions of a person; how many.
    pub async fn revoke_sessions_of(
        &mut self,
        user: &UserId,
        at: Timestamp,
    ) -> Result<u64, StoreError> {
        self.lock_user(user).await?;
        self.run(
            sql("UPDATE sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL")
                .bind(user.as_str())
                .bind(at.as_millis()),
        )
        .await
    }

    /// Ends those of a person's sessions that began at `until` or before, or followed in the same
    /// browser on one that was there then, by a step-up or by a whole new sign-in; how many.
    pub async fn revoke_sessions_begun_by(
        &mut self,
        user: &UserId,
        until: Timestamp,
        at: Timestamp,
    ) -> Result<u64, StoreError> {
        self.lock_user(user).await?;
        self.run(
            sql("UPDATE sessions SET revoked_at = $2
                 WHERE user_id = $1 AND revoked_at IS NULL
                   AND (created_at <= $3 OR lineage IN
                     (SELECT COALESCE(former.lineage, former.id) FROM sessions former
                      WHERE former.user_id = $1 AND former.created_at <= $3
                        AND (former.revoked_at IS NULL OR former.revoked_at > $3)))")
            .bind(user.as_str())
            .bind(at.as_millis())
            .bind(until.as_millis()),
        )
        .await
    }

    /// What one session told is known to its successor: the same person signed in anew in
    /// the same browser.
    pub async fn move_parties(
        &mut self,
        from: &SessionId,
        to: &SessionId,
        reuse: Reuse,
    ) -> Result<u64, StoreError> {
        let statement = match reuse {
            Reuse::Remembered => "UPDATE session_parties SET session_id = $2 WHERE session_id = $1",
            Reuse::Forgotten => {
                "UPDATE session_parties SET session_id = $2, reused_at = NULL WHERE session_id = $1"
            }
        };
        self.run(sql(statement).bind(from.as_str()).bind(to.as_str()))
            .await
    }

    /// Remembers what a session told a party.
    pub async fn put_party_of_session(
        &mut self,
        id: &SessionId,
        entity_id: &str,
        party: &SessionParty,
    ) -> Result<(), StoreError> {
        self.run(
            sql("INSERT INTO session_parties (session_id, entity_id, session_index, answered_at, reused_at,
                   protocol, issuer, name_id, authn_instant)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                 ON CONFLICT (session_id, entity_id) DO UPDATE SET session_index = excluded.session_index,
                   answered_at = excluded.answered_at, reused_at = excluded.reused_at,
                   protocol = excluded.protocol, issuer = excluded.issuer, name_id = excluded.name_id,
                   authn_instant = excluded.authn_instant")
            .bind(id.as_str())
            .bind(entity_id)
            .bind(party.session_index.as_str())
            .bind(party.answered_at.as_millis())
            .bind(millis(party.reused_at))
            .bind(party.told.as_ref().map(|told| told.protocol.as_str()))
            .bind(party.told.as_ref().map(|told| told.issuer.clone()))
            .bind(party.told.as_ref().map(|told| told.name_id.clone()))
            .bind(millis(party.told.as_ref().map(|told| told.authn_instant))),
        )
        .await
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_read_back_and_nothing_else_does() {
        let line = format!("password crd_{} 5", "a".repeat(26));
        let proofs =
            parse_proofs(&format!("{line}\n{}", line.replace("password", "totp"))).unwrap();
        assert_eq!(proofs.len(), 2);
        assert_eq!(parse_proofs(&proofs_text(&proofs)), Some(proofs));
        for bad in [
            "password",
            "voice crd_x 5",
            &format!("{line} 6"),
            &line.replace(" 5", " five"),
        ] {
            assert_eq!(parse_proofs(bad), None, "{bad}");
        }
    }
}
