//! Reading and changing the users file.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use herald_base::file_lock::FileLock;
use herald_base::os_error;
use herald_base::private_file::{ForeignAccess, regular};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use serde::{Deserialize, Serialize};

use super::password::PasswordHash;
use crate::role::Role;

/// The largest file, in bytes: some five thousand users.
const LARGEST: u64 = 1 << 20;
const PRIVATE: u32 = 0o600;
const BY_GROUP_OR_OTHERS: u32 = 0o077;
/// The longest name, in characters.
const LONGEST_NAME: usize = 64;

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEntry {
    /// The name to log in with.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// The hash of the password.
    pub password: PasswordHash,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserLine {
    name: String,
    role: String,
    password: String,
}

/// The users file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UsersFileError {
    /// There is none.
    #[error("the users file {} does not exist; `heraldd user add` makes it", .0.display())]
    Missing(PathBuf),
    /// The system refuses.
    #[error("the users file {}: {}", .path.display(), os_error::plain(&.error.to_string()))]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Others can read it.
    #[error(
        "the users file {0} can be read by other users (mode {mode:04o}); run  chmod 600 {0}  and set the passwords again \
         if they may have read it", .path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Others can change it.
    #[error("the users file {} {access}; run  {}", .path.display(), .access.correction(.path))]
    Foreign {
        /// The file.
        path: PathBuf,
        /// How.
        access: ForeignAccess,
    },
    /// A line is wrong.
    #[error("{}:{line}: {why}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which, from 1.
        line: usize,
        /// Why.
        why: String,
    },
}

/// That a user can have this name.
///
/// # Errors
/// A sentence about why not.
pub fn check_name(name: &str) -> Result<(), UserNameError> {
    let is_good = |c: char| c.is_alphanumeric() || "._@-".contains(c);
    let begins_well = name.chars().next().is_some_and(char::is_alphanumeric);
    if begins_well && name.chars().all(is_good) && name.chars().count() <= LONGEST_NAME {
        Ok(())
    } else {
        Err(UserNameError(name.to_owned()))
    }
}

/// A user cannot have this name.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{}` is not a valid name of a user; expected at most {LONGEST_NAME} letters, digits and . _ @ -, the first a letter or digit",
    .0.escape_debug()
)]
pub struct UserNameError(String);

/// The users, and which state of the file they are of.
#[derive(Debug, Clone)]
pub struct UsersRead {
    /// The users, in the order of the file.
    pub users: Vec<UserEntry>,
    pub(crate) state: UsersFileState,
}

/// Which state of a file something is of: another one has another state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UsersFileState {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl UsersFileState {
    fn of(metadata: &Metadata) -> Self {
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Self { inode: metadata.ino(), size: metadata.size(), changed }
    }
}

/// The users file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsersFile(PathBuf);

