//! Temporary access passes: issued by an operator, shown once, kept as a tag.

use std::time::Duration;

use zeroize::Zeroizing;

use super::{
    App, Error,
    enrol::ENROLMENT_LIFETIME,
    users::{find, require_active},
};
use crate::{
    audit::{Actor, Event},
    base::{
        browser::TokenHash,
        clock::Timestamp,
        ids::{PassId, UserId},
        random::{Random, random_bytes},
        secret::Secret,
        text::{Upn, fold},
    },
    directory::{AccessPass, PassReuse},
    keys::sealing::{Sealing, TagLabel},
};

/// The least and the greatest life of a pass (Entra's, facts §7).
const SHORTEST: Duration = Duration::from_mins(10);
const LONGEST: Duration = Duration::from_hours(30 * 24);

/// How long ago "now" may have been, in a script that computed it.
const LATE: Duration = Duration::from_mins(1);

/// What a pass should be (Entra's ranges, facts §7).
#[derive(Clone, Copy, Debug)]
pub struct PassOptions {
    /// 10 minutes to 30 days.
    pub lifetime: Duration,
    /// 8 to 48 characters.
    pub length: usize,
    /// Once, or until it ends.
    pub reuse: PassReuse,
    /// From when; now if `None`.
    pub starts_at: Option<Timestamp>,
}

impl Default for PassOptions {
    /// One hour, twelve characters, once.
    fn default() -> Self {
        Self {
            lifetime: Duration::from_hours(1),
            length: 12,
            reuse: PassReuse::Once,
            starts_at: None,
        }
    }
}

/// A pass, to be shown once.
#[derive(Debug)]
pub struct IssuedPass {
    /// Its value.
    pub value: Secret<String>,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

impl App {
    /// Issues a temporary access pass. An earlier one of the person ends.
    pub async fn issue_pass(
        &self,
        upn: &Upn,
        options: PassOptions,
        operator: &str,
    ) -> Result<IssuedPass, Error> {
        let now = self.now();
        if !(SHORTEST..=LONGEST).contains(&options.lifetime) {
            return Err(Error::invalid(
                "a pass lives between 10 minutes and 30 days",
            ));
        }
        if !(8..=48).contains(&options.length) {
            return Err(Error::invalid("a pass has between 8 and 48 characters"));
        }
        let (id, value) = self.with_random(|random| {
            (
                PassId::random(random),
                Secret::new(pass_value(options.length, random)),
            )
        });
        let starts_at = options.starts_at.unwrap_or(now);
        if now.since(starts_at) > LATE {
            return Err(Error::invalid(
                "a pass begins now or later; name a later instant, or none",
            ));
        }
        let expires_at = starts_at.plus(options.lifetime);
        let terms = Terms {
            starts_at,
            expires_at,
            reuse: options.reuse,
        };
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, upn).await?;
        require_active(&user, "issuing a pass")?;
        tx.insert_pass(&AccessPass {
            id: id.clone(),
            user: user.id.clone(),
            value_tag: pass_tag(
                &self.sealing,
                &user.id,
                terms,
                &TypedPass::read(value.expose()),
            ),
            issued_by: operator.to_owned(),
            issued_at: now,
            starts_at,
            expires_at,
            reuse: options.reuse,
            used_at: None,
            revoked_at: None,
        })
        .await?;
        let event = Event::PassIssued {
            pass: id,
            expires_at: expires_at.to_rfc3339(),
        };
        tx.append(
            Actor::Operator(operator.to_owned()),
            Some(user.id.clone()),
            event,
        );
        tx.add_notice(&user.id, "pass-issued", operator, now)
            .await?;
        // Sessions end; open attempts lose their proofs but not their place, so that a person
        // who waits for the pass can type it where they are.
        tx.revoke_sessions_of(&user.id, now).await?;
        tx.restart_attempts_of(&user.id).await?;
        tx.give_back_try(&format!("pass:{}", user.id)).await?;
        let event = Event::SessionsEnded {
            reason: "pass-issued",
        };
        tx.append(Actor::System, Some(user.id), event);
        tx.commit().await?;
        Ok(IssuedPass {
            value,
            starts_at,
            expires_at,
        })
    }

    /// Takes back the pass that is out, and closes an enrolment that is open, also one that a
    /// pass opened which can be used no more.
    pub async fn revoke_pass(&self, upn: &Upn, operator: &str) -> Result<(), Error> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, upn).await?;
        let Some(pass) = tx.live_pass_of(&user.id, now).await? else {
            let since = now.minus(ENROLMENT_LIFETIME);
            let kept = tx.kept_pass_of(&user.id, since, now).await?;
            let opened = match kept {
                Some(pass) => Some(pass.id),
                None => tx.pass_of_open_enrolment(&user.id, now).await?,
            };
            if let Some(pass) = opened {
                tx.revoke_passes(&user.id, now).await?;
                tx.restart_attempts_of(&user.id).await?;
                let event = Event::PassRevoked { pass };
                tx.append(Actor::Operator(operator.to_owned()), Some(user.id), event);
                tx.commit().await?;
                return Ok(());
            }
            return Err(Error::not_found(format!(
                "{upn} has no pass that could be used; if somebody used it, say `claimbridge user reset {upn}`"
            )));
        };
        tx.revoke_passes(&user.id, now).await?;
        tx.restart_attempts_of(&user.id).await?;
        let event = Event::PassRevoked { pass: pass.id };
        tx.append(Actor::Operator(operator.to_owned()), Some(user.id), event);
        tx.commit().await?;
        Ok(())
    }
}

