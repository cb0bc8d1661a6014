//! The output of a job by lines: a range, the last ones, those around a line or a time, and those that hold a text.

use axum::Json;
use axum::response::{IntoResponse, Response};
use herald_core::executor::Stream;
use herald_store::job_log::{JobLogs, LineQuery, LineSearch, LineStart, LogError, LogLines, MOST_LINES};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;

use super::answer::{ErrorResponse, HandlerResult};
use herald_control::model;
use herald_overview::history::log_format::{Format, log_page, log_text};

/// How many lines there are in an answer, unless the request says so.
const LINES: usize = 1000;

/// What a request says about lines.
#[derive(Debug, Default)]
pub(crate) struct LineParams {
    pub(crate) from_line: Option<u64>,
    pub(crate) lines: Option<usize>,
    pub(crate) tail: Option<usize>,
    pub(crate) around: Option<String>,
    pub(crate) search: Option<String>,
}

/// The lines that a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WantedLines {
    Range { start: LineStart, lines: usize },
    Search { text: String, from_line: u64, lines: usize },
}

impl LineParams {
    /// `None`: the request does not speak of lines.
    pub(crate) fn read(self) -> HandlerResult<Option<WantedLines>> {
        let Self { from_line, lines, tail, around, search } = self;
        let starts = [from_line.is_some(), tail.is_some(), around.is_some()];
        if !starts.contains(&true) && lines.is_none() && search.is_none() {
            return Ok(None);
        }
        if starts.iter().filter(|given| **given).count() > 1 {
            return Err(bad("use only one of from_line, tail and around"));
        }
        if tail.is_some() && lines.is_some() {
            return Err(bad("use either lines or tail: both say how many lines"));
        }
        if search.is_some() && (tail.is_some() || around.is_some()) {
            return Err(bad("search looks from from_line on; tail and around cannot be used with it"));
        }
        let first = from_line.unwrap_or(1);
        let most = tail.or(lines).unwrap_or(LINES);
        if first == 0 || !(1..=MOST_LINES).contains(&most) {
            return Err(bad(format!(
                "from_line: expected a number from 1; lines and tail: from 1 to {MOST_LINES}"
            )));
        }
        if let Some(text) = search {
            if text.is_empty() {
                return Err(bad("search: expected a text"));
            }
            return Ok(Some(WantedLines::Search { text, from_line: first, lines: most }));
        }
        let start = match around {
            Some(around) => read_around(&around)?,
            None if tail.is_some() => LineStart::Tail,
            None => LineStart::Line(first),
        };
        Ok(Some(WantedLines::Range { start, lines: most }))
    }
}

/// A line, or a time.
fn read_around(text: &str) -> HandlerResult<LineStart> {
    let line = text.parse::<u64>().ok().filter(|line| *line > 0).map(LineStart::Around);
    let start = line.or_else(|| text.parse::<Timestamp>().ok().map(LineStart::AroundTime));
    start.ok_or_else(|| bad("around: expected the number of a line, or a time such as 2026-11-24T12:00:00Z"))
}

fn bad(sentence: impl std::fmt::Display) -> ErrorResponse {
    ErrorResponse::new(StatusCode::BAD_REQUEST, sentence)
}

impl WantedLines {
    /// The lines of an attempt's log, as data.
    pub(crate) async fn page(
        self,
        logs: &JobLogs,
        job_id: &str,
        attempt: u32,
    ) -> HandlerResult<model::LogPage> {
        Ok(log_page(attempt, &self.find(logs, job_id, attempt, None).await?))
    }

    async fn find(
        self,
        logs: &JobLogs,
        job_id: &str,
        attempt: u32,
        stream: Option<Stream>,
    ) -> HandlerResult<LogLines> {
        let found = match self {
            Self::Range { start, lines } => {
                logs.lines(job_id, attempt, LineQuery { start, lines, stream }).await
            }
            Self::Search { text, from_line, lines } => {
                logs.search(job_id, attempt, LineSearch { text, from_line, lines, stream }).await
            }
        };
        let unreadable = |error: LogError| ErrorResponse::later(StatusCode::SERVICE_UNAVAILABLE, error);
        Ok(found.map_err(unreadable)?.unwrap_or_default())
    }

    /// The lines of an attempt's log. What was searched for is always JSON.
    pub(crate) async fn answer(
        self,
        logs: &JobLogs,
        job_id: &str,
        attempt: u32,
        stream: Option<Stream>,
        format: Format,
    ) -> HandlerResult<Response> {
        let is_json = format == Format::Json || matches!(self, Self::Search { .. });
        let found = self.find(logs, job_id, attempt, stream).await?;
        if is_json {
            return Ok(Json(log_page(attempt, &found)).into_response());
        }
        Ok(([(CONTENT_TYPE, Format::Text.content_type())], log_text(&found)).into_response())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> LineParams {
        LineParams::default()
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn what_is_asked_for() {
        let range = |start, lines| Some(WantedLines::Range { start, lines });
        let search = |text: &str, from_line, lines| {
            Some(WantedLines::Search { text: text.to_owned(), from_line, lines })
        };
        let time: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (given, expected) in [
            (params(), None),
            (LineParams { from_line: Some(5), ..params() }, range(LineStart::Line(5), 1000)),
            (LineParams { lines: Some(7), ..params() }, range(LineStart::Line(1), 7)),
            (LineParams { tail: Some(20), ..params() }, range(LineStart::Tail, 20)),
            (LineParams { around: text("9"), lines: Some(3), ..params() }, range(LineStart::Around(9), 3)),
            (
                LineParams { around: text("2026-11-24T12:00:00Z"), ..params() },
                range(LineStart::AroundTime(time), 1000),
            ),
            (LineParams { search: text("x"), ..params() }, search("x", 1, 1000)),
            (
                LineParams { search: text("x"), from_line: Some(9), lines: Some(2), ..params() },
                search("x", 9, 2),
            ),
        ] {
            let shown = format!("{given:?}");
            assert_eq!(given.read().unwrap(), expected, "{shown}");
        }
    }

    #[test]
    fn what_cannot_be_asked_for() {
        for (given, says) in [
            (LineParams { from_line: Some(0), ..params() }, "from_line: expected a number from 1"),
            (LineParams { lines: Some(0), ..params() }, "from 1 to 10000"),
            (LineParams { tail: Some(10_001), ..params() }, "from 1 to 10000"),
            (LineParams { from_line: Some(1), tail: Some(1), ..params() }, "only one of"),
            (LineParams { lines: Some(1), tail: Some(1), ..params() }, "either lines or tail"),
            (LineParams { search: text("x"), around: text("1"), ..params() }, "search looks from"),
            (LineParams { search: text(""), ..params() }, "expected a text"),
            (LineParams { around: text("soon"), ..params() }, "a time such as"),
            (LineParams { around: text("0"), ..params() }, "a time such as"),
        ] {
            let shown = format!("{given:?}");
            let problem = format!("{:?}", given.read().unwrap_err());
            assert!(problem.contains(says), "{shown}: {problem}");
        }
    }
}
