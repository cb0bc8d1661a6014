//! Lines of text that stay one line.

use std::io::{self, Write};

/// The first bytes, in UTF-8, of what [`turns`] finds.
const FIRST_OF_BIDI: u8 = 0xe2;
const FIRST_OF_MARK: u8 = 0xd8;
/// The first byte, in UTF-8, of the control characters beyond ASCII.
const FIRST_OF_CONTROL: u8 = 0xc2;

/// Whether it makes a terminal show what is around it in another order (Unicode, UAX 9).
fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Keeps a line of text one line without anything that a terminal would obey, whatever was written into it: a name may
/// hold anything. One call is one line.
pub(crate) struct OneLine<W>(pub(crate) W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let may_be_unsafe = |byte: &u8| {
            matches!(*byte, 0..=0x1f | 0x7f | FIRST_OF_CONTROL | FIRST_OF_BIDI | FIRST_OF_MARK)
                && *byte != b'\t'
        };
        if !text.iter().any(may_be_unsafe) {
            return self.0.write(line);
        }
        let mut escaped = Vec::with_capacity(line.len() + 16);
        for chunk in text.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\n' => escaped.extend(b"\\n"),
                    '\r' => escaped.extend(b"\\r"),
                    c if turns(c) || (c.is_control() && c != '\t') => {
                        escaped.extend(format!("\\u{{{:x}}}", u32::from(c)).bytes())
                    }
                    c => escaped.extend(c.encode_utf8(&mut [0; 4]).bytes()),
                }
            }
            escaped.extend(chunk.invalid());
        }
        escaped.push(b'\n');
        self.0.write_all(&escaped)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line() {
        for (line, written) in [
            ("plain\n", "plain\n"),
            ("", ""),
            ("a\nb\r\nc\n", "a\\nb\\r\\nc\n"),
            ("\n\n", "\\n\n"),
            ("router=\u{1b}[31mr\tx\u{9b}\u{7f}é\n", "router=\\u{1b}[31mr\tx\\u{9b}\\u{7f}é\n"),
            ("a\u{202e}b\u{61c}\u{2066}\u{200f}\n", "a\\u{202e}b\\u{61c}\\u{2066}\\u{200f}\n"),
            ("\u{2014} \u{627}\u{635}\n", "\u{2014} \u{627}\u{635}\n"),
        ] {
            let mut out = Vec::new();
            OneLine(&mut out).write_all(line.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), written, "{line:?}");
        }
    }
}
