//! The API on TCP, its document, and reloads through it.

use std::net::SocketAddr;

use e2e::daemon::Daemon;
use e2e::http::{Message, Response, send};
use e2e::place::Place;
use serde_json::{Value, json};

use super::{CONFIG, ask, get, heraldd, start};

const TOKEN: &str = "correct-horse-battery";

fn with_api(api: &str) -> String {
    format!("{CONFIG}\napi: {api}\n")
}

fn address(daemon: &Daemon) -> SocketAddr {
    let marker = "the control API listens on ";
    daemon.wait_pick(marker, |line| line.split_once(marker)?.1.trim().parse().ok())
}

fn call(address: SocketAddr, authorization: Option<&str>, path: &str) -> Response {
    let mut request = Message::request("GET", path, &[], b"");
    if let Some(value) = authorization {
        request.set("Authorization", value);
    }
    send(address, &request)
}

#[test]
fn tcp_asks_for_the_token() {
    let place = Place::new();
    place.write("token", TOKEN);
    let daemon = Daemon::start(&place, &with_api("{port: 0, token: '${file:@DIR@/token}'}"));
    let address = address(&daemon);
    for (authorization, status) in [
        (None, 401),
        (Some("Bearer wrong-horse-battery"), 401),
        (Some("Bearer"), 401),
        (Some("Basic Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"), 401),
        (Some("Bearer correct-horse-battery2"), 401),
        (Some("Bearer correct-horse-battery"), 200),
        (Some("bearer  correct-horse-battery"), 200),
    ] {
        for path in ["/v1/info", "/healthz", "/metrics", "/v1/openapi.json"] {
            let answer = call(address, authorization, path);
            assert_eq!(answer.status, status, "{authorization:?} {path}");
            if status == 401 {
                assert_eq!(answer.get("www-authenticate"), Some("Bearer"));
                assert_eq!(answer.get("content-type"), Some("application/problem+json"));
            }
        }
    }
    // On the socket nobody asks.
    get(&place, "/v1/info");
    assert!(!daemon.log().contains(TOKEN));
}

#[test]
fn an_api_without_a_good_token_is_refused() {
    let place = Place::new();
    for (api, says) in [
        ("{port: 0}", "`token`"),
        ("{token: correct-horse-battery}", "`port`"),
        ("{port: 0, token: short}", "at least 16 characters"),
        ("{port: 0, token: 'with blanks in the middle'}", "visible ASCII"),
        ("{port: 70000, token: correct-horse-battery}", "65535"),
        ("yes", "expected a map with host, port, token and tls"),
    ] {
        let ended = place.refused("heraldd", &with_api(api));
        assert!(ended.text().contains(says), "{api}: {}", ended.text());
        assert!(!ended.text().contains("correct-horse"), "{}", ended.text());
    }
}

#[test]
fn a_reload_is_in_force_or_says_what_is_wrong() {
    let place = Place::new();
    let daemon = Daemon::start(&place, &with_api("{port: 0, token: correct-horse-battery}"));
    let address = address(&daemon);
    // A mistake: reported at its place, and nothing changes.
    place.config_as("heraldd.yml", &CONFIG.replace("match_value: slow", "match_valu: slow"));
    let refused = ask(&place, "POST", "/v1/reload", "");
    assert_eq!(refused.status, 422, "{refused:?}");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("heraldd.yml:") && detail.contains("match_value"), "{detail}");
    assert!(detail.starts_with("configuration not reloaded, the running one is kept:"), "{detail}");
    let ended = heraldd(&place, &["reload"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("match_value") && ended.stderr.contains("is kept"), "{}", ended.text());
    // Another router and another token.
    let config = CONFIG.replace("  slow:\n", "  slower:\n");
    place.config_as("heraldd.yml", &format!("{config}\napi: {{port: 0, token: another-horse-battery}}\n"));
    let reloaded = ask(&place, "POST", "/v1/reload", "");
    assert_eq!(
        (reloaded.status, reloaded.json()),
        (200, json!({"warnings": [], "restart_required": []})),
        "{reloaded:?}"
    );
    let names = |routers: &Value| -> Vec<String> {
        routers.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&get(&place, "/v1/routers")), ["quick", "slower"]);
    assert_eq!(call(address, Some("Bearer correct-horse-battery"), "/v1/info").status, 401);
    assert_eq!(call(address, Some("Bearer another-horse-battery"), "/v1/info").status, 200);
    // Without the section the port is closed.
    place.config_as("heraldd.yml", &config);
    assert_eq!(heraldd(&place, &["reload"]).code, Some(0));
    assert!(e2e::http::closed(address));
    // What needs a restart is named.
    let moved = config.replace("state_dir: '@DIR@/state'", "state_dir: '@DIR@/other'");
    place.config_as("heraldd.yml", &format!("{moved}\nlog: {{format: json}}\n"));
    let socket = place.text_path("state/heraldd.sock");
    let reloaded = heraldd(&place, &["reload", "--socket", &socket]);
    let out = "configuration reloaded; restart required: state_dir, log.format\n";
    assert_eq!((reloaded.code, reloaded.stdout.as_str()), (Some(0), out), "{}", reloaded.text());
    daemon.wait_for(&["restart required: state_dir, log.format"]);
    let text = ask(&place, "GET", "/metrics", "").text();
    assert!(text.contains(r#"herald_reloads_total{result="success"} 3"#), "{text}");
    assert!(text.contains(r#"herald_reloads_total{result="failure"} 2"#), "{text}");
}

#[test]
fn the_document_is_the_one_in_the_reference() {
    let place = Place::new();
    let _daemon = start(&place);
    let served = get(&place, "/v1/openapi.json");
    let reference = std::fs::read_to_string("../docs/reference/openapi.json").unwrap();
    assert_eq!(served, serde_json::from_str::<Value>(&reference).unwrap());
    assert_eq!(served["openapi"], "3.1.0");
    for path in [
        "/v1/jobs",
        "/v1/jobs/{id}",
        "/v1/jobs/{id}/log",
        "/v1/jobs/{id}/cancel",
        "/v1/jobs/{id}/retry",
        "/v1/events/{id}",
        "/v1/triggers",
        "/v1/triggers/{name}",
        "/v1/routers",
        "/v1/executors",
        "/v1/info",
        "/v1/reload",
        "/v1/stream",
        "/healthz",
        "/readyz",
        "/metrics",
    ] {
        assert!(served["paths"][path].is_object(), "{path}");
    }
}
