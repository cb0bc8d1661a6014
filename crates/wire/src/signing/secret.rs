//! The secrets that daemon and runner share.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The shortest secret that is taken, in bytes.
pub const MIN_SECRET: usize = 16;

/// Why a secret was refused. Never shows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// None was given.
    #[error("a secret is needed; make one with `openssl rand -hex 32`")]
    Missing,
    /// One of them is empty.
    #[error("the secret is empty; make one with `openssl rand -hex 32`")]
    Empty,
    /// One of them is too short.
    #[error(
        "the secret is too short ({0} bytes; at least {MIN_SECRET} are needed); make one with `openssl rand -hex 32`"
    )]
    Short(usize),
}

/// Checks one secret.
///
/// # Errors
/// When it is empty or short.
pub fn check(secret: &[u8]) -> Result<(), SecretError> {
    match secret.len() {
        0 => Err(SecretError::Empty),
        length if length < MIN_SECRET => Err(SecretError::Short(length)),
        _ => Ok(()),
    }
}

struct Secret {
    keyed: Hmac<Sha256>,
    id: String,
}

/// One secret or several: all are accepted, the first one signs, so that a secret can be changed without a gap.
#[derive(Clone)]
pub struct Secrets {
    list: Arc<[Secret]>,
}

impl Secrets {
    /// Takes the secrets, the one that signs first.
    ///
    /// # Errors
    /// When there is none, or one is empty or short.
    pub fn new<T: AsRef<[u8]>>(secrets: impl IntoIterator<Item = T>) -> Result<Self, SecretError> {
        let mut list = Vec::new();
        for secret in secrets {
            let secret = secret.as_ref();
            check(secret)?;
            list.push(Secret::new(secret)?);
        }
        if list.is_empty() {
            return Err(SecretError::Missing);
        }
        Ok(Self { list: list.into() })
    }

    /// Reads the option `secret` of a configuration: a secret, or a list of them.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_value(value: &Value) -> Result<Self, SecretError> {
        match value {
            Value::Array(list) => Self::new(list.iter().filter_map(Value::as_str)),
            one => Self::new(one.as_str()),
        }
    }

    /// Public name of the secret that signs: identifies the secret and reveals nothing about it.
    #[must_use]
    pub fn key_id(&self, index: usize) -> &str {
        self.list.get(index).map_or("", |secret| &secret.id)
    }

    /// HMAC-SHA256 of `message` by the secret at `index`; 0 is the one that signs.
    #[must_use]
    pub fn sign(&self, index: usize, message: &[u8]) -> Vec<u8> {
        let Some(secret) = self.list.get(index) else { return Vec::new() };
        let mut mac = secret.keyed.clone();
        mac.update(message);
        mac.finalize().into_bytes().to_vec()
    }

    /// Which secret made `signature` over `message`. All of them are tried, and each comparison takes the same time.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Option<usize> {
        let mut found = None;
        for (index, secret) in self.list.iter().enumerate() {
            let mut mac = secret.keyed.clone();
            mac.update(message);
            if mac.verify_slice(signature).is_ok() && found.is_none() {
                found = Some(index);
            }
        }
        found
    }
}

impl Secret {
    fn new(secret: &[u8]) -> Result<Self, SecretError> {
        let keyed = Hmac::new_from_slice(secret).map_err(|_| SecretError::Short(secret.len()))?;
        let mut hash = Sha256::new();
        hash.update(b"herald keyid");
        hash.update(secret);
        let id = hex::encode(hash.finalize().get(..8).unwrap_or_default());
        Ok(Self { keyed, id })
    }
}

impl PartialEq for Secrets {
    /// By their public names: nothing that depends on the secrets themselves is compared.
    fn eq(&self, other: &Self) -> bool {
        let ids = |secrets: &Self| secrets.list.iter().map(|secret| secret.id.clone()).collect::<Vec<_>>();
        ids(self) == ids(other)
    }
}

impl Eq for Secrets {}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.list.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn weak_secrets_are_refused_and_never_shown() {
        for (secrets, expected) in [
            (vec![], Some(SecretError::Missing)),
            (vec![""], Some(SecretError::Empty)),
            (vec!["fifteen bytes!!"], Some(SecretError::Short(15))),
            (vec!["sixteen bytes!!!", "short"], Some(SecretError::Short(5))),
            (vec!["sixteen bytes!!!"], None),
        ] {
            let made = Secrets::new(&secrets);
            assert_eq!(made.as_ref().err(), expected.as_ref(), "{secrets:?}");
            assert!(!format!("{made:?}").contains("sixteen"), "{made:?}");
        }
    }

    #[test]
    fn an_option_is_one_or_a_list() {
        let strong = "sixteen bytes!!!";
        for (value, expected) in [
            (json!(strong), None),
            (json!([strong, "another of 16 bytes"]), None),
            (json!([strong, "short"]), Some(SecretError::Short(5))),
            (json!([]), Some(SecretError::Missing)),
            (json!(""), Some(SecretError::Empty)),
            (json!(null), Some(SecretError::Missing)),
        ] {
            assert_eq!(Secrets::of_value(&value).err(), expected, "{value}");
        }
    }

    #[test]
    fn the_first_signs_and_all_are_accepted() {
        let both = Secrets::new(["a new secret of some length", "an old secret of some length"]).unwrap();
        let old = Secrets::new(["an old secret of some length"]).unwrap();
        assert_eq!(both.verify(b"x", &old.sign(0, b"x")), Some(1));
        assert_eq!(old.verify(b"x", &both.sign(0, b"x")), None);
        assert_eq!(old.verify(b"x", &both.sign(1, b"x")), Some(0));
        assert_eq!(both.verify(b"x", &old.sign(0, b"x")[..31]), None);
        assert_ne!(both.key_id(0), both.key_id(1));
        assert_eq!(both.key_id(1), old.key_id(0));
        assert_eq!(both.key_id(0).len(), 16);
    }
}
