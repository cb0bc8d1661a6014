//! A queue that answers as a test says.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use herald_core::conformance;
use herald_core::executor::{NoOutput, Stop};
use herald_core::secret::Mask;
use herald_queue::{
    ConsumerSettings, DeadLetter, DeadReason, Fitness, ForgottenNode, InvalidQueueSettings, KnownMessage,
    ListItem, MessageState, MessageView, PausedBy, PutAnswer, QueueConsumer, QueueResult, QueueStatus,
    ResultReader, ResultReceipt, TopicStatus,
};
use herald_remote::Protocol;
use sha2::{Digest as _, Sha256};

use super::super::*;

/// What the queue answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answers {
    Yes,
    No,
    Away,
    Never,
}

pub(super) struct FakeQueue {
    pub(super) puts: Answers,
    pub(super) pieces_are: Answers,
    pub(super) withdraws: Answers,
    /// The end of the message; none: its runner goes on.
    pub(super) end: Option<Value>,
    pub(super) pieces: Mutex<BTreeMap<String, Vec<u8>>>,
    pub(super) calls: Mutex<Vec<String>>,
}

impl FakeQueue {
    pub(super) fn new(end: Option<Value>) -> Self {
        let (pieces, calls) = (Mutex::default(), Mutex::default());
        Self { puts: Answers::Yes, pieces_are: Answers::Yes, withdraws: Answers::Yes, end, pieces, calls }
    }

    pub(super) fn note(&self, call: &str) {
        self.calls.lock().unwrap().push(call.to_owned());
    }

    pub(super) fn piece_names(&self) -> Vec<String> {
        self.pieces.lock().unwrap().keys().cloned().collect()
    }
}

pub(super) fn away() -> QueueError {
    let (queue, address) = ("main".to_owned(), "localhost:1".to_owned());
    QueueError::Unreachable { queue, address, problem: "connection refused".to_owned(), asked: true }
}

pub(super) struct FakeResults(Mutex<Option<MessageEnd>>);

#[async_trait]
impl ResultReader for FakeResults {
    async fn next(&self) -> Result<Vec<QueueResult>, QueueError> {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let end = self.0.lock().unwrap().take();
        let receipt = ResultReceipt::default;
        Ok(end.into_iter().map(|end| QueueResult { end, receipt: receipt() }).collect())
    }

    async fn acknowledge(&self, _: &[ResultReceipt]) -> Result<(), QueueError> {
        Ok(())
    }
}

#[async_trait]
impl Queue for FakeQueue {
    fn name(&self) -> &str {
        "main"
    }

    fn node(&self) -> &str {
        "origin"
    }

    fn status(&self) -> QueueStatus {
        QueueStatus { connected: true, connects: 1, ..QueueStatus::default() }
    }

    async fn fitness(&self) -> Result<Fitness, QueueError> {
        Ok(Fitness::default())
    }

    async fn put(&self, _: &NewMessage) -> Result<PutAnswer, QueueError> {
        match self.puts {
            Answers::Yes => Ok(PutAnswer::Accepted),
            Answers::No => Ok(PutAnswer::Full { length: 1 }),
            Answers::Away => Err(away()),
            Answers::Never => std::future::pending().await,
        }
    }

    async fn withdraw(&self, _: &str, _: &str, _: Duration) -> Result<Withdrawal, QueueError> {
        self.note("withdraw");
        match self.withdraws {
            Answers::Yes => Ok(Withdrawal::Withdrawn),
            Answers::No => Ok(Withdrawal::Taken),
            Answers::Away | Answers::Never => Err(away()),
        }
    }

    async fn compare(&self, _: &str, ids: &[String]) -> Result<Vec<KnownMessage>, QueueError> {
        let known =
            |id: &String| KnownMessage { id: id.clone(), state: MessageState::Waiting, ends: Vec::new() };
        Ok(ids.iter().map(known).collect())
    }

    fn results(&self, _: &[String]) -> Result<Box<dyn ResultReader>, InvalidQueueSettings> {
        let end = self.end.clone().map(|detail| MessageEnd {
            id: "job".to_owned(),
            topic: "jobs".to_owned(),
            node: "web1".to_owned(),
            status: EndStatus::Succeeded,
            detail,
            sealed: true,
            deliveries: 1,
            attempt: 1,
            ended: 0,
        });
        Ok(Box::new(FakeResults(Mutex::new(end))))
    }

    async fn put_piece(&self, name: &PieceName, _: &[u8], _: Duration) -> Result<(), QueueError> {
        self.note(&format!("put {}", name.part));
        Ok(())
    }

