//! A watch: the changes of a range from a revision on, as one member shows them.

mod lines;

use std::collections::VecDeque;

use http::{HeaderMap, HeaderValue};
use reqwest::Response;
use serde_json::json;

use crate::client::{CallKind, EndpointIndex, EtcdClient, Gateway};
use crate::error::EtcdError;
use crate::key::{KeyRange, KeyValue};
use crate::message::response::{StreamMessage, WatchAnswer};
use crate::message::transaction::range_fields;
use lines::LineBuffer;

/// The most bytes of one message, and of the changes of one revision.
const MAX_MESSAGE: usize = 32 << 20;
/// What etcd says of a watch whose token it does not accept.
const BAD_TOKEN: &str = "invalid auth token";

/// A change of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchEvent {
    /// The key. Of a deletion only key and `mod_revision` are known.
    pub key: KeyValue,
    /// Whether the key was deleted.
    pub deleted: bool,
    /// The key as it was before, where that was requested and etcd still knows it.
    pub previous: Option<KeyValue>,
}

/// Changes of one revision or of several, all of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchBatch {
    /// The changes, in order.
    pub events: Vec<WatchEvent>,
}

impl WatchBatch {
    /// The revision of the last change.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.events.last().map_or(0, |event| event.key.mod_revision)
    }
}

/// Why a watch ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchEnd {
    /// The revision that was to be shown next is compacted.
    #[error("the changes up to revision {revision} are compacted")]
    Compacted {
        /// The oldest revision that is left.
        revision: i64,
    },
    /// etcd refused it, the connection broke, or something came that cannot be read.
    #[error("{0}")]
    Failed(EtcdError),
}

/// An open watch at one member. It ends when that member ends it; whether a silent one is alive only another request
/// can show.
pub struct EtcdWatch {
    response: Response,
    lines: LineBuffer,
    /// Changes of a revision of which more is to come.
    begun: VecDeque<WatchEvent>,
    begun_size: usize,
    at: EndpointIndex,
    client: EtcdClient,
}

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WatchRequest<'a> {
    pub(crate) range: &'a KeyRange,
    /// The first revision that is shown.
    pub(crate) from: i64,
    /// Whether the previous value of each key is shown.
    pub(crate) previous: bool,
}

impl EtcdClient {
    /// Watches a range from this revision on, at the member in use.
    ///
    /// # Errors
    /// When etcd refuses it, or cannot be asked.
    pub async fn watch(&self, range: &KeyRange, from: i64, previous: bool) -> Result<EtcdWatch, WatchEnd> {
        let at = self.gateway.endpoints.current();
        self.watch_at(at, &WatchRequest { range, from, previous }).await
    }

    /// As [`Self::watch`], at this member.
    pub(crate) async fn watch_at(
        &self,
        at: EndpointIndex,
        request: &WatchRequest<'_>,
    ) -> Result<EtcdWatch, WatchEnd> {
        let opening = async {
            match self.open_watch(at, request).await {
                // The token expired.
                Err(WatchEnd::Failed(EtcdError::Token { .. })) if self.settings().credentials.is_some() => {
                    self.open_watch(at, request).await
                }
                other => other,
            }
        };
        let after = self.settings().timeout;
        let opened = tokio::time::timeout(after, opening).await;
        opened.unwrap_or_else(|_| Err(WatchEnd::Failed(self.gateway.timed_out(at, after, CallKind::Read))))
    }

    async fn open_watch(&self, at: EndpointIndex, request: &WatchRequest<'_>) -> Result<EtcdWatch, WatchEnd> {
        let gateway = &self.gateway;
        let token = gateway.token(at).await.map_err(WatchEnd::Failed)?;
        let mut fields = range_fields(request.range);
        fields["start_revision"] = request.from.to_string().into();
        fields["prev_kv"] = request.previous.into();
        // Otherwise all changes that a member has kept come in one message.
        fields["fragment"] = true.into();
        let message = json!({"create_request": fields});
        let mut headers = HeaderMap::new();
        // Ends the watch when the member loses its leader; otherwise it stays open and silent.
        headers.insert("Grpc-Metadata-hasleader", HeaderValue::from_static("true"));
        let opened = gateway.open(at, "watch", &message, token.as_ref(), headers, CallKind::Read).await;
        let response = opened.map_err(WatchEnd::Failed)?;
        let mut watch = EtcdWatch {
            response,
            lines: LineBuffer::new(MAX_MESSAGE),
            begun: VecDeque::new(),
            begun_size: 0,
            at,
            client: self.clone(),
        };
        let created = watch.message().await.inspect_err(|end| {
            if matches!(end, WatchEnd::Failed(EtcdError::Token { .. })) {
                gateway.forget_token(token.as_ref());
            }
        })?;
        match created.created {
            true => Ok(watch),
            false => Err(watch.invalid("the watch did not begin")),
        }
    }
}

