//! Reads the marker of a message: where it is, and how it ended.

use crate::inspect::{KnownMessage, MessageState};
use crate::message::{MessageEnd, Purpose, SignedBytes, SigningKeys, read_end};
use crate::redis::reply::HashReply;

/// Whose marker it is.
#[derive(Clone, Copy)]
pub(crate) struct MarkerOf<'a> {
    pub(crate) topic: &'a str,
    pub(crate) id: &'a str,
}

/// What a marker says, as far as its signatures allow. `entry`: its entry is in the stream. `now`: the time of Redis in
/// milliseconds since 1970.
pub(crate) fn known(
    keys: &SigningKeys,
    of: MarkerOf<'_>,
    marker: &HashReply,
    entry: bool,
    now: i64,
) -> KnownMessage {
    let ends = ends(keys, of, marker);
    let state = state(keys, of, marker, &ends, EntryAt { exists: entry, now });
    KnownMessage { id: of.id.to_owned(), state, ends }
}

struct EntryAt {
    exists: bool,
    now: i64,
}

fn state(
    keys: &SigningKeys,
    of: MarkerOf<'_>,
    marker: &HashReply,
    ends: &[MessageEnd],
    entry: EntryAt,
) -> MessageState {
    let EntryAt { exists, now } = entry;
    let reason = marker.text("x");
    if !reason.is_empty() && !ends.is_empty() {
        return MessageState::Dead { reason };
    }
    let born = [of.topic.as_bytes(), of.id.as_bytes()];
    if !ends.is_empty() && !exists {
        return MessageState::Ended;
    }
    if marker.is_empty() || keys.verify(Purpose::Marker, &born, &marker.bytes("b")).is_err() {
        return if exists && !marker.is_empty() { MessageState::Waiting } else { MessageState::Missing };
    }
    if marker.text("w") == "1" {
        return MessageState::Withdrawn;
    }
    let owner = marker.text("o");
    if !owner.is_empty() && marker.number("u").unwrap_or(0) > now {
        let started = !marker.text("sn").is_empty() && marker.text("sn") == marker.text("n");
        return MessageState::Held { node: node_of(&owner), started };
    }
    if let Some(node) = marker.names_after("u:").find(|node| is_held(marker, node, now)) {
        return MessageState::Held { node: node.to_owned(), started: true };
    }
    match marker.number("d") {
        _ if !exists => MessageState::Missing,
        Some(due) if due > now => MessageState::Delayed(due),
        _ => MessageState::Waiting,
    }
}

fn is_held(marker: &HashReply, node: &str, now: i64) -> bool {
    marker.number(&format!("u:{node}")).unwrap_or(0) > now
}

/// The ends whose signatures are right.
fn ends(keys: &SigningKeys, of: MarkerOf<'_>, marker: &HashReply) -> Vec<MessageEnd> {
    let read = |group: &str| {
        let signed = SignedBytes {
            bytes: marker.bytes(&format!("f{group}")),
            signature: marker.bytes(&format!("fs{group}")),
        };
        read_end(keys, of.topic, of.id, &signed).ok()
    };
    let nodes = marker.names_after("f:").map(|node| format!(":{node}"));
    std::iter::once(String::new()).chain(nodes).filter_map(|group| read(&group)).collect()
}

/// The node of an owner, which is `NODE/TRIGGER`.
pub(crate) fn node_of(owner: &str) -> String {
    owner.split_once('/').map_or(owner, |(node, _)| node).to_owned()
}
