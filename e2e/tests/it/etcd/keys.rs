//! `layout: keys`.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::etcd::EtcdServer;
use e2e::place::Place;
use e2e::wait::{stays, until, until_within};
use serde_json::{Value, json};

use super::{ask, config, event, events, start};

const KEYS: &str = "prefix: /w/";

#[test]
fn each_change_is_an_event() {
    let (server, place) = (EtcdServer::start(), Place::new());
    let daemon = start(&place, &config(&server, KEYS));
    server.put("/w/a", "one");
    let first = event(&daemon, "the first", |event| event["key"] == "/w/a");
    let revision = first["revision"].as_i64().unwrap();
    assert_eq!(
        first,
        json!({"etcd": "main", "prefix": "/w/", "action": "put", "reason": first["reason"], "revision": revision,
            "key": "/w/a", "name": "a", "value": "one"})
    );
    server.put("/w/a", "two");
    server.put("/elsewhere", "not this");
    let second = event(&daemon, "the second", |event| event["value"] == "two");
    assert_eq!((&second["previous"], &second["revision"]), (&json!("one"), &json!(revision + 1)));
    server.delete("/w/a");
    let third = event(&daemon, "the deletion", |event| event["action"] == "delete");
    assert_eq!(
        (&third["previous"], &third["revision"], third.get("value")),
        (&json!("two"), &json!(revision + 3), None)
    );
    server.put("/w/empty", "");
    assert_eq!(event(&daemon, "an empty value", |event| event["name"] == "empty")["value"], "");
    // A value that is not UTF-8.
    let binary = std::process::Command::new("sh")
        .args(["-c", "printf '\\377\\000' | etcdctl --endpoints \"$0\" put /w/binary", &server.url()])
        .env("ETCDCTL_API", "3")
        .status();
    assert!(binary.unwrap().success());
    let binary = event(&daemon, "bytes", |event| event["name"] == "binary");
    assert_eq!((&binary["value_base64"], binary.get("value")), (&json!("/wA="), None));
    // A lease that ends deletes its key.
    let lease = server.ctl(&["lease", "grant", "1"]);
    let id = lease.split(' ').nth(1).unwrap();
    let _ = server.ctl(&["put", &format!("--lease={id}"), "/w/leased", "x"]);
    event(&daemon, "the end of the lease", |event| event["name"] == "leased" && event["action"] == "delete");
}

#[test]
fn what_exists_comes_at_the_start() {
    let server = EtcdServer::start();
    for key in ["/w/b", "/w/a"] {
        server.put(key, "x");
    }
    for (at_start, first, again) in
        [("sync", "start", None), ("force", "force", Some("force")), ("none", "", None)]
    {
        let place = Place::new();
        let config = config(&server, &format!("{KEYS}, at_start: {at_start}"));
        let daemon = start(&place, &config);
        if !first.is_empty() {
            event(&daemon, "the last key", |event| event["name"] == "b");
        }
        stays(Duration::from_millis(500), "nothing more", || {
            events(&daemon).len() == 2 * usize::from(!first.is_empty())
        });
        let names = |daemon| -> Vec<(Value, Value)> {
            events(daemon).iter().map(|event| (event["name"].clone(), event["reason"].clone())).collect()
        };
        if !first.is_empty() {
            assert_eq!(names(&daemon), [(json!("a"), json!(first)), (json!("b"), json!(first))]);
        }
        daemon.signal("TERM");
        assert_eq!(daemon.wait_end(), Some(0));
        drop(daemon);
        let daemon = start(&place, &config);
        if let Some(again) = again {
            event(&daemon, "again", |event| event["name"] == "b" && event["reason"] == again);
        } else {
            stays(Duration::from_millis(700), "nothing again", || events(&daemon).is_empty());
        }
    }
}

