//! Tables for people: columns of equal width, two blanks apart.

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::terminal::Terminal;

/// A row of the table; its cells hold what a user wrote, so nothing in them may move the cursor.
pub type Row<const N: usize> = [String; N];

/// What becomes of a last column for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastColumn {
    /// It is cut: a row stays a line.
    Cut,
    /// It is an error, which is cut before its cause: what follows the last colon stays.
    CutBeforeCause,
    /// It is shown below its row, whole.
    Below,
}

/// As narrow as a column is made where there is no room.
const NARROW: usize = 10;
/// So much of a last column says something.
const TELLING: usize = 24;
/// Between columns.
const GAP: usize = 2;

/// The head and the rows for standard output as it is, each a line. The last column is not filled up.
#[must_use]
pub fn table<const N: usize>(head: [&str; N], rows: &[Row<N>]) -> String {
    painted(head, rows, &Terminal::of(&std::io::stdout()), LastColumn::Cut, |_, _| Style::new())
}

/// As [`table`], for this output: in colour where it takes any (`style` says which, by column and text), and no wider
/// than it is.
#[must_use]
pub fn painted<const N: usize>(
    head: [&str; N],
    rows: &[Row<N>],
    terminal: &Terminal,
    last: LastColumn,
    style: impl Fn(usize, &str) -> Style,
) -> String {
    let head = head.map(str::to_owned);
    let rows: Vec<Row<N>> =
        std::iter::once(&head).chain(rows).map(|row| row.each_ref().map(|cell| printable(cell))).collect();
    let (widths, below) = widths(&rows, terminal.width, last);
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let (mut line, mut room, mut blanks) = (String::new(), terminal.width, 0);
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let style = if number == 0 { Style::new().bold() } else { style(column, cell) };
            if below && column + 1 == N {
                if number > 0 && !cell.is_empty() {
                    line.push_str(&format!("\n    {}", terminal.with(style, cell)));
                }
                break;
            }
            let is_error = last == LastColumn::CutBeforeCause && column + 1 == N;
            let shown =
                if is_error { cut_before_cause(cell, width.min(room)) } else { cut(cell, width.min(room)) };
            if !shown.is_empty() {
                line.push_str(&" ".repeat(blanks));
                line.push_str(&terminal.with(style, &shown));
                blanks = 0;
            }
            blanks += width - shown.width() + GAP;
            room = room.saturating_sub(width + GAP);
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// How wide the columns are, and whether the last one is shown below. Where there is no room the widest columns give
/// way, except ids, which are there to be copied.
fn widths<const N: usize>(rows: &[Row<N>], room: usize, last: LastColumn) -> ([usize; N], bool) {
    let mut widths = [0; N];
    let mut firm = [false; N];
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            widths[column] = widths[column].max(cell.width());
            firm[column] |= is_id(cell);
        }
    }
    let whole = |widths: &[usize]| widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    let below = last == LastColumn::Below && {
        let before: usize = widths.iter().take(N.saturating_sub(1)).map(|width| width + GAP).sum();
        whole(&widths) > room
            && room.saturating_sub(before) < widths.last().copied().unwrap_or(0).min(TELLING)
    };
    let columns = if below { N.saturating_sub(1) } else { N };
    while whole(&widths[..columns]) > room {
        let over = whole(&widths[..columns]) - room;
        let spare = |column: usize, least: usize| match firm[column] {
            true => 0,
            false => widths[column].saturating_sub(least),
        };
        // The last column is mostly the one that the reader looks for: it keeps some room until the others have none.
        let least = |column: usize| if column + 1 == columns { TELLING } else { NARROW };
        let of = |least: &dyn Fn(usize) -> usize| {
            let flexible = (0..columns).filter(|column| spare(*column, least(*column)) > 0);
            flexible.max_by_key(|column| widths[*column]).map(|widest| (widest, spare(widest, least(widest))))
        };
        let Some((widest, spare)) = of(&least).or_else(|| of(&|_| NARROW)) else { break };
        widths[widest] -= over.min(spare).min(widths[widest].div_ceil(8));
    }
    (widths, below)
}

