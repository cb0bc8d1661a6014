//! Where a trigger begins is recorded before anybody can rely on it: a change after that is an event of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use e2e::etcd::EtcdServer;
use herald_core::activation::{EventSink, Name, NewEvent, Refused};
use herald_core::clock::SystemClock;
use herald_core::param::Params;
use herald_core::position::{Cursor, Position};
use herald_core::trigger::Activator;
use herald_projects::{EtcdOptions, KeysFollower, ProjectsFollower};
use serde_json::{Value, json};

use crate::site::connection;

/// Keeps events and positions, as the journal of one `state_dir` does.
#[derive(Default)]
pub struct Recorded {
    events: Mutex<Vec<Params>>,
    positions: Mutex<BTreeMap<Name, Position>>,
}

impl Recorded {
    /// All events so far.
    pub fn all(&self) -> Vec<Params> {
        self.events.lock().unwrap().clone()
    }
}

#[async_trait]
impl EventSink for Recorded {
    async fn accept(&self, _: Name, params: Params) -> Result<Name, Refused> {
        self.events.lock().unwrap().push(params);
        Ok("event".into())
    }

    async fn ready(&self, _: &str) {}

    async fn accept_event(&self, event: NewEvent) -> Result<Name, Refused> {
        if let Some(cursor) = event.cursor {
            self.reach(cursor).await;
        }
        self.accept(event.trigger, event.trigger_param.into_params()).await
    }

    async fn reached(&self, source: &str) -> Option<Position> {
        self.positions.lock().unwrap().get(source).cloned()
    }

    async fn reach(&self, cursor: Cursor) {
        self.positions.lock().unwrap().insert(cursor.source, cursor.position);
    }
}

pub fn options(layout: &str, at_start: &str) -> EtcdOptions {
    let given = json!({"etcd": "main", "prefix": "/w/", "layout": layout, "host": "h", "at_start": at_start,
        "settle": "100ms", "resync": "10m"});
    serde_json::from_value(given).unwrap()
}

pub fn activator(recorded: &Arc<Recorded>) -> Activator {
    Activator::new("t".into(), recorded.clone(), Arc::new(SystemClock))
}

/// The events of a follower, of which there are so many, and no more for a while.
async fn events(
    recorded: &Recorded,
    follow: impl Future<Output = Result<(), herald_core::trigger::ComponentError>>,
    count: usize,
) -> Vec<Params> {
    let enough = async {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while recorded.events.lock().unwrap().len() < count && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
    };
    tokio::select! {
        ended = follow => ended.unwrap(),
        () = enough => {}
    }
    std::mem::take(&mut *recorded.events.lock().unwrap())
}

