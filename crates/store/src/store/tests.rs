mod keeping;
mod large;
mod older;
mod opening;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use herald_core::activation::{Activation, Key, Name};
use herald_core::actor::Actor;
use herald_core::clock::{Clock, SystemClock};
use herald_core::dispatcher::restore;
use herald_core::job::Job;
use herald_core::journal::{
    Decision, InterruptedState, Journal, JournalError, Record, Records, SelectorResult, StoredJob,
};
use herald_core::lifecycle::{Status, Verdict};
use herald_core::param::Params;
use herald_core::plan::Plan;
use herald_core::position::{Cursor, Position};
use herald_core::secret::Mask;
use herald_core::workflow::{KnownComponents, read};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::JournalStore;
use crate::history::{History, JobPage, JobQuery, JobStatus, Keep};

pub(crate) const KEEP: Keep = Keep { time: Duration::from_secs(86_400), jobs: 1000 };
/// The ids of the events here are years old: with less time to keep them, one without jobs may be trimmed meanwhile.
pub(crate) const KEEP_OLD: Keep = Keep { time: Duration::from_hours(24 * 36_500), ..KEEP };

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(crate) fn id(n: u64) -> Name {
    format!("01a3185c-5000-7000-8000-{n:012x}").into()
}

fn object(value: Value) -> Params {
    value.as_object().unwrap().clone()
}

pub(crate) async fn append(store: &JournalStore, records: &[Record]) -> Result<(), JournalError> {
    store.append(&Records::new(records.to_vec())).await
}

pub(crate) fn open_for_ever(folder: &Path) -> JournalStore {
    JournalStore::open(folder, KEEP_OLD, Arc::new(SystemClock)).unwrap()
}

pub(crate) fn open(folder: &Path) -> JournalStore {
    let store = JournalStore::open(folder, KEEP, Arc::new(SystemClock)).unwrap();
    store.check_in_background().unwrap();
    store
}

/// A configuration with one router, whose secret is this.
pub(crate) fn plan(secret: &str) -> Plan {
    let router = json!({"r": {
        "trigger": "t", "selector": "all", "task": {"k": "local"},
        "job_param": {"cmd": "true", "git_password": secret, "arg": [secret, "plain"]},
    }});
    let known = KnownComponents {
        triggers: [("t".to_owned(), None)].into(),
        selectors: [("all".to_owned(), None)].into(),
        executors: [("local".to_owned(), None)].into(),
        secrets: None,
    };
    let mut mask = Mask::new();
    mask.add(secret);
    Plan { workflow: read(&router, &Value::Null, &known).0, mask: Arc::new(mask), ..Plan::default() }
}

pub(crate) fn accepted(plan: &Plan, n: u64, param: Value) -> Record {
    let activation = Activation {
        event_id: id(n),
        trigger: "t".into(),
        trigger_param: Arc::new(object(param).into()),
        chain_depth: 0,
        by: None,
    };
    Record::Accepted { activation, mask: plan.mask.clone(), key: None, cursor: None, due: None, at: at(0) }
}

fn job(plan: &Plan, event: u64, n: u64, attempt: u32) -> Arc<Job> {
    let route = plan.workflow.route("r", "k").unwrap();
    Arc::new(Job {
        id: id(n),
        trigger_id: id(event),
        router: route.router.clone(),
        trigger: route.trigger.clone(),
        selector: route.selector.clone(),
        task: route.task.clone(),
        executor: route.executor.clone(),
        trigger_param: Arc::default(),
        select_param: route.select_param.get(),
        job_param: route.job_param.get(),
        chain_depth: 0,
        attempt,
        by: None,
        rerun: false,
    })
}

pub(crate) fn queued(plan: &Plan, event: u64, n: u64) -> Record {
    Record::Queued { job: job(plan, event, n, 1), mask: plan.mask.clone(), at: at(1) }
}

