//! From a request to its answer.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use herald_core::activation::{Accept, Name, Refused};
use herald_core::clock::Clock;
use herald_core::dispatcher::{Handle, Standing};
use herald_core::param::Params;
use herald_core::trigger::ComponentError;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::answer::{json, later, problem, unknown, wrong_method};
use super::query;
use crate::journal::{History, HistoryError};
use crate::model;
use crate::server::{self, Handler, Limits, Listener, Peer, Reply, Trouble, read_whole};

/// The file of the socket in `state_dir`.
const SOCKET: &str = "heraldd.sock";
const SOCKET_MODE: u32 = 0o600;
/// The longest body, and how long it may take.
const MAX_BODY: u64 = 1 << 20;
const BODY_TIME: Duration = Duration::from_secs(30);
/// How long the dispatcher may take to say how it stands.
const LONGEST_WORD: Duration = Duration::from_secs(2);

/// What the API speaks of.
pub struct Api {
    /// What was recorded.
    pub history: Arc<dyn History>,
    /// The way to the dispatcher.
    pub handle: Handle,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The names of the triggers; a reload changes them.
    pub triggers: RwLock<Vec<Name>>,
    /// The configuration file, for people.
    pub config: String,
    /// Where the state is.
    pub state_dir: String,
    /// When the daemon started.
    pub started_at: Timestamp,
}

/// A running API; dropped, it ends at once.
pub struct Serving {
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// What it speaks of.
    pub api: Arc<Api>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Serving {
    /// Listens on the socket in this folder.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub async fn start(folder: &Path, api: Api) -> Result<Self, ComponentError> {
        let socket = server::bind_unix(&folder.join(SOCKET), SOCKET_MODE).await?;
        let (api, stop) = (Arc::new(api), CancellationToken::new());
        let serve = server::serve(vec![Listener::Unix(socket)], Limits::default(), api.clone(), stop.clone());
        Ok(Self { task: tokio::spawn(serve), stop, api })
    }

    /// Ends it in good order.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let _ = (&mut self.task).await;
    }
}

impl Handler for Api {
    async fn handle(&self, request: Request<Incoming>, _: &Peer) -> Reply {
        let path = request.uri().path().to_owned();
        let decode = |step| percent_encoding::percent_decode_str(step).decode_utf8_lossy();
        let steps: Vec<_> = path.split('/').skip(1).map(decode).collect();
        let steps: Vec<&str> = steps.iter().map(|step| &**step).collect();
        let (get, post) = (request.method() == Method::GET, request.method() == Method::POST);
        match steps[..] {
            ["v1", "jobs"] if get => self.jobs(request.uri().query().unwrap_or_default()).await,
            ["v1", "jobs", id] if get => self.found("job", id, self.history.job(id).await),
            ["v1", "jobs", id, "cancel"] if post => self.cancel(id).await,
            ["v1", "events", id] if get => self.found("event", id, self.history.event(id).await),
            ["v1", "triggers", name] if post => self.activate(name, request).await,
            ["v1", "info"] if get => self.info().await,
            ["healthz"] if get => json(StatusCode::OK, &serde_json::json!({"status": "ok"})),
            ["readyz"] if get => self.ready().await,
            ["v1", "jobs" | "info"] | ["v1", "jobs" | "events", _] | ["healthz" | "readyz"] => {
                wrong_method("GET")
            }
            ["v1", "jobs", _, "cancel"] | ["v1", "triggers", _] => wrong_method("POST"),
            _ => problem(StatusCode::NOT_FOUND, "there is nothing under this path"),
        }
    }
}

impl Api {
    async fn jobs(&self, given: &str) -> Reply {
        let query = match query::jobs(given, self.clock.now()) {
            Ok(query) => query,
            Err(sentence) => return problem(StatusCode::BAD_REQUEST, &sentence),
        };
        match self.history.jobs(query).await {
            Ok(page) => json(StatusCode::OK, &page),
            Err(error) => unanswered(&error),
        }
    }

