//! The table of results.

use crate::spread::Spread;

/// How a figure is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    /// A rate per second.
    PerSecond,
    /// Milliseconds.
    Milliseconds,
    /// MiB a second.
    MebibytesPerSecond,
    /// MiB.
    Mebibytes,
    /// Percent of a core.
    Percent,
    /// A number of things.
    Count,
}

/// The goal of a figure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
    /// At least this share of what it is measured against.
    Share(f64),
    /// At most so many times what it is measured against.
    Times(f64),
}

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    what: String,
    unit: Unit,
    herald: Spread,
    against: Option<(String, Spread)>,
    goal: Option<Goal>,
}

impl Row {
    /// A figure of Herald's.
    pub(crate) fn new(what: impl Into<String>, unit: Unit, herald: Spread) -> Self {
        Self { what: what.into(), unit, herald, against: None, goal: None }
    }

    /// The reference value of the same machine, in the same run.
    pub(crate) fn against(mut self, name: impl Into<String>, other: Spread) -> Self {
        self.against = Some((name.into(), other));
        self
    }

    /// Its goal.
    pub(crate) fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    fn cells(&self) -> [String; 6] {
        let ratio = self.against.as_ref().map(|(_, other)| self.herald.median / other.median);
        let reached = self.goal.map(|goal| match goal {
            Goal::AtLeast(goal) => self.herald.median / goal,
            Goal::AtMost(goal) => goal / self.herald.median,
            Goal::Share(goal) => ratio.unwrap_or(0.0) / goal,
            Goal::Times(goal) => ratio.map_or(0.0, |ratio| goal / ratio),
        });
        let goal = self.goal.map(|goal| match goal {
            Goal::AtLeast(goal) => format!(">= {}", figure(self.unit, goal)),
            Goal::AtMost(goal) => format!("<= {}", figure(self.unit, goal)),
            Goal::Share(goal) => format!(">= {goal:.2} of it"),
            Goal::Times(goal) => format!("<= {goal:.2} of it"),
        });
        [
            self.what.clone(),
            shown(self.unit, self.herald),
            self.against
                .as_ref()
                .map(|(name, other)| format!("{name}: {}", shown(self.unit, *other)))
                .unwrap_or_default(),
            ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            goal.unwrap_or_default(),
            reached
                .map(|reached| format!("{reached:.2}{}", if reached < 1.0 { " (missed)" } else { "" }))
                .unwrap_or_default(),
        ]
    }
}

/// Median, and lowest to highest where they differ.
fn shown(unit: Unit, spread: Spread) -> String {
    let median = figure(unit, spread.median);
    let (low, high) = (number(unit, spread.low), number(unit, spread.high));
    if low == high { median } else { format!("{median} ({low}–{high})") }
}

fn figure(unit: Unit, value: f64) -> String {
    let name = match unit {
        Unit::PerSecond => "/s",
        Unit::Milliseconds => " ms",
        Unit::MebibytesPerSecond => " MiB/s",
        Unit::Mebibytes => " MiB",
        Unit::Percent => " %",
        Unit::Count => "",
    };
    format!("{}{name}", number(unit, value))
}

fn number(unit: Unit, value: f64) -> String {
    match unit {
        Unit::PerSecond | Unit::MebibytesPerSecond => format!("{value:.0}"),
        Unit::Milliseconds | Unit::Percent => format!("{value:.2}"),
        Unit::Mebibytes | Unit::Count => format!("{value:.1}"),
    }
}

/// All rows, their columns aligned.
pub(crate) fn render(rows: &[Row]) -> String {
    let head =
        ["what", "Herald: median (low–high)", "against", "ratio", "goal", "reached/goal"].map(str::to_owned);
    let lines: Vec<[String; 6]> = std::iter::once(head).chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for (n, line) in lines.iter().enumerate() {
        let cells: Vec<String> =
            line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
        if n == 0 {
            text.push_str(&widths.map(|width| "-".repeat(width)).join("  "));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_reached() {
        let rate = Spread { median: 50.0, low: 40.0, high: 60.0 };
        for (row, expected) in [
            (
                Row::new("a", Unit::PerSecond, rate).goal(Goal::AtLeast(100.0)),
                ["a", "50/s (40–60)", "", "", ">= 100/s", "0.50 (missed)"],
            ),
            (
                Row::new("b", Unit::PerSecond, rate)
                    .against("bare", Spread::one(60.0))
                    .goal(Goal::Share(0.8)),
                ["b", "50/s (40–60)", "bare: 60/s", "0.83", ">= 0.80 of it", "1.04"],
            ),
            (
                Row::new("c", Unit::Mebibytes, Spread::one(10.0)).goal(Goal::AtMost(15.0)),
                ["c", "10.0 MiB", "", "", "<= 15.0 MiB", "1.50"],
            ),
            (
                Row::new("d", Unit::Milliseconds, Spread::one(30.0))
                    .against("one", Spread::one(10.0))
                    .goal(Goal::Times(1.5)),
                ["d", "30.00 ms", "one: 10.00 ms", "3.00", "<= 1.50 of it", "0.50 (missed)"],
            ),
        ] {
            assert_eq!(row.cells(), expected);
        }
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [
            Row::new("first", Unit::PerSecond, Spread::one(1.0)),
            Row::new("2", Unit::PerSecond, Spread::one(22.0)),
        ];
        let text = render(&rows);
        let places: Vec<Option<usize>> = text.lines().skip(2).map(|line| line.find("/s")).collect();
        assert_eq!(places, [Some(8), Some(9)], "{text}");
    }
}
