//! Where it listens, and how a trigger takes the place of another one.

use super::*;

async fn over_socket(path: &Path) -> (u16, Value) {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(post_json("{}").replace("localhost", "any.name").as_bytes()).await.unwrap();
    parts(&rest(&mut stream).await)
}

#[tokio::test]
async fn a_unix_socket_alone_or_beside_the_port() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("herald.sock");
    for (more, mode, with_tcp) in [
        (json!({}), 0o600, false),
        (json!({"unix_socket_mode": "0660"}), 0o660, false),
        (json!({"unix_socket_mode": 0o666}), 0o666, false),
        (json!({"port": 0}), 0o600, true),
        (json!({"port": 0, "host": "localhost"}), 0o600, true),
    ] {
        let mut given = more.clone();
        given["unix_socket"] = json!(path);
        let server = start(trigger(given), Taken::default()).await;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode, "{more}");
        assert_eq!(over_socket(&path).await.0, 200, "{more}");
        assert_eq!(server.address.is_some(), with_tcp, "{more}");
        if with_tcp {
            assert_eq!(parts(&server.send(&post_json("{}")).await).0, 200);
        }
        server.end().await;
        assert!(!path.exists());
    }
}

#[tokio::test]
async fn a_taken_port_shows_before_the_start() {
    let server = served().await;
    let port = server.address.unwrap().port();
    let error = trigger(json!({ "port": port })).prepare().await.unwrap_err().to_string();
    assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("in use"), "{error}");
    server.end().await;
    trigger(json!({ "port": port })).prepare().await.unwrap();
}

/// Runs a trigger that takes the place of another one.
async fn follow(given: Value, before: &Arc<HttpTrigger>) -> (Arc<HttpTrigger>, Server) {
    let next = Arc::new(trigger(given));
    let before = Predecessors { same: Some(before.clone()), others: Vec::new() };
    assert_eq!(next.succeed(&before), Succession::Beside);
    next.prepare().await.unwrap();
    (next.clone(), run(next, Taken::default()))
}

fn run(trigger: Arc<HttpTrigger>, taken: Taken) -> Server {
    let address = trigger.held.lock().unwrap().iter().find_map(|held| held.listener().address().parse().ok());
    let taken = Arc::new(taken);
    let activator = Activator::new("manual".into(), taken.clone(), Arc::new(SystemClock));
    let stop = CancellationToken::new();
    let run = tokio::spawn({
        let stop = stop.clone();
        async move { trigger.run(activator, stop).await }
    });
    Server { address, taken, stop, run }
}

#[tokio::test]
async fn a_trigger_takes_the_place_of_another_one_on_open_connections() {
    let taken = Taken { gate: Some(Notify::new()), ..Taken::default() };
    let mut now = Arc::new(trigger(json!({"port": 0, "max_body": 10})));
    now.prepare().await.unwrap();
    let first = run(now.clone(), taken);
    let address = first.address;
    let (mut busy, mut kept) = (first.connect().await, first.connect().await);
    busy.write_all(post_json("{}").as_bytes()).await.unwrap();
    first.taken.waiting.notified().await;
    let (before, mut server) = (first.taken.clone(), first);
    let request = |body: &str| post_json(body).replace("Connection: close\r\n", "");
    for size in 20..23 {
        let (next, next_server) = follow(json!({"port": 0, "max_body": size}), &now).await;
        assert_eq!(next_server.address, address, "the port stays");
        // Requests wait until it is mounted.
        kept.write_all(request(&format!("{:size$}", "{}")).as_bytes()).await.unwrap();
        assert_eq!(parts(&answer(&mut kept).await).0, 200, "{size}");
        let old = std::mem::replace(&mut server, next_server);
        old.stop.cancel();
        timeout(LONG, old.run).await.unwrap().unwrap().unwrap();
        now = next;
        kept.write_all(request(&format!("{:size$}", "{}")).as_bytes()).await.unwrap();
        assert_eq!(parts(&answer(&mut kept).await).0, 200, "{size}");
        assert_eq!(parts(&server.send(&post_json(&" ".repeat(size + 1))).await).0, 413);
    }
    // What the first one began, it finishes.
    before.gate.as_ref().unwrap().notify_one();
    assert_eq!(parts(&rest(&mut busy).await), (200, json!({"event_id": "event-1"})));
    assert_eq!(before.params.lock().unwrap().len(), 1);
    assert_eq!(server.end().await.len(), 2);
    assert!(TcpStream::connect(address.unwrap()).await.is_err(), "the last one closes the port");
}

#[tokio::test]
async fn a_trigger_that_is_announced_and_does_not_come_changes_nothing() {
    let now = Arc::new(trigger(json!({"port": 0})));
    now.prepare().await.unwrap();
    let server = run(now.clone(), Taken::default());
    let next = trigger(json!({"port": 0, "max_body": 1}));
    next.succeed(&Predecessors { same: Some(now.clone()), others: Vec::new() });
    next.prepare().await.unwrap();
    let begun = Instant::now();
    let sent = async { parts(&server.send(&post_json("{}")).await).0 };
    let given_up = async {
        sleep(Duration::from_millis(100)).await;
        drop(next);
    };
    assert_eq!(tokio::join!(sent, given_up).0, 200);
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    server.end().await;
}

#[test]
fn what_a_trigger_has_to_wait_for() {
    for (before, next, all) in [
        (json!({"port": 8123}), json!({"port": 8123, "max_body": 5}), false),
        (json!({"port": 8123}), json!({"port": 8124}), false),
        (json!({"port": 8123}), json!({"port": 8123, "host": "0.0.0.0"}), true),
        (json!({"port": 0}), json!({"port": 0, "host": "0.0.0.0"}), false),
        (
            json!({"unix_socket": "/run/a"}),
            json!({"unix_socket": "/run/a", "unix_socket_mode": "0660"}),
            false,
        ),
    ] {
        let other: Arc<dyn Trigger> = Arc::new(trigger(before.clone()));
        let expected = if all { Succession::AfterAll } else { Succession::Beside };
        for before in [
            Predecessors { same: Some(other.clone()), others: Vec::new() },
            Predecessors { same: None, others: vec![other.clone()] },
        ] {
            assert_eq!(trigger(next.clone()).succeed(&before), expected, "{next}");
        }
        assert_eq!(trigger(next).succeed(&Predecessors::default()), Succession::Beside);
    }
}

#[tokio::test]
async fn a_socket_changes_its_permissions_while_it_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("herald.sock");
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
    let now = Arc::new(trigger(json!({"unix_socket": path})));
    now.prepare().await.unwrap();
    let server = run(now.clone(), Taken::default());
    assert_eq!((over_socket(&path).await.0, mode()), (200, 0o600));
    let (_, next) = follow(json!({"unix_socket": path, "unix_socket_mode": "0660"}), &now).await;
    server.end().await;
    assert_eq!((over_socket(&path).await.0, mode()), (200, 0o660));
    next.end().await;
    assert!(!path.exists());
}

#[test]
fn hosts_that_cannot_be_are_found_before_the_start() {
    for (host, good) in [
        ("127.0.0.1", true),
        ("::1", true),
        ("[::1]", true),
        ("localhost", true),
        ("", false),
        ("127.0.0.1:80", false),
        ("localhost:80", false),
        ("http://127.0.0.1", false),
        ("two words", false),
    ] {
        let given = json!({"host": host});
        let (_, problems) = describe().check(given.as_object().unwrap(), &herald_core::problem::Path::top());
        assert_eq!(problems.is_empty(), good, "{host}: {problems:?}");
    }
}
