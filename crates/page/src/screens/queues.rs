//! `/queues` and `/queues/QUEUE/topics/TOPIC`: the queues between servers, how their topics do, and dead letters.

use herald_access::Role;
use herald_control::model::{
    DeadLetterResource, Page, QueueList, QueueResource, TopicNodeResource, TopicResource,
};
use herald_terminal::human_time;
use jiff::SignedDuration;
use maud::{Markup, html};

use crate::elements::{self, ActButton, PartUnavailable, sign, word};
use crate::frame::Frame;

/// The most topics of a queue that are shown.
const MOST: usize = 200;

/// The document of `/queues`.
#[must_use]
pub fn screen(frame: &Frame<'_>, queues: &QueueList) -> String {
    frame.screen(
        "Queues",
        &html! {
            @if queues.items.is_empty() {
                p.empty { "No queue is configured. The section “queue” names those that jobs are sent through." }
            }
            // What other servers do there is not announced.
            section #queues data-part data-slow[!queues.items.is_empty()] {
                @for queue in &queues.items { (one_queue(frame, queue)) }
            }
            (elements::command("heraldd queue    heraldd queue pause TOPIC    heraldd queue resume TOPIC"))
        },
    )
}

fn one_queue(frame: &Frame<'_>, queue: &QueueResource) -> Markup {
    html! {
        h2 { bdi { (queue.name) } }
        (trouble(frame, queue))
        @if queue.connected { p.soft { "This server is " bdi { (queue.node) } " there." } }
        @if !queue.topics.is_empty() {
            div.scroll tabindex="0" role="region" aria-label={ "Topics of " (queue.name) } { table.cards {
                thead { tr { th { "Topic" } th { "State" } th { "Waiting" } th { "Delayed" } th { "Held" } th { "Dead" } th { "Oldest" } th { "Mode" } } }
                tbody { @for topic in queue.topics.iter().take(MOST) { (topic_row(frame, queue, topic)) } }
            } }
            @if queue.topics.len() > MOST { p.soft { (queue.topics.len() - MOST) " more are not shown; " code { "heraldd queue" } " lists all." } }
        } @else if queue.connected { p.empty { "No topic has had a message yet." } }
    }
}

/// Why a queue cannot be used, where it cannot.
fn trouble(frame: &Frame<'_>, queue: &QueueResource) -> Markup {
    html! {
        @if !queue.connected {
            p.wrong {
                (sign("bad")) "It cannot be used"
                @if let Some(since) = &queue.unreachable_since { " since " (elements::time(frame, since)) }
                "; events are accepted, and their jobs wait: "
                bdi { (queue.error.as_deref().unwrap_or("it was not reached yet")) }
            }
        }
    }
}

fn topic_row(frame: &Frame<'_>, queue: &QueueResource, topic: &TopicResource) -> Markup {
    html! {
        tr {
            td.name.lead { a href=(frame.site.at("/queues", &[&queue.name, "topics", &topic.topic])) { bdi { (topic.topic) } } }
            td.mark { (state(topic)) @if topic.pause.is_some() { div.soft { (paused(frame, topic)) } } }
            td data-n="Waiting" { (topic.waiting) }
            td data-n="Delayed" { (topic.delayed) }
            td data-n="Held" { (topic.unfinished) }
            td data-n="Dead" { (dead_count(topic)) }
            td data-n="Oldest" { (age(topic.oldest_seconds)) }
            td data-n="Mode" { (topic.mode.as_deref().unwrap_or("–")) }
        }
    }
}

/// Whether workers get its messages.
fn state(topic: &TopicResource) -> Markup {
    elements::status(if topic.paused {
        "paused"
    } else if topic.nodes.is_empty() {
        "no worker"
    } else {
        "ok"
    })
}

/// Since when it is paused, by whom, and why, as far as it is known.
pub(super) fn paused(frame: &Frame<'_>, topic: &TopicResource) -> Markup {
    html! { @if let Some(pause) = &topic.pause {
        @if let Some(since) = &pause.since { " since " (elements::time(frame, since)) }
        @if let Some(by) = &pause.by { " by " (elements::actor(by)) }
    } }
}

fn dead_count(topic: &TopicResource) -> Markup {
    html! { @if topic.dead > 0 { span.bad { "✕ " (topic.dead) } } @else { "0" } }
}

fn age(seconds: Option<u64>) -> String {
    let span = seconds.and_then(|seconds| i64::try_from(seconds).ok()).map(SignedDuration::from_secs);
    span.map_or_else(|| "–".to_owned(), human_time::span)
}

/// What the screen of a topic shows.
pub struct TopicData {
    /// Its queue.
    pub queue: String,
    /// The topic.
    pub topic: TopicResource,
    /// Its dead letters, oldest first, or why they cannot be read.
    pub dead: Result<Page<DeadLetterResource>, PartUnavailable>,
}

