//! The reference page of the configuration, made from what the types say of themselves.

use std::fmt::Write as _;

use herald_config::spec::markdown::{cell, component, options};
use herald_core::exe_done;
use herald_core::registry::{ComponentTypes, Registry};
use herald_core::spec::Description;
use herald_core::workflow::policy;

use crate::section::{Section, Shape};

const HEAD: &str = "\
# Configuration reference

<!-- Made from the descriptions of the component types; do not edit. -->

One YAML 1.2 file. `heraldd` checks all of it before anything starts, and reports every problem as
`file:line:col: what is wrong`.

| section | holds |
|---|---|
";

const FORM: &str = "\
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

/// The reference page for these sections and types, and for the file of herald-runner, as Markdown.
#[must_use]
pub fn markdown(sections: &[&Section], registry: &Registry, runner: &Description) -> String {
    let mut page = HEAD.to_owned();
    for section in sections.iter().filter(|section| !section.holds.is_empty()) {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{}` | {} |", section.name, cell(section.holds));
    }
    page.push('\n');
    page.push_str(FORM);
    page.push_str("\n## Settings\n");
    for section in sections {
        settings(&mut page, section);
    }
    page.push_str("\nUnder `policy` of a router or a task, the task's keys first:\n\n");
    options(&mut page, "key", &policy::description().options);
    page.push_str("\nUnder `retry` there:\n\n");
    options(&mut page, "key", &policy::retry_description().options);
    page.push_str("\nUnder `concurrency` there:\n\n");
    options(&mut page, "key", &policy::concurrency_description().options);
    section(&mut page, "Triggers", "`trigger_param` holds", &registry.triggers);
    page.push_str(
        "\n## Internal triggers\n\nHerald fires these itself; a router names them like any other trigger.\n",
    );
    for description in &exe_done::descriptions() {
        component(&mut page, "`trigger_param` holds", description);
    }
    section(&mut page, "Selectors", "`select_param` holds", &registry.selectors);
    section(&mut page, "Executors", "`job_param` holds", &registry.executors);
    of_runner(&mut page, runner);
    page
}

/// The file of herald-runner.
fn of_runner(page: &mut String, description: &Description) {
    // Writing to a String cannot fail.
    let _ = write!(
        page,
        "\n## herald-runner\n\n{} Its configuration is a file of its own, `herald-runner -config FILE`, with these options at the \
         top. `herald-runner check FILE` validates it.\n\n",
        description.doc
    );
    options(page, "option", &description.options);
    let _ = write!(page, "\n```yaml\n{}\n```\n", description.example.trim());
}

/// The options of a section that is a setting.
fn settings(page: &mut String, section: &Section) {
    let name = section.name;
    let (title, description) = match section.shape {
        Shape::Options(describe) => (format!("Under `{name}`"), describe()),
        Shape::Named(describe) => (format!("Under `{name}.NAME`"), describe()),
        Shape::Top(describe) => ("At the top of the file".to_owned(), describe()),
        Shape::Other(_) => return,
    };
    let _ = write!(page, "\n{title}. {}\n\n", description.doc);
    options(page, "option", &description.options);
}

fn section<C: ?Sized>(page: &mut String, title: &str, params: &str, types: &ComponentTypes<C>) {
    // Writing to a String cannot fail.
    let _ = write!(page, "\n## {title}\n");
    for description in types.descriptions() {
        component(page, params, description);
    }
}
