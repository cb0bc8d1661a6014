//! The arguments of the benchmark.

use anyhow::{Result, bail, ensure};

/// The text of `--help`.
pub(crate) const HELP: &str = "\
Measures heraldd and herald-runner (release builds, which it builds first if they are missing).

  cargo run --release -p bench -- [--quick] [--only SECTIONS] [--runs N]

  --quick           small numbers: checks that everything works, for CI
  --only SECTIONS   some of http,jobs,remote,file,start,history,webhook,fleet,queue,etcd,page,deploy (start measures
                    memory too; page the screens with 100,000 jobs in the history; deploy 40 runners on this
                    machine;
                    webhook compares with Debian's program of that name, which `.ci/install bench` installs; queue needs redis-server,
                    etcd etcd and etcdctl)
  --runs N          measurements of each figure; the table shows median, lowest and highest (default 5, quick 1)

  cargo run --release -p bench -- crash --help   crash tests";

/// A part of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// Events over HTTP.
    Http,
    /// Local jobs.
    Jobs,
    /// Remote jobs.
    Remote,
    /// A file from runner to daemon.
    File,
    /// From start to ready, and memory.
    Start,
    /// A long history, and the recovery of a long queue.
    History,
    /// Signed pushes of a forge.
    Webhook,
    /// One job on many nodes.
    Fleet,
    /// A queue between two daemons.
    Queue,
    /// Files from etcd.
    Etcd,
    /// The screens of the page, with a long history.
    Page,
    /// An application on many nodes.
    Deploy,
}

impl Section {
    const ALL: [Self; 12] = [
        Self::Http,
        Self::Jobs,
        Self::Remote,
        Self::File,
        Self::Start,
        Self::History,
        Self::Webhook,
        Self::Fleet,
        Self::Queue,
        Self::Etcd,
        Self::Page,
        Self::Deploy,
    ];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Jobs => "jobs",
            Self::Remote => "remote",
            Self::File => "file",
            Self::Start => "start",
            Self::History => "history",
            Self::Webhook => "webhook",
            Self::Fleet => "fleet",
            Self::Queue => "queue",
            Self::Etcd => "etcd",
            Self::Page => "page",
            Self::Deploy => "deploy",
        }
    }
}

/// What to measure, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// Small numbers.
    pub(crate) quick: bool,
    /// The number of measurements of each figure.
    pub(crate) runs: usize,
    /// In this order.
    pub(crate) sections: Vec<Section>,
}

impl Options {
    /// One of two amounts.
    pub(crate) fn pick<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// The command in the arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Print the help.
    Help,
    /// Run the bare server that heraldd is compared with (the program starts itself in this mode).
    ServeBare,
    /// Measure.
    Measure(Options),
}

/// Reads the arguments.
pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Command> {
    let (mut quick, mut runs, mut sections) = (false, None, Section::ALL.to_vec());
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-h" | "--help" => return Ok(Command::Help),
            "--serve-bare" => return Ok(Command::ServeBare),
            "--quick" => quick = true,
            "--runs" => runs = arguments.next().map(|number| number.parse::<usize>()).transpose()?,
            "--only" => {
                sections =
                    arguments.next().unwrap_or_default().split(',').map(section).collect::<Result<_>>()?
            }
            other => bail!("unknown argument {other}\n{HELP}"),
        }
    }
    let runs = runs.unwrap_or(if quick { 1 } else { 5 });
    ensure!((1..=100).contains(&runs), "--runs takes a number from 1 to 100");
    Ok(Command::Measure(Options { quick, runs, sections }))
}

fn section(name: &str) -> Result<Section> {
    match Section::ALL.into_iter().find(|section| section.name() == name) {
        Some(section) => Ok(section),
        None => bail!("unknown section {name}\n{HELP}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_arguments() {
        let read = |line: &str| read(line.split_whitespace().map(str::to_owned));
        let measured = |quick, runs, sections: &[Section]| {
            Some(Command::Measure(Options { quick, runs, sections: sections.to_vec() }))
        };
        for (line, expected) in [
            ("", measured(false, 5, &Section::ALL)),
            ("--quick", measured(true, 1, &Section::ALL)),
            ("--only file,http --runs 2", measured(false, 2, &[Section::File, Section::Http])),
            ("--help", Some(Command::Help)),
            ("--serve-bare", Some(Command::ServeBare)),
            ("--only nothing", None),
            ("--runs 0", None),
            ("--fast", None),
        ] {
            assert_eq!(read(line).ok(), expected, "{line}");
        }
    }
}
