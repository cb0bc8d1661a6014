//! Manual pages and shell completions of both programs, out of their arguments.

use clap::{Arg, Command, ValueEnum, ValueHint};
use clap_complete::Shell;
use clap_mangen::roff::{Roff, bold, roman};

/// Shells for which there are completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KnownShell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// The completion script of a program for this shell.
#[must_use]
pub fn completion_script(shell: KnownShell, program: Command) -> String {
    static_script(shell, program)
}

/// How a script asks a program for names that only it knows at that moment.
#[derive(Debug, Clone, Copy)]
pub struct NameQuestion<'a> {
    /// The program's first argument; `--` and the words so far follow. It prints the names that fit, one a line, or
    /// nothing.
    pub argument: &'a str,
    /// The long options whose values are such names. Which arguments are, the program itself knows.
    pub options: &'a [&'a str],
}

/// The same, and names come first where the program knows some. It is called by its plain name: what somebody began to
/// type, such as `./program` in a folder of others, is not run.
#[must_use]
pub fn completion_script_asking(shell: KnownShell, program: Command, question: NameQuestion<'_>) -> String {
    let name = program.get_name().to_owned();
    let asks_of_fish = fish_names(&program, question);
    let mut script = static_script(shell, program);
    let function = match shell {
        KnownShell::Bash => name.replace('-', "__"),
        KnownShell::Zsh => name.clone(),
        KnownShell::Fish => {
            script.push_str(&asks_of_fish);
            return script;
        }
    };
    let beginning = format!("_{function}() {{\n");
    let asks = if shell == KnownShell::Bash { BASH_NAMES } else { ZSH_NAMES };
    let asks = asks.replace("PROGRAM", &name).replace("ARGUMENT", question.argument);
    script.replacen(&beginning, &format!("{beginning}{asks}"), 1)
}

