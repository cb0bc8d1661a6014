//! What needs attention: the first part of `/`, a line for each thing, with a link to where one acts.

use std::collections::BTreeMap;

use herald_control::model::{
    AppResource, JobSummary, NodeResource, PauseResource, PublishedResource, QueueResource, RecordedActor,
};
use maud::{Markup, html};

use super::data::NowData;
use crate::elements::{self, PartUnavailable, encode, sign};
use crate::frame::Frame;
use crate::screens::published::{name_of, needs_attention};
use crate::screens::queues::paused as paused_topic;

/// The most lines of each kind.
const MOST: usize = 50;
/// The most lines of a damaged state.
const DAMAGED: usize = 3;
/// The most characters of an error, and names in a line.
const ERROR: usize = 200;
const NAMES: usize = 5;

/// The part of the screen: `routers` has the ended jobs of each router, newest first.
pub(super) fn part(frame: &Frame<'_>, data: &NowData, routers: &BTreeMap<&str, Vec<&JobSummary>>) -> Markup {
    let mut lines = problems(data);
    lines.extend(elements::failed_reload(frame, &data.info));
    let failing = routers.iter().filter(|(_, jobs)| jobs.first().is_some_and(|job| is_bad(job)));
    lines.extend(failing.take(MOST).map(|(router, jobs)| failed(frame, router, jobs)));
    let nodes = data.nodes.iter().filter(|node| matches!(&*node.state, "offline" | "rejected"));
    lines.extend(nodes.take(MOST).map(|node| away(frame, node)));
    lines.extend(data.nodes.iter().filter_map(|node| drained(frame, node)).take(MOST));
    lines.extend(data.info.paused.iter().take(MOST).map(|pause| paused(frame, pause)));
    lines.extend(data.queues.iter().flat_map(|queue| topics(frame, queue)).take(MOST));
    let projects = data.published.iter().filter(|one| needs_attention(one));
    lines.extend(projects.take(MOST).map(|one| project(frame, one, &data.published)));
    lines.extend(data.apps.iter().flat_map(|app| application(frame, app)).take(MOST));
    // What happens on other servers, on disks and in etcd is not announced.
    let is_slow = !(data.queues.is_empty() && data.published.is_empty());
    html! {
        section #wrong data-part data-slow[is_slow] aria-label="What needs attention" {
            @if lines.is_empty() { p.notice { (sign("good")) "Nothing needs attention." } }
            @for line in &lines { div.wrong { (line) } }
        }
    }
}

pub(super) fn is_bad(job: &JobSummary) -> bool {
    matches!(&*job.status, "failed" | "timed_out" | "lost" | "rejected")
}

/// What the daemon says of itself.
fn problems(data: &NowData) -> Vec<Markup> {
    let line = |problem: &str| html! { (sign("bad")) bdi { (problem) } };
    match &data.health {
        Err(PartUnavailable(why)) => vec![line(why)],
        Ok(health) => {
            // Each damaged job is one: they must not bury what else there is.
            let mut lines: Vec<Markup> =
                health.damage.iter().take(DAMAGED).map(|problem| line(problem)).collect();
            if health.damage.len() > DAMAGED {
                let more = health.damage.len() - DAMAGED;
                lines.push(html! { (sign("bad")) (more) " more parts of the state are damaged: " code { "heraldd state check" } " names them" });
            }
            let connections = health.etcd.iter().chain(&health.queue);
            lines.extend(connections.take(MOST).map(|problem| line(problem)));
            lines
        }
    }
}

fn error(text: Option<&str>) -> Markup {
    html! { @if let Some(text) = text { " · " bdi { (elements::cut(text, ERROR)) } } }
}

fn failed(frame: &Frame<'_>, router: &str, jobs: &[&JobSummary]) -> Markup {
    let times = jobs.iter().take_while(|job| is_bad(job)).count();
    html! {
        (sign("bad")) b { bdi { (router) } } " failed "
        @if times > 1 { (times) " times in a row, since " (elements::time(frame, &jobs[times - 1].queued_at)) }
        @else { (elements::time(frame, &jobs[0].queued_at)) }
        (error(jobs[0].error.as_deref()))
        " · " a href=(frame.site.at("/jobs", &[&jobs[0].id])) { "job and log" }
        @if let Some(good) = jobs.iter().find(|job| !is_bad(job)) {
            span.ago { " · last good " (elements::time(frame, &good.queued_at)) }
        }
    }
}

