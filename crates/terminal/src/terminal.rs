//! What the output can show: colour only on a terminal whose owner wants it, and so many columns.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use anstyle::{AnsiColor, Style};

/// What the output can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Whether it shows colours.
    pub colour: bool,
    /// Columns.
    pub width: usize,
}

impl Terminal {
    /// A pipe or a file.
    #[must_use]
    pub fn none() -> Self {
        Self { colour: false, width: usize::MAX }
    }

    /// Standard output or standard error as it is: see <https://no-color.org>.
    #[must_use]
    pub fn of(stream: &(impl IsTerminal + AsFd)) -> Self {
        if !stream.is_terminal() {
            return Self::none();
        }
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let colour = set("NO_COLOR").is_none() && set("TERM").is_some_and(|term| term != "dumb");
        let size = rustix::termios::tcgetwinsize(stream).ok();
        let width = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
        Self { colour, width: width.unwrap_or(usize::MAX) }
    }

    /// The text in this style.
    #[must_use]
    pub fn with(&self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// A report of problems in a file, with colours where there are any: the severity of a warning, what is marked in a
/// line, and what helps.
#[must_use]
pub fn coloured_report(report: &str, terminal: Terminal) -> String {
    let mut text = String::new();
    for line in report.split_inclusive('\n') {
        let marked = line.trim_start().strip_prefix('|').is_some_and(|marks| {
            let marks = marks.trim();
            !marks.is_empty() && marks.chars().all(|mark| mark == '^')
        });
        let (words, style) = if marked {
            (line.trim_matches(|c| c != '^'), AnsiColor::Red.on_default())
        } else if line.trim_start().starts_with("= help: ") {
            ("help:", AnsiColor::Cyan.on_default())
        } else if line.contains(": warning: ") {
            ("warning:", AnsiColor::Yellow.on_default())
        } else {
            ("", Style::new())
        };
        match line.split_once(words).filter(|_| !words.is_empty()) {
            Some((before, after)) => {
                text.extend([before, &terminal.with(style, words), after]);
            }
            None => text.push_str(line),
        }
    }
    text
}

/// How a job's status looks.
#[must_use]
pub fn status_style(status: &str) -> Style {
    match status {
        "succeeded" | "yes" => AnsiColor::Green.on_default(),
        "failed" | "timed_out" | "lost" | "error" => AnsiColor::Red.on_default(),
        "running" => AnsiColor::Cyan.on_default(),
        "cancelled" | "rejected" => AnsiColor::Yellow.on_default(),
        _ => Style::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_coloured_on_a_terminal_alone() {
        let report = "a.yml:3:5: warning: odd\n  |\n3 | x: ^y\n  |    ^^\n  = help: z\na.yml:4:1: wrong\n";
        assert_eq!(coloured_report(report, Terminal::none()), report);
        let terminal = Terminal { colour: true, width: 80 };
        let expected = "a.yml:3:5: \u{1b}[33mwarning:\u{1b}[0m odd\n  |\n3 | x: ^y\n  |    \u{1b}[31m^^\u{1b}[0m\n  = \
                        \u{1b}[36mhelp:\u{1b}[0m z\na.yml:4:1: wrong\n";
        assert_eq!(coloured_report(report, terminal), expected);
    }
}
