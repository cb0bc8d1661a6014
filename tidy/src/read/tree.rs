//! The repository's own files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Every text file of the repository.
pub struct Tree {
    /// The root folder of the repository.
    pub root: PathBuf,
    /// Path from the root, and text; sorted by path.
    pub files: Vec<(String, String)>,
}

impl Tree {
    /// Reads the repository that this crate is part of. Build output and what Git keeps for itself are left out.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read() -> io::Result<Self> {
        Self::read_at(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
    }

    /// Reads the repository in this folder.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read_at(root: &Path) -> io::Result<Self> {
        let root = fs::canonicalize(root)?;
        let mut files = Vec::new();
        walk(&root, "", &mut files)?;
        files.sort();
        Ok(Self { root, files })
    }

    /// The text of one file, if it is there.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        let at = self.files.binary_search_by(|(name, _)| name.as_str().cmp(path)).ok()?;
        Some(&self.files[at].1)
    }

    /// The Rust files: path and text.
    pub fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter(|(path, _)| path.ends_with(".rs"))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if name != ".git" && name != "target" {
                walk(&entry.path(), &format!("{path}/"), files)?;
            }
        } else if kind.is_file()
            // A file of bytes is not a text; one that goes away meanwhile (an editor's) is nobody's.
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            files.push((path, text));
        }
    }
    Ok(())
}
