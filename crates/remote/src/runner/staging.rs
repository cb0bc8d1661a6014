//! Staging of result files: written to a folder of their own, checked, synced, and then put in place in one step.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use herald_base::file_lock::FileLock;
use herald_base::{failpoint, os_error};
use herald_wire::manifest::FileSum;
use herald_wire::name;
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use serde_json::{Map, Value};

use super::file_sink::{FileSink, StoredFile};
use super::staging_error::StagingError;
use crate::data_dir::{self, Leftovers, blocking};

/// What staging folders are called. No job may have a name like this.
const PREFIX: &str = ".herald-incoming-";

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A folder beside the final one. Dropping it removes what is in it.
pub(crate) struct Staging {
    data_dir: PathBuf,
    folder: PathBuf,
    /// Held locked: the sweep of other executors and daemons sees that this folder is in use.
    _lock: FileLock,
    files: BTreeMap<String, FileSum>,
}

impl Staging {
    /// A fresh folder below `data_dir`.
    pub(crate) async fn begin(data_dir: &Path) -> io::Result<Self> {
        let data_dir = data_dir.to_owned();
        blocking(move || {
            data_dir::make_private(&data_dir)?;
            loop {
                let number = NEXT.fetch_add(1, Ordering::Relaxed);
                let folder = data_dir.join(format!("{PREFIX}{}-{number}", std::process::id()));
                match DirBuilder::new().mode(0o700).create(&folder) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                    Err(error) => return Err(error),
                }
                // A sweep may have been faster than the lock; then there is another number.
                if let Some(lock) = try_lock(&folder)? {
                    return Ok(Self { data_dir, folder, _lock: lock, files: BTreeMap::new() });
                }
            }
        })
        .await
    }

    /// Begins a file; its content is pushed into the sink.
    pub(crate) async fn file(&self, name: &str, filename: &str) -> Result<FileSink, StagingError> {
        let owned = str::to_owned;
        name::check(name).map_err(|error| StagingError::Name { name: owned(name), error })?;
        name::check(filename).map_err(|error| StagingError::Filename {
            name: owned(name),
            filename: owned(filename),
            error,
        })?;
        if self.files.contains_key(name) {
            return Err(StagingError::Duplicate(name.to_owned()));
        }
        let folder = self.folder.join(name);
        let path = folder.join(filename);
        let file = blocking(move || {
            DirBuilder::new().mode(0o700).create(&folder)?;
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
        });
        let file = file.await.map_err(|error| StagingError::write(name, &error))?;
        Ok(FileSink::new(name, filename, file))
    }

    /// Adds a file whose content is complete.
    pub(crate) fn add(&mut self, file: StoredFile) {
        self.files.insert(file.name, file.sum);
    }

    /// What was received.
    pub(super) fn files(&self) -> &BTreeMap<String, FileSum> {
        &self.files
    }

    /// Puts all files in place as `<data_dir>/<job_id>/<name>/<filename>`, or
    /// `<data_dir>/<job_id>/<node>/<name>/<filename>` for one of several nodes, and returns their paths by name. Files
    /// of an earlier attempt are replaced.
    pub(crate) async fn commit(
        self,
        job_id: &str,
        node: Option<&str>,
    ) -> Result<Map<String, Value>, StagingError> {
        name::check(job_id).map_err(StagingError::JobId)?;
        if job_id.starts_with(PREFIX) {
            return Err(StagingError::ReservedJobId(PREFIX));
        }
        let of_job = self.data_dir.join(job_id);
        let place = match node {
            None => of_job.clone(),
            Some(node) => {
                name::check(node).map_err(StagingError::Node)?;
                of_job.join(node)
            }
        };
        blocking(move || {
            let above = place.parent().unwrap_or(&self.data_dir);
            data_dir::make_private(above)?;
            for name in self.files.keys() {
                File::open(self.folder.join(name))?.sync_all()?;
            }
            File::open(&self.folder)?.sync_all()?;
            failpoint!("staging-before-rename");
            match renameat_with(CWD, &self.folder, CWD, &place, RenameFlags::NOREPLACE) {
                Ok(()) => {}
                // What was there is now in the staging folder, and is removed with it.
                Err(rustix::io::Errno::EXIST) => {
                    renameat_with(CWD, &self.folder, CWD, &place, RenameFlags::EXCHANGE)?;
                }
                Err(error) => return Err(error.into()),
            }
            File::open(above)?.sync_all()?;
            File::open(&self.data_dir)?.sync_all()?;
            failpoint!("staging-after-rename");
            let paths = self.files.iter().map(|(name, sum)| {
                let path = place.join(name).join(&sum.filename);
                (name.clone(), Value::String(path.to_string_lossy().into_owned()))
            });
            Ok(paths.collect())
        })
        .await
        .map_err(|error| StagingError::Commit(os_error::plain(&error.to_string())))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let folder = std::mem::take(&mut self.folder);
        let remove = move || {
            // After a plain rename there is nothing left.
            if let Err(error) = std::fs::remove_dir_all(&folder)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%error, folder = %folder.display(), "cannot remove an unfinished answer");
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// Removes what daemons that were killed left behind.
pub(crate) async fn sweep(data_dir: &Path) {
    let leftovers = Leftovers { prefix: PREFIX, what: "unfinished answers of previous runs" };
    data_dir::sweep(data_dir, leftovers, |entry| {
        if entry.file_type()?.is_dir()
            && let Some(_lock) = try_lock(&entry.path())?
        {
            std::fs::remove_dir_all(entry.path())?;
        }
        Ok(())
    })
    .await;
}

/// `None` when another process holds it, or the folder is gone.
fn try_lock(folder: &Path) -> io::Result<Option<FileLock>> {
    let file = match File::open(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok((file.metadata()?.nlink() > 0).then(|| FileLock::new(file))),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use bytes::Bytes;

    use super::*;

    async fn put(
        staging: &mut Staging,
        name: &str,
        filename: &str,
        content: &'static str,
    ) -> Result<(), StagingError> {
        let mut sink = staging.file(name, filename).await?;
        sink.push(Bytes::from_static(content.as_bytes())).await?;
        staging.add(sink.finish().await?);
        Ok(())
    }

    fn entries(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn files_appear_whole_or_not_at_all() {
        let data = tempfile::tempdir().unwrap();
        let mut staging = Staging::begin(data.path()).await.unwrap();
        put(&mut staging, "a", "a.dat", "one").await.unwrap();
        assert!(!data.path().join("job").exists());
        let sum = staging.files()["a"].clone();
        assert_eq!(sum.sha256, "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
        let paths = staging.commit("job", None).await.unwrap();
        let path = data.path().join("job/a/a.dat");
        assert_eq!(paths["a"], path.to_str().unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");

        // Another attempt replaces all of it.
        let mut staging = Staging::begin(data.path()).await.unwrap();
        put(&mut staging, "b", "b.dat", "two").await.unwrap();
        staging.commit("job", None).await.unwrap();
        assert_eq!(entries(&data.path().join("job")), ["b"]);

        let mut staging = Staging::begin(data.path()).await.unwrap();
        put(&mut staging, "c", "c.dat", "three").await.unwrap();
        drop(staging);
        while entries(data.path()).len() > 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(entries(data.path()), ["job"]);
    }

    #[tokio::test]
    async fn results_are_private_and_a_data_dir_that_exists_keeps_its_mode() {
        let mode = |path: &Path| std::fs::symlink_metadata(path).unwrap().mode() & 0o7777;
        let place = tempfile::tempdir().unwrap();
        let (shared, made) = (place.path().join("shared"), place.path().join("made"));
        std::fs::create_dir(&shared).unwrap();
        std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o750)).unwrap();
        for (data, of_data) in [(&shared, 0o750), (&made, 0o700)] {
            let mut staging = Staging::begin(data).await.unwrap();
            put(&mut staging, "a", "a.dat", "secret").await.unwrap();
            staging.commit("job", Some("node")).await.unwrap();
            assert_eq!(mode(data), of_data);
            for folder in ["job", "job/node", "job/node/a"] {
                assert_eq!(mode(&data.join(folder)), 0o700, "{folder}");
            }
            assert_eq!(mode(&data.join("job/node/a/a.dat")), 0o600);
        }
    }

    #[tokio::test]
    async fn names_that_lead_elsewhere_are_refused() {
        let data = tempfile::tempdir().unwrap();
        let mut staging = Staging::begin(&data.path().join("deep/data")).await.unwrap();
        for (name, filename) in
            [("..", "x"), ("a/b", "x"), ("", "x"), ("a", "../x"), ("a", "."), ("a", "x\0")]
        {
            assert!(put(&mut staging, name, filename, "x").await.is_err(), "{name:?} {filename:?}");
        }
        put(&mut staging, "a", "x", "x").await.unwrap();
        assert!(put(&mut staging, "a", "y", "x").await.is_err(), "twice");
        assert!(staging.commit("../job", None).await.is_err());
        assert_eq!(entries(data.path()), ["deep"]);
    }

    #[tokio::test]
    async fn the_sweep_spares_what_is_in_use() {
        let data = tempfile::tempdir().unwrap();
        let left = data.path().join(format!("{PREFIX}1-1"));
        std::fs::create_dir_all(left.join("a")).unwrap();
        std::fs::create_dir(data.path().join("job")).unwrap();
        let staging = Staging::begin(data.path()).await.unwrap();
        sweep(data.path()).await;
        assert!(!left.exists());
        assert!(staging.folder.exists());
        assert!(data.path().join("job").exists());
        sweep(&data.path().join("not-there")).await;
    }
}
