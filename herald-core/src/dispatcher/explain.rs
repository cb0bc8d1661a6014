//! Why an event matched and why not, task by task: what was recorded, and each no that was not, asked for again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ask::ask;
use crate::component::selector::Answer;
use crate::event::activation::{Activation, Name};
use crate::journal::{Decision, SelectorResult};
use crate::plan::Plan;
use crate::workflow::Route;

/// Questions that are asked again for one explanation. With more routers, name the one that is meant.
const MOST_ASKED: usize = 1000;
/// How long the questions of one explanation take together, about.
const LONGEST: Duration = Duration::from_secs(2);
/// After so long others have their turn on the thread.
const TURN: Duration = Duration::from_millis(2);

/// What the selectors said about an event.
#[derive(Debug, Default)]
pub struct Explained {
    /// Task by task, in the order of the configuration.
    pub decisions: Vec<ExplainedDecision>,
    /// How many tasks are left out, which the event did not match either: there are too many to ask about all.
    pub left_out: usize,
}

/// What one selector said about one task.
#[derive(Debug)]
pub struct ExplainedDecision {
    /// What it said.
    pub decision: Decision,
    /// Whether it was asked again just now, with the configuration of now, since the answer was not recorded.
    pub asked_again: bool,
}

impl Explained {
    /// What was recorded, and nothing else.
    #[must_use]
    pub fn recorded(decisions: Vec<Decision>) -> Self {
        Self { decisions: decisions.into_iter().map(ExplainedDecision::recorded).collect(), left_out: 0 }
    }
}

impl ExplainedDecision {
    fn recorded(decision: Decision) -> Self {
        Self { decision, asked_again: false }
    }
}

/// Explains an event that every selector has answered. `recorded`: what was recorded of it; `router`: about this one
/// alone. Asking again has no effect.
pub async fn explain(
    plan: &Arc<Plan>,
    activation: &Arc<Activation>,
    recorded: Vec<Decision>,
    router: Option<&str>,
) -> Explained {
    let task = |decision: &Decision| (decision.router.clone(), decision.task.clone());
    let order: Vec<(Name, Name)> = recorded.iter().map(task).collect();
    let mut recorded: HashMap<(Name, Name), Decision> = order.iter().cloned().zip(recorded).collect();
    let is_meant = |name: &Name| router.is_none_or(|router| **name == *router);
    let mut explained = Explained::default();
    let (mut asked, until, mut turn) = (0, Instant::now() + LONGEST, Instant::now());
    for route in plan.workflow.routes(&activation.trigger).iter().filter(|route| is_meant(&route.router)) {
        if let Some(decision) = recorded.remove(&(route.router.clone(), route.task.clone())) {
            explained.decisions.push(ExplainedDecision::recorded(decision));
        } else if !plan.can_ask_again(route) {
            // It was not asked then: the router, or its selector, is newer than the event.
        } else if asked == MOST_ASKED || Instant::now() >= until {
            explained.left_out += 1;
        } else {
            let decision = ask_again(plan, activation, route).await;
            explained.decisions.push(ExplainedDecision { decision, asked_again: true });
            asked += 1;
            if turn.elapsed() >= TURN {
                tokio::task::yield_now().await;
                turn = Instant::now();
            }
        }
    }
    // Those of routers that are not there any more.
    let gone = order.iter().filter_map(|task| recorded.remove(task));
    let gone = gone.filter(|decision| is_meant(&decision.router));
    explained.decisions.extend(gone.map(ExplainedDecision::recorded));
    explained
}

/// The answer was no, or there would be a record.
async fn ask_again(plan: &Arc<Plan>, activation: &Arc<Activation>, route: &Arc<Route>) -> Decision {
    let answered = ask(activation.clone(), route.clone(), plan.clone(), None).await;
    let why = match answered.answer {
        Ok(Answer { yes: false, why }) => plan.mask.text(&why),
        Ok(Answer { why, .. }) => {
            format!("it did not match; with the configuration of now it would: {}", plan.mask.text(&why))
        }
        Err(error) => plan.mask.text(&error.to_string()),
    };
    Decision {
        router: route.router.clone(),
        task: route.task.clone(),
        selector: route.selector.clone(),
        said: SelectorResult::NoMatch,
        why: why.into(),
        job_id: None,
    }
}
