//! What the files of a tree were when they were last hashed, so that only those that were touched since are read again.
//!
//! A file counts as untouched while its size, its inode and both times of change are the same. A user can forge size
//! and `mtime`, but not `ctime`, which the kernel sets at each change of a file.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::tree::{self, TreeEntry, TreeFiles};
use crate::error::DeployError;

/// A file that was changed less than so many seconds ago is hashed again the next time: a second change may follow
/// within the same tick of the file system's clock.
const SETTLED: i64 = 2;

/// The files of a tree, and what was found out about them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SeenFiles(BTreeMap<String, SeenFile>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SeenFile {
    what: String,
    stamp: TouchStamp,
}

/// What differs after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct TouchStamp {
    size: u64,
    inode: u64,
    /// Seconds and nanoseconds.
    modified: [i64; 2],
    changed: [i64; 2],
}

impl TouchStamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            inode: metadata.ino(),
            modified: [metadata.mtime(), metadata.mtime_nsec()],
            changed: [metadata.ctime(), metadata.ctime_nsec()],
        }
    }
}

/// As [`tree::files`], and keeps in `file` what it found out. Blocks.
pub(crate) fn files(file: &Path, root: &Path, left_out: &[String]) -> Result<TreeFiles, DeployError> {
    let before: SeenFiles =
        std::fs::read(file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let fresh = FreshFile::create(file);
    // Where nothing can be written beside the tree, everything is hashed each time.
    let now = fresh.as_ref().map_or(0, |fresh| fresh.made);
    let mut looked = SeenFiles::default();
    let found = look(root, left_out, &before, now, &mut looked)?;
    if let Some(fresh) = fresh.filter(|_| looked != before) {
        fresh.replace(file, &looked);
    }
    Ok(found)
}

/// The files as they are at `now`, in seconds; `looked` gets what is known of them from now on.
fn look(
    root: &Path,
    left_out: &[String],
    before: &SeenFiles,
    now: i64,
    looked: &mut SeenFiles,
) -> Result<TreeFiles, DeployError> {
    tree::walk(root, left_out, |entry| {
        let TreeEntry { name, path, metadata } = *entry;
        if !metadata.is_file() {
            return tree::describe(path, metadata);
        }
        let stamp = TouchStamp::of(metadata);
        let known = before.0.get(name).filter(|seen| seen.stamp == stamp);
        let what = match known {
            Some(seen) => seen.what.clone(),
            None => tree::describe(path, metadata)?,
        };
        let [changed, _] = stamp.changed;
        if changed.saturating_add(SETTLED) <= now {
            looked.0.insert(name.to_owned(), SeenFile { what: what.clone(), stamp });
        }
        Ok(what)
    })
}

/// A file that is to replace another one; its time of creation is what the file system takes for now.
struct FreshFile {
    path: PathBuf,
    made: i64,
}

impl FreshFile {
    fn create(beside: &Path) -> Option<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let (process, number) = (std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = beside.with_extension(format!("{process}-{number}.new"));
        let created = File::create_new(&path).ok()?;
        let made = created.metadata().map_or(0, |metadata| metadata.ctime());
        Some(Self { path, made })
    }

    /// What cannot be written is found out again.
    fn replace(&self, file: &Path, looked: &SeenFiles) {
        let written = serde_json::to_vec(looked).ok().map(|text| std::fs::write(&self.path, text));
        if matches!(written, Some(Ok(()))) {
            let _ = std::fs::rename(&self.path, file);
        }
    }
}

impl Drop for FreshFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, FileTimes};

    use super::*;

    /// Later than every change of the test.
    const LATER: i64 = i64::MAX;

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("a", "one"), ("b", "two"), ("c", "six")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn marked(seen: &SeenFiles) -> SeenFiles {
        let marked = |(name, seen): (&String, &SeenFile)| {
            (name.clone(), SeenFile { what: "seen".to_owned(), ..seen.clone() })
        };
        SeenFiles(seen.0.iter().map(marked).collect())
    }

    /// The names of the files that are read, where all were seen before.
    fn read(root: &Path, before: &SeenFiles) -> Vec<String> {
        let found = look(root, &[], &marked(before), LATER, &mut SeenFiles::default()).unwrap();
        found.into_iter().filter(|(_, what)| what != "seen").map(|(name, _)| name).collect()
    }

    fn looked(root: &Path, now: i64) -> SeenFiles {
        let mut looked = SeenFiles::default();
        look(root, &[], &SeenFiles::default(), now, &mut looked).unwrap();
        looked
    }

    #[test]
    fn only_what_was_touched_is_read_again_also_when_size_and_time_are_forged() {
        let folder = tree();
        let root = folder.path();
        let before = looked(root, LATER);
        assert_eq!(read(root, &before), Vec::<String>::new());
        let modified = fs::metadata(root.join("b")).unwrap().modified().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(root.join("b"), "TWO").unwrap();
        let forged = File::options().write(true).open(root.join("b")).unwrap();
        forged.set_times(FileTimes::new().set_modified(modified)).unwrap();
        assert_eq!(fs::metadata(root.join("b")).unwrap().modified().unwrap(), modified);
        assert_eq!(read(root, &before), ["b"]);
        // Another file in its place, with the same text.
        fs::write(root.join("new"), "six").unwrap();
        fs::rename(root.join("new"), root.join("c")).unwrap();
        assert_eq!(read(root, &before), ["b", "c"]);
    }

    #[test]
    fn what_was_changed_just_now_is_read_again() {
        let folder = tree();
        let now = fs::metadata(folder.path().join("a")).unwrap().ctime();
        assert_eq!(looked(folder.path(), now), SeenFiles::default());
        assert_eq!(looked(folder.path(), now + SETTLED + 1).0.len(), 3);
    }

    #[test]
    fn what_was_seen_is_kept_in_a_file_and_a_broken_one_is_ignored() {
        let (folder, side) = (tree(), tempfile::tempdir().unwrap());
        let file = side.path().join("t.seen.json");
        for text in ["", "{", r#"{"a": 1}"#] {
            fs::write(&file, text).unwrap();
            let found = files(&file, folder.path(), &[]).unwrap();
            assert_eq!(found, tree::files(folder.path(), &[]).unwrap());
        }
        fs::write(&file, serde_json::to_vec(&marked(&looked(folder.path(), LATER))).unwrap()).unwrap();
        let found = files(&file, folder.path(), &[]).unwrap();
        assert!(found.values().all(|what| what == "seen"), "{found:?}");
        assert_eq!(fs::read_dir(side.path()).unwrap().count(), 1, "nothing else is left");
        let found = files(Path::new("/no/such/file"), folder.path(), &[]).unwrap();
        assert_eq!(found.len(), 3);
    }
}
