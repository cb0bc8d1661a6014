//! The options of commands that list something, newest first and page by page, and the page that they ask for.

use std::io::IsTerminal;
use std::ops::ControlFlow;

use clap::Args;
use http::Method;
use serde::de::DeserializeOwned;

use super::listing::IdLength;
use crate::client::DaemonSocket;
use crate::command_output::CommandOutput;
use crate::model::Page;

/// Which part of a list is shown, and how
#[derive(Debug, Args)]
pub struct ListOptions {
    /// Only what came after this time (RFC 3339), or within this long (90m, 2d)
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,
    /// Continue after this cursor: the next_cursor of the page before
    #[arg(long, value_name = "CURSOR")]
    pub(super) cursor: Option<String>,
    /// Maximum number of rows
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    pub(super) ids: IdLength,
    /// Print JSON: the response of the API
    #[arg(long)]
    json: bool,
}

impl ListOptions {
    /// The page of this list with these filters; else what the command prints at once: JSON, or why there is no page.
    pub(super) fn page<T: DeserializeOwned>(
        &self,
        daemon: &DaemonSocket,
        list: &str,
        filters: &[(&str, Option<&str>)],
    ) -> ControlFlow<CommandOutput, Page<T>> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let own = [("since", self.since.as_deref()), ("cursor", self.cursor.as_deref())];
        for (key, value) in filters.iter().chain(&own) {
            if let Some(value) = value {
                query.append_pair(key, value);
            }
        }
        query.append_pair("limit", &self.limit.to_string());
        let said = match daemon.ask(Method::GET, &format!("{list}?{}", query.finish()), None) {
            Ok(said) if self.json => return ControlFlow::Break(CommandOutput::good(said.to_string())),
            Ok(said) => said,
            Err(answer) => return ControlFlow::Break(answer),
        };
        match serde_json::from_value(said) {
            Ok(page) => ControlFlow::Continue(page),
            Err(error) => ControlFlow::Break(CommandOutput::unexpected(&error)),
        }
    }
}

/// The table, and for people how to go on; programs ask for JSON.
pub(super) fn with_more<T>(mut table: String, page: &Page<T>, more: &str) -> CommandOutput {
    if let Some(cursor) = page.next_cursor.as_ref().filter(|_| std::io::stdout().is_terminal()) {
        table.push_str(&format!("{more}: add --cursor {cursor}\n"));
    }
    CommandOutput::good(table)
}
