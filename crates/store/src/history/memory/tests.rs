use herald_core::activation::Key;
use herald_core::actor::Actor;
use herald_core::journal::SelectorResult;
use herald_core::lifecycle::{Status, Verdict};
use serde_json::{Value, json};

use super::kept::{BYTES, MOST};
use super::*;
use crate::history::{IdPart, JobSearch, JobStatus, Keep};
use crate::store::JournalStore;

mod searched;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
}

fn id(n: u64) -> Name {
    format!("01a3185c-5000-7000-8000-{n:012x}").into()
}

fn object(value: Value) -> Arc<Params> {
    Arc::new(value.as_object().unwrap().clone())
}

fn mask() -> Arc<Mask> {
    let mut mask = Mask::new();
    mask.add("hunter2hunter2");
    Arc::new(mask)
}

fn actor() -> Arc<Actor> {
    Arc::new(Actor { reason: Some("hunter2hunter2".into()), ..Actor::via("cli".into()) })
}

fn accepted(n: u64, param: Value) -> Record {
    let activation = Activation {
        event_id: id(n),
        trigger: "t".into(),
        trigger_param: Arc::new(object(param).into()),
        chain_depth: 0,
        by: (n == 2).then(actor),
    };
    let key = Some(Key { name: "k".into(), window: std::time::Duration::from_secs(60) });
    Record::Accepted { activation, mask: mask(), key, cursor: None, due: None, at: at(0) }
}

fn job(n: u64, attempt: u32) -> Arc<Job> {
    Arc::new(Job {
        id: id(n),
        trigger_id: id(1),
        router: if n.is_multiple_of(2) { "even" } else { "odd" }.into(),
        trigger: "t".into(),
        selector: "all".into(),
        task: "k".into(),
        executor: "x".into(),
        trigger_param: Arc::new(object(json!({"a": 1, "password": "p"})).into()),
        select_param: object(json!({"b": [1.5, null]})),
        job_param: object(json!({"env": {"X": "it is hunter2hunter2"}})),
        chain_depth: 3,
        attempt,
        by: (n == 3).then(actor),
        rerun: n == 3,
    })
}

fn verdict(status: Status) -> Verdict {
    let error = (status != Status::Succeeded).then(|| "it broke".to_owned());
    Verdict { status, error, result: object(json!({"exit_code": 1})).as_ref().clone() }
}

fn queued(n: u64) -> Record {
    Record::Queued { job: job(n, 1), mask: mask(), at: at(i64::try_from(n).unwrap() * 1000 + 1) }
}

fn started(n: u64, attempt: u32) -> Record {
    Record::Started { job: job(n, attempt), at: at(20_000) }
}

fn ended(n: u64, attempt: u32, status: Status) -> Record {
    Record::Ended {
        job: job(n, attempt),
        mask: mask(),
        verdict: verdict(status),
        cancelled_by: (status == Status::Lost).then(actor),
        kept: true,
        at: at(30_123),
    }
}

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
async fn what_is_not_kept_goes_at_its_end() {
    let routed = |n: u64, job_id: Option<Name>| {
        let said = if job_id.is_some() { SelectorResult::Match } else { SelectorResult::NoMatch };
        let (router, task, selector) = ("odd".into(), "k".into(), "all".into());
        let decision = Decision { router, task, selector, said, why: "".into(), job_id };
        Record::Routed { event_id: id(n), decisions: vec![decision], kept: true, at: at(10) }
    };
    for (records, jobs, events) in [
        // Its only job, before and after its selectors have all answered.
        (vec![queued(3), routed(1, Some(id(3))), unkept(ended(3, 1, Status::Succeeded))], 0, 0),
        (vec![queued(3), unkept(ended(3, 1, Status::Succeeded)), routed(1, Some(id(3)))], 0, 0),
        (vec![queued(3), unkept(ended(3, 1, Status::Succeeded))], 0, 1),
        // Another one is kept.
        (vec![queued(3), queued(5), routed(1, Some(id(3))), unkept(ended(3, 1, Status::Succeeded))], 1, 1),
        // Nothing came of it.
        (vec![routed(1, None)], 0, 1),
        (vec![unkept(routed(1, None))], 0, 0),
    ] {
        let history = MemoryHistory::default();
        let all = [vec![accepted(1, json!({}))], records.clone()].concat();
        history.append(&Records::new(all)).await.unwrap();
        let page = history.jobs(JobQuery { limit: 10, ..JobQuery::default() }).await.unwrap();
        let kept = usize::from(history.event(&id(1)).await.unwrap().is_some());
        assert_eq!((page.jobs.len(), kept), (jobs, events), "{records:?}");
    }
}

