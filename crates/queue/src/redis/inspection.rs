//! What people ask a queue: topics, messages, dead letters; and what they change: pause, requeue, forget.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::Value;

use crate::error::QueueError;
use crate::inspect::{
    DeadLetter, ForgottenNode, KnownMessage, MessageState, MessageView, NodeView, PausedBy, TopicPause,
    TopicStatus,
};
use crate::message::{Purpose, SignedBytes, open};
use crate::redis::engine::RedisEngine;
use crate::redis::keys;
use crate::redis::marker::{MarkerOf, known, node_of};
use crate::redis::reply::{self, HashReply};
use crate::redis::script;

/// How long a marker is kept where nothing else says it, in milliseconds.
const MARKER_TTL: &[u8] = b"3600000";
/// Nodes that were not seen for so long are not shown.
const SHOWN: Duration = Duration::from_secs(7 * 86400);

/// All topics, by name.
pub(crate) async fn topics(engine: &RedisEngine) -> Result<Vec<String>, QueueError> {
    let mut members = redis::cmd("SMEMBERS");
    members.arg(keys::TOPICS);
    let answer = engine.link.run(keys::TOPICS, &members).await?;
    let mut topics: Vec<String> = reply::texts(&answer);
    topics.retain(|topic| keys::is_topic(topic));
    topics.sort_unstable();
    Ok(topics)
}

/// A topic.
pub(crate) async fn topic(engine: &RedisEngine, topic: &str) -> Result<TopicStatus, QueueError> {
    engine.check_topic(topic)?;
    let answer = engine.link.script(&script::TOPIC, topic, &[]).await?;
    let [now, hash, length, unfinished, delayed, oldest, dead, groups, owners] = reply::items(&answer) else {
        return Err(engine.server.unexpected("the answer of topic.lua is not understood"));
    };
    let (now, hash) = (reply::number(now), HashReply::read(hash));
    let count = |name: &str| hash.number(name).and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
    let mode = hash.text("mode");
    let oldest = reply::text(oldest).unwrap_or_default();
    let oldest = oldest.split('-').next().and_then(|at| at.parse::<i64>().ok());
    let mut nodes = nodes(&hash, groups, now, mode == "every");
    for owner in reply::texts(owners) {
        let node = node_of(&owner);
        nodes.iter_mut().filter(|view| view.node == node).for_each(|view| view.unfinished += 1);
    }
    let (unfinished, delayed, length) =
        (reply::count(unfinished), reply::count(delayed), reply::count(length));
    let every = mode == "every";
    Ok(TopicStatus {
        topic: topic.to_owned(),
        waiting: if every { length } else { length.saturating_sub(unfinished + delayed) },
        delayed,
        unfinished: if every { nodes.iter().map(|node| node.unfinished).sum() } else { unfinished },
        oldest: oldest.map(|at| between(at, now)),
        redelivered: count("redelivered"),
        finished: count("finished"),
        dead: reply::count(dead),
        pause: (hash.text("paused") == "1").then(|| pause_of(engine, topic, &hash)),
        mode: (!mode.is_empty()).then_some(mode),
        nodes,
    })
}

/// Since when it is paused, and by whom, where that is signed.
fn pause_of(engine: &RedisEngine, topic: &str, hash: &HashReply) -> TopicPause {
    let (by, signature) = (hash.bytes("paused_by"), hash.bytes("paused_sign"));
    let is_signed = engine.keys.verify(Purpose::Pause, &[topic.as_bytes(), &by], &signature).is_ok();
    let by = is_signed.then(|| serde_json::from_slice(&by).ok()).flatten();
    TopicPause { since: hash.number("paused_at"), by }
}

fn between(earlier: i64, now: i64) -> Duration {
    Duration::from_millis(u64::try_from(now.saturating_sub(earlier)).unwrap_or(0))
}

fn nodes(hash: &HashReply, groups: &Value, now: i64, every: bool) -> Vec<NodeView> {
    let mut nodes: BTreeMap<String, NodeView> = BTreeMap::new();
    for owner in hash.names_after("h:") {
        let idle = between(hash.number(&format!("h:{owner}")).unwrap_or(0), now);
        let node = node_of(owner);
        let view = NodeView { node: node.clone(), idle, unfinished: 0, behind: 0 };
        let view = nodes.entry(node).or_insert(view);
        view.idle = view.idle.min(idle);
    }
    nodes.retain(|_, view| view.idle < SHOWN);
    for group in reply::items(groups).iter().filter(|_| every) {
        let [node, unfinished, behind] = reply::items(group) else { continue };
        let node = reply::text(node).unwrap_or_default();
        let idle = between(hash.number(&format!("t:{node}")).unwrap_or(0), now);
        let view = NodeView {
            node: node.clone(),
            idle,
            unfinished: reply::count(unfinished),
            behind: reply::count(behind),
        };
        nodes.insert(node, view);
    }
    nodes.into_values().collect()
}

