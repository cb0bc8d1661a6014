//! Names with what they are, below a heading, as in a help text.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use crate::terminal::Terminal;

/// As wide as lines of prose are shown at most: longer ones are hard to read.
pub const WIDEST: usize = 100;
/// Where what a name is begins.
const INDENT: usize = 16;

/// How wide a help text is on standard output.
#[must_use]
pub fn help_width() -> usize {
    Terminal::of(&std::io::stdout()).width.min(WIDEST)
}

/// A heading, and an entry for each name, broken between words where it is wider than this; empty without names.
pub fn name_list<'a>(
    page: &mut String,
    heading: &str,
    rows: impl Iterator<Item = (&'a str, String)>,
    width: usize,
) {
    let mut rows = rows.peekable();
    if rows.peek().is_some() {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "\n{heading}:");
    }
    for (name, about) in rows {
        let mut line = format!("  {name:<13}");
        for word in about.split(' ') {
            let is_first = line.trim().is_empty();
            if !is_first && line.width() > INDENT && line.width() + 1 + word.width() > width {
                page.push_str(line.trim_end());
                page.push('\n');
                line = " ".repeat(INDENT - 1);
            }
            line.push(' ');
            line.push_str(word);
        }
        page.push_str(line.trim_end());
        page.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_broken_between_words() {
        let rows =
            || [("jobs", "List jobs, newest first".to_owned()), ("a-very-long-name", "x y".to_owned())];
        for (width, expected) in [
            (100, "\nJobs:\n  jobs          List jobs, newest first\n  a-very-long-name x y\n"),
            (
                30,
                "\nJobs:\n  jobs          List jobs,\n                newest first\n  a-very-long-name x y\n",
            ),
            // A word is never broken.
            (
                5,
                "\nJobs:\n  jobs          List\n                jobs,\n                newest\n                first\n  \
                 a-very-long-name\n                x\n                y\n",
            ),
        ] {
            let mut page = String::new();
            name_list(&mut page, "Jobs", rows().into_iter(), width);
            assert_eq!(page, expected, "{width}");
        }
        let mut page = String::new();
        name_list(&mut page, "Jobs", std::iter::empty(), 80);
        assert_eq!(page, "");
    }
}