/// Every kind of life: done, waits, runs, waits for another attempt, at its second one, refused.
fn lives() -> Vec<Record> {
    let again = |n| Record::AttemptEnded {
        job: job(n, 1),
        verdict: verdict(Status::Failed),
        retry_at: at(25_000),
        at: at(21_000),
    };
    let decision = |said, why: &'static str, job_id| Decision {
        router: "odd".into(),
        task: "k".into(),
        selector: "all".into(),
        said,
        why: why.into(),
        job_id,
    };
    let decisions = vec![
        decision(SelectorResult::Match, "all says yes", Some(id(3))),
        decision(SelectorResult::NoMatch, "no", None),
        decision(SelectorResult::Error, "it hangs", None),
    ];
    vec![
        accepted(1, json!({"a": 1, "password": "p", "text": "hunter2hunter2"})),
        accepted(2, json!({})),
        Record::Routed { event_id: id(1), decisions, kept: true, at: at(10) },
        queued(3),
        queued(4),
        queued(5),
        queued(6),
        queued(7),
        started(3, 1),
        ended(3, 1, Status::Succeeded),
        started(5, 1),
        started(6, 1),
        again(6),
        started(7, 1),
        again(7),
        started(7, 2),
        ended(7, 2, Status::Lost),
        ended(8, 1, Status::Rejected),
    ]
}

/// A history on disk and one in memory that have the same records.
async fn both() -> (tempfile::TempDir, JournalStore, MemoryHistory) {
    let folder = tempfile::tempdir().unwrap();
    let keep = Keep { time: std::time::Duration::from_secs(3600), jobs: 1000 };
    let clock = herald_core::clock::SystemClock;
    let store = JournalStore::open(folder.path(), keep, Arc::new(clock)).unwrap();
    let recent = MemoryHistory::default();
    for record in lives() {
        let records = Arc::new(vec![record]);
        store.append(&records).await.unwrap();
        recent.append(&records).await.unwrap();
    }
    (folder, store, recent)
}

#[tokio::test]
async fn a_job_at_a_later_attempt_knows_when_its_first_one_started() {
    let (_folder, store, recent) = both().await;
    let records =
        Arc::new(vec![Record::Started { job: job(6, 2), at: at(26_000) }, ended(6, 2, Status::Succeeded)]);
    store.append(&records).await.unwrap();
    recent.append(&records).await.unwrap();
    for (n, first, latest) in [
        (3, None, Some(at(20_000))),
        (4, None, None),
        (6, Some(at(20_000)), Some(at(26_000))),
        (7, Some(at(20_000)), Some(at(20_000))),
    ] {
        let histories: [&dyn History; 2] = [&store, &recent];
        for history in histories {
            let summary = history.job(&id(n)).await.unwrap().unwrap().summary;
            assert_eq!((summary.first_started_at, summary.state.started_at), (first, latest), "{n}");
        }
    }
}

#[tokio::test]
async fn ids_are_found_by_a_part_of_them() {
    let (_folder, store, recent) = both().await;
    let part = |text: &str| WantedId::Part(IdPart::parse(text).unwrap());
    let latest = |router: Option<&str>| WantedId::Latest { router: router.map(str::to_owned) };
    for (kind, wanted, expected) in [
        (IdKind::Job, part("0003"), vec![(3, None)]),
        (IdKind::Job, part("7000-8000-000000000004"), vec![(4, None)]),
        (IdKind::Job, part(&id(5)), vec![(5, None)]),
        (IdKind::Job, part("01a3"), (3..9).rev().map(|n| (n, None)).collect()),
        (IdKind::Job, part("00ff"), vec![]),
        (IdKind::Job, part(&id(99)), vec![]),
        // An event is not a job.
        (IdKind::Job, part(&id(1)), vec![]),
        (IdKind::Event, part("0001"), vec![(1, None)]),
        (IdKind::Event, part("01a3"), vec![(2, None), (1, None)]),
        // A job means its event.
        (IdKind::Event, part("0003"), vec![(1, Some(3))]),
        (IdKind::Event, part(&id(5)), vec![(1, Some(5))]),
        (IdKind::Job, latest(None), vec![(8, None)]),
        (IdKind::Job, latest(Some("odd")), vec![(7, None)]),
        (IdKind::Job, latest(Some("none")), vec![]),
        (IdKind::Event, latest(None), vec![(2, None)]),
        (IdKind::Event, latest(Some("odd")), vec![(1, Some(7))]),
    ] {
        let lookup = IdLookup { kind, wanted };
        let found = |n: u64, job: Option<u64>| FoundId { id: id(n), job: job.map(id) };
        let expected: Vec<FoundId> = expected.into_iter().map(|(n, job)| found(n, job)).collect();
        assert_eq!(store.ids(lookup.clone()).await.unwrap(), expected, "{lookup:?}");
        assert_eq!(recent.ids(lookup.clone()).await.unwrap(), expected, "{lookup:?}");
    }
    for (text, read) in [
        ("01Ab-", Some("01ab-")),
        ("01a", None),
        ("last", None),
        ("01a3185c-5000-7000-8000-0000000000011", None),
    ] {
        assert_eq!(IdPart::parse(text).as_ref().map(IdPart::as_str), read);
    }
}

