//! An etcd that is away, restarts, or hangs.

use std::time::{Duration, Instant};

use e2e::etcd::{EtcdCluster, EtcdServer};
use e2e::place::Place;
use e2e::wait::until_within;

use super::{ask, config, config_of, event, start};

const KEYS: &str = "prefix: /w/";

#[test]
fn a_restart_of_etcd_is_survived() {
    let (mut server, place) = (EtcdServer::start(), Place::new());
    let daemon = start(&place, &config(&server, KEYS));
    let metric = || ask(&place, "/metrics").1;
    until_within(Duration::from_secs(15), "connected", || {
        metric().contains("herald_etcd_connected{etcd=\"main\"} 1").then_some(())
    });
    assert_eq!(ask(&place, "/readyz").1, r#"{"status":"ready"}"#);
    server.stop();
    until_within(Duration::from_secs(15), "it is named", || {
        let (status, text) = ask(&place, "/readyz");
        assert_eq!(status, 200);
        text.contains("etcd main: http://").then_some(())
    });
    assert!(metric().contains("herald_etcd_connected{etcd=\"main\"} 0"), "{}", metric());
    daemon.wait_for(&["etcd cannot be used, trying again"]);
    server.start_again();
    server.put("/w/a", "after the restart");
    until_within(Duration::from_secs(35), "the change arrives", || {
        daemon.printed().iter().any(|job| job["trigger_param"]["value"] == "after the restart").then_some(())
    });
    assert_eq!(ask(&place, "/readyz").1, r#"{"status":"ready"}"#);
    assert!(metric().contains("herald_etcd_connected{etcd=\"main\"} 1"), "{}", metric());
}

#[test]
fn a_frozen_etcd_is_named_and_used_again() {
    let (server, place) = (EtcdServer::start(), Place::new());
    let daemon = start(&place, &config(&server, KEYS));
    server.put("/w/a", "1");
    event(&daemon, "a", |event| event["value"] == "1");
    server.freeze();
    let began = Instant::now();
    until_within(Duration::from_secs(15), "it is named", || {
        ask(&place, "/readyz").1.contains("no answer within").then_some(())
    });
    assert!(began.elapsed() < Duration::from_secs(15));
    server.thaw();
    server.put("/w/a", "2");
    until_within(Duration::from_secs(35), "the change arrives", || {
        daemon.printed().iter().any(|job| job["trigger_param"]["value"] == "2").then_some(())
    });
}

#[test]
fn the_next_member_is_used() {
    let (cluster, place) = (EtcdCluster::start(), Place::new());
    let urls = cluster.urls().join("', '");
    let daemon = start(&place, &config_of(&format!("endpoints: ['{urls}']"), KEYS));
    cluster.members[0].put("/w/a", "1");
    event(&daemon, "a", |event| event["value"] == "1");
    cluster.members[0].freeze();
    // The others may have to elect a leader.
    let began = Instant::now();
    until_within(Duration::from_secs(10), "a leader", || {
        let put = std::process::Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &cluster.members[1].url(), "put", "/w/a", "2"])
            .output();
        put.unwrap().status.success().then_some(())
    });
    until_within(Duration::from_secs(30), "the change arrives", || {
        daemon.printed().iter().any(|job| job["trigger_param"]["value"] == "2").then_some(())
    });
    assert!(began.elapsed() < Duration::from_secs(30));
}
