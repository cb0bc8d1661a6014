//! The command line. `-config FILE` is the same as `--config FILE`, as in the Go original.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use herald_base::near_miss::near_miss;
use herald_cli_pages::KnownShell;
use herald_config::file::STDIN;

/// The configuration, where none is named.
pub const DEFAULT_CONFIG: &str = "/etc/herald-runner/config.yml";

/// Executes signed jobs on this server for a heraldd elsewhere.
#[derive(Debug, Parser)]
#[command(name = "herald-runner", version)]
pub struct Args {
    /// Configuration file (YAML). Default: `/etc/herald-runner/config.yml`, if it exists
    #[arg(short, long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<RunnerCommand>,
}

/// What is done instead of running jobs.
#[derive(Debug, Subcommand)]
enum RunnerCommand {
    /// Validate a configuration; exit 0 if valid, 2 if not
    ///
    /// Errors and warnings go to standard error, each with its place. Nothing is started. With --probe, exit 1 if
    /// something that a valid configuration needs is not available now.
    #[command(after_help = "Example:\n  herald-runner check /etc/herald-runner/config.yml")]
    Check {
        /// Configuration files, each by itself (as --config); - is standard input
        #[arg(value_name = "FILE", conflicts_with = "config")]
        file: Vec<PathBuf>,
        /// Also test that folders, files and sockets can be made, that the port is free and that jobs can be limited
        #[arg(long)]
        probe: bool,
    },
    /// Print the JSON Schema of the configuration, for editors
    #[command(after_help = "Example:\n  herald-runner schema > runner.schema.json")]
    Schema,
    /// Generate a shell completion script
    #[command(
        after_help = "Example:\n  herald-runner completions bash > /etc/bash_completion.d/herald-runner"
    )]
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: KnownShell,
    },
    /// Print the manual page
    #[command(after_help = "Example:\n  herald-runner man > /usr/local/share/man/man1/herald-runner.1")]
    Man,
    /// Print the version
    #[command(after_help = "Example:\n  herald-runner version")]
    Version,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunMode {
    /// Run jobs, with this configuration.
    Run(PathBuf),
    /// Validate these configurations.
    Check {
        /// The files.
        files: Vec<PathBuf>,
        /// Whether this machine is looked at as well.
        probe: bool,
    },
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Print the completion script for this shell.
    Completions(KnownShell),
    /// Print the manual page.
    Man,
    /// Print the version.
    Version,
}

impl Args {
    /// What they ask for; `default` is the configuration where none is named, if it exists.
    ///
    /// # Errors
    /// When no configuration is named and the default one is missing.
    pub fn mode(self, default: &Path) -> Result<RunMode, clap::Error> {
        let config = self.config.or_else(|| default.exists().then(|| default.to_owned()));
        let missing = || {
            let what =
                format!("name the configuration file: --config FILE, or put it at {}", default.display());
            Self::command().error(ErrorKind::MissingRequiredArgument, what)
        };
        match self.command {
            Some(RunnerCommand::Check { file, probe }) if !file.is_empty() => {
                Ok(RunMode::Check { files: file, probe })
            }
            Some(RunnerCommand::Check { probe, .. }) => {
                config.map(|config| RunMode::Check { files: vec![config], probe }).ok_or_else(missing)
            }
            Some(RunnerCommand::Schema) => Ok(RunMode::Schema),
            Some(RunnerCommand::Completions { shell }) => Ok(RunMode::Completions(shell)),
            Some(RunnerCommand::Man) => Ok(RunMode::Man),
            Some(RunnerCommand::Version) => Ok(RunMode::Version),
            // It is read again on SIGHUP, and would be empty then.
            None if config.as_deref() == Some(Path::new(STDIN)) => {
                let what = "the runner's configuration must be a file; only `check` reads -";
                Err(Self::command().error(ErrorKind::ValueValidation, what))
            }
            None => config.map(RunMode::Run).ok_or_else(missing),
        }
    }
}

/// The long names that may come with one dash.
const LONG: [&str; 3] = ["config", "version", "help"];

/// Gives long names that came with one dash their second one, up to `--`, and those that nearly are one of them:
/// without this `-config=x` would be read as `-c onfig=x`.
pub fn with_two_dashes(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut over = false;
    args.into_iter()
        .map(|arg| {
            over |= arg == "--";
            let text = arg.to_string_lossy();
            let name = text.strip_prefix('-').filter(|rest| !rest.starts_with('-')).unwrap_or_default();
            let name = name.split('=').next().unwrap_or_default();
            let is_nearly = name.len() > 2 && near_miss(name, LONG).is_some();
            if over || !(LONG.contains(&name) || is_nearly) {
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

    fn mode(args: Args) -> Result<RunMode, clap::Error> {
        args.mode(Path::new("/there/is/none"))
    }

    fn checks(file: &Path, probe: bool) -> RunMode {
        RunMode::Check { files: vec![file.to_owned()], probe }
    }

    #[test]
    fn a_default_file_is_used_where_it_exists() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (argv, expected) in [
            (&["herald-runner"][..], RunMode::Run(file.path().to_owned())),
            (&["herald-runner", "check"], checks(file.path(), false)),
            (&["herald-runner", "check", "--probe"], checks(file.path(), true)),
            (&["herald-runner", "-c", "a"], RunMode::Run("a".into())),
        ] {
            assert_eq!(Args::parse_from(argv).mode(file.path()).unwrap(), expected, "{argv:?}");
        }
    }

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
            (&["-confg", "a"], None),
            (&["-c", "-"], None),
            (&[], None),
        ] {
            let argv = ["herald-runner"].iter().chain(args).map(OsString::from);
            let parsed = Args::try_parse_from(with_two_dashes(argv)).and_then(mode).ok();
            assert_eq!(parsed, expected.map(|file| RunMode::Run(PathBuf::from(file))), "{args:?}");
        }
        for (args, expected) in [
            (&["check", "a"][..], Some("a")),
            (&["check", "-config", "a"], Some("a")),
            (&["check", "-config=a"], Some("a")),
            (&["-config", "a", "check"], Some("a")),
            (&["check", "-"], Some("-")),
            (&["check"], None),
            (&["check", "a", "-c", "b"], None),
        ] {
            let argv = ["herald-runner"].iter().chain(args).map(OsString::from);
            let parsed = Args::try_parse_from(with_two_dashes(argv)).and_then(mode).ok();
            assert_eq!(parsed, expected.map(|file| checks(Path::new(file), false)), "{args:?}");
        }
        let version = with_two_dashes(["herald-runner", "-version"].map(OsString::from));
        let error = Args::try_parse_from(version).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::DisplayVersion);
    }
}
