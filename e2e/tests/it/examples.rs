//! The files in `examples/`, as shipped, with only folders and ports changed, so that several tests can run at once.
//!
//! | what examples/README.md says | test |
//! |---|---|
//! | each file runs as it is | `every_configuration_starts_and_stops` |
//! | files-back, and the ten minutes of README.md | `files_come_back` |
//! | tls, make-demo-certificates | `a_job_over_tls` |
//! | git-script-local, make-demo-repository | `a_script_from_the_demo_repository` |
//! | chain | `steps_follow_each_other` |
//! | presets | `what_is_nearest_wins` |
//! | secrets | `a_secret_is_used_and_not_shown` |
//! | executor-local | `a_job_says_everything_it_can` |
//! | selector-external | `a_program_decides` |
//! | plugin | `a_plugin_greets` |
//! | webhook-query: the two `curl` lines | `a_get_with_a_token_runs_a_command` |
//! | webhook-github | `a_signed_push_deploys_its_branch` |
//! | fleet | `any_node_of_the_fleet_can_be_asked` |
//! | executor-http_request | `a_request_to_the_own_trigger` |
//! | notify-slack, notify-ntfy, notify-healthchecks | `what_ends_is_reported` |

use std::fs;
use std::path::Path;
use std::process::Command;

use e2e::daemon::Daemon;
use e2e::fake::Fake;
use e2e::http::{Message, post_json, send};
use e2e::place::Place;
use e2e::program::{Program, built, tool};
use e2e::redis::RedisServer;
use serde_json::Value;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

/// A copy of `examples/` in a place of its own.
fn copied() -> Place {
    let place = Place::new();
    tool(Command::new("cp").arg("-R").arg(EXAMPLES).arg(place.path("examples")));
    for path in configurations(&place.path("examples")) {
        let text = fs::read_to_string(place.path(&path)).unwrap();
        let text = text
            .replace("/var/lib/", "@DIR@/")
            .replace("/var/log/", "@DIR@/")
            .replace("/tmp/", "@DIR@/")
            .replace("../target/release/libhello.so", built("libhello.so").to_str().unwrap());
        let lines = text.lines().map(|line| match line.trim_start().strip_prefix("port: ") {
            Some(_) => format!("{}port: 0\n", &line[..line.len() - line.trim_start().len()]),
            None => format!("{line}\n"),
        });
        place.config_as(&path, &lines.collect::<String>());
    }
    place
}

/// The configurations below this folder, as paths that begin with its name.
fn configurations(folder: &Path) -> Vec<String> {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            found.extend(configurations(&path).into_iter().map(|inner| format!("{name}/{inner}")));
        } else if file.ends_with(".yml") {
            found.push(format!("{name}/{file}"));
        }
    }
    found.sort();
    found
}

fn command(place: &Place, program: &str, example: &str) -> Command {
    let mut command = place.command(program, &place.path("examples").join(example));
    let paths = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{paths}", place.text_path("examples")));
    command.env("HERALD_DEMO_TOKEN", "a-token-for-the-demo");
    command.env("HERALD_QUEUE_SIGN", "a-secret-of-the-demo-queue");
    command.env("HERALD_SLACK_URL", "http://127.0.0.1:9/services/T0/B0/X0");
    command
}

/// What the examples with TLS need.
fn certificates(place: &Place) {
    tool(Command::new(place.path("examples/make-demo-certificates.sh")).arg(place.path("herald-demo/tls")));
}

fn heraldd(place: &Place, example: &str) -> Daemon {
    Daemon::run(&mut command(place, "heraldd", example))
}

/// Makes an example connect to a runner that got another port than the one in the file.
fn point_at(place: &Place, example: &str, address: std::net::SocketAddr) {
    let path = format!("examples/{example}");
    let text = place.read(&path).unwrap();
    assert!(text.contains("127.0.0.1:8124"), "{example} names no runner");
    place.config_as(&path, &text.replace("127.0.0.1:8124", &address.to_string()));
}

