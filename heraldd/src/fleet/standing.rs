//! How every node is, as far as it is known.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use herald_core::param::Params;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::api::model;
use crate::executor::http_remote::Beat;

/// Whether a node is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// It was not asked yet.
    Unknown,
    Online,
    Offline,
}

impl Presence {
    fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Online => "online",
            Self::Offline => "offline",
        }
    }
}

/// What is known of a node.
#[derive(Debug, Clone)]
struct Node {
    host: String,
    tags: Vec<String>,
    presence: Presence,
    since: Option<Timestamp>,
    seen_at: Option<Timestamp>,
    beat: Option<Beat>,
    error: Option<String>,
}

/// How every node is.
#[derive(Debug, Default)]
pub struct Nodes {
    nodes: RwLock<BTreeMap<String, Node>>,
}

impl Nodes {
    /// These are the nodes from now on. What is known of those that were there stays.
    pub(super) fn configure(&self, nodes: &Map<String, Value>) {
        let mut known = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *known);
        for (name, options) in nodes {
            let text = |key: &str| options.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let tags = match options.get("tags") {
                Some(Value::String(tag)) => vec![tag.clone()],
                Some(Value::Array(tags)) => {
                    tags.iter().filter_map(Value::as_str).map(str::to_owned).collect()
                }
                _ => Vec::new(),
            };
            let (host, fresh) = (text("host"), Presence::Unknown);
            let kept = before.remove(name).filter(|node| node.host == host);
            let node = match kept {
                Some(node) => Node { tags, ..node },
                None => {
                    Node { host, tags, presence: fresh, since: None, seen_at: None, beat: None, error: None }
                }
            };
            known.insert(name.clone(), node);
        }
    }

    /// Notes an answer, or why there was none. Where the node came or went, what `node_state` tells of it.
    pub(super) fn note(&self, name: &str, asked: Result<Beat, String>, now: Timestamp) -> Option<Params> {
        let mut known = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let node = known.get_mut(name)?;
        let (before, presence) =
            (node.presence, if asked.is_ok() { Presence::Online } else { Presence::Offline });
        let before_since = node.since;
        if before != presence {
            node.presence = presence;
            node.since = Some(now);
        }
        match asked {
            Ok(beat) => {
                node.seen_at = Some(now);
                node.beat = Some(beat);
                node.error = None;
            }
            Err(why) => node.error = Some(why),
        }
        // Whether it came or went while nobody looked is not known.
        if before == presence || before == Presence::Unknown {
            return None;
        }
        let told = json!({
            "node": name,
            "state": presence.as_str(),
            "before": before.as_str(),
            "since": now.to_string(),
            "before_since": before_since.map(|at| at.to_string()),
            "version": node.beat.as_ref().and_then(|beat| beat.told.as_ref()).map(|told| told.version.clone()),
            "tags": node.tags,
            "error": node.error,
        });
        match told {
            Value::Object(told) => Some(told),
            _ => None,
        }
    }

    /// Whether the node is known to be there.
    pub(super) fn is_online(&self, name: &str) -> bool {
        let known = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        known.get(name).is_some_and(|node| node.presence == Presence::Online)
    }

    /// All of them, by name.
    #[must_use]
    pub fn shown(&self) -> Vec<model::Node> {
        let known = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().map(|(name, node)| shown(name, node)).collect()
    }
}

fn shown(name: &str, node: &Node) -> model::Node {
    let told = node.beat.as_ref().and_then(|beat| beat.told.as_ref());
    let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
    model::Node {
        name: name.to_owned(),
        host: without_password(&node.host),
        tags: node.tags.clone(),
        state: node.presence.as_str().to_owned(),
        since: text(node.since),
        seen_at: text(node.seen_at),
        version: told.map(|told| told.version.clone()),
        running: told.filter(|_| node.presence == Presence::Online).map(|told| told.running as u64),
        clock_difference_ms: node.beat.as_ref().and_then(|beat| beat.clock_difference_ms),
        error: node.error.clone(),
    }
}

fn without_password(url: &str) -> String {
    match reqwest::Url::parse(url) {
        Ok(mut url) => {
            // Fails only for URLs without a host, which are refused before.
            let _ = (url.set_password(None), url.set_username(""));
            url.to_string()
        }
        Err(_) => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use herald_wire::heartbeat::{Heartbeat, RunnerState};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn beat() -> Result<Beat, String> {
        let told = Heartbeat { state: RunnerState::Ready, version: "1".to_owned(), running: 2, time_ms: 0 };
        Ok(Beat { told: Some(told), clock_difference_ms: Some(-5) })
    }

    #[test]
    fn nodes_come_and_go() {
        let nodes = Nodes::default();
        let one = json!({"web1": {"host": "http://u:secret@web1:8124/", "tags": ["web"]}});
        nodes.configure(one.as_object().unwrap());
        assert_eq!(nodes.shown()[0].state, "unknown");
        let steps: [(Result<Beat, String>, Option<&str>, &str); 6] = [
            (beat(), None, "online"),
            (beat(), None, "online"),
            (Err("gone".to_owned()), Some("offline"), "offline"),
            (Err("still gone".to_owned()), None, "offline"),
            (beat(), Some("online"), "online"),
            (beat(), None, "online"),
        ];
        for (n, (asked, told, state)) in steps.into_iter().enumerate() {
            let found = nodes.note("web1", asked, at(i64::try_from(n).unwrap()));
            assert_eq!(found.as_ref().map(|params| params["state"].as_str().unwrap()), told, "{n}");
            assert_eq!(nodes.shown()[0].state, state, "{n}");
        }
        let shown = &nodes.shown()[0];
        assert_eq!((shown.since.as_deref(), shown.running), (Some("1970-01-01T00:00:04Z"), Some(2)));
        assert_eq!((shown.host.as_str(), shown.clock_difference_ms), ("http://web1:8124/", Some(-5)));
        // A reload keeps what is known, unless the node is another one.
        nodes.configure(one.as_object().unwrap());
        assert!(nodes.is_online("web1"));
        nodes.configure(json!({"web1": {"host": "http://other:8124/"}}).as_object().unwrap());
        assert!(!nodes.is_online("web1"));
        assert!(nodes.note("nobody", beat(), at(9)).is_none());
    }
}
