//! HTTP Basic authentication (RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::proof::{AuthError, RequestCredentials, header, is_one_of};

/// A user and a password.
pub struct Basic {
    /// The user.
    pub user: String,
    /// The accepted passwords.
    pub passwords: Vec<String>,
}

impl Basic {
    pub(super) fn check(&self, request: &RequestCredentials<'_>) -> Result<(), AuthError> {
        let wrong = || AuthError::new("user or password is wrong");
        let given = header(request, "authorization")?;
        let (scheme, encoded) = given.split_once(' ').ok_or_else(wrong)?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(AuthError::new("expected `Authorization: Basic …`"));
        }
        let decoded = STANDARD.decode(encoded.trim()).map_err(|_| wrong())?;
        let decoded = String::from_utf8(decoded).map_err(|_| wrong())?;
        let (user, password) = decoded.split_once(':').ok_or_else(wrong)?;
        let user = is_one_of(std::slice::from_ref(&self.user), user);
        if user & is_one_of(&self.passwords, password) { Ok(()) } else { Err(wrong()) }
    }
}
