//! Problems as text: `file:line:col: what is wrong`, the line, a mark below it, and advice.

use std::fmt::{self, Write as _};
use std::ops::Range;

use unicode_width::UnicodeWidthChar;

use super::syntax::QUOTE_SECRET;
use crate::problem::Severity;
use herald_base::secret_name::{MASKED, is_secret_name};

/// The most characters of a line that are shown.
const LONGEST_LINE: usize = 120;
/// How much of a cut line is shown before the mark.
const BEFORE_MARK: usize = 60;
/// Comes before a place in advice, until the line is known.
const PLACE_MARK: char = '\u{0}';

/// Everything that is wrong with a text, in the order of its places. It holds no secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Problems {
    found: Vec<LocatedProblem>,
}

/// One problem at its place in a text. Shown, it is what people read: place, problem, the line, advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocatedProblem {
    /// How bad it is.
    pub severity: Severity,
    /// The file that it is in.
    pub file: String,
    /// Where it begins: the line, from 1.
    pub line: usize,
    /// The character of that line, from 1.
    pub column: usize,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    text: String,
}

impl LocatedProblem {
    /// Place, problem and advice in one line, without the line of the file.
    #[must_use]
    pub fn one_line(&self) -> String {
        let Self { file, line, column, message, .. } = self;
        let help = self.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        format!("{file}:{line}:{column}: {message}{help}")
    }
}

impl fmt::Display for LocatedProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Problems {
    /// Errors and warnings.
    #[must_use]
    pub fn found(&self) -> &[LocatedProblem] {
        &self.found
    }

    /// How many errors there are.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.found.iter().filter(|found| found.severity == Severity::Error).count()
    }

    /// The warnings alone.
    #[must_use]
    pub fn warnings(&self) -> Vec<LocatedProblem> {
        self.found.iter().filter(|found| found.severity == Severity::Warning).cloned().collect()
    }

    /// Takes out what only this machine can tell.
    #[must_use]
    pub fn take_probed(&mut self) -> Vec<LocatedProblem> {
        let is_probed = |found: &mut LocatedProblem| {
            matches!(found.severity, Severity::ProbeError | Severity::ProbeWarning)
        };
        self.found.extract_if(.., is_probed).collect()
    }
}

/// Those of several texts, one after the other.
impl FromIterator<Self> for Problems {
    fn from_iter<T: IntoIterator<Item = Self>>(problems: T) -> Self {
        Self { found: problems.into_iter().flat_map(|problems| problems.found).collect() }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.found.iter().try_for_each(|found| found.fmt(f))
    }
}

impl fmt::Debug for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Problems {}

/// A problem and its place in the text.
#[derive(Clone)]
pub(super) struct Finding {
    pub(super) span: Range<usize>,
    pub(super) severity: Severity,
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// What is wrong in words that show nothing of the value, where the place turns out to be secret.
    pub(super) if_secret: Option<&'static str>,
}

impl Finding {
    pub(super) fn error(span: Range<usize>, message: String, help: Option<&'static str>) -> Self {
        let help = help.map(str::to_owned);
        Self { span, severity: Severity::Error, message, help, if_secret: None }
    }

    /// As it may be shown.
    fn without_secrets(mut self, secret: &[Range<usize>]) -> Self {
        let at = &self.span;
        let is_hidden = |place: &Range<usize>| place.start <= at.start && at.end <= place.end;
        if let Some(message) = self.if_secret.filter(|_| secret.iter().any(is_hidden)) {
            self.message = message.to_owned();
            self.help = Some(QUOTE_SECRET.to_owned());
        }
        self
    }
}

/// A text, where its lines begin, and which parts of it are never shown.
pub(super) struct SourceText {
    file: String,
    text: String,
    lines: Vec<usize>,
    pub(super) secret: Vec<Range<usize>>,
}

