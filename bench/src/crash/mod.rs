//! Crashes of every kind, many times over, and what is left afterwards: no event that was acknowledged may be lost, and
//! nothing may run twice without a mark.

pub(crate) mod evidence;
pub(crate) mod load;
pub(crate) mod options;

mod disk;
mod kill;
mod link;
mod random;
mod rig;
mod verdict;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::place::Place;
use options::{Kind, Options};
use random::Random;
use verdict::Verdict;

/// Runs the kinds that were asked for, and prints a table.
///
/// # Errors
/// When anything was lost or ran twice unmarked.
pub(crate) fn run(options: &Options) -> Result<()> {
    println!("seed {}", options.seed);
    let mut lines = vec![
        ["kind", "rounds", "acknowledged", "lost", "repeated", "marked lost", "took"].map(str::to_owned),
    ];
    let mut wrong = Vec::new();
    for kind in &options.kinds {
        let place = Place::beside_this_program(options.keep)?;
        let mut random = Random::new(options.seed);
        let began = Instant::now();
        eprintln!("{}…", kind.name());
        let on_a_disk = matches!(kind, Kind::Power | Kind::Full | Kind::ReadOnly);
        if let Some(why) = on_a_disk.then(disk::not_here).flatten() {
            eprintln!("{}: skipped: {why}", kind.name());
            lines.push([kind.name(), "skipped", "", "", "", "", &why].map(str::to_owned));
            continue;
        }
        let verdict = one(*kind, &place, options.rounds_of(*kind), &mut random)
            .with_context(|| format!("{}, seed {}", kind.name(), options.seed))?;
        lines.push(line(*kind, &verdict, began));
        if let Err(error) = verdict.check() {
            wrong.push(format!("{}: {error}", kind.name()));
        }
    }
    print!("{}", aligned(&lines));
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn one(kind: Kind, place: &Place, rounds: u64, random: &mut Random) -> Result<Verdict> {
    match kind {
        Kind::Kill => kill::kill(place, rounds, random),
        Kind::Term => kill::term(place, rounds, random),
        Kind::Failpoint => kill::failpoints(place, rounds, random, &with_failpoints()?, &failpoints()?),
        Kind::Runner => link::runner(place, rounds, random),
        Kind::Link => link::link(place, rounds, random),
        Kind::Power => disk::power(place, rounds, random),
        Kind::Full => disk::full(place, rounds, random),
        Kind::ReadOnly => disk::read_only(place, rounds, random),
    }
}

fn line(kind: Kind, verdict: &Verdict, began: Instant) -> [String; 7] {
    [
        kind.name().to_owned(),
        verdict.rounds.to_string(),
        verdict.acknowledged.to_string(),
        verdict.lost.len().to_string(),
        verdict.repeated.len().to_string(),
        verdict.marked.to_string(),
        format!("{:.0} s", began.elapsed().as_secs_f32()),
    ]
}

fn aligned(lines: &[[String; 7]]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for line in lines {
        let cells: Vec<String> =
            line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// The folder with a heraldd that knows failpoints: a build with debug assertions.
fn with_failpoints() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let folder = this.parent().context("a program lies in a folder")?;
    if cfg!(debug_assertions) {
        return Ok(folder.to_owned());
    }
    let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "-p", "heraldd"])
        .current_dir(root())
        .status()?;
    ensure!(built.success(), "heraldd could not be built with debug assertions");
    let beside = folder.parent().context("a folder lies in a folder")?.join("debug");
    Ok(if beside.exists() { beside } else { root().join("target/debug") })
}

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The names of all failpoints that a daemon with local jobs comes by, from the sources.
fn failpoints() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for folder in ["herald-core/src", "heraldd/src"] {
        collect(&root().join(folder), &mut names)?;
    }
    // They stand on the way of remote jobs and their files.
    names.retain(|name| !name.starts_with("remote-") && !name.starts_with("landing-"));
    names.sort();
    names.dedup();
    ensure!(!names.is_empty(), "there are no failpoints");
    Ok(names)
}

fn collect(folder: &Path, names: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, names)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path)?;
            let found = text.split("failpoint!(\"").skip(1).filter_map(|rest| rest.split('"').next());
            names.extend(found.map(str::to_owned));
        }
    }
    Ok(())
}
