//! Reads the configuration file.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use herald_base::private_file::ForeignAccess;

use crate::bounded_file;
use crate::problem::{self, Problem};
use crate::yaml::{Document, Problems};

/// The largest configuration that is read.
pub(crate) const LARGEST: u64 = 64 << 20;

/// The name of standard input in place of a file; relative paths in it begin at the current folder.
pub const STDIN: &str = "-";

/// A configuration file that is YAML; nothing more is known of it yet.
pub struct ConfigurationFile {
    /// What it holds, with the place of everything.
    pub document: Document,
    /// The folder at which relative paths in it begin.
    pub folder: PathBuf,
    /// Its path, for messages.
    pub name: String,
    /// Whether group or others have permission to read it.
    pub open_to_others: bool,
    /// How another user can change it.
    pub foreign_access: Option<ForeignAccess>,
}

impl ConfigurationFile {
    /// A text that is not in a file: relative paths begin at the current folder.
    ///
    /// # Errors
    /// When it is not YAML: every problem at its place.
    pub fn of_text(text: &str, name: &str) -> Result<Self, Problems> {
        let document = Document::parse_as_far_as_possible(text, name)?;
        let (folder, name) = (PathBuf::from("."), name.to_owned());
        Ok(Self { document, folder, name, open_to_others: false, foreign_access: None })
    }

    /// What is doubtful about who has access to the file; `secret` is the place of one in it.
    pub fn warnings_of_access(&self, secret: Option<&problem::Path>) -> impl Iterator<Item = Problem> {
        self.warning_of_readers(secret).into_iter().chain(self.warning_of_writers())
    }

    /// The warning that others can change the file.
    fn warning_of_writers(&self) -> Option<Problem> {
        let access = self.foreign_access?;
        let warning = format!("this file {access}, who could change what Herald runs");
        Some(Problem::warning(problem::Path::top(), warning).help(access.correction(Path::new(&self.name))))
    }

    /// The warning that others can read the secret at this place.
    fn warning_of_readers(&self, secret: Option<&problem::Path>) -> Option<Problem> {
        let at = secret.filter(|_| self.open_to_others)?;
        let warning = Problem::warning(at.clone(), "others may read this file, and it holds a secret");
        let help = format!("chmod go-rwx {}, or write ${{env:NAME}} or ${{file:/path}} here", self.name);
        Some(warning.help(help))
    }
}

/// Why a configuration file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file itself cannot be read.
    #[error("{name}: {why}")]
    File {
        /// Its path.
        name: String,
        /// What is wrong.
        why: UnreadableFile,
    },
    /// It is not text.
    #[error("{name}:{line}:{column}: {encoding}")]
    Encoding {
        /// Its path.
        name: String,
        /// The line of the first byte that is not text.
        line: usize,
        /// Its column.
        column: usize,
        /// What it is instead.
        encoding: FileEncoding,
    },
    /// It is not YAML.
    #[error("{0}")]
    Yaml(#[from] Problems),
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableFile {
    /// There is none.
    #[error("there is no such file")]
    Missing,
    /// This process has no permission to read it.
    #[error("the file cannot be read: permission denied")]
    Denied,
    /// It is a folder.
    #[error("this is a folder, not a file")]
    Folder,
    /// It is too large.
    #[error("the file is larger than {} MiB", LARGEST >> 20)]
    TooLarge,
    /// Anything else.
    #[error("the file cannot be read: {0}")]
    Other(std::io::Error),
}

impl From<std::io::Error> for UnreadableFile {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Missing,
            std::io::ErrorKind::PermissionDenied => Self::Denied,
            _ => Self::Other(error),
        }
    }
}

/// What a file is that is not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileEncoding {
    /// What some editors write.
    #[error("this is UTF-16; save it as UTF-8")]
    Utf16,
    /// Anything else.
    #[error("this is not UTF-8; save the file as UTF-8")]
    Unknown,
}

/// Reads a configuration file.
///
/// # Errors
/// When it cannot be read, is not text, or is not YAML: every problem at its place.
pub fn read(path: &Path) -> Result<ConfigurationFile, ReadError> {
    read_within(path, LARGEST).map(|(file, _)| file)
}

/// As [`read`], of a file of `most` bytes; gives also how many it has.
pub(crate) fn read_within(path: &Path, most: u64) -> Result<(ConfigurationFile, u64), ReadError> {
    let name = path.display().to_string();
    let (bytes, about) = bytes_of(path, most).map_err(|why| ReadError::File { name: name.clone(), why })?;
    // Of a pipe, only who opened it knows who may use it.
    let size = bytes.len() as u64;
    let about = Some(about).filter(Metadata::is_file);
    let text = String::from_utf8(bytes).map_err(|error| not_utf8(&name, &error))?;
    let document = Document::parse_as_far_as_possible(&text, &name)?;
    // Never empty: a plugin "x.so" is the one beside the file, not one of the system's library path.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = ConfigurationFile {
        document,
        folder: folder.to_owned(),
        name,
        open_to_others: about.as_ref().is_some_and(|about| about.permissions().mode() & 0o044 != 0),
        foreign_access: about.as_ref().and_then(ForeignAccess::of),
    };
    Ok((file, size))
}

fn bytes_of(path: &Path, most: u64) -> Result<(Vec<u8>, Metadata), UnreadableFile> {
    let path = if path == Path::new(STDIN) { Path::new("/dev/stdin") } else { path };
    let file = bounded_file::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(UnreadableFile::Folder);
    }
    let bytes = bounded_file::read(&file, &metadata, most + 1)?;
    if bytes.len() as u64 > most {
        return Err(UnreadableFile::TooLarge);
    }
    Ok((bytes, metadata))
}

fn not_utf8(name: &str, error: &std::string::FromUtf8Error) -> ReadError {
    let bytes = error.as_bytes();
    let name = name.to_owned();
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return ReadError::Encoding { name, line: 1, column: 1, encoding: FileEncoding::Utf16 };
    }
    let valid = String::from_utf8_lossy(&bytes[..error.utf8_error().valid_up_to()]);
    let line = valid.matches('\n').count() + 1;
    let column = valid.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    ReadError::Encoding { name, line, column, encoding: FileEncoding::Unknown }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::chown;

    use super::*;

    #[test]
    fn a_file_that_others_can_change_is_a_warning() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a: b\n").unwrap();
        let shown = file.path().display().to_string();
        let warnings = || {
            let read = read(file.path()).unwrap();
            let problems: Vec<Problem> = read.warnings_of_access(None).collect();
            read.document.report(&problems).to_string()
        };
        for (mode, warned) in [(0o600, false), (0o644, false), (0o664, true), (0o606, true), (0o666, true)] {
            std::fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            let text = warnings();
            let is_warned = text
                .contains(&format!("warning: this file can be written by other users (mode {mode:04o})"))
                && text.contains(&format!("chmod go-w {shown}"));
            assert_eq!(is_warned, warned, "{mode:o}: {text}");
            assert_eq!(text.is_empty(), !warned, "{mode:o}: {text}");
        }
        std::fs::set_permissions(file.path(), Permissions::from_mode(0o600)).unwrap();
        if chown(file.path(), Some(1234), None).is_err() {
            eprintln!("skipped: only root can give a file to another user");
            return;
        }
        assert!(warnings().contains("belongs to another user (uid 1234)"), "{}", warnings());
    }
}