pub(crate) fn routed(event: u64, job_id: Option<Name>) -> Record {
    let said = if job_id.is_some() { SelectorResult::Match } else { SelectorResult::NoMatch };
    let (router, task, selector) = ("r".into(), "k".into(), "all".into());
    let decision = Decision { router, task, selector, said, why: "because".into(), job_id };
    Record::Routed { event_id: id(event), decisions: vec![decision], kept: true, at: at(1) }
}

pub(crate) fn ended(plan: &Plan, event: u64, n: u64) -> Record {
    let verdict = Verdict { status: Status::Succeeded, error: None, result: object(json!({"exit_code": 0})) };
    Record::Ended {
        job: job(plan, event, n, 1),
        mask: plan.mask.clone(),
        verdict,
        cancelled_by: None,
        kept: true,
        at: at(3),
    }
}

pub(crate) fn started(plan: &Plan, event: u64, n: u64, attempt: u32) -> Record {
    Record::Started { job: job(plan, event, n, attempt), at: at(2) }
}

/// What the history does not keep.
fn unkept(record: Record) -> Record {
    match record {
        Record::Ended { job, mask, verdict, cancelled_by, at, .. } => {
            Record::Ended { job, mask, verdict, cancelled_by, kept: false, at }
        }
        Record::Routed { event_id, decisions, at, .. } => {
            Record::Routed { event_id, decisions, kept: false, at }
        }
        other => other,
    }
}

#[tokio::test]
async fn what_was_recorded_is_taken_up_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan("hunter2222");
    let store = open(folder.path());
    let lost = Verdict::without_result(Status::Lost, "gone");
    let retry =
        Record::AttemptEnded { job: job(&plan, 1, 13, 1), verdict: lost, retry_at: at(60), at: at(3) };
    let records = [
        vec![
            accepted(&plan, 1, json!({"token": "s3cret-of-mine", "n": 5})),
            accepted(&plan, 2, json!({"n": 6})),
        ],
        vec![queued(&plan, 1, 11), queued(&plan, 1, 12), started(&plan, 1, 12, 1), queued(&plan, 1, 13)],
        vec![routed(1, Some(id(11))), started(&plan, 1, 13, 1), queued(&plan, 1, 14), queued(&plan, 2, 15)],
        vec![retry, ended(&plan, 1, 14)],
    ];
    for batch in &records {
        append(&store, batch).await.unwrap();
    }
    let log = folder.path().join("journal").join(format!("{:020}.log", 0));
    let mut files = vec![std::fs::read(log).unwrap()];
    drop(store);
    let history = ["journal.db", "journal.db-wal"].map(|file| std::fs::read(folder.path().join(file)));
    files.extend(history.into_iter().flatten());
    for (file, bytes) in files.iter().enumerate() {
        for secret in ["hunter2222", "s3cret-of-mine"] {
            assert!(
                !bytes.windows(secret.len()).any(|found| found == secret.as_bytes()),
                "{secret} in {file}"
            );
        }
    }
    let store = open(folder.path());
    let recovered = store.recover().unwrap();
    let restored = |stored: &StoredJob| restore(&plan, stored.clone());
    let jobs: Vec<_> = recovered
        .jobs
        .iter()
        .map(|found| (found.interrupted, restored(&found.stored)))
        .map(|(interrupted, found)| (found.job.id, interrupted, found.job.attempt, found.broken))
        .collect();
    assert_eq!(
        jobs,
        [
            (id(11), InterruptedState::Queued { not_before: None }, 1, None),
            (id(12), InterruptedState::Running, 1, None),
            (id(13), InterruptedState::Queued { not_before: Some(at(60)) }, 2, None),
            (id(15), InterruptedState::Queued { not_before: None }, 1, None),
        ]
    );
    let first = restored(&recovered.jobs[0].stored).job;
    assert_eq!(**first.trigger_param, object(json!({"token": "s3cret-of-mine", "n": 5})));
    assert_eq!(first.job_param.get("git_password"), Some(&json!("hunter2222")));
    let events: Vec<_> = recovered.events.iter().map(|event| event.activation.event_id.clone()).collect();
    assert_eq!(events, [id(2)]);
    assert!(recovered.events[0].made.contains(&("r".into(), "k".into())));
}

