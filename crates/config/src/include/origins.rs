//! Which file each section, and each entry of a section, is from.

use std::collections::HashMap;
use std::path::{Path as FilePath, PathBuf};

use serde_json::{Map, Value};

use crate::problem::{Path, PathStep};

/// The files by their place among all; what is not known is in the main file, which is the first.
#[derive(Debug, Clone, Default)]
pub(super) struct Origins {
    sections: HashMap<String, SectionOrigin>,
}

#[derive(Debug, Clone, Default)]
struct SectionOrigin {
    /// The file in which the section was first.
    file: usize,
    /// Those of entries that were added to it.
    added: HashMap<String, usize>,
}

impl Origins {
    pub(super) fn add_main(&mut self, top: &Map<String, Value>) {
        self.sections = top.keys().map(|section| (section.clone(), SectionOrigin::default())).collect();
    }

    /// A whole section that no file had before.
    pub(super) fn add_section(&mut self, section: &str, file: usize) {
        self.sections.insert(section.to_owned(), SectionOrigin { file, added: HashMap::new() });
    }

    /// An entry of a section that a file had before.
    pub(super) fn add_entry(&mut self, section: &str, name: &str, file: usize) {
        let section = self.sections.entry(section.to_owned()).or_default();
        section.added.insert(name.to_owned(), file);
    }

    /// The file that has this place, or the nearest one above it.
    pub(super) fn file_of(&self, path: &Path) -> usize {
        let mut steps = path.steps().into_iter();
        let Some(PathStep::Key(section)) = steps.next() else { return 0 };
        let Some(section) = self.sections.get(section) else { return 0 };
        match steps.next() {
            Some(PathStep::Key(name)) => section.added.get(name).copied().unwrap_or(section.file),
            _ => section.file,
        }
    }
}

/// At which folder the relative paths begin that are written at a place.
#[derive(Debug, Clone)]
pub struct Folders {
    origins: Origins,
    /// One for each file.
    folders: Vec<PathBuf>,
}

impl Folders {
    pub(super) fn new(origins: Origins, folders: Vec<PathBuf>) -> Self {
        Self { origins, folders }
    }

    /// The folder of the file that has this place.
    #[must_use]
    pub fn of(&self, path: &Path) -> &FilePath {
        self.folders.get(self.origins.file_of(path)).map_or(FilePath::new("."), PathBuf::as_path)
    }
}
