//! `heraldd reference`: what the reference says of one name, for the terminal.

use std::collections::BTreeSet;

use clap::Args;
use herald_control::command_output::CommandOutput;
use herald_sections::{ReferenceEntry, entries_named, entry_names, reference_entries};
use herald_terminal::name_list::{help_width, name_list};

use crate::components;
use crate::config::SECTIONS;

/// Print the reference of a component, a section or an internal trigger; without NAME, the list
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd reference cron")]
pub(super) struct ReferenceArguments {
    /// The name, such as cron, local, exe_done or log; where several have it, all are printed
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

pub(super) fn run(arguments: &ReferenceArguments) -> CommandOutput {
    let entries = reference_entries(SECTIONS, &components::registry(&[]));
    match &arguments.name {
        None => CommandOutput::good(contents(&entries)),
        Some(name) => match entries_named(&entries, name) {
            Ok(page) => CommandOutput::good(page),
            Err(unknown) => CommandOutput::unknown(&unknown),
        },
    }
}

/// The names that have a page, for completion.
pub(super) fn names() -> Vec<String> {
    entry_names(&reference_entries(SECTIONS, &components::registry(&[])))
}

/// All names, by kind, with their first sentences.
fn contents(entries: &[ReferenceEntry]) -> String {
    let mut page = String::new();
    let mut kinds = BTreeSet::new();
    let in_order = entries.iter().map(|entry| entry.kind).filter(|kind| kinds.insert(*kind));
    for kind in in_order {
        let of_kind = entries.iter().filter(|entry| entry.kind == kind);
        let heading = if kind == "Policy" { kind.to_owned() } else { format!("{kind}s") };
        name_list(&mut page, &heading, of_kind.map(|entry| (entry.name(), entry.summary())), help_width());
    }
    page.push_str("\n`heraldd reference NAME` prints one of them.");
    page.trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_component_section_and_internal_trigger_has_its_reference() {
        let registry = components::registry(&[]);
        let entries = reference_entries(SECTIONS, &registry);
        let contents = contents(&entries);
        for expected in [
            "Triggers:\n  cron  ",
            "\n  exe_done  ",
            "\n  local  ",
            "\n  script  ",
            "\n  log  ",
            "\n  router  ",
            "\n  retry  ",
        ] {
            assert!(contents.contains(expected), "{expected}:\n{contents}");
        }
        for entry in &entries {
            assert!(
                !entry.summary().is_empty() && entry.summary().chars().count() <= 64,
                "{}",
                entry.summary()
            );
            let page = entries_named(&entries, entry.name()).unwrap();
            assert!(page.contains(&format!("{} {}\n", entry.kind, entry.name())), "{page}");
        }
        let cron = entries_named(&entries, "cron").unwrap();
        for expected in ["Trigger cron\n\n  ", "\nOptions:\n", "\n  cron  (", "\nExample:\n"] {
            assert!(cron.contains(expected), "{expected}:\n{cron}");
        }
        let etcd = entries_named(&entries, "etcd").unwrap();
        assert!(etcd.contains("Section etcd\n") && etcd.contains("\nTrigger etcd\n"), "{etcd}");
        assert!(entries_named(&entries, "exe_done").unwrap().contains("trigger_param holds:"), "exe_done");
    }

    #[test]
    fn a_wrong_name_says_what_was_meant() {
        let entries = reference_entries(SECTIONS, &components::registry(&[]));
        for (name, said) in [("corn", "did you mean \"cron\"?"), ("zzzzzzzz", "`heraldd reference` lists")] {
            let unknown = entries_named(&entries, name).unwrap_err().to_string();
            assert!(unknown.contains(said), "{unknown}");
        }
    }
}
