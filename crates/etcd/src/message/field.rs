//! Fields of messages: bytes as base64, and numbers as strings.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// Bytes as base64.
#[must_use]
pub(crate) fn encoded(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Bytes that come as base64.
#[derive(Default)]
pub(crate) struct Encoded(pub(crate) Vec<u8>);

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EncodedVisitor;
        impl Visitor<'_> for EncodedVisitor {
            type Value = Encoded;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Encoded, E> {
                STANDARD.decode(text).map(Encoded).map_err(|_| E::custom("not base64"))
            }
        }
        deserializer.deserialize_str(EncodedVisitor)
    }
}

/// A number that comes as a string.
#[derive(Default, Clone, Copy)]
pub(crate) struct Number<T>(pub(crate) T);

impl<'de, T: FromStr> Deserialize<'de> for Number<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor<T>(PhantomData<T>);
        impl<T: FromStr> Visitor<'_> for NumberVisitor<T> {
            type Value = Number<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number as a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Number<T>, E> {
                text.parse().map(Number).map_err(|_| E::custom("not a number"))
            }
        }
        deserializer.deserialize_str(NumberVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_numbers_are_read_from_strings() {
        assert_eq!(serde_json::from_str::<Encoded>("\"/wD+\"").unwrap().0, b"\xff\0\xfe");
        assert_eq!(serde_json::from_str::<Encoded>("\"\"").unwrap().0, b"");
        assert_eq!(serde_json::from_str::<Number<u64>>("\"18446744073709551615\"").unwrap().0, u64::MAX);
        assert_eq!(serde_json::from_str::<Number<i64>>("\"-1\"").unwrap().0, -1);
        assert!(serde_json::from_str::<Encoded>("\"*\"").is_err());
        assert!(serde_json::from_str::<Number<i64>>("\"x\"").is_err());
        assert_eq!(encoded(b"\xff\0\xfe"), "/wD+");
    }
}
