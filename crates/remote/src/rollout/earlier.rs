//! What earlier attempts at a job gave: on nodes where it succeeded it does not run again.

use serde_json::{Map, Value};

use super::node_result::LastResult;

/// The nodes of a job, in their order, with the last result of each that has one.
pub(super) struct EarlierAttempts(Vec<(String, Option<LastResult>)>);

impl EarlierAttempts {
    /// Of the result of the attempt before, where that is one of a job on these nodes or on those that were nodes.
    pub(super) fn of(result: &Map<String, Value>, is_node: impl Fn(&str) -> bool) -> Option<Self> {
        let nodes = result.get("node")?.as_object()?;
        let read = |(name, entry): (&String, &Value)| {
            let last = LastResult::read(name, entry);
            // The result of a node may be hidden, because its name is that of a secret: then it runs again.
            (last.is_some() || is_node(name)).then(|| (name.clone(), last))
        };
        let nodes: Vec<_> = nodes.iter().filter_map(read).collect();
        (!nodes.is_empty()).then_some(Self(nodes))
    }

    /// The nodes where the job has not succeeded.
    pub(super) fn remaining(&self) -> Vec<String> {
        let succeeded = |last: &Option<LastResult>| last.as_ref().is_some_and(|last| last.result.succeeded());
        self.0.iter().filter(|(_, last)| !succeeded(last)).map(|(name, _)| name.clone()).collect()
    }

    /// The last result of each node, given those of this attempt. A node that is not there now, or whose turn did not
    /// come, keeps the result of the attempt that began there.
    pub(super) fn with(self, mut now: Vec<LastResult>) -> Vec<LastResult> {
        let last_of = |(name, before): (String, Option<LastResult>)| {
            let newer = now.iter().position(|now| now.result.node == name).map(|at| now.swap_remove(at));
            match (before, newer) {
                (Some(before), Some(newer)) if before.result.began() && !newer.result.began() => Some(before),
                (before, newer) => newer.or(before),
            }
        };
        let mut all: Vec<_> = self.0.into_iter().filter_map(last_of).collect();
        all.append(&mut now);
        all
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn earlier(result: Value) -> Option<EarlierAttempts> {
        EarlierAttempts::of(result.as_object().unwrap(), |name| name.starts_with('n'))
    }

    #[test]
    fn what_is_no_result_of_nodes_says_nothing() {
        let ended = |status: &str| json!({"status": status, "attempt": 1, "error": "no"});
        for (nodes, expected) in [
            (json!(null), None),
            (json!("n1"), None),
            (json!({}), None),
            (json!({"other": {"exit_code": 0}, "one": "n1"}), None),
            (json!({"n1": ended("odd")}), Some("n1")),
            (json!({"n1": {"status": "succeeded"}}), Some("n1")),
            (json!({"n1": "***", "gone": ended("failed")}), Some("n1 gone")),
            (json!({"n2": ended("failed"), "n1": ended("succeeded")}), Some("n2")),
            (json!({"n1": ended("skipped"), "n2": ended("not_run")}), Some("n1 n2")),
            (json!({"n1": ended("succeeded")}), Some("")),
        ] {
            let remaining = earlier(json!({"node": nodes})).map(|earlier| earlier.remaining().join(" "));
            assert_eq!(remaining.as_deref(), expected, "{nodes}");
        }
    }

    #[test]
    fn a_result_takes_the_place_of_an_older_one_where_the_job_began_again() {
        for (before, now, expected) in [
            ("failed", "succeeded", "succeeded 2"),
            ("succeeded", "", "succeeded 1"),
            ("skipped", "not_run", "not_run 2"),
            ("not_run", "failed", "failed 2"),
            ("failed", "not_run", "failed 1"),
            ("lost", "skipped", "lost 1"),
            ("failed", "lost", "lost 2"),
        ] {
            let entry = |status, attempt| json!({"status": status, "attempt": attempt, "error": attempt});
            let before = earlier(json!({"node": {"n1": entry(before, 1)}})).unwrap();
            let [last] = before
                .with(LastResult::read("n1", &entry(now, 2)).into_iter().collect())
                .try_into()
                .ok()
                .unwrap();
            let (_, entry) = last.entry();
            assert_eq!(format!("{} {}", entry["status"].as_str().unwrap(), entry["attempt"]), expected);
        }
    }
}
