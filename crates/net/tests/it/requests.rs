//! Requests to a real server: redirects, long responses, connections that break.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use herald_net::client::{
    ClientSettings, ExchangeError, HttpAnswer, HttpConnector, HttpRequest, RequestContext, exchange,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A server that answers each path with the bytes that are given for it, and keeps the requests.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answers: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                let mut piece = [0; 4096];
                loop {
                    let read = stream.read(&mut piece).await.unwrap_or(0);
                    request.extend_from_slice(&piece[..read]);
                    let has_body =
                        request.to_ascii_lowercase().windows(15).any(|part| part == b"content-length:");
                    let end: &[u8] = if has_body { b"the body" } else { b"\r\n\r\n" };
                    if read == 0 || request.ends_with(end) {
                        break;
                    }
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                kept.lock().unwrap().push(request);
                let _ = stream.write_all(answers(&path).as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { address, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

async fn send(params: Value) -> Result<HttpAnswer, ExchangeError> {
    let context = RequestContext { url: None, idempotency_key: "job-1" };
    let request = HttpRequest::read(params.as_object().unwrap(), context).unwrap();
    let settings =
        ClientSettings { connect_timeout: Duration::from_secs(5), user_agent: "test/1", keep_idle: None };
    let client = HttpConnector::new(settings, None).await.unwrap().client().await.unwrap();
    exchange(&client, request).await
}

#[tokio::test]
async fn a_request_and_its_response() {
    let server = Server::start(|_| answer("201 Created", "X-Some: thing\r\n", "hello")).await;
    let sent = send(json!({
        "url": server.url("/a"), "query": {"q": 1}, "headers": {"X-Own": "v"}, "body": "the body",
        "auth": {"bearer": "abc"},
    }));
    let HttpAnswer { status, headers, body, origin } = sent.await.unwrap();
    assert_eq!(
        (status.as_u16(), &headers["x-some"], &*body),
        (201, &"thing".parse().unwrap(), &b"hello"[..])
    );
    assert_eq!(origin, format!("http://{}", server.address));
    let request = server.seen().remove(0);
    assert!(
        request.starts_with("POST /a?q=1 HTTP/1.1\r\n") && request.ends_with("\r\n\r\nthe body"),
        "{request}"
    );
    for header in ["X-Own: v", "Authorization: Bearer abc", "Idempotency-Key: job-1", "User-Agent: test/1"] {
        assert!(request.contains(&format!("\r\n{header}\r\n")), "{header}: {request}");
    }
}

#[tokio::test]
async fn redirects_are_followed_as_far_as_wanted() {
    let there = Server::start(|_| answer("200 OK", "", "there")).await;
    let other = there.url("/end");
    let server = Server::start(move |path| {
        let location = match path {
            "/away" | "/away-with-body" => other.as_str(),
            "/loop" => "/loop",
            "/named" => "http://name:word@127.0.0.1:1/",
            "/file" => "file:///etc/passwd",
            "/nowhere" => "http://",
            _ => "end",
        };
        match path {
            "/end" => answer("200 OK", "", "here"),
            "/bare" => answer("302 Found", "", "no location"),
            "/away-with-body" => answer("307 Temporary", &format!("Location: {location}\r\n"), ""),
            _ => answer("302 Found", &format!("Location: {location}\r\n"), ""),
        }
    })
    .await;
    let ask = |path: &str, more: Value| {
        let mut params =
            json!({"url": server.url(path), "auth": {"bearer": "abc"}, "headers": {"X-Key": "k"}});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        send(params)
    };
    let status = |answer: Result<HttpAnswer, ExchangeError>| answer.map(|answer| answer.status.as_u16());
    assert_eq!(status(ask("/x", json!({})).await), Ok(302), "not followed unless that is wanted");
    assert_eq!(server.seen().len(), 1);

    let here = ask("/x", json!({"follow_redirects": 1, "body": "the body"})).await.unwrap();
    assert_eq!((here.status.as_u16(), &*here.body), (200, &b"here"[..]));
    let second = server.seen().remove(1);
    assert!(second.starts_with("GET /end "), "{second}");
    assert!(second.contains("Bearer abc") && second.contains("X-Key: k") && !second.contains("the body"));
    assert!(!second.to_lowercase().contains("content-type"), "{second}");

    let away = ask("/away", json!({"follow_redirects": 3})).await.unwrap();
    assert_eq!((away.origin, &*away.body), (format!("http://{}", there.address), &b"there"[..]));
    let request = there.seen().remove(0);
    assert!(
        !request.contains("abc") && !request.contains("X-Key"),
        "secrets stay at their origin: {request}"
    );
    assert!(request.contains("Idempotency-Key: job-1"), "{request}");

    ask("/away-with-body", json!({"follow_redirects": 1, "body": "the body", "method": "PUT"}))
        .await
        .unwrap();
    let request = there.seen().remove(0);
    assert!(request.starts_with("PUT /end ") && request.ends_with("the body"), "{request}");

    assert_eq!(status(ask("/bare", json!({"follow_redirects": 1})).await), Ok(302));
    for (path, says) in [
        ("/loop", "redirected more than 2 times (follow_redirects)"),
        ("/file", "the redirect does not lead to a valid http:// or https:// URL"),
        ("/nowhere", "the redirect does not lead to a valid http:// or https:// URL"),
        ("/named", "http://127.0.0.1:1: "),
    ] {
        let error = ask(path, json!({"follow_redirects": 2})).await.unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains("word"), "{path}: {error}");
    }
}

#[tokio::test]
async fn responses_have_a_limit_and_an_end() {
    let server = Server::start(|path| match path {
        "/announced" => format!("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n{}", "x".repeat(100)),
        "/chunked" => {
            let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(3))
        }
        "/cut" => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_owned(),
        "/other" => "220 mail.example.com ESMTP\r\n".to_owned(),
        _ => String::new(),
    })
    .await;
    let origin = format!("http://{}", server.address);
    for (path, limit, says) in [
        ("/announced", "1MiB", "the response (200 OK) is larger than 1048576 bytes (max_response)"),
        ("/chunked", "2KiB", "the response (200 OK) is larger than 2048 bytes (max_response)"),
        ("/cut", "1MiB", "the response is incomplete: "),
        ("/other", "1MiB", "no HTTP response"),
        ("/nothing", "1MiB", "connection closed before message completed"),
    ] {
        let error =
            send(json!({"url": server.url(path), "max_response": limit})).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("{origin}: ")) && error.contains(says), "{path}: {error}");
    }
    let whole = send(json!({"url": server.url("/chunked"), "max_response": "3KiB"})).await.unwrap();
    assert_eq!(whole.body.len(), 3072);
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = send(json!({"url": format!("http://{free}/secret?a=b")})).await.unwrap_err();
    assert_eq!(error.to_string(), format!("http://{free}: connection refused"));
}
