//! Reads the files that `include` names, within bounds of number and size.

use std::collections::HashSet;
use std::io;
use std::path::{Path as FilePath, PathBuf};

use herald_base::name_pattern::is_pattern;
use serde_json::Value;

use super::pattern::fits;
use crate::file::{self, ConfigurationFile, LARGEST, ReadError, UnreadableFile};
use crate::problem::{Path, Problem, kind_of};
use crate::spec::home::in_home;
use crate::yaml::Problems;

/// The key of the main file that names the other files.
pub const INCLUDE: &str = "include";
/// The most files that one configuration includes.
const MOST_FILES: usize = 256;

/// Why an entry of `include` names no files.
#[derive(Debug, thiserror::Error)]
enum IncludeError {
    #[error("the path is empty")]
    Empty,
    #[error("`*` and `?` are allowed in the name of the file only, not in its folder")]
    PatternInFolder,
    #[error("`~` is not known: HOME is not set")]
    NoHome,
    #[error("{folder}: {why}")]
    Folder { folder: String, why: UnreadableFile },
    #[error("more than {MOST_FILES} files are included")]
    TooMany,
    #[error("with {0} the configuration is larger than {size} MiB", size = LARGEST >> 20)]
    TooLarge(String),
    #[error("{0}: this is not a regular file")]
    NotRegular(String),
    #[error("a configuration file cannot include itself")]
    Itself,
    #[error("{0} is included twice")]
    Twice(String),
}

pub(super) struct IncludeReader<'a> {
    main: &'a ConfigurationFile,
    /// The main file, as the system names it.
    itself: Option<PathBuf>,
    /// How many bytes the included files may have.
    left: u64,
    seen: HashSet<PathBuf>,
    files: Vec<ConfigurationFile>,
    /// What is wrong in the main file.
    problems: Vec<Problem>,
    /// What is wrong in included files that cannot be read to their ends.
    unread: Vec<Problems>,
}

impl<'a> IncludeReader<'a> {
    pub(super) fn new(main: &'a ConfigurationFile, path: &FilePath, left: u64) -> Self {
        let itself = path.canonicalize().ok();
        let (seen, files) = (HashSet::new(), Vec::new());
        Self { main, itself, left, seen, files, problems: Vec::new(), unread: Vec::new() }
    }

    /// The files that this value of `include` names.
    pub(super) fn read(mut self, named: &Value) -> Result<Vec<ConfigurationFile>, Problems> {
        let at = Path::top().key(INCLUDE);
        match named {
            Value::Null => {}
            Value::Array(list) => {
                list.iter().enumerate().for_each(|(n, item)| self.entry(item, &at.index(n)));
            }
            one => self.entry(one, &at),
        }
        if self.problems.is_empty() && self.unread.is_empty() {
            return Ok(self.files);
        }
        let of_main = self.main.document.report(&self.problems);
        Err(std::iter::once(of_main).chain(self.unread).collect())
    }

    fn entry(&mut self, value: &Value, at: &Path) {
        let Value::String(text) = value else {
            let message = format!("expected the path of a file, found {}", kind_of(value));
            let help = "write  include: conf.d/*.yml";
            return self.problems.push(Problem::error(at.clone(), message).help(help));
        };
        match self.paths(text) {
            Ok(paths) => paths.iter().for_each(|path| self.file(path, at)),
            Err(error) => self.problems.push(Problem::error(at.clone(), error.to_string())),
        }
    }

    /// The paths that an entry names, sorted by name.
    fn paths(&self, text: &str) -> Result<Vec<PathBuf>, IncludeError> {
        if text.is_empty() {
            return Err(IncludeError::Empty);
        }
        let path = match text.strip_prefix("~/") {
            Some(rest) => in_home(rest).ok_or(IncludeError::NoHome)?,
            None => self.main.folder.join(text),
        };
        let (folder, name) = (path.parent().unwrap_or(&self.main.folder), path.file_name());
        let below = text.rsplit_once('/').map_or("", |(folder, _)| folder);
        match name.and_then(|name| name.to_str()).filter(|name| is_pattern(name)) {
            _ if is_pattern(below) => Err(IncludeError::PatternInFolder),
            None => Ok(vec![path]),
            Some(pattern) => {
                let why = |error: io::Error| IncludeError::Folder {
                    folder: folder.display().to_string(),
                    why: error.into(),
                };
                match fitting(folder, pattern) {
                    // A pattern may name none.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                    fitting => fitting.map_err(why)?.ok_or(IncludeError::TooMany),
                }
            }
        }
    }

    fn file(&mut self, path: &FilePath, at: &Path) {
        let wrong = match self.include(path) {
            Ok(()) => return,
            Err(error) => error.to_string(),
        };
        self.problems.push(Problem::error(at.clone(), wrong));
    }

    /// Reads one file; what is wrong in its text is noted.
    fn include(&mut self, path: &FilePath) -> Result<(), IncludeFileError> {
        let name = || path.display().to_string();
        if self.files.len() + self.unread.len() >= MOST_FILES {
            return Err(IncludeError::TooMany.into());
        }
        if let Ok(real) = path.canonicalize() {
            if self.itself.as_ref() == Some(&real) {
                return Err(IncludeError::Itself.into());
            }
            // Also what could keep the reader waiting: a pipe, say.
            if !real.is_file() && !real.is_dir() {
                return Err(IncludeError::NotRegular(name()).into());
            }
            if !self.seen.insert(real) {
                return Err(IncludeError::Twice(name()).into());
            }
        }
        match file::read_within(path, self.left) {
            Ok((file, size)) => {
                self.left -= size;
                self.files.push(file);
                Ok(())
            }
            Err(ReadError::Yaml(problems)) => {
                self.unread.push(problems);
                Ok(())
            }
            Err(ReadError::File { why: UnreadableFile::TooLarge, .. }) => {
                Err(IncludeError::TooLarge(name()).into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Why an included file cannot be used.
#[derive(Debug, thiserror::Error)]
enum IncludeFileError {
    #[error("{0}")]
    Include(#[from] IncludeError),
    #[error("{0}")]
    Read(#[from] ReadError),
}

/// The files of a folder whose names fit, sorted; `None` when there are too many.
fn fitting(folder: &FilePath, pattern: &str) -> io::Result<Option<Vec<PathBuf>>> {
    let mut paths = Vec::new();
    for entry in folder.read_dir()? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| fits(pattern, name)) {
            if paths.len() == MOST_FILES {
                return Ok(None);
            }
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(Some(paths))
}
