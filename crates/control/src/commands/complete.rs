//! What a shell offers for the word that is being typed, where that depends on the running daemon: names of routers,
//! triggers and nodes, and ids of jobs; and where the program knows the words itself. Completion scripts ask for it
//! with `heraldd __complete -- WORDS…`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, Command};
use http::Method;
use serde_json::Value;

use super::listing::IdLength;
use crate::client::DaemonSocket;
use crate::command_output::CommandOutput;
use crate::model::STATUSES;

/// The argument that asks for names. It is not a command: help and scripts do not list it.
pub const ASKED_BY: &str = "__complete";
/// The long options whose values are names.
pub const OPTIONS: [&str; 4] = ["router", "trigger", "node", "status"];
/// How long the daemon may take: somebody waits at a keyboard.
const DEADLINE: Duration = Duration::from_millis(400);
/// How many jobs are offered, the newest ones.
const JOBS: usize = 50;
/// The commands whose ID is that of a job.
const ABOUT_JOBS: [&str; 6] = ["job", "logs", "cancel", "retry", "explain", "replay"];

/// What has a name that the daemon or the program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameKind {
    Routers,
    Triggers,
    Nodes,
    Jobs,
    /// Statuses of jobs, several with commas.
    Statuses,
    /// What the reference has a page for.
    Pages,
}

/// What is being typed.
#[derive(Debug, Default, PartialEq, Eq)]
struct TypedWord {
    kind: Option<NameKind>,
    /// What comes before the name in the same word: `--router=`.
    before: String,
    /// The beginning of the name.
    begin: String,
    config: Option<PathBuf>,
    socket: Option<PathBuf>,
}

/// The words of a command line behind the program's name, the last of which is being typed, if these arguments ask for
/// names.
#[must_use]
pub fn asked(arguments: &[OsString]) -> Option<Vec<String>> {
    let (first, rest) = arguments.get(1..)?.split_first()?;
    let words = rest.strip_prefix(&[OsString::from("--")]).unwrap_or(rest);
    (first == ASKED_BY).then(|| words.iter().map(|word| word.to_string_lossy().into_owned()).collect())
}

/// The names that fit, one a line; nothing where it is not a name, or where no daemon runs. `pages`: the names that the
/// reference has.
#[must_use]
pub fn run(words: &[String], heraldd: &Command, pages: impl Fn() -> Vec<String>) -> CommandOutput {
    let typed = typed_word(words, heraldd);
    let Some(kind) = typed.kind else { return CommandOutput::good("") };
    let daemon = DaemonSocket::at(typed.socket, typed.config);
    let names = match kind {
        NameKind::Pages => pages(),
        kind => names_of(kind, &daemon),
    };
    let mut fitting: Vec<String> =
        names.into_iter().filter(|name| name.starts_with(&typed.begin) && is_plain(name)).collect();
    // Jobs stay in their order, the newest first.
    if kind != NameKind::Jobs {
        fitting.sort();
    }
    let lines: Vec<String> = fitting.iter().map(|name| format!("{}{name}", typed.before)).collect();
    CommandOutput::good(lines.join("\n"))
}

/// Whether a shell takes it as one word, without quotes.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || "-_.,:@/+%=".contains(c))
}

