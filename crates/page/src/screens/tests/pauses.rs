//! Routers that are paused, and nodes that are drained.

use super::*;

fn runs() -> RouterRuns {
    let run = |status: &str, seconds| RouterRun { status: status.to_owned(), seconds: Some(seconds) };
    let runs = vec![run("failed", 1.5), run("succeeded", 1.0)];
    RouterRuns { runs, median_seconds: Some(1.5), p95_seconds: Some(1.5) }
}

#[test]
fn a_paused_router_says_so_and_can_be_resumed() {
    let pause = |router: &str| PauseResource {
        router: router.to_owned(),
        since: "2026-11-28T11:00:00Z".to_owned(),
        until: None,
        by: RecordedActor {
            user: Some("anna".to_owned()),
            via: "page".to_owned(),
            address: None,
            reason: None,
        },
    };
    let router = |name: &str, paused| RouterResource {
        name: name.to_owned(),
        trigger: "tick".to_owned(),
        selector: "all".to_owned(),
        tasks: Vec::new(),
        paused,
    };
    let mut shown = routers_data(vec![router("backup", Some(pause("backup"))), router("sync", None)]);
    shown.runs.insert("sync".to_owned(), runs());
    let admin = admin();
    let html = with_frame("/routers", Some(&admin), |frame| routers::screen(frame, &shown));
    check(&html);
    for part in [
        "▲ paused",
        "anna",
        "/routers/backup/resume",
        "/routers/sync/pause",
        "50 % of 2 succeeded",
        "p50 1.5 s",
        "1 failed, 1 succeeded",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let seen = with_frame("/routers", None, |frame| routers::screen(frame, &shown));
    assert!(seen.contains("▲ paused") && !seen.contains("/pause") && !seen.contains("/resume"), "{seen}");
    let mut data = now_data(Vec::new());
    data.info.paused.push(pause("backup"));
    let now = with_frame("/", Some(&admin), |frame| now::screen(frame, &data));
    assert!(now.contains("is paused since") && !now.contains("Nothing needs attention"), "{now}");
    assert!(now.contains("its jobs wait until somebody resumes it · by <bdi>anna</bdi>"), "{now}");
    let until = Some("2026-11-29T15:00:00Z".to_owned());
    data.info.paused = vec![PauseResource { until: until.clone(), ..pause("backup") }];
    let now = with_frame("/", Some(&admin), |frame| now::screen(frame, &data));
    assert!(now.contains("its jobs wait until <time datetime=\"2026-11-29T15:00:00Z\""), "{now}");
    let shown = routers_data(vec![router("backup", Some(PauseResource { until, ..pause("backup") }))]);
    let html = with_frame("/routers", Some(&admin), |frame| routers::screen(frame, &shown));
    assert!(html.contains(", until <time datetime=\"2026-11-29T15:00:00Z\""), "{html}");
}

pub(super) fn node(name: &str, is_drained: bool) -> NodeResource {
    NodeResource {
        name: name.to_owned(),
        host: HOSTILE.to_owned(),
        tags: vec![HOSTILE.to_owned()],
        state: "online".to_owned(),
        since: None,
        seen_at: None,
        version: None,
        running: Some(1),
        clock_difference_ms: None,
        error: None,
        drained: is_drained.then(|| DrainResource {
            node: name.to_owned(),
            since: "2026-11-28T11:00:00Z".to_owned(),
            by: RecordedActor {
                user: Some("anna".to_owned()),
                via: "page".to_owned(),
                address: None,
                reason: Some(HOSTILE.to_owned()),
            },
        }),
    }
}

#[test]
fn a_drained_node_says_so_and_can_be_resumed() {
    let nodes = [node("web1", true), node("web2", false)];
    let admin = admin();
    let html = with_frame("/nodes", Some(&admin), |frame| nodes::screen(frame, &nodes));
    check(&html);
    for part in ["▲ drained", "anna", "/nodes/web1/resume", "/nodes/web2/drain", "value=\"one-time\""] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let seen = with_frame("/nodes", None, |frame| nodes::screen(frame, &nodes));
    assert!(seen.contains("▲ drained") && !seen.contains("<form"), "{seen}");
}

#[test]
fn the_screen_of_a_node() {
    let on =
        |status: &str, here: Option<&str>| NodeJob { job: summary(status), here: here.map(str::to_owned) };
    let full = NodeDetails {
        node: NodeResource { error: Some(HOSTILE.to_owned()), ..node(HOSTILE, true) },
        executors: vec![HOSTILE.to_owned()],
        running_jobs: vec![on("running", None)],
        last_jobs: vec![on("failed", Some("succeeded")), on("lost", None)],
    };
    let empty =
        NodeDetails { node: node("web1", false), executors: vec![], running_jobs: vec![], last_jobs: vec![] };
    let admin = admin();
    for (details, parts) in [
        (&full, &["Drained since", "anna", "/resume", "<th>Here</th>", "Resume", "/jobs/01a22833-"][..]),
        (
            &empty,
            &["No executor goes to this node", "No job runs", "/nodes/web1/drain", "heraldd drain web1"],
        ),
    ] {
        let html = with_frame("/nodes/web1", Some(&admin), |frame| node::screen(frame, details, &[]));
        check(&html);
        for part in parts {
            assert!(html.contains(part), "{part}: {html}");
        }
        let seen = with_frame("/nodes/web1", None, |frame| node::screen(frame, details, &[]));
        assert!(!seen.contains("<form"), "{seen}");
    }
    let no_jobs = NodeDetails { executors: vec!["sh".to_owned()], ..empty };
    let html = with_frame("/nodes/web1", None, |frame| node::screen(frame, &no_jobs, &[]));
    assert!(html.contains("No job of its executors has ended yet"), "{html}");
}
