use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use herald_core::conformance::check_executor;
use herald_core::context::Context;
use herald_core::executor::{FailureKind, NoOutput, Stop};
use herald_core::job::Job;
use herald_core::param::Params;
use herald_core::secret::Mask;
use herald_core::secret_place::{SecretPlaceError, SecretReader};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

fn object(value: &Value) -> Params {
    value.as_object().unwrap().clone()
}

fn executor(options: &Value, context: &Context) -> Arc<dyn Executor> {
    let (options, problems) = component().description.check(&object(options), &Path::top());
    assert_eq!(problems, []);
    (component().factory)(&options, context).unwrap()
}

fn execution(job_param: &Value, stop: Stop, mask: Mask) -> Execution {
    let job = Job {
        id: "the-job".into(),
        trigger_id: "e".into(),
        router: "r".into(),
        trigger: "t".into(),
        selector: "s".into(),
        task: "k".into(),
        executor: "e".into(),
        trigger_param: Arc::default(),
        select_param: Arc::default(),
        job_param: Arc::new(object(job_param)),
        chain_depth: 0,
        attempt: 3,
        by: None,
        rerun: false,
    };
    Execution { job: Arc::new(job), mask: Arc::new(mask), stop, output: Arc::new(NoOutput), earlier: None }
}

async fn run(executor: &Arc<dyn Executor>, job_param: &Value) -> Outcome {
    executor.execute(execution(job_param, Stop::new(), Mask::new())).await
}

/// A server that gives what it was sent as its response, or none at all.
async fn echo(answers: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let open = Mutex::new(Vec::new());
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut piece = vec![0; 64 << 10];
            let read = stream.read(&mut piece).await.unwrap_or(0);
            if answers {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {read}\r\n\r\n");
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&piece[..read]).await;
                let _ = stream.shutdown().await;
            } else {
                open.lock().unwrap().push(stream);
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn it_conforms() {
    let silent = echo(false).await;
    let long = object(&json!({"url": format!("http://{silent}/")}));
    let made = executor(&json!({}), &Context::default());
    check_executor(made, Some(long)).await.unwrap();
}

#[tokio::test]
async fn the_executor_says_what_the_job_does_not() {
    let address = echo(true).await;
    let options = json!({
        "url": format!("http://{address}/base"), "headers": {"X-One": "1", "X-Two": "2"}, "json": {"a": 1},
        "auth": {"basic": {"user": "u", "password": "p"}},
    });
    let executor = executor(&options, &Context::default());
    let params = json!({"headers": {"x-two": null, "X-Three": 3}, "own": "no parameter of it"});
    let sent = run(&executor, &params).await.unwrap()["body"].as_str().unwrap().to_owned();
    assert!(sent.starts_with("POST /base HTTP/1.1\r\n") && sent.ends_with("\r\n\r\n{\"a\":1}"), "{sent}");
    for part in ["X-One: 1", "X-Three: 3", "Authorization: Basic dTpw", "Idempotency-Key: the-job"] {
        assert!(sent.contains(part), "{part}: {sent}");
    }
    assert!(!sent.contains("X-Two"), "{sent}");
    let params = json!({"url": format!("http://{address}/own"), "body": "b", "auth": null});
    let sent = run(&executor, &params).await.unwrap()["body"].as_str().unwrap().to_owned();
    assert!(sent.starts_with("POST /own ") && sent.ends_with("\r\n\r\nb"), "{sent}");
    assert!(!sent.contains("Authorization"), "{sent}");
}

#[tokio::test]
async fn failures_are_sentences() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let silent = echo(false).await;
    let executor = executor(&json!({}), &Context::default());
    for (params, kind, error) in [
        (json!({}), FailureKind::Failed, "url: no URL: give `url` or `url_from`".to_owned()),
        (json!({"url": "nothing"}), FailureKind::Failed, "url: `url`: this is not a valid URL".to_owned()),
        (
            json!({"url": "http://h/", "json": 1, "body": "x"}),
            FailureKind::Failed,
            "body: `body` is given as well as `json`, and a request has one body".to_owned(),
        ),
        (
            json!({"url": format!("http://{free}/")}),
            FailureKind::Failed,
            format!("http://{free}: connection refused"),
        ),
        (
            json!({"url": format!("http://{silent}/secret-path"), "timeout": "50ms"}),
            FailureKind::TimedOut,
            format!("http://{silent}: no complete response within 50ms (timeout)"),
        ),
        (
            json!({"url_from": {"etcd": "main"}}),
            FailureKind::Failed,
            "url_from: the place names none of the kinds that can be read here (none)".to_owned(),
        ),
    ] {
        let failure = run(&executor, &params).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{params}: {failure:?}");
        assert!(failure.error.starts_with(&error), "{params}: {failure:?}");
    }
}

