//! Reads replies of Redis.

use redis::Value;

/// The items of an array; none of anything else.
pub(crate) fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) | Value::Set(items) => items,
        _ => &[],
    }
}

/// Bytes as they are, also of numbers; none for nil.
pub(crate) fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes.clone()),
        Value::SimpleString(text) => Some(text.clone().into_bytes()),
        Value::Int(number) => Some(number.to_string().into_bytes()),
        Value::Okay => Some(b"OK".to_vec()),
        _ => None,
    }
}

/// Text, where it is UTF-8.
pub(crate) fn text(value: &Value) -> Option<String> {
    bytes(value).and_then(|bytes| String::from_utf8(bytes).ok())
}

/// The texts of an array; what is not text is empty.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    items(value).iter().map(|item| text(item).unwrap_or_default()).collect()
}

/// A number, also as text; 0 where there is none.
pub(crate) fn number(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        other => text(other).and_then(|text| text.parse().ok()).unwrap_or(0),
    }
}

/// A count.
pub(crate) fn count(value: &Value) -> u64 {
    u64::try_from(number(value)).unwrap_or(0)
}

/// Names and values of a hash or an entry, in a flat array.
#[derive(Debug, Default)]
pub(crate) struct HashReply(Vec<(String, Vec<u8>)>);

impl HashReply {
    pub(crate) fn read(value: &Value) -> Self {
        let pairs = items(value).chunks_exact(2);
        Self(pairs.filter_map(|pair| Some((text(&pair[0])?, bytes(&pair[1])?))).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// Empty where it is missing or not UTF-8.
    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap_or_default()
    }

    /// None where it is missing or not a number.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.text(name).parse().ok()
    }

    /// The names that begin so, without that.
    pub(crate) fn names_after<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(move |(name, _)| name.strip_prefix(prefix))
    }
}
