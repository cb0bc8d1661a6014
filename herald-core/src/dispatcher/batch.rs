//! A batch: records that are written together, and what is done once they stand.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::arrival::IncomingEvent;
use crate::event::activation::{Activation, Name, Refused};
use crate::job::Job;
use crate::job::lifecycle::Verdict;
use crate::journal::{JournalError, Records};
use crate::value::param::Params;

/// What is done once the records stand.
pub(super) enum Act {
    /// Ask the selectors, except about the tasks that have their job already.
    Route(Activation, HashSet<(Name, Name)>),
    Execute(Name),
    Log {
        job: Arc<Job>,
        verdict: Verdict,
        /// What the sender of its event gets, where one waits.
        answer: Option<Params>,
    },
    LogRetry(Arc<Job>, Verdict, Duration),
    Reply(oneshot::Sender<Result<Name, Refused>>, Name),
    /// A job that waited is over because somebody wanted that.
    Cancelled(oneshot::Sender<Result<bool, JournalError>>),
    /// A source of events is followed from a position on.
    Reached(oneshot::Sender<()>),
    /// An event is taken back.
    Withdrawn(oneshot::Sender<bool>),
}

/// What is done once the records of a turn stand.
pub(super) struct Batch {
    pub(super) incoming: Vec<IncomingEvent>,
    pub(super) acts: Vec<Act>,
}

/// Whether the records of a batch stand, and the records.
pub(super) type Written = (Result<(), JournalError>, Records);

/// A batch on its way into the journal.
pub(super) struct Writing {
    pub(super) append: Pin<Box<dyn Future<Output = Written> + Send>>,
    pub(super) batch: Batch,
    /// How many of its records are transitions; those of incoming events follow.
    pub(super) transitions: usize,
}

/// Waits for a batch; for ever when there is none.
pub(super) async fn recorded(writing: Option<&mut Writing>) -> Written {
    match writing {
        Some(writing) => (&mut writing.append).await,
        None => std::future::pending().await,
    }
}
