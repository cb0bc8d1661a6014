//! The command line. `-config FILE` is the same as `--config FILE`, as in the Go original.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

/// Executes signed jobs on this server for a heraldd elsewhere.
#[derive(Debug, Parser)]
#[command(name = "herald-runner", version)]
pub struct Args {
    /// The configuration, a YAML file
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
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
            let parsed = Args::try_parse_from(with_two_dashes(argv)).ok();
            assert_eq!(parsed.map(|args| args.config), expected.map(PathBuf::from), "{args:?}");
        }
        let version = with_two_dashes(["herald-runner", "-version"].map(OsString::from));
        let error = Args::try_parse_from(version).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::DisplayVersion);
    }
}
