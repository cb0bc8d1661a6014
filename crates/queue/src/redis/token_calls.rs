//! What a worker says about messages that it has: started, renewed, done, requeued, released, dead.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::Value;
use serde_json::json;

use crate::error::QueueError;
use crate::hold_answer::HoldAnswer;
use crate::message::{DeadReason, EndStatus, MessageEnd, NewEnd, Purpose, SignedBytes, sign_end};
use crate::queue::DeliveryToken;
use crate::redis::engine::{RedisEngine, millis};
use crate::redis::marker::node_of;
use crate::redis::recent_ends::RecentEnd;
use crate::redis::reply;
use crate::redis::script;
use crate::redis::worker_name::WorkerName;

/// Which argument of done.lua says whether a lost marker is made again.
const ADOPTS: usize = 4;
/// How many ends one call says again.
const ENDS: usize = 64;
/// How many tokens one call renews or releases.
const TOKENS: usize = 250;

fn answer_of(engine: &RedisEngine, value: &Value) -> Result<HoldAnswer, QueueError> {
    match reply::texts(value).as_slice() {
        [status, ..] if status == "ok" => Ok(HoldAnswer::Done),
        [status, ..] if status == "gone" => Ok(HoldAnswer::Gone),
        [status, owner] if status == "lost" => {
            let owner = (!owner.is_empty()).then(|| node_of(owner));
            Ok(HoldAnswer::Lost { owner })
        }
        _ => Err(engine.server.unexpected("the answer of a script is not understood")),
    }
}

/// Whether a lost marker may be made again for this token: it was valid until shortly.
fn adopts(engine: &RedisEngine, token: &DeliveryToken, marker_ttl: Duration) -> &'static [u8] {
    match engine.held(token) {
        Some(held) if held.confirmed.elapsed() < marker_ttl / 2 => b"1",
        _ => b"0",
    }
}

fn birth(engine: &RedisEngine, token: &DeliveryToken) -> Vec<u8> {
    engine.keys.sign(Purpose::Marker, &[token.topic.as_bytes(), token.id.as_bytes()])
}

fn lane_text(token: &DeliveryToken) -> String {
    token.lane.map(|lane| lane.to_string()).unwrap_or_default()
}

/// Records a start.
pub(crate) async fn start(
    engine: &RedisEngine,
    worker: &WorkerName,
    token: &DeliveryToken,
) -> Result<HoldAnswer, QueueError> {
    let delivery = token.delivery.to_string();
    let starts = token.starts.saturating_add(1).to_string();
    let attempt = token.attempt.to_string();
    let info = format!("{}\n{}", worker.owner, engine.now());
    let parts: [&[u8]; 6] = [
        token.topic.as_bytes(),
        token.id.as_bytes(),
        info.as_bytes(),
        delivery.as_bytes(),
        starts.as_bytes(),
        attempt.as_bytes(),
    ];
    let signature = engine.keys.sign(Purpose::Start, &parts);
    let arguments: [&[u8]; 7] = [
        token.id.as_bytes(),
        worker.group.as_bytes(),
        worker.owner.as_bytes(),
        delivery.as_bytes(),
        starts.as_bytes(),
        info.as_bytes(),
        &signature,
    ];
    let value = engine.starts.call(&token.topic, &arguments).await?;
    let answer = answer_of(engine, &value)?;
    match answer {
        HoldAnswer::Done => engine.confirm(worker, token, true),
        _ => engine.drop_token(token),
    }
    Ok(answer)
}

