//! `heraldd import`: configurations of other programs, translated for Herald.

use std::io::{self, Read, stdin};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use herald_base::os_error;
use herald_config::bounded_file;
use herald_config::problem::Severity;
use herald_control::command_output::{BAD_INPUT, CommandOutput, FAILED, STOPPED};
use herald_import::crontab::NotACrontab;
use herald_import::go_git_webhooks::{self, ListWire};
use herald_import::imported::{ImportError, Imported, Omission};
use herald_import::value_checks::{RejectedValue, ValueChecks};
use herald_import::{crontab, go_deploy, multi_node, source_text, watcher, webhook};
use herald_net::network::Network;
use jiff::tz::TimeZone;

use herald_schedule::schedule::{Schedule, time_zone};

/// The longest file that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// Translate another program's configuration and print it; note differences on standard error
///
/// The exit code is 0 even where something could not be translated; 1 when a rule is an error in the original already,
/// so that its hook rejects requests; and 2 when the file cannot be read as that format.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  heraldd import webhook /etc/webhook.conf >heraldd.yml\n  heraldd check heraldd.yml"
)]
pub(super) struct ImportArguments {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// Hooks of adnanh/webhook, in JSON or YAML
    #[command(after_help = "Example:\n  heraldd import webhook hooks.json >heraldd.yml")]
    Webhook(Original),
    /// The config.json of multi-node-webhook
    #[command(after_help = "Example:\n  heraldd import multi-node-webhook config.json >heraldd.yml")]
    MultiNodeWebhook(Original),
    /// The scm_config.ini of watcher, which publishes configurations from etcd
    #[command(after_help = "Example:\n  heraldd import watcher config/scm_config.ini >heraldd.yml")]
    Watcher(Original),
    /// The server.json of go-deploy, also with comments
    #[command(after_help = "Example:\n  heraldd import go-deploy server.json >heraldd.yml")]
    GoDeploy(Original),
    /// The flags of go_git_webhooks: prints the configuration of the side that -server names
    #[command(
        after_help = "Example:\n  heraldd import go-git-webhooks -- -server http -port 8888 -sign 123456 >heraldd.yml"
    )]
    GoGitWebhooks {
        /// `stream`: signed messages; `list`: the Redis list of the original, for a side that stays the original
        #[arg(long, value_enum, default_value = "stream")]
        wire: WireArgument,
        /// The flags, after `--`
        #[arg(last = true, value_name = "FLAGS")]
        flags: Vec<String>,
    },
    /// A crontab
    #[command(after_help = "Example:\n  crontab -l | heraldd import crontab - >heraldd.yml")]
    Crontab {
        #[command(flatten)]
        original: Original,
        /// System crontab (has a user field), such as those in /etc
        #[arg(long)]
        system: bool,
    },
}

/// The form of messages.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum WireArgument {
    Stream,
    List,
}

