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

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(crate) fn id(n: u64) -> Name {
    format!("01900000-0000-7000-8000-{n:012x}").into()
}

fn object(value: Value) -> Params {
    value.as_object().unwrap().clone()
}

pub(crate) async fn append(store: &JournalStore, records: &[Record]) -> Result<(), JournalError> {
    store.append(&Records::new(records.to_vec())).await
}

pub(crate) fn open(folder: &Path) -> JournalStore {
    JournalStore::open(folder, KEEP, Arc::new(SystemClock)).unwrap()
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
        select_param: route.select_param.clone(),
        job_param: route.job_param.clone(),
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
async fn what_is_not_kept_goes_with_its_event_and_its_logs() {
    let plan = plan("hunter2222");
    // Whether the history takes in each record by itself, and whether its receiver comes late.
    for (apart, late) in [(false, false), (true, false), (true, true)] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let gone: Arc<std::sync::Mutex<Vec<(String, u32)>>> = Arc::default();
        let receive = || {
            let gone = gone.clone();
            Arc::new(move |jobs: &[(String, u32)]| gone.lock().unwrap().extend_from_slice(jobs))
        };
        if !late {
            store.on_trim(receive());
        }
        let again = Record::AttemptEnded {
            job: job(&plan, 4, 14, 1),
            verdict: Verdict::without_result(Status::Failed, "no"),
            retry_at: at(4),
            at: at(3),
        };
        let records = [
            // Its only job is not kept.
            vec![accepted(&plan, 1, json!({})), queued(&plan, 1, 11), routed(1, Some(id(11)))],
            vec![started(&plan, 1, 11, 1), unkept(ended(&plan, 1, 11))],
            // The job ends before all selectors have answered.
            vec![accepted(&plan, 2, json!({})), queued(&plan, 2, 12), unkept(ended(&plan, 2, 12))],
            vec![routed(2, Some(id(12)))],
            // Another job of the event is kept.
            vec![accepted(&plan, 3, json!({})), queued(&plan, 3, 13), queued(&plan, 3, 15)],
            vec![routed(3, Some(id(13))), unkept(ended(&plan, 3, 13)), ended(&plan, 3, 15)],
            // With attempts.
            vec![accepted(&plan, 4, json!({})), queued(&plan, 4, 14), routed(4, Some(id(14)))],
            vec![started(&plan, 4, 14, 1), again, started(&plan, 4, 14, 2), unkept(ended(&plan, 4, 14))],
            // Nothing came of it, kept and not.
            vec![accepted(&plan, 5, json!({})), routed(5, None)],
            vec![accepted(&plan, 6, json!({})), unkept(routed(6, None))],
            // It runs still.
            vec![accepted(&plan, 7, json!({})), queued(&plan, 7, 17), routed(7, Some(id(17)))],
        ];
        for batch in records {
            for record in batch {
                append(&store, &[record]).await.unwrap();
                if apart {
                    store.job(&id(1)).await.unwrap();
                }
            }
        }
        if late {
            store.on_trim(receive());
        }
        let page = store.jobs(JobQuery { limit: 10, ..JobQuery::default() }).await.unwrap();
        let jobs: Vec<Name> = page.jobs.iter().map(|job| job.id.clone()).collect();
        assert_eq!(jobs, [id(17), id(15)], "{apart} {late}");
        for (event, kept) in [(1, false), (2, false), (3, true), (4, false), (5, true), (6, false), (7, true)]
        {
            assert_eq!(store.event(&id(event)).await.unwrap().is_some(), kept, "{event} {apart} {late}");
        }
        assert!(store.job(&id(14)).await.unwrap().is_none());
        let mut gone = gone.lock().unwrap().clone();
        gone.sort();
        let expected =
            [(11, 1), (12, 1), (13, 1), (14, 2)].map(|(n, attempts)| (id(n).to_string(), attempts));
        assert_eq!(gone, expected, "{apart} {late}");
        drop(store);
        let store = open(folder.path());
        append(&store, &[unkept(ended(&plan, 7, 17))]).await.unwrap();
        assert!(store.event(&id(7)).await.unwrap().is_none(), "{apart} {late}");
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
    assert_eq!(today.job_param, changed.workflow.route("r", "k").unwrap().job_param);
    let gone = restore(&Plan::default(), stored.clone());
    let broken = gone.broken.as_deref().unwrap();
    assert!(broken.contains("job_param/git_password") && broken.contains("\"r\""), "{broken}");
}

#[tokio::test]
async fn the_history_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, store) = (plan("hunter2222"), open(folder.path()));
    let batch: Vec<Record> = (10..15).map(|n| queued(&plan, 1, n)).collect();
    append(&store, &[accepted(&plan, 1, json!({"password": "x"}))]).await.unwrap();
    append(&store, &batch).await.unwrap();
    append(&store, &[routed(1, Some(id(10))), started(&plan, 1, 10, 1), ended(&plan, 1, 10)]).await.unwrap();
    let ids = |page: &JobPage| page.jobs.iter().map(|job| job.id.clone()).collect::<Vec<_>>();
    let ask = |query: JobQuery| store.jobs(query);
    let page = ask(JobQuery { limit: 2, ..JobQuery::default() }).await.unwrap();
    assert_eq!(ids(&page), [id(14), id(13)]);
    let page = ask(JobQuery {
        limit: 3,
        cursor: page.next_cursor.map(|cursor| cursor.to_string()),
        ..JobQuery::default()
    })
    .await
    .unwrap();
    assert_eq!((ids(&page), page.next_cursor), (vec![id(12), id(11), id(10)], None));
    for (query, found) in [
        (JobQuery { status: JobStatus::parse("succeeded"), ..JobQuery::default() }, vec![id(10)]),
        (JobQuery { router: Some("other".into()), ..JobQuery::default() }, vec![]),
        (JobQuery { task: Some("k".into()), router: Some("r".into()), ..JobQuery::default() }, vec![id(14)]),
        (JobQuery { since: Some(at(2)), ..JobQuery::default() }, vec![]),
    ] {
        let page = ask(JobQuery { limit: 1, ..query.clone() }).await.unwrap();
        assert_eq!(ids(&page), found, "{query:?}");
    }
    assert!(ask(JobQuery { cursor: Some("x' OR 1".into()), limit: 1, ..JobQuery::default() }).await.is_err());
    let job = store.job(&id(10)).await.unwrap().unwrap();
    assert_eq!((job.summary.state.status.as_str(), job.attempts.len()), ("succeeded", 1));
    assert_eq!(job.job_param.get("git_password"), Some(&json!("***")));
    assert_eq!(job.trigger_param, object(json!({"password": "***"})));
    let event = store.event(&id(1)).await.unwrap().unwrap();
    assert_eq!((event.decisions[0].said, &*event.decisions[0].why), (SelectorResult::Match, "because"));
    assert!(store.job("nothing").await.unwrap().is_none() && store.event(&id(99)).await.unwrap().is_none());
}

