//! Puts messages, and compares what their origin knows with what Redis has.

use std::time::Duration;

use redis::Value;

use crate::error::QueueError;
use crate::inspect::{KnownMessage, MessageState};
use crate::message::{NewMessage, Purpose, SignedBytes, pack};
use crate::queue::PutAnswer;
use crate::redis::engine::{RedisEngine, millis};
use crate::redis::keys;
use crate::redis::marker::{MarkerOf, known};
use crate::redis::reply::{self, HashReply};
use crate::redis::script;
use crate::withdrawal::Withdrawal;

/// How many messages one call compares: each entry is read whole.
const COMPARED: usize = 32;

/// Puts a message.
pub(crate) async fn put(engine: &RedisEngine, message: &NewMessage) -> Result<PutAnswer, QueueError> {
    engine.check_topic(&message.topic)?;
    check_id(engine, &message.id)?;
    let signed = pack(&engine.keys, message, &engine.node, engine.now())
        .map_err(|problem| engine.invalid(format!("message {}: {problem}", message.id)))?;
    engine.announce(&message.topic).await.map_err(QueueError::before_the_call)?;
    match call(engine, message, &signed, false).await? {
        // Its marker is not signed, or its end is not: somebody else wrote it.
        PutAnswer::AlreadyKnown(KnownMessage { state: MessageState::Missing, .. }) => {
            tracing::warn!(
                queue = engine.server.queue,
                id = message.id,
                "a marker with an invalid signature is replaced"
            );
            call(engine, message, &signed, true).await
        }
        answer => Ok(answer),
    }
}

fn check_id(engine: &RedisEngine, id: &str) -> Result<(), QueueError> {
    // As id_of in prelude.lua.
    let fits = (1..=keys::ID_LIMIT).contains(&id.len())
        && id.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && !id.starts_with([' ', '!']);
    if fits {
        Ok(())
    } else {
        Err(engine
            .invalid("an id must have 1 to 200 characters of ASCII, without control characters, and not begin with a space or `!`"))
    }
}

async fn call(
    engine: &RedisEngine,
    message: &NewMessage,
    signed: &SignedBytes,
    replace: bool,
) -> Result<PutAnswer, QueueError> {
    let NewMessage { id, topic, .. } = message;
    let birth = engine.keys.sign(Purpose::Marker, &[topic.as_bytes(), id.as_bytes()]);
    let lane = message.key.as_deref().map(|key| keys::lane(key).to_string()).unwrap_or_default();
    let numbers = [millis(message.delay), message.max_length, millis(message.marker_ttl).max(1)];
    let [delay, max_length, ttl] = numbers.map(|number| number.to_string());
    let flag = |set: bool| if set { &b"1"[..] } else { b"0" };
    let reply_to = if message.reply { engine.node.as_str() } else { "" };
    let arguments: [&[u8]; 11] = [
        id.as_bytes(),
        &signed.bytes,
        &signed.signature,
        &birth,
        lane.as_bytes(),
        delay.as_bytes(),
        max_length.as_bytes(),
        ttl.as_bytes(),
        reply_to.as_bytes(),
        flag(message.again),
        flag(replace),
    ];
    let answer = engine.puts.call(topic, &arguments).await?;
    let items = reply::items(&answer);
    match (items.first().and_then(reply::text).as_deref(), items) {
        (Some("ok"), _) => Ok(PutAnswer::Accepted),
        (Some("full"), [_, length]) => Ok(PutAnswer::Full { length: reply::count(length) }),
        (Some("known"), [_, marker, entry, now]) => {
            let of = MarkerOf { topic, id };
            let marker = HashReply::read(marker);
            let known = known(&engine.keys, of, &marker, reply::number(entry) == 1, reply::number(now));
            Ok(PutAnswer::AlreadyKnown(known))
        }
        _ => Err(engine.server.unexpected("the answer of put.lua is not understood")),
    }
}

/// Takes a message back that no worker has.
pub(crate) async fn withdraw(
    engine: &RedisEngine,
    topic: &str,
    id: &str,
    remember: Duration,
) -> Result<Withdrawal, QueueError> {
    engine.check_topic(topic)?;
    check_id(engine, id)?;
    let birth = engine.keys.sign(Purpose::Marker, &[topic.as_bytes(), id.as_bytes()]);
    let ttl = millis(remember).max(1).to_string();
    let arguments: [&[u8]; 3] = [id.as_bytes(), &birth, ttl.as_bytes()];
    let answer = engine.link.script(&script::WITHDRAW, topic, &arguments).await?;
    match reply::text(&answer).as_deref() {
        Some("ok") => Ok(Withdrawal::Withdrawn),
        Some("taken") => Ok(Withdrawal::Taken),
        _ => Err(engine.server.unexpected("the answer of withdraw.lua is not understood")),
    }
}

/// What Redis knows of these messages, in their order.
pub(crate) async fn compare(
    engine: &RedisEngine,
    topic: &str,
    ids: &[String],
) -> Result<Vec<KnownMessage>, QueueError> {
    engine.check_topic(topic)?;
    let mut all = Vec::with_capacity(ids.len());
    for ids in ids.chunks(COMPARED) {
        let arguments: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes()).collect();
        let answer = engine.link.script(&script::COMPARE, topic, &arguments).await?;
        let answers = reply::items(&answer);
        if answers.len() != ids.len() {
            return Err(engine.server.unexpected("the answer of compare.lua is not understood"));
        }
        all.extend(ids.iter().zip(answers).map(|(id, answer)| one(engine, MarkerOf { topic, id }, answer)));
    }
    Ok(all)
}

fn one(engine: &RedisEngine, of: MarkerOf<'_>, answer: &Value) -> KnownMessage {
    match reply::items(answer) {
        [marker, entry, now] => {
            let marker = HashReply::read(marker);
            known(&engine.keys, of, &marker, reply::number(entry) == 1, reply::number(now))
        }
        _ => KnownMessage { id: of.id.to_owned(), state: MessageState::Missing, ends: Vec::new() },
    }
}