#[derive(Debug, Args)]
struct Original {
    /// The file to read; `-` reads standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

pub(super) fn run(arguments: &ImportArguments) -> CommandOutput {
    match &arguments.from {
        From::Webhook(original) => {
            of_text(original, |text, name| webhook::import(text, name, &ComponentChecks))
        }
        From::MultiNodeWebhook(original) => of_text(original, multi_node::import),
        From::Watcher(original) => of_text(original, watcher::import),
        From::GoDeploy(original) => of_text(original, go_deploy::import),
        From::GoGitWebhooks { wire, flags } => of_flags(flags, *wire),
        From::Crontab { original, system } => {
            of_bytes(original, |bytes, name| match source_text::crontab(bytes, name) {
                Ok(text) => Ok(crontab_of(&original.file, &text, *system)?),
                Err(error) => Err(error.into()),
            })
        }
    }
}

/// Why a file is refused.
#[derive(Debug, thiserror::Error)]
enum RefusedFile {
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    NotACrontab(#[from] NotACrontab),
}

/// Of a file that is text in UTF-8.
fn of_text(
    original: &Original,
    import: impl Fn(&str, &str) -> Result<Imported, ImportError>,
) -> CommandOutput {
    of_bytes(original, |bytes, name| {
        source_text::utf8(bytes, name).and_then(|text| import(text, name)).map_err(RefusedFile::from)
    })
}

fn of_bytes(
    original: &Original,
    import: impl Fn(&[u8], &str) -> Result<Imported, RefusedFile>,
) -> CommandOutput {
    let path = &original.file;
    let bytes = match bytes_of(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let why = os_error::plain(&error.to_string());
            return CommandOutput::refused(&format!("heraldd: {}: cannot be read: {why}", path.display()));
        }
    };
    let name = path.display().to_string();
    match import(&bytes, &name) {
        Ok(imported) => answer(&name, Ok(imported)),
        Err(RefusedFile::Import(error)) => answer(&name, Err(error)),
        Err(RefusedFile::NotACrontab(error)) => CommandOutput::refused(&format!("heraldd: {name}:{error}")),
    }
}

fn of_flags(flags: &[String], wire: WireArgument) -> CommandOutput {
    let wire = match wire {
        WireArgument::Stream => ListWire::Stream,
        WireArgument::List => ListWire::List,
    };
    match go_git_webhooks::import(flags, wire) {
        Ok(Imported { yaml, omissions }) => {
            let remarks = omissions.iter().map(|left| format!("go-git-webhooks: {}\n", left.what)).collect();
            CommandOutput { out: yaml, remarks, code: STOPPED }
        }
        Err(wrong) => CommandOutput::refused(&format!("heraldd: {wrong}")),
    }
}

/// The checks of the daemon's own components.
#[derive(Debug, Clone, Copy)]
struct ComponentChecks;

impl ValueChecks for ComponentChecks {
    fn schedule(&self, text: &str) -> Result<(), RejectedValue> {
        Schedule::parse(text, false, &TimeZone::UTC)
            .map(drop)
            .map_err(|error| RejectedValue(error.to_string()))
    }

    fn time_zone(&self, name: &str) -> Result<(), RejectedValue> {
        time_zone(name).map(drop).map_err(|error| RejectedValue(error.to_string()))
    }

    fn network(&self, text: &str) -> Result<(), RejectedValue> {
        text.parse::<Network>().map(drop).map_err(|error| RejectedValue(error.to_string()))
    }
}

/// The crontabs of /etc are read as system crontabs even without the option.
fn crontab_of(path: &Path, text: &str, system: bool) -> Result<Imported, NotACrontab> {
    let by_place = !system && is_system_path(path);
    let mut imported = crontab::import(text, system || by_place, &users(), &ComponentChecks)?;
    if by_place {
        let what = "read as a system crontab, with a user in each line, because of its path".to_owned();
        imported.omissions.insert(0, Omission::warning(1, what));
    }
    Ok(imported)
}

fn is_system_path(path: &Path) -> bool {
    let Ok(path) = std::path::absolute(path) else { return false };
    path == Path::new("/etc/crontab") || path.parent().is_some_and(|folder| folder.ends_with("cron.d"))
}

/// The local users of this machine.
fn users() -> Vec<String> {
    let file = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    file.lines().filter_map(|line| line.split(':').next()).map(str::to_owned).collect()
}

fn answer(name: &str, imported: Result<Imported, ImportError>) -> CommandOutput {
    match imported {
        Ok(Imported { yaml, omissions }) => {
            let mark = |left: &Omission| if left.severity == Severity::Error { "error: " } else { "" };
            let remark = |left: &Omission| format!("{name}:{}: {}{}\n", left.line, mark(left), left.what);
            let wrong = omissions.iter().any(|left| left.severity == Severity::Error);
            let remarks = omissions.iter().map(remark).collect();
            CommandOutput { out: yaml, remarks, code: if wrong { FAILED } else { STOPPED } }
        }
        Err(why) => CommandOutput { out: String::new(), remarks: why.to_string(), code: BAD_INPUT },
    }
}

fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        stdin().lock().take(LONGEST + 1).read_to_end(&mut bytes)?;
    } else {
        let file = bounded_file::open(path)?;
        bytes = bounded_file::read(&file, &file.metadata()?, LONGEST + 1)?;
    }
    if bytes.len() as u64 > LONGEST { Err(io::Error::other("larger than 16 MiB")) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests;
