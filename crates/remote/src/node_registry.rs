//! What is known of every node: whether it is online, since when, and what it reported.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use herald_base::value::Params;
use herald_wire::heartbeat::Heartbeat;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::runner::{NodeStatus, ProbeError};

/// Whether a node is online.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It was not asked yet.
    Unknown,
    /// It answered.
    Online,
    /// It did not answer.
    Offline,
    /// Its runner answers, and rejects the daemon: the secrets or the clocks differ, say.
    Rejected,
}

impl Presence {
    /// Its name in the API and in `node_state`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Rejected => "rejected",
        }
    }
}

/// What is known of a node.
#[derive(Debug, Clone)]
pub struct KnownNode {
    /// Its name.
    pub name: String,
    /// The URL of its runner.
    pub host: String,
    /// What it is for.
    pub tags: Vec<String>,
    /// Whether it is online.
    pub presence: Presence,
    /// Since when.
    pub since: Option<Timestamp>,
    /// When it answered last.
    pub seen_at: Option<Timestamp>,
    /// What it answered last.
    pub status: Option<NodeStatus>,
    /// Why it did not answer.
    pub error: Option<String>,
}

impl KnownNode {
    /// A node that was not asked yet.
    #[must_use]
    pub fn new(name: String, host: String, tags: Vec<String>) -> Self {
        let presence = Presence::Unknown;
        Self { name, host, tags, presence, since: None, seen_at: None, status: None, error: None }
    }

    /// What it reported last.
    #[must_use]
    pub fn heartbeat(&self) -> Option<&Heartbeat> {
        self.status.as_ref()?.heartbeat.as_ref()
    }
}

/// The nodes of a fleet and what is known of them.
#[derive(Debug, Default)]
pub struct NodeRegistry {
    nodes: RwLock<BTreeMap<String, KnownNode>>,
}

impl NodeRegistry {
    /// These are the nodes from now on. What is known of those that were there stays.
    pub fn configure(&self, nodes: impl IntoIterator<Item = KnownNode>) {
        let mut known = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *known);
        for node in nodes {
            let kept = before.remove(&node.name).filter(|kept| kept.host == node.host);
            let node = match kept {
                Some(kept) => KnownNode { tags: node.tags, ..kept },
                None => node,
            };
            known.insert(node.name.clone(), node);
        }
    }

    /// Notes the status of a node, or why there is none. Where the node came or went, the parameters of `node_state`.
    pub fn note(&self, name: &str, status: Result<NodeStatus, ProbeError>, now: Timestamp) -> Option<Params> {
        let mut known = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let node = known.get_mut(name)?;
        let before = node.presence;
        let presence = match &status {
            Ok(_) => Presence::Online,
            Err(error) if error.is_rejection() => Presence::Rejected,
            Err(_) => Presence::Offline,
        };
        let before_since = node.since;
        if before != presence {
            node.presence = presence;
            node.since = Some(now);
        }
        match status {
            Ok(status) => {
                node.seen_at = Some(now);
                node.status = Some(status);
                node.error = None;
            }
            Err(error) => node.error = Some(error.to_string()),
        }
        // Whether it came or went while nobody looked is not known.
        if before == presence || before == Presence::Unknown {
            return None;
        }
        let params = json!({
            "node": name,
            "state": presence.as_str(),
            "before": before.as_str(),
            "since": now.to_string(),
            "before_since": before_since.map(|at| at.to_string()),
            "version": node.heartbeat().map(|heartbeat| heartbeat.version.clone()),
            "tags": node.tags,
            "error": node.error,
        });
        match params {
            Value::Object(params) => Some(params),
            _ => None,
        }
    }

    /// Whether the node is known to be online.
    #[must_use]
    pub fn is_online(&self, name: &str) -> bool {
        let known = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        known.get(name).is_some_and(|node| node.presence == Presence::Online)
    }

    /// All of them, by name. URLs are without users and passwords.
    #[must_use]
    pub fn nodes(&self) -> Vec<KnownNode> {
        let known = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        let shown = |node: &KnownNode| KnownNode { host: without_password(&node.host), ..node.clone() };
        known.values().map(shown).collect()
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
    use herald_wire::heartbeat::RunnerState;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn node(url: &str) -> [KnownNode; 1] {
        [KnownNode::new("web1".to_owned(), url.to_owned(), vec!["web".to_owned()])]
    }

    fn online() -> Result<NodeStatus, ProbeError> {
        let heartbeat = Heartbeat {
            state: RunnerState::Ready,
            version: "1".to_owned(),
            running: 2,
            time_ms: 0,
            id: None,
        };
        Ok(NodeStatus { heartbeat: Some(heartbeat), clock_difference_ms: Some(-5) })
    }

    #[test]
    fn nodes_come_and_go() {
        let nodes = NodeRegistry::default();
        let one = node("http://u:secret@web1:8124/");
        nodes.configure(one.clone());
        assert_eq!(nodes.nodes()[0].presence.as_str(), "unknown");
        let unauthorized = || Err(ProbeError::Rejected("the secrets differ".to_owned()));
        let steps: [(Result<NodeStatus, ProbeError>, Option<&str>, &str); 9] = [
            (online(), None, "online"),
            (online(), None, "online"),
            (Err(ProbeError::Timeout), Some("offline"), "offline"),
            (Err(ProbeError::Timeout), None, "offline"),
            (unauthorized(), Some("rejected"), "rejected"),
            (unauthorized(), None, "rejected"),
            (Err(ProbeError::Timeout), Some("offline"), "offline"),
            (online(), Some("online"), "online"),
            (online(), None, "online"),
        ];
        for (n, (asked, params, state)) in steps.into_iter().enumerate() {
            let found = nodes.note("web1", asked, at(i64::try_from(n).unwrap()));
            assert_eq!(found.as_ref().map(|params| params["state"].as_str().unwrap()), params, "{n}");
            assert_eq!(nodes.nodes()[0].presence.as_str(), state, "{n}");
        }
        let shown = &nodes.nodes()[0];
        assert_eq!(
            (shown.since, shown.heartbeat().map(|heartbeat| heartbeat.running)),
            (Some(at(7)), Some(2))
        );
        assert_eq!((shown.host.as_str(), shown.status.clone()), ("http://web1:8124/", online().ok()));
        // A reload keeps what is known, unless the node is another one.
        nodes.configure(one);
        assert!(nodes.is_online("web1"));
        nodes.configure(node("http://other:8124/"));
        assert!(!nodes.is_online("web1"));
        assert!(nodes.note("nobody", online(), at(9)).is_none());
    }
}
