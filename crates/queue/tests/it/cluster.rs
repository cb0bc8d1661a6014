//! Redis Cluster: three servers share the topics, and a replica takes over from one of them.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use e2e::redis::{RedisReply, RedisServer};
use herald_base::clock::SystemClock;
use herald_queue::{
    ConsumerSettings, Delivery, NewMessage, PieceName, Queue, QueueConsumer, QueueSettings, RedisQueue,
};

use crate::fixture::{consumer_settings, message, messages, put, replicated, run, settings, until, within};

/// Topics whose slots lie at all three servers.
const TOPICS: [&str; 6] = ["t", "deploy", "backup", "build", "mail", "certs"];
/// Where the slots of the servers begin and end.
const SLOTS: [(&str, &str); 3] = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];

struct ClusterServer {
    server: RedisServer,
    port: u16,
    id: String,
}

impl ClusterServer {
    fn start() -> Self {
        // Both are held until both are known: they must differ.
        let free = [0; 2].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let [port, bus] = free.map(|listener| listener.local_addr().unwrap().port());
        let (port_text, bus_text) = (port.to_string(), bus.to_string());
        let server = RedisServer::start(&[
            "--port",
            &port_text,
            "--cluster-port",
            &bus_text,
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "1000",
            "--repl-diskless-sync-delay",
            "0",
        ]);
        let id = server.ask(&["CLUSTER", "MYID"]).text().to_owned();
        let cluster_server = Self { server, port, id };
        cluster_server.server.run(&["CONFIG", "SET", "cluster-announce-ip", "127.0.0.1"]);
        cluster_server
    }

    fn meet(&self, other: &Self) {
        let bus = other.server.ask(&["CONFIG", "GET", "cluster-port"]).list()[1].text().to_owned();
        self.server.run(&["CLUSTER", "MEET", "127.0.0.1", &other.port.to_string(), &bus]);
    }

    fn says(&self, text: &str) -> bool {
        self.server.ask(&["CLUSTER", "INFO"]).text().contains(text)
    }

    fn has(&self, topic: &str) -> bool {
        !matches!(self.server.ask(&["EXISTS", &stream(topic)]), RedisReply::Error(_))
    }
}

fn stream(topic: &str) -> String {
    format!("{{herald:{topic}}}:s")
}