impl EtcdWatch {
    /// The next changes. Can be dropped and called again: nothing is lost.
    ///
    /// # Errors
    /// Why the watch ended.
    pub async fn next_batch(&mut self) -> Result<WatchBatch, WatchEnd> {
        loop {
            let message = self.message().await?;
            let more = message.fragment;
            for event in message.events {
                let event = WatchEvent {
                    deleted: event.kind == "DELETE",
                    key: event.kv.into(),
                    previous: event.prev_kv.map(KeyValue::from),
                };
                self.begun_size += size(&event);
                self.begun.push_back(event);
            }
            if let Some(batch) = self.complete(more) {
                return Ok(batch);
            }
            if self.begun_size > MAX_MESSAGE {
                return Err(WatchEnd::Failed(self.too_large()));
            }
        }
    }

    /// The changes that are complete. A message that is a fragment may end within a revision.
    fn complete(&mut self, more: bool) -> Option<WatchBatch> {
        let last = self.begun.back()?.key.mod_revision;
        let incomplete = match more {
            true => self.begun.iter().rev().take_while(|event| event.key.mod_revision == last).count(),
            false => 0,
        };
        let events: Vec<WatchEvent> = self.begun.drain(..self.begun.len() - incomplete).collect();
        self.begun_size = self.begun.iter().map(size).sum();
        (!events.is_empty()).then_some(WatchBatch { events })
    }

    /// The next message.
    async fn message(&mut self) -> Result<WatchAnswer, WatchEnd> {
        loop {
            if let Some(line) = self.lines.next_line() {
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                let message: StreamMessage<WatchAnswer> = serde_json::from_slice(&line)
                    .map_err(|error| WatchEnd::Failed(self.gateway().invalid(self.at, &error)))?;
                return self.checked(message);
            }
            let chunk = self.response.chunk().await;
            match chunk.map_err(|error| WatchEnd::Failed(self.gateway().stream_broken(self.at, &error)))? {
                Some(chunk) if self.lines.push(&chunk) => {}
                Some(_) => return Err(WatchEnd::Failed(self.too_large())),
                None => {
                    let why = "the watch was closed: etcd stops, or has no leader".to_owned();
                    return Err(WatchEnd::Failed(self.gateway().unreachable(self.at, why)));
                }
            }
        }
    }

    /// A watch that etcd refuses begins like any other, is cancelled in the same or the next message, and stays open.
    fn checked(&self, message: StreamMessage<WatchAnswer>) -> Result<WatchAnswer, WatchEnd> {
        let of_code = |code, text: &str| WatchEnd::Failed(self.gateway().stream_error(self.at, code, text));
        match message {
            StreamMessage { error: Some(error), .. } => {
                let text = match error.message.as_str() {
                    "" => error.error.as_str().unwrap_or_default(),
                    text => text,
                };
                Err(of_code(error.code.max(error.grpc_code), text))
            }
            StreamMessage { result: Some(answer), .. } if answer.compact_revision.0 > 0 => {
                Err(WatchEnd::Compacted { revision: answer.compact_revision.0 })
            }
            StreamMessage { result: Some(answer), .. } if answer.canceled => {
                Err(of_code(code_of(&answer.cancel_reason), reason_of(&answer.cancel_reason)))
            }
            StreamMessage { result: Some(answer), .. } => Ok(answer),
            StreamMessage { .. } => Err(self.invalid("a message without content")),
        }
    }

    fn gateway(&self) -> &Gateway {
        &self.client.gateway
    }

    fn invalid(&self, why: &str) -> WatchEnd {
        let endpoint = self.gateway().endpoints.shown(self.at);
        WatchEnd::Failed(EtcdError::Invalid { endpoint, why: why.to_owned() })
    }

    fn too_large(&self) -> EtcdError {
        EtcdError::TooLarge { endpoint: self.gateway().endpoints.shown(self.at), limit: MAX_MESSAGE }
    }
}

/// About what an event takes.
fn size(event: &WatchEvent) -> usize {
    let of = |key: &KeyValue| key.key.len() + key.value.len();
    of(&event.key) + event.previous.as_ref().map_or(0, of)
}

/// `rpc error: code = PermissionDenied desc = etcdserver: permission denied`
fn reason_of(cancel_reason: &str) -> &str {
    match cancel_reason {
        "" => "etcdserver: the watch was cancelled",
        reason => reason.split_once(" desc = ").map_or(reason, |(_, text)| text),
    }
}

fn code_of(cancel_reason: &str) -> i32 {
    use crate::client::grpc_code::{PERMISSION_DENIED, UNAUTHENTICATED, UNAVAILABLE};
    match cancel_reason {
        reason if reason.contains("permission denied") => PERMISSION_DENIED,
        reason if reason.contains(BAD_TOKEN) => UNAUTHENTICATED,
        _ => UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read() {
        for (reason, code, text) in [
            (
                "rpc error: code = PermissionDenied desc = etcdserver: permission denied",
                7,
                "etcdserver: permission denied",
            ),
            (
                "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token",
                16,
                "invalid auth token",
            ),
            ("", 14, "the watch was cancelled"),
        ] {
            assert_eq!(code_of(reason), code, "{reason}");
            assert!(reason_of(reason).contains(text), "{reason}");
        }
    }
}
