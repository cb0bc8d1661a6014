//! Texts that are in etcd and that events only name, such as the URL for reports in the policy of a project:
//! `{etcd: NAME, key: KEY, field: FIELD, revision: N}`. Where etcd does not have that URL any more, it is the last good
//! one, which the ledger of the project keeps.

use async_trait::async_trait;
use herald_core::param::Params;
use herald_core::secret_place::{SecretPlaceError, SecretReader};
use herald_etcd::EtcdError;
use herald_publish::{CALLBACK, LedgerFolder};
use serde_json::Value;

use crate::connections::{EtcdConnection, EtcdConnections};
use crate::publication::ledgers::blocking;
use crate::publication::note::ProjectNote;
use crate::report_url::ReportUrl;

/// Reads a key, or a field of the JSON object in it.
#[derive(PartialEq)]
pub struct EtcdTextReader(pub EtcdConnections);

#[async_trait]
impl SecretReader for EtcdTextReader {
    async fn read(&self, place: &Params) -> Result<String, SecretPlaceError> {
        let name = text(place, "etcd").unwrap_or_default();
        let connection = self.0.iter().find(|connection| connection.client.name() == name);
        let connection = connection
            .ok_or_else(|| SecretPlaceError(format!("there is no etcd \"{name}\" under `etcd`")))?;
        let revision = place.get("revision").and_then(Value::as_i64);
        // What was kept of that very revision needs no etcd, which may be away or of another history.
        if revision.is_some()
            && let Some(kept) = kept(connection, place).await.filter(|kept| Some(kept.revision) == revision)
        {
            return Ok(kept.url);
        }
        let missing = match in_etcd(connection, place, revision).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(missing)) => missing,
            // It can be read later, and may have changed until then.
            Err(error) if revision.is_none() => return Err(SecretPlaceError(error.to_string())),
            Err(error) => SecretPlaceError(error.to_string()),
        };
        kept(connection, place).await.map(|kept| kept.url).ok_or(missing)
    }
}

fn text<'a>(place: &'a Params, name: &str) -> Option<&'a str> {
    place.get(name).and_then(Value::as_str)
}

/// What etcd has; or that it has nothing there.
async fn in_etcd(
    connection: &EtcdConnection,
    place: &Params,
    revision: Option<i64>,
) -> Result<Result<String, SecretPlaceError>, EtcdError> {
    let (client, key) = (&connection.client, text(place, "key").unwrap_or_default());
    let found = match client.get(key.as_bytes(), revision).await {
        // Too old to be read: what is there now is the next best.
        Err(EtcdError::Compacted { .. }) => client.get(key.as_bytes(), None).await?,
        read => read?,
    };
    let Some(found) = found else {
        let missing = format!("the key \"{key}\" is missing in etcd {}", client.name());
        return Ok(Err(SecretPlaceError(missing)));
    };
    Ok(field(&found.value, text(place, "field")).ok_or_else(|| {
        let name = text(place, "field").unwrap_or_default();
        SecretPlaceError(format!("the key \"{key}\" has no text under `{name}`"))
    }))
}

/// The URL for reports that the ledger of this place's project keeps, where it is such a place.
async fn kept(connection: &EtcdConnection, place: &Params) -> Option<ReportUrl> {
    let project = text(place, "key")?.strip_suffix("/config")?.to_owned();
    let path = connection.ledgers.get().filter(|_| text(place, "field") == Some(CALLBACK))?.clone();
    let read = blocking(move || match path.exists() {
        true => {
            LedgerFolder::open(&path)?.project(&project).map(|ledger| ProjectNote::of(&ledger).report_url)
        }
        false => Ok(None),
    });
    let kept = read.await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the last URL for reports of a project cannot be read");
        None
    });
    kept.filter(|kept| !kept.url.is_empty())
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
