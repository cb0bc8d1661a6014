//! Tables for people: columns of equal width, two blanks apart.

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::paint::Paint;

/// A row of the table; its cells hold what a user wrote, so nothing in them may move the cursor.
pub(super) type Row<const N: usize> = [String; N];

/// The head and the rows, each a line. The last column is not filled up.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[Row<N>]) -> String {
    painted(head, rows, &Paint::none(), |_, _| Style::new())
}

/// As [`table`], for this output: in colour where it takes any (`style` says which, by column and text), and no wider
/// than it is.
pub(super) fn painted<const N: usize>(
    head: [&str; N],
    rows: &[Row<N>],
    paint: &Paint,
    style: impl Fn(usize, &str) -> Style,
) -> String {
    let head = head.map(str::to_owned);
    let rows: Vec<Row<N>> =
        std::iter::once(&head).chain(rows).map(|row| row.each_ref().map(|cell| printable(cell))).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let (mut line, mut room, mut blanks) = (String::new(), paint.width, 0);
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let shown = cut(cell, room);
            let style = if number == 0 { Style::new().bold() } else { style(column, cell) };
            if !shown.is_empty() {
                line.push_str(&" ".repeat(blanks));
                line.push_str(&paint.with(style, &shown));
                blanks = 0;
            }
            blanks += width - cell.width() + 2;
            room = room.saturating_sub(width + 2);
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// As much of a text as there is room for.
fn cut(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let (mut kept, mut width) = (String::new(), 1);
    for c in text.chars() {
        width += c.width().unwrap_or(0);
        if width > room {
            break;
        }
        kept.push(c);
    }
    if room > 0 {
        kept.push('…');
    }
    kept
}

fn printable(cell: &str) -> String {
    let bidi = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    cell.chars().map(|c| if c.is_control() || bidi(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let rows = [row(["1", "käse", "x"]), row(["22222", "日本語", ""]), row(["3", "a\u{1b}\nb", "y"])];
        let expected = "\
A      NAME    LAST
1      käse    x
22222  日本語
3      a\u{fffd}\u{fffd}b    y
";
        assert_eq!(table(["A", "NAME", "LAST"], &rows), expected);
        assert_eq!(table(["A", "B", "C"], &[]), "A  B  C\n");
    }

    #[test]
    fn a_terminal_gets_colour_and_no_more_than_it_can_show() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned);
        let rows = [row(["good", "a long story"]), row(["bad", "日本語日本語"])];
        let style = |column: usize, text: &str| match (column, text) {
            (0, "bad") => anstyle::AnsiColor::Red.on_default(),
            _ => Style::new(),
        };
        let paint = Paint { colour: true, width: 13 };
        let expected = "\
\u{1b}[1mA\u{1b}[0m     \u{1b}[1mB\u{1b}[0m
good  a long…
\u{1b}[31mbad\u{1b}[0m   日本語…
";
        assert_eq!(painted(["A", "B"], &rows, &paint, style), expected);
        let narrow = Paint { colour: false, width: 3 };
        assert_eq!(painted(["A", "B"], &rows[..1], &narrow, style), "A\ngo…\n");
    }
}
