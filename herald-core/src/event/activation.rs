//! An activation: that something happened.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use herald_base::depth::TooDeep;
use jiff::Timestamp;

use crate::event::actor::Actor;
use crate::event::arrivals::{Awaited, LastArrival};
pub use crate::event::name::{Name, NameMap, NameSet, TaskMap};
use crate::event::position::{Cursor, Position};
use crate::event::trigger_param::TriggerParam;
use crate::event::watch::{EventProgress, Watch};
use crate::value::param::Params;

/// The internal trigger that fires for every finished job. Its name is reserved.
pub const EXE_DONE: &str = "exe_done";
/// The internal trigger that fires for nodes that come and go. Its name is reserved, too.
pub const NODE_STATE: &str = "node_state";
/// The internal trigger that fires for messages of a queue that became dead letters. Its name is reserved, too.
pub const QUEUE_DEAD: &str = "queue_dead";
/// The internal trigger that fires when messages were deleted before this node had read them. Its name is reserved,
/// too.
pub const QUEUE_GAP: &str = "queue_gap";
/// The internal trigger of deployments that people ask for: its routers `app:NAME` are always there. Its name is
/// reserved, too.
pub const APP: &str = "app:deploy";
/// The internal trigger that fires when what is live on a node no longer is what was deployed. Its name is reserved,
/// too.
pub const APP_STATE: &str = "app_state";
/// The internal trigger that fires when a deployment has ended. Its name is reserved, too.
pub const DEPLOYED: &str = "deployed";
/// The triggers that Herald itself activates.
pub const INTERNAL: [&str; 7] = [EXE_DONE, NODE_STATE, QUEUE_DEAD, QUEUE_GAP, APP, APP_STATE, DEPLOYED];
/// Where the `trigger_param` of an event says that it is lost, and why: [`NewEvent::lost`].
pub const LOST: &str = "_queue/lost";

/// Something happened: what a trigger hands to the dispatcher.
#[derive(Debug, Clone)]
pub struct Activation {
    /// Unique and ascending: a UUID of version 7. Scripts see it as `trigger_id`.
    pub event_id: Name,
    /// The trigger's name.
    pub trigger: Name,
    /// The parameters that the trigger gives.
    pub trigger_param: Arc<TriggerParam>,
    /// 0, or for `exe_done` one more than the job that ended.
    pub chain_depth: u32,
    /// Who or what caused it, where that is known; a chain inherits it.
    pub by: Option<Arc<Actor>>,
}

/// The name that its sender gave an event: one that was taken with the same name within the window is not taken again,
/// and the first one's id is the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Unique for all triggers: begins with the trigger's name. See [`Self::with_content`] and [`Self::or`].
    pub name: Name,
    /// How long it is remembered.
    pub window: Duration,
}

/// Ends the first name in [`Key::name`]; what follows is the second.
pub(crate) const NEXT: char = '\u{1f}';
/// Begins a second name that belongs to the first: the digest of the content.
const CONTENT: char = '=';

impl Key {
    /// This key for an event with this content: the same key with another content is [`Refused::OtherContent`].
    #[must_use]
    pub fn with_content(self, digest: &str) -> Self {
        Self { name: format!("{}{NEXT}{CONTENT}{digest}", self.name).into(), ..self }
    }

    /// This key and another name, either of which makes the event known. The other one covers the content: an event
    /// with this key alone is [`Refused::OtherContent`].
    #[must_use]
    pub fn or(self, other: &Name) -> Self {
        Self { name: format!("{}{NEXT}{other}", self.name).into(), ..self }
    }

    /// The names under which it is remembered, the first one first.
    pub fn names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        key_names(&self.name)
    }

    /// Whether the second name makes the event known, without the first.
    pub(crate) fn second_counts_alone(&self) -> bool {
        self.name.split_once(NEXT).is_some_and(|(_, second)| !second.starts_with(CONTENT))
    }
}

/// The names in the text of a [`Key::name`].
pub fn key_names(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let first = text.split(NEXT).next().unwrap_or_default();
    text.split(NEXT).map(move |name| match name.strip_prefix(CONTENT) {
        Some(digest) => Cow::Owned(format!("{first}{CONTENT}{digest}")),
        None => Cow::Borrowed(name),
    })
}

