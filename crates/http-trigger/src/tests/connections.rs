//! Connections: bodies, limits, and their end.

use super::*;

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let server = served().await;
    let mut stream = server.connect().await;
    let request = post_json("{}").replace("Connection: close\r\n", "");
    for n in 1..=3 {
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(parts(&answer(&mut stream).await), (200, json!({"event_id": format!("event-{n}")})));
    }
    // All at once, answered in order.
    stream.write_all(request.repeat(3).as_bytes()).await.unwrap();
    for n in 4..=6 {
        assert_eq!(parts(&answer(&mut stream).await), (200, json!({"event_id": format!("event-{n}")})));
    }
    // A refusal does not cost the connection.
    stream.write_all(request.replace("POST", "GET").as_bytes()).await.unwrap();
    assert_eq!(parts(&answer(&mut stream).await).0, 405);
    server.end().await;
}

#[tokio::test]
async fn too_large_is_said_before_the_body_is_sent() {
    let server = served().await;
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2000000\r\n\r\n";
    let mut stream = server.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(parts(&answer(&mut stream).await).0, 413);
    // A client that asks first gets the response without sending the body.
    let expecting = head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let mut stream = server.connect().await;
    stream.write_all(expecting.as_bytes()).await.unwrap();
    assert_eq!(parts(&answer(&mut stream).await).0, 413);
    server.end().await;
}

/// Who signs nothing is rejected before the body is read; what is signed is seen with the body alone.
#[tokio::test]
async fn unsigned_bodies_are_not_read() {
    let github = json!({"provider": "github", "secret": "sixteen-bytes-and-more"});
    let hmac = json!({"hmac": {"header": "x-sign", "secret": "sixteen-bytes-and-more", "prefix": "v1=", "algorithm": "sha256",
        "encoding": "hex"}});
    let old = "X-Slack-Request-Timestamp: 1531420618\r\nX-Slack-Signature: v0=a2114d57\r\n";
    let slack = json!({"provider": "slack", "secret": "sixteen-bytes-and-more"});
    for (auth, headers, status) in [
        (&github, "", "401"),
        (&github, "X-Hub-Signature-256: 00\r\n", "401"),
        (&github, "X-Hub-Signature-256: sha256=00\r\n", "100"),
        (&hmac, "", "401"),
        (&hmac, "X-Sign: 00\r\n", "401"),
        (&hmac, "X-Sign: v1=00\r\n", "100"),
        (&slack, "X-Slack-Signature: v0=00\r\n", "401"),
        (&slack, old, "100"),
    ] {
        let server = start(trigger(json!({"port": 0, "auth": auth})), Taken::default()).await;
        let mut stream = server.connect().await;
        let head = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\
             Expect: 100-continue\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).await.unwrap();
        assert_eq!(std::str::from_utf8(&begin).unwrap(), format!("HTTP/1.1 {status}"), "{auth} {headers}");
        drop(stream);
        server.end().await;
    }
}

#[tokio::test]
async fn a_client_that_sends_too_much_still_sees_the_answer() {
    let server = served().await;
    for _ in 0..20 {
        let answer = server.send(&post_json(&"x".repeat(2_000_000))).await;
        assert_eq!(parts(&answer).0, 413);
    }
    server.end().await;
}

