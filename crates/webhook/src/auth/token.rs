//! A token in a header or in the query.

use super::proof::{AuthError, RequestCredentials, header, is_one_of};

/// A token that the caller sends.
pub struct Token {
    /// Where it is expected.
    pub place: TokenLocation,
    /// The accepted tokens.
    pub tokens: Vec<String>,
}

/// Where a token is expected.
pub enum TokenLocation {
    /// In this header.
    Header(String),
    /// In this parameter of the query.
    Query(String),
}

impl Token {
    pub(super) fn query(&self) -> Option<&str> {
        match &self.place {
            TokenLocation::Query(name) => Some(name),
            TokenLocation::Header(_) => None,
        }
    }

    /// In a header with or without `Bearer` or `token` in front, as forges and scripts write it.
    pub(super) fn check(&self, request: &RequestCredentials<'_>) -> Result<(), AuthError> {
        let given = match &self.place {
            TokenLocation::Header(name) => header(request, name)?,
            TokenLocation::Query(name) => {
                let mut values = request.query.iter().filter(|(key, _)| key == name);
                match (values.next(), values.next()) {
                    (Some((_, value)), None) => value.as_str(),
                    (None, _) => {
                        return Err(AuthError::new(format!("the parameter {name} is missing in the query")));
                    }
                    _ => return Err(AuthError::new(format!("the parameter {name} is there twice"))),
                }
            }
        };
        let scheme = given.split_once(' ').filter(|(scheme, _)| {
            scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token")
        });
        let bare = scheme.map_or(given, |(_, rest)| rest.trim_start());
        if is_one_of(&self.tokens, given) | is_one_of(&self.tokens, bare) {
            Ok(())
        } else {
            Err(AuthError::new("the token is wrong"))
        }
    }
}
