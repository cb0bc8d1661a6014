//! Texts that an event does not carry because they are secret, only where they are: the password in a URL that another
//! system keeps, say. A component that needs such a text reads it when it uses it.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::value::param::Params;

/// Why a text could not be read: one sentence for people, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SecretPlaceError(pub String);

/// Reads texts from one kind of places.
#[async_trait]
pub trait SecretReader: Any + Send + Sync {
    /// The text at this place: a map that holds the name of the kind, and what else the reader needs.
    ///
    /// MUST end within a bounded time.
    ///
    /// # Errors
    /// Why it cannot be read.
    async fn read(&self, place: &Params) -> Result<String, SecretPlaceError>;
}

/// The readers of all kinds of places, for the [`Context`](crate::context::Context) of components. A place is a map in
/// which one key is the name of its kind: `{etcd: NAME, key: KEY, field: FIELD}`.
#[derive(Clone, Default, PartialEq)]
pub struct SecretPlaces {
    readers: BTreeMap<String, KindReader>,
}

/// The reader of one kind, and how two of its type are compared.
#[derive(Clone)]
struct KindReader {
    reader: Arc<dyn SecretReader>,
    equal: fn(&dyn Any, &dyn Any) -> bool,
}

impl PartialEq for KindReader {
    fn eq(&self, other: &Self) -> bool {
        let (one, other): (&dyn Any, &dyn Any) = (&*self.reader, &*other.reader);
        (self.equal)(one, other)
    }
}

impl SecretPlaces {
    /// Adds the reader of a kind; it takes the place of an earlier one. A reload keeps the components that use an equal
    /// one.
    #[must_use]
    pub fn with<R: SecretReader + PartialEq>(mut self, kind: &str, reader: R) -> Self {
        let equal = |one: &dyn Any, other: &dyn Any| {
            one.downcast_ref::<R>().is_some_and(|one| Some(one) == other.downcast_ref())
        };
        self.readers.insert(kind.to_owned(), KindReader { reader: Arc::new(reader), equal });
        self
    }

    /// The text at a place.
    ///
    /// # Errors
    /// No kind is named, or the reader's own error.
    pub async fn read(&self, place: &Params) -> Result<String, SecretPlaceError> {
        let reader = self.readers.iter().find(|(kind, _)| place.contains_key(kind.as_str()));
        let Some((_, KindReader { reader, .. })) = reader else {
            let known: Vec<&str> = self.readers.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let what = format!("the place names none of the kinds that can be read here ({known})");
            return Err(SecretPlaceError(what));
        };
        reader.read(place).await
    }
}

impl std::fmt::Debug for SecretPlaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.readers.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(PartialEq)]
    struct Fixed(&'static str);

    #[async_trait]
    impl SecretReader for Fixed {
        async fn read(&self, place: &Params) -> Result<String, SecretPlaceError> {
            let key = place.get("key").and_then(serde_json::Value::as_str).unwrap_or_default();
            if key == "gone" {
                Err(SecretPlaceError("gone".to_owned()))
            } else {
                Ok(format!("{}{key}", self.0))
            }
        }
    }

    fn place(value: serde_json::Value) -> Params {
        value.as_object().unwrap().clone()
    }

    #[tokio::test]
    async fn the_kind_decides() {
        let places = SecretPlaces::default().with("a", Fixed("one:")).with("b", Fixed("other:"));
        for (given, expected) in [
            (serde_json::json!({"a": "n", "key": "k"}), Ok("one:k")),
            (serde_json::json!({"b": "n", "key": "k"}), Ok("other:k")),
            (serde_json::json!({"b": "n", "key": "gone"}), Err("gone")),
            (
                serde_json::json!({"c": 1}),
                Err("the place names none of the kinds that can be read here (a, b)"),
            ),
        ] {
            let read = places.read(&place(given.clone())).await.map_err(|error| error.to_string());
            assert_eq!(read.as_deref().map_err(String::as_str), expected, "{given}");
        }
        let again = SecretPlaces::default().with("a", Fixed("one:"));
        assert!(again == SecretPlaces::default().with("a", Fixed("one:")) && again != places);
        assert!(again != SecretPlaces::default().with("a", Fixed("two:")));
        assert!(again != SecretPlaces::default().with("b", Fixed("one:")));
    }
}
