//! Contract, section 6: arguments and exit codes of heraldd (of herald-runner: [`crate::remote`]).
//!
//! | sentence | test |
//! |---|---|
//! | -config FILE, --config FILE and -c FILE are the same | `three_spellings_of_config` |
//! | so are -version and --version | `two_spellings_of_version` |
//! | 0 clean stop; 1 failure while running (a port that is taken, say); 2 bad arguments or configuration | `exit_codes`, `the_exit_code_holds_where_nothing_can_be_said` |

use e2e::daemon::Daemon;
use e2e::place::Place;
use e2e::program::run_to_end;

const CONFIG: &str = "trigger: {manual: {type: http, port: 0}}\nrouter: {r: {trigger: manual, selector: all, task: {t: none}}}\n";

#[test]
fn three_spellings_of_config() {
    let place = Place::new();
    let config = place.config(CONFIG);
    let text = config.to_str().unwrap();
    for args in [
        vec!["-config".to_owned(), text.to_owned()],
        vec!["--config".to_owned(), text.to_owned()],
        vec!["-c".to_owned(), text.to_owned()],
        vec![format!("-config={text}")],
        vec![format!("--config={text}")],
        vec!["-config".to_owned(), "config.yml".to_owned()],
    ] {
        let daemon = Daemon::run(place.bare("heraldd").args(&args));
        daemon.address("manual");
        daemon.signal("TERM");
        assert_eq!(daemon.wait_end(), Some(0), "{args:?}");
    }
}

#[test]
fn two_spellings_of_version() {
    for spelling in ["-version", "--version"] {
        let ended = run_to_end(Place::new().bare("heraldd").arg(spelling));
        assert_eq!(ended.code, Some(0), "{}", ended.text());
        assert!(ended.stdout.contains("heraldd") && ended.stdout.contains("0.1.0"), "{}", ended.stdout);
    }
    let help = run_to_end(Place::new().bare("heraldd").arg("--help"));
    assert_eq!(help.code, Some(0));
    assert!(help.stdout.contains("config"), "{}", help.stdout);
}

#[test]
fn exit_codes() {
    let place = Place::new();
    for args in [
        vec!["-nonsense"],
        vec!["-config"],
        vec!["--config", "/nonexistent.yml"],
        vec!["-config", "a", "-config", "b"],
        vec!["surplus"],
    ] {
        let ended = run_to_end(place.bare("heraldd").args(&args));
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.text());
        assert!(!ended.stderr.is_empty(), "{args:?}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for trigger in [
        format!("{{type: http, port: {port}}}"),
        "{type: http, unix_socket: /nonexistent/folder/socket}".to_owned(),
        "{type: http, host: 192.0.2.1, port: 0}".to_owned(),
    ] {
        let config = format!(
            "trigger: {{manual: {trigger}}}\nrouter: {{r: {{trigger: manual, selector: all, task: {{t: none}}}}}}\n"
        );
        let ended = place.refused("heraldd", &config);
        assert_eq!(ended.code, Some(1), "{trigger}: {}", ended.text());
        assert!(ended.text().contains("manual"), "{trigger}: {}", ended.text());
    }
    assert_eq!(place.refused("heraldd", "nonsense: 1\n").code, Some(2));
}

#[test]
fn the_exit_code_holds_where_nothing_can_be_said() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let place = Place::new();
    let status = place.bare("heraldd").args(["-config", "/nonexistent.yml"]).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(2));
}
