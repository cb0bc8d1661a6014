//! Selectors: which events are worth a job.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::event::activation::Name;
use crate::event::trigger_param::TriggerParam;
use crate::value::param::Params;
pub use herald_config::component_error::ComponentError;

/// What a selector is asked: once for each task of each router that names the trigger.
#[derive(Debug, Clone)]
pub struct Question {
    /// The event.
    pub event_id: Name,
    /// The trigger's name.
    pub trigger: Name,
    /// The router's name.
    pub router: Name,
    /// The task's name.
    pub task: Name,
    /// What the trigger gave.
    pub trigger_param: Arc<TriggerParam>,
    /// What this task says to its selector, secrets included.
    pub select_param: Arc<Params>,
}

/// Yes or no, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether a job is made.
    pub yes: bool,
    /// For a person who wonders; may be empty. MUST NOT hold secrets.
    pub why: Cow<'static, str>,
}

impl Answer {
    /// Yes, because…
    pub fn yes(why: impl Into<Cow<'static, str>>) -> Self {
        Self { yes: true, why: why.into() }
    }

    /// No, because…
    pub fn no(why: impl Into<Cow<'static, str>>) -> Self {
        Self { yes: false, why: why.into() }
    }
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        Self { yes, why: Cow::Borrowed("") }
    }
}

/// A value that an event must have at a path (`a/b/c`, see [`crate::value::param::lookup`]) to match.
#[derive(Debug, Clone, PartialEq)]
pub struct RequiredValue {
    /// Where.
    pub path: String,
    /// Which, compared as values: see [`crate::value::param::same`].
    pub value: Value,
}

/// Decides whether an event is worth a job.
#[async_trait]
pub trait Selector: Send + Sync + 'static {
    /// How many questions it answers at once. Further ones wait for their turn before they are asked, and its time
    /// begins only then. `None`: it answers most at once, and any number.
    fn at_once(&self) -> Option<usize> {
        None
    }

    /// What an event must have so that the answer can be yes, where that is one value. Without it the event does not
    /// match, and is not asked about: this keeps an event cheap that concerns few of many routers. Called once for each
    /// task of a configuration; `select_param` is not a template.
    fn requires(&self, select_param: &Params) -> Option<RequiredValue> {
        let _ = select_param;
        None
    }

    /// Whether the answer follows from the question alone, so that anyone who wants to know why it was no can ask
    /// again, without effect. Such a no is not recorded.
    fn can_be_asked_again(&self, select_param: &Params) -> bool {
        let _ = select_param;
        false
    }

    /// MUST NOT block its thread: work that blocks goes to [`tokio::task::spawn_blocking`]. May be dropped at
    /// any await point (the deadline, an end by force), and MUST then leave nothing behind.
    ///
    /// # Errors
    /// Counts as no, and is logged.
    async fn select(&self, question: &Question) -> Result<Answer, ComponentError>;
}
