//! The manual page heraldd.yml(5): the form of the configuration, and every section and component.

use herald_config::spec::markdown::values;
use herald_core::registry::Registry;
use herald_core::spec::{OptionKind, OptionSpec};
use roff::{Roff, bold, roman};
use serde_json::Value;

use crate::manual_text::{blocks, code, inlines, item};
use crate::reference::{ABOUT, FORM};
use crate::reference_entry::{ReferenceEntry, reference_entries};
use crate::reference_page::kinds;
use crate::section::Section;

/// The name of the page, whose section of the manual is 5.
pub const MANUAL: &str = "heraldd.yml";

/// Where the configuration is when no command names it, first to last; and what belongs to it.
pub const FILES: [(&str, &str); 6] = [
    ("$HERALD_CONFIG", "The configuration, where this variable is set."),
    ("./heraldd.yml", "The configuration, in the current folder."),
    ("$XDG_CONFIG_HOME/heraldd/config.yml", "The configuration of a user."),
    ("/etc/heraldd/config.yml", "The configuration of the system."),
    ("/var/lib/heraldd", "The `state_dir` of root, with the journal of events and jobs."),
    ("/var/lib/heraldd/heraldd.sock", "The socket of the running daemon."),
];

const EXAMPLE: &str = "\
trigger:
  wednesday_morning: {type: cron, cron: '30 6 * * 3'}

executor:
  local_command: {type: local, work_dir: /var/lib/heraldd/work}

router:
  uptime_wednesday_morning:
    trigger: wednesday_morning
    selector: all
    task:
      run_local: local_command
    job_param:
      cmd: uptime
";

/// The page as roff, for these sections and types and this version of the daemon.
#[must_use]
pub fn manual(sections: &[&Section], registry: &Registry, version: &str) -> String {
    let mut page = Roff::new();
    page.control("TH", [MANUAL, "5", " ", &format!("heraldd {version}"), "Herald"]);
    // A page in many terminals is read left-aligned, and without words cut at the end of a line.
    page.control("nh", []).control("ad", ["l"]);
    page.control("SH", ["NAME"]).text([roman(format!("{MANUAL} - the configuration of heraldd"))]);
    page.control("SH", ["DESCRIPTION"]);
    blocks(&mut page, ABOUT);
    for section in sections.iter().filter(|section| !section.holds.is_empty()) {
        item(&mut page, vec![bold(section.name)], section.holds);
    }
    blocks(&mut page, FORM);
    let entries = reference_entries(sections, registry);
    for (heading, of_kind) in kinds(&entries) {
        page.control("SH", [heading.to_uppercase().as_str()]);
        for entry in of_kind {
            add(&mut page, entry);
        }
    }
    page.control("SH", ["FILES"]);
    for (file, what) in FILES {
        item(&mut page, vec![bold(file)], what);
    }
    page.control("SH", ["EXAMPLES"]).text(inlines("Every Wednesday at 6:30, run a program:"));
    code(&mut page, EXAMPLE.lines());
    page.control("SH", ["SEE ALSO"]);
    page.text(inlines("`heraldd`(1). `heraldd reference NAME` prints what this page says of one name."));
    page.render()
}

fn add(page: &mut Roff, entry: &ReferenceEntry) {
    let ReferenceEntry { params, place, description, .. } = entry;
    page.control("SS", [entry.name()]);
    for paragraph in [place, &description.doc] {
        if !paragraph.is_empty() {
            page.control("PP", []).text(inlines(paragraph));
        }
    }
    options(page, "", &description.options);
    if !description.params.is_empty() || !description.gives.is_empty() {
        page.control("PP", []).text(inlines(&format!("{params}:")));
    }
    options(page, "", &description.params);
    for (name, what) in &description.gives {
        item(page, vec![bold(name)], what);
    }
    let example = description.example.trim_matches('\n');
    if !example.is_empty() {
        page.control("PP", []).text([roman("Example:")]);
        code(page, example.lines());
    }
}

/// Each option, and each option of an option.
fn options(page: &mut Roff, above: &str, given: &[OptionSpec]) {
    for option in given {
        let default = match (&option.default, option.required) {
            (Some(Value::String(text)), _) => format!(", default {text}"),
            (Some(default), _) => format!(", default {default}"),
            (None, true) => ", required".to_owned(),
            (None, false) => String::new(),
        };
        let mut term = vec![bold(format!("{above}{}", option.name)), roman(" (")];
        term.extend(inlines(&values(option)));
        term.push(roman(format!("{default})")));
        item(page, term, &option.doc);
        match &option.kind {
            OptionKind::Fields(inner) => options(page, &format!("{above}{}.", option.name), inner),
            OptionKind::NamedFields(inner) => options(page, &format!("{above}{}.NAME.", option.name), inner),
            _ => {}
        }
    }
}
