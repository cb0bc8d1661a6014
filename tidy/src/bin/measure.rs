//! Prints what the counting rules count, as tables.
//!
//!     cargo run -p tidy --bin measure              this repository
//!     cargo run -p tidy --bin measure -- FOLDER    another checkout
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
    let argument = env::args().nth(1);
    let lower = argument.as_deref() == Some("--lower");
    let tree = match argument.filter(|_| !lower) {
        Some(folder) => Tree::read_at(folder.as_ref())?,
        None => Tree::read()?,
    };
    let sources = Sources::read(&tree);
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
