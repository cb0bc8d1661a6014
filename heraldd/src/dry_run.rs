//! What an event would start, as it is shown: for `heraldd try` and `heraldd replay`.

use std::sync::Arc;

use herald_core::activation::Activation;
use herald_core::dispatcher::{Rehearsed, rehearse};
use herald_core::plan::Plan;

use herald_control::model;

/// Asks every router about the event; nothing is started, and secrets are hidden.
pub async fn of(plan: &Arc<Plan>, activation: Activation) -> model::Rehearsal {
    let activation = Arc::new(activation);
    let tasks = rehearse(plan, &activation).await;
    model::Rehearsal {
        trigger: activation.trigger.to_string(),
        trigger_param: plan.mask.params(&activation.trigger_param),
        tasks: tasks.into_iter().map(shown).collect(),
    }
}

fn shown(task: Rehearsed) -> model::RehearsedTask {
    let mask = &task.mask;
    let (answer, why) = match &task.answer {
        Ok(answer) => (if answer.yes { "yes" } else { "no" }, mask.text(&answer.why)),
        Err(error) => ("error", mask.text(&error.to_string())),
    };
    let (params, error) = match task.job {
        None => (None, None),
        Some(Ok(job)) => {
            let mut params = mask.params(&job.params());
            // The job is never made, so that it has no id.
            ["id", "job_id", "trigger_param"].into_iter().for_each(|key| drop(params.shift_remove(key)));
            (Some(params), None)
        }
        Some(Err(why)) => (None, Some(mask.text(&why.to_string()))),
    };
    model::RehearsedTask {
        router: task.route.router.to_string(),
        task: task.route.task.to_string(),
        selector: task.route.selector.to_string(),
        executor: task.route.executor.to_string(),
        answer: answer.to_owned(),
        why,
        params,
        error,
    }
}
