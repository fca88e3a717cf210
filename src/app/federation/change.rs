//! Carrying out the calls of a change at Entra.
//!
//! Always true: a call is in the journal before it is sent; where nobody knows what came of
//! one, the tenant is read, and what it shows counts; a change stays open until that is known.

use std::time::Duration;

use openidconnect::http;

use super::{
    journal::{CallOutcome, Change, ChangeOutcome, Journal},
    read::{ReadError, read_domain, read_kind},
};
use crate::{
    app::Error,
    base::{clock::Timestamp, text::DomainName},
    federation::{Call, CallWeight, DomainState, plan::ID_TO_COME},
    outbound::graph::{Graph, GraphError},
};

/// Why a change did not take place, or not wholly.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Graph refused the call; nothing was changed by it.
    #[error("{domain} was not changed")]
    Refused {
        /// Which domain.
        domain: DomainName,
        /// What Graph said.
        #[source]
        cause: GraphError,
    },
    /// No answer came, and the tenant does not show that the call took place.
    #[error(
        "nobody knows whether {call} took place: no answer came, and {what}. It may still take place. It is in the journal as {change}: run the command again in some minutes, it reads what {domain} has and goes on; `claimbridge domain rollback {domain}` goes back"
    )]
    Unknown {
        /// Which domain.
        domain: DomainName,
        /// The call.
        call: String,
        /// The change.
        change: String,
        /// What reading it back showed.
        what: &'static str,
        /// Why it could not be read.
        #[source]
        cause: Option<ReadError>,
    },
    /// The object to change could not be found.
    #[error(
        "{domain} was changed, and what it has now could not be read for the rest; run the command again, it goes on"
    )]
    Read {
        /// Which domain.
        domain: DomainName,
        /// Why.
        #[source]
        cause: ReadError,
    },
    /// The journal could not be written, and nothing was sent since.
    #[error(transparent)]
    App(#[from] Error),
    /// The journal could not be written after a call.
    #[error(
        "{call} {came}, and that could not be written down; run the command again, it reads what {domain} has and goes on"
    )]
    Unwritten {
        /// Which domain.
        domain: DomainName,
        /// The call.
        call: String,
        /// What came of it.
        came: Came,
        /// Why.
        #[source]
        cause: Error,
    },
}

/// What came of a call.
#[derive(Debug)]
pub enum Came {
    /// It took place.
    Done,
    /// It was refused.
    Refused(GraphError),
    /// No answer came, and the tenant does not show it, or could not be read.
    Unknown(GraphError),
}

impl std::fmt::Display for Came {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done => f.write_str("took place"),
            Self::Refused(cause) => write!(f, "was refused ({cause})"),
            Self::Unknown(cause) => write!(f, "may still take place ({cause})"),
        }
    }
}

/// When the tenant is looked at after a call without an answer: Graph may finish it later.
pub const LOOKS: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// Sends the calls one after another. The journal comes back open if all took place that must.
pub async fn carry_out<'a>(
    graph: &Graph,
    mut journal: Journal<'a>,
    domain: &DomainName,
    calls: &[Call],
    looks: &[Duration],
    mut tell: impl FnMut(&str),
) -> Result<Journal<'a>, ChangeError> {
    let mut taken = 0;
    for call in calls {
        let call = &with_id(graph, domain, call).await?;
        let words = format!("{} {}", call.method.as_str(), call.path);
        let unwritten = |came: Came, cause: Error| ChangeError::Unwritten {
            domain: domain.clone(),
            call: words.clone(),
            came,
            cause,
        };
        journal.calling(call).await?;
        tell(&format!("{words} …"));
        let method = http::Method::from_bytes(call.method.as_str().as_bytes())
            .map_err(|error| Error::internal(error.to_string()))?;
        let answer = graph.call(method, &call.path, Some(&call.body), &[]).await;
        let cause = match answer {
            Ok(answer) => {
                let says = match &answer.request_id {
                    Some(id) => format!("HTTP {} (request-id {id})", answer.status),
                    None => format!("HTTP {}", answer.status),
                };
                let written = journal.called(call, CallOutcome::Done, &says).await;
                written.map_err(|error| unwritten(Came::Done, error))?;
                taken += 1;
                continue;
            }
            Err(error) => error,
        };
        if !cause.outcome_is_unknown() {
            let says = cause.to_string();
            let mut written = journal.called(call, CallOutcome::Refused, &says).await;
            if call.weight == CallWeight::MayFail {
                written.map_err(|error| unwritten(Came::Refused(cause), error))?;
                tell(&format!(
                    "Refused, and left out: {says}. Security keys may not work in the embedded views of mobile apps."
                ));
                continue;
            }
            if written.is_ok() {
                written = close(journal, taken).await;
            }
            return Err(match written {
                Err(error) => unwritten(Came::Refused(cause), error),
                Ok(()) => ChangeError::Refused {
                    domain: domain.clone(),
                    cause,
                },
            });
        }
        tell("No answer came; reading what the tenant has …");
        match look_for(graph, domain, call, looks).await {
            Ok(true) => {
                let says = format!("no answer came ({cause}); read back: it took place");
                let written = journal.called(call, CallOutcome::Done, &says).await;
                written.map_err(|error| unwritten(Came::Done, error))?;
                taken += 1;
            }
            seen => {
                let says = cause.to_string();
                let written = journal.called(call, CallOutcome::Unknown, &says).await;
                written.map_err(|error| unwritten(Came::Unknown(cause), error))?;
                return Err(ChangeError::Unknown {
                    domain: domain.clone(),
                    call: words,
                    change: journal.id.to_string(),
                    what: match seen {
                        Ok(_) => "the tenant does not show it so far",
                        Err(_) => "the tenant could not be read",
                    },
                    cause: seen.err(),
                });
            }
        }
    }
    Ok(journal)
}

