//! Carrying out the calls of a change at Entra.
//!
//! Always true: a call is in the journal before it is sent; where nobody knows what came of
//! one, the tenant is read, and what it shows counts; a change stays open until that is known.

use openidconnect::http;

use super::{
    journal::{CallOutcome, Change, ChangeOutcome, Journal},
    read::{ReadError, read_domain},
};
use crate::{
    app::Error,
    base::text::DomainName,
    federation::{Call, DomainState},
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
    /// No answer came, and the tenant shows that the call did not take place.
    #[error(
        "{domain} was not changed: no answer came to {call}, and the tenant was read and shows that it did not take place. Run the command again"
    )]
    NotTaken {
        /// Which domain.
        domain: DomainName,
        /// The call.
        call: String,
    },
    /// No answer came, and the tenant cannot be read.
    #[error(
        "nobody knows whether {call} took place, because the tenant could not be read afterwards. It is in the journal as {change}: run the command again, it reads what {domain} has and goes on; `claimbridge domain rollback {domain}` goes back"
    )]
    Unknown {
        /// Which domain.
        domain: DomainName,
        /// The call.
        call: String,
        /// The change.
        change: String,
        /// Why it could not be read.
        #[source]
        cause: ReadError,
    },
    /// The journal could not be written.
    #[error(transparent)]
    App(#[from] Error),
}

/// Sends the calls one after another. The journal comes back open if all took place.
pub async fn carry_out<'a>(
    graph: &Graph,
    mut journal: Journal<'a>,
    domain: &DomainName,
    calls: &[Call],
    mut tell: impl FnMut(&str),
) -> Result<Journal<'a>, ChangeError> {
    let mut taken = 0;
    for call in calls {
        let words = format!("{} {}", call.method.as_str(), call.path);
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
                journal.called(call, CallOutcome::Done, &says).await?;
                taken += 1;
                continue;
            }
            Err(error) => error,
        };
        if !cause.outcome_is_unknown() {
            journal
                .called(call, CallOutcome::Refused, &cause.to_string())
                .await?;
            close(journal, taken).await?;
            return Err(ChangeError::Refused {
                domain: domain.clone(),
                cause,
            });
        }
        tell("No answer came; reading what the tenant has …");
        match read_domain(graph, domain).await {
            Ok(state) if call.is_in_force(&state) => {
                let says = format!("no answer came ({cause}); read back: it took place");
                journal.called(call, CallOutcome::Done, &says).await?;
                taken += 1;
            }
            Ok(_) => {
                let says = format!("no answer came ({cause}); read back: it did not take place");
                journal.called(call, CallOutcome::Refused, &says).await?;
                close(journal, taken).await?;
                return Err(ChangeError::NotTaken {
                    domain: domain.clone(),
                    call: words,
                });
            }
            Err(why) => {
                let says = cause.to_string();
                let change = journal.id.to_string();
                journal.called(call, CallOutcome::Unknown, &says).await?;
                return Err(ChangeError::Unknown {
                    domain: domain.clone(),
                    call: words,
                    change,
                    cause: why,
                });
            }
        }
    }
    Ok(journal)
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
                    format!("at {words}: the tenant shows that it did not take place")
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
