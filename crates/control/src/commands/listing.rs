//! Jobs as a table.

use anstyle::Style;
use clap::Args;
use jiff::Timestamp;

use crate::model;
use herald_terminal::human_time;
use herald_terminal::table::{self, LastColumn};
use herald_terminal::terminal::{Terminal, status_style};

/// How many digits of an id a table shows: its last ones, which differ most.
const SHORT_ID: usize = 8;

/// How tables show ids
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct IdLength {
    /// Show whole ids, not only their last 8 digits
    #[arg(long)]
    full_ids: bool,
}

impl IdLength {
    /// The id as a table shows it.
    pub fn of(self, id: &str) -> String {
        let from = if self.full_ids { 0 } else { id.len().saturating_sub(SHORT_ID) };
        id.get(from..).unwrap_or(id).to_owned()
    }
}

/// The jobs as a table.
pub fn rows(jobs: &[model::JobSummary], ids: IdLength, now: Timestamp) -> String {
    let row = |job: &model::JobSummary| {
        [
            ids.of(&job.id),
            job.status.clone(),
            job.router.clone(),
            job.task.clone(),
            human_time::short_ago_of(&job.queued_at, now),
            duration(job.began_at(), job.ended_at.as_deref()),
            job.remark(human_time::local),
        ]
    };
    let rows: Vec<table::Row<7>> = jobs.iter().map(row).collect();
    let head = ["ID", "STATUS", "ROUTER", "TASK", "CREATED", "DURATION", "ERROR"];
    table::painted(
        head,
        &rows,
        &Terminal::of(&std::io::stdout()),
        LastColumn::CutBeforeCause,
        |column, text| match column {
            1 => status_style(text),
            _ => Style::new(),
        },
    )
}

/// How long a job or an attempt took, once it has ended.
pub fn duration(started_at: Option<&str>, ended_at: Option<&str>) -> String {
    let at = |text: Option<&str>| text.and_then(|text| text.parse::<Timestamp>().ok());
    match (at(started_at), at(ended_at)) {
        (Some(from), Some(to)) => human_time::span(to.duration_since(from)),
        _ => String::new(),
    }
}
