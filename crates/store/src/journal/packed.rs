//! Texts as the log and the history keep them: long ones packed (LZ4), once, when they are written to the log.
//!
//! In the log a text is a length and its bytes, in the history a value of the type TEXT. A packed one is bytes of the
//! type BLOB, the same in both: [`MARK`], with which no text in UTF-8 begins; the length of the text in four bytes,
//! little-endian; and an LZ4 block.

use std::borrow::Cow;

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Texts up to here stay as they are: a row of the history has room for them in its page.
const SHORT: usize = 1 << 10;
/// Longer ones stay as they are as well; and whatever says that it was longer is damaged.
const LONGEST: usize = 1 << 30;
/// The first byte of what is packed.
const MARK: u8 = 0xff;
/// The mark and the length.
const HEAD: usize = 5;
/// A byte of LZ4 decodes to at most so many.
const MOST: usize = 255;

/// A text, packed where that makes it smaller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packed<'a> {
    /// As it is.
    Text(Cow<'a, str>),
    /// See the module.
    Bytes(Cow<'a, [u8]>),
}

/// A text cannot be read any more.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a packed text is damaged: {0}")]
pub(crate) struct Damaged(String);

impl<'a> Packed<'a> {
    /// A text that is short.
    pub(crate) const fn short(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// Packs a text.
    pub(crate) fn pack(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        match packed(text.as_bytes()) {
            Some(bytes) => Self::Bytes(Cow::Owned(bytes)),
            None => Self::Text(text),
        }
    }

    /// Whether these bytes begin as a packed text does.
    pub(crate) fn is_marked(bytes: &[u8]) -> bool {
        bytes.first() == Some(&MARK)
    }

    /// The text.
    ///
    /// # Errors
    /// When what was packed is not what it was any more.
    pub(crate) fn unpack(&self) -> Result<Cow<'_, str>, Damaged> {
        match self {
            Self::Text(text) => Ok(Cow::Borrowed(text)),
            Self::Bytes(bytes) => unpacked(bytes).map(Cow::Owned),
        }
    }
}

/// `None`: better as it is.
fn packed(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() <= SHORT || text.len() > LONGEST {
        return None;
    }
    let length = u32::try_from(text.len()).ok()?;
    let mut bytes = vec![0; HEAD + lz4_flex::block::get_maximum_output_size(text.len())];
    bytes[0] = MARK;
    bytes[1..HEAD].copy_from_slice(&length.to_le_bytes());
    let block = lz4_flex::block::compress_into(text, &mut bytes[HEAD..]).ok()?;
    bytes.truncate(HEAD + block);
    (bytes.len() < text.len()).then_some(bytes)
}

fn unpacked(bytes: &[u8]) -> Result<String, Damaged> {
    let damaged = |error: &dyn std::fmt::Display| Damaged(error.to_string());
    let (head, block) = bytes.split_at_checked(HEAD).ok_or_else(|| damaged(&"it is too short"))?;
    let &[MARK, a, b, c, d] = head else { return Err(damaged(&"it does not begin as one")) };
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    // No room is made for what cannot be.
    if length > LONGEST || length / MOST > block.len() {
        return Err(Damaged(format!("{} bytes cannot have been {length}", block.len())));
    }
    let text = lz4_flex::block::decompress(block, length).map_err(|error| damaged(&error))?;
    if text.len() != length {
        return Err(Damaged(format!("it was {length} bytes, and {} are left", text.len())));
    }
    String::from_utf8(text).map_err(|error| damaged(&error))
}

impl Serialize for Packed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Packed<'a> {
    /// For postcard texts and bytes are the same; which of them it is, the mark says.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;
        impl<'de> Visitor<'de> for Borrowing {
            type Value = Packed<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a text, packed or not")
            }

            fn visit_borrowed_bytes<E: serde::de::Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                if bytes.first() == Some(&MARK) {
                    return Ok(Packed::Bytes(Cow::Borrowed(bytes)));
                }
                std::str::from_utf8(bytes).map(Packed::short).map_err(E::custom)
            }
        }
        deserializer.deserialize_bytes(Borrowing)
    }
}

