//! `layout: projects`: an event for each project that changed, without values.

use std::collections::BTreeMap;
use std::time::Duration;

use herald_core::param::Params;
use herald_core::trigger::{Activator, ComponentError};
use herald_etcd::{
    ChangeAction, EtcdError, FollowMode, FollowSettings, FollowStep, KeyChange, KeyRange, ListReason,
    PrefixFollower, ProjectKeys, ProjectLayout, RangeQuery, WatchEvent, shown_key,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::beginning::Beginning;
use super::given::{AtStart, EtcdOptions};
use crate::connections::EtcdConnection;
use crate::standings::ProjectState;

/// The longest time for which a project that keeps changing is not announced.
const LONGEST_SETTLE: Duration = Duration::from_secs(2);
/// The changes that an event lists.
const LISTED: usize = 100;
/// How long to wait when an event could not be recorded.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// Before a project whose publication failed is announced again: doubled each time, up to the second.
const AGAIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(1));
/// When nothing is due.
const LONG: Duration = Duration::from_hours(24);

/// Fires for each project that changed.
pub struct ProjectsFollower {
    connection: EtcdConnection,
    given: EtcdOptions,
    layout: ProjectLayout,
    beginning: Beginning,
}

/// Why a project is announced; the greatest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum AnnounceReason {
    Resync,
    Change,
    Start,
    Force,
}

impl AnnounceReason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Resync => "resync",
            Self::Change => "change",
            Self::Start => "start",
            Self::Force => "force",
        }
    }
}

/// A project that is to be announced.
struct PendingProject {
    reason: AnnounceReason,
    /// When it was noticed first, and last.
    since: Instant,
    last: Instant,
    revision: i64,
    count: usize,
    changes: Vec<Value>,
}

/// A project that was announced.
#[derive(Default)]
struct AnnouncedProject {
    /// It must be forced until it was published.
    forced: bool,
    reason: Option<AnnounceReason>,
    revision: i64,
    /// When it is announced again, since its publication failed.
    again: Option<Instant>,
    wait: Option<Duration>,
}

/// The state of the trigger while it runs.
struct ProjectFeed<'a> {
    trigger: &'a ProjectsFollower,
    pending: BTreeMap<ProjectKeys, PendingProject>,
    announced: BTreeMap<ProjectKeys, AnnouncedProject>,
    /// Whether a key that is not of a project was logged.
    named_other: bool,
}

impl ProjectsFollower {
    /// Of the projects of this host, or of this machine.
    #[must_use]
    pub fn new(connection: EtcdConnection, given: EtcdOptions) -> Self {
        let host = given.host.clone().unwrap_or_else(host_name);
        Self {
            connection,
            layout: ProjectLayout::new(&given.prefix, &host),
            given,
            beginning: Beginning::default(),
        }
    }

    /// Notes where it begins: what changes from now on is announced, also where what exists is not.
    pub async fn begin(&self) {
        self.beginning.note(&self.connection, &self.layout.range()).await;
    }

    /// Fires until it is dropped.
    ///
    /// # Errors
    /// The task that follows etcd has failed.
    pub async fn follow(&self, activator: &Activator) -> Result<(), ComponentError> {
        let settings = FollowSettings {
            range: self.layout.range(),
            mode: FollowMode::State,
            list_at: self.beginning.take(),
            resync: self.given.resync,
        };
        let mut follower = PrefixFollower::start(&self.connection.client, settings);
        let mut feed = ProjectFeed {
            trigger: self,
            pending: BTreeMap::new(),
            announced: BTreeMap::new(),
            named_other: false,
        };
        let mut standings = self.connection.standings.watch();
        let mut compared = tokio::time::interval(self.given.resync);
        compared.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        compared.reset();
        loop {
            let due = feed.due(Instant::now() + LONG);
            tokio::select! {
                step = follower.next_step() => match step {
                    Some(step) => feed.take(step).await,
                    None => return Err(ComponentError::new("the task that follows etcd has failed")),
                },
                () = tokio::time::sleep_until(due) => feed.announce_due(activator).await,
                // It ends with the connection, which this trigger holds.
                _ = standings.changed() => feed.look_at_standings(),
                _ = compared.tick() => self.connection.standings.compare_disk(),
            }
        }
    }

