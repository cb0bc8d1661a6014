//! Many nodes, each a runner of the tests' own.

use std::path::Path;
use std::sync::{Arc, Mutex};

use herald_core::executor::{Executor, Outcome, Stop};
use herald_core::spec::Options;
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use super::fake::{Got, SECRET, fake, short};
use super::{component, execution};

/// What a node does with a job.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Node {
    Fine,
    Fails,
    Gone,
}
use Node::{Fails, Fine, Gone};

/// The nodes n1, n2…, and which of them got the job, in that order.
struct Nodes {
    section: Value,
    ran: Arc<Mutex<Vec<String>>>,
    _gone: Vec<TcpSocket>,
}

impl Nodes {
    async fn start(nodes: &[Node]) -> Self {
        let (mut section, ran) = (json!({}), Arc::<Mutex<Vec<String>>>::default());
        let mut gone = Vec::new();
        for (n, node) in nodes.iter().enumerate() {
            let (name, code) = (format!("n{}", n + 1), i32::from(*node != Fine));
            let (ran, at) = (ran.clone(), name.clone());
            let answer = move |got: Got| {
                if got.path.ends_with("/path") {
                    ran.lock().unwrap().push(at.clone());
                }
                short(&got.signer(), 200, &json!({"exit_code": code}).to_string(), None)
            };
            let port = if *node == Gone {
                let (socket, port) = nobody();
                gone.push(socket);
                port
            } else {
                fake(answer).await
            };
            section[name] = json!({"host": format!("http://127.0.0.1:{port}/path"), "secret": SECRET});
        }
        Self { section, ran, _gone: gone }
    }

    /// On all of them.
    fn executor(&self, data: &Path, strategy: &Value) -> Arc<dyn Executor> {
        let names: Vec<&String> = self.section.as_object().unwrap().keys().collect();
        let options = json!({"nodes": names, "node": self.section, "strategy": strategy, "data_dir": data, "rejoin": "1s"});
        let Value::Object(options) = options else { unreachable!() };
        (component().factory)(&Options(options)).unwrap()
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
fn statuses(outcome: &Outcome) -> String {
    let result = match outcome {
        Ok(result) => result,
        Err(failure) => &failure.result,
    };
    let children = result["node"].as_object().unwrap().values();
    children.map(|child| child["status"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
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
        let executor = all.executor(data.path(), &json!({"canary": canary, "offline": "skip"}));
        let outcome = executor.execute(execution("job1", Stop::new())).await;
        assert_eq!(statuses(&outcome), expected, "{nodes:?} {canary}");
        assert_eq!(
            all.ran.lock().unwrap().len(),
            expected.matches("succeeded").count() + expected.matches("failed").count()
        );
    }
}
