//! The variables of the templates of a route.

use std::sync::Arc;

use serde_json::Value;

use super::route::Route;
use crate::event::activation::Name;
use crate::event::trigger_param::TriggerParam;
use crate::template::{PublishedSource, Scope};
use crate::value::param::Params;

/// The event for which templates are filled in.
#[derive(Debug, Clone, Copy)]
pub struct EventContext<'a> {
    /// The event's id.
    pub event_id: &'a Name,
    /// What its trigger gave.
    pub trigger_param: &'a TriggerParam,
    /// How many jobs came before it.
    pub chain_depth: u32,
    /// What `heartbeat()` says of published configurations.
    pub published: Option<&'a Arc<dyn PublishedSource>>,
}

impl Route {
    /// For `select_param`.
    #[must_use]
    pub fn select_scope(&self, about: EventContext<'_>) -> Scope {
        Scope::new(&self.plain(about), &[("trigger_param", about.trigger_param.params())])
            .with_published(about.published)
    }

    /// For `job_param` in this attempt: `select_param` is filled in already.
    #[must_use]
    pub fn job_scope(
        &self,
        about: EventContext<'_>,
        job_id: &Name,
        select_param: &Arc<Params>,
        attempt: u32,
    ) -> Scope {
        let mut plain = self.plain(about).to_vec();
        plain.extend([
            ("id", text(job_id)),
            ("job_id", text(job_id)),
            ("executor", text(&self.executor)),
            ("chain_depth", Value::from(about.chain_depth)),
            ("attempt", Value::from(attempt)),
        ]);
        Scope::new(&plain, &[("trigger_param", about.trigger_param.params()), ("select_param", select_param)])
            .with_published(about.published)
    }

    fn plain(&self, about: EventContext<'_>) -> [(&'static str, Value); 5] {
        [
            ("trigger_id", text(about.event_id)),
            ("router", text(&self.router)),
            ("trigger", text(&self.trigger)),
            ("selector", text(&self.selector)),
            ("task", text(&self.task)),
        ]
    }
}

fn text(name: &Name) -> Value {
    Value::String(name.to_string())
}
