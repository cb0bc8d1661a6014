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
    /// Why not, when it could not be: the job then fails. None until it is filled in, and where nothing is to be: it is
    /// as it was written.
    pub(super) job_param: Option<Result<Arc<Params>, JobParamError>>,
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
        None => route.select_param.get(),
        Some(template) => {
            let scope = route.select_scope(about(activation, plan));
            render(template, scope, activation.trigger_param.size()).await?
        }
    };
    let mask = plan.mask.clone();
    Ok(Filled { job_id, select_param, job_param: None, mask })
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
        let scope = route.job_scope(about(activation, plan), &self.job_id, &self.select_param, 1);
        let rendered = render(template.clone(), scope, activation.trigger_param.size()).await;
        if let Ok(made) = &rendered {
            let shown = || activation.trigger_param.params().clone();
            self.mask = template.mask(&self.mask, &self.select_param, shown, made);
        }
        self.job_param = Some(rendered.map_err(JobParamError));
    }
}

/// What hides the secrets of this job: those of the configuration, and what its templates made of them.
pub(super) fn mask_of(job: &Job, route: Option<&Route>, plan: &Plan) -> Arc<Mask> {
    let templates = route.and_then(|route| route.templates.as_ref());
    match templates.and_then(|templates| templates.job_param.as_ref()) {
        Some(template) => {
            let shown = || job.trigger_param.params().clone();
            template.mask(&plan.mask, &job.select_param, shown, &job.job_param)
        }
        None => plan.mask.clone(),
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

/// What of `job_param` speaks of the number of the attempt. Everything else stays as it was filled in for the first.
pub(super) struct LaterAttempt {
    template: Arc<Template>,
    first: Scope,
    this: Scope,
}

impl LaterAttempt {
    /// `None` in a first attempt, and where `job_param` has no templates, or its route is gone.
    pub(super) fn of(job: &Job, plan: &Plan) -> Option<Self> {
        let route = (job.attempt > 1).then(|| plan.workflow.route(&job.router, &job.task))??;
        let template = route.templates.as_ref()?.job_param.clone()?;
        let about = EventContext {
            event_id: &job.trigger_id,
            trigger_param: &job.trigger_param,
            chain_depth: job.chain_depth,
            published: plan.published.as_ref(),
        };
        let scope = |attempt| route.job_scope(about, &job.id, &job.select_param, attempt);
        Some(Self { template, first: scope(1), this: scope(job.attempt) })
    }

    /// Only what would be filled in now as it was then is filled in again: the route may have been changed since.
    pub(super) async fn fill(self, job: Arc<Job>) -> Arc<Job> {
        let Self { template, first, this } = self;
        let size = job.trigger_param.size();
        let rendered = (render(template.clone(), first, size).await, render(template, this, size).await);
        let (Ok(first), Ok(this)) = rendered else { return job };
        let mut job_param = job.job_param.as_ref().clone();
        for (key, value) in &mut job_param {
            match this.get(key) {
                Some(changed) if first.get(key) == Some(&*value) => value.clone_from(changed),
                _ => {}
            }
        }
        Arc::new(Job { job_param: Arc::new(job_param), ..job.as_ref().clone() })
    }
}

async fn render(template: Arc<Template>, scope: Scope, size: usize) -> Result<Arc<Params>, RenderError> {
    let rendered = if size <= SMALL {
        template.render(&scope)
    } else {
        let rendering = tokio::task::spawn_blocking(move || template.render(&scope)).await;
        rendering.unwrap_or_else(|_| Err(RenderError::Panicked))
    };
    rendered.map(Arc::new)
}