fn names_of(kind: NameKind, daemon: &DaemonSocket) -> Vec<String> {
    let (path, list, key) = match kind {
        NameKind::Routers => ("/v1/routers".to_owned(), "", "name"),
        NameKind::Triggers => ("/v1/triggers".to_owned(), "", "name"),
        NameKind::Nodes => ("/v1/nodes".to_owned(), "", "name"),
        NameKind::Jobs => (format!("/v1/jobs?limit={JOBS}"), "/items", "id"),
        NameKind::Statuses => return STATUSES.map(str::to_owned).to_vec(),
        NameKind::Pages => return Vec::new(),
    };
    let Ok(said) = daemon.ask_within(DEADLINE, Method::GET, &path, None) else { return Vec::new() };
    let items = said.pointer(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let found: Vec<&str> = items.iter().filter_map(|item| item.get(key)?.as_str()).collect();
    if kind != NameKind::Jobs {
        return found.into_iter().map(str::to_owned).collect();
    }
    let short = found.iter().map(|id| IdLength::default().of(id));
    let mut ids: Vec<String> = found.first().map(|_| "last".to_owned()).into_iter().chain(short).collect();
    // Whole ids for those who began with one; before that, they would be the same ones again.
    ids.extend(found.into_iter().map(str::to_owned));
    ids
}

/// What the last of these words is.
fn typed_word(words: &[String], heraldd: &Command) -> TypedWord {
    let words = rejoined(words);
    let Some((last, before)) = words.split_last() else { return TypedWord::default() };
    let mut typed = TypedWord { begin: last.clone(), ..TypedWord::default() };
    let (mut command, mut place, mut awaits, mut only_values) = (heraldd, 0, None::<&Arg>, false);
    for word in before {
        if let Some(option) = awaits.take() {
            typed.note(option, word);
        } else if only_values || !word.starts_with('-') || word == "-" {
            match command.find_subcommand(word).filter(|_| !only_values && place == 0) {
                Some(found) => command = found,
                None => place += 1,
            }
        } else if word == "--" {
            only_values = true;
        } else if let Some((option, value)) = option_of(word, command) {
            match value {
                Some(value) => typed.note(option, value),
                None => awaits = Some(option),
            }
        }
    }
    let is_option = !only_values && last.starts_with('-');
    let found = match awaits {
        Some(option) => Some(option),
        None if is_option => option_of(last, command).and_then(|(option, value)| {
            let value = value?;
            typed.before = last[..last.len() - value.len()].to_owned();
            typed.begin = value.to_owned();
            Some(option)
        }),
        None => command.get_positionals().nth(place),
    };
    typed.kind = found.and_then(|argument| kind_of(argument, command));
    if typed.kind == Some(NameKind::Statuses)
        && let Some((before, begin)) = typed.begin.rsplit_once(',')
    {
        typed.before.push_str(&format!("{before},"));
        typed.begin = begin.to_owned();
    }
    typed
}

/// bash takes `--router=x` for three words.
fn rejoined(words: &[String]) -> Vec<String> {
    let mut whole: Vec<String> = Vec::new();
    for (place, word) in words.iter().enumerate() {
        let after_option = |back: usize| {
            let option = place.checked_sub(back).and_then(|place| words.get(place));
            option.is_some_and(|word| word.starts_with("--") && !word.contains('='))
        };
        let is_sign = word == "=" && after_option(1);
        // The value takes the place of the sign: bash completes it alone.
        let is_value = place > 1 && words[place - 1] == "=" && after_option(2);
        if is_value && let Some(sign) = whole.last_mut() {
            word.clone_into(sign);
        } else {
            whole.push(if is_sign { String::new() } else { word.clone() });
        }
    }
    whole
}

/// The option with a value that this word is, and the value if the word has it: `--router`, `--router=x`, `-cx.yml`.
fn option_of<'a>(word: &'a str, command: &'a Command) -> Option<(&'a Arg, Option<&'a str>)> {
    let options: Vec<&Arg> = command.get_opts().filter(|option| option.get_action().takes_values()).collect();
    let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
    // As with `heraldd -config x.yml`, one dash will do for a long name.
    let long = name.trim_start_matches('-');
    if let Some(option) = options.iter().find(|option| option.get_long() == Some(long)) {
        return Some((option, value));
    }
    let rest = word.strip_prefix('-').filter(|rest| !rest.starts_with('-'))?;
    let short = rest.chars().next()?;
    let option = options.iter().find(|option| option.get_short() == Some(short))?;
    let value = &rest[short.len_utf8()..];
    Some((option, Some(value).filter(|value| !value.is_empty())))
}

fn kind_of(argument: &Arg, command: &Command) -> Option<NameKind> {
    match (argument.get_id().as_str(), command.get_name()) {
        // A queue's topics, applications and users have names of their own.
        ("router", _) => Some(NameKind::Routers),
        ("trigger", _) | ("name", "trigger") => Some(NameKind::Triggers),
        ("node", _) | ("name", "nodes") => Some(NameKind::Nodes),
        ("status", "jobs") => Some(NameKind::Statuses),
        ("name", "reference") => Some(NameKind::Pages),
        ("id", name) if ABOUT_JOBS.contains(&name) => Some(NameKind::Jobs),
        _ => None,
    }
}