/// Three servers with a third of the slots each.
async fn cluster() -> [ClusterServer; 3] {
    let servers = [0; 3].map(|_| ClusterServer::start());
    for (server, (first, last)) in servers.iter().zip(SLOTS) {
        server.server.run(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
    }
    servers[0].meet(&servers[1]);
    servers[0].meet(&servers[2]);
    until("the cluster is complete", async || {
        let ready = |one: &ClusterServer| one.says("cluster_state:ok") && one.says("cluster_known_nodes:3");
        servers.iter().all(ready).then_some(())
    })
    .await;
    servers
}

fn client(server: &ClusterServer, node: &str) -> RedisQueue {
    let url = format!("redis://127.0.0.1:{}", server.port);
    let settings = QueueSettings { url, ..settings(&server.server) };
    RedisQueue::new(&settings, node, Arc::new(SystemClock)).unwrap()
}

/// Of all topics.
fn worker(queue: &RedisQueue) -> Box<dyn QueueConsumer> {
    let topics = TOPICS.map(str::to_owned).to_vec();
    queue
        .consumer(ConsumerSettings { topics, lease: Duration::from_secs(20), ..consumer_settings() })
        .unwrap()
}

fn of(topic: &str, id: &str) -> NewMessage {
    NewMessage { topic: topic.to_owned(), reply: true, ..message(id) }
}

/// Receives so many, and runs them.
async fn run_all(consumer: &dyn QueueConsumer, count: usize) -> BTreeSet<String> {
    let mut ran = BTreeSet::new();
    while ran.len() < count {
        let received = until("messages come", async || {
            let received = messages(consumer.receive(10).await.unwrap_or_default());
            (!received.is_empty()).then_some(received)
        });
        let received: Vec<Delivery> = received.await;
        for delivery in received {
            run(consumer, &delivery).await;
            assert!(ran.insert(delivery.message.id.clone()), "{} ran twice", delivery.message.id);
        }
    }
    ran
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_lie_at_all_servers_of_a_cluster() {
    let servers = cluster().await;
    assert!(servers.iter().all(|server| TOPICS.iter().any(|topic| server.has(topic))));
    let (origin, node) = (client(&servers[0], "origin"), client(&servers[2], "web1"));
    let fitness = origin.fitness().await.unwrap();
    assert!(fitness.is_cluster && fitness.unfit().is_none(), "{fitness:?}");
    for topic in TOPICS {
        put(&origin, &of(topic, &format!("{topic}-1"))).await;
    }
    let expected: BTreeSet<String> = TOPICS.iter().map(|topic| format!("{topic}-1")).collect();
    let consumer = worker(&node);
    assert_eq!(run_all(&*consumer, TOPICS.len()).await, expected);
    let results = origin.results(&TOPICS.map(str::to_owned)).unwrap();
    let mut ended = BTreeSet::new();
    while ended.len() < TOPICS.len() {
        let read = within(Duration::from_secs(20), results.next()).await.unwrap();
        let receipts: Vec<_> = read.iter().map(|result| result.receipt.clone()).collect();
        results.acknowledge(&receipts).await.unwrap();
        ended.extend(read.into_iter().map(|result| result.end.id));
    }
    assert_eq!(ended, expected);
    let mut known = origin.topics().await.unwrap();
    known.sort();
    assert_eq!(known.iter().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(TOPICS));
    assert_eq!(node.show("mail-1").await.unwrap().len(), 1);
    let pieces: Vec<PieceName> = (0..8).map(|n| PieceName::result(&format!("m{}", n / 2), n)).collect();
    for piece in &pieces {
        node.put_piece(piece, b"piece", Duration::from_secs(60)).await.unwrap();
    }
    assert_eq!(origin.piece(&pieces[5]).await.unwrap().as_deref(), Some(&b"piece"[..]));
    origin.delete_pieces(&pieces).await.unwrap();
    assert_eq!(origin.piece(&pieces[5]).await.unwrap(), None);
    // A message that comes while a worker of all topics waits.
    let late = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        put(&origin, &of("certs", "late")).await;
    };
    let (ran, ()) =
        within(Duration::from_secs(5), async { tokio::join!(run_all(&*consumer, 1), late) }).await;
    assert_eq!(ran, BTreeSet::from(["late".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_moved_to_another_server_is_found_there() {
    let servers = cluster().await;
    let origin = client(&servers[0], "origin");
    let consumer = worker(&origin);
    put(&origin, &of("t", "before")).await;
    let from = servers.iter().find(|server| server.has("t")).unwrap();
    let to = servers.iter().find(|server| !server.has("t")).unwrap();
    let slot = from.server.ask(&["CLUSTER", "KEYSLOT", &stream("t")]).number().to_string();
    to.server.run(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from.id]);
    from.server.run(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to.id]);
    let keys = from.server.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "1000"]);
    let mut migrate = vec!["MIGRATE".to_owned(), "127.0.0.1".to_owned(), to.port.to_string()];
    migrate.extend(["", "0", "5000", "KEYS"].map(str::to_owned));
    migrate.extend(keys.list().iter().map(|key| key.text().to_owned()));
    from.server.run(&migrate.iter().map(String::as_str).collect::<Vec<_>>());
    // While the slot is between the two, a put fails and says so; it can be tried again.
    let between = origin.put(&of("t", "between")).await.unwrap_err();
    assert!(between.is_temporary() && between.to_string().contains("are being moved"), "{between}");
    for server in [to, from] {
        server.server.run(&["CLUSTER", "SETSLOT", &slot, "NODE", &to.id]);
    }
    put(&origin, &of("t", "after")).await;
    let expected = ["after", "before"].map(str::to_owned);
    assert_eq!(run_all(&*consumer, 2).await, BTreeSet::from(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_takes_over_from_a_server_of_a_cluster() {
    let mut servers = cluster().await;
    let lost = servers.iter().position(|server| server.has("t")).unwrap();
    let replica = ClusterServer::start();
    servers[(lost + 1) % 3].meet(&replica);
    until("the replica follows", async || {
        let replicate = replica.server.ask(&["CLUSTER", "REPLICATE", &servers[lost].id]);
        matches!(replicate, RedisReply::Text(_)).then_some(())
    })
    .await;
    let origin = client(&servers[(lost + 1) % 3], "origin");
    let consumer = worker(&origin);
    put(&origin, &of("t", "before")).await;
    until("the replica knows whose slots it can take over", async || {
        let knows = replica.says("cluster_slots_assigned:16384") && replica.says("cluster_state:ok");
        knows.then_some(())
    })
    .await;
    replicated(&servers[lost].server, &replica.server).await;
    servers[lost].server.kill();
    until("another one answers for it", async || origin.put(&of("t", "after")).await.ok()).await;
    let expected = ["after", "before"].map(str::to_owned);
    assert_eq!(run_all(&*consumer, 2).await, BTreeSet::from(expected));
    assert!(origin.status().connected);
}