/// Lists are read line by line: bash would expand what is in a name. Before version 4 it has no `mapfile`.
const BASH_NAMES: &str = r#"    local name
    COMPREPLY=()
    while IFS= read -r name; do
        COMPREPLY+=("${name}")
    done < <(command PROGRAM ARGUMENT -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null </dev/null)
    if [[ ${#COMPREPLY[@]} -gt 0 ]]; then
        return 0
    fi
"#;

const ZSH_NAMES: &str = r#"    local -a names
    names=("${(@f)$(command PROGRAM ARGUMENT -- "${(@)words[2,CURRENT]}" 2>/dev/null </dev/null)}")
    names=(${names:#})
    if (( $#names )); then
        compadd -a names
        return
    fi
"#;

/// Only behind the commands that have such an option, or such an argument; files only where one is expected.
fn fish_names(program: &Command, question: NameQuestion<'_>) -> String {
    let name = program.get_name();
    let asks = format!(
        "(command {name} {} -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null </dev/null)",
        question.argument
    );
    let using = |command: &Command| {
        format!("__fish_{}_using_subcommand {}", name.replace('-', "_"), command.get_name())
    };
    let commands: Vec<&Command> = program.get_subcommands().collect();
    let mut lines = String::new();
    for command in commands.iter().filter(|command| has_argument(command)) {
        let files = if takes_files(command) { "" } else { " -f" };
        lines.push_str(&format!("complete -c {name} -n \"{}\"{files} -a \"{asks}\"\n", using(command)));
    }
    for option in question.options {
        for command in commands.iter().filter(|command| has_option(command, option)) {
            lines.push_str(&format!(
                "complete -c {name} -n \"{}\" -l {option} -x -a \"{asks}\"\n",
                using(command)
            ));
        }
    }
    lines
}

/// Whether the command, or one below it, has an argument without a dash.
fn has_argument(command: &Command) -> bool {
    command.get_positionals().next().is_some() || command.get_subcommands().any(has_argument)
}

fn takes_files(command: &Command) -> bool {
    let is_file = |hint| matches!(hint, ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath);
    command.get_positionals().any(|argument| is_file(argument.get_value_hint()))
        || command.get_subcommands().any(takes_files)
}

fn has_option(command: &Command, option: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == Some(option))
        || command.get_subcommands().any(|command| has_option(command, option))
}

/// The names of values with a colon, which separates the parts of a specification of zsh and must be escaped there.
fn names_with_colons(program: &Command) -> Vec<String> {
    let own = program.get_arguments().filter_map(Arg::get_value_names).flatten().map(ToString::to_string);
    let below = program.get_subcommands().flat_map(names_with_colons);
    own.filter(|name| name.contains(':')).chain(below).collect()
}

fn static_script(shell: KnownShell, mut program: Command) -> String {
    let shell = match shell {
        KnownShell::Bash => Shell::Bash,
        KnownShell::Zsh => Shell::Zsh,
        KnownShell::Fish => Shell::Fish,
    };
    let name = program.get_name().to_owned();
    let with_colons = if shell == Shell::Zsh { names_with_colons(&program) } else { Vec::new() };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, name, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let script = with_colons.iter().fold(script, |script, name| {
        script.replace(&format!(":{name}:"), &format!(":{}:", name.replace(':', "\\:")))
    });
    script.lines().map(|line| with_one_dash(shell, line)).collect()
}

/// A line of a script, which offers the files of an option also where it is written with one dash: `-config FILE`.
fn with_one_dash(shell: Shell, line: &str) -> String {
    let file_option = |at: &str| {
        let name = line.split_once(at)?.1.split(['=', ' ']).next()?;
        (!name.is_empty()).then_some(name)
    };
    match shell {
        Shell::Bash if line.starts_with("                --") && line.ends_with(')') => {
            let names = line.trim().trim_end_matches(')');
            format!("                {names}|{})\n", &names[1..])
        }
        Shell::Zsh if line.contains("=[") && line.contains(":_files' ") => match file_option("--") {
            Some(name) => {
                format!("{line}\n{}\n", line.replacen(&format!("--{name}="), &format!("-{name}"), 1))
            }
            None => format!("{line}\n"),
        },
        Shell::Fish if line.ends_with(" -r -F") => match file_option(" -l ") {
            Some(name) => format!("{line} -o {name}\n"),
            None => format!("{line}\n"),
        },
        _ => format!("{line}\n"),
    }
}

/// A section that a manual page has besides what follows from the arguments.
#[derive(Debug, Clone, Copy)]
pub struct ManualPart<'a> {
    /// The heading, in capitals: `EXIT STATUS`.
    pub heading: &'a str,
    /// What it lists: a word, such as a path or a variable, and what it is.
    pub entries: &'a [(&'a str, &'a str)],
}

/// The manual page of a program or one of its commands, as roff, with these sections at its end.
///
/// # Errors
/// When the page cannot be generated.
pub fn manual_page(command: Command, parts: &[ManualPart<'_>]) -> std::io::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    let mut text = String::from_utf8_lossy(&page).into_owned();
    let mut rest = Roff::new();
    for part in parts {
        rest.control("SH", [part.heading]);
        for (word, what) in part.entries {
            rest.control("TP", []).text([bold(*word)]).text([roman(*what)]);
        }
    }
    text.push_str(&rest.to_roff());
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_with_the_sections_that_it_is_given() {
        let program = Command::new("program").version("1.2.3").about("Does a thing.");
        let entries = [("0", "It did."), (".rc", "Read first.")];
        let page = manual_page(program, &[ManualPart { heading: "EXIT STATUS", entries: &entries }]).unwrap();
        assert!(page.contains(".TH program 1"), "{page}");
        let (_, end) = page.split_once(".SH \"EXIT STATUS\"\n").unwrap();
        assert!(end.contains("\\fB0\\fR\nIt did.\n"), "{end}");
        // A point at the beginning of a line would be a command of roff.
        assert!(!end.contains("\n.rc"), "{end}");
    }

    #[test]
    fn each_shell_has_a_script() {
        for shell in KnownShell::value_variants() {
            let program = Command::new("program").subcommand(Command::new("greet"));
            let script = completion_script(*shell, program);
            assert!(script.contains("program") && script.contains("greet"), "{shell:?}");
            let question = NameQuestion { argument: "__names", options: &["who"] };
            let program = Command::new("program").subcommand(Command::new("greet").arg(Arg::new("NAME")));
            let asking = completion_script_asking(*shell, program, question);
            assert!(asking.contains("command program __names -- ") && asking.contains("greet"), "{asking}");
            assert!(!asking.contains("PROGRAM") && !asking.contains("ARGUMENT"), "{asking}");
        }
    }

    #[test]
    fn files_are_offered_behind_one_dash_too() {
        let config = || Arg::new("config").short('c').long("config").value_hint(ValueHint::FilePath);
        let program = Command::new("program").arg(config()).subcommand(Command::new("greet").arg(config()));
        for (shell, expected) in [
            (KnownShell::Bash, "--config|-config)\n"),
            (KnownShell::Zsh, "'-config[]: :_files' \\\n"),
            (KnownShell::Fish, " -l config -r -F -o config\n"),
        ] {
            let script = completion_script(shell, program.clone());
            assert_eq!(script.matches(expected).count(), 2, "{script}");
        }
    }

    #[test]
    fn a_colon_in_the_name_of_a_value_is_escaped_for_zsh() {
        let host = || Arg::new("host").long("host").value_name("HOST:PORT");
        let program = Command::new("program").arg(host()).subcommand(Command::new("greet").arg(host()));
        let script = completion_script(KnownShell::Zsh, program);
        assert_eq!(script.matches(r"HOST\:PORT").count(), script.matches("HOST").count(), "{script}");
        assert!(script.matches(r"HOST\:PORT").count() >= 2, "{script}");
    }

    #[test]
    fn fish_asks_only_where_there_is_such_an_argument() {
        let who = || Arg::new("who").long("who");
        let greet = Command::new("greet").arg(who()).arg(Arg::new("NAME"));
        let check = Command::new("check").arg(Arg::new("FILE").value_hint(ValueHint::FilePath));
        let program = Command::new("program").subcommands([greet, check, Command::new("status")]);
        let question = NameQuestion { argument: "__names", options: &["who"] };
        let script = completion_script_asking(KnownShell::Fish, program, question);
        let asking = script.lines().filter(|line| line.contains("__names"));
        let asking: Vec<&str> = asking.filter_map(|line| line.split(" -a ").next()).collect();
        let using = |rest: &str| format!("complete -c program -n \"__fish_program_using_subcommand {rest}");
        assert_eq!(asking, [using("greet\" -f"), using("check\""), using("greet\" -l who -x")]);
    }
}
