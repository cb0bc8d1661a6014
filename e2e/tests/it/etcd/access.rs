//! The section, users and passwords.

use std::time::Duration;

use e2e::etcd::{EtcdServer, EtcdSetup, own_address};
use e2e::place::Place;
use e2e::program::sh;
use e2e::wait::until_within;

use super::{ask, config_of, event, start};

const PASSWORD: &str = "not-the-secret-4711";

#[test]
fn mistakes_in_the_section_are_named() {
    let place = Place::new();
    for (etcd, trigger, says) in [
        ("endpoints: ['localhost:2379']", "prefix: /w/", "write http://localhost:2379"),
        ("endpoints: []", "prefix: /w/", "at least one URL"),
        ("{}", "prefix: /w/", "endpoints"),
        ("endpoints: ['http://u:hunter2@h:1']", "prefix: /w/", "has no user"),
        ("endpoints: ['http://h:1?x=y']", "prefix: /w/", "a query"),
        ("endpoints: ['http://localhost:1'], username: u", "prefix: /w/", "its `password` is missing"),
        (
            "endpoints: ['http://localhost:1'], password: hunter2hunter2",
            "prefix: /w/",
            "its `username` is missing",
        ),
        (
            "endpoints: ['http://localhost:1'], tls: {ca: /none/ca.crt}",
            "prefix: /w/",
            "/none/ca.crt: cannot be read",
        ),
        ("endpoints: ['http://localhost:1'], endpoint: x", "prefix: /w/", "did you mean `endpoints`"),
        ("endpoints: ['http://localhost:1'], timeout: soon", "prefix: /w/", "timeout"),
        ("endpoints: ['http://localhost:1']", "prefix: /w/, layout: kyes", "keys"),
        ("endpoints: ['http://localhost:1']", "prefix: /w/, resync: 10ms", "at least 1s"),
    ] {
        let ended = place.check(&config_of(etcd, trigger));
        assert_eq!(ended.code, Some(2), "{etcd}: {}", ended.text());
        assert!(ended.text().contains(says), "{etcd}: {}", ended.text());
        assert!(!ended.text().contains("hunter2"), "{}", ended.text());
    }
    let config =
        config_of("endpoints: ['http://localhost:1']", "prefix: /w/").replace("etcd: main", "etcd: mian");
    let ended = place.check(&config);
    assert!(ended.code == Some(2) && ended.text().contains("did you mean \"main\"?"), "{}", ended.text());
    let ended = place.check(&config_of("endpoints: ['http://192.0.2.1:2379']", "prefix: /w/"));
    assert!(ended.code == Some(0) && ended.text().contains("not encrypted"), "{}", ended.text());
    let file = place.config(&config_of("endpoints: ['http://127.0.0.1:1']", "prefix: /w/"));
    let probed = place.run("heraldd", &["check", "--probe", "-config", file.to_str().unwrap()]);
    let says = "etcd.main: http://127.0.0.1:1: connection refused";
    assert!(probed.code == Some(1) && probed.text().contains(says), "{}", probed.text());
}

#[test]
fn a_wrong_password_is_named_and_not_shown() {
    let (server, place) = (EtcdServer::start(), Place::new());
    server.enable_users("/w/");
    place.write("password", PASSWORD);
    let etcd =
        format!("endpoints: ['{}'], username: herald, password: '${{file:@DIR@/password}}'", server.url());
    let daemon = start(&place, &config_of(&etcd, "prefix: /w/"));
    let says = "etcd rejects the user name or the password of `herald`";
    daemon.wait_for(&[says]);
    until_within(Duration::from_secs(15), "it is named", || {
        let (status, text) = ask(&place, "/readyz");
        (status == 200 && text.contains("etcd main: ") && text.contains(says)).then_some(())
    });
    daemon.signal("TERM");
    assert_eq!(daemon.wait_end(), Some(0));
    assert!(!daemon.log().contains(PASSWORD));
    let command = format!("! grep -rl {PASSWORD} {}", place.text_path("state"));
    assert_eq!(sh("sh", &[&"-c", &command]), "");
}

#[test]
fn tokens_are_renewed() {
    let setup = EtcdSetup { flags: vec!["--auth-token-ttl=1".to_owned()], ..EtcdSetup::default() };
    let (server, place) = (EtcdServer::start_with(own_address(), setup), Place::new());
    server.enable_users("/w/");
    let etcd = format!("endpoints: ['{}'], username: herald, password: herald-password", server.url());
    let daemon = start(&place, &config_of(&etcd, "prefix: /w/, resync: 2s"));
    for round in 0..3 {
        std::thread::sleep(Duration::from_secs(4));
        let value = round.to_string();
        let _ = server.ctl_as_root(&["put", "/w/a", &value]);
        event(&daemon, "the change", |event| event["value"] == *value);
    }
    assert!(!daemon.said("etcd cannot be used"), "{}", daemon.log());
}
