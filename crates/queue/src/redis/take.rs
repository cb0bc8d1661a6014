//! Takes messages of a topic, and verifies them before anybody gets them.

use redis::Value;
use std::time::Duration;

use crate::error::QueueError;
use crate::hold_answer::HoldAnswer;
use crate::message::{DeadReason, Purpose, QueueMessage, RejectedMessage, SignedBytes, SigningKeys, open};
use crate::queue::{ConsumeMode, ConsumerSettings, Delivery, DeliveryToken, QueueGap, Received, StartedBy};
use crate::redis::engine::{RedisEngine, millis};
use crate::redis::marker::node_of;
use crate::redis::reply;
use crate::redis::script;
use crate::redis::token_calls;
use crate::redis::worker_name::WorkerName;

/// Whether the first call of a worker takes back what an earlier process had, and whether its node read the topic
/// before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TopicFlags {
    pub(crate) take_back: bool,
    pub(crate) known: bool,
}

/// What a call brought.
pub(crate) struct TakenMessages {
    pub(crate) received: Vec<Received>,
    /// From where to wait for new messages; none while there cannot be any.
    pub(crate) stream_from: Option<String>,
    /// From where to wait for others.
    pub(crate) wake_from: String,
    /// Call again at once: not everything was looked at.
    pub(crate) more: bool,
    /// Nothing is left that an earlier process had.
    pub(crate) all_back: bool,
    /// That of the server that answered; empty where it is unknown.
    pub(crate) run_id: String,
}

/// Takes at most so many messages of the topic.
pub(crate) async fn take(
    engine: &RedisEngine,
    worker: &WorkerName,
    settings: &ConsumerSettings,
    topic: &str,
    asked: TakeRequest,
) -> Result<TakenMessages, QueueError> {
    let (mode, retain) = match settings.mode {
        ConsumeMode::Compete => ("compete", String::new()),
        ConsumeMode::Every { retain, .. } => ("every", millis(retain).to_string()),
    };
    let flag = |set: bool| if set { &b"1"[..] } else { b"0" };
    let places = asked.places.to_string();
    let lease = millis(settings.lease).to_string();
    let ttl = millis(settings.marker_ttl.max(Duration::from_millis(1))).to_string();
    let ended = asked.ended.to_string();
    let arguments: [&[u8]; 11] = [
        worker.owner.as_bytes(),
        worker.group.as_bytes(),
        mode.as_bytes(),
        places.as_bytes(),
        lease.as_bytes(),
        flag(asked.flags.take_back),
        flag(asked.flags.known),
        retain.as_bytes(),
        ttl.as_bytes(),
        engine.process.as_bytes(),
        ended.as_bytes(),
    ];
    let answer = engine.link.script_with_run_id(&script::TAKE, topic, &arguments).await?;
    match reply::items(&answer) {
        [status, other] if reply::text(status).as_deref() == Some("mode") => Err(QueueError::OtherMode {
            queue: engine.server.queue.clone(),
            topic: topic.to_owned(),
            mode: reply::text(other).unwrap_or_default(),
        }),
        [_, stream_from, wake_from, _paused, gap, more, messages, taken_back, run_id] => {
            let mut received = Vec::new();
            if reply::count(gap) > 0 {
                let gap = QueueGap { topic: topic.to_owned(), missed: reply::count(gap) };
                received.push(Received::Gap(gap));
            }
            for message in reply::items(messages) {
                received.extend(check(engine, worker, settings, topic, message).await?);
            }
            Ok(TakenMessages {
                received,
                stream_from: reply::text(stream_from).filter(|from| !from.is_empty()),
                wake_from: reply::text(wake_from).unwrap_or_else(|| "0-0".to_owned()),
                more: reply::count(more) == 1,
                all_back: reply::count(taken_back) == 0,
                run_id: reply::text(run_id).unwrap_or_default(),
            })
        }
        _ => Err(engine.server.unexpected("the answer of take.lua is not understood")),
    }
}

/// How much is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TakeRequest {
    pub(crate) places: usize,
    /// How many of those whose worker is gone, where there is no place: they do not run again.
    pub(crate) ended: usize,
    pub(crate) flags: TopicFlags,
}

/// What take.lua says of a message.
struct TakenEntry {
    token: DeliveryToken,
    signed: SignedBytes,
    starts: String,
    start_info: String,
    start_signature: Vec<u8>,
    start_delivery: String,
    attempt: String,
    attempt_signature: Vec<u8>,
    /// It waited when another server took over, which may not know that it ran.
    waited: bool,
}

