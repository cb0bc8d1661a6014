//! Requests to a runner: the job, and the cancel.

use std::time::Duration;

use herald_core::clock::{Clock as _, SystemClock};
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

use super::answer::{self, Fault};
use super::client::Connector;
use super::mishap::{reason, speaks_no_http};
use super::options::Runner;
use crate::tls::TlsClient;

/// How long all attempts at a cancel may take together.
const CANCEL_PATIENCE: Duration = Duration::from_secs(10);
/// How long an answer with output may take, beyond what the runner was allowed to wait.
const LOG_PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts at a cancel.
const CANCEL_PAUSE: Duration = Duration::from_millis(500);

/// Speaks to one runner.
pub(super) struct Caller {
    connector: Connector,
    url: Url,
    /// The URL for people: without user, password and query.
    pub(super) shown: String,
    secrets: Secrets,
}

/// A request that was answered.
pub(super) struct Answered {
    /// The answer; its body is still to come.
    pub(super) response: Response,
    /// In version 2: what the answer must be signed over.
    pub(super) tie: Option<RequestTie>,
}

impl Caller {
    /// For this runner.
    pub(super) async fn new(runner: Runner, connect_timeout: Duration) -> Result<Self, String> {
        let Runner { url, secrets, tls } = runner;
        let connector = Connector::new(connect_timeout, tls.map(|TlsClient(files)| files)).await?;
        let shown = shown(&url);
        Ok(Self { connector, url, shown, secrets })
    }

    /// The secrets that answers may be signed with.
    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Version 1.
    pub(super) async fn job_v1(&self, body: &str) -> Result<Answered, Fault> {
        let mut headers = HeaderMap::new();
        let signature = v1::sign(&self.secrets, body.as_bytes());
        if let Ok(value) = HeaderValue::from_str(&signature) {
            headers.insert(v1::SIGNATURE, value);
        }
        let response = self.send(self.url.clone(), headers, body).await?;
        Ok(Answered { response, tie: None })
    }

    /// Version 2; with `join` a runner that does not know the job must not start it.
    pub(super) async fn job_v2(&self, body: &str, join: bool) -> Result<Answered, Fault> {
        self.signed(self.url.clone(), body, join).await
    }

    async fn signed(&self, url: Url, body: &str, join: bool) -> Result<Answered, Fault> {
        let cannot =
            |error: &dyn std::fmt::Display| Fault::Wrong(format!("the request cannot be signed: {error}"));
        let nonce = request::nonce().map_err(|error| cannot(&error))?;
        let outgoing = Outgoing {
            method: "POST",
            path: url.path(),
            body: body.as_bytes(),
            join,
            now: SystemClock.now().as_second(),
            nonce: &nonce,
        };
        let signed = request::sign(&outgoing, &self.secrets).map_err(|error| cannot(&error))?;
        let response = self.send(url, signed.headers, body).await?;
        Ok(Answered { response, tie: Some(signed.tie) })
    }

    async fn send(&self, url: Url, mut headers: HeaderMap, body: &str) -> Result<Response, Fault> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let client = self.connector.client().await.map_err(Fault::Barred)?;
        let sent = client.post(url).headers(headers).body(body.to_owned()).send().await;
        sent.map_err(|error| {
            let why = reason(&error);
            match herald_net::tls::explain(&error) {
                // A runner that wants another certificate of us says so only after the handshake.
                Some(_) if error.is_connect() || herald_net::tls::is_client_rejected(&error) => {
                    Fault::Barred(why)
                }
                None if error.is_connect() => Fault::Unreachable(why),
                None if speaks_no_http(&error) => Fault::Barred(why),
                _ => Fault::Broken(why),
            }
        })
    }

    /// Asks for the output of a job. A runner that knows no such question takes it for a job to be joined, and starts
    /// nothing.
    pub(super) async fn log(&self, request: &LogRequest) -> Result<LogAnswer, Fault> {
        let body = serde_json::to_string(request).map_err(|error| Fault::Wrong(error.to_string()))?;
        let patience = Duration::from_millis(request.wait_ms) + LOG_PATIENCE;
        let asked = async {
            let answered = self.signed(self.below(LOG), &body, true).await?;
            self.read(answered, MAX_LOG_ANSWER).await
        };
        let late = || Fault::Broken("it did not answer in time".to_owned());
        tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| Err(late()))
    }

    /// Asks the runner how it is. A runner that knows no such question starts nothing.
    pub(super) async fn heartbeat(&self) -> Result<Heartbeat, Fault> {
        let answered = self.signed(self.below(HEARTBEAT), "{}", true).await?;
        self.read(answered, MAX_HEARTBEAT).await
    }

    async fn read<T: DeserializeOwned>(&self, answered: Answered, limit: usize) -> Result<T, Fault> {
        let signed = answered.tie.as_ref().map(|tie| (tie, &self.secrets));
        answer::read_message(answered.response, signed, limit).await
    }

    /// Something below the path of the runner.
    fn below(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        url
    }

    /// Tells the runner to stop a job; tries again for a while when it cannot be told.
    pub(super) async fn cancel(&self, key: &JobKey) -> Result<(), String> {
        let url = self.below(CANCEL);
        let body = serde_json::to_string(key).map_err(|error| error.to_string())?;
        let mut last = "it did not answer in time".to_owned();
        let attempts = async {
            loop {
                match self.signed(url.clone(), &body, false).await {
                    Ok(answered) if answered.response.status().is_success() => return,
                    Ok(answered) => last = format!("it answered {}", answered.response.status()),
                    Err(fault) => fault.why().clone_into(&mut last),
                }
                tokio::time::sleep(CANCEL_PAUSE).await;
            }
        };
        let told = tokio::time::timeout(CANCEL_PATIENCE, attempts).await;
        told.map_err(|_| last)
    }
}

fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}
