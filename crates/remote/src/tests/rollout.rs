//! Many nodes, each a runner of the tests' own.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use herald_base::stop::Stop;
use herald_net::tls::testing::{Authority, Pair, Validity};
use herald_net::tls::{ClientFiles, ServerFiles, ServerTls};
use herald_wire::job::JobKey;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpSocket};

use super::fake::{Got, fake, short};
use super::{address, job, settings};
use crate::rollout::{DispatchLog, NodeResult};
use crate::{
    DRAINED, DrainedNodes, HideSecrets, NodeRunner, RemoteSettings, Rollout, RolloutJob, RolloutStrategy,
    RunnerAddress, RunnerOutcome,
};

/// Hides nothing.
struct NoSecrets;

impl HideSecrets for NoSecrets {
    fn in_text(&self, text: &str) -> String {
        text.to_owned()
    }

    fn in_object(&self, object: &Map<String, Value>) -> Map<String, Value> {
        object.clone()
    }
}

fn rollout_job(only_node: Option<&str>) -> RolloutJob {
    let only_node = only_node.map(str::to_owned);
    RolloutJob { job: job("job1", Stop::new()), only_node, earlier: None, hide_secrets: Arc::new(NoSecrets) }
}

/// What a node does with a job.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Node {
    Fine,
    Fails,
    /// As a good runner that was restarted: it knows no job, and takes new ones.
    Forgot,
    Gone,
}
use Node::{Fails, Fine, Forgot, Gone};

/// The nodes n1, n2…, and which of them got the job, in that order; with a `+` where it was only to be joined.
struct Nodes {
    addresses: Vec<RunnerAddress>,
    ran: Arc<Mutex<Vec<String>>>,
    drained: DrainedNodes,
    _gone: Vec<TcpSocket>,
}

impl Nodes {
    async fn start(nodes: &[Node]) -> Self {
        let (mut addresses, ran) = (Vec::new(), Arc::<Mutex<Vec<String>>>::default());
        let mut gone = Vec::new();
        for (n, node) in nodes.iter().enumerate() {
            let (name, node) = (format!("n{}", n + 1), *node);
            let (ran, at) = (ran.clone(), name.clone());
            let answer = move |got: Got| {
                let joins = got.verified().join;
                if got.path.ends_with("/path") {
                    ran.lock().unwrap().push(if joins { format!("+{at}") } else { at.clone() });
                }
                if joins && node == Forgot {
                    return short(&got.signer(), 404, "unknown", None);
                }
                let code = i32::from(node == Fails);
                short(&got.signer(), 200, &json!({"exit_code": code}).to_string(), None)
            };
            let port = if node == Gone {
                let (socket, port) = nobody();
                gone.push(socket);
                port
            } else {
                fake(answer).await
            };
            addresses.push(address(&format!("http://127.0.0.1:{port}/path")));
        }
        Self { addresses, ran, drained: DrainedNodes::default(), _gone: gone }
    }

    /// To all of them.
    fn rollout(&self, data: &Path, strategy: &Value) -> Rollout {
        let settings = RemoteSettings { rejoin: Duration::from_secs(1), ..settings(data) };
        let numbered = self.addresses.iter().enumerate();
        let nodes =
            numbered.map(|(n, address)| NodeRunner { name: format!("n{}", n + 1), address: address.clone() });
        let strategy = RolloutStrategy::deserialize(strategy).unwrap();
        Rollout::new(Arc::new(settings), nodes.collect(), strategy, self.drained.clone())
    }
}

/// A port where nobody listens, as long as this lives.
fn nobody() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// The status of every node, in their order, as one text.
fn statuses(outcome: &RunnerOutcome) -> String {
    let result = match outcome {
        Ok(result) => result,
        Err(failure) => &failure.result,
    };
    let children = result["node"].as_object().unwrap().values();
    children.map(|child| child["status"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

/// A runner with this certificate, which answers nobody.
async fn secured(files: ServerFiles) -> u16 {
    herald_net::tls::install_provider();
    let tls = ServerTls::load(files).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move { tls.accept(stream).await.map(drop) });
        }
    });
    port
}

