//! The deployments of an application: how they ended on each node, and how long each step took there.

use super::*;

fn deployment(nodes: usize, steps: bool) -> DeploymentResource {
    let node = |n: usize| {
        let steps = if steps {
            json!({"plan": 12, "prepare": 2100 + n, "switch": 7, "verify": 40})
        } else {
            json!({})
        };
        let node = json!({"from": null, "to": "b", "status": "succeeded", "error": null, "steps_ms": steps});
        (format!("{n:02}{HOSTILE}"), node)
    };
    let nodes: serde_json::Map<String, serde_json::Value> = (0..nodes).map(node).collect();
    serde_json::from_value(json!({
        "id": "d", "app": "shop", "action": "deploy", "automatic": true, "from": null, "to": "b", "by": null,
        "reason": null, "commits": [], "backward": false, "nodes": nodes, "status": "succeeded", "error": HOSTILE,
        "digest": null, "overridden": false, "started_at": "2026-11-29T11:00:00Z", "ended_at": "2026-11-29T11:00:04.5Z",
        "job_id": "",
    }))
    .unwrap()
}

#[test]
fn many_nodes_and_their_steps_are_folded_away() {
    for (nodes, has_steps, folded) in [(2, true, None), (8, false, None), (40, true, Some("32 more"))] {
        let data = app::AppData {
            app: attention::app("shop", "in_sync", None),
            commits: Ok(Page { items: Vec::new(), next_cursor: None }),
            deployments: Page { items: vec![deployment(nodes, has_steps)], next_cursor: None },
        };
        let html = with_frame("/apps/shop", Some(&admin()), |frame| app::screen(frame, &data));
        check(&html);
        let steps = ": plan 12 ms, prepare 2.1 s, switch 7 ms, verify 40 ms</li>";
        assert_eq!(html.matches(steps).count(), if has_steps { nodes } else { 0 }, "{html}");
        assert_eq!(html.contains("<summary>Steps</summary>"), has_steps);
        assert_eq!(html.matches(" more</summary>").count(), usize::from(folded.is_some()));
        assert!(folded.is_none_or(|folded| html.contains(folded)) && html.contains("took 4.5 s"), "{html}");
        let rows = html.split("id=\"deployments\"").nth(1).unwrap();
        assert_eq!(rows.matches("✓</span> succeeded").count(), nodes + 1, "each node, and the deployment");
    }
}
