//! Hides secrets in bytes that come piece by piece, also a secret that is split over pieces.
//!
//! The rule is that of [`Mask::text`]: a secret of four bytes or more is hidden wherever it turns up, a shorter one
//! only where it is the whole text (here the whole stream, its last line end aside). Where secrets overlap, all that
//! any of them covers is hidden.

use std::sync::Arc;

use crate::value::secret::{MASKED, Mask, SHORTEST_WITHIN};

/// The secrets of a mask, prepared for the search in streams. Made once for a mask and shared.
pub struct SecretSearch {
    /// Secrets that are hidden inside longer texts, by their first byte.
    by_first: Vec<Vec<Box<[u8]>>>,
    /// Secrets that are hidden only where they are the whole text.
    short: Vec<Box<[u8]>>,
}

impl SecretSearch {
    /// Prepares what the mask hides by value.
    #[must_use]
    pub fn new(mask: &Mask) -> Self {
        let mut by_first = vec![Vec::new(); usize::from(u8::MAX) + 1];
        let mut short = Vec::new();
        for secret in mask.values() {
            let bytes: Box<[u8]> = secret.as_bytes().into();
            if bytes.len() < SHORTEST_WITHIN {
                short.push(bytes);
            } else if let Some(list) = bytes.first().and_then(|first| by_first.get_mut(usize::from(*first))) {
                list.push(bytes);
            }
        }
        Self { by_first, short }
    }

    /// How the secrets stand to the bytes from here to the end of what has come.
    fn look(&self, rest: &[u8]) -> SecretsHere {
        let mut seen = SecretsHere::default();
        let Some(list) = rest.first().and_then(|first| self.by_first.get(usize::from(*first))) else {
            return seen;
        };
        for secret in list {
            if rest.starts_with(secret) {
                seen.longest = seen.longest.max(secret.len());
            } else if secret.starts_with(rest) {
                seen.may_begin = true;
            }
        }
        seen
    }

    /// Whether these bytes are, or may grow to be, a text that is nothing but a short secret.
    fn may_be_short(&self, bytes: &[u8]) -> bool {
        self.short.iter().any(|secret| match bytes.strip_prefix(&**secret) {
            Some(rest) => b"\r\n".starts_with(rest) || rest == b"\n",
            None => secret.starts_with(bytes),
        })
    }

    /// How long the short secret is that these bytes are, their last line end aside.
    fn is_short(&self, bytes: &[u8]) -> Option<usize> {
        let ends: [&[u8]; 3] = [b"", b"\n", b"\r\n"];
        let found = self
            .short
            .iter()
            .find(|secret| bytes.strip_prefix(&***secret).is_some_and(|rest| ends.contains(&rest)));
        found.map(|secret| secret.len())
    }
}

impl std::fmt::Debug for SecretSearch {
    /// Numbers only: it holds secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let long: usize = self.by_first.iter().map(Vec::len).sum();
        write!(f, "SecretSearch({} values)", long + self.short.len())
    }
}

/// What was found at one place.
#[derive(Default)]
struct SecretsHere {
    /// The length of the longest secret that is here; 0 for none.
    longest: usize,
    /// Whether a secret may begin here whose end has not come yet.
    may_begin: bool,
}

/// Hides the secrets of one stream.
pub struct SecretStream {
    search: Arc<SecretSearch>,
    /// The tail that may be the beginning of a secret, as it came.
    held: Vec<u8>,
    /// How much of what is held belongs to a secret that was hidden already.
    covered: usize,
    /// Whether the stream may still be nothing but a short secret.
    may_be_short: bool,
}

impl SecretStream {
    /// A stream at its beginning.
    #[must_use]
    pub fn new(search: Arc<SecretSearch>) -> Self {
        let may_be_short = !search.short.is_empty();
        Self { search, held: Vec::new(), covered: 0, may_be_short }
    }

    /// Takes a piece, and adds to `out` what can be shown by now: all but the tail that may be the beginning of a
    /// secret. What is held back is always shorter than the longest secret (or than four bytes and a line end).
    pub fn write(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if piece.is_empty() {
            return;
        }
        self.held.extend_from_slice(piece);
        self.may_be_short = self.may_be_short && self.search.may_be_short(&self.held);
        if !self.may_be_short {
            self.pass(false, out);
        }
    }

