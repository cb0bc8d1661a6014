//! A message whose statements the queue does not answer: nothing is said for ever.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::held::HeldMessages;
use super::worker_state::WorkerState;
use super::*;
use crate::error::QueueError;
use crate::hold_answer::HoldAnswer;
use crate::message::{DeadReason, EndStatus, NewEnd, QueueMessage};
use crate::queue::{ConsumeMode, ConsumerSettings, DeliveryToken, QueueConsumer, QueueGap};

/// The statements that the queue answers; the others fail.
#[derive(Default)]
struct FakeConsumer {
    answered: &'static [&'static str],
    denied: bool,
    said: Arc<Mutex<Vec<&'static str>>>,
}

impl FakeConsumer {
    fn say(&self, statement: &'static str) -> Result<HoldAnswer, QueueError> {
        self.said.lock().unwrap().push(statement);
        let (queue, address) = ("main".to_owned(), "localhost:1".to_owned());
        let problem = "away".to_owned();
        match self.answered.contains(&statement) {
            true => Ok(HoldAnswer::Done),
            false if self.denied => Err(QueueError::Denied { queue, address, problem }),
            false => Err(QueueError::Unreachable { queue, address, problem, asked: true }),
        }
    }
}

#[async_trait]
impl QueueConsumer for FakeConsumer {
    async fn receive(&self, _: usize) -> Result<Vec<Received>, QueueError> {
        std::future::pending().await
    }

    async fn look(&self) -> Result<Vec<Received>, QueueError> {
        self.say("look").map(|_| Vec::new())
    }

    async fn start(&self, _: &DeliveryToken) -> Result<HoldAnswer, QueueError> {
        self.say("start")
    }

    async fn renew(&self, _: &[DeliveryToken]) -> Result<Vec<HoldAnswer>, QueueError> {
        self.say("renew").map(|answer| vec![answer])
    }

    async fn done(&self, _: &DeliveryToken, _: &NewEnd) -> Result<HoldAnswer, QueueError> {
        self.say("done")
    }

    async fn requeue(&self, _: &DeliveryToken, _: Duration) -> Result<HoldAnswer, QueueError> {
        self.say("requeue")
    }

    async fn release(&self, _: &[DeliveryToken]) -> Result<Vec<HoldAnswer>, QueueError> {
        self.say("release").map(|answer| vec![answer])
    }

    async fn dead(&self, _: &DeliveryToken, _: &DeadReason) -> Result<HoldAnswer, QueueError> {
        self.say("dead")
    }

    async fn close(&self) -> Result<(), QueueError> {
        Ok(())
    }
}

/// Counts the runs, which end at once.
#[derive(Default)]
struct FakeRunner(AtomicUsize);

#[async_trait]
impl MessageRunner for FakeRunner {
    async fn known(&self, _: &Delivery) -> Option<RunId> {
        None
    }

    async fn begin(&self, _: &Delivery, _: Option<&str>) -> Result<RunId, NotBegun> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok("run".into())
    }

    async fn ended(&self, _: &RunId) -> RunReport {
        RunReport { status: EndStatus::Succeeded, error: None, detail: Value::Null }
    }

    async fn lose(&self, _: &RunId, _: String) {}

    async fn withdraw(&self, _: &RunId, _: String) -> bool {
        false
    }

    async fn dead(&self, _: &str, _: &str, _: &DeadReason) {}

    async fn missed(&self, _: &QueueGap) {}
}

fn delivery() -> Delivery {
    let message = QueueMessage {
        id: "1".to_owned(),
        topic: "t".to_owned(),
        key: None,
        param: Value::Null,
        sealed: false,
        origin: "origin".to_owned(),
        event: "event".to_owned(),
        chain_depth: 0,
        attempt: 1,
        made: 0,
        not_after: None,
        reply: false,
        put_again: false,
    };
    let token = DeliveryToken {
        topic: "t".to_owned(),
        id: "1".to_owned(),
        entry: "1-1".to_owned(),
        lane: None,
        delivery: 1,
        starts: 0,
        attempt: 1,
        reply_to: None,
    };
    Delivery { message, token, deliveries: 0, attempt: 1, started_by: None }
}

