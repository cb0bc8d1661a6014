//! The configuration file among the arguments of a command.

use std::path::PathBuf;

use clap::Args;
use herald_control::places::config_places::{self, NoConfigFile};

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
#[group(multiple = false)]
struct OneFile {
    /// Configuration file (YAML)
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Configuration file (same as --config)
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
}

impl ConfigFile {
    /// Its path: the one that is given, or the default one.
    ///
    /// # Errors
    /// None is given, and there is no default one.
    pub(super) fn path(&self) -> Result<PathBuf, NoConfigFile> {
        let OneFile { config, file } = &self.file;
        config_places::or_default(config.clone().or_else(|| file.clone()))
    }

    /// Which node reads it.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}
