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

/// Checks a body against its Content-Digest header: `sha-256` must be there; a `sha-512` beside it must fit too;
/// other algorithms are passed over, as RFC 9530 says.
///
/// # Errors
/// When the header cannot be read or does not fit.
pub fn check(header: &str, body: &[u8]) -> Result<(), DigestError> {
    let digests = Parser::new(header).parse::<Dictionary>().map_err(|_| DigestError::Malformed)?;
    let mut found = false;
    for (algorithm, entry) in &digests {
        let computed: Vec<u8> = match algorithm.as_str() {
            "sha-256" => Sha256::digest(body).to_vec(),
            "sha-512" => Sha512::digest(body).to_vec(),
            _ => continue,
        };
        let ListEntry::Item(item) = entry else { return Err(DigestError::Malformed) };
        let given = item.bare_item.as_byte_sequence().ok_or(DigestError::Malformed)?;
        if given != computed {
            return Err(DigestError::Differs);
        }
        found |= algorithm.as_str() == "sha-256";
    }
    if found { Ok(()) } else { Err(DigestError::Missing) }
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
