//! How every node is, as far as it is known.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use herald_core::param::Params;
use herald_remote::{NodeStatus, ProbeError};
use herald_wire::heartbeat::Heartbeat;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::node::{ConfiguredNode, Nodes};
use crate::api::model;

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
struct KnownNode {
    host: String,
    tags: Vec<String>,
    presence: Presence,
    since: Option<Timestamp>,
    seen_at: Option<Timestamp>,
    status: Option<NodeStatus>,
    error: Option<String>,
}

impl KnownNode {
    fn heartbeat(&self) -> Option<&Heartbeat> {
        self.status.as_ref()?.heartbeat.as_ref()
    }
}

/// How every node is.
#[derive(Debug, Default)]
pub struct NodeRegistry {
    nodes: RwLock<BTreeMap<String, KnownNode>>,
}

impl NodeRegistry {
    /// These are the nodes from now on. What is known of those that were there stays.
    pub(super) fn configure(&self, nodes: &Nodes) {
        let mut known = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *known);
        for ConfiguredNode { name, runner, tags } in &nodes.0 {
            let tags = tags.clone();
            let (host, fresh) = (runner.url.to_string(), Presence::Unknown);
            let kept = before.remove(name).filter(|node| node.host == host);
            let node = match kept {
                Some(node) => KnownNode { tags, ..node },
                None => KnownNode {
                    host,
                    tags,
                    presence: fresh,
                    since: None,
                    seen_at: None,
                    status: None,
                    error: None,
                },
            };
            known.insert(name.clone(), node);
        }
    }

    /// Notes the status of a node, or why there is none. Where the node came or went, the parameters of `node_state`.
    pub(super) fn note(
        &self,
        name: &str,
        status: Result<NodeStatus, ProbeError>,
        now: Timestamp,
    ) -> Option<Params> {
        let mut known = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let node = known.get_mut(name)?;
        let (before, presence) =
            (node.presence, if status.is_ok() { Presence::Online } else { Presence::Offline });
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

    /// Whether the node is known to be there.
    pub(super) fn is_online(&self, name: &str) -> bool {
        let known = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        known.get(name).is_some_and(|node| node.presence == Presence::Online)
    }

    /// All of them, by name.
    #[must_use]
    pub fn shown(&self) -> Vec<model::NodeResource> {
        let known = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().map(|(name, node)| shown(name, node)).collect()
    }
}

fn shown(name: &str, node: &KnownNode) -> model::NodeResource {
    let heartbeat = node.heartbeat();
    let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
    model::NodeResource {
        name: name.to_owned(),
        host: without_password(&node.host),
        tags: node.tags.clone(),
        state: node.presence.as_str().to_owned(),
        since: text(node.since),
        seen_at: text(node.seen_at),
        version: heartbeat.map(|heartbeat| heartbeat.version.clone()),
        running: heartbeat
            .filter(|_| node.presence == Presence::Online)
            .map(|heartbeat| heartbeat.running as u64),
        clock_difference_ms: node.status.as_ref().and_then(|status| status.clock_difference_ms),
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
    use herald_remote::RunnerAddress;
    use herald_wire::heartbeat::RunnerState;
    use herald_wire::secret::Secrets;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn node(url: &str) -> Nodes {
        let secrets = Secrets::new(["0123456789abcdef"]).unwrap();
        let runner = RunnerAddress { url: url.parse().unwrap(), secrets, tls: None };
        Nodes(vec![ConfiguredNode { name: "web1".to_owned(), runner, tags: vec!["web".to_owned()] }])
    }

    fn online() -> Result<NodeStatus, ProbeError> {
        let heartbeat =
            Heartbeat { state: RunnerState::Ready, version: "1".to_owned(), running: 2, time_ms: 0 };
        Ok(NodeStatus { heartbeat: Some(heartbeat), clock_difference_ms: Some(-5) })
    }

    #[test]
    fn nodes_come_and_go() {
        let nodes = NodeRegistry::default();
        let one = node("http://u:secret@web1:8124/");
        nodes.configure(&one);
        assert_eq!(nodes.shown()[0].state, "unknown");
        let steps: [(Result<NodeStatus, ProbeError>, Option<&str>, &str); 6] = [
            (online(), None, "online"),
            (online(), None, "online"),
            (Err(ProbeError::Timeout), Some("offline"), "offline"),
            (Err(ProbeError::Timeout), None, "offline"),
            (online(), Some("online"), "online"),
            (online(), None, "online"),
        ];
        for (n, (asked, params, state)) in steps.into_iter().enumerate() {
            let found = nodes.note("web1", asked, at(i64::try_from(n).unwrap()));
            assert_eq!(found.as_ref().map(|params| params["state"].as_str().unwrap()), params, "{n}");
            assert_eq!(nodes.shown()[0].state, state, "{n}");
        }
        let shown = &nodes.shown()[0];
        assert_eq!((shown.since.as_deref(), shown.running), (Some("1970-01-01T00:00:04Z"), Some(2)));
        assert_eq!((shown.host.as_str(), shown.clock_difference_ms), ("http://web1:8124/", Some(-5)));
        // A reload keeps what is known, unless the node is another one.
        nodes.configure(&one);
        assert!(nodes.is_online("web1"));
        nodes.configure(&node("http://other:8124/"));
        assert!(!nodes.is_online("web1"));
        assert!(nodes.note("nobody", online(), at(9)).is_none());
    }
}