#[tokio::test]
async fn an_ambiguous_part_gives_a_handful_of_candidates() {
    let (_folder, store, recent) = both().await;
    let records = Arc::new((20..60).map(queued).collect());
    store.append(&records).await.unwrap();
    recent.append(&records).await.unwrap();
    let lookup = IdLookup { kind: IdKind::Job, wanted: WantedId::Part(IdPart::parse("01a3").unwrap()) };
    let newest: Vec<FoundId> = (52..60).rev().map(|n| FoundId { id: id(n), job: None }).collect();
    assert_eq!(store.ids(lookup.clone()).await.unwrap(), newest);
    assert_eq!(recent.ids(lookup).await.unwrap(), newest);
}

#[tokio::test]
async fn it_answers_as_the_journal_on_disk_does() {
    let (_folder, store, recent) = both().await;
    let text = |text: &str| Some(text.to_owned());
    let all = JobQuery { limit: 100, ..JobQuery::default() };
    let mut seen = 0;
    for query in [
        all.clone(),
        JobQuery { limit: 2, ..all.clone() },
        JobQuery { limit: 2, cursor: text(&id(7)), ..all.clone() },
        JobQuery { router: text("even"), ..all.clone() },
        JobQuery { task: text("k"), status: vec![JobStatus::Running], ..all.clone() },
        JobQuery { status: JobStatus::parse("rejected").into_iter().collect(), ..all.clone() },
        JobQuery { since: Some(at(5_001)), ..all.clone() },
        JobQuery { since: Some(at(5_002)), ..all.clone() },
        JobQuery { router: text("none"), ..all.clone() },
    ] {
        let (theirs, ours) =
            (store.jobs(query.clone()).await.unwrap(), recent.jobs(query.clone()).await.unwrap());
        assert_eq!(ours, theirs, "{query:?}");
        seen += ours.jobs.len();
    }
    assert_eq!(seen, 6 + 2 + 2 + 3 + 1 + 1 + 4 + 3);
    for n in 0..10 {
        let (theirs, ours) = (store.job(&id(n)).await.unwrap(), recent.job(&id(n)).await.unwrap());
        // On disk they are those of the event; here each job has its own, and this test's differ.
        let trigger_param = theirs.as_ref().map(|job| job.trigger_param.clone()).unwrap_or_default();
        assert_eq!(ours.map(|ours| JobView { trigger_param, ..ours }), theirs, "{n}");
        let (theirs, ours) = (store.event(&id(n)).await.unwrap(), recent.event(&id(n)).await.unwrap());
        assert!(!format!("{ours:?}").contains("hunter2"));
        assert_eq!(ours, theirs, "{n}");
    }
    let wrong = JobQuery { cursor: text("x"), ..all };
    assert!(matches!(recent.jobs(wrong).await, Err(HistoryError::Cursor)));
    let again = recent.stored(&id(3)).await.unwrap().unwrap();
    assert!(again.ended && again.stored.broken.is_none());
    assert_eq!(again.stored.secrets, StoredSecrets::Present);
    assert_eq!(again.stored.job.job_param, job(3, 1).job_param, "as it was, secrets included");
    assert!(!recent.stored(&id(4)).await.unwrap().unwrap().ended);
    assert!(recent.stored(&id(99)).await.unwrap().is_none());
}

#[tokio::test]
async fn it_is_bounded_in_number_and_in_bytes() {
    let recent = MemoryHistory::default();
    for n in 0..MOST as u64 + 100 {
        recent.append(&Arc::new(vec![accepted(n, json!({})), queued(n)])).await.unwrap();
    }
    let kept = |recent: &MemoryHistory| {
        let inside = recent.inside();
        let ((events, event_bytes), (jobs, job_bytes)) =
            (inside.events.count_and_bytes(), inside.jobs.count_and_bytes());
        (events, jobs, event_bytes, job_bytes)
    };
    assert_eq!((kept(&recent).0, kept(&recent).1), (MOST, MOST));
    assert!(recent.job(&id(99)).await.unwrap().is_none() && recent.job(&id(100)).await.unwrap().is_some());
    let large = "x".repeat(1 << 20);
    for n in 5000..5020 {
        recent.append(&Arc::new(vec![accepted(n, json!({"large": large}))])).await.unwrap();
    }
    let (events, _, bytes, _) = kept(&recent);
    assert!((5..=7).contains(&events) && bytes <= BYTES, "{events} {bytes}");
    // Attempts without number, and an event that alone is too large.
    recent.append(&Arc::new(vec![queued(9000)])).await.unwrap();
    for attempt in 1..40_000 {
        let over = Record::AttemptEnded {
            job: job(9000, attempt),
            verdict: verdict(Status::Failed),
            retry_at: at(25_000),
            at: at(21_000),
        };
        recent.append(&Arc::new(vec![started(9000, attempt), over])).await.unwrap();
    }
    assert!(kept(&recent).3 <= BYTES);
    recent.append(&Arc::new(vec![accepted(9001, json!({"large": "x".repeat(BYTES)}))])).await.unwrap();
    assert_eq!((kept(&recent).0, kept(&recent).2), (0, 0));
}
