//! The users file: who may log in with a password. One JSON object a line; only hashes of passwords are in it.

mod file;
mod password;

pub use file::{UserEntry, UserNameError, UsersFile, UsersFileError, UsersRead, check_name};
pub use password::{PasswordError, PasswordHash, check_new_password};
