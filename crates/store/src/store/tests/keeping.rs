//! What the history keeps, and what is asked of it.

use super::*;

#[tokio::test]
async fn what_is_not_kept_goes_with_its_event_and_its_logs() {
    let plan = plan("hunter2222");
    // Whether the history takes in each record by itself, and whether its receiver comes late.
    for (apart, late) in [(false, false), (true, false), (true, true)] {
        let folder = tempfile::tempdir().unwrap();
        let store = JournalStore::open(folder.path(), KEEP_OLD, Arc::new(SystemClock)).unwrap();
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
        (
            JobQuery { status: JobStatus::parse("succeeded").into_iter().collect(), ..JobQuery::default() },
            vec![id(10)],
        ),
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
    let below = async |store: &JournalStore, beginning: &str| {
        let mut found = store.reached_below(beginning).await.unwrap();
        found.sort_by(|one, other| one.source.cmp(&other.source));
        found.into_iter().map(|cursor| cursor.source.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(below(&store, "").await, ["cron", "other"]);
    assert_eq!(below(&store, "ot").await, ["other"]);
    drop(store);
    let store = open(folder.path());
    for (beginning, found) in [("c", &["cron"][..]), ("cron2", &[]), ("_ron", &[]), ("", &["cron", "other"])]
    {
        assert_eq!(below(&store, beginning).await, found, "{beginning}, from the history");
    }
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
