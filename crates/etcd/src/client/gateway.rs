//! One request and its answer: which member is asked, with which token, and what is tried again elsewhere.

use std::time::Duration;

use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::connection::Connection;
use super::connector::GatewayConnector;
use super::endpoints::{EndpointIndex, Endpoints};
use super::fault;
use super::token::{AccessToken, TokenStore};
use crate::error::EtcdError;
use crate::message::response::TokenAnswer;
use crate::settings::EtcdSettings;

/// The largest answer that is read, in bytes. A value has at most 1.5 MiB by default, and 2 MiB as base64.
pub(crate) const MAX_ANSWER: usize = 32 << 20;

/// What may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    /// Changes nothing: it is repeated at every member.
    Read,
    /// Changes something: it is repeated only when it was not sent.
    Change,
}

/// The way to one etcd.
pub(crate) struct Gateway {
    pub(crate) settings: EtcdSettings,
    pub(crate) endpoints: Endpoints,
    pub(crate) connection: Connection,
    connector: GatewayConnector,
    tokens: TokenStore,
}

impl Gateway {
    pub(crate) fn new(settings: EtcdSettings) -> Self {
        Self {
            endpoints: Endpoints::new(settings.endpoints.clone()),
            connection: Connection::new(&settings.name),
            connector: GatewayConnector::new(settings.timeout, settings.tls.clone()),
            tokens: TokenStore::default(),
            settings,
        }
    }

    fn username(&self) -> &str {
        self.settings.credentials.as_ref().map_or("", |own| &own.username)
    }

    /// Asks the members in turn, beginning with the one in use. Whether that worked is noted as the status.
    pub(crate) async fn call<A: DeserializeOwned>(
        &self,
        method: &str,
        message: &Value,
        kind: CallKind,
    ) -> Result<(EndpointIndex, A), EtcdError> {
        let called = self.ask_members(method, message, kind).await;
        match &called {
            Ok((at, _)) => self.connection.answered(&self.endpoints.shown(*at)),
            // An error that is not about the connection is an answer.
            Err(error) if !error.is_of_connection() => {
                self.connection.answered(&self.endpoints.shown_current())
            }
            Err(error) => self.connection.failed(error),
        }
        called
    }

    /// Asks the members in turn, beginning with the one in use.
    pub(crate) async fn ask_members<A: DeserializeOwned>(
        &self,
        method: &str,
        message: &Value,
        kind: CallKind,
    ) -> Result<(EndpointIndex, A), EtcdError> {
        let mut tried = 0;
        loop {
            let at = self.endpoints.current();
            let error = match self.call_at(at, method, message, kind).await {
                Ok(answer) => return Ok((at, answer)),
                Err(error) => error,
            };
            tried += 1;
            if error.passes_elsewhere() {
                self.endpoints.leave(at);
            }
            let repeat = match kind {
                CallKind::Read => error.passes_elsewhere(),
                // It was not sent, or not proposed.
                CallKind::Change => {
                    matches!(error, EtcdError::Unreachable { .. } | EtcdError::NoLeader { .. })
                }
            };
            if tried >= self.endpoints.count() || !repeat {
                return Err(error);
            }
            tracing::debug!(etcd = self.settings.name, "etcd: trying the next member: {error}");
        }
    }

    /// Asks this member. A token that expired is replaced once.
    pub(crate) async fn call_at<A: DeserializeOwned>(
        &self,
        at: EndpointIndex,
        method: &str,
        message: &Value,
        kind: CallKind,
    ) -> Result<A, EtcdError> {
        let token = self.token(at).await?;
        let answered = match self.send(at, method, message, kind, token.as_ref()).await {
            Err(error) if self.settings.credentials.is_some() && is_about_token(&error) => {
                self.tokens.forget(token.as_ref());
                let token = self.token(at).await?;
                self.send(at, method, message, kind, token.as_ref()).await
            }
            other => other,
        };
        serde_json::from_slice(&answered?).map_err(|error| self.invalid(at, &error))
    }

    pub(crate) fn invalid(&self, at: EndpointIndex, error: &serde_json::Error) -> EtcdError {
        EtcdError::Invalid { endpoint: self.endpoints.shown(at), why: error.to_string() }
    }

    /// The token for the next request; `None` where no user is configured, or etcd wants none.
    pub(crate) async fn token(&self, at: EndpointIndex) -> Result<Option<AccessToken>, EtcdError> {
        let Some(own) = &self.settings.credentials else { return Ok(None) };
        let message = serde_json::json!({"name": own.username, "password": own.password});
        let authenticate = async || {
            let answered = self.send(at, "auth/authenticate", &message, CallKind::Read, None).await;
            let body = match answered {
                Err(EtcdError::Rejected { why, .. }) if why.contains("not enabled") => {
                    tracing::warn!(
                        etcd = self.settings.name,
                        "a user is configured, but etcd has authentication disabled"
                    );
                    return Ok(None);
                }
                other => other?,
            };
            let answer: TokenAnswer =
                serde_json::from_slice(&body).map_err(|error| self.invalid(at, &error))?;
            Ok(Some(answer.token))
        };
        self.tokens.current(authenticate).await
    }