/// What a trigger offers to the dispatcher.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The trigger's name.
    pub trigger: Name,
    /// The parameters that the trigger gives.
    pub trigger_param: TriggerParam,
    /// Names the event for its sender.
    pub key: Option<Key>,
    /// The source that the event comes from, and its position there. It is recorded with the event.
    pub cursor: Option<Cursor>,
    /// When it was due, where a calendar says so.
    pub due: Option<Timestamp>,
    /// Who or what caused it, where that is known.
    pub by: Option<Arc<Actor>>,
    /// Who wants to see what becomes of it.
    pub watch: Option<Arc<Watch>>,
    /// Whether nobody can know its result: its jobs are created, do not run, and end as lost. The reason is at
    /// [`LOST`] in `trigger_param`, so that it is recorded with the event.
    pub lost: bool,
}

impl NewEvent {
    /// An event without a key and without a position.
    #[must_use]
    pub fn new(trigger: Name, trigger_param: impl Into<TriggerParam>) -> Self {
        Self {
            trigger,
            trigger_param: trigger_param.into(),
            key: None,
            cursor: None,
            due: None,
            by: None,
            watch: None,
            lost: false,
        }
    }
}

/// Why an activation was not taken. Nothing of it remains; the caller may try again.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum Refused {
    /// As many events and jobs of its trigger wait as its share of `max_queue` allows.
    #[error("queue full (max_queue); try again later")]
    Busy,
    /// The dispatcher stops.
    #[error("Herald is stopping")]
    Stopping,
    /// The journal could not record it.
    #[error("the event could not be recorded: {0}")]
    Unrecorded(String),
    /// An event with the same key and another content was taken before.
    #[error(
        "an event with the same id and another content was accepted before; send a new id with a new event"
    )]
    OtherContent,
    /// It can never be taken: [`herald_base::depth::DEEPEST`].
    #[error("the event is {0}")]
    TooDeep(#[from] TooDeep),
}

/// Takes activations: the dispatcher's handle, or a stand-in in tests.
#[async_trait]
pub trait EventSink: Send + Sync + 'static {
    /// Returns the event's id once it is recorded.
    ///
    /// # Errors
    /// [`Refused`] when it was not taken.
    async fn accept(&self, trigger: Name, trigger_param: Params) -> Result<Name, Refused>;

    /// Resolves when [`Refused::Busy`] is worth another try for an event of this trigger.
    async fn ready(&self, trigger: &str);

    /// As [`EventSink::accept`], for an event with a key or a position.
    ///
    /// # Errors
    /// [`Refused`] when it was not taken.
    async fn accept_event(&self, event: NewEvent) -> Result<Name, Refused> {
        self.accept(event.trigger, event.trigger_param.into_params()).await
    }

    /// A request to this trigger was rejected because its sender is not known. It is counted.
    fn rejected(&self, trigger: &Name) {
        let _ = trigger;
    }

    /// Up to which position this source was followed, by this process or one before it. `None`: never, or that is not
    /// recorded.
    async fn reached(&self, source: &str) -> Option<Position> {
        let _ = source;
        None
    }

    /// How far an event is that was accepted, by this process or one before it.
    async fn progress(&self, event_id: &str) -> EventProgress {
        let _ = event_id;
        EventProgress::Unknown
    }

    /// An event is not ours any more, for this reason: its jobs are ended, with the status `lost`.
    async fn lose(&self, event_id: Name, why: String) {
        drop((event_id, why));
    }

    /// Takes an event back, for this reason, if none of its jobs has started: they end as rejected. Returns whether
    /// it did.
    async fn withdraw(&self, event_id: Name, why: String) -> bool {
        drop((event_id, why));
        false
    }

    /// The event that was accepted with this key and whose window is not over, if there is one.
    ///
    /// # Errors
    /// [`Refused::Unrecorded`] when it cannot be known, [`Refused::OtherContent`].
    async fn known(&self, key: &Key) -> Result<Option<Name>, Refused> {
        let _ = key;
        Ok(None)
    }

    /// Shows from now on when this came last. `None`: it is not known here.
    /// What came before is shown as well, as far as it is known, and is not a change.
    fn arrivals(&self, awaited: &Awaited) -> Option<LastArrival> {
        let _ = awaited;
        None
    }

    /// Records that a source is followed from this position on.
    async fn reach(&self, cursor: Cursor) {
        drop(cursor);
    }

    /// As [`EventSink::reach`]; resolves once it is recorded, which takes as long as the journal fails.
    async fn reach_recorded(&self, cursor: Cursor) {
        self.reach(cursor).await;
    }
}
