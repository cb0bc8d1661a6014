//! The cookie of a session: its name says of which daemon it is, since cookies do not know ports.

use http::{HeaderMap, header};
use sha2::{Digest, Sha256};

/// The bytes of a digest that distinguish the daemons of a host.
const ID_BYTES: usize = 4;

/// What distinguishes this daemon from others on the same host: of what only it has, such as its `state_dir`.
#[must_use]
pub fn instance_id(of: &str) -> String {
    hex::encode(&Sha256::digest(of)[..ID_BYTES])
}

/// How the cookie is called and where it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionCookie {
    name: String,
    path: String,
    is_secure: bool,
}

impl SessionCookie {
    /// For this daemon, below this base path; `is_secure`: only over TLS.
    #[must_use]
    pub fn new(instance: &str, base_path: &str, is_secure: bool) -> Self {
        let prefix = if is_secure { "__Secure-" } else { "" };
        Self { name: format!("{prefix}herald_{instance}"), path: format!("{base_path}/"), is_secure }
    }

    /// The token of the session that a request has; none where it has several, of which one may be somebody else's.
    #[must_use]
    pub fn token<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut own = pairs.filter(|(name, _)| *name == self.name).map(|(_, token)| token);
        let token = own.next()?;
        own.all(|other| other == token).then_some(token)
    }

    /// `Set-Cookie` that begins a session of so many seconds at most.
    #[must_use]
    pub fn begin(&self, token: &str, max_age: i64) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let Self { name, path, .. } = self;
        format!("{name}={token}; Path={path}; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}")
    }

    /// `Set-Cookie` that removes it.
    #[must_use]
    pub fn end(&self) -> String {
        self.begin("", 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_cookie_comes_back() {
        let cookie = SessionCookie::new(&instance_id("/var/lib/heraldd"), "/herald", false);
        let set = cookie.begin("abc", 60);
        assert!(set.ends_with("; Path=/herald/; Max-Age=60; HttpOnly; SameSite=Lax"), "{set}");
        let pair = set.split(';').next().unwrap().to_owned();
        for (given, token) in [
            (format!("a=b; {pair}; c=d"), Some("abc")),
            (format!("{pair}; {pair}"), Some("abc")),
            (format!("{pair}; {}", pair.replace("abc", "evil")), None),
            ("herald_00000000=abc".to_owned(), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(&given).unwrap());
            assert_eq!(cookie.token(&headers), token, "{given}");
        }
        let secure = SessionCookie::new("x", "", true).end();
        assert_eq!(secure, "__Secure-herald_x=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure");
        assert_ne!(instance_id("/a"), instance_id("/b"));
    }
}
