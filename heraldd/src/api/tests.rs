//! How the daemon does, in every phase of its life.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

use async_trait::async_trait;
use axum::body::Body;
use herald_core::activation::{Accept, Name};
use herald_core::clock::SystemClock;
use herald_core::dispatcher::{Dispatcher, Setup};
use herald_core::journal::{Journal, JournalError, Records};
use herald_core::plan::Limits;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::{Api, View, routes};
use crate::changes::Changes;
use crate::job_log::JobLogs;
use crate::loading;
use crate::metrics::Metrics;
use crate::recent::Recent;

/// A journal on a disk that may be full.
#[derive(Default)]
struct Disk {
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

/// An API in front of a dispatcher with this journal; nothing has started yet.
fn api(journal: Arc<Disk>) -> (Arc<Api>, Dispatcher) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "router: {r: {trigger: tick, selector: all, task: {t: none}}}").unwrap();
    let loaded = loading::load(file.path(), None, None).unwrap();
    let plan = Arc::new(loaded.assembly.plan(loaded.config.workflow, loaded.config.mask));
    let clock = Arc::new(SystemClock);
    let dispatcher = Dispatcher::start(Setup::new(plan.clone(), Limits::default(), journal, clock.clone()));
    let api = Api {
        history: Arc::new(Recent::default()),
        logs: JobLogs::new(None, 1 << 20),
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

async fn get(api: &Arc<Api>, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = routes::served(api.clone()).call(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn health_and_readiness_tell_the_truth() {
    let disk = Arc::new(Disk::default());
    let (api, dispatcher) = api(disk.clone());
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
