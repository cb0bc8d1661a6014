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
pub fn completion_script(shell: KnownShell, mut program: Command) -> String {
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
        }
    }
}
