//! `heraldd completions` and `heraldd man`: made from the arguments themselves, and from the descriptions.

use clap::{Args, Command};
use herald_cli_pages::{KnownShell, ManualPart, NameQuestion, completion_script_asking, manual_page};
use herald_control::command_output::{CommandOutput, FAILED};
use herald_control::commands::complete;
use herald_sections::{FILES, MANUAL, manual};

use crate::components;
use crate::config::SECTIONS;

/// What the page of heraldd and of each command says besides the arguments.
const PARTS: [ManualPart<'static>; 3] = [
    ManualPart {
        heading: "EXIT STATUS",
        entries: &[
            ("0", "Success; of the daemon: a clean stop."),
            ("1", "A failure while running, or the daemon refused what was asked for."),
            ("2", "Bad arguments, or an invalid configuration."),
            ("3", "No daemon listens on the socket."),
            ("4", "There is no such job, event, trigger or router, or the id is ambiguous."),
        ],
    },
    ManualPart {
        heading: "ENVIRONMENT",
        entries: &[
            ("HERALD_CONFIG", "The configuration file, where none is named."),
            ("STATE_DIRECTORY", "The default state_dir; systemd sets it."),
            ("NO_COLOR", "If it is set and not empty, nothing is coloured."),
            ("TZ", "The time zone of times that are shown. Default: that of the machine."),
        ],
    },
    ManualPart { heading: "FILES", entries: &FILES },
];

/// Generate a shell completion script
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    heraldd completions bash > /etc/bash_completion.d/heraldd\n  \
    heraldd completions zsh > /usr/local/share/zsh/site-functions/_heraldd\n  \
    heraldd completions fish > /etc/fish/completions/heraldd.fish")]
pub(super) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: KnownShell,
}

/// Print the manual page of heraldd, of one of its commands, or of its configuration
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd man heraldd.yml > /usr/local/share/man/man5/heraldd.yml.5")]
pub(super) struct Man {
    /// The command, or heraldd.yml for heraldd.yml(5); without it, the page of heraldd itself
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

pub(super) fn completions(arguments: &Completions, heraldd: Command) -> CommandOutput {
    let question = NameQuestion { argument: complete::ASKED_BY, options: &complete::OPTIONS };
    CommandOutput::good(completion_script_asking(arguments.shell, heraldd, question))
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
    match manual_page(page_of, &PARTS) {
        Ok(page) => CommandOutput::good(page),
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
            let is_page = !text.contains("there is no command");
            assert_eq!(text.contains("\n.SH FILES\n"), is_page, "{text}");
        }
    }
}
