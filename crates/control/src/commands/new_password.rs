//! A new password, from a terminal without showing it, or from standard input. Never from an argument, which every
//! user of the machine can see.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// The longest line that is read, in bytes.
const LONGEST: u64 = 4096;
/// What the terminal sends for Ctrl-C while it makes no signal of it.
const CTRL_C: u8 = 3;

/// No password was read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadPassword {
    /// The two are not the same.
    #[error("the two passwords are not the same; nothing is changed")]
    Different,
    /// Ctrl-C, or the end of the input.
    #[error("no password; nothing is changed")]
    None,
    /// The terminal or the input.
    #[error("the password cannot be read: {0}")]
    Input(#[from] io::Error),
}

/// Asks for it twice on a terminal; else takes the first line of standard input.
pub fn read(user: &str) -> Result<String, UnreadPassword> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return line(&mut stdin.lock());
    }
    let first = ask(&format!("New password of {user}: "))?;
    if ask("The same again: ")? == first { Ok(first) } else { Err(UnreadPassword::Different) }
}

fn ask(question: &str) -> Result<String, UnreadPassword> {
    let mut terminal = io::stderr();
    // Where nothing can be shown, it can still be read.
    let _ = terminal.write_all(question.as_bytes()).and_then(|()| terminal.flush());
    let hidden = HiddenInput::begin()?;
    let typed = line(&mut io::stdin().lock());
    drop(hidden);
    let _ = terminal.write_all(b"\n");
    typed
}

/// A line, or what is typed up to Ctrl-C.
fn line(input: &mut impl BufRead) -> Result<String, UnreadPassword> {
    let mut line = Vec::new();
    for byte in input.take(LONGEST).bytes() {
        match byte? {
            b'\n' => return text(line),
            CTRL_C => return Err(UnreadPassword::None),
            byte => line.push(byte),
        }
    }
    if line.is_empty() { Err(UnreadPassword::None) } else { text(line) }
}

fn text(mut line: Vec<u8>) -> Result<String, UnreadPassword> {
    line.pop_if(|last| *last == b'\r');
    Ok(String::from_utf8(line).map_err(|_| io::Error::other("it is not valid UTF-8"))?)
}

/// While this exists, the terminal shows nothing of what is typed, and Ctrl-C is a character that ends the line: a
/// signal would end the program and leave the terminal like that.
struct HiddenInput(Termios);

impl HiddenInput {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes &= !(LocalModes::ECHO | LocalModes::ISIG);
        hidden.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        // There is no terminal any more, then.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_counts() {
        for (input, expected) in [
            ("correct horse\nmore\n", Some("correct horse")),
            ("correct horse\r\n", Some("correct horse")),
            (" spaces count ", Some(" spaces count ")),
            ("\n", Some("")),
            ("", None),
            ("corr\u{3}", None),
        ] {
            assert_eq!(line(&mut input.as_bytes()).ok().as_deref(), expected, "{input:?}");
        }
        assert!(line(&mut &b"\xff\n"[..]).is_err());
    }
}
