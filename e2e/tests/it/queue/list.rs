//! `wire: list`: the plain list of the original program, on either side.

use e2e::http::send;
use e2e::redis::RedisReply;

use super::*;

const KEY: &str = "go_git_webhooks_key";

fn pushed(server: &RedisServer, item: &str) {
    assert!(matches!(server.ask(&["RPUSH", KEY, item]), RedisReply::Number(_)));
}

#[test]
fn what_the_original_pushes_runs() {
    use base64::Engine;
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    // As the original does it: whatever was in `d`, at the end of the list.
    let plain = traces.message("echo plain >>@DIR@/ran").to_string();
    let encoded =
        base64::prelude::BASE64_STANDARD.encode(traces.message("echo base64 >>@DIR@/ran").to_string());
    pushed(&server, &plain);
    pushed(&server, &encoded);
    let worker = Node::start("b", &worker_of(&server, &format!("topic: {KEY}, wire: list, process: 1")));
    assert_eq!(traces.wait(2), ["plain", "base64"]);
    // What the original dies of.
    for item in ["[1]", "", "no JSON", "7"] {
        pushed(&server, item);
    }
    pushed(&server, &traces.message("echo after >>@DIR@/ran").to_string());
    assert_eq!(traces.wait(3), ["plain", "base64", "after"]);
    let alarm = worker.wait_print("the alarm", |job| job["trigger"] == "queue_dead");
    assert!(alarm["trigger_param"]["reason"].as_str().unwrap().contains("neither a JSON object"), "{alarm}");
    until("an empty list", || (server.ask(&["EXISTS", KEY]).number() == 0).then_some(()));
    let left = || server.ask(&["KEYS", "*go_git_webhooks*"]);
    until("dead letters alone", || (left().list().len() == 1).then_some(()));
    assert_eq!(left().list()[0].text(), format!("{{herald:{KEY}}}:dead"));
    let letters = worker.queue(&["dead", KEY]);
    assert_eq!(letters.code, Some(0), "{}", letters.text());
    assert_eq!(letters.stdout.matches("neither a JSON object").count(), 4, "{}", letters.text());
    let again = worker.queue(&["requeue", "--all", KEY]);
    assert!(again.stdout.contains("0 requeued, 4 skipped"), "{}", again.text());
    assert!(worker.said("messages of a plain list are not signed"), "{}", worker.log());
}

#[test]
fn the_original_gets_what_is_put() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let flags = ["import", "go-git-webhooks", "--wire", "list", "--", "-server", "http", "-sign", "123456"];
    let ended = Place::new().run("heraldd", &flags);
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    assert!(ended.stderr.contains("not signed"), "{}", ended.stderr);
    let config =
        ended.stdout.replace("redis://localhost:6379", &server.url()).replace("port: 8888", "port: 0");
    let receiver = flow::with_sign("a", &config);
    let address = flow::address_of(&receiver);
    let d = traces.message("echo ran >>@DIR@/ran").to_string();
    let encoded = "eyJzaGVsbCI6ImVjaG8gbW9yZSJ9";
    for (method, query, body) in [
        ("GET", format!("/?sign=123456&d={}", flow::escaped(&d)), ""),
        ("GET", format!("/?sign=123456&d={encoded}"), ""),
        ("POST", "/?sign=123456".to_owned(), "{\"shell\":\"posted\"}"),
    ] {
        let request =
            Message::request(method, &query, &[("Content-Type", "application/json")], body.as_bytes());
        assert_eq!(send(address, &request).status, 200);
    }
    // As the original takes it.
    let pop = || {
        until("an item", || match server.ask(&["LPOP", KEY]) {
            RedisReply::Text(item) => Some(item),
            _ => None,
        })
    };
    assert_eq!([pop(), pop()], [d, encoded.to_owned()], "as it came");
    let posted: Value = serde_json::from_str(&pop()).unwrap();
    assert_eq!(posted["shell"], "posted");
}

#[test]
fn a_started_item_does_not_run_again() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let config = worker_of(&server, &format!("topic: {KEY}, wire: list, process: 2"));
    let mut worker = Node::start("b", &config);
    pushed(&server, &traces.message("echo $$ >>@DIR@/ran; sleep 600").to_string());
    traces.wait(1);
    worker.kill();
    pushed(&server, &traces.message("echo second >>@DIR@/ran").to_string());
    worker.start_again();
    assert_eq!(traces.wait(2)[1], "second");
    stays(Duration::from_secs(1), "a started item does not run again", || traces.ran().len() == 2);
}

#[test]
fn both_sides_with_a_list() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wire: list", ""));
    let worker = Node::start("b", &worker_of(&server, "topic: t, wire: list, process: 3"));
    for n in 0..10 {
        receiver.post(&traces.message(&format!("echo {n} >>@DIR@/ran")));
    }
    let mut ran = traces.wait(10);
    ran.sort();
    assert_eq!(ran, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
    drop(worker);
}