/// Whether it looks like the id of a job or an event.
fn is_id(cell: &str) -> bool {
    cell.len() == 36 && cell.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
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

/// As [`cut`], and keeps the end from the last colon on, where there is room for it: `the repository…: not found`.
fn cut_before_cause(text: &str, room: usize) -> String {
    let cause = text.rsplit_once(": ").map(|(_, cause)| cause).filter(|_| text.width() > room);
    match cause.and_then(|cause| room.checked_sub(cause.width() + 2).map(|rest| (cause, rest))) {
        Some((cause, rest)) if rest > 1 => format!("{}: {cause}", cut(text, rest)),
        _ => cut(text, room),
    }
}

fn printable(cell: &str) -> String {
    cell.chars().map(|c| if moves(c) { '\u{fffd}' } else { c }).collect()
}

/// Whether a terminal would do something else with it than to show it.
pub(crate) fn moves(c: char) -> bool {
    let bidi =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || bidi
}

/// JSON for people on several lines; what would move the cursor is written as JSON writes it in ASCII.
#[must_use]
pub fn json(value: &impl serde::Serialize) -> String {
    // What is shown are maps of texts and numbers: never fails.
    let json = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if moves(c) && c != '\n' {
            text.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows<const N: usize>(of: &[[&str; N]]) -> Vec<Row<N>> {
        of.iter().map(|cells| cells.map(str::to_owned)).collect()
    }

    fn plain<const N: usize>(head: [&str; N], of: &[[&str; N]], width: usize, last: LastColumn) -> String {
        painted(head, &rows(of), &Terminal { colour: false, width }, last, |_, _| Style::new())
    }

    #[test]
    fn an_error_keeps_its_cause() {
        let error = "cannot fetch https://git.example.com/site.git: authentication failed: access denied";
        for (room, expected) in [
            (100, error),
            (40, "cannot fetch https://git.e…: access denied"),
            (20, "cann…: access denied"),
            (16, "cannot fetch ht…"),
            (10, "cannot fe…"),
        ] {
            let shown = cut_before_cause(error, room);
            assert!(shown.width() <= room.max(10) && shown.len() <= error.len(), "{shown}");
            assert_eq!(shown.chars().last(), expected.chars().last(), "{shown}");
            assert_eq!(shown.ends_with("access denied"), expected.ends_with("access denied"), "{shown}");
        }
        assert_eq!(cut_before_cause("disk full on /srv/data", 10), "disk full…");
    }

    #[test]
    fn columns_stand_below_each_other() {
        let of = [["1", "käse", "x"], ["22222", "日本語", ""], ["3", "a\u{1b}\nb", "y"]];
        let expected = "\
A      NAME    LAST
1      käse    x
22222  日本語
3      a\u{fffd}\u{fffd}b    y
";
        assert_eq!(plain(["A", "NAME", "LAST"], &of, usize::MAX, LastColumn::Below), expected);
        assert_eq!(plain(["A", "B", "C"], &[], 80, LastColumn::Cut), "A  B  C\n");
    }

    #[test]
    fn a_terminal_gets_colour_and_no_more_than_it_can_show() {
        let rows = rows(&[["good", "a long story"], ["bad", "日本語日本語"]]);
        let style = |column: usize, text: &str| match (column, text) {
            (0, "bad") => anstyle::AnsiColor::Red.on_default(),
            _ => Style::new(),
        };
        let terminal = Terminal { colour: true, width: 13 };
        let expected = "\
\u{1b}[1mA\u{1b}[0m     \u{1b}[1mB\u{1b}[0m
good  a long…
\u{1b}[31mbad\u{1b}[0m   日本語…
";
        assert_eq!(painted(["A", "B"], &rows, &terminal, LastColumn::Cut, style), expected);
        let narrow = Terminal { colour: false, width: 3 };
        assert_eq!(painted(["A", "B"], &rows[..1], &narrow, LastColumn::Cut, style), "A\ngo…\n");
    }

    #[test]
    fn where_there_is_no_room_names_give_way_and_ids_stay() {
        let id = "01a2148c-3648-736d-a17c-c1198846595a";
        let name = "a name that goes on and on and on and on";
        let head = ["ID", "NAME", "STATUS", "WHY"];
        let of = [[id, name, "failed", "it broke in the middle of its work"], [id, "b", "-", ""]];
        let expected = format!(
            "\
ID                                    NAME        STATUS  WHY
{id}  a name th…  failed  it broke in the m…
{id}  b           -
"
        );
        assert_eq!(plain(head, &of, 76, LastColumn::Cut), expected);
        let expected = format!(
            "\
ID                                    NAME                        STATUS
{id}  a name that goes on and o…  failed
    it broke in the middle of its work
{id}  b                           -
"
        );
        assert_eq!(plain(head, &of, 72, LastColumn::Below), expected);
        for width in 0..130 {
            for last in [LastColumn::Cut, LastColumn::Below] {
                let text = plain(head, &of, width, last);
                let tables = text.lines().filter(|line| !line.starts_with("    "));
                assert!(tables.map(|line| line.width()).max() <= Some(width.max(1)), "{width}: {text}");
            }
        }
    }

    #[test]
    fn jobs_keep_all_columns_on_a_terminal_of_80() {
        let head = ["ID", "STATUS", "ROUTER", "TASK", "CREATED", "DURATION", "ERROR"];
        let of = [[
            "270b9a15",
            "timed_out",
            "backup_of_the_database",
            "dump_and_upload",
            "just now",
            "12m 40s",
            "exit code 3: 2 files need formatting",
        ]];
        let expected = "\
ID        STATUS     ROUTER      TASK        CREATED   DURATION  ERROR
270b9a15  timed_out  backup_of…  dump_and_…  just now  12m 40s   exit code 3: 2…
";
        assert_eq!(plain(head, &of, 80, LastColumn::Cut), expected);
        let text = plain(head, &of, 100, LastColumn::Cut);
        assert!(text.contains("  exit code 3: 2 files ne"), "{text}");
    }

    #[test]
    fn json_moves_no_cursor_and_stays_what_it_is() {
        let value = serde_json::json!({"a": "\u{1b}[2J\u{9b}31m \u{202e} é\n"});
        let text = json(&value);
        assert_eq!(text, "{\n  \"a\": \"\\u001b[2J\\u009b31m \\u202e é\\n\"\n}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
