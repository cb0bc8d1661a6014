//! Problems of a configuration, as text for people: `file:line:col: what`, with the line shown and secrets hidden.

use std::fmt::Write as _;
use std::ops::Range;

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    span: Range<usize>,
    message: String,
    help: Option<String>,
    /// The file could not be read to its end, so what is secret is guessed from the text.
    syntax: bool,
}

impl Problem {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None, syntax: false }
    }

    pub(super) fn syntax(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { syntax: true, ..Self::new(span, message) }
    }

    pub(super) fn help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

/// All problems, sorted by place. `secret` are the places of secret values.
pub(super) fn render(file: &str, text: &str, mut problems: Vec<Problem>, secret: &[Range<usize>]) -> String {
    problems.sort_by_key(|problem| problem.span.start);
    let mut report = String::new();
    for problem in &problems {
        if !report.is_empty() {
            report.push('\n');
        }
        render_one(&mut report, file, text, problem, secret);
    }
    report
}

fn render_one(report: &mut String, file: &str, text: &str, problem: &Problem, secret: &[Range<usize>]) {
    let at = text.floor_char_boundary(problem.span.start.min(text.len()));
    let before = text.get(..at).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
    let line_number = before.matches('\n').count() + 1;
    let column = before.get(line_start..).unwrap_or_default().chars().count();
    let mut hidden = secret.to_vec();
    if problem.syntax && under_secret_key(before, line) {
        // Of a line that is no key of its own, all may be secret.
        let value =
            if line.starts_with([' ', '\t', '-']) { 0 } else { line.find(':').map_or(0, |at| at + 1) };
        hidden.push(line_start + value..line_start + line.len());
    }
    let shown = hide(line, line_start, &hidden);
    let margin = line_number.to_string();
    let pad = " ".repeat(margin.len());
    // Writing to a String cannot fail.
    let _ = writeln!(report, "{file}:{line_number}:{}: {}", column + 1, problem.message);
    let _ = writeln!(report, "{pad} |\n{margin} | {shown}\n{pad} | {}^", " ".repeat(column));
    if let Some(help) = &problem.help {
        let _ = writeln!(report, "{pad} = {help}");
    }
}

/// Whether the key that this place belongs to is one for secrets.
fn under_secret_key(before: &str, line: &str) -> bool {
    let is_key = |line: &&str| line.starts_with(|c: char| c.is_alphanumeric() || c == '"' || c == '\'');
    let key = [line].into_iter().chain(before.lines().rev()).find(is_key);
    key.is_none_or(|line| line.to_ascii_lowercase().contains("secret"))
}

fn hide(line: &str, start: usize, secret: &[Range<usize>]) -> String {
    let mut shown = String::new();
    let mut masked = false;
    for (at, c) in line.char_indices() {
        let place = start + at;
        if secret.iter().any(|range| range.contains(&place)) {
            if !masked && !c.is_whitespace() {
                shown.push_str("***");
                masked = true;
            }
            if c.is_whitespace() && !masked {
                shown.push(c);
            }
        } else {
            masked = false;
            shown.push(c);
        }
    }
    shown
}