#[tokio::test]
async fn keys_hold_for_their_window_and_positions_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, store) = (plan("hunter2222"), open(folder.path()));
    let Record::Accepted { activation, mask, at: when, .. } = accepted(&plan, 1, json!({})) else { panic!() };
    let key = Key { name: "t:k1".into(), window: Duration::from_secs(10) };
    let cursor = |source: &str, position| Cursor { source: source.into(), position };
    let (due, revision) = (Position::of_time(at(-5)), Position::of_integer(7));
    let at_due = Some(cursor("cron", due.clone()));
    let record =
        Record::Accepted { activation, mask, key: Some(key), cursor: at_due, due: Some(at(-5)), at: when };
    append(&store, &[record, Record::Reached(cursor("other", revision.clone()))]).await.unwrap();
    for (key, when, found) in [("t:k1", 9, Some(id(1))), ("t:k1", 10, None), ("t:k2", 1, None)] {
        assert_eq!(store.seen(key, at(when)).await.unwrap(), found, "{key} {when}");
    }
    let positions = [("cron", Some(due)), ("other", Some(revision)), ("none", None)];
    for (source, found) in &positions {
        assert_eq!(store.reached(source).await.unwrap(), *found);
    }
    drop(store);
    let store = open(folder.path());
    for (source, found) in positions {
        assert_eq!(store.reached(source).await.unwrap(), found, "{source}, from the history");
    }
}

