//! The plan: what is wanted, compared with the ledger and with the disk. Nothing is changed yet.

pub(crate) mod backup_name;
mod compare;
pub(crate) mod file;
mod foreign;
pub(crate) mod request;

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use self::compare::Comparison;
use self::file::PlannedFile;
use self::request::{PublicationRequest, SwapKind, WantedFile};
use crate::error::{PublishError, RejectedKey, quoted};
use crate::folder::resolve::{ResolvedFolder, resolve};
use crate::folder::{BaseFolder, access};
use crate::ledger::ProjectLedger;
use crate::ledger::claims::{FileClaims, Wanted};
pub use crate::ledger::data::ChangeKind;
use crate::ledger::data::ChangeRecord;
use crate::name::{self, SafeName};

/// A publication that can be carried out.
#[derive(Debug)]
pub struct Planned {
    pub(crate) ledger: ProjectLedger,
    pub(crate) request: PublicationRequest,
    pub(crate) claims: FileClaims,
    pub(crate) target: ResolvedFolder,
    /// The folder of before, where that is another one.
    pub(crate) old_folder: Option<BaseFolder>,
    pub(crate) files: BTreeMap<SafeName, PlannedFile>,
    pub(crate) changes: Vec<ChangeRecord>,
    /// Entries of the ledger that go.
    pub(crate) gone: Vec<SafeName>,
    left: Vec<String>,
    drifted: Vec<String>,
    foreign: Vec<String>,
}

/// A change as it is reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedChange {
    /// The file below the folder.
    pub name: String,
    /// Its key.
    pub key: String,
    /// What happens.
    pub kind: ChangeKind,
    /// Of its new content; empty for a deletion.
    pub md5: String,
    /// Of its new content; empty for a deletion.
    pub sha256: String,
    /// Of its new content, in bytes.
    pub size: u64,
}

impl From<&ChangeRecord> for PlannedChange {
    fn from(change: &ChangeRecord) -> Self {
        Self {
            name: change.name.to_string(),
            key: change.key.clone(),
            kind: change.kind,
            md5: change.md5.clone(),
            sha256: change.sha256.clone(),
            size: change.size,
        }
    }
}

/// Plans a publication.
///
/// # Errors
/// [`PublishError`]: nothing was changed.
pub fn plan(
    ledger: ProjectLedger,
    claims: &FileClaims,
    request: PublicationRequest,
) -> Result<Planned, PublishError> {
    let names = names(&request)?;
    check_sizes(&request)?;
    let target = resolve("deployPath", &request.target.deploy_path, &request.target.roots)?;
    let is_whole = request.target.swap == SwapKind::Directory;
    if is_whole && !is_below_a_root(&target, &request) {
        let why = "must be below one of roots, not one itself, with swap: directory".to_owned();
        return Err(PublishError::Folder { option: "deployPath", path: request.target.deploy_path, why });
    }
    let wanted: Vec<Wanted<'_>> = names.iter().map(|(name, key)| Wanted { name, key }).collect();
    claims.claim(&ledger.data.id, &target.path, &wanted, is_whole)?;
    let planned = plan_claimed(ledger, claims, request, target, names);
    if let Err((error, data)) = planned {
        claims.settle(&data);
        return Err(error);
    }
    planned.map_err(|(error, _)| error)
}

type Unplanned = (PublishError, Box<crate::ledger::data::LedgerData>);

fn plan_claimed(
    ledger: ProjectLedger,
    claims: &FileClaims,
    request: PublicationRequest,
    target: ResolvedFolder,
    names: Vec<(SafeName, String)>,
) -> Result<Planned, Unplanned> {
    let folder = match target.open() {
        Ok(folder) => folder,
        Err(error) => return Err((error, Box::new(ledger.data))),
    };
    let mut planned = Planned {
        ledger,
        request,
        claims: claims.clone(),
        target,
        old_folder: None,
        files: BTreeMap::new(),
        changes: Vec::new(),
        gone: Vec::new(),
        left: Vec::new(),
        drifted: Vec::new(),
        foreign: Vec::new(),
    };
    match planned.compare(folder.as_ref(), &names) {
        Ok(()) => Ok(planned),
        Err(error) => Err((error, Box::new(planned.ledger.data))),
    }
}

impl Planned {
    /// What will change; nothing where everything is as it is wanted.
    #[must_use]
    pub fn changes(&self) -> Vec<PlannedChange> {
        self.changes.iter().map(PlannedChange::from).collect()
    }

    /// Files of others in the folders that are published into: the first hundred.
    #[must_use]
    pub fn foreign(&self) -> &[String] {
        &self.foreign
    }

    /// Files that are not wanted any more and stay, since they were changed by hand and there is no `backupDir`.
    #[must_use]
    pub fn left(&self) -> &[String] {
        &self.left
    }

    /// Files that were changed by hand and stay so.
    #[must_use]
    pub fn drifted(&self) -> &[String] {
        &self.drifted
    }

    /// How many files the project has.
    #[must_use]
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// What was published so far.
    #[must_use]
    pub fn ledger(&self) -> &ProjectLedger {
        &self.ledger
    }

