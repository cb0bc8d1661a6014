//! `heraldd user`: the users who log in with a password. It changes the users file, which a running daemon notices.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use herald_access::Role;
use herald_access::users::{
    PasswordError, PasswordHash, UserEntry, UserNameError, UsersFile, UsersFileError, check_name,
};
use herald_terminal::table;
use serde_json::json;

use super::new_password::{self, UnreadPassword};
use crate::client::NOT_FOUND;
use crate::command_output::{BAD_INPUT, CommandOutput, FAILED};
use crate::places::config_places::{self, NoConfigFile};
use crate::users_file::{self, NoUsersFile};

/// Add and change the users who log in with a password
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd user add anna --role operator")]
pub struct UserArguments {
    /// The configuration, whose `access.users` names the users file
    #[arg(short, long, value_name = "FILE", global = true, conflicts_with = "file",
          value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// The users file itself
    #[arg(long, value_name = "FILE", global = true, value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    #[command(subcommand)]
    command: UserCommand,
}

/// What is done with users.
#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Add a user; the password is asked for twice, or is the first line of standard input
    #[command(after_help = "Example:\n  heraldd user add anna --role operator")]
    Add {
        /// The name to log in with
        name: String,
        /// viewer, operator or admin
        #[arg(long, value_name = "ROLE", default_value = "viewer")]
        role: Role,
    },
    /// Set the password of a user
    #[command(after_help = "Example:\n  heraldd user passwd anna")]
    Passwd {
        /// The name of the user
        name: String,
    },
    /// Set the role of a user
    #[command(after_help = "Example:\n  heraldd user role anna admin")]
    Role {
        /// The name of the user
        name: String,
        /// viewer, operator or admin
        role: Role,
    },
    /// List the users and their roles
    #[command(after_help = "Example:\n  heraldd user list")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a user
    #[command(after_help = "Example:\n  heraldd user remove anna")]
    Remove {
        /// The name of the user
        name: String,
    },
}

/// It was not done.
#[derive(Debug, thiserror::Error)]
enum UserError {
    #[error("{0}")]
    Config(#[from] NoConfigFile),
    #[error("heraldd: {0}")]
    Place(#[from] NoUsersFile),
    #[error("heraldd: {0}")]
    File(#[from] UsersFileError),
    #[error("heraldd: {0}")]
    Name(#[from] UserNameError),
    #[error("heraldd: {0}")]
    Password(#[from] PasswordError),
    #[error("heraldd: {0}")]
    Unread(#[from] UnreadPassword),
    #[error("heraldd: there is a user `{0}` already; `heraldd user passwd {0}` sets the password")]
    Exists(String),
    #[error("heraldd: there is no user `{name}`{}", .known.as_ref().map(|known| format!("; expected one of: {known}")).unwrap_or_default())]
    Unknown { name: String, known: Option<String> },
}

impl UserError {
    fn code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Place(_) | Self::Name(_) | Self::Password(_) => BAD_INPUT,
            Self::Unknown { .. } => NOT_FOUND,
            Self::File(_) | Self::Exists(_) | Self::Unread(_) => FAILED,
        }
    }
}

/// Carries it out.
#[must_use]
pub fn run(arguments: &UserArguments) -> CommandOutput {
    carry_out(arguments).unwrap_or_else(|error| CommandOutput {
        out: String::new(),
        remarks: error.to_string(),
        code: error.code(),
    })
}

fn carry_out(arguments: &UserArguments) -> Result<CommandOutput, UserError> {
    let file = UsersFile::new(match &arguments.file {
        Some(file) => file.clone(),
        None => users_file::of_config(&config_places::or_default(arguments.config.clone())?)?,
    });
    let done = match &arguments.command {
        UserCommand::List { json } => return list(&file, *json),
        UserCommand::Add { name, role } => {
            check_name(name)?;
            // Before the password is asked for; and again when it is added.
            if read(&file)?.iter().any(|user| user.name == *name) {
                return Err(UserError::Exists(name.clone()));
            }
            let password = PasswordHash::new(&new_password::read(name)?)?;
            file.change(|users| match users.iter().any(|user| user.name == *name) {
                true => Err(UserError::Exists(name.clone())),
                false => {
                    users.push(UserEntry { name: name.clone(), role: *role, password });
                    Ok(())
                }
            })?;
            format!("user {name} added with the role {role}")
        }
        UserCommand::Passwd { name } => {
            named(&mut read(&file)?, name)?;
            let password = PasswordHash::new(&new_password::read(name)?)?;
            file.change(|users| named(users, name).map(|user| user.password = password))?;
            format!("the password of {name} is set")
        }
        UserCommand::Role { name, role } => {
            file.change(|users| named(users, name).map(|user| user.role = *role))?;
            format!("user {name} has the role {role} now")
        }
        UserCommand::Remove { name } => {
            file.change(|users| {
                named(users, name)?;
                users.retain(|user| user.name != *name);
                Ok::<(), UserError>(())
            })?;
            format!("user {name} removed")
        }
    };
    Ok(CommandOutput::good(done))
}

/// The users; none where there is no file yet.
fn read(file: &UsersFile) -> Result<Vec<UserEntry>, UserError> {
    match file.read() {
        Ok(read) => Ok(read.users),
        Err(UsersFileError::Missing(_)) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn named<'a>(users: &'a mut [UserEntry], name: &str) -> Result<&'a mut UserEntry, UserError> {
    let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
    let unknown =
        UserError::Unknown { name: name.to_owned(), known: (!names.is_empty()).then(|| names.join(", ")) };
    users.iter_mut().find(|user| user.name == name).ok_or(unknown)
}

fn list(file: &UsersFile, json: bool) -> Result<CommandOutput, UserError> {
    let users = read(file)?;
    if json {
        let one = |user: &UserEntry| json!({"name": user.name, "role": user.role.as_str()});
        let all: Vec<_> = users.iter().map(one).collect();
        return Ok(CommandOutput::good(json!(all).to_string()));
    }
    if users.is_empty() {
        let remarks = format!("no users in {}", file.path().display());
        return Ok(CommandOutput { remarks, ..CommandOutput::good("") });
    }
    let rows: Vec<table::Row<2>> = users.into_iter().map(|user| [user.name, user.role.to_string()]).collect();
    Ok(CommandOutput::good(table::table(["NAME", "ROLE"], &rows)))
}
