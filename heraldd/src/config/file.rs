//! Reads the configuration file.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use herald_core::yaml::{Document, Problems};

/// The largest configuration that is read.
const LARGEST: u64 = 64 << 20;

/// A configuration file that is YAML; nothing more is known of it yet.
pub struct Source {
    pub(super) document: Document,
    /// What relative paths of plugins and secret files begin at.
    pub(super) folder: PathBuf,
    /// For advice.
    pub(super) name: String,
    /// Whether group or others may read the file.
    pub(super) open_to_others: bool,
    /// Which node of the fleet reads it.
    pub id: Option<String>,
}

/// Why a configuration file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file itself: one sentence.
    #[error("{0}")]
    File(String),
    /// It is not YAML.
    #[error("{0}")]
    Yaml(Problems),
}

/// Reads a configuration file.
///
/// # Errors
/// When it cannot be read, is not text, or is not YAML: every problem at its place.
pub fn read(path: &Path) -> Result<Source, ReadError> {
    let name = path.display().to_string();
    let (bytes, open_to_others) = bytes_of(path).map_err(|why| ReadError::File(format!("{name}: {why}")))?;
    let text = String::from_utf8(bytes).map_err(|error| ReadError::File(not_utf8(&name, &error)))?;
    let document = Document::parse_as_far_as_possible(&text, &name).map_err(ReadError::Yaml)?;
    // Never empty: a plugin "x.so" is the one beside the file, not one of the system's library path.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.to_owned();
    Ok(Source { document, folder, name, open_to_others, id: None })
}

fn bytes_of(path: &Path) -> Result<(Vec<u8>, bool), String> {
    let explain = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "the file may not be read (permission denied)".to_owned(),
        _ => format!("the file cannot be read: {error}"),
    };
    let file = File::open(path).map_err(explain)?;
    let metadata = file.metadata().map_err(explain)?;
    if metadata.is_dir() {
        return Err("this is a folder, not a file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(explain)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("the file is larger than {} MiB", LARGEST >> 20));
    }
    // Of a pipe, only who opened it knows who may read it.
    Ok((bytes, metadata.is_file() && metadata.permissions().mode() & 0o044 != 0))
}

fn not_utf8(name: &str, error: &std::string::FromUtf8Error) -> String {
    let bytes = error.as_bytes();
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return format!("{name}:1:1: this is UTF-16; save it as UTF-8");
    }
    let valid = String::from_utf8_lossy(&bytes[..error.utf8_error().valid_up_to()]);
    let line = valid.matches('\n').count() + 1;
    let column = valid.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    format!("{name}:{line}:{column}: this is not UTF-8; save the file as UTF-8")
}
