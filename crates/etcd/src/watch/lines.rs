//! Lines out of pieces of a stream, within a limit.

/// Collects pieces and gives whole lines.
pub(crate) struct LineBuffer {
    bytes: Vec<u8>,
    /// Up to here there is no end of a line.
    searched: usize,
    limit: usize,
}

impl LineBuffer {
    /// `limit`: the most bytes of a line.
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), searched: 0, limit }
    }

    /// Adds a piece. False: the line is longer than the limit.
    #[must_use]
    pub(crate) fn push(&mut self, piece: &[u8]) -> bool {
        if self.bytes.len() + piece.len() > self.limit {
            return false;
        }
        self.bytes.extend_from_slice(piece);
        true
    }

    /// The next whole line, without its end.
    pub(crate) fn next_line(&mut self) -> Option<Vec<u8>> {
        let found = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n');
        let Some(end) = found.map(|at| at + self.searched) else {
            self.searched = self.bytes.len();
            return None;
        };
        let rest = self.bytes.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.bytes, rest);
        line.truncate(end);
        self.searched = 0;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_within_a_limit() {
        let mut lines = LineBuffer::new(8);
        assert!(lines.push(b"ab"));
        assert_eq!(lines.next_line(), None);
        assert!(lines.push(b"c\nd\n\ne"));
        for line in [&b"abc"[..], b"d", b""] {
            assert_eq!(lines.next_line().unwrap(), line);
        }
        assert_eq!(lines.next_line(), None);
        assert!(lines.push(b"1234567") && !lines.push(b"8"));
    }
}
