//! The command line. `-config FILE` is the same as `--config FILE`, as in the Go original.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};

/// Executes signed jobs on this server for a heraldd elsewhere.
#[derive(Debug, Parser)]
#[command(name = "herald-runner", version, disable_help_subcommand = true)]
pub struct Args {
    /// Configuration file (YAML)
    #[arg(short, long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<CheckOnly>,
}

/// What is done instead of running jobs.
#[derive(Debug, Subcommand)]
enum CheckOnly {
    /// Validate a configuration; exit 0 if valid, 2 if not
    ///
    /// Errors and warnings go to standard error, each with its place. Nothing is started.
    #[command(after_help = "Example:\n  herald-runner check /etc/herald-runner/config.yml")]
    Check {
        /// Configuration file (same as --config)
        #[arg(value_name = "FILE", conflicts_with = "config")]
        file: Option<PathBuf>,
    },
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunMode {
    /// Run jobs, with this configuration.
    Run(PathBuf),
    /// Validate this configuration.
    Check(PathBuf),
}

impl Args {
    /// What they ask for.
    ///
    /// # Errors
    /// When no configuration is named.
    pub fn mode(self) -> Result<RunMode, clap::Error> {
        let (file, mode): (_, fn(PathBuf) -> RunMode) = match self.command {
            Some(CheckOnly::Check { file }) => (file.or(self.config), RunMode::Check),
            None => (self.config, RunMode::Run),
        };
        let missing = || {
            let what = "name the configuration file: --config FILE";
            Self::command().error(ErrorKind::MissingRequiredArgument, what)
        };
        file.map(mode).ok_or_else(missing)
    }
}

/// The long names that may come with one dash.
const LONG: [&str; 3] = ["config", "version", "help"];

/// Gives long names that came with one dash their second one, up to `--`. Without this `-config=x` would be read as
/// `-c onfig=x`.
pub fn with_two_dashes(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut over = false;
    args.into_iter()
        .map(|arg| {
            over |= arg == "--";
            let text = arg.to_string_lossy();
            let name = text.strip_prefix('-').filter(|rest| !rest.starts_with('-')).unwrap_or_default();
            let name = name.split('=').next().unwrap_or_default();
            if over || !LONG.contains(&name) {
                return arg;
            }
            let mut long = OsString::from("-");
            long.push(&arg);
            long
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_dash_is_as_good_as_two() {
        for (args, expected) in [
            (&["-config", "a"][..], Some("a")),
            (&["--config", "a"], Some("a")),
            (&["-c", "a"], Some("a")),
            (&["-config=a"], Some("a")),
            (&["--config=a"], Some("a")),
            (&["-ca"], Some("a")),
            (&["-c", "-config"], None),
            (&["--", "-config", "a"], None),
            (&["-confg", "a", "b"], None),
            (&[], None),
        ] {
            let argv = ["herald-runner"].iter().chain(args).map(OsString::from);
            let parsed = Args::try_parse_from(with_two_dashes(argv)).and_then(Args::mode).ok();
            assert_eq!(parsed, expected.map(|file| RunMode::Run(PathBuf::from(file))), "{args:?}");
        }
        for (args, expected) in [
            (&["check", "a"][..], Some("a")),
            (&["check", "-config", "a"], Some("a")),
            (&["check", "-config=a"], Some("a")),
            (&["-config", "a", "check"], Some("a")),
            (&["check"], None),
            (&["check", "a", "-c", "b"], None),
        ] {
            let argv = ["herald-runner"].iter().chain(args).map(OsString::from);
            let parsed = Args::try_parse_from(with_two_dashes(argv)).and_then(Args::mode).ok();
            assert_eq!(parsed, expected.map(|file| RunMode::Check(PathBuf::from(file))), "{args:?}");
        }
        let version = with_two_dashes(["herald-runner", "-version"].map(OsString::from));
        let error = Args::try_parse_from(version).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::DisplayVersion);
    }
}
