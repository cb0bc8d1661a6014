//! The overview of the configuration: its form, and a link to the page of each section and component.

use std::fmt::Write as _;

use herald_config::spec::markdown::cell;

use crate::reference_entry::ReferenceEntry;
use crate::reference_page::{HERALD_RUNNER, NOTE, kinds};
use crate::section::Section;

/// The first paragraph of the overview, and of the manual page.
pub(crate) const ABOUT: &str = "\
One YAML 1.2 file. `heraldd` checks all of it before anything starts, and reports every problem as
`file:line:col: what is wrong`.
";

/// How the file is written: references to secrets, included files, routers, templates.
pub(crate) const FORM: &str = "\
`type` may be left out where it equals the name. A type that is not configured may be named in a router directly, and
then takes its default options.

A value of a component, a preset, `select_param` or `job_param` may be a reference: `${env:NAME}` or `${file:/path}`
(a trailing line break is cut; a relative path begins at the folder of the file that has it). A reference is always the
whole value, and what it gives is secret. Where `${env:` or `${file:` is meant as text, as in a script, write `$${env:`
or `$${file:`; the default values of a shell (`${env:-x}`) are text anyway.

`include: [conf.d/*.yml, /etc/herald/nodes.yml]` reads further files and merges their sections by name. Relative paths
begin at the folder of the main file; `*` and `?` are allowed in the name of a file; a pattern names its files in
alphabetical order, without hidden ones, and may name none. A name that two files define is an error with both places.
Included files cannot include others; their anchors and `x-` keys are their own, and relative paths in them, such as
those of `${file:…}`, begin at their own folders. At most 256 files, and 64 MiB together. A reload reads all of them.

YAML 1.2 means: `yes`, `no`, `on` and `off` are texts; `0o755` is octal, and `0755` is a text; `<<` merges maps; a key
is always a text; numbers keep all their digits.

## Routers

```yaml
router:
  NAME:
    trigger: NAME           # a trigger, or exe_done: the end of any job
    selector: NAME
    task:
      NAME: EXECUTOR
      NAME: {executor: NAME, select_param: {}, job_param: {}, policy: {}}
    select_param: {}        # parameters of the selector
    job_param: {}           # parameters of the executors
    policy: {}              # timeout, retry, concurrency, debounce, queue_limit, keep
```

`select_param` and `job_param` are a map, which may hold `preset: NAME` or `preset: [NAME, …]`; or directly the name of
a preset or a list of names. For each key the first of these wins: task, task's presets in order, router, router's
presets in order.

A text in `select_param` or `job_param` may be a template: `{{ expression }}` in [MiniJinja](https://docs.rs/minijinja), over
`trigger_param`, `trigger_id`, `router`, `trigger`, `selector` and `task`; in `job_param` also over `select_param`, `job_id`,
`executor`, `chain_depth` and `attempt`. A text that is one expression alone keeps the type of its value, within a text it is written as in JSON; what is not defined
fails the job and is named. Beside MiniJinja's own filters there are

| filter | gives |
|---|---|
| `tojson`, `fromjson` | JSON text of a value, and back |
| `json_object` | the first JSON object in a text; anything else stays as it is |
| `json_object_at(key, …)` | a map, with `json_object` of its values under these keys |
| `without(key)` | a map without this key |
| `b64encode`, `b64decode` | Base64, and back |
| `quote` | one word for a shell |
| `regex(pattern, group)` | what the group matches (group 1 by default); undefined when nothing does |

and the functions `at(value, \"a.b.0\")`, the value there, or none, and `heartbeat()`, a map of `version`, `hostname`,
`timestamp` (seconds since 1970), and `projects`, `in_sync`, `failed`, `held`, `revision` and `etcd` (`none` without any)
of the configurations that are published here: `json: '{{ heartbeat() }}'`. What is secret in the configuration is never taken for a template.
";

/// The overview, as Markdown: `docs/reference/configuration.md`. Its links lead to the pages of
/// [`reference_pages`](crate::reference_pages).
#[must_use]
pub fn overview(sections: &[&Section], entries: &[ReferenceEntry]) -> String {
    let mut page =
        format!("# Configuration reference\n\n{NOTE}\n\n{ABOUT}\n| section | holds |\n|---|---|\n");
    let of_sections: Vec<&ReferenceEntry> = entries.iter().filter(|entry| entry.kind == "Section").collect();
    for section in sections.iter().filter(|section| !section.holds.is_empty()) {
        let entry = of_sections.iter().find(|entry| entry.name() == section.name && entry.has_page());
        let target = entry.map_or_else(|| part(section.name).to_owned(), |entry| entry.path());
        let name = match target.as_str() {
            "" => format!("`{}`", section.name),
            target => format!("[`{}`]({target})", section.name),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| {name} | {} |", cell(section.holds));
    }
    for entry in of_sections.iter().filter(|entry| entry.name() == "top") {
        let _ = writeln!(page, "| [at the top]({}) | {} |", entry.path(), cell(&entry.first_sentence()));
    }
    page.push('\n');
    page.push_str(FORM);
    for (heading, of_kind) in kinds(entries).filter(|(heading, _)| *heading != "Sections") {
        let _ = write!(page, "\n## {heading}\n\n");
        if heading == "Internal triggers" {
            page.push_str("Herald fires these itself; a router names them like any other trigger.\n\n");
        }
        page.push_str("| name | what it does |\n|---|---|\n");
        for entry in of_kind {
            let _ = writeln!(
                page,
                "| [`{}`]({}) | {} |",
                entry.name(),
                entry.path(),
                cell(&entry.first_sentence())
            );
        }
    }
    let _ = write!(
        page,
        "\n## herald-runner\n\nIts configuration is a file of its own, with [options]({HERALD_RUNNER}) at the top.\n"
    );
    page
}

/// Where the overview itself describes a section that has no page.
fn part(section: &str) -> &'static str {
    match section {
        "trigger" => "#triggers",
        "selector" => "#selectors",
        "executor" => "#executors",
        "router" | "preset" => "#routers",
        _ => "",
    }
}
