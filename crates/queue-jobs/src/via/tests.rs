//! Jobs through a queue that answers as a test says: hostile runners, and every moment at which a job can be given up.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use herald_core::executor::{NoOutput, Stop};
use herald_core::job::Job;
use herald_core::secret::Mask;
use herald_queue::{
    ConsumerSettings, DeadLetter, FilePieces, Fitness, ForgottenNode, InvalidQueueSettings, KnownMessage,
    ListItem, MessageState, MessageView, PutAnswer, QueueConsumer, QueueResult, QueueStatus, ResultReader,
    ResultReceipt, TopicStatus,
};
use herald_remote::Protocol;
use sha2::{Digest as _, Sha256};

use super::*;

/// What the queue answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answers {
    Yes,
    No,
    Away,
    Never,
}

struct FakeQueue {
    puts: Answers,
    pieces_are: Answers,
    withdraws: Answers,
    /// The end of the message; none: its runner goes on.
    end: Option<Value>,
    pieces: Mutex<BTreeMap<String, Vec<u8>>>,
    calls: Mutex<Vec<String>>,
}

impl FakeQueue {
    fn new(end: Option<Value>) -> Self {
        let (pieces, calls) = (Mutex::default(), Mutex::default());
        Self { puts: Answers::Yes, pieces_are: Answers::Yes, withdraws: Answers::Yes, end, pieces, calls }
    }

    fn note(&self, call: &str) {
        self.calls.lock().unwrap().push(call.to_owned());
    }

    fn piece_names(&self) -> Vec<String> {
        self.pieces.lock().unwrap().keys().cloned().collect()
    }
}

fn away() -> QueueError {
    let (queue, address) = ("main".to_owned(), "localhost:1".to_owned());
    QueueError::Unreachable { queue, address, problem: "connection refused".to_owned(), asked: true }
}

struct FakeResults(Mutex<Option<MessageEnd>>);

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

    async fn set_paused(&self, _: &str, _: bool) -> Result<(), QueueError> {
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

    async fn list_remove(&self, _: &ListItem) -> Result<(), QueueError> {
        unreachable!()
    }
}

fn execution(stop: &Stop) -> Execution {
    let job = Job {
        id: "job".into(),
        trigger_id: "e".into(),
        router: "r".into(),
        trigger: "t".into(),
        selector: "s".into(),
        task: "k".into(),
        executor: "x".into(),
        trigger_param: Arc::default(),
        select_param: Arc::default(),
        job_param: Arc::default(),
        chain_depth: 0,
        attempt: 1,
        by: None,
        rerun: false,
    };
    let (job, mask) = (Arc::new(job), Arc::new(Mask::new()));
    Execution { job, mask, stop: stop.clone(), output: Arc::new(NoOutput) }
}

struct Tried {
    /// `ok`, or the kind and the sentence.
    outcome: String,
    calls: Vec<String>,
    seconds: u64,
    folder: tempfile::TempDir,
}

