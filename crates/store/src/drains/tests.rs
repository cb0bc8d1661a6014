use std::time::Duration;

use herald_core::actor::Actor;
use herald_core::clock::SystemClock;
use jiff::Timestamp;

use super::*;
use crate::history::Keep;

fn drain(node: &str, second: i64) -> Drain {
    let by =
        Actor { user: Some("anna".into()), via: "cli".into(), address: None, reason: Some("disk".into()) };
    Drain { node: node.to_owned(), since: Timestamp::from_second(second).unwrap(), by }
}

#[tokio::test]
async fn drains_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let keep = Keep { time: Duration::from_secs(3600), jobs: 10 };
    let opened = Arc::new(JournalStore::open(folder.path(), keep, Arc::new(SystemClock)).unwrap());
    let drains = Drains::open(Some(opened.clone())).await.unwrap();
    for node in ["web1", "web2"] {
        drains.drain(drain(node, 100)).await.unwrap();
    }
    drains.drain(drain("web1", 200)).await.unwrap();
    assert_eq!(drains.resume("web2").await.unwrap(), Some(drain("web2", 100)));
    assert_eq!(drains.resume("web2").await.unwrap(), None);
    let again = Drains::open(Some(opened)).await.unwrap();
    for drains in [&drains, &again] {
        assert_eq!(drains.current().into_values().collect::<Vec<_>>(), [drain("web1", 200)]);
    }
}