    async fn piece(&self, name: &PieceName) -> Result<Option<Vec<u8>>, QueueError> {
        self.note(&format!("get {}", name.part));
        match self.pieces_are {
            Answers::Yes => Ok(self.pieces.lock().unwrap().get(&name.part).cloned()),
            Answers::No => Ok(None),
            Answers::Away => Err(away()),
            Answers::Never => std::future::pending().await,
        }
    }

    async fn delete_pieces(&self, names: &[PieceName]) -> Result<(), QueueError> {
        assert!(names.len() < 20_000, "{}", names.len());
        let mut pieces = self.pieces.lock().unwrap();
        for name in names {
            pieces.remove(&name.part);
        }
        drop(pieces);
        self.note("delete");
        Ok(())
    }

    fn consumer(&self, _: ConsumerSettings) -> Result<Box<dyn QueueConsumer>, InvalidQueueSettings> {
        unreachable!()
    }

    async fn topics(&self) -> Result<Vec<String>, QueueError> {
        unreachable!()
    }

    async fn topic(&self, _: &str) -> Result<TopicStatus, QueueError> {
        unreachable!()
    }

    async fn show(&self, _: &str) -> Result<Vec<MessageView>, QueueError> {
        unreachable!()
    }

    async fn dead_letters(&self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<DeadLetter>, QueueError> {
        unreachable!()
    }

    async fn requeue_dead(&self, _: &DeadLetter) -> Result<bool, QueueError> {
        unreachable!()
    }

    async fn set_paused(&self, _: &str, _: Option<&PausedBy>) -> Result<(), QueueError> {
        unreachable!()
    }

    async fn forget(&self, _: &str) -> Result<ForgottenNode, QueueError> {
        unreachable!()
    }

    async fn list_push(&self, _: &str, _: &[u8], _: u64) -> Result<Option<u64>, QueueError> {
        unreachable!()
    }

    async fn list_take(&self, _: &str, _: &str, _: usize) -> Result<Vec<ListItem>, QueueError> {
        unreachable!()
    }

    async fn list_bury(&self, _: &str, _: &ListItem, _: &DeadReason) -> Result<(), QueueError> {
        unreachable!()
    }

    async fn list_remove(&self, _: &ListItem) -> Result<(), QueueError> {
        unreachable!()
    }
}

pub(super) fn execution(stop: &Stop) -> Execution {
    let (job, mask) = (Arc::new(conformance::job("job")), Arc::new(Mask::new()));
    Execution { job, mask, stop: stop.clone(), output: Arc::new(NoOutput), earlier: None }
}

pub(super) struct Tried {
    /// `ok`, or the kind and the sentence.
    pub(super) outcome: String,
    pub(super) calls: Vec<String>,
    pub(super) seconds: u64,
    pub(super) folder: tempfile::TempDir,
}

/// Runs a job with a timeout of 60 s. After 5 s, what `happens` says.
pub(super) async fn tried(queue: &Arc<FakeQueue>, happens: impl Fn(&Stop)) -> Tried {
    let folder = tempfile::tempdir().unwrap();
    let settings = RemoteSettings {
        data_dir: folder.path().to_owned(),
        timeout: Duration::from_secs(60),
        protocol: Protocol::V2,
        connect_timeout: Duration::from_secs(1),
        rejoin: Duration::from_secs(1),
        silence: Duration::from_secs(1),
        max_files_size: Some(10 << 20),
    };
    let shared: Arc<dyn Queue> = queue.clone();
    let origin = Arc::new(QueueOrigin::new(shared.clone()));
    let through_queue =
        ThroughQueue { queue: shared, origin, topic: "jobs".to_owned(), settings: Arc::new(settings) };
    let (stop, began) = (Stop::new(), tokio::time::Instant::now());
    let happening = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        happens(&stop);
        std::future::pending().await
    };
    let execution = execution(&stop);
    let outcome = tokio::select! {
        outcome = through_queue.run(&execution, false) => outcome,
        () = happening => unreachable!(),
    };
    let outcome = outcome.map_or_else(
        |failure| format!("{:?} {}", failure.kind, failure.error),
        |result| format!("ok {}", Value::Object(result)),
    );
    let calls = std::mem::take(&mut *queue.calls.lock().unwrap());
    Tried { outcome, calls, seconds: began.elapsed().as_secs(), folder }
}

pub(super) fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn file(name: &str, size: u64, pieces: u64) -> Value {
    json!({"name": name, "filename": name, "size": size, "sha256": sha256(b"abc"), "pieces": pieces})
}

pub(super) fn report(files: &Value, result_pieces: u64) -> Value {
    let result = if result_pieces == 0 { json!({"n": 1}) } else { Value::Null };
    let ending = serde_json::to_value(EndingName::from(herald_base::ending::Ending::Exited(0))).unwrap();
    json!({"ending": ending, "error_line": null, "result": result, "result_pieces": result_pieces, "files": files})
}