/// Runs a job with a timeout of 60 s. After 5 s, what `happens` says.
async fn tried(queue: &Arc<FakeQueue>, happens: impl Fn(&Stop)) -> Tried {
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

fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn file(name: &str, size: u64, pieces: u64) -> Value {
    json!({"name": name, "filename": name, "size": size, "sha256": sha256(b"abc"), "pieces": pieces})
}

fn report(files: &Value, result_pieces: u64) -> Value {
    let result = if result_pieces == 0 { json!({"n": 1}) } else { Value::Null };
    let ending = serde_json::to_value(EndingName::from(herald_base::ending::Ending::Exited(0))).unwrap();
    json!({"ending": ending, "error_line": null, "result": result, "result_pieces": result_pieces, "files": files})
}

#[tokio::test(start_paused = true)]
async fn a_hostile_runner_fills_neither_memory_nor_disk() {
    let largest = FilePieces::LARGEST;
    let many = |count: usize| (0..count).map(|n| file(&format!("f{n}"), 0, 0)).collect::<Value>();
    // The detail of the end, the pieces that are there with their sizes, the outcome, and how many pieces are read.
    for (detail, pieces, says, reads) in [
        (report(&json!([file("a", 3, 1)]), 0), vec![("file/a/0", 3)], "ok", 1),
        (json!({"error": "no room"}), vec![], "Failed the runner web1: no room", 0),
        (json!({"nonsense": 1}), vec![], "Failed invalid answer from the runner web1", 0),
        (report(&json!([]), u64::from(u32::MAX)), vec![("result/63", 9)], "larger than 33554432 bytes", 0),
        (report(&json!([]), 65), vec![("result/0", 9)], "larger than 33554432 bytes", 0),
        (report(&json!([]), 1), vec![("result/0", 1 << 20)], "larger than the report says", 1),
        (report(&json!([]), 1), vec![("result/0", 9)], "not a JSON object", 1),
        (report(&many(1001), 0), vec![], "more than 1000 files", 0),
        (report(&json!([file("a", largest + 1, 17)]), 0), vec![("file/a/0", 9)], "larger than 8 MiB", 0),
        (report(&json!([file("a", u64::MAX, 1)]), 0), vec![("file/a/0", 9)], "larger than 8 MiB", 0),
        (report(&json!([file("a", 3, 1 << 40)]), 0), vec![("file/a/15", 9)], "another number of pieces", 0),
        (report(&json!([file("a", 3, 0)]), 0), vec![], "another number of pieces", 0),
        (
            report(&json!([file("a", largest, 16), file("b", largest, 16)]), 0),
            vec![("file/a/0", 9), ("file/b/9", 9)],
            "than max_files_size allows",
            0,
        ),
        (report(&json!([file("a", 3, 1)]), 0), vec![("file/a/0", 4)], "larger than the report says", 1),
        (report(&json!([file("a", 3, 1)]), 0), vec![("file/a/0", 2)], "does not match its checksum", 1),
        (report(&json!([file("a", 3, 1)]), 0), vec![], "not in the queue any more", 1),
        (
            report(&json!([file("a", 3, 1), file("a", 3, 1)]), 0),
            vec![("file/a/0", 3)],
            "Failed from the runner web1: ",
            2,
        ),
        (
            report(&json!([file("../a", 3, 1)]), 0),
            vec![("file/../a/0", 3)],
            "Failed from the runner web1: ",
            1,
        ),
    ] {
        let queue = FakeQueue::new(Some(detail.clone()));
        for (part, size) in pieces {
            let content: Vec<u8> = b"abc".iter().copied().chain(std::iter::repeat(b'x')).take(size).collect();
            queue.pieces.lock().unwrap().insert(part.to_owned(), content);
        }
        let queue = Arc::new(queue);
        let Tried { outcome, calls, folder, .. } = tried(&queue, |_| {}).await;
        assert!(outcome.contains(says), "{outcome}: {detail}");
        assert_eq!(calls.iter().filter(|call| call.starts_with("get")).count(), reads, "{says}");
        // Nothing is left, neither there nor here.
        assert_eq!((queue.piece_names(), calls.last().unwrap().as_str()), (vec![], "delete"), "{detail}");
        let expected = usize::from(outcome.starts_with("ok"));
        let left = || std::fs::read_dir(folder.path()).unwrap().count();
        // A thread removes it.
        for _ in 0..1000 {
            if left() == expected {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(left(), expected, "{says}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_result_is_read_until_the_job_is_given_up() {
    type Happens = fn(&Stop);
    let nothing: Happens = |_| {};
    let cancel: Happens = |stop| stop.asked.cancel();
    let force: Happens = |stop| stop.forced.cancel();
    let shutdown: Happens = |stop| {
        stop.shutdown.cancel();
        stop.asked.cancel();
    };
    for (pieces_are, happens, says, seconds, is_deleted) in [
        (Answers::Never, nothing, "TimedOut timed out after 60s reading the result", 60, true),
        (Answers::Away, nothing, "TimedOut timed out after 60s reading the result", 60, true),
        (Answers::No, nothing, "Failed from the runner web1: a piece", 0, true),
        (Answers::Never, cancel, "Cancelled cancelled", 5, true),
        (Answers::Away, force, "Cancelled cancelled", 5, true),
        (Answers::Never, shutdown, "Cancelled cancelled", 5, false),
    ] {
        let queue = FakeQueue { pieces_are, ..FakeQueue::new(Some(report(&json!([]), 1))) };
        let tried = tried(&Arc::new(queue), happens).await;
        assert!(tried.outcome.starts_with(says), "{says}: {}", tried.outcome);
        assert_eq!(tried.seconds, seconds, "{says}");
        assert_eq!(tried.calls.contains(&"delete".to_owned()), is_deleted, "{says}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_given_up_is_taken_back_or_its_runner_ends_it() {
    use Answers::{Away, Never, No, Yes};
    // How a put is answered, how a withdrawal is, whether it is cancelled; the outcome, after how long, what is called.
    for (puts, withdraws, is_cancelled, says, seconds, calls) in [
        (No, Yes, true, "Cancelled cancelled", 5, &[][..]),
        (No, Yes, false, "TimedOut timed out after 60s (the executor's timeout)", 60, &[]),
        (Away, Yes, true, "Cancelled cancelled before a runner had the job", 5, &["withdraw"]),
        (
            Never,
            Away,
            true,
            "Cancelled cancelled; the runner may still run the job: queue main",
            5,
            &["withdraw"],
        ),
        (Yes, Yes, true, "Cancelled cancelled before a runner had the job", 5, &["withdraw"]),
        (
            Yes,
            Yes,
            false,
            "TimedOut timed out after 60s (the executor's timeout) before a",
            60,
            &["withdraw"],
        ),
        (Yes, No, true, "Cancelled cancelled", 25, &["withdraw", "put cancel"]),
        (
            Yes,
            No,
            false,
            "TimedOut timed out after 60s (the executor's timeout)",
            60,
            &["withdraw", "put cancel"],
        ),
        (
            Yes,
            Away,
            true,
            "Cancelled cancelled; the runner may still run the job: queue main",
            5,
            &["withdraw"],
        ),
        (Never, No, true, "Cancelled cancelled", 25, &["withdraw", "put cancel"]),
    ] {
        let queue = FakeQueue { puts, withdraws, ..FakeQueue::new(None) };
        let cancel = |stop: &Stop| {
            if is_cancelled {
                stop.asked.cancel();
            }
        };
        let tried = tried(&Arc::new(queue), cancel).await;
        assert!(tried.outcome.starts_with(says), "{puts:?} {withdraws:?}: {}", tried.outcome);
        assert_eq!(
            (tried.seconds, tried.calls.as_slice()),
            (seconds, &calls.iter().map(|call| (*call).to_owned()).collect::<Vec<_>>()[..]),
            "{puts:?} {withdraws:?}"
        );
    }
}
