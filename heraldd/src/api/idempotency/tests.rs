use std::time::Duration;

use herald_access::{AuthenticatedCaller, Role, Via};
use herald_core::activation::Activation;
use herald_core::journal::{Journal, Record, Records};
use herald_store::history::MemoryHistory;
use http::Method;
use http_body_util::BodyExt;
use jiff::Timestamp;
use tower_service::Service;

use super::*;
use crate::api::routes;
use crate::api::tests::{Silent, api, caller};

struct KeyedResponse {
    status: u16,
    is_replayed: bool,
    body: String,
}

async fn send(
    api: &Arc<Api>,
    caller: AuthenticatedCaller,
    method: Method,
    path: &str,
    keys: &[&str],
    body: &'static str,
) -> KeyedResponse {
    let mut request = Request::builder().method(method).uri(path);
    for key in keys {
        request = request.header(KEY, *key);
    }
    let mut request = request.body(Body::from(body)).unwrap();
    request.extensions_mut().insert(ApiCaller { caller: Arc::new(caller), address: None });
    let response = routes::served(api.clone()).call(request).await.unwrap();
    let (status, is_replayed) = (response.status().as_u16(), response.headers().contains_key(REPLAYED));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    KeyedResponse { status, is_replayed, body: String::from_utf8(body.to_vec()).unwrap() }
}

fn owner() -> AuthenticatedCaller {
    AuthenticatedCaller::admin(None, Via::Socket)
}

#[tokio::test]
async fn a_request_with_a_key_acts_once() {
    let (api, _dispatcher) = api(Arc::default(), Arc::default(), None);
    let (first, other) = ("/v1/triggers/tick", "/v1/triggers/tick?reason=x");
    let fired = send(&api, owner(), Method::POST, first, &["k"], "{}").await;
    assert_eq!((fired.status, fired.is_replayed), (200, false), "{}", fired.body);
    let long = "x".repeat(256);
    for (path, keys, body, status, is_replayed, is_same) in [
        (first, vec!["k"], "{}", 200, true, true),
        (first, vec!["K"], "{}", 200, false, false),
        (first, vec![], "{}", 200, false, false),
        (first, vec!["k"], r#"{"a":1}"#, 422, false, false),
        (other, vec!["k"], "{}", 422, false, false),
        (first, vec![""], "{}", 400, false, false),
        (first, vec!["a b"], "{}", 400, false, false),
        (first, vec!["k", "k"], "{}", 400, false, false),
        (first, vec![&long], "{}", 400, false, false),
        // An error that stays one is kept; one that may pass is not, such as that of a name that a reload adds.
        (first, vec!["bad"], "[]", 400, false, false),
        (first, vec!["bad"], "[]", 400, true, false),
        ("/v1/triggers/tack", vec!["gone"], "{}", 404, false, false),
        ("/v1/triggers/tack", vec!["gone"], "{}", 404, false, false),
        ("/v1/reload", vec!["later"], "", 503, false, false),
        ("/v1/reload", vec!["later"], "", 503, false, false),
        // A trial starts nothing: it needs no key, and looks at none.
        ("/v1/triggers/tick/try", vec!["k"], "{}", 200, false, false),
    ] {
        let found = send(&api, owner(), Method::POST, path, &keys, body).await;
        let expected = (status, is_replayed, is_same);
        assert_eq!(
            (found.status, found.is_replayed, found.body == fired.body),
            expected,
            "{path} {keys:?}: {}",
            found.body
        );
    }
    let other = send(&api, caller(Role::Operator).await, Method::POST, first, &["k"], "{}").await;
    assert_eq!((other.status, other.is_replayed), (200, false), "the key of another caller");
    let viewer = send(&api, caller(Role::Viewer).await, Method::POST, first, &["k"], "{}").await;
    assert_eq!(viewer.status, 403);
}

#[tokio::test(start_paused = true)]
async fn one_in_progress_goes_on_without_its_client() {
    let recent = Arc::new(MemoryHistory::default());
    let (api, _dispatcher) = api(Arc::default(), recent.clone(), Some(Arc::new(Silent)));
    let activation = Activation {
        event_id: "e1".into(),
        trigger: "tick".into(),
        trigger_param: Arc::default(),
        chain_depth: 0,
        by: None,
    };
    let (mask, at) = (api.view().plan.mask.clone(), Timestamp::UNIX_EPOCH);
    let record = Record::Accepted { activation, mask, key: None, cursor: None, due: None, at };
    recent.append(&Records::new(vec![record])).await.unwrap();
    // No selector answers, so that it takes 60 s.
    let replay = || send(&api, owner(), Method::POST, "/v1/events/e1/replay", &["k"], "");
    assert!(tokio::time::timeout(Duration::from_secs(10), replay()).await.is_err(), "the client leaves");
    let again = replay().await;
    assert_eq!((again.status, again.body.contains("is in progress")), (409, true), "{}", again.body);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let again = replay().await;
    assert_eq!((again.status, again.is_replayed), (503, false), "{}", again.body);
}

#[tokio::test]
async fn acts_whose_clients_have_left_are_bounded() {
    let (api, _dispatcher) = api(Arc::default(), Arc::default(), None);
    let fire = async |keys| send(&api, owner(), Method::POST, "/v1/triggers/tick", keys, "{}").await.status;
    assert_eq!(fire(&[]).await, 200);
    let waiting: Vec<_> = (0..MOST_ACTS).map(|_| api.acts.spawn(std::future::pending::<()>())).collect();
    assert_eq!((fire(&[]).await, fire(&["k"]).await), (503, 503));
    waiting[0].abort();
    tokio::task::yield_now().await;
    assert_eq!(fire(&[]).await, 200);
}
