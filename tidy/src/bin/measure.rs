//! Prints what the counting rules count, as tables.
//!
//!     cargo run -p tidy --bin measure              this repository
//!     cargo run -p tidy --bin measure -- FOLDER    another checkout
//!     cargo run -p tidy --bin measure -- --list words [FOLDER]
//!                                                  every place that a rule (a section of tidy/limits.toml) counts
//!     cargo run -p tidy --bin measure -- --lower   lower every limit in tidy/limits.toml that is larger than needed

use std::error::Error;
use std::io::Write as _;
use std::{env, fs, io};

use tidy::finding::Counted;
use tidy::limits::{Limits, PATH};
use tidy::read::sources::Sources;
use tidy::read::tree::Tree;
use tidy::rules::report::report;
use tidy::rules::{RULES, Rule};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => tables(&Tree::read()?, false),
        ["--lower"] => tables(&Tree::read()?, true),
        ["--list", rule] => list(&Tree::read()?, rule),
        ["--list", rule, folder] => list(&Tree::read_at(folder.as_ref())?, rule),
        [folder] if !folder.starts_with('-') => tables(&Tree::read_at(folder.as_ref())?, false),
        _ => Err("expected nothing, FOLDER, --lower, or --list RULE [FOLDER]".into()),
    }
}

fn tables(tree: &Tree, lower: bool) -> Result<(), Box<dyn Error>> {
    let sources = Sources::read(tree);
    let measured: Vec<(&Rule, Vec<Counted>)> =
        RULES.iter().map(|rule| (rule, (rule.measure)(&sources))).collect();
    let limits = match tree.text(PATH) {
        Some(text) => Limits::parse(text, &RULES).map_err(|finding| finding.to_string())?,
        None => Limits::exactly(&measured),
    };
    if lower {
        fs::write(tree.root.join(PATH), limits.lowered(&measured))?;
    }
    io::stdout().write_all(report(&sources, &measured, &limits).as_bytes())?;
    Ok(())
}

fn list(tree: &Tree, name: &str) -> Result<(), Box<dyn Error>> {
    let rule = RULES.iter().find(|rule| rule.name == name).ok_or_else(|| {
        let known: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
        format!("unknown rule \"{name}\"; expected one of: {}", known.join(", "))
    })?;
    let mut findings: Vec<_> =
        (rule.measure)(&Sources::read(tree)).into_iter().map(|counted| counted.finding).collect();
    findings.sort();
    let mut output = io::stdout().lock();
    for finding in findings {
        writeln!(output, "{finding}")?;
    }
    Ok(())
}
