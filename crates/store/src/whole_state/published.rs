//! The ledgers of what was published from an etcd, as the executor `publish` keeps them: `published/ETCD/PROJECT/` with
//! `ledger.json`, `progress.json` while a publication runs, and `contents/`, which a rollback reads.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use super::files::{StateError, copy, disk, entries, make_folder, sync};

/// The folder of all ledgers.
const PUBLISHED: &str = "published";
const LEDGER: &str = "ledger.json";
const PROGRESS: &str = "progress.json";
const CONTENTS: &str = "contents";

/// How often it is looked whether publications have ended.
const AGAIN: Duration = Duration::from_millis(50);

/// Copies all ledgers with what a rollback needs. A daemon may be publishing: its publications are waited for, this
/// long all together. One that takes longer is copied as it is, and is completed or undone after a restore, as after
/// a crash.
pub(super) fn copy_published(from: &Path, to: &Path, longest_wait: Duration) -> Result<(), StateError> {
    let (from, to) = (from.join(PUBLISHED), to.join(PUBLISHED));
    let mut left = longest_wait;
    for etcd in entries(&from)? {
        let Some(name) = etcd.file_name() else { continue };
        let target = to.join(name);
        for project in entries(&etcd)? {
            let Some(name) = project.file_name() else { continue };
            while !copy_project(&project, &target.join(name))? && !left.is_zero() {
                std::thread::sleep(AGAIN);
                left = left.saturating_sub(AGAIN);
                remove(&target.join(name))?;
            }
        }
        sync(&target)?;
    }
    sync(&to)
}

/// Copies one project. Gives whether no publication ran meanwhile.
fn copy_project(from: &Path, to: &Path) -> Result<bool, StateError> {
    let before = read(&from.join(LEDGER))?;
    let mut is_at_rest = true;
    // In this order: a ledger may say more than the progress and less than the contents.
    for name in [PROGRESS, LEDGER] {
        if from.join(name).is_file() {
            make_folder(to)?;
            copy(&from.join(name), &to.join(name))?;
            is_at_rest &= name != PROGRESS;
        }
    }
    copy_contents(&from.join(CONTENTS), &to.join(CONTENTS))?;
    sync(to)?;
    Ok(is_at_rest && !from.join(PROGRESS).exists() && read(&from.join(LEDGER))? == before)
}

fn copy_contents(from: &Path, to: &Path) -> Result<(), StateError> {
    for file in entries(from)? {
        let Some(name) = file.file_name().filter(|name| !name.as_encoded_bytes().ends_with(b".new")) else {
            continue;
        };
        make_folder(to)?;
        // One that is gone is of a publication that is not kept any more.
        copy(&file, &to.join(name))?;
    }
    sync(to)
}

/// The bytes of a file; none where it is missing.
fn read(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(disk(path)(error)),
    }
}

fn remove(folder: &Path) -> Result<(), StateError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(disk(folder)(error)),
        _ => Ok(()),
    }
}
