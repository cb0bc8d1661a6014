//! Asks selectors: those that answer at once are answered on the spot, the others off the loop.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::{FutureExt, poll};

use super::event::Answered;
use super::fill::{Filled, for_selector};
use crate::component::selector::{self, Answer};
use crate::component::trigger::ComponentError;
use crate::event::activation::{Activation, Name};
use crate::plan::Plan;
use crate::workflow::Route;

/// How long any selector may take once it is asked, whatever its own deadline says.
const LONGEST_ANSWER: Duration = Duration::from_secs(60);

/// Makes the id of a job.
type NextId<'a> = &'a (dyn Fn() -> Name + Sync);

/// A question that is being asked.
pub(super) type Asking = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// A question that waits for its turn at its selector.
pub(super) struct WaitingQuestion {
    pub(super) activation: Arc<Activation>,
    pub(super) route: Arc<Route>,
    pub(super) plan: Arc<Plan>,
    /// The id that a job gets whose parameters are templates.
    pub(super) job_id: Option<Name>,
}

/// What the selectors said about an event, and what is still to come.
pub(super) struct AskedSelectors {
    pub(super) answered: Vec<Answered>,
    /// They take their time.
    pub(super) slow: Vec<Asking>,
    /// They are not asked yet.
    pub(super) waiting: Vec<WaitingQuestion>,
}

/// Asks about every route that the event can match, except for the tasks that have their job already.
pub(super) async fn ask_all(
    activation: &Arc<Activation>,
    plan: &Arc<Plan>,
    made: &HashSet<(Name, Name)>,
    next_id: NextId<'_>,
) -> AskedSelectors {
    // Most events concern one route.
    let answered = Vec::with_capacity(1);
    let mut asked = AskedSelectors { answered, slow: Vec::new(), waiting: Vec::new() };
    for route in plan.workflow.candidates(&activation.trigger, &activation.trigger_param) {
        if !made.is_empty() && made.contains(&(route.router.clone(), route.task.clone())) {
            continue;
        }
        let job_id = route.templates.is_some().then(next_id);
        let (activation, plan) = (activation.clone(), plan.clone());
        if plan.selectors.get(&route.selector).is_some_and(|selector| selector.at_once().is_some()) {
            asked.waiting.push(WaitingQuestion { activation, route, plan, job_id });
            continue;
        }
        let mut asking = ask(activation, route, plan, job_id);
        match poll!(&mut asking) {
            Poll::Ready(answer) => asked.answered.push(answer),
            Poll::Pending => asked.slow.push(asking),
        }
    }
    asked
}

/// `job_id`: the one that a job gets whose parameters are templates.
pub(super) fn ask(
    activation: Arc<Activation>,
    route: Arc<Route>,
    plan: Arc<Plan>,
    job_id: Option<Name>,
) -> Asking {
    Box::pin(async move {
        let filled = match job_id {
            None => Ok(None),
            Some(id) => for_selector(&activation, &route, &plan, id).await.map(Some),
        };
        let (answer, filled) = match filled {
            Ok(filled) => answered(&activation, &route, &plan, filled).await,
            Err(why) => {
                let why = plan.mask.text(&why.to_string());
                (Err(ComponentError::of_option("select_param", why)), None)
            }
        };
        Answered { activation, route, plan, answer, filled, took_place: false }
    })
}

async fn answered(
    activation: &Arc<Activation>,
    route: &Arc<Route>,
    plan: &Arc<Plan>,
    mut filled: Option<Filled>,
) -> (Result<Answer, ComponentError>, Option<Filled>) {
    let Some(asked) = plan.selectors.get(&route.selector) else {
        return (Err(ComponentError::new("there is no such selector")), filled);
    };
    let select_param =
        filled.as_ref().map_or_else(|| route.select_param.get(), |filled| filled.select_param.clone());
    let question = selector::Question {
        event_id: activation.event_id.clone(),
        trigger: activation.trigger.clone(),
        router: route.router.clone(),
        task: route.task.clone(),
        trigger_param: activation.trigger_param.clone(),
        select_param,
    };
    let answer = bounded(AssertUnwindSafe(asked.select(&question)).catch_unwind()).await;
    if let (Ok(Answer { yes: true, .. }), Some(filled)) = (&answer, &mut filled) {
        filled.for_job(activation, route, plan).await;
    }
    (answer, filled)
}

/// The selector is polled once before a timer is made: most answer at once.
async fn bounded<F>(select: F) -> Result<Answer, ComponentError>
where
    F: Future<Output = std::thread::Result<Result<Answer, ComponentError>>>,
{
    let mut select = std::pin::pin!(select);
    let first = poll!(&mut select);
    let outcome = match first {
        Poll::Ready(outcome) => Ok(outcome),
        Poll::Pending => tokio::time::timeout(LONGEST_ANSWER, select).await,
    };
    match outcome {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(ComponentError::new("the selector panicked")),
        Err(_) => Err(ComponentError::new(format!("no answer within {} s", LONGEST_ANSWER.as_secs()))),
    }
}
