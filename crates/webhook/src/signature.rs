//! HMACs as web hooks are signed with, compared in constant time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// The hash below the HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-1: broken as a hash, not as an HMAC; older senders know nothing else.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// All names.
    pub const NAMES: [&'static str; 3] = ["sha1", "sha256", "sha512"];

    /// By its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha256, Self::Sha512].into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Its name, as configurations and prefixes of signatures have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal, in either case.
    Hex,
    /// Base64 with padding.
    Base64,
}

/// Whether `signature` is that of the parts, one after the other. In constant time as far as the secret is concerned.
#[must_use]
pub fn matches(
    algorithm: Algorithm,
    secret: &[u8],
    parts: &[&[u8]],
    signature: &str,
    encoding: Encoding,
) -> bool {
    let signature = match encoding {
        Encoding::Hex => hex::decode(signature).ok(),
        Encoding::Base64 => STANDARD.decode(signature).ok(),
    };
    let Some(signature) = signature else { return false };
    match algorithm {
        Algorithm::Sha1 => verify::<Hmac<Sha1>>(secret, parts, &signature),
        Algorithm::Sha256 => verify::<Hmac<Sha256>>(secret, parts, &signature),
        Algorithm::Sha512 => verify::<Hmac<Sha512>>(secret, parts, &signature),
    }
}

fn verify<M: hmac::Mac + hmac::KeyInit>(secret: &[u8], parts: &[&[u8]], signature: &[u8]) -> bool {
    // A key of an HMAC may have any length.
    let Ok(mut mac) = <M as hmac::KeyInit>::new_from_slice(secret) else { return false };
    parts.iter().for_each(|part| mac.update(part));
    mac.verify_slice(signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2202 and RFC 4231, test case 2 ("Jefe").
    #[test]
    fn the_vectors_of_the_rfcs() {
        let data: &[u8] = b"what do ya want for nothing?";
        for (algorithm, hex) in [
            (Algorithm::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Algorithm::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                Algorithm::Sha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ] {
            let check = |signature: &str, encoding| {
                matches(algorithm, b"Jefe", &[&data[..4], &data[4..]], signature, encoding)
            };
            assert!(check(hex, Encoding::Hex));
            assert!(check(&hex.to_uppercase(), Encoding::Hex));
            assert!(check(&STANDARD.encode(hex::decode(hex).unwrap()), Encoding::Base64));
            assert!(!check(&hex[2..], Encoding::Hex));
            assert!(!check(&format!("00{}", &hex[2..]), Encoding::Hex));
            assert!(!check("", Encoding::Hex));
            assert!(!check("not hex", Encoding::Hex));
        }
    }
}
