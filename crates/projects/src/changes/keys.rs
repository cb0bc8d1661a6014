//! `layout: keys`: an event for each change, in order; the position is recorded with each.

use std::time::Duration;

use herald_core::activation::Name;
use herald_core::param::Params;
use herald_core::position::{Cursor, Position};
use herald_core::trigger::{Activator, ComponentError};
use herald_etcd::{
    EtcdError, FollowMode, FollowSettings, FollowStep, HistoryPoint, KeyChange, KeyRange, KeyValue,
    KeysPhase, KeysPosition, ListReason, PrefixFollower, WatchEvent,
};
use serde_json::{Value, json};

use super::beginning::Beginning;
use super::given::{AtStart, EtcdOptions};
use super::values::{insert_key, insert_value};
use crate::connections::EtcdConnection;

/// How long to wait when an event could not be recorded, or a value not be read.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// Fires for each change of a key.
pub struct KeysFollower {
    connection: EtcdConnection,
    given: EtcdOptions,
    beginning: Beginning,
}

/// How far it is.
struct KeysFeed<'a> {
    trigger: &'a KeysFollower,
    activator: &'a Activator,
    source: Name,
    /// Counts the histories of the store.
    epoch: u32,
    /// Where an earlier process ended, as long as that matters.
    resumed: Option<KeysPosition>,
}

impl KeysFollower {
    /// Of the keys below a prefix.
    #[must_use]
    pub fn new(connection: EtcdConnection, given: EtcdOptions) -> Self {
        Self { connection, given, beginning: Beginning::default() }
    }

    /// Records where it begins, where no earlier process did: what changes from now on is an event of its own.
    pub async fn begin(&self, activator: &Activator) {
        let resumed = self.resumed(activator).await;
        let forced = self.given.at_start == AtStart::Force;
        if resumed.is_some() && !forced {
            return;
        }
        let Some(point) = self.beginning.note(&self.connection, &self.range()).await else { return };
        let phase = match self.given.at_start {
            AtStart::Force => return,
            AtStart::Sync => KeysPhase::Listing(Vec::new()),
            AtStart::None => KeysPhase::Complete,
        };
        let position = KeysPosition { epoch: 0, point, phase };
        activator.reach_recorded(cursor(self.source(activator), position)).await;
    }

    fn range(&self) -> KeyRange {
        KeyRange::prefix(self.given.prefix.as_bytes())
    }

    fn source(&self, activator: &Activator) -> Name {
        format!("{}\0etcd\0{}\0{}", activator.trigger(), self.given.etcd, self.given.prefix).into()
    }

    /// Where an earlier process ended, or this one began.
    async fn resumed(&self, activator: &Activator) -> Option<KeysPosition> {
        let reached = activator.reached(&self.source(activator)).await;
        reached.and_then(|position| KeysPosition::decode(position.as_bytes()))
    }

    /// Fires until it is dropped.
    ///
    /// # Errors
    /// The task that follows etcd has failed.
    pub async fn follow(&self, activator: &Activator) -> Result<(), ComponentError> {
        let source = self.source(activator);
        let resumed = self.resumed(activator).await;
        let epoch = resumed.as_ref().map_or(0, |position| position.epoch);
        let begun = self.beginning.take();
        let (since, list_at) = match (&resumed, self.given.at_start) {
            (None, _) | (_, AtStart::Force) => (None, begun),
            (Some(KeysPosition { phase: KeysPhase::Listing(_), point, .. }), _) => (None, Some(*point)),
            (Some(KeysPosition { phase: KeysPhase::Complete, point, .. }), _) => (Some(*point), None),
            // The rest of that revision is still to come.
            (Some(KeysPosition { phase: KeysPhase::Within(_), point, .. }), _) => {
                (Some(HistoryPoint { revision: point.revision - 1, ..*point }), None)
            }
        };
        let settings = FollowSettings {
            range: self.range(),
            mode: FollowMode::Events { since },
            list_at,
            resync: self.given.resync,
        };
        let mut follower = PrefixFollower::start(&self.connection.client, settings);
        let mut feed = KeysFeed { trigger: self, activator, source, epoch, resumed };
        while let Some(step) = follower.next_step().await {
            match step {
                FollowStep::Listed {
                    reason: ListReason::First | ListReason::Compared,
                    point,
                    changes,
                    ..
                } => {
                    feed.first(point, changes).await;
                }
                FollowStep::Listed { reason, from, point, changes } => {
                    feed.gap(&reason, from, point, changes).await;
                }
                FollowStep::Changed { point, events } => feed.changed(point, events).await,
                FollowStep::Reached { point } => {
                    activator.reach(feed.cursor(point, KeysPhase::Complete)).await
                }
            }
        }
        Err(ComponentError::new("the task that follows etcd has failed"))
    }
}

fn cursor(source: Name, position: KeysPosition) -> Cursor {
    Cursor { source, position: Position::from_bytes(position.encode()) }
}