/// Renews leases; the answers are in the order of the tokens.
pub(crate) async fn renew(
    engine: &RedisEngine,
    worker: &WorkerName,
    tokens: &[DeliveryToken],
    times: RenewTimes,
) -> Result<Vec<HoldAnswer>, QueueError> {
    let lease = millis(times.lease).to_string();
    let mut answers = vec![HoldAnswer::Gone; tokens.len()];
    for (topic, places) in by_topic(tokens) {
        for places in places.chunks(TOKENS) {
            let mut arguments = vec![
                worker.group.clone().into_bytes(),
                worker.owner.as_bytes().to_vec(),
                lease.clone().into_bytes(),
            ];
            for place in places {
                let token = &tokens[*place];
                arguments.push(token.id.clone().into_bytes());
                arguments.push(token.delivery.to_string().into_bytes());
                arguments.push(adopts(engine, token, times.marker_ttl).to_vec());
                arguments.push(birth(engine, token));
                arguments.push(token.entry.clone().into_bytes());
            }
            let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
            let value = engine.link.script(&script::RENEW, topic, &arguments).await?;
            for (place, answer) in places.iter().zip(reply::items(&value)) {
                answers[*place] = answer_of(engine, answer)?;
            }
        }
    }
    for (token, answer) in tokens.iter().zip(&answers) {
        match answer {
            HoldAnswer::Done => engine.confirm(worker, token, false),
            _ => engine.drop_token(token),
        }
    }
    Ok(answers)
}

/// Times of a worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RenewTimes {
    pub(crate) lease: Duration,
    pub(crate) marker_ttl: Duration,
}

fn by_topic(tokens: &[DeliveryToken]) -> BTreeMap<&str, Vec<usize>> {
    let mut topics: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, token) in tokens.iter().enumerate() {
        topics.entry(&token.topic).or_default().push(place);
    }
    topics
}

/// Gives messages back.
pub(crate) async fn release(
    engine: &RedisEngine,
    worker: &WorkerName,
    tokens: &[DeliveryToken],
) -> Result<Vec<HoldAnswer>, QueueError> {
    let mut answers = vec![HoldAnswer::Gone; tokens.len()];
    for (topic, places) in by_topic(tokens) {
        for places in places.chunks(TOKENS) {
            let mut arguments = vec![worker.group.clone(), worker.owner.to_string()];
            for place in places {
                let token = &tokens[*place];
                arguments.extend([token.id.clone(), token.delivery.to_string(), token.entry.clone()]);
            }
            let arguments: Vec<&[u8]> = arguments.iter().map(|argument| argument.as_bytes()).collect();
            let value = engine.link.script(&script::RELEASE, topic, &arguments).await?;
            for (place, answer) in places.iter().zip(reply::items(&value)) {
                answers[*place] = answer_of(engine, answer)?;
            }
        }
    }
    tokens.iter().for_each(|token| engine.drop_token(token));
    Ok(answers)
}

/// Ends this attempt; another follows.
pub(crate) async fn requeue(
    engine: &RedisEngine,
    worker: &WorkerName,
    token: &DeliveryToken,
    delay: Duration,
) -> Result<HoldAnswer, QueueError> {
    let attempt = token.attempt.saturating_add(1).to_string();
    let starts = starts(engine, token).to_string();
    let parts: [&[u8]; 4] =
        [token.topic.as_bytes(), token.id.as_bytes(), attempt.as_bytes(), starts.as_bytes()];
    let signature = engine.keys.sign(Purpose::Attempt, &parts);
    let (delivery, delay) = (token.delivery.to_string(), millis(delay).to_string());
    let arguments: [&[u8]; 9] = [
        token.id.as_bytes(),
        worker.group.as_bytes(),
        worker.owner.as_bytes(),
        delivery.as_bytes(),
        token.entry.as_bytes(),
        delay.as_bytes(),
        attempt.as_bytes(),
        &signature,
        starts.as_bytes(),
    ];
    let value = engine.link.script(&script::REQUEUE, &token.topic, &arguments).await?;
    engine.drop_token(token);
    answer_of(engine, &value)
}

/// How often it was started, with this delivery. A token that this process does not know was started, as far as it
/// knows.
fn starts(engine: &RedisEngine, token: &DeliveryToken) -> u32 {
    let started = engine.held(token).is_none_or(|held| held.started);
    token.starts.saturating_add(u32::from(started))
}

/// Ends the message.
pub(crate) async fn done(
    engine: &RedisEngine,
    worker: &WorkerName,
    token: &DeliveryToken,
    end: &NewEnd,
    marker_ttl: Duration,
) -> Result<HoldAnswer, QueueError> {
    finish(engine, worker, token, end, Finish { reason: String::new(), marker_ttl }).await
}

