//! How the daemon does, in every phase of its life.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

use async_trait::async_trait;
use axum::body::Body;
use herald_access::{
    AccessSettings, AuthenticatedCaller, Authenticator, Grant, Grantee, Grants, PresentedProof, Role,
    TokenDigest, TokenSettings, Via,
};
use herald_core::activation::{Activation, EventSink, Name};
use herald_core::clock::{Clock, SystemClock};
use herald_core::dispatcher::{Dispatcher, Setup};
use herald_core::journal::{Journal, JournalError, Record, Records};
use herald_core::plan::Limits;
use herald_core::selector::{Answer, ComponentError, Question, Selector};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use super::caller::ApiCaller;
use super::{Api, View, routes};
use crate::loading;
use crate::page::state::PageState;
use herald_control::rights::{RIGHTS, right_of};
use herald_metrics::Metrics;
use herald_store::audit::{AuditError, AuditLog, AuditPage, AuditQuery, AuditRecord, MemoryAudit};
use herald_store::changes::Changes;
use herald_store::damage::Damage;
use herald_store::history::MemoryHistory;
use herald_store::job_log::JobLogs;
use herald_store::sessions::Sessions;

/// A journal on a disk that may be full.
#[derive(Default)]
pub(crate) struct Disk {
    full: AtomicBool,
}

#[async_trait]
impl Journal for Disk {
    async fn append(&self, _: &Records) -> Result<(), JournalError> {
        if self.full.load(Ordering::SeqCst) {
            Err(JournalError("the disk is full".to_owned()))
        } else {
            Ok(())
        }
    }
}

/// Never says anything.
pub(crate) struct Silent;

#[async_trait]
impl Selector for Silent {
    async fn select(&self, _: &Question) -> Result<Answer, ComponentError> {
        std::future::pending().await
    }
}

/// An API in front of a dispatcher with this journal and this selector; nothing has started yet.
pub(crate) fn api(
    journal: Arc<Disk>,
    history: Arc<MemoryHistory>,
    selector: Option<Arc<dyn Selector>>,
) -> (Arc<Api>, Dispatcher) {
    let config = "router: {r: {trigger: tick, selector: all, task: {t: none, u: none}}}\n\
                  board: {b: {tile: {size: {router: r, path: result/size, warn: 5}, text: {router: r, task: u, path: result/text, show: text}}}}";
    api_of(config, Arc::new(SystemClock), journal, history, selector)
}

/// The same, with this configuration and this clock.
pub(crate) fn api_of(
    config: &str,
    clock: Arc<dyn Clock>,
    journal: Arc<Disk>,
    history: Arc<MemoryHistory>,
    selector: Option<Arc<dyn Selector>>,
) -> (Arc<Api>, Dispatcher) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config).unwrap();
    let loaded = loading::load(file.path(), None, None).unwrap();
    let mut plan = loaded.assembly.plan(loaded.config.workflow, loaded.config.mask);
    plan.selectors.extend(selector.map(|selector| ("all".into(), selector)));
    let plan = Arc::new(plan);
    let dispatcher = Dispatcher::start(Setup::new(plan.clone(), Limits::default(), journal, clock.clone()));
    let api = Api {
        failed_reload: RwLock::default(),
        history,
        logs: JobLogs::new(None, 1 << 20),
        audit: Arc::new(MemoryAudit::default()),
        pauses: Arc::default(),
        drains: Arc::default(),
        idempotency: Arc::default(),
        acts: TaskTracker::new(),
        authenticator: Authenticator::default(),
        damage: Damage::default(),
        page: PageState::new(Sessions::new(None), None, "heraldd.yml".as_ref(), None),
        handle: dispatcher.handle().clone(),
        clock,
        nodes: Arc::default(),
        metrics: Arc::new(Metrics::new(Timestamp::UNIX_EPOCH)),
        changes: Changes::default(),
        reload: mpsc::channel(1).0,
        config: "heraldd.yml".to_owned(),
        state_dir: None,
        started_at: Timestamp::UNIX_EPOCH,
        closing: CancellationToken::new(),
        closed: RwLock::new(Some("Herald is starting")),
        view: RwLock::new(Arc::new(View::new(&loaded.assembly, plan))),
    };
    (Arc::new(api), dispatcher)
}

