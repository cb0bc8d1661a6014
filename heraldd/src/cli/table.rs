//! Tables for people: columns of equal width, two blanks apart.

use unicode_width::UnicodeWidthStr;

/// A row of the table; its cells hold what a user wrote, so nothing in them may move the cursor.
pub(super) type Row<const N: usize> = [String; N];

/// The head and the rows, each a line. The last column is not filled up.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[Row<N>]) -> String {
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
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - cell.width() + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
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
}
