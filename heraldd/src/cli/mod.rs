//! The command line: arguments in, exit code out.

mod check;
mod config_file;
mod graph;
mod groups;
mod import;
mod init;
mod next;
mod pages;
mod probe;
mod reference;
mod schema;
mod state;
mod try_request;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use herald_base::near_miss::near_miss;
use herald_base::os_error;
use herald_config::file::STDIN;
use herald_config::listener_override::ListenerOverride;
use herald_control::command_output::{BAD_INPUT, CommandOutput, FAILED, STOPPED};
use herald_control::commands::{
    about, apps, audit, complete, deploy, drain, event_list, events, jobs, leading_options, logs, mistyped,
    page, pause, published, queue, replay, results, sessions, stats, status, user,
};
use herald_control::places::config_places;
use herald_core::clock::SystemClock;
use herald_overview::history::offline::OfflineReader;

use crate::daemon;
use crate::start_error::Error;

/// The Herald daemon: something happened, so run something, somewhere.
#[derive(Debug, Parser)]
#[command(
    name = "heraldd",
    version,
    about,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Arguments {
    #[command(flatten)]
    daemon: DaemonFlags,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What the daemon is started with.
#[derive(Debug, Args)]
struct DaemonFlags {
    /// Configuration file (YAML). Default: `$HERALD_CONFIG`, `./heraldd.yml`, `$XDG_CONFIG_HOME/heraldd/config.yml`,
    /// `/etc/heraldd/config.yml`, the first that exists
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Which node of the fleet this is, by its name under `node`
    #[arg(long, value_name = "NAME")]
    id: Option<String>,
    /// Where the `http` triggers listen, instead of where the configuration says; they must share one host and port
    #[arg(long, value_name = "HOST:PORT")]
    host: Option<ListenerOverride>,
}

/// These alone, without commands, help and version: to describe all of them takes longer than to read a configuration.
#[derive(Debug, Parser)]
#[command(disable_help_flag = true)]
struct DaemonArguments {
    #[command(flatten)]
    daemon: DaemonFlags,
}

/// What is done instead of running the daemon.
#[derive(Debug, Subcommand)]
enum Command {
    Status(status::ShowStatus),
    #[command(visible_alias = "ps")]
    Jobs(jobs::ListArguments),
    Job(jobs::ShowArguments),
    Trigger(events::Activate),
    Events(event_list::EventsArguments),
    Logs(logs::LogsArguments),
    Results(results::ResultsArguments),
    Stats(stats::StatsArguments),
    Cancel(jobs::CancelArguments),
    Retry(jobs::RetryArguments),
    Pause(pause::PauseArguments),
    Resume(pause::ResumeArguments),
    Explain(events::Explain),
    Try(try_request::Try),
    Replay(replay::Replay),
    Triggers(about::Triggers),
    Routers(about::Routers),
    Executors(about::Executors),
    Nodes(about::NodesArguments),
    Drain(drain::DrainArguments),
    Undrain(drain::UndrainArguments),
    Published(published::Published),
    Publish(published::Publish),
    Apps(apps::AppsArguments),
    App(apps::AppArguments),
    Deploy(deploy::DeployArguments),
    Rollback(deploy::RollbackArguments),
    Log(apps::LogArguments),
    Deployments(apps::DeploymentsArguments),
    Hold(apps::HoldArguments),
    Unhold(apps::UnholdArguments),
    Queue(queue::QueueArguments),
    Page(page::PageArguments),
    Info(about::Info),
    Reload(about::Reload),
    Audit(audit::AuditArguments),
    User(user::UserArguments),
    Sessions(sessions::SessionsArguments),
    Init(init::Init),
    Check(check::CheckArguments),
    Schema(schema::SchemaArguments),
    Reference(reference::ReferenceArguments),
    Graph(graph::GraphArguments),
    Next(next::NextArguments),
    Import(import::ImportArguments),
    State(state::StateArguments),
    Completions(pages::Completions),
    Man(pages::Man),
    /// Print the version
    #[command(after_help = "Example:\n  heraldd version")]
    Version,
}

/// Long names that are also taken with one dash, as the Go original does.
const ONE_DASH: [&str; 5] = ["config", "version", "help", "id", "host"];

/// What commands show while the daemon is down.
const STOPPED_DAEMON: OfflineReader<'static> = OfflineReader { clock: &SystemClock };

/// Runs the program with these arguments (the first is the program's name).
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(words) = complete::asked(&arguments) {
        return complete::run(&words, &Arguments::command(), reference::names).give();
    }
    if let Ok(arguments) = DaemonArguments::try_parse_from(with_two_dashes(arguments.clone())) {
        return start_daemon(arguments.daemon);
    }
    let words = arguments.iter().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let words: Vec<String> = words.collect();
    let matches = groups::grouped(Arguments::command()).try_get_matches_from(read_anywhere(arguments));
    let arguments = match matches.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Where standard output is closed nothing can be said, and the exit code says the rest.
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            if let Some(hint) = mistyped::hint(&words).filter(|_| !asked) {
                let _ = writeln!(std::io::stderr(), "\n  tip: {hint}");
            }
            return ExitCode::from(if asked { STOPPED } else { BAD_INPUT });
        }
    };
    match arguments.command {
        Some(command) => answer(&command).give(),
        None => start_daemon(arguments.daemon),
    }
}

