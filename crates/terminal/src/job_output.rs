//! The output of jobs on a terminal: colours, and nothing else that a terminal would obey.

use crate::table::moves;

/// The longest colour sequence, in bytes.
const LONGEST: usize = 64;

/// Turns output, which comes in pieces, into what a terminal may get. Control characters other than newline, tab and
/// carriage return are escaped as JSON escapes them; sequences that set colours (ECMA-48 SGR) stay.
#[derive(Debug, Default)]
pub struct ShownOutput {
    /// The beginning of a character or of a sequence.
    pending: Vec<u8>,
    /// Whether the terminal has another colour now.
    coloured: bool,
}

impl ShownOutput {
    /// What to show of this piece and of what was kept of those before.
    #[must_use]
    pub fn piece(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        self.take(false)
    }

    /// The rest. A colour that was not reset ends here.
    #[must_use]
    pub fn rest(&mut self) -> String {
        let mut shown = self.take(true);
        if std::mem::take(&mut self.coloured) {
            shown.push_str("\u{1b}[0m");
        }
        shown
    }

    fn take(&mut self, is_end: bool) -> String {
        let bytes = std::mem::take(&mut self.pending);
        let mut shown = String::with_capacity(bytes.len());
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            let is_last = chunks.peek().is_none();
            let invalid = chunk.invalid();
            let kept = self.text(chunk.valid(), is_last && invalid.is_empty() && !is_end, &mut shown);
            self.pending.extend_from_slice(kept.as_bytes());
            if is_last && !is_end && is_begun(invalid) {
                self.pending.extend_from_slice(invalid);
            } else if !invalid.is_empty() {
                shown.push('\u{fffd}');
            }
        }
        shown
    }

    /// Gives what may be the beginning of a colour sequence, where more can come.
    fn text<'t>(&mut self, text: &'t str, more: bool, shown: &mut String) -> &'t str {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if c == '\u{1b}' {
                match colour(rest) {
                    Some(length) => {
                        let (sequence, after) = rest.split_at(length);
                        shown.push_str(sequence);
                        self.coloured = !matches!(sequence, "\u{1b}[m" | "\u{1b}[0m");
                        rest = after;
                        continue;
                    }
                    None if more && is_begun_colour(rest) => return rest,
                    None => {}
                }
            }
            if moves(c) && !matches!(c, '\n' | '\t' | '\r') {
                shown.push_str(&format!("\\u{:04x}", u32::from(c)));
            } else {
                shown.push(c);
            }
            rest = &rest[c.len_utf8()..];
        }
        rest
    }
}

/// The length of the colour sequence at the beginning.
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c| !is_parameter(c))?;
    (end <= LONGEST && parameters[end..].starts_with('m')).then_some(2 + end + 1)
}

fn is_begun_colour(text: &str) -> bool {
    text == "\u{1b}"
        || text
            .strip_prefix("\u{1b}[")
            .is_some_and(|more| more.len() <= LONGEST && more.chars().all(is_parameter))
}

fn is_parameter(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, ';' | ':')
}

/// Whether these bytes, which are not a character, may become one.
fn is_begun(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> String {
        let mut output = ShownOutput::default();
        let mut text = output.piece(bytes);
        text.push_str(&output.rest());
        // The pieces in which it comes make no difference.
        for size in 1..4 {
            let (mut output, mut other) = (ShownOutput::default(), String::new());
            bytes.chunks(size).for_each(|piece| other.push_str(&output.piece(piece)));
            other.push_str(&output.rest());
            assert_eq!(other, text, "pieces of {size}");
        }
        text
    }

    #[test]
    fn a_terminal_gets_colours_and_obeys_nothing_else() {
        for (output, expected) in [
            ("plain käse\t日本\r\n", "plain käse\t日本\r\n"),
            ("\u{1b}[1;31mred\u{1b}[0m\u{1b}[m\n", "\u{1b}[1;31mred\u{1b}[0m\u{1b}[m\n"),
            ("\u{1b}[38:5:1mx", "\u{1b}[38:5:1mx\u{1b}[0m"),
            // The screen, the title, the clipboard, a report that is then typed as input.
            ("\u{1b}[2J\u{1b}[H", "\\u001b[2J\\u001b[H"),
            ("\u{1b}]0;title\u{7}", "\\u001b]0;title\\u0007"),
            ("\u{1b}]52;c;cm0=\u{1b}\\", "\\u001b]52;c;cm0=\\u001b\\"),
            ("\u{1b}[6n\u{1b}c\u{8}\u{7f}", "\\u001b[6n\\u001bc\\u0008\\u007f"),
            ("\u{1b}[?1m\u{1b}[>4m", "\\u001b[?1m\\u001b[>4m"),
            ("\u{9b}2J\u{202e}", "\\u009b2J\\u202e"),
            ("\u{1b}", "\\u001b"),
            ("\u{1b}[3", "\\u001b[3"),
            ("\u{1b}\u{1b}[mx", "\\u001b\u{1b}[mx"),
        ] {
            assert_eq!(shown(output.as_bytes()), expected, "{output:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_replaced() {
        assert_eq!(shown(b"a\x9b2Jb"), "a\u{fffd}2Jb");
        assert_eq!(shown(b"a\xe6\x97"), "a\u{fffd}");
        assert_eq!(shown(b"\x1b[1\xffm"), "\\u001b[1\u{fffd}m");
    }

    #[test]
    fn nothing_is_kept_without_bound() {
        let long = format!("\u{1b}[{}m", "1;".repeat(1000));
        let mut output = ShownOutput::default();
        for piece in long.as_bytes().chunks(7) {
            let _ = output.piece(piece);
            assert!(output.pending.len() <= LONGEST + 9);
        }
        assert!(shown(long.as_bytes()).starts_with("\\u001b[1;1;"));
    }
}