#[tokio::test]
async fn a_cancelled_request_is_given_up() {
    let silent = echo(false).await;
    let executor = executor(&json!({"url": format!("http://{silent}/")}), &Context::default());
    let stop = Stop::new();
    let running = executor.execute(execution(&json!({}), stop.clone(), Mask::new()));
    let (outcome, ()) = tokio::join!(running, async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.asked.cancel();
    });
    let failure = outcome.unwrap_err();
    assert_eq!((failure.kind, failure.error.as_str()), (FailureKind::Cancelled, "cancelled"));
}

#[derive(PartialEq)]
struct Kept(String);

#[async_trait]
impl SecretReader for Kept {
    async fn read(&self, place: &Params) -> Result<String, SecretPlaceError> {
        match place.get("key").and_then(Value::as_str) {
            Some("there") => Ok(self.0.clone()),
            _ => Err(SecretPlaceError("the key is missing".to_owned())),
        }
    }
}

#[tokio::test]
async fn a_url_that_is_kept_elsewhere_is_secret() {
    let address = echo(true).await;
    let url = format!("http://user:pass-word-5@{address}/callback/T0/B0");
    let mut context = Context::default();
    context.share(SecretPlaces::default().with("etcd", Kept(url)));
    let executor = executor(&json!({}), &context);
    let params =
        |key: &str| json!({"url_from": {"etcd": "main", "key": key}, "json": {"echo": "pass-word-5"}});
    let result = run(&executor, &params("there")).await.unwrap();
    let sent = result["body"].as_str().unwrap();
    assert!(sent.starts_with("POST /callback/T0/B0 HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains("Authorization: Basic ") && !sent.contains("pass-word-5"), "{sent}");
    let failure = run(&executor, &params("gone")).await.unwrap_err();
    assert_eq!(failure.error, "url_from: the key is missing");
}

#[test]
fn what_is_wrong_with_options_is_found_at_once() {
    let check = |options: Value| {
        let (options, problems) = component().description.check(&object(&options), &Path::top());
        let made = (component().factory)(&options, &Context::default());
        let first = problems.first().map(ToString::to_string);
        first.or_else(|| made.err().map(|error| error.to_string())).unwrap_or_default()
    };
    for (options, says) in [
        (json!({"url": "http://h", "expect": [200, "300-399"], "auth": {"bearer": "x"}}), ""),
        (json!({"url": "ftp://h"}), "url: `url`: a URL here begins with"),
        (json!({"method": "post"}), "method: `method`: expected a method in capital letters"),
        (json!({"expect": "2xx"}), "expect: `expect`: `2xx` is not a status code"),
        (json!({"auth": {}}), "auth: `auth`: give one of `basic` and `bearer`"),
        (json!({"auth": {"basic": {"user": "u"}}}), "auth.basic: the option `password`"),
        (json!({"json": {}, "form": {}}), "form: `form` is given as well as `json`"),
        (json!({"max_response": "1GiB"}), "max_response: "),
        (json!({"follow_redirects": 21}), "follow_redirects: "),
        (json!({"tls": {"client_cert": "/none"}}), "tls"),
    ] {
        let said = check(options.clone());
        assert!(said.starts_with(says) && said.is_empty() == says.is_empty(), "{options}: {said}");
    }
    let doubts = |options: Value| doubts(&Options(object(&options))).len();
    assert_eq!(doubts(json!({"url": "http://example.com/", "auth": {"bearer": "x"}})), 1);
    assert_eq!(doubts(json!({"url": "http://u:p@example.com/"})), 1);
    assert_eq!(doubts(json!({"url": "http://[::1]/", "auth": {"bearer": "x"}})), 0);
    assert_eq!(doubts(json!({"url": "http://example.com/"})), 0);
}
