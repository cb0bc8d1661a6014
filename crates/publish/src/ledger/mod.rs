//! The ledger: what was written, and what is being done, so that a crash at any moment can be dealt with.
//!
//! Each project has a folder: `ledger.json` is replaced when a publication is over, `progress.json` is there while one
//! runs and is replaced before each of its steps, `contents/` has the contents of the last publications.

pub(crate) mod claims;
pub(crate) mod contents;
pub(crate) mod data;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use self::data::{LedgerData, PublicationProgress};
use crate::digest::sha256_hex;
use crate::error::PublishError;

/// The longest readable part of a project's folder, in characters.
const LONGEST_READABLE: usize = 60;

/// The folder of all ledgers. One process at a time uses it.
#[derive(Debug, Clone)]
pub struct LedgerFolder {
    path: PathBuf,
}

impl LedgerFolder {
    /// The folder at this path, which is made if it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(path: &Path) -> Result<Self, PublishError> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| PublishError::io("cannot make", path, error))?;
        Ok(Self { path: path.to_owned() })
    }

    /// The ledger of this project; an empty one where nothing was published yet.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub fn project(&self, id: &str) -> Result<ProjectLedger, PublishError> {
        let folder = self.path.join(folder_name(id));
        let data: Option<LedgerData> = read(&folder.join("ledger.json"))?;
        let progress = read(&folder.join("progress.json"))?;
        let data = data.unwrap_or_else(|| LedgerData { id: id.to_owned(), ..LedgerData::default() });
        Ok(ProjectLedger { folder, data, progress })
    }

    /// What `take` makes of every ledger that can be read, in the order of their ids; and what is wrong with the
    /// others. One ledger at a time is in memory.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn each<T>(
        &self,
        mut take: impl FnMut(ProjectLedger) -> Option<T>,
    ) -> Result<(Vec<T>, Vec<PublishError>), PublishError> {
        let cannot = |error| PublishError::io("cannot list", &self.path, error);
        let (mut taken, mut damaged) = (BTreeMap::new(), Vec::new());
        for entry in std::fs::read_dir(&self.path).map_err(cannot)? {
            let folder = entry.map_err(cannot)?.path();
            let data = read::<LedgerData>(&folder.join("ledger.json"));
            let progress = read::<PublicationProgress>(&folder.join("progress.json"));
            match (data, progress) {
                (Ok(Some(data)), Ok(progress)) => {
                    let id = data.id.clone();
                    let ledger = ProjectLedger { folder, data, progress };
                    taken.extend(take(ledger).map(|value| (id, value)));
                }
                (Ok(None), Ok(_)) => {}
                (Err(error), _) | (_, Err(error)) => damaged.push(error),
            }
        }
        Ok((taken.into_values().collect(), damaged))
    }
}

/// The ledger of one project.
#[derive(Debug)]
pub struct ProjectLedger {
    folder: PathBuf,
    pub(crate) data: LedgerData,
    pub(crate) progress: Option<PublicationProgress>,
}

impl ProjectLedger {
    /// What it says.
    #[must_use]
    pub fn data(&self) -> &LedgerData {
        &self.data
    }

    /// Whether a publication was interrupted; [`crate::recover`] deals with it.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.progress.is_some()
    }

    /// Keeps what the caller knows of the last attempt.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_note(&mut self, note: serde_json::Value) -> Result<(), PublishError> {
        self.data.note = note;
        self.save()
    }

    /// Keeps what the caller knows of what is published, where the files themselves did not change.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_source(
        &mut self,
        source: serde_json::Value,
        note: serde_json::Value,
    ) -> Result<(), PublishError> {
        self.data.source = source;
        self.set_note(note)
    }

    pub(crate) fn contents_folder(&self) -> PathBuf {
        self.folder.join("contents")
    }

    pub(crate) fn save(&self) -> Result<(), PublishError> {
        self.make_folder()?;
        write(&self.folder.join("ledger.json"), &self.data)
    }

    /// Records the progress, before what it says is done.
    pub(crate) fn save_progress(&self) -> Result<(), PublishError> {
        let path = self.folder.join("progress.json");
        let Some(progress) = &self.progress else {
            return match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    Err(PublishError::io("cannot remove", path, error))
                }
                _ => sync_folder(&self.folder),
            };
        };
        if !self.folder.join("ledger.json").exists() {
            // So that the project is found even though nothing was published yet.
            self.save()?;
        }
        write(&path, progress)
    }

    fn make_folder(&self) -> Result<(), PublishError> {
        let contents = self.contents_folder();
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&contents);
        made.map_err(|error| PublishError::io("cannot make", &contents, error))
    }
}

/// A readable name and a checksum: two ids never share a folder, whatever is in them.
fn folder_name(id: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let readable = id.chars().take(LONGEST_READABLE).map(|c| if plain(c) { c } else { '_' });
    format!("{}-{}", readable.collect::<String>(), &sha256_hex(id.as_bytes())[..16])
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, PublishError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(PublishError::io("cannot read", path, error)),
    };
    let damaged =
        |error: serde_json::Error| PublishError::Ledger { path: path.to_owned(), why: error.to_string() };
    serde_json::from_slice(&text).map(Some).map_err(damaged)
}

/// Replaces a file as a whole, durably.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), PublishError> {
    let cannot = |error: std::io::Error| PublishError::io("cannot write", path, error);
    let text = serde_json::to_vec(value).map_err(|error| cannot(error.into()))?;
    let beside = path.with_extension("json.new");
    let mut open = File::options();
    let mut file = open.write(true).create(true).truncate(true).mode(0o600).open(&beside).map_err(cannot)?;
    file.write_all(&text).and_then(|()| file.sync_data()).map_err(cannot)?;
    std::fs::rename(&beside, path).map_err(cannot)?;
    path.parent().map_or(Ok(()), sync_folder)
}

pub(crate) fn sync_folder(folder: &Path) -> Result<(), PublishError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| PublishError::io("cannot sync", folder, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_do_not_share_folders() {
        for (one, other) in [("a.com", "a_com"), ("..", "__"), ("a/b", "a.b"), ("", " ")] {
            assert_ne!(folder_name(one), folder_name(other));
        }
        let name = folder_name("../../etc\n");
        assert!(name.starts_with("______etc_-") && !name.contains('/'), "{name}");
        assert!(folder_name(&"x".repeat(5_000)).len() < 100);
    }

    #[test]
    fn ledgers_are_kept_and_damage_is_named() {
        let top = tempfile::tempdir().unwrap();
        let folder = LedgerFolder::open(&top.path().join("ledgers")).unwrap();
        for id in ["b.com", "a.com"] {
            folder.project(id).unwrap().set_note(json!({"id": id})).unwrap();
        }
        let (found, damaged) = folder.each(Some).unwrap();
        let ids: Vec<&str> = found.iter().map(|ledger| ledger.data().id.as_str()).collect();
        assert_eq!((ids, damaged.len()), (vec!["a.com", "b.com"], 0));
        assert_eq!(folder.project("a.com").unwrap().data().note, json!({"id": "a.com"}));
        std::fs::write(found[0].folder.join("ledger.json"), "{").unwrap();
        let (found, damaged) = folder.each(Some).unwrap();
        assert_eq!((found.len(), damaged.len()), (1, 1));
        let error = folder.project("a.com").unwrap_err().to_string();
        assert!(error.contains("is damaged") && error.contains("remove it to start over"), "{error}");
    }
}
