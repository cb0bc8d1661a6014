//! Crash tests: crashes of every kind, many times. No acknowledged event may be lost, and nothing may run twice without
//! a record.

pub(crate) mod evidence;
pub(crate) mod load;
pub(crate) mod options;
pub(crate) mod publish;
pub(crate) mod queue;
pub(crate) mod socket;
pub(crate) mod verdict;

mod deploy;
mod disk;
mod kill;
mod link;
mod proxy;
mod random;
mod rig;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::place::Place;
use options::{Kind, Options};
use random::Random;
use verdict::Verdict;

/// Runs the selected kinds, and prints a table.
///
/// # Errors
/// When anything was lost, or ran twice without a record.
pub(crate) fn run(options: &Options) -> Result<()> {
    println!("seed {}", options.seed);
    println!("{}", cells(["kind", "rounds", "acknowledged", "lost", "repeated", "marked", "took"]));
    let mut wrong = Vec::new();
    for kind in &options.kinds {
        let place = Place::beside_this_program(options.keep)?;
        let mut random = Random::new(options.seed);
        let began = Instant::now();
        let on_a_disk = matches!(kind, Kind::Power | Kind::Full | Kind::ReadOnly);
        let why_not = match kind {
            Kind::Queue => crate::queue::redis::not_here(),
            Kind::Publish => crate::etcd::process::not_here(),
            Kind::Deploy => deploy::not_here(),
            _ => on_a_disk.then(disk::not_here).flatten(),
        };
        if let Some(why) = why_not {
            println!("{:<9}  skipped: {why}", kind.name());
            continue;
        }
        match one(*kind, &place, options.rounds_of(*kind), &mut random) {
            Ok(verdict) => {
                println!("{}", line(*kind, &verdict, began));
                wrong.extend(verdict.check().err().map(|error| format!("{}: {error}", kind.name())));
            }
            Err(error) => {
                println!("{:<9}  broke off: {error:#}", kind.name());
                wrong.push(format!("{} broke off: {error:#}", kind.name()));
            }
        }
    }
    ensure!(wrong.is_empty(), "seed {}: {}", options.seed, wrong.join("\n"));
    Ok(())
}

fn one(kind: Kind, place: &Place, rounds: u64, random: &mut Random) -> Result<Verdict> {
    match kind {
        Kind::Kill => kill::kill(place, rounds, random),
        Kind::Term => kill::term(place, rounds, random),
        Kind::Failpoint => {
            let (programs, (remote, local)) = (with_failpoints()?, failpoints()?);
            let both = kill::failpoints(place, rounds, random, &programs, &local)?;
            Ok(both.and(link::failpoints(place, rounds, &programs, &remote)?))
        }
        Kind::Runner => link::runner(place, rounds, random),
        Kind::Link => link::link(place, rounds, random),
        Kind::Queue => queue::queue(place, rounds, random),
        Kind::Publish => publish::publish(place, rounds, random),
        Kind::Deploy => deploy::deploy(place, rounds, random, &all_failpoints()?),
        Kind::Power => disk::power(place, rounds, random),
        Kind::Full => disk::full(place, rounds, random),
        Kind::ReadOnly => disk::read_only(place, rounds, random),
    }
}

fn line(kind: Kind, verdict: &Verdict, began: Instant) -> String {
    let took = format!("{:.0} s", began.elapsed().as_secs_f32());
    let Verdict { rounds, acknowledged, marked, lost, repeated } = verdict;
    let numbers = [*rounds, *acknowledged, lost.len() as u64, repeated.len() as u64, *marked];
    let [rounds, acknowledged, lost, repeated, marked] = numbers.map(|number| number.to_string());
    cells([kind.name(), &rounds, &acknowledged, &lost, &repeated, &marked, &took])
}

/// One line of the table, which is printed line by line.
fn cells(cells: [&str; 7]) -> String {
    let [kind, rounds, acknowledged, lost, repeated, marked, took] = cells;
    format!("{kind:<9}  {rounds:>6}  {acknowledged:>12}  {lost:>5}  {repeated:>8}  {marked:>6}  {took:>6}")
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

/// The names of all failpoints, from the sources.
fn all_failpoints() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for folder in ["herald-core/src", "crates", "heraldd/src"] {
        collect(&root().join(folder), &mut names)?;
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// Those of remote jobs and their files, and the others that every job passes.
fn failpoints() -> Result<(Vec<String>, Vec<String>)> {
    let mut names = all_failpoints()?;
    // No job of this kind publishes or deploys: the tests of crates/publish and crates/deploy, and the kind `deploy`,
    // end a process at each of these steps.
    names.retain(|name| !["publish-", "deploy-", "apps-"].iter().any(|prefix| name.starts_with(prefix)));
    let is_remote = |name: &String| name.starts_with("remote-") || name.starts_with("staging-");
    let (remote, local): (Vec<_>, Vec<_>) = names.into_iter().partition(is_remote);
    ensure!(!remote.is_empty() && !local.is_empty(), "there are no failpoints");
    Ok((remote, local))
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