impl TypedWord {
    /// Which daemon is asked.
    fn note(&mut self, option: &Arg, value: &str) {
        match option.get_id().as_str() {
            "config" => self.config = Some(value.into()),
            "socket" => self.socket = Some(value.into()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Args;

    use super::super::{jobs, logs, pause};
    use super::*;

    fn heraldd() -> Command {
        let command = |name: &'static str| Command::new(name);
        Command::new("heraldd").arg(Arg::new("config").short('c').long("config")).subcommands([
            jobs::ListArguments::augment_args(command("jobs").visible_alias("ps")),
            jobs::ShowArguments::augment_args(command("job")),
            logs::LogsArguments::augment_args(command("logs")),
            pause::PauseArguments::augment_args(command("pause")),
            super::super::events::Activate::augment_args(command("trigger")),
            super::super::queue::QueueArguments::augment_args(command("queue")),
            super::super::about::NodesArguments::augment_args(command("nodes")),
        ])
    }

    #[test]
    fn what_is_being_typed() {
        use NameKind::{Jobs, Nodes, Routers, Statuses, Triggers};
        for (line, kind, before, begin) in [
            ("pause ", Some(Routers), "", ""),
            ("pause de", Some(Routers), "", "de"),
            ("pause deploy ", None, "", ""),
            ("pause --for 2h de", Some(Routers), "", "de"),
            ("pause --json de", Some(Routers), "", "de"),
            ("pause --for ", None, "", ""),
            ("pause -- de", Some(Routers), "", "de"),
            ("trigger ", Some(Triggers), "", ""),
            ("trigger -d {} ni", Some(Triggers), "", "ni"),
            ("trigger -d ", None, "", ""),
            ("jobs --router d", Some(Routers), "", "d"),
            ("ps --trigger ", Some(Triggers), "", ""),
            ("jobs --router=d", Some(Routers), "--router=", "d"),
            ("jobs --router = d", Some(Routers), "", "d"),
            ("jobs --router =", Some(Routers), "", ""),
            ("jobs --router = deploy --trigger ", Some(Triggers), "", ""),
            ("jobs --status f", Some(Statuses), "", "f"),
            ("jobs --status failed,lo", Some(Statuses), "failed,", "lo"),
            ("ps --status=failed,", Some(Statuses), "--status=failed,", ""),
            ("jobs --rou", None, "", "--rou"),
            ("nodes w", Some(Nodes), "", "w"),
            ("job ", Some(Jobs), "", ""),
            ("logs -f 12", Some(Jobs), "", "12"),
            ("logs -n 5 ", Some(Jobs), "", ""),
            ("queue forget w", Some(Nodes), "", "w"),
            ("queue show ", None, "", ""),
            ("", None, "", ""),
            ("pa", None, "", "pa"),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let typed = typed_word(&words, &heraldd());
            assert_eq!((typed.kind, &*typed.before, &*typed.begin), (kind, before, begin), "{line:?}");
        }
    }

    #[test]
    fn which_daemon_is_asked() {
        for (line, config, socket) in [
            ("pause ", None, None),
            ("-c x.yml pause ", Some("x.yml"), None),
            ("-config x.yml pause ", Some("x.yml"), None),
            ("pause -cx.yml ", Some("x.yml"), None),
            ("pause --config=x.yml ", Some("x.yml"), None),
            ("pause --config = x.yml ", Some("x.yml"), None),
            ("pause --socket s ", None, Some("s")),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let typed = typed_word(&words, &heraldd());
            assert_eq!(typed.kind, Some(NameKind::Routers), "{line:?}");
            assert_eq!(typed.config, config.map(PathBuf::from), "{line:?}");
            assert_eq!(typed.socket, socket.map(PathBuf::from), "{line:?}");
        }
    }

    #[test]
    fn who_asks() {
        let all = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert_eq!(asked(&all(&["heraldd"])), None);
        assert_eq!(asked(&all(&["heraldd", "jobs"])), None);
        assert_eq!(asked(&all(&["heraldd", ASKED_BY])), Some(Vec::new()));
        assert_eq!(asked(&all(&["heraldd", ASKED_BY, "--", "job", ""])), Some(vec!["job".into(), "".into()]));
        assert!(!is_plain("a$(b)") && !is_plain("a b") && is_plain("deploy-1.x"));
    }
}
