//! `heraldd completions` and `heraldd man`: made from the arguments themselves, and from the descriptions.

use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;
use herald_control::command_output::{CommandOutput, FAILED};
use herald_sections::{MANUAL, manual};

use crate::components;
use crate::config::SECTIONS;

/// Shells for which there are completions.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
}

/// Generate a shell completion script
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd completions bash > /etc/bash_completion.d/heraldd")]
pub(super) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Known,
}

/// Print the manual page of heraldd, of one of its commands, or of its configuration
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd man heraldd.yml > /usr/local/share/man/man5/heraldd.yml.5")]
pub(super) struct Man {
    /// The command, or heraldd.yml for heraldd.yml(5); without it, the page of heraldd itself
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

pub(super) fn completions(arguments: &Completions, mut heraldd: Command) -> CommandOutput {
    let shell = match arguments.shell {
        Known::Bash => Shell::Bash,
        Known::Zsh => Shell::Zsh,
        Known::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut heraldd, "heraldd", &mut script);
    CommandOutput::good(String::from_utf8_lossy(&script))
}

pub(super) fn man(arguments: &Man, mut heraldd: Command) -> CommandOutput {
    // Gives the commands their whole names: heraldd-next.
    heraldd.build();
    let page_of = match &arguments.command {
        None => heraldd,
        Some(name) if name == MANUAL => {
            let version = heraldd.get_version().unwrap_or_default();
            return CommandOutput::good(manual(SECTIONS, &components::registry(&[]), version));
        }
        Some(name) => match heraldd.find_subcommand(name) {
            Some(command) => command.clone(),
            None => {
                let known: Vec<&str> = heraldd.get_subcommands().map(Command::get_name).collect();
                let why = format!(
                    "heraldd: there is no command \"{name}\"; expected {MANUAL} or one of: {}",
                    known.join(", ")
                );
                return CommandOutput::refused(&why);
            }
        },
    };
    let mut page = Vec::new();
    match clap_mangen::Man::new(page_of).render(&mut page) {
        Ok(()) => CommandOutput::good(String::from_utf8_lossy(&page)),
        Err(error) => {
            let remarks = format!("heraldd: the page cannot be generated: {error}");
            CommandOutput { out: String::new(), remarks, code: FAILED }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_the_configuration_have_manual_pages() {
        for (page, expected) in [
            (None, ".TH heraldd 1"),
            (Some("next"), ".TH heraldd-next 1"),
            (Some("heraldd.yml"), ".TH heraldd.yml 5 \" \" \"heraldd 1.2.3\""),
            (Some("nxet"), "there is no command \"nxet\"; expected heraldd.yml or one of: next, "),
        ] {
            let heraldd = Command::new("heraldd").version("1.2.3").subcommand(Command::new("next"));
            let output = man(&Man { command: page.map(str::to_owned) }, heraldd);
            let text = format!("{}{}", output.out, output.remarks);
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }
}