/// What a pass was issued for.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    starts_at: Timestamp,
    expires_at: Timestamp,
    reuse: PassReuse,
}

impl Terms {
    /// Those of the pass that the person has, if there is one. Without one the work is the same.
    pub(super) fn of(pass: Option<&AccessPass>) -> Self {
        let never = Timestamp::from_millis(0);
        pass.map_or(
            Self {
                starts_at: never,
                expires_at: never,
                reuse: PassReuse::Once,
            },
            |pass| Self {
                starts_at: pass.starts_at,
                expires_at: pass.expires_at,
                reuse: pass.reuse,
            },
        )
    }
}

/// No pass and no recovery code is longer, in bytes, however it is typed: a pass has at most 48
/// characters, and folding takes time.
const LONGEST_TYPED: usize = 256;

/// A pass or a recovery code as somebody typed it. Made before the transaction begins, because
/// others wait for its end.
pub(super) struct TypedPass(Zeroizing<String>);

impl TypedPass {
    /// People copy by hand: letter case, spaces and hyphens do not count. What is too long to be
    /// one is empty, which none is.
    pub(super) fn read(typed: &str) -> Self {
        if typed.len() > LONGEST_TYPED {
            return Self(Zeroizing::new(String::new()));
        }
        let folded = Zeroizing::new(fold(typed));
        let significant = folded.chars().filter(|c| !c.is_whitespace() && *c != '-');
        Self(Zeroizing::new(significant.collect()))
    }

    /// What counts of it.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

/// The stored form of a pass: an HMAC of its value for its person, and of its terms, so that a
/// writer of the database makes none live longer or be used more often (attack 38).
pub(super) fn pass_tag(
    sealing: &Sealing,
    user: &UserId,
    terms: Terms,
    value: &TypedPass,
) -> String {
    sealing.tag(
        TagLabel::Pass,
        &[
            user.as_str().as_bytes(),
            value.expose().as_bytes(),
            &terms.starts_at.as_millis().to_be_bytes(),
            &terms.expires_at.as_millis().to_be_bytes(),
            match terms.reuse {
                PassReuse::Once => b"once",
                PassReuse::UntilExpiry => b"until-expiry",
            },
        ],
    )
}

/// The stored form of a pass that was used once, and may open the same enrolment anew where the
/// first had no time to end: of its value, of the browser that used it (the cookie of that
/// attempt), so that nobody else goes on with it (attack 6), and of when that was, so that a writer
/// of the database does not lengthen the time (attack 38).
fn again_fields<T>(
    pass: &AccessPass,
    value: &TypedPass,
    browser: &TokenHash,
    run: impl FnOnce(&[&[u8]]) -> T,
) -> T {
    let used_at = pass.used_at.map_or(0, Timestamp::as_millis);
    run(&[
        pass.user.as_str().as_bytes(),
        value.expose().as_bytes(),
        pass.id.as_str().as_bytes(),
        &pass.expires_at.as_millis().to_be_bytes(),
        &used_at.to_be_bytes(),
        browser.as_str().as_bytes(),
        b"again",
    ])
}

/// See [`again_fields`].
pub(super) fn again_tag(
    sealing: &Sealing,
    pass: &AccessPass,
    value: &TypedPass,
    browser: &TokenHash,
) -> String {
    again_fields(pass, value, browser, |fields| {
        sealing.tag(TagLabel::Pass, fields)
    })
}

/// Whether that is the value of a pass that may open the same anew, in the browser that used it:
/// `browser` is the hash of the cookie of the attempt in which it did.
pub(super) fn opens_again(
    sealing: &Sealing,
    pass: &AccessPass,
    value: &TypedPass,
    browser: &TokenHash,
) -> bool {
    let verified = again_fields(pass, value, browser, |fields| {
        sealing.verify_tag(TagLabel::Pass, fields, &pass.value_tag)
    });
    verified.is_ok()
}

/// Letters and digits that nobody confuses, five bits each.
fn pass_value(length: usize, random: &mut dyn Random) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    random_bytes::<48>(random)
        .iter()
        .take(length)
        .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_is_read_as_people_type_and_a_long_one_not_at_all() {
        let read = |typed: &str| TypedPass::read(typed).expose().to_owned();
        for typed in [
            "abcd2345",
            " ABCD-2345 ",
            "ab cd\u{a0}23 45",
            "ａｂｃｄ２３４５",
        ] {
            assert_eq!(read(typed), "abcd2345", "{typed}");
        }
        // The longest pass, each letter in three bytes and apart.
        assert_eq!(read(&"ｂ".repeat(48)), "b".repeat(48));
        assert_eq!(read(&format!("b{}", " ".repeat(255))), "b");
        assert_eq!(read(&format!("b{}", " ".repeat(256))), "");
        // One character that folds to eighteen.
        assert_eq!(read(&"\u{fdfa}".repeat(86)), "");
    }
}
