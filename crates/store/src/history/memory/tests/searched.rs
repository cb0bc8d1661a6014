//! What no index has, looked for job by job, and counts: in memory as on disk.

use super::*;

/// Job 20 of anna on web1 broke, 21 of nobody ran on both nodes, 22 of bob waits.
async fn searched() -> (tempfile::TempDir, JournalStore, MemoryHistory) {
    let (folder, store, recent) = both().await;
    let of = |n: u64, user: Option<&str>| {
        let by =
            user.map(|user| Arc::new(Actor { user: Some(user.into()), ..Actor::via("password".into()) }));
        let job_param =
            object(json!({"arg": ["--Branch", "Release/7"], "secret": "hunter2hunter2", "n": 41.5}));
        Arc::new(Job { by, rerun: true, job_param, ..job(n, 1).as_ref().clone() })
    };
    let end = |n: u64, user: Option<&str>, status: Status, nodes: Value| {
        let result = object(json!({"node": nodes})).as_ref().clone();
        let verdict = Verdict { result, ..verdict(status) };
        let at = at(30_000);
        Record::Ended { job: of(n, user), mask: mask(), verdict, cancelled_by: None, kept: true, at }
    };
    let people = [(20, Some("anna")), (21, None), (22, Some("bob"))];
    let mut records: Vec<Record> = people
        .map(|(n, user)| Record::Queued {
            job: of(n, user),
            mask: mask(),
            at: at(i64::try_from(n).unwrap() * 1000),
        })
        .into();
    records.push(end(20, Some("anna"), Status::Failed, json!({"web1": {"status": "failed"}})));
    records.push(end(21, None, Status::Succeeded, json!({"web1": {}, "web2": {}})));
    let records = Arc::new(records);
    store.append(&records).await.unwrap();
    recent.append(&records).await.unwrap();
    (folder, store, recent)
}

#[tokio::test]
async fn what_no_index_has_is_found() {
    let (_folder, store, recent) = searched().await;
    let text = |text: &str| Some(text.to_owned());
    let all = JobQuery { limit: 100, ..JobQuery::default() };
    let searched = |search: JobSearch| JobQuery { search, ..all.clone() };
    let words = |words: &str| searched(JobSearch { text: text(words), ..JobSearch::default() });
    for (query, expected) in [
        (searched(JobSearch { by: text("anna"), ..JobSearch::default() }), &[20][..]),
        (searched(JobSearch { by: text("Anna"), ..JobSearch::default() }), &[]),
        (searched(JobSearch { node: text("web1"), ..JobSearch::default() }), &[21, 20]),
        (searched(JobSearch { node: text("web2"), ..JobSearch::default() }), &[21]),
        (searched(JobSearch { node: text("web1"), by: text("bob"), ..JobSearch::default() }), &[]),
        (words("release/7"), &[22, 21, 20]),
        (words("--branch"), &[22, 21, 20]),
        (words("ARG"), &[22, 21, 20]),
        (words("41.5"), &[22, 21, 20]),
        (JobQuery { limit: 1, ..words("release") }, &[22]),
        (JobQuery { limit: 1, cursor: text(&id(22)), ..words("release") }, &[21]),
        (JobQuery { status: JobStatus::parse("failed").into_iter().collect(), ..words("it BROKE") }, &[20]),
        (words("hunter2"), &[]),
        (JobQuery { event: text(&id(1)), limit: 2, ..all.clone() }, &[22, 21]),
        (JobQuery { event: text(&id(2)), ..all.clone() }, &[]),
    ] {
        for history in [&store as &dyn History, &recent] {
            let page = history.jobs(query.clone()).await.unwrap();
            let found: Vec<_> = page.jobs.iter().map(|job| job.id.clone()).collect();
            assert_eq!(found, expected.iter().map(|n| id(*n)).collect::<Vec<_>>(), "{query:?}");
            assert_eq!(page.next_cursor.is_some(), query.limit == found.len(), "{query:?}");
        }
    }
    for (query, expected) in [
        (all.clone(), vec![("queued", 3), ("running", 1), ("failed", 1), ("succeeded", 2)]),
        (JobQuery { since: Some(at(20_000)), limit: 1, ..all.clone() }, vec![("failed", 1), ("queued", 1)]),
    ] {
        let counts = store.job_counts(query.clone()).await.unwrap();
        assert_eq!(counts, recent.job_counts(query.clone()).await.unwrap());
        for (status, count) in expected {
            assert_eq!(counts.get(status), Some(&count), "{status} of {query:?}: {counts:?}");
        }
    }
}
