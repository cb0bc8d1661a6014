//! Ids as they are written everywhere but in the journal.

use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::journal::entry::Id;

/// An id as it is written everywhere else.
pub(super) struct IdText([u8; uuid::fmt::Hyphenated::LENGTH]);

impl IdText {
    pub(super) fn of(id: Id) -> Self {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        Uuid::from_bytes(id).as_hyphenated().encode_lower(&mut text);
        Self(text)
    }

    pub(super) fn as_str(&self) -> &str {
        // Hexadecimal digits and hyphens.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Serialize for IdText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
