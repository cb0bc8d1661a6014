//! Version 1 of the wire: what the Go original speaks. The body is signed, and nothing else.

use crate::signing::secret::Secrets;

/// The header that carries the signature.
pub const SIGNATURE: &str = "x-herald-signature";

/// The value of the signature header: lower-case hex of HMAC-SHA256 over the body, by the first secret.
#[must_use]
pub fn sign(secrets: &Secrets, body: &[u8]) -> String {
    hex::encode(secrets.sign(0, body))
}

/// Whether this may be the signature header of some body.
#[must_use]
pub fn is_signature(header: &[u8]) -> bool {
    header.len() == 64 && header.iter().all(u8::is_ascii_hexdigit)
}

/// Whether one of the secrets made this signature header over this body.
#[must_use]
pub fn verify(secrets: &Secrets, header: &[u8], body: &[u8]) -> bool {
    hex::decode(header).is_ok_and(|signature| secrets.verify(body, &signature).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_the_original_does() {
        // printf '{"id":"1"}' | openssl dgst -sha256 -hmac the_secret_should_be_strong_enough
        let secrets = Secrets::new(["the_secret_should_be_strong_enough"]).unwrap();
        let body = br#"{"id":"1"}"#;
        let good = include_str!("../tests/golden/v1-signature.txt").trim();
        assert_eq!(sign(&secrets, body), good);
        let upper = good.to_uppercase();
        for (header, expected) in
            [(good, true), (upper.as_str(), true), ("", false), (&good[..62], false), ("zz", false)]
        {
            assert_eq!(verify(&secrets, header.as_bytes(), body), expected, "{header}");
        }
        assert!(!verify(&secrets, good.as_bytes(), br#"{"id":"2"}"#));
    }
}
