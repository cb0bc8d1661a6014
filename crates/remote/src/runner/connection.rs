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
use reqwest::{Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::answer::{self, SignedRejection};
use super::fault::Fault;
use super::job_answer::SignedWith;
use super::kept::{KEEP_IDLE, KeptConnections};
use super::last_answer::LastAnswer;
use super::recipient::{KnownRecipient, Recipient};
use crate::settings::{Protocol, RunnerAddress};

const USER_AGENT: &str = concat!("heraldd/", env!("CARGO_PKG_VERSION"));
/// For all attempts at a cancel together.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);
/// For an answer with output, beyond what the runner is allowed to wait.
const LOG_TIMEOUT: Duration = Duration::from_secs(10);
/// For the question which runner it is.
const RECIPIENT_TIMEOUT: Duration = Duration::from_secs(10);
/// After an answer that the request is to be signed again.
const SIGN_AGAIN: Duration = Duration::from_secs(2);
/// Between two attempts at a cancel.
const CANCEL_PAUSE: Duration = Duration::from_millis(500);

/// Sends requests to one runner.
pub(super) struct RunnerConnection {
    connector: HttpConnector,
    url: Url,
    /// The URL for people: without user, password and query.
    pub(super) shown: String,
    secrets: Secrets,
    kept: KeptConnections,
    recipient: KnownRecipient,
    /// Held by the one that asks which runner it is; the others wait for its answer.
    identifying: Mutex<()>,
    /// Held by the one that asks whether the runner is still there; the others share its answer.
    asking: Mutex<()>,
    pub(super) last_answer: LastAnswer,
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
    pub(super) async fn new(
        address: RunnerAddress,
        protocol: Protocol,
        connect_timeout: Duration,
    ) -> Result<Self, ConnectError> {
        let RunnerAddress { url, secrets, tls } = address;
        // In version 1 nothing makes certain that a job which is sent again is not run again.
        let keep_idle = (protocol == Protocol::V2).then_some(KEEP_IDLE);
        let settings = ClientSettings { connect_timeout, user_agent: USER_AGENT, keep_idle };
        let connector = HttpConnector::new(settings, tls).await?;
        let shown = shown(&url);
        Ok(Self {
            connector,
            url,
            shown,
            secrets,
            kept: KeptConnections::default(),
            recipient: KnownRecipient::default(),
            identifying: Mutex::default(),
            asking: Mutex::default(),
            last_answer: LastAnswer::default(),
        })
    }

    /// What the answer must be signed with; `None` in version 1.
    pub(super) fn signed_with<'a>(&'a self, tie: Option<&'a RequestTie>) -> Option<SignedWith<'a>> {
        tie.map(|tie| SignedWith { tie, secrets: &self.secrets, last_answer: &self.last_answer })
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

    /// The runner that requests are for. It is asked once; the answer is signed over this very request, so nobody else
    /// can give it, and no old one counts.
    pub(super) async fn recipient(&self) -> Result<Recipient, Fault> {
        let _one = match self.recipient.get() {
            Recipient::Unknown => self.identifying.lock().await,
            known => return Ok(known),
        };
        let known = self.recipient.get();
        if known != Recipient::Unknown {
            return Ok(known);
        }
        let asked = tokio::time::timeout(RECIPIENT_TIMEOUT, self.heartbeat()).await;
        match asked.unwrap_or_else(|_| Err(no_answer())) {
            Ok(_) => {}
            // It knows our secret, and is a version without this request.
            Err(Fault::Unknown | Fault::Refused { .. }) if self.recipient.get() == Recipient::Unknown => {
                self.learn(&Recipient::Unbound);
            }
            Err(fault) => return Err(fault),
        }
        Ok(self.recipient.get())
    }

    fn learn(&self, recipient: &Recipient) {
        if self.recipient.learn(recipient) {
            let id = recipient.id().map_or("none (version 2.0)", |id| id.as_str());
            tracing::info!(runner = %self.shown, id, "there is another runner at this address now");
        }
    }

    async fn signed(&self, url: Url, body: &str, join: bool) -> Result<PendingAnswer, Fault> {
        let recipient = self.recipient().await?;
        self.addressed(url, body, join, recipient).await
    }

    /// Sends a request to this runner. Where another one turns out to be there, which therefore did nothing, sends it
    /// to that one, once.
    async fn addressed(
        &self,
        url: Url,
        body: &str,
        join: bool,
        mut recipient: Recipient,
    ) -> Result<PendingAnswer, Fault> {
        let mut is_second = false;
        loop {
            let PendingAnswer { response, tie } =
                self.send_signed(url.clone(), body, join, &recipient).await?;
            let signed = match self.signed_with(tie.as_ref()) {
                Some(signed) if response.status() == StatusCode::UNAUTHORIZED => signed,
                _ => return Ok(PendingAnswer { response, tie }),
            };
            let SignedRejection { runner, why } = answer::read_rejection(response, signed).await?;
            let found = Recipient::of(runner);
            if found == recipient && found != Recipient::Unbound {
                return Err(Fault::Busy { retry_after: SIGN_AGAIN, why });
            }
            if found == Recipient::Unbound || std::mem::replace(&mut is_second, true) {
                return Err(Fault::Refused { why, accepted: false, ending: None });
            }
            self.learn(&found);
            recipient = found;
        }
    }

    async fn send_signed(
        &self,
        url: Url,
        body: &str,
        join: bool,
        recipient: &Recipient,
    ) -> Result<PendingAnswer, Fault> {
        let cannot =
            |error: &dyn std::fmt::Display| Fault::Invalid(format!("the request cannot be signed: {error}"));
        let nonce = request::nonce().map_err(|error| cannot(&error))?;
        let outgoing = Outgoing {
            method: "POST",
            path: url.path(),
            body: body.as_bytes(),
            to: recipient.id(),
            join,
            now: SystemClock.unix_seconds(),
            nonce: &nonce,
        };
        let signed = request::sign(&outgoing, &self.secrets).map_err(|error| cannot(&error))?;
        let response = self.send_once(url, signed.headers, body, recipient).await?;
        Ok(PendingAnswer { response, tie: Some(signed.tie) })
    }

    /// Sends a signed request that is taken once. Where it may have gone into a kept connection that was just being
    /// closed, it is sent again as it is: a runner that has it takes no second one with its nonce. Without a recipient
    /// another runner might get it.
    async fn send_once(
        &self,
        url: Url,
        headers: HeaderMap,
        body: &str,
        recipient: &Recipient,
    ) -> Result<Response, Fault> {
        let sending = self.kept.sending();
        let mut sent = self.send(url.clone(), headers.clone(), body).await;
        if let Err(Fault::Broken(why)) = &sent
            && sending.may_be_missed()
            && recipient.id().is_some()
        {
            tracing::debug!(runner = %self.shown, why, "a kept connection broke; sending the request again");
            sent = match self.send(url, headers, body).await {
                Ok(response) if response.status() != StatusCode::UNAUTHORIZED => Ok(response),
                // It was received the first time, or nobody knows.
                _ => Err(Fault::Broken(why.clone())),
            };
        }
        if let Ok(response) = &sent {
            self.kept.note(response);
        }
        sent
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

    /// Requests the runner's status, and learns which runner it is. A runner that does not know this request starts
    /// nothing.
    pub(super) async fn heartbeat(&self) -> Result<Heartbeat, Fault> {
        let answered = self.addressed(self.below(HEARTBEAT), "{}", true, self.recipient.get()).await?;
        let heartbeat: Heartbeat = self.read(answered, MAX_HEARTBEAT).await?;
        self.learn(&Recipient::of(heartbeat.id.clone()));
        Ok(heartbeat)
    }

    /// Asks whether the runner is still there; its answer is noted. Does nothing while that is being asked already.
    pub(super) async fn ask(&self) {
        let Ok(_one) = self.asking.try_lock() else { return };
        if let Err(fault) = self.heartbeat().await {
            tracing::debug!(runner = %self.shown, %fault, "no status of the runner");
        }
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
