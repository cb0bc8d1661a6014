//! Passwords: argon2id, as PHC strings.

use std::fmt;

use argon2::password_hash::phc;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};

/// The shortest password, in characters.
const SHORTEST: usize = 8;
/// The longest, in bytes: more is an attempt to keep the machine busy.
const LONGEST: usize = 1024;
/// The most memory that the check of one hash may take, in KiB, and the most rounds.
const MOST_MEMORY: u32 = 256 << 10;
const MOST_ROUNDS: u32 = 16;
/// Checked where there is no such user, so that this takes as long; of no password that anybody could send.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A password cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// It is too short.
    #[error("a password needs at least {SHORTEST} characters")]
    Short,
    /// It is too long.
    #[error("a password has at most {LONGEST} bytes")]
    Long,
    /// It has a line break or another control character in it.
    #[error("a password has no control characters")]
    Control,
    /// It could not be hashed.
    #[error("the password could not be hashed: {0}")]
    Hash(String),
    /// The text is not the hash of a password.
    #[error("expected an argon2id hash ($argon2id$v=19$…); set the password with `heraldd user passwd`")]
    NotAHash,
}

/// The hash of a password. Its text is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// That a new password is good enough.
///
/// # Errors
/// [`PasswordError`]: why it is not.
pub fn check_new_password(password: &str) -> Result<(), PasswordError> {
    if password.chars().count() < SHORTEST {
        return Err(PasswordError::Short);
    }
    if password.len() > LONGEST {
        return Err(PasswordError::Long);
    }
    if password.contains(char::is_control) {
        return Err(PasswordError::Control);
    }
    Ok(())
}

impl PasswordHash {
    /// Hashes a new password. Takes some 20 ms and 19 MiB.
    ///
    /// # Errors
    /// When the password is not good enough, or the system has no random bytes.
    pub fn new(password: &str) -> Result<Self, PasswordError> {
        check_new_password(password)?;
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| PasswordError::Hash(error.to_string()))?;
        let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
        let hash: phc::PasswordHash = hash.map_err(|error| PasswordError::Hash(error.to_string()))?;
        Ok(Self(hash.to_string()))
    }

    /// A hash as it is in the file.
    ///
    /// # Errors
    /// When it is not one of argon2id, or checking it would take too much memory or time.
    pub fn parse(text: &str) -> Result<Self, PasswordError> {
        let hash = phc::PasswordHash::new(text).map_err(|_| PasswordError::NotAHash)?;
        let params = argon2::Params::try_from(&hash).map_err(|_| PasswordError::NotAHash)?;
        let is_bounded = params.m_cost() <= MOST_MEMORY && params.t_cost() <= MOST_ROUNDS;
        let is_argon2id = hash.algorithm.as_str() == "argon2id" && hash.hash.is_some() && hash.salt.is_some();
        if is_argon2id && is_bounded { Ok(Self(text.to_owned())) } else { Err(PasswordError::NotAHash) }
    }

    /// The PHC string, for the file alone.
    #[must_use]
    pub(crate) fn phc(&self) -> &str {
        &self.0
    }

    /// Whether this is the password. Blocks for some 20 ms.
    #[must_use]
    pub fn verify(&self, password: &str) -> bool {
        verify(&self.0, password)
    }

    /// Takes as long as [`Self::verify`], of a user that there is not.
    pub fn verify_nobody(password: &str) {
        let _ = verify(NOBODY, password);
    }
}

fn verify(hash: &str, password: &str) -> bool {
    if password.len() > LONGEST {
        return false;
    }
    let parsed = phc::PasswordHash::new(hash);
    parsed.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hashed_and_verified() {
        let hash = PasswordHash::new("correct horse").unwrap();
        assert!(hash.phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.phc());
        assert_ne!(hash, PasswordHash::new("correct horse").unwrap(), "each has a salt of its own");
        let read = PasswordHash::parse(hash.phc()).unwrap();
        for (password, is_it) in
            [("correct horse", true), ("correct horsf", false), ("", false), (&"x".repeat(2000), false)]
        {
            assert_eq!(read.verify(password), is_it, "{password}");
        }
        assert!(PasswordHash::parse(NOBODY).is_ok(), "it takes as long as another one");
        PasswordHash::verify_nobody("x");
        assert_eq!(format!("{hash:?}"), "***");
    }

    #[test]
    fn what_is_not_good_enough_is_refused() {
        for (password, says) in [
            ("1234567", "at least 8 characters"),
            ("grüngrü", "at least 8 characters"),
            (&"x".repeat(1025), "at most 1024 bytes"),
            ("12345678\t", "control characters"),
        ] {
            let error = PasswordHash::new(password).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        for text in [
            "",
            "12345678",
            "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2i$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=4000000,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=19456,t=9999,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$2b$12$AAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(PasswordHash::parse(text).is_err(), "{text}");
        }
    }
}
