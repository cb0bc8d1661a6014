//! The contents of the last publications, so that one of them can be restored.
//!
//! Each publication has a pack with what was new in it, and an index of all its files; a file that did not change is in
//! the pack of an earlier one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::data::tag;
use super::{ProjectLedger, write};
use crate::digest::sha256_hex;
use crate::error::{PublishError, quoted};
use crate::name::SafeName;
use crate::plan::request::WantedFile;

/// How many publications can be restored.
pub(crate) const KEPT: usize = 20;

/// Where the content of a file is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptContent {
    key: String,
    sha256: String,
    pack: String,
    offset: u64,
    size: u64,
}

/// The contents of all files after a publication.
pub(crate) type ContentIndex = BTreeMap<SafeName, KeptContent>;

/// A file of a publication.
pub(crate) struct PublishedContent<'a> {
    pub(crate) name: &'a SafeName,
    pub(crate) key: &'a str,
    pub(crate) sha256: &'a str,
    pub(crate) content: &'a [u8],
}

/// How many publications an error lists.
const LISTED: usize = 3;
/// The shortest part of an id that names it.
const SHORTEST_PART: usize = 4;

impl ProjectLedger {
    /// The publication whose contents are kept and that this names: its id, or a beginning or an end of it of at least
    /// four characters that no other one has, or `last` for the newest one.
    ///
    /// # Errors
    /// When there is none, or several.
    pub fn kept(&self, publication: &str) -> Result<&str, PublishError> {
        let all = || self.data.publications.iter().rev().map(|kept| kept.publication.as_str());
        let whole = all().find(|kept| *kept == publication);
        if let Some(whole) = whole.or_else(|| all().next().filter(|_| publication == "last")) {
            return Ok(whole);
        }
        let is_part = publication.len() >= SHORTEST_PART;
        let is_meant =
            |kept: &&str| is_part && (kept.starts_with(publication) || kept.ends_with(publication));
        match all().filter(is_meant).collect::<Vec<_>>()[..] {
            [one] => Ok(one),
            [] => Err(PublishError::NotKept(self.not_kept(publication))),
            ref several => {
                let ids = several.iter().map(|id| (*id).to_owned()).collect();
                Err(PublishError::SeveralKept { part: publication.to_owned(), ids })
            }
        }
    }

    fn not_kept(&self, publication: &str) -> String {
        let all = &self.data.publications;
        let newest: Vec<&str> = all.iter().rev().take(LISTED).map(|kept| &*kept.publication).collect();
        let kept = match all.len().saturating_sub(LISTED) {
            _ if all.is_empty() => "none".to_owned(),
            0 => newest.join(", "),
            more => format!("{}, and {more} older ones", newest.join(", ")),
        };
        format!("the contents of publication {publication:?} are not kept; kept are: {kept}")
    }

    /// The files as they were after the publication that this names, as in [`Self::kept`].
    ///
    /// # Errors
    /// When its contents are not kept, or are damaged.
    pub fn contents_of(&self, publication: &str) -> Result<Vec<WantedFile>, PublishError> {
        let mut files = Vec::new();
        for (name, kept) in self.index(self.kept(publication)?)? {
            let content = self.content(&kept)?;
            let name = name.as_str().as_bytes().to_vec();
            files.push(WantedFile { key: kept.key, name, content, rewrite: false });
        }
        Ok(files)
    }

    fn index(&self, publication: &str) -> Result<ContentIndex, PublishError> {
        let path = self.contents_folder().join(format!("{}.json", tag(publication)));
        let index: Option<ContentIndex> = super::read(&path)?;
        index.ok_or_else(|| PublishError::NotKept(format!("{path:?} is missing")))
    }

    fn content(&self, kept: &KeptContent) -> Result<Vec<u8>, PublishError> {
        let path = self.contents_folder().join(&kept.pack);
        let cannot = |error| PublishError::io("cannot read", &path, error);
        let mut file = File::open(&path).map_err(cannot)?;
        file.seek(SeekFrom::Start(kept.offset)).map_err(cannot)?;
        let mut content = Vec::new();
        file.take(kept.size).read_to_end(&mut content).map_err(cannot)?;
        if sha256_hex(&content) != kept.sha256 {
            return Err(PublishError::NotKept(format!("the content of {} is damaged", quoted(&kept.key))));
        }
        Ok(content)
    }

    /// Keeps the contents of a publication and writes their index; what did not change stays where it is. The contents
    /// are not synced: what a crash damages is found by its checksum, and only a rollback needs it.
    pub(crate) fn keep_contents(
        &self,
        publication: &str,
        files: &[PublishedContent<'_>],
    ) -> Result<(), PublishError> {
        let folder = self.contents_folder();
        let last = self.data.publications.last();
        let before =
            last.map_or_else(ContentIndex::new, |last| self.index(&last.publication).unwrap_or_default());
        let pack = format!("{}.pack", tag(publication));
        let path = folder.join(&pack);
        let cannot = |error| PublishError::io("cannot write", &path, error);
        let mut open = File::options();
        let file = open.write(true).create(true).truncate(true).mode(0o600).open(&path).map_err(cannot)?;
        let mut writer = BufWriter::new(file);
        let (mut offset, mut index) = (0, ContentIndex::new());
        for PublishedContent { name, key, sha256, content } in files {
            let kept = before.get(name).filter(|kept| kept.sha256 == *sha256 && kept.key == *key);
            let kept = match kept {
                Some(kept) => kept.clone(),
                None => {
                    writer.write_all(content).map_err(cannot)?;
                    let (at, size) = (offset, content.len() as u64);
                    offset += size;
                    let (key, sha256) = ((*key).to_owned(), (*sha256).to_owned());
                    KeptContent { key, sha256, pack: pack.clone(), offset: at, size }
                }
            };
            index.insert((*name).clone(), kept);
        }
        writer.flush().map_err(cannot)?;
        write(&folder.join(format!("{}.json", tag(publication))), &index)
    }

    /// Removes what no kept publication needs. What cannot be removed is removed the next time.
    pub(crate) fn trim_contents(&self) {
        let mut needed = BTreeSet::new();
        for kept in &self.data.publications {
            needed.insert(format!("{}.json", tag(&kept.publication)));
            let index = self.index(&kept.publication).unwrap_or_default();
            needed.extend(index.into_values().map(|kept| kept.pack));
        }
        let folder = self.contents_folder();
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if !entry.file_name().to_str().is_some_and(|name| needed.contains(name)) {
                remove(&entry.path());
            }
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::debug!(path = %path.display(), %error, "contents of an old publication cannot be removed");
    }
}
