//! `heraldd logs`: the output of a job.

use std::io::{ErrorKind, IsTerminal, Write};

use clap::Args;
use herald_terminal::job_output::ShownOutput;

use crate::client::{DaemonSocket, ReadAborted, step};
use crate::command_output::CommandOutput;
use crate::stopped::{LogQuestion, StoppedDaemon, marked};

/// Print the output of a job
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd logs -f 01a20df5-4275-7307-a69e-5d9639df9f78")]
pub struct LogsArguments {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// The job's id, a unique beginning or end of it (4 characters or more), `last` or `last:ROUTER`
    id: String,
    /// Follow the output until the job ends
    #[arg(short, long)]
    follow: bool,
    /// Print only the last LINES lines; with --json, as one JSON object
    #[arg(short = 'n', long, value_name = "LINES", conflicts_with = "follow",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    lines: Option<u32>,
    /// Print only this stream
    #[arg(long, value_name = "STREAM", value_parser = ["stdout", "stderr"])]
    stream: Option<String>,
    /// The attempt, from 1; the latest by default
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// Print JSON, one object per line: text, time and stream
    #[arg(long)]
    json: bool,
}

impl LogsArguments {
    /// What the daemon is asked for.
    fn path(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if self.follow {
            query.append_pair("follow", "true");
        }
        if let Some(stream) = &self.stream {
            query.append_pair("stream", stream);
        }
        if let Some(attempt) = self.attempt {
            query.append_pair("attempt", &attempt.to_string());
        }
        if let Some(lines) = self.lines {
            query.append_pair("tail", &lines.to_string());
        }
        if self.json {
            query.append_pair("format", "json");
        }
        format!("/v1/jobs/{}/log?{}", step(&self.id), query.finish())
    }

    /// The same, asked of its history.
    fn question(&self) -> LogQuestion<'_> {
        let Self { id, attempt, stream, lines, json, .. } = self;
        LogQuestion { id, attempt: *attempt, stream: stream.as_deref(), lines: *lines, json: *json }
    }
}

/// Carries it out.
#[must_use]
pub fn run(arguments: &LogsArguments, stopped: &dyn StoppedDaemon) -> CommandOutput {
    let mut stdout = std::io::stdout().lock();
    let mut seen_enough = false;
    // A job must not rule the terminal of its reader; a pipe gets what the job wrote.
    let mut shown = stdout.is_terminal().then(ShownOutput::default);
    let mut write = |bytes: &[u8]| {
        let written = match &mut shown {
            Some(shown) => stdout.write_all(shown.piece(bytes).as_bytes()),
            None => stdout.write_all(bytes),
        };
        written.and_then(|()| stdout.flush()).map_err(|error| {
            seen_enough = error.kind() == ErrorKind::BrokenPipe;
            ReadAborted(format!("the output could not be written: {error}"))
        })
    };
    let daemon = &arguments.daemon;
    let followed = daemon.follow(&arguments.path(), &mut write);
    let folder = if followed.is_err() { daemon.folder_of_stopped() } else { None };
    let kept = folder.map(|folder| stopped.log(&folder, &arguments.question(), &mut write));
    if let Some(mut shown) = shown {
        // Who looks may be gone.
        let _ = stdout.write_all(shown.rest().as_bytes()).and_then(|()| stdout.flush());
    }
    let nothing = CommandOutput::good("");
    match (followed, kept) {
        _ if seen_enough => nothing,
        (_, Some(Ok(true))) => marked(nothing),
        (_, Some(Err(output))) => marked(output),
        (Err(output), _) => output,
        (Ok(()), _) => nothing,
    }
}
