//! A status, stored as its word.

use herald_core::status::Status;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(status: &Status, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(status.as_str())
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Status, D::Error> {
    let word = <&str>::deserialize(deserializer)?;
    Status::parse(word).ok_or_else(|| D::Error::custom(format!("\"{word}\" is not a valid status")))
}
