//! The log of a job as its screen shows it: whole where it is small, otherwise a window.

use herald_control::model::{JobResource, LogPage};
use herald_overview::history::log_lines::WantedLines;
use herald_page::screens::job_log::{JobLog, ShownLines};
use herald_store::job_log::{LineStart, MOST_LINES};

use crate::api::answer::{ErrorResponse, HandlerResult};
use crate::api::context::Api;
use crate::api::log_lines;

/// The largest log that is shown whole, in bytes and in lines.
const WHOLE: usize = 2 << 20;
const WHOLE_LINES: usize = 20_000;
/// Lines of a window, of the end of a log that is still written, and of a search.
const WINDOW: usize = 2000;
const LIVE: usize = 1000;
const FOUND: usize = 500;

/// What the address of a job's screen says of its log.
#[derive(Default, serde::Deserialize)]
pub(super) struct LogAsked {
    attempt: Option<u32>,
    from_line: Option<u64>,
    search: Option<String>,
}

/// The log; where it cannot be read, why.
pub(super) async fn read(api: &Api, job: &JobResource, asked: LogAsked) -> JobLog {
    let attempt = asked.attempt.unwrap_or(job.summary.attempt_with_output()).max(1);
    let log = JobLogReader { api, job, attempt };
    let from_line = asked.from_line.map(|line| line.max(1));
    let read = match (asked.search, from_line) {
        (Some(text), from_line) => log.search(text, from_line.unwrap_or(1)).await,
        (None, Some(first)) => log.window(first).await,
        (None, None) => log.whole_or_end().await,
    };
    read.unwrap_or_else(|error| log.shown(LogPage::default(), ShownLines::Unreadable(error.detail())))
}

struct JobLogReader<'a> {
    api: &'a Api,
    job: &'a JobResource,
    attempt: u32,
}

impl JobLogReader<'_> {
    async fn page(&self, wanted: WantedLines) -> Result<LogPage, ErrorResponse> {
        log_lines::page(wanted, &self.api.logs, &self.job.summary.id, self.attempt).await
    }

    async fn range(&self, start: LineStart, lines: usize) -> HandlerResult<LogPage> {
        self.page(WantedLines::Range { start, lines }).await
    }

    fn shown(&self, page: LogPage, shown: ShownLines) -> JobLog {
        JobLog { attempt: self.attempt, lines: page.lines, shown, is_incomplete: page.incomplete }
    }

    async fn search(&self, text: String, from_line: u64) -> HandlerResult<JobLog> {
        let wanted = WantedLines::Search { text: text.clone(), from_line, lines: FOUND };
        let page = self.page(wanted).await?;
        let shown = ShownLines::Found(text, page.next_line);
        Ok(self.shown(page, shown))
    }

    async fn window(&self, first: u64) -> HandlerResult<JobLog> {
        let page = self.range(LineStart::Line(first), WINDOW).await?;
        let shown = ShownLines::Window(page.next_line);
        Ok(self.shown(page, shown))
    }

    async fn end(&self, lines: usize) -> HandlerResult<JobLog> {
        let page = self.range(LineStart::Tail, lines).await?;
        let is_whole = page.lines.first().is_none_or(|line| line.line == 1);
        Ok(self.shown(page, if is_whole { ShownLines::Whole } else { ShownLines::End }))
    }

    async fn whole_or_end(&self) -> HandlerResult<JobLog> {
        if self.job.summary.ended_at.is_none() {
            return self.end(LIVE).await;
        }
        let mut whole = self.range(LineStart::Line(1), MOST_LINES).await?;
        while let Some(next) = whole.next_line.filter(|_| is_shown_whole(&whole)) {
            let more = self.range(LineStart::Line(next), MOST_LINES).await?;
            whole.incomplete |= more.incomplete;
            whole.next_line = more.next_line.filter(|line| *line > next);
            whole.lines.extend(more.lines);
        }
        if is_shown_whole(&whole) { Ok(self.shown(whole, ShownLines::Whole)) } else { self.end(WINDOW).await }
    }
}

/// Empty lines count as well: each is an element of the page.
fn is_shown_whole(page: &LogPage) -> bool {
    let size = || page.lines.iter().map(|line| line.text.len()).sum::<usize>();
    page.lines.len() <= WHOLE_LINES && size() <= WHOLE
}

#[cfg(test)]
mod tests {
    use herald_control::model::LogPageLine;

    use super::*;

    #[test]
    fn many_short_lines_are_not_shown_whole() {
        let page = |count: usize, text: &str| {
            let line = |n| LogPageLine {
                line: n,
                stream: "stdout".to_owned(),
                at: String::new(),
                text: text.to_owned(),
                cut: false,
            };
            LogPage { lines: (1..=count as u64).map(line).collect(), ..LogPage::default() }
        };
        for (count, text, is_whole) in [
            (0, "", true),
            (WHOLE_LINES, "", true),
            (WHOLE_LINES + 1, "", false),
            (100, &*"x".repeat(20_000), true),
            (100, &*"x".repeat(21_000), false),
        ] {
            assert_eq!(is_shown_whole(&page(count, text)), is_whole, "{count} lines");
        }
    }
}
