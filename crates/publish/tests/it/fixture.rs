//! A folder to publish into, and what was published.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use herald_publish::{
    BackupRule, FileClaims, LedgerFolder, Planned, ProjectLedger, PublicationDone, PublicationRequest,
    PublishError, PublishTarget, Recovery, Staged, SwapKind, WantedFile, plan, recover,
};
use serde_json::Value;

/// Names and contents.
pub type Files = BTreeMap<String, String>;

pub fn files(given: &[(&str, &str)]) -> Files {
    given.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect()
}

/// Below one folder: `ledgers`, `site` (published into), `backup`.
pub struct Site {
    pub top: PathBuf,
    pub target: PublishTarget,
    pub ledgers: LedgerFolder,
    pub claims: FileClaims,
    count: std::cell::Cell<u32>,
}

impl Site {
    pub fn new(top: &Path) -> Self {
        let top = top.canonicalize().unwrap();
        let ledgers = LedgerFolder::open(&top.join("ledgers")).unwrap();
        let claims = FileClaims::of(&ledgers).unwrap();
        let target = PublishTarget {
            deploy_path: top.join("site").display().to_string(),
            backup_dir: Some(top.join("backup").display().to_string()),
            roots: vec![top.clone()],
            backup: BackupRule { on_delete: true, on_replace: false, keep: Some(20) },
            max_file: 2 << 20,
            max_total: 64 << 20,
            ..PublishTarget::default()
        };
        Self { top, target, ledgers, claims, count: std::cell::Cell::new(0) }
    }

    pub fn with(mut self, change: impl FnOnce(&mut PublishTarget)) -> Self {
        change(&mut self.target);
        self
    }

    pub fn directory(self) -> Self {
        self.with(|target| target.swap = SwapKind::Directory)
    }

    pub fn request(&self, wanted: &Files) -> PublicationRequest {
        self.count.set(self.count.get() + 1);
        let wanted = wanted.iter().map(|(name, content)| WantedFile {
            key: format!("/w/h/p/config.d/{name}"),
            name: name.as_bytes().to_vec(),
            content: content.as_bytes().to_vec(),
            rewrite: false,
        });
        PublicationRequest {
            publication: format!("publication-{:012}-{}", self.count.get(), std::process::id()),
            time: "2026-11-29T04:36:19Z".to_owned(),
            backup_time: "2026-11-29_04:36:19".to_owned(),
            wanted: wanted.collect(),
            target: self.target.clone(),
            leaves_drift: false,
            source: Value::from(self.count.get()),
            context: Value::Null,
        }
    }

    pub fn ledger(&self) -> ProjectLedger {
        self.ledgers.project("p").unwrap()
    }

    pub fn plan(&self, wanted: &Files) -> Result<Planned, PublishError> {
        plan(self.ledger(), &self.claims, self.request(wanted))
    }

    pub fn stage(&self, wanted: &Files) -> Result<Staged, PublishError> {
        self.plan(wanted)?.stage(true)
    }

    pub fn publish(&self, wanted: &Files) -> Result<PublicationDone, PublishError> {
        self.stage(wanted)?.swap()?.finish(Value::Null)
    }

    /// Deals with what was interrupted, and says how.
    pub fn recover(&self) -> &'static str {
        match recover(self.ledger(), &self.claims).unwrap() {
            Recovery::Clean(_) => "clean",
            Recovery::Finished(_) => "finished",
            Recovery::Swapped(swapped) => {
                swapped.finish(Value::Null).unwrap();
                "swapped"
            }
            Recovery::Undone(undone) => {
                undone.settle().unwrap();
                "undone"
            }
        }
    }

    pub fn site(&self) -> PathBuf {
        self.top.join("site")
    }

    /// What is on disk, temporary files included.
    pub fn on_disk(&self) -> Files {
        under(&self.site())
    }

    pub fn backups(&self) -> Files {
        under(&self.top.join("backup"))
    }

    /// What the ledger speaks of.
    pub fn entered(&self) -> Vec<String> {
        self.ledger().data().files.keys().map(ToString::to_string).collect()
    }

    /// Temporary names anywhere below the top.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.top, &mut |path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.contains(".herald-") || name.ends_with(".part") || name.ends_with(".new") {
                found.push(path.to_owned());
            }
        });
        found
    }
}

pub fn under(folder: &Path) -> Files {
    let mut found = Files::new();
    walk(folder, &mut |path| {
        if !path.symlink_metadata().unwrap().is_dir() {
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            let content = std::fs::read(path).unwrap_or_default();
            found.insert(name, String::from_utf8_lossy(&content).into_owned());
        }
    });
    found
}

fn walk(folder: &Path, see: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        see(&path);
        if path.symlink_metadata().unwrap().is_dir() {
            walk(&path, see);
        }
    }
}
