//! What the section `access` says, read.

use std::path::PathBuf;

use herald_net::network::Network;
use sha2::{Digest, Sha256};

use crate::grants::Grants;
use crate::role::Role;

/// What the section `access` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessSettings {
    /// The file with the users and their passwords.
    pub users: Option<PathBuf>,
    /// The tokens.
    pub tokens: Vec<TokenSettings>,
    /// Tokens that another program signs.
    pub jwt: Option<JwtSettings>,
    /// Proxies that are trusted.
    pub proxy: Option<ProxySettings>,
    /// On what somebody has a role.
    pub may: Grants,
}

impl AccessSettings {
    /// Whether anybody could prove who it is.
    #[must_use]
    pub fn authenticates_somebody(&self) -> bool {
        let has_names = self.proxy.as_ref().is_some_and(|proxy| proxy.user.is_some());
        self.users.is_some() || !self.tokens.is_empty() || self.jwt.is_some() || has_names
    }
}

/// The digest of a token, in place of the token.
#[derive(Clone, Copy)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Of this token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// In the same time for all wrong ones.
impl PartialEq for TokenDigest {
    fn eq(&self, other: &Self) -> bool {
        let difference = self.0.iter().zip(&other.0).fold(0, |all, (one, two)| all | (one ^ two));
        std::hint::black_box(difference) == 0
    }
}

impl Eq for TokenDigest {}

impl std::fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSettings {
    /// Its name; none for the token of the section `api`.
    pub name: Option<String>,
    /// What its holder sends.
    pub digest: TokenDigest,
    /// What its holder may do.
    pub role: Role,
}

/// How tokens that another program signs are checked.
#[derive(Clone, PartialEq, Eq)]
pub struct JwtSettings {
    /// With what they are signed. Secret.
    pub secret: String,
    /// The claim with the name; the first of the usual ones that is there where none is named.
    pub name: Option<String>,
    /// The role of everybody, or of those whose claim gives none.
    pub role: Option<Role>,
    /// The claim that says which role somebody has.
    pub role_claim: Option<String>,
    /// The role for each value of that claim; without any the values are names of roles.
    pub roles: Vec<(String, Role)>,
}

impl std::fmt::Debug for JwtSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtSettings")
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// Proxies that say where clients are, and who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxySettings {
    /// Their addresses.
    pub from: Vec<Network>,
    /// The header with the name; none where they do not say who calls.
    pub user: Option<String>,
    /// The header with the groups, separated by commas.
    pub groups: Option<String>,
    /// The role of each group.
    pub roles: Vec<(String, Role)>,
    /// The role of those without such a group.
    pub role: Option<Role>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_equal_or_not_and_never_shown() {
        assert_eq!(TokenDigest::of("a"), TokenDigest::of("a"));
        assert_ne!(TokenDigest::of("a"), TokenDigest::of("b"));
        assert_eq!(format!("{:?}", TokenDigest::of("a")), "***");
        let jwt = JwtSettings {
            secret: "hunter2hunter2".to_owned(),
            name: None,
            role: None,
            role_claim: None,
            roles: Vec::new(),
        };
        assert!(!format!("{jwt:?}").contains("hunter2"));
    }
}