/// A message, in each topic that knows it.
pub(crate) async fn show(engine: &RedisEngine, id: &str) -> Result<Vec<MessageView>, QueueError> {
    let mut views = Vec::new();
    for topic in topics(engine).await? {
        let answer = engine.link.script(&script::SHOW, &topic, &[id.as_bytes()]).await?;
        let [marker, entry, now, paused, lane_held_by] = reply::items(&answer) else {
            return Err(engine.server.unexpected("the answer of show.lua is not understood"));
        };
        let (marker, entry) = (HashReply::read(marker), HashReply::read(entry));
        if marker.is_empty() {
            continue;
        }
        let known: KnownMessage = known(
            &engine.keys,
            MarkerOf { topic: &topic, id },
            &marker,
            !entry.is_empty(),
            reply::number(now),
        );
        let signed = SignedBytes { bytes: entry.bytes("m"), signature: entry.bytes("g") };
        let message = (!entry.is_empty()).then(|| open(&engine.keys, &topic, id, &signed, None));
        let small = |name: &str| marker.number(name).and_then(|number| u32::try_from(number).ok());
        let first = message.as_ref().and_then(|read| read.as_ref().ok()).map_or(1, |message| message.attempt);
        let held = matches!(known.state, MessageState::Held { .. });
        views.push(MessageView {
            deliveries: small("s").unwrap_or(0),
            attempt: small("a").unwrap_or(first),
            lease_until: marker.number("u").filter(|_| held),
            lane: entry.text("k").parse().ok(),
            lane_held_by: reply::text(lane_held_by).filter(|id| !id.is_empty()),
            paused: reply::text(paused).as_deref() == Some("1"),
            topic,
            known,
            message,
        });
    }
    Ok(views)
}

/// Dead letters, oldest first.
pub(crate) async fn dead_letters(
    engine: &RedisEngine,
    topic: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<DeadLetter>, QueueError> {
    engine.check_topic(topic)?;
    let is_entry = |entry: &str| entry.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let from = match after {
        Some(entry) if is_entry(entry) => format!("({entry}"),
        Some(_) => return Err(engine.invalid("a dead letter is named by its entry, like 1718000000000-0")),
        None => "-".to_owned(),
    };
    let mut range = redis::cmd("XRANGE");
    let dead = keys::dead(topic);
    range.arg(&dead).arg(from).arg("+").arg("COUNT").arg(limit);
    let answer = engine.link.run(&dead, &range).await?;
    Ok(reply::items(&answer).iter().filter_map(|entry| letter(engine, topic, entry)).collect())
}

fn letter(engine: &RedisEngine, topic: &str, entry: &Value) -> Option<DeadLetter> {
    let [eid, fields] = reply::items(entry) else { return None };
    let fields = HashReply::read(fields);
    // Of an entry without a valid id, it is that of the entry.
    let id = Some(fields.text("i")).filter(|id| !id.starts_with('!')).unwrap_or_default();
    let signed = SignedBytes { bytes: fields.bytes("m"), signature: fields.bytes("g") };
    let message = open(&engine.keys, topic, &id, &signed, None);
    let first = message.as_ref().map_or(1, |message| message.attempt);
    Some(DeadLetter {
        entry: reply::text(eid)?,
        topic: topic.to_owned(),
        attempt: fields.text("a").parse().unwrap_or(first),
        id,
        reason: fields.text("r"),
        node: fields.text("n"),
        since: fields.number("t").unwrap_or(0),
        message,
    })
}

/// Puts a dead letter back.
pub(crate) async fn requeue_dead(engine: &RedisEngine, letter: &DeadLetter) -> Result<bool, QueueError> {
    if let Err(problem) = &letter.message {
        return Err(QueueError::Altered {
            queue: engine.server.queue.clone(),
            what: format!("dead letter {} of topic {}", letter.entry, letter.topic),
            problem: problem.clone(),
        });
    }
    let attempt = letter.attempt.saturating_add(1).to_string();
    let (topic, id) = (letter.topic.as_bytes(), letter.id.as_bytes());
    let signature = engine.keys.sign(Purpose::Attempt, &[topic, id, attempt.as_bytes(), b"0"]);
    let birth = engine.keys.sign(Purpose::Marker, &[topic, id]);
    let arguments: [&[u8]; 5] = [letter.entry.as_bytes(), attempt.as_bytes(), &signature, &birth, MARKER_TTL];
    let answer = engine.link.script(&script::REQUEUE_DEAD, &letter.topic, &arguments).await?;
    Ok(reply::number(&answer) == 1)
}

/// Pauses a topic, or resumes it where nobody pauses it.
pub(crate) async fn set_paused(
    engine: &RedisEngine,
    topic: &str,
    by: Option<&PausedBy>,
) -> Result<(), QueueError> {
    engine.check_topic(topic)?;
    engine.announce(topic).await?;
    let Some(by) = by else { return engine.link.script(&script::PAUSE, topic, &[b"0"]).await.map(drop) };
    // Texts alone: never fails.
    let by = serde_json::to_vec(by).unwrap_or_default();
    let signature = engine.keys.sign(Purpose::Pause, &[topic.as_bytes(), &by]);
    engine.link.script(&script::PAUSE, topic, &[b"1", &by, &signature]).await.map(drop)
}

/// Removes what is kept for a node.
pub(crate) async fn forget(engine: &RedisEngine, node: &str) -> Result<ForgottenNode, QueueError> {
    if !keys::is_node(node) {
        return Err(engine.invalid("this is not a valid name of a node"));
    }
    let mut forgotten = ForgottenNode::default();
    for topic in topics(engine).await? {
        let answer = engine.link.script(&script::FORGET, &topic, &[node.as_bytes()]).await?;
        if let [known, released, deleted] = reply::items(&answer) {
            forgotten.topics += reply::count(known);
            forgotten.released += reply::count(released);
            forgotten.deleted += reply::count(deleted);
        }
    }
    Ok(forgotten)
}
