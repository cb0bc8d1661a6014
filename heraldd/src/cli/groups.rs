//! The commands in groups, as `heraldd --help` shows them.

use clap::Command;
use herald_terminal::name_list::{help_width, name_list};

/// Each command once, those of everyday use first.
const GROUPS: [(&str, &[&str]); 9] = [
    ("Jobs", &["jobs", "job", "logs", "results", "stats", "trigger", "cancel", "retry", "pause", "resume"]),
    ("Events", &["events", "explain", "try", "replay"]),
    ("Applications", &["apps", "app", "deploy", "rollback", "deployments", "log", "hold", "unhold"]),
    ("Queues and files", &["queue", "published", "publish"]),
    ("Nodes", &["nodes", "drain", "undrain"]),
    ("Inspect", &["status", "info", "triggers", "routers", "executors", "next", "graph"]),
    ("Configuration", &["init", "check", "reload", "reference", "schema", "import", "state"]),
    ("Access", &["page", "user", "sessions", "audit"]),
    ("Shell", &["completions", "man", "version", "help"]),
];

/// The same command line, whose help shows the commands in groups.
pub(super) fn grouped(heraldd: Command) -> Command {
    let mut template = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for (heading, names) in GROUPS {
        let rows = names.iter().map(|name| (*name, about(&heraldd, name)));
        name_list(&mut template, heading, rows, help_width());
    }
    template.push_str(
        "\nOptions:\n{options}\n\n`heraldd COMMAND --help` shows the options of a command and an example.",
    );
    heraldd.help_template(template).term_width(help_width())
}

fn about(heraldd: &Command, name: &str) -> String {
    let Some(command) = heraldd.find_subcommand(name) else {
        return "Print this help, or that of a command".to_owned();
    };
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let also: Vec<&str> = command.get_visible_aliases().collect();
    if also.is_empty() { about } else { format!("{about} [also: {}]", also.join(", ")) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::Arguments;
    use super::*;

    #[test]
    fn every_command_is_in_one_group_and_the_help_shows_it_once() {
        let heraldd = Arguments::command();
        let mut grouped_names: Vec<&str> =
            GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        grouped_names.sort_unstable();
        let mut names: Vec<&str> = heraldd.get_subcommands().map(Command::get_name).chain(["help"]).collect();
        names.sort_unstable();
        assert_eq!(grouped_names, names, "put each command into one group of GROUPS");

        let help = grouped(heraldd.clone()).render_help().to_string();
        for name in names {
            let lines = help
                .lines()
                .filter(|line| line.split_whitespace().next() == Some(name) && line.starts_with("  "));
            assert_eq!(lines.count(), 1, "{name}:\n{help}");
        }
        for (heading, _) in GROUPS {
            assert!(help.contains(&format!("\n{heading}:\n")), "{help}");
        }
        assert!(help.contains("Usage: heraldd [OPTIONS]") && help.contains("--id <NAME>"), "{help}");
    }
}