#[tokio::test]
async fn the_history_is_bounded_and_what_lives_stays() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan("hunter2222");
    let keep = Keep { jobs: 10, ..KEEP };
    let now = SystemClock.now();
    let store = JournalStore::open(folder.path(), keep, Arc::new(SystemClock)).unwrap();
    let retime = |record: Record| match record {
        Record::Queued { job, mask, .. } => Record::Queued { job, mask, at: now },
        other => other,
    };
    for n in 0..500 {
        let (event, job) = (2 * n + 1, 2 * n + 2);
        let mut batch = vec![accepted(&plan, event, json!({})), retime(queued(&plan, event, job))];
        batch.push(routed(event, Some(id(job))));
        if n != 0 {
            batch.push(ended(&plan, event, job));
        }
        append(&store, &batch).await.unwrap();
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let page = store.jobs(JobQuery { limit: 1000, ..JobQuery::default() }).await.unwrap();
        if page.jobs.len() <= 11 {
            assert!(page.jobs.iter().any(|job| job.id == id(2)), "it has not ended");
            assert_eq!(page.jobs[0].id, id(1000));
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{} jobs are left", page.jobs.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn one_daemon_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let second = JournalStore::open(folder.path(), KEEP, Arc::new(SystemClock)).err().unwrap().to_string();
    assert!(
        second.contains(&format!("pid {}", std::process::id())) && second.contains("state_dir"),
        "{second}"
    );
    drop(first);
    open(folder.path());
}

#[test]
fn a_newer_or_damaged_journal_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let path = folder.path().join("journal.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let error = JournalStore::open(folder.path(), KEEP, Arc::new(SystemClock)).err().unwrap().to_string();
    assert!(error.contains("version 99"), "{error}");
    let garbage = vec![b'x'; 8192];
    std::fs::write(&path, &garbage).unwrap();
    let error = JournalStore::open(folder.path(), KEEP, Arc::new(SystemClock)).err().unwrap().to_string();
    assert!(error.contains("journal.db"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), garbage);
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
    let kept: Vec<_> = kept.iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
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

#[tokio::test]
async fn a_log_that_ends_anywhere_gives_every_whole_batch() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan("hunter2222");
    left_behind(folder.path(), &plan, 3).await;
    let path = folder.path().join("journal").join(format!("{:020}.log", 0));
    let mut whole = std::fs::read(&path).unwrap();
    // The rest are zeros, ready for more.
    whole.truncate(whole.iter().rposition(|byte| *byte != 0).unwrap() + 9);
    let database = std::fs::read(folder.path().join("journal.db")).unwrap();
    let wal = std::fs::read(folder.path().join("journal.db-wal")).unwrap();
    let mut counts = Vec::new();
    for cut in 0..=whole.len() {
        let again = tempfile::tempdir().unwrap();
        std::fs::create_dir(again.path().join("journal")).unwrap();
        std::fs::copy(folder.path().join("seal.key"), again.path().join("seal.key")).unwrap();
        std::fs::write(again.path().join("journal.db"), &database).unwrap();
        std::fs::write(again.path().join("journal.db-wal"), &wal).unwrap();
        let log = again.path().join("journal").join(format!("{:020}.log", 0));
        // Zeros are what a power cut can leave where something was to be written.
        let mut bytes = whole[..cut].to_vec();
        bytes.resize(whole.len() + if cut % 2 == 0 { 0 } else { 4096 }, 0);
        bytes.truncate(if cut % 3 == 0 { cut } else { bytes.len() });
        std::fs::write(&log, &bytes).unwrap();
        let store = open(again.path());
        let found = events(&store, 3).await;
        assert_eq!(found, (1..=found.len() as u64).collect::<Vec<_>>(), "{cut}");
        counts.push(found.len());
        append(&store, &[accepted(&plan, 9, json!({}))]).await.unwrap();
        drop(store);
        assert!(open(again.path()).event(&id(9)).await.unwrap().is_some(), "{cut}");
    }
    assert!(counts.is_sorted() && counts.first() == Some(&0) && counts.last() == Some(&3), "{counts:?}");
}

#[tokio::test]
async fn damage_in_the_middle_of_the_log_is_told_and_nothing_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan("hunter2222");
    left_behind(folder.path(), &plan, 3).await;
    let path = folder.path().join("journal").join(format!("{:020}.log", 0));
    let whole = std::fs::read(&path).unwrap();
    for (what, at, says) in [
        ("the middle of the first batch", 60, "batch 0 of"),
        ("its name", 0, "not a journal of heraldd"),
        ("its version", 8, "is not supported"),
        ("its first number", 12, "beginning cannot be read"),
    ] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        std::fs::write(&path, &bytes).unwrap();
        let error = JournalStore::open(folder.path(), KEEP, Arc::new(SystemClock)).err().unwrap().to_string();
        assert!(error.contains(says), "{what}: {error}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{what}");
    }
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(events(&open(folder.path()), 3).await, [1, 2, 3]);
}

