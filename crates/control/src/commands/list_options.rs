//! The options of commands that list something, newest first and page by page, and the page that they ask for.

use std::io::IsTerminal;
use std::ops::ControlFlow;

use clap::Args;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

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
        self.read(self.ask(daemon, list, filters))
    }

    /// What the daemon says.
    pub(super) fn ask(
        &self,
        daemon: &DaemonSocket,
        list: &str,
        filters: &[(&str, Option<&str>)],
    ) -> Result<Value, CommandOutput> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (key, value) in self.given(filters) {
            query.append_pair(key, value);
        }
        query.append_pair("limit", &self.limit.to_string());
        daemon.ask(Method::GET, &format!("{list}?{}", query.finish()), None)
    }

    /// The same question as one object. A filter that is either on or off is a boolean.
    pub(super) fn question(&self, filters: &[(&str, Option<&str>)]) -> Value {
        let value = |key: &str, value: &str| match key {
            "unmatched" | "counts" => (value == "true").into(),
            _ => value.into(),
        };
        let texts = self.given(filters).map(|(key, text)| (key.to_owned(), value(key, text)));
        texts.chain([("limit".to_owned(), self.limit.into())]).collect::<serde_json::Map<_, _>>().into()
    }

    fn given<'a>(
        &'a self,
        filters: &'a [(&'a str, Option<&'a str>)],
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let own = [("since", self.since.as_deref()), ("cursor", self.cursor.as_deref())];
        filters.iter().copied().chain(own).filter_map(|(key, value)| Some((key, value?)))
    }

    /// The page that was said.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        said: Result<Value, CommandOutput>,
    ) -> ControlFlow<CommandOutput, Page<T>> {
        let said = match said {
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
