//! Keys of etcd, which are any bytes, and ranges of them.

/// A key, or all keys from one to before another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    pub(crate) start: Vec<u8>,
    /// Empty: only `start` itself. One zero byte: up to the last key of all, as etcd writes it.
    pub(crate) end: Vec<u8>,
}

impl KeyRange {
    /// One key.
    pub fn key(key: impl Into<Vec<u8>>) -> Self {
        Self { start: key.into(), end: Vec::new() }
    }

    /// All keys that begin with this; all keys there are when it is empty.
    pub fn prefix(prefix: impl Into<Vec<u8>>) -> Self {
        let mut start = prefix.into();
        let mut end = start.clone();
        while end.last() == Some(&0xff) {
            end.pop();
        }
        match end.last_mut() {
            Some(last) => *last += 1,
            None => end = vec![0],
        }
        // An empty key is not a key for etcd.
        if start.is_empty() {
            start = vec![0];
        }
        Self { start, end }
    }

    /// Whether this key is in it.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        match self.end.as_slice() {
            [] => key == self.start,
            [0] => key >= self.start.as_slice(),
            end => self.start.as_slice() <= key && key < end,
        }
    }

    /// What of it comes after this key.
    #[must_use]
    pub(crate) fn after(&self, key: &[u8]) -> Self {
        let mut start = key.to_vec();
        start.push(0);
        Self { start, end: self.end.clone() }
    }
}

/// A key with its value, as it was at some revision.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct KeyValue {
    /// The key.
    pub key: Vec<u8>,
    /// The value; empty where only keys were requested.
    pub value: Vec<u8>,
    /// The revision that created the key.
    pub create_revision: i64,
    /// The revision that changed it last.
    pub mod_revision: i64,
    /// How often it was changed since it was created.
    pub version: i64,
    /// The lease that deletes it; 0 for none.
    pub lease: i64,
}

impl std::fmt::Debug for KeyValue {
    /// Without the value, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyValue")
            .field("key", &shown_key(&self.key))
            .field("bytes", &self.value.len())
            .field("mod_revision", &self.mod_revision)
            .finish_non_exhaustive()
    }
}

/// A key for people: quoted, with what is not printable escaped, and shortened after 200 characters.
#[must_use]
pub fn shown_key(key: &[u8]) -> String {
    const MOST: usize = 200;
    let shown = match std::str::from_utf8(key) {
        Ok(text) => text.chars().flat_map(char::escape_debug).collect(),
        Err(_) => key.escape_ascii().to_string(),
    };
    match shown.char_indices().nth(MOST) {
        Some((at, _)) => format!("\"{}…\" ({} bytes)", &shown[..at], key.len()),
        None => format!("\"{shown}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        for (prefix, start, end) in [
            (&b"/w/"[..], &b"/w/"[..], &b"/w0"[..]),
            (b"a\xff", b"a\xff", b"b"),
            (b"\xff\xff", b"\xff\xff", b"\0"),
            (b"", b"\0", b"\0"),
        ] {
            let range = KeyRange::prefix(prefix);
            assert_eq!((range.start.as_slice(), range.end.as_slice()), (start, end));
        }
        let range = KeyRange::prefix(*b"/w/");
        for (key, inside) in [(&b"/w/"[..], true), (b"/w/\xff\xff", true), (b"/w", false), (b"/w0", false)] {
            assert_eq!(range.contains(key), inside, "{key:?}");
        }
        assert!(KeyRange::prefix(*b"").contains(b"\xff"));
        assert!(KeyRange::key(*b"a").contains(b"a") && !KeyRange::key(*b"a").contains(b"ab"));
        assert_eq!(range.after(b"/w/a").start, b"/w/a\0");
    }

    #[test]
    fn keys_are_shown_quoted() {
        for (key, shown) in [
            (&b"/w/a"[..], "\"/w/a\"".to_owned()),
            (b"a\nb\"", "\"a\\nb\\\"\"".to_owned()),
            (b"\xff\0", "\"\\xff\\x00\"".to_owned()),
            (&[b'x'; 300], format!("\"{}…\" (300 bytes)", "x".repeat(200))),
        ] {
            assert_eq!(shown_key(key), shown);
        }
    }
}
