//! The command line: arguments in, exit code out.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::daemon;

/// Clean stop.
const STOPPED: u8 = 0;
/// Failure while running.
const FAILED: u8 = 1;
/// Bad arguments or configuration.
const BAD_INPUT: u8 = 2;

/// The Herald daemon: something happened, so run something, somewhere.
#[derive(Debug, Parser)]
#[command(name = "heraldd", version, about, disable_help_subcommand = true)]
struct Arguments {
    /// The configuration, a YAML file.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

/// Long names that are also taken with one dash, as the Go original does.
const ONE_DASH: [&str; 3] = ["config", "version", "help"];

/// Runs the program with these arguments (the first is the program's name).
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(with_two_dashes(arguments)) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Where standard output is closed nothing can be said, and the exit code says the rest.
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if asked { STOPPED } else { BAD_INPUT });
        }
    };
    match daemon::run(&arguments.config) {
        Ok(()) => ExitCode::from(STOPPED),
        Err(error) => {
            // As above: `eprintln!` would panic, and its exit code says nothing.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(match error {
                daemon::Error::Configuration(_) => BAD_INPUT,
                daemon::Error::Start(_) => FAILED,
            })
        }
    }
}

/// Rewrites `-config` and `-config=x` to `--config…` up to a lone `--`: with a short `-c`, they would be read as
/// `-c onfig`.
fn with_two_dashes(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut plain = false;
    let rewrite = |argument: OsString| {
        plain |= argument == "--";
        let Some(text) = argument.to_str().filter(|_| !plain) else { return argument };
        let Some(name) = text.strip_prefix('-').filter(|name| !name.starts_with('-')) else {
            return argument;
        };
        let bare = name.split_once('=').map_or(name, |(bare, _)| bare);
        if ONE_DASH.contains(&bare) { OsString::from(format!("--{name}")) } else { argument }
    };
    arguments.into_iter().map(rewrite).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_the_arguments() {
        for (given, read) in [
            (vec!["-config", "x.yml"], Some("x.yml")),
            (vec!["--config", "x.yml"], Some("x.yml")),
            (vec!["-c", "x.yml"], Some("x.yml")),
            (vec!["-config=x.yml"], Some("x.yml")),
            (vec!["--config=x.yml"], Some("x.yml")),
            (vec!["-cx.yml"], Some("x.yml")),
            (vec!["-c", "-config"], None),
            (vec![], None),
            (vec!["-configuration", "x"], Some("onfiguration")),
            (vec!["--", "-config", "x"], None),
        ] {
            let arguments = ["heraldd"].into_iter().chain(given.clone()).map(OsString::from);
            let parsed = Arguments::try_parse_from(with_two_dashes(arguments));
            let config = parsed.ok().map(|arguments| arguments.config);
            // `-configuration x` is `-c onfiguration` and a stray `x`: an error.
            let read = read.filter(|_| given.first() != Some(&"-configuration"));
            assert_eq!(config, read.map(PathBuf::from), "{given:?}");
        }
    }
}