#[tokio::test]
async fn an_older_history_is_brought_to_this_version() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let path = folder.path().join("journal.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "DROP TABLE seal_check;
             DROP TABLE position;
             DROP TABLE cursors;
             CREATE TABLE marks (mark TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
             INSERT INTO marks VALUES ('early', -1500), ('late', 1800000000123);
             ALTER TABLE events DROP COLUMN actor;
             ALTER TABLE jobs DROP COLUMN actor;
             ALTER TABLE jobs DROP COLUMN cancelled_by;
             PRAGMA user_version = 1;",
        )
        .unwrap();
    connection
        .execute(
            "INSERT INTO events (id, trigger_name, param, depth, accepted_at) VALUES (?1, 't', '{}', 0, 1)",
            [&*id(7)],
        )
        .unwrap();
    drop(connection);
    let store = open(folder.path());
    let recovered = store.recover().unwrap();
    assert_eq!(recovered.events[0].activation.event_id, id(7));
    for (source, millis) in [("early", -1500), ("late", 1_800_000_000_123)] {
        let at = Timestamp::from_millisecond(millis).unwrap();
        assert_eq!(store.reached(source).await.unwrap(), Some(Position::of_time(at)), "{source}");
    }
}

/// Parameters of some 20 KB.
fn large(what: &str) -> Value {
    let commit =
        json!({"id": "9f1c2d", "message": "Ümläuts and all", "added": ["a.rs"], "author": {"name": what}});
    json!({ "commits": vec![commit; 200] })
}

/// Events 1 without and 2 with secrets, each with a job whose parameters and result are large as well.
fn large_batches(plan: &Plan) -> Vec<Vec<Record>> {
    let mut secret = large("two");
    secret["token"] = json!("s3cret-of-mine");
    let job = |event: u64, n: u64| {
        let job = job(plan, event, n, 1);
        let (select_param, job_param) = (Arc::new(object(large("select"))), Arc::new(object(large("job"))));
        let job = Arc::new(Job { select_param, job_param, ..(*job).clone() });
        Record::Queued { job, mask: plan.mask.clone(), at: at(1) }
    };
    vec![
        vec![accepted(plan, 1, large("one")), accepted(plan, 2, secret)],
        vec![job(1, 11), job(2, 12), job(1, 13)],
        vec![
            routed(1, Some(id(11))),
            Record::Ended {
                job: self::job(plan, 1, 13, 1),
                mask: plan.mask.clone(),
                verdict: Verdict { status: Status::Succeeded, error: None, result: object(large("result")) },
                cancelled_by: None,
                kept: true,
                at: at(3),
            },
        ],
    ]
}

#[tokio::test]
async fn large_events_and_jobs_are_packed_and_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan("hunter2222");
    leave_behind(folder.path(), &large_batches(&plan)).await;
    let log = std::fs::read(folder.path().join("journal").join(format!("{:020}.log", 0))).unwrap();
    let length = log.iter().rposition(|byte| *byte != 0).unwrap();
    // Only what is sealed is as long as it was.
    assert!((15_000..25_000).contains(&length), "{length}");
    let (mut told, mut shown) = (object(large("two")), object(large("two")));
    told.insert("token".to_owned(), json!("s3cret-of-mine"));
    shown.insert("token".to_owned(), json!("***"));
    let told = [object(large("one")), told];
    // First from the log, then from the history.
    for _ in 0..2 {
        let store = open(folder.path());
        let recovered = store.recover().unwrap();
        assert_eq!(**recovered.events[0].activation.trigger_param, told[1]);
        for (found, trigger_param) in recovered.jobs.iter().map(|job| &job.stored).zip(&told) {
            assert_eq!((&**found.job.trigger_param, &found.broken), (trigger_param, &None));
            assert_eq!(*found.job.job_param, object(large("job")));
            assert_eq!(*found.job.select_param, object(large("select")));
        }
        assert_eq!(recovered.jobs.len(), 2);
        for (n, shown) in [(1, &told[0]), (2, &shown)] {
            assert_eq!(store.event(&id(n)).await.unwrap().unwrap().trigger_param, *shown);
            assert_eq!(
                **store.activation(&id(n)).await.unwrap().unwrap().trigger_param,
                told[n as usize - 1]
            );
        }
        let job = store.job(&id(13)).await.unwrap().unwrap();
        assert_eq!((job.trigger_param, job.job_param), (told[0].clone(), object(large("job"))));
        assert_eq!((job.select_param, job.result), (object(large("select")), Some(object(large("result")))));
    }
    let history = rusqlite::Connection::open(folder.path().join("journal.db")).unwrap();
    for (table, column) in
        [("events", "param"), ("jobs", "select_param"), ("jobs", "job_param"), ("jobs", "result")]
    {
        let sql = format!("SELECT max(length({column})) FROM {table}");
        let most: i64 = history.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert!(most < 2000, "{table}.{column}: {most}");
    }
}

