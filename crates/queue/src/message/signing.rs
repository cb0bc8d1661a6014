//! What proves that something in Redis comes from a Herald of the same queue.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::Sha256;

use crate::invalid::InvalidQueueSettings;
use crate::message::rejected::RejectedMessage;

/// The least length of a key in bytes.
const LEAST: usize = 16;

/// What a signature is for: one for one purpose does not fit another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// Topic and envelope.
    Message,
    /// Topic and id: the marker was made by a put.
    Marker,
    /// Topic, id, owner, delivery, starts, time.
    Start,
    /// Topic, id, attempt, starts.
    Attempt,
    /// Topic, id and the end.
    End,
    /// Topic, and who paused it.
    Pause,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Message => b"herald queue v1 message",
            Self::Marker => b"herald queue v1 marker",
            Self::Start => b"herald queue v1 start",
            Self::Attempt => b"herald queue v1 attempt",
            Self::End => b"herald queue v1 end",
            Self::Pause => b"herald queue v1 pause",
        }
    }
}

/// Bytes and their signature.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SignedBytes {
    pub(crate) bytes: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// The keys of a queue: the first signs and seals, all verify and open.
#[derive(Clone)]
pub struct SigningKeys {
    keys: Vec<Vec<u8>>,
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKeys({})", self.keys.len())
    }
}

impl SigningKeys {
    /// From the option `sign`.
    ///
    /// # Errors
    /// There is no key, or one is shorter than 16 bytes.
    pub fn new(keys: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Result<Self, InvalidQueueSettings> {
        let keys: Vec<Vec<u8>> = keys.into_iter().map(Into::into).collect();
        if keys.is_empty() {
            return Err(InvalidQueueSettings::Sign("a key is required"));
        }
        if keys.iter().any(|key| key.len() < LEAST) {
            return Err(InvalidQueueSettings::Sign("a key must have at least 16 bytes"));
        }
        Ok(Self { keys })
    }

    /// Signs the parts, each with its length, so that they cannot be shifted into each other.
    pub(crate) fn sign(&self, purpose: Purpose, parts: &[&[u8]]) -> Vec<u8> {
        mac(&self.keys[0], purpose.label(), parts).finalize().into_bytes().to_vec()
    }

    /// Whether one of the keys signed the parts.
    pub(crate) fn verify(
        &self,
        purpose: Purpose,
        parts: &[&[u8]],
        signature: &[u8],
    ) -> Result<(), RejectedMessage> {
        if signature.is_empty() {
            return Err(RejectedMessage::Unsigned);
        }
        let fits = |key: &Vec<u8>| mac(key, purpose.label(), parts).verify_slice(signature).is_ok();
        if self.keys.iter().any(fits) { Ok(()) } else { Err(RejectedMessage::Altered) }
    }

    /// Encrypts with a key of its own for this topic and id; the text form has the nonce in front.
    pub(crate) fn seal(&self, topic: &str, id: &str, plain: &[u8]) -> Result<String, RejectedMessage> {
        let failed = |_| RejectedMessage::Malformed("it cannot be encrypted".to_owned());
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce)
            .map_err(|_| RejectedMessage::Malformed("the system has no random numbers".to_owned()))?;
        let mut bytes = plain.to_vec();
        sealing_key(&self.keys[0], topic, id)
            .and_then(|key| {
                key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut bytes)
            })
            .map_err(failed)?;
        let mut all = nonce.to_vec();
        all.extend(bytes);
        Ok(STANDARD.encode(all))
    }

    /// Decrypts what one of the keys encrypted.
    pub(crate) fn unseal(&self, topic: &str, id: &str, text: &str) -> Result<Vec<u8>, RejectedMessage> {
        let malformed = || RejectedMessage::Malformed("the encrypted part is not valid Base64".to_owned());
        let all = STANDARD.decode(text).map_err(|_| malformed())?;
        let (nonce, sealed) = all.split_at_checked(NONCE_LEN).ok_or_else(malformed)?;
        for key in &self.keys {
            let (Ok(key), Ok(nonce)) = (sealing_key(key, topic, id), Nonce::try_assume_unique_for_key(nonce))
            else {
                continue;
            };
            let mut bytes = sealed.to_vec();
            if let Ok(plain) = key.open_in_place(nonce, Aad::empty(), &mut bytes) {
                return Ok(plain.to_vec());
            }
        }
        Err(RejectedMessage::Altered)
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
fn mac(key: &[u8], label: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    for part in [label].iter().chain(parts) {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    mac
}

fn sealing_key(key: &[u8], topic: &str, id: &str) -> Result<LessSafeKey, ring::error::Unspecified> {
    let derived = mac(key, b"herald queue v1 seal", &[topic.as_bytes(), id.as_bytes()]).finalize();
    Ok(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &derived.into_bytes())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(of: &[&str]) -> SigningKeys {
        SigningKeys::new(of.iter().map(|key| key.as_bytes())).unwrap()
    }

    #[test]
    fn the_first_signs_and_all_verify() {
        let (old, new) = ("o".repeat(16), "n".repeat(16));
        let before = keys(&[&old]);
        let during = keys(&[&new, &old]);
        let signature = before.sign(Purpose::Message, &[b"t", b"m"]);
        assert!(during.verify(Purpose::Message, &[b"t", b"m"], &signature).is_ok());
        for (purpose, parts) in [
            (Purpose::End, [&b"t"[..], b"m"]),
            (Purpose::Message, [b"tm", b""]),
            (Purpose::Message, [b"", b"tm"]),
            (Purpose::Message, [b"t", b"n"]),
        ] {
            assert_eq!(during.verify(purpose, &parts, &signature), Err(RejectedMessage::Altered));
        }
        assert_eq!(keys(&[&new]).verify(Purpose::Message, &[b"t", b"m"], &signature).ok(), None);
        assert_eq!(during.verify(Purpose::Message, &[], b""), Err(RejectedMessage::Unsigned));
        let sealed = before.seal("t", "1", b"secret").unwrap();
        assert_eq!(during.unseal("t", "1", &sealed).unwrap(), b"secret");
        assert_eq!(during.unseal("t", "2", &sealed), Err(RejectedMessage::Altered));
        assert!(matches!(during.unseal("t", "1", "x"), Err(RejectedMessage::Malformed(_))));
    }

    #[test]
    fn short_keys_are_rejected() {
        assert!(SigningKeys::new(["short"]).is_err());
        assert!(SigningKeys::new(Vec::<Vec<u8>>::new()).is_err());
        assert!(!format!("{:?}", keys(&["0123456789abcdef"])).contains("0123"));
    }
}
