//! Documents that are generated from the components' own descriptions are up to date.
//! `HERALD_UPDATE=1 cargo test -p heraldd --test it generated` writes them again.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use herald_sections::{ReferenceEntry, ReferencePage, chapters, reference_entries, reference_pages};
use heraldd::{api, components, config};

const HOW: &str = "run: HERALD_UPDATE=1 cargo test -p heraldd --test it generated";

/// What is between these lines of the summary is generated.
const GENERATED: [&str; 2] =
    ["<!-- The reference: generated, like its pages. -->\n\n", "<!-- End of the reference. -->\n"];

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn entries() -> Vec<ReferenceEntry> {
    reference_entries(config::SECTIONS, &components::registry(&[]))
}

fn updates() -> bool {
    std::env::var_os("HERALD_UPDATE").is_some()
}

/// Compares a file with what it should be, or writes it.
fn check(path: &Path, text: &str) {
    if updates() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(found == text, "{} is out of date; {HOW}", path.display());
}

#[test]
fn the_reference_and_the_schema_are_up_to_date() {
    let registry = components::registry(&[]);
    let schema =
        serde_json::to_string_pretty(&herald_sections::schema(config::SECTIONS, &registry)).unwrap() + "\n";
    let overview = herald_sections::overview(config::SECTIONS, &entries());
    let openapi = serde_json::to_string_pretty(&api::openapi()).unwrap() + "\n";
    for (name, text) in
        [("configuration.md", overview), ("configuration.schema.json", schema), ("openapi.json", openapi)]
    {
        check(&docs().join("reference").join(name), &text);
    }
}

#[test]
fn every_component_has_its_page_and_no_page_is_left_over() {
    let folder = docs().join("reference");
    let pages = reference_pages(&entries(), &herald_runner::config::description());
    let mut expected = BTreeSet::new();
    for ReferencePage { path, text } in &pages {
        assert!(expected.insert(folder.join(path)), "two pages are at {path}");
        check(&folder.join(path), text);
    }
    let folders: BTreeSet<&Path> =
        expected.iter().filter_map(|path| path.parent()).filter(|parent| *parent != folder).collect();
    assert_eq!(folders.len(), 7, "{folders:?}");
    for path in folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
        let path = path.unwrap().path();
        if !expected.contains(&path) {
            assert!(updates(), "{} describes nothing; {HOW}", path.display());
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn every_page_of_the_reference_is_a_chapter_of_the_book() {
    let path = docs().join("SUMMARY.md");
    let summary = fs::read_to_string(&path).unwrap();
    let [begin, end] = GENERATED;
    let (before, rest) = summary.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    check(&path, &format!("{before}{begin}{}{end}{after}", chapters(&entries(), "reference")));
}

#[test]
fn the_manual_page_of_the_configuration_has_everything_and_no_warnings() {
    let page = herald_sections::manual(config::SECTIONS, &components::registry(&[]), "1.2.3");
    for expected in [
        ".TH heraldd.yml 5 \" \" \"heraldd 1.2.3\" Herald\n",
        ".SH NAME\nheraldd.yml \\- the configuration of heraldd\n",
        ".SH FILES\n",
        ".SH EXAMPLES\n",
        ".SH ROUTERS\n",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    for entry in entries().iter().filter(|entry| entry.has_page()) {
        assert!(page.contains(&format!(".SS {}\n", entry.name())), "{}", entry.name());
    }
    let macros = ["TH", "SH", "SS", "PP", "TP", "RS", "RE", "nf", "fi", "nh", "ad", "ie", "el"];
    for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
        let name = line[1..].split(' ').next().unwrap();
        assert!(macros.contains(&name), "a text would be read as a request: {line}");
    }
    // Where there is no groff, the rules above are what is checked.
    let Some(output) = groff(page) else { return };
    let warnings = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && warnings.is_empty(), "{warnings}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("max_chain_depth"));
}

/// What groff makes of a manual page, as text for a terminal; `None` where it is not installed.
#[expect(clippy::disallowed_methods, reason = "the page is read by the program that people read it with")]
fn groff(page: String) -> Option<Output> {
    let mut groff = Command::new("groff")
        .args(["-man", "-Kutf8", "-Tutf8", "-ww", "-P-cbuo"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = groff.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(page.as_bytes()));
    let output = groff.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    Some(output)
}
