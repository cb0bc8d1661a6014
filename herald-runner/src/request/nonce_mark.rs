//! What the file of nonces was when this runner last wrote it: its length, and when it was changed.
//!
//! Kept beside it in `nonces.mark`. When the two differ at the next start, another program wrote the file, or an old
//! copy was put back, which lacks nonces that were used since. The time is that of the file's status, which programs
//! cannot set, so that a copy of the whole folder is found as well. A power cut can make them differ too; that costs no
//! more than the requests that were signed before the start.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// More than a mark has, in bytes.
const LARGEST: u64 = 256;

/// The mark of one file of nonces.
#[derive(Debug)]
pub(super) struct NonceMark {
    file: File,
    /// What it said when it was opened.
    found: String,
}

impl NonceMark {
    /// Opens the mark in this folder, or makes an empty one.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let place = folder.join("nonces.mark");
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(place)?;
        let mut bytes = Vec::new();
        Read::take(&file, LARGEST).read_to_end(&mut bytes)?;
        Ok(Self { file, found: String::from_utf8_lossy(&bytes).into_owned() })
    }

    /// Whether the file is another one than when it was written last. Without a mark, as older versions leave it, that
    /// is not known.
    pub(super) fn differs(&self, nonces: &File) -> io::Result<bool> {
        Ok(!self.found.is_empty() && self.found != text(nonces)?)
    }

    /// Notes what the file is now. When that fails, the next start finds a difference.
    pub(super) fn note(&self, nonces: &File) {
        let noted = text(nonces).and_then(|text| self.file.write_all_at(text.as_bytes(), 0));
        if let Err(error) = noted {
            tracing::debug!(%error, "cannot write the mark of the nonces");
        }
    }
}

/// Always of the same length.
fn text(nonces: &File) -> io::Result<String> {
    let about = nonces.metadata()?;
    Ok(format!("{:020} {:020} {:09}\n", about.len(), about.ctime(), about.ctime_nsec()))
}
