//! An HMAC of the body in a header, however a sender writes it.

use super::proof::{AuthError, MOST_SIGNATURES, RequestCredentials, header};
use crate::signature::{Algorithm, Encoding, matches};

/// A header with an HMAC of the body.
pub struct HmacHeader {
    /// The name of the header.
    pub header: String,
    /// The hash below the HMAC.
    pub algorithm: Algorithm,
    /// How the signature is written.
    pub encoding: Encoding,
    /// The prefixes of the signature; one of them is required.
    pub prefixes: Vec<String>,
    /// The accepted secrets.
    pub secrets: Vec<String>,
}

impl HmacHeader {
    /// While a secret is changed, a sender may give several signatures, with commas between them: any of them counts.
    pub(super) fn check(&self, request: &RequestCredentials<'_>) -> Result<(), AuthError> {
        let given = header(request, &self.header)?;
        let each = given.split(',').map(str::trim).filter(|each| each.len() < given.len());
        let all = std::iter::once(given).chain(each);
        let mut stripped = all
            .flat_map(|one| self.prefixes.iter().filter_map(move |prefix| one.strip_prefix(prefix.as_str())))
            .take(MOST_SIGNATURES)
            .peekable();
        if stripped.peek().is_none() {
            let prefixes = self.prefixes.join("` or `");
            return Err(AuthError::new(format!(
                "the header {} does not begin with `{prefixes}`",
                self.header
            )));
        }
        let mut checked = stripped.map(|signature| {
            signed(self.algorithm, &self.secrets, &[request.body], signature, self.encoding)
        });
        checked.find(Result::is_ok).unwrap_or_else(|| Err(AuthError::mismatch()))
    }
}

/// Whether one of the secrets made the signature.
pub(super) fn signed(
    algorithm: Algorithm,
    secrets: &[String],
    parts: &[&[u8]],
    signature: &str,
    encoding: Encoding,
) -> Result<(), AuthError> {
    let fits = |secret: &String| matches(algorithm, secret.as_bytes(), parts, signature, encoding);
    if secrets.iter().any(fits) { Ok(()) } else { Err(AuthError::mismatch()) }
}
