//! Texts that are in etcd and that events only name, such as the URL for reports in the policy of a project:
//! `{etcd: NAME, key: KEY, field: FIELD, revision: N}`.

use async_trait::async_trait;
use herald_core::param::Params;
use herald_core::secret_place::{SecretPlaceError, SecretReader};
use herald_etcd::EtcdError;
use serde_json::Value;

use crate::connections::EtcdConnections;

/// Reads a key, or a field of the JSON object in it.
#[derive(PartialEq)]
pub struct EtcdTextReader(pub EtcdConnections);

#[async_trait]
impl SecretReader for EtcdTextReader {
    async fn read(&self, place: &Params) -> Result<String, SecretPlaceError> {
        let text = |name: &str| place.get(name).and_then(Value::as_str);
        let (name, key) = (text("etcd").unwrap_or_default(), text("key").unwrap_or_default());
        let connection = self.0.iter().find(|connection| connection.client.name() == name);
        let connection = connection
            .ok_or_else(|| SecretPlaceError(format!("there is no etcd \"{name}\" under `etcd`")))?;
        let revision = place.get("revision").and_then(Value::as_i64);
        let read = match connection.client.get(key.as_bytes(), revision).await {
            // Too old to be read: what is there now is the next best.
            Err(EtcdError::Compacted { .. }) => connection.client.get(key.as_bytes(), None).await,
            read => read,
        };
        let missing = || SecretPlaceError(format!("the key \"{key}\" is missing in etcd {name}"));
        let found = read.map_err(|error| SecretPlaceError(error.to_string()))?.ok_or_else(missing)?;
        field(&found.value, text("field")).ok_or_else(|| {
            SecretPlaceError(format!(
                "the key \"{key}\" has no text under `{}`",
                text("field").unwrap_or_default()
            ))
        })
    }
}

/// The value as text, or the text of this field of it. Names of fields count without regard to case.
fn field(value: &[u8], name: Option<&str>) -> Option<String> {
    let Some(name) = name else { return String::from_utf8(value.to_vec()).ok() };
    let object: Params = serde_json::from_slice(value).ok()?;
    let found = object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.and_then(|(_, value)| value.as_str()).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        for (value, name, expected) in [
            (&b"text"[..], None, Some("text")),
            (b"\xff", None, None),
            (b"{\"Callback\": \"http://x/\"}", Some("callback"), Some("http://x/")),
            (b"{\"callback\": \"\"}", Some("callback"), None),
            (b"{\"callback\": 5}", Some("callback"), None),
            (b"no JSON", Some("callback"), None),
        ] {
            assert_eq!(field(value, name).as_deref(), expected, "{value:?}");
        }
    }
}