impl ToSql for Packed<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl FromSql for Packed<'static> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Blob(bytes) => Ok(Self::Bytes(Cow::Owned(bytes.to_owned()))),
            ValueRef::Text(_) => value.as_str().map(|text| Self::Text(Cow::Owned(text.to_owned()))),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Text in which hardly anything comes twice.
    fn noise(length: usize) -> String {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b'!' + u8::try_from(state % 94).unwrap())
        };
        (0..length).map(|_| next()).collect()
    }

    /// What comes out of the history when this goes in, and as which type it is stored.
    fn stored(packed: &Packed<'_>) -> (Packed<'static>, String) {
        let history = rusqlite::Connection::open_in_memory().unwrap();
        history.execute_batch("CREATE TABLE texts (text TEXT NOT NULL)").unwrap();
        history.execute("INSERT INTO texts (text) VALUES (?1)", [packed]).unwrap();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        history.query_row("SELECT text, typeof(text) FROM texts", [], row).unwrap()
    }

    #[test]
    fn long_texts_are_packed_where_it_makes_them_smaller() {
        let json =
            |commits: usize| format!(r#"{{"commits":[{}]}}"#, r#"{"id":"äöü","added":[]},"#.repeat(commits));
        for (what, text, is_packed) in [
            ("nothing", String::new(), false),
            ("below the bound", "a".repeat(SHORT - 1), false),
            ("the bound", "a".repeat(SHORT), false),
            ("above the bound", "a".repeat(SHORT + 1), true),
            ("a push", json(300), true),
            ("larger than LZ4's window", json(10_000), true),
            ("4 MiB of the same", "a".repeat(4 << 20), true),
            ("noise above the bound", noise(SHORT + 1), false),
            ("much noise", noise(1 << 20), false),
            ("noise, and again", noise(2000).repeat(2), true),
        ] {
            let packed = Packed::pack(text.clone());
            assert_eq!(matches!(packed, Packed::Bytes(_)), is_packed, "{what}");
            assert_eq!(packed.unpack().unwrap(), text, "{what}");
            let log = postcard::to_allocvec(&packed).unwrap();
            assert!(log.len() <= text.len() + 5, "{what}: {}", log.len());
            assert_eq!(postcard::from_bytes::<Packed<'_>>(&log).unwrap(), packed, "{what}");
            let (found, kind) = stored(&packed);
            assert_eq!((found, kind.as_str()), (packed, if is_packed { "blob" } else { "text" }), "{what}");
        }
    }

    #[test]
    fn a_text_of_older_logs_is_read_as_it_is() {
        for text in [String::new(), "{}".to_owned(), "ä".repeat(5000)] {
            let log = postcard::to_allocvec(&text).unwrap();
            assert_eq!(postcard::from_bytes::<Packed<'_>>(&log).unwrap(), Packed::short(&text));
        }
        let neither = postcard::to_allocvec(&b"\xc3\x28"[..]).unwrap();
        postcard::from_bytes::<Packed<'_>>(&neither).unwrap_err();
    }

    #[test]
    fn what_is_damaged_is_told() {
        let text = "0123456789".repeat(500);
        let Packed::Bytes(whole) = Packed::pack(text.clone()) else { panic!() };
        let with_length = |length: u32| [&[MARK], &length.to_le_bytes()[..], &whole[HEAD..]].concat();
        let not_utf8 = [&[MARK, 3, 0, 0, 0][..], &lz4_flex::block::compress(b"\xc3\x28a")].concat();
        for (what, bytes, says) in [
            ("nothing", vec![], "too short"),
            ("half a head", whole[..3].to_vec(), "too short"),
            ("another mark", [&[0], &whole[1..]].concat(), "begin"),
            ("nothing behind the head", whole[..HEAD].to_vec(), "cannot have been"),
            ("more than there may be", with_length(u32::MAX), "cannot have been"),
            ("more than it can be", with_length(1 << 20), "cannot have been"),
            ("one less", with_length(4999), ""),
            ("one more", with_length(5001), "5000 are left"),
            ("cut off", whole[..whole.len() - 1].to_vec(), ""),
            ("no text", not_utf8, "utf-8"),
        ] {
            let error = Packed::Bytes(Cow::Owned(bytes)).unpack().unwrap_err().to_string();
            assert!(error.contains("damaged") && error.contains(says), "{what}: {error}");
        }
        assert_eq!(Packed::Bytes(whole).unpack().unwrap(), text);
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "([a-f]{0,40}\\PC{0,40}){0,80}") {
            let packed = Packed::pack(text.clone());
            prop_assert_eq!(packed.unpack().unwrap(), text);
        }

        #[test]
        fn no_bytes_make_it_panic(length in 0_u32..70_000, block in proptest::collection::vec(any::<u8>(), 0..600)) {
            let bytes = [&[MARK], &length.to_le_bytes()[..], &block].concat();
            let _ = Packed::Bytes(Cow::Owned(bytes)).unpack();
        }
    }
}