    fn found(
        &self,
        what: &str,
        id: &str,
        found: Result<Option<impl serde::Serialize>, HistoryError>,
    ) -> Reply {
        match found {
            Ok(Some(found)) => json(StatusCode::OK, &found),
            Ok(None) => unknown(what, id),
            Err(error) => unanswered(&error),
        }
    }

    async fn cancel(&self, id: &str) -> Reply {
        if self.handle.cancel(id, "it was cancelled through the API").await {
            return json(StatusCode::ACCEPTED, &serde_json::json!({"job_id": id}));
        }
        match self.history.job(id).await {
            Ok(Some(job)) => {
                let sentence = format!("the job has ended already: {}", job.summary.status);
                problem(StatusCode::CONFLICT, &sentence)
            }
            Ok(None) => unknown("job", id),
            Err(error) => unanswered(&error),
        }
    }

    async fn activate(&self, name: &str, request: Request<Incoming>) -> Reply {
        let known = {
            let triggers = self.triggers.read().unwrap_or_else(PoisonError::into_inner);
            triggers.iter().find(|trigger| ***trigger == *name).cloned()
        };
        let Some(trigger) = known else {
            return problem(StatusCode::NOT_FOUND, &format!("there is no trigger \"{name}\""));
        };
        let params = match body(request).await {
            Ok(params) => params,
            Err(reply) => return *reply,
        };
        match self.handle.accept(trigger, params).await {
            Ok(event_id) => json(StatusCode::OK, &model::Activated { event_id: event_id.to_string() }),
            Err(refused @ Refused::Busy) => later(StatusCode::TOO_MANY_REQUESTS, &refused.to_string()),
            Err(refused) => later(StatusCode::SERVICE_UNAVAILABLE, &refused.to_string()),
        }
    }

    async fn standing(&self) -> Option<Standing> {
        tokio::time::timeout(LONGEST_WORD, self.handle.standing()).await.ok().flatten()
    }

    async fn info(&self) -> Reply {
        let standing = self.standing().await;
        let count = |of: fn(&Standing) -> usize| standing.as_ref().map_or(0, |now| of(now) as u64);
        let info = model::Info {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: self.started_at.to_string(),
            config: self.config.clone(),
            state_dir: Some(self.state_dir.clone()),
            running: count(|now| now.running),
            queued: count(|now| now.waiting),
        };
        json(StatusCode::OK, &info)
    }

    /// Whether an event would be taken now.
    async fn ready(&self) -> Reply {
        let why = match self.standing().await {
            None => "the dispatcher does not answer: the disk of the journal may be stuck".to_owned(),
            Some(Standing { stopping: true, .. }) => "Herald is stopping".to_owned(),
            Some(Standing { held: Some(why), .. }) => format!("events cannot be recorded: {why}"),
            Some(_) => return json(StatusCode::OK, &serde_json::json!({"status": "ready"})),
        };
        later(StatusCode::SERVICE_UNAVAILABLE, &why)
    }
}

fn unanswered(error: &HistoryError) -> Reply {
    match error {
        HistoryError::Cursor => problem(StatusCode::BAD_REQUEST, &error.to_string()),
        HistoryError::Unreadable(_) => later(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

/// A JSON object, or none.
async fn body(request: Request<Incoming>) -> Result<Params, Box<Reply>> {
    let refuse = |status, sentence: &str| Err(Box::new(problem(status, sentence)));
    let body = match read_whole(request.into_body(), MAX_BODY, BODY_TIME).await {
        Ok(body) => body,
        Err(Trouble::TooLarge) => {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 1 MiB");
        }
        Err(Trouble::TooSlow) => {
            return refuse(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time");
        }
        Err(Trouble::Broken(_)) => return refuse(StatusCode::BAD_REQUEST, "the body could not be read"),
    };
    if body.trim_ascii().is_empty() {
        return Ok(Params::new());
    }
    serde_json::from_slice(&body).map_err(|error| {
        Box::new(problem(StatusCode::BAD_REQUEST, &format!("the body must be a JSON object: {error}")))
    })
}
