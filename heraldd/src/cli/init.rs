//! `heraldd init`: a commented configuration to start from.

use herald_control::command_output::{CommandOutput, FAILED};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

/// The file that is written.
const STARTER: &str = include_str!("starter.yml");

/// Write a commented configuration file to start from
///
/// An existing file is never replaced. The file can only be read by its owner, since secrets may be added to it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd init heraldd.yml && heraldd check heraldd.yml")]
pub(super) struct Init {
    /// The file to write; `-` writes to standard output
    #[arg(value_name = "FILE", default_value = "heraldd.yml", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

pub(super) fn run(arguments: &Init) -> CommandOutput {
    let file = arguments.file.as_path();
    if file == Path::new("-") {
        return CommandOutput::good(STARTER);
    }
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    match opened.and_then(|mut opened| opened.write_all(STARTER.as_bytes()).and_then(|()| opened.sync_all()))
    {
        Ok(()) => {
            let file = file.display();
            CommandOutput::good(format!(
                "{file}: written; next:  heraldd check {file}  and  heraldd -config {file}"
            ))
        }
        Err(error) => {
            let why = match error.kind() {
                ErrorKind::AlreadyExists => {
                    "exists already, and is not replaced; name another file".to_owned()
                }
                ErrorKind::NotFound => "the folder is missing; create it first".to_owned(),
                kind => format!("cannot be written: {kind}"),
            };
            CommandOutput {
                out: String::new(),
                remarks: format!("heraldd: {}: {why}", file.display()),
                code: FAILED,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loading;

    #[test]
    fn what_is_written_is_valid_private_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = Init { file: folder.path().join("heraldd.yml") };
        assert_eq!(run(&arguments).code, 0);
        let mode = std::os::unix::fs::PermissionsExt::mode(&arguments.file.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let loaded = loading::load(&arguments.file, None, None).map_err(|wrong| wrong.to_string()).unwrap();
        assert!(loaded.config.warnings.is_empty());
        std::fs::write(&arguments.file, "mine").unwrap();
        let second = run(&arguments);
        assert!(second.code == FAILED && second.remarks.contains("exists already"), "{second:?}");
        assert_eq!(std::fs::read_to_string(&arguments.file).unwrap(), "mine");
        let nowhere = run(&Init { file: folder.path().join("none/heraldd.yml") });
        assert!(nowhere.remarks.contains("folder is missing"), "{nowhere:?}");
    }
}