#[test]
fn kill_9_loses_nothing_and_keeps_the_order() {
    let (server, place) = (EtcdServer::start(), Place::new());
    let config = config(&server, KEYS);
    let mut written = 0;
    for _ in 0..4 {
        let daemon = start(&place, &config);
        for _ in 0..25 {
            written += 1;
            server.put("/w/a", &written.to_string());
        }
        daemon.signal("KILL");
        let _ = daemon.wait_end();
        for _ in 0..5 {
            written += 1;
            server.put("/w/a", &written.to_string());
        }
    }
    let daemon = start(&place, &config);
    let last = written.to_string();
    event(&daemon, "the last change", |event| event["value"] == *last);
    // What was recorded, and not what was printed: a line dies with the process that was about to write it.
    let json = |path: &str| serde_json::from_str::<Value>(&ask(&place, path).1).unwrap();
    let jobs = json("/v1/jobs?limit=1000");
    // Ids are in the order in which the events were recorded, and an event that was recorded is not created twice.
    let ids: BTreeSet<&str> =
        jobs["items"].as_array().unwrap().iter().map(|job| job["event_id"].as_str().unwrap()).collect();
    let value = |id: &&str| json(&format!("/v1/events/{id}"))["trigger_param"]["value"].clone();
    let values: Vec<Value> = ids.iter().map(value).collect();
    assert_eq!(values, (1..=written).map(|value| json!(value.to_string())).collect::<Vec<_>>());
}

#[test]
fn compacted_changes_are_a_gap() {
    let (server, place) = (EtcdServer::start(), Place::new());
    let config = config(&server, KEYS);
    let daemon = start(&place, &config);
    server.put("/w/a", "1");
    let seen = event(&daemon, "a", |event| event["name"] == "a")["revision"].as_i64().unwrap();
    daemon.signal("TERM");
    let _ = daemon.wait_end();
    drop(daemon);
    for (key, value) in [("/w/b", "1"), ("/w/c", "1"), ("/w/b", "2")] {
        server.put(key, value);
    }
    let _ = server.ctl(&["compaction", &(seen + 3).to_string()]);
    let daemon = start(&place, &config);
    event(&daemon, "the gap", |event| event["action"] == "gap");
    let all = events(&daemon);
    let seen_after: Vec<(&Value, &Value, &Value)> =
        all.iter().map(|event| (&event["name"], &event["value"], &event["reason"])).collect();
    assert_eq!(
        seen_after[..2],
        [(&json!("c"), &json!("1"), &json!("resync")), (&json!("b"), &json!("2"), &json!("resync")),]
    );
    assert_eq!((&all[2]["from"], &all[2]["to"]), (&json!(seen), &json!(seen + 3)));
    server.put("/w/d", "after");
    event(&daemon, "what comes after", |event| event["name"] == "d" && event["reason"] == "change");
}

#[test]
fn a_wiped_etcd_is_a_gap() {
    let (mut server, place) = (EtcdServer::start(), Place::new());
    let config = config(&server, KEYS);
    let daemon = start(&place, &config);
    for value in ["1", "2", "3"] {
        server.put("/w/a", value);
    }
    event(&daemon, "a", |event| event["value"] == "3");
    server.stop();
    server.wipe();
    server.start_again();
    let gap = event(&daemon, "the gap", |event| event["action"] == "gap");
    assert!(gap["message"].as_str().unwrap().contains("wiped or restored"), "{gap}");
    server.put("/w/a", "new");
    event(&daemon, "the new history", |event| event["value"] == "new");
    daemon.signal("TERM");
    let _ = daemon.wait_end();
    drop(daemon);
    server.put("/w/a", "newer");
    let daemon = start(&place, &config);
    event(&daemon, "it goes on there", |event| event["value"] == "newer");
    assert_eq!(events(&daemon).len(), 1);
}

#[test]
fn a_reload_loses_nothing() {
    let (server, place) = (EtcdServer::start(), Place::new());
    let daemon = start(&place, &config(&server, KEYS));
    server.put("/w/a", "1");
    event(&daemon, "a", |event| event["value"] == "1");
    // Another etcd is added: the trigger may be made again, and goes on where it was.
    let other = config(&server, KEYS)
        .replace("trigger:\n  t:", "  more: {endpoints: ['http://127.0.0.1:1']}\ntrigger:\n  t:");
    place.config_as("heraldd.yml", &other);
    server.put("/w/a", "2");
    daemon.signal("HUP");
    daemon.wait_for(&["configuration reloaded"]);
    server.put("/w/a", "3");
    event(&daemon, "the last", |event| event["value"] == "3");
    let values = || -> Vec<Value> { events(&daemon).iter().map(|event| event["value"].clone()).collect() };
    until("each once", || (values() == [json!("1"), json!("2"), json!("3")]).then_some(()));
    until_within(Duration::from_secs(20), "the other one is named", || {
        super::ask(&place, "/readyz").1.contains("etcd more: ").then_some(())
    });
}