impl SourceText {
    pub(super) fn new(file: &str, text: &str) -> Self {
        let bytes = text.as_bytes();
        // `\r\n` is the end of one line.
        let ends = memchr::memchr2_iter(b'\n', b'\r', bytes)
            .filter(|end| bytes[*end] == b'\n' || bytes.get(end + 1) != Some(&b'\n'));
        let lines = std::iter::once(0).chain(ends.map(|end| end + 1)).collect();
        Self { file: file.to_owned(), text: text.to_owned(), lines, secret: Vec::new() }
    }

    /// A part of the text.
    pub(super) fn text(&self, part: Range<usize>) -> Option<&str> {
        self.text.get(part)
    }

    /// The part of the text from its first anchor, tag or alias on.
    pub(super) fn after_first_mark(&self, part: Range<usize>) -> Range<usize> {
        let written = self.text.get(part.clone()).unwrap_or("");
        let begin = written.find(['&', '!', '*']).unwrap_or(written.len());
        part.start + begin..part.start + written.trim_end().len().max(begin)
    }

    pub(super) fn text_len(&self) -> usize {
        self.text.len()
    }

    /// A byte's line and column, both from 1.
    pub(super) fn position(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= at).max(1);
        let before = self.text.get(self.lines[line - 1]..at).unwrap_or("");
        (line, before.chars().count() + 1)
    }

    /// Advice that names the line of an earlier place; [`Self::report`] fills the line in.
    pub(super) fn place_mark(at: usize) -> String {
        format!("{PLACE_MARK}{at}")
    }

    /// Sorted by place, errors and warnings together.
    pub(super) fn report(&self, findings: Vec<Finding>) -> Problems {
        let mut secret = self.secret.clone();
        secret.sort_by_key(|range| range.start);
        let findings = findings.into_iter().map(|finding| finding.without_secrets(&secret));
        let mut findings: Vec<Finding> = findings.collect();
        findings.sort_by(|a, b| (a.span.start, &a.message).cmp(&(b.span.start, &b.message)));
        findings.dedup_by(|a, b| a.span == b.span && a.message == b.message);
        Problems { found: findings.iter().map(|finding| self.found(finding, &secret)).collect() }
    }

    fn found(&self, finding: &Finding, secret: &[Range<usize>]) -> LocatedProblem {
        let (line, column) = self.position(finding.span.start);
        let severity = finding.severity;
        let mark = match severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
            Severity::ProbeError => "probe: ",
            Severity::ProbeWarning => "probe: warning: ",
        };
        let message = one_line(&finding.message);
        let help = finding.help.as_ref().map(|help| self.advice(help));
        let mut text = format!("{}:{line}:{column}: {mark}{message}\n", self.file);
        let (shown, before, marked) = self.shown_line(line, &finding.span, secret);
        let margin = line.to_string();
        let blank = " ".repeat(margin.len());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{blank} |\n{margin} | {shown}");
        let _ = writeln!(text, "{blank} | {}{}", " ".repeat(before), "^".repeat(marked));
        if let Some(help) = &help {
            let _ = writeln!(text, "{blank} = help: {help}");
        }
        LocatedProblem { severity, file: self.file.clone(), line, column, message, help, text }
    }

    fn advice(&self, help: &str) -> String {
        match help.strip_prefix(PLACE_MARK).and_then(|at| at.parse().ok()) {
            Some(at) => format!("first defined on line {}", self.position(at).0),
            None => one_line(help),
        }
    }

    /// A line without its secrets, cut; the width before the mark, and the width of the mark.
    fn shown_line(
        &self,
        line: usize,
        span: &Range<usize>,
        secret: &[Range<usize>],
    ) -> (String, usize, usize) {
        let start = self.lines[line - 1];
        let end = self.lines.get(line).copied().unwrap_or(self.text.len());
        let whole = self.text.get(start..end).unwrap_or("");
        let whole = whole.trim_end_matches(['\n', '\r']);
        let end = start + whole.len();
        let mut cells: Vec<(String, bool)> = Vec::new();
        let mut at = start;
        // Ranges may nest and overlap; `at` only moves forward.
        for range in secret.iter().filter(|range| range.start < end && range.end > start) {
            self.cells(at..range.start.max(start), span, &mut cells);
            let hidden = range.start.max(start).max(at)..range.end.min(end);
            if !hidden.is_empty() {
                let marked =
                    hidden.start < span.end && hidden.end > span.start || hidden.contains(&span.start);
                let blank =
                    self.text.get(hidden.clone()).unwrap_or("").chars().take_while(|c| *c == ' ').count();
                cells.extend(std::iter::repeat_n((" ".to_owned(), false), blank));
                cells.push((MASKED.to_owned(), marked));
                at = hidden.end;
            }
        }
        self.cells(at..end, span, &mut cells);
        cut(&cells, span.start.max(start) >= end)
    }

    /// What is shown of a part of a line, character by character, and whether the mark is below it.
    fn cells(&self, part: Range<usize>, span: &Range<usize>, cells: &mut Vec<(String, bool)>) {
        let Some(text) = self.text.get(part.clone()) else { return };
        for (n, c) in text.char_indices() {
            let at = part.start + n;
            let shown = match c {
                '\t' => ' ',
                c if c.is_control() || is_bidi(c) => '\u{fffd}',
                c => c,
            };
            let marked = at == span.start || (at > span.start && at < span.end);
            cells.push((shown.to_string(), marked));
        }
    }

    /// For a text that is not YAML: the places that look like values of secret names.
    pub(super) fn secret_looking_places(&self) -> Vec<Range<usize>> {
        let mut places = Vec::new();
        // The indentation of the secret key that the lines below may still belong to.
        let mut below: Option<usize> = None;
        for (n, start) in self.lines.iter().enumerate() {
            let end = self.lines.get(n + 1).copied().unwrap_or(self.text.len());
            let line = self.text.get(*start..end).unwrap_or("");
            let indent = line.len() - line.trim_start().len();
            if below.is_some_and(|outer| indent > outer) || (below.is_some() && line.trim().is_empty()) {
                places.push(*start..end);
                continue;
            }
            below = None;
            let mut from = 0;
            while let Some(colon) = line[from..].find(':').map(|at| from + at) {
                let key = line[from..colon].trim_end_matches(['"', '\'', ' ']);
                if is_secret_name(key) {
                    places.push(start + colon + 1..end);
                    below = Some(indent);
                    break;
                }
                from = colon + 1;
            }
        }
        places
    }
}

