//! What the output can show: colour only on a terminal whose owner wants it, and so many columns.

use std::io::{IsTerminal, Stdout};

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

    /// Standard output as it is: see <https://no-color.org>.
    #[must_use]
    pub fn of(stdout: &Stdout) -> Self {
        if !stdout.is_terminal() {
            return Self::none();
        }
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let colour = set("NO_COLOR").is_none() && set("TERM").is_some_and(|term| term != "dumb");
        let size = rustix::termios::tcgetwinsize(stdout).ok();
        let width = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
        Self { colour, width: width.unwrap_or(usize::MAX) }
    }

    /// The text in this style.
    #[must_use]
    pub fn with(&self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
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
