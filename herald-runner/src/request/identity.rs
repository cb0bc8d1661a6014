//! The id of this runner: made at its first start, and kept in the work folder.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use herald_wire::runner_id::RunnerId;

/// The file in the work folder.
const FILE: &str = "runner.id";
/// More than an id has, in bytes.
const LARGEST: u64 = 256;

/// The id that this work folder has, or a new one.
///
/// # Errors
/// When the file cannot be read or written.
pub fn of_work_dir(folder: &Path) -> io::Result<RunnerId> {
    let place = folder.join(FILE);
    match kept(&place) {
        Ok(Some(id)) => return Ok(id),
        Ok(None) => {
            tracing::warn!(file = %place.display(), "the file of the runner's id is damaged; it gets a new id")
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let id = RunnerId::random()?;
    let aside = folder.join(format!("{FILE}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(format!("{id}\n").as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&aside, &place)?;
    File::open(folder)?.sync_all()?;
    Ok(id)
}

/// Whether this work folder has an id.
#[must_use]
pub fn is_in(folder: &Path) -> bool {
    folder.join(FILE).exists()
}

/// `None` when the file holds something else.
fn kept(place: &Path) -> io::Result<Option<RunnerId>> {
    let mut bytes = Vec::new();
    File::open(place)?.take(LARGEST).read_to_end(&mut bytes)?;
    let text = String::from_utf8(bytes).unwrap_or_default();
    Ok(RunnerId::try_from(text.trim().to_owned()).ok())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_id_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let first = of_work_dir(folder.path()).unwrap();
        assert_eq!(of_work_dir(folder.path()).unwrap(), first);
        let place = folder.path().join(FILE);
        assert_eq!(std::fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
        for damage in ["", "\0\0\0\0\0\0\0\0", "short", &"x".repeat(300)] {
            std::fs::write(&place, damage).unwrap();
            let next = of_work_dir(folder.path()).unwrap();
            assert_ne!(next, first, "{damage:?}");
            assert_eq!(of_work_dir(folder.path()).unwrap(), next, "{damage:?}");
        }
        let elsewhere = tempfile::tempdir().unwrap();
        assert_ne!(of_work_dir(elsewhere.path()).unwrap(), first);
        std::fs::remove_file(&place).unwrap();
        std::fs::create_dir(&place).unwrap();
        assert!(of_work_dir(folder.path()).is_err(), "what cannot be read is not replaced");
    }
}
