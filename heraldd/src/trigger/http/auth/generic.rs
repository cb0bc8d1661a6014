//! An HMAC of the body in a header, however a sender writes it.

use super::proof::{AuthError, RequestCredentials, WRONG, header};
use crate::signature::{Algorithm, Encoding, matches};

pub(super) struct Generic {
    pub(super) header: String,
    pub(super) algorithm: Algorithm,
    pub(super) encoding: Encoding,
    /// What may stand before it; one of them has to.
    pub(super) prefixes: Vec<String>,
    pub(super) secrets: Vec<String>,
}

impl Generic {
    pub(super) fn check(&self, request: &RequestCredentials<'_>) -> Result<(), AuthError> {
        let given = header(request, &self.header)?;
        let mut stripped =
            self.prefixes.iter().filter_map(|prefix| given.strip_prefix(prefix.as_str())).peekable();
        if stripped.peek().is_none() {
            let prefixes = self.prefixes.join("` or `");
            return Err(AuthError(format!("the header {} does not begin with `{prefixes}`", self.header)));
        }
        let mut checked = stripped.map(|signature| {
            signed(self.algorithm, &self.secrets, &[request.body], signature, self.encoding)
        });
        checked.find(Result::is_ok).unwrap_or_else(|| Err(AuthError::because(WRONG)))
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
    if secrets.iter().any(fits) { Ok(()) } else { Err(AuthError::because(WRONG)) }
}