/// The JSON that `print` wrote on a line, if it did.
fn printed(line: &str) -> Option<Value> {
    let start = line.find('{')?;
    serde_json::Deserializer::from_str(&line[start..]).into_iter().next()?.ok()
}

#[test]
fn every_configuration_starts_and_stops() {
    let place = copied();
    certificates(&place);
    let all = configurations(&place.path("examples"));
    assert!(all.len() > 20, "the examples are not where this test looks for them: {all:?}");
    // What is in a conf.d is included by the file above it.
    for path in all.iter().filter(|path| !path.contains("/conf.d/")) {
        let example = path.strip_prefix("examples/").unwrap();
        let (name, ready) = if example.ends_with("runner.yml") {
            ("herald-runner", "listening on ")
        } else {
            ("heraldd", "is ready")
        };
        let program = Program::start(&mut command(&place, name, example));
        let log = place.path("herald-runner/herald-runner.log");
        if example == "runner.yml" {
            e2e::wait::until(example, || fs::read_to_string(&log).ok().filter(|text| text.contains(ready)));
        } else {
            program.wait_for(&[ready]);
        }
        assert!(!program.said("endless loop"), "{example}: {}", program.log());
        program.signal("TERM");
        assert_eq!(program.wait_end(), Some(0), "{example}: {}", program.log());
    }
}

