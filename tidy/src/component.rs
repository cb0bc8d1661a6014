//! Rules for components: they do not import each other, and each has its line in the table and its example.

use crate::finding::Finding;
use crate::imports::Import;
use crate::read::lexer::Kind;
use crate::read::rust::RustFile;

/// The kinds of components; each is a folder of the daemon.
pub const KINDS: [&str; 3] = ["trigger", "selector", "executor"];

/// The component that a file belongs to: `heraldd/src/trigger/http.rs` and all in `heraldd/src/trigger/http/` are
/// `trigger/http`; in herald-core each kind is one file or folder of
/// `herald-core/src/component`.
fn unit(path: &str) -> Option<String> {
    let (krate, inside) = path.split_once("/src/")?;
    let inside = if krate == "herald-core" { inside.strip_prefix("component/")? } else { inside };
    let mut parts = inside.trim_end_matches(".rs").split('/');
    let kind = parts.next().filter(|kind| KINDS.contains(kind))?;
    match (krate, parts.next()) {
        ("herald-core", _) => Some(kind.to_owned()),
        // What a kind's components share is in its mod.rs, and belongs to none of them.
        (_, None | Some("mod")) => None,
        (_, Some(name)) => Some(format!("{kind}/{name}")),
    }
}

/// Components that import each other.
#[must_use]
pub fn stand_alone(imports: &[Import]) -> Vec<Finding> {
    imports
        .iter()
        .filter_map(|import| {
            let (from, to) = (unit(&import.from)?, unit(&import.to)?);
            (from != to).then(|| {
                let what =
                    format!("{from} imports {to}: components never know each other, move what both need out");
                Finding::new(&import.from, import.line, what)
            })
        })
        .collect()
}

/// The built-in types: (kind, type), as the files of the daemon's folders say.
pub fn built_in<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<(&'a str, &'a str)> {
    let mut found: Vec<(&str, &str)> = paths
        .filter_map(|path| {
            let (kind, file) = path.strip_prefix("heraldd/src/")?.split_once('/')?;
            let name = file.split('/').next()?.trim_end_matches(".rs");
            (KINDS.contains(&kind) && name != "mod").then_some((kind, name))
        })
        .collect();
    found.dedup();
    found
}

/// Types without a line in the table of built-in types.
#[must_use]
pub fn registered(types: &[(&str, &str)], table: &RustFile<'_>) -> Vec<Finding> {
    types
        .iter()
        .filter(|(kind, name)| {
            table.find(&[kind, "::", name]).next().is_none() && !imported(table, kind, name)
        })
        .map(|(kind, name)| {
            let what = format!("{kind}::{name} has no line here: add it, or take its file away");
            Finding::new(table.path, 0, what)
        })
        .collect()
}

/// `use crate::trigger::{cron, http}` and then `cron::…`.
fn imported(table: &RustFile<'_>, kind: &str, name: &str) -> bool {
    table.find(&[kind, "::", "{"]).next().is_some()
        && table.code.iter().filter(|token| token.kind == Kind::Word && token.text == name).count() > 1
}

/// Types that no example shows: one shows a type when it says `type: NAME` or names it in a router.
#[must_use]
pub fn shown(types: &[(&str, &str)], examples: &[(&str, &str)]) -> Vec<Finding> {
    types
        .iter()
        .filter(|(kind, name)| {
            !examples.iter().any(|(_, text)| text.lines().any(|line| shows(line, kind, name)))
        })
        .map(|(kind, name)| {
            let what = format!("no example shows the {kind} {name}: add examples/{kind}-{name}.yml");
            Finding::new("examples/README.md", 0, what)
        })
        .collect()
}

fn shows(line: &str, kind: &str, name: &str) -> bool {
    let line = line.trim();
    let Some((key, value)) = line.split_once(':') else { return false };
    let value = value.trim();
    (key == "type" || key == kind || kind == "executor") && value == name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_do_not_know_each_other() {
        for (from, to, wrong) in [
            ("heraldd/src/trigger/http.rs", "heraldd/src/trigger/cron.rs", true),
            ("heraldd/src/trigger/http/answer.rs", "heraldd/src/trigger/http/mod.rs", false),
            ("heraldd/src/trigger/http.rs", "heraldd/src/selector/all.rs", true),
            ("heraldd/src/trigger/http.rs", "heraldd/src/trigger/mod.rs", false),
            ("heraldd/src/components.rs", "heraldd/src/trigger/cron.rs", false),
            ("herald-core/src/component/selector.rs", "herald-core/src/component/trigger.rs", true),
            ("herald-core/src/component/spec.rs", "herald-core/src/component/trigger.rs", false),
        ] {
            let import = Import { from: from.to_owned(), to: to.to_owned(), line: 3 };
            assert_eq!(!stand_alone(&[import]).is_empty(), wrong, "{from} -> {to}");
        }
    }

    #[test]
    fn every_type_has_its_line() {
        let paths = [
            "heraldd/src/trigger/cron.rs",
            "heraldd/src/trigger/mod.rs",
            "heraldd/src/executor/local/mod.rs",
        ];
        let types = built_in(paths.into_iter());
        assert_eq!(types, [("trigger", "cron"), ("executor", "local")]);
        for (text, missing) in [
            ("fn all() { add(trigger::cron::component()); add(executor::local::component()) }", 0),
            ("use crate::trigger::{cron}; fn all() { add(cron::component()); }", 1),
            ("use crate::trigger::{cron}; use executor::local;", 1),
            ("// trigger::cron", 2),
        ] {
            let table = RustFile::read("heraldd/src/components.rs", text);
            assert_eq!(registered(&types, &table).len(), missing, "{text}");
        }
    }

    #[test]
    fn every_type_is_shown() {
        let types = [("trigger", "cron"), ("executor", "print"), ("selector", "all")];
        let example = "a:\n  type: cron\nrouter:\n  x:\n    selector: all\n    task:\n      say: print\n";
        assert_eq!(shown(&types, &[("examples/a.yml", example)]).len(), 0);
        assert_eq!(shown(&types, &[("examples/a.yml", "# cron print all\n")]).len(), 3);
    }
}
