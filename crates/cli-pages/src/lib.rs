//! Manual pages and shell completions of both programs, out of their arguments.

use clap::{Command, ValueEnum};
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
    let mut script = static_script(shell, program);
    let function = match shell {
        KnownShell::Bash => name.replace('-', "__"),
        KnownShell::Zsh => name.clone(),
        KnownShell::Fish => {
            script.push_str(&fish_names(&name, question));
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

fn fish_names(name: &str, question: NameQuestion<'_>) -> String {
    let asks = format!(
        "(command {name} {} -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null </dev/null)",
        question.argument
    );
    let needs_command = format!("__fish_{}_needs_command", name.replace('-', "_"));
    let mut lines = format!("complete -c {name} -n \"not {needs_command}\" -a \"{asks}\"\n");
    for option in question.options {
        lines.push_str(&format!("complete -c {name} -l {option} -x -a \"{asks}\"\n"));
    }
    lines
}

fn static_script(shell: KnownShell, mut program: Command) -> String {
    let shell = match shell {
        KnownShell::Bash => Shell::Bash,
        KnownShell::Zsh => Shell::Zsh,
        KnownShell::Fish => Shell::Fish,
    };
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
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
            let program = Command::new("program").subcommand(Command::new("greet"));
            let asking = completion_script_asking(*shell, program, question);
            assert!(asking.contains("command program __names -- ") && asking.contains("greet"), "{asking}");
            assert!(!asking.contains("PROGRAM") && !asking.contains("ARGUMENT"), "{asking}");
        }
    }
}
