//! Lists, watches, and lists again when a watch cannot be believed.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::known::KnownRange;
use super::probe::{ProbeFinding, WatchProbe, WatchProgress};
use super::step::{ChangeAction, FollowMode, FollowSettings, FollowStep, ListReason};
use crate::backoff::Backoff;
use crate::client::{EndpointIndex, EtcdClient, RangeQuery, Snapshot};
use crate::error::EtcdError;
use crate::history::{HistoryBreak, HistoryPoint};
use crate::key::KeyValue;
use crate::watch::{EtcdWatch, WatchBatch, WatchEnd, WatchRequest};

/// The most bytes of keys of one range.
const MAX_KEYS: usize = 256 << 20;

/// How often a position is reported while nothing changes.
const REACHED_EVERY: Duration = Duration::from_secs(60);

/// Nobody takes steps any more.
struct Closed;

/// Why a watch was left.
enum WatchLeft {
    /// It is time to compare.
    Due,
    /// It ended, or etcd could not be used.
    Failed(EtcdError),
    /// Changes are missing. Why, for people.
    Gap(String),
    /// The store is another one. Why, for people.
    OtherHistory(String),
}

pub(super) struct FollowTask {
    client: EtcdClient,
    settings: FollowSettings,
    steps: mpsc::Sender<FollowStep>,
    known: KnownRange,
    /// Why the next list is reported. `None`: only when it does not fit.
    due: Option<ListReason>,
    /// Where the first list is read, until it was.
    list_at: Option<HistoryPoint>,
}

impl FollowTask {
    pub(super) fn new(client: EtcdClient, settings: FollowSettings, steps: mpsc::Sender<FollowStep>) -> Self {
        let (known, due) = match settings.mode {
            FollowMode::Events { since: Some(since) } => (KnownRange::since(since), None),
            FollowMode::Events { since: None } | FollowMode::State => {
                (KnownRange::default(), Some(ListReason::First))
            }
        };
        let list_at = settings.list_at.filter(|_| due.is_some());
        Self { client, settings, steps, known, due, list_at }
    }

    fn is_state(&self) -> bool {
        self.settings.mode == FollowMode::State
    }