#[test]
fn files_come_back() {
    let place = copied();
    let repository = place.text_path("herald-demo/demo-script.git");
    tool(Command::new(place.path("examples/make-demo-repository.sh")).arg(&repository));
    let runner = Program::start(&mut command(&place, "herald-runner", "files-back/runner.yml"));
    let address = runner.wait_pick("listening on ", |line| {
        line.split_once("listening on ")?.1.split_whitespace().next()?.trim_matches(['"', ',']).parse().ok()
    });
    point_at(&place, "files-back/heraldd.yml", address);
    let daemon = heraldd(&place, "files-back/heraldd.yml");
    let answer = post_json(daemon.address("manual"), br#"{"backup":"service1"}"#);
    assert_eq!(answer.status, 200, "{answer:?}");
    let ended = daemon
        .wait_pick("the end of the job", |line| printed(line).filter(|v| v["trigger_param/success"] == true));
    let result = &ended["trigger_param/result"];
    let file = result["file"]["backup"].as_str().unwrap();
    assert!(
        file.starts_with(&place.text_path("herald-demo/data/")) && file.ends_with("/backup/backup.tar.gz"),
        "{file}"
    );
    assert_eq!(fs::metadata(file).unwrap().len(), result["bytes"].as_u64().unwrap());
    let packed = tool(Command::new("tar").args(["-xzOf", file, "parameters.json"]));
    let packed: Value = serde_json::from_str(&packed).unwrap();
    assert_eq!(packed["trigger_param"]["backup"], "service1");
}

#[test]
fn a_job_over_tls() {
    let place = copied();
    certificates(&place);
    let runner = Program::start(&mut command(&place, "herald-runner", "tls/runner.yml"));
    let address = runner.wait_pick("listening on ", |line| {
        line.split_once("listening on ")?.1.split_whitespace().next()?.trim_matches(['"', ',']).parse().ok()
    });
    point_at(&place, "tls/heraldd.yml", address);
    let daemon = heraldd(&place, "tls/heraldd.yml");
    let url = format!("https://localhost:{}/", daemon.address("manual").port());
    let ask = || {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--noproxy", "*", "--cacert"]).arg(place.path("herald-demo/tls/ca.crt"));
        tool(curl.args(["-H", "Content-Type: application/json", "-d", "{}", &url]))
    };
    let ended = |count: usize| {
        e2e::wait::until("the end of the job", || {
            let ended = daemon.lines().iter().filter(|line| line.contains("trigger_param/success")).count();
            (ended == count).then_some(())
        });
    };
    for count in 1..=2 {
        assert!(ask().contains("event_id"));
        ended(count);
        // Renewed while both run.
        certificates(&place);
    }
    let good = |line: &str| printed(line).filter(|value| value["trigger_param/success"] == true);
    assert_eq!(daemon.lines().iter().filter_map(|line| good(line)).count(), 2, "{}", daemon.log());
}

#[test]
fn a_script_from_the_demo_repository() {
    let place = copied();
    let repository = place.text_path("heraldd/demo-script.git");
    tool(Command::new(place.path("examples/make-demo-repository.sh")).arg(&repository));
    let path = "examples/git-script-local.yml";
    place.config_as(path, &place.read(path).unwrap().replace("@every 10s", "@every 1s"));
    heraldd(&place, "git-script-local.yml").wait_for(&["Hello from "]);
}

#[test]
fn steps_follow_each_other() {
    let place = copied();
    let daemon = heraldd(&place, "chain.yml");
    assert_eq!(post_json(daemon.address("manual"), br#"{"app":"shop"}"#).status, 200);
    let last = daemon
        .wait_pick("the last step", |line| printed(line).filter(|v| v["trigger_param/success"].is_boolean()));
    assert_eq!(last["trigger_param/success"], true, "{last}");
    assert_eq!(last["trigger_param/chain_depth"], 1, "{last}");
    assert!(last["trigger_param/result/output"].as_str().unwrap().starts_with("\"version\":\"2"), "{last}");
}

#[test]
fn what_is_nearest_wins() {
    let place = copied();
    let daemon = heraldd(&place, "presets.yml");
    let output = |task: &str| {
        let found =
            daemon.wait_pick(task, |line| printed(line).filter(|value| value["trigger_param/task"] == task));
        found["trigger_param/result/output"].as_str().unwrap().trim().to_owned()
    };
    assert!(output("hasty").parse::<u64>().is_ok());
    assert!(output("plain").contains(':'));
}

/// Makes an example use the Redis of the test.
fn use_redis(place: &Place, example: &str, server: &RedisServer) {
    let path = format!("examples/{example}");
    let text = place.read(&path).unwrap();
    assert!(text.contains("redis://127.0.0.1:6379"), "{example} names no Redis");
    place.config_as(&path, &text.replace("redis://127.0.0.1:6379", &server.url()));
}

#[test]
fn a_request_runs_on_a_worker() {
    let (place, server) = (copied(), RedisServer::start(&[]));
    for example in ["queue-receiver.yml", "queue-worker.yml"] {
        use_redis(&place, example, &server);
    }
    let receiver = heraldd(&place, "queue-receiver.yml");
    let worker = Daemon::run(command(&place, "heraldd", "queue-worker.yml").args(["-id", "web1"]));
    let marker = "http trigger hook listening on ";
    let address: std::net::SocketAddr = receiver
        .wait_pick(marker, |line| line.split_once(marker)?.1.trim().trim_end_matches('/').parse().ok());
    let get = |token: &str, shell: &str| {
        let d: String =
            format!(r#"{{"shell":"{shell}"}}"#).bytes().map(|byte| format!("%{byte:02X}")).collect();
        send(address, &Message::request("GET", &format!("/?sign={token}&d={d}"), &[], b"")).status
    };
    assert_eq!(get("654321", "echo hello; date"), 401);
    for shell in ["echo hello; date >@DIR@/evil", "echo hello; date"] {
        assert_eq!(get("123456", &place.fill(shell)), 200);
    }
    worker.wait_for(&["job ended", "router=\"run\"", "status=\"succeeded\""]);
    assert!(!place.path("evil").exists());
    let socket = place.text_path("herald-demo/queue-worker/heraldd.sock");
    let shown = place.run("heraldd", &["queue", "--socket", &socket]);
    assert!(shown.code == Some(0) && shown.stdout.contains("deploy"), "{}", shown.text());
}

#[test]
fn a_secret_is_used_and_not_shown() {
    let place = copied();
    let daemon = heraldd(&place, "secrets.yml");
    daemon.wait_for(&["the token has 20 letters: ***"]);
    assert!(!daemon.said("a-token-for-the-demo"), "{}", daemon.log());
}

#[test]
fn a_job_says_everything_it_can() {
    let place = copied();
    let daemon = heraldd(&place, "executor-local.yml");
    let end = |task: &str| {
        daemon.wait_pick(task, |line| printed(line).filter(|value| value["trigger_param/task"] == task))
    };
    assert_eq!(end("kernel")["trigger_param/success"], true);
    assert_eq!(end("json")["trigger_param/result"]["answer"], 42);
    assert_eq!(end("background")["trigger_param/success"], true);
    let environment = end("environment");
    let output = environment["trigger_param/result"]["output"].as_str().unwrap();
    assert!(
        output.contains("GREETING=hello\n") && output.contains("RETRIES=3\n") && output.contains("JOB={"),
        "{output}"
    );
    assert_eq!(end("too_slow")["trigger_param/success"], false);
}

#[test]
fn a_program_decides() {
    let place = copied();
    let daemon = heraldd(&place, "selector-external.yml");
    let counter = |line: &str| {
        let said = line.split_once("heraldd::print: ")?.1;
        said.split_whitespace().next()?.parse::<u64>().ok()
    };
    assert_eq!(daemon.wait_pick("an even counter", counter) % 2, 0);
}

#[test]
fn a_plugin_greets() {
    let place = copied();
    let daemon = heraldd(&place, "plugin.yml");
    daemon.wait_for(&["heraldd::print", "hello"]);
}

#[test]
fn a_get_with_a_token_runs_a_command() {
    let place = copied();
    let daemon = heraldd(&place, "webhook-query.yml");
    let address = daemon.address("hook");
    let json = "d={\"shell\":\"cd /tmp && pwd\"}";
    let first = ["-sG", &format!("http://{address}/"), "-d", "sign=123456", "--data-urlencode", json]
        .map(str::to_owned);
    let second = ["-s", &format!("http://{address}/?sign=123456&d=eyJzaGVsbCI6ImNkIC90bXAgJiYgcHdkIn0=")]
        .map(str::to_owned);
    for line in [&first[..], &second[..]] {
        let answer: Value = serde_json::from_str(&tool(Command::new("curl").args(line))).unwrap();
        assert_eq!(answer["jobs"][0]["result"]["output"], "/tmp\n", "{line:?}: {answer}");
    }
    let wrong = tool(Command::new("curl").args([
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        &format!("http://{address}/?sign=1"),
    ]));
    assert_eq!(wrong, "401");
}

#[test]
fn a_signed_push_deploys_its_branch() {
    let place = copied();
    let daemon = heraldd(&place, "webhook-github.yml");
    let marker = "http trigger github listening on ";
    let address = daemon.wait_pick(marker, |line| line.split_once(marker)?.1.split('/').next()?.parse().ok());
    let mut push = e2e::recorded::request("github-push");
    push.start = "POST /hooks/website HTTP/1.1".to_owned();
    push.set("Host", "herald.example.com");
    let signature = e2e::sign::v1("the-one-before-while-both-count", &push.body);
    push.set("X-Hub-Signature-256", &format!("sha256={signature}"));
    let answer = e2e::http::send(address, &push);
    assert_eq!((answer.status, &answer.json()["matched"]), (200, &serde_json::json!(1)), "{answer:?}");
    push.set("X-Hub-Signature-256", "sha256=00");
    assert_eq!(e2e::http::send(address, &push).status, 401);
}

#[test]
fn a_request_to_the_own_trigger() {
    let place = copied();
    let port = e2e::http::free_port();
    let path = "examples/executor-http_request.yml";
    let text = place.read(path).unwrap().replace("port: 0", &format!("port: {port}"));
    place.config_as(path, &text.replace("127.0.0.1:8123", &format!("127.0.0.1:{port}")));
    let daemon = heraldd(&place, "executor-http_request.yml");
    assert_eq!(post_json(daemon.address("manual"), br#"{"to":"world"}"#).status, 200);
    daemon.wait_for(&["heraldd::print", "hello, world"]);
    let sent = daemon.wait_pick("the response", |line| {
        printed(line).filter(|value| value["trigger_param/success"] == true)
    });
    assert_eq!(sent["trigger_param/result/status"], 200, "{sent}");
    assert!(sent["trigger_param/result/json"]["event_id"].is_string(), "{sent}");
}

#[test]
fn what_ends_is_reported() {
    let server = Fake::answering(Message::response(200, &[], b"ok"));
    let http = format!("http://{}", server.address());
    for (example, events, expected) in [
        (
            "notify-slack.yml",
            ["{}", r#"{"exit":3}"#],
            vec!["/services/T0/B0/X0 {\"text\":\":x: deploy/deploy failed: exit code 3: disk full\"}"],
        ),
        (
            "notify-ntfy.yml",
            ["{}", r#"{"exit":3}"#],
            vec!["/herald-demo-5c1f deploy failed/high exit code 3: disk full"],
        ),
        (
            "notify-healthchecks.yml",
            ["{}", r#"{"exit":3}"#],
            vec![
                "/00000000-0000-0000-0000-000000000000/0 3 files saved\n",
                "/00000000-0000-0000-0000-000000000000/fail exit code 3",
            ],
        ),
    ] {
        let before = server.seen().len();
        let place = copied();
        let path = format!("examples/{example}");
        let text = place.read(&path).unwrap();
        place.config_as(&path, &text.replace("https://ntfy.sh", &http).replace("https://hc-ping.com", &http));
        let mut command = command(&place, "heraldd", example);
        let daemon = Daemon::run(command.env("HERALD_SLACK_URL", format!("{http}/services/T0/B0/X0")));
        for event in events {
            assert_eq!(post_json(daemon.address("manual"), event.as_bytes()).status, 200);
        }
        let seen = || server.seen()[before..].to_vec();
        let said = |request: &Message| {
            let (title, priority) = (request.get("title"), request.get("priority"));
            let head = title.zip(priority).map(|(title, priority)| format!("{title}/{priority} "));
            format!("{} {}{}", request.target().1, head.unwrap_or_default(), request_text(request))
        };
        e2e::wait::until(example, || (seen().len() == expected.len()).then_some(()));
        let mut all: Vec<String> = seen().iter().map(said).collect();
        all.sort();
        assert_eq!(all, expected, "{example}: {}", daemon.log());
        assert!(!daemon.log().contains("/services/"), "{}", daemon.log());
    }
}

fn request_text(request: &Message) -> String {
    String::from_utf8(request.body.clone()).unwrap()
}

#[test]
fn any_node_of_the_fleet_can_be_asked() {
    let places = [copied(), copied(), copied()];
    let port = e2e::http::free_port();
    let start = |n: usize, id: &str| {
        let text = std::fs::read_to_string(format!("{EXAMPLES}/fleet.yml")).unwrap();
        // All three are on this machine: the port of the trigger is another one for each.
        let text = text.replace("/var/lib/", "@DIR@/").replace(":8131/", &format!(":{port}/"));
        let text = text.replace("  port: 8131\n", "").replace("port: 8888", "port: 0");
        let config = places[n].config_as("fleet.yml", &text);
        let mut command = places[n].bare("heraldd");
        Daemon::run(
            command.args(["-id", id, "-config"]).arg(config).env("STATE_DIRECTORY", places[n].path("state")),
        )
    };
    let daemons = [start(0, "web1"), start(1, "web2"), start(2, "db1")];
    daemons.iter().for_each(|daemon| drop(daemon.wait_for(&["heraldd is ready"])));
    for daemon in &daemons {
        let marker = "http trigger update listening on ";
        let address =
            daemon.wait_pick(marker, |line| line.split_once(marker)?.1.split('/').next()?.parse().ok());
        let headers = [("Content-Type", "application/json"), ("Accept", "text/plain")];
        let request = Message::request("POST", "/update", &headers, br#"{"tag": "v1.2"}"#);
        let text = e2e::http::send(address, &request).text();
        for node in ["web1", "web2"] {
            assert!(
                text.contains(&format!("on {node}: succeeded\nredeploying v1.2\n")),
                "{text}\n{}",
                daemon.log()
            );
        }
        assert!(!text.contains("on db1"), "{text}");
    }
}
