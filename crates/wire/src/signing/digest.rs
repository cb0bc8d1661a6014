//! Content-Digest (RFC 9530), with SHA-256.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sfv::{Dictionary, ListEntry, Parser};
use sha2::{Digest, Sha256, Sha512};

/// Why a digest was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Not a structured field as RFC 9530 wants it.
    #[error("the Content-Digest header cannot be read")]
    Malformed,
    /// No `sha-256` among the digests.
    #[error("the Content-Digest header has no sha-256")]
    Missing,
    /// The body is another one.
    #[error("the body does not match its Content-Digest")]
    Differs,
}

/// SHA-256 of these bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The value of a Content-Digest header for this body.
#[must_use]
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(sha256(body)))
}

/// Checks a body against its Content-Digest header while it is read: `sha-256` must be there; a `sha-512` beside it
/// must fit too; other algorithms are passed over, as RFC 9530 says.
#[derive(Clone)]
pub struct BodyDigest {
    sha256: Sha256,
    given_sha256: Vec<u8>,
    sha512: Option<(Sha512, Vec<u8>)>,
}

impl std::fmt::Debug for BodyDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BodyDigest")
    }
}

impl BodyDigest {
    /// What the header demands.
    ///
    /// # Errors
    /// When the header cannot be read, or has no `sha-256`.
    pub fn demanded(header: &str) -> Result<Self, DigestError> {
        let digests = Parser::new(header).parse::<Dictionary>().map_err(|_| DigestError::Malformed)?;
        let given = |algorithm: &str| match digests.get(algorithm) {
            None => Ok(None),
            Some(ListEntry::Item(item)) => item
                .bare_item
                .as_byte_sequence()
                .map(|bytes| Some(bytes.to_vec()))
                .ok_or(DigestError::Malformed),
            Some(_) => Err(DigestError::Malformed),
        };
        let sha512 = given("sha-512")?.map(|given| (Sha512::new(), given));
        let given_sha256 = given("sha-256")?.ok_or(DigestError::Missing)?;
        Ok(Self { sha256: Sha256::new(), given_sha256, sha512 })
    }

    /// The next bytes of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some((sha512, _)) = &mut self.sha512 {
            sha512.update(bytes);
        }
    }

    /// That was the whole body.
    ///
    /// # Errors
    /// When it is another one.
    pub fn finish(self) -> Result<(), DigestError> {
        let fits = self.sha256.finalize()[..] == self.given_sha256[..]
            && self.sha512.is_none_or(|(sha512, given)| sha512.finalize()[..] == given[..]);
        if fits { Ok(()) } else { Err(DigestError::Differs) }
    }
}

/// Checks a whole body against its Content-Digest header, see [`BodyDigest`].
///
/// # Errors
/// When the header cannot be read or does not fit.
pub fn check(header: &str, body: &[u8]) -> Result<(), DigestError> {
    let mut digest = BodyDigest::demanded(header)?;
    digest.update(body);
    digest.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 9530, appendices A and B, and of RFC 9421, B.2.
    #[test]
    fn rfc_9530_examples() {
        let with_newline = b"{\"hello\": \"world\"}\n";
        let without = b"{\"hello\": \"world\"}";
        let sha512 = "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:";
        assert_eq!(content_digest(with_newline), "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
        assert_eq!(content_digest(without), "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:");
        let fits = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
        for (header, expected) in [
            (fits.to_owned(), Ok(())),
            (format!("{sha512}, {fits}"), Ok(())),
            (format!("md5=:AAAA:, {fits}"), Ok(())),
            (sha512.to_owned(), Err(DigestError::Missing)),
            (format!("sha-512=:AAAA:, {fits}"), Err(DigestError::Differs)),
            ("sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:".to_owned(), Err(DigestError::Differs)),
            ("sha-256=X48E".to_owned(), Err(DigestError::Malformed)),
            ("sha-256=(:AAAA:)".to_owned(), Err(DigestError::Malformed)),
            (String::new(), Err(DigestError::Missing)),
            ("=".to_owned(), Err(DigestError::Malformed)),
        ] {
            assert_eq!(check(&header, with_newline), expected, "{header}");
        }
    }
}
