//! Checks the rules on this repository. How each rule works, and that each can fail, is tested beside it.

#![expect(clippy::unwrap_used, reason = "a test may give up where it stands")]

use std::collections::BTreeMap;
use std::process::Command;

use tidy::finding::Finding;
use tidy::imports::{Import, imports, loops};
use tidy::limits::{self, Limits};
use tidy::read::rust::RustFile;
use tidy::read::sources::Sources;
use tidy::read::tree::Tree;
use tidy::rules::{RULES, Rule};
use tidy::{banned, budget, component, crates, docs, licence};

fn tree() -> Tree {
    Tree::read().unwrap()
}

/// Fails with all findings, one per line.
fn none(mut found: Vec<Finding>) {
    found.sort();
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} to mend:\n{}\n", lines.len(), lines.join("\n"));
}

fn each_file(rule: impl Fn(&RustFile<'_>) -> Vec<Finding>) {
    let tree = tree();
    none(tree.rust().flat_map(|(path, text)| rule(&RustFile::read(path, text))).collect());
}

/// The imports of every `src/` folder, by that folder.
fn all_imports(tree: &Tree) -> BTreeMap<String, Vec<Import>> {
    let mut files: BTreeMap<String, Vec<RustFile<'_>>> = BTreeMap::new();
    for (path, text) in tree.rust() {
        if let Some((krate, _)) = path.split_once("/src/") {
            files.entry(format!("{krate}/src/")).or_default().push(RustFile::read(path, text));
        }
    }
    files.into_iter().map(|(src, files)| (src.clone(), imports(&src, &files))).collect()
}

#[test]
fn crates_depend_along_the_arrows() {
    let tree = tree();
    let manifests: Vec<(&str, &str)> = tree
        .files
        .iter()
        .filter(|(path, _)| path.ends_with("/Cargo.toml"))
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    assert!(manifests.len() >= 9, "the crates are not where this test looks for them");
    none(crates::check(&manifests));
}

#[test]
fn files_do_not_import_each_other_in_a_loop() {
    let all = all_imports(&tree());
    assert!(!all["herald-core/src/"].is_empty(), "no imports were found at all");
    none(all.values().flat_map(|imports| loops(imports)).collect());
}

#[test]
fn components_do_not_import_each_other() {
    none(all_imports(&tree()).values().flat_map(|imports| component::stand_alone(imports)).collect());
}

#[test]
fn every_component_has_its_line_and_its_example() {
    let tree = tree();
    let types = component::built_in(tree.rust().map(|(path, _)| path));
    assert!(types.contains(&("trigger", "cron")), "no components were found: {types:?}");
    let examples: Vec<(&str, &str)> = tree
        .files
        .iter()
        .filter(|(path, _)| path.starts_with("examples/") && path.ends_with(".yml"))
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let path = "heraldd/src/components.rs";
    let table = RustFile::read(path, tree.text(path).unwrap_or_default());
    let mut found = component::registered(&types, &table);
    found.extend(component::shown(&types, &examples));
    none(found);
}

#[test]
fn calls_are_made_where_they_belong() {
    each_file(banned::calls);
}

#[test]
fn nothing_is_read_whole_without_a_cap() {
    each_file(banned::whole_reads);
}

#[test]
fn files_and_functions_keep_their_budget() {
    each_file(budget::check);
}

/// Compares the counts of the counting rules with `limits.toml`; `measure` prints them as tables.
fn counts(rules: &[&str]) {
    let tree = tree();
    let sources = Sources::read(&tree);
    let limits = match Limits::parse(tree.text(limits::PATH).unwrap_or_default(), &RULES) {
        Ok(limits) => limits,
        Err(finding) => return none(vec![finding]),
    };
    let chosen: Vec<&Rule> = RULES.iter().filter(|rule| rules.contains(&rule.name)).collect();
    assert_eq!(chosen.len(), rules.len(), "a rule of {rules:?} is missing");
    none(chosen.into_iter().flat_map(|rule| limits.check(rule, &(rule.measure)(&sources))).collect());
}

#[test]
fn few_files_lie_at_a_crates_root() {
    counts(&["loose_files"]);
}

#[test]
fn a_type_name_means_one_type() {
    counts(&["type_names"]);
}

#[test]
fn errors_are_types_and_parameters_have_names() {
    counts(&["string_errors", "public_string_errors", "tuple_parameters"]);
}

#[test]
fn lines_of_prose_are_short() {
    counts(&["long_lines"]);
}

#[test]
fn words_are_plain() {
    counts(&["words", "words_in_names"]);
}

#[test]
fn nothing_is_put_off_or_silenced() {
    let tree = tree();
    let rust = tree.rust().flat_map(|(path, text)| banned::debts(&RustFile::read(path, text)));
    let kept = [".md", ".yml", ".toml", ".service", ".conf", ".sh"];
    let rest = tree
        .files
        .iter()
        .filter(|(path, _)| {
            kept.iter().any(|end| path.ends_with(end)) || matches!(path.as_str(), "test" | "start")
        })
        .flat_map(|(path, text)| banned::debts_in_text(path, text));
    none(rust.chain(rest).collect());
}

#[test]
fn names_say_what_things_do() {
    none(tree().files.iter().flat_map(|(path, _)| banned::names(path)).collect());
}

#[test]
fn no_file_names_this_machine() {
    let tree = tree();
    let root = tree.root.to_string_lossy().into_owned();
    none(tree.files.iter().flat_map(|(path, text)| banned::machine_paths(path, text, &root)).collect());
}

#[test]
fn examples_are_named_and_links_lead_somewhere() {
    let tree = tree();
    let paths: Vec<&str> = tree.files.iter().map(|(path, _)| path.as_str()).collect();
    let mut found = docs::examples_named(&paths, tree.text("examples/README.md").unwrap_or_default());
    for (path, text) in tree.files.iter().filter(|(path, _)| path.ends_with(".md")) {
        found.extend(docs::dead_links(path, text, |target| tree.root.join(target).exists()));
    }
    none(found);
}

#[test]
fn every_document_is_a_chapter_of_the_book() {
    let tree = tree();
    let paths: Vec<&str> = tree.files.iter().map(|(path, _)| path.as_str()).collect();
    none(docs::book(&paths, |path| tree.text(path)));
}

#[test]
fn dependencies_may_be_given_away() {
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(tree().root).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let version = run(&std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()), &["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
    let metadata =
        run(env!("CARGO"), &["metadata", "--format-version", "1", "--locked", "--filter-platform", &host]);
    let found = licence::check(&serde_json::from_str(&metadata).unwrap());
    assert!(found.is_empty(), "{}", found.join("\n"));
}
