//! `heraldd completions` and `heraldd man`: made from the arguments themselves.

use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;
use herald_control::command_output::{CommandOutput, FAILED};

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

/// Print the manual page of heraldd, or of one of its commands
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd man next > /usr/local/share/man/man1/heraldd-next.1")]
pub(super) struct Man {
    /// The command; without it, the page of heraldd itself
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
        Some(name) => match heraldd.find_subcommand(name) {
            Some(command) => command.clone(),
            None => {
                let known: Vec<&str> = heraldd.get_subcommands().map(Command::get_name).collect();
                let why =
                    format!("heraldd: there is no command \"{name}\"; expected one of: {}", known.join(", "));
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