/// Makes it a dead letter.
pub(crate) async fn dead(
    engine: &RedisEngine,
    worker: &WorkerName,
    token: &DeliveryToken,
    reason: &DeadReason,
    marker_ttl: Duration,
) -> Result<HoldAnswer, QueueError> {
    let reason = reason.to_string();
    let end = NewEnd { status: EndStatus::Dead, detail: json!({"error": reason}), seal: false };
    finish(engine, worker, token, &end, Finish { reason, marker_ttl }).await
}

struct Finish {
    /// Of a dead letter.
    reason: String,
    marker_ttl: Duration,
}

fn signed_end(engine: &RedisEngine, token: &DeliveryToken, end: &NewEnd) -> Result<SignedBytes, QueueError> {
    let wanted = token.reply_to.is_some();
    let full = MessageEnd {
        id: token.id.clone(),
        topic: token.topic.clone(),
        node: engine.node.clone(),
        status: end.status,
        // Nobody would read it, and it would be kept as long as the marker.
        detail: if wanted { end.detail.clone() } else { serde_json::Value::Null },
        sealed: false,
        deliveries: starts(engine, token),
        attempt: token.attempt,
        ended: engine.now(),
    };
    sign_end(&engine.keys, &full, end.seal)
        .map_err(|problem| engine.invalid(format!("the end of message {}: {problem}", token.id)))
}

async fn finish(
    engine: &RedisEngine,
    worker: &WorkerName,
    token: &DeliveryToken,
    end: &NewEnd,
    finish: Finish,
) -> Result<HoldAnswer, QueueError> {
    let signed = signed_end(engine, token, end)?;
    let birth = birth(engine, token);
    let (delivery, lane) = (token.delivery.to_string(), lane_text(token));
    let ttl = millis(finish.marker_ttl).max(1).to_string();
    let arguments: [&[u8]; 14] = [
        token.id.as_bytes(),
        worker.group.as_bytes(),
        worker.owner.as_bytes(),
        delivery.as_bytes(),
        adopts(engine, token, finish.marker_ttl),
        &birth,
        token.entry.as_bytes(),
        lane.as_bytes(),
        &signed.bytes,
        &signed.signature,
        token.reply_to.as_deref().unwrap_or("").as_bytes(),
        ttl.as_bytes(),
        finish.reason.as_bytes(),
        engine.node.as_bytes(),
    ];
    let value = engine.ends.call(&token.topic, &arguments).await?;
    let answer = answer_of(engine, &value)?;
    if answer == HoldAnswer::Done {
        engine.recent.add(RecentEnd::new(worker, token, &arguments));
    }
    engine.drop_token(token);
    Ok(answer)
}

/// Says ends again that a server has accepted: the one that answers now may not know them. The last ones first, which
/// are the ones that it least knows; until all are said others wait for what they speak of.
pub(crate) async fn done_again(
    engine: &RedisEngine,
    topic: &str,
    ends: &[RecentEnd],
) -> Result<(), QueueError> {
    let newest_first: Vec<&RecentEnd> = ends.iter().rev().collect();
    for ends in newest_first.chunks(ENDS) {
        let arguments: Vec<&[u8]> = ends.iter().flat_map(|end| adopting(end)).collect();
        let value = engine.link.script(&script::DONE, topic, &arguments).await?;
        for (end, answer) in ends.iter().zip(reply::items(&value)) {
            if let HoldAnswer::Lost { owner: Some(owner) } = answer_of(engine, answer)? {
                tracing::warn!(
                    queue = engine.server.queue,
                    topic,
                    "message {} ended here, but the server that took over did not know it, and gave it to {owner}: it may run twice",
                    end.id
                );
            }
        }
    }
    Ok(())
}

/// The arguments of an end, which makes a lost marker again: until it ended nobody else could have the message.
fn adopting(end: &RecentEnd) -> impl Iterator<Item = &[u8]> {
    let arguments = end.arguments.iter().enumerate();
    arguments.map(|(at, argument)| if at == ADOPTS { &b"1"[..] } else { argument.as_slice() })
}
