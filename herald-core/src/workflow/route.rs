//! One task of one router.

use std::sync::Arc;

use serde_json::Value;

use super::route_params::RouteParams;
use crate::event::activation::Name;
use crate::job::policy::Policy;
use crate::template::Template;
use crate::value::param::Params;

/// One task of one router, with everything that the dispatcher needs to ask and to make a job.
pub struct Route {
    /// Router name.
    pub router: Name,
    /// Trigger name.
    pub trigger: Name,
    /// Selector name.
    pub selector: Name,
    /// Task name.
    pub task: Name,
    /// Executor name.
    pub executor: Name,
    /// The parameters of the selector, presets merged, secrets included.
    pub select_param: RouteParams,
    /// The parameters of the executor, presets merged, secrets included.
    pub job_param: RouteParams,
    /// What is demanded of its jobs.
    pub policy: Arc<Policy>,
    /// What is filled in for each event, where there is something.
    pub templates: Option<Box<Templates>>,
}

/// The templates of a route.
pub struct Templates {
    /// Of `select_param`.
    pub select_param: Option<Arc<Template>>,
    /// Of `job_param`.
    pub job_param: Option<Arc<Template>>,
}

impl Route {
    /// What the event `exe_done` of a job of this route is sure to hold, secrets included.
    #[must_use]
    pub fn exe_done_params(&self) -> Params {
        let text = |name: &Name| Value::String(name.to_string());
        [
            ("router", text(&self.router)),
            ("trigger", text(&self.trigger)),
            ("selector", text(&self.selector)),
            ("task", text(&self.task)),
            ("executor", text(&self.executor)),
            ("select_param", Value::Object(self.select_param.get().as_ref().clone())),
            ("job_param", Value::Object(self.job_param.get().as_ref().clone())),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }
}