/// The call with the id of the object, where it was not known before.
async fn with_id(graph: &Graph, domain: &DomainName, call: &Call) -> Result<Call, ChangeError> {
    let Some(front) = call.path.strip_suffix(ID_TO_COME) else {
        return Ok(call.clone());
    };
    let unread = |cause: ReadError| ChangeError::Read {
        domain: domain.clone(),
        cause,
    };
    let state = read_domain(graph, domain).await.map_err(unread)?;
    let id = state
        .federation()
        .and_then(|federation| federation.id.clone())
        .ok_or_else(|| unread(ReadError::Contradiction(domain.clone())))?;
    Ok(Call {
        path: format!("{front}{id}"),
        ..call.clone()
    })
}

/// Whether the tenant shows that a call took place, at one of several looks.
async fn look_for(
    graph: &Graph,
    domain: &DomainName,
    call: &Call,
    looks: &[Duration],
) -> Result<bool, ReadError> {
    let mut seen = Ok(false);
    for wait in looks {
        tokio::time::sleep(*wait).await;
        seen = read_domain(graph, domain)
            .await
            .map(|state| call.is_in_force(&state));
        if matches!(seen, Ok(true)) {
            break;
        }
    }
    seen
}

/// Whether the tenant shows that a domain is managed, at one of several looks; nothing else of it
/// is asked for.
///
/// # Errors
/// See [`ReadError`], of the last look.
pub async fn is_managed_now(
    graph: &Graph,
    domain: &DomainName,
    looks: &[Duration],
) -> Result<bool, ReadError> {
    let mut seen = Ok(false);
    for wait in looks {
        tokio::time::sleep(*wait).await;
        seen = read_kind(graph, domain)
            .await
            .map(|state| state.is_managed());
        if matches!(seen, Ok(true)) {
            break;
        }
    }
    seen
}

/// How long after a call without an answer it may still take place: as long as we wait for
/// Graph ourselves, and what a gateway may keep it.
pub const SETTLES: Duration = Duration::from_mins(6);

/// How long a call of that instant may still take place; nothing: no longer. It is never more
/// than [`SETTLES`], whatever the instant is: who could choose that must not keep anybody waiting.
pub fn may_still_take_place(at: Timestamp, now: Timestamp) -> Option<Duration> {
    let end = at.plus(SETTLES);
    let is_none_of_ours = at > now.plus(SETTLES);
    (now < end && !is_none_of_ours).then(|| end.since(now).min(SETTLES))
}

/// How long it still is until it is known what became of the last call of an open change;
/// nothing: it is known, or the tenant shows it, or Graph can no longer finish it.
pub async fn still_open(
    graph: &Graph,
    change: &Change,
    looks: &[Duration],
    now: Timestamp,
) -> Result<Option<Duration>, ReadError> {
    let Some((call, at)) = change.unsettled() else {
        return Ok(None);
    };
    let left = may_still_take_place(at, now);
    if left.is_none() || look_for(graph, &change.domain, &call, looks).await? {
        return Ok(None);
    }
    Ok(left)
}

/// A change of which nothing took place is over; of another the next command finds the rest.
async fn close(journal: Journal<'_>, taken: usize) -> Result<(), Error> {
    if taken == 0 && !journal.has_changed() {
        journal.finish(ChangeOutcome::Refused, None).await?;
    }
    Ok(())
}

/// What became of a change that was interrupted, in a sentence.
pub fn interrupted(change: &Change, state: &DomainState) -> String {
    let what = match change.last_call() {
        None => "before anything was sent; nothing took place".to_owned(),
        Some((call, outcome)) => {
            let words = format!("{} {}", call.method.as_str(), call.path);
            match outcome {
                Some(CallOutcome::Done) => format!("after {words}, which took place"),
                Some(CallOutcome::Refused) => format!("after {words}, which was refused"),
                Some(CallOutcome::Unknown) | None if call.is_in_force(state) => {
                    format!("at {words}: the tenant shows that it took place")
                }
                Some(CallOutcome::Unknown) | None => {
                    format!("at {words}: the tenant does not show that it took place")
                }
            }
        }
    };
    format!(
        "The {} of {} that began at {} ({}) was interrupted {what}.",
        change.kind().as_str(),
        change.domain,
        change.begun_at,
        change.id
    )
}