/// Joins cells to a line, cut around the mark.
fn cut(cells: &[(String, bool)], mark_at_end: bool) -> (String, usize, usize) {
    let first = if mark_at_end { None } else { cells.iter().position(|(_, marked)| *marked) };
    let first = first.unwrap_or(cells.len());
    let from = if cells.len() <= LONGEST_LINE { 0 } else { first.saturating_sub(BEFORE_MARK) };
    let to = cells.len().min(from + LONGEST_LINE);
    let width = |cells: &[(String, bool)]| {
        cells.iter().flat_map(|(text, _)| text.chars()).map(|c| c.width().unwrap_or(1)).sum::<usize>()
    };
    let dots = if from > 0 { "…" } else { "" };
    let shown: String = cells[from..to].iter().map(|(text, _)| text.as_str()).collect();
    let end = if to < cells.len() { "…" } else { "" };
    let before = dots.chars().count() + width(&cells[from..first.clamp(from, to)]);
    let marked = cells[first.clamp(from, to)..to].iter().take_while(|(_, marked)| *marked).cloned();
    let marked = width(&marked.collect::<Vec<_>>()).max(1);
    (format!("{dots}{}{end}", shown.trim_end()), before, marked)
}

/// Characters that would reorder what a terminal shows.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// Names come from the file and may hold line breaks or escape sequences.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_bidi(c) { '\u{fffd}' } else { c }).collect()
}