/// Somebody is there: the job fails at once, whatever is to become of nodes that are not.
#[tokio::test]
async fn a_node_that_is_not_trusted_or_not_understood_is_not_offline() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (good, other) = (Authority::new("Good"), Authority::new("Other"));
    good.write(&file("ca.crt"));
    let issue = |authority: &Authority, name: &str, host: &str, validity| {
        let Pair { cert, key } = authority.issue(folder.path(), name, &[host], validity);
        ServerFiles { cert, key, client_ca: None }
    };
    let fine = issue(&good, "fine", "127.0.0.1", Validity::Good);
    let strict = ServerFiles { client_ca: Some(file("ca.crt")), ..fine.clone() };
    for (scheme, files, says) in [
        (
            "https",
            issue(&other, "foreign", "127.0.0.1", Validity::Good),
            "of an authority that is not trusted",
        ),
        ("https", issue(&good, "elsewhere", "web1.example", Validity::Good), "is for web1.example"),
        ("https", issue(&good, "expired", "127.0.0.1", Validity::Expired), "expired"),
        ("https", strict, "it wants a client certificate"),
        ("http", fine, "no HTTP response: is its address https://"),
    ] {
        let port = secured(files).await;
        let mut node = address(&format!("{scheme}://127.0.0.1:{port}/path"));
        if scheme == "https" {
            node.tls = Some(ClientFiles { ca: Some(file("ca.crt")), identity: None });
        }
        let mut nodes = Nodes::start(&[Fine]).await;
        nodes.addresses.push(node);
        for offline in ["fail", "skip", "wait"] {
            let rollout = nodes.rollout(folder.path(), &json!({"offline": offline}));
            let job = rollout.run(rollout_job(None));
            let outcome = tokio::time::timeout(Duration::from_secs(20), job).await;
            let outcome = outcome.expect("it does not wait for what will not come");
            assert_eq!(statuses(&outcome), "succeeded failed", "{offline}, {says}");
            let failure = outcome.unwrap_err();
            assert!(failure.error.contains(says), "{offline}, {says}: {}", failure.error);
        }
    }
}

#[tokio::test]
async fn a_job_for_one_node_alone_is_sent_to_no_other() {
    let data = tempfile::tempdir().unwrap();
    for (only, expected) in [(Some("n2"), &["n2"][..]), (None, &["n1", "n2"]), (Some("n9"), &[])] {
        let nodes = Nodes::start(&[Fine, Fine]).await;
        nodes.rollout(data.path(), &json!({})).run(rollout_job(only)).await.unwrap();
        let mut ran = nodes.ran.lock().unwrap().clone();
        ran.sort();
        assert_eq!(ran, expected, "{only:?}");
    }
}

