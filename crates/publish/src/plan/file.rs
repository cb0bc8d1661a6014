//! A file as it will be.

use super::request::{FileAttributes, WantedFile};
use crate::digest::{md5_hex, sha256_hex};
use crate::folder::access;
use crate::ledger::data::PublishedFile;

/// The mode of files where none is demanded.
pub(crate) const DEFAULT_MODE: u32 = 0o644;

/// A file as it will be.
#[derive(Debug)]
pub(crate) struct PlannedFile {
    /// Which of the wanted ones it is.
    pub(crate) wanted: usize,
    pub(crate) entry: PublishedFile,
    pub(crate) attributes: access::Attributes,
    /// Whether it is written.
    pub(crate) is_written: bool,
}

/// The entry of a wanted file in the ledger.
pub(super) fn entry(wanted: &WantedFile, demanded: FileAttributes, mode: u32) -> PublishedFile {
    PublishedFile {
        key: wanted.key.clone(),
        sha256: sha256_hex(&wanted.content),
        md5: md5_hex(&wanted.content),
        size: wanted.content.len() as u64,
        mode,
        uid: demanded.uid,
        gid: demanded.gid,
        stamp: None,
    }
}
