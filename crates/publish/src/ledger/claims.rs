//! Which project a file belongs to: two never publish the same one.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::LedgerFolder;
use super::data::LedgerData;
use crate::error::{PublishError, quoted};
use crate::name::SafeName;

/// The files of all projects. Clones are the same table.
#[derive(Debug, Clone, Default)]
pub struct FileClaims(Arc<Mutex<ClaimTable>>);

#[derive(Debug, Default)]
struct ClaimTable {
    /// A file, or a whole folder, and whose it is. Paths are ordered by their parts: what is below a folder follows it.
    owners: BTreeMap<PathBuf, FileOwner>,
}

/// Whose a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileOwner {
    project: String,
    /// Its key; empty for a whole folder.
    key: String,
}

impl FileOwner {
    fn new(project: &str, key: &str) -> Self {
        Self { project: project.to_owned(), key: key.to_owned() }
    }

    /// For people.
    fn shown(&self) -> String {
        match self.key.as_str() {
            "" => format!("project {:?}", self.project),
            key => format!("the key {} of project {:?}", quoted(key), self.project),
        }
    }
}

/// A file that a project wants.
pub(crate) struct Wanted<'a> {
    pub(crate) name: &'a SafeName,
    pub(crate) key: &'a str,
}

impl FileClaims {
    /// As the ledgers say.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn of(folder: &LedgerFolder) -> Result<Self, PublishError> {
        let claims = Self::default();
        folder.each(|ledger| -> Option<()> {
            claims.settle(ledger.data());
            None
        })?;
        Ok(claims)
    }

    /// Claims these files for a project, besides those that it has.
    pub(crate) fn claim(
        &self,
        owner: &str,
        folder: &Path,
        wanted: &[Wanted<'_>],
        whole: bool,
    ) -> Result<(), PublishError> {
        let mut table = self.table();
        let claimed = |path: &Path, key: &str, owner: &FileOwner| PublishError::Claimed {
            path: path.to_owned(),
            key: key.to_owned(),
            owner: owner.shown(),
        };
        if whole && let Some((path, other)) = table.other_below(folder, owner) {
            return Err(claimed(path, wanted.first().map_or("", |wanted| wanted.key), other));
        }
        for Wanted { name, key } in wanted {
            let path = folder.join(name.as_str());
            if let Some((path, other)) = table.other(&path, owner) {
                return Err(claimed(path, key, other));
            }
        }
        let own =
            |Wanted { name, key }: &Wanted<'_>| (folder.join(name.as_str()), FileOwner::new(owner, key));
        let whole = whole.then(|| (folder.to_owned(), FileOwner::new(owner, "")));
        table.owners.extend(wanted.iter().map(own).chain(whole));
        Ok(())
    }

    /// What the project has at the end.
    pub(crate) fn settle(&self, data: &LedgerData) {
        let mut table = self.table();
        table.owners.retain(|_, owner| owner.project != data.id);
        let Some(folder) = &data.folder else { return };
        let own = |path: PathBuf, key: &str| (path, FileOwner::new(&data.id, key));
        let files = data.files.iter().map(|(name, file)| own(folder.join(name.as_str()), &file.key));
        let whole = (data.whole_folder && !data.files.is_empty()).then(|| own(folder.clone(), ""));
        table.owners.extend(files.chain(whole));
    }

    fn table(&self) -> MutexGuard<'_, ClaimTable> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClaimTable {
    /// What another project has at this path, above it or below it: a file is in the way of what is below it, and so is
    /// a whole folder.
    fn other(&self, path: &Path, owner: &str) -> Option<(&Path, &FileOwner)> {
        let at = |path: &Path| self.owners.get_key_value(path).filter(|(_, other)| other.project != owner);
        let above = path.ancestors().find_map(at).map(|(path, other)| (&**path, other));
        above.or_else(|| self.other_below(path, owner))
    }

    fn other_below(&self, folder: &Path, owner: &str) -> Option<(&Path, &FileOwner)> {
        let below = self.owners.range::<Path, _>((Bound::Excluded(folder), Bound::Unbounded));
        let mut below = below.take_while(|(path, _)| path.starts_with(folder));
        below.find(|(_, other)| other.project != owner).map(|(path, other)| (&**path, other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_project_keeps_its_files() {
        let claims = FileClaims::default();
        let claim = |owner: &str, folder: &str, names: &[&str], whole| {
            let names: Vec<SafeName> =
                names.iter().map(|name| SafeName::read(name.as_bytes()).unwrap()).collect();
            let wanted: Vec<Wanted<'_>> = names.iter().map(|name| Wanted { name, key: "k" }).collect();
            claims.claim(owner, Path::new(folder), &wanted, whole).map_err(|error| error.to_string())
        };
        assert_eq!(claim("a", "/x", &["1", "s/2"], false), Ok(()));
        for (owner, folder, names, whole, expected) in [
            ("a", "/x", &["1", "3"][..], false, true),
            ("b", "/x", &["1"], false, false),
            ("b", "/x", &["s"], false, false),
            ("b", "/x/s", &["2"], false, false),
            ("b", "/x", &["1/deeper"], false, false),
            ("b", "/x", &["s/4"], false, true),
            ("c", "/x", &["9"], true, false),
            ("c", "/y", &["9"], true, true),
            ("d", "/y", &["8"], false, false),
            ("d", "/y/deep", &["8"], false, false),
            ("d", "/yy", &["8"], false, true),
        ] {
            let found = claim(owner, folder, names, whole);
            assert_eq!(found.is_ok(), expected, "{owner} {folder} {names:?}: {found:?}");
        }
        let error = claim("b", "/x", &["1"], false).unwrap_err();
        assert!(error.contains("\"/x/1\" (key \"k\") belongs to the key \"k\" of project \"a\""), "{error}");
        claims.settle(&LedgerData { id: "a".to_owned(), ..LedgerData::default() });
        assert_eq!(claim("b", "/x", &["1"], false), Ok(()));
    }
}
