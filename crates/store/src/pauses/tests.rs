use std::time::Duration;

use herald_core::actor::Actor;
use herald_core::clock::SystemClock;

use super::*;
use crate::history::Keep;

fn store(folder: &std::path::Path) -> JournalStore {
    let keep = Keep { time: Duration::from_secs(3600), jobs: 10 };
    JournalStore::open(folder, keep, Arc::new(SystemClock)).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn pause(name: &str, until: Option<i64>) -> Pause {
    let by =
        Actor { user: Some("anna".into()), via: "cli".into(), address: None, reason: Some("disk".into()) };
    Pause { name: name.to_owned(), since: at(100), until: until.map(at), by }
}

#[tokio::test]
async fn pauses_outlive_a_restart_and_end_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Arc::new(store(folder.path()));
    for kind in [PausedKind::Routers, PausedKind::Nodes] {
        let pauses = Pauses::open(kind, Some(opened.clone())).await.unwrap();
        assert!(pauses.current(at(0)).is_empty(), "{kind} have a table of their own");
        for (name, until) in [("backup", None), ("sync", Some(200)), ("gone", None)] {
            pauses.pause(pause(name, until)).await.unwrap();
        }
        assert_eq!(pauses.resume("gone").await.unwrap(), Some(pause("gone", None)));
        assert_eq!(pauses.resume("gone").await.unwrap(), None);
        // A later pause of the same name takes the place of the earlier one.
        pauses.pause(pause("backup", Some(300))).await.unwrap();
        let again = Pauses::open(kind, Some(opened.clone())).await.unwrap();
        for pauses in [&pauses, &again] {
            for (now, expected) in [(150, vec!["backup", "sync"]), (200, vec!["backup"]), (300, vec![])] {
                let current = pauses.current(at(now));
                assert_eq!(current.keys().collect::<Vec<_>>(), expected, "{kind} at {now}");
                assert!(current.values().all(|found| found.by == pause("x", None).by), "{current:?}");
            }
        }
    }
}
