//! Reads the text of a JSON object without taking it apart: its keys, and what it would take in memory.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::value::param::NODE;
use crate::value::secret::is_secret_name;

/// So many keys and values may be in it.
pub(super) const MOST_NODES: usize = 2000;

/// What is counted while a text is read.
#[derive(Default)]
pub(super) struct Count {
    nodes: usize,
    /// What it takes in memory, roughly.
    pub(super) size: usize,
}

impl Count {
    /// A key or a value, with so many bytes of text.
    fn add<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        self.nodes += 1;
        self.size += NODE + bytes;
        if self.nodes > MOST_NODES { Err(E::custom("there is too much in it")) } else { Ok(()) }
    }
}

/// Reads an object and gives its keys.
pub(super) struct KeysVisitor<'c>(pub(super) &'c mut Count);

impl<'de> Visitor<'de> for KeysVisitor<'_> {
    type Value = Vec<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut keys = Vec::with_capacity(16);
        while let Some(key) = map.next_key_seed(PlainKey(&mut *self.0))? {
            keys.push(key);
            map.next_value_seed(Any(&mut *self.0))?;
        }
        Ok(keys)
    }
}

/// A name of no secret, in the text itself: one with escapes would have to be written elsewhere.
struct PlainKey<'c>(&'c mut Count);

impl<'de> DeserializeSeed<'de> for PlainKey<'_> {
    type Value = &'de str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'de str, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for PlainKey<'_> {
    type Value = &'de str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain name")
    }

    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<&'de str, E> {
        if is_secret_name(key) {
            return Err(E::custom("the name of a secret"));
        }
        self.0.add(key.len()).map(|()| key)
    }
}

/// Any value, read like a [`Value`] and not kept.
struct Any<'c>(&'c mut Count);

impl<'de> DeserializeSeed<'de> for Any<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.add(0)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.0.add(0)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.0.add(0)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.0.add(0)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.0.add(0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.add(text.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.0.add(0)?;
        while list.next_element_seed(Any(&mut *self.0))?.is_some() {}
        Ok(())
    }

    /// Numbers that fit no 64 bits come as maps as well, and are texts in there.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.0.add(0)?;
        while map.next_key_seed(PlainKey(&mut *self.0))?.is_some() {
            map.next_value_seed(Any(&mut *self.0))?;
        }
        Ok(())
    }
}