/// Whether the history takes in each record by itself or all at once. It shows no result before the end.
#[tokio::test]
async fn what_earlier_attempts_gave_is_there_for_the_next_one() {
    let plan = plan("hunter2222");
    let (first, second) = (json!({"node": {"n1": {"status": "succeeded"}}}), json!({"node": {}}));
    let long = json!({"output": "x".repeat(4000)});
    for (gave, expected) in [
        (vec![first.clone()], Some(first.clone())),
        (vec![first.clone(), json!({})], Some(first.clone())),
        (vec![first.clone(), second.clone()], Some(second)),
        (vec![long.clone()], Some(long)),
        (vec![json!({})], None),
        (vec![], None),
    ] {
        for apart in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let store = open(folder.path());
            let mut records = vec![accepted(&plan, 1, json!({})), queued(&plan, 1, 11)];
            let mut attempt = 1;
            for result in &gave {
                let result = object(result.clone());
                let verdict = Verdict { result, ..Verdict::without_result(Status::Failed, "no") };
                records.push(started(&plan, 1, 11, attempt));
                let job = job(&plan, 1, 11, attempt);
                records.push(Record::AttemptEnded { job, verdict, retry_at: at(4), at: at(3) });
                attempt += 1;
            }
            // It runs, and then its process is gone.
            records.push(started(&plan, 1, 11, attempt));
            for record in records {
                append(&store, &[record]).await.unwrap();
                if apart {
                    assert_eq!(store.job(&id(11)).await.unwrap().and_then(|job| job.result), None);
                }
            }
            drop(store);
            let store = open(folder.path());
            let [recovered] = store.recover().unwrap().jobs.try_into().ok().unwrap();
            assert_eq!(recovered.earlier.map(Value::Object), expected, "{apart}");
            assert_eq!(store.job(&id(11)).await.unwrap().unwrap().result, None, "{apart}");
            append(&store, &[ended(&plan, 1, 11)]).await.unwrap();
            let result = store.job(&id(11)).await.unwrap().unwrap().result;
            assert_eq!(result, Some(object(json!({"exit_code": 0}))), "{apart}");
        }
    }
}

#[tokio::test]
async fn secrets_are_those_of_todays_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let (before, store) = (plan("hunter2222"), open(folder.path()));
    append(&store, &[accepted(&before, 1, json!({})), queued(&before, 1, 11)]).await.unwrap();
    drop(store);
    let store = open(folder.path());
    let changed = plan("correct-horse");
    let recovered = store.recover().unwrap();
    let stored = &recovered.jobs[0].stored;
    assert_eq!(stored.job.job_param.get("git_password"), Some(&json!("***")));
    let today = restore(&changed, stored.clone()).job;
    assert_eq!(today.job_param, changed.workflow.route("r", "k").unwrap().job_param.get());
    let gone = restore(&Plan::default(), stored.clone());
    let broken = gone.broken.as_deref().unwrap();
    assert!(broken.contains("job_param/git_password") && broken.contains("\"r\""), "{broken}");
}

#[tokio::test]
async fn a_log_without_a_place_refuses_and_goes_on_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, store) = (plan("hunter2222"), open(folder.path()));
    let (log, away) = (folder.path().join("journal"), folder.path().join("away"));
    std::fs::rename(&log, &away).unwrap();
    append(&store, &[accepted(&plan, 1, json!({}))]).await.unwrap_err();
    append(&store, &[]).await.unwrap_err();
    std::fs::rename(&away, &log).unwrap();
    append(&store, &[]).await.unwrap();
    append(&store, &[accepted(&plan, 2, json!({}))]).await.unwrap();
    assert!(store.event(&id(1)).await.unwrap().is_none() && store.event(&id(2)).await.unwrap().is_some());
}