fn read(topic: &str, value: &Value) -> Option<TakenEntry> {
    let [eid, id, body, signature, lane, n, starts, info, info_sig, attempt, attempt_sig, started, waited] =
        reply::items(value)
    else {
        return None;
    };
    let text = |value: &Value| reply::text(value).unwrap_or_default();
    let bytes = |value: &Value| reply::bytes(value).unwrap_or_default();
    Some(TakenEntry {
        token: DeliveryToken {
            topic: topic.to_owned(),
            id: text(id),
            entry: text(eid),
            lane: text(lane).parse().ok(),
            delivery: reply::count(n),
            starts: text(starts).parse().unwrap_or(0),
            attempt: 1,
            reply_to: None,
        },
        signed: SignedBytes { bytes: bytes(body), signature: bytes(signature) },
        starts: text(starts),
        start_info: text(info),
        start_signature: bytes(info_sig),
        start_delivery: text(started),
        attempt: text(attempt),
        attempt_signature: bytes(attempt_sig),
        waited: reply::number(waited) == 1,
    })
}

/// A message that is not believed becomes a dead letter here, and is never delivered. None: another worker has it.
async fn check(
    engine: &RedisEngine,
    worker: &WorkerName,
    settings: &ConsumerSettings,
    topic: &str,
    value: &Value,
) -> Result<Option<Received>, QueueError> {
    let Some(mut entry) = read(topic, value) else {
        return Err(engine.server.unexpected("a message of take.lua is not understood"));
    };
    let opened = open(&engine.keys, topic, &entry.token.id, &entry.signed, None);
    let reason = match opened {
        Ok(mut message) => {
            message.put_again |= entry.waited;
            entry.token.reply_to = message.reply.then(|| message.origin.clone());
            match history(&engine.keys, &mut entry, &message) {
                Ok(started_by) => {
                    if message.not_after.is_some_and(|limit| engine.now() > limit) && started_by.is_none() {
                        DeadReason::Rejected(RejectedMessage::TooOld)
                    } else if entry.token.starts >= settings.max_deliveries {
                        DeadReason::Deliveries(entry.token.starts)
                    } else {
                        engine.confirm(worker, &entry.token, false);
                        return Ok(Some(Received::Message(Box::new(Delivery {
                            deliveries: entry.token.starts,
                            attempt: entry.token.attempt,
                            message,
                            token: entry.token,
                            started_by,
                        }))));
                    }
                }
                Err(problem) => DeadReason::Rejected(problem),
            }
        }
        Err(problem) => DeadReason::Rejected(problem),
    };
    // It was taken, and not started.
    engine.confirm(worker, &entry.token, false);
    let answer = token_calls::dead(engine, worker, &entry.token, &reason, settings.marker_ttl).await?;
    let id = if entry.token.id.starts_with('!') { String::new() } else { entry.token.id };
    Ok((answer == HoldAnswer::Done).then(|| Received::Dead { topic: topic.to_owned(), id, reason }))
}

/// Reads the signed parts of the marker: who started it, how often, and which attempt it is.
fn history(
    keys: &SigningKeys,
    entry: &mut TakenEntry,
    message: &QueueMessage,
) -> Result<Option<StartedBy>, RejectedMessage> {
    let (topic, id) = (message.topic.as_bytes(), message.id.as_bytes());
    let starts = if entry.starts.is_empty() { "0" } else { entry.starts.as_str() };
    entry.token.attempt = message.attempt;
    if !entry.attempt.is_empty() && entry.start_info.is_empty() {
        let parts = [topic, id, entry.attempt.as_bytes(), starts.as_bytes()];
        keys.verify(Purpose::Attempt, &parts, &entry.attempt_signature)?;
    }
    if let Ok(attempt) = entry.attempt.parse::<u32>() {
        entry.token.attempt = attempt.max(message.attempt);
    }
    if entry.start_info.is_empty() {
        // Starts without a signature are not counted.
        if entry.attempt.is_empty() {
            entry.token.starts = 0;
        }
        return Ok(None);
    }
    let attempt = entry.token.attempt.to_string();
    let parts = [
        topic,
        id,
        entry.start_info.as_bytes(),
        entry.start_delivery.as_bytes(),
        starts.as_bytes(),
        attempt.as_bytes(),
    ];
    keys.verify(Purpose::Start, &parts, &entry.start_signature)?;
    let (owner, at) = entry.start_info.rsplit_once('\n').unwrap_or((&entry.start_info, "0"));
    Ok(Some(StartedBy { node: node_of(owner), at: at.parse().unwrap_or(0) }))
}