impl KeysFeed<'_> {
    fn cursor(&self, point: HistoryPoint, phase: KeysPhase) -> Cursor {
        cursor(self.source.clone(), KeysPosition { epoch: self.epoch, point, phase })
    }

    /// Hands an event on; tries until it is recorded.
    async fn deliver(&self, params: Params, cursor: Option<Cursor>) {
        loop {
            let fired = match &cursor {
                Some(cursor) => self.activator.activate_at(params.clone(), cursor.clone(), None).await,
                None => self.activator.activate_when_ready(params.clone()).await,
            };
            let Err(refused) = fired else { return };
            tracing::warn!(trigger = self.activator.trigger(), "could not fire: {refused}");
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }

    fn params(&self, action: &str, reason: &str, revision: i64) -> Params {
        let given = &self.trigger.given;
        let fields = [
            ("etcd", Value::from(given.etcd.as_str())),
            ("prefix", Value::from(given.prefix.as_str())),
            ("action", Value::from(action)),
            ("reason", Value::from(reason)),
            ("revision", Value::from(revision)),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn put(&self, key: KeyValue, reason: &str) -> Params {
        let mut params = self.params("put", reason, key.mod_revision);
        insert_key(&mut params, &key.key, &self.trigger.given.prefix);
        insert_value(&mut params, "value", key.value);
        params
    }

    /// The value that a key had at this revision, or has now when that is compacted. `None`: it is deleted.
    async fn value(&self, key: &[u8], revision: i64) -> Option<KeyValue> {
        let client = &self.trigger.connection.client;
        loop {
            let read = match client.get(key, Some(revision)).await {
                Err(EtcdError::Compacted { .. }) => client.get(key, None).await,
                read => read,
            };
            match read {
                Ok(found) => return found,
                Err(error) => tracing::debug!(etcd = client.name(), "a key could not be read: {error}"),
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }

    /// What existed when it began, in the order of the keys. A start that was cut off goes on after its last key.
    async fn first(&mut self, point: HistoryPoint, mut changes: Vec<KeyChange>) {
        let reason = match self.trigger.given.at_start {
            AtStart::None => None,
            AtStart::Force => Some("force"),
            AtStart::Sync => Some("start"),
        };
        let begun = self.begun_list().filter(|_| reason != Some("force"));
        let (after, listed) = begun.unwrap_or((Vec::new(), point));
        changes.sort_by(|one, other| one.key.cmp(&other.key));
        for change in changes.iter().filter(|change| reason.is_some() && is_after(&change.key, &after)) {
            let Some(key) = self.value(&change.key, point.revision).await else { continue };
            let params = self.put(key, reason.unwrap_or_default());
            let phase = KeysPhase::Listing(change.key.clone());
            let keeps_position = reason == Some("start");
            self.deliver(params, keeps_position.then(|| self.cursor(listed, phase))).await;
        }
        self.activator.reach(self.cursor(point, KeysPhase::Complete)).await;
    }

    /// The list that an earlier process began, or whose point is recorded: its last key, and that point.
    fn begun_list(&mut self) -> Option<(Vec<u8>, HistoryPoint)> {
        match self.resumed.take() {
            Some(KeysPosition { phase: KeysPhase::Listing(after), point, .. }) => Some((after, point)),
            _ => None,
        }
    }

    /// What is not as it was, after changes that are missing. When this is cut off, it begins from the start.
    async fn gap(&mut self, reason: &ListReason, from: i64, point: HistoryPoint, changes: Vec<KeyChange>) {
        let begun = self.begun_list();
        let from = begun.as_ref().map_or(from, |(_, point)| point.revision.max(from));
        let (why, begun) = match reason {
            ListReason::OtherHistory(why) => {
                self.epoch = self.epoch.saturating_add(1);
                (why.as_str(), None)
            }
            ListReason::Gap(why) => (why.as_str(), begun),
            ListReason::First | ListReason::Compared => ("", begun),
        };
        // What the list had delivered before changes were missing, and what did not change since.
        let is_delivered = |change: &KeyChange| {
            let (after, point) = begun.as_ref()?;
            Some(!is_after(&change.key, after) && change.revision <= point.revision)
        };
        for change in changes {
            if is_delivered(&change) == Some(true) {
                continue;
            }
            if let Some(key) = self.value(&change.key, point.revision).await {
                self.deliver(self.put(key, "resync"), None).await;
            }
        }
        let mut params = self.params("gap", "resync", point.revision);
        params.insert("from".to_owned(), json!(from));
        params.insert("to".to_owned(), json!(point.revision));
        params.insert("message".to_owned(), json!(why));
        self.deliver(params, Some(self.cursor(point, KeysPhase::Complete))).await;
    }

    /// Changes as they happened: whole revisions.
    async fn changed(&mut self, point: HistoryPoint, events: Vec<WatchEvent>) {
        let revisions: Vec<i64> = events.iter().map(|event| event.key.mod_revision).collect();
        let mut of_revision: u32 = 0;
        for (n, event) in events.into_iter().enumerate() {
            let revision = event.key.mod_revision;
            let begins = n == 0 || revisions[n - 1] != revision;
            of_revision = if begins { 1 } else { of_revision.saturating_add(1) };
            let is_last = revisions.get(n + 1) != Some(&revision);
            if self.is_delivered(revision, of_revision) {
                continue;
            }
            let phase = if is_last { KeysPhase::Complete } else { KeysPhase::Within(of_revision) };
            let cursor = self.cursor(HistoryPoint { revision, ..point }, phase);
            self.deliver(self.of_event(event), Some(cursor)).await;
        }
    }

    /// Whether an earlier process handed on this change of this revision.
    fn is_delivered(&self, revision: i64, number: u32) -> bool {
        match &self.resumed {
            Some(KeysPosition { phase: KeysPhase::Within(done), point, .. }) => {
                point.revision == revision && number <= *done
            }
            _ => false,
        }
    }

    fn of_event(&self, event: WatchEvent) -> Params {
        let WatchEvent { key, deleted, previous } = event;
        let mut params = match deleted {
            true => {
                let mut params = self.params("delete", "change", key.mod_revision);
                insert_key(&mut params, &key.key, &self.trigger.given.prefix);
                params
            }
            false => self.put(key, "change"),
        };
        if let Some(previous) = previous {
            insert_value(&mut params, "previous", previous.value);
        }
        params
    }
}

/// Whether a list in the order of keys has not come to this one; `after` is empty before the first.
fn is_after(key: &[u8], after: &[u8]) -> bool {
    after.is_empty() || key > after
}
