//! Options before the command that they are for: `heraldd -c FILE state check`.

use std::ffi::OsString;

use clap::Command;

/// Options that may be before the command: their long and short names.
const BEFORE: [(&str, &str); 3] = [("config", "c"), ("id", ""), ("host", "")];

/// The arguments (the first is the program's name) with each option behind the first of the words that name a command
/// and take it; behind the last of them where none does, so that the parser says so.
#[must_use]
pub fn moved(arguments: Vec<OsString>, program: &Command) -> Vec<OsString> {
    let text = |place: usize| arguments.get(place).and_then(|argument| argument.to_str());
    let (mut options, mut at) = (Vec::new(), 1);
    while let Some((name, length)) = text(at).and_then(option) {
        options.push((name, at..at + length));
        at += length;
    }
    // A name of no command, too: then that is what is wrong.
    if options.is_empty() || text(at).is_none_or(|word| word.starts_with('-')) {
        return arguments;
    }
    let (mut words, mut command) = (Vec::new(), program);
    while let Some(word) = text(at + words.len()) {
        let Some(inner) = command.find_subcommand(word) else { break };
        words.push(inner);
        command = inner;
    }
    let takes = |command: &Command, name: &str| {
        command.get_arguments().any(|argument| argument.get_long() == Some(name))
    };
    let place =
        |name: &str| words.iter().position(|command| takes(command, name)).unwrap_or(words.len().max(1) - 1);
    let rest = at + words.len().max(1);
    let mut out: Vec<OsString> = arguments.iter().take(1).cloned().collect();
    for word in at..rest {
        out.extend(arguments.get(word).cloned());
        let here = options.iter().filter(|(name, _)| place(name) == word - at);
        out.extend(here.flat_map(|(_, range)| arguments.get(range.clone()).unwrap_or_default()).cloned());
    }
    out.extend(arguments.into_iter().skip(rest));
    out
}

/// The name of an option, and how many arguments it takes with its value.
fn option(text: &str) -> Option<(&'static str, usize)> {
    BEFORE.into_iter().find_map(|(long, short)| {
        let length = match (text.strip_prefix("--"), text.strip_prefix('-')) {
            (Some(given), _) if given == long => 2,
            (Some(given), _) if given.strip_prefix(long)?.starts_with('=') => 1,
            (None, Some(given)) if !short.is_empty() && given == short => 2,
            (None, Some(given)) if !short.is_empty() && given.starts_with(short) => 1,
            _ => return None,
        };
        Some((long, length))
    })
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    #[test]
    fn options_are_moved_to_the_command_that_takes_them() {
        let config = || Arg::new("config").long("config").short('c');
        let inner = |name: &'static str| Command::new(name).arg(config());
        let program = Command::new("heraldd")
            .subcommand(Command::new("check").arg(config()).arg(Arg::new("id").long("id")))
            .subcommand(inner("jobs"))
            .subcommand(inner("queue").subcommand(Command::new("show")))
            .subcommand(Command::new("state").subcommand(inner("check")).subcommand(inner("backup")));
        for (given, read) in [
            ("-c F", "-c F"),
            ("-c F check G", "check -c F G"),
            ("-cF check", "check -cF"),
            ("--config=F --id x check --json", "check --config=F --id x --json"),
            ("--id=x check F", "check --id=x F"),
            ("--id x jobs", "jobs --id x"),
            ("-c F state check --json", "state check -c F --json"),
            ("-c F state backup DIR", "state backup -c F DIR"),
            ("-c F state", "state -c F"),
            ("-c F queue show 1", "queue -c F show 1"),
            ("-c F surplus", "surplus -c F"),
            ("--host a:1 --id x", "--host a:1 --id x"),
            ("state -c F check", "state -c F check"),
            ("-c F --json check", "-c F --json check"),
            ("--idx 1 check", "--idx 1 check"),
            ("-c", "-c"),
        ] {
            let words = |text: &str| -> Vec<OsString> {
                ["heraldd"].into_iter().chain(text.split(' ')).map(OsString::from).collect()
            };
            assert_eq!(moved(words(given), &program), words(read), "{given}");
        }
    }
}