/// `name=value reason`, without the value of what was deleted.
fn key_events(events: &[Params]) -> Vec<String> {
    let text = |event: &Params, name: &str| event.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let one = |event: &Params| {
        format!("{}={} {}", text(event, "name"), text(event, "value"), text(event, "reason"))
    };
    events.iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_key_after_the_beginning_is_an_event() {
    let changes = ["a=2 change", "a=3 change", "b=- change", "c=4 change"];
    let existing = |reason: &str| ["a", "b"].map(|key| format!("{key}=1 {reason}")).to_vec();
    for (at_start, existing) in [("sync", existing("start")), ("force", existing("force")), ("none", vec![])]
    {
        // The process may be killed before it lists anything.
        for killed in [false, true] {
            let (server, recorded) = (EtcdServer::start(), Arc::<Recorded>::default());
            let follower = || KeysFollower::new(connection(&server.url()), options("keys", at_start));
            for key in ["/w/a", "/w/b"] {
                server.put(key, "1");
            }
            let activator = activator(&recorded);
            let mut begun = follower();
            begun.begin(&activator).await;
            for value in ["2", "3"] {
                server.put("/w/a", value);
            }
            server.delete("/w/b");
            server.put("/w/c", "4");
            let mut expected: Vec<String> = existing.clone();
            expected.extend(changes.map(str::to_owned));
            if killed {
                begun = follower();
                begun.begin(&activator).await;
                if at_start == "force" {
                    // Which is what is there, at every start.
                    expected = vec!["a=3 force".to_owned(), "c=4 force".to_owned()];
                }
            }
            let found = events(&recorded, begun.follow(&activator), expected.len()).await;
            assert_eq!(key_events(&found), expected, "{at_start}, killed: {killed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_was_cut_off_goes_on_as_it_was() {
    let (server, recorded) = (EtcdServer::start(), Arc::<Recorded>::default());
    for key in ["/w/a", "/w/b", "/w/c"] {
        server.put(key, "1");
    }
    let follower = || KeysFollower::new(connection(&server.url()), options("keys", "sync"));
    let activator = activator(&recorded);
    // Delivers the first key; then the process is killed.
    let begun = follower();
    begun.begin(&activator).await;
    let first = async {
        while recorded.events.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = begun.follow(&activator) => ended.unwrap(),
        () = first => {}
    }
    drop(begun);
    let delivered = key_events(&std::mem::take(&mut *recorded.events.lock().unwrap()));
    let all = ["a=1 start", "b=1 start", "c=1 start", "a=2 change", "c=- change", "c=3 change"];
    server.put("/w/a", "2");
    server.delete("/w/c");
    server.put("/w/c", "3");
    let again = follower();
    again.begin(&activator).await;
    let found = events(&recorded, again.follow(&activator), all.len() - delivered.len()).await;
    assert_eq!([delivered, key_events(&found)].concat(), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_etcd_it_begins_once_it_can_be_reached() {
    let mut server = EtcdServer::start();
    server.put("/w/a", "1");
    server.stop();
    let recorded = Arc::<Recorded>::default();
    let activator = activator(&recorded);
    let follower = KeysFollower::new(connection(&server.url()), options("keys", "sync"));
    let began = tokio::time::Instant::now();
    follower.begin(&activator).await;
    assert!(began.elapsed() < Duration::from_secs(4), "the start of Herald does not wait for etcd");
    server.start_again();
    let found = events(&recorded, follower.follow(&activator), 1).await;
    assert_eq!(key_events(&found), ["a=1 start"]);
}

/// The project of an event of the start.
fn begun(event: &str) -> Option<String> {
    event.strip_suffix(" start").or_else(|| event.strip_suffix(" force")).map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_project_after_the_beginning_is_an_event() {
    for (at_start, expected) in [
        ("none", vec!["gone change", "p change"]),
        ("sync", vec!["gone start", "other start", "p start"]),
        ("force", vec!["gone force", "other force", "p force"]),
    ] {
        let (server, recorded) = (EtcdServer::start(), Arc::<Recorded>::default());
        for project in ["gone", "other", "p"] {
            server.put(&format!("/w/h/{project}/config.d/f"), "1");
        }
        let follower = ProjectsFollower::new(connection(&server.url()), options("projects", at_start));
        follower.begin().await;
        server.delete("/w/h/gone/config.d/f");
        server.put("/w/h/p/config.d/f", "2");
        let activator = activator(&recorded);
        let found = events(&recorded, follower.follow(&activator), expected.len()).await;
        let named = |event: &Params| {
            format!("{} {}", event["project"].as_str().unwrap(), event["reason"].as_str().unwrap())
        };
        let mut found: Vec<String> = found.iter().map(named).collect();
        // On a slow machine the changes come after the wait of the start, and are events of their own.
        let at_the_start: BTreeSet<String> = found.iter().filter_map(|one| begun(one)).collect();
        found
            .retain(|one| !one.strip_suffix(" change").is_some_and(|project| at_the_start.contains(project)));
        found.sort_unstable();
        assert_eq!(found, expected, "{at_start}");
    }
}