/// After a crash the nodes that got the job are asked for it, and those that did not get it now, by the same strategy.
#[tokio::test]
async fn a_restart_goes_on_where_the_daemon_was_killed() {
    let rolling = json!({"max_parallel": 1});
    let stopping = json!({"max_parallel": 1, "stop_on_failure": true});
    let (canary, skip) = (json!({"canary": 1}), json!({"offline": "skip"}));
    for (nodes, of, sent, strategy, expected, ran) in [
        (&[Fine, Fine, Fine][..], "n1 n2 n3", "n1", &rolling, "succeeded succeeded succeeded", "+n1 n2 n3"),
        (&[Fine, Fine, Fine], "n1 n2 n3", "", &rolling, "succeeded succeeded succeeded", "n1 n2 n3"),
        (&[Forgot, Forgot], "n1 n2", "n1", &rolling, "lost succeeded", "+n1 n2"),
        (&[Forgot, Fine], "n1 n2", "n1", &stopping, "lost not_run", "+n1"),
        (&[Fine, Fails, Fine], "n1 n2 n3", "n2", &stopping, "not_run failed not_run", "+n2"),
        (&[Fails, Fine], "n1 n2", "n1", &canary, "failed not_run", "+n1"),
        (&[Fine, Fine], "n1 n2", "n1", &canary, "succeeded succeeded", "+n1 n2"),
        (&[Fine, Fails, Fine], "n1 n2 n3", "n2 n1", &canary, "succeeded failed succeeded", "+n1 +n2 n3"),
        (&[Gone, Fine, Fine], "n1 n2 n3", "n2", &skip, "skipped succeeded succeeded", "+n2 n3"),
        // A `!` where it had ended, which the runner has forgotten since.
        (
            &[Forgot, Fine, Fine],
            "n1 n2 n3",
            "n1! n2",
            &stopping,
            "succeeded succeeded succeeded",
            "+n1 +n2 n3",
        ),
        (&[Forgot, Fine], "n1 n2", "n1!", &canary, "succeeded succeeded", "+n1 n2"),
        (&[Fine], "n9 n1", "n9!", &rolling, "succeeded succeeded", "n1"),
        // The configuration is another one now: n9 is none of its nodes, and n2 was not when the job began.
        (&[Fine, Fine], "n1 n9", "n1 n9", &rolling, "succeeded lost", "+n1"),
        (&[Fine, Fine], "n9 n1", "n1", &rolling, "not_run succeeded", "+n1"),
        (&[Fine, Fine], "n9 n1", "n9", &stopping, "lost not_run", ""),
    ] {
        let data = tempfile::tempdir().unwrap();
        let names = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let key = JobKey { job_id: "job1".to_owned(), attempt: 3 };
        let before = DispatchLog::create(data.path(), &key, &names(of)).await.unwrap();
        for node in names(sent) {
            before.sends(node.trim_end_matches('!')).await.unwrap();
            if let Some(node) = node.strip_suffix('!') {
                before.ended(NodeResult::of(node, Ok(Map::new()))).await;
            }
        }
        drop(before);
        let all = Nodes::start(nodes).await;
        let outcome = all.rollout(data.path(), strategy).recover(rollout_job(None)).await;
        let case = format!("{of}; sent to {sent}; {strategy}");
        let by_name = |outcome: &RunnerOutcome| {
            let result = outcome.as_ref().unwrap_or_else(|failure| &failure.result);
            let status = |node: &String| result["node"][node]["status"].as_str().unwrap().to_owned();
            names(of).iter().map(status).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(by_name(&outcome), expected, "{case}");
        assert_eq!(outcome.is_ok(), !["lost", "not_run", "failed"].iter().any(|bad| expected.contains(bad)));
        let mut got = all.ran.lock().unwrap().clone();
        got.sort_by_key(|name| name.trim_start_matches('+').to_owned());
        assert_eq!(got.join(" "), ran, "{case}");
        assert!(!data.path().join(".herald-sent-job1-3").exists(), "{case}");
    }
}

/// It is written down before it is sent: a process that is killed in between has not sent it to anybody unseen.
#[tokio::test]
async fn who_gets_a_job_is_written_down_before() {
    let data = tempfile::tempdir().unwrap();
    let mut nodes = Nodes::start(&[Gone, Fine, Fine]).await;
    let file = data.path().join(".herald-sent-job1-3");
    let (seen, looked) = (Arc::<Mutex<Vec<String>>>::default(), file.clone());
    let (note, read) = (seen.clone(), move || std::fs::read_to_string(&looked).unwrap_or_default());
    let port = fake(move |got: Got| {
        note.lock().unwrap().push(read());
        short(&got.signer(), 200, "{}", None)
    })
    .await;
    nodes.addresses[1] = address(&format!("http://127.0.0.1:{port}/path"));
    let rollout = nodes.rollout(data.path(), &json!({"max_parallel": 1, "offline": "skip"}));
    rollout.run(rollout_job(None)).await.unwrap();
    let head = "{\"nodes\":[\"n1\",\"n2\",\"n3\"]}\n{\"sent\":\"n1\"}\n{\"not_sent\":\"n1\"}\n";
    assert_eq!(*seen.lock().unwrap(), [format!("{head}{{\"sent\":\"n2\"}}\n")]);
    assert!(!file.exists(), "it is over");
}

/// Of a job that an older version began, or where the data_dir is another one now, it is not known who got it.
#[tokio::test]
async fn without_a_record_nothing_is_started_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let all = Nodes::start(&[Fine, Forgot]).await;
    let rollout = all.rollout(data.path(), &json!({"max_parallel": 1, "canary": 1}));
    let outcome = rollout.recover(rollout_job(None)).await;
    assert_eq!(statuses(&outcome), "succeeded lost");
    assert!(all.ran.lock().unwrap().iter().all(|name| name.starts_with('+')));
}

