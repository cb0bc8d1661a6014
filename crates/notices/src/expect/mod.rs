//! Fires when something did not come for so long, and again when it came: a dead man's switch.
//!
//! Silence is counted while Herald runs: what comes from outside cannot come while it does not, and what is due then is
//! made up for afterwards. The count goes on after a restart, so that frequent ones do not hide a silence.

mod options;
mod silence;
#[cfg(test)]
mod tests;

use std::time::Duration;

use herald_base::unit;
use herald_core::activation::{Name, Refused};
use herald_core::arrivals::{Awaited, LastArrival};
use herald_core::context::Context;
use herald_core::param::Params;
use herald_core::position::Cursor;
use herald_core::spec::{OptionSpec, Options};
use herald_core::trigger::{Activator, CancellationToken, ComponentError};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use options::ExpectOptions;
use silence::Silence;

/// How often the count is recorded: so many times within the time that is allowed, and once a minute at least.
const RECORDS: u32 = 20;
const SELDOM: Duration = Duration::from_secs(60);
const OFTEN: Duration = Duration::from_secs(1);
/// How long to wait before an event is tried again that could not be recorded.
const AGAIN: Duration = Duration::from_secs(1);
/// How long the last record may take.
const LAST_RECORD: Duration = Duration::from_secs(2);

/// Waits for what should come.
pub struct ExpectedArrivals {
    awaited: Awaited,
    within: Duration,
}

impl ExpectedArrivals {
    /// The options of the trigger.
    #[must_use]
    pub fn options() -> Vec<OptionSpec> {
        options::options()
    }

    /// By checked options.
    ///
    /// # Errors
    /// What does not go together.
    pub fn new(options: &Options, context: &Context) -> Result<Self, ComponentError> {
        let ExpectOptions { awaited, within } = options::read(options, &context.component())?;
        Ok(Self { awaited, within })
    }

    /// Waits until `stop`.
    pub async fn run(&self, activator: &Activator, stop: &CancellationToken) {
        let mut watch = stop.run_until_cancelled(ArrivalWatch::begin(self, activator)).await;
        if let Some(watch) = &mut watch {
            stop.run_until_cancelled(watch.follow()).await;
            if !watch.is_firing {
                // The journal may be one that is stuck.
                let _ = timeout(LAST_RECORD, watch.record()).await;
            }
        }
    }

    /// Names what is awaited, whatever the time that is allowed.
    fn source(&self, activator: &Activator) -> Name {
        let (kind, name) = self.described();
        format!("{}: expect {kind} {name}", activator.trigger()).into()
    }

    fn described(&self) -> (&'static str, &str) {
        match &self.awaited {
            Awaited::Router(name) => ("router", name),
            Awaited::Trigger(name) => ("trigger", name),
        }
    }

    fn record_every(&self) -> Duration {
        (self.within / RECORDS).clamp(OFTEN, SELDOM)
    }
}

/// A silence that is watched.
struct ArrivalWatch<'a> {
    expected: &'a ExpectedArrivals,
    activator: &'a Activator,
    source: Name,
    arrivals: Option<LastArrival>,
    /// What came while nobody waited: when Herald started, or in the grace when it stopped.
    missed: Option<Timestamp>,
    silence: Silence,
    /// Until when it is counted.
    counted_until: Instant,
    /// When it was recorded last, and what.
    recorded_at: Timestamp,
    recorded: Silence,
    /// Whether an event is on its way that is not known to be accepted. If it is accepted, what it says is recorded
    /// with it; if not, the record from before remains, and the next start fires.
    is_firing: bool,
}

impl<'a> ArrivalWatch<'a> {
    async fn begin(expected: &'a ExpectedArrivals, activator: &'a Activator) -> Self {
        let mut arrivals = activator.arrivals(&expected.awaited);
        let source = expected.source(activator);
        let recorded = activator.reached(&source).await.as_ref().and_then(Silence::read);
        let now = activator.clock().now();
        let (recorded_at, silence) = recorded.unwrap_or_else(|| (now, Silence::from(now)));
        let came_last = arrivals.as_mut().and_then(|arrivals| *arrivals.borrow_and_update());
        let missed = came_last.filter(|at| *at > silence.last);
        let (counted_until, recorded, is_firing) = (Instant::now(), silence, false);
        Self {
            expected,
            activator,
            source,
            arrivals,
            missed,
            silence,
            counted_until,
            recorded_at,
            recorded,
            is_firing,
        }
    }

