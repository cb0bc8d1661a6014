//! The form of a message in Redis: an envelope as JSON, and its signature beside it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::message::content::{NewMessage, QueueMessage};
use crate::message::rejected::RejectedMessage;
use crate::message::signing::{Purpose, SignedBytes, SigningKeys};

/// The version of the envelope.
const VERSION: u32 = 1;
/// The largest envelope in bytes.
const MESSAGE_LIMIT: usize = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Envelope {
    v: u32,
    id: String,
    topic: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    made: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_after: Option<i64>,
    origin: String,
    event: String,
    #[serde(default)]
    chain_depth: u32,
    #[serde(default = "first")]
    attempt: u32,
    #[serde(default)]
    reply: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    again: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    param: Option<Value>,
    /// `param`, encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
}

fn first() -> u32 {
    1
}

/// Makes the signed form. `now`: milliseconds since 1970.
pub(crate) fn pack(
    keys: &SigningKeys,
    message: &NewMessage,
    origin: &str,
    now: i64,
) -> Result<SignedBytes, RejectedMessage> {
    let malformed = |error: serde_json::Error| RejectedMessage::Malformed(error.to_string());
    let (param, sealed) = if message.seal {
        let plain = serde_json::to_vec(&message.param).map_err(malformed)?;
        (None, Some(keys.seal(&message.topic, &message.id, &plain)?))
    } else {
        (Some(message.param.clone()), None)
    };
    let max_age = message.max_age.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
    let envelope = Envelope {
        v: VERSION,
        id: message.id.clone(),
        topic: message.topic.clone(),
        key: message.key.clone(),
        made: now,
        not_after: max_age.map(|age| now.saturating_add(age)),
        origin: origin.to_owned(),
        event: message.event.clone(),
        chain_depth: message.chain_depth,
        attempt: message.attempt,
        reply: message.reply,
        again: message.again,
        param,
        sealed,
    };
    let bytes = serde_json::to_vec(&envelope).map_err(malformed)?;
    if bytes.len() > MESSAGE_LIMIT {
        return Err(RejectedMessage::TooLarge { bytes: bytes.len(), limit: MESSAGE_LIMIT });
    }
    let signature = keys.sign(Purpose::Message, &[message.topic.as_bytes(), &bytes]);
    Ok(SignedBytes { bytes, signature })
}

/// Reads what was found under this topic and id. The signature is checked before anything is parsed. `now`:
/// milliseconds since 1970; none where the age does not matter.
pub(crate) fn open(
    keys: &SigningKeys,
    topic: &str,
    id: &str,
    signed: &SignedBytes,
    now: Option<i64>,
) -> Result<QueueMessage, RejectedMessage> {
    if signed.bytes.len() > MESSAGE_LIMIT {
        return Err(RejectedMessage::TooLarge { bytes: signed.bytes.len(), limit: MESSAGE_LIMIT });
    }
    keys.verify(Purpose::Message, &[topic.as_bytes(), &signed.bytes], &signed.signature)?;
    let read: Envelope = serde_json::from_slice(&signed.bytes)
        .map_err(|error| RejectedMessage::Malformed(error.to_string()))?;
    if read.v != VERSION {
        let what = format!("version {} is not supported; update this Herald", read.v);
        return Err(RejectedMessage::Malformed(what));
    }
    if read.id != id || read.topic != topic {
        return Err(RejectedMessage::Altered);
    }
    let sealed = read.sealed.is_some();
    let param = match read.sealed {
        Some(text) => serde_json::from_slice(&keys.unseal(topic, id, &text)?)
            .map_err(|error| RejectedMessage::Malformed(error.to_string()))?,
        None => read.param.unwrap_or(Value::Null),
    };
    if let (Some(now), Some(not_after)) = (now, read.not_after)
        && now > not_after
    {
        return Err(RejectedMessage::TooOld);
    }
    Ok(QueueMessage {
        id: read.id,
        topic: read.topic,
        key: read.key,
        made: read.made,
        not_after: read.not_after,
        origin: read.origin,
        event: read.event,
        chain_depth: read.chain_depth,
        attempt: read.attempt,
        reply: read.reply,
        put_again: read.again,
        sealed,
        param,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn message() -> NewMessage {
        NewMessage {
            id: "1".to_owned(),
            topic: "deploy".to_owned(),
            key: Some("a".to_owned()),
            param: json!({"shell": "make hunter2"}),
            seal: false,
            event: "e".to_owned(),
            chain_depth: 2,
            attempt: 1,
            delay: Duration::ZERO,
            max_age: Some(Duration::from_secs(60)),
            max_length: 10,
            marker_ttl: Duration::from_secs(60),
            reply: true,
            again: false,
        }
    }

    fn keys() -> SigningKeys {
        SigningKeys::new(["0123456789abcdef"]).unwrap()
    }

    #[test]
    fn what_is_packed_is_read_again() {
        for seal in [false, true] {
            let signed = pack(&keys(), &NewMessage { seal, ..message() }, "web1", 1000).unwrap();
            assert_eq!(String::from_utf8_lossy(&signed.bytes).contains("hunter2"), !seal);
            let read = open(&keys(), "deploy", "1", &signed, Some(61_000)).unwrap();
            assert_eq!((read.param, read.sealed), (message().param, seal));
            assert_eq!((read.made, read.not_after, read.chain_depth), (1000, Some(61_000), 2));
            assert_eq!((read.origin.as_str(), read.reply), ("web1", true));
            let late = open(&keys(), "deploy", "1", &signed, Some(61_001));
            assert_eq!(late, Err(RejectedMessage::TooOld));
        }
    }

    #[test]
    fn what_is_not_believed() {
        let good = pack(&keys(), &message(), "web1", 0).unwrap();
        let with = |change: fn(&mut SignedBytes)| {
            let mut signed = good.clone();
            change(&mut signed);
            signed
        };
        let signed_text = |text: &[u8]| SignedBytes {
            bytes: text.to_vec(),
            signature: keys().sign(Purpose::Message, &[b"deploy", text]),
        };
        let open =
            |signed: &SignedBytes, topic, id| super::open(&keys(), topic, id, signed, Some(0)).unwrap_err();
        assert_eq!(open(&with(|s| s.signature.clear()), "deploy", "1"), RejectedMessage::Unsigned);
        assert_eq!(open(&with(|s| s.bytes[9] ^= 1), "deploy", "1"), RejectedMessage::Altered);
        assert_eq!(open(&good, "other", "1"), RejectedMessage::Altered);
        assert_eq!(open(&good, "deploy", "2"), RejectedMessage::Altered);
        for text in [&b"[1]"[..], b"\xff\xfe", b"{}", b"{\"v\": 1}"] {
            assert!(matches!(open(&signed_text(text), "deploy", "1"), RejectedMessage::Malformed(_)));
        }
        let large = vec![b' '; MESSAGE_LIMIT + 1];
        assert!(matches!(open(&signed_text(&large), "deploy", "1"), RejectedMessage::TooLarge { .. }));
        let huge = NewMessage { param: json!("x".repeat(MESSAGE_LIMIT)), ..message() };
        assert!(matches!(pack(&keys(), &huge, "web1", 0), Err(RejectedMessage::TooLarge { .. })));
    }
}
