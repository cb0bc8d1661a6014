//! From an event to its decisions: asks the selectors, in turns where one answers only so many questions at once.

use std::collections::HashSet;
use std::sync::Arc;

use super::ask::{AskedSelectors, WaitingQuestion, ask, ask_all};
use super::engine::Engine;
use super::event::{Answered, Event};
use super::origin::Origin;
use super::turns::RouterLine;
use crate::event::activation::{Activation, Name};
use crate::failpoint;

impl Engine {
    /// Asks about an event, except for the tasks that have their job already.
    pub(super) async fn route(&mut self, activation: Activation, made: &HashSet<(Name, Name)>) {
        let activation = Arc::new(activation);
        let next_id = || self.ids.next(self.now);
        let AskedSelectors { answered, slow, waiting } =
            ask_all(&activation, &self.plan, made, &next_id).await;
        failpoint!("dispatcher-after-route");
        let to_come = slow.len() + waiting.len();
        if to_come > 0 {
            let from = Origin::of(activation.chain_depth);
            self.board.answers.expect(activation.event_id.clone(), to_come, from);
            if let Some(router) = ended_router(&activation) {
                self.board.chain_events().add(&router, activation.trigger_param.size());
            }
            for question in waiting {
                let line = RouterLine { router: question.route.router.clone(), from };
                self.board.questions.push(&question.route.selector.clone(), line, question);
            }
            for asking in slow {
                self.answer_later(asking);
            }
        }
        self.answered.push_back((activation, answered));
    }

    /// Asks what waits for its turn at a selector, while there are places.
    pub(super) fn ask_next(&mut self, only: Option<Origin>) {
        while let Some(question) = self.board.next_question(only) {
            let WaitingQuestion { activation, route, plan, job_id } = question;
            let asking = ask(activation, route, plan, job_id);
            self.answer_later(async move { Answered { took_place: true, ..asking.await } });
        }
    }

    fn answer_later(&self, asking: impl Future<Output = Answered> + Send + 'static) {
        let (events, end) = (self.events.clone(), self.end.clone());
        // Owned by the tracker; ends with its answer or with the dispatcher.
        self.tasks.spawn(async move {
            let deliver = async {
                // Nobody listens any more only once the dispatcher is gone.
                let _ = events.send(Event::Answered(asking.await)).await;
            };
            end.run_until_cancelled(deliver).await;
        });
    }

    /// A selector that took its time has answered.
    pub(super) fn answer_came(&mut self, answered: &Answered) {
        if answered.took_place {
            self.board.questions.end(&answered.route.selector, &answered.route.router);
        }
        let decision = self.decide(answered);
        let activation = &answered.activation;
        if let Some(decisions) = self.board.answers.answered(&activation.event_id, decision) {
            if let Some(router) = ended_router(activation) {
                self.board.chain_events().remove(&router, activation.trigger_param.size());
            }
            self.record_routed(activation, decisions);
        }
    }
}

/// The router whose job ended, where the event is about such an end.
fn ended_router(activation: &Activation) -> Option<Name> {
    if activation.chain_depth == 0 {
        return None;
    }
    activation.trigger_param.get("router")?.as_str().map(Name::from)
}