/// As many as `canary` says must succeed before the others get the job: one that is skipped is none.
#[tokio::test]
async fn the_next_node_is_canary_where_one_is_skipped() {
    for (nodes, canary, expected) in [
        (&[Gone, Fine, Fine][..], 1, "skipped succeeded succeeded"),
        (&[Gone, Fails, Fine], 1, "skipped failed not_run"),
        (&[Gone, Gone, Fails, Fine], 1, "skipped skipped failed not_run"),
        (&[Fine, Gone, Fails, Fine], 2, "succeeded skipped failed not_run"),
        (&[Fine, Gone, Fine, Fails], 2, "succeeded skipped succeeded failed"),
        (&[Fails, Fine, Fine], 2, "failed succeeded not_run"),
        (&[Gone, Fine], 2, "skipped succeeded"),
        (&[Gone, Gone], 1, "skipped skipped"),
    ] {
        let data = tempfile::tempdir().unwrap();
        let all = Nodes::start(nodes).await;
        let rollout = all.rollout(data.path(), &json!({"canary": canary, "offline": "skip"}));
        let outcome = rollout.run(rollout_job(None)).await;
        assert_eq!(statuses(&outcome), expected, "{nodes:?} {canary}");
        assert_eq!(
            all.ran.lock().unwrap().len(),
            expected.matches("succeeded").count() + expected.matches("failed").count()
        );
    }
}

/// A `/` is where the drained node is resumed.
#[tokio::test]
async fn a_drained_node_is_left_out_or_waited_for_and_the_others_come_first() {
    let folder = tempfile::tempdir().unwrap();
    for (strategy, drained, before, after, ends) in [
        (json!({"offline": "wait"}), vec!["n1"], "n2 n3", "n1", "succeeded succeeded succeeded"),
        (
            json!({"offline": "wait", "max_parallel": 1}),
            vec!["n1"],
            "n2 n3",
            "n1",
            "succeeded succeeded succeeded",
        ),
        // Another node is the canary.
        (
            json!({"offline": "wait", "max_parallel": 1, "canary": 1}),
            vec!["n1", "n2"],
            "n3",
            "n1 n2",
            "succeeded succeeded succeeded",
        ),
        (json!({}), vec!["n1"], "n2 n3", "", "skipped succeeded succeeded"),
        (json!({"max_parallel": 1, "canary": 1}), vec!["n1", "n2"], "n3", "", "skipped skipped succeeded"),
        (json!({"offline": "skip"}), vec!["n2"], "n1 n3", "", "succeeded skipped succeeded"),
        (json!({"offline": "skip", "canary": 1}), vec!["n1"], "n2 n3", "", "skipped succeeded succeeded"),
    ] {
        let nodes = Nodes::start(&[Fine, Fine, Fine]).await;
        nodes.drained.show(drained.iter().map(ToString::to_string));
        let rollout = nodes.rollout(folder.path(), &strategy);
        assert!(!rollout.is_drained());
        let ran = || {
            let mut ran = std::mem::take(&mut *nodes.ran.lock().unwrap());
            ran.sort();
            ran.join(" ")
        };
        let run = rollout.run(rollout_job(None));
        let mut run = std::pin::pin!(run);
        let early = tokio::time::timeout(Duration::from_millis(500), &mut run).await;
        assert_eq!((ran(), early.is_ok()), (before.to_owned(), after.is_empty()), "{strategy}");
        nodes.drained.show([]);
        let outcome = match early {
            Ok(outcome) => outcome,
            Err(_) => run.await,
        };
        assert_eq!((ran(), statuses(&outcome)), (after.to_owned(), ends.to_owned()), "{strategy}");
    }
}