pub(crate) async fn get(api: &Arc<Api>, path: &str) -> (StatusCode, String) {
    send(api, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn send(api: &Arc<Api>, request: Request<Body>) -> (StatusCode, String) {
    send_as(api, Some(AuthenticatedCaller::admin(None, Via::Socket)), request).await
}

pub(crate) async fn send_as(
    api: &Arc<Api>,
    caller: Option<AuthenticatedCaller>,
    mut request: Request<Body>,
) -> (StatusCode, String) {
    if let Some(caller) = caller.map(Arc::new) {
        request.extensions_mut().insert(ApiCaller { caller, address: None });
    }
    let response = routes::served(api.clone()).call(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn health_and_readiness_tell_the_truth() {
    let disk = Arc::new(Disk::default());
    let (api, dispatcher) = api(disk.clone(), Arc::default(), None);
    let tick = Name::from("tick");
    let ready = async |says: &str, recording: u8| {
        let (status, body) = get(&api, "/readyz").await;
        let expected = if says == "ready" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        assert!(status == expected && body.contains(says), "{says}: {status} {body}");
        assert_eq!(get(&api, "/healthz").await, (StatusCode::OK, r#"{"status":"ok"}"#.to_owned()));
        let metrics = get(&api, "/metrics").await.1;
        assert!(metrics.contains(&format!("\nherald_journal_recording {recording}\n")), "{metrics}");
    };
    ready("Herald is starting", 1).await;
    api.close_for(None);
    ready("ready", 1).await;
    disk.full.store(true, Ordering::SeqCst);
    assert!(dispatcher.handle().accept(tick.clone(), Default::default()).await.is_err());
    ready("the disk is full", 0).await;
    disk.full.store(false, Ordering::SeqCst);
    // It tries again by itself.
    tokio::time::timeout(std::time::Duration::from_secs(60), async {
        while get(&api, "/readyz").await.0 != StatusCode::OK {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap();
    ready("ready", 1).await;
    api.close_for(Some("Herald is stopping"));
    ready("Herald is stopping", 1).await;
    dispatcher.stop(std::time::Duration::ZERO, std::future::pending()).await;
    ready("Herald is stopping", 0).await;
    api.close_for(None);
    ready("the dispatcher does not answer", 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_replay_ends_even_if_no_selector_answers() {
    let recent = Arc::new(MemoryHistory::default());
    let (api, _dispatcher) = api(Arc::default(), recent.clone(), Some(Arc::new(Silent)));
    let event = Activation {
        event_id: "e1".into(),
        trigger: "tick".into(),
        trigger_param: Arc::default(),
        chain_depth: 0,
        by: None,
    };
    let mask = api.view().plan.mask.clone();
    let record = Record::Accepted {
        activation: event,
        mask,
        key: None,
        cursor: None,
        due: None,
        at: Timestamp::UNIX_EPOCH,
    };
    recent.append(&Records::new(vec![record])).await.unwrap();
    let began = tokio::time::Instant::now();
    let replay = || Request::post("/v1/events/e1/replay").body(Body::empty()).unwrap();
    let (status, body) = send_as(&api, Some(limited("other").await), replay()).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
    assert_eq!(began.elapsed().as_secs(), 0, "no selector is asked");
    let (status, body) = send_as(&api, Some(limited("r").await), replay()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    assert!(body.contains("did not all answer within 60 s"), "{body}");
    // Each of the two tasks alone would have had as long.
    assert_eq!(began.elapsed().as_secs(), 60);
}

/// Each operation of the document, as method and path.
fn operations() -> Vec<(Method, String)> {
    let document = serde_json::to_value(routes::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let of_path = |(path, operations): (&String, &serde_json::Value)| {
        let methods = operations.as_object().unwrap().keys();
        methods.map(|method| (method.to_uppercase().parse().unwrap(), path.clone())).collect::<Vec<_>>()
    };
    paths.flat_map(of_path).collect()
}

#[test]
fn the_table_of_rights_has_every_call_and_no_other() {
    let mut known: Vec<(Method, String)> =
        RIGHTS.iter().map(|right| (right.method.clone(), right.path.to_owned())).collect();
    let mut operations = operations();
    let order = |one: &(Method, String)| (one.1.clone(), one.0.to_string());
    known.sort_by_key(order);
    operations.sort_by_key(order);
    assert_eq!(known, operations);
    for right in RIGHTS {
        assert_eq!(right.act.is_some(), right.method != Method::GET, "{right:?}");
        let is_own = right.path == "/v1/sessions/{id}";
        assert!(right.act.is_none() || is_own || right.role() >= Role::Operator, "{right:?}");
        assert_eq!(right_of(&right.method, right.path), right);
    }
    assert_eq!(right_of(&Method::HEAD, "/v1/jobs").role(), Role::Viewer);
    assert_eq!(right_of(&Method::PUT, "/v1/jobs").role(), Role::Admin, "what is not known needs an admin");
}

/// A caller with this role, whose token is named after it.
pub(crate) async fn caller(role: Role) -> AuthenticatedCaller {
    caller_with(role, Grants::default()).await
}

/// An operator of the routers and apps that match this alone.
pub(crate) async fn limited(pattern: &str) -> AuthenticatedCaller {
    let grantee = Grantee::Token("operator".to_owned());
    let grant = Grant { role: Role::Operator, grantee, patterns: vec![pattern.to_owned()] };
    caller_with(Role::Operator, Grants(vec![grant])).await
}

async fn caller_with(role: Role, may: Grants) -> AuthenticatedCaller {
    let digest = TokenDigest::of(role.as_str());
    let token = TokenSettings { name: Some(role.to_string()), digest, role };
    let authenticator =
        Authenticator::new(AccessSettings { tokens: vec![token], may, ..AccessSettings::default() });
    let header = move |_: &str| vec![format!("Bearer {role}")];
    authenticator.caller(&PresentedProof { peer: None, client: None, header: &header, now: 0 }).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_call_needs_its_role() {
    let (api, _dispatcher) = api(Arc::default(), Arc::default(), None);
    let mut refused = 0;
    for right in RIGHTS {
        let path = right.path.replace("{id}", "nothing").replace(['{', '}'], "");
        let request = || {
            let request = Request::builder().method(right.method.clone()).uri(&path);
            request.body(Body::empty()).unwrap()
        };
        assert_eq!(send_as(&api, None, request()).await.0, StatusCode::UNAUTHORIZED, "{right:?}");
        for role in Role::ALL {
            // It never ends.
            if right.path == "/v1/stream" {
                continue;
            }
            let (status, body) = send_as(&api, Some(caller(role).await), request()).await;
            if role < right.role() {
                let says = format!("this needs the role {}; {role} has the role {role}", right.role());
                assert!(
                    status == StatusCode::FORBIDDEN && body.contains(&says),
                    "{right:?}: {status} {body}"
                );
                refused += usize::from(right.act.is_some());
            } else {
                let is_let_in = status != StatusCode::FORBIDDEN && status != StatusCode::UNAUTHORIZED
                    || body.contains("on the control socket only");
                assert!(is_let_in, "{right:?} {role}: {status} {body}");
            }
        }
    }
    let audit = api.audit.entries(AuditQuery { limit: 1000, ..AuditQuery::default() }).await.unwrap();
    let recorded = audit.entries.iter().filter(|entry| entry.record.refused.is_some()).count();
    assert_eq!(recorded, refused, "each of them is recorded");
}

#[tokio::test(start_paused = true)]
async fn an_operator_of_one_application_can_see_its_plan() {
    let (api, _dispatcher) = api(Arc::default(), Arc::default(), None);
    let shop = limited("shop").await;
    for (app, expected) in [("shop", StatusCode::NOT_FOUND), ("blog", StatusCode::FORBIDDEN)] {
        let request = Request::get(format!("/v1/apps/{app}/plan")).body(Body::empty()).unwrap();
        let (status, body) = send_as(&api, Some(shop.clone()), request).await;
        assert_eq!(status, expected, "{app}: {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_not_recorded_as_cancelled() {
    let (api, _dispatcher) = api(Arc::default(), Arc::default(), None);
    let path = "/v1/jobs/01900000-0000-7000-8000-000000000000/cancel";
    let (status, body) = send(&api, Request::post(path).body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{body}");
    let audit = api.audit.entries(AuditQuery { limit: 10, ..AuditQuery::default() }).await.unwrap();
    assert_eq!(audit.entries, []);
}

/// Never records anything.
struct FullDisk;

#[async_trait]
impl AuditLog for FullDisk {
    async fn record(&self, _: AuditRecord) -> Result<u64, AuditError> {
        Err(AuditError::Thread(tokio::spawn(std::future::pending::<()>()).await_aborted().await))
    }

    async fn fail(&self, _: u64, _: String) -> Result<(), AuditError> {
        Ok(())
    }

    async fn entries(&self, _: AuditQuery) -> Result<AuditPage, AuditError> {
        Ok(AuditPage::default())
    }
}

/// Gives the error of a task that was ended.
trait Aborted {
    async fn await_aborted(self) -> tokio::task::JoinError;
}

impl Aborted for tokio::task::JoinHandle<()> {
    async fn await_aborted(self) -> tokio::task::JoinError {
        self.abort();
        self.await.unwrap_err()
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_recorded_is_not_done() {
    let recent = Arc::new(MemoryHistory::default());
    let (api, _dispatcher) = api(Arc::default(), recent.clone(), None);
    let mut inner = Arc::into_inner(api).unwrap();
    inner.audit = Arc::new(FullDisk);
    let api = Arc::new(inner);
    let fire = Request::post("/v1/triggers/tick").body(Body::empty()).unwrap();
    let (status, body) = send(&api, fire).await;
    assert!(
        status == StatusCode::SERVICE_UNAVAILABLE && body.contains("cannot be recorded"),
        "{status} {body}"
    );
    assert_eq!(get(&api, "/v1/events").await.1, r#"{"items":[],"next_cursor":null}"#);
}
