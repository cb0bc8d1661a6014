//! Contract, section 2: unix sockets of the http trigger.
//!
//! | sentence | test |
//! |---|---|
//! | host, port, or/and unix_socket | `a_unix_socket_alone_or_beside_a_port` |
//! | A unix socket is made 0600 (unix_socket_mode changes that) | `its_mode_is_0600_unless_configured` |
//! | never replaces a file that is not a socket | `it_never_replaces_another_file` |
//! | never steals the socket of a live daemon | `it_never_steals_the_socket_of_a_live_daemon` |
//! | (what a killed daemon left is replaced) | `it_replaces_what_a_killed_daemon_left` |

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use e2e::daemon::Daemon;
use e2e::http::{Message, Response, send, send_unix};
use e2e::place::Place;
use e2e::program::run_to_end;
use e2e::wait::until;

fn config(options: &str) -> String {
    format!(
        "trigger: {{manual: {{type: http, {options}}}}}\nrouter: {{r: {{trigger: manual, selector: all, task: {{p: print}}}}}}\n"
    )
}

const SOCKET: &str = "unix_socket: '@DIR@/s.sock'";

fn request() -> Message {
    Message::request("POST", "/", &[("Content-Type", "application/json")], b"{}")
}

/// Posts once a process listens there.
fn post(path: &Path) -> Response {
    until("a listener on the socket", || std::os::unix::net::UnixStream::connect(path).ok());
    send_unix(path, &request())
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_unix_socket_alone_or_beside_a_port() {
    let place = Place::new();
    let daemon = Daemon::start(&place, &config(SOCKET));
    assert_eq!(post(&place.path("s.sock")).status, 200);
    // Nobody can make a browser speak to a unix socket: any Host will do.
    let mut foreign = request();
    foreign.set("Host", "whatever.example");
    assert_eq!(send_unix(&place.path("s.sock"), &foreign).status, 200);
    drop(daemon);

    let daemon = Daemon::start(&place, &config(&format!("port: 0, {SOCKET}")));
    assert_eq!(send(daemon.address("manual"), &request()).status, 200);
    assert_eq!(post(&place.path("s.sock")).status, 200);
    daemon.signal("TERM");
    assert_eq!(daemon.wait_end(), Some(0));
    assert!(!place.path("s.sock").exists(), "a clean stop leaves no socket behind");
}

#[test]
fn its_mode_is_0600_unless_configured() {
    for (options, expected) in
        [("", 0o600), (", unix_socket_mode: '0660'", 0o660), (", unix_socket_mode: 0666", 0o666)]
    {
        let place = Place::new();
        let _daemon = Daemon::start(&place, &config(&format!("{SOCKET}{options}")));
        assert_eq!(post(&place.path("s.sock")).status, 200, "{options}");
        assert_eq!(mode(&place.path("s.sock")), expected, "{options}");
    }
    for wrong in ["rw-rw----", "'0999'", "-1", "'01000000'"] {
        let ended = Place::new().refused("heraldd", &config(&format!("{SOCKET}, unix_socket_mode: {wrong}")));
        assert_eq!(ended.code, Some(2), "{wrong}: {}", ended.text());
    }
}

#[test]
fn it_never_replaces_another_file() {
    let place = Place::new();
    place.write("s.sock", "precious");
    let ended = place.refused("heraldd", &config(SOCKET));
    assert_eq!(ended.code, Some(1), "{}", ended.text());
    assert!(ended.text().contains("s.sock"), "{}", ended.text());
    assert_eq!(place.read("s.sock").unwrap(), "precious");
    // Nor what a link points at.
    let place = Place::new();
    place.write("other", "precious");
    std::os::unix::fs::symlink(place.path("other"), place.path("s.sock")).unwrap();
    assert_eq!(place.refused("heraldd", &config(SOCKET)).code, Some(1));
    assert_eq!(place.read("other").unwrap(), "precious");
}

#[test]
fn it_never_steals_the_socket_of_a_live_daemon() {
    let place = Place::new();
    let first = Daemon::start(&place, &config(SOCKET));
    assert_eq!(post(&place.path("s.sock")).status, 200);
    let other = place.config_as("second.yml", &config(SOCKET));
    let mut second = place.command("heraldd", &other);
    second.env("STATE_DIRECTORY", place.path("second"));
    let ended = run_to_end(&mut second);
    assert_eq!(ended.code, Some(1), "{}", ended.text());
    assert!(ended.text().contains("s.sock"), "{}", ended.text());
    let event = post(&place.path("s.sock")).json()["event_id"].clone();
    first.wait_print("the first still answers", |job| job["trigger_id"] == event);
}

#[test]
fn it_replaces_what_a_killed_daemon_left() {
    let place = Place::new();
    let daemon = Daemon::start(&place, &config(SOCKET));
    assert_eq!(post(&place.path("s.sock")).status, 200);
    daemon.signal("KILL");
    assert_eq!(daemon.wait_end(), None);
    assert!(place.path("s.sock").exists(), "a killed daemon cannot tidy up");
    let _daemon = Daemon::start(&place, &config(SOCKET));
    assert_eq!(post(&place.path("s.sock")).status, 200);
}
