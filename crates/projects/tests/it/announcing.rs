//! Which changes of projects are events, and when.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use e2e::etcd::EtcdServer;
use herald_projects::{EtcdConnection, ProjectStanding, ProjectState, ProjectsFollower};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::beginning::{Recorded, activator, options};
use crate::site::connection;

/// A trigger that runs, with what it fires.
struct Announcing {
    server: EtcdServer,
    connection: EtcdConnection,
    recorded: Arc<Recorded>,
    task: tokio::task::JoinHandle<()>,
}

impl Announcing {
    async fn start(server: EtcdServer, before: impl FnOnce(&EtcdConnection)) -> Self {
        let (connection, recorded) = (connection(&server.url()), Arc::<Recorded>::default());
        before(&connection);
        let follower = ProjectsFollower::new(connection.clone(), options("projects", "sync"));
        let activator = activator(&recorded);
        follower.begin().await;
        let task = tokio::spawn(async move { follower.follow(&activator).await.unwrap() });
        Self { server, connection, recorded, task }
    }

    /// `PROJECT REASON ACTION FILE…` of each event so far.
    fn events(&self) -> Vec<String> {
        let one = |event: &Value| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let mut words = vec![text(&event["project"]), text(&event["reason"])];
            for change in event["changes"].as_array().unwrap() {
                words.extend([text(&change["action"]), text(&change["file"])]);
            }
            words.join(" ")
        };
        self.recorded.all().into_iter().map(Value::Object).map(|event| one(&event)).collect()
    }

    async fn wait(&self, count: usize, within: Duration) -> Vec<String> {
        let until = Instant::now() + within;
        while self.events().len() < count && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.events()
    }

    fn note(&self, project: &str, state: ProjectState, passes: bool) {
        let keys = herald_etcd::ProjectLayout::new("/w", "h").project(project);
        let standing = ProjectStanding { state, passes, ..ProjectStanding::pending() };
        self.connection.standings.note(&keys, standing);
    }
}

impl Drop for Announcing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_and_may_pass_by_itself_is_announced_again() {
    let server = EtcdServer::start();
    server.put("/w/h/passes/config.d/f", "1");
    server.put("/w/h/stays/config.d/f", "1");
    let announcing = Announcing::start(server, |_| ()).await;
    let first = announcing.wait(2, SOON).await;
    assert_eq!(first, ["passes start put config.d/f", "stays start put config.d/f"]);
    let began = Instant::now();
    announcing.note("passes", ProjectState::Failed, true);
    announcing.note("stays", ProjectState::Failed, false);
    let again = announcing.wait(3, SOON).await;
    assert_eq!(again[2..], ["passes start"]);
    let waited = began.elapsed();
    assert!(waited > Duration::from_secs(4) && waited < Duration::from_secs(8), "{waited:?}");
    // It worked: nothing more.
    announcing.note("passes", ProjectState::InSync, false);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(announcing.events().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_of_the_ledger_whose_keys_are_gone_is_announced() {
    let announcing = Announcing::start(EtcdServer::start(), |connection| {
        let layout = herald_etcd::ProjectLayout::new("/w", "h");
        connection.standings.note(&layout.project("gone"), ProjectStanding::pending());
        let other = herald_etcd::ProjectLayout::new("/w", "other").project("gone");
        connection.standings.note(&other, ProjectStanding::pending());
    });
    let announcing = announcing.await;
    assert_eq!(announcing.wait(1, SOON).await, ["gone start"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_ends_and_a_deleted_project_are_changes() {
    let server = EtcdServer::start();
    let lease = server.ctl(&["lease", "grant", "1"]);
    let id = lease.split(' ').nth(1).unwrap().to_owned();
    let _ = server.ctl(&["put", &format!("--lease={id}"), "/w/h/leased/config.d/f", "x"]);
    server.put("/w/h/deleted/config.d/f", "1");
    let announcing = Announcing::start(server, |_| ()).await;
    let _ = announcing.wait(2, SOON).await;
    let _ = announcing.server.ctl(&["del", "--prefix", "/w/h/deleted/"]);
    let mut found = announcing.wait(4, SOON).await.split_off(2);
    found.sort_unstable();
    assert_eq!(found, ["deleted change delete config.d/f", "leased change delete config.d/f"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_after_a_burst_and_at_least_one_in_two_seconds() {
    let announcing = Announcing::start(EtcdServer::start(), |_| ()).await;
    for n in 0..50 {
        announcing.server.put_bytes("/w/h/p/config.d/f", n.to_string().as_bytes());
    }
    let _ = announcing.wait(1, SOON).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let events = announcing.recorded.all();
    assert_eq!((events.len(), &events[0]["count"]), (1, &json!(50)));
    // While it goes on.
    let began = Instant::now();
    while announcing.events().len() < 2 && began.elapsed() < Duration::from_secs(5) {
        announcing.server.put_bytes("/w/h/p/config.d/f", b"x");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<String>>>);

impl Visit for Logged {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

impl Subscriber for Logged {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::INFO
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn other_keys_are_ignored_and_a_host_of_another_name_is_named() {
    let logged = Logged::default();
    let _guard = tracing::subscriber::set_default(logged.clone());
    let server = EtcdServer::start();
    server.put("/w/h.example.com/p/config.d/f", "1");
    let announcing = Announcing::start(server, |_| ()).await;
    let said = |text: &str| logged.0.lock().unwrap().iter().filter(|line| line.contains(text)).count();
    let until = Instant::now() + SOON;
    while said("there are no keys of the host \"h\", but of \"h.example.com\"") == 0 && Instant::now() < until
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(said("but of \"h.example.com\""), 1, "{:?}", logged.0);
    for key in ["/w/h/p/status", "/w/h/other", "/w/h.example.com/p/config", "/w/h/p/config"] {
        announcing.server.put(key, "x");
    }
    assert_eq!(announcing.wait(1, SOON).await, ["p change put config"]);
    assert_eq!(said("keys that are not of a project are ignored"), 1, "once");
}