#[tokio::test]
async fn a_job_for_a_drained_node_ends_when_it_is_cancelled_or_too_late() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = Nodes::start(&[Fine]).await;
    nodes.drained.show(["n1".to_owned()]);
    let rollout = nodes.rollout(folder.path(), &json!({}));
    assert!(rollout.is_drained());
    let stop = Stop::new();
    let job = RolloutJob { job: job("job1", stop.clone()), ..rollout_job(None) };
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.asked.cancel();
    };
    let (outcome, ()) = tokio::join!(rollout.run(job), cancel);
    assert_eq!(statuses(&outcome), "cancelled");
    let settings = RemoteSettings { timeout: Duration::from_millis(50), ..settings(folder.path()) };
    let node = NodeRunner { name: "n1".to_owned(), address: nodes.addresses[0].clone() };
    let strategy = RolloutStrategy::default();
    let short = Rollout::new(Arc::new(settings), vec![node], strategy, nodes.drained.clone());
    let failure = short.run(rollout_job(None)).await.unwrap_err();
    assert!(
        failure.error.contains(DRAINED) && failure.error.contains("not resumed in time"),
        "{}",
        failure.error
    );
    assert!(nodes.ran.lock().unwrap().is_empty());
}

/// The result of attempt 2, of entries such as `n1:failed`.
fn earlier(entries: &str) -> Option<Arc<Map<String, Value>>> {
    let entry = |entry: &str| {
        let (node, status) = entry.split_once(':').unwrap();
        (node.to_owned(), json!({"status": status, "attempt": 2, "output": "before"}))
    };
    let nodes: Map<String, Value> = entries.split_whitespace().map(entry).collect();
    Some(Arc::new([("node".to_owned(), Value::Object(nodes))].into_iter().collect()))
}

/// Each node's status and the attempt that it is of.
fn last_of_each(outcome: &RunnerOutcome) -> String {
    let result = outcome.as_ref().unwrap_or_else(|failure| &failure.result);
    let last = |(node, entry): (&String, &Value)| {
        let (status, attempt) = (entry["status"].as_str().unwrap(), &entry["attempt"]);
        assert_eq!(entry.get("output").is_some(), attempt == 2, "{entry}");
        format!("{node}:{status}:{attempt}")
    };
    result["node"].as_object().unwrap().iter().map(last).collect::<Vec<_>>().join(" ")
}

/// Attempt 3 after an attempt 2 with these results. Where `sent` is given, another process began it and sent it to that
/// node; where that is empty, it left no record.
async fn third_attempt(rollout: &Rollout, data: &Path, before: &str, sent: Option<&str>) -> RunnerOutcome {
    let job = RolloutJob { earlier: earlier(before), ..rollout_job(None) };
    let Some(sent) = sent else { return rollout.run(job).await };
    if !sent.is_empty() {
        let key = JobKey { job_id: "job1".to_owned(), attempt: 3 };
        let remaining = before.split_whitespace().filter(|entry| !entry.contains("succeeded"));
        let remaining: Vec<_> =
            remaining.filter_map(|entry| Some(entry.split_once(':')?.0.to_owned())).collect();
        DispatchLog::create(data, &key, &remaining).await.unwrap().sends(sent).await.unwrap();
    }
    rollout.recover(job).await
}

