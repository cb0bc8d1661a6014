//! A job that lives, as the dispatcher knows it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::origin::Origin;
use super::timer::Tick;
use super::turns::RouterLine;
use crate::component::executor::{Executor, Stop};
use crate::event::activation::Name;
use crate::event::actor::Actor;
use crate::job::Job;
use crate::job::lifecycle::State;
use crate::job::policy::Policy;
use crate::value::param::{Params, value_key};
use crate::value::secret::Mask;

/// A job that lives.
pub(super) struct Entry {
    /// The job, with the number of its attempt, or of the next one.
    pub(super) job: Arc<Job>,
    pub(super) state: State,
    pub(super) executor: Arc<dyn Executor>,
    /// What hides its secrets.
    pub(super) mask: Arc<Mask>,
    pub(super) policy: Arc<Policy>,
    /// The pool that it shares, when its policy speaks of one.
    pub(super) pool: Option<Name>,
    /// See [`Self::stop`].
    pub(super) stop: OnceLock<Stop>,
    /// Rough bytes of its parameters.
    pub(super) size: usize,
    pub(super) place: Place,
    /// Whether it has a place in its pool.
    pub(super) holds_place: bool,
    /// An earlier process started this attempt: it is resumed, not started.
    pub(super) resumed: bool,
    /// Why it cannot be run at all.
    pub(super) broken: Option<String>,
    /// How long it is going to wait for its next attempt.
    pub(super) retry_wait: Option<Duration>,
    /// When it was created.
    pub(super) queued_at: Timestamp,
    /// When its latest attempt started.
    pub(super) started_at: Option<Timestamp>,
    /// How many attempts were started.
    pub(super) attempts: u32,
    /// Who wants it to end, where that is known.
    pub(super) cancelled_by: Option<Arc<Actor>>,
    /// What its earlier attempts gave, secrets hidden, where its executor goes on from there.
    pub(super) earlier: Option<Arc<Params>>,
    /// Why it is lost, however it ends, if so.
    pub(super) lost: Option<String>,
    /// Once it has ended: how many jobs of its task failed in a row before.
    pub(super) failures_before: u64,
}

/// Where a job is to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In none of the queues.
    Nowhere,
    /// In the lane of its executor: only `max_jobs` keeps it.
    Lane,
    /// Its pool is full.
    Pool,
    /// Its time has not come.
    Timer(Tick),
    /// Its debounce is not over.
    Debounce(Tick),
    /// It runs.
    Running,
}

/// A job as another module makes it.
pub(super) struct NewEntry {
    pub(super) job: Job,
    pub(super) executor: Arc<dyn Executor>,
    pub(super) mask: Arc<Mask>,
    pub(super) policy: Arc<Policy>,
    pub(super) state: State,
    pub(super) queued_at: Timestamp,
}

impl Entry {
    /// Whether its executor is done with it at once, and without an effect.
    pub(super) fn is_over_at_once(&self) -> bool {
        self.executor.is_instant() && !self.resumed && self.broken.is_none()
    }

    pub(super) fn new(new: NewEntry) -> Self {
        let NewEntry { job, executor, mask, policy, state, queued_at } = new;
        Self {
            pool: pool_of(&policy, &job),
            size: job.trigger_param.size(),
            job: Arc::new(job),
            state,
            executor,
            mask,
            policy,
            stop: OnceLock::new(),
            place: Place::Nowhere,
            holds_place: false,
            resumed: false,
            broken: None,
            retry_wait: None,
            queued_at,
            started_at: None,
            attempts: 0,
            cancelled_by: None,
            earlier: None,
            lost: None,
            failures_before: 0,
        }
    }

    /// What asks this attempt to end, made when it is first needed: most attempts that are over at once never do.
    pub(super) fn stop(&self) -> &Stop {
        self.stop.get_or_init(Stop::new)
    }

    pub(super) fn origin(&self) -> Origin {
        Origin::of(self.job.chain_depth)
    }

    /// Where it waits for its turn.
    pub(super) fn line(&self) -> RouterLine {
        RouterLine { router: self.job.router.clone(), from: self.origin() }
    }
}

/// The pool that a job of this policy belongs to, if it speaks of one. It is not recorded: each start names it
/// again.
fn pool_of(policy: &Policy, job: &Job) -> Option<Name> {
    let value = match (&policy.concurrency, policy.debounce) {
        (None, None) => return None,
        (None, Some(_)) => Value::Null,
        (Some(concurrency), _) => concurrency.pool(job),
    };
    Some(Name::from(format!("{}\0{}\0{}", job.router, job.task, value_key(&value))))
}
