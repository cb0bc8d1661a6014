//! Topics of queues as tables and lines.

use anstyle::Style;
use herald_terminal::human_time;
use herald_terminal::table::{self, LastColumn};
use herald_terminal::terminal::{Terminal, status_style};
use jiff::Timestamp;

use crate::model;

pub(super) fn topic_table(queues: &[model::QueueResource], now: Timestamp) -> String {
    let row = |queue: &model::QueueResource, topic: &model::TopicResource| {
        [
            queue.name.clone(),
            topic.topic.clone(),
            topic.mode.clone().unwrap_or_default(),
            topic.waiting.to_string(),
            topic.delayed.to_string(),
            topic.unfinished.to_string(),
            topic.oldest_seconds.map(|seconds| format!("{seconds} s")).unwrap_or_default(),
            topic.dead.to_string(),
            if topic.paused { format!("paused{}", since_and_by(topic, now)) } else { String::new() },
        ]
    };
    let rows: Vec<table::Row<9>> =
        queues.iter().flat_map(|queue| queue.topics.iter().map(|topic| row(queue, topic))).collect();
    let head = ["QUEUE", "TOPIC", "MODE", "WAITING", "DELAYED", "UNFINISHED", "OLDEST", "DEAD", "STATE"];
    let terminal = Terminal::of(&std::io::stdout());
    table::painted(head, &rows, &terminal, LastColumn::Below, |column, text| match column {
        7 if text != "0" => status_style("failed"),
        _ => Style::new(),
    })
}

/// ` 5 minutes ago by anna: the disk is full`, as far as it is known.
fn since_and_by(topic: &model::TopicResource, now: Timestamp) -> String {
    let Some(pause) = &topic.pause else { return String::new() };
    let since = pause.since.as_ref().map(|since| format!(" {}", human_time::ago_of(since, now)));
    let by = pause.by.as_ref().map(model::RecordedActor::by_whom);
    [since, by].into_iter().flatten().collect()
}

pub(super) fn node_lines(topic: &model::TopicResource) -> Vec<String> {
    let line = |node: &model::TopicNodeResource| {
        let behind = match node.behind {
            0 => String::new(),
            behind => format!(", {behind} behind"),
        };
        format!(
            "  {}  {} unfinished{behind}, last seen {} s ago",
            node.node, node.unfinished, node.idle_seconds
        )
    };
    topic.nodes.iter().map(line).collect()
}

/// `queues  main: 3 waiting, 1 dead`; nothing without queues.
pub fn status_lines(list: &model::QueueList, now: Timestamp) -> Vec<String> {
    let line = |queue: &model::QueueResource| {
        if !queue.connected {
            let why = queue.error.as_deref().unwrap_or("it was not reached yet");
            return format!("queue          {}: unreachable: {why}", queue.name);
        }
        let sum = |of: fn(&model::TopicResource) -> u64| queue.topics.iter().map(of).sum::<u64>();
        let mut line = format!(
            "queue          {}: {} waiting, {} unfinished",
            queue.name,
            sum(|topic| topic.waiting + topic.delayed),
            sum(|topic| topic.unfinished)
        );
        let dead = sum(|topic| topic.dead);
        if dead > 0 {
            line.push_str(&format!(", {dead} dead"));
        }
        line
    };
    let paused = |queue: &model::QueueResource, topic: &model::TopicResource| {
        format!("paused         topic {}/{},{}", queue.name, topic.topic, since_and_by(topic, now))
    };
    let topics = |queue: &model::QueueResource| {
        let topics = queue.topics.iter().filter(|topic| topic.paused);
        topics.map(|topic| paused(queue, topic).trim_end_matches(',').to_owned()).collect::<Vec<_>>()
    };
    list.items.iter().flat_map(|queue| [vec![line(queue)], topics(queue)].concat()).collect()
}