    /// Ends when nobody takes steps any more.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let began = Instant::now();
            let left = match self.list_and_watch().await {
                Ok(left) => left,
                Err(Closed) => return,
            };
            let error = match left {
                WatchLeft::Due => {
                    if self.is_state() {
                        self.due.get_or_insert(ListReason::Compared);
                    }
                    continue;
                }
                WatchLeft::Gap(why) => {
                    tracing::warn!(
                        etcd = self.client.name(),
                        "etcd: changes are missing, reading all keys: {why}"
                    );
                    self.due = Some(ListReason::Gap(why));
                    continue;
                }
                WatchLeft::OtherHistory(why) => {
                    self.due = Some(ListReason::OtherHistory(why));
                    continue;
                }
                WatchLeft::Failed(error) => error,
            };
            if self.is_state() {
                self.due.get_or_insert(ListReason::Compared);
            }
            let connection = &self.client.gateway.connection;
            connection.failed(&error);
            if !error.is_of_connection() {
                connection.range_refused(&self.settings.range.start, &error);
            }
            // One that lasted had worked.
            if began.elapsed() > self.client.settings().timeout * 2 {
                backoff.reset();
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    /// One list and one watch.
    async fn list_and_watch(&mut self) -> Result<WatchLeft, Closed> {
        let snapshot = match self.list().await {
            Ok(snapshot) => snapshot,
            Err(left) => return Ok(left),
        };
        // The watch and its probe stay at one member.
        let at = self.client.gateway.endpoints.current();
        let point = snapshot.point;
        let other_history = match self.history_break(&point, &snapshot.keys).await {
            Ok(found) => found,
            Err(error) => return Ok(WatchLeft::Failed(error)),
        };
        if let Some(found) = &other_history {
            tracing::warn!(etcd = self.client.name(), "{found}");
            self.due = Some(ListReason::OtherHistory(found.to_string()));
        }
        let from = match self.due.take() {
            Some(reason) => {
                let listed = HistoryPoint { revision: snapshot.revision, ..point };
                self.report_list(reason, listed, snapshot.keys).await?;
                listed.revision + 1
            }
            None => {
                self.known.learn(&point, snapshot.keys);
                self.known.point().revision + 1
            }
        };
        let request = WatchRequest { range: &self.settings.range, from, previous: !self.is_state() };
        let opened = self.client.watch_at(at, &request).await;
        match opened {
            Ok(watch) => {
                self.client.gateway.connection.range_works(&self.settings.range.start);
                self.watch(watch, at, point).await
            }
            Err(WatchEnd::Compacted { revision }) => Ok(gap_of_compaction(revision)),
            Err(WatchEnd::Failed(error)) => {
                self.leave(at, &error);
                Ok(WatchLeft::Failed(error))
            }
        }
    }

    /// All keys, now; the first time as they were where that is to begin.
    async fn list(&mut self) -> Result<Snapshot, WatchLeft> {
        let query = RangeQuery::keys_only(self.settings.range.clone());
        let Some(at) = self.list_at else {
            return self.client.range(query, MAX_KEYS).await.map_err(WatchLeft::Failed);
        };
        let now = self.client.point(&self.settings.range).await.map_err(WatchLeft::Failed)?;
        if let Some(found) = at.break_before(&now) {
            self.list_at = None;
            return Err(WatchLeft::OtherHistory(found.to_string()));
        }
        let query = RangeQuery { revision: Some(at.revision), ..query };
        let listed = self.client.range(query, MAX_KEYS).await;
        match listed {
            Err(EtcdError::Compacted { .. }) => {
                self.list_at = None;
                Err(WatchLeft::Gap(format!("etcd has compacted its changes since revision {}", at.revision)))
            }
            Err(error) => Err(WatchLeft::Failed(error)),
            Ok(snapshot) => {
                self.list_at = None;
                Ok(snapshot)
            }
        }
    }

    /// Why this list is not of the history that was seen, if so.
    async fn history_break(
        &self,
        point: &HistoryPoint,
        keys: &[KeyValue],
    ) -> Result<Option<HistoryBreak>, EtcdError> {
        match self.known.seen() {
            Some(seen) => self.client.history_break(seen, point, keys).await,
            None => Ok(self.known.point().break_before(point)),
        }
    }

    async fn report_list(
        &mut self,
        reason: ListReason,
        point: HistoryPoint,
        keys: Vec<KeyValue>,
    ) -> Result<(), Closed> {
        let from = self.known.point().revision;
        // Of another history nothing is known.
        if matches!(reason, ListReason::OtherHistory(_)) && !self.is_state() {
            self.known = KnownRange::default();
        }
        let mut changes = self.known.changes(point.revision, &keys);
        if !self.is_state() {
            changes.retain(|change| change.action == ChangeAction::Put);
        }
        self.known.replace(point, keys);
        self.send(FollowStep::Listed { reason, from, point, changes }).await
    }

    async fn send(&self, step: FollowStep) -> Result<(), Closed> {
        self.steps.send(step).await.map_err(|_| Closed)
    }

    /// Shows what a watch shows, until it must be left.
    async fn watch(
        &mut self,
        watch: EtcdWatch,
        at: EndpointIndex,
        began: HistoryPoint,
    ) -> Result<WatchLeft, Closed> {
        let progress = WatchProgress::default();
        progress.set(self.known.point().revision, self.known.count());
        let left = self.watch_until_left(watch, at, began, &progress).await?;
        self.reached(&progress).await?;
        Ok(left)
    }

    async fn watch_until_left(
        &mut self,
        mut watch: EtcdWatch,
        at: EndpointIndex,
        began: HistoryPoint,
        progress: &WatchProgress,
    ) -> Result<WatchLeft, Closed> {
        let (client, range) = (self.client.clone(), self.settings.range.clone());
        let probe = WatchProbe { client: &client, at, range: &range, progress, began };
        let mut probe = pin!(probe.run());
        let mut due = pin!(tokio::time::sleep(self.settings.resync));
        let mut reached = tokio::time::interval(REACHED_EVERY);
        loop {
            let batch = tokio::select! {
                batch = watch.next_batch() => batch,
                finding = &mut probe => return Ok(self.probed(at, finding)),
                () = &mut due => return Ok(WatchLeft::Due),
                _ = reached.tick() => {
                    self.reached(progress).await?;
                    continue;
                }
                () = self.steps.closed() => return Err(Closed),
            };
            match batch {
                Ok(batch) => {
                    self.deliver(batch).await?;
                    progress.set(self.known.point().revision, self.known.count());
                }
                Err(WatchEnd::Compacted { revision }) => return Ok(gap_of_compaction(revision)),
                Err(WatchEnd::Failed(error)) => {
                    self.leave(at, &error);
                    return Ok(WatchLeft::Failed(error));
                }
            }
        }
    }

    /// Notes up to where nothing is missing.
    async fn reached(&mut self, progress: &WatchProgress) -> Result<(), Closed> {
        if self.known.advance(progress.proven()) && !self.is_state() {
            return self.send(FollowStep::Reached { point: self.known.point() }).await;
        }
        Ok(())
    }

    async fn deliver(&mut self, batch: WatchBatch) -> Result<(), Closed> {
        self.known.apply(&batch.events);
        let point = self.known.point();
        self.send(FollowStep::Changed { point, events: batch.events }).await
    }

    fn probed(&self, at: EndpointIndex, finding: ProbeFinding) -> WatchLeft {
        match finding {
            ProbeFinding::OtherHistory(found) => WatchLeft::OtherHistory(found.to_string()),
            ProbeFinding::Silent(error) => {
                self.client.gateway.endpoints.leave(at);
                WatchLeft::Failed(error)
            }
            ProbeFinding::Missed => {
                self.client.gateway.endpoints.leave(at);
                WatchLeft::Gap("the watch did not show a change that etcd has".to_owned())
            }
        }
    }

    fn leave(&self, at: EndpointIndex, error: &EtcdError) {
        if error.passes_elsewhere() {
            self.client.gateway.endpoints.leave(at);
        }
    }
}

impl Drop for FollowTask {
    fn drop(&mut self) {
        self.client.gateway.connection.range_works(&self.settings.range.start);
    }
}

fn gap_of_compaction(revision: i64) -> WatchLeft {
    WatchLeft::Gap(format!("etcd has compacted its changes up to revision {revision}"))
}