#[tokio::test]
async fn a_text_that_cannot_be_unpacked_is_told_and_keeps_nothing_else_back() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan("hunter2222");
    leave_behind(folder.path(), &large_batches(&plan)).await;
    drop(open(folder.path()));
    let history = rusqlite::Connection::open(folder.path().join("journal.db")).unwrap();
    history.execute("UPDATE events SET param = x'ff00000040' WHERE id = ?1", [&*id(1)]).unwrap();
    history.execute("UPDATE jobs SET job_param = x'ff' WHERE id = ?1", [&*id(12)]).unwrap();
    drop(history);
    let store = open(folder.path());
    let recovered = store.recover().unwrap();
    for (n, says) in [(0, "its trigger_param"), (1, "its job_param")] {
        let broken = recovered.jobs[n].stored.broken.as_deref().unwrap();
        assert!(broken.contains(says) && broken.contains("cannot be read"), "{broken}");
    }
    let error = store.event(&id(1)).await.unwrap_err().to_string();
    assert!(error.contains("damaged"), "{error}");
    assert!(store.activation(&id(1)).await.unwrap().is_none());
    assert!(store.event(&id(2)).await.unwrap().is_some());
}

#[tokio::test]
async fn the_log_of_an_older_version_is_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    left_behind(folder.path(), &plan("hunter2222"), 3).await;
    let path = folder.path().join("journal").join(format!("{:020}.log", 0));
    let mut bytes = std::fs::read(&path).unwrap();
    for (version, says) in [(5_u32, Some("version 5")), (1, None)] {
        bytes[8..12].copy_from_slice(&version.to_le_bytes());
        let sum = crc32fast::hash(&bytes[..20]);
        bytes[20..24].copy_from_slice(&sum.to_le_bytes());
        std::fs::write(&path, &bytes).unwrap();
        match (JournalStore::open(folder.path(), KEEP, Arc::new(SystemClock)), says) {
            (Ok(store), None) => assert_eq!(events(&store, 3).await, [1, 2, 3]),
            (Err(error), Some(says)) => assert!(error.to_string().contains(says), "{error}"),
            (found, _) => panic!("version {version}: {:?}", found.err()),
        }
    }
}

/// A copy of a `state_dir` that an earlier version wrote.
fn stored_by(version: &str) -> tempfile::TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/fixtures").join(version);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("journal")).unwrap();
    for file in ["journal.db", "seal.key", "journal/00000000000000000000.log"] {
        std::fs::copy(from.join(file), folder.path().join(file)).unwrap();
    }
    let key = folder.path().join("seal.key");
    std::fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    folder
}

