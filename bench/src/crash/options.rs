//! The arguments of `bench crash`.

use anyhow::{Result, bail, ensure};

/// The text of `bench crash --help`.
pub(crate) const HELP: &str = "\
Kills heraldd and herald-runner in every way, many times, and checks that no acknowledged event is lost and that nothing
runs twice without a record. Prints a line for each kind; exit code 1 when anything is wrong. `marked` are jobs that
ended as lost. They do not count as a loss: their process died with the daemon, and this is recorded and reported.

  cargo run --release -p bench -- crash [--rounds N] [--kinds KINDS] [--seed N]

  --rounds N      rounds of `kill` (default 1000); the other kinds run a share of it
  --kinds KINDS   some of kill,term,failpoint,runner,link,queue,publish,deploy,power,full,read-only (default all)
  --seed N        repeat the random moments of this seed
  --keep          keep the folder of each kind, and print its path

queue and deploy print what they do in each round. queue needs redis-server, publish etcd and etcdctl, deploy git and
svnserve. power, full and read-only create and mount file system images: they need root, loop devices and mkfs.ext4.";

/// A kind of crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// SIGKILL under load.
    Kill,
    /// SIGTERM under load.
    Term,
    /// A crash at every failpoint.
    Failpoint,
    /// The runner is killed.
    Runner,
    /// The link to the runner is cut.
    Link,
    /// A queue: the origin, workers and Redis are killed, stopped, flushed, cut off.
    Queue,
    /// A publication from etcd is killed: `lost` are rounds after which the disk was not as etcd.
    Publish,
    /// Deployments: the daemon, runners, and their `git` and `svn` are killed. `lost` are nodes that are not as
    /// recorded.
    Deploy,
    /// Power loss.
    Power,
    /// A full disk.
    Full,
    /// A disk that turns read-only.
    ReadOnly,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Kill,
        Self::Term,
        Self::Failpoint,
        Self::Runner,
        Self::Link,
        Self::Queue,
        Self::Publish,
        Self::Deploy,
        Self::Power,
        Self::Full,
        Self::ReadOnly,
    ];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Term => "term",
            Self::Failpoint => "failpoint",
            Self::Runner => "runner",
            Self::Link => "link",
            Self::Queue => "queue",
            Self::Publish => "publish",
            Self::Deploy => "deploy",
            Self::Power => "power",
            Self::Full => "full",
            Self::ReadOnly => "read-only",
        }
    }
}

/// What to do, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    rounds: u64,
    /// In this order.
    pub(crate) kinds: Vec<Kind>,
    /// The seed of the random moments.
    pub(crate) seed: u64,
    /// Whether folders are kept.
    pub(crate) keep: bool,
}

impl Options {
    /// The number of rounds of this kind: some take longer than others.
    pub(crate) fn rounds_of(&self, kind: Kind) -> u64 {
        let share = match kind {
            Kind::Kill => 1,
            Kind::Term | Kind::Link => 4,
            Kind::Runner => 10,
            Kind::Power | Kind::Deploy => 5,
            Kind::Queue | Kind::Publish => 3,
            Kind::Full | Kind::ReadOnly => 20,
            // A round is a sweep over all of them.
            Kind::Failpoint => 200,
        };
        (self.rounds / share).max(1)
    }
}

/// Reads the arguments. `None`: print the help.
pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>> {
    let mut options =
        Options { rounds: 1000, kinds: Kind::ALL.to_vec(), seed: u64::from(std::process::id()), keep: false };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-h" | "--help" => return Ok(None),
            "--rounds" => options.rounds = number(arguments.next())?,
            "--seed" => options.seed = number(arguments.next())?,
            "--keep" => options.keep = true,
            "--kinds" => {
                let kinds = arguments.next().unwrap_or_default();
                options.kinds = kinds.split(',').map(kind).collect::<Result<_>>()?;
            }
            other => bail!("unknown argument {other}\n{HELP}"),
        }
    }
    ensure!(options.rounds > 0, "--rounds takes a number from 1");
    Ok(Some(options))
}

fn number(text: Option<String>) -> Result<u64> {
    match text.as_deref().map(str::parse) {
        Some(Ok(number)) => Ok(number),
        _ => bail!("a number is missing\n{HELP}"),
    }
}

fn kind(name: &str) -> Result<Kind> {
    match Kind::ALL.into_iter().find(|kind| kind.name() == name) {
        Some(kind) => Ok(kind),
        None => bail!("unknown kind {name}\n{HELP}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_arguments() {
        let read = |line: &str| read(line.split_whitespace().map(str::to_owned)).ok().flatten();
        for (line, expected) in [
            ("--rounds 5 --seed 1", Some((5, 11, 1))),
            ("--kinds kill,full --seed 2", Some((1000, 2, 2))),
            ("--kinds none", None),
            ("--rounds 0", None),
            ("--rounds", None),
            ("--help", None),
        ] {
            let found = read(line).map(|options| (options.rounds, options.kinds.len(), options.seed));
            assert_eq!(found, expected, "{line}");
        }
        let options = read("--rounds 100").unwrap();
        assert_eq!((options.rounds_of(Kind::Kill), options.rounds_of(Kind::Failpoint)), (100, 1));
    }
}