/// The last result of each node is of attempt 2 or 3; a `+` where the job was only to be joined.
#[tokio::test]
async fn another_attempt_runs_where_the_job_has_not_succeeded() {
    let (at_once, rolling) = (json!({}), json!({"max_parallel": 1, "stop_on_failure": true}));
    let (canary, skip) = (json!({"canary": 1}), json!({"offline": "skip"}));
    for (nodes, before, sent, strategy, expected, ran) in [
        (&[Fine, Fine][..], "n1:succeeded n2:failed", None, &at_once, "n1:succeeded:2 n2:succeeded:3", "n2"),
        (&[Fine, Fails], "n1:succeeded n2:failed", None, &at_once, "n1:succeeded:2 n2:failed:3", "n2"),
        (&[Fine, Fine], "n1:succeeded n2:succeeded", None, &at_once, "n1:succeeded:2 n2:succeeded:2", ""),
        (&[Fine, Fine], "n1:lost n2:timed_out", None, &at_once, "n1:succeeded:3 n2:succeeded:3", "n1 n2"),
        // Nodes that were skipped or had no turn get one now.
        (&[Fine, Fine], "n1:skipped n2:not_run", None, &rolling, "n1:succeeded:3 n2:succeeded:3", "n1 n2"),
        (&[Gone, Fine], "n1:skipped n2:failed", None, &skip, "n1:skipped:3 n2:succeeded:3", "n2"),
        // It failed there, and that the node is offline now makes it no success.
        (&[Gone, Fine], "n1:failed n2:not_run", None, &skip, "n1:failed:2 n2:succeeded:3", "n2"),
        // The strategy is for what remains.
        (
            &[Fine, Fails, Fine],
            "n1:succeeded n2:failed n3:failed",
            None,
            &rolling,
            "n1:succeeded:2 n2:failed:3 n3:failed:2",
            "n2",
        ),
        (
            &[Fine, Fails, Fine],
            "n1:succeeded n2:not_run n3:not_run",
            None,
            &canary,
            "n1:succeeded:2 n2:failed:3 n3:not_run:3",
            "n2",
        ),
        (&[Fine, Fine], "n1:succeeded n2:failed", None, &canary, "n1:succeeded:2 n2:succeeded:3", "n2"),
        // The configuration is another one now: n9 was removed, n2 is new.
        (&[Fine, Fine], "n9:succeeded n1:failed", None, &at_once, "n9:succeeded:2 n1:succeeded:3", "n1"),
        (&[Fine, Fine], "n9:failed n1:failed", None, &at_once, "n9:failed:2 n1:succeeded:3", "n1"),
        (&[Fine], "n9:not_run n1:failed", None, &at_once, "n9:not_run:3 n1:succeeded:3", "n1"),
        // The daemon was killed in attempt 3.
        (
            &[Fine, Fine, Fine],
            "n1:succeeded n2:failed n3:failed",
            Some("n2"),
            &rolling,
            "n1:succeeded:2 n2:succeeded:3 n3:succeeded:3",
            "+n2 n3",
        ),
        (&[Fine, Forgot], "n1:succeeded n2:failed", Some("n2"), &at_once, "n1:succeeded:2 n2:lost:3", "+n2"),
        // It left no record: it is not known who got the job, but never those where it had succeeded.
        (&[Fine, Fine], "n1:succeeded n2:failed", Some(""), &at_once, "n1:succeeded:2 n2:succeeded:3", "+n2"),
    ] {
        let data = tempfile::tempdir().unwrap();
        let all = Nodes::start(nodes).await;
        let rollout = all.rollout(data.path(), strategy);
        let outcome = third_attempt(&rollout, data.path(), before, sent).await;
        let case = format!("{before}; {sent:?}; {strategy}");
        assert_eq!(last_of_each(&outcome), expected, "{case}");
        assert_eq!(
            outcome.is_ok(),
            !["lost", "not_run", "failed"].iter().any(|bad| expected.contains(bad)),
            "{case}"
        );
        let mut got = all.ran.lock().unwrap().clone();
        got.sort_by_key(|name| name.trim_start_matches('+').to_owned());
        assert_eq!(got.join(" "), ran, "{case}");
    }
}

/// What a rollout gives is what the next attempt goes on from, until it has succeeded everywhere.
#[tokio::test]
async fn attempts_go_on_from_each_other() {
    let data = tempfile::tempdir().unwrap();
    let all = Nodes::start(&[Fine, Fails, Fine]).await;
    let rollout = all.rollout(data.path(), &json!({"max_parallel": 1, "stop_on_failure": true}));
    let mut before = None;
    for (attempt, expected) in [
        (1, "succeeded 1, failed 1, not_run 1"),
        (2, "succeeded 1, failed 2, not_run 2"),
        (3, "succeeded 1, failed 3, not_run 3"),
    ] {
        let mut job = RolloutJob { earlier: before.take(), ..rollout_job(None) };
        job.job.key.attempt = attempt;
        let result = rollout.run(job).await.unwrap_err().result;
        let last = |entry: &Value| format!("{} {}", entry["status"].as_str().unwrap(), entry["attempt"]);
        let each: Vec<_> = result["node"].as_object().unwrap().values().map(last).collect();
        assert_eq!(each.join(", "), expected);
        before = Some(Arc::new(result));
    }
    assert_eq!(*all.ran.lock().unwrap(), ["n1", "n2", "n2", "n2"]);
}
