//! What a rollback without a target goes to.

use super::app_book::AppBook;
use super::record::{DeploymentStatus, NodeOutcome};

impl AppBook {
    /// The revision that a rollback goes to: the newest one that was good on all nodes that took part, is not marked
    /// bad, and is not what is left. It comes from our records, never from what is on a disk.
    #[must_use]
    pub fn rollback_target(&self, nodes: &[&str]) -> Option<&str> {
        let recorded = self.revision.as_deref();
        let is_ahead = |node: &&str| {
            let has = self.nodes.get(*node).and_then(|known| known.revision.as_deref());
            has.is_some() && has != recorded && !self.is_behind(node)
        };
        // Some nodes have another one than all should have: all can go to what was recorded for all.
        let left = if nodes.iter().any(is_ahead) { None } else { recorded };
        let is_live_on_all = |revision: &str| {
            let has = |node: &&str| self.nodes.get(*node).and_then(|known| known.revision.as_deref());
            nodes.iter().all(|node| has(node) == Some(revision))
        };
        self.deployments
            .iter()
            .rev()
            .filter(|record| record.status == DeploymentStatus::Succeeded && record.whole)
            .filter_map(|record| record.to.as_deref())
            .find(|revision| Some(*revision) != left && !is_live_on_all(revision) && !self.is_bad(revision))
    }

    /// Whether a node has an older revision only because it was away when the recorded one came: what it has is not
    /// what a rollback leaves, nor does it speak against going there.
    #[must_use]
    pub fn is_behind(&self, node: &str) -> bool {
        use NodeOutcome::{CatchUp, Failed, Skipped, TimedOut, Untouched};
        let outcomes = self.deployments.iter().rev().filter_map(|record| record.nodes.get(node));
        let last =
            outcomes.map(|node| node.status).find(|status| !matches!(status, Untouched | Failed | TimedOut));
        matches!(last, Some(Skipped | CatchUp))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::app_book::KnownAppNode;
    use super::super::record::{DeploymentRecord, DeploymentWay};
    use super::*;

    fn record(n: usize, to: &str, status: DeploymentStatus, whole: bool) -> DeploymentRecord {
        DeploymentRecord {
            id: n.to_string(),
            app: "shop".to_owned(),
            action: DeploymentWay::Deploy,
            by: serde_json::Value::Null,
            automatic: false,
            reason: None,
            from: None,
            to: Some(to.to_owned()),
            commits: Vec::new(),
            backward: false,
            nodes: std::collections::BTreeMap::new(),
            status,
            error: None,
            digest: None,
            overridden: false,
            whole,
            started_at: Timestamp::UNIX_EPOCH,
            ended_at: Timestamp::UNIX_EPOCH,
            job_id: n.to_string(),
        }
    }

    #[test]
    fn the_last_one_that_was_good_everywhere() {
        use DeploymentStatus::{Failed, Partial, Reverted, Succeeded};
        // Deployments, bad revisions, what two nodes have, and the target. The last good one is recorded.
        for (deployments, bad, live, target) in [
            (vec![("A", Succeeded)], "", ["A", "A"], None),
            (vec![("A", Succeeded), ("B", Succeeded)], "", ["B", "B"], Some("A")),
            // Twice: one further, never the bad one.
            (
                vec![("A", Succeeded), ("B", Succeeded), ("C", Succeeded), ("B", Succeeded)],
                "C",
                ["B", "B"],
                Some("A"),
            ),
            // A failed deployment is not a target.
            (
                vec![("Z", Succeeded), ("A", Succeeded), ("B", Reverted), ("C", Failed)],
                "",
                ["A", "A"],
                Some("Z"),
            ),
            // Some nodes were left with C: all go to A.
            (vec![("Z", Succeeded), ("A", Succeeded), ("C", Partial)], "", ["C", "A"], Some("A")),
            // The same revision several times.
            (vec![("A", Succeeded), ("B", Succeeded), ("B", Succeeded)], "", ["B", "B"], Some("A")),
            (vec![], "", ["A", "A"], None),
        ] {
            let mut book = AppBook::default();
            for (n, (to, status)) in deployments.iter().enumerate() {
                book.record(record(n, to, *status, true));
                if *status == Succeeded {
                    book.revision = Some((*to).to_owned());
                }
            }
            if !bad.is_empty() {
                book.mark_bad(bad, "alice", Timestamp::UNIX_EPOCH);
            }
            for (node, revision) in ["n1", "n2"].into_iter().zip(live) {
                let known = KnownAppNode { revision: Some(revision.to_owned()), ..KnownAppNode::default() };
                book.nodes.insert(node.to_owned(), known);
            }
            assert_eq!(book.rollback_target(&["n1", "n2"]), target, "{deployments:?} {live:?}");
        }
    }

    #[test]
    fn two_hundred_are_kept() {
        let mut book = AppBook::default();
        for n in 0..205 {
            book.record(record(n, "A", DeploymentStatus::Succeeded, true));
        }
        assert_eq!(
            (book.deployments.len(), &*book.deployments[0].id, book.unannounced.len()),
            (200, "5", 200)
        );
        // However many are held, what a rollback goes to stays.
        for n in 1000..1300 {
            book.record(record(n, "C", DeploymentStatus::Held, true));
        }
        assert_eq!((book.deployments.len(), book.rollback_target(&["n1"])), (200, Some("A")));
        // A deployment to some nodes alone is not a target.
        book.record(record(300, "B", DeploymentStatus::Succeeded, false));
        assert_eq!(book.rollback_target(&["n1"]), Some("A"));
    }
}
