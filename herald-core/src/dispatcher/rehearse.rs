//! Asks what an event would start, and starts nothing.

use std::sync::Arc;

use super::ask::ask;
use super::fill::{JobParamError, first_attempt};
use crate::clock::IdMaker;
use crate::component::selector::Answer;
use crate::component::trigger::ComponentError;
use crate::event::activation::Activation;
use crate::job::Job;
use crate::plan::Plan;
use crate::value::secret::Mask;
use crate::workflow::Route;

/// Why a job would fail at once.
#[derive(Debug, thiserror::Error)]
pub enum RehearsedJobError {
    /// Its parameters cannot be filled in.
    #[error(transparent)]
    Param(#[from] JobParamError),
    /// Its executor cannot run it with these parameters.
    #[error("job_param: {0}")]
    Refused(String),
}

/// What one task of one router would do.
pub struct Rehearsed {
    /// The task.
    pub route: Arc<Route>,
    /// What its selector says.
    pub answer: Result<Answer, ComponentError>,
    /// The job that would be made, where the selector says yes; or why it would fail at once.
    pub job: Option<Result<Job, RehearsedJobError>>,
    /// What hides its secrets.
    pub mask: Arc<Mask>,
}

/// Asks every router about an event as the dispatcher does. Selectors that run programs run them.
pub async fn rehearse(plan: &Arc<Plan>, activation: &Arc<Activation>) -> Vec<Rehearsed> {
    let ids = IdMaker::default();
    let mut rehearsed = Vec::new();
    for route in plan.workflow.routes(&activation.trigger) {
        let id = ids.next(jiff::Timestamp::UNIX_EPOCH);
        let answered = ask(activation.clone(), route.clone(), plan.clone(), Some(id.clone())).await;
        let filled = answered.filled;
        let mask = filled.as_ref().map_or(&plan.mask, |filled| &filled.mask).clone();
        let yes = matches!(&answered.answer, Ok(Answer { yes: true, .. }));
        let job = filled.filter(|_| yes).map(|filled| {
            let job_param = filled.job_param.unwrap_or_else(|| Ok(route.job_param.get()))?;
            let executor = plan.executors.get(&route.executor);
            if let Some(why) = executor.and_then(|executor| executor.refusal(&job_param)) {
                return Err(RehearsedJobError::Refused(why));
            }
            Ok(first_attempt(activation, route, id, filled.select_param, job_param))
        });
        rehearsed.push(Rehearsed { route: route.clone(), answer: answered.answer, job, mask });
    }
    rehearsed
}