#[tokio::test]
async fn what_an_earlier_version_stored_is_migrated() {
    let folder = stored_by("v3");
    let store = open(folder.path());
    // From the history, and from the log that was not in it yet.
    let (first, second) = ("01a22426-85e4-72c8-bddb-f0797fde674b", "01a22426-a970-7729-848e-b32b8d9c323f");
    for (id, n, routed) in [(first, 1, 2), (second, 2, 2)] {
        let event = store.event(id).await.unwrap().unwrap();
        let decisions = event.decisions.len();
        assert_eq!((&*event.trigger, &event.trigger_param["n"], decisions), ("manual", &json!(n), routed));
    }
    let told = store.activation(first).await.unwrap().unwrap();
    assert_eq!(told.trigger_param.get("token"), Some(&json!("s3cret-of-mine")), "sealed, and still readable");
    let recovered = store.recover().unwrap();
    let jobs: Vec<_> =
        recovered.jobs.iter().map(|found| (&*found.stored.job.task, found.interrupted)).collect();
    assert_eq!(
        jobs,
        [("k", InterruptedState::Running), ("k", InterruptedState::Queued { not_before: None })]
    );
    let page = store.jobs(JobQuery { limit: 10, ..JobQuery::default() }).await.unwrap();
    let statuses: Vec<_> = page.jobs.iter().map(|job| (&*job.task, job.state.status.as_str())).collect();
    assert_eq!(statuses, [("p", "succeeded"), ("k", "queued"), ("p", "succeeded"), ("k", "running")]);
    let later = at(0);
    let since = store.seen("manual:idempotency-key:first", Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(
        (since.as_deref(), store.seen("manual:idempotency-key:second", later).await.unwrap()),
        (Some(first), None)
    );
    for (source, millis) in [
        ("minute\0* * * * *\0false\0UTC", 1_795_902_840_000),
        ("yearly\0@yearly\0false\0UTC", 1_795_902_832_184),
    ] {
        let at = store.reached(source).await.unwrap().and_then(|position| position.time());
        assert_eq!(at.map(Timestamp::as_millisecond), Some(millis), "{source}");
    }
}

/// Who acts in the tests.
fn actor(user: &str) -> Arc<Actor> {
    let reason = Some("the key is hunter2222".into());
    Arc::new(Actor { user: Some(user.into()), reason, ..Actor::via("cli".into()) })
}

#[tokio::test]
async fn who_caused_and_who_cancelled_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan("hunter2222");
    let by = |record: Record| match record {
        Record::Accepted { activation, mask, key, cursor, due, at } => {
            let activation = Activation { by: Some(actor("ann")), ..activation };
            Record::Accepted { activation, mask, key, cursor, due, at }
        }
        Record::Queued { job, mask, at } => {
            let job = Job { by: Some(actor("bob")), rerun: true, ..Job::clone(&job) };
            Record::Queued { job: Arc::new(job), mask, at }
        }
        Record::Ended { job, mask, verdict, kept, at, .. } => {
            Record::Ended { job, mask, verdict, cancelled_by: Some(actor("eve")), kept, at }
        }
        other => other,
    };
    let of_event = |record: Record| match record {
        Record::Queued { job, mask, at } => {
            let job = Job { by: Some(actor("ann")), ..Job::clone(&job) };
            Record::Queued { job: Arc::new(job), mask, at }
        }
        other => other,
    };
    let batches = [
        vec![by(accepted(&plan, 1, json!({}))), of_event(queued(&plan, 1, 11)), by(queued(&plan, 1, 12))],
        vec![accepted(&plan, 2, json!({})), queued(&plan, 2, 13), started(&plan, 1, 12, 1)],
    ];
    leave_behind(folder.path(), &batches).await;
    let store = open(folder.path());
    append(&store, &[by(ended(&plan, 1, 11))]).await.unwrap();
    let user = |by: &Option<Actor>| {
        by.as_ref().and_then(|by| by.user.as_deref().map(str::to_owned)).unwrap_or_default()
    };
    for (n, caused, cancelled) in [(11, "ann", "eve"), (12, "bob", ""), (13, "", "")] {
        let job = store.job(&id(n)).await.unwrap().unwrap();
        assert_eq!((user(&job.by).as_str(), user(&job.cancelled_by).as_str()), (caused, cancelled), "{n}");
    }
    let event = store.event(&id(1)).await.unwrap().unwrap();
    let by = event.by.unwrap();
    assert_eq!((&*by.via, by.reason.as_deref(), by.address), ("cli", Some("the key is ***"), None));
    assert_eq!(store.event(&id(2)).await.unwrap().unwrap().by, None);
    drop(store);
    let recovered = open(folder.path()).recover().unwrap();
    let jobs: Vec<_> = recovered
        .jobs
        .iter()
        .map(|found| {
            let job = &found.stored.job;
            (job.by.as_ref().and_then(|by| by.user.as_deref()), job.rerun, found.started_at)
        })
        .collect();
    assert_eq!(jobs, [(Some("bob"), true, Some(at(2))), (None, false, None)]);
    let activation = open(folder.path()).activation(&id(1)).await.unwrap().unwrap();
    assert_eq!(activation.by.as_ref().and_then(|by| by.user.as_deref()), Some("ann"));
}
