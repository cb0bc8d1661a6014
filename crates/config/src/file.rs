//! Reads the configuration file.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::problem::{self, Problem};
use crate::yaml::{Document, Problems};

/// The largest configuration that is read.
const LARGEST: u64 = 64 << 20;

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
}

impl ConfigurationFile {
    /// A text that is not in a file: relative paths begin at the current folder.
    ///
    /// # Errors
    /// When it is not YAML: every problem at its place.
    pub fn of_text(text: &str, name: &str) -> Result<Self, Problems> {
        let document = Document::parse_as_far_as_possible(text, name)?;
        Ok(Self { document, folder: PathBuf::from("."), name: name.to_owned(), open_to_others: false })
    }

    /// The warning that others can read the secret at this place.
    #[must_use]
    pub fn warning_of_readers(&self, secret: Option<&problem::Path>) -> Option<Problem> {
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
    let name = path.display().to_string();
    let (bytes, open_to_others) =
        bytes_of(path).map_err(|why| ReadError::File { name: name.clone(), why })?;
    let text = String::from_utf8(bytes).map_err(|error| not_utf8(&name, &error))?;
    let document = Document::parse_as_far_as_possible(&text, &name)?;
    // Never empty: a plugin "x.so" is the one beside the file, not one of the system's library path.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(ConfigurationFile { document, folder: folder.to_owned(), name, open_to_others })
}

fn bytes_of(path: &Path) -> Result<(Vec<u8>, bool), UnreadableFile> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(UnreadableFile::Folder);
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(UnreadableFile::TooLarge);
    }
    // Of a pipe, only who opened it knows who may read it.
    Ok((bytes, metadata.is_file() && metadata.permissions().mode() & 0o044 != 0))
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