fn start_daemon(options: DaemonFlags) -> ExitCode {
    // It would be empty when it is read again.
    if options.config.as_deref() == Some(Path::new(STDIN)) {
        let why = "heraldd: the daemon's configuration must be a file; only `check` reads -";
        return CommandOutput::refused(&why).give();
    }
    match config_places::or_default(options.config) {
        Ok(config) => run_daemon(&config, options.id.as_deref(), options.host),
        Err(none) => CommandOutput::refused(&none).give(),
    }
}

fn answer(command: &Command) -> CommandOutput {
    match command {
        Command::Status(arguments) => status::run(arguments, &SystemClock),
        Command::Init(arguments) => init::run(arguments),
        Command::Jobs(arguments) => jobs::list(arguments, &SystemClock, &STOPPED_DAEMON),
        Command::Job(arguments) => jobs::show(arguments, &SystemClock, &STOPPED_DAEMON),
        Command::Trigger(arguments) => events::activate(arguments, &SystemClock),
        Command::Logs(arguments) => logs::run(arguments, &STOPPED_DAEMON),
        Command::Results(arguments) => results::list(arguments, &SystemClock),
        Command::Stats(arguments) => stats::show(arguments),
        Command::Cancel(arguments) => jobs::cancel(arguments),
        Command::Retry(arguments) => jobs::retry(arguments, &SystemClock),
        Command::Pause(arguments) => pause::pause(arguments),
        Command::Resume(arguments) => pause::resume(arguments),
        Command::Triggers(arguments) => about::triggers(arguments, &SystemClock),
        Command::Routers(arguments) => about::routers(arguments),
        Command::Executors(arguments) => about::executors(arguments),
        Command::Nodes(arguments) => about::nodes(arguments, &SystemClock),
        Command::Drain(arguments) => drain::drain(arguments),
        Command::Undrain(arguments) => drain::undrain(arguments),
        Command::Published(arguments) => published::list(arguments, &SystemClock),
        Command::Publish(arguments) => published::publish(arguments, &SystemClock),
        Command::Apps(arguments) => apps::list(arguments, &SystemClock),
        Command::App(arguments) => apps::show(arguments, &SystemClock),
        Command::Deploy(arguments) => deploy::deploy(arguments),
        Command::Rollback(arguments) => deploy::rollback(arguments),
        Command::Log(arguments) => apps::log(arguments, &SystemClock),
        Command::Deployments(arguments) => apps::deployments(arguments, &SystemClock),
        Command::Hold(arguments) => apps::hold(arguments),
        Command::Unhold(arguments) => apps::unhold(arguments),
        Command::Queue(arguments) => queue::run(arguments, &SystemClock),
        Command::Page(arguments) => page::run(arguments),
        Command::Info(arguments) => about::info(arguments, &SystemClock),
        Command::Reload(arguments) => about::reload(arguments),
        Command::Audit(arguments) => audit::list(arguments, &SystemClock),
        Command::User(arguments) => user::run(arguments),
        Command::Sessions(arguments) => sessions::run(arguments, &SystemClock),
        Command::Events(arguments) => event_list::list(arguments, &SystemClock, &STOPPED_DAEMON),
        Command::Explain(arguments) => events::explain(arguments, &STOPPED_DAEMON),
        Command::Try(arguments) => try_request::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Schema(arguments) => schema::run(arguments),
        Command::Reference(arguments) => reference::run(arguments),
        Command::Graph(arguments) => graph::run(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::State(arguments) => state::run(arguments, &SystemClock),
        Command::Next(arguments) => next::run(arguments, &SystemClock),
        Command::Completions(arguments) => pages::completions(arguments, Arguments::command()),
        Command::Man(arguments) => pages::man(arguments, Arguments::command()),
        Command::Version => CommandOutput::good(format!("heraldd {}", env!("CARGO_PKG_VERSION"))),
    }
}

fn run_daemon(config: &Path, id: Option<&str>, host: Option<ListenerOverride>) -> ExitCode {
    match daemon::run(config, id, host) {
        Ok(()) => ExitCode::from(STOPPED),
        Err(error) => {
            // As above: `eprintln!` would panic, and its exit code says nothing.
            let _ = writeln!(std::io::stderr(), "{}", os_error::without_numbers(&error.to_string()));
            ExitCode::from(match error {
                Error::Configuration(_) => BAD_INPUT,
                Error::Start(_) => FAILED,
            })
        }
    }
}

/// As people write them: long names with one dash, and options also before the command that they are for.
fn read_anywhere(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    leading_options::moved(with_output_format(with_two_dashes(arguments)), &Arguments::command())
}

/// `-o json` is `--json`, as with kubectl.
fn with_output_format(arguments: Vec<OsString>) -> Vec<OsString> {
    let mut arguments = arguments.into_iter().peekable();
    let mut rest = Vec::new();
    while let Some(argument) = arguments.next() {
        let joined = ["-ojson", "-o=json", "--output=json"].iter().any(|joined| argument == *joined);
        let apart = (argument == "-o" || argument == "--output")
            && arguments.peek().is_some_and(|next| next == "json");
        if apart {
            arguments.next();
        }
        rest.push(if joined || apart { OsString::from("--json") } else { argument });
    }
    rest
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
        // One that nearly is one of them is not `-c` with a value: the parser then says what was meant.
        let is_nearly = bare.len() > 2 && near_miss(bare, ONE_DASH).is_some();
        if ONE_DASH.contains(&bare) || is_nearly { OsString::from(format!("--{name}")) } else { argument }
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
            (vec!["-config", "check"], Some("check")),
            (vec!["-id", "master", "-c", "x.yml"], Some("x.yml")),
            (vec!["-c", "x.yml", "check", "y.yml"], None),
            (vec!["-c", "x.yml", "surplus"], None),
            (vec!["surplus"], None),
        ] {
            let arguments = ["heraldd"].into_iter().chain(given.clone()).map(OsString::from);
            let parsed = Arguments::try_parse_from(read_anywhere(arguments));
            let config = parsed.ok().and_then(|arguments| arguments.daemon.config);
            // `-configuration x` is `-c onfiguration` and a stray `x`: an error.
            let read = read.filter(|_| given.first() != Some(&"-configuration"));
            assert_eq!(config, read.map(PathBuf::from), "{given:?}");
        }
    }

    #[test]
    fn the_daemon_is_started_without_a_look_at_the_commands() {
        for (given, config) in [
            (&["-config", "x.yml"][..], Some(Some("x.yml"))),
            (&["-c", "x.yml", "--host", "127.0.0.1:8080", "-id", "a"], Some(Some("x.yml"))),
            (&["-c", "check"], Some(Some("check"))),
            (&[], Some(None)),
            (&["check"], None),
            (&["-c", "x.yml", "check"], None),
            (&["--help"], None),
            (&["-h"], None),
            (&["--version"], None),
            (&["-c"], None),
            (&["--confg", "x.yml"], None),
        ] {
            let arguments = || ["heraldd"].iter().chain(given).map(OsString::from);
            let alone = DaemonArguments::try_parse_from(with_two_dashes(arguments())).ok();
            assert_eq!(
                alone.as_ref().map(|alone| alone.daemon.config.clone()),
                config.map(|config| config.map(PathBuf::from)),
                "{given:?}"
            );
            // The whole parser reads the same.
            let Some(alone) = alone else { continue };
            let all = Arguments::try_parse_from(read_anywhere(arguments())).unwrap();
            assert!(all.command.is_none());
            assert_eq!(
                (all.daemon.config, all.daemon.id),
                (alone.daemon.config, alone.daemon.id),
                "{given:?}"
            );
        }
    }

    #[test]
    fn what_people_type() {
        for (given, read) in [
            (&["jobs", "-o", "json"][..], &["jobs", "--json"][..]),
            (&["jobs", "-ojson"], &["jobs", "--json"]),
            (&["jobs", "--output=json"], &["jobs", "--json"]),
            (&["logs", "-o", "x"], &["logs", "-o", "x"]),
            (&["trigger", "t", "-d", "-"], &["trigger", "t", "-d", "-"]),
            (&["trigger", "t", "-p", "a=1"], &["trigger", "t", "-p", "a=1"]),
            (&["-confg", "x.yml"], &["--confg", "x.yml"]),
            (&["-verison"], &["--verison"]),
            (&["-cx.yml"], &["-cx.yml"]),
        ] {
            let all = |texts: &[&str]| texts.iter().map(OsString::from).collect::<Vec<_>>();
            let mut arguments = all(&["heraldd"]);
            arguments.extend(all(given));
            assert_eq!(read_anywhere(arguments)[1..], all(read), "{given:?}");
        }
        for good in
            [&["ps"][..], &["version"], &["events", "--unmatched"], &["jobs", "--watch", "--status", "a,b"]]
        {
            let arguments = ["heraldd"].iter().chain(good).map(OsString::from);
            assert!(Arguments::try_parse_from(read_anywhere(arguments)).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn spellings_of_the_file_of_a_command() {
        for (given, read) in [
            (vec!["check", "x.yml"], Some("x.yml")),
            (vec!["check", "-config", "x.yml"], Some("x.yml")),
            (vec!["check", "-config=x.yml", "--json"], Some("x.yml")),
            (vec!["check", "--config", "x.yml"], Some("x.yml")),
            (vec!["check", "-c", "x.yml"], Some("x.yml")),
            (vec!["check", "--", "-config"], Some("-config")),
            (vec!["-config", "x.yml", "check"], Some("x.yml")),
            (vec!["--config=x.yml", "check", "--json"], Some("x.yml")),
            (vec!["-cx.yml", "check"], Some("x.yml")),
            (vec!["-id", "master", "check", "x.yml"], Some("x.yml")),
            (vec!["-id=master", "-c", "x.yml", "check"], Some("x.yml")),
            (vec!["-c", "x.yml", "check", "y.yml"], None),
            (vec!["-c", "x.yml", "surplus"], None),
            (vec!["check"], None),
            (vec!["check", "x.yml", "-c", "y.yml"], None),
            (vec!["check", "x.yml", "y.yml"], Some("y.yml")),
            (vec!["check", "-"], Some("-")),
        ] {
            let arguments = ["heraldd"].into_iter().chain(given.clone()).map(OsString::from);
            let command = Arguments::try_parse_from(read_anywhere(arguments)).ok().and_then(|a| a.command);
            let file = command.and_then(|command| match command {
                Command::Check(arguments) => arguments.paths().ok().and_then(|mut paths| paths.pop()),
                other => panic!("{other:?}"),
            });
            assert_eq!(file, read.map(PathBuf::from), "{given:?}");
        }
    }

    #[test]
    fn every_command_that_takes_a_file_takes_it_in_front() {
        let program = Arguments::command();
        for outer in program.get_subcommands() {
            for inner in std::iter::once(outer).chain(outer.get_subcommands()) {
                if !inner.get_arguments().any(|argument| argument.get_long() == Some("config")) {
                    continue;
                }
                let words = [outer.get_name(), inner.get_name()];
                let words = if std::ptr::eq(outer, inner) { &words[..1] } else { &words };
                let given = ["heraldd", "-c", "x.yml"].iter().chain(words).map(OsString::from);
                let read = read_anywhere(given);
                assert_eq!(read[1], *words[0]);
                assert!(read.windows(2).any(|pair| pair == ["-c", "x.yml"]), "{words:?}");
                let refused = Arguments::command().try_get_matches_from(read).err().map(|error| error.kind());
                assert_ne!(refused, Some(ErrorKind::UnknownArgument), "{words:?}");
            }
        }
    }

    #[test]
    fn the_arguments_hold_together_and_every_command_shows_an_example() {
        Arguments::command().debug_assert();
        for command in Arguments::command().get_subcommands() {
            let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(example.contains(&format!("heraldd {}", command.get_name())), "{}", command.get_name());
        }
    }
}