#[tokio::test]
async fn expecting_clients_are_asked_for_the_body() {
    let server = served().await;
    let mut stream = server.connect().await;
    let request = post("Content-Type: application/json\r\nExpect: 100-continue\r\n", "{}");
    stream.write_all(request.strip_suffix("{}").unwrap().as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    timeout(LONG, stream.read_exact(&mut go_on)).await.unwrap().unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{}").await.unwrap();
    assert_eq!(parts(&rest(&mut stream).await).0, 200);
    server.end().await;
}

/// Writes byte by byte until the server has had enough.
async fn drip(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    for byte in bytes {
        if stream.write_all(&[*byte]).await.is_err() {
            return;
        }
        sleep(Duration::from_millis(40)).await;
    }
}

#[tokio::test]
async fn slow_clients_are_cut() {
    let server = start(hasty(json!({"port": 0})), Taken::default()).await;
    let begun = Instant::now();
    // A head, byte by byte; a body, byte by byte; nothing at all.
    let request = post_json(&format!("{{\"a\":\"{}\"}}", "x".repeat(100)));
    let head_end = request.find("{\"a\"").unwrap();
    let head = async {
        let mut stream = server.connect().await;
        let (mut read, mut write) = stream.split();
        tokio::join!(drip(&mut write, &request.as_bytes()[..60]), rest(&mut read)).1
    };
    let body = async {
        let mut stream = server.connect().await;
        let (mut read, mut write) = stream.split();
        write.write_all(&request.as_bytes()[..head_end]).await.unwrap();
        tokio::join!(drip(&mut write, &request.as_bytes()[head_end..head_end + 60]), rest(&mut read)).1
    };
    let idle = async { rest(&mut server.connect().await).await };
    let (head, body, idle) = tokio::join!(head, body, idle);
    assert_eq!((head.as_str(), idle.as_str()), ("", ""));
    let (status, body) = parts(&body);
    assert_eq!(status, 408);
    assert!(body["error"].as_str().unwrap().contains("within 0.3 s"), "{body}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(server.end().await.is_empty());
}

#[tokio::test]
async fn connections_past_the_limit_wait() {
    let mut few = hasty(json!({"port": 0}));
    // One address has half of them.
    few.limits.connections = 4;
    few.limits.min_hold = Duration::from_secs(1);
    let server = start(few, Taken::default()).await;
    let mut idle = (server.connect().await, server.connect().await);
    // Their bodies come fast enough, so they are not closed at once.
    let begin = post_json(&"x".repeat(200_000));
    idle.0.write_all(&begin.as_bytes()[..100_000]).await.unwrap();
    idle.1.write_all(&begin.as_bytes()[..100_000]).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let begun = Instant::now();
    assert_eq!(parts(&server.send(&post_json("{}")).await).0, 200);
    assert!(begun.elapsed() > Duration::from_millis(500), "it did not wait");
    drop(idle);
    server.end().await;
}

/// However many connections of one address send no more of their bodies, another one gets an answer, and no reset.
#[tokio::test]
async fn bodies_that_stall_make_room_soon() {
    let mut few = hasty(json!({"port": 0}));
    few.limits.connections = 8;
    few.limits.min_hold = LONG;
    let server = start(few, Taken::default()).await;
    let head = post_json(&"x".repeat(1 << 20)).split("xx").next().unwrap().to_owned() + "xx";
    let mut stalled = Vec::new();
    for n in 0..60 {
        let mut stream = server.connect().await;
        // One that is closed already cannot be written to.
        let _ = stream.write_all(head.as_bytes()).await;
        stalled.push(stream);
        if n % 10 == 9 {
            let (status, body) = parts(&server.send(&post_json("{}")).await);
            assert!(status == 200 || status == 503, "{n}: {status} {body}");
            assert!(
                status == 200 || body["error"].as_str().unwrap().contains("too many connections"),
                "{body}"
            );
        }
    }
    sleep(Duration::from_millis(150)).await;
    let begun = Instant::now();
    assert_eq!(parts(&server.send(&post_json("{}")).await).0, 200);
    assert!(begun.elapsed() < LONG / 4, "{:?}", begun.elapsed());
    server.end().await;
}

#[tokio::test]
async fn connections_that_say_nothing_make_room() {
    let mut few = hasty(json!({"port": 0}));
    few.limits.connections = 4;
    few.limits.head = LONG;
    few.limits.min_hold = Duration::from_millis(100);
    let server = start(few, Taken::default()).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    first.write_all(b"POST / HT").await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let begun = Instant::now();
    assert_eq!(parts(&server.send(&post_json("{}")).await).0, 200);
    assert!(begun.elapsed() < LONG / 4, "{:?}", begun.elapsed());
    assert_eq!(rest(&mut first).await, "");
    second.write_all(post_json("{}").as_bytes()).await.unwrap();
    assert_eq!(parts(&rest(&mut second).await).0, 200);
    server.end().await;
}

#[tokio::test]
async fn the_end_answers_what_it_began_and_closes_the_rest() {
    let taken = Taken { gate: Some(Notify::new()), ..Taken::default() };
    let mut patient = hasty(json!({"port": 0}));
    patient.limits.drain = LONG;
    let server = start(patient, taken).await;
    let mut idle = server.connect().await;
    let mut busy = server.connect().await;
    busy.write_all(post_json("{}").replace("Connection: close\r\n", "").as_bytes()).await.unwrap();
    server.taken.waiting.notified().await;
    server.stop.cancel();
    assert_eq!(rest(&mut idle).await, "");
    let address = server.address.unwrap();
    while TcpStream::connect(address).await.is_ok() {
        sleep(Duration::from_millis(5)).await;
    }
    server.taken.gate.as_ref().unwrap().notify_one();
    assert_eq!(parts(&rest(&mut busy).await), (200, json!({"event_id": "event-1"})));
    assert_eq!(server.end().await.len(), 1);
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let taken = Taken { gate: Some(Notify::new()), ..Taken::default() };
    let server = start(hasty(json!({"port": 0})), taken).await;
    let mut stuck = server.connect().await;
    stuck.write_all(post_json("{}").as_bytes()).await.unwrap();
    server.taken.waiting.notified().await;
    let begun = Instant::now();
    server.end().await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(rest(&mut stuck).await, "");
}

#[tokio::test]
async fn a_dropped_run_ends_its_connections() {
    let server = served().await;
    let mut stream = server.connect().await;
    stream.write_all(post_json("{}").replace("Connection: close\r\n", "").as_bytes()).await.unwrap();
    answer(&mut stream).await;
    server.run.abort();
    assert_eq!(rest(&mut stream).await, "");
}

/// What the HTTP library rejects by itself has a body as every other error does.
#[tokio::test]
async fn what_is_not_a_request_gets_an_answer_in_json() {
    let server = served().await;
    let good = post_json("{}").replace("Connection: close\r\n", "");
    let long = "x".repeat(200_000);
    for (sent, status, says) in [
        ("rubbish\r\n\r\n".to_owned(), 400, "not a valid HTTP request"),
        ("\u{1}\u{2}\u{3}\r\n\r\n".to_owned(), 400, "not a valid HTTP request"),
        (post_json("{}").replace("Host:", "Content-Length: 7\r\nHost:"), 400, "not a valid HTTP request"),
        (format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"), 431, "headers are too long"),
        (format!("GET / HTTP/1.1\r\nX: {long}\r\n\r\n"), 431, "headers are too long"),
    ] {
        let text = server.send(&sent).await;
        assert!(text.to_ascii_lowercase().contains("content-type: application/json\r\n"), "{text}");
        let (found, body) = parts(&text);
        assert!(found == status && body["error"].as_str().unwrap().contains(says), "{text}");
    }
    // Behind a request that was answered.
    let mut stream = server.connect().await;
    stream.write_all(good.as_bytes()).await.unwrap();
    assert_eq!(parts(&answer(&mut stream).await).0, 200);
    stream.write_all(b"rubbish\r\n\r\n").await.unwrap();
    let (status, body) = parts(&rest(&mut stream).await);
    assert_eq!((status, &body["error"]), (400, &json!("this is not a valid HTTP request")));
    server.end().await;
}
