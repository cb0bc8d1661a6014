use herald_access::{AuthenticatedCaller, Via};
use herald_control::model::{GraphEdge, LastJob};

use super::*;
use crate::elements::encode;
use crate::screens::tests::{HOSTILE, check, with_frame_at};

fn node(id: usize, kind: GraphNodeKind, name: &str, detail: &str, last: Option<&str>) -> GraphNode {
    let detail = |of| (kind == of).then(|| detail.to_owned());
    GraphNode {
        id,
        kind,
        name: name.to_owned(),
        type_name: detail(GraphNodeKind::Trigger),
        selector: detail(GraphNodeKind::Routing),
        router: (kind == GraphNodeKind::Task).then(|| "its router".to_owned()),
        executor: detail(GraphNodeKind::Task),
        last: last.map(|status| LastJob {
            job_id: "01a22833-3b1d-73ad-8d05-895b9cb2630f".to_owned(),
            status: status.to_owned(),
            at: "2026-11-29T11:00:00Z".to_owned(),
        }),
        has_older: false,
    }
}

fn edge(from: usize, to: usize, exe_done: bool, sure: bool) -> GraphEdge {
    GraphEdge { from, to, exe_done, sure }
}

/// A trigger, its router, which its own job may start again, and one that it starts.
fn graph(name: &str) -> GraphResource {
    GraphResource {
        nodes: vec![
            node(0, GraphNodeKind::Trigger, name, "cron", None),
            node(1, GraphNodeKind::Routing, "first", name, None),
            node(2, GraphNodeKind::Task, name, "local", Some("timed_out")),
            node(3, GraphNodeKind::Routing, "then", "match_map", None),
            node(4, GraphNodeKind::Task, "tell", name, None),
        ],
        edges: vec![
            edge(0, 1, false, true),
            edge(1, 2, false, true),
            edge(3, 4, false, true),
            edge(2, 1, true, false),
            edge(2, 3, true, true),
        ],
        router_count: None,
        edges_left_out: None,
    }
}

fn shown(address: &str, graph: &GraphResource) -> String {
    let admin = AuthenticatedCaller::admin(Some(HOSTILE.to_owned()), Via::Page);
    with_frame_at("2026-11-29T12:00:00Z", address, Some(&admin), |frame| screen(frame, graph))
}

#[test]
fn the_picture_and_the_table_say_the_same() {
    let html = shown("/graph", &graph("nightly"));
    for part in [
        "<title>trigger nightly, cron</title>",
        "<title>router first, nightly</title>",
        "<title>task nightly, local, last job timed out</title>",
        "<a href=\"/herald/routers?name=its+router\"",
        "<text class=\"outcome bad\"",
        "✕ timed out</text>",
        "class=\"edge chain maybe\"",
        "class=\"edge chain\"",
        "<title>router then, match_map</title>",
        "<h2>As a list</h2>",
        "perhaps <a href=\"/herald/routers?name=first\"><bdi>first</bdi></a>, <a href=\"/herald/routers?name=then\">",
        "an event of Herald",
        "none yet",
        "<a class=\"id\" href=\"/herald/jobs/01a22833-3b1d-73ad-8d05-895b9cb2630f\">",
        "heraldd graph --format dot",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert_eq!(html.matches("<path class=\"edge").count(), 5);
    assert_eq!(html.matches("<polygon").count(), 2);
    check(&html);
}

#[test]
fn hostile_names_stay_texts_and_fit() {
    for name in [HOSTILE.to_owned(), HOSTILE.repeat(100), String::new()] {
        let html = shown(&format!("/graph?router={}", encode(&name)), &graph(&name));
        check(&html);
        let texts = html.split("<text class=\"name\"").skip(1);
        for text in texts {
            let text = text.split('>').nth(1).unwrap().split('<').next().unwrap();
            assert!(text.replace("&lt;", "<").replace("&quot;", "\"").chars().count() <= 60, "{text}");
        }
    }
}

#[test]
fn what_is_left_out_is_said() {
    let mut graph = graph("nightly");
    graph.router_count = Some(10_000);
    graph.edges_left_out = Some(7);
    let html = shown("/graph", &graph);
    assert!(
        html.contains("These are 2 of 10000 routers.") && html.contains("7 chains are left out"),
        "{html}"
    );
    for (address, says) in [("/graph", "No router is configured."), ("/graph?router=x", "No router matches.")]
    {
        let html = shown(address, &GraphResource::default());
        assert!(html.contains(says) && !html.contains("<svg"), "{html}");
        check(&html.replace(says, "<bdi>"));
    }
}
