//! The runner's configuration. Everything that is wrong is found before anything starts, and told at once.

mod check;
mod model;
mod read;
mod report;
mod tls;
mod value;

use std::path::Path;

pub use check::parse;
pub use model::{Config, Listen, LogConfig, LogFormat, LogLevel, REQUEST_TIMEOUT};

/// Reads and checks a file.
///
/// # Errors
/// The whole report, for people.
pub fn load(path: &Path) -> Result<Config, String> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| format!("{name}: cannot be read: {error}\n"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{name}: is not UTF-8 text\n"))?;
    parse(&text, &name, readable_by_others(path))
}

fn readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o044 != 0)
}
