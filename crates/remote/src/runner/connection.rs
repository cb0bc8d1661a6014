//! The requests to a runner: job, output, heartbeat and cancel.

use std::time::Duration;

use herald_base::clock::{Clock as _, SystemClock};
use herald_net::client::{ClientSettings, ConnectError, HttpConnector, is_not_http, reason};
use herald_wire::heartbeat::{HEARTBEAT, Heartbeat, MAX_HEARTBEAT};
use herald_wire::job::{CANCEL, JobKey};
use herald_wire::log::{LOG, LogAnswer, LogRequest, MAX_LOG_ANSWER};
use herald_wire::request::{self, Outgoing, RequestTie};
use herald_wire::secret::Secrets;
use herald_wire::v1;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use reqwest::{Response, Url};
use serde::de::DeserializeOwned;

use super::answer;
use super::fault::Fault;
use super::job_answer::SignedWith;
use crate::settings::RunnerAddress;

const USER_AGENT: &str = concat!("heraldd/", env!("CARGO_PKG_VERSION"));
/// For all attempts at a cancel together.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);
/// For an answer with output, beyond what the runner is allowed to wait.
const LOG_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two attempts at a cancel.
const CANCEL_PAUSE: Duration = Duration::from_millis(500);

/// Sends requests to one runner.
pub(super) struct RunnerConnection {
    connector: HttpConnector,
    url: Url,
    /// The URL for people: without user, password and query.
    pub(super) shown: String,
    secrets: Secrets,
}

/// A request that was answered.
pub(super) struct PendingAnswer {
    /// The answer; its body is still to come.
    pub(super) response: Response,
    /// In version 2: what the answer must be signed over.
    pub(super) tie: Option<RequestTie>,
}

impl RunnerConnection {
    /// For this runner.
    pub(super) async fn new(address: RunnerAddress, connect_timeout: Duration) -> Result<Self, ConnectError> {
        let RunnerAddress { url, secrets, tls } = address;
        let settings = ClientSettings { connect_timeout, user_agent: USER_AGENT };
        let connector = HttpConnector::new(settings, tls).await?;
        let shown = shown(&url);
        Ok(Self { connector, url, shown, secrets })
    }

    /// What the answer must be signed with; `None` in version 1.
    pub(super) fn signed_with<'a>(&'a self, tie: Option<&'a RequestTie>) -> Option<SignedWith<'a>> {
        tie.map(|tie| SignedWith { tie, secrets: &self.secrets })
    }

    /// Version 1.
    pub(super) async fn job_v1(&self, body: &str) -> Result<PendingAnswer, Fault> {
        let mut headers = HeaderMap::new();
        let signature = v1::sign(&self.secrets, body.as_bytes());
        if let Ok(value) = HeaderValue::from_str(&signature) {
            headers.insert(v1::SIGNATURE, value);
        }
        let response = self.send(self.url.clone(), headers, body).await?;
        Ok(PendingAnswer { response, tie: None })
    }

    /// Version 2; with `join` a runner that does not know the job must not start it.
    pub(super) async fn job_v2(&self, body: &str, join: bool) -> Result<PendingAnswer, Fault> {
        self.signed(self.url.clone(), body, join).await
    }

    async fn signed(&self, url: Url, body: &str, join: bool) -> Result<PendingAnswer, Fault> {
        let cannot =
            |error: &dyn std::fmt::Display| Fault::Invalid(format!("the request cannot be signed: {error}"));
        let nonce = request::nonce().map_err(|error| cannot(&error))?;
        let outgoing = Outgoing {
            method: "POST",
            path: url.path(),
            body: body.as_bytes(),
            join,
            now: SystemClock.unix_seconds(),
            nonce: &nonce,
        };
        let signed = request::sign(&outgoing, &self.secrets).map_err(|error| cannot(&error))?;
        let response = self.send(url, signed.headers, body).await?;
        Ok(PendingAnswer { response, tie: Some(signed.tie) })
    }

    async fn send(&self, url: Url, mut headers: HeaderMap, body: &str) -> Result<Response, Fault> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let client = self.connector.client().await.map_err(|error| Fault::Untrusted(error.to_string()))?;
        let sent = client.post(url).headers(headers).body(body.to_owned()).send().await;
        sent.map_err(|error| {
            let why = reason(&error);
            match herald_net::tls::explain(&error) {
                // A runner that wants another certificate of us says so only after the handshake.
                Some(_) if error.is_connect() || herald_net::tls::is_client_rejected(&error) => {
                    Fault::Untrusted(why)
                }
                None if error.is_connect() => Fault::Unreachable(why),
                None if is_not_http(&error) => Fault::Untrusted(why),
                _ => Fault::Broken(why),
            }
        })
    }

    /// Requests the output of a job. A runner that does not know this request takes it for a job to be joined, and
    /// starts nothing.
    pub(super) async fn log(&self, request: &LogRequest) -> Result<LogAnswer, Fault> {
        let body = serde_json::to_string(request).map_err(Fault::invalid)?;
        let timeout = Duration::from_millis(request.wait_ms) + LOG_TIMEOUT;
        let answer = async {
            let answered = self.signed(self.below(LOG), &body, true).await?;
            self.read(answered, MAX_LOG_ANSWER).await
        };
        tokio::time::timeout(timeout, answer).await.unwrap_or_else(|_| Err(no_answer()))
    }

    /// Requests the runner's status. A runner that does not know this request starts nothing.
    pub(super) async fn heartbeat(&self) -> Result<Heartbeat, Fault> {
        let answered = self.signed(self.below(HEARTBEAT), "{}", true).await?;
        self.read(answered, MAX_HEARTBEAT).await
    }

    async fn read<T: DeserializeOwned>(&self, answered: PendingAnswer, limit: usize) -> Result<T, Fault> {
        let PendingAnswer { response, tie } = answered;
        answer::read_message(response, self.signed_with(tie.as_ref()), limit).await
    }

    /// A URL below the path of the runner.
    fn below(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        url
    }

    /// Requests the runner to stop a job; repeats the request for a while when it fails, until `limit` at the latest.
    /// The error is the last one.
    pub(super) async fn cancel(&self, key: &JobKey, limit: impl Future<Output = ()>) -> Result<(), Fault> {
        let url = self.below(CANCEL);
        let body = serde_json::to_string(key).map_err(Fault::invalid)?;
        let mut last = no_answer();
        let attempts = async {
            loop {
                match self.signed(url.clone(), &body, false).await {
                    Ok(answered) if answered.response.status().is_success() => return,
                    Ok(answered) => {
                        last = Fault::Invalid(format!("it answered {}", answered.response.status()))
                    }
                    Err(fault) => last = fault,
                }
                tokio::time::sleep(CANCEL_PAUSE).await;
            }
        };
        let done = tokio::select! {
            done = tokio::time::timeout(CANCEL_TIMEOUT, attempts) => done.is_ok(),
            () = limit => false,
        };
        if done { Ok(()) } else { Err(last) }
    }
}

fn no_answer() -> Fault {
    Fault::Broken("no answer in time".to_owned())
}

fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}
