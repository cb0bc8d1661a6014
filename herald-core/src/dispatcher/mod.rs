//! The dispatcher: one loop that owns all state, a closed set of events, and a handle to send them.

mod ask;
mod board;
mod engine;
mod event;
mod jobs;
mod perform;
mod report;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::activation::{Accept, Name, Refused};
use crate::clock::Clock;
use crate::journal::Journal;
use crate::param::Params;
use crate::plan::{Limits, Plan};
use engine::Engine;
use event::Event;

/// Events on their way to the loop; senders wait past that.
const CHANNEL: usize = 1024;

/// A running dispatcher. Dropping it ends the loop at once; [`Dispatcher::stop`] ends it in good order.
pub struct Dispatcher {
    handle: Handle,
    task: JoinHandle<()>,
}

/// Sends events to a dispatcher. Cheap to copy.
#[derive(Clone)]
pub struct Handle {
    events: mpsc::Sender<Event>,
    room: watch::Receiver<bool>,
}

impl Dispatcher {
    /// Starts the loop. Call it inside the runtime.
    pub fn start(plan: Plan, limits: Limits, journal: Arc<dyn Journal>, clock: Arc<dyn Clock>) -> Self {
        let (sender, receiver) = mpsc::channel(CHANNEL);
        let (room_sender, room) = watch::channel(true);
        let engine = Engine::new(plan, limits, journal, clock, sender.clone(), room_sender);
        let task = tokio::spawn(engine.run(receiver));
        Self { handle: Handle { events: sender, room }, task }
    }

    /// The way to send events.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Takes no more events from outside and goes on until nothing is left, for `grace` at most; then ends what
    /// still runs. As soon as `force` resolves, everything is ended at once.
    pub async fn stop(mut self, grace: Duration, force: impl Future<Output = ()>) {
        let events = self.handle.events.clone();
        if events.send(Event::Drain { grace }).await.is_err() {
            return;
        }
        tokio::select! {
            _ = &mut self.task => return,
            () = force => {}
        }
        if events.send(Event::Force).await.is_ok() {
            let _ = (&mut self.task).await;
        }
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Handle {
    /// Ends a job, waiting or running. Returns whether there was one of this id.
    pub async fn cancel(&self, job_id: &str, why: &str) -> bool {
        let (reply, answer) = oneshot::channel();
        let event = Event::Cancel { job_id: job_id.into(), why: why.to_owned(), reply };
        self.events.send(event).await.is_ok() && answer.await.unwrap_or(false)
    }

    /// Goes by another plan from now on. Jobs that exist keep what they have.
    pub async fn replace(&self, plan: Plan, limits: Limits) {
        let (reply, answer) = oneshot::channel();
        if self.events.send(Event::Replace { plan: Arc::new(plan), limits, reply }).await.is_ok() {
            let _ = answer.await;
        }
    }

    /// Returns when nothing waits and nothing runs (or the dispatcher is gone).
    pub async fn idle(&self) {
        let (reply, answer) = oneshot::channel();
        if self.events.send(Event::WhenIdle { reply }).await.is_ok() {
            let _ = answer.await;
        }
    }
}

#[async_trait]
impl Accept for Handle {
    async fn accept(&self, trigger: Name, trigger_param: Params) -> Result<Name, Refused> {
        let (reply, answer) = oneshot::channel();
        let event = Event::Activate { trigger, trigger_param, reply };
        self.events.send(event).await.map_err(|_| Refused::Stopping)?;
        answer.await.unwrap_or(Err(Refused::Stopping))
    }

    async fn room(&self) {
        let mut room = self.room.clone();
        // The sender is gone only when the dispatcher is: the next try then says so.
        let _ = room.wait_for(|room| *room).await;
    }
}