    /// Another token is used from now on.
    pub(crate) fn forget_token(&self, token: Option<&AccessToken>) {
        self.tokens.forget(token);
    }

    /// One request to one member, and the whole answer, in time.
    async fn send(
        &self,
        at: EndpointIndex,
        method: &str,
        message: &Value,
        kind: CallKind,
        token: Option<&AccessToken>,
    ) -> Result<Vec<u8>, EtcdError> {
        let exchange = async {
            let response = self.open(at, method, message, token, HeaderMap::new(), kind).await?;
            self.read_body(at, response, kind).await
        };
        let after = self.settings.timeout;
        match tokio::time::timeout(after, exchange).await {
            Ok(answered) => answered,
            Err(_) => Err(self.timed_out(at, after, kind)),
        }
    }

    pub(crate) fn timed_out(&self, at: EndpointIndex, after: Duration, kind: CallKind) -> EtcdError {
        let endpoint = self.endpoints.shown(at);
        match kind {
            CallKind::Read => EtcdError::TimedOut { endpoint, after },
            CallKind::Change => EtcdError::Unconfirmed {
                endpoint,
                why: format!("no answer within {} s", after.as_secs_f64()),
            },
        }
    }

    /// Sends a request and waits for the head of a good answer. The caller sets the deadline.
    pub(crate) async fn open(
        &self,
        at: EndpointIndex,
        method: &str,
        message: &Value,
        token: Option<&AccessToken>,
        mut headers: HeaderMap,
        kind: CallKind,
    ) -> Result<Response, EtcdError> {
        let endpoint = self.endpoints.shown(at);
        let Some(url) = self.endpoints.url(at, method) else {
            return Err(EtcdError::Unreachable { endpoint, why: "no endpoint is configured".to_owned() });
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // Without `Bearer`: etcd rejects it.
        if let Some(mut token) = token.and_then(|token| HeaderValue::from_str(token.text()).ok()) {
            token.set_sensitive(true);
            headers.insert(AUTHORIZATION, token);
        }
        let client = self.connector.client().await?;
        let sent = client.post(url).headers(headers).body(message.to_string()).send().await;
        let response = sent.map_err(|error| self.broken(at, &error, kind))?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let status = response.status();
        let body = self.read_body(at, response, CallKind::Read).await?;
        let error = fault::of_answer(endpoint, status, &body, self.username());
        Err(match (error, kind) {
            // The server gave up waiting for the others; they may have the change.
            (EtcdError::Unreachable { endpoint, why }, CallKind::Change) => {
                EtcdError::Unconfirmed { endpoint, why }
            }
            (error, _) => error,
        })
    }

    fn broken(&self, at: EndpointIndex, error: &reqwest::Error, kind: CallKind) -> EtcdError {
        let endpoint = self.endpoints.shown(at);
        let why = fault::connection_failed(error, self.endpoints.is_encrypted(at));
        match kind {
            CallKind::Change if !error.is_connect() => EtcdError::Unconfirmed { endpoint, why },
            _ => EtcdError::Unreachable { endpoint, why },
        }
    }

    async fn read_body(
        &self,
        at: EndpointIndex,
        mut response: Response,
        kind: CallKind,
    ) -> Result<Vec<u8>, EtcdError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(at, &error, kind))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(EtcdError::TooLarge { endpoint: self.endpoints.shown(at), limit: MAX_ANSWER });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// What an error of a stream means.
    pub(crate) fn stream_error(&self, at: EndpointIndex, code: i32, text: &str) -> EtcdError {
        fault::of_text(self.endpoints.shown(at), code, text, self.username())
    }

    pub(crate) fn unreachable(&self, at: EndpointIndex, why: String) -> EtcdError {
        EtcdError::Unreachable { endpoint: self.endpoints.shown(at), why }
    }

    pub(crate) fn stream_broken(&self, at: EndpointIndex, error: &reqwest::Error) -> EtcdError {
        EtcdError::Unreachable { endpoint: self.endpoints.shown(at), why: fault::reason(error) }
    }
}

/// Whether authenticating again may help. None is sent to an etcd that wanted none, until it does.
pub(crate) fn is_about_token(error: &EtcdError) -> bool {
    matches!(error, EtcdError::Token { .. } | EtcdError::NoCredentials { .. })
}
