//! The bare mirror of one repository. Everything here blocks.

use std::fs::{DirBuilder, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use git2::{
    AutotagOption, Config, Direction, FetchOptions, ObjectType, Oid, ProxyOptions, Remote, RemoteConnection,
    Repository, RepositoryInitOptions,
};
use herald_base::file_lock::FileLock;

use super::cancel::CancelFlag;
use super::credential::{CallbackError, callbacks};
use super::mirror_error::MirrorError;
use super::plan::{FetchPlan, commit_of, find, heads, not_there, plan};
use super::source::{FULL, GitSource, Revision};
use crate::scratch::remove_tree;

/// Where the mirror remembers what it has: never under names that the remote chose.
const KEPT: &str = "refs/herald/";
/// `false` refuses redirects to other hosts, which would be handed the credentials (those within a host are followed).
const REDIRECTS: &str = "http.followRedirects";
/// More loose references than this are packed into one file.
const MANY_REFS: usize = 50;
/// How often a lock that another process holds is tried.
const LOCK_WAIT: Duration = Duration::from_millis(50);

/// A mirror's place on disk.
#[derive(Debug, Clone)]
pub(crate) struct Mirror {
    path: PathBuf,
}

/// The lock that keeps two processes from fetching the same at once. It can be taken away from a thread that hangs:
/// packs are written aside and renamed, so even a thread that wakes up later does no harm.
#[derive(Clone, Default)]
pub(crate) struct FetchLock(Arc<Mutex<Option<FileLock>>>);

impl FetchLock {
    pub(crate) fn release(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Does nothing where it has it already.
    fn take(&self, path: &Path, cancel: &CancelFlag) -> Result<(), MirrorError> {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(());
        }
        let unusable = |error: std::io::Error| {
            MirrorError::Reason(format!("{} cannot be locked: {error}", path.display()))
        };
        let open = || OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
        let file = match open() {
            // Somebody removed the folder of all mirrors.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let folder = path.parent().unwrap_or(path);
                DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
                open()
            }
            other => other,
        };
        let file = file.map_err(unusable)?;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if cancel.is_set() => return Err(MirrorError::Cancelled),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_WAIT),
                Err(TryLockError::Error(error)) => return Err(unusable(error)),
            }
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(FileLock::new(file));
        Ok(())
    }
}

impl Mirror {
    /// The mirror of this source below `root`.
    pub(crate) fn of(source: &GitSource, root: &Path) -> Self {
        Self { path: root.join(name_of(&source.url.identity())) }
    }

    /// Its folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it with nothing but its own configuration: the user's and the machine's could redirect addresses.
    pub(crate) fn open(&self) -> Result<Repository, git2::Error> {
        let repo = Repository::open_bare(&self.path)?;
        let mut config = Config::open(&self.path.join("config"))?;
        if config.get_string(REDIRECTS).is_err() {
            config.set_str(REDIRECTS, "false")?;
        }
        repo.set_config(&config)?;
        Ok(repo)
    }

    fn open_or_make(&self) -> Result<Repository, MirrorError> {
        if self.path.exists() {
            match self.open() {
                Ok(repo) => return Ok(repo),
                Err(error) => {
                    tracing::warn!(path = %self.path.display(), %error, "mirror corrupt; re-cloning");
                    self.remove()?;
                }
            }
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
        made.map_err(|error| {
            MirrorError::Reason(format!("the mirror {} cannot be written: {error}", self.path.display()))
        })?;
        let mut options = RepositoryInitOptions::new();
        // No template: those bring hooks.
        options.bare(true).no_reinit(false).external_template(false).initial_head("herald");
        Repository::init_opts(&self.path, &options)?;
        Ok(self.open()?)
    }

    fn remove(&self) -> Result<(), MirrorError> {
        remove_tree(&self.path).map_err(|error| {
            MirrorError::Reason(format!("the mirror {} cannot be written: {error}", self.path.display()))
        })
    }

    /// The exact commit that is asked for, when it is here already: then nobody needs to be asked.
    pub(crate) fn local(&self, revision: &Revision) -> Result<Option<Oid>, MirrorError> {
        match revision {
            Revision::Commit(commit) if self.path.exists() => find(&self.open()?, commit),
            _ => Ok(None),
        }
    }

    fn ready(&self, lock: &FetchLock, cancel: &CancelFlag, fresh: bool) -> Result<Repository, MirrorError> {
        lock.take(&self.path.with_extension("lock"), cancel)?;
        if fresh {
            self.remove()?;
        }
        let repo = self.open_or_make()?;
        self.sweep();
        Ok(repo)
    }

    /// Asks the remote what is wanted: what is not here yet, each with the name under which it is kept. The lock is
    /// held from then on. With `fresh` the mirror is deleted first.
    pub(crate) fn missing(
        &self,
        source: &GitSource,
        lock: &FetchLock,
        cancel: &CancelFlag,
        fresh: bool,
    ) -> Result<Vec<(String, String)>, MirrorError> {
        let repo = self.ready(lock, cancel, fresh)?;
        let mut remote = remote(&repo, source)?;
        let connection = connect(&mut remote, source, cancel, &CallbackError::default())?;
        let heads = heads(connection.list().map_err(MirrorError::Remote)?);
        let plan = plan(&heads, &source.revision, &repo)?;
        let odb = repo.odb()?;
        let missing = plan.refs.into_iter().filter(|(_, id)| !odb.exists(*id));
        missing.map(|(name, _)| kept_as(&name).map(|kept| (name, kept)).map_err(MirrorError::Git)).collect()
    }

    /// Asks the remote what is wanted, and fetches it when it is not here yet. With `fresh` the mirror is deleted
    /// first.
    pub(crate) fn fetch(
        &self,
        source: &GitSource,
        lock: &FetchLock,
        cancel: &CancelFlag,
        callback_error: &CallbackError,
        fresh: bool,
    ) -> Result<Oid, MirrorError> {
        let repo = self.ready(lock, cancel, fresh)?;
        let mut remote = remote(&repo, source)?;
        let mut connection = connect(&mut remote, source, cancel, callback_error)?;
        let heads = heads(connection.list().map_err(MirrorError::Remote)?);
        let plan = plan(&heads, &source.revision, &repo)?;
        download(&repo, connection.remote(), &plan, source, cancel, callback_error)?;
        let found = match (&plan.wanted, &source.revision) {
            (Some(id), _) => Some(*id),
            (None, Revision::Commit(commit)) => match find(&repo, commit)? {
                None if commit.len() == FULL => {
                    fetch_by_id(&repo, connection.remote(), commit, source, cancel, callback_error)?
                }
                found => found,
            },
            (None, _) => None,
        };
        drop(connection);
        let id = found.ok_or_else(|| not_there(&source.revision))?;
        commit_of(&repo, id)?
            .ok_or_else(|| MirrorError::Reason("the requested object is not a commit".to_owned()))
    }

    /// What a killed process left in the middle of a fetch. Called under the lock.
    fn sweep(&self) {
        let unfinished = |folder: PathBuf, is_rest: fn(&str) -> bool| {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_name().to_str().is_some_and(is_rest) {
                    let _ = std::fs::remove_file(entry.path());
                }
            }
        };
        unfinished(self.path.join("objects/pack"), |name| {
            !name.ends_with(".pack") && !name.ends_with(".idx") && !name.ends_with(".keep")
        });
        unfinished(self.path.join(KEPT), |name| name.ends_with(".lock"));
        unfinished(self.path.clone(), |name| name.ends_with(".lock"));
    }
}