    /// The stream is over: adds what was held back, of which no more can become a secret. It begins again then.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let short = if self.may_be_short { self.search.is_short(&self.held) } else { None };
        if let Some(length) = short {
            out.extend_from_slice(MASKED.as_bytes());
            out.extend(self.held.drain(..).skip(length));
        }
        self.pass(true, out);
        *self = Self::new(self.search.clone());
    }

    /// Shows what is held up to where a secret may begin, or all of it when nothing more comes.
    fn pass(&mut self, is_last: bool, out: &mut Vec<u8>) {
        let mut at = 0;
        while at < self.held.len() {
            let rest = self.held.get(at..).unwrap_or_default();
            let seen = self.search.look(rest);
            if seen.may_begin && !is_last {
                break;
            }
            if seen.longest > 0 && at >= self.covered {
                out.extend_from_slice(MASKED.as_bytes());
            }
            // A secret that begins inside a hidden one prolongs it, without a second mark.
            self.covered = self.covered.max(if seen.longest > 0 { at + seen.longest } else { 0 });
            if at >= self.covered {
                out.extend(rest.first());
            }
            at += 1;
        }
        self.held.drain(..at);
        self.covered = self.covered.saturating_sub(at);
    }
}

impl std::fmt::Debug for SecretStream {
    /// Lengths only: what is held may be a part of a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretStream({} bytes held)", self.held.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(secrets: &[&str]) -> SecretStream {
        let mut mask = Mask::new();
        secrets.iter().for_each(|secret| mask.add(secret));
        SecretStream::new(Arc::new(SecretSearch::new(&mask)))
    }

    fn shown(stream: &mut SecretStream, pieces: &[&str]) -> Vec<String> {
        let mut all = Vec::new();
        for piece in pieces {
            let mut out = Vec::new();
            stream.write(piece.as_bytes(), &mut out);
            all.push(String::from_utf8(out).unwrap());
        }
        let mut out = Vec::new();
        stream.finish(&mut out);
        all.push(String::from_utf8(out).unwrap());
        all
    }

    #[test]
    fn holds_back_no_more_than_may_be_a_secret() {
        for (secrets, pieces, expected) in [
            (&["hunter22"][..], &["plain"][..], &["plain", ""][..]),
            (&["hunter22"], &["a hunter22 b"], &["a *** b", ""]),
            (&["hunter22"], &["a hun", "ter22 b"], &["a ", "*** b", ""]),
            (&["hunter22"], &["a hun", "ger"], &["a ", "hunger", ""]),
            (&["hunter22"], &["a hun"], &["a ", "hun"]),
            (&["hunter22"], &["hunter2", "hunter2", "2"], &["", "hunter2", "***", ""]),
            (&["hunter22"], &["hunter22hunter22"], &["******", ""]),
            (&["ababab"], &["ab", "ab", "xababab"], &["", "", "ababx***", ""]),
            // A secret inside a longer one leaves nothing of the longer one behind.
            (&["hunter", "hunter22"], &["hunter", "22!"], &["", "***!", ""]),
            (&["hunter", "hunter22"], &["hunter", "!"], &["", "***!", ""]),
            (&["hunter", "hunter22"], &["hunter"], &["", "***"]),
            (&["unte", "hunter22"], &["hunte", "d"], &["", "h***d", ""]),
            // Overlapping secrets are hidden as one.
            (&["abcdef", "defghi"], &["xabcdefghiy"], &["x***y", ""]),
            (&["abcdef", "defghi"], &["xabcdef", "ghiy"], &["x***", "y", ""]),
            (&["abcdef", "defghi"], &["xabcdef", "gh", "!"], &["x***", "", "gh!", ""]),
            (&["abcdef", "defghi"], &["xabcdefgh"], &["x***", "gh"]),
            (&["two\nlines"], &["a two\n", "lines b"], &["a ", "*** b", ""]),
            // Short ones only as the whole text.
            (&["abc"], &["a", "bc"], &["", "", "***"]),
            (&["abc"], &["abc\n"], &["", "***\n"]),
            (&["abc"], &["abc\r", "\n"], &["", "", "***\r\n"]),
            (&["abc"], &["abc", "d"], &["", "abcd", ""]),
            (&["abc"], &["abc\n", "abc\n"], &["", "abc\nabc\n", ""]),
            (&["abc"], &["ab"], &["", "ab"]),
            (&["abc", "abcd"], &["abc", "d"], &["", "***", ""]),
            (&["", "x"], &["y"], &["y", ""]),
        ] {
            assert_eq!(shown(&mut stream(secrets), pieces), expected, "{secrets:?} {pieces:?}");
        }
    }

    #[test]
    fn any_split_shows_the_same() {
        let secrets = ["hunter22", "unter", "22-and-more", "abc", "ééé"];
        let text = "hunter22-and-more, hunter22 and ééé, hunte, 22-and";
        let expected = "***, *** and ***, hunte, 22-and";
        for size in 1..=text.len() {
            let mut stream = stream(&secrets);
            let mut out = Vec::new();
            text.as_bytes().chunks(size).for_each(|piece| stream.write(piece, &mut out));
            stream.finish(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "pieces of {size}");
        }
    }

    #[test]
    fn shows_no_secret_of_its_own() {
        let mut stream = stream(&["hunter22"]);
        stream.write(b"hunter2", &mut Vec::new());
        assert_eq!(
            format!("{stream:?} {:?}", stream.search),
            "SecretStream(7 bytes held) SecretSearch(6 values)"
        );
    }
}