fn state(consumer: FakeConsumer, runner: Arc<FakeRunner>) -> WorkerState {
    let settings = WorkerSettings {
        consumer: ConsumerSettings {
            name: "work".to_owned(),
            topics: vec!["t".to_owned()],
            mode: ConsumeMode::Compete,
            lease: Duration::from_secs(30),
            max_deliveries: 5,
            marker_ttl: Duration::from_secs(60),
            take_back: true,
        },
        process: 1,
        ack: Acknowledge::Done,
        requeue: RequeuePolicy { on: Vec::new(), max: 0, delay: Duration::ZERO, backoff: 1.0 },
    };
    WorkerState {
        settings,
        consumer: Box::new(consumer),
        runner,
        queue: "main".to_owned(),
        node: "web1".to_owned(),
        held: HeldMessages::default(),
        places: Arc::new(Semaphore::new(1)),
        stopping: CancellationToken::new(),
        closed: CancellationToken::new(),
    }
}

#[derive(Clone, Copy)]
enum After10Seconds {
    Lost,
    Stop,
    Nothing,
}

#[tokio::test(start_paused = true)]
async fn a_statement_without_an_answer_ends() {
    use After10Seconds::{Lost, Nothing, Stop};
    // What the queue answers, whether it denies the rest, what happens; after how many seconds it is over, what was
    // said last, and how often it ran.
    for (answered, denied, happens, seconds, last, runs) in [
        (&[][..], false, Lost, 10, "start", 0),
        (&["requeue"], false, Stop, 10, "requeue", 0),
        (&[], false, Stop, 10 + 3600, "requeue", 0),
        (&["start"], false, Lost, 10, "done", 1),
        (&["start"], false, Stop, 3600, "done", 1),
        (&["start"], true, Nothing, 3600, "done", 1),
        (&[], true, Nothing, 3600, "start", 0),
        (&["start", "done"], false, Nothing, 0, "done", 1),
    ] {
        let (runner, said) = (Arc::new(FakeRunner::default()), Arc::default());
        let shared = state(FakeConsumer { answered, denied, said: Arc::clone(&said) }, runner.clone());
        let delivery = delivery();
        let held = shared.held.hold(&delivery.token);
        let began = Instant::now();
        let happening = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            match happens {
                Lost => shared.held.answered(&delivery.token, HoldAnswer::Lost { owner: None }),
                Stop => shared.stopping.cancel(),
                Nothing => {}
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = message::run(&shared, &delivery, &held) => {}
            () = happening => {}
        }
        let took = began.elapsed().as_secs();
        let said = said.lock().unwrap().last().copied();
        assert_eq!(
            (took, said, runner.0.load(Ordering::SeqCst)),
            (seconds, Some(last), runs),
            "{answered:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_waits_for_a_queue_that_is_away() {
    let shared = state(FakeConsumer { answered: &["start"], ..FakeConsumer::default() }, Arc::default());
    let delivery = delivery();
    let held = shared.held.hold(&delivery.token);
    let run = message::run(&shared, &delivery, &held);
    assert!(tokio::time::timeout(Duration::from_secs(10_000), run).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_worker_without_a_place_looks_at_the_server_and_sooner_when_it_does_not_answer() {
    for (answered, looks) in [(&["look"][..], 4), (&[][..], 16)] {
        let said = Arc::<Mutex<Vec<&'static str>>>::default();
        let consumer = FakeConsumer { answered, denied: false, said: Arc::clone(&said) };
        let shared = Arc::new(state(consumer, Arc::default()));
        let _taken = shared.places.clone().acquire_owned().await.unwrap();
        let worker = QueueWorker { shared, tasks: TaskTracker::new() };
        let received = tokio::time::timeout(Duration::from_millis(2050), worker.receive()).await;
        assert!(received.is_err(), "it goes on until it is stopped");
        assert_eq!(*said.lock().unwrap(), vec!["look"; looks], "{answered:?}");
    }
}