    /// The project of this name (`PROJECT`, or `HOST/PROJECT`) if etcd has keys of it below the prefix.
    ///
    /// # Errors
    /// When etcd cannot be asked.
    pub async fn project(&self, name: &str) -> Result<Option<ProjectKeys>, EtcdError> {
        let own_host = name.strip_prefix(self.layout.host.as_str()).and_then(|rest| rest.strip_prefix('/'));
        let name = own_host.unwrap_or(name);
        if name.is_empty() || name.contains('/') {
            return Ok(None);
        }
        let project = self.layout.project(name);
        let mut pages = self.connection.client.pages(RangeQuery::keys_only(project.range()));
        while let Some(page) = pages.next_page().await? {
            if page.keys.iter().any(|key| self.layout.split(&key.key).is_some()) {
                return Ok(Some(project));
            }
        }
        Ok(None)
    }

    /// A name of this host under which there are keys, while there are none under the configured one.
    async fn other_name(&self) -> Option<String> {
        let host = &self.layout.host;
        let other = match host.split_once('.') {
            Some((short, _)) => format!("{}/{short}/", self.layout.prefix),
            None => format!("{}/{host}.", self.layout.prefix),
        };
        let query = RangeQuery::keys_only(KeyRange::prefix(other.into_bytes()));
        let page = self.connection.client.pages(query).next_page().await.ok().flatten()?;
        let key = page.keys.first()?;
        let below = key.key.get(self.layout.prefix.len() + 1..)?;
        let name = below.split(|byte| *byte == b'/').next()?;
        Some(String::from_utf8_lossy(name).into_owned())
    }
}

/// The name of this machine as it is, dots and case included.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

