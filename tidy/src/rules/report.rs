//! The measurements as tables in Markdown.

use std::collections::{BTreeMap, BTreeSet};

use super::Rule;
use crate::finding::Counted;
use crate::imports::{imports, loops};
use crate::limits::{Limits, by_key};
use crate::read::rust::{Role, RustFile};
use crate::read::sources::{Sources, area};
use crate::rules::files::by_crate;
use crate::rules::signatures::fallible;
use crate::rules::type_names::{ALLOWED, by_name};
use crate::rules::words::BANNED;

/// All tables.
#[must_use]
pub fn report(sources: &Sources<'_>, measured: &[(&Rule, Vec<Counted>)], limits: &Limits) -> String {
    let parts = [
        whole(sources, measured),
        crates(sources, measured),
        words(measured),
        names(measured),
        slack(measured, limits),
    ];
    parts.join("\n")
}

fn counted<'m>(measured: &'m [(&Rule, Vec<Counted>)], rule: &str) -> &'m [Counted] {
    measured.iter().find(|(one, _)| one.name == rule).map_or(&[], |(_, counted)| counted)
}

fn whole(sources: &Sources<'_>, measured: &[(&Rule, Vec<Counted>)]) -> String {
    let types = by_name(sources);
    let shared = |allowed: bool| {
        let several = types.iter().filter(|(name, places)| {
            places.len() > 1 && (allowed || !ALLOWED.iter().any(|(one, _)| one == *name))
        });
        several.fold((0, 0), |(names, all), (_, places)| (names + 1, all + places.len()))
    };
    let defined: usize = types.values().map(Vec::len).sum();
    let (names, of_types) = shared(true);
    let (not_allowed, _) = shared(false);
    let fallible = fallible(sources.product());
    let number = |rule: &str| counted(measured, rule).len();
    let rows = [
        ("type names of more than one type", format!("{names} names for {of_types} of {defined} types")),
        ("… without those that are allowed", format!("{not_allowed} names")),
        (
            "functions that return a Result with a text as error",
            format!(
                "{} of {} ({:.1} %)",
                fallible.with_text,
                fallible.functions,
                100.0 * fallible.with_text as f64 / fallible.functions.max(1) as f64
            ),
        ),
        ("… and types, fields, parameters with such a Result", number("string_errors").to_string()),
        ("… public ones", number("public_string_errors").to_string()),
        ("tuple parameters", number("tuple_parameters").to_string()),
        ("loops of imports between files", import_loops(sources).to_string()),
        ("lines of comments and documents over 120 columns", number("long_lines").to_string()),
        ("banned words in texts", number("words").to_string()),
        ("banned words in names", number("words_in_names").to_string()),
    ];
    let rows = rows.map(|(what, value)| vec![what.to_owned(), value]);
    table(&["measurement", "value"], &rows)
}

fn import_loops(sources: &Sources<'_>) -> usize {
    let mut crates: BTreeMap<String, Vec<RustFile<'_>>> = BTreeMap::new();
    for (path, text) in sources.tree.rust() {
        if let Some((krate, _)) = path.split_once("/src/") {
            crates.entry(format!("{krate}/src/")).or_default().push(RustFile::read(path, text));
        }
    }
    crates.iter().map(|(src, files)| loops(&imports(src, files)).len()).sum()
}

/// Lines of a crate's `src`.
#[derive(Default)]
struct Lines {
    all: usize,
    product: usize,
}

