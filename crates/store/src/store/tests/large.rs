//! Texts that are packed.

use super::*;

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
    let (mut recorded, mut shown) = (object(large("two")), object(large("two")));
    recorded.insert("token".to_owned(), json!("s3cret-of-mine"));
    shown.insert("token".to_owned(), json!("***"));
    let recorded = [object(large("one")), recorded];
    // First from the log, then from the history.
    for _ in 0..2 {
        let store = open(folder.path());
        let recovered = store.recover().unwrap();
        assert_eq!(**recovered.events[0].activation.trigger_param, recorded[1]);
        for (found, trigger_param) in recovered.jobs.iter().map(|job| &job.stored).zip(&recorded) {
            assert_eq!((&**found.job.trigger_param, &found.broken), (trigger_param, &None));
            assert_eq!(*found.job.job_param, object(large("job")));
            assert_eq!(*found.job.select_param, object(large("select")));
        }
        assert_eq!(recovered.jobs.len(), 2);
        for (n, shown) in [(1, &recorded[0]), (2, &shown)] {
            assert_eq!(store.event(&id(n)).await.unwrap().unwrap().trigger_param, *shown);
            assert_eq!(
                **store.activation(&id(n)).await.unwrap().unwrap().trigger_param,
                recorded[n as usize - 1]
            );
        }
        let job = store.job(&id(13)).await.unwrap().unwrap();
        assert_eq!((job.trigger_param, job.job_param), (recorded[0].clone(), object(large("job"))));
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
