//! The configuration file among the arguments of a command.

use std::path::{Path, PathBuf};

use clap::Args;

/// The configuration that a command is about.
#[derive(Debug, Args)]
pub(super) struct ConfigFile {
    #[command(flatten)]
    file: OneFile,
    /// Which node of the fleet this is, by its name under `node`
    #[arg(long, value_name = "NAME")]
    id: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct OneFile {
    /// Configuration file (YAML)
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Configuration file (same as --config)
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
}

impl ConfigFile {
    /// Its path.
    pub(super) fn path(&self) -> &Path {
        // The parser asks for one of both.
        let OneFile { config, file } = &self.file;
        config.as_deref().or(file.as_deref()).unwrap_or(Path::new(""))
    }

    /// Which node reads it.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}
