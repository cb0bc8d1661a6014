//! `layout: projects`.

use std::time::Duration;

use e2e::etcd::EtcdServer;
use e2e::place::Place;
use e2e::wait::{stays, until};
use serde_json::{Value, json};

use super::{config, event, events, start};

const PROJECTS: &str = "prefix: /watcher, layout: projects, host: web01.local";
const POLICY: &str = r#"{"deployPath": "/tmp/watcher/a.com/", "backupDir":"/tmp/backup/a.com"}"#;

#[test]
fn the_lines_of_the_seed() {
    let (server, place) = (EtcdServer::start(), Place::new());
    server.put("/watcher/web01.local/b.com/config", POLICY);
    let daemon = start(&place, &config(&server, PROJECTS));
    let first = event(&daemon, "what exists", |event| event["project"] == "b.com");
    assert_eq!((&first["reason"], &first["host"]), (&json!("start"), &json!("web01.local")));
    server.put("/watcher/other/a.com/config", POLICY);
    server.put("/watcher/web01.local/a.com/status", "not of the layout");
    server.put("/watcher/web01.local/a.com/config.d/ngx.conf", "aaaaaaaa");
    let changed = event(&daemon, "the file", |event| event["project"] == "a.com");
    let revision = changed["revision"].clone();
    assert_eq!(
        changed,
        json!({"etcd": "main", "prefix": "/watcher", "host": "web01.local", "project": "a.com", "reason": "change",
            "revision": revision, "count": 1,
            "changes": [{"file": "config.d/ngx.conf", "action": "put", "revision": revision}]})
    );
    assert!(!daemon.log().contains("aaaaaaaa"));
    let _ = server.ctl(&["del", "--prefix", "/watcher/web01.local/a.com/"]);
    let deleted = event(&daemon, "the deletion", |event| event["changes"][0]["action"] == "delete");
    assert_eq!(deleted["project"], "a.com");
    assert_eq!(events(&daemon).len(), 3, "{:?}", events(&daemon));
}

#[test]
fn a_burst_is_one_event() {
    let (server, place) = (EtcdServer::start(), Place::new());
    let daemon = start(&place, &config(&server, &format!("{PROJECTS}, settle: 1500ms")));
    for n in 0..10 {
        server.put(&format!("/watcher/web01.local/a.com/config.d/{n}"), "x");
        server.put("/watcher/web01.local/b.com/config.d/one", &n.to_string());
    }
    let changed = event(&daemon, "a.com", |event| event["project"] == "a.com");
    assert_eq!((&changed["count"], changed["changes"].as_array().unwrap().len()), (&json!(10), 10));
    until("b.com", || events(&daemon).iter().any(|event| event["project"] == "b.com").then_some(()));
    assert_eq!(events(&daemon).len(), 2);
    // While it goes on, it is announced after two seconds.
    for n in 0..40 {
        server.put("/watcher/web01.local/c.com/config.d/one", &n.to_string());
        std::thread::sleep(Duration::from_millis(100));
    }
    let c = events(&daemon).iter().filter(|event| event["project"] == "c.com").count();
    assert!(c >= 1, "{c}");
}

#[test]
fn force_announces_at_every_start() {
    let server = EtcdServer::start();
    server.put("/watcher/web01.local/a.com/config", POLICY);
    let reasons = |place: &Place, trigger: &str| -> Vec<Value> {
        let daemon = start(place, &config(&server, trigger));
        stays(Duration::from_secs(2), "it runs", || daemon.ended().is_none());
        let reasons = events(&daemon).iter().map(|event| event["reason"].clone()).collect();
        daemon.signal("TERM");
        let _ = daemon.wait_end();
        reasons
    };
    for (at_start, expected) in
        [("force", vec![json!("force")]), ("sync", vec![json!("start")]), ("none", vec![])]
    {
        let place = Place::new();
        for _ in 0..2 {
            assert_eq!(reasons(&place, &format!("{PROJECTS}, at_start: {at_start}")), expected, "{at_start}");
        }
    }
    // A host with another form of its name is suggested.
    let place = Place::new();
    let daemon = start(&place, &config(&server, "prefix: /watcher, layout: projects, host: web01"));
    daemon.wait_for(&["there are no keys of the host \"web01\", but of \"web01.local\""]);
}
