//! `heraldd schema`: the JSON Schema of the configuration, for editors.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use herald_control::command_output::CommandOutput;
use serde_json::Value;

use crate::loading::{self, AvailableTypes, ConfigLoadError};
use crate::{components, config};

/// Print the JSON Schema of the configuration, for editors
///
/// Only the list of plugins is read from the configuration, so it may have mistakes elsewhere.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  heraldd schema -config /etc/heraldd/config.yml > heraldd.schema.json\n  \
                        (then, for editors with a YAML language server, at the top of the file:\n  \
                        # yaml-language-server: $schema=heraldd.schema.json)"
)]
pub(super) struct SchemaArguments {
    /// Include the types of the plugins of this configuration
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Compact output, on one line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &SchemaArguments) -> CommandOutput {
    let schema = match &arguments.config {
        None => Ok(herald_sections::schema(config::SECTIONS, &components::registry(&[]))),
        Some(path) => with_plugins(path),
    };
    match schema {
        Ok(schema) if arguments.json => CommandOutput::good(schema.to_string()),
        Ok(schema) => CommandOutput::good(format!("{schema:#}")),
        Err(wrong) => CommandOutput::refused(&wrong),
    }
}

fn with_plugins(path: &Path) -> Result<Value, ConfigLoadError> {
    let source = config::read(path)?;
    let AvailableTypes { registry, not_loaded } = loading::types(&source);
    if not_loaded.is_empty() {
        return Ok(herald_sections::schema(config::SECTIONS, &registry));
    }
    let mut report = String::new();
    for (_, why) in not_loaded {
        // Writing to a String cannot fail.
        let _ = writeln!(report, "{}: {why}", path.display());
    }
    Err(ConfigLoadError::Whole(report))
}
