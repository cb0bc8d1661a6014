//! The names of keys in Redis. All keys of a topic have one hash tag, so that a script's keys share a slot.

use sha2::{Digest, Sha256};

/// How many lanes a topic has.
const LANES: u8 = 16;
/// The set of all topics.
pub(crate) const TOPICS: &str = "herald:topics";
/// The longest id in bytes.
pub(crate) const ID_LIMIT: usize = 200;

/// What the keys of a topic begin with.
pub(crate) fn prefix(topic: &str) -> String {
    format!("{{herald:{topic}}}")
}

/// The stream of its messages.
pub(crate) fn stream(topic: &str) -> String {
    format!("{{herald:{topic}}}:s")
}

/// The stream that wakes workers when a message can be had that is not new.
pub(crate) fn wake(topic: &str) -> String {
    format!("{{herald:{topic}}}:w")
}

/// The stream of its dead letters.
pub(crate) fn dead(topic: &str) -> String {
    format!("{{herald:{topic}}}:dead")
}

/// The stream of results for an origin.
pub(crate) fn results(topic: &str, node: &str) -> String {
    format!("{{herald:{topic}}}:r:{node}")
}

/// The lane of a key.
pub(crate) fn lane(key: &str) -> u8 {
    Sha256::digest(key.as_bytes())[0] % LANES
}

/// Whether it can be the name of a topic.
pub(crate) fn is_topic(topic: &str) -> bool {
    let fits = |c: char| !c.is_whitespace() && !c.is_control() && !"{}".contains(c);
    (1..=128).contains(&topic.len()) && topic.chars().all(fits)
}

/// Whether it can be the name of a node.
pub(crate) fn is_node(node: &str) -> bool {
    let fits = |c: char| !c.is_whitespace() && !c.is_control() && c != '/';
    (1..=128).contains(&node.len()) && node.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (topic, valid) in
            [("deploy", true), ("a/b:c", true), ("", false), ("a b", false), ("{a}", false), ("\n", false)]
        {
            assert_eq!(is_topic(topic), valid, "{topic:?}");
        }
        assert!(is_topic(&"x".repeat(128)) && !is_topic(&"x".repeat(129)));
        assert!(is_node("web-1.example") && !is_node("web/1") && !is_node(""));
        assert_eq!(stream("t"), "{herald:t}:s");
        assert!((0..100).all(|n| lane(&n.to_string()) < LANES));
    }
}
