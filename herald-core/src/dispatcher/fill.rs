//! Fills in the templates of a route for one event.

use std::sync::Arc;

use crate::event::activation::{Activation, Name};
use crate::job::Job;
use crate::plan::Plan;
use crate::template::{RenderError, Scope, Template};
use crate::value::param::Params;
use crate::value::secret::Mask;
use crate::workflow::{EventContext, Route};

/// Parameters up to this rough size are filled in on the spot; with larger ones it may take a while, and happens
/// elsewhere.
const SMALL: usize = 64 << 10;

/// Why the `job_param` of a job could not be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("job_param: {0}")]
pub struct JobParamError(#[from] pub RenderError);

/// The templates of a route, filled in for an event.
pub(super) struct Filled {
    /// The id that the job gets, since templates may speak of it.
    pub(super) job_id: Name,
    pub(super) select_param: Arc<Params>,
    /// Why not, when it could not be: the job then fails. As it was written, until it is filled in.
    pub(super) job_param: Result<Arc<Params>, JobParamError>,
    /// Hides what the templates may have taken from secret parameters, too.
    pub(super) mask: Arc<Mask>,
}

/// Fills in `select_param`.
pub(super) async fn for_selector(
    activation: &Activation,
    route: &Route,
    plan: &Plan,
    job_id: Name,
) -> Result<Filled, RenderError> {
    let template = route.templates.as_ref().and_then(|templates| templates.select_param.clone());
    let select_param = match template {
        None => route.select_param.clone(),
        Some(template) => {
            let scope = route.select_scope(about(activation, plan));
            render(template, scope, activation.trigger_param.size()).await?
        }
    };
    let mask = plan.mask.clone();
    Ok(Filled { job_id, select_param, job_param: Ok(route.job_param.clone()), mask })
}

/// The job that an event makes of a route, with these `select_param` and `job_param`.
pub(super) fn first_attempt(
    activation: &Activation,
    route: &Route,
    id: Name,
    select_param: Arc<Params>,
    job_param: Arc<Params>,
) -> Job {
    Job {
        id,
        trigger_id: activation.event_id.clone(),
        router: route.router.clone(),
        trigger: route.trigger.clone(),
        selector: route.selector.clone(),
        task: route.task.clone(),
        executor: route.executor.clone(),
        trigger_param: activation.trigger_param.clone(),
        select_param,
        job_param,
        chain_depth: activation.chain_depth,
        attempt: 1,
        by: activation.by.clone(),
        rerun: false,
    }
}

impl Filled {
    /// Fills in `job_param`, once there is to be a job.
    pub(super) async fn for_job(&mut self, activation: &Activation, route: &Route, plan: &Plan) {
        let template = route.templates.as_ref().and_then(|templates| templates.job_param.clone());
        let Some(template) = template else { return };
        let scope = route.job_scope(about(activation, plan), &self.job_id, &self.select_param);
        let rendered = render(template, scope, activation.trigger_param.size()).await;
        self.job_param = rendered.map_err(JobParamError);
    }
}

fn about<'a>(activation: &'a Activation, plan: &'a Plan) -> EventContext<'a> {
    EventContext {
        event_id: &activation.event_id,
        trigger_param: &activation.trigger_param,
        chain_depth: activation.chain_depth,
        published: plan.published.as_ref(),
    }
}

async fn render(template: Template, scope: Scope, size: usize) -> Result<Arc<Params>, RenderError> {
    let rendered = if size <= SMALL {
        template.render(&scope)
    } else {
        let rendering = tokio::task::spawn_blocking(move || template.render(&scope)).await;
        rendering.unwrap_or_else(|_| Err(RenderError::Panicked))
    };
    rendered.map(Arc::new)
}
