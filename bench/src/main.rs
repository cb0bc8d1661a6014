//! Measures Herald and prints one table: its figures, compared with what the machine can do in the same run and with
//! the goals of the project.
//!
//! ```text
//! cargo run --release -p bench [-- --quick] [--only http,jobs,…] [--runs N]
//! ```
//!
//! With `crash` it measures nothing, but kills the programs in every way and checks that nothing is lost:
//!
//! ```text
//! cargo run --release -p bench -- crash [--rounds N] [--kinds kill,power,…] [--seed N]
//! ```

mod bare;
mod crash;
mod deploy;
mod etcd;
mod file;
mod fleet;
mod history;
mod http;
mod jobs;
mod load;
mod node;
mod options;
mod page;
mod place;
mod program;
mod queue;
mod remote;
mod spread;
mod start;
mod table;
mod webhook;

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::options::{Command, Options, Section};
use crate::place::Place;
use crate::table::Row;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    match arguments.peek().map(String::as_str) {
        Some("crash") => return crash(arguments.skip(1)),
        Some("job") => return job(arguments.skip(1)),
        Some("queue-job") => {
            let evidence = arguments.nth(1).context("the file for the evidence is missing")?;
            return crash::queue::evidence::be_the_job(evidence.as_ref());
        }
        _ => {}
    }
    let options = match options::read(arguments)? {
        Command::Help => {
            println!("{}", options::HELP);
            return Ok(());
        }
        Command::ServeBare => return bare::serve(),
        Command::Measure(options) => options,
    };
    let place = Place::new()?;
    let mut rows = Vec::new();
    for section in &options.sections {
        eprintln!("measuring {}…", section.name());
        rows.extend(measure(*section, &place, &options)?);
    }
    println!("{}", table::render(&rows));
    if options.quick {
        println!("These figures come from a quick run: they show that everything works, and little more.");
    }
    Ok(())
}

fn crash(arguments: impl Iterator<Item = String>) -> Result<()> {
    match crash::options::read(arguments)? {
        Some(options) => crash::run(&options),
        None => {
            println!("{}", crash::options::HELP);
            Ok(())
        }
    }
}

/// A job of a crash test (the daemons under test start this program as their job).
fn job(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let evidence = arguments.next().context("the file for the evidence is missing")?;
    crash::evidence::be_the_job(evidence.as_ref(), arguments.next().as_deref().map(AsRef::as_ref))
}

fn measure(section: Section, place: &Place, options: &Options) -> Result<Vec<Row>> {
    match section {
        Section::Http => http::measure(place, options),
        Section::Jobs => jobs::measure(place, options),
        Section::Remote => remote::measure(place, options),
        Section::File => file::measure(place, options),
        Section::Start => start::measure(place, options),
        Section::History => history::measure(place, options),
        Section::Webhook => webhook::measure(place, options),
        Section::Fleet => fleet::measure(place, options),
        Section::Queue => queue::measure(place, options),
        Section::Etcd => etcd::measure(place, options),
        Section::Page => page::measure(place, options),
        Section::Deploy => deploy::measure(place, options),
    }
}