impl ProjectFeed<'_> {
    async fn take(&mut self, step: FollowStep) {
        match step {
            FollowStep::Listed { reason: ListReason::First, changes, point, .. } => {
                self.first(changes, point.revision).await;
            }
            FollowStep::Reached { .. } => {}
            FollowStep::Listed { changes, .. } => {
                changes.into_iter().for_each(|change| self.changed(&change, AnnounceReason::Resync));
            }
            FollowStep::Changed { events, .. } => {
                for WatchEvent { key, deleted, .. } in events {
                    let action = if deleted { ChangeAction::Delete } else { ChangeAction::Put };
                    let change = KeyChange { key: key.key, action, revision: key.mod_revision };
                    self.changed(&change, AnnounceReason::Change);
                }
            }
        }
    }

    /// What exists at the start. A project of the ledger whose keys are gone is announced, too.
    async fn first(&mut self, changes: Vec<KeyChange>, revision: i64) {
        let (trigger, layout) = (self.trigger, &self.trigger.layout);
        if changes.is_empty()
            && let Some(other) = trigger.other_name().await
        {
            tracing::warn!(
                etcd = trigger.given.etcd,
                "there are no keys of the host \"{}\", but of \"{other}\"; set `host` to that if it is meant",
                layout.host
            );
        }
        let reason = match trigger.given.at_start {
            AtStart::None => return,
            AtStart::Force => AnnounceReason::Force,
            AtStart::Sync => AnnounceReason::Start,
        };
        changes.iter().for_each(|change| self.changed(change, reason));
        for (project, _) in trigger.connection.standings.all() {
            if project.layout == *layout && !self.pending.contains_key(&project) {
                self.pending.insert(project, PendingProject::new(reason, revision));
            }
        }
        if reason == AnnounceReason::Force {
            for project in self.pending.keys() {
                self.announced.entry(project.clone()).or_default().forced = true;
            }
        }
    }

    fn changed(&mut self, change: &KeyChange, reason: AnnounceReason) {
        let Some((project, file)) = self.trigger.layout.split(&change.key) else {
            if !std::mem::replace(&mut self.named_other, true) {
                let key = shown_key(&change.key);
                tracing::info!(
                    etcd = self.trigger.given.etcd,
                    "keys that are not of a project are ignored, as {key}"
                );
            }
            return;
        };
        let pending = self.pending.entry(project).or_insert_with(|| PendingProject::new(reason, 0));
        pending.reason = pending.reason.max(reason);
        pending.last = Instant::now();
        pending.revision = pending.revision.max(change.revision);
        pending.count += 1;
        if pending.changes.len() < LISTED {
            let action = match change.action {
                ChangeAction::Put => "put",
                ChangeAction::Delete => "delete",
            };
            let file = String::from_utf8_lossy(file);
            pending.changes.push(json!({"file": file, "action": action, "revision": change.revision}));
        }
    }

    /// When something is to be announced.
    fn due(&self, otherwise: Instant) -> Instant {
        let settle = self.trigger.given.settle;
        let pending = self.pending.values().map(|pending| pending.due(settle));
        let again = self.announced.values().filter_map(|announced| announced.again);
        pending.chain(again).min().unwrap_or(otherwise)
    }

    /// Looks at how the announced projects are: those whose publication failed and may work later are due again.
    fn look_at_standings(&mut self) {
        for (project, announced) in &mut self.announced {
            let Some(standing) = self.trigger.connection.standings.of(project) else { continue };
            match standing.state {
                ProjectState::Failed if standing.passes => {
                    if announced.again.is_none() {
                        let wait = announced.wait.map_or(AGAIN.0, |wait| (wait * 2).min(AGAIN.1));
                        announced.wait = Some(wait);
                        announced.again = Some(Instant::now() + wait);
                    }
                }
                ProjectState::Pending | ProjectState::Publishing => {}
                ProjectState::InSync | ProjectState::Drifted | ProjectState::Held | ProjectState::Failed => {
                    announced.again = None;
                    announced.wait = None;
                }
            }
            announced.forced = announced.forced && !standing.published;
        }
    }

    /// Announces everything that is due.
    async fn announce_due(&mut self, activator: &Activator) {
        let (now, settle) = (Instant::now(), self.trigger.given.settle);
        for (project, announced) in &mut self.announced {
            if announced.again.is_some_and(|again| again <= now) {
                announced.again = None;
                let reason = announced.reason.unwrap_or(AnnounceReason::Resync);
                let again = PendingProject::new(reason, announced.revision);
                self.pending.entry(project.clone()).or_insert(again);
            }
        }
        let due: Vec<ProjectKeys> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.due(settle) <= now)
            .map(|(project, _)| project.clone())
            .collect();
        for project in due {
            let Some(pending) = self.pending.remove(&project) else { continue };
            self.announce(activator, project, pending).await;
        }
    }

    async fn announce(&mut self, activator: &Activator, project: ProjectKeys, pending: PendingProject) {
        let announced = self.announced.entry(project.clone()).or_default();
        let standing = self.trigger.connection.standings.of(&project);
        // Where nobody reports what is published, the first event is forced, and no other.
        let forced = announced.forced;
        announced.forced = forced && standing.is_some_and(|standing| !standing.published);
        announced.revision = announced.revision.max(pending.revision);
        let reason = if forced { AnnounceReason::Force } else { pending.reason };
        announced.reason = Some(reason);
        let params = pending.params(self.trigger, &project, reason);
        while let Err(refused) = activator.activate_when_ready(params.clone()).await {
            tracing::warn!(trigger = activator.trigger(), "could not fire: {refused}");
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }
}

impl PendingProject {
    fn new(reason: AnnounceReason, revision: i64) -> Self {
        let now = Instant::now();
        Self { reason, since: now, last: now, revision, count: 0, changes: Vec::new() }
    }

    fn due(&self, settle: Duration) -> Instant {
        (self.last + settle).min(self.since + LONGEST_SETTLE)
    }

    fn params(self, trigger: &ProjectsFollower, project: &ProjectKeys, reason: AnnounceReason) -> Params {
        let fields = [
            ("etcd", Value::from(trigger.given.etcd.as_str())),
            ("prefix", Value::from(project.layout.prefix.as_str())),
            ("host", Value::from(project.layout.host.as_str())),
            ("project", Value::from(project.project.as_str())),
            ("reason", Value::from(reason.as_str())),
            ("revision", Value::from(self.revision)),
            ("count", Value::from(self.count)),
            ("changes", Value::from(self.changes)),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
