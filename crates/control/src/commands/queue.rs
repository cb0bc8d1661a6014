//! `heraldd queue`: topics of queues between servers, their messages and dead letters.

use anstyle::Style;
use clap::{Args, Subcommand};
use herald_base::clock::Clock;
use herald_terminal::human_time;
use herald_terminal::table::{self, LastColumn};
use herald_terminal::terminal::Terminal;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::queue_listing::{node_lines, topic_table};
use crate::client::{DaemonSocket, NOT_FOUND, Reason, step};
use crate::command_output::{CommandOutput, FAILED};
use crate::model;

/// Show the topics of the queues; show and requeue messages, pause topics, forget nodes
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  heraldd queue\n  heraldd queue deploy\n  heraldd queue dead deploy\n  heraldd queue requeue --all deploy"
)]
pub struct QueueArguments {
    #[command(subcommand)]
    command: Option<QueueCommand>,
    #[command(flatten)]
    common: QueueCommon,
    /// This topic alone, with the nodes that read it
    topic: Option<String>,
}

#[derive(Debug, Args)]
struct QueueCommon {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// The queue, where several have the topic
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum QueueCommand {
    /// Show a message: where it is, and why
    Show {
        #[command(flatten)]
        common: QueueCommon,
        /// Its id: that of the job that put it; a part of it, `last` or `last:ROUTER` where that job is of this server
        id: String,
    },
    /// List the dead letters of a topic, oldest first
    Dead {
        #[command(flatten)]
        common: QueueCommon,
        /// The topic
        topic: String,
        /// How many at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Put a dead letter back into its topic, or all of a topic
    Requeue {
        #[command(flatten)]
        common: QueueCommon,
        /// The id of one message
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// All dead letters of this topic
        #[arg(long, value_name = "TOPIC")]
        all: Option<String>,
        /// How many at most, oldest first
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        #[command(flatten)]
        reason: Reason,
    },
    /// Let no worker get messages of a topic; what they have, they finish
    Pause {
        #[command(flatten)]
        common: QueueCommon,
        /// The topic
        topic: String,
        #[command(flatten)]
        reason: Reason,
    },
    /// Let workers get messages of a topic again
    Resume {
        #[command(flatten)]
        common: QueueCommon,
        /// The topic
        topic: String,
        #[command(flatten)]
        reason: Reason,
    },
    /// Remove what is kept for a node that does not come back
    Forget {
        #[command(flatten)]
        common: QueueCommon,
        /// The node, which must not be running
        node: String,
        #[command(flatten)]
        reason: Reason,
    },
}

/// What a command answers, or why it cannot.
type QueueOutput = Result<CommandOutput, CommandOutput>;

/// Carries it out.
#[must_use]
pub fn run(arguments: &QueueArguments, clock: &dyn Clock) -> CommandOutput {
    let answered = match &arguments.command {
        None => topics(&arguments.common, arguments.topic.as_deref(), clock),
        Some(QueueCommand::Show { common, id }) => show(common, id),
        Some(QueueCommand::Dead { common, topic, limit }) => dead(common, topic, *limit, clock),
        Some(QueueCommand::Requeue { common, id, all, limit, reason }) => match (id, all) {
            (Some(id), _) => requeue_one(common, id, reason),
            (None, topic) => requeue_all(common, topic.as_deref().unwrap_or_default(), *limit, reason),
        },
        Some(QueueCommand::Pause { common, topic, reason }) => pause(common, topic, "pause", reason),
        Some(QueueCommand::Resume { common, topic, reason }) => pause(common, topic, "resume", reason),
        Some(QueueCommand::Forget { common, node, reason }) => forget(common, node, reason),
    };
    answered.unwrap_or_else(|answer| answer)
}

fn read<T: DeserializeOwned>(said: Value) -> Result<T, CommandOutput> {
    serde_json::from_value(said).map_err(|error| CommandOutput::unexpected(&error))
}

impl QueueCommon {
    fn queues(&self) -> Result<Vec<model::QueueResource>, CommandOutput> {
        let list: model::QueueList = read(self.daemon.ask(Method::GET, "/v1/queues", None)?)?;
        let wanted =
            |queue: &model::QueueResource| self.queue.as_ref().is_none_or(|name| *name == queue.name);
        let queues: Vec<_> = list.items.into_iter().filter(wanted).collect();
        match (queues.is_empty(), &self.queue) {
            (true, Some(name)) => Err(not_found(&format!("there is no queue \"{name}\" under `queue`"))),
            (true, None) => Err(not_found("no queue is configured under `queue`")),
            _ => Ok(queues),
        }
    }

    /// The queue that has this topic.
    fn queue_of(&self, topic: &str) -> Result<String, CommandOutput> {
        let queues = self.queues()?;
        let has = |queue: &&model::QueueResource| queue.topics.iter().any(|known| known.topic == topic);
        let found: Vec<&model::QueueResource> = queues.iter().filter(has).collect();
        match (found.as_slice(), queues.as_slice()) {
            ([one], _) => Ok(one.name.clone()),
            ([], [one]) => Ok(one.name.clone()),
            ([], _) => Err(not_found(&format!("no queue has a topic \"{topic}\""))),
            (several, _) => {
                let names: Vec<&str> = several.iter().map(|queue| queue.name.as_str()).collect();
                let remarks = format!(
                    "heraldd: several queues have a topic \"{topic}\": {}; name one with --queue",
                    names.join(", ")
                );
                Err(CommandOutput { remarks, code: NOT_FOUND, ..CommandOutput::good("") })
            }
        }
    }
}

fn not_found(why: &str) -> CommandOutput {
    CommandOutput { remarks: format!("heraldd: {why}"), code: NOT_FOUND, ..CommandOutput::good("") }
}

fn topics(common: &QueueCommon, topic: Option<&str>, clock: &dyn Clock) -> QueueOutput {
    let mut queues = common.queues()?;
    if let Some(topic) = topic {
        queues.iter_mut().for_each(|queue| queue.topics.retain(|known| known.topic == topic));
    }
    if common.json {
        let list = model::QueueList { items: queues };
        return Ok(CommandOutput::good(serde_json::to_string(&list).unwrap_or_default()));
    }
    let troubles: Vec<String> = queues.iter().filter(|queue| !queue.connected).map(trouble).collect();
    let code = if troubles.is_empty() { 0 } else { FAILED };
    let remarks = troubles.join("\n");
    if queues.iter().all(|queue| queue.topics.is_empty()) {
        if let (Some(topic), true) = (topic, remarks.is_empty()) {
            return Err(not_found(&format!("no queue has a topic \"{topic}\"")));
        }
        let remarks = if remarks.is_empty() { "there are no topics yet".to_owned() } else { remarks };
        return Ok(CommandOutput { remarks, code, ..CommandOutput::good("") });
    }
    let mut out = topic_table(&queues, clock.now());
    if topic.is_some() {
        let nodes: Vec<String> = queues.iter().flat_map(|queue| &queue.topics).flat_map(node_lines).collect();
        if !nodes.is_empty() {
            out.push('\n');
            out.push_str(&nodes.join("\n"));
        }
    }
    Ok(CommandOutput { out, remarks, code })
}

/// `queue main cannot be used: …`
fn trouble(queue: &model::QueueResource) -> String {
    let why = queue.error.as_deref().unwrap_or("it was not reached yet");
    match &queue.unreachable_since {
        Some(since) => format!("heraldd: queue {} cannot be used since {since}: {why}", queue.name),
        None => format!("heraldd: queue {} cannot be used: {why}", queue.name),
    }
}

fn show(common: &QueueCommon, id: &str) -> QueueOutput {
    let said = common.daemon.ask(Method::GET, &format!("/v1/queue-messages/{}", step(id)), None)?;
    if common.json {
        return Ok(CommandOutput::good(said.to_string()));
    }
    let found: Vec<model::MessageResource> = read(said)?;
    let shown = |message: &model::MessageResource| {
        let mut lines = vec![
            format!("Message     {}", message.id),
            format!("Queue       {}", message.queue),
            format!("Topic       {}", message.topic),
            format!("State       {}: {}", message.state, message.reason),
        ];
        lines.extend(message.key.iter().map(|key| format!("Key         {key}")));
        lines.extend(message.origin.iter().map(|origin| format!("Origin      {origin}")));
        lines.extend(message.node.iter().map(|node| format!("Worker      {node}")));
        lines.extend(message.put_at.iter().map(|at| format!("Put         {at}")));
        lines.push(format!("Deliveries  {}", message.deliveries));
        lines.push(format!("Attempt     {}", message.attempt));
        if let Some(param) = &message.message {
            let text = serde_json::to_string_pretty(param).unwrap_or_default();
            lines.push(format!("\nmessage: {text}"));
        }
        lines.join("\n")
    };
    Ok(CommandOutput::good(found.iter().map(shown).collect::<Vec<_>>().join("\n\n")))
}

fn dead(common: &QueueCommon, topic: &str, limit: u16, clock: &dyn Clock) -> QueueOutput {
    let queue = common.queue_of(topic)?;
    let path = format!("/v1/queues/{}/topics/{}/dead?limit={limit}", step(&queue), step(topic));
    let said = common.daemon.ask(Method::GET, &path, None)?;
    if common.json {
        return Ok(CommandOutput::good(said.to_string()));
    }
    let page: model::Page<model::DeadLetterResource> = read(said)?;
    if page.items.is_empty() {
        let remarks = format!("the topic {topic} has no dead letters");
        return Ok(CommandOutput { remarks, ..CommandOutput::good("") });
    }
    let now = clock.now();
    let row = |letter: &model::DeadLetterResource| {
        [
            letter.id.clone(),
            human_time::short_ago_of(&letter.since, now),
            letter.node.clone(),
            if letter.can_be_requeued { "yes".to_owned() } else { "no".to_owned() },
            letter.reason.clone(),
        ]
    };
    let rows: Vec<table::Row<5>> = page.items.iter().map(row).collect();
    let terminal = Terminal::of(&std::io::stdout());
    let head = ["ID", "SINCE", "NODE", "REQUEUE", "REASON"];
    let out = table::painted(head, &rows, &terminal, LastColumn::Below, |_, _| Style::new());
    let remarks = page.next_cursor.map(|_| format!("there are more than {limit}")).unwrap_or_default();
    Ok(CommandOutput { remarks, ..CommandOutput::good(out) })
}

fn requeue_one(common: &QueueCommon, id: &str, reason: &Reason) -> QueueOutput {
    let said = common.daemon.ask(Method::GET, &format!("/v1/queue-messages/{}", step(id)), None)?;
    let found: Vec<model::MessageResource> = read(said)?;
    let wanted = |message: &&model::MessageResource| {
        message.state == "dead" && common.queue.as_ref().is_none_or(|queue| *queue == message.queue)
    };
    let Some(message) = found.iter().find(wanted) else {
        let state = found.first().map_or("unknown", |message| message.state.as_str());
        return Err(not_found(&format!("the message {id} is not a dead letter: its state is {state}")));
    };
    let path = format!(
        "/v1/queues/{}/topics/{}/requeue?id={}",
        step(&message.queue),
        step(&message.topic),
        step(&message.id)
    );
    requeue(common, reason.put(path))
}

fn requeue_all(common: &QueueCommon, topic: &str, limit: u16, reason: &Reason) -> QueueOutput {
    let queue = common.queue_of(topic)?;
    let path = format!("/v1/queues/{}/topics/{}/requeue?limit={limit}", step(&queue), step(topic));
    requeue(common, reason.put(path))
}

fn requeue(common: &QueueCommon, path: String) -> QueueOutput {
    let said = common.daemon.ask(Method::POST, &path, None)?;
    if common.json {
        return Ok(CommandOutput::good(said.to_string()));
    }
    let model::Requeued { requeued, skipped } = read(said)?;
    let mut out = format!("{requeued} requeued");
    if skipped > 0 {
        out.push_str(&format!(", {skipped} skipped: they are not signed as they must be, or gone"));
    }
    Ok(CommandOutput::good(out))
}

fn pause(common: &QueueCommon, topic: &str, what: &str, reason: &Reason) -> QueueOutput {
    let queue = common.queue_of(topic)?;
    let path = reason.put(format!("/v1/queues/{}/topics/{}/{what}", step(&queue), step(topic)));
    let said = common.daemon.ask(Method::POST, &path, None)?;
    if common.json {
        return Ok(CommandOutput::good(said.to_string()));
    }
    let model::TopicPaused { topic, paused } = read(said)?;
    Ok(CommandOutput::good(format!("{topic} is {}", if paused { "paused" } else { "resumed" })))
}

fn forget(common: &QueueCommon, node: &str, reason: &Reason) -> QueueOutput {
    let (mut forgotten, mut missing) = (Vec::new(), None);
    for queue in common.queues()? {
        let path = reason.put(format!("/v1/queues/{}/nodes/{}", step(&queue.name), step(node)));
        match common.daemon.ask(Method::DELETE, &path, None) {
            Ok(said) => forgotten.push(read::<model::ForgottenResource>(said)?),
            Err(answer) if answer.code == NOT_FOUND => missing = Some(answer),
            Err(answer) => return Err(answer),
        }
    }
    if let (true, Some(missing)) = (forgotten.is_empty(), missing) {
        return Err(missing);
    }
    if common.json {
        return Ok(CommandOutput::good(serde_json::to_string(&forgotten).unwrap_or_default()));
    }
    let line = |one: &model::ForgottenResource| {
        format!(
            "{}: forgotten in {} topics, {} messages released, {} deleted",
            one.node, one.topics, one.released, one.deleted
        )
    };
    Ok(CommandOutput::good(forgotten.iter().map(line).collect::<Vec<_>>().join("\n")))
}
