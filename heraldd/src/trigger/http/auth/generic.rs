//! An HMAC of the body in a header, however a sender writes it.

use super::proof::{Denied, Presented, WRONG, header};
use crate::hmac::{Algorithm, Encoding, matches};

pub(super) struct Generic {
    pub(super) header: String,
    pub(super) algorithm: Algorithm,
    pub(super) encoding: Encoding,
    pub(super) prefix: String,
    pub(super) secrets: Vec<String>,
}

impl Generic {
    pub(super) fn check(&self, request: &Presented<'_>) -> Result<(), Denied> {
        let given = header(request, &self.header)?;
        let Some(signature) = given.strip_prefix(self.prefix.as_str()) else {
            return Err(Denied(format!("the header {} does not begin with `{}`", self.header, self.prefix)));
        };
        signed(self.algorithm, &self.secrets, &[request.body], signature, self.encoding)
    }
}

/// Whether one of the secrets made the signature.
pub(super) fn signed(
    algorithm: Algorithm,
    secrets: &[String],
    parts: &[&[u8]],
    signature: &str,
    encoding: Encoding,
) -> Result<(), Denied> {
    let fits = |secret: &String| matches(algorithm, secret.as_bytes(), parts, signature, encoding);
    if secrets.iter().any(fits) { Ok(()) } else { Err(Denied::because(WRONG)) }
}