fn remote<'a>(repo: &'a Repository, source: &GitSource) -> Result<Remote<'a>, git2::Error> {
    repo.remote_anonymous(&source.url.dial(source.credentials.user(&source.url)))
}

fn connect<'a, 'repo, 'source>(
    remote: &'a mut Remote<'repo>,
    source: &'source GitSource,
    cancel: &'source CancelFlag,
    callback_error: &CallbackError,
) -> Result<RemoteConnection<'repo, 'a, 'source>, MirrorError>
where
    'source: 'a,
{
    let asked = callbacks(&source.url, &source.credentials, cancel, callback_error);
    let connection = remote.connect_auth(Direction::Fetch, Some(asked), Some(proxy()));
    connection.map_err(MirrorError::Remote)
}

fn proxy<'a>() -> ProxyOptions<'a> {
    // As for other programs: https_proxy, http_proxy and no_proxy of Herald's own environment.
    let mut options = ProxyOptions::new();
    options.auto();
    options
}

fn download(
    repo: &Repository,
    remote: &mut Remote<'_>,
    plan: &FetchPlan,
    source: &GitSource,
    cancel: &CancelFlag,
    callback_error: &CallbackError,
) -> Result<(), MirrorError> {
    let odb = repo.odb()?;
    let missing: Vec<&str> =
        plan.refs.iter().filter(|(_, id)| !odb.exists(*id)).map(|(name, _)| name.as_str()).collect();
    if !missing.is_empty() {
        remote.download(&missing, Some(&mut options(source, cancel, callback_error)))?;
    }
    if cancel.is_set() {
        return Err(MirrorError::Cancelled);
    }
    for (name, id) in &plan.refs {
        keep(repo, name, *id)?;
    }
    if plan.refs.len() > MANY_REFS {
        repo.refdb()?.compress()?;
    }
    Ok(())
}

/// Some servers hand out any commit by its name, even one that no branch or tag holds (a pull request's).
fn fetch_by_id(
    repo: &Repository,
    remote: &mut Remote<'_>,
    commit: &str,
    source: &GitSource,
    cancel: &CancelFlag,
    callback_error: &CallbackError,
) -> Result<Option<Oid>, MirrorError> {
    if remote.download(&[commit], Some(&mut options(source, cancel, callback_error))).is_err() {
        // The server does not, or has no such commit: reported as missing.
        return Ok(None);
    }
    let found = find(repo, commit)?;
    if let Some(id) = found {
        keep(repo, commit, id)?;
    }
    Ok(found)
}

fn options<'a>(
    source: &'a GitSource,
    cancel: &'a CancelFlag,
    callback_error: &CallbackError,
) -> FetchOptions<'a> {
    let mut options = FetchOptions::new();
    options.remote_callbacks(callbacks(&source.url, &source.credentials, cancel, callback_error));
    options.proxy_options(proxy()).download_tags(AutotagOption::None).update_fetchhead(false);
    options
}

/// Remembers a tip, so that the next fetch says what is here already. Named by a hash: the remote's own names could
/// clash with each other (`a`, later `a/b`).
fn keep(repo: &Repository, name: &str, id: Oid) -> Result<(), git2::Error> {
    repo.reference(&kept_as(name)?, id, true, "").map(drop)
}

fn kept_as(name: &str) -> Result<String, git2::Error> {
    Ok(format!("{KEPT}{}", Oid::hash_object(ObjectType::Blob, name.as_bytes())?))
}

/// A folder name that people recognise and that no two addresses share.
fn name_of(identity: &str) -> String {
    let readable: String = identity
        .split_once("://")
        .map_or(identity, |(_, rest)| rest)
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' })
        .take(60)
        .collect();
    let hash = Oid::hash_object(ObjectType::Blob, identity.as_bytes()).map(|id| id.to_string());
    format!("{}-{}", readable.trim_matches('_'), hash.unwrap_or_default())
}
