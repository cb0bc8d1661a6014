use std::sync::Arc;
use std::time::Duration;

use herald_core::actor::Actor;
use herald_core::clock::{Clock as _, SystemClock};

use super::*;
use crate::history::{Keep, schema};
use crate::lock;
use crate::store::JournalStore;
use crate::whole_state::salvage;

fn store(folder: &std::path::Path) -> JournalStore {
    JournalStore::open(folder, Keep { time: Duration::from_secs(3600), jobs: 10 }, Arc::new(SystemClock))
        .unwrap()
}

fn record(user: Option<&str>, act: &str, refused: Option<&str>) -> AuditRecord {
    let actor = Actor {
        user: user.map(Into::into),
        via: "token".into(),
        address: Some("10.0.0.1".into()),
        reason: Some("the disk is full".into()),
    };
    AuditRecord {
        at: "2026-11-29T12:00:00Z".parse().unwrap(),
        actor,
        act: act.to_owned(),
        target: "job 1".to_owned(),
        refused: refused.map(str::to_owned),
        failed: None,
    }
}

async fn fill_and_ask(log: &dyn AuditLog) {
    for n in 0..5 {
        log.record(record(Some("anna"), if n == 2 { "retry" } else { "cancel" }, None)).await.unwrap();
    }
    log.record(record(None, "reload", Some("this needs the role admin"))).await.unwrap();
    let query = |before, user: Option<&str>, act: Option<&str>, limit| AuditQuery {
        before,
        user: user.map(str::to_owned),
        act: act.map(str::to_owned),
        limit,
    };
    for (asked, ids, next) in [
        (query(None, None, None, 10), vec![6, 5, 4, 3, 2, 1], None),
        (query(None, None, None, 2), vec![6, 5], Some(5)),
        (query(Some(5), None, None, 2), vec![4, 3], Some(3)),
        (query(Some(3), None, None, 2), vec![2, 1], None),
        (query(None, Some("anna"), Some("cancel"), 3), vec![5, 4, 2], Some(2)),
        (query(None, None, Some("retry"), 3), vec![3], None),
        (query(None, Some("bob"), None, 3), vec![], None),
    ] {
        let page = log.entries(asked.clone()).await.unwrap();
        let found: Vec<u64> = page.entries.iter().map(|entry| entry.id).collect();
        assert_eq!((found, page.next), (ids, next), "{asked:?}");
    }
    // What is known of an act afterwards is added to its entry, and to no other.
    let acts = RequestedActs::default();
    acts.fail(log, "nothing was done").await;
    acts.add(3);
    acts.clone().fail(log, "there is no job 1").await;
    acts.fail(log, "a second response").await;
    log.fail(99, "it is not kept any more".to_owned()).await.unwrap();
    let all = log.entries(query(None, None, None, 10)).await.unwrap();
    let failed = all.entries.iter().filter_map(|entry| Some((entry.id, entry.record.failed.as_deref()?)));
    assert_eq!(failed.collect::<Vec<_>>(), [(3, "there is no job 1")]);
    let newest = log.entries(query(None, None, None, 1)).await.unwrap();
    assert_eq!(newest.entries[0].record, record(None, "reload", Some("this needs the role admin")));
}

#[tokio::test]
async fn entries_are_found_on_disk_and_in_memory() {
    fill_and_ask(&MemoryAudit::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let open = store(folder.path());
    fill_and_ask(&open).await;
    drop(open);
    // They outlive the process.
    let open = store(folder.path());
    let page = open.entries(AuditQuery { limit: 10, ..AuditQuery::default() }).await.unwrap();
    assert_eq!(page.entries.len(), 6);
    drop(open);
    // And damage elsewhere.
    let target = tempfile::tempdir().unwrap();
    salvage(folder.path(), target.path(), SystemClock.now()).unwrap();
    let salvaged =
        store(target.path()).entries(AuditQuery { limit: 10, ..AuditQuery::default() }).await.unwrap();
    assert_eq!(salvaged, page);
}

#[tokio::test]
async fn acts_refusals_and_logins_are_bounded_each() {
    let folder = tempfile::tempdir().unwrap();
    let open = store(folder.path());
    for n in 0..20 {
        open.record(record(None, "cancel", (n % 4 == 0).then_some("no"))).await.unwrap();
    }
    for act in ["login", "logout", "login", "logout"] {
        open.record(record(None, act, None)).await.unwrap();
    }
    super::file::trim(&schema::connect(&lock::file(folder.path()), true).unwrap(), 3).unwrap();
    let page = open.entries(AuditQuery { limit: 50, ..AuditQuery::default() }).await.unwrap();
    let ids: Vec<u64> = page.entries.iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [24, 23, 22, 20, 19, 18, 17, 13, 9]);
    let memory = MemoryAudit::default();
    memory.record(record(Some("anna"), "cancel", None)).await.unwrap();
    for _ in 0..2000 {
        memory.record(record(None, "reload", Some("no"))).await.unwrap();
        memory.record(record(None, "login", None)).await.unwrap();
    }
    let all = AuditQuery { limit: 1000, before: None, user: Some("anna".to_owned()), act: None };
    assert_eq!(memory.entries(all).await.unwrap().entries.len(), 1, "what was done is not pushed out");
}

#[tokio::test]
async fn what_cannot_be_recorded_is_an_error_and_may_be_again_later() {
    let folder = tempfile::tempdir().unwrap();
    let open = store(folder.path());
    let other = schema::connect(&lock::file(folder.path()), true).unwrap();
    other.execute_batch("ALTER TABLE audit RENAME TO aside").unwrap();
    assert!(open.record(record(None, "cancel", None)).await.is_err());
    other.execute_batch("ALTER TABLE aside RENAME TO audit").unwrap();
    open.record(record(None, "cancel", None)).await.unwrap();
}
