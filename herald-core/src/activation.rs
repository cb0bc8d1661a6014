//! An activation: that something happened.

use std::sync::Arc;

use async_trait::async_trait;

use crate::param::Params;

/// The internal trigger that tells of every finished job. Its name is reserved.
pub const EXE_DONE: &str = "exe_done";

/// A name or an id, cheap to copy.
pub type Name = Arc<str>;

/// Something happened: what a trigger hands to the dispatcher.
#[derive(Debug, Clone)]
pub struct Activation {
    /// Unique and ascending: a UUID of version 7. Scripts see it as `trigger_id`.
    pub event_id: Name,
    /// The trigger's name.
    pub trigger: Name,
    /// What the trigger tells.
    pub trigger_param: Arc<Params>,
    /// 0, or for `exe_done` one more than the job that ended.
    pub chain_depth: u32,
}

/// Why an activation was not taken. Nothing of it remains; the caller may try again.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum Refused {
    /// As many events and jobs wait as `max_queue` allows.
    #[error("too much is waiting already (max_queue); try again later")]
    Busy,
    /// The dispatcher stops.
    #[error("Herald is stopping")]
    Stopping,
    /// The journal could not record it.
    #[error("the event could not be recorded: {0}")]
    Unrecorded(String),
}

/// Takes activations: the dispatcher's handle, or a stand-in in tests.
#[async_trait]
pub trait Accept: Send + Sync + 'static {
    /// Returns the event's id once it is recorded.
    ///
    /// # Errors
    /// [`Refused`] when it was not taken.
    async fn accept(&self, trigger: Name, trigger_param: Params) -> Result<Name, Refused>;

    /// Resolves when [`Refused::Busy`] is worth another try.
    async fn room(&self);
}