fn crates(sources: &Sources<'_>, measured: &[(&Rule, Vec<Counted>)]) -> String {
    let loose = by_crate(sources);
    let mut lines: BTreeMap<&str, Lines> = BTreeMap::new();
    for file in sources.rust.iter().filter(|file| file.path.contains("/src/")) {
        let entry = lines.entry(area(file.path)).or_default();
        entry.all += file.lines;
        if file.role == Role::Product {
            entry.product += file.product_lines();
        }
    }
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|(krate, lines)| {
            let of = |rule: &str| {
                let here = |one: &&Counted| area(&one.finding.file) == *krate;
                counted(measured, rule).iter().filter(here).count().to_string()
            };
            vec![
                (*krate).to_owned(),
                lines.product.to_string(),
                lines.all.to_string(),
                loose.get(krate).map_or(0, Vec::len).to_string(),
                of("string_errors"),
                of("tuple_parameters"),
                of("long_lines"),
                of("words"),
                of("words_in_names"),
            ]
        })
        .collect();
    let head = [
        "crate",
        "lines outside tests",
        "lines of src",
        "loose files",
        "text errors",
        "tuple parameters",
        "long lines",
        "banned words",
        "in names",
    ];
    table(&head, &rows)
}

fn words(measured: &[(&Rule, Vec<Counted>)]) -> String {
    let all = counted(measured, "words");
    let rows: Vec<Vec<String>> = BANNED
        .iter()
        .map(|(word, replacement)| {
            let end = format!(": {word}");
            let here: BTreeSet<&str> =
                all.iter().filter(|one| one.key.ends_with(&end)).map(|one| area(&one.finding.file)).collect();
            let count = all.iter().filter(|one| one.key.ends_with(&end)).count();
            vec![
                (*word).to_owned(),
                count.to_string(),
                (*replacement).to_owned(),
                here.into_iter().collect::<Vec<_>>().join(", "),
            ]
        })
        .collect();
    table(&["banned word", "count", "say", "where"], &rows)
}

fn names(measured: &[(&Rule, Vec<Counted>)]) -> String {
    let shared: Vec<String> = by_key(counted(measured, "type_names"))
        .iter()
        .map(|(name, places)| format!("{name} × {}", places.len()))
        .collect();
    format!("Shared type names: {}.\n", if shared.is_empty() { "none".to_owned() } else { shared.join(", ") })
}

fn slack(measured: &[(&Rule, Vec<Counted>)], limits: &Limits) -> String {
    let rows: Vec<Vec<String>> = measured
        .iter()
        .flat_map(|(rule, counted)| limits.slack(rule, counted).into_iter().map(move |slack| (rule, slack)))
        .map(|(rule, slack)| {
            vec![rule.name.to_owned(), slack.key, slack.limit.to_string(), slack.count.to_string()]
        })
        .collect();
    if rows.is_empty() {
        return "No limit in tidy/limits.toml is larger than needed.\n".to_owned();
    }
    format!("Limits that can be lowered:\n\n{}", table(&["rule", "for", "limit", "there are"], &rows))
}

fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(head.to_vec()) + &format!("|{}\n", "---|".repeat(head.len()));
    for row in rows {
        text += &line(row.iter().map(String::as_str).collect());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::tree::Tree;
    use crate::rules::RULES;

    #[test]
    fn what_is_measured_is_printed() {
        let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        let files = vec![
            file("a/src/lib.rs", "struct A; // told\nfn f(x: (u8, u8)) -> Result<u8, String> {}\n"),
            file("b/src/lib.rs", "struct A;\nfn f() -> Result<u8, E> {}\n"),
        ];
        let tree = Tree { root: "/".into(), files };
        let sources = Sources::read(&tree);
        let measured: Vec<_> = RULES.iter().map(|rule| (rule, (rule.measure)(&sources))).collect();
        let limits = Limits::parse("[tuple_parameters]\n\"a\" = 3\n", &RULES).unwrap();
        let text = report(&sources, &measured, &limits);
        for line in [
            "| type names of more than one type | 1 names for 2 of 2 types |",
            "| functions that return a Result with a text as error | 1 of 2 (50.0 %) |",
            "| a | 2 | 2 | 1 | 1 | 1 | 0 | 1 | 0 |",
            "| told | 1 | reported, logged, shown, sent or passed | a |",
            "| tuple_parameters | a | 3 | 1 |",
            "Shared type names: A × 2.",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
