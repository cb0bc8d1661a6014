//! Everything goes wrong at random, for some seconds: nothing is lost, and no attempt is started twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use e2e::redis::RedisServer;
use herald_queue::{
    ConsumerSettings, Delivery, EndStatus, HoldAnswer, MessageState, NewMessage, Queue, QueueConsumer,
    Received, RedisQueue,
};

use crate::fixture::{consumer_settings, end, message, pause, queue};

/// A small generator of numbers that are the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[derive(Default)]
struct Journal {
    started: BTreeMap<(String, u32), u32>,
    problems: Vec<String>,
    /// By key: the order of the first starts.
    order: BTreeMap<String, Vec<u32>>,
}

/// A worker as the daemon is one: it renews, starts, runs for a moment, and says the end until it is heard.
async fn work(node: RedisQueue, journal: Arc<Mutex<Journal>>, seed: u64) {
    let mut numbers = Numbers(seed);
    let settings = ConsumerSettings { max_deliveries: 1000, ..consumer_settings() };
    let consumer: Box<dyn QueueConsumer> = node.consumer(settings).unwrap();
    loop {
        let received = consumer.receive(4).await.unwrap_or_default();
        for received in received {
            match received {
                Received::Message(delivery) => {
                    run(&*consumer, &delivery, &journal, numbers.below(30)).await;
                }
                other => journal.lock().unwrap().problems.push(format!("{other:?}")),
            }
        }
    }
}

/// Asks until the queue answers. (A function with a closure would not be `Send`.)
macro_rules! insist {
    ($ask:expr) => {
        loop {
            match $ask.await {
                Ok(answer) => break answer,
                Err(_) => pause(Duration::from_millis(20)).await,
            }
        }
    };
}

async fn run(consumer: &dyn QueueConsumer, delivery: &Delivery, journal: &Mutex<Journal>, span: u64) {
    let token = &delivery.token;
    if delivery.started_by.is_some() {
        insist!(consumer.requeue(token, Duration::ZERO));
        return;
    }
    if insist!(consumer.start(token)) != HoldAnswer::Done {
        return;
    }
    journal.lock().unwrap().start(delivery);
    pause(Duration::from_millis(span)).await;
    insist!(consumer.done(token, &end(EndStatus::Succeeded)));
}

impl Journal {
    fn start(&mut self, delivery: &Delivery) {
        let id = delivery.message.id.clone();
        let count = self.started.entry((id.clone(), delivery.attempt)).or_default();
        *count += 1;
        if *count > 1 {
            self.problems.push(format!("{id} was started {count} times in attempt {}", delivery.attempt));
        }
        if let (Some(key), 1) = (&delivery.message.key, delivery.attempt) {
            self.order.entry(key.clone()).or_default().push(id.parse().unwrap());
        }
    }
}

async fn fault(server: &mut RedisServer, numbers: &mut Numbers) -> &'static str {
    match numbers.below(9) {
        0 => {
            server.kill();
            pause(Duration::from_millis(numbers.below(300))).await;
            server.start_again();
            "kill"
        }
        1 => {
            server.freeze();
            pause(Duration::from_millis(numbers.below(3000))).await;
            server.thaw();
            "freeze"
        }
        2 => {
            server.run(&["SCRIPT", "FLUSH"]);
            "script flush"
        }
        3 => {
            server.run(&["DEL", "{herald:t}:u"]);
            "del u"
        }
        4 => {
            server.run(&["DEL", "{herald:t}:d"]);
            "del d"
        }
        5 => {
            server.run(&["DEL", "{herald:t}:m"]);
            "del m"
        }
        6 => {
            server.run(&["DEL", "{herald:t}:w", "{herald:t}:u", "{herald:t}:d", "{herald:t}:m"]);
            "del all but the stream"
        }
        _ => {
            server.run(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            "cut"
        }
    }
}

/// Puts until the queue has it.
async fn put(origin: &RedisQueue, message: &NewMessage) {
    while origin.put(message).await.is_err() {
        pause(Duration::from_millis(20)).await;
    }
}

async fn put_all(origin: Arc<RedisQueue>, count: u32) {
    for n in 0..count {
        let key = (n % 3 == 0).then(|| format!("k{}", n % 4));
        put(&origin, &NewMessage { key, ..message(&n.to_string()) }).await;
        pause(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_nothing_runs_twice() {
    let number =
        |name: &str, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (seed, rounds) = (number("HERALD_SOAK_SEED", 7), number("HERALD_SOAK_ROUNDS", 8));
    let mut server = RedisServer::start(&["--appendfsync", "always"]);
    let mut numbers = Numbers(seed);
    let journal = Arc::new(Mutex::new(Journal::default()));
    let origin = Arc::new(queue(&server, "origin"));
    let count = u32::try_from(rounds * 60).unwrap();
    let putting = tokio::spawn(put_all(origin.clone(), count));
    let mut workers = Vec::new();
    for n in 0..3 {
        let node = queue(&server, &format!("web{n}"));
        workers.push(tokio::spawn(work(node, journal.clone(), n)));
    }
    let mut faults = Vec::new();
    for round in 0..rounds {
        pause(Duration::from_millis(200 + numbers.below(600))).await;
        faults.push(fault(&mut server, &mut numbers).await);
        if round % 2 == 1 {
            // A worker dies at once, and comes back later under its name.
            let n = numbers.below(3);
            let dead = std::mem::replace(&mut workers[usize::try_from(n).unwrap()], tokio::spawn(async {}));
            dead.abort();
            let _ = dead.await;
            pause(Duration::from_millis(numbers.below(200))).await;
            let node = queue(&server, &format!("web{n}"));
            workers[usize::try_from(n).unwrap()] = tokio::spawn(work(node, journal.clone(), round));
        }
    }
    putting.await.unwrap();
    let ids: Vec<String> = (0..count).map(|n| n.to_string()).collect();
    // A worker that dies with the answer to its end on the way has ended it: Redis is asked, not the journal.
    let began = Instant::now();
    loop {
        let known = origin.compare("t", &ids).await.unwrap_or_default();
        let open: Vec<_> = known.iter().filter(|known| known.state != MessageState::Ended).collect();
        if known.len() == ids.len() && open.is_empty() {
            break;
        }
        let shown = &open[..open.len().min(5)];
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "seed {seed} {faults:?}: {} open; {shown:?}",
            open.len()
        );
        pause(Duration::from_millis(200)).await;
    }
    for worker in workers {
        worker.abort();
    }
    let journal = journal.lock().unwrap();
    assert!(journal.problems.is_empty(), "seed {seed} {faults:?}: {:?}", journal.problems);
    for (key, order) in &journal.order {
        assert!(order.is_sorted(), "seed {seed} {faults:?} {key}: {order:?}");
    }
    assert_eq!(server.ask(&["XLEN", "{herald:t}:s"]).number(), 0);
}
