//! An etcd that is away, restarts, or hangs.

use std::time::{Duration, Instant};

use e2e::daemon::Daemon;
use e2e::etcd::{EtcdCluster, EtcdServer};
use e2e::place::Place;
use e2e::wait::until_within;

use super::site::Site;
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
    until_within(Duration::from_secs(5), "the metric says it too", || {
        metric().contains("herald_etcd_connected{etcd=\"main\"} 0").then_some(())
    });
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

/// A cluster, and a heraldd that publishes from it.
struct ClusterSite {
    cluster: EtcdCluster,
    place: Place,
    daemon: Daemon,
}

impl ClusterSite {
    fn start() -> Self {
        let (cluster, place) = (EtcdCluster::start(), Place::new());
        let urls = cluster.urls().join("', '");
        let daemon = start(&place, &super::site::config(&urls));
        Self { cluster, place, daemon }
    }

    /// Writes at this member, once it can: the others may have to elect a leader.
    fn put(&self, member: usize, key: &str, value: &str) {
        until_within(Duration::from_secs(20), "a leader", || {
            let put = std::process::Command::new("etcdctl")
                .env("ETCDCTL_API", "3")
                .args(["--endpoints", &self.cluster.members[member].url(), "put", &Site::key(key), value])
                .output();
            put.unwrap().status.success().then_some(())
        });
    }

    /// Which member is in use, by its place.
    fn in_use(&self) -> usize {
        let line = until_within(Duration::from_secs(15), "a connection to etcd", || {
            let text = ask(&self.place, "/metrics").1;
            text.contains("herald_etcd_connected{etcd=\"main\"} 1").then(|| self.daemon.log())
        });
        let last = line.lines().rev().find(|line| line.contains("etcd: connected again"));
        let at = last.and_then(|line| self.cluster.urls().iter().position(|url| line.contains(url.as_str())));
        at.unwrap_or_default()
    }
}

#[test]
fn the_leader_and_the_member_in_use_are_killed() {
    let mut site = ClusterSite::start();
    let policy = format!("{{\"deployPath\": \"{}\"}}", site.place.text_path("a.com"));
    site.put(0, "a.com/config", &policy);
    site.put(0, "a.com/config.d/x", "1");
    until_within(Duration::from_secs(15), "the file", || {
        (site.place.read("a.com/x").as_deref() == Some("1")).then_some(())
    });
    for round in 2..4 {
        // First the leader, then the one that is asked; each comes back.
        let killed = if round == 2 { site.cluster.leader() } else { site.in_use() };
        site.cluster.members[killed].kill();
        let value = round.to_string();
        site.put((killed + 1) % 3, "a.com/config.d/x", &value);
        until_within(Duration::from_secs(15), "the change", || {
            (site.place.read("a.com/x").as_deref() == Some(&*value)).then_some(())
        });
        site.cluster.members[killed].start_again();
    }
    // Two of three: nobody can be leader. The files stay.
    site.cluster.members[0].kill();
    site.cluster.members[1].kill();
    until_within(Duration::from_secs(40), "it is named", || {
        ask(&site.place, "/readyz").1.contains("no leader").then_some(())
    });
    assert!(ask(&site.place, "/metrics").1.contains("herald_etcd_connected{etcd=\"main\"} 0"));
    assert_eq!(site.place.read("a.com/x").as_deref(), Some("3"));
    site.cluster.members[0].begin();
    site.put(2, "a.com/config.d/x", "4");
    until_within(Duration::from_secs(40), "the change", || {
        (site.place.read("a.com/x").as_deref() == Some("4")).then_some(())
    });
}