    async fn follow(&mut self) {
        if let Some(at) = self.missed.take() {
            self.came(at).await;
        }
        loop {
            let next = self.next_step();
            tokio::select! {
                biased;
                at = came(&mut self.arrivals) => self.came(at).await,
                () = wait(next) => self.step().await,
            }
        }
    }

    /// When there is something to do although nothing came. `None`: it is silent, and stays so until something comes.
    fn next_step(&self) -> Option<Duration> {
        let left = self.expected.within.saturating_sub(self.silence.counted);
        (!self.silence.is_silent).then(|| left.min(self.expected.record_every()))
    }

    async fn step(&mut self) {
        self.count();
        if self.silence.counted < self.expected.within {
            return self.record().await;
        }
        let since = self.silence.last;
        self.silence.is_silent = true;
        self.fire("silent", since, self.activator.clock().now()).await;
    }

    async fn came(&mut self, at: Timestamp) {
        let before = std::mem::replace(&mut self.silence, Silence::from(at));
        self.counted_until = Instant::now();
        if before.is_silent {
            self.fire("back", before.last, at).await;
        } else if self.recorded.counted > self.expected.record_every() || self.is_outdated(at) {
            // After a crash it would be silent too early, or since a time that is wrong.
            self.record().await;
        }
    }

    /// Whether what is recorded is about something that came long before this, although it comes often.
    fn is_outdated(&self, at: Timestamp) -> bool {
        let apart = Duration::try_from(at.duration_since(self.recorded.last));
        apart.is_ok_and(|apart| apart >= SELDOM)
    }

    fn count(&mut self) {
        let now = Instant::now();
        if !self.silence.is_silent {
            self.silence.counted = self.silence.counted.saturating_add(now - self.counted_until);
        }
        self.counted_until = now;
    }

    /// How far it is, later than all that was recorded before.
    fn cursor(&mut self) -> Cursor {
        let after = self.recorded_at.saturating_add(Duration::from_nanos(1)).unwrap_or(Timestamp::MAX);
        self.recorded_at = self.activator.clock().now().max(after);
        self.recorded = self.silence;
        Cursor { source: self.source.clone(), position: self.silence.position(self.recorded_at) }
    }

    async fn record(&mut self) {
        self.count();
        let cursor = self.cursor();
        self.activator.reach(cursor).await;
    }

    /// Fires, and records with the event that it did.
    async fn fire(&mut self, state: &str, since: Timestamp, at: Timestamp) {
        self.is_firing = true;
        let cursor = self.cursor();
        let params = self.params(state, since, at);
        self.submit(params, cursor).await;
        self.is_firing = false;
    }

    async fn submit(&self, params: Params, cursor: Cursor) {
        let mut is_logged = false;
        loop {
            let mut event = self.activator.event(params.clone());
            event.cursor = Some(cursor.clone());
            match self.activator.submit(event).await {
                Ok(_) => return,
                Err(Refused::Busy) => self.activator.ready().await,
                // This trigger is ended next.
                Err(Refused::Stopping) => std::future::pending().await,
                Err(refused) => {
                    if !std::mem::replace(&mut is_logged, true) {
                        let trigger = self.activator.trigger();
                        tracing::warn!(trigger, "could not fire, and tries again: {refused}");
                    }
                    sleep(AGAIN).await;
                }
            }
        }
    }

    fn params(&self, state: &str, since: Timestamp, at: Timestamp) -> Params {
        let (kind, name) = self.expected.described();
        let silent_for = Duration::try_from(at.duration_since(since)).unwrap_or_default();
        [
            ("state", state.to_owned()),
            ("kind", kind.to_owned()),
            ("name", name.to_owned()),
            ("since", time(since)),
            ("time", time(at)),
            ("silent_for", unit::text(Duration::from_secs(silent_for.as_secs()))),
            ("within", unit::text(self.expected.within)),
        ]
        .into_iter()
        .map(|(key, text)| (key.to_owned(), Value::String(text)))
        .collect()
    }
}

/// As `exe_done` has times.
fn time(at: Timestamp) -> String {
    let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
    format!("{at:.3}")
}

/// When it came.
async fn came(arrivals: &mut Option<LastArrival>) -> Timestamp {
    loop {
        let Some(receiver) = arrivals else { return std::future::pending().await };
        if receiver.changed().await.is_err() {
            // The dispatcher is gone.
            *arrivals = None;
        } else if let Some(at) = *receiver.borrow_and_update() {
            return at;
        }
    }
}

async fn wait(duration: Option<Duration>) {
    match duration {
        Some(duration) => sleep(duration).await,
        None => std::future::pending().await,
    }
}
