//! The section, users and passwords.

use std::time::Duration;

use e2e::daemon::Daemon;
use e2e::etcd::{EtcdServer, EtcdSetup, EtcdTls, own_address};
use e2e::place::Place;
use e2e::program::sh;
use e2e::wait::until_within;
use herald_net::tls::testing::{Authority, CertificatePurpose};

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

/// A server with TLS, and what heraldd needs for it in the folder of the test.
struct Encrypted {
    server: EtcdServer,
    place: Place,
}

impl Encrypted {
    fn start(client_certificates: bool) -> Self {
        let (place, authority, address) = (Place::new(), Authority::new("Authority"), own_address());
        authority.write(&place.path("ca.crt"));
        Authority::new("Other").write(&place.path("other.crt"));
        let purpose = |common_name: Option<&str>| CertificatePurpose {
            common_name: common_name.map(str::to_owned),
            for_clients: true,
        };
        let issue = |name: &str, names: &[&str], common_name| {
            authority.issue_as(&place.path(""), name, names, &purpose(common_name))
        };
        let pair = issue("server", &[&address.to_string()], None);
        let ctl = issue("plain", &[], None);
        issue("named", &[], Some("herald"));
        let tls = EtcdTls {
            ca: place.path("ca.crt"),
            cert: pair.cert,
            key: pair.key,
            client_certificates,
            ctl: client_certificates.then_some((ctl.cert, ctl.key)),
        };
        let server = EtcdServer::start_with(address, EtcdSetup { tls: Some(tls), flags: Vec::new() });
        Self { server, place }
    }

    fn run(&self, more: &str) -> Daemon {
        start(
            &self.place,
            &config_of(&format!("endpoints: ['{}'], timeout: 2s{more}", self.server.url()), "prefix: /w/"),
        )
    }
}

/// What `/readyz` says, once it names a problem.
fn named_problem(place: &Place, says: &str) {
    until_within(Duration::from_secs(15), says, || {
        let (status, text) = ask(place, "/readyz");
        (status == 200 && text.contains("etcd main: ") && text.contains(says)).then_some(())
    });
}

#[test]
fn over_tls() {
    let etcd = Encrypted::start(false);
    {
        let daemon = etcd.run(", tls: {ca: '@DIR@/other.crt'}");
        daemon.wait_for(&["etcd cannot be used", "authority that is not trusted"]);
        named_problem(&etcd.place, "authority that is not trusted");
    }
    let daemon = etcd.run(", tls: {ca: '@DIR@/ca.crt'}");
    etcd.server.put("/w/a", "1");
    event(&daemon, "the change", |event| event["value"] == "1");
}

#[test]
fn with_client_certificates_and_users() {
    let etcd = Encrypted::start(true);
    etcd.server.enable_users("/w/");
    let user = ", username: herald, password: herald-password";
    let pair = |name: &str| format!("client_cert: '@DIR@/{name}.crt', client_key: '@DIR@/{name}.key'");
    for (tls, says) in [
        (String::new(), "client certificate"),
        (format!(", {}", pair("named")), "while the client certificate has a common name (CN)"),
    ] {
        let daemon = etcd.run(&format!("{user}, tls: {{ca: '@DIR@/ca.crt'{tls}}}"));
        daemon.wait_for(&["etcd cannot be used", says]);
        named_problem(&etcd.place, says);
    }
    let daemon = etcd.run(&format!("{user}, tls: {{ca: '@DIR@/ca.crt', {}}}", pair("plain")));
    let _ = etcd.server.ctl_as_root(&["put", "/w/a", "1"]);
    event(&daemon, "the change", |event| event["value"] == "1");
}

#[test]
fn a_user_without_the_right_is_named() {
    let (server, place) = (EtcdServer::start(), Place::new());
    server.enable_users("/other/");
    let etcd = format!("endpoints: ['{}'], username: herald, password: herald-password", server.url());
    let daemon = start(&place, &config_of(&etcd, "prefix: /w/, resync: 1s"));
    daemon.wait_for(&["the keys below \"/w/\" cannot be read", "permission denied"]);
    named_problem(&place, "permission denied: the role of the user must allow the whole range");
    // It is logged once, and used as soon as the right is there.
    let _ = server.ctl_as_root(&["role", "grant-permission", "below", "read", "--prefix=true", "/w/"]);
    let _ = server.ctl_as_root(&["put", "/w/a", "1"]);
    until_within(Duration::from_secs(35), "the change", || {
        daemon.printed().iter().any(|job| job["trigger_param"]["value"] == "1").then_some(())
    });
    assert_eq!(ask(&place, "/readyz").1, r#"{"status":"ready"}"#);
    let denied = daemon.lines().iter().filter(|line| line.contains("permission denied")).count();
    assert_eq!(denied, 1, "{}", daemon.log());
    // It is taken away again: a watch that is open goes on, a comparison notices it.
    let _ = server.ctl_as_root(&["role", "revoke-permission", "below", "/w/", "--prefix=true"]);
    named_problem(&place, "permission denied");
}