impl UsersFile {
    /// At this path.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn unusable(&self, error: io::Error) -> UsersFileError {
        match error.kind() {
            ErrorKind::NotFound => UsersFileError::Missing(self.0.clone()),
            _ => UsersFileError::Unusable { path: self.0.clone(), error },
        }
    }

    /// The state of the file now; none where it cannot be seen.
    pub(crate) fn state(&self) -> Option<UsersFileState> {
        std::fs::symlink_metadata(&self.0).ok().map(|metadata| UsersFileState::of(&metadata))
    }

    /// Reads it. Blocks.
    ///
    /// # Errors
    /// [`UsersFileError`]: it is missing, others can read or change it, a line is wrong.
    pub fn read(&self) -> Result<UsersRead, UsersFileError> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = regular(rustix::fs::open(&self.0, flags, Mode::empty()));
        let file = file.map_err(|error| self.unusable(error))?;
        let metadata = file.metadata().map_err(|error| self.unusable(error))?;
        self.check_access(&metadata)?;
        let mut text = String::new();
        let read = (&file).take(LARGEST + 1).read_to_string(&mut text);
        read.map_err(|error| self.unusable(error))?;
        if text.len() as u64 > LARGEST {
            return Err(self.unusable(io::Error::other("it is larger than 1 MiB")));
        }
        Ok(UsersRead { users: self.parse(&text)?, state: UsersFileState::of(&metadata) })
    }

    fn check_access(&self, metadata: &Metadata) -> Result<(), UsersFileError> {
        if let Some(access) = ForeignAccess::of(metadata) {
            return Err(UsersFileError::Foreign { path: self.0.clone(), access });
        }
        let mode = metadata.mode() & 0o7777;
        if mode & BY_GROUP_OR_OTHERS != 0 {
            return Err(UsersFileError::Open { path: self.0.clone(), mode });
        }
        Ok(())
    }

    fn parse(&self, text: &str) -> Result<Vec<UserEntry>, UsersFileError> {
        let mut users: Vec<UserEntry> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            let wrong = |why: String| UsersFileError::Line { path: self.0.clone(), line: number, why };
            // The text is not shown: a hash is in it.
            let read: UserLine = serde_json::from_str(line).map_err(|error| {
                let expected = r#"expected {"name": …, "role": …, "password": …}"#;
                wrong(format!("{expected} (column {})", error.column()))
            })?;
            check_name(&read.name).map_err(|error| wrong(error.to_string()))?;
            if users.iter().any(|user| user.name == read.name) {
                return Err(wrong(format!("the user `{}` is defined twice", read.name)));
            }
            let role = read.role.parse::<Role>().map_err(|error| wrong(error.to_string()))?;
            let password = PasswordHash::parse(&read.password).map_err(|error| wrong(error.to_string()))?;
            users.push(UserEntry { name: read.name, role, password });
        }
        Ok(users)
    }

    /// Changes it, a missing one from nothing; no other change happens meanwhile. After a crash it is as it was before
    /// or after. Blocks.
    ///
    /// # Errors
    /// [`UsersFileError`] as what `change` fails with, and what `change` itself says: then nothing is written.
    pub fn change<T, E: From<UsersFileError>>(
        &self,
        change: impl FnOnce(&mut Vec<UserEntry>) -> Result<T, E>,
    ) -> Result<T, E> {
        let folder = match self.0.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let folder =
            File::open(folder).map_err(|error| UsersFileError::Unusable { path: self.0.clone(), error })?;
        flock(&folder, FlockOperation::LockExclusive).map_err(|error| self.unusable(error.into()))?;
        let folder = FileLock::new(folder);
        let mut users = match self.read() {
            Ok(read) => read.users,
            Err(UsersFileError::Missing(_)) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let done = change(&mut users)?;
        self.write(&users, folder.file()).map_err(|error| self.unusable(error))?;
        Ok(done)
    }

    /// Written aside, synced, renamed.
    fn write(&self, users: &[UserEntry], folder: &File) -> io::Result<()> {
        let name = self.0.file_name().ok_or_else(|| io::Error::other("it has no name"))?;
        let mut aside_name = std::ffi::OsString::from(".");
        aside_name.push(name);
        aside_name.push(".new");
        let aside = self.0.with_file_name(aside_name);
        match std::fs::remove_file(&aside) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(&aside)?;
        // It stays with the user that the daemon runs as, when root changes it.
        let owner = std::fs::symlink_metadata(&self.0).or_else(|_| folder.metadata())?;
        if rustix::process::geteuid().is_root() {
            fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
        }
        for user in users {
            let line = UserLine {
                name: user.name.clone(),
                role: user.role.to_string(),
                password: user.password.phc().to_owned(),
            };
            let line = serde_json::to_string(&line).map_err(io::Error::other)?;
            writeln!(file, "{line}")?;
        }
        file.sync_all()?;
        std::fs::rename(&aside, &self.0)?;
        folder.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::users::password::PasswordError;

    #[derive(Debug, thiserror::Error)]
    enum Refusal {
        #[error(transparent)]
        File(#[from] UsersFileError),
        #[error(transparent)]
        Password(#[from] PasswordError),
        #[error("no")]
        No,
    }

    fn user(name: &str, role: Role) -> UserEntry {
        UserEntry { name: name.to_owned(), role, password: PasswordHash::new("password").unwrap() }
    }

    #[test]
    fn it_is_made_changed_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = UsersFile::new(folder.path().join("users"));
        assert!(matches!(file.read(), Err(UsersFileError::Missing(_))));
        let (anna, bob) = (user("anna", Role::Operator), user("bob@example.com", Role::Viewer));
        let add = |one: UserEntry| {
            file.change(|users| -> Result<(), Refusal> {
                users.push(one);
                Ok(())
            })
        };
        add(anna.clone()).unwrap();
        let state = file.state();
        add(bob.clone()).unwrap();
        assert_ne!(file.state(), state);
        let read = file.read().unwrap();
        assert_eq!(read.users, [anna, bob]);
        assert_eq!(Some(read.state), file.state());
        assert_eq!(std::fs::metadata(file.path()).unwrap().mode() & 0o7777, 0o600);
        let refused = file.change(|users| -> Result<(), Refusal> {
            users.clear();
            Err(Refusal::No)
        });
        assert!(refused.is_err() && file.read().unwrap().users.len() == 2, "nothing is written");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(text.starts_with(r#"{"name":"anna","role":"operator","password":"$argon2id$"#), "{text}");
    }

    #[test]
    fn what_others_can_read_and_what_is_wrong_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("users"), folder.path().join("link"));
        let hash = PasswordHash::new("password").unwrap();
        let line = |name: &str, role: &str, hash: &str| {
            format!("{{\"name\": \"{name}\", \"role\": \"{role}\", \"password\": \"{hash}\"}}\n")
        };
        let good = line("anna", "admin", hash.phc());
        symlink("users", &link).unwrap();
        let refused = |path: &Path, text: &str, mode: u32| {
            std::fs::write(folder.path().join("users"), text).unwrap();
            std::fs::set_permissions(folder.path().join("users"), Permissions::from_mode(mode)).unwrap();
            UsersFile::new(path.to_owned())
                .read()
                .map(|read| read.users.len())
                .map_err(|error| error.to_string())
        };
        assert_eq!(refused(&path, &format!("# users\n\n{good}"), 0o600), Ok(1));
        for (path, text, mode, says) in [
            (&path, good.clone(), 0o640, "can be read by other users (mode 0640); run  chmod 600 "),
            (&path, good.clone(), 0o602, "can be written by other users (mode 0602); run  chmod go-w "),
            (&link, good.clone(), 0o600, "it is a symbolic link"),
            (&folder.path().to_owned(), good.clone(), 0o600, "it is not a regular file"),
            (&path, format!("{good}{good}"), 0o600, "users:2: the user `anna` is defined twice"),
            (&path, line("an na", "admin", hash.phc()), 0o600, "users:1: `an na` is not a valid name"),
            (&path, line("anna", "root", hash.phc()), 0o600, "`root` is not a valid role"),
            (&path, line("anna", "admin", "secret"), 0o600, "expected an argon2id hash"),
            (&path, format!("anna:{}", hash.phc()), 0o600, "expected {\"name\""),
            (&path, "x".repeat((1 << 20) + 1), 0o600, "larger than 1 MiB"),
        ] {
            let error = refused(path, &text, mode).unwrap_err();
            assert!(error.contains(says), "{says}: {error}");
            assert!(!error.contains("$argon2id$v=19$m"), "{error}");
        }
    }

    #[test]
    fn names() {
        for (name, is_good) in [
            ("anna", true),
            ("anna.b-c_d@example.com", true),
            ("李雷", true),
            ("7", true),
            ("", false),
            (".a", false),
            ("-a", false),
            ("a:b", false),
            ("a b", false),
            ("a\n", false),
            ("*", false),
            (&"a".repeat(64), true),
            (&"a".repeat(65), false),
        ] {
            assert_eq!(check_name(name).is_ok(), is_good, "{name}");
        }
    }
}
