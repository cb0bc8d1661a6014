//! `heraldd -host HOST:PORT`: one node listens elsewhere than the configuration of all says.

use e2e::daemon::Daemon;
use e2e::http::post_to;
use e2e::place::Place;

/// Nobody has this address: without the option, the daemon could not listen.
const CONFIG: &str = "
state_dir: '@DIR@/state'
trigger:
  push: {type: http, host: 192.0.2.1, port: 8123, path: /push}
  ping: {type: http, host: 192.0.2.1, port: 8123, path: /ping}
router: {r: {trigger: push, selector: all, task: {t: none}}}
";

#[test]
fn the_http_triggers_listen_where_the_option_says() {
    let place = Place::new();
    place.config_as("heraldd.yml", CONFIG);
    let mut command = place.bare("heraldd");
    let daemon = Daemon::run(command.args(["-host", "127.0.0.1:0", "-config", "heraldd.yml"]));
    let listens = |path: &str, after: usize| {
        daemon.wait_pick(path, |_| {
            let log = daemon.log();
            let mut lines = log.lines().filter(|line| line.contains(path)).skip(after);
            lines.next()?.split_once("listening on ")?.1.split('/').next()?.parse().ok()
        })
    };
    let address: std::net::SocketAddr = listens("http trigger push", 0);
    assert!(address.ip().is_loopback() && address.port() != 8123, "{address}");
    assert_eq!(post_to(address, "/push", b"{}").status, 200);

    // After a reload, too.
    place.config_as("heraldd.yml", &CONFIG.replace("path: /push", "path: /pushed"));
    let reloaded = place.run("heraldd", &["reload", "-c", "heraldd.yml"]);
    assert_eq!(reloaded.code, Some(0), "{}", reloaded.text());
    let address: std::net::SocketAddr = listens("http trigger push", 1);
    assert!(address.ip().is_loopback(), "{address}");
    assert_eq!(post_to(address, "/pushed", b"{}").status, 200);

    // One place cannot be two.
    place.config_as("heraldd.yml", &CONFIG.replace("port: 8123, path: /ping", "port: 8124"));
    let refused = place.run("heraldd", &["reload", "-c", "heraldd.yml"]);
    assert_eq!(refused.code, Some(2), "{}", refused.text());
    assert!(refused.stderr.contains("192.0.2.1:8123 (push), 192.0.2.1:8124 (ping)"), "{}", refused.text());
}

#[test]
fn what_the_option_cannot_be_for() {
    let place = Place::new();
    place.config_as("one.yml", CONFIG);
    place.config_as("two.yml", &CONFIG.replace("port: 8123, path: /ping", "port: 8124"));
    place.config_as("none.yml", "router: {r: {trigger: exe_done, selector: all, task: {t: none}}}\n");
    for (host, config, says) in [
        ("127.0.0.1", "one.yml", "expected HOST:PORT, such as 127.0.0.1:8123"),
        ("127.0.0.1:http", "one.yml", "`http` is not a port"),
        ("a b:80", "one.yml", "expected an address or a name of this machine"),
        (
            "127.0.0.1:0",
            "two.yml",
            "--host: the `http` triggers listen at more than one place: 192.0.2.1:8123 (push), 192.0.2.1:8124 (ping)",
        ),
        ("127.0.0.1:0", "none.yml", "--host: there is no `http` trigger that listens on a port"),
    ] {
        let ended = place.run("heraldd", &["-host", host, "-config", config]);
        assert_eq!(ended.code, Some(2), "{host}: {}", ended.text());
        assert!(ended.stderr.contains(says), "{host}: {}", ended.text());
    }
}
