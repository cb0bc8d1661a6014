//! Keys and values of etcd, which are any bytes, as parameters of an event.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use herald_core::param::Params;
use serde_json::Value;

/// A key, and what follows the prefix in it. What is not UTF-8 is shown as far as it is, and whole as base64.
pub(crate) fn insert_key(params: &mut Params, key: &[u8], prefix: &str) {
    let name = key.strip_prefix(prefix.as_bytes()).unwrap_or(key);
    let mut text = |field: &str, bytes: &[u8]| {
        params.insert(field.to_owned(), Value::from(String::from_utf8_lossy(bytes)));
    };
    text("key", key);
    text("name", name);
    if std::str::from_utf8(key).is_err() {
        params.insert("key_base64".to_owned(), Value::from(STANDARD.encode(key)));
    }
}

/// A value under this name, or under `NAME_base64` where it is not UTF-8.
pub(crate) fn insert_value(params: &mut Params, name: &str, value: Vec<u8>) {
    match String::from_utf8(value) {
        Ok(text) => params.insert(name.to_owned(), Value::from(text)),
        Err(bytes) => params.insert(format!("{name}_base64"), Value::from(STANDARD.encode(bytes.as_bytes()))),
    };
}
