//! Asks selectors: those that answer at once are answered on the spot, the others off the loop.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt, poll};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::event::{Answered, Event};
use super::fill::{Filled, for_selector};
use crate::component::selector::{Answer, Question};
use crate::component::trigger::ComponentError;
use crate::event::activation::{Activation, Name};
use crate::plan::Plan;
use crate::workflow::Route;

/// How long any selector may take, whatever its own deadline says.
const LONGEST_ANSWER: Duration = Duration::from_secs(60);

/// Makes the id of a job.
type NextId<'a> = &'a (dyn Fn() -> Name + Sync);

type Asking = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// Where the answers of slow selectors go.
#[derive(Clone, Copy)]
pub(super) struct LaterAnswers<'a> {
    pub(super) events: &'a mpsc::Sender<Event>,
    pub(super) tasks: &'a TaskTracker,
    pub(super) end: &'a CancellationToken,
}

/// Asks about every route of the event, except for the tasks that have their job already. Answers that come at once are
/// returned; the second value is how many are still to come as [`Event::Answered`].
pub(super) async fn ask_all(
    activation: &Arc<Activation>,
    plan: &Arc<Plan>,
    made: &HashSet<(Name, Name)>,
    next_id: NextId<'_>,
    later: LaterAnswers<'_>,
) -> (Vec<Answered>, usize) {
    let mut answered = Vec::new();
    let mut slow: Vec<Asking> = Vec::new();
    for route in plan.workflow.routes(&activation.trigger) {
        if !made.is_empty() && made.contains(&(route.router.clone(), route.task.clone())) {
            continue;
        }
        let job_id = route.templates.is_some().then(next_id);
        let mut asking = ask(activation.clone(), route.clone(), plan.clone(), job_id);
        match poll!(&mut asking) {
            Poll::Ready(answer) => answered.push(answer),
            Poll::Pending => slow.push(asking),
        }
    }
    let to_come = slow.len();
    if to_come > 0 {
        let (events, end) = (later.events.clone(), later.end.clone());
        // Owned by the tracker; ends with its answers or with the dispatcher.
        later.tasks.spawn(async move {
            let deliver = async {
                let mut slow: FuturesUnordered<Asking> = slow.into_iter().collect();
                while let Some(answered) = slow.next().await {
                    if events.send(Event::Answered(answered)).await.is_err() {
                        break;
                    }
                }
            };
            end.run_until_cancelled(deliver).await;
        });
    }
    (answered, to_come)
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
        Answered { activation, route, plan, answer, filled }
    })
}

async fn answered(
    activation: &Arc<Activation>,
    route: &Arc<Route>,
    plan: &Arc<Plan>,
    mut filled: Option<Filled>,
) -> (Result<Answer, ComponentError>, Option<Filled>) {
    let Some(selector) = plan.selectors.get(&route.selector) else {
        return (Err(ComponentError::new("there is no such selector")), filled);
    };
    let select_param = filled.as_ref().map_or(&route.select_param, |filled| &filled.select_param);
    let question = Question {
        event_id: activation.event_id.clone(),
        trigger: activation.trigger.clone(),
        router: route.router.clone(),
        task: route.task.clone(),
        trigger_param: activation.trigger_param.clone(),
        select_param: select_param.clone(),
    };
    let answer = bounded(AssertUnwindSafe(selector.select(&question)).catch_unwind()).await;
    if let (Ok(Answer { yes: true, .. }), Some(filled)) = (&answer, &mut filled) {
        filled.for_job(activation, route).await;
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