#[tokio::test]
async fn while_the_history_cannot_be_written_the_journal_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, store) = (plan("hunter2222"), open(folder.path()));
    // Somebody else writes, and does not end: as good as a disk that does not answer, and easier to end.
    let other = rusqlite::Connection::open(folder.path().join("journal.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let key = Key { name: "t:k1".into(), window: Duration::from_secs(10) };
    let Record::Accepted { activation, mask, at: when, .. } = accepted(&plan, 1, json!({})) else { panic!() };
    let cursor = Some(Cursor { source: "cron".into(), position: Position::of_time(at(-5)) });
    let record = Record::Accepted { activation, mask, key: Some(key), cursor, due: Some(at(-5)), at: when };
    append(&store, &[record]).await.unwrap();
    assert_eq!(store.seen("t:k1", at(1)).await.unwrap(), Some(id(1)), "known before it is in the history");
    assert_eq!(store.seen("t:k1", at(11)).await.unwrap(), None);
    assert_eq!(store.reached("cron").await.unwrap(), Some(Position::of_time(at(-5))));
    other.execute_batch("ROLLBACK").unwrap();
    assert!(store.event(&id(1)).await.unwrap().is_some());
    assert_eq!(store.seen("t:k1", at(1)).await.unwrap(), Some(id(1)));
    drop(store);
    // The next process learns which keys there are while it is asked for them.
    let store = open(folder.path());
    let mut learning = true;
    while learning {
        learning = store.unindexed.wants_to_learn();
        assert_eq!(store.seen("t:k1", at(1)).await.unwrap(), Some(id(1)), "still learning: {learning}");
        assert_eq!(store.seen("t:k2", at(1)).await.unwrap(), None);
    }
}

/// The log as a killed process leaves it: what was written and not taken in yet.
pub(crate) async fn left_behind(folder: &Path, plan: &Plan, batches: u64) {
    let batches: Vec<_> = (1..=batches).map(|n| vec![accepted(plan, n, json!({"n": n}))]).collect();
    leave_behind(folder, &batches).await;
}

pub(crate) async fn leave_behind(folder: &Path, batches: &[Vec<Record>]) {
    let store = open(folder);
    // Holds the history back.
    let other = rusqlite::Connection::open(folder.join("journal.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for batch in batches {
        append(&store, batch).await.unwrap();
    }
    let log = folder.join("journal");
    let kept: Vec<_> = std::fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path()).collect();
    // The file that is being made ready for the log may get its name meanwhile.
    let kept: Vec<_> =
        kept.iter().filter_map(|path| Some((path.clone(), std::fs::read(path).ok()?))).collect();
    assert!(kept.iter().any(|(path, _)| path.extension().is_some_and(|ending| ending == "log")));
    let database = std::fs::read(folder.join("journal.db")).unwrap();
    let wal = std::fs::read(folder.join("journal.db-wal")).unwrap();
    let end = std::fs::read(folder.join("journal.end")).unwrap();
    other.execute_batch("ROLLBACK").unwrap();
    drop((other, store));
    for (path, bytes) in kept {
        std::fs::write(path, bytes).unwrap();
    }
    let _ = std::fs::remove_file(folder.join("journal.db-shm"));
    std::fs::write(folder.join("journal.end"), end).unwrap();
    std::fs::write(folder.join("journal.db"), database).unwrap();
    std::fs::write(folder.join("journal.db-wal"), wal).unwrap();
}

pub(crate) async fn events(store: &JournalStore, most: u64) -> Vec<u64> {
    let mut found = Vec::new();
    for n in 1..=most {
        if store.event(&id(n)).await.unwrap().is_some() {
            found.push(n);
        }
    }
    found
}