    /// The contents of a file before and after, none where there is none, or more than `most` bytes.
    ///
    /// # Errors
    /// When the present one cannot be read.
    pub fn contents(&self, change: &PlannedChange, most: u64) -> Result<[Option<Vec<u8>>; 2], PublishError> {
        let found = self.changes.iter().find(|record| record.name.as_str() == change.name);
        let Some(record) = found else { return Ok([None, None]) };
        let opened = if record.in_old_folder { None } else { self.target.open()? };
        let folder = self.old_folder.as_ref().filter(|_| record.in_old_folder).or(opened.as_ref());
        let before = match folder {
            Some(folder) if record.previous != crate::ledger::data::PreviousFile::Missing => {
                let above = folder.existing(record.name.folder())?;
                let read = access::read_up_to(&above, record.name.file_name(), most);
                read.map_err(|error| {
                    PublishError::io("cannot read", folder.path().join(record.name.as_str()), error)
                })?
            }
            _ => None,
        };
        let after = (record.kind == ChangeKind::Write).then(|| self.content(&record.name)).flatten();
        Ok([before, after.map(<[u8]>::to_vec).filter(|content| content.len() as u64 <= most)])
    }

    /// Ends it without a change, and keeps what the caller knows of it. Files that are the same belong to the project
    /// from now on.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn adopt(mut self, note: serde_json::Value) -> Result<ProjectLedger, PublishError> {
        self.ledger.data.given = Some(self.target.given.clone());
        self.ledger.data.folder = Some(self.target.path.clone());
        self.ledger.data.whole_folder = self.request.target.swap == SwapKind::Directory;
        self.ledger.data.files = self.files.into_iter().map(|(name, file)| (name, file.entry)).collect();
        self.ledger.data.source = self.request.source;
        self.ledger.data.note = note;
        self.claims.settle(&self.ledger.data);
        self.ledger.save()?;
        Ok(self.ledger)
    }

    /// Ends it without a trace.
    pub fn discard(self) -> ProjectLedger {
        self.claims.settle(&self.ledger.data);
        self.ledger
    }

    pub(crate) fn content(&self, name: &SafeName) -> Option<&[u8]> {
        let file = self.files.get(name)?;
        self.request.wanted.get(file.wanted).map(|wanted| wanted.content.as_slice())
    }

    fn compare(
        &mut self,
        folder: Option<&BaseFolder>,
        names: &[(SafeName, String)],
    ) -> Result<(), PublishError> {
        let data = &self.ledger.data;
        let is_moved = data.given.as_ref().is_some_and(|given| *given != self.target.given);
        let moved_from = data.folder.as_ref().filter(|old| is_moved && **old != self.target.path);
        self.old_folder = moved_from.map(|old| BaseFolder::open(old)).transpose()?.flatten();
        let backup_dir = self.request.target.backup_dir.as_deref().filter(|path| !path.is_empty());
        let backup_dir =
            backup_dir.map(|path| resolve("backupDir", path, &self.request.target.roots)).transpose()?;
        let mut comparison = Comparison {
            request: &self.request,
            data,
            folder,
            old_folder: self.old_folder.as_ref(),
            is_moved: moved_from.is_some(),
            backup_dir: backup_dir.as_ref(),
            files: BTreeMap::new(),
            changes: Vec::new(),
            gone: Vec::new(),
            left: Vec::new(),
            drifted: Vec::new(),
        };
        for (n, (name, _)) in names.iter().enumerate() {
            comparison.wanted(n, name)?;
        }
        comparison.unwanted()?;
        let Comparison { files, changes, gone, left, drifted, .. } = comparison;
        self.foreign = match folder {
            Some(folder) => foreign::list(folder, &files, &self.ledger.data.files)?,
            None => Vec::new(),
        };
        (self.files, self.changes, self.gone, self.left) = (files, changes, gone, left);
        self.drifted = drifted;
        Ok(())
    }
}

/// The names of all files with their keys, in the order in which they are wanted.
fn names(request: &PublicationRequest) -> Result<Vec<(SafeName, String)>, PublishError> {
    let (mut names, mut rejected) = (Vec::with_capacity(request.wanted.len()), Vec::new());
    for wanted in &request.wanted {
        match request.target.nested.apply(&wanted.name) {
            Ok(name) => names.push((name, wanted.key.clone())),
            Err(problem) => rejected.push(RejectedKey { key: wanted.key.clone(), problem }),
        }
    }
    if !rejected.is_empty() {
        return Err(PublishError::Names(rejected));
    }
    match name::clash(&names) {
        Some(clash) => Err(clash.into()),
        None => Ok(names),
    }
}

fn check_sizes(request: &PublicationRequest) -> Result<(), PublishError> {
    let PublicationRequest { wanted, target, .. } = request;
    let size = |file: &WantedFile| file.content.len() as u64;
    if let Some(file) = wanted.iter().find(|file| size(file) > target.max_file) {
        let (what, size) = (format!("key {}", quoted(&file.key)), size(file));
        return Err(PublishError::TooLarge { what, size, option: "max_file", limit: target.max_file });
    }
    let total: u64 = wanted.iter().map(size).sum();
    if total > target.max_total {
        let what = "the project".to_owned();
        return Err(PublishError::TooLarge {
            what,
            size: total,
            option: "max_total",
            limit: target.max_total,
        });
    }
    Ok(())
}

fn is_below_a_root(target: &ResolvedFolder, request: &PublicationRequest) -> bool {
    let below = |above: Option<&Path>| {
        let real = above.and_then(|above| above.canonicalize().ok().or_else(|| Some(above.to_owned())));
        real.is_some_and(|real| {
            request
                .target
                .roots
                .iter()
                .any(|root| real.starts_with(root.canonicalize().unwrap_or_else(|_| root.clone())))
        })
    };
    // What is exchanged is a name in the folder above: the link's, where there is one.
    let place = if target.is_link { &target.given } else { &target.path };
    below(place.parent())
}
