//! How a message ended, as its worker reports it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::message::rejected::RejectedMessage;
use crate::message::signing::{Purpose, SignedBytes, SigningKeys};

/// The largest end in bytes.
const END_LIMIT: usize = 64 << 10;

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndStatus {
    /// All of its jobs succeeded.
    Succeeded,
    /// A job failed.
    Failed,
    /// A job timed out.
    TimedOut,
    /// A job was cancelled.
    Cancelled,
    /// Its worker died or lost its lease.
    Lost,
    /// The worker recorded it, and reports nothing more (`ack: accepted`).
    Accepted,
    /// It is a dead letter.
    Dead,
}

impl EndStatus {
    /// As in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
            Self::Accepted => "accepted",
            Self::Dead => "dead",
        }
    }
}

/// The end of a message, to report.
#[derive(Clone, PartialEq)]
pub struct NewEnd {
    /// How it ended.
    pub status: EndStatus,
    /// What its origin gets to know, at most 64 KiB as JSON. Sent only where the origin wants it
    /// ([`crate::QueueMessage::reply`]).
    pub detail: Value,
    /// Encrypt `detail`.
    pub seal: bool,
}

impl fmt::Debug for NewEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewEnd").field("status", &self.status).finish_non_exhaustive()
    }
}

/// The end of a message, as its worker signed it.
#[derive(Clone, PartialEq)]
pub struct MessageEnd {
    /// The message.
    pub id: String,
    /// Its topic.
    pub topic: String,
    /// The node that ran it.
    pub node: String,
    /// How it ended.
    pub status: EndStatus,
    /// What its worker says; null where the origin did not want it.
    pub detail: Value,
    /// Whether `detail` was encrypted: treat it as secret.
    pub sealed: bool,
    /// How often it was started.
    pub deliveries: u32,
    /// The attempt that ended, from 1.
    pub attempt: u32,
    /// When. Milliseconds since 1970, by the clock of the worker.
    pub ended: i64,
}

impl fmt::Debug for MessageEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageEnd")
            .field("id", &self.id)
            .field("topic", &self.topic)
            .field("node", &self.node)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
struct EndEnvelope {
    v: u32,
    id: String,
    topic: String,
    node: String,
    status: EndStatus,
    deliveries: u32,
    attempt: u32,
    ended: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
}

/// Makes the signed form. `seal`: encrypt the detail.
pub(crate) fn sign_end(
    keys: &SigningKeys,
    end: &MessageEnd,
    seal: bool,
) -> Result<SignedBytes, RejectedMessage> {
    let malformed = |error: serde_json::Error| RejectedMessage::Malformed(error.to_string());
    let plain = serde_json::to_vec(&end.detail).map_err(malformed)?;
    if plain.len() > END_LIMIT {
        return Err(RejectedMessage::TooLarge { bytes: plain.len(), limit: END_LIMIT });
    }
    let (detail, sealed) = match seal {
        _ if end.detail.is_null() => (None, None),
        true => (None, Some(keys.seal(&end.topic, &end.id, &plain)?)),
        false => (Some(end.detail.clone()), None),
    };
    let envelope = EndEnvelope {
        v: 1,
        id: end.id.clone(),
        topic: end.topic.clone(),
        node: end.node.clone(),
        status: end.status,
        deliveries: end.deliveries,
        attempt: end.attempt,
        ended: end.ended,
        detail,
        sealed,
    };
    let bytes = serde_json::to_vec(&envelope).map_err(malformed)?;
    let signature = keys.sign(Purpose::End, &[end.topic.as_bytes(), end.id.as_bytes(), &bytes]);
    Ok(SignedBytes { bytes, signature })
}

/// Reads the end of this message.
pub(crate) fn read_end(
    keys: &SigningKeys,
    topic: &str,
    id: &str,
    signed: &SignedBytes,
) -> Result<MessageEnd, RejectedMessage> {
    keys.verify(Purpose::End, &[topic.as_bytes(), id.as_bytes(), &signed.bytes], &signed.signature)?;
    let malformed = |error: serde_json::Error| RejectedMessage::Malformed(error.to_string());
    let read: EndEnvelope = serde_json::from_slice(&signed.bytes).map_err(malformed)?;
    if read.id != id || read.topic != topic {
        return Err(RejectedMessage::Altered);
    }
    let sealed = read.sealed.is_some();
    let detail = match read.sealed {
        Some(text) => serde_json::from_slice(&keys.unseal(topic, id, &text)?).map_err(malformed)?,
        None => read.detail.unwrap_or(Value::Null),
    };
    Ok(MessageEnd {
        id: read.id,
        topic: read.topic,
        node: read.node,
        status: read.status,
        detail,
        sealed,
        deliveries: read.deliveries,
        attempt: read.attempt,
        ended: read.ended,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ends_are_signed_and_sealed() {
        let keys = SigningKeys::new(["0123456789abcdef"]).unwrap();
        let end = MessageEnd {
            id: "1".to_owned(),
            topic: "t".to_owned(),
            node: "web1".to_owned(),
            status: EndStatus::TimedOut,
            detail: json!({"error": "hunter2"}),
            sealed: false,
            deliveries: 2,
            attempt: 3,
            ended: 5,
        };
        for seal in [false, true] {
            let signed = sign_end(&keys, &end, seal).unwrap();
            assert_eq!(String::from_utf8_lossy(&signed.bytes).contains("hunter2"), !seal);
            let read = read_end(&keys, "t", "1", &signed).unwrap();
            assert_eq!(read, MessageEnd { sealed: seal, ..end.clone() });
            assert_eq!(read_end(&keys, "t", "2", &signed), Err(RejectedMessage::Altered));
        }
        let large = MessageEnd { detail: json!("x".repeat(END_LIMIT)), ..end };
        assert!(matches!(sign_end(&keys, &large, false), Err(RejectedMessage::TooLarge { .. })));
    }
}
