//! The output of a job by lines: a range, the last ones, those around a line or a time, and those that hold a text.

use herald_core::executor::Stream;
use herald_store::job_log::{JobLogs, LineQuery, LineSearch, LineStart, LogError, LogLines, MOST_LINES};
use jiff::Timestamp;

/// How many lines there are in an answer, unless the request says so.
const LINES: usize = 1000;

/// Why the lines of a request cannot be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongLines {
    /// More than one says where they begin.
    #[error("use only one of from_line, tail and around")]
    Starts,
    /// More than one says how many.
    #[error("use either lines or tail: both say how many lines")]
    Counts,
    /// A search begins somewhere else.
    #[error("search looks from from_line on; tail and around cannot be used with it")]
    Search,
    /// A number is too small or too large.
    #[error("from_line: expected a number from 1; lines and tail: from 1 to {MOST_LINES}")]
    Numbers,
    /// Nothing is searched for.
    #[error("search: expected a text")]
    NoText,
    /// Neither a line nor a time.
    #[error("around: expected the number of a line, or a time such as 2026-11-24T12:00:00Z")]
    Around,
}

/// What a request says about lines.
#[derive(Debug, Default)]
pub struct LineParams {
    /// From this line on, counted from 1.
    pub from_line: Option<u64>,
    /// So many.
    pub lines: Option<usize>,
    /// The last ones: so many.
    pub tail: Option<usize>,
    /// Those around this line, or this time.
    pub around: Option<String>,
    /// Those with this text.
    pub search: Option<String>,
}

/// The lines that a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum WantedLines {
    /// Lines that follow each other.
    Range {
        /// Where they begin.
        start: LineStart,
        /// How many at most.
        lines: usize,
    },
    /// Lines with a text.
    Search {
        /// The text.
        text: String,
        /// From this line on.
        from_line: u64,
        /// How many at most.
        lines: usize,
    },
}

impl LineParams {
    /// `None`: the request does not speak of lines.
    ///
    /// # Errors
    /// They contradict each other.
    pub fn read(self) -> Result<Option<WantedLines>, WrongLines> {
        let Self { from_line, lines, tail, around, search } = self;
        let starts = [from_line.is_some(), tail.is_some(), around.is_some()];
        if !starts.contains(&true) && lines.is_none() && search.is_none() {
            return Ok(None);
        }
        if starts.iter().filter(|given| **given).count() > 1 {
            return Err(WrongLines::Starts);
        }
        if tail.is_some() && lines.is_some() {
            return Err(WrongLines::Counts);
        }
        if search.is_some() && (tail.is_some() || around.is_some()) {
            return Err(WrongLines::Search);
        }
        let first = from_line.unwrap_or(1);
        let most = tail.or(lines).unwrap_or(LINES);
        if first == 0 || !(1..=MOST_LINES).contains(&most) {
            return Err(WrongLines::Numbers);
        }
        if let Some(text) = search {
            if text.is_empty() {
                return Err(WrongLines::NoText);
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
fn read_around(text: &str) -> Result<LineStart, WrongLines> {
    let line = text.parse::<u64>().ok().filter(|line| *line > 0).map(LineStart::Around);
    let start = line.or_else(|| text.parse::<Timestamp>().ok().map(LineStart::AroundTime));
    start.ok_or(WrongLines::Around)
}

impl WantedLines {
    /// The lines of an attempt's log; `stream`: those of one stream only.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn find(
        self,
        logs: &JobLogs,
        job_id: &str,
        attempt: u32,
        stream: Option<Stream>,
    ) -> Result<LogLines, LogError> {
        let found = match self {
            Self::Range { start, lines } => {
                logs.lines(job_id, attempt, LineQuery { start, lines, stream }).await
            }
            Self::Search { text, from_line, lines } => {
                logs.search(job_id, attempt, LineSearch { text, from_line, lines, stream }).await
            }
        };
        Ok(found?.unwrap_or_default())
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
            let problem = given.read().unwrap_err().to_string();
            assert!(problem.contains(says), "{shown}: {problem}");
        }
    }
}