/// The document of `/queues/QUEUE/topics/TOPIC`.
#[must_use]
pub fn topic(frame: &Frame<'_>, data: &TopicData) -> String {
    let TopicData { queue, topic, .. } = data;
    let of = format!("{} --queue {}", word(&topic.topic), word(queue));
    frame.screen(
        &format!("{queue} ▸ {}", topic.topic),
        &html! {
            section #state data-part data-slow {
                @if topic.paused { p.wrong { (sign("odd")) "Paused" (paused(frame, topic)) ". No worker gets its messages, on any server. What they have, they finish." } }
                dl.card {
                    dt { "State" } dd { (state(topic)) }
                    dt { "Waiting" } dd { (topic.waiting) @if topic.delayed > 0 { ", and " (topic.delayed) " with a delay" } }
                    dt { "Held by workers" } dd { (topic.unfinished) @if topic.redelivered > 0 { ", and " (topic.redelivered) " leases ended before their messages" } }
                    dt { "Oldest message" } dd { (age(topic.oldest_seconds)) }
                    dt { "Finished" } dd { (topic.finished) }
                    dt { "Dead letters" } dd { (dead_count(topic)) }
                    dt { "Mode" } dd { (mode(topic)) }
                }
            }
            section #acts data-part { (elements::acts(frame, frame.has(Role::Operator), &acts(frame, data))) }
            section #nodes data-part data-slow {
                h2 { "Workers" }
                @if topic.nodes.is_empty() { p.empty { "No server reads it. One with a trigger of the type “queue” for this topic does." } }
                @else { (nodes(frame, &topic.nodes)) }
            }
            (dead_letters(frame, data))
            (elements::command(&format!("heraldd queue {of}    heraldd queue dead {of}    heraldd queue pause {of}")))
        },
    )
}

fn mode(topic: &TopicResource) -> &'static str {
    match topic.mode.as_deref() {
        Some("every") => "every: each server runs each message",
        Some(_) => "compete: one server runs each message",
        None => "not known before the first worker",
    }
}

fn address(frame: &Frame<'_>, data: &TopicData, act: &str) -> String {
    frame.site.at("/queues", &[&data.queue, "topics", &data.topic.topic, act])
}

fn acts<'a>(frame: &Frame<'_>, data: &TopicData) -> Vec<ActButton<'a>> {
    let to = |act: &str| address(frame, data, act);
    let mut acts = vec![match data.topic.paused {
        true => ActButton::new(to("resume"), "Resume", "Workers get its messages again."),
        false => ActButton::new(
            to("pause"),
            "Pause",
            "No worker gets its messages, on any server; what they have, they finish.",
        ),
    }];
    // Of those that are shown, perhaps none can be; on another page one might.
    let is_useless = data.dead.as_ref().is_ok_and(|page| {
        let is_all = page.next_cursor.is_none() && frame.asked("cursor").is_none();
        is_all && !page.items.iter().any(|letter| letter.can_be_requeued)
    });
    if data.topic.dead > 0 && !is_useless {
        acts.push(ActButton::new(
            to("requeue"),
            "Requeue all dead letters",
            "All of them are put back, 1000 at most, oldest first: each may run again.",
        ));
    }
    acts
}

fn nodes(frame: &Frame<'_>, nodes: &[TopicNodeResource]) -> Markup {
    let seen = |seconds: u64| {
        let span = i64::try_from(seconds).ok().map(SignedDuration::from_secs);
        span.and_then(|span| frame.now.checked_sub(span).ok()).map(|at| at.to_string())
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Workers" { table.cards {
            thead { tr { th { "Server" } th { "Held" } th { "Behind" } th { "Seen" } } }
            tbody { @for node in nodes.iter().take(MOST) { tr {
                td.name.lead { bdi { (node.node) } }
                td data-n="Held" { (node.unfinished) }
                td data-n="Behind" { (node.behind) }
                td data-n="Seen" { (elements::time_or_none(frame, seen(node.idle_seconds).as_deref())) }
            } } }
        } }
    }
}

fn dead_letters(frame: &Frame<'_>, data: &TopicData) -> Markup {
    let may = frame.has(Role::Operator);
    html! {
        section #dead data-part {
            h2 { "Dead letters" }
            @match &data.dead {
                Err(why) => p.wrong { (sign("bad")) bdi { (why.0) } },
                Ok(page) if page.items.is_empty() => p.empty { "There are none. Messages become dead letters that nobody could run." },
                Ok(page) => {
                    div.scroll tabindex="0" role="region" aria-label="Dead letters" { table.cards {
                        thead { tr { th { "Message" } th { "Since" } th { "Found by" } th { "Why" } @if may { th { "Act" } } } }
                        tbody { @for letter in &page.items { (dead_row(frame, data, letter, may)) } }
                    } }
                    (elements::next_page(frame, "cursor", page.next_cursor.as_deref()))
                }
            }
        }
    }
}

fn dead_row(frame: &Frame<'_>, data: &TopicData, letter: &DeadLetterResource, may: bool) -> Markup {
    html! {
        tr {
            td.lead title=(letter.id) { span.id { @if letter.id.is_empty() { "without an id" } @else { (elements::short(&letter.id)) } } }
            td data-n="Since" { (elements::time(frame, &letter.since)) }
            td.name data-n="Found by" { bdi { (letter.node) } }
            td.text { bdi { (elements::cut(&letter.reason, 300)) } }
            @if may { td.text {
                @if !letter.can_be_requeued { span.soft { "not signed, so it cannot be requeued" } }
                @else if !letter.id.is_empty() { details { summary { "Requeue …" } (requeue(frame, data, letter).form(frame)) } }
            } }
        }
    }
}

fn requeue<'a>(frame: &Frame<'_>, data: &TopicData, letter: &DeadLetterResource) -> ActButton<'a> {
    ActButton {
        fields: vec![("id", letter.id.clone())],
        ..ActButton::new(address(frame, data, "requeue"), "Requeue", "It is put back: it may run again.")
    }
}
