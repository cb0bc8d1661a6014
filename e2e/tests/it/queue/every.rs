//! `mode: every`: each node runs each message once.

use super::*;

fn every(server: &RedisServer, more: &str) -> String {
    worker(server, &format!("mode: every, {more}"))
}

/// Commands that write the name of the node and this text.
fn named(traces: &Traces, text: &str) -> Value {
    traces.message(&format!("echo $0 {text} >>@DIR@/ran"))
}

fn wait_sorted(traces: &Traces, expected: &[&str]) {
    let mut ran = traces.wait(expected.len());
    ran.sort();
    assert_eq!(ran, expected);
}

#[test]
fn each_node_runs_each_message_once_also_one_that_was_away() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "", ""));
    let mut nodes = ["x", "y", "z"].map(|name| Node::start(name, &every(&server, "process: 2")));
    until("three nodes", || (receiver.topic("t")["nodes"].as_array().map(Vec::len) == Some(3)).then_some(()));
    receiver.post(&named(&traces, "1"));
    wait_sorted(&traces, &["x 1", "y 1", "z 1"]);

    nodes[2].signal("TERM");
    assert_eq!(nodes[2].wait_end(), Some(0));
    receiver.post(&named(&traces, "2"));
    wait_sorted(&traces, &["x 1", "x 2", "y 1", "y 2", "z 1"]);
    until("the end of the first message", || (waiting(&server) == 1).then_some(()));
    stays(Duration::from_secs(2), "kept for the node that is away", || waiting(&server) == 1);
    nodes[2].start_again();
    wait_sorted(&traces, &["x 1", "x 2", "y 1", "y 2", "z 1", "z 2"]);
    wait_empty(&server, "t");

    // A node that is new gets what comes from now on.
    let fourth = Node::start("w", &every(&server, ""));
    stays(Duration::from_millis(500), "nothing of before", || traces.ran().len() == 6);
    receiver.post(&named(&traces, "3"));
    traces.wait(10);
    wait_empty(&server, "t");
    assert_eq!(traces.ran().len(), 10);
    drop(fourth);
}

#[test]
fn a_result_has_the_results_of_all_nodes_that_must_answer() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result, nodes: [x, y]", ""));
    let x = Node::start("x", &every(&server, ""));
    let mut y = Node::start("y", &every(&server, ""));
    until("both nodes", || (receiver.topic("t")["nodes"].as_array().map(Vec::len) == Some(2)).then_some(()));
    let event = receiver.post(&named(&traces, "1"));
    let done = receiver.done(&event);
    assert_eq!(done["success"], true, "{done}");
    for node in ["x", "y"] {
        assert_eq!(done["result"]["node"][node]["exit_code"], 0, "{done}");
    }

    y.kill();
    let event = receiver.post(&traces.message("echo $0 2 >>@DIR@/ran; test $0 = x"));
    wait_sorted(&traces, &["x 1", "x 2", "y 1"]);
    let ended = || receiver.printed().iter().any(|job| job["trigger_param"]["trigger_id"] == *event);
    stays(Duration::from_secs(1), "it waits for y", || !ended());
    y.start_again();
    let done = receiver.done(&event);
    assert_eq!(done["success"], false, "{done}");
    assert_eq!(done["error"].as_str().unwrap().split(':').next(), Some("1 of 2 nodes"), "{done}");
    assert_eq!(done["result"]["node"]["x"]["status"], "succeeded", "{done}");
    assert_eq!(done["result"]["node"]["y"]["status"], "failed", "{done}");
    drop(x);
}

#[test]
fn a_node_that_was_away_for_too_long_is_shown_the_gap() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "", ""));
    let x = Node::start("x", &every(&server, "retain: 2s"));
    let mut y = Node::start("y", &every(&server, "retain: 2s"));
    until("both nodes", || (receiver.topic("t")["nodes"].as_array().map(Vec::len) == Some(2)).then_some(()));
    receiver.post(&named(&traces, "0"));
    traces.wait(2);
    y.kill();
    for n in 1..=3 {
        receiver.post(&named(&traces, &n.to_string()));
    }
    traces.wait(5);
    wait_empty(&server, "t");
    y.start_again();
    receiver.post(&named(&traces, "4"));
    let gap = y.wait_print("the gap", |job| job["trigger"] == "queue_gap");
    assert_eq!(gap["trigger_param"], json!({"queue": "main", "topic": "t", "missed": 3, "trigger": "work"}));
    let ran = traces.wait(7);
    assert_eq!(ran.iter().filter(|line| *line == "y 4").count(), 1, "{ran:?}");
    assert!(!x.said("queue_gap"), "{}", x.log());
}

#[test]
fn a_forgotten_node_holds_nothing_back() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "", ""));
    let x = Node::start("x", &every(&server, ""));
    let y = Node::start("y", &every(&server, ""));
    until("both nodes", || (receiver.topic("t")["nodes"].as_array().map(Vec::len) == Some(2)).then_some(()));
    y.kill();
    for n in 1..=3 {
        receiver.post(&named(&traces, &n.to_string()));
    }
    traces.wait(3);
    stays(Duration::from_secs(1), "kept for y", || waiting(&server) == 3);
    let forgotten = x.queue(&["forget", "y"]);
    assert_eq!(forgotten.code, Some(0), "{}", forgotten.text());
    assert!(forgotten.stdout.contains("y: forgotten in 1 topics"), "{}", forgotten.text());
    assert_eq!(waiting(&server), 0);
    assert_eq!(x.queue(&["forget", "y"]).code, Some(4), "{}", x.queue(&["forget", "y"]).text());
}
