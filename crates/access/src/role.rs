//! Roles: what a caller may do.

use std::fmt;
use std::str::FromStr;

use herald_base::near_miss::near_miss;

/// What a caller may do. Each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees everything but the audit, secrets masked.
    Viewer,
    /// Also runs, cancels, re-runs, publishes, deploys and pauses.
    Operator,
    /// Also reloads the configuration and overrides what holds others up.
    Admin,
}

/// Their names, the least first.
pub const NAMES: [&str; 3] = ["viewer", "operator", "admin"];

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is not the name of a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a valid role; {help}")]
pub struct UnknownRole {
    given: String,
    help: String,
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| UnknownRole {
            given: text.to_owned(),
            help: match near_miss(text, NAMES) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("expected one of: {}", NAMES.join(", ")),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_have_names_and_an_order() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
        for (wrong, says) in [
            ("operater", "did you mean `operator`?"),
            ("root", "viewer, operator, admin"),
            ("Admin", "admin"),
        ] {
            let error = wrong.parse::<Role>().unwrap_err().to_string();
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }
}
