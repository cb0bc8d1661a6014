//! The frames of a log: how they are written and read.

use herald_core::executor::Stream;
use jiff::Timestamp;

/// What every log begins with: the name of the format and its version.
pub(super) const VERSION_LINE: &[u8] = b"herald job log 1\n";
/// The most bytes of output in one frame.
pub(super) const LARGEST: usize = 32 * 1024;
/// The length of what comes before the output of a frame: `o 1234567890123456 012345\n`.
const HEAD: usize = 26;
/// The length of a frame beyond its output: the head, and the line end behind the output.
pub(super) const AROUND: usize = HEAD + 1;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// Output of this stream.
    Output(Stream),
    /// Nothing: output is missing from here on, or between here and the next frame.
    Truncated,
}

/// One frame, as written in a log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LogFrame<'a> {
    pub(super) kind: FrameKind,
    pub(super) at: Timestamp,
    pub(super) bytes: &'a [u8],
}

impl LogFrame<'_> {
    /// Adds the frame to `out`. More than [`LARGEST`] bytes become several frames.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let letter = match self.kind {
            FrameKind::Output(Stream::Stdout) => 'o',
            FrameKind::Output(Stream::Stderr) => 'e',
            FrameKind::Truncated => 't',
        };
        // Sixteen digits last until the year 2286; a clock that is set beyond shows that year.
        let micros = self.at.as_microsecond().clamp(0, 9_999_999_999_999_999);
        let mut one = |bytes: &[u8]| {
            out.extend_from_slice(format!("{letter} {micros:016} {:06}\n", bytes.len()).as_bytes());
            out.extend_from_slice(bytes);
            out.push(b'\n');
        };
        if self.bytes.is_empty() {
            one(&[]);
        }
        self.bytes.chunks(LARGEST).for_each(&mut one);
    }
}

/// The first frame of these bytes and its whole length; `None` when it is torn, or none at all.
pub(super) fn first(bytes: &[u8]) -> Option<(LogFrame<'_>, usize)> {
    let head = std::str::from_utf8(bytes.get(..HEAD)?).ok()?;
    let kind = match head.get(..2)? {
        "o " => FrameKind::Output(Stream::Stdout),
        "e " => FrameKind::Output(Stream::Stderr),
        "t " => FrameKind::Truncated,
        _ => return None,
    };
    let micros = digits(head.get(2..18)?)?;
    let length = usize::try_from(digits(head.get(19..25)?)?).ok()?;
    if head.get(18..19)? != " " || head.get(25..)? != "\n" || length > LARGEST {
        return None;
    }
    let at = Timestamp::from_microsecond(micros).ok()?;
    let output = bytes.get(HEAD..HEAD + length)?;
    (bytes.get(HEAD + length) == Some(&b'\n'))
        .then_some((LogFrame { kind, at, bytes: output }, length + AROUND))
}

fn digits(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(kind: FrameKind, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        LogFrame { kind, at: Timestamp::from_microsecond(1_700_000_000_123_456).unwrap(), bytes }
            .put(&mut out);
        out
    }

    #[test]
    fn what_is_put_is_read() {
        for kind in
            [FrameKind::Output(Stream::Stdout), FrameKind::Output(Stream::Stderr), FrameKind::Truncated]
        {
            for bytes in [&b""[..], b"text", b"a\no 1 2\n\0\xff"] {
                let out = framed(kind, bytes);
                let (frame, length) = first(&out).unwrap();
                assert_eq!((frame.kind, frame.bytes, length), (kind, bytes, out.len()));
                assert_eq!(frame.at.as_microsecond(), 1_700_000_000_123_456);
                for torn in 0..out.len() {
                    assert_eq!(first(&out[..torn]), None, "{torn} of {}", out.len());
                }
            }
        }
        assert_eq!(framed(FrameKind::Output(Stream::Stdout), b"hi"), b"o 1700000000123456 000002\nhi\n");
    }

    #[test]
    fn much_becomes_several_frames() {
        let out = framed(FrameKind::Output(Stream::Stderr), &vec![b'x'; LARGEST + 1]);
        let (frame, length) = first(&out).unwrap();
        assert_eq!(frame.bytes.len(), LARGEST);
        assert_eq!(first(&out[length..]).unwrap().0.bytes, b"x");
    }

    #[test]
    fn what_is_none() {
        for none in [
            &b"x 1700000000123456 000002\nhi\n"[..],
            b"o 170000000012345x 000002\nhi\n",
            b"o 1700000000123456 +00002\nhi\n",
            b"o 1700000000123456 999999\nhi\n",
            b"o 1700000000123456_000002\nhi\n",
            b"o 1700000000123456 000002 hi\n",
            b"o 1700000000123456 000002\nhi!",
            &[0; 64],
        ] {
            assert_eq!(first(none), None, "{}", none.escape_ascii());
        }
    }
}
