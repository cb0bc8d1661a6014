//! Users of this machine, as `/etc/passwd` names them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::children::Starting;

/// Where they are.
const USERS: &str = "/etc/passwd";

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its own group.
    pub gid: u32,
    /// Its home folder.
    pub home: PathBuf,
    /// Its shell.
    pub shell: PathBuf,
}

impl Account {
    /// The user with this number. Blocks.
    #[must_use]
    pub fn of_uid(uid: u32) -> Option<Self> {
        accounts(Path::new(USERS)).into_iter().find(|account| account.uid == uid)
    }

    /// The user with this name or number, also one that a directory service knows. Blocks.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let is_it = |account: &Self| account.name == name || Ok(account.uid) == name.parse();
        let local = accounts(Path::new(USERS)).into_iter().find(is_it);
        local.or_else(|| account(ask("getent", &["passwd", name])?.lines().next()?))
    }
}

/// The user of jobs, where that is not the one of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobUser {
    /// Who it is.
    pub account: Account,
    /// All its groups.
    pub groups: Vec<u32>,
}

/// Why jobs cannot run as a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobUserError {
    /// It does not exist.
    #[error("there is no user `{0}` on this machine")]
    Unknown(String),
    /// Only root can become another user.
    #[error("only root can run jobs as another user: start Herald as root, or leave `user` out")]
    NeedsRoot,
    /// Its groups are not known.
    #[error("the groups of user `{0}` are not known: is the program `id` installed?")]
    NoGroups(String),
}

impl JobUser {
    /// The user with this name or number, with all its groups. Blocks.
    ///
    /// # Errors
    /// [`JobUserError`]
    pub fn named(name: &str) -> Result<Self, JobUserError> {
        let account = Account::named(name).ok_or_else(|| JobUserError::Unknown(name.to_owned()))?;
        if !rustix::process::geteuid().is_root() {
            return Err(JobUserError::NeedsRoot);
        }
        let groups = ask("id", &["-G", &account.name]).unwrap_or_default();
        let mut groups: Vec<u32> =
            groups.split_ascii_whitespace().filter_map(|group| group.parse().ok()).collect();
        if groups.is_empty() {
            return Err(JobUserError::NoGroups(name.to_owned()));
        }
        if !groups.contains(&account.gid) {
            groups.push(account.gid);
        }
        Ok(Self { account, groups })
    }

    /// What its jobs find in their environment.
    pub(crate) fn variables(&self) -> [(&'static str, OsString); 4] {
        let Account { name, home, shell, .. } = &self.account;
        [
            ("HOME", home.clone().into()),
            ("USER", name.into()),
            ("LOGNAME", name.into()),
            ("SHELL", shell.clone().into()),
        ]
    }
}

/// What a program of the system says of a user. It ends within milliseconds, or there is no answer.
fn ask(program: &str, arguments: &[&str]) -> Option<String> {
    // It is not taken for an orphan while this lives.
    let _starting = Starting::begin();
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then_some(text)
}

/// What a file like `/etc/passwd` holds. Lines that name no user are left out.
fn accounts(file: &Path) -> Vec<Account> {
    let text = String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned();
    text.lines().filter_map(account).collect()
}

/// One line: `name:password:uid:gid:comment:home:shell`.
fn account(line: &str) -> Option<Account> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell, ..] = fields.as_slice() else { return None };
    let shell = if shell.is_empty() { "/bin/sh" } else { shell };
    let (home, shell) = (PathBuf::from(home), PathBuf::from(shell));
    let name = Some(*name).filter(|name| !name.is_empty() && !name.starts_with(['#', '+', '-']))?;
    Some(Account { name: name.to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()?, home, shell })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_users() {
        let ann = |shell: &str| Account {
            name: "ann".into(),
            uid: 1000,
            gid: 100,
            home: "/home/ann".into(),
            shell: shell.into(),
        };
        for (line, expected) in [
            ("ann:x:1000:100:Ann,,,:/home/ann:/bin/zsh", Some(ann("/bin/zsh"))),
            ("ann:x:1000:100::/home/ann:", Some(ann("/bin/sh"))),
            ("# ann:x:1000:100::/home/ann:", None),
            ("+ann::::::", None),
            (":x:1000:100::/home/ann:/bin/sh", None),
            ("ann:x:many:100::/home/ann:/bin/sh", None),
            ("ann:x:1000", None),
            ("", None),
        ] {
            assert_eq!(account(line), expected, "{line}");
        }
    }

    #[test]
    fn users_of_jobs() {
        assert_eq!(Account::named("root"), Account::of_uid(0));
        assert_eq!(Account::named("0"), Account::of_uid(0));
        let unknown = JobUser::named("no-such-user").unwrap_err();
        assert_eq!(unknown.to_string(), "there is no user `no-such-user` on this machine");
        match JobUser::named("nobody") {
            Ok(nobody) => assert!(nobody.groups.contains(&nobody.account.gid)),
            Err(error) => assert_eq!(error, JobUserError::NeedsRoot),
        }
    }

    #[test]
    fn root_is_there() {
        let root = Account::of_uid(0).unwrap();
        assert_eq!((root.name.as_str(), root.gid), ("root", 0));
    }
}