fn node_link(frame: &Frame<'_>, name: &str) -> Markup {
    html! { "node " a href=(frame.site.at("/nodes", &[name])) { bdi { (name) } } }
}

fn away(frame: &Frame<'_>, node: &NodeResource) -> Markup {
    html! {
        (sign("bad")) (node_link(frame, &node.name)) " is " (node.state)
        @if let Some(since) = &node.since { " since " (elements::time(frame, since)) }
        (error(node.error.as_deref()))
    }
}

fn drained(frame: &Frame<'_>, node: &NodeResource) -> Option<Markup> {
    let drain = node.drained.as_ref()?;
    Some(html! {
        (sign("odd")) (node_link(frame, &node.name)) " is drained since " (elements::time(frame, &drain.since))
        ": it gets no new jobs until somebody resumes it" (by(&drain.by))
    })
}

fn paused(frame: &Frame<'_>, pause: &PauseResource) -> Markup {
    html! {
        (sign("odd")) "router " a href={ (frame.site.to("/routers?name=")) (encode(&pause.router)) } { bdi { (pause.router) } }
        " is paused since " (elements::time(frame, &pause.since)) ": its jobs wait until "
        @match &pause.until { Some(until) => { (elements::time(frame, until)) }, None => { "somebody resumes it" } }
        (by(&pause.by))
    }
}

/// By whom, and why.
fn by(by: &RecordedActor) -> Markup {
    html! { " · by " (elements::actor(by)) }
}

/// Topics that workers get no messages of, and those with dead letters.
fn topics(frame: &Frame<'_>, queue: &QueueResource) -> Vec<Markup> {
    let of = |topic: &str| html! { "topic " a href=(frame.site.at("/queues", &[&queue.name, "topics", topic])) { bdi { (queue.name) "/" (topic) } } };
    let mut lines = Vec::new();
    for topic in &queue.topics {
        let waiting = topic.waiting + topic.delayed;
        if topic.paused {
            lines.push(html! {
                (sign("odd")) (of(&topic.topic)) " is paused: "
                @if waiting == 1 { "1 message waits" } @else { (waiting) " messages wait" }
                " until somebody resumes it"
                @if topic.pause.is_some() { " ·" (paused_topic(frame, topic)) }
            });
        }
        if topic.dead > 0 {
            let count = elements::counted(usize::try_from(topic.dead).unwrap_or(usize::MAX), "dead letter");
            lines.push(html! { (sign("bad")) (of(&topic.topic)) " has " (count) });
        }
    }
    lines
}

fn project(frame: &Frame<'_>, project: &PublishedResource, all: &[PublishedResource]) -> Markup {
    let name = name_of(project, all);
    let kind = if project.state == "failed" { "bad" } else { "odd" };
    html! {
        (sign(kind)) "project " a href=(frame.site.at("/published", &[&name])) { bdi { (name) } }
        @match &*project.state {
            "held" => " is held: its files stay as they are",
            "drifted" => " has drifted",
            _ => " could not be published",
        }
        (error(project.error.as_deref()))
    }
}

/// A hold, and the nodes on which something else is than what was deployed.
fn application(frame: &Frame<'_>, app: &AppResource) -> Vec<Markup> {
    let link = html! { "application " a href=(frame.site.at("/apps", &[&app.name])) { bdi { (app.name) } } };
    let mut lines = Vec::new();
    if let Some(hold) = &app.hold {
        lines.push(html! {
            (sign("odd")) (link) " is held since " (elements::time(frame, &hold.since)) ": nothing is deployed until "
            @match &hold.until { Some(until) => { (elements::time(frame, until)) }, None => { "somebody ends the hold" } }
            " · by " bdi { (hold.by) } ": “" bdi { (hold.reason) } "”"
        });
    }
    for (state, kind, says) in [
        ("broken", "bad", " is broken on "),
        ("drifted", "odd", " has drifted: files were changed on "),
        ("outdated", "odd", " has another revision than what was deployed on "),
    ] {
        let nodes: Vec<&str> =
            app.nodes.iter().filter(|(_, node)| node.state == state).map(|(name, _)| &**name).collect();
        let is_to_come = state == "outdated" && app.running.is_some();
        if !nodes.is_empty() && !is_to_come {
            lines.push(html! {
                (sign(kind)) (link) (says) bdi { (nodes[..nodes.len().min(NAMES)].join(", ")) }
                @if nodes.len() > NAMES { " and " (nodes.len() - NAMES) " more" }
            });
        }
    }
    lines
}
